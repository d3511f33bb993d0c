"""The changes of an account on servers that do not tell them all: found by reading again and again."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import ccxt

from ccxt_driver.contract.events import EventName
from ccxt_driver.exchange.base import LOGGER
from ccxt_driver.exchange.stream_settings import StreamSettings

from .account_reader import AccountReader
from .changes import Change, Kind
from .differences import KnownState, differences
from .gap import NEEDS

if TYPE_CHECKING:
    from ccxt_driver.exchange._async.exchange import OmsCcxtExchange

_AGAIN_SECONDS: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""After a read that did not find what an event has named: events may come before it is readable."""
_LEAST_GAP: Final = 0.05
_LARGEST_GAP: Final = 1.0
_LIVELY_SECONDS: Final = 30.0
_SLOWER: Final = 1.5
_SEEN_BEFORE_SECONDS: Final = 2.0
"""An event may come so much later than the change that a read has found."""
_MOST_MOVED: Final = 10_000
_MOST_REFUSALS: Final = 5
_TELLS_NOTHING: Final = frozenset({EventName.RECONCILIATION_TICK.value})
"""Our own requests to reconcile cause it, and what they find has events of its own."""
_ORDERS: Final = ("order_id", "orphan_order_id")
_POSITIONS: Final = (
    *("position_id", "position_id_a", "position_id_b"),
    *("source_position_id", "target_position_id"),
)

Wait = Callable[[asyncio.Event, float], Awaitable[None]]


class _Expected(NamedTuple):
    """What an event says is to be seen."""

    kind: Kind
    row_id: int
    how: str
    """known, ended or moved."""


