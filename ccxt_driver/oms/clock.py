"""Where the OMS reads the time: the wall, a recording that is played, or a clock that moves when told to."""

from __future__ import annotations

import time
from typing import Final, Protocol

from ccxt_driver.contract.values import LAST_MS

MANUAL_START_MS: Final = 1_767_225_600_000
"""Where a manual clock starts by default: 2026-01-01T00:00:00Z."""


class Clock(Protocol):
    """Milliseconds since the Unix epoch, never going back."""

    manual: bool

    def now_ms(self) -> int:
        """The time."""
        ...

    def not_before(self, milliseconds: int) -> None:
        """Never answer less than this again: a stored OMS goes on where it stopped."""
        ...


class WallClock:
    """The computer's clock; when that is set back, time goes on at half its speed until it has caught up.

    It must not stand still for so long: orders would not expire, dead man's switches not go off, and what
    comes from a live feed would not count.
    """

    manual = False

    def __init__(self) -> None:
        self._last = 0
        self._since_ns = time.monotonic_ns()
        """When it was `_last`."""

    def now_ms(self) -> int:
        """The time, never less than before."""
        now = time.time_ns() // 1_000_000
        if now >= self._last:
            self.not_before(now)
        else:
            passed = (time.monotonic_ns() - self._since_ns) // 2_000_000
            self._last += passed
            self._since_ns += 2_000_000 * passed
        return self._last

    def not_before(self, milliseconds: int) -> None:
        """As the protocol says."""
        if milliseconds >= self._last:
            self._last, self._since_ns = milliseconds, time.monotonic_ns()


class ReplayClock:
    """A clock for a recording that is served: it goes by itself, as fast as it is told.

    :param start_ms: the time it shows first
    :param speed: how much faster than the wall's it goes
    """

    manual = False

    def __init__(self, start_ms: int, speed: float) -> None:
        self._from_ms, self._speed = start_ms, speed
        self._since_ns = time.monotonic_ns()

    def now_ms(self) -> int:
        """The time."""
        return self._from_ms + int((time.monotonic_ns() - self._since_ns) * self._speed / 1_000_000)

    def not_before(self, milliseconds: int) -> None:
        """As the protocol says."""
        if milliseconds > self.now_ms():
            self._from_ms, self._since_ns = milliseconds, time.monotonic_ns()


class ManualClock:
    """A clock for tests and replays.

    :param start_ms: the time it shows first
    :raises ValueError: that is no such time
    """

    manual = True

    def __init__(self, start_ms: int = MANUAL_START_MS) -> None:
        if type(start_ms) is not int or not 0 <= start_ms <= LAST_MS:
            raise ValueError(f"start_ms: expected milliseconds since the Unix epoch, got {start_ms!r}")
        self._now = start_ms

    def now_ms(self) -> int:
        """The time."""
        return self._now

    def advance(self, milliseconds: int) -> None:
        """Move on.

        :raises ValueError: a step back, or no whole number of milliseconds
        """
        if type(milliseconds) is not int or not 0 <= milliseconds <= LAST_MS - self._now:
            raise ValueError(
                f"milliseconds: expected a whole number, 0 or more, up to the year 9999, got {milliseconds!r}"
            )
        self._now += milliseconds

    def not_before(self, milliseconds: int) -> None:
        """As the protocol says."""
        self._now = max(self._now, milliseconds)
