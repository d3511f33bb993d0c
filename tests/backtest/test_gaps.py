"""Deals that hang on prices which nobody recorded are counted."""

from __future__ import annotations

from pathlib import Path

from .conftest import Runner
from .histories import Candle, write_candles

_START_MS = 1_704_067_200_000
_MINUTE_MS = 60_000


def _data(folder: Path) -> Path:
    """Ten minutes at 100, ten without a candle, ten at 90; of another symbol only the first twenty."""
    for symbol, prices in (
        ("BTC_USDT", {minute: 10_000 if minute < 10 else 9_000 for minute in (*range(10), *range(20, 30))}),
        ("ETH_USDT", dict.fromkeys(range(20), 5_000)),
    ):
        rows = [
            Candle(_START_MS + minute * _MINUTE_MS, price, price, price, price, 100)
            for minute, price in prices.items()
        ]
        write_candles(folder, rows, symbol)
    return folder


def test_deals_in_and_after_gaps_are_counted(run: Runner, tmp_path: Path) -> None:
    ran = run(
        """
        import time
        import ccxt

        exchange = ccxt.binance()
        exchange.create_order("BTC/USDT", "limit", "buy", 1, 95)
        exchange.create_order("BTC/USDT", "market", "buy", 1)
        stop = {"stopPrice": 93}
        exchange.create_order("BTC/USDT", "market", "sell", 0.5, None, stop)
        time.sleep(15 * 60)
        exchange.create_order("BTC/USDT", "market", "buy", 0.5)
        time.sleep(5 * 60)
        exchange.create_order("ETH/USDT", "market", "buy", 0.5)
        exchange.create_order("BTC/USDT", "market", "buy", 0.5)
        time.sleep(60)
        exchange.create_order("BTC/USDT", "market", "buy", 0.5)
        """,
        _data(tmp_path / "data"),
    )

    assert ran.code == 0, ran.output
    trades = [(row["symbol"], row["side"], row["price"], row["gap"]) for row in ran.result.trades()]
    assert trades == [
        ("BTC/USDT", "buy", "100", ""),
        ("BTC/USDT", "buy", "100", "inside"),
        ("BTC/USDT", "buy", "95", "after"),
        ("BTC/USDT", "sell", "89.99", "after"),
        ("ETH/USDT", "buy", "50", "inside"),
        ("BTC/USDT", "buy", "90", ""),
        ("BTC/USDT", "buy", "90", ""),
    ]
    summary = ran.result.summary
    assert (summary["deals_in_gaps"], summary["deals_after_gaps"]) == (2, 2)
    assert "2 fills in gaps" in ran.result.report.read_text(encoding="utf-8")


def test_without_gaps_nothing_is_said(run: Runner, one_symbol: Path) -> None:
    ran = run(
        """
        import ccxt
        ccxt.binance().create_order("BTC/USDT", "market", "buy", 0.1)
        """,
        one_symbol,
    )

    assert (ran.result.summary["deals_in_gaps"], ran.result.summary["deals_after_gaps"]) == (0, 0)
    assert "fills in gaps" not in ran.result.report.read_text(encoding="utf-8")
