"""Commands of `POST /oms/commands`: what each takes, and the answer."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)

from .fields import DecimalText, Flag, Id, IdOrZero, PositiveDecimal, TimeText


class CommandName(StrEnum):
    """`command` of an envelope."""

    SEND_ORDER = "send_order"
    CHANGE_ORDER = "change_order"
    CANCEL_ORDER = "cancel_order"
    CANCEL_ALL_ORDERS = "cancel_all_orders"
    CANCEL_ALL_AFTER = "cancel_all_after"
    CHECK_ORDER = "check_order"
    CLOSE_POSITION = "close_position"
    CLOSE_BY = "close_by"
    MERGE_POSITIONS = "merge_positions"
    POSITION_CHANGE = "position_change"


class Side(StrEnum):
    """Of orders, deals and positions; a long position is `buy`."""

    BUY = "buy"
    SELL = "sell"


class TimeInForce(StrEnum):
    """How long an order may rest: until cancelled, not at all, all or nothing, until a time."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _ids_from_csv(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError("expected ids separated by commas")
    return [int(part) for part in parts]


_CSV: Final = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": "^[0-9, ]*$"},
            {"type": "array", "items": {"type": "integer", "minimum": 0, "exclusiveMaximum": 2**63}},
            {"type": "null"},
        ]
    }
)
_EITHER_CASE: Final = WithJsonSchema(
    {"enum": [*(each.value for each in TimeInForce), *(each.value.lower() for each in TimeInForce), None]}
)


def _not_blank(value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise ValueError("expected a text that is not blank")
    return value


Symbol = Annotated[str, Field(min_length=1, max_length=64)]
OrderType = Annotated[str, BeforeValidator(_lower), Field(min_length=1, max_length=16)]
Reason = Annotated[str, Field(max_length=32)]
Comment = Annotated[str | None, Field(max_length=255)]
ClientOrderId = Annotated[str | None, Field(min_length=1, max_length=128), AfterValidator(_not_blank)]
StrategyId = Annotated[IdOrZero, Field(validation_alias=AliasChoices("strategy_id", "magic_id"))]
StrategyIds = Annotated[
    list[IdOrZero], Field(max_length=5000, validation_alias=AliasChoices("strategy_ids", "magic_ids"))
]
GuardStrategyId = Annotated[IdOrZero | None, Field(validation_alias=AliasChoices("strategy_id", "magic_id"))]
"""**[feature strategy_guard]**: a row of another strategy answers `*_not_found`; None asks nothing."""


class _Payload(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_by_name=True, frozen=True)


class _OrderOptions(_Payload):
    """Options that an order and the order of a `close_position` share."""

    order_type: Annotated[OrderType, Field(validation_alias=AliasChoices("order_type", "type"))] = "market"
    price: PositiveDecimal | None = None
    strategy_id: StrategyId = 0
    position_id: IdOrZero = 0
    reason: Reason = "api"
    comment: Comment = None
    reduce_only: Flag = False
    client_order_id: ClientOrderId = None
    post_only: Flag = False
    time_in_force: Annotated[TimeInForce | None, BeforeValidator(_upper), _EITHER_CASE] = None
    trigger_price: PositiveDecimal | None = None
    stop_price: PositiveDecimal | None = None
    take_profit_price: PositiveDecimal | None = None
    trailing_amount: PositiveDecimal | None = None
    trailing_percent: PositiveDecimal | None = None
    expire_at: TimeText | None = None
    display_qty: PositiveDecimal | None = None
    oms_stop_loss: PositiveDecimal | None = None
    oms_stop_gain: PositiveDecimal | None = None
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.order_type == "limit" and self.price is None:
            raise ValueError("payload.price is required for a limit order")
        if (self.time_in_force is TimeInForce.GTD) != (self.expire_at is not None):
            raise ValueError("payload.expire_at goes with time_in_force GTD, and GTD needs it")
        return self


class SendOrder(_OrderOptions):
    """Place an order. Exactly one of `qty` (base units) and `cost` (quote units)."""

    symbol: Symbol
    side: Side
    order_type: Annotated[OrderType, Field(validation_alias=AliasChoices("order_type", "type"))]
    qty: Annotated[PositiveDecimal | None, Field(validation_alias=AliasChoices("qty", "amount"))] = None
    cost: PositiveDecimal | None = None

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.qty is None) == (self.cost is None):
            raise ValueError("exactly one of payload.qty and payload.cost is required")
        return self


