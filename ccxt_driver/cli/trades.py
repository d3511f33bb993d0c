"""`ccxt-driver trades`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .arguments import LIMIT, SINCE, SYMBOL, limit_of
from .connection import connected

if TYPE_CHECKING:
    from .connection import Desk


@click.command()
@SYMBOL
@SINCE
@LIMIT
@connected
def trades(desk: Desk, symbol: str | None, since: int | None, limit: int | None) -> None:
    """List the account's own trades: the newest 100, or all from --since."""
    from .tables import TRADES, print_rows, progress

    with progress("Reading trades"):
        found = desk.exchange.fetch_my_trades(symbol, since, limit_of(limit, since))
    print_rows(desk, TRADES, found, "no trades")
