"""Positions: what trades make of them in each mode, and the commands that work on them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

SPOT = "BTC/USDT"
SWAP = "BTC/USDT:USDT"
NETTING, HEDGE, BY_STRATEGY = 1, 2, 3


def brief(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["id"], row["side"], row["qty"], row["avg_price"], row["state"]


# ------------------------------------------------------------------ modes


def test_netting_adds_reduces_closes_and_reverses_under_a_new_id(desk: Any) -> None:
    desk.send("buy", "1", symbol=SWAP)
    desk.price(SWAP, "110", "111")
    desk.send("buy", "1", symbol=SWAP)
    assert [brief(row) for row in desk.positions()] == [(1, "buy", "2", "106", "open")]
    result = desk.run("send_order", **desk.order("sell", "5", symbol=SWAP))
    assert [(deal["position_id"], deal["qty"], deal["pnl"]) for deal in result["deals"]] == [
        (1, "2", "8"),
        (2, "3", "0"),
    ]
    assert [brief(row) for row in result["positions"]] == [
        (1, "buy", "0", "106", "closed"),
        (2, "sell", "3", "110", "open"),
    ]
    assert (result["order"]["position_id"], result["order"]["previous_position_id"]) == (2, 1)
    assert desk.position_row(1)["realized_pnl"] == "8"
    assert desk.balance("USDT")[2] == Decimal(100000) + 8 - Decimal("0.0505") - Decimal("0.0555") - Decimal(
        "0.275"
    )


def test_netting_is_one_position_for_all_strategies_and_keeps_its_openers(desk: Any) -> None:
    desk.send("buy", "1", strategy_id=1)
    desk.send("buy", "1", strategy_id=2)
    [row] = desk.positions()
    assert (row["qty"], row["strategy_id"]) == ("2", 1)
    assert [deal["strategy_id"] for deal in desk.deals()] == [1, 2]


@pytest.mark.parametrize("account", [NETTING, HEDGE])
@pytest.mark.parametrize(
    "name, long, short",
    [
        ("positionSide", "LONG", "SHORT"),
        ("posSide", "long", "short"),
        ("positionIdx", 1, 2),
        ("holdSide", "long", "short"),
    ],
)
def test_an_order_that_names_the_other_side_closes_it(
    desk: Any, account: int, name: str, long: str | int, short: str | int
) -> None:
    """Who sells a long position as Binance and others have it in hedge mode opened a short one beside it."""

    def send(side: str, qty: str, held: str | int) -> dict[str, Any]:
        order: dict[str, Any] = desk.send(side, qty, symbol=SWAP, account=account, params={name: held})
        return order

    for opens, closes, held in (("buy", "sell", long), ("sell", "buy", short)):
        assert send(opens, "2", held)["reduce_only"] is False
        assert send(closes, "0.5", held)["reduce_only"] is True
        [row] = desk.positions(account)
        assert (row["side"], row["qty"]) == (opens, "1.5")
        # More than there is: no position of the other side comes of it.
        assert send(closes, "3", held)["filled_qty"] == "1.5"
        assert desk.positions(account) == []
        order = desk.order(closes, "1", symbol=SWAP, params={name: held})
        desk.refuse("exchange_error", "send_order", account=account, **order)


@pytest.mark.parametrize(
    "side, name, value",
    [
        ("buy", "positionSide", "LONG"),
        ("sell", "positionSide", "SHORT"),
        ("buy", "hedged", True),
        ("sell", "hedged", True),
    ],
)
def test_an_order_that_is_to_open_a_side_takes_nothing_from_the_other(
    desk: Any, side: str, name: str, value: Any
) -> None:
    """Bots that hold both sides at once have an account in hedge mode. `hedged` is ccxt's own word."""
    opening = desk.order(side, 1, symbol=SWAP, params={name: value})
    stop = opening | {"trigger_price": "90" if side == "sell" else "110"}
    desk.send({"buy": "sell", "sell": "buy"}[side], 2, symbol=SWAP)
    for refused in (opening, stop):
        message = desk.refuse("exchange_error", "send_order", **refused)["message"]
        assert f"params.{name}: this account has one position" in message
    assert desk.run("check_order", **opening)["result"]["ok"] is False
    desk.send(side, 2, symbol=SWAP)
    assert desk.send(side, 1, symbol=SWAP, params={name: value})["filled_qty"] == "1"
    desk.send({"buy": "sell", "sell": "buy"}[side], 2, symbol=SWAP, account=HEDGE)
    desk.run("send_order", HEDGE, **opening)
    assert len(desk.positions(HEDGE)) == 2


