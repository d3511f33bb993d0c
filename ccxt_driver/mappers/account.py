"""Account rows as ccxt accounts."""

from __future__ import annotations

from typing import Any

from .values import id_of, optional_text_of


def account_from_row(row: dict[str, Any]) -> dict[str, Any]:
    """One account row as ccxt's account structure.

    :param row: an account row of the contract
    :returns: `id` is the string of the OMS account id, `type` its position mode
    :raises BadRow: the row is not of the contract
    """
    return {
        "info": row,
        "id": id_of(row, "account_id"),
        "type": optional_text_of(row, "position_mode"),
        "name": optional_text_of(row, "label"),
        "code": None,
    }
