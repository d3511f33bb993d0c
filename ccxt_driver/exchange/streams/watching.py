"""A watcher: what one who watches has not been given yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from itertools import islice
from typing import Any, Final, Generic, NoReturn, TypeVar

import ccxt

from ccxt_driver.errors import annotate

T = TypeVar("T")
R = TypeVar("R")


class Round(Generic[T]):
    """Calls that wait at the same time: what the first of them takes is given to all of them."""

    __slots__ = ("failure", "taken")

    def __init__(self) -> None:
        self.taken: tuple[T, ...] | None = None
        self.failure: BaseException | None = None


class Watcher(Generic[T]):
    """Undelivered items, in order, for whichever task calls.

    Calls that wait at the same time are given the same. What is given counts as delivered when one
    call that was not cancelled returns with it: between taking and returning nothing waits.

    :param name: in messages
    :param most: how many undelivered items are kept; after them the watcher fails, it never skips any
    """

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self._most: Final = most
        self._pending: deque[T] = deque()
        self._round: Round[T] = Round()
        self._waiters: list[asyncio.Future[None]] = []
        self._failure: BaseException | None = None
        self._end: BaseException | None = None
        """Why it takes nothing more."""
        self._is_dropped = False
        """Whether its user has ended it."""

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def first(self) -> T | None:
        """What the next call gets first; None when it has to wait."""
        return self._pending[0] if self._pending else None

    @property
    def waits(self) -> bool:
        """Whether a call waits now."""
        return any(not waiter.done() for waiter in self._waiters)

    @property
    def ended(self) -> bool:
        """Whether it takes nothing more."""
        return self._end is not None

    @property
    def over(self) -> bool:
        """Whether it has ended and has nothing left to say: the next call needs a new one."""
        return self.ended and self._failure is None

    def offer(self, item: T) -> None:
        """Keep an item until it is asked for."""
        if self.ended:
            return
        if len(self._pending) >= self._most:
            # Said when what is kept was delivered: whoever goes on from here comes further each time.
            self.fail(self.too_slow(item), end=True)
            return
        self._pending.append(item)
        if self._waiters:
            self._wake()

    def replace(self, item: T) -> None:
        """Keep this item only: for what stands for everything before it, such as a price."""
        self._pending.clear()
        self.offer(item)

    def too_slow(self, first: T) -> BaseException:
        """What is raised when too many items wait.

        :param first: the oldest that is not kept
        """
        message = (
            f"{self.name}: more than {self._most} changes were not asked for in time, those after them are "
            "not kept; read the state anew with the fetch methods, and go on with a new call"
        )
        return annotate(ccxt.ExchangeError(message), code="slow_consumer")

    def fail(self, error: BaseException, *, end: bool = False) -> None:
        """Raise an error from all calls that wait; without any from the next one, after what is undelivered.

        :param end: it takes nothing more
        """
        if self.ended:
            return
        self._failure = error
        if end:
            self._end = error
        if self._waiters:
            self._round.failure = error
            self._round = Round()
            self._wake()

    def end(self, error: BaseException) -> None:
        """End it because its user wants so: what is undelivered is given to nobody.

        Who was given it would call again, and begin anew what was just ended.
        """
        self._pending.clear()
        self._is_dropped = True
        self.fail(error, end=True)

    def round(self) -> Round[T]:
        """The calls that wait now, and those that come until one of them takes something."""
        if self._round.taken is not None:
            self._round = Round()
        return self._round

    async def next(
        self,
        deliver: Callable[[Sequence[T]], tuple[R, int]],
        limit: int | None = None,
        *,
        again: Callable[[Sequence[T]], R] | None = None,
        turn: Round[T] | None = None,
    ) -> R:
        """The next items, at once if there are any.

        :param deliver: makes the caller's own copies of items, and says of how many of them, one at
            least; when it raises, nothing counts as delivered
        :param limit: at most so many; the others are given to the next calls
        :param again: makes the copies of items that another call has taken, after which others may have
            taken newer ones; `deliver` when left out
        :param turn: the calls that this one has come with, where it has waited for something else before:
            it gets what they got, unless there is something newer
        :raises BaseError: the watcher has failed
        """
        if turn is not None and turn.taken is not None and not (self._pending or self._is_dropped):
            return deliver(turn.taken)[0] if again is None else again(turn.taken)
        while True:
            turn = self.round()
            if self._pending:
                return self._take(turn, deliver, limit)
            if self._failure is not None:
                self._say(self._failure)
            if self._end is not None:  # another call was told, and nothing will come
                raise copied(self._end)
            await self._news()
            if self._is_dropped and self._end is not None:
                self._say(self._end)
            if turn.taken is not None:
                return deliver(turn.taken)[0] if again is None else again(turn.taken)
            if turn.failure is not None:
                self._say(turn.failure)

    def _say(self, failure: BaseException) -> NoReturn:
        """Raise a failure; until then the calls that waited for it may all have been cancelled."""
        if self._failure is failure:
            self._failure = None
        raise copied(failure)

    def _take(self, turn: Round[T], deliver: Callable[[Sequence[T]], tuple[R, int]], limit: int | None) -> R:
        pending = self._pending
        items = tuple(pending if limit is None else islice(pending, limit))
        result, count = deliver(items)
        if count == len(pending):
            pending.clear()
        else:
            for _ in range(count):
                pending.popleft()
        turn.taken = items[:count]
        return result

    async def _news(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter.cancelled() and waiter in self._waiters:
                self._waiters.remove(waiter)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Ended(Exception):
    """What was waited for was given up by whoever began it."""


async def shared(task: asyncio.Task[None]) -> None:
    """Wait for what others wait for, too.

    :raises Ended: it was cancelled, and not the caller
    """
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        caller = asyncio.current_task()
        if task.cancelled() and caller is not None and not caller.cancelling():
            raise Ended from None
        raise


def copied(error: BaseException) -> BaseException:
    """The same error for another caller: each adds its own frames to it."""
    twin = copy(error)
    twin.__cause__ = error.__cause__
    return twin


def asked_for(task: asyncio.Future[Any]) -> None:
    """Take note of how a task has ended: all who waited for it may have been cancelled."""
    if not task.cancelled():
        task.exception()
