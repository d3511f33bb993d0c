"""What every part of the service stands on: state, store, prices, and the way a transaction ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.commands import Side

from . import interrupts
from .allocation import closes_by_name, opposing
from .entities import ZERO, Event, Order, Position, PositionValues, balance_row, opposite
from .ledger.margin import cushion, leverage_of, liquidation_price, maintenance_margin
from .ledger.positions import unrealized
from .market.feed import Level, Quote, Trade
from .market.listing import LeverageTier, Market
from .market.market_data import MarketData
from .matching.engine import BookDepthFill, Fill
from .matching.latency import LatencyModel
from .matching.liquidity import Liquidity
from .models import Models
from .profits import Profits
from .refusals import Refusal
from .state import AccountState, Held, State, SymbolState
from .store import Changes, Store
from .transaction import Row, Transaction

LOG: Final = logging.getLogger("ccxt_driver.oms")
_NO_VALUES: Final = PositionValues()
_MODELS: Final = Models()
_ON_THE_WAY: Final = -1
"""A version that no book of a feed has."""
AFTER_A_GAP: Final = "its price has jumped"
"""Why a synthetic market is halted."""


class TransactionScope:
    """The one way a transaction ends."""

    # A class of its own, as `contextlib` costs several times as much and every order comes by here.
    __slots__ = ("_core", "_tx")

    def __init__(self, core: Core, tx: Transaction) -> None:
        self._core = core
        self._tx = tx

    def __enter__(self) -> Transaction:
        return self._tx

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:
            self._core.commit(self._tx)
        else:  # Ctrl-C in the middle too: a program may catch it and go on
            self._core.rollback(self._tx)


class Core:
    """The heart of an OMS. Not thread-safe: the service holds its lock around it.

    :param market: prices
    :param store: where it is kept
    :param models: what the paper venue assumes
    """

    def __init__(self, market: MarketData, store: Store, models: Models = _MODELS) -> None:
        self.market = market
        self.store = store
        self.fills = BookDepthFill(self.fillable)
        self.models = models
        self.fees = models.fees
        self.publish: Callable[[list[Event]], None] = _nobody
        self.settle_effects: Callable[[Core, Transaction], None] = _nothing
        """What follows from changes of swaps and stops, at the end of each transaction."""
        self.state = State(market.markets, store.load())
        self.profits = Profits()
        self.settled_at = 0
        self.still_from_ms: int | None = None
        """From when on the clock stands still: what is sent then would be on its way for ever."""
        self.commits = 0
        self._broken = False
        self._shared: list[Transaction] | None = None
        """What has been committed within `together`; None outside of it."""
        self._quotes: dict[str, tuple[int, Quote]] = {}
        self._liquidation_prices: dict[tuple[int, str], tuple[object, Decimal | None]] = {}
        """Of crossed positions by account and symbol, with what they were found from."""
        self._printed: dict[str, tuple[int, int]] = self.state.printed
        """Up to when, and how many of then, prints were given to the queue of each market."""
        self._shown: dict[str, int] = {}
        """For when each book was last brought up."""

    def latency(self, now: int) -> LatencyModel | None:
        """What has an order on its way that is sent at a time; None where it is at the venue at once."""
        stands = self.still_from_ms is not None and now >= self.still_from_ms
        return None if stands else self.models.latency

    # transactions

    def transaction(self, now: int) -> TransactionScope:
        """A transaction for a `with` block: committed at its end, forgotten when the block raises.

        :param now: the time of all it does
        :raises Refusal: as `commit`
        """
        return TransactionScope(self, self.begin(now))

    def begin(self, now: int) -> Transaction:
        """Start a transaction that the caller commits or rolls back; see `transaction`.

        :param now: the time of all it does
        """
        return Transaction(self.state, now, self.position_row, self.free)

    def commit(self, tx: Transaction) -> None:
        """Write a transaction and tell the subscribers; whole or not at all.

        :raises Refusal: `engine_unavailable`, the store could not write it; nothing was done
        """
        if tx.empty:
            return
        try:
            if tx.swaps_changed or tx.stops_set:
                self.settle_effects(self, tx)
            changes = tx.finish()
            self.state.checkpoints.write(changes)
            if self.store.durable:
                tx.keep_taken()
                tx.keep_printed()
            held = interrupts.hold()  # Ctrl-C would leave half of it in memory, or on the disk
        except BaseException as error:
            self._give_up(tx, error)
            raise
        try:
            self._write(tx, changes)
        finally:
            interrupts.release(held)

    def _write(self, tx: Transaction, changes: Changes) -> None:
        try:
            self.store.commit(changes)
        except BaseException as error:
            self._give_up(tx, error)
            raise
        self.commits += 1
        if self._shared is not None:
            self._shared.append(tx)
        self.settled_at = max(self.settled_at, tx.now)
        if changes.events:
            self.publish(changes.events)

    def _give_up(self, tx: Transaction, error: BaseException) -> None:
        """Forget a transaction that could not be written.

        :raises Refusal: `engine_unavailable`, unless a signal's handler has raised
        """
        if not isinstance(error, Exception):
            self.rollback(tx)
            return
        LOG.error("a transaction could not be written; it is rolled back", exc_info=error)
        self.rollback(tx)
        raise unwritable(error) from error

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let the transactions of a `with` block share one write to the disk, at its end.

        Of a durable store only: what memory holds cannot be taken back.

        :raises StoreError: the disk refused; nothing of the block was done
        """
        settled_at = self.settled_at
        shared: list[Transaction] = []
        self._shared = shared
        try:
            with self.store.together():
                yield
        except BaseException:
            for tx in reversed(shared):
                tx.undo()
            self.settled_at = settled_at  # what happened by itself since then happens again
            self._broken = True
            self._reload()
            raise
        finally:
            self._shared = None

    def rollback(self, tx: Transaction) -> None:
        """Forget a transaction: memory is what the store says again."""
        tx.undo()
        self._broken = True
        self._reload()

    def doubt(self) -> None:
        """A signal's handler has raised somewhere: memory is read from the store before it is used again."""
        self._broken = True

    def ensure_whole(self) -> None:
        """Hold that memory is what the store says.

        :raises Refusal: `engine_unavailable` while the store cannot be read
        """
        if self._broken and not self._reload():
            raise Refusal(ErrorCode.ENGINE_UNAVAILABLE, "the state cannot be read from the store")

    def _reload(self) -> bool:
        try:
            before = self.state.symbols
            self.state = State(self.market.markets, self.store.load())
        except Exception:
            LOG.exception("the state cannot be read from the store; the OMS refuses until it can")
            return False
        for name, symbol in self.state.symbols.items():
            symbol.liquidity, symbol.halted = before[name].liquidity, before[name].halted
            symbol.session_changed()
        self.find_halts()
        self._shown.clear()
        self._liquidation_prices.clear()
        self.profits.clear()  # it may have counted deals that were taken back
        self._broken = False
        return True

    # halts

    def find_halts(self) -> None:
        """Find out which markets the feed has halted by itself, as of the time up to which all is settled."""
        for symbol in self.state.symbols.values():
            self.follow_halt(symbol, self.settled_at)

    def follow_halt(self, symbol: SymbolState, now: int) -> None:
        """Find out whether the feed has a market halted at a moment, and when that changes if it is known."""
        name = symbol.market.symbol
        if self.market.is_live:
            symbol.halted = self.market.halted(name, now)
            symbol.session_changed()
            return
        times = self.market.halts(name, now)
        if times is not None:
            self.state.halts[name] = times.changes_ms
        elif self.state.halts.pop(name, None) is None:
            return  # it never is
        symbol.halt_ends = None if times is None else times.ends_ms
        symbol.halted = None if symbol.halt_ends is None else AFTER_A_GAP
        symbol.session_changed()

    # prices

    def quote(self, symbol: str, now: int) -> Quote:
        """Best prices and last price."""
        known = self._quotes.get(symbol)
        if known is not None and known[0] == now:
            return known[1]
        quote = self.market.quote(symbol, now)
        self._quotes[symbol] = (now, quote)
        return quote

    def new_prints(self, tx: Transaction, symbol: str, limit: int) -> list[Trade]:
        """Public trades of this very moment that were not given before."""
        now = tx.now
        prints = self.market.trades(symbol, now, now, limit)
        tx.save_printed(self._printed, symbol)
        before, count = self._printed.get(symbol, (now, 0))
        self._printed[symbol] = now, len(prints)
        return prints[count:] if before == now else prints

    def forget_quotes(self) -> None:
        """A price was set by hand."""
        self._quotes.clear()
        self._liquidation_prices.clear()
        self._shown.clear()

    def mark_price(self, symbol: str, now: int) -> Decimal:
        """What open positions are valued at, in quote units."""
        if symbol in self.market.marked:
            return self.market.mark_price(symbol, now)
        return self.quote(symbol, now).last

    def show_book(self, symbol: SymbolState, now: int) -> None:
        """Bring the feed's book of a symbol up to a time; what was taken stays taken within a version."""
        name = symbol.market.symbol
        if self._shown.get(name) == now:
            return
        version = self.market.book_version(name, now)
        if version != symbol.liquidity.version:
            symbol.liquidity.show(version, *self.market.book(name, now))
        self._shown[name] = now

    def pass_through(self, symbol: SymbolState, price: Decimal, now: int) -> None:
        """Be at a price that a move passes, until `have_moved`; what was taken on its way stays taken."""
        name, liquidity = symbol.market.symbol, symbol.liquidity
        taken = _best_taken(liquidity)
        bids, asks = self.market.book_on_the_way(name, now, price)
        liquidity.show(_ON_THE_WAY, bids, asks)
        _take_best(liquidity, taken)
        self._quotes[name] = now, Quote(now, bids[0].price, asks[0].price, price)
        self._shown[name] = now

    def have_moved(self, symbol: SymbolState, now: int) -> None:
        """Be where a move has ended."""
        name, liquidity = symbol.market.symbol, symbol.liquidity
        self._quotes.pop(name, None)
        self._shown.pop(name, None)
        if liquidity.version == _ON_THE_WAY:
            taken = _best_taken(liquidity)
            self.show_book(symbol, now)
            _take_best(liquidity, taken)

    def fillable(self, order: Order, ahead: Iterable[Fill] = ()) -> Decimal:
        """How much of an open order may fill now, in base units.

        :param ahead: fills of other orders that come before, and may leave less to reduce
        """
        if not (order.reduce_only or order.position_id):
            return order.remaining
        account = self.state.accounts[order.account_id]
        if not (order.reduce_only or closes_by_name(account, order)):
            return order.remaining
        taken: dict[int, Decimal] = {}
        for _, qty, other in ahead:
            if other is None or other.account_id != order.account_id:
                continue
            for position in opposing(account, other):
                part = min(qty, position.qty - taken.get(position.id, ZERO))
                taken[position.id] = taken.get(position.id, ZERO) + part
                qty -= part
        left = ZERO
        for position in opposing(account, order):
            left += position.qty - taken.get(position.id, ZERO)
        if order.reduce_only:
            return min(order.remaining, left)
        return order.remaining if left else ZERO  # it ends with the position

    def book(self, symbol: str, now: int) -> tuple[list[Level], list[Level]]:
        """What anybody may see of a market: the feed's levels that are left, and our resting orders.

        Of an iceberg only its slice shows.
        """
        state = self.state.symbols[symbol]
        self.show_book(state, now)
        sides: list[list[Level]] = []
        for side in (Side.BUY, Side.SELL):
            levels: dict[Decimal, Decimal] = {}
            for level in state.liquidity.against(opposite(side)):
                left = state.liquidity.left(level)
                if left > ZERO:
                    levels[level.price] = left
            for order in state.resting.orders(side):
                shown = self.fillable(order)
                if order.display_qty is not None:
                    shown = min(shown, order.display_qty)
                if order.price is not None and shown > ZERO:
                    levels[order.price] = levels.get(order.price, ZERO) + shown
            prices = sorted(levels, reverse=side is Side.BUY)
            sides.append([Level(price, levels[price]) for price in prices])
        return sides[0], sides[1]

    # values

    def free(self, account: AccountState, currency: str, now: int) -> Decimal:
        """What may be spent: total less reservations, margin and the loss of open swap positions.

        A profit that is not realised is never counted. It may be below zero after a loss, and where an order
        that would open more of a swap has followed its price up.
        """
        free = account.totals.get(currency, ZERO)
        reserved = account.reserved.get(currency)
        if reserved:
            free -= reserved
        margin = account.margins.get(currency)
        if not margin:
            return free
        profit = self.unrealized(account, currency, now)
        return free - margin + profit if profit < ZERO else free - margin

    def unrealized(self, account: AccountState, currency: str, now: int) -> Decimal:
        """Profit of all crossed swap positions that settle in a currency, in units of it.

        An isolated one cannot lose more than the margin that it holds back.
        """
        total = ZERO
        isolated = account.account.isolated
        for symbol, held in account.held.items():
            if self.state.symbols[symbol].market.settle == currency and symbol not in isolated:
                total += held.unrealized(self.mark_price(symbol, now))
        return total

    def profit(self, position: Position, now: int) -> Decimal:
        """Unrealized profit at the mark price, in quote units."""
        return unrealized(position, self.mark_price(position.symbol, now))

    def crossed_slack(
        self, account: AccountState, currency: str, now: int, without: str | None = None
    ) -> tuple[Decimal, list[str]]:
        """By how much a currency covers the maintenance margin of its crossed positions, and their symbols.

        It is the balance less the margin of isolated positions, and what the crossed ones win or lose.

        :param without: a symbol whose crossed positions are left out of the sum
        """
        slack = account.totals.get(currency, ZERO)
        crossed: list[str] = []
        isolated = account.account.isolated
        for symbol, held in account.held.items():
            if self.state.symbols[symbol].market.settle != currency:
                continue
            if symbol in isolated:
                slack -= sum((account.margin_of[each.id] for each in _margined(account, symbol)), ZERO)
            else:
                crossed.append(symbol)
                if symbol != without:
                    slack += self._cushion(account, symbol, held, now)
        return slack, crossed

    def _cushion(self, account: AccountState, symbol: str, held: Held, now: int) -> Decimal:
        """Unrealized profit less maintenance margin of all positions of an account on a swap."""
        mark, tiers = self.mark_price(symbol, now), self.state.symbols[symbol].market.tiers
        if _has_one_rate(account, symbol, tiers, mark):  # they need not be looked at one by one
            return held.unrealized(mark) - held.gross * mark * tiers[0].maintenance_margin_rate
        return sum((cushion(each, mark, tiers) for each in _margined(account, symbol)), ZERO)

    def crossed_positions(self, account: AccountState, symbols: Iterable[str]) -> list[Position]:
        """The positions on the symbols that `crossed_slack` gives."""
        return [each for symbol in symbols for each in _margined(account, symbol)]

    def isolated_slack(self, account: AccountState, position: Position, now: int) -> Decimal:
        """By how much the margin of an isolated position covers what it must."""
        tiers = self.state.symbols[position.symbol].market.tiers
        mark = self.mark_price(position.symbol, now)
        return account.margin_of[position.id] + cushion(position, mark, tiers)

    def balance_row(self, account: AccountState, currency: str, now: int) -> Row:
        """Payload of `balance_updated`, as of now."""
        free = self.free(account, currency, now)
        return balance_row(account.account.id, currency, free, account.totals.get(currency, ZERO))

    def position_row(self, position: Position, now: int) -> Row:
        """The contract's row of a position with its values of this moment."""
        return position.row(self.values(position, now))

    def values(self, position: Position, now: int) -> PositionValues:
        """What a position is worth; nothing of one that has ended."""
        if not position.is_open:
            return _NO_VALUES
        mark = self.mark_price(position.symbol, now)
        market = self.state.symbols[position.symbol].market
        if market.settle is None:
            return PositionValues(unrealized(position, mark), mark)
        account = self.state.accounts[position.account_id]
        isolated = market.symbol in account.account.isolated
        return PositionValues(
            unrealized(position, mark),
            mark,
            leverage_of(account.account, market),
            account.margin_of.get(position.id),
            self._liquidation_price(account, position, now, isolated),
            maintenance_margin(position.qty * mark, market.tiers),
            "isolated" if isolated else "cross",
        )

    def _liquidation_price(
        self, account: AccountState, position: Position, now: int, isolated: bool
    ) -> Decimal | None:
        market = self.state.symbols[position.symbol].market
        mark = self.mark_price(position.symbol, now)
        if isolated:
            margin = account.margin_of[position.id]
            return liquidation_price(margin, [position], mark, market.tiers, market.tick_size)
        currency = market.settlement_currency
        # A list of many positions would else sum all of them up for each.
        found_from = self.state.margin_version, now, mark, account.totals.get(currency)
        key = account.account.id, position.symbol
        known = self._liquidation_prices.get(key)
        if known is not None and known[0] == found_from:
            return known[1]
        beside, _ = self.crossed_slack(account, currency, now, position.symbol)
        price = self._crossed_liquidation_price(account, market, beside, mark)
        self._liquidation_prices[key] = found_from, price
        return price

    def _crossed_liquidation_price(
        self, account: AccountState, market: Market, beside: Decimal, mark: Decimal
    ) -> Decimal | None:
        """That of all crossed positions on a swap.

        :param beside: what stands for them beside their own profit, in quote units
        """
        symbol, tiers, tick = market.symbol, market.tiers, market.tick_size
        if _has_one_rate(account, symbol, tiers, mark):
            price = liquidation_price(beside, _summed(account, symbol), mark, tiers[:1], tick)
            if price is None or _has_one_rate(account, symbol, tiers, price):
                return price
        return liquidation_price(beside, self.crossed_positions(account, [symbol]), mark, tiers, tick)


