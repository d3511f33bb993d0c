"""What both shorter ways to the socket do around it, as ccxt's `fetch` does."""

from __future__ import annotations

from typing import Any, Final

from .host import Host

_PROXY_SETTINGS: Final = tuple(
    name + form
    for names, forms in (
        (("proxyUrl", "httpProxy", "httpsProxy", "socksProxy"), ("", "Callback")),
        (("proxy_url", "http_proxy", "https_proxy", "socks_proxy"), ("", "_callback")),
    )
    for name in names
    for form in forms
)


class ShortWay(Host):
    """Logging, remembering and reading a response."""

    def _has_proxy(self) -> bool:
        """Whether the user asked for a proxy in any of ccxt's spellings."""
        return any(getattr(self, name, None) for name in _PROXY_SETTINGS)

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
        self.logger.debug("%s %s, Response: %s %s %s", method, url, code, headers, text)
        if parsed and self.returnResponseHeaders and not isinstance(parsed, list):
            parsed["responseHeaders"] = headers
        self.handle_errors(code, reason, url, method, headers, text, parsed, request_headers, request_body)
        return parsed
