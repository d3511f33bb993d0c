"""Values of other libraries: their numbers are numbers, and what JSON cannot hold is refused everywhere."""

from __future__ import annotations

from fractions import Fraction
from numbers import Real
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from tests.helpers.oms_rows import deal_row, order_row

pytestmark = pytest.mark.oldest

EXCHANGE = OmsCcxtExchange()


class Number64:
    """As numpy's: registered as a number, and none of Python's."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __str__(self) -> str:
        return str(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __le__(self, other: Any) -> bool:
        return self.value <= other

    def __lt__(self, other: Any) -> bool:
        return self.value < other

    def __ge__(self, other: Any) -> bool:
        return self.value >= other

    def __gt__(self, other: Any) -> bool:
        return self.value > other


Real.register(Number64)


def test_numbers_of_other_libraries_are_numbers(driver: Any) -> None:
    driver.gateway.on_command(order=order_row())
    driver.call("create_order", "BTC/USDT", "limit", "buy", Number64(2), Number64(100.5))
    assert (driver.gateway.payload["qty"], driver.gateway.payload["price"]) == ("2", "100.5")

    driver.gateway.sent.clear()
    driver.gateway.on("GET /oms/orders/history", {"items": [], "total": 0})
    driver.call("fetch_orders", None, Number64(1_700_000_000_000), Number64(5))
    assert driver.gateway.sent[0].query["since_ms"] == "1700000000000"


@pytest.mark.parametrize(
    "amount",
    [Fraction(1, 3), Number64(-2), Number64(float("nan")), 2j, [2], object()],
    ids=["fraction", "negative", "nan", "complex", "list", "object"],
)
def test_what_is_no_amount_is_refused(driver: Any, amount: Any) -> None:
    with pytest.raises(ccxt.InvalidOrder, match="amount"):
        driver.call("create_order", "BTC/USDT", "limit", "buy", amount, 100)
    assert driver.gateway.routes == []


@pytest.mark.parametrize(
    "value", [{1, 2}, object(), float("nan"), b"bytes"], ids=lambda value: type(value).__name__
)
def test_what_json_cannot_hold_is_refused_in_process_too(value: Any) -> None:
    """A strategy that works on the embedded OMS works on a gateway."""
    exchange = OmsCcxtExchange({"options": {"base_url": "embedded:"}})
    with pytest.raises(ccxt.BadRequest, match="JSON"):
        exchange.create_order("BTC/USDT", "limit", "buy", 1, 100, {"myOwn": value})
    assert exchange.create_order("BTC/USDT", "limit", "buy", 1, 100, {"myOwn": (1, 2)})["id"]


@pytest.mark.parametrize("symbol", [["BTC/USDT"], {"no": "symbol"}, 7, None], ids=repr)
def test_a_row_whose_symbol_is_none_is_named(symbol: Any) -> None:
    for parse, row in ((EXCHANGE.parse_order, order_row), (EXCHANGE.parse_trade, deal_row)):
        with pytest.raises(ccxt.BadResponse, match="symbol: expected a text"):
            parse(row(symbol=symbol))
