"""What a price feed is: the protocol, its value types and the calendar of candles.

A feed answers for any moment it is asked about and keeps no clock. What it says of a moment
never depends on what comes after it, and never changes once said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from ccxt_driver.oms.market.listing import Market

UNLIMITED = Decimal(10) ** 12
"""A quantity that no order exhausts."""

# Prices must not depend on the decimal context of the calling thread.
EXACT = Context(prec=60)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS
_MONDAY_MS = 4 * _DAY_MS  # the epoch was a Thursday

TIMEFRAMES: dict[str, int] = {
    "1s": 1_000,
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": _DAY_MS,
    "1w": _WEEK_MS,
    "1M": 30 * _DAY_MS,
}
"""ccxt's name of a timeframe to its length in ms; a month's is nominal."""


class Level(NamedTuple):
    """One price of an order book and the quantity (base currency) that rests there."""

    price: Decimal
    qty: Decimal


class Quote(NamedTuple):
    """The top of the book and the last traded price; `time_ms` is when it came to be."""

    time_ms: int
    bid: Decimal
    ask: Decimal
    last: Decimal


class Trade(NamedTuple):
    """A public trade; `side` is the taker's, `qty` is in base currency."""

    id: str
    time_ms: int
    price: Decimal
    qty: Decimal
    side: Literal["buy", "sell"]


class Candle(NamedTuple):
    """What traded from `open_ms` on for one timeframe; `volume` is in base currency."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class Funding(NamedTuple):
    """One charge of a swap; at a rate of 0 nothing was charged."""

    time_ms: int
    rate: Decimal


class HaltTimes(NamedTuple):
    """What is known of the halts of a market at a moment.

    :param ends_ms: when the halt of that moment ends; None when there is none
    :param changes_ms: the next moment at which one begins or ends. Nobody who trades may know it
    """

    ends_ms: int | None
    changes_ms: int


class NoPrice(LookupError):
    """A moment before a feed knows the first price of a symbol."""


class Feed(Protocol):
    """Prices of some symbols.

    Every method raises `UnknownSymbol` for a symbol that the feed does not carry. All times are
    ms since the epoch; a moment includes what happens at that very millisecond.
    """

    @property
    def step_ms(self) -> int:
        """Prices move on their own only at multiples of this."""
        ...

    def quote(self, symbol: str, at_ms: int) -> Quote:
        """The quote as of `at_ms`: bid < ask, bid <= last <= ask, all multiples of the tick."""
        ...

    def book(self, symbol: str, at_ms: int) -> tuple[Sequence[Level], Sequence[Level]]:
        """Bids descending and asks ascending, the best of each being those of the quote."""
        ...

    def book_version(self, symbol: str, at_ms: int) -> int:
        """A number that differs between two books: what takers took from the old one is back."""
        ...

    def first_move(
        self, symbol: str, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> Quote | None:
        """The first quote in (after_ms, until_ms] whose bid <= low or whose ask >= high.

        :param low: None when no fall matters
        :param high: None when no rise matters
        """
        ...

    def candles(
        self, symbol: str, timeframe: str, since_ms: int | None, until_ms: int, limit: int
    ) -> list[Candle]:
        """Candles in ascending order, aligned to UTC (weeks to Monday, months to the 1st).

        The last may be unfinished: it covers what happened by `until_ms`.

        :param since_ms: the earliest opening; None for the newest `limit` candles
        :param until_ms: now, for the asker
        :param limit: the most candles to give
        :raises ValueError: `timeframe` is not one of `TIMEFRAMES`
        """
        ...

    def trades(self, symbol: str, since_ms: int | None, until_ms: int, limit: int) -> list[Trade]:
        """Public trades in ascending order, the newest `limit` when `since_ms` is None."""
        ...


@runtime_checkable
class Moving(Feed, Protocol):
    """A feed whose price moves through all prices in between, where it does not jump."""

    def came_from(self, symbol: str, at_ms: int) -> Decimal | None:
        """Where the price was before it moved at this very moment; None where it did not, or has jumped."""
        ...

    def book_on_the_way(
        self, symbol: str, at_ms: int, last: Decimal
    ) -> tuple[Sequence[Level], Sequence[Level]]:
        """As `Feed.book`, while a move of this moment is at a price between its beginning and its end."""
        ...


class Recording(Feed, Protocol):
    """A feed that knows what it has prices of, and from when on."""

    @property
    def markets(self) -> Sequence[Market]:
        """Its markets."""
        ...

    @property
    def start_ms(self) -> int:
        """The first moment at which each of them has a price."""
        ...


@runtime_checkable
class LiveData(Recording, Protocol):
    """A feed whose news come while it is asked, by the clock on the wall.

    What comes is always later than any moment that was asked about.
    """

    def halted(self, symbol: str, at_ms: int) -> str | None:
        """Why nobody may trade on what is known of a market at a moment; None when it is right."""
        ...

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Be called after news have come, in a thread of the feed. What it returns ends that."""
        ...


