"""Where an account's changes come from, when the OMS numbers them: this process, or a socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from threading import get_ident
from typing import Any, Final, Protocol

import ccxt

from ccxt_driver.contract.events import Action, EventName, Namespace
from ccxt_driver.errors import annotate

from .changes import Change, Kind, change_of
from .event_feed import EventFeed
from .gap import HandedOn
from .socket import Frame, GatewaySocket

LOG: Final = logging.getLogger("ccxt_driver")
_CHUNK: Final = 1000
_TICK_SECONDS: Final = 0.2
"""How often an OMS in this process is asked to look at its market: nobody else may."""
_SNAPSHOTS: Final = frozenset({EventName.SNAPSHOT_OPEN_ORDERS.value, EventName.SNAPSHOT_OPEN_POSITIONS.value})


class Sink(Protocol):
    """The stream of one account, as its source sees it."""

    account_id: int

    def begin(self, seq: int | None, *, is_last: bool = False) -> None:
        """From here on nothing is missed: watchers that wait for the beginning start after this event.

        :param is_last: nothing newer has been committed
        """

    def is_of_history(self, history: Any) -> bool:
        """Whether a server's events are those that were given before; where it does not say, they are."""

    def begin_anew(self, seq: int | None) -> None:
        """They are not: nobody can be given what he misses.

        :param seq: the last event of the new history, as far as the server has said
        """

    def resume_after(self) -> int | None:
        """The last event that all watchers have; None when they want what is new only."""

    def take(self, before: int, seq: int, change: Change | None) -> None:
        """An event, and the one before it of those that can be seen; some events carry no row."""

    def take_all(self, changes: Iterable[Change]) -> None:
        """Changes without numbers, found by reading."""

    def expired(self, after_seq: int) -> None:
        """Nobody can tell any more what came directly after that event."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """What is watched."""

    def repaired(self, seq: int, changes: Iterable[Change]) -> None:
        """The events up to this one are not kept; what they have changed was read."""

    def outage(self, error: ccxt.NetworkError) -> None:
        """There has been no connection for a long time."""

    def fail(self, error: ccxt.BaseError) -> None:
        """The source has ended."""


class Source(Protocol):
    """What gives a stream its changes."""

    @property
    def cursor(self) -> int | None:
        """The event after which it goes on; None where events have no numbers."""

    async def start(self) -> None:
        """Begin; when this returns nothing is missed any more.

        :raises BaseError: it cannot be begun
        """

    async def follow(self, kinds: Iterable[Kind]) -> None:
        """Give these kinds of changes, too, from now on."""

    async def rewind(self, after_seq: int) -> None:
        """Give once more what came after an event; watchers that have it are not given it again."""

    def hint(self) -> None:
        """Something was commanded: news may be due."""

    async def close(self) -> None:
        """End."""


class InProcessSource:
    """An embedded OMS in this process: told by it after each commit, by whichever thread.

    :param oms: an `EmbeddedOms`
    :param sink: gets the changes
    :param delay_seconds: how long they are on their way; 0 for no time
    """

    def __init__(self, oms: Any, sink: Sink, delay_seconds: float = 0.0) -> None:
        self._oms = oms
        self._sink = sink
        self._delay = delay_seconds
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._cursor = 0
        self._unsubscribe: Any = None
        self._ticker: asyncio.Task[None] | None = None

    @property
    def cursor(self) -> int | None:
        """The last event that it gave."""
        return self._cursor

    async def start(self) -> None:
        """Listen."""
        self.listen()

    def listen(self) -> None:
        """Begin at once: nothing is missed from here on."""
        account_id = self._sink.account_id
        with self._oms.lock:
            self._cursor = self._oms.last_seq(account_id)
            self._unsubscribe = self._oms.subscribe(self._committed, self._closed)
        if not self._oms.manual:
            self._ticker = self._loop.create_task(self._tick())
        after_seq = self._sink.resume_after()
        self._sink.begin(self._cursor, is_last=True)
        if after_seq is not None and after_seq != self._cursor:
            self._replay(after_seq)

    async def follow(self, kinds: Iterable[Kind]) -> None:
        """Nothing to do: all kinds come."""

    async def rewind(self, after_seq: int) -> None:
        """Give once more what came after an event."""
        self._replay(after_seq)

    def hint(self) -> None:
        """Nothing to do: the OMS tells by itself."""

    async def close(self) -> None:
        """Listen no more."""
        self._stop()
        ticker, self._ticker = self._ticker, None
        if ticker is not None:
            ticker.cancel()
            await asyncio.wait({ticker})

    def _stop(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _replay(self, after_seq: int) -> None:
        """Everything after an event, also what is newer than all that was told of."""
        account_id = self._sink.account_id
        cursor = after_seq
        while True:
            events = self._oms.events(account_id, cursor, _CHUNK)
            if events is None:
                self._sink.expired(after_seq)
                return
            self._give(events)
            if len(events) < _CHUNK:
                return
            cursor = events[-1].seq

    def _committed(self, events: list[Any]) -> None:
        """Called by the OMS, which waits for it, in the thread that made the change."""
        if self._loop.is_closed():
            self._stop()  # the program has forgotten to close the exchange object
        elif get_ident() == self._thread:
            if self._delay:
                passed = (self._oms.now_ms() - events[-1].ts_ms) / 1000
                self._loop.call_later(max(0.0, self._delay - passed), self._deliver, events)
            else:
                self._deliver(events)
        else:
            self._loop.call_soon_threadsafe(self._deliver, events)

    def _deliver(self, events: list[Any]) -> None:
        if self._unsubscribe is None:
            return
        own = [event for event in events if event.account_id == self._sink.account_id]
        if not own or own[-1].seq <= self._cursor:
            return
        if own[0].seq == self._cursor + 1:
            self._give(own)
        else:  # a commit of another thread has been overtaken by this one
            self._replay(self._cursor)

    def _give(self, events: list[Any]) -> None:
        take, account_id = self._sink.take, self._sink.account_id
        for event in events:
            seq = event.seq
            take(seq - 1, seq, change_of(account_id, event.name, seq, event.ts_ms, event.payload))
            if seq > self._cursor:
                self._cursor = seq

    def _closed(self) -> None:
        """Called by the OMS, in the thread that closes it."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._fail)

    def _fail(self) -> None:
        if self._unsubscribe is not None:
            self._stop()
            self._sink.fail(ccxt.ExchangeNotAvailable("oms embedded: the OMS was closed"))

    async def _tick(self) -> None:
        """Let time pass in the OMS: stops, trailing orders and fills happen also when nobody asks."""
        while not self._oms.closed:
            try:
                self._oms.tick()
            except Exception:
                # What is committed is told all the same; the next look may go better.
                LOG.exception("oms embedded: the market could not be looked at")
            await asyncio.sleep(_TICK_SECONDS)


