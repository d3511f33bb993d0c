"""A run taken apart: the account as a whole, each strategy and each symbol, each with its curve."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, TypeVar

from ccxt_driver.backtest.run import Run
from ccxt_driver.contract.rows import LedgerKind

from .equity import Book, Change, Curve, equity_curve
from .records import Records, read_records
from .round_trips import Booked, RoundTrip, follow
from .valuation import Valuation

_FLOWS: Final = (LedgerKind.DEPOSIT, LedgerKind.WITHDRAW)
_Key = TypeVar("_Key", int, str)


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
    booked: list[Booked]
    round_trips: list[RoundTrip]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a report is made of.

    :param strategies: by id, ascending
    :param symbols: by symbol, ascending
    :param unvalued: what was held and has no price in the currency of the run: it counts as nothing
    """

    run: Run
    account: Part
    strategies: dict[int, Part]
    symbols: dict[str, Part]
    unvalued: list[str]


def analyse(run: Run) -> Analysis:
    """Take a run apart.

    :raises ValueError: a row of it that makes no sense, or a time that ends before it starts
    """
    if run.end_ms < run.start_ms:
        raise ValueError(f"end_ms: expected a time not before start_ms {run.start_ms}, got {run.end_ms}")
    return _Analyst(run, read_records(run)).run()


class _Analyst:
    def __init__(self, run: Run, records: Records) -> None:
        self._run = run
        self._records = records
        self._valuation = Valuation(run.markets, run.prices, run.currency)
        self._holdings = follow(records, self._valuation)
        last_ms = max((booked.change.time_ms for booked in self._holdings.booked), default=0)
        self._span = run.start_ms, max(run.end_ms, last_ms)
        self._all: Part | None = None
        """What one strategy did, or what was done in one symbol, if there is but one: both are the same."""

    def run(self) -> Analysis:
        account, unvalued = self._account()
        by_strategy: Counter[int] = Counter()
        by_symbol: Counter[str] = Counter()
        for row in self._run.orders:  # once: rows of orders are made when they are looked at
            by_strategy[row.get("strategy_id") or 0] += 1
            by_symbol[row["symbol"]] += 1
        return Analysis(
            self._run,
            account,
            self._parts(account.start, by_strategy, _strategy_of),
            self._parts(account.start, by_symbol, _symbol_of),
            sorted(unvalued),
        )

    def _account(self) -> tuple[Part, set[str]]:
        start_ms, end_ms = self._span
        book = Book(self._run.markets, self._valuation)
        changes = []
        for entry in self._records.entries:
            change = Change(entry.time_ms, ((entry.currency, entry.amount),), flow=entry.kind in _FLOWS)
            if change.flow and entry.time_ms <= start_ms:
                book.apply(change)
            elif entry.time_ms <= end_ms:
                changes.append(change)
        start, unvalued = book.value(start_ms), book.unvalued()
        changes += [
            Change(change.time_ms, (), change.swap, change.held)
            for change in (booked.change for booked in self._holdings.booked)
        ]
        changes.sort(key=lambda change: change.time_ms)
        curve = equity_curve(book, changes, self._valuation, self._span)
        flows = sum((self._value_of(change) for change in changes if change.flow), Decimal(0))
        part = Part(
            curve,
            start,
            book.value(end_ms),
            flows,
            len(self._run.orders),
            self._holdings.booked,
            self._holdings.round_trips,
        )
        return part, unvalued | book.unvalued()

    def _value_of(self, change: Change) -> Decimal:
        return sum(
            (self._valuation.value(amount, code, change.time_ms) for code, amount in change.cash), Decimal(0)
        )

    def _parts(
        self, start: Decimal, orders: Mapping[_Key, int], key: Callable[[Booked | RoundTrip], _Key]
    ) -> dict[_Key, Part]:
        """Each with the money that the account started with, as if nobody else had traded."""
        booked: dict[_Key, list[Booked]] = defaultdict(list)
        round_trips: dict[_Key, list[RoundTrip]] = defaultdict(list)
        for row in self._holdings.booked:
            booked[key(row)].append(row)
        for trip in self._holdings.round_trips:
            round_trips[key(trip)].append(trip)
        names: set[_Key] = set(orders) | set(booked)
        return {
            name: self._part(start, orders.get(name, 0), booked[name], round_trips[name])
            for name in sorted(names)
        }

    def _part(self, start: Decimal, orders: int, booked: list[Booked], round_trips: list[RoundTrip]) -> Part:
        everything = len(booked) == len(self._holdings.booked)
        if everything and self._all is not None:
            return replace(self._all, orders=orders)
        book = Book(self._run.markets, self._valuation)
        book.cash[self._run.currency] = start
        curve = equity_curve(book, [row.change for row in booked], self._valuation, self._span)
        part = Part(curve, start, book.value(self._span[1]), Decimal(0), orders, booked, round_trips)
        if everything:
            self._all = part
        return part


def _strategy_of(item: Booked | RoundTrip) -> int:
    return item.strategy_id


def _symbol_of(item: Booked | RoundTrip) -> str:
    return item.symbol
