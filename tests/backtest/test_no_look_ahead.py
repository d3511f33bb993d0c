"""What a script sees and does up to a moment never depends on what comes after it.

Each trap is a history whose future is poisoned: whoever sees it says so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from .conftest import Ran, Runner
from .histories import HOUR_MS, MINUTE_MS, START_MS, Candle, coarser, walk, write_candles

SPIES = Path(__file__).parent / "spies"
_MINUTES = 150
_END_MS = START_MS + _MINUTES * MINUTE_MS - 1


class Tick(NamedTuple):
    """A row of a file of trades or quotes; prices in ticks of 0.01."""

    time_ms: int
    price: int
    amount: int


class History(NamedTuple):
    """All that the files of a run have."""

    spot: list[Candle]
    swap: list[Candle]
    trades: list[Tick]
    quotes: list[Tick]
    marks: list[Candle]
    fundings: list[tuple[int, str]]


def _ticks(seed: int, count: int, price: int) -> list[Tick]:
    chance, rows = Random(seed), [Tick(START_MS, price, 500)]
    for time_ms in sorted(chance.sample(range(1, _MINUTES * MINUTE_MS), count)):
        price += chance.randint(-4, 4)
        rows.append(Tick(START_MS + time_ms, price, chance.randint(1, 5_000)))
    return rows


def _history() -> History:
    swap = walk(12, _MINUTES)
    marks = [row._replace(open=row.open - 1, low=row.low - 1, close=row.close - 1) for row in swap]
    fundings = [(START_MS + at * MINUTE_MS + at % 3, f"0.00{at:03}") for at in range(10, _MINUTES, 11)]
    ticks = (_ticks(13, 300, 10_000), _ticks(14, 200, 200_000))
    return History(walk(11, _MINUTES), swap, *ticks, marks, fundings)


def _poisoned(history: History, after_ms: int, seed: int) -> History:
    """The same up to a moment; another history after it, with wild prices, gaps, and rows at other times."""
    chance = Random(seed)

    def candles(rows: list[Candle]) -> list[Candle]:
        known = [row for row in rows if row.open_ms + MINUTE_MS <= after_ms]
        forming = [row for row in rows if row.open_ms <= after_ms < row.open_ms + MINUTE_MS]
        changed = [_changed(row, after_ms, chance) for row in forming]
        later = [row for row in rows if row.open_ms > after_ms]
        factor = chance.choice((3, 0.25))
        wild = [
            row._replace(
                open=int(row.open * factor),
                high=int(row.high * factor * 2),
                low=int(row.low * factor / 2),
                close=int(row.close * factor),
                volume=row.volume + 9_999_999,
            )
            for row in later
            if row is rows[-1] or chance.random() < 0.9  # the end of the data is where it was
        ]
        return known + changed + wild

    def ticks(rows: list[Tick]) -> list[Tick]:
        known = [row for row in rows if row.time_ms <= after_ms]
        count = sum(row.time_ms > after_ms for row in rows)
        factor = chance.choice((3, 0.25))
        times = sorted(chance.sample(range(after_ms + 1, _END_MS), count))
        return known + [Tick(at, int(rows[-1].price * factor), 77_777) for at in times]

    known = [row for row in history.fundings if row[0] <= after_ms]
    later = sorted(chance.sample(range(after_ms + 1, _END_MS), 5))
    return History(
        candles(history.spot),
        candles(history.swap),
        ticks(history.trades),
        ticks(history.quotes),
        candles(history.marks),
        [*known, *((at, "-0.0123") for at in later)],
    )


def _changed(row: Candle, after_ms: int, chance: Random) -> Candle:
    """A candle of which nothing changes that was known by a moment: it opens, goes high, low, and closes."""
    passed = after_ms - row.open_ms
    close = chance.randint(row.low, row.high)
    if passed >= 2 * (MINUTE_MS - 1) // 3 + 1:
        return row._replace(close=close)
    low = row.low // 2
    if passed >= (MINUTE_MS - 1) // 3 + 1:
        return row._replace(low=low, close=close)
    return row._replace(high=row.high * 2, low=low, close=close, volume=row.volume + 7_777)


def _write(folder: Path, history: History) -> Path:
    write_candles(folder, history.spot)
    write_candles(folder, history.swap, "BTC_USDT_USDT")
    write_candles(folder, history.marks, "BTC_USDT_USDT", "1m-mark")
    rates = "".join(f"{at},{rate}\n" for at, rate in history.fundings)
    (folder / "BTC_USDT_USDT-funding_rate.csv").write_text(
        f"timestamp,fundingRate\n{rates}", encoding="utf-8"
    )
    # Long candles, from a time before the price begins, and of all of the time there is.
    earlier = walk(15, 3 * 60, start_ms=START_MS - 3 * HOUR_MS)
    whole = [row for row in history.spot if row.open_ms < START_MS + 2 * HOUR_MS]
    write_candles(folder, coarser([*earlier, *whole], 60), timeframe="1h")
    lines = [f"{at},{price / 100:.2f},{amount / 1000:.3f},buy" for at, price, amount in history.trades]
    text = "\n".join(["timestamp,price,amount,side", *lines])
    (folder / "SOL_USDT-trades.csv").write_text(text + "\n", encoding="utf-8")
    quotes = [
        f"{at},{price / 100:.2f},{(price + 3) / 100:.2f},{amount / 1000:.3f},1"
        for at, price, amount in history.quotes
    ]
    text = "\n".join(["timestamp,bid,ask,bidVolume,askVolume", *quotes])
    (folder / "ETH_USDT-quotes.csv").write_text(text + "\n", encoding="utf-8")
    return folder


def _seen(ran: Ran, until_ms: int) -> list[str]:
    """What a spy has said up to a moment."""
    lines = [line for line in ran.output.splitlines() if line.split(" ", 2)[1].isdigit()]
    return [line for line in lines if int(line.split(" ", 2)[1]) <= until_ms]


_MOMENTS = [
    START_MS + 30 * MINUTE_MS - 1,
    START_MS + 30 * MINUTE_MS,
    START_MS + 61 * MINUTE_MS + 20_000,
    START_MS + 75 * MINUTE_MS + 1,
    START_MS + 99 * MINUTE_MS + 41_234,
    START_MS + 120 * MINUTE_MS - 1,
]


@pytest.fixture(scope="module")
def true_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("true"), _history())


_SETTINGS: dict[str, Any] = {"balances": {"USDT": 100_000, "BTC": 1, "SOL": 100, "ETH": 10}}


@pytest.fixture(scope="module", params=["asks", "watches"])
def spy(request: pytest.FixtureRequest) -> Path:
    return SPIES / f"{request.param}.py"


@pytest.fixture(scope="module")
def truth(run: Runner, true_folder: Path, spy: Path) -> Ran:
    ran = run(spy, true_folder, **_SETTINGS)
    assert ran.code == 0, ran.output[-2_000:]
    assert len(ran.result.trades()) > 20
    return ran


@pytest.mark.parametrize("after_ms", _MOMENTS, ids=lambda at: str(at - START_MS))
def test_another_future_changes_nothing_before_it(
    run: Runner, truth: Ran, spy: Path, tmp_path: Path, after_ms: int
) -> None:
    folder = _write(tmp_path / "poisoned", _poisoned(_history(), after_ms, after_ms))

    ran = run(spy, folder, **_SETTINGS)

    expected = _seen(truth, after_ms)
    seen = _seen(ran, after_ms)
    assert len(expected) > 10
    for mine, others in zip(seen, expected, strict=False):
        assert mine == others
    assert len(seen) == len(expected)
    assert _seen(ran, _END_MS) != _seen(truth, _END_MS)  # there was poison
    for files in ("orders", "trades"):
        rows = [getattr(each.result, files)() for each in (ran, truth)]
        known = [[row["id"] for row in each if int(row["time_ms"]) <= after_ms] for each in rows]
        assert known[0] == known[1]


def test_after_the_end_of_a_run_nothing_of_what_follows_is_seen(
    run: Runner, true_folder: Path, tmp_path: Path
) -> None:
    end_ms = _MOMENTS[4]
    folder = _write(tmp_path / "poisoned", _poisoned(_history(), end_ms, 1))
    runs = [run(SPIES / "asks.py", data, end_ms=end_ms, **_SETTINGS) for data in (true_folder, folder)]

    assert runs[0].output == runs[1].output
    assert sum(line.startswith("end ") for line in runs[0].output.splitlines()) == 2
    for name in ("orders.csv", "trades.csv", "equity.csv", "commands.jsonl"):
        assert (runs[0].folder / name).read_bytes() == (runs[1].folder / name).read_bytes()


# ------------------------------------------------------------------ orders and the past of a candle

_QUIET = 10_000
_SPIKE_MS = START_MS + 10 * MINUTE_MS
"""A candle that opens at 100, goes to 200, to 50, and closes at 100."""


@pytest.fixture(scope="module")
def spike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        Candle(START_MS + number * MINUTE_MS, _QUIET, _QUIET, _QUIET, _QUIET, 1_000) for number in range(20)
    ]
    rows[10] = Candle(_SPIKE_MS, _QUIET, 2 * _QUIET, _QUIET // 2, _QUIET, 1_000)
    folder = tmp_path_factory.mktemp("spike")
    write_candles(folder, rows)
    return folder


Order = Callable[..., dict[str, Any]]


def _ordered(run: Runner, spike: Path, after_ms: int, arguments: str, **settings: Any) -> dict[str, Any]:
    """An order that is placed so long after the candle of the spike opens, as it is in the end."""
    ran = run(
        f"""
        import json, time
        import ccxt
        exchange = ccxt.binance()
        time.sleep({(_SPIKE_MS + after_ms - START_MS) / 1000})
        order = exchange.create_order("BTC/USDT", {arguments})
        try:
            time.sleep(1e6)
        finally:
            print("order", json.dumps(exchange.fetch_order(order["id"], "BTC/USDT")))
            print("trades", json.dumps(exchange.fetch_my_trades("BTC/USDT")))
        """,
        spike,
        balances={"USDT": 10_000, "BTC": 10},
        **settings,
    )
    assert ran.code == 0, ran.output
    [order], [trades] = ran.said("order"), ran.said("trades")
    return {**order, "trades": [(trade["timestamp"] - _SPIKE_MS, trade["price"]) for trade in trades]}


@pytest.mark.parametrize(
    "after_ms,arguments,filled",
    [
        # Before the candle has opened all of its extremes are to come.
        (-1, "'limit', 'sell', 1, 150", 1),
        (-1, "'limit', 'buy', 1, 60", 1),
        # The high was at a third, and is over after it.
        (19_998, "'limit', 'sell', 1, 150", 1),
        (20_000, "'limit', 'buy', 1, 60", 1),
        (40_001, "'limit', 'buy', 1, 49", 0),
        (40_001, "'limit', 'sell', 1, 150", 0),
        (40_001, "'market', 'buy', 1, None, {'triggerPrice': 150}", 0),
        (59_999, "'market', 'sell', 1, None, {'stopLossPrice': 60}", 0),
        (19_998, "'market', 'buy', 1, None, {'triggerPrice': 150}", 1),
        (20_000, "'market', 'sell', 1, None, {'stopLossPrice': 60}", 1),
        (60_000, "'limit', 'sell', 1, 150", 0),
    ],
)
def test_an_order_sees_only_what_comes_after_it(
    run: Runner, spike: Path, after_ms: int, arguments: str, filled: int
) -> None:
    order = _ordered(run, spike, after_ms, arguments)

    assert order["filled"] == filled
    assert all(at_ms > after_ms for at_ms, _ in order["trades"])


@pytest.mark.parametrize("after_ms,price", [(0, 100), (20_500, 200), (40_500, 50), (59_999, 100)])
def test_a_market_order_meets_the_price_of_its_moment(
    run: Runner, spike: Path, after_ms: int, price: float
) -> None:
    order = _ordered(run, spike, after_ms, "'market', 'buy', 1")

    assert order["trades"] == [(after_ms, pytest.approx(price, abs=0.02))]


@pytest.mark.parametrize("after_ms,price", [(19_000, 200), (20_500, 200), (39_500, 50), (59_500, 100)])
def test_with_latency_it_meets_the_price_at_which_it_arrives(
    run: Runner, spike: Path, after_ms: int, price: float
) -> None:
    order = _ordered(run, spike, after_ms, "'market', 'buy', 1", latency_ms=1_000)

    assert order["trades"] == [(after_ms + 1_000, pytest.approx(price, abs=0.02))]


def test_the_day_of_a_ticker_ends_now(run: Runner, spike: Path) -> None:
    ran = run(
        """
        import json, time
        import ccxt
        exchange = ccxt.binance()
        for _ in range(12 * 60):
            ticker = exchange.fetch_ticker("BTC/USDT")
            candles = exchange.fetch_ohlcv("BTC/USDT", "1h")
            now = exchange.milliseconds()
            print("high", json.dumps([now, ticker["high"], candles[-1][2], ticker["low"]]))
            time.sleep(1)
        """,
        spike,
    )

    for at_ms, high, candle_high, low in ran.said("high"):
        assert (high > 100, candle_high > 100) == (at_ms >= _SPIKE_MS + 20_000 - 1,) * 2, at_ms
        assert (low < 100) == (at_ms >= _SPIKE_MS + 40_000 - 1), at_ms
