"""Rows of known ids in a list that ascends by id and tells its length: found in O(log n) pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class PageSearch:
    """Which page to read next, until every id is found or known not to be there.

    The newest rows are asked for most, so the last page comes first where the length is known. Between
    two pages the id's place is estimated, and every other time halved: estimates alone may be slow
    where ids have gaps.

    :param ids: of the rows that are wanted
    :param page_size: of every page
    :param total: length of the list, as far as it is known from before
    """

    def __init__(self, ids: Iterable[int], page_size: int, total: int | None = None) -> None:
        self.found: dict[int, Mapping[str, Any]] = {}
        self.total = total
        self._open = set(ids)
        self._size = page_size
        self._bounds: dict[int, tuple[int, int]] = {}
        """First and last id of the pages that were read."""
        self._read: set[int] = set()
        self._halve = False

    def next_page(self) -> int | None:
        """The page to read; None when there is nothing left to find."""
        while self._open:
            wanted = max(self._open)
            page = self._page_of(wanted)
            if page is not None and page not in self._read:
                return page
            self._open.discard(wanted)
        return None

    def take(self, page: int, rows: Sequence[Mapping[str, Any]], total: int) -> None:
        """What a page held.

        :param total: length of the list now
        """
        self.total = total
        self._read.add(page)
        for row in rows:
            if row["id"] in self._open:
                self._open.discard(row["id"])
                self.found[row["id"]] = row
        if rows:
            self._bounds[page] = rows[0]["id"], rows[-1]["id"]

    def _page_of(self, wanted: int) -> int | None:
        """The page on which an id may be; None when it is on none."""
        if self.total is None:
            return 1
        last = max(1, -(-self.total // self._size))
        low = max((page for page, (_, highest) in self._bounds.items() if highest < wanted), default=0)
        high = min((page for page, (lowest, _) in self._bounds.items() if lowest > wanted), default=last + 1)
        if high - low < 2 or any(low < page < high for page in self._bounds):
            return None
        return last if high == last + 1 else self._between(low, high, wanted)

    def _between(self, low: int, high: int, wanted: int) -> int:
        """A page after `low` and before `high`."""
        self._halve = not self._halve
        if self._halve or low not in self._bounds:
            return (low + high) // 2
        lowest, highest = self._bounds[low][1], self._bounds[high][0]
        estimate = low + (wanted - lowest) * (high - low) // max(1, highest - lowest)
        return min(high - 1, max(low + 1, estimate))
