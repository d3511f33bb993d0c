"""What may upset a synthetic market: calm and stormy times, gaps in the price, and halts after them.

All of it is drawn from the seed, and none of it depends on what comes later or on what was asked before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Final

from ccxt_driver.oms.market.price_path import (
    DAY,
    DAY_STEPS,
    FANOUT,
    LEAF,
    SPANS,
    WORD_DEVIATION,
    Bar,
    Digests,
    WalkPath,
)

# The levels of `SPANS` that spans of 8 days are at, and those of 64 days, which they are divided from.
_REGIME: Final = 2
_ABOVE_REGIMES: Final = 1

# What a digest is for; `price_path` has the lower numbers.
_REGIME_OF_SPAN, _GAP_OF_DAY = 36, 37

# How much prices move, in halves of the usual, and in how many of 65,536 spans of 8 days.
_QUIET, _USUAL, _STORMY = 1, 2, 6
_QUIET_BELOW: Final = 3 * 65_536 // 8
_STORMY_FROM: Final = 7 * 65_536 // 8
# A day with a gap is drawn so many times as wide as its neighbours, within what its 8 days leave room for:
# nobody minds a gap of nothing.
_GAP_FACTOR: Final = 4

_DAYS_OF_MONTH: Final = 30
_LEAVES_OF_DAY: Final = DAY_STEPS // SPANS[LEAF]
_MINUTES_OF_DAY: Final = 1_440
_FEWEST_GAPS: Final = Fraction(1, 10)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """What synthetic prices do beside walking at an even pace; nothing, unless it is said.

    :param regimes: whether spans of 8 days are quiet, usual or stormy
    :param gaps_per_month: on how many days of thirty, on average, the price of a market jumps within a
        second; 0, or from 0.1 to 30
    :param halt_minutes: for how long a market is halted after that, at most a day
    :raises ValueError: a value that makes no sense, naming the field
    """

    regimes: bool = False
    gaps_per_month: float = 0
    halt_minutes: int = 0

    def __post_init__(self) -> None:
        if type(self.regimes) is not bool:
            raise ValueError(f"regimes: expected True or False, got {self.regimes!r}")
        gaps = self.gaps_per_month
        if type(gaps) not in (int, float) or not (gaps == 0 or _FEWEST_GAPS <= gaps <= _DAYS_OF_MONTH):
            raise ValueError(f"gaps_per_month: expected 0, or a number from 0.1 to 30, got {gaps!r}")
        minutes = self.halt_minutes
        if type(minutes) is not int or not 0 <= minutes <= _MINUTES_OF_DAY:
            raise ValueError(f"halt_minutes: expected a whole number from 0 to 1440, got {minutes!r}")
        if minutes and not gaps:
            raise ValueError("halt_minutes: goes with gaps_per_month")

    def dump(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return asdict(self)

    @classmethod
    def load(cls, row: Mapping[str, Any]) -> Synthetic:
        """What `dump` gave; nothing of a file that was made before there was any."""
        return cls(**row)


class UnevenWalk(WalkPath):
    """A walk with regimes and gaps.

    A span of 8 days has a regime, which scales how far its parts move, and theirs, down to the second.
    In a day with a gap all that lies between its open and its close is passed in one second; before and
    after it the price moves as on any other day, which may take some of the way off the gap.

    :param chosen: which of them there are
    """

    def __init__(
        self, digests: Digests, daily_variance: Fraction, reference_ticks: int, chosen: Synthetic
    ) -> None:
        super().__init__(digests, daily_variance, reference_ticks)
        self._regimes = chosen.regimes
        self._gaps_below = int(Fraction(chosen.gaps_per_month) * 65_536 / _DAYS_OF_MONTH)

    def gaps(self, day: int) -> tuple[int, ...]:
        """The step of the gap, if the day has one."""
        if not self._gaps_below:
            return ()
        chance, high, low, place, *_ = self._digests.words(_GAP_OF_DAY, day)
        if chance >= self._gaps_below:
            return ()
        leaf = (high << 16 | low) % _LEAVES_OF_DAY
        # A leaf reaches its extremes between its ends: there has to be a step on either side of the gap.
        within = 2 + place % (SPANS[LEAF] - 3)
        return (day * DAY_STEPS + leaf * SPANS[LEAF] + within,)

    def _regime(self, level: int, index: int) -> int:
        """How much a span moves, in halves of the usual."""
        if not self._regimes or level < _REGIME:
            return _USUAL
        span = index * SPANS[level] // SPANS[_REGIME]
        word = self._digests.words(_REGIME_OF_SPAN, span)[0]
        return _QUIET if word < _QUIET_BELOW else _STORMY if word >= _STORMY_FROM else _USUAL

    def _regimes_within(self, level: int, index: int, parts: int) -> list[int]:
        if level != _ABOVE_REGIMES:
            return [self._regime(level, index)] * parts
        return [self._regime(level + 1, index * parts + part) for part in range(parts)]

    def _gap_within(self, level: int, index: int) -> int | None:
        """Which part of a span of a day or less has the gap; of a leaf, which move."""
        if level < DAY:
            return None
        span = SPANS[level]
        start = index * span
        for step in self.gaps(start // DAY_STEPS):
            if start <= step < start + span:
                return (step - start) // SPANS[level + 1] - (level == LEAF)
        return None

    def _deviations(self, level: int, index: int, price: int) -> list[int]:
        deviation = self._deviation(price, level + 1)
        scales = self._regimes_within(level, index, FANOUT[level])
        return [deviation * scale // _USUAL for scale in scales]

    def _points(self, level: int, index: int, whole: Bar, moves: int, words: Sequence[int]) -> list[int]:
        """As of a walk whose moves differ: each has its part of the drift by its variance."""
        start, high, low, end = whole
        gap = self._gap_within(level, index)
        scales = self._regimes_within(level, index, moves)
        if gap is not None:
            scales[gap] = 0
        elif level == _REGIME:
            scales = [
                scale * _GAP_FACTOR if self.gaps(index * moves + part) else scale
                for part, scale in enumerate(scales)
            ]
        sums, weights = [0], [0]
        for move, scale in enumerate(scales):
            sums.append(sums[-1] + scale * (words[2 * move] - words[2 * move + 1]))
            weights.append(weights[-1] + scale * scale)
        unit = _USUAL * WORD_DEVIATION << 16
        deviation, total, bend = self._deviation(start, level + 1), weights[moves], sums[moves]
        divisor, drift = total * unit, (end - start) * unit
        points = [start]
        for move in range(1, moves):
            passed = weights[move] if gap is None else total if move > gap else 0
            noise = (sums[move] * total - bend * weights[move]) * deviation
            price = start + (drift * passed + noise + divisor // 2) // divisor
            points.append(_reflected(price, low, high))
        points.append(end)
        return points


def _reflected(price: int, low: int, high: int) -> int:
    """Back from the extremes, as of a walk, so that the path does not stick to them."""
    if price > high:
        return max(low, 2 * high - price)
    if price < low:
        return min(high, 2 * low - price)
    return price
