"""Rows of market data files, a page at a time: CSV, JSON as ccxt writes it, Parquet, Feather.

A page is read from where the one before ended, so that a file larger than memory is no matter.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import tempfile
import weakref
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from importlib import import_module
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Final, Literal, Protocol

Kind = Literal["candles", "trades", "quotes", "book", "mark", "funding"]
Row = Sequence[Any]
"""Values in the order of `COLUMNS`, as the file has them; of a book its time, bids and asks."""
Columns = Sequence[Sequence[Any]]
"""Rows on their side: one sequence for each of `COLUMNS`, all as long."""

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "candles": ("timestamp", "open", "high", "low", "close", "volume"),
    "trades": ("timestamp", "price", "amount", "side", "id"),
    "quotes": ("timestamp", "bid", "ask", "bidVolume", "askVolume"),
    "book": ("timestamp", "bids", "asks"),
    "mark": ("timestamp", "open", "high", "low", "close"),
    "funding": ("timestamp", "fundingRate"),
}
"""ccxt's names of what each kind of file has."""

_OPTIONAL: Final = frozenset({"side", "id", "bidVolume", "askVolume"})
_BLOCK: Final = 1 << 17
_MOST_ROWS: Final = 1 << 40
_OTHER_NAMES: Final = {"timestamp": ("date",), "fundingRate": ("funding_rate", "open")}
"""What freqtrade calls columns; a rate is the `open` of its older files, which look like candles."""
_TWO_OF_TIME: Final = frozenset({"date", "time"})
"""Columns of programs that write the day and the time of day apart: the day alone is no time."""
_LISTS: Final[dict[tuple[str, int], Callable[[Row], Row]]] = {
    ("trades", 7): itemgetter(0, 4, 5, 3, 1),  # freqtrade's timestamp, id, type, side, price, amount, cost
    ("mark", 6): itemgetter(0, 1, 2, 3, 4),  # candles
    ("funding", 6): itemgetter(0, 1),  # candles, as freqtrade writes them
}
"""Of JSON rows that are lists, by kind and length: what makes the columns of them."""


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
    zipped = path.suffix == ".gz"
    reader = FORMATS.get("".join(path.suffixes[-2:]) if zipped else path.suffix)
    if reader is None:
        raise BadFile(f"{path}: expected a name that ends with one of {', '.join(FORMATS)}")
    try:
        return reader(path, kind)
    except (OSError, EOFError, zlib.error) as error:
        raise BadFile(f"{path}: {getattr(error, 'strerror', None) or error}") from error


