"""Reading the deals of an account once each, and keeping what was reckoned from them.

What is kept is a checkpoint: whoever starts goes on from there, and need not read the whole history. It is
written down with the next commit, and dropped by the commit that moves or reveals a deal that it has counted.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .entities import Deal
from .store import Changes, RowFilter, Store

DAY_MS: Final = 86_400_000
_PAGE: Final = 20_000
KEEP_EVERY: Final = 2_000
"""So many deals are read again at most by one who starts."""

Row = Mapping[str, Any]
"""Ready for JSON."""


@dataclass(slots=True)
class Reading:
    """How far the deals of an account were read.

    :param seen_ms: from when on, to begin with
    """

    account_id: int
    seen_ms: int = 0
    seen_then: int = 0
    """How many deals of that moment were read."""
    seen_id: int = 0
    listed: set[str] = field(default_factory=set)
    """Symbols that were counted."""
    unlisted: set[str] = field(default_factory=set)
    """Symbols that were passed over, as they are not listed any more."""
    _unkept: int = 0

    def pages(self, store: Store, markets: Container[str]) -> Iterator[list[Deal]]:
        """What is stored and was not read yet, of listed markets, a part at a time."""
        while True:
            wanted = RowFilter((self.account_id,), since_ms=self.seen_ms, offset=self.seen_then, limit=_PAGE)
            deals, _ = store.deals(wanted)
            yield self._new(deals, markets)
            if len(deals) < _PAGE:
                return

    def uncommitted(self, changes: Changes | None, markets: Container[str]) -> list[Deal]:
        """As `pages`, of a transaction that is not committed yet, if there is one."""
        if changes is None:
            return []
        own = [row for row in changes.deals if row.account_id == self.account_id and row.is_known]
        return self._new(own, markets)

    def _new(self, deals: list[Deal], markets: Container[str]) -> list[Deal]:
        new: list[Deal] = []
        for deal in deals:
            if deal.id <= self.seen_id:
                continue
            self.seen_then = self.seen_then + 1 if deal.executed_at == self.seen_ms else 1
            self.seen_ms, self.seen_id = deal.executed_at, deal.id
            self._unkept += 1
            if deal.symbol in markets:  # it may have been listed once
                self.listed.add(deal.symbol)
                new.append(deal)
            else:
                self.unlisted.add(deal.symbol)
        return new

    def is_far(self) -> bool:
        """Whether enough was read for another checkpoint; then it counts anew."""
        if self._unkept < KEEP_EVERY:
            return False
        self._unkept = 0
        return True

    def dump(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "seen": [self.seen_ms, self.seen_then, self.seen_id],
            "listed": sorted(self.listed),
            "unlisted": sorted(self.unlisted),
        }

    @classmethod
    def load(cls, account_id: int, row: Row) -> Reading:
        """What `dump` gave."""
        seen_ms, seen_then, seen_id = row["seen"]
        return cls(account_id, seen_ms, seen_then, seen_id, {*row["listed"]}, {*row["unlisted"]})


class Checkpoints:
    """Checkpoints by what they are of, of each the last one of an earlier day and the newest.

    From an earlier day on, what is asked for the first time of today can be reckoned, too.

    :param kept: what `write` has put into the settings
    """

    NAME: Final = "checkpoints"
    """Of the setting."""

    __slots__ = ("_by_name", "_is_new")

    def __init__(self, kept: Mapping[str, list[Row]]) -> None:
        self._by_name = dict(kept)
        self._is_new = False

    def of(self, name: str, markets: Container[str]) -> Iterator[Row]:
        """Those that count what would be counted now, the newest first.

        :param markets: the symbols that are listed
        """
        for row in reversed(self._by_name.get(name, [])):
            same = all(symbol in markets for symbol in row["listed"])
            if same and not any(symbol in markets for symbol in row["unlisted"]):
                yield row

    def put(self, name: str, account_id: int, row: Row) -> None:
        """Keep a checkpoint of deals of an account, with the dump of its `Reading`."""
        day = row["seen"][0] // DAY_MS
        earlier = [known for known in self._by_name.get(name, []) if known["seen"][0] // DAY_MS < day]
        self._by_name[name] = [*earlier[-1:], {**row, "account_id": account_id}]
        self._is_new = True

    def write(self, changes: Changes) -> None:
        """Have a commit write them down as they are after it: without those that its deals make wrong."""
        if changes.deals and self._by_name:
            self._drop_changed(changes.deals)
        if self._is_new:
            changes.settings[self.NAME] = {**self._by_name}
            self._is_new = False

    def _drop_changed(self, deals: list[Deal]) -> None:
        """A deal that was counted comes again only when it has moved; one that was unknown comes late."""
        oldest: dict[int, int] = {}
        for deal in deals:
            oldest[deal.account_id] = min(deal.id, oldest.get(deal.account_id, deal.id))
        for name, rows in [*self._by_name.items()]:
            right = [
                row for row in rows if row["seen"][2] < oldest.get(row["account_id"], row["seen"][2] + 1)
            ]
            if len(right) < len(rows):
                self._by_name[name] = right
                self._is_new = True
