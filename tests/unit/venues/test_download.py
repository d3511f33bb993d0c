"""Downloads: whole files in their places, and after any interruption on from there."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest
from filelock import FileLock

from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.venues import download as module
from ccxt_driver.venues.download import Downloaded, Progress, Wanted, download, exchange_of
from ccxt_driver.venues.past import Past
from tests.helpers.past_venue import DAY, HOUR, MINUTE, NOW, PastVenue, bars, fundings, prints

SYMBOL, SWAP = "BTC/USDT", "BTC/USDT:USDT"
START = NOW - 1_000 * MINUTE


@pytest.fixture
def venue() -> PastVenue:
    venue = PastVenue()
    venue.now = NOW + MINUTE
    venue.bars = {"1m": bars(START, 1_000), "1d": bars(NOW - 2 * DAY, 3, DAY)}
    venue.prints = prints([START + at * 1_000 for at in range(500)])
    return venue


def fetch(venue: PastVenue, folder: Path, from_ms: int = START, to_ms: int = NOW, **more: Any) -> Downloaded:
    wanted = Wanted(SYMBOL, from_ms, to_ms, folder, **more)
    return download(Past(venue, sleep=lambda seconds: None), wanted)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def csv_of(rows: list[list[Any]]) -> str:
    return "timestamp,open,high,low,close,volume\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)


# ------------------------------------------------------------------ whole downloads


def test_candles_are_a_file_that_a_feed_reads(venue: PastVenue, tmp_path: Path) -> None:
    told: list[Progress] = []
    wanted = Wanted(SYMBOL, START, NOW - MINUTE, tmp_path / "made")

    done = download(Past(venue), wanted, told.append)

    assert done == Downloaded(tmp_path / "made/BTC_USDT-1m.csv", 999, START, NOW - 2 * MINUTE)
    assert done.path.read_text() == csv_of(venue.bars["1m"][:999])
    assert names(done.path.parent) == ["BTC_USDT-1m.csv"]
    assert told[-1] == Progress(999, NOW - MINUTE)
    [report] = FileFeed(tmp_path / "made").check()
    assert (report.rows, report.missing) == (999, 0)


def test_trades_are_a_file_that_a_feed_reads(venue: PastVenue, tmp_path: Path) -> None:
    venue.prints[3]["id"] = 'an odd, "id"'

    done = fetch(venue, tmp_path, kind="trades")

    assert (done.path.name, done.rows) == ("BTC_USDT-trades.csv", 500)
    assert done.path.read_text().splitlines()[:2] == [
        "timestamp,price,amount,side,id",
        f"{START},100.0,0.5,buy,0",
    ]
    assert FileFeed(done.path).trades(SYMBOL, START + 3_000, NOW, 1)[0].id == 'an odd, "id"'


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_funding_rates_and_mark_prices_are_files_that_a_feed_reads(
    venue: PastVenue, tmp_path: Path, form: Any
) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    venue.marks = {"1m": [[*row[:5], None] for row in bars(START, 1_000)]}
    venue.fundings = fundings([START + at * HOUR + 3 for at in range(16)])

    def swap(kind: Any, to_ms: int = NOW) -> Downloaded:
        wanted = Wanted(SWAP, START, to_ms, tmp_path, kind=kind, format=form)
        return download(Past(venue, sleep=lambda seconds: None), wanted)

    swap("candles")
    assert swap("funding", START + 4 * HOUR).rows == 4
    assert (swap("funding").rows, swap("funding").rows) == (12, 0)
    assert [swap("mark", START + HOUR).rows, swap("mark").rows] == [60, 940]
    assert names(tmp_path) == [f"BTC_USDT_USDT-{what}.{form}" for what in ("1m-mark", "1m", "funding_rate")]
    feed = FileFeed(tmp_path)
    assert {report.use: (report.rows, report.missing) for report in feed.check()} == {
        "price": (1_000, 0),
        "funding rates": (16, 0),
        "mark price": (1_000, 0),
    }
    rates, marks = feed.fundings(SWAP), feed.marks(SWAP)
    assert rates is not None
    assert marks is not None
    told = [(row["timestamp"], Decimal(str(row["fundingRate"]))) for row in venue.fundings]
    assert rates.between(0, NOW, 99) == told
    assert marks.price(START) == Decimal("100.5")


def test_funding_rates_are_those_of_swaps(venue: PastVenue, tmp_path: Path) -> None:
    for kind in ("funding", "mark"):
        with pytest.raises(
            ValueError, match="symbols: expected a swap such as BTC/USDT:USDT, got 'BTC/USDT'"
        ):
            fetch(venue, tmp_path, kind=kind)


@pytest.mark.parametrize("kind, rows", [("candles", 1_000), ("trades", 500)])
def test_parquet(venue: PastVenue, tmp_path: Path, kind: Any, rows: int) -> None:
    pytest.importorskip("pyarrow")

    fetch(venue, tmp_path, to_ms=START + 100_000, format="parquet", kind=kind)
    done = fetch(venue, tmp_path, format="parquet", kind=kind)

    assert names(tmp_path) == [done.path.name]
    feed = FileFeed(done.path)
    assert feed.check()[0].rows == rows
    if kind == "candles":
        assert next(feed.bars(SYMBOL)).open[:2] == [100.5, 101.5]
    else:
        assert next(feed.ticks(SYMBOL)).ticks.price[:2] == [100.0, 101.0]


def test_a_time_without_rows_makes_no_file(venue: PastVenue, tmp_path: Path) -> None:
    done = fetch(venue, tmp_path, START - DAY, START - HOUR)

    assert (done.rows, done.first_ms, names(tmp_path)) == (0, None, [])


# ------------------------------------------------------------------ going on


@pytest.mark.parametrize("calls", [1, 2, 5, 9])
def test_an_interrupted_download_goes_on(venue: PastVenue, tmp_path: Path, calls: int) -> None:
    def stop() -> None:
        if len(venue.calls) > calls:
            raise KeyboardInterrupt

    venue.before_call = stop
    with pytest.raises(KeyboardInterrupt):
        fetch(venue, tmp_path)
    assert names(tmp_path) == ["BTC_USDT-1m.csv.part"]
    kept = (tmp_path / "BTC_USDT-1m.csv.part").read_text().count("\n") - 1
    venue.before_call = lambda: None

    done = fetch(venue, tmp_path)

    assert (done.rows, kept + done.rows) == (1_000 - kept, 1_000)
    assert done.path.read_text() == csv_of(venue.bars["1m"])
    assert names(tmp_path) == ["BTC_USDT-1m.csv"]


def test_half_a_row_is_fetched_again(venue: PastVenue, tmp_path: Path) -> None:
    whole = csv_of(venue.bars["1m"])
    for cut in (3, 40, 60, 90, 95, 4_000, len(whole) - 1, len(whole)):
        (tmp_path / "BTC_USDT-1m.csv.part").write_text(whole[:cut])

        fetch(venue, tmp_path)

        assert (tmp_path / "BTC_USDT-1m.csv").read_text() == whole
        (tmp_path / "BTC_USDT-1m.csv").unlink()


def test_a_finished_file_is_extended_at_both_ends(venue: PastVenue, tmp_path: Path) -> None:
    fetch(venue, tmp_path, START + 300 * MINUTE, START + 400 * MINUTE)

    done = fetch(venue, tmp_path)

    assert (done.rows, done.first_ms) == (900, START)
    assert done.path.read_text() == csv_of(venue.bars["1m"])
    assert fetch(venue, tmp_path).rows == 0
    assert fetch(venue, tmp_path, START - DAY).rows == 0
    assert done.path.read_text() == csv_of(venue.bars["1m"])
    assert names(tmp_path) == ["BTC_USDT-1m.csv"]


@pytest.mark.parametrize("calls", range(1, 13))
def test_an_interruption_while_it_is_extended_loses_nothing(
    venue: PastVenue, tmp_path: Path, calls: int
) -> None:
    fetch(venue, tmp_path, START + 300 * MINUTE, START + 400 * MINUTE)
    finished = (tmp_path / "BTC_USDT-1m.csv").read_text()
    begun = len(venue.calls)

    def stop() -> None:
        if len(venue.calls) > begun + calls:
            raise ccxt.ExchangeError("stopped")

    venue.before_call = stop
    try:
        fetch(venue, tmp_path)
    except ccxt.ExchangeError:
        assert (tmp_path / "BTC_USDT-1m.csv").read_text() == finished
    venue.before_call = lambda: None

    fetch(venue, tmp_path)

    assert (tmp_path / "BTC_USDT-1m.csv").read_text() == csv_of(venue.bars["1m"])
    assert names(tmp_path) == ["BTC_USDT-1m.csv"]


def test_trades_of_one_moment_are_whole_after_an_interruption(venue: PastVenue, tmp_path: Path) -> None:
    venue.prints = prints([START + at // 5 * 1_000 for at in range(100)])
    venue.most = 7
    for calls in range(1, 60):
        venue.calls.clear()

        def stop(most: int = calls) -> None:
            if len(venue.calls) > most:
                raise KeyboardInterrupt

        venue.before_call = stop
        try:
            done = fetch(venue, tmp_path, kind="trades")
        except KeyboardInterrupt:
            continue
        break
    ids = [line.rsplit(",", 1)[1] for line in done.path.read_text().splitlines()[1:]]
    assert ids == [str(number) for number in range(100)]


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("kind", ["candles", "trades"])
def test_an_exchange_that_has_forgotten_what_follows_leaves_no_hole(
    venue: PastVenue, tmp_path: Path, kind: Any
) -> None:
    venue.most = 20
    finished = fetch(venue, tmp_path, to_ms=START + 100_000, kind=kind).path.read_text()
    venue.answer = "newest"

    with pytest.raises(ValueError, match="exchange: past does not tell what followed 1700032"):
        fetch(venue, tmp_path, kind=kind)

    [path] = tmp_path.glob("*.csv")
    assert path.read_text() == finished


def test_a_file_of_somebody_else_is_left_alone(venue: PastVenue, tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT-1m.csv"
    path.write_text("date,price\n1,2\n")

    with pytest.raises(ValueError, match=r"BTC_USDT-1m\.csv\.part: expected rows of timestamp,open"):
        fetch(venue, tmp_path)

    assert path.read_text() == "date,price\n1,2\n"


def test_two_downloads_of_one_file_do_not_mix(venue: PastVenue, tmp_path: Path) -> None:
    with FileLock(tmp_path / "BTC_USDT-1m.csv.lock"), pytest.raises(ValueError, match="another download"):
        fetch(venue, tmp_path)


@pytest.mark.parametrize(
    "more, expected",
    [
        ({"symbol": "BTCUSDT"}, "symbols: expected such as BTC/USDT"),
        ({"symbol": "../x/USDT"}, "symbols: expected such as BTC/USDT"),
        ({"timeframe": "2m"}, "timeframe: expected one of"),
        ({"from_ms": NOW}, "from: expected before 2023-11-16"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, more: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Wanted(**{"symbol": SYMBOL, "from_ms": START, "to_ms": NOW, "folder": tmp_path} | more)


def test_parquet_without_pyarrow_is_refused_before_anything_is_fetched(
    venue: PastVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)

    with pytest.raises(ValueError, match="format: Parquet needs pyarrow"):
        fetch(venue, tmp_path, format="parquet")
    assert venue.calls == []


def test_exchanges_are_those_of_ccxt() -> None:
    exchange = exchange_of("binance")

    assert exchange.enableRateLimit
    with pytest.raises(ValueError, match="exchange: ccxt has no 'nowhere'"):
        exchange_of("nowhere")
