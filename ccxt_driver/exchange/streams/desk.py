"""Everything of an exchange object's streams: sockets, feeds and the streams of accounts, in one loop."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

import ccxt

from ccxt_driver.contract.features import Feature
from ccxt_driver.exchange.stream_settings import StreamSettings, stream_settings

from .account_stream import AccountStream
from .changes import Change
from .event_feed import EventFeed
from .gap import HandedOn
from .reading_source import ReadingSource, tell_of_polling
from .socket import GatewaySocket, SocketClosed
from .sources import CursorSource, InProcessSource, Source

_NUMBERED: Final = frozenset({Feature.EVENT_ROWS, Feature.EVENT_CURSOR})
_CLOSING_SECONDS: Final = 0.8
"""Closing takes no longer, whatever the other side does."""


class Part(Protocol):
    """What else ends with the streams."""

    def end(self, error: ccxt.BaseError) -> None:
        """End all watchers, at once."""

    async def close(self) -> None:
        """Wait until nothing of it runs any more."""


class StreamDesk:
    """Made at the first use of a stream, and anew after `close()` or in another event loop.

    :param exchange: the exchange object
    """

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self.settings: StreamSettings = stream_settings(exchange.options)
        self.loop = asyncio.get_running_loop()
        self._sockets: dict[str, tuple[GatewaySocket, EventFeed]] = {}
        self._streams: dict[int, AccountStream] = {}
        self.parts: dict[str, Part] = {}
        """Streams that are not of accounts, by name."""
        self.beginning = 0
        """How many calls are about to begin a stream: commands of this object wait for them."""
        self.waited_for_until = 0.0
        """How long they do, in the loop's seconds."""
        self.begun = asyncio.Event()

    def socket(self) -> GatewaySocket:
        """The socket to the gateway; connected when it is used."""
        return self._of_gateway()[0]

    def _of_gateway(self) -> tuple[GatewaySocket, EventFeed]:
        url = websocket_url(self._exchange)
        known = self._sockets.get(url)
        if known is None:
            socket = GatewaySocket(self._exchange, url, self.settings)
            known = self._sockets[url] = (socket, EventFeed(self._exchange.id, socket))
        return known

    def stream(self, account_id: int) -> AccountStream:
        """The stream of an account."""
        stream = self._streams.get(account_id)
        if stream is None:
            stream = self._streams[account_id] = AccountStream(
                self._exchange.id, account_id, self._source_of, self._remember
            )
        return stream

    def hint(self, account_id: int) -> None:
        """Something was commanded on an account; the gateway has heard it, or may have."""
        for socket, _ in self._sockets.values():
            if not socket.is_up:
                socket.hurry()
        stream = self._streams.get(account_id)
        if stream is not None:
            stream.hint()

    def at_once(self, stream: AccountStream) -> None:
        """Begin a stream of an OMS in this process: nothing has to be waited for."""
        if self._exchange._is_embedded and not stream.is_on:
            source = self._in_process(stream)
            stream.take_source(source)
            source.listen()

    def _in_process(self, stream: AccountStream) -> InProcessSource:
        oms = self._exchange._embedded_oms or self._exchange._open_embedded()
        return InProcessSource(oms, stream, self._exchange._news_seconds)

    async def _source_of(self, stream: AccountStream) -> Source:
        if self._exchange._is_embedded:
            return self._in_process(stream)
        features = await self._exchange._features()
        socket, feed = self._of_gateway()
        if features >= _NUMBERED:
            try:
                await socket.ready()
            except SocketClosed as error:
                tell_of_polling(self._exchange.id, stream.account_id, error)
                return ReadingSource(stream, self._exchange, self.settings, stream.known)
            handed_on = HandedOn(self._exchange, stream.account_id)
            return CursorSource(stream, socket, feed, handed_on)
        return ReadingSource(stream, self._exchange, self.settings, stream.known, socket, feed)

    def _remember(self, change: Change) -> None:
        if not change.leaves:  # the caches are of all strategies, and to them it goes on
            self._exchange.remember_change(change)

    # -- the end -----------------------------------------------------------------------------------

    def end(self, error: ccxt.BaseError) -> None:
        """End all watchers, at once."""
        for stream in self._streams.values():
            stream.end(error)
        for part in self.parts.values():
            part.end(error)

    async def close(self) -> None:
        """Close all connections."""
        streams, self._streams = self._streams, {}
        sockets, self._sockets = self._sockets, {}
        ends = [stream.close() for stream in streams.values()]
        ends += [part.close() for part in self.parts.values()]
        ends += [socket.close() for socket, _ in sockets.values()]
        tasks = {asyncio.ensure_future(each) for each in ends}
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSING_SECONDS)


def websocket_url(exchange: Any) -> str:
    """Where the gateway's WebSocket is: `urls["api"]["ws"]`, or `/ws` of its base URL."""
    base = exchange.urls["api"]
    if not isinstance(base, str):
        given = base.get("ws")
        if given is not None:
            return str(given)
        base = base.get("private") or next(iter(base.values()))
    scheme, separator, rest = str(base).partition("://")
    return f"{'wss' if scheme == 'https' else 'ws'}{separator}{rest}/ws"
