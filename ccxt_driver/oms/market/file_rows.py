"""Rows of market data files, a page at a time: CSV, JSON as ccxt writes it, Parquet.

A page is read from where the one before ended, so that a file larger than memory is no matter.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, Protocol

Kind = Literal["candles", "trades", "quotes", "book"]
Row = Sequence[Any]
"""Values in the order of `COLUMNS`, as the file has them; of a book its time, bids and asks."""
Columns = Sequence[Sequence[Any]]
"""Rows on their side: one sequence for each of `COLUMNS`, all as long."""

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "candles": ("timestamp", "open", "high", "low", "close", "volume"),
    "trades": ("timestamp", "price", "amount", "side", "id"),
    "quotes": ("timestamp", "bid", "ask", "bidVolume", "askVolume"),
    "book": ("timestamp", "bids", "asks"),
}
"""ccxt's names of what each kind of file has."""

_OPTIONAL: Final = frozenset({"side", "id", "bidVolume", "askVolume"})
_BLOCK: Final = 1 << 17


class BadFile(ValueError):
    """A file that cannot be used, or a row of it; the message names both."""


class RowFile(Protocol):
    """A file of rows in order of time."""

    @property
    def path(self) -> Path:
        """Where it is."""
        ...

    def read(self, at: int, count: int) -> tuple[Columns, int | None]:
        """Rows from a place on.

        :param at: 0 for the beginning, or what an earlier call gave
        :param count: the most rows to give
        :returns: the columns of the rows, and the place after them; None at the end of the file
        :raises BadFile: it cannot be read
        """
        ...

    def last(self) -> Columns | None:
        """Some rows at the end; None where the whole file would have to be read for them.

        :raises BadFile: it cannot be read
        """
        ...


def open_rows(path: Path, kind: Kind) -> RowFile:
    """The file at a path, by the end of its name.

    :raises BadFile: an unknown format, a missing column, or it cannot be read
    """
    known: dict[str, Callable[[Path, Kind], RowFile]] = {
        ".csv": CsvFile,
        ".json": JsonFile,
        ".jsonl": JsonFile,
        ".parquet": ParquetFile,
    }
    reader = known.get(path.suffix)
    if reader is None:
        raise BadFile(f"{path}: expected a name that ends with one of {', '.join(known)}")
    try:
        return reader(path, kind)
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from error


class _Arrangement:
    """Where the columns of a table are, and those brought into the usual order.

    A book has columns bids[0].price, bids[0].amount, asks[0].price and so on, best first.
    """

    def __init__(self, path: Path, kind: Kind, names: Sequence[str]) -> None:
        self._at = {name: index for index, name in enumerate(names)}
        self._time = self._index(path, "timestamp")
        self._sides: list[list[tuple[int, int]]] = []
        self._wanted: list[int | None] = []
        if kind == "book":
            self._sides = [self._levels(path, side) for side in ("bids", "asks")]
        else:
            self._wanted = [self._index(path, name) for name in COLUMNS[kind]]

    def arrange(self, columns: Columns) -> Columns:
        """Columns of a file in the order of `COLUMNS`."""
        rows = len(columns[0])
        if not self._sides:
            return [[None] * rows if index is None else columns[index] for index in self._wanted]
        sides = [
            [*zip(*(zip(columns[price], columns[qty], strict=True) for price, qty in side), strict=True)]
            for side in self._sides
        ]
        return [columns[self._time], *sides]

    def _index(self, path: Path, name: str) -> Any:
        if name not in self._at and name not in _OPTIONAL:
            raise BadFile(f"{path}: expected a column {name}, got {', '.join(self._at)}")
        return self._at.get(name)

    def _levels(self, path: Path, side: str) -> list[tuple[int, int]]:
        levels: list[tuple[int, int]] = []
        while not levels or f"{side}[{len(levels)}].price" in self._at:
            names = (f"{side}[{len(levels)}].price", f"{side}[{len(levels)}].amount")
            levels.append((self._index(path, names[0]), self._index(path, names[1])))
        return levels


class CsvFile:
    """A CSV file with the names of the columns in its first line; candles may go without that line."""

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        with path.open("rb") as file:
            first = file.readline()
            self._begin = file.tell()
        names = [name.strip() for name in first.decode("utf-8-sig").split(",")]
        if kind == "candles" and names[0].isdigit():
            names, self._begin = [*COLUMNS[kind]], 0
        self._width = len(names)
        self._arrangement = _Arrangement(path, kind, names)

    def read(self, at: int, count: int) -> tuple[Columns, int | None]:
        """Rows from a byte on; see `RowFile.read`."""
        with self.path.open("rb") as file:
            file.seek(at or self._begin)
            lines = [*islice(file, count)]
            after = file.tell()
        try:
            text = b"".join(lines).decode()
            columns = self._split(text, len(lines)) or self._parsed(text)
        except (IndexError, ValueError, csv.Error) as error:
            raise BadFile(f"{self.path}: a row within bytes {at} to {after}: {error}") from error
        return self._arrangement.arrange(columns), after if len(lines) == count else None

    def last(self) -> Columns | None:
        """The last row; see `RowFile.last`."""
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            begin = max(self._begin, size - _BLOCK)
            file.seek(begin)
            lines = file.read().splitlines()
        row = next((line for line in reversed(lines[begin > self._begin :]) if line.strip()), None)
        if row is None:
            return None
        try:
            return self._arrangement.arrange(self._parsed(row.decode()))
        except (IndexError, ValueError, csv.Error) as error:
            raise BadFile(f"{self.path}: the last row: {error}") from error

    def _split(self, text: str, lines: int) -> Columns | None:
        """Columns of lines that all have as many values as the first, and no quotes; None of others."""
        if '"' in text:
            return None
        fields = text.rstrip("\r\n").replace("\r\n", "\n").replace("\n", ",\n,").split(",")
        row = self._width + 1
        if len(fields) != row * lines - 1 or fields[self._width :: row].count("\n") != lines - 1:
            return None
        return [fields[column::row] for column in range(self._width)]

    def _parsed(self, text: str) -> Columns:
        """Columns of any lines of CSV; what is left out at the end of one is empty."""
        rows = [row for row in csv.reader(text.splitlines()) if row]
        return [[row[column] for row in rows] for column in range(self._width)]


