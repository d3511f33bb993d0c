"""The files for programs."""

from __future__ import annotations

import csv
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.backtest.report import Statistics, write_report
from ccxt_driver.backtest.report.tables import file_name, plain
from ccxt_driver.backtest.run import Run
from tests.helpers.backtest_runs import SPOT, SWAP, T

ROOT = Path(__file__).parents[4]
FILES = {"trades.csv", "orders.csv", "equity.csv", "summary.json", "report.html"}
ERROR = """Traceback (most recent call last):
  File "/srv/somebody/strategy.py", line 3, in <module>
    main()
  File "C:\\\\Users\\\\me\\\\helper.py", line 4, in main
    raise ValueError("<script>alert(1)</script>")
ValueError: <script>alert(1)</script>
of two lines
"""


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def summary(folder: Path) -> Any:
    return json.loads((folder / "summary.json").read_bytes())


def test_trades_are_the_deals_of_the_oms(run: Run, tmp_path: Path) -> None:
    write_report(run, tmp_path)

    rows = table(tmp_path / "trades.csv")

    assert [row["symbol"] for row in rows] == [SPOT, SWAP, SPOT, SWAP]
    assert [row["path"] for row in rows] == ["no", "no", "yes", "no"]
    assert [row["maker"] for row in rows] == ["no", "no", "yes", "no"]
    assert [row["strategy"] for row in rows] == ["1", "2", "1", "2"]
    for row, deal in zip(rows, run.deals, strict=True):
        assert (row["time"], row["qty"], row["price"]) == (deal["executed_at"], deal["qty"], deal["price"])
        assert (row["fee"], row["pnl"]) == (deal["fee"], deal["pnl"])
        assert Decimal(row["cost"]) == Decimal(row["qty"]) * Decimal(row["price"])
    assert rows[0]["time_ms"] == str(T)
    assert rows[1]["comment"] == "<b>short</b>"


def test_orders_are_those_of_the_oms(run: Run, tmp_path: Path) -> None:
    write_report(run, tmp_path)

    rows = table(tmp_path / "orders.csv")

    assert [row["client_order_id"] for row in rows] == ["a1", "b1", "a2", "a3", "b2"]
    assert [row["status"] for row in rows] == ["FILLED", "FILLED", "SUBMITTED", "FILLED", "FILLED"]
    assert [row["reduce_only"] for row in rows] == ["no", "no", "no", "no", "yes"]
    assert [row["type"] for row in rows] == ["market", "market", "limit", "limit", "market"]
    assert (rows[2]["price"], rows[2]["closed_at"]) == ("20000", "")


def test_equity_is_sampled_at_each_deal_and_each_step(run: Run, tmp_path: Path) -> None:
    write_report(run, tmp_path)

    rows = table(tmp_path / "equity.csv")

    times = {int(row["time_ms"]) for row in rows}
    deals = {int(row["time_ms"]) for row in table(tmp_path / "trades.csv")}
    assert deals | set(range(run.start_ms, run.end_ms + 1, 60_000)) == times
    assert float(rows[0]["equity"]) == 10_000
    assert all(float(row["lowest"]) <= float(row["equity"]) <= float(row["highest"]) for row in rows)


def test_the_summary_has_the_numbers_that_are_returned(run: Run, tmp_path: Path) -> None:
    made = write_report(run, tmp_path)

    read = summary(tmp_path)

    assert read["total"] == plain(made.total)
    assert set(read["total"]) == set(Statistics.__dataclass_fields__)
    assert set(read["strategies"]) == {"1", "2"}
    assert set(read["symbols"]) == {SPOT, SWAP}
    assert read["path_deals"] == 1
    assert read["assumptions"] == run.assumptions
    assert read["run"]["sample_step_ms"] == 60_000
    assert [*read["total"]] == sorted(read["total"])
    [file] = read["data"]
    assert (file["path"], file["missing"], file["gaps"]) == ("BTC_USDT-1m.csv", 3, [[T, T + 60_000]])


def test_no_path_of_the_machine_is_written(run: Run, tmp_path: Path) -> None:
    write_report(replace(run, error=ERROR, ended="error"), tmp_path / "report")

    for file in (tmp_path / "report").iterdir():
        text = file.read_text(encoding="utf-8")
        assert str(tmp_path) not in text
        assert "/srv/somebody" not in text
        assert "Users" not in text or file.suffix == ".html"  # plotly has the word
    assert summary(tmp_path / "report")["run"]["error"] == (
        "ValueError: <script>alert(1)</script>\nof two lines"
    )


def test_the_same_run_is_the_same_bytes_in_another_process(run: Run, tmp_path: Path) -> None:
    (tmp_path / "run.pickle").write_bytes(pickle.dumps(run))
    code = (
        "import pickle, sys; from pathlib import Path; from ccxt_driver.backtest.report import write_report;"
        "write_report(pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]))"
    )
    for seed in ("1", "2"):
        arguments = [sys.executable, "-c", code, str(tmp_path / "run.pickle"), str(tmp_path / seed)]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "TZ": f"UTC+{seed}"}
        subprocess.run(arguments, check=True, env=environment, timeout=60)
    write_report(run, tmp_path / "3")

    written = [{file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in "123"]

    assert set(written[0]) == FILES
    assert written[0] == written[1] == written[2]
    assert not any(b"\r\n" in written[0][name] for name in FILES - {"report.html"})


def test_an_unfinished_report_is_not_taken_for_a_finished_one(run: Run, tmp_path: Path) -> None:
    write_report(run, tmp_path)
    (tmp_path / "equity.csv").unlink()
    (tmp_path / "equity.csv").mkdir()

    with pytest.raises(OSError, match=r"equity\.csv"):
        write_report(run, tmp_path)

    assert not (tmp_path / "summary.json").exists()
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    "value,written",
    [
        (Decimal("10000.123456785"), 10000.12345678),
        (Decimal(-0), 0.0),
        (0.1 + 0.2, 0.3),
        (-0.0, 0.0),
        (1 / 3, 0.333333333333),
        (7, 7),
        (None, None),
        ({2: (Decimal("1.50"),)}, {"2": [1.5]}),
    ],
)
def test_numbers_are_short_and_stable(value: Any, written: Any) -> None:
    assert json.dumps(plain(value)) == json.dumps(written)


@pytest.mark.parametrize("path", ["/a/b/c.csv", "C:\\a\\b\\c.csv", "c.csv", "a/c.csv"])
def test_of_a_path_the_name_is_kept(path: str) -> None:
    assert file_name(path) == "c.csv"
