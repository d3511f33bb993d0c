"""Recorded prices: what files may look like, what is shown of them, and what is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import DEFAULT_MARKETS, EmbeddedOms
from ccxt_driver.oms.market.bar_paths import (
    BAR_PATHS,
    BarPath,
    NearExtremeFirst,
    OpenHighLowClose,
    OpenLowHighClose,
    WorstFirst,
    bar_path,
)
from ccxt_driver.oms.market.book_sizes import ShareOfPrint, book_size
from ccxt_driver.oms.market.feed import UNLIMITED, Candle, NoPrice
from ccxt_driver.oms.market.file_rows import BadFile, CsvFile
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.market.listing import UnknownSymbol

D: Final = Decimal
T = 1_700_006_400_000  # a whole hour
MINUTE = 60_000
SYMBOL = "BTC/USDT"
HEAD = "timestamp,open,high,low,close,volume\n"
LEVELS = (
    "timestamp,bids[0].price,bids[0].amount,bids[1].price,bids[1].amount,"
    "asks[0].price,asks[0].amount,asks[1].price,asks[1].amount\n"
)


def write(folder: Path, name: str, rows: Sequence[Sequence[Any]], head: str = HEAD) -> Path:
    path = folder / name
    path.write_text(head + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def candles(folder: Path, rows: Sequence[Sequence[Any]], name: str = "BTC_USDT-1m.csv") -> Path:
    return write(folder, name, [(T + minute * MINUTE, *row) for minute, *row in rows])


def trades(folder: Path, rows: Sequence[Sequence[Any]]) -> Path:
    return write(
        folder,
        "BTC_USDT-trades.csv",
        [(T + after, *row) for after, *row in rows],
        "timestamp,price,amount,side,id\n",
    )


ONE = (0, 100, 110, 90, 105, 8)
TWO = (1, 105, 107, 101, 102, 4)


# ------------------------------------------------------------------ candles


def test_a_candle_shows_what_has_happened_in_it_so_far(tmp_path: Path) -> None:
    feed = FileFeed(candles(tmp_path, [ONE, TWO]))

    seen = [feed.candles(SYMBOL, "1m", None, T + at, 1) for at in (0, 20_000, 40_000, 59_999, 60_000)]

    assert [tuple(map(str, row[0][1:])) for row in seen] == [
        ("100", "100", "100", "100", "0"),
        ("100", "110", "100", "110", "2.66"),
        ("100", "110", "90", "90", "5.32"),
        ("100", "110", "90", "105", "8"),
        ("105", "105", "105", "105", "0"),
    ]
    lasts = [feed.quote(SYMBOL, T + at).last for at in (0, 19_998, 19_999, 39_998, 39_999, 59_998, 59_999)]
    assert lasts == [100, 100, 110, 110, 90, 90, 105]


@pytest.mark.parametrize(
    "path, way",
    [
        (OpenHighLowClose(), [100, 110, 90, 105]),
        (OpenLowHighClose(), [100, 90, 110, 105]),
        (NearExtremeFirst(), [100, 90, 110, 105]),
        (WorstFirst("long"), [100, 90, 110, 105]),
        (WorstFirst("short"), [100, 110, 90, 105]),
    ],
)
def test_the_way_through_a_candle_is_that_of_the_model(tmp_path: Path, path: BarPath, way: list[int]) -> None:
    feed = FileFeed(candles(tmp_path, [ONE]), path=path)

    times = (T, T + 19_999, T + 39_999, T + 59_999)
    assert [feed.quote(SYMBOL, at).last for at in times] == way
    assert [row.price for row in feed.trades(SYMBOL, T, T + MINUTE, 10)] == way[1:]


def test_the_nearer_extreme_may_be_the_high() -> None:
    assert NearExtremeFirst().points(Candle(T, D(100), D(102), D(90), D(95), D(1)))[1] == 102


def test_another_word_for_what_is_held_is_refused() -> None:
    with pytest.raises(ValueError, match="holding: expected long or short"):
        WorstFirst("both")


@pytest.mark.parametrize(
    "name, second",
    [
        ("open-high-low-close", 110),
        ("open-low-high-close", 80),
        ("near-extreme-first", 110),
        ("worst-first", 80),
        ("worst-first-short", 110),
    ],
)
def test_paths_have_names(name: str, second: int) -> None:
    assert bar_path(name).points(Candle(T, D(100), D(110), D(80), D(95), D(1)))[1] == second
    assert name in BAR_PATHS


def test_another_name_of_a_path_is_refused() -> None:
    with pytest.raises(ValueError, match=r"path: expected one of open-high-low-close, .*, got 'best'"):
        bar_path("best")


@pytest.mark.parametrize(
    "text, qty", [("unlimited", UNLIMITED), ("share-of-volume", D("0.6")), ("share-of-volume:0.5", D(3))]
)
def test_sizes_have_names(text: str, qty: D) -> None:
    assert book_size(text).qty(D("6.04"), D("0.1")) == qty


@pytest.mark.parametrize(
    "text, expected",
    [
        ("all", "volume: expected unlimited"),
        ("share-of-volume:", "volume: expected unlimited"),
        ("share-of-volume:x", "share: expected above 0"),
        ("share-of-volume:nan", "share: expected above 0"),
        ("share-of-volume:2", "share: expected above 0"),
    ],
)
def test_another_name_of_a_size_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        book_size(text)


def test_a_share_of_volume_limits_what_fills(tmp_path: Path) -> None:
    """Of each of the points of a candle with a volume of 8 a tenth of 2; at the high it is too dear.

    At an opening there rests what rested in the candle before, of which nobody knows in the first one.
    """
    candles(tmp_path, [ONE, (1, 100, 110, 90, 105, 4)])
    oms = EmbeddedOms(feed=FileFeed(tmp_path, size=book_size("share-of-volume:0.1")))
    order = {"symbol": SYMBOL, "side": "buy", "order_type": "limit", "qty": "1", "price": "105"}
    oms.handle("commands", {}, {}, {"account_id": 1, "command": "send_order", "payload": order})

    oms.advance(2 * MINUTE - 1)

    query = {"account_ids": "1", "since_ms": str(T), "sort": "asc"}
    deals = oms.handle("deals", {}, query, None).body["items"]
    assert [deal["qty"] for deal in deals] == ["0.2", "0.2", "0.2", "0.1", "0.1"]


def test_a_path_of_three_points_keeps_the_whole_volume(tmp_path: Path) -> None:
    class Straight:
        def points(self, candle: Candle) -> Sequence[D]:
            return candle.open, candle.high, candle.close

    feed = FileFeed(candles(tmp_path, [(0, 100, 110, 100, 105, "0.1")]), path=Straight())

    assert [row.qty for row in feed.trades(SYMBOL, T, T + MINUTE, 9)] == [D("0.05"), D("0.05")]
    assert feed.candles(SYMBOL, "1m", T, T + MINUTE, 1)[0].volume == D("0.1")


def test_a_path_without_a_way_is_refused(tmp_path: Path) -> None:
    class Point:
        def points(self, candle: Candle) -> Sequence[D]:
            return (candle.open,)

    with pytest.raises(ValueError, match="path: expected at least"):
        FileFeed(candles(tmp_path, [ONE]), path=Point()).check()


def test_gaps_and_duplicates_are_reported_and_shown_flat(tmp_path: Path) -> None:
    feed = FileFeed(candles(tmp_path, [ONE, ONE, (3, 102, 103, 101, 102, 4)]))

    [report] = feed.check()

    assert (report.rows, report.duplicates, report.missing) == (2, 1, 2)
    assert report.gaps == [(T + MINUTE, T + 3 * MINUTE)]
    assert (report.first_ms, report.last_ms, report.complete) == (T, T + 4 * MINUTE - 1, True)
    flat = feed.candles(SYMBOL, "1m", T + MINUTE, T + 4 * MINUTE, 2)
    assert [row[1:] for row in flat] == [(D(105),) * 4 + (D(0),)] * 2


def test_a_candle_without_volume_moves_the_price_and_is_no_trade(tmp_path: Path) -> None:
    feed = FileFeed(candles(tmp_path, [ONE, (1, 105, 106, 104, 104, 0)]))

    assert feed.quote(SYMBOL, T + 2 * MINUTE).last == 104
    assert len(feed.trades(SYMBOL, T, T + 2 * MINUTE, 100)) == 3


def test_prices_off_the_tick_are_rounded_and_counted(tmp_path: Path) -> None:
    feed = FileFeed(candles(tmp_path, [(0, "100.004", 110, 90, "105.005", 8)]))

    [report] = feed.check()

    assert report.off_tick == 2
    assert feed.candles(SYMBOL, "1m", T, T + MINUTE, 1)[0][1:5] == (D("100.00"), D(110), D(90), D("105.00"))


def test_a_path_with_another_number_of_points_in_a_later_candle_is_refused(tmp_path: Path) -> None:
    class Changing:
        def points(self, candle: Candle) -> Sequence[D]:
            way = (candle.open, candle.high, candle.low, candle.close)
            return way if candle.open_ms == T else (*way, candle.close)

    feed = FileFeed(candles(tmp_path, [ONE, TWO]), path=Changing())

    with pytest.raises(ValueError, match="path: expected 4 points in every candle, got 5"):
        feed.quote(SYMBOL, T + MINUTE)


def test_a_path_that_leaves_the_candle_is_refused(tmp_path: Path) -> None:
    class Flat:
        def points(self, candle: Candle) -> Sequence[D]:
            return candle.open, candle.close

    with pytest.raises(ValueError, match="path: expected open, high, low and close"):
        FileFeed(candles(tmp_path, [ONE]), path=Flat()).check()


def test_a_duplicate_that_says_something_else_is_counted_and_the_first_counts(tmp_path: Path) -> None:
    feed = FileFeed(candles(tmp_path, [ONE, (0, *ONE[1:5], "8.0"), (0, 100, 111, 90, 105, 8), TWO]))

    [report] = feed.check()

    assert (report.rows, report.duplicates, report.conflicting) == (2, 2, 1)
    assert feed.candles(SYMBOL, "1m", T, T, 1)[0].high == 100
    assert feed.candles(SYMBOL, "1m", T, T + MINUTE, 1)[0].high == 110


def test_a_bad_row_is_named_by_its_number(tmp_path: Path) -> None:
    rows = [(minute, 100, 110, 90, 105, 8) for minute in range(1_500)]
    rows[1_200] = (1_200, 100, 99, 90, 105, 8)

    with pytest.raises(BadFile, match=r"BTC_USDT-1m.csv: row 1201 \(17000784"):
        FileFeed(candles(tmp_path, rows)).check()


@pytest.mark.parametrize("count", [1_500, 3_000], ids=["in the last page", "before it"])
def test_nobody_goes_on_behind_a_bad_row(tmp_path: Path, count: int) -> None:
    """A program that catches the error and tries again saw a gap of a thousand candles."""
    rows: list[Sequence[object]] = [(minute, 100, 110, 90, 105, 8) for minute in range(count)]
    rows[1_200] = (1_200, 100, 99, 90, 105, 8)
    feed = FileFeed(candles(tmp_path, rows))

    assert feed.quote(SYMBOL, T + 1_000 * MINUTE).last == 100
    for _ in range(3):
        for at_ms in (T + 1_300 * MINUTE, T + (count - 1) * MINUTE):
            with pytest.raises(BadFile, match="row 1201"):
                feed.quote(SYMBOL, at_ms)
    assert feed.reach(T + 1_300 * MINUTE) == [str(tmp_path / "BTC_USDT-1m.csv")]
    [report] = feed.report()
    assert (report.complete, report.missing) == (False, 0)
    assert feed.quote(SYMBOL, T + 1_000 * MINUTE).last == 100


def test_pages_of_bars_are_ccxts_numbers(tmp_path: Path) -> None:
    feed = FileFeed(candles(tmp_path, [(0, "100.004", 110, 90, 105, "8.5"), (3, *TWO[1:])]))

    [page] = feed.bars(SYMBOL)

    assert page == (
        [T, T + 3 * MINUTE],
        [100.0, 105.0],
        [110.0, 107.0],
        [90.0, 101.0],
        [105.0, 102.0],
        [8.5, 4.0],
    )
    with pytest.raises(ValueError, match="BTC/USDT: expected a price that comes from trades"):
        next(feed.ticks(SYMBOL))


def test_bars_are_read_once_by_those_who_go_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = FileFeed(candles(tmp_path, [(minute, 100, 110, 90, 105, 8) for minute in range(5_000)]))
    reads: list[int] = []
    read = CsvFile.read
    monkeypatch.setattr(CsvFile, "read", lambda self, at, count: (reads.append(at), read(self, at, count))[1])

    seen = 0
    for page in feed.bars(SYMBOL):
        for open_ms in page.opens_ms:
            seen += 1
            assert feed.quote(SYMBOL, open_ms).last == 100
            assert feed.first_move(SYMBOL, open_ms, open_ms + MINUTE - 1, D(80), D(120)) is None

    assert (seen, len(reads)) == (5_000, len({*reads}))


# ------------------------------------------------------------------ trades, quotes, books


def test_pages_of_ticks_are_ccxts_numbers(tmp_path: Path) -> None:
    feed = FileFeed(trades(tmp_path, [(0, 100, 1, "buy", "a"), (5, "99.5", 3, "", "")]))

    [page] = feed.ticks(SYMBOL)
    assert page.ticks == ([T, T + 5], [100.0, 99.5], [1.0, 3.0], [True, False], ["a", None])
    assert page.costs() == [100.0, 298.5]
    with pytest.raises(ValueError, match="BTC/USDT: expected a price that comes from candles"):
        next(feed.bars(SYMBOL))


@pytest.mark.parametrize("written", [str.capitalize, str.upper, " {}".format])
def test_sides_are_known_however_they_are_written(tmp_path: Path, written: Callable[[str], str]) -> None:
    sides = ["sell", "sell", "buy", "buy"]
    path = trades(tmp_path, [(after, 100 + after, 1, written(side), "") for after, side in enumerate(sides)])

    [page] = FileFeed(path).ticks(SYMBOL)

    assert page.ticks.buys == [False, False, True, True]


def test_sides_of_json_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT-trades.jsonl"
    rows = [{"timestamp": T + n, "price": 100 + n, "amount": 1} for n in range(3)]
    sides: list[Any] = [{"side": None}, {"side": "Sell"}, {}]
    path.write_text("\n".join(json.dumps(row | side) for row, side in zip(rows, sides, strict=True)))

    [page] = FileFeed(path).ticks(SYMBOL)

    assert page.ticks.buys == [True, False, True]


def test_an_id_that_comes_again_later_is_another_trade(tmp_path: Path) -> None:
    feed = FileFeed(trades(tmp_path, [(0, 100, 1, "buy", 7), (0, 101, 1, "buy", 7), (5, 99, 3, "sell", 7)]))

    assert [row.price for row in feed.trades(SYMBOL, T, T + 5, 9)] == [100, 99]
    [report] = feed.check()
    assert (report.rows, report.duplicates, report.conflicting) == (2, 1, 1)


def test_trades_are_given_as_they_were(tmp_path: Path) -> None:
    feed = FileFeed(
        trades(
            tmp_path,
            [(0, 100, 1, "buy", "a"), (0, 101, 2, "sell", "b"), (0, 101, 2, "sell", "b"), (5, 99, 3, "", "")],
        )
    )

    rows = feed.trades(SYMBOL, None, T + 10, 10)

    assert [tuple(map(str, row)) for row in rows] == [
        ("a", str(T), "100", "1", "buy"),
        ("b", str(T), "101", "2", "sell"),
        ("3", str(T + 5), "99", "3", "sell"),
    ]
    assert feed.check()[0].duplicates == 1
    assert feed.trades(SYMBOL, None, T + 4, 1) == rows[1:2]
    assert feed.trades(SYMBOL, T + 1, T + 10, 5) == rows[2:]
    assert feed.trades(SYMBOL, T, T + 10, 0) == []


def test_the_quote_without_a_book_is_around_the_last_print(tmp_path: Path) -> None:
    feed = FileFeed(
        trades(tmp_path, [(0, 100, 1, "buy", 1), (5, 99, "0.45", "sell", 2)]),
        spread_ticks=3,
        size=ShareOfPrint("0.5"),
    )

    assert feed.quote(SYMBOL, T + 4) == (T, D("99.97"), D(100), D(100))
    assert feed.book(SYMBOL, T + 5) == (((D(99), D("0.225")),), ((D("99.03"), D("0.225")),))
    assert feed.book_version(SYMBOL, T + 5) == 2


@pytest.mark.parametrize(
    "row,path,quote",
    [
        ((101, 102, 100, 100), OpenHighLowClose(), ("100.00", "100.01")),
        ((101, 102, 100, 102), OpenLowHighClose(), ("101.99", "102.00")),
        ((101, 101, 100, 100), OpenHighLowClose(), ("100.00", "100.01")),
        ((100, 100, 100, 100), OpenHighLowClose(), ("99.99", "100.00")),
    ],
)
def test_a_price_that_stands_still_in_a_candle_leaves_its_quote(
    tmp_path: Path, row: tuple[int, ...], path: BarPath, quote: tuple[str, str]
) -> None:
    feed = FileFeed(candles(tmp_path, [(0, *row, 1)]), path=path)
    seen = feed.quote(SYMBOL, T + 59_999)
    assert (f"{seen.bid:.2f}", f"{seen.ask:.2f}") == quote


@pytest.mark.parametrize(
    "side,price,row,path",
    [
        ("buy", 100, (101, 102, 100, 100), OpenHighLowClose()),
        ("sell", 102, (101, 102, 100, 102), OpenLowHighClose()),
    ],
)
def test_an_order_that_is_only_touched_is_not_filled_by_a_candle_that_ends_there(
    tmp_path: Path, side: str, price: int, row: tuple[int, ...], path: BarPath
) -> None:
    oms = EmbeddedOms(feed=FileFeed(candles(tmp_path, [(0, *row, 1), (1, 101, 101, 101, 101, 1)]), path=path))
    exchange = OmsCcxtExchange({"options": {"oms": oms, "account_id": 1}})
    order = exchange.create_order(SYMBOL, "limit", side, 0.1, price)
    oms.advance(2 * MINUTE)
    assert exchange.fetch_order(order["id"], SYMBOL)["status"] == "open"


def test_quotes_and_books_of_files_are_shown(tmp_path: Path) -> None:
    trades(tmp_path, [(0, 100, 1, "buy", 1), (20, 98, 1, "sell", 2), (40, "100.5", 1, "buy", 3)])
    write(
        tmp_path,
        "BTC_USDT-book.csv",
        [(T + 10, "99.5", 1, "99.4", 2, "100.5", 3, "100.6", 4), (T + 30, 98, 1, "", "", 101, 3, "", "")],
        "timestamp,bids[0].price,bids[0].amount,bids[1].price,bids[1].amount,"
        "asks[0].price,asks[0].amount,asks[1].price,asks[1].amount\n",
    )
    feed = FileFeed(tmp_path)

    assert feed.book(SYMBOL, T + 10) == (
        ((D("99.5"), D(1)), (D("99.4"), D(2))),
        ((D("100.5"), D(3)), (D("100.6"), D(4))),
    )
    assert feed.quote(SYMBOL, T + 10) == (T + 10, D("99.5"), D("100.5"), D(100))
    # The trade below the bid shows that the book of ten has moved on.
    assert feed.quote(SYMBOL, T + 20) == (T + 20, D(98), D("98.01"), D(98))
    assert feed.quote(SYMBOL, T + 35) == (T + 30, D(98), D(101), D(98))
    assert feed.quote(SYMBOL, T + 40) == (T + 40, D(98), D(101), D("100.5"))
    assert feed.first_move(SYMBOL, T, T + 100, D(98), None) == feed.quote(SYMBOL, T + 20)
    assert feed.first_move(SYMBOL, T, T + 100, None, D(101)) == feed.quote(SYMBOL, T + 30)
    assert feed.first_move(SYMBOL, T, T + 100, D(97), D(102)) is None


def test_quotes_alone_make_prices_without_trades(tmp_path: Path) -> None:
    write(
        tmp_path,
        "BTC_USDT-quotes.csv",
        [(T, 100, 101, 2, ""), (T + 10, 101, "101.01", 2, 3)],
        "timestamp,bid,ask,bidVolume,askVolume\n",
    )
    feed = FileFeed(tmp_path)

    assert feed.quote(SYMBOL, T) == (T, D(100), D(101), D("100.5"))
    assert feed.book(SYMBOL, T) == (((D(100), D(2)),), ((D(101), UNLIMITED),))
    assert feed.quote(SYMBOL, T + 10).last == 101
    assert feed.trades(SYMBOL, None, T + 10, 5) == []
    assert feed.candles(SYMBOL, "1h", None, T + 10, 1)[0][1:] == (
        D("100.5"),
        D(101),
        D("100.5"),
        D(101),
        D(0),
    )


def quotes(folder: Path, seconds: Sequence[int], bid: int = 100) -> None:
    rows = [(T + 1000 * second, bid, bid + 1) for second in seconds]
    write(folder, "BTC_USDT-quotes.csv", rows, "timestamp,bid,ask\n")


def test_quotes_denser_than_candles_tell_the_way_inside_them(tmp_path: Path) -> None:
    candles(tmp_path, [(0, 100, 110, 90, 101, 8), (1, 101, 112, 95, 101, 8)])
    quotes(tmp_path, range(0, 120, 10))
    feed = FileFeed(tmp_path)
    inside = T + MINUTE + 19_999  # of the second candle the way is assumed to be at its high

    assert feed.quote(SYMBOL, inside + 1) == (inside + 1, D(100), D(101), D(101))
    assert feed.first_move(SYMBOL, T + MINUTE, T + 2 * MINUTE, D(99), None) is None
    assert feed.first_move(SYMBOL, T + MINUTE, T + 2 * MINUTE, None, D(105)) is None
    assert feed.is_way_known(SYMBOL, inside)
    # The candles themselves are what was recorded.
    assert feed.candles(SYMBOL, "1m", None, T + 2 * MINUTE - 1, 1)[0][1:5] == (101, 112, 95, 101)


def test_quotes_as_rare_as_candles_leave_the_way_inside_to_them(tmp_path: Path) -> None:
    candles(tmp_path, [(0, 100, 110, 90, 101, 8), (1, 101, 112, 95, 101, 8)])
    quotes(tmp_path, [1, 59, 119])  # one comes a second early
    feed = FileFeed(tmp_path)

    low = feed.first_move(SYMBOL, T + MINUTE, T + 2 * MINUTE, D(99), None)
    assert low is not None
    assert low.last == 95
    assert not feed.is_way_known(SYMBOL, low.time_ms)


def test_candles_move_the_price_on_where_quotes_end(tmp_path: Path) -> None:
    candles(tmp_path, [(minute, 101, 112, 95, 101, 8) for minute in range(4)])
    quotes(tmp_path, range(0, 120, 10))
    feed = FileFeed(tmp_path)

    low = feed.first_move(SYMBOL, T + MINUTE, T + 4 * MINUTE, D(99), None)
    assert low is not None
    assert low.last == 95
    # The last quote tells of the candle that it is in, and of the first points of the next.
    assert T + 2 * MINUTE < low.time_ms < T + 3 * MINUTE


# ------------------------------------------------------------------ formats


@pytest.mark.parametrize(
    "head, times",
    [
        ("timestamp,open,high,low,close,volume\n", [f"{T}.0", f"{T + MINUTE}.0"]),
        ("Timestamp,Open,High,Low,Close,Volume\n", [str(T), str(T + MINUTE)]),
        ("date,open,high,low,close,volume\n", ["2023-11-15 00:00:00", "2023-11-15 00:01:00"]),
        ("Date,open,high,low,close,volume\n", ["2023-11-15T00:00:00+00:00", "2023-11-15T00:01:00Z"]),
        ("timestamp,open,high,low,close,volume\n", ["2023-11-15T01:00:00+01:00", "2023-11-15 00:01"]),
        ("", [f"{T}.0", f"{T + MINUTE}.0"]),
        ('"timestamp","open","high","low","close","volume"\n', [str(T), str(T + MINUTE)]),
    ],
)
def test_csv_as_pandas_writes_it(tmp_path: Path, head: str, times: list[str]) -> None:
    rows = [(time, *row[1:]) for time, row in zip(times, (ONE, TWO), strict=True)]
    feed = FileFeed(write(tmp_path, "BTC_USDT-1m.csv", rows, head))

    assert (feed.start_ms, feed.end_ms) == (T, T + MINUTE + 59_999)
    assert [(row.open_ms, row.close) for row in feed.candles(SYMBOL, "1m", None, feed.end_ms, 5)] == [
        (T, 105),
        (T + MINUTE, 102),
    ]


def test_times_that_are_none_are_named(tmp_path: Path) -> None:
    for first in (f"{T}.5", "2023-11-15 00:61:00", "1e400"):
        with pytest.raises(BadFile, match=rf"row 1 \({first}.*expected a timestamp in milliseconds"):
            FileFeed(write(tmp_path, "BTC_USDT-1m.csv", [(first, *ONE[1:])])).check()


def test_the_noise_of_floats_makes_no_tick(tmp_path: Path) -> None:
    noisy = [(0, 1.5, 1.6, 1.4, 1.55, 1e6), (1, 1.501, 1.601, 1.4009999999999998, 1.551, 0.1 + 0.2)]
    feed = FileFeed(candles(tmp_path, noisy, "NEW_USDT-1m.csv"))

    [market] = feed.markets
    assert (market.tick_size, market.lot_size) == (D("0.001"), D("0.1"))
    [report] = feed.check()
    assert (report.noisy, report.off_tick) == (1, 0)
    assert feed.candles("NEW/USDT", "1m", None, feed.end_ms, 1)[0].low == D("1.401")


def test_numbers_that_are_long_on_purpose_make_the_tick(tmp_path: Path) -> None:
    feed = FileFeed(candles(tmp_path, [(0, *["0.1234567890123456"] * 4, 1)], "NEW_USDT-1m.csv"))

    assert feed.markets[0].tick_size == D("1e-16")


@pytest.mark.parametrize(
    "text",
    [
        f'{T},100,1,"buy","a, ""b"""\n{T + 1},101,1,sell,2\n',
        f"{T},100,1,buy,1\r\n\r\n{T + 1},101,1,sell,2\r\n",
        f"{T},100,1,buy,1\n{T + 1},101,1,sell,2,more\n",
        f"{T},100,1,buy,\x0b\n{T + 1},101,1,sell,",
        f"{T},100,1,buy,1\n{T + 1},101,1,sell,2\n\n\n",
    ],
)
def test_csv_in_its_odd_forms(tmp_path: Path, text: str) -> None:
    (tmp_path / "BTC_USDT-trades.csv").write_bytes(f"timestamp,price,amount,side,id\n{text}".encode())
    feed = FileFeed(tmp_path)

    assert [(row.price, row.side) for row in feed.trades(SYMBOL, T, T + 1, 9)] == [
        (100, "buy"),
        (101, "sell"),
    ]
    assert feed.end_ms == T + 1


