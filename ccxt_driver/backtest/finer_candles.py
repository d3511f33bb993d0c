"""Notices when a script asks for candles that are shorter than those of the data."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ccxt_driver.oms.market.feed import TIMEFRAMES
from ccxt_driver.oms.market.files import FileFeed


class FinerCandles:
    """Says so once of each symbol and timeframe: what is shown of them is assumed, not recorded.

    :param feed: of the run
    """

    def __init__(self, feed: FileFeed) -> None:
        own = {market.symbol: feed.timeframe(market.symbol) for market in feed.markets}
        self._own = {symbol: timeframe for symbol, timeframe in own.items() if timeframe is not None}
        self._seen: set[tuple[str, str]] = set()

    def sees(self, params: Any) -> bool:
        """Whether a request is the first for such candles of a symbol; a line on stderr says so then.

        :param params: of the request
        """
        if not isinstance(params, Mapping) or params.get("func") != "fetch_ohlcv":
            return False
        symbol, timeframe = [*(params.get("args") or ()), None, None][:2]
        own = self._own.get(symbol) if isinstance(symbol, str) else None
        length = TIMEFRAMES.get(timeframe) if isinstance(timeframe, str) else None
        if own is None or length is None or length >= TIMEFRAMES[own]:
            return False
        if (symbol, timeframe) in self._seen:
            return False
        self._seen.add((symbol, timeframe))
        text = f"Note: the data have no candles of {timeframe} of {symbol}: {_made_of(own)}"
        print(text, file=sys.stderr, flush=True)  # noqa: T201  # beside what the script prints
        return True

    def assumptions(self) -> dict[str, str]:
        """What was asked for, for the report."""
        return {
            f"candles {symbol} {timeframe}": _made_of(self._own[symbol])
            for symbol, timeframe in sorted(self._seen)
        }


def _made_of(own: str) -> str:
    return f"made of those of {own}, as the price is assumed to move inside them: in four steps, else flat"
