"""A risk monitor over several strategies: it watches all positions, and closes those that are too large.

The strategies trade with their own `strategy_id`; the monitor has none and so sees everything. Each of
them has an exchange object of its own, as separate programs would have.
"""

import asyncio
import random
from collections import defaultdict

import ccxt
from rich.console import Console
from rich.table import Table

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.pro import OmsCcxtExchange

SYMBOLS = ("BTC/USDT:USDT", "ETH/USDT:USDT")
LIMIT = 3000  # USDT in one position
ACCOUNT = {"account_id": 1, "position_mode": "strategy_netting", "balances": {"USDT": "100000"}}


def exchange_of(oms: EmbeddedOms, strategy_id: int | None = None) -> OmsCcxtExchange:
    return OmsCcxtExchange({"options": {"oms": oms, "account_id": 1, "strategy_id": strategy_id}})


class Monitor:
    """What every strategy holds, as of the last change."""

    def __init__(self, exchange: OmsCcxtExchange) -> None:
        self.exchange = exchange
        self.notional: dict[tuple[int, str], float] = {}
        self.changes: defaultdict[int, int] = defaultdict(int)
        self.closed: list[str] = []
        self.calm = asyncio.Event()
        """Whether no position is too large."""

    async def run(self) -> None:
        while True:
            for position in await self.exchange.watch_positions():
                await self.check(position)
            if all(notional <= LIMIT for notional in self.notional.values()):
                self.calm.set()

    async def check(self, position: dict) -> None:
        strategy_id = position["info"]["strategy_id"]
        self.changes[strategy_id] += 1
        key = (strategy_id, position["symbol"])
        self.notional[key] = position["contracts"] * (position["markPrice"] or position["entryPrice"] or 0)
        if self.notional[key] > LIMIT:
            self.calm.clear()
            try:
                await self.exchange.close_position(
                    position["symbol"], params={"strategy_id": strategy_id, "comment": "too large"}
                )
            except ccxt.OperationRejected:
                return  # it is closed already, and the change that says so is on its way
            self.closed.append(position["id"])


async def trade(exchange: OmsCcxtExchange, chance: random.Random, size: dict[str, float]) -> None:
    """Some strategy: it buys more often than it sells."""
    for _ in range(20):
        symbol = chance.choice(SYMBOLS)
        side = chance.choices(("buy", "sell"), (3, 1))[0]
        await exchange.create_order(symbol, "market", side, size[symbol])
        await asyncio.sleep(0)


async def main() -> None:
    with EmbeddedOms(accounts=[ACCOUNT], seed=1, clock="manual", start_ms=1_700_000_000_000) as oms:
        monitor = Monitor(exchange_of(oms))
        strategies = [exchange_of(oms, number) for number in (1, 2, 3)]
        watching = asyncio.create_task(monitor.run())
        await monitor.exchange.load_markets()
        await asyncio.sleep(0)
        trading = []
        for number, exchange in enumerate(strategies, start=1):
            size = {SYMBOLS[0]: 0.005 * number, SYMBOLS[1]: 0.05 * number}
            trading.append(trade(exchange, random.Random(number), size))
        await asyncio.gather(*trading)
        async with asyncio.timeout(10):
            await monitor.calm.wait()
        left = await monitor.exchange.fetch_positions()
        for exchange in (monitor.exchange, *strategies):
            await exchange.close()
        await asyncio.gather(watching, return_exceptions=True)
    table = Table("strategy", "symbol", "USDT", title="Positions at the end", title_justify="left")
    for (strategy_id, symbol), notional in sorted(monitor.notional.items()):
        table.add_row(str(strategy_id), symbol, f"{notional:,.2f}")
    Console(width=80).print(table)
    print(f"{sum(monitor.changes.values())} changes of positions, {len(monitor.closed)} closed as too large")
    assert monitor.closed, "one must have grown too large"
    assert all(position["notional"] <= LIMIT * 1.01 for position in left), "none may stay too large"


if __name__ == "__main__":
    asyncio.run(main())
