"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .failures import printable

if TYPE_CHECKING:
    from .connection import Desk

_WIDE: Final = 1000
"""Columns where there is no terminal: nothing is cut off or folded."""
_STYLES: Final = {"buy": "green", "long": "green", "sell": "red", "short": "red", "rejected": "red bold"}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    :param value: makes the cell of a row; None is empty
    :param number: stands at the right
    :param optional: left out when no row has it
    """

    title: str
    value: Callable[[Mapping[str, Any]], Any]
    number: bool = False
    optional: bool = False


def field(title: str, key: str | None = None, number: bool = False, optional: bool = False) -> Column:
    """A column of a field of ccxt's structure; by default the title is its name."""
    return Column(title, lambda row: row.get(key or title), number, optional)


def _strategy(row: Mapping[str, Any]) -> Any:
    return row["info"].get("strategy_id") or None


def _state(row: Mapping[str, Any]) -> Any:
    state = row["info"].get("state")
    return None if state == "open" else state


def _time(row: Mapping[str, Any]) -> str | None:
    return time_text(row.get("timestamp"))


def time_text(milliseconds: Any) -> str | None:
    """A time in UTC, for people."""
    if not isinstance(milliseconds, int):
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _fee(row: Mapping[str, Any]) -> str | None:
    fee = row.get("fee") or {}
    return None if not fee.get("cost") else f"{fee['cost']} {fee.get('currency') or ''}".strip()


def _order_price(row: Mapping[str, Any]) -> Any:
    return None if row.get("type") == "market" else row.get("price")


def _nothing_is_empty(key: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda row: None if row.get(key) in ("0", 0) else row.get(key)


ORDERS: Final = (
    field("id"),
    Column("time (UTC)", _time),
    field("symbol"),
    field("side"),
    field("type"),
    field("amount", number=True),
    field("filled", number=True),
    Column("price", _order_price, number=True),
    field("average", number=True),
    field("trigger", "triggerPrice", number=True, optional=True),
    field("stop loss", "stopLossPrice", number=True, optional=True),
    field("take profit", "takeProfitPrice", number=True, optional=True),
    field("status"),
    Column("reason", lambda row: row["info"].get("reject_reason"), optional=True),
    Column("fee", _fee, number=True, optional=True),
    Column("strategy", _strategy, number=True, optional=True),
    field("client order id", "clientOrderId"),
)
TRADES: Final = (
    field("id"),
    Column("time (UTC)", _time),
    field("symbol"),
    field("side"),
    field("amount", number=True),
    field("price", number=True),
    field("cost", number=True),
    Column("fee", _fee, number=True, optional=True),
    Column("profit", lambda row: row["info"].get("pnl"), number=True, optional=True),
    field("order"),
    Column("strategy", _strategy, number=True, optional=True),
)
POSITIONS: Final = (
    field("id"),
    Column("opened (UTC)", _time),
    field("symbol"),
    field("side"),
    field("contracts", number=True),
    field("entry", "entryPrice", number=True),
    field("mark", "markPrice", number=True, optional=True),
    field("unrealized", "unrealizedPnl", number=True, optional=True),
    field("realized", "realizedPnl", number=True, optional=True),
    Column("leverage", _nothing_is_empty("leverage"), number=True, optional=True),
    field("liquidation", "liquidationPrice", number=True, optional=True),
    field("stop loss", "stopLossPrice", number=True, optional=True),
    field("take profit", "takeProfitPrice", number=True, optional=True),
    Column("state", _state, optional=True),
    Column("strategy", _strategy, number=True, optional=True),
)
BALANCE: Final = (
    field("currency"),
    field("free", number=True),
    field("used", number=True),
    field("total", number=True),
)
TICKERS: Final = (
    field("symbol"),
    field("bid", number=True),
    field("ask", number=True),
    field("last", number=True),
    field("high", number=True, optional=True),
    field("low", number=True, optional=True),
)


def balance_rows(balance: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The currencies of ccxt's balance structure that the account holds any of."""
    return [
        {"currency": code, **{name: balance[name].get(code) for name in ("free", "used", "total")}}
        for code, total in sorted(balance["total"].items())
        if total is not None and float(total) != 0
    ]


def table(columns: Iterable[Column], rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows as a table; optional columns only where they say something."""
    cells = [(column, [column.value(row) for row in rows]) for column in columns]
    shown = [(column, values) for column, values in cells if not column.optional or any(map(_said, values))]
    made = Table(box=None, header_style="bold", pad_edge=False)
    for column, _ in shown:
        made.add_column(column.title, justify="right" if column.number else "left", overflow="fold")
    for index in range(len(rows)):
        made.add_row(*(_cell(values[index]) for _, values in shown))
    return made


def _said(value: Any) -> bool:
    return value not in (None, "")


def _cell(value: Any) -> Text:
    text = "" if value is None else printable(str(value))
    return Text(text, style=_STYLES.get(text, ""))


def console(err: bool = False) -> Console:
    """Where to print: as wide as the terminal, or as wide as it takes without one."""
    stream = sys.stderr if err else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _WIDE, highlight=False)


def print_rows(
    desk: Desk, columns: Iterable[Column], rows: Sequence[Mapping[str, Any]], nothing: str
) -> None:
    """Print rows of ccxt's structures: a table that says whose they are, or with --json a list.

    :param nothing: what to say in place of an empty table
    """
    if desk.as_json:
        print_json(rows)
    elif rows:
        click.echo(printable(str(desk.account)))
        print_table(table(columns, rows))
    else:
        click.echo(f"{printable(str(desk.account))}: {nothing}")


def print_table(made: Table) -> None:
    """Print for people; a table has no blanks at the ends of its lines."""
    screen = console()
    with screen.capture() as captured:
        screen.print(made)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json_text(value, indent=2))


def json_text(value: Any, indent: int | None = None) -> str:
    """Structures of ccxt's as JSON; exact numbers stay texts."""
    return json.dumps(value, indent=indent, default=str, ensure_ascii=False)


@contextmanager
def progress(text: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """Show on a terminal that something takes its time.

    :param total: of how many steps; None where nobody knows
    :returns: to be called after each step
    """
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    counted = () if total is None else (BarColumn(), MofNCompleteColumn())
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *counted, TimeElapsedColumn())
    with Progress(*columns, console=console(err=True), transient=True) as bar:
        task = bar.add_task(text, total=total)
        yield lambda: bar.advance(task)
