from __future__ import annotations

import asyncio

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

from ccxt_driver.oms.server.outbox import Outbox
from ccxt_driver.oms.server.wire import Wire

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 300_000])
async def test_a_client_reads_the_frames_that_were_written(length: int) -> None:
    texts = ["x" * length, "\N{EURO SIGN}" * (length // 3), "last"]

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        assert request.transport is not None
        wire = Wire(request.transport, request.writer)
        wire.write(texts)
        await wire.room()
        assert not wire.is_full
        await socket.close()
        wire.write(["nowhere"])
        return socket

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestClient(TestServer(app)) as client, client.ws_connect("/", max_msg_size=0) as socket:
        read = [message.data async for message in socket if message.type is WSMsgType.TEXT]

    assert read == texts


class HalfFull:
    """A transport, and its writer, that asks for a pause long after the wire thinks it full: as with TLS."""

    def __init__(self) -> None:
        self.size = 100_000
        self.asked = 0
        self.limit: int | None = None
        self.is_gone = False

    def set_write_buffer_limits(self, high: int) -> None:
        self.limit = high

    def get_write_buffer_size(self) -> int:
        self.asked += 1
        assert self.asked < 1000, "nobody else gets a turn"
        return self.size

    def is_closing(self) -> bool:
        return self.is_gone

    async def drain(self) -> None:
        """Nothing has to be waited for."""

    def write(self, data: bytes) -> None:
        """Somewhere."""


async def test_others_run_while_a_full_wire_is_waited_for() -> None:
    pipe = HalfFull()
    wire = Wire(pipe, pipe)  # type: ignore[arg-type]
    outbox = Outbox(None, wire)  # type: ignore[arg-type]  # nobody says goodbye
    assert pipe.limit is not None
    assert pipe.limit < pipe.size
    outbox.put("a frame")
    running = asyncio.create_task(outbox.run())
    await asyncio.sleep(0.05)
    assert not running.done()
    pipe.size = 0
    outbox.close(None, 1000, "")
    await asyncio.wait_for(running, 5)


async def test_a_wire_that_is_gone_is_not_waited_for_whatever_its_buffer_holds() -> None:
    pipe = HalfFull()
    wire = Wire(pipe, pipe)  # type: ignore[arg-type]
    outbox = Outbox(None, wire)  # type: ignore[arg-type]
    outbox.put("a frame")
    running = asyncio.create_task(outbox.run())
    await asyncio.sleep(0)
    pipe.is_gone = True
    outbox.close(None, 1000, "")
    await asyncio.wait_for(running, 5)