OHLCV = [[T, 100.0, 110.5, 90.25, 105, 8], [T + MINUTE, 105, 107, 101, 102.1, 4.5]]


@pytest.mark.parametrize(
    "text", [json.dumps(OHLCV), "\n".join(map(json.dumps, OHLCV)), json.dumps(OHLCV, indent=1)]
)
def test_json_as_ccxt_has_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "BTC_USDT-1m.json").write_text(text)
    feed = FileFeed(tmp_path)

    assert [
        [float(value) for value in row] for row in feed.candles(SYMBOL, "1m", T, T + 2 * MINUTE, 2)
    ] == OHLCV


def test_json_structures_of_ccxt(tmp_path: Path) -> None:
    trade = {"id": "7", "timestamp": T, "price": 100.1, "amount": 0.1, "side": "sell", "info": {"é": "ü"}}
    book = {"timestamp": T, "bids": [[100.0, 1]], "asks": [[100.2, 2.5]], "nonce": None}
    (tmp_path / "BTC_USDT-trades.jsonl").write_text(json.dumps(trade, ensure_ascii=False) + "\n", "utf-8")
    (tmp_path / "BTC_USDT-book.json").write_text(json.dumps([book]))
    feed = FileFeed(tmp_path)

    assert feed.trades(SYMBOL, None, T, 1) == [("7", T, D("100.1"), D("0.1"), "sell")]
    assert feed.book(SYMBOL, T) == (((D(100), D(1)),), ((D("100.2"), D("2.5")),))


