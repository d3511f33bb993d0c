"""What a report values positions at: what the OMS did at that moment, to the last decimal."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from ccxt_driver.backtest.report.analysis import Analysis
from tests.helpers.backtest_desk import MINUTE, OTHER, SECOND, SWAP, Candle, D, Desk, T, flat, write


def equity_by_time(analysis: Analysis) -> dict[int, float]:
    curve = analysis.account.curve
    return dict(zip(curve.times, curve.equity, strict=True))


def test_open_positions_are_worth_their_mark_price(tmp_path: Path) -> None:
    write(tmp_path, "BTC_USDT_USDT-1m", [flat(1000)] * 6)
    write(tmp_path, "BTC_USDT_USDT-1m-mark", [flat(1001.5), flat(900), None, None, (950, 960, 940, 955)])
    desk = Desk(tmp_path)
    desk.send("buy", 2)
    desk.to(T + 5 * MINUTE)
    report = desk.report()
    assert report.account.end == desk.equity() == 100_000
    minutes = {time - T: value - 100_000 for time, value in equity_by_time(report).items()}
    assert minutes == {
        0: 3,
        MINUTE: -200,
        2 * MINUTE: 0,  # nothing is known: the last price it is
        3 * MINUTE: 0,
        4 * MINUTE: -100,
        5 * MINUTE: 0,
    }
    curve = report.account.curve
    assert [*curve.gross[1:3]] == [2003, 1800]
    # The high and the low of a candle are on a way that is assumed.
    assert (curve.lowest[-1], curve.highest[-1]) == (100_000 - 120, 100_000)
    assert curve.deepest is not None
    assert curve.deepest.amount == 203
    assert curve.deepest.trough_ms == T + MINUTE


def test_what_liquidated_an_account_is_its_drawdown(tmp_path: Path) -> None:
    write(tmp_path, "BTC_USDT_USDT-1m", [flat(1000)] * 4)
    write(tmp_path, "BTC_USDT_USDT-1m-mark", [flat(1000), (1000, 1000, 850, 1000), flat(1000), flat(1000)])
    desk = Desk(tmp_path, balances={"USDT": "110"})
    desk.venue("set_leverage", 10, SWAP)
    desk.send("buy", 1)
    desk.to(T + 3 * MINUTE)
    report = desk.report()
    assert report.account.end == desk.equity() == D("109.9")  # at the last price, a tick below
    deepest = report.account.curve.deepest
    assert deepest is not None
    assert (deepest.amount, deepest.trough_ms) == (150, T + MINUTE + 39_999)


def test_before_the_first_and_after_the_last_mark_price_last_prices_count(tmp_path: Path) -> None:
    write(tmp_path, "BTC_USDT_USDT-1m", [flat(1000 + minute) for minute in range(8)])
    write(tmp_path, "BTC_USDT_USDT-1m-mark", [flat(950), flat(951)], start=T + 3 * MINUTE)
    desk = Desk(tmp_path)
    desk.send("buy", 1)
    desk.to(T + 7 * MINUTE + 1)
    times, values = desk.report().run.position_prices[SWAP]
    assert [((time - T) / MINUTE, value) for time, value in zip(times, values, strict=True)] == [
        *((0, 1000), (1, 1001), (2, 1002)),
        *((3, 950), (4, 951)),
        *((5, 1005), (6, 1006), (7, 1007)),
    ]


@pytest.mark.parametrize("begin, end", [(20 * SECOND, 50 * SECOND), (20 * SECOND, 3 * MINUTE + 41 * SECOND)])
def test_both_ends_within_a_candle(tmp_path: Path, begin: int, end: int) -> None:
    write(tmp_path, "BTC_USDT_USDT-1m", [flat(1000)] * 5)
    write(tmp_path, "BTC_USDT_USDT-1m-mark", [(1001, 1004, 998, 1002.00000001)] * 4)
    desk = Desk(tmp_path, start_ms=T + begin)
    desk.send("sell", 3)
    desk.to(T + end)
    report = desk.report()
    assert report.account.end == desk.equity() == D("100005.7")
    run = report.run
    assert run.position_prices[SWAP].times[0] == T + begin
    assert run.position_prices[SWAP].values[0] == 1004


def test_coins_stay_at_last_prices(tmp_path: Path) -> None:
    """Also where it is the last price of the swap that they are valued at."""
    write(tmp_path, "BTC_USDT_USDT-1m", [flat(1000)] * 3)
    write(tmp_path, "BTC_USDT_USDT-1m-mark", [flat(900)] * 3)
    desk = Desk(tmp_path, balances={"USDT": "100000", "BTC": "1"})
    desk.send("buy", 1)
    desk.to(T + 2 * MINUTE)
    assert desk.report().account.end == desk.equity() + 1000 == 100_900


@pytest.mark.parametrize("files", [{}, {"1m": "5m"}, {"5m": "1m"}])
def test_without_marks_that_positions_are_valued_at(tmp_path: Path, files: dict[str, str]) -> None:
    """Neither without a file nor with candles of another length than those of the price."""
    steps = {"1m": MINUTE, "5m": 5 * MINUTE}
    for price, mark in files.items():
        write(tmp_path, f"BTC_USDT_USDT-{mark}-mark", [flat(500)] * 100, steps[mark])
        write(tmp_path, f"BTC_USDT_USDT-{price}", [flat(1000)] * 100, steps[price])
    if not files:
        write(tmp_path, "BTC_USDT_USDT-1m", [flat(1000)] * 100)
    desk = Desk(tmp_path)
    desk.send("buy", 10)
    desk.to(T + 20 * MINUTE)
    report = desk.report()
    assert report.run.position_prices == {}
    assert report.account.end == desk.equity() == 100_000
    assert report.account.curve.deepest is None


def test_what_comes_after_the_end_is_not_seen(tmp_path: Path) -> None:
    write(tmp_path, "BTC_USDT_USDT-1m", [flat(1000)] * 6)
    found = []
    for future in (1, 9999):
        write(
            tmp_path, "BTC_USDT_USDT-1m-mark", [flat(1001), (1002, 1002 + future, 1002, 1003), flat(future)]
        )
        desk = Desk(tmp_path)
        desk.send("buy", 1)
        desk.to(T + MINUTE + 10 * SECOND)
        report = desk.report()
        found.append((*map(list, report.run.position_prices[SWAP]), report.account.curve, report.account.end))
    assert found[0] == found[1]


def test_a_swap_that_was_not_traded_is_not_looked_through(tmp_path: Path) -> None:
    for symbol in ("BTC", "ETH"):
        write(tmp_path, f"{symbol}_USDT_USDT-1m", [flat(1000)] * 3)
        write(tmp_path, f"{symbol}_USDT_USDT-1m-mark", [flat(1001)] * 3)
    desk = Desk(tmp_path)
    desk.send("buy", 1, OTHER)
    desk.to(T + 2 * MINUTE)
    assert [*desk.report().run.position_prices] == [OTHER]


def test_a_price_that_stays_is_there_once(tmp_path: Path) -> None:
    write(tmp_path, "BTC_USDT_USDT-1m", [flat(1000)] * 100)
    write(tmp_path, "BTC_USDT_USDT-1m-mark", [flat(1001)] * 50 + [flat(1002)] * 50)
    desk = Desk(tmp_path)
    desk.send("buy", 1)
    desk.to(T + 90 * MINUTE)
    times, values = desk.report().run.position_prices[SWAP]
    assert ([*times], [*values]) == ([T, T + 50 * MINUTE], [1001, 1002])


def test_candles_of_a_second_count_by_the_minute(tmp_path: Path) -> None:
    lines = [f"{T + second * SECOND},1000,1\n" for second in range(130)]
    tmp_path.joinpath("BTC_USDT_USDT-trades.csv").write_text("timestamp,price,amount\n" + "".join(lines))
    marks = [flat(1000 + second) for second in range(125)]
    write(tmp_path, "BTC_USDT_USDT-1s-mark", [*marks[:70], None, *marks[71:]], SECOND)
    desk = Desk(tmp_path)
    desk.send("buy", 1)
    desk.to(T + 30 * SECOND)
    desk.send("buy", 1)
    desk.to(T + 129 * SECOND)
    report = desk.report()
    times, values = report.run.position_prices[SWAP]
    assert [(time - T, value) for time, value in zip(times, values, strict=True)] == [
        *((0, 1000), (29 * SECOND, 1029), (30 * SECOND, 1030), (59 * SECOND, 1059)),
        *((MINUTE, 1060), (69 * SECOND, 1069), (70 * SECOND, 1000), (71 * SECOND, 1071)),
        *((119 * SECOND, 1119), (2 * MINUTE, 1120), (124 * SECOND, 1124), (125 * SECOND, 1000)),
    ]
    assert report.account.end == desk.equity()


@pytest.mark.parametrize("mode", ["netting", "hedge"])
@pytest.mark.parametrize("prices", ["1m", "3m", "trades"])
@pytest.mark.parametrize("marked", ["all", "part", "none", "one"])
@pytest.mark.parametrize("seed", range(3))
def test_equity_is_that_of_the_oms(tmp_path: Path, mode: str, prices: str, marked: str, seed: int) -> None:
    """At the end to the last decimal; at each deal as far as floats tell."""
    chance = Random(f"{mode} {prices} {marked} {seed}")
    minutes = 120
    for name in ("BTC", "ETH"):
        _write_market(tmp_path, name, prices, chance, minutes)
        if marked in ("all", "part") or (marked == "one" and name == "ETH"):
            _write_marks(tmp_path, name, prices, chance, minutes, some=marked == "part")
    path = chance.choice(("open-high-low-close", "near-extreme-first"))
    desk = Desk(tmp_path, position_mode=mode, path=path, taker="0.0005")
    now, said = T, {}
    for _ in range(30):
        now = min(now + chance.randrange(1, 7 * MINUTE), T + (minutes - 1) * MINUTE)
        desk.to(now)
        qty, symbol = D(chance.randint(10, 900)) / 1000, chance.choice((SWAP, OTHER))
        desk.send(chance.choice(("buy", "sell")), qty, symbol)
        said[now] = desk.equity()
    desk.to(now + chance.randrange(1, MINUTE))
    report = desk.report()
    assert report.unvalued == []
    assert report.account.end == desk.equity()
    curve = equity_by_time(report)
    assert curve[max(curve)] == pytest.approx(float(desk.equity()), rel=1e-12)
    assert {at: curve[at] for at in said} == {
        at: pytest.approx(float(equity), rel=1e-12) for at, equity in said.items()
    }


def _write_market(folder: Path, name: str, prices: str, chance: Random, minutes: int) -> None:
    if prices == "trades":
        times = sorted(chance.sample(range(1, minutes * 60), 400))
        rows = [f"{T + at * SECOND},{chance.randint(9000, 11_000) / 10},9\n" for at in [0, *times]]
        (folder / f"{name}_USDT_USDT-trades.csv").write_text("timestamp,price,amount\n" + "".join(rows))
        return
    step = int(prices[:-1])
    write(folder, f"{name}_USDT_USDT-{prices}", _walk(chance, minutes // step, 1), step * MINUTE)


def _write_marks(folder: Path, name: str, prices: str, chance: Random, minutes: int, some: bool) -> None:
    timeframe = "1m" if prices == "trades" else prices
    step = int(timeframe[:-1])
    rows: list[Candle | None] = [*_walk(chance, minutes // step, 8)]
    if some:
        rows = [row if chance.random() < 0.7 else None for row in rows]
        rows[chance.randrange(len(rows)) :] = [None]
        rows[len(rows) // 4] = rows[len(rows) // 4] or flat(1000)
    write(folder, f"{name}_USDT_USDT-{timeframe}-mark", rows, step * MINUTE)


def _walk(chance: Random, count: int, places: int) -> list[Candle]:
    """Candles that jump about, of so many decimals."""
    found: list[Candle] = []
    for _ in range(count):
        points = [
            D(chance.randint(900, 1100)) + D(chance.randrange(10**places)).scaleb(-places) for _ in range(4)
        ]
        found.append((points[0], max(points), min(points), points[3]))
    return found
