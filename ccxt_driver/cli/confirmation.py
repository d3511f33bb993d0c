"""Asking before anything that trades."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from .failures import INTERRUPTED, printable, tell

if TYPE_CHECKING:
    from .connection import Desk

_COLOURS: Final = {"PAPER": "green", "TESTNET": "yellow", "LIVE": "red"}


def has_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def need_terminal(yes: bool) -> None:
    """Refuse what nobody could confirm, before anything is asked of the OMS.

    :raises UsageError: there is no terminal, and --yes was not given
    """
    if not yes and not has_terminal():
        raise click.UsageError("there is no terminal to ask on: give --yes to do it without asking")


def confirm(desk: Desk, what: list[str], yes: bool) -> None:
    """Say in words what will be done and on which account, and ask.

    :param what: lines
    :param yes: say it, and do not ask
    """
    kind = desk.account.kind
    tell(kind, _COLOURS[kind], bold=True, newline=False)
    tell(printable(str(desk.account)).removeprefix(kind) + ":")
    for line in what:
        tell(f"  {printable(line)}")
    if str(desk.exchange.urls["api"]) == "embedded:":
        tell("  (this OMS is in memory and ends with this command; embedded:FILE keeps it)")
    if not yes and not click.confirm("Go ahead?", default=False, err=True):
        tell("Nothing was sent.")
        raise click.exceptions.Exit(INTERRUPTED)
