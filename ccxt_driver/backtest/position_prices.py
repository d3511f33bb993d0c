"""What positions of a swap are valued at: the mark price where the files have one, as in the OMS."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from operator import itemgetter
from typing import Final, NamedTuple

from ccxt_driver.oms.market.feed import next_open
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.market.listing import Market
from ccxt_driver.oms.market.market_data import MarketData
from ccxt_driver.oms.market.marks import RecordedMarks

from .run import Prices

_MINUTE_MS: Final = 60_000
_Point = tuple[int, float]


class _Stretch(NamedTuple):
    """A candle of a mark price; one that is shorter than a minute with those that follow in its minute."""

    open_ms: int
    end_ms: int
    open: float
    close: float


def position_prices(
    feed: FileFeed, market: Market, last_prices: Prices, moments: Iterable[int], span: tuple[int, int]
) -> Prices | None:
    """Mark prices within a time, and last prices where none is known; None where there are no mark prices.

    Of each candle of the mark price they are the open and the close, which are facts; at the moments and
    at both ends the very price that the OMS had then, also inside a candle.

    :param last_prices: of the symbol, within the same time
    :param moments: at which the account has changed, milliseconds since the Unix epoch, within the same time
    :param span: the first and the last moment
    """
    known = MarketData([market], feed=feed)
    marks = feed.marks(market.symbol)
    if marks is None or market.symbol not in known.marked:
        return None

    def at(time_ms: int) -> _Point:
        return time_ms, float(known.mark_price(market.symbol, time_ms))

    # Before the first price there is no position.
    span = max(span[0], feed.begins_ms[market.symbol]), span[1]
    exact = map(at, sorted({*span, *(each for each in moments if each >= span[0])}))
    return _steps(merge(exact, _between(marks, last_prices, at, span), key=itemgetter(0)))


def _steps(points: Iterable[_Point]) -> Prices:
    """Points without those that change nothing; of several of one time the first counts."""
    times, values = array("q"), array("d")
    seen_ms = -1
    for time_ms, value in points:
        if time_ms > seen_ms and not (values and value == values[-1]):
            times.append(time_ms)
            values.append(value)
        seen_ms = time_ms
    return Prices(times, values)


def _between(
    marks: RecordedMarks, last_prices: Prices, at: Callable[[int], _Point], span: tuple[int, int]
) -> Iterator[_Point]:
    """What is known of the time between two moments, ascending."""
    start_ms, end_ms = span
    unmarked = _within(zip(*last_prices, strict=True), start_ms, end_ms)
    waiting = next(unmarked, None)
    marked_until = start_ms
    for each in _stretches(marks):
        if each.end_ms <= start_ms:
            continue
        if each.open_ms > marked_until > start_ms:
            yield at(marked_until)
        while waiting is not None and waiting[0] < each.end_ms:
            if marked_until <= waiting[0] < each.open_ms:
                yield waiting
            waiting = next(unmarked, None)
        yield from _within(((each.open_ms, each.open), (each.end_ms - 1, each.close)), start_ms, end_ms)
        marked_until = each.end_ms
        if marked_until >= end_ms:
            return
    if marked_until > start_ms:
        yield at(marked_until)
    while waiting is not None:
        yield waiting
        waiting = next(unmarked, None)


def _within(points: Iterable[_Point], start_ms: int, end_ms: int) -> Iterator[_Point]:
    return ((time_ms, value) for time_ms, value in points if start_ms < time_ms < end_ms)


def _stretches(marks: RecordedMarks) -> Iterator[_Stretch]:
    """The candles, ascending; nobody can see all of the last ones yet."""
    before: _Stretch | None = None
    for page in marks.bars():
        for open_ms, open_, close in zip(page.opens_ms, page.open, page.close, strict=True):
            end_ms = next_open(marks.timeframe, open_ms)
            if before is not None and before.end_ms == open_ms and open_ms % _MINUTE_MS:
                before = before._replace(end_ms=end_ms, close=close)
                continue
            if before is not None:
                yield before
            before = _Stretch(open_ms, end_ms, open_, close)
    if before is not None:
        yield before
