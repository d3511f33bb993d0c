"""An OMS in this process says which market data to read again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any


class PriceNews:
    """Calls back in the event loop, whichever thread has moved the prices; many moves at once are one call.

    :param oms: an `EmbeddedOms`
    :param wake: gets the symbols of which all may have changed, and those of which the book alone
    """

    def __init__(self, oms: Any, wake: Callable[[frozenset[str], frozenset[str]], None]) -> None:
        self.tells_all: bool = oms.manual
        """Whether nothing changes without being told: prices do not move by the clock on the wall."""
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._prices: frozenset[str] = frozenset()
        self._books: frozenset[str] = frozenset()
        self._thread = threading.get_ident()
        self._unsubscribe: Callable[[], None] = oms.subscribe_prices(self._moved)

    def close(self) -> None:
        """Listen no more."""
        self._unsubscribe()

    def _moved(self, news: Any) -> None:
        if self._loop.is_closed():
            self.close()  # the program has forgotten to close the exchange object
        elif threading.get_ident() == self._thread:
            self._wake(news.prices, news.books)  # who calls next is to know of it
        else:
            with self._lock:
                is_waking = bool(self._prices or self._books)
                self._prices |= news.prices
                self._books |= news.books
            if not is_waking:
                self._loop.call_soon_threadsafe(self._pass_on)

    def _pass_on(self) -> None:
        with self._lock:
            prices, books = self._prices, self._books
            self._prices = self._books = frozenset()
        self._wake(prices, books)
