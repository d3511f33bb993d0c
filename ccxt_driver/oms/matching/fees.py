"""Fee models, named by their assumption."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from ccxt_driver.oms.market.listing import Market, currency


def fee_currency(market: Market) -> str:
    """The currency that a fee is charged in: the settle currency, or the quote of a spot market."""
    return market.settle or market.quote


class MakerTakerQuoteFee:
    """A rate of the traded value, charged in the quote (settle) currency on both sides.

    Rounded down to the currency's precision, so that a reservation of the unrounded fee always
    covers the fees of however many fills.
    """

    __slots__ = ()

    def fee(self, market: Market, cost: Decimal, maker: bool) -> Decimal:
        """The fee of one fill.

        :param cost: quote units traded
        :param maker: whether the order rested before
        :returns: in units of `fee_currency`
        """
        rate = market.maker if maker else market.taker
        return (cost * rate).quantize(currency(fee_currency(market)).precision, ROUND_DOWN)
