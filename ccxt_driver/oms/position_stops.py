"""The stops of positions, enforced: at the step where the price crosses one, the position is closed."""

from __future__ import annotations

from decimal import Decimal

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import PositionMode, PositionState

from .core import Core
from .entities import ZERO, Order, Position, opposite
from .execution import cancel
from .matching.engine import Plan
from .matching.lifecycle import move_position
from .placing import accept
from .state import AccountState
from .transaction import Transaction

STOP_LOSS = "stop_loss"
STOP_GAIN = "stop_gain"


def stop_reached(position: Position, last: Decimal) -> str | None:
    """Which stop of a position the price has crossed; the loss first.

    :param last: last price, in quote units
    """
    long = position.side is Side.BUY
    loss, gain = position.stop_loss, position.stop_gain
    if loss is not None and (last <= loss if long else last >= loss):
        return STOP_LOSS
    if gain is not None and (last >= gain if long else last <= gain):
        return STOP_GAIN
    return None


def close_by_stop(core: Core, tx: Transaction, position: Position, reason: str) -> None:
    """Close a position by a market order of the OMS.

    What the book has no room for stays open with its stop, and is closed at the next step.
    """
    account = core.state.accounts[position.account_id]
    _make_room(core, tx, account, position, reason)
    if not position.is_open:
        return
    qty = _closable(core, account, position, tx.now)
    if not qty:
        return
    order = closing_order(core, position, qty, reason, tx.now)
    plan = closing_plan(core, position, qty, tx.now)
    if not plan.fills:
        return  # nothing can be traded now: no order that says so at every step
    order.id = core.state.next_id("order")
    tx.add_order(order)
    tx.touch_position(position)
    move_position(position, PositionState.CLOSE_REQUESTED)
    accept(core, tx, account, order, plan)


def close_reached(core: Core, tx: Transaction) -> None:
    """Close the positions on which trades have put stops that the price of the moment has reached."""
    stopped, tx.stops_set = tx.stops_set, {}
    for _, position in sorted(stopped.items()):
        if not position.is_open or not core.state.symbols[position.symbol].is_open:
            continue  # it is looked at when its market opens
        reason = stop_reached(position, core.quote(position.symbol, tx.now).last)
        if reason is not None:
            close_by_stop(core, tx, position, reason)


def closing_order(core: Core, position: Position, qty: Decimal, reason: str, now: int) -> Order:
    """The market order by which the OMS closes a position, with the id it will have."""
    order_id = core.state.counters["order"] + 1
    return Order(
        order_id,
        position.account_id,
        position.symbol,
        opposite(position.side),
        "market",
        qty,
        now,
        strategy_id=position.strategy_id,
        position_id=position.id,
        reason=reason,
        exchange_order_id=f"P{order_id}",
        updated_at=now,
        reduce_only=True,
        closes_position=True,
        external=position.external,
    )


def _make_room(core: Core, tx: Transaction, account: AccountState, position: Position, reason: str) -> None:
    """Cancel what would close the position too: its coins and its lock are needed now."""
    spot = core.state.symbols[position.symbol].market.settle is None
    netting = account.account.position_mode is PositionMode.NETTING  # there the position is of all strategies
    for order in [*account.orders_on.get(position.symbol, {}).values()]:
        if not order.is_open or order.side is position.side:
            continue
        if not netting and order.strategy_id != position.strategy_id:
            continue  # it sells its own
        if order.external is not None and order.position_id != position.id:
            continue  # it is kept apart from this position
        if (order.closes_position and order.position_id == position.id) or (
            spot and _is_for(account, order, position) and _lacks(core, account, position, tx.now)
        ):
            cancel(core, tx, account, order, reason)


def _is_for(account: AccountState, order: Order, position: Position) -> bool:
    """Whether an order is not for another position.

    One that nets is bound to a position by its first fill, and goes to the one that there is. One that was
    larger than the hedged position that it names is for none when that has ended.
    """
    nets = not account.hedges and order.external is None and position.external is None
    return nets or order.position_id == position.id or order.position_id not in account.positions


def _lacks(core: Core, account: AccountState, position: Position, now: int) -> bool:
    return _closable(core, account, position, now) < position.qty


def _closable(core: Core, account: AccountState, position: Position, now: int) -> Decimal:
    """How much of a position can be closed with what is free, in base units."""
    market = core.state.symbols[position.symbol].market
    if market.settle is not None:
        return position.qty
    if position.side is Side.BUY:
        qty = core.free(account, market.base, now)
    else:
        money = core.free(account, market.quote, now) / (1 + market.taker)
        qty = _bought_for(money, closing_plan(core, position, position.qty, now))
    whole = position.qty if qty >= position.qty else qty // market.lot_size * market.lot_size
    return max(ZERO, whole)


def _bought_for(money: Decimal, plan: Plan) -> Decimal:
    """How much of a plan can be paid for, and what the book has no more of, in base units."""
    qty = ZERO
    for fill in plan.fills:
        part = min(fill.qty, money / fill.price)
        qty += part
        money -= part * fill.price
        if part < fill.qty:
            return qty
    return qty + plan.unfilled


def closing_plan(core: Core, position: Position, qty: Decimal, now: int) -> Plan:
    """What closing a position would get right now. No order of its own account holds a stop up."""
    symbol = core.state.symbols[position.symbol]
    core.show_book(symbol, now)
    return core.fills.taker(
        position.account_id,
        opposite(position.side),
        qty,
        None,
        symbol.liquidity,
        symbol.resting,
        past_own=True,
    )
