"""A watch loop: an ordinary ccxt.pro program that follows its orders, trades and balance while it trades.

`watch_*` hands out every change once, in the OMS's order, whatever happens to the connection. It runs on
the OMS inside the process, or on a gateway when CCXT_OMS_BASE_URL, CCXT_OMS_ACCOUNT_ID and
CCXT_OMS_API_KEY say so.
"""

import asyncio
import os
from typing import Any

import ccxt.pro

from ccxt_driver.pro import OmsCcxtExchange

SYMBOL = "BTC/USDT"
ROUNDS = 5


async def follow_orders(exchange: ccxt.pro.Exchange, canceled: asyncio.Event) -> None:
    while True:
        for order in await exchange.watch_orders(SYMBOL):
            print(f"order {order['id']}: {order['status']}, {order['filled']} of {order['amount']} filled")
            if order["status"] == "canceled":
                canceled.set()


async def follow_trades(exchange: ccxt.pro.Exchange, seen: list[Any], enough: asyncio.Event) -> None:
    while True:
        for trade in await exchange.watch_my_trades(SYMBOL):
            seen.append(trade)
            print(f"trade {trade['id']} of order {trade['order']}: {trade['amount']} at {trade['price']}")
        if len(seen) >= 2 * ROUNDS:
            enough.set()


async def follow_balance(exchange: ccxt.pro.Exchange) -> None:
    while True:
        balance = await exchange.watch_balance()
        print(f"balance: {balance['USDT']['total']:.2f} USDT, {balance['USDT']['used']:.2f} of it in orders")


async def trade(exchange: ccxt.pro.Exchange) -> None:
    """Buy and sell a little, and place an order that is moved and cancelled."""
    for _ in range(ROUNDS):
        await exchange.create_order(SYMBOL, "market", "buy", 0.01)
        await exchange.create_order(SYMBOL, "market", "sell", 0.01)
    ticker = await exchange.fetch_ticker(SYMBOL)
    order = await exchange.create_order(SYMBOL, "limit", "buy", 0.01, ticker["bid"] * 0.9)
    order = await exchange.edit_order(order["id"], SYMBOL, "limit", "buy", 0.02, ticker["bid"] * 0.91)
    await exchange.cancel_order(order["id"], SYMBOL)


async def main() -> None:
    on_gateway = "CCXT_OMS_BASE_URL" in os.environ
    exchange = OmsCcxtExchange({} if on_gateway else {"options": {"base_url": "embedded:"}})
    seen: list[Any] = []
    enough, canceled = asyncio.Event(), asyncio.Event()
    try:
        await exchange.load_markets()
        followers = [
            asyncio.create_task(follow_orders(exchange, canceled)),
            asyncio.create_task(follow_trades(exchange, seen, enough)),
            asyncio.create_task(follow_balance(exchange)),
        ]
        await asyncio.sleep(0)  # they begin to watch
        await trade(exchange)
        async with asyncio.timeout(10):
            await enough.wait()
            await canceled.wait()
    finally:
        await exchange.close()
    # Closing ends them: each watch call raises ExchangeClosedByUser.
    ends = await asyncio.gather(*followers, return_exceptions=True)
    assert all(isinstance(end, ccxt.ExchangeClosedByUser) for end in ends), ends
    assert len({each["id"] for each in seen}) == len(seen), "no trade may come twice"
    print(f"{len(seen)} trades, each handed out once")


if __name__ == "__main__":
    asyncio.run(main())
