"""The embedded OMS: the whole contract in this process, on a paper venue.

`EmbeddedOms` loads at first use, and neither ccxt nor aiohttp with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .access import ANONYMOUS
    from .entities import OWNER, Event, Permission, Principal
    from .gateway import FEATURES, HANDLERS, Reply
    from .market.listing import DEFAULT_MARKETS, LeverageTier, Market
    from .market.weather import Synthetic
    from .market_news import MarketNews
    from .service import EmbeddedOms

_HOMES: Final = {
    "ANONYMOUS": "access",
    "DEFAULT_MARKETS": "market.listing",
    "EmbeddedOms": "service",
    "Event": "entities",
    "FEATURES": "gateway",
    "HANDLERS": "gateway",
    "LeverageTier": "market.listing",
    "Market": "market.listing",
    "MarketNews": "market_news",
    "OWNER": "entities",
    "Permission": "entities",
    "Principal": "entities",
    "Reply": "gateway",
    "Synthetic": "market.weather",
}

__all__ = [
    "ANONYMOUS",
    "DEFAULT_MARKETS",
    "FEATURES",
    "HANDLERS",
    "OWNER",
    "EmbeddedOms",
    "Event",
    "LeverageTier",
    "Market",
    "MarketNews",
    "Permission",
    "Principal",
    "Reply",
    "Synthetic",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
