"""What open orders hold back, so that money cannot be spent twice."""

from __future__ import annotations

from decimal import Decimal

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import PositionMode

from .allocation import reducible
from .entities import ZERO, Order
from .ledger.margin import initial_margin, leverage_of
from .market.listing import Market
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
    available = reducible(account, order)
    if not available:
        return remaining
    key = _target(account, order)
    for other in account.orders_on.get(order.symbol, {}).values():
        if other.id < order.id and _target(account, other) == key:
            available -= other.remaining
    return max(ZERO, remaining - max(ZERO, available))


def _target(account: AccountState, order: Order) -> tuple[Side, int]:
    """Equal for orders that would reduce the same position."""
    mode = account.account.position_mode
    if mode is PositionMode.NETTING:
        return order.side, 0
    return order.side, order.position_id if mode is PositionMode.HEDGE else order.strategy_id


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
        return market.quote, order.remaining * price * (1 + market.taker)
    if opening is None:
        opening = opening_qty(account, order)
    notional = opening * price
    margin = initial_margin(notional, leverage_of(account.account, market))
    return market.settle, margin + notional * market.taker


def reserve(
    state: State, tx: Transaction, account: AccountState, order: Order, opening: Decimal | None = None
) -> None:
    """Let an open order hold back what its rest needs."""
    price = price_estimate(order)
    if price is None:
        return
    market = state.symbols[order.symbol].market
    currency, amount = requirement(market, account, order, price, opening)
    if amount != order.reserved or currency != order.reserved_currency:
        tx.touch_order_quietly(order)
        tx.reserve(account, order, currency, amount)


def reserve_again(state: State, tx: Transaction) -> None:
    """Where positions or orders of a swap have changed, all orders on it hold back what they need now."""
    changed, tx.swaps_changed = tx.swaps_changed, {}
    for account_id, symbol in changed:
        account = state.accounts[account_id]
        available: dict[tuple[Side, int], Decimal] = {}
        # In the order of their ids, which is the order they come first in for what can be reduced.
        for order in [*account.orders_on.get(symbol, {}).values()]:
            key = _target(account, order)
            left = available.get(key)
            if left is None:
                left = reducible(account, order)
            part = min(left, order.remaining)
            available[key] = left - part
            if not order.reduce_only:
                reserve(state, tx, account, order, order.remaining - part)
