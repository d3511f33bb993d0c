"""`report.html`, read without a browser: what plotly is given, and what the texts say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs

from ccxt_driver.backtest.report import write_report
from ccxt_driver.backtest.report.analysis import analyse
from ccxt_driver.backtest.report.marks import Marks
from ccxt_driver.backtest.report.page import report_page
from ccxt_driver.backtest.report.statistics import summarise
from ccxt_driver.backtest.run import Prices, Run
from tests.helpers.backtest_runs import MINUTE, SPOT, SWAP, HandRun, T

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def page_of(run: Run) -> str:
    """The page without plotly's own text."""
    marks = Marks()
    analysis = analyse(run, marks.see_deal, marks.see_order)
    return report_page(analysis, summarise(analysis), marks).replace(get_plotlyjs(), "")


def charts_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


class Tags(HTMLParser):
    """Collects the tags of a page and checks that they are nested."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_each_chart_is_one_that_plotly_takes_and_has_its_place(run: Run) -> None:
    page = page_of(run)

    charts = charts_of(page)

    names = ["equity", "drawdown", "profits", "positions", "exposure", "costs", "price-0", "price-1"]
    assert [*charts] == names
    for chart in charts.values():
        go.Figure(chart)  # it refuses what it does not know
    tags = Tags(page)
    assert tags.open == []
    assert [attrs["id"] for tag, attrs in tags.seen if attrs.get("class") == "chart"] == names


def test_it_works_without_a_network(run: Run) -> None:
    page = page_of(run)

    tags = Tags(page)

    assert not [attrs for _, attrs in tags.seen if {"src", "href"} & set(attrs)]
    assert "http" not in page
    assert "url(" not in page


def test_orders_and_deals_are_drawn_on_the_price(run: Run) -> None:
    price, orders, buy, sell = charts_of(page_of(run))["price-0"]["data"]

    assert len(price["x"]) == 601
    assert orders["y"] == [20_000, 20_000, None, 30_900, 30_900, None]
    assert orders["x"][:3] == [run.start_ms, run.end_ms, None]
    assert (buy["x"], buy["marker"]["symbol"]) == ([T], ["triangle-up"])
    assert sell["y"] == [30_900]
    assert sell["marker"]["symbol"] == ["triangle-down-open"]  # it depended on the path


def test_long_series_are_reduced_and_say_so() -> None:
    minutes = 20_000
    hand = HandRun({SPOT: [100.0 + minute % 7 for minute in range(minutes)]}, minutes)
    hand.book(0, "USDT", 100_000)
    for number in range(8_000):
        hand.spot(2 * number, "sell" if number % 2 else "buy", "1", "100")

    page = page_of(hand.run())

    price, buy, sell = charts_of(page)["price-0"]["data"]
    assert max(len(trace["x"]) for trace in (price, buy, sell)) <= 3_000
    assert (min(price["y"]), max(price["y"])) == (100, 106)
    drawn = len(buy["x"]) + len(sell["x"])
    assert f"{drawn:,} of 8,000 deals are drawn, the first, the last, and those at" in page
    assert "; trades.csv has all." in page


def test_what_others_wrote_is_text(run: Run) -> None:
    deals = [{**row, "comment": EVIL, "reason": EVIL} for row in run.deals]
    page = page_of(
        replace(
            run,
            name=EVIL,
            deals=deals,
            error=f"ValueError: {EVIL}",
            assumptions={EVIL: EVIL},
            currency="USDT",
        )
    )

    assert "<img" not in page
    assert page.count("<script") == 3
    assert "alert(1)" in unescape(page)
    charts = charts_of(page)
    assert "<img" not in json.dumps(charts)
    assert "&lt;img" in charts["price-0"]["data"][2]["text"][0]


def test_it_says_what_to_know_before_trusting_it(run: Run) -> None:
    error = 'Traceback (most recent call last):\n  File "/a/strategy.py", line 1\nValueError: no'

    page = page_of(replace(run, error=error, ended="error"))

    text = unescape(re.sub(r"<[^>]+>", "", page))
    assert "1 of 4 fills (25.0 %) depended" in text
    assert "The script failed" in text
    assert 'File "strategy.py", line 1' in text
    assert "open, high, low, close" in text
    assert "2023-11-15 00:00:00 to 2023-11-15 00:01:00" in text  # a gap
    assert "BTC_USDT-1m.csv" in text


def test_what_has_no_price_is_told_at_the_top(run: Run) -> None:
    page = page_of(replace(run, prices={SPOT: run.prices[SPOT]}))

    assert f"No prices lead from {SWAP} to USDT" in page


def test_what_coins_of_the_start_made_is_told_at_the_top() -> None:
    hand = HandRun({SPOT: [1_000, 1_500]}, 2)
    hand.book(0, "BTC", 3)

    text = page_of(hand.run())

    assert "trading made 0.00, and what the account held from the start made 1,500.00 by its price" in text
    hand = HandRun({SPOT: [1_000, 1_500]}, 2)
    hand.book(0, "USDT", 3)
    assert "from the start made" not in page_of(hand.run())


def test_a_run_without_a_deal_has_a_page() -> None:
    hand = HandRun({SPOT: [100]}, 5)
    hand.book(0, "USDT", 1000)

    page = page_of(hand.run())

    assert "There were no deals." in page
    assert [*charts_of(page)] == ["equity", "drawdown", "exposure", "costs"]


def test_a_symbol_without_prices_has_no_chart() -> None:
    hand = HandRun({}, 5)
    hand.spot(1, "buy", "1", "100")

    assert "price-0" not in charts_of(page_of(hand.run(prices={SPOT: Prices([], [])})))


def test_without_plotly_the_files_are_written_and_it_says_how_to_install_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(run, tmp_path)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)

    with pytest.warns(UserWarning, match=r'pip install "ccxt-driver\[backtest\]"'):
        write_report(run, tmp_path)

    # A page of the run before would show other numbers than the files.
    assert {file.name for file in tmp_path.iterdir() if file.is_file()} == {
        *("trades.csv", "orders.csv", "equity.csv", "summary.json"),
    }


def test_plotly_is_imported_only_for_the_page() -> None:
    code = "import sys, ccxt_driver.backtest.report; assert 'plotly' not in sys.modules, 'plotly'"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path(__file__).parents[4])


def test_the_curve_shows_extremes_between_its_samples() -> None:
    minutes = [100.0] * 60_000
    minutes[30_001] = 40
    hand = HandRun({SPOT: minutes}, 60_000)
    hand.book(0, "BTC", 1)

    [trace] = charts_of(page_of(hand.run()))["equity"]["data"]

    assert len(trace["x"]) <= 3_000
    assert min(trace["y"]) == 40
    assert trace["x"][trace["y"].index(40)] - (T + 30_001 * MINUTE) < 15 * MINUTE
