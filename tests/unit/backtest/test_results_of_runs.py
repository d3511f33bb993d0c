"""What `backtest()` returns: its rows are those of its run, or none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ccxt_driver.backtest import BacktestError, read_result


def _report(folder: Path, equity: int) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("trades", "orders", "equity"):
        (folder / f"{name}.csv").write_text(f"equity\n{equity}\n", encoding="utf-8")
    (folder / "summary.json").write_text(f'{{"equity": {equity}}}', encoding="utf-8")


def test_rows_are_never_those_of_another_run(tmp_path: Path) -> None:
    _report(tmp_path / "run", 1)
    first = read_result(tmp_path / "run")
    assert first.trades() == first.orders() == first.equity() == [{"equity": "1"}]

    _report(tmp_path / "run", 2)

    assert read_result(tmp_path / "run").trades() == [{"equity": "2"}]
    for read in (first.trades, first.orders, first.equity):
        with pytest.raises(BacktestError, match="run: it holds this run no more"):
            read()
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(BacktestError, match="give each run its own `out`"):
        first.trades()
