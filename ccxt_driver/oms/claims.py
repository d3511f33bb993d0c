"""Client order ids: each names one order of its account for ever."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.commands import ClosePosition, SendOrder, TimeInForce
from ccxt_driver.contract.values import format_decimal

from .core import Core
from .entities import Claim, Order, Principal
from .outcome import Outcome
from .placing import REJECTIONS
from .refusals import Refusal, venue_refusal
from .store import RowFilter

_DEFAULTS: Final[dict[type, dict[str, Any]]] = {
    kind: {name: field.get_default(call_default_factory=True) for name, field in kind.model_fields.items()}
    for kind in (SendOrder, ClosePosition)
}
"""Of each payload, in the order of its fields."""

_PLACES: Final = {kind: {name: place for place, name in enumerate(_DEFAULTS[kind])} for kind in _DEFAULTS}
"""Where each field of a payload stands."""


def fingerprint(payload: SendOrder | ClosePosition) -> str:
    """The payload as one text: equal for payloads that mean the same.

    Fields with their default do not show, decimals count by value, and order does not matter.
    """
    kind = type(payload)
    parts = [kind.__name__]
    values, defaults = payload.__dict__, _DEFAULTS[kind]
    # In the order of the class, whatever the order they came in; what was not given is the default.
    for name in sorted(payload.model_fields_set, key=_PLACES[kind].__getitem__):
        value = values[name]
        if value == defaults[name] or value is TimeInForce.GTC:
            continue  # GTC is what an order has that says nothing
        if isinstance(value, Decimal):
            value = format_decimal(value)
        elif isinstance(value, dict):
            value = json.dumps(value, sort_keys=True, default=repr)
        elif type(value) is str:
            value = repr(value)  # a new line in it does not pass for another field
        parts.append(f"{name}={value}")
    return "\n".join(parts)


def repeated(
    core: Core, principal: Principal, account_id: int, client_order_id: str, text: str
) -> Outcome | None:
    """The first answer, when a client order id has been used before.

    :param text: fingerprint of the payload that came now
    :raises Refusal: `duplicate_client_order_id`, it names an order that was something else
    """
    claim = core.store.claim(account_id, client_order_id)
    if claim is None:
        return None
    [order] = core.store.orders_by_id([claim.order_id])
    sees = principal.sees(order.strategy_id)  # where the order is now: it may have been moved
    if claim.fingerprint != text or not sees:
        details: dict[str, Any] = {"client_order_id": client_order_id}
        if sees:
            details["order_id"] = claim.order_id
        raise Refusal(
            ErrorCode.DUPLICATE_CLIENT_ORDER_ID,
            f"client_order_id {client_order_id!r} is used already on account {account_id}",
            details,
        )
    return _first_answer(core, principal, claim, order)


def _first_answer(core: Core, principal: Principal, claim: Claim, order: Order) -> Outcome:
    now = core.clock.now_ms()
    deals, _ = core.store.deals(RowFilter((claim.account_id,), order_id=claim.order_id))
    touched = dict.fromkeys(deal.position_id for deal in deals if deal.position_id)
    positions = core.store.positions_by_id([*touched])
    return Outcome(
        claim.command_id,
        claim.order_id,
        order=order.row(),
        deals=[deal.row() for deal in deals if principal.sees(deal.strategy_id)],
        positions=[
            core.position_row(position, now) for position in positions if principal.sees(position.strategy_id)
        ],
        error=rejection_of(order),
        duplicate=True,
    )


def rejection_of(order: Order) -> Refusal | None:
    """The error that an order which the venue rejected at once was answered with."""
    if order.triggered_at not in (None, order.created_at):
        return None  # it was accepted, and rejected when its trigger fired
    if order.filled_qty or order.reject_reason not in REJECTIONS:
        return None
    if order.status.value != "REJECTED":
        return None
    ccxt_error, message = REJECTIONS[order.reject_reason]
    return venue_refusal(ccxt_error, message)
