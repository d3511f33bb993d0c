"""`ccxt-driver data`: what it prints, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ccxt
import click
import pytest
from click.testing import CliRunner, Result

from ccxt_driver.cli import main
from ccxt_driver.venues import download
from tests.helpers.past_venue import HOUR, MINUTE, NOW, PastVenue, bars, fundings

HEAD = "timestamp,open,high,low,close,volume\n"


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> PastVenue:
    venue = PastVenue()
    venue.now = NOW + MINUTE
    venue.bars = {"1m": bars(NOW - HOUR, 60)}
    monkeypatch.setattr(download, "exchange_of", lambda name: venue)
    return venue


@pytest.fixture
def fetch(venue: PastVenue, tmp_path: Path) -> Callable[..., Result]:
    def invoke(*more: str, symbols: str = "BTC/USDT") -> Result:
        args = ["--exchange", "past", "--symbols", symbols, "--from", "2023-11-15", "--to", "2023-11-16"]
        return CliRunner().invoke(main, ["data", "download", *args, "--out", str(tmp_path / "data"), *more])

    return invoke


def check(*args: object) -> Result:
    return CliRunner().invoke(main, ["data", "check", *map(str, args)])


# ------------------------------------------------------------------ download


def test_a_file_for_each_symbol(fetch: Callable[..., Result], tmp_path: Path) -> None:
    done = fetch(symbols="BTC/USDT, BTC/USDT:USDT")

    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        f"{tmp_path}/data/{name}: 60 new rows, 2023-11-15 23:00:00 to 2023-11-15 23:59:00 (UTC)"
        for name in ("BTC_USDT-1m.csv", "BTC_USDT_USDT-1m.csv")
    ]
    assert fetch().stdout.startswith(f"{tmp_path}/data/BTC_USDT-1m.csv: 0 new rows")


def test_what_is_known_of_swaps(fetch: Callable[..., Result], venue: PastVenue, tmp_path: Path) -> None:
    venue.marks, venue.fundings = venue.bars, fundings([NOW - 8 * HOUR, NOW - HOUR])

    for kind, name, rows in (("mark", "1m-mark", 60), ("funding", "funding_rate", 2)):
        done = fetch("--kind", kind, symbols="BTC/USDT:USDT")

        assert done.exit_code == 0, done.output
        assert done.stdout.startswith(f"{tmp_path}/data/BTC_USDT_USDT-{name}.csv: {rows} new rows, ")
    assert "error: symbols: expected a swap" in fetch("--kind", "funding").stderr


def test_a_symbol_without_rows_is_told(fetch: Callable[..., Result], venue: PastVenue) -> None:
    venue.bars = {}

    done = fetch()

    assert (done.exit_code, done.stdout) == (1, "")
    assert "error: past has nothing of BTC/USDT in that time" in done.stderr


@pytest.mark.parametrize(
    "more, expected",
    [
        (("--symbols", "ETH/USDT"), "error: symbols: past has no 'ETH/USDT'"),
        (("--symbols", "BTC/USDT,"), "expected symbols such as BTC/USDT,ETH/USDT"),
        (("--timeframe", "5m"), "error: timeframe: past has 1m, 1h, 1d, not '5m'"),
        (("--from", "2023-11-17"), "error: from: expected before 2023-11-16 00:00:00"),
        (("--from", "soon"), "expected a time such as"),
        (("--format", "xls"), "'xls' is not one of"),
    ],
)
def test_what_makes_no_sense_is_a_fault_of_usage(
    fetch: Callable[..., Result], more: tuple[str, ...], expected: str
) -> None:
    done = fetch(*more)

    assert done.exit_code == 2
    assert expected in done.stderr


@pytest.mark.parametrize(
    "error, code",
    [(ccxt.AuthenticationError("go away"), 3), (ccxt.BadSymbol("gone"), 2), (ccxt.ExchangeError("no"), 1)],
)
def test_what_the_exchange_refuses_is_told_in_one_line(
    fetch: Callable[..., Result], venue: PastVenue, error: ccxt.BaseError, code: int
) -> None:
    def fail() -> None:
        raise error

    venue.before_call = fail
    done = fetch()

    assert done.exit_code == code
    assert f"error: {type(error).__name__}: {error}" in done.stderr
    assert "the same command goes on from there" in done.stderr


def test_an_interruption_is_told(fetch: Callable[..., Result], venue: PastVenue, tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    venue.before_call = stop
    done = fetch()

    assert done.exit_code == 130
    assert "Interrupted. What was fetched is kept" in done.stderr
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["BTC_USDT-1m.csv.part"]


def test_a_terminal_shows_how_far_it_is(
    fetch: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ccxt_driver.cli import data

    monkeypatch.setattr(data, "_is_shown", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    done = fetch()

    assert done.exit_code == 0, done.output
    assert "60 rows, " in click.unstyle(done.stderr)
    assert "BTC_USDT-1m.csv" in done.stderr


# ------------------------------------------------------------------ check


def write(folder: Path, name: str, rows: list[list[Any]]) -> None:
    (folder / name).write_text(HEAD + "".join(",".join(map(str, row)) + "\n" for row in rows))


def test_a_table_of_files(tmp_path: Path) -> None:
    rows = bars(NOW - HOUR, 60)
    write(tmp_path, "BTC_USDT-1m.csv", [*rows[:10], rows[9], *rows[15:]])
    write(tmp_path, "BTC_USDT-1h.csv", bars(NOW - 5 * HOUR, 5, HOUR))
    (tmp_path / "BTC_USDT_USDT-1h-index.feather").touch()

    done = check(tmp_path)

    assert done.exit_code == 0, done.output
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines == [
        "file symbol kind rows from (UTC) to (UTC) missing gaps duplicates off tick good for",
        "BTC_USDT-1h.csv BTC/USDT candles 1h 5 2023-11-15 19:00:00 2023-11-15 23:59:59 0 0 0 "
        "candles before 2023-11-15 23:00:00",
        "BTC_USDT-1m.csv BTC/USDT candles 1m 55 2023-11-15 23:00:00 2023-11-15 23:59:59 5 1 1 0 price",
        "BTC_USDT_USDT-1h-index.feather BTC/USDT:USDT nothing: index prices are not used",
    ]


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    write(tmp_path, "BTC_USDT-1m.csv", bars(NOW - HOUR, 60)[::-1])
    write(tmp_path, "ETH_USDT-1m.csv", bars(NOW - HOUR, 60))

    done = check("--json", tmp_path)

    assert done.exit_code == 1
    assert "BTC_USDT-1m.csv: row 2 (" in done.stderr
    assert "expected rows in order of time" in done.stderr
    bad, good = json.loads(done.stdout)
    assert (bad["symbol"], bad["rows"], bad["use"]) == ("BTC/USDT", 0, "nothing: cannot be used")
    assert bad["problem"] in done.stderr
    assert (good["rows"], good["first_ms"], good["gaps"], good["problem"]) == (60, NOW - HOUR, [], None)


def test_files_that_do_not_go_together(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for folder in (tmp_path, tmp_path / "more"):
        write(folder, "BTC_USDT-1m.csv", bars(NOW - HOUR, 60))

    done = check(tmp_path)

    assert done.exit_code == 1
    assert "one file of each kind and timeframe" in done.stderr


def test_a_price_without_a_row_cannot_be_used(tmp_path: Path) -> None:
    write(tmp_path, "ETH_USDT-1m.csv", bars(NOW - HOUR, 60))
    write(tmp_path, "ETH_USDT-1h.csv", [])
    assert check(tmp_path).exit_code == 0

    write(tmp_path, "BTC_USDT-1m.csv", [])
    done = check(tmp_path)

    assert done.exit_code == 1
    assert "BTC_USDT-1m.csv: expected at least one row" in done.stderr


def test_quotes_alone_are_one_file(tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT-quotes.csv").write_text(f"timestamp,bid,ask\n{NOW},100,101\n", encoding="utf-8")

    [report] = json.loads(check("--json", tmp_path).stdout)

    assert (report["kind"], report["rows"]) == ("quotes", 1)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    done = check(tmp_path)

    assert done.exit_code == 1
    assert "expected at least one file of market data, named such as BTC_USDT-1m.csv" in done.stderr
