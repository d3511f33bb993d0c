"""Orders placed at the venue without the OMS: unknown until the account is reconciled, then kept apart."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import EmbeddedOms, Principal
from ccxt_driver.oms.entities import Permission
from ccxt_driver.oms.maintenance import check
from ccxt_driver.oms.matching.self_trade import SelfTrade
from ccxt_driver.oms.models import Models
from ccxt_driver.oms.store import StoreError
from tests.helpers.auditor import Auditor
from tests.unit.oms.conftest import BALANCES

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
ALL = pytest.mark.parametrize("account", [1, 2, 3], ids=["netting", "hedge", "strategy_netting"])
NETTED = pytest.mark.parametrize("account", [1, 3], ids=["netting", "strategy_netting"])


def outside(
    desk: Any, side: str, amount: Any, price: Any = None, symbol: str = SPOT, account: int = 1, **params: Any
) -> Any:
    """An order past the OMS; its ccxt structure."""
    kind = "market" if price is None else "limit"
    return desk.venue("create_order", symbol, kind, side, amount, price, params, account=account)


def reconcile(desk: Any, account: int = 1) -> None:
    desk.call("reconcile", {"account_id": account})


def imported(desk: Any, account: int = 1) -> Any:
    """The one order that a reconcile takes in; its row."""
    before = {row["id"] for row in history(desk, "orders_history", account)}
    reconcile(desk, account)
    [row] = [row for row in history(desk, "orders_history", account) if row["id"] not in before]
    return row


def history(desk: Any, endpoint: str, account: int = 1) -> list[Any]:
    return list(desk.get(endpoint, account_ids=account, since_ms=0, page_size=500)["items"])


def rows(desk: Any, account: int = 1) -> tuple[int, ...]:
    """How many orders, deals and positions the OMS tells of."""
    endpoints = ("orders_history", "deals", "positions_history", "orders_open", "positions_open")
    queries: list[dict[str, Any]] = [{"since_ms": 0}] * 3 + [{}] * 2
    return tuple(
        desk.get(endpoint, account_ids=account, **query)["total"]
        for endpoint, query in zip(endpoints, queries, strict=True)
    )


def names(desk: Any) -> list[str]:
    return [event.name for event in desk.events]


def venue_error(desk: Any, func: str, *args: Any, account: int = 1) -> tuple[str, str]:
    body = {"args": list(args), "kwargs": {}}
    reply = desk.oms.handle("ccxt_call", {"account_id": str(account), "func": func}, {}, body, desk.principal)
    assert reply.status >= 400, reply.body
    detail = reply.body["detail"]
    return detail["details"].get("ccxt_error", detail["code"]), detail["message"]


def held(desk: Any, account: int) -> list[tuple[str, str, int, str]]:
    """What the OMS's open positions are: side, quantity, strategy, reason."""
    return [(row["side"], row["qty"], row["strategy_id"], row["reason"]) for row in desk.positions(account)]


# ------------------------------------------------------------------ unknown


@ALL
def test_money_moves_at_once_and_rows_wait_for_a_reconcile(desk: Any, account: int) -> None:
    placed = outside(desk, "buy", 2, account=account)
    assert (placed["id"], placed["status"], placed["average"]) == ("P1", "closed", 101.0)
    assert desk.balance("BTC", account)[2] == 12
    assert rows(desk, account) == (0, 0, 0, 0, 0)
    assert set(names(desk)) == {"balance_updated"}
    for endpoint in ("orders_by_id", "deals_by_id", "positions_by_id"):
        assert desk.get(endpoint, {"ids": "1"})["items"] == []
    desk.events.clear()

    order = imported(desk, account)
    assert rows(desk, account) == (1, 1, 1, 0, 1)
    assert (order["reason"], order["strategy_id"], order["command_id"]) == ("external", 0, None)
    assert (order["exchange_order_id"], order["status"], order["filled_qty"]) == ("P1", "FILLED", "2")
    [deal], [position] = desk.deals(account), desk.positions(account)
    assert deal["reconciled"] is True
    assert deal["position_id"] == order["position_id"] == position["id"]
    assert {"order_submitted", "order_updated", "deal_created", "position_updated"} < {*names(desk)}
    [tick] = [event for event in desk.events if event.name == "reconciliation_tick"]
    assert tick.payload["trades_count"] == 1
    assert [event.seq for event in desk.events] == [
        *range(desk.events[0].seq, desk.oms.last_seq(account) + 1)
    ]
    desk.events.clear()
    reconcile(desk, account)
    assert names(desk) == ["reconciliation_tick"]
    assert desk.events[0].payload["trades_count"] == 0