@pytest.mark.parametrize("end", ["csv", "json", "jsonl.gz"])
def test_a_program_may_go_to_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    rows = [[T + number * MINUTE, 100, 101, 99, 100, number] for number in range(3_000)]
    text = (
        HEAD + "".join(",".join(map(str, row)) + "\n" for row in rows) if end == "csv" else json.dumps(rows)
    )
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / f"BTC_USDT-1m.{end}"
    path.write_bytes(gzip.compress(text.encode()) if end.endswith("gz") else text.encode())
    monkeypatch.chdir(tmp_path)
    feed = FileFeed("data")
    monkeypatch.chdir(tmp_path.parent)

    assert feed.candles(SYMBOL, "1m", None, feed.end_ms, 1)[0].volume == D(2_999)
    assert feed.check()[0].path == str(Path("data") / path.name)


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [
        (T + minute * MINUTE, 100.0 + minute, 101.5 + minute, 99.0 + minute, 100.25 + minute, 2.0)
        for minute in range(50)
    ]
    names = ["timestamp", "open", "high", "low", "close", "volume"]
    table = arrow.table(
        {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
    )
    times = arrow.array([row[0] for row in rows], arrow.timestamp("ms", tz="UTC"))
    parquet.write_table(
        table.set_column(0, "timestamp", times), tmp_path / "BTC_USDT-1m.parquet", row_group_size=7
    )
    feed = FileFeed(tmp_path)

    found = feed.candles(SYMBOL, "1m", T, T + 100 * MINUTE, 50)

    assert [tuple(map(float, row)) for row in found] == rows
    assert feed.check()[0].rows == 50


@pytest.mark.parametrize("end", ["parquet", "feather"])
def test_floats_of_half_the_digits_are_the_numbers_that_were_meant(tmp_path: Path, end: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    values = {"open": [0.41, 0.42], "high": [0.43, 0.43], "low": [0.41, 0.4199], "close": [0.42, 0.43]}
    columns = {name: arrow.array(each, arrow.float32()) for name, each in values.items()}
    columns["timestamp"] = arrow.array([T, T + MINUTE], arrow.int64())
    columns["volume"] = arrow.array([1.5, 1234567.0], arrow.float32())
    write = parquet.write_table if end == "parquet" else feather.write_feather
    write(arrow.table(columns), tmp_path / f"NEW_USDT-1m.{end}")
    feed = FileFeed(tmp_path)

    [market] = feed.markets
    assert (market.tick_size, market.lot_size) == (D("0.0001"), D("0.1"))
    assert feed.candles("NEW/USDT", "1m", None, feed.end_ms, 2) == [
        (T, D("0.41"), D("0.43"), D("0.41"), D("0.42"), D("1.5")),
        (T + MINUTE, D("0.42"), D("0.43"), D("0.4199"), D("0.43"), D(1234567)),
    ]


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "BTC_USDT-1m.parquet").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)

    with pytest.raises(BadFile, match=r'halted.*: pip install "ccxt-driver\[parquet\]"'):
        FileFeed(tmp_path)  # and why, as one that is installed may refuse the numpy that is there


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("BTC_USDT-1m.csv", f"{HEAD}1700006400,1,1,1,1,1\n", "a timestamp in milliseconds"),
        ("BTC_USDT-1m.csv", f"{HEAD}x,1,1,1,1,1\n", "a timestamp in milliseconds"),
        ("BTC_USDT-1m.csv", f"{HEAD}{T + 1},1,1,1,1,1\n", "the opening of a 1m candle"),
        ("BTC_USDT-1m.csv", f"{HEAD}{T},100,99,98,98,1\n", "a low and a high around"),
        ("BTC_USDT-1m.csv", f"{HEAD}{T},1,1,1,zwei,1\n", "a number, got 'zwei'"),
        ("BTC_USDT-1m.csv", f"{HEAD}{T},1,1,1,nan,1\n", "a number of 0 or more"),
        ("BTC_USDT-1m.csv", f"{HEAD}{T},0,1,0,1,1\n", "a price of at least 0.01"),
        ("BTC_USDT-1m.csv", f"{HEAD}{T + MINUTE},1,1,1,1,1\n{T},1,1,1,1,1\n", "rows in order of time"),
        ("BTC_USDT-1m.csv", f"{HEAD}{T},1,1\n", "expected 6 values, got '1700006400000,1,1'"),
        ("BTC_USDT-1m.csv", f"timestamp,open\n{T},1\n", "expected a column high"),
        ("BTC_USDT-1m.csv", HEAD, "expected at least one row"),
        ("BTC_USDT-1m.json", f"[[{T},1,1,1,1,1],[", "a row from byte"),
        ("BTC_USDT-1m.json", f"[[{T},1,1]]", "expected timestamp, open, high"),
        ("BTC_USDT-1m.jsonl", '"text"', "rows that are lists or objects"),
        ("BTC_USDT-quotes.csv", f"timestamp,bid,ask\n{T},101,100\n", "a best bid below the best ask"),
        ("BTC_USDT-book.csv", "timestamp,bids[0].price\n", r"expected a column bids\[0\].amount"),
        ("BTC_USDT-book.csv", f"{LEVELS}{T},90,1,99,1,101,1,102,1\n", "best levels of each side first"),
        ("BTC_USDT-book.csv", f"{LEVELS}{T},99,1,90,1,102,1,101,1\n", "best levels of each side first"),
        (
            "BTC_USDT-book.jsonl",
            f'{{"timestamp": {T}, "bids": [{{"price": 99}}], "asks": [[100, 1]]}}',
            "row 1 .*prices and quantities",
        ),
        ("BTC_USDT-trades.csv", f"timestamp,price,amount,side\n{T},1,1,b\n", "row 1 .*a side buy or sell"),
        (
            "BTC_USDT-trades.jsonl",
            f'{{"timestamp": {T}, "price": 1, "amount": 1, "side": ["buy"]}}',
            "row 1 .*a side buy or sell",
        ),
        ("BTC_USDT-1m.csv", f"{HEAD[:-1]},Close\n{T},1,1,1,1,1,1\n", "expected one column close"),
        (
            "BTC_USDT-1m.csv",
            "Date,Time,Open,High,Low,Close,Volume\n2023-11-15,00:00,1,1,1,1,1\n",
            "the whole time in one column",
        ),
        ("prices.csv", "", "expected a name such as"),
        ("BTC_USDT-2m.csv", "", "expected a name such as"),
        ("BTC_USDT-1m.txt", "", "expected a name such as"),
        ("BTC_USD_BTC-1m.csv", f"{HEAD}{T},1,1,1,1,1\n", "settles in its quote currency"),
        ("NEW_USDT-trades.csv", f"timestamp,price,amount\n{T},x,1\n", "expected numbers"),
    ],
)
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, name: str, text: str, expected: str) -> None:
    path = tmp_path / name
    path.write_text(text)

    with pytest.raises(BadFile, match=f"{name}: .*{expected}"):
        assert FileFeed(path).start_ms


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="expected at least one file"):
        FileFeed(tmp_path)
    with pytest.raises(BadFile, match=r"BTC_USDT-1m.csv: No such file"):
        FileFeed(tmp_path / "BTC_USDT-1m.csv")
    with pytest.raises(BadFile, match=r"data: No such file or folder"):
        FileFeed(tmp_path / "data")


