"""The served OMS over real sockets: routes, keys, shapes of errors, limits."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ccxt_driver.contract.endpoints import ENDPOINTS, Access
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.entities import Principal
from ccxt_driver.oms.server import create_app
from ccxt_driver.oms.server.limits import LARGEST_BODY

pytestmark = pytest.mark.sockets

Client = TestClient[Any, Any]


@pytest.fixture
async def oms() -> AsyncIterator[EmbeddedOms]:
    with EmbeddedOms(clock="manual") as made:
        made.set_price("BTC/USDT", bid=100, ask=101)
        yield made


@pytest.fixture
async def client(oms: EmbeddedOms) -> AsyncIterator[Client]:
    _, secret = oms.keys.create()
    async with TestClient(TestServer(create_app(oms)), headers={"x-api-key": secret}) as made:
        yield made


def market_buy(**payload: Any) -> dict[str, Any]:
    fields = {"symbol": "BTC/USDT", "side": "buy", "order_type": "market", "qty": "1", **payload}
    return {"account_id": 1, "command": "send_order", "payload": fields}


async def test_every_endpoint_is_routed_under_both_of_its_names(oms: EmbeddedOms) -> None:
    app = create_app(oms)
    routed = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
    }
    for endpoint in ENDPOINTS:
        for path in filter(None, (endpoint.path, endpoint.older_path)):
            assert (endpoint.method, f"/{path}") in routed, endpoint.name
    assert ("GET", "/ws") in routed


async def test_every_endpoint_answers_and_those_that_need_a_key_refuse_without(
    oms: EmbeddedOms, client: Client
) -> None:
    """Over all routes: none is shadowed by another, and none is open by mistake."""
    asked: list[str] = []
    original = oms.handle

    def handle(endpoint: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(endpoint)
        return original(endpoint, *args, **kwargs)

    oms.handle = handle  # type: ignore[method-assign]
    for endpoint in ENDPOINTS:
        for template in filter(None, (endpoint.path, endpoint.older_path)):
            path = "/" + template.format(account_id=1, ids="1,2", func="fetch_balance")
            asked.clear()
            async with client.request(endpoint.method, path, data=b"") as response:
                assert response.status not in (401, 404, 405, 500), (path, await response.text())
                assert response.content_type == "application/json"
            assert asked == [endpoint.name]
            async with client.request(endpoint.method, path, headers={"x-api-key": ""}) as response:
                assert response.status == (200 if endpoint.access is Access.PUBLIC else 401), path


async def test_market_reads_need_no_key_and_trading_does(client: Client) -> None:
    for path in ("/ccxt/1/fetch_ticker", "/ccxt/1/fetchTicker"):
        body = {"args": ["BTC/USDT"]}
        async with client.post(path, json=body, headers={"x-api-key": ""}) as response:
            assert (await response.json())["result"]["bid"] == 100.0
    for path in ("/ccxt/1/createOrder", "/ccxt/1/fetch_balance", "/ccxt/core/1/fetch_balance"):
        async with client.post(path, json={}, headers={"x-api-key": ""}) as response:
            assert response.status == 401
            assert (await response.json())["detail"]["code"] == "missing_api_key"


async def test_a_wrong_or_disabled_key_is_refused_at_once(oms: EmbeddedOms, client: Client) -> None:
    made, secret = oms.keys.create()
    headers = {"x-api-key": secret}
    async with client.get("/oms/accounts", headers=headers) as response:
        assert response.status == 200
    oms.keys.disable(made.id)
    for wrong in (secret, "nonsense", "é"):
        async with client.get("/oms/accounts", headers={"x-api-key": wrong}) as response:
            assert response.status == 401
            detail = (await response.json())["detail"]
            assert detail["code"] == "invalid_api_key"
            assert wrong not in json.dumps(detail, ensure_ascii=False)


async def test_a_key_that_is_disabled_while_the_body_comes_places_nothing(
    oms: EmbeddedOms, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, secret = oms.keys.create()
    found = asyncio.Event()
    authenticate = oms.keys.authenticate

    def noted(given: str) -> Principal | None:
        found.set()
        return authenticate(given)

    monkeypatch.setattr(oms.keys, "authenticate", noted)
    text, before = json.dumps(market_buy()).encode(), oms.last_seq(1)

    async def body() -> AsyncIterator[bytes]:
        yield text[:-1]
        async with asyncio.timeout(5):
            await found.wait()
        oms.keys.disable(made.id)
        yield text[-1:]

    headers = {"x-api-key": secret, "content-type": "application/json"}
    async with client.post("/oms/commands", data=body(), headers=headers) as response:
        assert response.status == 401
        assert (await response.json())["detail"]["code"] == "invalid_api_key"
    assert oms.last_seq(1) == before


async def test_a_key_of_one_account_knows_no_other(oms: EmbeddedOms, client: Client) -> None:
    _, secret = oms.keys.create(account_ids=[2], role="readonly")
    headers = {"x-api-key": secret}
    async with client.get("/oms/accounts", headers=headers) as response:
        assert [row["account_id"] for row in (await response.json())["items"]] == [2]
    async with client.get("/oms/orders/open?account_ids=1", headers=headers) as response:
        assert (response.status, (await response.json())["detail"]["code"]) == (404, "account_not_found")
    command = {**market_buy(), "account_id": 2}
    async with client.post("/oms/commands", json=command, headers=headers) as response:
        assert (response.status, (await response.json())["detail"]["code"]) == (403, "permission_denied")


async def test_an_order_goes_through_and_money_travels_as_text(client: Client) -> None:
    async with client.post("/oms/commands", json=market_buy(qty="0.5")) as response:
        assert response.status == 200
        text = await response.text()
    body = json.loads(text, parse_float=lambda number: pytest.fail(f"a float on the wire: {number}"))
    row = body["results"][0]["order"]
    assert (row["status"], row["filled_qty"], row["avg_fill_price"]) == ("FILLED", "0.5", "101")
    async with client.get(f"/oms/orders/{row['id']},999") as response:
        assert [item["id"] for item in (await response.json())["items"]] == [row["id"]]
    async with client.get(f"/position/orders/{row['id']}") as response:
        assert response.status == 200


async def test_some_of_a_list_and_none_of_a_list(client: Client) -> None:
    bad = market_buy(symbol="NO/SUCH")
    async with client.post("/oms/commands", json=[market_buy(qty="0.1"), bad]) as response:
        assert response.status == 207
        assert [result["ok"] for result in (await response.json())["results"]] == [True, False]
    async with client.post("/oms/commands", json=[bad]) as response:
        assert response.status == 422
        detail = (await response.json())["detail"]
        assert detail["code"] == "bad_symbol"
        assert detail["results"][0]["ok"] is False


@pytest.mark.parametrize("body", [b"{", b"nonsense", b"\xff", b"NaN", b"[" * 200_000])
async def test_a_body_that_is_not_json_is_told(client: Client, body: bytes) -> None:
    async with client.post("/oms/commands", data=body) as response:
        assert response.status == 422
        detail = (await response.json())["detail"]
        assert (detail["code"], detail["message"]) == ("validation_error", "body: expected JSON")
        assert detail["request_id"] == response.headers["X-Request-ID"]


async def test_a_body_is_not_nested_deeper_than_it_can_be_answered(client: Client) -> None:
    deep = json.loads("[" * 300 + "]" * 300)
    for path in ("/ccxt/1/fetch_ticker", "/ccxt/1/fetch_order"):
        async with client.post(path, json={"args": [deep]}) as response:
            assert (response.status, (await response.json())["detail"]["message"]) == (
                422,
                "body: expected JSON",
            )


async def test_a_body_that_is_not_as_its_headers_say_is_told(client: Client) -> None:
    headers = {"Content-Encoding": "gzip"}
    async with client.post("/oms/commands", data=b"not compressed", headers=headers) as response:
        assert response.status == 400
        detail = (await response.json())["detail"]
    assert (detail["code"], "Content-Encoding" in detail["message"]) == ("validation_error", True)


async def test_a_body_that_is_too_large_is_told(client: Client) -> None:
    async with client.post("/oms/commands", data=io.BytesIO(b" " * (LARGEST_BODY + 1))) as response:
        assert response.status == 413
        assert "at most" in (await response.json())["detail"]["message"]


async def test_a_parameter_given_twice_is_told(client: Client) -> None:
    async with client.get("/oms/orders/open?account_ids=1&account_ids=2") as response:
        assert (response.status, (await response.json())["detail"]["code"]) == (422, "validation_error")


async def test_unknown_routes_and_methods_answer_as_any_router(client: Client) -> None:
    async with client.get("/oms/nothing") as response:
        assert (response.status, await response.json()) == (404, {"detail": "Not Found"})
    async with client.put("/oms/accounts") as response:
        assert (response.status, await response.json()) == (405, {"detail": "Method Not Allowed"})
        assert response.headers["Allow"] == "GET"


async def test_the_request_id_of_the_client_comes_back(client: Client) -> None:
    async with client.get("/healthz", headers={"X-Request-ID": "abc-1"}) as response:
        assert response.headers["X-Request-ID"] == "abc-1"
    async with client.get("/oms/orders/x", headers={"X-Request-ID": "abc 2" + "x" * 200}) as response:
        detail = (await response.json())["detail"]
        assert detail["request_id"] == response.headers["X-Request-ID"] == ("abc2" + "x" * 200)[:128]


async def test_what_nobody_foresaw_is_an_internal_error_with_a_log_line(
    oms: EmbeddedOms, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("as if by chance")

    oms.handle = broken  # type: ignore[method-assign]
    async with client.get("/healthz") as response:
        assert response.status == 500
        detail = (await response.json())["detail"]
    assert detail["code"] == "internal_error"
    assert "as if by chance" not in json.dumps(detail)
    assert detail["request_id"] in caplog.text
    assert "as if by chance" in caplog.text


async def test_the_server_settles_by_itself(oms: EmbeddedOms) -> None:
    """Without a request, in the background: here by a tick that a test can see."""
    ticks: list[int] = []
    original = oms.tick

    def tick() -> None:
        ticks.append(1)
        original()

    oms.tick = tick  # type: ignore[method-assign]
    async with TestClient(TestServer(create_app(oms))):
        pass
    assert ticks


async def test_risk_is_managed_while_it_runs(oms: EmbeddedOms, client: Client) -> None:
    _, secret = oms.keys.create(role="risk")
    risk = {"x-api-key": secret}
    limits = {"limits": {"max_order_qty": "0.5"}, "symbol": "BTC/USDT"}
    async with client.post("/oms/risk/1/limits", json=limits) as response:
        assert response.status == 403
    async with client.post("/oms/risk/1/limits", json=limits, headers=risk) as response:
        assert (await response.json())["limits"] == {"max_order_qty": "0.5"}
    async with client.post("/oms/commands", json=market_buy()) as response:
        detail = (await response.json())["detail"]
        assert (detail["code"], detail["details"]["reason"]) == ("risk_blocked", "max_order_qty")
    async with client.post("/oms/risk/1/kill_switch", json={"killed": True}, headers=risk) as response:
        assert response.status == 200
    async with client.get("/oms/risk/1/limits") as response:
        assert len((await response.json())["items"]) == 2
    body = {"symbol": "BTC/USDT", "session": "closed"}
    async with client.post("/oms/sessions", json=body, headers=risk) as response:
        assert (await response.json())["session"] == "closed"
