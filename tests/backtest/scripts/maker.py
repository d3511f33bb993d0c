"""A maker on public trades: cancels and replaces one side, edits the other."""

import asyncio
import json

import ccxt.pro as ccxt

SYMBOL, AMOUNT = "SOL/USDT", 2


async def main():
    exchange = ccxt.kucoin()
    quotes = {}
    center = None
    await exchange.load_markets()
    try:
        while True:
            trades = await exchange.watch_trades(SYMBOL)
            last = trades[-1]["price"]
            if center is not None and abs(last - center) < 0.05:
                continue
            center = last
            bid, ask = round(last - 0.08, 2), round(last + 0.08, 2)
            balance = await exchange.fetch_balance()
            try:
                if "buy" in quotes:
                    quotes["buy"] = (
                        await exchange.edit_order(quotes["buy"], SYMBOL, "limit", "buy", AMOUNT, bid)
                    )["id"]
                else:
                    quotes["buy"] = (await exchange.create_order(SYMBOL, "limit", "buy", AMOUNT, bid))["id"]
            except ccxt.InvalidOrder:
                del quotes["buy"]
            if "sell" in quotes:
                try:
                    await exchange.cancel_order(quotes.pop("sell"), SYMBOL)
                except ccxt.InvalidOrder:
                    print("sold", exchange.milliseconds())
            if balance["SOL"]["free"] >= AMOUNT:
                order = await exchange.create_order(SYMBOL, "limit", "sell", AMOUNT, ask, {"postOnly": True})
                quotes["sell"] = order["id"]
    finally:
        for side, order_id in list(quotes.items()):
            try:
                await exchange.cancel_order(order_id, SYMBOL)
            except ccxt.InvalidOrder:
                print("gone", json.dumps(side))
        print("balance", json.dumps((await exchange.fetch_balance())["total"]))
        await exchange.close()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
