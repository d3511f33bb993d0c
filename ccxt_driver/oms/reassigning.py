"""Moving orders, with their deals and positions, to a strategy or into a position."""

from __future__ import annotations

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.events import EventName
from ccxt_driver.contract.rows import PositionMode, PositionState

from .access import require, usable_strategy, visible
from .administration import Reassign
from .cancel_commands import order_not_found
from .core import Core
from .entities import Deal, External, Order, Position, Principal
from .execution import cancel_idle
from .position_commands import absorb, check_mergeable, offset, open_position
from .refusals import Refusal
from .state import AccountState
from .store import RowFilter
from .transaction import Row, Transaction


def reassign(core: Core, principal: Principal, body: Reassign, now: int) -> Row:
    """`/oms/reassign`. An order that cannot be moved is listed with the reason; the others are moved."""
    orders, refused = _orders(core, principal, body.order_ids)
    answer: Row = {"ok": True, "order_ids": [], "deal_ids": [], "position_ids": [], "refused": refused}
    moves: list[tuple[AccountState, list[Order], int]] = []
    for account_id in dict.fromkeys(order.account_id for order in orders):
        account = require(core.state, principal, account_id, "trade")
        mine = [order for order in orders if order.account_id == account_id]
        strategy_id = body.strategy_id
        if body.position_id:
            target = open_position(core, principal, account, body.position_id, None)
            if body.strategy_id not in (0, target.strategy_id):
                raise _of_another_strategy(target, body.strategy_id)
            strategy_id = target.strategy_id
        usable_strategy(core.state, principal, account_id, strategy_id)
        moves.append((account, mine, strategy_id))
    core.profits.clear()
    # Only now, and as one: what is refused of one account means that nothing was moved on another.
    with core.transaction(now) as tx:
        for account, mine, strategy_id in moves:
            _move_all(core, principal, tx, account, mine, strategy_id, body.position_id, answer)
            for symbol in sorted({order.symbol for order in mine}):
                _unbind(tx, account, symbol)
                cancel_idle(core, tx, account, symbol)
        answer["deal_ids"] += [deal.id for deal in tx.changes.deals]
        answer["position_ids"] += [*tx.changes.positions]
    answer["ok"] = bool(answer["order_ids"]) or not answer["refused"]
    return answer


def _of_another_strategy(target: Position, strategy_id: int) -> Refusal:
    message = f"strategy_id: position {target.id} is of strategy {target.strategy_id}, got {strategy_id}"
    return Refusal(ErrorCode.INVALID_STRATEGY_ID, message, {"strategy_id": strategy_id})


def _orders(core: Core, principal: Principal, ids: list[int]) -> tuple[list[Order], list[Row]]:
    """The orders named, the live object of one that is open; and refusals of those that do not exist.

    :raises Refusal: `order_not_found`, none exists
    """
    known = {order.id: order for order in core.store.orders_by_id([*dict.fromkeys(ids)])}
    found: list[Order] = []
    refused: list[Row] = []
    for order_id in dict.fromkeys(ids):
        order = core.state.orders.get(order_id) or known.get(order_id)
        permission = None if order is None else principal.permission(order.account_id)
        if order is None or permission is None or not visible(principal, order):
            refused.append({"order_id": order_id, "reason": order_not_found(order_id).message})
        else:
            found.append(order)
    if not found:
        raise order_not_found(ids[0])
    return found, refused


