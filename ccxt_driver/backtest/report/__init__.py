"""The report of a run: files for programs, a page for people, a table for the terminal."""

from __future__ import annotations

import warnings
from pathlib import Path

from ccxt_driver.backtest.run import Run

from .analysis import analyse
from .document import MissingPlotly
from .marks import Marks
from .page import PAGE, write_page
from .records import Deal
from .statistics import Statistics, Summary, summarise
from .tables import SUMMARY, OrdersFile, Row, TradesFile, write_equity, write_summary
from .terminal import notes, summary_table

__all__ = [
    "MissingPlotly",
    "Statistics",
    "Summary",
    "notes",
    "summary_table",
    "write_numbers",
    "write_report",
]


def write_report(run: Run, folder: Path) -> Summary:
    """Write `trades.csv`, `orders.csv`, `equity.csv`, `summary.json` and `report.html`.

    Files of an earlier run are replaced. `summary.json` is written last: a folder without it does not hold a
    finished run. Without plotly there is no page, and a warning says how to install it.

    :param folder: made when it is not there
    :returns: the numbers of the run
    :raises ValueError: a run that makes no sense
    :raises OSError: the files could not be written
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in (SUMMARY, PAGE):
        (folder / old).unlink(missing_ok=True)
    marks = Marks()
    with OrdersFile(folder) as orders, TradesFile(folder, run.path_deals, run.gap_deals) as trades:

        def see_order(row: Row) -> None:
            orders.see_order(row)
            marks.see_order(row)

        def see_deal(row: Row, deal: Deal) -> None:
            trades.see_deal(row, deal)
            marks.see_deal(row, deal)

        analysis = analyse(run, see_deal, see_order)
    summary = summarise(analysis)
    write_equity(analysis.account.curve, folder)
    try:
        write_page(analysis, summary, marks, folder)
    except MissingPlotly as error:
        warnings.warn(str(error), stacklevel=2)
    write_summary(run, summary, analysis.account.curve, folder)
    return summary


def write_numbers(run: Run, folder: Path) -> Summary:
    """Write `summary.json` alone, the same as in a whole report.

    :param folder: made when it is not there
    :returns: the numbers of the run
    :raises ValueError: a run that makes no sense
    :raises OSError: the file could not be written
    """
    analysis = analyse(run)
    summary = summarise(analysis)
    folder.mkdir(parents=True, exist_ok=True)
    write_summary(run, summary, analysis.account.curve, folder)
    return summary
