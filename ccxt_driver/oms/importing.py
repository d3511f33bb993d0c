"""Taking in what was done at the venue without the OMS."""

from __future__ import annotations

from ccxt_driver.contract.rows import OrderStatus

from .core import Core
from .entities import External
from .execution import note_canceled
from .placing import note_submitted
from .store import RowFilter
from .transaction import Transaction


def import_unknown(core: Core, tx: Transaction, account_id: int) -> int:
    """Let an account's unknown orders, deals and positions be known, apart from all others.

    From then on they are rows like any other: what still happens to them is told at once.

    :returns: how many deals there were
    """
    unknown = RowFilter((account_id,), known=False)
    for stored_order in core.store.orders(unknown)[0]:
        order = tx.latest_order(stored_order)
        tx.touch_order(order)
        order.external = External.APART
        order.updated_at = tx.now  # whoever asks for what has changed finds it
        note_submitted(tx, order)
        if order.status is OrderStatus.CANCELED:
            note_canceled(tx, order)
    deals, _ = core.store.deals(unknown)
    for deal in deals:
        tx.reveal_deal(deal)
        deal.external = External.APART
        deal.created_at = tx.now
    for stored_position in core.store.positions(unknown)[0]:
        position = tx.latest_position(stored_position)
        tx.touch_position(position)
        position.external = External.APART
        position.updated_at = tx.now
    if deals:
        core.profits.clear()  # they may be older than what it has counted
    return len(deals)
