"""Finished runs side by side."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from ccxt_driver.contract.values import format_time

from .document import numbers, page, table, time_chart
from .figures import FIGURES, NONE, difference, written
from .series import thin
from .tables import EQUITY, SUMMARY
from .terminal import plain_table

PAGE: Final = "comparison.html"
_SECTIONS: Final = ("run", "total", "assumptions")


class NotARun(ValueError):
    """A folder that does not hold what a finished run leaves behind."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"{folder} is not the folder of a finished run: {why}")
        self.folder = folder


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What was read of the folder of a run.

    :param name: of the folder, made unique among those compared
    :param summary: `summary.json`
    :param times: milliseconds since the Unix epoch, of the samples of `equity.csv`
    :param equity: in the currency of the run
    :param index: equity without the jumps of deposits and withdrawals
    """

    name: str
    summary: Mapping[str, Any]
    times: list[int]
    equity: list[float]
    index: list[float]


def read_run(folder: Path) -> FinishedRun:
    """Read the folder of a finished run.

    :raises NotARun: a file is missing, or does not hold what it should
    """
    if not folder.is_dir():
        raise NotARun(folder, "there is no such folder")
    return FinishedRun(folder.resolve().name, _read_summary(folder), *_read_equity(folder))


def read_runs(folders: Iterable[Path]) -> list[FinishedRun]:
    """Read the folders of two finished runs or more.

    :raises NotARun: see `read_run`
    :raises ValueError: fewer than two folders
    """
    runs = [read_run(folder) for folder in folders]
    if len(runs) < 2:
        raise ValueError(f"folders: expected two runs or more to compare, got {len(runs)}")
    names = [run.name for run in runs]
    return [
        run if names.count(run.name) == 1 else replace(run, name=f"{run.name} ({number})")
        for number, run in enumerate(runs, 1)
    ]


def comparison_table(runs: Sequence[FinishedRun]) -> Table:
    """The numbers of runs side by side, and how each differs from the first."""
    head, rows = _cells(runs)
    made = plain_table(*head)
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def write_comparison(runs: Sequence[FinishedRun], path: Path) -> None:
    """Write a page with the curves of runs over each other, and their numbers.

    :param path: of the page, by convention `comparison.html`
    :raises MissingPlotly: plotly is not installed; nothing was written
    """
    path.write_bytes(comparison_page(runs).encode())


def comparison_page(runs: Sequence[FinishedRun]) -> str:
    """The page of runs side by side.

    :raises MissingPlotly: plotly is not installed
    """
    equity, growth = [], []
    for run in runs:
        equity.append(_trace(run.name, *thin(run.times, run.equity)))
        times, values = thin(run.times, run.index)
        if (first := values[0]) > 0:
            growth.append(_trace(run.name, times, [100 * (value / first - 1) for value in values]))
    currencies = " / ".join(dict.fromkeys(run.summary["run"]["currency"] for run in runs))
    charts = [time_chart("equity", equity, currencies), time_chart("growth", growth, "%")]
    head, rows = _cells(runs)
    body = "\n".join(
        (
            f"<h1>{len(runs)} backtests</h1>",
            "<h2>Equity</h2>",
            charts[0].html(),
            "<h2>Growth</h2>",
            charts[1].html(),
            "<h2>Numbers</h2>",
            table(head, rows, numeric=True),
            "<h2>Assumptions</h2>",
            table(("", *(run.name for run in runs)), _assumptions(runs)),
        )
    )
    return page(PAGE, "Comparison of backtests", body, charts)


def _trace(name: str, times: list[int], values: list[float]) -> dict[str, Any]:
    trace = {"type": "scatter", "mode": "lines", "name": escape(name), "line": {"width": 1.5}}
    return {**trace, "x": times, "y": numbers(values)}


def _cells(runs: Sequence[FinishedRun]) -> tuple[list[str], list[list[str]]]:
    """Titles of the columns, and the texts of the rows."""
    first, *others = runs
    head = ["", first.name]
    for run in others:
        head += [run.name, "difference"]
    rows = []
    for title, key in (
        ("Script", "name"),
        ("Start", "start_ms"),
        ("End", "end_ms"),
        ("Currency", "currency"),
    ):
        row = [title, _about(first, key)]
        for run in others:
            row += [_about(run, key), "" if _about(run, key) == _about(first, key) else "differs"]
        rows.append(row)
    for figure in FIGURES:
        base = first.summary["total"].get(figure.key)
        row = [figure.title, written(base, figure.kind)]
        for run in others:
            value = run.summary["total"].get(figure.key)
            row.append(written(value, figure.kind))
            alike = figure.kind != "money" or _about(run, "currency") == _about(first, "currency")
            row.append(difference(value, base, figure.kind) if alike else NONE)
        rows.append(row)
    return head, rows


def _about(run: FinishedRun, key: str) -> str:
    value = run.summary["run"].get(key)
    return format_time(value)[:19].replace("T", " ") if key.endswith("_ms") else str(value)


def _assumptions(runs: Sequence[FinishedRun]) -> list[list[str]]:
    names = dict.fromkeys(name for run in runs for name in run.summary["assumptions"])
    return [[name, *(str(run.summary["assumptions"].get(name, NONE)) for run in runs)] for name in names]


# ------------------------------------------------------------------ reading


def _read_summary(folder: Path) -> Mapping[str, Any]:
    try:
        summary: Any = json.loads((folder / SUMMARY).read_bytes())
    except FileNotFoundError:
        raise NotARun(folder, f"it has no {SUMMARY}") from None
    except ValueError as error:
        raise NotARun(folder, f"{SUMMARY} is not JSON: {error}") from error
    for name in _SECTIONS:
        if not isinstance(summary, dict) or not isinstance(summary.get(name), dict):
            raise NotARun(folder, f"{SUMMARY} has no {name!r}")
    for name, kind in (("start_ms", int), ("end_ms", int), ("currency", str), ("name", str)):
        if not isinstance(summary["run"].get(name), kind):
            raise NotARun(folder, f"{SUMMARY} has no run.{name}")
    for figure in FIGURES:
        if not isinstance(summary["total"].get(figure.key), int | float | None):
            raise NotARun(folder, f"{SUMMARY} has no number total.{figure.key}")
    read: dict[str, Any] = summary
    return read


def _read_equity(folder: Path) -> tuple[list[int], list[float], list[float]]:
    try:
        with (folder / EQUITY).open(encoding="utf-8", newline="") as file:
            rows = [
                (int(row["time_ms"]), float(row["equity"]), float(row["index"]))
                for row in csv.DictReader(file)
            ]
    except FileNotFoundError:
        raise NotARun(folder, f"it has no {EQUITY}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise NotARun(folder, f"{EQUITY} has no columns of time, equity and index: {error}") from error
    if not rows:
        raise NotARun(folder, f"{EQUITY} is empty")
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
