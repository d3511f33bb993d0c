"""What a fill does: deals, positions, balances, the order itself, and what orders hold back."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.events import EventName
from ccxt_driver.contract.rows import LedgerKind, OrderStatus, PositionState
from ccxt_driver.contract.values import format_decimal

from .allocation import can_reduce, closes_by_name, growing, opposing
from .core import Core
from .entities import ZERO, Deal, Order, Position
from .ledger.positions import increase, reduce
from .market.listing import Market
from .matching.engine import Fill
from .matching.lifecycle import move_position, transition
from .reserving import reserve
from .state import AccountState
from .transaction import Transaction

NOTHING_TO_REDUCE: Final = "nothing_to_reduce"
_POSITION_CLOSED: Final = "position_closed"
ENDED_WITH_POSITION: Final = (NOTHING_TO_REDUCE, _POSITION_CLOSED)
"""Why orders are cancelled that nobody has."""
INSUFFICIENT_FUNDS: Final = "insufficient_funds"

# ------------------------------------------------------------------ fills


def execute(core: Core, tx: Transaction, account: AccountState, order: Order, fills: Iterable[Fill]) -> None:
    """Book the fills of an order that takes, and those of the makers it met."""
    symbol = core.state.symbols[order.symbol]
    liquidity = symbol.liquidity
    tx.save_liquidity(symbol)
    for price, qty, maker in fills:
        if maker is None:
            liquidity.take(price, qty)
            fill_order(core, tx, account, order, qty, price, False)
            continue
        if not maker.is_open:
            continue  # an earlier fill has closed the position that it was for
        # Or has left a maker that only reduces less to reduce.
        part = min(qty, core.fillable(maker))
        if part > ZERO:
            fill_order(core, tx, core.state.accounts[maker.account_id], maker, part, price, True)
            fill_order(core, tx, account, order, part, price, False)


def fill_order(
    core: Core,
    tx: Transaction,
    account: AccountState,
    order: Order,
    qty: Decimal,
    price: Decimal,
    maker: bool,
) -> None:
    """Book one fill of one order. The order may end by it, and is then taken out of the book.

    :param qty: base units
    :param price: quote units
    :param maker: whether the order rested before
    """
    market = core.state.symbols[order.symbol].market
    tx.touch_order(order)
    # Status first: what follows looks at open orders.
    # Of what has filled at once, order and deal keep one and the same number.
    order.filled_qty = order.filled_qty + qty if order.filled_qty else qty
    order.filled_cost += qty * price
    order.updated_at = tx.now
    left = qty
    reduced: Position | None = None
    for position in opposing(account, order):
        reduced = position
        part = min(left, position.qty)
        left -= part
        _reduce(core, tx, account, order, market, position, part, price, maker, order.remaining + left)
        if not left:
            break
    if left:
        _open(core, tx, account, order, market, left, price, maker)
    if order.filled_qty == order.qty:
        if reduced is not None and not order.position_id:
            order.position_id = reduced.id
        end_order(core, tx, account, order, OrderStatus.FILLED)
    else:
        transition(order, OrderStatus.PARTIALLY_FILLED)
        if order.reduce_only and not can_reduce(account, order):
            cancel(core, tx, account, order, NOTHING_TO_REDUCE)
        else:
            reserve(core.state, tx, account, order)
    if market.settle is not None:
        tx.swap_changed(order.account_id, order.symbol)


def _open(
    core: Core,
    tx: Transaction,
    account: AccountState,
    order: Order,
    market: Market,
    qty: Decimal,
    price: Decimal,
    maker: bool,
) -> None:
    now = tx.now
    position = growing(account, order)
    if position is None:
        position = Position(
            core.state.next_id("position"),
            order.account_id,
            order.symbol,
            order.side,
            now,
            strategy_id=order.strategy_id,
            reason=order.reason,
            comment=order.comment,
            external=order.external,
        )
        tx.add_position(position)
    else:
        tx.touch_position(position)
    increase(position, qty, price, now)
    if order.stop_loss is not None or order.stop_gain is not None:
        # Once for each position, at the first fill: they may have been changed there since then.
        if order.position_id != position.id or order.filled_qty == qty:
            position.stop_loss = order.stop_loss if order.stop_loss is not None else position.stop_loss
            position.stop_gain = order.stop_gain if order.stop_gain is not None else position.stop_gain
            core.state.stops_changed(position)
        tx.stops_put(position)
    if order.position_id != position.id:
        order.previous_position_id = order.position_id
        order.position_id = position.id
    _book(core, tx, account, order, market, position, qty, price, ZERO, maker, order.remaining)


def _reduce(
    core: Core,
    tx: Transaction,
    account: AccountState,
    order: Order,
    market: Market,
    position: Position,
    qty: Decimal,
    price: Decimal,
    maker: bool,
    rest: Decimal,
) -> None:
    tx.touch_position(position)
    # Hedged and for no position by name it goes on to the next one: it is bound to none before its end.
    if not order.position_id and not account.hedges:
        order.position_id = position.id
    pnl = reduce(position, qty, price, tx.now)
    _book(core, tx, account, order, market, position, qty, price, pnl, maker, rest)
    if not position.is_open:
        end_position(core, tx, account, position, order)


def _book(
    core: Core,
    tx: Transaction,
    account: AccountState,
    order: Order,
    market: Market,
    position: Position,
    qty: Decimal,
    price: Decimal,
    pnl: Decimal,
    maker: bool,
    rest: Decimal,
) -> None:
    """The deal of one fill in one position, and what it does to the balances.

    :param rest: what the order has still to trade after it, in base units
    """
    cost = qty * price
    fee, code = core.fees.fee(_Traded(core, account, tx.now, market, order, qty, cost, maker, rest))
    currency = market.settlement_currency
    deal_id = core.state.next_id("deal")
    tx.add_deal(
        Deal(
            deal_id,
            order.account_id,
            order.id,
            position.id,
            order.symbol,
            order.side,
            qty,
            price,
            tx.now,
            tx.now,
            fee=fee,
            fee_currency=code,
            pnl=pnl,
            strategy_id=order.strategy_id,
            reason=order.reason,
            comment=order.comment,
            exchange_trade_id=f"T{deal_id}",
            maker=maker,
            external=order.external,
        )
    )
    if order.fee_currency in (None, code):  # a row has one currency: that of the first fill
        order.fee = order.fee + fee if order.fee else fee
        order.fee_currency = code
    if market.settle is None:
        buys = order.side is Side.BUY
        tx.book(account, market.base, qty if buys else -qty, LedgerKind.DEAL, deal_id)
        tx.book(account, market.quote, -cost if buys else cost, LedgerKind.DEAL, deal_id)
    else:
        tx.book(account, currency, pnl, LedgerKind.DEAL, deal_id)
        core.state.margin_changed(position)
        tx.balance_changed(account, currency)
    tx.book(account, code, -fee, LedgerKind.FEE, deal_id)


class _Traded:
    """One fill, with what a fee model may ask about."""

    __slots__ = ("_account", "_core", "_now", "_order", "_rest", "cost", "maker", "market", "qty")

    def __init__(
        self,
        core: Core,
        account: AccountState,
        now: int,
        market: Market,
        order: Order,
        qty: Decimal,
        cost: Decimal,
        maker: bool,
        rest: Decimal,
    ) -> None:
        self._core = core
        self._account = account
        self._now = now
        self._order = order
        self._rest = rest
        self.market = market
        self.qty = qty
        self.cost = cost
        self.maker = maker

    @property
    def side(self) -> Side:
        return self._order.side

    def balance(self, code: str) -> Decimal:
        return self._core.free(self._account, code, self._now) - self._still_to_give(code)

    def _still_to_give(self, code: str) -> Decimal:
        """What the order takes of a coin from now on beyond what it holds back."""
        order, market = self._order, self.market
        if order.side is Side.BUY or market.settle is not None or market.base != code:
            return ZERO
        return self.qty + self._rest - order.reserved

    def price(self, base: str, quote: str) -> Decimal | None:
        symbol, market = f"{base}/{quote}", self._core.market
        if symbol not in market.markets or not market.has_price(symbol, self._now):
            return None
        return self._core.quote(symbol, self._now).last


# ------------------------------------------------------------------ ends


def end_position(
    core: Core, tx: Transaction, account: AccountState, position: Position, by: Order | None
) -> None:
    """A position has closed: nothing may wait to close it any more.

    :param by: the order that closed it, which ends by itself
    """
    orders = [
        order
        for order in account.orders_on.get(position.symbol, {}).values()
        if order is not by
        and order.position_id == position.id
        and (order.reduce_only or closes_by_name(account, order))
    ]
    core.state.drop_position(position)
    for order in orders:
        cancel(core, tx, account, order, _POSITION_CLOSED)
    cancel_idle(core, tx, account, position.symbol, by)


def cancel_idle(
    core: Core, tx: Transaction, account: AccountState, symbol: str, by: Order | None = None
) -> None:
    """Cancel the orders that only reduce and have nothing left to.

    In a later position they would trade at a price that the market has long left behind.

    :param by: an order that ends by itself
    """
    for order in [*account.orders_on.get(symbol, {}).values()]:
        if order.reduce_only and order is not by and not can_reduce(account, order):
            cancel(core, tx, account, order, NOTHING_TO_REDUCE)


def hold_fees_of_now(core: Core, tx: Transaction, account: AccountState) -> None:
    """Let the spot orders of a file hold back the fees of now, not those that they were placed with.

    Orders that cannot be paid any more are cancelled, the newest first: their fills would spend money that
    nobody has.
    """
    dearer: list[Order] = []
    for order in account.orders.values():
        before = order.reserved
        if core.state.symbols[order.symbol].market.settle is None:
            reserve(core.state, tx, account, order)
        if order.reserved > before:
            dearer.append(order)
    for order in reversed(dearer):
        currency = order.reserved_currency
        if currency is not None and core.free(account, currency, tx.now) < ZERO:
            cancel(core, tx, account, order, INSUFFICIENT_FUNDS)


def end_order(
    core: Core,
    tx: Transaction,
    account: AccountState,
    order: Order,
    status: OrderStatus,
    reason: str | None = None,
) -> None:
    """An open order ends: it holds nothing back any more, and its position's lock opens.

    :param reason: of a cancellation or rejection, kept in `reject_reason`
    """
    tx.touch_order(order)
    transition(order, status)
    order.closed_at = order.updated_at = tx.now
    if reason is not None:
        order.reject_reason = reason
    if order.reserved:
        tx.reserve(account, order, order.reserved_currency, ZERO)
    core.state.drop_order(order)
    if core.state.symbols[order.symbol].market.settle is not None:
        tx.swap_changed(order.account_id, order.symbol)
    if core.state.ranks.pop(order.id, None) is not None:
        remember_ranks(core, tx)
    if core.state.arriving and core.state.arriving.pop(order.id, None) is not None:
        remember_arriving(core, tx)
    if core.state.queues and core.state.queues.pop(order.id, None) is not None:
        remember_queues(core, tx)
    if order.closes_position:
        position = account.positions.get(order.position_id)
        if position is not None and position.state is PositionState.CLOSE_REQUESTED:
            tx.touch_position(position)
            move_position(position, PositionState.OPEN)
            position.updated_at = tx.now


def cancel(
    core: Core, tx: Transaction, account: AccountState, order: Order, reason: str | None = None
) -> None:
    """Cancel what is left of an open order.

    :param reason: why the venue or the OMS did it; None when the client asked
    """
    end_order(core, tx, account, order, OrderStatus.CANCELED, reason)
    if order.is_known:
        note_canceled(tx, order)


def note_canceled(tx: Transaction, order: Order) -> None:
    """Tell that an order was cancelled."""
    tx.note(
        order.account_id,
        EventName.ORDER_CANCELED,
        {"account_id": order.account_id, "command_id": order.command_id, "order_id": order.id},
        order.strategy_id,
    )


def remember_arriving(core: Core, tx: Transaction) -> None:
    """Write down which orders are on their way, so that a restart keeps them."""
    arriving = core.state.arriving
    tx.remember("arriving", lambda: {str(order_id): at for order_id, at in arriving.items()})


def remember_queues(core: Core, tx: Transaction) -> None:
    """Write the places in the queue down, so that a restart keeps them."""
    queues = core.state.queues
    tx.remember("queues", lambda: {str(each): format_decimal(ahead) for each, ahead in queues.items()})


def remember_ranks(core: Core, tx: Transaction) -> None:
    """Write lost time priorities down, so that a restart keeps them."""
    ranks = core.state.ranks
    tx.remember("ranks", lambda: {str(order_id): [*rank] for order_id, rank in ranks.items()})
