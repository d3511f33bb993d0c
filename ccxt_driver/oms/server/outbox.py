"""What waits to be sent to one WebSocket: bounded, and never skipping a frame in silence."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, NamedTuple

from aiohttp import web

from .wire import Wire

_BATCH: Final = 256
MOST_FRAMES: Final = 8192
MOST_CHARACTERS: Final = 64 * 1024 * 1024
_PATIENCE_SECONDS: Final = 30.0
"""How long a consumer may read nothing: then those who wait for room give up, and one that is told
that it is too slow is cut off unheard."""
FAREWELL_SECONDS: Final = 5.0
"""How long saying goodbye may take otherwise before the connection is cut."""


class SlowConsumer(Exception):
    """The other side does not read what it has asked for."""


class _Farewell(NamedTuple):
    frame: str | None
    code: int
    reason: bytes


class Outbox:
    """Frames on their way to one client.

    :param socket: prepared; says goodbye
    :param wire: where frames are written
    """

    def __init__(self, socket: web.WebSocketResponse, wire: Wire) -> None:
        self._socket = socket
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._frames: deque[str] = deque()
        self._characters = 0
        self._is_due = False
        """Whether what waits is about to be written, or waits for the other side to read."""
        self._stuck = asyncio.Event()
        """Set when somebody has to wait: for the other side to read, or to say goodbye."""
        self._room = asyncio.Event()
        self._farewell: _Farewell | None = None
        self._cut: asyncio.TimerHandle | None = None

    @property
    def closing(self) -> bool:
        """Whether nothing more is taken."""
        return self._farewell is not None

    @property
    def _half_empty(self) -> bool:
        return len(self._frames) < MOST_FRAMES // 2 and self._characters < MOST_CHARACTERS // 2

    def put(self, frame: str) -> None:
        """Queue a frame; one for a connection that is closing goes nowhere, as the connection does.

        :raises SlowConsumer: there is no room for it
        """
        if not self.closing and (len(self._frames) >= MOST_FRAMES or self._characters >= MOST_CHARACTERS):
            raise SlowConsumer
        self.answer(frame)

    def answer(self, frame: str) -> None:
        """As `put`, with room or without: for a question that there was `room` for.

        A command may make more events than have room, and its answer comes behind them.
        """
        if self._farewell is not None:
            return
        self._frames.append(frame)
        self._characters += len(frame)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what waits, all of it by one write, as far as the other side reads."""
        wire, frames = self._wire, self._frames
        while frames and not wire.is_full:
            batch = [frames.popleft() for _ in range(min(len(frames), _BATCH))]
            self._characters -= sum(map(len, batch))
            wire.write(batch)
        self._is_due = bool(frames)
        if frames:
            self._stuck.set()
        elif self._half_empty:
            self._room.set()

    async def room(self) -> None:
        """Wait until half of it is free, as long as the other side goes on reading.

        :raises SlowConsumer: it has read nothing for a long time
        """
        while not (self._half_empty or self.closing):
            self._room.clear()
            try:
                await asyncio.wait_for(self._room.wait(), _PATIENCE_SECONDS)
            except TimeoutError:
                raise SlowConsumer from None

    def close(self, frame: str | None, code: int, reason: str, *, discard: bool = False) -> None:
        """Send what waits, then a last frame, then close; later calls change nothing.

        :param discard: forget what waits, because the other side does not read it
        """
        if self._farewell is not None:
            return
        self._farewell = _Farewell(frame, code, reason.encode())
        if discard:
            self._frames.clear()
        seconds = _PATIENCE_SECONDS if discard else FAREWELL_SECONDS
        self._cut = self._loop.call_later(seconds, self._wire.cut)
        self._stuck.set()
        self._room.set()

    async def run(self) -> None:
        """See that all is sent until there is nothing more to say, or nobody to say it to.

        Then `goodbye` is due.
        """
        try:
            await self._send_all()
            if self._farewell is not None and self._farewell.frame is not None:
                self._wire.write([self._farewell.frame])
                await self._wire.room()
        except ConnectionError:
            # The other side has gone: there is nobody left to tell.
            self.close(None, 1006, "connection lost", discard=True)

    async def goodbye(self) -> None:
        """Close the connection. While this runs nobody may read from it: the answer is waited for."""
        self.close(None, 1000, "")
        assert self._farewell is not None, "it has just been closed"
        try:
            await self._socket.close(code=self._farewell.code, message=self._farewell.reason)
        finally:
            if self._cut is not None:
                self._cut.cancel()

    async def _send_all(self) -> None:
        while True:
            await self._stuck.wait()
            self._stuck.clear()
            self.flush()
            while self._frames:
                await self._wire.room()
                self.flush()
                self._room.set()
            if self._farewell is not None:
                return