class ClosePosition(_OrderOptions):
    """Close a position, or `qty` of it, by an order of its own."""

    position_id: Id
    qty: Annotated[PositiveDecimal | None, Field(validation_alias=AliasChoices("qty", "amount"))] = None
    strategy_id: GuardStrategyId = None  # type: ignore[assignment]  # here it is a guard


class ChangeOrder(_Payload):
    """Change a resting order; `new_qty` is the total quantity, what has filled included."""

    order_id: Id
    new_price: PositiveDecimal | None = None
    new_qty: PositiveDecimal | None = None
    strategy_id: GuardStrategyId = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.new_price is None and self.new_qty is None:
            raise ValueError("payload.new_price or payload.new_qty is required")
        return self


class CancelOrder(_Payload):
    """Cancel one order or several; `order_ids_csv` is read into `order_ids`."""

    order_id: Id | None = None
    order_ids: Annotated[list[Id] | None, Field(min_length=1, max_length=5000)] = None
    order_ids_csv: Annotated[
        Annotated[list[Id], Field(max_length=5000)] | None, BeforeValidator(_ids_from_csv), _CSV
    ] = None
    strategy_id: GuardStrategyId = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = [form for form in (self.order_id, self.order_ids, self.order_ids_csv) if form]
        if len(given) != 1:
            raise ValueError(
                "exactly one of payload.order_id, payload.order_ids and payload.order_ids_csv is required"
            )
        return self

    @property
    def ids(self) -> list[int]:
        """The orders named, in the order given."""
        if self.order_id is not None:
            return [self.order_id]
        return list(self.order_ids or self.order_ids_csv or ())


class CancelAllOrders(_Payload):
    """Cancel all open orders, or those of some strategies, or of one symbol."""

    strategy_ids: StrategyIds = Field(default_factory=list)
    strategy_ids_csv: Annotated[
        Annotated[list[IdOrZero], Field(max_length=5000)],
        BeforeValidator(_ids_from_csv),
        _CSV,
        Field(validation_alias=AliasChoices("strategy_ids_csv", "magic_ids_csv")),
    ] = Field(default_factory=list)
    symbol: Symbol | None = None

    @property
    def strategies(self) -> frozenset[int]:
        """The strategies named; empty means all."""
        return frozenset([*self.strategy_ids, *self.strategy_ids_csv])


class CancelAllAfter(_Payload):
    """A dead man's switch: cancels all orders when not called again within `timeout_ms`."""

    timeout_ms: Annotated[int, Field(strict=True, ge=0, le=86_400_000)]
    strategy_ids: StrategyIds = Field(default_factory=list)


class CloseBy(_Payload):
    """Close two opposite positions of one symbol by each other, without a venue order."""

    position_id_a: Id
    position_id_b: Id
    qty: PositiveDecimal | None = None
    strategy_id: GuardStrategyId = None


class StopMode(StrEnum):
    """Which stops the target of a merge has afterwards."""

    KEEP = "keep"
    CLEAR = "clear"
    SET = "set"


class MergePositions(_Payload):
    """Move the whole of a position into another of the same symbol and side."""

    source_position_id: Id
    target_position_id: Id
    stop_mode: StopMode = StopMode.KEEP
    oms_stop_loss: PositiveDecimal | None = None
    oms_stop_gain: PositiveDecimal | None = None
    strategy_id: GuardStrategyId = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.source_position_id == self.target_position_id:
            raise ValueError("payload.source_position_id and payload.target_position_id must differ")
        given = self.oms_stop_loss is not None or self.oms_stop_gain is not None
        if given and self.stop_mode is not StopMode.SET:
            raise ValueError("payload.oms_stop_loss and payload.oms_stop_gain go with stop_mode set")
        return self


