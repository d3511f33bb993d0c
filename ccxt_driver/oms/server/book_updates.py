"""What has changed between two states of an order book. No I/O."""

from __future__ import annotations

from typing import Any, Final

_SIDES: Final = ("bids", "asks")


class BookUpdates:
    """One subscription's order book: whole first, then what changes in it, numbered without a hole."""

    __slots__ = ("_nonce", "_sides")

    def __init__(self) -> None:
        self._sides: dict[str, dict[float, float]] | None = None
        self._nonce = 0

    def payload(self, book: dict[str, Any]) -> dict[str, Any]:
        """`data` with the whole book, or `update` where that is shorter.

        :param book: ccxt's structure; a `nonce` is put into a copy of it
        """
        sides = {side: {price: amount for price, amount, *_ in book[side]} for side in _SIDES}
        before, self._sides = self._sides, sides
        nonce, self._nonce = self._nonce, self._nonce + 1
        if before is not None:
            changed = {side: _changes(before[side], sides[side]) for side in _SIDES}
            if _count(changed) < _count(sides):
                numbers = {"nonce": self._nonce, "prev_nonce": nonce, "timestamp": book.get("timestamp")}
                return {"update": {**changed, **numbers}}
        return {"data": {**book, "nonce": self._nonce}}


def _changes(before: dict[float, float], after: dict[float, float]) -> list[list[float]]:
    gone = [[price, 0] for price in before if price not in after]
    return gone + [[price, amount] for price, amount in after.items() if before.get(price) != amount]


def _count(sides: Any) -> int:
    return sum(len(sides[side]) for side in _SIDES)
