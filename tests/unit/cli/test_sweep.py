"""`ccxt-driver sweep`: what it asks of a sweep, and what it shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ccxt_driver.backtest.sweeping import engines
from ccxt_driver.cli import main

CANDLES = "timestamp,open,high,low,close,volume\n" + "".join(
    f"{1_700_000_040_000 + 60_000 * minute},100,101,99,100,5\n" for minute in range(3)
)


class _Runs:
    """Gives each run the Sharpe ratio that its parameters add up to; above 10 it fails."""

    def __init__(self) -> None:
        self.settings: list[dict[str, Any]] = []

    def run(self, arguments: Sequence[str], output: Path) -> int | None:
        made = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        self.settings.append(made)
        values = [*(each.partition("=")[2] for each in made["arguments"]), *made["environment"].values()]
        total = sum(float(value) for value in values if value)
        error = None if total <= 10 else "ValueError: \x1b[31mtoo much"
        summary = {
            "run": {"error": error, "ended": "data"},
            "total": {"sharpe": total, "fees": 5.0, "total_return": 0.25, "max_drawdown": None},
            "path_deals": 0,
        }
        Path(made["out"]).mkdir()
        (Path(made["out"]) / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        return 0

    def close(self) -> None: ...


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> _Runs:
    made = _Runs()
    monkeypatch.setattr(engines, "starter", lambda seed: made)
    return made


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text("pass", encoding="utf-8")
    (tmp_path / "BTC_USDT-1m.csv").write_text(CANDLES, encoding="utf-8")

    def invoke(*args: str) -> Result:
        return CliRunner().invoke(main, ["sweep", "s.py", "--data", "BTC_USDT-1m.csv", *args])

    return invoke


def test_the_best_are_shown(sweep: Callable[..., Result], runs: _Runs) -> None:
    done = sweep("--param", "fast=1:3:1", "--param", "slow=2,4", "--top", "2")

    assert done.exit_code == 0, done.output
    head, *rows, last = (line.split() for line in done.stdout.splitlines())
    assert head[:5] == ["fast", "slow", "sharpe", "total_return", "max_drawdown"]
    assert head[5:] == ["profit_factor", "win_rate", "round_trips", "fees"]
    others = ["25.00", "%", "-", "-", "-", "-", "5.00"]
    assert rows == [["3", "4", "7.00", *others], ["2", "4", "6.00", *others]]
    assert last == ["results:", str(Path("sweep") / "results.parquet")]
    assert len(runs.settings) == 6


def test_runs_without_a_value_of_the_sorted_column_are_shown(
    sweep: Callable[..., Result], runs: _Runs
) -> None:
    done = sweep("--param", "fast=1:3:1", "--sort", "win_rate")

    assert done.exit_code == 0, done.output
    rows = [line.split()[:2] for line in done.stdout.splitlines()[1:-1]]
    assert rows == [["1", "-"], ["2", "-"], ["3", "-"]]
    assert "3 of 3 runs have no win_rate, and come last" in done.stderr


def test_options_of_a_single_run_are_those_of_every_run(sweep: Callable[..., Result], runs: _Runs) -> None:
    options = ["--balance", "5BTC", "--fees", "0.001,0.002", "--seed", "7", "--latency", "30", "--from"]
    done = sweep("--param", "a=1", *options, "1700000050000", "--as", "env", "--", "-x", "=3")

    assert done.exit_code == 0, done.output
    [made] = runs.settings
    assert (made["balances"], made["maker"], made["taker"]) == ({"BTC": "5"}, "0.001", "0.002")
    assert (made["seed"], made["latency_ms"], made["start_ms"]) == (7, 30, 1_700_000_050_000)
    assert (made["arguments"], made["environment"]) == (["-x", "=3"], {"A": "1"})


def test_a_folder_that_cannot_be_made_is_told(
    sweep: Callable[..., Result], runs: _Runs, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = sweep("--param", "a=1", "--out", "file/sweep")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert "file" in done.stderr


def test_it_goes_on_and_restarts(sweep: Callable[..., Result], runs: _Runs) -> None:
    for options, count in (((), 2), ((), 2), (("--restart",), 4)):
        assert sweep("--param", "a=1,2", *options).exit_code == 0
        assert len(runs.settings) == count

    done = sweep("--param", "a=1,2", "--latency", "5")

    assert done.exit_code == 2
    assert "error: out: sweep is of a sweep with another latency_ms" in done.stderr


def test_failed_runs_are_told_without_what_steers_a_terminal(
    sweep: Callable[..., Result], runs: _Runs
) -> None:
    some = sweep("--param", "a=1,20")
    every = sweep("--param", "a=20,30", "--out", "other")

    assert (some.exit_code, every.exit_code) == (0, 1)
    assert "1 of 2 runs have failed, such as: ValueError:  [31mtoo much" in some.stderr
    assert "2 of 2 runs have failed" in every.stderr


def test_a_sample(sweep: Callable[..., Result], runs: _Runs) -> None:
    assert sweep("--param", "a=0:0.9:0.1", "--param", "b=1:5:1", "--random", "3").exit_code == 0
    assert len(runs.settings) == 3


def test_absurd_sizes_need_a_yes(sweep: Callable[..., Result], runs: _Runs) -> None:
    big = ("--param", "a=1:200:1", "--param", "b=1:200:1")

    done = sweep(*big)

    assert done.exit_code == 2
    assert "40,000 combinations" in done.stderr
    assert "--yes" in done.stderr
    assert len(runs.settings) == 0
    assert sweep(*big, "--random", "5").exit_code in (0, 1)
    assert len(runs.settings) == 5


@pytest.mark.parametrize(
    "options, message",
    [
        ((), "Missing option '--param'"),
        (("--param", "a"), "expected NAME=FIRST:LAST:STEP"),
        (("--param", "a=1", "--sort", "luck"), "sort: expected one of a, start_equity"),
        (("--param", "a=1", "--balance", "much"), "balance: expected amounts"),
        (("--param", "a=1", "--address", "x"), "address: only ray and dask"),
    ],
)
def test_what_makes_no_sense_is_refused(
    sweep: Callable[..., Result], runs: _Runs, options: tuple[str, ...], message: str
) -> None:
    done = sweep(*options)

    assert done.exit_code == 2
    assert message in done.stderr
    assert runs.settings == []


def test_an_engine_that_is_not_installed(
    sweep: Callable[..., Result], runs: _Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)

    done = sweep("--param", "a=1", "--engine", "ray")

    assert done.exit_code == 2
    assert 'pip install "ccxt-driver[ray]"' in done.stderr
