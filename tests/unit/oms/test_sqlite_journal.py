"""Commits that are on disk, and in the tables later."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.contract.commands import Side
from ccxt_driver.oms.entities import Account, Claim, Event, Order, PositionMode
from ccxt_driver.oms.json_text import dumps, loads
from ccxt_driver.oms.maintenance import check
from ccxt_driver.oms.sqlite_file import APPLICATION_ID, MIGRATIONS
from ccxt_driver.oms.sqlite_outbox import IN_THE_TABLES
from ccxt_driver.oms.sqlite_store import SqliteStore
from ccxt_driver.oms.store import Changes, RowFilter, StoreError, StoreUnusable
from tests.helpers.killed_file import killed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oms.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path, keep_events=5)
    yield store
    store.close()


def order(order_id: int, at: int = 5) -> Changes:
    name = f"c{order_id}"
    row = Order(order_id, 1, "BTC/USDT", Side.BUY, "limit", Decimal(1), at, client_order_id=name)
    return Changes(
        orders={order_id: row},
        claims=[Claim(1, name, order_id, order_id, "f", 0)],
        balances={(1, "USDT"): Decimal(order_id)},
        events=[Event(1, order_id, at, "order_updated", {"id": order_id}, 0)],
        settings={"counters": {"order": order_id}},
    )


def in_the_tables(store: SqliteStore) -> int:
    [count] = store._connection.execute("SELECT count(*) FROM orders").fetchone()
    assert isinstance(count, int)
    return count


def in_the_journal(store: SqliteStore) -> int:
    """How many entries wait for the tables."""
    query = f"SELECT count(*) FROM journal WHERE id > {IN_THE_TABLES}"
    [count] = store._connection.execute(query).fetchone()
    assert isinstance(count, int)
    return count


def test_a_commit_is_in_the_journal_and_a_read_brings_it_into_the_tables(store: SqliteStore) -> None:
    for order_id in (1, 2, 3):
        store.commit(order(order_id))
    assert (in_the_tables(store), in_the_journal(store)) == (0, 3)
    assert [row.id for row in store.orders(RowFilter((1,)))[0]] == [1, 2, 3]
    assert (in_the_tables(store), in_the_journal(store)) == (3, 0)


def test_a_claim_is_known_before_it_is_in_the_tables(store: SqliteStore) -> None:
    store.commit(order(1))
    claim = store.claim(1, "c1")
    assert claim is not None
    assert claim.order_id == 1
    with pytest.raises(StoreError, match="claimed already"):
        store.commit(Changes(claims=[Claim(1, "c1", 2, 2, "f", 0)]))
    assert in_the_tables(store) == 0


def test_what_the_tables_lack_after_a_kill_is_in_the_journal(store: SqliteStore, path: Path) -> None:
    for order_id in (1, 2):
        store.commit(order(order_id))
    store.catch_up()
    for order_id in (3, 4):
        store.commit(order(order_id))
    after = SqliteStore(killed(path))
    snapshot = after.load()
    assert [row.id for row in snapshot.open_orders] == [1, 2, 3, 4]
    assert snapshot.balances == {(1, "USDT"): Decimal(4)}
    assert snapshot.settings == {"counters": {"order": 4}}
    assert snapshot.last_seq == {1: 4}
    assert in_the_journal(after) == 0
    after.commit(order(5))
    assert [event.seq for event in after.events(1, 0, 10) or ()] == [1, 2, 3, 4, 5]
    after.close()


def test_a_commit_that_a_power_cut_has_lost_does_not_come_back(store: SqliteStore, path: Path) -> None:
    """It is whole in the log, behind a page that is not; and opening the file writes that page again."""
    store.commit(order(1))
    length = path.with_name("oms.sqlite-wal").stat().st_size
    store.catch_up()
    store.commit(order(2))
    first = killed(path, "first.sqlite")
    with first.with_name("first.sqlite-wal").open("r+b") as log:
        log.seek(length + 100)
        log.write(b"lost")
    after = SqliteStore(first)
    assert [row.id for row in after.load().open_orders] == [1]
    second = SqliteStore(killed(first, "second.sqlite"))
    assert [row.id for row in second.load().open_orders] == [1]
    second.close()
    after.close()


def test_a_log_that_was_being_written_into_the_file_is_written_again(store: SqliteStore, path: Path) -> None:
    """By a process that was killed then, or had no room: the first page tells of more than there are yet."""
    store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for order_id in range(1, 50):
        store.commit(order(order_id))
    store.catch_up()
    after, whole = killed(path), killed(path, "whole.sqlite")
    connection = sqlite3.connect(whole)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    size = after.stat().st_size
    assert whole.stat().st_size > size
    after.write_bytes(whole.read_bytes()[:size])
    check(killed(after, "checked.sqlite"))  # these rows make no books, but they are read
    opened = SqliteStore(after)
    assert len(opened.load().open_orders) == 49
    opened.close()


def test_the_last_of_several_writes_of_a_row_counts(store: SqliteStore) -> None:
    store.commit(order(1))
    changed = order(2)
    row = order(1).orders[1]
    row.qty = Decimal(7)
    changed.orders[1] = row
    store.commit(changed)
    assert [row.qty for row in store.orders_by_id([1, 2])] == [Decimal(7), Decimal(1)]
    assert store.load().balances == {(1, "USDT"): Decimal(2)}


def test_the_journal_does_not_grow_for_ever(store: SqliteStore) -> None:
    for order_id in range(1, 600):
        store.commit(order(order_id))
    assert in_the_journal(store) < 200
    events = store.events(1, 595, 10)
    assert events is not None
    assert [event.seq for event in events] == [596, 597, 598, 599]


def test_accounts_are_in_the_tables_at_once(store: SqliteStore) -> None:
    """Whoever makes a key in another process looks for them there."""
    store.commit(Changes(accounts={1: Account(1, PositionMode.HEDGE)}))
    assert store._connection.execute("SELECT id FROM accounts").fetchall() == [(1,)]


def test_what_could_not_be_read_again_is_refused_at_once(store: SqliteStore) -> None:
    store.commit(order(1))
    with pytest.raises(TypeError, match="64-bit"):
        store.commit(order(2, at=2**63))
    store.commit(order(2))
    assert [row.id for row in store.orders(RowFilter((1,)))[0]] == [1, 2]


class _FullDisk:
    """A connection that cannot bring anything to the disk."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, statement: str, *values: Any) -> Any:
        alone = statement.startswith("INSERT") and not self._real.in_transaction
        if alone or statement == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return self._real.execute(statement, *values)


