"""Where the OMS keeps what must not be lost: the interface, and the store in memory.

A store holds rows and answers filters; it knows no rule of trading. It is small on purpose: another
database can be put under it. One transaction of the service is one `commit`, whole or not at all.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from operator import itemgetter
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

from ccxt_driver.contract.rows import OPEN_STATUSES

from .entities import (
    OPEN_STATES,
    Account,
    ApiKey,
    BalanceEvent,
    BalanceFigures,
    Claim,
    Deal,
    Event,
    LedgerEntry,
    Order,
    Position,
    Strategy,
)
from .fingerprints import written
from .ledger_table import LedgerTable, Owners
from .packing import DEALS, ORDERS, POSITIONS, Packed, Packing

RowKind = Literal["orders", "deals", "positions", "ledger"]


class Changes:
    """What one transaction writes. A row that exists is replaced.

    :param balances: new total by (account id, currency)
    :param settings: JSON-ready values by name: id counters, clock, prices set by hand
    """

    # Not a dataclass: its factories cost twice as much, and every order makes one of these.
    __slots__ = (
        *("accounts", "balances", "claims", "deals", "events"),
        *("ledger", "orders", "positions", "settings", "strategies"),
    )

    def __init__(
        self,
        orders: dict[int, Order] | None = None,
        deals: list[Deal] | None = None,
        positions: dict[int, Position] | None = None,
        ledger: list[LedgerEntry] | None = None,
        balances: dict[tuple[int, str], Decimal] | None = None,
        accounts: dict[int, Account] | None = None,
        strategies: dict[int, Strategy] | None = None,
        claims: list[Claim] | None = None,
        events: list[Event] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.orders = {} if orders is None else orders
        self.deals = [] if deals is None else deals
        self.positions = {} if positions is None else positions
        self.ledger = [] if ledger is None else ledger
        self.balances = {} if balances is None else balances
        self.accounts = {} if accounts is None else accounts
        self.strategies = {} if strategies is None else strategies
        self.claims = [] if claims is None else claims
        self.events = [] if events is None else events
        self.settings = {} if settings is None else settings


@dataclass(slots=True)
class Snapshot:
    """What the service needs in memory to go on: live rows only, never the history."""

    open_orders: list[Order] = field(default_factory=list)
    open_positions: list[Position] = field(default_factory=list)
    balances: dict[tuple[int, str], Decimal] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    strategies: dict[int, Strategy] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    last_seq: dict[int, int] = field(default_factory=dict)
    """By account id."""


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows of a list are wanted, sorted by (time, id); times inclusive, in milliseconds.

    `since_ms`/`until_ms` apply to an order's `created_at`, a deal's `executed_at`, a position's
    `opened_at`, a ledger entry's `created_at`; `dated_since`/`dated_until` (the contract's dates) to
    `updated_at`, of a deal to `executed_at`, of a ledger entry to `created_at`.

    `order_id` and `client_order_id` name an order: of a list of deals its deals are meant, of a list
    of positions those that its deals belong to. A ledger entry has the strategy, the symbol, the order
    and the position of the deal that it names, of funding those of the position, which have no order;
    one that names neither, such as a deposit, has none of them. What a row does not have otherwise is not
    asked of it: a deal has no status, a ledger entry neither that nor `known`.

    :param strategy_ids: None for all
    :param known: whether the rows that the OMS knows are wanted, or those it does not; None for both
    :param statuses: order statuses or position states; None for all
    :param limit: None for no limit
    """

    account_ids: tuple[int, ...]
    strategy_ids: frozenset[int] | None = None
    symbol: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    dated_since: int | None = None
    dated_until: int | None = None
    client_order_id: str | None = None
    order_id: int | None = None
    position_id: int | None = None
    statuses: frozenset[str] | None = None
    currency: str | None = None
    kind: str | None = None
    known: bool | None = True
    descending: bool = False
    offset: int = 0
    limit: int | None = None

    @property
    def names_an_order(self) -> bool:
        """Whether it is rows of one order that are wanted."""
        return self.order_id is not None or self.client_order_id is not None

    @property
    def is_narrowed(self) -> bool:
        """Whether it asks for more of a row than account, strategy, symbol, status and the first moment."""
        others = (self.until_ms, self.dated_since, self.dated_until, self.position_id)
        return self.known is False or self.names_an_order or any(each is not None for each in others)

    @property
    def asks_for_owner(self) -> bool:
        """Whether it asks for what a ledger entry has from its deal or its position."""
        owner = self.strategy_ids, self.symbol, self.position_id
        return self.names_an_order or any(each is not None for each in owner)


