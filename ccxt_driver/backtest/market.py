"""The recorded market of a run, beside what the OMS shows of it."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ccxt_driver.oms.market.feed import TIMEFRAMES, candle_open, next_open
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.market.prints import Moves

from .longer_candles import LongerCandles
from .open_candles import OpenCandles
from .run import Prices
from .thinning import thinned
from .tick_reader import TickReader

_POINTS: Final = 4
"""Of each path through a candle; the first is its opening."""
_MINUTE_MS: Final = 60_000


class RecordedMarket:
    """What the files have, as far as a moment goes.

    :param feed: of the OMS
    """

    def __init__(self, feed: FileFeed) -> None:
        self._feed = feed
        self._begins_ms = feed.begins_ms
        self._candles: dict[tuple[str, str], OpenCandles | LongerCandles | None] = {}

    def next_news(self, after_ms: int) -> int | None:
        """The first time after another at which something was recorded; see `FileFeed.next_news`."""
        return self._feed.next_news(after_ms)

    def candles(self, symbol: str, timeframe: str) -> OpenCandles | LongerCandles | None:
        """The candles of a symbol, where its price comes from those of this timeframe or a shorter one.

        None otherwise, and where longer candles need not begin with one of the file's.
        """
        key = (symbol, timeframe)
        if key not in self._candles:
            self._candles[key] = self._made(symbol, timeframe)
        return self._candles[key]

    def _made(self, symbol: str, timeframe: str) -> OpenCandles | LongerCandles | None:
        own = self._timeframe(symbol)
        if own is None or timeframe not in TIMEFRAMES:
            return None
        own_ms, wanted_ms = TIMEFRAMES[own], TIMEFRAMES[timeframe]
        if timeframe != own and (own == "1w" or wanted_ms < own_ms or wanted_ms % own_ms):
            return None
        found = OpenCandles(self._feed.bars(symbol), own)
        return found if timeframe == own else LongerCandles(found, timeframe)

    def forming(self, symbol: str, timeframe: str, at_ms: int) -> list[Any]:
        """The newest candle of a moment, in ccxt's form."""
        [candle] = self._feed.candles(symbol, timeframe, None, at_ms, 1)
        return [candle.open_ms, *map(float, candle[1:])]

    def ticks(self, symbol: str) -> TickReader | None:
        """Reads the trades of a symbol from the first on; None where its price comes from candles."""
        if symbol not in self._begins_ms or self._timeframe(symbol) is not None:
            return None
        return TickReader(self._feed.ticks(symbol), symbol)

    def has_candles(self, symbol: str) -> bool:
        """Whether the price of a symbol comes from candles."""
        return self._timeframe(symbol) is not None

    def is_inside_candle(self, symbol: str, at_ms: int) -> bool:
        """Whether the price of a moment is one that a candle was assumed to have on its way."""
        timeframe = self._timeframe(symbol)
        if timeframe is None or self._feed.is_way_known(symbol, at_ms):
            return False
        open_ms = candle_open(timeframe, at_ms)
        last = next_open(timeframe, open_ms) - open_ms - 1
        return at_ms - open_ms >= last // (_POINTS - 1)

    def has_gaps(self, symbol: str, until_ms: int) -> bool:
        """Whether candles that a symbol's price comes from are not there, of those read up to a moment."""
        timeframe = self._timeframe(symbol)
        for report in self._feed.report():
            if report.symbol == symbol and report.use == "price" and timeframe is not None:
                return report.missing > 0 or (report.last_ms or 0) < candle_open(timeframe, until_ms)
        return False

    def is_in_gap(self, symbol: str, at_ms: int) -> bool:
        """Whether nothing was recorded of the candle of a moment: the price is that of an earlier one."""
        timeframe = self._timeframe(symbol)
        if timeframe is None or at_ms < self._begins_ms[symbol]:
            return False
        return self._feed.quote(symbol, at_ms).time_ms < candle_open(timeframe, at_ms)

    def prices(self, symbol: str, start_ms: int, end_ms: int, cuts: Sequence[int]) -> Prices:
        """Last prices of a symbol within a time: all that a candle is assumed to pass; else see `thinned`.

        The first and the last are those of its two ends; of a symbol that begins later, its first one.

        :param cuts: see `thinned`
        """
        start_ms = max(start_ms, self._begins_ms[symbol])
        times, values = array("q"), array("d")
        if start_ms > end_ms:
            return Prices(times, values)
        times.append(start_ms)
        values.append(float(self._feed.quote(symbol, start_ms).last))
        for page in self._moves(symbol, cuts):
            if len(times) > 1 and times[-1] == page.times_ms[0]:  # a page that ends within a millisecond
                del times[-1], values[-1]
            first, end = bisect_right(page.times_ms, start_ms), bisect_left(page.times_ms, end_ms)
            times.extend(page.times_ms[first:end])
            values.extend(page.price[first:end])
            if end < len(page.times_ms):
                break
        if end_ms > start_ms:
            times.append(end_ms)
            values.append(float(self._feed.quote(symbol, end_ms).last))
        return Prices(times, values)

    def _moves(self, symbol: str, cuts: Sequence[int]) -> Iterator[Moves]:
        timeframe = self._timeframe(symbol)
        pages = self._feed.moves(symbol)
        if timeframe is None or TIMEFRAMES[timeframe] < _MINUTE_MS:
            return (thinned(page, cuts) for page in pages)
        return pages

    def _timeframe(self, symbol: str) -> str | None:
        return self._feed.timeframe(symbol) if symbol in self._begins_ms else None
