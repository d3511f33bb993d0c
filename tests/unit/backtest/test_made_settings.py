"""What the parameters of `backtest()` stand for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from ccxt_driver.backtest import made_settings
from ccxt_driver.backtest.settings import Settings

_DAY_MS = 1_704_153_600_000
"""2024-01-02T00:00:00Z."""


def _made(start: Any = None, **others: Any) -> Settings:
    return made_settings("script.py", "data", start, None, "10000USDT", "out", (), others)


@pytest.mark.parametrize(
    "start, expected",
    [
        ("2024-01-02", _DAY_MS),
        (_DAY_MS, _DAY_MS),
        (date(2024, 1, 2), _DAY_MS),
        (datetime(2024, 1, 2), _DAY_MS),  # noqa: DTZ001  # one without a zone is meant
        (datetime(2024, 1, 2, 0, 0, 0, 5_000, UTC), _DAY_MS + 5),
        (datetime(2024, 1, 2, 1, tzinfo=timezone(timedelta(hours=1))), _DAY_MS),
    ],
)
def test_moments(start: Any, expected: int) -> None:
    assert _made(start).start_ms == expected


@pytest.mark.parametrize("start", [1.5, True, "garbage", date(1969, 1, 1), 1_704_153_600])
def test_what_is_no_moment_is_refused(start: Any) -> None:
    with pytest.raises(ValueError, match="start: expected a time such as"):
        _made(start)


@pytest.mark.parametrize(
    "fees, maker, taker",
    [
        ("0.001,0.002", "0.001", "0.002"),
        ("0.001", "0.001", "0.001"),
        (0.001, "0.001", "0.001"),
        (("0.001", Decimal("0.002")), "0.001", "0.002"),
    ],
)
def test_fees_as_on_the_command_line(fees: Any, maker: str, taker: str) -> None:
    made = _made(fees=fees)
    assert (made.maker, made.taker) == (Decimal(maker), Decimal(taker))


@pytest.mark.parametrize(
    "others, message",
    [
        ({"fees": None}, "fees: expected fractions"),
        ({"fees": "a,b"}, "maker"),
        ({"fees": "0.1", "maker": "0.1"}, "fees: expected them, or maker and taker, not both"),
        ({"fees": ("1", "2", "3")}, "fees: expected fractions"),
    ],
)
def test_fees_that_make_no_sense_are_refused(others: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _made(**others)


@pytest.mark.parametrize("balance", [1000, None, ["1000USDT"]])
def test_a_balance_that_makes_no_sense_is_refused(balance: Any) -> None:
    with pytest.raises(ValueError, match="balance: expected amounts such as 10000USDT,1BTC, got"):
        made_settings("script.py", "data", None, None, balance, "out", (), {})


def test_a_text_is_no_list_of_arguments() -> None:
    with pytest.raises(ValueError, match="arguments: expected a list of texts, got '--fast 5'"):
        made_settings("script.py", "data", None, None, "1USDT", "out", "--fast 5", {})
