"""What happens when: a strategy asked and watched, what is due at one moment, and while nobody looks."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from .conftest import SCRIPTS, Ran, Runner
from .histories import MINUTE_MS, START_MS, Candle, walk, write_candles, write_trades


def _trades(ran: Ran) -> list[tuple[str, ...]]:
    assert ran.code == 0, ran.output
    return [tuple(row[key] for key in ("time", "side", "qty", "price", "fee")) for row in ran.result.trades()]


@pytest.fixture(scope="module")
def gaps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with candles of which some are missing."""
    chance, folder = Random(1), tmp_path_factory.mktemp("gaps")
    write_candles(folder, [row for row in walk(21, 600) if chance.random() < 0.9])
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with candles of which none is missing."""
    folder = tmp_path_factory.mktemp("whole")
    write_candles(folder, walk(22, 600))
    return folder


def test_three_styles_of_one_strategy_agree(run: Runner, whole: Path) -> None:
    asked, tasks, watched = (
        _trades(run(SCRIPTS / f"cross_{style}.py", whole)) for style in ("sync", "async", "watch")
    )

    assert len(asked) > 20
    assert asked == tasks == watched


def test_who_watches_hears_of_a_candle_without_trades_when_the_next_one_opens(
    run: Runner, gaps: Path
) -> None:
    """Who asks once a minute sees it at once: that is so live, too."""
    asked, tasks, watched = (
        _trades(run(SCRIPTS / f"cross_{style}.py", gaps)) for style in ("sync", "async", "watch")
    )

    assert asked == tasks
    missing = set(range(600)) - {row.open_ms // MINUTE_MS for row in _rows(gaps)}
    acted_in_gap = {time for time, *_ in asked} - {time for time, *_ in watched}
    assert acted_in_gap
    assert missing
    assert len(watched) > 20


def _rows(folder: Path) -> list[Candle]:
    lines = (folder / "BTC_USDT-1m.csv").read_text(encoding="utf-8").splitlines()[1:]
    return [Candle(int(line.split(",")[0]) - START_MS, 0, 0, 0, 0, 0) for line in lines]


_STEEP = [
    Candle(START_MS, 10_000, 10_000, 10_000, 10_000, 1_000),
    Candle(START_MS + MINUTE_MS, 10_000, 10_000, 10_000, 10_000, 1_000),
    # Down to 80 in the third minute, up to 130 in the fourth.
    Candle(START_MS + 2 * MINUTE_MS, 10_000, 10_000, 8_000, 9_000, 1_000),
    Candle(START_MS + 3 * MINUTE_MS, 9_000, 13_000, 9_000, 12_000, 1_000),
    Candle(START_MS + 4 * MINUTE_MS, 12_000, 12_000, 12_000, 12_000, 1_000),
    Candle(START_MS + 9 * MINUTE_MS, 12_000, 12_000, 12_000, 12_000, 1_000),
]


@pytest.fixture(scope="module")
def steep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steep")
    write_candles(folder, _STEEP)
    write_candles(folder, _STEEP, "BTC_USDT_USDT")
    return folder


def test_order_events_come_at_their_time_and_before_the_next_candle(run: Runner, steep: Path) -> None:
    ran = run(
        """
        import asyncio, json
        import ccxt.pro

        def say(word, *what):
            print("heard", json.dumps([exchange.milliseconds(), word, *what]))

        async def candles():
            while True:
                candles = await exchange.watch_ohlcv("BTC/USDT", "1m")
                say("candle", candles[-1][0])

        async def orders():
            while True:
                for order in await exchange.watch_orders("BTC/USDT"):
                    say("order", order["status"], order["price"])
                    if order["status"] == "closed" and order["side"] == "buy":
                        await exchange.create_order("BTC/USDT", "limit", "sell", 1, 125)

        async def timer():
            while True:
                await asyncio.sleep(60)
                say("timer")

        async def main():
            global exchange
            exchange = ccxt.pro.binance()
            await exchange.create_order("BTC/USDT", "limit", "buy", 1, 85)
            try:
                await asyncio.gather(timer(), candles(), orders())
            finally:
                await exchange.close()

        asyncio.run(main())
        """,
        steep,
    )

    assert ran.code == 0, ran.output
    start, minute = START_MS, MINUTE_MS
    low_ms, high_ms = start + 2 * minute + 39_999, start + 3 * minute + 19_999
    assert [each for each in ran.said("heard") if each[0] <= start + 4 * minute] == [
        [start, "candle", start],
        *([[start + minute, "candle", start + minute], [start + minute, "timer"]]),
        *([[start + 2 * minute, "candle", start + 2 * minute], [start + 2 * minute, "timer"]]),
        [low_ms, "order", "closed", 85],
        [low_ms, "order", "open", 125],
        *([[start + 3 * minute, "candle", start + 3 * minute], [start + 3 * minute, "timer"]]),
        [high_ms, "order", "closed", 125],
        *([[start + 4 * minute, "candle", start + 4 * minute], [start + 4 * minute, "timer"]]),
    ]
    # Of a gap timers know; a watcher hears when something opens again.
    rest = [each[1] for each in ran.said("heard") if each[0] > start + 4 * minute]
    assert rest == ["timer"] * 4 + ["candle", "timer"]


def test_stops_and_liquidations_happen_while_a_script_sleeps(run: Runner, steep: Path) -> None:
    ran = run(
        """
        import json, time
        import ccxt
        exchange = ccxt.binance()
        exchange.set_leverage(10, "BTC/USDT:USDT")
        exchange.create_order("BTC/USDT:USDT", "market", "buy", 9)
        params = {"stopLoss": {"triggerPrice": 85}, "takeProfit": {"triggerPrice": 125}}
        exchange.create_order("BTC/USDT", "market", "buy", 1, None, params)
        time.sleep(8 * 60)
        trades = exchange.fetch_my_trades("BTC/USDT:USDT") + exchange.fetch_my_trades("BTC/USDT")
        print("trades", json.dumps([[t["symbol"], t["timestamp"], t["side"], t["price"]] for t in trades]))
        print("positions", json.dumps([p["symbol"] for p in exchange.fetch_positions() if p["contracts"]]))
        """,
        steep,
        balances={"USDT": 205},
    )

    assert ran.code == 0, ran.output
    [trades] = ran.said("trades")
    low_ms = START_MS + 2 * MINUTE_MS + 39_999
    assert [(symbol, at_ms, side) for symbol, at_ms, side, _ in trades] == [
        ("BTC/USDT:USDT", START_MS, "buy"),
        ("BTC/USDT:USDT", low_ms, "sell"),
        ("BTC/USDT", START_MS, "buy"),
        ("BTC/USDT", low_ms, "sell"),
    ]
    assert ran.said("positions") == [[]]
    reasons = {row["reason"] for row in ran.result.trades()}
    assert reasons == {"api", "stop_loss", "liquidation"}


def test_two_objects_hear_the_same(run: Runner, tmp_path: Path) -> None:
    write_trades(tmp_path, 5, 500, until_ms=3_600_000)
    write_candles(tmp_path, walk(23, 60))

    ran = run(
        """
        import asyncio, json
        import ccxt.pro

        heard = {}

        async def follow(name, call, *args):
            heard[name] = []
            while True:
                rows = await call(*args)
                heard[name].append(rows[-1]["id"] if isinstance(rows[-1], dict) else rows)

        async def main():
            first, second = ccxt.pro.binance(), ccxt.pro.kraken()
            try:
                await asyncio.gather(
                    follow("t1", first.watch_trades, "SOL/USDT"),
                    follow("t2", second.watch_trades, "SOL/USDT"),
                    follow("c1", first.watch_ohlcv, "BTC/USDT"),
                    follow("c2", second.watch_ohlcv, "BTC/USDT"),
                    follow("m1", second.watch_ohlcv, "SOL/USDT"),
                )
            finally:
                await asyncio.gather(first.close(), second.close())

        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("same", json.dumps([heard["t1"] == heard["t2"], heard["c1"] == heard["c2"]]))
            print("lengths", json.dumps({name: len(rows) for name, rows in heard.items()}))
        """,
        tmp_path,
    )

    assert ran.said("same") == [[True, True]], ran.output
    [lengths] = ran.said("lengths")
    assert lengths["c1"] == 60
    assert lengths["t1"] > 400
    assert lengths["m1"] > 400
