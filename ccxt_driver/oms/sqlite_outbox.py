"""The outbox of the SQLite file: events are read again from the entries of the journal that they came with.

An entry whose rows are in the tables stays in the journal as long as events of it can be asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from .entities import Event
from .json_text import loads
from .sqlite_records import Record, events_in, spans_of
from .sqlite_rows import RowStatement

_PRUNE_EVERY: Final = 256
"""Events are forgotten that many at a time, so that no commit has to forget a mountain."""

_COLUMNS: Final = "account_id, last_seq, first_seq, entry_id"
_PUT: Final = RowStatement(f"INSERT INTO outbox ({_COLUMNS})", 4)
_ENTRIES: Final = """SELECT changes FROM outbox JOIN journal ON id = entry_id
    WHERE account_id = ? AND last_seq > ? ORDER BY last_seq"""
_FORGET: Final = "DELETE FROM outbox WHERE account_id = ? AND last_seq <= ? RETURNING entry_id"
_REMOVE: Final = "DELETE FROM journal WHERE id = ? AND NOT EXISTS (SELECT 1 FROM outbox WHERE entry_id = id)"
"""It may have events of another account."""

IN_THE_TABLES: Final = "(SELECT coalesce(max(entry_id), 0) FROM outbox)"
"""The last entry whose rows are in the tables; those after it wait. One without events is removed then."""


class Span(NamedTuple):
    """Which events of an account an entry has: a row of the table."""

    account_id: int
    last_seq: int
    first_seq: int
    entry_id: int


class Entry(NamedTuple):
    """An entry of the journal, and which events it has."""

    id: int
    spans: list[Span]


def entry_of(entry_id: int, records: list[Record]) -> Entry:
    """An entry by the commits in it."""
    found = spans_of(records).items()
    return Entry(entry_id, [Span(account_id, last, first, entry_id) for account_id, (first, last) in found])


def keep(connection: sqlite3.Connection, entries: list[Entry], keep_events: int) -> None:
    """Keep entries whose rows have come into the tables for their events, and forget what is too old.

    :param keep_events: how many events of an account can be read again
    :raises sqlite3.Error: it cannot be written
    """
    found = [span for entry in entries for span in entry.spans]
    _PUT.write(connection, found)
    connection.executemany(_REMOVE, [(entry.id,) for entry in entries if not entry.spans])
    for span in found:
        if span.last_seq // _PRUNE_EVERY > (span.first_seq - 1) // _PRUNE_EVERY:
            oldest = span.account_id, span.last_seq - keep_events
            connection.executemany(_REMOVE, connection.execute(_FORGET, oldest).fetchall())


def read(connection: sqlite3.Connection, account_id: int, after_seq: int, limit: int) -> Iterator[Event]:
    """Events of an account after one, ascending.

    :raises sqlite3.Error: they cannot be read
    :raises ValueError: as before
    """
    entries = connection.execute(_ENTRIES, (account_id, after_seq))
    found = (event for (text,) in entries for event in events_in(loads(text), account_id, after_seq))
    return islice(found, limit)


def last_numbers(connection: sqlite3.Connection) -> dict[int, int]:
    """The number of the newest event of each account.

    :raises sqlite3.Error: they cannot be read
    """
    # From account to account by the primary key: max for all at once would read every row.
    found: dict[int, int] = {}
    account_id = _next_account(connection, -1)
    while account_id is not None:
        query = "SELECT max(last_seq) FROM outbox WHERE account_id = ?"
        found[account_id] = connection.execute(query, (account_id,)).fetchone()[0]
        account_id = _next_account(connection, account_id)
    return found


def _next_account(connection: sqlite3.Connection, after: int) -> int | None:
    query = "SELECT min(account_id) FROM outbox WHERE account_id > ?"
    account_id: int | None = connection.execute(query, (after,)).fetchone()[0]
    return account_id
