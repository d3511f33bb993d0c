"""What a running server tells of itself: figures for Prometheus, and a line in the log for each request."""

from __future__ import annotations

import ipaddress
import logging
import time
import uuid
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextvars import ContextVar
from itertools import accumulate
from typing import Final
from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Middleware

from .command_groups import CommandGroups

ACCESS_LOG: Final = logging.getLogger("ccxt_driver.oms.access")
REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""Of the request that is being answered, when requests are logged."""
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds in seconds."""


class _Times:
    """How long the requests of one path have taken; `buckets` has one more for those above all bounds."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(_BUCKETS) + 1)
        self.seconds = 0.0


class Metrics:
    """Counts, in the text format of Prometheus.

    Written by hand: it is a page of code, and a library for it would be one more thing to install.

    :param groups: how the commands were grouped
    :param clients: how many WebSockets are open
    """

    def __init__(self, groups: CommandGroups, clients: Callable[[], int]) -> None:
        self._groups = groups
        self._clients = clients
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._times: dict[str, _Times] = {}

    def note(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request; once for every request that there is, so it has to cost little.

        :param path: of the route, not of the request: there are few of them
        """
        self._requests[method, path, status] += 1
        times = self._times.get(path)
        if times is None:
            times = self._times[path] = _Times()
        times.buckets[bisect_left(_BUCKETS, seconds)] += 1
        times.seconds += seconds

    def text(self) -> str:
        """The page."""
        lines = [
            *_family("requests_total", "counter", "Requests answered.", self._request_lines()),
            *_family("request_seconds", "histogram", "Until the answer was ready.", self._time_lines()),
            *_family("websocket_clients", "gauge", "Open WebSockets.", [f" {self._clients()}"]),
            *_family(
                "command_groups_total",
                "counter",
                "Writes to the disk that commands have shared.",
                [f" {self._groups.groups}"],
            ),
            *_family(
                "grouped_requests_total",
                "counter",
                "Requests with commands in those groups.",
                [f" {self._groups.requests}"],
            ),
        ]
        return "\n".join(lines) + "\n"

    def _request_lines(self) -> Iterator[str]:
        for (method, path, status), count in sorted(self._requests.items()):
            yield f'{{method="{method}",path="{path}",status="{status}"}} {count}'

    def _time_lines(self) -> Iterator[str]:
        for path, times in sorted(self._times.items()):
            for bound, count in zip((*_BUCKETS, "+Inf"), accumulate(times.buckets), strict=True):
                yield f'_bucket{{path="{path}",le="{bound}"}} {count}'
            yield f'_sum{{path="{path}"}} {times.seconds:.6f}'
            yield f'_count{{path="{path}"}} {sum(times.buckets)}'


def _family(name: str, kind: str, help_text: str, samples: Iterable[str]) -> Iterator[str]:
    full = f"ccxt_driver_{name}"
    yield f"# HELP {full} {help_text}"
    yield f"# TYPE {full} {kind}"
    for sample in samples:
        yield full + sample


def logging_requests(request_id: Callable[[web.Request], str | None]) -> Middleware:
    """A middleware around all others that logs each request; a WebSocket when it ends.

    :param request_id: what the client calls the request, if it does
    """

    @web.middleware
    async def log(request: web.Request, handler: _Handler) -> web.StreamResponse:
        name = request_id(request) or uuid.uuid4().hex
        token = REQUEST_ID.set(name)
        started = time.perf_counter()
        status = 0  # the client has gone
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            REQUEST_ID.reset(token)
            path = logged_path(request)
            values = {
                "request_id": name,
                "method": request.method,
                "path": path,
                "status": status,
                "milliseconds": round((time.perf_counter() - started) * 1000, 3),
                "remote": request.remote,
            }
            ACCESS_LOG.info("%s %s %d", request.method, path, status, extra=values)

    return log


def logged_path(request: web.Request) -> str:
    """The path for a line of the log: whatever a client sends, it does not end it or move a cursor."""
    return quote(request.path, safe="/,:@", errors="replace")


def route_path(request: web.Request) -> str:
    """The path as the route has it, such as `/oms/orders/{ids}`; "unknown" when there is no such route."""
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical


def is_of_this_machine(request: web.Request) -> bool:
    """Whether nobody but this machine can have asked: a proxy that asks for another one says so."""
    if "Forwarded" in request.headers or "X-Forwarded-For" in request.headers:
        return False
    try:
        address = ipaddress.ip_address(request.remote or "")
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