def test_a_resting_order_holds_money_back_and_matches_in_the_same_book(desk: Any) -> None:
    placed = outside(desk, "buy", 2, "99")
    assert desk.balance("USDT")[1] == Decimal("198.198")
    bids = desk.venue("fetch_order_book", SPOT)["bids"]
    assert [99.0, 2.0] in bids
    taker = desk.send("sell", 2, "99", account=2)
    assert taker["status"] == "FILLED"  # at 100, that is to say at the feed's bid
    desk.price(SPOT, "98", "99")
    assert desk.venue("fetch_order", placed["id"])["status"] == "closed"
    assert rows(desk) == (0, 0, 0, 0, 0)


def test_two_accounts_trade_with_each_other_whoever_has_sent_the_orders(desk: Any) -> None:
    desk.price(SPOT, "90", "110")
    outside(desk, "buy", 2, "100")
    order = desk.send("sell", 2, "100", account=2)
    assert (order["status"], order["avg_fill_price"]) == ("FILLED", "100")
    assert {event.account_id for event in desk.events if event.name == "deal_created"} == {2}
    assert imported(desk)["avg_fill_price"] == "100"


def test_no_command_finds_what_is_unknown(desk: Any) -> None:
    resting = int(outside(desk, "buy", 1, "90")["id"][1:])
    outside(desk, "buy", 1)
    desk.refuse("order_not_found", "cancel_order", order_id=resting)
    desk.refuse("order_not_found", "change_order", order_id=resting, new_price="91")
    desk.refuse("position_not_found", "close_position", position_id=1)
    desk.refuse("position_not_found", "position_change", position_id=1, comment="x")
    own = desk.send("buy", 1, account=2)["position_id"]
    assert own == 2
    desk.refuse("invalid_position_id", "send_order", **desk.order("sell", 1, position_id=1))
    desk.refuse("position_not_found", "merge_positions", source_position_id=1, target_position_id=2)
    reply = desk.oms.handle("reassign", {}, {}, {"order_ids": [resting], "strategy_id": 1})
    assert reply.body["detail"]["code"] == "order_not_found"
    assert rows(desk) == (0, 0, 0, 0, 0)


def test_nothing_of_the_oms_touches_what_is_unknown(desk: Any) -> None:
    placed = outside(desk, "buy", 1, "90")
    desk.run("cancel_all_orders")
    desk.run("cancel_all_after", timeout_ms=1000)
    desk.oms.advance(2000)
    desk.oms.kill_switch(1)
    assert desk.venue("fetch_order", placed["id"])["status"] == "open"


def test_a_stop_does_not_make_room_by_what_is_unknown(desk: Any) -> None:
    position = desk.send("buy", 1, oms_stop_loss="95")["position_id"]
    placed = outside(desk, "sell", "10.5", "200")  # of eleven coins
    desk.price(SPOT, "94", "95")
    assert desk.venue("fetch_order", placed["id"])["status"] == "open"
    assert desk.position_row(position)["qty"] == "0.5"


def test_limits_and_blocks_of_the_oms_are_not_the_venues(desk: Any) -> None:
    desk.oms.set_limits(1, {"max_order_qty": "1", "max_open_orders": "1"})
    desk.call("risk_status", {"status": "blocked", "comment": "x"}, account_id=1)
    desk.call("risk_allow_new_positions", {"allow_new_positions": False, "comment": "x"}, account_id=1)
    desk.oms.kill_switch(1)
    assert outside(desk, "buy", 2)["status"] == "closed"
    waiting = outside(desk, "buy", 2, triggerPrice="105")
    desk.price(SPOT, "104", "105", "105")
    assert desk.venue("fetch_order", waiting["id"])["status"] == "closed"


def test_what_is_unknown_counts_for_no_limit(desk: Any) -> None:
    outside(desk, "buy", 5)
    outside(desk, "buy", 1, "90")
    desk.oms.set_limits(1, {"max_position_qty": "2", "max_open_orders": "1", "max_daily_loss": "1"})
    assert desk.send("buy", "0.5", "95")["status"] == "SUBMITTED"
    reconcile(desk)
    error = desk.refuse("risk_blocked", "send_order", **desk.order("buy", "0.5", "95"))
    assert error["details"]["reason"] == "max_open_orders"


