"""A market maker that quotes over the WebSocket: `create_order_ws`, `cancel_order_ws`, `watch_my_trades`.

It keeps one order on either side of the price, and leans them against what it holds. The OMS is made
here, on a clock that the program moves, so that an hour passes at once and every run is alike.
"""

import asyncio
from typing import Any

import ccxt

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.pro import OmsCcxtExchange

SYMBOL = "BTC/USDT:USDT"
AMOUNT = 0.01
MOST = 5 * AMOUNT
SPREAD = 0.0004
SECOND = 1000
ACCOUNT = {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "10000"}}


class Maker:
    """Two quotes, and what came of them."""

    def __init__(self, exchange: OmsCcxtExchange) -> None:
        self.exchange = exchange
        self.orders: dict[str, Any] = {}
        self.held = 0.0
        self.trades: list[Any] = []

    async def quote(self) -> None:
        """Renew both quotes around the price, shifted against what is held."""
        await asyncio.gather(*(self._cancel(order_id) for order_id in list(self.orders)))
        ticker = await self.exchange.fetch_ticker(SYMBOL)
        middle = (ticker["bid"] + ticker["ask"]) / 2 * (1 - SPREAD * self.held / MOST)
        for side, sign in (("buy", 1), ("sell", -1)):
            if self.held * sign < MOST:
                price = middle * (1 - sign * SPREAD / 2)
                await self._place(side, price)

    async def _place(self, side: str, price: float) -> None:
        try:
            order = await self.exchange.create_order_ws(
                SYMBOL, "limit", side, AMOUNT, price, {"postOnly": True}
            )
        except ccxt.OrderImmediatelyFillable:
            return  # the price has moved: the next round quotes anew
        if order["status"] == "open":
            self.orders[order["id"]] = order

    async def _cancel(self, order_id: str) -> None:
        self.orders.pop(order_id)
        try:
            await self.exchange.cancel_order_ws(order_id, SYMBOL)
        except ccxt.InvalidOrder:
            return  # it has filled meanwhile; the trade comes by the stream

    async def follow_trades(self) -> None:
        """Keep account of what is held: every trade comes once."""
        while True:
            for trade in await self.exchange.watch_my_trades(SYMBOL):
                self.trades.append(trade)
                self.held += trade["amount"] if trade["side"] == "buy" else -trade["amount"]


async def main() -> None:
    with EmbeddedOms(accounts=[ACCOUNT], seed=7, clock="manual", start_ms=1_700_000_000_000) as oms:
        exchange = OmsCcxtExchange({"options": {"oms": oms, "account_id": 1}})
        maker = Maker(exchange)
        following = asyncio.create_task(maker.follow_trades())
        await exchange.load_markets()
        await asyncio.sleep(0)
        for _ in range(360):  # an hour
            await maker.quote()
            oms.advance(10 * SECOND)
            await asyncio.sleep(0)  # the trades come in
        position = await exchange.fetch_position(SYMBOL)
        true = position["contracts"] if position["side"] == "long" else -position["contracts"]
        known = await exchange.fetch_my_trades(SYMBOL, limit=1000, params={"paginate": True})
        await exchange.close()
        await asyncio.gather(following, return_exceptions=True)
    fees = sum(trade["fee"]["cost"] for trade in maker.trades)
    print(f"{len(maker.trades)} trades, {fees:.2f} USDT fees, {maker.held:+.2f} BTC held")
    assert maker.trades, "it must have traded"
    assert [trade["id"] for trade in maker.trades] == [trade["id"] for trade in known]
    assert abs(maker.held - true) < AMOUNT / 2, "the stream and the OMS must agree"


if __name__ == "__main__":
    asyncio.run(main())
