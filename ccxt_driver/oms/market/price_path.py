"""A made-up price path that can be read at any moment, in any order, at any zoom.

It is built from the top down. A long span of time has an open, a high, a low and a close; it is
divided into shorter spans that chain (each opens where the one before closed), stay within the
extremes of the whole and together reach them exactly; and so on down to single seconds. So a day's
candle is exactly what its 86,400 seconds make, though either can be computed without the other.

Everything is integer arithmetic on BLAKE2b digests of (seed, symbol, level, index): the same on
every machine and Python version. Prices are in ticks, volumes in lots, times in steps of a second.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from math import isqrt
from struct import Struct
from typing import NamedTuple

# Spans in steps: 512, 64, 8 and 1 days, 4 and 1 hours, 15, 5 and 1 minutes, 10 and 1 seconds.
DAY_STEPS = 86_400
SPANS = (
    512 * DAY_STEPS,
    64 * DAY_STEPS,
    8 * DAY_STEPS,
    DAY_STEPS,
    14_400,
    3_600,
    900,
    300,
    60,
    10,
    1,
)
FANOUT = tuple(longer // shorter for longer, shorter in pairwise(SPANS))
ROOT, DAY, LEAF, STEP = 0, 3, 9, 10

# What a digest is for; path levels use their own number.
VOLUME_SPLIT, VOLUME_OF_DAY, BIDS, ASKS, _ROOT_BOUNDARY = 16, 32, 33, 34, 35

_KEY = Struct("<Bq")
_WORDS = Struct("<32H")
# Standard deviation of the difference of two of the 16-bit words, our bell curve.
WORD_DEVIATION = 26_755
# The 512-day boundaries lie within this fraction of the reference price, either side.
_BOUNDARY_REACH = Fraction(6, 10)
# No price falls below this, so that there is room for a bid.
_LOWEST_TICKS = 2

_CACHED_NODES = 4_096


class Digests:
    """The source of chance of one symbol: 64 bytes for each (purpose, index)."""

    def __init__(self, seed: int, symbol: str) -> None:
        self._key = blake2b(f"{seed}:{symbol}".encode(), digest_size=32).digest()

    def bytes(self, purpose: int, index: int) -> bytes:
        """64 numbers from 0 to 255."""
        return blake2b(_KEY.pack(purpose, index), key=self._key, digest_size=64).digest()

    def words(self, purpose: int, index: int) -> tuple[int, ...]:
        """32 numbers from 0 to 65535."""
        return _WORDS.unpack(blake2b(_KEY.pack(purpose, index), key=self._key, digest_size=64).digest())


class Bar(NamedTuple):
    """Prices of a span, in ticks."""

    open: int
    high: int
    low: int
    close: int


class Node(NamedTuple):
    """A span's division: `bounds` has one more item than there are parts."""

    bounds: tuple[int, ...]
    highs: tuple[int, ...]
    lows: tuple[int, ...]


class Leaf(NamedTuple):
    """The prices of ten steps, and whether the taker bought."""

    prices: tuple[int, ...]
    buys: tuple[bool, ...]


