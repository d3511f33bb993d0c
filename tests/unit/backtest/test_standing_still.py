"""What a user hears of a script that stops the clock."""

from __future__ import annotations

import runpy
import signal
from pathlib import Path
from time import process_time

import pytest

from ccxt_driver.backtest.clock import NS_PER_SECOND, VirtualClock
from ccxt_driver.backtest.standing_still import told_when_standing_still

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no such timer")
PATIENCE = 0.02


def _compute(clock: VirtualClock, *, moves: bool) -> None:
    end = process_time() + PATIENCE * 10
    while process_time() < end:
        if moves:
            clock.move_to(clock.ns + NS_PER_SECOND)


def test_a_loop_that_never_waits_is_told_of_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clock = VirtualClock(1_704_067_200_000, 1_704_153_600_000)
    script = tmp_path / "script.py"
    script.write_text("\n\ncompute(clock, moves=False)\n", encoding="utf-8")

    with told_when_standing_still(clock, PATIENCE):
        runpy.run_path(str(script), {"compute": _compute, "clock": clock}, "__main__")

    said = capfd.readouterr().err
    assert said.startswith(f"{script}:3: ")
    assert said.count("the clock stands at 2024-01-01 00:00:00 UTC") == 1


def test_a_script_whose_time_passes_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    clock = VirtualClock(0, 1)

    with told_when_standing_still(clock, PATIENCE):
        _compute(clock, moves=True)

    assert capfd.readouterr().err == ""


def test_afterwards_nothing_is_left_of_it() -> None:
    before = signal.getsignal(signal.SIGVTALRM)

    with told_when_standing_still(VirtualClock(0, 1), PATIENCE):
        assert signal.getitimer(signal.ITIMER_VIRTUAL)[1] == pytest.approx(PATIENCE, abs=0.01)

    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
