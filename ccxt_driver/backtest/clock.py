"""The time that a script sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

NS_PER_MS: Final = 1_000_000
NS_PER_SECOND: Final = 1_000_000_000
UP_SECONDS: Final = 10**8
"""What monotonic clocks show at the beginning, as of a host that has been up for three years.

Scripts compare with 0 what they have not done yet. A float of more lacks digits for microseconds.
"""


class VirtualClock:
    """Moves only when it is moved. As the OMS's clock it stands still at the end of the data.

    :param start_ms: where it begins, milliseconds since the Unix epoch
    :param end_ms: the last moment of the data
    """

    manual = True

    def __init__(self, start_ms: int, end_ms: int) -> None:
        self.ns = self.start_ns = start_ms * NS_PER_MS
        """Nanoseconds since the Unix epoch."""
        self.zero_ns = self.start_ns - UP_SECONDS * NS_PER_SECOND
        """When monotonic clocks showed 0."""
        self.end_ms = end_ms
        self.shifted: Callable[[int], None] = _nobody
        """Told by how many nanoseconds it was moved."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, as the OMS sees them."""
        ms = self.ns // NS_PER_MS
        return ms if ms < self.end_ms else self.end_ms  # noqa: FURB136  # half the time of min()

    def not_before(self, milliseconds: int) -> None:
        """Never answer less than this again."""
        self.move_to(milliseconds * NS_PER_MS)

    def move_to(self, ns: int) -> None:
        """Go to a time; never back."""
        passed = ns - self.ns
        if passed > 0:
            self.ns = ns
            self.shifted(passed)

    def monotonic_ns(self) -> int:
        """What `time.monotonic_ns` shows."""
        return self.ns - self.zero_ns

    def seconds(self) -> float:
        """What `time.monotonic` shows."""
        return (self.ns - self.zero_ns) / NS_PER_SECOND


def _nobody(passed_ns: int) -> None:
    """Nobody has to be told."""
