"""A store in one SQLite file: write-ahead log, every commit on disk before it returns."""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, cast

from filelock import FileLock, Timeout

from ccxt_driver.contract.commands import Side, TimeInForce
from ccxt_driver.contract.rows import LedgerKind, OrderStatus, PositionMode, PositionState

from .entities import Account, ApiKey, Claim, Deal, Event, LedgerEntry, Order, Position, Strategy
from .json_text import dumps, loads
from .sqlite_file import SharedTransaction, connect, transaction
from .sqlite_keys import SqliteApiKeys
from .store import KEEP_EVENTS, Changes, RowFilter, Snapshot, StoreError, StoreInUse, StoreUnusable

_PRUNE_EVERY: Final = 256
"""Events are forgotten that many at a time, so that no commit has to forget a mountain."""


def _json(value: Any) -> str:
    return dumps(value).decode()


def _params_text(value: Mapping[str, Any]) -> str:
    # They are the client's own, and in process may be any object; they are kept for the record.
    return json.dumps(value, default=str, ensure_ascii=False)


def _ids(text: str) -> tuple[int, ...]:
    return tuple(loads(text))


def _texts(text: str) -> tuple[str, ...]:
    return tuple(loads(text))


def _leverage_text(value: Mapping[str, Decimal]) -> str:
    return _json({symbol: str(number) for symbol, number in value.items()})


def _leverage(text: str) -> dict[str, Decimal]:
    return {symbol: Decimal(number) for symbol, number in loads(text).items()}


_Codec = tuple[Callable[[Any], Any] | None, Callable[[Any], Any] | None]

_value = attrgetter("value")
_CODECS: Final[dict[str, _Codec]] = {
    "int": (None, None),
    "str": (None, None),
    "bool": (int, bool),
    "Decimal": (str, Decimal),
    "Side": (_value, Side),
    "OrderStatus": (_value, OrderStatus),
    "TimeInForce": (_value, TimeInForce),
    "PositionState": (_value, PositionState),
    "PositionMode": (_value, PositionMode),
    "LedgerKind": (_value, LedgerKind),
    "dict[str, Any]": (_json, loads),
    "dict[str, Decimal]": (_leverage_text, _leverage),
    "tuple[int, ...]": (_json, _ids),
    "tuple[str, ...]": (_json, _texts),
    "params": (_params_text, json.loads),
}
"""How a field of an entity goes into its column and comes out, by its name or its annotation."""

_Entity = TypeVar("_Entity")
_Row = TypeVar("_Row", Order, Deal, Position, LedgerEntry)


class _Mapping(Generic[_Entity]):
    """An entity and its table: the columns are the fields.

    :param fixed: fields that a later write of the same row cannot change
    """

    def __init__(self, table: str, entity: type[_Entity], fixed: Sequence[str]) -> None:
        fields = dataclasses.fields(cast("type[Any]", entity))
        codecs = [
            _CODECS[field.name if field.name in _CODECS else str(field.type).removesuffix(" | None")]
            for field in fields
        ]
        names = [field.name for field in fields]
        columns = ", ".join(names)
        self.table = table
        self._entity = entity
        self._get: Callable[[_Entity], tuple[Any, ...]] = attrgetter(*names)
        self._into = [(index, into) for index, (into, _) in enumerate(codecs) if into]
        self._out_of = [(index, out_of) for index, (_, out_of) in enumerate(codecs) if out_of]
        self.select = f"SELECT {columns} FROM {table}"
        self.insert = f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(names))})"
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in fixed)
        self.upsert = f"{self.insert} ON CONFLICT (id) DO UPDATE SET {changes}"

    def values(self, row: _Entity) -> list[Any]:
        values = list(self._get(row))
        for index, into in self._into:
            value = values[index]
            if value is not None:
                values[index] = into(value)
        return values

    def entity(self, row: Iterable[Any]) -> _Entity:
        values = list(row)
        for index, out_of in self._out_of:
            value = values[index]
            if value is not None:
                values[index] = out_of(value)
        return self._entity(*values)


_ORDER = _Mapping("orders", Order, ("id", "account_id", "created_at", "client_order_id"))
_DEAL = _Mapping("deals", Deal, ("id", "account_id", "executed_at", "order_id"))
_POSITION = _Mapping("positions", Position, ("id", "account_id", "opened_at"))
_LEDGER = _Mapping("ledger", LedgerEntry, ("id", "account_id", "created_at"))
_ACCOUNT = _Mapping("accounts", Account, ("id",))
_STRATEGY = _Mapping("strategies", Strategy, ("id",))
_CLAIM = _Mapping("claims", Claim, ())
_EVENT = _Mapping("events", Event, ())

