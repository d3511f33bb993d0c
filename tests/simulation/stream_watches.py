"""Programs that watch: eager ones, slow ones, impatient ones, and such as ask for the same twice."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, Final

import ccxt

from .bookkeeper import Violation
from .stream_traffic import OTHER, SPOT, STRATEGIES, SWAP

_KINDS: Final = {
    "watch_orders": "order_updated",
    "watch_orders_for_symbols": "order_updated",
    "watch_my_trades": "deal_created",
    "watch_my_trades_for_symbols": "deal_created",
    "watch_positions": "position_updated",
    "watch_position": "position_updated",
    "watch_balance": "balance_updated",
}
_BY_SYMBOL: Final = ("watch_orders", "watch_my_trades", "watch_position")
_LONGEST_WAY: Final = 40
"""Turns of the event loop that a change takes from the OMS to a program, and more."""
_MOST_ERRORS: Final = 500
"""More of them in one scenario is a program that calls, and calls, and calls."""


class Manner(StrEnum):
    """How a program calls."""

    EAGER = "as soon as it can"
    SLOW = "seldom"
    IMPATIENT = "cancelling calls that take long"
    TWINS = "twice at the same time"


@dataclass
class Watch:
    """One program.

    :param name: of its watcher
    :param method: of the exchange
    :param symbols: None for all
    :param strategy_id: None for all
    :param limit: of each call
    :param after_seq: where it begins; None for now
    :param initial: whether it begins before anything else happens
    :param chance: decides how long it waits
    """

    name: str
    method: str
    symbols: tuple[str, ...] | None
    strategy_id: int | None
    limit: int | None
    manner: Manner
    after_seq: int | None
    initial: bool
    chance: Random = field(repr=False)
    got: list[dict[str, Any]] = field(default_factory=list, repr=False)
    """The contract's rows of everything that it was given."""
    errors: Counter[str] = field(default_factory=Counter)
    hurries: bool = False
    """Whether it makes no pauses any more: everything must be given in the end."""
    refused: bool = False
    """Whether it was told that its key is no good."""
    _poked: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _kept: list[tuple[Any, Any]] = field(default_factory=list, repr=False)

    @property
    def event(self) -> str:
        """The event that it is told of."""
        return _KINDS[self.method]

    def wants(self, name: str, row: dict[str, Any]) -> bool:
        """Whether an event of the account is for this program."""
        if name != self.event or name == "balance_updated":
            return name == self.event
        if self.symbols is not None and row["symbol"] not in self.symbols:
            return False
        return self.strategy_id in (None, row["strategy_id"])

    async def run(self, exchange: Any) -> None:
        """Watch until the exchange object is closed, or the key is no good."""
        resume = self.after_seq
        while True:
            before = len(self.got)
            try:
                await self._turn(lambda after=resume: self._call(exchange, after))  # type: ignore[misc]
            except ccxt.ExchangeClosedByUser:
                return
            except ccxt.AuthenticationError:
                self.refused = True
                return
            except ccxt.NetworkError as error:
                self._count(error)
                await asyncio.sleep(1)
            except ccxt.ExchangeError as error:
                if getattr(error, "code", None) != "slow_consumer":
                    raise
                self._count(error, "slow_consumer")
                resume = vars(error)["after_seq"]
                continue
            if len(self.got) > before:
                resume = None
            if self.manner is Manner.SLOW and not self.hurries:
                await asyncio.sleep(self.chance.choice((0, 0.5, 4, 20)))

    def _count(self, error: ccxt.BaseError, name: str | None = None) -> None:
        self.errors[name or type(error).__name__] += 1
        if self.errors.total() > _MOST_ERRORS:
            raise Violation(f"{self.name} is told errors only: {error!r}")

    def _call(self, exchange: Any, after_seq: int | None) -> Awaitable[Any]:
        params: dict[str, Any] = {"watcher": self.name}
        if self.strategy_id is not None:
            params["strategy_id"] = self.strategy_id
        if after_seq is not None:
            params["after_seq"] = after_seq
        method: Callable[..., Awaitable[Any]] = getattr(exchange, self.method)
        if self.method == "watch_balance":
            return method(params)
        symbols: Any = self.symbols
        if self.method in _BY_SYMBOL:
            symbols = None if symbols is None else symbols[0]
        elif symbols is not None:
            symbols = [*symbols]
        if self.method == "watch_position":
            return method(symbols, params)
        return method(symbols, None, self.limit, params)

    async def _turn(self, call: Callable[[], Awaitable[Any]]) -> None:
        """Call, in this program's manner, and take what is given."""
        if self.manner is Manner.IMPATIENT:
            await self._call_in_time(call)
        elif self.manner is Manner.TWINS:
            await self._call_twice(call)
        else:
            self._take(await call())

    async def _call_twice(self, call: Callable[[], Awaitable[Any]]) -> None:
        """Two calls: they are given the same if both have waited, and otherwise one after the other."""
        given: list[Any] = []

        async def one() -> None:
            self._take_unless_taken(await call(), given)

        calls = [asyncio.ensure_future(one()), asyncio.ensure_future(one())]
        try:
            await asyncio.wait(calls)
        finally:
            for each in calls:
                each.cancel()
        for each in calls:
            each.result()

    def _take_unless_taken(self, each: Any, given: list[Any]) -> None:
        if given and each is given[0]:
            raise Violation(f"{self.name}: two calls were given one object")
        if not given or each != given[0]:
            given.append(each)
            self._take(each)

    async def _call_in_time(self, call: Callable[[], Awaitable[Any]]) -> None:
        """A call that is cancelled after a while, or while something is on its way to it."""
        task = asyncio.ensure_future(call())
        self._poked.clear()
        poked = asyncio.ensure_future(self._poked.wait())
        try:
            seconds = self.chance.choice((0, 0.001, 0.05, 1, 15))
            await asyncio.wait({task, poked}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for _ in range(self.chance.randrange(_LONGEST_WAY)):
                await asyncio.sleep(0)
        finally:
            task.cancel()
            poked.cancel()
            await asyncio.wait({task, poked})
            unheard = task.cancelled() or task.exception()
        if unheard is not True:
            self._take(task.result())

    def _take(self, given: Any) -> None:
        if self.method == "watch_balance":
            self._keep(given, given["info"]["changes"])
            return
        rows = [given] if self.method == "watch_position" else given
        if not rows:
            raise Violation(f"{self.name} was given nothing")
        if self.limit is not None and len(rows) > self.limit:
            raise Violation(f"{self.name} was given {len(rows)}, and asked for {self.limit}")
        for row in rows:
            if row["id"] != str(row["info"]["id"]):
                raise Violation(f"{self.name} was given {row}")
        self._keep(rows, [row["info"] for row in rows])

    def _keep(self, given: Any, rows: list[dict[str, Any]]) -> None:
        self.got += copy.deepcopy(rows)
        self._kept.append((given, copy.deepcopy(given)))

    def poke(self) -> None:
        """Something has happened, which it may soon be told of."""
        self._poked.set()

    @property
    def structures(self) -> list[Any]:
        """Everything that it was given, one after the other."""
        return [each for given, _ in self._kept for each in (given if isinstance(given, list) else [given])]

    def check_kept(self) -> None:
        """What it was given has not changed since.

        :raises Violation: it has
        """
        for given, then in self._kept:
            if given != then:
                raise Violation(f"{self.name} was given {then}, which has become {given}")


def watch_of(seed: str, name: str, seq: int, *, initial: bool, twins: bool) -> Watch:
    """A program by chance.

    :param seq: where it begins, if it asks to begin somewhere
    :param initial: whether it begins before anything else happens
    :param twins: whether it may call twice at the same time
    """
    chance = Random(f"{seed} {name}")
    method = chance.choice([*_KINDS])
    several = chance.choice(((SPOT,), (SPOT, SWAP), (OTHER, SWAP), (SPOT, OTHER, SWAP)))
    if method == "watch_balance":
        symbols = None
    elif method in _BY_SYMBOL:
        symbols = chance.choice((None, (SPOT,), (SWAP,)))
    else:
        symbols = several if method.endswith("for_symbols") else chance.choice((None, several))
    of_account = method == "watch_balance"
    strategy_id = None if of_account else chance.choice((None, None, *STRATEGIES))
    limit = None if of_account or method == "watch_position" else chance.choice((None, None, 1, 3))
    after_seq = seq if chance.random() < 0.5 else None
    manner = chance.choice([each for each in Manner if twins or each is not Manner.TWINS])
    return Watch(name, method, symbols, strategy_id, limit, manner, after_seq, initial, chance)
