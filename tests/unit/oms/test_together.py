"""Requests that share one write to the disk: told and acknowledged after it, and undone with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import EmbeddedOms, sqlite_journal
from ccxt_driver.oms.entities import Principal
from ccxt_driver.oms.json_text import loads
from ccxt_driver.oms.service import CommandRequest
from ccxt_driver.oms.sqlite_journal import Journal
from tests.helpers.auditor import SPOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oms.sqlite"


@pytest.fixture
def desk(make_desk: Callable[..., Any], path: Path) -> Any:
    return make_desk(db=path)


def send(desk: Any, *given: Any, **more: Any) -> CommandRequest:
    return CommandRequest(
        {}, {"account_id": 1, "command": "send_order", "payload": desk.order(*given, **more)}, request_id="r"
    )


def everything(oms: EmbeddedOms) -> list[Any]:
    def get(name: str, **query: Any) -> Any:
        return oms.handle(name, {}, query, None).body

    lists = [get(name, account_ids="1,2,3", since_ms=0) for name in ("orders_history", "deals", "ledger")]
    lists += [get(name, account_ids="1,2,3") for name in ("orders_open", "positions_open")]
    return [*lists, oms.last_seq(1), oms._core.settled_at]


def statuses(replies: list[Any]) -> list[int]:
    return [reply.status for reply in replies]


def writes(statements: list[str]) -> list[str]:
    """What has changed the file."""
    return [text.partition(" (")[0] for text in statements if not text.startswith("SELECT")]


def test_what_was_done_in_the_same_group_counts_for_the_limits_of_a_strategy(desk: Any) -> None:
    desk.oms.set_limits(1, {"max_position_qty": "1"}, strategy_id=2)
    desk.send("sell", "3", strategy_id=1)
    orders = [send(desk, "buy", "0.6", strategy_id=2), send(desk, "sell", "0.6", strategy_id=2)]
    assert statuses(desk.oms.run_together([*orders, *orders[:1] * 2])) == [200, 200, 200, 409]


def test_several_requests_share_one_commit(desk: Any) -> None:
    statements: list[str] = []
    desk.oms._core.store._connection.set_trace_callback(statements.append)
    replies = desk.oms.run_together([send(desk, "buy", "1", client_order_id=f"c{n}") for n in range(5)])
    assert statuses(replies) == [200] * 5
    assert [reply.body["results"][0]["order_id"] for reply in replies] == [1, 2, 3, 4, 5]
    assert writes(statements) == ["INSERT INTO journal"]


def test_a_list_of_commands_shares_one_commit_too(desk: Any) -> None:
    statements: list[str] = []
    desk.oms._core.store._connection.set_trace_callback(statements.append)
    [reply] = desk.oms.run_together([CommandRequest({}, [send(desk, "buy", "1").body] * 3)])
    assert [result["ok"] for result in reply.body["results"]] == [True] * 3
    assert writes(statements) == ["INSERT INTO journal"]


def test_requests_see_each_other_and_are_refused_apart(desk: Any) -> None:
    replies = desk.oms.run_together(
        [
            send(desk, "buy", "1", client_order_id="same"),
            send(desk, "buy", "1", client_order_id="same"),
            send(desk, "buy", "1000000"),
            CommandRequest({}, {"account_id": 1, "command": "nonsense", "payload": {}}),
            send(desk, "sell", "1", client_order_id="other"),
        ]
    )
    assert statuses(replies) == [200, 200, 422, 422, 200]
    assert replies[1].body["results"][0]["duplicate"] is True
    assert desk.positions() == []


def test_nobody_is_told_before_it_is_on_the_disk(desk: Any, path: Path) -> None:
    told: list[int] = []

    def look(events: list[Any]) -> None:
        with closing(sqlite3.connect(path)) as other:
            [last] = other.execute("SELECT changes FROM journal ORDER BY id DESC LIMIT 1").fetchone()
        told.extend(event.seq for event in events)
        kept = {values[1] for record in loads(last) for values in record[5]}
        assert kept == {event.seq for event in events}

    desk.oms.subscribe(look)
    desk.oms.run_together([send(desk, "buy", "1"), send(desk, "buy", "1", "90")])
    assert told == sorted(told)
    assert told[-1] == desk.oms.last_seq(1)


def _refused_by_the_disk(self: Journal) -> None:
    raise sqlite3.OperationalError("disk I/O error")


def test_a_commit_that_fails_fails_all_and_leaves_memory_as_the_file_is(
    desk: Any, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk.price(SPOT, "100", "101", size="3")
    resting = desk.send("buy", "1", "90")
    before = everything(desk.oms)
    group = [
        send(desk, "buy", "2", client_order_id="x"),
        CommandRequest(
            {}, {"account_id": 1, "command": "cancel_order", "payload": {"order_id": resting["id"]}}
        ),
        CommandRequest(
            {}, [send(desk, "buy", "1").body, send(desk, "buy", "1000000").body], request_id="list"
        ),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_sync", _refused_by_the_disk)
        desk.events.clear()
        replies = desk.oms.run_together(group)
    assert statuses(replies) == [503] * 3
    details = [reply.body["detail"] for reply in replies]
    assert {detail["code"] for detail in details} == {"engine_unavailable"}
    assert [detail["request_id"] for detail in details] == ["r", None, "list"]
    assert [len(detail["results"]) for detail in details] == [1, 1, 2]
    assert not any(result["ok"] or result.get("order") for detail in details for result in detail["results"])
    assert desk.events == []
    assert "could not be written" in caplog.text
    assert everything(desk.oms) == before
    # Three are for sale as before, and the ids and the client order id are free.
    assert statuses(desk.oms.run_together(group)) == [200, 200, 207]
    after = everything(desk.oms)
    desk.oms.close()
    with EmbeddedOms(db=path, clock="manual") as again:
        assert everything(again)[:-1] == after[:-1]


def test_a_group_that_cannot_even_begin_is_refused(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Journal) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    requests = [send(desk, "buy", "1"), CommandRequest({}, [send(desk, "buy", "1").body] * 2)]
    before = everything(desk.oms)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_wait_again", fails)
        replies = desk.oms.run_together(requests)
    assert statuses(replies) == [503, 503]
    assert {reply.body["detail"]["code"] for reply in replies} == {"engine_unavailable"}
    assert everything(desk.oms) == before
    assert statuses(desk.oms.run_together(requests)) == [200, 200]


def test_what_happened_by_itself_in_a_group_that_failed_happens_again(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expiring = desk.send("buy", "1", "90", time_in_force="GTD", expire_at=desk.oms.now_ms() + 1000)
    desk.oms._clock.advance(2000)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_sync", _refused_by_the_disk)
        desk.oms.run_together([send(desk, "buy", "1"), send(desk, "buy", "1")])
    assert desk.order_row(expiring["id"])["status"] == "CANCELED"


def test_a_command_that_cannot_be_written_fails_alone(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    group = [send(desk, "buy", "1") for _ in range(3)]
    real = sqlite_journal.dumps_whole

    def fails_on_the_second(record: Any) -> bytes:
        if any(order[0] == 2 for order in record[1]):
            monkeypatch.undo()
            raise TypeError("Integer exceeds 64-bit range")
        return real(record)

    monkeypatch.setattr(sqlite_journal, "dumps_whole", fails_on_the_second)
    assert statuses(desk.oms.run_together(group)) == [200, 503, 200]
    assert [row["id"] for row in desk.get("orders_history", account_ids=1, since_ms=0)["items"]] == [1, 2]
    assert desk.positions()[0]["qty"] == "2"


def test_a_transaction_that_sqlite_gives_up_is_lost_whole(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk rolls back tables that were written for a read in the group: nothing of it counts."""
    before = everything(desk.oms)
    real = EmbeddedOms.handle

    def reads_and_is_rolled_back(self: EmbeddedOms, *given: Any) -> Any:
        reply = real(self, *given)
        if self._core._shared is not None and len(self._core._shared) == 2:
            real(self, "deals", {}, {"account_ids": "1", "since_ms": 0}, None)
            self._core.store._connection.execute("ROLLBACK")
        return reply

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedOms, "handle", reads_and_is_rolled_back)
        replies = desk.oms.run_together([send(desk, "buy", "1") for _ in range(3)])
    assert statuses(replies) == [503] * 3
    assert everything(desk.oms) == before
    assert statuses(desk.oms.run_together([send(desk, "buy", "1") for _ in range(2)])) == [200] * 2


