"""A server that lacks a read of the OMS: the venue's own list, with ids brought back to OMS ids."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import NO_FEATURES, Driver
from tests.helpers.oms_rows import CREATED_MS, order_row

pytestmark = pytest.mark.oldest

SYMBOL = "BTC/USDT"
NOT_THERE = (404, {"detail": "Not Found"})


def venue_order(**fields: Any) -> dict[str, Any]:
    order = {"id": "V-11", "symbol": SYMBOL, "status": "open", "side": "buy", "amount": 0.5, "filled": 0.0}
    return {**order, "timestamp": CREATED_MS, **fields}


@pytest.fixture
def poor(make_driver: Any) -> Driver:
    """A driver on a server that has the history of orders and no other list."""
    driver: Driver = make_driver(features=NO_FEATURES).ready()
    rows = [order_row(id=11, exchange_order_id="V-11", strategy_id=7)]
    driver.gateway.on("GET /oms/orders/history", {"items": rows, "total": 1, "page": 1, "page_size": 500})
    for path in ("orders/open", "deals", "positions/open"):
        driver.gateway.on(f"GET /oms/{path}", NOT_THERE)
    return driver


def on_venue(driver: Driver, function: str, result: Any) -> None:
    driver.gateway.on(f"POST /ccxt/1/{function}", {"ok": True, "result": result})


def test_open_orders_have_oms_ids_and_none_where_the_oms_knows_none(poor: Driver) -> None:
    on_venue(poor, "fetch_open_orders", [venue_order(), venue_order(id="V-99")])

    known, foreign = poor.call("fetch_open_orders", SYMBOL)
    assert (known["id"], known["info"]["id"]) == ("11", "V-11")
    assert (foreign["id"], foreign["info"]["id"]) == (None, "V-99")


def test_a_strategy_gets_only_what_the_oms_says_is_its_own(poor: Driver) -> None:
    on_venue(poor, "fetch_open_orders", [venue_order(), venue_order(id="V-99")])

    mine = poor.call("fetch_open_orders", SYMBOL, params={"strategy_id": 7})
    assert [order["id"] for order in mine] == ["11"]
    assert poor.call("fetch_open_orders", SYMBOL, params={"strategy_id": 8}) == []


def test_trades_name_the_oms_order(poor: Driver) -> None:
    trade = {"id": "T-1", "order": "V-11", "symbol": SYMBOL, "amount": 0.5, "price": 100.0}
    on_venue(poor, "fetch_my_trades", [{**trade, "timestamp": CREATED_MS}])

    (found,) = poor.call("fetch_my_trades", SYMBOL)
    assert (found["id"], found["order"], found["info"]["id"]) == (None, "11", "T-1")


def test_positions_have_no_id_that_is_not_the_oms_s(poor: Driver) -> None:
    position = {"id": "venue's", "symbol": "BTC/USDT:USDT", "side": "long", "contracts": 2.0}
    on_venue(poor, "fetch_positions", [position])

    (found,) = poor.call("fetch_positions")
    assert (found["id"], found["contracts"], found["info"]["id"]) == (None, 2.0, "venue's")


def test_a_missing_route_is_asked_once(poor: Driver) -> None:
    on_venue(poor, "fetch_open_orders", [])
    poor.call("fetch_open_orders", SYMBOL)
    poor.call("fetch_open_orders", SYMBOL)

    assert poor.gateway.routes.count("GET /oms/orders/open") == 1


@pytest.mark.parametrize("status", [404, 405])
def test_a_proxy_that_finds_no_server_for_a_moment_is_forgotten(make_driver: Any, status: int) -> None:
    """It answers so while the server is started anew; whoever took it for the server's word lost all ids."""
    driver: Driver = make_driver(features=NO_FEATURES, options={"retries": 0, "truth": "oms"}).ready()
    page = {"items": [order_row(id=11)], "total": 1, "page": 1, "page_size": 500}
    reads = {"orders/open": "fetch_open_orders", "orders/history": "fetch_orders"}
    for path, method in reads.items():
        driver.gateway.on(f"GET /oms/{path}", (status, "404 page not found"))
        with pytest.raises(ccxt.ExchangeNotAvailable, match="page not found"):
            driver.call(method)
        driver.gateway.on(f"GET /oms/{path}", page)

        assert [order["id"] for order in driver.call(method)] == ["11"]


def test_a_server_is_not_taken_for_a_poor_one_while_a_proxy_finds_none(make_driver: Any) -> None:
    driver: Driver = make_driver(options={"retries": 0})
    features = driver.gateway.answers["GET /healthz"]
    for path in ("healthz", "oms/accounts"):
        driver.gateway.on(f"GET /{path}", (404, "404 page not found"))
    with pytest.raises(ccxt.ExchangeNotAvailable):
        driver.call("load_markets")
    driver.gateway.on("GET /healthz", features)
    driver.call("load_markets")

    assert driver.exchange.has["cancelAllOrdersAfter"] is True


def test_a_proxy_may_let_nobody_read_what_the_server_offers(make_driver: Any) -> None:
    driver: Driver = make_driver(options={"retries": 0})
    driver.gateway.on("GET /healthz", (404, "404 page not found"))
    driver.gateway.on("GET /oms/accounts", {"items": []})
    driver.call("load_markets")
    driver.call("load_markets")

    assert driver.exchange.has["cancelAllOrdersAfter"] is not True
    assert driver.gateway.routes.count("GET /healthz") == 2


def test_a_command_never_goes_past_the_oms(poor: Driver) -> None:
    poor.gateway.on("POST /oms/commands", NOT_THERE)

    with pytest.raises(ccxt.NotSupported):
        poor.call("create_order", SYMBOL, "market", "buy", 1)
    assert not any("/ccxt/" in route for route in poor.gateway.routes)
