"""The clock of the day that a script sees."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
import time_machine

from ccxt_driver.backtest.clock import VirtualClock
from ccxt_driver.backtest.patched_time import _shifting

START_NS = 1_700_000_000_123_000_000
STEPS_NS = (1_000_000, 60_000_000_000, 1_000, 86_400_001_001_000)


class _ByItsMethods:
    """What time-machine gives, with its public methods only."""

    def __init__(self, traveller: Any) -> None:
        self.shift = traveller.shift


@pytest.mark.parametrize("kind", [lambda traveller: traveller, _ByItsMethods])
def test_it_moves_by_what_it_is_told(kind: Any) -> None:
    clock = VirtualClock(0, 0)
    with time_machine.travel(START_NS / 1e9, tick=False) as traveller:
        began = time.time_ns()
        clock.shifted = _shifting(kind(traveller))
        for step in STEPS_NS:
            clock.move_to(clock.ns + step)
            assert time.time_ns() - began == clock.ns
            assert time.time() == pytest.approx((began + clock.ns) / 1e9, abs=1e-6)


def test_time_machine_may_come_with_it() -> None:
    code = (
        "import sys\n"
        "from ccxt_driver.backtest.clock import VirtualClock\n"
        "from ccxt_driver.backtest.patched_time import patched_time\n"
        "assert 'time_machine' not in sys.modules\n"
        "import time\n"
        "from ccxt_driver.backtest.other_threads import OtherThreads\n"
        "from ccxt_driver.backtest.threads import Threads\n"
        "from ccxt_driver.backtest.waiting import Waiting\n"
        "class Nothing: pass\n"
        "clock, replay = VirtualClock(5_000, 9_000), Nothing()\n"
        "replay.threads = Threads(clock)\n"
        "replay.others = OtherThreads(replay.threads)\n"
        "with patched_time(clock, Waiting(replay)): print(time.time())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "5.0\n"), done.stderr
