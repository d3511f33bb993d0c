"""What strategies are told when an order or position of theirs becomes another one's."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import SWAP, Desk

HEDGE, BY_STRATEGY = 2, 3


def rows(desk: Desk, name: str) -> list[tuple[int | None, Any, Any]]:
    """Say whose rows the last events of a kind tell of, how they stand, and who gets them."""
    return [
        (event.strategy_id, event.payload.get("status") or event.payload["state"], getter)
        for event in desk.events
        if event.name == name
        for getter in [event.payload.get("reassigned_to")]
    ]


def move(desk: Desk, order: Any, strategy_id: int, **more: Any) -> None:
    desk.events.clear()
    answer = desk.call("reassign", {"order_ids": [order["id"]], "strategy_id": strategy_id} | more)
    assert answer["refused"] == []


def test_who_loses_a_position_is_told_before_who_gets_it(desk: Desk) -> None:
    order = desk.send("buy", 2, account=BY_STRATEGY, strategy_id=1)
    move(desk, order, 2)
    assert rows(desk, "position_updated") == [(1, "closed", 2), (2, "open", None)]
    [left, got] = [event.payload for event in desk.events if event.name == "position_updated"]
    assert (left["id"], left["qty"], left["strategy_id"]) == (got["id"], "0", 1)
    assert left["unrealized_pnl"] is None
    assert left["closed_at"] == left["updated_at"] == got["updated_at"]
    assert desk.positions(BY_STRATEGY) == [got]  # to the OMS it has never closed
    assert (got["qty"], got["closed_at"]) == ("2", None)
    assert rows(desk, "order_updated") == [(2, "FILLED", None)]  # what has ended is no loss


def test_who_loses_an_open_order_is_told(desk: Desk) -> None:
    order = desk.send("buy", 2, 90, account=BY_STRATEGY, strategy_id=1)
    move(desk, order, 2)
    assert rows(desk, "order_updated") == [(1, "CANCELED", 2), (2, "SUBMITTED", None)]
    assert desk.order_row(order["id"])["status"] == "SUBMITTED"


def test_a_position_of_all_strategies_stays_its_openers(desk: Desk) -> None:
    order = desk.send("buy", 2, strategy_id=1)
    move(desk, order, 2)
    assert rows(desk, "position_updated") == []


def test_a_position_that_goes_into_another_ones_has_ended_to_its_strategy(desk: Desk) -> None:
    order = desk.send("buy", 2, account=BY_STRATEGY, strategy_id=1)
    into = desk.send("buy", 1, account=BY_STRATEGY, strategy_id=2)
    move(desk, order, 2, position_id=into["position_id"])
    told = rows(desk, "position_updated")
    assert told[0] == (1, "closed", 2)
    assert (2, "open", None) in told


def test_nobody_loses_what_goes_to_its_own_strategy(desk: Desk) -> None:
    order = desk.send("buy", 2, account=BY_STRATEGY, strategy_id=1)
    move(desk, order, 1)
    assert not any(
        getter for name in ("position_updated", "order_updated") for *_, getter in rows(desk, name)
    )


@pytest.mark.parametrize("partly", [False, True])
def test_orders_that_a_merge_takes_along_have_ended_to_their_strategy(desk: Desk, partly: bool) -> None:
    """They name the position that goes into another; one of them may have opened it."""
    into = desk.send("buy", 1, symbol=SWAP, account=HEDGE, strategy_id=2)["position_id"]
    desk.price(SWAP, "100", "101", size="2")
    opening = desk.send("buy", 4 if partly else 2, "101", symbol=SWAP, account=HEDGE, strategy_id=1)
    named = desk.positions(HEDGE, strategy_id=1)[0]["id"]
    stop = desk.send(
        "sell",
        2,
        symbol=SWAP,
        account=HEDGE,
        strategy_id=1,
        position_id=named,
        stop_price="90",
        reduce_only=True,
    )
    move(desk, opening, 2, position_id=into)
    lost = [
        (event.payload["id"], event.payload["status"], event.strategy_id)
        for event in desk.events
        if event.name == "order_updated" and event.payload.get("reassigned_to") == 2
    ]
    gone = [opening["id"], stop["id"]] if partly else [stop["id"]]
    assert sorted(lost) == [(order_id, "CANCELED", 1) for order_id in gone]
    assert {desk.order_row(each["id"])["strategy_id"] for each in (opening, stop)} == {2}
    assert desk.order_row(stop["id"])["status"] == "SUBMITTED"


@pytest.mark.parametrize("named", ["opening", "both", "stop first"])
def test_orders_that_name_a_hedged_position_go_where_it_goes(desk: Desk, named: str) -> None:
    """Else the old strategy would close what is the other's, and the loss be its own."""
    opening, stop = with_stop(desk, HEDGE)
    ids = {"opening": [opening], "both": [opening, stop], "stop first": [stop, opening]}[named]
    desk.events.clear()
    answer = desk.call("reassign", {"order_ids": ids, "strategy_id": 2})
    assert (answer["order_ids"], answer["refused"]) == (ids, [])
    assert rows(desk, "position_updated")[0] == (1, "closed", 2)
    assert rows(desk, "order_updated").count((1, "CANCELED", 2)) == 1
    assert desk.order_row(stop)["strategy_id"] == 2
    desk.price(SWAP, "89", "90")
    assert desk.positions(HEDGE) == []
    assert {deal["strategy_id"] for deal in desk.deals(HEDGE)} == {2}


