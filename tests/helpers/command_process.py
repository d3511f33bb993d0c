"""Commands as they are typed, each in a process forked from one that has begun with everything imported.

Imports take longer than most commands do. The process of a run is forked as well, where the command would
start it anew: tests of how it is started, and of hashes and the like, need real ones.
"""

from __future__ import annotations

import atexit
import faulthandler
import json
import os
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

_ROOT = Path(__file__).parents[2]
_SECONDS = 60


class Commands:
    """Does commands one after another.

    :param outputs: a folder for what they print
    :param environment: of the processes
    """

    def __init__(self, outputs: Path, environment: Mapping[str, str]) -> None:
        self._outputs = outputs
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name],
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """What `ccxt-driver` did.

        :param folder: where it was typed
        :param words: what followed
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        said = [self._outputs / name for name in ("stdout.txt", "stderr.txt")]
        job = [str(folder), list(words), *map(str, said)]
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        texts = [path.read_text(encoding="utf-8") for path in said]
        return subprocess.CompletedProcess(["ccxt-driver", *words], code, *texts)

    def close(self) -> None:
        """End the process that does them."""
        self._process.communicate(timeout=_SECONDS)


class _ForkedRun:
    """What `subprocess.Popen` is to a command: the process of a run."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        assert command[1:3] == ["-m", "ccxt_driver.backtest"]
        sys.stdout.flush()
        self._process = os.fork()
        if not self._process:
            atexit._clear()  # what the command has to do at its end is not the run's to do
            os.environ.update(env)
            from ccxt_driver.backtest.__main__ import main

            _end(lambda: main(command[3:]))

    def wait(self, _: float | None = None) -> int:
        """Its exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])


def _end(what: Callable[[], int | None]) -> NoReturn:
    """Do what a process is there for, and end it as Python does."""
    code: object = 1
    try:
        code = what()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001  # as the interpreter does at the end of a program
        traceback.print_exc()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # none, or closed
            stream.flush()
    os._exit(code if isinstance(code, int) else 0)


def _become_a_command(folder: str, words: list[str], *outputs: str) -> NoReturn:
    from ccxt_driver import backtest, cli

    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    sys.argv = ["ccxt-driver", *words]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for target, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), target)
    warnings.simplefilter("error")
    faulthandler.dump_traceback_later(_SECONDS, exit=True)  # one that hangs shows where
    backtest.subprocess = SimpleNamespace(Popen=_ForkedRun, TimeoutExpired=subprocess.TimeoutExpired)
    _end(cli.main)


def _serve() -> None:
    from ccxt_driver.backtest.sweeping.warm import _PRELOADED

    for name in (*_PRELOADED, "ccxt_driver.cli", "ccxt_driver.cli.backtest", "plotly.graph_objects"):
        import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become_a_command(*json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _serve()
