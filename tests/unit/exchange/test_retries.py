"""A read that fails for a moment is sent again; what may have an effect is sent once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from tests.helpers.gateway_stub import Driver, Gateway
from tests.helpers.loopback_server import Failure, Fault, LoopbackServer, serving
from tests.helpers.oms_rows import order_row, position_row
from tests.helpers.virtual_time import VirtualTime, answers

pytestmark = pytest.mark.oldest

OPEN_ORDERS = "GET /oms/orders/open"
COMMANDS = "POST /oms/commands"
EMPTY = {"items": []}
GONE = (503, "<html>nobody is there</html>")
LIMIT = ("BTC/USDT", "limit", "buy", 2, 100)


def error(code: str, **details: Any) -> dict[str, Any]:
    return {"detail": {"code": code, "message": "no", "details": details}}


def failure_of(driver: Driver, *args: Any, **kwargs: Any) -> Any:
    with pytest.raises(ccxt.BaseError) as raised:
        driver.call(*args, **kwargs)
    return raised.value


@pytest.fixture
def make(make_driver: Any) -> Any:
    """Make a driver that sends reads again, and its clock; no circuit gets in the way."""

    def made(**options: Any) -> tuple[Driver, VirtualTime]:
        driver = make_driver(options={"retries": 2, "circuit_failures": 0, **options}).ready()
        return driver, VirtualTime(driver)

    return made


@pytest.mark.parametrize(
    "answer",
    [
        GONE,
        (500, "boom"),
        (502, error("dispatcher_error")),
        (502, error("exchange_error", ccxt_error="NetworkError")),
        (502, error("exchange_error", ccxt_error="DDoSProtection")),
        (504, error("dispatcher_timeout")),
        (504, "late"),
        (429, error("rate_limited")),
        (200, '{"items": [{"id": 1'),
        (200, "<html>It works!</html>"),
        (200, ""),
    ],
    ids=range(11),
)
def test_what_may_pass_is_sent_again(make: Any, answer: Any) -> None:
    driver, clock = make()
    driver.gateway.on(OPEN_ORDERS, answers(answer, EMPTY))

    assert driver.call("fetch_open_orders") == []
    assert driver.gateway.routes == [OPEN_ORDERS] * 2
    assert driver.gateway.sent[0] == driver.gateway.sent[1]
    assert len(clock.slept) == 1
    assert 100 <= clock.slept[0] <= 200


@pytest.mark.parametrize(
    "answer",
    [
        (401, error("invalid_api_key")),
        (403, error("permission_denied")),
        (404, {"detail": "Not Found"}),
        (409, error("conflict")),
        (422, error("validation_error")),
        (500, error("internal_error")),
        (502, error("exchange_error")),
        (502, error("exchange_error", ccxt_error="InvalidOrder")),
        (502, error("exchange_error", ccxt_error="AuthenticationError")),
        (502, error("exchange_error", ccxt_error="BadResponse")),
        (302, ""),
    ],
    ids=range(11),
)
def test_what_stays_is_not(make: Any, answer: Any) -> None:
    driver, clock = make()
    driver.gateway.on("GET /oms/accounts", answer)
    failure_of(driver, "private_get_oms_accounts")

    assert driver.gateway.routes == ["GET /oms/accounts"]
    assert clock.slept == []


def test_the_last_failure_is_raised(make: Any) -> None:
    driver, clock = make()
    driver.gateway.on(OPEN_ORDERS, answers(GONE, (500, "boom"), (504, "late")))
    raised = failure_of(driver, "fetch_open_orders")

    assert type(raised) is ccxt.RequestTimeout
    assert driver.gateway.routes == [OPEN_ORDERS] * 3
    assert 100 <= clock.slept[0] <= 200 <= clock.slept[1] <= 300


def test_a_refusal_ends_it(make: Any) -> None:
    driver, _ = make()
    driver.gateway.on(OPEN_ORDERS, answers(GONE, (401, error("invalid_api_key")), EMPTY))

    assert type(failure_of(driver, "fetch_open_orders")) is ccxt.AuthenticationError
    assert driver.gateway.routes == [OPEN_ORDERS] * 2


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_the_user_says_how_often(make: Any, retries: int) -> None:
    driver, _ = make(retries=retries)
    driver.gateway.on(OPEN_ORDERS, GONE)
    failure_of(driver, "fetch_open_orders")

    assert len(driver.gateway.routes) == 1 + retries


def test_the_default_is_two_further_attempts(make_driver: Any) -> None:
    driver = make_driver(options={"retries": None}).ready()
    VirtualTime(driver)
    driver.gateway.on(OPEN_ORDERS, GONE)
    failure_of(driver, "fetch_open_orders")

    assert len(driver.gateway.routes) == 3


def test_pauses_grow_up_to_the_longest(make: Any) -> None:
    driver, clock = make(retries=8, retry_max_delay=500)
    driver.gateway.on(OPEN_ORDERS, GONE)
    failure_of(driver, "fetch_open_orders")

    assert clock.slept == sorted(clock.slept)
    assert max(clock.slept) == 500
    assert len(clock.slept) == 8


def test_no_attempt_begins_after_the_time_out(make: Any) -> None:
    driver, clock = make(retries=100)
    driver.exchange.timeout = 5_000
    began = clock.now_ms

    def slow(sent: Any) -> Any:
        assert clock.now_ms < began + 5_000
        clock.pass_by(700)
        return GONE

    driver.gateway.on(OPEN_ORDERS, slow)
    failure_of(driver, "fetch_open_orders")

    assert 3 <= len(driver.gateway.routes) <= 6
    assert clock.now_ms <= began + 5_700


def test_a_server_that_says_when_is_asked_then(make: Any) -> None:
    driver, clock = make()
    later = (429, error("rate_limited"), {"Retry-After": "3"})
    driver.gateway.on(OPEN_ORDERS, answers(later, GONE, EMPTY))

    assert driver.call("fetch_open_orders") == []
    assert clock.slept[0] == 3_000
    assert 200 <= clock.slept[1] <= 300


def test_a_server_that_says_now_is_given_a_moment(make: Any) -> None:
    driver, clock = make()
    driver.gateway.on(OPEN_ORDERS, answers((503, "", {"Retry-After": "0"}), EMPTY))
    driver.call("fetch_open_orders")

    assert clock.slept[0] >= 100


def test_a_limit_for_longer_than_the_time_out_is_told_at_once(make: Any) -> None:
    driver, clock = make()
    driver.gateway.on(OPEN_ORDERS, (429, error("rate_limited"), {"Retry-After": "11"}))
    raised = failure_of(driver, "fetch_open_orders")

    assert type(raised) is ccxt.RateLimitExceeded
    assert raised.retry_after == 11
    assert clock.slept == []
    assert driver.gateway.routes == [OPEN_ORDERS]


# -- what is a read


def ccxt_calls(*functions: str) -> list[dict[str, Any]]:
    return [{"account_id": 1, "func": function, "args": []} for function in functions]


@pytest.mark.parametrize(
    "route, call",
    [
        ("POST /oms/reconcile", ("reconcile",)),
        ("POST /oms/cache/clear", ("private_post_oms_cache_clear", {})),
        ("POST /ccxt/1/fetch_ticker", ("call_ccxt", "fetch_ticker", ["BTC/USDT"])),
        ("POST /ccxt/1/fetchOHLCV", ("call_ccxt", "fetchOHLCV", ["BTC/USDT"])),
        ("POST /ccxt/commands", ("private_post_ccxt_commands", ccxt_calls("fetch_ticker", "fetchTrades"))),
        ("GET /oms/reconcile/status", ("private_get_oms_reconcile_status",)),
        ("GET /healthz", ("fetch_status",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_posts_that_read_are_reads(make: Any, route: str, call: Any) -> None:
    driver, _ = make()
    driver.gateway.on(route, GONE)
    failure_of(driver, *call)

    assert driver.gateway.routes == [route] * 3


EVERYTHING = {"allow_venue_orders": True, "allow_money_movement": True}


@pytest.mark.parametrize("ccxts", [{}, {"maxRetriesOnFailure": 3}], ids=["", "as ccxt"])
@pytest.mark.parametrize(
    "route, call",
    [
        (COMMANDS, ("create_order", *LIMIT)),
        (COMMANDS, ("private_post_oms_commands", {"account_id": 1, "command": "send_order", "payload": {}})),
        ("POST /oms/reassign", ("reassign", [11], 2)),
        ("POST /strategies", ("create_strategy", "a name")),
        ("POST /oms/accounts/1/deposit", ("private_post_oms_accounts_account_id_deposit", {"account_id": 1})),
        (
            "POST /oms/accounts/1/withdraw",
            ("private_post_oms_accounts_account_id_withdraw", {"account_id": 1}),
        ),
        ("POST /oms/risk/1/status", ("private_post_oms_risk_account_id_status", {"account_id": 1})),
        ("POST /ccxt/1/create_order", ("call_ccxt", "create_order", ["BTC/USDT"])),
        ("POST /ccxt/1/set_leverage", ("call_ccxt", "set_leverage", [2, "BTC/USDT"])),
        ("POST /ccxt/1/withdraw", ("call_ccxt", "withdraw", ["BTC"])),
        ("POST /ccxt/1/privateGetBuy", ("call_ccxt", "privateGetBuy", [])),
        ("POST /ccxt/commands", ("private_post_ccxt_commands", ccxt_calls("fetch_ticker", "set_leverage"))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_everything_else_is_sent_once(make: Any, route: str, call: Any, ccxts: Any) -> None:
    driver, clock = make(**EVERYTHING, **ccxts)
    driver.gateway.on(route, (503, error("engine_unavailable")))
    failure_of(driver, *call)

    assert driver.gateway.routes == [route]
    assert clock.slept == []


@pytest.mark.parametrize(
    "answer", [GONE, (429, error("rate_limited"), {"Retry-After": "0"}), (200, "garbage"), (504, "late")]
)
def test_a_command_is_sent_once_whatever_it_is_answered(make: Any, answer: Any) -> None:
    driver, _ = make(maxRetriesOnFailure=3)
    driver.gateway.on(COMMANDS, answer)
    failure_of(driver, "create_order", *LIMIT, {"maxRetriesOnFailure": 3})

    assert driver.gateway.routes == [COMMANDS]


def test_older_servers_are_asked_again_too(make: Any) -> None:
    driver, _ = make(contract="position")
    driver.gateway.on("POST /position/reconcile", answers(GONE, {"status": "ok"}))

    assert driver.call("reconcile") == {"status": "ok"}
    assert driver.gateway.routes == ["POST /position/reconcile"] * 2


# -- ccxt's own setting


def test_ccxts_own_option_stands_for_ours(make: Any) -> None:
    driver, _ = make(maxRetriesOnFailure=4)
    driver.gateway.on(OPEN_ORDERS, GONE)
    failure_of(driver, "fetch_open_orders")

    assert len(driver.gateway.routes) == 5


def test_ccxts_own_parameter_stands_for_ours_and_is_not_passed_on(make: Any) -> None:
    driver, _ = make()
    driver.gateway.on(OPEN_ORDERS, GONE)
    failure_of(driver, "private_get_oms_orders_open", {"account_ids": 1, "maxRetriesOnFailure": 1})
    assert [sent.query for sent in driver.gateway.sent] == [{"account_ids": "1"}] * 2

    driver.gateway.sent.clear()
    driver.gateway.on("POST /ccxt/1/fetch_ticker", GONE)
    failure_of(driver, "fetch_ticker", "BTC/USDT", {"maxRetriesOnFailure": 4, "own": 1})
    assert len(driver.gateway.routes) == 5
    assert driver.gateway.sent[0].body["kwargs"] == {"params": {"own": 1}}


RETRIES = {"maxRetriesOnFailure": 3, "maxRetriesOnFailureDelay": 10}


@pytest.mark.parametrize("own", [{}, {"own": 1}], ids=["alone", "beside others"])
@pytest.mark.parametrize("call", ["create_order", "create_orders", "close_position"])
def test_no_order_takes_ccxts_retries_to_the_venue(make: Any, call: str, own: Any) -> None:
    """ccxt's class there would obey them, and send the order again after a time-out."""
    driver, _ = make()
    gateway = driver.gateway
    gateway.on("GET /oms/positions/open", {"items": [position_row(id=5, symbol="BTC/USDT")]})
    gateway.on_command(order=order_row())
    params = {**own, **RETRIES}
    names = ("symbol", "type", "side", "amount", "price")
    arguments: dict[str, tuple[Any, ...]] = {
        "create_order": (*LIMIT, params),
        "create_orders": ([{**dict(zip(names, LIMIT, strict=True)), "params": own}], RETRIES),
        "close_position": ("BTC/USDT", None, params),
    }
    driver.call(call, *arguments[call])

    sent = gateway.sent[-1].body
    (command,) = sent if isinstance(sent, list) else [sent]
    assert command["payload"].get("params", {}) == own


