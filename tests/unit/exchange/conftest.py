"""A driver of each colour on a stubbed gateway."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from tests.helpers.contract_desk import Way
from tests.helpers.gateway_stub import (
    ALL_FEATURES,
    Driver,
    Gateway,
    async_driver,
    connected_driver,
    sync_driver,
)
from tests.helpers.lagging_desk import LaggingDesk, lagging_desk_of

MakeDriver = Callable[..., Driver]
MakeDesk = Callable[..., LaggingDesk]


@pytest.fixture(params=["sync", "async"])
def make_driver(request: pytest.FixtureRequest) -> Iterator[MakeDriver]:
    """Make drivers: `make_driver(features=..., **config)`."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock, asyncio.Runner() as runner:

        def make(features: tuple[str, ...] = ALL_FEATURES, **config: Any) -> Driver:
            gateway = Gateway(features)
            if request.param == "sync":
                return sync_driver(gateway, mock, config)
            return async_driver(gateway, runner, config)

        yield make


@pytest.fixture
def driver(make_driver: MakeDriver) -> Driver:
    """Make a driver on a server with every feature, its markets loaded."""
    return make_driver().ready()


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[MakeDriver]:
    """Make drivers on a real URL: `connect(gateway, url, **config)`; nothing of them is replaced."""
    with asyncio.Runner() as runner:
        made: list[Driver] = []

        def make(gateway: Gateway, url: str, **config: Any) -> Driver:
            config["options"] = {"base_url": url, **config.get("options", {})}
            made.append(connected_driver(gateway, config, runner if request.param == "async" else None))
            return made[-1]

        yield make
        for driver in made:
            driver.call("close")


@pytest.fixture(params=["sync", "async"])
def make_desk(request: pytest.FixtureRequest) -> Iterator[MakeDesk]:
    """Make gateways that lag, with drivers on them: `make_desk(**options of the gateway)`."""
    loop = asyncio.new_event_loop()
    with contextlib.closing(loop), contextlib.ExitStack() as stack:

        def make(**options: Any) -> LaggingDesk:
            way = Way(request.param == "async", None, loop)
            return stack.enter_context(lagging_desk_of(way, **options))

        yield make


@pytest.fixture
def desk(make_desk: MakeDesk) -> LaggingDesk:
    """Make a gateway that lags as the public one does."""
    return make_desk()
