"""A run to report on: an OMS on two files of candles, traded on with ccxt."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.backtest.run import Run
from ccxt_driver.oms.market.tape import FileReport
from tests.helpers.backtest_runs import HOUR, SPOT, SWAP, T, close_prices, replayed, run_of

SPOT_CLOSES = [30_000.0 + 10 * (minute % 120) for minute in range(600)]
SWAP_CLOSES = [30_050.0 - 10 * (minute % 60) for minute in range(600)]


def traded(folder: Path, error: str | None = None) -> Run:
    """Ten hours of two strategies: coins, a swap over a funding time, a limit order that rests."""
    oms = replayed(folder, {SPOT: SPOT_CLOSES, SWAP: SWAP_CLOSES})
    first, second = (
        OmsCcxtExchange({"options": {"oms": oms, "account_id": 1, "strategy_id": number}})
        for number in (1, 2)
    )
    first.create_order(SPOT, "market", "buy", 0.1, None, {"clientOrderId": "a1"})
    second.create_order(SWAP, "market", "sell", 0.2, None, {"clientOrderId": "b1", "comment": "<b>short</b>"})
    first.create_order(SPOT, "limit", "buy", 0.1, 20_000, {"clientOrderId": "a2"})
    oms.advance(HOUR)
    first.create_order(SPOT, "limit", "sell", 0.1, 30_900, {"clientOrderId": "a3"})
    oms.advance(8 * HOUR)
    second.create_order(SWAP, "market", "buy", 0.1, None, {"clientOrderId": "b2", "reduceOnly": True})
    oms.advance(HOUR)
    prices = {SPOT: close_prices(SPOT_CLOSES), SWAP: close_prices(SWAP_CLOSES)}
    path = str(folder / "BTC_USDT-1m.csv")
    report = FileReport(
        path,
        rows=600,
        first_ms=T,
        last_ms=T + 10 * HOUR,
        duplicates=2,
        missing=3,
        gaps=[(T, T + 60_000)],
        complete=True,
    )
    return run_of(
        oms,
        T,
        prices,
        path_deals=frozenset({3}),
        data=[report],
        ended="data" if error is None else "error",
        error=error,
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return traded(tmp_path / "data")
