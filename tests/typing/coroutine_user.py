"""What an IDE tells a user of the class with coroutines. Checked by mypy, never run."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, assert_type

from ccxt.base.exchange import BaseExchange

from ccxt_driver.async_support import OmsCcxtExchange


async def trade(exchange: OmsCcxtExchange) -> None:
    ticker: Coroutine[Any, Any, Any] = exchange.fetch_ticker("BTC/USDT")
    print(await ticker)
    await exchange.load_markets()
    order = await exchange.create_order("BTC/USDT", "limit", "buy", 0.1, 20_000, {"postOnly": True})
    await exchange.edit_order(order["id"], "BTC/USDT", "limit", "buy", None, 21_000)
    await exchange.cancel_order(order["id"])
    await exchange.createOrder("BTC/USDT", "market", "buy", 0.1)
    await exchange.create_limit_buy_order("BTC/USDT", 0.1, 20_000)
    await exchange.close_by(1, "2", amount=0.1)
    await exchange.private_get_oms_accounts()
    both = await asyncio.gather(exchange.fetch_balance(), exchange.fetch_positions())
    print(both)


async def main() -> BaseExchange:
    async with OmsCcxtExchange({"options": {"base_url": "embedded:"}}) as exchange:
        assert_type(exchange, OmsCcxtExchange)
        await trade(exchange)
    exchange.set_sandbox_mode(False)
    await exchange.close()
    return exchange
