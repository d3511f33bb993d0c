"""Commands of all clients that wait at one moment share one write to the disk."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Final

from ccxt_driver.oms.service import CommandRequest

from .served import Reply, ServedOms

_MOST: Final = 256
"""Requests in a group: the first of them waits for the last."""
_TURNS: Final = 3
"""Turns of the event loop for which a group waits, as long as each brings more."""

_Waiting = tuple[CommandRequest, asyncio.Future[Reply]]


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
        self._waiting: list[_Waiting] = []
        self._crowded = False
        """Whether requests of this turn of the loop wait for each other."""
        self.groups = 0
        """How many there have been."""
        self.requests = 0
        """How many requests were in them."""

    async def run(self, request: CommandRequest) -> Reply:
        """The answer to a request, once what it has done is on disk."""
        found = self.begin(request)
        return await found if isinstance(found, asyncio.Future) else found

    def begin(self, request: CommandRequest) -> Reply | asyncio.Future[Reply]:
        """As `run`: the answer where it can be had at once."""
        if not self._oms.durable:
            return self._oms.handle("commands", {}, *request)
        loop = asyncio.get_running_loop()
        if not self._crowded:
            self._crowded = True  # whoever else comes in this turn
            loop.call_soon(self._look, context=Context())
            self._count(1)
            return self._oms.run_together([request])[0]
        answered: asyncio.Future[Reply] = loop.create_future()
        if not self._waiting:
            # A context of its own: what runs then is not done for one request alone.
            loop.call_soon(self._gather, 0, _TURNS, context=Context())
        self._waiting.append((request, answered))
        return answered

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
        group = [waiting for waiting in self._waiting[:_MOST] if not waiting[1].done()]
        self._waiting = self._waiting[_MOST:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._run_group, context=Context())
        try:
            replies = self._oms.run_together([request for request, _ in group])
        except BaseException as error:
            for _, answered in group:
                answered.set_exception(RuntimeError(f"the group was not run: {type(error).__name__}"))
            raise
        self._crowded = len(group) > 1
        self._count(len(group))
        for (_, answered), reply in zip(group, replies, strict=True):
            answered.set_result(reply)
