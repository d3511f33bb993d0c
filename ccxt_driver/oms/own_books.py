"""What each strategy of a netting account holds and has made by itself.

There a position is of all strategies that trade on it, and says nothing of one. So a strategy's part is
reckoned from its own deals: their sum, and what they have made against their own average price. An order
that closes the position itself (`close_position`, a stop, a liquidation) acts for all of them: each strategy
is brought as much nearer to nothing as the position is.

Nothing is kept but in memory. A book is made when a limit first asks, and brought up by the deals since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from ccxt_driver.contract.commands import Side

from .entities import ZERO, Deal, average
from .limits import Kept, Scope
from .market.listing import Market
from .store import Changes, RowFilter, Store

_DAY_MS: Final = 86_400_000
_PAGE: Final = 20_000


@dataclass(slots=True)
class Part:
    """What is open on a market: base units, below 0 when they were sold, and their cost in quote units."""

    symbol: str
    qty: Decimal = ZERO
    cost: Decimal = ZERO

    def profit(self, price: Decimal) -> Decimal:
        """Unrealised, at a price, in quote units."""
        return self.qty * price - self.cost

    def trade(self, qty: Decimal, price: Decimal) -> Decimal:
        """Add a trade.

        :param qty: base units, below 0 of one that sells
        :returns: realised profit in quote units, gross of fees
        """
        if self.qty * qty >= ZERO:
            self.qty += qty
            self.cost += qty * price
            return ZERO
        closed = qty if abs(qty) <= abs(self.qty) else -self.qty
        cost = self.cost if closed == -self.qty else average(self.cost * -closed, self.qty)
        self.qty += qty
        self.cost += (qty - closed) * price - cost
        return -closed * price - cost


@dataclass(slots=True)
class Made:
    """Realised profit net of fees of one scope, in units of a currency.

    :param since_ms: from when on `total` and `highest` are counted
    """

    currency: str
    since_ms: int
    day: int = 0
    of_day: Decimal = ZERO
    total: Decimal = ZERO
    highest: Decimal = ZERO

    def add(self, at_ms: int, amount: Decimal) -> None:
        """What a deal has made."""
        day = at_ms // _DAY_MS
        if day != self.day:
            self.day, self.of_day = day, ZERO
        self.of_day += amount
        if at_ms >= self.since_ms:
            self.total += amount
            self.highest = max(self.highest, self.total)

    def today(self, now: int) -> Decimal:
        """What was made since midnight UTC."""
        return self.of_day if self.day == now // _DAY_MS else ZERO


_Parts = dict[int, Part]
"""By strategy."""


@dataclass(frozen=True, slots=True)
class _Closing:
    """Which orders were to close a position.

    :param changes: of a transaction that is not committed yet
    :param known: those that are stored, where all of them were looked for
    """

    store: Store
    changes: Changes | None
    known: set[int] | None

    def has(self, order_id: int) -> bool:
        order = None if self.changes is None else self.changes.orders.get(order_id)
        if order is not None:
            return order.closes_position
        if self.known is not None:
            return order_id in self.known
        return any(stored.closes_position for stored in self.store.orders_by_id([order_id]))


@dataclass(slots=True)
class OwnBook:
    """The parts of the strategies of one account.

    :param account_id: whose deals are read
    :param made: by the limits that ask
    """

    account_id: int
    made: dict[Scope, Made]
    _together: dict[str, _Parts] = field(default_factory=dict)
    """Of the one position, by symbol."""
    _apart: dict[str, _Parts] = field(default_factory=dict)
    """Of positions of orders that were placed past the OMS, which nothing nets with."""
    _seen_ms: int = 0
    _seen_then: int = 0
    """How many deals of that moment were read."""
    _seen_id: int = 0

    def net(self, strategy_id: int, symbol: str) -> Decimal:
        """What a strategy's orders on a market net with, in base units: below 0 when it has sold."""
        part = self._together.get(symbol, {}).get(strategy_id)
        return ZERO if part is None else part.qty

    def held(self, strategy_id: int | None, symbol: str | None) -> Iterator[Part]:
        """What a strategy has open on a market, None for all of them."""
        for book in (self._together, self._apart):
            for name, parts in book.items():
                part = parts.get(strategy_id) if strategy_id is not None and symbol in (None, name) else None
                if part is not None and part.qty:
                    yield part

    def bring_up(self, store: Store, markets: Mapping[str, Market], changes: Changes | None) -> None:
        """Read the deals since the last time.

        :param markets: by symbol
        :param changes: of a transaction that is not committed yet
        """
        new = not self._seen_id
        closing = _Closing(store, changes, store.closing_orders(self.account_id) if new else None)
        while True:
            wanted = RowFilter(
                (self.account_id,), since_ms=self._seen_ms, offset=self._seen_then, limit=_PAGE
            )
            deals, _ = store.deals(wanted)
            self._read(deals, markets, closing)
            if len(deals) < _PAGE:
                break
        if changes is not None:
            own = [row for row in changes.deals if row.account_id == self.account_id and row.is_known]
            self._read(own, markets, closing)

    def _read(self, deals: Iterable[Deal], markets: Mapping[str, Market], closing: _Closing) -> None:
        for deal in deals:
            if deal.id <= self._seen_id:
                continue
            self._seen_then = self._seen_then + 1 if deal.executed_at == self._seen_ms else 1
            self._seen_ms, self._seen_id = deal.executed_at, deal.id
            market = markets.get(deal.symbol)  # it may have been listed once
            # Two positions that were closed by each other: each deal has one of the other side.
            if market is not None and deal.order_id:
                self._add(deal, market, closing)

    def _add(self, deal: Deal, market: Market, closing: _Closing) -> None:
        parts = (self._together if deal.external is None else self._apart).setdefault(deal.symbol, {})
        qty = deal.qty if deal.side is Side.BUY else -deal.qty
        shares = {deal.strategy_id: qty}
        others = any(part.qty for strategy_id, part in parts.items() if strategy_id != deal.strategy_id)
        if others and deal.external is None and closing.has(deal.order_id):
            shares = _shared(parts, qty) or shares
        whole, fee_left = sum(map(abs, shares.values()), ZERO), deal.fee
        for strategy_id, share in shares.items():
            part = parts.get(strategy_id)
            if part is None:
                part = parts[strategy_id] = Part(deal.symbol)
            profit = part.trade(share, deal.price)
            fee = average(deal.fee * abs(share), whole) if len(shares) > 1 else deal.fee
            fee_left -= fee
            self._tell(deal, market, strategy_id, profit, fee)
        if fee_left:
            self._tell(deal, market, deal.strategy_id, ZERO, fee_left)

    def _tell(self, deal: Deal, market: Market, strategy_id: int, profit: Decimal, fee: Decimal) -> None:
        for scope, made in self.made.items():
            if (
                scope.strategy_id == strategy_id
                and scope.symbol in (None, deal.symbol)
                and market.quote == made.currency
            ):
                made.add(deal.executed_at, profit - fee if deal.fee_currency == made.currency else profit)


