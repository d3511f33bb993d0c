"""What the gateway's `/ccxt` answers, which is unified already, as this exchange object's own.

The venue's ccxt object made the structure; here its numbers take the type that `exchange.number`
asks for, missing keys are added and its shape is checked, so that a poor or broken gateway gives a
clear error and not a `KeyError` in a strategy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ccxt_driver.contract.values import checked_time, parse_decimal

from .values import BadRow, Number, datetime_of

_TICKER_NUMBERS: Final = (
    "high",
    "low",
    "bid",
    "bidVolume",
    "ask",
    "askVolume",
    "vwap",
    "open",
    "close",
    "last",
    "previousClose",
    "change",
    "percentage",
    "average",
    "baseVolume",
    "quoteVolume",
    "indexPrice",
    "markPrice",
)
_KINDS: Final = ("spot", "swap", "future", "option")
_LIMITS: Final = ("amount", "price", "cost", "leverage")
_NO_LIMIT: Final = {"min": None, "max": None}
_TRADE_KEYS: Final = ("id", "order", "symbol", "type", "side", "takerOrMaker")
_LEAST: Final = 1e-18
_MOST: Final = 1e18
"""Numbers between them are within all limits of a decimal."""
_NOT_CURRENCIES: Final = frozenset({"info", "free", "used", "total", "debt", "timestamp", "datetime"})


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRow(f"expected {what} as an object, got {type(value).__name__}")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadRow(f"expected {what} as a list, got {type(value).__name__}")
    return value


def _number(value: Any, key: str, number: Number) -> Any:
    if value is None:
        return None
    if type(value) is float and number is float and (_LEAST < abs(value) < _MOST or not value):
        return value  # a float's decimal would become the same float again
    try:
        return number(parse_decimal(value))
    except ValueError as error:
        raise BadRow(f"{key}: {error}") from None


def _time(value: Any) -> int | None:
    if value is None:
        return None
    try:
        if type(value) is int:
            return checked_time(value)
    except ValueError:
        pass  # the message below says what was expected and what came
    raise BadRow(f"timestamp: expected milliseconds since the Unix epoch, got {value!r}"[:120])


def ticker(value: Any, number: Number) -> dict[str, Any]:
    """A ticker with every key of ccxt's.

    :param value: `result` of the gateway's fetch_ticker
    :param number: what makes a unified number of a decimal
    """
    source = _mapping(value, "a ticker")
    timestamp = _time(source.get("timestamp"))
    result = {
        "symbol": source.get("symbol"),
        "timestamp": timestamp,
        "datetime": source.get("datetime") or datetime_of(timestamp),
        "info": source.get("info", {}),
    }
    for key in _TICKER_NUMBERS:
        result[key] = _number(source.get(key), key, number)
    return result


def tickers(value: Any, number: Number) -> dict[str, Any]:
    """Tickers by symbol."""
    return {symbol: ticker(each, number) for symbol, each in _mapping(value, "tickers").items()}


def order_book(value: Any, number: Number) -> dict[str, Any]:
    """An order book: bids descending, asks ascending, [price, amount] each."""
    source = _mapping(value, "an order book")
    timestamp = _time(source.get("timestamp"))
    return {
        "symbol": source.get("symbol"),
        "bids": _levels(source.get("bids"), "bids", number),
        "asks": _levels(source.get("asks"), "asks", number),
        "timestamp": timestamp,
        "datetime": source.get("datetime") or datetime_of(timestamp),
        "nonce": source.get("nonce"),
    }


def _levels(value: Any, key: str, number: Number) -> list[list[Any]]:
    if not isinstance(value, list):
        raise BadRow(f"{key}: expected a list, got {type(value).__name__}")
    levels = []
    for level in value:
        if not isinstance(level, list | tuple) or len(level) < 2 or level[0] is None or level[1] is None:
            raise BadRow(f"{key}: expected levels as [price, amount]")
        levels.append([_number(level[0], key, number), _number(level[1], key, number)])
    return levels


def candles(value: Any, number: Number) -> list[list[Any]]:
    """Candles as [milliseconds, open, high, low, close, volume], ascending."""
    rows = []
    for candle in _list(value, "candles"):
        if not isinstance(candle, list) or len(candle) < 6 or candle[0] is None:
            raise BadRow("expected candles as [timestamp, open, high, low, close, volume]")
        rows.append([_time(candle[0]), *[_number(part, "candle", number) for part in candle[1:6]]])
    rows.sort(key=lambda candle: candle[0])
    return rows


def trades(value: Any, number: Number) -> list[dict[str, Any]]:
    """Public trades, ascending in time."""
    rows = [_public_trade(_mapping(trade, "a trade"), number) for trade in _list(value, "trades")]
    rows.sort(key=lambda trade: trade["timestamp"] or 0)
    return rows


def _public_trade(source: dict[str, Any], number: Number) -> dict[str, Any]:
    timestamp = _time(source.get("timestamp"))
    result: dict[str, Any] = {"info": source.get("info", {})}
    for key in _TRADE_KEYS:
        result[key] = source.get(key)
    result["timestamp"] = timestamp
    result["datetime"] = source.get("datetime") or datetime_of(timestamp)
    for key in ("price", "amount", "cost"):
        result[key] = _number(source.get(key), key, number)
    result["fee"] = source.get("fee")
    result["fees"] = source.get("fees") or []
    return result


def markets(value: Any) -> list[dict[str, Any]]:
    """Markets as a list; `load_markets` of a gateway answers a dictionary by symbol."""
    source: Iterable[Any] = value.values() if isinstance(value, dict) else _list(value, "markets")
    return [_market(_mapping(market, "a market")) for market in source]


def _market(source: dict[str, Any]) -> dict[str, Any]:
    """A market with the keys that ccxt and programs read without asking whether they are there."""
    symbol = source.get("symbol")
    if not isinstance(symbol, str):
        raise BadRow("symbol: a market without a symbol")
    kinds = {kind: source.get("type") == kind for kind in _KINDS if source.get(kind) is None}
    limits = source.get("limits") or {}
    return {
        "id": symbol,
        **source,
        **kinds,
        "precision": {"amount": None, "price": None, **(source.get("precision") or {})},
        "limits": {**limits, **{kind: _NO_LIMIT for kind in _LIMITS if not limits.get(kind)}},
    }


def balance(value: Any, number: Number) -> dict[str, Any]:
    """A balance: by currency, and as `free`, `used`, `total`; as `debt`, too, where the venue tells of any.

    :param value: `result` of the gateway's fetch_balance
    :param number: what makes a unified number of a decimal
    """
    source = _mapping(value, "a balance")
    result: dict[str, Any] = {"info": source.get("info", {})}
    for key in ("timestamp", "datetime"):
        result[key] = source.get(key)
    sums: dict[str, dict[str, Any]] = {"free": {}, "used": {}, "total": {}}
    for currency, amounts in source.items():
        if currency in _NOT_CURRENCIES or not isinstance(amounts, dict):
            continue
        told = ("free", "used", "total", *(("debt",) if amounts.get("debt") is not None else ()))
        own = {key: _number(amounts.get(key), f"{currency}.{key}", number) for key in told}
        result[currency] = own
        for key, amount in own.items():
            sums.setdefault(key, {})[currency] = amount
    result.update(sums)
    return result


def trading_fee(value: Any, number: Number) -> dict[str, Any]:
    """A trading fee with every key of ccxt's; rates as parts of 1."""
    source = _mapping(value, "a trading fee")
    return {
        "info": source.get("info", {}),
        "symbol": source.get("symbol"),
        "maker": _number(source.get("maker"), "maker", number),
        "taker": _number(source.get("taker"), "taker", number),
        "percentage": source.get("percentage"),
        "tierBased": source.get("tierBased"),
    }


def trading_fees(value: Any, number: Number) -> dict[str, Any]:
    """Trading fees by symbol."""
    source = _mapping(value, "trading fees")
    return {symbol: trading_fee(each, number) for symbol, each in source.items() if isinstance(each, dict)}
