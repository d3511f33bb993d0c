"""From a run to numbers. Each formula is named where it is computed.

Conventions: a day is a day of UTC, a year has 365 of them, and the interest that money could have earned
elsewhere counts as 0. A number that cannot be computed, for want of samples or because something would be
divided by nothing, is None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from itertools import pairwise
from math import fsum, isfinite, sqrt
from typing import Final

from .analysis import Analysis, Part
from .equity import Curve
from .records import ZERO
from .valuation import EXACT

DAY_MS: Final = 86_400_000
DAYS_A_YEAR: Final = 365
_FEWEST_RETURNS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Of the account, a strategy or a symbol. Money is in the currency of the run, times in milliseconds.

    :param start_equity: balances at the start, valued at the first prices
    :param end_equity: balances at the end and the unrealised profit of swaps, valued at the prices of then
    :param flows: deposits less withdrawals after the start
    :param net_profit: `end_equity` less `start_equity` and `flows`
    :param trading_profit: what deals, funding and liquidations made of it, the net profit of all strategies;
        the rest was made by the price of what the account was given
    :param total_return: growth of the index, see `Curve`; 0.1 is 10 %
    :param cagr: compound annual growth rate, see `cagr`
    :param volatility: of a year, see `volatility`
    :param sharpe: Sharpe ratio, see `sharpe`
    :param sortino: Sortino ratio, see `sortino`
    :param calmar: Calmar ratio: `cagr` / `max_drawdown` (Young 1991, over the whole run)
    :param max_drawdown: the deepest fall of the index from a peak, as a share of the peak
    :param max_drawdown_amount: the same in money
    :param max_drawdown_ms: from that peak until it was reached again, or to the end
    :param longest_drawdown_ms: the longest time under a peak, to the end if it was not reached again
    :param round_trips: how many have ended, see `round_trips`
    :param open_round_trips: how many have not
    :param win_rate: share of those that ended with a profit
    :param profit_factor: sum of profits / sum of losses, without its sign
    :param average_win: mean of the profits
    :param average_loss: mean of the losses, below 0
    :param expectancy: mean of profits and losses, per round trip
    :param best: the largest profit of a round trip
    :param worst: the largest loss of a round trip, or its smallest profit
    :param orders: how many were sent, rejected ones too
    :param deals: how many
    :param maker_share: share of the deals that rested in the book
    :param fees: of all deals, each valued at its own time
    :param fees_by_currency: as they were paid
    :param funding: received, below 0 what was paid, each valued at its own time
    :param turnover: sum of quantity times price of all deals
    :param turnover_ratio: `turnover` / mean equity
    :param time_in_market: share of the time with a position
    :param mean_exposure: mean of the value of positions, without their signs, / equity
    :param max_exposure: the largest of it in any sample
    :param daily_returns: how many returns volatility, Sharpe and Sortino are made of
    """

    start_equity: Decimal
    end_equity: Decimal
    flows: Decimal
    net_profit: Decimal
    trading_profit: Decimal
    total_return: float | None
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float
    max_drawdown_amount: float
    max_drawdown_ms: int
    longest_drawdown_ms: int
    round_trips: int
    open_round_trips: int
    win_rate: float | None
    profit_factor: float | None
    average_win: Decimal | None
    average_loss: Decimal | None
    expectancy: Decimal | None
    best: Decimal | None
    worst: Decimal | None
    orders: int
    deals: int
    maker_share: float | None
    fees: Decimal
    fees_by_currency: Mapping[str, Decimal]
    funding: Decimal
    turnover: Decimal
    turnover_ratio: float | None
    time_in_market: float | None
    mean_exposure: float | None
    max_exposure: float
    daily_returns: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers of a run.

    :param total: of the account
    :param strategies: by id
    :param symbols: by symbol
    :param path_deals: how many deals depended on how a candle was assumed to move
    :param deals_in_gaps: how many were made where nothing was recorded, at the price before
    :param deals_after_gaps: how many were of orders whose price the market jumped to over a gap of the data
    :param unvalued: what was held and has no price in the currency of the run: it counts as nothing
    """

    total: Statistics
    strategies: Mapping[int, Statistics]
    symbols: Mapping[str, Statistics]
    path_deals: int
    deals_in_gaps: int
    deals_after_gaps: int
    unvalued: Sequence[str]


def summarise(analysis: Analysis) -> Summary:
    """The numbers of a run that was taken apart."""
    gaps = Counter(analysis.run.gap_deals.values())
    with localcontext(EXACT):
        strategies = {name: _statistics(part) for name, part in analysis.strategies.items()}
        traded = sum((each.net_profit for each in strategies.values()), ZERO)
        return Summary(
            replace(_statistics(analysis.account), trading_profit=traded),
            strategies,
            {name: _statistics(part) for name, part in analysis.symbols.items()},
            analysis.path_deals,
            gaps["inside"],
            gaps["after"],
            analysis.unvalued,
        )


def _statistics(part: Part) -> Statistics:
    curve = part.curve
    growth = cagr(curve)
    returns = daily_returns(curve)
    deepest = curve.deepest
    drawdown = 0.0 if deepest is None else deepest.share
    ended = [trip.net for trip in part.round_trips if trip.closed_ms is not None]
    wins, losses = [net for net in ended if net > 0], [net for net in ended if net < 0]
    tally, exposed = part.tally, exposure(curve)
    usual = _mean_over_time(curve, curve.equity)
    under_way = 0
    if deepest is not None:
        under_way = (deepest.recovered_ms or curve.times[-1]) - deepest.peak_ms
    net_profit = part.end - part.start - part.flows
    return Statistics(
        start_equity=part.start,
        end_equity=part.end,
        flows=part.flows,
        net_profit=net_profit,
        trading_profit=net_profit,
        total_return=total_return(curve),
        cagr=growth,
        volatility=volatility(returns),
        sharpe=sharpe(returns),
        sortino=sortino(returns),
        calmar=_ratio(growth, drawdown),
        max_drawdown=drawdown,
        max_drawdown_amount=0.0 if deepest is None else deepest.amount,
        max_drawdown_ms=under_way,
        longest_drawdown_ms=curve.longest_ms,
        round_trips=len(ended),
        open_round_trips=len(part.round_trips) - len(ended),
        win_rate=_ratio(len(wins), len(ended)),
        profit_factor=_ratio(float(sum(wins)), -float(sum(losses))),
        average_win=_mean(wins),
        average_loss=_mean(losses),
        expectancy=_mean(ended),
        best=max(ended, default=None),
        worst=min(ended, default=None),
        orders=part.orders,
        deals=tally.deals,
        maker_share=_ratio(tally.makers, tally.deals),
        fees=tally.fees,
        fees_by_currency=dict(sorted(tally.paid.items())),
        funding=tally.funding,
        turnover=tally.turnover,
        turnover_ratio=_ratio(float(tally.turnover), usual),
        time_in_market=_mean_over_time(curve, [1.0 if gross else 0.0 for gross in curve.gross]),
        mean_exposure=_mean_over_time(curve, exposed),
        max_exposure=max(exposed),
        daily_returns=len(returns),
    )


def total_return(curve: Curve) -> float | None:
    """Index at the end / index at the start - 1: the time-weighted rate of return (GIPS)."""
    grown = _ratio(curve.index[-1], curve.index[0])
    return None if grown is None else grown - 1


def cagr(curve: Curve) -> float | None:
    """Compound annual growth rate: (index at the end / index at the start) ** (365 days / length) - 1.

    None of less than a day, which says nothing about a year, and when everything was lost.
    """
    start, end = curve.index[0], curve.index[-1]
    span_ms = curve.times[-1] - curve.times[0]
    if start <= 0 or end <= 0 or span_ms < DAY_MS:
        return None
    # In decimals: unlike with floats, powers are the same on all machines.
    with localcontext(EXACT):
        growth = (Decimal(end) / Decimal(start)) ** (Decimal(DAYS_A_YEAR * DAY_MS) / span_ms) - 1
    return _finite(float(growth))


def daily_returns(curve: Curve) -> list[float]:
    """Growth of the index from each end of a day to the next.

    The end of a day is the last sample by midnight UTC. The days in which the run began and ended count as
    whole ones.
    """
    start_ms, *times = curve.times
    first, *indexes = curve.index
    ends, last_day = [first], None
    for time, index in zip(times, indexes, strict=True):
        day = (max(time, start_ms + 1) - 1) // DAY_MS  # midnight ends a day, it does not begin one
        if day == last_day:
            ends[-1] = index
        else:
            ends.append(index)
            last_day = day
    return [end / start - 1 for start, end in pairwise(ends) if start > 0]


def volatility(returns: Sequence[float]) -> float | None:
    """Standard deviation of daily returns, of a sample (n - 1), times the root of 365."""
    deviation = _deviation(returns)
    return None if deviation is None else deviation * sqrt(DAYS_A_YEAR)


def sharpe(returns: Sequence[float]) -> float | None:
    """Mean of daily returns / their standard deviation, times the root of 365 (Sharpe 1994)."""
    deviation = _deviation(returns)
    ratio = None if deviation is None else _ratio(fsum(returns) / len(returns), deviation)
    return None if ratio is None else ratio * sqrt(DAYS_A_YEAR)


def sortino(returns: Sequence[float]) -> float | None:
    """Mean of daily returns / their downside deviation, times the root of 365 (Sortino and Price 1994).

    The downside deviation is the root of the mean, over all returns, of the squares of those below 0.
    """
    if len(returns) < _FEWEST_RETURNS:
        return None
    downside = sqrt(fsum(each * each for each in returns if each < 0) / len(returns))
    ratio = _ratio(fsum(returns) / len(returns), downside)
    return None if ratio is None else ratio * sqrt(DAYS_A_YEAR)


def exposure(curve: Curve) -> list[float]:
    """Value of positions, without their signs, / equity, of each sample; 0 where no equity was left."""
    return [
        gross / equity if equity > 0 else 0.0 for gross, equity in zip(curve.gross, curve.equity, strict=True)
    ]


def _deviation(values: Sequence[float]) -> float | None:
    if len(values) < _FEWEST_RETURNS:
        return None
    mean = fsum(values) / len(values)
    return sqrt(fsum((value - mean) * (value - mean) for value in values) / (len(values) - 1))


def _mean_over_time(curve: Curve, values: Sequence[float]) -> float | None:
    """Each value counts until the next sample."""
    spans = [after - time for time, after in pairwise(curve.times)]
    weighed = fsum(value * span for value, span in zip(values, spans, strict=False))
    return _ratio(weighed, sum(spans))


def _mean(values: Sequence[Decimal]) -> Decimal | None:
    return sum(values, ZERO) / len(values) if values else None


def _ratio(one: float | None, other: float | None) -> float | None:
    """A quotient; None where there is none."""
    if one is None or other is None or other <= 0:
        return None
    return _finite(one / other)


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
