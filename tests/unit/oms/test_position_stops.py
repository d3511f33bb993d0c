"""Stops that the price has reached already when their position is opened."""

from __future__ import annotations

from typing import Any

import pytest

from ccxt_driver.oms.models import FixedLatency, Models

SPOT = "BTC/USDT"
SWAP = "BTC/USDT:USDT"


def closed_by(desk: Any, account: int = 1) -> list[tuple[str, str, str]]:
    """Side, price and reason of an account's deals; it holds nothing."""
    assert desk.positions(account) == []
    return [(deal["side"], deal["price"], deal["reason"]) for deal in desk.deals(account)]


def test_an_order_that_arrives_beyond_its_stop_is_closed_at_once(make_desk: Any) -> None:
    desk = make_desk(models=Models(latency=FixedLatency(100)))
    desk.send("buy", 1, symbol=SWAP, oms_stop_loss="95")
    desk.price(SWAP, "90", "91")
    desk.oms.advance(100)
    assert closed_by(desk) == [("buy", "91", "api"), ("sell", "90", "stop_loss")]


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
@pytest.mark.parametrize("account", [1, 2, 3])
def test_a_maker_that_another_account_fills_beyond_its_stop_is_closed_at_once(
    desk: Any, account: int, symbol: str
) -> None:
    desk.price(symbol, "100", "110", last="105")
    desk.send("buy", 1, "108", symbol=symbol, account=account, oms_stop_loss="106")
    desk.send("sell", 1, symbol=symbol, account=account % 3 + 1)
    assert closed_by(desk, account) == [("buy", "108", "api"), ("sell", "100", "stop_loss")]


def test_a_stop_may_open_another_position_beyond_its_stop(desk: Any) -> None:
    desk.price(SWAP, "80", "120", last="105")
    desk.send("buy", 1, "108", symbol=SWAP, oms_stop_loss="106")
    desk.send("buy", 1, "107", symbol=SWAP, account=2, oms_stop_loss="106")
    desk.send("sell", 1, symbol=SWAP, account=3)
    assert closed_by(desk) == [("buy", "108", "api"), ("sell", "107", "stop_loss")]
    assert closed_by(desk, 2) == [("buy", "107", "api"), ("sell", "80", "stop_loss")]


def test_what_the_book_has_no_room_for_is_closed_at_the_next_step(desk: Any) -> None:
    desk.price(SWAP, "100", "110", last="105", size="1")
    desk.send("buy", 3, "108", symbol=SWAP, oms_stop_loss="106")
    desk.send("sell", 3, symbol=SWAP, account=2)
    assert [row["qty"] for row in desk.positions()] == ["2"]
    desk.price(SWAP, "100", "110", last="105")
    assert desk.positions() == []


def test_a_stop_that_is_not_reached_stays(desk: Any) -> None:
    desk.price(SWAP, "100", "110", last="105")
    desk.send("buy", 1, "108", symbol=SWAP, oms_stop_loss="104", oms_stop_gain="109")
    desk.send("sell", 1, symbol=SWAP, account=2)
    [row] = desk.positions()
    assert (row["stop_loss"], row["stop_gain"], row["state"]) == ("104", "109", "open")


@pytest.mark.parametrize(
    "side, price, stops, changed",
    [
        ("buy", "90", {"oms_stop_gain": "95"}, "101"),
        ("buy", "90", {"oms_stop_gain": "95"}, "96"),
        ("buy", "90", {"oms_stop_loss": "85"}, "85"),
        ("sell", "120", {"oms_stop_loss": "130"}, "131"),
        ("sell", "120", {"oms_stop_gain": "105"}, "99"),
    ],
)
def test_a_new_price_beyond_the_orders_own_stops_is_refused(
    desk: Any, side: str, price: str, stops: dict[str, str], changed: str
) -> None:
    order = desk.send(side, 1, price, symbol=SWAP, **stops)
    error = desk.refuse("validation_error", "change_order", order_id=order["id"], new_price=changed)
    assert "payload.new_price: the order's oms_stop_" in error["message"]
    assert desk.order_row(order["id"])["price"] == price
    desk.run("change_order", order_id=order["id"], new_qty="2")
    assert desk.positions() == []


