"""How the OMS says no."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.values import format_decimal

_MOST_PROBLEMS: Final = 5000
"""In one refusal. A body of millions of wrong values would else be answered with a list of them all."""
_MOST_NAMES: Final = 20
"""In one message. A venue lists thousands of markets."""


class Refusal(Exception):
    """A request that is refused, with nothing done.

    :param code: of the contract
    :param message: for a person: what was wrong and what was expected
    :param details: JSON-ready
    """

    def __init__(self, code: ErrorCode, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or {}


def invalid(field: str, expected: str) -> Refusal:
    """A `validation_error` that names the field.

    :param field: path of the field, for example payload.qty
    :param expected: what it should have been
    """
    message = f"{field}: {expected}"
    return Refusal(
        ErrorCode.VALIDATION_ERROR,
        message,
        {"errors": [{"loc": field.split("."), "msg": expected, "type": "value_error"}]},
    )


def one_of(known: Collection[str], given: object) -> str:
    """What was expected in the place of a name: all that there are, of too many those that are like it."""
    if len(known) <= _MOST_NAMES:
        return f"expected one of {', '.join(sorted(known))}"
    alike = get_close_matches(str(given), known, 3)
    return f"expected one of {len(known)}" + (f", such as {', '.join(alike)}" if alike else "")


def problems(error: ValidationError) -> list[dict[str, Any]]:
    """What pydantic found, without what was sent: `loc`, `msg` and `type`; of too many only how many."""
    count = error.error_count()
    if count > _MOST_PROBLEMS:
        message = f"{count} values are not as expected: too many to list"
        return [{"loc": (), "msg": message, "type": "value_error"}]
    return [{**each} for each in error.errors(include_url=False, include_context=False, include_input=False)]


def insufficient(currency: str, required: Decimal, free: Decimal) -> Refusal:
    """`insufficient_funds`."""
    needs, has = format_decimal(required), format_decimal(max(Decimal(0), free))
    return Refusal(
        ErrorCode.INSUFFICIENT_FUNDS,
        f"required {needs} {currency}, available {has} {currency}",
        {"currency": currency, "required": needs, "available": has},
    )


def venue_refusal(ccxt_error: str, message: str) -> Refusal:
    """An `exchange_error`: the paper venue itself refuses.

    :param ccxt_error: name of the ccxt exception class
    """
    return Refusal(ErrorCode.EXCHANGE_ERROR, message, {"ccxt_error": ccxt_error})


def no_price(error: Exception) -> Refusal:
    """`market_closed`: a market that has no price yet.

    :param error: says which, and of when
    """
    return Refusal(ErrorCode.MARKET_CLOSED, str(error), {"reason": "no_price_yet"})


def bad_symbol(symbol: str) -> Refusal:
    """`bad_symbol`: a market that is not listed."""
    return Refusal(ErrorCode.BAD_SYMBOL, f"payload.symbol: {symbol} is not listed", {"symbol": symbol})
