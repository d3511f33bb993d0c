"""Ledger rows as ccxt ledger entries."""

from __future__ import annotations

from typing import Any, Final

from .values import (
    ZERO,
    Number,
    choice_of,
    datetime_of,
    id_of,
    needed_decimal,
    needed_time,
    reference_of,
    text_of,
)

_TYPES: Final = {
    "deal": "trade",
    "fee": "fee",
    "funding": "funding",
    "deposit": "transaction",
    "withdraw": "transaction",
    "liquidation": "liquidation",
}


def ledger_entry_from_row(row: dict[str, Any], number: Number, utc_offset_ms: int = 0) -> dict[str, Any]:
    """One ledger row as ccxt's ledger entry structure.

    :param row: a ledger row of the contract
    :param number: what makes a unified number of a decimal
    :param utc_offset_ms: for times without a zone
    :returns: every key of ccxt's ledger entry; `amount` is not signed, `direction` is
    :raises BadRow: the row is not of the contract
    """
    amount = needed_decimal(row, "amount")
    after = needed_decimal(row, "balance_after")
    currency = text_of(row, "currency")
    created_at = needed_time(row, "created_at", utc_offset_ms)
    return {
        "info": row,
        "id": id_of(row, "id"),
        "timestamp": created_at,
        "datetime": datetime_of(created_at),
        "direction": "out" if amount < ZERO else "in",
        "account": id_of(row, "account_id"),
        "referenceId": reference_of(row, "reference_id"),
        "referenceAccount": None,
        "type": choice_of(row, "kind", _TYPES),
        "currency": currency,
        "amount": number(abs(amount)),
        "before": number(after - amount),
        "after": number(after),
        "status": "ok",
        "fee": {"currency": currency, "cost": number(ZERO)},  # fees are entries of their own
    }
