"""A feed of recorded market data: candles, trades, quotes and order books from files.

What the venue shows at a moment is made of rows of that moment or before, of all kinds from the same
ones: the last price, the candles of every timeframe and the public trades come from the trades of a
symbol, or from its candles where there are no trades; the book from its order books, or from its
quotes, or from the last price.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from ccxt_driver.oms.market.bar_paths import AsThePrice, BarPath, OpenHighLowClose
from ccxt_driver.oms.market.book_sizes import BookSize, Unlimited
from ccxt_driver.oms.market.decoders import BookDecoder, CandleDecoder, MiddleDecoder, TradeDecoder
from ccxt_driver.oms.market.feed import (
    EXACT,
    TIMEFRAMES,
    Candle,
    Fundings,
    Level,
    NoPrice,
    Quote,
    Trade,
    candle_open,
    candle_opens,
    next_open,
)
from ccxt_driver.oms.market.file_markets import book_sides, market_of, quote_sides
from ccxt_driver.oms.market.file_names import DataFile, Ignored, Paths, find
from ccxt_driver.oms.market.file_rows import BadFile, Kind, WithoutVolume, open_rows
from ccxt_driver.oms.market.funding_rates import FundingRates, read_funding_rates
from ccxt_driver.oms.market.history import Histories, History
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS, Market, UnknownSymbol
from ccxt_driver.oms.market.marks import RecordedMarks
from ccxt_driver.oms.market.prints import ZERO, BarPrints, Bars, Books, Moves, Prints, TradePrints, joined
from ccxt_driver.oms.market.tape import Decoder, FileReport, Pages, PrintPages, stretch

_KEPT_CANDLES: Final = 20_000
_CANDLES: Final = ("candles", "mark")
_LONGEST_MARKS: Final = "1m"
"""Where the price does not come from candles: those of mark prices that positions can be valued at."""
_OF_FUNDINGS: Final = "mark price of fundings alone: its candles are not as long as those of the price"
_TELLING_BOOKS: Final = 3
"""So many within the length of a candle tell the way inside it; one or two come with it, early or late."""
_MARK_PLACES: Final = 8
"""Mark prices are means: finer than the tick by so many decimals."""


class FileFeed:
    """A `Feed` of files: see `EmbeddedOms(feed=...)`.

    The name of a file says what is in it: `BTC_USDT-1m.csv` are candles, `BTC_USDT-trades.csv` public
    trades, `BTC_USDT-quotes.csv` best bids and asks, `BTC_USDT-book.csv` order books, and
    `BTC_USDT_USDT-1m.csv` candles of the swap BTC/USDT:USDT, `BTC_USDT_USDT-funding_rate.csv` its funding.
    Instead of csv: json, jsonl, feather, parquet, and csv, json and jsonl with .gz. Folders may be those of
    freqtrade's data downloads.

    The finest of a symbol's files moves its price: trades, or else the shortest candles, or else the
    middle of quotes or books. Longer candles serve only what closes before that price begins.

    Files are read as time goes on, a page at a time; memory does not grow with them.

    :param paths: files, or folders of files; other names in a folder are ignored
    :param markets: what the symbols are; by default those of the paper venue, and for other symbols
        the tick and the lot that the first rows of their files show
    :param path: how the price moves inside a candle
    :param spread_ticks: ticks between bid and ask where files have no book
    :param size: how much rests there
    :raises BadFile: a file that cannot be used, naming it
    :raises ValueError: another parameter that makes no sense
    """

    def __init__(
        self,
        paths: Paths,
        *,
        markets: Iterable[Market] | None = None,
        path: BarPath | None = None,
        spread_ticks: int = 1,
        size: BookSize | None = None,
    ) -> None:
        if type(spread_ticks) is not int or spread_ticks < 1:
            raise ValueError(f"spread_ticks: expected a whole number above 0, got {spread_ticks!r}")
        known = {market.symbol: market for market in (DEFAULT_MARKETS if markets is None else markets)}
        by_symbol: dict[str, list[DataFile]] = {}
        found, ignored = find(paths)
        self._unused = [unused_report(file) for file in ignored]
        for file in found:
            if file.is_price:
                by_symbol.setdefault(file.symbol, []).append(file)
        if not by_symbol:
            raise BadFile(f"{found[0].path}: expected a file of prices beside it")
        self._tapes: dict[str, Tape] = {}
        for symbol, files in sorted(by_symbol.items()):
            market = known.get(symbol)
            if market is None and markets is not None:
                raise ValueError(f"markets: expected {symbol} among them, as {files[0].path} is of it")
            market = market or market_of(symbol, files)
            self._tapes[symbol] = Tape(
                market, files, path or OpenHighLowClose(), spread_ticks, size or Unlimited()
            )
        self._fundings: dict[str, FundingRates] = {}
        self._funding_reports: list[FileReport] = []
        for file in self._best(found, "funding"):
            self._fundings[file.symbol], report = read_funding_rates(file)
            report.use = "funding rates"
            self._funding_reports.append(report)
        self._marks: dict[str, RecordedMarks] = {}
        for file in self._best(found, "mark"):
            self._add_marks(file, path or OpenHighLowClose())

    @property
    def markets(self) -> tuple[Market, ...]:
        """The markets of the files, by symbol."""
        return tuple(tape.market for tape in self._tapes.values())

    @property
    def start_ms(self) -> int:
        """The first moment at which every symbol has a price.

        :raises BadFile: a symbol whose files are all empty
        """
        return max(self.begins_ms.values())

    @property
    def begins_ms(self) -> dict[str, int]:
        """By symbol, the first moment at which it has a price.

        :raises BadFile: a symbol whose files are all empty
        """
        return {symbol: tape.first_ms() for symbol, tape in self._tapes.items()}

    def is_way_known(self, symbol: str, at_ms: int) -> bool:
        """Whether three or more quotes or books tell the way inside a candle: nothing is assumed."""
        return self._tape(symbol).is_way_known(at_ms)

    @property
    def end_ms(self) -> int:
        """The last moment of which any symbol has something."""
        return max(pages.end_ms() for pages in self._pages())

    def next_news(self, after_ms: int) -> int | None:
        """The first time after another at which something was recorded of any symbol; None at the end.

        Of a candle only its opening counts: what it does inside is assumed, not recorded.
        """
        marks = [pages for each in self._marks.values() if each.is_fine for pages in each.tape.pages]
        times = [pages.next_news(after_ms) for pages in (*self._pages(), *marks)]
        return min((time for time in times if time is not None), default=None)

    def timeframe(self, symbol: str) -> str | None:
        """That of the candles that a symbol's price comes from; None where it comes from something else."""
        return self._tape(symbol).timeframe

    def check(self) -> list[FileReport]:
        """Read every file to its end, and say what was found in each.

        :raises BadFile: a row that makes no sense, or out of order
        """
        for tape in self._all_tapes():
            tape.read_all()
        return self.report()

    def reach(self, at_ms: int) -> list[str]:
        """Read every file up to a moment, so that `report` says the same whoever has looked at which of them.

        :returns: names of those that end before in a row that makes no sense, or out of order
        """
        bad = []
        for pages in (pages for tape in self._all_tapes() for pages in tape.all_pages()):
            try:
                pages.reach(at_ms)
            except BadFile:
                bad.append(pages.report.path)
        return bad

    def report(self) -> list[FileReport]:
        """What was found so far, by file; at the end files that are of no use.

        :raises BadFile: a symbol whose price has no row
        """
        reports = [report for tape in self._tapes.values() for report in tape.reports()]
        marks = [report for each in self._marks.values() for report in each.tape.reports()]
        return reports + self._funding_reports + marks + self._unused

    def came_from(self, symbol: str, at_ms: int) -> Decimal | None:
        """Where the price was before it moved at a moment; see `Moving.came_from`."""
        return self._tape(symbol).came_from(at_ms)

    def book_on_the_way(
        self, symbol: str, at_ms: int, last: Decimal
    ) -> tuple[Sequence[Level], Sequence[Level]]:
        """The book at a price that a move passes; see `Moving.book_on_the_way`."""
        return self._tape(symbol).book_on_the_way(at_ms, last)

    def fundings(self, symbol: str) -> Fundings | None:
        """What was charged of a swap; None where no file has its funding rates."""
        return self._fundings.get(symbol)

    def marks(self, symbol: str) -> RecordedMarks | None:
        """The mark prices of a swap; None where no file has them."""
        return self._marks.get(symbol)

    @property
    def step_ms(self) -> int:
        """A row may be of any millisecond."""
        return 1

    def quote(self, symbol: str, at_ms: int) -> Quote:
        """The quote as of a moment.

        :raises NoPrice: the files begin later
        """
        return self._tape(symbol).quote(at_ms)

    def book(self, symbol: str, at_ms: int) -> tuple[Sequence[Level], Sequence[Level]]:
        """The book as of a moment."""
        top = self._tape(symbol).top(at_ms)
        return top.bids, top.asks

    def book_version(self, symbol: str, at_ms: int) -> int:
        """How many rows there were by a moment."""
        return self._tape(symbol).version(at_ms)

    def first_move(
        self, symbol: str, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> Quote | None:
        """The first quote that reaches one of two prices; see `Feed.first_move`."""
        return self._tape(symbol).first_move(after_ms, until_ms, low, high)

    def candles(
        self, symbol: str, timeframe: str, since_ms: int | None, until_ms: int, limit: int
    ) -> list[Candle]:
        """Candles in ascending order; flat and without volume where nothing was recorded."""
        return self._tape(symbol).candles(timeframe, since_ms, until_ms, limit)

    def trades(self, symbol: str, since_ms: int | None, until_ms: int, limit: int) -> list[Trade]:
        """Public trades in ascending order; see `Feed.trades`."""
        return self._tape(symbol).trades(since_ms, until_ms, limit)

    def bars(self, symbol: str) -> Iterator[Bars]:
        """Pages of the candles that a symbol's price comes from, from the first to the last.

        They are those that the OMS reads: a page that both are at is made once. A page reaches into
        the future of whoever has not seen all of it.

        :raises ValueError: the price comes from trades, quotes or books
        """
        return self._tape(symbol).bars()

    def ticks(self, symbol: str) -> Iterator[TradePrints]:
        """Pages of the trades that a symbol's price comes from, as `bars` gives candles.

        Of quotes and books they are the moves of the middle, with an amount of 0.

        :raises ValueError: the price comes from candles
        """
        for page in self._tape(symbol).prints():
            if not isinstance(page, TradePrints):
                raise ValueError(f"{symbol}: expected a price that comes from trades, quotes or books")
            yield page

    def moves(self, symbol: str) -> Iterator[Moves]:
        """Pages of all that a symbol's price does, also on the assumed way through candles; see `bars`."""
        return self._tape(symbol).moves()

    def _best(self, files: Iterable[DataFile], kind: Kind) -> Iterator[DataFile]:
        """Of each symbol that has a price the best file of a kind; the others are of no use."""
        by_symbol: dict[str, list[DataFile]] = {}
        for file in files:
            if file.kind == kind and file.symbol in self._tapes:
                by_symbol.setdefault(file.symbol, []).append(file)
            elif file.kind == kind:
                self._unused.append(_report_of(file, f"nothing: there is no price of {file.symbol}"))
        for _, rows in sorted(by_symbol.items()):
            # Of mark prices those that positions can be valued at go first.
            best, *others = sorted(
                _shortest_first(rows), key=lambda file: kind == "mark" and not self._is_fine(file)
            )
            self._unused += [_report_of(file, f"nothing: there is {best.path.name}") for file in others]
            yield best

    def _is_fine(self, file: DataFile) -> bool:
        """Whether candles of mark prices tell as much of the time between as the price: no less, no more.

        Of both the way inside a candle is assumed. Minutes would run ahead of the hours of a price.
        """
        price = self._tapes[file.symbol].timeframe
        if price is None:
            return TIMEFRAMES[file.timeframe] <= TIMEFRAMES[_LONGEST_MARKS]
        return file.timeframe == price

    def _add_marks(self, file: DataFile, path: BarPath) -> None:
        price, is_fine = self._tapes[file.symbol], self._is_fine(file)
        if is_fine and price.timeframe is not None:
            path = AsThePrice(path, price.candle)
        marks = read_marks(file, price.market, path, is_fine)
        if marks.tape.pages[0].first_ms() is None:
            self._unused.append(_report_of(file, "nothing: it has no row"))
        else:
            self._marks[file.symbol] = marks

    def _tape(self, symbol: str) -> Tape:
        try:
            return self._tapes[symbol]
        except KeyError:
            raise UnknownSymbol(symbol) from None

    def _all_tapes(self) -> Iterator[Tape]:
        """Those of prices and of mark prices."""
        yield from self._tapes.values()
        for marks in self._marks.values():
            yield marks.tape

    def _pages(self) -> Iterator[Pages[Any]]:
        """Of the prices and books of all symbols."""
        for tape in self._tapes.values():
            yield from tape.pages


class _Top(NamedTuple):
    """What is known of the price at a moment."""

    time_ms: int
    bids: Sequence[Level]
    asks: Sequence[Level]
    last: Decimal


class Tape:
    """The files of one symbol."""

    def __init__(
        self,
        market: Market,
        files: Sequence[DataFile],
        path: BarPath,
        spread_ticks: int,
        size: BookSize,
        use: str = "price",
    ) -> None:
        self.market = market
        self._top: _Top | None = None
        """As of `_top_ms`: the same moment is asked about several times."""
        self._top_ms = -1
        self._spread = EXACT.multiply(market.tick_size, Decimal(spread_ticks))
        self._size = size
        one_of_each = {(file.kind, TIMEFRAMES.get(file.timeframe, 0)): file for file in files}
        if len(one_of_each) < len(files):
            names = ", ".join(str(file.path) for file in files)
            raise BadFile(f"{market.symbol}: expected one file of each kind and timeframe, got {names}")
        by_kind = {kind: file for (kind, _), file in one_of_each.items() if kind not in _CANDLES}
        candles = [file for (kind, _), file in sorted(one_of_each.items()) if kind in _CANDLES]
        book = by_kind.get("book") or by_kind.get("quotes")
        self._unused = [by_kind["quotes"]] if "book" in by_kind and "quotes" in by_kind else []
        self._books = None if book is None else Pages(self._book_decoder(book), _report_of(book, "book"))
        price = by_kind.get("trades") or (candles.pop(0) if candles else book)
        if price is None:
            raise AssertionError("a symbol has files")
        self.timeframe = price.timeframe or None
        self._prints = PrintPages(self._print_decoder(price, path), _report_of(price, use))
        self._coarser = [
            History(file.timeframe, PrintPages(self._print_decoder(file, path), _report_of(file)))
            for file in candles
        ]
        self._known_histories: Histories | None = None
        self.pages: list[Pages[Any]] = [self._prints]
        if self._books is not None:
            self.pages.append(self._books)
        # Finished candles never change; the same ones are asked for again and again.
        self._candles: OrderedDict[tuple[str, int], Candle] = OrderedDict()

    def read_all(self) -> None:
        """Read every file to its end."""
        for pages in self.all_pages():
            pages.read_all()

    def reports(self) -> list[FileReport]:
        """What was found so far in every file."""
        for each in self._coarser:
            each.pages.report.use = self._histories().use_of(each)
        unused = [_report_of(file, "nothing: there are order books") for file in self._unused]
        return [pages.report for pages in self.all_pages()] + unused

    def all_pages(self) -> Iterator[Pages[Any]]:
        """Those of every file that is of use."""
        yield from self.pages
        for each in self._coarser:
            yield each.pages

    def _histories(self) -> Histories:
        if self._known_histories is None:
            self._known_histories = Histories(self._coarser, self.first_ms())
        return self._known_histories

    def _book_decoder(self, file: DataFile) -> BookDecoder:
        sides = book_sides if file.kind == "book" else quote_sides
        return BookDecoder(open_rows(file.path, file.kind), self.market.tick_size, sides)

    def _print_decoder(self, file: DataFile, path: BarPath) -> Decoder[Prints]:
        tick = self.market.tick_size
        if file.kind == "trades":
            return TradeDecoder(open_rows(file.path, "trades"), tick)
        if file.kind in _CANDLES:
            rows = open_rows(file.path, file.kind)
            rows = WithoutVolume(rows) if file.kind == "mark" else rows
            return CandleDecoder(rows, tick, file.timeframe, path)
        return MiddleDecoder(self._book_decoder(file))

    def first_ms(self) -> int:
        """When the price begins."""
        first = self._prints.first_ms()
        if first is None:
            raise BadFile(f"{self._prints.report.path}: expected at least one row")
        return first

    def prints(self) -> Iterator[Prints]:
        """The pages of what the price comes from."""
        return self._prints.all()

    def bars(self) -> Iterator[Bars]:
        """Pages of the candles that the price comes from; see `FileFeed.bars`."""
        for page in self.prints():
            if not isinstance(page, BarPrints):
                raise ValueError(f"{self.market.symbol}: expected a price that comes from candles")
            yield page.bars

    def moves(self) -> Iterator[Moves]:
        """Pages of all that the price does; see `FileFeed.moves`."""
        return (page.moves() for page in self.prints())

    def version(self, at_ms: int) -> int:
        """How many prints and books there were by a moment."""
        books = 0 if self._books is None else self._books.count_by(at_ms)
        return self._prints.count_by(at_ms) + books

    def quote(self, at_ms: int) -> Quote:
        """The best prices and the last one as of a moment; see `_joined`."""
        top = self.top(at_ms)
        return Quote(top.time_ms, top.bids[0].price, top.asks[0].price, top.last)

    def _passing_quote(self, at_ms: int) -> Quote:
        """As `quote`, of one of many moments that are looked through: no book is made for it."""
        if self._books is not None:
            return self.quote(at_ms)
        page, index = self._last_print(at_ms)
        price = page.price(index)
        return Quote(page.time(index), *self._around(price, page.buys(index)), price)

    def top(self, at_ms: int) -> _Top:
        """The book and the last price as of a moment; see `_joined`."""
        if at_ms != self._top_ms or self._top is None:
            self._top = self._joined(*self._last_print(at_ms), self._book_by(at_ms))
            self._top_ms = at_ms
        return self._top

    def _last_print(self, at_ms: int) -> tuple[Prints, int]:
        found = self._prints.last_by(at_ms)
        if found is None:
            raise NoPrice(f"{self.market.symbol}: its files have nothing of {at_ms} or before")
        return found[1:]

    def _book_by(self, at_ms: int) -> tuple[Books, int] | None:
        found = None if self._books is None else self._books.last_by(at_ms)
        return None if found is None else found[1:]

    def _joined(self, page: Prints, index: int, book: tuple[Books, int] | None) -> _Top:
        """The price after a print and a book.

        A print that came after the book and lies outside of it shows that the book has moved on: then
        the bid and the ask are those of the print. A print before it that lies outside is over, and so
        is a point inside a candle whose way is known: the last price of the quote is then the nearer of
        bid and ask.
        """
        time_ms, price = page.time(index), page.price(index)
        if book is not None:
            books, at = book
            bids, asks, book_ms = books.bids[at], books.asks[at], books.times[at]
            last = min(max(price, bids[0].price), asks[0].price)
            if last == price or time_ms <= book_ms or self.is_way_known(time_ms):
                return _Top(max(time_ms, book_ms), bids, asks, last)
        return _Top(time_ms, *self._levels(page, index, price), price)

    def is_way_known(self, at_ms: int) -> bool:
        """Whether quotes or books tell the way inside a candle: enough came within its length by a moment."""
        books = self._books
        if books is None or self.timeframe is None:
            return False
        before_ms = at_ms - TIMEFRAMES[self.timeframe]
        return books.count_by(at_ms) - books.count_by(before_ms) >= _TELLING_BOOKS

    def came_from(self, at_ms: int) -> Decimal | None:
        """See `Moving.came_from`: candles have a way inside, and nothing is known of any between two."""
        if self._books is not None:
            return None
        found = self._prints.last_by(at_ms)
        if found is None:
            return None
        _, page, index = found
        return page.before(index) if page.time(index) == at_ms else None

    def book_on_the_way(self, at_ms: int, last: Decimal) -> tuple[Sequence[Level], Sequence[Level]]:
        """See `Moving.book_on_the_way`."""
        return self._levels(*self._last_print(at_ms), last)

    def _levels(self, page: Prints, index: int, price: Decimal) -> tuple[Sequence[Level], Sequence[Level]]:
        """The book around a price, as large as a print shows."""
        bid, ask = self._around(price, page.buys(index))
        qty = self._resting(page, index)
        return (Level(bid, qty),), (Level(ask, qty),)

    def _resting(self, page: Prints, index: int) -> Decimal:
        """How much rests on each side after a print."""
        printed = page.traded_by(index)
        if printed is None:
            before = self._prints.last_by(page.time(index) - 1)
            printed = None if before is None else before[1].traded_by(before[2])
        return self._size.qty(printed or ZERO, self.market.lot_size)

    def _around(self, price: Decimal, buys: bool) -> tuple[Decimal, Decimal]:
        """A buyer paid the ask, a seller got the bid; no bid is below one tick."""
        if not buys:
            return price, EXACT.add(price, self._spread)
        bid = EXACT.subtract(price, self._spread)
        tick = self.market.tick_size
        return (bid, price) if bid >= tick else (tick, max(price, EXACT.add(tick, tick)))

    # ------------------------------------------------------------------ what moves

    def first_move(
        self, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> Quote | None:
        """The first quote in (after_ms, until_ms] that reaches one of two prices.

        Goes from page to page, and looks into those whose highest and lowest price allow it.
        """
        cursor = max(after_ms, self.first_ms() - 1)
        while cursor < until_ms:
            end_ms = min(until_ms, *(pages.end_after(cursor, until_ms) for pages in self.pages))
            if self._may_reach(cursor, end_ms, low, high):
                for time_ms in self._times(cursor, end_ms, low, high):
                    quote = self._passing_quote(time_ms)
                    if (low is not None and quote.bid <= low) or (high is not None and quote.ask >= high):
                        return quote
            cursor = end_ms
        return None

    def _may_reach(self, after_ms: int, end_ms: int, low: Decimal | None, high: Decimal | None) -> bool:
        """Whether what is known by `end_ms`, or was in force at `after_ms`, reaches one of two prices."""
        for pages in self.pages:
            slack = self._spread if pages is self._prints else ZERO
            start = max(0, bisect_right(pages.firsts, after_ms) - 1)
            for entry in pages.entries[start : bisect_right(pages.firsts, end_ms)]:
                if low is not None and EXACT.subtract(entry.low, slack) <= low:
                    return True
                if high is not None and EXACT.add(entry.high, slack) >= high:
                    return True
        return False

    def _times(self, after_ms: int, end_ms: int, low: Decimal | None, high: Decimal | None) -> Iterable[int]:
        """When the quote may have reached one of two prices in (after_ms, end_ms], ascending."""
        if self._books is not None:
            times: set[int] = set()
            for pages in self.pages:
                for _, page, start, end in pages.between(after_ms, end_ms):
                    times.update(map(page.time, range(start, end)))
            return sorted(times)
        return self._print_times(
            after_ms,
            end_ms,
            None if low is None else EXACT.add(low, self._spread),
            None if high is None else EXACT.subtract(high, self._spread),
        )

    def _print_times(
        self, after_ms: int, end_ms: int, low: Decimal | None, high: Decimal | None
    ) -> Iterator[int]:
        """When a price at or below `low` or at or above `high` was printed, and when a moment ended so."""
        for _, page, start, end in self._prints.between(after_ms, end_ms):
            yield from map(page.time, page.reaching(start, end, low, high))

    # ------------------------------------------------------------------ candles and trades

    def candles(self, timeframe: str, since_ms: int | None, until_ms: int, limit: int) -> list[Candle]:
        """See `Feed.candles`."""
        known, found = self._candles, []
        earliest_ms = candle_open(timeframe, self.first_ms())
        if self._coarser:
            earliest_ms = min(earliest_ms, self._histories().first_ms(timeframe) or earliest_ms)
        for open_ms in candle_opens(timeframe, since_ms, until_ms, limit, earliest_ms):
            candle = known.get((timeframe, open_ms))
            end_ms = next_open(timeframe, open_ms)
            # One that is finished now may have been asked about as of a time when it was not.
            if candle is None or end_ms > until_ms + 1:
                candle = self._candle(timeframe, open_ms, min(end_ms, until_ms + 1))
                if candle is None:
                    continue
                if end_ms <= until_ms + 1:
                    known[timeframe, open_ms] = candle
                    if len(known) > _KEPT_CANDLES:
                        known.popitem(last=False)
            found.append(candle)
        return found

    def candle(self, open_ms: int) -> Candle | None:
        """The whole candle of the price that opens at a moment, as nobody may see it yet; None before all."""
        timeframe = self.timeframe or _LONGEST_MARKS
        found = self.candles(timeframe, open_ms, next_open(timeframe, open_ms) - 1, 1)
        return found[0] if found else None

    def _candle(self, timeframe: str, open_ms: int, end_ms: int) -> Candle | None:
        """A candle as far as it is known; None when nothing is."""
        begins_ms = self.first_ms()
        parts = []
        if open_ms < begins_ms and self._coarser:
            parts.append(self._histories().made(timeframe, open_ms, end_ms))
        if end_ms > begins_ms:
            self._prints.reach(end_ms - 1)
            parts.append(stretch(self._prints, open_ms, end_ms))
        made = [part for part in parts if part is not None]
        if made:
            return Candle(open_ms, *joined(made))
        if end_ms <= begins_ms:
            return None
        page, index = self._last_print(open_ms - 1)
        price = page.price(index)
        return Candle(open_ms, price, price, price, price, ZERO)

    def trades(self, since_ms: int | None, until_ms: int, limit: int) -> list[Trade]:
        """See `Feed.trades`."""
        if limit < 1:
            return []
        found: list[Trade] = []
        if since_ms is not None:
            for number, page, start, end in self._prints.between(since_ms - 1, until_ms):
                found += self._trades_of(number, page, range(start, end), limit - len(found))
                if len(found) == limit:
                    break
            return found
        newest = self._prints.last_by(until_ms)
        if newest is None:
            return []
        number, page, index = newest
        while True:
            found += self._trades_of(number, page, range(index, -1, -1), limit - len(found))
            if len(found) == limit or number == 0:
                return found[::-1]
            number -= 1
            page = self._prints.page(number)
            index = len(page) - 1

    def _trades_of(self, number: int, page: Prints, indexes: Iterable[int], limit: int) -> list[Trade]:
        """Trades of a page in the order of the indexes; a print without a quantity is none."""
        count = self._prints.entries[number].before
        found: list[Trade] = []
        for index in indexes:
            if len(found) == limit:
                break
            qty = page.qty(index)
            if qty:
                trade_id = page.trade_id(index) or str(count + index + 1)
                side: Literal["buy", "sell"] = "buy" if page.buys(index) else "sell"
                found.append(Trade(trade_id, page.time(index), page.price(index), qty, side))
        return found


def read_marks(file: DataFile, market: Market, path: BarPath, is_fine: bool) -> RecordedMarks:
    """The mark prices in a file; it is read as time goes on."""
    exact = replace(market, tick_size=market.tick_size.scaleb(-_MARK_PLACES))
    use = "mark price" if is_fine else _OF_FUNDINGS
    tape = Tape(exact, [file], path, 1, Unlimited(), use)
    return RecordedMarks(tape, file.timeframe, is_fine)


def _shortest_first(files: Sequence[DataFile]) -> list[DataFile]:
    """Files of one symbol and kind, those without a timeframe first.

    :raises BadFile: two of one timeframe
    """
    if len({file.timeframe for file in files}) < len(files):
        names = ", ".join(str(file.path) for file in files)
        raise BadFile(f"{files[0].symbol}: expected one file of each kind and timeframe, got {names}")
    return sorted(files, key=lambda file: TIMEFRAMES.get(file.timeframe, 0))


def unused_report(file: Ignored) -> FileReport:
    """Of a file that is of no use."""
    return FileReport(str(file.path), symbol=file.symbol, use=f"nothing: {file.reason}")


def _report_of(file: DataFile, use: str = "") -> FileReport:
    return FileReport(str(file.path), symbol=file.symbol, kind=file.kind, timeframe=file.timeframe, use=use)
