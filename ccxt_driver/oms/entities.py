"""What the OMS keeps: orders, deals, positions, balances, and who may touch them.

Decimals are `Decimal`, times are milliseconds since the Unix epoch. `row()` gives the wire form of
the contract as a new dict each time, so that a caller may keep and change it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Context, Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

from ccxt_driver.contract.commands import Side, TimeInForce
from ccxt_driver.contract.events import EventName
from ccxt_driver.contract.rows import (
    OPEN_STATUSES,
    DealRow,
    LedgerKind,
    OrderRow,
    OrderStatus,
    PositionMode,
    PositionRow,
    PositionState,
)
from ccxt_driver.contract.values import format_decimal, format_time

from .fingerprints import Given, written
from .reading import reader

ZERO: Final = Decimal(0)
_BALANCE_UPDATED: Final = EventName.BALANCE_UPDATED.value

# Rows take `_value_` of an enum: `value` is a property in Python, and costs more than the rest of the field.

# Fields in the contract's order, empty: to copy and fill one costs less than a literal of that size.
_ORDER_ROW: Final = dict.fromkeys(OrderRow.model_fields) | {"filled_qty": "0", "fee": "0"}
_DEAL_ROW: Final = dict.fromkeys(DealRow.model_fields)
_POSITION_ROW: Final = dict.fromkeys(PositionRow.model_fields)

OPEN_STATES: Final = (PositionState.OPEN, PositionState.CLOSE_REQUESTED)
"""Of a position that still has a quantity."""

_AVERAGE_UNIT: Final = Decimal("1E-18")
EXACT: Final = Context(prec=60)
"""Sums of money are exact in it; what a calling thread has set for itself does not reach the OMS."""
# Rows are also made when somebody reads what has happened before, outside a request.
_divide, _quantize, _subtract = EXACT.divide, EXACT.quantize, EXACT.subtract


def average(cost: Decimal, qty: Decimal) -> Decimal:
    """A cost divided by a quantity, rounded to 18 decimals: a third has no exact decimal form."""
    exact = _divide(cost, qty)
    rounded = _quantize(exact, _AVERAGE_UNIT)
    return exact if exact == rounded else rounded  # without 18 decimals of zeros it is soon written


def opposite(side: Side) -> Side:
    """The other side."""
    return Side.SELL if side is Side.BUY else Side.BUY


class External(StrEnum):
    """How far the OMS has taken in what was done at the venue without it; its own rows are none of it."""

    UNKNOWN = "unknown"
    """Not at all: nobody is told of it before the account is reconciled."""
    APART = "apart"
    """It is known, and kept apart from the OMS's own positions until it is reassigned."""


EXTERNAL_REASON: Final = "external"
"""`reason` of orders that were placed without the OMS."""


