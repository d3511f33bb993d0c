"""Amounts of any size, under any decimal context that a program has set for itself."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, Inexact, getcontext, localcontext
from typing import Any

import pytest

from tests.helpers.oms_rows import deal_row, filled_row, order_row

pytestmark = pytest.mark.oldest


@pytest.fixture
def narrow() -> Iterator[None]:
    """Six digits, and an exception for each that is lost."""
    with localcontext() as context:
        context.prec = 6
        context.traps[Inexact] = True
        yield


@pytest.mark.parametrize(
    "amount, expected",
    [
        (1e25, "1" + "0" * 25),
        ("1e29", "1" + "0" * 29),
        (10**28, "1" + "0" * 28),
        ("9" * 28 + ".99999", "9" * 28 + ".9999"),
    ],
    ids=str,
)
def test_no_amount_is_too_large_to_be_rounded(driver: Any, amount: Any, expected: str) -> None:
    """A bare decimal.InvalidOperation would kill a program that catches ccxt's classes."""
    market = driver.exchange.markets["BTC/USDT"]
    market["limits"] = {}
    market["precision"] = {"amount": 0.0001, "price": 0.01}
    driver.gateway.on_command(order=order_row())
    driver.call("create_order", "BTC/USDT", "limit", "buy", amount, amount)

    assert driver.gateway.payload["qty"] == expected


@pytest.mark.usefixtures("narrow")
def test_a_narrow_context_of_the_program_changes_nothing(driver: Any) -> None:
    driver.exchange.number = Decimal
    driver.exchange.markets["BTC/USDT"]["precision"] = {"amount": 0.00000001, "price": 0.01}
    driver.exchange.markets["BTC/USDT"]["limits"] = {}
    row = filled_row(qty="1234.12345678", filled_qty="1234.12345678", avg_fill_price="12345.67")
    deal = deal_row(qty="1234.12345678", price="12345.67")
    driver.gateway.on_command(order=row, deals=[deal])
    order = driver.call("create_order", "BTC/USDT", "limit", "buy", "1234.123456789", "12345.674")

    assert getcontext().prec == 6
    assert (driver.gateway.payload["qty"], driver.gateway.payload["price"]) == ("1234.12345678", "12345.67")
    assert str(order["cost"]) == "15236080.9366651426"
    assert order["trades"][0]["cost"] == order["cost"]