def test_what_is_hedged_may_reduce_and_on_spot_says_nothing(desk: Any) -> None:
    desk.send("buy", "2", symbol=SWAP)
    for params, reduce_only in (({"hedged": False}, False), ({"hedged": True}, True)):
        desk.send("sell", "0.5", symbol=SWAP, params=params, reduce_only=reduce_only)
    [row] = desk.positions()
    assert (row["side"], row["qty"]) == ("buy", "1")
    desk.send("buy", "1")
    assert desk.send("sell", "1", params={"hedged": True})["filled_qty"] == "1"


@pytest.mark.parametrize("name, other, value", [("offset", "open", "close"), ("closeOnTrigger", False, True)])
def test_an_order_that_is_said_to_close_opens_nothing(desk: Any, name: str, other: Any, value: Any) -> None:
    """As HTX and Bybit say it; with "open" it opens."""
    desk.send("buy", "2", symbol=SWAP, account=HEDGE, params={name: other})
    assert desk.send("sell", "3", symbol=SWAP, account=HEDGE, params={name: value})["filled_qty"] == "2"
    assert desk.positions(HEDGE) == []


@pytest.mark.parametrize(
    "name, value, other",
    [
        ("closePosition", True, False),
        ("closePosition", "true", "false"),
        ("closeOrder", True, False),
        ("close", True, False),
        ("tradeSide", "Close", "Open"),
        ("auto_size", "close_long", None),
        ("execInst", "Close", "LastPrice"),
        ("execInst", "LastPrice,ReduceOnly", "MarkPrice"),
    ],
)
def test_closing_that_says_neither_side_nor_amount_is_refused(
    desk: Any, name: str, value: Any, other: Any
) -> None:
    """A sale meant to close a long position opened a short one beside it."""
    desk.send("buy", "2", symbol=SWAP, account=HEDGE, params={name: other})
    closing = desk.order("sell", "2", symbol=SWAP, params={name: value})

    detail = desk.refuse("exchange_error", "send_order", account=HEDGE, **closing)
    assert detail["details"]["ccxt_error"] == "NotSupported"
    assert f"params.{name}" in detail["message"]
    assert "reduceOnly" in detail["message"]
    assert [row["side"] for row in desk.positions(HEDGE)] == ["buy"]

    desk.send("sell", "2", symbol=SWAP, account=HEDGE, params={name: value}, reduce_only=True)
    assert desk.positions(HEDGE) == []


def test_strategy_netting_is_one_position_for_each_strategy(desk: Any) -> None:
    for strategy, side, qty in ((1, "buy", "2"), (2, "sell", "3"), (1, "sell", "0.5"), (2, "buy", "4")):
        desk.send(side, qty, symbol=SWAP, account=BY_STRATEGY, strategy_id=strategy)
    assert [(row["strategy_id"], row["side"], row["qty"]) for row in desk.positions(BY_STRATEGY)] == [
        (1, "buy", "1.5"),
        (2, "buy", "1"),
    ]
    desk.refuse(
        "invalid_position_id",
        "send_order",
        BY_STRATEGY,
        **desk.order("buy", "1", symbol=SWAP, position_id=1, strategy_id=2),
    )


def test_hedge_opens_a_position_for_each_order_unless_it_names_one(desk: Any) -> None:
    first = desk.send("buy", "1", symbol=SWAP, account=HEDGE)["position_id"]
    second = desk.send("sell", "2", symbol=SWAP, account=HEDGE)["position_id"]
    assert first != second
    desk.send("buy", "1", symbol=SWAP, account=HEDGE, position_id=first)
    desk.send("buy", "0.5", symbol=SWAP, account=HEDGE, position_id=second)
    assert [(row["side"], row["qty"]) for row in desk.positions(HEDGE)] == [("buy", "2"), ("sell", "1.5")]
    row = desk.send("buy", "2", symbol=SWAP, account=HEDGE, position_id=second)
    assert (row["previous_position_id"], row["position_id"]) == (second, 3)
    assert [(row["id"], row["side"], row["qty"]) for row in desk.positions(HEDGE)] == [
        (1, "buy", "2"),
        (3, "buy", "0.5"),
    ]


