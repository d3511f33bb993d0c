"""The report of a year of minutes: what the numbers and the whole of the files cost."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path
from time import process_time

import pytest

from ccxt_driver.backtest.report import write_report
from ccxt_driver.backtest.report.analysis import analyse
from ccxt_driver.backtest.report.statistics import summarise
from ccxt_driver.backtest.run import Run
from tests.helpers.backtest_runs import SPOT, HandRun

MINUTES = 525_600
DEALS = 12_000


@pytest.fixture(scope="module")
def year() -> Run:
    chance, price, prices = random.Random(1), 30_000.0, []
    for _ in range(MINUTES):
        price *= 1 + chance.gauss(0, 0.0005)
        prices.append(round(price, 1))
    hand = HandRun({SPOT: prices}, MINUTES)
    hand.book(0, "USDT", 10_000)
    for number in range(DEALS):
        minute = number * MINUTES // DEALS
        hand.spot(minute, "sell" if number % 2 else "buy", "0.1", str(prices[minute]), "0.3")
    return hand.run()


@pytest.mark.benchmark
def test_numbers_of_a_year_of_minutes(year: Run) -> None:
    began = process_time()
    summary = summarise(analyse(year))
    seconds = process_time() - began
    assert summary.total.deals == DEALS
    tracemalloc.start()
    analyse(year)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"numbers: {seconds:.2f} s of CPU (goal: well under 2), {peak / 1e6:.0f} MB on top of the run")


@pytest.mark.benchmark
def test_files_of_a_year_of_minutes(year: Run, tmp_path: Path) -> None:
    began = process_time()
    write_report(year, tmp_path)
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    print(f"all files: {process_time() - began:.2f} s of CPU, {size / 1e6:.1f} MB")