def test_losses_that_are_taken_in_count_from_then_on(desk: Any) -> None:
    desk.oms.set_limits(1, {"max_daily_loss": "5"})
    outside(desk, "buy", 50)  # a fee of 5.05
    desk.oms.advance(1000)
    desk.send("buy", "0.1")
    desk.send("sell", "0.1")
    reconcile(desk)
    error = desk.refuse("risk_blocked", "send_order", **desk.order("buy", 1))
    assert error["details"]["reason"] == "max_daily_loss"


@pytest.mark.parametrize("rule", [SelfTrade.CANCEL_TAKER, SelfTrade.CANCEL_MAKER])
def test_the_venue_lets_no_account_trade_with_itself(make_desk: Callable[..., Any], rule: SelfTrade) -> None:
    desk = make_desk(models=Models(self_trade=rule))
    desk.price(SPOT, "90", "110")
    own = desk.send("buy", 1, "100")
    desk.events.clear()
    placed = outside(desk, "sell", 1, "100")
    taker = rule is SelfTrade.CANCEL_TAKER
    assert placed["status"] == ("canceled" if taker else "open")
    assert desk.order_row(own["id"])["status"] == ("SUBMITTED" if taker else "CANCELED")
    assert ("order_canceled" in names(desk)) is not taker


# ------------------------------------------------------------------ who may, and what is refused


def test_only_who_may_trade_on_the_whole_account(desk: Any) -> None:
    resting = outside(desk, "buy", 1, "90")["id"]
    calls = (
        ("create_order", SPOT, "market", "buy", 1),
        ("createOrder", SPOT, "market", "buy", 1),
        ("cancelOrder", resting),
        ("cancel_all_orders",),
    )
    everything = Permission(read=True, trade=True, close=True, risk=True)
    for principal, code in (
        (Principal(9, None, None, Permission(read=True, close=True, risk=True)), "permission_denied"),
        (Principal(9, None, frozenset((0, 1)), everything), "strategy_permission_denied"),
        (Principal(9, {2: everything}), "account_not_found"),
    ):
        desk.principal = principal
        for func, *args in calls:
            assert venue_error(desk, func, *args)[0] == code
    desk.principal = Principal(9, {1: Permission(read=True, trade=True)})
    assert desk.venue("cancel_order", resting)["status"] == "canceled"


@pytest.mark.parametrize(
    "args,error,text",
    [
        (["NO/PE", "market", "buy", 1], "BadSymbol", "NO/PE"),
        ([SPOT, "market", "buy"], "ArgumentsRequired", "amount"),
        ([SPOT, "market", "up", 1], "BadRequest", "side"),
        ([SPOT, "market", "buy", -1], "BadRequest", "amount"),
        ([SPOT, "limit", "buy", 1], "BadRequest", "price"),
        ([SPOT, "stop", "buy", 1], "InvalidOrder", "type"),
        ([SPOT, "market", "buy", "0.123456789123"], "InvalidOrder", "amount"),
        ([SPOT, "limit", "buy", 1, "90.00001"], "InvalidOrder", "price"),
        ([SPOT, "limit", "buy", 1, 90, {"trailingPercent": 100}], "InvalidOrder", "params.trailingPercent"),
        ([SPOT, "limit", "buy", 1, 90, {"timeInForce": "GTX"}], "BadRequest", "params.timeInForce"),
        ([SPOT, "limit", "buy", 1, 90, {"timeInForce": "GTD"}], "BadRequest", "params.expireAt"),
        ([SPOT, "limit", "buy", 1, 101, {"postOnly": True}], "OrderImmediatelyFillable", "post_only"),
        ([SPOT, "limit", "buy", 1, 101, {"timeInForce": "PO"}], "OrderImmediatelyFillable", "post_only"),
        ([SPOT, "market", "buy", 5000], "InsufficientFunds", "USDT"),
        ([SWAP, "market", "sell", 1, None, {"reduceOnly": True}], "NotSupported", "params.reduceOnly"),
        ([SPOT, "market", "buy", 1, None, {"strategy_id": 1}], "NotSupported", "params.strategy_id"),
        ([SPOT, "market", "buy", 1, None, {"stopLoss": {"triggerPrice": 9}}], "NotSupported", "stopLoss"),
        ([SPOT, "market", "buy", 1, None, "x"], "BadRequest", "params"),
    ],
)
def test_what_the_venue_refuses_is_not_there(desk: Any, args: list[Any], error: str, text: str) -> None:
    found, message = venue_error(desk, "create_order", *args)
    assert found == error, message
    assert text in message
    assert "payload" not in message
    assert desk.venue("fetch_orders") == []
    assert desk.balance("USDT") == (100000, 0, 100000)