def test_two_files_of_one_kind_are_refused(tmp_path: Path) -> None:
    candles(tmp_path, [ONE])
    (tmp_path / "more").mkdir()
    candles(tmp_path / "more", [ONE])

    with pytest.raises(BadFile, match=r"one file of each kind and timeframe, got .*more/BTC_USDT-1m.csv"):
        FileFeed(tmp_path)


def test_parameters_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = candles(tmp_path, [ONE])

    with pytest.raises(ValueError, match="spread_ticks: expected a whole number above 0"):
        FileFeed(path, spread_ticks=0)
    with pytest.raises(ValueError, match="markets: expected BTC/USDT among them"):
        FileFeed(path, markets=[])
    with pytest.raises(ValueError, match="share: expected above 0"):
        ShareOfPrint("0")


def test_a_symbol_without_files_is_unknown(tmp_path: Path) -> None:
    feed = FileFeed(candles(tmp_path, [ONE]))

    with pytest.raises(UnknownSymbol):
        feed.quote("ETH/USDT", T)
    with pytest.raises(NoPrice):
        feed.quote(SYMBOL, T - 1)


# ------------------------------------------------------------------ in an OMS


def call(oms: EmbeddedOms, function: str, *args: Any) -> Any:
    reply = oms.handle("ccxt_call", {"account_id": "1", "func": function}, {}, {"args": list(args)})
    return reply.body["result"] if reply.status == 200 else reply.body["detail"]


