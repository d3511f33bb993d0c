"""What a file says, in pages: where each begins and what happened in it, the rest read when asked for.

A file is indexed only as far as somebody has asked. Of a page that was indexed stay its place in the
file and how far the price went; a few pages are kept whole.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from ccxt_driver.oms.market.file_rows import BadFile, RowFile
from ccxt_driver.oms.market.prints import Page, Prints, Summary, joined

_KEPT_PAGES: Final = 4


@dataclass(slots=True)
class FileReport:
    """What was found in one file, as far as it was read.

    :param symbol: of its market
    :param kind: candles, trades, quotes, book, mark or funding; empty of a file that is of no use here
    :param timeframe: of candles, and what the name of a file of funding rates says
    :param use: what it is good for: the price, the book, candles before the price begins, the mark price,
        funding rates, or nothing and why
    :param rows: rows taken
    :param duplicates: rows left out, as one with the same time (of trades: with the same id) was there
    :param conflicting: those of them that say something else than the row that was taken
    :param off_tick: prices that were rounded to the market's tick, by more than floats can tell
    :param noisy: prices beside the tick by no more than sums of floats leave, such as 1.5019999999999999
    :param missing: candles or funding rates that are not there between the first and the last
    :param gaps: the first of the gaps, as the time of the first missing candle or rate and of the one after
    """

    path: str
    rows: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    duplicates: int = 0
    conflicting: int = 0
    off_tick: int = 0
    noisy: int = 0
    missing: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    complete: bool = False
    symbol: str = ""
    kind: str = ""
    timeframe: str = ""
    use: str = ""


_Page = TypeVar("_Page", bound=Page)
_PageOut = TypeVar("_PageOut", bound=Page, covariant=True)


class Decoder(Protocol[_PageOut]):
    """Makes pages of rows. What it gives of a row depends on that row and the one before alone."""

    @property
    def file(self) -> RowFile:
        """What it reads."""
        ...

    @property
    def rows_a_page(self) -> int:
        """How many rows make a page."""
        ...

    def page(self, columns: Sequence[Sequence[Any]], prior: Any, report: FileReport) -> tuple[_PageOut, Any]:
        """A page.

        :param columns: of its rows, see `RowFile.read`
        :param prior: what the page before left, None for the first
        :param report: is told what was found
        :returns: the page, and what it leaves to the next
        :raises BadFile: a row that makes no sense
        """
        ...


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


class Pages(Generic[_Page]):
    """The pages of one file.

    :param decoder: makes them
    :param report: is told what is found
    """

    def __init__(self, decoder: Decoder[_Page], report: FileReport) -> None:
        self.report = report
        self.entries: list[_Entry] = []
        self.firsts: list[int] = []
        """When each page begins."""
        self._lasts: list[int] = []
        self._decoder: Decoder[_Page] = decoder
        self._kept: dict[int, _Page] = {}
        self._asked_ms = -1
        self._found: tuple[int, _Page, int] | None = None
        """The newest by `_asked_ms`: the same moment is asked about several times."""
        self._next: int | None = 0
        self._prior: Any = None
        self._bad: str | None = None
        """Why the file cannot be read any further."""
        self._count = 0

    def reach(self, at_ms: int) -> None:
        """Index every page that begins by a moment."""
        while self._next is not None and (not self.entries or self.entries[-1].last_ms <= at_ms):
            self._index()

    def read_all(self) -> None:
        """Index the whole file."""
        while self._next is not None:
            self._index()

    def all(self) -> Iterator[_Page]:
        """Every page, from the first to the last."""
        number = 0
        while True:
            while self._next is not None and number == len(self.entries):
                self._index()
            if number == len(self.entries):
                return
            yield self.page(number)
            number += 1

    def page(self, number: int) -> _Page:
        """A page, read again when it is not one of those kept."""
        page = self._kept.get(number)
        if page is None:
            entry = self.entries[number]
            columns, _ = self._decoder.file.read(entry.offset, self._decoder.rows_a_page)
            page, _ = self._decoder.page(columns, entry.prior, FileReport(""))
            self._keep(number, page)
        return page

    def last_by(self, at_ms: int) -> tuple[int, _Page, int] | None:
        """The newest by a moment: number of its page, the page, and the index in it."""
        if at_ms == self._asked_ms:
            return self._found
        entries = self.entries
        if self._next is not None and (not entries or entries[-1].last_ms <= at_ms):
            self.reach(at_ms)
        number = bisect_right(self.firsts, at_ms) - 1
        if number < 0:
            return None
        page = self.page(number)
        self._asked_ms, self._found = at_ms, (number, page, page.count_by(at_ms) - 1)
        return self._found

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
            yield number, page, page.count_by(after_ms), page.count_by(until_ms)
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

    def end_ms(self) -> int:
        """When the file ends; of one that is empty 0."""
        rows = self._decoder.file.last()
        if rows is not None:
            page, _ = self._decoder.page(rows, None, FileReport(""))
            if len(page):
                return page.time(-1)
        self.read_all()
        return self._lasts[-1] if self._lasts else 0

    def next_news(self, after_ms: int) -> int | None:
        """The first time after another at which there is something new; None when there is nothing more."""
        self.reach(after_ms)
        number = bisect_right(self._lasts, after_ms)
        while number < len(self.entries):
            found = self.page(number).next_news(after_ms)
            if found is not None:
                return found
            number += 1
            self.reach(self._lasts[-1])
        return None

    def _index(self) -> None:
        if self._bad is not None:  # whoever has caught it before must not go on behind these rows
            raise BadFile(self._bad)
        offset, prior = self._next or 0, self._prior
        decoder, report = self._decoder, self.report
        try:
            columns, following = decoder.file.read(offset, decoder.rows_a_page)
            page, self._prior = decoder.page(columns, prior, report)
        except BadFile as error:
            self._bad = str(error)
            raise
        self._next = following
        report.complete = self._next is None
        if not len(page):
            return
        first_ms, last_ms = page.time(0), page.time(-1)
        if report.first_ms is None:
            report.first_ms = first_ms
        report.last_ms = last_ms
        high, low = page.extremes()
        self._keep(len(self.entries), page)
        self.entries.append(_Entry(offset, prior, first_ms, last_ms, self._count, high, low))
        self.firsts.append(first_ms)
        self._lasts.append(last_ms)
        self._count += len(page)

    def _keep(self, number: int, page: _Page) -> None:
        if len(self._kept) >= _KEPT_PAGES:
            del self._kept[next(iter(self._kept))]
        self._kept[number] = page


class PrintPages(Pages[Prints]):
    """The pages of a file of prints; what each comes to is kept once it was asked for."""

    def __init__(self, decoder: Decoder[Prints], report: FileReport) -> None:
        super().__init__(decoder, report)
        self._summaries: dict[int, Summary] = {}

    def summary(self, number: int) -> Summary:
        """What a whole page comes to."""
        found = self._summaries.get(number)
        if found is None:
            page = self.page(number)
            found = self._summaries[number] = page.summary(0, len(page))
        return found


def stretch(pages: PrintPages, start_ms: int, end_ms: int) -> Summary | None:
    """What was printed in [start_ms, end_ms); None when nothing was.

    :param end_ms: not after what `reach` has been asked for
    """
    found: list[Summary] = []
    first = max(0, bisect_left(pages.firsts, start_ms) - 1)
    for number in range(first, bisect_left(pages.firsts, end_ms)):
        entry = pages.entries[number]
        if start_ms <= entry.first_ms and entry.last_ms < end_ms:
            found.append(pages.summary(number))
            continue
        page = pages.page(number)
        start, end = page.count_by(start_ms - 1), page.count_by(end_ms - 1)
        if start < end:
            found.append(page.summary(start, end))
    return joined(found) if found else None
