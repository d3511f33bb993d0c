"""A server without a list of the OMS: the venue's list, with OMS ids, and never another strategy's rows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers.gateway_stub import NO_FEATURES, Driver
from tests.helpers.oms_rows import order_row
from tests.helpers.row_tables import Tables

pytestmark = pytest.mark.oldest

VENUE = {"symbol": "BTC/USDT", "status": "open", "timestamp": 1_795_140_332_123, "amount": 2.0}
ROUTE = "POST /ccxt/1/fetch_open_orders"


def without_open_list(make_driver: Any, rows: list[dict[str, Any]], *venue_ids: str, **config: Any) -> Driver:
    driver: Driver = make_driver(features=NO_FEATURES, **config).ready()
    Tables(driver.gateway, orders=rows)
    driver.gateway.on("GET /oms/orders/open", (404, {"detail": "Not Found"}))
    driver.gateway.on(ROUTE, {"ok": True, "result": [{**VENUE, "id": each} for each in venue_ids]})
    return driver


def test_an_order_that_is_open_for_long_keeps_its_oms_id(make_driver: Any) -> None:
    """Older than the newest page of the history."""
    rows = [order_row(id=number, exchange_order_id=f"v{number}") for number in range(1, 1202)]
    driver = without_open_list(make_driver, rows, "v1", "v1201", "unknown")
    orders = driver.call("fetch_open_orders")

    assert [order["id"] for order in orders] == ["1", "1201", None]
    driver.gateway.sent.clear()
    driver.call("fetch_open_orders")
    assert "GET /oms/orders/open" not in driver.gateway.routes  # asked once


def test_a_strategy_sees_only_what_the_oms_says_is_its_own(make_driver: Any) -> None:
    rows = [order_row(id=number, exchange_order_id=f"v{number}", strategy_id=number) for number in (4, 5)]
    driver = without_open_list(make_driver, rows, "v4", "v5", "unknown", options={"strategy_id": 4})

    assert [order["id"] for order in driver.call("fetch_open_orders")] == ["4"]
