"""The lagging gateway shows every defect that the driver has to cope with."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import ccxt
import pytest
import requests

from ccxt_driver.oms import ANONYMOUS, EmbeddedOms, Reply
from tests.helpers.lagging import LaggingGateway
from tests.helpers.served import serve

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
NETTING, HEDGE = 1, 2
DAYS = {"start_date": "2000-01-01", "end_date": "2100-01-01"}
HOUR_MS = 3_600_000


class Desk:
    """A gateway with its prices set, and short ways to ask it."""

    def __init__(self, **options: Any) -> None:
        self.gateway = LaggingGateway(**options)
        for symbol in (SPOT, SWAP):
            self.gateway.set_price(symbol, bid=100, ask=101, last=100)

    def commands(self, body: Any, principal: Any = None) -> Reply:
        who = {} if principal is None else {"principal": principal}
        return self.gateway.handle("commands", {}, {}, body, **who)

    def command(self, name: str, account_id: int = NETTING, **payload: Any) -> Reply:
        return self.commands({"account_id": account_id, "command": name, "payload": payload})

    def send(self, account_id: int = NETTING, **payload: Any) -> int:
        """Place a market order to buy one swap, or what is given of it; its id."""
        order = {"symbol": SWAP, "side": "buy", "order_type": "market", "qty": 1, **payload}
        reply = self.command("send_order", account_id, **order)
        assert reply.status == 200, reply.body
        return int(reply.body["results"][0]["order_id"])

    def resting(self, account_id: int = NETTING, **payload: Any) -> int:
        return self.send(account_id, order_type="limit", price="90", **payload)

    def rows(self, endpoint: str, account_id: int = NETTING, **query: Any) -> list[dict[str, Any]]:
        given = {"account_ids": account_id, "cache": "false", **DAYS, **query}
        reply = self.gateway.handle(endpoint, {}, given, None)
        assert reply.status == 200, reply.body
        return list(reply.body["items"])

    def order(self, order_id: int, account_id: int = NETTING) -> dict[str, Any]:
        (row,) = [row for row in self.rows("orders_history", account_id) if row["id"] == order_id]
        return row

    def reconcile(self, account_id: int = NETTING, **body: Any) -> Reply:
        return self.gateway.handle("reconcile", {}, {}, {"account_id": account_id, **body})

    def call(self, func: str, *args: Any, account_id: int = NETTING, **kwargs: Any) -> Reply:
        path = {"account_id": account_id, "func": func}
        return self.gateway.handle("ccxt_call", path, {}, {"args": [*args], "kwargs": kwargs})

    def open_pair(self) -> tuple[int, int]:
        """A long position of 3 and a short one of 2 that know nothing of each other."""
        self.send(qty=3)
        self.send(qty=2, side="sell")
        self.reconcile()
        first, second = self.rows("positions_open")
        return first["id"], second["id"]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def error_of(reply: Reply) -> tuple[int, str, str]:
    return reply.status, reply.body["detail"]["code"], reply.body["detail"]["message"]


# -- values


def test_decimals_have_18_places_and_zero_is_scientific(desk: Desk) -> None:
    row = desk.order(desk.resting(qty=0.51))

    assert (row["qty"], row["filled_qty"]) == ("0.510000000000000000", "0E-18")
    assert (row["price"], row["avg_fill_price"]) == ("90.000000000000000000", None)


def test_times_are_local_naive_and_in_whole_seconds() -> None:
    desk = Desk(utc_offset_hours=-3)
    desk.gateway.advance(2_999)

    assert desk.order(desk.send())["created_at"] == "2025-12-31T21:00:02"


def test_health_announces_nothing(desk: Desk) -> None:
    assert desk.gateway.handle("health", {}, {}, None, ANONYMOUS) == (200, {"status": "ok"})


# -- orders


def test_a_filled_order_stays_open_and_unfilled_for_ever(desk: Desk) -> None:
    order_id = desk.send()
    desk.reconcile()

    (row,) = desk.rows("orders_open")
    venue = desk.call("fetch_order", row["exchange_order_id"]).body["result"]
    assert (row["id"], row["status"], row["filled_qty"]) == (order_id, "SUBMITTED", "0E-18")
    assert (venue["id"], venue["status"], venue["filled"]) == ("x1", "closed", 1.0)


def test_the_venue_knows_an_order_by_the_clients_id_or_the_gateways(desk: Desk) -> None:
    desk.resting(client_order_id="mine")
    order_id = desk.resting()

    venues = desk.call("fetchOpenOrders").body["result"]
    assert [order["clientOrderId"] for order in venues] == ["mine", str(order_id)]


def test_what_the_venue_refuses_stays_pending_for_ever(desk: Desk) -> None:
    payload = {"symbol": "ETH/USDT", "side": "buy", "order_type": "limit", "qty": 9, "price": "2000000"}
    reply = desk.command("send_order", **payload)

    failed = reply.body["detail"]["results"][0]
    assert error_of(reply)[:2] == (400, "internal_error")
    assert (failed["command_id"], failed["order_id"]) == (None, None)
    (row,) = desk.rows("orders_open")
    assert (row["status"], row["exchange_order_id"]) == ("PENDING_SUBMIT", None)
    assert error_of(desk.command("cancel_order", order_id=row["id"]))[2] == "no orders canceled"
    assert desk.command("change_order", order_id=row["id"], new_price=1, new_qty=1).status == 400


def test_an_order_whose_answer_was_lost_looks_like_a_refused_one(desk: Desk) -> None:
    desk.gateway.lose_next_venue_answer()
    reply = desk.command("send_order", symbol=SWAP, side="buy", order_type="market", qty=1)

    assert "timed out" in error_of(reply)[2]
    (row,) = desk.rows("orders_open")
    venue = desk.call("fetch_order", None, SWAP, {"clientOrderId": str(row["id"])}).body["result"]
    assert (row["exchange_order_id"], venue["status"]) == (None, "closed")


def test_the_same_ids_again_make_another_order(desk: Desk) -> None:
    payload = {"symbol": SWAP, "side": "buy", "order_type": "market", "qty": 1, "client_order_id": "a"}
    envelope = {"account_id": 1, "command": "send_order", "request_id": "r", "payload": payload}
    for _ in range(2):
        assert desk.commands(envelope).status == 200

    assert [row["exchange_order_id"] for row in desk.rows("orders_open")] == ["x1", "x2"]
    assert desk.call("fetch_positions").body["result"][0]["contracts"] == 2


def test_a_text_that_is_too_long_is_an_error_of_the_database(desk: Desk) -> None:
    reply = desk.command("send_order", symbol=SWAP, side="buy", type="MARKET", amount=1, reason="r" * 33)

    assert error_of(reply) == (
        400,
        "internal_error",
        "(1406, \"Data too long for column 'reason' at row 1\")",
    )


def test_what_was_created_is_kept_once_as_the_venue_said_it_then(desk: Desk) -> None:
    desk.resting()
    desk.command("cancel_order", order_id=101)

    (row,) = desk.rows("orders_raw")
    assert (row["raw_json"]["id"], row["raw_json"]["status"]) == ("x1", "open")


# -- cancelling and changing


def test_a_cancelled_order_says_so(desk: Desk) -> None:
    order_id = desk.resting()
    result = desk.command("cancel_order", order_id=order_id).body["results"][0]

    row = desk.order(order_id)
    assert (row["status"], row["closed_at"]) == ("CANCELED", "2026-01-01T00:00:00")
    assert (result["ok"], result["order_id"]) == (True, None)


def test_what_cannot_be_cancelled_is_passed_over_without_a_word(desk: Desk) -> None:
    filled, resting = desk.send(), desk.resting()

    assert desk.command("cancel_order", order_ids=[filled, resting]).status == 200
    assert [desk.order(each)["status"] for each in (filled, resting)] == ["SUBMITTED", "CANCELED"]
    again = desk.command("cancel_order", order_ids_csv=f"{filled},{resting}")
    assert error_of(again) == (400, "internal_error", "no orders canceled")


def test_an_unknown_id_fails_the_whole_cancellation(desk: Desk) -> None:
    order_id = desk.resting()

    reply = desk.command("cancel_order", order_ids=[order_id, 999])
    assert error_of(reply) == (404, "dispatcher_error", "order_not_found")
    assert desk.order(order_id)["status"] == "SUBMITTED"
    other = desk.command("cancel_order", HEDGE, order_id=order_id)
    assert error_of(other) == (404, "dispatcher_error", "order_not_found")


def test_cancel_all_tries_dead_orders_each_time(desk: Desk) -> None:
    assert error_of(desk.command("cancel_all_orders"))[2] == "no open orders to cancel"
    desk.send()
    kept = desk.resting(strategy_id=1)

    assert error_of(desk.command("cancel_all_orders", strategy_ids=[0]))[2] == "no orders canceled"
    assert desk.command("cancel_all_orders").status == 200
    assert desk.order(kept)["status"] == "CANCELED"
    assert error_of(desk.command("cancel_all_orders"))[2] == "no orders canceled"


def test_a_change_of_both_values_works(desk: Desk) -> None:
    order_id = desk.resting()
    assert desk.command("change_order", order_id=order_id, new_price="80", new_qty=2).status == 200

    row = desk.order(order_id)
    assert (row["price"][:2], row["qty"][:1], row["status"]) == ("80", "2", "SUBMITTED")
    assert row["edit_replace_state"] == "consolidated_to_self"
    assert row["edit_replace_at"] is not None


def test_a_change_of_the_price_alone_reaches_the_venue_only(desk: Desk) -> None:
    order_id = desk.resting()
    reply = desk.command("change_order", order_id=order_id, new_price="80")

    assert error_of(reply) == (400, "internal_error", "(1048, \"Column 'qty' cannot be null\")")
    assert desk.order(order_id)["price"] == "90.000000000000000000"
    assert desk.call("fetch_order", "x1").body["result"]["price"] == 80


def test_a_change_of_the_quantity_alone_loses_the_price(desk: Desk) -> None:
    order_id = desk.resting()
    assert desk.command("change_order", order_id=order_id, new_qty=2).status == 200

    assert desk.order(order_id)["price"] is None
    assert desk.call("fetch_order", "x1").body["result"]["price"] == 90


def test_an_order_that_is_not_open_cannot_be_changed(desk: Desk) -> None:
    order_id = desk.resting()
    desk.command("cancel_order", order_id=order_id)

    reply = desk.command("change_order", order_id=order_id, new_price=1, new_qty=1)
    assert error_of(reply)[:2] == (400, "invalid_order_state")


def test_where_the_venue_cannot_edit_an_order_gets_another_id_there() -> None:
    desk = Desk(venue_functions={"fetch_orders"})
    order_id = desk.resting(client_order_id="mine")
    assert desk.command("change_order", order_id=order_id, new_price="80", new_qty=2).status == 200

    row = desk.order(order_id)
    assert (row["exchange_order_id"], row["status"], row["closed_at"]) == ("x2", "SUBMITTED", None)
    venues = desk.call("fetch_orders").body["result"]
    assert [(each["id"], each["status"], each["clientOrderId"]) for each in venues] == [
        ("x1", "canceled", "mine"),
        ("x2", "open", "mine"),
    ]


def test_a_change_whose_new_order_fails_leaves_a_cancelled_one() -> None:
    desk = Desk(venue_functions=())
    order_id = desk.resting()
    reply = desk.command("change_order", order_id=order_id, new_price="90", new_qty=100_000)

    assert error_of(reply)[2] == "change_order_replace_create_failed"
    row = desk.order(order_id)
    assert (row["status"], row["edit_replace_state"]) == ("CANCELED", "create_failed")


# -- deals and positions


def test_deals_appear_only_when_somebody_reconciles(desk: Desk) -> None:
    desk.send()
    assert desk.rows("deals") == desk.rows("positions_open") == []
    desk.gateway.advance(60_000)

    assert desk.reconcile() == (200, {"ok": True, "account_ids": [1], "triggered_count": 1})
    desk.reconcile()
    (deal,), (raw,) = desk.rows("deals"), desk.rows("trades_raw")
    assert deal["executed_at"] == "2026-01-01T00:01:00"
    assert raw["raw_json"]["timestamp"] == desk.gateway.now_ms() - 60_000
    assert (deal["order_id"], deal["exchange_trade_id"]) == (101, "t1")
    assert (deal["reason"], deal["reconciled"], deal["pnl"]) == ("external", False, "0E-18")
    assert (deal["fee"], deal["fee_currency"]) == ("0.050500000000000000", "USDT")


@pytest.mark.parametrize("account_id", [1, 2, 3])
def test_every_trade_is_a_position_of_its_own_in_every_mode(desk: Desk, account_id: int) -> None:
    desk.send(account_id)
    desk.send(account_id, side="sell")
    desk.reconcile(account_id)

    positions = desk.rows("positions_open", account_id)
    assert [(row["side"], row["qty"][0], row["reason"]) for row in positions] == [
        ("buy", "1", "external"),
        ("sell", "1", "external"),
    ]
    assert desk.order(101, account_id)["position_id"] == 0
    assert desk.call("fetch_positions", account_id=account_id).body["result"] == []


def test_a_fill_in_two_parts_is_two_positions(desk: Desk) -> None:
    order_id = desk.resting(qty=2)
    for _ in range(2):
        desk.gateway.set_price(SWAP, bid=89, ask=90, size=1)
    desk.reconcile()

    assert {deal["order_id"] for deal in desk.rows("deals")} == {order_id}
    assert len(desk.rows("positions_open")) == len(desk.rows("deals")) == 2


@pytest.mark.parametrize(
    "side, qty, expected",
    [
        ("buy", 1, [("buy", "open", 3)]),
        ("sell", 1, [("buy", "open", 1)]),
        ("sell", 2, [("buy", "closed", 0)]),
        ("sell", 5, [("buy", "closed", 0), ("sell", "open", 3)]),
    ],
)
def test_in_hedge_mode_an_order_on_a_position_moves_it(
    desk: Desk, side: str, qty: int, expected: list[Any]
) -> None:
    desk.send(HEDGE, qty=2)
    desk.send(HEDGE, qty=9)  # the venue's one position is never turned around
    desk.reconcile(HEDGE)
    position, other = desk.rows("positions_open", HEDGE)
    desk.gateway.set_price(SWAP, bid=109, ask=110)
    desk.send(HEDGE, qty=qty, side=side, position_id=position["id"])
    desk.reconcile(HEDGE)

    positions = [row for row in desk.rows("positions_history", HEDGE) if row["id"] != other["id"]]
    assert [(row["side"], row["state"], Decimal(row["qty"])) for row in positions] == expected
    deal = desk.rows("deals", HEDGE)[-1]
    assert (deal["position_id"], Decimal(deal["qty"])) == (positions[-1]["id"], qty)
    assert positions[0]["avg_price"][:3] == ("104" if side == "buy" else "101")


def test_in_netting_mode_the_position_of_an_order_is_ignored(desk: Desk) -> None:
    desk.send()
    desk.reconcile()
    (position,) = desk.rows("positions_open")
    desk.send(side="sell", position_id=position["id"], reduce_only=True)
    desk.reconcile()

    assert [row["side"] for row in desk.rows("positions_open")] == ["buy", "sell"]


def test_a_position_that_is_not_open_on_the_symbol_takes_no_order(desk: Desk) -> None:
    reply = desk.command("send_order", symbol=SWAP, side="buy", type="market", qty=1, position_id=7)

    assert error_of(reply)[:2] == (400, "invalid_position_id")


def test_an_order_past_the_gateway_is_a_filled_market_order_of_its_first_trade(desk: Desk) -> None:
    assert desk.call("createOrder", SWAP, "limit", "buy", 2, 90).status == 200
    for _ in range(2):
        desk.gateway.set_price(SWAP, bid=89, ask=90, size=1)
    desk.reconcile()

    (row,), (position,) = desk.rows("orders_history"), desk.rows("positions_open")
    assert (row["order_type"], row["status"], row["reason"]) == ("market", "FILLED", "external")
    assert (row["command_id"], Decimal(row["filled_qty"])) == (None, 1)
    assert (row["position_id"], Decimal(position["qty"])) == (position["id"], 2)
    reply = desk.gateway.handle("reassign", {}, {}, {"order_ids": [row["id"]], "strategy_id": 1})
    assert error_of(reply)[:2] == (400, "order_already_assigned")


def test_one_reconciliation_reads_no_more_than_its_limit() -> None:
    desk = Desk(reconcile_limit=2)
    for _ in range(3):
        desk.send()
        desk.gateway.advance(1_000)
    desk.reconcile()

    assert len(desk.rows("deals")) == 2


def test_trades_before_the_window_are_missed_unless_the_cursor_is_older(desk: Desk) -> None:
    desk.send()
    desk.gateway.advance(HOUR_MS)
    desk.reconcile()
    assert desk.rows("deals") == []

    desk.reconcile(scope="long")
    desk.gateway.advance(5 * HOUR_MS)
    desk.send()
    desk.gateway.advance(5 * HOUR_MS)
    desk.reconcile()
    assert len(desk.rows("deals")) == 2


def test_a_venue_that_wants_a_symbol_is_asked_for_three() -> None:
    desk = Desk(symbol_required={"fetch_my_trades"})
    desk.send()
    desk.send(symbol=SPOT)
    assert desk.call("fetch_my_trades").status == 502

    desk.reconcile()
    assert {deal["symbol"] for deal in desk.rows("deals")} == {SPOT, SWAP}


def test_reconciling_is_always_ok(desk: Desk) -> None:
    desk.send()
    desk.gateway.venue_down = ccxt.ExchangeNotAvailable("down")
    assert desk.reconcile().body["triggered_count"] == 1
    assert desk.rows("deals") == []

    nobody = desk.gateway.handle("reconcile", {}, {}, {"account_ids": "1,2"}, ANONYMOUS)
    assert nobody == (200, {"ok": True, "account_ids": [1, 2], "triggered_count": 0})
    assert desk.gateway.handle("reconcile", {}, {}, {}).body["account_ids"] == []


def test_the_status_of_reconciling_takes_local_time_for_utc() -> None:
    desk = Desk(utc_offset_hours=1)
    ask = {"account_id": 1}
    never = desk.gateway.handle("reconcile_account_status", ask, {}, None).body
    desk.reconcile()
    row = desk.gateway.handle("reconcile_account_status", ask, {}, None).body

    assert (never["status"], row["age_seconds"], row["status"]) == ("never", -3600, "fresh")
    assert row["cursor_value"] == str(desk.gateway.now_ms() - 600_000)


@pytest.mark.parametrize(
    "payload, expected", [({"qty": 1}, (400, "invalid_position_id")), ({}, (422, "validation_error"))]
)
def test_a_position_cannot_be_closed(desk: Desk, payload: Any, expected: tuple[int, str]) -> None:
    position_id, _ = desk.open_pair()

    assert error_of(desk.command("close_position", position_id=position_id, **payload))[:2] == expected
    assert desk.rows("positions_open")[0]["state"] == "open"
    assert error_of(desk.command("close_position", position_id=9))[:2] == (404, "position_not_found")


def test_close_by_makes_two_deals_without_an_order(desk: Desk) -> None:
    first, second = desk.open_pair()
    assert desk.command("close_by", position_id_a=first, position_id_b=second).status == 200

    (left,) = desk.rows("positions_open")
    deals = desk.rows("deals")[2:]
    assert (left["id"], Decimal(left["qty"])) == (first, 1)
    assert [(deal["order_id"], deal["exchange_trade_id"], deal["pnl"]) for deal in deals] == [
        (None, None, "0E-18")
    ] * 2
    assert [(deal["side"], deal["price"][:3]) for deal in deals] == [("buy", "101"), ("sell", "100")]
    assert {(deal["reason"], deal["reconciled"]) for deal in deals} == {("close_by_internal", True)}
    again = desk.command("close_by", position_id_a=first, position_id_b=second)
    assert error_of(again)[:2] == (400, "internal_error")


def test_after_a_merge_the_history_of_positions_is_a_plain_500(desk: Desk) -> None:
    desk.send(qty=1)
    desk.gateway.set_price(SWAP, bid=103, ask=104)
    desk.send(qty=2)
    desk.reconcile()
    source, target = [row["id"] for row in desk.rows("positions_open")]
    merge = {"source_position_id": source, "target_position_id": target}
    assert desk.command("merge_positions", **merge, stop_mode="set", oms_stop_loss="50").status == 200

    (row,) = desk.rows("positions_open")
    assert (row["id"], Decimal(row["qty"]), Decimal(row["avg_price"])) == (target, 3, 103)
    assert row["stop_loss"][:2] == "50"
    moved = desk.rows("deals")[0]
    assert (moved["position_id"], moved["previous_position_id"]) == (target, source)
    page = {"account_ids": 1, **DAYS, "page_size": 1}
    history = [desk.gateway.handle("positions_history", {}, {**page, "page": n}, None) for n in (1, 2)]
    assert history[0] == (500, "Internal Server Error")
    assert (history[1].status, history[1].body["total"]) == (200, 2)


def test_what_is_kept_on_a_position_is_cleared_by_null(desk: Desk) -> None:
    position_id, _ = desk.open_pair()
    desk.command("position_change", position_id=position_id, oms_stop_loss="90", comment="c")
    desk.command("position_change", position_id=position_id, oms_stop_loss=None)

    row = desk.rows("positions_open")[0]
    assert (row["stop_loss"], row["comment"]) == (None, "c")
    assert desk.command("position_change", position_id=position_id).status == 422


# -- errors of commands


def test_some_that_fail_are_a_207_and_all_that_fail_are_the_first(desk: Desk) -> None:
    bad = {"account_id": 1, "command": "cancel_order", "payload": {"order_id": 9}}
    worse = {"account_id": 1, "command": "cancel_all_orders", "payload": {}}
    good = {
        "account_id": 1,
        "command": "send_order",
        "payload": {"symbol": SWAP, "side": "buy", "type": "market", "qty": "1"},
    }

    assert error_of(desk.commands([worse, bad]))[0] == 400
    assert error_of(desk.commands([bad, worse]))[0] == 404
    mixed = desk.commands([bad, good])
    assert (mixed.status, [each["ok"] for each in mixed.body["results"]]) == (207, [False, True])
    assert desk.commands([]) == (200, {"results": []})


@pytest.mark.parametrize(
    "payload",
    [{"cost": 1}, {"stop_loss": 1}, {"strategy_guard": 1}, {"order_type": "limit"}, {"side": "BUY"}],
)
def test_what_the_schema_does_not_know_is_told_twice(desk: Desk, payload: dict[str, Any]) -> None:
    order = {"symbol": SWAP, "side": "buy", "order_type": "market", "qty": 1, **payload}
    good = {"account_id": 1, "command": "send_order", "payload": {**order, "order_type": "market"}}
    bad = {"account_id": 1, "command": "send_order", "payload": order}
    reply = desk.commands([good, bad])

    starts = [each["loc"][:2] for each in reply.body["detail"]]
    assert reply.status == 422
    assert any(loc[1].startswith("tagged-union[") for loc in starts)
    assert any(loc[1].startswith("list[") for loc in starts)
    json.dumps(reply.body)
    assert desk.rows("orders_history") == []


@pytest.mark.parametrize("command", ["check_order", "cancel_all_after"])
def test_commands_of_the_contract_that_it_lacks_are_unknown(desk: Desk, command: str) -> None:
    assert desk.command(command).status == 422


def test_a_command_without_an_account_is_a_text_of_pydantics(desk: Desk) -> None:
    reply = desk.commands({"command": "cancel_all_orders", "payload": {}})

    assert error_of(reply)[:2] == (502, "dispatcher_error")
    assert "validation error" in reply.body["detail"]["message"]


def test_checks_before_storing_hide_their_reason_in_the_message(desk: Desk) -> None:
    body = {"account_id": 1, "command": "cancel_all_orders", "payload": {}}
    reader = desk.gateway.keys.authenticate(desk.gateway.keys.create(role="readonly")[1])
    replies = [desk.gateway.handle("commands", {}, {}, body, who) for who in (None, ANONYMOUS, reader)]

    assert [error_of(reply) for reply in replies] == [
        (502, "dispatcher_error", "invalid_api_key"),
        (502, "dispatcher_error", "missing_api_key"),
        (403, "dispatcher_error", "permission_denied"),
    ]
    unknown = desk.command("cancel_all_orders", 77)
    assert error_of(unknown) == (404, "dispatcher_error", "account_not_found")


def test_risk_and_strategies_are_checked_unless_the_order_only_reduces(desk: Desk) -> None:
    order = {"symbol": SWAP, "side": "buy", "type": "market", "qty": 1}
    strange = desk.command("send_order", **order, strategy_id=77)
    assert error_of(strange)[:2] == (422, "invalid_strategy_id")
    body = {"allow_new_positions": False, "comment": "c"}
    assert desk.gateway.handle("risk_allow_new_positions", {"account_id": 1}, {}, body).status == 200

    assert error_of(desk.command("send_order", **order))[:2] == (409, "risk_blocked")
    reducing = desk.command("send_order", **order, strategy_id=77, reduce_only=True)
    assert "reduce_only" in error_of(reducing)[2]  # the venue's words: it was sent there


def test_a_blocked_account_is_gone_and_comes_back_for_five_minutes(desk: Desk) -> None:
    def status(text: str) -> Reply:
        body = {"status": text, "comment": "c"}
        return desk.gateway.handle("risk_status", {"account_id": 1}, {}, body)

    assert desk.gateway.handle("risk_status", {"account_id": 1}, {}, {"status": "blocked"}).status == 422
    assert status("blocked").status == 200
    assert desk.command("cancel_all_orders").status == 404
    assert status("active").status == 200
    assert desk.command("cancel_all_orders").status == 400
    status("blocked")
    desk.gateway.advance(300_000)
    assert error_of(status("active")) == (400, "account_not_found", "account_id=1")


# -- lists


def test_open_lists_keep_the_oldest(desk: Desk) -> None:
    for account_id in (2, 1, 2):
        desk.resting(account_id)

    rows = desk.rows("orders_open", account_ids="1,2", limit=2)
    assert [(row["id"], row["account_id"]) for row in rows] == [(101, 2), (102, 1)]
    assert len(desk.rows("orders_open", account_ids="1,2", limit=0)) == 3


def test_history_pages_ascend_with_a_total(desk: Desk) -> None:
    for _ in range(3):
        desk.resting()

    pages = [
        desk.gateway.handle("orders_history", {}, {"account_ids": 1, **DAYS, "page": n, "page_size": 2}, None)
        for n in (1, 2, 3)
    ]
    assert [[row["id"] for row in page.body["items"]] for page in pages] == [[101, 102], [103], []]
    assert {page.body["total"] for page in pages} == {3}


def test_days_are_those_of_the_database_and_of_the_last_update() -> None:
    desk = Desk(utc_offset_hours=-1)  # its day before the first of January
    order_id = desk.resting()
    first = {"start_date": "2025-12-31", "end_date": "2025-12-31"}
    assert len(desk.rows("orders_history", **first)) == 1

    desk.gateway.advance(2 * HOUR_MS)
    desk.command("cancel_order", order_id=order_id)
    assert desk.rows("orders_history", **first) == []


def test_filters_of_the_contract_are_ignored(desk: Desk) -> None:
    desk.resting()

    filters = {"symbol": "ETH/USDT", "since_ms": 10**15, "client_order_id": "x", "sort": "id_desc"}
    assert len(desk.rows("orders_history", **filters)) == 1
    assert desk.rows("orders_open", strategy_id=1) == []
    assert len(desk.rows("orders_open", strategy_id="0")) == 1


@pytest.mark.parametrize(
    "query, shape",
    [
        ({}, list),
        ({"account_ids": ""}, dict),
        ({"account_ids": 1, "start_date": "2026-01-01"}, list),
        ({"account_ids": 1, **DAYS, "start_date": "1.1.2026"}, dict),
        ({"account_ids": 1, **DAYS, "start_date": "2101-01-01"}, dict),
        ({"account_ids": 1, **DAYS, "page": 0}, list),
        ({"account_ids": 1, **DAYS, "page_size": 501}, list),
        ({"account_ids": 1, **DAYS, "page": "x"}, list),
    ],
)
def test_parameters_that_make_no_sense_are_a_422_of_two_shapes(
    desk: Desk, query: dict[str, Any], shape: type
) -> None:
    reply = desk.gateway.handle("orders_history", {}, query, None)

    assert (reply.status, type(reply.body["detail"])) == (422, shape)


def test_one_account_that_may_not_be_read_fails_the_list(desk: Desk) -> None:
    secret = desk.gateway.keys.create([1])[1]
    who = desk.gateway.keys.authenticate(secret)
    replies = [
        desk.gateway.handle("orders_open", {}, {"account_ids": ids}, None, principal)
        for ids, principal in (("1,2", who), ("1,77", who), ("1", None))
    ]

    assert [error_of(reply) for reply in replies] == [
        (400, "permission_denied", "account_id=2"),
        (400, "account_not_found", "account_id=77"),
        (400, "dispatcher_error", "invalid_api_key"),
    ]


def test_lists_are_five_seconds_old_at_most(desk: Desk) -> None:
    def count(**query: Any) -> int:
        query = {"account_ids": 1, **query}
        return len(desk.gateway.handle("orders_open", {}, query, None).body["items"])

    assert count() == 0
    desk.command("send_order", symbol="NO/SUCH", side="buy", type="market", qty=1)
    assert (count(), count(cache="false")) == (0, 1)
    desk.gateway.advance(5_000)
    assert count() == 1
    desk.send()
    assert count() == 2  # what succeeded is seen at once


@pytest.mark.parametrize(
    "endpoint", ["orders_by_id", "deals_by_id", "positions_by_id", "ledger", "deposit", "withdraw"]
)
def test_routes_that_it_lacks_are_unknown(desk: Desk, endpoint: str) -> None:
    path = {"ids": "1", "account_id": "1"}
    assert desk.gateway.handle(endpoint, path, {}, None) == (404, {"detail": "Not Found"})


def test_accounts_say_their_mode_and_their_venue(desk: Desk) -> None:
    items = desk.gateway.handle("accounts", {}, {}, None).body["items"]

    assert [row["position_mode"] for row in items] == ["netting", "hedge", "strategy_netting"]
    assert {row["exchange_id"] for row in items} == {"ccxtpro.binance"}


def test_a_strategy_that_was_made_can_be_used(desk: Desk) -> None:
    made = desk.gateway.handle("create_strategy", {}, {}, {"name": "n", "client_strategy_id": 77}).body

    items = desk.gateway.handle("strategies", {}, {}, None).body["items"]
    assert (made, items[-1]["client_strategy_id"]) == ({"ok": True, "strategy_id": 4}, 77)
    assert desk.order(desk.send(strategy_id=4))["strategy_id"] == 4


# -- the venue's functions


@pytest.mark.parametrize("func", ["describe", "has", "market", "amount_to_precision", "setSandboxMode"])
def test_what_is_no_coroutine_cannot_be_called(desk: Desk, func: str) -> None:
    message = "object dict can't be used in 'await' expression"
    assert error_of(desk.call(func)) == (502, "dispatcher_error", message)


@pytest.mark.parametrize("func", ["fetch_orders", "fetchPositions", "frobnicate", "private_get_x"])
def test_functions_that_the_venue_lacks_are_unsupported(func: str) -> None:
    desk = Desk(venue_functions=())

    assert error_of(desk.call(func)) == (502, "dispatcher_error", f"unsupported ccxt method: {func}")
    assert desk.call("fetchBalance").status == 200


def test_of_an_exception_only_its_text_remains(desk: Desk) -> None:
    desk.gateway.venue_down = ccxt.OnMaintenance("binance closed today")

    assert error_of(desk.call("fetch_balance")) == (502, "dispatcher_error", "binance closed today")
    failed = desk.command("send_order", symbol=SWAP, side="buy", type="market", qty=1)
    assert error_of(failed) == (400, "internal_error", "binance closed today")


def test_the_venue_knows_no_ids_of_the_gateway(desk: Desk) -> None:
    order_id = desk.resting()

    for strange in (order_id, str(order_id), "1"):
        assert error_of(desk.call("fetch_order", strange))[2] == "binance Order does not exist."
        assert desk.call("cancelOrder", strange).status == 502


def test_nothing_of_the_inside_of_the_venue_is_seen(desk: Desk) -> None:
    order_id = desk.send()
    answers = [desk.call("fetch_order", "x1"), desk.call("fetch_my_trades"), desk.call("fetch_positions")]

    order, trades, positions = (answer.body["result"] for answer in answers)
    assert order["info"] == {"orderId": "x1", "clientOrderId": str(order_id)}
    assert order["trades"] == trades
    assert [(trade["id"], trade["order"]) for trade in trades] == [("t1", "x1")]
    assert [(position["id"], position["info"]) for position in positions] == [("p1", {})]
    json.dumps([answer.body for answer in answers])


def test_a_venue_may_tell_of_an_order_without_its_trades() -> None:
    desk = Desk(trades_in_order=False)
    desk.send()

    order = desk.call("fetch_order", "x1").body["result"]
    assert (order["filled"], order["trades"], order["fee"]) == (1.0, [], None)


def test_a_batch_of_calls_is_always_a_200(desk: Desk) -> None:
    calls = [{"account_id": 1, "func": "fetchTicker", "args": [SPOT]}, {"account_id": 9, "func": "fetchTime"}]
    reply = desk.gateway.handle("ccxt_commands", {}, {}, calls)

    assert (reply.status, [each["ok"] for each in reply.body["results"]]) == (200, [True, False])
    assert reply.body["results"][1]["error"]["message"] == "account_not_found"
    assert desk.gateway.handle("ccxt_commands", {}, {}, [{"func": "x"}]).status == 422


def test_core_takes_arguments_by_name_and_creates_no_order(desk: Desk) -> None:
    def core(func: str, **body: Any) -> Reply:
        return desk.gateway.handle("ccxt_core", {"account_id": 1, "func": func}, {}, body)

    assert core("fetch_ticker", symbol=SPOT).body["result"]["bid"] == 100
    assert core("fetch_time").status == 422
    assert error_of(core("create_order"))[:2] == (400, "dispatcher_unavailable")


def test_a_key_that_may_only_read_can_still_trade_in_camel_case(desk: Desk) -> None:
    reader = desk.gateway.keys.authenticate(desk.gateway.keys.create(role="readonly")[1])
    body = {"args": [SWAP, "market", "buy", 1]}
    statuses = [
        desk.gateway.handle("ccxt_call", {"account_id": 1, "func": func}, {}, body, reader).status
        for func in ("create_order", "createOrder")
    ]

    assert statuses == [403, 200]


# -- outages


def test_an_answer_may_be_lost_after_the_command_was_carried_out(desk: Desk) -> None:
    desk.gateway.lose_next_answer = "dispatcher_timeout"
    reply = desk.command("send_order", symbol=SWAP, side="buy", type="market", qty=1)

    assert reply == (400, {"detail": {"code": "dispatcher_timeout"}})
    assert len(desk.rows("orders_open")) == 1
    desk.send()


def test_with_the_dispatcher_down_only_the_front_answers(desk: Desk) -> None:
    desk.gateway.dispatcher_down = True

    assert desk.command("cancel_all_orders") == (400, {"detail": {"code": "dispatcher_unavailable"}})
    assert desk.reconcile().body["triggered_count"] == 0
    assert desk.gateway.handle("health", {}, {}, None).status == 200


# -- where it stands


def test_it_remembers_what_it_was_asked(desk: Desk) -> None:
    desk.reconcile()

    assert desk.gateway.requests == [("reconcile", {"account_id": 1})]


def test_its_venue_is_an_oms_of_netting_accounts(desk: Desk) -> None:
    items = desk.gateway.venue.handle("accounts", {}, {}, None).body["items"]

    assert isinstance(desk.gateway.venue, EmbeddedOms)
    assert {row["position_mode"] for row in items} == {"netting"}


@pytest.mark.sockets
def test_it_can_be_served() -> None:
    desk = Desk()
    desk.resting()
    with serve(desk.gateway) as served:  # type: ignore[arg-type]
        headers = {"x-api-key": served.api_key}
        listed = requests.get(
            f"{served.base_url}/oms/orders/open?account_ids=1&sort=x", headers=headers, timeout=5
        )
        missing = requests.get(f"{served.base_url}/oms/orders/101", headers=headers, timeout=5)

    assert [row["exchange_order_id"] for row in listed.json()["items"]] == ["x1"]
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})
    assert desk.gateway.closed
