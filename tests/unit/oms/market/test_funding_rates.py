"""Funding rates in files: what each form of them says, what is refused, and what nobody may know yet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from ccxt_driver.oms.market.checking import check
from ccxt_driver.oms.market.feed import Funding
from ccxt_driver.oms.market.file_names import DataFile, named
from ccxt_driver.oms.market.file_rows import BadFile
from ccxt_driver.oms.market.files import FileFeed
from ccxt_driver.oms.market.funding_rates import FundingRates, read_funding_rates
from ccxt_driver.oms.market.tape import FileReport

D: Final = Decimal
T: Final = 1_700_006_400_000  # 2023-11-15 00:00
HOUR: Final = 3_600_000
SWAP: Final = "BTC/USDT:USDT"
ROWS: Final = [(T, 0.0001), (T + 8 * HOUR + 3, -0.00025), (T + 16 * HOUR, 0.0003)]
FUNDINGS: Final = [(time, D(str(rate))) for time, rate in ROWS]


def read(path: Path) -> tuple[FundingRates, FileReport]:
    file = named(path)
    assert isinstance(file, DataFile)
    return read_funding_rates(file)


def csv(
    folder: Path, rows: Sequence[Sequence[Any]], what: str = "funding_rate", name: str = "fundingRate"
) -> Path:
    path = folder / f"BTC_USDT_USDT-{what}.csv"
    path.write_text(f"timestamp,{name}\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def price(folder: Path) -> None:
    (folder / "BTC_USDT_USDT-1h.csv").write_text(f"{T},100,100,100,100,1\n")


def columnar(path: Path, **columns: Any) -> Path:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    times = arrow.array([time * 1_000_000 for time, _ in ROWS], arrow.timestamp("ns", tz="UTC"))
    table = arrow.table({"date": times, **columns})
    (feather.write_feather if path.suffix == ".feather" else parquet.write_table)(table, path)
    return path


# ------------------------------------------------------------------ forms


@pytest.mark.parametrize("name", ["fundingRate", "funding_rate"])
def test_csv(tmp_path: Path, name: str) -> None:
    rates, report = read(csv(tmp_path, ROWS, name=name))
    assert rates.between(0, T + 24 * HOUR, 9) == FUNDINGS
    assert (report.kind, report.rows, report.first_ms, report.last_ms) == ("funding", 3, T, T + 16 * HOUR)
    assert (report.missing, report.gaps, report.duplicates, report.complete) == (0, [], 0, True)


def test_what_ccxt_returns(tmp_path: Path) -> None:
    rows = [{"symbol": SWAP, "fundingRate": rate, "timestamp": time, "info": {}} for time, rate in ROWS]
    listed, lines = (
        tmp_path / "BTC_USDT_USDT-funding_rate.json",
        tmp_path / "ETH_USDT_USDT-funding_rate.jsonl",
    )
    listed.write_text(json.dumps(rows))
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for path in (listed, lines):
        assert read(path)[0].between(0, T + 24 * HOUR, 9) == FUNDINGS


@pytest.mark.parametrize("end", ["feather", "parquet"])
def test_what_freqtrade_downloads(tmp_path: Path, end: str) -> None:
    rates = [rate for _, rate in ROWS]
    old = {name: [0.0, 0.0, 0.0] for name in ("high", "low", "close", "volume")}
    for name, columns in {"8h": {"open": rates, **old}, "1h": {"funding_rate": rates}}.items():
        path = columnar(tmp_path / f"BTC_USDT_USDT-{name}-funding_rate.{end}", **columns)
        assert read(path)[0].between(0, T + 24 * HOUR, 9) == FUNDINGS


def test_freqtrades_json(tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT_USDT-8h-funding_rate.json"
    path.write_text(json.dumps([[time, rate, 0, 0, 0, 0] for time, rate in ROWS]))
    assert read(path)[0].between(0, T + 24 * HOUR, 9) == FUNDINGS


def test_rows_that_only_fill_the_time_between_charges(tmp_path: Path) -> None:
    empty = iter(["0", "0.0", "nan", ""] * 8)
    rows = [(T + at * HOUR, "0.0001" if at % 8 == 0 else next(empty)) for at in range(25)]
    rates, report = read(csv(tmp_path, rows, "1h-funding_rate", "open"))
    assert [row.time_ms for row in rates.between(0, T + 25 * HOUR, 9)] == [
        T + at * HOUR for at in (0, 8, 16, 24)
    ]
    assert (report.rows, report.missing) == (25, 0)


def test_a_rate_of_zero_is_known_and_charges_nothing(tmp_path: Path) -> None:
    rates, _ = read(csv(tmp_path, [(T, 0), (T + 8 * HOUR, "0.0001")]))
    assert rates.newest(T, 1) == [(T, D(0))]
    assert (rates.charged(T), rates.next_charge(T - 1)) == (D(0), T + 8 * HOUR)


# ------------------------------------------------------------------ what cannot be used


@pytest.mark.parametrize(
    "row, expected",
    [
        ((T, "x"), "a rate, got 'x'"),
        ((T, ""), "a rate, got ''"),
        ((T, "nan"), "between -1 and 1"),
        ((T, "1"), "between -1 and 1"),
        ((1_700_006_400, "0.1"), "milliseconds"),
        ((T - 9 * HOUR, "0.1"), "in order of time"),
    ],
)
def test_rows_that_make_no_sense(tmp_path: Path, row: tuple[Any, ...], expected: str) -> None:
    path = csv(tmp_path, [(T - HOUR, "0.0001"), row])
    with pytest.raises(BadFile, match=rf"funding_rate\.csv: row 2 \(.*{expected}"):
        read(path)


def test_a_file_without_rates(tmp_path: Path) -> None:
    path = csv(tmp_path, ROWS, name="premium")
    with pytest.raises(BadFile, match="expected a column fundingRate"):
        read(path)


def test_duplicates(tmp_path: Path) -> None:
    rates, report = read(csv(tmp_path, [*ROWS[:2], ROWS[1], (ROWS[1][0], "0.5"), ROWS[2]]))
    assert rates.between(0, T + 24 * HOUR, 9) == FUNDINGS
    assert (report.rows, report.duplicates, report.conflicting) == (3, 2, 1)


def test_gaps_are_found_although_exchanges_change_how_often_they_charge(tmp_path: Path) -> None:
    hours = [*range(0, 80, 8), *range(80, 120, 4)]
    for gone in (24, 48, 56, 100):
        hours.remove(gone)
    _, report = read(csv(tmp_path, [(T + hour * HOUR + hour % 5, "0.0001") for hour in hours]))
    assert report.missing == 4
    assert [(due - T) // HOUR for due, _ in report.gaps] == [24, 48, 100]
    assert [(after - T) // HOUR for _, after in report.gaps] == [32, 64, 104]


# ------------------------------------------------------------------ folders


def test_a_feed_uses_one_file_of_a_symbol(tmp_path: Path) -> None:
    price(tmp_path)
    for what in ("8h-funding_rate", "1h-funding_rate", "funding_rate"):
        csv(tmp_path, ROWS, what, "open" if "h" in what else "fundingRate")
    feed = FileFeed(tmp_path)
    fundings = feed.fundings(SWAP)
    assert fundings is not None
    assert fundings.newest(T, 1) == FUNDINGS[:1]
    other = "nothing: there is BTC_USDT_USDT-funding_rate.csv"
    assert {Path(report.path).name: report.use for report in feed.report()} == {
        "BTC_USDT_USDT-1h.csv": "price",
        "BTC_USDT_USDT-funding_rate.csv": "funding rates",
        "BTC_USDT_USDT-1h-funding_rate.csv": other,
        "BTC_USDT_USDT-8h-funding_rate.csv": other,
    }
    assert feed.end_ms < T + HOUR  # they make no data longer
    (tmp_path / "BTC_USDT_USDT-funding_rate.jsonl").touch()
    with pytest.raises(BadFile, match="one file of each kind and timeframe"):
        FileFeed(tmp_path)


def test_rates_without_a_price(tmp_path: Path) -> None:
    path = csv(tmp_path, ROWS)
    with pytest.raises(BadFile, match="expected a file of prices beside it"):
        FileFeed(path)


def test_a_check_reads_them(tmp_path: Path) -> None:
    price(tmp_path)
    path = csv(tmp_path, ROWS)
    checked = check(tmp_path)
    assert checked.problems == {}
    assert [(report.use, report.rows) for report in checked.reports] == [("price", 1), ("funding rates", 3)]
    path.write_text("timestamp,fundingRate\n1,2\n")
    assert [*check(tmp_path).problems] == [str(path)]


# ------------------------------------------------------------------ what may be known


def rates_at(*hours: float) -> FundingRates:
    return FundingRates([Funding(T + round(hour * HOUR), D("0.0001")) for hour in hours])


def test_nothing_depends_on_what_is_later() -> None:
    short, long = rates_at(0, 8, 16), rates_at(0, 8, 16, 17, 18)
    for at in (T - 1, T, T + 9 * HOUR, T + 16 * HOUR, T + 17 * HOUR - 1):
        assert short.newest(at, 9) == long.newest(at, 9)
        assert short.between(0, at, 9) == long.between(0, at, 9)
        assert short.interval_ms(at) == long.interval_ms(at)
        assert short.expected(at, 8 * HOUR) == long.expected(at, 8 * HOUR)


def test_when_the_next_one_may_be_expected() -> None:
    late = 3 / HOUR  # ms after the hour, as exchanges are
    rates = rates_at(0, 8 + late, 24 + late, 28, 32)
    assert rates.interval_ms(T) is None
    assert rates.interval_ms(T + 9 * HOUR) == 8 * HOUR
    assert rates.interval_ms(T + 25 * HOUR) == 8 * HOUR  # one is missing, that is no other interval
    assert rates.interval_ms(T + 33 * HOUR) == 4 * HOUR
    assert rates.expected(T + 9 * HOUR, 8 * HOUR) == T + 16 * HOUR
    assert rates.expected(T + 16 * HOUR, 8 * HOUR) == T + 24 * HOUR
    assert rates.expected(T - 1, 8 * HOUR) == T
