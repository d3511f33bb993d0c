"""How the numbers of a summary are named and written for people."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from .statistics import Statistics

Number = Decimal | float | int | None
Kind = Literal["money", "share", "ratio", "count", "time"]
NONE: Final = "-"
_LEAST: Final = Decimal("0.000000005")
"""Of money that is shown: less is 0 in `summary.json`."""
_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000))


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of `Statistics`.

    :param key: its field there
    """

    title: str
    key: str
    kind: Kind


FIGURES: Final = (
    Figure("Equity at the start", "start_equity", "money"),
    Figure("Equity at the end", "end_equity", "money"),
    Figure("Deposits less withdrawals", "flows", "money"),
    Figure("Net profit", "net_profit", "money"),
    Figure("Made by trading", "trading_profit", "money"),
    Figure("Total return", "total_return", "share"),
    Figure("Annual growth (CAGR)", "cagr", "share"),
    Figure("Volatility, a year", "volatility", "share"),
    Figure("Sharpe ratio", "sharpe", "ratio"),
    Figure("Sortino ratio", "sortino", "ratio"),
    Figure("Calmar ratio", "calmar", "ratio"),
    Figure("Max drawdown", "max_drawdown", "share"),
    Figure("Max drawdown in money", "max_drawdown_amount", "money"),
    Figure("Max drawdown lasted", "max_drawdown_ms", "time"),
    Figure("Longest drawdown", "longest_drawdown_ms", "time"),
    Figure("Round trips", "round_trips", "count"),
    Figure("Round trips still open", "open_round_trips", "count"),
    Figure("Win rate", "win_rate", "share"),
    Figure("Profit factor", "profit_factor", "ratio"),
    Figure("Average win", "average_win", "money"),
    Figure("Average loss", "average_loss", "money"),
    Figure("Expectancy", "expectancy", "money"),
    Figure("Best round trip", "best", "money"),
    Figure("Worst round trip", "worst", "money"),
    Figure("Orders", "orders", "count"),
    Figure("Deals", "deals", "count"),
    Figure("Deals as maker", "maker_share", "share"),
    Figure("Fees", "fees", "money"),
    Figure("Funding received", "funding", "money"),
    Figure("Turnover", "turnover", "money"),
    Figure("Turnover / mean equity", "turnover_ratio", "ratio"),
    Figure("Time in market", "time_in_market", "share"),
    Figure("Mean exposure", "mean_exposure", "share"),
    Figure("Max exposure", "max_exposure", "share"),
    Figure("Daily returns", "daily_returns", "count"),
)


def written(value: Number, kind: Kind) -> str:
    """A number for people."""
    if value is None:
        return NONE
    if kind == "count":
        return f"{value:,}"
    if kind == "share":
        return f"{100 * float(value):,.2f} %"
    if kind == "ratio":
        return f"{float(value):,.2f}"
    return _duration(int(value)) if kind == "time" else _money(float(value))


def difference(value: Number, base: Number, kind: Kind) -> str:
    """By how much a number differs from another; shares in points."""
    if value is None or base is None:
        return NONE
    change = float(value) - float(base)
    text = written(abs(int(change) if kind in ("count", "time") else change), kind)
    sign = "+" if change > 0 else "-" if change < 0 else ""
    return sign + text.replace(" %", " pp")


def held_note(total: Statistics) -> str | None:
    """How much of the net profit is not of trading; None where all of it is.

    :param total: of the account
    """
    held = total.net_profit - total.trading_profit
    if abs(held) < _LEAST:
        return None
    traded = written(total.trading_profit, "money")
    return (
        f"Of the net profit trading made {traded}, and what the account held from the start made "
        f"{written(held, 'money')} by its price alone."
    )


def _money(value: float) -> str:
    if value and abs(value) < 1:
        return f"{value:.4g}"
    return f"{value:,.2f}"


def _duration(milliseconds: int) -> str:
    """The two largest units of a time."""
    parts = []
    for unit, size in _UNITS:
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"
