"""ccxt's WebSocket client with a shorter way from the socket to the handler."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, Final

import ccxt
from aiohttp import ClientError, WSMsgType, WSServerHandshakeError
from ccxt.async_support.base.ws.client import Client

from ccxt_driver.errors import retry_after_of

try:
    from orjson import dumps as _orjson_dumps
    from orjson import loads as _loads

    def _dumps(value: Any) -> str:
        return _orjson_dumps(value).decode()
except ImportError:  # the extra "fast" is not installed
    from json import loads as _loads  # type: ignore[assignment]

    def _dumps(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"))


LOG: Final = logging.getLogger("ccxt_driver")
MOST_BYTES: Final = 256 * 1024 * 1024
"""Of one frame: a snapshot of a large account does not fit into ccxt's 10 MiB."""
_DIAL_SECONDS: Final = 10.0
_GOODBYE_SECONDS: Final = 0.5
"""How long the other side may take to answer that it has heard that we go."""


class HandshakeRefused(ccxt.NetworkError):
    """The server answers, but gives no WebSocket.

    :param status: of HTTP
    :param retry_after: seconds, when the server said how long to wait
    """

    def __init__(self, message: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class OmsClient(Client):
    """One connection, read by one task; it is never used again once it has closed.

    :param url: of the WebSocket
    :param handle: called with each frame that is a JSON object
    :param lost: called once when the connection is over, with the reason
    :param settings: as ccxt gives them: log, verbose, asyncio_loop, options of the socket
    """

    url: Any
    connection: Any
    proxy: Any
    verbose: bool

    def __init__(
        self,
        url: str,
        handle: Callable[[dict[str, Any]], None],
        lost: Callable[[ccxt.NetworkError], None],
        settings: dict[str, Any],
    ) -> None:
        super().__init__(url, None, None, None, None, settings)
        self._handle = handle
        self._lost: Callable[[ccxt.NetworkError], None] | None = lost
        self._reader: asyncio.Task[None] | None = None
        self.heard_at = 0.0
        """When the last frame came, in the loop's seconds."""

    async def dial(self, session: Any) -> None:
        """Connect.

        :raises HandshakeRefused: the server has no WebSocket here, or not for us
        :raises NetworkError: it cannot be reached
        """
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                self.connection = await session.ws_connect(
                    self.url,
                    autoping=True,
                    autoclose=True,
                    headers=self.options.get("headers"),
                    compress=self.options.get("compress", 0),
                    proxy=self.proxy,
                    max_msg_size=MOST_BYTES,
                )
        except WSServerHandshakeError as error:
            text = f"{self.url}: HTTP {error.status} {error.message}"
            raise HandshakeRefused(text, error.status, retry_after_of(error.headers)) from error
        except TimeoutError as error:
            raise ccxt.RequestTimeout(f"{self.url}: no connection in {_DIAL_SECONDS} seconds") from error
        except (ClientError, OSError) as error:
            raise ccxt.ExchangeNotAvailable(f"{self.url}: {error}") from error
        self.isConnected = True
        loop = asyncio.get_running_loop()
        self.heard_at = loop.time()
        self._reader = loop.create_task(self._read())

    async def _read(self) -> None:
        receive, loop = self.connection.receive, asyncio.get_running_loop()
        while True:
            message = await receive()
            self.heard_at = loop.time()
            if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
                try:
                    self._pass_on(message.data)
                except Exception as error:  # whatever it is, what was lost nobody knows
                    if not isinstance(error, _NotAFrame):
                        LOG.exception("a frame of %s could not be taken", self.url)
                    self.end(ccxt.NetworkError(f"{self.url}: {error}"))
                    return
            elif message.type is WSMsgType.ERROR:
                self.end(ccxt.NetworkError(f"{self.url}: {message.data!r}"))
                return
            else:
                code = self.connection.close_code
                self.end(closed_by_server(self.url, code, message.extra))
                return

    def _pass_on(self, data: Any) -> None:
        if self.verbose:
            self.log("message", data)
        try:
            frame = _loads(data)
        except ValueError as error:
            raise _NotAFrame(f"a frame is no JSON: {error}") from error
        if not isinstance(frame, dict):
            raise _NotAFrame("a frame is no JSON object")
        self._handle(frame)

    async def send(self, message: Any) -> None:
        """Send a text, or what becomes JSON.

        :raises NetworkError: the connection is over
        """
        text = message if isinstance(message, str) else _dumps(message)
        if self.verbose:
            self.log("sending", text)
        if self.closed():
            raise ccxt.NetworkError(f"{self.url}: the connection is closed")
        try:
            await self.connection.send_str(text)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Another was: all who wait for the other side to read wait for one future of aiohttp's. The
            # frame is on its way.
        except (ClientError, OSError) as error:
            raise ccxt.NetworkError(f"{self.url}: {error}") from error

    def end(self, reason: ccxt.NetworkError) -> None:
        """Give the connection up: whatever it still brings is not heard."""
        lost, self._lost = self._lost, None
        self.isConnected = False
        self._handle = _unheard
        if lost is not None:
            lost(reason)

    async def close(self, code: int = 1000) -> None:
        """Close the connection, at once if the other side does not answer."""
        self.end(ccxt.NetworkError(f"{self.url}: closed"))
        reader = self._reader
        if reader is not None and reader.get_loop().is_closed():
            return  # in another loop than this one, and nothing of it runs any more
        if reader is not None and reader is not asyncio.current_task():
            reader.cancel()
            await asyncio.wait({reader})
        connection = self.connection
        if connection is None or connection.closed:
            return
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await connection.close(code=code)
        except TimeoutError:
            pass  # aiohttp has cut the connection then


class _NotAFrame(Exception):
    """What came is not of the contract."""


def _unheard(frame: dict[str, Any]) -> None:
    """Frames of a connection that was given up."""


def closed_by_server(url: str, code: int | None, reason: Any) -> ccxt.NetworkError:
    """Why a connection has ended that the server closed."""
    said = f" {reason}" if reason else ""
    error = ccxt.NetworkError(f"{url}: the server closed the connection ({code}{said})")
    error.__dict__["close_code"] = code
    return error
