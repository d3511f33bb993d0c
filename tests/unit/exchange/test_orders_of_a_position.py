"""An order that names a position goes to one of its own strategy, whether the server checks it or not."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import NO_FEATURES, Driver
from tests.helpers.oms_rows import order_row, position_row

ORDER = ("BTC/USDT", "limit", "buy", 2, 100)
OPEN = "GET /oms/positions/open"


@pytest.fixture
def older(make_driver: Any) -> Driver:
    driver: Driver = make_driver(features=NO_FEATURES, options={"strategy_id": 4}).ready()
    driver.gateway.on_command(order=order_row(strategy_id=4, position_id=31))
    driver.gateway.on(OPEN, {"items": [position_row(id=31, strategy_id=4)]})
    return driver


def test_its_own_position_is_looked_up_once_and_taken(older: Driver) -> None:
    older.call("create_order", *ORDER, {"position_id": 31})

    assert older.gateway.routes == [OPEN, "POST /oms/commands"]
    assert older.gateway.payload["position_id"] == 31


@pytest.mark.parametrize("owner", [0, 5])
def test_anothers_position_is_refused_unsent(older: Driver, owner: int) -> None:
    older.gateway.on(OPEN, {"items": [position_row(id=31, strategy_id=owner)]})

    with pytest.raises(ccxt.InvalidOrder, match="position_id: position 31") as info:
        older.call("create_order", *ORDER, {"position_id": 31})

    assert info.value.outcome == "not_sent"
    assert "POST /oms/commands" not in older.gateway.routes


def test_of_a_batch_with_anothers_position_none_is_sent(older: Driver) -> None:
    order = {"symbol": "BTC/USDT", "type": "limit", "side": "buy", "amount": 2, "price": 100}

    with pytest.raises(ccxt.InvalidOrder, match="position 77"):
        older.call("create_orders", [order, {**order, "params": {"position_id": 77}}])

    assert "POST /oms/commands" not in older.gateway.routes


@pytest.mark.parametrize("params", [{}, {"position_id": 0}, {"position_id": None}])
def test_without_a_position_nothing_is_read(older: Driver, params: dict[str, Any]) -> None:
    older.call("create_order", *ORDER, params)

    assert older.gateway.routes == ["POST /oms/commands"]


def test_a_server_that_checks_is_not_asked(driver: Driver) -> None:
    driver.gateway.on_command(order=order_row())
    driver.call("create_order", *ORDER, {"position_id": 31, "strategy_id": 4})

    assert driver.gateway.routes == ["POST /oms/commands"]
