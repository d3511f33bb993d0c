"""Commands: aliases, defaults, and each rule by which one is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from ccxt_driver.contract.commands import COMMAND, COMMANDS, CommandName, CommandResult

pytestmark = pytest.mark.oldest

ORDER: dict[str, Any] = {"symbol": "BTC/USDT", "side": "buy", "order_type": "market", "qty": "1"}
LIMIT = {**ORDER, "order_type": "limit", "price": "100"}


def command(name: str, payload: Any, **envelope: Any) -> dict[str, Any]:
    return {"account_id": 1, "command": name, "payload": payload, **envelope}


def payload_of(name: str, payload: dict[str, Any]) -> Any:
    return COMMAND.validate_python(command(name, payload)).payload


def without(payload: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in names}


def test_an_order_has_the_contracts_defaults() -> None:
    order = payload_of("send_order", ORDER)

    assert (order.strategy_id, order.position_id, order.reason) == (0, 0, "api")
    assert (order.reduce_only, order.post_only, order.params) == (False, False, {})
    assert (order.client_order_id, order.price, order.comment, order.time_in_force) == (None,) * 4


@pytest.mark.parametrize(
    "alias, name, value",
    [
        ("type", "order_type", "MARKET"),
        ("amount", "qty", "1.50"),
        ("magic_id", "strategy_id", 7),
    ],
)
def test_older_names_mean_the_same(alias: str, name: str, value: Any) -> None:
    by_alias = payload_of("send_order", {**without(ORDER, name), alias: value})
    by_name = payload_of("send_order", {**ORDER, name: value})

    assert by_alias == by_name


@pytest.mark.parametrize(
    "command, payload",
    [
        ("cancel_all_orders", {"strategy_ids": [1, 2]}),
        ("cancel_all_orders", {"strategy_ids_csv": "1,2"}),
        ("cancel_all_after", {"timeout_ms": 5, "strategy_ids": [1, 2]}),
    ],
)
def test_older_names_of_several_strategies_mean_the_same(command: str, payload: dict[str, Any]) -> None:
    """The driver sends them to a server of `options.contract = "position"`."""
    older = {name.replace("strategy_", "magic_"): value for name, value in payload.items()}

    assert payload_of(command, older) == payload_of(command, payload)


def test_values_are_read_exactly_and_without_regard_to_spelling() -> None:
    written = {**LIMIT, "order_type": "LIMIT", "qty": "1.50", "price": 1e2, "time_in_force": "ioc"}
    plain = {**LIMIT, "qty": 1.5, "price": "100", "time_in_force": "IOC"}

    assert payload_of("send_order", written) == payload_of("send_order", plain)
    assert payload_of("send_order", written).qty == Decimal("1.5")


@pytest.mark.parametrize(
    "change",
    [
        {"qty": None},
        {"qty": "1", "cost": "100"},
        {"qty": "0"},
        {"qty": "-1"},
        {"qty": "NaN"},
        {"qty": "1e40"},
        {"qty": True},
        {"side": "BUY"},
        {"side": "long"},
        {"symbol": ""},
        {"symbol": "x" * 65},
        {"order_type": ""},
        {"order_type": "x" * 17},
        {"order_type": "limit"},
        {"price": "0"},
        {"trigger_price": "-1"},
        {"reason": "x" * 33},
        {"comment": "x" * 256},
        {"client_order_id": ""},
        {"client_order_id": "   "},
        {"client_order_id": "x" * 129},
        {"strategy_id": -1},
        {"strategy_id": "1"},
        {"position_id": 2**63},
        {"time_in_force": "DAY"},
        {"time_in_force": "GTD"},
        {"expire_at": "2026-11-20T00:00:00Z"},
        {"time_in_force": "IOC", "expire_at": "2026-11-20T00:00:00Z"},
        {"params": []},
        {"stop_loss": "1"},
        {"clientOrderId": "a"},
    ],
    ids=str,
)
def test_an_order_that_breaks_a_rule_is_refused(change: dict[str, Any]) -> None:
    payload_of("send_order", ORDER)  # the order without the change is fine
    with pytest.raises(ValidationError):
        payload_of("send_order", {**ORDER, **change})


@pytest.mark.parametrize(
    "name, payload",
    [
        ("send_order", without({**ORDER, "cost": "100"}, "qty")),
        ("send_order", {**LIMIT, "time_in_force": "GTD", "expire_at": "2026-11-20T00:00:00Z"}),
        ("send_order", {**ORDER, "oms_stop_loss": "90", "oms_stop_gain": "110", "params": {"x": 1}}),
        ("check_order", ORDER),
        ("change_order", {"order_id": 1, "new_price": "1"}),
        ("change_order", {"order_id": 1, "new_qty": "1", "strategy_id": 0}),
        ("cancel_order", {"order_id": 1}),
        ("cancel_order", {"order_ids": [1, 2]}),
        ("cancel_order", {"order_ids_csv": "1, 2"}),
        ("cancel_all_orders", {}),
        ("cancel_all_orders", {"strategy_ids_csv": "0,3", "symbol": "BTC/USDT"}),
        ("cancel_all_after", {"timeout_ms": 0}),
        ("cancel_all_after", {"timeout_ms": 5000, "strategy_ids": [0, 1]}),
        ("close_position", {"position_id": 1}),
        ("close_position", {"position_id": 1, "amount": "0.5", "type": "limit", "price": "2"}),
        ("close_by", {"position_id_a": 1, "position_id_b": 2, "qty": "1"}),
        ("merge_positions", {"source_position_id": 1, "target_position_id": 2}),
        (
            "merge_positions",
            {"source_position_id": 1, "target_position_id": 2, "stop_mode": "set", "oms_stop_loss": "9"},
        ),
        ("position_change", {"position_id": 1, "oms_stop_loss": None}),
        ("position_change", {"position_id": 1, "comment": "x"}),
    ],
    ids=str,
)
def test_what_the_contract_allows_is_accepted(name: str, payload: dict[str, Any]) -> None:
    assert payload_of(name, payload) is not None


@pytest.mark.parametrize(
    "name, payload",
    [
        ("change_order", {"order_id": 1}),
        ("change_order", {"order_id": 0, "new_qty": "1"}),
        ("change_order", {"order_id": 1, "new_qty": "0"}),
        ("change_order", {"order_id": "1", "new_qty": "1"}),
        ("cancel_order", {}),
        ("cancel_order", {"order_ids": []}),
        ("cancel_order", {"order_id": 1, "order_ids": [2]}),
        ("cancel_order", {"order_ids_csv": "1,x"}),
        ("cancel_order", {"order_ids_csv": "0"}),
        ("cancel_all_orders", {"strategy_ids": [-1]}),
        ("cancel_all_orders", {"strategy_ids_csv": "all"}),
        ("cancel_all_after", {}),
        ("cancel_all_after", {"timeout_ms": -1}),
        ("cancel_all_after", {"timeout_ms": 86_400_001}),
        ("cancel_all_after", {"timeout_ms": "5000"}),
        ("close_position", {}),
        ("close_position", {"position_id": 0}),
        ("close_position", {"position_id": 1, "order_type": "limit"}),
        ("close_position", {"position_id": 1, "qty": "-1"}),
        ("close_by", {"position_id_a": 1}),
        ("close_by", {"position_id_a": 1, "position_id_b": 2, "qty": "0"}),
        ("merge_positions", {"source_position_id": 1, "target_position_id": 1}),
        ("merge_positions", {"source_position_id": 1, "target_position_id": 2, "oms_stop_loss": "9"}),
        ("merge_positions", {"source_position_id": 1, "target_position_id": 2, "stop_mode": "other"}),
        ("position_change", {"position_id": 1}),
        ("position_change", {"position_id": 1, "strategy_id": 1}),
        ("position_change", {"position_id": 1, "oms_stop_loss": "0"}),
        ("send_orders", ORDER),
    ],
    ids=str,
)
def test_what_the_contract_does_not_allow_is_refused(name: str, payload: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        COMMAND.validate_python(command(name, payload))


@pytest.mark.parametrize(
    "envelope",
    [{"account_id": 0}, {"account_id": "1"}, {"account_id": None}, {"request_id": "x" * 129}, {"extra": 1}],
    ids=str,
)
def test_an_envelope_that_breaks_a_rule_is_refused(envelope: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        COMMAND.validate_python({**command("send_order", ORDER), **envelope})


@pytest.mark.parametrize("name", list(CommandName))
def test_an_unknown_key_is_refused_by_its_name(name: CommandName) -> None:
    with pytest.raises(ValidationError) as refusal:
        COMMAND.validate_python(command(name, {"no_such_key": 1}))

    assert any(error["loc"][-1] == "no_such_key" for error in refusal.value.errors())


def test_a_null_stop_is_cleared_and_one_left_out_is_kept() -> None:
    change = payload_of("position_change", {"position_id": 1, "oms_stop_loss": None})

    assert change.model_fields_set == {"position_id", "oms_stop_loss"}


@pytest.mark.parametrize(
    "payload, expected",
    [({"order_id": 3}, [3]), ({"order_ids": [2, 1]}, [2, 1]), ({"order_ids_csv": " 2,1 ,"}, [2, 1])],
)
def test_a_cancel_names_its_orders_in_the_order_given(payload: dict[str, Any], expected: list[int]) -> None:
    assert payload_of("cancel_order", payload).ids == expected


def test_a_cancel_all_names_its_strategies_in_both_forms() -> None:
    payload = {"strategy_ids": [1], "strategy_ids_csv": "2,3"}

    assert payload_of("cancel_all_orders", payload).strategies == {1, 2, 3}


def test_a_close_without_strategy_asks_for_no_guard() -> None:
    assert payload_of("close_position", {"position_id": 1}).strategy_id is None


def test_a_batch_with_one_bad_item_is_refused_whole() -> None:
    good = command("send_order", ORDER)

    assert len(COMMANDS.validate_python([good, good])) == 2
    with pytest.raises(ValidationError):
        COMMANDS.validate_python([good, command("send_order", {**ORDER, "qty": "0"})])


def test_a_result_has_empty_rows_when_the_server_sends_none() -> None:
    result = CommandResult.model_validate({"index": 0, "ok": True, "command_id": 1, "order_id": 2})

    assert (result.order, result.deals, result.positions, result.duplicate) == (None, [], [], False)
