"""Commands that are answered without aiohttp's stack: as aiohttp answers them, whatever else comes."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.server import create_app
from ccxt_driver.oms.server.command_connections import CommandRunner, Heads, waits
from ccxt_driver.oms.server.limits import Limits
from ccxt_driver.oms.server.running import make_runner

_KEY = b"@KEY@"
_Made = TypeVar("_Made")


def order(number: int = 1) -> bytes:
    """The body of a command."""
    payload = {
        "symbol": "BTC/USDT",
        "side": "buy",
        "order_type": "limit",
        "qty": "0.01",
        "price": "1000",
        "client_order_id": f"n{number}",
    }
    return json.dumps({"account_id": 1, "command": "send_order", "payload": payload}).encode()


def request(body: bytes = b"", *lines: str, line: str = "POST /oms/commands HTTP/1.1") -> bytes:
    """A request as clients write it."""
    fields = [line, "Host: oms", f"x-api-key: {_KEY.decode()}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*fields, "", ""]).encode() + body


HEALTH = request(line="GET /healthz HTTP/1.1")
METRICS = request(line="GET /metrics HTTP/1.1")
OPEN = request(line="GET /oms/orders/open?account_ids=1 HTTP/1.1")


class Answered(NamedTuple):
    """What a client reads."""

    status: int
    fields: dict[str, str]
    body: Any


class Wire(asyncio.Transport):
    """A connection in memory, as far as a server uses one.

    :param key: stands in the place of `_KEY` in what is given
    """

    def __init__(self, protocol: asyncio.Protocol, key: str) -> None:
        super().__init__({"peername": ("192.0.2.1", 5)})
        self.protocol: Any = protocol
        self._key = key.encode()
        self.written = bytearray()
        self.paused = False
        self.closed = False
        protocol.connection_made(self)

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written += data

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def pause_reading(self) -> None:
        assert not self.paused
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def give(self, data: bytes) -> None:
        """Something has come from the client."""
        if not self.closed:
            self.protocol.data_received(data.replace(_KEY, self._key))

    async def quiet(self) -> list[Answered]:
        """Wait until the server has done what it can; all whole answers so far."""
        before, turns = -1, 0
        while turns < 20:
            await asyncio.sleep(0)
            turns = turns + 1 if len(self.written) == before else 0
            before = len(self.written)
        return self.answers()

    async def ask(self, data: bytes) -> Answered:
        """The answer to one request."""
        before = len(self.answers())
        self.give(data)
        [found] = (await self.quiet())[before:]
        return found

    def answers(self) -> list[Answered]:
        """All whole answers so far."""
        found, rest = [], bytes(self.written)
        while b"\r\n\r\n" in rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            line, *lines = head.decode().split("\r\n")
            fields = {name.lower(): value for name, value in (each.split(": ", 1) for each in lines)}
            length = int(fields["content-length"])
            text, rest = rest[:length], rest[length:]
            body = json.loads(text) if fields["content-type"] == "application/json" else text
            found.append(Answered(int(line.split()[1]), fields, body))
        return found


class Server:
    """An OMS whose connections are in memory.

    :param quick: whether commands are answered without aiohttp
    """

    def __init__(self, oms: EmbeddedOms, runner: web.AppRunner, key: str) -> None:
        self.oms = oms
        self.runner = runner
        self.key = key
        self.by_aiohttp = 0
        """Requests that aiohttp has answered; commands among them."""

    def connect(self) -> Wire:
        """A client comes."""
        make: Any = self.runner.server
        return Wire(make(), self.key)


def play(
    test: Callable[[Server], Awaitable[_Made]],
    *,
    quick: bool = True,
    limits: Limits | None = None,
    db: Path | None = None,
) -> _Made:
    """Run a test with a server.

    :param quick: whether commands are answered without aiohttp's stack
    """

    async def run() -> _Made:
        with EmbeddedOms(clock="manual", db=db) as oms:
            _, key = oms.keys.create()
            app = create_app(oms, limits)
            runner = make_runner(app, 0.5) if quick else web.AppRunner(app, access_log=None)
            assert isinstance(runner, CommandRunner) is quick
            server = Server(oms, runner, key)

            async def count(request: web.Request, response: web.StreamResponse) -> None:
                server.by_aiohttp += request.path == "/oms/commands"

            app.on_response_prepare.append(count)
            await runner.setup()
            try:
                return await test(server)
            finally:
                await runner.cleanup()

    return asyncio.run(run())


# -- what is recognized -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, is_commands, size_of_body",
    [
        (request(b"{}"), True, 2),
        (request(b"{}", "X-Request-ID: mine", "Connection: Keep-Alive", "accept-encoding: gzip"), True, 2),
        (request(b"{}", line="POST /oms/commands?parallel=true HTTP/1.1"), False, 2),
        (request(b"{}", line="POST /ccxt/1/fetch_ticker HTTP/1.1"), False, 2),
        (request(line="GET /oms/commands HTTP/1.1"), False, 0),
        (b"POST /oms/commands HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", False, 2),
    ],
)
def test_a_plain_request_is_recognized(data: bytes, is_commands: bool, size_of_body: int) -> None:
    heads, size = Heads(), len(data) - size_of_body
    for _ in range(2):
        head = heads.read(data)
        assert head is not None
        assert (head.is_commands, head.length, head.size) == (is_commands, size_of_body, size)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        request(b"{}")[:-20],
        b"POST /oms/commands HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",  # no Host
        request(b"{}", line="POST /oms/commands HTTP/1.0"),
        request(b"{}", line="POST  /oms/commands HTTP/1.1"),
        request(b"{}", line="post /oms/commands HTTP/1.1"),
        request(b"{}", line="POST http://oms/oms/commands HTTP/1.1"),
        request(b"{}", "Content-Length: 2"),
        request(b"{}", "Content-Length: 3"),
        request(b"{}", "x-api-key: another"),
        request(b"{}", "Transfer-Encoding: chunked"),
        request(b"{}", "transfer-encoding : chunked"),
        request(b"{}", "Content-Encoding: gzip"),
        request(b"{}", "Expect: 100-continue"),
        request(b"{}", "Connection: close"),
        request(b"{}", "Connection: Upgrade", "Upgrade: websocket"),
        request(b"{}", " folded: value"),
        request(b"{}", "\tfolded"),
        request(b"{}", "no colon"),
        request(b"{}", ": no name"),
        request(b"{}", "X-Null: \x00"),
        request(b"{}", "X-Bare: a\rb"),
        request(b"{}", "X-Bare: a\nb"),
        request(b"{}", "X-Text: é"),
        request(b"{}", "X-Long: " + "a" * 5000),
        request(b"{}").replace(b"Content-Length: 2", b"Content-Length: +2"),
        request(b"{}").replace(b"Content-Length: 2", b"Content-Length: -2"),
        request(b"{}").replace(b"Content-Length: 2", b"Content-Length: 2, 2"),
        request(b"{}").replace(b"Content-Length: 2", b"Content-Length: "),
        request(b"{}").replace(b"Content-Length: 2", b"Content-Length: 99999999999"),
        request(b"{}").replace(b"\r\n", b"\n"),
    ],
)
def test_what_may_mean_more_is_left_to_aiohttp(data: bytes) -> None:
    assert Heads().read(data) is None


def test_heads_are_not_remembered_without_end() -> None:
    heads = Heads()
    for number in range(3000):
        head = heads.read(request(b"{}", f"X-Request-ID: {number}"))
        assert head is not None
        assert head.request_id == str(number)
    assert len(heads._known) <= 1024


# -- as aiohttp answers -----------------------------------------------------------------------------

_STREAMS = st.lists(
    st.one_of(
        st.builds(lambda number: request(order(number)), st.integers(1, 9)),
        st.builds(
            lambda number, more: request(order(number), *more),
            st.integers(1, 9),
            st.lists(
                st.sampled_from(
                    ["X-Request-ID: mine", "X-Request-ID: a b", "Accept: */*", "Connection: keep-alive"]
                ),
                unique=True,
            ),
        ),
        st.sampled_from(
            [
                HEALTH,
                OPEN,
                request(),
                request(b"{"),
                request(b"[]"),
                request(b"\xff"),
                request(b'{"account_id":1}'),
                request(b'{"account_id":1,"command":"no_such","payload":{}}'),
                request(b"x" * 3000),
                request(order()).replace(_KEY, b"no key"),
                request(order(), line="POST /oms/commands?parallel=maybe HTTP/1.1"),
                request(order(), line="POST /position/commands HTTP/1.1"),
                request(order(), line="POST /nowhere HTTP/1.1"),
                request(line="GET /oms/commands HTTP/1.1"),
                request(order(8), "Connection: close"),
                b"POST /oms/commands HTTP/1.1\r\nHost: oms\r\nx-api-key: @KEY@\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(order(9)), order(9)),
                b"NONSENSE\r\n\r\n",
            ]
        ),
    ),
    min_size=1,
    max_size=6,
)


@given(_STREAMS, st.lists(st.integers(0, 2500), max_size=6), st.booleans())
def test_whatever_comes_is_answered_as_by_aiohttp_alone(
    requests: list[bytes], cuts: list[int], one_after_the_other: bool
) -> None:
    async def test(server: Server) -> list[Any]:
        wire = server.connect()
        whole = b"".join(requests)
        if one_after_the_other:
            chunks = requests
        else:
            at = sorted({0, *(cut for cut in cuts if cut < len(whole)), len(whole)})
            chunks = [whole[start:end] for start, end in pairwise(at)]
        for chunk in chunks:
            wire.give(chunk)
            if one_after_the_other:
                await wire.quiet()
        found = [_compared(each) for each in await wire.quiet()]
        rows = server.oms.handle("orders_open", {}, {"account_ids": "1"}, None).body["items"]
        return [found, wire.closed, [_compared_row(row) for row in rows]]

    limits = Limits(largest_body=2000)
    assert play(test, limits=limits) == play(test, quick=False, limits=limits)


def _compared(found: Answered) -> Any:
    """What does not differ from run to run."""
    fields = {name: value for name, value in found.fields.items() if name != "date"}
    body = found.body
    named = fields.get("x-request-id", "")
    if len(named) == 32:  # given by the server
        fields["x-request-id"] = ""
        body["detail"]["request_id"] = ""
    return found.status, sorted(fields), fields.get("content-type"), body


def _compared_row(row: Any) -> Any:
    return row["id"], row["client_order_id"], row["status"]


def test_commands_do_not_go_through_aiohttp() -> None:
    async def test(server: Server) -> None:
        wire = server.connect()
        await wire.quiet()  # on Python 3.11 aiohttp's own task begins in the next turn only
        for number in range(1, 4):
            found = await wire.ask(request(order(number), f"X-Request-ID: r{number}"))
            assert found.status == 200
            assert found.fields["x-request-id"] == f"r{number}"
            assert found.fields["content-type"] == "application/json"
            assert found.fields["date"].endswith("GMT")
            assert found.body["results"][0]["order_id"] == number
            assert (await wire.ask(HEALTH)).status == 200
            found = await wire.ask(OPEN)
            assert len(found.body["items"]) == number
        assert server.by_aiohttp == 0
        assert (await wire.ask(request(order(4), line="POST /position/commands HTTP/1.1"))).status == 200
        assert (await wire.ask(request(order(5)))).status == 200
        assert server.by_aiohttp == 0
        wire.give(request(order(6))[:-3])
        await wire.quiet()
        wire.give(request(order(6))[-3:])
        await wire.quiet()
        assert server.by_aiohttp == 1
        assert (await wire.ask(request(order(7)))).status == 200
        assert server.by_aiohttp == 1

    play(test)


@pytest.mark.parametrize(
    "data, status, code",
    [
        (request(order()).replace(_KEY, b"no key"), 401, "invalid_api_key"),
        (request(b"{"), 422, "validation_error"),
        (request(b"[" * 2000 + b"]" * 2000), 422, "validation_error"),
        (request(b" " * 5001), 413, "validation_error"),
    ],
)
def test_what_is_refused_is_refused_by_aiohttp_and_the_next_one_is_answered(
    data: bytes, status: int, code: str
) -> None:
    async def test(server: Server) -> None:
        wire = server.connect()
        found = await wire.ask(data)
        assert (found.status, found.body["detail"]["code"]) == (status, code)
        if not wire.closed:
            assert (await wire.ask(request(order()))).status == 200

    play(test, limits=Limits(largest_body=5000))


def test_who_asks_too_often_is_told_so() -> None:
    async def test(server: Server) -> None:
        wire = server.connect()
        found = [await wire.ask(request(order(number))) for number in range(1, 5)]
        assert [each.status for each in found] == [200, 200, 429, 429]
        assert found[2].fields["retry-after"] == "100"

    play(test, limits=Limits(requests_per_second=0.01, burst=2))


def test_what_comes_meanwhile_waits_for_its_turn(tmp_path: Path) -> None:
    """On a file those that come in one turn are written together, and their clients may send more by then."""

    async def test(server: Server) -> None:
        wires = [server.connect() for _ in range(3)]
        for wire in wires:
            await wire.quiet()
        for number, wire in enumerate(wires, 1):
            wire.give(request(order(number)))
        assert [len(wire.answers()) for wire in wires] == [1, 0, 0]
        wires[1].give(HEALTH[:20])
        wires[1].give(HEALTH[20:] + request(order(4)))
        assert wires[1].paused
        wires[2].close()
        found = await wires[1].quiet()
        assert not wires[1].paused
        assert [each.status for each in found] == [200, 200, 200]
        assert [each.body["results"][0]["order_id"] for each in (found[0], found[2])] == [2, 4]
        assert len(server.oms.handle("orders_open", {}, {"account_ids": "1"}, None).body["items"]) == 4

    play(test, db=tmp_path / "oms.sqlite")


def test_a_fault_of_ours_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(server: Server) -> None:
        def fail(requests: Any) -> Any:
            raise ArithmeticError("lost count")

        monkeypatch.setattr(server.oms, "run_together", fail)
        wires = [server.connect(), server.connect()]
        for wire in wires:
            await wire.quiet()
        for wire in wires:  # the one at once, the other in a group
            wire.give(request(order(), "X-Request-ID: mine"))
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        for wire in wires:
            [found] = await wire.quiet()
            assert found.status == 500
            assert found.body["detail"]["request_id"] == "mine"
            assert found.body["detail"]["code"] == "internal_error"
        assert caplog.text.count("POST /oms/commands failed (request mine)") == 2
        assert "lost count" in caplog.text
        monkeypatch.undo()
        assert (await wires[0].ask(request(order()))).status == 200

    play(test, db=tmp_path / "oms.sqlite")


def test_keys_that_cannot_be_read_are_a_fault_of_ours_and_keep_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(server: Server) -> None:
        def fail(secret: str) -> Any:
            raise sqlite3.OperationalError("disk I/O error")

        wire = server.connect()
        await wire.quiet()
        monkeypatch.setattr(server.oms.keys, "principal", fail)
        found = await wire.ask(request(order(), "X-Request-ID: mine"))
        assert found.status == 500
        assert found.body["detail"]["code"] == "internal_error"
        assert caplog.text.count("POST /oms/commands failed (request mine)") == 1
        monkeypatch.undo()
        assert (await wire.ask(request(order()))).status == 200
        assert not wire.paused
        await asyncio.wait_for(server.runner.cleanup(), 5)

    play(test)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_who_leaves_before_all_has_come_is_no_fault_of_ours(
    turns: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Before Python 3.12 aiohttp lets a turn of the loop pass until it looks at a request."""

    async def test(server: Server) -> None:
        wire = server.connect()
        await wire.quiet()
        wire.give(request(order())[:-3])
        for _ in range(turns):
            await asyncio.sleep(0)
        wire.protocol.connection_lost(None)
        assert await wire.quiet() == []
        assert b'status="500"' not in (await server.connect().ask(METRICS)).body

    play(test)
    assert caplog.text == ""


