"""Finished runs side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path

import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs
from rich.console import Console

from ccxt_driver.backtest.report import write_report
from ccxt_driver.backtest.report.comparison import (
    NotARun,
    comparison_table,
    read_run,
    read_runs,
    write_comparison,
)
from tests.helpers.backtest_runs import SPOT, HandRun


def write_run(
    folder: Path, sell_at: str, currency: str = "USDT", path: str = "open, high, low, close"
) -> Path:
    hand = HandRun({SPOT: [100, 110, 120]}, 3, currency)
    hand.book(0, "USDT", 1000)
    hand.spot(0, "buy", "1", "100", "1")
    hand.spot(2, "sell", "1", sell_at, "1")
    write_report(hand.run(assumptions={"path": path}), folder)
    return folder


def lines(folders: list[Path]) -> dict[str, list[str]]:
    """The cells of the table by the first of their row."""
    console = Console(width=200, no_color=True)
    with console.capture() as captured:
        console.print(comparison_table(read_runs(folders)))
    rows = [re.split(r"\s{2,}", line.strip()) for line in captured.get().splitlines()]
    return {row[0]: row[1:] for row in rows}


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [write_run(tmp_path / "one", "120"), write_run(tmp_path / "two", "90", path="worst first")]


def test_a_table_with_differences(folders: list[Path]) -> None:
    table = lines(folders)

    assert table["one"] == ["two", "difference"]
    assert table["Net profit"] == ["18.00", "-12.00", "-30.00"]
    assert table["Total return"] == ["1.80 %", "-1.20 %", "-3.00 pp"]
    assert table["Round trips"] == ["1", "1", "0"]
    assert table["Win rate"] == ["100.00 %", "0.00 %", "-100.00 pp"]
    assert table["Profit factor"] == ["-", "0.00", "-"]
    assert table["End"] == ["2023-11-15 00:03:00", "2023-11-15 00:03:00"]


def test_each_of_several_is_compared_with_the_first(folders: list[Path], tmp_path: Path) -> None:
    table = lines([*folders, write_run(tmp_path / "other" / "one", "121")])

    assert table["one (1)"] == ["two", "difference", "one (3)", "difference"]
    assert table["Net profit"] == ["18.00", "-12.00", "-30.00", "19.00", "+1.00"]


def test_money_of_two_currencies_has_no_difference(folders: list[Path], tmp_path: Path) -> None:
    table = lines([folders[0], write_run(tmp_path / "coins", "120", "BTC")])

    assert table["Currency"] == ["USDT", "BTC", "differs"]
    assert table["Net profit"][2] == "-"
    assert table["Orders"] == ["2", "2", "0"]


def test_a_page_with_the_curves_over_each_other(folders: list[Path], tmp_path: Path) -> None:
    write_comparison(read_runs(folders), tmp_path / "comparison.html")

    page = (tmp_path / "comparison.html").read_text(encoding="utf-8").replace(get_plotlyjs(), "")
    found = re.search(r'id="charts">(.*?)</script>', page)
    assert found is not None
    charts = json.loads(found[1])
    assert [trace["name"] for trace in charts["equity"]["data"]] == ["one", "two"]
    assert [trace["y"][-1] for trace in charts["equity"]["data"]] == [1018, 988]
    assert [trace["y"][-1] for trace in charts["growth"]["data"]] == pytest.approx([1.8, -1.2])
    for chart in charts.values():
        go.Figure(chart)
    assert "worst first" in page
    assert "http" not in page


def test_the_page_is_the_same_each_time(folders: list[Path], tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_comparison(read_runs(folders), tmp_path / name)

    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


@pytest.mark.parametrize(
    "file,text,why",
    [
        ("summary.json", None, "it has no summary.json"),
        ("summary.json", "{", "summary.json is not JSON"),
        ("summary.json", "[]", "summary.json has no 'run'"),
        ("summary.json", '{"run": {}, "total": {}, "assumptions": {}}', "summary.json has no run.start_ms"),
        ("equity.csv", None, "it has no equity.csv"),
        ("equity.csv", "time_ms\n1\n", "equity.csv has no columns of time, equity and index"),
        (
            "equity.csv",
            "time_ms,equity,index\n1,x,1\n",
            "equity.csv has no columns of time, equity and index",
        ),
        ("equity.csv", "time_ms,equity,index\n", "equity.csv is empty"),
    ],
)
def test_what_is_not_a_run_is_named(folders: list[Path], file: str, text: str | None, why: str) -> None:
    path = folders[1] / file
    if text is None:
        path.unlink()
    else:
        path.write_text(text)

    with pytest.raises(NotARun) as caught:
        read_runs(folders)

    assert str(caught.value).startswith(f"{folders[1]} is not the folder of a finished run: {why}")


def test_a_number_that_is_a_text_is_refused(folders: list[Path]) -> None:
    path = folders[0] / "summary.json"
    summary = json.loads(path.read_bytes())
    summary["total"]["sharpe"] = "high"
    path.write_text(json.dumps(summary))

    with pytest.raises(NotARun, match=r"has no number total\.sharpe"):
        read_run(folders[0])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotARun, match="there is no such folder"):
        read_run(tmp_path / "nothing")


def test_one_run_is_nothing_to_compare(folders: list[Path]) -> None:
    with pytest.raises(ValueError, match="expected two runs or more to compare, got 1"):
        read_runs(folders[:1])
