"""ccxt's unified structures, key by key, with exact types: what ccxt's own validators do not look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

Check = Callable[[Any, type], bool]

_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _number(value: Any, kind: type) -> bool:
    """Of exactly the kind that `exchange.number` asks for, plain, and a number."""
    if type(value) is not kind:
        return False
    if kind is str:
        return re.fullmatch(r"-?(0|[1-9]\d*)(\.\d*[1-9])?", value) is not None
    return Decimal(str(value)).is_finite()


CHECKS: Final[dict[str, Check]] = {
    "id": lambda value, _: type(value) is str and re.fullmatch(r"[1-9]\d*", value) is not None,
    "text": lambda value, _: type(value) is str and bool(value),
    "symbol": lambda value, _: type(value) is str and "/" in value,
    "ms": lambda value, _: type(value) is int and 10**12 < value < 10**13,
    "iso": lambda value, _: type(value) is str and _ISO.fullmatch(value) is not None,
    "number": _number,
    "float": lambda value, _: _number(value, float),
    "bool": lambda value, _: type(value) is bool,
    "int": lambda value, _: type(value) is int,
    "list": lambda value, _: type(value) is list,
    "dict": lambda value, _: type(value) is dict,
    "side": lambda value, _: value in ("buy", "sell"),
    "position side": lambda value, _: value in ("long", "short"),
    "order status": lambda value, _: value in ("open", "closed", "canceled", "rejected", "expired"),
    "time in force": lambda value, _: value in ("GTC", "IOC", "FOK", "PO", "GTD"),
    "role": lambda value, _: value in ("taker", "maker"),
    "margin mode": lambda value, _: value in ("cross", "isolated"),
    "direction": lambda value, _: value in ("in", "out"),
    "none": lambda value, _: value is None,
}


def _table(**keys_of: str) -> dict[str, str]:
    """Keys by what they hold; a trailing underscore of the name means that None is fine too."""
    return {key: name.replace("__", " ") for name, keys in keys_of.items() for key in keys.split()}


ORDER: Final = _table(
    dict="info",
    id="id",
    text="clientOrderId type",
    ms="timestamp",
    iso="datetime",
    ms_="lastTradeTimestamp lastUpdateTimestamp",
    order__status="status",
    symbol="symbol",
    time__in__force="timeInForce",
    side="side",
    number="amount cost filled remaining",
    number_="price average triggerPrice stopPrice stopLossPrice takeProfitPrice",
    bool="postOnly reduceOnly",
    list="trades fees",
    dict_="fee",
)
TRADE: Final = _table(
    dict="info fee",
    id="id",
    id_="order",
    ms="timestamp",
    iso="datetime",
    symbol="symbol",
    none="type",
    side="side",
    role="takerOrMaker",
    number="price amount cost",
    list="fees",
)
PUBLIC_TRADE: Final = {**TRADE, "id": "text", "fee": "none", "takerOrMaker": "none", "order": "none"}
FEE: Final = _table(text="currency", number="cost rate")
POSITION: Final = _table(
    dict="info",
    id="id",
    symbol="symbol",
    ms="timestamp",
    iso="datetime",
    ms_="lastUpdateTimestamp",
    bool="hedged",
    position__side="side",
    number="contracts contractSize entryPrice notional realizedPnl",
    number_="""
        markPrice unrealizedPnl leverage collateral positionMargin initialMargin initialMarginPercentage
        percentage liquidationPrice stopLossPrice takeProfitPrice maintenanceMargin
        maintenanceMarginPercentage marginRatio
        """,
    margin__mode_="marginMode",
    bool_="isolated",
    none="lastPrice exitPrice",
)
TICKER: Final = _table(
    symbol="symbol",
    dict="info",
    ms="timestamp",
    iso="datetime",
    number="high low bid ask open close last change percentage average",
    number_="bidVolume askVolume vwap previousClose baseVolume quoteVolume markPrice indexPrice",
)
ORDER_BOOK: Final = _table(symbol="symbol", list="bids asks", ms="timestamp", iso="datetime", int_="nonce")
BALANCE: Final = _table(dict="info free used total", ms="timestamp", iso="datetime")
AMOUNTS: Final = _table(number="free used total")
ACCOUNT: Final = _table(id="id", text_="type name", none="code", dict="info")
LEDGER_ENTRY: Final = _table(
    dict="info fee",
    id="id account",
    ms="timestamp",
    iso="datetime",
    direction="direction",
    id_="referenceId",
    none="referenceAccount",
    text="type currency status",
    number="amount before after",
)
TRADING_FEE: Final = _table(dict="info", symbol="symbol", number="maker taker", bool="percentage tierBased")
MARKET: Final = _table(
    text="id lowercaseId base quote baseId quoteId type",
    symbol="symbol",
    bool="active spot margin swap future option contract",
    text_="settle settleId subType optionType",
    bool_="linear inverse index",
    float_="contractSize strike",
    float="taker maker",
    ms_="expiry created",
    iso_="expiryDatetime",
    dict="precision limits info marginModes",
)
CURRENCY: Final = _table(
    text="id code name type",
    float="precision",
    bool="active deposit withdraw",
    dict="info networks limits fees",
    int_="numericId",
    number_="fee",
)


def check_structure(
    structure: Any, table: Mapping[str, str], kind: type = float, extra: frozenset[str] | None = frozenset()
) -> None:
    """Hold a structure to a table: all keys, no others, exact types; times that agree.

    :param kind: what numbers must be
    :param extra: keys that may be there besides; None for any
    """
    assert type(structure) is dict, structure
    assert sorted(table.keys() - structure.keys()) == [], f"missing in {structure}"
    if extra is not None:
        assert sorted(structure.keys() - table.keys() - extra) == [], f"too many in {structure}"
    for key, what in table.items():
        value = structure[key]
        if what.endswith("_"):
            if value is None:
                continue
            what = what[:-1]
        assert CHECKS[what](value, kind), f"{key}: expected {what}, got {value!r} in {structure}"
    if structure.get("timestamp") is not None:
        assert structure["datetime"] == iso(structure["timestamp"])


def iso(milliseconds: int) -> str:
    """As ccxt writes a time."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def exact(value: Any) -> Decimal:
    """A unified number without what a float adds to it."""
    return Decimal(str(value))


