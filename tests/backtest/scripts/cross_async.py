"""The same moving-average cross with coroutines, and a task beside it that only looks."""

import asyncio
import json
import time

import ccxt.async_support as ccxt

SYMBOL, FAST, SLOW, AMOUNT = "BTC/USDT", 5, 20, 0.05


def mean(values):
    return sum(values) / len(values)


async def trade(exchange):
    while True:
        candles, balance = await asyncio.gather(
            exchange.fetch_ohlcv(SYMBOL, "1m", limit=SLOW + 1), exchange.fetch_balance()
        )
        closes = [candle[4] for candle in candles[:-1]]
        if len(closes) == SLOW:
            held = balance["BTC"]["free"]
            if mean(closes[-FAST:]) > mean(closes) and held < AMOUNT:
                await exchange.create_order(SYMBOL, "market", "buy", AMOUNT)
            elif mean(closes[-FAST:]) < mean(closes) and held >= AMOUNT:
                await exchange.create_order(SYMBOL, "market", "sell", AMOUNT)
        await asyncio.sleep(60 - time.time() % 60)


async def heartbeat(exchange, beats):
    while True:
        ticker = await asyncio.wait_for(exchange.fetch_ticker(SYMBOL), timeout=10)
        beats.append(ticker["last"])
        await asyncio.sleep(1_000)


async def main():
    exchange = ccxt.bybit({"enableRateLimit": True})
    beats = []
    try:
        await exchange.load_markets()
        await asyncio.gather(trade(exchange), heartbeat(exchange, beats))
    finally:
        print("beats", len(beats))
        print("balance", json.dumps((await exchange.fetch_balance())["total"]))
        await exchange.close()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("stopped")
