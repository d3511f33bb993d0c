"""Contract rows of many orders, made when they are looked at: a hundred thousand take as much as all else."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, overload

from .store import RowFilter, Store

_IDS_AT_ONCE: Final = 20_000
_ROWS_AT_ONCE: Final = 2_000


class OrderRows(Sequence[dict[str, Any]]):
    """The orders of an account up to now, ascending by id, each as it is when it is looked at.

    :param store: where they are, while it is open
    :param lock: of whatever changes it
    :param account_id: whose orders
    """

    def __init__(self, store: Store, lock: AbstractContextManager[Any], account_id: int) -> None:
        self._store = store
        self._lock = lock
        ids: list[int] = []
        with lock:
            while True:
                wanted = RowFilter((account_id,), known=None, offset=len(ids), limit=_IDS_AT_ONCE)
                page, total = store.orders(wanted)
                ids += [order.id for order in page]
                if not page or len(ids) >= total:
                    break
        self._ids = array("q", sorted(ids))

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for first in range(0, len(self._ids), _ROWS_AT_ONCE):
            yield from self[first : first + _ROWS_AT_ONCE]

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return self._rows(self._ids[index])
        return self._rows([self._ids[index]])[0]

    def _rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        with self._lock:
            orders = self._store.orders_by_id(ids)
        return [order.row() for order in orders]
