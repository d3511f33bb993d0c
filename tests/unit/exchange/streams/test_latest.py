"""Of prices only the newest waits, and what was given never changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ccxt_driver.exchange.streams.latest import Box, Latest
from ccxt_driver.exchange.streams.watching import Watcher


def make() -> tuple[Watcher[Box], Latest]:
    watcher: Watcher[Box] = Watcher("test", 10)
    return watcher, Latest(watcher)


def deliver(boxes: Sequence[Box]) -> tuple[dict[Any, Any], int]:
    return {box.key: box.take() for box in boxes}, len(boxes)


async def test_the_newest_of_each_key_in_the_order_of_their_first() -> None:
    watcher, latest = make()
    for key, value in (("a", 1), ("b", 2), ("a", 3)):
        latest.put(key, value)
    assert len(watcher) == 2
    assert list((await watcher.next(deliver)).items()) == [("a", 3), ("b", 2)]
    latest.put("a", 4)
    assert await watcher.next(deliver) == {"a": 4}


async def test_calls_at_the_same_time_get_the_same_whatever_comes_between() -> None:
    watcher, latest = make()
    state = {"n": 0}

    async def call() -> dict[Any, Any]:
        found = await watcher.next(deliver)
        state["n"] += 1
        latest.put("a", lambda: state["n"])  # newer, before the other call has run
        return found

    calls = [asyncio.create_task(call()) for _ in range(3)]
    await asyncio.sleep(0)
    latest.put("a", lambda: state["n"])
    assert await asyncio.gather(*calls) == [{"a": 0}] * 3
    assert await watcher.next(deliver) == {"a": 3}


async def test_a_value_may_be_made_when_it_is_taken() -> None:
    watcher, latest = make()
    made: list[int] = []
    for number in range(5):
        latest.put("a", lambda number=number: made.append(number) or number)
    assert await watcher.next(deliver) == {"a": 4}
    assert made == [4]


async def test_no_number_of_changes_is_too_many() -> None:
    watcher, latest = make()
    for number in range(1000):
        latest.put("a", number)
    assert await watcher.next(deliver) == {"a": 999}
