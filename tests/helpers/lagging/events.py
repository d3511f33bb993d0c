"""What the gateway tells over its socket: ids, and no rows. It is kept in memory, and numbered for itself."""

from __future__ import annotations

import copy
from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, NamedTuple

_MOST_KEPT: Final = 5_000
_MOST_AT_ONCE: Final = 100


class Event(NamedTuple):
    """An event; its number never leaves the gateway."""

    number: int
    name: str
    payload: dict[str, Any]


@dataclass
class _Ring:
    last: int = 0
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=_MOST_KEPT))


class Rings:
    """The newest events of each account: what nobody fetched in time is gone, and nobody notices."""

    def __init__(self) -> None:
        self._rings: defaultdict[int, _Ring] = defaultdict(_Ring)
        self.generation = 0
        """How often all of it was forgotten."""

    def publish(self, account_id: int, name: str, **payload: Any) -> None:
        """Add an event, whether or not what it tells of can be read yet."""
        ring = self._rings[account_id]
        ring.last += 1
        ring.events.append(Event(ring.last, name, {**payload, "account_id": account_id}))

    def last(self, account_id: int) -> int:
        """The number of the newest event of an account, 0 before the first."""
        return self._rings[account_id].last

    def after(self, account_id: int, number: int) -> list[Event]:
        """The next events, at most 100."""
        kept = self._rings[account_id].events
        start = max(0, number + 1 - kept[0].number) if kept else 0
        return copy.deepcopy([*islice(kept, start, start + _MOST_AT_ONCE)])

    def restart(self) -> None:
        """Forget everything, the numbers too."""
        self._rings.clear()
        self.generation += 1
