"""The one object that knows prices: a feed that moves by itself, and prices set by hand over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Any, TypeVar

from ccxt_driver.contract.values import format_decimal, format_time, parse_decimal
from ccxt_driver.oms.market.feed import (
    EXACT,
    Candle,
    Feed,
    Fundings,
    HaltTimes,
    Level,
    LiveData,
    Marks,
    Moving,
    NoPrice,
    Quote,
    SwapData,
    Trade,
)
from ccxt_driver.oms.market.hand import HandFeed, HandPrice
from ccxt_driver.oms.market.last_day import LastDay
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS, Currency, Market, UnknownSymbol, currencies_of
from ccxt_driver.oms.market.synthetic import SyntheticFeed
from ccxt_driver.oms.market.weather import Synthetic

_Row = TypeVar("_Row", Candle, Trade)

_EVEN = Synthetic()


class MarketData:
    """A `Feed` of every listed market.

    A symbol follows the underlying feed until its price is set by hand; from then on it follows
    what is set, and only that. Candles and trades of both periods join.

    :param markets: what is listed
    :param seed: of the synthetic prices
    :param feed: another underlying feed instead of the synthetic one
    :param synthetic: regimes, gaps and halts of the synthetic one
    :raises ValueError: two markets with the same symbol or id
    """

    def __init__(
        self,
        markets: Iterable[Market] = DEFAULT_MARKETS,
        seed: int = 0,
        feed: Feed | None = None,
        synthetic: Synthetic = _EVEN,
    ) -> None:
        listed = list(markets)
        for name in ("symbol", "id"):
            counts = Counter(getattr(market, name) for market in listed)
            more = [value for value, count in counts.items() if count > 1]
            if more:
                raise ValueError(f"markets: expected each {name} once, got more than one {more[0]}")
        self._markets = {market.symbol: market for market in listed}
        self._currencies = currencies_of(listed)
        self._synthetic: SyntheticFeed | None = None
        if feed is None:
            feed = self._synthetic = SyntheticFeed(listed, seed, synthetic)
        self._feed: Feed = feed
        self._hand = HandFeed(listed)
        self._live = feed if isinstance(feed, LiveData) else None
        self._moving = feed if isinstance(feed, Moving) else None
        self._last_day = LastDay(self.candles)
        self._fundings: dict[str, Fundings] = {}
        self._marks: dict[str, Marks] = {}
        if isinstance(feed, SwapData):
            known = {symbol: feed.fundings(symbol) for symbol in self._markets}
            self._fundings = {symbol: fundings for symbol, fundings in known.items() if fundings is not None}
            marks = {symbol: feed.marks(symbol) for symbol in self._markets}
            self._marks = {symbol: each for symbol, each in marks.items() if each is not None}
        self.marked = frozenset(symbol for symbol, each in self._marks.items() if each.is_fine)
        """The markets whose mark price may be another one than the last price."""

    @property
    def markets(self) -> Mapping[str, Market]:
        """The listed markets by symbol."""
        return MappingProxyType(self._markets)

    @property
    def currencies(self) -> Mapping[str, Currency]:
        """The currencies of the listed markets by code."""
        return MappingProxyType(self._currencies)

    def market(self, symbol: str) -> Market:
        """A listed market.

        :raises UnknownSymbol: not listed
        """
        try:
            return self._markets[symbol]
        except KeyError:
            raise UnknownSymbol(symbol) from None

    def set_price(
        self,
        symbol: str,
        at_ms: int,
        bid: Decimal | None = None,
        ask: Decimal | None = None,
        last: Decimal | None = None,
        size: Decimal | None = None,
    ) -> HandPrice:
        """Set a price by hand; the symbol no longer moves by itself. See `HandFeed.set`."""
        return self._hand.set(symbol, at_ms, bid, ask, last, size)

    @property
    def step_ms(self) -> int:
        """That of the underlying feed."""
        return self._feed.step_ms

    def quote(self, symbol: str, at_ms: int) -> Quote:
        """The quote as of a moment."""
        return self._feed_at(symbol, at_ms).quote(symbol, at_ms)

    def book(self, symbol: str, at_ms: int) -> tuple[Sequence[Level], Sequence[Level]]:
        """The book as of a moment."""
        return self._feed_at(symbol, at_ms).book(symbol, at_ms)

    def book_version(self, symbol: str, at_ms: int) -> int:
        """The version of the book as of a moment."""
        return self._feed_at(symbol, at_ms).book_version(symbol, at_ms)

    def came_from(self, symbol: str, at_ms: int) -> Decimal | None:
        """Where the price was before a move; see `Moving.came_from`."""
        if self._moving is None or self._feed_at(symbol, at_ms) is not self._feed:
            return None
        return self._moving.came_from(symbol, at_ms)

    def book_on_the_way(
        self, symbol: str, at_ms: int, last: Decimal
    ) -> tuple[Sequence[Level], Sequence[Level]]:
        """The book at a price that a move passes; see `Moving.book_on_the_way`.

        :raises NotImplementedError: prices of the feed only jump
        """
        if self._moving is None:
            raise NotImplementedError(f"{symbol}: nothing is between two prices")
        return self._moving.book_on_the_way(symbol, at_ms, last)

    @property
    def is_live(self) -> bool:
        """Whether prices come from outside, and may stop coming."""
        return self._live is not None

    def halted(self, symbol: str, at_ms: int) -> str | None:
        """Why nobody may trade on the prices of a market at a moment; None when they are right."""
        if self._live is None or self._feed_at(symbol, at_ms) is not self._feed:
            return None
        return self._live.halted(symbol, at_ms)

    def halts(self, symbol: str, at_ms: int) -> HaltTimes | None:
        """When the feed halts a market by itself, at times that are settled; None when it never does."""
        if self._synthetic is None or self._feed_at(symbol, at_ms) is not self._feed:
            return None
        return self._synthetic.halts(symbol, at_ms)

    def as_of(self, symbol: str, at_ms: int) -> int:
        """When what is shown of a market at a moment was true: then, or when it was halted before."""
        return at_ms if self.halted(symbol, at_ms) is None else self.quote(symbol, at_ms).time_ms

    def has_price(self, symbol: str, at_ms: int) -> bool:
        """Whether a market has a price at a moment."""
        try:
            self.quote(symbol, at_ms)
        except NoPrice:
            return False
        return True

    def mark_price(self, symbol: str, at_ms: int) -> Decimal:
        """The price at which positions are valued: the last traded one where no other is recorded."""
        price = self._recorded_mark(symbol, at_ms)
        return self.quote(symbol, at_ms).last if price is None else price

    def is_marked(self, symbol: str, at_ms: int) -> bool:
        """Whether the mark price of a moment is another one than the last price."""
        return self._recorded_mark(symbol, at_ms) is not None

    def funding_price(self, symbol: str, at_ms: int) -> Decimal:
        """The mark price of a moment at which funding is charged."""
        marks = self._marks_at(symbol, at_ms)
        price = None if marks is None else marks.opening_price(at_ms)
        return self.mark_price(symbol, at_ms) if price is None else price

    def first_mark_move(
        self, symbol: str, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> int | None:
        """The first moment at which a recorded mark price does something; see `Marks.first_move`."""
        began_ms = self._hand.began_ms(symbol)
        if began_ms is not None:
            until_ms = min(until_ms, began_ms - 1)
        if symbol not in self.marked or after_ms >= until_ms:
            return None
        return self._marks[symbol].first_move(after_ms, until_ms, low, high)

    def mark_candles(
        self, symbol: str, timeframe: str, since_ms: int | None, until_ms: int, limit: int
    ) -> list[Candle]:
        """Candles of the mark price; see `Feed.candles`."""
        if symbol in self.marked and self._marks_at(symbol, until_ms) is not None:
            return self._marks[symbol].candles(timeframe, since_ms, until_ms, limit)
        return self.candles(symbol, timeframe, since_ms, until_ms, limit)

    def fundings(self, symbol: str) -> Fundings | None:
        """What was recorded of the funding of a swap; None where nothing was."""
        return self._fundings.get(symbol)

    def first_move(
        self, symbol: str, after_ms: int, until_ms: int, low: Decimal | None, high: Decimal | None
    ) -> Quote | None:
        """The first quote that reaches one of two prices; see `Feed.first_move`."""
        began_ms = self._hand.began_ms(symbol)
        if began_ms is None:
            return self._feed.first_move(symbol, after_ms, until_ms, low, high)
        if after_ms < began_ms - 1:
            found = self._feed.first_move(symbol, after_ms, min(until_ms, began_ms - 1), low, high)
            if found is not None:
                return found
        return self._hand.first_move(symbol, after_ms, until_ms, low, high)

    def candles(
        self, symbol: str, timeframe: str, since_ms: int | None, until_ms: int, limit: int
    ) -> list[Candle]:
        """Candles in ascending order; see `Feed.candles`."""
        began_ms = self._hand.began_ms(symbol)
        if began_ms is None or until_ms < began_ms:
            return self._feed.candles(symbol, timeframe, since_ms, until_ms, limit)
        after = self._hand.candles(symbol, timeframe, since_ms, until_ms, limit)
        if self._hand.forgets(symbol):
            return after  # joined to what came long before, a gap would pass for a jump
        before = self._feed.candles(symbol, timeframe, since_ms, began_ms - 1, limit)
        return _window(_join(before, after), since_ms, limit)

    def trades(self, symbol: str, since_ms: int | None, until_ms: int, limit: int) -> list[Trade]:
        """Public trades in ascending order; see `Feed.trades`."""
        began_ms = self._hand.began_ms(symbol)
        if began_ms is None or until_ms < began_ms:
            return self._feed.trades(symbol, since_ms, until_ms, limit)
        after = self._hand.trades(symbol, since_ms, until_ms, limit)
        if self._hand.forgets(symbol):
            return after
        before = self._feed.trades(symbol, since_ms, began_ms - 1, limit)
        return _window(before + after, since_ms, limit)

    def ticker(self, symbol: str, now_ms: int) -> dict[str, Any]:
        """The ccxt ticker structure, with every key, of the 24 hours up to now.

        The window begins on a whole minute. `vwap` and `quoteVolume` take the mean of high, low
        and close as the price of each quarter of an hour.

        :raises UnknownSymbol: not listed
        """
        market = self.market(symbol)
        with localcontext(EXACT):
            return self._ticker(market, now_ms)

    def dump(self) -> dict[str, Any]:
        """All that was set by hand, ready for JSON."""
        return {
            "hand": {
                symbol: {
                    "forgotten": forgotten,
                    "began_ms": began_ms,
                    "prices": [_price_out(price) for price in prices],
                }
                for symbol, (forgotten, began_ms, prices) in self._hand.dump().items()
            }
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `dump` gave, in place of what was set so far.

        :raises UnknownSymbol: a symbol that is no longer listed
        """
        self._hand.restore(
            {
                symbol: (row["forgotten"], row["began_ms"], [_price_in(price) for price in row["prices"]])
                for symbol, row in state["hand"].items()
            }
        )

    def _recorded_mark(self, symbol: str, at_ms: int) -> Decimal | None:
        if symbol not in self.marked:
            return None
        marks = self._marks_at(symbol, at_ms)
        return None if marks is None else marks.price(at_ms)

    def _marks_at(self, symbol: str, at_ms: int) -> Marks | None:
        marks = self._marks.get(symbol)
        return marks if marks is not None and self._feed_at(symbol, at_ms) is self._feed else None

    def _feed_at(self, symbol: str, at_ms: int) -> Feed:
        began_ms = self._hand.began_ms(symbol)
        return self._feed if began_ms is None or at_ms < began_ms else self._hand

    def _ticker(self, market: Market, now_ms: int) -> dict[str, Any]:
        symbol = market.symbol
        quote = self.quote(symbol, now_ms)
        as_of = self.as_of(symbol, now_ms)
        bids, asks = self.book(symbol, now_ms)
        # A venue that was out of reach tells later of what it has missed.
        lasts = self._live is None and self._hand.began_ms(symbol) is None
        day = self._last_day.summary(symbol, now_ms, lasts=lasts)
        opened, volume, turnover = day.open, day.volume, day.turnover / 3
        change = quote.last - opened
        return {
            "symbol": symbol,
            "timestamp": as_of,
            "datetime": format_time(as_of),
            "high": float(day.high),
            "low": float(day.low),
            "bid": float(quote.bid),
            "bidVolume": float(bids[0].qty),
            "ask": float(quote.ask),
            "askVolume": float(asks[0].qty),
            "vwap": float(turnover / volume) if volume else None,
            "open": float(opened),
            "close": float(quote.last),
            "last": float(quote.last),
            "previousClose": None,
            "change": float(change),
            "percentage": float(change / opened * 100),
            "average": float((quote.last + opened) / 2),
            "baseVolume": float(volume),
            "quoteVolume": float(turnover),
            "markPrice": float(self.mark_price(symbol, now_ms)) if market.kind == "swap" else None,
            "indexPrice": self._index_price(market, now_ms),
            "info": {},
        }

    def _index_price(self, market: Market, now_ms: int) -> float | None:
        spot = f"{market.base}/{market.quote}"
        if market.kind != "swap" or spot not in self._markets or not self.has_price(spot, now_ms):
            return None
        return float(self.quote(spot, now_ms).last)


