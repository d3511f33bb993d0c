"""The usual commands read without pydantic: the same objects as it makes, in half the time.

Only what is plainly as it should be is read here. Everything else, good or bad, is pydantic's: it alone
says what a command may be, and what is wrong with one.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from .commands import CancelOrder, CommandName, SendOrder, Side
from .values import parse_decimal_text

ZERO: Final = Decimal(0)
_BEYOND_IDS: Final = 2**63
_SIDES: Final = {side.value: side for side in Side}
_TYPES: Final = ("market", "limit")


def _defaults(kind: type[BaseModel]) -> dict[str, Any]:
    """Of a payload that gives nothing, in the order of the class."""
    return {
        name: None if field.is_required() else field.get_default(call_default_factory=True)
        for name, field in kind.model_fields.items()
    }


_ORDER: Final = _defaults(SendOrder)
_CANCEL: Final = _defaults(CancelOrder)

_set: Final = object.__setattr__  # the models are frozen


class UsualCommand(NamedTuple):
    """A command of the contract in all that is read of one."""

    account_id: int
    payload: Any
    command: CommandName
    request_id: None = None


def usual_command(body: Any) -> UsualCommand | None:
    """An order of symbol, side, type, `qty` as a text, client order id and perhaps a price; or its end.

    :returns: with the payload that `COMMAND` makes of the body; None for anything else, to be validated
    """
    if type(body) is not dict or len(body) != 3:
        return None
    try:
        account_id, payload = body["account_id"], body["payload"]
        usual = _USUAL.get(body["command"])
        if usual is None or type(account_id) is not int or type(payload) is not dict:
            return None
        name, kind, read = usual
        fields = read(payload)
    except (KeyError, ValueError, TypeError):
        return None
    if fields is None or not 0 < account_id < _BEYOND_IDS:
        return None
    # From here on as pydantic's `model_construct`, without its loop over the fields.
    model = kind.__new__(kind)
    _set(model, "__dict__", fields)
    _set(model, "__pydantic_fields_set__", {*payload})
    _set(model, "__pydantic_extra__", None)
    _set(model, "__pydantic_private__", None)
    return UsualCommand(account_id, model, name)


def _order_fields(payload: dict[str, Any]) -> dict[str, Any] | None:
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
    fields = _ORDER | payload
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


def _cancel_fields(payload: dict[str, Any]) -> dict[str, Any] | None:
    """As `_order_fields`, of a cancellation of one order by its id alone."""
    order_id = payload["order_id"]
    if len(payload) != 1 or type(order_id) is not int or not 0 < order_id < _BEYOND_IDS:
        return None
    return _CANCEL | payload


_Usual = tuple[CommandName, type[BaseModel], Callable[[dict[str, Any]], dict[str, Any] | None]]
_USUAL: Final[dict[str, _Usual]] = {
    "send_order": (CommandName.SEND_ORDER, SendOrder, _order_fields),
    "cancel_order": (CommandName.CANCEL_ORDER, CancelOrder, _cancel_fields),
}
