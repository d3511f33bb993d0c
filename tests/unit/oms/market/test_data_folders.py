"""Folders of market data: which files are found, what packed and columnar ones say, what each is good for."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from ccxt_driver.oms.market.feed import Candle
from ccxt_driver.oms.market.file_names import DataFile, Ignored, named
from ccxt_driver.oms.market.file_rows import BadFile
from ccxt_driver.oms.market.files import FileFeed

D: Final = Decimal
T = 1_700_006_400_000  # 2023-11-15 00:00
MINUTE = 60_000
HOUR = 60 * MINUTE
SYMBOL = "BTC/USDT"
SWAP = "BTC/USDT:USDT"
NAMES: Final = ("date", "open", "high", "low", "close", "volume")
BARS: Final = [(T + at * MINUTE, 100.5 + at, 102.5 + at, 99.0 + at, 101.0 + at, 8.0) for at in range(9)]


def feather(path: Path, rows: Sequence[Sequence[Any]], unit: str = "ms", batch: int = 4) -> Path:
    """As freqtrade writes it: a column `date` in UTC, packed with lz4."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import feather as writer

    scale = {"ms": 1, "ns": 1_000_000}[unit]
    times, *values = zip(*rows, strict=True)
    columns = {"date": arrow.array([time * scale for time in times], arrow.timestamp(unit, tz="UTC"))}
    columns |= {name: list(column) for name, column in zip(NAMES[1:], values, strict=True)}
    path.parent.mkdir(parents=True, exist_ok=True)
    writer.write_feather(arrow.table(columns), path, compression="lz4", compression_level=9, chunksize=batch)
    return path


def csv(path: Path, rows: Sequence[Sequence[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    path.write_text("timestamp,open,high,low,close,volume\n" + text)
    return path


def shown(feed: FileFeed, symbol: str = SYMBOL) -> list[tuple[float, ...]]:
    return [tuple(map(float, row)) for row in feed.candles(symbol, "1m", T, T + HOUR, 9)]


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    "name, symbol, kind, timeframe",
    [
        ("BTC_USDT-1m.feather", "BTC/USDT", "candles", "1m"),
        ("BTC_USDT-1Mo.json.gz", "BTC/USDT", "candles", "1M"),
        ("BTC_USDT_USDT-1m-futures.feather", "BTC/USDT:USDT", "candles", "1m"),
        ("kPEPE_USDC_USDC-4h-futures.parquet", "kPEPE/USDC:USDC", "candles", "4h"),
        ("BTC_USDT-trades.csv.gz", "BTC/USDT", "trades", ""),
        ("BTC_USDT_USDT-trades.feather", "BTC/USDT:USDT", "trades", ""),
        ("BTC_USDT_USDT-funding_rate.csv", "BTC/USDT:USDT", "funding", ""),
        ("BTC_USDT_USDT-8h-funding_rate.feather", "BTC/USDT:USDT", "funding", "8h"),
        ("BTC_USDT_USDT-1h-mark.feather", "BTC/USDT:USDT", "mark", "1h"),
    ],
)
def test_what_a_name_says(name: str, symbol: str, kind: str, timeframe: str) -> None:
    assert named(Path(name)) == DataFile(Path(name), symbol, kind, timeframe)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        *("BTC_USDT-1m.txt", "BTC_USDT-1m.tar.gz", "BTC_USDT-2m.csv", "BTC_USDT-1m-other.csv", "README.json"),
        *("BTC_USDT_USDT-7h-funding_rate.csv", "BTC_USDT_USDT-mark.csv"),
    ],
)
def test_other_names_say_nothing(name: str) -> None:
    assert named(Path(name)) is None


