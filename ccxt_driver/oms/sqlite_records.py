"""What one commit writes to the SQLite file, as an entry of the journal has it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any, Final

from ccxt_driver.contract.events import EventName

from .entities import Claim, Event, RowEvent
from .json_text import loads
from .sqlite_counts import RowCounter
from .sqlite_rows import (
    ACCOUNT,
    CLAIM,
    DEAL,
    LEDGER,
    ORDER,
    POSITION,
    STRATEGY,
    RowMapping,
    RowStatement,
    json_text,
)
from .store import Changes

Values = list[Any]
Record = list[list[Values]]
"""For each of its parts the rows: of a table as they go into the columns, and the events."""

_PUT_BALANCE: Final = RowStatement(
    "INSERT INTO balances (account_id, currency, total)",
    3,
    "ON CONFLICT (account_id, currency) DO UPDATE SET total = excluded.total",
)
_PUT_SETTING: Final = RowStatement(
    "INSERT INTO settings (name, value)", 2, "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

_CLAIMS: Final = 0
_ORDERS: Final = 1
_DEALS: Final = 2
_POSITIONS: Final = 3
_LEDGER: Final = 4
_EVENTS: Final = 5
_ACCOUNTS: Final = 6
_STRATEGIES: Final = 7
_BALANCES: Final = 8
_SETTINGS: Final = 9
_MAPPINGS: Final[dict[int, RowMapping[Any]]] = {
    _CLAIMS: CLAIM,
    _ORDERS: ORDER,
    _DEALS: DEAL,
    _POSITIONS: POSITION,
    _LEDGER: LEDGER,
    _ACCOUNTS: ACCOUNT,
    _STRATEGIES: STRATEGY,
}
_by_first: Final = itemgetter(0)
_by_two: Final = itemgetter(0, 1)
_TABLES: Final[tuple[tuple[int, RowStatement, Callable[[Values], Any] | None, RowCounter | None], ...]] = (
    (_CLAIMS, CLAIM.insert, None, None),
    (_ORDERS, ORDER.upsert, _by_first, RowCounter(ORDER)),
    (_DEALS, DEAL.upsert, _by_first, RowCounter(DEAL)),
    (_POSITIONS, POSITION.upsert, _by_first, RowCounter(POSITION)),
    (_LEDGER, LEDGER.upsert, _by_first, RowCounter(LEDGER)),
    (_ACCOUNTS, ACCOUNT.upsert, _by_first, None),
    (_STRATEGIES, STRATEGY.upsert, _by_first, None),
    (_BALANCES, _PUT_BALANCE, _by_two, None),
    (_SETTINGS, _PUT_SETTING, _by_first, None),
)
"""How rows are written; by what a later one is known to replace an earlier one, if any does; who counts."""


def record_of(changes: Changes) -> Record:
    """A commit; JSON can say all of it."""
    return [
        [CLAIM.values(row) for row in changes.claims],
        [ORDER.values(row) for row in changes.orders.values()],
        [DEAL.values(row) for row in changes.deals],
        [POSITION.values(row) for row in changes.positions.values()],
        [LEDGER.values(row) for row in changes.ledger],
        [_event_values(event) for event in changes.events],
        [ACCOUNT.values(row) for row in changes.accounts.values()],
        [STRATEGY.values(row) for row in changes.strategies.values()],
        [[*owner, str(total)] for owner, total in changes.balances.items()],
        [[name, json_text(value)] for name, value in changes.settings.items()],
    ]


def _event_values(event: Event) -> Values:
    # A row that the record has is not written twice.
    payload = event.payload["id"] if type(event) is RowEvent else event.payload
    return [event.account_id, event.seq, event.ts_ms, event.name, payload, event.strategy_id]


def records_in(text: bytes | str) -> list[Record]:
    """The commits of an entry, perhaps of an older version, whose rows lack the columns that came later.

    :raises ValueError: it cannot be read
    """
    records: list[Record] = loads(text)
    for record in records:
        for index, mapping in _MAPPINGS.items():
            record[index] = [mapping.completed(values) for values in record[index]]
    return records


def write_tables(connection: sqlite3.Connection, records: list[Record]) -> None:
    """Write commits into the tables.

    :raises sqlite3.Error: they cannot be written
    """
    for index, statement, key, counter in _TABLES:
        rows = [values for record in records for values in record[index]]
        if key is not None:
            latest = {key(values): values for values in rows}
            if counter is not None:
                counter.note(connection, latest)
            rows = [*latest.values()]
        statement.write(connection, rows)


def claims_in(records: list[Record]) -> Iterator[Claim]:
    """The client order ids that commits have claimed."""
    return (CLAIM.entity(values) for record in records for values in record[_CLAIMS])


def spans_of(records: list[Record]) -> dict[int, tuple[int, int]]:
    """The first and the last number of the events of each account."""
    found: dict[int, tuple[int, int]] = {}
    for account_id, seq in numbers_in(records):
        known = found.get(account_id)
        found[account_id] = (seq, seq) if known is None else (known[0], seq)
    return found


def numbers_in(records: list[Record]) -> Iterator[tuple[int, int]]:
    """Account and number of each event, in their order."""
    return ((account_id, seq) for record in records for account_id, seq, *_ in record[_EVENTS])


def events_in(records: list[Record], account_id: int, after_seq: int) -> Iterator[Event]:
    """The events of an account after one, in their order; the rows of `records` may lack columns.

    :raises ValueError: one cannot be read
    """
    for record in records:
        by_id: dict[int, dict[int, Values]] = {}
        for of, seq, ts_ms, name, payload, strategy_id in record[_EVENTS]:
            if of == account_id and seq > after_seq:
                yield Event(of, seq, ts_ms, name, _payload(record, by_id, name, payload), strategy_id)


def _payload(record: Record, by_id: dict[int, dict[int, Values]], name: str, written: Any) -> dict[str, Any]:
    if isinstance(written, int):
        return _row(record, by_id, name, written)
    payload: dict[str, Any] = loads(written) if isinstance(written, str) else written  # text until version 7
    return payload


def _row(record: Record, by_id: dict[int, dict[int, Values]], name: str, row_id: int) -> dict[str, Any]:
    """A row that the record has.

    :param by_id: rows of the parts that were asked for: one commit may have thousands
    """
    index, mapping = (_ORDERS, ORDER) if name == EventName.ORDER_UPDATED else (_DEALS, DEAL)
    rows = by_id.get(index)
    if rows is None:
        rows = by_id[index] = {values[0]: values for values in record[index]}
    if row_id not in rows:
        raise ValueError(f"{name} of {row_id}, which is not beside it")
    row: dict[str, Any] = mapping.entity(mapping.completed(rows[row_id])).row()
    return row


def without_setting(records: list[Record], name: str) -> list[Record]:
    """Commits that do not know of a setting."""
    for record in records:
        record[_SETTINGS] = [values for values in record[_SETTINGS] if values[0] != name]
    return records
