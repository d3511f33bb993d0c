"""Rows of a gateway that lags behind its venue, corrected by what the venue itself says.

A composed row is a row of the contract like any other. What the gateway said is kept in it under
`gateway_row`, what the venue said under `venue_order` or `venue_trade`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.values import LAST_MS, format_decimal, format_time

from .values import ZERO, BadRow, Number, decimal_of, needed_decimal

_ENDED: Final = {"closed": "FILLED", "canceled": "CANCELED", "expired": "CANCELED", "rejected": "REJECTED"}
"""Order status of the contract, by ccxt's; what is not here may still change."""
_OPEN_STATUSES: Final = frozenset({"PENDING_SUBMIT", "SUBMITTED", "PARTIALLY_FILLED"})
_TYPES: Final = frozenset({"market", "limit"})
_OPTIONS: Final = {
    "postOnly": "post_only",
    "reduceOnly": "reduce_only",
    "timeInForce": "time_in_force",
    "triggerPrice": "trigger_price",
    "stopLossPrice": "stop_price",
    "takeProfitPrice": "take_profit_price",
}
"""What older gateways pass on and do not keep: ccxt's name and the row's."""
_LEAST: Final = 1e-12
_ANY: Final = Decimal("Infinity")
_LOOSE_END: Final = "the venue does not know it"


def check_venue_order(order: Mapping[str, Any]) -> None:
    """See that the fields that are read of a venue's order are of the types that ccxt gives them.

    :raises BadRow: one is not; the message names it
    """
    for name in ("id", "clientOrderId"):
        if not isinstance(order.get(name), str | int | None):
            raise BadRow(f"{name}: expected a text, got {order[name]!r}"[:200])
    for name in ("status", "symbol", "side", "type"):
        if not isinstance(order.get(name), str | None):
            raise BadRow(f"{name}: expected a text, got {order[name]!r}"[:200])
    for name in ("trades", "fees"):
        if not isinstance(order.get(name), list | None):
            raise BadRow(f"{name}: expected a list, got {order[name]!r}"[:200])
    for name in ("amount", "filled", "average", "price"):
        _said(order, name)


def has_ended(venue_order: Mapping[str, Any]) -> bool:
    """Whether an order of the venue cannot change any more."""
    return venue_order.get("status") in _ENDED


def tells_no_fill(venue_order: Mapping[str, Any]) -> bool:
    """Whether an order of the venue was cancelled, and it does not say how much had filled before."""
    return venue_order.get("status") in ("canceled", "expired") and _said(venue_order, "filled") is None


def filled_of(venue_order: Mapping[str, Any]) -> Decimal:
    """How much of an order that has ended the venue says was filled: of a closed one all, unless it says."""
    return _filled(venue_order, _said(venue_order, "amount") or _ANY) or ZERO


def was_replaced_in_vain(row: Mapping[str, Any]) -> bool:
    """Whether a change has cancelled an order, and the gateway was told of none in its place."""
    return row.get("edit_replace_state") == "create_failed"


