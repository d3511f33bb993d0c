"""An OMS served by a process of its own, beside a bare WebSocket; it notes when it commits or sends.

The clock is the machine's, which all processes share; the file is mapped into both.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

ORDER = {
    "account_id": 1,
    "command": "send_order",
    "payload": {"symbol": "BTC/USDT", "side": "buy", "order_type": "limit", "qty": "0.01", "price": "50000"},
}
BURST = 50
"""Orders in one turn of the server's loop."""


class Stamp:
    """Nanoseconds, written by one process and read by another."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    def write(self) -> None:
        struct.pack_into("q", self._map, 0, time.perf_counter_ns())

    def read(self) -> int:
        stamp: int = struct.unpack_from("q", self._map, 0)[0]
        return stamp


@dataclass(frozen=True)
class Served:
    """Where the OMS and the bare sockets listen, and a key."""

    base_url: str
    bare_url: str
    api_key: str
    stamp: Stamp


@contextmanager
def stream_process(folder: Path, loop: str) -> Iterator[Served]:
    """Start it, and stop it at the end.

    :param loop: asyncio or uvloop
    """
    stamp = folder / "stamp"
    opened = Stamp(stamp)
    command = [sys.executable, "-m", "tests.benchmarks.stream_process", str(stamp), loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base_url, bare_url, api_key = (process.stdout.readline().strip() for _ in range(3))
            yield Served(base_url, bare_url, api_key, opened)
        finally:
            process.terminate()


async def main(stamp: Stamp) -> None:
    """Serve an OMS, `/echo`, and `/control`: what it is told there it does."""
    from ccxt_driver.oms import EmbeddedOms
    from ccxt_driver.oms.server import create_app

    account = {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "1000000000"}}
    oms = EmbeddedOms(accounts=[account], seed=0, clock="manual")
    oms.set_price("BTC/USDT", bid="60000", ask="60001", last="60000")
    oms.subscribe(lambda events: stamp.write())
    _, secret = oms.keys.create()
    bare: list[web.WebSocketResponse] = []
    texts: list[str] = []

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        bare.append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
        return socket

    async def control(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for message in socket:
            word, _, rest = message.data.partition(" ")
            if word == "commit":
                oms.handle("commands", {}, {}, ORDER)
            elif word == "send":
                stamp.write()
                await bare[0].send_str(texts[-1])
            elif word == "text":
                texts.append(rest)
            else:
                for number in range(int(rest)):
                    oms.handle("commands", {}, {}, ORDER)
                    if number % BURST == BURST - 1:
                        await asyncio.sleep(0)
        return socket

    other = web.Application()
    other.router.add_get("/echo", echo)
    other.router.add_get("/control", control)
    for app in (create_app(oms), other):
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address: Any = runner.addresses[0]
        print(f"http://127.0.0.1:{address[1]}", flush=True)
    print(secret, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[2] == "uvloop":
        import uvloop

        uvloop.run(main(Stamp(Path(sys.argv[1]))))
    else:
        asyncio.run(main(Stamp(Path(sys.argv[1]))))
