"""Lets virtual time pass: from what a script waits for to what happens in the market, whichever is first."""

from __future__ import annotations

import asyncio
import heapq
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from random import Random
from threading import get_ident
from typing import Any, Final, Protocol

from ccxt_driver.oms.service import EmbeddedOms

from .clock import NS_PER_MS, NS_PER_SECOND, VirtualClock
from .finer_candles import FinerCandles
from .journal import Journal
from .loop import VirtualLoop
from .other_threads import OtherThreads
from .threads import Threads, ThreadsThatWait

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000
_FARTHER: Final = 8
"""How many times as far ahead is looked for what the OMS does, where it has done nothing so far."""
_NEVER: Final = 2**62
_ASKED_AT_ONCE: Final = 1_000
_REQUEST_MS: Final = 50
"""What a request takes of a script that only ever asks: a usual rate limit."""
_STEPS_AFTER_END: Final = 10_000
_POLITE_ENDS: Final = 2
_RUDE_ENDS: Final = 2
_GOES_ON: Final = (
    "Note: the script was interrupted as the data ended, and goes on: what it still orders is in the report, "
    "at the last prices\n"
)
_ID_BITS: Final = 68
"""17 digits: with the letter as long as venues take."""


_STEP_NS: Final = 1_000
_SLACK_NS: Final = 200


class ReplayOver(BaseException):
    """The data has ended, and the script goes on although it was interrupted."""


class Moments(Protocol):
    """When something was recorded."""

    def next_news(self, after_ms: int) -> int | None:
        """The first time after another at which anything was; None at the end."""
        ...


