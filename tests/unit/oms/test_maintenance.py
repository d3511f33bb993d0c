from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ccxt_driver.cli import main
from ccxt_driver.oms import EmbeddedOms, maintenance
from ccxt_driver.oms.entities import Event
from ccxt_driver.oms.sqlite_file import APPLICATION_ID, MIGRATIONS
from ccxt_driver.oms.sqlite_store import SqliteStore
from ccxt_driver.oms.store import Changes, StoreError, StoreUnusable

SECOND = "(SELECT entry_id FROM outbox WHERE account_id = 1 LIMIT 1 OFFSET 1)"


@pytest.fixture
def path(make_desk: Callable[..., Any], tmp_path: Path) -> Path:
    """A file with some of everything, that is open."""
    desk = make_desk(db=tmp_path / "oms.sqlite")
    desk.oms.set_limits(1, {"max_order_qty": 9})
    desk.send("buy", "2", oms_stop_loss="80")
    desk.send("buy", "1", "90", client_order_id="mine")
    desk.send("sell", "3")
    for side in ("buy", "sell", "buy", "buy"):
        desk.send(side, "1", account=2)
    hedged = [row["id"] for row in desk.get("positions_open", account_ids=2)["items"]]
    desk.run("close_by", 2, position_id_a=hedged[0], position_id_b=hedged[1])
    desk.run("merge_positions", 2, source_position_id=hedged[2], target_position_id=hedged[3])
    return tmp_path / "oms.sqlite"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_good_file_is_found_good_while_it_is_open(path: Path) -> None:
    assert maintenance.check(path) == []
    result = run("db", "check", "--db", path)
    assert (result.exit_code, result.output) == (0, f"{path} is whole, and its books balance\n")


