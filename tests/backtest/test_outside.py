"""Answers from outside of the run that coroutines wait for, such as those of a messenger."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from .conftest import Runner

_ANSWER_SECONDS = 0.3
_SCRIPT = """
    import asyncio, json, sys
    import aiohttp
    import ccxt.pro

    async def main():
        exchange = ccxt.pro.binance()
        began = exchange.milliseconds()
        def say(word, *values):
            print(word, json.dumps([exchange.milliseconds() - began, *values]))
        async with aiohttp.ClientSession("http://127.0.0.1:PORT") as session:
            async def ask(path, seconds=60):
                try:
                    async with session.get(path, timeout=aiohttp.ClientTimeout(total=seconds)) as answer:
                        return await answer.text()
                except TimeoutError:
                    return "nothing"
            BODY
        await exchange.close()

    asyncio.run(main())
"""


class _Slow(BaseHTTPRequestHandler):
    """Answers after a while, `/parts` in two parts, and `/never` when the test is over."""

    protocol_version = "HTTP/1.1"
    is_over = Event()

    def do_GET(self) -> None:
        if self.path == "/never":
            self.is_over.wait(60)
        time.sleep(_ANSWER_SECONDS)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"do")
        if self.path == "/parts":
            self.wfile.flush()
            time.sleep(0.03)
        self.wfile.write(b"ne")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *args: object) -> None:
        """Nothing."""


@contextmanager
def _serving(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    _Slow.is_over.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Slow) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # whoever has not waited for it
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        _Slow.is_over.set()
        server.shutdown()


@pytest.fixture
def port() -> Iterator[int]:
    with _serving() as number:
        yield number


def _script(port: int, body: str) -> str:
    return _SCRIPT.replace("PORT", str(port)).replace("BODY", body.replace("\n", "\n" + " " * 12))


def test_time_stands_still_until_an_answer_is_there(run: Runner, hour: Path, port: int) -> None:
    """On a new connection as on one that is there, whole or in parts."""
    body = """
for path in "/", "/", "/parts":
    say("answer", await ask(path))
    await asyncio.sleep(60)
"""
    ran = run(_script(port, body), hour)
    assert ran.said("answer") == [[at, "done"] for at in (0, 60_000, 120_000)], ran.output


def test_it_does_so_however_many_answers_were_there(run: Runner, hour: Path, port: int) -> None:
    body = """
for _ in range(6):
    say("answer", await ask("/"))
    await asyncio.sleep(60)
"""
    ran = run(_script(port, body), hour)
    assert ran.said("answer") == [[60_000 * each, "done"] for each in range(6)], ran.output


def test_an_answer_to_more_than_goes_out_at_once(run: Runner, hour: Path, port: int) -> None:
    body = """
reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
writer.write(b"POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 20000000\\r\\n\\r\\n" + bytes(20_000_000))
say("answer", (await asyncio.wait_for(reader.readline(), 60)).decode().strip())
writer.close()
"""
    ran = run(_script(port, body.replace("PORT", str(port))), hour)
    assert ran.said("answer") == [[0, "HTTP/1.1 200 OK"]], ran.output


def test_other_tasks_do_not_go_on_before_it(run: Runner, hour: Path, port: int) -> None:
    """Neither by their sleeps nor by candles that they wait for."""
    body = """
asking = asyncio.create_task(ask("/"))
await asyncio.sleep(0)
for _ in range(3):
    await exchange.watch_ohlcv("BTC/USDT")
    say("candle", asking.done())
asking = asyncio.create_task(ask("/"))
await asyncio.sleep(1)
say("slept", asking.done())
"""
    ran = run(_script(port, body), hour)
    assert ran.said("candle")[1:] == [[60_000, True], [120_000, True]], ran.output
    assert ran.said("slept") == [[121_000, True]]


def test_who_gets_no_answer_waits_in_the_time_of_the_run(run: Runner, hour: Path, port: int) -> None:
    began = time.monotonic()
    ran = run(_script(port, "for _ in range(9):\n    say('answer', await ask('/never', 300))\n"), hour)
    assert ran.said("answer") == [[each * 300_000, "nothing"] for each in range(1, 10)], ran.output
    assert time.monotonic() - began < 30


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
def test_answers_that_are_encrypted(run: Runner, hour: Path, tmp_path: Path) -> None:
    """The server has sent tickets of the session long before its answer."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with _serving(tls) as number:
        script = _script(number, 'for _ in range(2):\n    say("answer", await ask("/"))')
        script = script.replace('"http://', '"https://').replace(
            "session.get(path,", "session.get(path, ssl=False,"
        )
        ran = run(script, hour)
    assert ran.said("answer") == [[0, "done"], [0, "done"]], ran.output
