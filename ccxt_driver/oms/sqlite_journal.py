"""The journal of the SQLite file: a commit is on disk as one row, and goes into the tables later.

A row in the journal is what a commit costs whoever waits for it. The tables and their indexes are written for
many commits at once: before anything is read from them, when the journal has grown, or when there is time.
After a crash the journal is what the tables still lack.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from operator import itemgetter
from typing import Any, Final

from .entities import Claim
from .json_text import dumps_whole, loads
from .sqlite_counts import RowCounter
from .sqlite_file import has_table, lengthen_log
from .sqlite_rows import (
    ACCOUNT,
    CLAIM,
    DEAL,
    EVENT,
    LEDGER,
    ORDER,
    POSITION,
    STRATEGY,
    RowMapping,
    RowStatement,
    json_text,
)
from .store import Changes

LOG: Final = logging.getLogger("ccxt_driver.oms")

_MOST: Final = 192
"""Commits that wait for the tables: writing them makes whoever comes then wait for a few milliseconds."""
_BUSY: Final = 64
"""So many writes to the disk make a store worth a few milliseconds of preparation."""
_PRUNE_EVERY: Final = 256
"""Events are forgotten that many at a time, so that no commit has to forget a mountain."""

_PUT_BALANCE: Final = RowStatement(
    "INSERT INTO balances (account_id, currency, total)",
    3,
    "ON CONFLICT (account_id, currency) DO UPDATE SET total = excluded.total",
)
_PUT_SETTING: Final = RowStatement(
    "INSERT INTO settings (name, value)", 2, "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_PUT_ENTRY: Final = """INSERT INTO journal (id, changes) VALUES (?, ?)
    ON CONFLICT (id) DO UPDATE SET changes = excluded.changes"""
"""An entry that nobody knows of, of a commit that was interrupted, gives way to the next one."""
_FORGET_EVENTS: Final = "DELETE FROM events WHERE account_id = ? AND seq <= ?"

_Values = list[Any]
_Record = list[list[_Values]]
"""What one commit writes: for each of `_TABLES` its rows, as they go into the columns."""

_by_first: Final = itemgetter(0)
_by_two: Final = itemgetter(0, 1)
_TABLES: Final[tuple[tuple[RowStatement, Callable[[_Values], Any] | None, RowCounter | None], ...]] = (
    (CLAIM.insert, None, None),
    (ORDER.upsert, _by_first, RowCounter(ORDER)),
    (DEAL.upsert, _by_first, RowCounter(DEAL)),
    (POSITION.upsert, _by_first, RowCounter(POSITION)),
    (LEDGER.upsert, _by_first, RowCounter(LEDGER)),
    (EVENT.insert, None, None),
    (ACCOUNT.upsert, _by_first, None),
    (STRATEGY.upsert, _by_first, None),
    (_PUT_BALANCE, _by_two, None),
    (_PUT_SETTING, _by_first, None),
)
"""How rows are written; by what a later one is known to replace an earlier one, if any does; who counts."""
_ROWS: Final[tuple[RowMapping[Any], ...]] = (CLAIM, ORDER, DEAL, POSITION, LEDGER, EVENT, ACCOUNT, STRATEGY)
_CLAIMS: Final = 0
_EVENTS: Final = 5
_SETTINGS: Final = -1


def _record(changes: Changes) -> _Record:
    return [
        [CLAIM.values(row) for row in changes.claims],
        [ORDER.values(row) for row in changes.orders.values()],
        [DEAL.values(row) for row in changes.deals],
        [POSITION.values(row) for row in changes.positions.values()],
        [LEDGER.values(row) for row in changes.ledger],
        [EVENT.values(row) for row in changes.events],
        [ACCOUNT.values(row) for row in changes.accounts.values()],
        [STRATEGY.values(row) for row in changes.strategies.values()],
        [[*owner, str(total)] for owner, total in changes.balances.items()],
        [[name, json_text(value)] for name, value in changes.settings.items()],
    ]


def _completed(record: _Record) -> _Record:
    """A commit of a process that was stopped, perhaps of an older version."""
    rows = [
        [mapping.completed(values) for values in listed]
        for mapping, listed in zip(_ROWS, record, strict=False)
    ]
    return rows + record[len(rows) :]


def forget_setting(connection: sqlite3.Connection, name: str) -> None:
    """Take a setting out of a file that nobody uses, also where it is still on its way into the tables.

    The tables may be those of an earlier version.

    :raises sqlite3.Error: the file cannot be read or written
    :raises ValueError: what is on its way cannot be read
    """
    execute = connection.execute
    execute("DELETE FROM settings WHERE name = ?", (name,))
    if not has_table(connection, "journal"):
        return
    for entry_id, text in execute("SELECT id, changes FROM journal").fetchall():
        records: list[_Record] = loads(text)
        for record in records:
            record[_SETTINGS] = [values for values in record[_SETTINGS] if values[0] != name]
        execute("UPDATE journal SET changes = ? WHERE id = ?", (dumps_whole(records), entry_id))


class Journal:
    """Commits on their way into the tables.

    :param connection: of the file; nobody else writes with it
    :param keep_events: how many events of an account can be read again
    :raises sqlite3.Error: the file cannot be read
    """

    def __init__(self, connection: sqlite3.Connection, keep_events: int) -> None:
        self._connection = connection
        self._keep_events = keep_events
        self._writes = 0
        self._waits = True
        """Whether a commit waits for the disk."""
        self.shared = False
        """Whether commits are written `together`."""
        self._complained = False
        """Whether it is known that the tables cannot be written."""
        self._depends = False
        """Whether tables are written in the transaction that is open: it may no longer be given up."""
        self._new: list[_Record] = []
        """Commits that are not on disk yet."""
        self._new_texts: list[bytes] = []
        self._written: list[_Record] = []
        """Commits that are on disk, and not in the tables."""
        self._last_id = 0
        """Of the entry that was written last."""
        for entry_id, text in connection.execute("SELECT id, changes FROM journal ORDER BY id"):
            self._last_id = entry_id
            self._written += [_completed(record) for record in loads(text)]
        self.claims: dict[tuple[int, str], Claim] = {}
        """Of the commits that are not in the tables."""
        self._know_claims()

    def append(self, changes: Changes) -> None:
        """Take one commit. It is on disk when this returns; within `together`, at the end of the block.

        :raises sqlite3.Error: the disk refused; nothing is written
        :raises TypeError: something in it cannot be written
        """
        record = _record(changes)
        text = dumps_whole(record)
        if not self.shared:
            self._end_interrupted()
            self._wait_again()
        self._new_texts.append(text)
        self._new.append(record)
        if not self.shared:
            self._sync()
        for row in changes.claims:
            self.claims[row.account_id, row.client_order_id] = row
        if changes.accounts or changes.strategies or len(self._written) >= _MOST:
            self._catch_up_after_commit()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let the commits of a `with` block share one write to the disk, at its end.

        :raises sqlite3.Error: the disk refused; nothing of the block is written
        """
        self._end_interrupted()
        self._wait_again()  # SQLite lets nobody change that within a transaction
        before = self._written
        self.shared = True
        try:
            yield
            self._sync()
        except BaseException:
            self._written = before
            self._give_up()
            self._know_claims()
            raise
        finally:
            self.shared = False
        if len(self._written) >= _MOST:
            self._catch_up_after_commit()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let a `with` block read tables that lack nothing.

        They are brought up to date by the way. A disk that is full does not keep anybody from reading: what
        the journal holds is then written into the tables for the time of the block only.

        :raises sqlite3.Error: they cannot be written at all now; nothing is lost
        """
        if not (self._written or self._new):
            yield
        elif self.shared:
            with self._part():  # of the transaction that `together` ends
                self._write_tables()
            self._depends = True
            self._forget()
            yield
        else:
            self._end_interrupted()
            with self._unhurried():
                self._begin()
                self._write_tables()
                yield
                try:
                    self._connection.execute("COMMIT")
                    self._forget()
                    self._complained = False
                except sqlite3.Error as error:
                    self._complain(error)
                except BaseException:  # of a signal's handler, when the tables had been written
                    if not self._connection.in_transaction:
                        self._forget()
                    raise

    def catch_up(self) -> None:
        """Bring the tables up to date, if that can be done now.

        :raises sqlite3.Error: as `reading`
        """
        with self.reading():
            pass

    def _catch_up_after_commit(self) -> None:
        """What is in the journal is safe, so that a failure now is no failure of the commit."""
        if self.shared:
            return
        try:
            self.catch_up()
        except sqlite3.Error as error:
            self._complain(error)

    def _complain(self, error: sqlite3.Error) -> None:
        """Log it once, and not at each of the attempts that follow."""
        if not self._complained:
            told = "the tables could not be written; the journal keeps what they lack"
            LOG.error(told, exc_info=error)
        self._complained = True

    @contextmanager
    def _unhurried(self) -> Iterator[None]:
        """A transaction that may come to the disk together with the next commit: the journal has it all."""
        self._waits = False
        self._connection.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._wait_again()

    @contextmanager
    def _part(self) -> Iterator[None]:
        """A part of a transaction, whole or not at all."""
        self._begin()
        execute = self._connection.execute
        execute("SAVEPOINT part")
        try:
            yield
            execute("RELEASE part")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK TO part")
                execute("RELEASE part")
            raise

    def _begin(self) -> None:
        """Begin a transaction, or go on with the one that is open."""
        if self._depends and not self._connection.in_transaction:
            raise sqlite3.OperationalError("the transaction has been rolled back")
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")

    def _wait_again(self) -> None:
        if not self._waits:
            self._connection.execute("PRAGMA synchronous = FULL")
            self._waits = True

    def _forget(self) -> None:
        self._written, self._new, self._new_texts = [], [], []
        self.claims = {}

    def _sync(self) -> None:
        """Bring what is new to the disk."""
        execute = self._connection.execute
        try:
            if self._depends:
                self._begin()
            if self._new:  # a transaction by itself, unless tables were written before it
                text = b"[" + b",".join(self._new_texts) + b"]"
                execute(_PUT_ENTRY, (self._last_id + 1, text))
            if self._connection.in_transaction:
                execute("COMMIT")
        except BaseException as error:
            alone = not self._depends
            self._give_up()
            if alone and not isinstance(error, sqlite3.Error):
                self._take_back()
            raise
        self._last_id += 1
        self._written += self._new
        self._new, self._new_texts, self._depends = [], [], False
        self._writes += 1
        if self._writes == _BUSY:
            self._prepare()

    def _prepare(self) -> None:
        try:
            lengthen_log(self._connection)
        except sqlite3.Error:
            LOG.warning("the log could not be lengthened; commits take longer for a while", exc_info=True)

    def _give_up(self) -> None:
        self._new, self._new_texts, self._depends = [], [], False
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _take_back(self) -> None:
        """Take out an entry of which nobody was told that it is there.

        A signal's handler, as that of Ctrl-C, raises when SQLite is done: the commit is on the disk then, and
        for everybody it has failed. Where it cannot be taken out now, the next entry takes its place.
        """
        with suppress(sqlite3.Error):
            self._connection.execute("DELETE FROM journal WHERE id > ?", (self._last_id,))

    def _end_interrupted(self) -> None:
        """Take back what is left of a read whose end a signal's handler has kept from running."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _write_tables(self) -> None:
        """Write all commits into the tables."""
        records = self._written + self._new
        for index, (statement, key, counter) in enumerate(_TABLES):
            rows = [values for record in records for values in record[index]]
            if key is not None:
                latest = {key(values): values for values in rows}
                if counter is not None:
                    counter.note(self._connection, latest)
                rows = [*latest.values()]
            statement.write(self._connection, rows)
        self._forget_events(records)
        self._connection.execute("DELETE FROM journal")

    def _forget_events(self, records: list[_Record]) -> None:
        forgotten = {
            values[0]: values[1] - self._keep_events
            for record in records
            for values in record[_EVENTS]
            if values[1] % _PRUNE_EVERY == 0
        }
        self._connection.executemany(_FORGET_EVENTS, forgotten.items())

    def _know_claims(self) -> None:
        claims = [CLAIM.entity(values) for record in self._written for values in record[_CLAIMS]]
        self.claims = {(claim.account_id, claim.client_order_id): claim for claim in claims}
