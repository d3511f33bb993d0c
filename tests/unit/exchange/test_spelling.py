"""`params` in either of ccxt's spellings: what one of them means, the other means too."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import ALL_FEATURES, Driver
from tests.helpers.oms_rows import account_row, order_row, position_row
from tests.helpers.row_tables import Tables

pytestmark = pytest.mark.oldest

ORDER = ("BTC/USDT", "limit", "buy", 2, 100)
STOP = {"triggerPrice": 90}
OF_ORDERS: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("clientOrderId", "client_order_id", "mine", {"client_order_id": "mine"}),
    ("postOnly", "post_only", True, {"post_only": True}),
    ("reduceOnly", "reduce_only", True, {"reduce_only": True}),
    ("timeInForce", "time_in_force", "FOK", {"time_in_force": "FOK"}),
    ("triggerPrice", "trigger_price", 120, {"trigger_price": "120"}),
    ("stopPrice", "stop_price", 120, {"trigger_price": "120"}),
    ("stopLossPrice", "stop_loss_price", 120, {"stop_price": "120"}),
    ("takeProfitPrice", "take_profit_price", 120, {"take_profit_price": "120"}),
    ("stopLoss", "stop_loss", STOP, {"oms_stop_loss": "90"}),
    ("takeProfit", "take_profit", STOP, {"oms_stop_gain": "90"}),
    ("omsStopLoss", "oms_stop_loss", 90, {"oms_stop_loss": "90"}),
    ("omsStopGain", "oms_stop_gain", 90, {"oms_stop_gain": "90"}),
    ("trailingAmount", "trailing_amount", 5, {"trailing_amount": "5"}),
    ("trailingPercent", "trailing_percent", 5, {"trailing_percent": "5"}),
    ("displayQty", "display_qty", 1, {"display_qty": "1"}),
    ("positionId", "position_id", 3, {"position_id": 3}),
    ("strategyId", "strategy_id", 3, {"strategy_id": 3}),
    ("requestId", "request_id", 3, {}),
    ("trailingTriggerPrice", "trailing_trigger_price", 9, {"params": {"trailingTriggerPrice": 9}}),
]


def placed(driver: Driver, params: dict[str, Any]) -> dict[str, Any]:
    """Place an order, and give what was sent beyond the usual."""
    driver.gateway.sent.clear()
    driver.gateway.on_command(order=order_row(), deals=[], positions=[])
    driver.call("create_order", *ORDER, params)
    usual = ("symbol", "side", "order_type", "qty", "price")
    sent = {name: value for name, value in driver.gateway.payload.items() if name not in usual}
    if "mine" not in params.values():
        del sent["client_order_id"]
    return sent


@pytest.mark.parametrize("camel, snake, value, expected", OF_ORDERS, ids=[each[0] for each in OF_ORDERS])
def test_an_order_reads_both_spellings(
    driver: Driver, camel: str, snake: str, value: Any, expected: dict[str, Any]
) -> None:
    assert placed(driver, {camel: value}) == expected
    assert placed(driver, {snake: value}) == expected
    assert placed(driver, {camel: value, snake: value}) == expected
    assert placed(driver, {camel: None, snake: value}) == expected
    assert placed(driver, {camel: value, snake: None}) == expected


@pytest.mark.parametrize("camel, snake, value, expected", OF_ORDERS, ids=[each[0] for each in OF_ORDERS])
def test_two_spellings_that_differ_are_refused(
    driver: Driver, camel: str, snake: str, value: Any, expected: dict[str, Any]
) -> None:
    with pytest.raises(ccxt.BadRequest, match=f"{camel}.*{snake}|{snake}.*{camel}"):
        driver.call("create_order", *ORDER, {camel: value, snake: "another"})
    assert driver.gateway.routes == []


@pytest.mark.parametrize(
    "params, words",
    [
        ({"stopLoss": STOP, "oms_stop_loss": 90}, "stopLoss, oms_stop_loss"),
        ({"take_profit": STOP, "omsStopGain": 90}, "takeProfit, oms_stop_gain"),
        ({"stopLoss": {"triggerPrice": 90, "trigger_price": 91}}, "triggerPrice, trigger_price"),
    ],
)
def test_two_names_of_one_thing_are_refused(driver: Driver, params: dict[str, Any], words: str) -> None:
    with pytest.raises(ccxt.BadRequest, match=words):
        driver.call("create_order", *ORDER, params)
    assert driver.gateway.routes == []


def test_the_price_of_an_attached_stop_has_both_spellings(driver: Driver) -> None:
    assert placed(driver, {"stop_loss": {"trigger_price": 90}}) == {"oms_stop_loss": "90"}
    assert placed(driver, {"takeProfit": {"stop_price": 90}}) == {"oms_stop_gain": "90"}


def test_what_is_not_ours_goes_to_the_venue_as_it_is_written(driver: Driver) -> None:
    foreign = {"hidden_size": 1, "hiddenSize": 2, "self_trade": "no"}
    assert placed(driver, {**foreign, "reduce_only": True}) == {"params": foreign, "reduce_only": True}


def test_stops_that_the_venue_is_to_keep_reach_it_in_its_spelling(make_driver: Any) -> None:
    features = [feature for feature in ALL_FEATURES if feature != "stops_enforced"]
    driver = make_driver(features=features, options={"unenforced_stops": "venue"}).ready()
    for params in ({"stop_loss": STOP}, {"oms_stop_loss": 90}):
        assert placed(driver, params) == {"params": {"stopLoss": STOP}}


def test_an_order_of_a_batch_wins_in_any_spelling(driver: Driver) -> None:
    orders = [{"symbol": "BTC/USDT", "type": "limit", "side": "buy", "amount": 1, "price": 90}]
    result = {"index": 0, "ok": True, "command_id": 5, "order_id": 11, "error": None, "order": order_row()}
    driver.gateway.on("POST /oms/commands", {"results": [result]})
    driver.call("create_orders", [{**orders[0], "params": {"strategyId": 2}}], {"strategy_id": 1})
    assert driver.gateway.sent[-1].body[0]["payload"]["strategy_id"] == 2


@pytest.mark.parametrize("name", ["reduceOnly", "reduce_only"])
def test_closing_reads_both_spellings(driver: Driver, name: str) -> None:
    symbol = position_row()["symbol"]
    Tables(driver.gateway, positions=[position_row(id=3), position_row(id=4)])
    driver.gateway.on_command(order=order_row(), deals=[], positions=[])
    position = "positionId" if name == "reduceOnly" else "position_id"
    driver.call("close_position", symbol, None, {position: 4, name: True})
    assert driver.gateway.payload["position_id"] == 4
    assert driver.gateway.payload["reduce_only"] is True
    assert "params" not in driver.gateway.payload


@pytest.mark.parametrize(
    "params, expected",
    [
        ({"triggerPrice": 90}, {"trigger_price": "90"}),
        (
            {"type": "stop", "trigger_price": 90},
            {"trigger_price": "90", "params": {"triggerDirection": "descending"}},
        ),
        ({"take_profit_price": 120}, {"take_profit_price": "120"}),
        ({"trailingAmount": 5}, {"trailing_amount": "5"}),
        ({"stopLossPrice": 90}, {"stop_price": "90"}),
        ({"type": "stop", "stop_loss_price": 90}, {"stop_price": "90"}),
        ({"type": "STOP_LOSS", "stopPrice": 90}, {"stop_price": "90"}),
        ({"type": "take_profit_market", "trigger_price": 120}, {"take_profit_price": "120"}),
    ],
    ids=str,
)
def test_a_close_waits_for_its_trigger(
    driver: Driver, params: dict[str, Any], expected: dict[str, Any]
) -> None:
    """It was passed on to the venue, and the position was closed at once."""
    Tables(driver.gateway, positions=[position_row(id=3)])
    driver.gateway.on_command(order=order_row(), deals=[], positions=[])
    driver.call("close_position", position_row()["symbol"], None, params)
    sent = {key: value for key, value in driver.gateway.payload.items() if key != "client_order_id"}
    assert sent == {"position_id": 3, "order_type": "market", **expected}


@pytest.mark.parametrize("word", [None, "stop_loss"])
def test_a_stop_of_a_close_is_the_venues_where_the_oms_knows_none(make_driver: Any, word: Any) -> None:
    driver = make_driver(features=["rows_in_results"]).ready()
    Tables(driver.gateway, positions=[position_row(id=3)])
    driver.gateway.on_command(order=order_row(), deals=[], positions=[])
    params = {"stopLossPrice": 90} if word is None else {"type": word, "triggerPrice": 90}
    driver.call("close_position", position_row()["symbol"], None, params)
    assert driver.gateway.payload["params"] == {"stopLossPrice": "90"}
    assert "stop_price" not in driver.gateway.payload


@pytest.mark.parametrize("name", ["triggerPrice", "trigger_price", "oms_stop_loss", "omsStopLoss"])
def test_an_edit_refuses_a_stop_in_both_spellings(driver: Driver, name: str) -> None:
    with pytest.raises(ccxt.NotSupported):
        driver.call("edit_order", "11", "BTC/USDT", "limit", "buy", 1, 90, {name: 80})
    assert driver.gateway.routes == []


def test_cancelling_reads_both_spellings(driver: Driver) -> None:
    Tables(driver.gateway, orders=[order_row(client_order_id="mine")])
    driver.gateway.on("GET /oms/orders/11", {"items": [order_row()]})
    driver.gateway.on_command(order=order_row(status="CANCELED"))
    for name in ("clientOrderIds", "client_order_ids"):
        driver.gateway.sent.clear()
        driver.call("cancel_orders", [], None, {name: ["mine"]})
        assert driver.gateway.payload == {"order_ids": [11]}
    for name in ("clientOrderId", "client_order_id"):
        driver.gateway.sent.clear()
        driver.call("cancel_orders_for_symbols", [{name: "mine", "symbol": "BTC/USDT"}])
        assert driver.gateway.payload == {"order_ids": [11]}
    for name in ("strategyId", "strategy_id"):
        driver.gateway.sent.clear()
        driver.gateway.on_command(orders=[])
        driver.call("cancel_all_orders", "BTC/USDT", {name: 2})
        assert driver.gateway.payload == {"strategy_ids": [2], "symbol": "BTC/USDT"}


def test_merging_positions_reads_both_spellings(driver: Driver) -> None:
    driver.gateway.on_command(positions=[position_row(id=2)])
    for params in (
        {"stop_mode": "set", "stop_loss": 90},
        {"stopMode": "set", "stopLoss": 90},
        {"stopMode": "set", "omsStopLoss": 90},
    ):
        driver.gateway.sent.clear()
        driver.call("merge_positions", "1", "2", params)
        assert driver.gateway.payload["stop_mode"] == "set"
        assert driver.gateway.payload["oms_stop_loss"] == "90"


ARGUMENTS: dict[str, Any] = {
    "symbol": "BTC/USDT",
    "symbols": ["BTC/USDT"],
    "type": "limit",
    "side": "buy",
    "amount": 1,
    "price": 90,
    "cost": 90,
    "id": "11",
    "ids": ["11"],
    "orders": [
        {"id": "11", "symbol": "BTC/USDT", "type": "limit", "side": "buy", "amount": 1, "price": 90},
    ],
    "order": {"id": "11", "symbol": "BTC/USDT"},
    "timeout": 1000,
    "code": None,
    "position_id": 3,
    "position_id_a": 3,
    "position_id_b": 4,
    "source_position_id": 3,
    "target_position_id": 3,
    "order_ids": ["11"],
    "strategy_id": 2,
    "allow": True,
    "comment": "why",
    "commands": [{"func": "fetch_time"}],
    "trailingAmount": 5,
    "trailingPercent": 5,
    "marginMode": "cross",
    "name": "mine",
}


def arguments_of(method: Any) -> list[Any]:
    """Give a value for each positional argument before `params`, in order."""
    names = [name for name in inspect.signature(method).parameters if name != "params"]
    return [ARGUMENTS.get(name, 1 if "everag" in name else None) for name in names]


def methods_with_params(exchange: Any) -> list[str]:
    """List the driver's own methods that take `params` and ask the OMS."""
    names = []
    for kind in type(exchange).__mro__:
        if kind.__module__.startswith("ccxt_driver.exchange._") and "venue" not in kind.__module__:
            for name, value in vars(kind).items():
                if inspect.isfunction(value) and not name.startswith("_") and name == name.lower():
                    parameters = [*inspect.signature(value).parameters]
                    if parameters[-1:] == ["params"]:
                        names.append(name)
    return sorted({*names} - {"load_markets", "load_markets_helper", "request", "sign"})


