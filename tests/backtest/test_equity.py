"""What equity is made of at both ends of a run: the prices of these moments, not those of a candle's end."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Runner
from .histories import DAY_MS, HOUR_MS, START_MS, Candle, write_candles


def test_what_is_held_is_worth_what_the_script_could_see(run: Runner, tmp_path: Path) -> None:
    """With candles of a day, closes alone would miss most of the run."""
    rows = [
        Candle(START_MS + day * DAY_MS, first, first + 2_000, first, first + 1_000, 100)
        for day, first in enumerate((10_000, 11_000, 20_000))
    ]
    ran = run(
        """
        import json, time
        import ccxt

        exchange = ccxt.binance()
        print("first", json.dumps(exchange.fetch_ticker("BTC/USDT")["last"]))
        exchange.create_order("BTC/USDT", "market", "buy", 1)
        time.sleep(2 * 86400 + 3600)
        print("last", json.dumps(exchange.fetch_ticker("BTC/USDT")["last"]))
        """,
        write_candles(tmp_path / "data", rows, timeframe="1d"),
        balances={"USDT": "1000", "BTC": "2"},
        maker="0",
        taker="0",
    )

    assert ran.code == 0, ran.output
    assert (ran.said("first"), ran.said("last")) == ([100], [200])
    total = ran.result.summary["total"]
    assert (total["start_equity"], total["end_equity"]) == (1000 + 2 * 100, 1000 - 100 + 3 * 200)
    curve = ran.result.equity()
    assert float(curve[0]["equity"]) == total["start_equity"]
    assert float(curve[-1]["equity"]) == total["end_equity"]


@pytest.mark.parametrize("begin", [0, 20_000])
def test_trades_within_a_minute_count(run: Runner, tmp_path: Path, begin: int) -> None:
    """Of most minutes the last trade is enough, of the first and the last one it is not."""
    times = (0, 10_000, 50_000, HOUR_MS, HOUR_MS + 10_000, HOUR_MS + 50_000)
    rows = [f"{START_MS + at_ms},{100 + 10 * number},1" for number, at_ms in enumerate(times)]
    path = tmp_path / "BTC_USDT-trades.csv"
    path.write_text("\n".join(("timestamp,price,amount", *rows)) + "\n", encoding="utf-8")
    ran = run(
        f"""
        import time
        time.sleep({3_615 - begin / 1_000})
        """,
        path,
        balances={"BTC": "1"},
        currency="USDT",
        start_ms=START_MS + begin,
    )

    assert ran.code == 0, ran.output
    total = ran.result.summary["total"]
    assert (total["start_equity"], total["end_equity"]) == (110 if begin else 100, 140)
