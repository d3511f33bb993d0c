"""What waits: virtually in the script's own thread, not at all in others."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from queue import Empty
from threading import get_ident
from types import GenericAlias
from typing import Any, ClassVar, Final, NoReturn, Protocol, TypeVar

from .other_threads import OtherThreads, only_displays
from .threads import Threads, cannot_tell, looks

_Number = TypeVar("_Number", int, float)
_REAL_PATIENCE: Final = 10.0
"""Seconds that other threads are really given for a wait with a time-out; more if they compute."""
_COMPUTING: Final = 0.1
"""What they compute then at least, as a share of the time: on a machine that is busy it is not all of it."""
_REAL_SLEEP: Final = time.sleep
_REAL_LOCK: Final = threading.Lock


class Passing(Protocol):
    """What lets time pass."""

    threads: Threads
    others: OtherThreads

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
        self._others = replay.others
        self._main = replay.threads.main
        self._is_over = False
        self._starts_one = False
        """Whether the main thread only waits until another one has begun."""

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
        if get_ident() != self._main:
            return self._wait_beside(condition)
        with self._waiting_for(condition):
            return really(condition)

    def _wait_beside(self, condition: Any) -> bool:
        """`Condition.wait` in another thread than the main one: as the real one, but others can tell."""
        with _told_of(condition) as (is_told, stands), self._threads.waits_for_ever(stands):
            return is_told(None)

    def _wait_alone(self, condition: Any) -> bool:
        """Wait for what nobody but a handler of a signal can do: as the real one, but time goes on."""
        with _told_of(condition) as (is_told, _):
            while not is_told(0):
                self._replay.wait_for_ever()
        return True

    def _wait_timed(self, condition: Any, timeout: float, really: Callable[..., bool]) -> bool:
        if timeout <= 0 or get_ident() != self._main:
            return bool(self._wait_for_others(condition, timeout, partial(really, condition)))
        with _told_of(condition) as (is_told, _):
            is_alone = threading.active_count() == 1
            told = None if is_alone else self._wait_for_others(condition, timeout, is_told)
            return self._let_pass(timeout, partial(is_told, 0)) if told is None else told

    def _let_pass(self, seconds: float, has_come: Callable[[], bool]) -> bool:
        """Let seconds pass beside threads that do nothing, and say whether what is waited for has come.

        Not when the last thing that they have done was just that: it took no time.
        """
        if has_come():
            return True
        self._replay.sleep(seconds)
        return has_come()

    def _wait_for_others(self, what: object, timeout: float, really: Callable[[float], bool]) -> bool | None:
        """Wait in real time for what another thread does at once.

        :param really: waits so long
        :returns: whether it has done it; None where none will, and time is to pass
        """
        if get_ident() != self._main:
            if timeout > 0 and not only_displays(threading.current_thread()):
                raise self._threads.refused("waits with a time-out")
            return really(timeout)
        if timeout <= 0:
            return really(timeout)
        began, waited, seconds = time.process_time(), 0.0, looks()
        with self._threads.waiting_for(what, timed=True):
            while not self._others.are_idle():
                look = min(timeout, next(seconds))
                if really(look):
                    return True
                waited += look
                computed = time.process_time() - began
                if waited > min(timeout, _REAL_PATIENCE) and computed < waited * _COMPUTING:
                    raise self._threads.refused("is waited for")
                self._others.tell(waited)
        return None

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
            return self._let_pass(timeout, partial(lock.really, False)) if told is None else told
        while is_alone and not lock.really(False):
            self._replay.wait_for_ever()
        if is_alone:
            return True
        with self._threads.waits_for_ever(lambda: lock.is_held):  # who lets go of a lock does not tell
            return lock.really(True)

    @contextmanager
    def _waiting_for(self, what: object, stands: Callable[[], bool] = cannot_tell) -> Iterator[None]:
        """This thread waits without a time-out, in a `with` block.

        :param stands: as of `Wait`
        """
        threads = self._threads
        with ExitStack() as stack:
            stack.enter_context(threads.waits_for_ever(stands))
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
                with self._waiting_for(thread, partial(_is_there, thread)):
                    really(thread)
            elif self._is_over or get_ident() != self._main:
                really(thread, timeout)
            else:
                really(thread, 0)  # which also refuses what cannot be joined
                if timeout is not None and timeout > 0 and thread.is_alive():
                    self._join_timed(thread, timeout, partial(really, thread))

        return join

    def _join_timed(self, thread: threading.Thread, timeout: float, really: Callable[[float], None]) -> None:
        """Wait in real time as long as threads have something to do, else let time pass."""
        waited, seconds = 0.0, looks()
        with self._threads.waiting_for(thread, timed=True):
            while not self._others.are_idle():
                look = min(next(seconds), timeout - waited)
                really(look)
                waited += look
                if waited >= timeout or not thread.is_alive():
                    return
        self._let_pass(timeout, lambda: not thread.is_alive())

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
            self._others.give(future)
            return future

        return submit


class Lock:
    """`threading.Lock`, where the one who waits for it waits as for all else."""

    __slots__ = ("__weakref__", "_at_fork_reinit", "_let_go", "is_held", "locked", "really")
    waiting: ClassVar[Waiting]

    def __init__(self) -> None:
        lock: Any = _REAL_LOCK()
        self.really: Callable[..., bool] = lock.acquire
        self._let_go: Callable[[], None] = lock.release
        self.locked: Callable[[], bool] = lock.locked
        self._at_fork_reinit: Callable[[], None] = lock._at_fork_reinit
        self.is_held = False
        """Whether somebody has it; not from when he lets go of it until the next one has come to run."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As that of the standard library."""
        if not blocking or timeout == 0:
            found = self.really(blocking, timeout)
        else:
            found = self.really(False) or self.waiting.acquire(self, timeout)
        if found:
            self.is_held = True
        return found

    def release(self) -> None:
        """As that of the standard library."""
        held, self.is_held = self.is_held, False
        try:
            self._let_go()
        except RuntimeError:  # nobody has it
            self.is_held = held
            raise

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle '_thread.lock' object")


