"""Setting risk limits, and the kill switch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any

from .core import Core
from .execution import cancel
from .limits import Kept, Limits, Scope, dump, read_limits
from .reserving import Openings
from .transaction import Transaction


def check_currency(core: Core, limits: Limits, symbol: str | None = None, where: str = "limits") -> None:
    """Hold that what is counted in a currency can be counted: a limit that nothing reaches limits nobody.

    :param symbol: whom the limits are for, None for all
    :param where: the path of the limits, for the message
    :raises ValueError: no such market is quoted in it
    """
    counted = (limits.max_exposure, limits.max_daily_loss, limits.max_drawdown)
    if counted == (None, None, None):
        return
    symbols = core.state.symbols
    quotes = {symbols[name].market.quote for name in (symbols if symbol is None else (symbol,))}
    if limits.currency not in quotes:
        raise ValueError(
            f"{where}.currency: expected {' or '.join(sorted(quotes))}, which "
            f"{symbol or 'some market'} is quoted in, got {limits.currency!r}"
        )


def set_limits(core: Core, tx: Transaction, scope: Scope, given: Mapping[str, Any]) -> list[int]:
    """Set the limits of a scope in place of those it has.

    A kill switch that is not named stays as it is, and the same drawdown goes on counting from where it
    began.

    :param given: values by the names of `Limits`; none takes them all away
    :returns: the orders that were cancelled, as its kill switch is on
    :raises ValueError: a limit that is unknown or makes no sense
    """
    wanted = read_limits(given)
    known = core.state.limits.get(scope)
    if known is None:
        return _keep(core, tx, scope, Kept(wanted, tx.now))
    if known.limits.killed and given.get("killed") is None:
        wanted = replace(wanted, killed=True)
    before = known.limits.max_drawdown, known.limits.currency
    goes_on = before == (wanted.max_drawdown, wanted.currency)
    return _keep(core, tx, scope, Kept(wanted, known.since_ms if goes_on else tx.now))


def set_killed(core: Core, tx: Transaction, scope: Scope, killed: bool) -> list[int]:
    """The kill switch of a scope; its limits stay as they are.

    :param killed: False lets orders open again
    :returns: the orders that were cancelled
    """
    known = core.state.limits.get(scope, Kept(Limits(), tx.now))
    return _keep(core, tx, scope, Kept(replace(known.limits, killed=killed), known.since_ms))


def _keep(core: Core, tx: Transaction, scope: Scope, kept: Kept) -> list[int]:
    """Write the limits of a scope down; with its kill switch on, cancel what would open."""
    put_limits(core, tx, scope, kept.limits, kept.since_ms)
    canceled: list[int] = []
    account = core.state.accounts[scope.account_id]
    openings = Openings(account)
    for order in sorted(account.orders.values(), key=attrgetter("id")) if kept.limits.killed else ():
        if not order.is_open:
            continue
        if scope.covers(order) and openings.of(order):
            cancel(core, tx, account, order, "killed")
            canceled.append(order.id)
        else:
            openings.stays(order)
    return canceled


def put_limits(core: Core, tx: Transaction, scope: Scope, limits: Limits, since_ms: int) -> None:
    """Write limits down; those that limit nothing are dropped."""
    kept = core.state.limits
    if limits == Limits(currency=limits.currency):
        kept.pop(scope, None)
    else:
        kept[scope] = Kept(limits, since_ms)
    tx.changes.settings["limits"] = dump(kept)
