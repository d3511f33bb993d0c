"""What the gateway keeps, and how its rows look.

Decimals have 18 places (zero is "0E-18"), times are the local ones of the database in whole seconds and
without a zone, both of what the gateway itself saw: an order is never more than what was sent.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from itertools import count
from typing import Any, Final, cast

from ccxt_driver.oms import Principal

ZERO: Final = Decimal("0E-18")
OPEN_STATUSES: Final = frozenset({"PENDING_SUBMIT", "SUBMITTED", "PARTIALLY_FILLED"})
OPEN_STATES: Final = frozenset({"open", "close_requested"})
EXTERNAL: Final = "external"

_UNIT: Final = Decimal("1E-18")
EXACT: Final = Context(prec=60)
_LONGEST: Final = {
    "reason": 32,
    "comment": 255,
    "order_type": 16,
    "symbol": 64,
    "client_order_id": 128,
    "request_id": 128,
}


class DatabaseError(Exception):
    """What the database says of a row that it does not take."""


def stored(value: Decimal | None) -> Decimal | None:
    """A number as its column keeps it."""
    return None if value is None else value.quantize(_UNIT, context=EXACT)


def of_float(value: Any) -> Decimal:
    """A number of the venue's, as its column keeps it; 0 for none."""
    return Decimal(str(value or 0)).quantize(_UNIT, context=EXACT)


def check_lengths(values: Mapping[str, Any]) -> None:
    """Refuse a text that its column does not hold.

    :raises DatabaseError: naming the column
    """
    for column, longest in _LONGEST.items():
        if len(values.get(column) or "") > longest:
            raise DatabaseError(f"(1406, \"Data too long for column '{column}' at row 1\")")


@dataclass
class Order:
    """An order: after it was sent, only a cancel or a change of the gateway's own moves it."""

    id: int
    account_id: int
    symbol: str
    side: str
    order_type: str
    qty: Decimal
    created_at: int
    updated_at: int
    command_id: int | None = None
    status: str = "PENDING_SUBMIT"
    strategy_id: int = 0
    position_id: int = 0
    previous_position_id: int | None = None
    reason: str = "api"
    comment: str | None = None
    client_order_id: str | None = None
    exchange_order_id: str | None = None
    price: Decimal | None = None
    stop_loss: Decimal | None = None
    stop_gain: Decimal | None = None
    filled_qty: Decimal = ZERO
    avg_fill_price: Decimal | None = None
    edit_replace_state: str | None = None
    edit_replace_at: int | None = None
    edit_replace_orphan_order_id: int | None = None
    edit_replace_origin_order_id: int | None = None
    closed_at: int | None = None


@dataclass
class Deal:
    """A trade, or a side of a `close_by`: `executed_at` is when the row was made."""

    id: int
    account_id: int
    order_id: int | None
    position_id: int
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    created_at: int
    executed_at: int
    fee: Decimal = ZERO
    fee_currency: str | None = None
    pnl: Decimal = ZERO
    strategy_id: int = 0
    previous_position_id: int | None = None
    reason: str = EXTERNAL
    comment: str | None = None
    reconciled: bool = False
    exchange_trade_id: str | None = None


@dataclass
class Position:
    """A position: every one says that its reason is external."""

    id: int
    account_id: int
    symbol: str
    side: str
    qty: Decimal
    avg_price: Decimal
    opened_at: int
    updated_at: int
    strategy_id: int = 0
    stop_loss: Decimal | None = None
    stop_gain: Decimal | None = None
    state: str = "open"
    reason: str = EXTERNAL
    comment: str | None = None
    closed_at: int | None = None


@dataclass
class Raw:
    """What the venue said of an order or a trade when the gateway first saw it."""

    id: int
    account_id: int
    exchange_id: str
    raw_json: dict[str, Any]
    observed_at: int


@dataclass
class Account:
    """An account; once blocked it is gone, until it is un-blocked."""

    id: int
    position_mode: str = "hedge"
    label: str | None = None
    status: str = "active"
    allow_new_positions: bool = True
    blocked_at: int | None = None


@dataclass
class Cursor:
    """How far the trades of an account were read, and when."""

    value: int
    updated_at: int


