"""Account rows as ccxt accounts."""

from __future__ import annotations

import pytest

from ccxt_driver.mappers.account import account_from_row
from ccxt_driver.mappers.values import BadRow
from tests.helpers.oms_rows import account_row

pytestmark = pytest.mark.oldest


def test_an_account() -> None:
    row = account_row()

    assert account_from_row(row) == {"info": row, "id": "1", "type": "netting", "name": "main", "code": None}


def test_an_account_without_an_id_is_refused() -> None:
    with pytest.raises(BadRow, match=r"^account_id: expected"):
        account_from_row(account_row(account_id=None))
