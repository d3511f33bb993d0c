"""create_order: the exact command that is sent, and the order that comes back."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import ALL_FEATURES, NO_FEATURES, Driver
from tests.helpers.oms_rows import deal_row, filled_row, order_row

pytestmark = pytest.mark.oldest

LIMIT = ("BTC/USDT", "limit", "buy", 2, 100)
MARKET = ("BTC/USDT", "market", "sell", 2)


def sent_payload(driver: Driver, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Place an order and give the payload that was sent, without the client order id."""
    driver.gateway.sent.clear()
    driver.gateway.on_command(order=order_row(), deals=[], positions=[])
    driver.call("create_order", *args, **kwargs)
    payload = dict(driver.gateway.payload)
    del payload["client_order_id"]
    return payload


def test_one_request_is_sent_and_nothing_in_it_is_left_to_chance(driver: Driver) -> None:
    driver.gateway.on_command(order=order_row(), deals=[], positions=[])
    order = driver.call("create_order", *LIMIT, {"clientOrderId": "my-order", "strategy_id": 7})

    (sent,) = driver.gateway.sent
    assert (sent.route, sent.query) == ("POST /oms/commands", {})
    assert sent.headers["x-api-key"] == "the-key"
    assert sent.headers["content-type"] == "application/json"
    assert sent.body == {
        "account_id": 1,
        "command": "send_order",
        "payload": {
            "symbol": "BTC/USDT",
            "side": "buy",
            "order_type": "limit",
            "qty": "2",
            "price": "100",
            "client_order_id": "my-order",
            "strategy_id": 7,
        },
    }
    assert (order["id"], order["clientOrderId"], order["status"]) == ("11", "my-order", "open")


def test_a_filled_order_comes_back_whole_from_the_one_request(driver: Driver) -> None:
    driver.gateway.on_command(order=filled_row(order_type="market", price=None), deals=[deal_row()])
    order = driver.call("create_order", *MARKET)

    assert driver.gateway.routes == ["POST /oms/commands"]
    assert (order["status"], order["filled"], order["average"], order["cost"]) == ("closed", 2.0, 99.5, 199.0)
    assert order["fee"] == {"currency": "USDT", "cost": 0.199, "rate": 0.001}
    assert [trade["id"] for trade in order["trades"]] == ["21"]


def test_a_server_without_rows_is_asked_for_the_order(make_driver: Any) -> None:
    driver = make_driver(features=("by_id", "query_filters")).ready()
    driver.gateway.on_command()
    driver.gateway.on("GET /oms/orders/11", {"items": [filled_row()]})
    driver.gateway.on("GET /oms/deals", {"items": [deal_row()], "total": 1})
    order = driver.call("create_order", *LIMIT)

    assert driver.gateway.routes == ["POST /oms/commands", "GET /oms/orders/11", "GET /oms/deals"]
    assert (order["id"], order["status"], len(order["trades"])) == ("11", "closed", 1)


def test_a_server_without_anything_is_searched_for_the_order(make_driver: Any) -> None:
    driver = make_driver(features=NO_FEATURES).ready()
    driver.gateway.on_command()
    driver.gateway.on("GET /oms/orders/history", {"items": [order_row(id=10), order_row()], "total": 2})
    order = driver.call("create_order", *LIMIT)

    assert driver.gateway.routes == ["POST /oms/commands", "GET /oms/orders/history"]
    assert (order["id"], order["status"], order["amount"]) == ("11", "open", 2.0)


