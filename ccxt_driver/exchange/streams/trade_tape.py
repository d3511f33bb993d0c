"""Which public trades are new. No I/O."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final

Trade = dict[str, Any]
_KEPT: Final = 1000
_KNOWN: Final = 10_000


class TradeTape:
    """The public trades of one symbol, each once, in the order in which they came.

    A trade is known by its id. Where the venue gives none, trades that look alike at one moment are counted.
    """

    def __init__(self) -> None:
        self.recent: deque[Trade] = deque(maxlen=_KEPT)
        self._known: Counter[Hashable] = Counter()
        self._order: deque[Hashable] = deque()
        self.newest_ms: int | None = None
        """The time of the newest trade; None before there is one."""

    def joins(self, window: Sequence[Trade], asked: int) -> bool:
        """Whether nothing can be missing between what is known and these, the newest of the venue.

        :param window: ascending in time, without a hole
        :param asked: for how many the venue was asked
        """
        if not window:
            return True
        if self.newest_ms is None:
            return len(window) < asked
        if self.knows_any(trade for trade in window if trade.get("id") is not None):
            return True
        # Of the oldest moment of a window some trades may have been cut off.
        return (window[0].get("timestamp") or 0) < self.newest_ms

    def knows_any(self, trades: Iterable[Trade]) -> bool:
        """Whether any of them is known."""
        return any(_key(trade) in self._known for trade in trades)

    def add(self, trades: Iterable[Trade]) -> list[Trade]:
        """Keep trades.

        :param trades: of a stretch of time without a hole; whole moments, where they have no ids
        :returns: those that were not known, as they came
        """
        seen: Counter[Hashable] = Counter()
        new = []
        for trade in trades:
            key = _key(trade)
            seen[key] += 1
            times = 1 if trade.get("id") is not None else seen[key]
            if times <= self._known[key]:
                continue
            self._known[key] += 1
            self._order.append(key)
            new.append(trade)
        self.recent.extend(new)
        for trade in new:
            moment = trade.get("timestamp")
            if moment is not None and (self.newest_ms is None or moment > self.newest_ms):
                self.newest_ms = moment
        self._forget()
        return new

    def _forget(self) -> None:
        while len(self._order) > _KNOWN:
            key = self._order.popleft()
            self._known[key] -= 1
            if not self._known[key]:
                del self._known[key]


def _key(trade: Trade) -> Hashable:
    number = trade.get("id")
    if number is not None:
        return number
    return trade.get("timestamp"), trade.get("price"), trade.get("amount"), trade.get("side")
