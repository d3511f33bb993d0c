"""Markets and market data of the venue behind the gateway."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import ccxt

from ccxt_driver.contract.endpoints import BY_NAME
from ccxt_driver.errors import garbage
from ccxt_driver.exchange.request_parts import json_text
from ccxt_driver.mappers import market_data

from .rows import Rows

if TYPE_CHECKING:
    from ccxt.base.types import (
        Currencies,
        MarketInterface,
        OrderBook,
        OrderBooks,
        Status,
        Ticker,
        Tickers,
        Trade,
    )


_MOST_CANDLES = 1000
_USUAL_MONTH, _LONGEST_MONTH = 30, 31
"""Days: ccxt counts so many of a month."""


class MarketData(Rows):
    """Public reads; without a key where the server offers them so."""

    async def fetch_markets(self, params: dict[str, Any] = {}) -> list[MarketInterface]:
        """The venue's markets.

        :param params: extra parameters of the venue
        :returns: a list of ccxt market structures
        """
        result = await self._venue("fetch_markets", [], params)
        return self._mapped(market_data.markets, result)

    async def fetch_currencies(self, params: dict[str, Any] = {}) -> Currencies:
        """The venue's currencies by code; empty when the venue does not tell.

        :param params: extra parameters of the venue
        :returns: a dict of ccxt currency structures
        """
        try:
            result = await self._venue("fetch_currencies", [], params)
        except ccxt.NotSupported:  # ccxt then derives the currencies from the markets
            result = None
        return result if isinstance(result, dict) else {}

    async def fetch_ticker(self, symbol: str, params: dict[str, Any] = {}) -> Ticker:
        """The ticker of a market.

        :param symbol: unified symbol
        :param params: extra parameters of the venue
        :returns: a ccxt ticker structure
        """
        await self.load_markets()
        self.need_capability("fetch_ticker")
        unified = self.market(symbol)["symbol"]
        most_ms = self.setting("ticker_cache_ms")
        if not most_ms:
            return await self._ticker(unified, params)
        key = json_text([self.urls["api"], self._account_id(params), unified, params])
        known = self._tickers.get(key, self.milliseconds(), most_ms)
        if known is None:
            shared = await self._ticker_flights.join(key, lambda: self._kept_ticker(key, unified, params))
            known = deepcopy(shared)
        return known

    async def _ticker(self, symbol: str, params: dict[str, Any]) -> Any:
        result = await self._venue("fetch_ticker", [symbol], params)
        return self._mapped(market_data.ticker, result, self._number())

    async def _kept_ticker(self, key: str, symbol: str, params: dict[str, Any]) -> Any:
        """A ticker that is asked for and kept; nobody may change it."""
        cache, asked_ms = self._tickers, self.milliseconds()
        ticker = await self._ticker(symbol, params)
        cache.put(key, asked_ms, ticker)
        return ticker

    async def fetch_tickers(self, symbols: Any = None, params: dict[str, Any] = {}) -> Tickers:
        """Tickers by symbol.

        :param symbols: unified symbols, or None for all
        :param params: extra parameters of the venue
        :returns: a dict of ccxt ticker structures
        """
        await self.load_markets()
        wanted = self.market_symbols(symbols)
        try:
            result = await self._venue("fetch_tickers", [wanted], params)
        except ccxt.NotSupported:
            if not wanted:
                raise
            found = await self._venue_batch("fetch_ticker", [[symbol] for symbol in wanted])
            result = dict(zip(wanted, found, strict=True))
        tickers = self._mapped(market_data.tickers, result, self._number())
        return self.filter_by_array(tickers, "symbol", wanted)

    async def fetch_order_books(
        self, symbols: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> OrderBooks:
        """Order books by symbol, by one request.

        :param symbols: unified symbols
        :param limit: levels a side
        :returns: a dict of ccxt order book structures
        """
        await self.load_markets()
        wanted = self.market_symbols(symbols)
        if not wanted:
            raise ccxt.ArgumentsRequired(f"{self.id} fetchOrderBooks() symbols: expected at least one")
        levels = self.checked_limit(limit)
        books = await self._venue_batch("fetch_order_book", [[symbol, levels] for symbol in wanted])
        mapped: list[Any] = [self._mapped(market_data.order_book, book, self._number()) for book in books]
        named: Any = [{**book, "symbol": symbol} for symbol, book in zip(wanted, mapped, strict=True)]
        return dict(zip(wanted, named, strict=True))

    async def _venue_batch(self, function: str, calls: list[list[Any]]) -> list[Any]:
        """One function of the venue for several arguments, by one request; the first failure is raised."""
        results = await self.ccxt_commands([{"func": function, "args": args} for args in calls])
        for result in results:
            if isinstance(result, ccxt.BaseError):
                raise result
        return list(results)

    async def fetch_order_book(
        self, symbol: str, limit: Any = None, params: dict[str, Any] = {}
    ) -> OrderBook:
        """The order book of a market.

        :param symbol: unified symbol
        :param limit: levels a side
        :param params: extra parameters of the venue
        :returns: a ccxt order book structure: bids descending, asks ascending
        """
        await self.load_markets()
        self.need_capability("fetch_order_book")
        levels = self.checked_limit(limit)
        result = await self._venue("fetch_order_book", [self.market(symbol)["symbol"], levels], params)
        book = self._mapped(market_data.order_book, result, self._number())
        if levels is not None:
            book["bids"], book["asks"] = book["bids"][:levels], book["asks"][:levels]
        book["symbol"] = book["symbol"] or symbol
        return book

    async def fetch_l3_order_book(self, symbol: str, limit: Any = None, params: dict[str, Any] = {}) -> Any:
        """No venue is asked for the single orders of its book.

        :raises NotSupported: always
        """
        raise ccxt.NotSupported(
            f"{self.id} fetchL3OrderBook() is not supported: the OMS contract has no such route; "
            "use fetchOrderBook()"
        )

    async def fetch_l2_order_book(
        self, symbol: str, limit: Any = None, params: dict[str, Any] = {}
    ) -> OrderBook:
        """As `fetch_order_book`, whose levels are added up already."""
        return await self.fetch_order_book(symbol, limit, params)

    async def fetch_trades(
        self, symbol: str, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Trade]:
        """Public trades of a market, ascending in time.

        :param symbol: unified symbol
        :param since: milliseconds since the Unix epoch
        :param limit: the newest when `since` is absent, the oldest from `since` otherwise
        :param params: extra parameters of the venue
        :returns: a list of ccxt trade structures
        """
        await self.load_markets()
        self.need_capability("fetch_trades")
        wanted = self._wanted(symbol, since, limit, params)
        result = await self._venue("fetch_trades", [wanted.symbol, wanted.since, wanted.limit], params)
        trades = self._mapped(market_data.trades, result, self._number())
        return self.filter_by_since_limit(
            trades, wanted.since, wanted.limit, "timestamp", wanted.since is None
        )

    async def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[list[Any]]:
        """Candles of a market, ascending; the last may be unfinished.

        :param symbol: unified symbol
        :param timeframe: a key of `exchange.timeframes`
        :param since: milliseconds since the Unix epoch
        :param limit: the newest when `since` is absent, the oldest from `since` otherwise
        :param params: extra parameters of the venue
        :returns: [milliseconds, open, high, low, close, volume] each
        """
        await self.load_markets()
        self.need_capability("fetch_ohlcv")
        if params.get("paginate"):
            return await self._candles_over_pages(
                symbol, timeframe, since, limit, self.omit(params, "paginate")
            )
        wanted = self._wanted(symbol, since, limit, params)
        args = [wanted.symbol, timeframe, wanted.since, wanted.limit]
        result = await self._venue("fetch_ohlcv", args, params)
        candles = self._mapped(market_data.candles, result, self._number())
        return self.filter_by_since_limit(candles, wanted.since, wanted.limit, 0, wanted.since is None)

    async def _candles_over_pages(
        self, symbol: str, timeframe: str, since: Any, limit: Any, params: dict[str, Any]
    ) -> list[list[Any]]:
        """As `fetch_ohlcv`, page after page from `since` on, or the newest `limit`."""
        step = self.parse_timeframe(timeframe) * 1000
        checked = self._list_arguments(since, limit, params)
        since, limit, until = checked["since"], checked["limit"], checked["until"]
        wanted = None
        if since is None:
            newest = await self.fetch_ohlcv(symbol, timeframe, None, 1, params)
            wanted = _MOST_CANDLES if limit is None else limit
            if timeframe.endswith("M"):
                step = step // _USUAL_MONTH * _LONGEST_MONTH  # the newest are kept below
                limit = None
            since = max(newest[-1][0] - (wanted - 1) * step, 0) if newest else 0
        candles: list[list[Any]] = []
        while limit is None or len(candles) < limit:
            page = await self.fetch_ohlcv(symbol, timeframe, since, _MOST_CANDLES, params)
            fresh = [each for each in page if not candles or each[0] > candles[-1][0]]
            candles.extend(each for each in fresh if until is None or each[0] <= until)
            if len(fresh) < 2 or (until is not None and fresh[-1][0] >= until):
                break
            since = fresh[-1][0] + 1
        return candles[:limit] if wanted is None else candles[-wanted:]

    async def fetch_status(self, params: dict[str, Any] = {}) -> Status:
        """Whether the gateway works.

        :returns: ccxt's status structure; `status` is ok or maintenance
        """
        health = await self.request(BY_NAME["health"].path)
        if not isinstance(health, dict):
            raise garbage(self.id, f"expected an object, got {str(health)[:200]}", None, health)
        return {
            "status": "ok" if health.get("status") == "ok" else "maintenance",
            "updated": health.get("time_ms"),
            "eta": None,
            "url": None,
            "info": health,
        }

    async def fetch_time(self, params: dict[str, Any] = {}) -> int:
        """The server's time.

        :returns: milliseconds since the Unix epoch
        """
        health = await self.request(BY_NAME["health"].path)
        time = health.get("time_ms") if isinstance(health, dict) else None
        return time if isinstance(time, int) else await self._venue("fetch_time", [], params)
