"""The bad line does what is planned, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from tests.helpers.faulty_socket import ENDING, Fault, FaultySocket, Kind, planned
from tests.helpers.virtual_loop import run_virtually

EVENT = '{"type":"ws_event","n":%d}'


class Server:
    """Sends as many events as it is asked for, and remembers what it was asked."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.closed: list[int | None] = []
        self.url = ""

    async def ws(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("x-api-key") == "wrong":
            return web.Response(status=401)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            self.heard.append(message.data)
            if message.data == "bye":
                await ws.close(code=4001, message=b"bye")
            elif message.data.isdecimal():
                for number in range(int(message.data)):
                    await ws.send_str(EVENT % number)
        self.closed.append(ws.close_code)
        return ws

    async def rest(self, request: web.Request) -> web.Response:
        body = await request.text()
        return web.json_response(
            {"method": request.method, "path": request.path_qs, "key": request.headers["x-api-key"]}
            | {"body": body},
            status=207,
        )


class Desk:
    def __init__(self, server: Server, line: FaultySocket, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.line = line
        self.session = session
        self.opened: list[aiohttp.ClientWebSocketResponse] = []

    async def connect(self) -> aiohttp.ClientWebSocketResponse:
        ws = await self.session.ws_connect(f"{self.line.url}/ws")
        self.opened.append(ws)
        return ws


async def told(ws: aiohttp.ClientWebSocketResponse, seconds: float = 1.0) -> list[Any]:
    """What arrives within some time; of a closed connection the code at the end."""
    found: list[Any] = []
    while True:
        try:
            message = await ws.receive(timeout=seconds)
        except TimeoutError:
            return found
        if message.type is WSMsgType.TEXT:
            found.append(message.json().get("n", message.data))
        elif message.type is WSMsgType.BINARY:
            found.append(message.data)
        else:
            return [*found, f"closed {ws.close_code}"]


@asynccontextmanager
async def desk_of(*faults: list[Fault]) -> AsyncIterator[Desk]:
    """A line with faults on its first connections."""
    server = Server()
    app = web.Application()
    app.router.add_get("/ws", server.ws)
    app.router.add_post("/oms/commands", server.rest)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    line = FaultySocket(url, lambda number: faults[number] if number < len(faults) else [])
    await line.start()
    async with aiohttp.ClientSession() as session:
        desk = Desk(server, line, session)
        yield desk
        for ws in desk.opened:
            await ws.close()
    await line.stop()
    await runner.cleanup()


def outcome(fault: Fault | None, *sent: str, seconds: float = 1.0) -> list[Any]:
    """What a client is told on a connection with one fault, after all that it sends."""

    async def main() -> list[Any]:
        async with desk_of([fault] if fault else []) as desk:
            ws = await desk.connect()
            for text in sent:
                with suppress(ConnectionError):
                    await ws.send_str(text)
                await asyncio.sleep(0.01)
            return await told(ws, seconds)

    return run_virtually(main())


def test_a_good_line_changes_nothing() -> None:
    assert outcome(None, "4", "bye") == [0, 1, 2, 3, "closed 4001"]


@pytest.mark.parametrize(
    "fault, expected",
    [
        (Fault(Kind.RESET, 2), "closed 1006"),
        (Fault(Kind.CLOSE, 2, code=1013), "closed 1013"),
    ],
)
def test_a_connection_that_ends(fault: Fault, expected: str) -> None:
    # What was sent right before a reset may be lost with it.
    arrived = outcome(fault, "1", "4")
    assert arrived[-1] == expected
    assert arrived[:-1] in ([0], [0, 0])


@pytest.mark.parametrize("kind", [Kind.HALF_OPEN, Kind.LATE])
def test_a_connection_that_is_silent(kind: Kind) -> None:
    assert outcome(Fault(kind, 1), "3", "3", "bye", seconds=100) == [0]


def test_frames_that_are_held_back_arrive_in_order_once_the_client_has_spoken() -> None:
    fault = Fault(Kind.MUTE, 1, length=2)
    assert outcome(fault, "3") == [0]
    assert outcome(fault, "3", "?") == [0]
    assert outcome(fault, "3", "?", "2") == [0, 1, 2, 0, 1]


def test_frames_that_are_held_back_are_lost_with_the_connection() -> None:
    assert outcome(Fault(Kind.MUTE_AND_RESET, 1, length=2), "3", "2", "2", "2") == [0, "closed 1006"]


def test_a_server_that_is_not_read_has_to_wait() -> None:
    fault = Fault(Kind.SLOW, 1, length=2)
    assert outcome(fault, "3", "?") == [0]
    assert outcome(fault, "3", "?", "2") == [0, 1, 2, 0, 1]


def test_a_frame_that_arrives_again() -> None:
    assert outcome(Fault(Kind.DUPLICATE, 2, length=2), "5") == [0, 1, 2, 3, 1, 4]


def test_a_frame_that_does_not_arrive() -> None:
    assert outcome(Fault(Kind.LOST, 2), "5") == [0, 1, 3, 4]


def test_something_that_is_no_frame() -> None:
    assert outcome(Fault(Kind.GARBAGE, 1, code=-1), "2") == [0, b'{"id": null}', 1]


def test_frames_of_an_older_connection_arrive_when_the_newer_is_up() -> None:
    async def main() -> None:
        async with desk_of([Fault(Kind.LATE, 1, length=2)]) as desk:
            old = await desk.connect()
            await old.send_str("3")
            assert await told(old) == [0]
            new = await desk.connect()
            await new.send_str("1")
            assert (await told(new), await told(old)) == ([0], [])
            await new.send_str("1")
            assert (await told(new), await told(old)) == ([0], [1, 2, "closed 1006"])

    run_virtually(main())


def test_the_server_hears_of_the_client_leaving_and_of_a_cut() -> None:
    async def main() -> None:
        async with desk_of() as desk:
            first, second = await desk.connect(), await desk.connect()
            await first.close(code=1000)
            assert first.close_code == 1000
            await asyncio.sleep(1)
            assert len(desk.server.closed) == 1
            desk.line.cut_all()
            assert await told(second) == ["closed 1006"]
            await asyncio.sleep(1)
            assert (len(desk.server.closed), desk.line.links) == (2, [])

    run_virtually(main())


def test_requests_are_passed_on_and_refusals_and_outages_passed_back() -> None:
    async def main() -> None:
        async with desk_of() as desk:
            url, headers = desk.line.url, {"x-api-key": "k"}
            async with desk.session.post(f"{url}/oms/commands?a=1", data="[]", headers=headers) as response:
                assert response.status == 207
                expected = {"method": "POST", "path": "/oms/commands?a=1", "key": "k", "body": "[]"}
                assert await response.json() == expected
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                await desk.session.ws_connect(f"{url}/ws", headers={"x-api-key": "wrong"})
            desk.line.target = "http://127.0.0.1:1"
            with pytest.raises(aiohttp.ClientError):
                await desk.connect()
            async with aiohttp.ClientSession() as new:
                with pytest.raises(aiohttp.ClientError):
                    await new.post(f"{url}/oms/commands", headers=headers)

    run_virtually(main())


def test_a_plan_repeats_itself_and_ends_its_connections() -> None:
    plans = [planned(random.Random(7), [*Kind], 20, 30) for _ in range(2)]
    drawn = [plans[0](number) for number in range(25)]
    assert drawn == [plans[1](number) for number in range(25)]
    assert all(any(fault.kind in ENDING for fault in faults) for faults in drawn[:20])
    assert drawn[20:] == [[]] * 5
