"""Every answer of an OMS as the ccxt exception that the documentation promises.

The tables are written from the contract and from the issue's text, not from the module.
"""

from __future__ import annotations

import json
from typing import Any

import ccxt
import pytest

from ccxt_driver.contract.codes import HTTP_STATUS, ErrorCode
from ccxt_driver.errors import CODES, command_of, error_from_detail, error_from_response, garbage

pytestmark = pytest.mark.oldest

CLASS_OF_CODE: dict[str, type[ccxt.BaseError]] = {
    "missing_api_key": ccxt.AuthenticationError,
    "invalid_api_key": ccxt.AuthenticationError,
    "permission_denied": ccxt.PermissionDenied,
    "admin_read_only": ccxt.PermissionDenied,
    "strategy_permission_denied": ccxt.PermissionDenied,
    "account_not_found": ccxt.AccountNotEnabled,
    "account_blocked": ccxt.AccountSuspended,
    "order_not_found": ccxt.OrderNotFound,
    "position_not_found": ccxt.OperationRejected,
    "deal_not_found": ccxt.BadRequest,
    "strategy_not_found": ccxt.BadRequest,
    "risk_blocked": ccxt.OperationRejected,
    "conflict": ccxt.OperationRejected,
    "position_close_in_progress": ccxt.OperationRejected,
    "duplicate_client_order_id": ccxt.DuplicateOrderId,
    "invalid_order_state": ccxt.InvalidOrder,
    "validation_error": ccxt.BadRequest,
    "invalid_strategy_id": ccxt.BadRequest,
    "invalid_position_id": ccxt.BadRequest,
    "unsupported_engine": ccxt.NotSupported,
    "insufficient_funds": ccxt.InsufficientFunds,
    "market_closed": ccxt.MarketClosed,
    "bad_symbol": ccxt.BadSymbol,
    "rate_limited": ccxt.RateLimitExceeded,
    "internal_error": ccxt.ExchangeError,
    "exchange_error": ccxt.ExchangeError,
    "dispatcher_error": ccxt.ExchangeNotAvailable,
    "engine_unavailable": ccxt.ExchangeNotAvailable,
    "exchange_timeout": ccxt.RequestTimeout,
    "dispatcher_timeout": ccxt.RequestTimeout,
}

ORDER_COMMANDS = ["send_order", "check_order", "change_order", "close_position"]
OTHER_COMMANDS = ["cancel_order", "cancel_all_orders", "close_by", "merge_positions", "position_change"]

UNKNOWN_OUTCOMES = {
    "internal_error",
    "dispatcher_error",
    "exchange_error",  # of a class that nobody knows
    "exchange_timeout",
    "dispatcher_timeout",
}


def body_of(code: str, message: str = "no", **details: Any) -> dict[str, Any]:
    return {"detail": {"code": code, "message": message, "details": details, "request_id": "req-7"}}


def refused(code: str, command: str | None = None, **details: Any) -> Any:
    status = HTTP_STATUS[ErrorCode(code)]
    return error_from_response("oms", status, body_of(code, **details), command=command)


def test_the_table_knows_every_code() -> None:
    assert set(CLASS_OF_CODE) == {code.value for code in ErrorCode}
    assert set(CLASS_OF_CODE) <= set(CODES)


@pytest.mark.parametrize("code", CLASS_OF_CODE)
def test_a_code_becomes_its_class(code: str) -> None:
    error = refused(code)

    assert type(error) is CLASS_OF_CODE[code]
    assert error.code == code
    assert error.http_status == HTTP_STATUS[ErrorCode(code)]
    assert error.details == body_of(code)
    assert error.outcome is None  # no command: nothing was to be carried out


@pytest.mark.parametrize("code", [code for code in CLASS_OF_CODE if HTTP_STATUS[ErrorCode(code)] < 500])
@pytest.mark.parametrize("command", [None, *ORDER_COMMANDS, *OTHER_COMMANDS])
def test_no_refusal_looks_like_an_outage(code: str, command: str | None) -> None:
    """Programs repeat a request after a NetworkError; a refusal must not be repeated."""
    error = refused(code, command)

    assert isinstance(error, ccxt.NetworkError) == (code == "rate_limited")
    assert error.outcome == (None if command is None else "refused")


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 406, 409, 410, 411, 413, 415, 422, 451])
@pytest.mark.parametrize("body", [None, {}, {"detail": "no"}, {"detail": []}, {"detail": {"x": 1}}, [], "no"])
def test_no_4xx_of_any_shape_looks_like_an_outage(status: int, body: Any) -> None:
    error = error_from_response("oms", status, body, "<html>no</html>", None, "send_order")

    assert not isinstance(error, ccxt.NetworkError)
    assert error.outcome == "refused"


