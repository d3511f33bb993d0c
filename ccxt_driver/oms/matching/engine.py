"""The fill models: who fills, how much, at which price.

`BookDepthFill` with price-time priority: a taker walks the feed's levels and the resting orders of
the OMS, best price first; at one price the feed's volume is ahead of ours. A maker fills at its own
price once the feed's opposite side has come to it, and no more than the feed shows there. Nothing
is filled twice out of one version of the feed's book.

Known limits: the feed does not react to what is taken from it beyond that version, and a maker does
not wait behind the volume that the feed shows at its own price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from ccxt_driver.contract.commands import Side
from ccxt_driver.oms.entities import ZERO, Order, opposite
from ccxt_driver.oms.market.feed import Level

from .book import RestingBook
from .liquidity import Liquidity


class Fill(NamedTuple):
    """A trade to be booked; `maker` is the resting order of the OMS on the other side, if any."""

    price: Decimal
    qty: Decimal
    maker: Order | None


class Plan(NamedTuple):
    """What a taker would get right now.

    :param unfilled: what the book has no more of within the limit
    :param own_order: whether it stopped at an order of its own account
    :param met: the orders of its own account that it stopped at or went by, best first
    """

    fills: list[Fill]
    unfilled: Decimal
    own_order: bool
    met: Sequence[Order] = ()

    @property
    def cost(self) -> Decimal:
        """Quote units of all fills."""
        total = ZERO
        for price, qty, _ in self.fills:
            total += price * qty
        return total


def _all_of_it(order: Order, ahead: Iterable[Fill]) -> Decimal:
    return order.remaining


class BookDepthFill:
    """Takers walk the book's depth; makers fill when the feed has crossed their price.

    :param fillable: how much of a resting order may fill now, in base units: less than its rest
        when it may only reduce a position, of which the fills ahead of it may leave less
    """

    __slots__ = ("_fillable",)

    def __init__(self, fillable: Callable[[Order, Iterable[Fill]], Decimal] = _all_of_it) -> None:
        self._fillable = fillable

    def offers(
        self,
        side: Side,
        limit: Decimal | None,
        liquidity: Liquidity,
        resting: RestingBook,
        account_id: int | None = None,
    ) -> Iterator[Fill]:
        """What an order of this side may trade with, best first, as fills of all there is.

        :param account_id: whose orders are there to be met and not to trade with
        """
        buys = side is Side.BUY
        ours = self._makers(resting, side, account_id)
        mine = next(ours, None)
        for level in liquidity.against(side):
            price = level.price
            # Ours that are strictly better than the level go first.
            while mine is not None and (mine.price < price if buys else mine.price > price):
                if limit is not None and (mine.price > limit if buys else mine.price < limit):
                    return
                yield mine
                mine = next(ours, None)
            if limit is not None and (price > limit if buys else price < limit):
                return
            left = liquidity.left(level)
            if left > ZERO:
                yield Fill(price, left, None)
        while mine is not None:
            if limit is not None and (mine.price > limit if buys else mine.price < limit):
                return
            yield mine
            mine = next(ours, None)

    def _makers(self, resting: RestingBook, side: Side, account_id: int | None) -> Iterator[Fill]:
        ahead: list[Fill] = []
        for order in resting.orders(opposite(side)):
            own = order.account_id == account_id
            qty = self._fillable(order, () if own else ahead)
            if order.price is not None and qty > ZERO:
                fill = Fill(order.price, qty, order)
                if not own:
                    ahead.append(fill)
                yield fill

    def taker(
        self,
        account_id: int,
        side: Side,
        qty: Decimal,
        limit: Decimal | None,
        liquidity: Liquidity,
        resting: RestingBook,
        *,
        past_own: bool = False,
    ) -> Plan:
        """Plan the fills of an order that takes; takes nothing yet.

        Two orders of one account never trade with each other: the plan stops there.

        :param qty: base units wanted
        :param limit: worst price, None for a market order
        :param past_own: go on behind the orders of the account instead
        """
        levels = liquidity.against(side)
        mine = resting.best_price(opposite(side))
        if limit is not None and not _reaches(side, limit, levels, mine):
            return Plan([], qty, own_order=False)
        if levels and mine is None:
            # Nearly every order: nothing of ours is in the way, and the best level has enough.
            best = levels[0]
            if liquidity.left(best) >= qty:
                return Plan([Fill(best.price, qty, None)], ZERO, own_order=False)
        fills: list[Fill] = []
        met: list[Order] = []
        for offer in self.offers(side, limit, liquidity, resting, account_id):
            if offer.maker is not None and offer.maker.account_id == account_id:
                met.append(offer.maker)
                if past_own:
                    continue
                return Plan(fills, qty, own_order=True, met=met)
            if offer.qty >= qty:
                fills.append(Fill(offer.price, qty, offer.maker))
                return Plan(fills, ZERO, own_order=False, met=met)
            fills.append(offer)
            qty -= offer.qty
        return Plan(fills, qty, own_order=False, met=met)

    def quantity_for(
        self,
        side: Side,
        cost: Decimal,
        lot_size: Decimal,
        liquidity: Liquidity,
        resting: RestingBook,
        *,
        past: int | None = None,
    ) -> Decimal:
        """How much a market order for an amount of quote units comes to, rounded down to lots.

        :param cost: quote units to spend or to receive, without fees
        :param past: the account whose orders give way, so that nothing is got from them
        """
        total = ZERO
        for offer in self.offers(side, None, liquidity, resting, past):
            if past is not None and offer.maker is not None and offer.maker.account_id == past:
                continue
            within = cost / offer.price
            if within <= offer.qty:
                return (total + within) // lot_size * lot_size
            total += offer.qty
            cost -= offer.qty * offer.price
        return total // lot_size * lot_size

    def maker(self, order: Order, liquidity: Liquidity) -> list[tuple[Level, Decimal]]:
        """What the feed's opposite side has for a resting order: the levels and how much of each.

        :param order: it trades at its own price, whatever the levels' prices
        """
        price = order.price
        if price is None:
            return []
        buys = order.side is Side.BUY
        wanted = self._fillable(order, ())
        taken: list[tuple[Level, Decimal]] = []
        if wanted <= ZERO:
            return taken
        for level in liquidity.against(order.side):
            if level.price > price if buys else level.price < price:
                break
            qty = min(liquidity.left(level), wanted)
            if qty > ZERO:
                taken.append((level, qty))
                wanted -= qty
                if not wanted:
                    break
        return taken


def _reaches(side: Side, limit: Decimal, levels: Sequence[Level], mine: Decimal | None) -> bool:
    """Whether there is anything to trade with at a limit or better.

    :param mine: the best price of the orders that rest against it
    """
    if side is Side.BUY:
        return bool(levels and levels[0].price <= limit) or (mine is not None and mine <= limit)
    return bool(levels and levels[0].price >= limit) or (mine is not None and mine >= limit)
