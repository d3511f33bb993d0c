"""edit_order and cancel_order: the exact command, the guard by strategy, and the order afterwards."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import ALL_FEATURES, NO_FEATURES, Driver
from tests.helpers.oms_rows import deal_row, filled_row, order_row
from tests.helpers.row_tables import Tables

pytestmark = pytest.mark.oldest

EDIT = ("11", "BTC/USDT", "limit", "buy")


def known(driver: Driver) -> Driver:
    """Let the driver have seen order 11, as after create_order, so that an edit need not read it."""
    driver.gateway.on("GET /oms/orders/open", {"items": [order_row()]})
    driver.call("fetch_open_orders")
    driver.gateway.sent.clear()
    return driver


@pytest.mark.parametrize(
    "amount, price, expected",
    [
        (3, 101, {"new_qty": "3", "new_price": "101"}),
        ("3.00009", "101.004", {"new_qty": "3", "new_price": "101"}),
        (None, 101, {"new_price": "101"}),
        (3, None, {"new_qty": "3"}),
    ],
    ids=str,
)
def test_an_edit_is_one_request(driver: Driver, amount: Any, price: Any, expected: dict[str, str]) -> None:
    known(driver).gateway.on_command(order_id=11, order=order_row(price="101", qty="3"))
    order = driver.call("edit_order", *EDIT, amount, price)

    assert driver.gateway.routes == ["POST /oms/commands"]
    assert driver.gateway.command == {
        "account_id": 1,
        "command": "change_order",
        "payload": {"order_id": 11, **expected},
    }
    assert (order["id"], order["price"], order["amount"], order["status"]) == ("11", 101.0, 3.0, "open")


def test_an_edit_on_a_poor_server_sends_price_and_quantity_always(make_driver: Any) -> None:
    """Such a server loses what is left out."""
    driver = make_driver(features=NO_FEATURES).ready()
    Tables(driver.gateway, orders=[order_row()])
    driver.gateway.on_command(order_id=None)
    driver.call("edit_order", *EDIT, None, 101)

    assert driver.gateway.payload == {"order_id": 11, "new_price": "101", "new_qty": "2"}


@pytest.mark.parametrize(
    "args, expected",
    [
        ((None, None), ccxt.ArgumentsRequired),
        ((0, None), ccxt.InvalidOrder),
        ((-3, 101), ccxt.InvalidOrder),
        ((3, -1), ccxt.InvalidOrder),
        ((3, float("nan")), ccxt.InvalidOrder),
        (("x", None), ccxt.InvalidOrder),
        ((2000, None), ccxt.InvalidOrder),
    ],
    ids=str,
)
def test_a_bad_edit_is_refused_before_anything_is_sent(
    driver: Driver, args: tuple[Any, ...], expected: type[ccxt.BaseError]
) -> None:
    with pytest.raises(expected):
        driver.call("edit_order", *EDIT, *args)
    with pytest.raises(ccxt.BadSymbol):
        driver.call("edit_order", "11", "DOGE/USDT", "limit", "buy", 3, 101)
    assert driver.gateway.routes == []


def test_a_cancel_is_one_request(driver: Driver) -> None:
    driver.gateway.on_command(order_id=11, order=order_row(status="CANCELED"))
    order = driver.call("cancel_order", "11", "BTC/USDT")

    assert driver.gateway.routes == ["POST /oms/commands"]
    assert driver.gateway.command == {
        "account_id": 1,
        "command": "cancel_order",
        "payload": {"order_id": 11},
    }
    assert (order["id"], order["status"], order["amount"], order["remaining"]) == ("11", "canceled", 2.0, 2.0)


def test_a_cancelled_order_that_filled_in_part_comes_with_its_trades(driver: Driver) -> None:
    row = order_row(status="CANCELED", filled_qty="0.5", avg_fill_price="99.5")
    driver.gateway.on_command(order_id=11, order=row)
    Tables(driver.gateway, deals=[deal_row(qty="0.5", created_at=row["created_at"])])
    order = driver.call("cancel_order", "11")

    assert driver.gateway.routes == ["POST /oms/commands", "GET /oms/deals"]
    assert (order["filled"], order["cost"], len(order["trades"])) == (0.5, 49.75, 1)


def test_a_cancel_that_worked_does_not_fail_for_its_trades(driver: Driver) -> None:
    row = order_row(status="CANCELED", filled_qty="0.5", avg_fill_price="99.5")
    driver.gateway.on_command(order_id=11, order=row)
    driver.gateway.on("GET /oms/deals", (503, "busy"))
    order = driver.call("cancel_order", "11")

    assert (order["status"], order["filled"], order["trades"]) == ("canceled", 0.5, [])


@pytest.mark.parametrize("features", [("by_id",), NO_FEATURES], ids=["by_id", "none"])
def test_a_cancel_on_a_poor_server_reads_the_order_afterwards(make_driver: Any, features: Any) -> None:
    driver = make_driver(features=features).ready()
    Tables(driver.gateway, orders=[order_row(status="CANCELED")])
    driver.gateway.on_command(order_id=None)
    order = driver.call("cancel_order", "11")

    assert (order["id"], order["status"]) == ("11", "canceled")
    assert driver.gateway.routes[0] == "POST /oms/commands"


def test_the_server_guards_the_strategy_where_it_can(make_driver: Any) -> None:
    driver = make_driver(options={"strategy_id": 7}).ready()
    driver.gateway.on_command(order_id=11, order=order_row(strategy_id=7, status="CANCELED"))
    driver.call("cancel_order", "11")

    assert driver.gateway.routes == ["POST /oms/commands"]
    assert driver.gateway.payload == {"order_id": 11, "strategy_id": 7}


@pytest.mark.parametrize("features", [("by_id",), ("query_filters",), NO_FEATURES], ids=str)
@pytest.mark.parametrize("name, args", [("cancel_order", ("11",)), ("edit_order", (*EDIT, 3, 101))])
def test_the_driver_guards_the_strategy_where_the_server_cannot(
    make_driver: Any, features: Any, name: str, args: tuple[Any, ...]
) -> None:
    driver = make_driver(features=features, options={"strategy_id": 7}).ready()
    driver.exchange.milliseconds = lambda: 1_795_140_335_000
    Tables(driver.gateway, orders=[order_row(strategy_id=8)])
    with pytest.raises(ccxt.OrderNotFound):
        driver.call(name, *args)

    assert "POST /oms/commands" not in driver.gateway.routes


@pytest.mark.parametrize("name, args", [("cancel_order", ("",)), ("edit_order", ("", *EDIT[1:], 3, 101))])
def test_an_order_may_be_named_by_its_client_order_id(
    driver: Driver, name: str, args: tuple[Any, ...]
) -> None:
    driver.exchange.milliseconds = lambda: 1_795_140_335_000
    Tables(driver.gateway, orders=[order_row()])
    driver.gateway.on_command(order_id=11, order=order_row())
    driver.call(name, *args, params={"clientOrderId": "my-order"})

    assert driver.gateway.payload["order_id"] == 11


@pytest.mark.parametrize(
    "status, code, expected",
    [
        (404, "order_not_found", ccxt.OrderNotFound),
        (409, "invalid_order_state", ccxt.InvalidOrder),
        (403, "permission_denied", ccxt.PermissionDenied),
        (422, "validation_error", ccxt.BadRequest),
    ],
)
def test_a_refused_cancel(driver: Driver, status: int, code: str, expected: type[ccxt.BaseError]) -> None:
    driver.gateway.refuse(status, code)
    with pytest.raises(expected) as raised:
        driver.call("cancel_order", "11")

    assert type(raised.value) is expected


def test_an_edit_that_filled_at_once_comes_back_filled(driver: Driver) -> None:
    known(driver).gateway.on_command(order_id=11, order=filled_row())
    Tables(driver.gateway, deals=[deal_row()])
    order = driver.call("edit_order", *EDIT, 2, 101)

    assert (order["status"], order["average"], len(order["trades"])) == ("closed", 99.5, 1)


def test_type_and_side_of_an_order_stay(driver: Driver) -> None:
    known(driver)
    for args in (("market", "buy"), ("limit", "sell")):
        with pytest.raises(ccxt.InvalidOrder):
            driver.call("edit_order", "11", "BTC/USDT", *args, 3, 101)
    assert driver.gateway.routes == []


@pytest.mark.parametrize(
    "name", ["triggerPrice", "stopPrice", "stopLossPrice", "takeProfitPrice", "stopLoss"]
)
def test_an_edit_does_not_lose_a_stop_in_silence(driver: Driver, name: str) -> None:
    """The OMS changes price and amount only: a program would believe that its stop has moved."""
    value = {"triggerPrice": 90} if name == "stopLoss" else 90
    with pytest.raises(ccxt.NotSupported, match=name):
        known(driver).call("edit_order", *EDIT, 3, 101, {name: value})
    assert driver.gateway.routes == []

    driver.gateway.on_command(order_id=11, order=order_row())
    driver.call("edit_order", *EDIT, 3, 101, {name: None})
    assert driver.gateway.payload == {"order_id": 11, "new_qty": "3", "new_price": "101"}


PLAIN = {"time_in_force": "GTC", "post_only": False, "reduce_only": False}


@pytest.mark.parametrize(
    "row, params, says",
    [
        ({}, {"postOnly": True}, "post_only"),
        ({}, {"post_only": True}, "post_only"),
        ({}, {"timeInForce": "GTX"}, "post_only"),
        ({}, {"timeInForce": "IOC"}, "time_in_force"),
        ({}, {"reduceOnly": True}, "reduce_only"),
        ({"reduce_only": True}, {"reduceOnly": False}, "reduce_only"),
        ({"time_in_force": "PO"}, {"timeInForce": "IOC"}, "time_in_force"),
        ({}, {"timeInForce": "soon"}, "timeInForce: expected"),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown"])
def test_an_edit_does_not_lose_in_silence_how_an_order_trades(
    driver: Driver, is_known: bool, row: dict[str, Any], params: dict[str, Any], says: str
) -> None:
    """It would take, or open a position, where the program believes that it cannot."""
    driver.gateway.on("GET /oms/orders/open", {"items": [order_row(**PLAIN | row)]})
    driver.gateway.on("GET /oms/orders/11", {"items": [order_row(**PLAIN | row)]})
    if is_known:
        driver.call("fetch_open_orders")
        driver.gateway.sent.clear()
    with pytest.raises(ccxt.InvalidOrder, match=says) as info:
        driver.call("edit_order", *EDIT, 3, 101, params)

    assert vars(info.value)["outcome"] == "not_sent"
    assert driver.gateway.routes == ([] if is_known else ["GET /oms/orders/11"])


@pytest.mark.parametrize(
    "row, params",
    [
        ({"post_only": True}, {"postOnly": True}),
        ({"post_only": True}, {"timeInForce": "PO"}),
        ({"post_only": None, "time_in_force": "PO"}, {"postOnly": True, "timeInForce": "GTC"}),
        ({}, {"postOnly": False, "reduceOnly": False, "timeInForce": "gtc"}),
        ({"reduce_only": True}, {"reduceOnly": True}),
        ({"post_only": None, "reduce_only": None, "time_in_force": None}, {"postOnly": True}),
    ],
    ids=str,
)
def test_an_edit_may_say_how_an_order_trades_already(
    driver: Driver, row: dict[str, Any], params: dict[str, Any]
) -> None:
    driver.gateway.on("GET /oms/orders/open", {"items": [order_row(**PLAIN | row)]})
    driver.call("fetch_open_orders")
    driver.gateway.on_command(order_id=11, order=order_row())
    driver.call("edit_order", *EDIT, 3, 101, params)
    assert driver.gateway.payload == {"order_id": 11, "new_qty": "3", "new_price": "101"}


# -- the symbol that the caller names ---------------------------------------------------------------

OTHER = "ETH/USDT"


@pytest.mark.parametrize(
    "name, args",
    [
        ("cancel_order", ("11", OTHER)),
        ("cancel_orders", (["11"], OTHER)),
        ("cancel_orders_for_symbols", ([{"id": "11", "symbol": OTHER}],)),
        ("edit_order", ("11", OTHER, "limit", "buy", 1, 90)),
        ("edit_orders", ([{"id": "11", "symbol": OTHER, "type": "limit", "side": "buy", "amount": 1}],)),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_nothing_is_done_to_a_known_order_of_another_market(driver: Driver, name: str, args: Any) -> None:
    with pytest.raises(ccxt.OrderNotFound, match="11 is one of BTC/USDT, not of ETH/USDT") as info:
        known(driver).call(name, *args)
    assert driver.gateway.routes == []
    assert vars(info.value)["outcome"] == "not_sent"


@pytest.mark.parametrize("features", [ALL_FEATURES, NO_FEATURES], ids=["rich", "poor"])
def test_orders_for_symbols_by_client_order_ids_have_to_be_of_these(
    make_driver: Any, features: tuple[str, ...]
) -> None:
    driver = make_driver(features=features).ready()
    rows = [order_row(), order_row(id=12, client_order_id="mine", symbol=OTHER)]
    Tables(driver.gateway, orders=rows)
    driver.gateway.on("GET /oms/orders/12,11", {"items": rows[::-1]})
    driver.gateway.on_command()
    mine, other = {"clientOrderId": "mine", "symbol": OTHER}, {"id": "11", "symbol": "BTC/USDT"}

    with pytest.raises(ccxt.OrderNotFound, match="12 is one of ETH/USDT, not of BTC/USDT") as info:
        driver.call("cancel_orders_for_symbols", [other, {**mine, "symbol": "BTC/USDT"}])
    assert vars(info.value)["outcome"] == "not_sent"
    canceled = driver.call("cancel_orders_for_symbols", [mine, other])
    assert driver.gateway.payload["order_ids"] == [12, 11]
    assert [order["id"] for order in canceled] == ["12", "11"], "in the order given"


@pytest.mark.parametrize("features", [ALL_FEATURES, NO_FEATURES], ids=["rich", "poor"])
@pytest.mark.parametrize("name", ["edit_order", "cancel_order", "fetch_order"])
def test_the_market_of_an_order_that_is_read_has_to_be_the_named_one(
    make_driver: Any, features: tuple[str, ...], name: str
) -> None:
    """The row is read to look up the client order id, for the order itself, or for its strategy."""
    driver = make_driver(features=features).ready()
    Tables(driver.gateway, orders=[order_row(client_order_id="mine", strategy_id=4)])
    for order_id, params in (("", {"clientOrderId": "mine"}), ("11", {"strategy_id": 4}), ("11", {})):
        if name == "cancel_order" and order_id and (features or not params):
            continue  # it is not read
        rest = ("limit", "buy", 1, 90) if name == "edit_order" else ()
        with pytest.raises(ccxt.OrderNotFound, match="one of BTC/USDT, not of ETH/USDT"):
            driver.call(name, order_id, OTHER, *rest, params)
        assert "POST /oms/commands" not in driver.gateway.routes


def test_a_cancel_of_an_unknown_order_stays_one_request(driver: Driver) -> None:
    driver.gateway.on_command(order=order_row(status="CANCELED"))
    driver.call("cancel_order", "11", OTHER)
    assert driver.gateway.routes == ["POST /oms/commands"]


@pytest.mark.parametrize("symbol", [None, "", "BTC/USDT", "BTCUSDT"])
def test_an_order_is_found_by_each_name_of_its_market(driver: Driver, symbol: str | None) -> None:
    driver.gateway.on("GET /oms/orders/11", {"items": [order_row()]})
    assert known(driver).call("fetch_order", "11", symbol)["id"] == "11"
    assert driver.call("fetch_orders_by_ids", ["11"], symbol)[0]["id"] == "11"
    driver.gateway.on_command(order=order_row(status="CANCELED"))
    assert driver.call("cancel_order", "11", symbol)["status"] == "canceled"


def test_a_symbol_that_no_market_has_is_named(driver: Driver) -> None:
    with pytest.raises(ccxt.BadSymbol, match="AA/BB"):
        known(driver).call("cancel_order", "11", "AA/BB")
    assert driver.gateway.routes == []


def test_rows_of_several_orders_are_compared_too(driver: Driver) -> None:
    driver.gateway.on("GET /oms/orders/11,12", {"items": [order_row(), order_row(id=12, symbol=OTHER)]})
    with pytest.raises(ccxt.OrderNotFound, match="11 is one of BTC/USDT"):
        driver.call("fetch_orders_by_ids", ["11", "12"], OTHER)


@pytest.mark.parametrize("flag", ["trigger", "stop", "trailing"])
def test_a_poor_server_is_not_asked_to_cancel_all_where_waiting_orders_were_meant(
    make_driver: Any, flag: str
) -> None:
    driver = make_driver(features=NO_FEATURES).ready()
    Tables(driver.gateway, orders=[order_row()])
    with pytest.raises(ccxt.NotSupported, match="wait for a price"):
        driver.call("cancel_all_orders", "BTC/USDT", {flag: True})
    assert "POST /oms/commands" not in driver.gateway.routes
    assert len(driver.call("fetch_open_orders", "BTC/USDT", params={flag: True})) == 1
