"""Tasks for every stream: candles, trades, tickers, books, orders, fills and the balance."""

import asyncio
import json
from collections import Counter

import ccxt.pro

SYMBOL = "SOL/USDT"


class Watcher:
    def __init__(self):
        self.exchange = ccxt.pro.bybit()
        self.heard = Counter()
        self.best = None
        self.last = None

    async def books(self):
        while True:
            book = await self.exchange.watch_order_book(SYMBOL)
            self.best = book["bids"][0][0], book["asks"][0][0]
            self.heard["book"] += 1

    async def trades(self):
        while True:
            trades = await self.exchange.watch_trades(SYMBOL)
            self.last = trades[-1]["price"]
            self.heard["trades"] += len(trades)

    async def tickers(self):
        while True:
            await self.exchange.watch_ticker("BTC/USDT")
            self.heard["ticker"] += 1

    async def orders(self):
        while True:
            for order in await self.exchange.watch_orders():
                self.heard[f"order {order['status']}"] += 1

    async def fills(self):
        while True:
            for trade in await self.exchange.watch_my_trades(SYMBOL):
                self.heard[f"fill {trade['side']}"] += 1
                # As soon as something was bought, offer it a little higher.
                if trade["side"] == "buy":
                    price = trade["price"] * 1.0005
                    await self.exchange.create_order(SYMBOL, "limit", "sell", trade["amount"], price)

    async def candles(self):
        while True:
            candles = await self.exchange.watch_ohlcv("ETH/USDT", "5m")
            self.heard["candles"] += len(candles)
            if self.best and candles[-1][4] < candles[-1][1]:
                orders = await self.exchange.fetch_open_orders(SYMBOL)
                if len(orders) < 4:
                    price = self.best[0] * 0.9998
                    await self.exchange.create_limit_buy_order(SYMBOL, 1, price)

    async def run(self):
        tasks = (self.books, self.trades, self.tickers, self.orders, self.fills, self.candles)
        try:
            async with asyncio.TaskGroup() as group:
                for task in tasks:
                    group.create_task(task())
        finally:
            await self.exchange.cancel_all_orders(SYMBOL)
            print("heard", json.dumps(self.heard, sort_keys=True))
            print("balance", json.dumps((await self.exchange.fetch_balance())["total"]))
            await self.exchange.close()


asyncio.run(Watcher().run())
