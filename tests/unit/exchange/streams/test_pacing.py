from __future__ import annotations

import asyncio

from ccxt_driver.exchange.streams.pacing import Pace


async def test_one_second_at_once_then_one_after_the_other() -> None:
    """In the loop's own time: how long each is told to wait."""
    loop = asyncio.get_running_loop()
    pace = Pace(100)
    began = loop.time()
    await asyncio.gather(*(pace.turn() for _ in range(100)))
    assert loop.time() - began < 0.5
    await asyncio.gather(*(pace.turn() for _ in range(20)))
    assert loop.time() - began >= 0.19
