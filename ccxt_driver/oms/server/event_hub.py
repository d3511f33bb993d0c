"""Committed events on their way to subscriptions: in order, none twice, none left out."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from threading import get_ident
from typing import Any, Final

from ccxt_driver.contract.events import REASSIGNED_TO
from ccxt_driver.oms.entities import Event, Principal
from ccxt_driver.oms.json_text import dumps

from .frames import pushed_event
from .outbox import Outbox, SlowConsumer
from .served import ServedOms

LOG: Final = logging.getLogger("ccxt_driver.oms.server")
_CHUNK: Final = 500


class Feed:
    """The events of one account for one client.

    :param account_id: whose events
    :param cursor: the last event that the client has, or need not have
    :param principal: decides which events it may see
    :param outbox: where they go
    :param slow: called when the client does not read them
    """

    def __init__(
        self, account_id: int, cursor: int, principal: Principal, outbox: Outbox, slow: Callable[[], None]
    ) -> None:
        self.account_id = account_id
        self.principal = principal
        self.outbox = outbox
        self.slow = slow
        self.cursor = cursor
        """The last event that was looked at."""
        self.sent = cursor
        """The last event that was sent: `prev_seq` of the next one."""
        self.live = False
        """Whether it has caught up with what is in the store."""

    def send(self, event: Event, payload: str) -> None:
        """Pass an event on, if the client may see it.

        :raises SlowConsumer: there is no room for it
        """
        if event.strategy_id is None or self.principal.sees(event.strategy_id):
            if event.strategy_id is not None and self.principal.strategies is not None:
                payload = self._without_others(event.payload, payload)
            self.outbox.put(pushed_event(event, self.sent, payload))
            self.sent = event.seq
        self.cursor = event.seq

    def _without_others(self, row: dict[str, Any], payload: str) -> str:
        """What a client of some strategies is told: a row that leaves them has ended, wherever it goes."""
        if row.get(REASSIGNED_TO) is None or self.principal.sees(row[REASSIGNED_TO]):
            return payload
        return dumps({key: value for key, value in row.items() if key != REASSIGNED_TO}).decode()


class CursorExpired(Exception):
    """The events after a cursor are not kept any more."""


class EventHub:
    """Hands events to all feeds. Lives in one event loop; commits may come from any thread.

    :param oms: whose events
    """

    def __init__(self, oms: ServedOms) -> None:
        self._oms = oms
        self._feeds: defaultdict[int, set[Feed]] = defaultdict(set)
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._unsubscribe = oms.subscribe(self._committed)
        self._catching_up: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Listen no more."""
        self._unsubscribe()
        for task in self._catching_up:
            task.cancel()

    def remove(self, feed: Feed) -> None:
        """Send a feed nothing more."""
        self._feeds[feed.account_id].discard(feed)

    async def start(self, feed: Feed) -> None:
        """Send what came after the feed's cursor, and from then on what is new.

        A client whose events cannot be read is cut off.

        :raises CursorExpired: that is not kept any more
        :raises SlowConsumer: the client does not read
        """
        if feed.outbox.closing:
            return
        self._feeds[feed.account_id].add(feed)
        try:
            await self._catch_up(feed)
        except (CursorExpired, SlowConsumer):
            raise
        except Exception as error:  # noqa: BLE001 - the subscription is answered: its error would be of no use
            self._give_up(feed, error)

    async def _catch_up(self, feed: Feed) -> None:
        while not feed.live:
            await feed.outbox.room()
            if feed.outbox.closing or feed not in self._feeds[feed.account_id]:
                return
            # From here to `live` nothing else runs in this loop, and a commit of another thread is
            # delivered after it: no event falls between the store and the live feed.
            with suppress(SlowConsumer):  # others took the room first: wait again
                feed.live = self._read(feed) < _CHUNK

    def _read(self, feed: Feed) -> int:
        """Send the next events of the store; how many there were."""
        events = self._oms.events(feed.account_id, feed.cursor, _CHUNK)
        if events is None:
            raise CursorExpired
        for event in events:
            feed.send(event, dumps(event.payload).decode())
        return len(events)

    def _committed(self, events: list[Event]) -> None:
        if get_ident() == self._thread:
            self._deliver(events)
        else:
            self._loop.call_soon_threadsafe(self._deliver, events)

    def _deliver(self, events: list[Event]) -> None:
        for event in events:
            feeds = self._feeds.get(event.account_id)
            if not feeds:
                continue
            payload = dumps(event.payload).decode()
            for feed in list(feeds):
                if feed.live and event.seq > feed.cursor:
                    self._pass_on(feed, event, payload)

    def _pass_on(self, feed: Feed, event: Event, payload: str) -> None:
        try:
            if event.seq == feed.cursor + 1:
                feed.send(event, payload)
                return
            # A commit of another thread is not delivered yet and this one has overtaken it.
            while self._read(feed) == _CHUNK:
                pass
        except SlowConsumer:
            self._lag(feed)
        except Exception as error:  # noqa: BLE001 - whoever is told nothing more has to know
            self._give_up(feed, error)

    def _lag(self, feed: Feed) -> None:
        """Go on from the store when there is room: one commit may have more events than that."""
        feed.live = False
        task = self._loop.create_task(self._catch_up_or_give_up(feed))
        self._catching_up.add(task)
        task.add_done_callback(self._catching_up.discard)

    async def _catch_up_or_give_up(self, feed: Feed) -> None:
        try:
            await self._catch_up(feed)
        except Exception as error:  # noqa: BLE001 - whoever is told nothing more has to know
            self._give_up(feed, error)

    def _give_up(self, feed: Feed, error: Exception) -> None:
        """Cut a client off: it connects again, and goes on after the last event that it has."""
        if isinstance(error, CursorExpired):
            LOG.error("events of account %d are gone before they were delivered", feed.account_id)
        elif not isinstance(error, SlowConsumer):
            LOG.error("events of account %d cannot be read", feed.account_id, exc_info=error)
        self.remove(feed)
        feed.slow()
