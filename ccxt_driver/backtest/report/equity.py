"""Equity over time: balances, coins at their last prices, and what open swaps have made so far at theirs.

Between two changes of what is held, equity is a sum of prices. It is looked at whenever one of these prices
is there, so neither a peak nor a trough is missed that those of the `Run` show; what is kept are samples.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from math import inf
from typing import Final, NamedTuple

from ccxt_driver.backtest.run import Prices
from ccxt_driver.oms.market.listing import Market

from .records import ZERO
from .valuation import EXACT, Chain, Valuation, price_on_the_way

_MINUTE: Final = 60_000
_STEPS: Final = tuple(_MINUTE * minutes for minutes in (1, 5, 15, 30, 60, 120, 240, 480, 720, 1440))
MOST_STEPS: Final = 5_000
_NOISE: Final = 1e-10
"""Relative; sums of floats that ought to be equal differ by less."""
_Term = tuple[float, Chain]


def _floats() -> array[float]:
    return array("d")


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
    :param deal: symbol and price of a fill, in quote units
    """

    time_ms: int
    cash: tuple[tuple[str, Decimal], ...]
    swap: tuple[str, Decimal, Decimal] | None = None
    held: tuple[str, Decimal, Decimal] | None = None
    deal: tuple[str, Decimal] | None = None


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
    times: array[int] = field(default_factory=lambda: array("q"))
    equity: array[float] = field(default_factory=_floats)
    lowest: array[float] = field(default_factory=_floats)
    highest: array[float] = field(default_factory=_floats)
    index: array[float] = field(default_factory=_floats)
    drawdown: array[float] = field(default_factory=_floats)
    gross: array[float] = field(default_factory=_floats)
    net: array[float] = field(default_factory=_floats)
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
        cash = self.cash
        if self._swaps:
            cash = cash.copy()
            for symbol, qty in self._swaps.items():
                market = self._markets[symbol]
                chain = self._valuation.position_chain(market)
                if chain is not None:
                    cash[market.settle or market.quote] -= self._entries[symbol]
                if qty:
                    yield qty, chain, symbol
        chains = self._valuation.chains
        for code, amount in cash.items():
            if amount:
                yield amount, chains.get(code), code

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
            if chain:
                terms.append((float(amount), chain))
            elif chain is not None:
                constant += float(amount)
        return constant, terms

    def position_terms(self, held: Mapping[str, Decimal]) -> list[_Term]:
        """The value of positions as factors of prices.

        :param held: base units by symbol
        """
        terms = []
        for symbol, qty in held.items():
            if qty:
                chain = self._valuation.position_chain(self._markets[symbol])
                if chain is not None:
                    terms.append((float(qty), chain))
        return terms


class _LastPrices:
    """The prices of a moment that moves on, looked up anew only when there is another one."""

    def __init__(self, valuation: Valuation) -> None:
        self._prices = valuation.prices
        self._known: dict[str, float] = {}
        self._now = 0
        self.next_ms: float = inf
        """When the first of the prices that were asked for is another."""

    def move_to(self, now: int) -> None:
        """Go on to a later moment."""
        self._now = now
        if now >= self.next_ms:
            self._known.clear()
            self.next_ms = inf

    def of(self, symbol: str) -> float:
        """As `Valuation.price`."""
        price = self._known.get(symbol)
        if price is None:
            times, values = self._prices[symbol]
            following = bisect_right(times, self._now)
            price = self._known[symbol] = values[max(0, following - 1)]
            if following < len(times):
                self.next_ms = min(self.next_ms, times[following])
        return price

    def sum_of(self, constant: float, terms: list[_Term]) -> float:
        """As `_sum_terms`, of this moment alone."""
        total = constant
        for amount, chain in terms:
            worth = amount
            for symbol, inverse in chain:
                worth = worth / self.of(symbol) if inverse else worth * self.of(symbol)
            total += worth
        return total


