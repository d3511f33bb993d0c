"""The files for programs: the same run gives the same bytes, on any machine."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal, localcontext
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final

from ccxt_driver.backtest.run import Run
from ccxt_driver.contract.values import format_decimal, format_time, parse_decimal, parse_time
from ccxt_driver.oms.market.tape import FileReport

from .equity import Curve
from .failure import last_line
from .statistics import Summary
from .valuation import EXACT

TRADES: Final = "trades.csv"
ORDERS: Final = "orders.csv"
EQUITY: Final = "equity.csv"
SUMMARY: Final = "summary.json"
DIGITS: Final = 12
"""Significant digits of a float that is written."""
_PLACES: Final = Decimal("0.00000001")
_TRADE_COLUMNS: Final = (
    *("time", "time_ms", "id", "order_id", "position_id", "symbol", "side", "qty", "price", "cost"),
    *("fee", "fee_currency", "pnl", "maker", "strategy", "reason", "comment", "path"),
)
_ORDER_COLUMNS: Final = (
    *("time", "time_ms", "id", "client_order_id", "position_id", "symbol", "side", "type", "time_in_force"),
    *("qty", "price", "trigger_price", "stop_price", "take_profit_price", "stop_loss", "stop_gain"),
    *("post_only", "reduce_only", "status", "filled_qty", "avg_fill_price", "fee", "fee_currency"),
    *("closed_at", "strategy", "reason", "reject_reason", "comment"),
)
_EQUITY_COLUMNS: Final = (
    *("time", "time_ms", "equity", "lowest", "highest", "index", "drawdown"),
    *("positions_gross", "positions_net"),
)


def write_trades(run: Run, folder: Path) -> None:
    """Write `trades.csv`, one row a deal; decimals as the OMS has them."""
    _write_csv(folder / TRADES, _TRADE_COLUMNS, (_trade(row, run.path_deals) for row in run.deals))


def write_orders(run: Run, folder: Path) -> None:
    """Write `orders.csv`, one row an order; decimals as the OMS has them."""
    _write_csv(folder / ORDERS, _ORDER_COLUMNS, map(_order, run.orders))


def write_equity(curve: Curve, folder: Path) -> None:
    """Write `equity.csv`, one row a sample; see `Curve`."""
    _write_csv(folder / EQUITY, _EQUITY_COLUMNS, _samples(curve))


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
            "error": None if run.error is None else last_line(run.error),
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


def _trade(row: Mapping[str, Any], path_deals: frozenset[int]) -> Iterator[Any]:
    cost = format_decimal(EXACT.multiply(parse_decimal(row["qty"]), parse_decimal(row["price"])))
    time_ms = parse_time(row["executed_at"])
    yield from (format_time(time_ms), time_ms, row["id"], row.get("order_id"), row.get("position_id"))
    yield from (row["symbol"], row["side"], row["qty"], row["price"], cost)
    yield from (row.get("fee"), row.get("fee_currency"), row.get("pnl"), _yes(row.get("maker")))
    yield from (row.get("strategy_id"), row.get("reason"), row.get("comment"), _yes(row["id"] in path_deals))


def _order(row: Mapping[str, Any]) -> Iterator[Any]:
    time_ms = parse_time(row["created_at"])
    yield from (format_time(time_ms), time_ms, row["id"], row.get("client_order_id"), row.get("position_id"))
    yield from (row["symbol"], row["side"], row["order_type"], row.get("time_in_force"), row["qty"])
    yield from (row.get("price"), row.get("trigger_price"), row.get("stop_price"))
    yield from (row.get("take_profit_price"), row.get("stop_loss"), row.get("stop_gain"))
    yield from (_yes(row.get("post_only")), _yes(row.get("reduce_only")), row["status"])
    yield from (row.get("filled_qty"), row.get("avg_fill_price"), row.get("fee"), row.get("fee_currency"))
    yield from (row.get("closed_at"), row.get("strategy_id"), row.get("reason"), row.get("reject_reason"))
    yield row.get("comment")


def _yes(value: object) -> str | None:
    return None if value is None else "yes" if value else "no"


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
