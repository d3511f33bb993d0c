"""A virtual environment with somebody else's program, this checkout, and the hook in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_INSTALL_SECONDS = 1200


class ClientVenv:
    """Programs in it know ccxt, and see no setting but those that a test gives.

    :param folder: where it is made
    :param requirements: what pip installs
    :param given: Python of an environment that has all of it already
    """

    def __init__(self, folder: Path, *requirements: str, given: str | None = None) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.python = folder / "venv" / "bin" / "python"
        subprocess.run([given or sys.executable, "-m", "venv", folder / "venv"], check=True)
        packages = self._ask("import sysconfig; print(sysconfig.get_path('purelib'))")
        if given is None:
            install = [self.python, "-m", "pip", "install", "--quiet", *requirements, str(ROOT)]
            subprocess.run(install, check=True, timeout=_INSTALL_SECONDS)
        else:
            show = (
                "import sysconfig; print(*{sysconfig.get_path(n) for n in ('purelib', 'platlib')}, sep='\\n')"
            )
            theirs = subprocess.run([given, "-c", show], check=True, capture_output=True, text=True).stdout
            (Path(packages) / "a_linked.pth").write_text(f"{ROOT}\n{theirs}")
        self.run("-m", "ccxt_driver", "autopatch", "install")

    def _ask(self, code: str) -> str:
        return subprocess.run(
            [self.python, "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """What a program sees."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.home),
            "COLUMNS": "200",
            "CCXT_OMS_AUTOPATCH": "on",
            **variables,
        }

    def run(self, *arguments: str | Path, seconds: float = 300, **variables: str) -> str:
        """Run this environment's Python to its end; tell what it prints."""
        done = subprocess.run(
            [self.python, *arguments],
            env=self.environment(variables),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    def start(self, log: Path, *arguments: str | Path, **variables: str) -> Running:
        """Start this environment's Python and leave it running."""
        with log.open("a") as file:
            process = subprocess.Popen(
                [self.python, *arguments],
                env=self.environment(variables),
                cwd=self.home,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return Running(process, log)


class Running:
    """A program that runs, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def wait_until(self, condition: Callable[[], Any], seconds: float) -> Any:
        """Wait until something holds.

        :raises AssertionError: the program has ended, or the time is over
        """
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert self.process.poll() is None, self.log[-4000:]
            assert time.monotonic() < deadline, self.log[-4000:]
            time.sleep(0.5)
        return found

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(timeout=60)


def write_json(path: Path, value: Any) -> Path:
    """Write a file of settings."""
    path.write_text(json.dumps(value, indent=1))
    return path
