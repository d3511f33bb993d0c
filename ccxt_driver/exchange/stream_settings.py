"""`options.streams`: how streams keep their connection, and how much they keep."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import ccxt

from .retries import TOO_OFTEN

_LARGEST: Final = 1e9
_TOO_OFTEN_SECONDS: Final = 30.0
"""The longest pause at least, where the server says that we ask too often, and not for how long."""
_TOO_OFTEN_STATUSES: Final = (418, 429)
"""Of a handshake."""
_LONGEST_RETRY_AFTER: Final = 300.0
"""Seconds: a server that asks for more is asked again all the same, now and then."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Seconds, and numbers of changes.

    :param ping_interval: between two pings; a server that polls for its events needs more than one
        second
    :param ping_timeout: how much longer than that nothing may come before the connection is dead
    :param backoff_first: before the second attempt to connect; then twice as long each time
    :param backoff_most: the longest: who has lost a server is blind for so long after it has come back
    :param outage: how long a call waits for a lost connection before it raises; nothing is missed by that
    :param poll_interval: the shortest between two reads of an account whose changes are found by reading
    :param poll_interval_most: the longest of them, while it is quiet
    :param buffer: how many changes are kept for a watcher that does not ask for them
    :param market_interval: between two readings of market data that the server does not push
    :param market_check: after how long without a push they are read, too
    :param market_rate: readings of market data a second, all together
    """

    ping_interval: float = 3.0
    ping_timeout: float = 3.5
    backoff_first: float = 0.1
    backoff_most: float = 5.0
    outage: float = 10.0
    poll_interval: float = 1.0
    poll_interval_most: float = 15.0
    buffer: int = 50_000
    market_interval: float = 1.0
    market_check: float = 10.0
    market_rate: float = 20.0

    def pause(self, failures: int, error: BaseException) -> float:
        """Seconds before the next attempt, shortened by chance so that not all clients come at once.

        :param failures: before the last one
        :param error: the last one; a `retry_after` of it, in seconds, is waited for
        """
        is_too_often = isinstance(error, TOO_OFTEN) or getattr(error, "status", None) in _TOO_OFTEN_STATUSES
        most = max(self.backoff_most, _TOO_OFTEN_SECONDS) if is_too_often else self.backoff_most
        longest: float = min(self.backoff_first * 2 ** min(failures, 30), most)
        wanted = getattr(error, "retry_after", None) or 0.0
        return max(longest * random.uniform(0.5, 1), min(wanted, _LONGEST_RETRY_AFTER))


STREAMS: Final = {field.name: field.default for field in fields(StreamSettings)}
"""The defaults, as they stand in `options.streams`."""


def stream_settings(options: Mapping[str, Any]) -> StreamSettings:
    """What `options.streams` says.

    :raises BadRequest: a name is unknown, or a value is no number above 0
    """
    given = options.get("streams")
    if given is None:
        return StreamSettings()
    if not isinstance(given, Mapping):
        raise ccxt.BadRequest(f"streams: expected a dict of {', '.join(STREAMS)}, got {given!r}"[:200])
    for name, value in given.items():
        if name not in STREAMS:
            raise ccxt.BadRequest(f"streams.{name}: expected one of {', '.join(STREAMS)}"[:200])
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if not numeric or not 0 < value < _LARGEST or (name == "buffer" and not isinstance(value, int)):
            what = "a whole number" if name == "buffer" else "a number"
            raise ccxt.BadRequest(f"streams.{name}: expected {what} above 0, got {value!r}"[:200])
    return StreamSettings(**given)
