"""What a test of streams gets: an OMS that others trade on, and exchange objects that watch it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from ccxt_driver.exchange.streams.account_watcher import AccountWatcher
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.entities import Event
from ccxt_driver.pro import OmsCcxtExchange

from .contract_desk import NETTING, OTHER, SPOT, SWAP, WatchedOms
from .deadline import until
from .served import ServedOms, serve


class StreamDesk:
    """One OMS, in this process or served, and what watches it.

    :param oms: the OMS
    :param served: where it is served; None in this process
    """

    def __init__(self, oms: EmbeddedOms, served: ServedOms | None) -> None:
        self.oms = oms
        self.served = served
        self._opened: list[OmsCcxtExchange] = []
        self._keys: dict[str, str] = {}
        self._count = 0

    # -- exchange objects

    def config(self, account_id: int = NETTING, role: str = "trader", **options: Any) -> dict[str, Any]:
        """What a program would pass to the class.

        :param role: of its key; in this process there are none, and everything is allowed
        """
        chosen: dict[str, Any] = {"account_id": account_id, **options}
        if self.served is None:
            return {"timeout_on_exit": 0, "options": {"base_url": "embedded:", "oms": self.oms, **chosen}}
        if role not in self._keys:
            _, self._keys[role] = self.oms.keys.create(role=role)
        return {
            "timeout_on_exit": 0,
            "apiKey": self._keys[role],
            "options": {"base_url": self.served.base_url, **chosen},
        }

    def exchange(self, account_id: int = NETTING, number: Any = float, **options: Any) -> OmsCcxtExchange:
        """One more exchange object; closed at the end."""
        return self.opened(OmsCcxtExchange({**self.config(account_id, **options), "number": number}))

    def opened(self, exchange: OmsCcxtExchange) -> OmsCcxtExchange:
        """Close an exchange object at the end."""
        self._opened.append(exchange)
        return exchange

    async def close(self) -> None:
        """Close all of them."""
        for exchange in self._opened:
            await exchange.close()

    # -- what others do

    def command(self, name: str, account_id: int = NETTING, **payload: Any) -> dict[str, Any]:
        """Run a command that works, past the driver; its result."""
        body = {"account_id": account_id, "command": name, "payload": payload}
        reply = self.oms.handle("commands", {}, {}, body)
        assert reply.status == 200, reply.body
        result: dict[str, Any] = reply.body["results"][0]
        return result

    def order(
        self, side: str = "buy", qty: object = 1, price: object = None, account_id: int = NETTING, **more: Any
    ) -> int:
        """Place an order, at the market without a price; its id."""
        kind = {"order_type": "market"} if price is None else {"order_type": "limit", "price": str(price)}
        self._count += 1
        given = {"symbol": SPOT, "side": side, "qty": str(qty), "client_order_id": f"other{self._count}"}
        given |= kind | more
        return int(self.command("send_order", account_id, **given)["order_id"])

    def events(self, name: str, account_id: int = NETTING, after: int = 0) -> list[Event]:
        """What the OMS has committed, of one kind."""
        found = self.oms.events(account_id, after, 100_000)
        assert found is not None
        return [event for event in found if event.name == name]

    # -- who watches

    async def waiting(self, *calls: Any) -> list[asyncio.Task[Any]]:
        """Calls of `watch_*` that wait: what happens from now on they are told.

        :param calls: coroutines
        """
        before = self._waiting()
        tasks = [asyncio.ensure_future(call) for call in calls]
        await until(lambda: self._waiting() - before >= len(tasks) or any(task.done() for task in tasks))
        for task in tasks:
            if task.done():
                task.result()  # a failure says more than the line below
        assert not any(task.done() for task in tasks)
        return tasks

    def _waiting(self) -> int:
        return sum(len(watcher._waiters) for exchange in self._opened for watcher in watchers(exchange))


def watchers(exchange: Any, account_id: int | None = None) -> list[AccountWatcher]:
    """Those of an exchange object that there are now."""
    desk = exchange._stream_desk
    if desk is None:
        return []
    streams: Mapping[int, Any] = desk._streams
    chosen = streams.values() if account_id is None else [streams[account_id]]
    return [watcher for stream in chosen for watcher in stream._watchers.values()]


@asynccontextmanager
async def stream_desk(over_socket: bool, **options: Any) -> AsyncIterator[StreamDesk]:
    """A desk with its prices set: BTC/USDT and its swap at 100 and 101, ETH/USDT at 10 and 10.1.

    :param over_socket: served over HTTP and `/ws`
    :param options: of the OMS
    """
    with WatchedOms(**options) as oms:
        for symbol, bid, ask in ((SPOT, 100, 101), (SWAP, 100, 101), (OTHER, "10", "10.1")):
            oms.set_price(symbol, bid=bid, ask=ask)
        with serve(oms) if over_socket else nullcontext() as served:
            desk = StreamDesk(oms, served)
            try:
                yield desk
            finally:
                await desk.close()


async def collected(call: Callable[[], Any], count: int) -> list[Any]:
    """Call until so many rows have come."""
    found: list[Any] = []
    while len(found) < count:
        found += await call()
    return found
