"""Shows on a terminal how far a run has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic  # before anything patches it: real time
from typing import Final

from .clock import NS_PER_MS, VirtualClock

_LOOK_EVERY: Final = 2_048
_SECONDS: Final = 0.2


@contextmanager
def shown(clock: VirtualClock) -> Iterator[Steps]:
    """A bar on stderr with speed and time left, for a `with` block.

    :param clock: of the run
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.fields[now]}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[speed]:,.0f} x"),
        TimeRemainingColumn(),
    )
    # Refreshed by hand: a thread of its own would be one that waits.
    console = Console(stderr=True)
    with Progress(*columns, console=console, auto_refresh=False, transient=True, get_time=monotonic) as bar:
        span_ms = clock.end_ms - clock.start_ns // NS_PER_MS
        task = bar.add_task("", total=span_ms, now="", speed=0.0)
        began = monotonic()

        def show() -> None:
            passed_ms = (clock.ns - clock.start_ns) // NS_PER_MS
            speed = passed_ms / 1000 / max(monotonic() - began, 1e-9)
            now = datetime.fromtimestamp(clock.ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M")
            bar.update(task, completed=min(passed_ms, span_ms), now=now, speed=speed, refresh=True)

        yield Steps(show)


class Steps:
    """Called all the time; shows something now and then.

    :param show: shows where the run is
    """

    def __init__(self, show: Callable[[], None]) -> None:
        self._show = show
        self._left = _LOOK_EVERY
        self._due = monotonic()

    def __call__(self) -> None:
        """A step."""
        self._left -= 1
        if self._left:
            return
        self._left = _LOOK_EVERY
        if monotonic() >= self._due:
            self._due = monotonic() + _SECONDS
            self._show()
