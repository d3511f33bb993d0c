"""A row of a balance that is none is told once, and holds up nothing."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from ccxt_driver.exchange.streams.account_watcher import AccountWatcher
from ccxt_driver.exchange.streams.changes import Change, Kind
from ccxt_driver.pro import OmsCcxtExchange


def _change(seq: int, **amounts: object) -> Change:
    row = {"account_id": 1, "currency": "USDT", "free": "1", "used": "0", "total": "1", **amounts}
    return Change(Kind.BALANCE, 1, None, None, seq, 1000 + seq, row)


async def test_what_is_before_and_after_it_is_given() -> None:
    exchange = OmsCcxtExchange({"options": {"base_url": "embedded:"}})
    watcher = AccountWatcher("oms watch_balance", 100, Kind.BALANCE, None, None, 0)
    watcher.balance = {"BTC": {"free": 2.0, "used": 0.0, "total": 2.0}}
    for change in (_change(1), _change(2, free="much"), _change(3, free="3", total="3")):
        watcher.take(change)

    async def given() -> Any:
        return await watcher.next(lambda changes: exchange._delivered_balance(watcher.balance, changes))

    first = await given()
    assert (first["USDT"]["free"], first["BTC"]["free"], first["timestamp"]) == (1.0, 2.0, 1001)
    assert [row["free"] for row in first["info"]["changes"]] == ["1"]
    error = await given()
    assert isinstance(error, ccxt.BadResponse)
    with pytest.raises(ccxt.BadResponse, match="free"):
        raise error
    last = await given()
    assert (last["total"], last["timestamp"]) == ({"BTC": 2.0, "USDT": 3.0}, 1003)
    await exchange.close()
