"""`create_order` through the whole OMS: in process, and over HTTP against a bare keep-alive post."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms
from tests.helpers.served import ServedOms, serve

from .measure import compare, microseconds, report

SYMBOL = "BTC/USDT:USDT"


def _rich_oms() -> EmbeddedOms:
    account = {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "1000000000"}}
    oms = EmbeddedOms(accounts=[account], seed=0, clock="manual")
    oms.set_price(SYMBOL, bid="60000", ask="60000.5", last="60000")
    return oms


@pytest.fixture
def served() -> Iterator[ServedOms]:
    with serve(_rich_oms()) as server:
        yield server


@pytest.mark.benchmark
def test_create_order_in_process() -> None:
    with _rich_oms() as oms:
        exchange = OmsCcxtExchange({"options": {"oms": oms, "account_id": 1}})
        exchange.load_markets()
        sides = iter(["buy", "sell"] * 100_000)

        def create() -> None:
            exchange.create_order(SYMBOL, "market", next(sides), 0.01)

        ours = microseconds(create, rounds=5000)
        print(f"\ncreate_order in process: {ours:.1f} µs (goal: under 60)")
        assert exchange.fetch_closed_orders(SYMBOL, limit=1)[0]["status"] == "closed"


@pytest.mark.benchmark
def test_create_order_over_http_against_a_bare_post(served: ServedOms) -> None:
    exchange = OmsCcxtExchange(
        {"apiKey": served.api_key, "options": {"base_url": served.base_url, "account_id": 1}}
    )
    exchange.load_markets()
    address = urlsplit(served.base_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    headers = {"x-api-key": served.api_key, "Content-Type": "application/json"}
    sides = iter(["buy", "buy", "sell", "sell"] * 100_000)

    def ours() -> None:
        exchange.create_order(SYMBOL, "market", next(sides), 0.01)

    def bare() -> None:
        payload = {"symbol": SYMBOL, "side": next(sides), "order_type": "market", "qty": "0.01"}
        body = json.dumps({"account_id": 1, "command": "send_order", "payload": payload})
        connection.request("POST", "/oms/commands", body, headers)
        json.loads(connection.getresponse().read())

    medians = compare({"ours": ours, "bare": bare}, rounds=1500)
    report("create_order over HTTP", medians["ours"], medians["bare"], "at most 2.0")
    connection.close()
    exchange.close()
    assert threading.active_count() < 10