@dataclass
class Tables:
    """All rows. Ids of different tables differ, so that one taken for another is found out.

    :param now_ms: the time, milliseconds since the Unix epoch
    :param utc_offset_hours: how far the database's clock is ahead of UTC
    """

    now_ms: Callable[[], int]
    utc_offset_hours: float = 0
    accounts: dict[int, Account] = field(default_factory=dict)
    strategies: dict[int, dict[str, Any]] = field(default_factory=dict)
    blocked_strategies: set[tuple[int, int]] = field(default_factory=set)
    orders: dict[int, Order] = field(default_factory=dict)
    deals: dict[int, Deal] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)
    raw_orders: list[Raw] = field(default_factory=list)
    raw_trades: list[Raw] = field(default_factory=list)
    cursors: dict[int, Cursor] = field(default_factory=dict)
    commands: dict[int, Any] = field(default_factory=dict)
    _before: dict[int, dict[str, list[Any]]] = field(default_factory=dict)
    _writing: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._order_ids, self._deal_ids, self._position_ids = count(101), count(30_001), count(501)
        self._command_ids, self._raw_ids = count(70_001), count(1)

    def denial(self, principal: Principal, account_id: int, right: str) -> str | None:
        """Why a principal may not do something on an account; None when it may.

        :param right: read, trade, close or risk
        """
        account = self.accounts.get(account_id)
        if account is None or account.status == "blocked":
            return "account_not_found"
        permission = principal.permission(account_id)
        return None if permission is not None and getattr(permission, right) else "permission_denied"

    # -- what is written, and cannot be read yet

    def begin(self, account_id: int) -> None:
        """Let readers see the rows of an account as they are now, until `commit`; several may overlap."""
        self._writing[account_id] += 1
        if account_id not in self._before:
            own = {name: self._of(account_id, name) for name in ("orders", "deals", "positions")}
            self._before[account_id] = copy.deepcopy(own)

    def commit(self, account_id: int) -> None:
        """Let readers see what was done since `begin`, once nobody writes any more."""
        self._writing[account_id] -= 1
        if not self._writing[account_id]:
            del self._before[account_id]

    def _of(self, account_id: int, name: str) -> list[Any]:
        return [row for row in getattr(self, name).values() if row.account_id == account_id]

    def readable(self, name: str) -> Iterable[Any]:
        """The rows of a table as readers see them, by id.

        :param name: orders, deals or positions
        """
        rows = getattr(self, name).values()
        if not self._before:
            return cast("Iterable[Any]", rows)
        shown = [row for row in rows if row.account_id not in self._before]
        shown += (row for before in self._before.values() for row in before[name])
        return sorted(shown, key=lambda row: cast("int", row.id))

    # -- rows

    def add_command(self, command: Any) -> int:
        """Keep a command as it came; its `request_id` is kept and never looked at."""
        command_id = next(self._command_ids)
        self.commands[command_id] = command
        return command_id

    def add_order(self, **columns: Any) -> Order:
        """Insert an order.

        :raises DatabaseError: a text is too long
        """
        check_lengths(columns)
        now = self.now_ms()
        order = Order(id=next(self._order_ids), created_at=now, updated_at=now, **columns)
        self.orders[order.id] = order
        return order

    def add_deal(self, **columns: Any) -> Deal:
        """Insert a deal; it was executed now, whatever the venue says."""
        now = self.now_ms()
        deal = Deal(id=next(self._deal_ids), created_at=now, executed_at=now, **columns)
        self.deals[deal.id] = deal
        return deal

    def add_position(self, **columns: Any) -> Position:
        """Insert a position; it was opened now, whatever the venue says."""
        now = self.now_ms()
        position = Position(id=next(self._position_ids), opened_at=now, updated_at=now, **columns)
        self.positions[position.id] = position
        return position

    def raw(self, account_id: int, exchange_id: str, structure: dict[str, Any]) -> Raw:
        """Make the row of something that the venue said; it is still to be added to its table."""
        return Raw(next(self._raw_ids), account_id, exchange_id, structure, self.now_ms())

    def update(self, row: Order | Position, **columns: Any) -> None:
        """Change columns of a row."""
        for column, value in columns.items():
            setattr(row, column, value)
        row.updated_at = self.now_ms()

    # -- how they look

    def time_text(self, milliseconds: int) -> str:
        """A time in the zone of the database, in whole seconds."""
        return self._local(milliseconds).strftime("%Y-%m-%dT%H:%M:%S")

    def date_text(self, milliseconds: int) -> str:
        """The day of a time in the zone of the database."""
        return self._local(milliseconds).strftime("%Y-%m-%d")

    def start_of(self, date: str) -> int:
        """When a day of the database's zone begins, milliseconds since the Unix epoch."""
        midnight = datetime.fromisoformat(date).replace(tzinfo=UTC)
        return int((midnight - timedelta(hours=self.utc_offset_hours)).timestamp() * 1000)

    def _local(self, milliseconds: int) -> datetime:
        moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
        return moment + timedelta(hours=self.utc_offset_hours)

    def rows(self, records: Iterable[Any]) -> list[dict[str, Any]]:
        """Rows as they are answered."""
        return [self._row(record) for record in records]

    def _row(self, record: Any) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for column in fields(record):
            value = getattr(record, column.name)
            if isinstance(value, Decimal):
                value = EXACT.to_sci_string(value)
            elif value is not None and column.name.endswith("_at"):
                value = self.time_text(value)
            elif isinstance(value, dict):
                value = copy.deepcopy(value)  # the row belongs to who asked
            row[column.name] = value
        return row
