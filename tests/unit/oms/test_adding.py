"""Accounts and strategies that are added while the OMS runs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import EmbeddedOms, maintenance


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


@pytest.mark.parametrize(
    "strategy, message",
    [
        ({"strategy_id": 2**63}, r"strategies\[0\].strategy_id: expected a whole number below 2\*\*63"),
        ({"strategy_id": 7, "name": 5}, r"strategies\[0\].name: expected a text, got 5"),
        ({"client_strategy_id": [1]}, r"strategies\[0\].client_strategy_id: expected a text, got \[1\]"),
        ({"client_strategy_id": True}, r"strategies\[0\].client_strategy_id: expected a text, got True"),
        ({"client_strategy_id": "mine"}, r"strategies\[0\].client_strategy_id: 'mine' is used already"),
        ({"account_ids": 1}, r"strategies\[0\].account_ids: expected a list of accounts, got 1"),
        ({"account_ids": "12"}, r"strategies\[0\].account_ids: expected a list of accounts, got '12'"),
        ({"account_ids": ["1"]}, r"strategies\[0\].account_ids: expected a whole number above 0, got '1'"),
        ({"account_ids": [1, 99]}, r"strategies\[0\].account_ids: there is no account 99"),
    ],
)
def test_a_strategy_that_makes_no_sense_never_gets_to_the_file(
    tmp_path: Path, strategy: dict[str, Any], message: str
) -> None:
    """A list as its name for clients was acknowledged, and the file could not be opened any more."""
    db = tmp_path / "oms.sqlite"
    mine = {"strategy_id": 1, "client_strategy_id": "mine"}
    with (
        EmbeddedOms(clock="manual", db=db, strategies=[mine]) as oms,
        pytest.raises(ValueError, match=message),
    ):
        oms.add(strategies=[{"strategy_id": 7} | strategy])
    with EmbeddedOms(clock="manual", db=db) as oms:
        rows = oms.handle("strategies", {}, {}, None).body["items"]
        names = {row["strategy_id"]: row["client_strategy_id"] for row in rows}
        assert names == {1: "mine"}


def test_who_looks_into_a_file_adds_nothing_to_it(tmp_path: Path) -> None:
    """Money of nobody was in the file of a server when a command had been used to look at a balance."""
    db = tmp_path / "oms.sqlite"
    with EmbeddedOms([{"account_id": 5, "balances": {"USDT": "7"}}], clock="manual", db=db, strategies=[9]):
        pass
    with EmbeddedOms(clock="manual", db=db) as oms:
        accounts = oms.handle("accounts", {}, {}, None).body["items"]
        strategies = oms.handle("strategies", {}, {}, None).body["items"]
    assert [row["account_id"] for row in accounts] == [5]
    assert [row["strategy_id"] for row in strategies] == [9]


def test_an_account_has_an_id_that_a_file_can_keep() -> None:
    with pytest.raises(ValueError, match=r"accounts\[0\].account_id: expected a whole number below 2\*\*63"):
        EmbeddedOms(accounts=[{"account_id": 2**63}], clock="manual")


@pytest.mark.parametrize("account_id", [2**53, 1234567890123456789, 2**63 - 1])
def test_ids_of_64_bits_are_kept(account_id: int, tmp_path: Path) -> None:
    db = tmp_path / "oms.sqlite"
    payload: dict[str, Any] = {"symbol": "BTC/USDT", "side": "buy", "order_type": "market", "qty": "0.01"}
    payload |= {"strategy_id": account_id, "client_order_id": "a"}
    command = {"account_id": account_id, "command": "send_order", "payload": payload}
    account = {"account_id": account_id, "balances": {"USDT": "9999"}}
    with EmbeddedOms([account], clock="manual", db=db, strategies=[account_id]) as oms:
        [placed] = oms.handle("commands", {}, {}, command).body["results"]
        assert oms.handle("deals", {}, {"account_ids": account_id, "since_ms": 0}, None).body["total"] == 1
    with EmbeddedOms(clock="manual", db=db) as oms:
        [again] = oms.handle("commands", {}, {}, command).body["results"]
        [row] = oms.handle("orders_by_id", {"ids": str(placed["order_id"])}, {}, None).body["items"]
    assert again["duplicate"]
    assert (row["account_id"], row["strategy_id"]) == (account_id, account_id)
    assert maintenance.check(db) == []


def test_a_strategy_is_of_the_accounts_that_are_added_with_it() -> None:
    """A number as its name for clients is a text, as over HTTP."""
    with EmbeddedOms(clock="manual") as oms:
        strategy = {"strategy_id": 9, "client_strategy_id": 7, "account_ids": [8, 1, 8]}
        oms.add(accounts=[{"account_id": 8}], strategies=[strategy])
        row = oms.handle("strategies", {}, {}, None).body["items"][-1]
        assert (row["client_strategy_id"], row["account_ids"]) == ("7", [1, 8])
        oms.add(strategies=[strategy])  # of a configuration file that is read again
