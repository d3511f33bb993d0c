"""The threads beside the main one: time stands still until they have done what they were given to do."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import Future
from multiprocessing.pool import Pool
from pathlib import Path
from types import CodeType
from typing import Any, Final
from weakref import WeakSet

from .threads import Threads, Wait, cannot_tell, looks

_DISPLAYS: Final = frozenset({"rich", "tqdm"})
_REAL_SLEEP: Final = time.sleep
_REAL_SECONDS: Final = time.monotonic
_FIRST_LOOK: Final = 0.0001
"""Seconds: less than elsewhere, as it is looked at each sleep of the script."""
_WOKEN_BY_NOW: Final = 0.05
"""Seconds after which a thread that waits for another one would go on if it could."""
_OUTSIDE: Final = 0.5
"""Seconds at one place, without computing, after which a thread waits for what is outside of the run."""
_STILL_THERE: Final = 0.0001
"""Both for one that has been at that very place, or wait, for so long before."""
_POLLING: Final = 2.0
"""Seconds after which a thread that goes on and on, and hardly computes, is one that asks what is outside."""
_HARDLY: Final = 0.2
"""What it computes at most, as a share of the time."""
_TOLD_AFTER: Final = 20.0
"""Seconds of waiting for them before it is told."""

_BEGINNING: Final[dict[Any, Any]] = threading._limbo  # type: ignore[attr-defined]
"""Threads that were started and have not begun."""
_BEGINS: Final = -1
"""In place of the number of such a thread."""

_Place = tuple[CodeType, int] | Wait
"""In the code of a thread, or what it waits for."""


class _Seen:
    """Where a thread was at a look.

    :param computed: milliseconds that it has computed, None where the system does not tell
    """

    __slots__ = ("computed", "place", "since")

    def __init__(self, place: _Place, computed: int | None) -> None:
        self.place = place
        self.computed = computed
        self.since = _REAL_SECONDS()

    def hardly_computes(self, first: _Seen, patience: float) -> bool:
        """Whether it has not, for a while, since the first look at it."""
        if self.computed is None or first.computed is None:
            return False
        waited = _REAL_SECONDS() - first.since
        return (
            waited >= max(_POLLING, patience) and self.computed - first.computed <= waited * 1_000 * _HARDLY
        )


class OtherThreads:
    """Tells when those of one script have nothing left to do.

    :param threads: of the script
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._given: set[Future[Any]] = set()
        """Work of pools that is not done."""
        self._outside: dict[int, _Place] = {}
        """Threads that have waited for what is outside of the run, or for one another, and where."""
        self._pollers: WeakSet[threading.Thread] = WeakSet()
        """Threads that ask what is outside of the run, again and again."""
        self._is_told = False

    def give(self, work: Future[Any]) -> None:
        """A pool is given work."""
        self._given.add(work)
        work.add_done_callback(self._given.discard)

    def undone(self) -> list[Future[Any]]:
        """Work that pools were given and have not done."""
        return [*self._given]

    def are_idle(self) -> bool:
        """Whether each waits until it is given something to do, or for another one that does."""
        return not self._at_work()

    def finish(self, patience: float = _OUTSIDE) -> None:
        """Wait in real time until none of them has anything left to do before time passes.

        :param patience: seconds after which one that does not compute waits for what is outside of the run
        """
        if threading.active_count() == 1:
            self._threads.has_others = False
            return
        began, seconds = _REAL_SECONDS(), looks(_FIRST_LOOK)
        first: dict[int, _Seen] = {}
        seen: dict[int, _Seen] = {}
        while at_work := self._at_work():
            first = {each: first.get(each, now) for each, now in at_work.items()}
            self._find_pollers(at_work, first, patience)
            seen = {each: _same(seen.get(each), now) for each, now in at_work.items()}
            if all(self._stands(each, now, patience) for each, now in seen.items()):
                self._outside = {each: now.place for each, now in seen.items()}
                return
            self.tell(_REAL_SECONDS() - began)
            _REAL_SLEEP(next(seconds))

    def _at_work(self) -> dict[int, _Seen]:
        """Threads that may go on by themselves, and where they are."""
        waits = dict(self._threads.for_ever)
        # Whoever starts a thread waits for it, and it has no frame yet.
        found = {_BEGINS: _Seen(Wait(cannot_tell), None)} if _BEGINNING else {}
        frames = sys._current_frames()
        try:
            for each, frame in frames.items():
                wait = waits.get(each)
                if each == self._threads.main or (wait is not None and wait.stands()):
                    continue
                thread = _thread_of(each)
                if not only_displays(thread) and not _replaces_workers(thread):
                    found[each] = _seen(thread, (frame.f_code, frame.f_lasti), wait)
        finally:
            # This very frame is among them: a ring would keep what the threads were at for the collector,
            # which crashes on the buffers of a process pool.
            frames.clear()
        return found

    def _find_pollers(self, at_work: dict[int, _Seen], first: dict[int, _Seen], patience: float) -> None:
        for each, now in at_work.items():
            thread = _thread_of(each)
            if thread is not None and now.hardly_computes(first[each], patience):
                self._pollers.add(thread)

    def _stands(self, thread: int, seen: _Seen, patience: float) -> bool:
        """Whether a thread has been where it is for so long that it does not go on by itself."""
        needed = _WOKEN_BY_NOW if isinstance(seen.place, Wait) else patience
        if _thread_of(thread) in self._pollers or self._outside.get(thread) == seen.place:
            needed = _STILL_THERE
        return _REAL_SECONDS() - seen.since >= needed

    def tell(self, waited: float) -> None:
        """Tell a user who has waited for them for so many seconds, once, if that is long."""
        if waited < _TOLD_AFTER or self._is_told:
            return
        self._is_told = True
        sys.stderr.write(
            "Threads of the script are still computing, and the clock stands until they have nothing left to "
            "do: in a backtest that takes no time\n"
        )


def _thread_of(ident: int) -> threading.Thread | None:
    found: threading.Thread | None = threading._active.get(ident)  # type: ignore[attr-defined]
    return found


def only_displays(thread: threading.Thread | None) -> bool:
    """Whether a thread does nothing but refresh a display, in real time: that of a progress bar."""
    return type(thread).__module__.partition(".")[0] in _DISPLAYS


def _replaces_workers(thread: threading.Thread | None) -> bool:
    """Whether a thread does nothing but see, in real time, whether others of a pool have ended."""
    return bool(getattr(thread, "_target", None) == Pool._handle_workers)  # type: ignore[attr-defined]


def _seen(thread: threading.Thread | None, place: _Place, wait: Wait | None) -> _Seen:
    return _Seen(place, _computed(thread)) if wait is None else _Seen(wait, None)


def _same(before: _Seen | None, now: _Seen) -> _Seen:
    """What was seen before, where nothing has changed since."""
    is_same = before is not None and (before.place, before.computed) == (now.place, now.computed)
    return before if before is not None and is_same else now


def _computed(thread: threading.Thread | None) -> int | None:
    """Milliseconds that a thread has computed; None where the system does not tell.

    Not by `time.pthread_getcpuclockid`, which may crash when a thread has just ended.
    """
    try:
        text = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text() if thread else ""
        return int(text.split()[0]) // 1_000_000
    except (OSError, ValueError, IndexError):
        return None