def test_kinds_of_files_that_are_of_no_use_are_reported(tmp_path: Path) -> None:
    csv(tmp_path / "BTC_USDT-1m.csv", BARS)
    names = ("1h-index", "1h-premiumIndex", "1h-mark", "8h-funding_rate")
    for name in names:
        (tmp_path / f"BTC_USDT_USDT-{name}.feather").touch()
    for name in ("1h-futures", "funding_rate"):
        csv(tmp_path / f"BTC_USD_BTC-{name}.csv", BARS)

    reports = FileFeed(tmp_path).check()

    foreign = "nothing: swaps that settle in BTC are not traded here"
    assert {Path(report.path).name: (report.symbol, report.use) for report in reports} == {
        "BTC_USDT-1m.csv": (SYMBOL, "price"),
        "BTC_USDT_USDT-1h-index.feather": (SWAP, "nothing: index prices are not used"),
        "BTC_USDT_USDT-1h-premiumIndex.feather": (SWAP, "nothing: premiums are not used"),
        "BTC_USDT_USDT-1h-mark.feather": (SWAP, "nothing: there is no price of BTC/USDT:USDT"),
        "BTC_USDT_USDT-8h-funding_rate.feather": (SWAP, "nothing: there is no price of BTC/USDT:USDT"),
        "BTC_USD_BTC-1h-futures.csv": ("BTC/USD:BTC", foreign),
        "BTC_USD_BTC-funding_rate.csv": ("BTC/USD:BTC", foreign),
    }
    for what in ("1m-futures", "1h-mark", "funding_rate"):
        assert isinstance(named(tmp_path / f"BTC_USDT-{what}.csv"), Ignored)


# ------------------------------------------------------------------ folders


def test_a_folder_is_searched_with_its_sub_folders(tmp_path: Path) -> None:
    feather(tmp_path / "data/binance/BTC_USDT-1m.feather", BARS)
    feather(tmp_path / "data/binance/futures/BTC_USDT_USDT-1m-futures.feather", BARS)
    csv(tmp_path / "data/.cache/BTC_USDT-1m.csv", BARS)
    (tmp_path / "data/binance/pairs.json").write_text("[]")

    feed = FileFeed(tmp_path)

    assert [market.symbol for market in feed.markets] == [SYMBOL, SWAP]
    assert shown(feed) == shown(feed, SWAP) == BARS


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    csv(tmp_path / "data/BTC_USDT-1m.csv", BARS)
    (tmp_path / "data/again").symlink_to(tmp_path / "data", target_is_directory=True)
    (tmp_path / "shown").symlink_to(tmp_path / "data", target_is_directory=True)
    csv(tmp_path / "elsewhere/x", BARS).rename(tmp_path / "elsewhere/LTC_USDT-1m.csv")
    (tmp_path / "data/LTC_USDT-1m.csv").symlink_to(tmp_path / "elsewhere/LTC_USDT-1m.csv")

    assert len(FileFeed(tmp_path / "shown").markets) == 2


# ------------------------------------------------------------------ formats


@pytest.mark.parametrize("unit", ["ms", "ns"])
def test_feather(tmp_path: Path, unit: str) -> None:
    feed = FileFeed(feather(tmp_path / "BTC_USDT-1m.feather", BARS, unit))

    assert feed.end_ms == T + 9 * MINUTE - 1
    assert shown(feed) == BARS
    [report] = feed.check()
    assert (report.rows, report.missing) == (9, 0)


