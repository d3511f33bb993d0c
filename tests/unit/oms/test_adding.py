"""Accounts and strategies that are added while the OMS runs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import EmbeddedOms


def _balance(oms: EmbeddedOms, account_id: int) -> Any:
    reply = oms.handle("ccxt_core", {"account_id": str(account_id), "func": "fetch_balance"}, {}, {})
    return reply.status, reply.body


def test_what_is_added_is_there_and_what_was_there_stays() -> None:
    with EmbeddedOms(accounts=[{"account_id": 1, "balances": {"USDT": 5}}], clock="manual") as oms:
        assert _balance(oms, 7)[0] == 404
        oms.advance(1_000)
        oms.add(accounts=[{"account_id": 7, "balances": {"USDT": 900}}, {"account_id": 1}], strategies=[1001])

        assert _balance(oms, 1)[1]["result"]["total"] == {"USDT": 5}
        [entry] = oms.history_of(7).ledger
        assert (entry.amount, entry.created_at) == (Decimal(900), oms.now_ms())
        order = {"symbol": "BTC/USDT", "side": "buy", "order_type": "market", "qty": "0.001"}
        for strategy_id, status in ((1001, 200), (1002, 422)):
            payload = {**order, "strategy_id": strategy_id}
            command = {"account_id": 7, "command": "send_order", "payload": payload}
            assert oms.handle("commands", {}, {}, command).status == status


def test_what_makes_no_sense_adds_nothing() -> None:
    with EmbeddedOms(clock="manual") as oms:
        with pytest.raises(ValueError, match=r"strategies\[0\].strategy_id: expected a whole number above 0"):
            oms.add(accounts=[{"account_id": 7}], strategies=[0])
        with pytest.raises(ValueError, match=r"accounts\[0\].account_id"):
            oms.add(accounts=[{"account_id": 0}])
        assert _balance(oms, 7)[0] == 404
    with pytest.raises(RuntimeError):
        oms.add(strategies=[5])


def test_another_mode_of_an_account_that_is_there_is_refused(tmp_path: Path) -> None:
    db = tmp_path / "oms.sqlite"
    hedged = {"account_id": 1, "position_mode": "hedge", "balances": {"USDT": 5}}
    with EmbeddedOms(accounts=[hedged], clock="manual", db=db):
        pass
    other = r"accounts\[0\].position_mode: account 1 is there already and is hedge, got 'netting'"
    with pytest.raises(ValueError, match=other):
        EmbeddedOms(accounts=[{"account_id": 1, "position_mode": "netting"}], clock="manual", db=db)

    for same in ([hedged], [{"account_id": 1}], None):  # None: the usual three, of which it is the first
        with EmbeddedOms(accounts=same, clock="manual", db=db) as oms:
            assert oms.handle("accounts", {}, {}, {}).body["items"][0]["position_mode"] == "hedge"
            with pytest.raises(ValueError, match=other):
                oms.add(accounts=[{"account_id": 1, "position_mode": "netting"}])
