"""The same moving-average cross on ccxt.pro's stream of candles."""

import asyncio
import json

import ccxt.pro

SYMBOL, FAST, SLOW, AMOUNT = "BTC/USDT", 5, 20, 0.05


def mean(values):
    return sum(values) / len(values)


async def main():
    exchange = ccxt.pro.binance({"newUpdates": False})
    newest = 0
    try:
        while True:
            candles = await exchange.watch_ohlcv(SYMBOL, "1m", limit=SLOW + 1)
            if candles[-1][0] == newest:
                continue
            newest = candles[-1][0]
            closes = [candle[4] for candle in candles[:-1]][-SLOW:]
            if len(closes) < SLOW:
                continue
            held = (await exchange.fetch_balance())["BTC"]["free"]
            if mean(closes[-FAST:]) > mean(closes) and held < AMOUNT:
                await exchange.create_market_buy_order(SYMBOL, AMOUNT)
            elif mean(closes[-FAST:]) < mean(closes) and held >= AMOUNT:
                await exchange.create_market_sell_order(SYMBOL, AMOUNT)
    finally:
        print("balance", json.dumps((await exchange.fetch_balance())["total"]))
        await exchange.close()


asyncio.run(main())