@pytest.mark.parametrize(
    "status, expected",
    [
        (400, ccxt.BadRequest),
        (401, ccxt.AuthenticationError),
        (403, ccxt.PermissionDenied),
        (404, ccxt.NotSupported),
        (405, ccxt.NotSupported),
        (408, ccxt.RequestTimeout),
        (409, ccxt.OperationRejected),
        (413, ccxt.BadRequest),
        (422, ccxt.BadRequest),
        (429, ccxt.RateLimitExceeded),
        (418, ccxt.DDoSProtection),
        (500, ccxt.ExchangeNotAvailable),
        (502, ccxt.ExchangeNotAvailable),
        (503, ccxt.ExchangeNotAvailable),
        (504, ccxt.RequestTimeout),
        (520, ccxt.ExchangeNotAvailable),
    ],
)
def test_an_answer_without_a_code_goes_by_its_status(status: int, expected: type[ccxt.BaseError]) -> None:
    error = error_from_response("oms", status, {"detail": "Something"}, '{"detail": "Something"}')

    assert type(error) is expected
    assert str(error).startswith(f"oms HTTP {status} Something")
    assert (error.code, error.http_status, error.details) == (None, status, {"detail": "Something"})


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxys_page_leaves_the_outcome_of_a_command_unknown(status: int) -> None:
    page = "<html><body><h1>Bad Gateway</h1>" + "x" * 1000 + "</body></html>"
    error = error_from_response("oms", status, None, page, {}, "send_order")

    assert isinstance(error, ccxt.NetworkError)
    assert error.outcome == "unknown"
    assert "Bad Gateway" in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize("status", [403, 404, 409, 422])
@pytest.mark.parametrize("text", ["", '{"detail": {"code": "insufficient_funds", "resul'])
def test_a_batchs_answer_that_was_cut_off_refuses_nothing(status: int, text: str) -> None:
    # The status is that of the first failure; another command of the list may have been carried out.
    error = error_from_response("oms", status, None, text, {}, "batch")
    assert type(error) is ccxt.RequestTimeout
    assert error.outcome == "unknown"
    assert error_from_response("oms", status, None, text, {}, "send_order").outcome == "refused"


@pytest.mark.parametrize("text", ["", '{"detail": {"code": "dispatcher_time'])
def test_a_400_that_was_cut_off_refuses_no_command(text: str) -> None:
    """Older gateways answer 400 to what they refuse, and to what they may have carried out."""
    error = error_from_response("oms", 400, None, text, {}, "send_order")
    assert type(error) is ccxt.RequestTimeout
    assert error.outcome == "unknown"
    assert error_from_response("oms", 400, None, "<html>no</html>", {}, "send_order").outcome == "refused"


@pytest.mark.parametrize("status, text", [(429, ""), (401, "{"), (413, ""), (403, "<html>no</html>")])
def test_an_answer_to_a_whole_batch_refuses_it(status: int, text: str) -> None:
    assert error_from_response("oms", status, None, text, {}, "batch").outcome == "refused"


@pytest.mark.parametrize("command", ORDER_COMMANDS)
@pytest.mark.parametrize("code", ["validation_error", "invalid_position_id"])
def test_bad_input_of_an_order_is_an_invalid_order(code: str, command: str) -> None:
    assert type(refused(code, command)) is ccxt.InvalidOrder


@pytest.mark.parametrize("command", OTHER_COMMANDS)
@pytest.mark.parametrize("code", ["validation_error", "invalid_position_id"])
def test_bad_input_of_another_command_is_a_bad_request(code: str, command: str) -> None:
    assert type(refused(code, command)) is ccxt.BadRequest


@pytest.mark.parametrize("code", CLASS_OF_CODE)
def test_a_command_is_refused_unless_it_may_have_been_carried_out(code: str) -> None:
    expected = "unknown" if code in UNKNOWN_OUTCOMES else "refused"

    assert refused(code, "send_order").outcome == expected


def test_the_message_names_code_reason_and_request_id() -> None:
    assert str(refused("risk_blocked")) == "oms risk_blocked no (request id req-7)"


def test_a_message_that_only_repeats_the_code_is_not_said_twice() -> None:
    assert str(error_from_detail("oms", {"code": "conflict", "message": "conflict"})) == "oms conflict"


