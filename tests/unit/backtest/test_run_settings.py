"""The process of a run, as the one that has started it sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ccxt_driver.backtest.settings import INTERRUPTED

ROOT = Path(__file__).parents[3]
SCRIPT = """
import time
open({said!r}, "w").close()
try:
    while True:
        time.sleep(1e-6)
finally:
    for _ in range(200_000):
        pass
    open({done!r}, "w").close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal to one process")
def test_a_command_that_is_interrupted_waits_for_what_its_script_has_left_to_do(
    tmp_path: Path,
) -> None:
    data, said, done = tmp_path / "BTC_USDT-1m.csv", tmp_path / "said", tmp_path / "done"
    rows = [f"{1_704_067_200_000 + minute * 60_000},100,101,99,100,5" for minute in range(60)]
    data.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(said=str(said), done=str(done)))
    code = (
        "import sys; from ccxt_driver import backtest; from ccxt_driver.backtest.settings import Settings; "
        "backtest._OWN_INTERRUPT_SECONDS = 0.2; "
        f"made = Settings(script={str(script)!r}, data=({str(data)!r},), out={str(tmp_path / 'out')!r}); "
        "sys.exit(backtest.run_settings(made, show=True)[0])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not said.exists() and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    process.send_signal(signal.SIGINT)  # to it alone, as no terminal would
    _, errors = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, errors
    assert done.exists()