def test_a_market_that_is_not_listed_gets_tick_and_lot_from_its_rows(tmp_path: Path) -> None:
    candles(tmp_path, [(0, "0.1234", "0.13", "0.12", "0.125", "10.5")], "NEW_EUR_EUR-1m.csv")
    oms = EmbeddedOms(feed=FileFeed(tmp_path))

    [market] = call(oms, "fetch_markets")

    assert (market["symbol"], market["type"]) == ("NEW/EUR:EUR", "swap")
    assert market["precision"]["price"] == 0.0001
    assert market["precision"]["amount"] == 0.1
    assert call(oms, "fetch_balance")["EUR"]["total"] == 10_000


def test_the_clock_begins_where_every_symbol_has_a_price(tmp_path: Path) -> None:
    candles(tmp_path, [ONE, TWO])
    candles(tmp_path, [(1, 50, 51, 49, 50, 1)], "LTC_USDT-1m.csv")

    oms = EmbeddedOms(feed=FileFeed(tmp_path))

    assert oms.now_ms() == T + MINUTE
    assert sorted(call(oms, "fetch_tickers")) == ["BTC/USDT", "LTC/USDT"]


def test_before_its_first_row_a_market_is_closed(tmp_path: Path) -> None:
    candles(tmp_path, [ONE, TWO])
    candles(tmp_path, [(1, 50, 51, 49, 50, 1)], "LTC_USDT-1m.csv")
    oms = EmbeddedOms(feed=FileFeed(tmp_path), start_ms=T)
    order = {"symbol": "LTC/USDT", "side": "buy", "order_type": "market", "qty": "1"}
    command = {"account_id": 1, "command": "send_order", "payload": order}

    refused = oms.handle("commands", {}, {}, command)

    assert (refused.status, refused.body["detail"]["code"]) == (422, "market_closed")
    assert call(oms, "fetch_ticker", "LTC/USDT")["code"] == "market_closed"
    assert sorted(call(oms, "fetch_tickers")) == ["BTC/USDT"]
    oms.advance(MINUTE)
    assert oms.handle("commands", {}, {}, command).status == 200


