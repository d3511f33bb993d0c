from __future__ import annotations

import json
import re
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ccxt_driver.contract.commands import CommandName
from ccxt_driver.contract.endpoints import ENDPOINTS
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.server import create_app
from ccxt_driver.oms.server.openapi import _BODIES, document

_WITHOUT_BODY = {"cache_clear"}


def test_every_endpoint_with_its_parameters() -> None:
    paths = document()["paths"]
    assert sum(map(len, paths.values())) == len(ENDPOINTS)
    for endpoint in ENDPOINTS:
        operation = paths[f"/{endpoint.path}"][endpoint.method.lower()]
        given = {(each["name"], each["in"]) for each in operation["parameters"]}
        assert given == {(name, "path") for name in endpoint.placeholders} | {
            (name, "query") for name in endpoint.query
        }
        assert ("requestBody" in operation) == (endpoint.method != "GET")
        assert {"200", "401", "429"} <= operation["responses"].keys()


def test_every_reference_leads_somewhere_and_every_command_is_there() -> None:
    text = json.dumps(document())
    schemas = document()["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/(\w+)"', text)) <= schemas.keys()
    assert schemas["Command"]["discriminator"]["mapping"].keys() == {name.value for name in CommandName}
    assert schemas["SendOrder"]["additionalProperties"] is False


def test_bodies_are_of_endpoints_that_have_one() -> None:
    posted = {endpoint.name for endpoint in ENDPOINTS if endpoint.method == "POST"}
    venue = {"commands", "ccxt_call", "ccxt_core", "ccxt_commands"}
    assert _BODIES.keys() == posted - venue - _WITHOUT_BODY


@pytest.mark.parametrize("path", ["/openapi.json"])
async def test_it_is_served_without_a_key(path: str) -> None:
    with EmbeddedOms(clock="manual") as oms:
        async with TestClient(TestServer(create_app(oms))) as client:
            answer: Any = await (await client.get(path)).json()
    assert answer == json.loads(json.dumps(document()))
    assert answer["openapi"] == "3.1.0"
