"""What is known of one live market, by the time at which it came here.

The time of a piece of news is that of its arrival, and always later than any moment that somebody has
asked about: so an answer about a moment never changes, whatever the venue's own clock says.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from threading import Lock
from typing import Final

from ccxt_driver.oms.market.feed import (
    EXACT,
    TIMEFRAMES,
    Candle,
    NoPrice,
    Quote,
    Trade,
    candle_open,
    candle_opens,
    next_open,
)
from ccxt_driver.oms.market.listing import Market

from .reading import Levels, Print

NO_PRICE: Final = "no_price_yet"
STALE: Final = "stale_prices"

_KEPT_STATES: Final = 1_000
_KEPT_TRADES: Final = 10_000
_KEPT_BARS: Final = 5_000
_MOST_PENDING: Final = 2_000
_ZERO: Final = Decimal(0)

BASES: Final = ("1s", "1m", "5m", "15m", "1h", "4h", "1d")
"""The timeframes that are kept; the others are made of one that fits into them."""


@dataclass(frozen=True, slots=True)
class _State:
    """What is known from a moment on.

    :param fresh_ms: when the book was last known to be right
    :param trouble: why nobody may trade on it
    """

    time_ms: int
    version: int
    bids: Levels
    asks: Levels
    last: Decimal
    fresh_ms: int
    trouble: str | None = None

    @property
    def quote(self) -> Quote:
        return Quote(self.time_ms, self.bids[0].price, self.asks[0].price, self.last)


@dataclass(slots=True)
class _Bars:
    """Candles of one timeframe, by their opening."""

    timeframe: str
    opens: list[int] = field(default_factory=list)
    rows: dict[int, Candle] = field(default_factory=dict)

    def add(self, at_ms: int, price: Decimal, qty: Decimal) -> None:
        """Let a trade count, in the newest candle at least: the clock of the venue may be ahead of ours."""
        open_ms = max(candle_open(self.timeframe, at_ms), self.opens[-1] if self.opens else 0)
        row = self.rows.get(open_ms)
        if row is None:
            self.put(Candle(open_ms, price, price, price, price, qty))
            return
        volume = EXACT.add(row.volume, qty)
        self.rows[open_ms] = Candle(
            open_ms, row.open, max(row.high, price), min(row.low, price), price, volume
        )

    def put(self, row: Candle) -> None:
        """Take a candle that comes after all others."""
        if len(self.opens) >= _KEPT_BARS:
            for open_ms in self.opens[: _KEPT_BARS // 2]:
                del self.rows[open_ms]
            del self.opens[: _KEPT_BARS // 2]
        self.opens.append(row.open_ms)
        self.rows[row.open_ms] = row

    def between(self, start_ms: int, end_ms: int) -> list[Candle]:
        """Those that open in [start_ms, end_ms)."""
        start, end = bisect_left(self.opens, start_ms), bisect_left(self.opens, end_ms)
        return [self.rows[open_ms] for open_ms in self.opens[start:end]]

    def close_before(self, at_ms: int) -> Decimal | None:
        """The last price before a moment."""
        index = bisect_left(self.opens, at_ms) - 1
        return None if index < 0 else self.rows[self.opens[index]].close


class LiveTape:
    """One live market. Thread-safe.

    :param stale_ms: a book that was not confirmed for so long is not traded on
    """

    def __init__(self, market: Market, stale_ms: int) -> None:
        self.market = market
        self._stale_ms = stale_ms
        self._lock = Lock()
        self._pending: deque[tuple[int, Callable[[int], None]]] = deque()
        self._asked = 0
        self._latest = 0
        self._times: list[int] = []
        self._states: list[_State] = []
        self._trade_times: list[int] = []
        self._trades: list[Trade] = []
        self._count = 0
        self._last: Decimal | None = None
        self._bars = {name: _Bars(name) for name in BASES}
        self._from_books = False
        self.has_price = False
        """Whether a book has come."""

    # ------------------------------------------------------------------ news

    def put_history(self, timeframe: str, candles: Iterable[Candle]) -> None:
        """Candles from before, ascending; the last may be unfinished. Before anything else is put."""
        with self._lock:
            bars = self._bars[timeframe]
            for row in candles:
                if not bars.opens or row.open_ms > bars.opens[-1]:
                    bars.put(row)
                    self._last = row.close

    def price_is_middle(self) -> None:
        """There will be no trades: the price is the middle of the book."""
        self._from_books = True

    @property
    def latest_ms(self) -> int:
        """From when on the newest news count."""
        return self._latest

    def put_book(self, now: int, bids: Levels, asks: Levels) -> None:
        """A book has come; it may be the same as before, which shows that it is still right."""
        self.has_price = True
        self._put(now, lambda at_ms: self._add_book(at_ms, bids, asks))

    def put_trades(self, now: int, trades: Sequence[Print], *, new: bool) -> None:
        """Trades have come.

        :param new: False when they may be older than what is known: then they only say the last price
        """
        if trades:
            self._put(now, lambda at_ms: self._add_trades(at_ms, trades, new))

    def put_trouble(self, now: int, reason: str) -> None:
        """Nobody may trade on what is known until the next book."""
        self._put(now, lambda at_ms: self._add_trouble(at_ms, reason))

    def _put(self, now: int, apply: Callable[[int], None]) -> None:
        with self._lock:
            self._latest = max(now, self._asked + 1, self._latest)
            self._pending.append((self._latest, apply))
            if len(self._pending) > _MOST_PENDING:
                self._ask(self._pending[0][0])

    def _ask(self, at_ms: int) -> None:
        """Somebody wants to know of a moment: what has come by then counts, and nothing more can."""
        self._asked = max(self._asked, at_ms)
        while self._pending and self._pending[0][0] <= self._asked:
            time_ms, apply = self._pending.popleft()
            apply(time_ms)

    def _add_book(self, at_ms: int, bids: Levels, asks: Levels) -> None:
        before = self._states[-1] if self._states else None
        # Of another process none is the same: what was taken of a book is kept by its version.
        version = at_ms if before is None else before.version
        if before is not None and (before.bids, before.asks) != (bids, asks):
            version += 1
        if self._last is None or self._from_books:
            middle = _middle(bids, asks, self.market.tick_size)
            if middle != self._last or before is None:
                self._print(at_ms, middle, _ZERO)
        elif before is None:
            self._print(at_ms, self._inside(bids, asks), _ZERO)
        self._add(_State(at_ms, version, bids, asks, self._inside(bids, asks), at_ms))

    def _add_trades(self, at_ms: int, trades: Sequence[Print], new: bool) -> None:
        if not new:
            self._last = trades[-1].price
            return
        for trade in trades:
            self._print(at_ms, trade.price, trade.qty)
            self._keep(at_ms, trade)
            if self._states:
                self._add(self._after(self._states[-1], at_ms, trade))

    def _after(self, state: _State, at_ms: int, trade: Print) -> _State:
        """A trade beyond the best price has taken all that was before it; what is left is the book then."""
        bids, asks, price = state.bids, state.asks, trade.price
        if trade.side == "buy":
            asks = tuple(level for level in asks if level.price >= price) or asks
        else:
            bids = tuple(level for level in bids if level.price <= price) or bids
        moved = (bids, asks) != (state.bids, state.asks)
        return replace(
            state,
            time_ms=at_ms,
            version=state.version + moved,
            bids=bids,
            asks=asks,
            last=self._inside(bids, asks),
        )

    def _add_trouble(self, at_ms: int, reason: str) -> None:
        if self._states:
            self._add(replace(self._states[-1], time_ms=at_ms, trouble=reason))

    def _add(self, state: _State) -> None:
        if self._times and self._times[-1] == state.time_ms:
            self._states[-1] = state  # what changes within a moment has no time of its own
            return
        if len(self._states) >= _KEPT_STATES:
            del self._states[: _KEPT_STATES // 2], self._times[: _KEPT_STATES // 2]
        self._times.append(state.time_ms)
        self._states.append(state)

    def _inside(self, bids: Levels, asks: Levels) -> Decimal:
        """The last price, or the nearer of bid and ask where the book has moved on."""
        last = self._last or _middle(bids, asks, self.market.tick_size)
        return min(max(last, bids[0].price), asks[0].price)

    def _print(self, at_ms: int, price: Decimal, qty: Decimal) -> None:
        self._last = price
        for bars in self._bars.values():
            bars.add(at_ms, price, qty)

    def _keep(self, at_ms: int, trade: Print) -> None:
        if len(self._trades) >= _KEPT_TRADES:
            del self._trades[: _KEPT_TRADES // 2], self._trade_times[: _KEPT_TRADES // 2]
        self._count += 1
        self._trade_times.append(at_ms)
        name = f"live-{self._count}" if trade.id is None else trade.id
        self._trades.append(Trade(name, at_ms, trade.price, trade.qty, trade.side))

    # ------------------------------------------------------------------ questions

    def halted(self, at_ms: int) -> str | None:
        """Why nobody may trade at a moment; None when the book is right."""
        with self._lock:
            state = self._state(at_ms)
        if state is None:
            return NO_PRICE
        return state.trouble or (STALE if self._is_stale(state, at_ms) else None)

    def _is_stale(self, state: _State, at_ms: int) -> bool:
        return at_ms - state.fresh_ms > self._stale_ms

    def quote(self, at_ms: int) -> Quote:
        """See `Feed.quote`."""
        return self._known(at_ms).quote

    def book(self, at_ms: int) -> tuple[Levels, Levels]:
        """See `Feed.book`."""
        state = self._known(at_ms)
        return state.bids, state.asks

    def version(self, at_ms: int) -> int:
        """See `Feed.book_version`."""
        return self._known(at_ms).version

    def first_move(
        self, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> Quote | None:
        """See `Feed.first_move`; what was in trouble or stale moves nothing."""
        with self._lock:
            self._ask(until_ms)
            start, end = bisect_right(self._times, after_ms), bisect_right(self._times, until_ms)
            states = self._states[start:end]
        for state in states:
            if state.trouble is not None or self._is_stale(state, state.time_ms):
                continue
            falls = low is not None and state.bids[0].price <= low
            if falls or (high is not None and state.asks[0].price >= high):
                return state.quote
        return None

    def candles(self, timeframe: str, since_ms: int | None, until_ms: int, limit: int) -> list[Candle]:
        """See `Feed.candles`. A candle that has ended is shown whole."""
        with self._lock:
            self._ask(until_ms)
            bars = self._base(timeframe)
            if not bars.opens:
                return []
            earliest = candle_open(timeframe, bars.opens[0])
            opens = candle_opens(timeframe, since_ms, until_ms, limit, earliest)
            return [_candle(bars, timeframe, open_ms) for open_ms in opens]

    def trades(self, since_ms: int | None, until_ms: int, limit: int) -> list[Trade]:
        """See `Feed.trades`."""
        with self._lock:
            self._ask(until_ms)
            end = bisect_right(self._trade_times, until_ms)
            if since_ms is None:
                return self._trades[max(0, end - max(0, limit)) : end]
            start = bisect_left(self._trade_times, since_ms)
            return self._trades[start : min(end, start + max(0, limit))]

    def _base(self, timeframe: str) -> _Bars:
        candle_open(timeframe, 0)  # refuses what is no timeframe
        length = TIMEFRAMES[timeframe]
        fitting = [self._bars[name] for name in BASES if length % TIMEFRAMES[name] == 0]
        # All have the newest prices; the one that reaches back furthest tells most.
        return min(fitting, key=lambda bars: bars.opens[0] if bars.opens else self._latest)

    def _state(self, at_ms: int) -> _State | None:
        self._ask(at_ms)
        index = bisect_right(self._times, at_ms) - 1
        return None if index < 0 else self._states[index]

    def _known(self, at_ms: int) -> _State:
        with self._lock:
            state = self._state(at_ms)
        if state is None:
            raise NoPrice(f"{self.market.symbol}: no price of {at_ms} or before is known")
        return state


def _middle(bids: Levels, asks: Levels, tick: Decimal) -> Decimal:
    double = EXACT.multiply(tick, Decimal(2))
    return EXACT.multiply(EXACT.divide_int(EXACT.add(bids[0].price, asks[0].price), double), tick)


def _candle(bars: _Bars, timeframe: str, open_ms: int) -> Candle:
    """A candle made of shorter ones; flat at the price before where nothing traded."""
    rows = bars.between(open_ms, next_open(timeframe, open_ms))
    if not rows:
        price = bars.close_before(open_ms)
        if price is None:
            raise NoPrice(f"nothing is known of {open_ms} or before")
        return Candle(open_ms, price, price, price, price, _ZERO)
    volume = rows[0].volume
    for row in rows[1:]:
        volume = EXACT.add(volume, row.volume)
    high, low = max(row.high for row in rows), min(row.low for row in rows)
    return Candle(open_ms, rows[0].open, high, low, rows[-1].close, volume)