def test_an_order_for_a_hedged_position_stays_with_it(desk: Desk) -> None:
    opening, stop = with_stop(desk, HEDGE)
    answer = desk.call("reassign", {"order_ids": [stop], "strategy_id": 2})
    assert answer["refused"] == [{"order_id": stop, "reason": "order 2 is for position 1 of strategy 1"}]
    assert desk.order_row(stop)["strategy_id"] == 1
    assert opening


@pytest.mark.parametrize("account", [1, BY_STRATEGY])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_order_that_closes_a_position_does_not_go_into_one_kept_apart(
    desk: Desk, account: int, side: str
) -> None:
    """Else nothing would close the position any more, and no other order could: it counts as being closed."""
    own = desk.send("sell", 1, symbol=SWAP, account=account)["position_id"]
    desk.venue("create_order", SWAP, "market", side, 1, account=account)
    desk.call("reconcile", {"account_id": account})
    [apart] = [row["id"] for row in desk.positions(account) if row["id"] != own]
    closing = desk.run("close_position", account, position_id=own, order_type="limit", price="90")["order_id"]
    answer = desk.call("reassign", {"order_ids": [closing], "strategy_id": 0, "position_id": apart})
    reason = f"position {own} is being closed by an order"
    assert answer["refused"] == [{"order_id": closing, "reason": reason}]
    desk.run("cancel_order", account, order_id=closing)
    desk.run("close_position", account, position_id=own)
    assert [row["id"] for row in desk.positions(account)] == [apart]


def test_an_order_that_nets_does_not_end_with_the_position_that_it_was_for_once(desk: Desk) -> None:
    first = desk.send("buy", 2, symbol=SWAP, account=BY_STRATEGY, strategy_id=2)["position_id"]
    _, stop = with_stop(desk, BY_STRATEGY)
    left = desk.order_row(stop)["position_id"]
    assert desk.call("reassign", {"order_ids": [stop], "strategy_id": 2})["refused"] == []
    row = desk.order_row(stop)
    assert (row["position_id"], row["previous_position_id"]) == (0, left)
    desk.run("close_position", BY_STRATEGY, position_id=left)
    assert desk.order_row(stop)["status"] == "SUBMITTED"
    desk.price(SWAP, "89", "90")
    assert desk.order_row(stop)["status"] == "FILLED"
    assert desk.order_row(stop)["position_id"] == first


def with_stop(desk: Desk, account: int) -> tuple[int, int]:
    """Open a position of strategy 1 and name it in a stop; the ids of both orders."""
    opening = desk.send("buy", 2, symbol=SWAP, account=account, strategy_id=1)
    stop = desk.send(
        "sell",
        2,
        symbol=SWAP,
        account=account,
        strategy_id=1,
        position_id=opening["position_id"],
        stop_price="90",
        reduce_only=True,
    )
    return opening["id"], stop["id"]
