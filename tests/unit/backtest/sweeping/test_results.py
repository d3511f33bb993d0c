"""The columns of results, and which rows are best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from ccxt_driver.backtest.sweeping.grid import grid_of
from ccxt_driver.backtest.sweeping.results import Row, Table
from ccxt_driver.backtest.sweeping.tasks import Outcome


def _outcome(error: str | None = None, **total: Any) -> Outcome:
    return Outcome("data" if error is None else "error", error, total, 1.5)


@pytest.mark.parametrize(
    "values, expected",
    [
        (["1", "-2"], [1, -2]),
        (["1", "2.5"], [1.0, 2.5]),
        (["1", "x"], ["1", "x"]),
        (["007", "008"], ["007", "008"]),
        ([str(2**70)], [str(2**70)]),
        (["1e3", "2"], [1000.0, 2.0]),
        (["0.1000000000000000000001"], ["0.1000000000000000000001"]),
    ],
)
def test_parameters_are_numbers_where_nothing_is_lost(values: list[str], expected: list[Any]) -> None:
    table = Table(grid_of({"a": values}))

    rows = [table.row({"a": value}, _outcome())["a"] for value in values]

    assert rows == expected
    assert [*map(type, rows)] == [*map(type, expected)]


def test_a_parameter_that_is_named_as_a_number_is_told_from_it(tmp_path: Path) -> None:
    table = Table(grid_of({"orders": "1,2", "fast": "3"}))

    row = table.row({"orders": "2", "fast": "3"}, _outcome(orders=40))

    assert (row["param.orders"], row["fast"], row["orders"]) == (2, 3, 40)


def _rows(table: Table, **columns: list[Any]) -> list[Row]:
    rows = []
    for index, values in enumerate(zip(*columns.values(), strict=True)):
        total = dict(zip(columns, values, strict=True))
        rows.append(table.row({"a": str(index)}, _outcome(total.pop("error", None), **total)))
    return rows


@pytest.mark.parametrize(
    "sort, expected",
    [
        ("sharpe", [2, 0, 3]),
        ("sharpe:asc", [0, 3, 2]),
        ("max_drawdown", [0, 3, 1]),
        ("max_drawdown:desc", [2, 1, 0]),
        ("a", [0, 1, 2]),
        ("a:desc", [3, 2, 1]),
    ],
)
def test_the_best(sort: str, expected: list[int]) -> None:
    table = Table(grid_of({"a": range(5)}))
    rows = _rows(
        table,
        sharpe=[1.0, None, 2.0, 1.0, 9.0],
        max_drawdown=[0.1, 0.2, 0.3, 0.1, 0.0],
        error=[None, None, None, None, "E"],
    )

    assert table.best(rows, sort, 3) == expected


def test_those_without_a_value_come_last() -> None:
    table = Table(grid_of({"a": range(4)}))
    some = _rows(table, sharpe=[None, 1.0, None, 9.0], error=[None, None, None, "E"])
    none = _rows(table, sharpe=[None, None, None, None])

    assert table.best(some, "sharpe", 3) == [1, 0, 2]
    assert table.best(none, "sharpe:asc", 3) == [0, 1, 2]


@pytest.mark.parametrize("sort", ["sharp", "sharpe:up", "error", ""])
def test_an_unknown_column_is_refused(sort: str) -> None:
    with pytest.raises(ValueError, match="sort: expected one of a, start_equity"):
        Table(grid_of({"a": "1"})).order(sort)


def test_the_file(tmp_path: Path) -> None:
    table = Table(grid_of({"a": "0,1", "kind": "x"}))
    rows = [
        table.row({"a": "0", "kind": "x"}, _outcome(sharpe=1.25, orders=3, fees=2)),
        table.row({"a": "1", "kind": "x"}, _outcome("E: no")),
    ]

    table.write(rows, tmp_path)

    read = pyarrow.parquet.read_table(tmp_path / "results.parquet")
    assert read.to_pylist() == rows
    types = {name: str(read.schema.field(name).type) for name in ("a", "kind", "sharpe", "orders", "fees")}
    assert types == {"a": "int64", "kind": "string", "sharpe": "double", "orders": "int64", "fees": "double"}
    before = (tmp_path / "results.parquet").read_bytes()
    table.write(rows, tmp_path)
    assert (tmp_path / "results.parquet").read_bytes() == before
