"""How many rows there are, kept beside them: a list tells its length, and to count a million rows takes long.

Whoever writes rows counts them in the same transaction. Only rows that the OMS knows are counted. (Triggers
would do it by themselves, and make the rows take twice the time.)
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from .entities import External
from .sqlite_rows import RowMapping
from .store import RowFilter

_KEY: Final = ("kind", "account_id", "symbol", "strategy_id", "status")
_UNKNOWN: Final = External.UNKNOWN.value
_KNOWN: Final = f"external IS NOT '{_UNKNOWN}'"
_ADD: Final = f"""INSERT INTO counts VALUES ({{}}, ?)
    ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET rows = rows + excluded.rows"""
_TABLE: Final = f"""CREATE TABLE counts (
    kind TEXT NOT NULL, account_id INTEGER NOT NULL, symbol TEXT NOT NULL, strategy_id INTEGER NOT NULL,
    status TEXT NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY ({", ".join(_KEY)})) STRICT, WITHOUT ROWID"""


class _Counted(NamedTuple):
    """By what the rows of a table are counted.

    :param time: what its lists are sorted by
    :param symbol: the column that stands for the symbol
    :param strategy_id: that for the strategy, or 0
    :param status: that for the status, or an empty text
    """

    table: str
    time: str
    symbol: str = "symbol"
    strategy_id: str = "strategy_id"
    status: str = "''"

    @property
    def known(self) -> str:
        """Condition of what is counted."""
        return "TRUE" if self.table == "ledger" else _KNOWN

    @property
    def parts(self) -> tuple[str, ...]:
        """What stands for each of `_KEY`, as SQL: the name of a column, or a constant."""
        return f"'{self.table}'", "account_id", self.symbol, self.strategy_id, self.status

    def query(self) -> str:
        """What counts all rows."""
        columns = ", ".join(self.parts)
        return f"SELECT {columns}, count(*) FROM {self.table} WHERE {self.known} GROUP BY 2, 3, 4, 5"


_COUNTED: Final = {
    each.table: each
    for each in (
        _Counted("orders", "created_at", status="status"),
        _Counted("deals", "executed_at"),
        _Counted("positions", "opened_at", status="state"),
        _Counted("ledger", "created_at", "currency", "0", "kind"),
    )
}

STATEMENTS: Final = (
    # A file may come from a version in which triggers counted; each row would be counted twice.
    *(f"DROP TRIGGER IF EXISTS {table}_{event}" for table in _COUNTED for event in ("come", "change")),
    "DROP TABLE IF EXISTS counts",
    _TABLE,
    *(f"INSERT INTO counts {each.query()}" for each in _COUNTED.values()),
)
"""What makes the counts of a file that has none, or others."""


class RowCounter:
    """Counts the rows of a table as they are written.

    :param mapping: of the table
    """

    def __init__(self, mapping: RowMapping[Any]) -> None:
        counted, columns = _COUNTED[mapping.table], mapping.columns
        names = [name for name in counted.parts if name in columns]
        self._external = columns.get("external")
        self._key: Callable[[Sequence[Any]], tuple[Any, ...]] = itemgetter(*(columns[name] for name in names))
        """What is counted by; without the constants."""
        self._newest = f"SELECT coalesce(max(id), 0) FROM {mapping.table}"
        self._written = f"SELECT {', '.join(names)} FROM {mapping.table} WHERE id = ? AND {counted.known}"
        self._add = _ADD.format(", ".join("?" if name in columns else name for name in counted.parts))

    def note(self, connection: sqlite3.Connection, rows: Mapping[int, Sequence[Any]]) -> None:
        """Count rows before they are written, in the same transaction.

        :param rows: what goes into their columns, by their ids
        """
        if not rows:
            return
        execute, external = connection.execute, self._external
        known: Collection[Sequence[Any]] = rows.values()
        if external is not None:
            known = [row for row in known if row[external] != _UNKNOWN]
        changes = Counter(map(self._key, known))
        [newest] = execute(self._newest).fetchone()
        for row_id in rows:
            if row_id <= newest:
                changes.subtract(execute(self._written, (row_id,)))
        connection.executemany(self._add, [(*key, number) for key, number in changes.items() if number])


def total(execute: Callable[..., Any], table: str, wanted: RowFilter) -> int | None:
    """How many rows match without offset and limit; None where that is not kept: they have to be counted."""
    counted = _COUNTED[table]
    symbol, strategies, statuses = wanted.symbol, wanted.strategy_ids, wanted.statuses
    if table == "ledger":
        if wanted.asks_for_owner:
            return None
        symbol, statuses = wanted.currency, None if wanted.kind is None else frozenset({wanted.kind})
    elif wanted.known is not True:
        return None
    if wanted.is_narrowed:
        return None
    if wanted.since_ms is not None and not _has_all(execute, counted, wanted.account_ids, wanted.since_ms):
        return None
    asked: list[tuple[str, Any]] = [("account_id", wanted.account_ids)]
    if symbol is not None:
        asked.append(("symbol", (symbol,)))
    if strategies is not None:
        asked.append(("strategy_id", strategies))
    if statuses is not None and table != "deals":
        asked.append(("status", [getattr(each, "value", each) for each in statuses]))
    conditions = [f"{name} IN ({', '.join('?' * len(values))})" for name, values in asked]
    query = f"SELECT coalesce(sum(rows), 0) FROM counts WHERE kind = ? AND {' AND '.join(conditions)}"
    values = [value for _, each in asked for value in each]
    number: int = execute(query, (table, *values)).fetchone()[0]
    return number


def _has_all(
    execute: Callable[..., Any], counted: _Counted, accounts: tuple[int, ...], since_ms: int
) -> bool:
    """Whether no row of some accounts is older than a moment."""
    query = f"SELECT min({counted.time}) FROM {counted.table} WHERE account_id = ?"
    oldest = (execute(query, (account_id,)).fetchone()[0] for account_id in accounts)
    return all(each is None or each >= since_ms for each in oldest)


def wrong(execute: Callable[..., Any]) -> Iterator[str]:
    """Tables whose counts are not those of their rows."""
    for table, counted in _COUNTED.items():
        kept = set(execute("SELECT * FROM counts WHERE kind = ? AND rows <> 0", (table,)))
        if kept != set(execute(counted.query())):
            yield table
