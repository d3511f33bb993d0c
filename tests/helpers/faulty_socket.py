"""A bad line between a client and a server: requests pass through it, and WebSockets fail as planned.

What happens to a connection is decided by how many frames have passed, never by the time, so that a seed
repeats itself. It knows nothing of HTTP beyond its heads, and of WebSockets only where frames begin and end.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import urlsplit

_FAREWELL_SECONDS: Final = 5.0
_EVENT: Final = re.compile(rb'"type": ?"ws_event"')
_EXTENSIONS: Final = re.compile(rb"\r\nSec-WebSocket-Extensions:[^\r]*", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
_TEXT, _BINARY, _CLOSE = 1, 2, 8
_GONE: Final = (ConnectionError, asyncio.IncompleteReadError)

GARBAGE: Final[tuple[str | bytes, ...]] = (
    "",
    "ok",
    "{",
    "null",
    "[]",
    "[1, 2]",
    "42",
    '"text"',
    "{}",
    '{"id": null}',
    '{"id": 4711, "event": "order_updated", "payload": {}}',
    '{"id": null, "event": "order_updated", "namespace": "position", "action": "event", "payload": null}',
    '{"id": null, "event": "order_updated", "namespace": "position", "action": "event", "payload": [1]}',
    '{"id": null, "event": {"a": 1}, "namespace": [], "action": 3, "payload": "x", "seq": "7"}',
    '{"id": {"a": []}, "ok": "yes", "type": 5, "event": "pong"}',
    '{"id": null, "type": "ws_event", "event": "what_is_this", "payload": {"account_id": 1}}',
    "\u0000\ufffd{",
    b"",
    b"\x00\xff\xfe binary",
    b'{"id": null}',
)
"""Frames that no server should send, and some do."""


class Kind(StrEnum):
    """What happens to a connection."""

    RESET = "the connection is reset"
    CLOSE = "the connection is closed with a code"
    HALF_OPEN = "nothing arrives any more, either way, and nothing is closed"
    MUTE = "the server's frames are held back for a while"
    MUTE_AND_RESET = "the server's frames are held back, and lost with the connection"
    LATE = "the connection is silent, and its frames arrive when another one is up"
    SLOW = "nothing is read from the server for a while"
    DUPLICATE = "a frame arrives a second time, later"
    GARBAGE = "something arrives that is no frame"
    LOST = "an event does not arrive, and the next one does"


LASTING: Final = frozenset({Kind.HALF_OPEN, Kind.MUTE, Kind.MUTE_AND_RESET, Kind.LATE, Kind.SLOW})
ENDING: Final = frozenset({Kind.RESET, Kind.CLOSE, Kind.HALF_OPEN, Kind.MUTE_AND_RESET, Kind.LATE})
"""After these there is another connection, or none."""


@dataclass(frozen=True)
class Fault:
    """What happens, and when.

    :param kind: what
    :param after: how many of the server's frames have passed on the connection before
    :param length: how long: frames of the client while frames of the server are held back; frames of the
        server until one arrives again; frames on a newer connection until old ones arrive
    :param code: of a close, or the place in `GARBAGE`
    """

    kind: Kind
    after: int
    length: int = 2
    code: int = 1011


Plan = Callable[[int], list[Fault]]
"""What happens to a connection, by its number from 0."""


def no_faults(number: int) -> list[Fault]:
    """Nothing ever happens."""
    return []


def planned(chance: random.Random, kinds: list[Kind], connections: int, most_frames: int) -> Plan:
    """Some faults on each of the first connections, the last of which ends it; then the line is good.

    :param kinds: what may happen
    :param connections: how many of them fail
    :param most_frames: how long each lasts at most, in frames of the server
    """
    ending = [kind for kind in kinds if kind in ENDING]
    passing = [kind for kind in kinds if kind not in ENDING]
    plans = [_plan(chance, ending, passing, most_frames) for _ in range(connections)]
    return lambda number: plans[number] if number < len(plans) else []


def _plan(chance: random.Random, ending: list[Kind], passing: list[Kind], most_frames: int) -> list[Fault]:
    last = chance.randint(0, most_frames)
    found = [_fault(chance, chance.choice(ending), last)] if ending else []
    more = range(chance.choice((0, 1, 1, 2, 3)) if passing else 0)
    found += [_fault(chance, chance.choice(passing), chance.randint(0, max(last, 1))) for _ in more]
    return sorted(found, key=lambda fault: fault.after)


def _fault(chance: random.Random, kind: Kind, after: int) -> Fault:
    codes = range(len(GARBAGE)) if kind is Kind.GARBAGE else (1000, 1001, 1008, 1011, 1012, 1013, 4000)
    return Fault(kind, after, chance.randint(1, 4), chance.choice(codes))


class FaultySocket:
    """The line.

    :param target: base URL of the server; it may be another one later
    :param plan: what happens to which connection
    """

    def __init__(self, target: str, plan: Plan = no_faults) -> None:
        self.target = target
        self.plan = plan
        self.good = False
        """While it is, nothing happens, and no frames are counted."""
        self.url = ""
        """Where clients find it."""
        self.fired: Counter[Kind] = Counter()
        """How often what has happened."""
        self.journal: list[str] = []
        self.links: list[Link] = []
        """WebSockets that neither side has left."""
        self.connections = 0
        """How many WebSockets there have been."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take connections on a free port of 127.0.0.1."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Cut everything."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut_all(self) -> None:
        """Reset every WebSocket now."""
        for link in self.links:
            if link.open:
                self.note(link, Kind.RESET)
                link.cut()

    def note(self, link: Link, kind: Kind) -> None:
        """Write down what has happened."""
        self.fired[kind] += 1
        self.journal.append(f"connection {link.number}, frame {link.frames}: {kind}")

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(_Side(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: _Side) -> None:
        """Answer the requests of a connection until one of them makes it a WebSocket."""
        try:
            while not await self._serve_one(client):
                pass
        except (*_GONE, OSError):
            client.reset()  # there is no server, or one of them has left
        finally:
            await client.close()

    async def _serve_one(self, client: _Side) -> bool:
        """Pass on a request and its answer; whether it was the last."""
        asked = await _read_message(client.reader)
        url = urlsplit(self.target)
        server = _Side(*await asyncio.open_connection(url.hostname, url.port))
        try:
            server.writer.write(_EXTENSIONS.sub(b"", asked))
            answer = await _read_message(server.reader)
            client.writer.write(answer)
            await client.writer.drain()
            if not answer.startswith(b"HTTP/1.1 101 "):
                return False
            link = Link(self, self.connections, client, server, [*self.plan(self.connections)])
            self.connections += 1
            self.links.append(link)
            try:
                await link.run()
            finally:
                self.links.remove(link)
            return True
        finally:
            await server.close()


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer, with its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head if length is None else head + await reader.readexactly(int(length[1]))


class _Side(NamedTuple):
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        """End it as a machine does that knows nothing of it."""
        transport = self.writer.transport
        if not transport.is_closing():
            endpoint = transport.get_extra_info("socket")
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

    def write(self, frame: Frame) -> None:
        """Send a frame, unless the other side has left."""
        if not self.writer.transport.is_closing():
            self.writer.write(frame.raw)

    async def close(self) -> None:
        """Say goodbye."""
        self.writer.close()
        with suppress(*_GONE):
            await self.writer.wait_closed()


async def _until_one_ends(*passing: Coroutine[None, None, None]) -> None:
    tasks = [asyncio.ensure_future(each) for each in passing]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, _GONE):
            raise result


