"""`ccxt-driver sweep`: run a live script over history once for each combination of parameters."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .backtest import backtest, settings_of
from .failures import printable, tell
from .tables import Column, field, print_table, terminal

if TYPE_CHECKING:
    from ccxt_driver.backtest.sweeping import Progress, Swept

_SHOWN = ("sharpe", "total_return", "max_drawdown", "profit_factor", "win_rate", "round_trips", "fees")
_OF_ONE_RUN = ("out", "compare", "again")


@click.command()
@click.argument("script", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--param",
    "params",
    multiple=True,
    required=True,
    metavar="NAME=VALUES",
    help="fast=5:50:5 (first, last, step) or slow=20,50,100; once for each parameter.",
)
@click.option(
    "--as",
    "how",
    type=click.Choice(["args", "env"]),
    default="args",
    show_default=True,
    help="The script gets --fast=5, or the environment variable FAST=5.",
)
@click.option(
    "--random", "sample", type=click.IntRange(1), metavar="N", help="Only N combinations, drawn by --seed."
)
@click.option("--jobs", type=click.IntRange(1), help="Runs at a time; one for each processor.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray", "dask"]),
    default="local",
    show_default=True,
    help="Who does the runs.",
)
@click.option("--address", help="Of the cluster of Ray or Dask; its own default.")
@click.option(
    "--keep-reports",
    "keep",
    type=click.Choice(["none", "best", "all"]),
    default="none",
    show_default=True,
    help="Of which runs to keep whole reports.",
)
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, help="How many are best.")
@click.option("--sort", default="sharpe", show_default=True, help="By this column, such as fees:desc.")
@click.option(
    "--out", default="sweep", show_default=True, type=click.Path(file_okay=False), help="The folder."
)
@click.option("--restart", is_flag=True, help="Forget what the folder has; else the sweep goes on.")
@click.option("--retry-failed", is_flag=True, help="Do runs again that have failed.")
@click.option("--yes", "-y", is_flag=True, help="However many runs there are.")
def sweep(
    script: str,
    arguments: tuple[str, ...],
    params: tuple[str, ...],
    yes: bool,
    out: str,
    **given: Any,
) -> None:
    """Run SCRIPT over history, as `backtest` does, once for each combination of parameters.

    What follows -- goes to the script, before its parameters; {fast} in it is replaced by the value of fast.
    The same command goes on where an earlier one was interrupted.
    """
    from ccxt_driver.backtest.sweeping import Plan, SweepError, sweep_settings
    from ccxt_driver.backtest.sweeping.grid import MOST_RUNS, grid_of, parameters_of

    names = ("how", "sample", "jobs", "engine", "address", "keep", "top", "sort", "restart", "retry_failed")
    plan = Plan(**{name: given.pop(name) for name in names}, most=None if yes else MOST_RUNS)
    settings = settings_of(script, arguments, None, {**given, "out": out})
    try:
        grid = grid_of(parameters_of(params))
        with _shown(out) as on_step:
            swept = sweep_settings(settings, grid, plan, on_step)
    except ValueError as error:
        raise click.UsageError(printable(str(error))) from None
    except (SweepError, ImportError, OSError) as error:
        tell(f"error: {printable(str(error))}", "red")
        raise click.exceptions.Exit(click.UsageError.exit_code) from None
    _print(swept, plan.sort, Path(out))


sweep.params += [
    option
    for option in backtest.params
    if isinstance(option, click.Option) and option.name not in _OF_ONE_RUN
]
"""Those of a single run."""


def _print(swept: Swept, sort: str, folder: Path) -> None:
    """The best runs, and where all of them are."""
    from ccxt_driver.backtest.sweeping.folder import RESULTS

    first, _ = swept.table.order(sort)
    parameters = [*swept.table.parameters.values()]
    names = [*parameters, *dict.fromkeys(name for name in (first, *_SHOWN) if name not in parameters)]
    columns = [_column(name, name in parameters or name == first) for name in names]
    if swept.best:
        print_table(columns, [swept.rows[index] for index in swept.best], whole=RESULTS)
    unknown = sum(row["error"] is None and row[first] is None for row in swept.rows)
    if unknown:
        tell(f"{unknown:,} of {len(swept.rows):,} runs have no {first}, and come last; --sort names another")
    failed = [row["error"] for row in swept.rows if row["error"] is not None]
    if failed:
        tell(f"{len(failed):,} of {len(swept.rows):,} runs have failed, such as: {printable(failed[0])}")
    click.echo(f"results: {folder / RESULTS}")
    if len(failed) == len(swept.rows):
        sys.exit(1)


def _column(name: str, is_needed: bool) -> Column:
    from ccxt_driver.backtest.report.figures import FIGURES, written

    kinds = {figure.key: figure.kind for figure in FIGURES}
    if name not in kinds:
        return field(name, number=True)
    return Column(name, lambda row: written(row[name], kinds[name]), number=True, spare=not is_needed)


@contextmanager
def _shown(out: str) -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr, where that is a terminal; when interrupted, what has been done."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("runs"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    last: Progress | None = None
    quiet = not sys.stderr.isatty()
    try:
        with Bar(*columns, console=terminal(err=True), transient=True, disable=quiet) as bar:
            task = bar.add_task("", total=None, failed="")

            def step(progress: Progress) -> None:
                nonlocal last
                last = progress
                failed = f"{progress.failed:,} failed" if progress.failed else ""
                bar.update(task, completed=progress.done, total=progress.total, failed=failed)

            yield step
    except KeyboardInterrupt:
        if last is not None:
            tell(f"{last.done:,} of {last.total:,} runs are in {out}; the same command goes on")
        raise
