"""What the class says of itself: `describe()`, and `has` before and after the server was asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from ccxt.base.decimal_to_precision import TICK_SIZE

from ccxt_driver.contract.features import Feature

from .configuration import DEFAULT_BASE_URL, NO_SANDBOX, OPTIONS


class Source(StrEnum):
    """Who answers a capability of ccxt's `has`."""

    FACT = "fact"
    """Not a method."""
    OMS = "oms"
    """The OMS, or the driver on top of it."""
    MARKET = "market"
    """The venue; every venue has it."""
    VENUE = "venue"
    """The venue, if it can: known after `load_markets`."""
    MONEY = "money"
    """As VENUE, and only with `options.allow_money_movement`."""
    STREAM = "stream"
    """Streams and requests over the WebSocket."""
    NEVER = "never"
    """Nobody: not part of the OMS contract, and without a signature in ccxt's base class."""


def _table(**keys_of: str) -> dict[str, Source]:
    return {key: Source(source) for source, keys in keys_of.items() for key in keys.split()}


CAPABILITIES: Final = _table(
    fact="publicAPI privateAPI CORS sandbox spot margin swap future option index ws",
    oms="""
        cancelAllOrders cancelAllOrdersAfter cancelOrder cancelOrderWithClientOrderId cancelOrders
        cancelOrdersForSymbols cancelOrdersWithClientOrderId closeAllPositions closePosition
        createLimitBuyOrder createLimitOrder createLimitSellOrder createMarketBuyOrder
        createMarketBuyOrderWithCost createMarketOrder createMarketOrderWithCost createMarketSellOrder
        createMarketSellOrderWithCost createOrder createOrderWithTakeProfitAndStopLoss createOrders
        createPostOnlyOrder createReduceOnlyOrder createStopLimitOrder createStopLossOrder
        createStopMarketOrder createStopOrder createTakeProfitOrder createTrailingAmountOrder
        createTrailingPercentOrder createTriggerOrder editOrder editOrderWithClientOrderId editOrders
        fetchAccounts fetchBalance fetchCanceledAndClosedOrders fetchCanceledOrders fetchClosedOrder
        fetchClosedOrders fetchLedger fetchMyTrades fetchOpenOrder fetchOpenOrders fetchOrder
        fetchOrderTrades fetchOrderWithClientOrderId fetchOrders fetchPosition fetchPositionHistory
        fetchPositionMode fetchPositions fetchPositionsForSymbol fetchPositionsHistory fetchStatus
        fetchTime
        """,
    market="""
        fetchCurrencies fetchL2OrderBook fetchMarkets fetchOHLCV fetchOrderBook fetchTicker fetchTickers
        fetchTrades fetchOrderBooks
        """,
    venue="""
        addMargin fetchADLRank fetchAllGreeks fetchBidsAsks fetchBorrowInterest fetchBorrowRate
        fetchConvertCurrencies fetchConvertQuote fetchConvertTrade fetchConvertTradeHistory
        fetchCrossBorrowRate fetchCrossBorrowRates fetchDepositAddress fetchDepositAddresses
        fetchDepositAddressesByNetwork fetchDepositWithdrawFee fetchDepositWithdrawFees fetchDeposits
        fetchDepositsWithdrawals fetchFundingHistory fetchFundingInterval fetchFundingIntervals
        fetchFundingRate fetchFundingRateHistory fetchFundingRates fetchGreeks fetchIndexOHLCV
        fetchIsolatedBorrowRate fetchIsolatedBorrowRates fetchLastPrices fetchLedgerEntry fetchLeverage
        fetchLeverageTiers fetchLeverages fetchLiquidations fetchLongShortRatio
        fetchLongShortRatioHistory fetchMarginAdjustmentHistory fetchMarginMode fetchMarginModes
        fetchMarkOHLCV fetchMarkPrice fetchMarkPrices fetchMarketLeverageTiers fetchMyLiquidations
        fetchOpenInterest fetchOpenInterestHistory fetchOpenInterests fetchOption fetchOptionChain
        fetchPositionADLRank fetchPositionsADLRank fetchPositionsRisk
        fetchPremiumIndexOHLCV fetchTradingFee fetchTradingFees fetchTradingLimits fetchTransactionFee
        fetchTransactionFees fetchTransactions fetchTransfer fetchTransfers fetchWithdrawals
        reduceMargin setLeverage setMargin setMarginMode setPositionMode
        """,
    money="""
        borrowCrossMargin borrowIsolatedMargin borrowMargin createConvertTrade createDepositAddress
        repayCrossMargin repayIsolatedMargin transfer withdraw
        """,
    stream="""
        cancelAllOrdersWs cancelOrderWs cancelOrdersWs createLimitBuyOrderWs createLimitOrderWs
        createLimitSellOrderWs createMarketBuyOrderWithCostWs createMarketBuyOrderWs createMarketOrderWs
        createMarketOrderWithCostWs createMarketSellOrderWithCostWs createMarketSellOrderWs
        createOrderWithTakeProfitAndStopLossWs createOrderWs createOrdersWs createPostOnlyOrderWs
        createReduceOnlyOrderWs createStopLimitOrderWs createStopLossOrderWs createStopMarketOrderWs
        createStopOrderWs createTakeProfitOrderWs createTrailingAmountOrderWs
        createTrailingPercentOrderWs createTriggerOrderWs editOrderWs fetchBalanceWs fetchClosedOrdersWs
        fetchCurrenciesWs fetchDepositsWs fetchMarketsWs fetchMyTradesWs fetchOHLCVWs fetchOpenOrdersWs
        fetchOrderBookWs fetchOrderWs fetchOrdersWs fetchPositionWs fetchPositionsForSymbolWs
        fetchPositionsWs fetchTickerWs fetchTickersWs fetchTradesWs fetchTradingFeesWs
        fetchWithdrawalsWs unWatchBalance unWatchBidsAsks unWatchMyTrades unWatchMyTradesForSymbols
        unWatchOHLCV unWatchOHLCVForSymbols unWatchOrderBook unWatchOrderBookForSymbols unWatchOrders
        unWatchOrdersForSymbols unWatchPosition unWatchPositions unWatchTicker unWatchTickers
        unWatchTrades unWatchTradesForSymbols watchBalance watchBidsAsks watchLiquidations
        watchLiquidationsForSymbols watchMyLiquidations watchMyLiquidationsForSymbols watchMyTrades
        watchMyTradesForSymbols watchOHLCV watchOHLCVForSymbols watchOrderBook watchOrderBookForSymbols
        watchOrders watchOrdersForSymbols watchPosition watchPositions watchStatus watchTicker
        watchTickers watchTrades watchTradesForSymbols
        """,
    never="""
        deposit fetchBorrowRateHistories fetchBorrowRateHistory fetchBorrowRates
        fetchBorrowRatesPerSymbol fetchDeposit fetchIsolatedPositions fetchL3OrderBook
        fetchMySettlementHistory fetchOrdersByStatus fetchSettlementHistory fetchUnderlyingAssets
        fetchVolatilityHistory fetchWithdrawAddresses fetchWithdrawal fetchWithdrawalWhitelist signIn
        """,
)
"""Every key of ccxt's `has`, and who answers it; a test compares it with ccxt's own list.

Of streams those that ccxt's list leaves out are here too.
"""

