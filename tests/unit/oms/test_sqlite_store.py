"""What only the store in a file does."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import OrderStatus
from ccxt_driver.oms import EmbeddedOms, sqlite_store
from ccxt_driver.oms.entities import (
    Account,
    ApiKey,
    Claim,
    Deal,
    Event,
    LedgerEntry,
    Order,
    Position,
    Principal,
    Strategy,
)
from ccxt_driver.oms.json_text import dumps
from ccxt_driver.oms.sqlite_counts import wrong
from ccxt_driver.oms.sqlite_file import APPLICATION_ID, MIGRATIONS, connect
from ccxt_driver.oms.sqlite_keys import SqliteApiKeys
from ccxt_driver.oms.sqlite_rows import ORDER, json_text
from ccxt_driver.oms.sqlite_store import SqliteStore
from ccxt_driver.oms.store import Changes, RowFilter, StoreError, StoreInUse, StoreUnusable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oms.sqlite"


def one_order(order_id: int = 1) -> Changes:
    return Changes(
        orders={order_id: Order(order_id, 1, "BTC/USDT", Side.BUY, "market", Decimal(1), 5)},
        balances={(1, "USDT"): Decimal(7)},
        events=[Event(1, order_id, 5, "order_updated", {"id": order_id}, 0)],
    )


@pytest.mark.parametrize(
    "entity, table",
    [
        (Order, "orders"),
        (Deal, "deals"),
        (Position, "positions"),
        (LedgerEntry, "ledger"),
        (Account, "accounts"),
        (Strategy, "strategies"),
        (Claim, "claims"),
    ],
)
def test_the_columns_are_the_fields(path: Path, entity: type, table: str) -> None:
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    connection.close()
    assert columns == [field.name for field in dataclasses.fields(entity)]


def test_what_was_committed_is_there_after_a_restart(path: Path) -> None:
    store = SqliteStore(path)
    store.commit(one_order())
    store.close()
    store = SqliteStore(path)
    live = store.load()
    assert [row.id for row in live.open_orders] == [1]
    assert live.balances == {(1, "USDT"): Decimal(7)}
    assert live.last_seq == {1: 1}
    store.commit(one_order(2))
    assert store.orders(RowFilter((1,)))[1] == 2
    store.close()


def test_commits_are_durable_and_the_log_is_written_ahead(path: Path) -> None:
    store = SqliteStore(path)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
def test_the_file_is_its_owners_only(path: Path) -> None:
    SqliteStore(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_store_on_the_file_is_told_so(path: Path) -> None:
    store = SqliteStore(path)
    with pytest.raises(StoreInUse, match=r"oms\.sqlite is in use"):
        SqliteStore(path)
    store.close()
    SqliteStore(path).close()


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_link_to_the_file_is_the_file(path: Path) -> None:
    store = SqliteStore(path)
    link = path.with_name("link.sqlite")
    link.symlink_to(path)
    with pytest.raises(StoreInUse):
        SqliteStore(link)
    store.close()


def test_a_second_process_on_the_file_is_told_so(path: Path) -> None:
    store = SqliteStore(path)
    script = (
        "import sys; from ccxt_driver.oms.sqlite_store import SqliteStore, StoreInUse\n"
        "try: SqliteStore(sys.argv[1])\n"
        "except StoreInUse as error: print('in use:', error)"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    store.close()
    assert done.stdout.strip() == f"in use: {path} is in use by another process"


@pytest.mark.skipif(os.name != "posix", reason="on Windows nobody can remove a file that is open")
def test_who_removes_the_lock_and_starts_another_process_loses_no_order(path: Path) -> None:
    """Else both would give the same ids, and write over what the other was told is done."""
    first = SqliteStore(path)
    first.commit(one_order(1))
    path.with_name("oms.sqlite.lock").unlink()
    second = SqliteStore(path)
    second.load()
    with pytest.raises(StoreError, match="another process has opened the file"):
        first.commit(one_order(2))
    with pytest.raises(StoreError, match="another process has opened the file"):
        first.orders(RowFilter((1,)))
    second.commit(one_order(2))
    second.close()
    with pytest.raises(StoreError, match="another process has opened the file"):
        first.commit(one_order(2))
    first.close()
    third = SqliteStore(path)
    assert [row.id for row in third.orders(RowFilter((1,)))[0]] == [1, 2]
    third.close()


@pytest.mark.skipif(os.name != "posix", reason="on Windows nobody can remove a file that is open")
def test_a_lock_that_was_removed_is_made_anew(path: Path) -> None:
    """By whoever tidies up: nobody has opened the file."""
    store = SqliteStore(path)
    path.with_name("oms.sqlite.lock").unlink()
    store.commit(one_order(1))
    with pytest.raises(StoreInUse):
        SqliteStore(path)
    store.commit(one_order(2))
    store.close()
    SqliteStore(path).close()


@pytest.mark.skipif(os.name != "posix", reason="on Windows nobody can remove a file that is open")
@pytest.mark.parametrize("others", ["", "*"])
def test_nothing_is_taken_for_written_into_a_file_that_was_removed(others: str, path: Path) -> None:
    """It would be gone with the process."""
    before = path.with_name("before")
    before.mkdir()
    store = SqliteStore(path)
    store.commit(one_order(1))
    moved = [*path.parent.glob(f"oms.sqlite{others}")]
    for each in moved:
        each.rename(before / each.name)
    for attempt in (
        lambda: store.commit(one_order(2)),
        lambda: store.orders(RowFilter((1,))),
        store.catch_up,
    ):
        with pytest.raises(StoreError, match=r"oms.sqlite was removed or replaced"):
            attempt()
    path.write_bytes(b"another")
    with pytest.raises(StoreError, match=r"oms.sqlite was removed or replaced"), store.together():
        store.commit(one_order(2))
    path.unlink()
    for each in moved:
        (before / each.name).rename(each)
    store.load()
    store.commit(one_order(2))
    assert [row.id for row in store.orders(RowFilter((1,)))[0]] == [1, 2]
    store.close()


@pytest.mark.skipif(os.name != "posix", reason="on Windows nobody can remove a file that is open")
def test_a_lock_is_made_anew_beside_the_file_wherever_the_program_is(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    store = SqliteStore(path.name)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path.with_name("oms.sqlite.lock").unlink()
    store.commit(one_order(1))
    with pytest.raises(StoreInUse):
        SqliteStore(path)
    store.close()
    assert not list(elsewhere.iterdir())


def test_a_failed_start_releases_the_lock(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be read as one" * 50)
    with pytest.raises(StoreUnusable, match="not a database of ccxt-driver"):
        SqliteStore(path)
    path.unlink()
    SqliteStore(path).close()


def test_a_start_that_fails_at_the_keys_leaves_nothing_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []

    def refused(file: Path) -> None:
        raise StoreUnusable("the disk is full")

    def remembered(file: Path) -> sqlite3.Connection:
        opened.append(connect(file))
        return opened[-1]

    monkeypatch.setattr(sqlite_store, "connect", remembered)
    monkeypatch.setattr(sqlite_store, "SqliteApiKeys", refused)
    with pytest.raises(StoreUnusable, match="full"):
        SqliteStore(path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="another program"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreUnusable, match="newer ccxt-driver"):
        SqliteStore(path)


def test_a_file_of_the_first_version_is_brought_up_to_date(path: Path) -> None:
    """Rows that it has are as new ones: their margin is crossed."""
    connection = sqlite3.connect(path)
    for statement in MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute("INSERT INTO accounts VALUES (1, 'netting', NULL, 'active', 1, '{}')")
    connection.execute(
        "INSERT INTO positions VALUES (7, 1, 'BTC/USDT:USDT', 'buy', 5, '2', '200', '100', 0, NULL, NULL, "
        "'open', 'api', NULL, 5, NULL, '0')"
    )
    connection.execute("PRAGMA user_version = 1")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.commit()
    connection.close()
    store = SqliteStore(path)
    snapshot = store.load()
    store.close()
    assert snapshot.accounts[1].isolated == ()
    [position] = snapshot.open_positions
    assert (position.id, position.qty, position.margin_added, position.external) == (7, 2, 0, None)


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        SqliteStore(tmp_path / "missing" / "oms.sqlite")


def test_a_disk_that_refuses_is_a_store_error_and_nothing_is_written(path: Path) -> None:
    store = SqliteStore(path)
    store.commit(one_order())
    # The pages in use are all there may be: the next commit finds the disk full.
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    big = one_order(2)
    big.settings["big"] = "x" * 100_000
    with pytest.raises(StoreError, match="full"):
        store.commit(big)
    assert store.load().last_seq == {1: 1}
    assert store.orders_by_id([1, 2]) == store.orders_by_id([1])
    store._connection.execute("PRAGMA max_page_count = 1000000")
    store.commit(one_order(2))
    assert store.load().last_seq == {1: 2}
    store.close()


def test_keys_are_made_and_disabled_beside_a_running_store(path: Path) -> None:
    store = SqliteStore(path)
    beside = SqliteApiKeys(path)
    made = beside.add_api_key(ApiKey(0, "aa", "trader", Principal(), 5))
    assert store.api_key_by_digest("aa") == made
    beside.put_api_key(dataclasses.replace(made, disabled_at=6))
    seen = store.api_key_by_digest("aa")
    assert seen is not None
    assert seen.disabled_at == 6
    beside.close()
    store.close()


def test_a_key_is_readable_while_a_transaction_is_open(path: Path) -> None:
    store = SqliteStore(path)
    made = store.add_api_key(ApiKey(0, "aa", "trader", Principal(), 5))
    store._connection.execute("BEGIN IMMEDIATE")
    assert store.api_key_by_digest("aa") == made
    store._connection.execute("ROLLBACK")
    store.close()


def test_params_of_a_client_in_process_may_be_any_object(path: Path) -> None:
    store = SqliteStore(path)
    changes = one_order()
    changes.orders[1].params = {"big": 2**70, "exact": Decimal("0.1")}
    store.commit(changes)
    assert store.orders_by_id([1])[0].params == {"big": 2**70, "exact": "0.1"}
    store.close()


def test_the_start_reads_no_history(path: Path) -> None:
    store = SqliteStore(path)
    for query in ("status IN ('PENDING_SUBMIT', 'SUBMITTED', 'PARTIALLY_FILLED')",):
        plan = store._connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM orders WHERE {query} ORDER BY id")
        assert "USING INDEX orders_open" in str(plan.fetchall())
    plan = store._connection.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM positions WHERE state IN ('open', 'close_requested') ORDER BY id"
    )
    assert "USING INDEX positions_open" in str(plan.fetchall())
    store.close()


@pytest.mark.parametrize(
    "kind, named, index",
    [
        ("deals", {"order_id": 7}, "deals_by_order"),
        ("deals", {"position_id": 7}, "deals_by_position"),
        ("deals", {"client_order_id": "mine"}, "deals_by_order"),
        ("orders", {"order_id": 7}, "INTEGER PRIMARY KEY"),
        ("orders", {"client_order_id": "mine"}, "INTEGER PRIMARY KEY"),
        ("orders", {"position_id": 7}, "orders_by_position"),
        ("positions", {"position_id": 7}, "INTEGER PRIMARY KEY"),
        ("positions", {"order_id": 7}, "INTEGER PRIMARY KEY"),
    ],
)
def test_rows_of_what_is_named_are_found_without_the_history(
    path: Path, kind: str, named: dict[str, Any], index: str
) -> None:
    store = SqliteStore(path)
    asked: list[str] = []
    store._connection.set_trace_callback(asked.append)
    wanted = RowFilter((1,), symbol="BTC/USDT", since_ms=1, until_ms=9, limit=500, **named)
    getattr(store, kind)(wanted)
    store._connection.set_trace_callback(None)

    [query] = [query for query in asked if "ORDER BY" in query]
    steps = [row[3] for row in store._connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert index in steps[0]
    assert not any(f"{kind}_by_time" in step for step in steps)
    store.close()


def plan_of(store: SqliteStore, kind: str, wanted: RowFilter) -> tuple[list[str], list[str]]:
    """What a list asks of SQLite, and the first step of the query for its rows."""
    asked: list[str] = []
    store._connection.set_trace_callback(asked.append)
    getattr(store, kind)(wanted)
    store._connection.set_trace_callback(None)
    queries = [query for query in asked if "ORDER BY" in query]
    steps = [store._connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchone()[3] for query in queries]
    return asked, steps


@pytest.mark.parametrize(
    "kind, filters, index",
    [
        ("orders", {"symbol": "BTC/USDT"}, "orders_by_symbol"),
        ("orders", {"strategy_ids": frozenset({0})}, "orders_by_strategy"),
        ("orders", {"position_id": 0}, "orders_by_time"),
        ("orders", {"strategy_ids": frozenset({0}), "dated_since": 1}, "orders_by_update"),
        ("orders", {"symbol": "BTC/USDT", "dated_since": 1}, "orders_by_update"),
        ("deals", {"symbol": "BTC/USDT"}, "deals_by_symbol"),
        ("deals", {"strategy_ids": frozenset({0})}, "deals_by_strategy"),
        ("positions", {"symbol": "BTC/USDT"}, "positions_by_symbol"),
        ("positions", {"symbol": "BTC/USDT", "dated_since": 1}, "positions_by_update"),
        ("ledger", {"currency": "USDT"}, "ledger_by_currency"),
    ],
)
def test_the_newest_rows_are_found_without_those_of_others(
    path: Path, kind: str, filters: dict[str, Any], index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "kept_total", lambda *_: None)  # a file without rows is not looked into
    store = SqliteStore(path)
    since_ms = None if "dated_since" in filters else 1
    _, [step] = plan_of(store, kind, RowFilter((1,), since_ms=since_ms, descending=True, limit=9, **filters))
    assert f"INDEX {index} " in step
    store.close()


@pytest.mark.parametrize("page", [0, 1, 2])
def test_only_pages_that_are_full_are_counted(path: Path, page: int) -> None:
    store = SqliteStore(path)
    for number in (1, 2, 3):
        store.commit(one_order(number))
    asked: list[str] = []
    store._connection.set_trace_callback(asked.append)
    rows, total = store.orders(RowFilter((1,), until_ms=10**15, limit=2, offset=2 * page))
    store._connection.set_trace_callback(None)

    assert ([row.id for row in rows], total) == ([[1, 2], [3], []][page], 3)
    assert any("count(*)" in query for query in asked) == (page != 1)
    store.close()


def test_the_length_of_most_lists_is_known_without_a_look_at_their_rows(path: Path) -> None:
    store = SqliteStore(path)
    for number in (1, 2, 3):
        store.commit(one_order(number))
    filters = {"symbol": "BTC/USDT", "strategy_ids": frozenset({0}), "since_ms": 0, "limit": 1}
    asked, [_] = plan_of(store, "orders", RowFilter((1,), **filters))
    assert not [query for query in asked if "count(*)" in query]
    asked, steps = plan_of(store, "orders", RowFilter((1,), statuses=frozenset({"REJECTED"}), limit=9))
    assert steps == [], "there is none to look for"
    store.close()


def without_outbox(connection: sqlite3.Connection) -> None:
    """Give a file what it had before version 8: a table of events, here with the last one of each entry."""
    [events] = [statement for statement in MIGRATIONS[0] if statement.startswith("CREATE TABLE events")]
    connection.execute(events)
    connection.execute("INSERT INTO events SELECT account_id, last_seq, 0, '', '{}', NULL FROM outbox")
    connection.execute("DROP TABLE outbox")
    connection.execute("DROP INDEX IF EXISTS orders_by_position")
    connection.execute("DELETE FROM journal")
    connection.commit()


def test_events_of_the_seventh_version_are_read_again(path: Path) -> None:
    SqliteStore(path).close()
    order = ORDER.values(Order(1, 1, "BTC/USDT", Side.BUY, "market", Decimal(1), 5))
    payloads = [json_text({"id": 1, "comment": "a 'quoted' \"text\" ü"}), json_text({"none": None})]
    waiting = [[[], [order], [], [], [], [[1, 3, 9, "order_updated", '{"id":1}', 0]], [], [], [], []]]
    with closing(sqlite3.connect(path)) as connection:
        without_outbox(connection)
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
            [
                (1, 1, 7, "order_updated", payloads[0], 4),
                (1, 2, 8, "balance_updated", payloads[1], None),
                (2, 1, 7, "balance_updated", payloads[1], None),
            ],
        )
        connection.execute("INSERT INTO journal VALUES (1, ?)", (dumps(waiting),))
        connection.execute("INSERT INTO journal VALUES (2, ?)", (dumps([[[]] * 10]),))
        connection.commit()
        connection.execute("PRAGMA user_version = 7")
    store = SqliteStore(path)
    assert store.events(1, 0, 10) == [
        Event(1, 1, 7, "order_updated", {"id": 1, "comment": "a 'quoted' \"text\" ü"}, 4),
        Event(1, 2, 8, "balance_updated", {"none": None}, None),
        Event(1, 3, 9, "order_updated", {"id": 1}, 0),
    ]
    assert store.events(2, 0, 10) == [Event(2, 1, 7, "balance_updated", {"none": None}, None)]
    assert store.events(1, 1, 1) == [Event(1, 2, 8, "balance_updated", {"none": None}, None)]
    assert store.load().last_seq == {1: 3, 2: 1}
    assert [row.id for row in store.load().open_orders] == [1]
    store.commit(Changes(events=[Event(1, 4, 10, "order_updated", {"id": 1}, 0)]))
    assert [event.seq for event in store.events(1, 2, 10) or ()] == [3, 4]
    store.close()


def test_a_file_of_the_fourth_version_is_counted(path: Path) -> None:
    store = SqliteStore(path)
    for number in (1, 2, 3):
        store.commit(one_order(number))
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        for kind, name in connection.execute("SELECT type, name FROM sqlite_schema").fetchall():
            if name == "counts" or name.endswith(("_symbol", "_strategy", "_currency")):
                connection.execute(f"DROP {kind} {name}")
        without_outbox(connection)
        connection.execute("PRAGMA user_version = 4")
    store = SqliteStore(path)
    assert store.orders(RowFilter((1,), limit=1))[1] == 3
    store.commit(one_order(4))
    assert store.orders(RowFilter((1,), limit=1))[1] == 4
    store.close()


def test_what_triggers_have_counted_is_not_counted_twice(path: Path) -> None:
    """Files of the fifth version may have them."""
    store = SqliteStore(path)
    store.commit(one_order(1))
    store.close()
    key = "'orders', NEW.account_id, NEW.symbol, NEW.strategy_id, NEW.status"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            f"CREATE TRIGGER orders_come AFTER INSERT ON orders BEGIN INSERT INTO counts SELECT {key}, 1 "
            "WHERE TRUE ON CONFLICT DO UPDATE SET rows = rows + 1; END"
        )
        without_outbox(connection)
        connection.execute("PRAGMA user_version = 5")
    store = SqliteStore(path)
    store.commit(one_order(2))
    assert store.orders(RowFilter((1,), limit=1))[1] == 2
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert [*wrong(connection.execute)] == []


@pytest.mark.parametrize("kept", [False, True])
def test_a_claim_is_the_same_text_in_memory_and_in_a_file(tmp_path: Path, kept: bool) -> None:
    """A file written before must know an order again."""
    payload = {"client_order_id": "mine", "qty": "1.0", "symbol": "BTC/USDT", "side": "buy"}
    payload |= {"order_type": "limit", "price": "9e3", "time_in_force": "GTC", "strategy_id": 0}
    body = {"account_id": 1, "command": "send_order", "payload": payload}
    with EmbeddedOms(db=tmp_path / "oms.sqlite" if kept else None, clock="manual") as oms:
        oms.set_price("BTC/USDT", bid="10000")
        assert oms.handle("commands", {}, {}, body).status == 200
        claim = oms._core.store.claim(1, "mine")

    assert claim is not None
    assert claim.fingerprint.splitlines() == [
        *("SendOrder", "order_type='limit'", "price=9000", "client_order_id='mine'"),
        *("symbol='BTC/USDT'", "side=buy", "qty=1"),
    ]


def test_of_two_names_of_an_order_both_have_to_be_its_own(path: Path) -> None:
    """A position that two orders have dealt in is that of neither pair of their names."""
    store = SqliteStore(path)
    changes = Changes(
        orders={
            each: Order(each, 1, "BTC/USDT", Side.BUY, "limit", Decimal(1), 1, client_order_id=f"c{each}")
            for each in (1, 2)
        },
        deals=[Deal(each, 1, each, 7, "BTC/USDT", Side.BUY, Decimal(1), Decimal(1), 1, 1) for each in (1, 2)],
        positions={7: Position(7, 1, "BTC/USDT", Side.BUY, 1, Decimal(2))},
        claims=[Claim(1, f"c{each}", each, each, "f", 0) for each in (1, 2)],
    )
    store.commit(changes)
    assert store.positions(RowFilter((1,), order_id=1, client_order_id="c1"))[1] == 1
    assert store.positions(RowFilter((1,), order_id=1, client_order_id="c2"))[1] == 0
    store.close()


def test_claims_are_known_while_few_of_them_are_in_the_filter(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long history is taken in little by little; until then the file is asked."""
    monkeypatch.setattr(sqlite_store, "_AT_ONCE", 3)
    names = [f"c{number}" for number in range(8)]
    owners = [(account_id, name) for account_id in (1, 2) for name in names]
    store = SqliteStore(path)
    store.commit(Changes(claims=[Claim(*owner, 1, 1, "f", 0) for owner in owners]))
    store.close()

    store = SqliteStore(path)
    asked: list[str] = []
    store._connection.set_trace_callback(asked.append)
    questions = []
    for turn in range(8):
        asked.clear()
        assert all(store.claim(*owner) for owner in owners)
        assert store.claim(3, "c1") is store.claim(1, "new") is None
        questions.append(sum("client_order_id = " in text for text in asked))
        with pytest.raises(StoreError, match="claimed already"):
            store.commit(Changes(claims=[Claim(2, "c7", 2, 2, "f", 0)]))
        store.commit(Changes(claims=[Claim(1, f"later{turn}", 2, 2, "f", 0)]))  # may be behind or ahead
        owners.append((1, f"later{turn}"))
        store.catch_up()
    assert questions[0] == len(owners[:16]) + 2
    assert questions[-1] == len(owners) - 1, "of what nobody has claimed the file is not asked"
    store.close()


