"""The embedded OMS on a real port, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.server import create_app


@dataclass(frozen=True)
class ServedOms:
    """Where it listens, a key that may trade on every account, and the OMS itself."""

    base_url: str
    api_key: str
    oms: EmbeddedOms


@contextmanager
def serve(oms: EmbeddedOms) -> Iterator[ServedOms]:
    """Serve an OMS on a free port of 127.0.0.1; closes it at the end."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(create_app(oms), access_log=None, shutdown_timeout=0.5)
    thread = threading.Thread(target=loop.run_forever, name="served-oms", daemon=True)
    thread.start()

    def run(coroutine: object) -> object:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)  # type: ignore[arg-type]

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    try:
        port = run(start())
        _, secret = oms.keys.create()
        yield ServedOms(f"http://127.0.0.1:{port}", secret, oms)
    finally:
        run(runner.cleanup())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        oms.close()
