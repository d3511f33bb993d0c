"""Programs may let tasks begin at once (Python 3.12): what they wait for may be there before they wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from .conftest import SPOT, Floor, soon

EAGER = getattr(asyncio, "eager_task_factory", None)
pytestmark = pytest.mark.skipif(EAGER is None, reason="Python 3.11 has no eager tasks")


@pytest.fixture(autouse=True)
async def eager_tasks() -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(EAGER)
    yield
    loop.set_task_factory(None)


@pytest.mark.parametrize("method", ["watch_bids_asks", "watch_order_book", "watch_ticker", "watch_trades"])
async def test_market_data_come_when_prices_move(floor: Floor, method: str) -> None:
    watch = getattr(floor.exchange(), method)
    wanted = [SPOT] if method == "watch_bids_asks" else SPOT
    if method != "watch_trades":  # the first call gives what is there
        await soon(watch(wanted))
    for bid in (200, 300):
        call = asyncio.create_task(watch(wanted))
        await asyncio.sleep(0.05)
        assert not call.done()
        floor.price(SPOT, bid, bid + 1)
        assert await soon(call)
