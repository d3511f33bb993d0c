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
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from types import SimpleNamespace
from typing import Any, Final, TypeVar
from unittest.mock import patch

from .clock import NS_PER_SECOND, VirtualClock

_Number = TypeVar("_Number", int, float)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DISPLAYS: Final = frozenset({"rich", "tqdm"})
_REAL_PATIENCE: Final = 10.0
"""Seconds that other threads are really given for what the script waits for with a time-out."""

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


class ThreadsThatWait(RuntimeError):
    """A thread beside the script's own waits for time to pass, which nobody can put in order."""


@contextmanager
def patched_time(
    clock: VirtualClock, sleep: Callable[[float], None], refuse: Callable[[ThreadsThatWait], None]
) -> Iterator[None]:
    """Let a script see the clock for the length of a `with` block.

    :param clock: what it sees
    :param sleep: lets seconds pass
    :param refuse: told of a thread that waits, before it gets the error
    """
    # Before anything is replaced: its C code takes what it finds for functions in C.
    import time_machine

    waiting = _Waiting(sleep, refuse)
    replaced: list[tuple[Any, str, Any]] = [
        (time, "sleep", _picklable(waiting.sleep)),
        *((time, name, waiting.clock_of(clock.seconds, getattr(time, name))) for name in _CLOCKS),
        *(
            (time, f"{name}_ns", waiting.clock_of(clock.elapsed_ns, getattr(time, f"{name}_ns")))
            for name in _CLOCKS
        ),
        (time, "ctime", _ctime),
        (time, "asctime", _asctime),
        *_clocks_by_number(clock),
        (threading, "_time", clock.seconds),  # deadlines of `Condition.wait_for`
        (queue, "time", clock.seconds),  # and of `Queue.get`
        (threading.Condition, "wait", waiting.wait_of(threading.Condition.wait)),
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
    for name, shown in (("clock_gettime", clock.seconds), ("clock_gettime_ns", clock.elapsed_ns)):
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
        clock.shifted = _shifting(traveller)
        try:
            yield
        finally:
            del clock.shifted


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


def _only_displays(thread: threading.Thread) -> bool:
    """Whether a thread does nothing but refresh a display, in real time: that of a progress bar."""
    return type(thread).__module__.partition(".")[0] in _DISPLAYS


class _Waiting:
    """What waits: virtually in the script's own thread, not at all in others."""

    def __init__(self, sleep: Callable[[float], None], refuse: Callable[[ThreadsThatWait], None]) -> None:
        self._sleep = sleep
        self._refuse = refuse
        self._main = threading.get_ident()
        self._is_over = False

    def end(self) -> None:
        """Wait in real time from now on."""
        self._is_over = True

    def clock_of(self, shown: Callable[[], _Number], really: Callable[[], _Number]) -> Callable[[], _Number]:
        """A clock that shows real time again in a process of the script, which may have it by its name.

        :param shown: it in the run
        :param really: it otherwise
        """
        return lambda: really() if self._is_over else shown()

    def sleep(self, seconds: float) -> None:
        """`time.sleep`."""
        if self._is_over:  # a process of the script, which has imported it by its name
            _REAL_TIME.sleep(seconds)
            return
        if threading.get_ident() != self._main:
            raise self._refused("sleeps")
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self._sleep(seconds)

    def wait_of(self, really: Callable[..., bool]) -> Callable[..., bool]:
        """`Condition.wait`, on which events, queues and futures stand.

        :param really: that of the standard library
        """
        main = self._main

        def wait(condition: Any, timeout: float | None = None) -> bool:
            if timeout is None:
                return really(condition, None)
            if threading.get_ident() != main:
                if timeout > 0 and not _only_displays(threading.current_thread()):
                    raise self._refused("waits with a time-out")
                return really(condition, timeout)
            if timeout > 0 and threading.active_count() == 1:
                condition.release()  # nobody else is there to take it; a signal handler may
                try:
                    self._sleep(timeout)
                finally:
                    condition.acquire()
                return False
            told = really(condition, min(timeout, _REAL_PATIENCE))
            if not told and timeout > 0:
                raise self._refused("is waited for")
            return told

        return wait

    def _refused(self, what: str) -> ThreadsThatWait:
        error = ThreadsThatWait(
            f"a thread of the script {what}: in a backtest only the main thread and coroutines may wait for "
            "time to pass, because the order in which threads wake up is nobody's; use asyncio tasks"
        )
        self._refuse(error)
        return error
