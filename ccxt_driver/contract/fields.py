"""Types of fields in the pydantic models: decimals, times and ids as the wire has them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer

from .values import checked_time, format_decimal, format_time, parse_decimal, parse_time

DecimalText = Annotated[
    Decimal, BeforeValidator(parse_decimal), PlainSerializer(format_decimal, return_type=str)
]
"""A decimal in Python, a string without exponent on the wire."""


def _positive_decimal(value: object) -> Decimal:
    number = parse_decimal(value)
    if number <= 0:
        raise ValueError("expected a decimal above 0")
    return number


PositiveDecimal = Annotated[
    Decimal, BeforeValidator(_positive_decimal), PlainSerializer(format_decimal, return_type=str)
]
"""As DecimalText, above zero."""


def _time_in(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return checked_time(value)
    return parse_time(value)


TimeText = Annotated[int, BeforeValidator(_time_in), PlainSerializer(format_time, return_type=str)]
"""Milliseconds since the Unix epoch in Python, ISO 8601 in UTC on the wire."""

Id = Annotated[int, Field(strict=True, gt=0, lt=2**63)]
"""An OMS id on the wire. (ccxt's unified structures carry it as a string.)"""

IdOrZero = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
"""An OMS id, or 0 for none / resolve automatically."""
