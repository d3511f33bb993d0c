"""The usual order read without pydantic: the same object as it makes, in half the time.

Only what is plainly as it should be is read here. Everything else, good or bad, is pydantic's: it alone
says what a command may be, and what is wrong with one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

from .commands import CommandName, SendOrder, Side
from .values import parse_decimal_text

ZERO: Final = Decimal(0)
_BEYOND_IDS: Final = 2**63
_SIDES: Final = {side.value: side for side in Side}
_TYPES: Final = ("market", "limit")
_FIELDS: Final[dict[str, Any]] = {
    name: None if field.is_required() else field.get_default(call_default_factory=True)
    for name, field in SendOrder.model_fields.items()
}
"""Of an order that gives nothing, in the order of the class."""

_set: Final = object.__setattr__  # the models are frozen


class UsualOrder(NamedTuple):
    """A `SendOrderCommand` in all that is read of one."""

    account_id: int
    payload: SendOrder
    command: CommandName = CommandName.SEND_ORDER
    request_id: None = None


def usual_order(body: Any) -> UsualOrder | None:
    """A `send_order` command of symbol, side, type, `qty` as a text, client order id and perhaps a price.

    :returns: with the payload that `COMMAND` makes of the body; None for anything else, to be validated
    """
    if type(body) is not dict or len(body) != 3:
        return None
    try:
        account_id, payload = body["account_id"], body["payload"]
        if body["command"] != "send_order" or type(account_id) is not int or type(payload) is not dict:
            return None
        fields = _usual_fields(payload)
    except (KeyError, ValueError, TypeError):
        return None
    if fields is None or not 0 < account_id < _BEYOND_IDS:
        return None
    # From here on as pydantic's `model_construct`, without its loop over the fields.
    order = SendOrder.__new__(SendOrder)
    _set(order, "__dict__", fields)
    _set(order, "__pydantic_fields_set__", {*payload})
    _set(order, "__pydantic_extra__", None)
    _set(order, "__pydantic_private__", None)
    return UsualOrder(account_id, order)


def _usual_fields(payload: dict[str, Any]) -> dict[str, Any] | None:
    """The fields of a usual order; None of another.

    :raises KeyError, ValueError, TypeError: it is another, too
    """
    symbol, name, qty = payload["symbol"], payload["client_order_id"], payload["qty"]
    order_type, price = payload["order_type"], payload.get("price")
    if type(symbol) is not str or type(name) is not str or type(qty) is not str:
        return None
    # ASCII: pydantic looks into other texts.
    if not (symbol.isascii() and 0 < len(symbol) <= 64 and name.isascii() and 0 < len(name) <= 128):
        return None
    fields = _FIELDS | payload
    if type(price) is str and len(payload) == 6 and order_type in _TYPES:
        fields["price"] = price = parse_decimal_text(price)
        if price <= ZERO:
            return None
    elif len(payload) != 5 or price is not None or order_type != "market":
        return None
    fields["side"] = _SIDES[payload["side"]]
    fields["qty"] = qty = parse_decimal_text(qty)
    fields["params"] = {}
    return None if qty <= ZERO or name.isspace() else fields