class _Bytes:
    """The bytes of a file. Those of one in gzip are unpacked once, into a file that nobody else sees."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()  # the program may go to another folder before the next page is read
        self._unpacked: IO[bytes] | None = None
        if path.suffix == ".gz":
            self._unpacked = tempfile.TemporaryFile()  # noqa: SIM115  closed with this object
            weakref.finalize(self, self._unpacked.close)
            with gzip.open(path) as packed:
                shutil.copyfileobj(packed, self._unpacked, _BLOCK)

    def at(self, place: int) -> AbstractContextManager[IO[bytes]]:
        """The file from a byte on."""
        if self._unpacked is None:
            file = self._path.open("rb")
            file.seek(place)
            return file
        self._unpacked.seek(place)
        return nullcontext(self._unpacked)


class _Arrangement:
    """Where the columns of a table are, and those brought into the usual order; capitals do not matter.

    A book has columns bids[0].price, bids[0].amount, asks[0].price and so on, best first.
    """

    def __init__(self, path: Path, kind: Kind, names: Sequence[str]) -> None:
        self._names = names
        self._at = {name.lower(): index for index, name in enumerate(names)}
        if self._at.keys() >= _TWO_OF_TIME and "timestamp" not in self._at:
            raise BadFile(f"{path}: expected the whole time in one column, got date and time apart")
        self._twice = {name for name, count in Counter(name.lower() for name in names).items() if count > 1}
        for name, others in _OTHER_NAMES.items():
            for other in others:
                if other in self._at:
                    self._at.setdefault(name.lower(), self._at[other])
        self.time = self._index(path, "timestamp")
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
        return [columns[self.time], *sides]

    def _index(self, path: Path, name: str) -> Any:
        index = self._at.get(name.lower())
        if index is None and name not in _OPTIONAL:
            raise BadFile(f"{path}: expected a column {name}, got {', '.join(self._names)}")
        if name.lower() in self._twice:
            raise BadFile(f"{path}: expected one column {name}, got {', '.join(self._names)}")
        return index

    def _levels(self, path: Path, side: str) -> list[tuple[int, int]]:
        levels: list[tuple[int, int]] = []
        while not levels or f"{side}[{len(levels)}].price" in self._at:
            names = (f"{side}[{len(levels)}].price", f"{side}[{len(levels)}].amount")
            levels.append((self._index(path, names[0]), self._index(path, names[1])))
        return levels


class CsvFile:
    """A CSV file with the names of the columns in its first line; candles may go without that line.

    Times are milliseconds, also as floats, or ISO 8601, in UTC where they say no zone.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        self._bytes = _Bytes(path)
        with self._bytes.at(0) as file:
            first = file.readline()
            self._begin = file.tell()
        try:
            names = [name.strip().strip('"') for name in first.decode("utf-8-sig").split(",")]
        except ValueError as error:
            raise BadFile(f"{path}: the first line: {error}") from error
        if kind in ("candles", "mark") and names[0].removesuffix(".0").isdigit():
            names, self._begin = [*COLUMNS["candles"]], 0
        self._width = len(names)
        self._arrangement = _Arrangement(path, kind, names)

    def read(self, at: int, count: int) -> tuple[Columns, int | None]:
        """Rows from a byte on; see `RowFile.read`."""
        with self._bytes.at(at or self._begin) as file:
            lines = [*islice(file, count)]
            after = file.tell()
        try:
            text = b"".join(lines).decode()
            columns = self._split(text, len(lines)) or self._parsed(text)
        except (ValueError, csv.Error) as error:
            raise BadFile(f"{self.path}: a row within bytes {at} to {after}: {error}") from error
        return self._arranged(columns), after if len(lines) == count else None

    def last(self) -> Columns | None:
        """The last row; see `RowFile.last`."""
        with self._bytes.at(0) as file:
            size = file.seek(0, os.SEEK_END)
            begin = max(self._begin, size - _BLOCK)
            file.seek(begin)
            lines = file.read().splitlines()
        row = next((line for line in reversed(lines[begin > self._begin :]) if line.strip()), None)
        if row is None:
            return None
        try:
            return self._arranged(self._parsed(row.decode()))
        except (ValueError, csv.Error) as error:
            raise BadFile(f"{self.path}: the last row: {error}") from error

    def _arranged(self, columns: Columns) -> Columns:
        times = columns[self._arrangement.time]
        if times and not times[0].isdigit():
            columns = [*columns]
            columns[self._arrangement.time] = [*map(_milliseconds, times)]
        return self._arrangement.arrange(columns)

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
        """Columns of any lines of CSV.

        :raises ValueError: a line with fewer values than there are columns
        """
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
        short = next((row for row in rows if len(row) < self._width), None)
        if short is not None:
            raise ValueError(f"expected {self._width} values, got {','.join(short)!r}"[:200])
        return [[row[column] for row in rows] for column in range(self._width)]


def _milliseconds(text: str) -> int | str:
    """A time that is no whole number; what is none stays as it is, for a message that names its row."""
    try:
        number = float(text)
    except ValueError:
        with suppress(ValueError):
            moment = datetime.fromisoformat(text.strip())
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            return round(moment.timestamp() * 1000)
        return text
    return int(number) if number.is_integer() else text