def test_no_call_to_the_venue_takes_them_along_in_its_arguments(make: Any) -> None:
    driver, _ = make(**EVERYTHING)
    gateway = driver.gateway
    gateway.on("POST /ccxt/1/create_order", {"ok": True, "result": {}})
    driver.call("call_ccxt", "create_order", *LIMIT, {"own": 1, **RETRIES})
    assert gateway.sent[-1].body == {"args": [*LIMIT, {"own": 1}], "kwargs": {}}

    gateway.on("POST /ccxt/commands", {"results": [{"index": 0, "ok": True, "result": {}}]})
    driver.call("ccxt_commands", [{"func": "create_order", "args": [*LIMIT], "kwargs": {"params": RETRIES}}])
    assert gateway.sent[-1].body[0]["kwargs"] == {"params": {}}


@pytest.mark.parametrize(
    "option, value",
    [("retries", -1), ("retries", "two"), ("retry_max_delay", 1.5), ("maxRetriesOnFailure", "many")],
)
def test_a_setting_that_makes_no_sense_is_named(make: Any, option: str, value: Any) -> None:
    driver, _ = make()
    driver.exchange.options[option] = value
    driver.gateway.on(OPEN_ORDERS, GONE)
    with pytest.raises(ccxt.BadRequest, match=option):
        driver.call("fetch_open_orders")


