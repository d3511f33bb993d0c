"""An event loop whose time passes only while nobody has anything to do: pauses cost nothing.

Everything has to live in it, both ends of its sockets too: what comes from outside, from a thread as well,
would find its deadlines passed. Sockets are real ones, of the loopback interface, where what is sent has
arrived as soon as the kernel has had its turn.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

_THREAD_SECONDS: Final = 10.0
_TURN_SECONDS: Final = 1e-9
"""What a turn of the loop takes: whoever waits for less than a float can tell would wait for ever."""
_LOOKS: Final = 3
"""So often it is looked whether bytes have come before time passes."""


class _Selector(selectors.DefaultSelector):  # type: ignore[valid-type,misc]
    """Says at once that nothing has come, and lets the time pass instead."""

    passed = 0.0
    """Seconds that were not waited."""

    def select(self, timeout: float | None = None) -> Any:
        self.passed += _TURN_SECONDS
        if timeout is None:  # nobody waits for time to pass: another thread has to say something
            found = super().select(_THREAD_SECONDS)
            if not found:
                raise AssertionError("everything waits for what can never come")
            return found
        for _ in range(_LOOKS):
            found = super().select(0)
            if found or timeout <= 0:
                return found
        self.passed += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; its time starts at 0.

    `now_ms` is the same time as milliseconds since the Unix epoch, for clocks.
    """

    def __init__(self, start_ms: int = 1_795_140_332_000) -> None:
        self._waiting = _Selector()
        super().__init__(self._waiting)
        self._start_ms = start_ms

    def time(self) -> float:
        """Seconds that have passed."""
        return self._waiting.passed if hasattr(self, "_waiting") else 0.0

    def now_ms(self) -> int:
        """The time, milliseconds since the Unix epoch."""
        return self._start_ms + round(self.time() * 1000)


def run_virtually(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end in a loop of virtual time, as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
