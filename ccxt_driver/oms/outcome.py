"""The answer to one command, and how it goes over the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ccxt_driver.contract.codes import ErrorCode

from .entities import Deal, Position, Principal
from .refusals import Refusal
from .transaction import Row, Transaction


@dataclass(slots=True)
class Outcome:
    """What a command has done.

    :param order: row of the order it names, as it stands now
    :param orders: rows of all that a command for several has changed
    :param error: why it failed although it left a trace: an order that the venue rejected
    """

    command_id: int | None = None
    order_id: int | None = None
    order: Row | None = None
    orders: list[Row] | None = None
    deals: list[Row] = field(default_factory=list)
    positions: list[Row] = field(default_factory=list)
    error: Refusal | None = None
    duplicate: bool = False
    result: dict[str, Any] | None = None

    def wire(self, index: int, request_id: str | None) -> dict[str, Any]:
        """One item of `results`."""
        error = None if self.error is None else error_body(self.error, request_id)
        answer: dict[str, Any] = {
            "index": index,
            "ok": error is None,
            "command_id": self.command_id,
            "order_id": self.order_id,
            "error": error,
        }
        if self.duplicate:
            answer["duplicate"] = True
        if self.order is not None:
            answer["order"] = self.order
        if self.orders is not None:
            answer["orders"] = self.orders
        answer["deals"] = self.deals
        answer["positions"] = self.positions
        if self.result is not None:
            answer["result"] = self.result
        return answer


def error_body(refusal: Refusal, request_id: str | None) -> dict[str, Any]:
    """The contract's error object."""
    return {
        "code": refusal.code.value,
        "message": refusal.message,
        "details": refusal.details,
        "request_id": request_id,
    }


def changed(
    tx: Transaction, principal: Principal, account_id: int, command_id: int, order_id: int | None
) -> Outcome:
    """The outcome of a committed transaction: rows of that account that the principal may see."""
    changes = tx.changes
    order = None if order_id is None else changes.orders.get(order_id)
    return Outcome(
        command_id,
        order_id,
        order=None if order is None or not order.is_known else order.row(),
        deals=[deal.row() for deal in changes.deals if _is_own(deal, principal, account_id)],
        positions=[
            position.row(tx.position_values[position.id])
            for position in changes.positions.values()
            if _is_own(position, principal, account_id)
        ],
    )


def _is_own(row: Deal | Position, principal: Principal, account_id: int) -> bool:
    everything = principal.strategies is None
    return row.account_id == account_id and row.is_known and (everything or principal.sees(row.strategy_id))


def internal_error(error: Exception) -> Refusal:
    """What a client learns of a fault of ours: that it was one, and nothing else."""
    return Refusal(ErrorCode.INTERNAL_ERROR, f"internal error ({type(error).__name__}); nothing was done")