def test_a_placed_order_that_cannot_be_read_is_not_reported_as_failed(
    make_driver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception here would invite the caller to place it again."""
    driver = make_driver(features=("by_id",)).ready()
    driver.gateway.on_command()
    driver.gateway.on("GET /oms/orders/11", (503, {"detail": {"code": "engine_unavailable"}}))
    with caplog.at_level(logging.WARNING, logger="ccxt_driver"):
        order = driver.call("create_order", *LIMIT, {"clientOrderId": "mine"})

    assert (order["id"], order["clientOrderId"], order["status"]) == ("11", "mine", "open")
    assert (order["amount"], order["price"], order["side"]) == (2.0, 100.0, "buy")
    assert "placed but could not be read" in caplog.text


@pytest.mark.parametrize(
    "rows",
    [
        {"order": "garbage"},
        {"order": {"id": 11}},
        {"order": order_row(status="NEW")},
        {"order": order_row(), "deals": [7]},
        {"order": filled_row(), "deals": [deal_row(price="x")]},
        {"order": filled_row(), "deals": "x"},
    ],
    ids=str,
)
def test_a_placed_order_whose_rows_are_garbage_is_read_again(make_driver: Any, rows: dict[str, Any]) -> None:
    driver = make_driver().ready()
    driver.gateway.on_command(**rows)
    driver.gateway.on("GET /oms/orders/11", {"items": [order_row()]})
    order = driver.call("create_order", *LIMIT)

    assert (order["id"], order["status"]) == ("11", "open")
    assert driver.gateway.routes == ["POST /oms/commands", "GET /oms/orders/11"]


@pytest.mark.parametrize("result", [{"order_id": None}, {"order_id": "11"}, {"order_id": True}], ids=str)
def test_a_result_without_an_order_id_leaves_the_outcome_unknown(driver: Driver, result: Any) -> None:
    driver.gateway.on_command(**result)
    with pytest.raises(ccxt.RequestTimeout) as raised:
        driver.call("create_order", *LIMIT, {"clientOrderId": "mine"})

    assert (raised.value.outcome, raised.value.client_order_id) == ("unknown", "mine")  # type: ignore[attr-defined]


# -- numbers


@pytest.mark.parametrize("amount", [1.5, "1.5", Decimal("1.5"), Decimal("1.50"), "1.5E0", 1.50009, "1.50009"])
def test_amounts_of_every_type_are_truncated_to_the_markets_steps(driver: Driver, amount: Any) -> None:
    assert sent_payload(driver, "BTC/USDT", "market", "buy", amount)["qty"] == "1.5"


@pytest.mark.parametrize("price", [100.254, "100.25", Decimal("100.2549"), "1.0025e2", 100.245001])
def test_prices_of_every_type_are_rounded_to_the_markets_steps(driver: Driver, price: Any) -> None:
    assert sent_payload(driver, "BTC/USDT", "limit", "buy", 2, price)["price"] == "100.25"


def test_small_floats_have_no_exponent(make_driver: Any) -> None:
    driver = make_driver().ready()
    driver.exchange.markets["BTC/USDT"]["precision"]["amount"] = 1e-8
    driver.exchange.markets["BTC/USDT"]["limits"] = {}

    assert sent_payload(driver, "BTC/USDT", "market", "buy", 0.00000012)["qty"] == "0.00000012"


def test_a_sum_of_floats_is_truncated_and_not_cut_short(driver: Driver) -> None:
    """0.1 + 0.2 is 0.30000000000000004; 0.29 * 100 is 28.999999999999996 and stays below 29."""
    assert sent_payload(driver, "BTC/USDT", "market", "buy", 0.1 + 0.2)["qty"] == "0.3"
    assert sent_payload(driver, "BTC/USDT", "market", "buy", 0.29 * 100)["qty"] == "28.9999"


def test_a_market_without_precision_gets_the_number_as_it_is(driver: Driver) -> None:
    driver.exchange.markets["BTC/USDT"]["precision"] = {"amount": None, "price": None}

    payload = sent_payload(driver, "BTC/USDT", "limit", "buy", "1.123456789", "99.123456789")
    assert (payload["qty"], payload["price"]) == ("1.123456789", "99.123456789")


def test_the_side_and_type_are_read_in_any_case(driver: Driver) -> None:
    payload = sent_payload(driver, "BTC/USDT", "LIMIT", "BUY", 2, 100)

    assert (payload["side"], payload["order_type"]) == ("buy", "limit")


@pytest.mark.parametrize("trigger", ["stopPrice", "triggerPrice"])
@pytest.mark.parametrize(
    "order_type,price,expected",
    [
        ("stop", None, "market"),
        ("stop", 100, "limit"),
        ("stop_market", None, "market"),
        ("STOP_LIMIT", 100, "limit"),
    ],
)
def test_a_type_that_says_stop_is_that_of_the_order_which_the_trigger_places(
    driver: Driver, order_type: str, price: Any, expected: str, trigger: str
) -> None:
    payload = sent_payload(driver, "BTC/USDT", order_type, "sell", 2, price, {trigger: 101})

    assert (payload["order_type"], payload["trigger_price"]) == (expected, "101")
    assert payload.get("price") == (None if price is None else "100")
    assert payload["params"] == {"triggerDirection": "descending"}


@pytest.mark.parametrize("name", ["triggerDirection", "trigger_direction"])
@pytest.mark.parametrize("side,direction", [("buy", "ascending"), ("SELL", "descending")])
def test_a_stop_is_reached_by_a_price_that_turns_against_its_side(
    driver: Driver, side: str, direction: str, name: str
) -> None:
    """One that the price was beyond already waited for its way back, and the position had no stop."""
    order = ("BTC/USDT", "stop_market", side, 2, None)

    assert sent_payload(driver, *order, {"stopPrice": 101})["params"] == {"triggerDirection": direction}
    params = sent_payload(driver, *order, {"stopPrice": 101, name: "up"})["params"]
    assert params == {"triggerDirection": "up"}


def test_a_stop_goes_without_its_direction_where_the_server_may_not_know_it(make_driver: Any) -> None:
    driver = make_driver(features=("rows_in_results",)).ready()
    payload = sent_payload(driver, "BTC/USDT", "stop_market", "sell", 2, None, {"stopPrice": 95})

    assert payload["trigger_price"] == "95"
    assert "params" not in payload


@pytest.mark.parametrize("trigger", ["stopPrice", "triggerPrice", "stopLossPrice"])
@pytest.mark.parametrize(
    "order_type,price,expected", [("STOP_LOSS", None, "market"), ("stop_loss_limit", 100, "limit")]
)
def test_a_type_that_says_stop_loss_is_one(
    driver: Driver, order_type: str, price: Any, expected: str, trigger: str
) -> None:
    """A plain trigger that the price is beyond would wait for its way back, and hold no loss up."""
    payload = sent_payload(driver, "BTC/USDT", order_type, "sell", 2, price, {trigger: 101})

    assert (payload["order_type"], payload["stop_price"]) == (expected, "101")
    assert "trigger_price" not in payload
    assert payload.get("price") == (None if price is None else "100")


def test_a_type_that_says_stop_loss_goes_to_the_venue_as_one_too(make_driver: Any) -> None:
    driver = make_driver(features=("rows_in_results",)).ready()
    payload = sent_payload(driver, "BTC/USDT", "stop_loss", "sell", 2, None, {"stopPrice": 95})

    assert payload["params"] == {"stopLossPrice": "95"}
    assert {"trigger_price", "stop_price"}.isdisjoint(payload)


@pytest.mark.parametrize("trigger", ["stopPrice", "triggerPrice", "takeProfitPrice"])
@pytest.mark.parametrize(
    "order_type,price,expected",
    [
        ("TAKE_PROFIT_MARKET", None, "market"),
        ("take_profit", None, "market"),
        ("TAKE_PROFIT", 100, "limit"),
        ("take_profit_limit", 100, "limit"),
    ],
)
def test_a_type_that_says_take_profit_is_one(
    driver: Driver, order_type: str, price: Any, expected: str, trigger: str
) -> None:
    payload = sent_payload(driver, "BTC/USDT", order_type, "sell", 2, price, {trigger: 101})

    assert (payload["order_type"], payload["take_profit_price"]) == (expected, "101")
    assert "trigger_price" not in payload
    assert payload.get("price") == (None if price is None else "100")


@pytest.mark.parametrize(
    "order_type",
    [
        "stop",
        "stop_market",
        "stop_limit",
        "stop_loss",
        "stop_loss_limit",
        "take_profit",
        "take_profit_market",
    ],
)
def test_a_stop_without_a_trigger_is_never_placed_at_once(driver: Driver, order_type: str) -> None:
    with pytest.raises(ccxt.ArgumentsRequired, match="triggerPrice"):
        driver.call("create_order", "BTC/USDT", order_type, "sell", 2, 100)

    assert driver.gateway.routes == []


def test_a_market_order_sends_no_price(driver: Driver) -> None:
    assert "price" not in sent_payload(driver, "BTC/USDT", "market", "buy", 2, 100)


# -- params


@pytest.mark.parametrize(
    "params, expected",
    [
        ({}, {}),
        ({"strategy_id": 3}, {"strategy_id": 3}),
        ({"strategy_id": "3"}, {"strategy_id": 3}),
        ({"strategy_id": 0}, {"strategy_id": 0}),
        ({"position_id": 9}, {"position_id": 9}),
        ({"position_id": "9"}, {"position_id": 9}),
        ({"postOnly": True}, {"post_only": True}),
        ({"postOnly": False}, {}),
        ({"timeInForce": "ioc"}, {"time_in_force": "IOC"}),
        ({"timeInForce": "FOK"}, {"time_in_force": "FOK"}),
        ({"timeInForce": "GTC"}, {"time_in_force": "GTC"}),
        ({"timeInForce": "PO"}, {"post_only": True}),
        *[({"timeInForce": word}, {"post_only": True}) for word in ("GTX", "PostOnly", "post_only", "poc")],
        ({"timeInForce": "GTC", "postOnly": True}, {"time_in_force": "GTC", "post_only": True}),
        ({"reduceOnly": True}, {"reduce_only": True}),
        ({"triggerPrice": 101}, {"trigger_price": "101"}),
        ({"stopPrice": "101.001"}, {"trigger_price": "101"}),
        ({"triggerPrice": 101, "stopPrice": 102}, {"trigger_price": "101"}),
        ({"stopLossPrice": 95.5}, {"stop_price": "95.5"}),
        ({"takeProfitPrice": 120}, {"take_profit_price": "120"}),
        ({"trailingAmount": 0.5}, {"trailing_amount": "0.5"}),
        ({"trailingPercent": "1.5"}, {"trailing_percent": "1.5"}),
        ({"comment": "why", "reason": "signal"}, {"comment": "why", "reason": "signal"}),
        ({"stopLoss": {"triggerPrice": 95}}, {"oms_stop_loss": "95"}),
        ({"takeProfit": {"stopPrice": 120, "type": "market"}}, {"oms_stop_gain": "120"}),
        (
            {"stopLoss": {"triggerPrice": 95, "price": None}, "takeProfit": {"triggerPrice": "120"}},
            {"oms_stop_loss": "95", "oms_stop_gain": "120"},
        ),
        ({"hedged": True, "brand_new": [1]}, {"params": {"hedged": True, "brand_new": [1]}}),
        ({"stopLoss": None, "takeProfit": None, "stopLossPrice": None, "comment": None}, {}),
        ({"clientOrderId": None, "client_order_id": None, "postOnly": None, "account_id": 1}, {}),
    ],
    ids=str,
)
def test_params_travel_under_the_contracts_names(
    driver: Driver, params: dict[str, Any], expected: dict[str, Any]
) -> None:
    given = dict(params)
    plain = {"symbol": "BTC/USDT", "side": "buy", "order_type": "limit", "qty": "2", "price": "100"}

    assert sent_payload(driver, *LIMIT, given) == {**plain, **expected}
    assert given == params  # the caller's dict is the caller's


def test_params_cost_no_further_request_once_the_features_are_known(driver: Driver) -> None:
    sent_payload(driver, *LIMIT, {"stopLoss": {"triggerPrice": 95}, "stopLossPrice": 90})

    assert driver.gateway.routes == ["POST /oms/commands"]


def test_a_stop_loss_price_goes_to_the_venue_where_the_server_has_no_order_options(make_driver: Any) -> None:
    """As `stop_price` such a server would take it for a trigger without direction."""
    driver = make_driver(features=("rows_in_results",)).ready()
    payload = sent_payload(driver, *LIMIT, {"stopLossPrice": 95.001, "x": 1})

    assert "stop_price" not in payload
    assert payload["params"] == {"stopLossPrice": "95", "x": 1}


@pytest.mark.parametrize("name", ["stopLoss", "takeProfit"])
def test_a_stop_that_nobody_enforces_is_refused_before_anything_is_sent(make_driver: Any, name: str) -> None:
    features = tuple(feature for feature in ALL_FEATURES if feature != "stops_enforced")
    driver = make_driver(features=features).ready()

    with pytest.raises(ccxt.NotSupported, match="nobody enforces"):
        driver.call("create_order", *LIMIT, {name: {"triggerPrice": 95}})
    assert driver.gateway.routes == []


def test_a_stop_that_nobody_enforces_may_be_left_to_the_venue(make_driver: Any) -> None:
    driver = make_driver(features=("rows_in_results",), options={"unenforced_stops": "venue"}).ready()
    stop = {"triggerPrice": 95, "price": 94}
    payload = sent_payload(driver, *LIMIT, {"stopLoss": stop})

    assert payload["params"] == {"stopLoss": stop}
    assert "oms_stop_loss" not in payload


@pytest.mark.parametrize(
    "stop, expected",
    [
        ({"triggerPrice": 95, "price": 94}, ccxt.NotSupported),
        ({"triggerPrice": 95, "type": "limit"}, ccxt.NotSupported),
        ({"triggerPrice": 95, "trailingAmount": 1}, ccxt.NotSupported),
        ({"triggerPrice": 95, "amount": 1}, ccxt.NotSupported),
        ({}, ccxt.InvalidOrder),
        ({"type": "market"}, ccxt.InvalidOrder),
        (95, ccxt.InvalidOrder),
        ({"triggerPrice": "x"}, ccxt.InvalidOrder),
        ({"triggerPrice": -1}, ccxt.InvalidOrder),
    ],
    ids=str,
)
def test_an_attached_stop_that_cannot_be_honoured_is_refused(
    driver: Driver, stop: Any, expected: type[ccxt.BaseError]
) -> None:
    for name in ("stopLoss", "takeProfit"):
        with pytest.raises(expected, match=name):
            driver.call("create_order", *LIMIT, {name: stop})
    assert driver.gateway.routes == []


# -- what is refused before anything is sent

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    "args, expected",
    [
        (("BTC/USDT", "limit", "buy", 2), ccxt.ArgumentsRequired),
        (("BTC/USDT", "limit", "buy", 2, None), ccxt.ArgumentsRequired),
        (("BTC/USDT", "limit", "buy", 2, 0), ccxt.InvalidOrder),
        (("BTC/USDT", "limit", "buy", 2, -1), ccxt.InvalidOrder),
        (("BTC/USDT", "limit", "buy", 2, "x"), ccxt.InvalidOrder),
        (("BTC/USDT", "limit", "buy", 2, NAN), ccxt.InvalidOrder),
        (("BTC/USDT", "limit", "buy", 2, 0.001), ccxt.InvalidOrder),
        (("BTC/USDT", "limit", "buy", 2, 2_000_000), ccxt.InvalidOrder),
        (("BTC/USDT", "limit", "buy", 0.01, 100), ccxt.InvalidOrder),  # the cost is below 5
        (("BTC/USDT", "market", "buy", -2), ccxt.InvalidOrder),
        (("BTC/USDT", "market", "buy", 0), ccxt.InvalidOrder),
        (("BTC/USDT", "market", "buy", None), ccxt.InvalidOrder),
        (("BTC/USDT", "market", "buy", "much"), ccxt.InvalidOrder),
        (("BTC/USDT", "market", "buy", True), ccxt.InvalidOrder),
        (("BTC/USDT", "market", "buy", NAN), ccxt.InvalidOrder),
        (("BTC/USDT", "market", "buy", INFINITY), ccxt.InvalidOrder),
        (("BTC/USDT", "market", "buy", 0.00001), ccxt.InvalidOrder),
        (("BTC/USDT", "market", "buy", 1001), ccxt.InvalidOrder),
        (("BTC/USDT", "market", "long", 2), ccxt.InvalidOrder),
        (("BTC/USDT", "market", None, 2), ccxt.InvalidOrder),
        (("BTC/USDT", "market", "", 2), ccxt.InvalidOrder),
        (("BTC/USDT", None, "buy", 2), ccxt.InvalidOrder),
        (("BTC/USDT", "", "buy", 2), ccxt.InvalidOrder),
        (("BTC/USDT", "x" * 17, "buy", 2), ccxt.InvalidOrder),
        (("DOGE/USDT", "market", "buy", 2), ccxt.BadSymbol),
        (("btc/usdt", "market", "buy", 2), ccxt.BadSymbol),
        (("", "market", "buy", 2), ccxt.BadSymbol),
        ((None, "market", "buy", 2), ccxt.ArgumentsRequired),
        ((7, "market", "buy", 2), ccxt.BadSymbol),
        ((["BTC/USDT"], "market", "buy", 2), ccxt.BadSymbol),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_before_anything_is_sent(
    driver: Driver, args: tuple[Any, ...], expected: type[ccxt.BaseError]
) -> None:
    with pytest.raises(expected) as raised:
        driver.call("create_order", *args)

    assert not isinstance(raised.value, ccxt.NetworkError)
    assert driver.gateway.routes == []


@pytest.mark.parametrize(
    "params, expected",
    [
        ({"timeInForce": "DAY"}, ccxt.InvalidOrder),
        ({"timeInForce": "IOC", "postOnly": True}, ccxt.InvalidOrder),
        ({"timeInForce": "FOK", "postOnly": True}, ccxt.InvalidOrder),
        ({"postOnly": "yes"}, ccxt.InvalidOrder),
        ({"reduceOnly": 1}, ccxt.InvalidOrder),
        ({"triggerPrice": -1}, ccxt.InvalidOrder),
        ({"triggerPrice": "x"}, ccxt.InvalidOrder),
        ({"stopLossPrice": 0}, ccxt.InvalidOrder),
        ({"takeProfitPrice": NAN}, ccxt.InvalidOrder),
        ({"trailingAmount": 0}, ccxt.InvalidOrder),
        ({"trailingPercent": "x"}, ccxt.InvalidOrder),
        ({"clientOrderId": ""}, ccxt.InvalidOrder),
        ({"clientOrderId": "  "}, ccxt.InvalidOrder),
        ({"clientOrderId": "x" * 129}, ccxt.InvalidOrder),
        ({"comment": "x" * 256}, ccxt.InvalidOrder),
        ({"comment": 7}, ccxt.InvalidOrder),
        ({"reason": "x" * 33}, ccxt.InvalidOrder),
        ({"strategy_id": -1}, ccxt.BadRequest),
        ({"strategy_id": "x"}, ccxt.BadRequest),
        ({"strategy_id": True}, ccxt.BadRequest),
        ({"position_id": 1.5}, ccxt.BadRequest),
        ({"account_id": 0}, ccxt.BadRequest),
        ({"x": NAN}, ccxt.BadRequest),
        ({"x": {1}}, ccxt.BadRequest),
        ({"x": int}, ccxt.BadRequest),
    ],
    ids=str,
)
def test_bad_params_are_refused_before_anything_is_sent(
    driver: Driver, params: dict[str, Any], expected: type[ccxt.BaseError]
) -> None:
    with pytest.raises(expected):
        driver.call("create_order", *LIMIT, params)

    assert driver.gateway.routes == []


def test_a_market_order_cannot_be_post_only(driver: Driver) -> None:
    for params in ({"postOnly": True}, {"timeInForce": "PO"}):
        with pytest.raises(ccxt.InvalidOrder, match="post-only"):
            driver.call("create_order", *MARKET, None, params)
    assert driver.gateway.routes == []


# -- other accounts, strategies and spellings


def test_the_options_strategy_is_the_default_and_params_override_it(make_driver: Any) -> None:
    driver = make_driver(options={"strategy_id": 5}).ready()

    assert sent_payload(driver, *LIMIT)["strategy_id"] == 5
    assert sent_payload(driver, *LIMIT, {"strategy_id": 6})["strategy_id"] == 6


def test_another_account_may_be_named_in_params(driver: Driver) -> None:
    sent_payload(driver, *LIMIT, {"account_id": 2})

    assert driver.gateway.command["account_id"] == 2


def test_both_spellings_and_ccxts_helpers_place_the_same_order(driver: Driver) -> None:
    expected = sent_payload(driver, *LIMIT)
    for name, args in (
        ("createOrder", LIMIT),
        ("create_limit_buy_order", ("BTC/USDT", 2, 100)),
        ("createLimitOrder", ("BTC/USDT", "buy", 2, 100)),
    ):
        driver.gateway.sent.clear()
        driver.call(name, *args)
        payload = {key: value for key, value in driver.gateway.payload.items() if key != "client_order_id"}
        assert payload == expected, name


def test_number_str_gives_texts(make_driver: Any) -> None:
    driver = make_driver(number=str).ready()
    driver.gateway.on_command(order=filled_row(), deals=[deal_row()])
    order = driver.call("create_order", *LIMIT)

    assert (order["amount"], order["average"], order["cost"]) == ("2", "99.5", "199")
    assert order["fee"]["cost"] == "0.199"


def test_a_decimal_for_the_venue_is_sent_as_a_text(driver: Driver) -> None:
    payload = sent_payload(driver, *LIMIT, {"leverage": Decimal("2.50"), "deep": {"list": [Decimal("1E-8")]}})

    assert payload["params"] == {"leverage": "2.5", "deep": {"list": ["0.00000001"]}}


def test_a_tick_size_of_zero_says_nothing(driver: Driver) -> None:
    """Some venues send 0 for what they do not know; dividing by it would end in a bare error."""
    driver.exchange.markets["BTC/USDT"]["precision"] = {"amount": 0, "price": 0.0}
    driver.gateway.on_command(order=order_row())

    driver.call("create_order", "BTC/USDT", "limit", "buy", "0.123456789", "100.123456789")
    assert (driver.gateway.payload["qty"], driver.gateway.payload["price"]) == (
        "0.123456789",
        "100.123456789",
    )


@pytest.mark.parametrize("name", ["test", "validate"])
def test_a_rehearsal_is_never_placed(driver: Driver, name: str) -> None:
    """As ccxt has it: `params["test"]` checks an order at binance and places none."""
    with pytest.raises(ccxt.NotSupported, match=f"{name}: .*canExecuteOrder"):
        driver.call("create_order", *LIMIT, {name: True})
    order = dict(zip(("symbol", "type", "side", "amount", "price"), LIMIT, strict=True))
    with pytest.raises(ccxt.NotSupported, match=name):
        driver.call("create_orders", [{**order, "params": {name: True}}])

    assert driver.gateway.sent == []
    assert sent_payload(driver, *LIMIT, {name: False})["qty"] == "2"


@pytest.mark.parametrize("name", ["reduceOnly", "reduce_only"])
def test_the_rest_of_a_position_may_be_worth_less_than_an_order(driver: Driver, name: str) -> None:
    small = ("BTC/USDT", "limit", "sell", 0.01, 100)  # the least cost is 5
    assert sent_payload(driver, *small, {name: True})["qty"] == "0.01"
    assert (
        sent_payload(driver, "BTC/USDT", "market", "sell", None, None, {name: True, "cost": 1})["cost"] == "1"
    )
    for params in ({name: False}, {name: None}, {}):
        with pytest.raises(ccxt.InvalidOrder, match="cost: 1 of BTC/USDT is below its minimum"):
            driver.call("create_order", *small, params)
