"""What a file says, in pages: where each begins and what happened in it, the rest read when asked for.

A file is indexed only as far as somebody has asked. Of a page that was indexed stay its place in the
file and its summary; a few pages are kept whole.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any, Final, Generic, NamedTuple, TypeVar

from ccxt_driver.oms.market.bar_paths import BarPath
from ccxt_driver.oms.market.feed import EXACT, Candle, Level, candle_open, next_open
from ccxt_driver.oms.market.file_rows import BadFile, Row, RowFile

ZERO: Final = Decimal(0)
_KEPT_PAGES: Final = 8
BLOCK: Final = 64
_NAMED_GAPS: Final = 100
_LEAST_MS: Final = 10**11  # 1973: a smaller number is seconds
_QUARTER: Final = Decimal("0.25")
_MOST_MS: Final = 10**14  # 5138: a larger one is microseconds


@dataclass(slots=True)
class FileReport:
    """What was found in one file, as far as it was read.

    :param rows: rows taken
    :param duplicates: rows left out, as one with the same time (of trades: with the same id) was there
    :param off_tick: prices that were rounded to the market's tick
    :param missing: candles that are not there between the first and the last
    :param gaps: the first of the gaps, as the opening of the first missing candle and of the one after
    """

    path: str
    rows: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    duplicates: int = 0
    off_tick: int = 0
    missing: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    complete: bool = False


class Summary(NamedTuple):
    """What a stretch of prints comes to."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class Prints:
    """A page of prints: things that traded, or points on the way of a candle.

    `buys` says of each whether the taker bought.
    """

    __slots__ = ("_blocks", "buys", "ids", "prices", "qtys", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.prices: list[Decimal] = []
        self.qtys: list[Decimal] = []
        self.buys: list[bool] = []
        self.ids: list[str | None] | None = None
        self._blocks: list[tuple[Decimal, Decimal, Decimal]] | None = None

    def summary(self, start: int, end: int) -> Summary:
        """What the prints from one up to another make; there is at least one.

        High, low and volume of each 64 are kept: a long candle is made of them.
        """
        prices, qtys = self.prices, self.qtys
        if end - start <= 2 * BLOCK:
            part = prices[start:end]
            return Summary(part[0], max(part), min(part), part[-1], _sum(qtys[start:end]))
        blocks = self.blocks()
        first, last = -(-start // BLOCK), end // BLOCK
        inner = blocks[first:last]
        edges = prices[start : first * BLOCK] + prices[last * BLOCK : end]
        volume = _sum([block[2] for block in inner])
        volume = EXACT.add(volume, _sum(qtys[start : first * BLOCK] + qtys[last * BLOCK : end]))
        high = max([*edges, *(block[0] for block in inner)])
        low = min([*edges, *(block[1] for block in inner)])
        return Summary(prices[start], high, low, prices[end - 1], volume)

    def blocks(self) -> list[tuple[Decimal, Decimal, Decimal]]:
        """High, low and volume of every 64 prints."""
        if self._blocks is None:
            self._blocks = [
                (max(part), min(part), _sum(self.qtys[start : start + BLOCK]))
                for start in range(0, len(self.prices), BLOCK)
                for part in [self.prices[start : start + BLOCK]]
            ]
        return self._blocks


class Books:
    """A page of order books, or of quotes: books of one level either side."""

    __slots__ = ("asks", "bids", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.bids: list[tuple[Level, ...]] = []
        self.asks: list[tuple[Level, ...]] = []


_Page = TypeVar("_Page", Prints, Books)


class Decoder(Generic[_Page]):
    """Makes pages of rows. What it gives of a row depends on that row and the one before alone.

    :param tick: prices are rounded to multiples of it
    """

    def __init__(self, file: RowFile, tick: Decimal, rows_a_page: int) -> None:
        self.file = file
        self.tick = tick
        self.rows_a_page = rows_a_page

    def page(self, rows: Sequence[Row], prior: Any, report: FileReport) -> tuple[_Page, Any]:
        """A page.

        :param prior: what the page before left, None for the first
        :returns: the page, and what it leaves to the next
        :raises BadFile: a row that makes no sense
        """
        raise NotImplementedError

    def bad(self, row: Row, expected: str) -> BadFile:
        """What to raise for a row."""
        return BadFile(f"{self.file.path}: row {', '.join(map(str, row))[:100]}: expected {expected}")

    def time(self, row: Row) -> int:
        """The time of a row."""
        try:
            time_ms = int(row[0])
        except (TypeError, ValueError, IndexError):
            raise self.bad(row, "a timestamp in milliseconds") from None
        if not _LEAST_MS < time_ms < _MOST_MS:
            raise self.bad(row, "a timestamp in milliseconds")
        return time_ms

    def later(self, row: Row, time_ms: int, before: int | None) -> None:
        """Refuse a row that is earlier than the one before it."""
        if before is not None and time_ms < before:
            raise self.bad(row, f"rows in order of time, the one before is of {before}")

    def number(self, row: Row, value: Any) -> Decimal:
        """A finite number that is not below zero."""
        try:
            number = Decimal(value) if type(value) is str else Decimal(str(value))
        except ArithmeticError:
            raise self.bad(row, f"a number, got {value!r}") from None
        if not number.is_finite() or number < ZERO:
            raise self.bad(row, f"a number of 0 or more, got {value!r}")
        return number

    def price(self, row: Row, value: Any, report: FileReport) -> Decimal:
        """A price above zero, on the tick."""
        number = self.number(row, value)
        tick = self.tick
        if EXACT.remainder(number, tick):
            report.off_tick += 1
            ticks = EXACT.divide(number, tick).to_integral_value(ROUND_HALF_EVEN)
            number = EXACT.multiply(ticks, tick)
        if not number:
            raise self.bad(row, f"a price of at least {tick}, got {value!r}")
        return number


class CandleDecoder(Decoder[Prints]):
    """Candles of one timeframe, each as the prints of a path through it.

    The prints share the candle's volume. Those of a candle without volume count as no trades.

    :param path: how the price moved inside
    """

    def __init__(
        self, file: RowFile, tick: Decimal, timeframe: str, path: BarPath, rows_a_page: int = 1_024
    ) -> None:
        super().__init__(file, tick, rows_a_page)
        self._timeframe = timeframe
        self._path = path

    def page(self, rows: Sequence[Row], prior: Any, report: FileReport) -> tuple[Prints, Any]:
        """See `Decoder.page`; what is left to the next page is the last opening."""
        page = Prints()
        for row in rows:
            open_ms = self.time(row)
            self.later(row, open_ms, prior)
            if open_ms == prior:
                report.duplicates += 1
                continue
            if candle_open(self._timeframe, open_ms) != open_ms:
                raise self.bad(row, f"the opening of a {self._timeframe} candle in UTC")
            if prior is not None:
                self._gap(next_open(self._timeframe, prior), open_ms, report)
            prior = open_ms
            report.rows += 1
            self._add(page, row, open_ms, report)
        return page, prior

    def _gap(self, due_ms: int, open_ms: int, report: FileReport) -> None:
        if due_ms == open_ms:
            return
        if len(report.gaps) < _NAMED_GAPS:
            report.gaps.append((due_ms, open_ms))
        while due_ms < open_ms:
            report.missing += 1
            due_ms = next_open(self._timeframe, due_ms)

    def _add(self, page: Prints, row: Row, open_ms: int, report: FileReport) -> None:
        try:
            _, first, high, low, close, volume = row
        except ValueError:
            raise self.bad(row, "timestamp, open, high, low, close, volume") from None
        first, high, low, close = (self.price(row, value, report) for value in (first, high, low, close))
        candle = Candle(open_ms, first, high, low, close, self.number(row, volume))
        if not (low <= first <= high and low <= close <= high):
            raise self.bad(row, "a low and a high around open and close")
        points = self._path.points(candle)
        if len(points) < 2:
            raise ValueError(f"path: expected at least an open and a close of a candle, got {len(points)}")
        length, parts = next_open(self._timeframe, open_ms) - open_ms - 1, max(1, len(points) - 1)
        share, rest = _shares(candle.volume, len(points))
        page.times.extend([open_ms + length * index // parts for index in range(len(points))])
        page.prices.extend(points)
        page.qtys.extend([share] * parts)
        page.qtys.append(rest)
        before = points[0]
        for point in points:
            page.buys.append(point >= before)
            before = point


class TradeDecoder(Decoder[Prints]):
    """Public trades. One without a side took the side that the price moved to."""

    def page(self, rows: Sequence[Row], prior: Any, report: FileReport) -> tuple[Prints, Any]:
        """See `Decoder.page`; left to the next: time, price and side of the last, ids of that time."""
        page = Prints()
        page.ids = []
        last_ms, last, buys, ids = prior or (None, None, True, frozenset())
        for row in rows:
            time_ms = self.time(row)
            self.later(row, time_ms, last_ms)
            _, price, qty, side, trade_id = row
            trade_id = None if trade_id in (None, "") else str(trade_id)
            if time_ms != last_ms:
                ids = frozenset()
            elif trade_id in ids:
                report.duplicates += 1
                continue
            if trade_id is not None:
                ids |= {trade_id}
            price = self.price(row, price, report)
            if side in ("buy", "sell"):
                buys = side == "buy"
            elif last is not None and price != last:
                buys = price > last
            page.times.append(time_ms)
            page.prices.append(price)
            page.qtys.append(self.number(row, qty))
            page.buys.append(buys)
            page.ids.append(trade_id)
            last_ms, last = time_ms, price
            report.rows += 1
        return page, (last_ms, last, buys, ids)


class BookDecoder(Decoder[Books]):
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

    def page(self, rows: Sequence[Row], prior: Any, report: FileReport) -> tuple[Books, Any]:
        """See `Decoder.page`; what is left to the next page is the last time."""
        page = Books()
        for row in rows:
            time_ms = self.time(row)
            self.later(row, time_ms, prior)
            try:
                bids, asks = (self._levels(row, side, report) for side in self._sides(row))
            except (TypeError, ValueError) as error:
                raise self.bad(row, f"prices and quantities: {error}") from error
            if not (bids and asks and bids[0].price < asks[0].price):
                raise self.bad(row, "a best bid below the best ask")
            if time_ms == prior:
                report.duplicates += 1
            else:
                report.rows += 1
            prior = time_ms
            page.times.append(time_ms)
            page.bids.append(bids)
            page.asks.append(asks)
        return page, prior

    def _levels(self, row: Row, side: Sequence[Any], report: FileReport) -> tuple[Level, ...]:
        return tuple(
            Level(self.price(row, level[0], report), self.number(row, level[1]))
            for level in side
            if level[0] not in (None, "")
        )


class MiddleDecoder(Decoder[Prints]):
    """Books or quotes of a symbol that has nothing else: its price is their middle, and nothing traded.

    :param books: reads the file
    """

    def __init__(self, books: BookDecoder) -> None:
        super().__init__(books.file, books.tick, books.rows_a_page)
        self._books = books

    def page(self, rows: Sequence[Row], prior: Any, report: FileReport) -> tuple[Prints, Any]:
        """See `Decoder.page`; left to the next: what the books leave, the last price and its direction."""
        before, last, buys = prior or (None, None, True)
        books, before = self._books.page(rows, before, report)
        page = Prints()
        for time_ms, bids, asks in zip(books.times, books.bids, books.asks, strict=True):
            double = EXACT.multiply(self.tick, Decimal(2))
            ticks = EXACT.divide_int(EXACT.add(bids[0].price, asks[0].price), double)
            price = EXACT.multiply(ticks, self.tick)
            if last is not None and price != last:
                buys = price > last
            page.times.append(time_ms)
            page.prices.append(price)
            page.qtys.append(ZERO)
            page.buys.append(buys)
            last = price
        return page, (before, last, buys)


class _Entry(NamedTuple):
    """What stays of a page.

    :param before: how many prints or books there are before it
    """

    offset: int
    prior: Any
    first_ms: int
    last_ms: int
    before: int
    high: Decimal
    low: Decimal
    summary: Summary | None


class Pages(Generic[_Page]):
    """The pages of one file.

    :param decoder: makes them
    """

    def __init__(self, decoder: Decoder[_Page]) -> None:
        self.report = FileReport(str(decoder.file.path))
        self.entries: list[_Entry] = []
        self.firsts: list[int] = []
        """When each page begins."""
        self._lasts: list[int] = []
        self._decoder: Decoder[_Page] = decoder
        self._kept: dict[int, _Page] = {}
        self._next: int | None = 0
        self._prior: Any = None
        self._count = 0

    def reach(self, at_ms: int) -> None:
        """Index every page that begins by a moment."""
        while self._next is not None and (not self.entries or self.entries[-1].last_ms <= at_ms):
            self._index()

    def read_all(self) -> None:
        """Index the whole file."""
        while self._next is not None:
            self._index()

    def page(self, number: int) -> _Page:
        """A page, read again when it is not one of those kept."""
        page = self._kept.get(number)
        if page is None:
            entry = self.entries[number]
            rows, _ = self._decoder.file.read(entry.offset, self._decoder.rows_a_page)
            page, _ = self._decoder.page(rows, entry.prior, FileReport(""))
            self._keep(number, page)
        return page

    def last_by(self, at_ms: int) -> tuple[int, _Page, int] | None:
        """The newest by a moment: number of its page, the page, and the index in it."""
        entries = self.entries
        if self._next is not None and (not entries or entries[-1].last_ms <= at_ms):
            self.reach(at_ms)
        number = bisect_right(self.firsts, at_ms) - 1
        if number < 0:
            return None
        page = self.page(number)
        return number, page, bisect_right(page.times, at_ms) - 1

    def end_after(self, at_ms: int, until_ms: int) -> int:
        """When the page ends that has the first row after a moment; `until_ms` when there is none by then."""
        self.reach(at_ms)
        number = bisect_right(self._lasts, at_ms)
        if number == len(self._lasts) or self.firsts[number] > until_ms:
            return until_ms
        end_ms = self._lasts[number]
        self.reach(end_ms)
        return end_ms

    def between(self, after_ms: int, until_ms: int) -> Iterator[tuple[int, _Page, int, int]]:
        """Where the rows in (after_ms, until_ms] are: number of the page, the page, from and up to where."""
        self.reach(after_ms)
        number = bisect_right(self._lasts, after_ms)
        while True:
            if number == len(self.entries):
                self.reach(self._lasts[-1] if self._lasts else until_ms)
            if number == len(self.entries) or self.firsts[number] > until_ms:
                return
            page = self.page(number)
            yield number, page, bisect_right(page.times, after_ms), bisect_right(page.times, until_ms)
            number += 1

    def count_by(self, at_ms: int) -> int:
        """How many there are by a moment."""
        found = self.last_by(at_ms)
        return 0 if found is None else self.entries[found[0]].before + found[2] + 1

    def first_ms(self) -> int | None:
        """When the file begins; None when it is empty."""
        if not self.entries:
            self.reach(0)
        return self.firsts[0] if self.firsts else None

    def _index(self) -> None:
        offset, prior = self._next or 0, self._prior
        decoder, report = self._decoder, self.report
        rows, self._next = decoder.file.read(offset, decoder.rows_a_page)
        page, self._prior = decoder.page(rows, prior, report)
        report.complete = self._next is None
        times = page.times
        if not times:
            return
        if report.first_ms is None:
            report.first_ms = times[0]
        report.last_ms = times[-1]
        high, low, summary = _extremes(page)
        self._keep(len(self.entries), page)
        self.entries.append(_Entry(offset, prior, times[0], times[-1], self._count, high, low, summary))
        self.firsts.append(times[0])
        self._lasts.append(times[-1])
        self._count += len(times)

    def _keep(self, number: int, page: _Page) -> None:
        if len(self._kept) >= _KEPT_PAGES:
            del self._kept[next(iter(self._kept))]
        self._kept[number] = page


def _extremes(page: Prints | Books) -> tuple[Decimal, Decimal, Summary | None]:
    """The highest and the lowest price at which anything may have happened."""
    if isinstance(page, Books):
        return max(asks[0].price for asks in page.asks), min(bids[0].price for bids in page.bids), None
    summary = page.summary(0, len(page.times))
    return summary.high, summary.low, summary


def stretch(pages: Pages[Prints], start_ms: int, end_ms: int) -> Summary | None:
    """What was printed in [start_ms, end_ms); None when nothing was.

    :param end_ms: not after what `reach` has been asked for
    """
    found: list[Summary] = []
    first = max(0, bisect_left(pages.firsts, start_ms) - 1)
    for number in range(first, bisect_left(pages.firsts, end_ms)):
        entry = pages.entries[number]
        if entry.summary is not None and start_ms <= entry.first_ms and entry.last_ms < end_ms:
            found.append(entry.summary)
            continue
        page = pages.page(number)
        start, end = bisect_left(page.times, start_ms), bisect_left(page.times, end_ms)
        if start < end:
            found.append(page.summary(start, end))
    if len(found) < 2:
        return found[0] if found else None
    return Summary(
        found[0].open,
        max([part.high for part in found]),
        min([part.low for part in found]),
        found[-1].close,
        _sum([part.volume for part in found]),
    )


def _sum(values: Sequence[Decimal]) -> Decimal:
    with localcontext(EXACT):
        return sum(values, ZERO)


def _shares(volume: Decimal, parts: int) -> tuple[Decimal, Decimal]:
    """A part of a volume for each but the last, and the last: equal as far as two more decimals reach."""
    if parts == 4:
        quarter = EXACT.multiply(volume, _QUARTER)
        return quarter, quarter
    unit = Decimal((0, (1,), min(0, int(volume.as_tuple().exponent)) - 2))
    share = EXACT.divide(volume, Decimal(parts)).quantize(unit, ROUND_DOWN, EXACT)
    return share, EXACT.subtract(volume, EXACT.multiply(share, Decimal(parts - 1)))
