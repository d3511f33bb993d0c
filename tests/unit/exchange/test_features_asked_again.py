"""A server may be replaced by one that offers less: what an order's safety stands on is asked again."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import ALL_FEATURES, Driver
from tests.helpers.oms_rows import order_row, position_row

pytestmark = pytest.mark.oldest

MINUTE = 60_000
HEALTH = "GET /healthz"
STOP = {"stopLoss": {"triggerPrice": 90}}
NAMES = ("symbol", "type", "side", "amount", "price")
ORDER = ("BTC/USDT", "limit", "buy", 2, 100)


@pytest.fixture
def clocked(driver: Driver) -> Driver:
    """Let the driver's clock stand; `later` moves it."""
    now = driver.exchange.milliseconds()
    driver.exchange.milliseconds = lambda: now
    driver.gateway.on_command(order=order_row(), deals=[], positions=[position_row(id=3)])
    return driver


def later(driver: Driver, minutes: float) -> None:
    now = driver.exchange.milliseconds() + round(minutes * MINUTE)
    driver.exchange.milliseconds = lambda: now
    driver.gateway.sent.clear()


def no_longer_enforces(driver: Driver) -> None:
    features = [feature for feature in ALL_FEATURES if feature != "stops_enforced"]
    driver.gateway.on(HEALTH, {"status": "ok", "features": features})


def test_a_server_that_stopped_enforcing_is_found_out(clocked: Driver) -> None:
    clocked.call("create_order", *ORDER, STOP)
    assert clocked.exchange.has["createOrderWithTakeProfitAndStopLoss"] is True
    no_longer_enforces(clocked)
    later(clocked, 6)
    for method, arguments in (
        ("create_order", (*ORDER, STOP)),
        ("create_orders", ([dict(zip(NAMES, ORDER, strict=True))], STOP)),
        ("set_position_stops", ("3", 90)),
    ):
        with pytest.raises(ccxt.NotSupported, match="nobody enforces"):
            clocked.call(method, *arguments)
    assert clocked.gateway.routes == [HEALTH]
    assert clocked.exchange.has["createOrderWithTakeProfitAndStopLoss"] is False


def test_it_is_asked_once_in_some_minutes(clocked: Driver) -> None:
    later(clocked, 4)
    clocked.call("create_order", *ORDER, STOP)
    assert clocked.gateway.routes == ["POST /oms/commands"]
    later(clocked, 2)
    for _ in range(3):
        clocked.call("create_order", *ORDER, STOP)
    assert clocked.gateway.routes == [HEALTH, *["POST /oms/commands"] * 3]


def test_no_other_order_and_no_cancel_waits_for_it(clocked: Driver) -> None:
    later(clocked, 60)
    clocked.call("create_order", *ORDER, {"postOnly": True, "strategy_id": 4})
    clocked.call("edit_order", "11", "BTC/USDT", "limit", "buy", 1, 99)
    clocked.call("cancel_order", "11", None, {"strategy_id": 4})
    assert clocked.gateway.routes == ["POST /oms/commands"] * 3


def test_nothing_is_placed_while_it_cannot_be_asked(clocked: Driver) -> None:
    later(clocked, 6)
    clocked.gateway.on(HEALTH, (503, {"detail": "starting"}))
    with pytest.raises(ccxt.NetworkError) as info:
        clocked.call("create_order", *ORDER, STOP)
    assert vars(info.value)["outcome"] == "not_sent"
    assert set(clocked.gateway.routes) == {HEALTH}


def test_a_clock_that_is_set_back_asks_again(clocked: Driver) -> None:
    later(clocked, -60)
    clocked.call("create_order", *ORDER, STOP)
    assert clocked.gateway.routes == [HEALTH, "POST /oms/commands"]


def test_who_takes_over_what_another_object_knows_takes_over_its_age(make_driver: Any) -> None:
    first = make_driver(options={"share_markets": True}).ready()
    asked_ms = first.exchange._features_asked_ms
    second = make_driver(options={"share_markets": True})
    second.exchange._market_source = first.exchange._market_source  # each is of a class of its own here
    second.call("load_markets")
    assert second.gateway.routes == []
    assert second.exchange._features_asked_ms == asked_ms > 0
