"""An order read the short way is the one that pydantic makes, and what it would refuse is left to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from ccxt_driver.contract.commands import COMMAND
from ccxt_driver.contract.usual_order import usual_command

pytestmark = pytest.mark.oldest

MISSING = object()
USUAL: dict[str, Any] = {
    "symbol": "BTC/USDT",
    "side": "buy",
    "order_type": "limit",
    "qty": "0.01",
    "price": "50000",
    "client_order_id": "x1",
}
TEXTS = st.one_of(
    st.text(max_size=130),
    st.sampled_from(["", " ", "\n", "BTC/USDT", "buy", "sell", "BUY", "market", "limit", "LIMIT", "stop"]),
    st.sampled_from(["0", "-1", "1e2", "1E+31", "NaN", "0.010", " 1", "1_0", "\ud800", "a" * 64, "a" * 65]),
)
VALUES = st.one_of(
    *(TEXTS, st.none(), st.booleans(), st.integers(-1, 2**64), st.floats(), st.just(MISSING)),
    *(st.decimals(allow_nan=False, allow_infinity=False), st.just([]), st.just({})),
)
CHANGES = st.dictionaries(
    st.sampled_from([*USUAL, "type", "strategy_id", "params", "cost"]), VALUES, max_size=3
)
ENVELOPES = st.dictionaries(
    st.sampled_from(["account_id", "command", "payload", "request_id"]),
    st.one_of(VALUES, st.sampled_from(["send_order", "check_order"])),
    max_size=1,
)


def changed(whole: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**whole, **changes}.items() if value is not MISSING}


def told(model: BaseModel) -> Any:
    """Everything there is in a model, with the order of its fields and their types."""
    fields = [(name, type(value), value) for name, value in vars(model).items()]
    return type(model), fields, model.model_fields_set, model.model_extra, model.__pydantic_private__


@given(CHANGES, ENVELOPES)
def test_an_order_read_the_short_way_is_pydantics(changes: dict[str, Any], envelope: dict[str, Any]) -> None:
    payload = changed(USUAL, changes)
    body = changed({"account_id": 1, "command": "send_order", "payload": payload}, envelope)

    command = usual_command(body)

    if command is not None:
        expected: Any = COMMAND.validate_python(body)
        assert {name: getattr(expected, name) for name in command._fields} == command._asdict()
        assert {*command._fields} == {*type(expected).model_fields}
        assert type(command.command) is type(expected.command)
        assert told(command.payload) == told(expected.payload)


@pytest.mark.parametrize("order", [USUAL, changed(USUAL, {"order_type": "market", "price": MISSING})])
def test_the_drivers_plain_orders_are_usual(order: dict[str, Any]) -> None:
    command = usual_command({"account_id": 1, "command": "send_order", "payload": order})

    assert command is not None
    assert command.payload.model_copy(update={"symbol": "ETH/USDT"}).symbol == "ETH/USDT"
    with pytest.raises(ValidationError, match="frozen"):
        command.payload.symbol = "ETH/USDT"


def test_each_order_has_parameters_of_its_own() -> None:
    body = {"account_id": 1, "command": "send_order", "payload": USUAL}
    first, second = usual_command(body), usual_command(body)

    assert first is not None
    assert second is not None
    assert first.payload.params is not second.payload.params


@pytest.mark.parametrize("body", [None, 1, "send_order", [], {}, {"command": "send_order"}, [1, 2, 3]])
def test_what_is_no_order_is_left_to_pydantic(body: Any) -> None:
    assert usual_command(body) is None
