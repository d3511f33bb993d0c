"""`ccxt-driver serve`."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ccxt_driver.oms import EmbeddedOms
    from ccxt_driver.oms.market.feed import Recording
    from ccxt_driver.oms.server.config import Config, ConfiguredKey
    from ccxt_driver.oms.server.limits import Limits


def _read_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> Config | None:
    """Let the options of a file stand where the command line gives none."""
    from ccxt_driver.oms.server.config import read

    if path is None:
        return None
    try:
        config = read(path)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    ctx.default_map = config.options
    return config


def _runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """What runs the server: the quicker event loop where it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run
    return uvloop.run


@click.command()
@click.option(
    "--config",
    is_eager=True,
    callback=_read_config,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with accounts, keys, fees, limits, models, the feed and these options; an option given "
    "here beats it.",
)
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
@click.option(
    "--feed", help="live:ID follows a ccxt exchange, files:FOLDER plays a record. Default: synthetic prices."
)
@click.option("--symbols", help="Of --feed live, separated by commas.")
@click.option(
    "--tls-cert",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM file with the certificate and its chain: speak TLS.",
)
@click.option(
    "--tls-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM file with its private key; not needed when it is in the file of --tls-cert.",
)
@click.option("--rate-limit", type=float, help="Requests a second of one key. Default: any number.")
@click.option(
    "--rate-burst", type=int, help="Requests of one key at once after a pause. Default: those of one second."
)
@click.option("--max-body", type=int, help="Largest body of a request, in bytes. Default: 4 MiB.")
@click.option("--max-frame", type=int, help="Largest frame of a WebSocket, in bytes. Default: 1 MiB.")
@click.option(
    "--metrics/--no-metrics",
    default=True,
    show_default=True,
    help="Serve /metrics for Prometheus; from another machine it needs a key.",
)
@click.option("--access-log", is_flag=True, help="Log each request.")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of the log."
)
def serve(
    config: Config | None,
    host: str,
    port: int,
    db: Path | None,
    new_key: bool,
    seed: int,
    feed: str | None,
    symbols: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    rate_limit: float | None,
    rate_burst: int | None,
    max_body: int | None,
    max_frame: int | None,
    metrics: bool,
    access_log: bool,
    log_format: str,
) -> None:
    """Serve the embedded OMS (paper trading) over HTTP and WebSocket.

    Prints base_url, account_id and api_key lines and then "ready" to standard output; logs go to
    standard error. Stop it with Ctrl-C or SIGTERM.
    """
    _log_to_stderr(log_format)
    if not host:
        raise click.UsageError("--host: expected an address")
    if db is not None and not db.name:
        raise click.UsageError("--db: expected the name of a file")
    limits = _limits(rate_limit, rate_burst, max_body, max_frame)
    tls = _tls(tls_cert, tls_key)
    if tls is None and not _is_loopback(host):
        click.echo(
            f"warning: {host} can be reached from other machines, and there is no TLS: keys and orders "
            "travel in the clear. Use --tls-cert, put a proxy that speaks TLS in front, or use --host "
            "127.0.0.1.",
            err=True,
        )
    with _told(host, port):
        _refuse_taken(host, port)  # first, so that no file is made for a server that cannot start
    file, config = config, _with_feed(config, feed, symbols)
    with _written(), ExitStack() as opened:
        oms = opened.enter_context(_open(db, seed, config, opened))
        if file is not None:  # a start without one says nothing, and not that there are no limits
            _configure(oms, file)
        configured = _configured_keys(oms, config)
        with _told(host, port):
            _run(
                oms,
                host,
                port,
                new_key,
                configured,
                limits=limits,
                tls=tls,
                metrics=metrics,
                access_log=access_log,
            )


def _limits(
    rate_limit: float | None, rate_burst: int | None, max_body: int | None, max_frame: int | None
) -> Limits:
    from ccxt_driver.oms.server.limits import Limits

    given = {
        "requests_per_second": ("--rate-limit", rate_limit),
        "burst": ("--rate-burst", rate_burst),
        "largest_body": ("--max-body", max_body),
        "largest_frame": ("--max-frame", max_frame),
    }
    try:
        return Limits(**{name: value for name, (_, value) in given.items() if value is not None})  # type: ignore[arg-type]
    except ValueError as error:
        text = str(error)
        for name, (option, _) in given.items():
            text = text.replace(name, option)
        raise click.UsageError(text) from error


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise click.UsageError("--tls-key: goes with --tls-cert")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # of which ssl.SSLError is one
        raise click.ClickException(f"--tls-cert {certificate}: {error}") from error
    return context


def _no_password() -> str:
    """Without it OpenSSL would ask on the terminal, where a service has nobody to answer."""
    raise ValueError("the private key needs a password; take one without")


