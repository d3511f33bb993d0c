"""Those who watch what a file has: what they have not been given yet.

A call that waits for the next row of a file need not wait for the event loop: where nothing else is due
before, it moves the clock itself. That is what makes a watch loop quick.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ccxt.async_support.base.ws.cache import ArrayCache, ArrayCacheByTimestamp

from .clock import NS_PER_MS

if TYPE_CHECKING:
    import ccxt

    from .longer_candles import LongerCandles
    from .open_candles import OpenCandles
    from .replay import Replay
    from .tick_reader import TickReader

Rows = list[Any]


class _Round:
    """Calls that wait at the same time: what the first of them takes is given to all of them."""

    __slots__ = ("taken", "waiters")

    def __init__(self) -> None:
        self.waiters: list[asyncio.Future[None]] = []
        self.taken: Rows | None = None


class Pull(ABC):
    """A call that is cancelled while it waits takes nothing.

    :param replay: moves the clock
    :param caches: of ccxt, where this one's is
    :param name: under which it is there
    """

    cache: Any
    """ccxt's, of what was given."""

    def __init__(self, replay: Replay, caches: dict[str, Any], name: str) -> None:
        self._replay = replay
        self._caches = caches
        self._name = name
        self._round = _Round()

    @abstractmethod
    def at_once(self, limit: int | None) -> Rows | None:
        """What a call returns that does not wait: what is there, or what comes next.

        :param limit: as of `take`
        :returns: None when something else is due before
        """

    @abstractmethod
    def take(self, limit: int | None) -> Rows:
        """What has come up to now and was not given, the caller's own; ccxt's cache has it too.

        :param limit: at most so many, the oldest; the others come the next time
        """

    @property
    @abstractmethod
    def next_ms(self) -> int:
        """When there is something new."""

    async def wait(self, limit: int | None) -> Rows:
        """What comes next, to all who wait for it.

        :param limit: as of `take`
        :raises BaseError: the watcher was ended
        """
        turn = self._round
        waiter = self._replay.wait_for(self.next_ms)
        turn.waiters.append(waiter)
        await waiter
        if turn.taken is None:
            self._round = _Round()
            turn.taken = self.take(limit)
            return turn.taken
        return [row.copy() for row in turn.taken]

    def end(self, error: ccxt.BaseError) -> None:
        """Those who wait get the error; the cache goes."""
        self._caches.pop(self._name, None)
        for waiter in self._round.waiters:
            if not waiter.done():
                waiter.set_exception(error)


class _CandleCache(ArrayCacheByTimestamp):
    """ccxt's cache, which takes a candle that is newer than all of its own in a fifth of the time."""

    def put(self, candle: list[Any]) -> None:
        """Append one that opens after all others."""
        rows, by_time = self._deque, self.hashmap
        if len(rows) == rows.maxlen:
            del by_time[rows.popleft()[0]]
        by_time[candle[0]] = candle
        rows.append(candle)


class _TradeCache(ArrayCache):
    """ccxt's cache of one symbol, which takes a trade in a third of the time."""

    def put(self, trade: dict[str, Any]) -> None:
        """Append one."""
        if self._clear_all_updates or self._clear_updates_by_symbol:  # somebody asks how many are new
            self.append(trade)
            return
        counts, symbol = self._new_updates_by_symbol, trade["symbol"]
        counts[symbol] = counts.get(symbol, 0) + 1
        self._all_new_updates += 1
        self._deque.append(trade)


