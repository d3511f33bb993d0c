"""Market data of the paper venue in ccxt's unified structures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ccxt_driver.contract.values import format_time

from .funding import funding_rate, next_funding, past_rates, recorded
from .market.feed import TIMEFRAMES, Candle, Fundings, candle_open, next_open
from .market.listing import Market, unified_currency
from .refusals import venue_refusal
from .trading_hours import Session
from .venue_arguments import Call

USUAL_ROWS: Final = 500
MOST_ROWS: Final = 1000
_FUNDINGS: Final = 100
_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000

HAS: Final[dict[str, bool]] = {
    **dict.fromkeys(
        (
            "publicAPI",
            "privateAPI",
            "spot",
            "swap",
            "addMargin",
            "fetchBalance",
            "cancelAllOrders",
            "cancelOrder",
            "createOrder",
            "fetchBidsAsks",
            "fetchCanceledOrders",
            "fetchClosedOrders",
            "fetchCurrencies",
            "fetchFundingHistory",
            "fetchFundingRate",
            "fetchFundingRateHistory",
            "fetchFundingRates",
            "fetchIndexOHLCV",
            "fetchL2OrderBook",
            "fetchLeverage",
            "fetchLeverageTiers",
            "fetchLeverages",
            "fetchMarginMode",
            "fetchMarginModes",
            "fetchMarkOHLCV",
            "fetchMarkPrice",
            "fetchMarkPrices",
            "fetchMarketLeverageTiers",
            "fetchMarkets",
            "fetchMyTrades",
            "fetchOHLCV",
            "fetchOpenOrders",
            "fetchOrder",
            "fetchOrderBook",
            "fetchOrders",
            "fetchStatus",
            "fetchTicker",
            "fetchTickers",
            "fetchTime",
            "fetchTrades",
            "fetchTradingFee",
            "fetchTradingFees",
            "reduceMargin",
            "setLeverage",
            "setMargin",
            "setMarginMode",
            "setPositionMode",
        ),
        True,
    ),
    **dict.fromkeys(("margin", "future", "option", "editOrder", "withdraw"), False),
}
"""Functions of the venue itself."""


def describe(call: Call) -> dict[str, Any]:
    """What the venue is."""
    markets = call.core.market.markets.values()
    spot = next((market for market in markets if market.settle is None), None)
    return {
        "id": "paper",
        "name": "Paper venue of the embedded OMS",
        "countries": [],
        "version": "1",
        "rateLimit": 0,
        "certified": False,
        "pro": False,
        "precisionMode": 4,  # TICK_SIZE
        "has": dict(HAS),
        "timeframes": {name: name for name in TIMEFRAMES},
        "features": _features(),
        "fees": {
            "trading": {
                "tierBased": False,
                "percentage": True,
                "maker": None if spot is None else float(spot.maker),
                "taker": None if spot is None else float(spot.taker),
            }
        },
    }


def _features() -> dict[str, Any]:
    kind = {
        "sandbox": True,
        "createOrder": {
            "marginMode": False,
            "triggerPrice": True,
            "stopLossPrice": True,
            "takeProfitPrice": True,
            "attachedStopLossTakeProfit": None,
            "timeInForce": {"IOC": True, "FOK": True, "PO": True, "GTD": True},
            "hedged": True,
            "trailing": True,
            "leverage": False,
        },
        "fetchOHLCV": {"limit": MOST_ROWS},
    }
    return {
        "spot": kind,
        "swap": {"linear": kind, "inverse": None},
        "future": {"linear": None, "inverse": None},
    }


def has(call: Call) -> Any:
    """All capabilities, or one."""
    feature = call.given.get("feature")
    return dict(HAS) if feature is None else HAS.get(str(feature), False)


def fetch_markets(call: Call) -> list[dict[str, Any]]:
    """All markets."""
    return [_unified(call, market) for market in call.core.market.markets.values()]


def load_markets(call: Call) -> dict[str, dict[str, Any]]:
    """All markets by symbol."""
    return {symbol: _unified(call, market) for symbol, market in call.core.market.markets.items()}


def _unified(call: Call, market: Market) -> dict[str, Any]:
    """A market; one that is closed or halted is still active: programs keep markets for hours."""
    delisted = call.core.state.symbols[market.symbol].session.by_hand is Session.DELISTED
    return market.unified() | {"active": not delisted}


def fetch_currencies(call: Call) -> dict[str, dict[str, Any]]:
    """All currencies by code."""
    return {code: unified_currency(row) for code, row in call.core.market.currencies.items()}


def fetch_ticker(call: Call) -> dict[str, Any]:
    """The last 24 hours of a market."""
    return call.core.market.ticker(call.market().symbol, call.now)


def fetch_tickers(call: Call) -> dict[str, dict[str, Any]]:
    """Tickers by symbol."""
    return {market.symbol: call.core.market.ticker(market.symbol, call.now) for market in _priced(call)}


def _priced(call: Call) -> list[Market]:
    """The markets asked for that have a price: of a recording one may begin later than another."""
    return [market for market in call.markets() if call.core.market.has_price(market.symbol, call.now)]


def fetch_bids_asks(call: Call) -> dict[str, dict[str, Any]]:
    """Best prices by symbol, in the ticker structure."""
    return {market.symbol: _best(call, market) for market in _priced(call)}


def _best(call: Call, market: Market) -> dict[str, Any]:
    bids, asks = call.core.market.book(market.symbol, call.now)
    return _bare_ticker(call, market) | {
        "bid": float(bids[0].price) if bids else None,
        "bidVolume": float(bids[0].qty) if bids else None,
        "ask": float(asks[0].price) if asks else None,
        "askVolume": float(asks[0].qty) if asks else None,
    }


def _bare_ticker(call: Call, market: Market) -> dict[str, Any]:
    names = (
        "high low bid bidVolume ask askVolume vwap open close last previousClose change percentage average "
        "baseVolume quoteVolume markPrice indexPrice"
    )
    as_of = call.core.market.as_of(market.symbol, call.now)
    return {
        "symbol": market.symbol,
        "timestamp": as_of,
        "datetime": format_time(as_of),
        **dict.fromkeys(names.split()),
        "info": {},
    }


def fetch_mark_price(call: Call) -> dict[str, Any]:
    """The price that positions are valued at, in the ticker structure."""
    return _mark(call, call.market())


def fetch_mark_prices(call: Call) -> dict[str, dict[str, Any]]:
    """Mark prices by symbol."""
    return {market.symbol: _mark(call, market) for market in _priced(call)}


def _mark(call: Call, market: Market) -> dict[str, Any]:
    price = float(call.core.mark_price(market.symbol, call.now))
    return _bare_ticker(call, market) | {"markPrice": price}


def fetch_order_book(call: Call) -> dict[str, Any]:
    """The feed's book, less what was taken from it, with the resting orders of the OMS in it."""
    market = call.market()
    limit = call.whole("limit", None, 1, MOST_ROWS)
    bids, asks = call.core.book(market.symbol, call.now)
    as_of = call.core.market.as_of(market.symbol, call.now)
    return {
        "symbol": market.symbol,
        "bids": [[float(price), float(qty)] for price, qty in bids[:limit]],
        "asks": [[float(price), float(qty)] for price, qty in asks[:limit]],
        "timestamp": as_of,
        "datetime": format_time(as_of),
        "nonce": None,
    }