class PositionChange(_Payload):
    """Change what is kept on a position; a field that is null is cleared, one left out is kept."""

    position_id: Id
    oms_stop_loss: PositiveDecimal | None = None
    oms_stop_gain: PositiveDecimal | None = None
    comment: Comment = None
    strategy_id: GuardStrategyId = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set & {"oms_stop_loss", "oms_stop_gain", "comment"}:
            raise ValueError(
                "at least one of payload.oms_stop_loss, payload.oms_stop_gain and payload.comment is required"
            )
        return self


class _Envelope(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    account_id: Id
    request_id: Annotated[str | None, Field(max_length=128)] = None


class SendOrderCommand(_Envelope):
    command: Literal[CommandName.SEND_ORDER]
    payload: SendOrder


class CheckOrderCommand(_Envelope):
    command: Literal[CommandName.CHECK_ORDER]
    payload: SendOrder


class ChangeOrderCommand(_Envelope):
    command: Literal[CommandName.CHANGE_ORDER]
    payload: ChangeOrder


class CancelOrderCommand(_Envelope):
    command: Literal[CommandName.CANCEL_ORDER]
    payload: CancelOrder


class CancelAllOrdersCommand(_Envelope):
    command: Literal[CommandName.CANCEL_ALL_ORDERS]
    payload: CancelAllOrders


class CancelAllAfterCommand(_Envelope):
    command: Literal[CommandName.CANCEL_ALL_AFTER]
    payload: CancelAllAfter


class ClosePositionCommand(_Envelope):
    command: Literal[CommandName.CLOSE_POSITION]
    payload: ClosePosition


class CloseByCommand(_Envelope):
    command: Literal[CommandName.CLOSE_BY]
    payload: CloseBy


class MergePositionsCommand(_Envelope):
    command: Literal[CommandName.MERGE_POSITIONS]
    payload: MergePositions


class PositionChangeCommand(_Envelope):
    command: Literal[CommandName.POSITION_CHANGE]
    payload: PositionChange


Command = Annotated[
    SendOrderCommand
    | CheckOrderCommand
    | ChangeOrderCommand
    | CancelOrderCommand
    | CancelAllOrdersCommand
    | CancelAllAfterCommand
    | ClosePositionCommand
    | CloseByCommand
    | MergePositionsCommand
    | PositionChangeCommand,
    Field(discriminator="command"),
]

COMMAND: TypeAdapter[Command] = TypeAdapter(Command)
"""Validates one command."""

COMMANDS: TypeAdapter[list[Command]] = TypeAdapter(Annotated[list[Command], Field(max_length=1000)])
"""Validates a batch, whole or not at all."""


class ErrorDetail(BaseModel):
    """Why something was refused."""

    model_config = ConfigDict(extra="allow")

    code: str
    message: str = ""
    details: dict[str, Any] = Field(default_factory=dict)
    request_id: str | None = None


class CommandResult(BaseModel):
    """The answer to one command.

    `order`, `deals` and `positions` under **[feature rows_in_results]**, `duplicate` under
    **[feature client_order_id_dedupe]**, `result` for `check_order`.
    """

    model_config = ConfigDict(extra="allow")

    index: Annotated[int, Field(strict=True, ge=0)]
    ok: bool
    command_id: Id | None = None
    order_id: Id | None = None
    error: ErrorDetail | None = None
    duplicate: bool = False
    order: dict[str, Any] | None = None
    deals: list[dict[str, Any]] = Field(default_factory=list)
    positions: list[dict[str, Any]] = Field(default_factory=list)
    result: dict[str, Any] | None = None


class CheckResult(BaseModel):
    """`result` of a `check_order`; amounts in the currency that the order would reserve."""

    ok: bool
    reason: str | None = None
    required: DecimalText | None = None
    available: DecimalText | None = None
