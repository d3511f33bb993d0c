import asyncio

import ccxt.pro
from rules import AMOUNT, Cross


async def main():
    exchange = ccxt.pro.binance()
    cross = Cross()
    try:
        while True:
            for candle in (await exchange.watch_ohlcv("BTC/USDT", "1m"))[:-1]:
                side = cross.order(candle[4])
                if side is not None:
                    await exchange.create_order("BTC/USDT", "market", side, AMOUNT)
    finally:
        await exchange.close()


asyncio.run(main())