def _move_all(
    core: Core,
    principal: Principal,
    tx: Transaction,
    account: AccountState,
    orders: list[Order],
    strategy_id: int,
    position_id: int,
    answer: Row,
) -> None:
    """Move the orders of one account."""
    named = {order.id for order in orders}
    were_open = {order.id for order in orders if order.is_open}
    refused: dict[int, str] = {}
    # First those that positions follow: orders that name these go there with them.
    for order in sorted(orders, key=lambda each: not each.filled_qty):
        stored, _ = core.store.deals(RowFilter((order.account_id,), order_id=order.id))
        deals = [tx.latest_deal(deal) for deal in stored]
        positions = _positions(core, tx, deals)
        held = [position for position in positions if position.is_open]
        reason = _obstacle(core, account, order, positions, strategy_id, position_id, named)
        if reason is None and position_id:
            reason = _into(core, principal, tx, account, order, positions, position_id)
        if reason is not None:
            refused[order.id] = reason
            continue
        target = account.positions[position_id] if position_id else None
        for position in held:
            if position.strategy_id != strategy_id and _moves_along(account, position, target):
                tx.leaves(position, strategy_id)
        latest = tx.latest_order(order)
        if order.id in were_open and latest.strategy_id != strategy_id:  # what it joins may end it
            tx.leaves(latest, strategy_id)
        if not position_id:
            for position in positions:
                _join(core, tx, account, position, strategy_id)
        _move(core, tx, account, order, deals, positions, strategy_id, target)
    for order in orders:
        if order.id in refused:
            answer["refused"].append({"order_id": order.id, "reason": refused[order.id]})
        else:
            answer["order_ids"].append(order.id)
    moved = [order.id for order in orders if order.id in tx.changes.orders]
    if moved:
        ids = {"account_id": account.account.id, "strategy_id": strategy_id, "order_ids": moved}
        tx.note(account.account.id, EventName.REASSIGNED, ids, strategy_id)


def _positions(core: Core, tx: Transaction, deals: list[Deal]) -> list[Position]:
    ids = [*dict.fromkeys(deal.position_id for deal in deals if deal.position_id)]
    return [tx.latest_position(position) for position in core.store.positions_by_id(ids)]


def _obstacle(
    core: Core,
    account: AccountState,
    order: Order,
    positions: list[Position],
    strategy_id: int,
    target_id: int,
    named: set[int],
) -> str | None:
    """Why an order cannot move, if it cannot."""
    elsewhere = bool(target_id) and target_id != order.position_id
    moves = elsewhere or order.strategy_id != strategy_id or order.external is not None
    if order.is_open and order.closes_position and moves:
        return f"position {order.position_id} is being closed by an order"
    bound = account.positions.get(order.position_id) if _goes_by_name(account, order) else None
    if bound is not None and not target_id and bound not in positions and bound.strategy_id != strategy_id:
        return f"order {order.id} is for position {bound.id} of strategy {bound.strategy_id}"
    for position in positions:
        apart = position.external is not None
        stays = position.id == target_id or (not apart and not target_id)
        if position.strategy_id == strategy_id and stays:
            continue
        merges = bool(target_id) and position.is_open
        if account.account.position_mode is PositionMode.NETTING and not apart and not merges:
            continue  # one position for all strategies: it keeps that of its opener
        if position.state is PositionState.CLOSE_REQUESTED:
            return f"position {position.id} is being closed by an order"
        deals, _ = core.store.deals(RowFilter((order.account_id,), position_id=position.id))
        others = sorted({deal.order_id for deal in deals} - named - {0})
        if others:
            return f"position {position.id} has deals of other orders: {', '.join(map(str, others[:10]))}"
        taken = account.netted(position.symbol, strategy_id) if not account.hedges else None
        if position.is_open and taken is not None and taken is not position and taken.id != target_id:
            if not apart:
                return f"strategy {strategy_id} already has position {taken.id} in {position.symbol}"
            if taken.state is PositionState.CLOSE_REQUESTED and not target_id:
                return f"position {taken.id} is being closed by an order"
    return None


def _join(core: Core, tx: Transaction, account: AccountState, position: Position, strategy_id: int) -> None:
    """Net a position that was kept apart with the one there is, as its trade would have done."""
    if position.external is None or not position.is_open or account.hedges:
        return
    netted = account.netted(position.symbol, strategy_id)
    if netted is None:
        return
    tx.touch_position(position)
    position.strategy_id = strategy_id  # what closes it is a deal of that strategy
    if netted.side is position.side:
        absorb(core, tx, account, position, netted)
    else:
        offset(core, tx, account, netted, position, min(netted.qty, position.qty), None)


