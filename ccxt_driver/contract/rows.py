"""Rows that queries answer and events carry. Readers ignore keys they do not know."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from .commands import Side
from .fields import DecimalText, Flag, Id, IdOrZero, TimeText


class OrderStatus(StrEnum):
    """Where an order stands; the first three are open."""

    PENDING_SUBMIT = "PENDING_SUBMIT"
    SUBMITTED = "SUBMITTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"


OPEN_STATUSES = frozenset({OrderStatus.PENDING_SUBMIT, OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED})


class PositionState(StrEnum):
    """Where a position stands; the first two are open."""

    OPEN = "open"
    CLOSE_REQUESTED = "close_requested"
    CLOSED = "closed"
    MERGED = "merged"


class PositionMode(StrEnum):
    """How an account turns deals into positions."""

    HEDGE = "hedge"
    NETTING = "netting"
    STRATEGY_NETTING = "strategy_netting"


class LedgerKind(StrEnum):
    """Why a balance changed."""

    DEAL = "deal"
    FEE = "fee"
    FUNDING = "funding"
    DEPOSIT = "deposit"
    WITHDRAW = "withdraw"
    LIQUIDATION = "liquidation"


class _Row(BaseModel):
    model_config = ConfigDict(extra="allow")


class OrderRow(_Row):
    """One order. Quantities in base units, prices in quote units, fee in `fee_currency`."""

    id: Id
    command_id: Id | None = None
    account_id: Id
    symbol: str
    side: Side
    order_type: str
    status: OrderStatus
    strategy_id: IdOrZero | None = 0
    position_id: IdOrZero | None = 0
    previous_position_id: IdOrZero | None = None
    reason: str | None = None
    comment: str | None = None
    client_order_id: str | None = None
    exchange_order_id: str | None = None
    qty: DecimalText
    price: DecimalText | None = None
    stop_loss: DecimalText | None = None
    stop_gain: DecimalText | None = None
    filled_qty: DecimalText | None = None
    avg_fill_price: DecimalText | None = None
    edit_replace_state: str | None = None
    edit_replace_at: TimeText | None = None
    edit_replace_orphan_order_id: IdOrZero | None = None
    edit_replace_origin_order_id: IdOrZero | None = None
    created_at: TimeText
    updated_at: TimeText | None = None
    closed_at: TimeText | None = None
    # [feature order_options]
    time_in_force: str | None = None
    post_only: Flag | None = None
    reduce_only: Flag | None = None
    trigger_price: DecimalText | None = None
    stop_price: DecimalText | None = None
    take_profit_price: DecimalText | None = None
    trailing_amount: DecimalText | None = None
    trailing_percent: DecimalText | None = None
    reject_reason: str | None = None
    fee: DecimalText | None = None
    fee_currency: str | None = None


class DealRow(_Row):
    """One fill. `maker` under **[feature order_options]**."""

    id: Id
    account_id: Id
    order_id: IdOrZero | None = None
    position_id: IdOrZero | None = None
    previous_position_id: IdOrZero | None = None
    symbol: str
    side: Side
    qty: DecimalText
    price: DecimalText
    fee: DecimalText | None = None
    fee_currency: str | None = None
    pnl: DecimalText | None = None
    strategy_id: IdOrZero | None = 0
    reason: str | None = None
    comment: str | None = None
    reconciled: Flag | None = None
    exchange_trade_id: str | None = None
    created_at: TimeText | None = None
    executed_at: TimeText
    maker: Flag | None = None


class PositionRow(_Row):
    """One position. Values from `realized_pnl` on under **[feature position_values]**."""

    id: Id
    account_id: Id
    symbol: str
    strategy_id: IdOrZero | None = 0
    side: Side
    qty: DecimalText
    avg_price: DecimalText
    stop_loss: DecimalText | None = None
    stop_gain: DecimalText | None = None
    state: PositionState
    reason: str | None = None
    comment: str | None = None
    opened_at: TimeText
    updated_at: TimeText | None = None
    closed_at: TimeText | None = None
    realized_pnl: DecimalText | None = None
    unrealized_pnl: DecimalText | None = None
    mark_price: DecimalText | None = None
    leverage: DecimalText | None = None
    margin: DecimalText | None = None
    liquidation_price: DecimalText | None = None
    maintenance_margin: DecimalText | None = None
    margin_mode: str | None = None


class AccountRow(_Row):
    """One account that the key may read."""

    account_id: Id
    label: str | None = None
    exchange_id: str | None = None
    position_mode: PositionMode = PositionMode.HEDGE
    is_testnet: bool = False
    status: str = "active"
    allow_new_positions: bool = True
    can_read: bool = True
    can_trade: bool = False
    can_risk_manage: bool = False


class StrategyRow(_Row):
    """One strategy."""

    strategy_id: Id
    client_strategy_id: str | int | None = None
    name: str | None = None
    status: str = "active"
    account_ids: list[Id] = Field(default_factory=list)


class LedgerRow(_Row):
    """One change of a balance, **[feature ledger]**."""

    id: Id
    account_id: Id
    currency: str
    amount: DecimalText
    balance_after: DecimalText
    kind: LedgerKind
    reference_id: Id | None = None
    created_at: TimeText


class Page(BaseModel):
    """Answer of a list."""

    model_config = ConfigDict(extra="allow")

    items: list[dict[str, Any]]
    total: Annotated[int, Field(ge=0)] | None = None
    page: Annotated[int, Field(ge=1)] | None = None
    page_size: Annotated[int, Field(ge=1)] | None = None


class Health(BaseModel):
    """Answer of `/healthz`."""

    model_config = ConfigDict(extra="allow")

    status: str
    app: str | None = None
    version: str | None = None
    features: list[str] = Field(default_factory=list)
    time_ms: int | None = None
