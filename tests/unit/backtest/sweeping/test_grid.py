"""What values a parameter has, and which combinations are run."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest

from ccxt_driver.backtest.sweeping.grid import Values, grid_of, parameters_of


@pytest.mark.parametrize(
    "values, expected",
    [
        ("5:50:15", ["5", "20", "35", "50"]),
        ("5:49:15", ["5", "20", "35"]),
        ("0.1:0.3:0.1", ["0.1", "0.2", "0.3"]),  # floats would not reach the end
        ("-1:1:1", ["-1", "0", "1"]),
        ("3:1:-1", ["3", "2", "1"]),
        ("5:5:1", ["5"]),
        ("20,50,100", ["20", "50", "100"]),
        ("20", ["20"]),
        (" ema , sma ", ["ema", "sma"]),
        ("BTC/USDT:USDT,ETH/USDT:USDT", ["BTC/USDT:USDT", "ETH/USDT:USDT"]),
        ('"5:50"', ["5:50"]),
        ('"a,b"', ["a,b"]),
        ("09:30,16:00", ["09:30", "16:00"]),
        (["5:50"], ["5:50"]),
        ([1, 2.5, Decimal("0.10"), "x"], ["1", "2.5", "0.1", "x"]),
        (range(3), ["0", "1", "2"]),
        (7, ["7"]),
    ],
)
def test_values(values: Values, expected: list[str]) -> None:
    assert grid_of({"fast": values}).parameters == {"fast": tuple(expected)}


@pytest.mark.parametrize(
    "values, message",
    [
        ("1:5:0", "expected a step that leads from 1 to 5"),
        ("1:5:-1", "expected a step that leads from 1 to 5"),
        ("5:50", "fast: expected FIRST:LAST:STEP, such as 5:50:5, got '5:50'; a text with colons goes in"),
        (" 1:2:3:4", "expected FIRST:LAST:STEP"),
        ("1:5,7:9,,", "expected NAME="),
        ("", "expected NAME="),
        ("5,5", "'5' is there twice"),
        ([], "at least one value"),
        ([True], "expected numbers or texts, got True"),
        ([float("nan")], "fast: "),
        ("0:1:0.000000001", "at most 1,000,000 values"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: Values, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grid_of({"fast": values})


@pytest.mark.parametrize("name", ["", "5", "a b", "--fast", "a=b"])
def test_names_are_those_of_options(name: str) -> None:
    with pytest.raises(ValueError, match="expected a name"):
        grid_of({name: "1"})


@pytest.mark.parametrize(
    "texts, message", [(["fast"], "expected NAME="), (["a=1", "a=2"], "a is given twice")]
)
def test_texts_that_are_no_parameters_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parameters_of(texts)


def test_no_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="expected NAME="):
        grid_of(parameters_of([]))


def test_points_are_every_combination_and_the_last_parameter_changes_first() -> None:
    points = grid_of(parameters_of(["a=1:3:1", "b=x,y", "c=0"])).points()

    assert [tuple(point.values()) for point in points] == [*product("123", "xy", "0")]
    assert [*points[0]] == ["a", "b", "c"]


def test_a_sample_is_of_the_grid_in_its_order_and_the_same_for_a_seed() -> None:
    grid = grid_of({"a": range(100), "b": range(100)})

    points = grid.points(20, seed=1)

    every = grid.points()
    places = [every.index(point) for point in points]
    assert places == sorted(set(places))
    assert len(points) == 20
    assert grid.points(20, seed=1) == points
    assert grid.points(20, seed=2) != points


def test_a_sample_of_more_than_there_are_is_all_of_them() -> None:
    grid = grid_of({"a": range(3)})

    assert grid.points(10) == grid.points()


def test_too_many_are_refused_before_they_are_made() -> None:
    grid = grid_of({"a": range(1000), "b": range(1000)})

    with pytest.raises(ValueError, match="1,000,000 combinations"):
        grid.points()
    with pytest.raises(ValueError, match="more than 10,000"):
        grid.points(10_001)
    assert len(grid.points(5)) == 5
    assert len(grid_of({"a": range(10_001)}).points(most=None)) == 10_001


def test_a_grid_beyond_all_bounds_is_refused_in_any_case() -> None:
    grid = grid_of({name: range(1000) for name in "abcdefg"})

    with pytest.raises(ValueError, match="combinations"):
        grid.points(5, most=None)


def test_a_sample_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="random: expected a number above 0"):
        grid_of({"a": "1"}).points(0)
