"""Small histories, made by a seed."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import NamedTuple

START_MS = 1_704_067_200_000
"""2024-01-01T00:00:00Z."""
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class Candle(NamedTuple):
    """A row of a file of candles; prices in ticks of 0.01, volume in lots of 0.00001."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int


def walk(
    seed: int, minutes: int, *, price: int = 4_000_000, step: int = 1_500, start_ms: int = START_MS
) -> list[Candle]:
    """Candles of a price that wanders.

    :param price: where it begins, in ticks
    :param step: how far it goes in ten seconds at most, in ticks
    """
    chance, rows = Random(seed), []
    for number in range(minutes):
        points = [price]
        for _ in range(6):
            points.append(max(1_000, points[-1] + chance.randint(-step, step)))
        price = points[-1]
        open_ms = start_ms + number * MINUTE_MS
        volume = chance.randint(1, 500_000)
        rows.append(Candle(open_ms, points[0], max(points), min(points), price, volume))
    return rows


def write_candles(folder: Path, rows: list[Candle], symbol: str = "BTC_USDT", timeframe: str = "1m") -> Path:
    """A file of candles."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{symbol}-{timeframe}.csv"
    lines = ["timestamp,open,high,low,close,volume"]
    for row in rows:
        prices = ",".join(f"{value / 100:.2f}" for value in row[1:5])
        lines.append(f"{row.open_ms},{prices},{row.volume / 100_000:.5f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_trades(
    folder: Path,
    seed: int,
    count: int,
    symbol: str = "SOL_USDT",
    *,
    price: int = 10_000,
    until_ms: int = DAY_MS,
) -> Path:
    """A file of trades, several of one millisecond now and then."""
    folder.mkdir(parents=True, exist_ok=True)
    chance, path = Random(seed), folder / f"{symbol}-trades.csv"
    lines = ["timestamp,price,amount,side,id"]
    times = sorted(chance.randrange(until_ms) for _ in range(count - 1))
    for number, time_ms in enumerate([0, *times]):
        price = max(100, price + chance.randint(-3, 3))
        side = chance.choice(("buy", "sell"))
        amount = chance.randint(1, 50_000) / 1_000
        lines.append(f"{START_MS + time_ms // 7 * 7},{price / 100:.2f},{amount:.3f},{side},{number + 1}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def coarser(rows: list[Candle], minutes: int) -> list[Candle]:
    """Longer candles, made of the shorter ones."""
    found: dict[int, Candle] = {}
    for row in rows:
        open_ms = row.open_ms // (minutes * MINUTE_MS) * (minutes * MINUTE_MS)
        old = found.get(open_ms)
        found[open_ms] = (
            row._replace(open_ms=open_ms)
            if old is None
            else Candle(
                open_ms,
                old.open,
                max(old.high, row.high),
                min(old.low, row.low),
                row.close,
                old.volume + row.volume,
            )
        )
    return list(found.values())