@dataclass(slots=True)
class Order:
    """An order. `filled_cost` is the exact sum of quantity times price of its deals."""

    id: int
    account_id: int
    symbol: str
    side: Side
    order_type: str
    qty: Decimal
    created_at: int
    status: OrderStatus = OrderStatus.PENDING_SUBMIT
    command_id: int | None = None
    strategy_id: int = 0
    position_id: int = 0
    previous_position_id: int = 0
    reason: str = "api"
    comment: str | None = None
    client_order_id: str | None = None
    exchange_order_id: str | None = None
    price: Decimal | None = None
    stop_loss: Decimal | None = None
    stop_gain: Decimal | None = None
    filled_qty: Decimal = ZERO
    filled_cost: Decimal = ZERO
    edit_replace_state: str | None = None
    edit_replace_at: int | None = None
    edit_replace_orphan_order_id: int | None = None
    edit_replace_origin_order_id: int | None = None
    updated_at: int = 0
    closed_at: int | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    trigger_price: Decimal | None = None
    stop_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    trailing_amount: Decimal | None = None
    trailing_percent: Decimal | None = None
    reject_reason: str | None = None
    fee: Decimal = ZERO
    fee_currency: str | None = None
    # Kept by the OMS, not part of the row.
    expire_at: int | None = None
    display_qty: Decimal | None = None
    trigger_above: bool | None = None
    """Whether a waiting trigger fires at or above (True) or at or below (False) its price."""
    trail_extreme: Decimal | None = None
    """Best price seen since a trailing stop was placed."""
    triggered_at: int | None = None
    reserved: Decimal = ZERO
    """What the order still holds back of `reserved_currency`."""
    reserved_currency: str | None = None
    closes_position: bool = False
    """Whether it was made by `close_position` and so holds the lock of its position."""
    params: dict[str, Any] = field(default_factory=dict)
    external: External | None = None
    """Of an order that is not None, every fill goes to the position that it names, or to one of its own."""

    @property
    def is_known(self) -> bool:
        """Whether the OMS knows of it."""
        return self.external is not External.UNKNOWN

    @property
    def remaining(self) -> Decimal:
        """Quantity that has not filled, in base units."""
        return self.qty - self.filled_qty if self.filled_qty else self.qty

    @property
    def is_open(self) -> bool:
        """Whether it may still fill."""
        return self.status in OPEN_STATUSES

    @property
    def avg_fill_price(self) -> Decimal | None:
        """Average price of its deals in quote units, None before the first."""
        return average(self.filled_cost, self.filled_qty) if self.filled_qty else None

    def row(self) -> dict[str, Any]:
        """The contract's order row."""
        row: dict[str, Any] = _ORDER_ROW.copy()
        row["id"] = self.id
        row["command_id"] = self.command_id
        row["account_id"] = self.account_id
        row["symbol"] = self.symbol
        row["side"] = self.side._value_
        row["order_type"] = self.order_type
        row["status"] = self.status._value_
        row["strategy_id"] = self.strategy_id
        row["position_id"] = self.position_id
        row["previous_position_id"] = self.previous_position_id
        row["reason"] = self.reason
        row["comment"] = self.comment
        row["client_order_id"] = self.client_order_id
        row["exchange_order_id"] = self.exchange_order_id
        row["qty"] = qty = format_decimal(self.qty)
        if self.price is not None:
            row["price"] = format_decimal(self.price)
        if self.filled_qty:
            row["filled_qty"] = qty if self.filled_qty == self.qty else format_decimal(self.filled_qty)
            row["avg_fill_price"] = format_decimal(average(self.filled_cost, self.filled_qty))
        row["created_at"] = format_time(self.created_at)
        row["updated_at"] = format_time(self.updated_at)
        if self.closed_at is not None:
            row["closed_at"] = format_time(self.closed_at)
        row["time_in_force"] = self.time_in_force._value_
        row["post_only"] = self.post_only
        row["reduce_only"] = self.reduce_only
        row["reject_reason"] = self.reject_reason
        if self.fee:
            row["fee"] = format_decimal(self.fee)
        row["fee_currency"] = self.fee_currency
        seldom = _SELDOM_OF(self)
        if seldom != _NO_SELDOM:
            row |= _seldom_given(seldom)
        return row


_SELDOM: Final = (
    *("stop_loss", "stop_gain", "trigger_price", "stop_price", "take_profit_price"),
    *("trailing_amount", "trailing_percent", "edit_replace_state", "edit_replace_at"),
    *("edit_replace_orphan_order_id", "edit_replace_origin_order_id"),
)
"""Fields that nearly every order leaves empty."""
_SELDOM_OF: Final = reader(f"row.{name}" for name in _SELDOM)
_NO_SELDOM: Final = (None,) * len(_SELDOM)


def _seldom_given(values: tuple[Any, ...]) -> dict[str, Any]:
    given = {name: value for name, value in zip(_SELDOM, values, strict=True) if value is not None}
    for name, value in given.items():
        if isinstance(value, Decimal):
            given[name] = format_decimal(value)
    if "edit_replace_at" in given:
        given["edit_replace_at"] = format_time(given["edit_replace_at"])
    return given


@dataclass(slots=True)
class Deal:
    """A fill, or a side of a `close_by`. `pnl` is realised, gross of fees, in quote units."""

    id: int
    account_id: int
    order_id: int
    position_id: int
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    executed_at: int
    created_at: int
    previous_position_id: int = 0
    fee: Decimal = ZERO
    fee_currency: str | None = None
    pnl: Decimal = ZERO
    strategy_id: int = 0
    reason: str = "api"
    comment: str | None = None
    reconciled: bool = True
    exchange_trade_id: str | None = None
    maker: bool = False
    external: External | None = None
    """As of its order."""

    @property
    def is_known(self) -> bool:
        """Whether the OMS knows of it."""
        return self.external is not External.UNKNOWN

    def row(self) -> dict[str, Any]:
        """The contract's deal row."""
        row: dict[str, Any] = _DEAL_ROW.copy()
        row["id"] = self.id
        row["account_id"] = self.account_id
        row["order_id"] = self.order_id or None
        row["position_id"] = self.position_id
        row["previous_position_id"] = self.previous_position_id
        row["symbol"] = self.symbol
        row["side"] = self.side._value_
        row["qty"] = format_decimal(self.qty)
        row["price"] = format_decimal(self.price)
        row["fee"] = format_decimal(self.fee)
        row["fee_currency"] = self.fee_currency
        row["pnl"] = format_decimal(self.pnl)
        row["strategy_id"] = self.strategy_id
        row["reason"] = self.reason
        row["comment"] = self.comment
        row["reconciled"] = self.reconciled
        row["exchange_trade_id"] = self.exchange_trade_id
        row["created_at"] = format_time(self.created_at)
        row["executed_at"] = format_time(self.executed_at)
        row["maker"] = self.maker
        return row


