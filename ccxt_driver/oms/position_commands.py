"""`close_position`, `close_by`, `merge_positions`, `position_change`."""

from __future__ import annotations

from decimal import Decimal

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.commands import (
    CloseByCommand,
    ClosePosition,
    ClosePositionCommand,
    MergePositions,
    MergePositionsCommand,
    PositionChangeCommand,
    StopMode,
)
from ccxt_driver.contract.events import EventName
from ccxt_driver.contract.rows import LedgerKind, PositionState
from ccxt_driver.contract.values import format_decimal

from . import risk
from .access import require, visible
from .claims import rejection_of, repeated
from .core import Core
from .entities import ZERO, Deal, Order, Position, Principal, average, opposite
from .execution import cancel_idle, end_position
from .ledger.positions import close, reduce
from .market.listing import Market
from .matching.lifecycle import move_position
from .matching.order_types import check_options, check_price, check_qty, check_stops
from .order_commands import draft, submit
from .outcome import Outcome, changed
from .placing import examine
from .refusals import Refusal, invalid
from .sessions import require_open
from .state import AccountState
from .store import RowFilter
from .transaction import Transaction


def open_position(
    core: Core, principal: Principal, account: AccountState, position_id: int, guard: int | None
) -> Position:
    """An open position that the principal may touch.

    :raises Refusal: `position_not_found`, or `conflict` of one that has ended
    """
    position = account.positions.get(position_id)
    if position is not None and visible(principal, position, guard):
        return position
    known = core.store.positions_by_id([position_id]) if position is None else []
    if not known or known[0].account_id != account.account.id or not visible(principal, known[0], guard):
        raise Refusal(
            ErrorCode.POSITION_NOT_FOUND,
            f"position {position_id} does not exist",
            {"position_id": position_id},
        )
    raise Refusal(
        ErrorCode.CONFLICT,
        f"position {position_id} is {known[0].state.value}",
        {"position_id": position_id, "state": known[0].state.value},
    )


# ------------------------------------------------------------------ close_position


def close_position(core: Core, principal: Principal, command: ClosePositionCommand, now: int) -> Outcome:
    """Close a position, or a part of it, by an order that holds the position's lock."""
    account = require(core.state, principal, command.account_id, "trade", "close")
    payload = command.payload
    first = repeated(core, principal, command.account_id, payload, now)
    if first is not None:
        return first
    risk.check_account(account)
    position = open_position(core, principal, account, payload.position_id, payload.strategy_id)
    if position.state is PositionState.CLOSE_REQUESTED:
        raise Refusal(
            ErrorCode.POSITION_CLOSE_IN_PROGRESS,
            f"position {position.id} is being closed by another order",
            {"position_id": position.id},
        )
    order = _closing_order(core, account, position, payload, now)
    intake = examine(core, account, order, now)
    with core.transaction(now) as tx:
        command_id = tx.new_command()
        lock(tx, position)
        submit(core, tx, account, order, intake, command_id, payload)
        if intake.rejection is not None:
            move_position(position, PositionState.OPEN)
    outcome = changed(tx, principal, order.account_id, command_id, order.id)
    outcome.error = rejection_of(order)
    return outcome


def lock(tx: Transaction, position: Position) -> None:
    """Nobody else may close a position while an order does."""
    tx.touch_position(position)
    move_position(position, PositionState.CLOSE_REQUESTED)
    position.updated_at = tx.now


def _closing_order(
    core: Core, account: AccountState, position: Position, payload: ClosePosition, now: int
) -> Order:
    require_open(core.state.symbols[position.symbol])
    market = core.state.symbols[position.symbol].market
    check_options(payload, market, now)
    for name in ("oms_stop_loss", "oms_stop_gain"):
        if getattr(payload, name) is not None:
            raise invalid(f"payload.{name}", "an order that closes opens nothing to put a stop on")
    qty = position.qty
    if payload.qty is not None:
        if payload.qty > qty:
            raise invalid("payload.qty", f"expected at most the position's {format_decimal(qty)}")
        qty = payload.qty
    check_qty("payload.qty", qty, market, whole=qty == position.qty)
    order = draft(
        core, account, payload, position.symbol, opposite(position.side), qty, position.strategy_id, now
    )
    order.reduce_only = True
    order.closes_position = True
    order.external = position.external
    return order


# ------------------------------------------------------------------ close_by