def test_hedge_fills_of_one_order_go_to_one_position(desk: Any) -> None:
    desk.price(SWAP, "100", "101", size="1")
    desk.send("buy", "3", "101", symbol=SWAP, account=HEDGE)
    desk.price(SWAP, "100", "101", size="5")
    [row] = desk.positions(HEDGE)
    assert (row["qty"], len(desk.deals(HEDGE))) == ("3", 2)


def test_hedge_reduce_only_takes_the_oldest_of_its_strategy_first(desk: Any) -> None:
    for strategy in (1, 2, 1):
        desk.send("buy", "1", symbol=SWAP, account=HEDGE, strategy_id=strategy)
    row = desk.send("sell", "9", symbol=SWAP, account=HEDGE, strategy_id=1, reduce_only=True)
    assert row["filled_qty"] == "2"
    assert [(row["id"], row["strategy_id"]) for row in desk.positions(HEDGE)] == [(2, 2)]


def test_hedge_takes_the_strategy_of_the_position_it_names(desk: Any) -> None:
    position = desk.send("buy", "1", symbol=SWAP, account=HEDGE, strategy_id=2)["position_id"]
    assert desk.send("buy", "1", symbol=SWAP, account=HEDGE, position_id=position)["strategy_id"] == 2
    desk.refuse(
        "invalid_position_id",
        "send_order",
        HEDGE,
        **desk.order("buy", "1", symbol=SWAP, position_id=position, strategy_id=1),
    )


def test_the_average_is_by_exact_cost_and_profit_adds_up(desk: Any) -> None:
    for ask in ("101", "102", "104"):
        desk.price(SWAP, "100", ask)
        desk.send("buy", "1", symbol=SWAP)
    assert desk.positions()[0]["avg_price"] == "102.333333333333333333"
    for _ in range(3):
        desk.send("sell", "1", symbol=SWAP)
    assert desk.position_row(1)["realized_pnl"] == "-7"
    assert sum(Decimal(deal["pnl"]) for deal in desk.deals()) == -7


# ------------------------------------------------------------------ values and margin


def test_values_of_a_swap_position(desk: Any) -> None:
    desk.venue("set_leverage", 5, SWAP)
    desk.send("sell", "10", symbol=SWAP)
    desk.price(SWAP, "90", "91", last="90")
    [row] = desk.positions()
    assert (row["mark_price"], row["unrealized_pnl"], row["leverage"], row["margin"]) == (
        "90",
        "100",
        "5",
        "200",
    )
    # (99999.5 + 10 * 100) / (10 * 1.004), see ledger.margin.liquidation_price
    assert (row["liquidation_price"], row["maintenance_margin"]) == ("10059.71115538", "3.6")
    assert row["margin_mode"] == "cross"
    free, used, total = desk.balance("USDT")
    assert (used, total, free) == (200, Decimal("99999.5"), Decimal("99799.5"))  # a profit is not money yet
    desk.price(SWAP, "110", "111", last="110")
    assert desk.balance("USDT")[0] == Decimal("99699.5")  # a loss is


def test_margin_is_held_by_orders_then_by_the_position(desk: Any) -> None:
    desk.send("buy", "10", "90", symbol=SWAP)
    assert desk.balance("USDT")[1] == Decimal("90.45")
    desk.price(SWAP, "89", "90")
    assert desk.balance("USDT")[1] == Decimal(90) + 5
    desk.send("sell", "10", "95", symbol=SWAP)  # it closes, and needs none
    assert desk.balance("USDT")[1] == Decimal(95)
    desk.send("sell", "1", "95", symbol=SWAP)  # this one would open
    assert desk.balance("USDT")[1] == Decimal(95) + Decimal("9.5") + Decimal("0.0475")
    desk.price(SWAP, "95", "96")
    assert [brief(row) for row in desk.positions()] == [(2, "sell", "1", "95", "open")]


def test_an_order_that_grows_leaves_less_to_reduce_for_those_after_it(desk: Any) -> None:
    desk.send("buy", "2", symbol=SWAP)
    first = desk.send("sell", "1", "110", symbol=SWAP)
    desk.send("sell", "1", "110", symbol=SWAP)
    used = desk.balance("USDT")[1]
    desk.events.clear()
    desk.run("change_order", order_id=first["id"], new_qty="2")
    assert desk.balance("USDT")[1] == used + Decimal(11) + Decimal("0.055")  # the second one would open now
    updated = [event.payload["id"] for event in desk.events if event.name == "order_updated"]
    assert updated == [first["id"]]
    desk.run("cancel_order", order_id=first["id"])
    assert desk.balance("USDT")[1] == used


