"""Every unified method, written once. `_sync` is generated from this package: see `_generate.py`."""

from __future__ import annotations

from .exchange import OmsCcxtExchange

__all__ = ["OmsCcxtExchange"]