def never_arrived(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose order the venue refused or never got: rejected."""
    return {**row, "status": "REJECTED", "reject_reason": row.get("reject_reason") or _LOOSE_END}


def composed_order(
    row: Mapping[str, Any], venue_order: Mapping[str, Any] | None, deals: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """An order row as it truly is.

    :param row: as the gateway has it
    :param venue_order: ccxt's order structure, as the venue has it; None when it was not asked
    :param deals: deal rows of the order, as far as they are known
    :returns: a row of the contract, whose status and filled quantity say at least what any source says
    :raises BadRow: the row, or a deal, is not of the contract
    """
    venue = venue_order or {}
    quantity = _said(venue, "amount") or needed_decimal(row, "qty")
    sums = [needed_decimal(deal, "qty") for deal in deals]
    known = (decimal_of(row, "filled_qty"), _filled(venue, quantity), sum(sums, ZERO))
    filled = max(each or ZERO for each in known)
    status = _status(row, venue, filled, quantity)
    average = _average(venue, filled) or decimal_of(row, "avg_fill_price")
    price = _said(venue, "price") if row.get("order_type") != "market" else None
    changes: dict[str, Any] = {
        "qty": format_decimal(quantity),
        "status": status,
        "filled_qty": format_decimal(filled),
        "avg_fill_price": None if average is None else format_decimal(average),
    }
    if price:
        changes["price"] = format_decimal(price)
    moved = _moment(venue, "lastTradeTimestamp") or _moment(venue, "lastUpdateTimestamp")
    if status not in _OPEN_STATUSES and row.get("closed_at") is None and moved is not None:
        changes["closed_at"] = format_time(moved)
    if row.get("reason") == "external" and venue.get("type") in _TYPES:  # such rows say market, always
        changes["order_type"] = venue["type"]
    cost, currency = _fee(venue.get("fee"))
    if row.get("fee") is None and cost is not None:
        changes["fee"], changes["fee_currency"] = format_decimal(cost), currency
    for theirs, ours in _OPTIONS.items():
        value = venue.get(theirs)
        if row.get(ours) is None and value is not None:
            changes[ours] = value if isinstance(value, bool | str) else _text(venue, theirs)
    return {**row, **changes, "gateway_row": dict(row), "venue_order": venue_order}


def finish_order(order: dict[str, Any], venue_order: Mapping[str, Any], number: Number) -> None:
    """What a composed order has of the venue that no column of a row can say.

    :param order: ccxt's order structure made of the composed row; it is changed
    :param number: what makes a unified number of a decimal
    """
    if venue_order.get("status") == "expired" and order["status"] == "canceled":
        order["status"] = "expired"
    if order["trades"]:
        return
    order["lastTradeTimestamp"] = _moment(venue_order, "lastTradeTimestamp") or order["lastTradeTimestamp"]
    fees = [
        (cost, currency) for cost, currency in map(_fee, venue_order.get("fees") or []) if cost is not None
    ]
    if len(fees) > 1:
        order["fee"] = None
        order["fees"] = [
            {"currency": currency, "cost": number(cost), "rate": None} for cost, currency in fees
        ]


def composed_deal(row: Mapping[str, Any], venue_trade: Mapping[str, Any] | None) -> dict[str, Any]:
    """A deal row with the time at which the venue traded, not the one at which the gateway learned of it.

    :param row: as the gateway has it
    :param venue_trade: ccxt's trade structure, as the venue has it; None when it is not known
    :returns: a row of the contract
    """
    if venue_trade is None:
        return dict(row)
    changes: dict[str, Any] = {}
    traded = _moment(venue_trade, "timestamp")
    if traded is not None:
        changes["executed_at"] = format_time(traded)
    if row.get("maker") is None and venue_trade.get("takerOrMaker") in ("maker", "taker"):
        changes["maker"] = venue_trade["takerOrMaker"] == "maker"
    cost, currency = _fee(venue_trade.get("fee"))
    if not decimal_of(row, "fee") and cost and currency:
        changes["fee"], changes["fee_currency"] = format_decimal(cost), currency
    return {**row, **changes, "gateway_row": dict(row), "venue_trade": dict(venue_trade)}


def _status(
    row: Mapping[str, Any], venue: Mapping[str, Any], filled: Decimal, quantity: Decimal
) -> str | None:
    said = venue.get("status")
    if said in _ENDED:
        return "FILLED" if filled >= quantity and said != "rejected" else _ENDED[said]
    # The venue took it, and may take a moment to show it.
    cancelled = row.get("status") == "CANCELED" and not was_replaced_in_vain(row)
    status = "SUBMITTED" if said == "open" and not cancelled else row.get("status")
    if status in _OPEN_STATUSES and filled:
        return "FILLED" if filled >= quantity else "PARTIALLY_FILLED"
    return status


def _filled(venue: Mapping[str, Any], quantity: Decimal) -> Decimal | None:
    filled = _said(venue, "filled")
    return quantity if filled is None and venue.get("status") == "closed" else filled


def _average(venue: Mapping[str, Any], filled: Decimal) -> Decimal | None:
    average = _said(venue, "average")
    if average or not filled:
        return average or None
    return _said(venue, "price") or None  # of a limit order, as near as the venue tells


def _fee(fee: Any) -> tuple[Decimal | None, Any]:
    """Cost and currency of ccxt's fee structure."""
    return (_said(fee, "cost"), fee.get("currency")) if isinstance(fee, Mapping) else (None, None)


def _said(venue: Mapping[str, Any], key: str) -> Decimal | None:
    """A number of the venue's; what is left of a float's rounding has more places than any amount."""
    value = venue.get(key)
    if isinstance(value, float) and 0 < abs(value) < _LEAST:
        value = f"{value:.30f}"
    return decimal_of({key: value}, key)


def _moment(venue: Mapping[str, Any], key: str) -> int | None:
    """A time of the venue's, milliseconds; None when it is not there, or is none: 0, or in microseconds."""
    value = venue.get(key)
    return value if isinstance(value, int) and 0 < value <= LAST_MS else None


def _text(venue: Mapping[str, Any], key: str) -> str:
    return format_decimal(_said(venue, key) or ZERO)
