"""What an exchange tells of the past, page after page: closed candles, public trades, funding rates.

Exchanges differ in what they make of `since`: some give the first rows from there on, some what lies in a
window behind it, some round it, some leave it out. So a page is sorted and cut to what was asked for, and
only what it holds moves the search on; where there is nothing, daily candles show where to go on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

import ccxt

from ccxt_driver.oms.market.feed import EXACT, TIMEFRAMES, candle_open, next_open

from .listing import contract_size, decimal_of

LOG: Final = logging.getLogger("ccxt_driver.venues")
_SETTLED_MS: Final = 10_000
"""How long after its end a candle, or after its moment a trade, is taken for final."""
_DAY_MS: Final = TIMEFRAMES["1d"]
_EMPTY_FUNDINGS_MS: Final = _DAY_MS - 1
"""The same for funding rates."""
_EMPTY_TRADES_MS: Final = 3_600_000 - 1
"""How far a question for trades reaches where it finds none: the shortest window there is is an hour, and
begins one millisecond before."""
_USUAL_LIMIT: Final = 100
_ATTEMPTS: Final = 8
_LONGEST_PAUSE_S: Final = 60.0

Row = tuple[Any, ...]
"""Values in the order of the columns of a file."""
_T = TypeVar("_T")


class Page(NamedTuple):
    """Rows that follow those of the page before.

    :param rows: perhaps none
    :param until_ms: everything before it is known now
    """

    rows: list[Row]
    until_ms: int


class Past:
    """Asks one exchange, as often as it lets itself be asked, and again where the network fails.

    :param exchange: of ccxt, synchronous; only public methods of it are called
    :param sleep: waits for some seconds
    """

    def __init__(self, exchange: Any, sleep: Callable[[float], None] = time.sleep) -> None:
        self._exchange = exchange
        self._sleep = sleep
        self._ahead_ms: int | None = None

    @property
    def exchange_id(self) -> str:
        """Of ccxt."""
        return str(self._exchange.id)

    def market(self, symbol: str) -> Mapping[str, Any]:
        """ccxt's structure of a spot market or a linear swap.

        :raises ValueError: the exchange has no such market, or it is another kind
        """
        self.ask(self._exchange.load_markets)
        found: Mapping[str, Any] | None = self._exchange.markets.get(symbol)
        if found is None:
            raise ValueError(f"symbols: {self.exchange_id} has no {symbol!r}")
        linear = found.get("swap") and found.get("settle") == found.get("quote")
        if not (found.get("spot") or linear):
            raise ValueError(
                f"symbols: {symbol}: expected a spot market, or a swap that settles in its quote"
            )
        return found

    def need(self, method: str, timeframe: str | None = None) -> None:
        """Refuse what the exchange cannot tell.

        :param method: ccxt's name of it in `has`
        :raises ValueError: it has no such method, or not such candles
        """
        if self._exchange.has.get(method) is not True:
            raise ValueError(f"exchange: {self.exchange_id} has no {method}")
        if timeframe is not None and timeframe not in (self._exchange.timeframes or {}):
            known = ", ".join(name for name in self._exchange.timeframes or {} if name in TIMEFRAMES)
            raise ValueError(f"timeframe: {self.exchange_id} has {known}, not {timeframe!r}")

    def now_ms(self) -> int:
        """The time by the exchange's own clock, or by ours where it does not tell."""
        if self._ahead_ms is None:
            ours = self._exchange.milliseconds()
            tells = self._exchange.has.get("fetchTime") is True
            told = self.ask(self._exchange.fetch_time) if tells else None
            self._ahead_ms = 0 if told is None else int(told) - ours
        return int(self._exchange.milliseconds()) + self._ahead_ms

    def candles(
        self,
        symbol: str,
        timeframe: str,
        from_ms: int,
        to_ms: int,
        known_ms: int | None = None,
        *,
        mark: bool = False,
    ) -> Iterator[Page]:
        """Closed candles that open in [from_ms, to_ms), ascending.

        :param mark: of mark prices
        :param known_ms: the opening of a candle that is known: instead of `from_ms`, what follows it
        :raises ValueError: the exchange's candles do not open when those in UTC do, or it gives the newest
            ones, whatever it is asked for
        """
        limit = self._limit(symbol, "fetchOHLCV")
        # How many mark prices come at once is not told: with some exchanges fewer than other candles.
        at_once = min(limit or _USUAL_LIMIT, _USUAL_LIMIT) if mark else limit or _USUAL_LIMIT
        reach_ms = max(1, at_once - 2) * TIMEFRAMES[timeframe]
        at, days, newest = _ceiling(timeframe, from_ms), _Days(self, symbol), known_ms
        if newest is not None:
            at = next_open(timeframe, newest)
        while at < (end_ms := min(to_ms, candle_open(timeframe, self.now_ms() - _SETTLED_MS))):
            # From two candles before on: some exchanges leave `since` itself out.
            since = candle_open(timeframe, candle_open(timeframe, at - 1) - 1)
            given = self._fetch_candles(symbol, timeframe, since, limit, mark)
            rows = [row for row in given if at <= row[0] < end_ms]
            if rows and newest is not None and all(row[0] != newest for row in given):
                raise self._skips(symbol, newest, rows[0][0])
            self._check_openings(symbol, timeframe, rows)
            if rows:
                newest = rows[-1][0]
                at = next_open(timeframe, newest)
            else:
                newest, at = None, _ceiling(timeframe, min(end_ms, days.after(at, reach_ms)))
            yield Page(rows, at)

    def _check_openings(self, symbol: str, timeframe: str, rows: Sequence[Row]) -> None:
        for row in rows:
            if candle_open(timeframe, row[0]) != row[0]:
                raise ValueError(
                    f"timeframe: {self.exchange_id} has {timeframe} candles of {symbol} that do not open "
                    f"when those in UTC do, such as one at {row[0]}"
                )

    def _skips(self, symbol: str, after_ms: int, next_ms: int) -> ValueError:
        return ValueError(
            f"exchange: {self.exchange_id} does not tell what followed {after_ms} of {symbol}: asked for it, "
            f"it gave what came from {next_ms} on"
        )

    def trades(self, symbol: str, from_ms: int, to_ms: int, known_ms: int | None = None) -> Iterator[Page]:
        """Public trades in [from_ms, to_ms), ascending: time, price, amount in base currency, side, id.

        Those of one millisecond come in one page.

        :param known_ms: a millisecond of which the trades are known: instead of `from_ms`, what follows it
        :raises ValueError: the exchange gives the newest ones, whatever it is asked for
        """
        scale = contract_size(self.market(symbol))
        limit = self._limit(symbol, "fetchTrades")
        at, days, held = from_ms, _Days(self, symbol), known_ms is not None
        newest_first = False
        if known_ms is not None:
            at = known_ms
        while at < (end_ms := min(to_ms, self.now_ms() - _SETTLED_MS)):
            # One before: some exchanges leave `since` itself out. Those of that one may fill an answer.
            given = self.ask(self._exchange.fetch_trades, symbol, at - 1, limit)
            newest_first = _order(given, newest_first)
            if any((trade.get("timestamp") or 0) < at for trade in given):
                given = self.ask(self._exchange.fetch_trades, symbol, at, limit)
            newest_first = _order(given, newest_first)
            rows = sorted(_trades(given, scale, at, end_ms, newest_first), key=_time)
            if rows and held and rows[0][0] != at:
                raise self._skips(symbol, at, rows[0][0])
            held = False
            if not rows:
                at = min(end_ms, days.after(at, _EMPTY_TRADES_MS))
            elif rows[-1][0] > at:
                # Of the last millisecond there may be more: the next question begins with it.
                at, held = rows[-1][0], True
                rows = [row for row in rows if row[0] < at]
            else:
                if len(given) == limit:
                    LOG.warning(
                        "%s, %s: more trades at %s than one answer holds", self.exchange_id, symbol, at
                    )
                at += 1
            yield Page([row for row in rows if row[0] != known_ms], at)

    def funding_rates(
        self, symbol: str, from_ms: int, to_ms: int, known_ms: int | None = None
    ) -> Iterator[Page]:
        """What a swap charged in [from_ms, to_ms), ascending: time and rate.

        :param known_ms: the time of one that is known: instead of `from_ms`, what follows it
        :raises ValueError: the exchange gives the newest ones, whatever it is asked for
        """
        limit = self._limit(symbol, "fetchFundingRateHistory")
        at, days, newest = from_ms, _Days(self, symbol), known_ms
        if newest is not None:
            at = newest + 1
        while at < (end_ms := min(to_ms, self.now_ms() - _SETTLED_MS)):
            # From one millisecond before on: some exchanges leave `since` itself out.
            since = (at if newest is None else newest) - 1
            given = self.ask(self._exchange.fetch_funding_rate_history, symbol, since, limit)
            told = {row["timestamp"]: row["fundingRate"] for row in given if row.get("timestamp") is not None}
            rows = [(time_ms, told[time_ms]) for time_ms in sorted(told) if at <= time_ms < end_ms]
            if rows and newest is not None and newest not in told:
                raise self._skips(symbol, newest, rows[0][0])
            if rows:
                newest = rows[-1][0]
                at = newest + 1
            else:
                newest, at = None, min(end_ms, days.after(at, _EMPTY_FUNDINGS_MS))
            yield Page([row for row in rows if row[1] is not None], at)

    def days(self, symbol: str, from_ms: int, to_ms: int) -> list[int] | None:
        """Days, by their openings, on which something was traded: the first of those from a moment on.

        :returns: None where the exchange has no daily candles
        """
        if self._exchange.has.get("fetchOHLCV") is not True or "1d" not in (self._exchange.timeframes or {}):
            return None
        limit = self._limit(symbol, "fetchOHLCV")
        at = candle_open("1d", from_ms)
        while at < to_ms:
            given = self._fetch_candles(symbol, "1d", at - _DAY_MS, limit)
            found = [candle_open("1d", row[0]) for row in given if at <= row[0] < to_ms]
            if found:
                return found
            at += max(1, (limit or _USUAL_LIMIT) - 1) * _DAY_MS
        return []

    def ask(self, method: Callable[..., _T], *args: Any) -> _T:
        """Call a method of the exchange, again and with growing pauses while the network fails.

        :raises ccxt.BaseError: the last failure
        """
        from tenacity import (
            Retrying,
            retry_if_exception_type,
            stop_after_attempt,
            wait_exponential_jitter,
        )

        retrying = Retrying(
            retry=retry_if_exception_type((ccxt.NetworkError, ccxt.BadResponse)),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential_jitter(initial=1, max=_LONGEST_PAUSE_S),
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(method, *args)

    def _fetch_candles(
        self, symbol: str, timeframe: str, since: int, limit: int | None, mark: bool = False
    ) -> list[Row]:
        """Candles, each time once, ascending; those without prices are left out."""
        method = self._exchange.fetch_mark_ohlcv if mark else self._exchange.fetch_ohlcv
        given = self.ask(method, symbol, timeframe, since, limit)
        rows = {int(row[0]): _candle(row) for row in given if None not in row[:5]}
        return [rows[time_ms] for time_ms in sorted(rows)]

    def _limit(self, symbol: str, method: str) -> int | None:
        """The most rows that the exchange gives at once; None where nobody knows."""
        self.ask(self._exchange.load_markets)
        limit = self._exchange.feature_value(symbol, method, "limit")
        return limit if isinstance(limit, int) and limit > 1 else None


class _Days:
    """Where to go on when a question found nothing.

    Behind what it asked about, but not before the next day on which something was traded.
    """

    def __init__(self, past: Past, symbol: str) -> None:
        self._past = past
        self._symbol = symbol
        self._known: list[int] | None = []

    def after(self, at_ms: int, reach_ms: int) -> int:
        """The first moment to ask about.

        :param at_ms: the moment that was asked about
        :param reach_ms: how far the question reached at least
        """
        behind = at_ms + reach_ms
        if self._known is None:
            return behind
        today = candle_open("1d", at_ms)
        self._known = [day for day in self._known if day >= today]
        now_ms = self._past.now_ms()
        if not self._known:
            self._known = self._past.days(self._symbol, at_ms, now_ms)
        if self._known is None:
            return behind
        return max(behind, self._known[0] if self._known else now_ms)


def _ceiling(timeframe: str, at_ms: int) -> int:
    """The first opening at a moment or after it."""
    open_ms = candle_open(timeframe, at_ms)
    return open_ms if open_ms == at_ms else next_open(timeframe, open_ms)


def _candle(row: Sequence[Any]) -> Row:
    return int(row[0]), *row[1:5], 0 if len(row) < 6 or row[5] is None else row[5]


def _order(given: Sequence[Mapping[str, Any]], newest_first: bool) -> bool:
    """Whether the newest trades come first.

    :param newest_first: whether they did before, for trades of one moment, which do not tell
    """
    if not given:
        return newest_first
    first, last = given[0].get("timestamp") or 0, given[-1].get("timestamp") or 0
    return newest_first if first == last else bool(first > last)


def _trades(
    given: Sequence[Mapping[str, Any]], scale: Decimal, from_ms: int, to_ms: int, newest_first: bool
) -> Iterator[Row]:
    for trade in reversed(given) if newest_first else given:
        time_ms, price, amount = trade.get("timestamp"), trade.get("price"), trade.get("amount")
        if time_ms is None or price is None or amount is None or not from_ms <= time_ms < to_ms:
            continue
        if scale != 1:
            amount = EXACT.multiply(decimal_of(amount), scale)
        yield time_ms, price, amount, trade.get("side") or "", trade.get("id") or ""


def _time(row: Row) -> int:
    return int(row[0])