class StoreError(Exception):
    """The store refused, and nothing was written."""


class StoreInUse(StoreError):
    """Another process has the store open."""


class StoreUnusable(StoreError):
    """The file is not a store of this program, or of a newer version of it, or damaged."""


class KeyStore(Protocol):
    """Where API keys are kept. Safe to use from any thread."""

    def api_keys(self) -> list[ApiKey]:
        """All keys, disabled ones too."""
        ...

    def api_key_by_digest(self, digest: str) -> ApiKey | None:
        """The key with that SHA-256, disabled or not."""
        ...

    def add_api_key(self, key: ApiKey) -> ApiKey:
        """Write a new key at once.

        :returns: the key with the id that it has been given; the id it came with is not used
        """
        ...

    def put_api_key(self, key: ApiKey) -> None:
        """Replace the key of the same id at once. One that is disabled stays so.

        :raises StoreError: there is none of that id
        """
        ...


class Store(KeyStore, Protocol):
    """What the service asks of a store, with its lock held: only the keys are safe from any thread.

    `id`, `account_id`, an order's `client_order_id`, a deal's `order_id` and the time that a row is
    sorted by never change once it is committed. An order is committed with the claim of its client
    order id, so that no two orders of an account share one.
    """

    durable: bool

    def load(self) -> Snapshot:
        """Read the live state."""
        ...

    def commit(self, changes: Changes) -> None:
        """Write one transaction; when it returns, a durable store has it on disk.

        :raises StoreError: a client order id is claimed already, or an event does not follow the
            last one of its account; nothing is written
        """
        ...

    def together(self) -> AbstractContextManager[None]:
        """Let the commits of a `with` block share one write to the disk, and read each other meanwhile.

        At its end a durable store has all of them on disk, or, when it raises, none. Each is still whole
        or not at all.

        :raises StoreError: at the end of the block, the disk refused
        """
        ...

    def catch_up(self) -> None:
        """Do now what has been put off, when there is time; it is no part of any commit.

        :raises StoreError: it cannot be done now; nothing is lost
        """
        ...

    def orders(self, wanted: RowFilter) -> tuple[list[Order], int]:
        """Rows that match, and how many match without offset and limit."""
        ...

    def deals(self, wanted: RowFilter) -> tuple[list[Deal], int]:
        """As `orders`."""
        ...

    def positions(self, wanted: RowFilter) -> tuple[list[Position], int]:
        """As `orders`."""
        ...

    def ledger(self, wanted: RowFilter) -> tuple[list[LedgerEntry], int]:
        """As `orders`."""
        ...

    def orders_by_id(self, ids: Sequence[int]) -> list[Order]:
        """Those that exist, in the order asked."""
        ...

    def deals_by_id(self, ids: Sequence[int]) -> list[Deal]:
        """As `orders_by_id`."""
        ...

    def positions_by_id(self, ids: Sequence[int]) -> list[Position]:
        """As `orders_by_id`."""
        ...

    def ledger_by_id(self, ids: Sequence[int]) -> list[LedgerEntry]:
        """As `orders_by_id`."""
        ...

    def ids(self, kind: RowKind, account_id: int) -> array[int]:
        """Ids of all rows that an account has of a kind, ascending; a new array."""
        ...

    def closing_orders(self, account_id: int) -> set[int]:
        """Ids of all orders of an account that were to close a position; a look at every one it has."""
        ...

    def claim(self, account_id: int, client_order_id: str) -> Claim | None:
        """Who owns a client order id."""
        ...

    def events(self, account_id: int, after_seq: int, limit: int) -> list[Event] | None:
        """Events after a cursor, ascending.

        :returns: None when the cursor is older than what is kept, or ahead of the last event: then
            it is of another history
        """
        ...

    def close(self) -> None:
        """Release files and locks. Further calls are an error."""
        ...


