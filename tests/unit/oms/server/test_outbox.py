from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from ccxt_driver.oms.server import outbox as module
from ccxt_driver.oms.server.outbox import MOST_FRAMES, Outbox, SlowConsumer


class Socket:
    """Takes frames as fast as the test lets it: the socket and the wire in one."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.writes = 0
        self.closed: tuple[int, bytes] | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.is_cut = False

    @property
    def is_full(self) -> bool:
        return self.is_cut or not self.open.is_set()

    def write(self, frames: Iterable[str]) -> None:
        self.writes += 1
        self.sent.extend(frames)

    async def room(self) -> None:
        await self.open.wait()
        if self.is_cut:
            raise ConnectionResetError

    async def close(self, *, code: int, message: bytes) -> None:
        self.closed = (code, message)

    def cut(self) -> None:
        self.is_cut = True
        self.open.set()


def make() -> tuple[Socket, Outbox]:
    socket = Socket()
    return socket, Outbox(socket, socket)  # type: ignore[arg-type]


async def test_what_one_turn_brings_leaves_by_one_write() -> None:
    socket, outbox = make()
    for name in "abc":
        outbox.put(name)
    assert socket.sent == []
    await asyncio.sleep(0)
    assert socket.sent == ["a", "b", "c"]
    assert socket.writes == 1


async def test_what_the_other_side_does_not_read_waits() -> None:
    socket, outbox = make()
    running = asyncio.create_task(outbox.run())
    socket.open.clear()
    outbox.put("a")
    await asyncio.sleep(0)
    outbox.put("b")
    assert socket.sent == []
    socket.open.set()
    outbox.close(None, 1000, "")
    await running
    assert socket.sent == ["a", "b"]


async def test_frames_leave_in_order_and_the_farewell_is_last() -> None:
    socket, outbox = make()
    running = asyncio.create_task(outbox.run())
    for name in "abc":
        outbox.put(name)
    outbox.close("bye", 1001, "going away")
    outbox.put("too late")
    outbox.close("other", 1000, "")
    await running
    await outbox.goodbye()
    assert socket.sent == ["a", "b", "c", "bye"]
    assert socket.closed == (1001, b"going away")
    assert not socket.is_cut


async def test_what_has_no_room_is_refused_and_not_dropped() -> None:
    socket, outbox = make()
    for number in range(MOST_FRAMES):
        outbox.put(str(number))
    with pytest.raises(SlowConsumer):
        outbox.put("one too many")
    running = asyncio.create_task(outbox.run())
    outbox.close(None, 1000, "")
    await running
    assert socket.sent == [str(number) for number in range(MOST_FRAMES)]


async def test_characters_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHARACTERS", 10)
    _, outbox = make()
    outbox.put("x" * 11)
    with pytest.raises(SlowConsumer):
        outbox.put("y")


async def test_a_side_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.01)
    socket, outbox = make()
    socket.open.clear()
    outbox.put("stuck")
    running = asyncio.create_task(outbox.run())
    await asyncio.sleep(0)
    outbox.close("slow", 1013, "slow consumer", discard=True)
    await running
    assert socket.is_cut
    assert socket.sent == []


async def test_those_who_wait_for_room_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    socket, outbox = make()
    await outbox.room()
    socket.open.clear()
    for _ in range(MOST_FRAMES):
        outbox.put("x")
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    running = asyncio.create_task(outbox.run())
    socket.open.set()
    await waiting
    outbox.close(None, 1000, "")
    await running
    assert len(socket.sent) == MOST_FRAMES


async def test_those_who_wait_for_room_do_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.01)
    socket, outbox = make()
    socket.open.clear()
    for _ in range(MOST_FRAMES):
        outbox.put("x")
    with pytest.raises(SlowConsumer):
        await outbox.room()


async def test_a_lost_connection_ends_it() -> None:
    socket, outbox = make()
    socket.is_cut = True
    outbox.put("x")
    await outbox.run()
    assert outbox.closing
    outbox.put("nowhere")


async def test_room_is_not_waited_for_when_it_closes() -> None:
    socket, outbox = make()
    socket.open.clear()
    for _ in range(MOST_FRAMES):
        outbox.put("x")
    waiting: asyncio.Task[Any] = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    outbox.close(None, 1000, "", discard=True)
    await waiting
