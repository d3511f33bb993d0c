"""`ccxt-driver key`: works on the file of an OMS, whether a server runs on it or not."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ccxt_driver.oms.entities import ApiKey
    from ccxt_driver.oms.keys import KeyRing
    from ccxt_driver.oms.sqlite_keys import SqliteApiKeys

_DB = click.option(
    "--db",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="SQLite file of the OMS.",
)


@click.group()
def key() -> None:
    """Make, list, disable and rotate API keys of an OMS file.

    It has effect at once, also on a server that runs on the file.
    """


def _ids(ctx: click.Context, param: click.Parameter, value: str | None) -> list[int] | None:
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise click.BadParameter(f"{value!r}: expected ids separated by commas, for example 1,2")
    return [int(part) for part in parts]


@key.command()
@_DB
@click.option(
    "--account",
    "accounts",
    multiple=True,
    type=click.IntRange(1),
    help="Account that the key is for; may be given more than once. Default: all.",
)
@click.option(
    "--role",
    default="trader",
    show_default=True,
    type=click.Choice(["trader", "readonly", "risk"]),
    help="trader reads, trades and closes; readonly reads; risk reads, closes and sets blocks.",
)
@click.option(
    "--strategies", callback=_ids, help="The only strategies it may see and use, as 1,2. Default: all."
)
@click.option("--label", help="A note for people.")
def create(
    db: Path, accounts: tuple[int, ...], role: str, strategies: list[int] | None, label: str | None
) -> None:
    """Make a key and print its secret, which cannot be read again."""
    with _keys(db, may_be_new=True) as store:
        _check_ids(store, sorted(set(accounts)), sorted(set(strategies or ())))
        ring = _ring(store)
        made, secret = ring.create(accounts or None, role, strategies, label)
    click.echo(f"api_key_id={made.id}")
    click.echo(f"api_key={secret}")


@key.command(name="list")
@_DB
def list_keys(db: Path) -> None:
    """List all keys, disabled ones too; never their secrets."""
    with _keys(db) as store:
        keys = _ring(store).list()
    titles = ("ID", "ROLE", "ACCOUNTS", "STRATEGIES", "CREATED", "STATE", "LABEL")
    rows = [titles, *(_row(each) for each in keys)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@key.command()
@_DB
@click.argument("key_id", type=click.IntRange(1))
def disable(db: Path, key_id: int) -> None:
    """Make a key useless, for ever."""
    with _keys(db) as store:
        _ring(store).disable(key_id)
    _wait_for_servers()
    click.echo(f"key {key_id} is disabled")


@key.command()
@_DB
@click.argument("key_id", type=click.IntRange(1))
def rotate(db: Path, key_id: int) -> None:
    """Give a key a new secret and print it; the old one is useless from now on."""
    with _keys(db) as store:
        secret = _ring(store).rotate(key_id)
    _wait_for_servers()
    click.echo(f"api_key_id={key_id}")
    click.echo(f"api_key={secret}")


def _wait_for_servers() -> None:
    """When this returns no server on the file takes the old secret any more."""
    from ccxt_driver.oms.keys import KNOWN_SECONDS

    time.sleep(KNOWN_SECONDS)


@contextmanager
def _keys(db: Path, *, may_be_new: bool = False) -> Iterator[SqliteApiKeys]:
    from ccxt_driver.oms.sqlite_keys import SqliteApiKeys
    from ccxt_driver.oms.store import StoreError

    new = not db.exists()
    if new and not may_be_new:
        raise click.ClickException(f"{db} does not exist")
    try:
        store = SqliteApiKeys(db)
        if new:
            click.echo(f"{db} is new; ccxt-driver serve --db {db} will use it", err=True)
        try:
            yield store
        finally:
            store.close()
    except (StoreError, LookupError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _ring(store: SqliteApiKeys) -> KeyRing:
    from ccxt_driver.oms.keys import KeyRing

    return KeyRing(store, lambda: time.time_ns() // 1_000_000)


def _check_ids(store: SqliteApiKeys, accounts: list[int], strategies: list[int]) -> None:
    """Refuse a key for what the file does not have.

    Of a file that no OMS has been opened on yet it is only a warning: which accounts and strategies it
    gets is up to who opens it.

    :raises ClickException: naming what is unknown and what there is
    """
    from ccxt_driver.oms.setup import DEFAULT_ACCOUNTS, DEFAULT_STRATEGIES

    usual = [row["account_id"] for row in DEFAULT_ACCOUNTS]
    for option, wanted, what, known, made in (
        ("--account", accounts, "accounts", store.account_ids(), usual),
        ("--strategies", strategies, "strategies", store.strategy_ids(), [*DEFAULT_STRATEGIES]),
    ):
        missing = _listed(each for each in wanted if each not in (known or made))
        if missing and known:
            raise click.ClickException(f"{option} {missing}: the file has {what} {_listed(known)}")
        if missing:
            text = f"{option} {missing}: ccxt-driver serve makes {what} {_listed(made)}"
            click.echo(f"warning: {text}", err=True)


def _listed(ids: Iterable[int]) -> str:
    return ", ".join(map(str, ids))


def _row(key: ApiKey) -> tuple[str, ...]:
    from ccxt_driver.contract.values import format_time

    principal = key.principal
    return (
        str(key.id),
        key.role,
        "all" if principal.accounts is None else ",".join(map(str, sorted(principal.accounts))),
        "all" if principal.strategies is None else ",".join(map(str, sorted(principal.strategies))),
        format_time(key.created_at),
        "enabled" if key.disabled_at is None else f"disabled {format_time(key.disabled_at)}",
        key.label or "",
    )