def _margined(account: AccountState, symbol: str) -> Iterator[Position]:
    """Positions on a swap that hold margin back."""
    margin_of = account.margin_of
    return (each for each in account.positions_on.get(symbol, {}).values() if each.id in margin_of)


def _has_one_rate(account: AccountState, symbol: str, tiers: Sequence[LeverageTier], price: Decimal) -> bool:
    """Whether each position on a swap has the maintenance margin of the first tier at a price."""
    if tiers[0].min_notional or len(tiers) == 1:
        return not tiers[0].min_notional
    most = tiers[0].max_notional
    if account.held[symbol].gross * price <= most:
        return True
    return max((each.qty for each in _margined(account, symbol)), default=ZERO) * price <= most


def _summed(account: AccountState, symbol: str) -> list[Position]:
    """One position for all long ones on a swap and one for all short ones."""
    held = account.held[symbol]
    sides = (Side.BUY, held.bought, held.bought_for), (Side.SELL, held.sold, held.sold_for)
    return [Position(0, account.account.id, symbol, side, 0, qty, cost) for side, qty, cost in sides if qty]


def _best_taken(liquidity: Liquidity) -> tuple[Decimal, Decimal]:
    """What was taken of the best bid and of the best ask of a move that is on its way; else nothing was."""
    if liquidity.version != _ON_THE_WAY:
        return ZERO, ZERO
    bid, ask = liquidity.bids[0].price, liquidity.asks[0].price
    return liquidity.taken.get(bid, ZERO), liquidity.taken.get(ask, ZERO)


def _take_best(liquidity: Liquidity, taken: tuple[Decimal, Decimal]) -> None:
    for level, qty in zip((liquidity.bids[0], liquidity.asks[0]), taken, strict=True):
        if qty:
            liquidity.take(level.price, qty)


def unwritable(error: Exception) -> Refusal:
    """What a client learns of a commit that failed."""
    return Refusal(ErrorCode.ENGINE_UNAVAILABLE, f"the state could not be written: {type(error).__name__}")


def unreadable(error: Exception) -> Refusal:
    """What a client learns of a read that failed."""
    return Refusal(ErrorCode.ENGINE_UNAVAILABLE, f"the state could not be read: {type(error).__name__}")


def _nobody(events: list[Event]) -> Any:
    """Until someone subscribes."""


def _nothing(core: Core, tx: Transaction) -> None:
    """Until the service has said what follows."""