def test_trades_in_feather(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import feather as writer

    table = arrow.table(
        {
            "timestamp": [T, T + 5],
            "id": ["7", "8"],
            "type": [None, "limit"],
            "side": ["sell", "buy"],
            "price": [100.5, 101.0],
            "amount": [0.25, 1.0],
            "cost": [25.125, 101.0],
        }
    )
    writer.write_feather(table, tmp_path / "BTC_USDT-trades.feather", compression="lz4")

    assert FileFeed(tmp_path).trades(SYMBOL, None, T + 5, 5) == [
        ("7", T, D("100.5"), D("0.25"), "sell"),
        ("8", T + 5, D(101), D(1), "buy"),
    ]


def test_trades_as_freqtrade_has_them_in_json(tmp_path: Path) -> None:
    rows = [[T, "7", None, "sell", 100.5, 0.25, 25.125], [T + 5, "8", "limit", "buy", 101, 1, 101]]
    with gzip.open(tmp_path / "BTC_USDT-trades.json.gz", "wt") as file:
        json.dump(rows, file)

    assert FileFeed(tmp_path).trades(SYMBOL, None, T + 5, 5) == [
        ("7", T, D("100.5"), D("0.25"), "sell"),
        ("8", T + 5, D(101), D(1), "buy"),
    ]


@pytest.mark.parametrize("name", ["BTC_USDT-1m.csv.gz", "BTC_USDT-1m.json.gz", "BTC_USDT-1m.jsonl.gz"])
def test_packed_files(tmp_path: Path, name: str) -> None:
    text = {
        "csv": "\n".join(",".join(map(str, row)) for row in BARS),
        "json": json.dumps(BARS),
        "jsonl": "\n".join(map(json.dumps, BARS)),
    }[name.split(".")[1]]
    with gzip.open(tmp_path / name, "wt") as file:
        file.write(text)
    feed = FileFeed(tmp_path)

    assert feed.end_ms == T + 9 * MINUTE - 1
    assert shown(feed) == BARS
    assert feed.check()[0].rows == 9


@pytest.mark.parametrize(
    "name, content",
    [
        ("BTC_USDT-1m.csv.gz", b"no gzip"),
        ("BTC_USDT-1m.csv.gz", gzip.compress(b"timestamp,open,high,low,close,volume\n" * 99, mtime=0)[:-20]),
        ("BTC_USDT-1m.feather", b"no feather"),
        ("BTC_USDT-1m.parquet", b"no parquet"),
    ],
    ids=["no gzip", "cut off", "no feather", "no parquet"],
)
def test_broken_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)

    with pytest.raises(BadFile, match=name):
        assert FileFeed(tmp_path).start_ms


# ------------------------------------------------------------------ several timeframes of one symbol


def hours(count: int, first: int) -> list[tuple[Any, ...]]:
    """Hours that go up by 10 each."""
    return [
        (T + at * HOUR, 10 * at + 100, 10 * at + 120, 10 * at + 90, 10 * at + 110, 6)
        for at in range(first, first + count)
    ]


def minutes(first: int, count: int) -> list[tuple[Any, ...]]:
    return [(T + at * MINUTE, 500, 510, 490, 505, 1) for at in range(first, first + count)]


def test_the_finest_file_moves_the_price_and_longer_candles_serve_what_was_before(tmp_path: Path) -> None:
    csv(tmp_path / "BTC_USDT-1m.csv", minutes(6 * 60, 180))
    csv(tmp_path / "BTC_USDT-1h.csv", hours(12, 0))
    csv(tmp_path / "BTC_USDT-1d.csv", [(T, 100, 999, 1, 500, 9)])
    feed = FileFeed(tmp_path)
    begins = T + 6 * HOUR

    assert feed.start_ms == begins
    assert feed.quote(SYMBOL, begins).last == 500
    found = feed.candles(SYMBOL, "1h", T, begins + HOUR, 100)
    assert found[:6] == [Candle(*map(D, row)) for row in hours(6, 0)]
    assert found[6] == Candle(begins, D(500), D(510), D(490), D(505), D(60))
    assert found[7][1:] == (500, 500, 500, 500, 0)
    assert feed.candles(SYMBOL, "2h", None, begins, 3)[0] == Candle(
        T + 2 * HOUR, D(120), D(150), D(110), D(140), D(12)
    )
    assert feed.candles(SYMBOL, "1d", None, begins + HOUR - 1, 5) == [
        Candle(T, D(100), D(510), D(90), D(505), D(96))
    ]
    assert feed.candles(SYMBOL, "1m", None, begins, 5) == [
        Candle(begins, D(500), D(500), D(500), D(500), D(0))
    ]
    assert feed.candles(SYMBOL, "1h", None, begins, 3)[:2] == found[4:6]
    uses = {Path(report.path).name: report.use for report in feed.check()}
    assert uses == {
        "BTC_USDT-1m.csv": "price",
        "BTC_USDT-1h.csv": "candles before 2023-11-15 06:00:00",
        "BTC_USDT-1d.csv": "nothing: no candle of it closes before 2023-11-15 06:00:00",
    }


