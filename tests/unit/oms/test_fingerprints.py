"""The text that a payload is known again by: files keep it, so it stays what it is."""

from __future__ import annotations

from typing import Any

import pytest

from ccxt_driver.contract.commands import ClosePosition, SendOrder
from ccxt_driver.oms.fingerprints import Payload, fingerprint

LIMIT: dict[str, Any] = {"symbol": "BTC/USDT", "side": "buy", "order_type": "limit", "price": "4E+4"}
AT_DEFAULTS: dict[str, Any] = {"cost": None, "reason": "api", "time_in_force": "GTC", "params": {}}


@pytest.mark.parametrize(
    "payload, text",
    [
        (
            SendOrder(qty="0.010", client_order_id="it's\nmine", **LIMIT, **AT_DEFAULTS),
            "SendOrder\norder_type='limit'\nprice=40000\nclient_order_id=\"it's\\nmine\"\n"
            "symbol='BTC/USDT'\nside=buy\nqty=0.01",
        ),
        (
            SendOrder(cost="50", reason="grid", time_in_force="IOC", params={"b": [1], "a": None}, **LIMIT),
            "SendOrder\norder_type='limit'\nprice=40000\nreason='grid'\ntime_in_force=IOC\n"
            'params={"a": null, "b": [1]}\nsymbol=\'BTC/USDT\'\nside=buy\ncost=50',
        ),
        (ClosePosition(position_id=5, order_type="market", qty=None), "ClosePosition\nposition_id=5"),
        (ClosePosition(position_id=5, reduce_only=True), "ClosePosition\nposition_id=5\nreduce_only=True"),
    ],
)
def test_is_what_it_always_was(payload: Payload, text: str) -> None:
    assert fingerprint(payload) == text
