"""What every test may rely on: no network beyond loopback, and the Hypothesis profiles."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]
pytest.register_assert_rewrite(
    *("tests.contract.cards", "tests.helpers.contract_desk", "tests.helpers.lagging_desk"),
    *("tests.helpers.strict_structures", "tests.helpers.under_fuzz"),
)

settings.register_profile("dev", deadline=None)
# CI repeats itself: a red run means the change under test, and not the luck of the draw.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", deadline=None, max_examples=5_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


class NetworkUsedInTestError(RuntimeError):
    """A test reached beyond loopback.

    Not an OSError: code under test turns those into ccxt's NetworkError, which a test may expect.
    """


_violations: list[str] = []
_patches = pytest.MonkeyPatch()


def _is_local(host: Any) -> bool:
    if host is None or host in ("", b"", "localhost", b"localhost"):
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse_unless_local(host: Any, what: str) -> None:
    if not _is_local(host):
        message = f"{what} {host!r}: tests use the loopback interface only"
        _violations.append(message)
        raise NetworkUsedInTestError(message)


def _host_of(address: Any) -> Any:
    """Tell the host of a socket address; a Unix socket is a path (or bytes) and always local."""
    return address[0] if isinstance(address, tuple) else None


def pytest_configure() -> None:
    """Guard the sockets for the whole run, collection and imports included."""
    connect, connect_ex, sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto
    getaddrinfo = socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _refuse_unless_local(_host_of(address), "connect to")
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _refuse_unless_local(_host_of(address), "connect to")
        return connect_ex(self, address)

    def guarded_sendto(self: socket.socket, data: Any, *rest: Any) -> int:
        _refuse_unless_local(_host_of(rest[-1]), "send to")
        return sendto(self, data, *rest)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> list[Any]:
        _refuse_unless_local(host, "look up")
        return getaddrinfo(host, *args, **kwargs)

    _patches.setattr(socket.socket, "connect", guarded_connect)
    _patches.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    _patches.setattr(socket.socket, "sendto", guarded_sendto)
    _patches.setattr(socket, "getaddrinfo", guarded_getaddrinfo)


def pytest_unconfigure() -> None:
    """Leave the process as it was: pytest may run inside another program."""
    _patches.undo()


@pytest.fixture(autouse=True)
def no_network() -> Iterator[list[str]]:
    """Fail the test that reached beyond loopback, also when the code under test hid the refusal."""
    _violations.clear()
    yield _violations
    if _violations:
        pytest.fail("; ".join(_violations))


@pytest.fixture(autouse=True)
def no_inherited_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep a developer's own gateway settings and profiles out of the tests."""
    for name in [name for name in os.environ if name.startswith("CCXT_OMS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-configuration"))
