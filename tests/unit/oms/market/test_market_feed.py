from __future__ import annotations

from datetime import UTC, datetime

import ccxt
import pytest

from ccxt_driver.oms.market.feed import TIMEFRAMES, candle_open, candle_opens, next_open


def ms(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    "timeframe,opened,following",
    [
        ("1m", ms(2024, 2, 29, 13, 37), ms(2024, 2, 29, 13, 38)),
        ("3m", ms(2024, 2, 29, 13, 36), ms(2024, 2, 29, 13, 39)),
        ("6h", ms(2024, 2, 29, 12), ms(2024, 2, 29, 18)),
        ("1d", ms(2024, 2, 29), ms(2024, 3, 1)),
        ("1w", ms(2024, 2, 26), ms(2024, 3, 4)),
        ("1M", ms(2024, 2, 1), ms(2024, 3, 1)),
    ],
)
def test_candles_are_aligned_to_utc(timeframe: str, opened: int, following: int) -> None:
    moment = ms(2024, 2, 29, 13, 37, 42)
    assert candle_open(timeframe, moment) == opened
    assert candle_open(timeframe, opened) == opened
    assert next_open(timeframe, opened) == following
    assert candle_open(timeframe, following - 1) == opened


def test_months_follow_the_calendar_across_years() -> None:
    opens = candle_opens("1M", ms(2023, 11, 2), ms(2024, 4, 10), 100)
    assert opens == [ms(2023, 12, 1), ms(2024, 1, 1), ms(2024, 2, 1), ms(2024, 3, 1), ms(2024, 4, 1)]


def test_the_newest_when_no_beginning_is_asked_for_the_oldest_otherwise() -> None:
    now = ms(2024, 1, 1, 12, 30)
    assert candle_opens("1h", None, now, 2) == [ms(2024, 1, 1, 11), ms(2024, 1, 1, 12)]
    assert candle_opens("1h", ms(2024, 1, 1, 3, 1), now, 2) == [ms(2024, 1, 1, 4), ms(2024, 1, 1, 5)]
    assert candle_opens("1h", ms(2024, 1, 1, 12), now, 5) == [ms(2024, 1, 1, 12)]
    assert candle_opens("1h", now + 1, now, 5) == []
    assert candle_opens("1h", None, now, 0) == []


def test_nothing_is_older_than_the_epoch() -> None:
    assert candle_opens("1m", None, 90_000, 10) == [0, 60_000]
    assert candle_opens("1d", -5, 90_000, 10) == [0]


def test_an_unknown_timeframe_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^timeframe: expected one of 1s, 1m, .*, got '7m'"):
        candle_opens("7m", None, 0, 1)


def test_lengths_are_those_of_ccxt() -> None:
    for timeframe, length in TIMEFRAMES.items():
        assert ccxt.Exchange.parse_timeframe(timeframe) * 1000 == length
