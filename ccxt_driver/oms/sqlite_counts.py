"""How many rows there are, kept beside them: a list tells its length, and to count a million rows takes long.

Triggers keep the numbers, so that they are of the same transaction as the rows, whoever writes these. Only
rows that the OMS knows are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from .store import RowFilter

_KEY: Final = ("kind", "account_id", "symbol", "strategy_id", "status")
_KNOWN: Final = "external IS NOT 'unknown'"
_MORE: Final = f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET rows = rows + 1"
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
        """Condition of what is counted, of a row whose name and a point come before the first column."""
        return "TRUE" if self.table == "ledger" else _KNOWN

    def key(self, row: str = "") -> tuple[str, ...]:
        """The values of `_KEY` of a row.

        :param row: its name with a point
        """
        columns = ("account_id", self.symbol, self.strategy_id, self.status)
        named = (f"{row}{column}" if column.isidentifier() else column for column in columns)
        return (f"'{self.table}'", *named)

    def triggers(self) -> Iterator[str]:
        """What counts a row that comes, and one that changes."""
        old, new = self.key("OLD."), self.key("NEW.")
        was, is_now = (f"({row}{self.known})" if self.known != "TRUE" else "TRUE" for row in ("OLD.", "NEW."))
        add = f"INSERT INTO counts SELECT {', '.join(new)}, 1 WHERE {is_now} {_MORE};"
        yield f"CREATE TRIGGER {self.table}_come AFTER INSERT ON {self.table} BEGIN {add} END"
        of_old = " AND ".join(f"{name} = {value}" for name, value in zip(_KEY, old, strict=True))
        yield (
            f"CREATE TRIGGER {self.table}_change AFTER UPDATE ON {self.table} "
            f"WHEN ({', '.join(old)}, {was}) IS NOT ({', '.join(new)}, {is_now}) "
            f"BEGIN UPDATE counts SET rows = rows - 1 WHERE {was} AND {of_old}; {add} END"
        )

    def query(self) -> str:
        """What counts all rows."""
        columns = ", ".join(self.key())
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
    _TABLE,
    *(f"INSERT INTO counts {each.query()}" for each in _COUNTED.values()),
    *(statement for each in _COUNTED.values() for statement in each.triggers()),
)
"""What makes the counts of a file that has none."""


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
