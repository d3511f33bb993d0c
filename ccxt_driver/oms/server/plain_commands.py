"""Answers the plain requests with commands that a connection has recognized, as the application does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from ccxt_driver.contract.endpoints import BY_NAME
from ccxt_driver.oms.json_text import loads_question
from ccxt_driver.oms.keys import KeyRing
from ccxt_driver.oms.service import CommandRequest

from .answers import Answer, answer_of, clean_request_id, failure
from .command_connections import Head
from .command_groups import CommandGroups
from .limits import RateLimiter
from .served import Reply
from .telemetry import Metrics

_PATH: Final = f"/{BY_NAME['commands'].path}"


class PlainCommands:
    """Answers what `CommandConnection` has recognized, as the application does.

    :param groups: who runs commands
    :param keys: whose is which
    :param limiter: how many requests of one key are answered
    :param largest_body: bytes
    :param metrics: counts them
    """

    def __init__(
        self,
        groups: CommandGroups,
        keys: KeyRing,
        limiter: RateLimiter | None,
        largest_body: int,
        metrics: Metrics | None,
    ) -> None:
        self._groups = groups
        self._keys = keys
        self._limiter = limiter
        self._largest_body = largest_body
        self._metrics = metrics

    def begin(self, head: Head, body: bytes, address: str | None, answer: Callable[[Answer], None]) -> bool:
        """See `command_connections.Commands`."""
        try:
            principal = self._keys.principal(head.key_digest)
        except Exception:  # noqa: BLE001 - aiohttp's way meets it too, logs it and answers
            return False
        if principal is None or not 0 < head.length <= self._largest_body:
            return False
        try:
            question = loads_question(body)
        except ValueError:
            return False
        if self._limiter is not None and self._limiter.wait(principal, address):
            return False
        asked = _Asked(clean_request_id(head.request_id), time.perf_counter(), self._metrics, answer)
        try:
            self._groups.begin(CommandRequest({}, question, principal, asked.request_id), asked)
        except Exception as error:  # noqa: BLE001 - it is logged
            asked.fail(error)
        return True


class _Asked(NamedTuple):
    """A request that waits for its answer.

    :param began: when, by `time.perf_counter`
    :param answer: called once
    """

    request_id: str | None
    began: float
    metrics: Metrics | None
    answer: Callable[[Answer], None]

    def is_gone(self) -> bool:
        """Whether its connection was cut: what was asked is done all the same."""
        return False

    def tell(self, reply: Reply) -> None:
        """Answer what the OMS says."""
        try:
            answer = answer_of(self.request_id, reply.status, reply.body)
        except Exception as error:  # noqa: BLE001 - it is logged
            self.fail(error)
        else:
            self._send(answer)

    def fail(self, error: BaseException) -> None:
        """Answer that it is our fault."""
        self._send(failure(self.request_id, f"POST {_PATH}", error))

    def _send(self, answer: Answer) -> None:
        if self.metrics is not None:
            self.metrics.note("POST", _PATH, answer.status, time.perf_counter() - self.began)
        self.answer(answer)
