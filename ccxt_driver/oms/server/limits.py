"""How much a client may ask for: sizes, and requests a second."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ccxt_driver.oms.access import ANONYMOUS
from ccxt_driver.oms.entities import Principal

LARGEST_BODY: Final = 4 * 1024 * 1024
LARGEST_FRAME: Final = 1024 * 1024
_MOST_BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server puts up with.

    :param largest_body: of a request, in bytes
    :param largest_frame: of the WebSocket, in bytes
    :param requests_per_second: of one key, in the long run, HTTP requests and WebSocket frames together;
        without a key of one address; None for as many as they like
    :param burst: how many may come at once after a pause; by default those of one second
    :raises ValueError: a value that makes no sense, naming it and what was expected
    """

    largest_body: int = LARGEST_BODY
    largest_frame: int = LARGEST_FRAME
    requests_per_second: float | None = None
    burst: int | None = None

    def __post_init__(self) -> None:
        for name in ("largest_body", "largest_frame", "requests_per_second", "burst"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}: expected a number above 0, got {value!r}")
        if self.burst is not None and self.requests_per_second is None:
            raise ValueError("burst: goes with requests_per_second")

    def limiter(self, seconds: Callable[[], float]) -> RateLimiter | None:
        """What holds `requests_per_second`.

        :param seconds: a clock that never goes back
        """
        if self.requests_per_second is None:
            return None
        return RateLimiter(self.requests_per_second, self.burst, seconds)


class RateLimiter:
    """A token bucket for each client.

    :param per_second: tokens that come back
    :param burst: tokens of a full bucket
    :param seconds: a clock that never goes back
    """

    def __init__(self, per_second: float, burst: int | None, seconds: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = float(burst if burst is not None else max(1, math.ceil(per_second)))
        self._seconds = seconds
        self._buckets: dict[object, tuple[float, float]] = {}
        """Tokens, and when there were so many."""

    def wait(self, principal: Principal, address: str | None) -> int:
        """Take a token of whoever asks: by the key, or without one by the address.

        :returns: 0, or whole seconds until there is one; then none was taken
        """
        return math.ceil(self._wait(address if principal is ANONYMOUS else principal.key_id))

    def _wait(self, client: object) -> float:
        now = self._seconds()
        tokens, at = self._buckets.get(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._per_second)
        if tokens < 1:
            return (1 - tokens) / self._per_second
        if len(self._buckets) >= _MOST_BUCKETS:
            self._forget_full(now)
        self._buckets[client] = (tokens - 1, now)
        return 0

    def _forget_full(self, now: float) -> None:
        self._buckets = {
            client: (tokens, at)
            for client, (tokens, at) in self._buckets.items()
            if tokens + (now - at) * self._per_second < self._burst
        }
