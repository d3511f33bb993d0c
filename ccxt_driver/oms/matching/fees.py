"""Fee models, named by their assumption."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple, Protocol

from ccxt_driver.contract.commands import Side
from ccxt_driver.oms.market.listing import Market, currency


class Fee(NamedTuple):
    """What a fill costs, in units of a currency."""

    amount: Decimal
    currency: str


class Traded(Protocol):
    """One fill of one order, as a fee model sees it."""

    @property
    def market(self) -> Market:
        """Where."""
        ...

    @property
    def side(self) -> Side:
        """Of the order."""
        ...

    @property
    def qty(self) -> Decimal:
        """Base units."""
        ...

    @property
    def cost(self) -> Decimal:
        """Quote units."""
        ...

    @property
    def maker(self) -> bool:
        """Whether the order rested before."""
        ...

    def balance(self, code: str) -> Decimal:
        """What may be spent of a currency on the account now."""
        ...

    def price(self, base: str, quote: str) -> Decimal | None:
        """The last price of a spot market; None of one that is not listed, or has no price yet."""
        ...


class FeeModel(Protocol):
    """What a fill costs.

    Orders hold back the market's taker rate of their value: a model that asks for more may leave a
    balance below zero.
    """

    def fee(self, traded: Traded) -> Fee:
        """The fee of one fill."""
        ...


class MakerTakerQuoteFee:
    """A rate of the traded value, charged in the quote (settle) currency on both sides.

    Rounded down to the currency's precision, so that a reservation of the unrounded fee always
    covers the fees of however many fills.
    """

    __slots__ = ()

    def fee(self, traded: Traded) -> Fee:
        """The market's rate of the value."""
        market = traded.market
        rate = market.maker if traded.maker else market.taker
        code = market.settlement_currency
        return Fee((traded.cost * rate).quantize(currency(code).precision, ROUND_DOWN), code)


class DiscountedFee:
    """Another model's fee less a share of it: a tier, or a promotion.

    :param share: taken off, 0.25 is a quarter; from 0 to 1
    :param of: the other model
    :raises ValueError: outside of that
    """

    __slots__ = ("_of", "_share")

    def __init__(self, share: Decimal | str, of: FeeModel | None = None) -> None:
        self._share = Decimal(share)
        if not 0 <= self._share <= 1:
            raise ValueError(f"share: expected a fraction from 0 to 1, got {share}")
        self._of: FeeModel = of or MakerTakerQuoteFee()

    def fee(self, traded: Traded) -> Fee:
        """What is left of it, rounded down."""
        amount, code = self._of.fee(traded)
        return Fee((amount * (1 - self._share)).quantize(currency(code).precision, ROUND_DOWN), code)


class ReceivedCurrencyFee:
    """The market's rate of what is received: a spot buy pays in base, a sell in quote, a swap in settle.

    A buy leaves less of the coin than was bought, while the position is of all that was bought.
    """

    __slots__ = ()

    def fee(self, traded: Traded) -> Fee:
        """The market's rate of the base quantity, or of the value."""
        market = traded.market
        if market.settle is not None or traded.side is Side.SELL:
            return MakerTakerQuoteFee().fee(traded)
        rate = market.maker if traded.maker else market.taker
        return Fee((traded.qty * rate).quantize(currency(market.base).precision, ROUND_DOWN), market.base)


class ThirdCurrencyFee:
    """Another model's quote fee, paid in a coin of the venue at that coin's last price.

    Where the coin has no market in the fee's currency, or the account has not enough of it, the fee is
    charged as the other model says.

    :param code: the coin
    :param of: the other model, a `DiscountedFee` for instance
    """

    __slots__ = ("_code", "_of")

    def __init__(self, code: str, of: FeeModel | None = None) -> None:
        self._code = code
        self._of: FeeModel = of or MakerTakerQuoteFee()

    def fee(self, traded: Traded) -> Fee:
        """The fee in the coin, rounded down."""
        usual = self._of.fee(traded)
        price = traded.price(self._code, usual.currency)
        if price is None:
            return usual
        amount = (usual.amount / price).quantize(currency(self._code).precision, ROUND_DOWN)
        return Fee(amount, self._code) if amount <= traded.balance(self._code) else usual
