"""What a key may know and do, on every endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from ccxt_driver.oms import ANONYMOUS, OWNER, Permission, Principal

READ = Permission(read=True)
TRADE = Permission(read=True, trade=True, close=True)
RISK = Permission(read=True, close=True, risk=True)
SWAP = "BTC/USDT:USDT"


def key(permission: Permission, *strategies: int, account: int = 2) -> Principal:
    return Principal(5, {account: permission}, frozenset(strategies) if strategies else None)


@pytest.fixture
def busy(desk: Any) -> Any:
    """Account 2 with an open order and a position of strategy 1 and of strategy 2."""
    for strategy in (1, 2):
        desk.send("buy", "1", symbol=SWAP, account=2, strategy_id=strategy, client_order_id=f"s{strategy}")
        desk.send("buy", "1", "90", symbol=SWAP, account=2, strategy_id=strategy)
    return desk


COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("send_order", {"symbol": SWAP, "side": "buy", "order_type": "market", "qty": "1"}),
    ("check_order", {"symbol": SWAP, "side": "buy", "order_type": "market", "qty": "1"}),
    ("change_order", {"order_id": 2, "new_price": "91"}),
    ("merge_positions", {"source_position_id": 1, "target_position_id": 2}),
    ("cancel_order", {"order_id": 2}),
    ("cancel_all_orders", {}),
    ("cancel_all_after", {"timeout_ms": 1000}),
    ("position_change", {"position_id": 1, "comment": "x"}),
    ("close_by", {"position_id_a": 1, "position_id_b": 2}),
    ("close_position", {"position_id": 1}),
]


@pytest.mark.parametrize("command,payload", COMMANDS)
def test_a_reader_commands_nothing(busy: Any, command: str, payload: dict[str, Any]) -> None:
    busy.principal = key(READ)
    busy.refuse("permission_denied", command, account=2, **payload)
    busy.refuse("account_not_found", command, account=1, **payload)


@pytest.mark.parametrize("command,payload", COMMANDS)
def test_a_risk_key_closes_and_cancels_but_opens_nothing(
    busy: Any, command: str, payload: dict[str, Any]
) -> None:
    busy.principal = key(RISK)
    if command in ("send_order", "check_order", "change_order", "merge_positions"):
        busy.refuse("permission_denied", command, account=2, **payload)
    elif command == "close_by":
        busy.refuse("validation_error", command, account=2, **payload)  # allowed, but they are no pair
    else:
        busy.run(command, account=2, **payload)


def test_a_missing_right_is_named_in_words(busy: Any) -> None:
    busy.principal = key(TRADE)
    reply = busy.oms.handle(
        "risk_status", {"account_id": "2"}, {}, {"status": "blocked", "comment": "x"}, busy.principal
    )
    assert reply.body["detail"]["message"] == "this key may not manage risk on account 2"
    assert reply.body["detail"]["details"]["required"] == ["risk"]


@pytest.mark.parametrize(
    "named,told",
    [
        (
            {},
            "this key is limited to strategies 1, 2, and none was named: name one of them in strategy_id "
            "(in ccxt_driver options.strategy_id or CCXT_OMS_STRATEGY_ID)",
        ),
        ({"strategy_id": 3}, "this key may not use strategy 3; it is limited to strategies 1, 2"),
    ],
)
def test_a_key_of_some_strategies_is_told_which(busy: Any, named: dict[str, int], told: str) -> None:
    busy.principal = key(TRADE, 2, 1)
    error = busy.refuse(
        "strategy_permission_denied", "send_order", 2, **busy.order("buy", "1", symbol=SWAP, **named)
    )
    assert error["message"] == told
    assert error["details"] == {"strategy_id": named.get("strategy_id", 0), "allowed": [1, 2]}


def test_money_and_risk_need_their_rights(busy: Any) -> None:
    funds = {"currency": "USDT", "amount": "1"}
    switch = {"status": "blocked", "comment": "x"}
    for permission, endpoint, body, status in (
        (READ, "deposit", funds, 403),
        (RISK, "withdraw", funds, 403),
        (TRADE, "deposit", funds, 200),
        (TRADE, "risk_status", switch, 403),
        (RISK, "risk_status", switch, 200),
    ):
        reply = busy.oms.handle(endpoint, {"account_id": "2"}, {}, body, key(permission))
        assert reply.status == status, (permission, endpoint)


def test_a_key_sees_its_accounts_only(busy: Any) -> None:
    busy.send("buy", "1", account=1)
    busy.principal = key(READ)
    assert [row["account_id"] for row in busy.get("accounts")["items"]] == [2]
    assert [row["can_trade"] for row in busy.get("accounts")["items"]] == [False]
    assert [row["id"] for row in busy.get("orders_by_id", {"ids": "1,5"})["items"]] == [1]
    assert {tuple(row["account_ids"]) for row in busy.get("strategies")["items"]} == {(2,)}


def test_a_strategy_key_sees_its_own_rows_only(busy: Any) -> None:
    busy.principal = key(TRADE, 1)
    assert {row["strategy_id"] for row in busy.open_orders(2)} == {1}
    assert {row["strategy_id"] for row in busy.positions(2)} == {1}
    assert {row["strategy_id"] for row in busy.deals(2)} == {1}
    assert busy.open_orders(2, strategy_id=2) == []
    history = busy.get("orders_history", account_ids=2, since_ms=0)
    assert (history["total"], {row["strategy_id"] for row in history["items"]}) == (2, {1})
    assert [row["id"] for row in busy.get("orders_by_id", {"ids": "1,2,3,4"})["items"]] == [1, 2]
    assert [row["id"] for row in busy.get("positions_by_id", {"ids": "1,2"})["items"]] == [1]
    assert busy.get("ledger", account_ids=2)["items"] == []
    assert [row["strategy_id"] for row in busy.get("strategies")["items"]] == [1]
    assert [row["strategy_id"] for row in busy.get("risk_strategies", {"account_id": "2"})["items"]] == [1]
    assert {row["clientOrderId"] for row in busy.venue("fetch_open_orders", account=2)} == {None}
    assert len(busy.venue("fetch_open_orders", account=2)) == 1


def test_a_strategy_key_touches_its_own_rows_only(busy: Any) -> None:
    busy.principal = key(TRADE, 1)
    for code, command, payload in (
        ("strategy_permission_denied", "send_order", busy.order("buy", "1", symbol=SWAP)),
        ("strategy_permission_denied", "send_order", busy.order("buy", "1", symbol=SWAP, strategy_id=2)),
        (
            "invalid_position_id",
            "send_order",
            busy.order("buy", "1", symbol=SWAP, strategy_id=1, position_id=2),
        ),
        ("order_not_found", "cancel_order", {"order_id": 4}),
        ("order_not_found", "cancel_order", {"order_ids": [2, 4]}),
        ("order_not_found", "change_order", {"order_id": 4, "new_qty": "2"}),
        ("position_not_found", "close_position", {"position_id": 2}),
        ("position_not_found", "close_by", {"position_id_a": 1, "position_id_b": 2}),
        ("position_not_found", "merge_positions", {"source_position_id": 1, "target_position_id": 2}),
        ("position_not_found", "position_change", {"position_id": 2, "comment": "x"}),
        ("strategy_permission_denied", "cancel_all_orders", {"strategy_ids": [2]}),
        ("strategy_permission_denied", "cancel_all_after", {"timeout_ms": 1, "strategy_ids": [2]}),
    ):
        busy.refuse(code, command, account=2, **payload)
    assert busy.run("cancel_all_orders", account=2)["result"]["canceled_order_ids"] == [2]
    busy.principal = OWNER
    assert [row["id"] for row in busy.open_orders(2)] == [4]


def test_a_strategy_key_learns_of_anothers_client_order_id_only_that_it_is_taken(busy: Any) -> None:
    busy.principal = key(TRADE, 2)
    payload = busy.order("buy", "1", symbol=SWAP, strategy_id=2, client_order_id="s1")
    error = busy.refuse("duplicate_client_order_id", "send_order", account=2, **payload)
    assert error["details"] == {"client_order_id": "s1"}


def test_a_strategy_key_does_not_move_the_accounts_money(busy: Any) -> None:
    reply = busy.oms.handle(
        "deposit", {"account_id": "2"}, {}, {"currency": "USDT", "amount": "1"}, key(TRADE, 1)
    )
    assert reply.body["detail"]["code"] == "strategy_permission_denied"
    reply = busy.oms.handle("create_strategy", {}, {}, {"name": "x"}, key(TRADE, 1))
    assert reply.status == 403
    reply = busy.oms.handle("reassign", {}, {}, {"order_ids": [1], "strategy_id": 2}, key(TRADE, 1))
    assert reply.body["detail"]["code"] == "strategy_permission_denied"
    reply = busy.oms.handle("reassign", {}, {}, {"order_ids": [3], "strategy_id": 1}, key(TRADE, 1))
    assert reply.body["detail"]["code"] == "order_not_found"


def test_in_a_netted_position_of_several_a_strategy_key_sees_its_own_deals(desk: Any) -> None:
    desk.send("buy", "1", strategy_id=1)
    desk.principal = Principal(6, {1: TRADE}, frozenset({2}))
    result = desk.run("send_order", **desk.order("buy", "1", strategy_id=2))
    assert [deal["strategy_id"] for deal in result["deals"]] == [2]
    assert result["positions"] == []


def test_the_strategy_guard(busy: Any) -> None:
    busy.refuse("order_not_found", "cancel_order", account=2, order_id=2, strategy_id=2)
    busy.refuse("position_not_found", "close_position", account=2, position_id=1, strategy_id=2)
    busy.refuse("position_not_found", "position_change", account=2, position_id=1, comment="x", strategy_id=2)
    assert busy.get("orders_by_id", {"ids": "2"}, strategy_id=2)["items"] == []
    busy.run("cancel_order", account=2, order_id=2, strategy_id=1)


def test_on_all_follows_accounts_and_keeps_its_limits(busy: Any) -> None:
    reader = Principal(7, None, None, READ)
    busy.principal = reader
    assert len(busy.get("accounts")["items"]) == 3
    busy.refuse("permission_denied", "send_order", **busy.order("buy", "1"))


def test_without_a_key_there_is_market_data_and_nothing_else(desk: Any) -> None:
    desk.principal = ANONYMOUS
    for func in ("fetchTicker", "fetch_order_book", "fetchTrades", "fetchOHLCV"):
        assert desk.venue(func, "BTC/USDT")
    for func in (
        "fetchMarkets",
        "loadMarkets",
        "fetchTime",
        "fetchStatus",
        "describe",
        "has",
        "fetchCurrencies",
    ):
        assert desk.venue(func)
    for func in (
        "fetchBalance",
        "fetchOpenOrders",
        "setLeverage",
        "createOrder",
        "fetchTradingFees",
        "nonsense",
    ):
        reply = desk.oms.handle("ccxt_call", {"account_id": "1", "func": func}, {}, {}, ANONYMOUS)
        assert reply.body["detail"]["code"] == "account_not_found", func
    assert desk.oms.handle("orders_open", {}, {"account_ids": 1}, None, ANONYMOUS).status == 404
    assert desk.get("accounts")["items"] == []
    assert desk.get("strategies")["items"] == []


@pytest.mark.parametrize(
    "func",
    [
        "createOrder",
        "create_order",
        "createMarketBuyOrder",
        "cancelOrder",
        "editOrder",
        "setLeverage",
        "set_margin_mode",
        "withdraw",
        "transfer",
        "privatePostOrder",
        "sapiPostMarginLoan",
    ],
)
def test_functions_that_trade_need_the_right_whatever_the_spelling(desk: Any, func: str) -> None:
    reply = desk.oms.handle("ccxt_call", {"account_id": "2", "func": func}, {}, {}, key(READ))
    assert reply.body["detail"]["code"] == "permission_denied"
