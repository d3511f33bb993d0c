"""ccxt's static tests: its format, and its rules of what equals what.

ccxt keeps, per exchange, `request/ID.json` and `response/ID.json`: what a unified method sends, and
what it makes of an answer. The rules here are those of ccxt's own driver (`ccxt/test/tests_sync.py`),
which cannot be imported from an installed ccxt. The keys:

- of a file: `exchange`, `skipKeys` (compared by presence only), `options`, `outputType`, `methods`
- of a request: `description`, `method`, `url`, `input`, `output` (the body), `headers` (only those; the
  key's is of a type that does not show itself, which ccxt's driver would not see)
- of a response: `description`, `method`, `input`, `httpResponse` or `httpResponseByUrl` (by a part of
  the URL), `parsedResponse`
- of both: `disabled`, `options`, `apiKey`, `forceCheckKeys` (compared in spite of `skipKeys`)

What an OMS adds, and ccxt's driver ignores: `features` (of the server; all of them when left out),
`httpResponseByUrl` of a request (what was answered before the request that is compared), and
`httpStatus` and `error` of a response (a refusal: class and attributes of the exception).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ccxt_driver.contract.features import Feature

FOLDER = Path(__file__).parent
EXCHANGE = "oms"
_ALL_FEATURES = [feature.value for feature in Feature]

Entry = dict[str, Any]


def read(kind: str) -> Any:
    """Read `request`, `response`, `markets` or `currencies` of the exchange."""
    return json.loads((FOLDER / kind / f"{EXCHANGE}.json").read_text(encoding="utf-8"))


def config() -> dict[str, Any]:
    """Configure an exchange as ccxt's driver does: two proxies, so that nothing can be sent."""
    return {
        "markets": read("markets"),
        "currencies": read("currencies"),
        "enableRateLimit": False,
        "rateLimit": 1,
        "httpProxy": "http://fake:8080",
        "httpsProxy": "http://fake:8080",
        "apiKey": "key",
        "secret": "secretsecret",
        "password": "password",
        "walletAddress": "wallet",
        "privateKey": "0xff3bdd43534543d421f05aec535965b5050ad6ac15345435345435453495e771",
        "uid": "uid",
        "token": "token",
        "login": "login",
        "accountId": "12345",
        "accounts": [{"id": "myAccount", "code": "USDT"}, {"id": "myAccount", "code": "USDC"}],
        "options": {"share_markets": False, "lookup_timeout": 0, "truth": "oms"},
    }


def prepare(exchange: Any, data: Mapping[str, Any], entry: Entry) -> None:
    """Give a new exchange the options of file and entry, and what the server would tell of itself."""
    exchange.currencies = read("currencies")
    options = exchange.deep_extend(exchange.options, data.get("options", {}), entry.get("options", {}))
    exchange.options = options
    exchange.apiKey = entry.get("apiKey", data.get("apiKey", exchange.apiKey))
    features = frozenset(entry.get("features", _ALL_FEATURES))
    exchange._server_features = features
    exchange._features_asked_ms = exchange.milliseconds()
    exchange.apply_description(None, features)


def skip_keys_of(data: Mapping[str, Any], entry: Entry) -> list[str]:
    """Tell which keys are compared by presence only."""
    forced = entry.get("forceCheckKeys", [])
    return [key for key in data.get("skipKeys", []) if key not in forced]


def is_disabled(entry: Entry) -> bool:
    """Whether an entry is switched off, for all languages or for Python."""
    return bool(entry.get("disabled") or entry.get("disabledPY"))


def body_for(url: str, bodies: Mapping[str, Any]) -> Any:
    """Choose what a URL is answered; the first body when no part of the URL is listed."""
    return next((body for part, body in bodies.items() if part in url), next(iter(bodies.values())))


def path_of(url: str) -> str:
    """Take host and query off a URL."""
    return "".join("/" + part for part in url.split("?")[0].split("/")[3:])


def query_of(text: str | None) -> dict[str, Any]:
    """Read a query as ccxt's driver does: texts as they are sent, JSON parsed."""
    result: dict[str, Any] = {}
    for part in (text or "").split("&"):
        key, equals, value = part.partition("=")
        if equals and "=" not in value:
            result[key] = json.loads(value) if value[:1] in ("[", "{") else value
    return result


