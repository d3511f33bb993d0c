"""What a contract case gets: an OMS whose prices and clock it moves, and exchange objects on it.

A case is written once, as ordinary blocking ccxt code, and runs four ways: sync and async class,
each in this process and over HTTP.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange as SyncExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncExchange
from ccxt_driver.oms import OWNER, EmbeddedOms, Principal, Reply

SPOT = "BTC/USDT"
OTHER = "ETH/USDT"
SWAP = "BTC/USDT:USDT"
NETTING, HEDGE, BY_STRATEGY, POOR = 1, 2, 3, 4
BALANCES = {"USDT": "100000", "BTC": "10", "ETH": "100"}
ACCOUNTS = [
    {"account_id": NETTING, "position_mode": "netting", "balances": BALANCES, "label": "netting"},
    {"account_id": HEDGE, "position_mode": "hedge", "balances": BALANCES},
    {"account_id": BY_STRATEGY, "position_mode": "strategy_netting", "balances": BALANCES},
    {"account_id": POOR, "position_mode": "netting", "balances": {"USDT": "10"}},
]


_NO_WAITING = {"timeout_on_exit": 0}  # milliseconds that ccxt's async close() sleeps


class WatchedOms(EmbeddedOms):
    """An OMS that remembers what it was asked, by whatever way the request came."""

    def __init__(self, **options: Any) -> None:
        self.requests: list[tuple[str, Any]] = []
        super().__init__(**{"accounts": ACCOUNTS, "clock": "manual"} | options)

    def handle(
        self,
        endpoint: str,
        path: Mapping[str, str],
        query: Mapping[str, Any],
        body: Any,
        principal: Principal = OWNER,
        request_id: str | None = None,
    ) -> Reply:
        self.requests.append((endpoint, body))
        return super().handle(endpoint, path, query, body, principal, request_id)


class OmsOfTheCase:
    """Stands between a server that lives for a module and the OMS of the case that runs now."""

    def __init__(self) -> None:
        self.current: EmbeddedOms = EmbeddedOms(clock="manual")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.current, name)

    def handle(self, *args: Any, **kwargs: Any) -> Reply:
        """As the OMS of the case: the server asks for this method once only."""
        return self.current.handle(*args, **kwargs)

    def tick(self) -> None:
        """As above. Between two cases there is nothing to do."""
        if not self.current.closed:
            self.current.tick()

    @property
    def keys(self) -> Any:
        """The server asks for it once only, too."""
        return _KeysOfTheCase(self)


@dataclass(frozen=True)
class _KeysOfTheCase:
    oms: OmsOfTheCase

    def __getattr__(self, name: str) -> Any:
        return getattr(self.oms.current.keys, name)


class Blocking:
    """An exchange object of either colour, called as the sync one is.

    :param exchange: the object
    :param run: what runs a coroutine to its end
    :param called: the names of its methods that were called are added to it
    """

    def __init__(self, exchange: Any, run: Callable[[Any], Any], called: set[str]) -> None:
        self.__dict__.update(exchange=exchange, _run=run, _called=called)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__dict__["exchange"], name)
        if not inspect.ismethod(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            self.__dict__["_called"].add(name)
            result = value(*args, **kwargs)
            return self.__dict__["_run"](result) if inspect.isawaitable(result) else result

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["exchange"], name, value)


@dataclass
class Way:
    """How a case reaches its OMS.

    :param asynchronous: by the async class
    :param base_url: of the server, None in this process
    :param loop: for the async class
    """

    asynchronous: bool
    base_url: str | None
    loop: asyncio.AbstractEventLoop

    @property
    def kind(self) -> type[Any]:
        """The exchange class of this colour."""
        return AsyncExchange if self.asynchronous else SyncExchange

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end."""
        return self.loop.run_until_complete(coroutine)


