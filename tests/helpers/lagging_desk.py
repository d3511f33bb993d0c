"""A contract case's desk on a gateway that lags behind its venue.

The cards are those of every other server. What they ask past the driver is asked of the venue: there is the
truth. A refusal is judged by what such a gateway can tell: the class may be an ancestor of the one that the
venue raised, the words are the venue's own, and a row of the refused order stays behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ccxt

from ccxt_driver.oms import EmbeddedOms

from .contract_desk import ACCOUNTS, OTHER, SPOT, SWAP, Desk, OmsOfTheCase, Way
from .lagging import LaggingGateway


class LaggingDesk(Desk):
    """A desk whose gateway lags; its exchange objects live by the gateway's clock."""

    oms: Any

    def exchange(self, account_id: int | None = 1, number: Any = float, **options: Any) -> Any:
        """One more exchange object: what it waits passes on the gateway's clock."""
        made = super().exchange(account_id, number, **options)
        made.milliseconds = self.oms.now_ms
        made.sleep = self._sleep_of_a_coroutine if self.way.asynchronous else self._sleep
        return made

    def _sleep(self, milliseconds: float) -> None:
        self.oms.advance(int(milliseconds))

    async def _sleep_of_a_coroutine(self, milliseconds: float) -> None:
        self._sleep(milliseconds)
        await asyncio.sleep(0)

    def ask(self, endpoint: str, query: Mapping[str, Any] = {}, body: Any = None, **path: Any) -> Any:
        """The body of a request that works, at the venue."""
        texts = {name: str(value) for name, value in path.items()}
        reply = EmbeddedOms.handle(self.oms.venue, endpoint, texts, query, body)
        assert reply.status == 200, reply.body
        return reply.body

    def state(self) -> Any:
        """What the venue has, and what the gateway keeps of it.

        Reading reconciles: what the gateway learns by that is nothing that a call has done.
        """
        kept = self.oms.rows()
        orders = {
            row["id"]: row
            for row in kept["orders"]
            if row["exchange_order_id"] is not None and row["reason"] != "external"
        }
        return super().state(), orders, kept["accounts"], kept["strategies"], kept["deals"], kept["positions"]

    def unchanged(self, before: Any, after: Any) -> None:
        """Nothing has happened between two states, beside reconciling."""
        assert after[:4] == before[:4]
        deals, positions = after[4:]
        assert deals[: len(before[4])] == before[4]
        assert all(deal["order_id"] is not None for deal in deals[len(before[4]) :])
        if len(deals) == len(before[4]):
            assert positions == before[5]

    @contextmanager
    def refused(self, kind: type[ccxt.BaseError], says: str | None = None) -> Iterator[Any]:
        """The block raises this class, or an ancestor that says no less of the outcome."""
        before = self.state()
        info = Raised()
        try:
            yield info
        except ccxt.BaseError as error:
            info.value = error
            if not issubclass(kind, type(error)):
                raise
        assert info.value is not None, f"{kind.__name__} was not raised"
        assert type(info.value) not in (ccxt.BaseError, ccxt.OperationFailed)
        assert not isinstance(info.value, ccxt.NetworkError) or issubclass(kind, ccxt.NetworkError)
        assert getattr(info.value, "outcome", None) != "unknown", info.value
        self.unchanged(before, self.state())


class Raised:
    """What a block has raised."""

    value: Any = None


@contextmanager
def lagging_desk_of(way: Way, served: OmsOfTheCase | None = None, **options: Any) -> Iterator[LaggingDesk]:
    """A lagging desk with its prices set, as those of `desk_of`.

    :param served: what the server of the way serves
    :param options: of the gateway
    """
    gateway = LaggingGateway(**{"accounts": ACCOUNTS} | options)
    if served is not None:
        served.current = gateway  # type: ignore[assignment]  # it stands wherever an EmbeddedOms does
    desk = LaggingDesk(way, gateway)
    try:
        for symbol, bid, ask in ((SPOT, 100, 101), (SWAP, 100, 101), (OTHER, "10", "10.1")):
            desk.price(symbol, bid, ask)
        yield desk
    finally:
        desk.close()
