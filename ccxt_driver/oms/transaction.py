"""One transaction: what it changes, how it is undone, and the events that tell of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.events import REASSIGNED_TO, EventName
from ccxt_driver.contract.rows import LedgerKind, OrderStatus, PositionState
from ccxt_driver.contract.values import format_time

from .entities import (
    ZERO,
    Account,
    BalanceEvent,
    Deal,
    Event,
    External,
    LedgerEntry,
    Order,
    Position,
    PositionValues,
    RowEvent,
    Strategy,
)
from .matching.liquidity import Liquidity
from .reading import reader
from .state import AccountState, State, SymbolState
from .store import Changes

Row = dict[str, Any]
_Entity = Order | Position | Deal | Account | Strategy


def _reader_of(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    names: tuple[str, ...] = kind.__slots__  # type: ignore[attr-defined]
    return reader(f"row.{name}" for name in names)


_FIELDS: Final[dict[type, Callable[[Any], tuple[Any, ...]]]] = {
    kind: _reader_of(kind) for kind in (Order, Position, Deal, Account, Strategy)
}


_UNKNOWN: Final = External.UNKNOWN
_ORDER_UPDATED: Final = EventName.ORDER_UPDATED.value
_DEAL_CREATED: Final = EventName.DEAL_CREATED.value
_POSITION_UPDATED: Final = EventName.POSITION_UPDATED.value


class Transaction:
    """Collects changes of live rows. `touch_*` goes before a row is changed, `add_*` makes one.

    :param now: the time of everything in it
    :param position_row: the wire form of a position with its values of this moment
    :param free: what may be spent of a currency of an account
    """

    __slots__ = (
        "_balances",
        "_commanded",
        "_free",
        "_liquidity",
        "_moved",
        "_position_row",
        "_printed",
        "_quiet",
        "_remembered",
        "_saved",
        "changes",
        "deal_rows",
        "now",
        "order_rows",
        "position_rows",
        "state",
        "stops_set",
        "swaps_changed",
    )

    def __init__(
        self,
        state: State,
        now: int,
        position_row: Callable[[Position, int], Row],
        free: Callable[[AccountState, str, int], Decimal],
    ) -> None:
        self.state = state
        self.now = now
        self.changes = Changes()
        self.order_rows: dict[int, Row] = {}
        self.deal_rows: dict[int, Row] = {}
        self.position_rows: dict[int, Row] = {}
        self._saved: list[tuple[_Entity, tuple[Any, ...]]] = []
        self._commanded = False
        self._quiet: set[int] = set()
        self._remembered: dict[str, Callable[[], Any]] = {}
        self.swaps_changed: dict[tuple[int, str], None] = {}
        self.stops_set: dict[int, Position] = {}
        self._liquidity: list[tuple[str, Liquidity, int | None, dict[Decimal, Decimal]]] = []
        self._printed: list[tuple[dict[str, tuple[int, int]], str, tuple[int, int] | None]] = []
        self._moved: dict[int, Deal] = {}
        self._balances: dict[tuple[int, str], None] = {}
        self._position_row = position_row
        self._free = free

    # rows

    def add_order(self, order: Order) -> None:
        """A new order, open or not."""
        self.changes.orders[order.id] = order

    def touch_order(self, order: Order) -> None:
        """An order is about to change."""
        if order.id not in self.changes.orders:
            self._save(order)
            self.changes.orders[order.id] = order
        elif self._quiet:
            self._quiet.discard(order.id)

    def touch_order_quietly(self, order: Order) -> None:
        """Only what an order holds back is about to change: that is kept, and no news to anybody."""
        if order.id not in self.changes.orders:
            self.touch_order(order)
            self._quiet.add(order.id)

    def swap_changed(self, account_id: int, symbol: str) -> None:
        """A position or an order on a swap has changed, and with it what other orders on it need."""
        self.swaps_changed[account_id, symbol] = None

    def stops_put(self, position: Position) -> None:
        """A trade has put stops on a position, which the price may have reached already."""
        self.stops_set[position.id] = position

    def add_position(self, position: Position) -> None:
        """A new position."""
        self.changes.positions[position.id] = position
        self.state.add_position(position)

    def touch_position(self, position: Position) -> None:
        """A position is about to change."""
        if position.id not in self.changes.positions:
            self._save(position)
            self.changes.positions[position.id] = position

    def add_deal(self, deal: Deal) -> None:
        """A new deal."""
        self.changes.deals.append(deal)

    def reveal_deal(self, deal: Deal) -> None:
        """A deal is about to become known: to everybody it is a new one."""
        self._save(deal)
        self.changes.deals.append(deal)

    def touch_deal(self, deal: Deal) -> Deal:
        """A deal is about to move to another position or strategy.

        :returns: the object to change: the one of this transaction, should the store have given another
        """
        known = self._moved.get(deal.id)
        if known is not None:
            return known
        self._save(deal)
        self._moved[deal.id] = deal
        self.changes.deals.append(deal)
        return deal

    def latest_deal(self, deal: Deal) -> Deal:
        """A stored deal as this transaction has left it."""
        return self._moved.get(deal.id, deal)

    def latest_order(self, order: Order) -> Order:
        """A stored order as this transaction, or the live state, has it."""
        return self.changes.orders.get(order.id) or self.state.orders.get(order.id) or order

    def latest_position(self, position: Position) -> Position:
        """A stored position as this transaction, or the live state, has it."""
        return self.changes.positions.get(position.id) or self.state.positions.get(position.id) or position

    def leaves(self, leaving: Order | Position, strategy_id: int) -> None:
        """Tell the strategy of an open order or position that it has it no more.

        :param strategy_id: who gets it
        """
        # Only its row says so: to the OMS it is open all the while.
        if isinstance(leaving, Order):
            name, row = _ORDER_UPDATED, leaving.row() | {"status": OrderStatus.CANCELED.value}
        else:
            closed = {"state": PositionState.CLOSED.value, "qty": "0"}
            name, row = _POSITION_UPDATED, leaving.row(PositionValues()) | closed
        ended = format_time(self.now)
        row |= {"updated_at": ended, "closed_at": ended, REASSIGNED_TO: strategy_id}
        self.changes.events.append(Event(leaving.account_id, 0, self.now, name, row, leaving.strategy_id))

    def touch_account(self, account: Account) -> None:
        """An account is about to change; replace its mappings, never change them in place."""
        if account.id not in self.changes.accounts:
            self._save(account)
            self.changes.accounts[account.id] = account

    def touch_strategy(self, strategy: Strategy) -> None:
        """A strategy is about to change."""
        if strategy.id not in self.changes.strategies:
            self._save(strategy)
            self.changes.strategies[strategy.id] = strategy

    def _save(self, entity: _Entity) -> None:
        self._saved.append((entity, _FIELDS[type(entity)](entity)))

    def show_balance(self, account: AccountState, currency: str) -> None:
        """Have a balance of 0 where there is none yet: it is shown, as venues show coins that nobody has."""
        account.totals.setdefault(currency, ZERO)
        self.changes.balances[account.account.id, currency] = account.totals[currency]

    def book(
        self,
        account: AccountState,
        currency: str,
        amount: Decimal,
        kind: LedgerKind,
        reference_id: int | None,
    ) -> None:
        """Change a balance: the only way there is.

        :param amount: signed, in units of `currency`
        :param reference_id: the deal it belongs to, if any
        """
        if not amount:
            return
        total = account.totals.get(currency, ZERO) + amount
        account.totals[currency] = total
        account_id = account.account.id
        self.changes.balances[account_id, currency] = total
        self.changes.ledger.append(
            LedgerEntry(
                self.state.next_id("ledger"),
                account_id,
                currency,
                amount,
                total,
                kind,
                self.now,
                reference_id,
            )
        )
        self._balances[account_id, currency] = None

    def reserve(self, account: AccountState, order: Order, currency: str | None, amount: Decimal) -> None:
        """Let an order hold back exactly this, and no longer what it held before."""
        reserved = account.reserved
        if order.reserved_currency is not None and order.reserved:
            reserved[order.reserved_currency] -= order.reserved
            self._balances[order.account_id, order.reserved_currency] = None
        order.reserved = amount
        order.reserved_currency = currency
        if currency is not None and amount:
            reserved[currency] = reserved.get(currency, ZERO) + amount
            self._balances[order.account_id, currency] = None

    def balance_changed(self, account: AccountState, currency: str) -> None:
        """Free and used have changed, though the total may not have."""
        self._balances[account.account.id, currency] = None

    def note(self, account_id: int, name: EventName, payload: Row, strategy_id: int | None) -> None:
        """An event that carries ids; events with whole rows follow from the rows themselves."""
        self.changes.events.append(Event(account_id, 0, self.now, name._value_, payload, strategy_id))

    def remember(self, name: str, value: Callable[[], Any]) -> None:
        """Keep a setting as it is at the end: it may be long, and change with each of thousands of orders."""
        self._remembered[name] = value

    def new_command(self) -> int:
        """The id of the command that this carries out; it is kept even when nothing else changes."""
        self._commanded = True
        return self.state.next_id("command")

    # the end

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        changes = self.changes
        return not (
            changes.orders
            or changes.deals
            or changes.positions
            or changes.ledger
            or changes.accounts
            or changes.strategies
            or changes.claims
            or changes.settings
            or changes.events
            or self._remembered
            or self._commanded
        )

    def finish(self) -> Changes:
        """Write the events and counters down; nothing may be changed after this."""
        changes, now = self.changes, self.now
        events, quiet = changes.events, self._quiet
        # Deals come first: whoever follows the events then knows all of an order that has filled.
        for deal in changes.deals:
            if deal.external is _UNKNOWN:
                continue
            row = self.deal_rows[deal.id] = deal.row()
            if deal.id not in self._moved:
                events.append(RowEvent(deal.account_id, 0, now, _DEAL_CREATED, row, deal.strategy_id))
        for order in changes.orders.values():
            if (quiet and order.id in quiet) or order.external is _UNKNOWN:
                continue
            row = self.order_rows[order.id] = order.row()
            events.append(RowEvent(order.account_id, 0, now, _ORDER_UPDATED, row, order.strategy_id))
        for position in changes.positions.values():
            if position.external is _UNKNOWN:
                continue
            row = self.position_rows[position.id] = self._position_row(position, now)
            events.append(Event(position.account_id, 0, now, _POSITION_UPDATED, row, position.strategy_id))
        accounts = self.state.accounts
        for account_id, currency in self._balances:
            account = accounts[account_id]
            free = self._free(account, currency, now)
            events.append(BalanceEvent(account_id, currency, free, account.totals.get(currency, ZERO), now))
        for event in events:
            account = accounts[event.account_id]
            event.seq = account.seq = account.seq + 1
        for name, value in self._remembered.items():
            changes.settings[name] = value()
        changes.settings["counters"] = self.state.counters.copy()
        changes.settings["settled_at"] = now
        return changes

    def save_liquidity(self, symbol: SymbolState) -> None:
        """The feed's book of a market is about to be taken from."""
        liquidity = symbol.liquidity
        for _, known, _, _ in self._liquidity:
            if known is liquidity:
                return
        name = symbol.market.symbol
        self._liquidity.append((name, liquidity, liquidity.version, liquidity.taken.copy()))

    def keep_taken(self) -> None:
        """Write down what was taken of books, so that a restart does not put it back."""
        for name, liquidity, _, _ in self._liquidity:
            self.changes.settings[f"taken {name}"] = liquidity.dump()

    def save_printed(self, printed: dict[str, tuple[int, int]], symbol: str) -> None:
        """The prints of a market are about to be given to the queue."""
        self._printed.append((printed, symbol, printed.get(symbol)))

    def keep_printed(self) -> None:
        """Write down which prints were given: a restart at that moment does not give them again."""
        for printed, symbol, _ in self._printed:
            self.changes.settings[f"printed {symbol}"] = [*printed[symbol]]

    def undo(self) -> None:
        """Give every changed row its old values back; the live state is then loaded anew."""
        for entity, values in self._saved:
            for name, value in zip(type(entity).__slots__, values, strict=True):
                setattr(entity, name, value)
        for _, liquidity, version, taken in self._liquidity:
            liquidity.taken = taken if liquidity.version == version else {}
        for printed, symbol, count in reversed(self._printed):
            if count is None:
                printed.pop(symbol, None)
            else:
                printed[symbol] = count