@dataclass(slots=True)
class PositionValues:
    """What a position is worth at a price: **[feature position_values]**."""

    unrealized_pnl: Decimal | None = None
    mark_price: Decimal | None = None
    leverage: Decimal | None = None
    margin: Decimal | None = None
    liquidation_price: Decimal | None = None
    maintenance_margin: Decimal | None = None
    margin_mode: str | None = None


@dataclass(slots=True)
class Position:
    """A position. `entry_cost` is the exact sum of quantity times price of what is still open."""

    id: int
    account_id: int
    symbol: str
    side: Side
    opened_at: int
    qty: Decimal = ZERO
    entry_cost: Decimal = ZERO
    avg_price: Decimal = ZERO
    """Average entry price; of a closed position the last one it had."""
    strategy_id: int = 0
    stop_loss: Decimal | None = None
    stop_gain: Decimal | None = None
    state: PositionState = PositionState.OPEN
    reason: str = "api"
    comment: str | None = None
    updated_at: int = 0
    closed_at: int | None = None
    realized_pnl: Decimal = ZERO
    margin_added: Decimal = ZERO
    """Of isolated margin, what its owner and funding have added to the initial one or, below 0, taken."""
    external: External | None = None
    """Of a position that is not None, no order nets with it that does not name it."""

    @property
    def is_known(self) -> bool:
        """Whether the OMS knows of it."""
        return self.external is not External.UNKNOWN

    @property
    def is_open(self) -> bool:
        """Whether it still has a quantity."""
        return self.state in OPEN_STATES

    def row(self, values: PositionValues) -> dict[str, Any]:
        """The contract's position row.

        :param values: of the moment of asking; empty for a closed position
        """
        row: dict[str, Any] = _POSITION_ROW.copy()
        row["id"] = self.id
        row["account_id"] = self.account_id
        row["symbol"] = self.symbol
        row["strategy_id"] = self.strategy_id
        row["side"] = self.side._value_
        row["qty"] = format_decimal(self.qty)
        row["avg_price"] = format_decimal(self.avg_price)
        if self.stop_loss is not None:
            row["stop_loss"] = format_decimal(self.stop_loss)
        if self.stop_gain is not None:
            row["stop_gain"] = format_decimal(self.stop_gain)
        row["state"] = self.state._value_
        row["reason"] = self.reason
        row["comment"] = self.comment
        row["opened_at"] = format_time(self.opened_at)
        row["updated_at"] = format_time(self.updated_at)
        if self.closed_at is not None:
            row["closed_at"] = format_time(self.closed_at)
        row["realized_pnl"] = format_decimal(self.realized_pnl)
        if values.unrealized_pnl is not None:
            row["unrealized_pnl"] = format_decimal(values.unrealized_pnl)
        if values.mark_price is not None:
            row["mark_price"] = format_decimal(values.mark_price)
        if values.leverage is not None:
            row["leverage"] = format_decimal(values.leverage)
        if values.margin is not None:
            row["margin"] = format_decimal(values.margin)
        if values.liquidation_price is not None:
            row["liquidation_price"] = format_decimal(values.liquidation_price)
        if values.maintenance_margin is not None:
            row["maintenance_margin"] = format_decimal(values.maintenance_margin)
        row["margin_mode"] = values.margin_mode
        return row


@dataclass(slots=True)
class LedgerEntry:
    """One change of a balance; `amount` is signed, in units of `currency`."""

    id: int
    account_id: int
    currency: str
    amount: Decimal
    balance_after: Decimal
    kind: LedgerKind
    created_at: int
    reference_id: int | None = None

    def row(self) -> dict[str, Any]:
        """The contract's ledger row."""
        return {
            "id": self.id,
            "account_id": self.account_id,
            "currency": self.currency,
            "amount": format_decimal(self.amount),
            "balance_after": format_decimal(self.balance_after),
            "kind": self.kind._value_,
            "reference_id": self.reference_id,
            "created_at": format_time(self.created_at),
        }


@dataclass(slots=True)
class Account:
    """An account of the paper venue."""

    id: int
    position_mode: PositionMode
    label: str | None = None
    status: str = "active"
    allow_new_positions: bool = True
    leverage: dict[str, Decimal] = field(default_factory=dict)
    """Chosen leverage by symbol; a symbol that is missing has the venue's default."""
    isolated: tuple[str, ...] = ()
    """Symbols with isolated margin; that of all others is crossed."""