# -- where there is nothing to send again


def test_the_oms_in_this_process_is_asked_once() -> None:
    asked = []

    def handle(*request: Any) -> Any:
        asked.append(request)
        return SimpleNamespace(status=503, body=error("engine_unavailable"))

    exchange = OmsCcxtExchange({"options": {"oms": SimpleNamespace(handle=handle)}})
    with pytest.raises(ccxt.ExchangeNotAvailable):
        exchange.private_get_oms_accounts()

    assert len(asked) == 1


def test_nothing_is_imported_before_something_fails() -> None:
    code = "import sys, ccxt_driver, ccxt_driver.async_support; ccxt_driver.OmsCcxtExchange(); "
    code += "ccxt_driver.async_support.OmsCcxtExchange(); print('tenacity' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


# -- on a network


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with serving(Gateway()) as running:
        yield running


@pytest.mark.sockets
@pytest.mark.parametrize("fault", [Fault.CLOSE, Fault.RESET, Fault.HALF_ANSWER], ids=lambda each: each.name)
@pytest.mark.parametrize("way", ["short", "ccxt"])
def test_a_broken_connection_costs_a_read_a_moment(
    connect: Any, server: LoopbackServer, fault: Fault, way: str
) -> None:
    driver = connect(server.gateway, server.url, options={"retries": 2, "retry_max_delay": 1}).ready()
    if way == "ccxt":
        driver.exchange.httpProxyCallback = lambda *args: None
        if not driver.exchange.synchronous and fault is Fault.HALF_ANSWER:
            pytest.skip("ccxt calls it an ExchangeError, of which nobody knows what it is")

    def fail_first(sent: Any) -> Any:
        if len([each for each in server.gateway.sent if each.route == OPEN_ORDERS]) == 1:
            raise Failure(fault)
        return EMPTY

    server.gateway.on(OPEN_ORDERS, fail_first)

    assert driver.call("fetch_open_orders") == []


@pytest.mark.sockets
def test_a_broken_connection_leaves_a_command_unknown(connect: Any, server: LoopbackServer) -> None:
    driver = connect(server.gateway, server.url, options={"retries": 5}).ready()
    server.gateway.on(COMMANDS, Failure(Fault.CLOSE))

    assert failure_of(driver, "create_order", *LIMIT).outcome == "unknown"
    assert server.gateway.routes == [COMMANDS]
