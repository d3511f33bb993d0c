"""`send_order`, `check_order`, `change_order`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.commands import (
    ChangeOrder,
    ChangeOrderCommand,
    CheckOrderCommand,
    SendOrder,
    SendOrderCommand,
    TimeInForce,
)
from ccxt_driver.contract.events import EventName
from ccxt_driver.contract.rows import OrderStatus
from ccxt_driver.contract.usual_order import UsualCommand
from ccxt_driver.contract.values import format_decimal

from . import risk
from .access import require, usable_strategy, visible
from .allocation import opposing
from .cancel_commands import open_order
from .claims import claim_of, rejection_of, repeated
from .core import Core
from .entities import ZERO, Order, Position, Principal
from .limit_checks import check_limits
from .market.listing import Market
from .matching.lifecycle import transition
from .matching.order_types import (
    Options,
    as_meant,
    check_cost,
    check_options,
    check_price,
    check_qty,
    is_plain,
    opens_by_name,
)
from .matching.self_trade import SelfTrade
from .outcome import Outcome, changed
from .placing import (
    REJECTIONS,
    WOULD_FILL,
    Intake,
    accept,
    activate,
    available,
    check_own_stops,
    examine,
    needed,
    plan_of,
)
from .refusals import Refusal, bad_symbol, insufficient, invalid, venue_refusal
from .reserving import check_size, reserve
from .sessions import require_open
from .state import AccountState, SymbolState, is_waiting
from .transaction import Transaction

# ------------------------------------------------------------------ send and check


def send_order(
    core: Core, principal: Principal, command: SendOrderCommand | UsualCommand, now: int
) -> Outcome:
    """Place an order."""
    account = require(core.state, principal, command.account_id, "trade")
    payload = as_meant(command.payload)
    first = repeated(core, principal, command.account_id, payload, now)
    if first is not None:
        return first
    order = _drafted(core, principal, account, payload, now)
    return place(core, principal, account, order, payload, now)


def check_order(core: Core, principal: Principal, command: CheckOrderCommand, now: int) -> Outcome:
    """Say whether an order would be taken, and write nothing."""
    account = require(core.state, principal, command.account_id, "trade")
    payload = as_meant(command.payload)
    try:
        repeated(core, principal, command.account_id, payload, now)
        order = _drafted(core, principal, account, payload, now)
        intake = examine(core, account, order, now)
    except Refusal as refusal:
        if refusal.code in (ErrorCode.ACCOUNT_NOT_FOUND, ErrorCode.PERMISSION_DENIED):
            raise
        details = refusal.details
        return Outcome(
            result={
                "ok": False,
                "reason": f"{refusal.code.value}: {refusal.message}",
                "required": details.get("required"),
                "available": details.get("available"),
            }
        )
    return Outcome(
        result={
            "ok": intake.rejection is None,
            "reason": intake.rejection,
            "required": format_decimal(intake.required),
            "available": format_decimal(max(ZERO, intake.available)),
        }
    )


def _drafted(core: Core, principal: Principal, account: AccountState, payload: SendOrder, now: int) -> Order:
    """The order that a payload describes, checked as far as its own fields go."""
    risk.check_account(account)
    symbol = symbol_of(core, payload.symbol)
    if not symbol.is_open:
        require_open(symbol)
    market = symbol.market
    check_options(payload, market, now)
    strategy_id = _strategy_of(core, principal, account, payload)
    qty = checked_qty(core, account, symbol, payload, now)
    order = draft(core, account, payload, market.symbol, payload.side, qty, strategy_id, now)
    _check_named_side(account, payload, order, market)
    return order


def _check_named_side(account: AccountState, payload: SendOrder, order: Order, market: Market) -> None:
    """Refuse to take from a position what was to be beside it.

    :raises Refusal: `exchange_error`, as venues in one-way mode refuse such parameters
    """
    name = opens_by_name(payload, market)
    if name is not None and not payload.reduce_only and not account.hedges and opposing(account, order):
        raise venue_refusal(
            "InvalidOrder",
            f"params.{name}: this account has one position on {order.symbol}, and it is of the other side; "
            "positions of both sides need an account in hedge mode",
        )


def checked_qty(
    core: Core, account: AccountState, symbol: SymbolState, payload: SendOrder, now: int
) -> Decimal:
    """The quantity of a new order in base units, as the market takes it.

    :raises Refusal: `validation_error`
    """
    market = symbol.market
    qty = payload.qty
    if qty is None:
        qty = _qty_for_cost(core, account, symbol, payload, now)
        if not qty:
            raise invalid("payload.cost", "it does not buy the smallest quantity of this market")
    check_qty("payload.qty", qty, market)
    if not payload.reduce_only:
        price = (
            payload.price
            or payload.trigger_price
            or payload.stop_price
            or core.quote(market.symbol, now).last
        )
        check_cost("payload.qty" if payload.cost is None else "payload.cost", qty * price, market)
    if payload.display_qty is not None:
        check_qty("payload.display_qty", payload.display_qty, market)
    return qty


def draft(
    core: Core,
    account: AccountState,
    payload: Options,
    symbol: str,
    side: Any,
    qty: Decimal,
    strategy_id: int,
    now: int,
) -> Order:
    """An order with the id it will have once it is accepted."""
    order_id = core.state.counters["order"] + 1
    order = Order(
        order_id,
        account.account.id,
        symbol,
        side,
        payload.order_type,
        qty,
        now,
        strategy_id=strategy_id,
        client_order_id=payload.client_order_id,
        exchange_order_id=f"P{order_id}",
        price=payload.price if payload.order_type == "limit" else None,
        updated_at=now,
        params=payload.params,
    )
    if not is_plain(payload):
        _add_options(order, payload)
    return order


def _add_options(order: Order, payload: Options) -> None:
    order.position_id = payload.position_id
    order.reason = payload.reason
    order.comment = payload.comment
    order.stop_loss = payload.oms_stop_loss
    order.stop_gain = payload.oms_stop_gain
    order.time_in_force = payload.time_in_force or TimeInForce.GTC
    order.post_only = payload.post_only
    order.reduce_only = payload.reduce_only
    order.trigger_price = payload.trigger_price
    order.stop_price = payload.stop_price
    order.take_profit_price = payload.take_profit_price
    order.trailing_amount = payload.trailing_amount
    order.trailing_percent = payload.trailing_percent
    order.expire_at = payload.expire_at
    order.display_qty = payload.display_qty


def symbol_of(core: Core, symbol: str) -> SymbolState:
    """A listed market.

    :raises Refusal: `bad_symbol`
    """
    known = core.state.symbols.get(symbol)
    if known is None:
        raise bad_symbol(symbol)
    return known


def _qty_for_cost(
    core: Core, account: AccountState, symbol: SymbolState, payload: SendOrder, now: int
) -> Decimal:
    cost = payload.cost or ZERO
    lot = symbol.market.lot_size
    if payload.price is not None and payload.order_type == "limit":
        return cost / payload.price // lot * lot
    trigger = payload.trigger_price or payload.stop_price or payload.take_profit_price
    if trigger is not None:
        return cost / trigger // lot * lot
    core.show_book(symbol, now)
    past = account.account.id if core.models.self_trade is SelfTrade.CANCEL_MAKER else None
    return core.fills.quantity_for(payload.side, cost, lot, symbol.liquidity, symbol.resting, past=past)


def _strategy_of(core: Core, principal: Principal, account: AccountState, payload: SendOrder) -> int:
    """The strategy of a new order: that of the position it names, when it names none itself."""
    strategy_id = payload.strategy_id
    if payload.position_id:
        position = account.positions.get(payload.position_id)
        if position is None or position.symbol != payload.symbol or not visible(principal, position):
            raise _bad_position(
                payload.position_id, f"no open position of account {account.account.id} in {payload.symbol}"
            )
        strategy_id = strategy_id or position.strategy_id
        _check_book(account, position, strategy_id)
    usable_strategy(core.state, principal, account.account.id, strategy_id)
    return strategy_id


def _check_book(account: AccountState, position: Position, strategy_id: int) -> None:
    if account.hedges:
        if position.strategy_id != strategy_id:
            raise _bad_position(position.id, f"it belongs to strategy {position.strategy_id}")
    elif account.netted(position.symbol, strategy_id) is not position:
        raise _bad_position(position.id, "it is not the position that this order nets with")


def _bad_position(position_id: int, why: str) -> Refusal:
    return Refusal(
        ErrorCode.INVALID_POSITION_ID,
        f"payload.position_id: {position_id}: {why}",
        {"position_id": position_id},
    )


def place(
    core: Core, principal: Principal, account: AccountState, order: Order, payload: SendOrder, now: int
) -> Outcome:
    """Examine a drafted order and make it real.

    :param payload: what asked for it
    :raises Refusal: see `placing.examine`; then nothing was done
    """
    intake = examine(core, account, order, now)
    with core.transaction(now) as tx:
        command_id = tx.new_command()
        submit(core, tx, account, order, intake, command_id, payload)
    outcome = changed(tx, principal, order.account_id, command_id, order.id)
    if intake.rejection is not None:
        outcome.error = rejection_of(order)
    return outcome


def submit(
    core: Core,
    tx: Transaction,
    account: AccountState,
    order: Order,
    intake: Intake,
    command_id: int,
    payload: Options,
) -> None:
    """Write an examined order down and let it go.

    :param payload: what asked for it, and is to be known again under its client order id
    """
    order.id = core.state.next_id("order")
    order.command_id = command_id
    tx.add_order(order)
    claim = claim_of(order, command_id, payload)
    if claim is not None:
        tx.changes.claims.append(claim)
    if intake.rejection is not None:
        transition(order, OrderStatus.REJECTED)
        order.reject_reason = intake.rejection
        order.closed_at = tx.now
        return
    accept(core, tx, account, order, intake.plan, intake)


# ------------------------------------------------------------------ change


def change_order(core: Core, principal: Principal, command: ChangeOrderCommand, now: int) -> Outcome:
    """Change the price or the total quantity of an open order; it keeps its id."""
    account = require(core.state, principal, command.account_id, "trade")
    risk.check_account(account)
    payload = command.payload
    order = open_order(core, principal, account, payload.order_id, payload.strategy_id)
    symbol = core.state.symbols[order.symbol]
    require_open(symbol)
    price, qty = _new_terms(core, order, payload)
    _check_change(core, account, symbol, order, price, qty, now)
    with core.transaction(now) as tx:
        command_id = tx.new_command()
        _apply(core, tx, account, symbol, order, price, qty)
        ids = {"account_id": order.account_id, "command_id": command_id, "order_id": order.id}
        tx.note(order.account_id, EventName.ORDER_CHANGED, ids, order.strategy_id)
    return changed(tx, principal, order.account_id, command_id, order.id)


def _new_terms(core: Core, order: Order, payload: ChangeOrder) -> tuple[Decimal | None, Decimal]:
    market = core.state.symbols[order.symbol].market
    price, qty = order.price, order.qty
    if payload.new_price is not None:
        if price is None:
            raise invalid("payload.new_price", "a market order has no price to change")
        check_price("payload.new_price", payload.new_price, market)
        price = payload.new_price
    if payload.new_qty is not None:
        check_qty("payload.new_qty", payload.new_qty, market)
        if payload.new_qty <= order.filled_qty:
            raise invalid(
                "payload.new_qty", f"expected more than has filled, {format_decimal(order.filled_qty)}"
            )
        qty = payload.new_qty
    if price is not None and not order.reduce_only:
        check_cost("payload.new_price" if payload.new_qty is None else "payload.new_qty", qty * price, market)
    return price, qty


def _check_change(
    core: Core,
    account: AccountState,
    symbol: SymbolState,
    order: Order,
    price: Decimal | None,
    qty: Decimal,
    now: int,
) -> None:
    """Refuse a change that the account cannot pay for, that its stops or that risk forbid."""
    before = order.price, order.qty
    order.price, order.qty = price, qty
    try:
        plan = None
        if not is_waiting(order):
            core.show_book(symbol, now)
            plan = plan_of(core, symbol, order)
            if order.post_only and (plan.fills or plan.own_order):
                raise venue_refusal(*REJECTIONS[WOULD_FILL])
        if price != before[0]:
            check_own_stops(core, order, plan, now, "payload.new_price")
        currency, required, _ = needed(symbol, account, order, plan)
        free = available(core, account, order, currency, now)
        if core.state.limits and (qty > before[1] or price != before[0]):
            check_limits(core, account, order, now)
    finally:
        order.price, order.qty = before
    if order.reserved_currency == currency:
        free += order.reserved
    if required > free and required > order.reserved:
        raise insufficient(currency, required, free)
    if symbol.market.settle is not None and required > order.reserved:
        check_size(account, symbol.market, required - order.reserved)
    if qty > order.qty and not order.reduce_only and required:
        strategy = core.state.strategies.get(order.strategy_id)
        if risk.only_closes(account, strategy):
            raise risk.opening_blocked(account, strategy)


def _apply(
    core: Core,
    tx: Transaction,
    account: AccountState,
    symbol: SymbolState,
    order: Order,
    price: Decimal | None,
    qty: Decimal,
) -> None:
    tx.touch_order(order)
    keeps_place = price == order.price and qty <= order.qty
    if symbol.market.settle is not None:
        tx.swap_changed(order.account_id, order.symbol)
    order.updated_at = tx.now
    if is_waiting(order) or order.id in core.state.arriving:
        order.price, order.qty = price, qty
        reserve(core.state, tx, account, order)
        return
    symbol.resting.remove(order)
    order.price, order.qty = price, qty
    if keeps_place:
        reserve(core.state, tx, account, order)
        core.state.rest(order)
        return
    core.show_book(symbol, tx.now)
    activate(core, tx, account, order, plan_of(core, symbol, order), resting_rank=True)
