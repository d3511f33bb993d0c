"""What each strategy of a netting account holds and has made by itself.

There a position is of all strategies that trade on it, and says nothing of one. So a strategy's part is
reckoned from its own deals: their sum, and what they have made against their own average price. An order
that closes the position itself (`close_position`, a stop, a liquidation) acts for all of them: each strategy
is brought as much nearer to nothing as the position is.

A book is made when a limit first asks, from a checkpoint where there is one, and brought up by the deals
since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ccxt_driver.contract.commands import Side

from .deal_reading import DAY_MS, Checkpoints, Reading, Row
from .entities import ZERO, Deal, average
from .limits import Kept, Scope
from .market.listing import Market
from .store import Changes, Store


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
        day = at_ms // DAY_MS
        if day != self.day:
            self.day, self.of_day = day, ZERO
        self.of_day += amount
        if at_ms >= self.since_ms:
            self.total += amount
            self.highest = max(self.highest, self.total)

    def today(self, now: int) -> Decimal:
        """What was made since midnight UTC."""
        return self.of_day if self.day == now // DAY_MS else ZERO

    def dump(self) -> list[Any]:
        """Ready for JSON."""
        return [self.currency, self.since_ms, self.day, *map(str, (self.of_day, self.total, self.highest))]

    @classmethod
    def load(cls, row: list[Any]) -> Made:
        """What `dump` gave."""
        return cls(*row[:3], *map(Decimal, row[3:]))


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

    :param reading: how far its deals were read
    :param made: by the limits that ask
    """

    reading: Reading
    made: dict[Scope, Made]
    _together: dict[str, _Parts] = field(default_factory=dict)
    """Of the one position, by symbol."""
    _apart: dict[str, _Parts] = field(default_factory=dict)
    """Of positions of orders that were placed past the OMS, which nothing nets with."""

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

    def bring_up(
        self, store: Store, markets: Mapping[str, Market], changes: Changes | None, checkpoints: Checkpoints
    ) -> None:
        """Read the deals since the last time.

        :param markets: by symbol
        :param changes: of a transaction that is not committed yet
        :param checkpoints: gets another one when many were read
        """
        account_id = self.reading.account_id
        # Of all of them it is cheaper to ask at once.
        known = None if self.reading.seen_id else store.closing_orders(account_id)
        closing = _Closing(store, changes, known)
        for deals in self.reading.pages(store, markets):
            self._read(deals, markets, closing)
            if self.reading.is_far():
                checkpoints.put(_name(account_id), account_id, self.dump())
        self._read(self.reading.uncommitted(changes, markets), markets, closing)

    def dump(self) -> dict[str, Any]:
        """A checkpoint, ready for JSON."""
        return self.reading.dump() | {
            "together": _dump_parts(self._together),
            "apart": _dump_parts(self._apart),
            "made": [[scope.strategy_id, scope.symbol, made.dump()] for scope, made in self.made.items()],
        }

    @classmethod
    def load(cls, account_id: int, row: Row, asked: Mapping[Scope, Made], today_ms: int) -> OwnBook | None:
        """Go on from a checkpoint.

        :param asked: what limits ask for, as it is before the first deal
        :param today_ms: the last midnight
        :returns: None where it has left behind what a limit asks for that it did not know
        """
        known = {
            Scope(account_id, strategy, symbol): Made.load(made) for strategy, symbol, made in row["made"]
        }
        made: dict[Scope, Made] = {}
        for scope, new in asked.items():
            kept = known.get(scope)
            if kept is not None and (kept.currency, kept.since_ms) == (new.currency, new.since_ms):
                made[scope] = kept
            elif row["seen"][0] < (min(new.since_ms, today_ms) if new.since_ms else today_ms):
                made[scope] = new
            else:
                return None
        parts = _load_parts(row["together"]), _load_parts(row["apart"])
        return cls(Reading.load(account_id, row), made, *parts)

    def _read(self, deals: Iterable[Deal], markets: Mapping[str, Market], closing: _Closing) -> None:
        for deal in deals:
            # Two positions that were closed by each other: each deal has one of the other side.
            if deal.order_id:
                self._add(deal, markets[deal.symbol], closing)

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


def _name(account_id: int) -> str:
    """Of the checkpoints of a book."""
    return f"{account_id} strategies"


def _dump_parts(book: Mapping[str, _Parts]) -> list[list[Any]]:
    return [
        [symbol, strategy_id, str(part.qty), str(part.cost)]
        for symbol, parts in book.items()
        for strategy_id, part in parts.items()
        if part.qty
    ]


def _load_parts(rows: Iterable[list[Any]]) -> dict[str, _Parts]:
    book: dict[str, _Parts] = {}
    for symbol, strategy_id, qty, cost in rows:
        book.setdefault(symbol, {})[strategy_id] = Part(symbol, Decimal(qty), Decimal(cost))
    return book


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
        checkpoints: Checkpoints,
        now: int,
    ) -> OwnBook:
        """The book of an account as of now.

        :param markets: by symbol
        :param limits: all that are set
        :param changes: of a transaction that is not committed yet
        :param checkpoints: to begin from, and to add to
        """
        asked = {
            scope: Made(kept.limits.currency, 0 if kept.limits.max_drawdown is None else kept.since_ms)
            for scope, kept in limits.items()
            if scope.account_id == account_id and scope.strategy_id is not None and kept.limits.of_profit
        }
        book = self._known.pop(account_id, None)  # one that was read by half is not kept
        if book is None or not _same(asked, book.made):
            today_ms = now - now % DAY_MS
            rows = checkpoints.of(_name(account_id), markets)
            found = (OwnBook.load(account_id, row, asked, today_ms) for row in rows)
            book = next(filter(None, found), None) or OwnBook(Reading(account_id), asked)
        book.bring_up(store, markets, changes, checkpoints)
        self._known[account_id] = book
        return book


def _same(asked: Mapping[Scope, Made], made: Mapping[Scope, Made]) -> bool:
    return asked.keys() == made.keys() and all(
        (each.currency, each.since_ms) == (made[scope].currency, made[scope].since_ms)
        for scope, each in asked.items()
    )
