"""Values of other libraries: their numbers are numbers, and what JSON cannot hold is refused everywhere."""

from __future__ import annotations

from fractions import Fraction
from numbers import Integral, Real
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


class Whole64(Number64):
    """As numpy's int64."""


class Scalar32(Number64):
    """As numpy's float32, which is 0.1 as a text and a little more as a float of Python's."""

    def tolist(self) -> float:
        return self.value + 1e-9


class Column:
    """As numpy's arrays and pandas' series: it does not say whether it is true."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def __iter__(self) -> Any:
        return iter(self.values)

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")

    def __len__(self) -> int:
        return len(self.values)

    def tolist(self) -> list[Any]:
        return list(self.values)


Real.register(Number64)
Integral.register(Whole64)


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


VENUES = pytest.mark.parametrize(
    "method, arguments, sent",
    [
        ("fetch_order_book", ["BTC/USDT", Whole64(2)], ["BTC/USDT", 2]),
        ("fetch_order_book", ["BTC/USDT", 2.0], ["BTC/USDT", 2]),
        ("set_leverage", [Whole64(3), "BTC/USDT"], [3, "BTC/USDT"]),
        ("add_margin", ["BTC/USDT", Scalar32(0.1)], ["BTC/USDT", 0.1]),
        ("fetch_funding_rate_history", ["BTC/USDT", Whole64(5), Number64(2.0)], ["BTC/USDT", 5, 2.0]),
        ("fetch_funding_rates", [Column("BTC/USDT")], [["BTC/USDT"]]),
    ],
    ids=["book", "book float", "leverage", "margin", "history", "symbols"],
)


@VENUES
def test_so_they_are_for_the_venue(
    make_driver: Any, method: str, arguments: list[Any], sent: list[Any]
) -> None:
    driver = make_driver()
    has = dict.fromkeys(("setLeverage", "addMargin", "fetchFundingRateHistory", "fetchFundingRates"), True)
    driver.gateway.on("POST /ccxt/1/describe", {"ok": True, "result": {"has": has}})
    driver.ready()
    side = [[1.0, 1.0], [0.9, 1.0], [0.8, 1.0]]
    book = {"bids": side, "asks": side[::-1], "symbol": "BTC/USDT"}
    driver.gateway.on(f"POST /ccxt/1/{method}", {"ok": True, "result": book})
    params = {"at": Whole64(7), "list": [Number64(0.5)]}

    answer = driver.call(method, *arguments, params)

    assert driver.gateway.sent[-1].body == {
        "args": sent,
        "kwargs": {"params": {"at": 7, "list": [0.5]}},
    }
    assert method != "fetch_order_book" or len(answer["bids"]) == 2


def test_and_for_the_venue_of_the_embedded_oms() -> None:
    exchange = OmsCcxtExchange({"options": {"base_url": "embedded:"}})
    assert len(exchange.fetch_order_book("BTC/USDT", Whole64(2))["bids"]) == 2
    assert list(exchange.fetch_funding_rates(Column("BTC/USDT:USDT"))) == ["BTC/USDT:USDT"]
    order = exchange.create_order("BTC/USDT", "limit", "buy", 1, 100, {"own": Whole64(5)})
    assert exchange.cancel_order(order["id"])["status"] == "canceled"


@pytest.mark.parametrize("limit", ["5", 0, -1, float("nan"), True, [5]], ids=repr)
def test_a_limit_that_is_none_is_named(driver: Any, limit: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match="limit: expected an integer from 1"):
        driver.call("fetch_order_book", "BTC/USDT", limit)
    assert driver.gateway.routes == []


def test_so_it_is_for_the_trades_of_an_order() -> None:
    exchange = OmsCcxtExchange({"options": {"base_url": "embedded:"}})
    order = exchange.create_order("BTC/USDT", "market", "buy", 0.01)
    assert len(exchange.fetch_order_trades(order["id"], None, Number64(0), 5.0)) == len(order["trades"])
    for since, limit in (("2026-01-01", None), (None, "5")):
        with pytest.raises(ccxt.BadRequest, match=r"(since|limit): expected an integer"):
            exchange.fetch_order_trades(order["id"], None, since, limit)


def test_ids_may_be_a_column_of_a_table() -> None:
    exchange = OmsCcxtExchange({"options": {"base_url": "embedded:"}})
    ids = [exchange.create_order("BTC/USDT", "limit", "buy", 1, 100)["id"] for _ in range(3)]
    assert [order["id"] for order in exchange.fetch_orders_by_ids(Column(*ids))] == ids
    cancelled = exchange.cancel_orders(Column(Whole64(int(ids[0])), ids[1]))
    assert [order["status"] for order in cancelled] == ["canceled", "canceled"]
    by_own = exchange.fetch_order(ids[2])["clientOrderId"]
    assert exchange.cancel_orders(None, None, {"clientOrderIds": Column(by_own)})[0]["status"] == "canceled"
    for none in (Column(), "", None, []):
        with pytest.raises(ccxt.ArgumentsRequired, match="ids"):
            exchange.cancel_orders(none)


def test_ids_of_the_oms_may_be_numbers_of_another_library(driver: Any) -> None:
    driver.gateway.on_command(order=order_row())
    driver.call("create_order", "BTC/USDT", "limit", "buy", 1, 100, {"strategy_id": Whole64(3)})
    assert driver.gateway.payload["strategy_id"] == 3
    assert type(driver.gateway.payload["strategy_id"]) is int
    for strategy_id in (Number64(3), Whole64(-1)):
        with pytest.raises(ccxt.BadRequest, match="strategy_id"):
            driver.call("fetch_open_orders", None, None, None, {"strategy_id": strategy_id})


@pytest.mark.parametrize(
    "timeout, sent", [(60_000.0, 60_000), (Whole64(5), 5), (0, 0)], ids=["float", "int64", "0"]
)
def test_the_time_of_a_dead_mans_switch(driver: Any, timeout: Any, sent: int) -> None:
    driver.gateway.on_command(result={"cancel_at_ms": None})
    driver.call("cancel_all_orders_after", timeout)
    assert driver.gateway.payload["timeout_ms"] == sent
    assert type(driver.gateway.payload["timeout_ms"]) is int


@pytest.mark.parametrize(
    "timeout",
    [0.5, -1.0, None, True, "5", float("inf"), pytest.param(Number64(0.5), id="Number64(0.5)")],
    ids=repr,
)
def test_one_that_is_none_neither_arms_nor_disarms_it(driver: Any, timeout: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match="timeout: expected milliseconds"):
        driver.call("cancel_all_orders_after", timeout)
    assert driver.gateway.routes == []


def test_positions_are_closed_in_part_and_their_stops_removed() -> None:
    exchange = OmsCcxtExchange({"options": {"base_url": "embedded:"}})
    last = exchange.fetch_ticker("BTC/USDT:USDT")["last"]
    exchange.create_order("BTC/USDT:USDT", "market", "buy", Number64(0.02))
    (position,) = exchange.fetch_positions(["BTC/USDT:USDT"])
    position_id = Whole64(int(position["id"]))
    exchange.set_position_stops(position_id, Number64(last / 2), None)
    assert exchange.fetch_positions(["BTC/USDT:USDT"])[0]["stopLossPrice"]
    exchange.set_position_stops(position_id, Whole64(0))
    assert exchange.fetch_positions(["BTC/USDT:USDT"])[0]["stopLossPrice"] is None

    closing = exchange.close_position("BTC/USDT:USDT", None, {"amount": Scalar32(0.01)})
    assert (closing["amount"], closing["filled"]) == (0.01, 0.01)
    exchange.close_position("BTC/USDT:USDT")


def test_the_time_of_an_order_that_expires(driver: Any) -> None:
    driver.gateway.on_command(order=order_row())
    until = {"timeInForce": "GTD", "expireAt": Whole64(1_900_000_000_000)}
    driver.call("create_order", "BTC/USDT", "limit", "buy", 1, 100, until)
    assert driver.gateway.payload["expire_at"] == "2030-03-17T17:46:40.000Z"


def test_orders_of_an_iterator_are_read_once(driver: Any) -> None:
    driver.gateway.on_command(order=order_row())
    order = {"symbol": "BTC/USDT", "type": "limit", "side": "buy", "amount": 1, "price": 100}
    assert len(driver.call("create_orders", iter([order]))) == 1


@pytest.mark.parametrize("where", ["myOwn", "clientOrderId", "comment"])
def test_half_a_character_is_refused_before_it_is_sent(driver: Any, where: str) -> None:
    """As `sys.argv` has it where the terminal's encoding is another one."""
    with pytest.raises(ccxt.BaseError, match="JSON") as caught:
        driver.call("create_order", "BTC/USDT", "limit", "buy", 1, 100, {where: "\udcff"})
    assert vars(caught.value)["outcome"] == "not_sent"
    assert driver.gateway.routes == []


@pytest.mark.parametrize("symbol", [["BTC/USDT"], {"no": "symbol"}, 7, None], ids=repr)
def test_a_row_whose_symbol_is_none_is_named(symbol: Any) -> None:
    for parse, row in ((EXCHANGE.parse_order, order_row), (EXCHANGE.parse_trade, deal_row)):
        with pytest.raises(ccxt.BadResponse, match="symbol: expected a text"):
            parse(row(symbol=symbol))
