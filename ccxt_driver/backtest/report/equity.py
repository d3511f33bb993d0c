"""Equity over time: balances, coins at their last prices, and what open swaps have made so far.

Between two changes of what is held, equity is a sum of prices. It is looked at whenever one of these prices
is there, so neither a peak nor a trough is missed that `Run.prices` shows; what is kept are samples.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

from ccxt_driver.backtest.run import Prices
from ccxt_driver.oms.market.listing import Market

from .records import ZERO
from .valuation import EXACT, Chain, Valuation

_MINUTE: Final = 60_000
_STEPS: Final = tuple(_MINUTE * minutes for minutes in (1, 5, 15, 30, 60, 120, 240, 480, 720, 1440))
MOST_STEPS: Final = 5_000
_NOISE: Final = 1e-10
"""Relative; sums of floats that ought to be equal differ by less."""
_Term = tuple[float, Chain]


def step_of(span_ms: int) -> int:
    """How far samples are apart: the shortest step that makes no more than 5,000 of them, at most a day.

    All steps divide a day, so there is a sample at each midnight of UTC.
    """
    return next((step for step in _STEPS if span_ms <= step * MOST_STEPS), _STEPS[-1])


class Change(NamedTuple):
    """What a row of a run does to what is held.

    :param cash: currencies and amounts
    :param swap: symbol, base units and their value at entry in quote units, both below 0 of a sale
    :param held: symbol, by how much its position changes in base units, and by how much the sum of its
        positions without their signs
    :param flow: money that comes or goes, and is neither profit nor loss
    """

    time_ms: int
    cash: tuple[tuple[str, Decimal], ...]
    swap: tuple[str, Decimal, Decimal] | None = None
    held: tuple[str, Decimal, Decimal] | None = None
    flow: bool = False


@dataclass(slots=True)
class Drawdown:
    """The deepest fall from a peak.

    :param share: of the peak, 0.1 is 10 %
    :param amount: in the currency of the run
    :param recovered_ms: when the peak was reached again; None when it was not
    """

    share: float
    amount: float
    peak_ms: int
    trough_ms: int
    recovered_ms: int | None = None


@dataclass(slots=True)
class Curve:
    """Samples at a fixed step, at every change, at the start and at the end; all of one length.

    `times` are milliseconds since the Unix epoch. Of each sample: `equity`; `lowest` and `highest` equity
    since the sample before; `index`, which is equity without the jumps of deposits and withdrawals;
    `drawdown`, the largest share by which the index was below its peak since the sample before; `gross` and
    `net` value of positions. Values are in the currency of the run.
    """

    step_ms: int
    times: list[int] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    lowest: list[float] = field(default_factory=list)
    highest: list[float] = field(default_factory=list)
    index: list[float] = field(default_factory=list)
    drawdown: list[float] = field(default_factory=list)
    gross: list[float] = field(default_factory=list)
    net: list[float] = field(default_factory=list)
    deepest: Drawdown | None = None
    longest_ms: int = 0
    """From a peak until it was reached again, or to the end; the longest there was."""


class Book:
    """What is held, and what it is worth.

    :param cash: amounts by currency
    """

    def __init__(self, markets: Mapping[str, Market], valuation: Valuation) -> None:
        self._markets = markets
        self._valuation = valuation
        self.cash: dict[str, Decimal] = defaultdict(Decimal)
        self._swaps: dict[str, Decimal] = defaultdict(Decimal)
        self._entries: dict[str, Decimal] = defaultdict(Decimal)
        self.net: dict[str, Decimal] = defaultdict(Decimal)
        self.gross: dict[str, Decimal] = defaultdict(Decimal)

    def apply(self, change: Change) -> None:
        """Book a change."""
        for code, amount in change.cash:
            self.cash[code] += amount
        if change.swap is not None:
            symbol, qty, entry_value = change.swap
            self._swaps[symbol] += qty
            self._entries[symbol] += entry_value
        if change.held is not None:
            symbol, net, gross = change.held
            self.net[symbol] += net
            self.gross[symbol] += gross

    def _amounts(self) -> Iterable[tuple[Decimal, Chain | None, str]]:
        """Amounts, the ways to the currency of the run, and what they are of."""
        cash = self.cash.copy()
        for symbol, qty in self._swaps.items():
            market = self._markets[symbol]
            chain = self._valuation.swap_chain(market)
            if chain is not None:
                cash[market.settle or market.quote] -= self._entries[symbol]
            if qty:
                yield qty, chain, symbol
        for code, amount in cash.items():
            if amount:
                yield amount, self._valuation.chain(code), code

    def value(self, at_ms: int) -> Decimal:
        """Equity at a moment, exact, in the currency of the run."""
        with localcontext(EXACT):
            return sum(
                (
                    amount * self._valuation.rate(chain, at_ms)
                    for amount, chain, _ in self._amounts()
                    if chain is not None
                ),
                ZERO,
            )

    def unvalued(self) -> set[str]:
        """Currencies and swaps that are held, and that have no price."""
        return {name for _, chain, name in self._amounts() if chain is None}

    def terms(self) -> tuple[float, list[_Term]]:
        """Equity as a constant, and factors of prices."""
        constant, terms = 0.0, []
        for amount, chain, _ in self._amounts():
            if chain == ():
                constant += float(amount)
            elif chain is not None:
                terms.append((float(amount), chain))
        return constant, terms

    def position_terms(self, held: Mapping[str, Decimal]) -> list[_Term]:
        """The value of positions as factors of prices.

        :param held: base units by symbol
        """
        terms = []
        for symbol, qty in held.items():
            if not qty:
                continue
            market = self._markets[symbol]
            chain = self._valuation.swap_chain(market)
            if market.settle is None:
                chain = self._valuation.chain(market.base)
            if chain is not None:
                terms.append((float(qty), chain))
        return terms


def equity_curve(book: Book, changes: Sequence[Change], valuation: Valuation, span: tuple[int, int]) -> Curve:
    """Follow what a book is worth.

    :param book: as it is at the start; afterwards as it is at the end
    :param changes: ascending in time
    :param span: start and end, milliseconds since the Unix epoch
    """
    with localcontext(EXACT):
        return _Walk(book, valuation, span).run(changes)


class _Walk:
    def __init__(self, book: Book, valuation: Valuation, span: tuple[int, int]) -> None:
        self._book = book
        self._valuation = valuation
        self._start_ms, self._end_ms = span
        self._curve = Curve(step_of(self._end_ms - self._start_ms))
        self._now = self._start_ms
        self._factor = 1.0
        """From equity to the index."""
        self._look_at_book()
        equity = self._value(self._terms, self._start_ms, self._constant)
        self._peaks = _Peaks(self._start_ms, equity)
        self._sample(equity, [equity])

    def run(self, changes: Sequence[Change]) -> Curve:
        step, index = self._curve.step_ms, 0
        while index < len(changes):
            at_ms = max(changes[index].time_ms, self._start_ms)
            self._pass_steps(at_ms, step)
            values = self._pass(at_ms)
            first = index
            while index < len(changes) and changes[index].time_ms <= at_ms:
                index += 1
            self._change(changes[first:index], values)
        self._pass_steps(self._end_ms, step)
        if self._now < self._end_ms:
            values = self._pass(self._end_ms)
            self._sample(values[-1], values)
        self._curve.deepest, self._curve.longest_ms = self._peaks.deepest, self._peaks.longest(self._now)
        return self._curve

    def _pass_steps(self, until_ms: int, step: int) -> None:
        """Sample at each step before a moment."""
        for at_ms in range((self._now // step + 1) * step, until_ms, step):
            values = self._pass(at_ms)
            self._sample(values[-1], values)

    def _pass(self, until_ms: int) -> list[float]:
        """Equity at every price up to a moment, and at the moment itself."""
        times, columns = self._columns(until_ms)
        values = _sum_terms(self._constant, self._terms, columns, len(times))
        factor = self._factor
        self._peaks.see(times, values if factor == 1 else [value * factor for value in values], factor)
        self._now = until_ms
        return values

    def _columns(self, until_ms: int) -> tuple[list[int], dict[str, list[float]]]:
        """The prices that matter: of each symbol at every time at which one of them had a price."""
        symbols, prices = self._symbols, self._valuation.prices
        if not symbols:
            return [until_ms], {}
        found = {symbol: _window(prices[symbol], self._now, until_ms) for symbol in symbols}
        first = found[symbols[0]][0]
        if all(times == first for times, _ in found.values()):
            return first, {symbol: values for symbol, (_, values) in found.items()}
        union = sorted(set().union(*(times for times, _ in found.values())))
        return union, {
            symbol: _carried(union, times, values, self._valuation.price(symbol, self._now))
            for symbol, (times, values) in found.items()
        }

    def _change(self, changes: Sequence[Change], values: list[float]) -> None:
        before, now = values[-1], self._now
        flow = 0.0
        for change in changes:
            self._book.apply(change)
            if change.flow:
                flow += float(sum(self._valuation.value(amount, code, now) for code, amount in change.cash))
        self._look_at_book()
        if flow and before > 0 and before + flow > 0:
            self._factor *= before / (before + flow)
        equity = self._value(self._terms, now, self._constant)
        self._peaks.see([now], [equity * self._factor], self._factor)
        values.append(equity)
        self._sample(equity, values)

    def _look_at_book(self) -> None:
        book = self._book
        self._constant, self._terms = book.terms()
        self._gross, self._net = book.position_terms(book.gross), book.position_terms(book.net)
        self._symbols = list(dict.fromkeys(link.symbol for _, chain in self._terms for link in chain))

    def _value(self, terms: list[_Term], at_ms: int, constant: float = 0.0) -> float:
        if not terms:
            return constant
        columns = {
            link.symbol: [self._valuation.price(link.symbol, at_ms)] for _, chain in terms for link in chain
        }
        return _sum_terms(constant, terms, columns, 1)[0]

    def _sample(self, equity: float, values: list[float]) -> None:
        curve = self._curve
        curve.times.append(self._now)
        curve.equity.append(equity)
        curve.lowest.append(min(values))
        curve.highest.append(max(values))
        curve.index.append(equity * self._factor)
        curve.drawdown.append(self._peaks.take_deepest())
        curve.gross.append(self._value(self._gross, self._now))
        curve.net.append(self._value(self._net, self._now))


def _window(prices: Prices, after_ms: int, until_ms: int) -> tuple[list[int], list[float]]:
    """Prices in (after, until], and at the end the last one once more."""
    first = bisect_right(prices.times, after_ms)
    end = bisect_right(prices.times, until_ms, first)
    last = prices.values[max(0, end - 1)]
    return [*prices.times[first:end], until_ms], [*prices.values[first:end], last]


def _carried(
    union: Sequence[int], times: Sequence[int], values: Sequence[float], before: float
) -> list[float]:
    """The last value at each time of a longer list."""
    known = dict(zip(times, values, strict=True))
    carried = []
    for time in union:
        before = known.get(time, before)
        carried.append(before)
    return carried


def _sum_terms(
    constant: float, terms: list[_Term], columns: Mapping[str, list[float]], length: int
) -> list[float]:
    values = [constant] * length
    for amount, chain in terms:
        if len(chain) == 1 and not chain[0].inverse:
            column = columns[chain[0].symbol]
            values = [value + amount * price for value, price in zip(values, column, strict=True)]
            continue
        worth = [amount] * length
        for symbol, inverse in chain:
            pairs = zip(worth, columns[symbol], strict=True)
            worth = (
                [one / price for one, price in pairs] if inverse else [one * price for one, price in pairs]
            )
        values = [value + one for value, one in zip(values, worth, strict=True)]
    return values


class _Peaks:
    """The highest index so far, and the falls from it."""

    def __init__(self, at_ms: int, index: float) -> None:
        self._peak = index
        self._peak_ms = at_ms
        self._falling = False
        self._longest_ms = 0
        self._since = 0.0
        self.deepest: Drawdown | None = None

    def see(self, times: Sequence[int], values: Sequence[float], factor: float) -> None:
        """Take note of values of the index, at their times."""
        edge = self._peak - abs(self._peak) * _NOISE
        if max(values) < edge:  # nearly always, and then the lowest is all that matters
            lowest = min(values)
            self._fall(lowest, times[values.index(lowest)], factor)
            return
        for time, value in zip(times, values, strict=True):
            if value < self._peak - abs(self._peak) * _NOISE:
                self._fall(value, time, factor)
            else:
                self._rise(value, time)

    def take_deepest(self) -> float:
        """The deepest fall since this was asked last, as a share of its peak."""
        deepest, self._since = self._since, 0.0
        return deepest

    def longest(self, now: int) -> int:
        """The longest time under a peak, in milliseconds."""
        return max(self._longest_ms, now - self._peak_ms) if self._falling else self._longest_ms

    def _rise(self, value: float, time: int) -> None:
        if self._falling:
            self._longest_ms = max(self._longest_ms, time - self._peak_ms)
            if self.deepest is not None and self.deepest.peak_ms == self._peak_ms:
                self.deepest.recovered_ms = time
        self._falling = False
        self._peak = max(self._peak, value)
        self._peak_ms = time

    def _fall(self, value: float, time: int, factor: float) -> None:
        self._falling = True
        share = 1 - value / self._peak if self._peak > 0 else 0.0
        self._since = max(self._since, share)
        if share > (0 if self.deepest is None else self.deepest.share):
            self.deepest = Drawdown(share, (self._peak - value) / factor, self._peak_ms, time)