KEEP_EVENTS: Final = 100_000
"""How many events of an account can be read again, unless the store is told otherwise."""

_Row = TypeVar("_Row", Order, Deal, Position)


def _slice(wanted: RowFilter, total: int) -> slice:
    """The page that `wanted` asks for, of a list that ascends."""
    first = min(wanted.offset, total)
    last = total if wanted.limit is None else min(first + wanted.limit, total)
    if not wanted.descending or first == last:
        return slice(first, last)
    # From behind; None, as -1 would be the last.
    return slice(total - 1 - first, total - 1 - last if last < total else None, -1)


class _Table(Generic[_Row]):
    """Packed rows by id, and of each account sorted by (time, id)."""

    __slots__ = (
        *("_account_at", "_by_account", "_counts", "_id_at", "_key_of", "_packing", "_time_at"),
        *("at", "rows", "unknown"),
    )

    def __init__(self, packing: Packing[_Row], time: str, *key: str) -> None:
        self.rows: dict[int, Packed] = {}
        self.unknown: set[int] = set()
        """Ids of the rows that the OMS does not know."""
        self.at = packing.at
        self._packing: Packing[_Row] = packing
        self._id_at = packing.at("id")
        self._account_at = packing.at("account_id")
        self._time_at = packing.at(time)
        self._by_account: dict[int, tuple[array[int], array[int]]] = {}
        """Times and ids of the rows of each account."""
        self._key_of: Callable[[Packed], tuple[Any, ...]] = itemgetter(*map(packing.at, key))
        self._counts: defaultdict[int, dict[tuple[Any, ...], int]] = defaultdict(dict)
        """How many rows of each key there are, by account."""

    def put(self, row: _Row) -> bool:
        """Add or replace; whether it is new."""
        row_id = row.id
        packed = self._packing.pack(row)
        known = self.rows.get(row_id)
        self.rows[row_id] = packed
        self._count(row.account_id, known, packed)
        if known is not None:
            return False
        index = self._by_account.get(row.account_id)
        if index is None:
            index = self._by_account[row.account_id] = array("q"), array("q")
        times, ids = index
        time = packed[self._time_at]
        # Rows come in the order of their ids, so that it is nearly always the first comparison.
        if not ids or (time >= times[-1] and row_id > ids[-1]):
            times.append(time)
            ids.append(row_id)
        else:
            first, last = bisect_left(times, time), bisect_right(times, time)
            place = bisect_left(ids, row_id, first, last)
            times.insert(place, time)
            ids.insert(place, row_id)
        return True

    def _count(self, account_id: int, before: Packed | None, after: Packed) -> None:
        key = self._key_of(after)
        counts = self._counts[account_id]
        if before is not None:
            former = self._key_of(before)
            if former == key:
                return
            counts[former] -= 1
        counts[key] = counts.get(key, 0) + 1

    def near_end(self, wanted: RowFilter) -> tuple[list[_Row], int] | None:
        """A page that is asked for by nothing but the key, found from the end where it begins.

        To look at each row of a long history for a page and its length takes thousands of times as long.

        :returns: None where that is not what is asked for
        """
        accounts, since = wanted.account_ids, wanted.since_ms
        if self.unknown or wanted.limit is None or len(accounts) != 1 or wanted.is_narrowed:
            return None
        times, ids = self._by_account.get(accounts[0], _NO_INDEX)
        if since is not None and times and times[0] < since:
            return None
        fits = _fitting(wanted)
        total = sum(count for key, count in self._counts[accounts[0]].items() if fits(key))
        left = min(wanted.limit, total - wanted.offset)
        if left <= 0:
            return [], total
        rows = map(self.rows.__getitem__, reversed(ids) if wanted.descending else ids)
        found = (row for row in rows if fits(self._key_of(row)))
        return self.unpacked(islice(found, wanted.offset, wanted.offset + left)), total

    def ids(self, account_id: int) -> array[int]:
        """Ids of the rows of an account, ascending."""
        return array("q", sorted(self._by_account.get(account_id, _NO_INDEX)[1]))

    def by_id(self, ids: Iterable[int]) -> list[Packed]:
        """Those that exist, in the order asked."""
        rows = self.rows
        return [rows[row_id] for row_id in ids if row_id in rows]

    def unpacked(self, rows: Iterable[Packed]) -> list[_Row]:
        """The entities, as new objects."""
        return [self._packing.unpack(row) for row in rows]

    def among(self, ids: Iterable[int], wanted: RowFilter) -> list[Packed]:
        """Rows of these ids that `wanted` covers by account and time, sorted."""
        time_at, account_at = self._time_at, self._account_at
        since = wanted.since_ms
        until = wanted.until_ms
        rows = [
            row
            for row in self.by_id(sorted(set(ids)))
            if row[account_at] in wanted.account_ids
            and (since is None or row[time_at] >= since)
            and (until is None or row[time_at] <= until)
        ]
        rows.sort(key=itemgetter(time_at, self._id_at))
        return rows

    def covered(self, wanted: RowFilter) -> list[Packed]:
        """A new list of the rows that `wanted` covers by account and time, sorted."""
        accounts = dict.fromkeys(wanted.account_ids)
        found: list[Packed] = []
        for account_id in accounts:
            times, ids = self._by_account.get(account_id, _NO_INDEX)
            first = 0 if wanted.since_ms is None else bisect_left(times, wanted.since_ms)
            last = len(ids) if wanted.until_ms is None else bisect_right(times, wanted.until_ms)
            found += map(self.rows.__getitem__, ids[first:last])
        if len(accounts) > 1:
            found.sort(key=itemgetter(self._time_at, self._id_at))
        return found

    def page(self, rows: list[Packed], wanted: RowFilter) -> tuple[list[_Row], int]:
        """The rows of the page that `wanted` asks for, and how many there are in all."""
        return self.unpacked(rows[_slice(wanted, len(rows))]), len(rows)

    def having(self, rows: list[Packed], name: str, values: Container[Any]) -> list[Packed]:
        """Those whose field has one of some values."""
        at = self.at(name)
        return [row for row in rows if row[at] in values]

    def dated(self, rows: list[Packed], wanted: RowFilter, time: str) -> list[Packed]:
        """Those that `wanted` covers by the contract's dates."""
        at = self.at(time)
        if wanted.dated_since is not None:
            rows = [row for row in rows if row[at] >= wanted.dated_since]
        if wanted.dated_until is not None:
            rows = [row for row in rows if row[at] <= wanted.dated_until]
        return rows


