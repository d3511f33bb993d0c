"""Which status follows which: a table for orders, one for positions, and the two functions that move them."""

from __future__ import annotations

from typing import Final

from ccxt_driver.contract.rows import OrderStatus, PositionState
from ccxt_driver.oms.entities import Order, Position

_S = OrderStatus

TRANSITIONS: Final[dict[OrderStatus, frozenset[OrderStatus]]] = {
    _S.PENDING_SUBMIT: frozenset({_S.SUBMITTED, _S.REJECTED}),
    # Rejected after acceptance: a waiting trigger fired, and the funds for it were gone.
    _S.SUBMITTED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.REJECTED}),
    _S.PARTIALLY_FILLED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED}),
    _S.FILLED: frozenset(),
    _S.CANCELED: frozenset(),
    _S.REJECTED: frozenset(),
}


_P = PositionState

POSITION_TRANSITIONS: Final[dict[PositionState, frozenset[PositionState]]] = {
    _P.OPEN: frozenset({_P.CLOSE_REQUESTED, _P.CLOSED, _P.MERGED}),
    # Open again: the order that was to close it has ended before it had closed all.
    _P.CLOSE_REQUESTED: frozenset({_P.OPEN, _P.CLOSED}),
    _P.CLOSED: frozenset(),
    _P.MERGED: frozenset(),
}


class LifecycleError(Exception):
    """A transition that does not exist: our own fault, never a client's."""


def transition(order: Order, status: OrderStatus) -> None:
    """Move an order to a status.

    :raises LifecycleError: the table has no such step
    """
    if status not in TRANSITIONS[order.status]:
        raise LifecycleError(f"order {order.id} cannot go from {order.status} to {status}")
    order.status = status


def move_position(position: Position, state: PositionState) -> None:
    """Move a position to a state.

    :raises LifecycleError: the table has no such step
    """
    if state not in POSITION_TRANSITIONS[position.state]:
        raise LifecycleError(f"position {position.id} cannot go from {position.state} to {state}")
    position.state = state
