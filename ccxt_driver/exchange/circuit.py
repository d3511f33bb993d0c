"""While a gateway is down, calls fail at once instead of each waiting for its own failure.

After some failures in a row nothing is sent for a pause; then one call goes through as a probe, and its
answer lets all others through again. No clock and no waiting here: the time is an argument.
"""

from __future__ import annotations

import random
import threading
from typing import Final, NamedTuple

import ccxt

FIRST_PAUSE_MS: Final = 500
_LEAST_JITTER: Final = 0.75
_DOWN_CODES: Final = frozenset({"dispatcher_unavailable", "engine_unavailable"})
"""What the gateway says of itself, and not of one venue: `dispatcher_error` may be any venue's failure."""
_DOWN_STATUSES: Final = frozenset({502, 503, 504})
"""Of a proxy's page, when the gateway behind it does not answer."""


class Admission(NamedTuple):
    """Whether a call may be sent: now, or after `wait_ms`; as the probe, whose end has to be told."""

    wait_ms: int
    is_probe: bool


_FREELY: Final = Admission(0, False)
_AS_PROBE: Final = Admission(0, True)


class Circuit:
    """Of one gateway. A call asks `admit`, and then tells one of `answered`, `failed` and `abandoned`.

    Threads may share it.

    :param limit: failures in a row that stop all calls
    :param longest_ms: of the pauses, which double from half a second
    """

    __slots__ = (
        "_lock",
        "_open_until_ms",
        "_pause_ms",
        "_probing",
        "_waits_ms",
        "failures",
        "limit",
        "longest_ms",
    )

    def __init__(self, limit: int, longest_ms: int) -> None:
        self.limit = limit
        self.longest_ms = longest_ms
        self._lock = threading.Lock()
        self._close()

    def _close(self) -> None:
        self.failures = 0
        """In a row; while there are none nobody has to ask."""
        self._open_until_ms: int | None = None
        self._pause_ms = 0
        self._waits_ms = 0
        self._probing = False

    def admit(self, now_ms: int) -> Admission:
        """Whether a call may be sent.

        :param now_ms: milliseconds since any fixed moment
        :returns: with `wait_ms` above 0 it must not be sent
        """
        with self._lock:
            if self._open_until_ms is None:
                return _FREELY
            left = self._open_until_ms - now_ms
            # More than it ever was: the clock was set back, and nobody should wait for that.
            if 0 < left <= self._waits_ms:
                return Admission(left, False)
            if self._probing:
                return Admission(max(1, self._waits_ms), False)
            self._probing = True
            return _AS_PROBE

    def answered(self) -> bool:
        """A call was answered, be it by a refusal: the gateway is there.

        :returns: whether calls were stopped until now
        """
        with self._lock:
            was_open = self._open_until_ms is not None
            self._close()
        return was_open

    def failed(self, is_probe: bool, now_ms: int) -> int:
        """A call found the gateway down.

        :param is_probe: as `admit` said
        :returns: for how many milliseconds nothing is sent from now on; 0 when that does not change
        """
        with self._lock:
            if self._open_until_ms is None:
                self.failures += 1
                return self._pause(now_ms, FIRST_PAUSE_MS) if self.failures >= self.limit else 0
            # Others were sent before it opened, and say nothing new.
            return self._pause(now_ms, self._pause_ms * 2) if is_probe else 0

    def _pause(self, now_ms: int, pause_ms: int) -> int:
        self._pause_ms = min(pause_ms, self.longest_ms)
        self._waits_ms = round(self._pause_ms * random.uniform(_LEAST_JITTER, 1))
        self._open_until_ms = now_ms + self._waits_ms
        self._probing = False
        return self._waits_ms

    def abandoned(self, is_probe: bool) -> None:
        """A call ended without a word of the gateway: cancelled, or failed before it was sent."""
        if is_probe:
            with self._lock:
                self._probing = False


def was_sent(error: BaseException) -> bool:
    """Whether a failure is the network's or an answer, and not one of our own checks."""
    return error.__cause__ is not None or getattr(error, "http_status", None) is not None


def means_down(error: BaseException) -> bool:
    """Whether a failure says that the gateway is down: no answer, or one that says so."""
    if not isinstance(error, ccxt.NetworkError):
        return False
    status = getattr(error, "http_status", None)
    if status is None:
        return error.__cause__ is not None
    code = getattr(error, "code", None)
    return status in _DOWN_STATUSES if code is None else code in _DOWN_CODES
