"""Where an account's changes come from when the server does not tell them all: reads, at a socket's hints."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import ccxt

from ccxt_driver.exchange.stream_settings import StreamSettings

from .changes import Kind
from .differences import KnownState
from .event_feed import EventFeed
from .rereading import RereadingSource
from .socket import Frame, GatewaySocket
from .sources import Sink

if TYPE_CHECKING:
    from ccxt_driver.exchange._async.exchange import OmsCcxtExchange

LOG: Final = logging.getLogger("ccxt_driver")


class ReadingSource:
    """A server that sends no rows, no numbers, or nothing at all.

    Reads alone are complete; what comes over the socket only makes them come at the right moment.

    :param sink: gets the changes
    :param exchange: what reads
    :param settings: intervals and backoff
    :param known: what a source before this one has handed on
    :param socket: to the server; None where it gives us none
    :param feed: of that socket
    """

    wants_snapshot = False

    def __init__(
        self,
        sink: Sink,
        exchange: OmsCcxtExchange,
        settings: StreamSettings,
        known: KnownState,
        socket: GatewaySocket | None = None,
        feed: EventFeed | None = None,
    ) -> None:
        self.account_id = sink.account_id
        self._sink = sink
        self._id = exchange.id
        self._socket = socket
        self._feed = feed
        self._rereading = RereadingSource(
            exchange,
            sink.account_id,
            sink.take_all,
            sink.fail,
            settings,
            known=known,
            nudge=None if socket is None else socket.nudge,
            outage=sink.outage,
            clock=asyncio.get_running_loop().time,
        )

    @property
    def cursor(self) -> int | None:
        """There are no numbers."""
        return None

    async def start(self) -> None:
        """Begin to read; the socket may come later."""
        await self._rereading.start(())
        self._sink.begin(None)
        if self._socket is None or self._feed is None:
            return
        self._feed.add(self)
        if not self._socket.is_up:
            self._socket.start()
            return
        try:
            await self._feed.subscribe()
        except ccxt.NetworkError as error:  # the next connection subscribes by itself
            LOG.debug("%s /ws: %s", self._id, error)

    async def follow(self, kinds: Iterable[Kind]) -> None:
        """Read what belongs to these kinds, too."""
        await self._rereading.start(kinds)

    async def rewind(self, after_seq: int) -> None:
        """Nobody can tell what came after an event.

        :raises NotSupported: the server does not number its events
        """
        raise ccxt.NotSupported(f"{self._id} after_seq: this server does not number its events")

    def hint(self) -> None:
        """A command of ours: have the server send its events, and read."""
        self._rereading.hint()

    async def close(self) -> None:
        """Read no more."""
        if self._feed is not None:
            self._feed.remove(self)
        await self._rereading.aclose()

    # -- as a subscriber ---------------------------------------------------------------------------

    def resume_after(self) -> int | None:
        """There are no numbers."""
        return None

    def on_subscribing(self, after_seq: int | None, history: Any) -> None:
        """Nothing to do: reads go on."""

    def on_snapshot(self, frame: Frame) -> None:
        """What is open is read."""

    def on_subscribed(self) -> bool:
        """Read what came while nobody listened.

        :returns: whether to subscribe again: never
        """
        self._rereading.look()
        return False

    def on_event(self, frame: Frame) -> None:
        """Read what it names."""
        self._rereading.hint(frame)

    def on_down(self, error: ccxt.NetworkError) -> None:
        """Nothing to do: reads go on."""

    def on_outage(self, error: ccxt.NetworkError) -> None:
        """Nothing to do: whether the account can be read shows by itself."""

    def on_failed(self, error: ccxt.BaseError) -> None:
        """Say once that only reads are left; whether the key may read shows by itself."""
        if not isinstance(error, ccxt.ExchangeClosedByUser):
            tell_of_polling(self._id, self.account_id, error)


def tell_of_polling(exchange_id: str, account_id: int, error: ccxt.BaseError) -> None:
    """Say that an account is followed without a socket."""
    LOG.warning(
        "%s changes of account %s are found by reading, no events come: %s", exchange_id, account_id, error
    )
