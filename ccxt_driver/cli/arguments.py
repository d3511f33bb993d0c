"""Arguments and options that several commands have: exact numbers, times, symbols."""

from __future__ import annotations

import math
import re
import time
from typing import Final

import click

_PERIOD: Final = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_MILLISECONDS: Final = re.compile(r"\d{11,14}", re.ASCII)


def number(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A number above 0, without exponent or trailing zeros: nothing is lost on its way to the OMS."""
    from ccxt_driver.contract.values import format_decimal, parse_decimal

    if value is None:
        return None
    try:
        decimal = parse_decimal(value)
    except ValueError:
        raise click.BadParameter(f"{value!r}: expected a number such as 0.01") from None
    if decimal <= 0:
        raise click.BadParameter(f"{value!r}: expected a number above 0")
    return format_decimal(decimal)


def moment(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A time as milliseconds since the Unix epoch: ISO 8601 (UTC), such milliseconds, or how long ago."""
    from ccxt_driver.contract.values import parse_time

    if value is None:
        return None
    if ago := _PERIOD.fullmatch(value):
        return max(0, time.time_ns() // 1_000_000 - int(ago[1]) * _UNIT_MS[ago[2]])
    if _MILLISECONDS.fullmatch(value):
        return int(value)
    try:
        return parse_time(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r}: expected a time such as 2026-01-31, 2026-01-31T12:00, 90m or 7d"
        ) from None


def finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """A number that is one, and has an end: Python reads `nan` and `inf`, too."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value}: expected a number such as 0.5")
    return value


SYMBOL: Final = click.option("--symbol", help="Of one market only, such as BTC/USDT.")
LIMIT: Final = click.option(
    "--limit", type=click.IntRange(1), help="How many: the newest, or the oldest from --since."
)
SINCE: Final = click.option(
    "--since",
    metavar="TIME",
    callback=moment,
    help="From this time: 2026-01-31, 2026-01-31T12:00 (UTC), 90m or 7d ago.",
)
YES: Final = click.option("--yes", "-y", is_flag=True, help="Do not ask; needed where there is no terminal.")
USUAL_LIMIT: Final = 100
"""How many rows of a history are shown when neither --limit nor --since says it."""


def limit_of(limit: int | None, since: int | None) -> int | None:
    """How many rows of a history to ask for; None for all of them."""
    return limit if limit is not None or since is not None else USUAL_LIMIT
