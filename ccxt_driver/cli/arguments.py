"""Arguments and options that several commands have: exact numbers, times, symbols."""

from __future__ import annotations

import re
import time
from typing import Any, Final

import click

_PERIOD: Final = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_MILLISECONDS: Final = re.compile(r"\d{11,14}", re.ASCII)


class PositiveDecimal(click.ParamType):
    """A number above 0, kept as it was written: nothing is lost on its way to the OMS."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The number without exponent or trailing zeros."""
        from ccxt_driver.contract.values import format_decimal, parse_decimal

        try:
            number = parse_decimal(value)
        except ValueError:
            self.fail(f"{value!r}: expected a number such as 0.01", param, ctx)
        if number <= 0:
            self.fail(f"{value!r}: expected a number above 0", param, ctx)
        return format_decimal(number)


class Moment(click.ParamType):
    """A time: ISO 8601 (UTC where no zone is given), milliseconds since the Unix epoch, or how long ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds since the Unix epoch."""
        from ccxt_driver.contract.values import parse_time

        if isinstance(value, int):
            return value
        if ago := _PERIOD.fullmatch(value):
            return max(0, time.time_ns() // 1_000_000 - int(ago[1]) * _UNIT_MS[ago[2]])
        if _MILLISECONDS.fullmatch(value):
            return int(value)
        try:
            return parse_time(value)
        except ValueError:
            self.fail(
                f"{value!r}: expected a time such as 2026-01-31, 2026-01-31T12:00, 90m or 7d", param, ctx
            )


DECIMAL: Final = PositiveDecimal()
SYMBOL: Final = click.option("--symbol", help="Of one market only, such as BTC/USDT.")
LIMIT: Final = click.option(
    "--limit", type=click.IntRange(1), help="How many: the newest, or the oldest from --since."
)
SINCE: Final = click.option(
    "--since", type=Moment(), help="From this time: 2026-01-31, 2026-01-31T12:00 (UTC), 90m or 7d ago."
)
YES: Final = click.option("--yes", "-y", is_flag=True, help="Do not ask; needed where there is no terminal.")
USUAL_LIMIT: Final = 100
"""How many rows of a history are shown when neither --limit nor --since says it."""


def limit_of(limit: int | None, since: int | None) -> int | None:
    """How many rows of a history to ask for; None for all of them."""
    return limit if limit is not None or since is not None else USUAL_LIMIT
