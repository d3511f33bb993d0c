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


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = document()["components"]["schemas"][name]["properties"]
    return found


def test_every_endpoint_with_its_parameters() -> None:
    paths = document()["paths"]
    assert sum(map(len, paths.values())) == len(ENDPOINTS)
    for endpoint in ENDPOINTS:
        operation = paths[f"/{endpoint.path}"][endpoint.method.lower()]
        given = {(each["name"], each["in"]) for each in operation["parameters"]}
        assert given == {(name, "path") for name in endpoint.placeholders} | {
            (name, "query") for name in endpoint.query
        }
        with_body = endpoint.method != "GET" and endpoint.name not in _WITHOUT_BODY
        assert ("requestBody" in operation) == with_body
        assert {"200", "401", "429"} <= operation["responses"].keys()


def test_every_reference_leads_somewhere_and_every_command_is_there() -> None:
    text = json.dumps(document())
    schemas = document()["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/(\w+)"', text)) <= schemas.keys()
    assert schemas["Command"]["discriminator"]["mapping"].keys() == {name.value for name in CommandName}
    assert schemas["SendOrder"]["additionalProperties"] is False


def test_what_parameters_are_and_which_are_required() -> None:
    by_name = {each["name"]: each for each in document()["paths"]["/oms/ledger"]["get"]["parameters"]}
    assert by_name["page_size"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 500}
    assert [name for name, each in by_name.items() if each["required"]] == ["account_ids"]
    by_id = document()["paths"]["/oms/orders/{ids}"]["get"]["parameters"]
    assert [each["name"] for each in by_id if each["required"]] == ["ids"]


def test_values_are_described_as_they_are_read_and_as_they_are_written() -> None:
    written = properties("OrderRow")
    assert written["created_at"] | {"title": ""} == {"type": "string", "format": "date-time", "title": ""}
    assert written["qty"]["type"] == "string"
    read = properties("SendOrder")
    assert {"type": "number", "exclusiveMinimum": 0} in read["qty"]["anyOf"]
    assert {"type": "string"} in read["expire_at"]["anyOf"]
    assert {"type": "string", "pattern": "^[0-9, ]*$"} in properties("CancelOrder")["order_ids_csv"]["anyOf"]


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
