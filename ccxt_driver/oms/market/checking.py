"""Reads whole files of market data, each for itself, to say what is in them and which cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ccxt_driver.oms.market.bar_paths import OpenHighLowClose
from ccxt_driver.oms.market.file_markets import market_of
from ccxt_driver.oms.market.file_names import DataFile, Paths, find
from ccxt_driver.oms.market.file_rows import BadFile
from ccxt_driver.oms.market.files import FileFeed, read_marks, unused_report
from ccxt_driver.oms.market.funding_rates import read_funding_rates
from ccxt_driver.oms.market.tape import FileReport


class Checked(NamedTuple):
    """What came of a check.

    :param reports: of every file, also of those that cannot be used
    :param problems: why files cannot be used, by their paths; under "" why they cannot be used together
    """

    reports: list[FileReport]
    problems: dict[str, str]


def check(paths: Paths, tell: Callable[[int, int], None] = lambda done, files: None) -> Checked:
    """Read all files at some paths to their ends.

    :param tell: is told after each file how many were read, of how many
    :raises BadFile: there is nothing to read
    """
    files, ignored = find(paths)
    reports: list[FileReport] = []
    problems: dict[str, str] = {}
    for number, file in enumerate(files, 1):
        try:
            reports += _read(file)
        except BadFile as error:
            reports.append(_empty(file))
            problems[str(file.path)] = str(error)
        tell(number, len(files))
    if not problems:
        try:
            uses = _uses(FileFeed(paths))
        except BadFile as error:
            problems[""] = str(error)
        else:
            for report in reports:
                report.use = uses[report.path]
    reports += [unused_report(each) for each in ignored]
    return Checked(reports, problems)


def _uses(feed: FileFeed) -> dict[str, str]:
    """What files are good for, by their paths.

    :raises BadFile: a symbol whose price has no row
    """
    _ = feed.begins_ms  # as a run asks for it
    return {report.path: report.use for report in feed.report()}


def _read(file: DataFile) -> list[FileReport]:
    """Read one file to its end."""
    if file.is_price:
        return FileFeed(file.path).check()[:1]  # quotes alone are price and book: one file all the same
    if file.kind == "funding":
        return [read_funding_rates(file)[1]]
    marks = read_marks(file, market_of(file.symbol, [file]), OpenHighLowClose(), is_fine=True)
    marks.tape.read_all()
    return marks.tape.reports()


def _empty(file: DataFile) -> FileReport:
    return FileReport(
        str(file.path),
        symbol=file.symbol,
        kind=file.kind,
        timeframe=file.timeframe,
        use="nothing: cannot be used",
    )
