"""One who watches the candles of a file: what he has not been given yet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ccxt.async_support.base.ws.cache import ArrayCacheByTimestamp

from .clock import NS_PER_MS

if TYPE_CHECKING:
    import ccxt

    from .open_candles import OpenCandles
    from .replay import Replay

Candles = list[list[Any]]


class _Cache(ArrayCacheByTimestamp):
    """ccxt's cache, which takes a candle that is newer than all of its own in a fifth of the time."""

    def put(self, candle: list[Any]) -> None:
        """Append one that opens after all others."""
        rows, by_time = self._deque, self.hashmap
        if len(rows) == rows.maxlen:
            del by_time[rows.popleft()[0]]
        by_time[candle[0]] = candle
        rows.append(candle)


class _Round:
    """Calls that wait at the same time: what the first of them takes is given to all of them."""

    __slots__ = ("taken", "waiters")

    def __init__(self) -> None:
        self.waiters: list[asyncio.Future[None]] = []
        self.taken: Candles | None = None


class Pull:
    """Begins with the newest candle. A call that is cancelled while it waits takes nothing.

    :param replay: moves the clock
    :param bars: the candles
    :param caches: of ccxt, by timeframe
    :param timeframe: of the candles
    :param kept: how many of them ccxt's cache keeps
    """

    def __init__(
        self, replay: Replay, bars: OpenCandles, caches: dict[str, Any], timeframe: str, kept: int
    ) -> None:
        self.bars = bars
        self._replay = replay
        self._caches = caches
        self._timeframe = timeframe
        self._cache = caches[timeframe] = _Cache(kept)
        self._from_ms = 0
        """The first candle that is to be given next; the newest that was given, as it may change."""
        self._is_left = False
        """Whether it has not been given at all."""
        self._newest: list[Any] | None = None
        """The newest candle as the cache has it, the very list; None when it has another."""
        self._round = _Round()
        bars.advance(replay.clock.now_ms())
        if bars.rows:
            self._from_ms, self._is_left = bars.rows[-1][0], True

    def at_once(self, limit: int | None) -> Candles | None:
        """What a call returns that does not wait: what is there, or what the next candle brings.

        :param limit: as of `take`
        :returns: None when something else is due before the next candle
        """
        bars, replay = self.bars, self._replay
        rows, at_ms = bars.rows, bars.next_ms
        if at_ms * NS_PER_MS <= replay.clock.ns or self._is_left or not rows or rows[-1][0] != self._from_ms:
            bars.advance(replay.clock.now_ms())
            return self.take(limit) if rows else None
        if not replay.go_to(at_ms):
            return None
        bars.open_next()
        closed, opened = rows[-2:]
        if self._newest is None or limit == 1 or closed[0] != self._from_ms:
            return self.take(limit)
        self._from_ms = opened[0]
        self._newest[:] = closed
        self._newest = newest = [*opened]
        self._cache.put(newest)
        return [[*closed], [*opened]]

    async def wait(self, limit: int | None) -> Candles:
        """What the next candle brings, to all who wait for it.

        :param limit: as of `take`
        :raises BaseError: the watcher was ended
        """
        turn = self._round
        waiter = self._replay.wait_for(self.bars.next_ms)
        turn.waiters.append(waiter)
        await waiter
        if turn.taken is None:
            self._round = _Round()
            self.bars.advance(self._replay.clock.now_ms())
            turn.taken = self.take(limit)
            return turn.taken
        return [[*candle] for candle in turn.taken]

    def take(self, limit: int | None) -> Candles:
        """What has changed since the last time, the caller's own; ccxt's cache has it too.

        :param limit: at most so many, the oldest; the others come the next time
        """
        rows = self.bars.rows
        first = len(rows) - 1
        while first > 0 and rows[first][0] > self._from_ms:
            first -= 1
        if limit is None or first + limit >= len(rows):
            found = rows[first:]
            self._from_ms, self._is_left = rows[-1][0], False
        else:
            found = rows[first : first + limit]
            self._from_ms, self._is_left = rows[first + limit][0], True
        for candle in found:
            self._newest = [*candle]
            self._cache.append(self._newest)
        if self._cache[-1] is not self._newest:
            self._newest = None
        return [[*candle] for candle in found]

    def cached(self) -> Any:
        """ccxt's cache of these candles."""
        return self._cache

    def end(self, error: ccxt.BaseError) -> None:
        """Those who wait get the error; the cache goes."""
        self._caches.pop(self._timeframe, None)
        for waiter in self._round.waiters:
            if not waiter.done():
                waiter.set_exception(error)
