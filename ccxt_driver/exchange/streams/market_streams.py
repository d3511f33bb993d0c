"""`watch_ticker`, `watch_order_book`, `watch_trades`, `watch_ohlcv` and their kin."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Final

import ccxt

from .latest import Box
from .market_hub import MarketHub
from .market_topics import (
    BidsAsksTopic,
    BookTopic,
    CandlesTopic,
    StatusTopic,
    TickerTopic,
    Topic,
    TradesTopic,
)
from .market_watch import MarketWatch
from .streaming import Streaming

if TYPE_CHECKING:
    from ccxt.base.types import OrderBook, Status, Ticker, Tickers, Trade

_Pairs = list[tuple[str, str]]
_FETCHED: Final = {
    "Ticker": "fetchTicker",
    "Tickers": "fetchTickers",
    "BidsAsks": "fetchTicker",
    "OrderBook": "fetchOrderBook",
    "OrderBookForSymbols": "fetchOrderBook",
    "Trades": "fetchTrades",
    "TradesForSymbols": "fetchTrades",
    "OHLCV": "fetchOHLCV",
    "OHLCVForSymbols": "fetchOHLCV",
}
"""What a venue must be able to tell for each stream."""


class MarketStreams(Streaming):
    """Market data that have changed: of prices and books the newest, of trades and candles all.

    A watcher is (method, symbols, timeframe, `params["watcher"]`), whatever task calls it. It begins at its
    first call; of prices, books and candles that call returns what is there now. Calls at the same time get
    the same. What is returned never changes afterwards.
    """

    def apply_description(self, description: Any, features: frozenset[str]) -> None:
        """What the venue cannot be asked for cannot be watched."""
        super().apply_description(description, features)
        for what, source in _FETCHED.items():
            for key in (f"watch{what}", f"unWatch{what}"):
                if key in self.has and self.has.get(source) is not None:
                    self.has[key] = self.has[source]

    # -- tickers -----------------------------------------------------------------------------------

    async def watch_ticker(self, symbol: str, params: dict[str, Any] = {}) -> Ticker:
        """The ticker of a market, when it has changed.

        :param symbol: unified symbol
        :param params: `account_id`, `watcher` (a name, when several should each get everything)
        :returns: a ccxt ticker structure
        """
        unified = await self._symbol(symbol)
        found = await self._tickers_of("watch_ticker", TickerTopic, [unified], params)
        return found[unified]

    async def watch_tickers(self, symbols: Any = None, params: dict[str, Any] = {}) -> Tickers:
        """Tickers that have changed.

        :param symbols: unified symbols, or None for all: those nobody pushes, they are read at an interval
        :param params: as of `watch_ticker`
        :returns: a dict of ccxt ticker structures by symbol
        """
        wanted = await self._symbols_or_all(symbols)
        return await self._tickers_of("watch_tickers", TickerTopic, wanted, params)

    async def watch_bids_asks(self, symbols: Any = None, params: dict[str, Any] = {}) -> Tickers:
        """Best prices that have changed, in the ticker structure.

        :param symbols: unified symbols, or None for all
        :param params: as of `watch_ticker`
        :returns: a dict of ccxt ticker structures by symbol
        """
        wanted = await self._symbols_or_all(symbols)
        return await self._tickers_of("watch_bids_asks", BidsAsksTopic, wanted, params)

    async def un_watch_ticker(self, symbol: str, params: dict[str, Any] = {}) -> Any:
        """End all watchers of a market's ticker; calls that wait get UnsubscribeError."""
        return self._unwatch("tickers", [await self._symbol(symbol)])

    async def un_watch_tickers(self, symbols: Any = None, params: dict[str, Any] = {}) -> Any:
        """End all watchers of the tickers of some markets, or of all."""
        return self._unwatch("tickers", await self._symbols_or_all(symbols))

    async def un_watch_bids_asks(self, symbols: Any = None, params: dict[str, Any] = {}) -> Any:
        """End all watchers of the best prices of some markets, or of all."""
        return self._unwatch("bidsasks", await self._symbols_or_all(symbols))

    # -- order books -------------------------------------------------------------------------------

    async def watch_order_book(
        self, symbol: str, limit: Any = None, params: dict[str, Any] = {}
    ) -> OrderBook:
        """The order book of a market, when it has changed.

        :param symbol: unified symbol
        :param limit: levels a side
        :param params: as of `watch_ticker`
        :returns: a ccxt order book structure
        """
        return await self._book_of("watch_order_book", [await self._symbol(symbol)], limit, params)

    async def watch_order_book_for_symbols(
        self, symbols: list[str], limit: Any = None, params: dict[str, Any] = {}
    ) -> OrderBook:
        """The order book of one of several markets that has changed; the others come with the next calls.

        :param symbols: unified symbols
        :param limit: levels a side
        :param params: as of `watch_ticker`
        :returns: a ccxt order book structure
        """
        wanted = await self._several("watchOrderBookForSymbols", symbols)
        return await self._book_of("watch_order_book_for_symbols", wanted, limit, params)

    async def un_watch_order_book(self, symbol: str, params: dict[str, Any] = {}) -> Any:
        """End all watchers of a market's order book; calls that wait get UnsubscribeError."""
        return self._unwatch("orderbook", [await self._symbol(symbol)])

    async def un_watch_order_book_for_symbols(self, symbols: list[str], params: dict[str, Any] = {}) -> Any:
        """End all watchers of the order books of some markets."""
        return self._unwatch("orderbook", await self._several("unWatchOrderBookForSymbols", symbols))

    # -- trades ------------------------------------------------------------------------------------

    async def watch_trades(
        self, symbol: str, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Trade]:
        """Public trades of a market, each once.

        :param symbol: unified symbol
        :param since: milliseconds since the Unix epoch: a watcher begins there, as far as the venue goes
            back; without it, with its first call
        :param limit: at most so many at a time; the others come with the next calls
        :param params: as of `watch_ticker`
        :returns: ccxt trade structures, ascending in time
        """
        return await self._trades_of("watch_trades", [await self._symbol(symbol)], since, limit, params)

    async def watch_trades_for_symbols(
        self, symbols: list[str], since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Trade]:
        """Public trades of several markets, each once; arguments as of `watch_trades`."""
        wanted = await self._several("watchTradesForSymbols", symbols)
        return await self._trades_of("watch_trades_for_symbols", wanted, since, limit, params)

    async def un_watch_trades(self, symbol: str, params: dict[str, Any] = {}) -> Any:
        """End all watchers of a market's trades; calls that wait get UnsubscribeError."""
        return self._unwatch("trades", [await self._symbol(symbol)])

    async def un_watch_trades_for_symbols(self, symbols: list[str], params: dict[str, Any] = {}) -> Any:
        """End all watchers of the trades of some markets."""
        return self._unwatch("trades", await self._several("unWatchTradesForSymbols", symbols))

    # -- candles -----------------------------------------------------------------------------------

    async def watch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[list[Any]]:
        """Candles of a market that have changed: none is left out, the last may be unfinished.

        :param symbol: unified symbol
        :param timeframe: a key of `exchange.timeframes`
        :param since: milliseconds since the Unix epoch: a watcher begins there; without it, with the newest
        :param limit: at most so many at a time; the others come with the next calls
        :param params: as of `watch_ticker`
        :returns: [milliseconds, open, high, low, close, volume] each, ascending
        """
        pairs = [(await self._symbol(symbol), timeframe)]
        found = await self._candles_of("watch_ohlcv", pairs, since, limit, params)
        return found[pairs[0][0]][timeframe]

    async def watch_ohlcv_for_symbols(
        self,
        symbolsAndTimeframes: list[list[str]],
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> dict[str, dict[str, list[list[Any]]]]:
        """Candles of several markets and timeframes that have changed; arguments as of `watch_ohlcv`.

        :param symbolsAndTimeframes: pairs of a unified symbol and a timeframe
        :returns: candles by symbol and timeframe
        """
        pairs = await self._pairs("watchOHLCVForSymbols", symbolsAndTimeframes)
        return await self._candles_of("watch_ohlcv_for_symbols", pairs, since, limit, params)

    async def un_watch_ohlcv(self, symbol: str, timeframe: str = "1m", params: dict[str, Any] = {}) -> Any:
        """End all watchers of a market's candles of a timeframe; calls that wait get UnsubscribeError."""
        return self._unwatch("ohlcv", [(await self._symbol(symbol), timeframe)])

    async def un_watch_ohlcv_for_symbols(
        self, symbolsAndTimeframes: list[list[str]], params: dict[str, Any] = {}
    ) -> Any:
        """End all watchers of the candles of some markets and timeframes."""
        return self._unwatch("ohlcv", await self._pairs("unWatchOHLCVForSymbols", symbolsAndTimeframes))

    # -- status ------------------------------------------------------------------------------------

    async def watch_status(self, params: dict[str, Any] = {}) -> Status:
        """Whether the gateway works, when that has changed.

        :param params: as of `watch_ticker`
        :returns: ccxt's status structure
        """
        await self._give_way_when_closed()
        hub = self._market_hub()
        watch = self._market_watch(hub, "watch_status", "status", [("", "")], params, [(StatusTopic, ())])

        def deliver(boxes: Sequence[Box]) -> tuple[Any, int]:
            return _copy(boxes[-1].take()), len(boxes)

        return await hub.next(watch, deliver, None, None)

    # -- inside ------------------------------------------------------------------------------------

    def _market_hub(self) -> MarketHub:
        desk = self._desk()
        hub = desk.parts.get("market")
        if not isinstance(hub, MarketHub):
            hub = desk.parts["market"] = MarketHub(self, desk.settings, desk.socket)
        return hub

    def _market_watch(
        self,
        hub: MarketHub,
        method: str,
        family: str,
        what: Sequence[Any],
        params: dict[str, Any],
        topics: Sequence[tuple[type[Topic], tuple[Any, ...]]],
        symbols: Sequence[str] | None = None,
    ) -> MarketWatch:
        """The watcher of a method on these things, made when there is none.

        :param what: symbols, or pairs of symbol and timeframe; empty for all
        :param topics: kind and arguments of each topic
        """
        account_id = self._account_id(params)
        key: Hashable = (method, account_id, tuple(what), self._watcher_name(params))

        def make() -> MarketWatch:
            made = [hub.topic(kind, account_id, *names) for kind, names in topics]
            name = f"{self.id} {method}"
            wanted = None if symbols is None else frozenset(symbols)
            return MarketWatch(key, family, name, made, frozenset(what), wanted, desk_buffer)

        desk_buffer = self._desk().settings.buffer
        return hub.watch(key, make)

    def _unwatch(self, family: str, what: Sequence[Any] | None) -> bool:
        desk = self._stream_desk
        hub = None if desk is None else desk.parts.get("market")
        if isinstance(hub, MarketHub):
            named = None if what is None else frozenset(what)
            error = ccxt.UnsubscribeError(f"{self.id} {family}: un_watch was called")
            hub.end(error, lambda watch: watch.family == family and watch.concerns(named))
        return True

    async def _symbol(self, symbol: Any) -> str:
        await self.load_markets()
        unified: str = self.market(symbol)["symbol"]
        return unified

    async def _symbols_or_all(self, symbols: Any) -> list[str] | None:
        await self.load_markets()
        return list(dict.fromkeys(self.market_symbols(symbols) or ())) or None

    async def _several(self, method: str, symbols: Any) -> list[str]:
        wanted = await self._symbols_or_all(symbols)
        if wanted is None:
            raise ccxt.ArgumentsRequired(f"{self.id} {method}() symbols: expected at least one")
        return wanted

    async def _pairs(self, method: str, pairs: Any) -> _Pairs:
        await self.load_markets()
        if not isinstance(pairs, list | tuple) or not pairs:
            raise ccxt.ArgumentsRequired(f"{self.id} {method}() expected at least one [symbol, timeframe]")
        for pair in pairs:
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise ccxt.ArgumentsRequired(
                    f"{self.id} {method}() expected [symbol, timeframe], got {pair!r}"
                )
        return list(
            dict.fromkeys((self.market(symbol)["symbol"], str(timeframe)) for symbol, timeframe in pairs)
        )

    async def _tickers_of(
        self, method: str, kind: type[TickerTopic], symbols: list[str] | None, params: dict[str, Any]
    ) -> Any:
        if symbols is None:
            self.need_capability("fetch_tickers")
        else:
            self.need_capability("fetch_ticker")
        await self._give_way_when_closed()
        hub = self._market_hub()
        family = "bidsasks" if kind is BidsAsksTopic else "tickers"
        topics = [(kind, (symbol,)) for symbol in symbols] if symbols else [(kind, (None,))]
        watch = self._market_watch(hub, method, family, symbols or (), params, topics, symbols)

        def deliver(boxes: Sequence[Box]) -> tuple[Any, int]:
            changed = {box.key: box.take() for box in boxes}
            if not self.newUpdates:
                cache = hub.cache(family)
                changed |= {symbol: cache[symbol] for symbol in symbols or cache if symbol in cache}
            return _copy(changed), len(boxes)

        return await hub.next(watch, deliver, None, None)

    async def _book_of(self, method: str, symbols: list[str], limit: Any, params: dict[str, Any]) -> Any:
        limit = self._list_arguments(None, limit, {})["limit"]
        self.need_capability("fetch_order_book")
        await self._give_way_when_closed()
        hub = self._market_hub()
        topics = [(BookTopic, (symbol,)) for symbol in symbols]
        watch = self._market_watch(hub, method, "orderbook", symbols, params, topics, symbols)
        for topic in watch.topics:
            topic.deepen(limit)

        def deliver(boxes: Sequence[Box]) -> tuple[Any, int]:
            book = boxes[0].take()
            cut = {side: [list(level) for level in book[side][:limit]] for side in ("bids", "asks")}
            return self.with_numbers({**book, **cut}), 1

        return await hub.next(watch, deliver, 1, None)

    async def _trades_of(
        self, method: str, symbols: list[str], since: Any, limit: Any, params: dict[str, Any]
    ) -> Any:
        checked = self._list_arguments(since, limit, {})
        since, limit = checked["since"], checked["limit"]
        self.need_capability("fetch_trades")
        await self._give_way_when_closed()
        hub = self._market_hub()
        topics = [(TradesTopic, (symbol,)) for symbol in symbols]
        watch = self._market_watch(hub, method, "trades", symbols, params, topics, symbols)

        def deliver(trades: Sequence[Any]) -> tuple[Any, int]:
            if self.newUpdates:
                rows = [trade for trade in trades if since is None or (trade["timestamp"] or 0) >= since]
                return _copy(rows), len(trades)
            cache = hub.cache("trades")
            rows = [trade for symbol in symbols for trade in cache.get(symbol, ())]
            rows.sort(key=lambda trade: trade["timestamp"] or 0)
            return _copy(self.filter_by_since_limit(rows, since, limit, "timestamp", True)), len(trades)

        return await self._first_that_is_not_empty(hub, watch, deliver, limit, since)

    async def _first_that_is_not_empty(
        self,
        hub: MarketHub,
        watch: MarketWatch,
        deliver: Callable[[Sequence[Any]], tuple[Any, int]],
        limit: Any,
        since: Any,
    ) -> Any:
        """The next items; what is older than `since` alone is not worth a return."""
        while True:
            found = await hub.next(watch, deliver, limit if self.newUpdates else None, since)
            if found:
                return found

    async def _candles_of(
        self, method: str, pairs: _Pairs, since: Any, limit: Any, params: dict[str, Any]
    ) -> Any:
        checked = self._list_arguments(since, limit, {})
        since, limit = checked["since"], checked["limit"]
        self.need_capability("fetch_ohlcv")
        await self._give_way_when_closed()
        hub = self._market_hub()
        topics = [(CandlesTopic, pair) for pair in pairs]
        symbols = [symbol for symbol, _ in pairs]
        watch = self._market_watch(hub, method, "ohlcv", pairs, params, topics, symbols)

        def deliver(boxes: Sequence[Box]) -> tuple[Any, int]:
            found: dict[str, dict[str, list[Any]]] = {}
            changed = [(box.key, box.take()) for box in boxes]
            for (symbol, timeframe, _), candle in changed:
                if since is None or candle[0] >= since:
                    found.setdefault(symbol, {}).setdefault(timeframe, []).append(list(candle))
            for symbol, timeframe, rows in [(s, t, r) for s, by in found.items() for t, r in by.items()]:
                rows.sort(key=lambda candle: candle[0])
                if not self.newUpdates:
                    cached = hub.cache("ohlcvs").get(symbol, {}).get(timeframe, rows)
                    found[symbol][timeframe] = _copy(
                        self.filter_by_since_limit(cached, since, limit, 0, True)
                    )
            return found, len(boxes)

        return await self._first_that_is_not_empty(hub, watch, deliver, limit, since)


def _copy(value: Any) -> Any:
    """The caller's own."""
    if isinstance(value, dict):
        return {key: _copy(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(each) for each in value]
    return value
