"""An event loop on virtual time: it never waits, the clock jumps to what comes next."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors
from asyncio import selector_events
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol
from unittest.mock import patch

from .outside import Outside, Transport
from .threads import looks

_KeyAndEvents = list[tuple[selectors.SelectorKey, int]]


class Time(Protocol):
    """What moves the clock."""

    def seconds(self) -> float:
        """What the loop's own clock shows."""
        ...

    def idle(self, until: float | None) -> None:
        """Nothing is to be done before a time of that clock, or ever: go to what comes next."""
        ...

    def finish_others(self) -> bool:
        """Let other threads do what they have been given to do.

        :returns: whether there are any
        """
        ...

    def running_loop(self) -> AbstractContextManager[None]:
        """A loop runs in this thread, in a `with` block."""
        ...

    def called(self, loop: object) -> None:
        """Another thread has given a loop something to do."""
        ...

    def are_others_idle(self) -> bool | None:
        """Whether other threads only wait for what somebody gives them; None where loops run in some."""
        ...

    def waiting_for_threads(self, loop: object) -> AbstractContextManager[None]:
        """A loop has nothing to do but to wait for threads that work for it, in a `with` block."""
        ...


_CLOCK_RESOLUTION: Final = 1e-6
_TURNS_AT_ONCE: Final = 10_000
_TURN_SECONDS: Final = 0.01
"""What a turn takes of a loop that only turns: scripts that only ever `sleep(0)` must not stand still."""
_REAL_AS_COMPLETED: Final = asyncio.as_completed
_numbers = itertools.count()
_left: list[asyncio.Task[Any]] = []


class _Task(asyncio.Task[Any]):
    """A task with a place in sets that does not depend on where it is in memory: the same in each run."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self._number = next(_numbers)
        super().__init__(*args, **named)

    def __hash__(self) -> int:
        return self._number


class _Timer(asyncio.TimerHandle):
    """Those of one moment come in the order in which they were made, as where each moment is another one."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._number = next(_numbers)

    def __lt__(self, other: Any) -> bool:
        mine, others = self.when(), other.when()
        return bool(mine < others or (mine == others and self._number < other._number))


class VirtualLoop(asyncio.SelectorEventLoop):
    """Jumps from timer to timer, and to what happens in the market between them.

    :param time: moves the clock
    """

    if TYPE_CHECKING:
        _ready: Any
        _scheduled: Any
        _clock_resolution: float

    def __init__(self, time: Time) -> None:
        self._virtual = time
        self._elsewhere = 0
        selector = _Selector(self)
        self.outside = selector.outside
        super().__init__(selector)
        self.set_task_factory(lambda loop, coro, **named: _Task(coro, loop=loop, **named))
        # Seconds of years have no nanoseconds left in a float: a timer is due when less than this is missing.
        self._clock_resolution = _CLOCK_RESOLUTION

    def time(self) -> float:
        """Seconds of the virtual clock."""
        return self._virtual.seconds()

    def run_forever(self) -> None:
        """As asyncio's."""
        with self._virtual.running_loop():
            super().run_forever()

    def _write_to_self(self) -> None:
        super()._write_to_self()  # type: ignore[misc]
        self._virtual.called(self)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """As asyncio's."""
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        timer = _Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def close(self) -> None:
        """As asyncio's; tasks that are not done stay as they are.

        One that swallows its end would do so for ever, if it was ended by being forgotten.
        """
        if not self.is_closed():
            _left.extend(task for task in asyncio.all_tasks(self) if not task.done())
        super().close()

    @property
    def waits_really(self) -> bool:
        """Whether a thread works for the loop: then nothing else is due before it has answered."""
        return self._elsewhere > 0

    @property
    def is_called(self) -> bool:
        """Whether there is something to do at once."""
        return bool(self._ready)

    def is_idle_until(self, moment: float) -> bool:
        """Whether nothing runs and no timer is due up to a time of the loop's clock."""
        # asyncio's own lists, which it has had in every release: nobody else can tell as quickly.
        if self._ready or self._elsewhere or self.outside.is_awaited:
            return False
        timers: list[Any] = self._scheduled
        return not timers or timers[0].when() > moment

    def add_reader(  # type: ignore[override]
        self, fd: Any, callback: Any, *args: Any
    ) -> None:
        """As asyncio's; a library that waits for a socket by itself has asked something."""
        super().add_reader(fd, callback, *args)
        self.outside.asked(fd if isinstance(fd, int) else fd.fileno())

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """asyncio's; virtual time stands still until the thread has answered."""
        future = super().run_in_executor(executor, func, *args)
        self._elsewhere += 1
        future.add_done_callback(self._answered)
        return future

    async def _make_subprocess_transport(self, *args: Any, **named: Any) -> Any:
        raise NotImplementedError(
            "in a backtest the event loop starts no processes, as it cannot tell how long they take: use "
            "subprocess.run, or asyncio.to_thread(subprocess.run, ...)"
        )

    async def shutdown_default_executor(
        self,
        timeout: float | None = None,  # noqa: ASYNC109  # as its superclass has it
    ) -> None:
        """asyncio's; threads come to their end in real time."""
        self._elsewhere += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._elsewhere -= 1

    def _answered(self, future: Any) -> None:
        self._elsewhere -= 1