def test_who_has_asked_is_answered_before_the_server_ends(tmp_path: Path) -> None:
    async def test(server: Server) -> None:
        wires = [server.connect() for _ in range(600)]
        for wire in wires:
            await wire.quiet()
        for number, wire in enumerate(wires):
            wire.give(request(order(number)))
        assert sum(len(wire.answers()) for wire in wires) == 1
        await server.runner.cleanup()
        assert [wire.answers()[0].status for wire in wires] == [200] * 600

    play(test, db=tmp_path / "oms.sqlite")


def test_a_connection_on_which_only_commands_come_is_not_idle() -> None:
    async def test(server: Server) -> None:
        wire = server.connect()
        await wire.quiet()
        assert _ends_idle_ones()  # aiohttp's, for those who never ask
        await wire.ask(request(order()))
        assert not _ends_idle_ones()

    play(test)


def _ends_idle_ones() -> list[Any]:
    timers: list[Any] = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    return [each for each in timers if "keepalive" in repr(each) and not each.cancelled()]


def test_a_client_that_does_not_read_is_left_to_aiohttp() -> None:
    async def test(server: Server) -> None:
        wire = server.connect()
        await wire.quiet()
        wire.protocol.pause_writing()
        wire.give(request(order()))
        await wire.quiet()
        assert server.by_aiohttp == 1
        wire.protocol.resume_writing()
        await wire.quiet()
        await wire.ask(request(order(2)))
        assert server.by_aiohttp == 1

    play(test)


def test_where_aiohttp_cannot_be_asked_it_answers_everything() -> None:
    assert not waits(object())  # type: ignore[arg-type]


@pytest.mark.parametrize("who", ["access log", "middleware"])
def test_where_somebody_wants_to_see_each_request_aiohttp_answers(who: str) -> None:
    @web.middleware
    async def see(request: web.Request, handler: Any) -> web.StreamResponse:
        found: web.StreamResponse = await handler(request)
        return found

    with EmbeddedOms() as oms:
        app = create_app(oms, access_log=who == "access log")
        if who == "middleware":
            app.middlewares.append(see)
        assert not isinstance(make_runner(app), CommandRunner)