class CursorSource:
    """A server that pushes whole rows and numbers its events: nothing is missed, whatever happens.

    :param sink: gets the changes
    :param socket: to the server
    :param feed: of that socket
    :param handed_on: finds what came while the server kept no events for us; without it that is told only
    """

    wants_snapshot = True

    def __init__(
        self, sink: Sink, socket: GatewaySocket, feed: EventFeed, handed_on: HandedOn | None = None
    ) -> None:
        self._sink = sink
        self.account_id = sink.account_id
        self._socket = socket
        self._feed = feed
        self._sent: int | None = None
        """The last event of this subscription, or that before its first; None before there is one."""
        self._asked_after: int | None = None
        self._has_expired = False
        self._is_of_another = False
        self._is_on = False
        self._handed_on = handed_on
        self._repair: asyncio.Task[None] | None = None
        self._held: list[tuple[int, int, Any, Change | None]] = []
        """Events that came while what was missed is read, or before it is known that it has to be.

        Of each the one before, number, time and change.
        """

    @property
    def cursor(self) -> int | None:
        """The last event of this subscription, or that before its first."""
        return self._asked_after if self._is_holding else self._sent

    @property
    def _is_holding(self) -> bool:
        """Whether events wait: what was before them is missing."""
        return self._has_expired or self._repair is not None

    async def start(self) -> None:
        """Connect and subscribe."""
        await self._socket.ready()
        self._feed.add(self)
        await self._feed.subscribe()

    async def follow(self, kinds: Iterable[Kind]) -> None:
        """Nothing to do: all kinds come."""

    async def rewind(self, after_seq: int) -> None:
        """Subscribe anew, from there on."""
        await self._socket.ready()
        if self._sent is not None and after_seq > self._sent:
            # Everything that was committed before the answer has come before it.
            await self._socket.ask(Namespace.SYSTEM, Action.PING, {})
            if after_seq > self._sent:
                self._sink.expired(after_seq)
        else:
            await self._feed.subscribe()

    def hint(self) -> None:
        """Nothing to do: the server pushes."""

    async def close(self) -> None:
        """Follow the account no more."""
        self._feed.remove(self)
        repair = self._stop_repair()
        if repair is not None:
            await asyncio.wait({repair})

    # -- as a subscriber ---------------------------------------------------------------------------

    def resume_after(self) -> int | None:
        """From where the watchers want to go on."""
        return self._sink.resume_after()

    def on_subscribing(self, after_seq: int | None, history: Any) -> None:
        """What comes now continues after that event, unless the server says that it cannot."""
        self._stop_repair()
        self._sent = self._asked_after = after_seq
        self._has_expired = False
        self._is_of_another = not self._sink.is_of_history(history)
        self._is_on = not self._is_of_another

    def on_snapshot(self, frame: Frame) -> None:
        """What is open as of an event: live events continue from there."""
        event = frame.get("event")
        if event == EventName.CURSOR_EXPIRED.value:
            self._has_expired = True
            self._sent = None
        elif event in _SNAPSHOTS and (self._sent is None or self._has_expired) and not self._held:
            seq = frame.get("seq")
            self._sent = seq if type(seq) is int else None

    def on_subscribed(self) -> bool:
        """Nothing is missed from here on.

        :returns: whether to subscribe again: others go on where the server can
        """
        if self._is_of_another:
            if self._handed_on is not None:
                self._handed_on.forget()
            self._sink.begin_anew(self._sent if self._has_expired else None)
            return True
        # The answer goes on with what is open on other accounts: events may have come meanwhile.
        seq = self._held[0][0] if self._held else self._sent
        gap = self._gap_to_read(seq) if self._has_expired else None
        if gap is not None:
            self._repair = asyncio.get_running_loop().create_task(self._read_what_was_missed(*gap))
            return False
        again = self._begin_at(seq)
        if again:
            self._is_on = False  # what comes before that comes once more after it
        else:
            self._release(was_read=False)
        return again

    def _begin_at(self, seq: int | None) -> bool:
        """Nothing is missed from here on by those whom the server could serve; the others are told.

        :param seq: where its events begin
        :returns: as `on_subscribed`
        """
        has_expired, self._has_expired = self._has_expired, False
        is_last = has_expired or self._asked_after is None
        if is_last and self._handed_on is not None:
            self._handed_on.begin(seq)
        self._sink.begin(seq, is_last=is_last)
        if not has_expired or self._asked_after is None:
            return False
        self._sink.expired(self._asked_after)
        after_seq = self._sink.resume_after()
        return after_seq is not None and seq is not None and after_seq < seq

    def on_event(self, frame: Frame) -> None:
        """The next event, if it is the next."""
        seq, before = frame.get("seq"), frame.get("prev_seq")
        if type(seq) is not int or not self._is_on:
            return
        sent = self._sent
        if sent is None:
            sent = before if type(before) is int else seq - 1
        if seq <= sent:
            return  # sent twice
        if before is not None and before != sent:
            self._is_on = False
            self._socket.drop(f"events of account {self.account_id} after {sent} are missing")
            return
        self._sent = seq
        row = frame.get("payload")
        name, ts_ms = str(frame.get("event")), frame.get("ts_ms")
        change = change_of(self.account_id, name, seq, ts_ms, row) if isinstance(row, dict) else None
        if self._is_holding:
            self._held.append((sent, seq, ts_ms, change))
            return
        if self._handed_on is not None:
            self._handed_on.note(seq, ts_ms, change)
        self._sink.take(sent, seq, change)

    # -- what the server does not keep -------------------------------------------------------------

    def _gap_to_read(self, seq: int | None) -> tuple[HandedOn, int, int] | None:
        """What was handed on, its last event, and the one after which the server's go on.

        :param seq: that
        :returns: None where what was missed cannot be found: what came before it has to be known
        """
        known, after = self._handed_on, self._asked_after
        if known is None or after is None or seq is None:
            return None
        return (known, after, seq) if known.seq == after < seq else None

    async def _read_what_was_missed(self, handed_on: HandedOn, after: int, seq: int) -> None:
        """Hand on what has changed since the last event, and then the events that came meanwhile.

        :param after: the last event
        :param seq: the one after which the server's events go on
        """
        LOG.warning(
            "account %s: the server keeps no events after %s; what changed is read", self.account_id, after
        )
        try:
            fresh = await handed_on.look(self._sink.kinds)
            # Everything that was committed before the read has come before the answer.
            await self._socket.ask(Namespace.SYSTEM, Action.PING, {})
            changes = handed_on.news(fresh)
        except ccxt.NetworkError as error:
            self._sink.outage(error)
            self._socket.drop(f"what came after event {after} could not be read: {error}")
            return  # the next connection tries again
        except Exception:  # whatever it is, those who watch have to know
            LOG.exception("account %s: what came after event %s cannot be read", self.account_id, after)
            handed_on.forget()
            self._repair = None
            self._begin_at(seq)
            self._release(was_read=False)
        else:
            self._repair, self._has_expired = None, False
            self._sink.repaired(seq, changes)
            handed_on.note(seq, handed_on.reached_ms, None)
            self._release(was_read=True)

    def _release(self, *, was_read: bool) -> None:
        """Hand on the events that were held.

        :param was_read: whether what they tell may have been read already; then only what is new of it
        """
        held, self._held = self._held, []
        for before, seq, ts_ms, change in held:
            told = change
            if self._handed_on is not None:
                if was_read and change is not None and not self._handed_on.tells_news(change):
                    told = None
                self._handed_on.note(seq, ts_ms, told)
            self._sink.take(before, seq, told)

    def _stop_repair(self) -> asyncio.Task[None] | None:
        """Give up reading what was missed: the next subscription does it."""
        if self._is_holding:
            self._sent = self._asked_after
        self._held.clear()
        self._has_expired = False
        repair, self._repair = self._repair, None
        if repair is not None:
            repair.cancel()
        return repair

    def on_down(self, error: ccxt.NetworkError) -> None:
        """Wait: the next connection continues where this one ended."""
        self._is_on = False
        self._stop_repair()

    def on_outage(self, error: ccxt.NetworkError) -> None:
        """Tell those who wait."""
        self._sink.outage(error)

    def on_failed(self, error: ccxt.BaseError) -> None:
        """Tell everyone."""
        self._is_on = False
        self._stop_repair()
        self._sink.fail(error)


def cursor_expired(name: str, after_seq: int) -> ccxt.BaseError:
    """What a watcher is told whose cursor the server does not know any more."""
    message = (
        f"{name}: cursor_expired: what came after event {after_seq} is not kept by the server, "
        "or is of another history; read the state anew by fetch methods, then call without after_seq"
    )
    return annotate(ccxt.ExchangeError(message), code="cursor_expired")
