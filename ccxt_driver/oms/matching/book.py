"""Orders of the OMS that rest at a price, best first."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import takewhile

from ccxt_driver.contract.commands import Side
from ccxt_driver.oms.entities import Order

Rank = tuple[int, int]
"""Time priority: the last order id given when the order began to rest, and a running number."""
_Entry = tuple[Rank, int, Order]


class _Side:
    """The orders of one side by price: of thousands a list takes long to make room in the middle."""

    __slots__ = ("levels", "prices")

    def __init__(self) -> None:
        self.levels: dict[Decimal, list[_Entry]] = {}
        self.prices: list[Decimal] = []
        """Ascending."""

    def add(self, price: Decimal, entry: _Entry) -> None:
        level = self.levels.get(price)
        if level is None:
            self.levels[price] = [entry]
            insort(self.prices, price)
        else:
            insort(level, entry)

    def remove(self, price: Decimal, rank: Rank, order_id: int) -> None:
        level = self.levels[price]
        del level[bisect_left(level, (rank, order_id))]
        if not level:
            del self.levels[price]
            del self.prices[bisect_left(self.prices, price)]

    def orders(self, prices: Iterable[Decimal]) -> Iterator[Order]:
        levels = self.levels
        return (entry[2] for price in prices for entry in levels[price])


class RestingBook:
    """The resting limit orders of one symbol under price-time priority."""

    __slots__ = ("_buys", "_keys", "_sells")

    def __init__(self) -> None:
        self._buys, self._sells = _Side(), _Side()
        self._keys: dict[int, tuple[Decimal, Rank]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._keys

    def add(self, order: Order, rank: Rank) -> None:
        """Let an order rest at its price, behind those of the same price and a lower rank."""
        price = order.price
        if price is None:
            raise ValueError(f"order {order.id} has no price to rest at")
        self._keys[order.id] = price, rank
        resting = self._buys if order.side is Side.BUY else self._sells
        resting.add(price, (rank, order.id, order))

    def remove(self, order: Order) -> None:
        """Take an order out; nothing happens when it does not rest."""
        key = self._keys.pop(order.id, None)
        if key is not None:
            resting = self._buys if order.side is Side.BUY else self._sells
            resting.remove(*key, order.id)

    def orders(self, side: Side) -> Iterator[Order]:
        """Resting orders of a side, the one that trades first ahead."""
        if side is Side.BUY:
            return self._buys.orders(reversed(self._buys.prices))
        return self._sells.orders(self._sells.prices)

    def best_price(self, side: Side) -> Decimal | None:
        """The price of the order that trades first; None when there is none."""
        if side is Side.BUY:
            return self._buys.prices[-1] if self._buys.prices else None
        return self._sells.prices[0] if self._sells.prices else None

    def crossed(self, bid: Decimal, ask: Decimal) -> Iterator[Order]:
        """Orders that a market with these best prices trades with, first come first."""
        buys, sells = self._buys, self._sells
        yield from buys.orders(takewhile(lambda price: price >= ask, reversed(buys.prices)))
        yield from sells.orders(takewhile(lambda price: price <= bid, sells.prices))
