"""What a run assumes of swaps: where their funding rates and mark prices come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ccxt_driver.oms.market.feed import Fundings
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.market.history import iso_text
from ccxt_driver.oms.market.listing import Market

_HOUR_MS: Final = 3_600_000
_FROM_FILES: Final = "as in the files"
_NONE: Final = ", which have none of this time"


def swap_assumptions(feed: FileFeed, markets: Iterable[Market], start_ms: int, end_ms: int) -> dict[str, str]:
    """Name to text, as of `Run`; nothing where there are no swaps.

    :param start_ms: when the run began
    :param end_ms: when it ended
    """
    swaps = [market for market in markets if market.settle is not None]
    if not swaps:
        return {}
    rates = {market.symbol: _rates(feed, market, start_ms, end_ms) for market in swaps}
    prices = {market.symbol: _mark_price(feed, market, start_ms, end_ms) for market in swaps}
    return {"funding": _listed(rates), "mark price": _listed(prices)}


def _rates(feed: FileFeed, market: Market, start_ms: int, end_ms: int) -> str:
    fundings = feed.fundings(market.symbol)
    if fundings is None:
        return f"{market.funding_rate:f} every {market.funding_hours} h"
    return _FROM_FILES + _not_covered(fundings, market.funding_hours * _HOUR_MS, start_ms, end_ms)


def _not_covered(fundings: Fundings, usual_ms: int, start_ms: int, end_ms: int) -> str:
    """Which part of a run has no rates, if one has none."""
    first, last = fundings.between(0, end_ms, 1), fundings.newest(end_ms, 1)
    if not last or last[0].time_ms < start_ms:
        return _NONE
    longest_ms = (fundings.interval_ms(end_ms) or usual_ms) * 3 // 2
    since_ms, until_ms = first[0].time_ms, last[0].time_ms
    return _parts(since_ms, until_ms, since_ms - start_ms > longest_ms, end_ms - until_ms > longest_ms)


def _mark_price(feed: FileFeed, market: Market, start_ms: int, end_ms: int) -> str:
    marks = feed.marks(market.symbol)
    if marks is None:
        return "the last price"
    source = _FROM_FILES if marks.is_fine else f"the last price, for funding {_FROM_FILES}"
    span = marks.span(end_ms)
    if span is None or span[1] <= start_ms:
        return source + _NONE
    since_ms, until_ms = span
    return source + _parts(since_ms, until_ms, since_ms > start_ms, until_ms <= end_ms)


def _parts(since_ms: int, until_ms: int, late: bool, early: bool) -> str:
    """Before when there is nothing, as it begins late, and after when, as it ends early."""
    before = f", none before {iso_text(since_ms)}" if late else ""
    return before + (f", none after {iso_text(until_ms)}" if early else "")


def _listed(texts: dict[str, str]) -> str:
    """What holds of which symbols."""
    symbols: dict[str, list[str]] = {}
    for symbol, text in texts.items():
        symbols.setdefault(text, []).append(symbol)
    return "; ".join(f"{text}: {', '.join(each)}" for text, each in symbols.items())