@pytest.mark.parametrize(
    "damage, found",
    [
        ("UPDATE balances SET total = total + 1 WHERE account_id = 1 AND currency = 'USDT'", "account 1: "),
        ("UPDATE ledger SET amount = '7' WHERE id = 1", "ledger entry 1: "),
        ("DELETE FROM balances WHERE account_id = 1 AND currency = 'USDT'", "no balance of USDT"),
        ("UPDATE orders SET filled_qty = '1' WHERE id = 1", "order 1: "),
        ("DELETE FROM orders WHERE id = 1", "but no order"),
        ("UPDATE positions SET qty = '9' WHERE id = 1", "position 1: "),
        ("DELETE FROM positions WHERE id = 1", "but no position"),
        ("UPDATE deals SET price = '1' WHERE id = 1", "order 1: its deals do not make its filled cost of "),
        ("UPDATE deals SET price = '1' WHERE id = 1", "deal 1: the ledger has moved something else"),
        ("UPDATE deals SET account_id = 2 WHERE id = 1", "deal 1: the ledger has not its fee of "),
        ("UPDATE deals SET fee = '9' WHERE id = 1", "deal 1: the ledger has not its fee of 9 USDT"),
        ("UPDATE deals SET pnl = '77' WHERE id = 1", "position 1: its deals do not make its profit of "),
        ("UPDATE positions SET entry_cost = '7' WHERE id = 1", "position 1: its deals do not make its cost"),
        ("UPDATE orders SET fee = '7' WHERE id = 1", "order 1: its deals do not make its fee of 7 USDT"),
        ("UPDATE orders SET symbol = 'ETH/USDT' WHERE id = 1", "another account or market than order 1"),
        ("UPDATE positions SET account_id = 2 WHERE id = 1", "another account or market than position 1"),
        ("DELETE FROM claims WHERE client_order_id = 'mine'", "client order id 'mine' is not claimed by it"),
        ("UPDATE claims SET order_id = 999", "account 1: 'mine' is claimed by order 999, which is not there"),
        (
            "UPDATE settings SET value = replace(value, 'order', 'none') WHERE name = 'counters'",
            "orders: the ids up to ",
        ),
        ("UPDATE settings SET value = '{' WHERE name = 'limits'", "setting limits cannot be read"),
        ("UPDATE orders SET status = 'SUBMITTED' WHERE id = 1", "order 1: 2 of 2 are filled, and it is SUB"),
        ("UPDATE orders SET status = 'FILLED' WHERE id = 2", "order 2: 0 of 1 are filled, and it is FILLED"),
        ("UPDATE orders SET qty = '1' WHERE id = 1", "order 1: 2 of 1 are filled, and it is FILLED"),
        ("UPDATE positions SET state = 'open' WHERE id = 1", "position 1: its quantity is 0, and it is open"),
        ("DELETE FROM deals WHERE id = 1", "deal 1: there are ledger entries of it, but no deal"),
        ("UPDATE ledger SET reference_id = 999 WHERE reference_id = 1", "deal 999: there are ledger entries"),
        ("DELETE FROM accounts WHERE id = 2", "account 2: there are deals of it, but no account"),
        ("UPDATE counts SET rows = rows + 1 WHERE kind = 'deals'", "deals: how many there are is not what"),
        (f"DELETE FROM outbox WHERE entry_id = {SECOND}", "events are missing in the middle"),
        (f"DELETE FROM journal WHERE id = {SECOND}", "events are missing in the middle"),
        ("INSERT INTO journal VALUES (9999, x'5b')", "journal entry 9999 cannot be read"),
    ],
)
def test_what_does_not_add_up_is_found(path: Path, damage: str, found: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    connection.close()
    problems = maintenance.check(path)
    assert any(found in problem for problem in problems), problems
    result = run("db", "check", "--db", path)
    assert result.exit_code == 1
    assert found in result.output


def test_an_entry_is_read_once_for_all_its_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy server writes one for the orders of fifty: to read each fifty times took hours."""
    path = tmp_path / "oms.sqlite"
    store = SqliteStore(path)
    for seq in (1, 2):
        events = [Event(account_id, seq, 5, "note", {}, None) for account_id in range(1, 51)]
        store.commit(Changes(events=events))
    store.close()
    looked_through: list[Any] = []
    real = maintenance.numbers_in

    def counted(records: Any) -> Any:
        looked_through.append(records)
        return real(records)

    monkeypatch.setattr(maintenance, "numbers_in", counted)
    assert maintenance.check(path) == []
    assert len(looked_through) == 2


@pytest.mark.parametrize("gap, found", [(2, ["account 1: 1 events are missing in the middle"]), (3, [])])
def test_events_of_the_seventh_version_are_looked_at(tmp_path: Path, gap: int, found: list[str]) -> None:
    path = tmp_path / "oms.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        for statements in MIGRATIONS[:7]:
            for statement in statements:
                connection.execute(statement)
        connection.executemany("INSERT INTO events VALUES (1, ?, 5, 'note', '{}', NULL)", {(1,), (2,), (3,)})
        connection.execute("DELETE FROM events WHERE seq = ?", (gap,))
        connection.execute("PRAGMA user_version = 7")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.commit()
    assert maintenance.check(path) == found


def test_a_damaged_file_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "oms.sqlite"
    EmbeddedOms(db=path).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * 40_960 + whole[49_152:])
    result = run("db", "check", "--db", path)
    assert result.exit_code == 1
    path.write_bytes(b"no database at all, but long enough to be one" * 100)
    with pytest.raises(StoreUnusable, match="is not a database"):
        maintenance.check(path)
    path.unlink()
    with pytest.raises(StoreUnusable, match="does not exist"):
        maintenance.check(path)
    assert not path.exists()


def test_another_programs_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (id INTEGER)")
    connection.close()
    for command in (["check", "--db", path], ["backup", "--db", path, tmp_path / "copy"]):
        assert "another program" in run("db", *command).output
    assert not (tmp_path / "copy").exists()


def test_a_backup_is_a_whole_oms_that_goes_on(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite"
    before = {entry.name for entry in tmp_path.iterdir()}
    assert run("db", "backup", "--db", path, target).exit_code == 0
    assert {entry.name for entry in tmp_path.iterdir()} == before | {"copy.sqlite"}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert maintenance.check(target) == []
    with EmbeddedOms(db=target, clock="manual") as copy:
        orders = copy.handle("orders_history", {}, {"account_ids": 1, "since_ms": 0}, None).body["items"]
        assert [order["id"] for order in orders] == [1, 2, 3]


def test_a_backup_has_a_history_of_its_own(path: Path, tmp_path: Path) -> None:
    """Else a stream would go on after an event of the lost history, and leave out what the new one has."""
    target = tmp_path / "copy.sqlite"
    maintenance.backup(path, target)
    with sqlite3.connect(path) as connection:
        [[before]] = connection.execute("SELECT value FROM settings WHERE name = 'history'")
    connection.close()
    with EmbeddedOms(db=target, clock="manual") as copy:
        history = copy.history
    with EmbeddedOms(db=target, clock="manual") as again:
        assert again.history == history
    assert history not in before


def test_a_backup_of_what_is_not_in_the_tables_yet_has_a_history_of_its_own_too(tmp_path: Path) -> None:
    path, target = tmp_path / "oms.sqlite", tmp_path / "copy.sqlite"
    with EmbeddedOms(db=path, clock="manual", seed=7) as oms:
        maintenance.backup(path, target)
        with sqlite3.connect(target) as connection:
            [[waiting]] = connection.execute("SELECT count(*) FROM journal")
        connection.close()
        assert waiting
        with EmbeddedOms(db=target, clock="manual") as copy:
            assert copy.history != oms.history
            settings = copy._core.store.load().settings
        assert (settings["seed"], settings["history"]) == (7, copy.history)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_a_file_of_an_earlier_version_can_be_checked_and_backed_up(tmp_path: Path, version: int) -> None:
    path, target = tmp_path / "oms.sqlite", tmp_path / "copy.sqlite"
    with sqlite3.connect(path) as connection:
        for statement in (each for part in MIGRATIONS[:version] for each in part):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.close()
    assert maintenance.check(path) == []
    maintenance.backup(path, target)
    with EmbeddedOms(db=target, clock="manual") as copy:
        assert copy.history


def test_a_backup_is_not_mixed_with_the_log_of_the_file_that_it_replaces(path: Path, tmp_path: Path) -> None:
    """As after a kill: SQLite would write pages of the one into the other, and damage both."""
    target, link = tmp_path / "copy.sqlite", tmp_path / "link.sqlite"
    maintenance.backup(path, target)
    link.symlink_to(target)
    log = tmp_path / "copy.sqlite-wal"
    log.write_bytes((tmp_path / "oms.sqlite-wal").read_bytes())
    before = target.read_bytes()
    for name in (target, link):
        with pytest.raises(StoreUnusable, match=r"remove copy.sqlite-wal first"):
            EmbeddedOms(db=name, clock="manual")
        result = run("db", "check", "--db", name)
        assert (result.exit_code, "copy.sqlite-wal" in result.output) == (1, True)
    assert target.read_bytes() == before

    log.unlink()
    assert maintenance.check(target) == []
    EmbeddedOms(db=target, clock="manual").close()
    assert maintenance.check(target) == []


def test_a_backup_that_was_opened_has_a_log_of_its_own(path: Path, tmp_path: Path) -> None:
    """Its process may be killed like any other; what it has written is in the log then."""
    target = tmp_path / "copy.sqlite"
    maintenance.backup(path, target)
    with EmbeddedOms(db=target, clock="manual") as oms:
        oms.set_limits(1, {"max_open_orders": 5})
        left = {name: (tmp_path / name).read_bytes() for name in ("copy.sqlite", "copy.sqlite-wal")}
    assert left["copy.sqlite-wal"]
    for name, content in left.items():
        (tmp_path / f"killed-{name}").write_bytes(content)
    with EmbeddedOms(db=tmp_path / "killed-copy.sqlite", clock="manual") as killed:
        assert killed.limits(1)


def test_looking_after_a_file_takes_no_lock_of_its_server_away(path: Path) -> None:
    """Where another process believes to be the last one it removes the log, with all that is in it."""
    maintenance.check(path)
    code = (
        "import pathlib, sys; from ccxt_driver.oms.maintenance import check; check(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.with_name("oms.sqlite-wal").stat().st_size


def test_a_backup_never_takes_the_place_of_a_file(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite"
    target.write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        maintenance.backup(path, target)
    assert target.read_text() == "mine"
    with pytest.raises(StoreError, match="was not written"):
        maintenance.backup(path, tmp_path / "nowhere" / "copy.sqlite")


def test_a_backup_to_a_disk_without_hard_links(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As sticks and some shares are, which is where backups go."""

    def link(part: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(part), None, str(target))

    monkeypatch.setattr(os, "link", link)
    target = tmp_path / "copy.sqlite"
    maintenance.backup(path, target)
    assert maintenance.check(target) == []
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.glob("copy*")] == ["copy.sqlite"]

    target.write_text("mine")
    monkeypatch.setattr(Path, "exists", lambda self: False)  # it comes while the copy is made
    with pytest.raises(StoreError, match="exists"):
        maintenance.backup(path, target)
    assert target.read_text() == "mine"