def test_a_schema_refusal_names_the_fields() -> None:
    problems = [
        {"loc": ["body", "payload", "qty"], "msg": "expected a decimal above 0", "type": "value_error"},
        {"loc": ["body", "account_id"], "msg": "Field required", "type": "missing"},
    ]
    error: Any = error_from_response("oms", 422, {"detail": problems}, None, None, "send_order")

    assert type(error) is ccxt.InvalidOrder
    assert "body.payload.qty: expected a decimal above 0; body.account_id: Field required" in str(error)
    assert (error.code, error.outcome, error.details) == ("validation_error", "refused", {"detail": problems})
    assert type(error_from_response("oms", 422, {"detail": problems})) is ccxt.BadRequest


@pytest.mark.parametrize("problem", ["text", {}, {"loc": "body"}, {"loc": 3, "msg": None}, None, [1]])
def test_a_schema_refusal_of_any_shape_is_said(problem: Any) -> None:
    error = error_from_response("oms", 422, {"detail": [problem]}, None, None, None)

    assert type(error) is ccxt.BadRequest
    assert str(error).startswith("oms validation_error")


def test_a_route_that_is_missing_is_not_supported() -> None:
    error = error_from_response("oms", 404, {"detail": "Not Found"})

    assert type(error) is ccxt.NotSupported
    assert "does not have the route" in str(error)


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.parametrize("body", [None, {}, {"message": "no Route matched"}, [], "no", {"detail": None}])
def test_a_proxy_that_finds_nothing_says_nothing_of_the_routes_of_the_server(status: int, body: Any) -> None:
    error = error_from_response("oms", status, body, "404 page not found")

    assert type(error) is ccxt.ExchangeNotAvailable  # as ccxt says
    assert str(error) == f"oms HTTP {status} 404 page not found"
    assert error_from_response("oms", status, body, "no", None, "send_order").outcome == "refused"


