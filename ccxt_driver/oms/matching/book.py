"""Orders of the OMS that rest at a price, best first."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal

from ccxt_driver.contract.commands import Side
from ccxt_driver.oms.entities import Order

Rank = tuple[int, int]
"""Time priority: the last order id given when the order began to rest, and a running number."""
_Entry = tuple[Decimal, Rank, int, Order]


class RestingBook:
    """The resting limit orders of one symbol under price-time priority."""

    __slots__ = ("_buys", "_keys", "_sells")

    def __init__(self) -> None:
        self._buys: list[_Entry] = []
        self._sells: list[_Entry] = []
        self._keys: dict[int, tuple[Decimal, Rank, int]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._keys

    def add(self, order: Order, rank: Rank) -> None:
        """Let an order rest at its price, behind those of the same price and a lower rank."""
        if order.price is None:
            raise ValueError(f"order {order.id} has no price to rest at")
        buys = order.side is Side.BUY
        key = (-order.price if buys else order.price, rank, order.id)
        self._keys[order.id] = key
        insort(self._buys if buys else self._sells, (*key, order))

    def remove(self, order: Order) -> None:
        """Take an order out; nothing happens when it does not rest."""
        key = self._keys.pop(order.id, None)
        if key is not None:
            entries = self._side(order.side)
            del entries[bisect_left(entries, key)]

    def orders(self, side: Side) -> Iterator[Order]:
        """Resting orders of a side, the one that trades first ahead."""
        return (entry[3] for entry in self._side(side))

    def best_price(self, side: Side) -> Decimal | None:
        """The price of the order that trades first; None when there is none."""
        entries = self._buys if side is Side.BUY else self._sells
        return entries[0][3].price if entries else None

    def crossed(self, bid: Decimal, ask: Decimal) -> Iterator[Order]:
        """Orders that a market with these best prices trades with, first come first."""
        for price, _, _, order in self._buys:
            if -price < ask:
                break
            yield order
        for price, _, _, order in self._sells:
            if price > bid:
                break
            yield order

    def _side(self, side: Side) -> list[_Entry]:
        return self._buys if side is Side.BUY else self._sells
