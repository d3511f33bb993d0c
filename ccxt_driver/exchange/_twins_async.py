"""The names of `_async/` that have two forms: here the coroutine one.

`Exchange` is ccxt's, with a shorter way to the socket: the same aiohttp session, without building
headers, URL and time-outs anew for every request. The short way is taken only when it makes no
difference: ccxt's own session, no proxy. Everything that a user can see of a request (verbose,
headers, last_http_response, timeouts, exceptions) is as on ccxt's way.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial, wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakKeyDictionary

import aiohttp
import ccxt
import yarl
from ccxt.async_support.base.exchange import Exchange as CcxtExchange

from .short_way import ShortWay, WithoutRedirects

__all__ = ["Exchange", "retrying"]

_NO_SESSION: Final[Any] = object()
_BROKEN: Final = (aiohttp.ClientPayloadError, aiohttp.ClientResponseError)
"""The connection broke in mid-answer, or what came is no HTTP."""
_CONNECTING: Final = 0.95
"""The part of the time-out that making a connection may take."""
# Newer releases of ccxt refuse to open a session for an object that its user has closed.
LAZILY: Final = (True,) if "lazy" in signature(CcxtExchange.open).parameters else ()


class Exchange(ShortWay, CcxtExchange):
    """ccxt's asynchronous Exchange with a shorter way to the socket."""

    closed_by_user: bool = False  # an older ccxt does not say so

    def __init__(self, config: dict[str, Any] = {}) -> None:
        self._ticker_flights = Flights()
        super().__init__(config)

    if TYPE_CHECKING:  # ccxt's have no annotations
        session: Any
        tcp_connector: Any
        asyncio_loop: Any

        async def load_markets(self, reload: bool = False, params: dict[str, Any] = {}) -> Any:
            """Load the markets."""

        async def close(self, clean_instance_data: bool = False) -> Any:
            """Close the connections."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    @wraps(CcxtExchange.open)
    def open(self, *lazily: bool) -> None:  # type: ignore[override]  # an older ccxt has no argument
        """Make ccxt's session, if there is none, with connections that are never reused too late."""
        if not lazily:
            self.closed_by_user = False  # as newer releases of ccxt do
        self.leave_closed_loop()
        if not self.own_session or self.session is not None:
            super().open(*lazily)
            return
        idle_seconds = self.idle_seconds()
        self.session = _NO_SESSION  # ccxt makes the rest: the loop and the TLS context
        try:
            super().open(*lazily)
        finally:
            self.session = None
        self.tcp_connector = _Connector(
            idle_seconds,
            ssl=self.ssl_context,
            loop=self.asyncio_loop,
            enable_cleanup_closed=True,
            family=socket.AF_UNSPEC,
            happy_eyeballs_delay=0,
        )
        self.session = aiohttp.ClientSession(
            loop=self.asyncio_loop,
            connector=self.tcp_connector,
            trust_env=self.aiohttp_trust_env,
            response_class=_Response,
        )

    def leave_closed_loop(self) -> None:
        """Forget the session of a loop that is closed: a program may call `asyncio.run` again and again.

        Nothing of such a session can be used, or closed in good order; ccxt's fails from then on.
        """
        loop = self.asyncio_loop
        if loop is None or not loop.is_closed() or loop is _running_loop():
            return
        self.asyncio_loop = None
        if self.own_session and self.session is not None:
            self.session.detach()
            self.session = None
            if isinstance(self.tcp_connector, _Connector):
                self.tcp_connector.forget()
            self.tcp_connector = None

    async def give_way(self) -> None:
        """Let other tasks run: a loop of requests that wait for nothing would hold up all of them."""
        await asyncio.sleep(0)

    @staticmethod
    def current_task() -> asyncio.Task[Any] | None:
        """The task that runs now: another may cancel it."""
        return asyncio.current_task()

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Perform an HTTP request and return decoded JSON.

        :param url: whole
        :param body: a text
        :raises RequestTimeout, ExchangeNotAvailable, ExchangeError: as ccxt's own
        """
        if not self.own_session or self.aiohttp_proxy or self._has_proxy():
            return await self._fetch_as_ccxt(url, method, headers, body)
        request_headers = self.prepare_request_headers(headers)
        self.last_request_headers = request_headers
        self.open(*LAZILY)
        self._log_request(url, method, request_headers, body)
        response, text = await self._send(url, method, request_headers, body)
        return self._read(url, method, request_headers, body, response, text)

    async def _fetch_as_ccxt(self, url: str, method: str, headers: Any, body: Any) -> Any:
        """As ccxt does, with the same class for the same failure as on the short way."""
        seen: Any = WithoutRedirects(self)
        try:
            return await CcxtExchange.fetch(seen, url, method, headers, body)
        except ccxt.ExchangeError as error:
            cause: Any = error.__cause__
            if not isinstance(cause, _BROKEN):
                raise
            raise ccxt.NetworkError(self._failure(method, url, cause)) from cause

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
                return response, await response.text(encoding="utf-8", errors="replace")
        except TimeoutError as error:
            said = error if str(error) else TimeoutError(f"no answer within {self.timeout} ms")
            raise ccxt.RequestTimeout(self._failure(method, url, said)) from error
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise ccxt.ExchangeNotAvailable(self._failure(method, url, error)) from error
        except _BROKEN as error:
            raise ccxt.NetworkError(self._failure(method, url, error)) from error
        except aiohttp.ClientError as error:
            raise ccxt.ExchangeError(self._failure(method, url, error)) from error


class _Connector(aiohttp.TCPConnector):
    """Connections that are not reused when the server has closed them, or may be about to.

    aiohttp learns of a closed connection when the loop runs; a program may not have let it run since.
    """

    def __init__(self, idle_seconds: float, **settings: Any) -> None:
        super().__init__(keepalive_timeout=idle_seconds, **settings)
        self._looks: WeakKeyDictionary[Any, Callable[[], Any]] = WeakKeyDictionary()
        """For connections that were used before: whether there is something to read."""

    def forget(self) -> None:
        """Leave what there is to the collector: without their loop connections cannot be closed."""
        self._looks.clear()
        self._conns.clear()

    async def connect(self, *request: Any, **named: Any) -> aiohttp.connector.Connection:
        """A connection to send a request on."""
        while True:
            connection = await super().connect(*request, **named)
            look = self._looks.get(connection.protocol)
            if look is None:
                transport = connection.transport
                opened = None if transport is None else transport.get_extra_info("socket")
                if opened is not None:
                    self._looks[connection.protocol] = _look_at(opened.fileno())
                return connection
            if not look():
                return connection
            connection.close()  # nothing was asked: what there is to read is the end


class _Response(aiohttp.ClientResponse):
    """After a failure of its own a server may close the connection without having said so."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Read the head of the answer."""
        protocol = connection.protocol
        response = await super().start(connection)
        if protocol is not None and self.status >= 500:
            protocol.force_close()
            if connection.protocol is None:  # all of it was read at once: it is back in the pool already
                protocol.close()
        return response


