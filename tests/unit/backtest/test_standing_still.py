"""What a user hears of a script that stops the clock."""

from __future__ import annotations

import runpy
import signal
import sys
from io import StringIO
from pathlib import Path
from time import process_time

import pytest

from ccxt_driver.backtest.clock import NS_PER_SECOND, VirtualClock
from ccxt_driver.backtest.standing_still import told_when_standing_still

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no such timer")
PATIENCE = 0.02


def _compute() -> None:
    end = process_time() + PATIENCE * 10
    while process_time() < end:
        pass


def test_a_loop_that_never_waits_is_told_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock(1_704_067_200_000, 1_704_153_600_000)
    script = tmp_path / "script.py"
    script.write_text("\n\nwhile not said(): pass\ncompute()\n", encoding="utf-8")
    monkeypatch.setattr(sys, "stderr", StringIO())
    told = sys.stderr.getvalue

    with told_when_standing_still(clock, PATIENCE):
        runpy.run_path(str(script), {"said": told, "compute": _compute}, "__main__")

    assert told().startswith(f"{script}:3: ")
    assert told().count("the clock stands at 2024-01-01 00:00:00 UTC") == 1


def test_a_script_whose_time_passes_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    clock, end = VirtualClock(0, 1), process_time() + PATIENCE * 10

    with told_when_standing_still(clock, PATIENCE):
        while process_time() < end:
            clock.move_to(clock.ns + NS_PER_SECOND)

    assert capfd.readouterr().err == ""


def test_afterwards_nothing_is_left_of_it() -> None:
    before = signal.getsignal(signal.SIGVTALRM)

    with told_when_standing_still(VirtualClock(0, 1), PATIENCE):
        assert signal.getitimer(signal.ITIMER_VIRTUAL)[1] == pytest.approx(PATIENCE, abs=0.01)

    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
