"""`ccxt-driver db`: looks after the file of an OMS, whether a server runs on it or not."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(dir_okay=False, path_type=Path)
_DB = click.option("--db", "path", required=True, type=_FILE, help="SQLite file of the OMS.")


@click.group()
def db() -> None:
    """Check and back up the file of an OMS, also while a server runs on it."""


@db.command()
@_DB
def check(path: Path) -> None:
    """Read all of the file: it must be whole, and its books must balance. Exits with 1 if not."""
    from ccxt_driver.oms import maintenance
    from ccxt_driver.oms.store import StoreError

    try:
        problems = maintenance.check(path)
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    for problem in problems:
        click.echo(problem)
    if problems:
        raise click.ClickException(f"{path}: {len(problems)} found wrong")
    click.echo(f"{path} is whole, and its books balance")


@db.command()
@_DB
@click.argument("target", type=_FILE)
def backup(path: Path, target: Path) -> None:
    """Copy the file to TARGET, which must not exist, as it is at this moment."""
    from ccxt_driver.oms import maintenance
    from ccxt_driver.oms.store import StoreError

    try:
        maintenance.backup(path, target)
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{target} is a copy of {path}")
