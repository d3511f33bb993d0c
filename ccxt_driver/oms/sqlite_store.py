"""A store in one SQLite file: write-ahead log, every commit on disk before it returns."""

from __future__ import annotations

import logging
import os
import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from filelock import FileLock, Timeout

from ccxt_driver.contract.rows import LedgerKind

from .claim_filter import ClaimFilter, Owner
from .entities import ApiKey, Claim, Deal, Event, LedgerEntry, Order, Position
from .json_text import loads
from .sqlite_counts import total as kept_total
from .sqlite_file import connect, refuse_other_names
from .sqlite_journal import Journal
from .sqlite_keys import SqliteApiKeys
from .sqlite_outbox import last_numbers
from .sqlite_outbox import read as read_events
from .sqlite_rows import ACCOUNT, CLAIM, DEAL, LEDGER, ORDER, POSITION, STRATEGY, RowMapping
from .store import (
    KEEP_EVENTS,
    Changes,
    RowFilter,
    RowKind,
    Snapshot,
    StoreError,
    StoreInUse,
    StoreUnusable,
)

LOG: Final = logging.getLogger("ccxt_driver.oms")

_AT_ONCE: Final = 4096
"""How many claims are looked through at once, which takes some milliseconds."""
_LOCK: Final = ".lock"
"""How the name of a lock ends."""

