"""What the rows of a file mean: checked, on the tick, and as pages.

Candles and trades are checked by whole columns. Only a page in which something is unusual is gone through
row by row: to name the row that makes no sense, to leave out duplicates, to round prices to the tick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from math import inf
from operator import le, sub
from typing import Any, Final, NamedTuple

from ccxt_driver.oms.market.bar_paths import BarPath
from ccxt_driver.oms.market.feed import EXACT, TIMEFRAMES, Candle, Level, candle_open, next_open
from ccxt_driver.oms.market.file_rows import BadFile, Columns, Row, RowFile
from ccxt_driver.oms.market.prints import (
    ZERO,
    BarPrints,
    Bars,
    Books,
    Prints,
    Ticks,
    TradePrints,
    exact,
    on_tick,
    way_through,
)
from ccxt_driver.oms.market.tape import FileReport

_NAMED_GAPS: Final = 100
_LEAST_MS: Final = 10**11  # 1973: a smaller number is seconds
_MOST_MS: Final = 10**14  # 5138: a larger one is microseconds
_NUMBERS: Final = frozenset({str, int, float, Decimal})
_SIDES: Final[dict[str, str | None]] = {"buy": "buy", "sell": "sell", "": None}
_MOST_TICKS: Final = 2.0**49  # the floats of neighbouring prices on the tick are then far apart
_NOISE: Final = Decimal("2e-15")
"""Relative: what a few sums of floats leave beside the number that was meant."""
_WHOLE: Final = 2.0**52  # to add and subtract it rounds a float to a whole number


class RowDecoder:
    """What the decoders of all kinds of rows have in common.

    :param file: what it reads
    :param tick: prices are rounded to multiples of it
    :param rows_a_page: how many rows make a page
    """

    def __init__(self, file: RowFile, tick: Decimal, rows_a_page: int) -> None:
        self.file = file
        self.tick = tick
        self.rows_a_page = rows_a_page

    def bad(self, row: Row, report: FileReport, expected: str) -> BadFile:
        """What to raise for a row."""
        number = report.rows + report.duplicates + 1
        text = ", ".join(map(str, row))[:100]
        return BadFile(f"{self.file.path}: row {number} ({text}): expected {expected}")

    def time(self, row: Row, before: int | None, report: FileReport) -> int:
        """The time of a row, not before that of the row before it."""
        try:
            time_ms = int(row[0])
        except (TypeError, ValueError, OverflowError):
            raise self.bad(row, report, "a timestamp in milliseconds") from None
        if not _LEAST_MS < time_ms < _MOST_MS:
            raise self.bad(row, report, "a timestamp in milliseconds")
        if before is not None and time_ms < before:
            raise self.bad(row, report, f"rows in order of time, the one before is of {before}")
        return time_ms

    def number(self, row: Row, value: Any, report: FileReport) -> Decimal:
        """A finite number that is not below zero."""
        try:
            number = exact(value)
        except ArithmeticError:
            raise self.bad(row, report, f"a number, got {value!r}") from None
        if not number.is_finite() or number < ZERO:
            raise self.bad(row, report, f"a number of 0 or more, got {value!r}")
        return number

    def price(self, row: Row, value: Any, report: FileReport) -> Decimal:
        """A price above zero, on the tick."""
        number = self.number(row, value, report)
        price = on_tick(number, self.tick)
        if not price:
            raise self.bad(row, report, f"a price of at least {self.tick}, got {value!r}")
        if price != number and float(price) != float(number):
            if abs(price - number) <= number * _NOISE:
                report.noisy += 1
            else:
                report.off_tick += 1
        return price


# ------------------------------------------------------------------ whole columns


class _Tick:
    """Whether floats are nearest to multiples of a tick."""

    def __init__(self, tick: Decimal) -> None:
        _, digits, exponent = tick.normalize().as_tuple()
        places = -int(exponent)
        self._steps = float(int("".join(map(str, digits))) * 10 ** max(0, -places))
        self._scale = float(10 ** max(0, places))
        self._most = _MOST_TICKS * float(tick)

    def has(self, prices: list[float]) -> bool:
        """Whether all are; False also of prices so high that floats cannot tell."""
        if max(prices) > self._most:
            return False
        steps, scale = self._steps, self._scale
        if steps == 1.0:
            return not [price for price in prices if (price * scale + _WHOLE - _WHOLE) / scale != price]
        ratio = scale / steps
        return not [price for price in prices if (price * ratio + _WHOLE - _WHOLE) * steps / scale != price]


def _times(values: Sequence[Any]) -> list[int] | None:
    """Times that ascend, or stay; None if something is not as usual."""
    try:
        times = [*map(int, values)]
    except (TypeError, ValueError, OverflowError):
        return None
    usual = times and times[0] > _LEAST_MS and times[-1] < _MOST_MS and all(map(le, times, times[1:]))
    return times if usual else None


def _floats(values: Sequence[Any]) -> list[float] | None:
    """Finite numbers of 0 or more; None if something is not as usual."""
    if not _NUMBERS.issuperset(map(type, values)):
        return None
    try:
        floats = [*map(float, values)]
    except (ValueError, OverflowError):
        return None
    # The sum of a column that has one that is no number is none either.
    return floats if min(floats) >= 0 and sum(floats) < inf else None


# ------------------------------------------------------------------ candles


class _Before(NamedTuple):
    """The candle before a page."""

    open_ms: int
    values: Sequence[Any]


class CandleDecoder(RowDecoder):
    """Candles of one timeframe, each as the prints of a path through it.

    :param path: how the price moved inside
    """

    def __init__(
        self, file: RowFile, tick: Decimal, timeframe: str, path: BarPath, rows_a_page: int = 1_024
    ) -> None:
        super().__init__(file, tick, rows_a_page)
        self._timeframe = timeframe
        self._path = path
        self._points: int | None = None
        self._tick = _Tick(tick)

    def page(self, columns: Columns, prior: Any, report: FileReport) -> tuple[Prints, Any]:
        """See `Decoder.page`; what is left to the next page is its last candle."""
        values: Columns = columns[1:]
        bars = self._usual(columns[0], values, prior, report)
        if bars is None:
            opens, values = self._row_by_row(columns, prior, report)
            bars = Bars(opens, *([*map(float, column)] for column in values))
        if bars.opens_ms:
            prior = _Before(bars.opens_ms[-1], [column[-1] for column in values])
        if self._points is None and bars.opens_ms:
            first = (on_tick(exact(column[0]), self.tick) for column in values[:4])
            candle = Candle._make((bars.opens_ms[0], *first, exact(values[4][0])))
            self._points = len(way_through(self._path, candle))
        page = BarPrints(bars, values, self._timeframe, self._path, self._points or 2, self.tick)
        return page, prior

    def _usual(
        self, times: Sequence[Any], values: Columns, prior: _Before | None, report: FileReport
    ) -> Bars | None:
        """The candles of a page in which nothing is unusual but gaps."""
        opens = _times(times)
        if opens is None or (prior is not None and opens[0] <= prior.open_ms):
            return None
        floats = [column for column in map(_floats, values) if column is not None]
        if len(floats) < len(values):
            return None
        first, high, low, close, volume = floats
        around = (
            min(low) > 0
            and all(map(le, low, first))
            and all(map(le, first, high))
            and all(map(le, low, close))
            and all(map(le, close, high))
        )
        if not (around and all(map(self._tick.has, (first, high, low, close)))):
            return None
        if not self._usual_gaps(opens, prior, report):
            return None
        report.rows += len(opens)
        return Bars(opens, first, high, low, close, volume)

    def _usual_gaps(self, opens: list[int], prior: _Before | None, report: FileReport) -> bool:
        """Whether all are openings, each once; if so the gaps are reported."""
        if self._timeframe == "1M" or candle_open(self._timeframe, opens[0]) != opens[0]:
            return False
        length = TIMEFRAMES[self._timeframe]
        gaps: list[int] = []
        if opens != [*range(opens[0], opens[0] + len(opens) * length, length)]:
            steps = [*map(sub, opens[1:], opens)]
            gaps = [index for index, step in enumerate(steps) if step != length]
            if any(steps[index] <= 0 or steps[index] % length for index in gaps):
                return False
        if prior is not None:
            self._gap(prior.open_ms, opens[0], report)
        for index in gaps:
            self._gap(opens[index], opens[index + 1], report)
        return True

    def _row_by_row(
        self, columns: Columns, prior: _Before | None, report: FileReport
    ) -> tuple[list[int], list[list[Decimal]]]:
        opens: list[int] = []
        rows: list[Sequence[Decimal]] = []
        before = None if prior is None else prior.open_ms
        for row in zip(*columns, strict=True):
            open_ms = self.time(row, before, report)
            if open_ms == before:
                kept = rows[-1] if rows else prior.values if prior else ()
                self._duplicate(row, kept, report)
                continue
            if candle_open(self._timeframe, open_ms) != open_ms:
                raise self.bad(row, report, f"the opening of a {self._timeframe} candle in UTC")
            if before is not None:
                self._gap(before, open_ms, report)
            before = open_ms
            rows.append(self._values(row, report))
            opens.append(open_ms)
            report.rows += 1
        return opens, [[*column] for column in zip(*rows, strict=True)] or [[] for _ in range(5)]

    def _values(self, row: Row, report: FileReport) -> tuple[Decimal, ...]:
        _, *prices, volume = row
        first, high, low, close = (self.price(row, value, report) for value in prices)
        if not (low <= first <= high and low <= close <= high):
            raise self.bad(row, report, "a low and a high around open and close")
        return first, high, low, close, self.number(row, volume, report)

    def _duplicate(self, row: Row, kept: Sequence[Any], report: FileReport) -> None:
        """The first of a time counts; whether another one agrees is told."""
        beside = report.off_tick, report.noisy
        values = self._values(row, report)
        taken = (*(on_tick(exact(value), self.tick) for value in kept[:4]), exact(kept[4]))
        report.off_tick, report.noisy = beside  # of rows taken
        report.duplicates += 1
        report.conflicting += values != taken

    def _gap(self, before_ms: int, open_ms: int, report: FileReport) -> None:
        due_ms = next_open(self._timeframe, before_ms)
        if due_ms == open_ms:
            return
        if len(report.gaps) < _NAMED_GAPS:
            report.gaps.append((due_ms, open_ms))
        if self._timeframe != "1M":
            report.missing += (open_ms - due_ms) // TIMEFRAMES[self._timeframe]
            return
        while due_ms < open_ms:
            report.missing += 1
            due_ms = next_open(self._timeframe, due_ms)


# ------------------------------------------------------------------ trades


class _Last(NamedTuple):
    """The trade before a page.

    :param ids: of the trades at its time
    """

    time_ms: int
    price: Decimal
    buys: bool
    ids: frozenset[str]


class TradeDecoder(RowDecoder):
    """Public trades. One without a side took the side that the price moved to."""

    def __init__(self, file: RowFile, tick: Decimal, rows_a_page: int = 4_096) -> None:
        super().__init__(file, tick, rows_a_page)
        self._tick = _Tick(tick)

    def page(self, columns: Columns, prior: Any, report: FileReport) -> tuple[Prints, Any]:
        """See `Decoder.page`; what is left to the next page is its last trade."""
        _, prices, qtys, _, _ = columns
        ticks = self._usual(columns, prior, report)
        if ticks is None:
            ticks, prices, qtys = self._row_by_row(columns, prior, report)
        page = TradePrints(ticks, prices, qtys, self.tick)
        return page, self._left(page, prior)

    def _usual(self, columns: Columns, prior: _Last | None, report: FileReport) -> Ticks | None:
        """The trades of a page in which nothing is unusual."""
        times = _times(columns[0])
        if times is None or (prior is not None and times[0] < prior.time_ms):
            return None
        prices, qtys = _floats(columns[1]), _floats(columns[2])
        if prices is None or qtys is None or not min(prices) > 0 or not self._tick.has(prices):
            return None
        ids = _ids(columns[4])
        known = [trade_id for trade_id in ids if trade_id is not None]
        if len({*known}) < len(known):  # perhaps of other times
            return None
        if prior is not None and times[0] == prior.time_ms and not prior.ids.isdisjoint(known):
            return None
        sides = _known_sides(columns[3])
        if sides is None:
            return None
        report.rows += len(times)
        return Ticks(times, prices, qtys, _buys(sides, prices, prior), ids)

    def _row_by_row(
        self, columns: Columns, prior: _Last | None, report: FileReport
    ) -> tuple[Ticks, list[Decimal], list[Decimal]]:
        ticks = Ticks([], [], [], [], [])
        prices: list[Decimal] = []
        qtys: list[Decimal] = []
        sides: list[Any] = []
        last_ms = None if prior is None else prior.time_ms
        seen: dict[str, tuple[Decimal, Decimal] | None] = dict.fromkeys(prior.ids if prior else ())
        for row in zip(*columns, strict=True):
            time_ms = self.time(row, last_ms, report)
            if time_ms != last_ms:
                seen = {}
            last_ms = time_ms
            [trade_id] = _ids(row[4:])
            if trade_id is not None and trade_id in seen:
                self._duplicate(row, seen[trade_id], report)
                continue
            prices.append(self.price(row, row[1], report))
            qtys.append(self.number(row, row[2], report))
            if trade_id is not None:
                seen[trade_id] = prices[-1], qtys[-1]
            ticks.times_ms.append(time_ms)
            ticks.ids.append(trade_id)
            sides.append(self._side(row, report))
            report.rows += 1
        ticks.price.extend(map(float, prices))
        ticks.amount.extend(map(float, qtys))
        ticks.buys.extend(_buys(sides, ticks.price, prior))
        return ticks, prices, qtys

    def _duplicate(self, row: Row, kept: tuple[Decimal, Decimal] | None, report: FileReport) -> None:
        """The first of an id counts; whether another one agrees is told, unless a page ends between them."""
        beside = report.off_tick, report.noisy
        values = self.price(row, row[1], report), self.number(row, row[2], report)
        report.off_tick, report.noisy = beside  # of rows taken
        report.duplicates += 1
        report.conflicting += kept is not None and values != kept

    def _side(self, row: Row, report: FileReport) -> str | None:
        """The side of a row; None where it has none."""
        sides = _known_sides(row[3:4])
        if sides is None:
            raise self.bad(row, report, f"a side buy or sell, or none, got {row[3]!r}")
        return sides[0]

    def _left(self, page: TradePrints, prior: _Last | None) -> _Last | None:
        if not len(page):
            return prior
        last_ms = page.time(-1)
        first = page.count_by(last_ms - 1)
        ids = {trade_id for trade_id in page.ticks.ids[first:] if trade_id is not None}
        if prior is not None and prior.time_ms == last_ms:
            ids |= prior.ids
        return _Last(last_ms, page.price(-1), page.buys(-1), frozenset(ids))


def _ids(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None or value == "" else str(value) for value in values]


def _known_sides(values: Sequence[Any]) -> list[str | None] | None:
    """The sides of trades, None of those without one; None instead of all if one is neither.

    Capitals do not matter: some exchanges write Buy and Sell.
    """
    known: dict[Any, str | None] = {}
    try:
        distinct = {*values}
    except TypeError:  # a list, of JSON
        return None
    for value in distinct:
        text = "" if value is None or value != value else str(value).strip().lower()
        if text not in _SIDES:
            return None
        known[value] = _SIDES[text]
    return [known[value] for value in values]


def _buys(sides: Sequence[str | None], prices: list[float], prior: _Last | None) -> list[bool]:
    """Whether the takers bought. Of floats of prices on the tick those differ whose prices do."""
    buys = [side == "buy" for side in sides]
    if None not in sides:
        return buys
    side_before, before = (True, None) if prior is None else (prior.buys, float(prior.price))
    for index, (side, price) in enumerate(zip(sides, prices, strict=True)):
        if side is None:
            buys[index] = side_before if before is None or price == before else price > before
        side_before, before = buys[index], price
    return buys


# ------------------------------------------------------------------ books


class BookDecoder(RowDecoder):
    """Order books or quotes. Of several at one time the last counts; the others are duplicates."""

    def __init__(
        self,
        file: RowFile,
        tick: Decimal,
        sides: Callable[[Row], tuple[Sequence[Any], Sequence[Any]]],
        rows_a_page: int = 512,
    ) -> None:
        super().__init__(file, tick, rows_a_page)
        self._sides = sides

    def page(self, columns: Columns, prior: Any, report: FileReport) -> tuple[Books, Any]:
        """See `Decoder.page`; what is left to the next page is the last time."""
        page = Books()
        for row in zip(*columns, strict=True):
            time_ms = self.time(row, prior, report)
            try:
                bids, asks = (tuple(self._levels(row, side, report)) for side in self._sides(row))
            except BadFile:
                raise
            except (TypeError, ValueError, LookupError) as error:
                raise self.bad(row, report, f"prices and quantities: {error}") from error
            if not (bids and asks and bids[0].price < asks[0].price):
                raise self.bad(row, report, "a best bid below the best ask")
            if not (_ascend(bids[::-1]) and _ascend(asks)):
                raise self.bad(row, report, "the best levels of each side first")
            if time_ms == prior:
                report.duplicates += 1
            else:
                report.rows += 1
            prior = time_ms
            page.times.append(time_ms)
            page.bids.append(bids)
            page.asks.append(asks)
        return page, prior

    def _levels(self, row: Row, side: Sequence[Any], report: FileReport) -> Iterator[Level]:
        for level in side:
            if level[0] not in (None, ""):
                yield Level(self.price(row, level[0], report), self.number(row, level[1], report))


def _ascend(levels: Sequence[Level]) -> bool:
    return all(one.price <= other.price for one, other in pairwise(levels))


class MiddleDecoder:
    """Books or quotes of a symbol that has nothing else: its price is their middle, and nothing traded.

    :param books: reads the file
    """

    def __init__(self, books: BookDecoder) -> None:
        self.file = books.file
        self.rows_a_page = books.rows_a_page
        self._tick = books.tick
        self._books = books

    def page(self, columns: Columns, prior: Any, report: FileReport) -> tuple[Prints, Any]:
        """See `Decoder.page`; left to the next: what the books leave, and the last price."""
        before, last = prior or (None, None)
        books, before = self._books.page(columns, before, report)
        double = EXACT.multiply(self._tick, Decimal(2))
        prices = [
            EXACT.multiply(EXACT.divide_int(EXACT.add(bids[0].price, asks[0].price), double), self._tick)
            for bids, asks in zip(books.bids, books.asks, strict=True)
        ]
        nothing: list[Any] = [None] * len(prices)
        floats = [*map(float, prices)]
        ticks = Ticks(books.times, floats, [0.0] * len(prices), _buys(nothing, floats, last), nothing)
        page = TradePrints(ticks, prices, [ZERO] * len(prices), self._tick)
        if prices:
            last = _Last(books.times[-1], prices[-1], ticks.buys[-1], frozenset())
        return page, (before, last)
