"""ccxt's static request and response tests of every method that the OMS or every venue answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.contract.endpoints import snake_case
from ccxt_driver.exchange.capabilities import CAPABILITIES, Source
from tests.static.static_format import (
    Entry,
    assert_request,
    assert_response,
    assert_same,
    config,
    is_disabled,
    path_of,
    prepare,
    read,
    replaced_fetch,
)

pytestmark = pytest.mark.oldest

REQUESTS, RESPONSES = read("request"), read("response")
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
FLAG_OF = {"cancelOrdersWithClientOrderIds": "cancelOrdersWithClientOrderId"}
"""The one method of ccxt that is not named as its flag is; ours of the flag's name calls it."""


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
    modules = {
        key: getattr(getattr(OmsCcxtExchange, snake_case(key), None), "__module__", "") for key in native
    }
    own = {key for key, module in modules.items() if module.startswith("ccxt_driver.")}
    own -= set(FLAG_OF.values())

    assert {"createOrder", "fetchTicker"} <= own
    assert own - _methods(RESPONSES) == set()


def _sent(entry: Entry) -> str:
    """Tell verb, path and command of a stored request, as the table of the README has them."""
    output = entry.get("output") or {}
    command = (output[0] if isinstance(output, list) else output).get("command")
    path = re.sub(r"(?<=/)(?:\d+,?)+(?=/|$)", "{}", path_of(entry["url"]))
    return f"{entry['method']} {path} {command or ''}".rstrip()


def test_the_readmes_table_of_endpoints_says_what_is_sent() -> None:
    sent: dict[str, set[str]] = {}
    for name, entries in REQUESTS["methods"].items():
        known = [entry for entry in entries if not {"features", "options"} & entry.keys()]
        sent[snake_case(name)] = {_sent(entry) for entry in known}
    rows = re.findall(r"^\| (`[a-z_]+`.*) \| (`(?:GET|POST) .*) \|$", README, re.MULTILINE)
    wrong = []
    for methods, endpoints in rows:
        allowed = re.sub(r"\{(?!func)\w+\}", "{}", endpoints)
        for method in set(re.findall(r"`([a-z_]+)`", methods)) & sent.keys():
            possible = {each.replace("{func}", method) for each in re.findall(r"`([^`]+)`", allowed)}
            verbs = {each for each in possible if each.startswith(("GET", "POST"))}
            possible = verbs | {f"{verb} {word}" for verb in verbs for word in possible - verbs}
            # A command may look something up before; of a read the first request is in the table.
            if not sent[method] & possible or any("commands " in each for each in sent[method] - possible):
                wrong.append(f"{method}: {sorted(sent[method])}")

    assert len(rows) > 15
    assert wrong == []


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