_NO_INDEX: Final = (array("q"), array("q"))


def _fitting(wanted: RowFilter) -> Callable[[tuple[Any, ...]], bool]:
    """Says whether rows of a key, of symbol, strategy and perhaps status, are wanted."""
    symbol, strategies, statuses = wanted.symbol, wanted.strategy_ids, wanted.statuses

    def fits(key: tuple[Any, ...]) -> bool:
        return (
            (symbol is None or key[0] == symbol)
            and (strategies is None or key[1] in strategies)
            and (statuses is None or len(key) == 2 or key[2] in statuses)
        )

    return fits


_Book = TypeVar("_Book", Order, Deal, Position)


def _note_unknown(table: _Table[_Book], row: _Book) -> None:
    """Remember whether the OMS knows of a row."""
    if row.is_known:
        table.unknown.discard(row.id)
    else:
        table.unknown.add(row.id)


def _covered(table: _Table[_Book], wanted: RowFilter) -> list[Packed]:
    """Rows that `wanted` covers; to look for unknown ones is not to go through the history."""
    return table.among(table.unknown, wanted) if wanted.known is False else table.covered(wanted)


def _of_book(table: _Table[_Book], rows: list[Packed], wanted: RowFilter) -> list[Packed]:
    unknown = table.unknown
    if wanted.known is not None and (unknown or not wanted.known):
        at = table.at("id")
        rows = [row for row in rows if (row[at] not in unknown) is wanted.known]
    if wanted.strategy_ids is not None:
        rows = table.having(rows, "strategy_id", wanted.strategy_ids)
    if wanted.symbol is not None:
        rows = table.having(rows, "symbol", (wanted.symbol,))
    return rows


