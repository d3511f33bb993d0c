"""A run taken apart: the account as a whole, each strategy and each symbol, each with its curve.

The rows of a run are gone through once, and not kept: there may be very many of them.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from ccxt_driver.backtest.run import Run
from ccxt_driver.contract.rows import LedgerKind
from ccxt_driver.oms.entities import LedgerEntry

from .equity import Book, Curve, Walk
from .records import ZERO, Deal, Records
from .round_trips import Booked, Holdings, RoundTrip
from .valuation import EXACT, Valuation

_FLOWS: Final = (LedgerKind.DEPOSIT, LedgerKind.WITHDRAW)
_Key = TypeVar("_Key", int, str)
Row = Mapping[str, Any]
SeesDeal = Callable[[Row, Deal], None]
SeesOrder = Callable[[Row], None]


@dataclass(slots=True)
class Tally:
    """Sums over what was booked; values are in the currency of the run.

    :param makers: how many deals rested in the book
    :param paid: fees by currency, as they were paid
    :param turnover: quantity times price of all deals
    """

    deals: int = 0
    makers: int = 0
    paid: dict[str, Decimal] = field(default_factory=partial(defaultdict, Decimal))
    fees: Decimal = ZERO
    turnover: Decimal = ZERO
    funding: Decimal = ZERO

    def add(self, booked: Booked) -> None:
        """Count one row."""
        deal = booked.deal
        if deal is None:
            self.funding += booked.funding
            return
        self.deals += 1
        self.makers += deal.maker
        if deal.fee:
            self.paid[deal.fee_currency] += deal.fee
            self.fees += booked.fee_value
        self.turnover += booked.cost_value


@dataclass(slots=True)
class Costs:
    """Sums of what the account has paid up to each row, all of one length.

    :param times: milliseconds since the Unix epoch; the first is the start of the run
    :param funding: below 0 what was received
    :param funded: whether there was any
    """

    times: array[int]
    fees: array[float] = field(default_factory=lambda: array("d", [0.0]))
    funding: array[float] = field(default_factory=lambda: array("d", [0.0]))
    funded: bool = False

    def add(self, booked: Booked) -> None:
        """Count one row."""
        self.times.append(booked.change.time_ms)
        self.fees.append(self.fees[-1] + float(booked.fee_value))
        self.funding.append(self.funding[-1] + -float(booked.funding))
        self.funded = self.funded or bool(booked.funding)


@dataclass(frozen=True, slots=True)
class Part:
    """The account, or what belongs to one strategy or to one symbol.

    :param start: equity at the start in the currency of the run, exact
    :param end: equity at the end, exact
    :param flows: what came and went in between, exact
    :param orders: how many
    """

    curve: Curve
    start: Decimal
    end: Decimal
    flows: Decimal
    orders: int
    tally: Tally
    round_trips: list[RoundTrip]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a report is made of.

    :param strategies: by id, ascending
    :param symbols: by symbol, ascending
    :param unvalued: what was held and has no price in the currency of the run: it counts as nothing
    :param path_deals: how many deals depended on how a candle was assumed to move
    """

    run: Run
    account: Part
    strategies: dict[int, Part]
    symbols: dict[str, Part]
    unvalued: list[str]
    costs: Costs
    path_deals: int


def analyse(run: Run, sees_deal: SeesDeal | None = None, sees_order: SeesOrder | None = None) -> Analysis:
    """Take a run apart.

    :param sees_deal: is told of each deal, ascending by id, on the way
    :param sees_order: is told of each order, ascending by id, on the way
    :raises ValueError: a row of it that makes no sense, or a time that ends before it starts
    """
    if run.end_ms < run.start_ms:
        raise ValueError(f"end_ms: expected a time not before start_ms {run.start_ms}, got {run.end_ms}")
    with localcontext(EXACT):
        return _Analyst(run).run(sees_deal, sees_order)


class _Track:
    """The walk and the sums of one part."""

    __slots__ = ("book", "curve", "tally", "walk")

    def __init__(self, book: Book, walk: Walk) -> None:
        self.curve: Curve | None = None
        """Once it is at its end."""
        self.book = book
        self.walk = walk
        self.tally = Tally()

    def add(self, booked: Booked) -> None:
        self.walk.add(booked.change)
        self.tally.add(booked)


class _Tracks(Generic[_Key]):
    """Tracks by key. As long as there is but one key, what is common to all is its track too.

    :param common: of everything that was booked
    :param begin: a track of nothing
    :param fork: a track that goes on from another
    """

    def __init__(
        self,
        key: Callable[[Any], _Key],
        common: _Track,
        begin: Callable[[], _Track],
        fork: Callable[[_Track], _Track],
    ) -> None:
        self.key: Callable[[Any], _Key] = key
        self._common = common
        self._begin = begin
        self._fork = fork
        self.by_key: dict[_Key, _Track] = {}
        self.shared = True
        """Whether it needs what is common to all."""

    def split(self, booked: Booked) -> None:
        """Give a second key a track of its own, before the row goes into any."""
        key = self.key(booked)
        if key in self.by_key:
            return
        if not self.by_key:
            self.by_key[key] = self._common
            return
        if self.shared:
            self.shared = False
            [first] = self.by_key
            self.by_key[first] = self._fork(self._common)
        self.by_key[key] = self._begin()

    def add(self, booked: Booked) -> None:
        """Book a row where it is not common to all."""
        if not self.shared:
            self.by_key[self.key(booked)].add(booked)


