"""Orders that are on disk before they are answered: many clients share a write, and one hardly waits."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ccxt_driver.oms import EmbeddedOms
from tests.helpers.serve_process import ServeProcess

from .load import load

pytestmark = pytest.mark.benchmark


@contextmanager
def _served(path: Path) -> Iterator[tuple[str, str]]:
    """A server process on a file, and a key."""
    account = {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "1000000000"}}
    with EmbeddedOms(accounts=[account], db=path) as oms:
        oms.set_price("BTC/USDT", bid="60000", ask="60001", last="60000")
        _, key = oms.keys.create()
    server = ServeProcess("--db", path)
    try:
        yield server.all("base_url")[0], key
    finally:
        server.stop()


@contextmanager
def _echo() -> Iterator[str]:
    """A bare aiohttp server that answers what it is sent."""
    command = [sys.executable, "-m", "tests.benchmarks.echo_process"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _fdatasync_us(folder: Path, writes: int = 400) -> float:
    """The median time that the disk takes for three pages, which is what an order writes."""
    file = os.open(folder / "pages", os.O_CREAT | os.O_RDWR)
    try:
        os.pwrite(file, bytes(12_288 * writes), 0)
        os.fsync(file)
        times = []
        for number in range(writes):
            os.pwrite(file, b"x" * 12_288, number * 12_288)
            start = time.perf_counter_ns()
            os.fdatasync(file)
            times.append(time.perf_counter_ns() - start)
    finally:
        os.close(file)
    return statistics.median(times) / 1000


def test_durable_orders_of_many_clients(tmp_path: Path) -> None:
    with _served(tmp_path / "oms.sqlite") as (url, key), _echo() as echo:
        found: list[dict[str, float]] = []
        echoes: list[float] = []
        for _ in range(3):
            echoes.append(load(echo, key, 32, 1, path="/echo")["orders_per_second"])
            found.append(load(url, key, 32, 4))
    best = max(found, key=lambda each: each["orders_per_second"])
    print(
        f"\ndurable orders of 32 connections: {best['orders_per_second']:.0f}/s, "
        f"median {best['median_us']:.0f} µs, p99 {best['p99_us']:.0f} µs (goal: 5000/s on two cores); "
        f"a bare aiohttp server gives back {max(echoes):.0f}/s of the same requests"
    )


def test_a_durable_order_of_one_client(tmp_path: Path) -> None:
    ratios, ours = [], []
    with _served(tmp_path / "oms.sqlite") as (url, key), _echo() as echo:
        for _ in range(4):
            disk = _fdatasync_us(tmp_path)
            bare = load(echo, key, 1, 1, path="/echo")["median_us"]
            ours.append(load(url, key, 1, 1)["median_us"])
            ratios.append(ours[-1] / (disk + bare))
            print(f"\nfdatasync {disk:.0f} µs, echo {bare:.0f} µs, durable order {ours[-1]:.0f} µs", end="")
    print(
        f"\nmedian of one client's durable order: ratio {statistics.median(ratios):.2f} (goal: at most 2.0)"
    )
