"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .failures import leave_quietly, printable, tell

if TYPE_CHECKING:
    from .connection import Desk

_WIDE: Final = 1000
"""Characters of a line: nothing is cut off."""
_STYLES: Final = {"buy": "green", "long": "green", "sell": "red", "short": "red", "rejected": "red bold"}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    :param value: makes the cell of a row; None is empty
    :param number: stands at the right
    :param optional: left out when no row has it
    :param spare: left out where the terminal is too narrow, from the right
    """

    title: str
    value: Callable[[Mapping[str, Any]], Any]
    number: bool = False
    optional: bool = False
    spare: bool = False


def field(
    title: str, key: str | None = None, number: bool = False, optional: bool = False, spare: bool = False
) -> Column:
    """A column of a field of ccxt's structure; by default the title is its name."""
    return Column(title, lambda row: row.get(key or title), number, optional, spare)


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
    Column("time (UTC)", _time, spare=True),
    field("symbol"),
    field("side"),
    field("type", spare=True),
    field("amount", number=True),
    field("filled", number=True),
    Column("price", _order_price, number=True),
    field("average", number=True),
    field("trigger", "triggerPrice", number=True, optional=True),
    field("stop loss", "stopLossPrice", number=True, optional=True),
    field("take profit", "takeProfitPrice", number=True, optional=True),
    field("status"),
    Column("reason", lambda row: row["info"].get("reject_reason"), optional=True),
    Column("fee", _fee, number=True, optional=True, spare=True),
    Column("strategy", _strategy, number=True, optional=True),
    field("client order id", "clientOrderId", spare=True),
)
TRADES: Final = (
    field("id"),
    Column("time (UTC)", _time, spare=True),
    field("symbol"),
    field("side"),
    field("amount", number=True),
    field("price", number=True),
    field("cost", number=True, spare=True),
    Column("fee", _fee, number=True, optional=True, spare=True),
    Column("profit", lambda row: row["info"].get("pnl"), number=True, optional=True),
    field("order"),
    Column("strategy", _strategy, number=True, optional=True),
)
POSITIONS: Final = (
    field("id"),
    Column("opened (UTC)", _time, spare=True),
    field("symbol"),
    field("side"),
    field("contracts", number=True),
    field("entry", "entryPrice", number=True),
    field("mark", "markPrice", number=True, optional=True),
    field("unrealized", "unrealizedPnl", number=True, optional=True),
    field("realized", "realizedPnl", number=True, optional=True, spare=True),
    Column("leverage", _nothing_is_empty("leverage"), number=True, optional=True, spare=True),
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


_AVERAGED: Final = ("average", "entryPrice", "liquidationPrice")
"""Prices that are divided of others, with as many digits as that gives."""


def for_people(exchange: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with such prices rounded to as many places as prices of its market have.

    :param exchange: has the markets; of one that it does not know nothing is rounded
    """
    from ccxt.base.decimal_to_precision import TICK_SIZE

    market = (exchange.markets or {}).get(row.get("symbol")) or {}
    step = (market.get("precision") or {}).get("price")
    if not step or exchange.precisionMode != TICK_SIZE:
        return dict(row)
    places = _places(Decimal(str(step)).normalize())
    prices = {name: row[name] for name in _AVERAGED if row.get(name) is not None}
    return {**row, **{name: _rounded(price, places) for name, price in prices.items()}}


def _places(number: Decimal) -> int:
    return max(0, -int(number.as_tuple().exponent))


def _rounded(price: Any, places: int) -> Any:
    number = Decimal(str(price))
    return price if _places(number) <= places else f"{round(number, places):f}"


def table(
    columns: Iterable[Column], rows: Sequence[Mapping[str, Any]], width: int | None = None
) -> tuple[Table, list[str]]:
    """Rows as a table; optional columns only where they say something. No number is ever broken in two.

    :param width: of the terminal, in characters; None where there is none
    :returns: the table, and the titles of columns for which there was no room
    """
    cells = [(column, [_cell(column.value(row)) for row in rows]) for column in columns]
    shown = [(column, texts) for column, texts in cells if not column.optional or any(map(len, texts))]
    left_out: list[str] = []
    while width is not None and _width(shown) > width:
        spare = [pair for pair in shown if pair[0].spare]
        if not spare:
            break
        shown.remove(spare[-1])
        left_out.insert(0, spare[-1][0].title)
    made = Table(box=None, header_style="bold", pad_edge=False)
    for column, _ in shown:
        made.add_column(column.title, justify="right" if column.number else "left", no_wrap=True)
    for index in range(len(rows)):
        made.add_row(*(texts[index] for _, texts in shown))
    return made, left_out


def _width(shown: Sequence[tuple[Column, Sequence[Text]]]) -> int:
    """Of a table, in characters; two between columns."""
    widest = [max(len(column.title), *(text.cell_len for text in texts), 0) for column, texts in shown]
    return sum(widest) + 2 * (len(widest) - 1)


def _cell(value: Any) -> Text:
    text = "" if value is None else printable(str(value))
    return Text(text, style=_STYLES.get(text, ""))


def terminal(err: bool = False) -> Console:
    """The terminal behind standard output, or behind standard error."""
    return Console(file=sys.stderr if err else sys.stdout, highlight=False)


def print_rows(
    desk: Desk, columns: Iterable[Column], rows: Sequence[Mapping[str, Any]], nothing: str
) -> None:
    """Print rows of ccxt's structures: a table that says whose they are, or with --json a list.

    :param nothing: what to say in place of an empty table
    """
    if desk.as_json:
        print_json(rows)
    elif rows:
        write(printable(str(desk.account)))
        print_table(columns, [for_people(desk.exchange, row) for row in rows])
    else:
        write(f"{printable(str(desk.account))}: {nothing}")


def print_table(columns: Iterable[Column], rows: Sequence[Mapping[str, Any]], whole: str = "--json") -> None:
    """Print rows for people; a table has no blanks at the ends of its lines.

    :param whole: where columns are for which there is no room
    """
    width = terminal().width if sys.stdout.isatty() else None
    made, left_out = table(columns, rows, width)
    print_wide(made)
    if left_out:
        tell(f"(no room for: {', '.join(left_out)}; a wider terminal or {whole} shows them)")


def print_wide(made: Table) -> None:
    """Print a table as wide as it is, without blanks at the ends of its lines."""
    screen = Console(file=sys.stdout, width=_WIDE, highlight=False)
    with screen.capture() as captured:
        screen.print(made)
    for line in captured.get().splitlines():
        write(line.rstrip())


def print_json(value: Any) -> None:
    """Print one JSON document."""
    write(json_text(value, indent=2))


def write(text: str) -> None:
    """Write to standard output: a reader that goes away does not change how the command ends."""
    try:
        click.echo(text)
    except BrokenPipeError:
        leave_quietly()


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
    with Progress(*columns, console=terminal(err=True), transient=True) as bar:
        task = bar.add_task(text, total=total)
        yield lambda: bar.advance(task)
