"""What importing the driver costs above ccxt, in fresh processes that take turns."""

from __future__ import annotations

import statistics
import subprocess
import sys

import pytest

TIMER = "import time; start = time.perf_counter(); {}; print((time.perf_counter() - start) * 1000)"


def _milliseconds(statement: str) -> float:
    command = [sys.executable, "-c", TIMER.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.benchmark
def test_import_above_ccxt() -> None:
    ccxt_only, driver = [], []
    for _ in range(9):
        ccxt_only.append(_milliseconds("import ccxt"))
        driver.append(_milliseconds("from ccxt_driver import OmsCcxtExchange"))
    above = statistics.median(driver) - statistics.median(ccxt_only)
    print(
        f"\nimport: {statistics.median(driver):.0f} ms, ccxt alone {statistics.median(ccxt_only):.0f} ms, "
        f"above {above:.0f} ms (goal: at most 80)"
    )
    assert statistics.median(driver) > 0
