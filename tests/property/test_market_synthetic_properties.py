"""One path, many views of it: candles of every timeframe, seconds, trades and moves must agree."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ccxt_driver.oms.market.feed import TIMEFRAMES, Candle, Quote, Trade, candle_open, next_open
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS
from ccxt_driver.oms.market.synthetic import SyntheticFeed
from ccxt_driver.oms.market.weather import Synthetic

EVEN = SyntheticFeed(DEFAULT_MARKETS, seed=11)
# Every walk has a gap on every day.
UPSET = SyntheticFeed(DEFAULT_MARKETS, 11, Synthetic(regimes=True, gaps_per_month=30))


def near_a_gap(day: int, offset_ms: int) -> int:
    """A moment around a gap of bitcoin, its swap, and what is priced in it."""
    (step,) = UPSET._instruments["BTC/USDT"].path.gaps(day)
    return step * 1_000 + offset_ms


feeds = st.sampled_from([EVEN, UPSET])
symbols = st.sampled_from([market.symbol for market in DEFAULT_MARKETS])
moments = st.integers(min_value=40 * 86_400_000, max_value=4_000_000_000_000) | st.builds(
    near_a_gap, st.integers(40, 46_000), st.integers(-20_000, 20_000)
)
some = settings(max_examples=60, deadline=None)
few = settings(max_examples=15, deadline=None)


def again(feed: SyntheticFeed) -> SyntheticFeed:
    """The same, that nobody has asked anything."""
    return SyntheticFeed(DEFAULT_MARKETS, 11, feed._chosen)


def candle_of(trades: list[Trade], open_ms: int) -> Candle:
    prices = [trade.price for trade in trades]
    volume = sum(trade.qty for trade in trades)
    return Candle(open_ms, prices[0], max(prices), min(prices), prices[-1], Decimal(volume))


def joined(candles: list[Candle]) -> Candle:
    return Candle(
        candles[0].open_ms,
        candles[0].open,
        max(candle.high for candle in candles),
        min(candle.low for candle in candles),
        candles[-1].close,
        sum((candle.volume for candle in candles), Decimal(0)),
    )


def trades_between(feed: SyntheticFeed, symbol: str, start: int, end: int) -> list[Trade]:
    return feed.trades(symbol, start, end - 1, 10**9)


@some
@given(feeds, symbols, st.sampled_from(["1s", "1m", "3m", "5m", "15m"]), moments)
def test_a_candle_is_exactly_what_its_trades_make(
    feed: SyntheticFeed, symbol: str, timeframe: str, now: int
) -> None:
    (candle,) = feed.candles(symbol, timeframe, None, now, 1)
    assert candle == candle_of(trades_between(feed, symbol, candle.open_ms, now + 1), candle.open_ms)


@few
@given(feeds, symbols, moments)
def test_a_day_is_exactly_what_its_minutes_make(feed: SyntheticFeed, symbol: str, now: int) -> None:
    start = candle_open("1d", now)
    minutes = feed.candles(symbol, "1m", start, start + 86_399_999, 1_440)
    assert feed.candles(symbol, "1d", start, start + 86_399_999, 1) == [joined(minutes)]


@some
@given(feeds, symbols, st.sampled_from(sorted(TIMEFRAMES, key=TIMEFRAMES.__getitem__)[2:]), moments)
def test_a_candle_in_the_making_is_what_its_parts_make_so_far(
    feed: SyntheticFeed, symbol: str, timeframe: str, now: int
) -> None:
    finer = "1d" if timeframe in ("1w", "1M") else "1h" if TIMEFRAMES[timeframe] > 3_600_000 else "1m"
    (candle,) = feed.candles(symbol, timeframe, None, now, 1)
    assert candle == joined(feed.candles(symbol, finer, candle.open_ms, now, 100))


@some
@given(feeds, symbols, st.sampled_from(sorted(TIMEFRAMES)), moments)
def test_candles_chain_without_a_gap(feed: SyntheticFeed, symbol: str, timeframe: str, now: int) -> None:
    candles = feed.candles(symbol, timeframe, None, now, 6)
    for candle, following in pairwise(candles):
        assert following.open_ms == next_open(timeframe, candle.open_ms)
        if timeframe != "1s":  # a second is one trade, it has no room to begin where the last ended
            assert following.open == candle.close
    for candle in candles:
        assert 0 < candle.low <= min(candle.open, candle.close)
        assert candle.high >= max(candle.open, candle.close)
        assert candle.volume > 0
    assert candles[-1].close == feed.quote(symbol, now).last


@some
@given(feeds, symbols, st.sampled_from(["5m", "1h", "1d"]), moments, st.integers(1, 10**8))
def test_what_is_said_of_a_moment_does_not_depend_on_what_is_asked_later(
    feed: SyntheticFeed, symbol: str, timeframe: str, now: int, gap: int
) -> None:
    fresh = again(feed)
    fresh.candles(symbol, timeframe, None, now + gap, 3)
    fresh.quote(symbol, now + gap)
    alone = again(feed)
    assert alone.candles(symbol, timeframe, None, now, 3) == fresh.candles(symbol, timeframe, None, now, 3)
    # A finished candle never changes, and an unfinished one only grows.
    (before,) = fresh.candles(symbol, timeframe, None, now, 1)
    (later,) = fresh.candles(symbol, timeframe, before.open_ms, now + gap, 1)
    assert later.open == before.open
    assert later.high >= before.high
    assert later.low <= before.low
    assert later.volume >= before.volume
    if now // 1_000 == (next_open(timeframe, before.open_ms) - 1) // 1_000:
        assert later == before


@few
@given(feeds, st.lists(st.tuples(symbols, moments), min_size=2, max_size=12), st.randoms())
def test_the_order_of_questions_does_not_matter(
    feed: SyntheticFeed, questions: list[tuple[str, int]], shuffler: object
) -> None:
    def answers(feed: SyntheticFeed, order: list[tuple[str, int]]) -> dict[tuple[str, int], object]:
        return {
            (symbol, now): (
                feed.quote(symbol, now),
                feed.book(symbol, now),
                feed.trades(symbol, None, now, 3),
                feed.candles(symbol, "4h", None, now, 3),
            )
            for symbol, now in order
        }

    shuffled = list(questions)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]
    assert answers(again(feed), questions) == answers(again(feed), shuffled)


def first_move_by_scan(
    feed: SyntheticFeed, symbol: str, after: int, until: int, low: Decimal | None, high: Decimal | None
) -> Quote | None:
    for moment in range(after - after % 1_000 + 1_000, until + 1, 1_000):
        quote = feed.quote(symbol, moment)
        if (low is not None and quote.bid <= low) or (high is not None and quote.ask >= high):
            return quote
    return None


distances = st.none() | st.integers(min_value=-3, max_value=60)


@settings(max_examples=100, deadline=None)
@given(feeds, symbols, moments, st.integers(0, 4_000_000), distances, distances)
def test_the_first_move_is_what_a_scan_of_every_second_finds(
    feed: SyntheticFeed, symbol: str, after: int, length: int, down: int | None, up: int | None
) -> None:
    quote = feed.quote(symbol, after)
    # In steps of a fifth of a thousandth of the price, and not on the tick.
    low = None if down is None else quote.bid * (1 - Decimal(down) / 5_000)
    high = None if up is None else quote.ask * (1 + Decimal(up) / 5_000)
    expected = first_move_by_scan(feed, symbol, after, after + length, low, high)
    assert feed.first_move(symbol, after, after + length, low, high) == expected


@few
@given(feeds, symbols, moments, st.integers(1, 90), st.sampled_from(["low", "high"]))
def test_over_days_the_first_move_touches_exactly_the_extreme(
    feed: SyntheticFeed, symbol: str, now: int, days: int, extreme: str
) -> None:
    until = now + days * 86_400_000
    trades_begin = now - now % 1_000 + 1_000
    candles = feed.candles(symbol, "1h", trades_begin, until, days * 24)
    start = candles[0].open_ms - 1  # from a whole hour on, so that the candles cover it all
    if extreme == "low":
        price = min(candle.low for candle in candles)
        found = feed.first_move(symbol, start, until, price, None)
    else:
        price = max(candle.high for candle in candles)
        found = feed.first_move(symbol, start, until, None, price)
    assert found is not None
    # Whoever waits for the extreme is served in or before the hour that has it.
    hour = next(candle for candle in candles if price in (candle.low, candle.high))
    assert found.time_ms < next_open("1h", hour.open_ms)