def test_an_order_of_another_strategy_gives_its_coins_to_the_stop_of_a_netted_position(desk: Any) -> None:
    desk.send("buy", 1, strategy_id=1, oms_stop_loss="90")
    resting = desk.send("sell", 11, "120", strategy_id=2)
    desk.price(SPOT, "89", "90")
    assert closed_by(desk) == [("buy", "101", "api"), ("sell", "89", "stop_loss")]
    row = desk.order_row(resting["id"])
    assert (row["status"], row["reject_reason"]) == ("CANCELED", "stop_loss")


@pytest.mark.parametrize("account", [1, 2, 3])
def test_an_order_that_has_closed_an_earlier_position_gives_its_coins_to_the_stop_of_this_one(
    desk: Any, account: int
) -> None:
    """What nets goes to the position that there is, whichever it was bound to by its first fill."""
    desk.send("buy", 1, account=account)
    resting = desk.send("sell", 4, "110", account=account, position_id=1)
    desk.price(SPOT, "111", "112", size="1")
    assert desk.order_row(resting["id"])["position_id"] == 1
    desk.price(SPOT, "100", "101")
    desk.send("buy", 1, account=account, oms_stop_loss="90")
    desk.run("change_order", account, order_id=resting["id"], new_qty="12")
    desk.price(SPOT, "89", "90")
    assert closed_by(desk, account)[-1] == ("sell", "89", "stop_loss")
    assert desk.order_row(resting["id"])["reject_reason"] == "stop_loss"


@pytest.mark.parametrize("account", [2, 3])
def test_the_stop_of_a_strategys_own_position_takes_no_order_of_another(desk: Any, account: int) -> None:
    desk.send("buy", 1, account=account, strategy_id=1, oms_stop_loss="90")
    resting = desk.send("sell", 11, "120", account=account, strategy_id=2)
    desk.price(SPOT, "89", "90")
    assert desk.order_row(resting["id"])["status"] == "SUBMITTED"
    desk.run("cancel_order", account, order_id=resting["id"])
    desk.price(SPOT, "88", "89")
    assert closed_by(desk, account) == [("buy", "101", "api"), ("sell", "88", "stop_loss")]


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("account", [1, 2, 3])
@pytest.mark.parametrize("stop", ["98", None])
def test_what_an_order_fills_later_leaves_the_stops_as_they_were_set_meanwhile(
    desk: Any, account: int, named: bool, stop: str | None
) -> None:
    naming = {}
    if named:
        desk.send("buy", 1, symbol=SWAP, account=account)
        naming = {"position_id": 1}
    desk.send("buy", 3, "100", symbol=SWAP, account=account, oms_stop_loss="90", **naming)
    desk.price(SWAP, "99", "100", last="99.5", size="1")
    assert desk.positions(account)[0]["stop_loss"] == "90"
    desk.run("position_change", account, position_id=1, oms_stop_loss=stop)
    desk.price(SWAP, "99", "100", last="99.5", size="1")
    [row] = desk.positions(account)
    assert (row["qty"], row["stop_loss"]) == ("3" if named else "2", stop)


def test_an_order_puts_its_stops_on_the_next_position_that_it_opens(desk: Any) -> None:
    desk.send("buy", 3, "100", symbol=SWAP, account=2, oms_stop_loss="90")
    desk.price(SWAP, "99", "100", last="99.5", size="1")
    desk.run("close_position", 2, position_id=1, order_type="limit", price="110")
    desk.price(SWAP, "111", "112")
    desk.price(SWAP, "99", "100", last="99.5", size="1")
    assert [(row["id"], row["stop_loss"]) for row in desk.positions(2)] == [(2, "90")]
