"""Pages of what was printed: trades, or points on the way of a price through candles.

A page keeps the values as its file has them, and floats beside them to look through. What is exact is
made only of the few that somebody asks about.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, localcontext
from functools import lru_cache
from math import inf
from typing import Any, Final, NamedTuple, Protocol

from ccxt_driver.oms.market.bar_paths import BarPath, order_of
from ccxt_driver.oms.market.feed import EXACT, Candle, Level, next_open

ZERO: Final = Decimal(0)
BLOCK: Final = 64
_QUARTER: Final = Decimal("0.25")


class Summary(NamedTuple):
    """What a stretch of prints comes to."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class Bars(NamedTuple):
    """A page of candles as ccxt's numbers, ascending in time; every column is as long."""

    opens_ms: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


class Ticks(NamedTuple):
    """A page of public trades as ccxt's numbers, ascending in time; every column is as long."""

    times_ms: list[int]
    price: list[float]
    amount: list[float]
    buys: list[bool]
    """Whether the taker bought."""
    ids: list[str | None]


class Moves(NamedTuple):
    """What a page of prints did to the price, as ccxt's numbers; ascending in time, both as long."""

    times_ms: list[int]
    price: list[float]


class Page(Protocol):
    """What a file says within a stretch of time."""

    def __len__(self) -> int:
        """How many things there are in it."""
        ...

    def time(self, index: int) -> int:
        """When one happened; an index may count from the end."""
        ...

    def count_by(self, at_ms: int) -> int:
        """How many happened by a moment."""
        ...

    def next_news(self, after_ms: int) -> int | None:
        """The first time after another at which something is new, a candle as it opens; None at the end."""
        ...

    def extremes(self) -> tuple[Decimal, Decimal]:
        """The highest and the lowest price at which anything may have happened."""
        ...


class Prints(Page, Protocol):
    """A page of things that traded."""

    def price(self, index: int) -> Decimal:
        """At what price, on the tick."""
        ...

    def qty(self, index: int) -> Decimal:
        """How much, in base currency; 0 where only the price moved."""
        ...

    def traded_by(self, index: int) -> Decimal | None:
        """How much a print may have shown of what rests; None where only the page before knows."""
        ...

    def buys(self, index: int) -> bool:
        """Whether the taker bought."""
        ...

    def trade_id(self, index: int) -> str | None:
        """The id that its file has; None where it has none."""
        ...

    def before(self, index: int) -> Decimal | None:
        """The price from which this one was reached through all others between; None where it jumped."""
        ...

    def reaching(self, start: int, end: int, low: Decimal | None, high: Decimal | None) -> Iterator[int]:
        """Which prints from one up to another may be at or below `low`, or at or above `high`.

        Some that are within a float's precision of it are among them.
        """
        ...

    def summary(self, start: int, end: int) -> Summary:
        """What the prints from one up to another make; there is at least one."""
        ...

    def moves(self) -> Moves:
        """All prints."""
        ...


