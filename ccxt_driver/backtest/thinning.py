"""What is kept of prices that move more than once a minute: all that equity may hang on, and little more."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ccxt_driver.oms.market.prints import Moves

_MINUTE_MS: Final = 60_000


def cuts_at(moments: Iterable[int]) -> list[int]:
    """Where stretches begin so that each of these moments is one of its own; ascending.

    :param moments: milliseconds since the Unix epoch
    """
    return sorted({cut for moment in moments for cut in (moment, moment + 1)})


def thinned(page: Moves, cuts: Sequence[int]) -> Moves:
    """Of each stretch the first, the lowest, the highest and the last price, at their own times.

    A stretch ends with its minute, at a cut, or with the page. Of several prices of a millisecond the last
    one counts.

    :param cuts: ascending; nothing is held otherwise after one than before but between these
    """
    times, prices = _last_of_each_millisecond(page)
    kept = [index for first, end in _stretches(times, cuts) for index in _telling(prices, first, end)]
    return Moves([times[index] for index in kept], [prices[index] for index in kept])


def _stretches(times: Sequence[int], cuts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and end indexes."""
    first, cut = 0, 0
    while first < len(times):
        until = (times[first] // _MINUTE_MS + 1) * _MINUTE_MS
        while cut < len(cuts) and cuts[cut] <= times[first]:
            cut += 1
        if cut < len(cuts):
            until = min(until, cuts[cut])
        end = bisect_left(times, until, first)
        yield first, end
        first = end


def _telling(prices: Sequence[float], first: int, end: int) -> list[int]:
    if end - first <= 2:
        return [*range(first, end)]
    part = prices[first:end]
    low, high = part.index(min(part)), part.index(max(part))
    return sorted({first, first + low, first + high, end - 1})


def _last_of_each_millisecond(page: Moves) -> Moves:
    times, prices = page
    if len(set(times)) == len(times):
        return page
    kept = [index for index, time in enumerate(times) if times[index + 1 : index + 2] != [time]]
    return Moves([times[index] for index in kept], [prices[index] for index in kept])
