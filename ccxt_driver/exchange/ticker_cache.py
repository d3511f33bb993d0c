"""Tickers of a moment ago, for `options.ticker_cache_ms`."""

from __future__ import annotations

import copy
import threading
from typing import Any, Final

_MOST: Final = 1000


class TickerCache:
    """By what was asked for; bounded, and safe to share between threads. The time is an argument."""

    __slots__ = ("_lock", "_tickers")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tickers: dict[str, tuple[int, Any]] = {}

    def get(self, key: str, now_ms: int, most_ms: int) -> Any:
        """The ticker that was asked for less than so long ago, a copy of one's own; None without."""
        asked_ms, ticker = self._tickers.get(key, (0, None))
        if ticker is None or not 0 <= now_ms - asked_ms < most_ms:
            return None
        return copy.deepcopy(ticker)

    def put(self, key: str, asked_ms: int, ticker: Any) -> None:
        """Keep a ticker; nobody may change it from now on."""
        with self._lock:
            self._tickers.pop(key, None)  # the newest is the last: the first is dropped
            self._tickers[key] = asked_ms, ticker
            if len(self._tickers) > _MOST:
                del self._tickers[next(iter(self._tickers))]
