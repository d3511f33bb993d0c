"""What open orders hold back, so that money cannot be spent twice."""

from __future__ import annotations

from decimal import Decimal

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import PositionMode
from ccxt_driver.contract.values import format_decimal

from .allocation import reducible
from .entities import ZERO, Order
from .ledger.margin import initial_margin, leverage_of, most_notional
from .market.listing import Market
from .refusals import Refusal
from .state import AccountState, State
from .transaction import Transaction


def price_estimate(order: Order) -> Decimal | None:
    """The price that an order is expected to fill at; None of a market order that does not wait."""
    if order.price is not None:
        return order.price
    return order.trigger_price or order.stop_price or order.take_profit_price or order.trail_extreme


def opening_qty(account: AccountState, order: Order) -> Decimal:
    """How much of what is left of an order would open, and so needs margin, in base units.

    Open orders of the same side that were there before it come first for what can be reduced.
    """
    if order.reduce_only:
        return ZERO
    remaining = order.remaining
    available = reducible(account, order) if account.positions_on.get(order.symbol) else ZERO
    if not available:
        return remaining
    others = account.orders_on.get(order.symbol)
    if others:
        side, key = order.side, target(account, order)
        for other in others.values():
            if other.side is side and other.id < order.id and target(account, other) == key:
                available -= other.remaining
                if available <= ZERO:
                    return remaining
    return remaining - available if remaining > available else ZERO


class Openings:
    """As `opening_qty`, of one order after the other by their ids: it looks at each of them once.

    :param account: whose orders
    """

    def __init__(self, account: AccountState) -> None:
        self._account = account
        self._left: dict[tuple[str, tuple[Side, bool, int]], Decimal] = {}

    def of(self, order: Order) -> Decimal:
        """How much of what is left of the next order would open, in base units."""
        if order.reduce_only:
            return ZERO
        return max(ZERO, order.remaining - self._available(order))

    def stays(self, order: Order) -> None:
        """The order stays open, and comes ahead of those after it for what can be reduced."""
        left = self._available(order) - order.remaining
        self._left[order.symbol, target(self._account, order)] = max(ZERO, left)

    def _available(self, order: Order) -> Decimal:
        key = order.symbol, target(self._account, order)
        left = self._left.get(key)
        if left is None:
            left = self._left[key] = reducible(self._account, order)
        return left


def target(account: AccountState, order: Order) -> tuple[Side, bool, int]:
    """Equal for orders that would reduce the same position."""
    mode = account.account.position_mode
    if mode is PositionMode.HEDGE or order.external is not None:
        # For no position by name, one that may open reduces nothing: it has no part in the others'.
        return order.side, False, order.position_id or -order.reduce_only
    return order.side, True, 0 if mode is PositionMode.NETTING else order.strategy_id


def requirement(
    market: Market, account: AccountState, order: Order, price: Decimal, opening: Decimal | None = None
) -> tuple[str, Decimal]:
    """What the rest of an order must hold back: its currency and amount, the fee included.

    :param price: quote units, of the limit or of the estimate
    :param opening: base units of a swap that need margin, when that is known already
    """
    if market.settle is None:
        if order.side is Side.SELL:
            return market.base, order.remaining
        return market.quote, order.remaining * price * (1 + market.highest_fee)
    if opening is None:
        opening = opening_qty(account, order)
    notional = opening * price
    margin = initial_margin(notional, leverage_of(account.account, market))
    return market.settle, margin + notional * market.highest_fee


def exposure(account: AccountState, market: Market, more: Decimal = ZERO) -> Decimal:
    """What an account holds of a swap and may come to hold by its open orders, in quote units.

    :param more: what another order would hold back, in settle units
    """
    held = sum(
        (position.entry_cost for position in account.positions_on.get(market.symbol, {}).values()), ZERO
    )
    for order in account.orders_on.get(market.symbol, {}).values():
        more += order.reserved
    return held + more / (1 / leverage_of(account.account, market) + market.highest_fee)


def check_size(account: AccountState, market: Market, more: Decimal) -> None:
    """Refuse what would make a position too large for its leverage.

    :param more: what an order would hold back beside what is held back already, in settle units
    :raises Refusal: `risk_blocked`
    """
    leverage = leverage_of(account.account, market)
    most = most_notional(leverage, market.tiers)
    settle = market.settlement_currency
    held = account.margins.get(settle, ZERO) + account.reserved.get(settle, ZERO)
    # No position or order on the swap holds back less than its share: hardly ever more has to be looked at.
    if (held + more) * leverage > most and exposure(account, market, more) > most:
        raise too_large(account, market, leverage, most)


