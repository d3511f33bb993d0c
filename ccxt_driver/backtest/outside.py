"""Answers from outside of a run, such as those of a messenger, that an event loop waits for in real time."""

from __future__ import annotations

import time
from asyncio import selector_events, sslproto
from collections.abc import Container
from typing import Any, Final

_REAL_SECONDS: Final = time.monotonic
_ANSWER_SECONDS: Final = 2.0
"""For so long an answer is waited for; half of it after each time that none came."""
_LEAST_SECONDS: Final = 0.25
_REST_SECONDS: Final = 0.05
"""For so long after a part of an answer for the rest of it."""
_ENCRYPTED_REST_SECONDS: Final = 0.5
"""The same under TLS, where servers send tickets of the session before they have looked for an answer."""


class Outside:
    """Connections of one event loop to what is outside of the run.

    A connection is kept open beyond its answers, and only its program knows which is the last part of one.
    So time does not stand still for as long as there is a connection, but for a while after it was written
    to, or heard from.

    :param registered: the numbers of the sockets that the loop listens to now
    """

    def __init__(self, registered: Container[Any]) -> None:
        self._registered = registered
        self._until: dict[int, float] = {}
        """By the number of the socket, in real seconds."""
        self._rest: dict[int, float] = {}
        """By the number of the socket, the seconds for the rest of an answer."""
        self._unanswered: set[int] = set()
        """Sockets at which nothing was heard since something was asked."""
        self._patience = _ANSWER_SECONDS

    @property
    def is_awaited(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self._until) and self.seconds() > 0

    def asked(self, number: int, *, is_encrypted: bool = False) -> None:
        """Something was sent, or is to be, by a socket."""
        self._until[number] = _REAL_SECONDS() + self._patience
        self._rest[number] = _ENCRYPTED_REST_SECONDS if is_encrypted else _REST_SECONDS
        self._unanswered.add(number)

    def sent(self, number: int) -> None:
        """Of something that does not go out at once a part has gone: nobody answers before the last one."""
        if number in self._rest:
            self._until[number] = _REAL_SECONDS() + self._patience
            self._unanswered.add(number)

    def heard(self, number: int) -> None:
        """Something has come by a socket."""
        self._unanswered.discard(number)
        if number in self._until:
            self._until[number] = _REAL_SECONDS() + self._rest[number]

    def seconds(self) -> float:
        """For how long answers may still be waited for; 0: for none."""
        now = _REAL_SECONDS()
        self._until = {number: until for number, until in self._until.items() if until > now}
        left = [until - now for number, until in self._until.items() if number in self._registered]
        return max(left, default=0.0)

    def gave_up(self) -> None:
        """Nothing has come for so long.

        One that asks for news again and again, and gets none, must not cost hours. That no more has come of
        an answer says nothing of the next one.
        """
        if any(number in self._registered for number in self._unanswered):
            self._patience = max(self._patience / 2, _LEAST_SECONDS)
        self._unanswered.clear()


class Transport(selector_events._SelectorSocketTransport):  # type: ignore[name-defined,misc]
    """asyncio's; tells its loop what is written to a connection that the script has made."""

    _loop: Any
    _protocol: Any
    _server: Any
    _sock_fd: int

    def write(self, data: Any) -> None:
        """As asyncio's."""
        super().write(data)
        self._say()

    def writelines(self, list_of_data: Any) -> None:
        """As asyncio's."""
        super().writelines(list_of_data)
        self._say()

    def _say(self) -> None:
        outside = getattr(self._loop, "outside", None)
        if outside is not None and self._server is None:
            outside.asked(self._sock_fd, is_encrypted=isinstance(self._protocol, sslproto.SSLProtocol))
