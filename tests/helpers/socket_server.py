"""A WebSocket server that does what a test says, on the loopback interface, in the loop of the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

Frame = dict[str, Any]


def echoing(frame: Frame) -> list[Any]:
    """One answer to every frame."""
    return [{"id": frame.get("id"), "event": "answer", "payload": frame.get("payload")}]


class SocketServer:
    """What it was sent, and what it does."""

    def __init__(self) -> None:
        self.status: int | None = None
        """Of a handshake that it refuses."""
        self.headers: dict[str, str] = {}
        """Of that refusal."""
        self.answer: Callable[[Frame], list[Any]] = echoing
        """The frames that answer one: objects, or texts as they are."""
        self.deaf = False
        """It reads nothing more, not even that the other side goes."""
        self.requests: list[web.Request] = []
        self.frames: list[Frame] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.url = ""
        self._over = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection."""
        self.requests.append(request)
        if self.status is not None:
            return web.Response(status=self.status, headers=self.headers)
        socket = web.WebSocketResponse(max_msg_size=0, timeout=0.1)
        await socket.prepare(request)
        self.sockets.append(socket)
        if self.deaf:
            await self._over.wait()
            return socket
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            self.frames.append(frame)
            for each in self.answer(frame):
                await socket.send_str(each if isinstance(each, str) else json.dumps(each))
            if self.deaf:
                await self._over.wait()
        return socket

    async def push(self, frame: Any) -> None:
        """Send a frame on the newest connection; a text or bytes as they are."""
        socket = self.sockets[-1]
        if isinstance(frame, bytes):
            await socket.send_bytes(frame)
        else:
            await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    def stop(self) -> None:
        """Let those who wait for ever go."""
        self._over.set()


@asynccontextmanager
async def socket_server() -> AsyncIterator[SocketServer]:
    """A server while the block runs; `url` is that of its `/ws`."""
    server = SocketServer()
    app = web.Application()
    app.router.add_get("/ws", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/ws"
        yield server
    finally:
        server.stop()
        await runner.cleanup()
