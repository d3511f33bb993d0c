"""Wakes those who follow market data when there may be something new. Many changes at once are one wake."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable

from ccxt_driver.oms.market_news import MarketNews

from .served import ServedOms


class PriceHub:
    """Lives in one event loop; prices may change in any thread. Without followers it hears of none.

    :param oms: whose prices
    """

    def __init__(self, oms: ServedOms) -> None:
        self._oms = oms
        self._loop = asyncio.get_running_loop()
        self._followers: dict[str, dict[asyncio.Event, bool]] = {}
        """By symbol; the value is whether the order book matters."""
        self._unsubscribe: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._prices: set[str] = set()
        self._books: set[str] = set()

    def follow(self, symbol: str, *, book: bool) -> tuple[asyncio.Event, Callable[[], None]]:
        """An event that is set when a symbol is to be read again; the caller clears it.

        :param book: whether orders that change the book count, too
        :returns: the event, and what ends this
        """
        news = asyncio.Event()
        self._followers.setdefault(symbol, {})[news] = book
        if self._unsubscribe is None:
            self._unsubscribe = self._oms.subscribe_prices(self._moved)
        return news, lambda: self._leave(symbol, news)

    def _leave(self, symbol: str, news: asyncio.Event) -> None:
        followers = self._followers.get(symbol, {})
        if followers.pop(news, None) is None or followers:
            return
        del self._followers[symbol]
        if not self._followers:
            self.close()

    def close(self) -> None:
        """Listen no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _moved(self, news: MarketNews) -> None:
        with self._lock:
            is_waking = bool(self._prices or self._books)
            self._prices |= news.prices
            self._books |= news.books
        if not is_waking:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        with self._lock:
            prices, self._prices = self._prices, set()
            books, self._books = self._books, set()
        for news, _ in self._followers_of(prices):
            news.set()
        for news, book in self._followers_of(books):
            if book:
                news.set()

    def _followers_of(self, symbols: set[str]) -> Iterable[tuple[asyncio.Event, bool]]:
        for symbol in symbols & self._followers.keys():
            yield from self._followers[symbol].items()
