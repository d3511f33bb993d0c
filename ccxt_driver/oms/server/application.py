"""The aiohttp application: every endpoint of the contract, and `/ws`, over one OMS."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from ccxt_driver.contract.codes import HTTP_STATUS, ErrorCode
from ccxt_driver.contract.endpoints import ENDPOINTS, MARKET_FUNCTIONS, Access, Endpoint, snake_case
from ccxt_driver.oms.access import ANONYMOUS
from ccxt_driver.oms.entities import Principal
from ccxt_driver.oms.json_text import dumps, loads_question
from ccxt_driver.oms.keys import KeyRing
from ccxt_driver.oms.service import CommandRequest

from . import openapi
from .answers import Answer, answer_of, clean_request_id, failure
from .command_groups import CommandGroups
from .limits import Limits, RateLimiter
from .plain_commands import PlainCommands
from .served import INVALID_KEY, MISSING_KEY, TOO_OFTEN, ServedOms, error_body
from .telemetry import (
    METRICS_TYPE,
    REQUEST_ID,
    Metrics,
    is_of_this_machine,
    logged_path,
    logging_requests,
    route_path,
)
from .websocket import WebSocketEndpoint

LOG: Final = logging.getLogger("ccxt_driver.oms.server")

TICK_SECONDS: Final = 0.25
KEY_CHECK_SECONDS: Final = 1.0
BODY_SECONDS: Final = 30.0
"""How long a body may take to arrive."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_WEBSOCKET: Final = "/ws"
WEBSOCKETS: Final = web.AppKey("websockets", WebSocketEndpoint)
PLAIN_COMMANDS: Final = web.AppKey("plain_commands", PlainCommands)
"""Of an application whose requests nothing else wants to see."""

_JSON: Final = {"Content-Type": "application/json"}


