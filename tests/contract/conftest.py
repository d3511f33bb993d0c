"""What the contract suites share: one event loop a module, and asserts of their helpers in full."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite(
    "tests.contract.cards", "tests.helpers.contract_desk", "tests.helpers.strict_structures"
)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Where coroutines of a blocking test run."""
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(made.shutdown_asyncgens())
    made.close()
