"""What is known of one kind of market data of one symbol, and how it is brought up to date."""

from __future__ import annotations

import asyncio
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import ccxt
from ccxt.async_support.base.ws.cache import ArrayCache, ArrayCacheByTimestamp

from ccxt_driver.contract.events import Channel
from ccxt_driver.errors import annotate
from ccxt_driver.mappers import market_data

from .book_state import BookState, OutOfStep
from .trade_tape import Trade, TradeTape
from .watching import Ended, shared

if TYPE_CHECKING:
    from .market_hub import MarketHub
    from .market_watch import MarketWatch

LOG: Final = logging.getLogger("ccxt_driver")
Candle = list[Any]

TRADES_AT_ONCE: Final = 100
CANDLES_AT_FIRST: Final = 100
CANDLES_AT_ONCE: Final = 10
_MOST: Final = 1000
"""Rows that a venue is asked for in one page."""
_MOST_PAGES: Final = 100
_WHEN: Final = frozenset({"timestamp", "datetime", "info"})
_BEST: Final = ("bid", "bidVolume", "ask", "askVolume")


class Topic(ABC):
    """Read when something may have changed, or told by the server; watched by any number of watchers.

    :param hub: of the exchange object
    :param account_id: behind which the venue is
    :param symbol: None for all of them, or where there is none
    :param timeframe: of candles
    """

    channel: Channel | None = None
    """What the server is asked to push; None when it cannot."""
    is_sequence = False
    """Whether each item counts, and not only the newest."""
    is_of_orders = False
    """Whether orders change it, and not prices alone."""

    def __init__(
        self, hub: MarketHub, account_id: int, symbol: str | None = None, timeframe: str = ""
    ) -> None:
        self._hub = hub
        self.account_id = account_id
        self.symbol = symbol
        self.timeframe = timeframe
        self.watches: list[MarketWatch] = []
        self.depth: int | None = None
        self.is_pushed = False
        """Whether the server pushes what changes, as far as anybody can tell."""
        self._pushes = 0
        self._read_at: float | None = None
        self._news = asyncio.Event()
        self._called = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._down_since: float | None = None
        self._is_closed = False

    # -- for those who watch -----------------------------------------------------------------------

    @property
    def is_background(self) -> bool:
        """Whether it is read without anybody waiting: what is not read in time may be gone."""
        return self.is_sequence and not self._hub.in_process

    @property
    def shares_requests(self) -> bool:
        """Whether it is asked for together with others: then the request waits for its turn, and not each."""
        return False

    @property
    def is_fresh(self) -> bool:
        """Whether what is known is not old yet."""
        return self._seconds_left() > 0

    def is_older_than(self, seconds: float) -> bool:
        """Whether what is known was known that long ago already."""
        return self._read_at is None or self._hub.loop.time() - self._read_at > seconds

    @property
    def is_out(self) -> bool:
        """Whether it cannot be read, and could not for as long as a call waits."""
        since = self._down_since
        return since is not None and self._hub.loop.time() - since >= self._hub.outage

    async def fresh(self) -> None:
        """Read it, unless what is known is not old yet. Those who want it at the same time share one reading.

        :raises BaseError: it cannot be read
        :raises Ended: it was closed meanwhile
        """
        if self.is_fresh:
            return
        if self._has_closed():
            raise Ended
        await shared(self._begun_reading())

    def look(self) -> None:
        """As `fresh`, without waiting for it."""
        if not (self.is_fresh or self._has_closed()):
            self._begun_reading()

    def _begun_reading(self) -> asyncio.Task[None]:
        reading = self._reading
        if reading is None or reading.done():  # `_has_read` comes a moment later
            reading = self._reading = self._hub.loop.create_task(self._read())
            reading.add_done_callback(self._has_read)
        return reading

    def expect(self) -> None:
        """Somebody is going to wait for what is new."""
        self._called.set()
        if self._task is None:
            self._task = self._hub.loop.create_task(self._keep_up())

    def wake(self) -> None:
        """What is known may be old."""
        self._news.set()

    def lost(self) -> None:
        """The server pushes nothing any more, or nothing that can be right."""
        self.is_pushed = False

    def _has_closed(self) -> bool:
        return self._is_closed

    async def close(self) -> None:
        """Read no more."""
        self._is_closed = True
        tasks = {task for task in (self._task, self._reading) if task is not None}
        self._task = self._reading = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # -- reading -----------------------------------------------------------------------------------

    @property
    def _interval(self) -> float:
        return self._hub.check_interval if self.is_pushed else self._hub.read_interval

    def _seconds_left(self) -> float:
        """How long what is known is good for."""
        if self._read_at is None or self._news.is_set():
            return 0.0
        interval = self._interval
        if math.isinf(interval):
            return interval
        # At the same moments as others of its kind, so that one request can serve them all.
        return (self._read_at // interval + 1) * interval - self._hub.loop.time()

    def _is_needed(self) -> bool:
        return self.is_background or any(watch.watcher.waits for watch in self.watches)

    async def _due(self) -> None:
        while True:
            if not self._is_needed():
                self._called.clear()
                await self._called.wait()
                continue
            seconds = self._seconds_left()
            if seconds <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                    await self._news.wait()

    async def _keep_up(self) -> None:
        await asyncio.sleep(0)  # who expects news is waiting by then, in loops with eager tasks, too
        while True:
            await self._due()
            try:
                await self.fresh()
            except ccxt.NetworkError as error:
                if self.is_out:
                    self._tell(error, only_waiting=True)
            except ccxt.BaseError as error:
                self._tell(error)
            except Exception as error:
                LOG.exception("%s market data of %s cannot be kept up", self._hub.id, self.symbol)
                self._tell(ccxt.ExchangeError(f"{self._hub.id} {self.symbol}: {error!r}"))

    def _tell(self, error: ccxt.BaseError, *, only_waiting: bool = False) -> None:
        for watch in tuple(self.watches):
            if watch.watcher.waits or not only_waiting:
                watch.watcher.fail(error)

    async def _read(self) -> None:
        hub = self._hub
        pause = self._retry_at - hub.loop.time()
        if pause > 0:
            await asyncio.sleep(pause)
        if not self.shares_requests:
            await hub.turn()
        self._news.clear()  # before it is read: what comes during that counts
        pushes, was_pushed = self._pushes, self.is_pushed
        try:
            data = await self._fetched()
            if data is not None and (pushes == self._pushes or self.is_sequence):
                changed = await self._absorb(data)
                if changed and was_pushed and pushes == self._pushes:
                    hub.subscribe_again(self)  # it should have been pushed
        except Exception as error:
            self._failed(error)
            raise
        self._failures, self._down_since = 0, None
        self._read_at = hub.loop.time()

    async def _fetched(self) -> Any:
        """What the server has; None while the market has no price yet: its first one will be news."""
        try:
            return await self._fetch()
        except ccxt.MarketClosed as error:
            if _has_no_price_yet(error):
                return None
            raise

    def _failed(self, error: Exception) -> None:
        now = self._hub.loop.time()
        self._retry_at = now + self._hub.pause(self._failures, error)
        self._failures += 1
        self._news.set()
        if self._down_since is None:
            self._down_since = now

    def _has_read(self, task: asyncio.Task[None]) -> None:
        if self._reading is task:
            self._reading = None
        if not task.cancelled():
            task.exception()  # whoever waited for it may have been cancelled

    @property
    def _params(self) -> dict[str, Any]:
        return {"account_id": self.account_id}

    @abstractmethod
    async def _fetch(self) -> Any:
        """Ask the server."""

    async def _absorb(self, data: Any) -> bool:
        """Take over what was read; whether it was another than what was known."""
        return self._take(data)

    @abstractmethod
    def _take(self, data: Any) -> bool:
        """Take over data, and hand on what is new; whether anything was."""

    @abstractmethod
    def attach(self, watch: MarketWatch, history: list[Any] | None = None) -> None:
        """Hand what is new to one more; what is there now, too, if it stands for all before it.

        :param history: what it is given first; of trades and candles
        """

    async def history(self, since: int) -> list[Any]:
        """Items from a moment on up to now: what comes next is handed on by itself.

        :param since: milliseconds since the Unix epoch
        """
        raise NotImplementedError

    @abstractmethod
    def forget(self) -> None:
        """Take it out of ccxt's cache."""

    # -- pushed ------------------------------------------------------------------------------------

    def push(self, payload: Mapping[str, Any]) -> None:
        """A frame of the server."""
        if not self._push(payload):
            self.lost()
            self.wake()
            return
        self._pushes += 1
        self.is_pushed, self._down_since = True, None
        self._news.clear()
        self._read_at = self._hub.loop.time()

    def _push(self, payload: Mapping[str, Any]) -> bool:
        """Take over a frame; False when it cannot follow on what is known."""
        self._take(payload.get("data"))
        return True


class TickerTopic(Topic):
    """The ticker of a symbol, or of all."""

    channel = Channel.TICKER

    def __init__(self, hub: MarketHub, account_id: int, symbol: str | None = None) -> None:
        super().__init__(hub, account_id, symbol)
        if symbol is None:
            self.channel = None  # type: ignore[assignment]  # nobody pushes all of them
        self._tickers: dict[str, dict[str, Any]] = {}

    @property
    def _cache(self) -> dict[str, Any]:
        return self._hub.cache("tickers")

    @property
    def shares_requests(self) -> bool:
        """Tickers of some symbols are asked for together."""
        return self.symbol is not None

    async def _fetch(self) -> Any:
        exchange = self._hub.exchange
        if self.symbol is None:
            return await exchange.fetch_tickers(None, self._params)
        return {self.symbol: await self._hub.ticker(self.account_id, self.symbol)}

    def _push(self, payload: Mapping[str, Any]) -> bool:
        self._take({self.symbol: self._hub.mapped(market_data.ticker, payload.get("data"))})
        return True

    def _take(self, data: Any) -> bool:
        changed = False
        for symbol, ticker in data.items():
            ticker = self._shown(ticker)
            known = self._tickers.get(symbol)
            if known is not None and _content(known) == _content(ticker):
                continue
            changed = True
            self._tickers[symbol] = self._cache[symbol] = ticker
            for watch in self.watches:
                if watch.wants(symbol):
                    watch.latest.put(symbol, ticker)
        return changed

    def _shown(self, ticker: dict[str, Any]) -> dict[str, Any]:
        return ticker

    def attach(self, watch: MarketWatch, history: list[Any] | None = None) -> None:
        """Beginning with the tickers of now."""
        self.watches.append(watch)
        for symbol, ticker in self._tickers.items():
            if watch.wants(symbol):
                watch.latest.put(symbol, ticker)

    def forget(self) -> None:
        """As ccxt does."""
        for symbol in self._tickers:
            self._cache.pop(symbol, None)


class BidsAsksTopic(TickerTopic):
    """The best prices of a symbol, or of all, in the ticker structure."""

    @property
    def _cache(self) -> dict[str, Any]:
        return self._hub.cache("bidsasks")

    async def _fetch(self) -> Any:
        exchange = self._hub.exchange
        if not exchange.has.get("fetchBidsAsks"):
            return await super()._fetch()
        if self.symbol is None:
            return await exchange.fetch_bids_asks(None, self._params)
        best = await self._hub.best(self.account_id, self.symbol)
        return None if best is None else {self.symbol: best}

    def _push(self, payload: Mapping[str, Any]) -> bool:
        data = payload.get("data")
        if isinstance(data, dict) and (data.get("bid") is None or data.get("ask") is None):
            return False  # tickers of some venues do not have them
        return super()._push(payload)

    def _shown(self, ticker: dict[str, Any]) -> dict[str, Any]:
        kept = ("symbol", "timestamp", "datetime", "info", *_BEST)
        empty = dict.fromkeys(ticker)
        return {**empty, **{key: ticker.get(key) for key in kept}}


class BookTopic(Topic):
    """The order book of a symbol."""

    channel = Channel.ORDERBOOK
    is_of_orders = True

    def __init__(self, hub: MarketHub, account_id: int, symbol: str) -> None:
        super().__init__(hub, account_id, symbol)
        self._state = BookState(symbol)
        self._is_known = False
        self._is_wanted = False

    async def _fetch(self) -> Any:
        while True:
            depth = self.depth
            book = await self._hub.exchange.fetch_order_book(self.symbol, depth, self._params)
            if depth == self.depth:  # else somebody wants more of it meanwhile
                return book

    def deepen(self, limit: int | None) -> None:
        """Somebody wants so many levels a side; None for all that the venue gives."""
        if not self._is_wanted:
            self._is_wanted, self.depth = True, limit
        elif self.depth is not None and (limit is None or limit > self.depth):
            self.depth = limit
            self._read_at = None
            self._hub.subscribe_again(self)

    def _push(self, payload: Mapping[str, Any]) -> bool:
        update = payload.get("update")
        if update is None:
            self._take(self._hub.mapped(market_data.order_book, payload.get("data")))
            return True
        try:
            self._state.update(update)
        except OutOfStep as error:
            LOG.debug("%s %s: %s", self._hub.id, self.symbol, error)
            self._hub.subscribe_again(self)
            return False
        self._publish()
        return True

    def _take(self, data: Any) -> bool:
        changed = self._state.replace(data) or not self._is_known
        self._is_known = True
        if changed:
            self._publish()
        return changed

    def _publish(self) -> None:
        self._hub.cache("orderbooks")[self.symbol] = self._state.book
        for watch in self.watches:
            watch.latest.put(self.symbol, self._state.copy)

    def attach(self, watch: MarketWatch, history: list[Any] | None = None) -> None:
        """Beginning with the book of now, if there is one."""
        self.watches.append(watch)
        if self._is_known:
            watch.latest.put(self.symbol, self._state.copy)

    def forget(self) -> None:
        """As ccxt does."""
        self._hub.cache("orderbooks").pop(self.symbol, None)


class TradesTopic(Topic):
    """The public trades of a symbol: each once, whatever a reading or a frame overlaps with."""

    channel = Channel.TRADES
    is_sequence = True

    def __init__(self, hub: MarketHub, account_id: int, symbol: str) -> None:
        super().__init__(hub, account_id, symbol)
        self._tape = TradeTape()
        self._began_ms: int | None = None
        self._longest_page = 0
        self._cache = ArrayCache(hub.limit("tradesLimit"))

    async def _fetch(self) -> Any:
        if self._began_ms is None:
            self._began_ms = self._hub.exchange.milliseconds()
        return await self._trades(None, TRADES_AT_ONCE)

    async def _trades(self, since: int | None, limit: int) -> list[Trade]:
        exchange = self._hub.exchange
        trades: list[Trade] = await exchange.fetch_trades(self.symbol, since, limit, self._params)
        return trades

    async def _absorb(self, data: Any) -> bool:
        tape = self._tape
        if self._read_at is None and not self.watches:
            if data and data[0]["timestamp"] == data[-1]["timestamp"] is not None:
                # Of that moment there may be more, which a later reading from there on would bring.
                tape.add(await self._trades(data[-1]["timestamp"], _MOST))
            tape.add(data)  # what was before anybody watched
            self._remember([*tape.recent])
            return False
        if tape.joins(data, TRADES_AT_ONCE):
            return self._take(data)
        before = tape.newest_ms
        found, is_whole = await self._catch_up(data)
        found |= self._take(data)
        if not is_whole:
            self._tell(_hole(self._hub.id, f"trades of {self.symbol}", before))
        return found

    async def _catch_up(self, window: list[Trade]) -> tuple[bool, bool]:
        """Read what lies between what is known and a window that does not overlap with it.

        :returns: whether anything was new, and whether nothing is missing
        """
        tape, found = self._tape, False
        since = tape.newest_ms if tape.newest_ms is not None else self._began_ms or 0
        for _ in range(_MOST_PAGES):
            page = await self._trades(since, _MOST)
            follows = tape.newest_ms is None or tape.knows_any(page)  # else the venue does not go back
            found |= self._take(page)
            last = page[-1]["timestamp"] if page else None
            if not follows or last is None:
                break
            if tape.joins(window, TRADES_AT_ONCE):
                return found, True
            if last <= since:  # of this moment there is no more, unless the page could not hold it
                return found, page[-1].get("id") is None and len(page) < self._longest_page
            since, self._longest_page = last, max(len(page), self._longest_page)
        return found, False

    def _push(self, payload: Mapping[str, Any]) -> bool:
        window = self._hub.mapped(market_data.trades, payload.get("data"))
        if not self._tape.joins(window, TRADES_AT_ONCE):
            return False
        self._take(window)
        return True

    def _take(self, data: Any) -> bool:
        new = self._tape.add(data)
        self._remember(new)
        for watch in self.watches:
            for trade in new:
                watch.watcher.offer(trade)
        return bool(new)

    def _remember(self, trades: list[Trade]) -> None:
        cache = self._hub.cache("trades").setdefault(self.symbol, self._cache)
        for trade in trades:
            cache.append(trade)

    async def history(self, since: int) -> list[Trade]:
        """The trades from a moment on."""
        tape = TradeTape()
        found: list[Trade] = []
        moment = since
        for _ in range(_MOST_PAGES):
            page = await self._trades(moment, _MOST)
            found += tape.add(page)
            last = page[-1]["timestamp"] if page else None
            if len(page) < _MOST or last is None or last <= moment:
                break
            moment = last
        newest = self._tape.newest_ms or 0
        self._take([trade for trade in found if (trade["timestamp"] or 0) >= newest])
        return found + tape.add([trade for trade in self._tape.recent if (trade["timestamp"] or 0) >= since])

    def attach(self, watch: MarketWatch, history: list[Any] | None = None) -> None:
        """From now on."""
        self.watches.append(watch)
        for trade in history or ():
            watch.watcher.offer(trade)

    def forget(self) -> None:
        """As ccxt does."""
        self._hub.cache("trades").pop(self.symbol, None)


class CandlesTopic(Topic):
    """The candles of a symbol and a timeframe: the newest state of each, the last one of those that end."""

    channel = Channel.OHLCV
    is_sequence = True

    def __init__(self, hub: MarketHub, account_id: int, symbol: str, timeframe: str) -> None:
        super().__init__(hub, account_id, symbol, timeframe)
        self._candles: dict[int, Candle] = {}
        self._cache = ArrayCacheByTimestamp(hub.limit("OHLCVLimit"))

    @property
    def _newest_ms(self) -> int | None:
        return next(reversed(self._candles), None)

    async def _fetch(self) -> Any:
        at_once = CANDLES_AT_ONCE if self._candles else CANDLES_AT_FIRST
        exchange = self._hub.exchange
        pushes = self._pushes
        candles = await exchange.fetch_ohlcv(self.symbol, self.timeframe, None, at_once, self._params)
        if pushes != self._pushes:  # what was pushed meanwhile is newer
            candles = [candle for candle in candles if candle[0] not in self._candles]
        return candles

    async def _absorb(self, data: Any) -> bool:
        if self._joins(data):
            return self._take(data)
        since = self._newest_ms
        assert since is not None, "the first candles join"
        exchange = self._hub.exchange
        pages = {**self._params, "paginate": True}
        missed = await exchange.fetch_ohlcv(self.symbol, self.timeframe, since, None, pages)
        is_whole = any(candle[0] == since for candle in missed)  # else the venue does not go back
        found = self._take(missed)
        found |= self._take(data)
        if not is_whole:
            self._tell(_hole(self._hub.id, f"candles of {self.symbol}", since))
        return found

    def _joins(self, window: list[Candle]) -> bool:
        newest = self._newest_ms
        return newest is None or not window or window[0][0] <= newest

    def _push(self, payload: Mapping[str, Any]) -> bool:
        window = self._hub.mapped(market_data.candles, payload.get("data"))
        if not self._joins(window):
            return False
        self._take(window)
        return True

    def _take(self, data: Any) -> bool:
        changed = [candle for candle in data if self._candles.get(candle[0]) != candle]
        if not changed:
            return False
        rows = self._hub.cache("ohlcvs").setdefault(self.symbol, {}).setdefault(self.timeframe, self._cache)
        for candle in changed:
            self._candles[candle[0]] = candle
            rows.append(list(candle))
            for watch in self.watches:
                self._hand(watch, candle)
        if len(changed) > 1:
            self._candles = dict(sorted(self._candles.items()))
        while len(self._candles) > _MOST:
            del self._candles[next(iter(self._candles))]
        return True

    def _hand(self, watch: MarketWatch, candle: Candle) -> None:
        watch.latest.put((self.symbol, self.timeframe, candle[0]), candle)

    async def history(self, since: int) -> list[Candle]:
        """The candles from a moment on."""
        pages = {**self._params, "paginate": True}
        exchange = self._hub.exchange
        found = await exchange.fetch_ohlcv(self.symbol, self.timeframe, since, None, pages)
        known = {candle[0]: candle for candle in found}
        known.update((moment, candle) for moment, candle in self._candles.items() if moment >= since)
        return [known[moment] for moment in sorted(known)]

    def attach(self, watch: MarketWatch, history: list[Any] | None = None) -> None:
        """Beginning with the newest candle."""
        self.watches.append(watch)
        for candle in [*self._candles.values()][-1:] if history is None else history:
            self._hand(watch, candle)

    def forget(self) -> None:
        """As ccxt does."""
        by_timeframe = self._hub.cache("ohlcvs").get(self.symbol)
        if by_timeframe is not None:
            by_timeframe.pop(self.timeframe, None)


class StatusTopic(Topic):
    """Whether the gateway works."""

    def __init__(self, hub: MarketHub, account_id: int) -> None:
        super().__init__(hub, account_id)
        self._status: dict[str, Any] | None = None

    @property
    def _interval(self) -> float:
        return self._hub.check_interval

    async def _fetch(self) -> Any:
        return await self._hub.exchange.fetch_status()

    def _take(self, data: Any) -> bool:
        known, self._status = self._status, data
        if known is not None and known["status"] == data["status"]:
            return False
        for watch in self.watches:
            watch.latest.put("status", data)
        return True

    def attach(self, watch: MarketWatch, history: list[Any] | None = None) -> None:
        """Beginning with the status of now."""
        self.watches.append(watch)
        if self._status is not None:
            watch.latest.put("status", self._status)

    def forget(self) -> None:
        """ccxt has no cache of it."""


def _has_no_price_yet(error: ccxt.MarketClosed) -> bool:
    """Whether a market has had no price so far; others are closed for a reason that must be told."""
    found = getattr(error, "details", None)
    for name in ("detail", "details"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return isinstance(found, Mapping) and found.get("reason") == "no_price_yet"


def _content(ticker: Mapping[str, Any]) -> dict[str, Any]:
    """Without when it was read: that alone is no news."""
    return {key: value for key, value in ticker.items() if key not in _WHEN}


def _hole(exchange_id: str, what: str, since: int | None) -> ccxt.BaseError:
    message = (
        f"{exchange_id} {what}: the venue does not give all that happened since {since}; those handed on "
        "before this error and after it may have a hole between them"
    )
    return annotate(ccxt.ExchangeError(message), code="incomplete")