def close_by(core: Core, principal: Principal, command: CloseByCommand, now: int) -> Outcome:
    """Close two opposite positions by each other at the second one's average price, free of fees."""
    account = require(core.state, principal, command.account_id, "trade", "close")
    risk.check_account(account)
    payload = command.payload
    first = open_position(core, principal, account, payload.position_id_a, payload.strategy_id)
    second = open_position(core, principal, account, payload.position_id_b, payload.strategy_id)
    _check_pair(first, second)
    qty = min(first.qty, second.qty)
    market = core.state.symbols[first.symbol].market
    if payload.qty is not None:
        if payload.qty > qty:
            raise invalid("payload.qty", f"expected at most {format_decimal(qty)}, the smaller of both")
        check_qty("payload.qty", payload.qty, market, whole=payload.qty == qty)
        qty = payload.qty
    with core.transaction(now) as tx:
        command_id = tx.new_command()
        offset(core, tx, account, first, second, qty, command_id)
    return changed(tx, principal, account.account.id, command_id, None)


def offset(
    core: Core,
    tx: Transaction,
    account: AccountState,
    first: Position,
    second: Position,
    qty: Decimal,
    command_id: int | None,
) -> None:
    """Close a part of two opposite positions by each other, at the average price of the second.

    :param qty: base units, at most the smaller of both
    :param command_id: of the command that asked for it, if one did
    """
    market = core.state.symbols[first.symbol].market
    price = second.avg_price
    deals = [_offset(core, tx, account, market, position, qty, price) for position in (first, second)]
    ids = {
        "account_id": account.account.id,
        "command_id": command_id,
        "position_id_a": first.id,
        "position_id_b": second.id,
        "qty": format_decimal(qty),
        "deal_ids": [deal.id for deal in deals],
    }
    # The other's owner sees it in the rows; a third strategy sees nothing.
    tx.note(account.account.id, EventName.CLOSE_BY_EXECUTED, ids, first.strategy_id)


def _check_pair(first: Position, second: Position) -> None:
    if first.id == second.id:
        raise invalid("payload.position_id_b", "expected another position than position_id_a")
    if first.symbol != second.symbol:
        raise invalid(
            "payload.position_id_b", f"expected a position in {first.symbol}, this one is in {second.symbol}"
        )
    if first.side is second.side:
        raise invalid("payload.position_id_b", "expected a position of the opposite side")
    for position in (first, second):
        if position.state is PositionState.CLOSE_REQUESTED:
            raise Refusal(
                ErrorCode.POSITION_CLOSE_IN_PROGRESS,
                f"position {position.id} is being closed by an order",
                {"position_id": position.id},
            )


def _offset(
    core: Core,
    tx: Transaction,
    account: AccountState,
    market: Market,
    position: Position,
    qty: Decimal,
    price: Decimal,
) -> Deal:
    """One of the two deals. Coins do not move: what one side sells the other buys, at one price."""
    tx.touch_position(position)
    side = opposite(position.side)
    pnl = reduce(position, qty, price, tx.now)
    deal_id = core.state.next_id("deal")
    deal = Deal(
        deal_id,
        account.account.id,
        0,
        position.id,
        position.symbol,
        side,
        qty,
        price,
        tx.now,
        tx.now,
        fee_currency=market.settlement_currency,
        pnl=pnl,
        strategy_id=position.strategy_id,
        reason="close_by",
        exchange_trade_id=f"T{deal_id}",
    )
    tx.add_deal(deal)
    if market.settle is not None:
        tx.book(account, market.settle, pnl, LedgerKind.DEAL, deal_id)
        core.state.margin_changed(position)
        tx.balance_changed(account, market.settle)
        tx.swap_changed(position.account_id, position.symbol)
    if not position.is_open:
        end_position(core, tx, account, position, None)
    return deal


# ------------------------------------------------------------------ merge


def merge_positions(core: Core, principal: Principal, command: MergePositionsCommand, now: int) -> Outcome:
    """Move the whole of one position, its orders and deals, into another."""
    account = require(core.state, principal, command.account_id, "trade")
    risk.check_account(account)
    payload = command.payload
    source = open_position(core, principal, account, payload.source_position_id, payload.strategy_id)
    target = open_position(core, principal, account, payload.target_position_id, payload.strategy_id)
    check_mergeable(source, target)
    if payload.stop_mode is StopMode.SET:
        _check_new_stops(core, target, payload.oms_stop_loss, payload.oms_stop_gain, now)
    with core.transaction(now) as tx:
        command_id = tx.new_command()
        absorb(core, tx, account, source, target)
        cancel_idle(core, tx, account, source.symbol)  # the two may be of different strategies
        _set_merged_stops(core, target, payload)
        ids = {
            "account_id": account.account.id,
            "command_id": command_id,
            "source_position_id": source.id,
            "target_position_id": target.id,
        }
        tx.note(account.account.id, EventName.POSITIONS_MERGED, ids, target.strategy_id)
    return changed(tx, principal, account.account.id, command_id, None)


