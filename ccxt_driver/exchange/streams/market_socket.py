"""Market data that the server pushes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import ccxt

from ccxt_driver.contract.events import Action, Channel, EventName, Namespace
from ccxt_driver.contract.features import Feature
from ccxt_driver.exchange.stream_settings import StreamSettings

from .market_topics import CANDLES_AT_ONCE, TRADES_AT_ONCE, Topic
from .socket import Frame, GatewaySocket

LOG: Final = logging.getLogger("ccxt_driver")
_ERROR: Final = EventName.ERROR.value
_UPDATED: Final = "_updated"
_LIMITS: Final = {Channel.TRADES: TRADES_AT_ONCE, Channel.OHLCV: CANDLES_AT_ONCE}

_Key = tuple[int, str, str, str]
"""Account, symbol, channel, timeframe."""


class MarketSocket:
    """The subscriptions to market data on a connection; made again after each. What fails is polled.

    :param socket: to the gateway
    :param settings: the interval that the server is asked to look at
    :param features: of the server
    :param hold: puts off readings by some seconds
    """

    def __init__(
        self,
        socket: GatewaySocket,
        settings: StreamSettings,
        features: Collection[str],
        hold: Callable[[float], None],
    ) -> None:
        self._socket = socket
        self._settings = settings
        self._hold = hold
        self._interval_ms = max(1, round(settings.market_interval * 1000))
        self._book_updates = Feature.BOOK_UPDATES in features
        self._topics: dict[_Key, list[Topic]] = {}
        self._subscribed: set[_Key] = set()
        self._outdated: set[_Key] = set()
        """What is to be subscribed anew: what still comes is of the former subscription, and may be less."""
        self._due: dict[_Key, None] = {}
        """What is to be subscribed or ended, in this order."""
        self._worker: asyncio.Task[None] | None = None
        socket.add(self)
        socket.start()

    def follow(self, topic: Topic) -> None:
        """Have the server push what a topic shows."""
        key = _key(topic)
        if key is None:
            return
        topics = self._topics.setdefault(key, [])
        if topic not in topics:
            topics.append(topic)
            self._soon(key)

    def leave(self, topic: Topic) -> None:
        """A topic is watched no more."""
        key = _key(topic)
        topics = self._topics.get(key, []) if key is not None else []
        if key is None or topic not in topics:
            return
        topics.remove(topic)
        if not topics:
            del self._topics[key]
            self._outdated.discard(key)
            self._soon(key)

    def subscribe_again(self, topic: Topic) -> None:
        """Have the server begin anew, with the whole of it."""
        key = _key(topic)
        if key is not None and key in self._topics:
            self._outdated.add(key)
            self._soon(key)

    async def close(self) -> None:
        """Ask for nothing more."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait({worker})

    # -- subscribing -------------------------------------------------------------------------------

    def _soon(self, key: _Key) -> None:
        self._due[key] = None
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._due:
            try:
                await self._socket.ready()
            except ccxt.BaseError as error:  # `on_up` asks again
                LOG.debug("market data are not pushed: %s", error)
                return
            key = next(iter(self._due))
            del self._due[key]
            try:
                await (self._subscribe(key) if key in self._topics else self._unsubscribe(key))
            except ccxt.BaseError as error:  # it is read instead
                LOG.debug("%s is not pushed: %s", key, error)
                if getattr(error, "retry_after", None):
                    await self._later(key, error)

    async def _later(self, key: _Key, error: ccxt.BaseError) -> None:
        """We ask too often. Readings wait, too: they would leave no room for what makes them needless."""
        self._due[key] = None
        seconds = self._settings.pause(0, error)
        self._hold(seconds)
        await asyncio.sleep(seconds)

    async def _subscribe(self, key: _Key) -> None:
        account_id, symbol, channel, timeframe = key
        payload: dict[str, Any] = {
            "account_id": account_id,
            "symbol": symbol,
            "channels": [channel],
            "poll_interval_ms": self._interval_ms,
        }
        if channel == Channel.OHLCV:
            payload["timeframe"] = timeframe
        if channel in _LIMITS:
            payload["limit"] = _LIMITS[Channel(channel)]
        if channel == Channel.ORDERBOOK:
            payload["depth"] = self._topics[key][0].depth
            if self._book_updates:
                payload["book_updates"] = True

        def answered(frame: Frame) -> None:  # at once: what it brings may have come with the answer
            if frame.get("event") != _ERROR and key not in self._due:
                self._outdated.discard(key)

        await self._socket.ask(Namespace.CCXT, Action.SUBSCRIBE_MARKET, payload, each=answered)
        self._subscribed.add(key)

    async def _unsubscribe(self, key: _Key) -> None:
        if key not in self._subscribed:
            return
        account_id, symbol, channel, _ = key
        payload = {"account_id": account_id, "symbol": symbol, "channels": [channel]}
        await self._socket.ask(Namespace.CCXT, Action.UNSUBSCRIBE_MARKET, payload)
        for other in [each for each in self._subscribed if each[:3] == key[:3]]:
            self._subscribed.discard(other)
            if other in self._topics:  # of another timeframe: the server does not tell them apart
                self._due[other] = None

    # -- as a listener of the socket -----------------------------------------------------------------

    async def on_up(self) -> None:
        """Subscribe again; what comes on the connection does not wait for it."""
        self._subscribed.clear()
        self._outdated.clear()
        self._due.clear()
        for key in self._topics:
            self._soon(key)

    def on_frame(self, frame: Frame) -> None:
        """Give market data to their topics."""
        if frame.get("namespace") != Namespace.CCXT.value:
            return
        payload = frame.get("payload")
        event = str(frame.get("event"))
        if not isinstance(payload, dict):
            return
        if event == _ERROR:
            self._on_error(payload.get("details"))
        elif event.endswith(_UPDATED):
            self._on_update(event.removesuffix(_UPDATED), payload)

    def _on_update(self, channel: str, payload: Mapping[str, Any]) -> None:
        for topic in self._topics_of(payload, channel, payload.get("timeframe")):
            try:
                topic.push(payload)
            except (ccxt.BaseError, LookupError, TypeError, ValueError) as error:
                LOG.warning("market data that cannot be read are read again: %s", error)
                topic.lost()
                topic.wake()

    def _on_error(self, details: Any) -> None:
        """The server cannot read it: reading it tells those who watch why."""
        if isinstance(details, dict):
            for topic in self._topics_of(details, str(details.get("channel")), None):
                topic.lost()
                topic.wake()

    def _topics_of(self, payload: Mapping[str, Any], channel: str, timeframe: Any) -> list[Topic]:
        found = (payload.get("account_id"), payload.get("symbol"), channel)
        keys = [key for key in self._keys(found) if timeframe is None or key[3] in ("", timeframe)]
        if timeframe is None and channel == Channel.OHLCV and len(keys) > 1:
            return []  # nobody can tell of which timeframe: they are read
        return [topic for key in keys if key not in self._outdated for topic in self._topics[key]]

    def _keys(self, found: tuple[Any, Any, str]) -> list[_Key]:
        if found[2] != Channel.OHLCV:
            key = (*found, "")
            return [key] if key in self._topics else []
        return [key for key in self._topics if key[:3] == found]

    def on_down(self, error: ccxt.NetworkError) -> None:
        """Read until there is a connection again."""
        for topics in self._topics.values():
            for topic in topics:
                topic.lost()

    def on_outage(self, error: ccxt.NetworkError) -> None:
        """Nothing to do: it is read."""

    def on_failed(self, error: ccxt.BaseError) -> None:
        """Nothing to do: it is read, and whoever reads is told the same."""


def _key(topic: Topic) -> _Key | None:
    if topic.channel is None or topic.symbol is None:
        return None
    return topic.account_id, topic.symbol, topic.channel.value, topic.timeframe