class Frame(NamedTuple):
    """A frame, as it is on the line.

    :param payload: readable of a server's frames only; those of a client are masked
    """

    opcode: int
    raw: bytes
    payload: bytes

    @property
    def has_data(self) -> bool:
        """Whether it is none of the protocol's own."""
        return self.opcode < _CLOSE


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Read one whole frame.

    :raises IncompleteReadError: there is none any more
    """
    head = await reader.readexactly(2)
    length = head[1] & 0x7F
    more = await reader.readexactly({126: 2, 127: 8}.get(length, 0))
    if more:
        length = int.from_bytes(more)
    mask = await reader.readexactly(4 if head[1] & 0x80 else 0)
    payload = await reader.readexactly(length)
    return Frame(head[0] & 0x0F, head + more + mask + payload, payload)


def frame_of(opcode: int, payload: bytes) -> Frame:
    """A frame as a server sends it."""
    if len(payload) < 126:
        head = bytes((0x80 | opcode, len(payload)))
    else:
        head = bytes((0x80 | opcode, 127)) + len(payload).to_bytes(8)
    return Frame(opcode, head + payload, payload)


@dataclass
class Link:
    """One WebSocket of a client, and the one to the server that belongs to it."""

    line: FaultySocket
    number: int
    client: _Side
    server: _Side
    _faults: list[Fault]
    frames: int = 0
    """Frames with data that the server has sent so far, and that were not held back."""
    open: bool = True
    _lasting: Fault | None = None
    _left: int = 0
    _held: list[Frame] = field(default_factory=list)
    _again: list[tuple[int, Frame]] = field(default_factory=list)
    _losing: int = 0
    _closing: bool = False
    _free: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Pass frames on until a side ends it."""
        self._free.set()
        self._begin_due()
        await _until_one_ends(self._down(), self._up())
        self.open = False

    def cut(self) -> None:
        """Reset it on both sides."""
        self.open = False
        self.client.reset()
        self.server.reset()

    # -- to the server

    async def _up(self) -> None:
        """Pass on what the client sends; ends when the client has left."""
        while True:
            frame = await read_frame(self.client.reader)
            if self._lasting is None:
                if not self._closing:
                    self.server.write(frame)
                elif frame.opcode == _CLOSE:
                    return
            elif self._lasting.kind in (Kind.MUTE, Kind.MUTE_AND_RESET, Kind.SLOW):
                self.server.write(frame)
                self._left -= 1
                if self._left <= 0:
                    self._waited(self._lasting.kind)

    def _waited(self, kind: Kind) -> None:
        """The client has sent as much as it was to send meanwhile."""
        if kind is Kind.MUTE_AND_RESET:
            self.cut()
        elif kind is Kind.SLOW:
            self._lasting = None
            self._free.set()
        else:
            self._release()

    def _release(self) -> None:
        """Let the frames that were held back arrive."""
        self._lasting = None
        held, self._held = self._held, []
        for frame in held:
            self._pass(frame)

    # -- to the client

    async def _down(self) -> None:
        """Pass on what the server sends; ends when it has left, and the client may know."""
        try:
            while not self._closing:
                await self._free.wait()
                self._pass(await read_frame(self.server.reader))
                await self.client.writer.drain()
        except _GONE:
            if self._lasting is not None:
                await asyncio.Event().wait()  # the client is not told
            raise
        await asyncio.sleep(_FAREWELL_SECONDS)

    def _pass(self, frame: Frame) -> None:
        if self._lasting is not None and self._lasting.kind is not Kind.SLOW:
            self._held.append(frame)
        elif not frame.has_data:
            self._send(frame)
        else:
            self._deliver(frame)

    def _send(self, frame: Frame) -> None:
        if self.open:
            self.client.write(frame)

    def _deliver(self, frame: Frame) -> None:
        self.frames += not self.line.good
        if self._losing and _EVENT.search(frame.payload):
            self._losing -= 1
        else:
            self._send(frame)
        for due, again in [*self._again]:
            if due <= self.frames:
                self._again.remove((due, again))
                self._send(again)
        for other in self.line.links:
            if other.number < self.number:
                other.hear_of_newer()
        self._begin_due(frame)

    def hear_of_newer(self) -> None:
        """A newer connection has passed on a frame."""
        if self.open and self._lasting is not None and self._lasting.kind is Kind.LATE:
            self._left -= 1
            if self._left == 0:
                self._release()
                self.open = False
                self.client.writer.close()

    def _begin_due(self, frame: Frame | None = None) -> None:
        if self.line.good:
            return
        for fault in [*self._faults]:
            if fault.after > self.frames or not self.open:
                continue
            self._faults.remove(fault)
            if not (self._lasting is not None and fault.kind in LASTING):
                self.line.note(self, fault.kind)
                self._begin(fault, frame)

    def _begin(self, fault: Fault, frame: Frame | None) -> None:
        if fault.kind in LASTING:
            self._lasting, self._left = fault, fault.length
            if fault.kind is Kind.SLOW:
                self._free.clear()
        elif fault.kind is Kind.RESET:
            self.cut()
        elif fault.kind is Kind.CLOSE:
            self._send(frame_of(_CLOSE, fault.code.to_bytes(2) + b"so it was planned"))
            self.open, self._closing = False, True
        elif fault.kind is Kind.GARBAGE:
            garbage = GARBAGE[fault.code % len(GARBAGE)]
            is_text = isinstance(garbage, str)
            payload = garbage.encode() if isinstance(garbage, str) else garbage
            self._send(frame_of(_TEXT if is_text else _BINARY, payload))
        elif fault.kind is Kind.LOST:
            self._losing += 1
        elif fault.kind is Kind.DUPLICATE and frame is not None:
            self._again.append((self.frames + fault.length, frame))
