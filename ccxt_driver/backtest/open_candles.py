"""Candles of a file in ccxt's form, as far as they are known at a moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ccxt_driver.oms.market.feed import TIMEFRAMES, next_open
from ccxt_driver.oms.market.prints import Bars

NEVER: Final = 2**62
KEPT: Final = 5_000
"""How many closed candles are kept; older ones are read from the file again."""
_MONTH_MS: Final = 28 * 86_400_000


class Flat(list[Any]):
    """A candle of a time in which nothing was recorded."""


class OpenCandles:
    """One symbol's candles in the timeframe of its file.

    The newest one is what it was when it opened: of a candle in the making nothing else is known here.

    :param pages: of the file
    :param timeframe: of its candles
    """

    def __init__(self, pages: Iterator[Bars], timeframe: str) -> None:
        self.rows: list[list[Any]] = []
        """Closed ones, and the newest; flat and without volume where nothing was recorded."""
        self.next_ms = NEVER
        """When the next one opens."""
        self.changes = 0
        """How often another has become the newest."""
        self._timeframe = timeframe
        self._length_ms = _MONTH_MS if timeframe == "1M" else TIMEFRAMES[timeframe]
        """No two openings are nearer to each other."""
        self._pages = pages
        self._bars: Iterator[tuple[Any, ...]] = iter(())
        self._final: tuple[Any, ...] = ()
        """The newest as it will be."""
        self._following: tuple[Any, ...] = ()
        self._read()

    def advance(self, now_ms: int) -> None:
        """Open the candles up to a moment; between two of the file flat ones, as far as the moment goes."""
        while self.next_ms <= now_ms:
            self.open_next()
        rows = self.rows
        if rows and now_ms - rows[-1][0] >= self._length_ms:
            self._fill(now_ms + 1)

    def open_next(self) -> None:
        """Close the newest candle, and open the next."""
        rows, following = self.rows, self._following
        open_ms, first, *_ = following
        if rows:
            newest = rows[-1]
            newest[:] = self._final
            if open_ms - newest[0] > self._length_ms:
                self._fill(open_ms)
        rows.append([open_ms, first, first, first, first, 0.0])
        self.changes += 1
        self._final = following
        try:
            self._following = following = next(self._bars)
        except StopIteration:
            self._read()
        else:
            self.next_ms = following[0]

    def _fill(self, until_ms: int) -> None:
        """Flat candles after the newest one, those that open before a moment."""
        rows = self.rows
        open_ms = next_open(self._timeframe, rows[-1][0])
        if open_ms >= until_ms:
            return
        rows[-1][:] = self._final
        price = self._final[4]
        self.changes += 1
        while open_ms < until_ms:
            self._final = (open_ms, price, price, price, price, 0.0)
            rows.append(Flat(self._final))
            open_ms = next_open(self._timeframe, open_ms)

    def _read(self) -> None:
        """Go on with the next page of the file; forget what is long over."""
        if len(self.rows) > 2 * KEPT:
            del self.rows[:-KEPT]
        for page in self._pages:
            self._bars = zip(*page, strict=True)
            for following in self._bars:
                self._following, self.next_ms = following, following[0]
                return
        self.next_ms = NEVER

    @property
    def as_of_ms(self) -> int:
        """Of which moment the newest is what it was."""
        opened: int = self.rows[-1][0]
        return opened

    def newest(self, count: int) -> list[list[Any]]:
        """Copies of the newest ones; the last is as it opened."""
        return [row.copy() for row in self.rows[-count:]]
