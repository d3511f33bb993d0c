"""The file of an embedded OMS on a machine that fails: what is refused, and what a kill leaves of it."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from ccxt_driver.oms import EmbeddedOms

NAME = "oms.sqlite"
_SECTOR = 512


class Crash(BaseException):
    """The process was killed here. Nothing that runs after it has happened."""


@dataclass
class Fault:
    """One thing that goes wrong.

    :param kind: `kill`; `power`, which leaves of a commit's bytes some and others not; `fail`, a statement
        that is refused; `full`, where SQLite also rolls back what was written before in the transaction
    :param place: `statement`, `commit` (the statement of that name), or `told` (a subscriber is called)
    :param left: how many of these pass before it
    :param after: it comes after the statement was carried out, or after the subscriber has heard
    :param lasts: every later statement that writes is refused too
    """

    kind: str
    place: str
    left: int
    after: bool = False
    lasts: bool = False


class _Cursor(sqlite3.Cursor):
    connection: _Connection

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self.connection.file.run(self.connection, sql, partial(super().execute, sql, *values))

    def executemany(self, sql: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        return self.connection.file.run(self.connection, sql, partial(super().executemany, sql, rows))


class _Connection(sqlite3.Connection):
    file: FaultyFile

    def close(self) -> None:
        self.file.closed(self)
        super().close()

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        found: sqlite3.Cursor = self.cursor().execute(sql, *values)
        return found

    def executemany(self, sql: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        found: sqlite3.Cursor = self.cursor().executemany(sql, rows)
        return found


class FaultyFile:
    """A file through all lives of an OMS on it.

    A kill is a copy of the file and its log, taken at that moment: the next life begins with the copies, and
    what the object that was killed may still do to its own no longer counts.

    :param folder: for the copies
    :param note: takes down what went wrong
    """

    def __init__(self, folder: Path, chance: random.Random, note: Callable[[str], None]) -> None:
        self._folder = folder
        self._chance = chance
        self._note = note
        self._life = 0
        self._here().mkdir()
        self._connections: list[_Connection] = []
        self.oms: EmbeddedOms | None = None
        self.dead = False
        self.fault: Fault | None = None
        self.fired = 0
        """How many statements were refused, and kills."""
        self.commits = 0
        """Write transactions of the OMS that are on the disk, also after a kill."""
        self._unhurried = False
        """Whether a commit now only brings into the tables what the journal has on the disk."""
        self._safe: bytes | None = None
        """The log without what no commit has waited for since; None when that is nothing."""
        self.slow_ms = 0
        """How long a commit takes."""

    def _here(self) -> Path:
        return self._folder / f"life-{self._life}"

    @property
    def path(self) -> Path:
        """Of the present life."""
        return self._here() / NAME

    @property
    def writing(self) -> bool:
        """Whether something is written and not on the disk yet."""
        return any(connection.in_transaction for connection in self._connections)

    def open(self, **options: Any) -> EmbeddedOms:
        """An OMS on the file as it is."""
        self.dead, self._connections, self.oms = False, [], None
        self._unhurried, self._safe = False, None
        with mock.patch.object(sqlite3, "connect", partial(sqlite3.connect, factory=self._connection)):
            self.oms = EmbeddedOms(db=self.path, **options)
        return self.oms

    def _connection(self, *given: Any, **more: Any) -> _Connection:
        connection = _Connection(*given, **more)
        connection.file = self
        self._connections.append(connection)
        return connection

    def closed(self, connection: _Connection) -> None:
        """One that only looked at the file, or is closed at the end."""
        if connection in self._connections:
            self._connections.remove(connection)

    def bury(self) -> None:
        """Release what the killed one held; go on with the copies that were taken when it was killed."""
        for connection in [*self._connections]:
            connection.close()
        if self.oms is not None:
            self.oms._core.store.close()
        before, self._life = self._here(), self._life + 1
        shutil.rmtree(before)

    def close(self) -> None:
        """An orderly end."""
        if self.oms is not None and not self.dead:
            self.oms.close()

    # faults

    def told(self) -> Fault | None:
        """The fault that is due where a subscriber is called."""
        return self._due("told")

    def _due(self, place: str, sql: str = "") -> Fault | None:
        fault = self.fault
        if fault is None or fault.place != place:
            return None
        if fault.kind in ("fail", "full") and sql.startswith("ROLLBACK"):
            return None  # it needs no disk
        if fault.left > 0:
            fault.left -= 1
            return None
        if not fault.lasts:
            self.fault = None
        elif sql.startswith(("SELECT", "PRAGMA")):
            return None  # a full disk can be read
        return fault

    def run(self, connection: _Connection, sql: str, action: Callable[[], Any]) -> Any:
        """Carry a statement out, or not."""
        if self.dead:
            raise Crash
        commits = sql == "COMMIT" or (sql.startswith("INSERT INTO journal") and not connection.in_transaction)
        fault = self._due("statement", sql) or (self._due("commit") if commits else None)
        if fault is None:
            return self._carry_out(sql, commits, action)
        if fault.kind in ("fail", "full"):
            self._refuse(connection, sql, fault)
        log, before = self._log() if self._safe is None else self._safe, self.commits
        if fault.after:
            self._carry_out(sql, commits, action)
        self.kill(f"{'after' if fault.after else 'before'} {sql[:40]!r}")
        if fault.kind == "power" and self._tear(log):
            self.commits = before
        raise Crash

    def _carry_out(self, sql: str, commits: bool, action: Callable[[], Any]) -> Any:
        if sql.startswith("PRAGMA synchronous"):
            self._unhurried = sql.endswith("NORMAL")
        if commits and self._unhurried and self._safe is None:
            self._safe = self._log()
        done = action()
        if "api_keys" in sql and not sql.startswith("SELECT"):
            self._safe = None  # whoever makes a key waits for the disk
        if commits and not self._unhurried:
            self._safe = None
            self.commits += 1
            if self.slow_ms and self.oms is not None:
                self.oms._clock.advance(self.slow_ms)  # type: ignore[attr-defined]
        return done

    def _refuse(self, connection: _Connection, sql: str, fault: Fault) -> None:
        self.fired += 1
        if fault.kind == "full" and connection.in_transaction:
            sqlite3.Cursor(connection).execute("ROLLBACK")
        self._note(f"  the disk refuses {sql[:40]!r} ({fault.kind}{', and more' if fault.lasts else ''})")
        raise sqlite3.OperationalError(
            "database or disk is full" if fault.kind == "full" else "disk I/O error"
        )

    def kill(self, when: str) -> None:
        """End the process: from here on nothing of it counts."""
        self._note(f"  killed {when}")
        self.fired += 1
        self.dead = True
        following = self._folder / f"life-{self._life + 1}"
        following.mkdir()
        for name in (NAME, f"{NAME}-wal"):
            if (self._here() / name).exists():
                shutil.copyfile(self._here() / name, following / name)

    def _log(self) -> bytes:
        path = self._here() / f"{NAME}-wal"
        return path.read_bytes() if path.exists() else b""

    def _tear(self, before: bytes) -> bool:
        """Let some of what was written last never have reached the disk; whether it was anything.

        A disk may write the sectors of a file in any order, as long as it was not told to wait.
        """
        path = self._folder / f"life-{self._life + 1}" / f"{NAME}-wal"
        if not path.exists():
            return False
        after = bytearray(path.read_bytes())
        before = before.ljust(len(after), b"\0")
        changed = [
            start
            for start in range(0, len(after), _SECTOR)
            if after[start : start + _SECTOR] != before[start : start + _SECTOR]
        ]
        if not changed:
            return False
        lost = [start for start in changed if self._chance.random() < 0.5] or [self._chance.choice(changed)]
        for start in lost:
            after[start : start + _SECTOR] = before[start : start + _SECTOR]
        path.write_bytes(after)
        self._note(f"  and the power is gone: {len(lost)} of the last {len(changed)} sectors are lost")
        return True