def _with_feed(config: Config | None, feed: str | None, symbols: str | None) -> Config:
    """What the file says, with the feed of the command line in place of its own."""
    from ccxt_driver.oms.server.config import Config, ConfiguredFeed

    config = config or Config()
    listed = None if symbols is None else [symbol.strip() for symbol in symbols.split(",")]
    if feed is None:
        if listed is not None:
            raise click.UsageError("--symbols: goes with --feed live:ID")
        return config
    kind, _, value = feed.partition(":")
    if kind not in ("files", "live") or not value:
        raise click.UsageError(f"--feed: expected live:ID or files:FOLDER, got {feed!r}")
    if (kind == "live") != bool(listed and all(listed)):
        raise click.UsageError("--symbols: expected with --feed live:ID, such as BTC/USDT,ETH/USDT")
    chosen = ConfiguredFeed(live=value, symbols=listed) if listed else ConfiguredFeed(files=[value])
    return config.model_copy(update={"feed": chosen})


def _open(db: Path | None, seed: int, config: Config, opened: ExitStack) -> EmbeddedOms:
    """The OMS as the file wants it.

    :param opened: closes its feed at the end
    """
    from ccxt_driver.oms import DEFAULT_MARKETS, EmbeddedOms
    from ccxt_driver.oms.store import StoreError

    given: dict[str, Any] = {"accounts": config.accounts, "strategies": config.strategies}
    try:
        feed = _feed(config, given, opened)
        return EmbeddedOms(
            seed=seed,
            db=None if db is None else str(db),
            feed=feed,
            markets=config.markets(DEFAULT_MARKETS if feed is None else feed.markets),
            models=config.models.make(),
            synthetic=None if config.synthetic is None else config.synthetic.make(),
            **given,
        )
    except (StoreError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _configure(oms: EmbeddedOms, config: Config) -> None:
    try:
        oms.configure(config.limits, config.sessions)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _feed(config: Config, given: dict[str, Any], opened: ExitStack) -> Recording | None:
    """Where prices come from; what its clock needs goes to `given`."""
    wanted = config.feed
    if wanted is None:
        return None
    if wanted.live is None:
        given |= {"speed": wanted.speed, "start_ms": wanted.start}
        return wanted.recording()
    import ccxt

    from ccxt_driver.venues import LiveFeed

    try:
        return opened.enter_context(LiveFeed(wanted.live, wanted.symbols or ()))
    except ccxt.BaseError as error:
        raise click.ClickException(f"{wanted.live}: {type(error).__name__}: {error}") from error


def _log_to_stderr(log_format: str) -> None:
    from ccxt_driver.oms.server.json_log import JsonFormatter

    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if log_format == "json" else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _configured_keys(oms: EmbeddedOms, config: Config | None) -> list[ConfiguredKey]:
    """The keys of the file that are still to be made."""
    keys = [] if config is None else config.keys
    accounts = {row["account_id"] for row in oms.handle("accounts", {}, {}, None).body["items"]}
    strategies = {row["strategy_id"] for row in oms.handle("strategies", {}, {}, None).body["items"]}
    for index, key in enumerate(keys):
        for name, wanted, known in (
            ("accounts", key.accounts, accounts),
            ("strategies", key.strategies, strategies),
        ):
            missing = sorted({*(wanted or ())} - known)
            if missing:
                raise click.ClickException(f"keys.{index}.{name}: the OMS has no {missing[0]}")
    made = {key.label for key in oms.keys.list()}
    return [key for key in keys if key.label not in made]


def _run(
    oms: EmbeddedOms, host: str, port: int, new_key: bool, configured: list[ConfiguredKey], **options: Any
) -> None:
    from ccxt_driver.oms.garbage import collect_seldom
    from ccxt_driver.oms.server.running import serve as serve_until_stopped

    def ready(base_url: str) -> None:
        # The key is made now, and not before: one that nobody has seen is of no use.
        for line in (
            f"base_url={base_url}",
            *_account_lines(oms),
            *_key_lines(oms, new_key, configured),
            "ready",
        ):
            click.echo(line)
        sys.stdout.flush()

    collect_seldom()
    _runner()(serve_until_stopped(oms, host, port, ready, **options))


@contextmanager
def _written() -> Iterator[None]:
    """Say in plain words why nothing can be written: the disk is full, most often."""
    from ccxt_driver.oms.refusals import Refusal
    from ccxt_driver.oms.store import StoreError

    try:
        yield
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    except Refusal as refusal:
        raise click.ClickException(str(refusal.__cause__ or refusal)) from refusal


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


def _key_lines(oms: EmbeddedOms, new_key: bool, configured: list[ConfiguredKey]) -> list[str]:
    lines: list[str] = []
    for key in configured:
        _, secret = oms.keys.create(key.accounts, key.role, key.strategies, key.label)
        lines += [f"api_key_label={key.label}", f"api_key={secret}"]
    if lines and not new_key:
        return lines
    return lines + _usual_key_lines(oms, new_key)


def _usual_key_lines(oms: EmbeddedOms, new_key: bool) -> list[str]:
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
