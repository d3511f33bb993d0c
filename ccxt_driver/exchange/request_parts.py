"""Requests of the contract: which parameter travels where, and how it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Final
from urllib.parse import quote

import ccxt

from ccxt_driver.contract.endpoints import BY_NAME, ENDPOINTS, TRADES_RAW, Endpoint
from ccxt_driver.contract.values import format_decimal

COMMANDS: Final = BY_NAME["commands"].path
"""Path of the endpoint for commands."""

KEY_HEADER: Final = "x-api-key"

MAPPINGS: Final = (dict, Mapping)
"""For isinstance: nearly always it is a dict, and asking for that first is several times faster."""

_ENDPOINT_OF: Final = {
    (endpoint.method, path): endpoint
    for endpoint in (*ENDPOINTS, TRADES_RAW)
    for path in (endpoint.path, endpoint.older_path)
    if path is not None
}


class Secret(str):
    """A text that never shows itself: headers are printed and logged with `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def secret_header(name: str, value: str) -> Secret:
    """A secret as the value of a header.

    :param name: what the caller knows it by
    :raises AuthenticationError: no header can carry it; the message does not show it
    """
    if not (value.isascii() and value.isprintable()) or value != value.strip():
        raise ccxt.AuthenticationError(
            f"{name}: expected printable ASCII characters without spaces around them; is there a line break?"
        )
    return Secret(value)


def endpoint_of(method: str, path: str) -> Endpoint:
    """The endpoint of the contract with that verb and path (placeholders not filled in)."""
    endpoint = _ENDPOINT_OF.get((method, path))
    if endpoint is None:
        raise ccxt.NotSupported(f"{method} {path} is not an endpoint of the OMS contract")
    return endpoint


def parts_of(endpoint: Endpoint, params: Any) -> tuple[dict[str, str], dict[str, Any], Any]:
    """Parameters by where they travel: path, query, body."""
    if not isinstance(params, MAPPINGS):
        return {}, {}, params
    names = endpoint.placeholders
    to_body = endpoint.method != "GET" and params.keys().isdisjoint(endpoint.query)
    if not names and (to_body or not endpoint.query):
        return {}, {}, dict(params)
    placeholders: dict[str, str] = {}
    query: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for key, value in params.items():
        if key in names:
            placeholders[key] = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        elif endpoint.method == "GET" or key in endpoint.query:
            query[key] = value
        else:
            body[key] = value
    missing = [name for name in names if name not in placeholders]
    if missing:
        raise ccxt.ArgumentsRequired(f"{endpoint.method} {endpoint.path} requires {', '.join(missing)}")
    return placeholders, query, body


def filled_in(endpoint: Endpoint, path: str, params: Any) -> tuple[str, dict[str, str], Any]:
    """The path filled in, the query as texts, and the body."""
    placeholders, query, body = parts_of(endpoint, params)
    for name, value in placeholders.items():
        path = path.replace("{" + name + "}", quote(value, safe=","))
    texts = {key: _query_text(value) for key, value in query.items() if value is not None}
    return path, texts, body


def _query_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(map(str, value))
    return format_decimal(value) if isinstance(value, Decimal) else str(value)


def json_text(payload: Any) -> str:
    """A body as it is sent: decimals as strings, never floats for them.

    :raises BadRequest: it holds what JSON does not
    """
    try:
        text = _ENCODER.encode(payload)
    except (TypeError, ValueError) as error:
        raise ccxt.BadRequest(f"params: expected what can be sent as JSON: {error}") from None
    if _HALF_A_CHARACTER in text and not is_whole_text(json.dumps(json.loads(text), ensure_ascii=False)):
        raise ccxt.BadRequest(
            "params: expected what can be sent as JSON: there is half a character in a text"
        )
    return text


def is_whole_text(text: str) -> bool:
    """Whether a text has whole characters only: arguments of a process in another encoding have not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_foreign_number(value: Any) -> bool:
    """Whether a value is a number of another library's, such as numpy's int64, and none of Python's."""
    return isinstance(value, Real) and not isinstance(value, int | float)


def plain(value: Any) -> Any:
    """A value without the numbers and arrays of other libraries, such as numpy and pandas.

    What is neither theirs nor holds any of them stays as it is.
    """
    kind = type(value)
    if kind is str or value is None or kind is int or kind is float or kind is bool:
        return value
    if kind is dict:
        return {name: plain(each) for name, each in value.items()}
    if kind is list or kind is tuple:
        return [plain(each) for each in value]
    if is_foreign_number(value):
        try:
            # By its text: a float of half the size has more digits as one of Python's.
            return int(value) if isinstance(value, Integral) else float(str(value))
        except ValueError:  # a fraction
            return value
    listed = getattr(value, "tolist", None)
    return plain(listed()) if callable(listed) else value


def text_of(payload: Any) -> str:
    """What tells a body from another one: the order of keys makes no difference, at any depth.

    :raises BadRequest: as of `json_text`
    """
    return json.dumps(json.loads(json_text(plain(payload))), sort_keys=True)


def _json_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format_decimal(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


_HALF_A_CHARACTER: Final = "\\ud"
"""How one begins in JSON; two of them may be one whole character."""
_ENCODER: Final = json.JSONEncoder(default=_json_value, separators=(",", ":"), allow_nan=False)