@pytest.mark.parametrize(
    "headers, details, expected",
    [
        ({"Retry-After": "2.5"}, {}, 2.5),
        ({"retry-after": "3"}, {"retry_after": 9}, 3.0),
        ({}, {"retry_after": 0.5}, 0.5),
        (None, {}, None),
        ({"Retry-After": "-1"}, {}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:09 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, 9.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:27:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 -0000", "Date": "Wed, 21 Oct 2026 07:28 GMT"}, {}, None),
        ({"Retry-After": "soon", "Date": "now"}, {"retry_after": 3}, 3.0),
    ],
)
def test_the_delay_of_a_rate_limit_is_told_in_seconds(
    headers: Any, details: dict[str, Any], expected: float | None
) -> None:
    body = body_of("rate_limited", **details)
    error: Any = error_from_response("oms", 429, body, None, headers, "send_order")

    assert type(error) is ccxt.RateLimitExceeded
    assert error.retry_after == expected
    assert error.outcome == "refused"


def test_the_delay_is_read_without_a_code_too() -> None:
    error: Any = error_from_response("oms", 503, None, "busy", {"Retry-After": "4"})

    assert error.retry_after == 4.0


@pytest.mark.parametrize(
    "name, expected",
    [
        ("InsufficientFunds", ccxt.InsufficientFunds),
        ("OrderImmediatelyFillable", ccxt.OrderImmediatelyFillable),
        ("InvalidNonce", ccxt.InvalidNonce),
        ("NoSuchClass", ccxt.ExchangeError),
        ("Exchange", ccxt.ExchangeError),  # a name of the module, and no exception
        ("binance", ccxt.ExchangeError),
        (7, ccxt.ExchangeError),
        (None, ccxt.ExchangeError),
    ],
)
def test_the_venues_own_class_comes_through(name: Any, expected: type[ccxt.BaseError]) -> None:
    assert type(refused("exchange_error", ccxt_error=name)) is expected


@pytest.mark.parametrize(
    "name, outcome",
    [
        ("InsufficientFunds", "refused"),
        ("RateLimitExceeded", "refused"),
        ("OnMaintenance", "refused"),
        ("InvalidNonce", "refused"),
        ("DDoSProtection", "refused"),
        ("RequestTimeout", "unknown"),
        ("ExchangeNotAvailable", "unknown"),  # ccxt raises it for 5xx and for lost connections
        ("NetworkError", "unknown"),
        ("BadResponse", "unknown"),
        ("NullResponse", "unknown"),
        ("OperationFailed", "unknown"),
    ],
)
def test_a_venue_that_was_not_heard_may_have_taken_the_order(name: str, outcome: str) -> None:
    assert refused("exchange_error", "send_order", ccxt_error=name).outcome == outcome


@pytest.mark.parametrize(
    "message, expected, outcome",
    [
        ("invalid_api_key", ccxt.AuthenticationError, "refused"),
        ("order_not_found", ccxt.OrderNotFound, "refused"),
        ("permission_denied", ccxt.PermissionDenied, "refused"),
        ("database unavailable after reconnect attempt", ccxt.ExchangeNotAvailable, "unknown"),
    ],
)
def test_older_gateways_put_the_code_where_the_prose_belongs(
    message: str, expected: type[ccxt.BaseError], outcome: str
) -> None:
    error: Any = error_from_response("oms", 502, body_of("dispatcher_error", message), command="cancel_order")

    assert type(error) is expected
    assert error.outcome == outcome


@pytest.mark.parametrize(
    "code, expected, outcome",
    [
        ("dispatcher_unavailable", ccxt.ExchangeNotAvailable, "unknown"),
        ("dispatcher_empty_response", ccxt.RequestTimeout, "unknown"),
        ("dispatcher_invalid_json", ccxt.RequestTimeout, "unknown"),
        ("dispatcher_timeout", ccxt.RequestTimeout, "unknown"),
    ],
)
def test_older_gateways_send_dispatcher_trouble_as_400(
    code: str, expected: type[ccxt.BaseError], outcome: str
) -> None:
    error: Any = error_from_response("oms", 400, {"detail": {"code": code}}, command="send_order")

    assert type(error) is expected
    assert error.outcome == outcome


def test_an_error_of_the_venue_over_an_older_socket_keeps_its_text_and_class() -> None:
    error = error_from_detail("oms", {"code": "ccxt_error", "detail": "binance Too many requests"})
    assert type(error) is ccxt.RateLimitExceeded
    assert "Too many requests" in str(error)


def test_a_dispatcher_that_could_not_be_reached_has_carried_out_nothing() -> None:
    message = "[Errno 111] Connect call failed ('127.0.0.1', 9000)"
    error: Any = error_from_response(
        "oms", 400, body_of("dispatcher_unavailable", message), command="send_order"
    )

    assert error.outcome == "refused"


@pytest.mark.parametrize("status", [408, 460, 499])
@pytest.mark.parametrize("command", ["send_order", "batch"])
def test_a_proxy_that_gave_up_waiting_refuses_nothing(status: int, command: str) -> None:
    error: Any = error_from_response("oms", status, None, "<html>gave up</html>", command=command)

    assert error.outcome == "unknown"


@pytest.mark.parametrize(
    "status, expected, outcome",
    [
        (422, ccxt.BadRequest, "refused"),
        (409, ccxt.OperationRejected, "refused"),
        (None, ccxt.ExchangeError, "unknown"),
        (400, ccxt.BadRequest, "unknown"),
        (500, ccxt.ExchangeNotAvailable, "unknown"),
    ],
)
def test_a_code_of_a_newer_server_goes_by_its_status(
    status: int | None, expected: type[ccxt.BaseError], outcome: str
) -> None:
    error: Any = error_from_detail("oms", {"code": "brand_new"}, status, command="send_order")

    assert type(error) is expected
    assert error.code == "brand_new"
    assert error.outcome == outcome


@pytest.mark.parametrize("detail", [{"code": None}, {"code": 5, "message": []}, {"code": "", "details": 3}])
def test_a_broken_error_object_is_still_an_exception_of_ccxt(detail: dict[str, Any]) -> None:
    assert isinstance(error_from_response("oms", 409, {"detail": detail}), ccxt.OperationRejected)


def test_garbage_to_a_read_is_a_bad_response() -> None:
    error: Any = garbage("oms", "expected a list, got 3", None, 3)

    assert type(error) is ccxt.BadResponse
    assert (error.details, error.outcome) == (3, None)
    assert str(error) == "oms expected a list, got 3"


def test_garbage_to_a_command_leaves_its_outcome_unknown() -> None:
    error: Any = garbage("oms", "expected one result", "send_order", {})

    assert type(error) is ccxt.RequestTimeout
    assert error.outcome == "unknown"


@pytest.mark.parametrize(
    "body, expected",
    [
        ({"command": "send_order"}, "send_order"),
        (json.dumps({"command": "send_order"}), "send_order"),
        (b'{"command": "cancel_order"}', "cancel_order"),
        ([{"command": "send_order"}], "send_order"),
        ([{"command": "send_order"}, {"command": "send_order"}], "batch"),
        ([], "batch"),
        ({"func": "fetch_ticker"}, None),
        ("not json", None),
        (None, None),
        ({"command": 3}, None),
    ],
)
def test_the_command_of_a_request_is_found_in_its_body(body: Any, expected: str | None) -> None:
    assert command_of(body) == expected