def test_a_closed_market_takes_no_orders(desk: Any) -> None:
    desk.oms.set_session(SPOT, "closed")
    assert venue_error(desk, "create_order", SPOT, "market", "buy", 1)[0] == "MarketClosed"


def test_options_have_ccxts_names(desk: Any) -> None:
    outside(desk, "sell", 1, stopLossPrice=95, takeProfitPrice=120, clientOrderId="mine")
    outside(desk, "buy", 1, 90, timeInForce="ioc", trailingPercent=None, reduceOnly=False)
    outside(desk, "buy", None, cost=202)
    by_core = {"symbol": SPOT, "type": "limit", "side": "buy", "amount": 1, "price": 90}
    desk.call("ccxt_core", by_core, account_id=1, func="create_order")
    stop, ioc, cost, resting = desk.venue("fetch_orders")
    assert (stop["clientOrderId"], stop["stopLossPrice"], stop["takeProfitPrice"]) == ("mine", 95.0, 120.0)
    assert (ioc["timeInForce"], ioc["status"], cost["filled"]) == ("IOC", "canceled", 2.0)
    desk.call("ccxt_core", {"id": resting["id"]}, account_id=1, func="cancel_order")
    assert desk.venue("fetch_order", resting["id"])["status"] == "canceled"


def test_a_client_order_id_names_one_order_whoever_has_placed_it(desk: Any) -> None:
    desk.send("buy", 1, client_order_id="own")
    assert venue_error(desk, "create_order", SPOT, "market", "buy", 1, None, {"clientOrderId": "own"})[0] == (
        "DuplicateOrderId"
    )
    outside(desk, "buy", 1, clientOrderId="theirs")
    error = desk.refuse(
        "duplicate_client_order_id", "send_order", **desk.order("buy", 1, client_order_id="theirs")
    )
    assert "order_id" not in error["details"]
    order = imported(desk)
    assert order["client_order_id"] == "theirs"
    error = desk.refuse(
        "duplicate_client_order_id", "send_order", **desk.order("buy", 1, client_order_id="theirs")
    )
    assert error["details"]["order_id"] == order["id"]


def test_the_venue_reads_and_cancels_orders_of_both(desk: Any) -> None:
    own = desk.send("buy", 1, "90")
    desk.oms.advance(1000)
    theirs = outside(desk, "sell", 1)
    desk.oms.advance(1000)
    resting = outside(desk, "buy", 1, "91")
    ids = [own["exchange_order_id"], theirs["id"], resting["id"]]
    assert [order["id"] for order in desk.venue("fetch_orders")] == ids
    assert [order["id"] for order in desk.venue("fetch_orders", SPOT, None, 1)] == ids[-1:]
    assert [order["id"] for order in desk.venue("fetch_orders", SPOT, 0, 2)] == ids[:2]
    assert [order["id"] for order in desk.venue("fetch_open_orders")] == [ids[0], ids[2]]
    assert [order["id"] for order in desk.venue("fetch_closed_orders")] == [ids[1]]
    [trade] = desk.venue("fetch_my_trades", SPOT)
    assert (trade["order"], trade["side"], trade["price"], trade["fee"]["cost"]) == (
        ids[1],
        "sell",
        100.0,
        0.1,
    )
    desk.events.clear()
    assert desk.venue("cancel_order", ids[0])["status"] == "canceled"
    assert desk.order_row(own["id"])["reject_reason"] == "canceled_at_the_venue"
    assert "order_canceled" in names(desk)  # the OMS hears of its own orders at once
    assert venue_error(desk, "cancel_order", ids[0])[0] == "OrderNotFound"
    assert [order["id"] for order in desk.venue("cancel_all_orders", SPOT)] == [ids[2]]
    assert [order["id"] for order in desk.venue("fetch_canceled_orders")] == [ids[0], ids[2]]
    assert rows(desk) == (1, 0, 0, 0, 0)
    reconcile(desk)
    assert rows(desk) == (3, 1, 1, 0, 1)


# ------------------------------------------------------------------ apart