def too_large(account: AccountState, market: Market, leverage: Decimal, most: Decimal) -> Refusal:
    """The refusal of more than a leverage allows: `risk_blocked`."""
    details = {
        "reason": "leverage_tier",
        "account_id": account.account.id,
        "symbol": market.symbol,
        "leverage": format_decimal(leverage),
        "max_notional": format_decimal(most),
    }
    return Refusal(
        ErrorCode.RISK_BLOCKED,
        f"{market.symbol}: with leverage {format_decimal(leverage)} positions and orders are worth at most "
        f"{format_decimal(most)} {market.settle}",
        details,
    )


def reserve(
    state: State, tx: Transaction, account: AccountState, order: Order, opening: Decimal | None = None
) -> None:
    """Let an open order hold back what its rest needs."""
    price = price_estimate(order)
    if price is None:
        return
    market = state.symbols[order.symbol].market
    if market.settle is not None and opening is None:
        opening = opening_qty(account, order)
    currency, amount = requirement(market, account, order, price, opening)
    hold(tx, account, order, currency, amount, opening)


def hold(
    tx: Transaction,
    account: AccountState,
    order: Order,
    currency: str,
    amount: Decimal,
    opening: Decimal | None,
) -> None:
    """As `reserve`, of an amount that was found for the order as it is now.

    :param opening: what it counts on to open; None on spot
    """
    if opening is not None:
        _remember_reducing(account, order, opening)
    if amount != order.reserved or currency != order.reserved_currency:
        tx.touch_order_quietly(order)
        tx.reserve(account, order, currency, amount)


def _remember_reducing(account: AccountState, order: Order, opening: Decimal) -> None:
    counted = account.reducing_on.setdefault(order.symbol, {})
    if order.reduce_only or opening == order.remaining:
        counted.pop(order.id, None)
    else:
        counted[order.id] = order.remaining - opening


def reserve_again(state: State, tx: Transaction) -> None:
    """Where positions or orders of a swap have changed, all orders on it hold back what they need now.

    Only those are looked at that this transaction has touched, or that reduce more or less than their
    reservation counted on: the others hold back the same as before, however many rest.
    """
    changed, tx.swaps_changed = tx.swaps_changed, {}
    for account_id, symbol in changed:
        account = state.accounts[account_id]
        orders = account.orders_on.get(symbol)
        if not orders:
            continue
        parts = _reducing(account, symbol, orders)
        counted = account.reducing_on.get(symbol, {})
        stale = {order_id for order_id in tx.changes.orders if order_id in orders}
        if parts != counted:
            stale.update(order_id for order_id, part in parts.items() if counted.get(order_id) != part)
            stale.update(order_id for order_id in counted if order_id not in parts)
        for order_id in sorted(stale):
            order = orders[order_id]
            if not order.reduce_only:
                reserve(state, tx, account, order, order.remaining - parts.get(order_id, ZERO))


def _reducing(account: AccountState, symbol: str, orders: dict[int, Order]) -> dict[int, Decimal]:
    """How much of each order that may open would reduce a position instead, by id, where it is any."""
    parts: dict[int, Decimal] = {}
    held = account.held.get(symbol)
    if held is None:
        return parts
    sides = {side for side, qty in ((Side.SELL, held.bought), (Side.BUY, held.sold)) if qty}
    # Thousands of hedged positions may each have orders that close it: none of these is one of the parts.
    opening = account.opening_on.get(symbol, {}).values()
    if not any(order.side in sides and _may_reduce(account, order) for order in opening):
        return parts
    netting = account.account.position_mode is PositionMode.NETTING
    available: dict[tuple[Side, bool, int], Decimal] = {}
    # In the order of their ids, which is the order they come first in for what can be reduced.
    for order_id, order in orders.items():
        if order.side not in sides:
            continue
        key = target(account, order)
        left = available.get(key)
        if left is None:
            left = available[key] = reducible(account, order)
        if left:
            part = min(left, order.remaining)
            available[key] = left - part
            if not order.reduce_only:
                parts[order_id] = part
        elif netting and order.external is None and len(sides) == 1:
            break  # the orders before have taken the one position there is
    return parts


def _may_reduce(account: AccountState, order: Order) -> bool:
    """Whether an order that may open could reduce a position instead; hedged it would have to name one."""
    return bool(order.position_id) or not (account.hedges or order.external is not None)
