"""ccxt.pro's own validators of market data, out of its wheel, in this process and over HTTP.

They look on for 15 seconds of `exchange.milliseconds()`: here the clock of an OMS whose market moves.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import ccxt
import pytest

from ccxt_driver.contract.endpoints import snake_case
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.pro import OmsCcxtExchange
from tests.helpers.contract_desk import ACCOUNTS, OTHER, SPOT, SWAP
from tests.helpers.served import serve

FOLDER = Path(ccxt.__file__).parent / "pro" / "test" / "Exchange"
if not FOLDER.is_dir():
    pytest.skip("this release of ccxt has no validators in its wheel", allow_module_level=True)

METHODS: dict[str, str] = {
    "watch_bids_asks": "symbol",
    "watch_ohlcv": "symbol",
    "watch_ohlcv_for_symbols": "symbol",
    "watch_order_book": "symbol",
    "watch_order_book_for_symbols": "symbols",
    "watch_ticker": "symbol",
    "watch_tickers": "symbol",
    "watch_trades": "symbol",
    "watch_trades_for_symbols": "symbols",
}
"""Validators of market data, and the argument that each wants."""

OF_ACCOUNTS = {
    "un_watch_positions",
    "watch_balance",
    "watch_my_trades",
    "watch_orders",
    "watch_position",
    "watch_positions",
}
STREAMS = {"market_interval": 0.02, "market_rate": 1000}
STEP_MS = 250


def validator(name: str) -> Callable[..., Any]:
    """A function of ccxt's; its module puts a folder on the path, which is taken off again."""
    before = list(sys.path)
    try:
        module = importlib.import_module(f"ccxt.pro.test.Exchange.test_{name}")
    finally:
        sys.path[:] = before
    found: Callable[..., Any] = getattr(module, f"test_{name}")
    return found


@asynccontextmanager
async def moving_market(oms: EmbeddedOms) -> AsyncIterator[None]:
    """Prices and orders change all the while, and time passes."""

    async def move() -> None:
        bid = 100
        while True:
            bid = 100 if bid > 120 else bid + 1
            for symbol in (SPOT, SWAP, OTHER):
                oms.set_price(symbol, bid=bid, ask=bid + 1, last=bid + bid % 2)
            await asyncio.sleep(0.005)
            oms.advance(STEP_MS)

    task = asyncio.create_task(move())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def validate(name: str, symbol: str, oms: EmbeddedOms, config: dict[str, Any]) -> None:
    """Run a validator while the market moves."""
    exchange = OmsCcxtExchange({"timeout_on_exit": 0, **config})
    exchange.milliseconds = oms.now_ms
    argument = {"symbol": symbol, "symbols": [symbol, OTHER]}[METHODS[name]]
    try:
        async with moving_market(oms):
            await asyncio.wait_for(validator(name)(exchange, {}, argument), 30)
    finally:
        await exchange.close()


def made() -> EmbeddedOms:
    oms = EmbeddedOms(accounts=ACCOUNTS, clock="manual")
    for symbol in (SPOT, SWAP, OTHER):
        oms.set_price(symbol, bid=100, ask=101)
    return oms


@pytest.mark.parametrize("symbol", [SPOT, SWAP], ids=["spot", "swap"])
@pytest.mark.parametrize("name", METHODS)
async def test_in_process(name: str, symbol: str) -> None:
    with made() as oms:
        await validate(name, symbol, oms, {"options": {"oms": oms, "account_id": 1, "streams": STREAMS}})


@pytest.mark.sockets
@pytest.mark.parametrize("name", METHODS)
async def test_over_http(name: str) -> None:
    with serve(made()) as served:
        options = {"base_url": served.base_url, "account_id": 1, "streams": STREAMS}
        await validate(name, SPOT, served.oms, {"apiKey": served.api_key, "options": options})


def test_nothing_that_could_be_validated_is_left_out() -> None:
    has = {snake_case(key) for key, value in OmsCcxtExchange().has.items() if value}
    names = {path.stem.removeprefix("test_") for path in FOLDER.glob("test_*.py")}
    assert METHODS.keys() <= names & has
    assert sorted((names & has) - METHODS.keys() - OF_ACCOUNTS) == []
