"""Equity at all prices that the OMS has passed: its peaks and troughs are those of the account."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from ccxt_driver.backtest.report.analysis import Analysis
from ccxt_driver.backtest.thinning import cuts_at, thinned
from ccxt_driver.oms.market.prints import Moves
from tests.helpers.backtest_desk import MINUTE, OTHER, SECOND, SWAP, Candle, D, Desk, T, flat, write

POINTS = (0, 19_999, 39_999, 59_999)
"""Of the way through a candle of a minute."""


def fall_of(report: Analysis) -> float:
    """The deepest fall from a peak, in money."""
    deepest = report.account.curve.deepest
    return 0.0 if deepest is None else deepest.amount


def deepest_fall(values: Sequence[float]) -> float:
    """The same of values: that of the largest share."""
    peak, found = values[0], (0.0, 0.0)
    for value in values:
        peak = max(peak, value)
        found = max(found, (1 - value / peak, peak - value))
    return found[1]


def test_who_buys_after_a_jump_has_not_won_by_it(tmp_path: Path) -> None:
    """The close before it was taken for the price: a profit that nobody had, and a fall from it."""
    write(tmp_path, "BTC_USDT_USDT-1m", [flat(100), flat(100), flat(50), flat(50), flat(80), flat(80)])
    desk = Desk(tmp_path)
    desk.to(T + 2 * MINUTE)
    desk.send("buy", 100)
    desk.to(T + 4 * MINUTE)
    desk.send("sell", 100)
    desk.to(T + 5 * MINUTE)

    report = desk.report()

    assert desk.equity() == 102_990  # a tick below
    assert fall_of(report) == 0
    assert max(report.account.curve.highest) == pytest.approx(102_990)


def test_a_fall_within_a_candle_is_one(tmp_path: Path) -> None:
    write(tmp_path, "BTC_USDT_USDT-1m", [flat(100), (100, 150, 60, 100), flat(100)])
    desk = Desk(tmp_path)
    desk.send("buy", 10)
    desk.to(T + 2 * MINUTE + SECOND)

    report = desk.report()

    assert fall_of(report) == 900
    deepest = report.account.curve.deepest
    assert deepest is not None
    assert (deepest.peak_ms - T, deepest.trough_ms - T) == (MINUTE + POINTS[1], MINUTE + POINTS[2])


@pytest.mark.parametrize(
    "order, fall",
    [
        ({"order_type": "market", "trigger_price": "950"}, 50),
        ({"order_type": "limit", "price": "1050"}, 0),
    ],
)
@pytest.mark.parametrize("marks", [False, True])
def test_who_got_out_on_the_way_was_not_there_at_its_end(
    tmp_path: Path, order: dict[str, str], fall: int, marks: bool
) -> None:
    rows: list[Candle] = [flat(1000), (1000, 1100, 1000, 1000), (1000, 1000, 900, 1000), flat(1000)]
    rows = rows if "price" in order else [rows[0], rows[2], rows[0]]
    write(tmp_path, "BTC_USDT_USDT-1m", rows)
    if marks:
        write(tmp_path, "BTC_USDT_USDT-1m-mark", rows)
    desk = Desk(tmp_path, maker="0")
    desk.send("buy", 1)
    desk.send("sell", 1, reduce_only=True, **order)
    desk.to(T + (len(rows) - 1) * MINUTE)

    report = desk.report()

    assert desk.equity() == (100_050 if "price" in order else 99_950)
    assert fall_of(report) == pytest.approx(fall, abs=0.2)


@pytest.mark.parametrize("path", ["open-high-low-close", "open-low-high-close", "near-extreme-first"])
@pytest.mark.parametrize("prices", ["candles", "trades"])
@pytest.mark.parametrize("seed", range(3))
def test_falls_are_those_that_whoever_looks_all_the_time_sees(
    tmp_path: Path, path: str, prices: str, seed: int
) -> None:
    chance, minutes = Random(f"{path} {prices} {seed}"), 90
    # Of several symbols' trades not all sums are looked at, of one symbol's all that tell.
    symbols = (SWAP, OTHER) if prices == "candles" else (SWAP,)
    looks = {
        look
        for symbol in symbols
        for look in _write(tmp_path, symbol.replace("/", "_").replace(":", "_"), prices, chance, minutes)
    }
    desk = Desk(tmp_path, path=path, taker="0.0005")
    sends = {T + chance.randrange((minutes - 1) * MINUTE // 100) * 100 for _ in range(30)}
    seen = [float(desk.equity())]
    for now in sorted(looks | sends):
        desk.to(now)
        seen.append(float(desk.equity()))
        if now in sends:
            desk.send(
                chance.choice(("buy", "sell")),
                D(chance.randint(10, 900)) / 1000,
                chance.choice(symbols),
            )
            seen.append(float(desk.equity()))

    curve = desk.report().account.curve

    assert (min(curve.lowest), max(curve.highest)) == pytest.approx((min(seen), max(seen)), rel=1e-12)
    assert curve.deepest is not None
    assert curve.deepest.amount == pytest.approx(deepest_fall(seen), rel=1e-9)


def _write(folder: Path, name: str, prices: str, chance: Random, minutes: int) -> list[int]:
    """A file, and when its price moves."""
    if prices == "trades":
        times = [T, *(T + at * 100 for at in sorted(chance.sample(range(1, minutes * MINUTE // 100), 900)))]
        rows = [f"{at},{chance.randint(9000, 11_000) / 10},9\n" for at in times]
        (folder / f"{name}-trades.csv").write_text("timestamp,price,amount\n" + "".join(rows))
        return times
    found: list[Candle] = []
    for _ in range(minutes):
        points = [D(chance.randint(9000, 11_000)) / 10 for _ in range(4)]
        found.append((points[0], max(points), min(points), points[3]))
    write(folder, f"{name}-1m", found)
    return [T + minute * MINUTE + step for minute in range(minutes) for step in POINTS]


def test_of_many_prices_those_that_tell_are_kept() -> None:
    times = [0, 10, 20, 30, 40, 50, 60_000, 60_001, 60_001, 60_002]
    prices = [5.0, 9.0, 1.0, 4.0, 2.0, 3.0, 7.0, 99.0, 8.0, 6.0]

    assert thinned(Moves(times, prices), []) == (
        [0, 10, 20, 50, 60_000, 60_001, 60_002],
        [5.0, 9.0, 1.0, 3.0, 7.0, 8.0, 6.0],
    )
    # Who has bought at 20 has seen no 9, and 4 is the highest.
    assert thinned(Moves(times[:6], prices[:6]), cuts_at([20])) == (
        [0, 10, 20, 30, 40, 50],
        [5.0, 9.0, 1.0, 4.0, 2.0, 3.0],
    )
