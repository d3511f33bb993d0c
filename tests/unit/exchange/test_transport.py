"""The shorter way to the socket: taken only where it makes no difference, and then it makes none."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import ccxt
import pytest
import requests
import responses
from requests.adapters import HTTPAdapter

from ccxt_driver import OmsCcxtExchange
from tests.helpers.gateway_stub import Driver, Gateway
from tests.helpers.loopback_server import Failure, Fault, LoopbackServer, serving
from tests.helpers.oms_rows import order_row
from tests.helpers.virtual_time import answers

pytestmark = [pytest.mark.sockets, pytest.mark.oldest]

READ = "GET /oms/orders/open"
ROUTE = "private_get_oms_orders_open"
ASKED = {"account_ids": 1}


class OtherAdapter(HTTPAdapter):
    """A user's own."""


class OtherSession(requests.Session):
    """A user's own."""


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    gateway = Gateway()
    gateway.on(READ, {"items": []})
    with serving(gateway) as running:
        yield running


def on_ccxts_way(driver: Driver) -> Driver:
    """Make the short way impossible, by something harmless."""
    driver.exchange.httpProxyCallback = lambda *args: None
    return driver


# -- when it is taken


def exchange() -> Any:
    return OmsCcxtExchange({"apiKey": "k"})


def test_ccxts_own_session_takes_it() -> None:
    assert exchange()._takes_short_way() is True


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.session.mount("http://", OtherAdapter()),
        lambda made: made.session.mount("http://", HTTPAdapter(max_retries=3)),
        lambda made: made.session.mount("https://one.host/", HTTPAdapter()),
        lambda made: setattr(made, "session", OtherSession()),
        lambda made: setattr(made, "session", requests.session()),  # trusts the environment
        lambda made: setattr(made.session, "trust_env", True),
        lambda made: made.session.proxies.update(http="http://127.0.0.1:1"),
        lambda made: setattr(made.session, "auth", ("user", "password")),
        lambda made: setattr(made.session, "cert", "file.pem"),
        lambda made: made.session.params.update(x=1),
        lambda made: setattr(made.session, "verify", False),
        lambda made: setattr(made.session, "verify", "authorities.pem"),
        lambda made: made.session.hooks["response"].append(print),
        lambda made: setattr(made.session, "request", print),
        lambda made: setattr(made.session, "send", print),
        lambda made: setattr(made.session, "get_adapter", print),
        lambda made: setattr(made, "proxies", {"http": "http://127.0.0.1:1"}),
        lambda made: setattr(made, "httpProxy", "http://127.0.0.1:1"),
        lambda made: setattr(made, "https_proxy", "http://127.0.0.1:1"),
        lambda made: setattr(made, "socksProxy", "socks5://127.0.0.1:1"),
        lambda made: setattr(made, "proxyUrl", "http://127.0.0.1:1/"),
        lambda made: setattr(made, "proxyUrlCallback", lambda *args: "http://127.0.0.1:1/"),
        lambda made: setattr(made, "http_proxy_callback", lambda *args: "http://127.0.0.1:1"),
        lambda made: setattr(made, "proxy", "http://127.0.0.1:1/"),
    ],
    ids=range(24),
)
def test_whatever_a_user_changes_is_respected(change: Callable[[Any], Any]) -> None:
    made = exchange()
    change(made)

    assert made._takes_short_way() is False


