"""What happens when an order would trade with a resting order of its own account."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from ccxt_driver.contract.commands import Side
from ccxt_driver.oms.entities import Order, opposite

from .book import RestingBook
from .engine import Plan


class SelfTrade(StrEnum):
    """Who gives way; the two never trade with each other."""

    CANCEL_TAKER = "cancel_taker"
    CANCEL_MAKER = "cancel_maker"
    CANCEL_BOTH = "cancel_both"


def in_the_way(order: Order, plan: Plan, resting: RestingBook) -> list[Order]:
    """The resting orders of its account that an order comes by, best first.

    :param order: it takes
    :param plan: what it gets behind them
    """
    fills = plan.fills
    worst = order.price if plan.unfilled or not fills else fills[-1].price
    # At one price the volume of the feed comes first: one of ours is met when that was not enough.
    level_too = plan.unfilled or not fills or fills[-1].maker is not None
    found: list[Order] = []
    for maker in resting.orders(opposite(order.side)):
        if not _reached(order.side, maker.price, worst, bool(level_too)):
            break
        if maker.account_id == order.account_id:
            found.append(maker)
    return found


def _reached(side: Side, price: Decimal | None, worst: Decimal | None, level_too: bool) -> bool:
    if price is None or worst is None or (level_too and price == worst):
        return True
    return price < worst if side is Side.BUY else price > worst
