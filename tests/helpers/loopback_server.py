"""A stubbed gateway behind a real socket on the loopback interface, which can fail as networks do."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum

from .gateway_stub import Gateway


class Failure(Exception):
    """An answer of the table: the request was read, and then this happens."""

    def __init__(self, how: Fault) -> None:
        super().__init__(how)
        self.how = how


class Fault(Enum):
    """How a connection fails after the request has arrived."""

    CLOSE = "closed without an answer"
    RESET = "reset"
    SILENCE = "no answer until the client gives up"
    HALF_ANSWER = "closed in the middle of the body"
    NOT_HTTP = "an answer that is no HTTP"


class LoopbackServer:
    """Serves a `Gateway` over HTTP/1.1 with keep-alive, a thread for each connection."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.connections = 0
        self.close_after_answer = False
        self.close_after_failure = False
        self.idle_seconds: float | None = None
        """After so long without a request a connection is closed; None never."""
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close everything; from now on connections are refused."""
        if self._thread.is_alive():
            self._listener.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            self._listener.close()
        self.close_idle()

    def close_idle(self) -> None:
        """Close the connections that clients keep open."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):  # closed already
                    connection.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # stopped
                return
            with self._lock:
                self.connections += 1
                self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(self.idle_seconds)
            with connection, connection.makefile("rb") as reader:
                while self._answer_one(connection, reader):
                    pass
        except OSError:  # the client or the test closed it
            return

    def _answer_one(self, connection: socket.socket, reader) -> bool:  # type: ignore[no-untyped-def]
        line = reader.readline().decode()
        if not line:
            return False
        method, target, _ = line.split()
        headers = {}
        while (header := reader.readline().decode().rstrip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        text = reader.read(int(headers.get("content-length", 0)))
        try:
            with self._lock:
                url = self.url + target if target.startswith("/") else target  # whole: we are a proxy
                status, body, more = self.gateway.answer(method, url, headers, text)
        except Failure as failure:
            return self._fail(connection, failure.how)
        except AssertionError as unexpected:
            status, body, more = 599, str(unexpected), {}
        data = gzip.compress(body.encode()) if "Content-Encoding" in more else body.encode()
        lines = [
            f"HTTP/1.1 {status} Reason",
            f"Content-Length: {len(data)}",
            "Content-Type: application/json",
        ]
        lines += [f"{name}: {value}" for name, value in more.items()]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        if self.close_after_answer or (self.close_after_failure and status >= 500):
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            return False
        return True

    def _fail(self, connection: socket.socket, how: Fault) -> bool:
        if how is Fault.SILENCE:
            return True
        if how is Fault.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how is Fault.HALF_ANSWER:
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"results": [')
            connection.shutdown(socket.SHUT_RDWR)
        elif how is Fault.NOT_HTTP:
            connection.sendall(b"220 mail.example ESMTP\r\n\r\n")
            connection.shutdown(socket.SHUT_RDWR)
        elif how is Fault.CLOSE:
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        return False


@contextmanager
def serving(gateway: Gateway) -> Iterator[LoopbackServer]:
    """Serve a gateway while the block runs."""
    server = LoopbackServer(gateway)
    try:
        yield server
    finally:
        server.stop()