def asked(driver: Driver, name: str, params: dict[str, Any]) -> list[Any]:
    """Call a method, and give all that it asked; how it ends does not matter here."""
    driver.gateway.sent.clear()
    with contextlib.suppress(ccxt.BaseError, AssertionError):  # no answer for it on this gateway
        driver.call(name, *arguments_of(getattr(driver.exchange, name)), params)
    return [(sent.route, sent.query, sent.body) for sent in driver.gateway.sent]


def test_every_method_reads_account_and_strategy_in_both_spellings(make_driver: Any) -> None:
    """Of the answers there are those that most need; what was asked before one is missing is compared."""
    driver = make_driver(options={"client_order_id_factory": lambda: "made-up"}).ready()
    account = {"account_id": 2, "strategy_id": 7}
    names = methods_with_params(driver.exchange)
    assert len(names) > 50
    rows = [position_row(id=3, account_id=2, strategy_id=7)]
    differing = {}
    for name in names:
        driver.gateway.on_command(order=order_row(account_id=2), deals=[], positions=rows)
        driver.gateway.on("GET /oms/accounts", {"items": [account_row(account_id=2)]})
        Tables(driver.gateway, orders=[order_row(account_id=2, strategy_id=7)], positions=rows)
        driver.exchange._account_rows = None
        snake = asked(driver, name, account)
        driver.exchange._account_rows = None
        camel = asked(driver, name, {"accountId": 2, "strategyId": 7})
        if snake != camel:
            differing[name] = (snake, camel)
    assert differing == {}
