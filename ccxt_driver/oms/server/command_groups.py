"""Commands of all clients that wait at one moment share one write to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Final, Protocol, TypeVar

from ccxt_driver.oms.service import CommandRequest

from .served import Reply, ServedOms

_MOST: Final = 256
"""Requests in a group: the first of them waits for the last."""
_TURNS: Final = 8
"""Turns of the event loop for which a group waits, as long as each brings more."""

_Answer = TypeVar("_Answer")


class Asked(Protocol):
    """Whoever waits for an answer."""

    def is_gone(self) -> bool:
        """Whether nobody waits any more."""
        ...

    def tell(self, reply: Reply) -> None:
        """What the OMS answers."""
        ...

    def fail(self, error: BaseException) -> None:
        """It could not."""
        ...


class CommandGroups:
    """Runs the commands of an OMS: at once, or when it keeps its state on disk, in groups.

    A group is what the clients have sent while the server was at work on the one before, and while it reads
    that: those who have their answers ask again, and would else need a write to the disk of their own. Nobody
    waits without work being done. As long as one request comes at a time, each is run at once. It lives in
    one event loop.

    :param oms: whose commands
    """

    def __init__(self, oms: ServedOms) -> None:
        self._oms = oms
        self._waiting: list[tuple[CommandRequest, Asked]] = []
        self._crowded = False
        """Whether requests of this turn of the loop wait for each other."""
        self.groups = 0
        """How many there have been."""
        self.requests = 0
        """How many requests were in them."""

    async def run(self, request: CommandRequest) -> Reply:
        """The answer to a request, once what it has done is on disk."""
        awaited = _Awaited(asyncio.get_running_loop().create_future())
        self.begin(request, awaited)
        return await awaited.answer

    def begin(self, request: CommandRequest, asked: Asked) -> None:
        """As `run`: tell the answer, at once where it can be had."""
        if not self._oms.durable:
            asked.tell(self._oms.handle("commands", {}, *request))
            return
        loop = asyncio.get_running_loop()
        if not self._crowded:
            self._crowded = True  # whoever else comes in this turn
            loop.call_soon(self._look, context=Context())
            self._count(1)
            asked.tell(self._oms.run_together([request])[0])
            return
        if not self._waiting:
            # A context of its own: what runs then is not done for one request alone.
            loop.call_soon(self._gather, 0, _TURNS, context=Context())
        self._waiting.append((request, asked))

    def _look(self) -> None:
        """The turn in which a request was run at once is over; those that came beside it are a group."""
        self._crowded = bool(self._waiting)

    def _count(self, requests: int) -> None:
        self.groups += 1
        self.requests += requests

    def _gather(self, before: int, turns: int) -> None:
        """Run the group once nobody has joined it for a turn of the loop, or it is large, or has waited.

        :param before: how many were waiting a turn ago
        :param turns: for how many more it may wait
        """
        waiting = len(self._waiting)
        if turns and before < waiting < _MOST:
            asyncio.get_running_loop().call_soon(self._gather, waiting, turns - 1, context=Context())
        else:
            self._run_group()

    def _run_group(self) -> None:
        # Not those whose connection was cut before anything was done for them.
        group = [waiting for waiting in self._waiting[:_MOST] if not waiting[1].is_gone()]
        self._waiting = self._waiting[_MOST:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._run_group, context=Context())
        try:
            replies = self._oms.run_together([request for request, _ in group])
        except BaseException as error:
            for _, asked in group:
                _tell(asked.fail, RuntimeError(f"the group was not run: {type(error).__name__}"))
            raise
        self._crowded = len(group) > 1
        self._count(len(group))
        for (_, asked), reply in zip(group, replies, strict=True):
            _tell(asked.tell, reply)


def _tell(tell: Callable[[_Answer], None], answer: _Answer) -> None:
    try:
        tell(answer)
    except Exception as error:  # noqa: BLE001 - the others are told all the same
        context = {"message": "an answer could not be given", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)


class _Awaited:
    """One who awaits the answer.

    :param answer: where it comes; cancelled when the connection was cut
    """

    __slots__ = ("answer",)

    def __init__(self, answer: asyncio.Future[Reply]) -> None:
        self.answer = answer

    def is_gone(self) -> bool:
        """See `Asked`."""
        return self.answer.done()

    def tell(self, reply: Reply) -> None:
        """See `Asked`."""
        if not self.answer.done():
            self.answer.set_result(reply)

    def fail(self, error: BaseException) -> None:
        """See `Asked`."""
        if not self.answer.done():
            self.answer.set_exception(error)