class Flights:
    """Callers who ask for the same at the same time share one request."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    async def join(self, key: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        """What `ask` gives, or fails with, to everyone; who is cancelled leaves the others waiting.

        :param key: the same for those who ask for the same
        """
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.ensure_future(ask())
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    def _landed(self, key: str, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(key, None)
        if not task.cancelled():
            task.exception()  # asked for here too: all who waited may have been cancelled


def retrying(**policy: Any) -> Any:
    """tenacity's loop, for coroutines."""
    from tenacity import AsyncRetrying

    return AsyncRetrying(**policy)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _look_at(descriptor: int) -> Callable[[], Any]:
    """What tells at once whether a socket has something to read, an end too."""
    if not hasattr(select, "poll"):  # on Windows
        return lambda: select.select([descriptor], [], [], 0)[0]
    found = select.poll()
    found.register(descriptor, select.POLLIN)
    return partial(found.poll, 0)


@lru_cache(maxsize=64)
def _url(url: str) -> yarl.URL:
    return yarl.URL(url, encoded=True)


@lru_cache(maxsize=8)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    # Not `sock_read`, a timer more for each answer; `ceil_threshold` or they would end up to a second late.
    # Connecting ends a little earlier than all: that nothing was sent is known then.
    connect = seconds * _CONNECTING
    return aiohttp.ClientTimeout(total=seconds, sock_connect=connect, ceil_threshold=float("inf"))
