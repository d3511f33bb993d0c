"""Runs a script over history, in a process of its own: what it patches stays patched."""

from __future__ import annotations

import gc
import os
import random
import runpy
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import thread as futures_of_threads
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from ccxt_driver.oms.garbage import collect_seldom

from .clock import NS_PER_MS
from .exits import Exits, delete_left, own_exits
from .journal import END, do_again, read_journal
from .loop import virtual_asyncio
from .other_processes import OtherProcesses, other_processes, threads_of_pools
from .patched_time import patched_time
from .replay import Replay, ReplayOver
from .stage import Stage
from .standing_still import told_when_standing_still
from .standing_threads import ended_when_threads_stand
from .waiting import Waiting

_OURS: Final = (str(Path(__file__).parent), runpy.__file__, "<frozen runpy>")

_PATIENCE: Final = 10.0
"""Seconds after which a pool whose script has ended, and which does not compute, is left alone."""


_SEED_BITS: Final = 256


class Ending(NamedTuple):
    """How a script ended: `data`, `script` or `error`, with the traceback of an error."""

    ended: str
    error: str | None


def run_script(stage: Stage) -> Ending:
    """Run the script of a stage to its end, or that of the data.

    Prints the traceback of what it does not catch, as Python does.
    """
    settings, replay = stage.settings, stage.replay
    stage.serve_ccxt()
    os.environ.update(settings.environment)
    path = Path(settings.script).resolve()
    sys.argv = [settings.script, *settings.arguments]
    sys.path[:1] = [str(path.parent)]

    def run(others: OtherProcesses, exits: Exits) -> None:
        try:
            _to_its_end(path, replay)
        finally:
            others.leave_one()
            exits.run(lambda: replay.is_over)
            replay.let_arrive()
            others.end()
            replay.threads.end()

    # What there is before the script begins stays: it need not be looked at again and again.
    gc.collect()
    collect_seldom()
    with ExitStack() as virtual, seeded_chance(settings.seed), other_processes(virtual.close) as others:
        virtual.enter_context(virtual_asyncio(replay))
        virtual.enter_context(patched_time(stage.clock, Waiting(replay)))
        virtual.enter_context(ended_when_threads_stand(stage.clock, replay.threads, replay.wait_for_ever))
        virtual.enter_context(told_when_standing_still(stage.clock))
        exits = virtual.enter_context(own_exits())
        try:
            return _ended(replay, others, partial(run, others, exits))
        finally:
            delete_left()


def _to_its_end(path: Path, replay: Replay) -> None:
    """Run a script, and let its threads come to their end, as Python does, also after `sys.exit`."""
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit:
        if not replay.is_over:
            _join_threads(replay)
        raise
    except BaseException as error:
        _tell_hook(error)
        raise
    _join_threads(replay)


def _tell_hook(error: BaseException) -> None:
    """Call the script's own `sys.excepthook`, as Python does: it may still cancel and sell."""
    if sys.excepthook is sys.__excepthook__ or isinstance(error, ReplayOver):
        return
    try:
        sys.excepthook(type(error), error, _of_the_script(error.__traceback__))
    except BaseException:  # noqa: BLE001  # as the interpreter does; the error stays that of the script
        sys.stderr.write("Error in sys.excepthook:\n")
        traceback.print_exc()


def _join_threads(replay: Replay) -> None:
    """Let the threads of a script come to their end, as Python does at the end of a program."""
    if replay.others.undone():
        replay.others.finish(_PATIENCE)
    if replay.threads.loops:  # which go on when somebody waits for them
        futures.wait(replay.others.undone())
    # Those of pools wait for work that will not come; Python tells them so by the same table.
    of_pools = {*getattr(futures_of_threads, "_threads_queues", ()), *threads_of_pools()}
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon and thread not in of_pools:
            thread.join()


@contextmanager
def seeded_chance(seed: int) -> Iterator[None]:
    """Have all that a script draws by chance come from a seed: `random`, `secrets`, `uuid4`, and numpy's."""
    chance, seeds, really = random.Random(seed), random.Random(f"seeds {seed}"), random.Random.seed
    random.seed(seed)

    def seed_by_chance(self: random.Random, a: Any = None, version: int = 2) -> None:
        """As `Random.seed`, which takes its own chance from the system, past `os.urandom`."""
        really(self, seeds.getrandbits(_SEED_BITS) if a is None else a, version)

    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:  # imported by what reads the data, and seeded by the system
        numpy_random.seed(seed % 2**32)
    common = random.seed.__self__  # type: ignore[attr-defined]  # what the functions of the module stand on
    with (
        patch.object(os, "urandom", chance.randbytes),
        patch.object(random, "_urandom", chance.randbytes),
        patch.object(random.Random, "seed", seed_by_chance),
        patch.object(random, "seed", partial(seed_by_chance, common)),
    ):
        yield


def replay_journal(stage: Stage, path: Path) -> Ending:
    """Have the OMS of a stage do what a script commanded in an earlier run, at the same times."""
    replay = stage.replay
    for command in read_journal(path):
        replay.clock.move_to(command.at_ms * NS_PER_MS)
        if command.method == END:
            return Ending(command.path, command.params)
        if replay.on_step is not None:
            replay.on_step()
        replay.note(command.method, command.path, command.params)
        do_again(stage.oms, command)
    # The run was killed before its end.
    replay.clock.move_to(replay.end_ms * NS_PER_MS)
    return Ending("data", None)


def _ended(replay: Replay, others: OtherProcesses, run: Callable[[], object]) -> Ending:
    error: BaseException | None = None
    try:
        run()
    except (KeyboardInterrupt, ReplayOver):
        replay.failure = replay.failure or others.failure()
        if not replay.is_over and replay.failure is None:
            raise  # somebody has really pressed Ctrl-C
    except SystemExit as end:
        # To be interrupted at the end of the data is no failure, whatever code a script has for it.
        if end.code not in (None, 0) and not replay.is_over:
            error = end
    except BaseException as failure:  # noqa: BLE001  # as the interpreter does at the end of a program
        error = failure
    replay.failure = replay.failure or others.failure()
    return ending_of(replay, error)


def ending_of(replay: Replay, error: BaseException | None) -> Ending:
    """How a script has ended; prints the traceback of an error.

    :param error: what it did not catch
    """
    error = replay.failure or error
    if error is None:
        return Ending("data" if replay.is_over else "script", None)
    error.__traceback__ = _of_the_script(error.__traceback__)
    text = "".join(traceback.format_exception(error))
    sys.stderr.write(text)
    return Ending("error", text)


def _of_the_script(trace: TracebackType | None) -> TracebackType | None:
    """A traceback that begins in the script."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    return trace