_PUT_BALANCE: Final = """INSERT INTO balances (account_id, currency, total) VALUES (?, ?, ?)
    ON CONFLICT (account_id, currency) DO UPDATE SET total = excluded.total"""
_PUT_SETTING: Final = """INSERT INTO settings (name, value) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
# Word for word the conditions of the partial indexes: history costs nothing at the start.
_OPEN_ORDERS: Final = " WHERE status IN ('PENDING_SUBMIT', 'SUBMITTED', 'PARTIALLY_FILLED') ORDER BY id"
_OPEN_POSITIONS: Final = " WHERE state IN ('open', 'close_requested') ORDER BY id"


class _Where:
    """Conditions of a query and their values."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.values: list[Any] = []

    def add(self, condition: str, value: Any) -> None:
        if value is not None:
            self.conditions.append(condition)
            self.values.append(value)

    def among(self, column: str, wanted: Iterable[Any] | None) -> None:
        if wanted is not None:
            values = [getattr(value, "value", value) for value in wanted]
            self.conditions.append(f"{column} IN ({', '.join('?' * len(values))})")
            self.values += values

    def times(self, wanted: RowFilter, time: str, dated: str) -> None:
        self.among("account_id", wanted.account_ids)
        self.add(f"{time} >= ?", wanted.since_ms)
        self.add(f"{time} <= ?", wanted.until_ms)
        self.add(f"{dated} >= ?", wanted.dated_since)
        self.add(f"{dated} <= ?", wanted.dated_until)

    def book(self, wanted: RowFilter) -> None:
        self.among("strategy_id", wanted.strategy_ids)
        self.add("symbol = ?", wanted.symbol)

    def orders_named(self, wanted: RowFilter, template: str, column: str) -> None:
        """Those orders that the filter names; `template` says how `column` of an order is asked for."""
        self.add(template.format(f"{column} = ?"), wanted.order_id)
        if wanted.client_order_id is not None:
            marks = ", ".join("?" * len(wanted.account_ids))
            query = f"SELECT id FROM orders WHERE client_order_id = ? AND account_id IN ({marks})"
            self.conditions.append(template.format(f"{column} IN ({query})"))
            self.values += [wanted.client_order_id, *wanted.account_ids]


class _Latest:
    """Balances and settings as they go into the file: a later one takes the place of an earlier one."""

    __slots__ = ("balances", "settings")

    def __init__(self) -> None:
        self.balances: dict[tuple[int, str], str] = {}
        self.settings: dict[str, str] = {}

    def take(self, changes: Changes) -> None:
        for owner, total in changes.balances.items():
            self.balances[owner] = str(total)
        for name, value in changes.settings.items():
            self.settings[name] = _json(value)