@pytest.mark.parametrize(
    "owner, name",
    [
        (HTTPAdapter, "send"),  # responses
        (requests.Session, "get_adapter"),  # requests_mock
        (requests.Session, "send"),
        (requests.Session, "request"),
    ],
)
def test_a_patched_requests_is_respected(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    made = exchange()
    monkeypatch.setattr(owner, name, lambda *args, **kwargs: None)

    assert made._takes_short_way() is False


def test_a_driver_that_is_first_imported_under_a_mock_does_not_slip_past_it() -> None:
    """The import is lazy: `with responses.mock: from ccxt_driver import OmsCcxtExchange` is common."""
    import importlib

    from ccxt_driver.exchange import _twins_sync

    with responses.RequestsMock(assert_all_requests_are_fired=False):
        fresh = importlib.util.module_from_spec(_twins_sync.__spec__)  # type: ignore[attr-defined]
        _twins_sync.__spec__.loader.exec_module(fresh)  # type: ignore[union-attr]
        assert fresh.Exchange()._takes_short_way() is False


@responses.activate
def test_a_mock_sees_the_requests() -> None:
    responses.get("http://oms.test/healthz", json={"status": "ok"})

    assert OmsCcxtExchange({"options": {"base_url": "http://oms.test"}}).fetch_status()["status"] == "ok"


def test_a_proxy_is_used(connect: Any, server: LoopbackServer) -> None:
    driver = connect(server.gateway, "http://no-such-host.test", httpProxy=server.url)

    assert driver.call(ROUTE, ASKED) == {"items": []}


def test_two_proxies_are_refused_as_ccxt_does(connect: Any, server: LoopbackServer) -> None:
    driver = connect(server.gateway, server.url, httpProxy=server.url, httpsProxy=server.url)
    with pytest.raises(ccxt.InvalidProxySettings):
        driver.call(ROUTE, ASKED)
    assert server.gateway.routes == []


# -- that it makes no difference


@pytest.fixture
def both_ways(connect: Any, server: LoopbackServer) -> list[Driver]:
    """Make a driver on the short way and one on ccxt's."""
    return [connect(server.gateway, server.url), on_ccxts_way(connect(server.gateway, server.url))]


def test_the_same_request_arrives(both_ways: list[Driver], server: LoopbackServer) -> None:
    server.gateway.on_command(order=order_row())
    for driver in both_ways:
        driver.exchange.headers = {"X-Trace": "abc"}
        driver.exchange.userAgent = {"User-Agent": "a program"}
        driver.call(ROUTE, ASKED)
        driver.call("private_post_oms_commands", {"account_id": 1, "payload": {"text": "\u20ac"}})

    short, ccxts = server.gateway.sent[:2], server.gateway.sent[2:]
    for one, other in zip(short, ccxts, strict=True):
        assert one == other
        assert (one.headers["x-trace"], one.headers["user-agent"]) == ("abc", "a program")
        assert one.headers["x-api-key"] == "the-key"


def test_the_same_is_remembered(both_ways: list[Driver], server: LoopbackServer) -> None:
    remembered = []
    for driver in both_ways:
        driver.exchange.enableLastJsonResponse = True
        driver.call(ROUTE, ASKED)
        made = driver.exchange
        remembered.append(
            (
                made.last_http_response,
                made.last_json_response,
                made.last_response_headers["Content-Type"],
                made.last_request_url,
                made.last_request_body,
                dict(made.last_request_headers),
            )
        )

    assert remembered[0] == remembered[1]
    assert remembered[0][:2] == ('{"items": []}', {"items": []})


def test_verbose_says_the_same(
    both_ways: list[Driver], server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for driver in both_ways:
        driver.exchange.verbose = True
        driver.call(ROUTE, ASKED)
        said.append(capsys.readouterr().out)

    for text in said:
        for part in ("fetch Request:", "oms GET", "RequestHeaders:", "fetch Response:", "200", "items"):
            assert part in text


def test_the_hook_on_an_answer_may_change_it(both_ways: list[Driver]) -> None:
    for driver in both_ways:
        driver.exchange.on_rest_response = lambda *args: '{"items": ["from the hook"]}'
        assert driver.call(ROUTE, ASKED) == {"items": ["from the hook"]}
        assert driver.exchange.last_http_response == '{"items": ["from the hook"]}'


def test_headers_of_the_response_are_given_when_asked_for(both_ways: list[Driver]) -> None:
    for driver in both_ways:
        driver.exchange.returnResponseHeaders = True
        assert driver.call(ROUTE, ASKED)["responseHeaders"]["Content-Type"] == "application/json"


def test_compressed_answers_and_every_letter_are_read(
    both_ways: list[Driver], server: LoopbackServer
) -> None:
    body = {"items": ["\u20ac\u00e9\U0001f600"]}
    server.gateway.on(READ, (200, json.dumps(body, ensure_ascii=False), {"Content-Encoding": "gzip"}))
    for driver in both_ways:
        assert driver.call(ROUTE, ASKED) == body


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
def test_a_read_fails_as_a_network_error(
    both_ways: list[Driver], server: LoopbackServer, fault: Fault
) -> None:
    server.gateway.on(READ, Failure(fault))
    for driver in both_ways:
        driver.exchange.timeout = 150 if fault is Fault.SILENCE else 10_000
        with pytest.raises(ccxt.BaseError) as raised:
            driver.call(ROUTE, ASKED)
        if fault is Fault.SILENCE:
            assert type(raised.value) is ccxt.RequestTimeout
            assert str(raised.value).split(": ")[-1] != "TimeoutError", "it says why"
        else:
            assert isinstance(raised.value, ccxt.NetworkError)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"]
)
def test_an_answer_that_only_drips_ends_at_the_time_out(connect: Any, head: bytes) -> None:
    """Each byte comes in time; the whole does not."""
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        with suppress(OSError):  # the client has given up
            connection, _ = listener.accept()
            with connection:
                connection.sendall(head)
                for _ in range(100):
                    connection.sendall(b" ")
                    time.sleep(0.01)

    thread = threading.Thread(target=drip)
    thread.start()
    driver = connect(Gateway(), f"http://127.0.0.1:{listener.getsockname()[1]}", options={"retries": 0})
    driver.exchange.timeout = 150
    with pytest.raises(ccxt.BaseError) as raised:
        driver.call(ROUTE, ASKED)
    listener.close()
    thread.join()

    assert type(raised.value) is ccxt.RequestTimeout


def test_what_comes_before_an_answer_is_not_taken_for_it(connect: Any) -> None:
    """Whoever did read each answer as that of the next request, on the same connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def hint() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as received:
            for number in range(3):
                while received.readline() not in (b"\r\n", b""):
                    pass
                connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
                connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n")
                time.sleep(0.03)
                body = b'{"items": [{"id": %d}]}' % number
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    thread = threading.Thread(target=hint)
    thread.start()
    driver = connect(Gateway(), f"http://127.0.0.1:{listener.getsockname()[1]}", options={"retries": 0})
    answers_read = [driver.call(ROUTE, ASKED)["items"] for _ in range(3)]
    listener.close()
    thread.join()

    assert answers_read == [[{"id": number}] for number in range(3)]


@pytest.mark.parametrize("charset", ["no-such-one", "base64"])
def test_an_answer_is_read_whatever_letters_it_says_it_has(
    both_ways: list[Driver], server: LoopbackServer, charset: str
) -> None:
    """JSON is UTF-8; the name of a codec that makes no text of it must not be an exception of Python's."""
    server.gateway.on(READ, (200, {"items": []}, {"Content-Type": f"application/json; charset={charset}"}))

    assert both_ways[0].call(ROUTE, ASKED) == {"items": []}


def test_nobody_there_is_told_alike(both_ways: list[Driver], server: LoopbackServer) -> None:
    server.stop()
    for driver in both_ways:
        with pytest.raises(ccxt.ExchangeNotAvailable) as raised:
            driver.call("create_order", "BTC/USDT", "limit", "buy", 2, 100)
        assert vars(raised.value)["outcome"] == "not_sent"


async def test_a_connection_that_does_not_come_up_has_sent_nothing() -> None:
    """As of a host that is off; here nobody answers the TLS handshake."""
    from ccxt_driver.async_support import OmsCcxtExchange as Coroutines

    command = {"account_id": 1, "command": "send_order", "payload": {"client_order_id": "x"}}
    with socket.create_server(("127.0.0.1", 0)) as mute:
        options = {"base_url": f"https://127.0.0.1:{mute.getsockname()[1]}", "account_id": 1}
        async with Coroutines({"apiKey": "the-key", "timeout": 300, "options": options}) as exchange:
            with pytest.raises(ccxt.RequestTimeout) as raised:
                await exchange._command(command)

    assert vars(raised.value)["outcome"] == "not_sent"


def test_an_answer_that_breaks_off_is_asked_for_again(
    both_ways: list[Driver], server: LoopbackServer
) -> None:
    for driver in both_ways:
        driver.exchange.options["retries"] = 1
        server.gateway.on(READ, answers(Failure(Fault.HALF_ANSWER), {"items": []}))
        assert driver.call(ROUTE, ASKED) == {"items": []}


def test_an_answer_that_is_no_http_is_asked_for_again(connect: Any, server: LoopbackServer) -> None:
    driver = connect(server.gateway, server.url, options={"retries": 1})
    server.gateway.on(READ, answers(Failure(Fault.NOT_HTTP), {"items": []}))

    assert driver.call(ROUTE, ASKED) == {"items": []}
    assert server.gateway.routes.count(READ) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504])
