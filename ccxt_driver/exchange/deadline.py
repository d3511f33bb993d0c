"""Until when something is tried, by the clock of the machine, which may be set."""

from __future__ import annotations

from collections.abc import Callable


class Deadline:
    """A moment so many milliseconds from now; a clock that is set back takes it along.

    :param clock: gives milliseconds since the Unix epoch
    """

    __slots__ = ("_clock", "_end_ms", "_timeout_ms")

    def __init__(self, clock: Callable[[], int], timeout_ms: int) -> None:
        self._clock = clock
        self._timeout_ms = timeout_ms
        self._end_ms = clock() + timeout_ms

    def is_over(self, pause_ms: int = 0) -> bool:
        """Whether it has passed, or will have after a pause."""
        now_ms = self._clock()
        # A time-out of seconds would become one of hours.
        self._end_ms = min(self._end_ms, now_ms + self._timeout_ms)
        return now_ms + pause_ms >= self._end_ms
