"""The journal of the SQLite file: a commit is on disk as one row, and goes into the tables later.

A row in the journal is what a commit costs whoever waits for it. The tables and their indexes are written for
many commits at once: before anything is read from them, when the journal has grown, or when there is time.
After a crash the journal is what the tables still lack. What is in the tables stays in it for its events.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from . import sqlite_outbox
from .entities import Claim
from .json_text import dumps_whole, loads
from .sqlite_file import has_table, lengthen_log
from .sqlite_outbox import IN_THE_TABLES, Entry, entry_of
from .sqlite_records import Record, claims_in, record_of, records_in, without_setting, write_tables
from .store import Changes

LOG: Final = logging.getLogger("ccxt_driver.oms")

_MOST: Final = 192
"""Commits that wait for the tables: writing them makes whoever comes then wait for a few milliseconds."""
_BUSY: Final = 64
"""So many writes to the disk make a store worth a few milliseconds of preparation."""

_WAITING: Final = f"SELECT id, changes FROM journal WHERE id > {IN_THE_TABLES} ORDER BY id"
_LAST_ID: Final = f"SELECT max(coalesce((SELECT max(id) FROM journal), 0), {IN_THE_TABLES})"
"""The tables may know of later entries than there are, in a file that was damaged: no new one is theirs."""
_PUT_ENTRY: Final = """INSERT INTO journal (id, changes) VALUES (?, ?)
    ON CONFLICT (id) DO UPDATE SET changes = excluded.changes"""
"""An entry that nobody knows of, of a commit that was interrupted, gives way to the next one."""
_REMOVE_AFTER: Final = "DELETE FROM journal WHERE id > ?"


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
    waiting = _WAITING if has_table(connection, "outbox") else "SELECT id, changes FROM journal"
    for entry_id, text in execute(waiting).fetchall():
        records = without_setting(loads(text), name)
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
        self._new: list[Record] = []
        """Commits that are not on disk yet."""
        self._new_texts: list[bytes] = []
        self._written: list[Record] = []
        """Commits that are on disk, and not in the tables."""
        self._entries: list[Entry] = []
        """Those in which they are."""
        self._last_id = 0
        """Of the entry that was written last."""
        self.claims: dict[tuple[int, str], Claim] = {}
        """Of the commits that are not in the tables."""
        self._recall()

    def append(self, changes: Changes) -> None:
        """Take one commit. It is on disk when this returns; within `together`, at the end of the block.

        :raises sqlite3.Error: the disk refused; nothing is written
        :raises TypeError: something in it cannot be written
        """
        record = record_of(changes)
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
        before = self._last_id, self._written, self._entries
        self.shared = True
        try:
            yield
            self._sync()
        except BaseException:
            self._last_id, self._written, self._entries = before
            self._give_up()
            self._know_claims()
            with suppress(sqlite3.Error):  # a signal's handler may have raised when all was on the disk
                self._recall()
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
        """All of it is in the tables."""
        self._last_id += bool(self._new)
        self._written, self._entries, self._new, self._new_texts = [], [], [], []
        self.claims = {}

    def _sync(self) -> None:
        """Bring what is new to the disk."""
        entry = None
        try:
            if self._depends:
                self._begin()
            if self._new:  # a transaction by itself, unless tables were written before it
                entry = self._put()
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        except BaseException as error:
            alone = not self._depends
            self._give_up()
            if alone and not isinstance(error, sqlite3.Error):
                self._take_back()
            raise
        if entry is not None:
            self._last_id = entry.id
            self._entries.append(entry)
            self._written += self._new
        self._new, self._new_texts, self._depends = [], [], False
        self._writes += 1
        if self._writes == _BUSY:
            self._prepare()

    def _put(self) -> Entry:
        """Write what is new as the next entry."""
        entry = entry_of(self._last_id + 1, self._new)
        text = b"[" + b",".join(self._new_texts) + b"]"
        self._connection.execute(_PUT_ENTRY, (entry.id, text))
        return entry

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
            self._connection.execute(_REMOVE_AFTER, (self._last_id,))

    def _end_interrupted(self) -> None:
        """Take back what is left of a read whose end a signal's handler has kept from running."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _write_tables(self) -> None:
        """Write all commits into the tables; those that are not in the journal yet come there, too."""
        self._connection.execute(_REMOVE_AFTER, (self._last_id,))
        entries = [*self._entries, self._put()] if self._new else self._entries
        write_tables(self._connection, self._written + self._new)
        sqlite_outbox.keep(self._connection, entries, self._keep_events)

    def _recall(self) -> None:
        """Know what waits as the file has it."""
        [last_id] = self._connection.execute(_LAST_ID).fetchone()
        written: list[Record] = []
        entries: list[Entry] = []
        for entry_id, text in self._connection.execute(_WAITING):
            records = records_in(text)
            written += records
            entries.append(entry_of(entry_id, records))
        self._last_id, self._written, self._entries = last_id, written, entries
        self._know_claims()

    def _know_claims(self) -> None:
        found = claims_in(self._written)
        self.claims = {(claim.account_id, claim.client_order_id): claim for claim in found}
