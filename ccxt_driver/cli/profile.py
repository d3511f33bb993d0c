"""`ccxt-driver profile`: named settings of gateways, for programs that cannot be told otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click


@click.group()
def profile() -> None:
    """Add, list, choose and remove named settings of gateways.

    They are kept in ccxt-driver/profiles.json of the user's configuration folder, which nobody else
    may read. The library uses the chosen one where neither a program nor the environment says what
    OMS to use; CCXT_OMS_PROFILE chooses another one.
    """


@profile.command()
@click.argument("name")
@click.option("--base-url", required=True, help="Of the gateway, or embedded: for paper trading.")
@click.option("--account-id", "--account", type=click.IntRange(1), help="The account of the OMS.")
@click.option("--strategy-id", "--strategy", type=click.IntRange(0), help="The strategy of programs.")
@click.option("--api-key-file", type=click.File(), help="A file that holds the key; - reads it from stdin.")
@click.option("--sandbox", metavar="NAME", help="Profile of programs that ask for the sandbox.")
@click.option("--replace", is_flag=True, help="Overwrite one of the same name.")
@click.option("--use", "chosen", is_flag=True, help="Choose it as well.")
def add(
    name: str,
    base_url: str,
    account_id: int | None,
    strategy_id: int | None,
    api_key_file: IO[str] | None,
    sandbox: str | None,
    replace: bool,
    chosen: bool,
) -> None:
    """Add a profile. On a terminal the API key is asked for when none is given."""
    embedded = base_url.startswith("embedded:")
    _check(name, base_url, sandbox)
    api_key = None
    if api_key_file is not None:
        api_key = api_key_file.read().strip()
    elif not embedded and sys.stdin.isatty():
        api_key = click.prompt("API key (none: just Enter)", default="", hide_input=True, show_default=False)
    if api_key and embedded:
        raise click.UsageError("embedded: is inside the process and takes no API key")
    settings = {
        "base_url": base_url if embedded else base_url.rstrip("/"),
        "account_id": account_id,
        "strategy_id": strategy_id,
        "api_key": api_key or None,
        "sandbox": sandbox,
    }
    with _changing() as content:
        if name in content["profiles"] and not replace:
            raise click.ClickException(f"there is a profile {name} already; --replace overwrites it")
        if sandbox is not None and sandbox not in content["profiles"]:
            raise click.ClickException(f"--sandbox {sandbox}: there is no such profile; add it first")
        content["profiles"][name] = {key: value for key, value in settings.items() if value is not None}
        if chosen:
            content["chosen"] = name
    click.echo(f"profile {name} is {'added and chosen' if chosen else 'added'}")
    if not embedded and not api_key:
        click.echo("it has no API key: private calls will be refused", err=True)


@profile.command(name="list")
def list_profiles() -> None:
    """List all profiles; the chosen one has a star. Keys are not shown."""
    from ccxt_driver import profiles

    try:
        content = profiles.read()
    except profiles.ProfileError as error:
        raise click.ClickException(str(error)) from error
    if not content["profiles"]:
        click.echo(f"there is no profile in {profiles.path()}", err=True)
        return
    rows: list[tuple[str, ...]] = [("", "NAME", "BASE URL", "ACCOUNT", "STRATEGY", "API KEY", "SANDBOX")]
    rows += [_row(name, each, content["chosen"]) for name, each in sorted(content["profiles"].items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(name: str, settings: dict[str, Any], chosen: str | None) -> tuple[str, ...]:
    shown = (settings.get(key) for key in ("account_id", "strategy_id"))
    key = "***" if settings.get("api_key") else "none"
    cells = ["-" if value is None else str(value) for value in shown]
    star = "*" if name == chosen else ""
    return (star, name, settings["base_url"], *cells, key, settings.get("sandbox") or "-")


@profile.command()
@click.argument("name", required=False)
@click.option("--none", "nothing", is_flag=True, help="Choose none.")
def use(name: str | None, nothing: bool) -> None:
    """Choose the profile that counts where CCXT_OMS_PROFILE names none."""
    if (name is None) is not nothing:
        raise click.UsageError("give a NAME, or --none")
    with _changing() as content:
        if name is not None:
            _need(content, name)
        content["chosen"] = name
    click.echo("no profile is chosen" if name is None else f"profile {name} is chosen")


@profile.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a profile, and with it its key."""
    with _changing() as content:
        _need(content, name)
        users = [each for each, settings in content["profiles"].items() if settings.get("sandbox") == name]
        if users:
            raise click.ClickException(f"{name} is the sandbox of {', '.join(sorted(users))}")
        del content["profiles"][name]
        if content["chosen"] == name:
            content["chosen"] = None
    click.echo(f"profile {name} is removed")


def _check(name: str, base_url: str, sandbox: str | None) -> None:
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise click.UsageError(f"NAME {name!r}: letters, digits, - _ and . only")
    if sandbox == name:
        raise click.UsageError("--sandbox: a profile cannot be its own")
    known = base_url.startswith(("http://", "https://", "embedded:"))
    if not known or base_url in ("http://", "https://"):
        raise click.UsageError(
            f'--base-url {base_url!r}: expected "http://...", "https://..." or "embedded:..."'
        )
    path = base_url.removeprefix("embedded:")
    if path != base_url and path and not Path(path).expanduser().is_absolute():
        raise click.UsageError(
            f"--base-url {base_url}: programs run in many folders; name the file by its whole path"
        )


def _need(content: dict[str, Any], name: str) -> None:
    if name not in content["profiles"]:
        there = ", ".join(sorted(content["profiles"])) or "none"
        raise click.ClickException(f"there is no profile {name}; there is: {there}")


@contextmanager
def _changing() -> Iterator[dict[str, Any]]:
    from ccxt_driver import profiles

    try:
        with profiles.changing() as content:
            yield content
    except profiles.ProfileError as error:
        raise click.ClickException(str(error)) from error
