"""Recorded prices: one history whatever is asked, and nothing of the future in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccxt_driver.oms.market import decoders
from ccxt_driver.oms.market import prints as prints_module
from ccxt_driver.oms.market.bar_paths import (
    BarPath,
    NearExtremeFirst,
    OpenHighLowClose,
    OpenLowHighClose,
    WorstFirst,
)
from ccxt_driver.oms.market.feed import Candle, Quote
from ccxt_driver.oms.market.files import FileFeed

T = 1_700_006_400_000
MINUTE = 60_000
SYMBOL = "LTC/USDT"
NAMES = ("LTC_USDT-1m.csv", "LTC_USDT-trades.csv", "LTC_USDT-quotes.csv")

some = settings(max_examples=40, deadline=None)
prices = st.integers(5_000, 5_100).map(lambda cents: Decimal(cents) / 100)
quantities = st.integers(0, 10_000).map(lambda lots: Decimal(lots) / 1000)
paths = st.sampled_from([OpenHighLowClose(), OpenLowHighClose(), NearExtremeFirst(), WorstFirst("short")])

bars = st.lists(
    st.tuples(st.sampled_from([1, 1, 1, 2, 7]), st.tuples(prices, prices, prices, prices), quantities),
    min_size=1,
    max_size=60,
)
prints = st.lists(
    st.tuples(st.sampled_from([0, 1, 900, 40_000, 200_000]), prices, quantities), min_size=1, max_size=60
)
quotes = st.lists(
    st.tuples(st.sampled_from([0, 5, 30_000, 100_000]), prices, st.integers(1, 20)), min_size=1, max_size=30
)


@pytest.fixture(autouse=True, scope="module")
def _short_pages() -> Iterator[None]:
    """Pages of a few rows: nothing may depend on where one ends."""
    with pytest.MonkeyPatch.context() as patch:
        made = decoders.RowDecoder.__init__

        def short(self: decoders.RowDecoder, file: object, tick: Decimal, rows: int) -> None:
            made(self, file, tick, 5)  # type: ignore[arg-type]

        patch.setattr(decoders.RowDecoder, "__init__", short)
        patch.setattr(prints_module, "BLOCK", 3)
        yield


@contextmanager
def files(
    bar_rows: list | None = None, print_rows: list | None = None, quote_rows: list | None = None
) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in zip(
            NAMES, (_bars(bar_rows or []), _prints(print_rows or []), _quotes(quote_rows or [])), strict=True
        ):
            if text.count("\n") > 1:
                Path(folder, name).write_text(text)
        yield Path(folder)


def _bars(rows: list) -> str:
    text, at = "timestamp,open,high,low,close,volume\n", T - MINUTE
    for minutes, (first, second, third, fourth), volume in rows:
        at += minutes * MINUTE
        four = (first, second, third, fourth)
        text += f"{at},{first},{max(four)},{min(four)},{fourth},{volume}\n"
    return text


def _prints(rows: list) -> str:
    text, at = "timestamp,price,amount\n", T
    for wait, price, qty in rows:
        at += wait
        text += f"{at},{price},{qty}\n"
    return text


def _quotes(rows: list) -> str:
    text, at = "timestamp,bid,ask\n", T
    for wait, bid, cents in rows:
        at += wait
        text += f"{at},{bid},{bid + Decimal(cents) / 100}\n"
    return text


def joined(parts: list[Candle]) -> tuple[Decimal, ...]:
    return (
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum((part.volume for part in parts), Decimal(0)),
    )


@some
@given(bars, paths, st.integers(0, 4_000_000))
def test_candles_of_any_timeframe_aggregate_to_the_same(rows: list, path: BarPath, after: int) -> None:
    with files(rows) as folder:
        feed, now = FileFeed(folder, path=path), T + after
        minutes = feed.candles(SYMBOL, "1m", T, now, 10_000)
        recorded = {int(line.split(",")[0]) for line in _bars(rows).splitlines()[1:]}
        if after < (rows[0][0] - 1) * MINUTE:
            assert minutes == feed.candles(SYMBOL, "1d", None, now, 5) == []
            return
        for timeframe, length in (("5m", 300_000), ("15m", 900_000), ("1h", 3_600_000)):
            for candle in feed.candles(SYMBOL, timeframe, T, now, 1_000):
                parts = [part for part in minutes if 0 <= part.open_ms - candle.open_ms < length]
                # Flat ones stand for nothing recorded, and are no part of longer ones that have something.
                assert candle[1:] == joined([part for part in parts if part.open_ms in recorded] or parts)
        assert feed.quote(SYMBOL, now).last == minutes[-1].close


@some
@given(bars, paths)
def test_finished_candles_are_those_of_the_file(rows: list, path: BarPath) -> None:
    with files(rows) as folder:
        feed = FileFeed(folder, path=path)
        known = {candle.open_ms: candle for candle in feed.candles(SYMBOL, "1m", T, T + 600 * MINUTE, 10_000)}
        for line in _bars(rows).splitlines()[1:]:
            open_ms, *values = line.split(",")
            assert known[int(open_ms)][1:] == tuple(map(Decimal, values))


@some
@given(prints, st.none() | quotes, st.integers(0, 5_000_000), st.sampled_from(["1s", "1m", "1h", "1d"]))
def test_trades_candles_and_quotes_are_of_one_history(
    rows: list, books: list | None, after: int, timeframe: str
) -> None:
    with files(None, rows, books) as folder:
        feed, now = FileFeed(folder), T + after
        if after < rows[0][0]:
            return
        trades = feed.trades(SYMBOL, T, now, 10_000)
        assert trades == feed.trades(SYMBOL, None, now, 10_000)
        newest = feed.candles(SYMBOL, timeframe, None, now, 1)[-1]
        volume = sum((row.qty for row in trades if row.time_ms >= newest.open_ms), Decimal(0))
        assert newest.volume == volume
        quote = feed.quote(SYMBOL, now)
        assert quote.bid < quote.ask
        assert quote.bid <= quote.last <= quote.ask
        bids, asks = feed.book(SYMBOL, now)
        assert (bids[0].price, asks[0].price) == (quote.bid, quote.ask)


def _ask_all(feed: FileFeed, now: int) -> list[object]:
    return [
        feed.quote(SYMBOL, now),
        feed.book(SYMBOL, now),
        feed.book_version(SYMBOL, now),
        feed.candles(SYMBOL, "1m", T, now, 10_000),
        feed.candles(SYMBOL, "1d", None, now, 2),
        feed.trades(SYMBOL, None, now, 50),
        feed.first_move(SYMBOL, T, now, Decimal("50.2"), Decimal("50.8")),
    ]


@some
@given(prints, quotes, prints, quotes, st.integers(0, 500_000))
def test_what_comes_after_a_moment_changes_nothing_before_it(
    rows: list, books: list, more_rows: list, more_books: list, gap: int
) -> None:
    """No look-ahead: another future makes no other past, also when it was looked at first."""
    now = T + max(sum(row[0] for row in rows), sum(row[0] for row in books))
    later = gap + 1
    with files(None, rows, books) as folder:
        alone = _ask_all(FileFeed(folder), now)
    wait_rows = now - T - sum(row[0] for row in rows) + later
    wait_books = now - T - sum(row[0] for row in books) + later
    rows = [*rows, (wait_rows, *more_rows[0][1:]), *more_rows[1:]]
    books = [*books, (wait_books, *more_books[0][1:]), *more_books[1:]]
    with files(None, rows, books) as folder:
        feed = FileFeed(folder)
        assert _ask_all(feed, now) == alone
        _ask_all(feed, now + 10_000_000)
        assert _ask_all(feed, now) == alone


@some
@given(prints, st.none() | quotes, st.integers(0, 300_000), st.integers(0, 3_000_000), prices, prices)
def test_the_first_move_is_the_first_of_all_moments(
    rows: list, books: list | None, after: int, span: int, low: Decimal, high: Decimal
) -> None:
    with files(None, rows, books) as folder:
        feed, start = FileFeed(folder), T + rows[0][0] + after
        times, at, book_at = [], T, T
        for row in rows:
            at += row[0]
            times.append(at)
        for row in books or ():
            book_at += row[0]
            times.append(book_at)
        expected: Quote | None = None
        for moment in sorted(time for time in times if start < time <= start + span):
            quote = feed.quote(SYMBOL, moment)
            if quote.bid <= low or quote.ask >= high:
                expected = quote
                break
        assert feed.first_move(SYMBOL, start, start + span, low, high) == expected
        assert FileFeed(folder).first_move(SYMBOL, start, start + span, low, high) == expected


@some
@given(bars, st.integers(1, 100), st.integers(0, 7_200_000), st.sampled_from([(5, "5m"), (15, "15m")]))
def test_longer_candles_of_the_time_before_tell_nothing_of_what_is_to_come(
    rows: list, begins: int, after: int, asked: tuple[int, str]
) -> None:
    """A file of five minutes, and minutes from some moment on: nothing is told before it closes."""
    length, timeframe = asked[0] * MINUTE, asked[1]
    with files(rows) as folder:
        minutes = FileFeed(folder)
        end = minutes.end_ms
        five = [row for row in minutes.candles(SYMBOL, "5m", None, end, 10_000) if row.volume]
        lines = (folder / NAMES[0]).read_text().splitlines()
        later = [line for line in lines[1:] if int(line.split(",")[0]) >= T + begins * MINUTE]
        if not later or not five:
            return
        text = "".join(",".join(map(str, candle)) + "\n" for candle in five)
        (folder / "LTC_USDT-5m.csv").write_text(lines[0] + "\n" + text)
        (folder / NAMES[0]).write_text("\n".join([lines[0], *later]) + "\n")
        feed = FileFeed(folder)
        now = T + after
        for candle in feed.candles(SYMBOL, timeframe, None, now, 100):
            closed = [
                row for row in five if candle.open_ms <= row.open_ms and row.open_ms + 300_000 <= now + 1
            ]
            told = [row for row in closed if row.open_ms < candle.open_ms + length]
            if candle.open_ms + length <= feed.start_ms:
                assert candle.volume == sum((row.volume for row in told), Decimal(0))
                assert not told or candle[1:] == joined(told)