def assert_request(exchange: Any, data: Mapping[str, Any], entry: Entry) -> None:
    """Compare what the exchange sent last with what is stored.

    :raises AssertionError: naming the key that differs
    """
    url, body = exchange.last_request_url, exchange.last_request_body
    stored_url, stored_body = entry["url"], entry.get("output")
    skip = skip_keys_of(data, entry)
    assert url is not None, "nothing was sent"
    assert path_of(url) == path_of(stored_url)
    if stored_body is None and body is None:
        queries = [each.partition("?")[2] or None for each in (url, stored_url)]
        if queries != [None, None]:
            assert_same(query_of(queries[0]), query_of(queries[1]), skip)
    else:
        sent, stored = (json.loads(each) if isinstance(each, str) else each for each in (body, stored_body))
        assert_same(sent, stored, skip)
    sent_headers = exchange.headers_sent
    for name, value in entry.get("headers", {}).items():
        assert sent_headers.get(name) == value, f"header {name}"


def assert_same(new: Any, stored: Any, skip: list[str], strict: bool = True, key: str | None = None) -> None:
    """Compare as ccxt's driver does.

    :param skip: keys whose values are not compared
    :param strict: of requests; of responses, numbers may be written in another way
    :param key: of the values, for the message
    :raises AssertionError: naming the key that differs
    """
    if _is_empty(new) and _is_empty(stored):
        return
    if isinstance(new, str) and isinstance(stored, str) and new[:1] == stored[:1] == "{":
        new, stored = json.loads(new), json.loads(stored)
    if isinstance(new, dict) and isinstance(stored, dict):
        assert len(new) == len(stored), f"keys differ: {sorted(set(new) ^ set(stored))}"
        for name, value in stored.items():
            assert name in new, f"{name} is missing"
            if name not in skip:
                assert_same(new[name], value, skip, strict, name)
    elif isinstance(new, list) and isinstance(stored, list):
        assert len(new) == len(stored), f"{key}: {len(new)} elements, stored {len(stored)}"
        for one, other in zip(new, stored, strict=True):
            assert_same(one, other, skip, strict)
    elif strict:
        assert new == stored, f"{key}: computed {new!r}, stored {stored!r}"
    else:
        _assert_same_value(new, stored, key)


def _is_empty(value: Any) -> bool:
    """JavaScript's falsiness, of which containers are no part."""
    return not isinstance(value, dict | list) and not value


def _assert_same_value(new: Any, stored: Any, key: str | None) -> None:
    message = f"{key}: computed {new!r}, stored {stored!r}"
    kinds = [[isinstance(value, kind) for kind in (bool, type(None))] for value in (new, stored)]
    assert kinds[0] == kinds[1], message
    numbers = [_number(value) for value in (new, stored)]
    if None in numbers:
        assert new == stored, message
    else:
        assert numbers[0] == numbers[1], message


def _number(value: Any) -> float | None:
    """Read a number, or a text that is one."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def assert_response(computed: Any, data: Mapping[str, Any], entry: Entry) -> None:
    """Compare a result with what is stored: by ccxt's rules, and exactly.

    ccxt's rules take 0, null, false and "" for one, and a text for the number in it.

    :raises AssertionError: naming the key that differs
    """
    stored, skip = entry["parsedResponse"], skip_keys_of(data, entry)
    computed = plain(computed)
    assert_same(computed, stored, skip, strict=False)
    assert _typed(computed, skip) == _typed(stored, skip)


def plain(value: Any) -> Any:
    """What can be stored as JSON: an exception among results as its class and code."""
    if isinstance(value, BaseException):
        return {"error": type(value).__name__, "code": getattr(value, "code", None)}
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def _typed(value: Any, skip: list[str]) -> Any:
    """Make `==` tell true from 1; whole floats and integers stay the same, as JSON cannot keep them apart."""
    if isinstance(value, dict):
        return {key: None if key in skip else _typed(each, skip) for key, each in value.items()}
    if isinstance(value, list):
        return [_typed(each, skip) for each in value]
    return ("bool", value) if isinstance(value, bool) else value


def replaced_fetch(exchange: Any, entry: Entry) -> Callable[..., Any]:
    """Make a transport that answers from an entry, as ccxt's driver does.

    Of a request entry it answers what comes before the request that is compared; that one goes on to
    the true transport, which refuses two proxies.
    """
    true_fetch = exchange.fetch
    bodies = entry.get("httpResponseByUrl", {})
    of_request = not {"parsedResponse", "error"} & entry.keys()

    def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        if of_request and not any(part in url for part in bodies):
            exchange.headers_sent = dict(headers)  # what the exchange remembers of them shows no key
            return true_fetch(url, method, headers, body)
        answer = body_for(url, bodies) if bodies else entry["httpResponse"]
        text = json.dumps(answer)
        status = entry.get("httpStatus", 200)
        exchange.handle_errors(status, "", url, method, {}, text, json.loads(text), headers, body)
        return json.loads(text)

    return fetch
