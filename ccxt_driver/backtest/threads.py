"""Which thread may let time pass: the script's own, or the one whose event loop that one waits for."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Final
from weakref import WeakKeyDictionary

from .clock import VirtualClock

_REAL_WAIT: Final = threading.Condition.wait
_LONGEST_LOOK: Final = 0.05
"""Seconds."""
_WHAT_TO_DO: Final = (
    "in a backtest only the main thread and coroutines may wait for time to pass, because the order in which "
    "threads wake up is nobody's; use asyncio tasks in a loop of the main thread"
)
_LOOP: Final = "runs an event loop, and the main thread does more than join that thread (it {})"


def looks(first: float = 0.0005) -> Iterator[float]:
    """Seconds after which to look again whether threads have anything to do: each twice the one before."""
    look = first
    while True:
        yield look
        look = min(2 * look, _LONGEST_LOOK)


def cannot_tell() -> bool:
    """Whoever waits for a lock may have it already, without having come to run."""
    return False


class ThreadsThatWait(RuntimeError):
    """A thread beside the script's own waits for time to pass, which nobody can put in order."""


class Wait:
    """A thread waits without a time-out.

    :param stands: whether it still does, and has not been woken; False where nobody can tell
    """

    __slots__ = ("stands",)

    def __init__(self, stands: Callable[[], bool]) -> None:
        self.stands = stands


