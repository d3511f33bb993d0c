"""The names of `_async/` that have two forms: here the blocking one.

`Exchange` is ccxt's, with a shorter way to the socket: requests spends about 300 µs on a request that
urllib3, which it stands on, sends in 100. The short way is taken only when it makes no difference:
ccxt's own session with its own adapters, no proxy, no patched adapter. Everything that a user can see
of a request (verbose, headers, last_http_response, timeouts, exceptions) is as on ccxt's way.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from http import HTTPStatus
from time import monotonic
from typing import Any, Final, Self

import ccxt
import certifi
import requests
import urllib3
from ccxt.base.exchange import Exchange as CcxtExchange
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .command_outcomes import never_sent
from .short_way import ShortWay, WithoutRedirects

_PATCHABLE: Final = (
    (HTTPAdapter, "send"),
    (requests.Session, "request"),
    (requests.Session, "send"),
    (requests.Session, "get_adapter"),
)
"""Where mocks and instruments take hold of requests: on the class, or on one session."""

_GENUINE: Final = tuple(
    # This module may be imported for the first time while a mock is in place.
    function if function.__module__.startswith("requests.") else None
    for function in (getattr(owner, name) for owner, name in _PATCHABLE)
)
_SESSION_PATCHES: Final = frozenset({"request", "send", "get_adapter"})
_CLOSES: Final = hasattr(CcxtExchange, "close")  # an older ccxt leaves that to the collector


_NO_POOL: Final[tuple[int, Any]] = (0, None)


class Exchange(ShortWay, CcxtExchange):
    """ccxt's synchronous Exchange with a shorter way to the socket."""

    cafile: str | None = None
    """PEM file of the authorities that are trusted, as of ccxt's other class; None for certifi's."""

    def __init__(self, config: dict[str, Any] = {}) -> None:
        self._ticker_flights = Flights()
        super().__init__(config)

    def give_way(self) -> None:
        """Other threads run by themselves."""

    @staticmethod
    def current_task() -> None:
        """Nobody can cancel a thread."""

    def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Perform an HTTP request and return decoded JSON.

        :param url: whole
        :param body: a text
        :raises RequestTimeout, NetworkError, ExchangeError: as ccxt's own; ExchangeNotAvailable where no
            connection can be made, as the class with coroutines says too
        """
        if not self._takes_short_way():
            return self._fetch_as_ccxt(url, method, headers, body)
        request_headers = self.prepare_request_headers(headers)
        self._log_request(url, method, request_headers, body)
        response = self._send(url, method, request_headers, body)
        text = response.data.decode("utf-8", errors="replace")
        return self._read(url, method, request_headers, body, response, text)

    def _fetch_as_ccxt(self, url: str, method: str, headers: Any, body: Any) -> Any:
        """As ccxt does, with the same class for the same failure as on the short way."""
        seen: Any = WithoutRedirects(self)
        try:
            return CcxtExchange.fetch(seen, url, method, headers, body)
        except ccxt.NetworkError as error:
            if type(error) is not ccxt.NetworkError or not never_sent(error.__cause__):
                raise
            cause: Any = error.__cause__
            raise ccxt.ExchangeNotAvailable(self._failure(method, url, cause)) from cause

    def _takes_short_way(self) -> bool:
        session: Any = self.session
        return (
            type(session) is requests.Session
            and all(
                getattr(owner, name) is genuine
                for (owner, name), genuine in zip(_PATCHABLE, _GENUINE, strict=True)
            )
            and _SESSION_PATCHES.isdisjoint(session.__dict__)
            and len(session.adapters) == 2
            and all(
                type(adapter) is HTTPAdapter and adapter.max_retries.total == 0
                for adapter in session.adapters.values()
            )
            and not session.trust_env
            and not (session.proxies or session.auth or session.cert or session.params)
            and session.verify is True
            and not any(session.hooks.values())
            and self.proxies is None
            and not self._has_proxy()
        )

    def _send(self, url: str, method: str, headers: Any, body: Any) -> urllib3.BaseHTTPResponse:
        seconds = self.timeout / 1000
        try:
            return self._connections().request(
                method,
                url,
                body=body.encode() if body else None,
                headers=headers,
                timeout=urllib3.Timeout(connect=seconds, read=seconds),
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.NewConnectionError as error:  # is a ConnectTimeoutError too
            raise ccxt.ExchangeNotAvailable(self._failure(method, url, error)) from error
        except urllib3.exceptions.TimeoutError as error:
            raise ccxt.RequestTimeout(self._failure(method, url, error)) from error
        except urllib3.exceptions.SSLError as error:
            raise ccxt.ExchangeError(self._failure(method, url, error)) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ccxt.NetworkError(self._failure(method, url, error)) from error

    def _connections(self) -> urllib3.PoolManager:
        """The pool of this object, made at the first request; it is safe to share between threads.

        A process that was forked makes its own: on a connection of both, each may read the other's answers.
        """
        pid, pool = self.__dict__.get("_pool", _NO_POOL)
        if pid != os.getpid():
            with _POOL_LOCK:
                pid, pool = self.__dict__.get("_pool", _NO_POOL)
                if pid != os.getpid():
                    verified = self.verify and self.validateServerSsl
                    pool = urllib3.PoolManager(
                        maxsize=16,
                        cert_reqs="CERT_REQUIRED" if verified else "CERT_NONE",
                        ca_certs=(self.cafile or certifi.where()) if verified else None,
                    )
                    pool.pool_classes_by_scheme = _pools(self.idle_seconds())
                    self._pool = os.getpid(), pool
        return pool

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self, clean_instance_data: bool = False) -> Any:
        """Close the connections; a later request opens new ones."""
        pid, pool = self.__dict__.pop("_pool", _NO_POOL)
        if pid == os.getpid():
            pool.clear()
        if not _CLOSES:
            session: Any = self.session
            return session.close() if session else None
        return super().close(clean_instance_data) if clean_instance_data else super().close()


_POOL_LOCK: Final = threading.Lock()


def _pools(idle_seconds: float) -> dict[str, type[HTTPConnectionPool]]:
    """Pools by scheme, whose connections are not reused when the server may be about to close them.

    That a server has closed one urllib3 sees itself.
    """

    class Plain(_NeverStale, HTTPConnection):
        most_idle_seconds = idle_seconds

    class Secure(_NeverStale, HTTPSConnection):
        most_idle_seconds = idle_seconds

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


class _InTime(http.client.HTTPResponse):
    """A response, head and body, that takes no longer than the time-out, however slowly it drips."""

    def __init__(self, sock: socket.socket, *options: Any, **named: Any) -> None:
        super().__init__(sock, *options, **named)
        seconds = sock.gettimeout()
        if seconds is not None:
            self.fp = io.BufferedReader(_Deadline(sock, self.fp.detach(), monotonic() + seconds))

    def begin(self) -> None:
        """Read the head of the answer; what is told before it, such as 103, is none."""
        super().begin()
        while HTTPStatus.SWITCHING_PROTOCOLS < self.status < HTTPStatus.OK:
            self.headers = self.msg = None  # type: ignore[assignment]  # as before the first
            super().begin()


class _Deadline(io.RawIOBase):
    """What a socket receives until a moment of the monotonic clock."""

    def __init__(self, sock: socket.socket, raw: Any, moment: float) -> None:
        self._socket = sock
        self._raw = raw
        self._moment = moment

    def readable(self) -> bool:
        """For `BufferedReader`."""
        return True

    def readinto(self, buffer: Any) -> Any:
        """What there is to read.

        :raises TimeoutError: it is too late, or nothing comes in time
        """
        seconds = self._moment - monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(seconds)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


class _NeverStale:
    """A connection that says it is not connected when it was idle for too long, or after a failure."""

    response_class: Any = _InTime
    most_idle_seconds: float
    _answered_at = 0.0
    _status = 0

    def getresponse(self) -> Any:
        """The answer to a request."""
        response: Any = super().getresponse()  # type: ignore[misc]
        self._answered_at, self._status = monotonic(), response.status
        return response

    @property
    def is_connected(self) -> bool:
        """Whether it may be used again."""
        fresh = self._status < 500 and monotonic() - self._answered_at < self.most_idle_seconds
        return fresh and bool(super().is_connected)  # type: ignore[misc]


class Flights:
    """Threads that ask for the same at the same time share one request.

    A process that was forked begins anew: the threads of its parent, which ask there, are not in it.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._answers: dict[str, Future[Any]] = {}

    def join(self, key: str, ask: Callable[[], Any]) -> Any:
        """What `ask` gives, or fails with, to everyone.

        :param key: the same for those who ask for the same
        """
        if self._pid != os.getpid():
            self._begin()
        while True:
            with self._lock:
                answer = self._answers.get(key)
                if answer is None:
                    mine = self._answers[key] = Future()
                    break
            try:
                return answer.result()
            except CancelledError:  # who asked was interrupted: somebody else has to
                continue
        try:
            result = ask()
        except BaseException as error:
            self._answers.pop(key, None)
            if isinstance(error, Exception):
                mine.set_exception(error)
            else:
                mine.cancel()
            raise
        self._answers.pop(key, None)
        mine.set_result(result)
        return result


def retrying(**policy: Any) -> Any:
    """tenacity's loop, for a thread that waits."""
    from tenacity import Retrying

    return Retrying(**policy)
