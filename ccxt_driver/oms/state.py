"""The live state in memory: accounts with their wallets, open orders and positions, symbols.

History is never here, so that it cannot slow an order down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import PositionMode

from .deal_reading import Checkpoints
from .entities import ZERO, Account, Order, Position, Strategy
from .ledger.margin import initial_margin, leverage_of
from .limits import Kept, Scope
from .limits import load as load_limits
from .market.listing import Market
from .matching.book import Rank, RestingBook
from .matching.liquidity import Liquidity
from .matching.order_types import has_trigger
from .store import Snapshot
from .trading_hours import MarketSession, Session

COUNTERS: Final = ("order", "deal", "position", "command", "ledger", "rank")


@dataclass(slots=True)
class SymbolState:
    """What waits and rests on one market."""

    market: Market
    resting: RestingBook = field(default_factory=RestingBook)
    liquidity: Liquidity = field(default_factory=Liquidity)
    triggers: dict[int, Order] = field(default_factory=dict)
    """Orders whose trigger has not fired, by id."""
    stops: dict[int, Position] = field(default_factory=dict)
    """Open positions with a stop loss or stop gain, by id."""
    margined: dict[int, Position] = field(default_factory=dict)
    """Open positions of a swap, which the price can liquidate, by id."""
    session: MarketSession = field(default_factory=MarketSession)
    is_open: bool = True
    """Whether the session lets anything trade, and the feed does."""
    halted: str | None = None
    """Why the feed has it halted: prices of a live market are not right, or a synthetic one has jumped."""
    halt_ends: int | None = None
    """When that ends, where it is known."""

    def session_changed(self) -> None:
        """Find out whether anything may trade."""
        self.is_open = self.halted is None and self.session.now is Session.OPEN

    @property
    def session_name(self) -> str:
        """The session that counts: a market that the feed has halted is open by no hours."""
        now = self.session.now
        return Session.HALTED.value if now is Session.OPEN and self.halted is not None else now.value

    @property
    def opens_at(self) -> int | None:
        """When it opens by itself; None when it is open, or nobody knows."""
        if self.session.by_hand is not Session.OPEN:
            return None
        if self.halt_ends is not None:
            return self.session.opens_after(self.halt_ends)
        return self.session.changes_at if self.session.now is Session.CLOSED else None

    @property
    def watched(self) -> bool:
        """Whether a move of the price can do anything here, or to positions that share margin with these."""
        return bool(self.margined or (self.is_open and (self.resting or self.triggers or self.stops)))


@dataclass(slots=True)
class Held:
    """The open positions of an account on a swap, summed up, however many there are."""

    bought: Decimal = ZERO
    """Base units of the long ones."""
    bought_for: Decimal = ZERO
    """Their cost in quote units."""
    sold: Decimal = ZERO
    sold_for: Decimal = ZERO
    count: int = 0

    @property
    def net(self) -> Decimal:
        """What a rise of the price wins, per quote unit of it."""
        return self.bought - self.sold

    @property
    def gross(self) -> Decimal:
        """Base units of all."""
        return self.bought + self.sold

    def unrealized(self, price: Decimal) -> Decimal:
        """Profit at a price, in quote units."""
        return (self.bought - self.sold) * price - self.bought_for + self.sold_for

    def add(self, side: Side, qty: Decimal, cost: Decimal) -> None:
        """Count something more, or less below 0."""
        if side is Side.BUY:
            self.bought += qty
            self.bought_for += cost
        else:
            self.sold += qty
            self.sold_for += cost


@dataclass(slots=True)
class AccountState:
    """An account, its wallet, and what is open in it."""

    account: Account
    totals: dict[str, Decimal] = field(default_factory=dict)
    reserved: dict[str, Decimal] = field(default_factory=dict)
    """Held back by open orders, by currency."""
    margins: dict[str, Decimal] = field(default_factory=dict)
    """Held back by open swap positions, by currency."""
    margin_of: dict[int, Decimal] = field(default_factory=dict)
    """The part of `margins` of each open swap position, by id."""
    held: dict[str, Held] = field(default_factory=dict)
    """Sums of the open swap positions in `margin_of`, by symbol."""
    held_of: dict[int, tuple[Side, Decimal, Decimal]] = field(default_factory=dict)
    """The part of each position in `held`, by id: side, base units and cost."""
    orders: dict[int, Order] = field(default_factory=dict)
    orders_on: dict[str, dict[int, Order]] = field(default_factory=dict)
    """Open orders by symbol and id."""
    opening_on: dict[str, dict[int, Order]] = field(default_factory=dict)
    """Those of them that may open, and not only reduce."""
    positions: dict[int, Position] = field(default_factory=dict)
    positions_on: dict[str, dict[int, Position]] = field(default_factory=dict)
    """Open positions by symbol and id."""
    reducing_on: dict[str, dict[int, Decimal]] = field(default_factory=dict)
    """How much of open swap orders their reservations count on to reduce, by symbol and id, if any.

    Zero of an order of which that is not known yet.
    """
    seq: int = 0
    """Of the last event."""
    hedges: bool = field(init=False)
    """Whether every order may have a position of its own."""
    _by_strategy: bool = field(init=False)

    def __post_init__(self) -> None:
        mode = self.account.position_mode  # chosen once, when the account is made
        self.hedges = mode is PositionMode.HEDGE
        self._by_strategy = mode is PositionMode.STRATEGY_NETTING

    def netted(self, symbol: str, strategy_id: int) -> Position | None:
        """The position that a trade of a netting account goes to."""
        positions = self.positions_on.get(symbol)
        if positions:
            for position in positions.values():
                if position.external is None and (
                    not self._by_strategy or position.strategy_id == strategy_id
                ):
                    return position
        return None


class State:
    """Everything live, and the counters that ids come from.

    :param markets: by symbol
    :param snapshot: what a store knows
    """

    def __init__(self, markets: Mapping[str, Market], snapshot: Snapshot) -> None:
        self.accounts: dict[int, AccountState] = {}
        self.strategies: dict[int, Strategy] = dict(snapshot.strategies)
        self.orders: dict[int, Order] = {}
        self.positions: dict[int, Position] = {}
        self.symbols: dict[str, SymbolState] = {
            symbol: SymbolState(market, liquidity=Liquidity(snapshot.settings.get(f"taken {symbol}")))
            for symbol, market in markets.items()
        }
        self.expiring: dict[int, Order] = {}
        """Open GTD orders by id."""
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0) | snapshot.settings.get("counters", {})
        self.ranks: dict[int, Rank] = {
            int(order_id): (rank[0], rank[1]) for order_id, rank in snapshot.settings.get("ranks", {}).items()
        }
        """Orders that rest behind what their id says: they were changed, or fired by a trigger."""
        self.arriving: dict[int, int] = {
            int(order_id): at for order_id, at in snapshot.settings.get("arriving", {}).items()
        }
        """When orders that are on their way arrive, where that is modelled."""
        self.queues: dict[int, Decimal] = {
            int(order_id): Decimal(ahead) for order_id, ahead in snapshot.settings.get("queues", {}).items()
        }
        """What is ahead of resting orders at their price, where that is modelled, in base units."""
        self.printed: dict[str, tuple[int, int]] = {
            symbol: tuple(snapshot.settings[name])
            for symbol in markets
            if (name := f"printed {symbol}") in snapshot.settings
        }
        """Up to when prints had been given to the queue, and how many of then, when this was loaded."""
        self.deadlines: dict[int, dict[str, int]] = {
            int(account_id): value for account_id, value in snapshot.settings.get("deadlines", {}).items()
        }
        """Dead man's switches by account: when they go off, by strategies ("" for all)."""
        self.reconciled: dict[int, int] = {
            int(account_id): at for account_id, at in snapshot.settings.get("reconciled", {}).items()
        }
        """When each account was last reconciled."""
        self.funding_rates: dict[str, Decimal] = {
            symbol: Decimal(rate) for symbol, rate in snapshot.settings.get("funding_rates", {}).items()
        }
        """Funding rates that were set, by symbol; of the others it is the market's."""
        self.funding_changes: dict[str, tuple[tuple[int, Decimal], ...]] = {
            symbol: tuple((int(at), Decimal(rate)) for at, rate in changes)
            for symbol, changes in snapshot.settings.get("funding_changes", {}).items()
        }
        """When they were set, ascending, by symbol."""
        self.margin_version = 0
        """Rises with every change of a swap position."""
        self.sessions: dict[str, MarketSession] = {}
        """Sessions of the markets that are not simply open, by symbol."""
        self.unlisted_sessions: dict[str, Any] = {}
        """Those of markets that are not listed now, as they are kept: they may be listed again."""
        for symbol, row in snapshot.settings.get("sessions", {}).items():
            if symbol in self.symbols:
                self.sessions[symbol] = self.symbols[symbol].session = MarketSession.load(row)
                self.symbols[symbol].session_changed()
            else:
                self.unlisted_sessions[symbol] = row
        self.halts: dict[str, int] = {}
        """When a halt by the feed begins or ends next, by symbol; not kept, the feed knows it again."""
        self.limits: dict[Scope, Kept] = load_limits(snapshot.settings.get("limits", ()))
        """Risk limits, by whom they are for."""
        self.checkpoints = Checkpoints(snapshot.settings.get(Checkpoints.NAME, {}))
        """What limits have reckoned from deals."""
        self.configured: dict[str, Any] = snapshot.settings.get("configured", {})
        """What a configuration file said last of limits and sessions."""
        self._load(snapshot)

    def _load(self, snapshot: Snapshot) -> None:
        for account_id, account in sorted(snapshot.accounts.items()):
            self.add_account(AccountState(account, seq=snapshot.last_seq.get(account_id, 0)))
        for (account_id, currency), total in sorted(snapshot.balances.items()):
            self.accounts[account_id].totals[currency] = total
        for position in sorted(snapshot.open_positions, key=_row_id):
            self.add_position(position)
            self.margin_changed(position)
            self.stops_changed(position)
        for order in sorted(snapshot.open_orders, key=_row_id):
            self.add_order(order)
            if self.symbols[order.symbol].market.settle is not None:
                self.accounts[order.account_id].reducing_on.setdefault(order.symbol, {})[order.id] = ZERO
            if order.reserved_currency is not None:
                reserved = self.accounts[order.account_id].reserved
                reserved[order.reserved_currency] = (
                    reserved.get(order.reserved_currency, ZERO) + order.reserved
                )
            if order.id in self.arriving:
                continue
            if is_waiting(order):
                self.symbols[order.symbol].triggers[order.id] = order
            else:
                self.rest(order)

    # ids

    def next_id(self, kind: str) -> int:
        """The next id of a kind; ids of a rolled back transaction are given again."""
        number = self.counters[kind] + 1
        self.counters[kind] = number
        return number

    def lose_priority(self, order: Order) -> None:
        """Let an order stand behind all that rest now."""
        self.ranks[order.id] = (self.counters["order"], self.next_id("rank"))

    # live rows

    def add_account(self, account: AccountState) -> None:
        """Put an account here."""
        self.accounts[account.account.id] = account

    def add_order(self, order: Order) -> None:
        """Put an open order into the indexes; `rest` puts it into the book."""
        account = self.accounts[order.account_id]
        self.orders[order.id] = account.orders[order.id] = order
        on_symbol = account.orders_on.get(order.symbol)
        if on_symbol is None:
            on_symbol = account.orders_on[order.symbol] = {}
        on_symbol[order.id] = order
        if not order.reduce_only:
            account.opening_on.setdefault(order.symbol, {})[order.id] = order
        if order.expire_at is not None:
            self.expiring[order.id] = order

    def rest(self, order: Order) -> None:
        """Put an open limit order into the book at its price."""
        self.symbols[order.symbol].resting.add(order, self.ranks.get(order.id, (order.id, 0)))

    def drop_order(self, order: Order) -> None:
        """Take an order that has ended out of everything live."""
        order_id = order.id
        account = self.accounts[order.account_id]
        counted = account.reducing_on.get(order.symbol)
        if counted:  # also by an order that has ended before it was open
            counted.pop(order_id, None)
        if self.orders.pop(order_id, None) is None:
            return
        del account.orders[order_id]
        del account.orders_on[order.symbol][order_id]
        if not order.reduce_only:
            del account.opening_on[order.symbol][order_id]
        symbol = self.symbols[order.symbol]
        symbol.resting.remove(order)
        symbol.triggers.pop(order_id, None)
        self.expiring.pop(order_id, None)

    def add_position(self, position: Position) -> None:
        """Put an open position into the indexes."""
        account = self.accounts[position.account_id]
        self.positions[position.id] = account.positions[position.id] = position
        on_symbol = account.positions_on.get(position.symbol)
        if on_symbol is None:
            on_symbol = account.positions_on[position.symbol] = {}
        on_symbol[position.id] = position

    def drop_position(self, position: Position) -> None:
        """Take a position that has ended out of everything live."""
        if self.positions.pop(position.id, None) is None:
            return
        account = self.accounts[position.account_id]
        del account.positions[position.id]
        del account.positions_on[position.symbol][position.id]
        symbol = self.symbols[position.symbol]
        symbol.stops.pop(position.id, None)
        symbol.margined.pop(position.id, None)

    def stops_changed(self, position: Position) -> None:
        """Watch a position's stops, or no longer."""
        stops = self.symbols[position.symbol].stops
        if position.is_open and (position.stop_loss is not None or position.stop_gain is not None):
            stops[position.id] = position
        else:
            stops.pop(position.id, None)

    def margin_changed(self, position: Position) -> None:
        """Hold back what a swap position needs now; nothing for spot."""
        symbol = self.symbols[position.symbol]
        market = symbol.market
        if market.settle is None:
            return
        self.margin_version += 1
        account = self.accounts[position.account_id]
        before = account.margin_of.pop(position.id, ZERO)
        after = ZERO
        if position.is_open:
            after = initial_margin(position.entry_cost, leverage_of(account.account, market))
            after += position.margin_added
            account.margin_of[position.id] = after
            symbol.margined[position.id] = position
        else:
            symbol.margined.pop(position.id, None)
        _sum_up(account, position)
        account.margins[market.settle] = account.margins.get(market.settle, ZERO) + after - before


def _sum_up(account: AccountState, position: Position) -> None:
    """Count a swap position as it is now, and no longer as it was."""
    held = account.held.get(position.symbol)
    if held is None:
        held = account.held[position.symbol] = Held()
    before = account.held_of.pop(position.id, None)
    if before is not None:
        side, qty, cost = before
        held.add(side, -qty, -cost)
        held.count -= 1
    if position.is_open:
        account.held_of[position.id] = position.side, position.qty, position.entry_cost
        held.add(position.side, position.qty, position.entry_cost)
        held.count += 1
    if not held.count:
        del account.held[position.symbol]


def is_waiting(order: Order) -> bool:
    """Whether an order waits for its trigger."""
    return order.triggered_at is None and has_trigger(order)


def _row_id(row: Order | Position) -> int:
    return row.id
