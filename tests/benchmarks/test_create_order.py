"""`create_order` through the whole OMS: in process, and over HTTP against a bare keep-alive post."""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import aiohttp
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.exchange.order_requests import new_client_order_id
from ccxt_driver.oms import EmbeddedOms

from .measure import compare, microseconds, report
from .served_process import Served, served_process

SYMBOL = "BTC/USDT:USDT"


def _command(side: str) -> dict[str, object]:
    """The same command as the driver sends."""
    payload = {
        "symbol": SYMBOL,
        "side": side,
        "order_type": "market",
        "qty": "0.01",
        "client_order_id": new_client_order_id(),
    }
    return {"account_id": 1, "command": "send_order", "payload": payload}


def _rich_oms() -> EmbeddedOms:
    account = {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "1000000000"}}
    oms = EmbeddedOms(accounts=[account], seed=0, clock="manual")
    oms.set_price(SYMBOL, bid="60000", ask="60000.5", last="60000")
    return oms


@pytest.fixture
def served() -> Iterator[Served]:
    with served_process() as server:
        yield server


@pytest.mark.benchmark
def test_create_order_in_process() -> None:
    with _rich_oms() as oms:
        exchange = OmsCcxtExchange({"options": {"oms": oms, "account_id": 1}})
        exchange.load_markets()
        sides = iter(["buy", "sell"] * 100_000)

        def fill() -> None:
            exchange.create_order(SYMBOL, "market", next(sides), 0.01)

        def rest() -> None:
            exchange.create_order(SYMBOL, "limit", "buy", 0.01, 50_000)

        for name, create in (("a market order that fills", fill), ("a limit order that rests", rest)):
            print(f"\ncreate_order in process, {name}: {microseconds(create, 3000):.1f} µs (goal: under 60)")
        assert exchange.fetch_closed_orders(SYMBOL, limit=1)[0]["status"] == "closed"


@pytest.mark.benchmark
def test_create_order_over_http_against_a_bare_post(served: Served) -> None:
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
        body = json.dumps(_command(next(sides)))
        connection.request("POST", "/oms/commands", body, headers)
        json.loads(connection.getresponse().read())

    medians = compare({"ours": ours, "bare": bare}, rounds=1500)
    report("create_order over HTTP", medians["ours"], medians["bare"], "at most 2.0")
    connection.close()
    exchange.close()


@pytest.mark.benchmark
def test_async_create_order_over_http_against_bare_aiohttp(served: Served) -> None:
    ours, bare = asyncio.run(_async_medians(served))
    report("async create_order over HTTP", ours, bare, "at most 1.25")


async def _async_medians(served: Served, rounds: int = 1500) -> tuple[float, float]:
    config = {"apiKey": served.api_key, "options": {"base_url": served.base_url, "account_id": 1}}
    sides = iter(["buy", "buy", "sell", "sell"] * 100_000)
    url, headers = f"{served.base_url}/oms/commands", {"x-api-key": served.api_key}
    times: dict[str, list[int]] = {"ours": [], "bare": []}
    async with AsyncOmsCcxtExchange(config) as exchange, aiohttp.ClientSession() as session:
        await exchange.load_markets()

        async def ours() -> None:
            await exchange.create_order(SYMBOL, "market", next(sides), 0.01)

        async def bare() -> None:
            async with session.post(url, json=_command(next(sides)), headers=headers) as response:
                await response.json()

        for turn in range(rounds):
            for name, function in (("ours", ours), ("bare", bare)):
                start = time.perf_counter_ns()
                await function()
                if turn > rounds // 10:
                    times[name].append(time.perf_counter_ns() - start)
    return statistics.median(times["ours"]) / 1000, statistics.median(times["bare"]) / 1000
