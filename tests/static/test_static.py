"""ccxt's static request and response tests of every method that the OMS or every venue answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.exchange.capabilities import CAPABILITIES, Source
from tests.static.static_format import (
    Entry,
    assert_request,
    assert_response,
    assert_same,
    config,
    is_disabled,
    prepare,
    read,
    replaced_fetch,
)

pytestmark = pytest.mark.oldest

REQUESTS, RESPONSES = read("request"), read("response")
FLAG_OF = {"cancelOrdersWithClientOrderIds": "cancelOrdersWithClientOrderId"}
"""The one method that is not named as its flag is."""


def _entries(data: dict[str, Any]) -> list[Any]:
    return [
        pytest.param(name, entry, id=f"{name}: {entry['description']}")
        for name, entries in data["methods"].items()
        for entry in entries
        if not is_disabled(entry)
    ]


class Colour:
    """Makes exchanges of one class, their transport replaced, and calls them to the end."""

    def __init__(self, runner: asyncio.Runner | None) -> None:
        self._runner = runner

    def exchange(self, data: dict[str, Any], entry: Entry) -> Any:
        """Make an exchange that is ready for an entry."""
        if self._runner is None:
            exchange: Any = OmsCcxtExchange(config())
            exchange.fetch = replaced_fetch(exchange, entry)
        else:
            exchange = self._runner.run(self._made())
            fetch = replaced_fetch(exchange, entry)

            async def fetch_async(*request: Any) -> Any:
                answer = fetch(*request)
                return await answer if asyncio.iscoroutine(answer) else answer

            exchange.fetch = fetch_async
        prepare(exchange, data, entry)
        return exchange

    async def _made(self) -> Any:
        return AsyncOmsCcxtExchange(config())

    def call(self, exchange: Any, name: str, arguments: list[Any]) -> Any:
        """Call a method by ccxt's name of it."""
        result = getattr(exchange, name)(*arguments)
        return result if self._runner is None else self._runner.run(result)


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    if request.param == "sync":
        yield Colour(None)
        return
    with asyncio.Runner() as runner:
        yield Colour(runner)


@pytest.mark.parametrize("method, entry", _entries(REQUESTS))
def test_request(method: str, entry: Entry, colour: Colour) -> None:
    exchange = colour.exchange(REQUESTS, entry)

    with pytest.raises(ccxt.InvalidProxySettings):
        colour.call(exchange, method, entry["input"])

    assert_request(exchange, REQUESTS, entry)


@pytest.mark.parametrize("method, entry", _entries(RESPONSES))
def test_response(method: str, entry: Entry, colour: Colour) -> None:
    exchange = colour.exchange(RESPONSES, entry)
    if "error" not in entry:
        assert_response(colour.call(exchange, method, entry["input"]), RESPONSES, entry)
        return

    with pytest.raises(ccxt.BaseError) as caught:
        colour.call(exchange, method, entry["input"])

    told = {"class": type(caught.value).__name__, **vars(caught.value)}
    for name, value in entry["error"].items():
        assert told[name] == value, name


def _methods(data: dict[str, Any]) -> set[str]:
    return {FLAG_OF.get(name, name) for name in data["methods"]}


def test_every_method_of_oms_and_market_has_a_stored_request() -> None:
    native = {key for key, source in CAPABILITIES.items() if source in (Source.OMS, Source.MARKET)}

    assert native - _methods(REQUESTS) == set()


def test_every_method_that_the_driver_maps_has_a_stored_response() -> None:
    """What ccxt's base class makes of other methods answers as those do."""
    native = {key for key, source in CAPABILITIES.items() if source in (Source.OMS, Source.MARKET)}
    modules = {key: getattr(getattr(OmsCcxtExchange, key, None), "__module__", "") for key in native}
    own = {key for key, module in modules.items() if module.startswith("ccxt_driver.")}

    assert {"createOrder", "fetchTicker"} <= own
    assert own - _methods(RESPONSES) == set()


@pytest.mark.parametrize(
    "new, stored",
    [
        pytest.param({"a": 1}, {"a": 2}, id="value"),
        pytest.param({"a": 1}, {"b": 1}, id="key"),
        pytest.param({"a": 1, "b": None}, {"a": 1}, id="more keys"),
        pytest.param([1], [1, 1], id="length"),
        pytest.param({"a": True}, {"a": "true"}, id="boolean and text"),
        pytest.param({"a": "x"}, {"a": None}, id="text and nothing"),
        pytest.param({"a": [{"b": "1.0"}]}, {"a": [{"b": "1.1"}]}, id="depth"),
    ],
)
def test_rules_tell_what_differs(new: Any, stored: Any) -> None:
    for strict in (True, False):
        with pytest.raises(AssertionError):
            assert_same(new, stored, [], strict)


def test_rules_of_responses_take_other_spellings_of_a_number() -> None:
    assert_same({"a": 0.5, "b": 0}, {"a": "0.50", "b": None}, [], strict=False)
    with pytest.raises(AssertionError):
        assert_same({"a": 0.5}, {"a": "0.50"}, [], strict=True)


def test_skipped_keys_must_be_there_all_the_same() -> None:
    assert_same({"a": 1}, {"a": 2}, ["a"])
    with pytest.raises(AssertionError):
        assert_same({}, {"a": 2}, ["a"])
