"""Reading single fields of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal, InvalidOperation, getcontext, setcontext
from typing import Any, Final

from ccxt_driver.contract.values import checked_time, format_decimal, format_time, parse_decimal, parse_time

Number = Callable[[Decimal], Any]
"""Turns an exact decimal into what `exchange.number` asks for."""

ZERO: Final = Decimal(0)
USUAL: Final = Context(prec=28)
"""Python's usual decimal context: a program may have set another in its thread."""
BEYOND_IDS: Final = 2**63


def in_usual_context(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in the usual context."""
    before = getcontext()
    setcontext(USUAL)
    try:
        return function(*args)
    finally:
        setcontext(before)


def number_maker(kind: Any) -> Number:
    """The converter for `exchange.number`.

    :param kind: float (ccxt's default), str, or Decimal
    :returns: a function of a Decimal
    """
    if kind is float:
        return float
    if kind is str:
        return format_decimal
    return lambda value: kind(format_decimal(value))


def ratio(part: Decimal, whole: Decimal, places: int) -> Decimal:
    """One amount by another, rounded.

    :param whole: not zero
    :param places: behind the point
    """
    return rounded(part / whole, places)


def rounded(value: Decimal, places: int) -> Decimal:
    """A decimal with so many places behind the point."""
    try:
        return round(value, places)
    except InvalidOperation:  # more digits than decimals keep: there are none to round
        return value


class BadRow(ValueError):
    """A row that is not of the contract; the message names the field."""


def decimal_of(row: Mapping[str, Any], key: str) -> Decimal | None:
    """A decimal field, None when null or missing."""
    value = row.get(key)
    if value is None:
        return None
    try:
        return parse_decimal(value)
    except ValueError as error:
        raise BadRow(f"{key}: {error}") from None


def needed_decimal(row: Mapping[str, Any], key: str) -> Decimal:
    """A decimal field that must be there."""
    value = row.get(key)
    if value is None:
        raise BadRow(f"{key}: expected a decimal string, got nothing")
    try:
        return parse_decimal(value)
    except ValueError as error:
        raise BadRow(f"{key}: {error}") from None


def number_of(row: Mapping[str, Any], key: str, number: Number) -> Any:
    """A decimal field as a unified number, None when null or missing."""
    value = row.get(key)
    if value is None:
        return None
    try:
        exact = parse_decimal(value)
    except ValueError as error:
        raise BadRow(f"{key}: {error}") from None
    return number(exact)


def time_of(row: Mapping[str, Any], key: str, utc_offset_ms: int) -> int | None:
    """A time field as milliseconds since the Unix epoch, None when null or missing."""
    value = row.get(key)
    if value is None:
        return None
    try:
        return checked_time(value) if type(value) is int else parse_time(value, utc_offset_ms)
    except ValueError as error:
        raise BadRow(f"{key}: {error}") from None


def needed_time(row: Mapping[str, Any], key: str, utc_offset_ms: int) -> int:
    """A time field that must be there."""
    value = time_of(row, key, utc_offset_ms)
    if value is None:
        raise BadRow(f"{key}: expected an ISO 8601 time, got nothing")
    return value


def datetime_of(milliseconds: int | None) -> str | None:
    """ccxt's `datetime` of a time."""
    return None if milliseconds is None else format_time(milliseconds)


def id_of(row: Mapping[str, Any], key: str) -> str:
    """The row's own id, as ccxt's string."""
    value = row.get(key)
    if type(value) is not int or not 0 < value < BEYOND_IDS:
        raise BadRow(f"{key}: expected a positive integer, got {value!r}"[:120])
    return str(value)


def reference_of(row: Mapping[str, Any], key: str) -> str | None:
    """An id of another row as ccxt's string; None for null and for the contract's 0."""
    value = row.get(key)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < BEYOND_IDS:
        raise BadRow(f"{key}: expected an id or 0, got {value!r}"[:120])
    return str(value) if value else None


def text_of(row: Mapping[str, Any], key: str) -> str:
    """A text field that must be there."""
    value = row.get(key)
    if not isinstance(value, str):
        raise BadRow(f"{key}: expected a text, got {value!r}"[:120])
    return value


def optional_text_of(row: Mapping[str, Any], key: str) -> str | None:
    """A text field, None when null or missing."""
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise BadRow(f"{key}: expected a text or null, got {value!r}"[:120])
    return value


def flag_of(row: Mapping[str, Any], key: str) -> bool | None:
    """A boolean field, None when null or missing."""
    value = row.get(key)
    if value is not None and not isinstance(value, bool):
        raise BadRow(f"{key}: expected true, false or null, got {value!r}"[:120])
    return value


def choice_of(row: Mapping[str, Any], key: str, choices: Mapping[str, Any]) -> Any:
    """A field whose values are listed."""
    value = row.get(key)
    try:
        return choices[value]  # type: ignore[index]  # what is not a key of the table is refused below
    except (KeyError, TypeError):
        expected = ", ".join(choices)
        raise BadRow(f"{key}: expected one of {expected}, got {value!r}"[:300]) from None


SIDES: Final = {"buy": "buy", "sell": "sell"}
