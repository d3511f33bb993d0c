"""What a report says of funding rates and mark prices."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from ccxt_driver.backtest.swap_assumptions import swap_assumptions
from ccxt_driver.oms.market.files import FileFeed

T: Final = 1_700_006_400_000  # 2023-11-15 00:00
HOUR: Final = 3_600_000
ALL: Final = "as in the files: BTC/USDT:USDT"


def said(folder: Path, hours: tuple[float, float] = (0, 48)) -> dict[str, str]:
    feed = FileFeed(folder)
    return swap_assumptions(feed, feed.markets, *(T + round(hour * HOUR) for hour in hours))


def write(folder: Path, name: str, times: range = range(1)) -> None:
    rows = "".join(f"{T + hour * HOUR},100,100,100,100,1\n" for hour in times)
    (folder / f"{name}.csv").write_text(rows)


def rates(folder: Path, times: range) -> None:
    rows = "".join(f"{T + hour * HOUR + 2},0.0001\n" for hour in times)
    (folder / "BTC_USDT_USDT-funding_rate.csv").write_text("timestamp,fundingRate\n" + rows)


def test_without_swaps_nothing(tmp_path: Path) -> None:
    write(tmp_path, "BTC_USDT-1h")
    assert said(tmp_path) == {}


def test_where_they_come_from(tmp_path: Path) -> None:
    for name in ("BTC_USDT_USDT", "ETH_USDT_USDT", "NEW_USDT_USDT"):
        write(tmp_path, f"{name}-1h")
    constant = "0.0001 every 8 h"
    assert said(tmp_path) == {
        "funding": f"{constant}: BTC/USDT:USDT, ETH/USDT:USDT, NEW/USDT:USDT",
        "mark price": "the last price: BTC/USDT:USDT, ETH/USDT:USDT, NEW/USDT:USDT",
    }
    rates(tmp_path, range(0, 49, 8))
    write(tmp_path, "BTC_USDT_USDT-1h-mark", range(49))
    write(tmp_path, "NEW_USDT_USDT-8h-mark", range(0, 49, 8))
    assert said(tmp_path) == {
        "funding": f"{ALL}; {constant}: ETH/USDT:USDT, NEW/USDT:USDT",
        "mark price": f"{ALL}; the last price: ETH/USDT:USDT; "
        "the last price, for funding as in the files: NEW/USDT:USDT",
    }


@pytest.mark.parametrize(
    "times, hours, expected",
    [
        (range(0, 48, 8), (0, 48), ""),
        (range(8, 41, 8), (0, 48), ""),  # from the first that is due to the last
        (range(-80, 100, 8), (3, 20), ""),
        (range(0, 48, 4), (0, 48), ""),
        (range(16, 48, 8), (0, 48), ", none before 2023-11-15 16:00:00"),
        (range(0, 33, 8), (0, 48), ", none after 2023-11-16 08:00:00"),
        (range(0, 41, 4), (0, 48), ", none after 2023-11-16 16:00:00"),
        (range(16, 25, 8), (0, 48), ", none before 2023-11-15 16:00:00, none after 2023-11-16 00:00:00"),
        (range(-80, 0, 8), (0, 48), ", which have none of this time"),
        (range(80, 90, 8), (0, 48), ", which have none of this time"),
        (range(0), (0, 48), ", which have none of this time"),
    ],
)
def test_a_part_of_a_run_without_rates_is_told(
    tmp_path: Path, times: range, hours: tuple[int, int], expected: str
) -> None:
    write(tmp_path, "BTC_USDT_USDT-1h")
    rates(tmp_path, times)
    assert said(tmp_path, hours)["funding"] == f"as in the files{expected}: BTC/USDT:USDT"


@pytest.mark.parametrize(
    "times, hours, expected",
    [
        (range(48), (0, 47.9), ""),
        (range(-80, 100), (3, 20), ""),
        (range(16, 49), (0, 48), ", none before 2023-11-15 16:00:00"),
        (range(33), (0, 48), ", none after 2023-11-16 09:00:00"),
        (range(48), (0, 48), ", none after 2023-11-17 00:00:00"),
        (range(16, 24), (0, 48), ", none before 2023-11-15 16:00:00, none after 2023-11-16 00:00:00"),
        (range(-80, 0), (0, 48), ", which have none of this time"),
        (range(80, 90), (0, 48), ", which have none of this time"),
    ],
)
def test_a_part_of_a_run_without_mark_prices_is_told(
    tmp_path: Path, times: range, hours: tuple[float, float], expected: str
) -> None:
    write(tmp_path, "BTC_USDT_USDT-1h")
    write(tmp_path, "BTC_USDT_USDT-1h-mark", times)
    assert said(tmp_path, hours)["mark price"] == f"as in the files{expected}: BTC/USDT:USDT"


def test_a_part_of_a_run_without_long_candles_of_mark_prices_is_told(tmp_path: Path) -> None:
    write(tmp_path, "BTC_USDT_USDT-1h")
    write(tmp_path, "BTC_USDT_USDT-8h-mark", range(8, 33, 8))
    assert said(tmp_path)["mark price"] == (
        "the last price, for funding as in the files, none before 2023-11-15 08:00:00, "
        "none after 2023-11-16 16:00:00: BTC/USDT:USDT"
    )
