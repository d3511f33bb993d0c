"""A program that calls `asyncio.run` for each thing that it does, with one object for all."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.pro import OmsCcxtExchange as ProOmsCcxtExchange
from tests.helpers.served import ServedOms, serve

pytestmark = [
    pytest.mark.sockets,
    # Connections of a loop that is closed are left to the collector: it says so.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def served() -> Iterator[ServedOms]:
    with serve(EmbeddedOms()) as running:
        yield running
    gc.collect()  # now, and not in a test that knows nothing of it


def made(kind: Any, served: ServedOms) -> Any:
    options = {"base_url": served.base_url, "account_id": 1}
    return kind({"apiKey": served.api_key, "timeout_on_exit": 0, "options": options})


@pytest.mark.parametrize("kind", [AsyncOmsCcxtExchange, ProOmsCcxtExchange])
def test_each_order_is_placed(kind: Any, served: ServedOms) -> None:
    exchange = made(kind, served)
    limit = ("BTC/USDT", "limit", "buy", 0.01)

    ids = [asyncio.run(exchange.create_order(*limit, 1000 + each))["id"] for each in range(3)]

    assert [order["id"] for order in asyncio.run(exchange.fetch_open_orders())] == ids
    asyncio.run(exchange.close())
    assert exchange.session is None


def test_streams_begin_anew(served: ServedOms, caplog: pytest.LogCaptureFixture) -> None:
    exchange = made(ProOmsCcxtExchange, served)

    async def look() -> Any:
        return await exchange.watch_ticker("BTC/USDT")

    for _ in range(3):
        assert asyncio.run(asyncio.wait_for(look(), 10))["symbol"] == "BTC/USDT"
    asyncio.run(exchange.close())
    assert [record for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.parametrize("method", ["watch_ticker", "watch_orders", "cancel_all_orders_ws"])
def test_streams_of_a_loop_that_is_open_are_refused_in_another(method: str, served: ServedOms) -> None:
    exchange = made(ProOmsCcxtExchange, served)

    async def call() -> Any:
        return await asyncio.wait_for(getattr(exchange, method)("BTC/USDT"), 10)

    with asyncio.Runner() as first:
        first.run(exchange.watch_ticker("BTC/USDT"))
        with asyncio.Runner() as second, pytest.raises(ccxt.OperationRejected, match="another event loop"):
            second.run(call())
        assert first.run(exchange.watch_ticker("BTC/USDT"))["symbol"] == "BTC/USDT"
        first.run(exchange.close())


def test_a_session_of_a_loop_that_runs_is_kept(served: ServedOms) -> None:
    exchange = made(AsyncOmsCcxtExchange, served)

    async def twice() -> list[Any]:
        sessions = []
        for _ in range(2):
            await exchange.fetch_ticker("BTC/USDT")
            sessions.append(exchange.session)
        await exchange.close()
        return sessions

    first, second = asyncio.run(twice())
    assert first is second
