"""Order rows as ccxt orders."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from .trade import PLAIN, Terms, fee_structure, fill_from_row, total_fees
from .values import (
    SIDES,
    ZERO,
    Number,
    choice_of,
    datetime_of,
    decimal_of,
    flag_of,
    id_of,
    needed_decimal,
    needed_time,
    number_of,
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
    quantity = needed_decimal(row, "qty")
    filled = decimal_of(row, "filled_qty") or ZERO
    average = decimal_of(row, "avg_fill_price") or None
    status = choice_of(row, "status", STATUSES)
    created_at = needed_time(row, "created_at", utc_offset_ms)
    updated_at = time_of(row, "updated_at", utc_offset_ms)
    closed_at = time_of(row, "closed_at", utc_offset_ms)
    order_type = text_of(row, "order_type")
    post_only = flag_of(row, "post_only")
    price = decimal_of(row, "price") or (average if order_type == "market" else None)
    cost = _cost(filled, average, number, terms) if average else None if filled else ZERO
    order = {
        "info": row,
        "id": id_of(row, "id"),
        "clientOrderId": optional_text_of(row, "client_order_id"),
        "timestamp": created_at,
        "datetime": datetime_of(created_at),
        "lastTradeTimestamp": closed_at if status == "closed" else None,
        "lastUpdateTimestamp": updated_at,
        "status": status,
        "symbol": text_of(row, "symbol"),
        "type": order_type,
        "timeInForce": _time_in_force(optional_text_of(row, "time_in_force"), order_type, post_only),
        "postOnly": post_only,
        "reduceOnly": flag_of(row, "reduce_only"),
        "side": choice_of(row, "side", SIDES),
        "price": None if price is None else number(price),
        "triggerPrice": number_of(row, "trigger_price", number),
        "stopLossPrice": number_of(row, "stop_price", number),
        "takeProfitPrice": number_of(row, "take_profit_price", number),
        "amount": number(quantity),
        "cost": None if cost is None else number(cost),
        "average": None if average is None else number(average),
        "filled": number(filled),
        "remaining": number(quantity - filled if quantity > filled else ZERO),
        "trades": [],
        "fee": None,
        "fees": [],
    }
    order["stopPrice"] = order["triggerPrice"]  # ccxt's old name of the same thing
    if deals:
        _add_deals(order, filled, average, deals, number, terms, utc_offset_ms)
    elif filled:
        fee, currency = decimal_of(row, "fee"), optional_text_of(row, "fee_currency")
        charged_on = None
        if cost is not None and currency is not None:
            charged_on = terms.charged_on(order["symbol"], currency, filled, cost)
        _set_fees(order, fee_structure(fee, currency, charged_on, number))
    return order


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
    fees = total_fees(fills, number)
    order["fees"] = fees
    order["fee"] = dict(fees[0]) if len(fees) == 1 else None