def test_a_full_disk_keeps_nobody_from_reading(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    store.commit(order(1))
    real = store._journal._connection
    store._journal._connection = _FullDisk(real)  # type: ignore[assignment]
    with pytest.raises(StoreError, match="full"):
        store.commit(order(2))
    assert [row.id for row in store.load().open_orders] == [1]
    assert [row.id for row in store.orders(RowFilter((1,)))[0]] == [1]
    assert caplog.text.count("the journal keeps what they lack") == 1  # a server tries four times a second
    store._journal._connection = real
    store.commit(order(2))
    assert [row.id for row in store.orders(RowFilter((1,)))[0]] == [1, 2]
    assert in_the_journal(store) == 0
    store.commit(order(3))
    store._journal._connection = _FullDisk(real)  # type: ignore[assignment]
    store.catch_up()
    assert caplog.text.count("the journal keeps what they lack") == 2
    store._journal._connection = real


class Interrupted:
    """A connection on which Ctrl-C comes when SQLite is done with a statement.

    :param begins: the statement's first words
    :param again: whether the next statement is interrupted before it is begun
    """

    def __init__(self, connection: sqlite3.Connection, begins: str, again: bool = False) -> None:
        self._connection, self._begins, self._again = connection, begins, again
        self._came = False

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if self._came and self._again:
            self._again = False
            raise sqlite3.OperationalError("disk I/O error")
        cursor = self._connection.execute(statement, *values)
        if statement.startswith(self._begins) and not self._came:
            self._came = True
            raise KeyboardInterrupt
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def interrupt(store: SqliteStore, begins: str, again: bool = False) -> None:
    store._connection = store._journal._connection = Interrupted(store._connection, begins, again)  # type: ignore[assignment]


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("tables", [False, True])
def test_a_commit_that_is_interrupted_on_the_disk_has_not_happened(
    store: SqliteStore, path: Path, tables: bool, stays: bool
) -> None:
    """It stood beside the next one, with the same ids: after a kill nobody could open the file."""
    store.commit(order(1))
    if tables:
        store.catch_up()
    interrupt(store, "INSERT INTO journal", again=stays)
    with pytest.raises(KeyboardInterrupt):
        store.commit(order(2))
    assert in_the_journal(store) == (not tables) + stays
    changes = order(2)
    changes.claims = [Claim(1, "other", 2, 2, "f", 0)]
    store.commit(changes)
    after = SqliteStore(killed(path))
    assert [row.id for row in after.load().open_orders] == [1, 2]
    assert (after.claim(1, "c2"), after.load().last_seq) == (None, {1: 2})
    after.close()


def test_a_commit_of_several_that_is_interrupted_on_the_disk_has_not_happened(
    store: SqliteStore, path: Path
) -> None:
    store.commit(order(1))
    interrupt(store, "INSERT INTO journal")

    def several() -> None:
        with store.together():
            for order_id in (2, 3):
                store.commit(order(order_id))

    with pytest.raises(KeyboardInterrupt):
        several()
    after = SqliteStore(killed(path))
    assert [row.id for row in after.load().open_orders] == [1]
    after.close()


@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize("after_the_read", [False, True])
@pytest.mark.parametrize("begins", ["COMMIT", "PRAGMA cache_size"])
def test_commits_with_a_read_between_that_are_interrupted_on_the_disk_stay(
    store: SqliteStore, path: Path, waiting: bool, after_the_read: bool, begins: str
) -> None:
    """The tables have them then. The next commit took the place of their entry, and a kill lost it."""
    store.commit(order(1))
    if not waiting:
        store.catch_up()
    store._journal._writes = 63  # the next one lengthens the log
    interrupt(store, begins)

    def several() -> None:
        with store.together():
            store.commit(order(2))
            store.load()
            if after_the_read:
                store.commit(order(3))

    with pytest.raises(KeyboardInterrupt):
        several()
    ids = [1, 2, 3] if after_the_read else [1, 2]
    assert [row.id for row in store.load().open_orders] == ids
    ids.append(len(ids) + 1)
    store.commit(order(ids[-1]))
    after = SqliteStore(killed(path), keep_events=5)
    for each in (after, store):
        assert [row.id for row in each.load().open_orders] == ids
        assert [event.seq for event in each.events(1, 0, 10) or ()] == ids
    after.close()


def test_an_entry_that_is_gone_hides_none_that_comes(path: Path) -> None:
    """Of a file that was damaged, and saved without its last pages: what came next was lost by a kill."""
    store = SqliteStore(path)
    for order_id in (1, 2):
        store.commit(order(order_id))
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM journal")
        connection.commit()
    store = SqliteStore(path)
    store.load()
    store.commit(order(3))
    after = SqliteStore(killed(path))
    assert [row.id for row in after.load().open_orders] == [1, 2, 3]
    after.close()
    store.close()


def test_tables_that_were_written_when_a_read_is_interrupted_are_not_written_again(
    store: SqliteStore,
) -> None:
    """Their claims were there already, and nothing could be read any more before the next start."""
    store.commit(order(1))
    interrupt(store, "COMMIT")
    with pytest.raises(KeyboardInterrupt):
        store.load()
    store.commit(order(2))
    assert [row.id for row in store.load().open_orders] == [1, 2]
    assert (in_the_tables(store), in_the_journal(store)) == (2, 0)


def test_a_read_that_was_left_in_the_middle_is_taken_back(store: SqliteStore, path: Path) -> None:
    """Ctrl-C may come between any two steps of Python, so that the end of the read does not run."""
    store.commit(order(1))
    left = store._journal.reading()
    left.__enter__()
    store.commit(order(2))
    again = store._journal.reading()
    again.__enter__()
    assert [row.id for row in store.load().open_orders] == [1, 2]
    assert (in_the_tables(store), in_the_journal(store)) == (2, 0)
    with store.together():
        store.commit(order(3))
    after = SqliteStore(killed(path))
    assert [row.id for row in after.load().open_orders] == [1, 2, 3]
    after.close()


def test_every_commit_is_durable_again_after_the_tables_were_written(store: SqliteStore) -> None:
    for order_id in range(1, 100):
        store.commit(order(order_id))
        if order_id % 30 == 0:
            store.catch_up()
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert not store._connection.in_transaction


def test_a_busy_store_has_a_log_of_full_length(store: SqliteStore, path: Path) -> None:
    log = path.with_name("oms.sqlite-wal")
    for order_id in range(1, 60):
        store.commit(order(order_id))
    short = log.stat().st_size
    pages = store._connection.execute("PRAGMA page_count").fetchone()
    for order_id in range(60, 70):
        store.commit(order(order_id))
    assert log.stat().st_size > max(2 * short, 4_000_000)
    assert store._connection.execute("PRAGMA page_count").fetchone()[0] < pages[0] + 20  # the file is not


def test_a_journal_that_cannot_be_read_is_told(path: Path) -> None:
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO journal (changes) VALUES (x'5b')")
    connection.commit()
    connection.close()
    with pytest.raises(StoreUnusable, match="cannot be read"):
        SqliteStore(path)
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM journal")
    connection.commit()
    connection.close()
    SqliteStore(path).close()


def test_a_journal_of_an_older_version_lacks_columns(store: SqliteStore, path: Path) -> None:
    """Its process was killed, and the tables came to have more columns since."""
    store.commit(order(1))
    [(text,)] = store._connection.execute("SELECT changes FROM journal").fetchall()
    record = loads(text)
    record[0][1][0].pop()  # of its order what version 4 has added
    older = path.with_name("older.sqlite")
    connection = sqlite3.connect(older)
    for statements in MIGRATIONS[:3]:
        for statement in statements:
            connection.execute(statement)
    connection.execute("INSERT INTO journal (changes) VALUES (?)", (dumps(record),))
    connection.execute("PRAGMA user_version = 3")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.commit()
    connection.close()
    opened = SqliteStore(older)
    assert opened.orders(RowFilter((1,))) == store.orders(RowFilter((1,)))
    assert opened.load() == store.load()
    opened.close()
