"""What was carried out never looks as if it had failed, though it cannot be read afterwards."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import NO_FEATURES, Driver
from tests.helpers.oms_rows import order_row, position_row
from tests.helpers.row_tables import Tables

pytestmark = pytest.mark.oldest

DOWN = (503, "busy")
LISTS = ("GET /oms/orders/open", "GET /oms/orders/history", "GET /oms/orders/11", "GET /oms/orders/11,12")


def down_after_the_command(driver: Driver, **result: Any) -> Driver:
    """Let the command succeed, and everything that reads orders fail from then on."""
    done = {"index": 0, "ok": True, "command_id": 5, "order_id": None, "error": None, **result}

    def answer(sent: Any) -> Any:
        for route in LISTS:
            driver.gateway.on(route, DOWN)
        return {"results": [done]}

    driver.gateway.on("POST /oms/commands", answer)
    return driver


def on_a_poor_server(make_driver: Any) -> Driver:
    driver: Driver = make_driver(features=NO_FEATURES).ready()
    Tables(driver.gateway, orders=[order_row(), order_row(id=12)])
    return driver


def test_a_cancelled_order(make_driver: Any) -> None:
    driver = down_after_the_command(on_a_poor_server(make_driver))
    order = driver.call("cancel_order", "11")

    assert (order["id"], order["status"]) == ("11", "canceled")


def test_a_changed_order(make_driver: Any) -> None:
    driver = down_after_the_command(on_a_poor_server(make_driver))
    order = driver.call("edit_order", "11", "BTC/USDT", "limit", "buy", 3, 101)

    assert (order["id"], order["status"], order["info"]["ok"]) == ("11", None, True)
    assert (order["amount"], order["price"]) == (3, 101)


def test_an_order_whose_row_is_none(driver: Driver) -> None:
    driver.gateway.on_command(order={"id": 11})
    assert driver.call("cancel_order", "11")["status"] == "canceled"


@pytest.mark.parametrize("method, args", [("cancel_orders", (["11", "12"],)), ("cancel_all_orders", ())])
def test_several_cancelled_orders(make_driver: Any, method: str, args: tuple[Any, ...]) -> None:
    driver = down_after_the_command(on_a_poor_server(make_driver))
    orders = driver.call(method, *args)

    assert [order["id"] for order in orders] == ["11", "12"]
    assert {order["status"] for order in orders} == {None}  # one may have filled just before


@pytest.mark.parametrize("row", [None, {"id": 11}, {**order_row(), "qty": "many"}], ids=str)
def test_a_closed_position(driver: Driver, row: Any) -> None:
    driver.gateway.on("GET /oms/positions/open", {"items": [position_row()]})
    driver.gateway.on("GET /oms/orders/history", DOWN)
    driver.gateway.on_command(order=row)
    order = driver.call("close_position", position_row()["symbol"], None, {"clientOrderId": "mine"})

    assert (order["id"], order["clientOrderId"]) == ("11", "mine")


def test_one_of_several_placed_orders(driver: Driver) -> None:
    """Its outcome is unknown; that the other one is placed is not."""
    done = {"ok": True, "command_id": 5, "error": None}
    results = [
        {**done, "index": 0, "order_id": None},
        {**done, "index": 1, "order_id": 11, "order": order_row()},
    ]
    driver.gateway.on("POST /oms/commands", {"results": results})
    order = {"symbol": "BTC/USDT", "type": "limit", "side": "buy", "amount": 2, "price": 100}
    lost, placed = driver.call("create_orders", [order, order])

    assert (type(lost), lost.outcome) == (ccxt.RequestTimeout, "unknown")
    assert placed["id"] == "11"