@ALL
@pytest.mark.parametrize("symbol", [SPOT, SWAP])
def test_each_order_has_a_position_that_nothing_nets_with(desk: Any, account: int, symbol: str) -> None:
    desk.send("buy", 2, symbol=symbol, account=account)
    for side in ("sell", "buy", "sell"):
        outside(desk, side, 1, symbol=symbol, account=account)
    assert held(desk, account) == [("buy", "2", 0, "api")]
    reconcile(desk, account)
    theirs = [("sell", "1", 0, "external"), ("buy", "1", 0, "external"), ("sell", "1", 0, "external")]
    assert held(desk, account) == [("buy", "2", 0, "api"), *theirs]
    desk.send("sell", 2, symbol=symbol, account=account, reduce_only=True)
    desk.refuse(
        "exchange_error", "send_order", account, **desk.order("sell", 1, symbol=symbol, reduce_only=True)
    )
    assert held(desk, account) == theirs
    desk.send("buy", 1, symbol=symbol, account=account)
    assert held(desk, account) == [*theirs, ("buy", "1", 0, "api")]


@ALL
def test_what_was_taken_in_is_commanded_like_any_row(desk: Any, account: int) -> None:
    desk.send("buy", 1, symbol=SWAP, account=account)
    for side in ("buy", "sell", "buy"):
        outside(desk, side, 1, symbol=SWAP, account=account)
    resting = int(outside(desk, "buy", 1, "90", SWAP, account)["id"][1:])
    reconcile(desk, account)
    desk.run("change_order", account, order_id=resting, new_price="91")
    desk.run("cancel_order", account, order_id=resting)
    own, first, second, third = (row["id"] for row in desk.positions(account))
    closing = desk.run("close_position", account, position_id=first, order_type="limit", price="110")
    desk.refuse("position_close_in_progress", "close_position", account, position_id=first)
    desk.price(SWAP, "110", "111")
    assert desk.order_row(closing["order_id"])["status"] == "FILLED"
    assert desk.position_row(first)["realized_pnl"] == "9"
    desk.run("close_by", account, position_id_a=second, position_id_b=third)
    assert [row["id"] for row in desk.positions(account)] == [own]
    outside(desk, "buy", 1, symbol=SWAP, account=account)
    reconcile(desk, account)
    other = desk.positions(account)[-1]["id"]
    desk.run("position_change", account, position_id=other, oms_stop_loss="105")
    desk.price(SWAP, "104", "105", "104")
    assert held(desk, account) == [("buy", "1", 0, "api")]


@NETTED
def test_a_position_that_was_merged_is_netted_from_then_on(desk: Any, account: int) -> None:
    desk.send("buy", 1, symbol=SWAP, account=account)
    outside(desk, "buy", 2, symbol=SWAP, account=account)
    reconcile(desk, account)
    own, other = (row["id"] for row in desk.positions(account))
    desk.run("merge_positions", account, source_position_id=other, target_position_id=own)
    desk.send("sell", 3, symbol=SWAP, account=account)
    assert held(desk, account) == []


def test_an_open_order_that_was_taken_in_tells_of_its_fills_at_once(desk: Any) -> None:
    desk.price(SPOT, "100", "101", size="1")
    placed = outside(desk, "buy", 3, "101")
    assert placed["filled"] == 1.0
    order = imported(desk)
    assert (order["status"], order["filled_qty"]) == ("PARTIALLY_FILLED", "1")
    desk.events.clear()
    desk.price(SPOT, "100", "101", size="5")
    assert "deal_created" in names(desk)
    assert desk.order_row(order["id"])["status"] == "FILLED"
    assert held(desk, 1) == [("buy", "3", 0, "external")]


def test_a_position_that_ended_while_its_order_rests_is_followed_by_another(desk: Any) -> None:
    desk.price(SPOT, "100", "101", size="1")
    outside(desk, "buy", 2, "101")
    order = imported(desk)
    desk.run("close_position", position_id=order["position_id"], order_type="limit", price="102")
    desk.price(SPOT, "102", "103", size="1")
    assert held(desk, 1) == []
    desk.price(SPOT, "100", "101", size="1")
    assert held(desk, 1) == [("buy", "1", 0, "external")]
    assert desk.positions()[0]["id"] != order["position_id"]


def test_rows_keep_the_venues_time_and_are_found_by_what_changed_since(desk: Any) -> None:
    traded = desk.oms.now_ms()
    outside(desk, "buy", 1)
    desk.oms.advance(86_400_000)
    order = imported(desk)
    day = order["updated_at"][:10]
    assert order["created_at"][:10] < day
    for endpoint in ("orders_history", "positions_history"):
        found = desk.get(endpoint, account_ids=1, start_date=day, end_date=day)["items"]
        assert len(found) == 1
    [deal] = desk.deals(until_ms=traded)
    assert deal["executed_at"][:10] < deal["created_at"][:10] == day


# ------------------------------------------------------------------ reassigned