class Threads:
    """Those of one script. An event loop in a thread has the clock while the main thread only waits for it.

    :param clock: of the run
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.main = get_ident()
        self.for_ever: dict[int, Wait] = {}
        """Threads that wait without a time-out; at each wait with another one."""
        self.has_others = False
        """Whether threads were started beside the main one, which may not have ended yet."""
        self.loops: set[int] = set()
        """Threads beside the main one in which an event loop runs."""
        self.refuse: Callable[[ThreadsThatWait], None] = _nobody
        """Told of a thread that waits, before it gets the error."""
        self.finish_others: Callable[[], None] = _nothing
        """Waits until the threads beside the main one have nothing left to do."""
        self.is_over = False
        """Whether the script has ended."""
        self.left_loops = False
        """Whether event loops were still running then."""
        self.are_stuck = False
        """Whether threads for which Python would wait at its end were left waiting then."""
        self.is_main_due = False
        """Whether the main thread is to be interrupted when it has waited: the data has ended."""
        self.waited_for: object | None = None
        """What the main thread waits for: a thread, a condition or a loop, whose end this hears of."""
        self._clock = clock
        self._changed = threading.Condition(threading.Lock())
        self._seen_ns: WeakKeyDictionary[threading.Thread, int] = WeakKeyDictionary()
        """Where the clock was when a thread was given its work, or has let time pass itself."""
        self._queue: set[int] = set()
        """Threads whose loops wait for the main thread to wait."""
        self._waits_timed = False
        """Whether the main thread waits for others with a time-out."""
        self._is_mixed = False
        """Whether the main thread was woken while a loop goes on in another one."""

    @property
    def is_main(self) -> bool:
        """Whether this is the main thread."""
        return get_ident() == self.main

    def refused(self, what: str) -> ThreadsThatWait:
        """The error of a thread of the script; whoever is to know of it has been told.

        :param what: it does
        """
        error = ThreadsThatWait(f"a thread of the script {what}: {_WHAT_TO_DO}")
        self.refuse(error)
        return error

    def end(self) -> None:
        """The script has ended: loops that are left stand still."""
        with self._changed:
            self.is_over, self.left_loops = True, bool(self.loops)
            self._changed.notify_all()

    def interrupt_main(self) -> None:
        """Interrupt the main thread as by Ctrl-C, unless the script has ended."""
        with self._changed:
            if self.is_over:
                return
            # One that waits for others hears only what is sent to itself.
            if not self.is_main and hasattr(signal, "pthread_kill"):
                signal.pthread_kill(self.main, signal.SIGINT)
                return
        signal.raise_signal(signal.SIGINT)

    # -- for the main thread ---------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """Where the clock is."""
        return self._clock.ns

    @contextmanager
    def waits_for_ever(self, stands: Callable[[], bool] = cannot_tell) -> Iterator[None]:
        """This thread waits for another one without a time-out, in a `with` block.

        :param stands: as of `Wait`
        """
        me = get_ident()
        # Who is woken may have to wait for the lock of what it has waited for.
        before = self.for_ever.get(me)
        self.for_ever[me] = Wait(stands)
        try:
            yield
        finally:
            if before is None:
                del self.for_ever[me]
            else:
                self.for_ever[me] = before

    def give(self, thread: threading.Thread, at_ns: int | None = None) -> None:
        """A thread is given work.

        :param at_ns: when, now by default
        """
        self.has_others = True
        self._seen_ns[thread] = self._clock.ns if at_ns is None else at_ns

    @contextmanager
    def waiting_for(self, what: object, *, timed: bool = False) -> Iterator[None]:
        """The main thread does nothing but wait, in a `with` block.

        :param what: a thread that is joined, a condition, or a loop that others call
        :param timed: whether it does so with a time-out
        """
        self._tell(what, timed=timed)
        try:
            yield
        finally:
            self._tell(None)

    def _tell(self, what: object | None, *, timed: bool = False) -> None:
        with self._changed:
            self.waited_for, self._waits_timed = what, timed
            self._changed.notify_all()

    def refuse_loops(self) -> None:
        """Raise an error if event loops wait for the main thread, which waits for something else."""
        if self._queue:
            raise self.refused(_LOOP.format("waits for something else"))

    # -- for other threads -----------------------------------------------------------------------------

    def wake(self) -> None:
        """What the main thread waits for is there: from now on it runs, too."""
        with self._changed:
            self.waited_for, self._waits_timed = None, False
            self._is_mixed = bool(self.loops)

    def call(self) -> None:
        """Some loop has been given something to do by another thread."""
        if self.loops:
            with self._changed:
                self._changed.notify_all()

    @contextmanager
    def running_loop(self) -> Iterator[None]:
        """An event loop runs in this thread, in a `with` block."""
        me = get_ident()
        if me == self.main:
            yield
            return
        if self.is_over:
            raise SystemExit
        if self._has_missed():
            raise self.refused(_LOOP.format("has let time pass before"))
        with self._changed:
            self.loops.add(me)
        try:
            yield
        finally:
            with self._changed:
                self.loops.discard(me)
                self._is_mixed = self._is_mixed and bool(self.loops)
                self._changed.notify_all()

    @contextmanager
    def turn(self, *, needs_time: bool, is_called: Callable[[], bool]) -> Iterator[bool]:
        """Time is to pass in a `with` block, while event loops run in threads.

        Waits until the main thread waits for this thread: until then that one may call for it.

        :param needs_time: whether this thread has something to do at a later time
        :param is_called: whether there is something to do now
        :returns: whether time may pass
        :raises ThreadsThatWait: this thread or the main one must not wait
        :raises SystemExit: the script has ended
        """
        if self.is_main:
            raise self.refused(_LOOP.format("waits for time to pass"))
        may = self._wait_for_turn(needs_time, is_called)
        try:
            yield may
        finally:
            if may:
                self.give(threading.current_thread())

    def _wait_for_turn(self, needs_time: bool, is_called: Callable[[], bool]) -> bool:
        me, others_are_done = get_ident(), False
        while True:
            has_waited = False
            with self._changed:
                while (may := self._may_pass(me, needs_time, is_called)) is None:
                    self._wait_in_queue(me)
                    has_waited = True
            if isinstance(may, str):
                raise self.refused(may)
            if not may or (others_are_done and not has_waited):
                return may
            # A thread that has been started may be about to run a loop, too, or to call this one.
            with self.waits_for_ever(_stands):
                self.finish_others()
            others_are_done = True

    def _may_pass(self, me: int, needs_time: bool, is_called: Callable[[], bool]) -> bool | str | None:
        """Whether it is the turn of this thread; None where it has to wait, a text where it must not."""
        if self.is_over:
            raise SystemExit
        if is_called():
            return False
        is_alone, is_waited_for = self.loops == {me}, self._is_waited_for(me)
        if needs_time and not is_alone:
            return "runs an event loop, and another one does so, too"
        if needs_time and (self._has_missed() or self._waits_timed or (is_waited_for and self._is_mixed)):
            return _LOOP.format("goes on, or waits with a time-out")
        return True if is_alone and is_waited_for else None

    def _wait_in_queue(self, me: int) -> None:
        self._queue.add(me)
        try:
            with self.waits_for_ever():
                _REAL_WAIT(self._changed)
        finally:
            self._queue.remove(me)

    def _has_missed(self) -> bool:
        """Whether others have let time pass since this thread was given its work."""
        ns = self._clock.ns
        return self._seen_ns.setdefault(threading.current_thread(), ns) != ns

    def _is_waited_for(self, me: int) -> bool:
        found = self.waited_for
        if self._waits_timed or found is None:
            return False
        return found.ident == me if isinstance(found, threading.Thread) else True


def _stands() -> bool:
    """Whoever asks is the only one who could say otherwise."""
    return True


def _nothing() -> None:
    """There is nobody else."""


def _nobody(error: ThreadsThatWait) -> None:
    """Nobody has to be told."""
