"""A driver whose time passes only when it, or its gateway, says so."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from .gateway_stub import Driver


class VirtualTime:
    """The clock of a driver; `slept` has all its pauses, in milliseconds."""

    def __init__(self, driver: Driver, now_ms: int = 1_795_140_332_123) -> None:
        self.now_ms = now_ms
        self.slept: list[float] = []
        exchange = driver.exchange
        exchange.milliseconds = lambda: self.now_ms
        coroutines = inspect.iscoroutinefunction(type(exchange).sleep)
        exchange.sleep = self._sleep_in_a_coroutine if coroutines else self._sleep

    def pass_by(self, milliseconds: float) -> None:
        """Let time pass."""
        self.now_ms += round(milliseconds)

    def _sleep(self, milliseconds: float) -> None:
        self.slept.append(milliseconds)
        self.pass_by(milliseconds)

    async def _sleep_in_a_coroutine(self, milliseconds: float) -> None:
        self._sleep(milliseconds)
        await asyncio.sleep(0)  # where a task can be cancelled


def answers(*each: Any) -> Any:
    """Answer a route with one after the other; the last one for ever.

    :param each: as the table of a `Gateway` takes them
    """
    left = list(each)

    def answer(sent: Any) -> Any:
        found = left.pop(0) if len(left) > 1 else left[0]
        return found(sent) if callable(found) else found

    return answer


def with_clock(driver: Driver) -> Driver:
    """Put a virtual clock, `exchange.clock`, under a driver of either colour."""
    driver.exchange.clock = VirtualTime(driver)
    return driver
