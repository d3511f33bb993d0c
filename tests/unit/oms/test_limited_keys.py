"""What a key of some strategies must not learn or touch, also after rows have moved."""

from __future__ import annotations

from typing import Any

from ccxt_driver.oms import Principal
from ccxt_driver.oms.entities import Permission

SPOT = "BTC/USDT"
SWAP = "BTC/USDT:USDT"
ONLY_ONE = Principal(9, None, frozenset((1,)), Permission(read=True, trade=True, close=True))


def test_a_client_order_id_follows_its_order_to_another_strategy(desk: Any) -> None:
    payload = desk.order("buy", 1, "90", strategy_id=1, client_order_id="mine")
    order = desk.run("send_order", 3, **payload)["order"]
    desk.call("reassign", {"order_ids": [order["id"]], "strategy_id": 2})
    assert desk.run("send_order", 3, **payload)["duplicate"] is True
    desk.principal = ONLY_ONE
    error = desk.refuse("duplicate_client_order_id", "send_order", 3, **payload)
    assert error["details"] == {"client_order_id": "mine"}


def test_texts_of_a_payload_do_not_pass_for_other_fields(desk: Any) -> None:
    desk.send("buy", 1, "90", client_order_id="x", comment="a\nreduce_only=True")
    payload = desk.order("buy", 1, "90", client_order_id="x", comment="a", reduce_only=True)
    desk.refuse("duplicate_client_order_id", "send_order", **payload)


def test_positions_are_not_found_by_the_orders_of_others(desk: Any) -> None:
    mine = desk.send("buy", 1, strategy_id=1, client_order_id="mine")
    other = desk.send("buy", 1, strategy_id=2, client_order_id="other")

    def found(**named: Any) -> int:
        history = desk.get("positions_history", account_ids=1, since_ms=0, **named)
        assert len(desk.positions(**named)) == history["total"]
        return int(history["total"])

    assert found(client_order_id="other") == found(order_id=other["id"]) == 1
    desk.principal = ONLY_ONE
    assert found(client_order_id="other") == found(order_id=other["id"]) == 0
    assert found(client_order_id="mine") == found(order_id=mine["id"]) == 1


def test_positions_of_two_strategies_that_meet_are_no_news_to_a_third(desk: Any) -> None:
    for side, strategy_id in (("buy", 1), ("sell", 2), ("sell", 3)):
        desk.send(side, 1, symbol=SWAP, account=2, strategy_id=strategy_id)
    desk.run("merge_positions", 2, source_position_id=3, target_position_id=2)
    desk.run("close_by", 2, position_id_a=1, position_id_b=2)
    met = {
        event.name: event.strategy_id
        for event in desk.events
        if event.name.endswith(("merged", "by_executed"))
    }
    assert met == {"positions_merged": 2, "close_by_executed": 1}


def test_a_moved_order_holds_back_what_it_needs_where_it_is_now(desk: Any) -> None:
    desk.send("buy", 1, symbol=SWAP, account=3, strategy_id=1)
    order = desk.send("sell", 1, "120", symbol=SWAP, account=3, strategy_id=1)
    used = desk.balance("USDT", 3)[1]
    desk.call("reassign", {"order_ids": [order["id"]], "strategy_id": 2})
    # 120 by leverage 10, and the taker's fee: it opens a position of strategy 2.
    assert str(desk.balance("USDT", 3)[1] - used) == "12.06"


def test_an_order_that_closes_a_position_is_not_moved_away_from_it(desk: Any) -> None:
    opened = desk.send("buy", 1, symbol=SWAP, account=3, strategy_id=1)
    closing = desk.run("close_position", 3, position_id=1, order_type="limit", price="120")["order"]
    for order_id in (closing["id"], opened["id"]):
        answer = desk.call("reassign", {"order_ids": [order_id], "strategy_id": 2})
        assert answer["refused"] == [
            {"order_id": order_id, "reason": "position 1 is being closed by an order"}
        ]
    desk.price(SWAP, "120", "121")
    assert desk.positions(3) == []


def test_a_new_leverage_is_news_of_its_positions(desk: Any) -> None:
    desk.send("buy", 1, symbol=SWAP)
    desk.events.clear()
    desk.venue("set_leverage", 5, SWAP)
    [row] = [event.payload for event in desk.events if event.name == "position_updated"]
    assert (row["leverage"], row["margin"]) == ("5", "20.2")


def test_orders_of_several_accounts_are_moved_or_refused_together(desk: Any) -> None:
    orders = [desk.send("buy", 1, symbol=SWAP, account=account, strategy_id=1) for account in (2, 3)]
    target = desk.send("buy", 1, symbol=SWAP, account=2, strategy_id=2)["position_id"]
    body = {"order_ids": [order["id"] for order in orders], "position_id": target}
    reply = desk.oms.handle("reassign", {}, {}, body)
    assert (reply.status, reply.body["detail"]["code"]) == (404, "position_not_found")
    assert [desk.order_row(order["id"])["strategy_id"] for order in orders] == [1, 1]
