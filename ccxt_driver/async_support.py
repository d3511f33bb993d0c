"""`OmsCcxtExchange` with coroutines; `watch_*` too, as programs expect that import ccxt.async_support."""

from __future__ import annotations

from .exchange.pro import OmsCcxtExchange

__all__ = ["OmsCcxtExchange"]
