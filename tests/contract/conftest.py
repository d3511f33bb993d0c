"""What the contract suites share: one event loop a module, and one server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.helpers.contract_desk import OmsOfTheCase
from tests.helpers.served import serve


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Where coroutines of a blocking test run."""
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(made.shutdown_asyncgens())
    made.close()


@pytest.fixture(scope="module")
def server_of_cases() -> Iterator[tuple[str, OmsOfTheCase]]:
    """A server for all cases of a module, each with an OMS of its own: its URL, and where the OMS is put."""
    oms = OmsOfTheCase()
    with serve(oms) as served:  # type: ignore[arg-type]
        yield served.base_url, oms
