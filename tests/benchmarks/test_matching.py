"""The matching engine by itself: orders that rest, are cancelled, and trade with each other."""

from __future__ import annotations

import random
import time
from decimal import Decimal

import pytest

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import OrderStatus
from ccxt_driver.oms.entities import Order, opposite
from ccxt_driver.oms.matching.book import RestingBook
from ccxt_driver.oms.matching.engine import BookDepthFill
from ccxt_driver.oms.matching.lifecycle import transition
from ccxt_driver.oms.matching.liquidity import Liquidity

EVENTS = 200_000
RESTING = 1_000
_MIDDLE = Decimal(60_000)
_TICKS = [Decimal(ticks) / 2 for ticks in range(400)]
_QTYS = [Decimal(lots) / 1000 for lots in range(1, 50)]


class _Venue:
    """One book, and what becomes of each order: no accounts, no ledger, no feed."""

    def __init__(self) -> None:
        self.book = RestingBook()
        self.engine = BookDepthFill()
        self.nothing = Liquidity()
        self.resting: list[Order] = []
        self.traded = Decimal(0)

    def arrive(self, order: Order) -> None:
        """Match an order, and let the rest of it wait."""
        transition(order, OrderStatus.SUBMITTED)
        plan = self.engine.taker(
            order.account_id, order.side, order.qty, order.price, self.nothing, self.book
        )
        for _, qty, maker in plan.fills:
            assert maker is not None
            self._fill(maker, qty)
            self._fill(order, qty)
            self.traded += qty
            if not maker.is_open:
                self.book.remove(maker)
        if plan.unfilled:
            self.book.add(order, (order.id, 0))
            self.resting.append(order)

    def _fill(self, order: Order, qty: Decimal) -> None:
        order.filled_qty += qty
        ended = order.filled_qty == order.qty
        transition(order, OrderStatus.FILLED if ended else OrderStatus.PARTIALLY_FILLED)

    def cancel(self, order: Order) -> None:
        """Take an order out of the book."""
        transition(order, OrderStatus.CANCELED)
        self.book.remove(order)


def _orders(chance: random.Random, count: int) -> list[Order]:
    """Orders of many accounts around a price; one in ten goes through it."""
    made = []
    for order_id in range(1, count + 1):
        side = chance.choice((Side.BUY, Side.SELL))
        away = chance.choice(_TICKS) if chance.random() < 0.9 else -_TICKS[5]
        price = _MIDDLE - away if side is Side.BUY else _MIDDLE + away
        made.append(Order(order_id, order_id, "X", side, "limit", chance.choice(_QTYS), 0, price=price))
    return made


def _run(seed: int) -> tuple[float, int, _Venue]:
    """Seconds of the engine alone, how many events it had, and what is left."""
    chance = random.Random(seed)
    venue = _Venue()
    orders = iter(_orders(chance, EVENTS))
    picks = [chance.random() for _ in range(EVENTS)]
    events = 0
    started = time.perf_counter()
    for pick in picks:
        if len(venue.resting) < RESTING:
            venue.arrive(next(orders))
        else:
            # The last takes the place of the one that goes, so that the list costs next to nothing.
            index = int(pick * RESTING)
            order, venue.resting[index] = venue.resting[index], venue.resting[-1]
            venue.resting.pop()
            if not order.is_open:
                continue
            venue.cancel(order)
        events += 1
    return time.perf_counter() - started, events, venue


@pytest.mark.benchmark
def test_order_events_a_second() -> None:
    rates = []
    for seed in range(5):
        seconds, events, venue = _run(seed)
        rates.append(events / seconds)
        assert venue.traded > 0
        bids, asks = (next(venue.book.orders(side)) for side in (Side.BUY, Side.SELL))
        assert bids.price is not None
        assert asks.price is not None
        assert bids.price < asks.price
        assert opposite(bids.side) is asks.side
    print(f"\nmatching: {max(rates):,.0f} order events a second (goal: 200,000)")