class _EventLog:
    """Events of one account; the lists start at `first`, the last seq that is gone plus one.

    A list for each field, as Python's collector has no work with texts, numbers and dicts of them.
    """

    __slots__ = ("_account_id", "_first", "_keep", "_names", "_payloads", "_strategies", "_times")

    def __init__(self, account_id: int, keep: int) -> None:
        self._account_id = account_id
        self._keep = keep
        self._first = 1
        self._times: list[int] = []
        self._names: list[str] = []
        self._payloads: list[dict[str, Any] | BalanceFigures] = []
        """The figures of a balance, to be written when they are asked for, or the wire form."""
        self._strategies: list[int | None] = []

    @property
    def last_seq(self) -> int:
        return self._first + len(self._times) - 1

    def extend(self, events: Iterable[Event]) -> None:
        for event in events:
            self._times.append(event.ts_ms)
            self._names.append(event.name)
            self._payloads.append(event.figures if type(event) is BalanceEvent else event.payload)
            self._strategies.append(event.strategy_id)
        if len(self._times) >= 2 * self._keep:
            surplus = len(self._times) - self._keep
            columns: tuple[list[Any], ...]
            columns = self._times, self._names, self._payloads, self._strategies
            for column in columns:
                del column[:surplus]
            self._first += surplus

    def after(self, seq: int, limit: int) -> list[Event] | None:
        last = self.last_seq
        if seq > last or seq < last - self._keep:
            return None
        start = seq + 1 - self._first
        part = slice(start, start + limit)
        columns = zip(
            self._times[part], self._names[part], self._payloads[part], self._strategies[part], strict=True
        )
        return [
            Event(self._account_id, number, ts_ms, name, payload, strategy_id)
            if isinstance(payload, dict)
            else BalanceEvent(*payload, ts_ms, number)
            for number, (ts_ms, name, payload, strategy_id) in enumerate(columns, seq + 1)
        ]


