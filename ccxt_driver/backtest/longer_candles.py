"""Candles of a longer timeframe than those of a file, made of them as they open."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from ccxt_driver.oms.market.feed import EXACT, candle_open

from .open_candles import KEPT, Flat, OpenCandles

_ZERO: Final = Decimal(0)


class LongerCandles:
    """As `OpenCandles`, of a longer timeframe.

    :param shorter: candles of the file; moved by this object alone
    :param timeframe: a longer one
    """

    def __init__(self, shorter: OpenCandles, timeframe: str) -> None:
        self.rows: list[list[Any]] = []
        """Closed ones, and the newest; flat and without volume where nothing was recorded."""
        self.changes = 0
        """How often the newest has become another, or what it was."""
        self._shorter = shorter
        self._timeframe = timeframe
        self._part: list[Any] = []
        """Open, high, low and close of the newest's shorter candles that have closed; empty without any."""
        self._volume = _ZERO
        """Of the same."""
        self._merged_ms = -1
        """The last that has closed."""

    @property
    def next_ms(self) -> int:
        """When there is something new."""
        return self._shorter.next_ms

    @property
    def as_of_ms(self) -> int:
        """Of which moment the newest is what it was."""
        return self._shorter.as_of_ms

    def advance(self, now_ms: int) -> None:
        """Go on up to a moment."""
        while self._shorter.next_ms <= now_ms:
            self.open_next()
        before = self._shorter.changes
        self._shorter.advance(now_ms)
        if self._shorter.changes != before:
            self._follow()

    def open_next(self) -> None:
        """Go on to the next shorter candle."""
        self._shorter.open_next()
        self._follow()

    def _follow(self) -> None:
        """Take over what has closed and what has opened since the last time."""
        shorter = self._shorter.rows
        first = len(shorter) - 1
        while first > 0 and shorter[first - 1][0] > self._merged_ms:
            first -= 1
        for candle in shorter[first:-1]:
            self._close(candle)
        self._open(shorter[-1])
        self.changes += 1
        if len(self.rows) > 2 * KEPT:
            del self.rows[:-KEPT]

    def _close(self, candle: list[Any]) -> None:
        """A shorter candle is what it will stay."""
        at_ms, first, high, low, close, volume = candle
        self._turn(at_ms)
        self._merged_ms = at_ms
        if type(candle) is Flat:
            self._stay(close)
            return
        part = self._part or [first, high, low, close]
        self._part = [part[0], max(part[1], high), min(part[2], low), close]
        self._volume = EXACT.add(self._volume, Decimal(repr(volume)))
        self.rows[-1][1:] = [*self._part, float(self._volume)]

    def _open(self, candle: list[Any]) -> None:
        """A shorter candle has just opened; it may still become anything."""
        at_ms, first, high, low, close, _ = candle  # it has traded nothing yet
        self._turn(at_ms)
        if type(candle) is Flat:
            self._stay(close)
            return
        part = self._part or [first, high, low, close]
        self.rows[-1][1:] = [part[0], max(part[1], high), min(part[2], low), close, float(self._volume)]

    def _stay(self, price: float) -> None:
        """Nothing was recorded: what was before is all there is, or else the price stays where it was."""
        if not self._part:
            self.rows[-1][1:] = [price, price, price, price, 0.0]

    def _turn(self, at_ms: int) -> None:
        """Begin another candle, when a moment is none of the newest."""
        open_ms = candle_open(self._timeframe, at_ms)
        if not self.rows or self.rows[-1][0] != open_ms:
            self.rows.append([open_ms, 0.0, 0.0, 0.0, 0.0, 0.0])
            self._part, self._volume = [], _ZERO

    def newest(self, count: int) -> list[list[Any]]:
        """Copies of the newest ones."""
        return [[*row] for row in self.rows[-count:]]
