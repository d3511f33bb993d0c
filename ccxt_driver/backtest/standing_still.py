"""Tells a user that a script has stopped the clock: computing takes no time, so nothing else would."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

from .clock import NS_PER_SECOND, VirtualClock

PATIENCE: Final = 20.0
"""Seconds of computing at one moment before it is told."""
_OURS: Final = str(Path(__file__).parents[1])


@contextmanager
def told_when_standing_still(clock: VirtualClock, patience: float = PATIENCE) -> Iterator[None]:
    """Say once on stderr where a script computes without letting time pass, for the length of a `with` block.

    By a timer of the processor time of this process: a thread would be one more that a script meets. Where
    there is none, as on Windows, nothing is said.

    :param clock: of the run
    :param patience: seconds of processor time at one moment
    """
    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _teller(clock))
    signal.setitimer(signal.ITIMER_VIRTUAL, patience, patience)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _teller(clock: VirtualClock) -> Callable[[int, FrameType | None], None]:
    seen_ns, is_told = -1, False

    def look(_: int, frame: FrameType | None) -> None:
        nonlocal seen_ns, is_told
        stands, seen_ns = clock.ns == seen_ns, clock.ns
        if not stands or is_told or frame is None or frame.f_code.co_filename.startswith(_OURS):
            return
        is_told = True
        place = _in_the_script(frame)
        now = datetime.fromtimestamp(clock.ns / NS_PER_SECOND, UTC)
        sys.stderr.write(
            f"{place.f_code.co_filename}:{place.f_lineno}: still computing, and the clock stands at "
            f"{now:%Y-%m-%d %H:%M:%S} UTC. Computing takes no time in a backtest: a loop that looks at "
            "the clock without waiting or asking never ends\n"
        )

    return look


def _in_the_script(frame: FrameType) -> FrameType:
    """Where the script itself is; the frame where it is not in it."""
    place: FrameType | None = frame
    while place is not None and place.f_globals.get("__name__") != "__main__":
        place = place.f_back
    return place or frame
