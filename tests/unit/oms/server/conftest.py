from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ccxt_driver.oms.entities import OWNER, Event, Principal
from ccxt_driver.oms.keys import KeyRing
from ccxt_driver.oms.market_news import MarketNews
from ccxt_driver.oms.store import Changes, MemoryStore


@dataclass
class ScriptedReply:
    status: int
    body: Any


class ScriptedOms:
    """An OMS whose events are made by the test, to bring about what a real one does rarely."""

    def __init__(self, keep_events: int = 10_000) -> None:
        self.store = MemoryStore(keep_events)
        self.keys = KeyRing(self.store, lambda: 0)
        self.lock = threading.RLock()
        self.callbacks: list[Callable[[list[Event]], None]] = []
        self.followers: list[Callable[[MarketNews], None]] = []
        self.answers: dict[str, Callable[..., ScriptedReply]] = {}
        self.ticks = 0

    def handle(
        self,
        endpoint: str,
        path: Mapping[str, Any],
        query: Mapping[str, Any],
        body: Any,
        principal: Principal = OWNER,
    ) -> ScriptedReply:
        return self.answers[endpoint](path, query, body, principal)

    def subscribe(self, callback: Callable[[list[Event]], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def subscribe_prices(self, callback: Callable[[MarketNews], None]) -> Callable[[], None]:
        self.followers.append(callback)
        return lambda: self.followers.remove(callback)

    def move(self, news: MarketNews) -> None:
        for callback in list(self.followers):
            callback(news)

    def last_seq(self, account_id: int) -> int:
        return self.store.load().last_seq.get(account_id, 0)

    def events(self, account_id: int, after_seq: int, limit: int) -> list[Event] | None:
        return self.store.events(account_id, after_seq, limit)

    def tick(self) -> None:
        self.ticks += 1

    def write(self, *strategies: int | None, account_id: int = 1) -> list[Event]:
        """Commit one event for each strategy, and tell nobody."""
        last = self.last_seq(account_id)
        events = [
            Event(
                account_id, last + n, 0, "order_updated", {"account_id": account_id, "n": last + n}, strategy
            )
            for n, strategy in enumerate(strategies, 1)
        ]
        self.store.commit(Changes(events=events))
        return events

    def tell(self, events: list[Event]) -> None:
        for callback in list(self.callbacks):
            callback(events)

    def emit(self, *strategies: int | None) -> None:
        self.tell(self.write(*strategies))


@pytest.fixture
def oms() -> ScriptedOms:
    return ScriptedOms()


@pytest.fixture
def make_oms() -> Callable[[int], ScriptedOms]:
    return ScriptedOms
