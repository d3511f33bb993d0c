"""A gateway that answers from a table and remembers what it was asked, and a driver on it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
import responses

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.contract.features import Feature

from .oms_rows import account_row, markets

URL = "http://oms.test"
ALL_FEATURES = tuple(feature.value for feature in Feature)
NO_FEATURES: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sent:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    text: str | None
    body: Any

    @property
    def route(self) -> str:
        """Verb and path in one text."""
        return f"{self.method} {self.path}"


Answer = Any
"""A body; (status, body); (status, body, headers); an exception; or a function of the request."""


@dataclass
class Gateway:
    """Answers by route. A request that the table does not know fails the test."""

    features: tuple[str, ...] = ALL_FEATURES
    answers: dict[str, Answer] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        health = {"status": "ok", "app": "stub", "version": "1", "time_ms": 1_795_140_332_123}
        self.on("GET /healthz", {**health, "features": list(self.features)})
        self.on("POST /ccxt/1/fetch_markets", {"ok": True, "result": markets()})
        self.on("POST /ccxt/1/fetch_currencies", {"ok": True, "result": {}})
        self.on("POST /ccxt/1/describe", {"ok": True, "result": {"has": {}}})
        self.on("GET /oms/accounts", {"items": [account_row()]})

    def on(self, route: str, answer: Answer) -> None:
        """Answer a route from now on.

        :param route: verb and path
        """
        self.answers[route] = answer

    def on_command(self, **result: Any) -> None:
        """Answer every command with one result that is ok."""
        result = {"index": 0, "ok": True, "command_id": 5, "order_id": 11, "error": None, **result}
        self.on("POST /oms/commands", {"results": [result]})

    def refuse(self, status: int, code: str, route: str = "POST /oms/commands", **details: Any) -> None:
        """Answer a route with a refusal of the contract."""
        detail = {"code": code, "message": "no", "details": details, "request_id": "req-7"}
        self.on(route, (status, {"detail": detail}))

    def answer(
        self, method: str, url: str, headers: dict[str, Any], text: str | bytes | None
    ) -> tuple[int, str, dict[str, str]]:
        """Take a request, and give status, text and headers."""
        parts = urlsplit(url)
        text = text.decode() if isinstance(text, bytes) else text
        sent = Sent(
            method,
            unquote(parts.path),
            dict(parse_qsl(parts.query)),
            {name.lower(): str(value) for name, value in headers.items()},
            text,
            json.loads(text) if text else None,
        )
        self.sent.append(sent)
        if sent.route not in self.answers:
            raise AssertionError(f"nobody expected {sent.route} {sent.query} {sent.text}")
        answer = self.answers[sent.route]
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(sent)
        if isinstance(answer, BaseException):
            raise answer
        status, body, *more = answer if isinstance(answer, tuple) else (200, answer)
        return status, body if isinstance(body, str) else json.dumps(body), dict(more[0]) if more else {}

    @property
    def routes(self) -> list[str]:
        """What was asked, in order."""
        return [sent.route for sent in self.sent]

    @property
    def command(self) -> dict[str, Any]:
        """The body of the one command that was sent."""
        (sent,) = [sent for sent in self.sent if sent.path == "/oms/commands"]
        assert isinstance(sent.body, dict)
        return sent.body

    @property
    def payload(self) -> dict[str, Any]:
        """The payload of the one command that was sent."""
        payload = self.command["payload"]
        assert isinstance(payload, dict)
        return payload


class Driver:
    """An exchange of either colour on a stubbed gateway; `call` runs a method to its end."""

    def __init__(self, exchange: Any, gateway: Gateway, run: Callable[[Any], Any]) -> None:
        self.exchange = exchange
        self.gateway = gateway
        self._run = run

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the exchange, awaiting what it gives."""
        return self._run(getattr(self.exchange, name)(*args, **kwargs))

    def ready(self) -> Driver:
        """Load markets and features now, so that what is sent afterwards is the method's own."""
        self.call("load_markets")
        self._run(self.exchange._features())
        self.gateway.sent.clear()
        return self


def config_of(config: dict[str, Any]) -> dict[str, Any]:
    """Fill in URL, key and account where the test does not say."""
    own: dict[str, Any] = {"base_url": URL, "account_id": 1, "share_markets": False, "lookup_timeout": 0}
    own.update(truth="oms", retries=0)
    options = {**own, **config.get("options", {})}
    return {"apiKey": "the-key", **config, "options": options}


def sync_driver(gateway: Gateway, mock: responses.RequestsMock, config: dict[str, Any]) -> Driver:
    """Make the blocking class, answered through `responses`."""

    def callback(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        headers = {name: str(value) for name, value in request.headers.items()}
        status, text, more = gateway.answer(str(request.method), str(request.url), headers, request.body)
        return status, more, text

    for method in ("GET", "POST"):
        mock.add_callback(method, re.compile(r"https?://.*"), callback)
    return Driver(OmsCcxtExchange(config_of(config)), gateway, lambda result: result)


def async_driver(gateway: Gateway, runner: asyncio.Runner, config: dict[str, Any]) -> Driver:
    """Make the class with coroutines, its transport replaced; ccxt's steps around it are kept."""

    class Stubbed(AsyncOmsCcxtExchange):
        async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            status, text, more = gateway.answer(method, url, headers or {}, body)
            parsed = self.parse_json(text.strip())
            self.handle_errors(status, "", url, method, more, text, parsed, headers, body)
            return parsed

    return _with_coroutines(Stubbed, gateway, runner, config)


def connected_driver(gateway: Gateway, config: dict[str, Any], runner: asyncio.Runner | None) -> Driver:
    """Make a driver that really connects: the class with coroutines when there is a runner for them."""
    if runner is None:
        return Driver(OmsCcxtExchange(config_of(config)), gateway, lambda result: result)
    driver = _with_coroutines(AsyncOmsCcxtExchange, gateway, runner, config)
    driver.exchange.timeout_on_exit = 0  # ccxt's close() would wait a quarter of a second
    return driver


def _with_coroutines(
    kind: type[AsyncOmsCcxtExchange], gateway: Gateway, runner: asyncio.Runner, config: dict[str, Any]
) -> Driver:
    async def make() -> Any:
        return kind(config_of(config))

    async def awaited(coroutine: Any) -> Any:
        return await coroutine

    return Driver(runner.run(make()), gateway, lambda coroutine: runner.run(awaited(coroutine)))
