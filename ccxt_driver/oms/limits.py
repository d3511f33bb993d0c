"""Risk limits: what may be opened at most, by account, strategy and symbol, and how that is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ccxt_driver.contract.values import format_decimal, parse_decimal

from .entities import ZERO, Deal, Order, Position

COUNTS: Final = ("max_open_orders", "max_orders_per_minute")
"""Limits that are whole numbers: of orders there are no halves."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one scope; None for no limit.

    :param max_order_qty: of one order, in base units
    :param max_order_notional: of one order, in quote units
    :param max_position_qty: of one side of a symbol, its open orders included, in base units
    :param max_position_notional: the same in quote units, at the last price
    :param max_exposure: of all positions and opening orders together, in units of `currency`
    :param max_open_orders: how many may be open
    :param max_orders_per_minute: how many may be taken within 60 seconds
    :param max_daily_loss: since midnight UTC, in units of `currency`: fees and open positions included
    :param max_drawdown: from the highest realised profit since the limit was set, or from zero, to what
        is realised and open now, in units of `currency`
    :param price_band: how far a limit price may be from the last price, as a fraction of that
    :param killed: nothing may be opened at all
    :param currency: the quote of the markets that count for exposure, loss and drawdown
    """

    max_order_qty: Decimal | None = None
    max_order_notional: Decimal | None = None
    max_position_qty: Decimal | None = None
    max_position_notional: Decimal | None = None
    max_exposure: Decimal | None = None
    max_open_orders: Decimal | None = None
    max_orders_per_minute: Decimal | None = None
    max_daily_loss: Decimal | None = None
    max_drawdown: Decimal | None = None
    price_band: Decimal | None = None
    killed: bool = False
    currency: str = "USDT"

    @property
    def of_profit(self) -> bool:
        """Whether anything is said of what is won or lost."""
        return self.max_daily_loss is not None or self.max_drawdown is not None

    @property
    def of_positions(self) -> bool:
        """Whether anything is said of what is held."""
        held = (self.max_position_qty, self.max_position_notional, self.max_exposure)
        return held != (None, None, None)


class Scope(NamedTuple):
    """Whom limits are for; None for all strategies or symbols of the account."""

    account_id: int
    strategy_id: int | None
    symbol: str | None

    def covers(self, row: Order | Position | Deal) -> bool:
        """Whether a row of the account is counted; what the OMS does not know never is."""
        return (
            self.strategy_id in (None, row.strategy_id) and self.symbol in (None, row.symbol) and row.is_known
        )


class Kept(NamedTuple):
    """Limits as they are kept, and since when."""

    limits: Limits
    since_ms: int


def read_limits(given: Mapping[str, Any], where: str = "limits") -> Limits:
    """Check the limits that someone gave.

    :param where: the path of the mapping, for the message
    :raises ValueError: naming the field and what was expected
    """
    names = [field.name for field in fields(Limits)]
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in names:
            raise ValueError(f"{where}.{name}: unknown; expected one of {', '.join(names)}")
        if name == "killed":
            if not isinstance(value, bool | None):
                raise ValueError(f"{where}.killed: expected true or false, got {value!r}")
            values[name] = value or False
        elif name == "currency":
            if not isinstance(value, str) or not value:
                raise ValueError(f"{where}.currency: expected a currency, got {value!r}")
            values[name] = value
        elif value is not None:
            try:
                values[name] = read_limit(name, value)
            except ValueError as error:
                raise ValueError(f"{where}.{name}: {error}") from None
    return Limits(**values)


def read_limit(name: str, value: object) -> Decimal:
    """Check one limit that someone gave.

    :param name: of the limit
    :raises ValueError: saying what was expected
    """
    number = parse_decimal(value)
    if number < ZERO:
        raise ValueError(f"expected 0 or more, got {format_decimal(number)}")
    if name in COUNTS and number % 1:
        raise ValueError(f"expected a whole number, got {format_decimal(number)}")
    return number


def dump(kept: Mapping[Scope, Kept]) -> list[dict[str, Any]]:
    """All limits, ready for JSON."""
    return [
        {**scope._asdict(), "since_ms": row.since_ms, "limits": limits_row(row.limits)}
        for scope, row in kept.items()
    ]


def limits_row(limits: Limits) -> dict[str, Any]:
    """Those that are set, ready for JSON."""
    row: dict[str, Any] = {}
    for field in fields(Limits):
        value = getattr(limits, field.name)
        if value is not None and value != field.default:
            row[field.name] = format_decimal(value) if isinstance(value, Decimal) else value
    return row


def limit_rows(kept: Mapping[Scope, Kept], account_id: int) -> list[dict[str, Any]]:
    """The limits of an account: `strategy_id`, `symbol` (None for all) and `limits` by name."""
    return [
        {"strategy_id": scope.strategy_id, "symbol": scope.symbol, "limits": limits_row(row.limits)}
        for scope, row in kept.items()
        if scope.account_id == account_id
    ]


def load(rows: Iterable[Mapping[str, Any]]) -> dict[Scope, Kept]:
    """What `dump` gave."""
    return {
        Scope(row["account_id"], row["strategy_id"], row["symbol"]): Kept(
            read_limits(_whole_counts(row["limits"])), row["since_ms"]
        )
        for row in rows
    }


def _whole_counts(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Limits with whole counts, as fractions could be given once: of 1.5 orders one was let through."""
    return {name: str(int(Decimal(value))) if name in COUNTS else value for name, value in kept.items()}