STREAMED: Final = frozenset(
    key for key, source in CAPABILITIES.items() if source is Source.STREAM and "iquidations" not in key
)
"""What the class with streams has of them: there is no stream of liquidations."""
_MADE_BY_THE_DRIVER: Final = frozenset(
    {"fetchCurrencies", "fetchL2OrderBook", "fetchMarkets", "fetchOrderBooks", "fetchTickers"}
)
"""Works on a venue that does not have it: from the markets, or by a batch."""
_NEEDS_FEATURE: Final = {
    "cancelAllOrdersAfter": Feature.CANCEL_ALL_AFTER,
    "createMarketBuyOrderWithCost": Feature.ORDER_OPTIONS,
    "createMarketOrderWithCost": Feature.ORDER_OPTIONS,
    "createMarketSellOrderWithCost": Feature.ORDER_OPTIONS,
    "fetchLedger": Feature.LEDGER,
}
_FACTS: Final = {
    "publicAPI": True,
    "privateAPI": True,
    "sandbox": True,
    "spot": True,
    "swap": True,
    "ws": False,
}
_BEFORE: Final = {
    Source.OMS: True,
    Source.MARKET: True,
    Source.VENUE: None,
    Source.MONEY: False,
    Source.STREAM: False,
    Source.NEVER: False,
}


