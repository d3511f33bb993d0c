"""Where `ccxt-driver watch` shows what changes: a table that is kept up to date, lines, or JSON lines."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .failures import printable, tell, warn
from .tables import (
    BALANCE,
    ORDERS,
    POSITIONS,
    TICKERS,
    Column,
    balance_rows,
    json_text,
    table,
    terminal,
    time_text,
)

_SINGULAR: Final = {"orders": "order", "trades": "trade", "positions": "position"}
_REFRESH_S: Final = 0.25
_LATEST: Final = 10


class Screen(AbstractContextManager["Screen"]):
    """What a watch is shown on."""

    exact = False
    """Whether it wants every digit of a price."""

    def __exit__(self, *error: object) -> None:
        """Nothing to put in order."""

    def snapshot(self, kind: str, rows: Iterable[Any]) -> None:
        """What there is now; only a table shows it."""

    def changed(self, kind: str, row: Any) -> None:
        """One change.

        :param kind: orders, trades, positions, balance or ticker
        :param row: ccxt's structure
        """
        raise NotImplementedError

    def begun(self) -> None:
        """The streams are on: what changes from now on is shown."""

    def note(self, text: str) -> None:
        """Something else that the user should know."""
        warn(text)

    async def kept_up_to_date(self) -> None:
        """Runs beside everything else."""


class JsonLines(Screen):
    """One JSON object a line."""

    exact = True

    def changed(self, kind: str, row: Any) -> None:
        """Print it with what it is."""
        click.echo(json_text({"kind": _SINGULAR.get(kind, kind), "data": row}))


class Lines(Screen):
    """One line for each change.

    :param title: the account
    """

    def __init__(self, title: str) -> None:
        self._title = title

    def begun(self) -> None:
        """Tell whose changes these are, beside them."""
        tell(printable(self._title))

    def changed(self, kind: str, row: Any) -> None:
        """Print it in words."""
        click.echo(line_of(kind, row))


class LiveTable(Screen):
    """A table that is kept up to date.

    :param title: the account
    :param screen: the terminal
    """

    def __init__(self, title: str, screen: Console) -> None:
        self._title = title
        self._screen = screen
        self._rows: dict[str, dict[str, Any]] = {"ticker": {}, "positions": {}, "orders": {}}
        self._balance: Any = None
        self._latest: deque[str] = deque(maxlen=_LATEST)
        self._stale = True
        self._live = Live(console=screen, auto_refresh=False, get_renderable=self.view)
        self._opened = ExitStack()

    def __enter__(self) -> LiveTable:
        self._opened.enter_context(self._live)
        return self

    def __exit__(self, *error: object) -> None:
        """The last state stays on the terminal."""
        self._live.refresh()
        self._opened.close()

    def snapshot(self, kind: str, rows: Iterable[Any]) -> None:
        """In place of what was shown."""
        if kind != "balance":
            self._rows[kind].clear()
        for row in rows:
            self._keep(kind, row)

    def changed(self, kind: str, row: Any) -> None:
        """Show it in its table and among the latest."""
        self._keep(kind, row)
        if kind != "ticker":
            self._latest.append(line_of(kind, row))

    def note(self, text: str) -> None:
        """Show it among the latest."""
        self._latest.append(printable(text))
        self._stale = True

    def _keep(self, kind: str, row: Any) -> None:
        self._stale = True
        if kind == "balance":
            self._balance = row
        elif kind == "ticker":
            self._rows[kind][row["symbol"]] = row
        elif kind != "trades":
            over = row["status"] != "open" if kind == "orders" else not float(row["contracts"] or 0)
            if over:
                self._rows[kind].pop(row["id"], None)
            else:
                self._rows[kind][row["id"]] = row

    async def kept_up_to_date(self) -> None:
        """Draw it anew a few times a second at most, however much changes."""
        while True:
            if self._stale:
                self._stale = False
                self._live.refresh()
            await asyncio.sleep(_REFRESH_S)

    def view(self) -> Group:
        """All of it."""
        parts: list[Any] = [Text(printable(self._title), style="bold")]
        if self._balance is not None:
            parts += [Text(), self._table(BALANCE, balance_rows(self._balance))]
        for kind, columns in (("ticker", TICKERS), ("positions", POSITIONS), ("orders", ORDERS)):
            rows = list(self._rows[kind].values())
            if rows:
                parts += [Text(), self._table(columns, rows)]
        parts += [Text(), *(Text(line) for line in self._latest), Text("Ctrl-C ends it.", style="dim")]
        return Group(*parts)

    def _table(self, columns: Iterable[Column], rows: list[dict[str, Any]]) -> Table:
        return table(columns, rows, self._screen.width)[0]


def screen_of(as_json: bool, title: str) -> Screen:
    """What fits where standard output goes to.

    :param title: the account
    """
    if as_json:
        return JsonLines()
    if sys.stdout.isatty():
        return LiveTable(title, terminal())
    return Lines(title)


def line_of(kind: str, row: Mapping[str, Any]) -> str:
    """One change in words."""
    return printable(_WORDS[kind](row))


def _stamp(row: Mapping[str, Any], key: str = "timestamp") -> str:
    return time_text(row.get(key)) or time_text(row.get("timestamp")) or "-"


def _order_in_words(order: Mapping[str, Any]) -> str:
    price = "at the market" if order["type"] == "market" else f"at {order['price']}"
    average = "" if order["average"] is None else f" at {order['average']}"
    return (
        f"{_stamp(order, 'lastUpdateTimestamp')} order {order['id']} {order['status']}: {order['side']} "
        f"{order['amount']} {order['symbol']} {price}, {order['filled']} filled{average}"
    )


def _trade_in_words(trade: Mapping[str, Any]) -> str:
    return (
        f"{_stamp(trade)} trade {trade['id']}: {trade['side']} {trade['amount']} {trade['symbol']} "
        f"at {trade['price']}, order {trade['order']}"
    )


def _position_in_words(position: Mapping[str, Any]) -> str:
    profit = "" if position["unrealizedPnl"] is None else f", {position['unrealizedPnl']} unrealized"
    return (
        f"{_stamp(position, 'lastUpdateTimestamp')} position {position['id']}: {position['side']} "
        f"{position['contracts']} {position['symbol']}, opened at {position['entryPrice']}{profit}"
    )


def _balance_in_words(balance: Mapping[str, Any]) -> str:
    changed = dict.fromkeys(str(row.get("currency")) for row in balance["info"].get("changes") or ())
    amounts = (
        f"{balance['total'].get(code)} {code} ({balance['used'].get(code)} reserved)" for code in changed
    )
    return f"{_stamp(balance)} balance: {', '.join(amounts)}"


def _ticker_in_words(ticker: Mapping[str, Any]) -> str:
    prices = ", ".join(f"{name} {ticker[name]}" for name in ("bid", "ask", "last"))
    return f"{_stamp(ticker)} {ticker['symbol']}: {prices}"


_WORDS: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "orders": _order_in_words,
    "trades": _trade_in_words,
    "positions": _position_in_words,
    "balance": _balance_in_words,
    "ticker": _ticker_in_words,
}
