"""A small market, a script with parameters, and runs that cost nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.backtest.report import Statistics
from ccxt_driver.backtest.settings import Settings
from ccxt_driver.backtest.sweeping import engines

SCRIPT = """
import argparse
import time

import ccxt

parser = argparse.ArgumentParser()
parser.add_argument("--amount", type=float)
parser.add_argument("--every", type=int)
given = parser.parse_args()
exchange = ccxt.binance()
count = 0
while True:
    if count % given.every == 0:
        exchange.create_order("BTC/USDT", "market", "buy" if count % 2 == 0 else "sell", given.amount)
    count += 1
    time.sleep(60)
"""


def candles(count: int) -> str:
    """A price that goes up and down."""
    lines = ["timestamp,open,high,low,close,volume"]
    for index in range(count):
        price = 30_000 + (index * 37) % 211
        lines.append(f"{1_700_000_040_000 + 60_000 * index},{price},{price + 9},{price - 9},{price + 2},5")
    return "\n".join(lines) + "\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "BTC_USDT-1m.csv").write_text(candles(60), encoding="utf-8")
    return folder


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "strategy.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


@pytest.fixture
def settings(script: Path, data: Path, tmp_path: Path) -> Settings:
    return Settings(script=str(script), data=(str(data),), out=str(tmp_path / "out"))


class FakeRuns:
    """Says what each run gives, without doing it.

    :param answer: makes the numbers of a run from its arguments; an error fails it
    """

    def __init__(self, answer: Callable[[Sequence[str]], dict[str, Any]]) -> None:
        self.answer = answer
        self.done: list[tuple[str, ...]] = []
        self.environments: list[dict[str, str]] = []
        self.closed = 0

    def run(self, arguments: Sequence[str], output: Path) -> int | None:
        made = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        self.done.append(tuple(made["arguments"]))
        self.environments.append(made["environment"])
        error = None
        total: dict[str, Any] = dict.fromkeys(Statistics.__dataclass_fields__)
        try:
            total |= self.answer(made["arguments"])
        except ValueError as failure:
            error = f"ValueError: {failure}"
        out = Path(made["out"])
        out.mkdir(parents=True, exist_ok=True)
        run = {"error": error, "ended": "data" if error is None else "error"}
        summary = {"run": run, "total": total, "path_deals": 1}
        (out / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        return 0 if error is None else 1

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> FakeRuns:
    """Runs whose Sharpe ratio is the value of their first parameter."""
    made = FakeRuns(lambda arguments: {"sharpe": float(arguments[0].partition("=")[2]), "orders": 3})
    monkeypatch.setattr(engines, "starter", lambda seed: made)
    return made
