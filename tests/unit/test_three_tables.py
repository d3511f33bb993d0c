"""One contract, four places that serve or speak it: what one of them has, all of them have."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from ccxt.base.types import Entry

from ccxt_driver.contract.endpoints import BY_NAME, ENDPOINTS, Access
from ccxt_driver.exchange.endpoints import ImplicitApi

pytestmark = pytest.mark.oldest

API_OF_ACCESS = {Access.PUBLIC: "public", Access.KEY: "private", Access.MARKET: "market"}
API_OF_ROUTE = {(each.method, each.path): API_OF_ACCESS[each.access] for each in ENDPOINTS}


BEYOND_THE_CONTRACT = {("GET", "ws"), ("GET", "openapi.json"), ("GET", "metrics")}
"""The WebSocket, and what is for people and their tools."""


def implicit_methods() -> dict[str, Entry]:
    """Read the driver's implicit API: method name to entry."""
    return {name: value for name, value in vars(ImplicitApi).items() if isinstance(value, Entry)}


def served_routes() -> set[tuple[str, str]]:
    """Read the routes of the server, aiohttp's own HEAD aside."""
    from ccxt_driver.oms import EmbeddedOms
    from ccxt_driver.oms.server.application import create_app

    oms = EmbeddedOms()
    try:
        app = create_app(oms)
        return {
            (route.method, route.resource.canonical.removeprefix("/"))
            for route in app.router.routes()
            if route.resource is not None and route.method != "HEAD"
        }
    finally:
        oms.close()


def test_the_drivers_implicit_api_is_the_contract() -> None:
    spoken = {(entry.method, entry.path, entry.api) for entry in implicit_methods().values()}
    contract = {(each.method, each.path, API_OF_ACCESS[each.access]) for each in ENDPOINTS}

    assert spoken == contract


def test_implicit_methods_have_both_of_ccxts_spellings() -> None:
    spellings: dict[tuple[str, str], set[str]] = {}
    for name, entry in implicit_methods().items():
        spellings.setdefault((entry.method, entry.path), set()).add(name)

    for (method, path), names in spellings.items():
        words = [API_OF_ROUTE[method, path], method.lower()]
        plain = path.replace("{", "").replace("}", "")
        words += plain.replace("/", "_").split("_")
        camel = words[0] + "".join(word.capitalize() for word in words[1:])
        assert names == {"_".join(words), camel}


def test_implicit_methods_cost_nothing() -> None:
    """ccxt's limiter would add about a millisecond to every call."""
    assert {str(entry.config) for entry in implicit_methods().values()} == {"{'cost': 0}"}


def test_the_embedded_oms_handles_the_contract() -> None:
    from ccxt_driver.oms.gateway import HANDLERS

    assert set(HANDLERS) == set(BY_NAME)


def test_the_server_serves_the_contract_and_its_older_names() -> None:
    contract = {(each.method, each.path) for each in ENDPOINTS}
    older = {(each.method, each.older_path) for each in ENDPOINTS if each.older_path is not None}

    assert served_routes() == contract | older | BEYOND_THE_CONTRACT


def test_every_handler_is_a_function_of_a_request() -> None:
    """A table of names proves nothing when what stands behind them cannot be called."""
    from ccxt_driver.oms.gateway import HANDLERS

    for name, handler in HANDLERS.items():
        parameters: Any = inspect.signature(handler).parameters
        assert len(parameters) == 1, name
