"""An account that is followed by reading, on a gateway of this process, and time that passes by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ccxt_driver.async_support import OmsCcxtExchange
from ccxt_driver.contract.features import Feature
from ccxt_driver.exchange.stream_settings import StreamSettings
from ccxt_driver.exchange.streams.changes import Change, Kind
from ccxt_driver.exchange.streams.rereading import RereadingSource
from ccxt_driver.mappers.order import STATUSES
from ccxt_driver.mappers.values import decimal_of
from ccxt_driver.oms import Principal

from .contract_desk import ACCOUNTS, OTHER, SPOT, WatchedOms
from .lagging import LaggingGateway

SETTINGS = StreamSettings(poll_interval=1, poll_interval_most=16, backoff_first=1, backoff_most=8)
_MOST_STEPS = 100_000


class Waits:
    """Time for what waits: it passes only by `pass_by`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[float] = []
        """How long was to be waited at most, by each wait that did not end at once."""
        self._due: list[tuple[float, asyncio.Future[None]]] = []

    def clock(self) -> float:
        """Seconds."""
        return self.now

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait for an event, or until so much time has passed."""
        if event.is_set() or seconds <= 0:
            return
        self.asked.append(seconds)
        passed = asyncio.get_running_loop().create_future()
        self._due.append((self.now + seconds, passed))
        news = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({passed, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            self._due = [each for each in self._due if each[1] is not passed]

    async def settle(self) -> None:
        """Let everything run that can, until somebody waits for time to pass."""
        for _ in range(10):  # whoever was woken runs first
            await asyncio.sleep(0)
        await until(lambda: bool(self._due))

    def skip(self) -> None:
        """Let the time pass that somebody waits for, if anybody does."""
        if self._due:
            due, passed = min(self._due, key=lambda each: each[0])
            self.now = max(self.now, due)
            if not passed.done():
                passed.set_result(None)

    async def pass_by(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due meanwhile."""
        end = self.now + seconds
        while True:
            await self.settle()
            if min(due for due, _ in self._due) > end:
                break
            self.skip()
        self.now = end


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until a condition holds."""
    for _ in range(_MOST_STEPS):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to be")


class Followed:
    """A source on an account of a gateway in this process, what it has published, and one who trades there.

    :param gateway: an embedded OMS, or what stands for one
    :param features: those that the server says it has; None for all of the gateway's own
    :param options: of the exchange object that reads
    """

    account_id = 1

    def __init__(
        self,
        gateway: Any,
        features: Iterable[str] | None = None,
        known: Any = None,
        **options: Any,
    ) -> None:
        self.gateway = gateway
        self.reader, self.trader = self.exchange(**options), self.exchange()
        if features is not None:
            self.reader._server_features = frozenset(features)
        self.waits = Waits()
        self.published: list[Change] = []
        self.batches: list[Sequence[Change]] = []
        self.failures: list[Exception] = []
        self.source = RereadingSource(
            self.reader,
            self.account_id,
            self._take,
            self.failures.append,
            SETTINGS,
            known=known,
            wait=self.waits.wait,
            clock=self.waits.clock,
        )

    def exchange(self, **options: Any) -> Any:
        """One more exchange object on the gateway, by whose clock it lives."""
        made = OmsCcxtExchange(
            {
                "timeout_on_exit": 0,
                "options": {
                    "base_url": "embedded:",
                    "oms": self.gateway,
                    "account_id": self.account_id,
                    **options,
                },
            }
        )
        made.milliseconds = self.gateway.now_ms
        made.sleep = self._sleep
        return made

    async def _sleep(self, milliseconds: float) -> None:
        self.gateway.advance(int(milliseconds))
        await asyncio.sleep(0)

    def _take(self, changes: Sequence[Change]) -> None:
        self.batches.append(changes)
        self.published += changes

    async def __aenter__(self) -> Followed:
        self.gateway.set_price(SPOT, bid=100, ask=101, last=100)
        self.gateway.set_price(OTHER, bid=10, ask="10.1", last=10)
        await self.reader.load_markets()
        await self.trader.load_markets()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.source.aclose()
        await self.reader.close()
        await self.trader.close()
        self.gateway.close()

    async def news(self) -> list[Change]:
        """What a read publishes that is made now."""
        before = len(self.published)
        rereading = asyncio.ensure_future(self.source.reread())
        await until_done(rereading, self.waits)
        await rereading
        return self.published[before:]

    def told(self, kind: Kind) -> list[dict[str, Any]]:
        """All rows of a kind that were published."""
        return [change.row for change in self.published if change.kind is kind]

    def last_orders(self) -> dict[int, tuple[Any, ...]]:
        """Where each order stands by what was published."""
        return {row["id"]: seen_of(row) for row in self.told(Kind.ORDER)}


async def until_done(task: asyncio.Future[Any], waits: Waits) -> None:
    """Let a task end; what it waits for passes at once."""
    for _ in range(_MOST_STEPS):
        if task.done():
            return
        waits.skip()
        await asyncio.sleep(0)
    raise AssertionError("it never ended")


def seen_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What one who watches sees of an order."""
    return STATUSES[row["status"]], decimal_of(row, "filled_qty") or 0, decimal_of(row, "qty")


def lagging(**options: Any) -> LaggingGateway:
    """A gateway that lags behind its venue."""
    return LaggingGateway(**{"accounts": ACCOUNTS} | options)


def clean() -> WatchedOms:
    """A gateway that keeps its rows up to date."""
    return WatchedOms()


SERVERS: dict[str, tuple[Callable[[], Any], tuple[str, ...] | None, dict[str, Any]]] = {
    "lagging": (lagging, None, {}),
    "plain": (clean, (), {"truth": "oms"}),
    "filters": (clean, (Feature.QUERY_FILTERS, Feature.BY_ID), {"truth": "oms"}),
}
"""Gateway, features that it says it has, and options of who reads there."""


def followed_on(name: str, **options: Any) -> Followed:
    """An account on one of the servers."""
    make, features, own = SERVERS[name]
    return Followed(make(), features, **{**own, **options})


class Restricted:
    """A gateway as one sees it whose key is limited to some strategies.

    :param gateway: behind it
    :param strategies: ids
    """

    def __init__(self, gateway: Any, strategies: Iterable[int]) -> None:
        _, secret = gateway.keys.create(strategies=strategies)
        self._gateway = gateway
        self._principal: Principal = gateway.keys.authenticate(secret)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def handle(self, endpoint: str, path: Any, query: Any, body: Any, *_: Any, **__: Any) -> Any:
        """As the gateway, for that key."""
        return self._gateway.handle(endpoint, path, query, body, self._principal)
