"""Deal rows as ccxt trades."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from .values import (
    SIDES,
    Number,
    choice_of,
    datetime_of,
    decimal_of,
    flag_of,
    id_of,
    needed_decimal,
    needed_time,
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
    quantity = needed_decimal(row, "qty")
    price = needed_decimal(row, "price")
    cost = terms.cost(quantity, price)
    executed_at = needed_time(row, "executed_at", utc_offset_ms)
    fee = fee_structure(decimal_of(row, "fee"), row.get("fee_currency"), cost, number)
    return {
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
        "fee": fee,
        "fees": [] if fee is None else [dict(fee)],
    }


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
    rate = number(round(fee / cost, 8)) if cost else None
    return {"currency": currency, "cost": number(fee), "rate": rate}


def total_fees(
    fees: Iterable[tuple[Decimal | None, str | None]], cost: Decimal | None, number: Number
) -> list[dict[str, Any]]:
    """Fees summed per currency, in the order in which the currencies appear.

    :param fees: (fee, currency) of each deal
    :param cost: what all were charged on together
    :param number: what makes a unified number of a decimal
    """
    sums: dict[str, Decimal] = {}
    for fee, currency in fees:
        if fee is not None and currency is not None:
            sums[currency] = sums.get(currency, Decimal(0)) + fee
    structures = (fee_structure(total, currency, cost, number) for currency, total in sums.items())
    return [structure for structure in structures if structure is not None]