class Replay:
    """Moves the clock of one run.

    What is due at one moment comes in this order: what the OMS does by itself, then news of the market,
    then timers and sleeps.

    :param oms: stands on the clock
    :param clock: what the script sees
    :param market: when there are news of the market
    :param seed: of what a script would draw by chance through the driver
    :param finer: is told of requests for candles
    :param request_ms: what a request takes
    """

    def __init__(
        self,
        oms: EmbeddedOms,
        clock: VirtualClock,
        market: Moments,
        seed: int,
        finer: FinerCandles,
        request_ms: int = 0,
    ) -> None:
        self.oms = oms
        self.finer = finer
        self.clock = clock
        self.end_ms = clock.end_ms
        self.threads = Threads(clock)
        self.threads.refuse = self.refuse
        self.others = OtherThreads(self.threads)
        self.threads.finish_others = self.others.finish
        self.is_over = False
        """Whether the data has ended."""
        self.failure: BaseException | None = None
        """Why the run cannot be right."""
        self.on_step: Callable[[], None] | None = None
        """Called now and then while time passes."""
        self.journal: Journal | None = None
        """Told of requests that change something."""
        self.abandon: Callable[[], None] = _nothing
        """Ends the process of a script that goes on whatever happens; does not return."""
        self._random = Random(seed)
        self._market = market
        self._market_ms = 0
        self._waits: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = 0
        self._main_follows = False
        """Whether the OMS was followed as the first loop began in another thread."""
        self._quiet_ms = 0
        """Up to when the OMS does nothing by itself, as of `_quiet_commits`."""
        self._quiet_commits = -1
        self._horizon_ms = _MINUTE_MS
        self._ends = 0
        self._steps_after_end = 0
        self._request_ms = request_ms
        self._asked = 0
        self._asked_ns = 0

    def note(self, method: str, path: str, params: Any) -> None:
        """Take note of a request that is made now."""
        is_told = self.finer.sees(params)
        if self.journal is not None:
            self.journal.note(self.clock.now_ms(), method, path, params, reads_too=is_told)

    # -- for the script's clock ------------------------------------------------------------------------

    def seconds(self) -> float:
        """What `time.monotonic` and the event loop show."""
        return self.clock.seconds()

    def sleep(self, seconds: float) -> None:
        """Let time pass in a script that blocks: what happens meanwhile is settled when somebody asks."""
        self.finish_others()
        if not self.threads.loops:
            self._sleep(seconds)
            return
        with self.threads.turn(needs_time=True, is_called=_never):
            self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        if self.on_step is not None:
            self.on_step()
        now_ns = self.clock.ns
        until_ns = max(_whole(now_ns + round(seconds * NS_PER_SECOND)), now_ns + (_STEP_NS if seconds else 0))
        if until_ns > self.end_ms * NS_PER_MS:
            self._end(until_ns)
        else:
            self.clock.move_to(until_ns)

    def finish_others(self) -> bool:
        """See `loop.Time`."""
        threads = self.threads
        if not threads.has_others or threads.loops or not threads.is_main:
            return False
        self.others.finish()
        return True

    def are_others_idle(self) -> bool | None:
        """See `loop.Time`."""
        return None if self.threads.loops or not self.threads.is_main else self.others.are_idle()

    def wait_for_ever(self) -> None:
        """Nothing will happen any more in a script that blocks: the data ends."""
        self.threads.refuse_loops()
        self._steps_after_end = _STEPS_AFTER_END
        self._end(max(self.clock.ns, self.end_ms * NS_PER_MS))

    def asks_freely(self) -> bool:
        """Whether a request takes no time; then it has been made."""
        if self._request_ms:
            return False
        ns = self.clock.ns
        if ns > self._asked_ns:
            self._asked_ns, self._asked = ns, 0
        if self._asked >= _ASKED_AT_ONCE:
            return False
        self._asked += 1
        return True

    def request_seconds(self) -> float:
        """What a request takes: a script that only ever asks must not stand still in time."""
        if self.asks_freely():
            return 0.0
        takes_ms = self._request_ms or _REQUEST_MS
        self._asked_ns = self.clock.ns + takes_ms * NS_PER_MS
        return takes_ms / 1000

    def idle(self, until: float | None) -> None:
        """The event loop has nothing to do; see `loop.Time`."""
        if not self.threads.loops:
            self._idle(until)
            return
        needs_time = until is not None or self._tells_a_loop()
        loop: Any = asyncio.get_running_loop()
        with self.threads.turn(needs_time=needs_time, is_called=lambda: loop.is_called) as may:
            if may:
                self._idle(until)

    def running_loop(self) -> AbstractContextManager[None]:
        """See `loop.Time`."""
        if not self.threads.is_main and not self.threads.loops:
            self._main_follows = self.oms.is_followed
        return self.threads.running_loop()

    def called(self, loop: object) -> None:
        """See `loop.Time`."""
        if self.threads.waited_for is loop:
            self.threads.wake()
        self.threads.call()

    @contextmanager
    def waiting_for_threads(self, loop: object) -> Iterator[None]:
        """See `loop.Time`."""
        if not self.threads.is_main or self._tells(loop):
            yield
            return
        with self.threads.waiting_for(loop):
            yield

    def _tells(self, loop: object) -> bool:
        """Whether something in the market or the OMS is waited for in the main thread's loop.

        A loop in another thread may have begun to wait before this one does.
        """
        follows = self.oms.is_followed
        if self.threads.loops:
            follows = self._main_follows
        waits = [future for _, _, future in [*self._waits] if not future.done()]
        return follows or any(future.get_loop() is loop for future in waits)

    def _tells_a_loop(self) -> bool:
        """Whether something in the market or the OMS is waited for in some event loop."""
        return self.oms.is_followed or self.first_wait_ms() != _NEVER

    def _idle(self, until: float | None) -> None:
        if self.on_step is not None:
            self.on_step()
        clock = self.clock
        timer_ns = None if until is None else _whole(clock.zero_ns + round(until * NS_PER_SECOND))
        if self.is_over:
            self._end(clock.ns if timer_ns is None else timer_ns)
            return
        due_ms = min(self.first_wait_ms(), self._next_news_ms())
        reach_ms = min(due_ms, self.end_ms)
        if timer_ns is not None and timer_ns < reach_ms * NS_PER_MS:
            reach_ms = timer_ns // NS_PER_MS
        if not self._move_oms(reach_ms):
            return  # something has happened on the way
        if timer_ns is not None and timer_ns < min(due_ms, self.end_ms) * NS_PER_MS:
            clock.move_to(timer_ns)
        elif due_ms <= self.end_ms:
            self._arrive(due_ms)
        else:
            clock.move_to(self.end_ms * NS_PER_MS)
            self._wake(self.end_ms)
            self._end(clock.ns)

    def client_order_id(self) -> str:
        """One that nobody has had: the same in each run."""
        return f"b{self._random.getrandbits(_ID_BITS):0{_ID_BITS // 4}x}"

    # -- for those who wait for the market -----------------------------------------------------------

    def first_wait_ms(self) -> int:
        """When the first of those who wait is due."""
        waits = self._waits
        while waits and waits[0][2].done():  # it was cancelled
            heapq.heappop(waits)
        return waits[0][0] if waits else _NEVER

    def go_to(self, at_ms: int) -> bool:
        """Go to a moment of the market without a turn of the event loop, where nothing else is due before it.

        What happens by itself in the OMS counts where somebody is told of it.

        :returns: whether the clock is there; else the one who wants to go has to wait for it
        """
        threads = self.threads
        if threads.loops or (threads.has_others and not self.others.are_idle()):
            return False  # loops take their turn in `idle`, and others finish before it
        if at_ms > self.end_ms or (self._waits and self.first_wait_ms() <= at_ms):
            return False
        clock, loop = self.clock, asyncio.get_running_loop()
        ns = at_ms * NS_PER_MS
        if type(loop) is not VirtualLoop or not loop.is_idle_until((ns - clock.zero_ns) / NS_PER_SECOND):
            return False
        oms = self.oms
        if oms.is_followed and (oms.prices_followed or not self._is_quiet(at_ms)):
            return False
        if self.on_step is not None:
            self.on_step()
        clock.move_to(ns)
        return True

    def wait_for(self, at_ms: int) -> asyncio.Future[None]:
        """A future that is done at a moment of the market."""
        future = asyncio.get_running_loop().create_future()
        self._numbers += 1
        heapq.heappush(self._waits, (at_ms, self._numbers, future))
        return future

    def settle(self) -> None:
        """Let the OMS do what it has done by now."""
        if not self._is_quiet(self.clock.now_ms()):
            self.oms.tick()
            self._quiet_ms = 0

    def let_arrive(self) -> None:
        """Go on until what the script has sent is at the market: that it ends holds nothing up."""
        at_ms = self.oms.last_arrival_ms()
        if at_ms is not None:
            self.clock.move_to(min(at_ms, self.end_ms) * NS_PER_MS)
            self.oms.tick()

    # -- inside --------------------------------------------------------------------------------------

    def _next_news_ms(self) -> int:
        """The next moment of the market, when somebody is told of them."""
        if not self.oms.prices_followed:
            return _NEVER
        now_ms = self.clock.now_ms()
        if self._market_ms <= now_ms:
            following = self._market.next_news(now_ms)
            self._market_ms = _NEVER if following is None else following
        return self._market_ms

    def _arrive(self, at_ms: int) -> None:
        """Be at a moment of the market: those who follow it are told, those who wait for it go on."""
        self.clock.move_to(at_ms * NS_PER_MS)
        if self.oms.prices_followed:
            self.oms.tick()
        self._wake(at_ms)

    def _wake(self, at_ms: int) -> None:
        waits = self._waits
        while waits and waits[0][0] <= at_ms:
            future = heapq.heappop(waits)[2]
            if not future.done():
                future.set_result(None)

    def _is_quiet(self, until_ms: int) -> bool:
        """Whether the OMS does nothing by itself up to a moment."""
        oms = self.oms
        if self._quiet_commits != oms.commits:
            self._quiet_commits, self._quiet_ms, self._horizon_ms = oms.commits, 0, _MINUTE_MS
        if until_ms < self._quiet_ms:
            return True
        horizon_ms = max(until_ms, self.clock.now_ms() + self._horizon_ms)
        self._horizon_ms = min(_FARTHER * self._horizon_ms, _DAY_MS)
        following = oms.next_move(min(horizon_ms, self.end_ms))
        self._quiet_commits = oms.commits
        self._quiet_ms = horizon_ms + 1 if following is None else max(following, self.clock.now_ms() + 1)
        return until_ms < self._quiet_ms

    def _move_oms(self, until_ms: int) -> bool:
        """Let the OMS do what is due, moment by moment, while somebody is told of it.

        :returns: whether nothing was told on the way
        """
        oms = self.oms
        while oms.is_followed and not self._is_quiet(until_ms):
            told = oms.told
            self.clock.move_to(self._quiet_ms * NS_PER_MS)
            oms.tick()
            self._quiet_ms = 0
            if oms.told != told:
                return False
        return True

    def _end(self, ns: int) -> None:
        """The data has ended, or time passes after that: the script is interrupted as by Ctrl-C.

        Once more when it goes on and on, and at last by what it cannot catch by mistake.

        :param ns: where it would be
        """
        first, self.is_over = not self.is_over, True
        self.clock.move_to(ns if not first else min(ns, self.end_ms * NS_PER_MS))
        self._steps_after_end += 1
        if not first and self._steps_after_end < _STEPS_AFTER_END:
            return
        self._steps_after_end = 0
        if not first and self._ends == 1:
            sys.stderr.write(_GOES_ON)
        self.interrupt()

    def refuse(self, error: ThreadsThatWait) -> None:
        """Have the script stop, because of a thread that waits."""
        is_first = self.failure is None
        self.failure = self.failure or error
        if self.threads.is_main:
            if not self.threads.is_over:
                self.interrupt()
        elif is_first:  # a second one could come when the script has stopped
            self.threads.interrupt_main()

    def interrupt(self) -> None:
        """Have the script stop."""
        self._ends += 1
        if self._ends > _POLITE_ENDS + _RUDE_ENDS:
            self.abandon()
        if self._ends > _POLITE_ENDS:
            raise ReplayOver
        if get_ident() in self.threads.loops:
            # The loop ends first, as `asyncio.run` ends its tasks; then the thread that has waited for it.
            self.threads.is_main_due = True
            raise SystemExit
        self.threads.interrupt_main()


def _whole(ns: int) -> int:
    """When one wakes who has computed a time in floats: at the whole microsecond that he meant, or after it.

    A float has no digits left for less, and whoever is a little early finds that nothing has happened yet.
    """
    return -(-(ns - _SLACK_NS) // _STEP_NS) * _STEP_NS


def _nothing() -> None:
    """Nobody waits for the end."""


def _never() -> bool:
    return False
