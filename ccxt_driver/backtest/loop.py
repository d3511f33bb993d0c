"""An event loop on virtual time: it never waits, the clock jumps to what comes next."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

_KeyAndEvents = list[tuple[selectors.SelectorKey, int]]


class Time(Protocol):
    """What moves the clock."""

    def seconds(self) -> float:
        """What the loop's own clock shows."""
        ...

    def idle(self, until: float | None) -> None:
        """Nothing is to be done before a time of that clock, or ever: go to what comes next."""
        ...


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
        super().__init__(_Selector(self))
        # Seconds of years have no nanoseconds left in a float: a timer is due when less than this is missing.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Seconds of the virtual clock."""
        return self._virtual.seconds()

    @property
    def waits_really(self) -> bool:
        """Whether a thread works for the loop: then nothing else is due before it has answered."""
        return self._elsewhere > 0

    def is_idle_until(self, moment: float) -> bool:
        """Whether nothing runs and no timer is due up to a time of the loop's clock."""
        # asyncio's own lists, which it has had in every release: nobody else can tell as quickly.
        if self._ready or self._elsewhere:
            return False
        timers: list[Any] = self._scheduled
        return not timers or timers[0].when() > moment

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """asyncio's; virtual time stands still until the thread has answered."""
        future = super().run_in_executor(executor, func, *args)
        self._elsewhere += 1
        future.add_done_callback(self._answered)
        return future

    def _answered(self, future: Any) -> None:
        self._elsewhere -= 1


class _Selector(selectors.BaseSelector):
    """Asks the system only for what is there at once; instead of waiting it lets the clock jump."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> _KeyAndEvents:
        """What is ready; see `BaseSelector.select`."""
        loop = self._loop
        if timeout is not None and timeout <= 0:
            # Beside the loop's own pipe, through which threads wake it, there is nothing to look at.
            return self._real.select(0) if len(self._real.get_map()) > 1 else []
        found = self._real.select(None if loop.waits_really else 0)
        if not found:
            loop._virtual.idle(None if timeout is None else loop.time() + timeout)
        return found

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one."""
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """As the real one."""
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one."""
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """As the real one."""
        return self._real.get_map()

    def close(self) -> None:
        """As the real one."""
        self._real.close()


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
