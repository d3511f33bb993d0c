"""The results of a sweep: rows, the Parquet file of them, and which are best."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, get_type_hints

from ccxt_driver.contract.values import parse_decimal

from .failure import SweepError
from .folder import RESULTS, write_whole
from .grid import Grid, Point
from .tasks import Outcome

Row = dict[str, Any]
_PATH_DEALS: Final = "path_deals"
_MOST_INT: Final = 2**63
_LOW_IS_GOOD: Final = frozenset(
    {
        *("volatility", "max_drawdown", "max_drawdown_amount", "max_drawdown_ms", "longest_drawdown_ms"),
        *("fees", "time_in_market", "mean_exposure", "max_exposure", _PATH_DEALS),
    }
)
_ZEROS: Final = re.compile(r"[+-]?0\d", re.ASCII)
_DIRECTIONS: Final = {"asc": False, "desc": True}


class Table:
    """The columns of a sweep's results.

    A parameter that is named as another column is called `param.NAME`.

    :param grid: of the sweep
    """

    def __init__(self, grid: Grid) -> None:
        self._kinds = {name: _kind(values) for name, values in grid.parameters.items()}
        self.numbers = _numbers()
        taken = {"ended", "error", *self.numbers}
        self.parameters = {name: f"param.{name}" if name in taken else name for name in self._kinds}
        """Columns of the parameters, by name."""

    def row(self, point: Point, outcome: Outcome) -> Row:
        """One run; numbers of one that failed are None."""
        made: Row = {self.parameters[name]: self._kinds[name](value) for name, value in point.items()}
        made |= {"ended": outcome.ended, "error": outcome.error}
        for name, kind in self.numbers.items():
            value = outcome.total.get(name)
            made[name] = None if value is None else kind(value)
        return made

    def order(self, sort: str) -> tuple[str, bool]:
        """By which column to sort, and whether the highest comes first.

        :param sort: the name of a column, with `:asc` or `:desc` where its usual order is not meant
        :raises ValueError: there is no such column
        """
        name, _, direction = sort.partition(":")
        columns = [*self.parameters.values(), *self.numbers]
        if name not in columns or direction not in ("", *_DIRECTIONS):
            raise ValueError(
                f"sort: expected one of {', '.join(columns)}, or one with :asc or :desc, got {sort!r}"
            )
        if direction:
            return name, _DIRECTIONS[direction]
        return name, name in self.numbers and name not in _LOW_IS_GOOD

    def best(self, rows: Sequence[Row], sort: str, count: int) -> list[int]:
        """The best of the runs that did not fail, as indexes into the rows; equals as in the grid.

        Those of which the column has no value, such as the Sharpe ratio of less than a day, come last.
        """
        name, is_descending = self.order(sort)
        done = [index for index, row in enumerate(rows) if row["error"] is None]
        known = [index for index in done if rows[index][name] is not None]
        unknown = [index for index in done if rows[index][name] is None]
        return (sorted(known, key=lambda index: rows[index][name], reverse=is_descending) + unknown)[:count]

    def write(self, rows: Sequence[Row], folder: Path) -> None:
        """Write `results.parquet`; the same rows give the same bytes."""
        arrow, parquet = need_pyarrow()
        types = {int: arrow.int64(), float: arrow.float64(), str: arrow.string()}
        kinds = {self.parameters[name]: kind for name, kind in self._kinds.items()}
        kinds |= {"ended": str, "error": str, **self.numbers}
        schema = arrow.schema([(name, types[kind]) for name, kind in kinds.items()])
        file = io.BytesIO()
        parquet.write_table(arrow.Table.from_pylist([*rows], schema=schema), file)
        write_whole(folder / RESULTS, file.getvalue())


def need_pyarrow() -> tuple[Any, Any]:
    """`pyarrow` and `pyarrow.parquet`, which write the results.

    :raises SweepError: it is not installed
    """
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise SweepError(f'{RESULTS} needs pyarrow ({error}): pip install "ccxt-driver[backtest]"') from error


def _numbers() -> dict[str, type]:
    """The numbers of a run, and what each is."""
    from ccxt_driver.backtest.report import Statistics

    hints: Mapping[str, Any] = get_type_hints(Statistics)
    kinds = {
        name: int if hint is int else float for name, hint in hints.items() if name != "fees_by_currency"
    }
    return {**kinds, _PATH_DEALS: int}


def _kind(values: Sequence[str]) -> type:
    """Whole numbers where all values are, or numbers, or texts."""
    try:
        numbers = [parse_decimal(value) for value in values]
    except ValueError:
        return str
    if any(_ZEROS.match(value) for value in values):
        return str  # such as 007
    if all(value.lstrip("-").isdigit() and abs(int(value)) < _MOST_INT for value in values):
        return int
    exact = all(parse_decimal(float(value)) == number for value, number in zip(values, numbers, strict=True))
    return float if exact else str