def check_fees(structure: Mapping[str, Any], kind: type) -> None:
    """`fee` and `fees` say the same; each names its currency, and its rate is its share of the cost."""
    fee, fees = structure["fee"], structure["fees"]
    assert fees == ([] if fee is None else [fee])
    for each in fees:
        check_structure(each, FEE, kind)
        share = exact(each["cost"]) / exact(structure["cost"])
        assert abs(exact(each["rate"]) - share) < Decimal("0.00001")


def check_trade(trade: Mapping[str, Any], kind: type, contract_size: int = 1) -> None:
    """A private trade: the table, and cost = price * amount."""
    check_structure(trade, TRADE, kind)
    check_fees(trade, kind)
    assert exact(trade["cost"]) == exact(trade["price"]) * exact(trade["amount"]) * contract_size


def check_order(order: Mapping[str, Any], kind: type, with_trades: bool) -> None:
    """An order: the table, and that its numbers agree with each other and with its trades.

    :param with_trades: whether the method that gave it knows the trades
    """
    check_structure(order, ORDER, kind)
    amount, filled, cost = (exact(order[key]) for key in ("amount", "filled", "cost"))
    assert exact(order["remaining"]) == amount - filled
    assert order["stopPrice"] == order["triggerPrice"]
    assert (order["average"] is None) == (not filled) == (not cost)
    assert (order["fee"] is None) == (not filled and order["status"] == "open")
    if order["type"] == "market":
        assert order["price"] == order["average"]
    else:
        assert order["price"] is not None
    if order["status"] == "closed":
        assert filled == amount
    if filled:
        assert abs(exact(order["average"]) * filled - cost) <= cost * Decimal("1e-15")
        check_fees(order, kind)
    if with_trades:
        _check_trades_of(order, kind)
    else:
        assert (
            order["trades"] == [] or exact(sum(map(exact, (t["amount"] for t in order["trades"])))) == filled
        )


def _check_trades_of(order: Mapping[str, Any], kind: type) -> None:
    trades = order["trades"]
    sums = {"amount": Decimal(0), "cost": Decimal(0), "fee": Decimal(0)}
    for trade in trades:
        check_trade(trade, kind)
        assert (trade["order"], trade["symbol"], trade["side"]) == (
            order["id"],
            order["symbol"],
            order["side"],
        )
        sums["amount"] += exact(trade["amount"])
        sums["cost"] += exact(trade["cost"])
        sums["fee"] += exact(trade["fee"]["cost"])
    assert (exact(order["filled"]), exact(order["cost"])) == (sums["amount"], sums["cost"])
    if trades:
        assert exact(order["fee"]["cost"]) == sums["fee"]
        assert order["lastTradeTimestamp"] == trades[-1]["timestamp"]
        check_ascending(trades)


def check_ascending(rows: list[dict[str, Any]]) -> None:
    """By time, then by id; every row once."""
    keys = [(row["timestamp"], int(row["id"])) for row in rows]
    assert keys == sorted(set(keys))