class SimpleQueue:
    """`queue.SimpleQueue`, where the one who waits for it waits as for all else: pools of threads have them.

    As that one it may be put something into while this thread is about to: by a handler, or what is deleted.
    """

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._changed = threading.Condition(threading.RLock())

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """As that of the standard library: there always is room."""
        with self._changed:
            self._items.append(item)
            self._changed.notify()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """As that of the standard library."""
        if block and timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        with self._changed:
            if not self._items and block:
                self._changed.wait_for(lambda: self._items, timeout)
            if not self._items:
                raise Empty
            return self._items.popleft()

    def put_nowait(self, item: Any) -> None:
        """As that of the standard library."""
        self.put(item)

    def get_nowait(self) -> Any:
        """As that of the standard library."""
        return self.get(False)

    def empty(self) -> bool:
        """As that of the standard library."""
        return not self._items

    def qsize(self) -> int:
        """As that of the standard library."""
        return len(self._items)

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)


@contextmanager
def _told_of(condition: Any) -> Iterator[tuple[Callable[[float | None], bool], Callable[[], bool]]]:
    """Wait for a condition in a `with` block, as `Condition.wait` does.

    :returns: waits so many seconds for a notification, None is for ever, and says whether it has come; and
        whether none was sent yet
    """
    waiter = _REAL_LOCK()
    waiter.acquire()
    condition._waiters.append(waiter)
    saved = condition._release_save()
    try:
        yield (
            lambda seconds: waiter.acquire(seconds is None or seconds > 0, seconds or -1),
            lambda: waiter in condition._waiters,
        )
    finally:
        condition._acquire_restore(saved)
        if waiter in condition._waiters:
            condition._waiters.remove(waiter)


def _is_there(thread: threading.Thread) -> bool:
    """Whether a thread has not come to its end; one that has may be alive for a moment, and not be seen."""
    return threading._active.get(thread.ident) is thread  # type: ignore[attr-defined]


def _is_alone() -> bool:
    """Whether there is no other thread, not even one that `threading` does not know."""
    return threading.active_count() == 1 and len(sys._current_frames()) == 1
