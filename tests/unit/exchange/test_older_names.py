"""`options.contract = "position"`: the names that older servers know, both ways."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import NO_FEATURES, Driver
from tests.helpers.oms_rows import order_row

pytestmark = pytest.mark.oldest

SYMBOL = "BTC/USDT"


def older_row(**columns: Any) -> dict[str, Any]:
    row = order_row(**columns)
    row["magic_id"] = row.pop("strategy_id")
    return row


@pytest.fixture
def older(make_driver: Any) -> Driver:
    options = {"contract": "position", "strategy_id": 7}
    driver: Driver = make_driver(features=NO_FEATURES, options=options)
    driver.gateway.on("GET /position/accounts", {"items": []})
    return driver.ready()


def test_a_command(older: Driver) -> None:
    result = {"index": 0, "ok": True, "command_id": 1, "order_id": 11, "order": older_row(strategy_id=7)}
    older.gateway.on("POST /position/commands", {"results": [result]})

    order = older.call(
        "create_order", SYMBOL, "market", "buy", 1, None, {"strategy_id": 7, "venue": {"a": 1}}
    )
    (sent,) = older.gateway.sent
    assert (sent.path, sent.body["payload"]["magic_id"]) == ("/position/commands", 7)
    assert "strategy_id" not in sent.body["payload"]
    assert order["info"]["strategy_id"] == 7


def test_what_goes_through_to_the_venue_keeps_its_names(older: Driver) -> None:
    result = {"index": 0, "ok": True, "command_id": 1, "order_id": 11, "order": older_row()}
    older.gateway.on("POST /position/commands", {"results": [result]})

    older.call("create_order", SYMBOL, "market", "buy", 1, None, {"extra": {"strategy_id": "theirs"}})
    (sent,) = older.gateway.sent
    assert sent.body["payload"]["params"] == {"extra": {"strategy_id": "theirs"}}


def test_a_list(older: Driver) -> None:
    rows = [older_row(id=11, strategy_id=7), older_row(id=12, strategy_id=8)]
    older.gateway.on("GET /position/orders/open", {"items": rows})

    orders = older.call("fetch_open_orders", SYMBOL)
    (sent,) = older.gateway.sent
    assert (sent.path, sent.query["magic_id"]) == ("/position/orders/open", "7")
    assert [order["id"] for order in orders] == ["11"]


def test_a_batch_of_calls_to_the_venue(older: Driver) -> None:
    older.gateway.on("POST /ccxt/multiple_commands", {"results": [{"index": 0, "ok": True, "result": 5}]})

    assert older.call("ccxt_commands", [{"func": "fetch_time"}]) == [5]


def test_another_contract_is_refused(make_driver: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match="contract: expected oms or position"):
        make_driver(options={"contract": "magic"}).call("load_markets")
