"""Orders: how each type and option trades, what it costs, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

SWAP = "BTC/USDT:USDT"
SPOT = "BTC/USDT"


def test_a_market_buy_pays_the_ask_and_the_taker_fee(desk: Any) -> None:
    result = desk.run("send_order", symbol=SPOT, side="buy", order_type="market", qty="2", comment="first")
    order = result["order"]
    assert (order["status"], order["filled_qty"], order["avg_fill_price"]) == ("FILLED", "2", "101")
    assert (order["fee"], order["fee_currency"], order["comment"]) == ("0.202", "USDT", "first")
    [deal] = result["deals"]
    assert (deal["qty"], deal["price"], deal["fee"], deal["maker"], deal["pnl"]) == (
        "2",
        "101",
        "0.202",
        False,
        "0",
    )
    [position] = result["positions"]
    assert (position["side"], position["qty"], position["avg_price"]) == ("buy", "2", "101")
    assert order["position_id"] == deal["position_id"] == position["id"]
    assert desk.balance("USDT") == (Decimal("99797.798"), 0, Decimal("99797.798"))
    assert desk.balance("BTC")[2] == 12


def test_a_market_sell_gets_the_bid(desk: Any) -> None:
    desk.send("sell", "1")
    assert desk.balance("USDT")[2] == Decimal("100099.9")
    assert desk.balance("BTC")[2] == 9


def test_a_resting_limit_holds_its_cost_and_fee_and_fills_at_its_own_price(desk: Any) -> None:
    row = desk.send("buy", "1", "90")
    assert row["status"] == "SUBMITTED"
    assert desk.balance("USDT") == (Decimal("99909.91"), Decimal("90.09"), 100000)
    desk.price(SPOT, "80", "90")
    row = desk.order_row(row["id"])
    assert (row["status"], row["avg_fill_price"], row["fee"]) == ("FILLED", "90", "0.09")
    assert desk.balance("USDT") == (Decimal("99909.91"), 0, Decimal("99909.91"))
    assert desk.deals()[0]["maker"] is True


def test_a_resting_sell_holds_the_coins(desk: Any) -> None:
    desk.send("sell", "4", "110")
    assert desk.balance("BTC") == (6, 4, 10)
    error = desk.refuse("insufficient_funds", "send_order", **desk.order("sell", "7"))
    assert error["details"] == {"currency": "BTC", "required": "7", "available": "6"}
    desk.price(SPOT, "110", "112")
    assert desk.balance("BTC") == (6, 0, 6)


def test_money_cannot_be_spent_twice(desk: Any) -> None:
    desk.send("buy", "900", "100")
    error = desk.refuse("insufficient_funds", "send_order", **desk.order("buy", "200"))
    assert (error["details"]["required"], error["details"]["available"]) == ("20220.2", "9910")
    assert error["message"] == "required 20220.2 USDT, available 9910 USDT"
    desk.run("cancel_all_orders")
    desk.send("buy", "200")


def test_a_market_order_walks_the_book_and_what_it_takes_is_gone_until_the_next(desk: Any) -> None:
    desk.price(SPOT, "100", "101", size="3")
    row = desk.send("buy", "5")
    assert (row["status"], row["filled_qty"], row["reject_reason"]) == ("CANCELED", "3", "no_liquidity")
    row = desk.send("buy", "1")
    assert (row["status"], row["filled_qty"]) == ("CANCELED", "0")
    desk.price(SPOT, "100", "101", size="3")
    assert desk.send("buy", "1")["status"] == "FILLED"


def test_a_limit_order_takes_what_is_there_and_the_rest_rests(desk: Any) -> None:
    desk.price(SPOT, "100", "101", size="3")
    row = desk.send("buy", "5", "102")
    assert (row["status"], row["filled_qty"], row["avg_fill_price"]) == ("PARTIALLY_FILLED", "3", "101")
    assert desk.balance("USDT")[1] == Decimal("204.204")  # two at 102 and 0.1 % of them
    desk.price(SPOT, "100", "102", size="1")
    assert desk.order_row(row["id"])["filled_qty"] == "4"
    desk.price(SPOT, "100", "101", size="5")
    row = desk.order_row(row["id"])
    assert (row["status"], row["avg_fill_price"]) == ("FILLED", "101.4")
    assert desk.balance("USDT")[1] == 0


def test_a_large_order_walks_the_synthetic_book(make_desk: Callable[..., Any]) -> None:
    desk = make_desk(accounts=[{"account_id": 1, "balances": {"USDT": "100000000"}}])
    book = desk.venue("fetch_order_book", "ETH/USDT", account=1)
    depth = sum(Decimal(str(level[1])) for level in book["asks"][:3])
    row = desk.send("buy", depth, symbol="ETH/USDT")
    assert row["status"] == "FILLED"
    deals = desk.deals(symbol="ETH/USDT")
    assert [float(deal["price"]) for deal in deals] == [level[0] for level in book["asks"][:3]]
    after = desk.venue("fetch_order_book", "ETH/USDT", account=1)
    assert after["asks"] == book["asks"][3:]


def test_a_market_order_by_cost(desk: Any) -> None:
    row = desk.send("buy", None, cost="1000")
    assert row["filled_qty"] == "9.90099"  # rounded down to the lot
    assert desk.refuse("validation_error", "send_order", **desk.order("buy", None, cost="0.0001"))[
        "message"
    ].startswith("payload.cost")


@pytest.mark.parametrize(
    "more,status,filled,reason",
    [
        ({"time_in_force": "IOC"}, "CANCELED", "3", "immediate_or_cancel"),
        ({"time_in_force": "FOK"}, "CANCELED", "0", "fill_or_kill"),
        ({"time_in_force": "GTC"}, "PARTIALLY_FILLED", "3", None),
    ],
)
def test_time_in_force(desk: Any, more: dict[str, Any], status: str, filled: str, reason: str | None) -> None:
    desk.price(SPOT, "100", "101", size="3")
    row = desk.send("buy", "5", "101", **more)
    assert (row["status"], row["filled_qty"], row["reject_reason"]) == (status, filled, reason)


def test_fill_or_kill_fills_whole_when_it_can(desk: Any) -> None:
    assert desk.send("buy", "5", "101", time_in_force="FOK")["status"] == "FILLED"


def test_good_till_date_ends_at_its_time_even_when_nobody_looks(desk: Any) -> None:
    row = desk.send("buy", "1", "90", time_in_force="GTD", expire_at="2026-01-01T00:00:10.000Z")
    desk.oms.advance(9_999)
    assert desk.order_row(row["id"])["status"] == "SUBMITTED"
    desk.oms.advance(60_000)
    row = desk.order_row(row["id"])
    assert (row["status"], row["reject_reason"], row["closed_at"]) == (
        "CANCELED",
        "expired",
        "2026-01-01T00:00:10.000Z",
    )
    assert desk.balance("USDT")[1] == 0


def test_post_only_rests_or_is_rejected_by_the_venue(desk: Any) -> None:
    assert desk.send("buy", "1", "100.5", post_only=True)["status"] == "SUBMITTED"
    error = desk.refuse("exchange_error", "send_order", **desk.order("buy", "1", "101", post_only=True))
    assert error["details"]["ccxt_error"] == "OrderImmediatelyFillable"
    row = error["results"][0]["order"]
    assert (row["status"], row["reject_reason"]) == ("REJECTED", "would_fill_immediately")
    assert desk.order_row(row["id"]) == row


def test_reduce_only_is_capped_and_never_opens(desk: Any) -> None:
    error = desk.refuse("exchange_error", "send_order", **desk.order("sell", "1", reduce_only=True))
    assert error["details"]["ccxt_error"] == "InvalidOrder"
    desk.send("buy", "2")
    row = desk.send("sell", "5", reduce_only=True)
    assert (row["status"], row["qty"], row["filled_qty"]) == ("FILLED", "2", "2")
    assert desk.positions() == []


def test_a_resting_reduce_only_order_ends_with_its_position(desk: Any) -> None:
    desk.send("buy", "2", symbol=SWAP)
    resting = desk.send("sell", "2", "120", symbol=SWAP, reduce_only=True)
    desk.send("sell", "1", symbol=SWAP)
    desk.price(SWAP, "120", "121")
    row = desk.order_row(resting["id"])
    assert (row["status"], row["filled_qty"], row["reject_reason"]) == ("CANCELED", "1", "nothing_to_reduce")
    assert desk.positions() == []


def test_price_time_priority_and_fills_between_accounts(desk: Any) -> None:
    desk.price(SPOT, "90", "110")
    worse = desk.send("sell", "1", "105", account=2)
    first = desk.send("sell", "1", "104", account=2)
    second = desk.send("sell", "1", "104", account=3)
    row = desk.send("buy", "1.5", account=1)
    assert row["avg_fill_price"] == "104"
    assert desk.order_row(first["id"])["status"] == "FILLED"
    assert desk.order_row(second["id"])["filled_qty"] == "0.5"
    assert desk.order_row(worse["id"])["status"] == "SUBMITTED"
    [maker] = desk.deals(account=2)
    assert (maker["maker"], maker["price"], maker["fee"]) == (True, "104", "0.104")


def test_orders_of_one_account_do_not_trade_with_each_other(desk: Any) -> None:
    desk.price(SPOT, "90", "110")
    own = desk.send("sell", "1", "105")
    row = desk.send("buy", "2", "120")
    assert (row["status"], row["filled_qty"], row["reject_reason"]) == (
        "CANCELED",
        "0",
        "self_trade_prevention",
    )
    assert desk.order_row(own["id"])["status"] == "SUBMITTED"


# ------------------------------------------------------------------ triggers


def test_a_trigger_fires_when_the_price_reaches_it_from_where_it_was(desk: Any) -> None:
    above = desk.send("buy", "1", trigger_price="110")
    below = desk.send("buy", "1", trigger_price="90")
    assert above["status"] == below["status"] == "SUBMITTED"
    desk.price(SPOT, "109", "111", last="110")
    assert desk.order_row(above["id"])["avg_fill_price"] == "111"
    assert desk.order_row(below["id"])["status"] == "SUBMITTED"
    desk.price(SPOT, "88", "89")
    assert desk.order_row(below["id"])["avg_fill_price"] == "89"


@pytest.mark.parametrize(
    "side,option,price,quiet,fires",
    [
        ("sell", "stop_price", "95", ("95", "97"), ("94", "95")),
        ("buy", "stop_price", "105", ("103", "104"), ("105", "106")),
        ("sell", "take_profit_price", "105", ("103", "104"), ("105", "106")),
        ("buy", "take_profit_price", "95", ("96", "97"), ("94", "95")),
    ],
)
def test_stops_and_take_profits(
    desk: Any, side: str, option: str, price: str, quiet: tuple[str, str], fires: tuple[str, str]
) -> None:
    row = desk.send(side, "1", **{option: price})
    desk.price(SPOT, *quiet, last=quiet[1])
    assert desk.order_row(row["id"])["status"] == "SUBMITTED"
    desk.price(SPOT, *fires)
    assert desk.order_row(row["id"])["status"] == "FILLED"


def test_stop_and_take_profit_on_one_order_are_one_or_the_other(desk: Any) -> None:
    row = desk.send("sell", "1", stop_price="90", take_profit_price="120")
    desk.price(SPOT, "120", "121")
    assert desk.order_row(row["id"])["avg_fill_price"] == "120"
    desk.price(SPOT, "80", "81")
    assert len(desk.deals()) == 1


def test_a_trailing_stop_follows_the_best_price(desk: Any) -> None:
    amount = desk.send("sell", "1", trailing_amount="10")
    percent = desk.send("sell", "1", trailing_percent="50")
    for price in (130, 125, 121):
        desk.price(SPOT, str(price), str(price + 1), last=str(price))
        assert desk.order_row(amount["id"])["status"] == "SUBMITTED"
    desk.price(SPOT, "120", "121", last="120")
    assert desk.order_row(amount["id"])["avg_fill_price"] == "120"
    desk.price(SPOT, "65", "66", last="65")
    assert desk.order_row(percent["id"])["avg_fill_price"] == "65"


def test_a_triggered_limit_order_rests_at_its_price(desk: Any) -> None:
    row = desk.send("buy", "1", "95", trigger_price="97")
    assert desk.balance("USDT")[1] == Decimal("95.095")
    desk.price(SPOT, "96", "97", last="96")
    assert desk.order_row(row["id"])["status"] == "SUBMITTED"
    assert [level[0] for level in desk.venue("fetch_order_book", SPOT)["bids"]] == [96.0, 95.0]
    desk.price(SPOT, "94", "95")
    assert desk.order_row(row["id"])["avg_fill_price"] == "95"


def test_a_trigger_that_cannot_be_paid_for_any_more_is_rejected(desk: Any) -> None:
    row = desk.send("buy", "900", trigger_price="110")
    desk.price(SPOT, "130", "131")
    row = desk.order_row(row["id"])
    assert (row["status"], row["reject_reason"]) == ("REJECTED", "insufficient_funds")
    assert desk.balance("USDT") == (100000, 0, 100000)


# ------------------------------------------------------------------ change and cancel


def test_change_keeps_the_id_and_reserves_anew(desk: Any) -> None:
    row = desk.send("buy", "1", "90")
    changed = desk.run("change_order", order_id=row["id"], new_price="80", new_qty="2")["order"]
    assert (changed["id"], changed["price"], changed["qty"]) == (row["id"], "80", "2")
    assert desk.balance("USDT")[1] == Decimal("160.16")
    changed = desk.run("change_order", order_id=row["id"], new_price="105")["order"]
    assert (changed["status"], changed["avg_fill_price"]) == ("FILLED", "101")


def test_change_loses_priority_when_price_changes_or_quantity_grows(desk: Any) -> None:
    desk.price(SPOT, "90", "110")
    first = desk.send("sell", "1", "105", account=2)["id"]
    second = desk.send("sell", "1", "105", account=3)["id"]
    desk.run("change_order", account=2, order_id=first, new_qty="0.5")  # smaller: keeps its place
    desk.send("buy", "0.5")
    assert desk.order_row(first)["status"] == "FILLED"
    third = desk.send("sell", "1", "105", account=2)["id"]
    desk.run("change_order", account=3, order_id=second, new_qty="2")
    desk.send("buy", "1")
    assert desk.order_row(third)["status"] == "FILLED"
    assert desk.order_row(second)["filled_qty"] == "0"


def test_change_refuses_what_makes_no_sense(desk: Any) -> None:
    desk.price(SPOT, "100", "101", size="3")
    row = desk.send("buy", "5", "101")
    assert (
        "more than has filled, 3"
        in desk.refuse("validation_error", "change_order", order_id=row["id"], new_qty="3")["message"]
    )
    assert (
        "multiple"
        in desk.refuse("validation_error", "change_order", order_id=row["id"], new_price="1.001")["message"]
    )
    desk.refuse("insufficient_funds", "change_order", order_id=row["id"], new_qty="5000")
    desk.refuse("order_not_found", "change_order", order_id=999, new_qty="5")
    desk.refuse("order_not_found", "change_order", account=2, order_id=row["id"], new_qty="6")
    assert desk.order_row(row["id"]) == row
    desk.run("cancel_order", order_id=row["id"])
    desk.refuse("invalid_order_state", "change_order", order_id=row["id"], new_qty="6")


def test_cancel_frees_at_once(desk: Any) -> None:
    row = desk.send("buy", "1", "90")
    result = desk.run("cancel_order", order_id=row["id"])
    assert result["order"]["status"] == "CANCELED"
    assert result["order_id"] == row["id"]
    assert desk.balance("USDT") == (100000, 0, 100000)
    error = desk.refuse("invalid_order_state", "cancel_order", order_id=row["id"])
    assert error["details"]["status"] == "CANCELED"


def test_cancel_several(desk: Any) -> None:
    ids = [desk.send("buy", "1", price)["id"] for price in ("90", "91", "92")]
    desk.refuse("order_not_found", "cancel_order", order_ids=[ids[0], 999])
    assert len(desk.open_orders()) == 3
    result = desk.run("cancel_order", order_ids_csv=f"{ids[0]},{ids[1]}")
    assert result["result"] == {"canceled_order_ids": ids[:2], "skipped_order_ids": []}
    result = desk.run("cancel_order", order_ids=ids)
    assert result["result"] == {"canceled_order_ids": [ids[2]], "skipped_order_ids": ids[:2]}
    assert [row["id"] for row in result["orders"]] == [ids[2]]
    desk.refuse("invalid_order_state", "cancel_order", order_ids=ids)


def test_cancel_all_by_strategy_and_symbol(desk: Any) -> None:
    kept = desk.send("buy", "1", "90", strategy_id=1)["id"]
    other = desk.send("buy", "1", "90", strategy_id=2)["id"]
    swap = desk.send("buy", "1", "90", symbol=SWAP, strategy_id=2)["id"]
    assert desk.run("cancel_all_orders", strategy_ids=[2], symbol=SWAP)["result"]["canceled_order_ids"] == [
        swap
    ]
    assert desk.run("cancel_all_orders", strategy_ids_csv="2")["result"]["canceled_order_ids"] == [other]
    assert desk.run("cancel_all_orders")["result"]["canceled_order_ids"] == [kept]
    assert desk.run("cancel_all_orders")["result"]["canceled_order_ids"] == []


def test_dead_mans_switch(desk: Any) -> None:
    mine = desk.send("buy", "1", "90", strategy_id=1)["id"]
    other = desk.send("buy", "1", "90", strategy_id=2)["id"]
    desk.run("cancel_all_after", timeout_ms=5000, strategy_ids=[1])
    desk.oms.advance(4000)
    desk.run("cancel_all_after", timeout_ms=5000, strategy_ids=[1])
    desk.oms.advance(4999)
    assert desk.order_row(mine)["status"] == "SUBMITTED"
    desk.oms.advance(1)
    assert desk.order_row(mine)["reject_reason"] == "cancel_all_after"
    assert desk.order_row(other)["status"] == "SUBMITTED"
    desk.run("cancel_all_after", timeout_ms=5000)
    desk.run("cancel_all_after", timeout_ms=0)
    desk.oms.advance(10_000)
    assert desk.order_row(other)["status"] == "SUBMITTED"


# ------------------------------------------------------------------ checks


@pytest.mark.parametrize(
    "payload,field",
    [
        ({"qty": "0.000000001"}, "payload.qty: expected a multiple of"),
        ({"qty": "1000000000"}, "payload.qty: expected at most"),
        ({"qty": "0.00001"}, "payload.qty: expected"),
        (
            {"qty": "1", "order_type": "limit", "price": "100.001"},
            "payload.price: expected a multiple of 0.01",
        ),
        (
            {"qty": "1", "order_type": "stop"},
            "payload.order_type: expected one of market, limit; "
            "a stop is one of them with trigger_price, stop_price or take_profit_price",
        ),
        ({"qty": "1", "trigger_price": "90.001"}, "payload.trigger_price"),
        ({"qty": "1", "trigger_price": "90", "stop_price": "90"}, "payload.trigger_price"),
        ({"qty": "1", "trailing_percent": "100"}, "payload.trailing_percent"),
        ({"qty": "1", "post_only": True}, "payload.post_only"),
        ({"qty": "1", "oms_stop_loss": "101"}, "payload.oms_stop_loss: expected below"),
        ({"qty": "1", "oms_stop_gain": "99"}, "payload.oms_stop_gain: expected above"),
        (
            {
                "qty": "1",
                "time_in_force": "GTD",
                "expire_at": "2020-01-01T00:00:00.000Z",
                "order_type": "limit",
                "price": "90",
            },
            "payload.expire_at",
        ),
        (
            {"qty": "1", "order_type": "limit", "price": "90", "post_only": True, "time_in_force": "IOC"},
            "payload.time_in_force",
        ),
    ],
)
def test_refusals_name_the_field(desk: Any, payload: dict[str, Any], field: str) -> None:
    body = {"symbol": SPOT, "side": "buy", "order_type": "market"} | payload
    error = desk.refuse("validation_error", "send_order", **body)
    assert field in error["message"]
    assert ".".join(error["details"]["errors"][0]["loc"]) in field
    assert desk.get("orders_history", account_ids=1, since_ms=0)["total"] == 0


def test_other_refusals(desk: Any) -> None:
    desk.refuse("bad_symbol", "send_order", **desk.order("buy", "1", symbol="NO/PE"))
    desk.refuse("invalid_strategy_id", "send_order", **desk.order("buy", "1", strategy_id=77))
    desk.refuse("invalid_position_id", "send_order", **desk.order("buy", "1", position_id=77))
    desk.refuse("account_not_found", "send_order", account=99, **desk.order("buy", "1"))


def test_check_order_writes_nothing(desk: Any) -> None:
    result = desk.run("check_order", **desk.order("buy", "1", "90"))["result"]
    assert result == {"ok": True, "reason": None, "required": "90.09", "available": "100000"}
    result = desk.run("check_order", **desk.order("buy", "5000", "90"))["result"]
    assert (result["ok"], result["required"]) == (False, "450450")
    assert result["reason"].startswith("insufficient_funds")
    assert (
        desk.run("check_order", **desk.order("buy", "1", "101", post_only=True))["result"]["reason"]
        == "would_fill_immediately"
    )
    assert desk.run("check_order", **desk.order("buy", "1", "1.001"))["result"]["ok"] is False
    assert desk.events == []
    assert desk.send("buy", "1")["id"] == 1


def test_an_iceberg_shows_its_slice_only(desk: Any) -> None:
    desk.send("buy", "5", "99", display_qty="1")
    assert desk.venue("fetch_order_book", SPOT)["bids"][1] == [99.0, 1.0]
    desk.price(SPOT, "98", "99")
    assert desk.open_orders() == []


# ------------------------------------------------------------------ batches and client order ids


def test_a_batch_answers_in_order_and_by_its_outcome(desk: Any) -> None:
    good = {"account_id": 1, "command": "send_order", "payload": desk.order("buy", "1")}
    bad = {"account_id": 1, "command": "cancel_order", "payload": {"order_id": 99}}
    reply = desk.oms.handle("commands", {}, {"parallel": "false"}, [good, bad, good])
    assert reply.status == 207
    assert [(row["index"], row["ok"]) for row in reply.body["results"]] == [(0, True), (1, False), (2, True)]
    reply = desk.oms.handle("commands", {}, {}, [bad, bad])
    assert reply.status == 404
    assert reply.body["detail"]["code"] == "order_not_found"
    assert len(reply.body["detail"]["results"]) == 2
    assert desk.oms.handle("commands", {}, {}, []).body == {"results": []}


def test_a_batch_with_an_invalid_item_is_refused_whole(desk: Any) -> None:
    good = {"account_id": 1, "command": "send_order", "payload": desk.order("buy", "1")}
    reply = desk.oms.handle("commands", {}, {}, [good, good | {"typo": 1}])
    assert reply.status == 422
    assert reply.body["detail"]["details"]["errors"][0]["loc"] == [1, "typo"]
    assert desk.deals() == []


def test_a_client_order_id_is_one_order_for_ever(desk: Any) -> None:
    payload = desk.order("buy", "1.0", client_order_id="mine")
    first = desk.run("send_order", **payload)
    again = desk.run("send_order", **payload | {"qty": 1, "side": "buy", "strategy_id": 0})
    assert again.pop("duplicate") is True
    assert {name: again[name] for name in ("command_id", "order_id", "order", "deals")} == {
        name: first[name] for name in ("command_id", "order_id", "order", "deals")
    }
    assert len(desk.deals()) == 1
    error = desk.refuse("duplicate_client_order_id", "send_order", **payload | {"qty": "2"})
    assert error["details"] == {"client_order_id": "mine", "order_id": first["order_id"]}
    desk.run("send_order", account=2, **payload)  # another account has names of its own
    desk.refuse("duplicate_client_order_id", "close_position", position_id=1, client_order_id="mine")


def test_a_claim_is_of_what_was_asked_for_and_not_of_what_became_of_it(desk: Any) -> None:
    parameters = {"tag": ["x"]}
    payload = desk.order("buy", "1", "90", client_order_id="mine", params=parameters)
    first = desk.run("send_order", **payload)
    desk.run("change_order", order_id=first["order_id"], new_price="80", new_qty="2")
    parameters["tag"].append("y")

    asked = payload | {"params": {"tag": ["x"]}}
    assert desk.run("send_order", **asked)["duplicate"] is True
    desk.refuse("duplicate_client_order_id", "send_order", **payload)
    desk.refuse("duplicate_client_order_id", "send_order", **asked | {"price": "80", "qty": "2"})


def test_a_refusal_claims_nothing_and_a_venue_rejection_does(desk: Any) -> None:
    desk.refuse("insufficient_funds", "send_order", **desk.order("buy", "5000", client_order_id="a"))
    desk.send("buy", "1", client_order_id="a")
    rejected = desk.order("buy", "1", "101", post_only=True, client_order_id="b")
    first = desk.refuse("exchange_error", "send_order", **rejected)
    again = desk.refuse("exchange_error", "send_order", **rejected)
    assert again["results"][0]["duplicate"] is True
    assert again["results"][0]["order"] == first["results"][0]["order"]


@pytest.mark.parametrize(
    "name",
    [
        *("trailingTriggerPrice", "stopLoss", "takeProfit", "stopLossPrice", "slTriggerPx", "tpTriggerPx"),
        *("attachAlgoOrds", "presetStopLossPrice", "presetStopSurplusPrice", "triggerPx", "stopPx"),
        *("callbackRate", "callbackRatio", "trailingDelta", "trailingStop", "activationPrice"),
        *("pegOffsetValue", "triggerStopUpPrice", "triggerStopDownPrice", "stopLossRp", "takeProfitRp"),
    ],
)
def test_what_would_change_when_an_order_trades_is_not_ignored(desk: Any, name: str) -> None:
    detail = desk.refuse("exchange_error", "send_order", **desk.order("buy", 1, params={name: "150"}))

    assert detail["details"]["ccxt_error"] == "NotSupported"
    assert name in detail["message"]
    assert desk.send("buy", 1, params={name: None, "recvWindow": 5000})["status"] == "FILLED"


def test_a_stop_that_kraken_places_with_an_order_is_not_ignored(desk: Any) -> None:
    close = {"close": {"ordertype": "stop-loss", "price": "90"}}
    assert (
        "params.close"
        in desk.refuse("exchange_error", "send_order", **desk.order("buy", 1, params=close))["message"]
    )


@pytest.mark.parametrize(
    "name, value", [("tif", "ioc"), ("tif", "poc"), ("force", "post_only"), ("force", "fok")]
)
def test_a_time_in_force_in_a_venues_own_word_is_not_ignored(desk: Any, name: str, value: str) -> None:
    """The order rested, or took."""
    order = desk.order("buy", 1, 90, params={name: value})
    assert f"params.{name}" in desk.refuse("exchange_error", "send_order", **order)["message"]
    for given in ("gtc", "GTC", None):
        assert desk.send("buy", 1, 90, params={name: given})["status"] == "SUBMITTED"
    assert desk.send("buy", 1, 90, time_in_force="IOC", params={name: value})["status"] == "CANCELED"
    assert desk.send("buy", 1, 90, post_only=True, params={name: value})["status"] == "SUBMITTED"


def test_stops_of_a_venue_that_are_none_say_nothing(desk: Any) -> None:
    none = {"attachAlgoOrds": [], "presetStopLossPrice": "", "slTriggerPx": "", "close": {}}
    assert desk.send("buy", 1, params=none)["status"] == "FILLED"


@pytest.mark.parametrize(
    "given",
    [
        *({"ordType": "post_only"}, {"ordType": "fok"}, {"oflags": "post"}, {"oflags": "fciq,post"}),
        {"execInst": "ParticipateDoNotInitiate"},
    ],
    ids=str,
)
def test_an_order_of_another_type_by_a_venues_own_word_does_not_trade(
    desk: Any, given: dict[str, Any]
) -> None:
    detail = desk.refuse("exchange_error", "send_order", **desk.order("buy", 1, 101, params=given))
    assert detail["details"]["ccxt_error"] == "NotSupported"
    assert "params.postOnly" in detail["message"]


def test_a_venues_own_word_for_what_an_order_is_anyway_is_taken(desk: Any) -> None:
    for given in ({"ordType": "limit"}, {"ordType": None}, {"oflags": "fciq"}):
        assert desk.send("buy", 1, 101, params=given)["status"] == "FILLED"
    for given in ({"ordType": "post_only"}, {"oflags": "post"}, {"execInst": "ParticipateDoNotInitiate"}):
        assert desk.send("buy", 1, 90, post_only=True, params=given)["status"] == "SUBMITTED"


@pytest.mark.parametrize("direction", ["ascending", "above", "up", 1, "1"])
def test_the_direction_of_a_trigger_is_that_which_the_order_says(desk: Any, direction: Any) -> None:
    """Where the price is beyond it already, it is reached: a stop does not wait for its way back."""
    params = {"triggerDirection": direction}
    assert desk.send("buy", 1, trigger_price="90", params=params)["status"] == "FILLED"
    waiting = desk.send("buy", 1, trigger_price="110", params=params)
    assert waiting["status"] == "SUBMITTED"
    desk.price(SPOT, "110", "111", "110")
    assert desk.order_row(waiting["id"])["status"] == "FILLED"


@pytest.mark.parametrize("direction", ["descending", "below", "down", 2])
def test_a_trigger_from_above(desk: Any, direction: Any) -> None:
    params = {"triggerDirection": direction}
    assert desk.send("sell", 1, trigger_price="110", params=params)["status"] == "FILLED"
    assert desk.send("sell", 1, trigger_price="90", params=params)["status"] == "SUBMITTED"


@pytest.mark.parametrize(
    "side, stop, reached, waiting",
    [("sell", "loss", "110", "90"), ("sell", "Down", "110", "90"), ("buy", "entry", "90", "110")],
)
def test_a_stop_of_kucoin_says_from_where_its_price_is_reached(
    desk: Any, side: str, stop: str, reached: str, waiting: str
) -> None:
    params = {"stop": stop}
    assert desk.send(side, 1, trigger_price=reached, params=params)["status"] == "FILLED"
    assert desk.send(side, 1, trigger_price=waiting, params=params)["status"] == "SUBMITTED"
    refused = desk.refuse("validation_error", "send_order", **desk.order(side, 1, params=params))
    assert f"params.stop {stop!r}" in refused["message"]
    assert desk.send(side, 1, params={"stop": False})["status"] == "FILLED"


def test_a_direction_that_is_none_is_refused(desk: Any) -> None:
    order = desk.order("buy", 1, trigger_price="90", params={"triggerDirection": "sideways"})
    refused = desk.refuse("validation_error", "send_order", **order)
    assert (
        refused["message"]
        == "payload.params.triggerDirection: expected ascending or descending, got 'sideways'"
    )
    assert desk.send("buy", 1, params={"triggerDirection": "sideways"})["status"] == "FILLED"


@pytest.mark.parametrize(
    "given",
    [
        *({"quoteOrderQty": 100}, {"tgtCcy": "quote_ccy"}, {"marketUnit": "quoteCoin"}),
        *({"funds": "100"}, {"oflags": "viqc"}, {"oflags": "fciq,viqc"}),
    ],
    ids=str,
)
def test_an_amount_that_is_money_elsewhere_is_not_taken_for_coins(desk: Any, given: dict[str, Any]) -> None:
    detail = desk.refuse("exchange_error", "send_order", **desk.order("buy", 1, params=given))

    assert detail["details"]["ccxt_error"] == "NotSupported"
    assert "params.cost" in detail["message"]
    assert desk.send("buy", 1, params={"tgtCcy": "base_ccy", "marketUnit": "baseCoin"})["status"] == "FILLED"


def test_lost_priorities_are_written_down_once_when_many_orders_end(desk: Any) -> None:
    """They are a list of all: written for each order, 5,000 orders took five seconds to be cancelled."""

    class Ranks(dict[int, Any]):
        reads = 0

        def items(self) -> Any:
            self.reads += 1
            return super().items()

    for _ in range(20):
        desk.run("change_order", order_id=desk.send("buy", "1", "90")["id"], new_price="91")
    state = desk.oms._core.state
    assert len(state.ranks) == 20
    state.ranks = ranks = Ranks(state.ranks)
    desk.run("cancel_all_orders")
    assert not ranks
    assert ranks.reads == 1