def _has_before_loading() -> dict[str, bool | None]:
    """`has` as far as it is known without asking: None where only the venue can tell."""
    return {
        key: _FACTS.get(key) if source is Source.FACT else _BEFORE[source]
        for key, source in CAPABILITIES.items()
    }


def learned_has(
    venue: Mapping[str, Any] | None,
    features: Collection[str],
    markets: Iterable[Mapping[str, Any]],
    options: Mapping[str, Any],
) -> dict[str, bool | None]:
    """What is known of `has` once the server was asked.

    :param venue: `has` of the venue behind the gateway; None when nobody could tell
    :param features: of the server
    :param markets: of the venue
    :param options: of the exchange object
    :returns: the keys that have changed
    """
    learned: dict[str, bool | None] = {}
    for key, source in CAPABILITIES.items():
        if source in (Source.VENUE, Source.MONEY) and venue is not None:
            allowed = source is Source.VENUE or options.get("allow_money_movement") is True
            learned[key] = allowed and bool(venue.get(key))
        elif source is Source.MARKET and venue is not None and key not in _MADE_BY_THE_DRIVER:
            learned[key] = bool(venue.get(key, True))
    for key, feature in _NEEDS_FEATURE.items():
        learned[key] = feature in features
    learned["createOrderWithTakeProfitAndStopLoss"] = _attached_stops(features, options)
    listed = list(markets)
    for kind in ("spot", "margin", "swap", "future", "option"):
        learned[kind] = any(market.get("type") == kind or market.get(kind) for market in listed)
    return learned


def learned_features(
    known: Mapping[str, Any], features: Collection[str], options: Mapping[str, Any]
) -> dict[str, Any]:
    """ccxt's `features` once the server was asked: what `create_order` takes depends on it.

    :param known: as ccxt has spread them over spot, swap and future
    :param features: of the server
    :param options: of the exchange object
    """
    more = Feature.ORDER_OPTIONS in features
    learned = {"marketBuyByCost": more, "iceberg": more}
    if not _attached_stops(features, options):
        learned["attachedStopLossTakeProfit"] = None  # type: ignore[assignment]  # as ccxt says no

    def spread(block: Any) -> Any:
        if not isinstance(block, Mapping):
            return block
        if "createOrder" not in block:
            return {name: spread(inner) for name, inner in block.items()}
        order = {**block["createOrder"], **learned}
        order["timeInForce"] = {**order["timeInForce"], "GTD": more}
        return {**block, "createOrder": order}

    return {name: spread(block) for name, block in known.items()}


def _attached_stops(features: Collection[str], options: Mapping[str, Any]) -> bool:
    """Whether stops may be attached to an order: someone enforces them, or the venue gets them."""
    return Feature.STOPS_ENFORCED in features or options.get("unenforced_stops") == "venue"


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
            "timeInForce": {"IOC": True, "FOK": True, "PO": True, "GTD": True},
            "hedged": False,
            "trailing": True,
            "leverage": False,
            "marketBuyByCost": True,
            "marketBuyRequiresPrice": False,
            "selfTradePrevention": False,
            "iceberg": False,
        },
        "createOrders": {"max": 1000},
        "fetchMyTrades": {**_LIST},
        "fetchOrder": {**_ONE},
        "fetchOpenOrders": {**_LIST, "limit": 5000},
        "fetchOrders": {**_LIST},
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
        "has": _has_before_loading(),
        "urls": {
            "logo": None,
            "api": DEFAULT_BASE_URL,
            "test": NO_SANDBOX,
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
        "options": dict(OPTIONS),
    }