class _Analyst:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._records = Records(run)
        self._valuation = Valuation(run.markets, run.prices, run.currency, run.position_prices)
        self._span = run.start_ms, max(run.end_ms, self._records.last_ms())
        self._path_deals = 0
        self._flows = Decimal(0)
        self._costs = Costs(array("q", [run.start_ms]))

    def run(self, sees_deal: SeesDeal | None, sees_order: SeesOrder | None) -> Analysis:
        by_strategy: Counter[int] = Counter()
        by_symbol: Counter[str] = Counter()
        for row in self._run.orders:
            by_strategy[row.get("strategy_id") or 0] += 1
            by_symbol[row["symbol"]] += 1
            if sees_order is not None:
                sees_order(row)
        book = Book(self._run.markets, self._valuation)
        entries = self._opened(book)
        start, unvalued = book.value(self._span[0]), book.unvalued()
        account = _Track(book, Walk(book, self._valuation, self._span))
        self._start = start
        common = self._begin()
        strategies = _Tracks[int](attrgetter("strategy_id"), common, self._begin, self._fork)
        symbols = _Tracks[str](attrgetter("symbol"), common, self._begin, self._fork)
        holdings = Holdings(self._records, self._valuation, self._seeing(sees_deal))
        for item in holdings.follow(entries):
            if isinstance(item, LedgerEntry):
                self._enter(account, item)
                continue
            self._book(account, item)
            strategies.split(item)
            symbols.split(item)
            if strategies.shared or symbols.shared:
                common.add(item)
            strategies.add(item)
            symbols.add(item)
        trips = holdings.round_trips
        part = self._part_of(account, len(self._run.orders), trips)
        return Analysis(
            self._run,
            replace(part, flows=self._flows),
            self._parts(strategies, by_strategy, trips),
            self._parts(symbols, by_symbol, trips),
            sorted(unvalued | book.unvalued()),
            self._costs,
            self._path_deals,
        )

    def _seeing(self, sees_deal: SeesDeal | None) -> SeesDeal:
        path_deals = self._run.path_deals

        def seen(row: Row, deal: Deal) -> None:
            self._path_deals += deal.id in path_deals
            if sees_deal is not None:
                sees_deal(row, deal)

        return seen

    # the account

    def _opened(self, book: Book) -> Iterable[LedgerEntry]:
        """Book what was there at the start; the entries that are left."""
        start_ms = self._span[0]
        left, entries = [], self._records.entries()
        for entry in entries:
            if entry.created_at > start_ms:
                left.append(entry)
                break
            if entry.kind in _FLOWS:
                book.cash[entry.currency] += entry.amount
            else:
                left.append(entry)
        return chain(left, entries)

    def _enter(self, account: _Track, entry: LedgerEntry) -> None:
        time_ms, currency, amount = entry.created_at, entry.currency, entry.amount
        if time_ms > self._span[1]:
            return
        if entry.kind in _FLOWS:
            account.walk.flow(time_ms, currency, amount)
            self._flows += self._valuation.value(amount, currency, time_ms)
        else:
            account.walk.pay(time_ms, currency, amount)

    def _book(self, account: _Track, booked: Booked) -> None:
        account.walk.add(booked.change._replace(cash=()))  # of its money the ledger tells
        account.tally.add(booked)
        self._costs.add(booked)

    # parts of it

    def _begin(self) -> _Track:
        """With the money that the account started with, as if nobody else had traded."""
        book = Book(self._run.markets, self._valuation)
        book.cash[self._run.currency] = self._start
        return _Track(book, Walk(book, self._valuation, self._span))

    def _fork(self, track: _Track) -> _Track:
        shared = (self._valuation, self._valuation.prices, self._run.markets)  # they never change
        return deepcopy(track, {id(each): each for each in shared})

    def _parts(
        self, tracks: _Tracks[_Key], orders: Mapping[_Key, int], trips: list[RoundTrip]
    ) -> dict[_Key, Part]:
        of_key: dict[_Key, list[RoundTrip]] = defaultdict(list)
        for trip in trips:
            of_key[tracks.key(trip)].append(trip)
        names: set[_Key] = set(orders) | set(tracks.by_key)
        return {
            name: self._part_of(tracks.by_key.get(name), orders.get(name, 0), of_key[name])
            for name in sorted(names)
        }

    def _part_of(self, track: _Track | None, orders: int, trips: list[RoundTrip]) -> Part:
        """A part; a track of several is taken to its end once, None stands for one of nothing."""
        track = self._begin() if track is None else track
        if track.curve is None:
            track.curve = track.walk.finish()
        end = track.book.value(self._span[1])
        return Part(track.curve, self._start, end, ZERO, orders, track.tally, trips)
