"""What positions of a swap are valued at: the mark price where the files have one, as in the OMS."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from operator import itemgetter

from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.market.listing import Market
from ccxt_driver.oms.market.market_data import MarketData
from ccxt_driver.oms.market.marks import RecordedMarks

from .run import Prices
from .thinning import cuts_at, thinned

_Point = tuple[int, float]


def position_prices(
    feed: FileFeed, market: Market, last_prices: Prices, moments: Sequence[int], span: tuple[int, int]
) -> Prices | None:
    """Mark prices within a time, and last prices where none is known; None where there are no mark prices.

    They are all that each candle of the mark price is assumed to pass, where several are of a minute see
    `thinned`; at the moments and at both ends the very price that the OMS had then.

    :param last_prices: of the symbol, within the same time
    :param moments: at which the account has changed, milliseconds since the Unix epoch, within the same time
    :param span: the first and the last moment
    """
    known = MarketData([market], feed=feed)
    marks = feed.marks(market.symbol)
    if marks is None or market.symbol not in known.marked:
        return None
    # Before the first price there is no position.
    start_ms, end_ms = max(span[0], feed.begins_ms[market.symbol]), span[1]
    ends = [each for each in marks.ends(end_ms) if each > start_ms]
    moved = _moved(marks, cuts_at((*moments, *ends)), start_ms, end_ms)
    gaps = ends if marks.price(start_ms) is not None else [start_ms, *ends]
    exact = sorted({start_ms, end_ms, *ends, *(each for each in moments if each >= start_ms)})
    points = merge(
        ((each, float(known.mark_price(market.symbol, each))) for each in exact),
        zip(*moved, strict=True),
        _unmarked(gaps, moved.times, last_prices),
        key=itemgetter(0),
    )
    return _steps(each for each in points if each[0] <= end_ms)


def _moved(marks: RecordedMarks, cuts: Sequence[int], start_ms: int, end_ms: int) -> Prices:
    """The mark prices after a moment and before another one."""
    times, values = array("q"), array("d")
    for page in marks.moves():
        kept = thinned(page, cuts)
        first, end = bisect_right(kept.times_ms, start_ms), bisect_left(kept.times_ms, end_ms)
        times.extend(kept.times_ms[first:end])
        values.extend(kept.price[first:end])
        if end < len(kept.times_ms):
            break
    return Prices(times, values)


def _unmarked(gaps: Iterable[int], marked: Sequence[int], last_prices: Prices) -> Iterator[_Point]:
    """The last prices of the time in which there are no mark prices.

    :param gaps: where such a time begins
    :param marked: when there are some
    """
    times, values = last_prices
    for begin in gaps:
        again = bisect_right(marked, begin - 1)
        until = marked[again] if again < len(marked) else times[-1] + 1
        for index in range(bisect_right(times, begin), bisect_left(times, until)):
            yield times[index], values[index]


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