def test_a_group_reads_what_it_has_done(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same order again reads the first one's rows, of which the disk has nothing yet."""
    desk.send("buy", "1", "90")  # is in the journal
    again = send(desk, "buy", "1", client_order_id="same")
    before = desk.oms.last_seq(1)
    replies = desk.oms.run_together([again, again, again])
    assert [reply.body["results"][0].get("duplicate", False) for reply in replies] == [False, True, True]
    assert replies[1].body["results"][0]["deals"] == replies[0].body["results"][0]["deals"] != []
    events = desk.oms.events(1, before, 100)
    assert [event.seq for event in events] == [*range(before + 1, desk.oms.last_seq(1) + 1)]


def test_a_file_that_stays_busy_is_not_waited_for_by_each(
    desk: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    connection = desk.oms._core.store._connection
    connection.execute("PRAGMA busy_timeout = 1")
    connection.set_trace_callback(lambda text: tried.extend(writes([text])))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    replies = desk.oms.run_together([send(desk, "buy", "1") for _ in range(3)])
    other.execute("ROLLBACK")
    other.close()
    assert statuses(replies) == [503] * 3
    waits = [text for text in tried if not text.startswith("PRAGMA")]
    assert waits == ["INSERT INTO journal", "BEGIN IMMEDIATE"]  # to write, and to know what was written
    assert statuses(desk.oms.run_together([send(desk, "buy", "1") for _ in range(2)])) == [200] * 2


def test_an_interrupt_leaves_nothing_half_done(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(desk.oms)
    real = EmbeddedOms.handle

    def interrupted(self: EmbeddedOms, endpoint: str, *given: Any) -> Any:
        if given[-1] == "stop":
            raise KeyboardInterrupt
        return real(self, endpoint, *given)

    group = [send(desk, "buy", "1"), send(desk, "buy", "1")._replace(request_id="stop")]
    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedOms, "handle", interrupted)
        desk.events.clear()
        with pytest.raises(KeyboardInterrupt):
            desk.oms.run_together(group)
    assert desk.events == []
    assert everything(desk.oms) == before


def test_in_memory_there_is_nothing_to_share(make_desk: Callable[..., Any]) -> None:
    desk = make_desk()
    assert not desk.oms.durable
    assert statuses(desk.oms.run_together([send(desk, "buy", "1"), send(desk, "buy", "1")])) == [200, 200]


def test_a_closed_oms_refuses_each(desk: Any) -> None:
    desk.oms.close()
    group = [CommandRequest({}, {}, Principal()), CommandRequest({}, {}, Principal())]
    assert statuses(desk.oms.run_together(group)) == [503, 503]
