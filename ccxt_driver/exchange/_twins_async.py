"""The names of `_async.py` that have two forms: here the coroutine one."""

from __future__ import annotations

from ccxt.async_support.base.exchange import Exchange

__all__ = ["Exchange"]
