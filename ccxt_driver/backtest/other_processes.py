"""The processes that a script starts by `multiprocessing`: they compute, and have no part in the run.

Each is forked from the run, whatever way is asked for: one that is started anew would have the real ccxt.
In it time is real, and the exchange refuses: what was ordered there would be lost.
"""

from __future__ import annotations

import mmap
import multiprocessing.context
import multiprocessing.process
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from time import monotonic, sleep  # before anything patches them: real time
from typing import Any, Final, NoReturn
from unittest.mock import patch

from .exchange import Replayed

_FORKS: Final = hasattr(os, "fork")
_PATIENCE: Final = 3.0
"""Real seconds that processes have to come to an end, when their script has."""
_HAS_ASKED: Final = 0
_IS_KNOWN: Final = 1
_TRIES: Final = 5
_SECONDS_A_TRY: Final = 1.0
_REFUSAL: Final = (
    "a process of the script asks the exchange: in a backtest only the script's own process may, "
    "others compute; use asyncio tasks for what trades"
)
_POOLS: Final = "concurrent.futures.process"


class ProcessThatAsks(RuntimeError):
    """A process beside the script's own asks the exchange for something."""

    def __init__(self, text: str = _REFUSAL) -> None:
        super().__init__(text)  # which a pool gives back to make the error anew in the script's process


class OtherProcesses:
    """Those of one script.

    :param undo: takes away what makes time virtual; called in each of them
    """

    def __init__(self, undo: Callable[[], None]) -> None:
        self._undo = undo
        self._run = os.getpid()
        self._told = mmap.mmap(-1, 2)
        """What all of them share: whether one has asked, and whether the run knows."""
        self._is_over = False

    @property
    def is_one(self) -> bool:
        """Whether this process is one of them."""
        return os.getpid() != self._run

    def failure(self) -> ProcessThatAsks | None:
        """Why the run cannot be right."""
        if not self._told[_HAS_ASKED]:
            return None
        self._told[_IS_KNOWN] = True
        return ProcessThatAsks()

    def enter_one(self) -> None:
        """Be one of them: called after a fork."""
        if self._is_over:
            return
        self._undo()
        Replayed.replay = _Nothing(self._refuse)  # type: ignore[assignment]

    def leave_one(self) -> None:
        """End this process if it is one of them: `os.fork` has it come to the end of the script, too."""
        if not self.is_one:
            return
        code = 1
        try:
            code = _code_of(sys.exception())
            sys.stdout.flush()
            sys.stderr.flush()
        finally:  # whatever happens: it must not go on as the run
            os._exit(code)

    def end(self) -> None:
        """Have those come to an end that Python would wait for. It ends pools and daemons when it exits."""
        self.failure()  # whoever has asked need not wait until the run knows
        of_pools = _pids_of_pools()
        children = multiprocessing.active_children()
        left = [each for each in children if not each.daemon and each.pid not in of_pools]
        until = monotonic() + _PATIENCE
        for process in left:
            process.join(max(0.0, until - monotonic()))
            if process.is_alive():
                text = f"Warning: process {process.pid} went on after the script and was ended: join it there"
                print(text, file=sys.stderr)  # noqa: T201  # it has no other way to say so
                process.terminate()
                process.join(_PATIENCE)
                process.kill()  # of no effect on one that has ended
                process.join()

    def close(self) -> None:
        """Forget them; they have nothing to say to a run that is over."""
        self._is_over = True
        self._told[_IS_KNOWN] = True

    def _refuse(self) -> NoReturn:
        told = self._told
        if not _runs(self._run):
            os._exit(1)  # nobody is left to end what goes on without its answers
        if not told[_HAS_ASKED]:
            told[_HAS_ASKED] = True
            for _ in range(_TRIES):
                # A signal that comes in the middle of a fork is lost.
                with suppress(ProcessLookupError):
                    os.kill(self._run, signal.SIGINT)
                until = monotonic() + _SECONDS_A_TRY
                while not told[_IS_KNOWN] and monotonic() < until:
                    sleep(0.002)
                if told[_IS_KNOWN]:
                    break
        raise ProcessThatAsks


class _Nothing:
    """Is where the replay was."""

    def __init__(self, refuse: Callable[[], NoReturn]) -> None:
        self._refuse = refuse

    def __getattr__(self, name: str) -> Any:
        self._refuse()


def end_at_once() -> None:
    """End all that are left, before this process goes without a word."""
    for process in multiprocessing.active_children():
        process.kill()


@contextmanager
def other_processes(undo: Callable[[], None]) -> Iterator[OtherProcesses]:
    """Have the processes that a script starts be what they may be, for the length of a `with` block.

    :param undo: takes away what makes time virtual; called in each of them
    """
    others = OtherProcesses(undo)
    with ExitStack() as stack:
        stack.callback(others.close)
        if _FORKS:
            os.register_at_fork(after_in_child=others.enter_one)
            contexts: Any = multiprocessing.context
            fork = contexts._concrete_contexts["fork"]
            ways = dict.fromkeys(contexts._concrete_contexts, fork)
            stack.enter_context(patch.dict(contexts._concrete_contexts, ways))
            stack.enter_context(patch.object(contexts._default_context, "_default_context", fork))
            for name in ("SpawnProcess", "ForkServerProcess"):  # of a context that a script has made itself
                kind = getattr(contexts, name)
                stack.enter_context(patch.object(kind, "_Popen", staticmethod(contexts.ForkProcess._Popen)))
        else:
            stack.enter_context(patch.object(multiprocessing.process.BaseProcess, "start", _refused))
        yield others


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _code_of(error: BaseException | None) -> int:
    """The exit code of a process that ends so; says why as Python does."""
    if error is None:
        return 0
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
        return 1
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201  # as Python does
    return 1


def _refused(process: Any) -> NoReturn:
    raise NotImplementedError(
        "multiprocessing: in a backtest processes can only be forked, not on this system"
    )


def _pids_of_pools() -> set[int]:
    """The processes of executors, which wait for work until Python tells them to end."""
    threads = getattr(sys.modules.get(_POOLS), "_threads_wakeups", ())
    return {pid for thread in [*threads] for pid in [*(getattr(thread, "processes", None) or ())]}


def threads_of_pools() -> frozenset[Any]:
    """The threads of executors that go with these processes."""
    return frozenset(getattr(sys.modules.get(_POOLS), "_threads_wakeups", ()))
