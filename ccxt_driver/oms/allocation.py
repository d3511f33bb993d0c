"""Which position a trade of an order goes to, by the account's position mode."""

from __future__ import annotations

from decimal import Decimal

from .entities import ZERO, Order, Position
from .state import AccountState


def opposing(account: AccountState, order: Order) -> list[Position]:
    """Open positions that a trade of this order reduces, the first to be reduced ahead."""
    if not account.hedges and order.external is None:
        netted = account.netted(order.symbol, order.strategy_id)
        return [netted] if netted is not None and netted.side is not order.side else []
    if order.position_id:
        named = account.positions.get(order.position_id)
        return [named] if named is not None and named.side is not order.side else []
    if not order.reduce_only:
        return []
    return [
        position
        for position in account.positions_on.get(order.symbol, {}).values()
        if position.side is not order.side
        and position.strategy_id == order.strategy_id
        and position.external is None
    ]


def reducible(account: AccountState, order: Order) -> Decimal:
    """How much of an order would reduce positions rather than open them, at most, in base units."""
    total = ZERO
    for position in opposing(account, order):
        total += position.qty
    return total


def can_reduce(account: AccountState, order: Order) -> bool:
    """Whether there is anything that an order would reduce."""
    return bool(opposing(account, order))


def closes_by_name(account: AccountState, order: Order) -> bool:
    """Whether an order is for an open position that it names, of the other side, and ends with it.

    An order that nets is bound to a position by its first fill, and is for whatever it meets.
    """
    if not order.position_id or not (account.hedges or order.external is not None):
        return False
    named = account.positions.get(order.position_id)
    return named is not None and named.side is not order.side


def growing(account: AccountState, order: Order) -> Position | None:
    """The open position that a trade of this order adds to."""
    if not account.hedges and order.external is None:
        return account.netted(order.symbol, order.strategy_id)
    named = account.positions.get(order.position_id) if order.position_id else None
    return named if named is not None and named.side is order.side else None