def reassign(desk: Any, order_id: int, strategy_id: int, **more: Any) -> Any:
    return desk.call("reassign", {"order_ids": [order_id], "strategy_id": strategy_id} | more)


@ALL
def test_without_another_position_it_becomes_the_strategys_own(desk: Any, account: int) -> None:
    outside(desk, "buy", 1, symbol=SWAP, account=account)
    order = imported(desk, account)
    answer = reassign(desk, order["id"], 2)
    assert (answer["order_ids"], answer["refused"]) == ([order["id"]], [])
    assert held(desk, account) == [("buy", "1", 2, "external")]
    assert [deal["strategy_id"] for deal in desk.deals(account)] == [2]
    more = {"position_id": order["position_id"]} if account == 2 else {}
    desk.send("sell", 1, symbol=SWAP, account=account, strategy_id=2, **more)
    assert held(desk, account) == []


@NETTED
def test_of_the_same_side_it_becomes_a_part_of_the_position_there_is(desk: Any, account: int) -> None:
    desk.send("buy", 1, symbol=SWAP, account=account, strategy_id=1)
    outside(desk, "buy", 2, symbol=SWAP, account=account)
    order = imported(desk, account)
    reassign(desk, order["id"], 1)
    assert held(desk, account) == [("buy", "3", 1, "api")]
    desk.send("sell", 3, symbol=SWAP, account=account, strategy_id=1)
    assert held(desk, account) == []


@NETTED
@pytest.mark.parametrize("qty,left", [("1", [("buy", "1")]), ("2", []), ("3", [("sell", "1")])])
def test_of_the_opposite_side_it_reduces_what_there_is(
    desk: Any, account: int, qty: str, left: list[tuple[str, str]]
) -> None:
    desk.send("buy", 2, symbol=SWAP, account=account, strategy_id=1)  # at 101
    outside(desk, "sell", qty, symbol=SWAP, account=account)  # at 100
    order = imported(desk, account)
    before = desk.balance("USDT", account)[2]
    reassign(desk, order["id"], 1)
    assert [row[:2] for row in held(desk, account)] == left
    assert desk.balance("USDT", account)[2] == before - min(Decimal(qty), Decimal(2))
    Auditor(desk.oms, {name: Decimal(amount) for name, amount in BALANCES.items()}).check()


@NETTED
@pytest.mark.parametrize("durable", [False, True])
def test_a_key_of_the_strategy_sees_the_deal_that_closed_what_it_was_given(
    make_desk: Callable[..., Any], tmp_path: Path, account: int, durable: bool
) -> None:
    desk = make_desk(db=tmp_path / "oms.sqlite" if durable else None)
    desk.send("buy", 2, symbol=SWAP, account=account, strategy_id=1)
    outside(desk, "sell", 1, symbol=SWAP, account=account)
    order = imported(desk, account)
    reassign(desk, order["id"], 1)
    desk.principal = Principal(9, None, frozenset((1,)), Permission(read=True))
    deals = desk.deals(account, position_id=order["position_id"])
    assert [(deal["side"], deal["reason"]) for deal in deals] == [("sell", "external"), ("buy", "close_by")]


@NETTED
def test_an_open_order_nets_with_its_fills_to_come(desk: Any, account: int) -> None:
    desk.send("buy", 2, symbol=SWAP, account=account, strategy_id=1)
    outside(desk, "sell", 1, "110", SWAP, account)
    order = imported(desk, account)
    used = desk.balance("USDT", account)[1]
    reassign(desk, order["id"], 1)
    assert desk.balance("USDT", account)[1] < used  # it reduces now, and needs no margin
    desk.price(SWAP, "110", "111")
    assert [row[:2] for row in held(desk, account)] == [("buy", "1")]


@NETTED
def test_own_orders_reduce_as_if_nothing_else_were_there(desk: Any, account: int) -> None:
    desk.send("buy", 2, symbol=SWAP, account=account)
    outside(desk, "sell", 1, "110", SWAP, account)
    used = desk.balance("USDT", account)[1]
    order = desk.send("sell", 2, "120", SWAP, account)
    assert desk.balance("USDT", account)[1] == used
    for known in (False, True):
        if known:
            reconcile(desk, account)
        desk.run("change_order", account, order_id=order["id"], new_price=f"12{1 + known}")
        assert desk.balance("USDT", account)[1] == used


