"""Order rows as ccxt orders."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

from ccxt_driver.contract.values import format_time, parse_decimal_text, parse_time_text

from .trade import PLAIN, Terms, charged_in, fee_structure, fill_from_row, total_fees
from .values import (
    BEYOND_IDS,
    SIDES,
    ZERO,
    Number,
    choice_of,
    decimal_of,
    flag_of,
    id_of,
    needed_decimal,
    needed_time,
    optional_text_of,
    rounded,
    text_of,
    time_of,
)

STATUSES: Final = {
    "PENDING_SUBMIT": "open",
    "SUBMITTED": "open",
    "PARTIALLY_FILLED": "open",
    "FILLED": "closed",
    "CANCELED": "canceled",
    "REJECTED": "rejected",
}
"""ccxt's status of the contract's."""

_AVERAGE_PLACES: Final = 18
"""To which an OMS rounds what has no exact decimal form."""
_MOST_PRICE_PLACES: Final = 12
"""An average with more is no price of a market: it was divided."""


def order_from_row(
    row: dict[str, Any],
    number: Number,
    terms: Terms = PLAIN,
    utc_offset_ms: int = 0,
    deals: Sequence[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """One order row as ccxt's order structure.

    :param row: an order row of the contract
    :param number: what makes a unified number of a decimal
    :param terms: of the row's market
    :param utc_offset_ms: for times without a zone
    :param deals: all deal rows of the order, when the caller has them: they give `trades`, exact
        cost and fees, and `lastTradeTimestamp`
    :returns: every key of ccxt's order; ids are strings of OMS ids
    :raises BadRow: the row is not of the contract
    """
    columns = _read_at_once(row, utc_offset_ms) or _read_one_by_one(row, utc_offset_ms)
    return _order(row, number, terms, utc_offset_ms, deals, *columns)


def _order(
    row: dict[str, Any],
    number: Number,
    terms: Terms,
    utc_offset_ms: int,
    deals: Sequence[dict[str, Any]] | None,
    quantity: Decimal,
    filled: Decimal | None,
    average: Decimal | None,
    price: Decimal | None,
    trigger_price: Decimal | None,
    stop_price: Decimal | None,
    take_profit: Decimal | None,
    attached_loss: Decimal | None,
    attached_gain: Decimal | None,
    status: str,
    side: str,
    created_at: int,
    updated_at: int | None,
    closed_at: int | None,
    order_id: int | str,
    symbol: str,
    order_type: str,
    client_order_id: str | None,
    time_in_force: str | None,
    post_only: bool | None,
    reduce_only: bool | None,
) -> dict[str, Any]:
    filled = filled or ZERO
    average = average or None
    if not price:
        price = average if order_type == "market" else None
    cost = None if deals else _cost_of_row(filled, average, number, terms)
    if stop_price is None:
        stop_price = attached_loss or None
    if take_profit is None:
        take_profit = attached_gain or None
    trigger = None if trigger_price is None else number(trigger_price)
    order = {
        "info": row,
        "id": str(order_id),
        "clientOrderId": client_order_id,
        "timestamp": created_at,
        "datetime": format_time(created_at),
        "lastTradeTimestamp": closed_at if status == "closed" else None,
        "lastUpdateTimestamp": updated_at,
        "status": status,
        "symbol": symbol,
        "type": order_type,
        "timeInForce": _time_in_force(time_in_force, order_type, post_only),
        "postOnly": post_only,
        "reduceOnly": reduce_only,
        "side": side,
        "price": None if price is None else number(price),
        "triggerPrice": trigger,
        "stopLossPrice": None if stop_price is None else number(stop_price),
        "takeProfitPrice": None if take_profit is None else number(take_profit),
        "amount": number(quantity),
        "cost": None if cost is None else number(cost),
        "average": None if average is None else number(average),
        "filled": number(filled),
        "remaining": number(quantity - filled if quantity > filled else ZERO),
        "trades": [],
        "fee": None,
        "fees": [],
        "stopPrice": trigger,  # ccxt's old name of the same thing
    }
    if deals:
        _add_deals(order, filled, average, deals, number, terms, utc_offset_ms)
    elif filled:
        fee, currency = decimal_of(row, "fee"), optional_text_of(row, "fee_currency")
        charged_on = None
        if cost is not None and currency is not None:
            charged_on = terms.charged_on(order["symbol"], currency, filled, cost)
        _set_fees(order, fee_structure(fee, currency, charged_on, number))
    elif status != "open":
        currency = optional_text_of(row, "fee_currency") or charged_in(symbol, terms.inverse)
        fee = None if row.get("fee") == "0" else decimal_of(row, "fee")
        _set_fees(order, fee_structure(fee or ZERO, currency, None, number))
    return order


_COLUMNS: Final = itemgetter(
    *("qty", "filled_qty", "avg_fill_price", "price", "trigger_price", "stop_price", "take_profit_price"),
    *("stop_loss", "stop_gain", "status", "side", "created_at", "updated_at", "closed_at"),
    *("id", "symbol", "order_type", "client_order_id", "time_in_force", "post_only", "reduce_only"),
)


def _read_at_once(row: dict[str, Any], utc_offset_ms: int) -> tuple[Any, ...] | None:
    """The columns of a row with all of them in their usual types, such as the embedded OMS makes.

    :returns: None of any other row: `_read_one_by_one` reads it, or says what is wrong with it
    """
    try:
        (
            quantity,
            filled,
            average,
            price,
            trigger_price,
            stop_price,
            take_profit,
            attached_loss,
            attached_gain,
            status,
            side,
            created_at,
            updated_at,
            closed_at,
            order_id,
            symbol,
            order_type,
            client_order_id,
            time_in_force,
            post_only,
            reduce_only,
        ) = _COLUMNS(row)
        if (
            type(order_id) is not int
            or not 0 < order_id < BEYOND_IDS
            or type(symbol) is not str
            or type(order_type) is not str
            or (client_order_id is not None and type(client_order_id) is not str)
            or (time_in_force is not None and type(time_in_force) is not str)
            or (post_only is not None and type(post_only) is not bool)
            or (reduce_only is not None and type(reduce_only) is not bool)
        ):
            return None
        return (
            parse_decimal_text(quantity),
            None if filled is None else parse_decimal_text(filled),
            None if average is None else parse_decimal_text(average),
            None if price is None else parse_decimal_text(price),
            None if trigger_price is None else parse_decimal_text(trigger_price),
            None if stop_price is None else parse_decimal_text(stop_price),
            None if take_profit is None else parse_decimal_text(take_profit),
            None if attached_loss is None else parse_decimal_text(attached_loss),
            None if attached_gain is None else parse_decimal_text(attached_gain),
            STATUSES[status],
            SIDES[side],
            parse_time_text(created_at, utc_offset_ms),
            None if updated_at is None else parse_time_text(updated_at, utc_offset_ms),
            None if closed_at is None else parse_time_text(closed_at, utc_offset_ms),
            order_id,
            symbol,
            order_type,
            client_order_id,
            time_in_force,
            post_only,
            reduce_only,
        )
    except (KeyError, TypeError, ValueError):
        return None


def _read_one_by_one(row: dict[str, Any], utc_offset_ms: int) -> tuple[Any, ...]:
    """As `_read_at_once`, of any row.

    :raises BadRow: the row is not of the contract
    """
    return (
        needed_decimal(row, "qty"),
        decimal_of(row, "filled_qty"),
        decimal_of(row, "avg_fill_price"),
        decimal_of(row, "price"),
        decimal_of(row, "trigger_price"),
        decimal_of(row, "stop_price"),
        decimal_of(row, "take_profit_price"),
        decimal_of(row, "stop_loss"),
        decimal_of(row, "stop_gain"),
        choice_of(row, "status", STATUSES),
        choice_of(row, "side", SIDES),
        needed_time(row, "created_at", utc_offset_ms),
        time_of(row, "updated_at", utc_offset_ms),
        time_of(row, "closed_at", utc_offset_ms),
        id_of(row, "id"),
        text_of(row, "symbol"),
        text_of(row, "order_type"),
        optional_text_of(row, "client_order_id"),
        optional_text_of(row, "time_in_force"),
        flag_of(row, "post_only"),
        flag_of(row, "reduce_only"),
    )


def _cost_of_row(filled: Decimal, average: Decimal | None, number: Number, terms: Terms) -> Decimal | None:
    """The cost as far as the row alone tells it."""
    if average is None:
        return None if filled else ZERO
    return _cost(filled, average, number, terms)


def _cost(filled: Decimal, average: Decimal, number: Number, terms: Terms) -> Decimal:
    """What was filled at its average: without what the average lost when it was rounded."""
    cost = terms.cost(filled, average)
    if number is float or terms.inverse or -int(average.as_tuple().exponent) <= _MOST_PRICE_PLACES:
        return cost  # exact, or a float does not see it
    return rounded(cost, _AVERAGE_PLACES - 1 - (filled * terms.contract_size).adjusted())


def _time_in_force(given: str | None, order_type: str, post_only: bool | None) -> str | None:
    """ccxt calls post-only orders PO, and says IOC of market orders."""
    if post_only:
        return "PO"
    if order_type == "market" and given in (None, "GTC"):
        return "IOC"
    return given


def _set_fees(order: dict[str, Any], structure: dict[str, Any] | None) -> None:
    if structure is not None:
        order["fee"] = structure
        order["fees"] = [dict(structure)]


def _add_deals(
    order: dict[str, Any],
    filled: Decimal,
    average: Decimal | None,
    deals: Sequence[dict[str, Any]],
    number: Number,
    terms: Terms,
    utc_offset_ms: int,
) -> None:
    """What only the deals tell: trades, exact cost and average, fees per currency, the last fill."""
    fills = [fill_from_row(deal, number, terms, utc_offset_ms) for deal in deals]
    if len(fills) > 1:
        fills.sort(key=lambda fill: (fill.trade["timestamp"], int(fill.trade["id"])))
    order["trades"] = [fill.trade for fill in fills]
    order["lastTradeTimestamp"] = fills[-1].trade["timestamp"]
    quantity = cost = ZERO
    for fill in fills:
        quantity += fill.quantity
        cost += fill.cost
    if quantity and cost and (quantity == filled or average is None):
        size = quantity * terms.contract_size
        exact = size / cost if terms.inverse else cost / size
        average = rounded(exact, _AVERAGE_PLACES) or exact
        order["average"] = number(average)
        if order["type"] == "market":
            order["price"] = order["average"]
        # Row and deals may be read at different moments: filled, average and cost agree all the same.
        order["cost"] = number(cost if quantity == filled else _cost(filled, average, number, terms))
    else:
        of_row = _cost_of_row(filled, average, number, terms)
        order["cost"] = None if of_row is None else number(of_row)
    fees = total_fees(fills, number)
    order["fees"] = fees
    order["fee"] = dict(fees[0]) if len(fees) == 1 else None
