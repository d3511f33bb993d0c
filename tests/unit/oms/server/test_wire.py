from __future__ import annotations

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

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