class Fundings(Protocol):
    """What was charged of one swap, by time; a rate is a fraction, below 0 short pays long."""

    def charged(self, at_ms: int) -> Decimal:
        """The rate that is charged at this very moment; 0 when none is."""
        ...

    def next_charge(self, after_ms: int) -> int | None:
        """When one is charged next. Nobody who trades may know it."""
        ...

    def newest(self, at_ms: int, count: int) -> Sequence[Funding]:
        """The newest by a moment, ascending."""
        ...

    def between(self, since_ms: int, until_ms: int, count: int) -> Sequence[Funding]:
        """The first from one moment up to another, which is included."""
        ...

    def interval_ms(self, at_ms: int) -> int | None:
        """How often it is charged, as far as the past tells; None when it does not."""
        ...

    def expected(self, at_ms: int, interval_ms: int) -> int:
        """When the next one may be expected at a moment, by what is past and an interval."""
        ...


class Marks(Protocol):
    """The prices at which positions of one swap are valued."""

    @property
    def is_fine(self) -> bool:
        """Whether they are known all the time; if not, only now and then, for what is charged then."""
        ...

    def price(self, at_ms: int) -> Decimal | None:
        """The mark price of a moment; None where none is known."""
        ...

    def opening_price(self, at_ms: int) -> Decimal | None:
        """The mark price of a moment at which it was recorded; None of another one."""
        ...

    def first_move(
        self, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> int | None:
        """The first moment in (after_ms, until_ms] that reaches one of two prices, or that begins a gap.

        :param low: None when no fall matters
        :param high: None when no rise matters
        """
        ...

    def candles(self, timeframe: str, since_ms: int | None, until_ms: int, limit: int) -> list[Candle]:
        """Candles of it; see `Feed.candles`."""
        ...

    def span(self, at_ms: int) -> tuple[int, int] | None:
        """From when on and up to when prices are known, of those that begin by a moment; None of none."""
        ...


@runtime_checkable
class SwapData(Recording, Protocol):
    """A feed that may know more of swaps than their prices."""

    def fundings(self, symbol: str) -> Fundings | None:
        """What was charged of a swap; None where nothing is known of it."""
        ...

    def marks(self, symbol: str) -> Marks | None:
        """The mark prices of a swap; None where nothing is known of them."""
        ...


def candle_open(timeframe: str, at_ms: int) -> int:
    """When the candle that holds a moment opens.

    :raises ValueError: `timeframe` is not one of `TIMEFRAMES`
    """
    if timeframe == "1w":
        return (at_ms - _MONDAY_MS) // _WEEK_MS * _WEEK_MS + _MONDAY_MS
    if timeframe == "1M":
        day = (_EPOCH + timedelta(milliseconds=at_ms)).replace(hour=0, minute=0, second=0, microsecond=0)
        return (day.replace(day=1) - _EPOCH) // timedelta(milliseconds=1)
    return at_ms - at_ms % _length(timeframe)


def next_open(timeframe: str, open_ms: int) -> int:
    """When the candle after the one that opens at `open_ms` opens."""
    if timeframe == "1M":
        return candle_open(timeframe, open_ms + 31 * _DAY_MS)
    return open_ms + _length(timeframe)


def candle_opens(
    timeframe: str, since_ms: int | None, until_ms: int, limit: int, earliest_ms: int = 0
) -> list[int]:
    """The openings of the candles that a `Feed.candles` call gives.

    :param earliest_ms: there is nothing before this
    :raises ValueError: `timeframe` is not one of `TIMEFRAMES`
    """
    newest = candle_open(timeframe, until_ms)
    opens: list[int] = []
    if since_ms is None:
        while len(opens) < limit and newest >= earliest_ms:
            opens.append(newest)
            newest = candle_open(timeframe, newest - 1)
        opens.reverse()
        return opens
    start = max(since_ms, earliest_ms)
    following = candle_open(timeframe, start)
    if following < start:
        following = next_open(timeframe, following)
    while len(opens) < limit and following <= newest:
        opens.append(following)
        following = next_open(timeframe, following)
    return opens


def _length(timeframe: str) -> int:
    try:
        return TIMEFRAMES[timeframe]
    except KeyError:
        raise ValueError(f"timeframe: expected one of {', '.join(TIMEFRAMES)}, got {timeframe!r}") from None
