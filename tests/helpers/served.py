"""The embedded OMS on a real port, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.server import create_app
from ccxt_driver.oms.server.limits import Limits
from ccxt_driver.oms.server.running import make_runner


@dataclass(frozen=True)
class ServedOms:
    """Where it listens, a key that may trade on every account, and the OMS itself."""

    base_url: str
    api_key: str
    oms: EmbeddedOms
    runner: web.AppRunner
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    """Run a coroutine in the server's event loop, for at most ten seconds."""


@contextmanager
def serve(
    oms: EmbeddedOms, limits: Limits | None = None, port: int = 0, app: web.Application | None = None
) -> Iterator[ServedOms]:
    """Serve an OMS on 127.0.0.1; closes it at the end.

    :param port: a free one if none is given
    :param app: the server, if it is another one
    """
    loop = asyncio.new_event_loop()
    runner = make_runner(app or create_app(oms, limits), shutdown_seconds=0.5)
    thread = threading.Thread(target=loop.run_forever, name="served-oms", daemon=True)
    thread.start()

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return int(runner.addresses[0][1])

    try:
        listening = run(start())
        _, secret = oms.keys.create()
        yield ServedOms(f"http://127.0.0.1:{listening}", secret, oms, runner, run)
    finally:
        run(runner.cleanup())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        oms.close()
