"""Text frames of a WebSocket as bytes, so that many leave by one write.

aiohttp sends a frame by a coroutine and a system call of its own; a commit makes three to seven of them.
It still makes the handshake, reads, pings and closes; both write to the same transport, whole frames each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from struct import pack
from typing import Final

from aiohttp.abc import AbstractStreamWriter

_FULL: Final = 64 * 1024
"""Bytes that wait in the transport; above that it is left to the other side to read."""
_AGAIN_SECONDS: Final = 0.01
_FINAL_TEXT: Final = 0x81
_BYTE: Final = 126
_TWO_BYTES: Final = 65_536


class Wire:
    """Where frames are written. Without compression: the handshake has to refuse it.

    :param transport: of the connection
    :param writer: aiohttp's, of the same connection: knows when there is room again
    """

    def __init__(self, transport: asyncio.WriteTransport, writer: AbstractStreamWriter) -> None:
        self._transport = transport
        self._writer = writer
        # The writer waits from there on only: TLS has other limits, and is full here long before.
        transport.set_write_buffer_limits(high=_FULL)

    @property
    def is_full(self) -> bool:
        """Whether the other side has not read what was written."""
        return not self._transport.is_closing() and self._transport.get_write_buffer_size() > _FULL

    def write(self, frames: Iterable[str]) -> None:
        """Send some frames; of a connection that is gone nobody is told here, but by its reader."""
        if not self._transport.is_closing():
            self._transport.write(b"".join(map(_framed, frames)))

    async def room(self) -> None:
        """Wait until it is full no more.

        :raises ConnectionError: the other side has gone
        """
        await self._writer.drain()
        if self.is_full:  # by a transport's own idea of its limits it is not: others have to run meanwhile
            await asyncio.sleep(_AGAIN_SECONDS)

    def cut(self) -> None:
        """End the connection at once."""
        self._transport.abort()


def _framed(text: str) -> bytes:
    """RFC 6455, section 5.2: a final text frame, not masked, as servers send."""
    payload = text.encode()
    length = len(payload)
    if length < _BYTE:
        return bytes((_FINAL_TEXT, length)) + payload
    if length < _TWO_BYTES:
        return pack("!BBH", _FINAL_TEXT, 126, length) + payload
    return pack("!BBQ", _FINAL_TEXT, 127, length) + payload
