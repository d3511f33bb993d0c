"""Symbols whose data begin at different times: the run begins with the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Ran, Runner
from .histories import MINUTE_MS, START_MS, walk, write_candles, write_trades

_LATE_MS = START_MS + 40 * MINUTE_MS
_LATE = "2024-01-01T00:40:00.000Z"
_POLLING = """
    import json, time
    import ccxt

    exchange = ccxt.binance()
    print("began", json.dumps([exchange.iso8601(exchange.milliseconds()), sorted(exchange.load_markets())]))
    first = {}
    try:
        while True:
            row = ["ETH/USDT" in exchange.fetch_tickers(), len(exchange.fetch_ohlcv("ETH/USDT"))]
            for ask in (lambda: exchange.fetch_ticker("ETH/USDT")["last"],
                        lambda: exchange.create_order("ETH/USDT", "limit", "buy", 0.01, 1500)["status"]):
                try:
                    row.append(ask())
                except ccxt.MarketClosed as error:
                    row.append(type(error).__name__)
            if row != first:
                first = row
                print("seen", json.dumps([exchange.iso8601(exchange.milliseconds()), *row]))
            time.sleep(600)
    finally:
        exchange.create_order("BTC/USDT", "market", "buy", 0.01)
"""
_WATCHING = """
    import asyncio, json
    import ccxt.pro

    LATE, BOTH = "ETH/USDT", ["BTC/USDT", "ETH/USDT"]
    CALLS = {
        "watch_ticker": [LATE], "watch_tickers": [BOTH], "watch_bids_asks": [BOTH],
        "watch_order_book": [LATE],
        "watch_order_book_for_symbols": [BOTH], "watch_trades": [LATE], "watch_trades_for_symbols": [BOTH],
        "watch_ohlcv": [LATE], "watch_ohlcv_for_symbols": [[[each, "1m"] for each in BOTH]],
    }

    async def first_of(exchange, name, arguments):
        while True:
            found = await getattr(exchange, name)(*arguments)
            if "ETH/USDT" in json.dumps(found) or name == "watch_ohlcv":
                print("first", json.dumps([name, exchange.iso8601(exchange.milliseconds())]))
                return

    async def main():
        exchange = ccxt.pro.binance()
        await exchange.load_markets()
        try:
            await asyncio.gather(*(first_of(exchange, *call) for call in CALLS.items()))
        finally:
            await exchange.close()

    asyncio.run(main())
"""


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hour and a half of BTC/USDT; ETH/USDT begins after 40 minutes, SOL/USDT after all."""
    folder = tmp_path_factory.mktemp("late")
    write_candles(folder, walk(1, 90))
    write_candles(folder, walk(2, 50, price=200_000, step=100, start_ms=_LATE_MS), "ETH_USDT")
    return folder


def _assumptions(ran: Ran) -> dict[str, str]:
    found: dict[str, str] = ran.result.summary["assumptions"]
    return found


def test_a_run_begins_with_the_first_symbol(run: Runner, late: Path) -> None:
    ran = run(_POLLING, late, balances={"USDT": "1000", "ETH": "2"})

    assert ran.code == 0, ran.output
    assert ran.said("began") == [["2024-01-01T00:00:00.000Z", ["BTC/USDT", "ETH/USDT"]]]
    seen = ran.said("seen")
    assert seen[0] == ["2024-01-01T00:00:00.000Z", False, 0, "MarketClosed", "MarketClosed"]
    assert seen[1] == [_LATE, True, 1, 2000, "open"]
    assert _assumptions(ran)["begins ETH/USDT"].startswith(f"at {_LATE}")
    rows = {int(row["time_ms"]): float(row["equity"]) for row in ran.result.equity()}
    assert rows[START_MS] == rows[_LATE_MS] == 1000 + 2 * 2000  # at its first price, also before that
    assert rows[_LATE_MS + 20 * MINUTE_MS] != rows[_LATE_MS]


def test_every_stream_waits_for_the_first_price(run: Runner, late: Path) -> None:
    ran = run(_WATCHING, late)

    assert ran.code == 0, ran.output
    firsts = dict(ran.said("first"))
    assert len(firsts) == 9
    # As a candle opens nothing has been traded in it.
    trades = {firsts.pop("watch_trades"), firsts.pop("watch_trades_for_symbols")}
    assert trades == {"2024-01-01T00:41:00.000Z"}
    assert set(firsts.values()) == {_LATE}


def test_a_symbol_that_begins_after_the_run_has_no_price(run: Runner, late: Path) -> None:
    ran = run(_POLLING, late, end_ms=START_MS + 30 * MINUTE_MS, balances={"USDT": "1000", "ETH": "2"})

    assert ran.code == 0, ran.output
    assert _assumptions(ran)["begins ETH/USDT"] == "after the run: it had no price"
    assert ran.result.summary["unvalued"] == ["ETH"]
    assert [len(row) for row in ran.said("seen")] == [5]


def test_where_the_run_begins_later_nothing_is_late(run: Runner, late: Path) -> None:
    ran = run(_POLLING, late, start_ms=_LATE_MS)

    assert ran.said("began")[0][0] == _LATE
    assert "begins ETH/USDT" not in _assumptions(ran)


def test_a_swap_with_mark_prices_may_begin_late(run: Runner, tmp_path: Path) -> None:
    write_candles(tmp_path, walk(1, 90))
    rows = walk(2, 50, price=200_000, step=100, start_ms=_LATE_MS)
    write_candles(tmp_path, rows, "ETH_USDT_USDT")
    write_candles(tmp_path, rows, "ETH_USDT_USDT", "1m-mark")
    write_trades(tmp_path, 4, 50, until_ms=90 * MINUTE_MS)
    ran = run(
        """
        import time
        import ccxt

        exchange = ccxt.binance()
        time.sleep(50 * 60)
        exchange.create_order("ETH/USDT:USDT", "market", "buy", 1)
        time.sleep(1200)
        print("equity", exchange.fetch_balance()["USDT"]["total"])
        """,
        tmp_path,
    )

    assert ran.code == 0, ran.output
    assert ran.result.summary["total"]["deals"] == 1
