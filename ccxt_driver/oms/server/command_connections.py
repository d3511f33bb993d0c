"""Connections on which a plain request with commands is answered at once, and everything else by aiohttp.

aiohttp spends on a request as much as an order and its way to the disk cost. What is recognized here is one
whole request as all clients write it; whatever is not exactly that goes to aiohttp, byte for byte.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Protocol, cast

from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE

from ccxt_driver.contract.endpoints import BY_NAME
from ccxt_driver.oms.keys import digest

from .answers import Answer

_HEAD: Final = re.compile(
    rb"(?P<method>GET|POST) (?P<target>/[!-~]*) HTTP/1\.1\r\n"
    rb"(?P<fields>(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)*)\r\n"
)
_FIELD: Final = re.compile(rb"([^:]+):[\t ]*([\t -~]*?)[\t ]*\r\n")
_END: Final = b"\r\n\r\n"
_LONGEST_HEAD: Final = 4096
"""Bytes."""
_MOST_KNOWN: Final = 1024
"""Heads, until they are forgotten."""
_MEANS_MORE: Final = frozenset(
    {b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"te", b"trailer", b"http2-settings"}
)
"""Fields that change how a request is read or answered."""
_ONCE: Final = frozenset({b"host", b"content-length", b"x-api-key", b"x-request-id", b"connection"})
_COMMANDS: Final = f"/{BY_NAME['commands'].path}".encode()
_DIGITS: Final = re.compile(rb"[0-9]{1,9}")


class Head(NamedTuple):
    """What matters of a request before its body.

    :param size: of itself, in bytes
    :param length: of the body, in bytes
    :param is_commands: whether it asks for commands and nothing beside
    :param key_digest: of the API key that it names, as `KeyRing.principal` takes it
    :param request_id: what the client calls the request, as it was sent
    """

    size: int
    length: int
    is_commands: bool
    key_digest: str
    request_id: str | None


class Commands(Protocol):
    """What answers commands."""

    def begin(self, head: Head, body: bytes, address: str | None, answer: Callable[[Answer], None]) -> bool:
        """Answer a request.

        :param address: whose it is
        :param answer: called once, now or later
        :returns: False where it has to go aiohttp's way, and nothing was done
        """
        ...


class Heads:
    """Reads what comes before a body, and remembers it: a client sends the same again and again."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head | None] = {}

    def read(self, data: bytes) -> Head | None:
        """The head of a plain request; None where it is not whole, or means more than is understood here."""
        end = data.find(_END)
        if not 0 < end <= _LONGEST_HEAD:
            return None
        text = data[: end + len(_END)]
        try:
            return self._known[text]
        except KeyError:
            pass
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        found = self._known[text] = _read(text)
        return found


def _read(text: bytes) -> Head | None:
    match = _HEAD.fullmatch(text)
    if match is None:
        return None
    fields: dict[bytes, bytes] = {}
    for name, value in _FIELD.findall(match["fields"]):
        name = name.lower()
        if name in _MEANS_MORE or (name in _ONCE and name in fields):
            return None
        fields[name] = value
    length = fields.get(b"content-length", b"0")
    if fields.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    if b"host" not in fields or not _DIGITS.fullmatch(length):
        return None
    key, request_id = fields.get(b"x-api-key", b"").decode(), fields.get(b"x-request-id")
    is_commands = match["method"] == b"POST" and match["target"] == _COMMANDS and bool(key)
    called = None if request_id is None else request_id.decode()
    return Head(len(text), int(length), is_commands, digest(key), called)


class Crossing:
    """Where all connections of a server find who answers.

    :param commands: answers commands
    """

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        self.heads = Heads()
        self.is_closed = False
        """Whether aiohttp answers everything: the server is about to end."""
        self._asked = 0
        self._idle = asyncio.Event()

    def enter(self) -> None:
        """A request is being answered."""
        self._asked += 1

    def leave(self) -> None:
        """It is no longer."""
        self._asked -= 1
        if self.is_closed and not self._asked:
            self._idle.set()

    async def close(self) -> None:
        """Have aiohttp answer everything from now on; returns when all others are answered."""
        self.is_closed = True
        if self._asked:
            await self._idle.wait()


