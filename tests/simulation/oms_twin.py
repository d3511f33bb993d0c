"""An OMS in memory that nothing ever happens to: what the one on the failing machine has to be like."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from unittest import mock

from ccxt_driver.oms import EmbeddedOms, Event, Principal, Reply, service
from ccxt_driver.oms.store import Changes, MemoryStore, RowFilter

from .bookkeeper import Violation
from .oms_traffic import Act, Request

ACCOUNT_IDS = (1, 2, 3)
_EVERYTHING = RowFilter(ACCOUNT_IDS)
_MOST_EVENTS = 100_000


class _CountingStore(MemoryStore):
    """A store in memory that counts, and is treated as one on disk: with the same transactions."""

    durable = True

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0

    def commit(self, changes: Changes) -> None:
        super().commit(changes)
        self.commits += 1


class Heard:
    """Events as a subscriber hears them, by account."""

    def __init__(self) -> None:
        self.of: dict[int, list[str]] = {account_id: [] for account_id in ACCOUNT_IDS}

    def take(self, events: list[Event]) -> None:
        """Hear some more.

        :raises Violation: one that does not follow the last
        """
        for event in events:
            heard = self.of[event.account_id]
            if event.seq != len(heard) + 1:
                raise Violation(f"account {event.account_id}: event {event.seq} comes after {len(heard)}")
            heard.append(text_of(event))


def text_of(event: Event) -> str:
    """All of an event."""
    row = [event.seq, event.ts_ms, event.name, event.strategy_id, event.payload]
    return json.dumps(row, sort_keys=True, default=str)


class Twin:
    """Does at the same times what the other has been told to have done.

    :param options: of the OMS
    """

    def __init__(self, **options: Any) -> None:
        self._store = _CountingStore()
        self._behind = 0
        with mock.patch.object(service, "_store", return_value=self._store):
            self.oms = EmbeddedOms(**options)
        self.heard = Heard()
        for account_id in ACCOUNT_IDS:
            self.heard.take(events_of(self.oms, account_id))
        self.oms.subscribe(self.heard.take)

    def fall_behind(self, transactions: int) -> None:
        """The other has settled something that this one has not been told to."""
        self._behind += transactions

    def settle(self, now: int) -> None:
        """Do what happens by itself up to a moment."""
        self._behind = 0
        self.oms._clock.not_before(now)
        self.oms.tick()

    def do(self, wanted: Request, principal: Principal, now: int) -> Reply:
        """Carry a request out."""
        self.settle(now)
        return wanted.perform(self.oms, principal)

    def act(self, wanted: Act, now: int) -> None:
        """Carry an act out."""
        self.settle(now)
        wanted.perform(self.oms)

    def do_part(self, wanted: Request | Act, principal: Principal, now: int, transactions: int) -> bool:
        """Carry something out as far as it got in so many transactions; whether it was any of it.

        What happens by itself comes before it, and happens in the next life if it did not in this one.
        """
        until = self._store.commits + self._behind + transactions
        self.settle(now)
        if until <= self._store.commits:
            return False
        if isinstance(wanted, Act):
            wanted.perform(self.oms)
        elif not wanted.commands:
            wanted.perform(self.oms, principal)
        for command in wanted.commands if isinstance(wanted, Request) else ():
            if self._store.commits < until:  # each is one
                replace(wanted, body=command).perform(self.oms, principal)
        return True


def picture(oms: EmbeddedOms) -> dict[str, Any]:
    """Everything that is kept, everything live, and what clients are answered."""
    return _kept(oms) | _live(oms) | _answers(oms)


def _kept(oms: EmbeddedOms) -> dict[str, Any]:
    store = oms._core.store
    snapshot = store.load()
    settings = json.loads(json.dumps(snapshot.settings))
    del settings["history"]  # tells one OMS from another: that is what it is for
    return {
        "orders": store.orders(_EVERYTHING)[0],
        "deals": store.deals(_EVERYTHING)[0],
        "positions": store.positions(_EVERYTHING)[0],
        "ledger": store.ledger(_EVERYTHING)[0],
        "accounts": snapshot.accounts,
        "strategies": snapshot.strategies,
        "balances": snapshot.balances,
        "settings": settings,
        "last_seq": snapshot.last_seq,
    }


def _live(oms: EmbeddedOms) -> dict[str, Any]:
    """In the order in which it is gone through: what comes first decides who gets what is there."""
    state = oms._core.state
    found: dict[str, Any] = {
        "expiring": [*state.expiring],
        "deadlines": [(account_id, [*scopes.items()]) for account_id, scopes in state.deadlines.items()],
        "arriving": state.arriving,
        "queues": state.queues,
        "ranks": state.ranks,
        "limits": [*state.limits.items()],
        "counters": state.counters,
        "sessions": {name: session.dump() for name, session in state.sessions.items()},
    }
    for number, account in state.accounts.items():
        found[f"account {number}"] = {
            "orders": [*account.orders],
            "positions": [*account.positions],
            "margin_of": account.margin_of,
            "totals": account.totals,
            "reserved": {name: held for name, held in account.reserved.items() if held},
            "margins": {name: held for name, held in account.margins.items() if held},
            "seq": account.seq,
        }
    for name, symbol in state.symbols.items():
        found[name] = {
            "buys": [order.id for order in symbol.resting.orders("buy")],  # type: ignore[arg-type]
            "sells": [order.id for order in symbol.resting.orders("sell")],  # type: ignore[arg-type]
            "triggers": sorted(symbol.triggers),  # they are gone through by id
            "stops": sorted(symbol.stops),
            "margined": [*symbol.margined],
            "open": symbol.is_open,
        }
    return found


def _answers(oms: EmbeddedOms) -> dict[str, Any]:
    found: dict[str, Any] = {}
    everybody = {"account_ids": "1,2,3"}
    for endpoint in ("orders_open", "positions_open"):
        found[endpoint] = oms.handle(endpoint, {}, everybody, None).body
    found["accounts and strategies"] = [
        oms.handle(name, {}, {}, None).body for name in ("accounts", "strategies")
    ]
    for account_id in ACCOUNT_IDS:
        path = {"account_id": str(account_id), "func": "fetch_balance"}
        found[f"balance {account_id}"] = oms.handle("ccxt_call", path, {}, {}).body
        found[f"limits {account_id}"] = oms.limits(account_id)
        found[f"risk {account_id}"] = oms.handle(
            "risk_strategies", {"account_id": str(account_id)}, {}, None
        ).body
    return found


def events_of(oms: EmbeddedOms, account_id: int, after: int = 0) -> list[Event]:
    """The events of an account that are kept."""
    found = oms.events(account_id, after, _MOST_EVENTS)
    if found is None:
        raise Violation(f"account {account_id}: the events after {after} cannot be continued")
    return found
