"""What a sweep does, skips and refuses; the runs themselves cost nothing here."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from filelock import FileLock

from ccxt_driver.backtest import SweepError, sweep
from ccxt_driver.backtest.sweeping import MissingEngine, Progress

from .conftest import FakeRuns


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def _fast(arguments: Sequence[str]) -> float:
    return float(arguments[0].partition("=")[2])


def test_every_combination_is_run_once_and_rows_are_in_the_order_of_the_grid(
    script: Path, data: Path, out: Path, runs: FakeRuns
) -> None:
    told: list[Progress] = []

    rows = sweep(script, data, {"fast": "1:3:1", "slow": "x,y"}, out=out, on_step=told.append, jobs=2)

    assert [(row["fast"], row["slow"], row["sharpe"]) for row in rows] == [
        (fast, slow, float(fast)) for fast in (1, 2, 3) for slow in "xy"
    ]
    assert {*runs.done} == {(f"--fast={fast}", f"--slow={slow}") for fast in (1, 2, 3) for slow in "xy"}
    assert len(runs.done) == 6
    assert told == [Progress(done, 6, 0) for done in range(7)]
    assert pyarrow.parquet.read_table(out / "results.parquet").to_pylist() == rows
    assert runs.closed == 1
    assert not (out / "runs").exists()


def test_what_is_done_is_not_done_again_and_the_grid_may_grow(
    script: Path, data: Path, out: Path, runs: FakeRuns
) -> None:
    first = sweep(script, data, {"fast": "1,3"}, out=out)
    content = (out / "results.parquet").read_bytes()
    assert sweep(script, data, {"fast": "1,3"}, out=out) == first
    assert (out / "results.parquet").read_bytes() == content
    assert len(runs.done) == 2

    rows = sweep(script, data, {"fast": "1:4:1"}, out=out)

    assert [row["sharpe"] for row in rows] == [1, 2, 3, 4]
    assert sorted(runs.done[2:]) == [("--fast=2",), ("--fast=4",)]


def test_an_interrupted_sweep_goes_on(
    script: Path, data: Path, out: Path, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(script, data, {"fast": "1:9:1"}, out=out, on_step=stop, jobs=1)

    assert runs.closed == 1
    kept = pyarrow.parquet.read_table(out / "results.parquet").to_pylist()
    assert len(kept) == 3
    with (out / "runs.jsonl").open("ab") as journal:
        journal.write(b'{"point":{"fast":"9"},"en')  # the power went off
    runs.done.clear()

    rows = sweep(script, data, {"fast": "1:9:1"}, out=out, jobs=1)

    assert [row["sharpe"] for row in rows] == [*range(1, 10)]
    assert {f"--fast={row['fast']}" for row in kept}.isdisjoint(argument for (argument,) in runs.done)
    assert len(runs.done) == 6
    points = [json.loads(line)["point"]["fast"] for line in (out / "runs.jsonl").read_bytes().splitlines()]
    assert sorted(points) == [str(fast) for fast in range(1, 10)]


def test_a_failing_run_is_a_row_and_can_be_tried_again(
    script: Path, data: Path, out: Path, runs: FakeRuns
) -> None:
    def fail(arguments: Sequence[str]) -> dict[str, Any]:
        if _fast(arguments) == 2:
            raise ValueError("no")
        return {"sharpe": 1.0}

    runs.answer = fail
    told: list[Progress] = []
    rows = sweep(script, data, {"fast": "1:3:1"}, out=out, on_step=told.append)
    assert [(row["ended"], row["error"], row["sharpe"]) for row in rows] == [
        ("data", None, 1.0),
        ("error", "ValueError: no", None),
        ("data", None, 1.0),
    ]
    assert told[-1] == Progress(3, 3, 1)
    runs.answer = lambda arguments: {"sharpe": 5.0}

    assert sweep(script, data, {"fast": "1:3:1"}, out=out) == rows
    again = sweep(script, data, {"fast": "1:3:1"}, out=out, retry_failed=True)

    assert [row["sharpe"] for row in again] == [1.0, 5.0, 1.0]


def test_a_sweep_of_something_else_is_refused(script: Path, data: Path, out: Path, runs: FakeRuns) -> None:
    params = {"fast": "1"}
    sweep(script, data, params, out=out)

    for others in ({"taker": "0.001"}, {"start": 1_700_000_100_000}, {"how": "env"}, {"arguments": ["x"]}):
        with pytest.raises(SweepError, match="is of a sweep with another") as refused:
            sweep(script, data, params, out=out, **others)
        name = {"how": "as", "start": "start_ms"}.get(*others, *others)
        assert f"another {name}:" in str(refused.value)
    script.write_text(script.read_text(encoding="utf-8") + "#", encoding="utf-8")
    with pytest.raises(SweepError, match="with another script"):
        sweep(script, data, params, out=out)
    file = data / "BTC_USDT-1m.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("30002", "30003"), encoding="utf-8")
    with pytest.raises(SweepError, match="with another data, script"):
        sweep(script, data, params, out=out)
    assert len(runs.done) == 1

    sweep(script, data, params, out=out, restart=True)

    assert len(runs.done) == 2
    assert len((out / "runs.jsonl").read_bytes().splitlines()) == 1


def test_a_sweep_that_counts_in_another_currency_is_another(
    script: Path, data: Path, out: Path, runs: FakeRuns
) -> None:
    sweep(script, data, {"fast": "1"}, out=out, balance="1BTC,1000USDT")

    with pytest.raises(SweepError, match="with another currency:"):
        sweep(script, data, {"fast": "1:2:1"}, out=out, balance="1000USDT,1BTC")

    rows = sweep(script, data, {"fast": "1:2:1"}, out=out, balance="1000USDT,1BTC", currency="BTC")
    assert [row["fast"] for row in rows] == [1, 2]


def test_data_that_change_end_a_sweep_and_what_was_done_of_them_is_not_kept(
    script: Path, data: Path, out: Path, runs: FakeRuns
) -> None:
    file = data / "BTC_USDT-1m.csv"
    content = file.read_bytes()

    def grow(arguments: Sequence[str]) -> dict[str, Any]:
        if _fast(arguments) == 2:
            os.utime(file, ns=(1, 1))  # written again, and the same
        if _fast(arguments) == 4:
            file.write_bytes(content + b"1700003640000,1,1,1,1,1\n")
        return {"sharpe": 1.0}

    runs.answer = grow
    with pytest.raises(SweepError, match="data: it has changed since the sweep began"):
        sweep(script, data, {"fast": "1:9:1"}, out=out, jobs=1)

    kept = pyarrow.parquet.read_table(out / "results.parquet").to_pylist()
    assert {row["fast"] for row in kept} <= {1, 2, 3}  # the last ones may be seen together with the change
    file.write_bytes(content)
    runs.answer = lambda arguments: {"sharpe": 1.0}
    assert len(sweep(script, data, {"fast": "1:9:1"}, out=out, jobs=1)) == 9


def test_data_that_go_away_end_a_sweep(script: Path, data: Path, out: Path, runs: FakeRuns) -> None:
    def remove(arguments: Sequence[str]) -> dict[str, Any]:
        (data / "BTC_USDT-1m.csv").unlink(missing_ok=True)  # the next run may have begun
        return {"sharpe": 1.0}

    runs.answer = remove
    with pytest.raises(SweepError, match=r"data: .*expected at least one file"):
        sweep(script, data, {"fast": "1:9:1"}, out=out, jobs=1)


def test_restart_removes_nothing_that_is_not_of_a_sweep(
    script: Path, data: Path, out: Path, runs: FakeRuns
) -> None:
    (out / "runs").mkdir(parents=True)
    (out / "runs" / "mine.txt").write_text("mine", encoding="utf-8")

    sweep(script, data, {"fast": "1"}, out=out, restart=True)

    assert (out / "runs" / "mine.txt").exists()


def test_two_sweeps_do_not_write_to_one_folder(script: Path, data: Path, out: Path, runs: FakeRuns) -> None:
    out.mkdir()
    with FileLock(out / ".lock"), pytest.raises(SweepError, match="another sweep is writing to"):
        sweep(script, data, {"fast": "1"}, out=out)


def test_a_journal_that_is_none_is_refused(script: Path, data: Path, out: Path, runs: FakeRuns) -> None:
    sweep(script, data, {"fast": "1"}, out=out)
    (out / "runs.jsonl").write_text("[]\n", encoding="utf-8")

    with pytest.raises(SweepError, match=r"runs\.jsonl: line 1 is not of a sweep"):
        sweep(script, data, {"fast": "1"}, out=out)


def test_reports_of_all_runs(script: Path, data: Path, out: Path, runs: FakeRuns) -> None:
    sweep(script, data, {"fast": "1,2"}, out=out)
    sweep(script, data, {"fast": "1,2"}, out=out, keep_reports="all")

    assert sorted(path.name for path in (out / "runs").iterdir()) == ["fast=1", "fast=2"]
    assert len(runs.done) == 4
    sweep(script, data, {"fast": "1,2"}, out=out, keep_reports="all")
    assert len(runs.done) == 4


def test_reports_of_the_best(script: Path, data: Path, out: Path, runs: FakeRuns) -> None:
    sweep(script, data, {"fast": "1:5:1"}, out=out, keep_reports="best", top=2)

    assert sorted(path.name for path in (out / "runs").iterdir()) == ["fast=4", "fast=5"]


def test_a_run_that_gives_other_numbers_the_second_time_is_told(
    script: Path, data: Path, out: Path, runs: FakeRuns
) -> None:
    runs.answer = lambda arguments: {"sharpe": float(len(runs.done))}

    with pytest.warns(UserWarning, match="depends on something beside its data"):
        sweep(script, data, {"fast": "1"}, out=out, keep_reports="best")


def test_names_of_reports_are_those_of_files(script: Path, data: Path, out: Path, runs: FakeRuns) -> None:
    symbols = ["BTC/USDT", "BTC:USDT", "..", "x" * 300]

    sweep(script, data, {"fast": [1], "symbol": symbols}, out=out, keep_reports="all")

    names = [path.name for path in (out / "runs").iterdir()]
    assert len(names) == 4
    assert max(map(len, names)) < 120
    assert [*out.rglob("summary.json")] == [*out.glob("runs/*/summary.json")]


def test_data_that_is_not_there_is_refused_before_anything_is_written(
    script: Path, tmp_path: Path, out: Path, runs: FakeRuns
) -> None:
    with pytest.raises(ValueError, match="No such file or folder"):
        sweep(script, tmp_path / "none", {"fast": "1"}, out=out)
    assert not out.exists()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"how": "stdin"}, "as: expected one of args, env"),
        ({"keep_reports": "some"}, "keep-reports: expected one of none, best, all"),
        ({"top": 0}, "top: expected a number above 0"),
        ({"jobs": 0}, "jobs: expected a number above 0"),
        ({"engine": "spark"}, "engine: expected one of local, ray, dask"),
        ({"address": "tcp://x"}, "address: only ray and dask have one"),
        ({"sort": "luck"}, "sort: expected one of"),
        ({"random": 0}, "random: expected a number above 0"),
        ({"most": 1}, "more than 1:"),
        ({"balance": "much"}, "balance: expected amounts"),
        ({"latency_ms": -1}, "latency_ms"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    script: Path, data: Path, out: Path, runs: FakeRuns, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        sweep(script, data, {"fast": "1,2"}, out=out, **options)
    assert runs.done == []


@pytest.mark.parametrize("engine", ["ray", "dask"])
def test_an_engine_that_is_not_installed(
    script: Path, data: Path, out: Path, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ray", "distributed"):
        monkeypatch.setitem(__import__("sys").modules, name, None)

    with pytest.raises(MissingEngine, match=rf'pip install "ccxt-driver\[{engine}\]"'):
        sweep(script, data, {"fast": "1"}, out=out, engine=engine)
