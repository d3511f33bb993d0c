"""What the class says of itself before it has asked a server: `describe()`."""

from __future__ import annotations

from typing import Any, Final

from ccxt.base.decimal_to_precision import TICK_SIZE

from .configuration import DEFAULT_BASE_URL

_NATIVE: Final = (
    "spot",
    "swap",
    "future",
    "sandbox",
    "cancelOrder",
    "createLimitBuyOrder",
    "createLimitOrder",
    "createLimitSellOrder",
    "createMarketBuyOrder",
    "createMarketOrder",
    "createMarketSellOrder",
    "createOrder",
    "editOrder",
    "fetchBalance",
    "fetchClosedOrders",
    "fetchCurrencies",
    "fetchL2OrderBook",
    "fetchMarkets",
    "fetchMyTrades",
    "fetchOHLCV",
    "fetchOpenOrders",
    "fetchOrder",
    "fetchOrderBook",
    "fetchPositions",
    "fetchStatus",
    "fetchTicker",
    "fetchTickers",
    "fetchTime",
    "fetchTrades",
)
"""Literal True: programs compare with `is True`."""

TIMEFRAMES: Final = {
    name: name
    for name in ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w", "1M")
}

_LIST: Final = {
    "marginMode": False,
    "limit": 500,
    "daysBack": None,
    "untilDays": None,
    "trigger": False,
    "trailing": False,
    "symbolRequired": False,
}
_ONE: Final = {"marginMode": False, "trigger": False, "trailing": False, "symbolRequired": False}


def _features() -> dict[str, Any]:
    market = {
        "sandbox": True,
        "createOrder": {
            "marginMode": False,
            "triggerPrice": True,
            "triggerPriceType": None,
            "triggerDirection": False,
            "stopLossPrice": True,
            "takeProfitPrice": True,
            "attachedStopLossTakeProfit": {
                "triggerPriceType": None,
                "price": False,
            },
            "timeInForce": {"IOC": True, "FOK": True, "PO": True, "GTD": False},
            "hedged": False,
            "trailing": True,
            "leverage": False,
            "marketBuyByCost": False,
            "marketBuyRequiresPrice": False,
            "selfTradePrevention": False,
            "iceberg": False,
        },
        "createOrders": None,
        "fetchMyTrades": {**_LIST},
        "fetchOrder": {**_ONE},
        "fetchOpenOrders": {**_LIST, "limit": 5000},
        "fetchOrders": None,
        "fetchClosedOrders": {**_LIST, "daysBackClosed": None, "daysBackCanceled": None},
        "fetchOHLCV": {"limit": 1000},
    }
    return {
        "default": market,
        "spot": {"extends": "default"},
        "swap": {"linear": {"extends": "default"}, "inverse": {"extends": "default"}},
        "future": {"linear": {"extends": "default"}, "inverse": {"extends": "default"}},
    }


def description() -> dict[str, Any]:
    """What `describe()` adds to ccxt's own."""
    return {
        "id": "oms",
        "name": "OMS",
        "countries": [],
        "version": "v1",
        "rateLimit": 50,
        "certified": False,
        "pro": False,
        "has": dict.fromkeys(_NATIVE, True),
        "urls": {
            "logo": None,
            "api": DEFAULT_BASE_URL,
            "test": DEFAULT_BASE_URL,
            "www": None,
            "doc": [],
            "fees": None,
        },
        "requiredCredentials": {"apiKey": True, "secret": False},
        "timeframes": dict(TIMEFRAMES),
        "fees": {
            "trading": {"tierBased": None, "percentage": None, "taker": None, "maker": None},
            "funding": {"tierBased": None, "percentage": None, "withdraw": {}, "deposit": {}},
        },
        "precisionMode": TICK_SIZE,
        "features": _features(),
        "options": {
            "account_id": None,
            "strategy_id": None,
            "positions": None,
            "client_order_id_factory": None,
            "unenforced_stops": None,
            "gateway_utc_offset": 0,
        },
    }
