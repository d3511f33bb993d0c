"""What both shorter ways to the socket do around it, as ccxt's `fetch` does."""

from __future__ import annotations

import logging
import re
from functools import partial
from operator import attrgetter
from typing import Any, Final

from .host import Host

_proxy_settings: Final = attrgetter(
    *(
        name + form
        for names, forms in (
            (("proxyUrl", "httpProxy", "httpsProxy", "socksProxy"), ("", "Callback")),
            (("proxy_url", "http_proxy", "https_proxy", "socks_proxy"), ("", "_callback")),
        )
        for name in names
        for form in forms
    ),
    "proxy",  # of old, a text or a function, as `proxyUrl`
)


_ITS_OWN_NAME: Final = re.compile(r"^\w*\(host=[^)]*\): ")
"""urllib3 puts the connection or the pool, as it prints itself, before what it says."""


class ShortWay(Host):
    """Logging, remembering and reading a response."""

    def _has_proxy(self) -> bool:
        """Whether the user asked for a proxy in any of ccxt's spellings."""
        return any(_proxy_settings(self))

    def _failure(self, method: str, url: str, error: BaseException) -> str:
        """What a failed request says: ccxt's text, and why."""
        why = _ITS_OWN_NAME.sub("", str(error)) or type(error).__name__
        return f"{self.id} {method} {url}: {why}"[:500]

    def _log_request(self, url: str, method: str, headers: Any, body: Any) -> None:
        if self.verbose:
            self.log(
                "\nfetch Request:", self.id, method, url, "RequestHeaders:", headers, "RequestBody:", body
            )
        self.logger.debug("%s %s, Request: %s %s", method, url, headers, body)

    def _read(
        self, url: str, method: str, request_headers: Any, request_body: Any, response: Any, text: str
    ) -> Any:
        """What ccxt does with a response, in its order.

        :param response: of urllib3 or aiohttp: `status`, `reason`, `headers` without regard to case
        :raises BaseError: it is not a success
        """
        code, reason, headers = response.status, response.reason or "", response.headers
        text = self.on_rest_response(code, reason, url, method, headers, text, request_headers, request_body)
        text = self.answer_without_key(code, text)  # it may repeat the key
        parsed = self.parse_json(text)
        if self.enableLastHttpResponse:
            self.last_http_response = text
        if self.enableLastJsonResponse:
            self.last_json_response = parsed
        if self.enableLastResponseHeaders:
            self.last_response_headers = headers
        if self.verbose:
            said = (method, url, code, "ResponseHeaders:", headers, "ResponseBody:", text)
            self.log("\nfetch Response:", self.id, *said)
        if self.logger.isEnabledFor(logging.DEBUG):
            shown = (self.loggable(headers), self.loggable(text))
            self.logger.debug("%s %s, Response: %s %s %s", method, url, code, *shown)
        if parsed and self.returnResponseHeaders and not isinstance(parsed, list):
            parsed["responseHeaders"] = headers
        self.handle_errors(code, reason, url, method, headers, text, parsed, request_headers, request_body)
        return parsed


class WithoutRedirects:
    """An exchange object as ccxt's own `fetch` sees it: it follows no redirect, and its logs show no key.

    They would post the order again, with the key, to wherever the answer points. Nothing of the object
    or of a session of the user's is changed, so several threads and tasks may do this at once.
    """

    def __init__(self, exchange: Any) -> None:
        self.__dict__["_exchange"] = exchange

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._exchange, name)
        if name == "session":
            return _without_redirects(value)
        if name == "get_socks_proxy_session":
            return lambda proxy: _without_redirects(value(proxy))
        if name == "on_rest_response":
            return partial(self._read_without_key, value)
        return _Logger(value, self._exchange) if name == "logger" else value

    def _read_without_key(self, hook: Any, code: int, *answer: Any) -> Any:
        return self._exchange.answer_without_key(code, hook(code, *answer))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._exchange, name, value)


class _Logger:
    """A logger of an exchange object as ccxt's own `fetch` uses it."""

    def __init__(self, logger: Any, exchange: Any) -> None:
        self._logger = logger
        self._exchange = exchange

    def debug(self, text: str, *values: Any) -> None:
        """Log without the key."""
        if self._logger.isEnabledFor(logging.DEBUG):
            self._logger.debug(text, *(self._exchange.loggable(value) for value in values))


class _Session:
    """A session of requests or aiohttp whose requests follow no redirect."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._session, name)
        return partial(value, allow_redirects=False) if name in _SENDS else value


_SENDS: Final = frozenset({"request", "get", "post", "put", "patch", "delete", "head", "options"})
_FOLLOW_REDIRECTS: Final = frozenset({"requests", "aiohttp"})


def _without_redirects(session: Any) -> Any:
    """The session; one that is neither of requests nor of aiohttp may not know the argument."""
    libraries = {kind.__module__.partition(".")[0] for kind in type(session).__mro__}
    return session if libraries.isdisjoint(_FOLLOW_REDIRECTS) else _Session(session)
