"""Long series reduced to what can be seen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

MOST_POINTS: Final = 3_000


def thin(
    times: Sequence[int],
    values: Sequence[float],
    lowest: Sequence[float] | None = None,
    highest: Sequence[float] | None = None,
    most: int = MOST_POINTS,
) -> tuple[list[int], list[float]]:
    """Of each stretch of time the lowest and the highest, when there are more points than can be seen.

    :param times: ascending
    :param lowest: what a value stands for at its lowest; by default the value itself
    :param highest: what a value stands for at its highest
    :param most: points
    :returns: times and values; the first and the last are always there
    """
    if len(times) <= most and lowest is highest is None:
        return [*times], [*values]
    lowest = values if lowest is None else lowest
    highest = values if highest is None else highest
    found = [(times[0], values[0])]
    for low, high in _extremes(times, lowest, highest, most):
        found += sorted({(times[low], lowest[low]), (times[high], highest[high])})
    found.append((times[-1], values[-1]))
    return [time for time, _ in found], [value for _, value in found]


def picked(times: Sequence[int], values: Sequence[float], most: int = MOST_POINTS) -> list[int]:
    """Which of many marks to draw: the first, the last, and the extremes of each stretch of time.

    :param times: ascending
    :param most: marks
    :returns: indexes, ascending
    """
    if len(times) <= most:
        return [*range(len(times))]
    found = {0, len(times) - 1}
    for extremes in _extremes(times, values, values, most):
        found.update(extremes)
    return sorted(found)


def _extremes(
    times: Sequence[int], lowest: Sequence[float], highest: Sequence[float], most: int
) -> Iterator[tuple[int, int]]:
    """Where the lowest and the highest of each stretch are; all are equally long."""
    stretches = most // 2 - 1
    first, start, span = 0, times[0], times[-1] - times[0]
    for number in range(1, stretches + 1):
        end = bisect_right(times, start + span * number // stretches, first)
        if first < end:
            low, high = [*lowest[first:end]], [*highest[first:end]]
            yield first + low.index(min(low)), first + high.index(max(high))
            first = end