def test_a_reversal_may_use_the_margin_that_it_frees(desk: Any) -> None:
    desk.price(SWAP, "1000", "1010")
    desk.send("buy", "500", symbol=SWAP)
    desk.send("buy", "450", symbol=SWAP)
    desk.refuse("insufficient_funds", "send_order", **desk.order("buy", "50", symbol=SWAP))
    desk.send("sell", "1000", symbol=SWAP)
    desk.send("sell", "800", symbol=SWAP)
    assert [(row["side"], row["qty"]) for row in desk.positions()] == [("sell", "850")]


def test_closing_needs_no_money(desk: Any) -> None:
    desk.price(SWAP, "1000", "1010")
    desk.send("buy", "980", symbol=SWAP)
    desk.price(SWAP, "920", "930")
    assert desk.balance("USDT")[0] == 0
    desk.refuse("insufficient_funds", "send_order", **desk.order("buy", "1", symbol=SWAP))
    desk.run("close_position", position_id=1)
    assert desk.positions() == []
    assert desk.balance("USDT")[1] == 0


def test_leverage_is_checked_and_idempotent(desk: Any) -> None:
    desk.price(SWAP, "1000", "1010")
    desk.send("buy", "900", symbol=SWAP)
    desk.events.clear()
    desk.venue("set_leverage", 10, SWAP)
    assert desk.events == []
    reply = desk.oms.handle("ccxt_call", {"account_id": "1", "func": "setLeverage"}, {}, {"args": [1, SWAP]})
    assert reply.body["detail"]["details"]["ccxt_error"] == "InsufficientFunds"
    assert desk.positions()[0]["leverage"] == "10"
    desk.venue("setLeverage", 20, SWAP)
    assert desk.balance("USDT")[1] == Decimal(45450) + 900 * 5


# ------------------------------------------------------------------ close_position


def test_close_position_whole_and_in_part(desk: Any) -> None:
    desk.send("buy", "3")
    result = desk.run("close_position", position_id=1, qty="1", comment="some")
    assert (result["order"]["side"], result["order"]["qty"], result["order"]["comment"]) == (
        "sell",
        "1",
        "some",
    )
    assert brief(result["positions"][0]) == (1, "buy", "2", "101", "open")
    assert desk.run("close_position", position_id=1)["positions"][0]["state"] == "closed"
    desk.refuse("conflict", "close_position", position_id=1)
    desk.refuse("position_not_found", "close_position", position_id=9)


def test_a_resting_close_locks_the_position_until_it_ends(desk: Any) -> None:
    desk.send("buy", "3")
    order = desk.run("close_position", position_id=1, order_type="limit", price="120")["order"]
    assert desk.positions()[0]["state"] == "close_requested"
    desk.refuse("position_close_in_progress", "close_position", position_id=1)
    desk.run("cancel_order", order_id=order["id"])
    assert desk.positions()[0]["state"] == "open"
    desk.run("close_position", position_id=1, order_type="limit", price="120", qty="1")
    desk.price(SPOT, "120", "121")
    assert brief(desk.positions()[0]) == (1, "buy", "2", "101", "open")


def test_a_close_that_waits_ends_when_the_position_closes_otherwise(desk: Any) -> None:
    desk.send("buy", "3", symbol=SWAP)
    order = desk.run("close_position", position_id=1, order_type="limit", price="120")["order"]
    desk.send("sell", "3", symbol=SWAP)
    row = desk.order_row(order["id"])
    assert (row["status"], row["reject_reason"]) == ("CANCELED", "position_closed")
    assert desk.position_row(1)["state"] == "closed"


def test_closing_more_than_there_is_is_refused(desk: Any) -> None:
    desk.send("buy", "3")
    assert (
        "at most the position's 3"
        in desk.refuse("validation_error", "close_position", position_id=1, qty="4")["message"]
    )


# ------------------------------------------------------------------ close_by, merge, change