def _join(before: list[Candle], after: list[Candle]) -> list[Candle]:
    """Two stretches of candles as one; the candle in which the change fell is made of both."""
    if not (before and after and before[-1].open_ms == after[0].open_ms):
        return before + after
    first, second = before[-1], after[0]
    both = Candle(
        first.open_ms,
        first.open,
        max(first.high, second.high),
        min(first.low, second.low),
        second.close,
        EXACT.add(first.volume, second.volume),
    )
    return [*before[:-1], both, *after[1:]]


def _window(rows: list[_Row], since_ms: int | None, limit: int) -> list[_Row]:
    """The oldest `limit` when a beginning was asked for, the newest otherwise."""
    if since_ms is not None:
        return rows[: max(0, limit)]
    return rows[max(0, len(rows) - limit) :]


def _price_out(price: HandPrice) -> list[int | str | None]:
    size = None if price.size is None else format_decimal(price.size)
    return [
        price.time_ms,
        format_decimal(price.bid),
        format_decimal(price.ask),
        format_decimal(price.last),
        size,
    ]


def _price_in(row: Sequence[Any]) -> HandPrice:
    time_ms, bid, ask, last, size = row
    return HandPrice(
        int(time_ms),
        parse_decimal(bid),
        parse_decimal(ask),
        parse_decimal(last),
        None if size is None else parse_decimal(size),
    )