class SqliteStore:
    """A store in a file that one process holds at a time.

    :param path: of the database; the lock beside the file is its name with `.lock`
    :param keep_events: how many events of an account can be read again
    :raises StoreInUse: another store has the file open, in this process or another one
    :raises StoreUnusable: the file cannot be opened, is not ours, or is of a newer version
    """

    durable = True

    def __init__(self, path: str | os.PathLike[str], keep_events: int = KEEP_EVENTS) -> None:
        self.path = Path(path)
        self._keep_events = keep_events
        self._lock = _locked(self.path)
        self._write = transaction
        """How one commit is written: by itself, or as a part of several."""
        self._latest: _Latest | None = None
        """Values that several commits have changed, and only the last one counts; None outside of those."""
        try:
            self._connection = connect(self.path)
            self._keys = SqliteApiKeys(self.path)
            self._last_seq = self._read_last_seq()
        except BaseException:
            self._lock.release()
            raise

    def load(self) -> Snapshot:
        """Read the live state.

        :raises StoreError: it cannot be read
        """
        try:
            return self._load()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path} cannot be read: {error}") from error

    def _load(self) -> Snapshot:
        query = self._connection.execute
        if self._latest is not None:
            self._write_latest(self._latest)
        self._last_seq = self._read_last_seq()
        return Snapshot(
            open_orders=[_ORDER.entity(row) for row in query(_ORDER.select + _OPEN_ORDERS)],
            open_positions=[_POSITION.entity(row) for row in query(_POSITION.select + _OPEN_POSITIONS)],
            balances={
                (account_id, currency): Decimal(total)
                for account_id, currency, total in query("SELECT account_id, currency, total FROM balances")
            },
            accounts={row[0]: _ACCOUNT.entity(row) for row in query(_ACCOUNT.select)},
            strategies={row[0]: _STRATEGY.entity(row) for row in query(_STRATEGY.select)},
            settings={name: loads(value) for name, value in query("SELECT name, value FROM settings")},
            last_seq=dict(self._last_seq),
        )

    def _read_last_seq(self) -> dict[int, int]:
        # From account to account by the primary key: max(seq) for all at once would read every event.
        found: dict[int, int] = {}
        account_id = self._next_account(-1)
        while account_id is not None:
            query = "SELECT max(seq) FROM events WHERE account_id = ?"
            found[account_id] = self._connection.execute(query, (account_id,)).fetchone()[0]
            account_id = self._next_account(account_id)
        return found

    def _next_account(self, after: int) -> int | None:
        query = "SELECT min(account_id) FROM events WHERE account_id > ?"
        account_id: int | None = self._connection.execute(query, (after,)).fetchone()[0]
        return account_id

    def commit(self, changes: Changes) -> None:
        """Write one transaction; when it returns, it is on disk.

        :raises StoreError: as the protocol says, or the disk refused; nothing is written
        """
        last_seq = self._follow(changes.events)
        try:
            with self._write(self._connection):
                self._write_rows(changes)
                self._write_state(changes)
                if changes.events:
                    self._write_events(changes.events)
        except sqlite3.Error as error:
            raise StoreError(f"nothing was written to {self.path}: {error}") from error
        self._last_seq.update(last_seq)
        if self._latest is not None:
            self._latest.take(changes)

    @contextmanager
    def together(self) -> Iterator[None]:
        """As the protocol says: one transaction of SQLite, each commit a part of it.

        :raises StoreError: the disk refused; nothing of the block is written
        """
        shared = SharedTransaction(self._connection)
        self._write = shared.part
        self._latest = _Latest()
        try:
            yield
            self._write_latest(self._latest)
            shared.commit()
        except sqlite3.Error as error:
            raise StoreError(f"nothing was written to {self.path}: {error}") from error
        finally:
            self._write = transaction
            self._latest = None
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _follow(self, events: list[Event]) -> dict[int, int]:
        last: dict[int, int] = {}
        for event in events:
            account_id = event.account_id
            expected = last.get(account_id, self._last_seq.get(account_id, 0)) + 1
            if event.seq != expected:
                raise StoreError(f"event {event.seq} of account {account_id} should be {expected}")
            last[account_id] = expected
        return last

    def _write_rows(self, changes: Changes) -> None:
        write = self._connection.executemany
        if changes.claims:
            write(_CLAIM.insert, map(_CLAIM.values, changes.claims))
        if changes.orders:
            write(_ORDER.upsert, map(_ORDER.values, changes.orders.values()))
        if changes.deals:
            write(_DEAL.upsert, map(_DEAL.values, changes.deals))
        if changes.positions:
            write(_POSITION.upsert, map(_POSITION.values, changes.positions.values()))
        if changes.ledger:
            write(_LEDGER.upsert, map(_LEDGER.values, changes.ledger))

    def _write_state(self, changes: Changes) -> None:
        write = self._connection.executemany
        if changes.accounts:
            write(_ACCOUNT.upsert, map(_ACCOUNT.values, changes.accounts.values()))
        if changes.strategies:
            write(_STRATEGY.upsert, map(_STRATEGY.values, changes.strategies.values()))
        if self._latest is None:
            latest = _Latest()
            latest.take(changes)
            self._write_latest(latest)

    def _write_latest(self, latest: _Latest) -> None:
        if self._connection.in_transaction:  # else SQLite has rolled back what they belong to
            write = self._connection.executemany
            write(_PUT_BALANCE, [(*owner, total) for owner, total in latest.balances.items()])
            write(_PUT_SETTING, latest.settings.items())

    def _write_events(self, events: list[Event]) -> None:
        self._connection.executemany(_EVENT.insert, map(_EVENT.values, events))
        for event in events:
            if event.seq % _PRUNE_EVERY == 0:
                self._connection.execute(
                    "DELETE FROM events WHERE account_id = ? AND seq <= ?",
                    (event.account_id, event.seq - self._keep_events),
                )

    def orders(self, wanted: RowFilter) -> tuple[list[Order], int]:
        """Rows that match, and how many match without offset and limit."""
        where = _Where()
        where.times(wanted, "created_at", "updated_at")
        where.book(wanted)
        where.orders_named(wanted, "{}", "id")
        where.add("position_id = ?", wanted.position_id)
        where.among("status", wanted.statuses)
        return self._page(_ORDER, where, wanted, "created_at")

    def deals(self, wanted: RowFilter) -> tuple[list[Deal], int]:
        """As `orders`."""
        where = _Where()
        where.times(wanted, "executed_at", "executed_at")
        where.book(wanted)
        where.orders_named(wanted, "{}", "order_id")
        where.add("position_id = ?", wanted.position_id)
        return self._page(_DEAL, where, wanted, "executed_at")

    def positions(self, wanted: RowFilter) -> tuple[list[Position], int]:
        """As `orders`."""
        where = _Where()
        where.times(wanted, "opened_at", "updated_at")
        where.book(wanted)
        where.orders_named(wanted, "id IN (SELECT position_id FROM deals WHERE {})", "order_id")
        where.add("id = ?", wanted.position_id)
        where.among("state", wanted.statuses)
        return self._page(_POSITION, where, wanted, "opened_at")

    def ledger(self, wanted: RowFilter) -> tuple[list[LedgerEntry], int]:
        """As `orders`."""
        where = _Where()
        where.times(wanted, "created_at", "created_at")
        where.add("currency = ?", wanted.currency)
        where.add("kind = ?", wanted.kind)
        return self._page(_LEDGER, where, wanted, "created_at")

    def _page(
        self, mapping: _Mapping[_Row], where: _Where, wanted: RowFilter, time: str
    ) -> tuple[list[_Row], int]:
        conditions = " WHERE " + " AND ".join(where.conditions)
        way = "DESC" if wanted.descending else "ASC"
        limit = -1 if wanted.limit is None else wanted.limit
        query = f"{mapping.select}{conditions} ORDER BY {time} {way}, id {way} LIMIT ? OFFSET ?"
        cursor = self._connection.execute(query, (*where.values, limit, wanted.offset))
        rows = [mapping.entity(row) for row in cursor]
        if wanted.limit is None and wanted.offset == 0:
            return rows, len(rows)
        count = f"SELECT count(*) FROM {mapping.table}{conditions}"
        return rows, self._connection.execute(count, where.values).fetchone()[0]

    def orders_by_id(self, ids: Sequence[int]) -> list[Order]:
        """Those that exist, in the order asked."""
        return self._by_id(_ORDER, ids)

    def deals_by_id(self, ids: Sequence[int]) -> list[Deal]:
        """As `orders_by_id`."""
        return self._by_id(_DEAL, ids)

    def positions_by_id(self, ids: Sequence[int]) -> list[Position]:
        """As `orders_by_id`."""
        return self._by_id(_POSITION, ids)

    def _by_id(self, mapping: _Mapping[_Row], ids: Sequence[int]) -> list[_Row]:
        # One lookup each: a list of any length stays below SQLite's limit of values in a statement.
        query = f"{mapping.select} WHERE id = ?"
        rows = (self._connection.execute(query, (row_id,)).fetchone() for row_id in ids)
        return [mapping.entity(row) for row in rows if row is not None]

    def claim(self, account_id: int, client_order_id: str) -> Claim | None:
        """Who owns a client order id."""
        query = f"{_CLAIM.select} WHERE account_id = ? AND client_order_id = ?"
        row = self._connection.execute(query, (account_id, client_order_id)).fetchone()
        return None if row is None else _CLAIM.entity(row)

    def events(self, account_id: int, after_seq: int, limit: int) -> list[Event] | None:
        """Events after a cursor, ascending; None as the protocol says."""
        last = self._last_seq.get(account_id, 0)
        if after_seq > last or after_seq < last - self._keep_events:
            return None
        query = f"{_EVENT.select} WHERE account_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        found = [
            _EVENT.entity(row) for row in self._connection.execute(query, (account_id, after_seq, limit))
        ]
        # More may have been forgotten when the file was written by a store that kept fewer.
        return None if found and found[0].seq != after_seq + 1 else found

    def api_keys(self) -> list[ApiKey]:
        """All keys, disabled ones too."""
        return self._keys.api_keys()

    def api_key_by_digest(self, digest: str) -> ApiKey | None:
        """The key with that SHA-256, disabled or not."""
        return self._keys.api_key_by_digest(digest)

    def add_api_key(self, key: ApiKey) -> ApiKey:
        """Write a new key; returns it with the id that it has been given."""
        return self._keys.add_api_key(key)

    def put_api_key(self, key: ApiKey) -> None:
        """Replace the key of the same id. One that is disabled stays so."""
        self._keys.put_api_key(key)

    def close(self) -> None:
        """Close the file and release its lock."""
        self._keys.close()
        self._connection.close()
        self._lock.release()


def _locked(path: Path) -> FileLock:
    if not path.parent.is_dir():  # the lock would make it
        raise StoreUnusable(f"{path} cannot be opened: there is no directory {path.parent}")
    # Beside the file itself, whatever link it was reached by.
    lock = FileLock(f"{path.resolve()}.lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StoreInUse(f"{path} is in use by another process") from None
    except OSError as error:
        raise StoreError(f"{path}.lock cannot be made: {error}") from error
    return lock