class _Selector(selectors.BaseSelector):
    """Asks the system only for what is there at once; instead of waiting it lets the clock jump."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()
        self.outside = Outside(self._real.get_map())
        self._turns = 0
        """Without anything that took time."""
        self._turns_until = 0.0
        """When it is, if nothing but turns has taken time."""

    def select(self, timeout: float | None = None) -> _KeyAndEvents:
        """What is ready; see `BaseSelector.select`."""
        loop = self._loop
        if timeout is not None and timeout <= 0:
            timeout = self._turned()
        if timeout is not None and timeout <= 0:
            # Beside the loop's own pipe, through which threads wake it, there is nothing to look at.
            return self._select(0) if len(self._real.get_map()) > 1 else []
        found = self._select(0)
        passes = not loop.waits_really
        if not found and not passes:
            found, passes = self._wait_for_threads(timeout)
        if not found and passes and loop._virtual.finish_others():
            found = self._select(0)  # what they have given the loop to do
        if not found and passes and self.outside.is_awaited:
            found = self._wait_for_answers()
        if not found and passes:
            loop._virtual.idle(None if timeout is None else loop.time() + timeout)
        return found

    def _select(self, timeout: float | None) -> _KeyAndEvents:
        found = self._real.select(timeout)
        for key, events in found:
            if events & selectors.EVENT_READ:
                self.outside.heard(key.fd)
            else:
                self.outside.sent(key.fd)
        return found

    def _wait_for_answers(self) -> _KeyAndEvents:
        """Wait for what was asked outside of the run, for a while.

        :returns: what is ready
        """
        while (seconds := self.outside.seconds()) > 0:
            found = self._select(seconds)
            if found:
                return found
        self.outside.gave_up()
        return []

    def _wait_for_threads(self, timeout: float | None) -> tuple[_KeyAndEvents, bool]:
        """Wait for threads that work for the loop.

        :returns: what is ready, and whether time may pass: all of them wait for what others give them
        """
        seconds = looks()
        while (are_idle := self._loop._virtual.are_others_idle()) is False:
            found = self._select(next(seconds))
            if found:
                return found, False
        if are_idle:
            return self._select(0), True
        if timeout is not None:
            return self._select(None), False
        with self._loop._virtual.waiting_for_threads(self._loop):
            return self._select(None), False

    def _turned(self) -> float:
        """A turn without a pause.

        :returns: seconds that it takes
        """
        self._turns += 1
        if self._turns < _TURNS_AT_ONCE:
            return 0.0
        now = self._loop.time()
        if now > self._turns_until + _CLOCK_RESOLUTION:
            self._turns, self._turns_until = 0, now
            return 0.0
        self._turns_until = now + _TURN_SECONDS
        return _TURN_SECONDS

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one."""
        key = self._real.register(fileobj, events, data)
        self._note(key)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """As the real one."""
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one."""
        key = self._real.modify(fileobj, events, data)
        self._note(key)
        return key

    def _note(self, key: selectors.SelectorKey) -> None:
        """A socket that is to be written to connects, or has more to send than goes out at once."""
        if key.events & selectors.EVENT_WRITE:
            self.outside.asked(key.fd)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """As the real one."""
        return self._real.get_map()

    def close(self) -> None:
        """As the real one."""
        self._real.close()


@contextmanager
def virtual_asyncio(time: Time) -> Iterator[None]:
    """Have every event loop be a virtual one for the length of a `with` block, whatever a script asks for.

    :param time: moves the clock
    """
    policy = VirtualPolicy(time)
    replaced: list[tuple[Any, str, Any]] = [
        # Of a policy that a script has nothing is wanted but another loop.
        (asyncio, "set_event_loop_policy", _nothing),
        (asyncio, "as_completed", _as_completed),
        (selector_events, "_SelectorSocketTransport", Transport),
    ]
    if find_spec("uvloop") is not None:
        import uvloop

        replaced += [
            (uvloop, "install", _nothing),
            (uvloop, "run", _run),
            (uvloop, "new_event_loop", policy.new_event_loop),
            (uvloop, "Loop", policy.new_event_loop),
            (uvloop, "EventLoopPolicy", lambda: policy),
        ]
    # Deprecated from Python 3.14 on, and the only way to a loop that a script makes by itself.
    asyncio.set_event_loop_policy(policy)
    try:
        with ExitStack() as stack:
            for place, name, value in replaced:
                stack.enter_context(patch.object(place, name, value))
            yield
    finally:
        asyncio.set_event_loop_policy(None)


def _nothing(*args: Any) -> None:
    """What a script asks for has been done."""


def _run(main: Coroutine[Any, Any, Any], *, loop_factory: Any = None, debug: bool | None = None) -> Any:
    """`uvloop.run`."""
    return asyncio.run(main, debug=debug)


def _as_completed(fs: Any, **named: Any) -> Any:
    """asyncio's; it begins coroutines in the order in which they are given, not in that of a set."""
    if not asyncio.isfuture(fs) and not asyncio.iscoroutine(fs):
        fs = [asyncio.ensure_future(each) for each in dict.fromkeys(fs)]
    return _REAL_AS_COMPLETED(fs, **named)


def has_left_tasks() -> bool:
    """Whether a loop was closed while there were tasks in it that were not done."""
    return bool(_left)


class VirtualPolicy(asyncio.DefaultEventLoopPolicy):
    """Makes virtual loops.

    :param time: moves the clock
    """

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """A loop on virtual time."""
        return VirtualLoop(self._time)
