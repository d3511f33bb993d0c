"""Resting orders in the queue at their price, where a model of it was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from ccxt_driver.contract.commands import Side

from .core import Core
from .entities import ZERO, Order
from .execution import fill_order, remember_queues
from .market.feed import Level, Quote, Trade
from .matching.queues import QueueModel
from .state import SymbolState
from .transaction import Transaction

_MOST_PRINTS: Final = 1_000


def join(core: Core, tx: Transaction, queue: QueueModel, order: Order) -> None:
    """An order begins to rest."""
    core.new_prints(tx, order.symbol, _MOST_PRINTS)  # what was printed before it came is not for it
    core.state.queues[order.id] = _place(core, queue, order)
    remember_queues(core, tx)


def _place(core: Core, queue: QueueModel, order: Order) -> Decimal:
    """What is ahead of an order that comes now."""
    liquidity = core.state.symbols[order.symbol].liquidity
    own = liquidity.bids if order.side is Side.BUY else liquidity.asks
    return queue.joins(order, _shown(order, own))


def _ahead(core: Core, queue: QueueModel, order: Order) -> Decimal:
    """What is ahead of a resting order; one that rested before there was a model has no place yet."""
    ahead = core.state.queues.get(order.id)
    return _place(core, queue, order) if ahead is None else ahead


def _shown(order: Order, levels: Sequence[Level]) -> Decimal:
    """What the book shows at an order's price; beyond its depth as much as at the deepest level."""
    for level in levels:
        if level.price == order.price:
            return level.qty
    price = order.price
    if not levels or price is None:
        return ZERO
    beyond = price < levels[-1].price if order.side is Side.BUY else price > levels[-1].price
    return levels[-1].qty if beyond else ZERO


def settle_prints(core: Core, tx: Transaction, queue: QueueModel, symbol: SymbolState, quote: Quote) -> None:
    """Let what was printed at this moment fill the orders that it reaches."""
    prints = core.new_prints(tx, symbol.market.symbol, _MOST_PRINTS)
    for side in Side:
        against = [row for row in prints if row.side != side.value]
        if against and symbol.resting:
            _settle_side(core, tx, queue, symbol, side, against, quote)
            remember_queues(core, tx)


def _settle_side(
    core: Core,
    tx: Transaction,
    queue: QueueModel,
    symbol: SymbolState,
    side: Side,
    prints: Sequence[Trade],
    quote: Quote,
) -> None:
    """Each print goes to the orders that it reaches, the first in line ahead."""
    left = [row.qty for row in prints]
    for order in [*symbol.resting.orders(side)]:
        if not order.is_open or order.price is None:
            continue  # a fill before it has ended it
        for index, row in enumerate(prints):
            through = row.price < order.price if side is Side.BUY else row.price > order.price
            if not (through or row.price == order.price) or _crossed(order, quote):
                continue
            ahead = ZERO if through else _ahead(core, queue, order)
            fill, ahead = queue.printed(order, ahead, left[index])
            core.state.queues[order.id] = ahead
            fill = min(fill, core.fillable(order))
            if fill != order.remaining:
                fill -= fill % symbol.market.lot_size
            if fill > ZERO:
                left[index] -= fill
                account = core.state.accounts[order.account_id]
                fill_order(core, tx, account, order, fill, order.price, True)
            if order.id not in core.state.orders:
                break


def _crossed(order: Order, quote: Quote) -> bool:
    """Whether the market has gone through its price: then the book fills it."""
    price = order.price
    return price is not None and (quote.ask <= price if order.side is Side.BUY else quote.bid >= price)
