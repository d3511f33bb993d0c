"""Runs in processes of their own, as users have them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from ccxt_driver.backtest import SweepError, backtest, sweep
from ccxt_driver.backtest.sweeping import engines
from ccxt_driver.backtest.sweeping.starters import FreshProcesses

ENDINGS = """
import atexit
import os
import random
import signal
import sys
import time

import ccxt

ccxt.kraken().create_order("BTC/USDT", "market", "buy", 0.1)
mode = os.environ["MODE"]
print("é" * 10_000)
if mode == "raise":
    raise RuntimeError("no luck")
if mode == "exit":
    os._exit(3)
if mode == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if mode == "leave":
    sys.exit(0)
if mode == "atexit":
    atexit.register(lambda: open("left.txt", "w").write("left"))
if mode == "input":
    sys.stdin.read()
chance = random.random() / 10 + len(str(hash("x"))) / 1000
ccxt.kraken().create_order("BTC/USDT", "market", "buy", round(chance, 4))
while True:
    time.sleep(60)
"""
HANGING = """
import os
import pathlib
import sys
import time

import ccxt

mode = sys.argv[1]
if mode == "--mode=hang" and not pathlib.Path("go").exists():
    pathlib.Path("pid.part").write_text(str(os.getpid()))
    pathlib.Path("pid.part").rename("pid")
    while True:
        pass
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every run has a Python of its own anyway")
def test_a_forked_run_is_what_a_run_alone_is(
    script: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {"every": [7, 10], "amount": "0.1"}
    rows = sweep(script, data, params, out=tmp_path / "forked", keep_reports="all", seed=5)

    alone = backtest(script, data, out=tmp_path / "alone", arguments=["--every=7", "--amount=0.1"], seed=5)

    kept = tmp_path / "forked" / "runs" / "every=7,amount=0.1"
    names = sorted(path.name for path in alone.folder.iterdir())
    assert {"trades.csv", "commands.jsonl", "settings.json", "summary.json"} <= {*names}
    assert sorted(path.name for path in kept.iterdir()) == names
    for name in names:
        assert (kept / name).read_bytes() == (alone.folder / name).read_bytes(), name
    assert rows[0]["orders"] == 9
    assert rows[0]["end_equity"] == alone.summary["total"]["end_equity"]
    monkeypatch.setattr(engines, "starter", FreshProcesses)
    sweep(script, data, params, out=tmp_path / "fresh", seed=5)
    files = [tmp_path / name / "results.parquet" for name in ("forked", "fresh")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_runs_that_end_badly_are_rows(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "endings.py"
    script.write_text(ENDINGS, encoding="utf-8")
    modes = ["raise", "exit", "kill", "leave", "atexit", "input"]

    rows = sweep(script, data, {"mode": modes}, how="env")

    found: dict[str, dict[str, Any]] = {row["mode"]: row for row in rows}
    assert found["raise"]["error"] == "RuntimeError: no luck"
    assert found["atexit"]["error"] is None
    assert found["exit"]["error"].startswith("the process ")
    assert "left no result" in found["exit"]["error"]
    assert "left no result" in found["kill"]["error"]
    assert (found["leave"]["ended"], found["leave"]["error"], found["leave"]["orders"]) == ("script", None, 1)
    assert (tmp_path / "left.txt").read_text(encoding="utf-8") == "left"
    assert (found["input"]["ended"], found["input"]["orders"]) == ("data", 2)
    # Chance and hashes are the seed's, in every process.
    assert found["input"]["end_equity"] == found["atexit"]["end_equity"]


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
def test_processes_of_a_run_that_was_killed_do_not_hold_a_sweep(data: Path, tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(
        "import multiprocessing, os, signal, sys, time\n"
        "if sys.argv[1] == '--left=forked':\n"
        "    multiprocessing.Process(target=time.sleep, args=(30,)).start()\n"
        "else:\n"
        "    os.system('sleep 30 &')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
        encoding="utf-8",
    )
    begun = time.monotonic()

    rows = sweep(script, data, {"left": ["forked", "started"]}, out=tmp_path / "out")

    assert time.monotonic() - begun < 20
    assert ["left no result" in row["error"] for row in rows] == [True, True]


@pytest.mark.parametrize("start", [1_700_100_000_000, 1_800_000_000_000])
def test_a_sweep_whose_runs_cannot_begin_says_why(
    script: Path, data: Path, tmp_path: Path, start: int
) -> None:
    with pytest.raises(SweepError, match="start_ms, end_ms: expected times within the data"):
        sweep(script, data, {"every": "1:50:1", "amount": "1"}, start=start, out=tmp_path / "out", jobs=1)


def test_a_run_ends_by_an_interrupt_also_where_the_shell_ignores_it(data: Path, tmp_path: Path) -> None:
    script = tmp_path / "careful.py"
    script.write_text(
        "import time, ccxt\n"
        "try:\n"
        "    while True: time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    print('closed what was open')\n",
        encoding="utf-8",
    )
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        result = backtest(script, data, out=tmp_path / "out")
    finally:
        signal.signal(signal.SIGINT, usual)

    assert "closed what was open" in result.output


def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def command(data: Path, tmp_path: Path) -> list[str]:
    script = tmp_path / "hanging.py"
    script.write_text(HANGING, encoding="utf-8")
    options = ["--param", "mode=one,hang,two", "--jobs", "2", "--data", str(data), "--out", "out"]
    return [sys.executable, "-m", "ccxt_driver", "sweep", str(script), *options]


@pytest.fixture
def started(command: list[str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
def test_no_run_has_failed_where_none_could_be_forked(
    script: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ccxt.py").write_text("raise SystemExit", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "broken")
    out = tmp_path / "out"

    with pytest.raises(SweepError, match="the process that starts the runs has ended"):
        sweep(script, data, {"every": "1:9:1", "amount": "1"}, out=out)

    assert (out / "runs.jsonl").read_bytes() == b""


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
def test_what_was_not_done_is_no_failure_when_the_process_that_forks_is_killed(
    command: list[str], started: subprocess.Popen[str], tmp_path: Path
) -> None:
    journal = tmp_path / "out" / "runs.jsonl"
    _wait_until(
        lambda: (tmp_path / "pid").exists() and len(journal.read_bytes().splitlines()) == 2, seconds=100
    )
    pid = int((tmp_path / "pid").read_text(encoding="ascii"))
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")

    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)

    _, said = started.communicate(timeout=60)
    assert started.returncode == 2
    assert "the process that starts the runs has ended" in said
    _wait_until(lambda: not _is_alive(pid), seconds=60)
    assert len(journal.read_bytes().splitlines()) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which processes there are")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_runs_end_with_the_sweep_which_goes_on_later(
    command: list[str], started: subprocess.Popen[str], sent: signal.Signals, tmp_path: Path
) -> None:
    journal = tmp_path / "out" / "runs.jsonl"
    _wait_until(
        lambda: (tmp_path / "pid").exists() and len(journal.read_bytes().splitlines()) == 2, seconds=100
    )
    pid = int((tmp_path / "pid").read_text(encoding="ascii"))
    assert _is_alive(pid)

    started.send_signal(sent)

    _, said = started.communicate(timeout=60)
    _wait_until(lambda: not _is_alive(pid), seconds=60)
    if sent == signal.SIGINT:
        assert started.returncode == 130
        assert "2 of 3 runs are in out; the same command goes on" in said
        assert pyarrow.parquet.read_table(tmp_path / "out" / "results.parquet").num_rows == 2
    (tmp_path / "go").touch()
    before = journal.read_bytes()
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert journal.read_bytes().startswith(before)
    assert len(journal.read_bytes().splitlines()) == 3
    rows = pyarrow.parquet.read_table(tmp_path / "out" / "results.parquet").to_pylist()
    assert [(row["mode"], row["ended"]) for row in rows] == [
        (mode, "script") for mode in ("one", "hang", "two")
    ]
