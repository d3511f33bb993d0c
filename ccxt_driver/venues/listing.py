"""What ccxt says of a market, as the embedded OMS lists it: exact, or refused with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import ccxt

from ccxt_driver.oms.market.feed import UNLIMITED
from ccxt_driver.oms.market.listing import Market

_SYNTHETIC_VOLATILITY: Final = Decimal("0.03")


def decimal_of(value: object) -> Decimal:
    """A number of ccxt: a float is what it is written as.

    :raises ValueError: no finite number
    """
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        raise ValueError(f"expected a number, got {value!r}") from None
    if isinstance(value, bool) or not number.is_finite():
        raise ValueError(f"expected a number, got {value!r}")
    return number


def translated(row: Mapping[str, Any], precision_mode: int) -> Market:
    """A market in units of the embedded OMS: quantities are base currency, also where contracts are counted.

    :param row: ccxt's market structure
    :param precision_mode: of the exchange
    :raises ValueError: it cannot be represented, with the reason
    """
    symbol = str(row["symbol"])
    try:
        return _translated(row, precision_mode)
    except ValueError as error:
        raise ValueError(f"symbols: {symbol}: {error}") from error


def contract_size(row: Mapping[str, Any]) -> Decimal:
    """Base currency in what the venue counts as one.

    :raises ValueError: it is not said
    """
    if not row.get("contract"):
        return Decimal(1)
    return _needed("contractSize", row.get("contractSize"))


def _translated(row: Mapping[str, Any], precision_mode: int) -> Market:
    swap = bool(row.get("swap"))
    if not swap and not row.get("spot"):
        raise ValueError(f"expected a spot market or a swap, got {row.get('type')!r}")
    if swap and not row.get("linear"):
        raise ValueError("expected a swap that is linear: an inverse one settles in another unit")
    if row.get("active") is False:
        raise ValueError("it is not active at the venue")
    scale = contract_size(row)
    precision, limits = row.get("precision") or {}, row.get("limits") or {}
    tick = _unit("precision.price", precision.get("price"), precision_mode)
    lot = _unit("precision.amount", precision.get("amount"), precision_mode) * scale
    amount = limits.get("amount") or {}
    leverage = _bound((limits.get("leverage") or {}).get("max")) if swap else None
    return Market(
        symbol=str(row["symbol"]),
        id=str(row["id"]),
        base=str(row["base"]),
        quote=str(row["quote"]),
        settle=str(row["settle"]) if swap else None,
        kind="swap" if swap else "spot",
        tick_size=tick,
        lot_size=lot,
        min_qty=max(lot, (_bound(amount.get("min")) or Decimal(0)) * scale),
        max_qty=(_bound(amount.get("max")) or UNLIMITED) * scale,
        min_cost=_bound((limits.get("cost") or {}).get("min")) or Decimal(0),
        maker=_needed("maker", row.get("maker"), positive=False),
        taker=_needed("taker", row.get("taker"), positive=False),
        reference_price=tick * 100,  # of synthetic prices only, like the two that follow
        daily_volatility=_SYNTHETIC_VOLATILITY,
        daily_volume=Decimal(0),
        max_leverage=leverage if leverage is not None and leverage >= 1 else None,
    )


def _unit(name: str, value: object, mode: int) -> Decimal:
    if mode == ccxt.TICK_SIZE:
        return _needed(name, value)
    if mode == ccxt.DECIMAL_PLACES:
        places = _needed(name, value, positive=False)
        if places != places.to_integral_value():
            raise ValueError(f"{name}: expected whole decimal places, got {value!r}")
        return Decimal(1).scaleb(-int(places))
    raise ValueError(f"{name}: significant digits are no fixed step, which the OMS needs")


def _needed(name: str, value: object, *, positive: bool = True) -> Decimal:
    if value is None:
        raise ValueError(f"{name}: the venue does not say")
    try:
        number = decimal_of(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if positive and number <= 0:
        raise ValueError(f"{name}: expected a number above 0, got {value!r}")
    return number


def _bound(value: object) -> Decimal | None:
    """A limit; venues write none at all, or 0, for no limit."""
    number = None if value is None else decimal_of(value)
    return number if number is not None and number > 0 else None
