"""`OmsCcxtExchange` with coroutines and `watch_*`, as ccxt.pro's classes."""

from __future__ import annotations

from .exchange.pro import OmsCcxtExchange

__all__ = ["OmsCcxtExchange"]
