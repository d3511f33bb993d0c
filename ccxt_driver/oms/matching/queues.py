"""Where a resting order stands among the others at its price: models named by their assumption.

Without one an order fills when the market goes through its price. With one it may fill also when trades
are printed at its very price.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from ccxt_driver.oms.entities import ZERO, Order

_CHANCES: Final = 1 << 64


class Share(NamedTuple):
    """What a print leaves to an order: base units to fill, and what is ahead of it from now on."""

    fill: Decimal
    ahead: Decimal


class QueueModel(Protocol):
    """The queue at one price."""

    def joins(self, order: Order, shown: Decimal) -> Decimal:
        """How much is ahead of an order that begins to rest, in base units.

        :param shown: what the book shows at its price
        """
        ...

    def printed(self, order: Order, ahead: Decimal, qty: Decimal) -> Share:
        """What an order gets of a quantity that was traded at its price.

        :param ahead: what was ahead of it before
        """
        ...


class FrontOfQueue:
    """Nobody is ahead: whatever trades at the price is the order's. No order does better than this."""

    def joins(self, order: Order, shown: Decimal) -> Decimal:
        """Nothing."""
        return ZERO

    def printed(self, order: Order, ahead: Decimal, qty: Decimal) -> Share:
        """All of it."""
        return Share(min(qty, order.remaining), ZERO)


class BehindVolume:
    """All that the book showed when the order came is ahead, and nobody of them cancels."""

    def joins(self, order: Order, shown: Decimal) -> Decimal:
        """All that is shown."""
        return shown

    def printed(self, order: Order, ahead: Decimal, qty: Decimal) -> Share:
        """What is left behind those ahead."""
        if qty <= ahead:
            return Share(ZERO, ahead - qty)
        return Share(min(qty - ahead, order.remaining), ZERO)


class RandomPlace:
    """Some of what the book showed is ahead, as much as any other part of it.

    :param seed: the same seed gives the same order the same place
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._queue = BehindVolume()

    def joins(self, order: Order, shown: Decimal) -> Decimal:
        """A part that the seed and the order's id choose."""
        digest = sha256(f"{self._seed}:{order.id}".encode()).digest()
        return (shown * int.from_bytes(digest[:8]) / _CHANCES).quantize(Decimal("1E-8"))

    def printed(self, order: Order, ahead: Decimal, qty: Decimal) -> Share:
        """What is left behind those ahead."""
        return self._queue.printed(order, ahead, qty)