def test_a_longer_candle_is_never_seen_before_it_has_closed(tmp_path: Path) -> None:
    """Another symbol begins earlier, so that the clock stands before the price of this one."""
    csv(tmp_path / "BTC_USDT-1m.csv", minutes(6 * 60 + 30, 60))
    csv(tmp_path / "BTC_USDT-1h.csv", hours(12, 1))
    feed = FileFeed(tmp_path)

    assert feed.candles(SYMBOL, "1h", None, T + 2 * HOUR - 2, 9) == []
    assert [row.open for row in feed.candles(SYMBOL, "1h", None, T + 2 * HOUR - 1, 9)] == [110]
    assert [row[1:] for row in feed.candles(SYMBOL, "1h", None, T + 3 * HOUR - 2, 9)][1:] == [
        (120, 120, 120, 120, 0)
    ]
    # The hour in which the price begins has closed after that: it is made of what was printed in it.
    seen = feed.candles(SYMBOL, "1h", None, T + 7 * HOUR - 1, 2)
    assert seen[1][1:] == (500, 510, 490, 505, 30)
    assert seen[0].open == 150


def test_the_shortest_candles_that_go_back_far_enough_are_taken(tmp_path: Path) -> None:
    csv(tmp_path / "BTC_USDT-1m.csv", minutes(6 * 60, 5))
    five = [(T + at * 5 * MINUTE, 300, 310, 290, 305, 2) for at in range(36, 72)]
    csv(tmp_path / "BTC_USDT-5m.csv", five)
    csv(tmp_path / "BTC_USDT-1h.csv", hours(12, 0))
    feed = FileFeed(tmp_path)

    assert [int(row.open) for row in feed.candles(SYMBOL, "1h", T, T + 6 * HOUR, 9)] == [
        100,
        110,
        120,
        300,
        300,
        300,
        500,
    ]
    assert feed.candles(SYMBOL, "15m", None, T + 6 * HOUR - 1, 100)[0].open_ms == T + 3 * HOUR
    assert feed.candles(SYMBOL, "1h", T + 3 * HOUR, T + 6 * HOUR, 1)[0].volume == 24


def test_gaps_in_the_time_before_are_flat(tmp_path: Path) -> None:
    csv(tmp_path / "BTC_USDT-1m.csv", minutes(6 * 60, 5))
    csv(tmp_path / "BTC_USDT-1h.csv", hours(2, 0))
    feed = FileFeed(tmp_path)

    found = feed.candles(SYMBOL, "1h", T + 2 * HOUR, T + 6 * HOUR, 9)

    assert [row[1:] for row in found[:4]] == [(120, 120, 120, 120, 0)] * 4


def test_trades_come_before_candles(tmp_path: Path) -> None:
    csv(tmp_path / "BTC_USDT-1m.csv", minutes(0, 60))
    (tmp_path / "BTC_USDT-trades.csv").write_text(f"timestamp,price,amount\n{T + 30 * MINUTE + 5},77,2\n")
    feed = FileFeed(tmp_path)

    found = feed.candles(SYMBOL, "1m", None, T + 31 * MINUTE, 3)

    assert [(row.open_ms, *map(int, row[1:])) for row in found] == [
        (T + 29 * MINUTE, 500, 510, 490, 505, 1),
        (T + 30 * MINUTE, 77, 77, 77, 77, 2),
        (T + 31 * MINUTE, 77, 77, 77, 77, 0),
    ]
