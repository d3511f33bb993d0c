"""What an exchange tells of the past: every row once, whatever kind of answers it gives."""

from __future__ import annotations

import logging
from typing import Any

import ccxt
import pytest

from ccxt_driver.venues.past import Past
from tests.helpers.past_venue import DAY, HOUR, MINUTE, NOW, PastVenue, bars, fundings, prints

SYMBOL = "BTC/USDT"


@pytest.fixture
def venue() -> PastVenue:
    return PastVenue()


def candles(venue: PastVenue, from_ms: int, to_ms: int, timeframe: str = "1m") -> list[Any]:
    past = Past(venue, sleep=lambda seconds: None)
    return [row for page in past.candles(SYMBOL, timeframe, from_ms, to_ms) for row in page.rows]


def funding_rates(venue: PastVenue, from_ms: int, to_ms: int, known_ms: int | None = None) -> list[Any]:
    past = Past(venue, sleep=lambda seconds: None)
    return [
        row for page in past.funding_rates("BTC/USDT:USDT", from_ms, to_ms, known_ms) for row in page.rows
    ]


def trades(venue: PastVenue, from_ms: int, to_ms: int) -> list[Any]:
    past = Past(venue, sleep=lambda seconds: None)
    return [row for page in past.trades(SYMBOL, from_ms, to_ms) for row in page.rows]


# ------------------------------------------------------------------ candles


@pytest.mark.parametrize("answer", ["first", "after", "window", "before"])
def test_every_candle_comes_once_in_order(venue: PastVenue, answer: str) -> None:
    venue.answer = answer
    start = NOW - 1_000 * MINUTE
    rows = bars(start - 50 * MINUTE, 1_050)
    del rows[300:303], rows[600:850]  # a short gap, and one longer than a page
    venue.bars = {"1m": rows, "1d": bars(start - DAY, 3, DAY)}

    found = candles(venue, start, NOW - 10 * MINUTE)

    assert [list(row) for row in found] == [row for row in rows if start <= row[0] < NOW - 10 * MINUTE]


@pytest.mark.parametrize("answer", ["first", "window"])
def test_before_the_first_candle_days_are_asked_for(venue: PastVenue, answer: str) -> None:
    venue.answer = answer
    rows = bars(NOW - 2 * DAY + 7 * MINUTE, 30)
    venue.bars = {"1m": rows, "1d": bars(NOW - 2 * DAY, 1, DAY)}

    assert len(candles(venue, NOW - 1_000 * DAY, NOW)) == 30
    assert len(venue.calls) < 60


def test_nothing_at_all_ends_soon(venue: PastVenue) -> None:
    assert candles(venue, NOW - 1_000 * DAY, NOW) == []
    assert len(venue.calls) < 20


def test_without_daily_candles_every_window_is_asked_for(venue: PastVenue) -> None:
    venue.timeframes = {"1m": "1m"}
    venue.answer = "window"
    venue.bars = {"1m": bars(NOW - HOUR, 10)}

    assert len(candles(venue, NOW - DAY, NOW)) == 10


@pytest.mark.parametrize("into_the_candle, closed", [(0, 2), (9_999, 2), (10_000, 3), (59_999, 3)])
def test_a_candle_that_has_not_closed_for_good_is_never_given(
    venue: PastVenue, into_the_candle: int, closed: int
) -> None:
    venue.bars = {"1m": bars(NOW - 3 * MINUTE, 4)}
    venue.now = NOW + into_the_candle

    assert len(candles(venue, NOW - 3 * MINUTE, NOW + DAY)) == closed


def test_the_time_is_that_of_the_exchange(venue: PastVenue) -> None:
    """Our clock is an hour ahead, and the last candle has just begun."""
    venue.bars = {"1m": bars(NOW - 3 * MINUTE, 4)}
    venue.has["fetchTime"] = True
    venue.fetch_time = lambda params=None: NOW + 20_000
    venue.now = NOW + HOUR

    assert len(candles(venue, NOW - 3 * MINUTE, NOW + DAY)) == 3


def test_candles_without_prices_are_left_out_and_without_volume_have_none(venue: PastVenue) -> None:
    rows = bars(NOW - 10 * MINUTE, 3)
    rows[1][1:] = [None] * 5
    rows[2][5] = None
    venue.bars = {"1m": rows}

    assert [row[5] for row in candles(venue, NOW - 10 * MINUTE, NOW)] == [1.5, 0]