def check_mergeable(source: Position, target: Position) -> None:
    """Refuse two positions that cannot be one.

    :raises Refusal: `validation_error`, `position_close_in_progress`
    """
    if source.symbol != target.symbol:
        raise invalid(
            "payload.target_position_id", f"expected a position in {source.symbol}, got {target.symbol}"
        )
    if source.side is not target.side:
        raise invalid("payload.target_position_id", f"expected a {source.side.value} position")
    for position in (source, target):
        if position.state is PositionState.CLOSE_REQUESTED:
            raise Refusal(
                ErrorCode.POSITION_CLOSE_IN_PROGRESS,
                f"position {position.id} is being closed by an order",
                {"position_id": position.id},
            )


def absorb(core: Core, tx: Transaction, account: AccountState, source: Position, target: Position) -> None:
    """Make a position part of another: quantity, cost, realised profit, deals and orders go with it."""
    core.profits.clear()  # deals go from one strategy to another
    tx.touch_position(source)
    tx.touch_position(target)
    target.qty += source.qty
    target.entry_cost += source.entry_cost
    target.avg_price = average(target.entry_cost, target.qty)
    target.realized_pnl += source.realized_pnl
    target.margin_added += source.margin_added
    target.updated_at = tx.now
    source.realized_pnl = ZERO
    close(source, PositionState.MERGED, tx.now)
    core.state.margin_changed(source)
    core.state.margin_changed(target)
    if core.state.symbols[source.symbol].market.settle is not None:
        tx.swap_changed(source.account_id, source.symbol)
    of_source = RowFilter((account.account.id,), position_id=source.id)
    for stored_deal in core.store.deals(of_source)[0]:
        if tx.latest_deal(stored_deal).position_id != source.id:
            continue
        deal = tx.touch_deal(stored_deal)
        deal.previous_position_id, deal.position_id = source.id, target.id
        deal.strategy_id, deal.external = target.strategy_id, target.external
    for stored_order in core.store.orders(of_source)[0]:
        order = tx.latest_order(stored_order)
        if order.is_open and order.strategy_id != target.strategy_id:
            tx.leaves(order, target.strategy_id)
        tx.touch_order(order)
        order.previous_position_id, order.position_id = source.id, target.id
        order.updated_at = tx.now
        order.strategy_id, order.external = target.strategy_id, target.external
    core.state.drop_position(source)


def _set_merged_stops(core: Core, target: Position, payload: MergePositions) -> None:
    if payload.stop_mode is StopMode.KEEP:
        return
    target.stop_loss, target.stop_gain = payload.oms_stop_loss, payload.oms_stop_gain
    core.state.stops_changed(target)


# ------------------------------------------------------------------ position_change


def position_change(core: Core, principal: Principal, command: PositionChangeCommand, now: int) -> Outcome:
    """Set or clear a position's stops and comment."""
    account = require(core.state, principal, command.account_id, "trade", "close")
    risk.check_account(account)
    payload = command.payload
    position = open_position(core, principal, account, payload.position_id, payload.strategy_id)
    given = payload.model_fields_set
    stop_loss = payload.oms_stop_loss if "oms_stop_loss" in given else position.stop_loss
    stop_gain = payload.oms_stop_gain if "oms_stop_gain" in given else position.stop_gain
    _check_new_stops(core, position, payload.oms_stop_loss, payload.oms_stop_gain, now)
    with core.transaction(now) as tx:
        command_id = tx.new_command()
        tx.touch_position(position)
        position.stop_loss, position.stop_gain = stop_loss, stop_gain
        if "comment" in given:
            position.comment = payload.comment
        position.updated_at = now
        core.state.stops_changed(position)
        ids = {
            "account_id": account.account.id,
            "command_id": command_id,
            "position_id": position.id,
            "oms_stop_loss": None if stop_loss is None else format_decimal(stop_loss),
            "oms_stop_gain": None if stop_gain is None else format_decimal(stop_gain),
            "comment": position.comment,
        }
        tx.note(account.account.id, EventName.POSITION_CHANGED, ids, position.strategy_id)
    return changed(tx, principal, account.account.id, command_id, None)


def _check_new_stops(
    core: Core, position: Position, stop_loss: Decimal | None, stop_gain: Decimal | None, now: int
) -> None:
    market = core.state.symbols[position.symbol].market
    for name, value in (("oms_stop_loss", stop_loss), ("oms_stop_gain", stop_gain)):
        if value is not None:
            check_price(f"payload.{name}", value, market)
    check_stops(position.side, stop_loss, stop_gain, core.quote(position.symbol, now).last)
