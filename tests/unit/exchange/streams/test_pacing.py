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


async def test_turns_are_put_off_with_those_that_stand_in_line() -> None:
    loop = asyncio.get_running_loop()
    pace = Pace(20)
    for _ in range(20):
        await pace.turn()
    began = loop.time()
    ends: list[float] = []

    async def one() -> None:
        await pace.turn()
        ends.append(loop.time() - began)

    line = [asyncio.create_task(one()) for _ in range(2)]
    await asyncio.sleep(0.01)
    pace.hold(0.2)
    line.append(asyncio.create_task(one()))
    await asyncio.gather(*line)
    assert ends[0] >= 0.24
    assert ends[1] - ends[0] >= 0.04
    assert ends[2] - ends[1] >= 0.04
    await asyncio.sleep(0.2)
    pace.hold(0.1)
    began = loop.time()
    await pace.turn()
    assert loop.time() - began >= 0.1
