"""Who is cancelled while the markets are read takes nobody else along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.pro import OmsCcxtExchange


class SlowlyLoading(OmsCcxtExchange):
    """Reads its markets when it is allowed to."""

    timeout_on_exit = 0
    fails = False
    asked = False

    async def load_markets_helper(self, reload: bool = False, params: Any = None) -> Any:
        self.asked = True
        await self.allowed.wait()
        if self.fails:
            raise ccxt.NetworkError("oms gone")
        return await super().load_markets_helper(reload, params)


@pytest.fixture
async def exchange() -> AsyncIterator[SlowlyLoading]:
    oms = EmbeddedOms(clock="manual")
    made = SlowlyLoading({"options": {"oms": oms, "account_id": 1, "share_markets": False}})
    made.allowed = asyncio.Event()
    yield made
    await made.close()
    oms.close()


async def wait_for_request(exchange: SlowlyLoading) -> None:
    async with asyncio.timeout(5):
        while not exchange.asked:  # noqa: ASYNC110  # a few turns of the loop
            await asyncio.sleep(0)
    await asyncio.sleep(0)  # the others wait for it, too


async def test_the_others_are_given_the_markets(exchange: SlowlyLoading) -> None:
    first = asyncio.create_task(exchange.load_markets())
    others = [asyncio.create_task(exchange.load_markets()) for _ in range(2)]
    await wait_for_request(exchange)
    first.cancel()
    await asyncio.wait({first})
    exchange.allowed.set()

    assert all("BTC/USDT" in markets for markets in await asyncio.gather(*others))


async def test_a_failure_is_told_to_those_who_wait_and_tried_again(exchange: SlowlyLoading) -> None:
    cancelled, waiting = (asyncio.create_task(exchange.load_markets()) for _ in range(2))
    await wait_for_request(exchange)
    cancelled.cancel()
    exchange.fails = True
    exchange.allowed.set()
    with pytest.raises(ccxt.NetworkError, match="gone"):
        await waiting

    exchange.fails = False
    assert "BTC/USDT" in await exchange.load_markets()