def test_an_exchange_that_gives_the_newest_ones_only_leaves_no_hole(venue: PastVenue) -> None:
    """It begins where the exchange does; a hole behind what was given would be seen."""
    venue.answer = "newest"
    venue.bars = {"1m": bars(NOW - 1_000 * MINUTE, 1_000)}

    assert candles(venue, NOW - 500 * MINUTE, NOW)[0][0] == NOW - 100 * MINUTE
    venue.bars = {"1m": bars(NOW - 1_000 * MINUTE, 500)}
    found: list[Any] = []
    venue.before_call = lambda: venue.bars["1m"].extend(
        bars(NOW - 500 * MINUTE, 400) if len(venue.calls) == 3 else []
    )
    with pytest.raises(ValueError, match="exchange: past does not tell what followed"):
        found += candles(venue, NOW - 600 * MINUTE, NOW)


def test_candles_of_another_zone_are_refused(venue: PastVenue) -> None:
    venue.bars = {"1d": bars(NOW - 10 * DAY + 8 * HOUR, 5, DAY)}

    with pytest.raises(ValueError, match="timeframe: past has 1d candles of BTC/USDT that do not open"):
        candles(venue, NOW - 10 * DAY, NOW, "1d")


def test_candles_of_mark_prices(venue: PastVenue) -> None:
    venue.bars = {"1m": bars(NOW - HOUR, 60)}
    venue.marks = {"1m": [[*row[:5], None] for row in bars(NOW - HOUR + 10 * MINUTE, 30)]}
    past = Past(venue)

    pages = [*past.candles("BTC/USDT:USDT", "1m", NOW - DAY, NOW, mark=True)]

    assert [row[:5] for page in pages for row in page.rows] == [tuple(row[:5]) for row in venue.marks["1m"]]


def test_a_gap_of_mark_prices_skips_none_where_fewer_of_them_come_at_once(venue: PastVenue) -> None:
    """Exchanges tell how many candles they give at once, and give fewer of mark prices."""
    venue.answer = "window"
    venue.features["swap"] = {"linear": {"fetchOHLCV": {"limit": 300}}}
    rows = [[*row[:5], None] for row in bars(NOW - 1_000 * MINUTE, 900)]
    del rows[200:350]
    venue.marks = {"1m": rows}
    venue.bars = {"1d": bars(NOW - 2 * DAY, 3, DAY)}

    pages = [*Past(venue).candles("BTC/USDT:USDT", "1m", NOW - 1_000 * MINUTE, NOW, mark=True)]

    assert [row[0] for page in pages for row in page.rows] == [row[0] for row in rows]


# ------------------------------------------------------------------ funding rates


@pytest.mark.parametrize("answer", ["first", "after", "window", "before"])
def test_every_funding_rate_comes_once_in_order(venue: PastVenue, answer: str) -> None:
    venue.answer, venue.most = answer, 7
    hours = [*range(0, 160, 8), *range(500, 560, 4)]  # nothing for two weeks, then more often
    venue.fundings = fundings([NOW - 30 * DAY + hour * HOUR + hour % 3 for hour in hours])
    venue.bars = {"1d": bars(NOW - 30 * DAY, 31, DAY)}

    found = funding_rates(venue, NOW - 30 * DAY + HOUR, NOW)

    assert found == [(row["timestamp"], row["fundingRate"]) for row in venue.fundings[1:]]
    venue.calls.clear()
    following = funding_rates(venue, 0, NOW, found[9][0])
    assert following == found[10:]
    assert len(venue.calls) < 60


def test_a_funding_rate_that_is_not_known_yet_is_left_out(venue: PastVenue) -> None:
    venue.fundings = [
        *fundings([NOW - 8 * HOUR, NOW - 5_000]),
        {"timestamp": NOW - HOUR, "fundingRate": None},
    ]

    assert [row[0] for row in funding_rates(venue, NOW - DAY, NOW)] == [NOW - 8 * HOUR]


def test_funding_rates_that_were_skipped_are_noticed(venue: PastVenue) -> None:
    venue.answer, venue.most = "newest", 5
    venue.fundings = fundings([NOW - 10 * DAY + at * HOUR for at in range(10)])
    later = fundings([NOW - DAY + at * HOUR for at in range(10)])
    venue.before_call = lambda: venue.fundings.extend(later if len(venue.calls) == 2 else [])

    with pytest.raises(ValueError, match="exchange: past does not tell what followed"):
        funding_rates(venue, NOW - 11 * DAY, NOW)


# ------------------------------------------------------------------ trades


