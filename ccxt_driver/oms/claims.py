"""Client order ids: each names one order of its account for ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.commands import ClosePosition, SendOrder, TimeInForce
from ccxt_driver.contract.values import format_decimal

from .access import visible
from .core import Core
from .entities import Claim, Order, Principal
from .outcome import Outcome
from .placing import REJECTIONS
from .refusals import Refusal, venue_refusal
from .store import RowFilter

Payload = SendOrder | ClosePosition
"""Of the commands that make an order."""

_DEFAULTS: Final[dict[type, dict[str, Any]]] = {
    kind: {name: field.get_default(call_default_factory=True) for name, field in kind.model_fields.items()}
    for kind in (SendOrder, ClosePosition)
}
"""Of each payload, in the order of its fields."""


_Given = tuple[tuple[str, ...], Callable[[dict[str, Any]], tuple[Any, ...]]]


@lru_cache(maxsize=1024)
def _given(kind: type, names: frozenset[str]) -> _Given:
    """Fields in the order of the class, whatever the order they came in, and what reads them.

    Programs use few combinations.
    """
    ordered = tuple(name for name in _DEFAULTS[kind] if name in names)
    return ordered, itemgetter(*ordered)


def fingerprint(payload: Payload) -> str:
    """The payload as one text: equal for payloads that mean the same.

    Fields with their default do not show, decimals count by value, and order does not matter.
    """
    kind = type(payload)
    names, read = _given(kind, frozenset(payload.model_fields_set))  # what was not given is the default
    return _text(kind, names, read(payload.__dict__))


def _text(kind: type, names: tuple[str, ...], values: tuple[Any, ...]) -> str:
    parts = [kind.__name__]
    defaults = _DEFAULTS[kind]
    for name, value in zip(names, values, strict=True):
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


class _ClaimOfValues(Claim):
    """A claim whose fingerprint is written when it is read: of an order in memory, hardly ever."""

    __slots__ = ("_kind", "_names", "_values")

    def __init__(self, order: Order, command_id: int, client_order_id: str, payload: Payload) -> None:
        self.account_id = order.account_id
        self.client_order_id = client_order_id
        self.order_id = order.id
        self.command_id = command_id
        self.strategy_id = order.strategy_id
        self._kind = type(payload)
        self._names, read = _given(self._kind, frozenset(payload.model_fields_set))
        self._values = read(payload.__dict__)

    @property
    def fingerprint(self) -> str:  # type: ignore[override]  # read like the field
        """As the function of that name gives it."""
        return _text(self._kind, self._names, self._values)


def claim_of(order: Order, command_id: int, payload: Payload) -> Claim | None:
    """The claim that comes with an order; None when it has no client order id."""
    client_order_id = order.client_order_id
    if client_order_id is None:
        return None
    if not payload.params:
        return _ClaimOfValues(order, command_id, client_order_id, payload)
    # Whoever sent them may change what is in the parameters.
    text = fingerprint(payload)
    return Claim(order.account_id, client_order_id, order.id, command_id, text, order.strategy_id)


def repeated(core: Core, principal: Principal, account_id: int, payload: Payload, now: int) -> Outcome | None:
    """The first answer, when the client order id of a payload has been used before.

    :raises Refusal: `duplicate_client_order_id`, it names an order that was something else
    """
    client_order_id = payload.client_order_id
    claim = None if client_order_id is None else core.store.claim(account_id, client_order_id)
    if claim is None:
        return None
    [order] = core.store.orders_by_id([claim.order_id])
    sees = visible(principal, order)  # where the order is now: it may have been moved
    if claim.fingerprint != fingerprint(payload) or not sees:
        details: dict[str, Any] = {"client_order_id": client_order_id}
        if sees:
            details["order_id"] = claim.order_id
        raise Refusal(
            ErrorCode.DUPLICATE_CLIENT_ORDER_ID,
            f"client_order_id {client_order_id!r} is used already on account {account_id}",
            details,
        )
    return _first_answer(core, principal, claim, order, now)


def _first_answer(core: Core, principal: Principal, claim: Claim, order: Order, now: int) -> Outcome:
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
    if order.triggered_at not in (None, order.created_at) or order.closed_at != order.created_at:
        return None  # it was accepted, and rejected when its trigger fired, or when it arrived
    if order.filled_qty or order.reject_reason not in REJECTIONS:
        return None
    if order.status.value != "REJECTED":
        return None
    ccxt_error, message = REJECTIONS[order.reject_reason]
    return venue_refusal(ccxt_error, message)
