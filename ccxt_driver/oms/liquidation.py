"""Liquidation: what happens when the margin of an account's swaps no longer covers what they need.

The mark price is the one that the feed has recorded, or else its last price. Crossed positions of a currency
share what the account has of it; an isolated one has its own margin only. The rules, in this order:

1. Crossed: when what is left beside what orders hold back has come down to the maintenance margin, the orders
   that hold money of this currency are cancelled. Isolated: all orders on its symbol are.
2. When that is not enough, positions are closed whole, the largest loss first, until what is left covers the
   rest. They are closed at the market, past the account's own orders; what the book has no room for the
   venue takes over at the mark price.
3. What is lost beyond the margin the venue's insurance pays, so that no balance stays below zero: a ledger
   entry of kind `liquidation`.

A position whose market is not open waits for it to open; the others are liquidated without it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ccxt_driver.contract.rows import LedgerKind, PositionState

from .core import Core
from .entities import ZERO, Position
from .execution import cancel, execute, fill_order
from .market.prints import on_tick
from .matching.lifecycle import move_position
from .placing import submitted
from .position_stops import closing_order, closing_plan
from .reserving import reserve_again
from .state import AccountState, SymbolState
from .transaction import Transaction

LIQUIDATION: Final = "liquidation"


def settle_swaps(core: Core, tx: Transaction) -> None:
    """Where positions or orders of swaps have changed: let orders hold what they need, and liquidate."""
    while tx.swaps_changed:
        accounts = dict.fromkeys(account_id for account_id, _ in tx.swaps_changed)
        reserve_again(core.state, tx)
        for account_id in accounts:
            guard(core, tx, core.state.accounts[account_id])


def guard_all(core: Core, tx: Transaction) -> None:
    """Liquidate wherever it is due: prices have moved."""
    held = {
        position.account_id for symbol in core.state.symbols.values() for position in symbol.margined.values()
    }
    for account_id in sorted(held):
        guard(core, tx, core.state.accounts[account_id])


def guard(core: Core, tx: Transaction, account: AccountState) -> None:
    """Liquidate what is due of one account."""
    if account.account.isolated:
        _guard_isolated(core, tx, account)
    for currency in sorted(account.margins):
        _guard_crossed(core, tx, account, currency)


def _guard_isolated(core: Core, tx: Transaction, account: AccountState) -> None:
    for position in [account.positions[position_id] for position_id in sorted(account.margin_of)]:
        if not position.is_open or position.symbol not in account.account.isolated:
            continue
        if not core.state.symbols[position.symbol].is_open:
            continue
        if core.isolated_slack(account, position, tx.now) <= ZERO:
            market = core.state.symbols[position.symbol].market
            currency = market.settlement_currency
            margin = account.margin_of[position.id]
            before = account.totals.get(currency, ZERO)
            _cancel_all(core, tx, account, position.symbol)
            _liquidate(core, tx, account, position)
            _insure(core, tx, account, currency, before - account.totals[currency] - margin)


def _guard_crossed(core: Core, tx: Transaction, account: AccountState, currency: str) -> None:
    held = account.reserved.get(currency, ZERO)
    if not account.margin_of and account.totals.get(currency, ZERO) >= max(held, ZERO):
        return  # nothing can be lost, and nothing was
    slack, crossed = core.crossed_slack(account, currency, tx.now)
    if not crossed:  # a trade may have lost more than there was
        if slack < held:
            _cancel_holders(core, tx, account, currency)
        _insure(core, tx, account, currency, -slack)
        return
    if slack <= held:
        _cancel_holders(core, tx, account, currency)
    if slack > ZERO:
        return
    closable = [
        each for each in core.crossed_positions(account, crossed) if core.state.symbols[each.symbol].is_open
    ]
    # What is closed changes neither the price nor what the others lose.
    closable.sort(key=lambda each: (core.profit(each, tx.now), each.id))
    for worst in closable:
        if not worst.is_open:
            continue
        _cancel_all(core, tx, account, worst.symbol)
        _liquidate(core, tx, account, worst)
        slack, crossed = core.crossed_slack(account, currency, tx.now)
        if not crossed:
            _insure(core, tx, account, currency, -slack)
        if slack > ZERO:
            break


def _cancel_holders(core: Core, tx: Transaction, account: AccountState, currency: str) -> None:
    for order in [*account.orders.values()]:
        if order.is_open and order.reserved and order.reserved_currency == currency:
            cancel(core, tx, account, order, LIQUIDATION)


def _cancel_all(core: Core, tx: Transaction, account: AccountState, symbol: str) -> None:
    for order in [*account.orders_on.get(symbol, {}).values()]:
        if order.is_open:
            cancel(core, tx, account, order, LIQUIDATION)


def _liquidate(core: Core, tx: Transaction, account: AccountState, position: Position) -> None:
    """Close a position whole, whatever the book has."""
    order = closing_order(core, position, position.qty, LIQUIDATION, tx.now)
    plan = closing_plan(core, position, position.qty, tx.now)
    order.id = core.state.next_id("order")
    tx.add_order(order)
    tx.touch_position(position)
    move_position(position, PositionState.CLOSE_REQUESTED)
    submitted(tx, order)
    execute(core, tx, account, order, plan.fills)
    if order.is_open:
        tick = core.state.symbols[order.symbol].market.tick_size
        price = max(tick, on_tick(core.mark_price(order.symbol, tx.now), tick))
        fill_order(core, tx, account, order, order.remaining, price, False)


def _insure(core: Core, tx: Transaction, account: AccountState, currency: str, missing: Decimal) -> None:
    if missing > ZERO:
        deal_id = core.state.counters["deal"]
        tx.book(account, currency, missing, LedgerKind.LIQUIDATION, deal_id)


# ------------------------------------------------------------------ where it cannot happen


def safe_range(core: Core, symbol: SymbolState, at: int) -> tuple[Decimal | None, Decimal | None]:
    """Between which mark prices of a symbol nobody is liquidated, as things stand at a moment.

    What an account has left is shared out among the symbols that it has crossed positions on: while none
    of them has used its share up, nothing can happen. The range may be too narrow, never too wide. The price
    of a market that is not open matters to an account only as long as something else of it can be ended.

    :returns: the low and the high end, None where the price may go on for ever
    """
    mark = core.mark_price(symbol.market.symbol, at)
    top_rate = symbol.market.tiers[-1].maintenance_margin_rate
    lows: list[Decimal] = []
    highs: list[Decimal] = []

    def reach(share: Decimal, net: Decimal, gross: Decimal) -> None:
        """A fall loses at most `net` a unit; a rise -`net`, and what it adds to the maintenance margin."""
        rising = gross * top_rate - net
        if net > ZERO:
            lows.append(mark - share / net)
        if rising > ZERO:
            highs.append(mark + share / rising)

    name = symbol.market.symbol
    for account_id in dict.fromkeys(position.account_id for position in symbol.margined.values()):
        account = core.state.accounts[account_id]
        if name in account.account.isolated:
            for position in core.crossed_positions(account, [name]) if symbol.is_open else ():
                slack = core.isolated_slack(account, position, at)
                reach(slack, _signed(position), position.qty)
            continue
        currency = symbol.market.settlement_currency
        slack, symbols = core.crossed_slack(account, currency, at)
        if not (account.reserved.get(currency) or any(core.state.symbols[each].is_open for each in symbols)):
            continue
        share = (slack - account.reserved.get(currency, ZERO)) / len(symbols)
        held = account.held[name]
        reach(share, held.net, held.gross)
    tick = symbol.market.tick_size  # a division may have been rounded
    return max(lows) + tick if lows else None, min(highs) - tick if highs else None


def _signed(position: Position) -> Decimal:
    return position.qty if position.side.value == "buy" else -position.qty
