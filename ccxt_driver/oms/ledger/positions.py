"""How a trade changes a position. Cost is kept exactly; the average price is derived from it."""

from __future__ import annotations

from decimal import Decimal

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import PositionState
from ccxt_driver.oms.entities import ZERO, Position, average
from ccxt_driver.oms.matching.lifecycle import move_position


def increase(position: Position, qty: Decimal, price: Decimal, now: int) -> None:
    """Add a trade of the position's own side.

    :param qty: base units
    :param price: quote units
    """
    position.qty += qty
    position.entry_cost += qty * price
    position.avg_price = average(position.entry_cost, position.qty)
    position.updated_at = now


def reduce(position: Position, qty: Decimal, price: Decimal, now: int) -> Decimal:
    """Take a trade of the opposite side off; closes the position when nothing is left.

    :param qty: base units, at most what is open
    :returns: realised profit in quote units, gross of fees; over the life of a position the sum
        is exact, because the last trade takes the whole of the cost that is left
    """
    if qty > position.qty:
        raise ValueError(f"position {position.id} has {position.qty}, cannot reduce it by {qty}")
    if qty == position.qty:
        cost = position.entry_cost
    else:
        cost = average(position.entry_cost * qty, position.qty)
    value = qty * price
    pnl = value - cost if position.side is Side.BUY else cost - value
    if position.margin_added:
        position.margin_added -= average(position.margin_added * qty, position.qty)
    position.qty -= qty
    position.entry_cost -= cost
    position.realized_pnl += pnl
    position.updated_at = now
    if not position.qty:
        close(position, PositionState.CLOSED, now)
    return pnl


def close(position: Position, state: PositionState, now: int) -> None:
    """End a position; it keeps the average price it had last."""
    position.qty = ZERO
    position.entry_cost = ZERO
    position.margin_added = ZERO
    move_position(position, state)
    position.closed_at = now
    position.updated_at = now


def unrealized(position: Position, mark_price: Decimal) -> Decimal:
    """Profit of what is open, at a price, in quote units."""
    value = position.qty * mark_price
    return value - position.entry_cost if position.side is Side.BUY else position.entry_cost - value