def _shared(parts: _Parts, qty: Decimal) -> dict[int, Decimal]:
    """What a trade that makes the position smaller takes of each strategy; nothing if it does not.

    :param qty: base units, below 0 of one that sells
    """
    held = {strategy_id: part.qty for strategy_id, part in sorted(parts.items()) if part.qty}
    total = sum(held.values(), ZERO)
    if total * qty >= ZERO or abs(qty) > abs(total):
        return {}
    if qty == -total:
        return {strategy_id: -each for strategy_id, each in held.items()}
    shares = {strategy_id: average(each * qty, total) for strategy_id, each in held.items()}
    largest = max(held, key=lambda strategy_id: (abs(held[strategy_id]), -strategy_id))
    shares[largest] += qty - sum(shares.values(), ZERO)
    return shares


class OwnBooks:
    """The books that limits have asked for, by account."""

    def __init__(self) -> None:
        self._known: dict[int, OwnBook] = {}

    def clear(self) -> None:
        """Deals have moved from one strategy to another, or were taken back."""
        self._known.clear()

    def of(
        self,
        store: Store,
        markets: Mapping[str, Market],
        account_id: int,
        limits: Mapping[Scope, Kept],
        changes: Changes | None,
    ) -> OwnBook:
        """The book of an account as of now.

        :param markets: by symbol
        :param limits: all that are set
        :param changes: of a transaction that is not committed yet
        """
        asked = {
            scope: (kept.limits.currency, 0 if kept.limits.max_drawdown is None else kept.since_ms)
            for scope, kept in limits.items()
            if scope.account_id == account_id and scope.strategy_id is not None and kept.limits.of_profit
        }
        book = self._known.pop(account_id, None)  # one that was read by half is not kept
        if book is None or asked != {key: (made.currency, made.since_ms) for key, made in book.made.items()}:
            book = OwnBook(account_id, {scope: Made(*asked[scope]) for scope in asked})
        book.bring_up(store, markets, changes)
        self._known[account_id] = book
        return book
