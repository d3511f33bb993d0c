from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.server import create_app
from ccxt_driver.oms.server.command_groups import CommandGroups
from ccxt_driver.oms.server.json_log import JsonFormatter
from ccxt_driver.oms.server.telemetry import REQUEST_ID, Metrics, is_of_this_machine

_SAMPLE = re.compile(r'^[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.]+$')


def _samples(text: str) -> dict[str, float]:
    """Read the page as Prometheus does: each line a comment or a sample, each family told of first."""
    assert text.endswith("\n")
    found: dict[str, float] = {}
    kinds: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# "):
            kinds.add(line.split()[2])
            continue
        assert _SAMPLE.match(line), line
        name, _, value = line.rpartition(" ")
        assert name not in found
        assert re.sub(r"_(bucket|sum|count)?(\{.*)?$", "", name + "{") or name in kinds
        found[name] = float(value)
    return found


def test_buckets_count_what_is_below_them() -> None:
    with EmbeddedOms(clock="manual") as oms:
        metrics = Metrics(CommandGroups(oms), lambda: 3)
    for seconds in (0.0005, 0.02, 7.0):
        metrics.note("GET", "/oms/deals", 200, seconds)
    samples = _samples(metrics.text())
    path = 'path="/oms/deals"'
    name = "ccxt_driver_request_seconds"
    assert samples[f'{name}_bucket{{{path},le="0.001"}}'] == 1
    assert samples[f'{name}_bucket{{{path},le="0.025"}}'] == 2
    assert samples[f'{name}_bucket{{{path},le="2.5"}}'] == 2
    assert samples[f'{name}_bucket{{{path},le="+Inf"}}'] == samples[f"{name}_count{{{path}}}"] == 3
    assert samples[f"{name}_sum{{{path}}}"] == 7.0205
    assert samples["ccxt_driver_websocket_clients"] == 3


async def test_what_is_served_is_counted_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with EmbeddedOms(db=tmp_path / "oms.sqlite", clock="manual") as oms:
        _, secret = oms.keys.create()
        app = create_app(oms, access_log=True)
        async with TestClient(TestServer(app)) as client:
            headers = {"x-api-key": secret, "X-Request-ID": "mine"}
            answer = await client.get("/oms/orders/7,8", headers=headers)
            assert answer.headers["X-Request-ID"] == "mine"
            await client.get("/nowhere/1")
            refused = await client.post("/oms/commands", json={}, headers={"x-api-key": secret})
            body = await refused.json()
            socket = await client.ws_connect("/ws")
            page = await client.get("/metrics")
            assert page.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            samples = _samples(await page.text())
            await socket.close()
    requests = "ccxt_driver_requests_total"
    assert samples[f'{requests}{{method="GET",path="/oms/orders/{{ids}}",status="200"}}'] == 1
    assert samples[f'{requests}{{method="GET",path="unknown",status="404"}}'] == 1
    assert samples[f'{requests}{{method="POST",path="/oms/commands",status="422"}}'] == 1
    assert samples["ccxt_driver_websocket_clients"] == 1
    assert samples["ccxt_driver_grouped_requests_total"] == samples["ccxt_driver_command_groups_total"] == 1
    lines = [vars(each) for each in caplog.records if each.name == "ccxt_driver.oms.access"]
    assert [(line["path"], line["status"]) for line in lines[:3]] == [
        ("/oms/orders/7,8", 200),
        ("/nowhere/1", 404),
        ("/oms/commands", 422),
    ]
    assert lines[0]["request_id"] == "mine"
    assert lines[2]["request_id"] == body["detail"]["request_id"] == refused.headers["X-Request-ID"]
    assert secret not in caplog.text + str(lines)


@pytest.mark.parametrize(
    "asked, logged",
    [
        ("/no%0aINFO:%20POST%20/oms/commands%20200", "/no%0AINFO:%20POST%20/oms/commands%20200"),
        ("/no%1b[31m", "/no%1B%5B31m"),
        ("/no%e2%80%a8%c2%85", "/no%E2%80%A8%C2%85"),
    ],
)
async def test_a_request_is_one_line_of_the_log(
    caplog: pytest.LogCaptureFixture, asked: str, logged: str
) -> None:
    """Without a key anybody could write lines of his own, such as of a command that was answered with 200."""
    caplog.set_level(logging.INFO)
    with EmbeddedOms(clock="manual") as oms:
        async with TestClient(TestServer(create_app(oms, access_log=True))) as client:
            url = client.make_url("/").with_path(asked, encoded=True)
            assert (await client.session.get(url)).status == 404
    [line] = [each for each in caplog.records if each.name == "ccxt_driver.oms.access"]
    assert (vars(line)["path"], line.getMessage()) == (logged, f"GET {logged} 404")


async def test_metrics_can_be_turned_off_and_the_log_is_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with EmbeddedOms(clock="manual") as oms:
        async with TestClient(TestServer(create_app(oms, metrics=False))) as client:
            assert (await client.get("/metrics")).status == 404
    assert "ccxt_driver.oms.access" not in {each.name for each in caplog.records}


async def test_it_counts_without_a_log_and_makes_up_no_request_id() -> None:
    with EmbeddedOms(clock="manual") as oms:
        async with TestClient(TestServer(create_app(oms))) as client:
            health = await client.get("/healthz")
            assert "X-Request-ID" not in health.headers
            assert (await client.get("/oms/accounts")).status == 401
            samples = _samples(await (await client.get("/metrics")).text())
    requests = "ccxt_driver_requests_total"
    assert samples[f'{requests}{{method="GET",path="/healthz",status="200"}}'] == 1
    assert samples[f'{requests}{{method="GET",path="/oms/accounts",status="401"}}'] == 1


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
async def test_another_machine_needs_a_key_for_the_metrics(header: str) -> None:
    with EmbeddedOms(clock="manual") as oms:
        _, secret = oms.keys.create(role="readonly")
        async with TestClient(TestServer(create_app(oms))) as client:
            through_a_proxy = {header: "for=192.0.2.7"}
            missing = await client.get("/metrics", headers=through_a_proxy)
            wrong = await client.get("/metrics", headers=through_a_proxy | {"x-api-key": "guessed"})
            right = await client.get("/metrics", headers=through_a_proxy | {"x-api-key": secret})
            assert [each.status for each in (missing, wrong, right)] == [401, 401, 200]
            assert (await missing.json())["detail"]["code"] == "missing_api_key"


@pytest.mark.parametrize(
    "address, here",
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("::ffff:192.0.2.7", False),
        ("fe80::1%eth0", False),
        ("", False),
        (None, False),
    ],
)
def test_who_asks_from_this_machine(address: str | None, here: bool) -> None:
    request = make_mocked_request("GET", "/metrics").clone(remote=address)
    assert is_of_this_machine(request) is here


def test_a_line_of_json() -> None:
    try:
        raise ZeroDivisionError("why")
    except ZeroDivisionError:
        record = logging.LogRecord("a.b", logging.ERROR, "f", 1, "%s\nfailed", ("it",), sys.exc_info())
    record.created = 1_767_225_600.5
    token = REQUEST_ID.set("r1")
    text = JsonFormatter().format(record)
    REQUEST_ID.reset(token)
    assert "\n" not in text
    line = json.loads(text)
    assert line.pop("exception").endswith("ZeroDivisionError: why")
    assert line == {
        "time": "2026-01-01T00:00:00.500Z",
        "level": "ERROR",
        "logger": "a.b",
        "message": "it\nfailed",
        "request_id": "r1",
    }
