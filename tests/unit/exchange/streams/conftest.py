"""A pro exchange on an embedded OMS whose prices the test moves: in this process, or over HTTP and `/ws`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.pro import OmsCcxtExchange
from tests.helpers.contract_desk import ACCOUNTS, OmsOfTheCase
from tests.helpers.deadline import deadline
from tests.helpers.served import ServedOms, serve

__all__ = ["Floor", "deadline", "floor", "server", "soon", "until"]

T = TypeVar("T")
SPOT, OTHER = "BTC/USDT", "ETH/USDT"


class Floor:
    """What a case of streams gets.

    :param served: None in this process
    """

    def __init__(self, oms: EmbeddedOms, served: ServedOms | None) -> None:
        self.oms = oms
        self.served = served
        self._opened: list[Any] = []
        self._key = None if served is None else oms.keys.create()[1]
        for symbol, bid, ask in ((SPOT, 100, 101), (OTHER, "10", "10.1")):
            oms.set_price(symbol, bid=bid, ask=ask)

    def exchange(self, streams: dict[str, Any] | None = None, **config: Any) -> Any:
        """One more exchange object."""
        options: dict[str, Any] = {"account_id": 1, "streams": {"backoff_first": 0.01, **(streams or {})}}
        if self.served is None:
            options |= {"base_url": "embedded:", "oms": self.oms}
        else:
            options["base_url"] = self.served.base_url
        config["options"] = options | config.get("options", {})
        made = OmsCcxtExchange({"apiKey": self._key, "timeout_on_exit": 0, **config})
        self._opened.append(made)
        return made

    def price(self, symbol: str, bid: object, ask: object, **more: object) -> None:
        """Set a price."""
        self.oms.set_price(symbol, bid=bid, ask=ask, **more)

    async def close(self) -> None:
        for opened in self._opened:
            await opened.close()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[ServedOms, OmsOfTheCase]]:
    """One server for all cases of a module."""
    oms = OmsOfTheCase()
    with serve(oms) as served:  # type: ignore[arg-type]
        yield served, oms


@pytest.fixture(params=["in process", pytest.param("over HTTP", marks=pytest.mark.sockets)])
async def floor(request: pytest.FixtureRequest) -> AsyncIterator[Floor]:
    """Each case runs both ways."""
    served = None
    oms = EmbeddedOms(accounts=ACCOUNTS, clock="manual")
    if request.param == "over HTTP":
        served, place = request.getfixturevalue("server")
        place.current = oms
    made = Floor(oms, served)
    yield made
    await made.close()
    oms.close()


async def soon(awaitable: Awaitable[T]) -> T:
    """What comes by itself; a case that waits in vain fails."""
    return await asyncio.wait_for(awaitable, 10)


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something that comes by itself."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # any condition: nobody sets an event
            await asyncio.sleep(0.001)
