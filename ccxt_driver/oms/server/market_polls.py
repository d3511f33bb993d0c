"""Market data pushed over `/ws`: read again and again, sent when it has changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.events import Channel, Namespace, SubscribeMarket, UnsubscribeMarket
from ccxt_driver.oms.entities import Principal
from ccxt_driver.oms.json_text import dumps

from . import frames
from .outbox import Outbox, SlowConsumer
from .served import ServedOms
from .snapshots import Refused, call_venue, refused

SHORTEST_INTERVAL_MS: Final = 250
LONGEST_INTERVAL_MS: Final = 10_000
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
    return _Poll(_Topic(wanted.account_id, symbol, channel, timeframe), function, arguments)


class MarketPolls:
    """What one client follows. A subscription to what it follows already replaces the older one.

    :param oms: where the data is read
    :param outbox: where it goes
    :param slow: called when the client does not read
    """

    def __init__(self, oms: ServedOms, outbox: Outbox, slow: Callable[[], None]) -> None:
        self._oms = oms
        self._outbox = outbox
        self._slow = slow
        self._tasks: dict[_Topic, asyncio.Task[None]] = {}

    def subscribe(self, wanted: SubscribeMarket, principal: Principal) -> int:
        """Follow some channels; what is there now is pushed first.

        :returns: how often they are read, in milliseconds
        :raises Refused: a channel cannot be read; then none is followed
        """
        polls = [_poll(wanted, channel) for channel in dict.fromkeys(wanted.channels)]
        if len(self._tasks.keys() | {poll.topic for poll in polls}) > MOST_POLLS:
            message = f"a connection may follow {MOST_POLLS} channels"
            raise refused(ErrorCode.RATE_LIMITED, message)
        first = [_read(self._oms, poll, principal) for poll in polls]
        interval = min(max(wanted.poll_interval_ms, SHORTEST_INTERVAL_MS), LONGEST_INTERVAL_MS)
        for poll, data in zip(polls, first, strict=True):
            self._cancel(poll.topic)
            follow = self._follow(poll, data, interval / 1000, principal)
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

    async def _follow(self, poll: _Poll, data: Any, seconds: float, principal: Principal) -> None:
        seen: bytes | None = None
        told: str | None = None
        try:
            while True:
                text = dumps(data)
                if text != seen:
                    seen = text
                    self._outbox.put(self._update(poll.topic, data))
                await asyncio.sleep(seconds)
                try:
                    data = _read(self._oms, poll, principal)
                    told = None
                except Refused as refusal:
                    # Said once, not at every turn; reading goes on, and the data when it is back.
                    if told != refusal.detail["code"]:
                        told = refusal.detail["code"]
                        self._outbox.put(_trouble(poll.topic, refusal.detail))
        except SlowConsumer:
            self._slow()

    def _update(self, topic: _Topic, data: Any) -> str:
        now = time.time_ns() // 1_000_000
        return frames.market_update(topic.account_id, topic.symbol, topic.channel.value, data, now)


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
