"""Orders that come to the paper venue without the OMS, by ccxt's functions.

They meet the same book, money and market rules as the OMS's own. The OMS learns of them when the account is
reconciled; its risk limits and blocks do not concern them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from pydantic import ValidationError

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.commands import SendOrder

from .core import Core
from .entities import EXTERNAL_REASON, Claim, External, Order
from .execution import cancel
from .matching.order_types import check_options
from .order_commands import checked_qty, draft
from .placing import REJECTIONS, Intake, accept, examine
from .refusals import Refusal, venue_refusal
from .sessions import require_open
from .state import AccountState
from .venue_arguments import Call, listed
from .venue_private import order_of, unified_order

_OPTIONS: Final = {
    "clientOrderId": "client_order_id",
    "cost": "cost",
    "timeInForce": "time_in_force",
    "postOnly": "post_only",
    "triggerPrice": "trigger_price",
    "stopPrice": "trigger_price",
    "stopLossPrice": "stop_price",
    "takeProfitPrice": "take_profit_price",
    "trailingAmount": "trailing_amount",
    "trailingPercent": "trailing_percent",
    "expireAt": "expire_at",
    "displayQty": "display_qty",
}
"""What `params` may ask for, by ccxt's names, and how an order of the OMS has it."""
_OF_THE_OMS: Final = ("strategy_id", "magic_id", "position_id", "oms_stop_loss", "oms_stop_gain")
_NAMES: Final = {
    **{name: f"params.{option}" for option, name in _OPTIONS.items() if option != "stopPrice"},
    "qty": "amount",
    "order_type": "type",
}
"""How the caller of a function knows the fields of an order."""
_CANCELED: Final = "canceled_at_the_venue"
_CCXT_ERRORS: Final = {
    ErrorCode.VALIDATION_ERROR: "InvalidOrder",
    ErrorCode.INSUFFICIENT_FUNDS: "InsufficientFunds",
    ErrorCode.MARKET_CLOSED: "MarketClosed",
    ErrorCode.RISK_BLOCKED: "OperationRejected",
}
_FINGERPRINT: Final = "outside the OMS"
"""Of a client order id that an order without the OMS has taken: no payload of the OMS is the same."""


def create_order(call: Call) -> dict[str, Any]:
    """Place an order that the OMS knows nothing of.

    :raises Refusal: with the ccxt class that a venue would give; then nothing was done
    """
    _refuse_limited(call)
    core, account = call.core, call.owner
    symbol = core.state.symbols[call.market().symbol]
    payload = _payload(call, symbol.market.symbol)
    with _as_the_venue_says(call.name):
        require_open(symbol)
        check_options(payload, symbol.market, call.now)
        qty = checked_qty(core, account, symbol, payload, call.now)
        order = draft(core, account, payload, symbol.market.symbol, payload.side, qty, 0, call.now)
        order.reason, order.external = EXTERNAL_REASON, External.UNKNOWN
        _refuse_taken(core, order)
        intake = examine(core, account, order, call.now)
        if intake.rejection is not None:
            raise venue_refusal(*REJECTIONS[intake.rejection])
    _place(core, account, order, intake, call.now)
    return unified_order(order)


def _place(core: Core, account: AccountState, order: Order, intake: Intake, now: int) -> None:
    with core.transaction(now) as tx:
        order.id = core.state.next_id("order")
        tx.add_order(order)
        if order.client_order_id is not None:
            claim = Claim(order.account_id, order.client_order_id, order.id, 0, _FINGERPRINT, 0)
            tx.changes.claims.append(claim)
        accept(core, tx, account, order, intake.plan, intake)


def _refuse_taken(core: Core, order: Order) -> None:
    """A client order id names one order of the account for ever, whoever has placed it."""
    name = order.client_order_id
    if name is not None and core.store.claim(order.account_id, name) is not None:
        raise venue_refusal("DuplicateOrderId", f"clientOrderId {name!r} is used already")


def _payload(call: Call, symbol: str) -> SendOrder:
    """The order that the arguments describe.

    :raises Refusal: BadRequest or NotSupported, naming the argument
    """
    params = dict(call.params)
    fields: dict[str, Any] = {"symbol": symbol, "order_type": call.required("type")}
    fields["side"] = _lower(call.required("side"))
    fields["price"] = call.given.get("price")
    for option, name in _OPTIONS.items():
        value = params.pop(option, None)
        if value is not None:
            fields[name] = value
    if "cost" not in fields:
        fields["qty"] = call.required("amount")
    if _lower(fields.get("time_in_force")) == "po":
        fields |= {"time_in_force": None, "post_only": True}
    if params.pop("reduceOnly", None):
        raise _unsupported(call, "reduceOnly", "it has a position of its own, with nothing to reduce")
    for name in _OF_THE_OMS:
        if params.pop(name, None) is not None:
            raise _unsupported(call, name, "only orders of the OMS have it")
    try:
        return SendOrder.model_validate({**fields, "params": params})
    except ValidationError as error:
        raise venue_refusal("BadRequest", f"{call.name}: {_in_words(error)}") from None


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _unsupported(call: Call, name: str, why: str) -> Refusal:
    return venue_refusal("NotSupported", f"{call.name}: params.{name}: an order without the OMS: {why}")


def _in_words(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    text = first["msg"].removeprefix("Value error, ")
    field = ".".join(str(part) for part in first["loc"])
    return _as_named(f"payload.{field}: {text}" if field else text)


def _as_named(message: str) -> str:
    """A message with the names that the caller knows."""
    return re.sub(r"payload\.(\w+)", lambda found: _NAMES.get(found[1], found[1]), message)


@contextmanager
def _as_the_venue_says(function: str) -> Iterator[None]:
    """Let a refusal have the ccxt class and the words of a venue."""
    try:
        yield
    except Refusal as refusal:
        ccxt_error = _CCXT_ERRORS.get(refusal.code)
        if ccxt_error is None:
            raise
        raise venue_refusal(ccxt_error, f"{function}: {_as_named(refusal.message)}") from None


def cancel_order(call: Call) -> dict[str, Any]:
    """Cancel an open order by the venue's id, whoever has placed it.

    :raises Refusal: OrderNotFound, also of one that has ended
    """
    _refuse_limited(call)
    order = order_of(call)
    if not order.is_open:
        raise venue_refusal("OrderNotFound", f"order {order.exchange_order_id} is {order.status.value}")
    _cancel(call, [order])
    return unified_order(order)


def cancel_all_orders(call: Call) -> list[dict[str, Any]]:
    """Cancel every open order of the account, or of a symbol, whoever has placed it."""
    _refuse_limited(call)
    symbol = call.given.get("symbol")
    if symbol is not None:
        listed(call.core, symbol)
    orders = [order for order in call.owner.orders.values() if symbol in (None, order.symbol)]
    _cancel(call, orders)
    return [unified_order(order) for order in orders]


def _cancel(call: Call, orders: list[Order]) -> None:
    with call.core.transaction(call.now) as tx:
        for order in orders:
            if order.is_open:  # the end of one may have ended another
                cancel(call.core, tx, call.owner, order, _CANCELED)


def _refuse_limited(call: Call) -> None:
    """A key limited to some strategies would act outside of all of them."""
    if call.principal.strategies is not None:
        raise Refusal(
            ErrorCode.STRATEGY_PERMISSION_DENIED,
            "a key limited to some strategies may not trade at the venue without the OMS",
            {"allowed": sorted(call.principal.strategies)},
        )
