"""500 open orders: read over HTTP and in process, against ccxt parsing 500 rows it already has."""

from __future__ import annotations

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms

from .measure import compare, report
from .served_process import RESTING_ORDERS, served_process
from .test_rows import BINANCE_ROW

SYMBOL = "BTC/USDT"


@pytest.mark.benchmark
def test_500_open_orders_against_ccxt_parsing_500_rows() -> None:
    binance = ccxt.binance()
    market = {"id": "BTCUSDT", "symbol": SYMBOL, "base": "BTC", "quote": "USDT", "type": "spot", "spot": True}
    binance.set_markets([binance.safe_market_structure({**market, "contract": False})])
    rows = [{**BINANCE_ROW, "orderId": number, "status": "NEW"} for number in range(RESTING_ORDERS)]
    with served_process() as served:
        options = {"base_url": served.base_url, "account_id": 1}
        over_http = OmsCcxtExchange({"apiKey": served.api_key, "options": options})
        inside = OmsCcxtExchange({"options": {"oms": _oms_with_orders(), "account_id": 1}})
        medians = compare(
            {
                "ccxt": lambda: binance.parse_orders(rows),
                "inside": lambda: inside.fetch_open_orders(SYMBOL),
                "http": lambda: over_http.fetch_open_orders(SYMBOL),
            },
            rounds=60,
        )
        assert len(over_http.fetch_open_orders(SYMBOL)) == RESTING_ORDERS
    report("500 open orders over HTTP", medians["http"], medians["ccxt"], "at most 0.5")
    report("500 open orders in process", medians["inside"], medians["ccxt"], "at most 0.33")


def _oms_with_orders() -> EmbeddedOms:
    account = {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "1000000000"}}
    oms = EmbeddedOms(accounts=[account], clock="manual")
    oms.set_price(SYMBOL, bid="60000", ask="60001", last="60000")
    exchange = OmsCcxtExchange({"options": {"oms": oms, "account_id": 1}})
    for number in range(RESTING_ORDERS):
        exchange.create_order(SYMBOL, "limit", "buy", 0.01, 50_000 + number)
    return oms
