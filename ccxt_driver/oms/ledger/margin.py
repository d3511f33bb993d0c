"""Margin of linear swaps under cross margin: what positions and orders hold back."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal
from typing import Final

from ccxt_driver.oms.entities import ZERO, Account
from ccxt_driver.oms.market.listing import Market

DEFAULT_LEVERAGE: Final = Decimal(10)
"""Of a symbol whose leverage was never set, where the market allows as much."""
_UNIT: Final = Decimal("0.00000001")


def leverage_of(account: Account, market: Market) -> Decimal:
    """The leverage that an account uses on a swap."""
    chosen = account.leverage.get(market.symbol)
    if chosen is not None:
        return chosen
    most = market.max_leverage
    return DEFAULT_LEVERAGE if most is None or most >= DEFAULT_LEVERAGE else Decimal(most)


def initial_margin(notional: Decimal, leverage: Decimal) -> Decimal:
    """What a notional value holds back, rounded up.

    :param notional: quote units
    """
    return (notional / leverage).quantize(_UNIT, ROUND_UP) if notional else ZERO
