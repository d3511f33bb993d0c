"""Margin of linear swaps: what positions and orders hold back, and what must stay covered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_UP, Decimal
from typing import Final

from ccxt_driver.contract.commands import Side
from ccxt_driver.oms.entities import ZERO, Account, Position
from ccxt_driver.oms.market.listing import LeverageTier, Market

from .positions import unrealized

DEFAULT_LEVERAGE: Final = Decimal(10)
"""Of a symbol whose leverage was never set, where the market allows as much."""
_UNIT: Final = Decimal("0.00000001")
_MOST_TURNS: Final = 100


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


def maintenance_margin(notional: Decimal, tiers: Iterable[LeverageTier]) -> Decimal:
    """What must stay covered of a position: each tier's rate on the part of the notional that is in it.

    This is the notional times the rate of its tier, less the "maintenance amount" of venues' tables: see
    Binance, "Leverage and Margin of USD-M Futures".

    :param notional: at the mark price, in quote units
    """
    return _reached(notional, tiers)[1]


def _reached(notional: Decimal, tiers: Iterable[LeverageTier]) -> tuple[LeverageTier, Decimal]:
    """The tier that a notional value reaches, and its maintenance margin. Beyond the last, that goes on."""
    below = ZERO
    for tier in tiers:
        if notional <= tier.max_notional:
            break
        below += (tier.max_notional - tier.min_notional) * tier.maintenance_margin_rate
    else:
        below -= (tier.max_notional - tier.min_notional) * tier.maintenance_margin_rate
    return tier, below + (notional - tier.min_notional) * tier.maintenance_margin_rate


def most_notional(leverage: Decimal, tiers: Iterable[LeverageTier]) -> Decimal:
    """The largest notional value that may be held at a leverage, in quote units."""
    most = ZERO
    for tier in tiers:  # allowed leverage falls from tier to tier
        if tier.max_leverage is not None and leverage > tier.max_leverage:
            break
        most = tier.max_notional
    return most


def cushion(position: Position, mark_price: Decimal, tiers: Sequence[LeverageTier]) -> Decimal:
    """Unrealized profit less maintenance margin of a position, in quote units."""
    return unrealized(position, mark_price) - maintenance_margin(position.qty * mark_price, tiers)


def liquidation_price(
    balance: Decimal,
    positions: Sequence[Position],
    mark_price: Decimal,
    tiers: Sequence[LeverageTier],
    tick_size: Decimal,
) -> Decimal | None:
    """The price at which a balance and the profit of positions are no more than the maintenance margin.

    The formula is that of Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts":
    LP = (WB - TMM + UPNL + cum - s * Q * EP) / (Q * MMR - s * Q), with s = 1 for long and -1 for short and
    "WB - TMM + UPNL" what is left after the account's other contracts (of an isolated position its own
    margin). Long and short positions of one symbol are summed up. MMR and cum are those of the tier that
    the notional has at LP itself: it is solved again until the tier is that of its own result.

    :param balance: what stands for the positions beside their own profit, in quote units
    :param positions: open, of one symbol
    :param mark_price: of now, where the search begins
    :param tick_size: of the market
    :returns: quote units, rounded to 8 decimals, or to two more than the tick has where that is finer; None
        when no price above zero does it
    """
    price = mark_price
    for _ in range(_MOST_TURNS):
        constant, slope = balance, ZERO
        reached: list[tuple[Decimal, LeverageTier]] = []
        for position in positions:
            qty, notional = position.qty, position.qty * price
            tier, maintenance = _reached(notional, tiers)
            rate = tier.maintenance_margin_rate
            constant += rate * notional - maintenance
            if position.side is Side.BUY:
                constant -= position.entry_cost
                slope += qty - qty * rate
            else:
                constant += position.entry_cost
                slope -= qty + qty * rate
            reached.append((qty, tier))
        if not slope:
            return None
        root = -constant / slope
        if root <= ZERO:
            return None
        settled = root == price or all(
            tier.min_notional <= qty * root <= tier.max_notional for qty, tier in reached
        )
        price = root
        if settled:
            break
    rounded = price.quantize(min(_UNIT, tick_size / 100))
    return rounded if rounded > ZERO else None
