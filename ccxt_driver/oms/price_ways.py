"""Prices that move through all between two points of a candle, and what is due on their way."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter

from ccxt_driver.contract.commands import Side

from .core import Core
from .entities import Order, Position
from .liquidation import safe_range
from .matching.order_types import thresholds
from .state import SymbolState


@dataclass(slots=True)
class Way:
    """A price that moves through all between two prices, in one moment.

    :param spread: between the best bid and ask
    :param at: where it is
    :param seen: up to where what is due of its own symbol was looked at
    :param step: to the next look, where liquidation is near
    """

    symbol: SymbolState
    start: Decimal
    end: Decimal
    spread: Decimal
    at: Decimal
    seen: Decimal
    step: Decimal

    @property
    def rises(self) -> bool:
        """Whether it ends higher than it has begun."""
        return self.end > self.start

    def share(self, price: Decimal) -> Decimal:
        """How much of it lies before a price."""
        return (price - self.start) / (self.end - self.start)

    def farther(self, one: Decimal, other: Decimal) -> Decimal:
        """The one of two prices that comes later."""
        return max(one, other) if self.rises else min(one, other)

    def go_to(self, share: Decimal) -> None:
        """Be at the last tick before a share of it, unless it is farther already."""
        price = self.start + (self.end - self.start) * share
        tick = self.symbol.market.tick_size
        self.at = self.farther(self.at, _whole_ticks(price, tick, up=not self.rises))


def ways_of(core: Core, now: int) -> Iterator[Way]:
    """Of all prices that matter to somebody and have moved at this very moment without a jump."""
    for name, symbol in core.state.symbols.items():
        start = core.market.came_from(name, now) if symbol.watched else None
        if start is None:
            continue
        end = core.quote(name, now).last
        if start != end:
            tick = symbol.market.tick_size
            bids, asks = core.market.book_on_the_way(name, now, start)
            yield Way(symbol, start, end, asks[0].price - bids[0].price, start, start, tick)


def show(core: Core, ways: list[Way], now: int) -> None:
    """Have everybody see the prices where they are on their ways."""
    for way in ways:
        core.pass_through(way.symbol, way.at, now)


def next_due(core: Core, ways: list[Way], now: int, fresh: Container[int]) -> tuple[Way, Decimal] | None:
    """The first of all ways on which something may be due, and the price there; None up to their ends."""
    found = []
    for way in ways:
        ahead = (price for price in _due(core, way, now, fresh) if way.farther(price, way.seen) != way.seen)
        nearest = min(ahead, default=None) if way.rises else max(ahead, default=None)
        if nearest is not None and way.farther(nearest, way.end) != nearest:
            found.append((way.share(nearest), way.symbol.market.symbol, way, nearest))
    if not found:
        return None
    _, _, way, price = min(found, key=itemgetter(0, 1))
    return way, price


def _due(core: Core, way: Way, now: int, fresh: Container[int]) -> Iterator[Decimal]:
    """Prices at which a trigger, a stop, an entry or a liquidation of one symbol may be due."""
    symbol, rises, tick = way.symbol, way.rises, way.symbol.market.tick_size
    if not symbol.is_open:
        return
    ranges = [thresholds(order) for order in symbol.triggers.values() if id(order) not in fresh]
    ranges += [between_stops(each) for each in symbol.stops.values() if id(each) not in fresh]
    for each in ranges:
        price = each[rises]
        if price is not None:
            yield _whole_ticks(price, tick, up=rises)
    for order in symbol.resting.orders(Side.SELL if rises else Side.BUY):
        if order.price is not None and (symbol.market.settle is not None or _has_stops(order)):
            # What it opens may end on the same way. It fills when the other side of the book has come to it.
            yield order.price + way.spread if rises else order.price - way.spread
    safe = safe_prices(core, symbol, now)[rises]
    if safe is not None:  # it may be too near, never too far: where it is reached, the next tick is looked at
        following = way.at + way.step if rises else way.at - way.step
        yield way.farther(_whole_ticks(safe, tick, up=rises), following)


def _has_stops(order: Order) -> bool:
    return order.stop_loss is not None or order.stop_gain is not None


def _whole_ticks(price: Decimal, tick: Decimal, *, up: bool) -> Decimal:
    """The price, or the next one that there is."""
    ticks = price // tick
    return (ticks + 1) * tick if up and ticks * tick < price else ticks * tick


def safe_prices(core: Core, symbol: SymbolState, at: int) -> tuple[Decimal | None, Decimal | None]:
    """Between which last prices nobody is liquidated: all of them, while the mark price is another one."""
    if not symbol.margined or core.market.is_marked(symbol.market.symbol, at):
        return None, None
    return safe_range(core, symbol, at)


def between_stops(position: Position) -> tuple[Decimal | None, Decimal | None]:
    """Between which last prices neither the stop nor the gain of a position is reached."""
    loss, gain = position.stop_loss, position.stop_gain
    return (loss, gain) if position.side is Side.BUY else (gain, loss)
