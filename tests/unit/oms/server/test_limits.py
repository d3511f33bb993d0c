from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.access import ANONYMOUS
from ccxt_driver.oms.entities import Principal
from ccxt_driver.oms.server import create_app, limits
from ccxt_driver.oms.server.limits import Limits, RateLimiter


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


FIRST, SECOND = Principal(key_id=1), Principal(key_id=2)


def test_a_bucket_fills_again_and_each_has_its_own() -> None:
    seconds = Seconds()
    limiter = RateLimiter(2, 3, seconds)
    assert [limiter.wait(FIRST, None) for _ in range(4)] == [0, 0, 0, 1]
    assert limiter.wait(SECOND, None) == 0
    seconds.now += 0.5
    assert [limiter.wait(FIRST, None) for _ in range(2)] == [0, 1]
    seconds.now += 1000
    assert [limiter.wait(FIRST, None) for _ in range(4)] == [0, 0, 0, 1]


def test_whoever_is_refused_does_not_wait_longer_for_it() -> None:
    seconds = Seconds()
    limiter = RateLimiter(0.1, 1, seconds)
    assert [limiter.wait(FIRST, None) for _ in range(5)] == [0, 10, 10, 10, 10]
    seconds.now += 10
    assert limiter.wait(FIRST, None) == 0


def test_without_a_key_it_is_the_address() -> None:
    limiter = RateLimiter(1, None, Seconds())
    assert [limiter.wait(ANONYMOUS, address) for address in ("a", "b", "a")] == [0, 0, 1]


def test_addresses_that_have_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_BUCKETS", 10)
    seconds = Seconds()
    limiter = RateLimiter(1, None, seconds)
    for number in range(100):
        assert limiter.wait(ANONYMOUS, str(number)) == 0
        seconds.now += 0.5
    assert len(limiter._buckets) <= 10
    assert limiter.wait(ANONYMOUS, "99") == 1


@pytest.mark.parametrize(
    "given, field",
    [
        ({"largest_body": 0}, "largest_body"),
        ({"largest_frame": -1}, "largest_frame"),
        ({"requests_per_second": float("nan")}, "requests_per_second"),
        ({"requests_per_second": 1, "burst": 0}, "burst"),
        ({"burst": 5}, "burst"),
    ],
)
def test_limits_that_make_no_sense_are_refused(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        Limits(**given)


async def test_over_http_and_the_websocket() -> None:
    with EmbeddedOms(clock="manual") as oms:
        _, secret = oms.keys.create()
        _, other = oms.keys.create()
        app = create_app(oms, Limits(requests_per_second=0.01, burst=2, largest_body=50, largest_frame=60))
        async with TestClient(TestServer(app)) as client:

            async def get(key: str, path: str = "/oms/accounts") -> Any:
                return await client.get(path, headers={"x-api-key": key})

            assert [(await get(secret)).status for _ in range(2)] == [200, 200]
            refused = await get(secret)
            assert (refused.status, refused.headers["Retry-After"]) == (429, "100")
            assert (await refused.json())["detail"]["code"] == "rate_limited"
            assert (await get(secret, "/healthz")).status == 200
            too_long = await client.post("/oms/commands", headers={"x-api-key": other}, data=b" " * 51)
            assert too_long.status == 413
            assert "at most 50 bytes" in (await too_long.json())["detail"]["message"]

            socket = await client.ws_connect("/ws", headers={"x-api-key": secret})
            await socket.receive_json()
            await socket.send_json({"id": 1, "action": "ping"})
            assert (await socket.receive_json())["event"] == "pong"
            await socket.send_json({"id": 2, "action": "call", "payload": {}})
            answer = await socket.receive_json()
            assert (answer["id"], answer["payload"]["code"]) == (2, "rate_limited")
            assert answer["payload"]["details"] == {"retry_after": 100}
            await socket.send_str("x" * 61)
            await socket.receive()
            assert socket.close_code == 1009
