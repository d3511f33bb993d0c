"""One connection, on a real socket."""

from __future__ import annotations

import asyncio
import json
import logging
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ccxt
import pytest
from ccxt.async_support.base.ws.client import Client

from ccxt_driver.exchange.streams import client as module
from ccxt_driver.exchange.streams.client import HandshakeRefused, OmsClient
from tests.helpers.deadline import until
from tests.helpers.socket_server import SocketServer, socket_server

pytestmark = [pytest.mark.sockets, pytest.mark.oldest]


class Ends:
    """A server and a client of it."""

    def __init__(self, server: SocketServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.frames: list[Any] = []
        self.lost: list[ccxt.NetworkError] = []
        self.logged: list[Any] = []

    def client(self, url: str | None = None, handle: Any = None, **settings: Any) -> OmsClient:
        loop = asyncio.get_running_loop()
        settings = {"log": lambda *said: self.logged.append(said), "verbose": False} | settings
        return OmsClient(
            url or self.server.url,
            handle or self.frames.append,
            self.lost.append,
            {"asyncio_loop": loop, **settings},
        )

    async def connected(self, **settings: Any) -> OmsClient:
        client = self.client(**settings)
        await client.dial(self.session)
        await until(lambda: self.server.sockets)
        return client


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    async with _ends() as made:
        yield made


@asynccontextmanager
async def _ends() -> AsyncIterator[Ends]:
    async with socket_server() as server, aiohttp.ClientSession() as session:
        yield Ends(server, session)


async def test_frames_go_both_ways_in_order(ends: Ends) -> None:
    client = await ends.connected()
    assert isinstance(client, Client)  # what ccxt's users look at
    for number in range(5):
        await client.send({"id": number, "payload": {"text": "é"}})
    await client.send(json.dumps({"id": 5}))
    await until(lambda: len(ends.frames) == 6)
    assert [frame["id"] for frame in ends.frames] == list(range(6))
    assert ends.frames[0]["payload"] == {"text": "é"}
    await ends.server.push(json.dumps({"id": None, "event": "x"}).encode())
    await until(lambda: len(ends.frames) == 7)
    assert ends.frames[-1] == {"id": None, "event": "x"}
    await client.close()


@pytest.mark.parametrize(
    "status, headers, seconds",
    [
        (401, {}, None),
        (403, {}, None),
        (404, {}, None),
        (429, {"Retry-After": "7"}, 7.0),
        (429, {"Retry-After": "2.5"}, 2.5),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:09 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 9.0),
        (503, {"Retry-After": "soon"}, None),
    ],
)
async def test_a_refused_handshake(
    ends: Ends, status: int, headers: dict[str, str], seconds: float | None
) -> None:
    ends.server.status, ends.server.headers = status, headers
    client = ends.client()
    with pytest.raises(HandshakeRefused, match=f"HTTP {status}") as info:
        await client.dial(ends.session)
    assert (info.value.status, info.value.retry_after) == (status, seconds)
    await client.close()


async def test_nobody_there(ends: Ends) -> None:
    with sockets.socket() as free:
        free.bind(("127.0.0.1", 0))
        client = ends.client(f"ws://127.0.0.1:{free.getsockname()[1]}/ws")
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await client.dial(ends.session)
    await client.close()


async def test_somebody_who_never_answers(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DIAL_SECONDS", 0.05)
    with sockets.create_server(("127.0.0.1", 0)) as mute:
        client = ends.client(f"ws://127.0.0.1:{mute.getsockname()[1]}/ws")
        with pytest.raises(ccxt.RequestTimeout):
            await client.dial(ends.session)
    await client.close()


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1013])
async def test_the_server_closes(ends: Ends, code: int) -> None:
    client = await ends.connected()
    await ends.server.sockets[0].close(code=code, message=b"the reason")
    await until(lambda: ends.lost)
    [error] = ends.lost
    assert error.__dict__["close_code"] == code
    assert "the reason" in str(error)
    with pytest.raises(ccxt.NetworkError):
        await client.send({})
    await client.close()
    assert len(ends.lost) == 1


