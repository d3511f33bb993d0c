"""Mark prices in files: what is known of them when, and where nothing is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from ccxt_driver.oms.market.checking import check
from ccxt_driver.oms.market.feed import Marks
from ccxt_driver.oms.market.files import FileFeed

D: Final = Decimal
T: Final = 1_700_006_400_000  # 2023-11-15 00:00
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
SWAP: Final = "BTC/USDT:USDT"
Row = tuple[int, str, str, str, str]


def marks(folder: Path, rows: Sequence[Row], mark: str = "1m", price: str = "1m") -> Marks:
    (folder / f"BTC_USDT_USDT-{price}.csv").write_text(f"{T},100,100,100,100,1\n")
    lines = [",".join(map(str, (T + row[0], *row[1:]))) + ",\n" for row in rows]
    text = "timestamp,open,high,low,close,volume\n" + "".join(lines)
    (folder / f"BTC_USDT_USDT-{mark}-mark.csv").write_text(text)
    found = FileFeed(folder).marks(SWAP)
    assert found is not None
    return found


def flat(minute: int, price: str = "100.123456789") -> Row:
    return minute * MINUTE, price, price, price, price


def test_the_price_goes_the_way_of_candles(tmp_path: Path) -> None:
    known = marks(tmp_path, [(0, "100.00000001", "103", "99", "101")])
    assert known.price(T - 1) is None
    assert known.price(T) == known.price(T + 19_000) == D("100.00000001")  # finer than any tick
    assert known.price(T + 20_000) == 103
    assert known.price(T + 40_000) == 99
    assert known.price(T + 59_999) == 101
    assert known.price(T + 60_000) is None  # it stands still no longer than its candle
    assert known.opening_price(T + 3) == D("100.00000001")
    assert known.opening_price(T + 31_000) is None


def test_what_ccxt_returns(tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT_USDT-1m.csv").write_text(f"{T},100,100,100,100,1\n")
    for number, row in enumerate(([T, 1.5, 2.5, 1.25, 2, None], [T, 1.5, 2.5, 1.25, 2])):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "BTC_USDT_USDT-1m-mark.json").write_text(json.dumps([row]))
        found = FileFeed([tmp_path / "BTC_USDT_USDT-1m.csv", folder]).marks(SWAP)
        assert found is not None
        assert found.price(T) == D("1.5")


def test_the_first_move(tmp_path: Path) -> None:
    known = marks(tmp_path, [flat(0), (MINUTE, "100", "103", "97", "100"), flat(2)])
    end = T + 2 * MINUTE
    assert known.first_move(T, end, D("98"), None) == T + MINUTE + 39_999
    assert known.first_move(T, end, None, D("102.5")) == T + MINUTE + 19_999
    assert known.first_move(T, end, D("96"), D("104")) is None
    assert known.first_move(T + MINUTE + 40_000, end, D("98"), None) is None


def test_a_gap_is_a_move(tmp_path: Path) -> None:
    known = marks(tmp_path, [flat(0), flat(1), flat(5), flat(6)])
    far = T + HOUR
    assert known.first_move(T, far, None, None) == T + 2 * MINUTE
    assert known.first_move(T + 2 * MINUTE - 1, far, None, None) == T + 2 * MINUTE
    assert known.first_move(T + 2 * MINUTE, far, None, None) == T + 7 * MINUTE  # the end is one, too
    assert known.first_move(T + 2 * MINUTE, T + 7 * MINUTE - 1, None, None) is None
    assert known.first_move(T, T + 2 * MINUTE, D(200), None) == T + 19_999
    assert [known.price(T + minute * MINUTE) is None for minute in range(8)] == [
        *(False, False, True, True, True, False, False, True)
    ]


def test_gaps_between_pages(tmp_path: Path) -> None:
    minutes = [*range(1024), *range(1025, 2048), *range(2048, 3000)]
    known = marks(tmp_path, [flat(minute) for minute in minutes])
    found, at = [], T
    while (move := known.first_move(at, T + 4000 * MINUTE, None, None)) is not None:
        found.append((move - T) // MINUTE)
        at = move
    assert found == [1024, 3000]


@pytest.mark.parametrize(
    "mark, price, is_fine",
    [("1m", "1m", True), ("1m", "5m", False), ("1h", "1h", True), ("5m", "1m", False), ("8h", "1h", False)],
)
def test_other_candles_than_those_of_the_price_are_for_fundings_alone(
    tmp_path: Path, mark: str, price: str, is_fine: bool
) -> None:
    assert marks(tmp_path, [flat(0)], mark, price).is_fine is is_fine
    [_, report] = FileFeed(tmp_path).report()
    alone = "mark price of fundings alone: its candles are not as long as those of the price"
    assert (report.kind, report.timeframe, report.use) == ("mark", mark, "mark price" if is_fine else alone)


def test_beside_trades_only_minutes_are_fine(tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT_USDT-trades.csv").write_text(f"timestamp,price,amount\n{T},100,1\n")
    for mark, is_fine in (("3m", False), ("1m", True)):  # the shortest is used
        (tmp_path / f"BTC_USDT_USDT-{mark}-mark.csv").write_text(f"{T},1,1,1,1,0\n")
        found = FileFeed(tmp_path).marks(SWAP)
        assert found is not None
        assert found.is_fine is is_fine
    uses = {Path(report.path).name: report.use for report in FileFeed(tmp_path).report()}
    assert uses["BTC_USDT_USDT-3m-mark.csv"] == "nothing: there is BTC_USDT_USDT-1m-mark.csv"


def test_candles_as_long_as_those_of_the_price_go_before_others(tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT_USDT-1h.csv").write_text(f"{T},1,1,1,1,1\n")
    for mark in ("1m", "1h", "8h"):
        (tmp_path / f"BTC_USDT_USDT-{mark}-mark.csv").write_text(f"{T},1,1,1,1,0\n")
    uses = {Path(report.path).name[14:]: report.use for report in FileFeed(tmp_path).report()}
    other = "nothing: there is BTC_USDT_USDT-1h-mark.csv"
    assert uses == {
        "1h.csv": "price",
        "1h-mark.csv": "mark price",
        "1m-mark.csv": other,
        "8h-mark.csv": other,
    }


def test_a_check_reads_them(tmp_path: Path) -> None:
    marks(tmp_path, [flat(0), flat(2)])
    checked = check(tmp_path)
    assert checked.problems == {}
    [report] = [report for report in checked.reports if report.kind == "mark"]
    assert (report.kind, report.rows, report.missing, report.off_tick) == ("mark", 2, 1, 0)
    assert (report.use, FileFeed(tmp_path).check()[1].rows) == ("mark price", 2)
    path = tmp_path / "BTC_USDT_USDT-1m-mark.csv"
    path.write_text(f"timestamp,open,high,low,close\n{T},1,2,3,4\n")
    assert "a low and a high around open and close" in check(tmp_path).problems[str(path)]


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT_USDT-1m.csv").write_text(f"{T},100,100,100,100,1\n")
    (tmp_path / "BTC_USDT_USDT-1m-mark.csv").write_text("timestamp,open,high,low,close\n")
    feed = FileFeed(tmp_path)
    assert feed.marks(SWAP) is None
    assert feed.report()[1].use == "nothing: it has no row"


def test_news_come_as_a_candle_opens(tmp_path: Path) -> None:
    marks(tmp_path, [flat(0), flat(1), flat(3)])
    feed = FileFeed(tmp_path)
    assert [feed.next_news(T + minute * MINUTE) for minute in (-1, 0, 1, 3)] == [
        *(T, T + MINUTE, T + 3 * MINUTE, None)
    ]
    assert feed.end_ms < T + MINUTE  # they make no data longer
