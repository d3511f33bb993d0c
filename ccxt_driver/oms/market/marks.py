"""Recorded mark prices of a swap: what open positions are valued at, and liquidated by."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ccxt_driver.oms.market.feed import TIMEFRAMES, Candle, candle_open, next_open

if TYPE_CHECKING:
    from ccxt_driver.oms.market.files import Tape

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
        self._timeframe = timeframe
        [self._pages] = tape.pages
        self._ends: dict[int, list[int]] = {}
        """By page, the ends of candles that none follows at once."""

    def price(self, at_ms: int) -> Decimal | None:
        """The mark price of a moment; None where none is known."""
        found = self._pages.last_by(at_ms)
        if found is None:
            return None
        _, page, index = found
        open_ms = candle_open(self._timeframe, page.time(index))
        if at_ms >= next_open(self._timeframe, open_ms):
            return None
        price: Decimal = page.price(index)
        return price

    def opening_price(self, at_ms: int) -> Decimal | None:
        """The price at which a candle has just opened; None where none has."""
        return self.price(at_ms) if at_ms - candle_open(self._timeframe, at_ms) < _NEAR_MS else None

    def first_move(
        self, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> int | None:
        """The first moment in (after_ms, until_ms] that reaches one of two prices, or that begins a gap."""
        move = self.tape.first_move(after_ms, until_ms, low, high)
        reached_ms = until_ms if move is None else move.time_ms
        ends = (end_ms for end_ms in self._ends_between(after_ms, reached_ms) if end_ms > after_ms)
        end_ms = next(ends, None)
        if end_ms is not None and end_ms <= reached_ms:
            return end_ms
        return None if move is None else reached_ms

    def candles(self, timeframe: str, since_ms: int | None, until_ms: int, limit: int) -> list[Candle]:
        """Candles of it; see `Feed.candles`."""
        return self.tape.candles(timeframe, since_ms, until_ms, limit)

    def _ends_between(self, after_ms: int, until_ms: int) -> Iterator[int]:
        """Where nothing is known from, of all pages that have something of a time, ascending."""
        for number, page, _, _ in self._pages.between(after_ms - TIMEFRAMES[self._timeframe], until_ms):
            if number not in self._ends:
                self._ends[number] = self._ends_of(number, page.bars.opens_ms)
            yield from self._ends[number]

    def _ends_of(self, number: int, opens_ms: list[int]) -> list[int]:
        pages, timeframe = self._pages, self._timeframe
        pages.reach(pages.entries[number].last_ms)
        following = pages.firsts[number + 1 : number + 2]
        pairs = pairwise([*opens_ms, *following])
        ends = [end_ms for opened, opens in pairs if (end_ms := next_open(timeframe, opened)) != opens]
        return ends if following else [*ends, next_open(timeframe, opens_ms[-1])]
