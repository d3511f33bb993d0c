"""Run the application on a port until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ccxt_driver.oms.interrupts import left_to_a_server

from .application import PLAIN_COMMANDS, create_app
from .command_connections import CommandRunner
from .limits import Limits
from .served import ServedOms

_SHUTDOWN_SECONDS: Final = 5.0
_LINGERING_SECONDS: Final = 2.0
"""How long what is left of a body is still taken, once it was refused: a client reads when it has written."""
_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""An address to listen on is not always one to connect to."""


class _Unreadable(logging.Filter):
    """Keeps out clients that send no HTTP, or leave: aiohttp logs both as errors, the one with what was sent.

    A key may be part of that.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is to be logged."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, (HttpProcessingError, web.RequestPayloadError, ConnectionError)):
            return True
        LOG.debug("a request could not be read (%s)", type(error).__name__)
        return False


LOG: Final = logging.getLogger("ccxt_driver.oms.server")
_HTTP_LOG: Final = logging.getLogger("ccxt_driver.oms.server.http")
_HTTP_LOG.addFilter(_Unreadable())


def make_runner(app: web.Application, shutdown_seconds: float = _SHUTDOWN_SECONDS) -> web.AppRunner:
    """What serves the application, and logs nothing that a client has sent.

    :param app: made by `create_app`
    :param shutdown_seconds: how long open requests may take at the end
    """
    named: dict[str, Any] = {
        "access_log": None,
        "shutdown_timeout": shutdown_seconds,
        "lingering_time": _LINGERING_SECONDS,
        "logger": _HTTP_LOG,
    }
    commands = app.get(PLAIN_COMMANDS)
    if commands is None or len(app.middlewares) > 1:  # somebody wants to see each request
        return web.AppRunner(app, **named)
    return CommandRunner(app, commands, **named)


async def serve(
    oms: ServedOms,
    host: str,
    port: int,
    ready: Callable[[str], None],
    *,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    metrics: bool = True,
    access_log: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM, then let go of everybody. The OMS is left open.

    :param host: a name or address of this machine
    :param port: 0 to let the system choose
    :param ready: called with the base URL as soon as connections are accepted
    :param limits: what clients may ask for
    :param tls: to speak TLS
    :param metrics: serve `/metrics`; who asks from another machine needs a key
    :param access_log: log each request
    :raises OSError: the port cannot be had
    """
    runner = make_runner(create_app(oms, limits, metrics=metrics, access_log=access_log))
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        stop = _stop_signal()
        ready(_base_url(runner, "http" if tls is None else "https"))
        with left_to_a_server():
            await stop.wait()
    finally:
        await runner.cleanup()


def _base_url(runner: web.AppRunner, scheme: str) -> str:
    host, port = runner.addresses[0][:2]
    host = _WILDCARDS.get(host, host)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _stop_signal() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM; a second one ends the process as it always does."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop.set)

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    return stop
