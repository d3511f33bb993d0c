"""Client order ids: each names one order of its account for ever."""

from __future__ import annotations

from typing import Any

from ccxt_driver.contract.codes import ErrorCode

from .access import visible
from .core import Core
from .entities import Claim, ClaimOfGiven, Order, Principal
from .fingerprints import Payload, fingerprint, given
from .outcome import Outcome
from .placing import REJECTIONS
from .refusals import Refusal, venue_refusal
from .store import RowFilter


def claim_of(order: Order, command_id: int, payload: Payload) -> Claim | None:
    """The claim that comes with an order; None when it has no client order id."""
    client_order_id = order.client_order_id
    if client_order_id is None:
        return None
    whose = order.account_id, client_order_id, order.id, command_id
    if not payload.params:
        return ClaimOfGiven(*whose, given(payload), order.strategy_id)
    # Whoever sent them may change what is in the parameters.
    return Claim(*whose, fingerprint(payload), order.strategy_id)


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
