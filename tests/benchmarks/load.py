"""`python -m tests.benchmarks.load URL KEY CONNECTIONS SECONDS`: resting orders as fast as answers come.

Raw sockets, so that the load costs little beside what it measures. Prints one JSON object.
"""

from __future__ import annotations

import json
import selectors
import socket
import statistics
import sys
import time
from urllib.parse import urlsplit

_COMMAND = (
    b'{"account_id":1,"command":"send_order","payload":{"symbol":"BTC/USDT","side":"buy","order_type":"limit",'
    b'"qty":"0.01","price":"%d","client_order_id":"%b-%d"}}'
)
_REQUEST = (
    b"POST %b HTTP/1.1\r\nHost: x\r\nx-api-key: %b\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b"
)


class _Connection:
    """One client: a request, its answer, the next request."""

    def __init__(self, url: str, key: str, path: str, name: str) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        assert address.port is not None
        self.socket = socket.create_connection((address.hostname, address.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = path.encode(), key.encode()
        self._name = name.encode()
        self._sent = 0
        self._answer = b""
        self._asked_at = 0.0

    def ask(self) -> None:
        self._sent += 1
        body = _COMMAND % (40_000 + self._sent % 9_000, self._name, self._sent)
        self._asked_at = time.perf_counter()
        self.socket.sendall(_REQUEST % (*self._head, len(body), body))

    def read(self) -> float | None:
        """Seconds that the answer took; None while it is not whole.

        :raises RuntimeError: the order was refused, or the server is gone
        """
        self._answer += self.socket.recv(65536)
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]):
            return None
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self._answer.decode())
        self._answer = b""
        return time.perf_counter() - self._asked_at


def load(
    url: str, key: str, connections: int, seconds: float, path: str = "/oms/commands"
) -> dict[str, float]:
    """Keep every connection busy for a while.

    :returns: orders a second, and the median and 99th percentile of an answer in µs
    """
    selector = selectors.DefaultSelector()
    name = f"{time.time_ns():x}"
    clients = [_Connection(url, key, path, f"{name}-{number}") for number in range(connections)]
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.ask()
    times: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        for event, _ in selector.select(1):
            client = event.data
            taken = client.read()
            if taken is not None:
                times.append(taken)
                client.ask()
    elapsed = time.perf_counter() - started
    for client in clients:
        client.socket.close()
    return {
        "orders_per_second": len(times) / elapsed,
        "median_us": statistics.median(times) * 1e6,
        "p99_us": statistics.quantiles(times, n=100)[98] * 1e6,
    }


if __name__ == "__main__":
    print(json.dumps(load(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