_Row = TypeVar("_Row", Order, Deal, Position, LedgerEntry)

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

    def times(self, wanted: RowFilter, time: str, dated: str, named: bool = False) -> None:
        """The account and the time of rows.

        :param named: the index of what is named elsewhere has to find them: without statistics SQLite
            takes that of account and time, and looks at the whole history for the deals of one order
        """
        plus = "+" if named else ""
        self.among(f"{plus}account_id", wanted.account_ids)
        self.add(f"{plus}{time} >= ?", wanted.since_ms)
        self.add(f"{plus}{time} <= ?", wanted.until_ms)
        self.add(f"{plus}{dated} >= ?", wanted.dated_since)
        self.add(f"{plus}{dated} <= ?", wanted.dated_until)

    def book(self, wanted: RowFilter, changed: bool = False) -> None:
        """The strategy and the symbol of rows.

        :param changed: they are asked for by their last change, of which the index of time knows nothing
        """
        dated = wanted.dated_since is not None or wanted.dated_until is not None
        plus = "+" if changed and dated else ""
        self.among(f"{plus}strategy_id", wanted.strategy_ids)
        self.add(f"{plus}symbol = ?", wanted.symbol)

    def orders_named(self, wanted: RowFilter, template: str, column: str) -> None:
        """Those orders that the filter names; `template` says how `column` of an order is asked for."""
        named = _Where()
        named.add(f"{column} = ?", wanted.order_id)
        if wanted.client_order_id is not None:
            marks = ", ".join("?" * len(wanted.account_ids))
            query = f"SELECT order_id FROM claims WHERE client_order_id = ? AND account_id IN ({marks})"
            named.conditions.append(f"{column} IN ({query})")
            named.values += [wanted.client_order_id, *wanted.account_ids]
        if named.conditions:  # of one and the same order, when both are given
            self.conditions.append(template.format(" AND ".join(named.conditions)))
            self.values += named.values

    def owned(self, wanted: RowFilter) -> None:
        """Ledger entries of the deals and the positions that the filter is about."""
        deal = _Where()
        deal.among("account_id", wanted.account_ids)
        deal.book(wanted)
        deal.orders_named(wanted, "{}", "order_id")
        deal.add("position_id = ?", wanted.position_id)
        condition = f"kind <> '{LedgerKind.FUNDING}' AND {deal.exists('deals')}"
        self.values += deal.values
        if not wanted.names_an_order:
            position = _Where()
            position.among("account_id", wanted.account_ids)
            position.book(wanted)
            position.add("id = ?", wanted.position_id)
            condition = f"{condition} OR kind = '{LedgerKind.FUNDING}' AND {position.exists('positions')}"
            self.values += position.values
        self.conditions.append(f"({condition})")

    def exists(self, table: str) -> str:
        """Whether the row of a table that a ledger entry names meets these conditions."""
        conditions = " AND ".join((f"{table}.id = ledger.reference_id", *self.conditions))
        return f"EXISTS (SELECT 1 FROM {table} WHERE {conditions})"


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
        self._lock_file = _file_of(self._lock.lock_file)
        self._real_path = self._lock.lock_file.removesuffix(_LOCK)
        """Of the file, whatever the working directory becomes."""
        self._free: Owner | None = None
        """A client order id that was looked for and is nobody's."""
        self._filter = ClaimFilter()
        self._filtered: Owner | None = (-1, "")
        """The last claim of the tables that is in the filter; None when all are."""
        try:
            self._connection = connect(self.path)
        except BaseException:
            self._lock.release()
            raise
        self._file = _file_of(self._real_path)
        try:
            self._keys = SqliteApiKeys(self.path)
        except BaseException:
            self._connection.close()
            self._lock.release()
            raise
        try:
            # After a crash the log may hold a commit that is lost but for a page before it. To write that
            # very page again, as the journal does, would bring the commit back at the next crash.
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._journal = Journal(self._connection, keep_events)
            self._journal.catch_up()
            self._last_seq = last_numbers(self._connection)
            for owner in self._journal.claims:  # that the tables could not take
                self._filter.add(owner)
            self._fill_filter()
        except (sqlite3.Error, ValueError) as error:
            self._release()
            raise StoreUnusable(f"{self.path} cannot be read: {error}") from error
        except BaseException:
            self._release()
            raise

    def load(self) -> Snapshot:
        """Read the live state.

        :raises StoreError: it cannot be read
        """
        with self._reading() as query:
            return self._load(query)

    def _load(self, query: Callable[..., sqlite3.Cursor]) -> Snapshot:
        self._last_seq = last_numbers(self._connection)
        return Snapshot(
            open_orders=[ORDER.entity(row) for row in query(ORDER.select + _OPEN_ORDERS)],
            open_positions=[POSITION.entity(row) for row in query(POSITION.select + _OPEN_POSITIONS)],
            balances={
                (account_id, currency): Decimal(total)
                for account_id, currency, total in query("SELECT account_id, currency, total FROM balances")
            },
            accounts={row[0]: ACCOUNT.entity(row) for row in query(ACCOUNT.select)},
            strategies={row[0]: STRATEGY.entity(row) for row in query(STRATEGY.select)},
            settings={name: loads(value) for name, value in query("SELECT name, value FROM settings")},
            last_seq=dict(self._last_seq),
        )

    @contextmanager
    def _reading(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        """Tables that lack nothing, for a `with` block.

        :raises StoreError: they cannot be read
        """
        self._keep_lock()
        with _Refusing(self.path, "cannot be read"), self._journal.reading():
            yield self._connection.execute

    def commit(self, changes: Changes) -> None:
        """Write one transaction; when it returns, it is on disk.

        :raises StoreError: as the protocol says, or the disk refused; nothing is written
        """
        if not self._journal.shared:
            self._keep_lock()
        last_seq = self._follow(changes.events)
        self._refuse_claimed(changes.claims)
        with _Refusing(self.path, "was not written to"):
            self._journal.append(changes)
        self._last_seq.update(last_seq)

    @contextmanager
    def together(self) -> Iterator[None]:
        """As the protocol says: all of them are one row of the journal.

        :raises StoreError: the disk refused; nothing of the block is written
        """
        with _Refusing(self.path, "was not written to"), self._journal.together():
            yield
            self._keep_lock()

    def catch_up(self) -> None:
        """Bring the tables up to date with the journal.

        :raises StoreError: it cannot be done now; nothing is lost
        """
        self._keep_lock()
        with _Refusing(self.path, "has tables that cannot be written"):
            self._journal.catch_up()
            self._fill_filter()

    def _keep_lock(self) -> None:
        """Make sure that the file is there, and no other process has opened it since its lock was removed.

        What goes into a file that somebody has removed is gone with the process. Two processes would give the
        same ids, and write over what the other has written. A lock file that is gone is made anew: whoever
        opens the file makes one, and leaves it there.

        :raises StoreError: it is not so
        """
        if _file_of(self._real_path) != self._file:
            raise StoreError(f"{self.path} was removed or replaced since it was opened: end this process")
        found = _file_of(self._lock.lock_file)
        if found == self._lock_file:
            return
        if found is None:
            with suppress(StoreInUse):  # by one that was quicker
                lock, before = _locked(Path(self._real_path)), self._lock
                self._lock, self._lock_file = lock, _file_of(lock.lock_file)
                before.release()
                return
        raise StoreError(
            f"{self._lock.lock_file} was removed, and another process has opened the file since: end this one"
        )

    def _follow(self, events: list[Event]) -> dict[int, int]:
        last: dict[int, int] = {}
        for event in events:
            account_id = event.account_id
            expected = last.get(account_id, self._last_seq.get(account_id, 0)) + 1
            if event.seq != expected:
                raise StoreError(f"event {event.seq} of account {account_id} should be {expected}")
            last[account_id] = expected
        return last

    def _refuse_claimed(self, claims: list[Claim]) -> None:
        owners: set[Owner] = set()
        for claim in claims:
            owner = claim.account_id, claim.client_order_id
            if owner in owners or (owner != self._free and self.claim(*owner) is not None):
                raise StoreError(f"client order id {claim.client_order_id!r} is claimed already")
            owners.add(owner)
            self._filter.add(owner)  # before it is written: whatever comes between, it is never missing
        self._free = None

    def _fill_filter(self) -> None:
        """Take more of the claims in the tables into the filter: a start does not wait for all of them."""
        if self._filtered is None:
            return
        query = f"""SELECT account_id, client_order_id FROM claims
            WHERE (account_id, client_order_id) > (?, ?) ORDER BY 1, 2 LIMIT {_AT_ONCE}"""
        with self._journal.reading():
            owners = self._connection.execute(query, self._filtered).fetchall()
        for owner in owners:
            self._filter.add(owner)
        self._filtered = owners[-1] if len(owners) == _AT_ONCE else None

    def _leave_out(self, where: _Where, table: str, wanted: RowFilter) -> None:
        """Rows by whether the OMS knows them; where it knows all, none has to be looked at for it."""
        unknown = "external = 'unknown'"  # word for word as in the partial indexes
        if wanted.known is False:
            where.conditions.append(unknown)
        elif wanted.known:
            query = f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {unknown})"
            with self._reading() as execute:
                some = execute(query).fetchone()[0]
            if some:
                where.conditions.append("external IS NOT 'unknown'")

    def orders(self, wanted: RowFilter) -> tuple[list[Order], int]:
        """Rows that match, and how many match without offset and limit."""
        where = _Where()
        named = wanted.names_an_order or bool(wanted.position_id)  # 0 is that of those without
        where.times(wanted, "created_at", "updated_at", named)
        where.book(wanted, changed=True)
        self._leave_out(where, "orders", wanted)
        where.orders_named(wanted, "{}", "id")
        where.add("position_id = ?", wanted.position_id)
        if wanted.position_id:
            where.conditions.append("position_id <> 0")  # word for word as in the partial index
        where.among("status", wanted.statuses)
        return self._page(ORDER, where, wanted, "created_at")

    def deals(self, wanted: RowFilter) -> tuple[list[Deal], int]:
        """As `orders`."""
        where = _Where()
        named = wanted.names_an_order or wanted.position_id is not None
        where.times(wanted, "executed_at", "executed_at", named)
        where.book(wanted)
        self._leave_out(where, "deals", wanted)
        where.orders_named(wanted, "{}", "order_id")
        where.add("position_id = ?", wanted.position_id)
        return self._page(DEAL, where, wanted, "executed_at")

    def positions(self, wanted: RowFilter) -> tuple[list[Position], int]:
        """As `orders`."""
        where = _Where()
        named = wanted.names_an_order or wanted.position_id is not None
        where.times(wanted, "opened_at", "updated_at", named)
        where.book(wanted, changed=True)
        self._leave_out(where, "positions", wanted)
        where.orders_named(wanted, "id IN (SELECT position_id FROM deals WHERE {})", "order_id")
        where.add("id = ?", wanted.position_id)
        where.among("state", wanted.statuses)
        return self._page(POSITION, where, wanted, "opened_at")

    def ledger(self, wanted: RowFilter) -> tuple[list[LedgerEntry], int]:
        """As `orders`."""
        where = _Where()
        where.times(wanted, "created_at", "created_at")
        where.add("currency = ?", wanted.currency)
        where.add("kind = ?", wanted.kind)
        if wanted.asks_for_owner:
            where.owned(wanted)
        return self._page(LEDGER, where, wanted, "created_at")

    def _page(
        self, mapping: RowMapping[_Row], where: _Where, wanted: RowFilter, time: str
    ) -> tuple[list[_Row], int]:
        conditions = " WHERE " + " AND ".join(where.conditions)
        way = "DESC" if wanted.descending else "ASC"
        limit = -1 if wanted.limit is None else wanted.limit
        query = f"{mapping.select}{conditions} ORDER BY {time} {way}, id {way} LIMIT ? OFFSET ?"
        count = f"SELECT count(*) FROM {mapping.table}{conditions}"
        with self._reading() as execute:
            total = kept_total(execute, mapping.table, wanted)
            if total is not None:  # to look for more than there are would go through the whole history
                left = max(0, total - wanted.offset)
                limit = left if limit < 0 else min(limit, left)
            found = execute(query, (*where.values, limit, wanted.offset)) if limit else ()
            rows = [mapping.entity(row) for row in found]
            if total is not None:
                return rows, total
            last = wanted.limit is None or len(rows) < wanted.limit
            if last and (rows or not wanted.offset):
                return rows, wanted.offset + len(rows)
            return rows, execute(count, where.values).fetchone()[0]

    def orders_by_id(self, ids: Sequence[int]) -> list[Order]:
        """Those that exist, in the order asked."""
        return self._by_id(ORDER, ids)

    def deals_by_id(self, ids: Sequence[int]) -> list[Deal]:
        """As `orders_by_id`."""
        return self._by_id(DEAL, ids)

    def positions_by_id(self, ids: Sequence[int]) -> list[Position]:
        """As `orders_by_id`."""
        return self._by_id(POSITION, ids)

    def ledger_by_id(self, ids: Sequence[int]) -> list[LedgerEntry]:
        """As `orders_by_id`."""
        return self._by_id(LEDGER, ids)

    def ids(self, kind: RowKind, account_id: int) -> array[int]:
        """Ids of all rows that an account has of a kind, ascending; a new array."""
        query = f"SELECT id FROM {kind} WHERE account_id = ? ORDER BY id"
        with self._reading() as execute:
            return array("q", [row_id for (row_id,) in execute(query, (account_id,))])

    def closing_orders(self, account_id: int) -> set[int]:
        """Ids of all orders of an account that were to close a position."""
        query = "SELECT id FROM orders WHERE account_id = ? AND closes_position"
        with self._reading() as execute:
            return {row_id for (row_id,) in execute(query, (account_id,))}

    def _by_id(self, mapping: RowMapping[_Row], ids: Sequence[int]) -> list[_Row]:
        # One lookup each: a list of any length stays below SQLite's limit of values in a statement.
        query = f"{mapping.select} WHERE id = ?"
        with self._reading() as execute:
            rows = [execute(query, (row_id,)).fetchone() for row_id in ids]
        return [mapping.entity(row) for row in rows if row is not None]

    def claim(self, account_id: int, client_order_id: str) -> Claim | None:
        """Who owns a client order id."""
        owner = account_id, client_order_id
        if self._filtered is None and not self._filter.may_have(owner):
            self._free = owner
            return None
        known = self._journal.claims.get(owner)
        if known is not None:
            return known
        query = f"{CLAIM.select} WHERE account_id = ? AND client_order_id = ?"
        with _Refusing(self.path, "cannot be read"):
            row = self._connection.execute(query, owner).fetchone()
        if row is None:
            self._free = owner
            return None
        return CLAIM.entity(row)

    def events(self, account_id: int, after_seq: int, limit: int) -> list[Event] | None:
        """Events after a cursor, ascending; None as the protocol says."""
        last = self._last_seq.get(account_id, 0)
        if after_seq > last or after_seq < last - self._keep_events:
            return None
        with self._reading():
            found = list(read_events(self._connection, account_id, after_seq, limit))
        wanted = min(limit, last - after_seq)
        # More may have been forgotten when the file was written by a store that kept fewer, or be gone from
        # one that was damaged: nobody goes on behind a gap without being told.
        whole = len(found) == wanted and (not wanted or found[-1].seq == after_seq + wanted)
        return found if whole else None

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
        try:
            self.catch_up()
        except StoreError:
            LOG.exception("the tables are brought up to date when the file is opened again")
        self._release()

    def _release(self) -> None:
        self._keys.close()
        self._connection.close()
        self._lock.release()


class _Refusing:
    """Turns what SQLite refuses into a `StoreError`, for a `with` block.

    No generator of contextlib: every order comes by here.
    """

    __slots__ = ("_path", "_what")

    def __init__(self, path: Path, what: str) -> None:
        self._path, self._what = path, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise StoreError(f"{self._path} {self._what}: {error}") from error


def _locked(path: Path) -> FileLock:
    refuse_other_names(path)
    if not path.parent.is_dir():  # the lock would make it
        raise StoreUnusable(f"{path} cannot be opened: there is no directory {path.parent}")
    # Beside the file itself, whatever link it was reached by.
    lock = FileLock(f"{path.resolve()}{_LOCK}", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StoreInUse(f"{path} is in use by another process") from None
    except OSError as error:
        raise StoreError(f"{path}.lock cannot be made: {error}") from error
    return lock


def _file_of(path: str) -> tuple[int, int] | None:
    """Which file is at a path now; None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  # for every order
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