class MemoryStore:
    """A store that ends with the process. It keeps rows packed, and gives new objects of them.

    :param keep_events: how many events of an account can be read again
    """

    durable = False

    def __init__(self, keep_events: int = KEEP_EVENTS) -> None:
        self._orders = _Table(ORDERS, "created_at", "symbol", "strategy_id", "status")
        self._deals = _Table(DEALS, "executed_at", "symbol", "strategy_id")
        self._positions = _Table(POSITIONS, "opened_at", "symbol", "strategy_id", "state")
        self._ledger = LedgerTable()
        self._tables: dict[RowKind, _Table[Any] | LedgerTable] = {
            "orders": self._orders,
            "deals": self._deals,
            "positions": self._positions,
            "ledger": self._ledger,
        }
        self._deals_by_order: dict[int, int | tuple[int, ...]] = {}
        """Ids of the deals of an order; most have one, which takes no tuple."""
        self._balances: dict[tuple[int, str], Decimal] = {}
        self._accounts: dict[int, Account] = {}
        self._strategies: dict[int, Strategy] = {}
        self._settings: dict[str, Any] = {}
        self._claims: defaultdict[int, dict[str, Packed]] = defaultdict(dict)
        """By account and client order id, the other fields of each."""
        self._keep_events = keep_events
        self._events: dict[int, _EventLog] = {}
        self._api_keys: dict[int, ApiKey] = {}
        self._api_keys_by_digest: dict[str, ApiKey] = {}

    def load(self) -> Snapshot:
        """Read the live state."""
        return Snapshot(
            open_orders=_open_rows(self._orders, "status", OPEN_STATUSES),
            open_positions=_open_rows(self._positions, "state", OPEN_STATES),
            balances=dict(self._balances),
            accounts=dict(self._accounts),
            strategies=dict(self._strategies),
            settings=dict(self._settings),
            last_seq={account_id: log.last_seq for account_id, log in self._events.items()},
        )

    def catch_up(self) -> None:
        """Nothing is ever put off."""

    def commit(self, changes: Changes) -> None:
        """Write one transaction, whole or not at all.

        :raises StoreError: as the protocol says
        """
        if changes.claims:
            self._check_claims(changes.claims)
        if changes.events:
            self._put_events(changes.events)  # checks before it writes; nothing after it can fail
        self._put_rows(changes)
        for entry in changes.ledger:
            self._ledger.put(entry)
        for claim in changes.claims:
            kept = claim.order_id, claim.command_id, claim.strategy_id, *claim.source
            self._claims[claim.account_id][claim.client_order_id] = kept
        if changes.balances:
            self._balances.update(changes.balances)
        self._accounts.update(changes.accounts)
        self._strategies.update(changes.strategies)
        self._settings.update(changes.settings)

    def _put_rows(self, changes: Changes) -> None:
        for order in changes.orders.values():
            self._orders.put(order)
            if order.external is not None or self._orders.unknown:
                _note_unknown(self._orders, order)
        for deal in changes.deals:
            if self._deals.put(deal):
                self._note_deal(deal.order_id, deal.id)
            if deal.external is not None or self._deals.unknown:
                _note_unknown(self._deals, deal)
        for position in changes.positions.values():
            self._positions.put(position)
            if position.external is not None or self._positions.unknown:
                _note_unknown(self._positions, position)

    def _note_deal(self, order_id: int, deal_id: int) -> None:
        known = self._deals_by_order.get(order_id)
        if known is None:
            self._deals_by_order[order_id] = deal_id
        elif isinstance(known, int):
            self._deals_by_order[order_id] = known, deal_id
        else:
            self._deals_by_order[order_id] = *known, deal_id

    def _deals_of(self, order_id: int) -> tuple[int, ...]:
        known = self._deals_by_order.get(order_id, ())
        return (known,) if isinstance(known, int) else known

    def together(self) -> AbstractContextManager[None]:
        """As the protocol says; there is no disk to share a write to."""
        return nullcontext()

    def _check_claims(self, claims: list[Claim]) -> None:
        first = claims[0]
        if len(claims) == 1 and first.client_order_id not in self._claims[first.account_id]:
            return
        names = {(claim.account_id, claim.client_order_id) for claim in claims}
        if len(names) < len(claims) or any(name in self._claims[account_id] for account_id, name in names):
            raise StoreError("a client order id is claimed already")

    def _put_events(self, events: list[Event]) -> None:
        account_id = events[0].account_id
        log = self._log_of(account_id)
        expected = log.last_seq
        for event in events:
            expected += 1
            if event.seq != expected or event.account_id != account_id:
                self._put_of_several(events)
                return
        log.extend(events)  # of one account, as of most transactions

    def _put_of_several(self, events: list[Event]) -> None:
        by_account: dict[int, list[Event]] = {}
        for event in events:
            account_id = event.account_id
            own = by_account.setdefault(account_id, [])
            expected = self._log_of(account_id).last_seq + len(own) + 1
            if event.seq != expected:
                raise StoreError(f"event {event.seq} of account {account_id} should be {expected}")
            own.append(event)
        for account_id, own in by_account.items():
            self._log_of(account_id).extend(own)

    def _log_of(self, account_id: int) -> _EventLog:
        log = self._events.get(account_id)
        if log is None:
            log = self._events[account_id] = _EventLog(account_id, self._keep_events)
        return log

    def orders(self, wanted: RowFilter) -> tuple[list[Order], int]:
        """Rows that match, and how many match without offset and limit."""
        page = self._orders.near_end(wanted)
        if page is not None:
            return page
        named, table = self._named_orders(wanted), self._orders
        rows = _covered(table, wanted) if named is None else table.among(named, wanted)
        rows = table.dated(_of_book(table, rows, wanted), wanted, "updated_at")
        if wanted.position_id is not None:
            rows = table.having(rows, "position_id", (wanted.position_id,))
        if wanted.statuses is not None:
            rows = table.having(rows, "status", wanted.statuses)
        return table.page(rows, wanted)

    def deals(self, wanted: RowFilter) -> tuple[list[Deal], int]:
        """As `orders`."""
        page = self._deals.near_end(wanted)
        return self._deals.page(self._wanted_deals(wanted), wanted) if page is None else page

    def _wanted_deals(self, wanted: RowFilter) -> list[Packed]:
        named, table = self._deals_of_named_orders(wanted), self._deals
        rows = _covered(table, wanted) if named is None else table.among(named, wanted)
        rows = table.dated(_of_book(table, rows, wanted), wanted, "executed_at")
        if wanted.position_id is not None:
            rows = table.having(rows, "position_id", (wanted.position_id,))
        return rows

    def positions(self, wanted: RowFilter) -> tuple[list[Position], int]:
        """As `orders`."""
        page = self._positions.near_end(wanted)
        return self._positions.page(self._wanted_positions(wanted), wanted) if page is None else page

    def _wanted_positions(self, wanted: RowFilter) -> list[Packed]:
        named, table = self._deals_of_named_orders(wanted), self._positions
        if wanted.position_id is not None:
            rows = table.among([wanted.position_id], wanted)
        else:
            rows = _covered(table, wanted)
        if named is not None:
            at = self._deals.at("position_id")
            rows = table.having(rows, "id", {deal[at] for deal in self._deals.by_id(named)})
        rows = table.dated(_of_book(table, rows, wanted), wanted, "updated_at")
        if wanted.statuses is not None:
            rows = table.having(rows, "state", wanted.statuses)
        return rows

    def ledger(self, wanted: RowFilter) -> tuple[list[LedgerEntry], int]:
        """As `orders`."""
        since = [each for each in (wanted.since_ms, wanted.dated_since) if each is not None]
        until = [each for each in (wanted.until_ms, wanted.dated_until) if each is not None]
        times = max(since, default=None), min(until, default=None)
        owners = self._owners(wanted) if wanted.asks_for_owner else None
        places = self._ledger.places(wanted.account_ids, times, wanted.currency, wanted.kind, owners)
        return self._ledger.at(places[_slice(wanted, len(places))]), len(places)

    def _owners(self, wanted: RowFilter) -> Owners:
        """The deals and the positions whose ledger entries are wanted."""
        owner = RowFilter(
            wanted.account_ids,
            wanted.strategy_ids,
            wanted.symbol,
            client_order_id=wanted.client_order_id,
            order_id=wanted.order_id,
            position_id=wanted.position_id,
            known=None,
        )
        positions = [] if wanted.names_an_order else self._wanted_positions(owner)
        deal_at, position_at = self._deals.at("id"), self._positions.at("id")
        return (
            frozenset(row[deal_at] for row in self._wanted_deals(owner)),
            frozenset(row[position_at] for row in positions),
        )

    def _named_orders(self, wanted: RowFilter) -> list[int] | None:
        """Ids of the orders that the filter names, None when it names none."""
        if wanted.client_order_id is None:
            return None if wanted.order_id is None else [wanted.order_id]
        found = [self._claims[account_id].get(wanted.client_order_id) for account_id in wanted.account_ids]
        ids: list[int] = [kept[0] for kept in found if kept is not None]
        return ids if wanted.order_id is None else [each for each in ids if each == wanted.order_id]

    def _deals_of_named_orders(self, wanted: RowFilter) -> list[int] | None:
        orders = self._named_orders(wanted)
        if orders is None:
            return None
        return [deal_id for order_id in orders for deal_id in self._deals_of(order_id)]

    def orders_by_id(self, ids: Sequence[int]) -> list[Order]:
        """Those that exist, in the order asked."""
        return self._orders.unpacked(self._orders.by_id(ids))

    def deals_by_id(self, ids: Sequence[int]) -> list[Deal]:
        """As `orders_by_id`."""
        return self._deals.unpacked(self._deals.by_id(ids))

    def positions_by_id(self, ids: Sequence[int]) -> list[Position]:
        """As `orders_by_id`."""
        return self._positions.unpacked(self._positions.by_id(ids))

    def ledger_by_id(self, ids: Sequence[int]) -> list[LedgerEntry]:
        """As `orders_by_id`."""
        return self._ledger.by_id(ids)

    def ids(self, kind: RowKind, account_id: int) -> array[int]:
        """Ids of all rows that an account has of a kind, ascending; a new array."""
        return self._tables[kind].ids(account_id)

    def closing_orders(self, account_id: int) -> set[int]:
        """As `Store` says."""
        rows = self._orders.covered(RowFilter((account_id,)))
        # Only rows with something seldom in them are made whole.
        return {
            row.id for row in self._orders.unpacked(row for row in rows if row[-1]) if row.closes_position
        }

    def claim(self, account_id: int, client_order_id: str) -> Claim | None:
        """Who owns a client order id."""
        kept = self._claims[account_id].get(client_order_id)
        if kept is None:
            return None
        order_id, command_id, strategy_id, *source = kept
        return Claim(account_id, client_order_id, order_id, command_id, written(source), strategy_id)

    def events(self, account_id: int, after_seq: int, limit: int) -> list[Event] | None:
        """Events after a cursor, ascending; None as the protocol says."""
        log = self._events.get(account_id)
        if log is None:
            return [] if after_seq == 0 else None
        return log.after(after_seq, limit)

    def api_keys(self) -> list[ApiKey]:
        """All keys, disabled ones too."""
        return sorted(self._api_keys.values(), key=lambda key: key.id)

    def api_key_by_digest(self, digest: str) -> ApiKey | None:
        """The key with that SHA-256, disabled or not."""
        return self._api_keys_by_digest.get(digest)

    def add_api_key(self, key: ApiKey) -> ApiKey:
        """Write a new key; returns it with the id that it has been given."""
        key_id = max(self._api_keys, default=0) + 1
        added = replace(key, id=key_id, principal=replace(key.principal, key_id=key_id))
        self._api_keys[key_id] = self._api_keys_by_digest[key.digest] = added
        return added

    def put_api_key(self, key: ApiKey) -> None:
        """Replace the key of the same id. One that is disabled stays so.

        :raises StoreError: there is none of that id
        """
        known = self._api_keys.get(key.id)
        if known is None:
            raise StoreError("there is no key of that id")
        if known.disabled_at is not None:
            key = replace(key, disabled_at=known.disabled_at)
        del self._api_keys_by_digest[known.digest]
        self._api_keys[key.id] = self._api_keys_by_digest[key.digest] = key

    def close(self) -> None:
        """Nothing to release."""


def _open_rows(table: _Table[_Book], name: str, states: Iterable[str]) -> list[_Book]:
    """By id, those that may still change."""
    rows = table.having([*table.rows.values()], name, frozenset(states))
    return table.unpacked(sorted(rows, key=itemgetter(table.at("id"))))