def test_close_by_makes_two_deals_and_no_order(desk: Any) -> None:
    desk.send("buy", "3", symbol=SWAP, account=HEDGE)
    desk.price(SWAP, "110", "111")
    desk.send("sell", "2", symbol=SWAP, account=HEDGE)
    before = desk.balance("USDT", HEDGE)[2]
    result = desk.run("close_by", HEDGE, position_id_a=1, position_id_b=2)
    assert [
        (deal["order_id"], deal["position_id"], deal["side"], deal["qty"], deal["price"], deal["pnl"])
        for deal in result["deals"]
    ] == [
        (None, 1, "sell", "2", "110", "18"),
        (None, 2, "buy", "2", "110", "0"),
    ]
    assert [brief(row) for row in result["positions"]] == [
        (1, "buy", "1", "101", "open"),
        (2, "sell", "0", "110", "closed"),
    ]
    assert desk.balance("USDT", HEDGE)[2] == before + 18
    assert desk.get("orders_history", account_ids=HEDGE, since_ms=0)["total"] == 2


def test_close_by_of_spot_moves_no_coins(desk: Any) -> None:
    desk.send("buy", "1", account=HEDGE)
    desk.send("sell", "1", account=HEDGE)
    before = desk.balance("USDT", HEDGE), desk.balance("BTC", HEDGE)
    desk.run("close_by", HEDGE, position_id_a=1, position_id_b=2, qty="0.4")
    assert (desk.balance("USDT", HEDGE), desk.balance("BTC", HEDGE)) == before
    assert [row["qty"] for row in desk.positions(HEDGE)] == ["0.6", "0.6"]


@pytest.mark.parametrize(
    "pair,field", [((1, 3), "opposite side"), ((1, 4), "a position in"), ((1, 1), "another position")]
)
def test_close_by_refuses_other_pairs(desk: Any, pair: tuple[int, int], field: str) -> None:
    for side, symbol in (("buy", SWAP), ("sell", SWAP), ("buy", SWAP), ("sell", SPOT)):
        desk.send(side, "1", symbol=symbol, account=HEDGE)
    error = desk.refuse("validation_error", "close_by", HEDGE, position_id_a=pair[0], position_id_b=pair[1])
    assert field in error["message"]


def test_merge_moves_everything_of_the_source(desk: Any) -> None:
    desk.send("buy", "3", symbol=SWAP, account=HEDGE)
    desk.run("close_position", HEDGE, position_id=1, qty="1")
    desk.price(SWAP, "110", "111")
    desk.send("buy", "2", symbol=SWAP, account=HEDGE)
    used = desk.balance("USDT", HEDGE)[1]
    result = desk.run("merge_positions", HEDGE, source_position_id=1, target_position_id=2)
    assert brief(desk.position_row(1)) == (1, "buy", "0", "101", "merged")
    assert brief(desk.position_row(2)) == (2, "buy", "4", "106", "open")
    assert desk.position_row(2)["realized_pnl"] == "-1"
    assert {deal["position_id"] for deal in desk.deals(HEDGE)} == {2}
    assert {deal["previous_position_id"] for deal in desk.deals(HEDGE)} == {0, 1}
    assert desk.balance("USDT", HEDGE)[1] == used
    assert {row["id"] for row in result["positions"]} == {1, 2}
    assert [event.name for event in desk.events].count("deal_created") == 3


def test_merge_stop_modes_and_refusals(desk: Any) -> None:
    for _ in range(3):
        desk.send("buy", "1", symbol=SWAP, account=HEDGE, oms_stop_loss="80")
    desk.send("sell", "1", symbol=SWAP, account=HEDGE)
    desk.run(
        "merge_positions",
        HEDGE,
        source_position_id=1,
        target_position_id=2,
        stop_mode="set",
        oms_stop_gain="150",
    )
    assert (desk.position_row(2)["stop_loss"], desk.position_row(2)["stop_gain"]) == (None, "150")
    desk.run("merge_positions", HEDGE, source_position_id=3, target_position_id=2, stop_mode="clear")
    assert desk.position_row(2)["stop_gain"] is None
    desk.refuse("validation_error", "merge_positions", HEDGE, source_position_id=2, target_position_id=4)
    desk.refuse("conflict", "merge_positions", HEDGE, source_position_id=1, target_position_id=2)


