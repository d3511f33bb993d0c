"""Makes everything that a script reads the time from show the virtual clock.

The clock of the day (`time.time`, `datetime.now` and their kin, also in C code that calls them) is
patched by time-machine. What that leaves alone, monotonic clocks and waiting, is replaced here, for
code that is imported or run afterwards.
"""

from __future__ import annotations

import multiprocessing.connection
import multiprocessing.managers
import multiprocessing.pool
import multiprocessing.queues
import multiprocessing.synchronize
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

from .clock import NS_PER_SECOND, VirtualClock
from .waiting import SimpleQueue, Waiting

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_CLOCKS: Final = ("monotonic", "perf_counter")
_REAL_TIME: Final = SimpleNamespace(
    time=time.time, sleep=time.sleep, **{name: getattr(time, name) for name in _CLOCKS}
)
_REAL_CTIME: Final = time.ctime
_REAL_ASCTIME: Final = time.asctime
_MONOTONIC: Final = ("CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME", "CLOCK_UPTIME_RAW")
_OF_PROCESSES: Final = (
    multiprocessing.connection,
    multiprocessing.managers,
    multiprocessing.pool,
    multiprocessing.queues,
    multiprocessing.synchronize,
    subprocess,
)
"""What waits for other processes does so in real time: they know no other."""


@contextmanager
def patched_time(clock: VirtualClock, waiting: Waiting) -> Iterator[None]:
    """Let a script see the clock for the length of a `with` block.

    :param clock: what it sees
    :param waiting: what lets it wait
    """
    # Before anything is replaced: its C code takes what it finds for functions in C.
    import time_machine

    replaced: list[tuple[Any, str, Any]] = [
        (time, "sleep", _picklable(waiting.sleep)),
        *((time, name, waiting.clock_of(clock.seconds, getattr(time, name))) for name in _CLOCKS),
        *(
            (time, f"{name}_ns", waiting.clock_of(clock.monotonic_ns, getattr(time, f"{name}_ns")))
            for name in _CLOCKS
        ),
        (time, "ctime", _ctime),
        (time, "asctime", _asctime),
        *_clocks_by_number(clock),
        (threading, "_time", clock.seconds),  # deadlines of `Condition.wait_for`
        (queue, "time", clock.seconds),  # and of `Queue.get`
        (queue, "SimpleQueue", SimpleQueue),
        (threading.Condition, "wait", waiting.wait_of(threading.Condition.wait)),
        (threading.Condition, "notify", waiting.notify_of(threading.Condition.notify)),
        (threading.Thread, "start", waiting.start_of(threading.Thread.start)),
        (threading.Thread, "join", waiting.join_of(threading.Thread.join)),
        (threading, "Lock", waiting.lock_kind()),
        (ThreadPoolExecutor, "submit", waiting.submit_of(ThreadPoolExecutor.submit)),
        *((module, "time", _REAL_TIME) for module in _OF_PROCESSES),
    ]
    with ExitStack() as stack:
        stack.callback(waiting.end)
        for place, name, value in replaced:
            stack.enter_context(patch.object(place, name, value))
        stack.enter_context(_day_clock(clock, time_machine.travel))
        yield


def _picklable(shown: Callable[[float], None]) -> Callable[[float], None]:
    """`time.sleep` by this name, as which a pool gives it to its processes: to those that is the real one."""

    @wraps(time.sleep)
    def sleep(seconds: float, /) -> None:
        shown(seconds)

    return sleep


def _ctime(secs: float | None = None) -> str:
    """`time.ctime`, whose own look at the clock nobody moves."""
    return _REAL_CTIME(time.time() if secs is None else secs)


def _asctime(tuple: Any = None) -> str:
    """`time.asctime`."""
    return _REAL_ASCTIME(time.localtime() if tuple is None else tuple)


def _clocks_by_number(clock: VirtualClock) -> list[tuple[Any, str, Any]]:
    """`time.clock_gettime` and `clock_gettime_ns`, where the system has them."""
    numbers = {getattr(time, name) for name in _MONOTONIC if hasattr(time, name)}
    found: list[tuple[Any, str, Any]] = []
    for name, shown in (("clock_gettime", clock.seconds), ("clock_gettime_ns", clock.monotonic_ns)):
        really: Any = getattr(time, name, None)
        if really is not None:
            found.append((time, name, _by_number(numbers, shown, really)))
    return found


def _by_number(numbers: set[int], shown: Callable[[], float], really: Callable[[int], float]) -> Any:
    return lambda number: shown() if number in numbers else really(number)


@contextmanager
def _day_clock(clock: VirtualClock, travel: Callable[..., Any]) -> Iterator[None]:
    start = _EPOCH + timedelta(microseconds=clock.ns // 1000)
    with travel(start, tick=False) as traveller:
        before, clock.shifted = clock.shifted, _shifting(traveller)
        try:
            yield
        finally:
            clock.shifted = before


def _shifting(traveller: Any) -> Callable[[int], None]:
    """What moves the clock of the day by nanoseconds.

    :param traveller: of time-machine
    """

    def quickly(passed_ns: int) -> None:
        traveller._destination_timestamp_ns += passed_ns

    def shift(passed_ns: int) -> None:
        # In two parts: as one float a long time would lose its last digits.
        seconds, rest = divmod(passed_ns, NS_PER_SECOND)
        traveller.shift(seconds)
        traveller.shift(rest / NS_PER_SECOND)

    # All that its own method does, for a tenth of the time, where it still has that name.
    return quickly if type(getattr(traveller, "_destination_timestamp_ns", None)) is int else shift
