"""What waits: virtually in the script's own thread, not at all in others."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import thread as futures_of_threads
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from threading import get_ident
from typing import Any, ClassVar, Final, NoReturn, Protocol, TypeVar

from .threads import Threads

_Number = TypeVar("_Number", int, float)
_DISPLAYS: Final = frozenset({"rich", "tqdm"})
_REAL_PATIENCE: Final = 10.0
"""Seconds that other threads are really given for what the script waits for with a time-out."""
_FIRST_LOOK: Final = 0.0005
_LONGEST_LOOK: Final = 0.05
"""Seconds after which it is looked whether they have anything left to do; each look twice the one before."""
_IDLE: Final = futures_of_threads._worker.__code__
"""Where threads of pools wait for work."""
_REAL_SLEEP: Final = time.sleep
_REAL_LOCK: Final = threading.Lock


class Passing(Protocol):
    """What lets time pass."""

    threads: Threads

    def sleep(self, seconds: float) -> None:
        """Let seconds pass."""
        ...

    def wait_for_ever(self) -> None:
        """Nothing will happen any more: go to the end of the data, and interrupt the script."""
        ...

    def interrupt(self) -> None:
        """Have the script stop."""
        ...


class Waiting:
    """Stands where the standard library waits.

    :param replay: lets time pass
    """

    def __init__(self, replay: Passing) -> None:
        self._replay = replay
        self._threads = replay.threads
        self._main = replay.threads.main
        self._is_over = False
        self._starts_one = False
        """Whether the main thread only waits until another one has begun."""
        self._given: set[Future[Any]] = set()
        """Work of pools that is not done."""

    def end(self) -> None:
        """Wait in real time from now on."""
        self._is_over = True
        self._threads.are_stuck = any(
            thread.ident in self._threads.for_ever and not thread.daemon for thread in threading.enumerate()
        )

    def clock_of(self, shown: Callable[[], _Number], really: Callable[[], _Number]) -> Callable[[], _Number]:
        """A clock that shows real time again in a process of the script, which may have it by its name.

        :param shown: it in the run
        :param really: it otherwise
        """
        return lambda: really() if self._is_over else shown()

    def sleep(self, seconds: float) -> None:
        """`time.sleep`."""
        if self._is_over:  # a process of the script, which has imported it by its name
            _REAL_SLEEP(seconds)
            return
        if get_ident() != self._main:
            raise self._threads.refused("sleeps")
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self._replay.sleep(seconds)

    def wait_of(self, really: Callable[..., bool]) -> Callable[..., bool]:
        """`Condition.wait`, on which events, queues and futures stand.

        :param really: that of the standard library
        """

        def wait(condition: Any, timeout: float | None = None) -> bool:
            if timeout is None:
                return self._wait_for_ever(condition, really)
            return self._wait_timed(condition, timeout, really)

        return wait

    def _wait_for_ever(self, condition: Any, really: Callable[..., bool]) -> bool:
        if get_ident() == self._main and _is_alone():
            return self._wait_alone(condition)
        with self._waiting_for(condition):
            return really(condition)

    def _wait_alone(self, condition: Any) -> bool:
        """Wait for what nobody but a handler of a signal can do: as the real one, but time goes on."""
        with _told_of(condition) as is_told:
            while not is_told(0):
                self._replay.wait_for_ever()
        return True

    def _wait_timed(self, condition: Any, timeout: float, really: Callable[..., bool]) -> bool:
        if timeout <= 0 or get_ident() != self._main:
            return bool(self._wait_for_others(condition, timeout, partial(really, condition)))
        with _told_of(condition) as is_told:
            is_alone = threading.active_count() == 1
            told = None if is_alone else self._wait_for_others(condition, timeout, is_told)
            if told is None:
                self._replay.sleep(timeout)
                return is_told(0)
        return told

    def _wait_for_others(self, what: object, timeout: float, really: Callable[[float], bool]) -> bool | None:
        """Wait in real time for what another thread does at once.

        :param really: waits so long
        :returns: whether it has done it; None where none will, and time is to pass
        """
        if get_ident() != self._main:
            if timeout > 0 and not _only_displays(threading.current_thread()):
                raise self._threads.refused("waits with a time-out")
            return really(timeout)
        if timeout <= 0:
            return really(timeout)
        waited, look = 0.0, _FIRST_LOOK
        with self._threads.waiting_for(what, timed=True):
            while not self._are_idle():
                if really(min(timeout, look)):
                    return True
                waited, look = waited + look, min(2 * look, _LONGEST_LOOK)
                if waited > min(timeout, _REAL_PATIENCE):
                    raise self._threads.refused("is waited for")
        return None

    def _are_idle(self) -> bool:
        """Whether all other threads are those of pools that have nothing to do."""
        if self._given:
            return False
        frames = sys._current_frames()
        try:
            return all(frame.f_code is _IDLE for each, frame in frames.items() if each != self._main)
        finally:
            # This very frame is among them: a ring would keep what the threads were at for the collector,
            # which crashes on the buffers of a process pool.
            frames.clear()

    def lock_kind(self) -> type[Lock]:
        """`threading.Lock`: a class, as it is from Python 3.13 on."""
        return type("lock", (Lock,), {"__slots__": (), "waiting": self})

    def acquire(self, lock: Lock, timeout: float) -> bool:
        """`Lock.acquire` of one that is held.

        :param timeout: -1 for none
        """
        if self._is_over:
            return lock.really(True, timeout)
        is_alone = get_ident() == self._main and _is_alone()
        if timeout >= 0:
            told = None if is_alone else self._wait_for_others(lock, timeout, partial(lock.really, True))
            if told is None:
                self._replay.sleep(timeout)
                return lock.really(False)
            return told
        while is_alone and not lock.really(False):
            self._replay.wait_for_ever()
        if is_alone:
            return True
        with self._threads.waits_for_ever():  # who lets go of a lock does not tell
            return lock.really(True)

    @contextmanager
    def _waiting_for(self, what: object) -> Iterator[None]:
        """This thread waits without a time-out, in a `with` block."""
        threads = self._threads
        with ExitStack() as stack:
            stack.enter_context(threads.waits_for_ever())
            if threads.is_main and not self._starts_one:
                stack.enter_context(threads.waiting_for(what))
            yield
        if threads.is_main and threads.is_main_due:
            threads.is_main_due = False
            self._replay.interrupt()

    def notify_of(self, really: Callable[..., None]) -> Callable[..., None]:
        """`Condition.notify`: who is woken runs from now on, not only when it comes to it.

        :param really: that of the standard library
        """
        threads = self._threads

        def notify(condition: Any, n: int = 1) -> None:
            if condition is threads.waited_for:
                threads.wake()
            really(condition, n)

        return notify

    def start_of(self, really: Callable[..., None]) -> Callable[..., None]:
        """`Thread.start`.

        :param really: that of the standard library
        """

        def start(thread: threading.Thread) -> None:
            self._threads.give(thread)
            if get_ident() != self._main:
                really(thread)
                return
            self._starts_one = True
            try:
                really(thread)
            finally:
                self._starts_one = False

        return start

    def join_of(self, really: Callable[..., None]) -> Callable[..., None]:
        """`Thread.join`.

        :param really: that of the standard library
        """

        def join(thread: threading.Thread, timeout: float | None = None) -> None:
            if timeout is None and not self._is_over:
                with self._waiting_for(thread):
                    really(thread)
            elif get_ident() == self._main:
                with self._threads.waiting_for(thread, timed=True):
                    really(thread, timeout)
            else:
                really(thread, timeout)

        return join

    def submit_of(self, really: Callable[..., Any]) -> Callable[..., Any]:
        """`ThreadPoolExecutor.submit`.

        :param really: that of the standard library
        """
        threads = self._threads

        def submit(pool: Any, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
            given_ns = threads.now_ns

            @wraps(fn)
            def work(*args: Any, **named: Any) -> Any:
                threads.give(threading.current_thread(), given_ns)
                return fn(*args, **named)

            future = really(pool, work, *args, **named)
            self._given.add(future)
            future.add_done_callback(self._given.discard)
            return future

        return submit


class Lock:
    """`threading.Lock`, where the one who waits for it waits as for all else."""

    __slots__ = ("__weakref__", "_at_fork_reinit", "locked", "really", "release")
    waiting: ClassVar[Waiting]

    def __init__(self) -> None:
        lock: Any = _REAL_LOCK()
        self.really: Callable[..., bool] = lock.acquire
        self.release: Callable[[], None] = lock.release
        self.locked: Callable[[], bool] = lock.locked
        self._at_fork_reinit: Callable[[], None] = lock._at_fork_reinit

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As that of the standard library."""
        if not blocking or timeout == 0:
            return self.really(blocking, timeout)
        return self.really(False) or self.waiting.acquire(self, timeout)

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle '_thread.lock' object")


@contextmanager
def _told_of(condition: Any) -> Iterator[Callable[[float], bool]]:
    """Wait for a condition in a `with` block, as `Condition.wait` does.

    :returns: waits so many seconds for a notification, and says whether it has come
    """
    waiter = _REAL_LOCK()
    waiter.acquire()
    condition._waiters.append(waiter)
    saved = condition._release_save()
    try:
        yield lambda seconds: waiter.acquire(seconds > 0, seconds or -1)
    finally:
        condition._acquire_restore(saved)
        if waiter in condition._waiters:
            condition._waiters.remove(waiter)


def _is_alone() -> bool:
    """Whether there is no other thread, not even one that `threading` does not know."""
    return threading.active_count() == 1 and len(sys._current_frames()) == 1


def _only_displays(thread: threading.Thread) -> bool:
    """Whether a thread does nothing but refresh a display, in real time: that of a progress bar."""
    return type(thread).__module__.partition(".")[0] in _DISPLAYS
