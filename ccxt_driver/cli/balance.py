"""`ccxt-driver balance`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .connection import connected

if TYPE_CHECKING:
    from .connection import Desk


@click.command()
@connected
def balance(desk: Desk) -> None:
    """Show the money of the account: free, reserved and in all."""
    from .tables import BALANCE, balance_rows, print_json, print_rows

    found = desk.exchange.fetch_balance()
    if desk.as_json:
        print_json(found)
    else:
        print_rows(desk, BALANCE, balance_rows(found), "no money")