class JsonFile:
    """What ccxt's methods return, as JSON: one list of it, or one row a line.

    Candles are lists, as of fetch_ohlcv; the others are the structures of fetch_trades,
    fetch_ticker and fetch_order_book.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        self._names = COLUMNS[kind]
        self._kind = kind
        self._bytes = _Bytes(path)
        with self._bytes.at(0) as file:
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
        """The last candle; of other kinds None, as a row may begin anywhere; see `RowFile.last`."""
        if self._names != COLUMNS["candles"]:
            return None
        with self._bytes.at(0) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self._begin, size - _BLOCK))
            end = file.read().decode("latin-1")
        begin = end.rfind("[")
        if begin < 0:
            return None
        try:
            row, _ = json.JSONDecoder(parse_float=str).raw_decode(end, begin)
        except json.JSONDecodeError:  # whoever reads the whole file will name the row
            return None
        return [[value] for value in self._arranged(row)] if row else None

    def _rows(self, at: int, count: int) -> tuple[list[Row], int | None]:
        decode = json.JSONDecoder(parse_float=str).raw_decode  # the digits as they are
        rows: list[Row] = []
        start = at or self._begin
        with self._bytes.at(start) as file:
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
            arranged = _LISTS.get((self._kind, len(row)))
            if arranged is not None:
                return arranged(row)
            if len(row) != len(self._names):
                text = ", ".join(map(str, row))[:100]
                raise BadFile(f"{self.path}: row {text}: expected {', '.join(self._names)}")
            return row
        if isinstance(row, dict):
            return [row.get(name) for name in self._names]
        raise BadFile(f"{self.path}: expected rows that are lists or objects, got {str(row)[:40]}")


class WithoutVolume:
    """Candles of what does not trade: their volume is 0, whatever a file says.

    :param rows: of the file, without volumes
    """

    def __init__(self, rows: RowFile) -> None:
        self._rows = rows
        self.path = rows.path

    def read(self, at: int, count: int) -> tuple[Columns, int | None]:
        """See `RowFile.read`."""
        columns, after = self._rows.read(at, count)
        return _with_zeros(columns), after

    def last(self) -> Columns | None:
        """See `RowFile.last`."""
        columns = self._rows.last()
        return None if columns is None else _with_zeros(columns)


def _with_zeros(columns: Columns) -> Columns:
    return [*columns, [0.0] * len(columns[0])]


class _ArrowFile:
    """A file of tables with the columns of the CSV form; needs the extra `parquet`.

    Memory holds one of its tables at a time. A place is the number of a table, and of a row in it.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        try:
            self._arrow: Any = import_module("pyarrow")
            self._names, self._tables = self._open(path)
        except ImportError as error:
            name = path.suffix[1:].capitalize()
            text = f'{path}: {name} needs pyarrow ({error}): pip install "ccxt-driver[parquet]"'
            raise BadFile(text) from error
        except ValueError as error:  # as pyarrow's own exceptions are
            raise BadFile(f"{path}: {error}") from error
        self._arrangement = _Arrangement(path, kind, self._names)
        self._held: tuple[int, Any] | None = None

    def _open(self, path: Path) -> tuple[Sequence[str], int]:
        """The names of the columns, and how many tables there are."""
        raise NotImplementedError

    def _table(self, number: int) -> Any:
        """One of the tables."""
        raise NotImplementedError

    def read(self, at: int, count: int) -> tuple[Columns, int | None]:
        """Rows from a row of a table on; see `RowFile.read`."""
        number, row = divmod(at, _MOST_ROWS)
        if number >= self._tables:
            return self._arrangement.arrange([()] * len(self._names)), None
        table = self._table_of(number)
        part = table.slice(row, count)
        columns = self._arrangement.arrange([*map(self._values, part.columns)])
        row += part.num_rows
        if row < table.num_rows:
            return columns, number * _MOST_ROWS + row
        return columns, (number + 1) * _MOST_ROWS if number + 1 < self._tables else None

    def last(self) -> Columns | None:
        """The last row; see `RowFile.last`."""
        for number in reversed(range(self._tables)):
            rows = self._table_of(number).num_rows
            if rows:
                return self.read(number * _MOST_ROWS + rows - 1, 1)[0]
        return None

    def _table_of(self, number: int) -> Any:
        if self._held is None or self._held[0] != number:
            try:
                self._held = number, self._table(number)
            except (OSError, ValueError) as error:
                raise BadFile(f"{self.path}: table {number}: {error}") from error
        return self._held[1]

    def _values(self, column: Any) -> Sequence[Any]:
        arrow = self._arrow
        if arrow.types.is_timestamp(column.type):
            column = column.cast(arrow.timestamp("ms"), safe=False).cast(arrow.int64())
        elif arrow.types.is_float32(column.type):
            # The shortest number that is this float: as a longer one 0.42 would be 0.41999998688697815.
            column = column.cast(arrow.string()).cast(arrow.float64())
        if isinstance(column, arrow.ChunkedArray):
            column = column.combine_chunks()
        plain = column.type in (arrow.float64(), arrow.int64())
        if not plain or column.null_count or not len(column):
            return list(column.to_pylist())
        # As fast as numpy, which need not be there.
        data = memoryview(column.buffers()[1]).cast("B")
        values = data.cast("d") if column.type == arrow.float64() else data.cast("q")
        return values[column.offset : column.offset + len(column)].tolist()


class ParquetFile(_ArrowFile):
    """A Parquet file; its tables are row groups."""

    def _open(self, path: Path) -> tuple[Sequence[str], int]:
        self._file: Any = import_module("pyarrow.parquet").ParquetFile(path)
        return self._file.schema_arrow.names, self._file.metadata.num_row_groups

    def _table(self, number: int) -> Any:
        return self._file.read_row_group(number)


class FeatherFile(_ArrowFile):
    """A Feather file, which is one of Arrow; its tables are record batches."""

    def _open(self, path: Path) -> tuple[Sequence[str], int]:
        source = self._arrow.memory_map(str(path))
        self._file: Any = import_module("pyarrow.ipc").open_file(source)
        return self._file.schema.names, self._file.num_record_batches

    def _table(self, number: int) -> Any:
        return self._file.get_batch(number)


FORMATS: Final[dict[str, Callable[[Path, Kind], RowFile]]] = {
    ".csv": CsvFile,
    ".csv.gz": CsvFile,
    ".json": JsonFile,
    ".json.gz": JsonFile,
    ".jsonl": JsonFile,
    ".jsonl.gz": JsonFile,
    ".parquet": ParquetFile,
    ".feather": FeatherFile,
}
"""Ends of names, and what reads such files."""
