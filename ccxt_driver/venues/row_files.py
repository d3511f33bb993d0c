"""Files that history is written to: rows are added to CSV, and take their place when all are there."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ccxt_driver.oms.market.file_rows import COLUMNS, Columns, CsvFile, Kind, RowFile, open_rows

from .past import Row

_TAIL_BYTES: Final = 1 << 16
_ROWS_AT_ONCE: Final = 1 << 16
_TEXTS: Final = frozenset({"side", "id"})


class GrowingFile:
    """A CSV file that rows are added to, whole ones only.

    :param path: where it is, or will be
    :raises ValueError: what is there is no such file
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        self.kind: Kind = kind
        self.first_ms: int | None = None
        self.last_ms: int | None = None
        self._names = COLUMNS[kind]
        self._head = (",".join(self._names) + "\n").encode()
        self._mend()

    def clear(self) -> None:
        """Begin without a row."""
        self.path.write_bytes(self._head)
        self.first_ms = self.last_ms = None

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows, all by one write."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        lines = text.getvalue().encode()
        if not lines:
            return
        with self.path.open("ab") as file:
            file.write(lines)
        self._note(lines)

    def add_file(self, other: GrowingFile) -> None:
        """Add the rows of another one, and see them on the disk."""
        with other.path.open("rb") as source, self.path.open("ab") as target:
            source.seek(len(self._head))
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())

    def _mend(self) -> None:
        """Cut off what an interruption has left of a row, and see which rows there are."""
        if not self.path.exists():
            self.clear()
            return
        with self.path.open("r+b") as file:
            head = file.readline()
            if not self._head.startswith(head):
                raise self._foreign(head)
            first = file.readline()
            if not first.endswith(b"\n"):
                self.clear()
                return
            size = file.seek(0, os.SEEK_END)
            begin = max(len(head), size - _TAIL_BYTES)
            file.seek(begin)
            tail = file.read()
            whole = tail.rfind(b"\n") + 1
            file.truncate(begin + whole)
        self._note(first)
        self._note(tail[:whole])

    def _note(self, lines: bytes) -> None:
        first, last = lines.partition(b"\n")[0], lines.rstrip(b"\n").rpartition(b"\n")[2]
        if self.first_ms is None:
            self.first_ms = self._time(first)
        self.last_ms = self._time(last)

    def _time(self, line: bytes) -> int:
        fields = line.split(b",")
        if len(fields) < len(self._names) or not fields[0].isdigit():
            raise self._foreign(line)
        return int(fields[0])

    def _foreign(self, line: bytes) -> ValueError:
        said = line.decode("utf-8", "replace").strip()[:100]
        return ValueError(f"{self.path}: expected rows of {','.join(self._names)}, got {said!r}")


def reopen(path: Path, growing: Path, kind: Kind) -> GrowingFile:
    """The file that grows; at first it has the rows of the finished one, if there is one.

    :param path: of the finished one
    :raises ValueError: what is there is of another kind
    """
    if growing.exists() or not path.exists():
        return GrowingFile(growing, kind)
    if path.suffix == ".csv":
        shutil.copyfile(path, growing)
        return GrowingFile(growing, kind)
    file = GrowingFile(growing, kind)
    for columns in _pages(open_rows(path, kind)):
        file.add(zip(*columns, strict=True))
    return file


def finish(file: GrowingFile, path: Path) -> None:
    """Let the rows take their place, all at once."""
    if path.suffix == ".csv":
        _settle(file.path)
        file.path.replace(path)
        return
    ready = path.with_name(path.name + ".ready")
    _write_parquet(file, ready)
    _settle(ready)
    ready.replace(path)
    file.path.unlink()


def _settle(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _write_parquet(file: GrowingFile, path: Path) -> None:
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    names = COLUMNS[file.kind]
    types = [arrow.string() if name in _TEXTS else arrow.float64() for name in names]
    types[0] = arrow.int64()
    with parquet.ParquetWriter(path, arrow.schema([*zip(names, types, strict=True)])) as writer:
        for columns in _pages(CsvFile(file.path, file.kind)):
            arrays = [arrow.array(columns[0]).cast(arrow.int64())]
            for values, wanted in zip(columns[1:], types[1:], strict=True):
                arrays.append(arrow.array(values, arrow.string()).cast(wanted))
            writer.write_table(arrow.Table.from_arrays(arrays, names=[*names]))


def _pages(rows: RowFile) -> Iterator[Columns]:
    at: int | None = 0
    while at is not None:
        columns, at = rows.read(at, _ROWS_AT_ONCE)
        if len(columns[0]):
            yield columns
