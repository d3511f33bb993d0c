"""Where the OMS keeps what must not be lost: the interface, and the store in memory.

A store holds rows and answers filters; it knows no rule of trading. It is small on purpose: another
database can be put under it. One transaction of the service is one `commit`, whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from .entities import (
    Account,
    ApiKey,
    Claim,
    Deal,
    Event,
    LedgerEntry,
    Order,
    Position,
    Strategy,
)


@dataclass(slots=True)
class Changes:
    """What one transaction writes. A row that exists is replaced.

    :param balances: new total by (account id, currency)
    :param settings: JSON-ready values by name: id counters, clock, prices set by hand
    """

    orders: dict[int, Order] = field(default_factory=dict)
    deals: list[Deal] = field(default_factory=list)
    positions: dict[int, Position] = field(default_factory=dict)
    ledger: list[LedgerEntry] = field(default_factory=list)
    balances: dict[tuple[int, str], Decimal] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    strategies: dict[int, Strategy] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


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
    `opened_at`; `dated_since`/`dated_until` (the contract's dates) to `updated_at`, of a deal to
    `executed_at`.

    :param strategy_ids: None for all
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
    descending: bool = False
    offset: int = 0
    limit: int | None = None


class Store(Protocol):
    """What the service asks of a store. Not thread-safe: the service holds its lock around it."""

    durable: bool

    def load(self) -> Snapshot:
        """Read the live state."""
        ...

    def commit(self, changes: Changes) -> None:
        """Write one transaction; when it returns, a durable store has it on disk."""
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

    def claim(self, account_id: int, client_order_id: str) -> Claim | None:
        """Who owns a client order id."""
        ...

    def events(self, account_id: int, after_seq: int, limit: int) -> list[Event] | None:
        """Events after a cursor, ascending; None when the cursor is older than what is kept."""
        ...

    def api_keys(self) -> list[ApiKey]:
        """All keys, disabled ones too."""
        ...

    def api_key_by_digest(self, digest: str) -> ApiKey | None:
        """The key with that SHA-256, disabled or not."""
        ...

    def put_api_key(self, key: ApiKey) -> None:
        """Write a key at once; replaces one of the same id."""
        ...

    def close(self) -> None:
        """Release files and locks. Further calls are an error."""
        ...