class PricePath(ABC):
    """One symbol's prices at every level.

    :param daily_variance: the square of a typical daily move, as a fraction of the price
    """

    # The level at which a kind of path begins; its bars come from `_top_bar`.
    top = DAY

    def __init__(self, digests: Digests, daily_variance: Fraction) -> None:
        self.daily_variance = daily_variance
        self._digests = digests
        self._volatility = tuple(_volatility_of(span, daily_variance) for span in SPANS)
        self.node: Callable[[int, int], Node] = lru_cache(_CACHED_NODES)(self._make_node)
        self.leaf: Callable[[int], Leaf] = lru_cache(_CACHED_NODES)(self._make_leaf)

    def bar(self, level: int, index: int) -> Bar:
        """The prices of span `index` of a level."""
        if level == self.top:
            return self._top_bar(index)
        parent, part = divmod(index, FANOUT[level - 1])
        if level == STEP:
            price = self.leaf(parent).prices[part]
            return Bar(price, price, price, price)
        bounds, highs, lows = self.node(level - 1, parent)
        return Bar(bounds[part], highs[part], lows[part], bounds[part + 1])

    def step(self, step: int) -> tuple[int, bool]:
        """The last price of a step, and whether the taker bought."""
        prices, buys = self.leaf(step // 10)
        return prices[step % 10], buys[step % 10]

    def gaps(self, day: int) -> tuple[int, ...]:
        """The steps of a day at which the price jumps."""
        return ()

    def _deviation(self, price: int, level: int) -> int:
        """The typical move over one span of a level, in 1/65536 ticks."""
        return price * self._volatility[level] >> 32

    def _make_node(self, level: int, index: int) -> Node:
        whole = self.bar(level, index)
        parts = FANOUT[level]
        words = self._digests.words(level, index)
        bounds = self._points(level, index, whole, parts, words)
        return enclose(bounds, whole, self._deviations(level, index, whole.open), words[2 * parts :])

    def _deviations(self, level: int, index: int, price: int) -> list[int]:
        """The typical move over each part of a span, in 1/65536 ticks."""
        return [self._deviation(price, level + 1)] * FANOUT[level]

    def _make_leaf(self, index: int) -> Leaf:
        whole = self.bar(LEAF, index)
        steps = FANOUT[LEAF]
        words = self._digests.words(LEAF, index)
        prices = self._points(LEAF, index, whole, steps - 1, words)
        _reach_extremes(prices, whole)
        buys: list[bool] = []
        before = whole.open
        for price, word in zip(prices, words[2 * steps :], strict=False):
            buys.append(price > before if price != before else bool(word & 1))
            before = price
        return Leaf(tuple(prices), tuple(buys))

    @abstractmethod
    def _top_bar(self, index: int) -> Bar: ...

    @abstractmethod
    def _points(self, level: int, index: int, whole: Bar, moves: int, words: Sequence[int]) -> list[int]:
        """`moves` + 1 prices from the open of `whole` to its close, within its extremes."""


class WalkPath(PricePath):
    """A random walk of its own, which stays within a factor of about three of its reference."""

    top = ROOT

    def __init__(self, digests: Digests, daily_variance: Fraction, reference_ticks: int) -> None:
        super().__init__(digests, daily_variance)
        self._reference = reference_ticks

    def _boundary(self, index: int) -> int:
        words = self._digests.words(_ROOT_BOUNDARY, index)
        shift = _BOUNDARY_REACH * (words[0] - words[1]) / 65_536
        factor = 1 + shift if shift > 0 else 1 / (1 - shift)
        return int(self._reference * factor)

    def _top_bar(self, index: int) -> Bar:
        start, end = self._boundary(index), self._boundary(index + 1)
        words = self._digests.words(_ROOT_BOUNDARY, index)
        deviation = self._deviation(start, ROOT)
        top, bottom = max(start, end), min(start, end)
        return Bar(
            start,
            top + min(_excursion(words[2], deviation), top // 2),
            bottom - min(_excursion(words[3], deviation), bottom // 2),
            end,
        )

    def _points(self, level: int, index: int, whole: Bar, moves: int, words: Sequence[int]) -> list[int]:
        start, high, low, end = whole
        deviation = self._deviation(start, level + 1)
        sums = [0]
        for move in range(moves):
            sums.append(sums[-1] + words[2 * move] - words[2 * move + 1])
        unit = WORD_DEVIATION << 16
        divisor, half = moves * unit, moves * unit // 2
        drift, bend = (end - start) * unit, sums[moves]
        points = [start]
        for move in range(1, moves):
            noise = (sums[move] * moves - bend * move) * deviation
            price = start + (drift * move + noise + half) // divisor
            # Reflected at the extremes, so that the path does not stick to them.
            if price > high:
                price = max(low, 2 * high - price)
            elif price < low:
                price = min(high, 2 * low - price)
            points.append(price)
        points.append(end)
        return points


class TrackingPath(PricePath):
    """A fixed multiple of another path, as a swap's price is of its spot price.

    :param factor: ticks of this path for one tick of the other
    """

    def __init__(self, digests: Digests, source: PricePath, factor: Fraction) -> None:
        super().__init__(digests, source.daily_variance)
        self._source = source
        self._numerator, self._denominator = factor.numerator, factor.denominator

    def gaps(self, day: int) -> tuple[int, ...]:
        """Those of the source."""
        return self._source.gaps(day)

    def _map(self, prices: Sequence[int]) -> list[int]:
        # Never falling as its argument rises: the source's extremes stay the extremes.
        numerator, denominator = self._numerator, self._denominator
        return [max(_LOWEST_TICKS, price * numerator // denominator) for price in prices]

    def _top_bar(self, index: int) -> Bar:
        return Bar(*self._map(self._source.bar(DAY, index)))

    def _make_node(self, level: int, index: int) -> Node:
        bounds, highs, lows = self._source.node(level, index)
        return Node(tuple(self._map(bounds)), tuple(self._map(highs)), tuple(self._map(lows)))

    def _points(self, level: int, index: int, whole: Bar, moves: int, words: Sequence[int]) -> list[int]:
        return self._map(self._source.leaf(index).prices)


class RatioPath(PricePath):
    """One path divided by another, as ETH/BTC is ETH/USDT by BTC/USDT.

    It follows the ratio at every boundary of every level. Only around the extremes of a span may
    it differ a little, because a ratio's extremes cannot be known from those of its two parts.

    :param factor: ticks of this path for one tick of the upper per tick of the lower path
    """

    def __init__(self, digests: Digests, upper: PricePath, lower: PricePath, factor: Fraction) -> None:
        # The two walk independently, so their variances add up.
        super().__init__(digests, upper.daily_variance + lower.daily_variance)
        self._upper, self._lower = upper, lower
        self._numerator, self._denominator = factor.numerator, factor.denominator

    def gaps(self, day: int) -> tuple[int, ...]:
        """Those of both."""
        return tuple(sorted({*self._upper.gaps(day), *self._lower.gaps(day)}))

    def _ratios(self, level: int, index: int) -> list[int]:
        if level == LEAF:
            uppers, lowers = self._upper.leaf(index).prices, self._lower.leaf(index).prices
        else:
            uppers, lowers = self._upper.node(level, index).bounds, self._lower.node(level, index).bounds
        numerator, denominator = self._numerator, self._denominator
        return [
            max(_LOWEST_TICKS, upper * numerator // (lower * denominator))
            for upper, lower in zip(uppers, lowers, strict=True)
        ]

    def _top_bar(self, index: int) -> Bar:
        ratios = self._ratios(DAY, index)
        words = self._digests.words(_ROOT_BOUNDARY, index)
        deviation = self._deviation(ratios[0], DAY + 1)
        top, bottom = max(ratios), min(ratios)
        return Bar(
            ratios[0],
            top + _excursion(words[2], deviation),
            max(bottom - min(_excursion(words[3], deviation), bottom // 2), _LOWEST_TICKS),
            ratios[-1],
        )

    def _points(self, level: int, index: int, whole: Bar, moves: int, words: Sequence[int]) -> list[int]:
        start, high, low, end = whole
        inner = [min(high, max(low, ratio)) for ratio in self._ratios(level, index)[1:-1]]
        return [start, *inner, end]


class VolumeTree:
    """One symbol's traded volume at every level from the day down, in lots.

    Every step trades at least one lot, so a day has at least as many lots as seconds.

    :param daily_lots: the typical volume of a day
    """

    def __init__(self, digests: Digests, daily_lots: int) -> None:
        self._digests = digests
        self._daily_lots = daily_lots
        self._parts: Callable[[int, int], tuple[int, ...]] = lru_cache(_CACHED_NODES)(self._make_parts)

    def volume(self, level: int, index: int) -> int:
        """The lots traded in span `index` of a level."""
        if level == DAY:
            word = self._digests.words(VOLUME_OF_DAY, index)[0]
            return max(DAY_STEPS, self._daily_lots * (40_000 + word) // 72_768)
        parent, part = divmod(index, FANOUT[level - 1])
        return self._parts(level - 1, parent)[part]

    def _make_parts(self, level: int, index: int) -> tuple[int, ...]:
        parts, least = FANOUT[level], SPANS[level + 1]
        spare = self.volume(level, index) - least * parts
        weights = [word + 6_000 for word in self._digests.words(VOLUME_SPLIT + level, index)[:parts]]
        whole, reached, given = sum(weights), 0, 0
        volumes: list[int] = []
        for weight in weights:
            reached += weight
            share = spare * reached // whole
            volumes.append(least + share - given)
            given = share
        return tuple(volumes)


def _volatility_of(span: int, daily_variance: Fraction) -> int:
    """The typical move over a span as a fraction of the price, times 2**48."""
    variance = daily_variance * span / DAY_STEPS
    return isqrt((variance.numerator << 96) // variance.denominator)


def _excursion(word: int, deviation: int) -> int:
    """How far a span's extreme lies beyond its ends: on average 0.4 deviations, as of a random walk."""
    return word * deviation * 4 // 5 >> 32


def enclose(bounds: Sequence[int], whole: Bar, deviations: Sequence[int], words: Sequence[int]) -> Node:
    """Give each part its extremes, one of them reaching the whole's high and one its low.

    :param deviations: the typical move over each part, in 1/65536 ticks
    """
    parts = len(bounds) - 1
    highs: list[int] = []
    lows: list[int] = []
    for part in range(parts):
        start, end = bounds[part], bounds[part + 1]
        top, bottom = (end, start) if end > start else (start, end)
        highs.append(min(whole.high, top + _excursion(words[2 * part], deviations[part])))
        lows.append(max(whole.low, bottom - _excursion(words[2 * part + 1], deviations[part])))
    highs[highs.index(max(highs))] = whole.high
    lows[lows.index(min(lows))] = whole.low
    return Node(tuple(bounds), tuple(highs), tuple(lows))


def _reach_extremes(prices: list[int], whole: Bar) -> None:
    """Move one inner price to the high and another to the low, where none is there yet."""
    inner = range(1, len(prices) - 1)
    if max(prices) != whole.high:
        prices[max(inner, key=prices.__getitem__)] = whole.high
    # This cannot undo the high: where the lowest inner price is the high, so are all of them.
    if min(prices) != whole.low:
        prices[min(inner, key=prices.__getitem__)] = whole.low
