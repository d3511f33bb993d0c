"""`ccxt-driver positions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .arguments import LIMIT, SINCE, SYMBOL, limit_of
from .connection import connected

if TYPE_CHECKING:
    from .connection import Desk


@click.command()
@SYMBOL
@click.option("--history", is_flag=True, help="Those that are closed: the newest 100.")
@LIMIT
@SINCE
@connected
def positions(desk: Desk, symbol: str | None, history: bool, limit: int | None, since: int | None) -> None:
    """List open positions, or closed ones."""
    from .tables import POSITIONS, print_rows, progress

    if not history and (limit is not None or since is not None):
        raise click.UsageError("--limit and --since go with --history")
    symbols = None if symbol is None else [symbol]
    with progress("Reading positions"):
        if history:
            found = desk.exchange.fetch_positions_history(symbols, since, limit_of(limit, since))
        else:
            found = desk.exchange.fetch_positions(symbols)
    print_rows(desk, POSITIONS, found, "no closed positions" if history else "no open positions")
