"""Nothing is left of what was streamed; the whole measure is `python -m tests.simulation.stream_leaks`."""

from __future__ import annotations

from typing import Any

import pytest

from ccxt_driver.exchange.streams.client import OmsClient
from ccxt_driver.exchange.streams.watching import Watcher

from .stream_leaks import measure


def test_thousands_of_events_and_tens_of_reconnects_leave_nothing() -> None:
    grown, changes = measure(1_500, 30)

    assert grown == {}
    assert changes > 1_500


def test_what_is_kept_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    made = OmsClient.__init__
    offer = Watcher.offer

    def keeping(self: OmsClient, *given: Any) -> None:
        made(self, *given)
        kept.append(self)

    def hoarding(self: Watcher[Any], item: Any) -> None:
        kept.append(item)
        offer(self, item)

    monkeypatch.setattr(OmsClient, "__init__", keeping)
    monkeypatch.setattr(Watcher, "offer", hoarding)
    grown, _ = measure(1_000, 40)
    assert "ccxt_driver.exchange.streams.client.OmsClient" in grown
    assert "ccxt_driver.exchange.streams.changes.Change" in grown
    assert "kilobytes" in grown
