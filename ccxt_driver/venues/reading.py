"""What a venue sends, in units of the embedded OMS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any, Literal, NamedTuple

from ccxt_driver.oms.market.feed import EXACT, Candle, Level
from ccxt_driver.oms.market.listing import Market

from .listing import decimal_of

Levels = tuple[Level, ...]


class UnusableBook(ValueError):
    """A book that nobody may trade on; the text is a word for the reason."""


class Print(NamedTuple):
    """A public trade; `id` is None where the venue gives none.

    :param at_ms: when it was by the venue's own clock: it only tells trades apart
    """

    id: str | None
    price: Decimal
    qty: Decimal
    side: Literal["buy", "sell"]
    at_ms: int | None = None


class Reader:
    """Reads what is sent of one market.

    :param scale: base currency in what the venue counts as one
    :param depth: the levels that are kept of each side of a book
    """

    def __init__(self, market: Market, scale: Decimal, depth: int) -> None:
        self._tick = market.tick_size
        self._scale = scale
        self._depth = depth
        self._last: Decimal | None = None

    def book(self, book: Mapping[str, Any]) -> tuple[Levels, Levels]:
        """Bids and asks, best first. Prices off the tick are rounded away from the other side.

        :raises UnusableBook: a side is empty, the sides cross, or it cannot be read
        """
        try:
            bids = self._side(book["bids"], ROUND_FLOOR)
            asks = self._side(book["asks"], ROUND_CEILING)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UnusableBook("unreadable_book") from error
        if not bids or not asks:
            raise UnusableBook("empty_book")
        best = tuple(sorted(bids, reverse=True)), tuple(sorted(asks))
        if best[0][0].price >= best[1][0].price:
            raise UnusableBook("crossed_book")
        return best

    def _side(self, rows: Sequence[Sequence[Any]], rounding: str) -> list[Level]:
        levels: dict[Decimal, Decimal] = {}
        for row in rows[: self._depth]:
            price = self._price(row[0], rounding)
            qty = EXACT.multiply(decimal_of(row[1]), self._scale)
            if price > 0 and qty > 0:
                levels[price] = EXACT.add(levels.get(price, Decimal(0)), qty)
        return [Level(price, qty) for price, qty in levels.items()]

    def trades(self, rows: Iterable[Mapping[str, Any]]) -> list[Print]:
        """Trades in the order they came. One without a side took the side that the price moved to.

        :raises ValueError: a trade without a price or a quantity
        """
        found: list[Print] = []
        for row in rows:
            price = self._price(row["price"], ROUND_HALF_EVEN)
            qty = EXACT.multiply(decimal_of(row["amount"]), self._scale)
            if price <= 0 or qty <= 0:
                raise ValueError(f"expected a price and an amount above 0, got {price} and {qty}")
            falls = self._last is not None and price < self._last
            known = row.get("side")
            side: Literal["buy", "sell"] = "sell" if known == "sell" or (known != "buy" and falls) else "buy"
            trade_id = row.get("id")
            name = None if trade_id is None else str(trade_id)
            found.append(Print(name, price, qty, side, row.get("timestamp")))
            self._last = price
        return found

    def candles(self, rows: Iterable[Sequence[Any]]) -> list[Candle]:
        """Candles of the venue; those that make no sense are left out."""
        found: list[Candle] = []
        for row in rows:
            if len(row) < 6 or any(value is None for value in row[:6]):
                continue
            first, high, low, close = (self._price(value, ROUND_HALF_EVEN) for value in row[1:5])
            if 0 < low <= min(first, close) and max(first, close) <= high:
                found.append(
                    Candle(int(row[0]), first, high, low, close, max(Decimal(0), decimal_of(row[5])))
                )
        return found

    def _price(self, value: object, rounding: str) -> Decimal:
        number = decimal_of(value)
        if not EXACT.remainder(number, self._tick):
            return number
        ticks = EXACT.divide(number, self._tick).to_integral_value(rounding)
        return EXACT.multiply(ticks, self._tick)
