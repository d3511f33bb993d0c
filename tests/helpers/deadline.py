"""A test that waits for what never comes fails, and does not hang."""

from __future__ import annotations

import asyncio
import inspect
from functools import wraps
from typing import Any

import pytest

SECONDS = 20.0


@pytest.fixture(autouse=True)
def deadline(request: pytest.FixtureRequest) -> None:
    """Cancel a test with coroutines that takes too long; for a conftest to import."""
    test = request.node.obj
    if not inspect.iscoroutinefunction(test):
        return

    @wraps(test)
    async def limited(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(SECONDS):
            await test(*args, **kwargs)

    request.node.obj = limited


async def until(condition: Any, seconds: float = 5.0) -> None:
    """Wait until something is so.

    :param condition: a function without arguments
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # it may be anything
            await asyncio.sleep(0.002)
