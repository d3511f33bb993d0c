"""A sweep on clusters of Ray and Dask on this machine gives what it gives without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
import time

import ccxt

ccxt.binance().create_order("BTC/USDT", "market", "buy", float(sys.argv[1].partition("=")[2]))
while True:
    time.sleep(60)
"""


@pytest.mark.parametrize("engine, package", [("dask", "distributed"), ("ray", "ray")])
def test_a_sweep_on_a_cluster(engine: str, package: str, tmp_path: Path) -> None:
    pytest.importorskip(package)
    (tmp_path / "buy.py").write_text(SCRIPT, encoding="utf-8")
    bars = [f"{1_700_000_040_000 + 60_000 * minute},30000,30009,29991,30001,5" for minute in range(50)]
    text = "\n".join(["timestamp,open,high,low,close,volume", *bars])
    (tmp_path / "BTC_USDT-1m.csv").write_text(text, encoding="utf-8")

    for name in ("local", engine):
        command = [sys.executable, "-m", "ccxt_driver", "sweep", "buy.py", "--data", "BTC_USDT-1m.csv"]
        command += ["--param", "amount=0.1:0.5:0.1", "--out", name, "--engine", name]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "RAY_AUTH_MODE": "disabled",
        }
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr

    results = [(tmp_path / name / "results.parquet").read_bytes() for name in ("local", engine)]
    assert results[0] == results[1]
