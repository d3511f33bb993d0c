"""What follows by itself from what a transaction has done, at its end."""

from __future__ import annotations

from .core import Core
from .liquidation import settle_swaps
from .position_stops import close_reached
from .transaction import Transaction


def settle_effects(core: Core, tx: Transaction) -> None:
    """Let orders hold what they need, liquidate, and close what has opened beyond its stop."""
    while tx.swaps_changed or tx.stops_set:
        settle_swaps(core, tx)
        close_reached(core, tx)
