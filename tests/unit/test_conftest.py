"""The guards of conftest.py hold: a suite that can reach a venue can trade on it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

OUTSIDE = "192.0.2.1"  # TEST-NET-1: assigned to nobody
CONFTEST = Path(__file__).parents[1] / "conftest.py"


async def _dial(host: str) -> None:
    await asyncio.open_connection(host, 9)


def _send_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (OUTSIDE, 9))


def _connect_ex() -> None:
    with socket.socket() as client:
        client.connect_ex((OUTSIDE, 9))


REACHES_OUT: dict[str, Callable[[], object]] = {
    "create_connection": lambda: socket.create_connection((OUTSIDE, 9), timeout=1),
    "connect_ex": _connect_ex,
    "sendto": _send_datagram,
    "look-up": lambda: socket.getaddrinfo("exchange.example", 443),
    "asyncio, by address": lambda: asyncio.run(_dial(OUTSIDE)),
    "asyncio, by name": lambda: asyncio.run(_dial("exchange.example")),
}


@pytest.mark.parametrize("reach_out", REACHES_OUT.values(), ids=REACHES_OUT.keys())
def test_the_outside_cannot_be_reached(reach_out: Callable[[], object], no_network: list[str]) -> None:
    with pytest.raises(RuntimeError, match="loopback interface only"):
        reach_out()

    assert len(no_network) == 1
    no_network.clear()


def test_loopback_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("localhost", port), timeout=5) as client:
            client.sendall(b"ping")
            peer, _ = server.accept()
            with peer:
                assert peer.recv(4) == b"ping"


def test_a_refusal_that_the_code_hid_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makepyfile(
        f"""
        import socket

        def test_hides_it():
            try:
                socket.create_connection(("{OUTSIDE}", 9))
            except Exception:
                pass

        def test_next():
            pass
        """
    )

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*loopback interface only*"])


def test_gateway_settings_of_the_caller_do_not_reach_the_tests(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCXT_OMS_API_KEY", "a real one")
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makepyfile(
        """
        import os

        def test_environment():
            assert "CCXT_OMS_API_KEY" not in os.environ
        """
    )

    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)

    assert os.environ["CCXT_OMS_API_KEY"] == "a real one"
