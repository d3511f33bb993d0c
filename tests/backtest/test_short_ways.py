"""The shorter ways of the classes of a backtest give what the ordinary ones of the driver give."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.backtest.exchange import Replayed, ReplayExchange, ReplayProExchange, take_part
from ccxt_driver.backtest.loop import VirtualLoop
from ccxt_driver.backtest.settings import Settings
from ccxt_driver.backtest.stage import Stage
from ccxt_driver.backtest.trips import Trips
from ccxt_driver.exchange.pro import OmsCcxtExchange as OmsCcxtProExchange

from .histories import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, Candle, walk, write_candles, write_trades

BTC, SOL = "BTC/USDT", "SOL/USDT"


class OrdinaryExchange(Replayed, OmsCcxtProExchange):
    """On a replay, without the shorter ways."""


def _with_gaps(seed: int, minutes: int) -> list[Candle]:
    chance = Random(seed)
    rows = [row for row in walk(seed, minutes) if chance.random() < 0.8]
    start, length = chance.randrange(20, minutes - 60), chance.randrange(5, 40)
    gap = range(START_MS + start * MINUTE_MS, START_MS + (start + length) * MINUTE_MS)
    return [row for row in rows if row.open_ms not in gap]


@contextmanager
def _stage(folder: Path, **settings: Any) -> Iterator[Stage]:
    made = Settings(script="", data=(str(folder),), balances={"USDT": 1_000_000}, out="", **settings)
    stage = Stage(made)
    take_part(stage.replay, stage.recorded, stage.names, Trips())
    yield stage
    stage.oms.close()


def _plain(stage: Stage) -> OmsCcxtExchange:
    return OmsCcxtExchange({"options": {"oms": stage.oms, "account_id": 1}})


# ------------------------------------------------------------------ asking


def _spoil(rows: list[list[Any]]) -> None:
    """What a caller does with what is his own."""
    for row in rows:
        row[1:] = [0, 0, 0, 0, "spoilt"]
    del rows[1:]


@pytest.mark.parametrize("seed", range(8))
def test_candles_asked_for(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    folder = tmp_path / "data"
    write_candles(folder, _with_gaps(seed, 200))
    with _stage(folder) as stage:
        plain, short = _plain(stage), ReplayExchange({})
        short.load_markets()
        shorter = inside = 0
        while stage.clock.now_ms() < START_MS + 190 * MINUTE_MS:
            now = stage.clock.now_ms()
            pauses = [1, 999, MINUTE_MS - now % MINUTE_MS, MINUTE_MS - now % MINUTE_MS, 7 * MINUTE_MS + 13]
            stage.replay.sleep(chance.choice(pauses) / 1000)
            now = stage.clock.now_ms()
            timeframe = chance.choice(["1m", "1m", "1m", "5m"])
            since = chance.choice([None, None, None, now - 10 * MINUTE_MS])
            limit = chance.choice([None, 1, 2, 10, 1000])
            expected = plain.fetch_ohlcv(BTC, timeframe, since, limit)
            found = short.fetch_ohlcv(BTC, timeframe, since, limit)
            assert found == expected
            assert [[type(each) for each in row] for row in found] == [
                [type(each) for each in row] for row in expected
            ]
            if short._newest_candles(BTC, timeframe, since, limit, {}) is not None:
                shorter += 1
                inside += now % MINUTE_MS > 0
            _spoil(found)
        assert shorter - inside > 10
        assert inside > 10


@pytest.mark.parametrize("timeframe", ["1d", "1w", "1M"])
def test_long_candles_asked_for(tmp_path: Path, timeframe: str) -> None:
    opens = [START_MS + day * DAY_MS for day in range(420)]
    if timeframe == "1w":
        opens = opens[::7]  # 2024 began on a Monday
    if timeframe == "1M":
        firsts = [1_704_067_200, 1_706_745_600, 1_709_251_200, 1_711_929_600, 1_717_200_000, 1_719_792_000]
        opens = [first * 1000 for first in firsts]  # May is missing
    write_candles(tmp_path, [Candle(at, 100, 300, 50, 200, 7) for at in opens], timeframe=timeframe)
    with _stage(tmp_path) as stage:
        plain, short = _plain(stage), ReplayExchange({})
        short.load_markets()
        for at in opens[1:]:
            stage.clock.move_to(at * 1_000_000)
            for limit in (1, 3, None):
                assert short.fetch_ohlcv(BTC, timeframe, None, limit) == plain.fetch_ohlcv(
                    BTC, timeframe, None, limit
                )


@pytest.mark.parametrize("limit", [0, -1, "5", 2.5, 10.0, True, 5_000])
def test_odd_limits(tmp_path: Path, limit: Any) -> None:
    def outcome(exchange: Any) -> Any:
        try:
            return exchange.fetch_ohlcv(BTC, "1m", None, limit)
        except ccxt.BaseError as error:
            return type(error), str(error)

    write_candles(tmp_path, walk(3, 60))
    with _stage(tmp_path) as stage:
        plain, short = _plain(stage), ReplayExchange({})
        short.load_markets()
        stage.replay.sleep(1_800)
        assert outcome(short) == outcome(plain)


@pytest.mark.parametrize("seed", range(4))
def test_balances_asked_for(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    write_candles(tmp_path, walk(seed, 300))
    write_candles(tmp_path, walk(seed + 50, 300), "BTC_USDT_USDT")
    with _stage(tmp_path) as stage:
        plain, short = _plain(stage), ReplayExchange({})
        while stage.clock.now_ms() < START_MS + 290 * MINUTE_MS:
            stage.replay.sleep(chance.choice([0.001, 1, 60, 300]))
            for _ in range(2):
                found, expected = short.fetch_balance(), plain.fetch_balance()
                assert found == expected
                assert list(found) == list(expected)
                found["USDT"]["free"] = found["info"]["balances"][0]["free"] = "spoilt"
                found["free"]["BTC"] = None
            symbol = chance.choice([BTC, BTC, BTC, "BTC/USDT:USDT"])
            side, last = chance.choice(["buy", "sell"]), short.fetch_ticker(symbol)["last"]
            side = side if short.fetch_balance()["BTC"]["free"] > 0.01 or symbol != BTC else "buy"
            if chance.random() < 0.4:
                short.create_order(symbol, "limit", side, 0.01, round(last * chance.uniform(0.999, 1.001), 1))
            elif chance.random() < 0.1:
                short.cancel_all_orders()


# ------------------------------------------------------------------ watching

Heard = list[Any]
Program = Callable[[Any, Stage, Random, Heard], Coroutine[Any, Any, None]]


def _heard(folder: Path, kind: type[Any], program: Program, config: dict[str, Any], seed: int) -> Heard:
    """What a program hears whose exchange is of a class."""
    heard: Heard = []
    with _stage(folder) as stage:
        loop = VirtualLoop(stage.replay)

        async def main() -> None:
            exchange = kind(dict(config))
            try:
                await program(exchange, stage, Random(seed), heard)
            finally:
                await exchange.close()

        try:
            loop.run_until_complete(main())
        finally:
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
    return heard


async def _one_loop(exchange: Any, stage: Stage, chance: Random, heard: Heard) -> None:
    # With less than there is, one who is slow gets what was heard then, or what has become of it by now.
    limit = chance.choice([None, 50] if exchange.newUpdates else [None, 1, 2, 50])
    while stage.clock.now_ms() < START_MS + 100 * MINUTE_MS:
        candles = await exchange.watch_ohlcv(BTC, "1m", None, limit)
        heard.append((stage.clock.now_ms(), [[*row] for row in candles]))
        _spoil(candles)
        if chance.random() < 0.3:
            await asyncio.sleep(chance.choice([0, 0.5, 59.999, 60, 200]))
        heard.append([[*row] for row in exchange.ohlcvs[BTC]["1m"]])


async def _two_loops(exchange: Any, stage: Stage, chance: Random, heard: Heard) -> None:
    async def loop(name: str, timeframe: str) -> None:
        while stage.clock.now_ms() < START_MS + 100 * MINUTE_MS:
            candles = await exchange.watch_ohlcv(BTC, timeframe)
            heard.append((name, stage.clock.now_ms(), [[*row] for row in candles]))

    await asyncio.gather(loop("a", "1m"), loop("b", "1m"))


async def _cancelled_calls(exchange: Any, stage: Stage, chance: Random, heard: Heard) -> None:
    while stage.clock.now_ms() < START_MS + 100 * MINUTE_MS:
        try:
            async with asyncio.timeout(chance.choice([0.503, 30.013, 59.907, 61.031, 300.059])):
                candles = await exchange.watch_ohlcv(BTC, "1m")
        except TimeoutError:
            heard.append((stage.clock.now_ms(), "timeout"))
        else:
            heard.append((stage.clock.now_ms(), candles))


async def _un_watch(exchange: Any, stage: Stage, chance: Random, heard: Heard) -> None:
    async def stop(seconds: float, close: bool) -> None:
        await asyncio.sleep(seconds)
        await (exchange.close() if close else exchange.un_watch_ohlcv(BTC, "1m"))

    for close in (False, True, False):
        stopping = asyncio.create_task(stop(chance.choice([30.007, 600.5, 1_200.7]), close))
        try:
            while True:
                candles = await exchange.watch_ohlcv(BTC, "1m")
                heard.append((stage.clock.now_ms(), candles))
        except ccxt.BaseError as error:
            heard.append((stage.clock.now_ms(), type(error), exchange.ohlcvs.get(BTC, {}).get("1m")))
        await stopping


async def _trades(exchange: Any, stage: Stage, chance: Random, heard: Heard) -> None:
    limit = chance.choice([None, 1, 3])
    while stage.clock.now_ms() < START_MS + HOUR_MS:
        trades = await exchange.watch_trades(SOL, None, limit)
        heard.append((stage.clock.now_ms(), [{**trade} for trade in trades]))
        trades[0]["price"] = "spoilt"
        if chance.random() < 0.2:
            await asyncio.sleep(chance.choice([0, 1, 60, 333.3]))
    heard.append([{**trade} for trade in exchange.trades[SOL]])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "program,updates",
    [
        *((program, True) for program in (_one_loop, _two_loops, _cancelled_calls, _un_watch, _trades)),
        # What is cached again after the end of a watch, and before its begin, is of no account.
        *((program, False) for program in (_one_loop, _two_loops, _cancelled_calls)),
    ],
)
def test_watched(tmp_path: Path, program: Program, seed: int, updates: bool) -> None:
    if program is _trades:
        write_trades(tmp_path, seed, 400, until_ms=2 * HOUR_MS)
    else:
        write_candles(tmp_path, _with_gaps(seed, 130))
    config = {"newUpdates": updates, "options": {"OHLCVLimit": 30, "tradesLimit": 30}}

    short = _heard(tmp_path, ReplayProExchange, program, config, seed)
    ordinary = _heard(tmp_path, OrdinaryExchange, program, config, seed)

    assert len(ordinary) > 3
    for number, (mine, others) in enumerate(zip(short, ordinary, strict=False)):
        assert mine == others, number
    assert len(short) == len(ordinary)
