from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ccxt_driver.cli import main
from ccxt_driver.oms import EmbeddedOms, maintenance
from ccxt_driver.oms.store import StoreError, StoreUnusable


@pytest.fixture
def path(make_desk: Callable[..., Any], tmp_path: Path) -> Path:
    """A file with some of everything, that is open."""
    desk = make_desk(db=tmp_path / "oms.sqlite")
    desk.send("buy", "2", oms_stop_loss="80")
    desk.send("buy", "1", "90")
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
        ("DELETE FROM events WHERE account_id = 1 AND seq = 3", "account 1: 1 events are missing"),
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


def test_a_backup_never_takes_the_place_of_a_file(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite"
    target.write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        maintenance.backup(path, target)
    assert target.read_text() == "mine"
    with pytest.raises(StoreError, match="was not written"):
        maintenance.backup(path, tmp_path / "nowhere" / "copy.sqlite")
