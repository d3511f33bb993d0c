"""The same strategies on the same data here and in backtrader, fill by fill.

What has to be made equal, as the engines assume different things where data says nothing:

- Spread. Ours has a bid and an ask, a tick apart: of a candle's opening the ask is the opening, of a trade
  the ask is its price when a buyer took it, else the bid is. backtrader knows one price. It gets the asks for
  its buy orders and the bids for its sell orders, so that no fill has to be corrected afterwards.
- Market orders. Decided when a candle closes they fill at the next opening in both (no latency).
- Limit orders. Ours rests, and fills at its own price. backtrader fills at a bar's opening where that is
  better than the limit, so each trade is a bar that opens at the price before.
  Without a queue the ask has to come down to a buy order's price; backtrader meets asks and bids, then.
  At the front of the queue any trade at the price fills it; backtrader meets the trades themselves, then.
- Lots. The driver rounds an amount down to the market's lot; backtrader has no lots, its strategy rounds.
- Fees. Ours rounds each down to the currency's eight decimals; backtrader rounds nothing. What that is less
  is known of each fill, and of the cash at the end.
- Numbers. Ours are exact decimals, backtrader's are floats, whose last digits differ.
- A stream of trades begins after the trade that is there when the script starts; backtrader sees that too,
  its strategy leaves it out.
"""

from __future__ import annotations

import json
import random
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ccxt_driver.backtest import Result, backtest
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS
from tests.helpers.backtrader_engine import Bar, Fill, Outcome, bars_of_prices, run_cross, run_maker

BEGIN_MS = 1_704_067_200_000
MINUTE_MS = 60_000
SYMBOL = "BTC/USDT"
[MARKET] = [market for market in DEFAULT_MARKETS if market.symbol == SYMBOL]
TICK, LOT = float(MARKET.tick_size), float(MARKET.lot_size)
CASH = 100_000.0
COINS = 10
FAST, SLOW, SPENT = 10, 50, 1_234.5
FAR, BESIDE, AMOUNT = 5, 4, 0.01

CROSS = f"""
import asyncio, json
from collections import deque
from math import fsum
import ccxt.pro

async def main():
    exchange = ccxt.pro.binance()
    closes, held = deque(maxlen={SLOW}), 0
    try:
        while True:
            for candle in (await exchange.watch_ohlcv({SYMBOL!r}, '1m'))[:-1]:
                closes.append(candle[4])
                if len(closes) < {SLOW}:
                    continue
                up = fsum(list(closes)[-{FAST}:]) / {FAST} > fsum(closes) / {SLOW}
                if up and not held:
                    order = await exchange.create_order({SYMBOL!r}, 'market', 'buy', {SPENT} / closes[-1])
                    held = order['filled']
                elif not up and held:
                    await exchange.create_order({SYMBOL!r}, 'market', 'sell', held)
                    held = 0
    finally:
        print(json.dumps((await exchange.fetch_balance())['total']))
        await exchange.close()

asyncio.run(main())
"""

MAKER = f"""
import asyncio, json
import ccxt.pro

async def main():
    exchange = ccxt.pro.binance()
    placed, middle = [], None
    try:
        while True:
            ticks = round((await exchange.watch_trades({SYMBOL!r}))[-1]['price'] / {TICK})
            if middle is not None and abs(ticks - middle) < {FAR}:
                continue
            middle = ticks
            for order in placed:
                try:
                    await exchange.cancel_order(order['id'], {SYMBOL!r})
                except ccxt.InvalidOrder:  # it is filled
                    pass
            placed = []
            for side, price in (('buy', ticks - {BESIDE}), ('sell', ticks + {BESIDE})):
                placed.append(
                    await exchange.create_order({SYMBOL!r}, 'limit', side, {AMOUNT}, price * {TICK})
                )
    finally:
        print(json.dumps((await exchange.fetch_balance())['total']))
        await exchange.close()

asyncio.run(main())
"""


class Trades(NamedTuple):
    """Public trades; prices in ticks."""

    times_ms: list[int]
    ticks: list[int]
    buys: list[bool]


def made_candles(count: int) -> list[Bar]:
    """Candles that also jump from one to the next."""
    chance, price, candles = random.Random(7), 3_000_000, []
    for number in range(count):
        first = price + chance.randint(-300, 300)
        price = first + chance.randint(-2_000, 2_000)
        high, low = max(first, price) + chance.randint(0, 900), min(first, price) - chance.randint(0, 900)
        prices = (round(ticks * TICK, 8) for ticks in (first, high, low, price))
        candles.append(Bar(BEGIN_MS + number * MINUTE_MS, *prices))
    return candles


