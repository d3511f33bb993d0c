"""A command is sent once, and its failure says whether it was refused, never sent, or may have worked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import Driver, Gateway
from tests.helpers.loopback_server import Failure, Fault, LoopbackServer, serving
from tests.helpers.oms_rows import order_row

pytestmark = pytest.mark.oldest

LIMIT = ("BTC/USDT", "limit", "buy", 2, 100)
MINE = {"clientOrderId": "mine"}


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with serving(Gateway()) as running:
        yield running


@pytest.fixture
def connected(connect: Any, server: LoopbackServer) -> Driver:
    driver: Driver = connect(server.gateway, server.url, timeout=10_000)
    return driver.ready()


def failure_of(driver: Driver, *args: Any, **kwargs: Any) -> Any:
    with pytest.raises(ccxt.BaseError) as raised:
        driver.call(*args, **kwargs)
    return raised.value


@pytest.mark.sockets
@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
def test_a_connection_that_fails_after_sending_leaves_the_outcome_unknown(
    connected: Driver, fault: Fault
) -> None:
    connected.exchange.options["maxRetriesOnFailure"] = 5
    connected.exchange.timeout = 150 if fault is Fault.SILENCE else 10_000
    connected.gateway.on("POST /oms/commands", Failure(fault))
    error = failure_of(connected, "create_order", *LIMIT, MINE)

    assert isinstance(error, ccxt.RequestTimeout)
    assert (error.outcome, error.client_order_id) == ("unknown", "mine")
    assert "mine" in str(error)
    assert connected.gateway.routes == ["POST /oms/commands"]  # once


@pytest.mark.sockets
def test_a_gateway_that_is_down_was_not_sent_the_command(connect: Any, server: LoopbackServer) -> None:
    options = {"maxRetriesOnFailure": 5, "share_markets": True}
    connect(server.gateway, server.url, options=options).ready()
    driver = connect(server.gateway, server.url, options=options).ready()  # has not connected yet
    server.stop()
    error = failure_of(driver, "create_order", *LIMIT, MINE)

    assert isinstance(error, ccxt.NetworkError)
    assert not isinstance(error, ccxt.RequestTimeout)
    assert (error.outcome, error.client_order_id) == ("not_sent", "mine")


@pytest.mark.sockets
def test_an_earlier_refused_connection_does_not_make_a_lost_command_look_unsent(
    connect: Any, server: LoopbackServer
) -> None:
    """A program that places an order while it handles an outage: the two must not be mixed up."""
    with serving(Gateway()) as gone:
        down = connect(gone.gateway, gone.url)
    driver = connect(server.gateway, server.url).ready()
    driver.gateway.on("POST /oms/commands", Failure(Fault.CLOSE))
    try:
        down.call("fetch_status")
    except ccxt.NetworkError:
        error = failure_of(driver, "create_order", *LIMIT, MINE)
    else:
        pytest.fail("the first gateway is down")

    assert isinstance(error, ccxt.RequestTimeout)
    assert error.outcome == "unknown"


@pytest.mark.sockets
def test_a_redirect_of_a_command_is_not_followed(connected: Driver, server: LoopbackServer) -> None:
    """The order would be posted, with the key, to wherever a proxy points."""
    elsewhere = f"{server.url}/elsewhere"
    connected.gateway.on("POST /oms/commands", (307, {}, {"Location": elsewhere}))
    connected.gateway.on("POST /elsewhere", {"results": [{"index": 0, "ok": True, "order_id": 1}]})
    error = failure_of(connected, "create_order", *LIMIT, MINE)

    assert connected.gateway.routes == ["POST /oms/commands"]
    assert not isinstance(error, ccxt.OperationFailed)


GARBAGE: list[Any] = [
    "",
    "<html>welcome to the hotel's network</html>",
    "null",
    "[]",
    "7",
    "{}",
    '{"results": []}',
    '{"results": {}}',
    '{"results": [1]}',
    '{"results": [{"ok": true}, {"ok": true}]}',
    '{"results": [{"ok": true}]}',
    '{"results": [{"ok": 1, "order_id": 11',
]


@pytest.mark.parametrize("text", GARBAGE)
@pytest.mark.parametrize("status", [200, 207])
def test_garbage_in_answer_to_a_command_leaves_the_outcome_unknown(
    driver: Driver, text: str, status: int
) -> None:
    driver.gateway.on("POST /oms/commands", (status, text))
    error = failure_of(driver, "create_order", *LIMIT, MINE)

    assert isinstance(error, ccxt.RequestTimeout)
    assert (error.outcome, error.client_order_id) == ("unknown", "mine")
    assert driver.gateway.routes == ["POST /oms/commands"]


@pytest.mark.parametrize(
    "status, body",
    [
        (500, "Internal Server Error"),
        (500, {"detail": {"code": "internal_error", "message": "boom"}}),
        (502, "<html>Bad Gateway</html>"),
        (502, {"detail": {"code": "dispatcher_error", "message": "database unavailable"}}),
        (502, {"detail": {"code": "exchange_error", "details": {"ccxt_error": "RequestTimeout"}}}),
        (502, {"detail": {"code": "exchange_error", "details": {"ccxt_error": "ExchangeNotAvailable"}}}),
        (503, "busy"),
        (504, "<html>Gateway Timeout</html>"),
        (504, {"detail": {"code": "exchange_timeout"}}),
        (504, {"detail": {"code": "dispatcher_timeout"}}),
        (520, ""),
        (408, "Request Timeout"),
        (400, {"detail": {"code": "dispatcher_timeout"}}),
        (400, {"detail": {"code": "dispatcher_empty_response"}}),
    ],
    ids=str,
)
def test_an_error_that_may_come_after_the_deed_is_unknown(driver: Driver, status: int, body: Any) -> None:
    driver.gateway.on("POST /oms/commands", (status, body))
    error = failure_of(driver, "create_order", *LIMIT, MINE)

    assert isinstance(error, ccxt.RequestTimeout)
    assert (error.outcome, error.client_order_id, error.http_status) == ("unknown", "mine", status)


@pytest.mark.parametrize(
    "status, code, expected",
    [
        (401, "invalid_api_key", ccxt.AuthenticationError),
        (409, "risk_blocked", ccxt.OperationRejected),
        (409, "duplicate_client_order_id", ccxt.DuplicateOrderId),
        (422, "insufficient_funds", ccxt.InsufficientFunds),
        (422, "validation_error", ccxt.InvalidOrder),
        (429, "rate_limited", ccxt.RateLimitExceeded),
        (503, "engine_unavailable", ccxt.ExchangeNotAvailable),
    ],
)
def test_a_refusal_says_so(driver: Driver, status: int, code: str, expected: type[ccxt.BaseError]) -> None:
    driver.gateway.refuse(status, code)
    error = failure_of(driver, "create_order", *LIMIT, MINE)

    assert type(error) is expected
    assert (error.outcome, error.client_order_id, error.code) == ("refused", "mine", code)
    assert "req-7" in str(error)
    assert driver.gateway.routes == ["POST /oms/commands"]


def test_a_refusal_inside_a_result_says_so_too(driver: Driver) -> None:
    refusal = {"code": "risk_blocked", "message": "too large", "request_id": "req-9"}
    result = {"index": 0, "ok": False, "command_id": None, "order_id": None, "error": refusal}
    driver.gateway.on("POST /oms/commands", (207, {"results": [result]}))
    error = failure_of(driver, "create_order", *LIMIT, MINE)

    assert type(error) is ccxt.OperationRejected
    assert (error.outcome, error.code) == ("refused", "risk_blocked")


@pytest.mark.parametrize("ok", [None, "true", 1, 0, "false"])
def test_a_result_that_does_not_say_whether_it_worked_is_no_refusal(driver: Driver, ok: Any) -> None:
    result = {"index": 0, "ok": ok, "order_id": 11, "error": None}
    driver.gateway.on("POST /oms/commands", {"results": [result]})
    error = failure_of(driver, "create_order", *LIMIT, MINE)

    assert type(error) is ccxt.RequestTimeout
    assert (error.outcome, error.client_order_id) == ("unknown", "mine")


def test_an_internal_error_that_an_older_gateway_sends_as_400_is_no_outage(driver: Driver) -> None:
    """It is what such a gateway makes of every refusal of the venue; nobody knows of which."""
    driver.gateway.refuse(400, "internal_error")
    error = failure_of(driver, "create_order", *LIMIT, MINE)

    assert type(error) is ccxt.ExchangeError
    assert (error.outcome, error.client_order_id) == ("unknown", "mine")


@pytest.mark.parametrize("name, args", [("cancel_order", ("11",)), ("edit_order", ("11", *LIMIT))])
def test_other_commands_fail_the_same_way(driver: Driver, name: str, args: tuple[Any, ...]) -> None:
    driver.gateway.on("GET /oms/orders/11", {"items": [order_row()]})
    driver.gateway.on("POST /oms/commands", (504, "late"))
    error = failure_of(driver, name, *args)

    assert isinstance(error, ccxt.RequestTimeout)
    assert (error.outcome, error.client_order_id) == ("unknown", None)
    assert driver.gateway.routes.count("POST /oms/commands") == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_command_is_sent_once_whatever_the_retries_say(make_driver: Any, status: int) -> None:
    driver = make_driver(options={"maxRetriesOnFailure": 3, "maxRetriesOnFailureDelay": 1}).ready()
    driver.gateway.on("POST /oms/commands", (status, "no"))
    failure_of(driver, "create_order", *LIMIT)

    assert driver.gateway.routes == ["POST /oms/commands"]


def test_a_read_is_retried_as_the_user_asks(make_driver: Any) -> None:
    driver = make_driver(options={"maxRetriesOnFailure": 2, "maxRetriesOnFailureDelay": 1}).ready()
    driver.gateway.on("GET /oms/orders/open", (503, "no"))
    error = failure_of(driver, "fetch_open_orders")

    assert isinstance(error, ccxt.ExchangeNotAvailable)
    assert driver.gateway.routes == ["GET /oms/orders/open"] * 3


def test_the_generated_id_of_a_lost_order_is_told(driver: Driver) -> None:
    driver.gateway.on("POST /oms/commands", (504, "late"))
    error = failure_of(driver, "create_order", *LIMIT)

    assert error.client_order_id == driver.gateway.payload["client_order_id"]
    assert error.client_order_id in str(error)


def test_a_check_of_ours_is_never_an_unknown_outcome(make_driver: Any) -> None:
    driver = make_driver().ready()
    driver.exchange.apiKey = ""
    error = failure_of(driver, "create_order", *LIMIT, MINE)

    assert type(error) is ccxt.AuthenticationError
    assert (error.outcome, error.client_order_id) == ("not_sent", "mine")
    assert driver.gateway.routes == []