class _Refused(Exception):
    """A request that never reaches the OMS."""

    def __init__(
        self, code: ErrorCode, message: str, status: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.code = code
        self.message = message
        self.status = status or HTTP_STATUS[code]


def create_app(
    oms: ServedOms, limits: Limits | None = None, *, metrics: bool = True, access_log: bool = False
) -> web.Application:
    """Make the application. It does not close the OMS: that is for whoever made it.

    :param oms: an `EmbeddedOms`
    :param limits: what clients may ask for; by default 4 MiB a request, and as many as they like
    :param metrics: serve `/metrics`; who asks from another machine needs a key
    :param access_log: log each request to `ccxt_driver.oms.access`
    """
    limits = limits or Limits()
    keys = oms.keys
    groups, limiter = CommandGroups(oms), limits.limiter(time.monotonic)
    counted = Metrics(groups, lambda: websockets.clients) if metrics else None
    middlewares = [_around_all(counted)]
    if access_log:
        middlewares.insert(0, logging_requests(_request_id))
    app = web.Application(client_max_size=limits.largest_body, middlewares=middlewares)
    for endpoint in ENDPOINTS:
        handler = _handler(oms, endpoint, keys, groups, limiter)
        app.router.add_route(endpoint.method, f"/{endpoint.path}", handler, name=endpoint.name)
        if endpoint.older_path is not None:
            app.router.add_route(endpoint.method, f"/{endpoint.older_path}", handler)
    websockets = app[WEBSOCKETS] = WebSocketEndpoint(oms, groups, limiter, limits.largest_frame)
    app.router.add_get(_WEBSOCKET, _websocket_handler(oms, websockets))
    if not access_log:
        app[PLAIN_COMMANDS] = PlainCommands(groups, keys, limiter, limits.largest_body, counted)
    app.router.add_get("/openapi.json", _openapi)
    if counted is not None:
        app.router.add_get("/metrics", _metrics_handler(counted, keys))
    app.cleanup_ctx.append(_background(oms))
    app.on_shutdown.append(_close_websockets)
    return app


def _handler(
    oms: ServedOms,
    endpoint: Endpoint,
    keys: KeyRing,
    groups: CommandGroups,
    limiter: RateLimiter | None,
) -> _Handler:
    name = endpoint.name
    commands = name == "commands"
    has_body = endpoint.method != "GET"
    identify = still = _identifier(keys, endpoint.access)
    if limiter is not None and endpoint.access is not Access.PUBLIC:
        identify = _limited(identify, limiter)

    async def handle(request: web.Request) -> web.Response:
        principal = identify(request)
        query = _query(request) if request.query_string else {}
        body = None
        if has_body:
            waits = not request.content.is_eof()
            body = _json(await _read(request))
            if waits:
                principal = still(request)  # the key may have been disabled meanwhile
        request_id = _request_id(request)
        if commands:
            reply = await groups.run(CommandRequest(query, body, principal, request_id))
        else:
            reply = oms.handle(name, request.match_info, query, body, principal, request_id)
        return _response(answer_of(request_id, reply.status, reply.body))

    return handle


def _identifier(keys: KeyRing, access: Access) -> Callable[[web.Request], Principal]:
    """How an endpoint finds out who asks."""

    def by_key(request: web.Request) -> Principal:
        secret = request.headers.get("x-api-key")
        if not secret:
            raise _Refused(ErrorCode.MISSING_API_KEY, MISSING_KEY)
        principal = keys.authenticate(secret)
        if principal is None:
            raise _Refused(ErrorCode.INVALID_API_KEY, INVALID_KEY)
        return principal

    def by_key_unless_market(request: web.Request) -> Principal:
        anonymous = not request.headers.get("x-api-key")
        if anonymous and snake_case(request.match_info["func"]) in MARKET_FUNCTIONS:
            return ANONYMOUS
        return by_key(request)

    def anybody(request: web.Request) -> Principal:
        return ANONYMOUS

    return {Access.KEY: by_key, Access.MARKET: by_key_unless_market, Access.PUBLIC: anybody}[access]


def _limited(
    identify: Callable[[web.Request], Principal], limiter: RateLimiter
) -> Callable[[web.Request], Principal]:
    """The same, but not too often."""

    def seldom(request: web.Request) -> Principal:
        principal = identify(request)
        seconds = limiter.wait(principal, request.remote)
        if seconds:
            raise _Refused(ErrorCode.RATE_LIMITED, TOO_OFTEN, retry_after=seconds)
        return principal

    return seldom


def _query(request: web.Request) -> dict[str, str]:
    query = dict(request.query)
    if len(query) < len(request.query):
        raise _Refused(ErrorCode.VALIDATION_ERROR, "a query parameter is given more than once")
    return query


async def _read(request: web.Request) -> bytes:
    """The body; a client that does not send all of it holds nothing for long.

    :raises ConnectionError: the client has gone
    """
    try:
        if request.content.is_eof():
            return await request.read()
        if request.transport is None:  # aiohttp takes that for a fault of ours
            raise ConnectionResetError("the client left before its request was looked at")
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        message = f"body: expected within {BODY_SECONDS:g} seconds"
        raise _Refused(ErrorCode.VALIDATION_ERROR, message, 408) from None
    except web.RequestPayloadError:
        message = "body: expected what Content-Length, Transfer-Encoding and Content-Encoding say"
        raise _Refused(ErrorCode.VALIDATION_ERROR, message, 400) from None


def _json(text: bytes) -> Any:
    if not text:
        return {}
    try:
        return loads_question(text)
    except ValueError:
        raise _Refused(ErrorCode.VALIDATION_ERROR, "body: expected JSON") from None


def _request_id(request: web.Request) -> str | None:
    """What the client calls the request: in our log and in our answer it is called the same."""
    return REQUEST_ID.get() or clean_request_id(request.headers.get("X-Request-ID"))


def _response(answer: Answer) -> web.Response:
    headers = _JSON if answer.request_id is None else _JSON | {"X-Request-ID": answer.request_id}
    return web.Response(body=answer.body, status=answer.status, headers=headers)


def _around_all(metrics: Metrics | None) -> Middleware:
    """What goes wrong is answered in the contract's shape, and requests are counted; a WebSocket is not."""

    @web.middleware
    async def answer(request: web.Request, handler: _Handler) -> web.StreamResponse:
        started = time.perf_counter()
        status = 0  # the client has gone
        try:
            try:
                response = await handler(request)
            except Exception as error:  # noqa: BLE001 - each kind has an answer, and unknown ones are logged
                response = _response_to(error, request)
            status = response.status
            return response
        finally:
            if metrics is not None and (path := route_path(request)) != _WEBSOCKET:
                metrics.note(request.method, path, status, time.perf_counter() - started)

    return answer


def _response_to(error: Exception, request: web.Request) -> web.Response:
    """What is answered to a request that has failed.

    :raises ConnectionError: the client has gone: there is nobody to answer
    """
    request_id = _request_id(request)
    match error:
        case _Refused():
            body = error_body(error.code, error.message)
            response = _response(answer_of(request_id, error.status, body))
            if error.retry_after is not None:
                response.headers["Retry-After"] = str(error.retry_after)
        case web.HTTPRequestEntityTooLarge():
            message = f"body: expected at most {request.client_max_size} bytes"
            body = error_body(ErrorCode.VALIDATION_ERROR, message)
            response = _response(answer_of(request_id, 413, body))
        case web.HTTPException():
            response = _response(answer_of(request_id, error.status, {"detail": error.reason}))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        case ConnectionError():
            raise error
        case _:
            what = f"{request.method} {logged_path(request)}"
            response = _response(failure(request_id, what, error))
    return response


async def _openapi(request: web.Request) -> web.Response:
    return web.Response(body=dumps(openapi.document()), content_type="application/json")


def _metrics_handler(metrics: Metrics, keys: KeyRing) -> _Handler:
    identify = _identifier(keys, Access.KEY)

    async def handle(request: web.Request) -> web.Response:
        if not is_of_this_machine(request):
            identify(request)
        return web.Response(body=metrics.text().encode(), headers={"Content-Type": METRICS_TYPE})

    return handle


def _websocket_handler(oms: ServedOms, websockets: WebSocketEndpoint) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        secret = request.headers.get("x-api-key") or None
        if secret is not None and oms.keys.authenticate(secret) is None:
            raise _Refused(ErrorCode.INVALID_API_KEY, INVALID_KEY)
        return await websockets.handle(request, secret)

    return handle


def _background(oms: ServedOms) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(app: web.Application) -> AsyncIterator[None]:
        app[WEBSOCKETS].start()
        tasks = [
            asyncio.create_task(_repeat(oms.tick, TICK_SECONDS)),
            asyncio.create_task(_repeat(app[WEBSOCKETS].check_keys, KEY_CHECK_SECONDS)),
        ]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        app[WEBSOCKETS].close()

    return run


async def _close_websockets(app: web.Application) -> None:
    app[WEBSOCKETS].stop()


async def _repeat(work: Callable[[], None], seconds: float) -> None:
    failing = False
    while True:
        try:
            work()
            failing = False
        except Exception:
            if not failing:  # once, not four times a second
                LOG.exception("background work of the server fails; it is tried again")
            failing = True
        await asyncio.sleep(seconds)
