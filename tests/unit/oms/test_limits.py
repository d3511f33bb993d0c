"""Risk limits: each refuses what opens too much, says which it was, and lets everything reduce."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.limits import load

from .conftest import ACCOUNTS, SPOT, SWAP, Desk

HOUR = 3_600_000


def blocked(desk: Desk, account: int = 1, **order: Any) -> dict[str, Any]:
    """The details of a refusal by a limit."""
    return dict(desk.refuse("risk_blocked", "send_order", account, **order)["details"])


# ------------------------------------------------------------------ each limit


@pytest.mark.parametrize(
    "limit, fits, too_much, value",
    [
        ({"max_order_qty": "2"}, ("buy", 2, 90), ("buy", "2.01", 90), "2.01"),
        ({"max_order_notional": "180"}, ("buy", 2, 90), ("buy", 2, "90.1"), "180.2"),
        ({"max_order_notional": "210"}, ("buy", 2), ("buy", "2.1"), "211.05"),
        ({"max_position_qty": "2"}, ("sell", 2, 110), ("buy", "2.1", 90), "2.1"),
        ({"max_position_notional": "201"}, ("buy", 2, 90), ("buy", "2.1", 90), "211.05"),
        ({"max_exposure": "180"}, ("buy", 2, 90), ("sell", 2, 91), "182"),
        (
            {"price_band": "0.1"},
            ("buy", 2, 91),
            ("buy", 2, 90),
            "0.10447761194029850",
        ),
    ],
)
def test_a_limit_lets_what_fits_and_names_itself(
    desk: Desk, limit: dict[str, Any], fits: tuple, too_much: tuple, value: str
) -> None:
    desk.oms.set_limits(1, limit)
    first = desk.send(*fits, symbol=SWAP)
    if first["status"] == "SUBMITTED":
        desk.run("cancel_order", order_id=first["id"])
    else:
        desk.run("close_position", position_id=first["position_id"])

    details = blocked(desk, **desk.order(*too_much, symbol=SWAP))

    [(name, most)] = limit.items()
    assert details == {"reason": name, "account_id": 1, "limit": most, "value": details["value"]}
    assert details["value"].startswith(value)


def test_open_orders_of_the_side_count_for_the_position(desk: Desk) -> None:
    desk.oms.set_limits(1, {"max_position_qty": "3"})
    desk.send("buy", 1, symbol=SWAP)
    desk.send("buy", 1, 90, SWAP)
    desk.send("sell", 2, 110, SWAP)  # one of them reduces

    assert blocked(desk, **desk.order("buy", 2, 90, SWAP))["value"] == "4"
    desk.send("buy", 1, 90, SWAP)


def test_how_many_orders_may_be_open(desk: Desk) -> None:
    desk.oms.set_limits(1, {"max_open_orders": 2})
    first = desk.send("buy", 1, 90)
    desk.send("buy", 1, 90)

    assert blocked(desk, **desk.order("buy", 1, 90))["reason"] == "max_open_orders"
    desk.run("change_order", order_id=first["id"], new_price="91")  # no other order
    desk.run("cancel_order", order_id=first["id"])
    desk.send("buy", 1, 90)


@pytest.mark.parametrize("name", ["max_open_orders", "max_orders_per_minute"])
def test_orders_are_counted_in_whole_numbers(desk: Desk, name: str) -> None:
    with pytest.raises(ValueError, match=f"^limits.{name}: expected a whole number, got 1.5$"):
        desk.oms.set_limits(1, {name: 1.5})
    body = {"limits": {name: "1.5"}, "comment": "x"}
    reply = desk.oms.handle("set_risk_limits", {"account_id": "1"}, {}, body)
    assert reply.status == 422
    assert f"limits.{name}: expected a whole number, got 1.5" in reply.body["detail"]["message"]
    desk.oms.set_limits(1, {name: "2.0"})
    assert desk.oms.limits(1)[0]["limits"] == {name: "2"}
    kept = [{"account_id": 1, "strategy_id": None, "symbol": None, "since_ms": 0, "limits": {name: "1.5"}}]
    [row] = load(kept).values()  # what an earlier version took lets as many through
    assert getattr(row.limits, name) == 1


def test_how_many_orders_may_be_sent_in_a_minute(desk: Desk) -> None:
    desk.oms.set_limits(1, {"max_orders_per_minute": 2})
    for _ in range(2):
        desk.run("cancel_order", order_id=desk.send("buy", 1, 90)["id"])
        desk.oms.advance(1_000)

    assert blocked(desk, **desk.order("buy", 1, 90))["reason"] == "max_orders_per_minute"
    assert desk.run("check_order", **desk.order("buy", 1, 90))["result"]["ok"] is False
    desk.oms.advance(57_999)
    blocked(desk, **desk.order("buy", 1, 90))
    desk.oms.advance(1)
    desk.send("buy", 1, 90)


def test_a_daily_loss_counts_fees_and_what_is_open_until_midnight(desk: Desk) -> None:
    desk.oms.set_limits(1, {"max_daily_loss": "10"})
    desk.send("buy", 1, symbol=SWAP)  # 101 and a fee of 0.0505
    desk.price(SWAP, "92", "93", "92")
    desk.send("buy", "0.1", symbol=SWAP)
    desk.price(SWAP, "91", "92", "91")

    details = blocked(desk, **desk.order("buy", 1, symbol=SWAP))
    assert (details["reason"], details["limit"]) == ("max_daily_loss", "10")
    desk.send("sell", 1, symbol=SWAP)
    blocked(desk, **desk.order("buy", 1, 80))  # of the same currency on another market, and realised by now
    desk.oms.advance(24 * HOUR)
    desk.send("buy", 1, 80)


def test_a_drawdown_is_counted_from_the_highest_profit(desk: Desk) -> None:
    desk.oms.set_limits(1, {"max_drawdown": "15"})
    desk.send("buy", 1, symbol=SWAP)
    desk.price(SWAP, "121", "122", "121")
    desk.send("sell", 1, symbol=SWAP)  # a profit of about 20
    desk.send("buy", 1, symbol=SWAP)
    desk.oms.advance(48 * HOUR)
    desk.price(SWAP, "108", "109", "108")
    desk.send("buy", 1, 90, SWAP)
    desk.price(SWAP, "106", "107", "106")

    assert blocked(desk, **desk.order("buy", 1, 90, SWAP))["reason"] == "max_drawdown"


def test_another_limit_that_is_set_forgives_no_drawdown(desk: Desk) -> None:
    desk.oms.set_limits(1, {"max_drawdown": "9"})
    desk.send("buy", 1, symbol=SWAP)
    desk.price(SWAP, "121", "122", "121")
    desk.send("sell", 1, symbol=SWAP)  # a profit of about 20
    desk.send("buy", 1, symbol=SWAP)
    desk.price(SWAP, "111", "112", "111")
    desk.send("sell", 1, symbol=SWAP)  # about 11 less
    desk.oms.advance(HOUR)

    desk.oms.set_limits(1, {"max_drawdown": "9", "max_open_orders": 9})
    assert blocked(desk, **desk.order("buy", 1, 90, SWAP))["reason"] == "max_drawdown"
    desk.oms.set_limits(1, {"max_drawdown": "8"})
    desk.send("buy", 1, 90, SWAP)  # this one begins anew


def test_a_loss_in_another_currency_does_not_count(desk: Desk) -> None:
    desk.oms.set_limits(1, {"max_daily_loss": "1", "max_exposure": "1", "currency": "BTC"})

    desk.send("buy", 1, symbol=SWAP)
    desk.price(SWAP, "50", "51")
    desk.send("buy", 1, symbol=SWAP)


# ------------------------------------------------------------------ whom they concern


def test_limits_concern_their_account_strategy_and_symbol_alone(desk: Desk) -> None:
    desk.oms.set_limits(3, {"max_order_qty": "1"}, strategy_id=2, symbol=SWAP)

    details = blocked(desk, 3, **desk.order("buy", 2, 90, SWAP, strategy_id=2))

    assert (details["strategy_id"], details["symbol"]) == (2, SWAP)
    desk.send("buy", 2, 90, SWAP, 3, strategy_id=1)
    desk.send("buy", 2, 90, SPOT, 3, strategy_id=2)
    desk.send("buy", 2, 90, SWAP, 1, strategy_id=2)


def test_every_limit_that_concerns_an_order_counts(desk: Desk) -> None:
    desk.oms.set_limits(1, {"max_order_qty": "1"})
    desk.oms.set_limits(1, {"max_order_qty": "5"}, symbol=SWAP)

    assert blocked(desk, **desk.order("buy", 2, 90, SWAP))["limit"] == "1"
    desk.oms.set_limits(1, None)
    desk.send("buy", 2, 90, SWAP)
    assert desk.oms.limits(1) == [{"strategy_id": None, "symbol": SWAP, "limits": {"max_order_qty": "5"}}]


def test_a_loss_goes_with_the_orders_that_are_reassigned(desk: Desk) -> None:
    desk.oms.set_limits(3, {"max_daily_loss": "5"}, strategy_id=2)
    order = desk.send("buy", 1, symbol=SWAP, account=3, strategy_id=1)
    desk.price(SWAP, "80", "81")
    closing = desk.send("sell", 1, symbol=SWAP, account=3, strategy_id=1)
    desk.run("cancel_order", 3, order_id=desk.send("buy", 1, 70, SWAP, 3, strategy_id=2)["id"])

    desk.call("reassign", {"order_ids": [order["id"], closing["id"]], "strategy_id": 2})

    assert blocked(desk, 3, **desk.order("buy", 1, 70, SWAP, strategy_id=2))["reason"] == "max_daily_loss"


# ------------------------------------------------------------------ orders that are there


def test_a_change_that_opens_more_is_refused_and_one_that_opens_less_is_not(desk: Desk) -> None:
    order = desk.send("buy", 2, 90)
    desk.oms.set_limits(1, {"max_order_qty": "1", "price_band": "0.01"})

    for change in ({"new_qty": "3"}, {"new_price": "80"}):
        detail = desk.refuse("risk_blocked", "change_order", order_id=order["id"], **change)
        assert detail["details"]["reason"] == "max_order_qty"
    desk.run("change_order", order_id=order["id"], new_qty="1.5")


def test_a_trigger_is_rejected_when_its_limit_was_reached_meanwhile(desk: Desk) -> None:
    order = desk.send("buy", 1, symbol=SWAP, trigger_price="110")
    desk.oms.set_limits(1, {"max_position_qty": "0.5", "max_order_qty": "0"})

    desk.price(SWAP, "110", "111")

    row = desk.order_row(order["id"])
    assert (row["status"], row["reject_reason"]) == ("REJECTED", "risk_blocked")


@pytest.mark.parametrize("account", [1, 2, 3])
@pytest.mark.parametrize("limit", ["max_daily_loss", "max_drawdown"])
def test_a_loss_that_is_made_at_the_same_step_counts(desk: Desk, account: int, limit: str) -> None:
    desk.oms.set_limits(account, {limit: "50"})
    desk.send("buy", 10, symbol=SWAP, account=account)
    stop = desk.send("sell", 10, symbol=SWAP, account=account, stop_price="95", reduce_only=True)
    order = desk.send("buy", 1, symbol=SWAP, account=account, trigger_price="95")
    desk.price(SWAP, "95", "96", last="95")
    assert desk.order_row(stop["id"])["status"] == "FILLED"
    row = desk.order_row(order["id"])
    assert (row["status"], row["reject_reason"]) == ("REJECTED", "risk_blocked")
    desk.price(SWAP, "100", "101")
    lost = blocked(desk, account, **desk.order("buy", 1, symbol=SWAP))
    assert (lost["reason"], lost["value"]) == (limit, "60.98")


def test_the_kill_switch_cancels_what_opens_and_lets_close(desk: Desk) -> None:
    desk.send("buy", 2, symbol=SWAP)
    opens, reduces = desk.send("buy", 1, 90, SWAP), desk.send("sell", 2, 120, SWAP)
    turns, elsewhere = desk.send("sell", 1, 130, SWAP), desk.send("buy", 1, 90)

    desk.oms.kill_switch(1, symbol=SWAP)

    states = [desk.order_row(order["id"])["status"] for order in (opens, reduces, turns, elsewhere)]
    assert states == ["CANCELED", "SUBMITTED", "CANCELED", "SUBMITTED"]
    assert desk.order_row(opens["id"])["reject_reason"] == "killed"
    assert blocked(desk, **desk.order("buy", 1, 90, SWAP)) == {
        "reason": "killed",
        "account_id": 1,
        "symbol": SWAP,
    }
    desk.oms.set_limits(1, {"max_order_qty": "7"}, symbol=SWAP)
    blocked(desk, **desk.order("buy", 1, 90, SWAP))
    desk.send("sell", 1, symbol=SWAP, reduce_only=True)
    desk.oms.kill_switch(1, on=False, symbol=SWAP)
    desk.send("buy", 1, 90, SWAP)
    assert desk.oms.limits(1)[0]["limits"] == {"max_order_qty": "7"}


# ------------------------------------------------------------------ setting them


def test_limits_survive_a_restart_and_come_with_the_setup(tmp_path: Path) -> None:
    accounts = [ACCOUNTS[0] | {"limits": {"max_order_qty": 3}}]
    options: dict[str, Any] = {"accounts": accounts, "clock": "manual", "db": tmp_path / "oms.sqlite"}
    with EmbeddedOms(**options) as oms:
        oms.set_limits(1, {"max_daily_loss": "0.5"}, strategy_id=1)
        oms.set_limits(1, {"max_orders_per_minute": 1}, symbol=SPOT)
    desk = Desk(**options)
    desk.send("buy", 1, symbol=SWAP, strategy_id=1)
    desk.price(SWAP, "90", "91")
    desk.send("buy", 1, 90)
    desk.oms.close()

    desk = Desk(**options | {"accounts": [ACCOUNTS[0]]})

    assert blocked(desk, **desk.order("buy", 4, 90, SWAP))["reason"] == "max_order_qty"
    assert blocked(desk, **desk.order("buy", 1, 90, SWAP, strategy_id=1))["reason"] == "max_daily_loss"
    assert blocked(desk, **desk.order("buy", 1, 90, SPOT))["reason"] == "max_orders_per_minute"
    desk.oms.close()


@pytest.mark.parametrize(
    "limits, message",
    [
        ({"max_qty": 1}, r"limits.max_qty: unknown; expected one of max_order_qty"),
        ({"max_order_qty": "many"}, r"limits.max_order_qty: expected a decimal"),
        ({"max_order_qty": -1}, r"limits.max_order_qty: expected 0 or more"),
        ({"killed": 1}, r"limits.killed: expected true or false"),
        ({"currency": ""}, r"limits.currency: expected a currency"),
    ],
)
def test_limits_that_make_no_sense_are_refused(desk: Desk, limits: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        desk.oms.set_limits(1, limits)
    with pytest.raises(ValueError, match=rf"accounts\[0\].{message}"):
        EmbeddedOms(accounts=[{"account_id": 1, "limits": limits}])


@pytest.mark.parametrize("name", ["max_exposure", "max_daily_loss", "max_drawdown"])
def test_a_currency_that_nothing_is_counted_in_is_refused(desk: Desk, name: str) -> None:
    """Nothing would ever reach such a limit."""
    limits = {name: "5", "currency": "USD"}
    text = r"limits.currency: expected .*USDT, which some market is quoted in, got 'USD'"
    with pytest.raises(ValueError, match=text):
        desk.oms.set_limits(1, limits)
    with pytest.raises(ValueError, match=rf"accounts\[0\].{text}"):
        EmbeddedOms(accounts=[{"account_id": 1, "limits": limits}])
    with pytest.raises(ValueError, match=f"expected USDT, which {SPOT} is quoted in, got 'BTC'"):
        desk.oms.set_limits(1, {name: "5", "currency": "BTC"}, symbol=SPOT)
    desk.oms.set_limits(1, {"max_order_qty": "5", "currency": "USD"})


def test_unknown_accounts_and_symbols_are_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="account_id: 9 does not exist"):
        desk.oms.set_limits(9, {})
    with pytest.raises(ValueError, match="symbol: 'X/Y' is not listed"):
        desk.oms.kill_switch(1, symbol="X/Y")
    with pytest.raises(ValueError, match=r"accounts\[0\].limits: expected values by name"):
        EmbeddedOms(accounts=[{"account_id": 1, "limits": 3}])


# ------------------------------------------------------------------ strategies that share a position


def taken(desk: Desk, side: str, qty: Any, strategy: int, price: Any = None, **more: Any) -> Any:
    """An order of a strategy of the netting account."""
    return desk.send(side, qty, price, SWAP, 1, strategy_id=strategy, **more)


def refused(desk: Desk, side: str, qty: Any, strategy: int, price: Any = None) -> tuple[str, str]:
    """Which limit refuses it, and what it would have come to."""
    details = blocked(desk, **desk.order(side, qty, price, SWAP, strategy_id=strategy))
    assert details["strategy_id"] == strategy
    return details["reason"], details["value"]


def test_a_strategy_is_limited_by_what_it_holds_itself(desk: Desk) -> None:
    for strategy in (1, 2):
        desk.oms.set_limits(1, {"max_position_qty": "1"}, strategy_id=strategy)
    desk.send("buy", 5, symbol=SWAP, strategy_id=3)
    taken(desk, "buy", 1, 2)  # which the position of strategy 3 says nothing of
    assert refused(desk, "buy", "0.1", 2) == ("max_position_qty", "1.1")
    taken(desk, "buy", 1, 1)
    assert refused(desk, "buy", 1, 1, 90) == ("max_position_qty", "2")
    assert refused(desk, "sell", "2.5", 1) == ("max_position_qty", "1.5")  # it has 1 to give
    taken(desk, "sell", 2, 1)
    assert refused(desk, "sell", "0.1", 1)[1] == "1.1"
    taken(desk, "sell", "0.1", 1, reduce_only=True)
    taken(desk, "buy", 2, 1)


def test_its_own_is_never_refused_to_close(desk: Desk) -> None:
    desk.oms.set_limits(1, {"max_daily_loss": "0.01"}, strategy_id=2)
    taken(desk, "sell", 1, 1)
    taken(desk, "buy", 1, 2)
    assert desk.positions() == []  # together they have nothing
    assert refused(desk, "buy", 1, 2)[0] == "max_daily_loss"
    taken(desk, "sell", 1, 2)
    assert refused(desk, "sell", 1, 2)[0] == "max_daily_loss"


def test_open_orders_of_a_strategy_are_its_own_too(desk: Desk) -> None:
    desk.oms.set_limits(1, {"max_position_qty": "2"}, strategy_id=2)
    taken(desk, "buy", 1, 1, 90)
    first = taken(desk, "buy", 1, 2, 90)
    assert refused(desk, "buy", "1.1", 2, 90) == ("max_position_qty", "2.1")
    detail = desk.refuse("risk_blocked", "change_order", order_id=first["id"], new_qty="2.5")
    assert detail["details"]["value"] == "2.5"
    taken(desk, "buy", 1, 2)
    taken(desk, "sell", 1, 2, 120)
    assert refused(desk, "sell", "2.5", 2, 120)[1] == "3.5"  # the one before gives what there is


@pytest.mark.parametrize(
    "limit, value",
    [({"max_position_notional": "150"}, "201"), ({"max_exposure": "150"}, "201.5")],
)
def test_what_its_own_is_worth(desk: Desk, limit: dict[str, str], value: str) -> None:
    desk.oms.set_limits(1, limit, strategy_id=2)
    taken(desk, "buy", 5, 1)
    taken(desk, "buy", 1, 2)
    assert refused(desk, "buy", 1, 2, 101)[1] == value


def test_a_loss_is_of_the_strategy_that_made_it(desk: Desk) -> None:
    for strategy in (1, 2):
        desk.oms.set_limits(1, {"max_daily_loss": "50"}, strategy_id=strategy)
    desk.send("buy", "0.1", symbol=SWAP, strategy_id=1)
    taken(desk, "buy", 10, 2)
    desk.price(SWAP, "95", "96", "95")
    assert refused(desk, "buy", 1, 2) == ("max_daily_loss", "60.505")  # 6 each, and a fee of 0.505
    taken(desk, "buy", 1, 1)
    taken(desk, "sell", 10, 2)
    assert refused(desk, "buy", 1, 2) == ("max_daily_loss", "60.98")
    taken(desk, "buy", 1, 1)
    desk.oms.advance(24 * HOUR)
    taken(desk, "buy", 1, 2)


def test_a_drawdown_is_of_the_strategy_that_made_it(desk: Desk) -> None:
    desk.oms.set_limits(1, {"max_drawdown": "15"}, strategy_id=2)
    taken(desk, "sell", 3, 1)
    taken(desk, "buy", 1, 2)
    desk.price(SWAP, "121", "122", "121")
    taken(desk, "sell", 1, 2)  # a profit of about 20
    taken(desk, "buy", 1, 2)
    desk.price(SWAP, "108", "109", "108")
    taken(desk, "buy", 1, 2, 90)
    desk.price(SWAP, "106", "107", "106")
    assert refused(desk, "buy", 1, 2, 90)[0] == "max_drawdown"
    desk.oms.set_limits(1, {"max_drawdown": "20"}, strategy_id=2)
    taken(desk, "buy", 1, 2, 90)  # this one begins anew: it is 16 that are open


@pytest.mark.parametrize("way", ["close_position", "stop", "liquidation"])
def test_what_closes_the_position_closes_the_parts_of_all(desk: Desk, way: str) -> None:
    for strategy in (1, 2):
        desk.oms.set_limits(1, {"max_position_qty": "4"}, strategy_id=strategy)
    if way == "liquidation":
        desk.venue("set_margin_mode", "isolated", SWAP)
    taken(desk, "buy", 1, 1)
    taken(desk, "buy", 4, 2)
    taken(desk, "sell", 1, 3)
    if way == "close_position":
        desk.run("close_position", position_id=1, qty="2")
        assert refused(desk, "buy", "2.1", 2) == ("max_position_qty", "4.1")  # it has 2 of the 4
        assert refused(desk, "buy", "4", 1)[1] == "4.5"
        desk.run("close_position", position_id=1)
    elif way == "stop":
        desk.run("position_change", position_id=1, oms_stop_loss="95")
    desk.price(SWAP, "80", "81", "80")
    assert desk.positions() == []
    for strategy in (1, 2):
        assert refused(desk, "buy", "4.1", strategy)[1] == "4.1"
        taken(desk, "buy", 4, strategy)


def test_what_has_filled_at_the_same_step_counts(desk: Desk) -> None:
    taken(desk, "buy", 5, 1)
    taken(desk, "buy", 1, 2)
    turned = [taken(desk, side, 2, 2, trigger_price="110") for side in ("sell", "buy")]
    desk.oms.set_limits(1, {"max_position_qty": "1.5"}, strategy_id=2)
    desk.price(SWAP, "110", "111")
    assert [desk.order_row(order["id"])["status"] for order in turned] == ["FILLED", "FILLED"]
    assert refused(desk, "buy", 1, 2)[1] == "2"


def test_orders_that_move_take_their_part_with_them(desk: Desk) -> None:
    desk.oms.set_limits(1, {"max_position_qty": "1"}, strategy_id=2)
    order = taken(desk, "buy", 1, 1)
    taken(desk, "buy", "0.5", 2)
    desk.call("reassign", {"order_ids": [order["id"]], "strategy_id": 2})
    assert refused(desk, "buy", 1, 2)[1] == "2.5"
