"""Ends a run in which no thread can go on: each waits for another one, and nobody would ever wake them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import process_time
from types import FrameType
from typing import Any, Final
from unittest.mock import patch

from .clock import VirtualClock
from .threads import Threads

SECONDS: Final = 0.5
"""Real seconds from look to look."""
_LOOKS: Final = 3
"""Who has been woken has so many looks' time to begin."""
_LOOKS_AT_MAIN: Final = 20
"""The same for a main thread of which nobody can tell what it waits for."""


@contextmanager
def ended_when_threads_stand(
    clock: VirtualClock, threads: Threads, end: Callable[[], None]
) -> Iterator[None]:
    """Look now and then whether any thread can go on, for the length of a `with` block.

    By a timer, until a script has one of its own: it also has the main thread hear of signals that came as it
    began to wait. Where there is none, as on Windows, nobody looks.

    :param threads: of the script
    :param end: called in the main thread when none can go on
    """
    if not hasattr(signal, "setitimer"):
        yield
        return
    really = signal.signal
    before = really(signal.SIGALRM, _Looker(clock, threads, end))

    def handle(number: int, handler: Any) -> Any:
        if number == signal.SIGALRM:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return really(number, handler)

    signal.setitimer(signal.ITIMER_REAL, SECONDS, SECONDS)
    try:
        with patch.object(signal, "signal", handle):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        really(signal.SIGALRM, before)


class _Looker:
    """Calls `end` when what it sees stays the same."""

    def __init__(self, clock: VirtualClock, threads: Threads, end: Callable[[], None]) -> None:
        self._clock = clock
        self._threads = threads
        self._end = end
        self._seen: tuple[object, ...] = ()
        self._looks = 0

    def __call__(self, _: int, frame: FrameType | None) -> None:
        threads = self._threads
        main_waits = threads.main in threads.for_ever
        if not (main_waits or threads.loops) or not _others_wait(threads):
            self._seen = ()
            return
        found = (self._clock.ns, dict(threads.for_ever), *(() if main_waits else _place(frame)))
        self._looks = self._looks + 1 if found == self._seen else 0
        self._seen = found
        if self._looks >= (_LOOKS if main_waits else _LOOKS_AT_MAIN):
            self._looks = 0
            self._end()


def _others_wait(threads: Threads) -> bool:
    """Whether each thread beside the main one waits for others, or for work, without a time-out."""
    return sys._current_frames().keys() <= {threads.main, *threads.for_ever}


def _place(frame: FrameType | None) -> tuple[object, ...]:
    """Where a thread is, which has done nothing as long as it is the same."""
    return (id(frame), None if frame is None else frame.f_lasti, round(process_time()))
