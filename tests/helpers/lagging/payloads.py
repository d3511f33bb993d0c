"""The commands that the gateway takes. A key that it does not know is refused, anywhere."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

_Id = Annotated[int, Field(gt=0)]
_IdOrZero = Annotated[int, Field(ge=0)]
_Positive = Annotated[Decimal, Field(gt=0)]
_Csv = Annotated[str | None, Field(pattern=r"^[\d, ]*$")]
_OrderType = Annotated[
    str,
    BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    Field(min_length=1, validation_alias=AliasChoices("order_type", "type")),
]
_Qty = Annotated[_Positive, Field(validation_alias=AliasChoices("qty", "amount"))]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SendOrder(_Strict):
    """Any text is an order type, and any text a symbol: nobody compares it with the markets."""

    symbol: Annotated[str, Field(min_length=1)]
    side: Literal["buy", "sell"]
    order_type: _OrderType
    qty: _Qty
    price: _Positive | None = None
    strategy_id: _IdOrZero = 0
    position_id: _IdOrZero = 0
    reason: str = "api"
    comment: str | None = None
    client_order_id: str | None = None
    reduce_only: bool = False
    post_only: bool = False
    time_in_force: str | None = None
    trigger_price: _Positive | None = None
    stop_price: _Positive | None = None
    take_profit_price: _Positive | None = None
    trailing_amount: _Positive | None = None
    trailing_percent: _Positive | None = None
    oms_stop_loss: _Positive | None = None
    oms_stop_gain: _Positive | None = None
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _limit_has_a_price(self) -> Self:
        if self.order_type == "limit" and self.price is None:
            raise ValueError("payload.price is required for limit orders")
        return self


class ChangeOrder(_Strict):
    """Both values may be left out, and what is left out is lost."""

    order_id: _Id
    new_price: _Positive | None = None
    new_qty: _Positive | None = None


class CancelOrder(_Strict):
    """One order, or several."""

    order_id: _Id | None = None
    order_ids: list[_Id] = Field(default_factory=list)
    order_ids_csv: _Csv = None

    @property
    def ids(self) -> list[int]:
        """All that are named."""
        one = [] if self.order_id is None else [self.order_id]
        return [*one, *self.order_ids, *_ids(self.order_ids_csv)]


class CancelAllOrders(_Strict):
    """All open orders, or those of some strategies; not of a symbol."""

    strategy_ids: list[_IdOrZero] = Field(default_factory=list)
    strategy_ids_csv: _Csv = None

    @property
    def strategies(self) -> set[int]:
        """Empty means all."""
        return {*self.strategy_ids, *_ids(self.strategy_ids_csv)}


class ClosePosition(_Strict):
    """Taken, and never carried out."""

    position_id: _Id
    qty: Annotated[_Positive | None, Field(validation_alias=AliasChoices("qty", "amount"))] = None
    order_type: _OrderType = "market"
    price: _Positive | None = None
    strategy_id: _IdOrZero = 0
    reason: str = "api"
    comment: str | None = None
    client_order_id: str | None = None
    reduce_only: bool = False
    params: dict[str, Any] = Field(default_factory=dict)


class CloseBy(_Strict):
    """Two opposite positions of a symbol, by each other."""

    position_id_a: _Id
    position_id_b: _Id
    qty: _Positive | None = None
    strategy_id: _IdOrZero = 0


class MergePositions(_Strict):
    """One position into another of the same symbol and side."""

    source_position_id: _Id
    target_position_id: _Id
    stop_mode: Literal["keep", "clear", "set"] = "keep"
    oms_stop_loss: _Positive | None = None
    oms_stop_gain: _Positive | None = None


class PositionChange(_Strict):
    """What is null is cleared, what is left out is kept."""

    position_id: _Id
    oms_stop_loss: _Positive | None = None
    oms_stop_gain: _Positive | None = None
    comment: str | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set & {"oms_stop_loss", "oms_stop_gain", "comment"}:
            raise ValueError("payload must include oms_stop_loss, oms_stop_gain or comment")
        return self


class _Envelope(_Strict):
    account_id: _Id | None = None
    request_id: str | None = None


class _SendOrder(_Envelope):
    command: Literal["send_order"]
    payload: SendOrder


class _ChangeOrder(_Envelope):
    command: Literal["change_order"]
    payload: ChangeOrder


class _CancelOrder(_Envelope):
    command: Literal["cancel_order"]
    payload: CancelOrder


class _CancelAllOrders(_Envelope):
    command: Literal["cancel_all_orders"]
    payload: CancelAllOrders


class _ClosePosition(_Envelope):
    command: Literal["close_position"]
    payload: ClosePosition


class _CloseBy(_Envelope):
    command: Literal["close_by"]
    payload: CloseBy


class _MergePositions(_Envelope):
    command: Literal["merge_positions"]
    payload: MergePositions


class _PositionChange(_Envelope):
    command: Literal["position_change"]
    payload: PositionChange


Command = Annotated[
    _SendOrder
    | _ChangeOrder
    | _CancelOrder
    | _CancelAllOrders
    | _ClosePosition
    | _CloseBy
    | _MergePositions
    | _PositionChange,
    Field(discriminator="command"),
]

COMMANDS: Final[TypeAdapter[Any]] = TypeAdapter(Command | list[Command])
"""One or a list: what is wrong is therefore told twice, as of the one and as of the list."""


class Call(_Strict):
    """A call of the venue's object in a batch."""

    account_id: _Id
    func: str
    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)


CALLS: Final[TypeAdapter[Any]] = TypeAdapter(Call | list[Call])


def errors_of(error: ValidationError) -> dict[str, Any]:
    """The body of a 422."""
    listed = error.errors(include_url=False, include_context=False)
    return {"detail": [{**each, "loc": ["body", *each["loc"]]} for each in listed]}


def _ids(csv: str | None) -> list[int]:
    return [int(part) for part in (csv or "").split(",") if part.strip()]
