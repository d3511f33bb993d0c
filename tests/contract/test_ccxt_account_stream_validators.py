"""ccxt.pro's own validators of accounts' streams, out of its wheel, in this process and over the socket.

They look on for 15 seconds of `exchange.milliseconds()`: here the clock of an OMS on which somebody else
trades all the while.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ccxt
import pytest

from ccxt_driver.contract.endpoints import snake_case
from ccxt_driver.pro import OmsCcxtExchange
from tests.contract.test_ccxt_market_stream_validators import FOLDER, OF_ACCOUNTS, validator
from tests.helpers.contract_desk import SPOT, SWAP
from tests.helpers.deadline import deadline, until
from tests.helpers.stream_desk import StreamDesk, stream_desk, watchers

__all__ = ["deadline"]

BOTH = [pytest.param(False, id="in-process"), pytest.param(True, id="socket", marks=pytest.mark.sockets)]
NULLS_OF_SPOT = ["collateral", "leverage", "marginMode", "percentage"]
"""What a position in coins does not have; the validator expects it of every position."""
STEP_MS = 500

METHODS = {
    "watch_balance": "USDT",
    "watch_my_trades": "symbol",
    "watch_orders": "symbol",
    "watch_position": "symbol",
    "watch_positions": "symbol",
}
"""Validators, and the argument that each wants."""


@asynccontextmanager
async def somebody_trading(desk: StreamDesk) -> AsyncIterator[None]:
    """Orders in every state all the while, and time passes; the position never closes."""

    async def trade() -> None:
        while True:
            for symbol in (SPOT, SWAP):
                desk.order("buy", 1, symbol=symbol)
                resting = desk.order("buy", 1, 90, symbol=symbol)
                desk.order("sell", "0.5", symbol=symbol)
                desk.command("cancel_order", order_id=resting)
            await asyncio.sleep(0.005)
            desk.oms.advance(STEP_MS)

    task = asyncio.create_task(trade())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize("symbol", [SPOT, SWAP], ids=["spot", "swap"])
@pytest.mark.parametrize("over_socket", BOTH)
@pytest.mark.parametrize("name", METHODS)
async def test_ccxts_validator_finds_nothing(name: str, over_socket: bool, symbol: str) -> None:
    async with stream_desk(over_socket) as desk:
        ex = desk.exchange()
        ex.milliseconds = desk.oms.now_ms
        began = desk.oms.now_ms()
        skipped = {"allowNull": NULLS_OF_SPOT} if symbol == SPOT else {}
        argument = symbol if METHODS[name] == "symbol" else METHODS[name]
        async with somebody_trading(desk):
            assert await validator(name)(ex, skipped, argument) is not False
        assert desk.oms.now_ms() - began >= 15_000  # it has looked on all the while


@pytest.mark.parametrize("over_socket", BOTH)
async def test_unwatching_positions(over_socket: bool) -> None:
    async with stream_desk(over_socket) as desk:
        desk.oms.set_price(SWAP, bid=50_000, ask=50_001)  # it buys a thousandth
        desk.order("buy", "0.1", symbol=SWAP)
        config = desk.config(watchPositions={"fetchPositionsSnapshot": True})
        if desk.served is not None:
            sandbox = {"base_url": desk.served.base_url, "account_id": 1, "apiKey": desk.served.api_key}
            config["options"]["sandbox"] = sandbox
        ex: Any = desk.opened(OmsCcxtExchange(config))

        async def sleep(milliseconds: float) -> None:
            if milliseconds:  # before its order
                await until(lambda: any(watcher.waits for watcher in watchers(ex)))

        ex.sleep = sleep
        assert await validator("un_watch_positions")(ex, {}, SWAP) is True


def test_all_validators_of_accounts_run() -> None:
    has = {snake_case(key) for key, value in OmsCcxtExchange().has.items() if value}
    names = {path.stem.removeprefix("test_") for path in FOLDER.glob("test_*.py")}
    assert {*METHODS, "un_watch_positions"} == OF_ACCOUNTS & names & has
    assert issubclass(ccxt.ExchangeNotAvailable, ccxt.OperationFailed)  # what validators let pass
