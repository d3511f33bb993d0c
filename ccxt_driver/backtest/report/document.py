"""One page of HTML with all that it needs inside: it works without a network, and on a phone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final, NamedTuple

_STYLE: Final = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; background: #fff; margin: 0 auto;
  max-width: 1100px; padding: 1rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; border-bottom: 1px solid #dde3ea; padding-bottom: .2rem; }
h3 { font-size: 1rem; margin: 1rem 0 .2rem; }
p { margin: .3rem 0; }
.note { color: #5a6875; font-size: .9rem; }
.bad { border-left: 4px solid #c0392b; background: #fdf3f2; padding: .5rem .8rem; margin: 1rem 0; }
pre { overflow-x: auto; font-size: .8rem; margin: .3rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: .6rem;
  margin: 1rem 0; }
.tile { border: 1px solid #dde3ea; border-radius: 6px; padding: .5rem .7rem; }
.tile b { display: block; font-size: 1.15rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #edf0f4;
  vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.chart { width: 100%; height: 320px; }
@media (max-width: 600px) { .chart { height: 260px; } body { padding: .6rem; } }
"""
_DRAW: Final = """
const charts = JSON.parse(document.getElementById("charts").textContent);
for (const [id, chart] of Object.entries(charts)) {
  Plotly.newPlot(id, chart.data, chart.layout, {responsive: true, displaylogo: false});
}
"""
_DIGITS: Final = 8


class MissingPlotly(ImportError):
    """plotly, which draws the charts of a page, is not installed."""

    def __init__(self, page: str) -> None:
        super().__init__(f'{page} needs plotly: pip install "ccxt-driver[backtest]"')


class Chart(NamedTuple):
    """One chart of plotly.

    :param name: of the element that it is drawn in
    :param data: traces
    """

    name: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]

    def html(self) -> str:
        """The element that it is drawn in."""
        return f'<div class="chart" id="{escape(self.name)}"></div>'


def time_chart(name: str, data: list[dict[str, Any]], unit: str, **layout: Any) -> Chart:
    """A chart over time.

    :param unit: of the values
    """
    common = {
        "margin": {"l": 60, "r": 10, "t": 10, "b": 40},
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "#1d2733"},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
        "xaxis": {"type": "date", "gridcolor": "#edf0f4"},
        "yaxis": {"title": {"text": escape(unit)}, "gridcolor": "#edf0f4", "zerolinecolor": "#c5ced8"},
        "showlegend": len(data) > 1,
    }
    return Chart(name, data, common | layout)


def numbers(values: Iterable[float]) -> list[float]:
    """Values of a chart, to 8 significant digits."""
    return [float(f"{value:.{_DIGITS}g}") for value in values]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numeric: bool = False) -> str:
    """A table of texts; wider than the screen it can be moved.

    :param numeric: all but the first column stand at the right
    """
    body = "\n".join(_row("td", row, numeric) for row in rows)
    return f'<div class="wide"><table>\n{_row("th", head, numeric)}\n{body}\n</table></div>'


def _row(tag: str, texts: Sequence[str], numeric: bool) -> str:
    first, others = f"<{tag}>", f'<{tag} class="number">' if numeric else f"<{tag}>"
    cells = (f"{others if index else first}{escape(text)}</{tag}>" for index, text in enumerate(texts))
    return f"<tr>{''.join(cells)}</tr>"


def page(file_name: str, title: str, body: str, charts: Iterable[Chart]) -> str:
    """A whole page.

    :param file_name: of the page, for the message when something is missing
    :param title: plain text
    :param body: HTML with the elements of the charts
    :raises MissingPlotly: plotly is not installed
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise MissingPlotly(file_name) from error
    drawn = {chart.name: {"data": chart.data, "layout": chart.layout} for chart in charts}
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
{body}
<script type="application/json" id="charts">{_in_script(drawn)}</script>
<script>{get_plotlyjs()}</script>
<script>{_DRAW}</script>
</body>
</html>
"""


def _in_script(value: Any) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
