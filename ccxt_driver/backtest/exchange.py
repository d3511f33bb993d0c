"""The driver's classes as a script gets them in a backtest.

They are what they are live, on an OMS in the same process. What scripts ask for again and again is
answered by a shorter way, with the same result: the newest candles, the balance, and `watch_ohlcv`,
whose await itself moves the clock to the next candle where nothing else is due before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import ccxt

from ccxt_driver.contract.values import format_time
from ccxt_driver.exchange._sync import OmsCcxtExchange
from ccxt_driver.exchange.configuration import EMBEDDED
from ccxt_driver.exchange.pro import OmsCcxtExchange as OmsCcxtProExchange
from ccxt_driver.oms.venue_public import MOST_ROWS, USUAL_ROWS

from .pulling import CandlePull, Pull, TradePull
from .trips import Trips, as_it_stands

if TYPE_CHECKING:
    from ccxt.base.types import Balances, Trade

    from .market import RecordedMarket
    from .own_names import OwnNames
    from .replay import Replay

_Key = tuple[str, str]
_OF_A_GATEWAY: Final = frozenset({"base_url", "oms", "sandbox"})
_CREDENTIALS: Final = frozenset({"apiKey", "secret", "password", "privateKey", "urls"})


class Replayed:
    """What both classes have in common; these four are set before a script begins."""

    replay: Replay
    recorded: RecordedMarket
    names: OwnNames
    trips: Trips

    if TYPE_CHECKING:
        options: Any
        markets: Any
        verbose: Any
        id: str

    def __init__(self, config: dict[str, Any] = {}) -> None:
        self._balances: dict[int, tuple[int, dict[str, Any]]] = {}
        """By account: as of how many commits, and what it was."""
        # What an object of ours gives another is of a class of its own, and right as it is.
        own = _on_replay(config, self.replay) if type(config) is dict else config
        super().__init__(own)  # type: ignore[call-arg]
        given = config.get("options") if type(config) is dict else None
        self._unnamed = None if given and given.get("account_id") else vars(self)["options"]["account_id"]
        """The number that it has because it was given none; None where it was."""

    def _account_id(self, params: Mapping[str, Any]) -> int:
        found: int = super()._account_id(params)  # type: ignore[misc]
        if found == self._unnamed:
            return self.names.account_id
        self.names.use_account(found, self.id)
        return found

    def _strategy_id(self, params: Mapping[str, Any]) -> int | None:
        found: int | None = super()._strategy_id(params)  # type: ignore[misc]
        if found is not None:
            self.names.use_strategy(found)
        return found

    def _own_state(self) -> dict[str, Any]:
        """As live; the run is no part of a copy, which stands on it by itself."""
        state: dict[str, Any] = super()._own_state()  # type: ignore[misc]
        own = {**state["options"]}
        del own["oms"]
        if own["client_order_id_factory"] == self.replay.client_order_id:
            del own["client_order_id_factory"]
        state["options"] = own
        state.pop("_pulls", None)
        return state

    def _take_over(self, state: dict[str, Any]) -> None:
        super()._take_over(state)  # type: ignore[misc]
        self.options = _on_replay({"options": self.options}, self.replay)["options"]

    def _ask_in_process(self, path: str, method: str, params: Any) -> Any:
        self.replay.note(method, path, params)
        self.names.see(method, path, params)
        return super()._ask_in_process(path, method, params)  # type: ignore[misc]

    def _newest_candles(
        self, symbol: Any, timeframe: Any, since: Any, limit: Any, params: Any
    ) -> list[list[Any]] | None:
        """What `fetch_ohlcv` returns, where the shorter way has it."""
        count = USUAL_ROWS if limit is None else limit
        if since is not None or params or self.verbose or not self.markets:
            return None
        bars = self.recorded.candles(symbol, timeframe)
        if bars is None or type(count) is not int or not 0 < count <= MOST_ROWS:
            return None
        now_ms = self.replay.clock.now_ms()
        bars.advance(now_ms)
        # The first candle may have begun before the file, in one of longer candles.
        if len(bars.rows) <= count or not self.replay.asks_freely():
            return None
        found = bars.newest(count)
        if bars.as_of_ms != now_ms:  # the newest has gone on since it opened
            found[-1] = self.recorded.forming(symbol, timeframe, now_ms)
        return found

    def _known_balance(self, params: Any) -> dict[str, Any] | None:
        """What `fetch_balance` returns, where nothing has changed since it was asked for before."""
        replay = self.replay
        if params or self.verbose:
            return None
        known = self._balances.get(self._account_id(params))
        replay.settle()
        if known is None or known[0] != replay.oms.commits or not replay.asks_freely():
            return None
        now_ms = replay.clock.now_ms()
        return _copied(known[1]) | {"timestamp": now_ms, "datetime": format_time(now_ms)}

    def _remember_balance(self, params: Any, balance: Any) -> None:
        """Keep a balance that changes by commits only: not one that follows the price of a position."""
        account_id = self._account_id(params)
        if params or self.replay.oms.has_margin(account_id):
            return
        self._balances[account_id] = (self.replay.oms.commits, _copied(balance))


class ReplayExchange(Replayed, OmsCcxtExchange):
    """The blocking class."""

    def request(
        self, path: str, api: Any = "public", method: str = "GET", params: Any = {}, *args: Any, **named: Any
    ) -> Any:
        """As live; what it takes passes before, and what its answer takes after."""
        replay = self.replay
        seconds = replay.request_seconds()
        if seconds:
            replay.sleep(seconds)
        trip = self.trips.of(path, params)
        if trip is None:
            return super().request(path, api, method, params, *args, **named)
        if trip.before:
            replay.sleep(trip.before)
        try:
            answer = super().request(path, api, method, params, *args, **named)
        except ccxt.ExchangeError:
            if trip.refused:
                replay.sleep(trip.refused)
            raise
        if trip.there:
            replay.sleep(trip.there)
            answer = as_it_stands(replay.oms, answer)
        replay.sleep(trip.back)
        return answer

    def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[list[Any]]:
        """As live."""
        found = self._newest_candles(symbol, timeframe, since, limit, params)
        return super().fetch_ohlcv(symbol, timeframe, since, limit, params) if found is None else found

    def fetch_balance(self, params: dict[str, Any] = {}) -> Balances:
        """As live."""
        balance: Any = self._known_balance(params)
        if balance is None:
            balance = super().fetch_balance(params)
            self._remember_balance(params, balance)
        return balance  # type: ignore[no-any-return]


class ReplayProExchange(Replayed, OmsCcxtProExchange):
    """The class with coroutines and streams."""

    def __init__(self, config: dict[str, Any] = {}) -> None:
        self._pulls: dict[_Key, Pull] = {}
        """By symbol, as it is called or unified, and timeframe; without one those of trades."""
        self._news_seconds = self.trips.fill_ms / 1000
        super().__init__(config)

    async def give_way(self) -> None:
        """Time does not pass by that: others have their turn while a request takes some."""

    async def request(
        self, path: str, api: Any = "public", method: str = "GET", params: Any = {}, *args: Any, **named: Any
    ) -> Any:
        """As live; what it takes passes before, what its answer takes after, and others have their turn."""
        seconds = self.replay.request_seconds()
        if seconds:
            await asyncio.sleep(seconds)
        trip = self.trips.of(path, params)
        if trip is None:
            return await super().request(path, api, method, params, *args, **named)
        if trip.before:
            await asyncio.sleep(trip.before)
        try:
            answer = await super().request(path, api, method, params, *args, **named)
        except ccxt.ExchangeError:
            if trip.refused:
                await asyncio.sleep(trip.refused)
            raise
        if trip.there:
            await asyncio.sleep(trip.there)
            answer = as_it_stands(self.replay.oms, answer)
        await asyncio.sleep(trip.back)
        return answer

    async def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[list[Any]]:
        """As live."""
        found = self._newest_candles(symbol, timeframe, since, limit, params)
        return await super().fetch_ohlcv(symbol, timeframe, since, limit, params) if found is None else found

    async def fetch_balance(self, params: dict[str, Any] = {}) -> Balances:
        """As live."""
        balance: Any = self._known_balance(params)
        if balance is None:
            balance = await super().fetch_balance(params)
            self._remember_balance(params, balance)
        return balance  # type: ignore[no-any-return]

    async def watch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[list[Any]]:
        """As live: news come as a candle opens, with what the one before has become."""
        pull = self._pulls.get((symbol, timeframe))
        if pull is None and since is None and not params:
            pull = await self._candle_pull(symbol, timeframe)
        if pull is None or since is not None or params:
            return await super().watch_ohlcv(symbol, timeframe, since, limit, params)
        if limit is None and self.newUpdates:
            found = pull.at_once(None)
            return await pull.wait(None) if found is None else found
        return await self._pulled(pull, limit, 0)

    async def watch_trades(
        self, symbol: str, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Trade]:
        """As live: those of one moment come together."""
        pull = self._pulls.get((symbol, ""))
        if pull is None and since is None and not params:
            pull = await self._trade_pull(symbol)
        if pull is None or since is not None or params:
            return await super().watch_trades(symbol, since, limit, params)
        if limit is None and self.newUpdates:
            found = pull.at_once(None)
            return await pull.wait(None) if found is None else found
        return await self._pulled(pull, limit, "timestamp")

    async def _pulled(self, pull: Pull, limit: Any, time: int | str) -> list[Any]:
        """What comes next of a file.

        :param time: where a row has its time
        """
        if limit is not None:
            limit = self._list_arguments(None, limit, {})["limit"]
        most = limit if self.newUpdates else None
        found = pull.at_once(most)
        if found is None:
            found = await pull.wait(most)
        if self.newUpdates:
            return found
        cached: list[Any] = self.filter_by_since_limit(pull.cache, None, limit, time, True)
        return [row.copy() for row in cached]

    async def _candle_pull(self, symbol: str, timeframe: str) -> Pull | None:
        """A watcher of the candles of a file; None where they are made of something else."""
        unified = await self._symbol(symbol)
        candles = self.recorded.candles(unified, timeframe)
        if candles is None:
            return None

        def make() -> Pull:
            caches = self.ohlcvs.setdefault(unified, {})
            forming = partial(self.recorded.forming, unified, timeframe)
            kept = self._market_hub().limit("OHLCVLimit")
            return CandlePull(self.replay, candles, forming, caches, timeframe, kept)

        return self._named_pull((symbol, timeframe), (unified, timeframe), make)

    async def _trade_pull(self, symbol: str) -> Pull | None:
        """A watcher of the trades of a file; None where they are made of something else."""
        unified = await self._symbol(symbol)
        ticks = self.recorded.ticks(unified)
        if ticks is None:
            return None

        def make() -> Pull:
            return TradePull(
                self.replay, ticks, self.trades, unified, self._market_hub().limit("tradesLimit")
            )

        return self._named_pull((symbol, ""), (unified, ""), make)

    def _named_pull(self, key: _Key, own: _Key, make: Callable[[], Pull]) -> Pull:
        pull = self._pulls.get(own)
        if pull is None:
            pull = self._pulls[own] = make()
        self._pulls[key] = pull
        return pull

    async def un_watch_ohlcv(self, symbol: str, timeframe: str = "1m", params: dict[str, Any] = {}) -> Any:
        """As live."""
        self._end_pull((await self._symbol(symbol), timeframe), "ohlcv")
        return await super().un_watch_ohlcv(symbol, timeframe, params)

    async def un_watch_trades(self, symbol: str, params: dict[str, Any] = {}) -> Any:
        """As live."""
        self._end_pull((await self._symbol(symbol), ""), "trades")
        return await super().un_watch_trades(symbol, params)

    def _end_pull(self, own: _Key, family: str) -> None:
        pull = self._pulls.get(own)
        if pull is not None:
            self._pulls = {key: each for key, each in self._pulls.items() if each is not pull}
            pull.end(ccxt.UnsubscribeError(f"{self.id} {family}: un_watch was called"))

    async def close(self, *args: Any, **named: Any) -> None:
        """As live."""
        pulls, self._pulls = self._pulls, {}
        for pull in dict.fromkeys(pulls.values()):
            pull.end(ccxt.ExchangeClosedByUser(f"{self.id} closed by user"))
        await super().close(*args, **named)


def _copied(balance: Mapping[str, Any]) -> dict[str, Any]:
    """A balance that the caller may change; its keys are where they were."""
    copied = {key: {**value} if type(value) is dict else value for key, value in balance.items()}
    copied["info"] = {"balances": [{**row} for row in balance["info"]["balances"]]}
    return copied


def _on_replay(config: Mapping[str, Any], replay: Replay) -> dict[str, Any]:
    """Whatever gateway and key a program names: in a backtest there is only the OMS that replays."""
    given = config.get("options")
    options = {
        "client_order_id_factory": replay.client_order_id,
        **{name: value for name, value in (given or {}).items() if name not in _OF_A_GATEWAY},
        "base_url": EMBEDDED,
        "oms": replay.oms,
    }
    kept = {name: value for name, value in config.items() if name not in _CREDENTIALS}
    return {**kept, "options": options}


def take_part(replay: Replay, recorded: RecordedMarket, names: OwnNames, trips: Trips) -> None:
    """Have objects of the classes stand on a replay, those of all scripts of this process."""
    Replayed.replay, Replayed.recorded, Replayed.names, Replayed.trips = replay, recorded, names, trips


def refuse_venues() -> None:
    """Have no class of ccxt reach a venue or a gateway over the network, from now on.

    Not by a class of its own, by settings that a script changes later, nor by `fetch` itself.
    """
    import ccxt.async_support

    def refused(exchange: Any, url: Any, method: Any) -> ccxt.NotSupported:
        place = str(url).partition("?")[0]  # what follows may hold a key
        return ccxt.NotSupported(f"{exchange.id} {method} {place}: no venue can be reached in a backtest")

    def fetch(self: Any, url: Any, method: Any = "GET", headers: Any = None, body: Any = None) -> Any:
        raise refused(self, url, method)

    async def fetch_async(
        self: Any, url: Any, method: Any = "GET", headers: Any = None, body: Any = None
    ) -> Any:
        raise refused(self, url, method)

    blocking: list[Any] = [ccxt.Exchange, *_with_fetch(OmsCcxtExchange)]
    others: list[Any] = [ccxt.async_support.Exchange, *_with_fetch(OmsCcxtProExchange)]
    for kind in blocking:
        kind.fetch = fetch
    for kind in others:
        kind.fetch = fetch_async


def _with_fetch(kind: type) -> list[type]:
    """A class and those that it is derived from, as far as they send requests themselves."""
    return [each for each in kind.__mro__ if "fetch" in vars(each)]
