"""Rows of the contract as a server writes them, with every column; pass what a test is about."""

from __future__ import annotations

from typing import Any

CREATED = "2026-11-20T02:05:32.123Z"
CREATED_MS = 1_795_140_332_123
UPDATED = "2026-11-20T02:05:33.000Z"
UPDATED_MS = 1_795_140_333_000


def order_row(**columns: Any) -> dict[str, Any]:
    """Make an open limit order: buy 2 BTC/USDT at 100."""
    row: dict[str, Any] = {
        "id": 11,
        "command_id": 5,
        "account_id": 1,
        "symbol": "BTC/USDT",
        "side": "buy",
        "order_type": "limit",
        "status": "SUBMITTED",
        "strategy_id": 0,
        "position_id": 0,
        "previous_position_id": None,
        "reason": "api",
        "comment": None,
        "client_order_id": "my-order",
        "exchange_order_id": "venue-77",
        "qty": "2",
        "price": "100",
        "stop_loss": None,
        "stop_gain": None,
        "filled_qty": "0",
        "avg_fill_price": None,
        "edit_replace_state": None,
        "edit_replace_at": None,
        "edit_replace_orphan_order_id": None,
        "edit_replace_origin_order_id": None,
        "created_at": CREATED,
        "updated_at": UPDATED,
        "closed_at": None,
        "time_in_force": "GTC",
        "post_only": False,
        "reduce_only": False,
        "trigger_price": None,
        "stop_price": None,
        "take_profit_price": None,
        "trailing_amount": None,
        "trailing_percent": None,
        "reject_reason": None,
        "fee": None,
        "fee_currency": None,
    }
    return {**row, **columns}


def filled_row(**columns: Any) -> dict[str, Any]:
    """Make the same order, filled at 99.5."""
    filled = {
        "status": "FILLED",
        "filled_qty": "2",
        "avg_fill_price": "99.5",
        "closed_at": UPDATED,
        "fee": "0.199",
        "fee_currency": "USDT",
    }
    return order_row(**{**filled, **columns})


def deal_row(**columns: Any) -> dict[str, Any]:
    """Make the fill of that order."""
    row: dict[str, Any] = {
        "id": 21,
        "account_id": 1,
        "order_id": 11,
        "position_id": 31,
        "previous_position_id": None,
        "symbol": "BTC/USDT",
        "side": "buy",
        "qty": "2",
        "price": "99.5",
        "fee": "0.199",
        "fee_currency": "USDT",
        "pnl": "0",
        "strategy_id": 0,
        "reason": "api",
        "comment": None,
        "reconciled": True,
        "exchange_trade_id": "venue-trade-9",
        "created_at": UPDATED,
        "executed_at": UPDATED,
        "maker": False,
    }
    return {**row, **columns}


def position_row(**columns: Any) -> dict[str, Any]:
    """Make an open long of 2 BTC/USDT:USDT at 100."""
    row: dict[str, Any] = {
        "id": 31,
        "account_id": 1,
        "symbol": "BTC/USDT:USDT",
        "strategy_id": 0,
        "side": "buy",
        "qty": "2",
        "avg_price": "100",
        "stop_loss": "90",
        "stop_gain": "120",
        "state": "open",
        "reason": "api",
        "comment": None,
        "opened_at": CREATED,
        "updated_at": UPDATED,
        "closed_at": None,
        "realized_pnl": "0",
        "unrealized_pnl": "20",
        "mark_price": "110",
        "leverage": "10",
        "margin": "20",
        "liquidation_price": "91",
    }
    return {**row, **columns}


def account_row(**columns: Any) -> dict[str, Any]:
    """Make a netting account that may trade."""
    row: dict[str, Any] = {
        "account_id": 1,
        "label": "main",
        "exchange_id": "ccxt.binance",
        "position_mode": "netting",
        "is_testnet": False,
        "status": "active",
        "allow_new_positions": True,
        "can_read": True,
        "can_trade": True,
        "can_risk_manage": False,
    }
    return {**row, **columns}


def market(symbol: str, **fields: Any) -> dict[str, Any]:
    """Make a unified market as `/ccxt` answers it: amounts in steps of 0.0001, prices of 0.01."""
    base, quote = symbol.partition(":")[0].split("/")
    settle = symbol.partition(":")[2] or None
    structure: dict[str, Any] = {
        "id": symbol.replace("/", "").replace(":", "_"),
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "settle": settle,
        "baseId": base,
        "quoteId": quote,
        "settleId": settle,
        "type": "spot" if settle is None else "swap",
        "spot": settle is None,
        "margin": False,
        "swap": settle is not None,
        "future": False,
        "option": False,
        "contract": settle is not None,
        "active": True,
        "linear": None if settle is None else settle == quote,
        "inverse": None if settle is None else settle == base,
        "contractSize": None if settle is None else 1.0,
        "taker": 0.001,
        "maker": 0.0005,
        "precision": {"amount": 0.0001, "price": 0.01},
        "limits": {
            "amount": {"min": 0.0001, "max": 1000.0},
            "price": {"min": 0.01, "max": 1000000.0},
            "cost": {"min": 5.0, "max": None},
            "leverage": {"min": None, "max": None},
        },
        "info": {},
    }
    return {**structure, **fields}


def markets() -> list[dict[str, Any]]:
    """Make a spot market, a linear swap of 0.01 BTC a contract, and an inverse one of 100 USD."""
    return [
        market("BTC/USDT"),
        market("ETH/USDT"),
        market("BTC/USDT:USDT", contractSize=0.01),
        market("BTC/USD:BTC", contractSize=100.0),
    ]
