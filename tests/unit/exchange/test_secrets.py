"""The API key is sent, and never shown: in no log, no verbose output, no exception, no repr."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from tests.helpers.gateway_stub import Driver, Gateway
from tests.helpers.loopback_server import Failure, Fault, LoopbackServer, serving
from tests.helpers.oms_rows import order_row

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with serving(Gateway()) as running:
        yield running


def exercise(driver: Driver) -> list[BaseException]:
    """Make requests of each kind: one that works, one that is refused, one whose answer is lost."""
    driver.gateway.on("GET /oms/orders/open", {"items": []})
    driver.gateway.on_command(order=order_row())
    driver.call("fetch_open_orders")
    driver.call("create_order", "BTC/USDT", "limit", "buy", 2, 100)
    errors: list[BaseException] = []
    for answer in ((401, {"detail": {"code": "invalid_api_key"}}), Failure(Fault.CLOSE), (500, "boom")):
        driver.gateway.on("POST /oms/commands", answer)
        with pytest.raises(ccxt.BaseError) as raised:
            driver.call("create_order", "BTC/USDT", "limit", "buy", 2, 100)
        errors.append(raised.value)
    return errors


@pytest.mark.sockets
@pytest.mark.oldest
def test_the_key_is_sent_and_never_shown(
    connect: Any, server: LoopbackServer, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    driver = connect(server.gateway, server.url, apiKey=KEY, verbose=True)
    errors = exercise(driver)
    output = capsys.readouterr()

    keys = {sent.headers.get("x-api-key") for sent in server.gateway.sent}
    assert keys == {KEY, None}  # None: /healthz needs none
    assert "fetch Request" in output.out  # so that the next line proves something
    assert "Request" in caplog.text
    exchange = driver.exchange
    for shown in (
        output.out,
        output.err,
        caplog.text,
        repr(exchange),
        str(exchange),
        repr(exchange.last_request_headers),
        repr(vars(exchange).get("lastRequestHeaders")),
        *map(repr, errors),
        *(repr(vars(error)) for error in errors),
    ):
        assert KEY not in shown


@pytest.mark.oldest
def test_a_secret_reads_as_its_text() -> None:
    from ccxt_driver.exchange.request_parts import Secret

    secret = Secret(KEY)

    assert secret == KEY
    assert repr(secret) == repr({"x": secret})[6:-1] == "'***'"
    assert f"{[secret]}" == "['***']"


# -- a server that gives the key back


ECHO = {"detail": {"code": "invalid_api_key", "message": f"{KEY} is unknown", "details": {"key": KEY}}}


REFUSED = {"code": "permission_denied", "message": f"{KEY} may not"}


@pytest.fixture(params=["short", "ccxt"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def on(way: str, driver: Driver) -> Driver:
    """Take the short way to the socket, or ccxt's own."""
    if way == "ccxt":
        driver.exchange.httpProxyCallback = lambda *args: None
    return driver