async def test_the_connection_breaks(ends: Ends) -> None:
    client = await ends.connected()
    transport = ends.server.requests[0].transport
    assert transport is not None
    transport.abort()
    await until(lambda: ends.lost)
    assert type(ends.lost[0]) is ccxt.NetworkError
    await client.close()


@pytest.mark.parametrize("garbage", ["not json", "[1, 2]", "null", '{"id": 1', ""])
async def test_garbage_ends_the_connection_because_nobody_knows_what_it_was(
    ends: Ends, garbage: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await ends.connected()
    await ends.server.push({"id": None, "event": "before"})
    await ends.server.push(garbage)
    await ends.server.push({"id": None, "event": "after"})
    await until(lambda: ends.lost)
    await asyncio.sleep(0.02)
    assert [frame["event"] for frame in ends.frames] == ["before"]
    assert "a frame is no JSON" in str(ends.lost[0])
    assert caplog.records == []
    await client.close()


async def test_a_fault_in_who_is_told_ends_the_connection_and_is_logged(
    ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(frame: Any) -> None:
        raise ZeroDivisionError("a bug")

    client = await ends.connected(handle=fail)
    await ends.server.push({"id": None})
    await until(lambda: ends.lost)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "a frame of" in record.message
    await client.close()


async def test_a_frame_larger_than_ccxt_takes(ends: Ends) -> None:
    client = await ends.connected()
    rows = [{"id": number, "comment": "x" * 1000} for number in range(12_000)]
    await ends.server.push({"id": None, "event": "snapshot_open_orders", "payload": rows})
    await until(lambda: ends.frames or ends.lost)
    assert ends.lost == []
    assert len(ends.frames[0]["payload"]) == 12_000
    await client.close()


async def test_what_is_given_up_is_not_heard(ends: Ends) -> None:
    client = await ends.connected()
    reason = ccxt.NetworkError("enough")
    client.end(reason)
    client.end(ccxt.NetworkError("again"))
    await ends.server.push({"id": None, "event": "late"})
    await asyncio.sleep(0.02)
    assert ends.frames == []
    assert ends.lost == [reason]
    assert not client.isConnected
    await client.close()


async def test_closing_does_not_wait_for_a_peer_that_is_gone(ends: Ends) -> None:
    ends.server.deaf = True
    client = await ends.connected()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await client.close()
    assert loop.time() - began < 1
    assert client.connection.closed
    await client.close()


async def test_verbose_shows_both_ways(ends: Ends) -> None:
    client = await ends.connected(verbose=True)
    await client.send({"id": 1, "payload": "hello"})
    await until(lambda: ends.frames)
    shown = [" ".join(map(str, said)) for said in ends.logged]
    assert len(shown) == 2
    assert all("hello" in each for each in shown)
    await client.close()


async def test_options_of_the_user_reach_the_handshake(ends: Ends) -> None:
    client = await ends.connected(headers={"x-own": "1"})
    assert ends.server.requests[0].headers["x-own"] == "1"
    await client.close()


async def test_who_is_cancelled_while_the_other_side_reads_nothing_takes_nobody_along(ends: Ends) -> None:
    ends.server.deaf = True
    client = await ends.connected()
    sending: list[asyncio.Task[None]] = []
    try:
        while sum(not each.done() for each in sending) < 3:
            sending.append(asyncio.create_task(client.send("x" * 1_000_000)))
            await asyncio.sleep(0.01)
        cancelled, *others = [each for each in sending if not each.done()]
        cancelled.cancel()
        await asyncio.wait(sending, timeout=0.1)
        assert cancelled.cancelled()
        assert not any(each.cancelled() for each in others)
    finally:
        for each in sending:
            each.cancel()
        await asyncio.wait(sending)
        await client.close()
        ends.server.stop()
