"""The feed's book of one symbol, less what takers and makers have taken from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.values import format_decimal
from ccxt_driver.oms.entities import ZERO
from ccxt_driver.oms.market.feed import Level


class Liquidity:
    """What is still there at each price of one version of the feed's book.

    What was taken is remembered until the feed shows a new version.

    :param kept: what `dump` gave
    """

    __slots__ = ("_kept", "asks", "bids", "taken", "version")

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        self._kept = kept
        self.version: int | None = None
        self.bids: Sequence[Level] = ()
        self.asks: Sequence[Level] = ()
        self.taken: dict[Decimal, Decimal] = {}

    def show(self, version: int, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Put a new book of the feed here; everything in it is there to be taken."""
        self.version = version
        self.bids = bids
        self.asks = asks
        self.taken = {}
        if self._kept is not None and self._kept["version"] == version:
            self.taken = {Decimal(price): Decimal(qty) for price, qty in self._kept["taken"].items()}

    def dump(self) -> dict[str, Any]:
        """What was taken of this version, ready for JSON."""
        taken = {format_decimal(price): format_decimal(qty) for price, qty in self.taken.items()}
        return {"version": self.version, "taken": taken}

    def against(self, side: Side) -> Sequence[Level]:
        """The levels that an order of this side trades with, best first."""
        return self.asks if side is Side.BUY else self.bids

    def left(self, level: Level) -> Decimal:
        """What is left of a level, in base units."""
        taken = self.taken.get(level.price)
        return level.qty if taken is None else level.qty - taken

    def take(self, price: Decimal, qty: Decimal) -> None:
        """Take from a level."""
        self.taken[price] = self.taken.get(price, ZERO) + qty
