"""What a configuration file says of limits and sessions, at each start of a served OMS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SPOT = "BTC/USDT"
SWAP = "BTC/USDT:USDT"
LIMITS = [
    {"account_id": 1, "max_daily_loss": 500},
    {"account_id": 1, "strategy_id": 2, "symbol": SPOT, "max_order_qty": "2"},
]


@pytest.fixture
def restart(make_desk: Any, tmp_path: Path) -> Any:
    """The same file opened again, an hour later."""
    made: list[Any] = []

    def again() -> Any:
        if made:
            made[-1].oms.advance(3_600_000)
            made[-1].oms.close()
        made.append(make_desk(db=tmp_path / "oms.sqlite"))
        return made[-1]

    return again


def of(desk: Any, account_id: int = 1) -> list[Any]:
    return [row["limits"] for row in desk.oms.limits(account_id)]


def test_they_are_set_and_refuse(desk: Any) -> None:
    desk.oms.configure(LIMITS)
    assert desk.oms.limits(1) == [
        {"strategy_id": None, "symbol": None, "limits": {"max_daily_loss": "500"}},
        {"strategy_id": 2, "symbol": SPOT, "limits": {"max_order_qty": "2"}},
    ]
    assert desk.refuse("risk_blocked", "send_order", **desk.order("buy", 3, strategy_id=2))["details"]


def test_what_was_set_since_is_not_undone_by_a_restart(restart: Any) -> None:
    first = restart()
    first.oms.configure(LIMITS)
    first.oms.set_limits(1, {"max_daily_loss": 50})
    second = restart()
    second.oms.configure(LIMITS)
    assert of(second) == [{"max_daily_loss": "50"}, {"max_order_qty": "2"}]


def test_a_change_of_the_file_counts(restart: Any) -> None:
    first = restart()
    first.oms.configure(LIMITS)
    first.oms.set_limits(1, {"max_daily_loss": 50})
    second = restart()
    second.oms.configure([{"account_id": 1, "max_daily_loss": 400}, LIMITS[1]])
    assert of(second) == [{"max_daily_loss": "400"}, {"max_order_qty": "2"}]


def test_the_same_words_keep_the_day_and_the_highest_profit(restart: Any) -> None:
    """A restart is no new beginning for a loss that was made: since when a limit counts is kept."""
    first = restart()
    first.oms.configure([{"account_id": 1, "max_drawdown": "9.0"}])
    [since] = [kept.since_ms for kept in first.oms._core.state.limits.values()]
    first.send("buy", 1, symbol=SWAP)
    first.price(SWAP, "95", "96")
    first.send("sell", 1, symbol=SWAP)
    second = restart()
    second.oms.configure([{"account_id": 1, "max_drawdown": 9}])  # written in another way
    assert [kept.since_ms for kept in second.oms._core.state.limits.values()] == [since]
    second.send("buy", 1, symbol=SWAP)
    second.price(SWAP, "92", "93")
    error = second.refuse("risk_blocked", "send_order", **second.order("buy", 1, symbol=SWAP))
    assert error["details"]["reason"] == "max_drawdown"


def test_what_the_file_no_longer_says_stands_and_an_empty_entry_takes_it_away(restart: Any) -> None:
    restart().oms.configure(LIMITS)
    second = restart()
    second.oms.configure([])
    assert len(of(second)) == 2
    third = restart()
    third.oms.configure([{"account_id": 1}])
    assert of(third) == [{"max_order_qty": "2"}]


def test_what_the_file_says_again_is_new(restart: Any) -> None:
    """It was taken away while the file did not say it: nobody would keep to what the file says."""
    sessions = {SWAP: {"session": "halted"}}
    restart().oms.configure(LIMITS, sessions)
    second = restart()
    second.oms.configure([], {})
    second.oms.set_limits(1, None)
    second.oms.set_session(SWAP, "open")
    third = restart()
    third.oms.configure(LIMITS, sessions)
    assert {"max_daily_loss": "500"} in of(third)
    assert third.refuse("market_closed", "send_order", **third.order("buy", 1, symbol=SWAP))


def test_limits_and_sessions_may_be_said_one_after_the_other(restart: Any) -> None:
    for _ in range(2):
        desk = restart()
        desk.oms.configure([{"account_id": 1, "max_order_qty": 5}])
        desk.oms.configure(sessions={SWAP: {"session": "halted"}})
        desk.oms.set_limits(1, {"max_order_qty": 2})
        desk.oms.set_session(SWAP, "open")
    desk = restart()
    desk.oms.configure([{"account_id": 1, "max_order_qty": 5}])
    desk.oms.configure(sessions={SWAP: {"session": "halted"}})
    assert of(desk) == [{"max_order_qty": "2"}]
    assert desk.send("buy", 1, symbol=SWAP)["status"] == "FILLED"


def test_a_kill_switch_stays_on(restart: Any) -> None:
    first = restart()
    first.oms.configure(LIMITS)
    first.oms.kill_switch(1)
    second = restart()
    second.oms.configure([{"account_id": 1, "max_daily_loss": 400}])
    assert of(second)[0] == {"max_daily_loss": "400", "killed": True}
    third = restart()
    third.oms.configure([{"account_id": 1, "max_daily_loss": 400, "killed": False}])
    assert of(third)[0] == {"max_daily_loss": "400"}


def test_sessions(restart: Any) -> None:
    said = {SPOT: {"hours": ["mon-fri 09:00-17:00"], "resting": "cancel"}, SWAP: {"session": "halted"}}
    first = restart()
    first.oms.configure(sessions=said)
    assert first.refuse("market_closed", "send_order", **first.order("buy", 1, symbol=SWAP))
    first.oms.set_session(SWAP, "open")
    second = restart()
    second.oms.configure(sessions=said)
    rows = {row["symbol"]: row for row in second.get("sessions")["items"]}
    assert rows[SWAP]["session"] == "open"
    assert (rows[SPOT]["hours"], rows[SPOT]["resting"]) == (["mon-fri 09:00-17:00"], "cancel")


@pytest.mark.parametrize(
    "limits, sessions, found",
    [
        ([{"max_order_qty": 1}], {}, r"limits\[0\]\.account_id: the OMS has no None"),
        (
            [{"account_id": 1, "max_open_orders": "1.5"}],
            {},
            r"limits\[0\]\.max_open_orders: expected a whole number, got 1.5",
        ),
        ([{"account_id": 9}], {}, r"limits\[0\]\.account_id: the OMS has no 9"),
        ([{"account_id": 1, "strategy_id": 9}], {}, r"limits\[0\]\.strategy_id: the OMS has no 9"),
        ([{"account_id": 1, "symbol": "X/Y"}], {}, r"limits\[0\]\.symbol: 'X/Y' is not listed"),
        ([{"account_id": [1]}], {}, r"limits\[0\]\.account_id: the OMS has no \[1\]"),
        ([{"account_id": True}], {}, r"limits\[0\]\.account_id: the OMS has no True"),
        ([{"account_id": 1, "strategy_id": [1]}], {}, r"limits\[0\]\.strategy_id: the OMS has no \[1\]"),
        ([{"account_id": 1, "strategy_id": 1.0}], {}, r"limits\[0\]\.strategy_id: the OMS has no 1.0"),
        ([{"account_id": 1, "symbol": [SPOT]}], {}, r"limits\[0\]\.symbol: \['BTC/USDT'\] is not listed"),
        (
            [{"account_id": 1, "max_daily_loss": 1, "currency": "USD"}],
            {},
            r"limits\[0\]\.currency: expected .*USDT, which some market is quoted in, got 'USD'",
        ),
        ([{"account_id": 1, "max_loss": 1}], {}, r"limits\[0\]\.max_loss: unknown"),
        ([{"account_id": 1, "max_order_qty": -1}], {}, r"limits\[0\]\.max_order_qty: expected 0 or more"),
        ([{"account_id": 1}, {"account_id": 1}], {}, r"limits\[1\]: .* given twice"),
        ([], {"X/Y": {}}, r"sessions\.X/Y: not listed"),
        ([], {SPOT: {"session": "shut"}}, r"sessions\.BTC/USDT\.session: expected one of open"),
        ([], {SPOT: {"hours": "always"}}, r"sessions\.BTC/USDT\.hours: expected a list"),
        ([], {SPOT: {"hours": ["noon"]}}, r"sessions\.BTC/USDT\.hours: expected windows"),
        ([], {SPOT: {"rest": "keep"}}, r"sessions\.BTC/USDT\.rest: unknown"),
    ],
)
def test_what_makes_no_sense_is_named_and_nothing_is_taken(
    desk: Any, limits: Any, sessions: Any, found: str
) -> None:
    with pytest.raises(ValueError, match=found):
        desk.oms.configure([*limits, {"account_id": 2, "max_order_qty": 1}], sessions)
    assert of(desk, 2) == []
