"""What an IDE tells a user of the streams. Checked by mypy, never run."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

from ccxt.async_support import Exchange
from ccxt.base.types import Balances, Order, Position, Trade

import ccxt_driver
from ccxt_driver import OmsCcxtProExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.pro import OmsCcxtExchange


async def watch(exchange: OmsCcxtExchange) -> None:
    while True:
        for order in assert_type(await exchange.watch_orders("BTC/USDT", limit=10), list[Order]):
            print(order["id"], order["status"], order["filled"])
        trades: list[Trade] = await exchange.watch_my_trades(params={"watcher": "logger", "after_seq": 5})
        positions: list[Position] = await exchange.watch_positions(["BTC/USDT:USDT"])
        balance: Balances = await exchange.watch_balance()
        print(trades, positions, balance["free"], await exchange.watch_position("BTC/USDT"))
        await exchange.watch_orders_for_symbols(["BTC/USDT"], None, 5)
        await exchange.watch_my_trades_for_symbols(["BTC/USDT"])
        await exchange.un_watch_orders("BTC/USDT")
        await exchange.un_watch_my_trades()
        await exchange.un_watch_positions()
        await exchange.un_watch_balance()


async def watch_in_camel_case(exchange: OmsCcxtExchange) -> None:
    await exchange.watchOrders("BTC/USDT")
    await exchange.createOrderWs("BTC/USDT", "market", "buy", 0.1)


async def trade(exchange: OmsCcxtExchange) -> None:
    order = await exchange.create_order_ws("BTC/USDT", "limit", "buy", 0.1, 20_000, {"postOnly": True})
    await exchange.edit_order_ws(order["id"], "BTC/USDT", "limit", "buy", None, 21_000)
    await exchange.cancel_order_ws(order["id"])
    await exchange.cancel_all_orders_ws("BTC/USDT")
    await exchange.fetch_open_orders_ws("BTC/USDT", limit=5)
    await exchange.create_limit_buy_order_ws("BTC/USDT", 0.1, 20_000)  # ccxt's own, on top of ours
    await exchange.close_position("BTC/USDT")  # and everything of the class without streams


async def settings(exchange: OmsCcxtExchange) -> None:
    exchange.newUpdates = False
    cached: Any = exchange.orders
    print(cached, exchange.myTrades, exchange.positions, exchange.clients)


async def main() -> None:
    options = {"base_url": "embedded:", "streams": {"buffer": 1000}}
    async with OmsCcxtProExchange({"options": options}) as exchange:
        assert_type(exchange, OmsCcxtExchange)
        as_ccxt: Exchange = exchange
        both: tuple[Any, Any] = await asyncio.gather(exchange.watch_orders(), exchange.watch_my_trades())
        print(as_ccxt, both)
    kind: type[AsyncOmsCcxtExchange] = OmsCcxtExchange
    await kind().close()
    assert_type(ccxt_driver.OmsCcxtProExchange(), OmsCcxtExchange)
