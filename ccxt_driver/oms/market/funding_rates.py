"""Recorded funding rates of a swap: what was charged, and when."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any, Final

from ccxt_driver.oms.market.decoders import RowDecoder
from ccxt_driver.oms.market.feed import Funding
from ccxt_driver.oms.market.file_names import DataFile
from ccxt_driver.oms.market.file_rows import Row, open_rows
from ccxt_driver.oms.market.prints import ZERO, exact
from ccxt_driver.oms.market.tape import FileReport

_MINUTE_MS: Final = 60_000
_ROWS_AT_ONCE: Final = 4_096
_NAMED_GAPS: Final = 100
_NEIGHBOURS: Final = 3
"""Steps before and after one that tell how long it should be."""
_NEWEST: Final = 3
"""How many of the past tell when the next one comes: more than two, as one of them may be missing."""
_ONE: Final = Decimal(1)


class FundingRates:
    """The rates of one swap, see `Fundings`; all of them are in memory.

    :param fundings: ascending
    """

    def __init__(self, fundings: Sequence[Funding]) -> None:
        self._fundings = fundings
        self._times = [funding.time_ms for funding in fundings]
        self._rates = {time_ms: rate for time_ms, rate in fundings if rate}
        self._charges = [*self._rates]

    def charged(self, at_ms: int) -> Decimal:
        """The rate that is charged at this very moment; 0 when none is."""
        return self._rates.get(at_ms, ZERO)

    def next_charge(self, after_ms: int) -> int | None:
        """When one is charged next. Nobody who trades may know it."""
        index = bisect_right(self._charges, after_ms)
        return self._charges[index] if index < len(self._charges) else None

    def newest(self, at_ms: int, count: int) -> Sequence[Funding]:
        """The newest by a moment, ascending."""
        end = bisect_right(self._times, at_ms)
        return self._fundings[max(0, end - max(0, count)) : end]

    def between(self, since_ms: int, until_ms: int, count: int) -> Sequence[Funding]:
        """The first from one moment up to another, which is included."""
        start, end = bisect_left(self._times, since_ms), bisect_right(self._times, until_ms)
        return self._fundings[start : max(start, min(end, start + count))]

    def interval_ms(self, at_ms: int) -> int | None:
        """How often it is charged, as far as the past tells; None when it does not."""
        times = [funding.time_ms for funding in self.newest(at_ms, _NEWEST)]
        steps = [_whole_minutes(after - before) for before, after in pairwise(times)]
        return max(_MINUTE_MS, min(steps)) if steps else None

    def expected(self, at_ms: int, interval_ms: int) -> int:
        """When the next one may be expected at a moment, by the newest one and an interval."""
        newest = self.newest(at_ms, 1)
        last_ms = _whole_minutes(newest[0].time_ms) if newest else 0
        return last_ms + ((at_ms - last_ms) // interval_ms + 1) * interval_ms


def _whole_minutes(time_ms: int) -> int:
    """Exchanges charge some milliseconds after the minute."""
    return (time_ms + _MINUTE_MS // 2) // _MINUTE_MS * _MINUTE_MS


def read_funding_rates(file: DataFile) -> tuple[FundingRates, FileReport]:
    """Read a whole file, and say what was found.

    In files named as freqtrade does, with a timeframe, rows with a rate of 0 may only fill the time between
    two charges: there they are none.

    :raises BadFile: it cannot be read, or a row makes no sense
    """
    report = FileReport(str(file.path), symbol=file.symbol, kind=file.kind, timeframe=file.timeframe)
    decoder = _Decoder(file)
    fundings: list[Funding] = []
    times: list[int] = []
    at: int | None = 0
    while at is not None:
        columns, at = decoder.file.read(at, _ROWS_AT_ONCE)
        for row in zip(*columns, strict=True):
            decoder.read(row, times, fundings, report)
    if times:
        report.first_ms, report.last_ms = times[0], times[-1]
    _find_gaps(times, report)
    report.complete = True
    return FundingRates(fundings), report


class _Decoder(RowDecoder):
    def __init__(self, file: DataFile) -> None:
        super().__init__(open_rows(file.path, file.kind), _ONE, _ROWS_AT_ONCE)
        self._fills = bool(file.timeframe)

    def read(self, row: Row, times: list[int], fundings: list[Funding], report: FileReport) -> None:
        """Take one row."""
        before = times[-1] if times else None
        time_ms = self.time(row, before, report)
        rate = self._rate(row, row[1], report)
        if time_ms == before:
            kept = fundings[-1].rate if fundings and fundings[-1].time_ms == time_ms else ZERO
            report.duplicates += 1
            report.conflicting += rate != kept
            return
        times.append(time_ms)
        report.rows += 1
        if rate or not self._fills:
            fundings.append(Funding(time_ms, rate))

    def _rate(self, row: Row, value: Any, report: FileReport) -> Decimal:
        if self._fills and (value is None or value == ""):
            return ZERO
        try:
            rate = exact(value)
        except ArithmeticError:
            raise self.bad(row, report, f"a rate, got {value!r}") from None
        if self._fills and rate.is_nan():
            return ZERO
        if not rate.is_finite() or not -1 < rate < 1:
            raise self.bad(row, report, f"a rate between -1 and 1, got {value!r}")
        return rate


def _find_gaps(times: Sequence[int], report: FileReport) -> None:
    """A step is a gap where those around it are shorter: exchanges change how often they charge."""
    steps = [after - before for before, after in pairwise(times)]
    for index, step in enumerate(steps):
        around = median(steps[max(0, index - _NEIGHBOURS) : index + _NEIGHBOURS + 1])
        missing = round(step / around) - 1
        if missing < 1:
            continue
        report.missing += missing
        if len(report.gaps) < _NAMED_GAPS:
            report.gaps.append((_whole_minutes(times[index] + int(around)), times[index + 1]))
