"""Prices of a real exchange, as they come: public data only, never a credential."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

import ccxt

from ccxt_driver.oms.clock import WallClock
from ccxt_driver.oms.market.feed import Candle, Level, Quote, Trade
from ccxt_driver.oms.market.listing import Market, UnknownSymbol

from . import listing
from .following import Ask, Follower, Poll, Source, Stream
from .reading import Reader
from .tape import BASES, LiveTape

LOG: Final = logging.getLogger("ccxt_driver.venues")
CREDENTIALS: Final = tuple(ccxt.Exchange.requiredCredentials)
_HISTORY: Final = 500
_STOP_S: Final = 10.0
_LONGEST_WAIT_S: Final = 1.0


class LiveFeed:
    """A `Feed` of what a real exchange shows to everybody: see `EmbeddedOms(feed=...)`.

    Order books and trades come by the streams of ccxt.pro, and by asking again and again where the exchange
    has none. It is made when every symbol has a price, lives in a thread of its own, and ends with `close`.
    Nothing is ever sent but requests for public data.

    :param exchange: id of a ccxt exchange, or a class of ccxt
    :param symbols: unified symbols of spot markets and linear swaps
    :param config: for the constructor of the exchange: proxies, timeouts, options; credentials are refused
    :param depth: levels of each side of a book that are kept
    :param stale_ms: a book that was not confirmed for so long is not traded on
    :param poll_ms: the pause between two questions where there is no stream
    :param timeout_s: how long it may take until every symbol has a price
    :raises ValueError: a parameter that makes no sense, or a market that cannot be represented
    :raises ccxt.BaseError: what the exchange raises at the start; `RequestTimeout` when it takes too long
    """

    def __init__(
        self,
        exchange: str | type[Any],
        symbols: Iterable[str],
        *,
        config: Mapping[str, Any] | None = None,
        depth: int = 20,
        stale_ms: int = 30_000,
        poll_ms: int = 1_000,
        timeout_s: float = 60.0,
    ) -> None:
        self._symbols = _read_symbols(symbols)
        self._config = _read_config(config or {})
        for name, value in (("depth", depth), ("stale_ms", stale_ms), ("poll_ms", poll_ms)):
            if type(value) is not int or value < 1:
                raise ValueError(f"{name}: expected a whole number above 0, got {value!r}")
        if poll_ms >= stale_ms:
            raise ValueError(f"poll_ms: expected less than stale_ms {stale_ms}, got {poll_ms}")
        self._class = _class(exchange)
        self._depth, self._stale_ms, self._poll_ms = depth, stale_ms, poll_ms
        self._clock = WallClock()
        self._tapes: dict[str, LiveTape] = {}
        self._listeners: list[Callable[[], None]] = []
        self._news = threading.Event()
        self._closed = False
        self._priced: Future[None] = Future()
        self._start(timeout_s)

    def _start(self, timeout_s: float) -> None:
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("live-feed", self._run), ("live-feed-news", self._tell_listeners))
        ]
        for thread in self._threads:
            thread.start()
        atexit.register(self.close)
        try:
            self._priced.result(timeout_s)
        except TimeoutError:
            self.close()
            missing = [symbol for symbol, tape in self._tapes.items() if not tape.has_price]
            raise ccxt.RequestTimeout(
                f"{self._class.__name__}: no order book of {', '.join(missing or self._symbols)} "
                f"within {timeout_s} seconds"
            ) from None
        except BaseException:
            self.close()
            raise
        self.start_ms = self._clock.now_ms()
        """The first moment at which every symbol has a price."""

    # ------------------------------------------------------------------ the feed

    @property
    def markets(self) -> Sequence[Market]:
        """The markets, in the order of the symbols."""
        return [tape.market for tape in self._tapes.values()]

    @property
    def step_ms(self) -> int:
        """News may come at any millisecond."""
        return 1

    def halted(self, symbol: str, at_ms: int) -> str | None:
        """Why nobody may trade on a market at a moment: `disconnected`, `stale_prices`, `empty_book`, ...

        :returns: None while its prices are right
        """
        return self._tape(symbol).halted(at_ms)

    def quote(self, symbol: str, at_ms: int) -> Quote:
        """The quote as of a moment; the last one known while the market is halted."""
        return self._tape(symbol).quote(at_ms)

    def book(self, symbol: str, at_ms: int) -> tuple[Sequence[Level], Sequence[Level]]:
        """The book as of a moment; the last one known while the market is halted."""
        return self._tape(symbol).book(at_ms)

    def book_version(self, symbol: str, at_ms: int) -> int:
        """How often the book had changed by a moment."""
        return self._tape(symbol).version(at_ms)

    def first_move(
        self, symbol: str, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> Quote | None:
        """The first quote that reaches one of two prices; see `Feed.first_move`."""
        return self._tape(symbol).first_move(after_ms, until_ms, low, high)

    def candles(
        self, symbol: str, timeframe: str, since_ms: int | None, until_ms: int, limit: int
    ) -> list[Candle]:
        """Candles in ascending order: those of the venue up to the start, and what has traded since."""
        return self._tape(symbol).candles(timeframe, since_ms, until_ms, limit)

    def trades(self, symbol: str, since_ms: int | None, until_ms: int, limit: int) -> list[Trade]:
        """Public trades since the start, in ascending order; see `Feed.trades`."""
        return self._tape(symbol).trades(since_ms, until_ms, limit)

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Be called after news have come, in a thread of the feed; several at once make one call.

        :returns: ends it
        """
        self._listeners.append(callback)

        def end() -> None:
            if callback in self._listeners:
                self._listeners.remove(callback)

        return end

    def close(self) -> None:
        """Let go of the exchange. What is known stays, and grows stale."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        self._news.set()
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._ended.set)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _tape(self, symbol: str) -> LiveTape:
        try:
            return self._tapes[symbol]
        except KeyError:
            raise UnknownSymbol(symbol) from None

    # ------------------------------------------------------------------ in the threads

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._live())
        finally:
            self._loop.close()

    async def _live(self) -> None:
        """Follow until `close`, and let go of everything."""
        work = asyncio.ensure_future(self._work())
        ended = asyncio.ensure_future(self._ended.wait())
        await asyncio.wait({work, ended}, return_when=asyncio.FIRST_COMPLETED)
        for task in (work, ended):
            task.cancel()
        [error, _] = await asyncio.gather(work, ended, return_exceptions=True)
        if isinstance(error, Exception) and not self._priced.done():
            self._priced.set_exception(error)
        elif isinstance(error, Exception):
            LOG.error("the live feed has ended", exc_info=error)

    async def _work(self) -> None:
        exchange = self._class({**self._config, "enableRateLimit": True})
        following: list[asyncio.Future[None]] = []
        try:
            _refuse_credentials({name: getattr(exchange, name, None) for name in CREDENTIALS})
            await exchange.load_markets()
            self._list(exchange)
            readers = {symbol: self._reader(exchange, symbol) for symbol in self._tapes}
            for symbol, reader in readers.items():  # all at once: one after the other takes a second each
                following.append(asyncio.ensure_future(self._read_history(exchange, symbol, reader)))
            await asyncio.gather(*following)
            for symbol, reader in readers.items():
                following += self._follow(exchange, symbol, reader)
            await asyncio.gather(*following)
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
            await exchange.close()

    def _list(self, exchange: Any) -> None:
        """Translate the markets.

        :raises ValueError: one that is not there, or cannot be represented
        """
        rows = {}
        for symbol in self._symbols:
            row = exchange.markets.get(symbol)
            if row is None:
                raise ValueError(f"symbols: {exchange.id} has no {symbol!r}")
            rows[symbol] = row
        ids = [row["id"] for row in rows.values()]
        for symbol, row in rows.items():
            # Some venues give a spot market and a swap the same id.
            named = row if ids.count(row["id"]) == 1 else {**row, "id": symbol}
            market = listing.translated(named, exchange.precisionMode)
            self._tapes[symbol] = LiveTape(market, self._stale_ms)

    def _reader(self, exchange: Any, symbol: str) -> Reader:
        scale = listing.contract_size(exchange.markets[symbol])
        return Reader(self._tapes[symbol].market, scale, self._depth)

    def _follow(self, exchange: Any, symbol: str, reader: Reader) -> list[asyncio.Future[None]]:
        tape = self._tapes[symbol]
        follower = Follower(tape.market, reader, tape, self._clock.now_ms, self._arrived)
        has = exchange.has
        books = self._source(
            (lambda: exchange.watch_order_book(symbol)) if has.get("watchOrderBook") else None,
            (lambda: exchange.fetch_order_book(symbol)) if has.get("fetchOrderBook") else None,
            confirmed=True,
        )
        if books is None:
            raise ValueError(f"exchange: {exchange.id} has no order books")
        trades = self._source(
            (lambda: exchange.watch_trades(symbol)) if has.get("watchTrades") else None,
            (lambda: exchange.fetch_trades(symbol)) if has.get("fetchTrades") else None,
            confirmed=False,
        )
        work = [follower.books(books)]
        if trades is None:
            tape.price_is_middle()
        else:
            work.append(follower.trades(trades, named=isinstance(trades, Stream)))
        return [asyncio.ensure_future(each) for each in work]

    def _source(self, watch: Ask | None, ask: Ask | None, *, confirmed: bool) -> Source | None:
        if watch is not None:
            return Stream(watch, ask if confirmed else None, self._stale_ms / 3_000)
        return None if ask is None else Poll(ask, self._poll_ms / 1_000)

    async def _read_history(self, exchange: Any, symbol: str, reader: Reader) -> None:
        """Candles from before; without them the candles begin now."""
        if not exchange.has.get("fetchOHLCV"):
            return
        for timeframe in reversed(BASES):  # the shortest last: its close is the last price
            if timeframe == "1s" or timeframe not in (exchange.timeframes or {}):
                continue
            try:
                rows = await exchange.fetch_ohlcv(symbol, timeframe, limit=_HISTORY)
                self._tapes[symbol].put_history(timeframe, reader.candles(rows))
            except (ccxt.BaseError, ValueError) as error:
                LOG.warning("candles of %s, %s: %s: %s", symbol, timeframe, type(error).__name__, error)

    def _arrived(self) -> None:
        self._news.set()
        if not self._priced.done() and all(tape.has_price for tape in self._tapes.values()):
            self._priced.set_result(None)

    def _tell_listeners(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            self._wait_for_the_time()
            if self._closed:
                return
            for callback in [*self._listeners]:
                try:
                    callback()
                except Exception:
                    LOG.exception("a listener of the live feed failed")

    def _wait_for_the_time(self) -> None:
        """News of a millisecond that was asked about already count from the next one on: let that come."""
        newest = max((tape.latest_ms for tape in self._tapes.values()), default=0)
        until = time.monotonic() + _LONGEST_WAIT_S
        while self._clock.now_ms() < newest and not self._closed and time.monotonic() < until:
            time.sleep(0.0005)


def _read_symbols(symbols: Iterable[str]) -> list[str]:
    if isinstance(symbols, str):
        raise ValueError(f"symbols: expected a list, got {symbols!r}")
    found = [*dict.fromkeys(symbols)]
    if not found:
        raise ValueError("symbols: expected at least one symbol")
    return found


def _read_config(config: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_credentials(config)
    return dict(config)


def _refuse_credentials(given: Mapping[str, Any]) -> None:
    """What cannot be sent cannot leak; and nothing here needs it."""
    for name in CREDENTIALS:
        if given.get(name):
            raise ValueError(f"config.{name}: a live feed is public data only and takes no credentials")


def _class(exchange: str | type[Any]) -> type[Any]:
    if isinstance(exchange, type):
        return exchange
    import ccxt.async_support
    import ccxt.pro

    for module in (ccxt.pro, ccxt.async_support):
        if exchange in module.exchanges:
            found: type[Any] = getattr(module, exchange)
            return found
    raise ValueError(f"exchange: ccxt has no {exchange!r}")
