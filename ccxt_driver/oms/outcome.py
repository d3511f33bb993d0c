"""The answer to one command, and how it goes over the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ccxt_driver.contract.codes import ErrorCode

from .entities import Principal
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
    deals: list[Row] | tuple[()] = ()
    positions: list[Row] | tuple[()] = ()
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
        answer["deals"] = [*self.deals]
        answer["positions"] = [*self.positions]
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
    # Events keep the rows of the transaction; the answer belongs to the caller.
    order = tx.order_rows.get(order_id) if order_id is not None else None
    return Outcome(
        command_id,
        order_id,
        order=None if order is None else order.copy(),
        deals=_own(tx.deal_rows, principal, account_id) if tx.deal_rows else (),
        positions=_own(tx.position_rows, principal, account_id) if tx.position_rows else (),
    )


def _own(rows: dict[int, Row], principal: Principal, account_id: int) -> list[Row]:
    everything = principal.strategies is None
    return [
        row.copy()
        for row in rows.values()
        if row["account_id"] == account_id and (everything or principal.sees(row["strategy_id"]))
    ]


def internal_error(error: Exception) -> Refusal:
    """What a client learns of a fault of ours: that it was one, and nothing else."""
    return Refusal(ErrorCode.INTERNAL_ERROR, f"internal error ({type(error).__name__}); nothing was done")
