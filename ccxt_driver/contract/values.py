"""Exact values on the wire: decimals as strings, times as ISO 8601 in UTC.

Inside the project a decimal is `decimal.Decimal` and a time is an `int` of
milliseconds since the Unix epoch; the wire forms live in this module only. It does without
pydantic, so that the driver starts quickly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

# Money has neither 10**30 units nor 30 decimals; without a bound "1E+999999999" would be
# expanded to a gigabyte of digits when it is written without an exponent.
_MOST_PLACES = 30
_LONGEST_TEXT = 2 * _MOST_PLACES + 4
_TOO_MANY_PLACES = f"expected a decimal of at most {_MOST_PLACES} places either side of the point"
_DECIMAL_FORM = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,9})?", re.ASCII)
_NUMBERS = (int, float, Decimal)  # a union of them would be made anew at each call

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000
LAST_MS = 253_402_300_799_999
"""The last moment of the year 9999: what `datetime` can write."""


def parse_decimal(value: object) -> Decimal:
    """Read a wire decimal.

    :param value: a string (scientific notation and trailing zeros allowed), int, float or
        Decimal; a float is read by its shortest representation, so 0.1 is Decimal("0.1")
    :returns: a finite Decimal
    :raises ValueError: not a number, not finite, or beyond 30 places either side of the point
    """
    if isinstance(value, str):
        return parse_decimal_text(value)
    if isinstance(value, _NUMBERS) and not isinstance(value, bool):
        return parse_decimal_text(str(value))
    raise ValueError(f"expected a decimal string, got {type(value).__name__}")


@lru_cache(maxsize=1024)  # the quantity and the price of one order come again in its deals and answers
def parse_decimal_text(text: str) -> Decimal:
    """As `parse_decimal`, of a string."""
    if len(text) > _LONGEST_TEXT:
        raise ValueError(_TOO_MANY_PLACES)
    # Python reads more than JSON writes: underscores, blanks, digits of other scripts, NaN.
    if not _DECIMAL_FORM.fullmatch(text):
        raise ValueError(f"expected a decimal string, got {text[:40]!r}")
    number = Decimal(text)
    if not -_MOST_PLACES <= number.adjusted() <= _MOST_PLACES:
        raise ValueError(_TOO_MANY_PLACES)
    return number


def format_decimal(value: Decimal) -> str:
    """Write a decimal for the wire: no exponent, no trailing zeros, no negative zero.

    :param value: a finite Decimal
    :returns: for example "0.01" or "25000"
    """
    # On the path of every row several times over, hence the two short ways out. A cache would cost
    # more: the hash of a decimal that was just computed takes longer than to write it.
    if not value:
        return "0"
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    if text[-1] == "0" and "." in text:
        return text.rstrip("0").rstrip(".")
    return text


def parse_time(value: object, utc_offset_ms: int = 0) -> int:
    """Read a wire time.

    :param value: ISO 8601; without a zone it is UTC shifted by `utc_offset_ms`; a space for
        the T and whole seconds are accepted
    :param utc_offset_ms: how far the writer's clock is ahead of UTC, for times without a zone
    :returns: milliseconds since the Unix epoch
    :raises ValueError: not such a string, or not of the years 1970 to 9999
    """
    if not isinstance(value, str):
        raise ValueError(f"expected an ISO 8601 time, got {type(value).__name__}")
    return parse_time_text(value, utc_offset_ms)


@lru_cache(maxsize=256)  # the times of one order and its deals are mostly the same
def parse_time_text(text: str, utc_offset_ms: int) -> int:
    """As `parse_time`, of a string."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expected an ISO 8601 time, got {text[:40]!r}") from None
    if moment.tzinfo is None:
        return checked_time(round(moment.replace(tzinfo=UTC).timestamp() * 1000) - utc_offset_ms)
    return checked_time(round(moment.timestamp() * 1000))


def checked_time(milliseconds: int) -> int:
    """Hold a time to what can be written.

    :param milliseconds: since the Unix epoch
    :returns: the same
    :raises ValueError: not of the years 1970 to 9999
    """
    if not 0 <= milliseconds <= LAST_MS:
        raise ValueError("expected an ISO 8601 time of the years 1970 to 9999")
    return milliseconds


@lru_cache(maxsize=64)
def _day_text(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).strftime("%Y-%m-%d")


_SECONDS: Final = tuple(f"{second:02d}." for second in range(60))
_THOUSANDTHS: Final = tuple(f"{millisecond:03d}Z" for millisecond in range(1000))
_TO_THE_MINUTE: Final = len("2026-11-20T02:05:")
_MINUTES: Final = tuple(f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(1440))


@lru_cache(maxsize=64)  # the times of one transaction are all the same
def format_time(milliseconds: int) -> str:
    """Write a time for the wire.

    :param milliseconds: since the Unix epoch
    :returns: for example "2026-11-20T02:05:32.123Z"
    """
    day, rest = divmod(milliseconds, _DAY_MS)
    minute, rest = divmod(rest, 60_000)
    second, millisecond = divmod(rest, 1000)
    return f"{_day_text(day)}T{_MINUTES[minute]}:{second:02d}.{millisecond:03d}Z"


def format_times(times: Iterable[int]) -> list[str]:
    """Write times as `format_time` does; many of the same minute in a third of the time."""
    found: list[str] = []
    before, text = -1, ""
    for milliseconds in times:
        minute, rest = divmod(milliseconds, 60_000)
        if minute != before:
            before, text = minute, format_time(minute * 60_000)[:_TO_THE_MINUTE]
        found.append(f"{text}{_SECONDS[rest // 1000]}{_THOUSANDTHS[rest % 1000]}")
    return found


def format_date(milliseconds: int) -> str:
    """Write the UTC day of a time as YYYY-MM-DD.

    :param milliseconds: since the Unix epoch
    """
    return _day_text(milliseconds // _DAY_MS)


def parse_date(value: object) -> int:
    """Read YYYY-MM-DD as the first millisecond of that UTC day.

    :raises ValueError: not such a string
    """
    try:
        if isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-":
            return parse_time(value)
    except ValueError:
        pass  # the message below says better what was expected
    raise ValueError(f"expected a date as YYYY-MM-DD, got {str(value)[:40]!r}")
