"""The table on the terminal, and how numbers are written in it."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

import pytest
from rich.console import Console

from ccxt_driver.backtest.report import Statistics, Summary, notes, summary_table
from ccxt_driver.backtest.report.analysis import analyse
from ccxt_driver.backtest.report.figures import FIGURES, Kind, Number, difference, written
from ccxt_driver.backtest.report.statistics import summarise
from ccxt_driver.backtest.run import Run
from tests.helpers.backtest_runs import SPOT, HandRun


def shown(summary: Summary, width: int = 100) -> list[str]:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(summary_table(summary))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_one_strategy_has_one_column() -> None:
    hand = HandRun({SPOT: [100, 110]}, 2)
    hand.book(0, "USDT", 1000)
    hand.spot(0, "buy", "1", "100")
    hand.spot(1, "sell", "1", "110")

    lines = shown(summarise(analyse(hand.run())))

    assert lines[0].split() == ["account"]
    assert ["Net", "profit", "10.00"] in [line.split() for line in lines]
    assert lines[-1].split()[-3:] == ["0", "of", "2"]


def test_several_strategies_stand_side_by_side(run: Run) -> None:
    lines = shown(summarise(analyse(run)))

    assert lines[0].split() == ["account", "strategy", "1", "strategy", "2"]
    assert ["Deals", "4", "2", "2"] in [line.split() for line in lines]


def test_what_has_no_price_is_told() -> None:
    hand = HandRun({}, 2)
    hand.book(0, "XRP", 5)

    assert shown(summarise(analyse(hand.run())))[-1].split()[-1] == "XRP"


def test_deals_that_hang_on_gaps_are_told() -> None:
    hand = HandRun({SPOT: [100, 110]}, 2)
    hand.book(0, "USDT", 1000)
    hand.spot(0, "buy", "1", "100")
    hand.spot(1, "sell", "1", "110")

    summary = summarise(analyse(hand.run(gap_deals={1: "inside", 2: "after"})))

    lines = shown(summary, width=60)
    assert [line.split()[-1] for line in lines[-2:]] == ["1", "1"]
    assert lines[-1].startswith("Deals of orders that met a gap ")
    [note] = notes(summary)
    assert "fill the gaps" in note
    assert notes(summarise(analyse(hand.run()))) == []


def test_what_coins_of_the_start_made_is_told_apart_from_trading() -> None:
    hand = HandRun({SPOT: [1_000, 1_500]}, 2)
    hand.book(0, "USDT", 1_000)
    hand.book(0, "BTC", 3)
    hand.spot(0, "sell", "1", "1000", "2")

    summary = summarise(analyse(hand.run()))

    assert (summary.total.net_profit, summary.total.trading_profit) == (998, -502)
    assert ["Made", "by", "trading", "-502.00"] in [line.split() for line in shown(summary)]
    [note] = notes(summary)
    assert "trading made -502.00, " in note
    assert "from the start made 1,500.00 by" in note


def test_every_number_has_a_name() -> None:
    named = [figure.key for figure in FIGURES]

    assert len(named) == len(set(named))
    assert {field.name for field in fields(Statistics)} - set(named) == {"fees_by_currency"}


@pytest.mark.parametrize(
    "value,kind,text",
    [
        (None, "money", "-"),
        (Decimal("1234567.891"), "money", "1,234,567.89"),
        (Decimal("-0.00012345"), "money", "-0.0001234"),
        (0, "money", "0.00"),
        (0.12345, "share", "12.35 %"),
        (1.5, "ratio", "1.50"),
        (12_000, "count", "12,000"),
        (0, "time", "0 s"),
        (59_999, "time", "59 s"),
        (3_600_000, "time", "1 h"),
        (3_600_000 * 25 + 60_000, "time", "1 d 1 h"),
        (86_400_000 + 60_000, "time", "1 d"),
    ],
)
def test_numbers_for_people(value: Number, kind: Kind, text: str) -> None:
    assert written(value, kind) == text


@pytest.mark.parametrize(
    "value,base,kind,text",
    [
        (2, 1, "count", "+1"),
        (1.0, 2.5, "ratio", "-1.50"),
        (0.1, 0.1, "share", "0.00 pp"),
        (0.2, 0.1, "share", "+10.00 pp"),
        (60_000, 180_000, "time", "-2 min"),
        (None, 1, "money", "-"),
        (1, None, "money", "-"),
    ],
)
def test_differences_for_people(value: Number, base: Number, kind: Kind, text: str) -> None:
    assert difference(value, base, kind) == text
