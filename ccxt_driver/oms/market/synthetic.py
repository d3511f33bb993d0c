"""A market that needs no data: seeded prices, books, trades and candles for any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from ccxt_driver.oms.market.feed import EXACT, Candle, HaltTimes, Level, Quote, Trade, candle_opens, next_open
from ccxt_driver.oms.market.listing import Market, UnknownSymbol
from ccxt_driver.oms.market.price_path import (
    ASKS,
    BIDS,
    DAY,
    DAY_STEPS,
    SPANS,
    STEP,
    Bar,
    Digests,
    PricePath,
    RatioPath,
    TrackingPath,
    VolumeTree,
    WalkPath,
)
from ccxt_driver.oms.market.weather import Synthetic, UnevenWalk

_STEP_MS = 1_000
_MINUTE_MS = 60_000
_BOOK_LEVELS = 30
_SWAP_PREMIUM = Fraction(2, 10_000)
# A spread of one tick and half a basis point; a book level of a 40,000th of the daily volume.
_SPREAD_DIVISOR = 20_000
_LEVEL_DIVISOR = 40_000

_EVEN = Synthetic()

Book = tuple[tuple[Level, ...], tuple[Level, ...]]


class SyntheticFeed:
    """A `Feed` made up from a seed.

    One step is one second: one trade, one quote and one book. A swap follows the spot market of
    its base and quote, when that is listed; a spot market A/B follows A/Q divided by B/Q, when
    both are listed before it, whatever its own reference price and volatility. Every other market
    walks on its own.

    :param markets: what to make prices for; their reference price, volatility and volume say how
    :param seed: the same seed gives the same prices everywhere
    :param chosen: regimes, gaps and halts; a market that follows others has theirs
    """

    def __init__(self, markets: Iterable[Market], seed: int, chosen: Synthetic = _EVEN) -> None:
        self._instruments: dict[str, _Instrument] = {}
        self._chosen = chosen
        self._halt_ms = chosen.halt_minutes * _MINUTE_MS
        listed = list(markets)
        for market in sorted(listed, key=lambda market: market.kind == "swap"):
            digests = Digests(seed, market.symbol)
            self._instruments[market.symbol] = _Instrument(market, digests, self._path_of(market, digests))
        # Kept by step, so that asking again within a second costs a look-up.
        self._quote: Callable[[str, int], Quote] = lru_cache(1_024)(self._make_quote)
        self._book: Callable[[str, int], Book] = lru_cache(128)(self._make_book)

    @property
    def step_ms(self) -> int:
        """A second."""
        return _STEP_MS

    def quote(self, symbol: str, at_ms: int) -> Quote:
        """The quote as of a moment."""
        return self._quote(symbol, at_ms // _STEP_MS)

    def book(self, symbol: str, at_ms: int) -> Book:
        """The book as of a moment."""
        return self._book(symbol, at_ms // _STEP_MS)

    def book_version(self, symbol: str, at_ms: int) -> int:
        """The version of the book as of a moment."""
        self._of(symbol)
        return at_ms // _STEP_MS

    def first_move(
        self, symbol: str, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> Quote | None:
        """The first quote that reaches one of two prices; see `Feed.first_move`."""
        step = self._of(symbol).first_step(after_ms // _STEP_MS + 1, until_ms // _STEP_MS + 1, low, high)
        return None if step is None else self._quote(symbol, step)

    def candles(
        self, symbol: str, timeframe: str, since_ms: int | None, until_ms: int, limit: int
    ) -> list[Candle]:
        """Candles in ascending order; see `Feed.candles`."""
        instrument = self._of(symbol)
        now = until_ms // _STEP_MS + 1
        return [
            instrument.candle(open_ms, min(next_open(timeframe, open_ms) // _STEP_MS, now))
            for open_ms in candle_opens(timeframe, since_ms, until_ms, limit)
        ]

    def trades(self, symbol: str, since_ms: int | None, until_ms: int, limit: int) -> list[Trade]:
        """Public trades in ascending order; see `Feed.trades`."""
        instrument = self._of(symbol)
        end = until_ms // _STEP_MS + 1
        if since_ms is None:
            start = max(0, end - max(0, limit))
        else:
            start = max(0, -(-since_ms // _STEP_MS))
            end = min(end, start + limit)
        return [instrument.trade(step) for step in range(start, end)]

    def halts(self, symbol: str, at_ms: int) -> HaltTimes | None:
        """Whether a market is halted at a moment, and when that changes; None when it never is.

        A halt begins a second after the gap: in the second of the gap there is trading still.
        """
        gaps = self._of(symbol).path.gaps
        length = self._halt_ms
        if not length:
            return None
        day = (at_ms - length) // _STEP_MS // DAY_STEPS
        ends: int | None = None
        while True:
            for gap in gaps(day):
                begins = (gap + 1) * _STEP_MS
                if begins > at_ms:
                    return HaltTimes(ends, begins if ends is None else min(begins, ends))
                if begins + length > at_ms:
                    ends = begins + length
            day += 1

    def _of(self, symbol: str) -> _Instrument:
        try:
            return self._instruments[symbol]
        except KeyError:
            raise UnknownSymbol(symbol) from None

    def _make_quote(self, symbol: str, step: int) -> Quote:
        return self._of(symbol).quote(step)

    def _make_book(self, symbol: str, step: int) -> Book:
        return self._of(symbol).book(step)

    def _path_of(self, market: Market, digests: Digests) -> PricePath:
        spot = self._instruments.get(f"{market.base}/{market.quote}")
        if market.kind == "swap" and spot is not None:
            factor = Fraction(spot.market.tick_size) / Fraction(market.tick_size) * (1 + _SWAP_PREMIUM)
            return TrackingPath(digests, spot.path, factor)
        for upper in list(self._instruments.values()) if market.kind == "spot" else ():
            lower = self._instruments.get(f"{market.quote}/{upper.market.quote}")
            if upper.market.base == market.base and lower is not None:
                scale = Fraction(lower.market.tick_size) * Fraction(market.tick_size)
                factor = Fraction(upper.market.tick_size) / scale
                return RatioPath(digests, upper.path, lower.path, factor)
        reference = int(Fraction(market.reference_price) / Fraction(market.tick_size))
        variance = Fraction(market.daily_volatility) ** 2
        if self._chosen.regimes or self._chosen.gaps_per_month:
            return UnevenWalk(digests, variance, reference, self._chosen)
        return WalkPath(digests, variance, reference)


class _Instrument:
    """One market's path and volume, turned into quotes, books, trades and candles."""

    def __init__(self, market: Market, digests: Digests, path: PricePath) -> None:
        self.market = market
        self.path = path
        self._digests = digests
        self._tick, self._lot = market.tick_size, market.lot_size
        daily_lots = int(Fraction(market.daily_volume) / Fraction(market.lot_size))
        self._volumes = VolumeTree(digests, daily_lots)
        self._level_lots = max(1, daily_lots // _LEVEL_DIVISOR)

    def quote(self, step: int) -> Quote:
        last, buy = self.path.step(step)
        bid, ask = _bid_ask(last, buy)
        price = self._price
        return Quote(step * _STEP_MS, price(bid), price(ask), price(last))

    def book(self, step: int) -> Book:
        bid, ask = _bid_ask(*self.path.step(step))
        return (
            self._side(bid, -1, self._digests.bytes(BIDS, step)),
            self._side(ask, 1, self._digests.bytes(ASKS, step)),
        )

    def trade(self, step: int) -> Trade:
        last, buy = self.path.step(step)
        return Trade(
            str(step),
            step * _STEP_MS,
            self._price(last),
            self._qty(self._volumes.volume(STEP, step)),
            "buy" if buy else "sell",
        )

    def candle(self, open_ms: int, end: int) -> Candle:
        """What the steps from `open_ms` up to, not including, step `end` make.

        Only spans that are over by `end` are read, so nothing of the future can show.
        """
        path, volumes = self.path, self._volumes
        step = open_ms // _STEP_MS
        bars: list[Bar] = []
        lots = 0
        while step < end:
            level = _longest_span(step, end)
            index = step // SPANS[level]
            bars.append(path.bar(level, index))
            lots += volumes.volume(level, index)
            step += SPANS[level]
        price = self._price
        return Candle(
            open_ms,
            price(bars[0].open),
            price(max([bar.high for bar in bars])),
            price(min([bar.low for bar in bars])),
            price(bars[-1].close),
            self._qty(lots),
        )

    def first_step(self, start: int, end: int, low: Decimal | None, high: Decimal | None) -> int | None:
        """The first step in [start, end) whose bid <= low or whose ask >= high."""
        tick = Fraction(self._tick)
        low_ticks = None if low is None else Fraction(low) // tick
        high_ticks = None if high is None else -(-Fraction(high) // tick)
        for day in range(start // DAY_STEPS, -(-end // DAY_STEPS)):
            found = self._search(DAY, day, start, end, low_ticks, high_ticks)
            if found is not None:
                return found
        return None

    def _search(
        self, level: int, index: int, start: int, end: int, low: int | None, high: int | None
    ) -> int | None:
        if level == STEP:
            bid, ask = _bid_ask(*self.path.step(index))
            return index if (low is not None and bid <= low) or (high is not None and ask >= high) else None
        bar = self.path.bar(level, index)
        falls = low is not None and bar.low - _spread(bar.low) <= low
        rises = high is not None and bar.high + _spread(bar.high) >= high
        if not (falls or rises):
            return None
        span, part = SPANS[level], SPANS[level + 1]
        parts = range(max(index * span, start) // part, -(-min((index + 1) * span, end) // part))
        for child in parts:
            found = self._search(level + 1, child, start, end, low, high)
            if found is not None:
                return found
        return None

    def _side(self, best: int, direction: int, chance: bytes) -> tuple[Level, ...]:
        """Levels from the best price outwards: wider gaps and larger sizes further out."""
        levels: list[Level] = []
        ticks = best
        for depth in range(_BOOK_LEVELS):
            if ticks < 1:
                break
            lots = self._level_lots * (32 + chance[32 + depth]) * (4 + depth) // 640
            levels.append(Level(self._price(ticks), self._qty(max(1, lots))))
            ticks += direction * (1 + (best * chance[depth] * (depth + 1) >> 23))
        return tuple(levels)

    def _price(self, ticks: int) -> Decimal:
        return EXACT.multiply(self._tick, ticks)

    def _qty(self, lots: int) -> Decimal:
        return EXACT.multiply(self._lot, lots)


def _spread(last: int) -> int:
    """Grows with the price, but slower: a lower last price always has a lower bid."""
    return last // _SPREAD_DIVISOR + 1


def _bid_ask(last: int, buy: bool) -> tuple[int, int]:
    """A buyer paid the ask, a seller got the bid."""
    return (last - _spread(last), last) if buy else (last, last + _spread(last))


def _longest_span(step: int, end: int) -> int:
    """The level of the longest span that starts at `step` and is over by `end`."""
    for level in range(DAY, STEP):
        if step % SPANS[level] == 0 and step + SPANS[level] <= end:
            return level
    return STEP
