"""What is no HTTP, or half of it: answered or cut off, never logged as it came, and nothing is left."""

from __future__ import annotations

import http.client
import logging
import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from ccxt_driver.oms.server import application
from tests.helpers.served import ServedOms
from tests.helpers.under_fuzz import attacked

pytestmark = pytest.mark.sockets

SECRET = "oms_do_not_log_me"
UPGRADE = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
POST = "POST /oms/commands HTTP/1.1\r\nHost: a\r\nx-api-key: KEY\r\n"

ANSWERED = {
    "another protocol": (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
    "a word": ("hello\r\n\r\n", 400),
    "another version": ("GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n", 400),
    "a version to come": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "no address": ("GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "no port": ("GET http://a:99999999/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "half characters in the path": (
        "GET /oms/orders/%ff%00?account_ids=%ff HTTP/1.1\r\nHost: a\r\nx-api-key: KEY\r\n\r\n",
        422,
    ),
    "a route to nowhere": ("GET /%2e%2e/%ff HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    "a long line": (f"GET /healthz?{'x' * 9000} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a long key": (f"GET /oms/accounts HTTP/1.1\r\nx-api-key: {SECRET * 1000}\r\n\r\n", 400),
    "a key with a zero": (f"GET /oms/accounts HTTP/1.1\r\nx-api-key: {SECRET}\0\r\n\r\n", 400),
    "a key without a colon": (f"GET /oms/accounts HTTP/1.1\r\nx-api-key {SECRET}\r\n\r\n", 400),
    "a wrong key": (f"GET /oms/accounts HTTP/1.1\r\nHost: a\r\nx-api-key: {SECRET}\r\n\r\n", 401),
    "bytes for a key": (b"GET /oms/accounts HTTP/1.1\r\nHost: a\r\nx-api-key: \xff\xfe\r\n\r\n", 401),
    "bytes for a name": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Request-ID: \xff\xfe\r\n\r\n", 200),
    "a flood of headers": (
        "GET /healthz HTTP/1.1\r\n" + "".join(f"h{number}: x\r\n" for number in range(500)) + "\r\n",
        400,
    ),
    "less than nothing": (f"{POST}Content-Length: -1\r\n\r\n{{}}", 400),
    "no number": (f"{POST}Content-Length: ten\r\n\r\n{{}}", 400),
    "two lengths": (f"{POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}", 400),
    "a length and chunks": (f"{POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a chunk of no size": (f"{POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
    "a chunk that is longer": (f"{POST}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", 400),
    "a later chunk of no size": (f"{POST}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\nzz\r\n", 400),
    "an unknown transfer": (f"{POST}Transfer-Encoding: nonsense\r\n\r\n{{}}", 400),
    "not compressed": (f"{POST}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "another character set": (
        f"{POST}Content-Type: application/json; charset=nonsense\r\nContent-Length: 2\r\n\r\n{{}}",
        422,
    ),
    "more than allowed": (f"{POST}Content-Length: 5000000\r\n\r\n{' ' * 5_000_000}", 413),
    "an expectation": (f"{POST}Expect: everything\r\nContent-Length: 2\r\n\r\n{{}}", 417),
    "half an upgrade": (f"{UPGRADE}\r\n", 400),
    "no upgrade": ("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "another WebSocket": (f"{UPGRADE}Sec-WebSocket-Version: 99\r\n\r\n", 400),
    "half a key": (f"{UPGRADE}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: xx\r\n\r\n", 400),
}

UNFINISHED = {
    "nothing": "",
    "half a line": "GET /heal",
    "half the headers": "GET /healthz HTTP/1.1\r\nHost: a\r\nx-api",
    "half a body": f"{POST}Content-Length: 100\r\n\r\n{{",
    "half a chunk": f"{POST}Transfer-Encoding: chunked\r\n\r\n40\r\nabc",
    "a body that nobody reads": "POST /oms/commands HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
    "several and a half": "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 20 + "GET /he",
    "a WebSocket without a frame": (
        f"{UPGRADE}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ),
    "a WebSocket and then HTTP": (
        f"{UPGRADE}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    ),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOms]:
    with attacked(tmp_path_factory.mktemp("fuzz") / "oms.sqlite") as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_sent_is_logged(served: ServedOms, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert SECRET not in caplog.text
    assert served.api_key not in caplog.text


def connected(served: ServedOms, sent: str | bytes) -> socket.socket:
    host, port = served.runner.addresses[0]
    made = socket.create_connection((host, port), timeout=10)
    data = sent.encode() if isinstance(sent, str) else sent
    with suppress(ConnectionError):  # it has heard enough, and answered
        made.sendall(data.replace(b"KEY", served.api_key.encode()))
    return made


def answer(connection: socket.socket) -> tuple[int, bytes]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def ended(connection: socket.socket) -> bool:
    """Whether the other side closes, whatever it says before."""
    with suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return True


@pytest.mark.parametrize("case", ANSWERED)
def test_what_cannot_be_read_is_answered_with_a_status_of_its_own(served: ServedOms, case: str) -> None:
    sent, status = ANSWERED[case]
    with closing(connected(served, sent)) as connection:
        assert answer(connection)[0] == status


@pytest.mark.parametrize("how", ["leave", "hang up", "reset"])
@pytest.mark.parametrize("case", UNFINISHED)
def test_who_leaves_in_the_middle_leaves_nothing_behind(served: ServedOms, case: str, how: str) -> None:
    with closing(connected(served, UNFINISHED[case])) as connection:
        if how == "leave":
            connection.shutdown(socket.SHUT_WR)
            assert ended(connection)
        elif how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with closing(connected(served, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")) as connection:
        assert answer(connection)[0] == 200


def test_a_body_that_does_not_come_is_waited_for_no_longer_than_said(
    served: ServedOms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "BODY_SECONDS", 0.05)
    with closing(connected(served, f"{POST}Content-Length: 100\r\n\r\n{{")) as connection:
        status, text = answer(connection)
        assert (status, b"within 0.05 seconds" in text) == (408, True)
