"""How long an order is on its way to the venue: models named by their assumption."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Protocol

from ccxt_driver.oms.entities import Order

_CHANCES: Final = 1 << 64


class LatencyModel(Protocol):
    """The way of an order."""

    def send_ms(self, order: Order) -> int:
        """Milliseconds from the command until the venue has the order."""
        ...


class FixedLatency:
    """Every order takes the same time.

    :param send_ms: milliseconds, above 0
    :raises ValueError: 0 or less
    """

    def __init__(self, send_ms: int) -> None:
        if type(send_ms) is not int or send_ms < 1:
            raise ValueError(f"send_ms: expected a whole number above 0, got {send_ms!r}")
        self._send_ms = send_ms

    def send_ms(self, order: Order) -> int:
        """That time."""
        return self._send_ms


class RandomLatency:
    """Any time between two is as likely as another; later orders may arrive first.

    :param least_ms: milliseconds, above 0
    :param most_ms: milliseconds, no less
    :param seed: the same seed gives the same order the same time
    :raises ValueError: times that make no sense
    """

    def __init__(self, least_ms: int, most_ms: int, seed: int) -> None:
        if not 1 <= least_ms <= most_ms:
            raise ValueError(f"least_ms: expected 1 to most_ms {most_ms}, got {least_ms}")
        self._least_ms, self._span, self._seed = least_ms, most_ms - least_ms + 1, seed

    def send_ms(self, order: Order) -> int:
        """A time that the seed and the order's id choose."""
        digest = sha256(f"{self._seed}:{order.id}".encode()).digest()
        return self._least_ms + int.from_bytes(digest[:8]) * self._span // _CHANCES
