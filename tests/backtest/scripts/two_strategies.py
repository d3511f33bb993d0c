"""Two strategies in one account, each with orders and positions of its own."""

import asyncio
import json

import ccxt.async_support as ccxt

SYMBOLS = ["BTC/USDT:USDT", "BTC/USDT"]


class Strategy:
    def __init__(self, exchange, number, minutes):
        self.exchange = exchange
        self.params = {"strategy_id": number}
        self.minutes = minutes

    async def positions(self):
        return await self.exchange.fetch_positions(["BTC/USDT:USDT"], self.params)

    async def run(self):
        side = "buy" if self.params["strategy_id"] == 1 else "sell"
        while True:
            if await self.positions():
                await self.exchange.close_position("BTC/USDT:USDT", params=self.params)
            else:
                await self.exchange.create_order("BTC/USDT:USDT", "market", side, 0.1, None, self.params)
            await asyncio.sleep(self.minutes * 60)


async def main():
    exchange = ccxt.bybit({"options": {"defaultType": "swap"}})
    strategies = [Strategy(exchange, 1, 50), Strategy(exchange, 2, 70)]
    tasks = [asyncio.create_task(each.run()) for each in strategies]
    try:
        while True:
            done, _ = await asyncio.wait(tasks, timeout=3_600)
            for task in done:
                task.result()
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    finally:
        for strategy in strategies:
            print("open", json.dumps([each["side"] for each in await strategy.positions()]))
            await exchange.cancel_all_orders("BTC/USDT:USDT", strategy.params)
        print("balance", json.dumps((await exchange.fetch_balance())["total"]))
        await exchange.close()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("stopped")
