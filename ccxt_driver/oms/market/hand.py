"""Prices set by a person: what was set stands until the next is set."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from typing import Literal, NamedTuple

from ccxt_driver.oms.market.feed import (
    EXACT,
    UNLIMITED,
    Candle,
    Level,
    Quote,
    Trade,
    candle_open,
    candle_opens,
    next_open,
)
from ccxt_driver.oms.market.listing import Market, UnknownSymbol

KEPT_PRICES = 10_000
"""A symbol's history begins anew at half of these when there are more, to bound memory."""


class HandPrice(NamedTuple):
    """One price that was set; `size` is None for an unlimited quantity on both sides."""

    time_ms: int
    bid: Decimal
    ask: Decimal
    last: Decimal
    size: Decimal | None


class _History:
    """What was set for one symbol, in order of time."""

    def __init__(self, prices: Sequence[HandPrice], forgotten: int, began_ms: int) -> None:
        self.prices = list(prices)
        self.times = [price.time_ms for price in prices]
        self.forgotten = forgotten
        self.began_ms = began_ms

    def append(self, price: HandPrice) -> None:
        if len(self.prices) == KEPT_PRICES:
            surplus = KEPT_PRICES // 2
            del self.prices[:surplus], self.times[:surplus]
            self.forgotten += surplus
        self.prices.append(price)
        self.times.append(price.time_ms)


