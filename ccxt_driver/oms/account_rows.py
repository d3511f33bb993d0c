"""Rows of an account, made when they are looked at: many of them would take more than all else."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Generic, TypeVar, overload

_Row = TypeVar("_Row")
_ROWS_AT_ONCE: Final = 16
"""Few: what is looked up while they are written is then known when they are read."""


class AccountRows(Sequence[_Row], Generic[_Row]):
    """Rows of one kind that an account has, ascending by id, each as it is when it is looked at.

    :param ids: of the rows, ascending
    :param lock: of whatever changes them
    :param read: the rows of some ids, in their order
    """

    def __init__(
        self,
        ids: array[int],
        lock: AbstractContextManager[Any],
        read: Callable[[Sequence[int]], list[_Row]],
    ) -> None:
        self._ids = ids
        self._lock = lock
        self._read = read

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[_Row]:
        for first in range(0, len(self._ids), _ROWS_AT_ONCE):
            yield from self[first : first + _ROWS_AT_ONCE]

    @overload
    def __getitem__(self, index: int) -> _Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[_Row]: ...

    def __getitem__(self, index: int | slice) -> _Row | list[_Row]:
        if isinstance(index, slice):
            return self._rows(self._ids[index])
        return self._rows([self._ids[index]])[0]

    def _rows(self, ids: Sequence[int]) -> list[_Row]:
        with self._lock:
            return self._read(ids)