@pytest.mark.parametrize("answer", ["first", "after", "window", "before"])
def test_every_trade_comes_once_in_order(venue: PastVenue, answer: str) -> None:
    venue.answer, venue.most = answer, 7
    start = NOW - 2 * DAY
    times = [start + at // 3 * 1_000 for at in range(50)]
    times += [start + 20 * HOUR + at for at in range(20)] + [NOW - MINUTE]
    venue.prints = prints(times)
    venue.bars = {"1d": bars(start, 2, DAY)}

    found = trades(venue, start + 1_000, NOW)

    assert [row[4] for row in found] == [row["id"] for row in venue.prints[3:]]
    assert found[0] == (start + 1_000, 103.0, 0.5, "buy", "3")


def test_trades_of_one_moment_are_in_order_where_the_newest_come_first(venue: PastVenue) -> None:
    venue.answer, venue.most = "reversed", 3
    venue.prints = prints([NOW - HOUR, NOW - HOUR + 5, NOW - HOUR + 5])

    assert [row[4] for row in trades(venue, NOW - DAY, NOW)] == ["0", "1", "2"]


def test_a_trade_at_the_edge_of_a_window_is_not_passed_over(venue: PastVenue) -> None:
    venue.answer = "window"
    start = NOW - 2 * DAY
    venue.prints = prints([start + HOUR - 2, start + 3 * HOUR - 2, start + 3 * HOUR - 1])
    venue.bars = {"1d": bars(start, 1, DAY)}

    for from_ms in range(start - 3, start + 3):
        assert [row[4] for row in trades(venue, from_ms, NOW)] == ["0", "1", "2"]


def test_trades_of_a_swap_are_in_base_currency(venue: PastVenue) -> None:
    venue.prints = prints([NOW - HOUR])
    past = Past(venue)

    [row] = [row for page in past.trades("BTC/USDT:USDT", NOW - DAY, NOW) for row in page.rows]

    assert float(row[2]) == 0.005


def test_trades_that_were_skipped_are_noticed(venue: PastVenue) -> None:
    venue.answer, venue.most = "newest", 5
    venue.prints = prints([NOW - HOUR + at for at in range(10)])
    venue.before_call = lambda: venue.prints.extend(
        prints([NOW - MINUTE + at for at in range(10)]) if len(venue.calls) == 2 else []
    )

    with pytest.raises(ValueError, match="exchange: past does not tell what followed"):
        trades(venue, NOW - DAY, NOW)


def test_more_trades_of_one_moment_than_an_answer_holds_are_told(
    venue: PastVenue, caplog: pytest.LogCaptureFixture
) -> None:
    venue.features["spot"]["fetchTrades"] = {"limit": 3}
    venue.most = 3
    venue.prints = prints([NOW - HOUR] * 5 + [NOW - MINUTE])

    with caplog.at_level(logging.WARNING):
        assert len(trades(venue, NOW - HOUR, NOW)) == 4
    assert "more trades at" in caplog.text


# ------------------------------------------------------------------ asking


def test_what_fails_for_a_moment_is_asked_again(venue: PastVenue) -> None:
    venue.bars = {"1m": bars(NOW - 10 * MINUTE, 3)}
    failures = [ccxt.RequestTimeout("slow"), ccxt.RateLimitExceeded("busy"), ccxt.BadResponse("no JSON")]
    pauses: list[float] = []

    def fail() -> None:
        if failures:
            raise failures.pop()

    venue.before_call = fail
    pages = Past(venue, sleep=pauses.append).candles(SYMBOL, "1m", NOW - 10 * MINUTE, NOW)

    assert len([row for page in pages for row in page.rows]) == 3
    assert len(pauses) == 3
    assert pauses[0] >= 1


def test_what_fails_again_and_again_is_raised(venue: PastVenue) -> None:
    def fail() -> None:
        raise ccxt.ExchangeNotAvailable("down")

    venue.before_call = fail
    with pytest.raises(ccxt.ExchangeNotAvailable, match="down"):
        candles(venue, NOW - HOUR, NOW)
    assert len(venue.calls) == 8


def test_what_the_exchange_refuses_is_asked_once(venue: PastVenue) -> None:
    def fail() -> None:
        raise ccxt.BadSymbol("gone")

    venue.before_call = fail
    with pytest.raises(ccxt.BadSymbol):
        candles(venue, NOW - HOUR, NOW)
    assert len(venue.calls) == 1


def test_what_cannot_be_fetched_is_named(venue: PastVenue) -> None:
    past = Past(venue)

    with pytest.raises(ValueError, match="symbols: past has no 'ETH/USDT'"):
        past.market("ETH/USDT")
    with pytest.raises(ValueError, match="timeframe: past has 1m, 1h, 1d, not '5m'"):
        past.need("fetchOHLCV", "5m")
    with pytest.raises(ValueError, match="exchange: past has no fetchOpenInterestHistory"):
        past.need("fetchOpenInterestHistory")
    venue.markets["BTC/USD:BTC"] = {"swap": True, "settle": "BTC", "quote": "USD"}
    with pytest.raises(ValueError, match="BTC/USD:BTC: expected a spot market"):
        past.market("BTC/USD:BTC")
