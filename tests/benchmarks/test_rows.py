"""An order row of the contract, validated and mapped, against ccxt parsing a row of a similar size."""

from __future__ import annotations

import ccxt
import pytest

from ccxt_driver.mappers.order import order_from_row

from .measure import compare, report

ROW = {
    "id": 12,
    "command_id": 12,
    "account_id": 1,
    "symbol": "BTC/USDT",
    "side": "buy",
    "order_type": "limit",
    "status": "FILLED",
    "strategy_id": 7,
    "position_id": 3,
    "previous_position_id": 0,
    "reason": "api",
    "comment": None,
    "client_order_id": "x1fj2lk6s8d2m4q7wz",
    "exchange_order_id": "P12",
    "qty": "0.5",
    "price": "60000.1",
    "stop_loss": None,
    "stop_gain": None,
    "filled_qty": "0.5",
    "avg_fill_price": "60000",
    "edit_replace_state": None,
    "edit_replace_at": None,
    "edit_replace_orphan_order_id": None,
    "edit_replace_origin_order_id": None,
    "created_at": "2026-11-20T02:05:32.123Z",
    "updated_at": "2026-11-20T02:05:32.223Z",
    "closed_at": "2026-11-20T02:05:32.223Z",
    "time_in_force": "GTC",
    "post_only": False,
    "reduce_only": False,
    "trigger_price": None,
    "stop_price": None,
    "take_profit_price": None,
    "trailing_amount": None,
    "trailing_percent": None,
    "reject_reason": None,
    "fee": "30",
    "fee_currency": "USDT",
}
BINANCE_ROW = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "orderListId": -1,
    "clientOrderId": "x1fj2lk6s8d2m4q7wz",
    "price": "60000.10000000",
    "origQty": "0.50000000",
    "executedQty": "0.50000000",
    "cummulativeQuoteQty": "30000.00000000",
    "status": "FILLED",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "stopPrice": "0.00000000",
    "icebergQty": "0.00000000",
    "time": 1795140332123,
    "updateTime": 1795140332223,
    "isWorking": True,
    "workingTime": 1795140332123,
    "origQuoteOrderQty": "0.00000000",
    "selfTradePreventionMode": "NONE",
}


@pytest.mark.benchmark
def test_mapping_an_order_row_against_ccxt_parsing_one() -> None:
    binance = ccxt.binance()
    market = binance.safe_market_structure(
        {
            "id": "BTCUSDT",
            "symbol": "BTC/USDT",
            "base": "BTC",
            "quote": "USDT",
            "type": "spot",
            "spot": True,
            "contract": False,
            "precision": {"amount": 0.00001, "price": 0.01},
        }
    )
    medians = compare(
        {
            "ours": lambda: order_from_row(ROW, float),
            "ccxt": lambda: binance.parse_order(BINANCE_ROW, market),
        },
        rounds=5000,
    )
    report("order row mapped and validated", medians["ours"], medians["ccxt"], "at most 0.33")
    assert order_from_row(ROW, float)["status"] == binance.parse_order(BINANCE_ROW, market)["status"]
