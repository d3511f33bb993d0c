"""The API key is sent, and shown nowhere: not in what is printed, logged, raised, remembered or pickled."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from .host import Host
from .request_parts import KEY_HEADER

MASK: Final = "***"
_SHORTEST_SECRET: Final = 8
"""A shorter key may be part of any word; masking it would spoil what is said."""
_SHORTEST_IN_ANSWERS: Final = 16
"""A shorter key may be part of a name or a number; masking it would change what was answered."""
_PLAIN: Final = re.compile(r"[\w.~+/=-]*", re.ASCII)
"""A key that is written the same way in JSON."""


class _Kept:
    """Headers as they were; whoever prints the attributes of an exchange object does not see them."""

    __slots__ = ("headers",)

    def __init__(self, headers: Any) -> None:
        self.headers = headers


_NONE: Final = _Kept(None)


class Secrecy(Host):
    """Masks the key on all ways out of the object, on our way to the socket and on ccxt's."""

    _kept_request_headers = _NONE
    _kept_response_headers = _NONE

    @property
    def last_request_headers(self) -> Any:
        """Headers of the last request, the key masked; None before the first."""
        return _without_key_header(self._kept_request_headers.headers)

    @last_request_headers.setter
    def last_request_headers(self, headers: Any) -> None:
        self._kept_request_headers = _Kept(headers)

    @property
    def last_response_headers(self) -> Any:
        """Headers of the last response, without the key if they gave it back; None before the first."""
        return self.loggable(self._kept_response_headers.headers)

    @last_response_headers.setter
    def last_response_headers(self, headers: Any) -> None:
        self._kept_response_headers = _Kept(headers)

    def masked(self, text: Any) -> Any:
        """A text without the key.

        :param text: what is no text comes back as it is
        """
        return self._without_key(text, _SHORTEST_SECRET)

    def answer_without_key(self, code: int, text: Any) -> Any:
        """The text of an answer without the key.

        :param code: HTTP status: in a refusal a short key is masked, too
        """
        return self._without_key(text, _SHORTEST_SECRET if code >= 400 else _SHORTEST_IN_ANSWERS)

    def _without_key(self, text: Any, shortest: int) -> Any:
        key = self.apiKey
        if not isinstance(text, str) or not isinstance(key, str) or len(key) < shortest:
            return text
        text = text.replace(key, MASK)
        return text if _PLAIN.fullmatch(key) else text.replace(json.dumps(key)[1:-1], MASK)

    def loggable(self, value: Any) -> Any:
        """What may be shown of a text, or of headers."""
        if not isinstance(value, Mapping):
            return self.masked(value)
        masked = {name: self.masked(each) for name, each in value.items()}
        return value if all(masked[name] == each for name, each in value.items()) else masked

    def log(self, *args: Any) -> None:
        """ccxt's verbose output."""
        super().log(*(self.loggable(each) for each in args))

    def add_fetch_cache(self, data: Any) -> None:
        """ccxt's history of requests, for those who turn it on."""
        request = data["request"]
        if request is not None:
            data = {**data, "request": {**request, "headers": _without_key_header(request["headers"])}}
        super().add_fetch_cache(data)


def _without_key_header(headers: Any) -> Any:
    if not isinstance(headers, Mapping) or KEY_HEADER not in headers:
        return headers
    return {**headers, KEY_HEADER: MASK}
