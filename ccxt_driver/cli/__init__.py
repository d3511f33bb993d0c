"""`ccxt-driver`: one file per command, loaded when the command is called."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from ccxt_driver._version import __version__

from .failures import INTERRUPTED

_COMMANDS: Final = {
    "autopatch": "Put the OMS into ccxt in every program of this environment.",
    "backtest": "Run a live script over history, as it is.",
    "balance": "Show the money of the account.",
    "buy": "Place an order that buys.",
    "cancel": "Cancel open orders.",
    "close": "Close open positions.",
    "data": "Fetch and check files of market data for backtests.",
    "db": "Check and back up the file of an OMS.",
    "doctor": "Check a gateway end to end and say how to mend what is wrong.",
    "key": "Make, list, disable and rotate API keys of an OMS file.",
    "orders": "List orders.",
    "positions": "List positions.",
    "profile": "Add, list, choose and remove named settings of gateways.",
    "run": "Run one program with the OMS put into its ccxt.",
    "sell": "Place an order that sells.",
    "serve": "Serve the embedded OMS over HTTP and WebSocket.",
    "sweep": "Run a script over history with many parameters.",
    "trades": "List trades.",
    "watch": "Follow orders, trades, positions and money as they change.",
}
"""What `--help` says of each command, so that it need not load them."""

_HOMES: Final = {"buy": "place", "sell": "place"}
"""The file of a command, where it is not its name."""


class _Commands(click.Group):
    """Loads a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(
            import_module(f"{__name__}.{_HOMES.get(cmd_name, cmd_name)}"), cmd_name
        )
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort) as stop:  # also while a command is loaded, or asks
            raise click.exceptions.Exit(INTERRUPTED) from stop

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ccxt-driver")
def main() -> None:
    """Trade through an order management system with ordinary ccxt code."""
    _open_what_is_closed()
    _read_dotenv(Path(".env"))


def _open_what_is_closed() -> None:
    """Write to nowhere where a job has no standard output: what it does is done all the same."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123


def _read_dotenv(path: Path) -> None:
    """Take settings from `.env` of the working directory; what the environment has already, stays.

    Only the command line does this: the library never reads a file that it was not given.
    """
    if path.is_file():
        from dotenv import load_dotenv

        try:
            load_dotenv(path)
        except (OSError, ValueError) as error:
            raise click.UsageError(f"{path} cannot be read: {error}") from None
