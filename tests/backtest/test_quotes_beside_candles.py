"""Quotes that are denser than the candles beside them tell where the price was inside."""

from __future__ import annotations

from pathlib import Path

from .conftest import Runner
from .histories import Candle, write_candles

_START_MS = 1_704_067_200_000
_SCRIPT = """
    import time
    import ccxt

    exchange = ccxt.binance()
    exchange.create_order("BTC/USDT", "limit", "buy", 1, 95)
    time.sleep(70)
    exchange.create_order("BTC/USDT", "market", "buy", 1)
    time.sleep(100)
    print(exchange.fetch_ohlcv("BTC/USDT", "1m", limit=2)[0][1:])
"""


def _candles(folder: Path) -> Path:
    """Three minutes at 100, whose lows and highs no quote of ours has."""
    rows = [Candle(_START_MS + 60_000 * minute, 10_000, 11_000, 9_000, 10_000, 100) for minute in range(3)]
    write_candles(folder, rows, "BTC_USDT")
    return folder


def test_no_fill_hangs_on_the_assumed_way(run: Runner, tmp_path: Path) -> None:
    data = _candles(tmp_path / "data")
    rows = "".join(f"{_START_MS + 1_000 * second},99.99,100\n" for second in range(180))
    (data / "BTC_USDT-quotes.csv").write_text(f"timestamp,bid,ask\n{rows}")

    ran = run(_SCRIPT, data)

    assert ran.code == 0, ran.output
    assert [(row["side"], row["price"], row["path"]) for row in ran.result.trades()] == [("buy", "100", "no")]
    assert "[100.0, 110.0, 90.0, 100.0" in ran.output


def test_without_quotes_fills_do(run: Runner, tmp_path: Path) -> None:
    ran = run(_SCRIPT, _candles(tmp_path / "data"))

    assert ran.code == 0, ran.output
    assert next(row["price"] for row in ran.result.trades()) == "95"
    assert ran.result.summary["path_deals"] == 1
