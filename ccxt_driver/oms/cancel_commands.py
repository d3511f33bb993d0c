"""`cancel_order`, `cancel_all_orders`, `cancel_all_after`."""

from __future__ import annotations

from collections.abc import Iterable

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.commands import CancelAllAfterCommand, CancelAllOrdersCommand, CancelOrderCommand
from ccxt_driver.contract.events import EventName
from ccxt_driver.contract.rows import OrderStatus

from .access import require, visible
from .core import Core
from .entities import Order, Principal
from .execution import ENDED_WITH_POSITION, cancel
from .outcome import Outcome, changed
from .refusals import Refusal, bad_symbol
from .state import AccountState
from .transaction import Transaction


def open_order(
    core: Core, principal: Principal, account: AccountState, order_id: int, guard: int | None
) -> Order:
    """An open order that the principal may touch.

    :raises Refusal: `order_not_found`, or `invalid_order_state` of one that has ended
    """
    order = account.orders.get(order_id)
    if order is not None and visible(principal, order, guard):
        return order
    known = core.store.orders_by_id([order_id]) if order is None else []
    if not known or known[0].account_id != account.account.id or not visible(principal, known[0], guard):
        raise order_not_found(order_id)
    raise Refusal(
        ErrorCode.INVALID_ORDER_STATE,
        f"order {order_id} is {known[0].status.value}",
        {"order_id": order_id, "status": known[0].status.value},
    )


def order_not_found(order_id: int) -> Refusal:
    """`order_not_found`."""
    return Refusal(ErrorCode.ORDER_NOT_FOUND, f"order {order_id} does not exist", {"order_id": order_id})


def cancel_order(core: Core, principal: Principal, command: CancelOrderCommand, now: int) -> Outcome:
    """Cancel one order or several: all that are open; refused when none is, or one does not exist.

    One that was cancelled because its position has ended is cancelled once more in peace: programs close a
    position first and cancel its stop then, as it waits on most exchanges until somebody does.
    """
    account = require(core.state, principal, command.account_id, "trade", "close")
    payload = command.payload
    ids = [*dict.fromkeys(payload.ids)]
    found: list[Order] = []
    gone: list[Order] = []
    ended: list[int] = []
    refusal: Refusal | None = None
    for order_id in ids:
        try:
            found.append(open_order(core, principal, account, order_id, payload.strategy_id))
        except Refusal as error:
            if error.code is ErrorCode.ORDER_NOT_FOUND:
                raise
            [order] = core.store.orders_by_id([order_id])
            if order.status is OrderStatus.CANCELED and order.reject_reason in ENDED_WITH_POSITION:
                gone.append(order)
            else:
                refusal = refusal or error
                ended.append(order_id)
    if not (found or gone) and refusal is not None:
        raise refusal
    outcome = _cancel_all(core, principal, account, found, ended, now, payload.order_id)
    if outcome.orders is None:
        outcome.order = outcome.order or gone[0].row()
    elif gone and outcome.result is not None:
        outcome.result["canceled_order_ids"] += [order.id for order in gone]
        outcome.orders += [order.row() for order in gone]
    return outcome


def cancel_all_orders(core: Core, principal: Principal, command: CancelAllOrdersCommand, now: int) -> Outcome:
    """Cancel every open order that the principal may see, or those of some strategies or a symbol."""
    account = require(core.state, principal, command.account_id, "trade", "close")
    payload = command.payload
    if payload.symbol is not None and payload.symbol not in core.state.symbols:
        raise bad_symbol(payload.symbol)
    strategies = payload.strategies
    if principal.strategies is not None and not strategies <= principal.strategies:
        raise Refusal(
            ErrorCode.STRATEGY_PERMISSION_DENIED,
            "this key may not use one of the strategies",
            {"strategy_ids": sorted(strategies - principal.strategies)},
        )
    wanted = [
        order
        for order in account.orders.values()
        if visible(principal, order)
        and (not strategies or order.strategy_id in strategies)
        and (payload.symbol is None or order.symbol == payload.symbol)
    ]
    return _cancel_all(core, principal, account, wanted, [], now)


def _cancel_all(
    core: Core,
    principal: Principal,
    account: AccountState,
    orders: Iterable[Order],
    skipped: list[int],
    now: int,
    alone: int | None = None,
) -> Outcome:
    """Cancel what is open of several orders.

    :param alone: the id of the order, when the command is for this one alone
    """
    with core.transaction(now) as tx:
        command_id = tx.new_command()
        canceled: list[Order] = []
        for order in orders:
            if order.is_open:  # the end of one may have ended another
                cancel(core, tx, account, order)
                canceled.append(order)
        if alone is None:
            _note_batch(tx, account.account.id, command_id, canceled, skipped)
    outcome = changed(tx, principal, account.account.id, command_id, alone)
    if alone is None:
        outcome.result = {
            "canceled_order_ids": [order.id for order in canceled],
            "skipped_order_ids": skipped,
        }
        outcome.orders = [order.row() for order in canceled]
    return outcome


def _note_batch(
    tx: Transaction, account_id: int, command_id: int, canceled: list[Order], skipped: list[int]
) -> None:
    """One event for each strategy, so that nobody learns of the orders of another."""
    for strategy_id in dict.fromkeys(order.strategy_id for order in canceled):
        payload = {
            "account_id": account_id,
            "command_id": command_id,
            "canceled_order_ids": [order.id for order in canceled if order.strategy_id == strategy_id],
            "skipped_order_ids": skipped,
        }
        tx.note(account_id, EventName.ORDERS_CANCELED_BATCH, payload, strategy_id)


def cancel_all_after(core: Core, principal: Principal, command: CancelAllAfterCommand, now: int) -> Outcome:
    """Arm, arm again, or disarm the dead man's switch of an account."""
    account = require(core.state, principal, command.account_id, "trade", "close")
    payload = command.payload
    strategies = sorted(set(payload.strategy_ids) or principal.strategies or ())
    if principal.strategies is not None and not principal.strategies.issuperset(strategies):
        raise Refusal(ErrorCode.STRATEGY_PERMISSION_DENIED, "this key may not use one of the strategies")
    with core.transaction(now) as tx:
        deadline = now + payload.timeout_ms if payload.timeout_ms else None
        set_deadline(core, tx, account.account.id, ",".join(map(str, strategies)), deadline)
        command_id = tx.new_command()
    outcome = Outcome(command_id)
    outcome.result = {"cancel_at_ms": deadline}
    return outcome


def set_deadline(core: Core, tx: Transaction, account_id: int, scope: str, at_ms: int | None) -> None:
    """Arm one dead man's switch of an account, or take it away.

    :param scope: its strategies' ids, comma separated; empty for all
    """
    deadlines = core.state.deadlines
    armed = {name: known for name, known in deadlines.pop(account_id, {}).items() if name != scope}
    if at_ms is not None:
        armed[scope] = at_ms
    if armed:
        deadlines[account_id] = armed
    tx.changes.settings["deadlines"] = {str(key): value for key, value in deadlines.items()}
