"""All market data that one exchange object watches, and how the server is asked for it."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Hashable, Iterable
from contextlib import suppress
from typing import Any, Final

import ccxt

from ccxt_driver.contract.features import Feature
from ccxt_driver.exchange.stream_settings import StreamSettings

from .market_socket import MarketSocket
from .market_topics import Topic
from .market_watch import MarketWatch
from .pacing import Pace
from .price_news import PriceNews
from .socket import GatewaySocket
from .watching import Ended, asked_for, shared

LOG: Final = logging.getLogger("ccxt_driver")
_IN_PROCESS_INTERVAL: Final = 0.25
"""Seconds between two looks at an OMS in this process, for prices that are a function of time."""
_TOGETHER_SECONDS: Final = 0.02
"""How long a request for tickers waits for others that can go with it."""
_CACHE_LIMIT: Final = 1000


class MarketHub:
    """Lives in one event loop.

    :param exchange: the exchange object
    :param settings: intervals and rates
    :param make_socket: gives the connection to the gateway, made at the first call
    """

    def __init__(
        self, exchange: Any, settings: StreamSettings, make_socket: Callable[[], GatewaySocket]
    ) -> None:
        self.exchange = exchange
        self.id: str = exchange.id
        self.loop = asyncio.get_running_loop()
        self.in_process: bool = exchange._is_embedded
        self.outage = 0.0 if self.in_process else settings.outage
        self.check_interval = settings.market_check
        self._settings = settings
        self._make_socket = make_socket
        self._pace = Pace(settings.market_rate)
        self._topics: dict[Hashable, Topic] = {}
        self._watches: dict[Hashable, MarketWatch] = {}
        self._socket: MarketSocket | None = None
        self._news: PriceNews | None = None
        self._tickers = Together(self, exchange._ticker, "fetch_tickers")
        self._best = Together(self, None, "fetch_bids_asks")
        self._tasks: set[asyncio.Task[None]] = set()
        self._closings: set[asyncio.Task[None]] = set()

    # -- what topics ask of it -----------------------------------------------------------------------

    @property
    def read_interval(self) -> float:
        """Seconds between two readings of what nobody pushes."""
        if not self.in_process:
            return self._settings.market_interval
        return math.inf if self._news is not None and self._news.tells_all else _IN_PROCESS_INTERVAL

    def pause(self, failures: int, error: BaseException) -> float:
        """Seconds before the next attempt; see `StreamSettings.pause`."""
        return self._settings.pause(failures, error)

    async def turn(self) -> None:
        """Wait until the server may be asked again."""
        if not self.in_process:
            await self._pace.turn()

    def mapped(self, mapper: Callable[..., Any], data: Any) -> Any:
        """What a mapper makes of pushed data.

        :raises BadResponse: it is not of the contract
        """
        return self.exchange._mapped(mapper, data, self.exchange._number())

    def cache(self, name: str) -> dict[Any, Any]:
        """One of ccxt's caches."""
        found = getattr(self.exchange, name)
        if not isinstance(found, dict):
            found = {}
            setattr(self.exchange, name, found)
        return found

    def limit(self, option: str) -> int:
        """How many rows one of ccxt's caches keeps: `tradesLimit`, `OHLCVLimit`."""
        limit: int = self.exchange.safe_integer(self.exchange.options, option, _CACHE_LIMIT)
        return limit

    async def ticker(self, account_id: int, symbol: str) -> Any:
        """The ticker of a symbol, asked for together with others."""
        return await self._tickers.get(account_id, symbol)

    async def best(self, account_id: int, symbol: str) -> Any:
        """The best prices of a symbol, asked for together with others; None while it has none."""
        return await self._best.get(account_id, symbol)

    def subscribe_again(self, topic: Topic) -> None:
        """What the server pushes for a topic cannot be right, or is not enough."""
        topic.lost()
        topic.wake()
        if self._socket is not None:
            self._socket.subscribe_again(topic)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let something run that several may wait for, or nobody; `close` ends it."""
        return self._spawned(work, self._tasks)

    def _spawned(self, work: Coroutine[Any, Any, None], those: set[asyncio.Task[None]]) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        those.add(task)
        task.add_done_callback(those.discard)
        task.add_done_callback(asked_for)  # whoever waited for it may have been cancelled
        return task

    # -- for the methods -------------------------------------------------------------------------

    def topic(self, kind: type[Topic], *names: Any) -> Topic:
        """The topic of that name, made when there is none.

        :param kind: of what
        :param names: its arguments after the hub: account, symbol, timeframe
        """
        key = (kind, *names)
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = kind(self, *names)
        return topic

    def watch(self, key: Hashable, make: Callable[[], MarketWatch]) -> MarketWatch:
        """The watcher of that name, made when there is none."""
        watch = self._watches.get(key)
        if watch is None or watch.watcher.over:
            if watch is not None:
                self._detach(watch)
            watch = self._watches[key] = make()
        return watch

    async def next(
        self, watch: MarketWatch, deliver: Callable[[Any], Any], limit: int | None, since: int | None
    ) -> Any:
        """What is new for a watcher; it begins with the first call.

        :raises BaseError: it cannot be read
        """
        # Of trades and candles each is given once: who comes beside another waits for the next.
        turn = None if watch.topics[0].is_sequence else watch.watcher.round()
        with suppress(Ended):  # then the watcher says why
            await self._ready(watch, since)
        if not watch.watcher.ended:
            for topic in watch.topics:
                topic.expect()
        return await watch.watcher.next(deliver, limit, turn=turn)

    async def _ready(self, watch: MarketWatch, since: int | None) -> None:
        """Let a watcher begin; after that bring up to date what nobody reads without being asked."""
        if not watch.is_started:
            is_first = watch.starting is None
            if watch.starting is None:
                watch.starting = self.spawn(self._start(watch, since))
            await shared(watch.starting)
            if is_first:  # else it may want more of it than was read
                return
        if not (len(watch.watcher) and watch.topics[0].is_sequence):
            try:
                await self._fresh(self._before_a_call(watch))
            except ccxt.NetworkError:
                if any(topic.is_out for topic in watch.topics):
                    raise  # else it is tried again, and the call waits for that

    def _before_a_call(self, watch: MarketWatch) -> list[Topic]:
        """What is to be up to date before a call returns: all of it, unless each takes a request.

        Then it is what the call returns, if that is older than a round of readings takes; the others are
        read meanwhile.
        """
        topics = [topic for topic in watch.topics if not topic.is_background]
        if self.in_process or len(topics) < 2 or topics[0].shares_requests:
            return topics
        for topic in topics:
            topic.look()
        first = watch.watcher.first
        seconds = self.read_interval + len(self._topics) / self._settings.market_rate
        return [
            topic
            for topic in topics
            if first is not None and topic.symbol == first.key and topic.is_older_than(seconds)
        ]

    async def _start(self, watch: MarketWatch, since: int | None) -> None:
        try:
            await self._listen()
            await self._fresh(watch.topics)
            past = since is not None and watch.topics[0].is_sequence
            for topic in watch.topics:
                topic.attach(watch, await topic.history(since) if past and since is not None else None)
        except BaseException:
            if self._watches.get(watch.key) is watch:
                del self._watches[watch.key]
            self._detach(watch)
            raise
        if watch.watcher.ended:
            self._detach(watch)
            return
        watch.is_started = True
        if self._socket is not None:
            for topic in watch.topics:
                self._socket.follow(topic)

    async def _listen(self) -> None:
        """Let the server, or the OMS in this process, say when something is new."""
        if self.in_process:
            if self._news is None:
                self._news = PriceNews(
                    self.exchange._embedded_oms or self.exchange._open_embedded(), self._wake
                )
            return
        features = await self.exchange._features()
        if self._socket is None and Feature.EVENT_ROWS in features:
            self._socket = MarketSocket(self._make_socket(), self._settings, features, self._pace.hold)

    def _wake(self, prices: frozenset[str], books: frozenset[str]) -> None:
        for topic in self._topics.values():
            symbol = topic.symbol
            if symbol in prices or (symbol in books and topic.is_of_orders) or (symbol is None and prices):
                topic.wake()

    async def _fresh(self, topics: Iterable[Topic]) -> None:
        old = [topic for topic in topics if not topic.is_fresh]
        if len(old) == 1:
            await old[0].fresh()
        elif old:
            await asyncio.gather(*(topic.fresh() for topic in old))

    def end(
        self, error: ccxt.BaseError, concerns: Callable[[MarketWatch], bool] = lambda watch: True
    ) -> None:
        """End watchers; those who wait get the error.

        :param concerns: whether a watcher is one of them
        """
        for watch in [each for each in self._watches.values() if concerns(each)]:
            del self._watches[watch.key]
            watch.watcher.end(error)
            self._detach(watch)

    def _detach(self, watch: MarketWatch) -> None:
        """Drop the topics that nobody watches any more."""
        for topic in watch.topics:
            if watch in topic.watches:
                topic.watches.remove(watch)
        used = {topic for each in self._watches.values() for topic in each.topics}
        for key, topic in [(key, each) for key, each in self._topics.items() if each not in used]:
            del self._topics[key]
            topic.forget()
            if self._socket is not None:
                self._socket.leave(topic)
            self._spawned(topic.close(), self._closings)
        if not self._topics and self._news is not None:
            self._news.close()
            self._news = None

    async def close(self) -> None:
        """Wait until all that was ended is."""
        if self._socket is not None:
            await self._socket.close()
        for task in self._tasks:
            task.cancel()
        while self._tasks or self._closings:
            await asyncio.wait(self._tasks | self._closings)


class Together:
    """One request for several symbols that are wanted at the same time.

    :param hub: of the exchange object
    :param one: asks for a single one; None when there is no such function
    :param many: the method of the exchange that asks for several
    """

    def __init__(self, hub: MarketHub, one: Callable[..., Any] | None, many: str) -> None:
        self._hub = hub
        self._one = one
        self._many = many
        self._wanted: dict[tuple[int, str], dict[str, asyncio.Future[Any]]] = {}

    async def get(self, account_id: int, symbol: str) -> Any:
        """What the venue says of a symbol.

        :raises BaseError: it says no
        """
        params = {"account_id": account_id}
        if self._hub.in_process and self._one is not None:
            return await self._one(symbol, params)
        kind = str(self._hub.exchange.market(symbol).get("type"))  # venues ask for one kind at a time
        group = self._wanted.setdefault((account_id, kind), {})
        is_first = not group
        found = group.setdefault(symbol, self._hub.loop.create_future())
        if is_first:
            self._hub.spawn(self._ask(account_id, kind))  # begins at once in loops with eager tasks
        return await asyncio.shield(found)

    async def _ask(self, account_id: int, kind: str) -> None:
        if not self._hub.in_process:
            await asyncio.sleep(_TOGETHER_SECONDS)
        await self._hub.turn()  # who comes meanwhile goes with it
        group = self._wanted.pop((account_id, kind))
        params = {"account_id": account_id}
        try:
            answers = await self._answers([*group], params)
        except asyncio.CancelledError:
            for future in group.values():
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001  # it is raised from those who asked
            for future in group.values():
                future.set_exception(error)
                future.exception()  # they may all have been cancelled
            return
        for symbol, future in group.items():
            future.set_result(answers[symbol])

    async def _answers(self, symbols: list[str], params: dict[str, Any]) -> Any:
        if len(symbols) == 1 and self._one is not None:
            return {symbols[0]: await self._one(symbols[0], params)}
        found = await getattr(self._hub.exchange, self._many)(symbols, params)
        missing = [symbol for symbol in symbols if symbol not in found]
        if missing and self._one is None:
            if self._hub.in_process:  # the OMS leaves out what has no price yet
                return {**dict.fromkeys(missing), **found}
            raise ccxt.BadResponse(f"{self._hub.id} {self._many} {missing}: the venue gives nothing")
        return {**found, **{symbol: await self._alone(symbol, params) for symbol in missing}}

    async def _alone(self, symbol: str, params: dict[str, Any]) -> Any:
        assert self._one is not None, "there is such a function"
        await self._hub.turn()
        return await self._one(symbol, params)
