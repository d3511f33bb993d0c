"""`ccxt-driver cancel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .arguments import SYMBOL, YES
from .connection import connected

if TYPE_CHECKING:
    from .connection import Desk


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All open orders, of --symbol when that is given.")
@SYMBOL
@YES
@connected
def cancel(desk: Desk, ids: tuple[str, ...], everything: bool, symbol: str | None, yes: bool) -> None:
    """Cancel the orders with these OMS ids, or all open ones.

    Exits with 1 when one of them is not cancelled afterwards.
    """
    from .confirmation import confirm, need_terminal
    from .tables import ORDERS, print_rows, progress

    if bool(ids) == everything:
        raise click.UsageError("give either ids of orders or --all")
    if symbol is not None and not everything:
        raise click.UsageError("--symbol goes with --all")
    need_terminal(yes)
    exchange = desk.exchange
    if everything:
        found = exchange.fetch_open_orders(symbol)
        if not found:
            print_rows(desk, ORDERS, [], "no open orders")
            return
    else:
        found = exchange.fetch_orders_by_ids(list(ids))
    confirm(desk, _in_words(found, symbol, everything), yes)
    with progress(f"Cancelling {len(found)} orders"):
        if everything:
            after = exchange.cancel_all_orders(symbol)
        elif len(ids) == 1:
            after = [exchange.cancel_order(ids[0])]
        else:
            after = exchange.cancel_orders(list(ids))
    print_rows(desk, ORDERS, after, "no order was open any more")
    _finish(after, everything)


def _in_words(orders: Sequence[Mapping[str, Any]], symbol: str | None, everything: bool) -> list[str]:
    lines = []
    if everything:
        of_market = "" if symbol is None else f" of {symbol}"
        lines.append(f"Cancel all open orders{of_market}: {len(orders)} now")
    for order in orders:
        price = "at the market" if order["price"] is None else f"at {order['price']}"
        lines.append(
            f"Cancel order {order['id']}: {order['side']} {order['amount']} {order['symbol']} {price}, "
            f"{order['filled']} filled, {order['status']}"
        )
    return lines


def _finish(orders: Sequence[Mapping[str, Any]], everything: bool) -> None:
    """Exit with 1 when an order is not cancelled; of all open ones, those that filled meanwhile are none."""
    from .failures import REFUSED, warn

    wanted = ("canceled", "closed", None) if everything else ("canceled", None)
    left = [order for order in orders if order["status"] not in wanted]
    for order in left:
        warn(f"order {order['id']} is not cancelled: it is {order['status']}")
    if left:
        raise click.exceptions.Exit(REFUSED)
