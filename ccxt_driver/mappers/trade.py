"""Deal rows as ccxt trades."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from .values import (
    SIDES,
    ZERO,
    Number,
    choice_of,
    datetime_of,
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
        size = quantity if self.contract_size == _ONE else quantity * self.contract_size
        return size / price if self.inverse and price else size * price


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


def fill_from_row(row: dict[str, Any], number: Number, terms: Terms, utc_offset_ms: int) -> Fill:
    """As `trade_from_row`, with the exact figures."""
    quantity = needed_decimal(row, "qty")
    price = needed_decimal(row, "price")
    cost = terms.cost(quantity, price)
    fee, currency = decimal_of(row, "fee"), optional_text_of(row, "fee_currency")
    executed_at = needed_time(row, "executed_at", utc_offset_ms)
    structure = fee_structure(fee, currency, cost, number)
    trade = {
        "info": row,
        "id": id_of(row, "id"),
        "order": reference_of(row, "order_id"),
        "timestamp": executed_at,
        "datetime": datetime_of(executed_at),
        "symbol": text_of(row, "symbol"),
        "type": None,
        "side": choice_of(row, "side", SIDES),
        "takerOrMaker": _MAKER[flag_of(row, "maker")],
        "price": number(price),
        "amount": number(quantity),
        "cost": number(cost),
        "fee": structure,
        "fees": [] if structure is None else [dict(structure)],
    }
    return Fill(trade, quantity, cost, fee, currency)


def fee_structure(
    fee: Decimal | None, currency: str | None, cost: Decimal | None, number: Number
) -> dict[str, Any] | None:
    """ccxt's fee.

    :param fee: in units of `currency`
    :param currency: what it was paid in; without one the fee is not known
    :param cost: what it was charged on; gives the rate
    :param number: what makes a unified number of a decimal
    :returns: None when the fee is not known
    """
    if fee is None or currency is None:
        return None
    rate = number(ratio(fee, cost, 8)) if cost else None
    return {"currency": currency, "cost": number(fee), "rate": rate}


def total_fees(fills: Iterable[Fill], cost: Decimal, number: Number) -> list[dict[str, Any]]:
    """Fees summed per currency, in the order in which the currencies appear.

    :param cost: what all were charged on together
    :param number: what makes a unified number of a decimal
    """
    sums: dict[str, Decimal] = {}
    for fill in fills:
        if fill.fee is not None and fill.fee_currency is not None:
            sums[fill.fee_currency] = sums.get(fill.fee_currency, ZERO) + fill.fee
    structures = (fee_structure(total, currency, cost, number) for currency, total in sums.items())
    return [structure for structure in structures if structure is not None]
