"""A Python for each run, where processes cannot be forked."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ccxt_driver.backtest import starting
from ccxt_driver.backtest.sweeping.starters import FreshProcesses


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what is given, instead of a backtest."""
    monkeypatch.setattr(starting, "command", lambda arguments: [sys.executable, "-c", *arguments])


def test_it_prints_to_a_file_and_has_an_exit_code_and_the_environment_of_a_run(tmp_path: Path) -> None:
    output = tmp_path / "output.txt"
    program = "import os, sys; print(os.environ['PYTHONHASHSEED'], os.environ['TZ']); sys.exit('oh')"

    code = FreshProcesses(7).run([program], output)

    assert code == 1
    assert sorted(output.read_text(encoding="utf-8").splitlines()) == ["7 UTC", "oh"]


def test_what_runs_is_ended_at_once_and_nothing_is_started_any_more(tmp_path: Path) -> None:
    runs = FreshProcesses(0)
    begun = tmp_path / "begun"
    program = f"open({str(begun)!r}, 'w').close()\nwhile True: pass"
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(runs.run, [program], tmp_path / "output.txt")
        deadline = time.monotonic() + 60
        while not begun.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)

        runs.close()

        code = running.result(timeout=60)
    assert code is None or sys.platform == "win32"
    begun.unlink()
    assert runs.run([program], tmp_path / "output.txt") is None
    assert not begun.exists()
