"""`report.html`: what a run did, to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from ccxt_driver.backtest.run import Run
from ccxt_driver.contract.values import format_time, parse_time

from .analysis import Analysis
from .document import Chart, numbers, page, table, time_chart
from .failure import portable
from .figures import FIGURES, held_note, written
from .marks import Mark, Marks, Row, level
from .series import thin
from .statistics import Statistics, Summary, exposure
from .tables import ORDERS, TRADES, file_name

PAGE: Final = "report.html"
_TILES: Final = ("net_profit", "total_return", "max_drawdown", "sharpe", "round_trips", "win_rate", "fees")
_ENDED: Final = {
    "data": "the data came to its end",
    "script": "the script came to its end",
    "error": "an error ended it",
}
_BUY, _SELL, _PLAIN, _FALL = "#1e8449", "#c0392b", "#2c5f9e", "#b9770e"
_MOST_GAPS: Final = 10
_PICKED: Final = "the first, the last, and those at the highest and the lowest price of each stretch of time"


def write_page(analysis: Analysis, summary: Summary, marks: Marks, folder: Path) -> None:
    """Write `report.html`.

    :raises MissingPlotly: plotly is not installed; nothing was written
    """
    (folder / PAGE).write_bytes(report_page(analysis, summary, marks).encode())


def report_page(analysis: Analysis, summary: Summary, marks: Marks) -> str:
    """The page of a run.

    :param marks: which have seen its orders and deals
    :raises MissingPlotly: plotly is not installed
    """
    run = analysis.run
    sections = [
        _section("Equity", _equity(analysis)),
        _section("Drawdown", _drawdown(analysis)),
        _section("Profit by strategy", _profits(analysis)),
        _section("Positions by strategy", _positions(analysis)),
        _section("Exposure", _exposure(analysis)),
        _section("Fees and funding", _costs(analysis)),
        *_markets(analysis, marks),
    ]
    body = "\n".join(
        (
            _head(run, summary),
            *(text for text, _ in sections),
            _tables(analysis, summary),
        )
    )
    charts = [chart for _, drawn in sections for chart in drawn]
    return page(PAGE, f"Backtest of {run.name}", body, charts)


# ------------------------------------------------------------------ texts


def _head(run: Run, summary: Summary) -> str:
    figures = {figure.key: figure for figure in FIGURES}
    tiles = "\n".join(
        f'<div class="tile">{escape(figures[key].title)}<b>'
        f"{escape(written(getattr(summary.total, key), figures[key].kind))}</b></div>"
        for key in _TILES
    )
    return f"""<h1>Backtest of {escape(run.name)}</h1>
