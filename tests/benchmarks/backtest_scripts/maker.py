import asyncio
from contextlib import suppress

import ccxt.pro
from rules import AMOUNT, Quotes


async def main():
    exchange = ccxt.pro.binance()
    quotes, placed = Quotes(), []
    try:
        while True:
            trades = await exchange.watch_trades("BTC/USDT")
            prices = quotes.prices(trades[-1]["price"])
            if prices is None:
                continue
            for order in placed:
                with suppress(ccxt.InvalidOrder):  # it is filled
                    await exchange.cancel_order(order["id"], "BTC/USDT")
            placed = [
                await exchange.create_order("BTC/USDT", "limit", side, AMOUNT, price)
                for side, price in zip(("buy", "sell"), prices, strict=True)
            ]
    finally:
        await exchange.close()


asyncio.run(main())
