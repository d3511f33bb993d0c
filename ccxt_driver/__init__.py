"""A ccxt exchange whose orders go through an Order Management System.

Names are loaded at first use, so that `ccxt_driver.oms` starts without importing ccxt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .exchange._sync import OmsCcxtExchange
    from .exchange.pro import OmsCcxtExchange as OmsCcxtProExchange
    from .registering import register, unregister

__all__ = ["OmsCcxtExchange", "OmsCcxtProExchange", "__version__", "register", "unregister"]


def __getattr__(name: str) -> Any:
    if name == "OmsCcxtExchange":
        from .exchange._sync import OmsCcxtExchange

        return OmsCcxtExchange
    if name == "OmsCcxtProExchange":
        from .exchange.pro import OmsCcxtExchange as OmsCcxtProExchange

        return OmsCcxtProExchange
    if name in ("register", "unregister"):
        from . import registering

        return getattr(registering, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
