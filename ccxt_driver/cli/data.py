"""`ccxt-driver data`: files of market data for backtests."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .arguments import moment
from .failures import INTERRUPTED, REFUSED, USAGE, exit_code, message_of, printable, tell

if TYPE_CHECKING:
    from ccxt_driver.venues.download import Progress, Wanted
    from ccxt_driver.venues.past import Past

    from .tables import Column


@click.group()
def data() -> None:
    """Fetch and check files of market data for backtests."""


# ------------------------------------------------------------------ download


def _symbols(ctx: click.Context, param: click.Parameter, value: str) -> list[str]:
    found = [symbol.strip() for symbol in value.split(",")]
    if not all(found):
        raise click.BadParameter(f"{value!r}: expected symbols such as BTC/USDT,ETH/USDT")
    return [*dict.fromkeys(found)]


@data.command()
@click.option("--exchange", required=True, help="Id of a ccxt exchange, such as binance. No key is needed.")
@click.option("--symbols", required=True, callback=_symbols, help="Such as BTC/USDT,ETH/USDT:USDT.")
@click.option("--timeframe", default="1m", show_default=True, help="Of candles and mark prices.")
@click.option(
    "--from",
    "from_ms",
    required=True,
    metavar="TIME",
    callback=moment,
    help="The first moment: 2024-01-31, 2024-01-31T12:00 (UTC), or 90d ago.",
)
@click.option("--to", "to_ms", metavar="TIME", callback=moment, help="Where to stop before. Default: now.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the files; it is made when it is not there.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "parquet"]),
    default="csv",
    show_default=True,
    help="Of the files; parquet needs pyarrow.",
)
@click.option(
    "--kind",
    type=click.Choice(["candles", "trades", "funding", "mark"]),
    default="candles",
    show_default=True,
    help="Funding rates and candles of mark prices are of swaps.",
)
def download(
    exchange: str,
    symbols: list[str],
    timeframe: str,
    from_ms: int,
    to_ms: int | None,
    out: Path,
    form: Any,
    kind: Any,
) -> None:
    """Fetch history of an exchange through ccxt, a file for each symbol.

    The same command goes on where an earlier one was interrupted, and later adds what is new. A candle
    that has not closed is never stored.
    """
    from ccxt_driver.venues.download import Wanted, exchange_of
    from ccxt_driver.venues.past import Past

    until = time.time_ns() // 1_000_000 if to_ms is None else to_ms
    with _told():
        wanted = [Wanted(symbol, from_ms, until, out, timeframe, kind, form) for symbol in symbols]
        past = Past(exchange_of(exchange))
        missing = [each.symbol for each in wanted if not _fetch(past, each)]
    if missing:
        tell(f"error: {exchange} has nothing of {', '.join(missing)} in that time", "red")
        raise click.exceptions.Exit(REFUSED)


def _fetch(past: Past, wanted: Wanted) -> bool:
    """Fetch one file, and say what it has then.

    :returns: whether it has anything
    """
    from ccxt_driver.oms.market.history import iso_text
    from ccxt_driver.venues.download import download as fetch

    with _bar(wanted) as show:
        done = fetch(past, wanted, show)
    if done.first_ms is None or done.last_ms is None:
        return False
    click.echo(
        f"{done.path}: {done.rows} new rows, {iso_text(done.first_ms)} to {iso_text(done.last_ms)} (UTC)"
    )
    return True


@contextmanager
def _bar(wanted: Wanted) -> Iterator[Callable[[Progress], None]]:
    """Show on a terminal how far a download is."""
    if not _is_shown():
        yield lambda progress: None
        return
    from rich import progress as rich_progress

    from .tables import terminal

    began = time.monotonic()
    columns = (
        rich_progress.TextColumn(printable(wanted.path.name)),
        rich_progress.BarColumn(),
        rich_progress.TaskProgressColumn(),
        rich_progress.TextColumn("{task.fields[rows]} rows, {task.fields[speed]} a second"),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=terminal(err=True), transient=True) as bar:
        task = bar.add_task("", total=wanted.to_ms - wanted.from_ms, rows=0, speed="-")

        def show(progress: Progress) -> None:
            speed = progress.rows / max(0.001, time.monotonic() - began)
            bar.update(
                task,
                completed=max(0, progress.until_ms - wanted.from_ms),
                rows=f"{progress.rows:,}",
                speed=f"{speed:,.0f}",
            )

        yield show


def _is_shown() -> bool:
    return sys.stderr.isatty()


@contextmanager
def _told() -> Iterator[None]:
    """Say in one line on stderr what failed in here, and exit with its code."""
    import ccxt

    try:
        yield
    except ValueError as error:
        tell(f"error: {printable(str(error))}", "red")
        raise click.exceptions.Exit(USAGE) from error
    except ccxt.BaseError as error:
        tell(f"error: {printable(f'{type(error).__name__}: {message_of(error)}')}", "red")
        tell("What was fetched is kept: the same command goes on from there.")
        raise click.exceptions.Exit(exit_code(error)) from error
    except OSError as error:
        tell(f"error: {printable(str(error))}", "red")
        raise click.exceptions.Exit(REFUSED) from error
    except KeyboardInterrupt as stop:
        tell("Interrupted. What was fetched is kept: the same command goes on from there.")
        raise click.exceptions.Exit(INTERRUPTED) from stop


# ------------------------------------------------------------------ check


@data.command()
@click.argument("paths", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, with the gaps.")
def check(paths: tuple[Path, ...], as_json: bool) -> None:
    """Read all files of market data in folders, and say what is in them.

    Exits with 1 when one of them cannot be used.
    """
    from ccxt_driver.oms.market import checking
    from ccxt_driver.oms.market.file_rows import BadFile

    from .tables import print_json, print_table, progress

    try:
        with progress("Reading files") as step:
            reports, problems = checking.check(paths, lambda done, files: step())
    except BadFile as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json([{**asdict(report), "problem": problems.get(report.path)} for report in reports])
    else:
        print_table(_columns(), [asdict(report) for report in reports])
    for problem in problems.values():
        tell(f"error: {printable(problem)}", "red")
    if problems:
        raise click.exceptions.Exit(REFUSED)


def _columns() -> tuple[Column, ...]:
    from .tables import Column, field, time_text

    def kind(row: Any) -> str:
        return f"{row['kind']} {row['timeframe']}".strip()

    def found(name: str) -> Callable[[Any], Any]:
        return lambda row: row[name] if row["kind"] else None

    return (
        Column("file", lambda row: Path(row["path"]).name),
        field("symbol"),
        Column("kind", kind),
        Column("rows", found("rows"), number=True),
        Column("from (UTC)", lambda row: time_text(row["first_ms"])),
        Column("to (UTC)", lambda row: time_text(row["last_ms"])),
        Column("missing", found("missing"), number=True),
        Column("gaps", lambda row: len(row["gaps"]) or None, number=True, optional=True),
        Column("duplicates", found("duplicates"), number=True),
        Column("conflicting", lambda row: row["conflicting"] or None, number=True, optional=True),
        Column("off tick", found("off_tick"), number=True),
        Column("float noise", lambda row: row["noisy"] or None, number=True, optional=True),
        Column("good for", lambda row: row["use"]),
    )
