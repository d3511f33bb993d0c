"""Whole columns at once, or row by row: the same pages, and the same is refused."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ccxt_driver.oms.market.bar_paths import NearExtremeFirst
from ccxt_driver.oms.market.decoders import CandleDecoder, TradeDecoder
from ccxt_driver.oms.market.file_rows import BadFile, Columns
from ccxt_driver.oms.market.prints import Prints
from ccxt_driver.oms.market.tape import FileReport

T = 1_700_006_400_000
MINUTE = 60_000

some = settings(max_examples=150, deadline=None)
ticks = st.sampled_from(["0.01", "0.5", "0.25", "1", "5", "10", "0.00000001", "0.3"]).map(Decimal)
steps = st.sampled_from([1, 1, 1, 1, 2, 5, 0, -1])
odd = st.sampled_from(["", "x", "nan", "inf", "-1", "0", "1e3", True, None, 1.5, 2, "0.30000000000000004"])
ways = st.sampled_from([str, float, lambda number: number, lambda number: f" {number} "])


@st.composite
def numbers(draw: st.DrawFn, tick: Decimal, most: int = 2_000) -> Decimal:
    """Multiples of a tick, now and then others."""
    number = tick * draw(st.integers(1, most))
    return number + draw(st.sampled_from([Decimal(0)] * 30 + [tick / 3, tick / 2, Decimal("1e-17")]))


@st.composite
def candles(draw: st.DrawFn) -> tuple[Decimal, Columns]:
    tick, way, at = draw(ticks), draw(ways), T
    rows: list[list[Any]] = []
    for step in draw(st.lists(steps, min_size=1, max_size=12)):
        at += step * MINUTE
        four = [draw(numbers(tick)) for _ in range(4)]
        row = [four[0], max(four), min(four), four[3], draw(numbers(Decimal("0.001")))]
        rows.append([at, *map(way, row)])
    return tick, _spoiled(draw, rows)


@st.composite
def trades(draw: st.DrawFn) -> tuple[Decimal, Columns]:
    tick, way, at = draw(ticks), draw(ways), T
    sides = draw(st.sampled_from([["buy", "sell"], ["", None], ["buy", "sell", ""]]))
    rows: list[list[Any]] = []
    for number, step in enumerate(draw(st.lists(steps, min_size=1, max_size=12))):
        at += step
        trade_id = draw(st.sampled_from([number, str(number), number - 1, "", None]))
        qty = way(draw(numbers(Decimal("0.001"))))
        rows.append([at, way(draw(numbers(tick))), qty, draw(st.sampled_from(sides)), trade_id])
    return tick, _spoiled(draw, rows)


def _spoiled(draw: st.DrawFn, rows: list[list[Any]]) -> Columns:
    if draw(st.integers(0, 9)) == 0:
        row = draw(st.sampled_from(rows))
        row[draw(st.integers(0, len(row) - 1))] = draw(odd)
    return [*zip(*rows, strict=True)]


class NoFile:
    path = Path("X.csv")

    def read(self, at: int, count: int) -> tuple[Columns, int | None]:
        raise AssertionError


def _pages(
    decoder: CandleDecoder | TradeDecoder, columns: Columns, cut: int
) -> tuple[list[Sequence[Any]], FileReport] | str:
    """What two pages of the columns say, or why they are refused."""
    report, prior, said = FileReport("X.csv"), None, []
    try:
        for part in (slice(0, cut), slice(cut, None)):
            page, prior = decoder.page([column[part] for column in columns], prior, report)
            said += [_said(page, index) for index in range(len(page))]
            said.append(page.bars if hasattr(page, "bars") else page.ticks)  # type: ignore[attr-defined]
    except BadFile as error:
        return str(error)
    return said, report


def _said(page: Prints, index: int) -> Sequence[Any]:
    return (
        page.time(index),
        page.price(index),
        page.qty(index),
        page.buys(index),
        page.trade_id(index),
        page.summary(0, index + 1),
    )


@some
@given(candles(), st.integers(0, 12))
def test_candles(given_rows: tuple[Decimal, Columns], cut: int) -> None:
    tick, columns = given_rows
    _same(lambda: CandleDecoder(NoFile(), tick, "1m", NearExtremeFirst()), columns, cut)


@some
@given(trades(), st.integers(0, 12))
@example((Decimal("0.01"), [(T, T), ("1", "1"), (Decimal(1), "0.2"), ("buy", "buy"), ("", "")]), 0)
def test_trades(given_rows: tuple[Decimal, Columns], cut: int) -> None:
    tick, columns = given_rows
    _same(lambda: TradeDecoder(NoFile(), tick), columns, cut)


def _same(make: Any, columns: Columns, cut: int) -> None:
    found = _pages(make(), columns, cut)
    with pytest.MonkeyPatch.context() as patch:
        for decoder in (CandleDecoder, TradeDecoder):
            patch.setattr(decoder, "_usual", lambda *_: None)
        expected = _pages(make(), columns, cut)
    assert found == expected
    if not isinstance(found, str):
        for said in found[0]:
            if len(said) == 6 and isinstance(said[1], Decimal):
                assert said[1] % make().tick == 0