def test_a_disk_without_hard_links_that_fails_leaves_no_empty_file(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(5, "Input/output error", str(self))

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StoreError, match="Input/output error"):
        maintenance.backup(path, tmp_path / "copy.sqlite")
    assert not list(tmp_path.glob("copy*"))


def test_two_backups_to_one_place_do_not_meet(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two lines of a crontab; or the one before was killed."""
    target, real = tmp_path / "copy.sqlite", os.link

    def link(part: Path, _: Path) -> None:
        monkeypatch.setattr(os, "link", real)
        maintenance.backup(path, target)  # the other one is quicker
        real(part, target)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StoreError, match="File exists"):
        maintenance.backup(path, target)
    assert maintenance.check(target) == []
    assert [each.name for each in tmp_path.glob("copy*")] == ["copy.sqlite"]


@pytest.mark.parametrize("name", ["file:oms.sqlite", "file:oms.sqlite?mode=memory", ":memory:"])
def test_what_sqlite_takes_for_another_file_is_refused(
    name: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes would be at work on one file, each with the lock of a name of its own."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StoreUnusable, match=r"is no file|is a URI"):
        EmbeddedOms(db=name)
    with pytest.raises(StoreUnusable, match=r"is no file|is a URI"):
        maintenance.backup(path, Path(name))
    for arguments in (
        ("serve", "--port", "0", "--db", name),
        ("key", "create", "--db", name),
        ("db", "check", "--db", name),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.output.count("\n")) == (1, 1)
        assert result.output.startswith(f"Error: {name} is")
    assert sorted(tmp_path.iterdir()) == before


def test_a_disk_that_is_full_is_not_blamed_on_the_file(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sqlite3.connect

    def connect(name: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = real(name, *arguments, **options)
        if str(name).endswith(".part"):
            connection.execute("PRAGMA max_page_count = 3")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    result = run("db", "backup", "--db", path, tmp_path / "copy.sqlite")
    assert result.exit_code == 1
    assert result.output == f"Error: {tmp_path}/copy.sqlite was not written: database or disk is full\n"
    assert not list(tmp_path.glob("copy*"))


def test_where_nothing_can_be_written_it_says_so(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *arguments: Any, **options: Any) -> None:
        raise OSError(30, "Read-only file system", str(self))

    for name in ("touch", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    result = run("db", "backup", "--db", path, tmp_path / "copy.sqlite")
    assert result.exit_code == 1
    assert "copy.sqlite was not written: [Errno 30] Read-only file system" in result.output


def test_a_file_that_cannot_be_opened_is_not_called_damaged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", connect)
    result = run("db", "check", "--db", path)
    assert result.output == f"Error: {path} cannot be read: unable to open database file\n"
