"""`ccxt-driver autopatch`: programs that import nothing but ccxt find the OMS."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def _scope(command: Callable[..., Any]) -> Callable[..., Any]:
    option = click.option(
        "--venv/--user",
        "of_venv",
        default=True,
        help="For this virtual environment (default), or for all programs of this user on this version of "
        "Python outside of virtual environments.",
    )
    return option(command)


@click.group()
def autopatch() -> None:
    """Put the OMS into ccxt in every program of this environment, by a file that Python reads at its start.

    Nothing happens before a program imports ccxt; then the id oms is there, and what
    CCXT_OMS_OVERRIDE_EXCHANGES lists is served by the OMS. CCXT_OMS_AUTOPATCH=off turns it off.
    """


@autopatch.command()
@_scope
def install(of_venv: bool) -> None:
    """Write the file. Nothing else is touched; uninstall removes it."""
    from ccxt_driver import hook_file

    try:
        file = _file(of_venv)
        written = hook_file.install(file)
    except hook_file.HookError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{'installed' if written else 'installed already'}: {file}")


@autopatch.command()
@_scope
def uninstall(of_venv: bool) -> None:
    """Remove the file."""
    from ccxt_driver import hook_file

    try:
        file = _file(of_venv)
        removed = hook_file.uninstall(file)
    except hook_file.HookError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{'removed' if removed else 'not installed'}: {file}")


@autopatch.command()
@click.pass_context
def status(ctx: click.Context) -> None:
    """Say where the hook is installed and what the environment asks for.

    Exit status 1 when it is installed nowhere.
    """
    from ccxt_driver import autopatch as patching
    from ccxt_driver import hook_file

    installed = False
    for name, of_venv in (("venv", True), ("user", False)):
        try:
            file = _file(of_venv)
            content = hook_file.read(file)
        except hook_file.HookError as error:
            click.echo(f"{name}: {error}")
            continue
        installed |= content is not None
        outdated = content not in (None, hook_file.text())
        note = ", by another version: install writes it anew" if outdated else ""
        click.echo(f"{name}: {'not installed' if content is None else f'installed{note}'}: {file}")
    wanted = patching.wish(os.environ)
    click.echo(f"switch: {'on' if wanted.is_on else f'off, by {patching.SWITCH}'}")
    click.echo(f"mode: {wanted.mode}")
    click.echo(f"served by the OMS: {', '.join(('oms', *wanted.override)) if wanted.is_on else 'nothing'}")
    if wanted.problem:
        click.echo(f"problem: {wanted.problem}")
    click.echo(f"OMS: {_target()}")
    ctx.exit(0 if installed else 1)


def _file(of_venv: bool) -> Path:
    from ccxt_driver import hook_file

    return hook_file.folder(of_user=not of_venv) / hook_file.NAME


def _target() -> str:
    """Where programs would trade that are told nothing else."""
    from ccxt_driver import profiles

    url, by = os.environ.get("CCXT_OMS_BASE_URL"), "CCXT_OMS_BASE_URL"
    if not url:
        try:
            found = profiles.load()
        except profiles.ProfileError as error:
            return f"unknown: {error}"
        chosen = os.environ.get("CCXT_OMS_PROFILE")
        if found is None and chosen:
            return f"unknown: there is no profile {chosen} (CCXT_OMS_PROFILE)"
        if found is None:
            return "not configured: programs under the id of another exchange are refused"
        url, by = found["base_url"], f"profile {found['name']}"
    paper = ", PAPER trading inside the process" if url.startswith("embedded:") else ""
    return f"{url} ({by}{paper})"
