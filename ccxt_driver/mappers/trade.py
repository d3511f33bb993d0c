"""Deal rows as ccxt trades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from ccxt_driver.contract.values import format_time, parse_decimal_text, parse_time_text

from .values import (
    BEYOND_IDS,
    SIDES,
    USUAL,
    ZERO,
    Number,
    choice_of,
    decimal_of,
    flag_of,
    id_of,
    needed_decimal,
    needed_time,
    optional_text_of,
    ratio,
    reference_of,
    text_of,
)

_ONE: Final = Decimal(1)
_MAKER: Final = {None: None, True: "maker", False: "taker"}


@dataclass(frozen=True, slots=True)
class Terms:
    """What a mapper must know of a market.

    :param contract_size: base units of one contract; 1 on spot
    :param inverse: whether it is settled in the base currency
    """

    contract_size: Decimal = _ONE
    inverse: bool = False

    def cost(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Value of a fill: in quote units, or in base units for an inverse contract."""
        size = quantity if self.contract_size == _ONE else USUAL.multiply(quantity, self.contract_size)
        return USUAL.divide(size, price) if self.inverse and price else USUAL.multiply(size, price)

    def charged_on(self, symbol: str, currency: str, quantity: Decimal, cost: Decimal) -> Decimal | None:
        """What a fee in a currency is a part of: the cost, or the amount when it is paid in base units.

        :param symbol: unified
        :param quantity: of the market's units
        :returns: None for a fee in a third currency, whose price nobody told
        """
        base, quote = _currencies(symbol)
        if currency == (base if self.inverse else quote):
            return cost
        return quantity * self.contract_size if currency == base else None


@lru_cache(maxsize=1024)
def _currencies(symbol: str) -> tuple[str, str]:
    """Base and quote of a unified symbol."""
    base, _, rest = symbol.partition("/")
    return base, rest.partition(":")[0]


@lru_cache(maxsize=1024)
def charged_in(symbol: str, inverse: bool) -> str | None:
    """The currency that fees are in as a rule: that of settling, on spot the quote.

    :param symbol: unified
    """
    settled_in = symbol.partition(":")[2].partition("-")[0]
    return settled_in or _currencies(symbol)[0 if inverse else 1] or None


PLAIN: Final = Terms()


def trade_from_row(
    row: dict[str, Any], number: Number, terms: Terms = PLAIN, utc_offset_ms: int = 0
) -> dict[str, Any]:
    """One deal row as ccxt's trade structure.

    :param row: a deal row of the contract
    :param number: what makes a unified number of a decimal
    :param terms: of the row's market
    :param utc_offset_ms: for times without a zone
    :returns: every key of ccxt's trade; ids are strings of OMS ids
    :raises BadRow: the row is not of the contract
    """
    return fill_from_row(row, number, terms, utc_offset_ms).trade


class Fill(NamedTuple):
    """A deal row as ccxt's trade, with the exact figures that an order is summed up of."""

    trade: dict[str, Any]
    quantity: Decimal
    cost: Decimal
    fee: Decimal | None
    fee_currency: str | None
    charged_on: Decimal | None


def fill_from_row(row: dict[str, Any], number: Number, terms: Terms, utc_offset_ms: int) -> Fill:
    """As `trade_from_row`, with the exact figures."""
    columns = _read_at_once(row, utc_offset_ms) or _read_one_by_one(row, utc_offset_ms)
    quantity, price, fee, currency, executed_at, symbol, trade_id, order_id, side, maker = columns
    cost = terms.cost(quantity, price)
    charged_on = None if currency is None else terms.charged_on(symbol, currency, quantity, cost)
    structure = fee_structure(fee, currency, charged_on, number)
    trade = {
        "info": row,
        "id": str(trade_id),
        "order": str(order_id) if order_id else None,
        "timestamp": executed_at,
        "datetime": format_time(executed_at),
        "symbol": symbol,
        "type": None,
        "side": side,
        "takerOrMaker": _MAKER[maker],
        "price": number(price),
        "amount": number(quantity),
        "cost": number(cost),
        "fee": structure,
        "fees": [] if structure is None else [dict(structure)],
    }
    return Fill(trade, quantity, cost, fee, currency, charged_on)


_COLUMNS: Final = itemgetter(
    *("qty", "price", "fee", "fee_currency", "executed_at", "symbol", "id", "order_id", "side", "maker"),
)


def _read_at_once(row: dict[str, Any], utc_offset_ms: int) -> tuple[Any, ...] | None:
    """As the function of that name for order rows."""
    try:
        quantity, price, fee, currency, executed_at, symbol, deal_id, order_id, side, maker = _COLUMNS(row)
        if (
            type(deal_id) is not int
            or not 0 < deal_id < BEYOND_IDS
            or (order_id is not None and (type(order_id) is not int or not 0 <= order_id < BEYOND_IDS))
            or type(symbol) is not str
            or (currency is not None and type(currency) is not str)
            or (maker is not None and type(maker) is not bool)
        ):
            return None
        return (
            parse_decimal_text(quantity),
            parse_decimal_text(price),
            None if fee is None else parse_decimal_text(fee),
            currency,
            parse_time_text(executed_at, utc_offset_ms),
            symbol,
            deal_id,
            order_id,
            SIDES[side],
            maker,
        )
    except (KeyError, TypeError, ValueError):
        return None


def _read_one_by_one(row: dict[str, Any], utc_offset_ms: int) -> tuple[Any, ...]:
    """As `_read_at_once`, of any row.

    :raises BadRow: the row is not of the contract
    """
    return (
        needed_decimal(row, "qty"),
        needed_decimal(row, "price"),
        decimal_of(row, "fee"),
        optional_text_of(row, "fee_currency"),
        needed_time(row, "executed_at", utc_offset_ms),
        text_of(row, "symbol"),
        id_of(row, "id"),
        reference_of(row, "order_id"),
        choice_of(row, "side", SIDES),
        flag_of(row, "maker"),
    )


def fee_structure(
    fee: Decimal | None, currency: str | None, charged_on: Decimal | None, number: Number
) -> dict[str, Any] | None:
    """ccxt's fee.

    :param fee: in units of `currency`
    :param currency: what it was paid in; without one the fee is not known
    :param charged_on: gives the rate; see `Terms.charged_on`
    :param number: what makes a unified number of a decimal
    :returns: None when the fee is not known
    """
    if fee is None or currency is None:
        return None
    rate = number(ratio(fee, charged_on, 8)) if charged_on else None
    return {"currency": currency, "cost": number(fee), "rate": rate}


def total_fees(fills: Sequence[Fill], number: Number) -> list[dict[str, Any]]:
    """Fees summed per currency, in the order in which the currencies appear.

    :param number: what makes a unified number of a decimal
    """
    if len(fills) == 1:
        return [dict(fee) for fee in fills[0].trade["fees"]]
    sums: dict[str, tuple[Decimal, Decimal | None]] = {}
    for fill in fills:
        if fill.fee is not None and fill.fee_currency is not None:
            fee, charged_on = sums.get(fill.fee_currency, (ZERO, ZERO))
            if charged_on is not None:
                charged_on = None if fill.charged_on is None else charged_on + fill.charged_on
            sums[fill.fee_currency] = (fee + fill.fee, charged_on)
    structures = (
        fee_structure(fee, currency, charged_on, number) for currency, (fee, charged_on) in sums.items()
    )
    return [structure for structure in structures if structure is not None]