@NETTED
def test_an_order_that_reduces_holds_nothing_back_behind_one_that_does_not(desk: Any, account: int) -> None:
    """A position that is kept apart is no reason to stop looking after the first order of its other side."""
    desk.send("buy", 2, symbol=SWAP, account=account)
    outside(desk, "sell", 1, symbol=SWAP, account=account)
    desk.send("buy", 1, "50", SWAP, account)
    closing = desk.send("sell", 2, "120", SWAP, account)
    desk.send("buy", 1, symbol=SWAP, account=account)  # from here all of them are looked at again
    used = desk.balance("USDT", account)[1]
    desk.run("cancel_order", account, order_id=closing["id"])
    assert desk.balance("USDT", account)[1] == used


@pytest.mark.parametrize("durable", [False, True])
def test_an_order_moves_where_it_was_told_to(
    make_desk: Callable[..., Any], tmp_path: Path, durable: bool
) -> None:
    """In netting mode that may be another strategy than that of the position it joins."""
    desk = make_desk(db=tmp_path / "oms.sqlite" if durable else None)
    desk.send("buy", 1, strategy_id=1)
    outside(desk, "buy", 1)
    order = imported(desk)
    reassign(desk, order["id"], 2)
    assert held(desk, 1) == [("buy", "2", 1, "api")]
    [deal] = desk.deals(order_id=order["id"])
    assert desk.order_row(order["id"])["strategy_id"] == deal["strategy_id"] == 2


@NETTED
def test_nothing_moves_while_a_position_is_being_closed(desk: Any, account: int) -> None:
    desk.send("buy", 1, symbol=SWAP, account=account, strategy_id=1)
    outside(desk, "buy", 1, symbol=SWAP, account=account)
    order = imported(desk, account)
    own, apart = (row["id"] for row in desk.positions(account))
    for position in (own, apart):
        closing = desk.run("close_position", account, position_id=position, order_type="limit", price="200")
        [refusal] = reassign(desk, order["id"], 1)["refused"]
        assert f"position {position} is being closed" in refusal["reason"]
        desk.run("cancel_order", account, order_id=closing["order_id"])
    assert reassign(desk, order["id"], 1)["refused"] == []


def test_an_order_that_closes_what_is_apart_does_not_move_by_itself(desk: Any) -> None:
    outside(desk, "buy", 1, symbol=SWAP)
    order = imported(desk)
    closing = desk.run("close_position", position_id=order["position_id"], order_type="limit", price="200")
    assert len(reassign(desk, closing["order_id"], 0)["refused"]) == 1
    desk.run("cancel_order", order_id=closing["order_id"])
    desk.run("close_position", position_id=order["position_id"], qty="0.4")
    assert "deals of other orders" in reassign(desk, order["id"], 0)["refused"][0]["reason"]
    ids = [row["id"] for row in history(desk, "orders_history")]
    assert desk.call("reassign", {"order_ids": ids, "strategy_id": 0})["refused"] == []
    desk.send("sell", "0.6", symbol=SWAP)
    assert held(desk, 1) == []


@NETTED
def test_an_order_takes_those_of_others_nowhere(desk: Any, account: int) -> None:
    """What strategies have netted is not put into a position that is apart because one order of it is."""
    first = desk.send("buy", 1, account=account, strategy_id=1)
    second = desk.send("buy", 2, account=account, strategy_id=1)
    outside(desk, "buy", 3, account=account)
    apart = imported(desk, account)["position_id"]
    body: dict[str, Any] = {"order_ids": [first["id"]], "position_id": apart}
    [refusal] = desk.call("reassign", body)["refused"]
    assert refusal["reason"].endswith(f"has deals of other orders: {second['id']}")
    assert [row["qty"] for row in desk.positions(account)] == ["3", "3"]
    assert desk.call("reassign", body | {"order_ids": [first["id"], second["id"]]})["refused"] == []
    assert [(row["id"], row["qty"]) for row in desk.positions(account)] == [(apart, "6")]