def test_a_status_becomes_the_same_exception(
    both_ways: list[Driver], server: LoopbackServer, status: int
) -> None:
    server.gateway.on(READ, (status, {"detail": "no"}, {"Retry-After": "2"}))
    raised = []
    for driver in both_ways:
        with pytest.raises(ccxt.BaseError) as one:
            driver.call(ROUTE, ASKED)
        raised.append(one.value)

    assert type(raised[0]) is type(raised[1])
    assert str(raised[0]) == str(raised[1])
    assert vars(raised[0]) == vars(raised[1])
    assert raised[0].retry_after == 2.0


def test_a_gateway_that_is_down_is_not_available(both_ways: list[Driver], server: LoopbackServer) -> None:
    """ccxt says NetworkError when blocking and ExchangeNotAvailable, which is one, with coroutines."""
    server.stop()
    for driver in both_ways:
        with pytest.raises(ccxt.NetworkError):
            driver.call(ROUTE, ASKED)

    with pytest.raises(ccxt.ExchangeNotAvailable, match=r"(?i)refused|connect"):
        both_ways[0].call(ROUTE, ASKED)


def test_a_redirect_is_not_followed(connect: Any, server: LoopbackServer) -> None:
    """The key would go to wherever the answer points."""
    server.gateway.on(READ, (302, "", {"Location": "/healthz"}))
    with pytest.raises(ccxt.ExchangeError, match="redirect"):
        connect(server.gateway, server.url).call(ROUTE, ASKED)
    assert server.gateway.routes == [READ]


