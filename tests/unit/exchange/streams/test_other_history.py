"""A server in memory that was started anew: its events are not what comes after those of the former one."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt
import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.pro import OmsCcxtExchange
from tests.helpers.contract_desk import ACCOUNTS
from tests.helpers.served import ServedOms, serve

pytestmark = pytest.mark.sockets
ORDER = {"symbol": "BTC/USDT", "side": "buy", "order_type": "limit", "price": "90", "qty": "0.1"}


def _oms() -> EmbeddedOms:
    made = EmbeddedOms(accounts=ACCOUNTS, clock="manual")
    made.set_price("BTC/USDT", bid=100, ask=101)
    return made


def _place(oms: EmbeddedOms, count: int) -> None:
    for _ in range(count):
        oms.handle("commands", {}, {}, {"account_id": 1, "command": "send_order", "payload": ORDER})


async def _watching(served: ServedOms, **streams: Any) -> OmsCcxtExchange:
    """Make an exchange object that was given the first order."""
    options = {"base_url": served.base_url, "account_id": 1, "streams": {"backoff_first": 0.01, **streams}}
    exchange = OmsCcxtExchange({"apiKey": served.api_key, "options": options})
    watching = asyncio.create_task(exchange.watch_orders())
    async with asyncio.timeout(10):
        while not exchange._desk().stream(1).is_on:  # noqa: ASYNC110  # nobody sets an event
            await asyncio.sleep(0.001)
    _place(served.oms, 1)
    assert [order["id"] for order in await watching] == ["1"]
    return exchange


async def test_watchers_are_told_though_the_new_one_has_more_events() -> None:
    with serve(_oms()) as first:
        port = int(first.base_url.rpartition(":")[2])
        exchange = await _watching(first)
        watching = asyncio.create_task(exchange.watch_orders())
        await asyncio.sleep(0)
    second = _oms()
    _place(second, 5)
    _, exchange.apiKey = second.keys.create()
    with serve(second, port=port):
        with pytest.raises(ccxt.ExchangeError, match="another history"):
            await asyncio.wait_for(watching, 10)
        watching = asyncio.create_task(exchange.watch_orders())
        await asyncio.sleep(0.2)  # it begins
        _place(second, 1)
        assert [order["id"] for order in await asyncio.wait_for(watching, 10)] == ["6"]
        await exchange.close()


async def test_one_that_was_too_slow_does_not_go_on_in_the_new_one() -> None:
    with serve(_oms()) as first:
        port = int(first.base_url.rpartition(":")[2])
        exchange = await _watching(first, buffer=2)
        [watcher] = exchange._desk().stream(1)._watchers.values()
        _place(first.oms, 5)
        async with asyncio.timeout(10):
            while not watcher.ended:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert [order["id"] for order in await exchange.watch_orders()] == ["2", "3"]
        with pytest.raises(ccxt.ExchangeError, match="nothing is lost"):
            await exchange.watch_orders()
    second = _oms()
    _place(second, 9)
    _, exchange.apiKey = second.keys.create()
    with serve(second, port=port):
        async with asyncio.timeout(10):
            while watcher.over:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        with pytest.raises(ccxt.ExchangeError, match="another history"):
            await exchange.watch_orders()
        watching = asyncio.create_task(exchange.watch_orders())
        await asyncio.sleep(0.2)  # it begins
        _place(second, 1)
        assert [order["id"] for order in await asyncio.wait_for(watching, 10)] == ["10"]
        await exchange.close()