def made_trades(count: int) -> Trades:
    chance, price, time_ms = random.Random(8), 3_000_000, BEGIN_MS
    trades = Trades([], [], [])
    for _ in range(count):
        price += chance.choice((-3, -2, -1, -1, 0, 0, 1, 1, 2, 3))
        time_ms += chance.randint(1, 900)
        trades.times_ms.append(time_ms)
        trades.ticks.append(price)
        trades.buys.append(chance.random() < 0.5)
    return trades


def run_here(folder: Path, script: str, file: str, lines: list[str], **settings: Any) -> Result:
    data, program = folder / file, folder / "strategy.py"
    data.write_text("\n".join(lines) + "\n")
    program.write_text(script)
    balance = f"{CASH:.0f}USDT,{COINS}BTC"
    return backtest(program, data, balance=balance, out=folder / "report", **settings)


def fills_of(result: Result) -> list[Fill]:
    return [
        Fill(int(row["time_ms"]), row["side"], float(row["price"]), float(row["qty"]), float(row["fee"]))
        for row in result.trades()
    ]


def without_noise(fill: Fill) -> Fill:
    """Without the last digits of floats."""
    return Fill(*fill[:2], *(float(f"{value:.10g}") for value in fill[2:]))


def rounded_down(fee: float) -> float:
    return float(Decimal(f"{fee:.10g}").quantize(Decimal("1e-8"), ROUND_DOWN))


def assert_same(result: Result, there: Outcome, least: int) -> None:
    here = fills_of(result)
    assert len(here) == len(there.fills) >= least
    assert here == [fill._replace(fee=rounded_down(fill.fee)) for fill in map(without_noise, there.fills)]
    balance = json.loads(result.output)
    less_fees = sum(fill.fee for fill in there.fills) - sum(fill.fee for fill in here)
    assert balance["USDT"] == pytest.approx(there.cash + less_fees, abs=1e-7)
    bought = sum(fill.amount if fill.side == "buy" else -fill.amount for fill in there.fills)
    assert balance["BTC"] == pytest.approx(COINS + bought, rel=1e-9)
    assert len(result.orders()) == there.orders


def test_a_cross_of_averages_on_candles(tmp_path: Path) -> None:
    candles = made_candles(3_000)
    lines = ["timestamp,open,high,low,close,volume"]
    lines += [",".join(f"{value:.2f}" if index else str(value) for index, value in enumerate(row)) + ",5"
              for row in candles]  # fmt: skip
    result = run_here(tmp_path, CROSS, "BTC_USDT-1m.csv", lines, taker="0.0005", maker="0.0002")
    bids = [Bar(row.time_ms, *(round(price - TICK, 8) for price in row[1:])) for row in candles]
    there = run_cross(candles, bids, CASH, 0.0005, fast=FAST, slow=SLOW, spent=SPENT, lot=LOT)
    assert_same(result, there, least=60)


@pytest.mark.parametrize("queue", [None, "front"])
def test_a_maker_on_trades(tmp_path: Path, queue: str | None) -> None:
    trades = made_trades(3_000)
    lines = ["timestamp,price,amount,side,id"]
    lines += [
        f"{time_ms},{ticks * TICK:.2f},{AMOUNT * 3},{'buy' if buys else 'sell'},{number}"
        for number, (time_ms, ticks, buys) in enumerate(zip(*trades, strict=True))
    ]
    result = run_here(
        tmp_path, MAKER, "BTC_USDT-trades.csv", lines, taker="0.0005", maker="0.0002", queue=queue
    )
    asks, bids = trades.ticks, trades.ticks
    if queue is None:
        asks = [ticks if buys else ticks + 1 for _, ticks, buys in zip(*trades, strict=True)]
        bids = [ticks - 1 if buys else ticks for _, ticks, buys in zip(*trades, strict=True)]
    sides = [
        bars_of_prices(trades.times_ms, [round(ticks * TICK, 8) for ticks in side]) for side in (asks, bids)
    ]
    there = run_maker(
        *sides, CASH, 0.0002, trades=trades.ticks, far=FAR, beside=BESIDE, tick=TICK, amount=AMOUNT
    )
    assert_same(result, there, least=250)
    assert all(row["maker"] == "yes" for row in result.trades())
