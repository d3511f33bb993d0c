"""A configured strategy is never lifted by accident, and its orders are found beside others' of one name."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import ALL_FEATURES, NO_FEATURES
from tests.helpers.oms_rows import order_row
from tests.helpers.row_tables import Tables

pytestmark = pytest.mark.oldest

NONE = {"strategy_id": None, "account_id": None}


@pytest.mark.parametrize("features", [ALL_FEATURES, NO_FEATURES], ids=["rich", "poor"])
def test_none_in_params_means_the_configured_one(make_driver: Any, features: tuple[str, ...]) -> None:
    """Programs pass None for what they do not use: it must not cancel every strategy's orders."""
    driver = make_driver(features=features, options={"strategy_id": 4}).ready()
    Tables(driver.gateway, orders=[order_row(strategy_id=4), order_row(id=12, strategy_id=5)])
    assert [order["id"] for order in driver.call("fetch_open_orders", None, None, None, NONE)] == ["11"]

    driver.gateway.on_command(orders=[])
    driver.call("cancel_all_orders", None, NONE)
    expected = {"strategy_ids": [4]} if features else {"order_ids": [11]}
    assert driver.gateway.payload == expected


@pytest.mark.parametrize("features", [ALL_FEATURES, NO_FEATURES], ids=["rich", "poor"])
def test_a_client_order_id_means_the_strategys_own_order(make_driver: Any, features: tuple[str, ...]) -> None:
    """Without a promise that it is unique, another strategy may have used it since."""
    driver = make_driver(features=features, options={"strategy_id": 4}).ready()
    mine = order_row(strategy_id=4, client_order_id="1")
    theirs = order_row(id=12, strategy_id=5, client_order_id="1", created_at="2026-11-21T02:05:32.123Z")
    Tables(driver.gateway, orders=[mine, theirs])

    assert driver.call("fetch_order", "", None, {"clientOrderId": "1"})["id"] == "11"
    assert driver.call("fetch_order", "", None, {"clientOrderId": None, "client_order_id": "1"})["id"] == "11"


def test_cancel_orders_for_symbols_wants_an_id_of_each(driver: Any) -> None:
    with pytest.raises(ccxt.ArgumentsRequired, match="clientOrderId"):
        driver.call("cancel_orders_for_symbols", [{"symbol": "BTC/USDT"}])
    assert driver.gateway.routes == []


def test_reassign_does_not_take_another_strategys_order(make_driver: Any) -> None:
    driver = make_driver(options={"strategy_id": 4}).ready()
    rows = [order_row(id=number, strategy_id=number) for number in (4, 5)] + [order_row(id=6)]
    Tables(driver.gateway, orders=rows)
    driver.gateway.on("GET /oms/orders/4,6", {"items": [rows[0], rows[2]]})
    driver.gateway.on("POST /oms/reassign", {"ok": True})
    with pytest.raises(ccxt.OrderNotFound, match="another strategy than 4"):
        driver.call("reassign", "5", 4)
    assert "POST /oms/reassign" not in driver.gateway.routes

    assert driver.call("reassign", ["4", "6"], 4) == {"ok": True}
