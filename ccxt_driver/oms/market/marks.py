"""Recorded mark prices of a swap: what open positions are valued at, and liquidated by."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from ccxt_driver.oms.market.feed import Candle, candle_open, next_open

if TYPE_CHECKING:
    from ccxt_driver.oms.market.files import Tape
    from ccxt_driver.oms.market.prints import Moves

_NEAR_MS: Final = 30_000
"""How long after the opening of a candle its price is taken for that of the opening."""


class RecordedMarks:
    """Mark prices from candles, see `Marks`; where a candle is missing none is known.

    :param tape: of the candles
    :param timeframe: of the candles
    :param is_fine: whether they tell what happens between two openings as well as the price does
    """

    def __init__(self, tape: Tape, timeframe: str, is_fine: bool) -> None:
        self.tape = tape
        self.is_fine = is_fine
        self.timeframe = timeframe
        [self._pages] = tape.pages
        self._ends: list[int] = []
        """Of candles that none follows at once, as far as pages were looked through."""
        self._looked_through = 0

    def price(self, at_ms: int) -> Decimal | None:
        """The mark price of a moment; None where none is known."""
        found = self._pages.last_by(at_ms)
        if found is None:
            return None
        _, page, index = found
        open_ms = candle_open(self.timeframe, page.time(index))
        if at_ms >= next_open(self.timeframe, open_ms):
            return None
        price: Decimal = page.price(index)
        return price

    def opening_price(self, at_ms: int) -> Decimal | None:
        """The price at which a candle has just opened; None where none has."""
        return self.price(at_ms) if at_ms - candle_open(self.timeframe, at_ms) < _NEAR_MS else None

    def first_move(
        self, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> int | None:
        """The first moment in (after_ms, until_ms] that reaches one of two prices, or that begins a gap."""
        move = self.tape.first_move(after_ms, until_ms, low, high)
        reached_ms = until_ms if move is None else move.time_ms
        end_ms = self._next_end(after_ms, reached_ms)
        if end_ms is not None:
            return end_ms
        return None if move is None else reached_ms

    def candles(self, timeframe: str, since_ms: int | None, until_ms: int, limit: int) -> list[Candle]:
        """Candles of it; see `Feed.candles`."""
        return self.tape.candles(timeframe, since_ms, until_ms, limit)

    def moves(self) -> Iterator[Moves]:
        """Pages of all that it does, as `FileFeed.moves` gives it of a price."""
        return self.tape.moves()

    def span(self, at_ms: int) -> tuple[int, int] | None:
        """From when on and up to when there are candles that begin by a moment; None where there is none."""
        found = self._pages.last_by(at_ms)
        if found is None:
            return None
        _, page, index = found
        return self.tape.first_ms(), next_open(self.timeframe, candle_open(self.timeframe, page.time(index)))

    def ends(self, until_ms: int) -> list[int]:
        """The moments up to one from which no price is known, ascending."""
        while self._look_through(until_ms):
            pass
        return self._ends[: bisect_right(self._ends, until_ms)]

    def _next_end(self, after_ms: int, until_ms: int) -> int | None:
        """The first moment in (after_ms, until_ms] from which no price is known."""
        ends = self._ends
        index = bisect_right(ends, after_ms)
        while index == len(ends) and self._look_through(until_ms):
            index = bisect_right(ends, after_ms)
        return ends[index] if index < len(ends) and ends[index] <= until_ms else None

    def _look_through(self, until_ms: int) -> bool:
        """Find the ends in the next page, if there is one that begins by a moment."""
        pages, number, timeframe = self._pages, self._looked_through, self.timeframe
        pages.reach(pages.entries[number - 1].last_ms if number else 0)
        if number == len(pages.entries) or pages.firsts[number] > until_ms:
            return False
        opens_ms = pages.page(number).bars.opens_ms
        pages.reach(pages.entries[number].last_ms)
        following = pages.firsts[number + 1 : number + 2]
        for open_ms, next_ms in zip_longest(opens_ms, [*opens_ms[1:], *following]):
            end_ms = next_open(timeframe, open_ms)
            if end_ms != next_ms:
                self._ends.append(end_ms)
        self._looked_through += 1
        return True
