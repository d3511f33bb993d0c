"""`ccxt-driver backtest`, as it is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT
from .histories import walk, write_candles

_SCRIPT = """
import sys, time, uuid
import ccxt
exchange = ccxt.binance({"apiKey": "a-key", "secret": "a-secret"})
try:
    for number in range(int(sys.argv[1])):
        params = {"clientOrderId": uuid.uuid4().hex}
        exchange.create_order("BTC/USDT", "market", "buy", 0.001, None, params)
        time.sleep(60)
    if sys.argv[2:] == ["--fail"]:
        raise RuntimeError("as asked for")
finally:
    print("bought", exchange.fetch_balance()["BTC"]["total"])
"""


def _typed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What a command did in a folder; the hashes and the time zone are those of this process."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "ccxt_driver", "backtest", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed")
    write_candles(folder / "history", walk(31, 60))
    (folder / "script.py").write_text(_SCRIPT, encoding="utf-8")
    return folder


def test_a_run_and_its_commands_again(folder: Path) -> None:
    options = ["--data", "history", "--balance", "1000USDT", "--fees", "0,0.001", "--seed", "7"]
    first = _typed(folder, "script.py", *options, "--out", "first", "--", "5")
    again = _typed(folder, "--again", "first", "--out", "again", "--compare", "first")
    once_more = _typed(folder, "--again", "again", "--out", "again")

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("bought 0.005\n")
    assert "report: first/report.html" in first.stdout
    assert again.returncode == 0, again.stderr
    assert once_more.returncode == 0, once_more.stderr
    files = {path.name for path in (folder / "first").iterdir()}
    assert {path.name for path in (folder / "again").iterdir()} - files == {"comparison.html"}
    for name in files:
        assert (folder / "first" / name).read_bytes() == (folder / "again" / name).read_bytes(), name


def test_a_script_that_fails_leaves_a_report_and_an_exit_code(folder: Path) -> None:
    done = _typed(folder, "script.py", "--data", "history", "--out", "failed", "--", "2", "--fail")

    assert done.returncode == 1
    assert 'script.py", line 11, in <module>' in done.stderr
    assert done.stderr.rstrip().endswith("RuntimeError: as asked for")
    again = _typed(folder, "--again", "failed", "--out", "failed_again")
    assert again.returncode == 1
    for name in ("report.html", "summary.json", "commands.jsonl", "equity.csv", "orders.csv"):
        assert (folder / "failed" / name).read_bytes() == (folder / "failed_again" / name).read_bytes(), name


@pytest.mark.parametrize(
    "words,said",
    [
        (["script.py"], "--data"),
        (["script.py", "--data", "history", "--from", "2023-01-01", "--to", "2023-02-01"], "start_ms"),
        (["script.py", "--data", "history", "--balance", "much"], "balance"),
        (["script.py", "--data", "history", "--path", "straight"], "path"),
        (["--again", "history"], "settings.json"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    folder: Path, words: list[str], said: str
) -> None:
    done = _typed(folder, *words, "--out", "refused")

    assert done.returncode == 2
    assert said in done.stderr
    assert not (folder / "refused").exists()
