"""The changes of one account on their way to everyone who watches them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

import ccxt

from ccxt_driver.exchange.list_requests import OPEN_STATUSES

from .account_watcher import AccountWatcher
from .changes import Change, Kind
from .differences import KnownState
from .sources import Source, cursor_expired
from .watching import Ended, asked_for, copied, shared

_MOST_ORDERS_WITH_DEALS: Final = 10_000


class AccountStream:
    """One source, many watchers. It runs as long as somebody watches.

    :param exchange_id: in messages
    :param account_id: whose changes
    :param make_source: chooses the source, for this stream as its sink
    :param remember: called with each change that somebody watches: the caches
    """

    def __init__(
        self,
        exchange_id: str,
        account_id: int,
        make_source: Callable[[AccountStream], Any],
        remember: Callable[[Change], None],
    ) -> None:
        self.account_id = account_id
        self._id = exchange_id
        self._make_source = make_source
        self._remember = remember
        self._watchers: dict[Hashable, AccountWatcher] = {}
        self._kinds: frozenset[Kind] = frozenset()
        self._source: Source | None = None
        self._starting: asyncio.Task[None] | None = None
        self._begun = False
        self.known = KnownState(account_id)
        """What was handed on of changes that have no number."""
        self._position: int | None = None
        """The last event that came."""
        self._history: str | None = None
        """Whose events they are."""
        self._rewinding: asyncio.Task[None] | None = None
        self._deals: dict[Any, dict[Any, dict[str, Any]]] = {}
        """Of orders that are open, by order and deal."""
        self._closing: asyncio.Task[None] | None = None
        self._joining = 0
        """How many calls are about to watch."""
        self._over: ccxt.BaseError | None = None
        self._refusal: ccxt.BaseError | None = None
        """Why the source has ended while it began."""

    # -- for those who watch -----------------------------------------------------------------------

    def watcher(self, key: Hashable, make: Callable[[int | None], AccountWatcher]) -> AccountWatcher:
        """The watcher of that name, made at its first call.

        :param make: is given the event after which one goes on that was too slow; None for any other
        :raises BaseError: the stream is over, for good
        """
        self._refuse_over()
        known = self._watchers.get(key)
        if known is not None and not known.over:
            return known
        watcher = self._watchers[key] = make(None if known is None else known.resume_after)
        self._know_kinds()
        if watcher.seq is None and self._begun:
            watcher.seq = self._position
        return watcher

    @contextmanager
    def joining(self) -> Iterator[None]:
        """While somebody is about to watch, it is not ended for want of watchers."""
        self._joining += 1
        try:
            yield
        finally:
            self._joining -= 1

    @property
    def is_on(self) -> bool:
        """Whether it has begun: nothing is missed."""
        return self._begun

    @property
    def position(self) -> int | None:
        """The last event that came."""
        return self._position

    def take_source(self, source: Source) -> None:
        """Run on a source, which begins where the watchers want to go on."""
        self._source = source

    async def started(self) -> None:
        """Wait until it has begun.

        :raises BaseError: it could not; the next call tries again
        """
        self._refuse_over()
        if self._starting is None or self._starting.done():
            self._starting = asyncio.get_running_loop().create_task(self._start())
            self._starting.add_done_callback(asked_for)
        await self._shared(self._starting)

    async def _shared(self, task: asyncio.Task[None]) -> None:
        """Wait for what others wait for, too."""
        try:
            await shared(task)
        except Ended:  # by `close`
            self._refuse_over()
            raise ccxt.ExchangeNotAvailable(f"{self._id} the stream was closed while it began") from None

    async def caught_up(self, watcher: AccountWatcher) -> None:
        """See to it that a watcher is given what came between where it begins and where the stream is.

        :raises BaseError: it could not; the next call tries again, and until then it is given nothing newer
        """
        if self._source is not None:
            try:
                await self._source.follow((watcher.kind,))
            except ccxt.BaseError:
                self._refuse_over()
                raise
        for _ in range(2):  # the first may have been begun for others
            if self._source is None or not self._has_passed(watcher):
                break
            if self._rewinding is None or self._rewinding.done():
                self._rewinding = asyncio.get_running_loop().create_task(self._rewind(self._source))
                self._rewinding.add_done_callback(asked_for)
            await self._shared(self._rewinding)
        seq, position = watcher.seq, self._position
        if self._source is None or seq is None:
            return
        if position is None:
            text = f"{watcher.name}: after_seq: this server does not number its events"
            watcher.fail(ccxt.NotSupported(text), end=True)
        elif seq > position:
            await self._source.rewind(seq)

    def _has_passed(self, watcher: AccountWatcher) -> bool:
        """Whether the source is beyond what a watcher has to be given next."""
        seq, cursor = watcher.seq, None if self._source is None else self._source.cursor
        return not watcher.ended and seq is not None and cursor is not None and seq < cursor

    async def _rewind(self, source: Source) -> None:
        after_seq = self.resume_after()
        if after_seq is not None:
            await source.rewind(after_seq)

    async def remove(self, key: Hashable, error: ccxt.BaseError) -> None:
        """End a watcher."""
        watcher = self._watchers.pop(key, None)
        if watcher is None:
            return
        watcher.end(error)
        self._know_kinds()
        if not self._watchers and not self._joining:
            await self.close()

    def hint(self) -> None:
        """Something was commanded: news may be due."""
        if self._source is not None:
            self._source.hint()

    def end(self, error: ccxt.BaseError) -> None:
        """End all watchers, for good."""
        self._over = error
        watchers, self._watchers = self._watchers, {}
        for watcher in watchers.values():
            watcher.end(error)

    async def close(self) -> None:
        """End the source. Who begins to watch meanwhile begins anew."""
        tasks = {task for task in (self._starting, self._rewinding) if task is not None and not task.done()}
        source, self._source = self._source, None
        self._starting = self._rewinding = None
        self._begun, self._position = False, None
        self.known = KnownState(self.account_id)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if source is not None:
            await source.close()

    async def _start(self) -> None:
        self._refusal = None
        source: Source | None = None
        try:
            source = await self._make_source(self)
            self.take_source(source)
            await source.start()
            if self._refusal is not None:
                raise copied(self._refusal)
            if not self._begun:
                raise ccxt.ExchangeNotAvailable(f"{self._id} the connection was lost while it was made")
        except BaseException:
            if source is not None and self._source is source:  # else another has closed it
                self._source = None
                await source.close()
            raise

    def _refuse_over(self) -> None:
        if self._over is not None:
            raise copied(self._over) from None

    def _know_kinds(self) -> None:
        self._kinds = frozenset(watcher.kind for watcher in self._watchers.values())

    # -- as the sink of a source -------------------------------------------------------------------

    def begin(self, seq: int | None, *, is_last: bool = False) -> None:
        """Nothing is missed from here on.

        :param is_last: nothing newer has been committed; who has been given something newer has it of
            another history, such as that of a server whose file was replaced
        """
        self._begun = True
        if is_last and seq is not None and self._position is not None and seq < self._position:
            self._position = seq
            self._deals.clear()
            for watcher in self._watchers.values():
                if watcher.seq is not None and watcher.seq > seq:
                    watcher.fail(cursor_expired(watcher.name, watcher.seq), end=True)
        if self._position is None or (seq is not None and seq > self._position):
            self._position = seq
        for watcher in self._watchers.values():
            if watcher.seq is None:
                watcher.seq = seq

    def is_of_history(self, history: Any) -> bool:
        """Whether a server's events are those that were given before; where it does not say, they are."""
        if not isinstance(history, str):
            return True
        before, self._history = self._history, history
        return before in (None, history)

    def begin_anew(self, seq: int | None) -> None:
        """The server has lost its history: who has been given events is told, and the next call begins.

        :param seq: the last event of the new history, as far as the server has said
        """
        self._position = seq
        self._deals.clear()
        for watcher in self._watchers.values():
            last = watcher.seq if watcher.resume_after is None else watcher.resume_after
            if last is not None:
                watcher.lose_track(cursor_expired(watcher.name, last))

    def resume_after(self) -> int | None:
        """The last event that all watchers have."""
        wanted = [watcher.seq for watcher in self._watchers.values() if not watcher.ended]
        return min((seq for seq in wanted if seq is not None), default=self._position)

    def take(self, before: int, seq: int, change: Change | None) -> None:
        """Give an event to everyone who has got everything before it, and not got it.

        :param before: the event before it, of those that can be seen here
        """
        is_row = change is not None and _has_names(change.row)
        if change is not None and is_row:
            change = self._completed(change)
        if self._position is None or seq > self._position:
            self._position = seq
            if change is not None and is_row and change.kind in self._kinds:
                self._remember(change)
        for watcher in self._watchers.values():
            last = watcher.seq
            # Who is further behind waits for the source to go back: nothing is skipped.
            if last is None or before <= last < seq:
                if change is not None:
                    watcher.take(change)
                watcher.seq = seq

    def take_all(self, changes: Iterable[Change]) -> None:
        """Give changes that have no number to everyone."""
        for change in changes:
            completed = self._completed(change)
            if change.kind in self._kinds:
                self._remember(completed)
            for watcher in tuple(self._watchers.values()):
                watcher.take(completed)

    @property
    def kinds(self) -> frozenset[Kind]:
        """What is watched."""
        return self._kinds

    def repaired(self, seq: int, changes: Iterable[Change]) -> None:
        """Give what has changed up to an event to everyone who has not got it: its numbers are not kept."""
        self.take_all(changes)
        self._position = seq
        for watcher in self._watchers.values():
            if watcher.seq is None or watcher.seq < seq:
                watcher.seq = seq

    def expired(self, after_seq: int) -> None:
        """Those who wanted to go on there are told so; they cannot be given what they miss."""
        unknown = self._position is not None and after_seq > self._position
        for watcher in self._watchers.values():
            seq = watcher.seq
            if seq is not None and (seq >= after_seq if unknown else seq <= after_seq):
                watcher.fail(cursor_expired(watcher.name, seq), end=True)

    def outage(self, error: ccxt.NetworkError) -> None:
        """Those who wait are told; they miss nothing when they call again."""
        message = f"{self._id}: no connection for a while, it is still tried: {error}"
        for watcher in self._watchers.values():
            if watcher.waits:
                watcher.fail(ccxt.ExchangeNotAvailable(message))

    def fail(self, error: ccxt.BaseError) -> None:
        """The source has ended: everyone is told, and the next call tries to begin anew, where it ended."""
        self._begun, self._refusal = False, error
        source, self._source = self._source, None
        if source is not None:
            self._closing = asyncio.get_running_loop().create_task(source.close())
        for watcher in self._watchers.values():
            watcher.fail(error)

    def _completed(self, change: Change) -> Change:
        """An order with its deals, when all of them have come by here."""
        row = change.row
        if change.kind is Kind.TRADE:
            self._deals.setdefault(row.get("order_id"), {})[row.get("id")] = row
            if len(self._deals) > _MOST_ORDERS_WITH_DEALS:
                del self._deals[next(iter(self._deals))]
            return change
        if change.kind is not Kind.ORDER:
            return change
        known = self._deals.get(row.get("id"))
        if known is None:
            return change
        if row.get("status") not in OPEN_STATUSES and not change.leaves:
            del self._deals[row["id"]]
        return change._replace(deals=_making_up(known.values(), row.get("filled_qty")))


def _making_up(deals: Iterable[dict[str, Any]], filled: Any) -> tuple[dict[str, Any], ...] | None:
    """The first deals that make up what was filled; None when some are missing."""
    chosen = []
    try:
        missing = Decimal(str(filled or 0))
        for deal in deals:
            if missing <= 0:
                break
            chosen.append(deal)
            missing -= Decimal(str(deal["qty"]))
    except (ArithmeticError, KeyError):  # a row that is none: who is given it is told
        return None
    return tuple(chosen) if not missing else None


def _has_names(row: dict[str, Any]) -> bool:
    """Whether a row can be kept: what a server sends that is no row must not end everybody's stream."""
    return isinstance(row.get("id"), int | str | None) and isinstance(row.get("order_id"), int | str | None)
