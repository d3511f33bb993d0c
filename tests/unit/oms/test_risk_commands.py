"""Limits, the kill switch and sessions by request, while the OMS runs."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import Permission, Principal
from ccxt_driver.oms.limits import Limits
from ccxt_driver.oms.risk_commands import LimitValues

SWAP = "BTC/USDT:USDT"
SPOT = "BTC/USDT"
READER = Principal(7, {1: Permission(True, False, False, False)})
RISK = Principal(8, {1: Permission(True, False, True, True)})
RISK_OF_ONE = Principal(9, None, frozenset((1,)), Permission(True, False, True, True))


def put(desk: Any, limits: Any, **more: Any) -> Any:
    return desk.call("set_risk_limits", {"limits": limits, **more}, account_id=1)


def refused(desk: Any, endpoint: str, body: Any = None, account_id: int = 1) -> Any:
    path = {"account_id": str(account_id)} if "risk" in endpoint or endpoint == "kill_switch" else {}
    reply = desk.oms.handle(endpoint, path, {}, body, desk.principal)
    assert reply.status >= 400, reply.body
    return reply.body["detail"]


def test_the_body_has_every_limit() -> None:
    assert [*LimitValues.model_fields] == [field.name for field in fields(Limits)]


def test_limits_are_set_read_and_taken_away(desk: Any) -> None:
    desk.principal = RISK
    answer = put(desk, {"max_order_qty": 2, "max_daily_loss": "500.50"}, comment="for the night")
    assert answer["limits"] == {"max_order_qty": "2", "max_daily_loss": "500.5"}
    put(desk, {"max_position_qty": "1"}, strategy_id=2, symbol=SWAP)
    desk.principal = READER
    assert desk.get("risk_limits", {"account_id": "1"}) == {
        "account_id": 1,
        "items": [
            {"strategy_id": None, "symbol": None, "limits": answer["limits"]},
            {"strategy_id": 2, "symbol": SWAP, "limits": {"max_position_qty": "1"}},
        ],
    }
    error = desk.oms.handle(
        "commands", {}, {}, {"account_id": 1, "command": "send_order", "payload": desk.order("buy", 3)}
    ).body["detail"]
    assert (error["code"], error["details"]["reason"]) == ("risk_blocked", "max_order_qty")
    desk.principal = RISK
    assert put(desk, None)["limits"] == {}
    assert len(desk.oms.limits(1)) == 1


def test_the_kill_switch_cancels_what_would_open_and_stays_on(desk: Any) -> None:
    opening = desk.send("buy", 1, "90", symbol=SWAP)
    elsewhere = desk.send("buy", 1, "90")
    desk.principal = RISK
    answer = desk.call("kill_switch", {"killed": True, "symbol": SWAP}, account_id=1)
    assert answer["canceled_order_ids"] == [opening["id"]]
    assert answer["limits"] == {"killed": True}
    assert put(desk, {"max_order_qty": "5"}, symbol=SWAP)["limits"] == {
        "killed": True,
        "max_order_qty": "5",
    }
    assert put(desk, {}, symbol=SWAP)["limits"] == {"killed": True}
    assert [row["id"] for row in desk.open_orders()] == [elsewhere["id"]]
    off = desk.call("kill_switch", {"killed": False, "symbol": SWAP}, account_id=1)
    assert (off["limits"], off["canceled_order_ids"]) == ({}, [])


@pytest.mark.parametrize(
    "body, found",
    [
        ({}, "limits: Field required"),
        ({"limits": {"max_ordr_qty": 1}}, "limits.max_ordr_qty: Extra inputs"),
        ({"limits": {"max_order_qty": -1}}, "limits.max_order_qty: expected 0 or more, got -1"),
        ({"limits": {"price_band": "wide"}}, "limits.price_band: expected a decimal string"),
        ({"limits": {"killed": 1}}, "limits.killed: "),
        ({"limits": {"max_drawdown": 1, "currency": "USD"}}, "limits.currency: expected "),
        ({"limits": {}, "strategy_id": "1"}, "strategy_id: "),
        ({"limits": {}, "symbl": "x"}, "symbl: Extra inputs"),
    ],
)
def test_limits_that_make_no_sense_are_named_and_change_nothing(desk: Any, body: Any, found: str) -> None:
    put(desk, {"max_order_qty": 2})
    error = refused(desk, "set_risk_limits", body)
    assert error["code"] == "validation_error"
    assert found in error["message"]
    assert desk.oms.limits(1)[0]["limits"] == {"max_order_qty": "2"}


def test_a_kill_switch_that_is_null_is_not_named(desk: Any) -> None:
    assert put(desk, {"killed": None, "max_order_qty": "2"})["limits"] == {"max_order_qty": "2"}
    put(desk, {"killed": True})
    assert put(desk, {"killed": None})["limits"] == {"killed": True}


def test_whom_limits_are_for_has_to_exist(desk: Any) -> None:
    assert refused(desk, "set_risk_limits", {"limits": {}, "strategy_id": 99})["code"] == "strategy_not_found"
    assert refused(desk, "kill_switch", {"killed": True, "symbol": "X/Y"})["code"] == "bad_symbol"
    assert refused(desk, "risk_limits", None, 99)["code"] == "account_not_found"


def test_who_may(desk: Any) -> None:
    put(desk, {"max_order_qty": 2}, strategy_id=2)
    desk.principal = READER
    assert refused(desk, "set_risk_limits", {"limits": {}})["code"] == "permission_denied"
    assert refused(desk, "kill_switch", {"killed": True})["code"] == "permission_denied"
    desk.principal = RISK_OF_ONE
    assert refused(desk, "kill_switch", {"killed": True})["code"] == "strategy_permission_denied"
    assert refused(desk, "kill_switch", {"killed": True, "strategy_id": 2})["code"] == "strategy_not_found"
    assert desk.call("kill_switch", {"killed": True, "strategy_id": 1}, account_id=1)["ok"]
    seen = desk.get("risk_limits", {"account_id": "1"})["items"]
    assert [row["strategy_id"] for row in seen] == [1]


def test_sessions(desk: Any) -> None:
    [before] = [row for row in desk.get("sessions")["items"] if row["symbol"] == SPOT]
    assert (before["session"], before["hours"], before["changes_at"]) == ("open", None, None)
    resting = desk.send("buy", 1, "90")
    body = {"symbol": SPOT, "session": "halted", "resting": "cancel"}
    answer = desk.call("set_session", body)
    assert (answer["session"], answer["set_by_hand"], answer["resting"]) == ("halted", "halted", "cancel")
    assert desk.order_row(resting["id"])["status"] == "CANCELED"
    desk.refuse("market_closed", "send_order", **desk.order("buy", 1, "90"))
    hours = ["mon-sun 00:00-00:01"]
    opened = desk.call("set_session", {"symbol": SPOT, "session": "open", "hours": hours})
    assert (opened["hours"], opened["session"]) == (hours, "open")
    assert opened["changes_at"] is not None
    always = desk.call("set_session", {"symbol": SPOT, "hours": None})
    assert (always["hours"], always["session"]) == (None, "open")


@pytest.mark.parametrize(
    "body, found",
    [
        ({"session": "open"}, "symbol: Field required"),
        ({"symbol": SPOT, "session": "shut"}, "session: "),
        ({"symbol": SPOT, "hours": ["always"]}, "hours: expected windows such as"),
        ({"symbol": SPOT, "hours": ["mon 09:00-17:00"] * 501}, "hours: List should have at most 500 items"),
        ({"symbol": SPOT, "resting": "sell"}, "resting: "),
    ],
)
def test_sessions_that_make_no_sense_are_named(desk: Any, body: Any, found: str) -> None:
    error = refused(desk, "set_session", body)
    assert error["code"] == "validation_error"
    assert found in error["message"]


def test_sessions_concern_everybody(desk: Any) -> None:
    assert refused(desk, "set_session", {"symbol": "X/Y", "session": "open"})["code"] == "bad_symbol"
    for principal in (RISK, RISK_OF_ONE, READER):
        desk.principal = principal
        assert (
            refused(desk, "set_session", {"symbol": SPOT, "session": "halted"})["code"] == "permission_denied"
        )
        assert desk.get("sessions")["items"]
    desk.principal = Principal(10, None, None, Permission(True, False, True, True))
    assert desk.call("set_session", {"symbol": SPOT, "session": "halted"})["ok"]


def test_they_outlive_a_restart(make_desk: Any, tmp_path: Path) -> None:
    first = make_desk(db=tmp_path / "oms.sqlite")
    put(first, {"max_order_qty": 2}, symbol=SPOT)
    first.call("kill_switch", {"killed": True, "strategy_id": 1}, account_id=1)
    first.oms.close()
    again = make_desk(db=tmp_path / "oms.sqlite")
    assert [row["limits"] for row in again.oms.limits(1)] == [{"max_order_qty": "2"}, {"killed": True}]


def test_the_driver_reaches_them(desk: Any) -> None:
    exchange: Any = OmsCcxtExchange({"options": {"oms": desk.oms, "account_id": 1}})
    exchange.private_post_oms_risk_account_id_limits(
        {"account_id": 1, "symbol": SPOT, "limits": {"max_order_qty": "2"}}
    )
    [row] = exchange.privateGetOmsRiskAccountIdLimits({"account_id": 1})["items"]
    assert row["limits"] == {"max_order_qty": "2"}
    assert exchange.private_post_oms_risk_account_id_kill_switch({"account_id": 1, "killed": True})["ok"]
    assert exchange.private_post_oms_sessions({"symbol": SPOT, "session": "halted"})["session"] == "halted"
    assert exchange.private_get_oms_sessions()["items"][0]["session"] == "halted"