class RereadingSource:
    """One account's changes, found by reads: each once, in the order in which they may have happened.

    One read at a time. It is made at once when an event or a command hints at something, again after a
    moment while what the event named is not to be seen, and otherwise in intervals: short ones while
    there are open orders or something has moved of late, longer and longer ones while it is quiet.

    :param exchange: what reads
    :param account_id: whose changes
    :param publish: is given changes, in order
    :param fail: is given the error after which there are no more changes
    :param settings: intervals and backoff
    :param known: what was handed on before, by another source or by events; None to begin with what there is
    :param nudge: makes the server send its events now
    :param outage: is given the error when nothing could be read for so long as `settings.outage` says, and
        again after as long; it goes on
    :param wait: waits for an event to be set, at most so many seconds
    :param clock: seconds, of a clock that never goes back
    """

    def __init__(
        self,
        exchange: OmsCcxtExchange,
        account_id: int,
        publish: Callable[[Sequence[Change]], None],
        fail: Callable[[ccxt.BaseError], None],
        settings: StreamSettings,
        *,
        known: KnownState | None = None,
        nudge: Callable[[], None] | None = None,
        outage: Callable[[ccxt.NetworkError], None] | None = None,
        wait: Wait | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.known = KnownState(account_id) if known is None else known
        self.reads = 0
        """How many reads were begun."""
        self._exchange = exchange
        self._reader = AccountReader(exchange, account_id)
        self._publish = publish
        self._fail = fail
        self._settings = settings
        self._nudge = nudge
        self._outage = outage
        self._wait = _wait if wait is None else wait
        self._clock = clock
        self._turn = asyncio.Lock()
        self._woken = asyncio.Event()
        if self.known.kinds or self.known.since_ms is not None:
            self._woken.set()  # what has changed since then
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        self._expected: dict[_Expected, int] = {}
        """What is to be seen, and how often it was looked for."""
        self._moved: OrderedDict[tuple[Kind, int], float] = OrderedDict()
        self._waiting: list[asyncio.Future[None]] = []
        """Of those who want a read that has not begun yet."""
        self._lively_until = 0.0
        self._interval = settings.poll_interval
        self._took = 0.0
        self._ended_at = float("-inf")
        self._failures = 0
        self._backoff = 0.0
        self._failing_since = 0.0

    # -- from outside

    async def start(self, kinds: Iterable[Kind] = tuple(Kind)) -> None:
        """Follow changes of some kinds; more kinds may follow later.

        When it returns what there was is known, and no change from then on is missed.

        :raises BaseError: the first read has failed; it may be started again
        :raises ExchangeClosedByUser: it was ended meanwhile
        """
        wanted = frozenset().union(*(NEEDS[kind] for kind in kinds))
        if wanted - self.known.kinds:
            async with self._turn:
                await self._add(wanted - self.known.kinds)
        if self._is_closed:
            raise self._closed_by_user()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"{self._exchange.id} rereading")
            self._task.add_done_callback(self._on_end)

    async def _add(self, kinds: frozenset[Kind]) -> None:
        """Follow some more kinds."""
        began_ms = self._exchange.milliseconds()
        if kinds and self.known.since_ms is None:
            fresh = await self._reader.first(kinds, self.known)
            self.known.take(self._changes(fresh))
            self.known.read_ms = self.known.read_ms or began_ms
        self.known.kinds |= kinds

    def hint(self, frame: Mapping[str, Any] | None = None) -> None:
        """Something may have changed: read at once.

        :param frame: an event, whose ids are looked for; None after a command of our own
        """
        if frame is not None and not self._expect(frame):
            return
        if frame is None and self._nudge is not None:
            self._nudge()
        self.look()

    def look(self) -> None:
        """Read at once, and often for a while."""
        self._lively_until = self._clock() + _LIVELY_SECONDS
        self._interval = self._settings.poll_interval
        self._woken.set()

    async def reread(self) -> None:
        """Wait for a read that begins from now on: after a connection was made, before its events count.

        :raises BaseError: there are no more reads
        """
        if self._task is None or self._task.done():
            raise self._closed_by_user()
        read = asyncio.get_running_loop().create_future()
        self._waiting.append(read)
        self._woken.set()
        await read

    async def aclose(self) -> None:
        """End: nothing is published any more."""
        self._is_closed = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self._dismiss(self._closed_by_user())

    def _closed_by_user(self) -> ccxt.BaseError:
        return ccxt.ExchangeClosedByUser(f"{self._exchange.id} the stream is closed")

    # -- reading

    async def _run(self) -> None:
        while True:
            await self._rest()
            self._woken.clear()
            waiting, self._waiting = self._waiting, []
            try:
                async with self._turn:
                    await self._read()
            except BaseException:
                self._waiting += waiting
                raise
            if self._failures:
                self._waiting += waiting
                continue
            for read in waiting:
                if not read.done():
                    read.set_result(None)

    async def _rest(self) -> None:
        """Wait until the next read is due; after a failure nothing makes it earlier."""
        if self._failures:
            await self._wait(asyncio.Event(), self._backoff)
            return
        await self._wait(self._woken, self._pause())
        gap = min(max(self._took, _LEAST_GAP), _LARGEST_GAP)
        early = self._ended_at + gap - self._clock()
        if early > 0:
            await self._wait(asyncio.Event(), early)

    def _pause(self) -> float:
        if self._expected:
            return _AGAIN_SECONDS[max(min(self._expected.values()) - 1, 0)]
        return max(self._interval, self._took)

    async def _read(self) -> None:
        self.reads += 1
        began = self._clock()
        try:
            changes = await self._news()
        except ccxt.AuthenticationError:
            raise
        except ccxt.OperationFailed as error:
            self._note_failure(error)
        except ccxt.BaseError as error:
            if self._failures >= _MOST_REFUSALS:
                raise
            self._note_failure(error)
        else:
            self._note_read(changes)
        self._ended_at = self._clock()
        self._took = self._ended_at - began

    async def _news(self) -> list[Change]:
        """Read, and hand on what is new. What is known changes with that and not before."""
        known, began_ms = self.known, self._exchange.milliseconds()
        fresh = await self._reader.read(self.known.kinds, known)
        changes = self._changes(fresh)
        new = [change for change in changes if not known.is_old(change)]
        known.take(changes)
        known.catch_up()
        known.read_ms = began_ms
        if new:
            self._publish(new)
        return new

    def _changes(self, fresh: Any) -> list[Change]:
        exchange = self._exchange
        return [*exchange._mapped(differences, self.known, fresh, exchange._utc_offset_ms())]

    # -- after a read

    def _note_read(self, changes: Sequence[Change]) -> None:
        now = self._clock()
        if self._failures:
            LOGGER.info("%s the account can be read again", self._exchange.id)
        self._failures = 0
        for change in changes:
            if change.kind is not Kind.BALANCE:
                self._moved[change.kind, change.row["id"]] = now
                self._moved.move_to_end((change.kind, change.row["id"]))
        while len(self._moved) > _MOST_MOVED:
            self._moved.popitem(last=False)
        if changes:
            self._lively_until = now + _LIVELY_SECONDS
        self._expected = {
            each: tries + 1
            for each, tries in self._expected.items()
            if tries < len(_AGAIN_SECONDS) and not self._is_seen(each)
        }
        if self.known.open_orders or now < self._lively_until:
            self._interval = self._settings.poll_interval
        else:
            self._interval = min(self._interval * _SLOWER, self._settings.poll_interval_most)

    def _note_failure(self, error: ccxt.BaseError) -> None:
        settings, now, name = self._settings, self._clock(), self._exchange.id
        self._failures += 1
        if self._failures == 1:
            self._failing_since = now
            LOGGER.warning("%s the account could not be read, and is tried again: %s", name, error)
        self._backoff = settings.pause(self._failures, error)
        if self._outage is not None and now - self._failing_since >= settings.outage:
            self._failing_since = now
            down = ccxt.ExchangeNotAvailable(f"{name} the account cannot be read: {error}")
            self._outage(error if isinstance(error, ccxt.NetworkError) else down)

    # -- what events say

    def _expect(self, frame: Mapping[str, Any]) -> bool:
        """Look for what an event names from now on; whether there is something to look for."""
        event = frame.get("event")
        if event in _TELLS_NOTHING:
            return False
        payload = frame.get("payload")
        named = _named(event, payload if isinstance(payload, Mapping) else {})
        unseen = [each for each in named if each.kind in self.known.kinds and not self._is_seen(each)]
        for each in unseen:
            self._expected.setdefault(each, 0)
        others = any(each.kind not in self.known.kinds for each in named)
        return bool(unseen) or others or not named

    def _is_seen(self, expected: _Expected) -> bool:
        known, row_id = self.known, expected.row_id
        if expected.how == "ended":
            return known.has_ended(row_id)
        if expected.how == "known":
            return known.knows(expected.kind, row_id)
        moved = self._moved.get((expected.kind, row_id))
        return moved is not None and moved > self._clock() - _SEEN_BEFORE_SECONDS

    # -- the end

    def _on_end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if not isinstance(error, ccxt.BaseError):  # a fault of ours: nobody may wait for ever
            LOGGER.error("%s rereading has ended", self._exchange.id, exc_info=error)
            cause, error = error, ccxt.ExchangeError(f"{self._exchange.id} rereading has ended: {error!r}")
            error.__cause__ = cause
        self._dismiss(error)
        self._fail(error)

    def _dismiss(self, error: BaseException) -> None:
        waiting, self._waiting = self._waiting, []
        for read in waiting:
            if not read.done():
                read.set_exception(error)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _named(event: Any, payload: Mapping[str, Any]) -> list[_Expected]:
    """What an event names, and what is to be seen of it."""
    order_hows = {EventName.ORDER_SUBMITTED.value: "known", EventName.ORDER_CANCELED.value: "ended"}
    if event == EventName.DEAL_CREATED.value:
        return [_Expected(Kind.TRADE, each, "known") for each in _ids(payload, ("deal_id",))]
    how = order_hows.get(event, "moved")
    canceled = payload.get("canceled_order_ids")
    ended = [each for each in canceled if type(each) is int] if isinstance(canceled, list) else []
    return [
        *(_Expected(Kind.ORDER, each, how) for each in _ids(payload, _ORDERS)),
        *(_Expected(Kind.ORDER, each, "ended") for each in ended),
        *(_Expected(Kind.POSITION, each, "moved") for each in _ids(payload, _POSITIONS)),
    ]


def _ids(payload: Mapping[str, Any], names: Iterable[str]) -> list[int]:
    return [payload[name] for name in names if type(payload.get(name)) is int and payload[name] > 0]
