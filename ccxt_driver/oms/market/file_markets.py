"""Markets of which only the files are known: the tick and the lot are read off the first rows."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext
from typing import Any, Final

from ccxt_driver.oms.market.feed import EXACT, UNLIMITED
from ccxt_driver.oms.market.file_names import DataFile
from ccxt_driver.oms.market.file_rows import BadFile, Row, open_rows
from ccxt_driver.oms.market.listing import Market

_SAMPLE: Final = 1_000
_FLOAT_DIGITS: Final = Context(prec=15)
"""So many digits of a float are right after a sum or a product."""
_NOISY_DIGITS: Final = 16
_SHORT_DIGITS: Final = 12
"""Of a number that somebody has written; one of a thousand with more digits looks so by chance."""


def market_of(symbol: str, files: Sequence[DataFile]) -> Market:
    """A market of which only the files are known.

    :raises BadFile: rows without numbers, or a swap that does not settle in its quote currency
    """
    pair, _, settle = symbol.partition(":")
    base, _, quote = pair.partition("/")
    if settle not in ("", quote):
        raise BadFile(f"{files[0].path}: expected a swap that settles in its quote currency, {quote}")
    swap = bool(settle)
    prices: list[Decimal] = []
    quantities: list[Decimal] = []
    for file in files:
        columns, _ = open_rows(file.path, file.kind).read(0, _SAMPLE)
        for row in zip(*columns, strict=True):
            _sample(file, row, prices, quantities)
    with localcontext(EXACT):
        tick, lot = _unit(prices), _unit(quantities)
        return Market(
            symbol=symbol,
            id=f"{base}{quote}-PERP" if swap else f"{base}{quote}",
            base=base,
            quote=quote,
            settle=quote if swap else None,
            kind="swap" if swap else "spot",
            tick_size=tick,
            lot_size=lot,
            min_qty=lot,
            max_qty=Decimal(10) ** 9,
            min_cost=Decimal(0),
            maker=Decimal("0.0002") if swap else Decimal("0.001"),
            taker=Decimal("0.0005") if swap else Decimal("0.001"),
            reference_price=max([tick * 100, *prices[:1]]),
            daily_volatility=Decimal("0.03"),
            daily_volume=Decimal(0),
            max_leverage=Decimal(100) if swap else None,
        )


def _sample(file: DataFile, row: Row, prices: list[Decimal], quantities: list[Decimal]) -> None:
    try:
        if file.kind in ("candles", "mark"):
            prices += [Decimal(str(value)) for value in row[1:5]]
            quantities += [Decimal(str(value)) for value in row[5:]]
        elif file.kind == "trades":
            prices.append(Decimal(str(row[1])))
            quantities.append(Decimal(str(row[2])))
        else:
            sides = book_sides(row) if file.kind == "book" else quote_sides(row)
            levels = [level for side in sides for level in side if level[0] not in (None, "")]
            prices += [Decimal(str(level[0])) for level in levels]
            quantities += [Decimal(str(level[1])) for level in levels]
    except (ArithmeticError, ValueError, IndexError) as error:
        raise BadFile(f"{file.path}: row {', '.join(map(str, row))[:100]}: expected numbers") from error


def _unit(values: Sequence[Decimal]) -> Decimal:
    """The largest power of ten, to 1, that all numbers are multiples of, but for the noise of floats."""
    meant = [without_noise(value) for value in values if value.is_finite()]
    places = [int(value.normalize().as_tuple().exponent) for value in meant]
    return Decimal((0, (1,), max(-18, min([0, *places]))))


def without_noise(value: Decimal) -> Decimal:
    """What a float was to be that a sum has left beside it: 1.502 of 1.5019999999999999."""
    if len(value.normalize().as_tuple().digits) < _NOISY_DIGITS:
        return value
    short = _FLOAT_DIGITS.create_decimal(value).normalize()
    return short if len(short.as_tuple().digits) <= _SHORT_DIGITS else value


def book_sides(row: Row) -> tuple[Sequence[Any], Sequence[Any]]:
    """The bids and asks of a row of a book."""
    return row[1], row[2]


def quote_sides(row: Row) -> tuple[Sequence[Any], Sequence[Any]]:
    """The bid and ask of a row of quotes; one without quantities is good for any."""
    _, bid, ask, bid_qty, ask_qty = row
    return [(bid, UNLIMITED if bid_qty in (None, "") else bid_qty)], [
        (ask, UNLIMITED if ask_qty in (None, "") else ask_qty)
    ]
