"""Streams: from a commit to the watcher, orders over the socket, many events, many cached orders."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.json_text import loads
from ccxt_driver.pro import OmsCcxtExchange

from .measure import report
from .stream_process import Served, stream_process

ROUNDS = 2000
BURST = 20_000
LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def _run(loop: str, main: Awaitable[Any]) -> Any:
    if loop == "uvloop":
        uvloop = pytest.importorskip("uvloop")
        return uvloop.run(main)
    return asyncio.run(main)  # type: ignore[arg-type]


def _exchange(served: Served) -> OmsCcxtExchange:
    return OmsCcxtExchange(
        {"apiKey": served.api_key, "options": {"base_url": served.base_url, "account_id": 1}}
    )


def _median(times: list[int]) -> float:
    return statistics.median(times[len(times) // 10 :]) / 1000


async def _until_quiet(exchange: OmsCcxtExchange) -> None:
    while True:
        try:
            await asyncio.wait_for(exchange.watch_orders(), 0.3)
        except TimeoutError:
            return


@pytest.mark.benchmark
@LOOPS
def test_from_a_commit_to_the_watcher(tmp_path: Path, loop: str) -> None:
    with stream_process(tmp_path, loop) as served:
        ours, bare = _run(loop, _latencies(served))
    report(f"commit to watch_orders, {loop}", ours, bare, "at most 1.8")


async def _latencies(served: Served) -> tuple[float, float]:
    ours: list[int] = []
    bare: list[int] = []
    async with aiohttp.ClientSession() as session, _exchange(served) as exchange:
        await exchange.load_markets()
        socket = await session.ws_connect(f"{served.bare_url}/echo", compress=0)
        control = await session.ws_connect(f"{served.bare_url}/control", compress=0)

        async def watched() -> int:
            await exchange.watch_orders()
            return time.perf_counter_ns()

        async def received() -> int:
            loads((await socket.receive()).data)
            return time.perf_counter_ns()

        async def timed(word: str, wait: Callable[[], Awaitable[int]]) -> int:
            waiting = asyncio.ensure_future(wait())
            for _ in range(2):
                await asyncio.sleep(0)
            await control.send_str(word)
            return await waiting - served.stamp.read()

        first = asyncio.ensure_future(exchange.watch_orders())
        await asyncio.sleep(0.3)
        await control.send_str("commit")
        frame = {"id": None, "event": "order_updated", "seq": 1, "payload": (await first)[0]["info"]}
        await control.send_str(f"text {json.dumps(frame)}")
        for _ in range(ROUNDS):
            ours.append(await timed("commit", watched))
            bare.append(await timed("send", received))
    return _median(ours), _median(bare)


@pytest.mark.benchmark
@LOOPS
def test_create_order_ws_against_a_bare_echo(tmp_path: Path, loop: str) -> None:
    with stream_process(tmp_path, loop) as served:
        ours, echo, raw = _run(loop, _order_times(served))
    report(f"create_order_ws, {loop}", ours, echo, "at most 1.6")
    report(f"  against the same command by a bare client, {loop}", ours, raw, "-")


async def _order_times(served: Served) -> tuple[float, float, float]:
    ours: list[int] = []
    echo: list[int] = []
    raw: list[int] = []
    headers = {"x-api-key": served.api_key}
    async with aiohttp.ClientSession() as session, _exchange(served) as exchange:
        await exchange.load_markets()
        socket = await session.ws_connect(f"{served.bare_url}/echo", compress=0)
        other = await session.ws_connect(f"{served.base_url}/ws", compress=0, headers=headers)
        await other.receive()  # the greeting
        text = "x" * 1000
        for number in range(ROUNDS):
            start = time.perf_counter_ns()
            await exchange.create_order_ws("BTC/USDT", "limit", "buy", 0.01, 50_000)
            ours.append(time.perf_counter_ns() - start)
            start = time.perf_counter_ns()
            await socket.send_str(text)
            await socket.receive()
            echo.append(time.perf_counter_ns() - start)
            payload = {
                "symbol": "BTC/USDT",
                "side": "buy",
                "order_type": "limit",
                "qty": "0.01",
                "price": "50000",
                "client_order_id": f"raw{number}",
            }
            command = {"account_id": 1, "command": "send_order", "payload": payload}
            frame = {"id": 1, "namespace": "position", "action": "command", "payload": command}
            start = time.perf_counter_ns()
            await other.send_str(json.dumps(frame))
            loads((await other.receive()).data)
            raw.append(time.perf_counter_ns() - start)
    return _median(ours), _median(echo), _median(raw)


@pytest.mark.benchmark
@LOOPS
def test_many_events_to_one_watcher(tmp_path: Path, loop: str) -> None:
    with stream_process(tmp_path, loop) as served:
        seconds = _run(loop, _burst_seconds(served))
    events = 3 * BURST  # an order that rests is submitted, updated and reserves money
    print(f"\n{BURST} orders over the socket, {loop}: {events / seconds:,.0f} events/s (goal: 20,000)")


async def _burst_seconds(served: Served) -> float:
    async with aiohttp.ClientSession() as session, _exchange(served) as exchange:
        control = await session.ws_connect(f"{served.bare_url}/control", compress=0)
        first = asyncio.ensure_future(exchange.watch_orders())
        await asyncio.sleep(0.3)
        await control.send_str("commit")
        await first
        start, got = time.perf_counter(), 0
        await control.send_str(f"burst {BURST}")
        while got < BURST:
            got += len(await exchange.watch_orders())
        assert got == BURST
        return time.perf_counter() - start


@pytest.mark.benchmark
def test_the_cost_of_a_call_does_not_depend_on_how_many_orders_are_cached() -> None:
    few, many = (asyncio.run(_call_cost(cached)) for cached in (1, 10_000))
    report("watch_orders(symbol) with 10,000 cached orders against 1", many, few, "about 1")


async def _call_cost(cached: int) -> float:
    account = {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "1000000000000"}}
    with EmbeddedOms(accounts=[account], seed=0, clock="manual") as oms:
        oms.set_price("BTC/USDT", bid="60000", ask="60001", last="60000")
        options = {"oms": oms, "account_id": 1, "ordersLimit": 20_000}
        async with OmsCcxtExchange({"options": options}) as exchange:
            await exchange.load_markets()
            waiting = asyncio.ensure_future(exchange.watch_orders("BTC/USDT"))
            await asyncio.sleep(0)
            command = {"account_id": 1, "command": "send_order", "payload": _payload("50000")}
            ids = [
                oms.handle("commands", {}, {}, command).body["results"][0]["order_id"] for _ in range(cached)
            ]
            await waiting
            times = []
            for number in range(1000):
                order_id = ids[number % len(ids)]
                payload = {"order_id": order_id, "new_price": str(40_000 + number)}
                oms.handle(
                    "commands", {}, {}, {"account_id": 1, "command": "change_order", "payload": payload}
                )
                start = time.perf_counter_ns()
                [order] = await exchange.watch_orders("BTC/USDT")
                times.append(time.perf_counter_ns() - start)
                assert order["id"] == str(order_id)
            assert len(exchange.orders) == cached
    return _median(times)


def _payload(price: str) -> dict[str, str]:
    return {"symbol": "BTC/USDT", "side": "buy", "order_type": "limit", "qty": "0.001", "price": price}