def _into(
    core: Core,
    principal: Principal,
    tx: Transaction,
    account: AccountState,
    order: Order,
    positions: list[Position],
    target_id: int,
) -> str | None:
    """Merge an order's open positions into another; why not, if it cannot be."""
    target = open_position(core, principal, account, target_id, None)
    if target.symbol != order.symbol:
        return f"position {target.id} is of {target.symbol}, the order of {order.symbol}"
    sources = [position for position in positions if position.is_open and position is not target]
    named = account.positions.get(order.position_id) if _goes_by_name(account, order) else None
    if named is not None and named is not target and named not in sources:
        return f"order {order.id} is for position {named.id}"
    try:
        for source in sources:
            check_mergeable(source, target)
    except Refusal as refusal:
        return refusal.message
    for source in sources:
        absorb(core, tx, account, source, target)
    return None


def _move(
    core: Core,
    tx: Transaction,
    account: AccountState,
    order: Order,
    deals: list[Deal],
    positions: list[Position],
    strategy_id: int,
    target: Position | None,
) -> None:
    external = None if target is None else target.external
    order = tx.latest_order(order)
    tx.touch_order(order)
    order.strategy_id = strategy_id
    order.external = external
    order.updated_at = tx.now
    if target is not None:
        _bind(account, order, target)
    listed = core.state.symbols.get(order.symbol)  # it may have been listed once
    if listed is not None and listed.market.settle is not None:
        tx.swap_changed(order.account_id, order.symbol)
    for deal in deals:
        _move_deal(tx, deal, strategy_id, external)
    for position in positions:
        apart = position.external is not external
        if apart or (position.strategy_id != strategy_id and _moves_along(account, position, target)):
            tx.touch_position(position)
            position.strategy_id = strategy_id
            position.external = external
            position.updated_at = tx.now
            for deal in _without_order(core, tx, position):
                _move_deal(tx, deal, strategy_id, external)
            _take_along(tx, account, position)


def _take_along(tx: Transaction, account: AccountState, position: Position) -> None:
    """Have the open orders that name a position go where it goes: they trade for it, whosever they are."""
    for order in account.orders_on.get(position.symbol, {}).values():
        names_it = order.position_id == position.id and _goes_by_name(account, order)
        if names_it and order.strategy_id != position.strategy_id:
            tx.leaves(order, position.strategy_id)
            tx.touch_order(order)
            order.strategy_id, order.external = position.strategy_id, position.external
            order.updated_at = tx.now


def _unbind(tx: Transaction, account: AccountState, symbol: str) -> None:
    """Have orders that net name no position of another strategy, with which they would end."""
    for order in account.orders_on.get(symbol, {}).values():
        named = account.positions.get(order.position_id)
        if named is None or _goes_by_name(account, order):
            continue
        if named is not account.netted(symbol, order.strategy_id):
            tx.touch_order(order)
            order.previous_position_id, order.position_id = order.position_id, 0
            order.updated_at = tx.now


def _moves_along(account: AccountState, position: Position, target: Position | None) -> bool:
    """Whether a position goes to its order's strategy: where all share one, it keeps that of its opener."""
    external = None if target is None else target.external
    return position.external is not external or account.account.position_mode is not PositionMode.NETTING


def _bind(account: AccountState, order: Order, target: Position) -> None:
    """Let what an open order still trades go to the position that it was moved into, where none net."""
    could_only_end = order.reduce_only and order.side is target.side
    if _goes_by_name(account, order) and order.position_id != target.id and not could_only_end:
        order.previous_position_id, order.position_id = order.position_id, target.id


def _goes_by_name(account: AccountState, order: Order) -> bool:
    """Whether an open order trades for the position that it names."""
    return order.is_open and (account.hedges or order.external is not None)


def _without_order(core: Core, tx: Transaction, position: Position) -> list[Deal]:
    """Deals of a position that no order has made: those by which it and another have closed each other."""
    stored, _ = core.store.deals(RowFilter((position.account_id,), position_id=position.id))
    deals = [tx.latest_deal(deal) for deal in stored if not deal.order_id]
    return [deal for deal in deals if deal.position_id == position.id]


def _move_deal(tx: Transaction, deal: Deal, strategy_id: int, external: External | None) -> None:
    moved = tx.touch_deal(deal)
    moved.strategy_id = strategy_id
    moved.external = external
