"""`ccxt-driver orders`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from .arguments import LIMIT, SINCE, SYMBOL, limit_of
from .connection import connected

if TYPE_CHECKING:
    from .connection import Desk

_METHODS: Final = {
    "open": "fetch_open_orders",
    "closed": "fetch_canceled_and_closed_orders",
    "all": "fetch_orders",
}


@click.command()
@SYMBOL
@click.option("--open", "which", flag_value="open", default="open", help="Those that can still fill (usual).")
@click.option("--closed", "which", flag_value="closed", help="Those that filled or were cancelled.")
@click.option("--all", "which", flag_value="all", help="Of every status, rejected ones among them.")
@LIMIT
@SINCE
@click.option("--id", "order_id", metavar="ID", help="This one, with its trades.")
@click.option("--client-order-id", metavar="ID", help="The one with this client order id, with its trades.")
@connected
def orders(
    desk: Desk,
    symbol: str | None,
    which: str,
    limit: int | None,
    since: int | None,
    order_id: str | None,
    client_order_id: str | None,
) -> None:
    """List orders: the open ones, or the newest 100 of those of the past."""
    from .tables import ORDERS, print_rows, progress

    if order_id is not None or client_order_id is not None:
        if None not in (order_id, client_order_id):
            raise click.UsageError("give --id or --client-order-id, not both")
        if since is not None or limit is not None:
            raise click.UsageError("--since and --limit go without --id and --client-order-id")
        _one(desk, order_id, client_order_id, symbol)
        return
    most = limit if which == "open" else limit_of(limit, since)
    with progress(f"Reading {which} orders"):
        found = getattr(desk.exchange, _METHODS[which])(symbol, since, most)
    print_rows(desk, ORDERS, found, "no open orders" if which == "open" else "no such orders")


def _one(desk: Desk, order_id: str | None, client_order_id: str | None, symbol: str | None) -> None:
    from .tables import ORDERS, TRADES, print_rows, print_table, write

    params: dict[str, Any] = {} if client_order_id is None else {"clientOrderId": client_order_id}
    order = desk.exchange.fetch_order(order_id or "", symbol, params)
    print_rows(desk, ORDERS, [order], "no such order")
    if order["trades"] and not desk.as_json:
        write("its trades")
        print_table(TRADES, order["trades"])
