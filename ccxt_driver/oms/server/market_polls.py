"""Market data pushed over `/ws`: read when something may have changed, sent when it has.

The OMS says when to look. What nobody tells of, such as prices that are a function of time, is seen by the
look at the interval that the client has asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.events import Channel, Namespace, SubscribeMarket, UnsubscribeMarket
from ccxt_driver.oms.entities import Principal
from ccxt_driver.oms.json_text import dumps

from . import frames
from .book_updates import BookUpdates
from .outbox import Outbox, SlowConsumer
from .price_hub import PriceHub
from .served import ServedOms
from .snapshots import Refused, call_venue, refused

SHORTEST_INTERVAL_MS: Final = 250
LONGEST_INTERVAL_MS: Final = 10_000
SHORTEST_PAUSE: Final = 0.01
"""Seconds between two looks at one channel, however much happens meanwhile."""
MOST_POLLS: Final = 200
"""How many channels of symbols one client may follow."""


class _Topic(NamedTuple):
    account_id: int
    symbol: str
    channel: Channel
    timeframe: str


class _Poll(NamedTuple):
    topic: _Topic
    function: str
    arguments: list[Any]
    updates: BookUpdates | None


def _poll(wanted: SubscribeMarket, channel: Channel) -> _Poll:
    symbol = wanted.symbol
    timeframe = wanted.timeframe if channel is Channel.OHLCV else ""
    calls: dict[Channel, tuple[str, list[Any]]] = {
        Channel.TICKER: ("fetch_ticker", [symbol]),
        Channel.ORDERBOOK: ("fetch_order_book", [symbol, wanted.depth or wanted.limit]),
        Channel.TRADES: ("fetch_trades", [symbol, None, wanted.limit]),
        Channel.OHLCV: ("fetch_ohlcv", [symbol, wanted.timeframe, None, wanted.limit]),
    }
    function, arguments = calls[channel]
    updates = BookUpdates() if wanted.book_updates and channel is Channel.ORDERBOOK else None
    return _Poll(_Topic(wanted.account_id, symbol, channel, timeframe), function, arguments, updates)


class MarketPolls:
    """What one client follows. A subscription to what it follows already replaces the older one.

    :param oms: where the data is read
    :param hub: says when to look
    :param outbox: where it goes
    :param slow: called when the client does not read
    """

    def __init__(self, oms: ServedOms, hub: PriceHub, outbox: Outbox, slow: Callable[[], None]) -> None:
        self._oms = oms
        self._hub = hub
        self._outbox = outbox
        self._slow = slow
        self._tasks: dict[_Topic, asyncio.Task[None]] = {}

    def subscribe(self, wanted: SubscribeMarket, principal: Principal) -> int:
        """Follow some channels; what is there now is pushed first.

        :returns: how often they are read at least, in milliseconds
        :raises Refused: a channel cannot be read; then none is followed
        """
        polls = [_poll(wanted, channel) for channel in dict.fromkeys(wanted.channels)]
        if len(self._tasks.keys() | {poll.topic for poll in polls}) > MOST_POLLS:
            message = f"a connection may follow {MOST_POLLS} channels"
            raise refused(ErrorCode.RATE_LIMITED, message)
        for poll in polls:
            _read(self._oms, poll, principal)
        interval = min(max(wanted.poll_interval_ms, SHORTEST_INTERVAL_MS), LONGEST_INTERVAL_MS)
        for poll in polls:
            self._cancel(poll.topic)
            follow = self._follow(poll, interval / 1000, principal)
            self._tasks[poll.topic] = asyncio.create_task(follow)
        return interval

    def unsubscribe(self, wanted: UnsubscribeMarket) -> int:
        """Follow no more what matches; a field left out matches all.

        :returns: how many channels that were
        """
        matching = [
            topic
            for topic in self._tasks
            if wanted.account_id in (None, topic.account_id)
            and wanted.symbol in (None, topic.symbol)
            and (not wanted.channels or topic.channel in wanted.channels)
        ]
        for topic in matching:
            self._cancel(topic)
        return len(matching)

    def close(self) -> None:
        """Follow nothing."""
        for topic in list(self._tasks):
            self._cancel(topic)

    def _cancel(self, topic: _Topic) -> None:
        task = self._tasks.pop(topic, None)
        if task is not None:
            task.cancel()

    async def _follow(self, poll: _Poll, seconds: float, principal: Principal) -> None:
        news, leave = self._hub.follow(poll.topic.symbol, book=poll.topic.channel is Channel.ORDERBOOK)
        seen: bytes | None = None
        told: str | None = None
        try:
            await asyncio.sleep(0)  # the subscription is answered first, also where tasks are eager
            while True:
                news.clear()  # before the look: what comes during it counts
                try:
                    data = _read(self._oms, poll, principal)
                except Refused as refusal:
                    # Said once, not at every turn; reading goes on, and the data when it is back.
                    if told != refusal.detail["code"]:
                        told = refusal.detail["code"]
                        self._outbox.put(_trouble(poll.topic, refusal.detail))
                else:
                    told = None
                    content = dumps(_content(data))
                    if content != seen:
                        seen = content
                        self._outbox.put(_update(poll, data))
                await asyncio.sleep(SHORTEST_PAUSE)
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), seconds)
                await self._outbox.room()  # one that reads slowly gets the latest, not all
        except SlowConsumer:
            self._slow()
        finally:
            leave()


def _content(data: Any) -> Any:
    """Without when it was read: that alone is no news."""
    if not isinstance(data, dict):
        return data
    return {key: value for key, value in data.items() if key not in ("timestamp", "datetime")}


def _update(poll: _Poll, data: Any) -> str:
    news = {"data": data} if poll.updates is None else poll.updates.payload(data)
    if poll.topic.timeframe:
        news["timeframe"] = poll.topic.timeframe
    topic, now = poll.topic, time.time_ns() // 1_000_000
    return frames.market_update(topic.account_id, topic.symbol, topic.channel.value, news, now)


def _read(oms: ServedOms, poll: _Poll, principal: Principal) -> Any:
    """Ask the venue.

    :raises Refused: it, or the OMS, says no
    """
    return call_venue(oms, poll.topic.account_id, poll.function, poll.arguments, {}, principal)


def _trouble(topic: _Topic, detail: dict[str, Any]) -> str:
    details = {
        **detail.get("details", {}),
        "account_id": topic.account_id,
        "symbol": topic.symbol,
        "channel": topic.channel.value,
    }
    return frames.error(None, Namespace.CCXT, "event", detail["code"], detail["message"], details)
