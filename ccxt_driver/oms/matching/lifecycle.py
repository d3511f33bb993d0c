"""Which status an order may take after which: a table, and the one function that moves an order."""

from __future__ import annotations

from typing import Final

from ccxt_driver.contract.rows import OrderStatus
from ccxt_driver.oms.entities import Order

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


class LifecycleError(Exception):
    """A transition that does not exist: our own fault, never a client's."""


def transition(order: Order, status: OrderStatus) -> None:
    """Move an order to a status.

    :raises LifecycleError: the table has no such step
    """
    if status not in TRANSITIONS[order.status]:
        raise LifecycleError(f"order {order.id} cannot go from {order.status} to {status}")
    order.status = status
