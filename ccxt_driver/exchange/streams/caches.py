"""The caches that ccxt.pro users read: `exchange.orders`, `exchange.myTrades`, `exchange.positions`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, SupportsIndex

from ccxt.async_support.base.ws.cache import ArrayCacheBySymbolById

from .changes import Change


class RowCache(ArrayCacheBySymbolById):
    """The newest state of each row, in the order in which they changed; ccxt's cache for a reader.

    A change costs the same whatever the number of rows, and becomes a structure when somebody reads it:
    ccxt's own looks for the row among all of them.

    :param max_size: how many are kept; None for all
    :param parse: makes a unified structure of a change
    :param is_over: says of what nothing more will come; then only such rows are counted, and go
    """

    def __init__(
        self,
        max_size: int | None,
        parse: Callable[[Change], dict[str, Any]],
        is_over: Callable[[Change], bool] | None = None,
    ) -> None:
        super().__init__(max_size)
        self._parse = parse
        self._is_over = is_over
        self._rows: dict[tuple[Any, Any], Change] = {}
        self._over: dict[tuple[Any, Any], None] = {}
        """What may go, the oldest first."""
        self._made: dict[tuple[Any, Any], dict[str, Any]] = {}

    def keep(self, change: Change) -> None:
        """Keep a change in the place of what was known of the same row."""
        key = (change.symbol, change.row.get("id"))
        self._rows.pop(key, None)
        self._made.pop(key, None)
        self._over.pop(key, None)
        self._rows[key] = change
        if self._is_over is None or self._is_over(change):
            self._over[key] = None
            if self.max_size and len(self._over) > self.max_size:
                oldest = next(iter(self._over))
                del self._rows[oldest], self._over[oldest]
                self._made.pop(oldest, None)

    def changes(self) -> list[Change]:
        """What is kept, the latest change last."""
        return list(self._rows.values())

    def structures(self) -> list[dict[str, Any]]:
        """What is kept as unified structures, the latest change last."""
        made = self._made
        for key, change in list(self._rows.items()):
            if key not in made:
                made[key] = self._parse(change)
        return [made[key] for key in list(self._rows) if key in made]

    @property
    def hashmap(self) -> dict[Any, dict[Any, dict[str, Any]]]:
        """By symbol and id, as ccxt's."""
        found: dict[Any, dict[Any, dict[str, Any]]] = {}
        for structure in self.structures():
            found.setdefault(structure["symbol"], {})[structure["id"]] = structure
        return found

    @hashmap.setter
    def hashmap(self, value: Any) -> None:
        """ccxt's constructor sets an empty one."""

    def clear(self) -> None:
        """Forget all."""
        self._rows.clear()
        self._made.clear()
        self._over.clear()

    def __reduce__(self) -> Any:
        """For copies and pickles: the changes, and not also what they were read as."""
        rows = {"_rows": dict(self._rows), "_over": dict(self._over)}
        return type(self), (self.max_size, self._parse, self._is_over), rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.structures())

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, item: SupportsIndex | slice) -> Any:
        return self.structures()[item]

    def __contains__(self, item: object) -> bool:
        return item in self.structures()

    def __reversed__(self) -> Iterator[dict[str, Any]]:
        return reversed(self.structures())

    def __eq__(self, other: object) -> bool:
        return self.structures() == other

    def __repr__(self) -> str:
        return repr(self.structures())

    __hash__ = None  # type: ignore[assignment]  # as of a list
