"""Regimes, gaps and halts of the synthetic market, each by itself."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from statistics import median, pstdev
from typing import Any

import pytest

from ccxt_driver.oms import Synthetic
from ccxt_driver.oms.market.feed import HaltTimes
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS
from ccxt_driver.oms.market.price_path import DAY, DAY_STEPS, LEAF, STEP, Digests, PricePath, WalkPath
from ccxt_driver.oms.market.synthetic import SyntheticFeed
from ccxt_driver.oms.market.weather import UnevenWalk

NOW = 1_795_000_000_000
DAY_MS = 86_400_000
MINUTE = 60_000
FIRST = 1_767_225_600_000 // DAY_MS
UPSET = Synthetic(regimes=True, gaps_per_month=2, halt_minutes=10)

KNOWN_QUOTES = [
    ("BTC/USDT", "55855.07", "55857.87", "55857.87"),
    ("ETH/BTC", "0.05305", "0.05306", "0.05306"),
]


def path_of(feed: SyntheticFeed, symbol: str) -> PricePath:
    return feed._instruments[symbol].path


@pytest.fixture(scope="module")
def upset() -> SyntheticFeed:
    return SyntheticFeed(DEFAULT_MARKETS, 0, UPSET)


@pytest.fixture(scope="module")
def gappy() -> SyntheticFeed:
    """Every walk has a gap on every day."""
    return SyntheticFeed(DEFAULT_MARKETS, 0, Synthetic(gaps_per_month=30, halt_minutes=10))


def walks(chosen: Synthetic) -> UnevenWalk:
    return UnevenWalk(Digests(5, "BTC/USDT"), Fraction(1, 2_500), 5_000_000, chosen)


def test_a_walk_with_neither_is_the_even_walk() -> None:
    even, uneven = WalkPath(Digests(5, "BTC/USDT"), Fraction(1, 2_500), 5_000_000), walks(Synthetic())
    for level in range(LEAF):
        for index in (0, 1, 7, 19_000, 20_454):
            assert uneven.node(level, index) == even.node(level, index)
    for index in (0, 20_454 * 8_640, 20_454 * 8_640 + 1):
        assert uneven.leaf(index) == even.leaf(index)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"regimes": 1}, "regimes: expected True or False, got 1"),
        ({"gaps_per_month": -1}, "gaps_per_month: expected 0, or a number from 0.1 to 30, got -1"),
        ({"gaps_per_month": 0.01}, "gaps_per_month: expected"),
        ({"gaps_per_month": 31}, "gaps_per_month: expected"),
        ({"gaps_per_month": float("nan")}, "gaps_per_month: expected"),
        ({"gaps_per_month": True}, "gaps_per_month: expected"),
        ({"gaps_per_month": "2"}, "gaps_per_month: expected"),
        ({"gaps_per_month": 2, "halt_minutes": 1.5}, "halt_minutes: expected a whole number from 0 to 1440"),
        ({"gaps_per_month": 2, "halt_minutes": 1_441}, "halt_minutes: expected a whole number"),
        ({"halt_minutes": 5}, "halt_minutes: goes with gaps_per_month"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Synthetic(**given)


def test_prices_of_a_seed_never_change(upset: SyntheticFeed) -> None:
    # Recorded once, as those of the even market are.
    assert [(name, *map(str, upset.quote(name, NOW)[1:])) for name, *_ in KNOWN_QUOTES] == KNOWN_QUOTES


# ------------------------------------------------------------------ regimes


def test_days_of_a_storm_move_more_than_quiet_ones() -> None:
    path = walks(Synthetic(regimes=True))
    moves: dict[int, list[float]] = {}
    for day in range(20_000):
        bar = path.bar(DAY, day)
        moves.setdefault(path._regime(DAY, day), []).append(bar.close / bar.open - 1)
    quiet, usual, stormy = (pstdev(moves[regime]) for regime in sorted(moves))
    assert 0.4 < quiet / usual < 0.6
    assert 2.2 < stormy / usual < 3.3
    assert [round(8 * len(moves[regime]) / 20_000, 1) for regime in sorted(moves)] == [3.0, 4.0, 1.0]


def test_a_regime_reaches_down_to_the_seconds() -> None:
    path = walks(Synthetic(regimes=True))
    spans: dict[int, int] = {}
    for span in range(2_400, 2_500):
        spans.setdefault(path._regime(2, span), span)
    moved: list[float] = []
    for _, span in sorted(spans.items()):
        leaves = range(span * 8 * 8_640, span * 8 * 8_640 + 300)
        prices = [price for leaf in leaves for price in path.leaf(leaf).prices]
        steps = [abs(b - a) / a for a, b in pairwise(prices)]
        moved.append(sum(steps) / len(steps))
    quiet, usual, stormy = moved
    assert quiet < usual * 0.7
    assert stormy > usual * 2


# ------------------------------------------------------------------ gaps


def test_as_many_days_have_a_gap_as_was_said() -> None:
    path = walks(Synthetic(gaps_per_month=2))
    days = [day for day in range(30_000) if path.gaps(day)]
    assert 1.9 < len(days) / 1_000 < 2.1
    for day in days:
        (step,) = path.gaps(day)
        assert step // DAY_STEPS == day


def test_a_gap_is_one_second(gappy: SyntheticFeed) -> None:
    path = path_of(gappy, "ETH/USDT")
    jumps: list[float] = []
    for day in range(FIRST, FIRST + 12):
        whole = path.bar(DAY, day)
        if abs(whole.close / whole.open - 1) < 0.03:
            continue
        (gap,) = path.gaps(day)
        leaves = range(day * DAY_STEPS // 10, (day + 1) * DAY_STEPS // 10)
        prices = [price for leaf in leaves for price in path.leaf(leaf).prices]
        moves = [b - a for a, b in pairwise(prices)]
        jump = moves.pop(gap - day * DAY_STEPS - 1)
        assert abs(jump) > max(map(abs, moves))
        jumps.append(jump / (whole.close - whole.open))
    assert len(jumps) > 3
    assert min(jumps) > 0.1
    assert 0.8 < median(jumps) < 1.2


def test_a_candle_of_a_day_with_a_gap_is_what_its_seconds_make(gappy: SyntheticFeed) -> None:
    path = path_of(gappy, "SOL/USDT")
    for day in (FIRST, FIRST + 33):
        leaves = range(day * DAY_STEPS // 10, (day + 1) * DAY_STEPS // 10)
        prices = [price for leaf in leaves for price in path.leaf(leaf).prices]
        assert path.bar(DAY, day) == (prices[0], max(prices), min(prices), prices[-1])


def test_the_first_move_beyond_a_gap_is_the_gap(gappy: SyntheticFeed) -> None:
    path = path_of(gappy, "BTC/USDT")
    found = 0
    for day in range(FIRST, FIRST + 20):
        (gap,) = path.gaps(day)
        before, after = (gappy.quote("BTC/USDT", step * 1_000) for step in (gap - 1, gap))
        if abs(after.last / before.last - 1) < Decimal("0.02"):
            continue
        middle = (before.last + after.last) / 2
        low, high = (middle, None) if after.last < before.last else (None, middle)
        assert gappy.first_move("BTC/USDT", (gap - 5) * 1_000, NOW, low, high) == after
        found += 1
    assert found > 3


def test_markets_that_follow_others_have_their_gaps(gappy: SyntheticFeed) -> None:
    day = FIRST + 3
    bitcoin, ether = (path_of(gappy, symbol).gaps(day) for symbol in ("BTC/USDT", "ETH/USDT"))
    assert bitcoin != ether
    assert path_of(gappy, "BTC/USDT:USDT").gaps(day) == bitcoin
    assert path_of(gappy, "ETH/BTC").gaps(day) == tuple(sorted(bitcoin + ether))
    for symbol in ("BTC/USDT", "BTC/USDT:USDT"):
        path = path_of(gappy, symbol)
        before, after = (path.bar(STEP, step).close for step in (bitcoin[0] - 1, bitcoin[0]))
        assert abs(after / before - 1) > 0.02


# ------------------------------------------------------------------ halts


def test_a_halt_begins_a_second_after_the_gap_and_ends_when_it_should(upset: SyntheticFeed) -> None:
    path = path_of(upset, "BTC/USDT")
    days = [day for day in range(FIRST, FIRST + 200) if path.gaps(day)]
    for day, following in pairwise(days):
        begins, next_one = ((path.gaps(each)[0] + 1) * 1_000 for each in (day, following))
        ends = begins + 10 * MINUTE
        assert upset.halts("BTC/USDT", begins - 1) == HaltTimes(None, begins)
        assert upset.halts("BTC/USDT", begins) == HaltTimes(ends, ends)
        assert upset.halts("BTC/USDT", ends - 1) == HaltTimes(ends, ends)
        assert upset.halts("BTC/USDT", ends) == HaltTimes(None, next_one)


def test_a_gap_within_a_halt_makes_it_longer() -> None:
    feed = SyntheticFeed(DEFAULT_MARKETS, 0, Synthetic(gaps_per_month=30, halt_minutes=1_440))
    path = path_of(feed, "BTC/USDT")
    for day in range(FIRST, FIRST + 30):
        begins, following = ((path.gaps(each)[0] + 1) * 1_000 for each in (day, day + 1))
        if following - begins > DAY_MS:
            continue
        times = feed.halts("BTC/USDT", begins)
        assert times is not None
        assert times.changes_ms <= following
        assert feed.halts("BTC/USDT", following) is not None
        assert feed.halts("BTC/USDT", following).ends_ms == following + DAY_MS  # type: ignore[union-attr]
        break
    else:
        pytest.fail("no two gaps within a day")


def test_without_minutes_nothing_is_ever_halted() -> None:
    feed = SyntheticFeed(DEFAULT_MARKETS, 0, Synthetic(gaps_per_month=30))
    assert feed.halts("BTC/USDT", NOW) is None