@pytest.mark.parametrize("path, method", [("oms/orders/open", "GET"), ("oms/commands", "POST")])
def test_no_redirect_is_followed_on_ccxts_way_either(
    connect: Any, server: LoopbackServer, path: str, method: str
) -> None:
    """A 307 would post the order again, with the key, to another host."""
    with serving(Gateway()) as elsewhere:
        moved = (307, "", {"Location": f"{elsewhere.url}/{path}"})
        server.gateway.on(f"{method} /{path}", moved)
        driver = on_ccxts_way(connect(server.gateway, server.url))
        with pytest.raises(ccxt.ExchangeError, match="redirect"):
            driver.call("request", path, "private", method, ASKED)
        assert elsewhere.gateway.sent == []
    assert server.gateway.routes == [f"{method} /{path}"]


# -- connections


def test_one_connection_serves_many_requests(connect: Any, server: LoopbackServer) -> None:
    driver = connect(server.gateway, server.url)
    for _ in range(5):
        driver.call(ROUTE, ASKED)

    assert server.connections == 1


def test_a_connection_that_the_server_closed_while_idle_costs_no_error(
    connect: Any, server: LoopbackServer
) -> None:
    driver = connect(server.gateway, server.url).ready()
    server.gateway.on_command(order=order_row())
    for _ in range(5):
        driver.call(ROUTE, ASKED)
        server.close_idle()
        let_the_loop_see_it(driver)
        driver.call("create_order", "BTC/USDT", "limit", "buy", 2, 100)

    assert server.gateway.routes.count("POST /oms/commands") == 5
    assert server.connections == 6


def let_the_loop_see_it(driver: Driver) -> None:
    """Run the loop until it has read the end of the idle connections, as it does in a program."""
    if driver.exchange.synchronous:
        return
    for _ in range(1000):
        pools = driver.exchange.tcp_connector._conns.values()
        if not any(handler.is_connected() for pool in pools for handler, *_ in pool):
            return
        driver.call("sleep", 1)
    pytest.fail("the loop did not see the end of the connection")


def test_threads_may_share_the_blocking_class(server: LoopbackServer) -> None:
    made = OmsCcxtExchange({"apiKey": "k", "options": {"base_url": server.url, "account_id": 1}})
    server.gateway.on(READ, lambda sent: {"items": [{"id": int(sent.query["limit"])}]})
    start = threading.Barrier(8)

    def ask(worker: int) -> list[tuple[int, int]]:
        start.wait(timeout=10)
        asked = range(worker * 100, worker * 100 + 20)
        return [
            (limit, made.private_get_oms_orders_open({"account_ids": 1, "limit": limit})["items"][0]["id"])
            for limit in asked
        ]

    with ThreadPoolExecutor(8) as pool:
        answers = [pair for pairs in pool.map(ask, range(8)) for pair in pairs]

    assert len(answers) == 160
    assert all(limit == answered for limit, answered in answers)
    made.close()


def test_a_closed_blocking_exchange_opens_again(server: LoopbackServer) -> None:
    made = OmsCcxtExchange({"apiKey": "k", "options": {"base_url": server.url, "account_id": 1}})
    made.fetch_status()
    made.close()
    made.close()

    assert made.fetch_status()["status"] == "ok"
    assert server.connections == 2
    made.close()
