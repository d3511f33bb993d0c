"""A connection that the server has closed, or may be about to close, carries no command."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.async_support
import pytest

from ccxt_driver.exchange._twins_async import _look_at
from tests.helpers.gateway_stub import Driver, Gateway
from tests.helpers.loopback_server import LoopbackServer, serving
from tests.helpers.oms_rows import order_row

pytestmark = [pytest.mark.sockets, pytest.mark.oldest]

READ = "GET /oms/orders/open"
COMMANDS = "POST /oms/commands"
LIMIT = ("BTC/USDT", "limit", "buy", 2, 100)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with serving(Gateway()) as running:
        running.gateway.on(READ, {"items": []})
        running.gateway.on_command(order=order_row())
        yield running


@pytest.mark.parametrize("missing", [(), ("poll",)])
def test_a_look_at_a_socket_waits_for_nothing(monkeypatch: pytest.MonkeyPatch, missing: tuple[str]) -> None:
    for name in missing:  # on Windows
        monkeypatch.delattr(select, name)
    ours, theirs = socket.socketpair()
    with ours:
        look = _look_at(ours.fileno())
        assert not look()
        theirs.send(b"x")
        assert look()
        ours.recv(1)
        assert not look()
        theirs.close()
        assert look()


def failed(driver: Driver, answer: Any) -> None:
    """Let a command fail."""
    good = driver.gateway.answers[COMMANDS]
    driver.gateway.on(COMMANDS, answer)
    name = f"mine{len(driver.gateway.sent)}"  # the same again would not be sent
    with pytest.raises(ccxt.BaseError):
        driver.call("create_order", *LIMIT, {"clientOrderId": name})
    driver.gateway.on(COMMANDS, good)


def test_a_busy_connection_is_kept(connect: Any, server: LoopbackServer) -> None:
    driver = connect(server.gateway, server.url).ready()
    for _ in range(10):
        driver.call("create_order", *LIMIT)

    assert server.connections == 1


def test_a_forked_process_has_connections_of_its_own(
    connect: Any, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one connection of both, one may read the answer to the other's order."""
    driver = connect(server.gateway, server.url).ready()
    if isinstance(driver.exchange, ccxt.async_support.Exchange):
        pytest.skip("an event loop does not survive a fork")
    driver.call("create_order", *LIMIT)
    before = server.connections
    own = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: own + 1)
    for _ in range(3):
        driver.call("create_order", *LIMIT)

    assert server.connections == before + 1


def test_one_that_was_idle_for_too_long_is_not_used_again(connect: Any, server: LoopbackServer) -> None:
    driver = connect(server.gateway, server.url, options={"keep_alive": 1}).ready()
    before = server.connections
    for _ in range(3):
        time.sleep(0.002)  # the loop does not run either
        driver.call("create_order", *LIMIT)

    assert server.connections == before + 3


def test_a_server_that_closes_idle_connections_costs_no_error(connect: Any, server: LoopbackServer) -> None:
    server.idle_seconds = 0.2
    driver = connect(server.gateway, server.url, options={"keep_alive": 100}).ready()
    for seconds in (0.0, 0.05, 0.19, 0.2, 0.21, 0.3):
        time.sleep(seconds)
        driver.call("create_order", *LIMIT)

    assert server.gateway.routes.count(COMMANDS) == 6


def test_a_close_that_the_loop_has_not_seen_costs_no_error(connect: Any, server: LoopbackServer) -> None:
    driver = connect(server.gateway, server.url).ready()
    for _ in range(5):
        driver.call("fetch_open_orders")
        server.close_idle()
        driver.call("create_order", *LIMIT)

    assert server.gateway.routes.count(COMMANDS) == 5


def test_a_server_that_closes_after_a_failure_costs_no_error(connect: Any, server: LoopbackServer) -> None:
    server.close_after_failure = True
    driver = connect(server.gateway, server.url, options={"circuit_failures": 0}).ready()
    for _ in range(5):
        failed(driver, (500, "Internal Server Error"))
        driver.call("create_order", *LIMIT)

    assert server.gateway.routes.count(COMMANDS) == 10


@pytest.mark.parametrize("body", ["no", "no" * 500_000], ids=["short", "in pieces"])
@pytest.mark.parametrize("status, used_again", [(500, False), (503, False), (400, True), (422, True)])
def test_after_a_failure_of_the_server_it_is_not_used_again(
    connect: Any, server: LoopbackServer, status: int, used_again: bool, body: str
) -> None:
    """The end may still be on its way."""
    driver = connect(server.gateway, server.url).ready()
    for _ in range(2):
        failed(driver, (status, body))
        driver.call("create_order", *LIMIT)

    assert server.connections == (1 if used_again else 3)


def test_a_limit_that_makes_no_sense_is_named(make_driver: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match="keep_alive"):
        make_driver(options={"keep_alive": "long"})
