"""The API key is sent, and never shown: in no log, no verbose output, no exception, no repr."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

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
