"""The names of `_async/` that have two forms: here the coroutine one.

`Exchange` is ccxt's, with a shorter way to the socket: the same aiohttp session, without building
headers, URL and time-outs anew for every request. The short way is taken only when it makes no
difference: ccxt's own session, no proxy. Everything that a user can see of a request (verbose,
headers, last_http_response, timeouts, exceptions) is as on ccxt's way.
"""

from __future__ import annotations

from functools import lru_cache
from inspect import signature
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
import ccxt
import yarl
from ccxt.async_support.base.exchange import Exchange as CcxtExchange

from .short_way import ShortWay, WithoutRedirects

__all__ = ["Exchange"]

# Newer releases of ccxt refuse to open a session for an object that its user has closed.
_LAZILY: Final = (True,) if "lazy" in signature(CcxtExchange.open).parameters else ()


class Exchange(ShortWay, CcxtExchange):
    """ccxt's asynchronous Exchange with a shorter way to the socket."""

    if TYPE_CHECKING:  # ccxt's have no annotations

        async def load_markets(self, reload: bool = False, params: dict[str, Any] = {}) -> Any:
            """Load the markets."""

        async def close(self, clean_instance_data: bool = False) -> Any:
            """Close the connections."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Perform an HTTP request and return decoded JSON.

        :param url: whole
        :param body: a text
        :raises RequestTimeout, ExchangeNotAvailable, ExchangeError: as ccxt's own
        """
        if not self.own_session or self.aiohttp_proxy or self._has_proxy():
            seen: Any = WithoutRedirects(self)
            return await CcxtExchange.fetch(seen, url, method, headers, body)
        request_headers = self.prepare_request_headers(headers)
        self.last_request_headers = request_headers
        self.open(*_LAZILY)
        self._log_request(url, method, request_headers, body)
        response, text = await self._send(url, method, request_headers, body)
        return self._read(url, method, request_headers, body, response, text)

    async def _send(self, url: str, method: str, headers: Any, body: Any) -> tuple[Any, str]:
        session: Any = self.session
        try:
            async with session.request(
                method,
                _url(url),
                data=body.encode() if body else None,
                headers=headers,
                timeout=_timeout(self.timeout / 1000),
                allow_redirects=False,  # aiohttp would post the order again, with the key, to anywhere
            ) as response:
                return response, await response.text(errors="replace")
        except TimeoutError as error:
            raise ccxt.RequestTimeout(self._failure(method, url, error)) from error
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise ccxt.ExchangeNotAvailable(self._failure(method, url, error)) from error
        except aiohttp.ClientPayloadError as error:  # the connection broke in mid-answer
            raise ccxt.NetworkError(self._failure(method, url, error)) from error
        except aiohttp.ClientError as error:
            raise ccxt.ExchangeError(self._failure(method, url, error)) from error


@lru_cache(maxsize=64)
def _url(url: str) -> yarl.URL:
    return yarl.URL(url, encoded=True)


@lru_cache(maxsize=8)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, sock_connect=seconds, sock_read=seconds)
