"""Backtests of a year of minutes and of a million trades, ours and those of peers in turns.

Peers that are not installed are left out: `pip install backtrader basana backtesting nautilus_trader`.
`BACKTEST_BARS`, `BACKTEST_TICKS` and `BACKTEST_ROUNDS` make it smaller or longer. CPU seconds, of processes
of their own; the least of the rounds counts, as whatever else the machine does only adds to it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.benchmarks.backtest_data import write_candles, write_trades

BARS = int(os.environ.get("BACKTEST_BARS", "525600"))
TICKS = int(os.environ.get("BACKTEST_TICKS", "1000000"))
ROUNDS = int(os.environ.get("BACKTEST_ROUNDS", "2"))
MOST_MB = 400
Costs = dict[str, float]


def cost(name: str, data: Path, out: Path) -> Costs:
    command = [sys.executable, "-m", "tests.benchmarks.backtest_process", name, str(data), str(out)]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "TZ": "UTC"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(command, env=environment, check=True, text=True, stdout=subprocess.PIPE)
    costs: Costs = json.loads(done.stdout.splitlines()[-1])
    return costs


def costs_of(names: list[str], data: Path, folder: Path) -> dict[str, Costs]:
    """The cheapest run of each; the first of the names is a plain loop, the next are ours."""
    installed = [name for name in names if find_spec(PACKAGES.get(name, "json"))]
    found: dict[str, Costs] = {}
    for turn in range(ROUNDS):
        for name in installed:
            costs = cost(name, data, folder / f"{name}-{turn}")
            if name not in found or costs["run"] < found[name]["run"]:
                found[name] = costs
    return found


PACKAGES = {
    "backtrader_cross": "backtrader",
    "backtrader_maker": "backtrader",
    "basana_cross": "basana",
    "backtesting_cross": "backtesting",
    "nautilus_cross": "nautilus_trader",
    "nautilus_maker": "nautilus_trader",
}


def show(found: dict[str, Costs], rows: int, ours: tuple[str, ...]) -> None:
    print(
        f"\n{'':20}{'µs a row':>10}{'rows/s':>10}{'orders':>8}{'start s':>9}{'after s':>9}{'MB':>6}  ratios"
    )
    for name, costs in found.items():
        ratios = "".join(
            f"  {costs['run'] / found[each]['run']:.2f} x {each}" for each in ours if each != name
        )
        print(
            f"{name:20}{costs['run'] / rows * 1e6:10.2f}{rows / costs['run']:10.0f}{costs['orders']:8.0f}"
            f"{costs['start']:9.2f}{costs['after']:9.2f}"
            f"{costs['run_mb']:8.0f}{costs['peak_mb']:6.0f}{ratios}"
        )


@pytest.mark.benchmark
def test_a_year_of_minutes(tmp_path: Path) -> None:
    data = tmp_path / "BTC_USDT-1m.csv"
    write_candles(data, BARS)
    ours = ("watch_cross", "poll_cross")
    peers = ["backtesting_cross", "basana_cross", "nautilus_cross", "backtrader_cross"]
    found = costs_of(["plain_cross", *ours, *peers], data, tmp_path)
    show(found, BARS, ours)
    print("goals: watch 250,000 bars/s, poll 150,000; a watch loop 3.3 times basana, 13 times backtrader")
    orders = found["plain_cross"]["orders"]
    assert found["watch_cross"]["orders"] == orders > 0
    for name in ours:
        assert found[name]["peak_mb"] < MOST_MB


@pytest.mark.benchmark
def test_a_million_trades(tmp_path: Path) -> None:
    data = tmp_path / "BTC_USDT-trades.csv"
    write_trades(data, TICKS)
    found = costs_of(["plain_maker", "maker", "nautilus_maker", "backtrader_maker"], data, tmp_path)
    show(found, TICKS, ("maker",))
    print(f"goals: 9 µs a trade, then 6; {found['maker']['orders'] / TICKS:.3f} orders a trade")
    assert found["maker"]["peak_mb"] < MOST_MB
