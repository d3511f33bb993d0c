"""A server that is killed loses nothing that it has acknowledged; see `kills`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccxt_driver.oms import EmbeddedOms
from tests.helpers.auditor import SPOT

from .kills import Journal, audit, new_file, run

KILLS = 10


@pytest.mark.sockets
def test_ten_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    journal, rows = run(tmp_path, KILLS, "ci")
    assert rows["orders"] >= len(journal.answered) > 100
    assert journal.deals
    assert sum(map(len, journal.events.values())) > 100


def _traded(tmp_path: Path) -> Journal:
    """A file with one order of a client, and what the client knows."""
    new_file(tmp_path / "oms.sqlite")
    journal = Journal()
    payload = {"symbol": SPOT, "side": "buy", "order_type": "market", "qty": "0.1", "client_order_id": "a"}
    command = {"account_id": 1, "command": "send_order", "payload": payload}
    with EmbeddedOms(db=tmp_path / "oms.sqlite", clock="manual", start_ms=0) as oms:
        journal.note(command, oms.handle("commands", {}, {}, command).body["results"][0])
    return journal


def test_the_audit_finds_what_is_missing(tmp_path: Path) -> None:
    journal = _traded(tmp_path)
    audit(tmp_path / "oms.sqlite", journal)
    journal.answered["b"] = journal.answered["a"]
    with pytest.raises(KeyError, match="b"):
        audit(tmp_path / "oms.sqlite", journal)


def test_the_audit_finds_what_nobody_sent(tmp_path: Path) -> None:
    journal = _traded(tmp_path)
    journal.refused.add("a")
    del journal.answered["a"]
    with pytest.raises(AssertionError, match="nobody sent"):
        audit(tmp_path / "oms.sqlite", journal)


def test_the_audit_finds_an_event_that_came_before_its_commit(tmp_path: Path) -> None:
    journal = _traded(tmp_path)
    journal.events[2] = [{"seq": seq, "prev_seq": seq - 1} for seq in range(1, 100)]
    with pytest.raises(AssertionError, match="before its commit"):
        audit(tmp_path / "oms.sqlite", journal)
