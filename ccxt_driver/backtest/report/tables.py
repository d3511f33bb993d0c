"""The files for programs: the same run gives the same bytes, on any machine."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal, localcontext
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final, Self, TextIO

from ccxt_driver.backtest.run import Run
from ccxt_driver.contract.values import format_decimal, format_time, parse_time
from ccxt_driver.oms.market.tape import FileReport

from .equity import Curve
from .failure import what_failed
from .records import Deal
from .statistics import Summary
from .valuation import EXACT

TRADES: Final = "trades.csv"
ORDERS: Final = "orders.csv"
EQUITY: Final = "equity.csv"
SUMMARY: Final = "summary.json"
DIGITS: Final = 12
"""Significant digits of a float that is written."""
Row = Mapping[str, Any]
_SEVEN: Final = ",".join([f"%.{DIGITS}g"] * 7)
_PLACES: Final = Decimal("0.00000001")
_TRADE_COLUMNS: Final = (
    *("time", "time_ms", "id", "order_id", "position_id", "symbol", "side", "qty", "price", "cost"),
    *("fee", "fee_currency", "pnl", "maker", "strategy", "reason", "comment", "path", "gap"),
)
_ORDER_COLUMNS: Final = (
    *("time", "time_ms", "id", "client_order_id", "position_id", "symbol", "side", "type", "time_in_force"),
    *("qty", "price", "trigger_price", "stop_price", "take_profit_price", "stop_loss", "stop_gain"),
    *("post_only", "reduce_only", "status", "filled_qty", "avg_fill_price", "fee", "fee_currency"),
    *("closed_at", "strategy", "reason", "reject_reason", "comment"),
)
EQUITY_COLUMNS: Final = (
    *("time", "time_ms", "equity", "lowest", "highest", "index", "drawdown"),
    *("positions_gross", "positions_net"),
)


class TradesFile:
    """`trades.csv`, one row a deal; decimals as the OMS has them. For a `with` block.

    :param path_deals: ids of deals that depended on how a candle was assumed to move
    :param gap_deals: by id of the deals that hang on a gap of the data how, see `Run`
    """

    def __init__(self, folder: Path, path_deals: frozenset[int], gap_deals: Mapping[int, str]) -> None:
        self._path_deals, self._gap_deals = path_deals, gap_deals
        self._file = _open(folder / TRADES)
        self._write = _writer(self._file, _TRADE_COLUMNS)

    def see_deal(self, row: Row, deal: Deal) -> None:
        """Write the next row."""
        get, at_ms = row.get, deal.time_ms
        self._write(
            (
                *(format_time(at_ms), at_ms),
                *(deal.id, get("order_id"), get("position_id"), get("symbol"), get("side")),
                *(get("qty"), get("price"), format_decimal(abs(EXACT.multiply(deal.qty, deal.price)))),
                *(get("fee"), get("fee_currency"), get("pnl"), _yes(get("maker")), get("strategy_id")),
                *(get("reason"), get("comment"), _yes(deal.id in self._path_deals)),
                self._gap_deals.get(deal.id),
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class OrdersFile:
    """`orders.csv`, one row an order; decimals as the OMS has them. For a `with` block."""

    def __init__(self, folder: Path) -> None:
        self._file = _open(folder / ORDERS)
        self._write = _writer(self._file, _ORDER_COLUMNS)

    def see_order(self, row: Row) -> None:
        """Write the next row."""
        get, at_ms = row.get, parse_time(row["created_at"])
        self._write(
            (
                *(format_time(at_ms), at_ms),
                *(get("id"), get("client_order_id"), get("position_id"), get("symbol"), get("side")),
                *(row["order_type"], get("time_in_force"), get("qty"), get("price"), get("trigger_price")),
                *(get("stop_price"), get("take_profit_price"), get("stop_loss"), get("stop_gain")),
                *(_yes(get("post_only")), _yes(get("reduce_only")), get("status"), get("filled_qty")),
                *(get("avg_fill_price"), get("fee"), get("fee_currency"), get("closed_at")),
                *(get("strategy_id"), get("reason"), get("reject_reason"), get("comment")),
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def write_equity(curve: Curve, folder: Path) -> None:
    """Write `equity.csv`, one row a sample; see `Curve`."""
    with _open(folder / EQUITY) as file:
        file.write(f"{','.join(EQUITY_COLUMNS)}\n")
        file.writelines(_samples(curve))


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


def _yes(value: object) -> str | None:
    return None if value is None else "yes" if value else "no"


def _samples(curve: Curve) -> Iterator[str]:
    """The rows of `equity.csv`."""
    columns = (curve.equity, curve.lowest, curve.highest, curve.index)
    shares = (curve.drawdown, curve.gross, curve.net)
    for time_ms, *values in zip(curve.times, *columns, *shares, strict=True):
        yield f"{format_time(time_ms)},{time_ms},{_numbers(values)}\n"


def _numbers(values: Sequence[float]) -> str:
    """Values to 12 significant digits, between commas."""
    text = _SEVEN % (*values,)
    # Of a number without an exponent these are the very digits that Python writes for the short one.
    return ",".join(map(_number, values)) if "e" in text or "-0," in f"{text}," else text


def _open(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="")


def _writer(file: TextIO, columns: Sequence[str]) -> Callable[[Sequence[Any]], Any]:
    """What writes a row."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    return writer.writerow
