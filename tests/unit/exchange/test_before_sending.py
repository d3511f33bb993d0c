"""What fails before a command is sent says so, and has every attribute that a handler may read."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import Driver

pytestmark = pytest.mark.oldest

COMMANDS = [
    ("create_order", ("BTC/USDT", "market", "buy", 1)),
    ("create_orders", ([{"symbol": "BTC/USDT", "type": "market", "side": "buy", "amount": 1}],)),
    ("edit_order", ("11", "BTC/USDT", "limit", "buy", 1, 100)),
    ("cancel_order", ("11",)),
    ("cancel_orders", (["11"],)),
    ("cancel_all_orders", ()),
    ("close_position", ("BTC/USDT",)),
    ("close_all_positions", ()),
    ("close_by", (1, 2)),
    ("merge_positions", (1, 2)),
    ("set_position_stops", (1, 90)),
]


@pytest.mark.parametrize("name, arguments", COMMANDS)
def test_markets_that_cannot_be_loaded(make_driver: Any, name: str, arguments: Any) -> None:
    driver: Driver = make_driver()
    driver.gateway.on("POST /ccxt/1/fetch_markets", (503, "down"))

    with pytest.raises(ccxt.ExchangeNotAvailable) as caught:
        driver.call(name, *arguments)
    assert (caught.value.outcome, caught.value.client_order_id) == ("not_sent", None)


@pytest.mark.parametrize(
    "arguments",
    [("NO/SUCH", "market", "buy", 1), ("BTC/USDT", "limit", "buy", 1), ("BTC/USDT", "market", "x", 1)],
)
def test_bad_input(driver: Driver, arguments: Any) -> None:
    with pytest.raises(ccxt.BaseError) as caught:
        driver.call("create_order", *arguments)
    assert caught.value.outcome == "not_sent"
    assert caught.value.details is None
    assert driver.gateway.sent == []