def fetch_trades(call: Call) -> list[dict[str, Any]]:
    """Public trades, ascending: the newest without `since`, else the first from it."""
    market = call.market()
    since = call.whole("since", None, 0, 2**53)
    limit = call.whole("limit", USUAL_ROWS, 1, MOST_ROWS) or USUAL_ROWS
    return [
        {
            "id": trade.id,
            "info": {"id": trade.id},
            "timestamp": trade.time_ms,
            "datetime": format_time(trade.time_ms),
            "symbol": market.symbol,
            "order": None,
            "type": None,
            "side": trade.side,
            "takerOrMaker": None,
            "price": float(trade.price),
            "amount": float(trade.qty),
            "cost": float(trade.price * trade.qty),
            "fee": None,
            "fees": [],
        }
        for trade in call.core.market.trades(market.symbol, since, call.until(), limit)
    ]


def fetch_ohlcv(call: Call) -> list[list[float | None]]:
    """Candles, ascending: the newest without `since`, else the first from it.

    `params.price` is `mark` or `index` for those of a swap: they have no volume.
    """
    price = call.params.get("price")
    if price is None:
        return _candles(call, call.market())
    if price not in ("mark", "index"):
        raise venue_refusal(
            "BadRequest", f"{call.name}: price: expected mark or index, got {str(price)[:16]!r}"
        )
    return fetch_mark_ohlcv(call) if price == "mark" else fetch_index_ohlcv(call)


def fetch_mark_ohlcv(call: Call) -> list[list[float | None]]:
    """Candles of the price that positions are valued at: the last traded one where no other is recorded."""
    return _without_volume(_candles(call, _swap(call), call.core.market.mark_candles))


def fetch_index_ohlcv(call: Call) -> list[list[float | None]]:
    """Candles of the spot market on which a swap stands."""
    market = _swap(call)
    spot = call.core.market.markets.get(f"{market.base}/{market.quote}")
    if spot is None:
        raise venue_refusal("NotSupported", f"{call.name}: {market.symbol} has no index here")
    return _without_volume(_candles(call, spot))


