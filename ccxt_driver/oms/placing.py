"""Placing an order: what is checked before it exists, and what happens when it becomes active."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ccxt_driver.contract.commands import Side, TimeInForce
from ccxt_driver.contract.events import EventName
from ccxt_driver.contract.rows import OrderStatus

from . import risk
from .allocation import can_reduce, opposing, reducible
from .core import Core
from .entities import ZERO, Order
from .execution import (
    INSUFFICIENT_FUNDS,
    NOTHING_TO_REDUCE,
    cancel,
    end_order,
    execute,
    remember_arriving,
    remember_ranks,
)
from .ledger.margin import initial_margin, leverage_of
from .limit_checks import check_limits, exceeds_limits
from .matching.engine import Plan
from .matching.latency import LatencyModel
from .matching.lifecycle import transition
from .matching.order_types import arm, check_stops, fires, has_trigger
from .matching.self_trade import SelfTrade
from .queueing import join
from .refusals import Refusal, insufficient
from .reserving import (
    check_size,
    hold,
    opening_qty,
    price_estimate,
    requirement,
    reserve,
    reserve_again,
)
from .state import AccountState, SymbolState, is_waiting
from .transaction import Transaction

WOULD_FILL: Final = "would_fill_immediately"
RISK_BLOCKED: Final = "risk_blocked"

REJECTIONS: Final[dict[str, tuple[str, str]]] = {
    WOULD_FILL: ("OrderImmediatelyFillable", "a post_only order would have traded at once"),
    NOTHING_TO_REDUCE: ("InvalidOrder", "a reduce_only order found no position to reduce"),
}
"""`reject_reason` of an order that the venue rejected: its ccxt class, and what it says."""


@dataclass(slots=True)
class Intake:
    """An order that has passed the checks and may be placed.

    :param plan: what it gets at once; None while it waits for a trigger
    :param rejection: why the venue will reject it, a key of `REJECTIONS`
    :param currency: what it takes or holds back, with the amounts required and free
    :param opening: base units of a swap that need margin; None where that was not asked
    """

    plan: Plan | None
    rejection: str | None
    currency: str
    required: Decimal
    available: Decimal
    opening: Decimal | None


def plan_of(core: Core, symbol: SymbolState, order: Order) -> Plan:
    """What an order would get right now; one that only reduces gets no more than there is to reduce."""
    qty = core.fillable(order)
    if not qty:
        return Plan([], ZERO, own_order=False)
    return core.fills.taker(
        order.account_id,
        order.side,
        qty,
        order.price,
        symbol.liquidity,
        symbol.resting,
        past_own=core.models.self_trade is SelfTrade.CANCEL_MAKER,
    )


def examine(core: Core, account: AccountState, order: Order, now: int) -> Intake:
    """Check an order that does not exist yet against triggers, risk and funds; changes only the order.

    :raises Refusal: `risk_blocked`, `insufficient_funds`, `validation_error` of its stops
    """
    symbol = core.state.symbols[order.symbol]
    core.show_book(symbol, now)
    waits = is_waiting(order)
    if waits:
        last = core.quote(order.symbol, now).last
        arm(order, last)
        # Of one that is on its way that is seen where it arrives: until then it holds back what it may need.
        if core.latency(now) is None and fires(order, last):
            order.triggered_at = now
            waits = False
    plan = rejection = None
    if order.reduce_only:
        most = reducible(account, order)
        if not most:
            rejection = NOTHING_TO_REDUCE
        else:
            order.qty = min(order.qty, most)
    elif order.external is None:  # what is placed without the OMS is not its to block
        _check_risk(core, account, order, now)
    if not waits:
        plan = plan_of(core, symbol, order)
        # One that is on its way meets another book.
        if order.post_only and rejection is None and core.latency(now) is None:
            rejection = WOULD_FILL if plan.fills or plan.own_order else None
    check_own_stops(core, order, plan, now)
    currency, required, opening = needed(symbol, account, order, plan)
    free = available(core, account, order, currency, now)
    if rejection is None:
        if required > free:
            raise insufficient(currency, required, free)
        _check_size(account, symbol, required)
    return Intake(plan, rejection, currency, required, free, opening)


def check_own_stops(core: Core, order: Order, plan: Plan | None, now: int, field: str | None = None) -> None:
    """Refuse an order whose stops its position would reach where it is opened.

    :param plan: what it gets at once; None while it waits for a trigger
    :param field: as `check_stops` takes it
    :raises Refusal: `validation_error`
    """
    if order.stop_loss is None and order.stop_gain is None:
        return
    # At the market if it trades at once, else where it waits.
    rests = plan is None or not plan.fills
    reference = (price_estimate(order) if rests else None) or core.quote(order.symbol, now).last
    check_stops(order.side, order.stop_loss, order.stop_gain, reference, field)


def _check_risk(core: Core, account: AccountState, order: Order, now: int) -> None:
    strategy = core.state.strategies.get(order.strategy_id)
    if risk.only_closes(account, strategy) and opening_qty(account, order):
        raise risk.opening_blocked(account, strategy)
    if core.state.limits:
        check_limits(core, account, order, now)


def _check_size(account: AccountState, symbol: SymbolState, more: Decimal) -> None:
    if symbol.market.settle is not None and more:
        check_size(account, symbol.market, more)


def needed(
    symbol: SymbolState, account: AccountState, order: Order, plan: Plan | None
) -> tuple[str, Decimal, Decimal | None]:
    """What an order takes or holds back: currency, amount, and what of it opens on a swap.

    A market order that is active needs what the walk through the book costs, to the unit.
    """
    market = symbol.market
    if order.price is None and plan is not None:
        if market.settle is None:
            if order.side is Side.SELL:
                return market.base, order.remaining, None
            return market.quote, plan.cost * (1 + market.taker), None
        filled = order.remaining - plan.unfilled
        average = plan.cost / filled if filled else ZERO
        notional = min(opening_qty(account, order), filled) * average
        leverage = leverage_of(account.account, market)
        return market.settle, initial_margin(notional, leverage) + notional * market.taker, None
    price = price_estimate(order)
    if plan is not None and plan.fills and price is not None and order.side is Side.SELL:
        # It may sell far above its limit, and a short position is as large as what it got.
        price = max(price, (plan.cost + plan.unfilled * price) / order.remaining)
    opening = None if market.settle is None else opening_qty(account, order)
    return *requirement(market, account, order, ZERO if price is None else price, opening), opening


def available(core: Core, account: AccountState, order: Order, currency: str, now: int) -> Decimal:
    """What an order may use: what is free, and the margin of positions that it closes first."""
    free = core.free(account, currency, now)
    if not account.margin_of or order.price is not None:
        return free
    left = order.remaining
    for position in opposing(account, order):
        margin = account.margin_of.get(position.id, ZERO)
        if position.symbol in account.account.isolated:
            margin += min(ZERO, core.profit(position, now))  # which is not in what is free
        part = min(left, position.qty)
        free += margin if part == position.qty else margin * part / position.qty
        left -= part
    return free


def activate(
    core: Core,
    tx: Transaction,
    account: AccountState,
    order: Order,
    plan: Plan,
    *,
    intake: Intake | None = None,
    resting_rank: bool = False,
) -> None:
    """Let an open order trade, then rest or end.

    :param plan: of this very moment
    :param intake: of this very moment, too, where there is one
    :param resting_rank: whether it stands behind all that rest now, whatever its id
    """
    fill_or_kill = order.time_in_force is TimeInForce.FOK
    if fill_or_kill and plan.unfilled:
        cancel(core, tx, account, order, "fill_or_kill")
        return
    if core.models.self_trade is not SelfTrade.CANCEL_TAKER:
        _give_way(core, tx, account, plan)
    if plan.fills:
        execute(core, tx, account, order, plan.fills)
        if not order.is_open:
            return
    if plan.own_order:
        cancel(core, tx, account, order, "self_trade_prevention")
    elif order.price is None:
        cancel(core, tx, account, order, "no_liquidity")
    elif fill_or_kill or order.time_in_force is TimeInForce.IOC:
        cancel(core, tx, account, order, "immediate_or_cancel")
    else:
        if intake is not None and not plan.fills:  # nothing has changed since it was examined
            hold(tx, account, order, intake.currency, intake.required, intake.opening)
        else:
            reserve(core.state, tx, account, order)
        if resting_rank:
            core.state.lose_priority(order)
            remember_ranks(core, tx)
        core.state.add_order(order)
        core.state.rest(order)
        if core.models.queue is not None:
            join(core, tx, core.models.queue, order)


def _give_way(core: Core, tx: Transaction, account: AccountState, plan: Plan) -> None:
    """Cancel the resting orders that an order of the same account meets; of both, the one it stops at."""
    if plan.own_order or core.models.self_trade is SelfTrade.CANCEL_MAKER:
        for maker in plan.met:
            cancel(core, tx, account, maker, "self_trade_prevention")


def accept(
    core: Core,
    tx: Transaction,
    account: AccountState,
    order: Order,
    plan: Plan | None,
    intake: Intake | None = None,
) -> None:
    """The venue has taken an order: it waits for its trigger when it has no plan, or trades by it.

    :param intake: as `activate` takes it
    """
    submitted(tx, order)
    latency = None if intake is None else core.latency(tx.now)
    if latency is not None:
        _send(core, tx, account, order, latency)
    elif plan is None:
        wait(core, tx, account, order)
    else:
        activate(core, tx, account, order, plan, intake=intake)


def submitted(tx: Transaction, order: Order) -> None:
    """The venue has taken an order, whatever becomes of it."""
    transition(order, OrderStatus.SUBMITTED)
    if order.is_known:
        note_submitted(tx, order)


def note_submitted(tx: Transaction, order: Order) -> None:
    """Tell that the venue has taken an order."""
    tx.note(
        order.account_id,
        EventName.ORDER_SUBMITTED,
        {
            "account_id": order.account_id,
            "command_id": order.command_id,
            "order_id": order.id,
            "exchange_order_id": order.exchange_order_id,
        },
        order.strategy_id,
    )


def _send(core: Core, tx: Transaction, account: AccountState, order: Order, latency: LatencyModel) -> None:
    """Let an open order be on its way; it holds back what it is expected to need."""
    reserve(core.state, tx, account, order)
    core.state.add_order(order)
    at_ms, still_ms = tx.now + latency.send_ms(order), core.still_from_ms
    core.state.arriving[order.id] = at_ms if still_ms is None else min(at_ms, still_ms)
    remember_arriving(core, tx)


def arrive(core: Core, tx: Transaction, account: AccountState, order: Order) -> None:
    """An order that was on its way is there: it begins to wait for its trigger, or becomes active."""
    del core.state.arriving[order.id]
    remember_arriving(core, tx)
    symbol = core.state.symbols[order.symbol]
    if not symbol.is_open:
        tx.touch_order(order)
        end_order(core, tx, account, order, OrderStatus.REJECTED, f"market_{symbol.session_name}")
        return
    if is_waiting(order):
        last = core.quote(order.symbol, tx.now).last
        tx.touch_order(order)
        arm(order, last)
        if not fires(order, last):
            reserve(core.state, tx, account, order)  # a trailing one begins at the price of here
            if symbol.market.settle is not None:
                tx.swap_changed(order.account_id, order.symbol)
            symbol.triggers[order.id] = order
            return
    fire(core, tx, account, order)


def wait(core: Core, tx: Transaction, account: AccountState, order: Order) -> None:
    """Let an open order wait for its trigger."""
    reserve(core.state, tx, account, order)
    core.state.add_order(order)
    core.state.symbols[order.symbol].triggers[order.id] = order


def fire(core: Core, tx: Transaction, account: AccountState, order: Order) -> None:
    """A waiting order's trigger has been reached: it becomes active, if it can still be paid for."""
    symbol = core.state.symbols[order.symbol]
    tx.touch_order(order)
    symbol.triggers.pop(order.id, None)
    if has_trigger(order):
        order.triggered_at = tx.now
    order.updated_at = tx.now
    if order.reduce_only and not can_reduce(account, order):
        cancel(core, tx, account, order, NOTHING_TO_REDUCE)
        return
    if order.reduce_only and order.time_in_force is TimeInForce.FOK:
        # As where it was placed: all of what there is to reduce, or nothing.
        order.qty = order.filled_qty + core.fillable(order)
    if order.external is None and _is_blocked(core, tx, account, order):
        end_order(core, tx, account, order, OrderStatus.REJECTED, RISK_BLOCKED)
        return
    core.show_book(symbol, tx.now)
    plan = plan_of(core, symbol, order)
    if order.post_only and (plan.fills or plan.own_order):
        end_order(core, tx, account, order, OrderStatus.REJECTED, WOULD_FILL)
        return
    changed = tx.swaps_changed
    reserve_again(core.state, tx)  # what has filled before it at this very step counts
    tx.swaps_changed = changed | tx.swaps_changed  # whom that liquidates is still to be seen
    # What it held back is its own to spend.
    currency, required, _ = needed(symbol, account, order, plan)
    free = available(core, account, order, currency, tx.now)
    if order.reserved_currency == currency:
        free += order.reserved
    if required > free:
        end_order(core, tx, account, order, OrderStatus.REJECTED, INSUFFICIENT_FUNDS)
        return
    if not order.reserved and _too_large(account, symbol, required):
        end_order(core, tx, account, order, OrderStatus.REJECTED, RISK_BLOCKED)
        return
    activate(core, tx, account, order, plan, resting_rank=True)


def _is_blocked(core: Core, tx: Transaction, account: AccountState, order: Order) -> bool:
    """Whether the OMS does not let an order open anything now."""
    strategy = core.state.strategies.get(order.strategy_id)
    if risk.only_closes(account, strategy) and opening_qty(account, order):
        return True
    return bool(core.state.limits) and exceeds_limits(core, account, order, tx)


def _too_large(account: AccountState, symbol: SymbolState, required: Decimal) -> bool:
    """Whether an order that held nothing back on its way has become too large for its leverage."""
    try:
        _check_size(account, symbol, required)
    except Refusal:
        return True
    return False