def test_a_wall_clock_and_other_markets_do_not_go_with_records(tmp_path: Path) -> None:
    feed = FileFeed(candles(tmp_path, [ONE]))

    with pytest.raises(ValueError, match="clock: expected manual"):
        EmbeddedOms(feed=feed, clock="wall")
    other = replace(feed.markets[0], tick_size=Decimal("0.5"))
    for markets in ([], [other], [*feed.markets, *DEFAULT_MARKETS]):
        with pytest.raises(ValueError, match="markets: expected the symbols of the feed"):
            EmbeddedOms(feed=feed, markets=markets)


def test_the_fees_of_recorded_markets_can_be_chosen(tmp_path: Path) -> None:
    feed = FileFeed(candles(tmp_path, [ONE]))
    chosen = replace(feed.markets[0], taker=Decimal("0.5"))

    oms = EmbeddedOms(feed=feed, markets=[chosen])

    assert call(oms, "load_markets")["BTC/USDT"]["taker"] == 0.5


def test_orders_fill_in_the_order_of_time_over_all_symbols(tmp_path: Path) -> None:
    candles(tmp_path, [ONE, TWO])
    candles(tmp_path, [(0, 50, 51, 49, 50, 1), (1, 50, 50, 45, 50, 1)], "LTC_USDT-1m.csv")
    oms = EmbeddedOms(feed=FileFeed(tmp_path))
    for symbol, price in (("LTC/USDT", "46"), ("BTC/USDT", "95")):
        order = {"symbol": symbol, "side": "buy", "order_type": "limit", "qty": "1", "price": price}
        assert (
            oms.handle(
                "commands", {}, {}, {"account_id": 1, "command": "send_order", "payload": order}
            ).status
            == 200
        )

    oms.advance(3 * MINUTE)

    deals = oms.handle("deals", {}, {"account_ids": "1", "since_ms": str(T), "sort": "asc"}, None).body[
        "items"
    ]
    assert [(deal["symbol"], deal["executed_at"][14:23]) for deal in deals] == [
        ("BTC/USDT", "00:39.999"),
        ("LTC/USDT", "01:39.999"),
    ]
    assert call(oms, "fetch_ticker", "BTC/USDT")["last"] == 102