class CandlePull(Pull):
    """Of candles: begins with the newest; each comes as it opens, with what the one before has become.

    :param candles: of the file
    :param forming: tells the newest candle as of a moment
    :param kept: how many of them ccxt's cache keeps
    """

    def __init__(
        self,
        replay: Replay,
        candles: OpenCandles | LongerCandles,
        forming: Callable[[int], list[Any]],
        caches: dict[str, Any],
        timeframe: str,
        kept: int,
    ) -> None:
        super().__init__(replay, caches, timeframe)
        self._candles = candles
        self._forming = forming
        self.cache = caches[timeframe] = _CandleCache(kept)
        self._newest: list[Any] | None = None
        """The newest candle as the cache has it, the very list; None when it has another."""
        candles.advance(replay.clock.now_ms())
        rows = candles.rows
        self._from_ms = rows[-1][0] if rows else 0
        """The first candle that is to be given next; the newest that was given, as it may change."""
        self._is_left = bool(rows)
        """Whether it has not been given at all."""
        self._seen = candles.changes
        """As of how many changes everything was given."""

    @property
    def next_ms(self) -> int:
        """When the next one opens."""
        return self._candles.next_ms

    def at_once(self, limit: int | None) -> Rows | None:
        """See `Pull.at_once`."""
        candles, replay = self._candles, self._replay
        rows, at_ms = candles.rows, candles.next_ms
        if at_ms * NS_PER_MS <= replay.clock.ns or self._is_left or self._seen != candles.changes:
            candles.advance(replay.clock.now_ms())
            return self.take(limit) if rows else None
        if not replay.go_to(at_ms):
            return None
        candles.open_next()
        if self._newest is None or limit == 1 or len(rows) < 2:
            return self.take(limit)
        closed, opened = rows[-2:]
        if closed[0] != self._from_ms or closed == self._newest:
            return self.take(limit)
        self._seen = candles.changes
        self._from_ms = opened[0]
        self._newest[:] = closed
        self._newest = newest = [*opened]
        self.cache.put(newest)
        return [[*closed], [*opened]]

    def take(self, limit: int | None) -> Rows:
        """See `Pull.take`."""
        now_ms = self._replay.clock.now_ms()
        self._candles.advance(now_ms)
        rows = self._candles.rows
        first = len(rows) - 1
        while first > 0 and rows[first][0] > self._from_ms:
            first -= 1
        if rows[first] == self._newest and not self._is_left and first + 1 < len(rows):
            first += 1  # it closed as it was given
        found = rows[first:]
        if self._candles.as_of_ms != now_ms:  # the newest has gone on since it opened
            found[-1] = self._forming(now_ms)
        for candle in found:
            self._newest = [*candle]
            self.cache.append(self._newest)
        if self.cache[-1] is not self._newest:
            self._newest = None
        if limit is not None and limit < len(found):
            self._from_ms, self._is_left = found[limit][0], True
            return [[*candle] for candle in found[:limit]]
        self._from_ms, self._is_left, self._seen = found[-1][0], False, self._candles.changes
        return [[*candle] for candle in found]


class TradePull(Pull):
    """Of public trades: each once, from the first call on; those of one moment together.

    :param ticks: of the file
    :param kept: how many of them ccxt's cache keeps
    """

    def __init__(
        self, replay: Replay, ticks: TickReader, caches: dict[str, Any], symbol: str, kept: int
    ) -> None:
        super().__init__(replay, caches, symbol)
        self._ticks = ticks
        self.cache = caches[symbol] = _TradeCache(kept)
        self._left: Rows = []
        ticks.skip(replay.clock.now_ms())

    @property
    def next_ms(self) -> int:
        """When the next one was made."""
        return self._ticks.next_ms

    def at_once(self, limit: int | None) -> Rows | None:
        """See `Pull.at_once`."""
        replay, at_ms = self._replay, self._ticks.next_ms
        if not self._left and at_ms * NS_PER_MS > replay.clock.ns and not replay.go_to(at_ms):
            return None
        return self.take(limit)

    def take(self, limit: int | None) -> Rows:
        """See `Pull.take`."""
        new = self._ticks.read(self._replay.clock.now_ms())
        put = self.cache.put
        for trade in new:
            put({**trade})
        if self._left:
            new = self._left + new
        if limit is None or len(new) <= limit:
            self._left = []
            return new
        self._left = new[limit:]
        return new[:limit]
