"""Run the application on a port until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Callable
from types import FrameType
from typing import Final

from aiohttp import web

from .application import create_app
from .limits import Limits
from .served import ServedOms

_SHUTDOWN_SECONDS: Final = 5.0
_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""An address to listen on is not always one to connect to."""


async def serve(
    oms: ServedOms,
    host: str,
    port: int,
    ready: Callable[[str], None],
    *,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    metrics: bool = False,
    access_log: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM, then let go of everybody. The OMS is left open.

    :param host: a name or address of this machine
    :param port: 0 to let the system choose
    :param ready: called with the base URL as soon as connections are accepted
    :param limits: what clients may ask for
    :param tls: to speak TLS
    :param metrics: serve `/metrics`
    :param access_log: log each request
    :raises OSError: the port cannot be had
    """
    app = create_app(oms, limits, metrics=metrics, access_log=access_log)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        stop = _stop_signal()
        ready(_base_url(runner, "http" if tls is None else "https"))
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
