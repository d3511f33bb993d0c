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
    app = create_app(gateway)  # type: ignore[arg-type]  # it stands wherever an EmbeddedOms does
    sockets = app[SOCKETS] = LaggingSockets(gateway, second, commit_seconds)

    @web.middleware
    async def its_own_way(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/ws":
            return await sockets.handle(request)
        if request.method == "POST" and request.path in _WRITE:
            body = _first(await request.read())
            return await sockets.writing(body, lambda: handler(request))
        answered: web.StreamResponse = await handler(request)
        return answered

    app.middlewares.append(its_own_way)
    app.on_shutdown.append(_close_sockets)
    return app


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