def test_orders_of_several_accounts_move_together_or_not_at_all(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [desk.send("buy", 1, account=account, strategy_id=1)["id"] for account in (1, 2)]
    store, written = desk.oms._core.store, []
    real = store.commit

    def fail_then(changes: Any) -> None:
        if written:
            raise StoreError("disk full")
        written.append(changes)
        real(changes)

    with monkeypatch.context() as patch:
        patch.setattr(store, "commit", fail_then)
        desk.oms.handle("reassign", {}, {}, {"order_ids": ids, "strategy_id": 2})
    assert [desk.order_row(each)["strategy_id"] for each in ids] in ([1, 1], [2, 2])


def test_two_that_are_apart_may_be_put_together(desk: Any) -> None:
    for _ in range(2):
        outside(desk, "buy", 1, symbol=SWAP)
    reconcile(desk)
    first, second = history(desk, "orders_history")
    reassign(desk, first["id"], 0, position_id=second["position_id"])
    assert held(desk, 1) == [("buy", "2", 0, "external")]
    desk.send("sell", 2, symbol=SWAP)
    assert len(held(desk, 1)) == 2  # still apart


# ------------------------------------------------------------------ margin


@ALL
def test_margin_is_the_accounts_whoever_has_traded(desk: Any, account: int) -> None:
    desk.venue("set_leverage", 100, SWAP, account=account)
    desk.call("withdraw", {"currency": "USDT", "amount": "50000"}, account_id=account)
    outside(desk, "buy", 900, symbol=SWAP, account=account)
    assert desk.balance("USDT", account)[1] > 900
    assert venue_error(desk, "set_margin_mode", "isolated", SWAP, account=account)[0] == "conflict"
    desk.events.clear()
    desk.price(SWAP, "1", "2")
    assert set(names(desk)) == {"balance_updated"}
    assert rows(desk, account) == (0, 0, 0, 0, 0)
    assert desk.balance("USDT", account)[2] == 0  # the insurance has paid the rest
    reconcile(desk, account)
    assert rows(desk, account) == (2, 2, 1, 0, 0)
    assert [row["reason"] for row in history(desk, "orders_history", account)] == ["external", "liquidation"]


def test_a_liquidation_closes_what_is_unknown_and_what_is_not(desk: Any) -> None:
    desk.venue("set_leverage", 100, SWAP)
    desk.send("buy", 600, symbol=SWAP)
    outside(desk, "buy", 600, symbol=SWAP)
    outside(desk, "buy", 1, "50", SWAP)
    desk.price(SWAP, "1", "2")
    assert desk.venue("fetch_open_orders") == []
    assert held(desk, 1) == []
    assert desk.balance("USDT")[2] >= 0


def test_funding_is_paid_for_what_is_unknown(desk: Any) -> None:
    desk.oms.set_funding_rate(SWAP, "0.01")
    outside(desk, "buy", 1, symbol=SWAP)
    desk.oms.advance(8 * 3_600_000)
    [paid] = desk.venue("fetch_funding_history", SWAP)
    assert paid["amount"] == -1.005


# ------------------------------------------------------------------ kept


def test_a_file_keeps_what_is_unknown_over_a_restart(tmp_path: Path, make_desk: Callable[..., Any]) -> None:
    path = tmp_path / "oms.sqlite"
    desk = make_desk(db=path)
    outside(desk, "buy", 2, symbol=SWAP)
    resting = outside(desk, "buy", 1, "90", clientOrderId="theirs")
    desk.oms.close()
    assert check(path) == []

    with EmbeddedOms(clock="manual", db=path) as oms:
        desk.oms = oms
        assert rows(desk) == (0, 0, 0, 0, 0)
        assert desk.venue("fetch_order", resting["id"])["status"] == "open"
        assert venue_error(desk, "create_order", SPOT, "market", "buy", 1, None, {"clientOrderId": "theirs"})[
            0
        ] == ("DuplicateOrderId")
        reconcile(desk)
        assert rows(desk) == (2, 1, 1, 1, 1)
    with EmbeddedOms(clock="manual", db=path) as oms:
        desk.oms = oms
        desk.send("sell", 2, symbol=SWAP)
        assert len(held(desk, 1)) == 2  # apart as before
        for order in history(desk, "orders_history"):
            reassign(desk, order["id"], 0)
        assert held(desk, 1) == []
    assert check(path) == []


@pytest.mark.parametrize("durable", [False, True])
def test_a_reconcile_that_cannot_be_written_takes_nothing_in(
    make_desk: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    desk = make_desk(db=tmp_path / "oms.sqlite" if durable else None)
    outside(desk, "buy", 1)
    outside(desk, "buy", 1, "90")
    store = desk.oms._core.store
    with monkeypatch.context() as patched:

        def refuse(*_: object) -> None:
            raise OSError("full")

        patched.setattr(type(store), "commit", refuse)
        reply = desk.oms.handle("reconcile", {}, {}, {"account_id": 1})
        assert reply.body["detail"]["code"] == "engine_unavailable"
    assert rows(desk) == (0, 0, 0, 0, 0)
    reconcile(desk)
    assert rows(desk) == (2, 1, 1, 1, 1)
