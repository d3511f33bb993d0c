"""Which thread may let time pass."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress

import pytest

from ccxt_driver.backtest.clock import VirtualClock
from ccxt_driver.backtest.threads import Threads, ThreadsThatWait

_DEADLINE = 30.0


class _Loop:
    """A thread in which an event loop runs, and wants time to pass.

    :param called: whether there is something to do at once
    """

    def __init__(self, threads: Threads, *, needs_time: bool = True, called: bool = False) -> None:
        self.began = threading.Event()
        self.may: Future[bool] = Future()
        self._threads = threads
        self._needs_time = needs_time
        self._called = called
        self.thread = threading.Thread(target=self._run)
        threads.give(self.thread)
        self.thread.start()

    def _run(self) -> None:
        try:
            with self._threads.running_loop():
                self.began.set()
                with self._threads.turn(needs_time=self._needs_time, is_called=lambda: self._called) as may:
                    self.may.set_result(may)
        except BaseException as error:  # noqa: BLE001  # for the test to look at
            self.may.set_exception(error)

    def error(self) -> BaseException | None:
        """What it got."""
        return self.may.exception(_DEADLINE)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(0, 1_000)


@pytest.fixture
def threads(clock: VirtualClock) -> Threads:
    return Threads(clock)


def test_a_loop_has_its_turn_when_the_main_thread_waits_for_it(threads: Threads) -> None:
    loop = _Loop(threads)
    with threads.waiting_for(loop.thread):
        assert loop.may.result(_DEADLINE)
    loop.thread.join(_DEADLINE)


def test_a_loop_that_is_called_does_not_let_time_pass(threads: Threads) -> None:
    assert not _Loop(threads, called=True).may.result(_DEADLINE)


def test_another_thread_that_is_waited_for_gives_no_turn(threads: Threads) -> None:
    loop = _Loop(threads)
    with threads.waiting_for(threading.Thread()), pytest.raises(TimeoutError):
        loop.may.result(0.05)
    with threads.waiting_for(loop.thread):
        assert loop.may.result(_DEADLINE)


def test_two_loops_are_refused(threads: Threads) -> None:
    idle = _Loop(threads, needs_time=False)
    idle.began.wait(_DEADLINE)

    assert isinstance(_Loop(threads).error(), ThreadsThatWait)
    threads.end()
    assert isinstance(idle.error(), SystemExit)


def test_a_main_thread_that_lets_time_pass_or_waits_with_a_time_out_is_refused(threads: Threads) -> None:
    told: list[ThreadsThatWait] = []
    threads.refuse = told.append
    loop = _Loop(threads)
    loop.began.wait(_DEADLINE)

    with pytest.raises(ThreadsThatWait), threads.turn(needs_time=True, is_called=bool):
        pytest.fail("it had its turn")
    with threads.waiting_for(loop.thread, timed=True):
        assert isinstance(loop.error(), ThreadsThatWait)
    assert len(told) == 2


def test_a_loop_that_begins_after_time_has_passed_is_refused(threads: Threads, clock: VirtualClock) -> None:
    clock.shifted = lambda _: None
    errors: list[BaseException] = []

    def run() -> None:
        with suppress(SystemExit):
            try:
                with threads.running_loop():
                    pytest.fail("it has begun")
            except ThreadsThatWait as error:
                errors.append(error)

    thread = threading.Thread(target=run)
    threads.give(thread)
    clock.move_to(1)
    thread.start()
    thread.join(_DEADLINE)

    assert len(errors) == 1


def test_a_main_thread_that_was_woken_by_a_loop_is_refused_the_next_time(threads: Threads) -> None:
    loop = _Loop(threads)
    loop.began.wait(_DEADLINE)
    threads.wake()

    with threads.waiting_for(threading.Condition()):
        assert isinstance(loop.error(), ThreadsThatWait)


def test_who_is_woken_may_wait_for_a_lock_at_once() -> None:
    threads = Threads(VirtualClock(0, 1))
    with threads.waits_for_ever(lambda: True):
        [outer] = threads.for_ever.values()
        with threads.waits_for_ever():
            assert [each.stands() for each in threads.for_ever.values()] == [False]
        assert [*threads.for_ever.values()] == [outer]
    assert threads.for_ever == {}
