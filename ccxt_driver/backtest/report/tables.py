"""The files for programs: the same run gives the same bytes, on any machine."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal, localcontext
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final

from ccxt_driver.backtest.run import Run
from ccxt_driver.contract.values import format_decimal, format_time, parse_decimal, parse_time
from ccxt_driver.oms.market.tape import FileReport

from .equity import Curve
from .failure import what_failed
from .statistics import Summary
from .valuation import EXACT

TRADES: Final = "trades.csv"
ORDERS: Final = "orders.csv"
EQUITY: Final = "equity.csv"
SUMMARY: Final = "summary.json"
DIGITS: Final = 12
"""Significant digits of a float that is written."""
Row = Mapping[str, Any]
_Columns = dict[str, Callable[[Row], Any]]
_PLACES: Final = Decimal("0.00000001")
EQUITY_COLUMNS: Final = (
    *("time", "time_ms", "equity", "lowest", "highest", "index", "drawdown"),
    *("positions_gross", "positions_net"),
)


def write_trades(run: Run, folder: Path) -> None:
    """Write `trades.csv`, one row a deal; decimals as the OMS has them."""
    _write_rows(folder / TRADES, _trade_columns(run.path_deals), run.deals)


def write_orders(run: Run, folder: Path) -> None:
    """Write `orders.csv`, one row an order; decimals as the OMS has them."""
    _write_rows(folder / ORDERS, _order_columns(), run.orders)


def write_equity(curve: Curve, folder: Path) -> None:
    """Write `equity.csv`, one row a sample; see `Curve`."""
    _write_csv(folder / EQUITY, EQUITY_COLUMNS, _samples(curve))


def write_summary(run: Run, summary: Summary, curve: Curve, folder: Path) -> None:
    """Write `summary.json`, its keys in the order of the alphabet."""
    document = summary_document(run, summary, curve)
    text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False)
    (folder / SUMMARY).write_bytes(f"{text}\n".encode())


def summary_document(run: Run, summary: Summary, curve: Curve) -> dict[str, Any]:
    """What `summary.json` holds: numbers, texts, None, and mappings and lists of them."""
    return {
        "run": {
            "account_id": run.account_id,
            "currency": run.currency,
            "end": format_time(run.end_ms),
            "end_ms": run.end_ms,
            "ended": run.ended,
            "error": None if run.error is None else what_failed(run.error),
            "name": run.name,
            "sample_step_ms": curve.step_ms,
            "seed": run.seed,
            "start": format_time(run.start_ms),
            "start_ms": run.start_ms,
        },
        "assumptions": dict(run.assumptions),
        "data": [file_document(report) for report in _by_name(run.data)],
        **plain(summary),
    }


def file_document(report: FileReport) -> dict[str, Any]:
    """What was found in a file; of its path only the name, which is the same on another machine."""
    return {**plain(report), "path": file_name(report.path)}


def file_name(path: str) -> str:
    """The end of a path of any system."""
    return PurePosixPath(PureWindowsPath(path).as_posix()).name


def _by_name(data: Iterable[FileReport]) -> list[FileReport]:
    return sorted(data, key=lambda report: (file_name(report.path), report.first_ms or 0))


def plain(value: Any) -> Any:
    """A value as JSON has it: money to 8 decimals, other floats to 12 significant digits."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    if isinstance(value, Decimal):
        with localcontext(EXACT):
            return _short(float(value.quantize(_PLACES)), 17)
    return _short(value) if isinstance(value, float) else value


def _short(value: float, digits: int = DIGITS) -> float:
    return float(f"{value:.{digits}g}") + 0.0  # -0.0 becomes 0.0


def _number(value: float) -> str:
    text = repr(_short(value))
    return text.removesuffix(".0")


def _trade_columns(path_deals: frozenset[int]) -> _Columns:
    return {
        **_time("executed_at"),
        **_same("id", "order_id", "position_id", "symbol", "side", "qty", "price"),
        "cost": _cost,
        **_same("fee", "fee_currency", "pnl"),
        "maker": lambda row: _yes(row.get("maker")),
        "strategy": lambda row: row.get("strategy_id"),
        **_same("reason", "comment"),
        "path": lambda row: _yes(row["id"] in path_deals),
    }


def _order_columns() -> _Columns:
    return {
        **_time("created_at"),
        **_same("id", "client_order_id", "position_id", "symbol", "side"),
        "type": lambda row: row["order_type"],
        **_same("time_in_force", "qty", "price", "trigger_price", "stop_price", "take_profit_price"),
        **_same("stop_loss", "stop_gain"),
        "post_only": lambda row: _yes(row.get("post_only")),
        "reduce_only": lambda row: _yes(row.get("reduce_only")),
        **_same("status", "filled_qty", "avg_fill_price", "fee", "fee_currency", "closed_at"),
        "strategy": lambda row: row.get("strategy_id"),
        **_same("reason", "reject_reason", "comment"),
    }


def _same(*names: str) -> _Columns:
    """Columns that are named as in the row."""
    return {name: lambda row, name=name: row.get(name) for name in names}  # type: ignore[misc]


def _time(name: str) -> _Columns:
    return {
        "time": lambda row: format_time(parse_time(row[name])),
        "time_ms": lambda row: parse_time(row[name]),
    }


def _cost(row: Row) -> str:
    return format_decimal(EXACT.multiply(parse_decimal(row["qty"]), parse_decimal(row["price"])))


def _yes(value: object) -> str | None:
    return None if value is None else "yes" if value else "no"


def _write_rows(path: Path, columns: _Columns, rows: Iterable[Row]) -> None:
    _write_csv(path, [*columns], ([make(row) for make in columns.values()] for row in rows))


def _samples(curve: Curve) -> Iterator[list[Any]]:
    columns = (curve.equity, curve.lowest, curve.highest, curve.index)
    shares = (curve.drawdown, curve.gross, curve.net)
    for time_ms, *values in zip(curve.times, *columns, *shares, strict=True):
        yield [format_time(time_ms), time_ms, *map(_number, values)]


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