class JsonFile:
    """What ccxt's methods return, as JSON: one list of it, or one row a line.

    Candles are lists, as of fetch_ohlcv; the others are the structures of fetch_trades,
    fetch_ticker and fetch_order_book.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        self._names = COLUMNS[kind]
        with path.open("rb") as file:
            text = file.read(4096).decode("latin-1")
        inside = text.lstrip(" \t\r\n")
        # A list of rows, or rows that are lists themselves: the second character tells.
        listed = inside[:1] == "[" and inside[1:].lstrip()[:1] in ("[", "{", "]")
        self._begin = len(text) - len(inside) + listed

    def read(self, at: int, count: int) -> tuple[Columns, int | None]:
        """Rows from a byte on; see `RowFile.read`."""
        rows, after = self._rows(at, count)
        return [*zip(*rows, strict=True)] if rows else [()] * len(self._names), after

    def last(self) -> Columns | None:
        """None: a row may begin anywhere; see `RowFile.last`."""
        return None

    def _rows(self, at: int, count: int) -> tuple[list[Row], int | None]:
        decode = json.JSONDecoder(parse_float=str).raw_decode  # the digits as they are
        rows: list[Row] = []
        with self.path.open("rb") as file:
            start = at or self._begin
            file.seek(start)
            # Latin-1 has one character a byte, so that places in the text are places in the file.
            text, place = file.read(_BLOCK).decode("latin-1"), 0
            while len(rows) < count:
                while place < len(text) and text[place] in " \t\r\n,":
                    place += 1
                try:
                    if text[place] == "]":
                        return rows, None
                    row, place = decode(text, place)
                except (IndexError, json.JSONDecodeError) as error:
                    more = file.read(_BLOCK).decode("latin-1")
                    if more:
                        start += place
                        text, place = text[place:] + more, 0
                        continue
                    if text[place:].strip():
                        raise BadFile(f"{self.path}: a row from byte {start + place}: {error}") from error
                    return rows, None
                rows.append(self._arranged(row))
        return rows, start + place

    def _arranged(self, row: Any) -> Row:
        if isinstance(row, list):
            if len(row) != len(self._names):
                text = ", ".join(map(str, row))[:100]
                raise BadFile(f"{self.path}: row {text}: expected {', '.join(self._names)}")
            return row
        if isinstance(row, dict):
            return [row.get(name) for name in self._names]
        raise BadFile(f"{self.path}: expected rows that are lists or objects, got {str(row)[:40]}")


class ParquetFile:
    """A Parquet file with the columns of the CSV form; needs the extra `parquet`.

    Memory holds one row group of it at a time.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        try:
            self._arrow: Any = import_module("pyarrow")
            self._file: Any = import_module("pyarrow.parquet").ParquetFile(path)
        except ImportError as error:
            raise BadFile(f'{path}: Parquet needs pyarrow: pip install "ccxt-driver[parquet]"') from error
        names = self._file.schema_arrow.names
        self._width = len(names)
        self._arrangement = _Arrangement(path, kind, names)
        groups = self._file.metadata
        self._ends: list[int] = []
        for index in range(groups.num_row_groups):
            before = self._ends[-1] if self._ends else 0
            self._ends.append(before + groups.row_group(index).num_rows)
        self._held: tuple[int, Any] | None = None

    def read(self, at: int, count: int) -> tuple[Columns, int | None]:
        """Rows from a number on; see `RowFile.read`."""
        group = next((index for index, end in enumerate(self._ends) if at < end), None)
        if group is None:
            return self._arrangement.arrange([()] * self._width), None
        if self._held is None or self._held[0] != group:
            self._held = group, self._file.read_row_group(group)
        begin = self._ends[group - 1] if group else 0
        part = self._held[1].slice(at - begin, count)
        after = at + part.num_rows
        columns = self._arrangement.arrange([*map(self._values, part.columns)])
        return columns, after if after < self._ends[-1] else None

    def last(self) -> Columns | None:
        """The last row; see `RowFile.last`."""
        return self.read(self._ends[-1] - 1, 1)[0] if self._ends and self._ends[-1] else None

    def _values(self, column: Any) -> list[Any]:
        arrow = self._arrow
        if arrow.types.is_timestamp(column.type):
            column = column.cast(arrow.timestamp("ms"), safe=False).cast(arrow.int64())
        return list(column.to_pylist())