def _without_volume(candles: list[list[float | None]]) -> list[list[float | None]]:
    return [[*candle[:5], None] for candle in candles]


def _swap(call: Call) -> Market:
    market = call.market()
    if market.settle is None:
        raise venue_refusal("BadSymbol", f"{call.name}: {market.symbol} is not a swap")
    return market


def _candles(
    call: Call, market: Market, candles_of: Callable[..., list[Candle]] | None = None
) -> list[list[float | None]]:
    timeframe = call.given.get("timeframe")
    if timeframe is None:
        timeframe = "1m"
    if not isinstance(timeframe, str) or timeframe not in TIMEFRAMES:
        raise venue_refusal(
            "BadRequest",
            f"{call.name}: timeframe: expected one of {', '.join(TIMEFRAMES)}, got {str(timeframe)[:16]!r}",
        )
    since = call.whole("since", None, 0, 2**53)
    limit = call.whole("limit", USUAL_ROWS, 1, MOST_ROWS) or USUAL_ROWS
    # It says when the last one opens: as on venues one that has closed by now is whole.
    last_ms = candle_open(timeframe, call.until())
    end = min(call.now, next_open(timeframe, last_ms) - 1)
    candles = (candles_of or call.core.market.candles)(market.symbol, timeframe, since, end, limit)
    return [
        [
            candle.open_ms,
            float(candle.open),
            float(candle.high),
            float(candle.low),
            float(candle.close),
            float(candle.volume),
        ]
        for candle in candles
    ]


def fetch_time(call: Call) -> int:
    """The venue's clock."""
    return call.now


def fetch_status(call: Call) -> dict[str, Any]:
    """Always open."""
    return {"status": "ok", "updated": call.now, "eta": None, "url": None, "info": {}}


def fetch_funding_rate(call: Call) -> dict[str, Any]:
    """The funding rate of a swap: a constant until another one is set, or the last one that was recorded.

    Of recorded ones nobody may know the next; when it comes is a guess by those before.
    """
    return _funding(call, _swap(call))


def fetch_funding_rates(call: Call) -> dict[str, dict[str, Any]]:
    """Funding rates by symbol; all swaps when none is named."""
    markets = _priced(call)
    if call.given.get("symbols") is None:
        markets = [market for market in markets if market.settle is not None]
    return {market.symbol: _funding(call, market) for market in markets}


def _funding(call: Call, market: Market) -> dict[str, Any]:
    price = float(call.core.mark_price(market.symbol, call.now))
    fundings = recorded(call.core, market)
    following, interval = _next_funding(call, market, fundings)
    after = following + interval
    newest = fundings.newest(call.now, 1) if fundings is not None else ()
    last = newest[0] if newest else None
    rate = float(funding_rate(call.core.state, market)) if fundings is None else None
    return {
        "info": {"model": "constant" if fundings is None else "recorded"},
        "symbol": market.symbol,
        "markPrice": price,
        "indexPrice": None,
        "interestRate": None,
        "estimatedSettlePrice": None,
        "timestamp": call.now,
        "datetime": format_time(call.now),
        "fundingRate": rate if last is None else float(last.rate),
        "fundingTimestamp": following,
        "fundingDatetime": format_time(following),
        "nextFundingRate": rate,
        "nextFundingTimestamp": after,
        "nextFundingDatetime": format_time(after),
        "previousFundingRate": None if last is None else float(last.rate),
        "previousFundingTimestamp": None if last is None else last.time_ms,
        "previousFundingDatetime": None if last is None else format_time(last.time_ms),
        "interval": f"{interval // _HOUR_MS}h" if interval % _HOUR_MS == 0 else f"{interval // _MINUTE_MS}m",
    }


def _next_funding(call: Call, market: Market, fundings: Fundings | None) -> tuple[int, int]:
    """When a swap is charged next, and how often, as far as anybody may know."""
    interval = market.funding_hours * _HOUR_MS
    if fundings is None:
        return next_funding(market, call.now), interval
    interval = fundings.interval_ms(call.now) or interval
    return fundings.expected(call.now, interval), interval


def fetch_funding_rate_history(call: Call) -> list[dict[str, Any]]:
    """The rates that held at past funding times, ascending: the newest without `since`, else from it."""
    market = _swap(call)
    since = call.whole("since", None, 0, 2**53)
    limit = call.whole("limit", _FUNDINGS, 1, MOST_ROWS) or _FUNDINGS
    return [
        {
            "info": {},
            "symbol": market.symbol,
            "fundingRate": float(row.rate),
            "timestamp": row.time_ms,
            "datetime": format_time(row.time_ms),
        }
        for row in past_rates(call.core, market, since, call.until(), limit)
    ]
