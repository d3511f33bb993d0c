"""What runs are started by: a warm process where processes can be forked, or else a fresh one for each."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Protocol

from ccxt_driver.backtest import starting


class Starter(Protocol):
    """Starts runs in processes of their own, for several threads at once."""

    def run(self, arguments: Sequence[str], output: Path) -> int | None:
        """Do one run; returns its exit code, None when it ended without one."""
        ...

    def close(self) -> None:
        """End what still runs, at once."""
        ...


def starter(seed: int) -> Starter:
    """What starts runs of a seed on this system."""
    # Elsewhere there is no fork, or libraries of the system do not survive it.
    if platform.system() == "Linux":
        from .warm import WarmProcess

        return WarmProcess(starting.environment(seed))
    return FreshProcesses(seed)


class FreshProcesses:
    """Starts a Python for each run.

    :param seed: of the runs
    """

    def __init__(self, seed: int) -> None:
        self._environment = starting.environment(seed)
        self._lock = Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_closed = False

    def run(self, arguments: Sequence[str], output: Path) -> int | None:
        """As of `Starter`."""
        with output.open("wb") as file:
            with self._lock:
                if self._is_closed:
                    return None
                process = subprocess.Popen(
                    starting.command(arguments),
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for us
                )
                self._running.add(process)
            code = process.wait()
        with self._lock:
            self._running.discard(process)
        return code if code >= 0 else None

    def close(self) -> None:
        """As of `Starter`."""
        with self._lock:
            self._is_closed = True
            for process in self._running:
                process.kill()
