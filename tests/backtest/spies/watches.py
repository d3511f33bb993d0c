"""Watches all there is, trades on what it hears, and prints it."""

import asyncio
import json
import random
import zlib

import ccxt.pro

BTC, SWAP, SOL, ETH = "BTC/USDT", "BTC/USDT:USDT", "SOL/USDT", "ETH/USDT"


async def main():
    exchange = ccxt.pro.binance()
    chance = random.Random(18)
    await exchange.load_markets()

    def say(word, what):
        # Of the caches, which grow, the newest rows; as one has changed also a sum of all of it.
        caches = {
            symbol: {
                timeframe: [cache[-3:], zlib.crc32(repr(list(cache)).encode()) if "ohlcv" in word else None]
                for timeframe, cache in by_timeframe.items()
            }
            for symbol, by_timeframe in exchange.ohlcvs.items()
        }
        text = json.dumps([what, caches], sort_keys=True, default=str)
        print(word, exchange.milliseconds(), text)

    async def follow(word, call, *args):
        while True:
            what = await call(*args)
            say(f"{word}:{args[:2]}".replace(" ", ""), what if not isinstance(what, list) else what[-3:])

    async def act():
        while True:
            await asyncio.sleep(chance.choice([0.001, 19.999, 20, 59.999, 60, 150]))
            symbol, side = chance.choice([BTC, SOL]), chance.choice(["buy", "sell"])
            last = (await exchange.fetch_ticker(symbol))["last"]
            price = round(last * chance.uniform(0.999, 1.001), 2)
            amount = 0.01 if symbol == BTC else 1
            try:
                say("act", await exchange.create_order(symbol, "limit", side, amount, price))
            except ccxt.InsufficientFunds:
                say("poor", None)

    followers = [
        follow("ohlcv", exchange.watch_ohlcv, BTC, "1m"),
        follow("ohlcv", exchange.watch_ohlcv, BTC, "15m"),
        follow("ohlcv", exchange.watch_ohlcv, SOL, "1m"),
        follow("trades", exchange.watch_trades, SOL),
        follow("trades", exchange.watch_trades, BTC),
        follow("ticker", exchange.watch_ticker, SWAP),
        follow("tickers", exchange.watch_tickers, [BTC, ETH]),
        follow("book", exchange.watch_order_book, ETH),
        follow("orders", exchange.watch_orders),
        follow("fills", exchange.watch_my_trades),
        follow("balance", exchange.watch_balance),
        act(),
    ]
    try:
        await asyncio.gather(*followers)
    finally:
        await exchange.close()


asyncio.run(main())
