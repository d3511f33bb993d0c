"""Events that are read again come from the journal, which keeps its entries for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from ccxt_driver.contract.commands import Side
from ccxt_driver.oms.entities import Event, Order, RowEvent
from ccxt_driver.oms.json_text import loads
from ccxt_driver.oms.sqlite_store import SqliteStore
from ccxt_driver.oms.store import Changes
from tests.helpers.killed_file import killed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oms.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path, keep_events=300)
    yield store
    store.close()


def told(*events: tuple[int, int]) -> Changes:
    """A commit that only tells something: accounts and numbers of its events."""
    return Changes(events=[Event(account, seq, 5, "note", {"seq": seq}, None) for account, seq in events])


def numbers(store: SqliteStore, account_id: int, after_seq: int, limit: int = 10_000) -> list[int] | None:
    found = store.events(account_id, after_seq, limit)
    return None if found is None else [event.seq for event in found]


def entries(store: SqliteStore) -> int:
    [count] = store._connection.execute("SELECT count(*) FROM journal").fetchone()
    assert isinstance(count, int)
    return count


def after_a_kill(path: Path) -> SqliteStore:
    """The store that is found after the process was killed now."""
    return SqliteStore(killed(path), keep_events=300)


def test_what_is_read_again_is_what_was_told(make_desk: Callable[..., Any], path: Path) -> None:
    """Word for word, also after a kill: rows of orders and deals are made anew from what was written."""
    desk = make_desk(db=path)
    heard: list[Event] = []
    desk.oms.subscribe(heard.extend)
    desk.send("buy", "2", oms_stop_loss="80", oms_stop_gain="300")
    desk.send("buy", "1", "90", client_order_id='it\'s "mine"\n', comment="ü")
    desk.send("sell", "3")
    for side in ("buy", "sell", "buy"):
        desk.send(side, "1", account=2)
    hedged = [row["id"] for row in desk.get("positions_open", account_ids=2)["items"]]
    desk.run("close_by", 2, position_id_a=hedged[0], position_id_b=hedged[1])
    after = after_a_kill(path)
    for account_id in (1, 2):
        wanted = [event for event in heard if event.account_id == account_id]
        assert len({event.name for event in wanted}) > 3
        for store in (desk.oms._core.store, after):
            assert store.events(account_id, wanted[0].seq - 1, 1000) == wanted
    after.close()


def test_a_row_is_written_once(store: SqliteStore) -> None:
    order = Order(1, 1, "BTC/USDT", Side.BUY, "limit", Decimal(1), 5)
    store.commit(Changes(orders={1: order}, events=[RowEvent(1, 1, 5, "order_updated", order.row(), 0)]))
    [(text,)] = store._connection.execute("SELECT changes FROM journal").fetchall()
    assert loads(text)[0][5] == [[1, 1, 5, "order_updated", 1, 0]]
    assert store.events(1, 0, 10) == [Event(1, 1, 5, "order_updated", order.row(), 0)]


def test_events_of_a_commit_of_thousands_are_read_again_at_once(store: SqliteStore) -> None:
    """A price that fills all that rests makes one, and whoever is read to by hundreds asks many times."""
    rows = {
        number: Order(number, 1, "BTC/USDT", Side.BUY, "limit", Decimal(1), 5) for number in range(1, 8001)
    }
    events = [RowEvent(1, number, 5, "order_updated", row.row(), 0) for number, row in rows.items()]
    store._keep_events = 8000
    store.commit(Changes(orders=rows, events=list[Event](events)))
    store.catch_up()
    started = process_time()
    found = [event for after in range(0, 8000, 500) for event in store.events(1, after, 500) or ()]
    assert process_time() - started < 3
    assert found == events


def test_what_is_too_old_is_forgotten_account_by_account(store: SqliteStore, path: Path) -> None:
    """An account of which nothing is heard any more keeps its events, and costs no more than them."""
    store.commit(told((1, 1), (2, 1)))
    for seq in range(2, 2_000):
        store.commit(told((1, seq)))
    assert entries(store) < 300 + 256 + 192 + 2
    assert numbers(store, 1, 1_500) is None
    assert numbers(store, 1, 1_700) == [*range(1_701, 2_000)]
    assert numbers(store, 1, 1_995, limit=2) == [1_996, 1_997]
    assert numbers(store, 2, 0) == [1]
    after = after_a_kill(path)
    assert after.load().last_seq == {1: 1_999, 2: 1}
    assert numbers(after, 2, 0) == [1]
    after.close()


@pytest.mark.parametrize("gone", [1, 3, 5])
def test_nobody_goes_on_behind_events_that_are_gone(store: SqliteStore, gone: int) -> None:
    """From a file that was damaged: whoever asks is told so, and reads the state anew."""
    for seq in range(1, 6):
        store.commit(told((1, seq)))
    store.catch_up()
    store._connection.execute("DELETE FROM journal WHERE id = ?", (gone,))
    for after_seq in range(6):
        wanted = None if after_seq < gone else [*range(after_seq + 1, 6)]
        assert numbers(store, 1, after_seq) == wanted
        near = after_seq < gone <= after_seq + 2
        assert numbers(store, 1, after_seq, limit=2) == (
            None if near else [*range(after_seq + 1, min(after_seq + 3, 6))]
        )


def test_an_entry_without_events_goes_when_its_rows_are_in_the_tables(store: SqliteStore, path: Path) -> None:
    store.commit(told((1, 1)))
    for number in range(3):
        store.commit(Changes(settings={"a": number}))
    store.catch_up()
    assert entries(store) == 1
    store.commit(Changes(settings={"a": 7}))
    after = after_a_kill(path)
    assert after.load().settings == {"a": 7}
    after.commit(told((1, 2)))
    assert numbers(after, 1, 0) == [1, 2]
    after.close()


@pytest.mark.parametrize("fails", [False, True])
def test_commits_that_share_a_write_and_read_each_other(store: SqliteStore, path: Path, fails: bool) -> None:
    store.commit(told((1, 1)))

    def several() -> None:
        with store.together():
            store.commit(told((1, 2), (1, 3)))
            assert numbers(store, 1, 0) == [1, 2, 3]
            store.commit(told((1, 4)))
            assert numbers(store, 1, 0) == [1, 2, 3, 4]
            store.commit(told((1, 5)))
            if fails:
                raise RuntimeError

    if fails:
        with pytest.raises(RuntimeError):
            several()
        store.load()  # as an OMS does then
        store.commit(told((1, 2)))
    else:
        several()
    wanted = [1, 2] if fails else [1, 2, 3, 4, 5]
    after = after_a_kill(path)
    assert numbers(after, 1, 0) == wanted == numbers(store, 1, 0)
    store.commit(told((1, len(wanted) + 1)))
    assert numbers(store, 1, 0) == [*wanted, len(wanted) + 1]
    after.close()