def test_position_change_sets_keeps_and_clears(desk: Any) -> None:
    desk.send("buy", "1")
    desk.run("position_change", position_id=1, oms_stop_loss="90", comment="why")
    desk.run("position_change", position_id=1, oms_stop_gain="120")
    row = desk.position_row(1)
    assert (row["stop_loss"], row["stop_gain"], row["comment"]) == ("90", "120", "why")
    desk.run("position_change", position_id=1, oms_stop_loss=None)
    assert desk.position_row(1)["stop_loss"] is None
    assert (
        "below"
        in desk.refuse("validation_error", "position_change", position_id=1, oms_stop_loss="105")["message"]
    )
    assert (
        "multiple"
        in desk.refuse("validation_error", "position_change", position_id=1, oms_stop_loss="90.001")[
            "message"
        ]
    )


# ------------------------------------------------------------------ enforced stops


@pytest.mark.parametrize(
    "side,bid,ask,reason,price",
    [
        ("buy", "89", "90", "stop_loss", "89"),
        ("buy", "121", "122", "stop_gain", "121"),
        ("sell", "122", "123", "stop_loss", "123"),
        ("sell", "89", "90", "stop_gain", "90"),
    ],
)
def test_stops_close_the_position(desk: Any, side: str, bid: str, ask: str, reason: str, price: str) -> None:
    low, high = ("oms_stop_loss", "oms_stop_gain") if side == "buy" else ("oms_stop_gain", "oms_stop_loss")
    desk.send(side, "2", symbol=SWAP, **{low: "90", high: "120"})
    desk.price(SWAP, "95", "96")
    assert len(desk.positions()) == 1
    desk.price(SWAP, bid, ask)
    assert desk.positions() == []
    last = desk.deals()[-1]
    assert (last["reason"], last["price"]) == (reason, price)
    order = desk.order_row(last["order_id"])
    assert (order["reason"], order["status"], order["position_id"]) == (reason, "FILLED", 1)


def test_stops_of_one_step_are_taken_by_the_ids_of_their_positions(desk: Any) -> None:
    for _ in range(2):
        desk.send("buy", 1, symbol=SWAP, account=2)
    for position in (2, 1):  # the younger one is the first to have a stop
        desk.run("position_change", 2, position_id=position, oms_stop_loss="95")

    desk.price(SWAP, "94", "95", last="94", size="1")

    assert [row["id"] for row in desk.positions(2)] == [2]


def test_a_stop_takes_the_coins_that_other_exits_hold(desk: Any) -> None:
    desk.run("send_order", **desk.order("sell", "9", "150"))  # of other coins
    desk.send("buy", "2", oms_stop_loss="90")
    exit_order = desk.send("sell", "2", "120")
    desk.price(SPOT, "85", "86")
    assert desk.positions() == []
    assert (
        desk.order_row(exit_order["id"])["status"] == "CANCELED" or desk.order_row(1)["status"] == "CANCELED"
    )
    assert desk.deals()[-1]["reason"] == "stop_loss"


def test_a_stop_closes_at_the_next_step_what_the_book_has_no_room_for(desk: Any) -> None:
    desk.send("buy", "5", symbol=SWAP, oms_stop_loss="90")
    desk.price(SWAP, "85", "86", size="2")
    assert desk.positions()[0]["qty"] == "3"
    assert desk.positions()[0]["state"] == "open"
    desk.price(SWAP, "84", "86", size="3")
    assert desk.positions() == []


def test_a_stop_overrides_a_close_that_rests(desk: Any) -> None:
    desk.send("buy", "2", symbol=SWAP, oms_stop_loss="90")
    order = desk.run("close_position", position_id=1, order_type="limit", price="120")["order"]
    desk.price(SWAP, "85", "86")
    assert desk.positions() == []
    assert desk.order_row(order["id"])["reject_reason"] == "stop_loss"


def test_stops_are_looked_at_by_the_id_of_their_position(make_desk: Any) -> None:
    """As after a restart, whatever order they were set in."""
    desk = make_desk()
    for _ in range(2):
        desk.send("buy", "1", account=2)
    for position in reversed(desk.positions(2)):
        desk.run("position_change", 2, position_id=position["id"], oms_stop_loss="90")

    desk.price("BTC/USDT", "89", "90")

    closing = [row for row in desk.deals(2) if row["reason"] == "stop_loss"]
    assert [row["position_id"] for row in sorted(closing, key=lambda row: row["id"])] == [1, 2]