class HandFeed:
    """A `Feed` of the prices that a person sets, from the first time they are set.

    Each setting is a book of one level either side and one print of the last price, which counts
    as a trade of one lot. Candles without a print are flat. Only the newest `KEPT_PRICES` are
    remembered; candles and trades begin with the oldest of them.

    :param markets: the symbols whose prices may be set, with their tick and lot
    """

    def __init__(self, markets: Iterable[Market]) -> None:
        self._markets = {market.symbol: market for market in markets}
        self._histories: dict[str, _History] = {}

    @property
    def step_ms(self) -> int:
        """A price may be set at any millisecond."""
        return 1

    def forgets(self, symbol: str) -> bool:
        """Whether a symbol was set more often than is remembered."""
        return self._history(symbol).forgotten > 0

    def began_ms(self, symbol: str) -> int | None:
        """When a symbol was set for the first time; None when it never was."""
        history = self._histories.get(symbol)
        return None if history is None else history.began_ms

    def set(
        self,
        symbol: str,
        at_ms: int,
        bid: Decimal | None = None,
        ask: Decimal | None = None,
        last: Decimal | None = None,
        size: Decimal | None = None,
    ) -> HandPrice:
        """Set the price of a symbol from a moment on.

        What is left out is derived: from `last` alone the bid and the ask lie one tick either
        side; a missing `last` is the middle, rounded to the tick; of bid and ask the missing one
        lies two ticks from the other, or one tick beyond `last` where that is further.

        :param at_ms: not before the last time that was set
        :param size: quantity on each side in base currency, None for unlimited; takers use it up
            until the next setting
        :returns: the price in full
        :raises UnknownSymbol: not a listed market
        :raises ValueError: nothing given, or a value that makes no sense, named in the message
        """
        market = self._market(symbol)
        history = self._histories.get(symbol)
        if history is not None and at_ms < history.times[-1]:
            raise ValueError(f"at_ms: expected {history.times[-1]} or later, as last set, got {at_ms}")
        for name, value in (("bid", bid), ("ask", ask), ("last", last)):
            _check_multiple(name, value, market.tick_size, "tick")
        _check_multiple("size", size, market.lot_size, "lot")
        with localcontext(EXACT):
            price = HandPrice(at_ms, *_complete(bid, ask, last, market.tick_size), size)
        if not 0 < price.bid < price.ask:
            raise ValueError(f"bid: expected above 0 and below the ask {price.ask}, got {price.bid}")
        if not price.bid <= price.last <= price.ask:
            raise ValueError(f"last: expected from {price.bid} (bid) to {price.ask} (ask), got {price.last}")
        if history is None:
            history = self._histories[symbol] = _History((), 0, at_ms)
        history.append(price)
        return price

    def quote(self, symbol: str, at_ms: int) -> Quote:
        """The price as of a moment.

        :raises LookupError: nothing was set by then, or it is no longer remembered
        """
        history, index = self._at(symbol, at_ms)
        return Quote(*history.prices[index][:4])

    def book(self, symbol: str, at_ms: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """The book as of a moment."""
        history, index = self._at(symbol, at_ms)
        price = history.prices[index]
        qty = UNLIMITED if price.size is None else price.size
        return (Level(price.bid, qty),), (Level(price.ask, qty),)

    def book_version(self, symbol: str, at_ms: int) -> int:
        """The version of the book as of a moment."""
        history, index = self._at(symbol, at_ms)
        # Negative, so that it never equals the step number of a feed that went before.
        return -(history.forgotten + index + 1)

    def first_move(
        self, symbol: str, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> Quote | None:
        """The first quote that reaches one of two prices; see `Feed.first_move`."""
        history = self._history(symbol)
        for index in range(bisect_right(history.times, after_ms), bisect_right(history.times, until_ms)):
            price = history.prices[index]
            if (low is not None and price.bid <= low) or (high is not None and price.ask >= high):
                return Quote(*price[:4])
        return None

    def candles(
        self, symbol: str, timeframe: str, since_ms: int | None, until_ms: int, limit: int
    ) -> list[Candle]:
        """Candles in ascending order; see `Feed.candles`."""
        history = self._history(symbol)
        lot = self._market(symbol).lot_size
        earliest = candle_open(timeframe, history.times[0])
        if until_ms < history.times[0]:
            return []
        return [
            _candle(history, open_ms, min(next_open(timeframe, open_ms), until_ms + 1), lot)
            for open_ms in candle_opens(timeframe, since_ms, until_ms, limit, earliest)
        ]

    def trades(self, symbol: str, since_ms: int | None, until_ms: int, limit: int) -> list[Trade]:
        """Public trades in ascending order; see `Feed.trades`."""
        history = self._history(symbol)
        lot = self._market(symbol).lot_size
        end = bisect_right(history.times, until_ms)
        if since_ms is None:
            start = max(0, end - max(0, limit))
        else:
            start = bisect_left(history.times, since_ms)
            end = min(end, start + limit)
        return [
            Trade(
                f"set-{history.forgotten + index + 1}",
                history.times[index],
                history.prices[index].last,
                lot,
                _taker_side(history.prices[index]),
            )
            for index in range(start, end)
        ]

    def dump(self) -> dict[str, tuple[int, int, list[HandPrice]]]:
        """By symbol: how many prices are forgotten, when the first was set, those remembered."""
        return {
            symbol: (history.forgotten, history.began_ms, list(history.prices))
            for symbol, history in self._histories.items()
        }

    def restore(self, state: dict[str, tuple[int, int, list[HandPrice]]]) -> None:
        """Take back what `dump` gave.

        :raises UnknownSymbol: a symbol that is no longer listed
        """
        histories: dict[str, _History] = {}
        for symbol, (forgotten, began_ms, prices) in state.items():
            self._market(symbol)
            histories[symbol] = _History(prices, forgotten, began_ms)
        self._histories = histories

    def _market(self, symbol: str) -> Market:
        try:
            return self._markets[symbol]
        except KeyError:
            raise UnknownSymbol(symbol) from None

    def _history(self, symbol: str) -> _History:
        try:
            return self._histories[symbol]
        except KeyError:
            self._market(symbol)
            raise LookupError(f"no price of {symbol} was set") from None

    def _at(self, symbol: str, at_ms: int) -> tuple[_History, int]:
        history = self._history(symbol)
        index = bisect_right(history.times, at_ms) - 1
        if index < 0:
            raise LookupError(f"no price of {symbol} is remembered from {at_ms} or before")
        return history, index


def _check_multiple(name: str, value: Decimal | None, unit: Decimal, unit_name: str) -> None:
    if value is None:
        return
    if not (value.is_finite() and value > 0):
        raise ValueError(f"{name}: expected a number above 0, got {value}")
    if value >= UNLIMITED:
        raise ValueError(f"{name}: expected less than {UNLIMITED}, got {value}")
    if EXACT.remainder(value, unit) != 0:
        raise ValueError(f"{name}: expected a multiple of the {unit_name} {unit}, got {value}")


def _complete(
    bid: Decimal | None, ask: Decimal | None, last: Decimal | None, tick: Decimal
) -> tuple[Decimal, Decimal, Decimal]:
    if last is None:
        if bid is not None:
            high = bid + 2 * tick if ask is None else ask
            low = bid
        elif ask is not None:
            low, high = ask - 2 * tick, ask
        else:
            raise ValueError("last: expected at least one of bid, ask and last")
        ticks = ((low + high) / (2 * tick)).quantize(Decimal(1))
        return low, high, ticks * tick
    if bid is None:
        bid = last - tick if ask is None else min(last - tick, ask - 2 * tick)
    if ask is None:
        ask = max(last + tick, bid + 2 * tick)
    return bid, ask, last


def _candle(history: _History, open_ms: int, end_ms: int, lot: Decimal) -> Candle:
    """What was printed in [open_ms, end_ms); flat at the price before when nothing was."""
    start, end = bisect_left(history.times, open_ms), bisect_left(history.times, end_ms)
    prices = [price.last for price in history.prices[start:end]]
    if not prices:
        prices = [history.prices[start - 1].last]
    return Candle(open_ms, prices[0], max(prices), min(prices), prices[-1], EXACT.multiply(lot, end - start))


def _taker_side(price: HandPrice) -> Literal["buy", "sell"]:
    return "buy" if price.ask - price.last <= price.last - price.bid else "sell"