@pytest.mark.parametrize("number", [1, 7, 8, 9, 63, 64, 65, 200])
def test_rows_are_written_in_parts_of_some_sizes(path: Path, number: int) -> None:
    store = SqliteStore(path)
    changes = Changes(
        orders={each: one_order(each).orders[each] for each in range(1, number + 1)},
        events=[Event(1, each, 5, "order_updated", {"id": each}, 0) for each in range(1, number + 1)],
    )
    store.commit(changes)
    found, total = store.orders(RowFilter((1,)))
    assert [row.id for row in found] == [*range(1, number + 1)]
    assert (total, len(store.events(1, 0, 1000) or ())) == (number, number)
    for row in changes.orders.values():
        row.status = OrderStatus.FILLED
    store.commit(Changes(orders=changes.orders))
    filled = RowFilter((1,), statuses=frozenset({OrderStatus.FILLED}), limit=1)
    assert store.orders(filled)[1] == number
    assert [*wrong(store._connection.execute)] == []
    store.close()


def test_tables_are_written_where_no_other_file_can_be_made(path: Path) -> None:
    """The folder for files of a moment is full or read-only, or there are as many files as may be open."""
    resource = pytest.importorskip("resource")
    store = SqliteStore(path)
    claims = [Claim(1, f"{number * 7919 % 6400:05}", number, number, "f", 0) for number in range(6400)]
    store.commit(Changes(claims=claims[:3200]))
    store.catch_up()
    store.commit(Changes(claims=claims[3200:]))
    before, held = resource.getrlimit(resource.RLIMIT_NOFILE), []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, before[0]), before[1]))
    try:
        with suppress(OSError):  # too many open files
            while True:
                held.append(os.dup(0))
        store.catch_up()
        store.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for number in held:
            os.close(number)
    again = SqliteStore(path)
    assert all(again.claim(1, claim.client_order_id) for claim in claims)
    again.close()