class Walk:
    """Follows what a book is worth.

    :param book: as it is at the start; afterwards as it is at the end
    :param span: start and end, milliseconds since the Unix epoch
    """

    def __init__(self, book: Book, valuation: Valuation, span: tuple[int, int]) -> None:
        self._book = book
        self._valuation = valuation
        self._prices = _LastPrices(valuation)
        self._start_ms, self._end_ms = span
        self._curve = Curve(step_of(self._end_ms - self._start_ms))
        self._now = self._start_ms
        self._prices.move_to(self._now)
        self._factor = 1.0
        """From equity to the index."""
        self._changing = False
        """Whether the book has changed at this moment, and is not looked at yet."""
        self._flow = 0.0
        self._passed = 0.0, 0.0
        """Lowest and highest equity on the way to this moment, before the book has changed."""
        self._look_at_book()
        self._equity = self._prices.sum_of(self._constant, self._terms)
        self._peaks = _Peaks(self._start_ms, self._equity)
        self._sample(self._equity, self._equity)

    def add(self, change: Change) -> None:
        """Go on to a change, and book it; all come ascending in time."""
        if not self._changing or change.time_ms > self._now:
            self._go_to(change.time_ms, change.deal)
        self._book.apply(change)

    def pay(self, time_ms: int, currency: str, amount: Decimal) -> None:
        """As `add`, of money alone."""
        if not self._changing or time_ms > self._now:
            self._go_to(time_ms)
        self._book.cash[currency] += amount

    def flow(self, time_ms: int, currency: str, amount: Decimal) -> None:
        """As `pay`, of what comes or goes, and is neither profit nor loss."""
        self.pay(time_ms, currency, amount)
        self._flow += float(self._valuation.value(amount, currency, self._now))

    def _go_to(self, time_ms: int, deal: tuple[str, Decimal] | None = None) -> None:
        """Go on to a moment at which the book changes.

        :param deal: that changes it: what was held before has seen prices no further than up to there
        """
        at_ms = max(time_ms, self._start_ms)
        self._change()
        self._pass_steps(at_ms)
        self._passed = self._pass(at_ms, 1.0 if deal is None else self._valuation.share(*deal, at_ms))
        self._changing = True

    def finish(self) -> Curve:
        """Go on to the end; nothing can be added any more."""
        self._change()
        self._pass_steps(self._end_ms)
        if self._now < self._end_ms:
            self._sample(*self._pass(self._end_ms))
        self._curve.deepest, self._curve.longest_ms = self._peaks.deepest, self._peaks.longest(self._now)
        return self._curve

    def _pass_steps(self, until_ms: int) -> None:
        """Sample at each step before a moment."""
        step = self._curve.step_ms
        for at_ms in range((self._now // step + 1) * step, until_ms, step):
            self._sample(*self._pass(at_ms))

    def _pass(self, until_ms: int, share: float = 1.0) -> tuple[float, float]:
        """The lowest and the highest equity at all prices up to a moment, and at the moment itself.

        :param share: how much counts of what prices move at the moment itself
        """
        before = self._now
        self._now = until_ms
        if until_ms < self._prices.next_ms:  # no price has changed, and so has nothing else
            self._prices.move_to(until_ms)
            self._peaks.see_one(until_ms, self._equity * self._factor, self._factor)
            return self._equity, self._equity
        self._prices.move_to(until_ms)
        times, columns = self._columns(before, until_ms, share)
        values = _sum_terms(self._constant, self._terms, columns, len(times))
        factor = self._factor
        self._peaks.see(times, values if factor == 1 else [value * factor for value in values], factor)
        self._equity = self._prices.sum_of(self._constant, self._terms)  # which looks the new prices up
        return min(values), max(values)

    def _columns(
        self, after_ms: int, until_ms: int, share: float
    ) -> tuple[list[int], dict[str, list[float]]]:
        """The prices that matter: of each symbol at every time at which one of them had a price."""
        symbols, prices = self._symbols, self._valuation.prices
        if not symbols:
            return [until_ms], {}
        found = {symbol: _window(prices[symbol], after_ms, until_ms, share) for symbol in symbols}
        first = found[symbols[0]][0]
        if all(times == first for times, _ in found.values()):
            return first, {symbol: values for symbol, (_, values) in found.items()}
        union = sorted(set().union(*(times for times, _ in found.values())))
        return union, {
            symbol: _carried(union, times, values, self._valuation.price(symbol, after_ms))
            for symbol, (times, values) in found.items()
        }

    def _change(self) -> None:
        """Look at the book as the changes of this moment have left it."""
        if not self._changing:
            return
        before, flow = self._equity, self._flow
        self._changing, self._flow = False, 0.0
        self._look_at_book()
        if flow and before > 0 and before + flow > 0:
            self._factor *= before / (before + flow)
        self._equity = equity = self._prices.sum_of(self._constant, self._terms)
        self._peaks.see_one(self._now, equity * self._factor, self._factor)
        lowest, highest = self._passed
        self._sample(min(lowest, equity), max(highest, equity))

    def _look_at_book(self) -> None:
        book = self._book
        self._constant, self._terms = book.terms()
        self._gross, self._net = book.position_terms(book.gross), book.position_terms(book.net)
        self._symbols = list(dict.fromkeys(link.symbol for _, chain in self._terms for link in chain))

    def _sample(self, lowest: float, highest: float) -> None:
        curve, prices = self._curve, self._prices
        curve.times.append(self._now)
        curve.equity.append(self._equity)
        curve.lowest.append(lowest)
        curve.highest.append(highest)
        curve.index.append(self._equity * self._factor)
        curve.drawdown.append(self._peaks.take_deepest())
        curve.gross.append(prices.sum_of(0.0, self._gross))
        curve.net.append(prices.sum_of(0.0, self._net))


def _window(prices: Prices, after_ms: int, until_ms: int, share: float) -> tuple[list[int], list[float]]:
    """Prices in (after, until), and the one of the end, as far as a share of its move."""
    first = bisect_right(prices.times, after_ms)
    end = bisect_left(prices.times, until_ms, first)
    last = price_on_the_way(prices, until_ms, share)
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
            self.see_one(time, value, factor)

    def see_one(self, time: int, value: float, factor: float) -> None:
        """As `see`, of one value."""
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
