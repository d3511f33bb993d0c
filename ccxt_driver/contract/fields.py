"""Types of fields in the pydantic models: decimals, times and ids as the wire has them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from .values import LAST_MS, checked_time, format_decimal, format_time, parse_decimal, parse_time

_DECIMAL_PATTERN: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?$"

_WRITTEN_DECIMAL: Final = WithJsonSchema(
    {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}, mode="serialization"
)

DecimalText = Annotated[
    Decimal,
    BeforeValidator(parse_decimal),
    PlainSerializer(format_decimal, return_type=str),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": _DECIMAL_PATTERN}, {"type": "number"}]}, mode="validation"
    ),
    _WRITTEN_DECIMAL,
]
"""A decimal in Python, a string without exponent on the wire."""


def _positive_decimal(value: object) -> Decimal:
    number = parse_decimal(value)
    if number <= 0:
        raise ValueError("expected a decimal above 0")
    return number


PositiveDecimal = Annotated[
    Decimal,
    BeforeValidator(_positive_decimal),
    PlainSerializer(format_decimal, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _DECIMAL_PATTERN.replace("[+-]?", "[+]?", 1)},
                {"type": "number", "exclusiveMinimum": 0},
            ]
        },
        mode="validation",
    ),
    _WRITTEN_DECIMAL,
]
"""As DecimalText, above zero."""


def _time_in(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return checked_time(value)
    return parse_time(value)


TimeText = Annotated[
    int,
    BeforeValidator(_time_in),
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0, "maximum": LAST_MS}]},
        mode="validation",
    ),
]
"""Milliseconds since the Unix epoch in Python, ISO 8601 in UTC on the wire."""

Id = Annotated[int, Field(strict=True, gt=0, lt=2**63)]
"""An OMS id on the wire. (ccxt's unified structures carry it as a string.)"""

IdOrZero = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
"""An OMS id, or 0 for none / resolve automatically."""

Flag = Annotated[bool, Field(strict=True)]
"""true or false, and not 1 or "yes"."""