<p class="note">{_moment(run.start_ms)} to {_moment(run.end_ms)} UTC;
{_ENDED.get(run.ended, escape(run.ended))}.
Money is in {escape(run.currency)}, seed {run.seed}, account {run.account_id}.</p>
{_warnings(run, summary)}
<div class="tiles">
{tiles}
</div>
{_held_note(summary)}
{_path_note(summary)}
{_gap_note(summary)}"""


def _moment(milliseconds: int) -> str:
    return format_time(milliseconds)[:19].replace("T", " ")


def _warnings(run: Run, summary: Summary) -> str:
    texts = []
    if run.error is not None:
        texts.append(f'<div class="bad">The script failed:<pre>{escape(portable(run.error))}</pre></div>')
    if summary.unvalued:
        names = escape(", ".join(summary.unvalued))
        texts.append(
            f'<div class="bad">No prices lead from {names} to {escape(run.currency)}: what was held of it '
            "counts as nothing here.</div>"
        )
    return "\n".join(texts)


def _held_note(summary: Summary) -> str:
    text = held_note(summary.total)
    return "" if text is None else f"<p><b>{escape(text)}</b></p>"


def _path_note(summary: Summary) -> str:
    deals, path = summary.total.deals, summary.path_deals
    if not deals:
        return "<p>There were no deals.</p>"
    if not path:
        return "<p>No fill depended on how prices were assumed to move inside candles.</p>"
    return (
        f"<p><b>{path:,} of {deals:,} fills ({100 * path / deals:.1f} %)</b> depended, in price or in time, "
        "on how prices were assumed to move inside candles; <code>trades.csv</code> marks them.</p>"
    )


def _gap_note(summary: Summary) -> str:
    inside, after = summary.deals_in_gaps, summary.deals_after_gaps
    if not inside and not after:
        return ""
    return (
        f"<p><b>{inside:,} fills in gaps</b> of the data were made at the price before, and <b>{after:,} "
        "right after a gap</b> were of orders from before, whose price the market jumped to; "
        "<code>trades.csv</code> marks them. Nobody recorded these prices: fill the gaps, or leave them "
        "out.</p>"
    )


def _tables(analysis: Analysis, summary: Summary) -> str:
    run = analysis.run
    return f"""<h2>Numbers</h2>
{_figures(summary)}
<h2>Assumptions</h2>
{table(("assumption", "value"), run.assumptions.items())}
<h2>Data</h2>
{_files(run)}"""


def _figures(summary: Summary) -> str:
    columns: list[tuple[str, Statistics]] = [("account", summary.total)]
    columns += [(f"strategy {name}", each) for name, each in summary.strategies.items()]
    columns += summary.symbols.items()
    rows = (
        [figure.title, *(written(getattr(each, figure.key), figure.kind) for _, each in columns)]
        for figure in FIGURES
    )
    paid = ", ".join(f"{amount:f} {code}" for code, amount in summary.total.fees_by_currency.items())
    note = f'<p class="note">Fees as they were paid: {escape(paid)}.</p>' if paid else ""
    return table(["", *(name for name, _ in columns)], rows, numeric=True) + note


def _files(run: Run) -> str:
    if not run.data:
        return '<p class="note">No files were read.</p>'
    head = ("file", "rows", "from", "to", "duplicates", "in conflict", "rounded", "missing", "gaps")
    reports = sorted(run.data, key=lambda report: (file_name(report.path), report.first_ms or 0))
    rows = [
        (
            file_name(report.path),
            f"{report.rows:,}",
            "" if report.first_ms is None else _moment(report.first_ms),
            "" if report.last_ms is None else _moment(report.last_ms),
            f"{report.duplicates:,}",
            f"{report.conflicting:,}",
            f"{report.off_tick:,}" + (f", and {report.noisy:,} by float noise" if report.noisy else ""),
            f"{report.missing:,}",
            _gaps(report.gaps),
        )
        for report in reports
    ]
    return table(head, rows)


def _gaps(gaps: Sequence[tuple[int, int]]) -> str:
    texts = [f"{_moment(start)} to {_moment(end)}" for start, end in gaps[:_MOST_GAPS]]
    if len(gaps) > _MOST_GAPS:
        texts.append("and more, see summary.json")
    return "; ".join(texts)


def _section(title: str, charts: Sequence[Chart], note: str = "") -> tuple[str, Sequence[Chart]]:
    """A heading with its charts.

    :param note: plain text
    """
    if not charts:
        return "", ()
    text = f'<p class="note">{escape(note)}</p>\n' if note else ""
    return f"<h2>{escape(title)}</h2>\n{text}" + "\n".join(chart.html() for chart in charts), charts


# ------------------------------------------------------------------ charts


def _line(
    name: str, times: Sequence[int], values: Iterable[float], colour: str | None = None
) -> dict[str, Any]:
    line = {"width": 1.5} if colour is None else {"width": 1.5, "color": colour}
    trace = {"type": "scatter", "mode": "lines", "name": escape(name), "line": line}
    return {**trace, "x": [*times], "y": numbers(values)}


def _steps(name: str, times: Sequence[int], values: Sequence[float]) -> dict[str, Any]:
    trace = _line(name, *thin(times, values))
    trace["line"]["shape"] = "hv"
    return trace


def _equity(analysis: Analysis) -> list[Chart]:
    curve = analysis.account.curve
    seen = thin(curve.times, curve.equity, curve.lowest, curve.highest)
    return [time_chart("equity", [_line("equity", *seen, _PLAIN)], analysis.run.currency)]


def _drawdown(analysis: Analysis) -> list[Chart]:
    curve = analysis.account.curve
    times, values = thin(curve.times, curve.drawdown)
    trace = _line("drawdown", times, [-100 * value for value in values], _FALL) | {"fill": "tozeroy"}
    return [time_chart("drawdown", [trace], "%")]


def _profits(analysis: Analysis) -> list[Chart]:
    data = []
    for name, part in analysis.strategies.items():
        times, values = thin(part.curve.times, part.curve.equity)
        data.append(_line(f"strategy {name}", times, [value - float(part.start) for value in values]))
    return [time_chart("profits", data, analysis.run.currency)] if data else []


def _positions(analysis: Analysis) -> list[Chart]:
    data = [
        _steps(f"strategy {name}", part.curve.times, part.curve.net)
        for name, part in analysis.strategies.items()
    ]
    return [time_chart("positions", data, f"value in {analysis.run.currency}")] if data else []


def _exposure(analysis: Analysis) -> list[Chart]:
    curve = analysis.account.curve
    times, values = thin(curve.times, exposure(curve))
    trace = _line("exposure", times, [100 * value for value in values], _PLAIN)
    return [time_chart("exposure", [trace], "% of equity")]


def _costs(analysis: Analysis) -> list[Chart]:
    costs = analysis.costs
    data = [_steps("fees paid", costs.times, costs.fees)]
    if costs.funded:
        data.append(_steps("funding paid", costs.times, costs.funding))
    return [time_chart("costs", data, analysis.run.currency)]


# ------------------------------------------------------------------ orders and deals on price


def _markets(analysis: Analysis, marks: Marks) -> list[tuple[str, Sequence[Chart]]]:
    """A chart for each symbol that there were orders on."""
    run = analysis.run
    return [
        _market(run, symbol, f"price-{number}", marks)
        for number, symbol in enumerate(analysis.symbols)
        if symbol in run.prices and len(run.prices[symbol].times)
    ]


def _market(run: Run, symbol: str, name: str, marks: Marks) -> tuple[str, Sequence[Chart]]:
    prices, waiting = run.prices[symbol], marks.orders[symbol]
    data = [_line("price", *thin(prices.times, prices.values), "#8795a5")]
    drawn_orders = waiting.drawn(run.orders)
    if drawn_orders:
        data.append(_resting(drawn_orders, run.end_ms))
    deals = drawn_deals = 0
    for side, colour, shape in (("buy", _BUY, "triangle-up"), ("sell", _SELL, "triangle-down")):
        places = marks.deals[symbol, side]
        drawn = places.drawn(run.deals)
        drawn_deals += len(drawn)
        deals += len(places)
        if drawn:
            data.append(_deals(side, drawn, colour, shape, run.path_deals))
    notes = [
        f"{drawn:,} of {count:,} {what} are drawn, {_PICKED}; {file} has all."
        for what, drawn, count, file in (
            ("orders", len(drawn_orders), len(waiting), ORDERS),
            ("deals", drawn_deals, deals, TRADES),
        )
        if drawn < count
    ]
    return _section(symbol, [time_chart(name, data, _unit(run, symbol))], " ".join(notes))


def _unit(run: Run, symbol: str) -> str:
    return run.markets[symbol].quote if symbol in run.markets else ""


def _resting(orders: Sequence[Mark], end_ms: int) -> dict[str, Any]:
    """Each order as a line at its price, for as long as it was open."""
    times: list[int | None] = []
    levels: list[float | None] = []
    texts: list[str | None] = []
    for start_ms, row in orders:
        closed = row.get("closed_at")
        times += [start_ms, end_ms if closed is None else parse_time(closed), None]
        levels += [level(row), level(row), None]
        text = escape(f"order {row['id']}: {row['side']} {row['qty']}, {row['order_type']}, {row['status']}")
        texts += [text, text, None]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "orders",
        "x": times,
        "y": levels,
        "text": texts,
        "hoverinfo": "text+x+y",
        "line": {"width": 1, "color": _FALL},
    }


def _deals(
    side: str, deals: Sequence[Mark], colour: str, shape: str, path_deals: frozenset[int]
) -> dict[str, Any]:
    """Each deal as a mark at its price; an open one where it depended on the path inside a candle."""
    shapes = [f"{shape}-open" if row["id"] in path_deals else shape for _, row in deals]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": side,
        "hoverinfo": "text+x+y",
        "x": [at_ms for at_ms, _ in deals],
        "y": numbers(float(row["price"]) for _, row in deals),
        "text": [escape(_deal_text(row)) for _, row in deals],
        "marker": {"symbol": shapes if path_deals else shape, "size": 9, "color": colour},
    }


def _deal_text(row: Row) -> str:
    said = [f"deal {row['id']}: {row['side']} {row['qty']}"]
    said += [f"{name} {row[name]}" for name in ("pnl", "strategy_id", "reason", "comment") if row.get(name)]
    return ", ".join(said)
