"""The door: endpoints, errors, parameters, lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.contract.endpoints import BY_NAME
from ccxt_driver.contract.features import Feature
from ccxt_driver.contract.rows import (
    AccountRow,
    DealRow,
    Health,
    LedgerRow,
    OrderRow,
    Page,
    PositionRow,
    StrategyRow,
)
from ccxt_driver.oms import HANDLERS, EmbeddedOms
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
DAY = 86_400_000


def command_of(name: str, **payload: Any) -> dict[str, Any]:
    return {"account_id": 1, "command": name, "payload": payload}


def test_there_is_a_handler_for_every_endpoint_and_no_other() -> None:
    assert set(HANDLERS) == set(BY_NAME)


def test_health_announces_every_feature(desk: Any) -> None:
    health = Health.model_validate(desk.get("health"))
    assert set(health.features) == {feature.value for feature in Feature}
    assert health.time_ms == desk.oms.now_ms()


def test_rows_are_what_the_contract_says(desk: Any) -> None:
    desk.send("buy", "1", oms_stop_loss="90")
    desk.send("buy", "1", "90", time_in_force="GTD", expire_at="2027-01-01T00:00:00.000Z")
    desk.send("sell", "1", symbol=SWAP)
    for endpoint, model in (
        ("orders_open", OrderRow),
        ("orders_history", OrderRow),
        ("deals", DealRow),
        ("positions_open", PositionRow),
        ("positions_history", PositionRow),
        ("ledger", LedgerRow),
    ):
        query = {"account_ids": "1"} | ({"since_ms": "0"} if "since_ms" in BY_NAME[endpoint].query else {})
        page = Page.model_validate(desk.get(endpoint, **query))
        assert page.items
        for item in page.items:
            row = model.model_validate(item)
            assert set(item) == set(model.model_fields)
            assert json.loads(json.dumps(item)) == item
            assert row.model_dump(mode="json") == item
    for endpoint, model in (("accounts", AccountRow), ("strategies", StrategyRow)):
        for item in desk.get(endpoint)["items"]:
            assert set(item) == set(model.model_fields)  # type: ignore[attr-defined]
            model.model_validate(item)  # type: ignore[attr-defined]


def test_an_answer_belongs_to_the_caller(desk: Any) -> None:
    result = desk.run("send_order", **desk.order("buy", "1"))
    order = dict(result["order"])
    for rows in ([result["order"]], result["deals"], result["positions"]):
        for row in rows:
            row.clear()
    assert desk.order_row(order["id"]) == order
    assert all(event.payload for event in desk.events)
    desk.get("orders_history", account_ids=1, since_ms=0)["items"][0].clear()
    assert desk.order_row(order["id"]) == order


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    "body,loc",
    [
        ({"account_id": 1, "command": "fly", "payload": {}}, ["command"]),
        ({"account_id": "1", "command": "cancel_order", "payload": {"order_id": 1}}, ["account_id"]),
        ({"account_id": 1, "command": "cancel_order", "payload": {"order_id": 0}}, ["payload", "order_id"]),
        ({"account_id": 1, "command": "cancel_order", "payload": {}}, ["payload"]),
        (
            {
                "account_id": 1,
                "command": "send_order",
                "payload": {"symbol": SPOT, "side": "buy", "order_type": "market", "qty": "1", "qyt": "1"},
            },
            ["payload", "qyt"],
        ),
        (
            {
                "account_id": 1,
                "command": "send_order",
                "payload": {"symbol": SPOT, "side": "buy", "order_type": "market", "qty": "-1"},
            },
            ["payload", "qty"],
        ),
        (
            {
                "account_id": 1,
                "command": "send_order",
                "payload": {"symbol": SPOT, "side": "buy", "order_type": "market", "qty": "NaN"},
            },
            ["payload", "qty"],
        ),
        (None, []),
        ("text", []),
    ],
)
def test_a_command_off_the_schema_names_the_field(desk: Any, body: Any, loc: list[str]) -> None:
    reply = desk.oms.handle("commands", {}, {}, body)
    assert reply.status == 422
    detail = reply.body["detail"]
    assert detail["code"] == "validation_error"
    assert detail["details"]["errors"][0]["loc"][: len(loc)] == loc or (
        loc == ["command"] and "command" in json.dumps(detail["details"])
    )
    assert ".".join(loc) in detail["message"] or not loc


@pytest.mark.parametrize(
    "endpoint,query,named",
    [
        ("orders_open", {}, "account_ids"),
        ("orders_open", {"account_ids": "1,x"}, "account_ids"),
        ("orders_open", {"account_ids": "1", "limit": "0"}, "limit"),
        ("orders_open", {"account_ids": "1", "limit": 5001}, "limit"),
        ("orders_open", {"account_ids": "1", "pages": "1"}, "pages"),
        ("orders_open", {"account_ids": "1", "sort": "up"}, "sort"),
        ("orders_open", {"account_ids": "1", "status": "OPEN"}, "status"),
        ("orders_open", {"account_ids": "1", "cache": "maybe"}, "cache"),
        ("orders_open", {"account_ids": "1", "strategy_id": True}, "strategy_id"),
        ("orders_open", {"account_ids": "1", "strategy_id": "2", "magic_id": "1"}, "magic_id"),
        ("orders_history", {"account_ids": "1"}, "start_date"),
        ("orders_history", {"account_ids": "1", "start_date": "2026-01-01"}, "end_date"),
        (
            "orders_history",
            {"account_ids": "1", "start_date": "01.01.2026", "end_date": "2026-01-01"},
            "start_date",
        ),
        (
            "orders_history",
            {"account_ids": "1", "start_date": "2026-01-02", "end_date": "2026-01-01"},
            "end_date",
        ),
        ("deals", {"account_ids": "1", "since_ms": "soon"}, "since_ms"),
        ("deals", {"account_ids": "1", "since_ms": 0, "page_size": 501}, "page_size"),
        ("deals", {"account_ids": "1", "since_ms": 0, "status": "FILLED"}, "status"),
        ("ledger", {"account_ids": "1", "kind": "gift"}, "kind"),
        ("commands", {"parallel": "perhaps"}, "parallel"),
        ("commands", {"request_timeout_seconds": "-1"}, "request_timeout_seconds"),
        ("accounts", {"x": "1"}, "x"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(
    desk: Any, endpoint: str, query: dict[str, Any], named: str
) -> None:
    reply = desk.oms.handle(endpoint, {}, query, [])
    assert reply.status == 422
    assert reply.body["detail"]["code"] == "validation_error"
    assert reply.body["detail"]["message"].startswith(f"{named}: ")


def test_an_unknown_account_is_not_found_everywhere(desk: Any) -> None:
    for endpoint, path, query, body in (
        ("orders_open", {}, {"account_ids": "1,99"}, None),
        ("deals", {}, {"account_ids": "99", "since_ms": 0}, None),
        ("orders_by_id", {"ids": "1"}, {"account_ids": "99"}, None),
        ("ledger", {}, {"account_ids": "99"}, None),
        ("deposit", {"account_id": "99"}, {}, {"currency": "USDT", "amount": "1"}),
        ("withdraw", {"account_id": "99"}, {}, {"currency": "USDT", "amount": "1"}),
        ("risk_strategies", {"account_id": "99"}, {}, None),
        ("risk_status", {"account_id": "99"}, {}, {"status": "blocked", "comment": "x"}),
        ("reconcile", {}, {}, {"account_id": 99}),
        ("reconcile_account_status", {"account_id": "99"}, {}, None),
        ("ccxt_call", {"account_id": "99", "func": "fetch_balance"}, {}, {}),
        ("ccxt_core", {"account_id": "99", "func": "fetch_balance"}, {}, {}),
    ):
        reply = desk.oms.handle(endpoint, path, query, body)
        assert (reply.status, reply.body["detail"]["code"]) == (404, "account_not_found"), endpoint


# ------------------------------------------------------------------ lists


def test_old_names_are_understood(desk: Any) -> None:
    desk.send("buy", "1", "90", magic_id=2)
    assert len(desk.open_orders(magic_id="2")) == 1
    assert desk.open_orders(magic_id=1) == []


def test_filters_of_open_lists(desk: Any) -> None:
    first = desk.send("buy", "1", "90", strategy_id=1, client_order_id="a")
    desk.oms.advance(1000)
    second = desk.send("buy", "1", "91", symbol=SWAP)
    now = desk.oms.now_ms()
    for query, ids in (
        ({}, [1, 2]),
        ({"sort": "desc"}, [2, 1]),
        ({"sort": "desc", "limit": 1}, [2]),
        ({"symbol": SWAP}, [2]),
        ({"strategy_id": 0}, [2]),
        ({"since_ms": now}, [2]),
        ({"until_ms": now - 1}, [1]),
        ({"client_order_id": "a"}, [1]),
        ({"order_id": 2}, [2]),
        ({"status": "PARTIALLY_FILLED"}, []),
        ({"status": "PARTIALLY_FILLED,SUBMITTED"}, [1, 2]),
    ):
        assert [row["id"] for row in desk.open_orders(**query)] == ids, query
    assert (first["id"], second["id"]) == (1, 2)
    desk.price(SPOT, "80", "81")
    position = desk.order_row(1)["position_id"]
    assert [row["id"] for row in desk.positions(order_id=1)] == [position]
    assert [row["id"] for row in desk.positions(client_order_id="a")] == [position]
    assert desk.positions(order_id=2) == []
    assert [row["id"] for row in desk.positions(position_id=position, status="open")] == [position]
    assert desk.positions(status="close_requested") == []


def test_history_pages_dates_and_filters(desk: Any) -> None:
    for number in range(5):
        desk.send("buy", "1", strategy_id=number % 2, client_order_id=f"c{number}")
        desk.oms.advance(DAY)
    page = desk.get(
        "orders_history", account_ids=1, start_date="2026-01-02", end_date="2026-01-04", page_size=2, page=2
    )
    assert ([row["id"] for row in page["items"]], page["total"], page["page"], page["page_size"]) == (
        [4],
        3,
        2,
        2,
    )
    for query, ids in (
        ({"since_ms": 0, "sort": "desc", "page_size": 2}, [5, 4]),
        ({"since_ms": 0, "strategy_id": 1}, [2, 4]),
        ({"since_ms": 0, "client_order_id": "c2"}, [3]),
        ({"since_ms": 0, "order_id": "4"}, [4]),
        ({"since_ms": 0, "status": "CANCELED"}, []),
        ({"since_ms": desk.oms.now_ms() - DAY}, [5]),
    ):
        assert [row["id"] for row in desk.get("orders_history", account_ids=1, **query)["items"]] == ids, (
            query
        )
    assert [row["order_id"] for row in desk.deals(order_id=3)] == [3]
    assert [row["order_id"] for row in desk.deals(client_order_id="c1")] == [2]
    assert len(desk.deals(position_id=1)) == 5
    assert desk.get("positions_history", account_ids="1,2", since_ms=0)["total"] == 1


def test_by_id_answers_what_exists_in_the_order_asked(desk: Any) -> None:
    for _ in range(3):
        desk.send("buy", "1", strategy_id=1)
    assert [row["id"] for row in desk.get("orders_by_id", {"ids": "3,99,1"})["items"]] == [3, 1]
    assert [row["id"] for row in desk.get("deals_by_id", {"ids": "2"}, strategy_id=1)["items"]] == [2]
    assert desk.get("deals_by_id", {"ids": "2"}, strategy_id=2)["items"] == []
    assert desk.get("orders_by_id", {"ids": "1"}, account_ids=2)["items"] == []
    assert desk.oms.handle("orders_by_id", {"ids": "1,x"}, {}, None).status == 422


# ------------------------------------------------------------------ funds, ledger, strategies, reconcile


def test_paper_funds_and_the_ledger(desk: Any) -> None:
    answer = desk.call("deposit", {"currency": "USDT", "amount": "10.5"}, account_id=1)
    assert answer["balance"] == {
        "account_id": 1,
        "currency": "USDT",
        "free": "100010.5",
        "used": "0",
        "total": "100010.5",
    }
    desk.send("buy", "1", "90")
    reply = desk.oms.handle("withdraw", {"account_id": "1"}, {}, {"currency": "USDT", "amount": "100000"})
    assert reply.body["detail"]["code"] == "insufficient_funds"
    desk.call("withdraw", {"currency": "USDT", "amount": "99000"}, account_id=1)
    for body, field in (
        ({"currency": "NOPE", "amount": "1"}, "currency"),
        ({"currency": "USDT", "amount": "0.000000000001"}, "amount"),
        ({"currency": "USDT", "amount": "1e29"}, "amount"),
        ({"currency": "USDT", "amount": "0"}, "amount"),
        ({"currency": "USDT"}, "amount"),
    ):
        reply = desk.oms.handle("deposit", {"account_id": "1"}, {}, body)
        assert (reply.status, reply.body["detail"]["message"].split(":")[0]) == (422, field)
    desk.run("cancel_all_orders")
    desk.send("buy", "1")
    rows = desk.get("ledger", account_ids=1, currency="USDT")["items"]
    assert [(row["kind"], row["amount"], row["reference_id"]) for row in rows] == [
        ("deposit", "100000", None),
        ("deposit", "10.5", None),
        ("withdraw", "-99000", None),
        ("deal", "-101", 1),
        ("fee", "-0.101", 1),
    ]
    assert rows[-1]["balance_after"] == "909.399"
    assert [row["kind"] for row in desk.get("ledger", account_ids=1, kind="fee")["items"]] == ["fee"]


def test_strategies_are_made_and_used(desk: Any) -> None:
    made = desk.call("create_strategy", {"name": "grid", "client_strategy_id": 77, "account_ids": [1]})
    assert (made["ok"], made["strategy_id"], made["client_strategy_id"]) == (True, 4, "77")
    assert desk.get("strategies")["items"][-1]["name"] == "grid"
    desk.send("buy", "1", strategy_id=4)
    desk.refuse("invalid_strategy_id", "send_order", account=2, **desk.order("buy", "1", strategy_id=4))
    reply = desk.oms.handle("create_strategy", {}, {}, {"name": "other", "client_strategy_id": "77"})
    assert reply.status == 409


def test_a_strategy_without_a_name_of_the_client(desk: Any) -> None:
    made = desk.call("create_strategy", {"name": "grid", "client_strategy_id": None})
    assert (made["name"], made["client_strategy_id"]) == ("grid", None)
    reply = desk.oms.handle("create_strategy", {}, {}, {"name": "grid", "client_strategy_id": "x" * 101})
    assert (reply.status, reply.body["detail"]["details"]["errors"][0]["loc"]) == (
        422,
        ["client_strategy_id"],
    )


@pytest.mark.parametrize("value", [1, 0, "true", "no", None])
def test_true_and_false_are_nothing_else(desk: Any, value: Any) -> None:
    for name in ("reduce_only", "post_only"):
        error = desk.refuse("validation_error", "send_order", **desk.order("buy", "1", "90", **{name: value}))
        assert error["details"]["errors"][0]["loc"] == ["payload", name]


@pytest.mark.parametrize(
    "endpoint,body",
    [
        ("create_strategy", {"name": "a", "account_ids": ["x"] * 5001}),
        ("reconcile", {"account_ids": ["x"] * 5001}),
        ("reconcile", {"symbols_hint": [1] * 5001}),
        ("commands", [{}] * 1001),
        ("commands", command_of("cancel_order", order_ids=["x"] * 5001)),
        ("commands", command_of("cancel_order", order_ids_csv=",".join(["1"] * 5001))),
        ("commands", command_of("cancel_all_orders", strategy_ids=["x"] * 5001)),
        ("commands", command_of("cancel_all_orders", strategy_ids_csv="1," * 5001)),
        ("commands", command_of("cancel_all_orders", **{f"field{number}": 1 for number in range(5001)})),
    ],
)
def test_a_flood_of_wrong_values_is_not_answered_one_by_one(desk: Any, endpoint: str, body: Any) -> None:
    """Millions of them fit into a body; a list of them all would stop everybody for half a minute."""
    reply = desk.oms.handle(endpoint, {}, {}, body)
    assert (reply.status, reply.body["detail"]["code"]) == (422, "validation_error")
    assert len(str(reply.body)) < 1000


def test_reconcile_finds_nothing_because_there_is_nothing(desk: Any) -> None:
    assert desk.get("reconcile_account_status", {"account_id": "1"})["status"] == "never"
    assert desk.call("reconcile", {"account_ids": [1, 2], "scope": "short"}) == {
        "ok": True,
        "account_ids": [1, 2],
        "triggered_count": 2,
    }
    desk.oms.advance(200_000)
    desk.call("reconcile", {"account_id": 2})
    status = desk.get("reconcile_status", stale_after_seconds=100)["items"]
    assert [(row["account_id"], row["status"], row["age_seconds"]) for row in status] == [
        (1, "stale", 200),
        (2, "fresh", 0),
        (3, "never", None),
    ]
    assert [
        row["account_id"]
        for row in desk.get("reconcile_status", status="fresh", stale_after_seconds=100)["items"]
    ] == [2]
    assert desk.call("cache_clear")["ok"] is True


# ------------------------------------------------------------------ risk


def test_an_account_that_may_not_open_may_still_close(desk: Any) -> None:
    desk.send("buy", "2")
    body = {"allow_new_positions": False, "comment": "calm down"}
    desk.call("risk_allow_new_positions", body, account_id=1)
    assert desk.get("accounts")["items"][0]["allow_new_positions"] is False
    error = desk.refuse("risk_blocked", "send_order", **desk.order("buy", "1"))
    assert error["details"]["reason"] == "account_new_positions_blocked"
    desk.refuse("risk_blocked", "send_order", **desk.order("sell", "3"))
    desk.send("sell", "1")
    desk.run("close_position", position_id=1)
    desk.call("risk_allow_new_positions", body | {"allow_new_positions": True}, account_id=1)
    desk.send("buy", "1")
    assert (
        desk.oms.handle(
            "risk_allow_new_positions", {"account_id": "1"}, {}, {"allow_new_positions": True}
        ).status
        == 422
    )


def test_a_strategy_that_may_not_open(desk: Any) -> None:
    body = {"strategy_id": 2, "allow_new_positions": False, "comment": "stop it"}
    desk.call("risk_strategy_allow_new_positions", body, account_id=1)
    error = desk.refuse("risk_blocked", "send_order", **desk.order("buy", "1", strategy_id=2))
    assert error["details"]["strategy_id"] == 2
    desk.send("buy", "1", strategy_id=1)
    desk.send("buy", "1", account=2, strategy_id=2)
    rows = desk.get("risk_strategies", {"account_id": "1"})["items"]
    assert [(row["strategy_id"], row["allow_new_positions"]) for row in rows] == [
        (1, True),
        (2, False),
        (3, True),
    ]


def test_a_blocked_account_may_only_cancel(desk: Any) -> None:
    desk.send("buy", "1")
    order = desk.send("buy", "1", "90")
    desk.call("risk_status", {"status": "blocked", "comment": "enough"}, account_id=1)
    desk.refuse("account_blocked", "send_order", **desk.order("sell", "1"))
    desk.refuse("account_blocked", "close_position", position_id=1)
    desk.refuse("account_blocked", "change_order", order_id=order["id"], new_qty="2")
    desk.run("cancel_order", order_id=order["id"])
    desk.call("risk_status", {"status": "active", "comment": "again"}, account_id=1)
    desk.send("sell", "1")


# ------------------------------------------------------------------ reassign


def test_reassign_moves_orders_with_their_deals_and_positions(desk: Any) -> None:
    for account in (2, 3):
        order = desk.send("buy", "1", symbol=SWAP, account=account)
        answer = desk.call("reassign", {"order_ids": [order["id"]], "strategy_id": 2})
        assert answer["order_ids"] == [order["id"]]
        assert answer["position_ids"] == [order["position_id"]]
        assert desk.order_row(order["id"])["strategy_id"] == 2
        assert desk.position_row(order["position_id"])["strategy_id"] == 2
        assert [deal["strategy_id"] for deal in desk.deals(account)] == [2]


@pytest.mark.parametrize("kept", [False, True])
def test_reassign_says_why_it_cannot(make_desk: Callable[..., Any], tmp_path: Path, kept: bool) -> None:
    desk = make_desk(db=tmp_path / "oms.sqlite" if kept else None)
    first = desk.send("buy", "1", symbol=SWAP, account=3, strategy_id=1)
    second = desk.send("buy", "1", symbol=SWAP, account=3, strategy_id=1)
    other = desk.send("buy", "1", symbol=SWAP, account=3, strategy_id=2)
    answer = desk.call("reassign", {"order_ids": [first["id"]], "strategy_id": 3})
    assert answer["ok"] is False
    assert answer["refused"] == [{"order_id": 1, "reason": "position 1 has deals of other orders: 2"}]
    answer = desk.call("reassign", {"order_ids": [first["id"], second["id"]], "strategy_id": 2})
    assert "already has position" in answer["refused"][0]["reason"]
    answer = desk.call(
        "reassign", {"order_ids": [first["id"], second["id"]], "position_id": other["position_id"]}
    )
    assert answer["order_ids"] == [1, 2]
    assert [(row["strategy_id"], row["qty"]) for row in desk.positions(3)] == [(2, "3")]
    answer = desk.call("reassign", {"order_ids": [99, first["id"]], "strategy_id": 2})
    assert (answer["ok"], answer["order_ids"]) == (True, [first["id"]])
    assert answer["refused"] == [{"order_id": 99, "reason": "order 99 does not exist"}]
    assert desk.oms.handle("reassign", {}, {}, {"order_ids": [99], "strategy_id": 1}).status == 404


def test_reassign_moves_orders_of_a_market_that_is_not_listed_any_more(tmp_path: Path) -> None:
    options: dict[str, Any] = {"clock": "manual", "db": tmp_path / "oms.sqlite"}
    order = {"symbol": SWAP, "order_type": "market", "qty": "0.01"}
    with EmbeddedOms(**options) as oms:
        for side in ("buy", "sell"):
            oms.handle("commands", {}, {}, command_of("send_order", side=side, **order))
    listed = [market for market in DEFAULT_MARKETS if market.symbol == SPOT]
    with EmbeddedOms(**options, markets=listed) as oms:
        reply = oms.handle("reassign", {}, {}, {"order_ids": [1, 2], "strategy_id": 2})
        assert (reply.status, reply.body["order_ids"], reply.body["refused"]) == (200, [1, 2], [])
        rows = oms.handle("deals", {}, {"account_ids": 1, "since_ms": 0}, None).body["items"]
        assert [row["strategy_id"] for row in rows] == [2, 2]


def test_an_open_order_that_is_reassigned_into_a_hedged_position_trades_there(desk: Any) -> None:
    held = desk.send("buy", 2, symbol=SWAP, account=2)["position_id"]
    more = desk.send("buy", 1, "95", symbol=SWAP, account=2)
    less = desk.send("sell", "1.5", "110", symbol=SWAP, account=2)
    closing = desk.run("close_position", 2, position_id=held, qty="0.5", order_type="limit", price="130")
    answer = desk.call("reassign", {"order_ids": [more["id"], less["id"]], "position_id": held})
    assert answer["refused"] == []
    assert [desk.order_row(each["id"])["position_id"] for each in (more, less)] == [held, held]
    assert desk.oms._core.state.orders[less["id"]].reserved == 0
    desk.price(SWAP, "94", "95")
    desk.price(SWAP, "94", "94.5")
    desk.price(SWAP, "111", "112")
    assert [(row["id"], row["side"], row["qty"]) for row in desk.positions(2)] == [(held, "buy", "1.5")]
    assert desk.order_row(closing["order"]["id"])["status"] == "SUBMITTED"


def test_an_order_that_is_for_another_position_is_not_reassigned_into_one(desk: Any) -> None:
    """It would open there, with money that it does not hold."""
    first, second = (desk.send(side, 1, symbol=SWAP, account=2)["position_id"] for side in ("buy", "sell"))
    order = desk.send("sell", 1, "110", symbol=SWAP, account=2, position_id=first)
    answer = desk.call("reassign", {"order_ids": [order["id"]], "position_id": second})
    assert answer["refused"] == [{"order_id": order["id"], "reason": "order 3 is for position 1"}]
    answer = desk.call("reassign", {"order_ids": [order["id"]], "position_id": first})
    assert answer["order_ids"] == [order["id"]]
    assert desk.order_row(order["id"])["position_id"] == first


def test_an_order_that_only_reduces_is_not_bound_to_a_position_of_its_own_side(desk: Any) -> None:
    desk.send("sell", 1, symbol=SWAP, account=2)
    held = desk.send("buy", 1, symbol=SWAP, account=2)["position_id"]
    order = desk.send("buy", 1, "90", symbol=SWAP, account=2, reduce_only=True)
    desk.call("reassign", {"order_ids": [order["id"]], "position_id": held})
    row = desk.order_row(order["id"])
    assert (row["status"], row["position_id"]) == ("SUBMITTED", 0)


def test_reassign_into_a_position_of_another_strategy_is_refused(desk: Any) -> None:
    first, second = (desk.send("buy", 1, symbol=SWAP, account=2, strategy_id=each) for each in (1, 2))
    body = {"order_ids": [first["id"]], "position_id": second["position_id"]}
    reply = desk.oms.handle("reassign", {}, {}, body | {"strategy_id": 3})
    assert (reply.status, reply.body["detail"]["code"]) == (422, "invalid_strategy_id")
    assert reply.body["detail"]["message"] == "strategy_id: position 2 is of strategy 2, got 3"
    assert [row["qty"] for row in desk.positions(2)] == ["1", "1"]
    assert desk.call("reassign", body | {"strategy_id": 0})["order_ids"] == [
        first["id"]
    ]  # it follows from it
    assert [(row["strategy_id"], row["qty"]) for row in desk.positions(2)] == [(2, "2")]


def test_reassign_into_a_position_of_another_symbol_is_refused(desk: Any) -> None:
    order = desk.send("buy", "1", "50")["id"]  # which has no deals that would say so
    position = desk.send("buy", "1", symbol="ETH/USDT")["position_id"]
    before = desk.order_row(order)

    answer = desk.call("reassign", {"order_ids": [order], "strategy_id": 0, "position_id": position})

    [refused] = answer["refused"]
    assert refused["order_id"] == order
    assert refused["reason"] == f"position {position} is of ETH/USDT, the order of BTC/USDT"
    assert desk.order_row(order) == before


def test_reassign_moves_the_deals_by_which_a_position_was_closed(desk: Any) -> None:
    first, second = (desk.send(side, 1, symbol=SWAP, account=2, strategy_id=1) for side in ("buy", "sell"))
    desk.run("close_by", 2, position_id_a=first["position_id"], position_id_b=second["position_id"])
    answer = desk.call("reassign", {"order_ids": [first["id"]], "strategy_id": 2})
    assert len(answer["deal_ids"]) == 2
    of_first = desk.deals(2, position_id=first["position_id"])
    assert [(deal["reason"], deal["strategy_id"]) for deal in of_first] == [("api", 2), ("close_by", 2)]
    assert {deal["strategy_id"] for deal in desk.deals(2, position_id=second["position_id"])} == {1}


# ------------------------------------------------------------------ events


def test_events_carry_rows_and_ids_in_order(desk: Any) -> None:
    order = desk.send("buy", "1")
    assert [event.name for event in desk.events] == [
        "order_submitted",
        "deal_created",
        "order_updated",
        "position_updated",
        "balance_updated",
        "balance_updated",
    ]
    by_name = {event.name: event.payload for event in desk.events}
    assert by_name["order_updated"] == order
    assert by_name["deal_created"] == desk.deals()[0]
    assert by_name["position_updated"] == desk.positions()[0]
    assert by_name["order_submitted"]["order_id"] == order["id"]
    seqs = [event.seq for event in desk.events]
    assert seqs == list(range(seqs[0], seqs[0] + 6))
    assert [event.strategy_id for event in desk.events] == [0, 0, 0, 0, None, None]
    assert desk.oms.events(1, seqs[0], 2) == desk.events[1:3]
    assert desk.oms.last_seq(1) == seqs[-1]


def test_every_command_has_its_event(desk: Any) -> None:
    resting = desk.send("buy", "1", "90")
    desk.send("buy", "1", symbol=SWAP, account=2)
    desk.send("sell", "1", symbol=SWAP, account=2)
    desk.send("buy", "1", symbol=SWAP, account=2)
    for name, account, payload, event in (
        ("change_order", 1, {"order_id": resting["id"], "new_price": "91"}, "order_changed"),
        ("cancel_order", 1, {"order_id": resting["id"]}, "order_canceled"),
        ("position_change", 2, {"position_id": 1, "comment": "x"}, "position_changed"),
        ("merge_positions", 2, {"source_position_id": 1, "target_position_id": 3}, "positions_merged"),
        ("close_by", 2, {"position_id_a": 3, "position_id_b": 2}, "close_by_executed"),
    ):
        desk.events.clear()
        result = desk.run(name, account, **payload)
        found = [known for known in desk.events if known.name == event]
        assert len(found) == 1
        assert found[0].payload["account_id"] == account
        if name != "cancel_order":
            assert found[0].payload["command_id"] == result["command_id"]
    desk.send("buy", "1", "90", strategy_id=1)
    desk.send("buy", "1", "90", strategy_id=2)
    desk.events.clear()
    desk.run("cancel_all_orders")
    batches = [event for event in desk.events if event.name == "orders_canceled_batch"]
    assert [(event.strategy_id, len(event.payload["canceled_order_ids"])) for event in batches] == [
        (1, 1),
        (2, 1),
    ]


def test_the_ledger_takes_the_filters_of_all_lists(desk: Any) -> None:
    desk.send("buy", 1, symbol=SWAP, strategy_id=1, client_order_id="mine")
    desk.send("buy", 1, strategy_id=2)
    rows = desk.get("ledger", account_ids=1)["items"]
    day = rows[0]["created_at"][:10]
    [fee] = [row["id"] for row in rows if row["currency"] == "USDT" and row["kind"] == "fee"][:1]
    for query in ({"symbol": SWAP}, {"strategy_id": 1}, {"client_order_id": "mine"}, {"order_id": "1"}):
        dated = query | {"start_date": day, "end_date": day, "sort": "asc"}
        assert [row["id"] for row in desk.get("ledger", account_ids=1, **dated)["items"]] == [fee], query
    assert desk.get("ledger", account_ids=1, start_date="2030-01-01", end_date="2030-01-02")["items"] == []
    query = {"account_ids": 1, "start_date": "2030-01-02", "end_date": "2030-01-01"}
    assert desk.oms.handle("ledger", {}, query, None).status == 422


@pytest.mark.parametrize("endpoint", ["deals", "ledger"])
def test_a_status_is_asked_of_rows_that_have_one(desk: Any, endpoint: str) -> None:
    query = {"account_ids": 1, "since_ms": 0, "status": "FILLED"}
    reply = desk.oms.handle(endpoint, {}, query, None)
    assert reply.status == 422
    assert reply.body["detail"]["message"].startswith(
        "status: unknown parameter; expected one of account_ids, "
    )