@pytest.mark.sockets
@pytest.mark.oldest
@pytest.mark.parametrize("body", [ECHO, f"no such key: {KEY}"], ids=["contract", "text"])
def test_a_refusal_that_repeats_the_key_is_told_without_it(
    connect: Any,
    server: LoopbackServer,
    way: str,
    body: Any,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    driver = on(way, connect(server.gateway, server.url, apiKey=KEY, verbose=True))
    exchange = driver.exchange
    exchange.enableLastJsonResponse = True
    server.gateway.on("GET /oms/accounts", (401, body, {"X-Echo": f"key {KEY}"}))
    with pytest.raises(ccxt.AuthenticationError) as raised:
        driver.call("private_get_oms_accounts")
    output = capsys.readouterr()

    for shown in (
        str(raised.value),
        repr(vars(raised.value)),
        "".join(traceback.format_exception(raised.value)),
        repr(exchange.last_http_response),
        repr(exchange.last_json_response),
        json.dumps(dict(exchange.last_response_headers)),
        output.out,
        output.err,
        caplog.text,
    ):
        assert KEY not in shown
    assert "***" in str(raised.value)
    assert "***" in exchange.last_http_response
    assert exchange.last_response_headers["X-Echo"] == "key ***"


@pytest.mark.sockets
@pytest.mark.parametrize(
    "method, status, body",
    [
        ("fetch_accounts", 200, {"items": {"name": KEY}}),
        ("cancel_all_orders", 207, {"results": [{"index": 0, "ok": False, "error": REFUSED}]}),
    ],
)
def test_a_success_that_repeats_the_key_is_told_without_it(
    connect: Any,
    server: LoopbackServer,
    way: str,
    method: str,
    status: int,
    body: Any,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What cannot be made sense of is shown, and so is what is refused in an answer of several results."""
    caplog.set_level(logging.DEBUG)
    driver = on(way, connect(server.gateway, server.url, apiKey=KEY, verbose=True))
    for route in ("POST /oms/commands", "GET /oms/accounts"):
        server.gateway.on(route, (status, body))
    with pytest.raises(ccxt.BaseError) as raised:
        driver.call(method)
    output = capsys.readouterr()

    exchange = driver.exchange
    for shown in (str(raised.value), repr(vars(raised.value)), output.out, output.err, caplog.text):
        assert KEY not in shown
    assert "***" in str(raised.value)
    assert KEY not in repr((exchange.last_http_response, exchange.last_json_response))


@pytest.mark.sockets
def test_a_short_key_is_not_looked_for_in_a_success(connect: Any, server: LoopbackServer, way: str) -> None:
    """It may be part of a number, or of a name."""
    driver = on(way, connect(server.gateway, server.url, apiKey="17951403"))
    server.gateway.on("GET /oms/accounts", {"items": [{"id": 1_795_140_332}]})

    assert driver.call("private_get_oms_accounts") == {"items": [{"id": 1_795_140_332}]}


@pytest.mark.sockets
def test_a_short_key_masks_no_words(connect: Any, server: LoopbackServer, way: str) -> None:
    driver = on(way, connect(server.gateway, server.url, apiKey="no"))
    server.gateway.on("GET /oms/accounts", (401, "no such key"))
    with pytest.raises(ccxt.AuthenticationError, match="no such key"):
        driver.call("private_get_oms_accounts")


@pytest.mark.sockets
def test_a_key_that_json_writes_in_another_way_is_masked(connect: Any, server: LoopbackServer) -> None:
    key = 'quote"and\\backslash'
    driver = connect(server.gateway, server.url, apiKey=key)
    server.gateway.on("GET /oms/accounts", (401, {"detail": {"code": "invalid_api_key", "message": key}}))
    with pytest.raises(ccxt.AuthenticationError) as raised:
        driver.call("private_get_oms_accounts")

    assert key not in str(raised.value)
    assert raised.value.details["detail"]["message"] == "***"  # type: ignore[attr-defined]


# -- what is remembered


@pytest.mark.sockets
@pytest.mark.oldest
def test_the_history_holds_no_key_in_any_form(connect: Any, server: LoopbackServer, way: str) -> None:
    driver = on(way, connect(server.gateway, server.url, apiKey=KEY)).ready()
    exchange = driver.exchange
    exchange.fetchHistoryCacheSize = 10
    server.gateway.on("GET /oms/orders/open", {"items": []})
    server.gateway.on_command(order=order_row())
    for call in (("fetch_open_orders",), ("create_order", "BTC/USDT", "limit", "buy", 2, 100)):
        driver.call(*call)
        history = {
            name: value
            for name, value in (
                (name, getattr(exchange, name)) for name in dir(exchange) if "last" in name.lower()
            )
            if not callable(value)
        }
        assert {"last_request_headers", "last_request_url", "last_http_response"} <= history.keys()
        assert KEY not in json.dumps(history, default=lambda value: str(dict(value)))
        assert exchange.last_request_headers["x-api-key"] == "***"
        assert "Accept-Encoding" in exchange.last_request_headers
    assert KEY not in json.dumps(list(getattr(exchange, "fetchHistoryCache", [])), default=str)


@pytest.mark.sockets
def test_a_failure_of_the_library_shows_no_header(connect: Any, server: LoopbackServer, way: str) -> None:
    for fault in (Fault.NOT_HTTP, Fault.CLOSE, Fault.HALF_ANSWER, Fault.RESET):
        driver = on(way, connect(server.gateway, server.url, apiKey=KEY))
        server.gateway.on("GET /oms/accounts", Failure(fault))
        with pytest.raises(ccxt.BaseError) as raised:
            driver.call("private_get_oms_accounts")
        error: BaseException | None = raised.value
        while error is not None:
            assert KEY not in repr(error) + str(error) + repr(vars(error))
            error = error.__cause__


@pytest.mark.sockets
def test_the_libraries_own_loggers_show_no_key(
    connect: Any, server: LoopbackServer, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("urllib3", "aiohttp", "requests", "asyncio", "ccxt"):
        caplog.set_level(logging.DEBUG, name)
    on(way, connect(server.gateway, server.url, apiKey=KEY)).ready()

    assert caplog.records
    assert KEY not in caplog.text


SANDBOX = {"base_url": "http://sandbox.test", "account_id": 9, "apiKey": "sandbox-secret-0123"}


def test_an_object_that_is_shown_shows_no_key(make_driver: Any) -> None:
    driver = make_driver(apiKey=KEY, options={"sandbox": SANDBOX})
    for enabled in (False, True, False):
        driver.exchange.set_sandbox_mode(enabled)
        for each in (driver.exchange, copy.copy(driver.exchange), copy.deepcopy(driver.exchange)):
            shown = repr(vars(each)) + repr(each.options) + repr(each) + str(each)
            assert KEY not in shown
            assert SANDBOX["apiKey"] not in shown
    assert (driver.exchange.apiKey, SANDBOX["apiKey"]) == (KEY, "sandbox-secret-0123")


@pytest.mark.oldest
def test_a_pickle_holds_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    made = OmsCcxtExchange({"apiKey": KEY, "options": {"base_url": "http://oms.test", "sandbox": SANDBOX}})
    made.fetchHistoryCacheSize = 1
    made.last_request_headers = made.sign("oms/accounts", "private")["headers"]
    made.last_response_headers = {"X-Echo": KEY}
    for enabled in (False, True, False):
        made.set_sandbox_mode(enabled)
        pickled = pickle.dumps(made)
        assert KEY.encode() not in pickled
        assert str(SANDBOX["apiKey"]).encode() not in pickled


def test_a_key_of_the_environment_is_shown_no_more_than_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "http://oms.test")
    monkeypatch.setenv("CCXT_OMS_API_KEY", KEY)
    made = OmsCcxtExchange()
    twin = pickle.loads(pickle.dumps(made))

    assert made.apiKey == twin.apiKey == KEY
    assert KEY not in repr(vars(made)) + repr(vars(twin))


def test_a_key_that_no_header_can_carry_is_not_told() -> None:
    made = OmsCcxtExchange({"apiKey": KEY + "\n", "options": {"base_url": "http://oms.test"}})
    with pytest.raises(ccxt.AuthenticationError) as raised:
        made.private_get_oms_accounts()

    assert KEY not in str(raised.value)
