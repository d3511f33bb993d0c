"""Watching markets that have no price yet: what comes first is their first one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import ccxt
import pytest

from ccxt_driver.exchange.pro import OmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.market.files import FileFeed

from .conftest import soon

_START_MS = 1_700_006_400_000
_MINUTE_MS = 60_000
_EARLY, _LATE = "BTC/USDT", "ETH/USDT"


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[Any]:
    """On an OMS as its first market begins; the other one does five minutes later."""
    for name, begins_ms in (("BTC_USDT", _START_MS), ("ETH_USDT", _START_MS + 5 * _MINUTE_MS)):
        rows = [f"{begins_ms + minute * _MINUTE_MS},100,101,99,100,5" for minute in range(10)]
        text = "\n".join(["timestamp,open,high,low,close,volume", *rows])
        (tmp_path / f"{name}-1m.csv").write_text(text)
    oms = EmbeddedOms(feed=FileFeed(tmp_path), start_ms=_START_MS)
    made = OmsCcxtExchange({"options": {"base_url": "embedded:", "oms": oms, "account_id": 1}})
    yield made
    await made.close()
    oms.close()


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("watch_ticker", [_LATE]),
        ("watch_tickers", [[_LATE]]),
        ("watch_bids_asks", [[_LATE]]),
        ("watch_order_book", [_LATE]),
        ("watch_order_book_for_symbols", [[_LATE]]),
        ("watch_trades", [_LATE]),
        ("watch_ohlcv", [_LATE, "1m"]),
    ],
)
async def test_a_stream_begins_with_the_first_price(exchange: Any, name: str, arguments: list[Any]) -> None:
    oms = exchange.options["oms"]
    call = asyncio.create_task(getattr(exchange, name)(*arguments))
    await asyncio.sleep(0.05)
    for _ in range(4):
        oms.advance(_MINUTE_MS)
        await asyncio.sleep(0.01)
    assert not call.done()
    oms.advance(_MINUTE_MS)
    if name == "watch_trades":  # as a candle opens nothing has been traded in it
        await asyncio.sleep(0.01)
        assert not call.done()
        oms.advance(_MINUTE_MS)

    assert await soon(call)


async def test_of_several_markets_those_with_prices_come(exchange: Any) -> None:
    assert [*await soon(exchange.watch_tickers([_EARLY, _LATE]))] == [_EARLY]
    assert (await soon(exchange.watch_order_book_for_symbols([_EARLY, _LATE])))["symbol"] == _EARLY
    assert [*await soon(exchange.watch_bids_asks([_EARLY, _LATE]))] == [_EARLY]


async def test_a_market_that_is_not_listed_is_told_of_at_once(exchange: Any) -> None:
    with pytest.raises(ccxt.BadSymbol):
        await soon(exchange.watch_ticker("XRP/USDT"))
