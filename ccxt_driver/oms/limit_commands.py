"""Setting risk limits, and the kill switch."""

from __future__ import annotations

from .core import Core
from .execution import cancel
from .limits import Kept, Limits, Scope, dump
from .reserving import opening_qty
from .transaction import Transaction


def keep_limits(core: Core, now: int, scope: Scope, limits: Limits, since_ms: int) -> None:
    """Set the limits of a scope; with its kill switch on, cancel what would open.

    :raises Refusal: `engine_unavailable`, it could not be written; nothing has changed
    """
    with core.transaction(now) as tx:
        put_limits(core, tx, scope, limits, since_ms)
        if limits.killed:
            account = core.state.accounts[scope.account_id]
            for order in [*account.orders.values()]:
                covered = scope.covers(order.strategy_id, order.symbol)
                if covered and order.is_open and opening_qty(account, order):
                    cancel(core, tx, account, order, "killed")


def put_limits(core: Core, tx: Transaction, scope: Scope, limits: Limits, since_ms: int) -> None:
    """Write limits down; those that limit nothing are dropped."""
    kept = core.state.limits
    if limits == Limits(currency=limits.currency):
        kept.pop(scope, None)
    else:
        kept[scope] = Kept(limits, since_ms)
    tx.changes.settings["limits"] = dump(kept)