@dataclass
class Desk:
    """One case's OMS and everything that is done with it."""

    way: Way
    oms: WatchedOms
    called: set[str] = field(default_factory=set)
    _opened: list[Blocking] = field(default_factory=list)
    _ex: Any = None
    _api_keys: dict[str, str] = field(default_factory=dict)

    # -- exchange objects

    def config(
        self, account_id: int | None = NETTING, role: str = "trader", **options: Any
    ) -> dict[str, Any]:
        """What a program would pass to the class to reach this OMS.

        :param role: of its key; in this process there are none, and everything is allowed
        """
        chosen: dict[str, Any] = {"account_id": account_id, **options}
        if self.way.base_url is None:
            return {**_NO_WAITING, "options": {"base_url": "embedded:", "oms": self.oms, **chosen}}
        if role not in self._api_keys:
            _, self._api_keys[role] = self.oms.keys.create(role=role)
        return {
            **_NO_WAITING,
            "apiKey": self._api_keys[role],
            "options": {"base_url": self.way.base_url, **chosen},
        }

    def exchange(self, account_id: int | None = NETTING, number: Any = float, **options: Any) -> Any:
        """One more exchange object on this OMS.

        :param number: what it makes numbers of
        """
        config = {**self.config(account_id, **options), "number": number}
        made = Blocking(self.way.kind(config), self.way.run, self.called)
        self._opened.append(made)
        return made

    @property
    def ex(self) -> Any:
        """The exchange object on the netting account that most cases need."""
        if self._ex is None:
            self._ex = self.exchange()
        return self._ex

    def close(self) -> None:
        """Close all that was opened."""
        for opened in self._opened:
            result = opened.exchange.close()
            if inspect.isawaitable(result):
                self.way.run(result)  # type: ignore[arg-type]
        self.oms.close()

    # -- the market

    def price(self, symbol: str, bid: object, ask: object, last: object = None, size: object = None) -> None:
        """Set a price; the book then has one level each side."""
        self.oms.set_price(symbol, bid=bid, ask=ask, last=last, size=size)

    def advance(self, milliseconds: int) -> None:
        """Move the clock."""
        self.oms.advance(milliseconds)

    # -- what the OMS itself says, past the driver

    def ask(self, endpoint: str, query: Mapping[str, Any] = {}, body: Any = None, **path: Any) -> Any:
        """The body of a request that works."""
        texts = {name: str(value) for name, value in path.items()}
        reply = EmbeddedOms.handle(self.oms, endpoint, texts, query, body)
        assert reply.status == 200, reply.body
        return reply.body

    def money(self, currency: str, account_id: int = NETTING) -> tuple[Decimal, Decimal, Decimal]:
        """Free, used and total of the account, exact."""
        body = {"args": [], "kwargs": {}}
        result = self.ask("ccxt_call", body=body, account_id=account_id, func="fetch_balance")["result"]
        for row in result["info"]["balances"]:
            if row["currency"] == currency:
                return Decimal(row["free"]), Decimal(row["used"]), Decimal(row["total"])
        return Decimal(0), Decimal(0), Decimal(0)

    def state(self) -> Any:
        """Everything that a refused call must leave alone."""
        accounts = ",".join(str(account["account_id"]) for account in ACCOUNTS)
        query = {"account_ids": accounts, "since_ms": 0, "page_size": 500}
        lists = [
            self.ask(name, query)["items"]
            for name in ("orders_history", "deals", "positions_history", "ledger")
        ]
        return lists, self.ask("accounts")["items"], self.ask("strategies")["items"]

    def commands(self) -> int:
        """How many requests with commands the OMS was sent."""
        return sum(endpoint == "commands" for endpoint, _ in self.oms.requests)

    # -- what must not happen

    @contextmanager
    def refused(self, kind: type[ccxt.BaseError], says: str | None = None) -> Iterator[Any]:
        """The block raises exactly this class, and nothing has changed."""
        before = self.state()
        with pytest.raises(kind, match=says) as info:
            yield info
        assert type(info.value) is kind, f"{type(info.value).__name__}: {info.value}"
        assert self.state() == before

    @contextmanager
    def unsent(self, kind: type[ccxt.BaseError], says: str | None = None) -> Iterator[Any]:
        """The block raises exactly this class before a command is sent."""
        before = self.commands()
        with self.refused(kind, says) as info:
            yield info
        assert self.commands() == before


@contextmanager
def desk_of(way: Way, served: OmsOfTheCase | None = None, **options: Any) -> Iterator[Desk]:
    """A desk with its prices set: BTC/USDT and its swap at 100 and 101, ETH/USDT at 10 and 10.1.

    :param served: what the server of the way serves
    :param options: of the OMS
    """
    oms = WatchedOms(**options)
    if served is not None:
        served.current = oms
    desk = Desk(way, oms)
    try:
        for symbol, bid, ask in ((SPOT, 100, 101), (SWAP, 100, 101), (OTHER, "10", "10.1")):
            desk.price(symbol, bid, ask)
        yield desk
    finally:
        desk.close()
