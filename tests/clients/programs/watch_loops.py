"""ccxt.pro: one loop watches orders, one watches trades, one trades."""

import asyncio
import os
import sys

import ccxt.pro

SYMBOL = "BTC/USDT"


async def watch_orders(exchange, seen):
    while True:
        for order in await exchange.watch_orders(SYMBOL):
            print(exchange.iso8601(order["timestamp"]), order["id"], order["status"], order["filled"])
            seen.append((order["id"], order["status"]))


async def watch_trades(exchange, seen):
    while True:
        seen.extend(trade["order"] for trade in await exchange.watch_my_trades(SYMBOL))


async def trade(exchange):
    market = await exchange.create_order(SYMBOL, "market", "buy", 0.01)
    bid = (await exchange.fetch_ticker(SYMBOL))["bid"]
    resting = await exchange.create_order(SYMBOL, "limit", "buy", 0.01, bid * 0.9)
    await exchange.cancel_order(resting["id"], SYMBOL)
    return market["id"], resting["id"]


async def main(exchange_id):
    exchange = getattr(ccxt.pro, exchange_id)(
        {
            "apiKey": os.environ.get("EXCHANGE_API_KEY"),
            "secret": os.environ.get("EXCHANGE_SECRET"),
            "newUpdates": True,
        }
    )
    if not exchange.has["watchOrders"]:
        sys.exit(f"{exchange_id} has no watchOrders")
    await exchange.load_markets()
    orders, trades = [], []
    loops = [
        asyncio.create_task(loop) for loop in (watch_orders(exchange, orders), watch_trades(exchange, trades))
    ]
    try:
        await asyncio.sleep(0)
        bought, canceled = await trade(exchange)
        async with asyncio.timeout(20):
            while (canceled, "canceled") not in orders or bought not in trades:
                await asyncio.sleep(0.01)
        assert orders == [(bought, "closed"), (canceled, "open"), (canceled, "canceled")], orders
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await exchange.close()


asyncio.run(main(sys.argv[1]))
