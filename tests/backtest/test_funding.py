"""Funding and mark prices of files in runs: balances to the last digit, in every style, and again."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from .conftest import Ran, Runner
from .histories import HOUR_MS, MINUTE_MS, START_MS, Candle, write_candles

D: Final = Decimal
_HOURS: Final = 26
_RATES: Final = {8: D("0.0001"), 16: D("-0.00035"), 24: D("0.000125")}
_MARKS: Final = {8: D("40010"), 16: D("39000.5"), 24: D("41234.25")}
_PAID: Final = [-2 * _RATES[hour] * _MARKS[hour] for hour in _RATES]
"""By a long position of 2."""
_SLEEPS: Final = """
    import json, time
    import ccxt

    SYMBOL = "BTC/USDT:USDT"
    exchange = ccxt.binanceusdm()
    exchange.create_order(SYMBOL, "market", SIDE, 2)
    try:
        while True:
            time.sleep(3600)
            rate = exchange.fetch_funding_rate(SYMBOL)
            past = exchange.fetch_funding_rate_history(SYMBOL)
            hour = exchange.milliseconds() / 3_600_000 - 473_352
            rates = [row["fundingRate"] for row in past]
            print("rate", json.dumps([hour, rate["fundingRate"], rate["markPrice"], rates]))
    finally:
        print("balance", json.dumps(exchange.fetch_balance()["total"]["USDT"]))
        print("history", json.dumps([row["amount"] for row in exchange.fetch_funding_history(SYMBOL)]))
"""
_WATCHES: Final = """
    import asyncio, json
    import ccxt.pro as ccxt

    SYMBOL = "BTC/USDT:USDT"

    async def main():
        exchange = ccxt.binanceusdm()
        await exchange.create_order(SYMBOL, "market", SIDE, 2)
        try:
            while True:
                await exchange.watch_ohlcv(SYMBOL, "1h")
        finally:
            print("balance", json.dumps((await exchange.fetch_balance())["total"]["USDT"]))
            history = await exchange.fetch_funding_history(SYMBOL)
            print("history", json.dumps([row["amount"] for row in history]))
            await exchange.close()

    asyncio.run(main())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hours at 40,000, with mark prices and funding rates as freqtrade names them."""
    folder = tmp_path_factory.mktemp("funding")
    rows = [Candle(START_MS + hour * HOUR_MS, *[4_000_000] * 4, volume=10_000_000) for hour in range(_HOURS)]
    write_candles(folder, rows, "BTC_USDT_USDT", "1h")
    marks = [
        row._replace(open=mark, high=mark, low=mark, close=mark)
        for row, mark in zip(rows, _marks(), strict=True)
    ]
    write_candles(folder, marks, "BTC_USDT_USDT", "1h-mark")
    rates = "".join(f"{START_MS + hour * HOUR_MS},{rate},0,0,0,0\n" for hour, rate in _RATES.items())
    text = f"date,open,high,low,close,volume\n{rates}"
    (folder / "BTC_USDT_USDT-8h-funding_rate.csv").write_text(text, encoding="utf-8")
    return folder


def _marks() -> list[int]:
    return [int(_MARKS.get(hour, D(40_000)) * 100) for hour in range(_HOURS)]


def _run(run: Runner, folder: Path, script: str, side: str, *more: str, **settings: Any) -> Ran:
    fees = {"maker": "0", "taker": "0", "balances": {"USDT": 100_000}}
    ran = run(script.replace("SIDE", repr(side)), folder, *more, **(fees | settings))
    assert ran.code == 0, ran.output[-2_000:]
    return ran


@pytest.mark.parametrize("script", [_SLEEPS, _WATCHES], ids=["sleeps", "watches"])
@pytest.mark.parametrize("side, sign", [("buy", 1), ("sell", -1)])
def test_three_fundings(run: Runner, folder: Path, script: str, side: str, sign: int) -> None:
    ran = _run(run, folder, script, side)
    amounts = [sign * amount for amount in _PAID]
    assert ran.said("history") == [[float(amount) for amount in amounts]]
    assert ran.said("balance") == [float(100_000 + sum(amounts, D(0)))]
    summary = json.loads((ran.folder / "summary.json").read_text())
    assert summary["total"]["funding"] == float(sum(amounts, D(0)))
    assert summary["assumptions"]["funding"] == "as in the files: BTC/USDT:USDT"
    assert summary["assumptions"]["mark price"] == "as in the files: BTC/USDT:USDT"
    assert {row["kind"]: (row["use"], row["rows"]) for row in summary["data"]} == {
        "candles": ("price", _HOURS),
        "mark": ("mark price", _HOURS),
        "funding": ("funding rates", 3),
    }


def test_what_is_seen_before_its_time(run: Runner, folder: Path) -> None:
    ran = _run(run, folder, _SLEEPS, "buy")
    marks = [mark / 100 for mark in _marks()]
    rates = [float(rate) for rate in _RATES.values()]
    for hour, rate, mark, past in ran.said("rate"):
        assert past == rates[: int(hour) // 8]
        assert rate == (past[-1] if past else None)
        assert mark == marks[min(int(hour), _HOURS - 1)]
    assert len(ran.said("rate")) == _HOURS - 1


def test_the_same_again(run: Runner, run_elsewhere: Runner, folder: Path) -> None:
    first = _run(run, folder, _SLEEPS, "sell")
    runs = [
        _run(run_elsewhere, folder, _SLEEPS, "sell"),
        _run(run, folder, _SLEEPS, "sell", "--again", str(first.folder / "commands.jsonl")),
    ]
    files = ("orders.csv", "trades.csv", "equity.csv", "summary.json", "commands.jsonl", "report.html")
    for other in runs:
        for name in files:
            assert (other.folder / name).read_bytes() == (first.folder / name).read_bytes(), name


def test_a_mark_price_liquidates_while_a_script_sleeps(run: Runner, tmp_path: Path) -> None:
    rows = [Candle(START_MS + at * MINUTE_MS, *[10_000] * 4, volume=10_000_000) for at in range(60)]
    write_candles(tmp_path, rows, "BTC_USDT_USDT")
    marks = [row._replace(low=8_000) if at == 30 else row for at, row in enumerate(rows)]
    write_candles(tmp_path, marks, "BTC_USDT_USDT", "1m-mark")
    script = """
        import json, time
        import ccxt

        exchange = ccxt.binanceusdm()
        exchange.set_leverage(10, "BTC/USDT:USDT")
        exchange.create_order("BTC/USDT:USDT", "market", "buy", 10)
        time.sleep(1800)
        print("before", len(exchange.fetch_positions()))
        time.sleep(60)
        print("after", len(exchange.fetch_positions()))
    """
    ran = _run(run, tmp_path, script, "buy", balances={"USDT": 110})
    assert (ran.said("before"), ran.said("after")) == ([1], [0])
    closed = ran.result.trades()[-1]
    assert closed["time"] == "2024-01-01T00:30:39.999Z"  # as the mark price is at its low
    assert closed["price"] in ("100", "99.9")