@dataclass(slots=True)
class Strategy:
    """A strategy: a book of its own on some accounts."""

    id: int
    name: str
    client_strategy_id: str | None = None
    status: str = "active"
    account_ids: tuple[int, ...] = ()
    blocked_accounts: tuple[int, ...] = ()
    """Accounts on which it may not open new positions."""

    def row(self) -> dict[str, Any]:
        """The contract's strategy row."""
        return {
            "strategy_id": self.id,
            "client_strategy_id": self.client_strategy_id,
            "name": self.name,
            "status": self.status,
            "account_ids": list(self.account_ids),
        }


@dataclass(frozen=True, slots=True)
class Permission:
    """What a key may do on one account."""

    read: bool = True
    trade: bool = False
    close: bool = False
    risk: bool = False


_EVERYTHING: Final = Permission(read=True, trade=True, close=True, risk=True)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    :param key_id: 0 for the process that owns the OMS
    :param accounts: what it may do on each; None for `on_all` on all, those added later too
    :param strategies: the only strategies it may see and use; None for all
    :param on_all: what it may do on every account when `accounts` is None
    """

    key_id: int = 0
    accounts: dict[int, Permission] | None = None
    strategies: frozenset[int] | None = None
    on_all: Permission = _EVERYTHING

    def permission(self, account_id: int) -> Permission | None:
        """What it may do on an account; None when it may not even know of it."""
        if self.accounts is None:
            return self.on_all
        return self.accounts.get(account_id)

    def sees(self, strategy_id: int) -> bool:
        """Whether rows of a strategy are visible to it."""
        return self.strategies is None or strategy_id in self.strategies


OWNER: Final = Principal()
"""The process that holds the OMS object."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: the secret itself never is.

    :param digest: SHA-256 of the secret, hexadecimal
    :param role: trader, readonly or risk
    """

    id: int
    digest: str
    role: str
    principal: Principal
    created_at: int
    label: str | None = None
    disabled_at: int | None = None


@dataclass(slots=True)
class Claim:
    """Who owns a client order id, and for which payload (compared after parsing)."""

    account_id: int
    client_order_id: str
    order_id: int
    command_id: int
    fingerprint: str
    strategy_id: int

    @property
    def source(self) -> Given:
        """What `fingerprints.written` makes the fingerprint of."""
        return (self.fingerprint,)


class ClaimOfGiven(Claim):
    """A claim whose fingerprint is written when it is read: of an order in memory, hardly ever."""

    __slots__ = ("_given",)

    def __init__(
        self,
        account_id: int,
        client_order_id: str,
        order_id: int,
        command_id: int,
        given: Given,
        strategy_id: int,
    ) -> None:
        self.account_id = account_id
        self.client_order_id = client_order_id
        self.order_id = order_id
        self.command_id = command_id
        self.strategy_id = strategy_id
        self._given = given

    @property
    def source(self) -> Given:
        """What it is written from."""
        return self._given

    @property
    def fingerprint(self) -> str:  # type: ignore[override]  # read like the field
        """Equal for payloads that mean the same."""
        return written(self._given)


@dataclass(slots=True, eq=False)
class Event:
    """A committed change, as the outbox keeps it; `seq` increases by one per account.

    :param strategy_id: whose change it is, for keys that see only some; None concerns the account
    :param payload: the wire form
    """

    account_id: int
    seq: int
    ts_ms: int
    name: str
    payload: dict[str, Any]
    strategy_id: int | None

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, however they are kept."""
        return isinstance(other, Event) and _EVENT_FIELDS(self) == _EVENT_FIELDS(other)


_EVENT_FIELDS: Final = attrgetter("account_id", "seq", "ts_ms", "name", "payload", "strategy_id")


class RowEvent(Event):
    """`order_updated` or `deal_created`, with the row of an order or a deal as its commit writes it."""

    __slots__ = ()


BalanceFigures = tuple[int, str, Decimal, Decimal]
"""What `balance_row` takes: account, currency, free and total."""


class BalanceEvent(Event):
    """`balance_updated`, with the figures of its time: seldom read, it is written down only then."""

    __slots__ = ("figures",)

    def __init__(
        self, account_id: int, currency: str, free: Decimal, total: Decimal, ts_ms: int, seq: int = 0
    ) -> None:
        self.account_id = account_id
        self.seq = seq
        self.ts_ms = ts_ms
        self.name = _BALANCE_UPDATED
        self.strategy_id = None
        self.figures: BalanceFigures = (account_id, currency, free, total)

    @property
    def payload(self) -> dict[str, Any]:  # type: ignore[override]  # read like the field
        """The wire form, anew each time."""
        return balance_row(*self.figures)


def balance_row(account_id: int, currency: str, free: Decimal, total: Decimal) -> dict[str, Any]:
    """The payload of `balance_updated`; free is never shown below zero."""
    if free < ZERO:
        free = ZERO
    return {
        "account_id": account_id,
        "currency": currency,
        "free": format_decimal(free),
        "used": format_decimal(_subtract(total, free)),
        "total": format_decimal(total),
    }
