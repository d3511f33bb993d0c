"""`ccxt-driver serve`."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ccxt_driver.oms import EmbeddedOms


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 lets the system choose one.",
)
@click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    help="SQLite file that keeps the state; without it all is gone at the end.",
)
@click.option("--new-key", is_flag=True, help="Make another API key and print it.")
@click.option("--seed", default=0, show_default=True, help="Of the synthetic market, for a new OMS.")
def serve(host: str, port: int, db: Path | None, new_key: bool, seed: int) -> None:
    """Serve the embedded OMS (paper trading) over HTTP and WebSocket.

    Prints base_url, account_id and api_key lines and then "ready" to standard output; logs go to
    standard error. Stop it with Ctrl-C or SIGTERM.
    """
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if not _is_loopback(host):
        click.echo(
            f"warning: {host} can be reached from other machines, and there is no TLS: keys and orders "
            "travel in the clear. Put a proxy that speaks TLS in front, or use --host 127.0.0.1.",
            err=True,
        )
    with _told(host, port):
        _refuse_taken(host, port)  # first, so that no file is made for a server that cannot start
    oms = _open(db, seed)
    try:
        with _told(host, port):
            _run(oms, host, port, new_key)
    finally:
        oms.close()


def _open(db: Path | None, seed: int) -> EmbeddedOms:
    from ccxt_driver.oms import EmbeddedOms
    from ccxt_driver.oms.store import StoreError

    try:
        return EmbeddedOms(seed=seed, db=None if db is None else str(db))
    except (StoreError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _run(oms: EmbeddedOms, host: str, port: int, new_key: bool) -> None:
    from ccxt_driver.oms.server.running import serve as serve_until_stopped

    def ready(base_url: str) -> None:
        # The key is made now, and not before: one that nobody has seen is of no use.
        for line in (f"base_url={base_url}", *_account_lines(oms), *_key_lines(oms, new_key), "ready"):
            click.echo(line)
        sys.stdout.flush()

    asyncio.run(serve_until_stopped(oms, host, port, ready))


@contextmanager
def _told(host: str, port: int) -> Iterator[None]:
    """Say in plain words why the address cannot be had."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} of {host} is in use; choose another one with --port, or --port 0"
        else:
            message = f"{host}:{port}: {error.strerror or error}"
        raise click.ClickException(message) from error


def _refuse_taken(host: str, port: int) -> None:
    """Try the address for a moment.

    :raises OSError: it is taken, or none of those that the name stands for can be had
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    problems: list[OSError] = []
    for family, _, _, _, address in found:
        try:
            _try_to_bind(family, address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
            problems.append(error)  # a machine without IPv6 has no ::1, and serves on 127.0.0.1 alone
    if len(problems) == len(found):
        raise problems[0]


def _try_to_bind(family: socket.AddressFamily, address: tuple[Any, ...]) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":  # as asyncio does: what is left of a server that has gone is no matter
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind(address)


def _account_lines(oms: EmbeddedOms) -> list[str]:
    accounts = oms.handle("accounts", {}, {}, None).body["items"]
    return [f"account_id={account['account_id']}" for account in accounts]


def _key_lines(oms: EmbeddedOms, new_key: bool) -> list[str]:
    keys = oms.keys.list()
    if new_key or not keys:
        _, secret = oms.keys.create(label="made by serve")
        return [f"api_key={secret}"]
    enabled = [key for key in keys if key.disabled_at is None]
    if not enabled:
        click.echo("warning: every API key is disabled; make one with --new-key", err=True)
    return [f"api_key_id={key.id}" for key in enabled]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
