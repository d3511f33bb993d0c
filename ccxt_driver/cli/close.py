"""`ccxt-driver close`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .arguments import YES
from .connection import connected

if TYPE_CHECKING:
    from ccxt import BaseError

    from .connection import Desk


@click.command()
@click.argument("symbol", required=False)
@click.option("--position-id", metavar="ID", help="The position with this OMS id.")
@click.option("--all", "everything", is_flag=True, help="All open positions.")
@YES
@connected
def close(desk: Desk, symbol: str | None, position_id: str | None, everything: bool, yes: bool) -> None:
    """Close the positions in SYMBOL at the market, one position, or all."""
    from .confirmation import confirm, need_terminal
    from .tables import ORDERS, for_people, print_rows

    if [symbol is not None, position_id is not None, everything].count(True) != 1:
        raise click.UsageError("give one of: SYMBOL, --position-id, --all")
    need_terminal(yes)
    meant = _meant(desk, symbol, position_id)
    if not meant and everything:
        print_rows(desk, ORDERS, [], "no open positions")
        return
    confirm(desk, [_in_words(for_people(desk.exchange, position)) for position in meant], yes)
    params = {} if position_id is None else {"position_id": position_id}
    # By market, so that nothing is closed while trades of it are missing at the gateway.
    _close_each(desk, list(dict.fromkeys(position["symbol"] for position in meant)), params)


def _meant(desk: Desk, symbol: str | None, position_id: str | None) -> list[dict[str, Any]]:
    """The positions as they are now.

    :raises OperationRejected: one was named, and there is none
    """
    import ccxt

    symbols = None if symbol is None else [symbol]
    found: list[dict[str, Any]] = desk.exchange.fetch_positions(symbols, {"positions": "raw"})
    if position_id is not None:
        found = [position for position in found if position["id"] == position_id]
    if not found and (symbol is not None or position_id is not None):
        what = f"position {position_id}" if symbol is None else f"position in {symbol}"
        raise ccxt.OperationRejected(f"there is no open {what} to close")
    return found


def _in_words(position: Mapping[str, Any]) -> str:
    profit = position["unrealizedPnl"]
    now = "" if profit is None else f", {profit} unrealized"
    return (
        f"Close position {position['id']} at the market: {position['side']} {position['contracts']} "
        f"{position['symbol']}, opened at {position['entryPrice']}{now}"
    )


def _close_each(desk: Desk, symbols: Sequence[str], params: dict[str, Any]) -> None:
    """Close market by market; one that fails does not keep the others open."""
    import ccxt

    from .results import finish
    from .tables import ORDERS, print_rows, progress

    orders: list[Any] = []
    failures: list[BaseError] = []
    left = list(symbols)
    try:
        with progress("Closing", len(symbols)) as step:
            while left and not (failures and _concerns_all(failures[-1])):
                try:
                    orders += _orders_of(desk, desk.exchange.close_position(left.pop(0), None, params))
                except ccxt.BaseError as error:
                    orders += [each for each in vars(error).get("results") or () if isinstance(each, dict)]
                    failures.append(error)
                step()
    finally:  # also when interrupted: what was done is told
        if orders or not failures:
            print_rows(desk, ORDERS, orders, "nothing was closed")
    if failures:
        _tell(desk, failures, left)
    finish(orders)


def _orders_of(desk: Desk, closing: dict[str, Any]) -> list[Any]:
    """The orders that close the positions of one market: several are in the `info` of the first."""
    rows = closing["info"].get("orders") if isinstance(closing["info"], dict) else None
    return [closing] if rows is None else [desk.exchange.parse_order(row) for row in rows]


def _concerns_all(error: BaseError) -> bool:
    """Whether the next one would fail for the same reason."""
    import ccxt

    lost = isinstance(error, ccxt.NetworkError) and getattr(error, "outcome", None) == "not_sent"
    return lost or isinstance(error, ccxt.AuthenticationError)


def _tell(desk: Desk, failures: Sequence[BaseError], left: Sequence[str]) -> None:
    """Raise the failure that matters most; the others are told first."""
    from .failures import UNKNOWN, exit_code, in_words, warn

    ranked = sorted(failures, key=lambda error: exit_code(error) != UNKNOWN)
    for error in ranked[1:]:
        warn(in_words(error, str(desk.exchange.urls["api"])))
    if left:
        warn(f"not tried: {', '.join(left)}")
    raise ranked[0]
