"""An exchange of ccxt with a past, which answers as several kinds of exchanges do, and has no network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt

from tests.helpers.fake_venue import row as market_row

NOW = 1_700_092_800_000  # 2023-11-16 00:00
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
LENGTHS = {"1m": MINUTE, "1h": HOUR, "1d": DAY}


class PastVenue(ccxt.Exchange):
    """Answers from rows that it was given.

    :param answer: `first` gives the first rows from `since` on, `reversed` those with the newest first,
        `after` leaves `since` itself out, `window` gives what lies within as many candles, `newest` the
        last ones whatever is asked for, `before` some earlier ones too, in any order
    """

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        super().__init__(config or {})
        self.now = NOW
        self.answer = "first"
        self.most = 100
        self.bars: dict[str, list[list[Any]]] = {}
        self.marks: dict[str, list[list[Any]]] = {}
        self.fundings: list[dict[str, Any]] = []
        self.prints: list[dict[str, Any]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.before_call: Callable[[], None] = lambda: None

    def describe(self) -> dict[str, Any]:
        return self.deep_extend(
            super().describe(),
            {
                "id": "past",
                "rateLimit": 0.001,
                "timeframes": {name: name for name in LENGTHS},
                "has": {
                    "fetchOHLCV": True,
                    "fetchTrades": True,
                    "fetchMarkOHLCV": True,
                    "fetchFundingRateHistory": True,
                },
                "features": {"spot": {"fetchOHLCV": {"limit": 100}}},
            },
        )

    def milliseconds(self) -> int:
        return self.now

    def fetch_markets(self, params: Any = None) -> list[dict[str, Any]]:
        return [market_row("BTC/USDT"), market_row("BTC/USDT:USDT", id="BTCPERP")]

    def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Any = None,
    ) -> list[list[Any]]:
        self.calls.append((timeframe, since, limit))
        self.before_call()
        most = min(limit or self.most, self.most)
        bars = self.marks if (params or {}).get("price") == "mark" else self.bars
        rows = [row for row in bars.get(timeframe, []) if row[0] <= self.now]
        return self._chosen(rows, lambda row: row[0], since or 0, most, most * LENGTHS[timeframe])

    def fetch_trades(
        self, symbol: str, since: int | None = None, limit: int | None = None, params: Any = None
    ) -> list[dict[str, Any]]:
        self.calls.append(("trades", since, limit))
        self.before_call()
        return self._chosen(self.prints, lambda row: row["timestamp"], since or 0, self.most, HOUR)

    def fetch_funding_rate_history(
        self, symbol: str, since: int | None = None, limit: int | None = None, params: Any = None
    ) -> list[dict[str, Any]]:
        self.calls.append(("fundings", since, limit))
        self.before_call()
        return self._chosen(self.fundings, lambda row: row["timestamp"], since or 0, self.most, 3 * DAY)

    def _chosen(
        self, rows: list[Any], time: Callable[[Any], int], since: int, most: int, window: int
    ) -> list[Any]:
        if self.answer == "newest":
            return rows[-most:]
        if self.answer == "before":
            first = next((index for index, row in enumerate(rows) if time(row) >= since), len(rows))
            return rows[max(0, first - 3) : first + most - 3][::-1]
        later = [row for row in rows if time(row) > since - (self.answer != "after")]
        if self.answer == "window":
            return [row for row in later if time(row) < since + window][:most]
        return later[:most][::-1] if self.answer == "reversed" else later[:most]


def bars(first: int, count: int, length: int = MINUTE) -> list[list[Any]]:
    """Candles that follow each other, each with prices of its own."""
    return [[first + at * length, 100.5 + at, 102.0 + at, 99.0 + at, 101.0 + at, 1.5] for at in range(count)]


def fundings(times: list[int]) -> list[dict[str, Any]]:
    """Funding rates, each another one."""
    return [{"timestamp": time, "fundingRate": (at - 5) / 100_000} for at, time in enumerate(times)]


def prints(times: list[int]) -> list[dict[str, Any]]:
    """Trades, each with a price of its own."""
    return [
        {"timestamp": time, "price": 100.0 + at, "amount": 0.5, "side": "buy", "id": str(at)}
        for at, time in enumerate(times)
    ]
