"""The resting orders are in the order of price and time, whatever came and went."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from ccxt_driver.contract.commands import Side
from ccxt_driver.oms.entities import Order
from ccxt_driver.oms.matching.book import Rank, RestingBook

_PRICES = [Decimal(ticks) / 4 for ticks in range(1, 30)]


class Ranked:
    """All that rest, with their ranks, sorted anew for each question."""

    def __init__(self) -> None:
        self.rows: list[tuple[Rank, Order]] = []

    def of(self, side: Side) -> list[int]:
        sign = -1 if side is Side.BUY else 1
        own = [(sign * order.price, rank, order.id) for rank, order in self.rows if order.side is side]  # type: ignore[operator]
        return [order_id for _, _, order_id in sorted(own)]

    def crossed(self, bid: Decimal, ask: Decimal) -> list[int]:
        price_of = {order.id: order.price for _, order in self.rows}
        buys = [each for each in self.of(Side.BUY) if price_of[each] >= ask]  # type: ignore[operator]
        return buys + [each for each in self.of(Side.SELL) if price_of[each] <= bid]  # type: ignore[operator]


@pytest.mark.parametrize("seed", range(20))
def test_is_sorted_by_price_and_time(seed: int) -> None:
    chance = random.Random(seed)
    book, known = RestingBook(), Ranked()
    for number in range(1, 300):
        if known.rows and chance.random() < 0.45:
            _, order = known.rows.pop(chance.randrange(len(known.rows)))
            book.remove(order)
            assert order.id not in book
            book.remove(order)
        else:
            side, price = chance.choice([*Side]), chance.choice(_PRICES)
            order = Order(number, 1, "X", side, "limit", Decimal(1), 0, price=price)
            rank = (chance.choice([number, number // 2]), chance.randrange(3))
            book.add(order, rank)
            known.rows.append((rank, order))
            assert order.id in book
        assert len(book) == len(known.rows)
        price_of = {order.id: order.price for _, order in known.rows}
        for side in Side:
            wanted = known.of(side)
            assert [order.id for order in book.orders(side)] == wanted
            assert book.best_price(side) == (price_of[wanted[0]] if wanted else None)
        bid, ask = sorted(chance.sample(_PRICES, 2))
        assert [order.id for order in book.crossed(bid, ask)] == known.crossed(bid, ask)


def test_an_order_without_a_price_cannot_rest() -> None:
    with pytest.raises(ValueError, match="no price"):
        RestingBook().add(Order(1, 1, "X", Side.BUY, "market", Decimal(1), 0), (1, 0))
