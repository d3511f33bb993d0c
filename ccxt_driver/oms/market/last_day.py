"""The 24 hours before a moment, as a ticker sums them up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from ccxt_driver.oms.market.feed import EXACT, Candle, candle_open

_MINUTE_MS: Final = 60_000
_QUARTER_MS: Final = 15 * _MINUTE_MS
_DAY_MS: Final = 86_400_000

Candles = Callable[[str, str, int | None, int, int], list[Candle]]
"""Symbol, timeframe, since, until and limit of `Feed.candles`."""


class Summary(NamedTuple):
    """Some time of a market. `turnover` is three times the quote volume: of high, low and close as prices."""

    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    turnover: Decimal


class _Kept(NamedTuple):
    """What lasts until the next quarter of an hour.

    `minutes` has by each minute of the quarter before `quarter` the summary from there to its end.
    """

    quarter_ms: int
    newest_ms: int
    minutes: dict[int, Summary | None]
    quarters: Summary | None


class LastDay:
    """Sums up the 24 hours: minutes up to the first whole quarter of an hour, quarters from there.

    :param candles: where they come from
    """

    def __init__(self, candles: Candles) -> None:
        self._candles = candles
        self._kept: dict[str, _Kept] = {}

    def summary(self, symbol: str, now_ms: int, *, lasts: bool) -> Summary:
        """The 24 hours up to a moment, from a whole minute on; under the decimal context `EXACT`.

        :param lasts: whether the candles of the past stay as they are
        """
        start_ms = max(0, (now_ms - _DAY_MS) // _MINUTE_MS * _MINUTE_MS + _MINUTE_MS)
        quarter_ms = -(-start_ms // _QUARTER_MS) * _QUARTER_MS
        newest_ms = candle_open("15m", now_ms)
        kept = self._kept.get(symbol) if lasts else None
        if kept is None or kept.quarter_ms != quarter_ms or kept.newest_ms != newest_ms:
            kept = self._made(symbol, quarter_ms, newest_ms)
            if lasts:
                self._kept[symbol] = kept
        forming = self._candles(symbol, "15m", newest_ms, now_ms, 1)
        parts = (kept.minutes.get(start_ms), kept.quarters, _summary_of(forming))
        whole = None
        for part in parts:
            whole = _joined(whole, part)
        assert whole is not None, "a market with a price has a candle"
        return whole

    def _made(self, symbol: str, quarter_ms: int, newest_ms: int) -> _Kept:
        begin_ms = max(0, quarter_ms - _QUARTER_MS)
        found = {row.open_ms: row for row in self._candles(symbol, "1m", begin_ms, quarter_ms - 1, 15)}
        minutes: dict[int, Summary | None] = {}
        rest = None
        for open_ms in range(quarter_ms - _MINUTE_MS, begin_ms - 1, -_MINUTE_MS):
            row = found.get(open_ms)
            rest = minutes[open_ms] = rest if row is None else _joined(_summary_of([row]), rest)
        quarters = self._candles(symbol, "15m", quarter_ms, newest_ms - 1, _DAY_MS // _QUARTER_MS)
        return _Kept(quarter_ms, newest_ms, minutes, _summary_of(quarters))


def _summary_of(candles: Iterable[Candle]) -> Summary | None:
    whole = None
    for row in candles:
        typical = EXACT.add(EXACT.add(row.high, row.low), row.close)
        turnover = EXACT.multiply(typical, row.volume)
        whole = _joined(whole, Summary(row.open, row.high, row.low, row.volume, turnover))
    return whole


def _joined(before: Summary | None, after: Summary | None) -> Summary | None:
    if before is None or after is None:
        return before or after
    return Summary(
        before.open,
        max(before.high, after.high),
        min(before.low, after.low),
        EXACT.add(before.volume, after.volume),
        EXACT.add(before.turnover, after.turnover),
    )
