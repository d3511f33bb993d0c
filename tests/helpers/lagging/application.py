"""The gateway's front on a port: REST as of every server, and a `/ws` of its own."""

from __future__ import annotations

import json
from typing import Any, Final

from aiohttp import web

from ccxt_driver.oms.server import create_app

from .gateway import LaggingGateway
from .websocket import LaggingSockets

SOCKETS: Final = web.AppKey("sockets", LaggingSockets)

_WRITE: Final = ("/oms/commands", "/oms/reconcile")


def lagging_app(
    gateway: LaggingGateway, second: float = 1.0, commit_seconds: float = 0.01
) -> web.Application:
    """Make the application.

    :param gateway: what is served
    :param second: how long a second of the gateway takes here, in seconds
    :param commit_seconds: of the gateway: so long after its events a command is readable, and answered
    """
    app = create_app(_Front(gateway))  # type: ignore[arg-type]  # it stands wherever an EmbeddedOms does
    sockets = app[SOCKETS] = LaggingSockets(gateway, second, commit_seconds)

    @web.middleware
    async def its_own_way(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/ws":
            return await sockets.handle(request)
        if request.method == "POST" and request.path in _WRITE:
            body = _first(await request.read())
            return await sockets.writing(body, lambda: _answered(handler, request))
        return await _answered(handler, request)

    app.middlewares.append(its_own_way)
    app.on_shutdown.append(_close_sockets)
    return app


class _Crashed(Exception):
    """Nobody caught an error: what is answered then is a plain text."""


class _Front:
    """The gateway as the application asks it."""

    def __init__(self, gateway: LaggingGateway) -> None:
        self._gateway = gateway

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def handle(self, *args: Any, **kwargs: Any) -> Any:
        """One request."""
        reply = self._gateway.handle(*args, **kwargs)
        if isinstance(reply.body, str):
            raise _Crashed(reply.body)
        return reply


async def _answered(handler: Any, request: web.Request) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except _Crashed as crash:
        return web.Response(status=500, text=str(crash))
    return answer


async def _close_sockets(app: web.Application) -> None:
    for ws in list(app[SOCKETS].open):
        await ws.close(code=1012)


def _first(text: bytes) -> Any:
    """A body, or its first command: it names the account, as the others do."""
    try:
        body = json.loads(text)
    except ValueError:
        return None  # the handler says so
    return body[0] if isinstance(body, list) and body else body