class CommandConnection(asyncio.Protocol):
    """One connection. What is not recognized goes to aiohttp's own protocol, which also keeps the connection.

    :param inner: aiohttp's
    :param crossing: shared by all connections
    """

    def __init__(self, inner: web.RequestHandler, crossing: Crossing) -> None:
        self._inner = inner
        self._crossing = crossing
        self._transport: asyncio.Transport | None = None
        self._address: str | None = None
        self._is_asked = False
        """Whether a request is being answered here."""
        self._held: list[bytes] = []
        """What came meanwhile."""
        self._missing = 0
        """Bytes of a body that aiohttp has not got yet."""
        self._may_write = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else None
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._may_write = False
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._may_write = True
        self._inner.resume_writing()

    def eof_received(self) -> None:
        """See `asyncio.Protocol`."""
        self._inner.eof_received()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._is_asked:
            self._hold(data)
        elif self._missing:
            self._missing -= len(data)
            self._give(data, is_plain=self._missing >= 0)
        elif (head := self._crossing.heads.read(data)) is None:
            self._give(data, is_plain=False)
        else:
            self._missing = head.size + head.length - len(data)
            if self._missing or not head.is_commands or not self._begin(head, data):
                self._give(data, is_plain=self._missing >= 0)

    def _give(self, data: bytes, *, is_plain: bool) -> None:
        """Have aiohttp answer.

        :param is_plain: whether it is clear where the next request begins; else all that follows is aiohttp's
        """
        if not is_plain and self._transport is not None:
            self._transport.set_protocol(self._inner)
        self._inner.data_received(data)

    def _begin(self, head: Head, data: bytes) -> bool:
        """Begin to answer commands.

        :returns: False where aiohttp has to, and nothing was done
        """
        crossing = self._crossing
        if crossing.is_closed or not self._may_write or not waits(self._inner):
            return False
        self._is_asked = True
        crossing.enter()
        if not crossing.commands.begin(head, data[head.size :], self._address, self._answer):
            self._is_asked = False
            crossing.leave()
            return False
        self._inner.keep_alive(True)  # its clock, which sees none of this, would end a busy connection
        return True

    def _hold(self, data: bytes) -> None:
        if not self._held and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
        self._held.append(data)

    def _answer(self, answer: Answer) -> None:
        self._is_asked = False
        self._crossing.leave()
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(_HEADERS.of(answer) + answer.body)
        if self._held:
            held, self._held = b"".join(self._held), []
            self._transport.resume_reading()
            self.data_received(held)


def waits(inner: web.RequestHandler) -> bool:
    """Whether aiohttp has answered all that it was given, and is not about to close.

    It tells by nothing that is public; where it no longer tells at all, it answers everything.
    """
    waiter = getattr(inner, "_waiter", None)
    return waiter is not None and not waiter.done()


class _Headers:
    """Of answers; those that aiohttp sends, too."""

    def __init__(self) -> None:
        self._second = 0
        self._common = b""

    def of(self, answer: Answer) -> bytes:
        """The status line and all fields."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._common = (
                f"Date: {formatdate(second, usegmt=True)}\r\nServer: {SERVER_SOFTWARE}\r\n".encode()
            )
        named = b"" if answer.request_id is None else b"X-Request-ID: %b\r\n" % answer.request_id.encode()
        return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n%b\r\n" % (
            _STATUS_LINES[answer.status],
            named,
            len(answer.body),
            self._common,
        )


_STATUS_LINES: Final = {status.value: f"{status.value} {status.phrase}".encode() for status in HTTPStatus}
_HEADERS: Final = _Headers()


class _Server:
    """aiohttp's server of an application, but for the connections that it makes.

    :param server: aiohttp's
    """

    def __init__(self, server: web.Server, crossing: Crossing) -> None:
        self._server = server
        self._crossing = crossing

    def __call__(self) -> CommandConnection:
        """The protocol of a new connection, for `loop.create_server`."""
        return CommandConnection(self._server(), self._crossing)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)


class CommandRunner(web.AppRunner):
    """An aiohttp runner whose connections answer commands at once.

    :param app: to serve
    :param commands: answers commands
    :param named: as of `AppRunner`
    """

    def __init__(self, app: web.Application, commands: Commands, **named: Any) -> None:
        super().__init__(app, **named)
        self._crossing = Crossing(commands)

    @property
    def server(self) -> Any:
        """What makes connections; None until it is set up."""
        server = super().server
        return None if server is None else _Server(server, self._crossing)

    async def cleanup(self) -> None:
        """As of `AppRunner`; who has asked for commands is answered first."""
        await self._crossing.close()
        await super().cleanup()
