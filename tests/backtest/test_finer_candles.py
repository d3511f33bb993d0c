"""Candles that are shorter than those of the data are made up, and that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccxt_driver.backtest.settings import SETTINGS

from .conftest import Runner
from .histories import HOUR_MS, START_MS, Candle, write_candles

_NOTE = "Note: the data have no candles of {} of BTC/USDT: made of those of 1h"
_POLLING = """
    import time
    import ccxt

    exchange = ccxt.binance()
    exchange.fetch_ohlcv("BTC/USDT", "4h")
    for _ in range(3):
        for timeframe in ("1m", "15m", "1h"):
            exchange.fetch_ohlcv("BTC/USDT", timeframe, limit=5)
        time.sleep(3600)
    exchange.create_order("BTC/USDT", "market", "buy", 1)
"""
_WATCHING = """
    import asyncio
    import ccxt.pro

    async def main():
        exchange = ccxt.pro.binance()
        try:
            for _ in range(3):
                await exchange.watch_ohlcv("BTC/USDT", "1m")
        finally:
            await exchange.close()

    asyncio.run(main())
"""


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of candles of an hour."""
    folder = tmp_path_factory.mktemp("hours")
    rows = [
        Candle(START_MS + hour * HOUR_MS, 10_000, 10_100 + hour, 9_900, 10_050, 100) for hour in range(24)
    ]
    write_candles(folder, rows, timeframe="1h")
    return folder


def test_who_polls_shorter_candles_is_told_once_of_each(run: Runner, hours: Path) -> None:
    ran = run(_POLLING, hours)

    assert ran.code == 0, ran.output
    assert ran.output.count("Note:") == 2
    for timeframe in ("1m", "15m"):
        assert ran.output.count(_NOTE.format(timeframe)) == 1
        told = ran.result.summary["assumptions"][f"candles BTC/USDT {timeframe}"]
        assert told.startswith("made of those of 1h")
    again = run(_POLLING, hours, "--again", str(ran.folder / "commands.jsonl"))
    for path in ran.folder.iterdir():
        if path.name != SETTINGS:
            assert path.read_bytes() == (again.folder / path.name).read_bytes(), path.name


def test_who_watches_shorter_candles_is_told(run: Runner, hours: Path) -> None:
    ran = run(_WATCHING, hours)

    assert ran.code == 0, ran.output
    assert ran.output.count("Note:") == ran.output.count(_NOTE.format("1m")) == 1
    assert "candles BTC/USDT 1m" in ran.result.summary["assumptions"]


def test_nothing_is_told_of_longer_candles(run: Runner, hour: Path) -> None:
    ran = run(_WATCHING, hour)

    assert ran.code == 0, ran.output
    assert "Note:" not in ran.output