class Books:
    """A page of order books, or of quotes: books of one level either side."""

    __slots__ = ("asks", "bids", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.bids: list[tuple[Level, ...]] = []
        self.asks: list[tuple[Level, ...]] = []

    def __len__(self) -> int:
        """How many books there are."""
        return len(self.times)

    def time(self, index: int) -> int:
        """When one was recorded."""
        return self.times[index]

    def count_by(self, at_ms: int) -> int:
        """How many were recorded by a moment."""
        return bisect_right(self.times, at_ms)

    def next_news(self, after_ms: int) -> int | None:
        """See `Page.next_news`."""
        return _following(self.times, after_ms)

    def extremes(self) -> tuple[Decimal, Decimal]:
        """The highest ask and the lowest bid."""
        return max(asks[0].price for asks in self.asks), min(bids[0].price for bids in self.bids)


class TradePrints:
    """A page of trades.

    :param ticks: as floats
    :param prices: the same as the file has them, or exact
    :param tick: of the market
    """

    __slots__ = ("_are_exact", "_blocks", "_costs", "_prices", "_qtys", "_tick", "ticks")

    def __init__(self, ticks: Ticks, prices: Sequence[Any], qtys: Sequence[Any], tick: Decimal) -> None:
        self.ticks = ticks
        self._prices = prices
        self._qtys = qtys
        self._are_exact = False
        """Whether all of `_qtys` are: a file may have numbers of several kinds."""
        self._tick = tick
        self._blocks: list[tuple[float, float, Decimal]] | None = None
        self._costs: list[float] | None = None

    def costs(self) -> list[float]:
        """Price times amount of each, as ccxt's numbers: the nearest to what is exact."""
        if self._costs is None:
            exact_costs = map(EXACT.multiply, map(exact, self._prices), self._exact_qtys())
            self._costs = [*map(float, exact_costs)]
        return self._costs

    def __len__(self) -> int:
        """How many trades there are."""
        return len(self.ticks.times_ms)

    def time(self, index: int) -> int:
        """See `Page.time`."""
        return self.ticks.times_ms[index]

    def count_by(self, at_ms: int) -> int:
        """See `Page.count_by`."""
        return bisect_right(self.ticks.times_ms, at_ms)

    def next_news(self, after_ms: int) -> int | None:
        """See `Page.next_news`."""
        return _following(self.ticks.times_ms, after_ms)

    def price(self, index: int) -> Decimal:
        """See `Prints.price`."""
        return on_tick(exact(self._prices[index]), self._tick)

    def qty(self, index: int) -> Decimal:
        """See `Prints.qty`."""
        return exact(self._qtys[index])

    def traded_by(self, index: int) -> Decimal | None:
        """See `Prints.traded_by`."""
        return self.qty(index)

    def buys(self, index: int) -> bool:
        """See `Prints.buys`."""
        return self.ticks.buys[index]

    def trade_id(self, index: int) -> str | None:
        """See `Prints.trade_id`."""
        return self.ticks.ids[index]

    def before(self, index: int) -> Decimal | None:
        """See `Prints.before`."""
        return None

    def extremes(self) -> tuple[Decimal, Decimal]:
        """See `Page.extremes`."""
        prices = self.ticks.price
        return self.price(prices.index(max(prices))), self.price(prices.index(min(prices)))

    def reaching(self, start: int, end: int, low: Decimal | None, high: Decimal | None) -> Iterator[int]:
        """See `Prints.reaching`."""
        prices, (least, most) = self.ticks.price, _as_floats(low, high)
        for first in range(start, end, BLOCK):
            part = prices[first : min(end, first + BLOCK)]
            if min(part) <= least or max(part) >= most:
                for index, price in enumerate(part, first):
                    if price <= least or price >= most:
                        yield index

    def summary(self, start: int, end: int) -> Summary:
        """See `Prints.summary`. High, low and volume of each 64 are kept: a long candle is made of them."""
        prices = self.ticks.price
        volumes = self._exact_qtys()
        if end - start <= 2 * BLOCK:
            part = prices[start:end]
            high, low, volume = max(part), min(part), total(volumes[start:end])
        else:
            first, last = -(-start // BLOCK), end // BLOCK
            edges = prices[start : first * BLOCK] + prices[last * BLOCK : end]
            inner = self._kept_blocks()[first:last]
            high = max([*edges, *(block[0] for block in inner)])
            low = min([*edges, *(block[1] for block in inner)])
            sides = volumes[start : first * BLOCK], volumes[last * BLOCK : end]
            volume = total([*sides[0], *(block[2] for block in inner), *sides[1]])
        # Two prices on the tick that are not the same are not the same floats either.
        at_high, at_low = prices.index(high, start, end), prices.index(low, start, end)
        return Summary(
            self.price(start), self.price(at_high), self.price(at_low), self.price(end - 1), volume
        )

    def moves(self) -> Moves:
        """See `Prints.moves`."""
        return Moves(self.ticks.times_ms, self.ticks.price)

    def _exact_qtys(self) -> Sequence[Decimal]:
        if not self._are_exact:
            self._qtys, self._are_exact = [*map(exact, self._qtys)], True
        return self._qtys

    def _kept_blocks(self) -> list[tuple[float, float, Decimal]]:
        if self._blocks is None:
            prices, qtys = self.ticks.price, self._exact_qtys()
            self._blocks = [
                (max(part), min(part), total(qtys[start : start + BLOCK]))
                for start in range(0, len(prices), BLOCK)
                for part in [prices[start : start + BLOCK]]
            ]
        return self._blocks


class BarPrints:
    """A page of candles, each standing for the prints of a path through it.

    The moves inside the candle share its volume: of a candle that opens nothing was traded yet. Prints
    without volume count as no trades.

    :param bars: as floats
    :param values: open, high, low, close and volume as the file has them, or exact
    :param timeframe: of the candles
    :param path: how the price moved inside
    :param points: how many points that has in each candle
    :param tick: of the market
    """

    __slots__ = ("_path", "_points", "_tick", "_timeframe", "_values", "_ways", "bars")

    def __init__(
        self,
        bars: Bars,
        values: Sequence[Sequence[Any]],
        timeframe: str,
        path: BarPath,
        points: int,
        tick: Decimal,
    ) -> None:
        self.bars = bars
        self._values = values
        self._timeframe = timeframe
        self._path = path
        self._points = points
        self._tick = tick
        self._ways: dict[int, tuple[Decimal, ...]] = {}

    def __len__(self) -> int:
        """How many prints there are."""
        return len(self.bars.opens_ms) * self._points

    def time(self, index: int) -> int:
        """See `Page.time`."""
        bar, point = divmod(index, self._points)
        open_ms = self.bars.opens_ms[bar]
        return open_ms + self._offsets(open_ms)[point]

    def count_by(self, at_ms: int) -> int:
        """See `Page.count_by`."""
        bar = bisect_right(self.bars.opens_ms, at_ms) - 1
        if bar < 0:
            return 0
        open_ms = self.bars.opens_ms[bar]
        return bar * self._points + bisect_right(self._offsets(open_ms), at_ms - open_ms)

    def next_news(self, after_ms: int) -> int | None:
        """See `Page.next_news`."""
        return _following(self.bars.opens_ms, after_ms)

    def price(self, index: int) -> Decimal:
        """See `Prints.price`."""
        bar, point = divmod(index, self._points)
        return self._way(bar)[point]

    def qty(self, index: int) -> Decimal:
        """See `Prints.qty`."""
        bar, point = divmod(index, self._points)
        if not point:
            return ZERO
        share, rest = shares(exact(self._values[4][bar]), self._points - 1)
        return rest if point == self._points - 1 else share

    def traded_by(self, index: int) -> Decimal | None:
        """See `Prints.traded_by`: an equal part of the volume each; as one opens, of the candle before."""
        bar, point = divmod(index, self._points)
        if not point:
            bar -= 1
        return None if bar < 0 else shares(exact(self._values[4][bar]), self._points)[0]

    def buys(self, index: int) -> bool:
        """See `Prints.buys`. A price that stands still reaches nothing: as in the move before."""
        bar, point = divmod(index, self._points)
        way = self._way(bar)
        while point and way[point] == way[point - 1]:
            point -= 1
        return not point or way[point] > way[point - 1]

    def trade_id(self, index: int) -> str | None:
        """See `Prints.trade_id`."""
        return None

    def before(self, index: int) -> Decimal | None:
        """See `Prints.before`."""
        bar, point = divmod(index, self._points)
        return self._way(bar)[point - 1] if point else None

    def extremes(self) -> tuple[Decimal, Decimal]:
        """See `Page.extremes`."""
        _, _, highs, lows, _, _ = self.bars
        return self._price(1, highs.index(max(highs))), self._price(2, lows.index(min(lows)))

    def reaching(self, start: int, end: int, low: Decimal | None, high: Decimal | None) -> Iterator[int]:
        """See `Prints.reaching`."""
        size, (_, _, highs, lows, _, _) = self._points, self.bars
        least, most = _as_floats(low, high)
        last = -(-end // size)
        for first in range(start // size, last, BLOCK):
            until = min(last, first + BLOCK)
            if min(lows[first:until]) <= least or max(highs[first:until]) >= most:
                for bar in range(first, until):
                    if lows[bar] <= least or highs[bar] >= most:
                        yield from self._reaching(bar, range(start, end), low, high)

    def _reaching(self, bar: int, among: range, low: Decimal | None, high: Decimal | None) -> Iterator[int]:
        for index, price in enumerate(self._way(bar), bar * self._points):
            reached = (low is not None and price <= low) or (high is not None and price >= high)
            if reached and index in among:
                yield index

    def summary(self, start: int, end: int) -> Summary:
        """See `Prints.summary`. A whole candle is as the file has it."""
        size = self._points
        first, last = -(-start // size), end // size
        if first > last:
            return self._within(range(start, end))
        parts = [self._whole(first, last)] if first < last else []
        if start < first * size:
            parts.insert(0, self._within(range(start, first * size)))
        if last * size < end:
            parts.append(self._within(range(last * size, end)))
        return joined(parts)

    def moves(self) -> Moves:
        """See `Prints.moves`."""
        opens_ms, *columns = self.bars
        times = [open_ms + offset for open_ms in opens_ms for offset in self._offsets(open_ms)]
        order = order_of(self._path)
        if order is None:
            return Moves(times, [float(price) for bar in range(len(opens_ms)) for price in self._way(bar)])
        ways = zip(*(columns[each] for each in order), strict=True)
        return Moves(times, [price for way in ways for price in way])

    def _within(self, indexes: Sequence[int]) -> Summary:
        prices = [self.price(index) for index in indexes]
        volume = total([self.qty(index) for index in indexes])
        return Summary(prices[0], max(prices), min(prices), prices[-1], volume)

    def _whole(self, first: int, last: int) -> Summary:
        """Candles from one up to another."""
        _, _, highs, lows, _, _ = self.bars
        if last - first == 1:
            at_high = at_low = first
        else:
            at_high = highs.index(max(highs[first:last]), first, last)
            at_low = lows.index(min(lows[first:last]), first, last)
        return Summary(
            self._price(0, first),
            self._price(1, at_high),
            self._price(2, at_low),
            self._price(3, last - 1),
            total([exact(value) for value in self._values[4][first:last]]),
        )

    def _price(self, column: int, bar: int) -> Decimal:
        return on_tick(exact(self._values[column][bar]), self._tick)

    def _offsets(self, open_ms: int) -> tuple[int, ...]:
        return _offsets(next_open(self._timeframe, open_ms) - open_ms, self._points)

    def _way(self, bar: int) -> tuple[Decimal, ...]:
        way = self._ways.get(bar)
        if way is None:
            prices = (self._price(column, bar) for column in range(4))
            candle = Candle._make((self.bars.opens_ms[bar], *prices, exact(self._values[4][bar])))
            way = self._ways[bar] = way_through(self._path, candle, self._points)
        return way


def way_through(path: BarPath, candle: Candle, points: int | None = None) -> tuple[Decimal, ...]:
    """The prices of a path through a candle.

    :param points: how many there are in the other candles
    :raises ValueError: they are no way through it
    """
    way = tuple(path.points(candle))
    if len(way) < 2:
        raise ValueError(f"path: expected at least an open and a close of a candle, got {len(way)}")
    if points is not None and len(way) != points:
        raise ValueError(f"path: expected {points} points in every candle, got {len(way)}")
    ends = way[0] == candle.open and way[-1] == candle.close
    if not (ends and max(way) == candle.high and min(way) == candle.low):
        raise ValueError(f"path: expected open, high, low and close of {candle}, got {way}")
    return way


def joined(parts: Sequence[Summary]) -> Summary:
    """One summary of several that follow each other."""
    if len(parts) == 1:
        return parts[0]
    return Summary(
        parts[0].open,
        max([part.high for part in parts]),
        min([part.low for part in parts]),
        parts[-1].close,
        total([part.volume for part in parts]),
    )


def _as_floats(low: Decimal | None, high: Decimal | None) -> tuple[float, float]:
    """What is at or beyond a limit is so in floats too: rounding keeps the order."""
    return -inf if low is None else float(low), inf if high is None else float(high)


def _following(times: Sequence[int], after_ms: int) -> int | None:
    index = bisect_right(times, after_ms)
    return times[index] if index < len(times) else None


def exact(value: Any) -> Decimal:
    """A number as its file has it."""
    if type(value) is str:
        return Decimal(value)
    return value if type(value) is Decimal else Decimal(str(value))


def on_tick(price: Decimal, tick: Decimal) -> Decimal:
    """The nearest multiple of a tick."""
    if EXACT.remainder(price, tick):
        ticks = EXACT.divide(price, tick).to_integral_value(ROUND_HALF_EVEN)
        return EXACT.multiply(ticks, tick)
    return price


def total(values: Iterable[Decimal]) -> Decimal:
    """An exact sum."""
    with localcontext(EXACT):
        return sum(values, ZERO)


def shares(volume: Decimal, parts: int) -> tuple[Decimal, Decimal]:
    """A part of a volume for each but the last, and the last: equal as far as two more decimals reach."""
    if parts == 1:
        return volume, volume
    if parts == 4:
        quarter = EXACT.multiply(volume, _QUARTER)
        return quarter, quarter
    unit = Decimal((0, (1,), min(0, int(volume.as_tuple().exponent)) - 2))
    share = EXACT.divide(volume, Decimal(parts)).quantize(unit, ROUND_DOWN, EXACT)
    return share, EXACT.subtract(volume, EXACT.multiply(share, Decimal(parts - 1)))


@lru_cache(64)
def _offsets(length_ms: int, points: int) -> tuple[int, ...]:
    """When the points of a candle come, after its opening: at even distances, the last in its last ms."""
    return tuple((length_ms - 1) * point // (points - 1) for point in range(points))
