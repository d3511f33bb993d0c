"""Made-up data for benchmarks, always the same."""

from __future__ import annotations

import random
from pathlib import Path

BEGIN_MS = 1_704_067_200_000


def write_candles(path: Path, count: int) -> None:
    """Candles of a minute."""
    chance, price = random.Random(5), 30_000.0
    lines = ["timestamp,open,high,low,close,volume"]
    for number in range(count):
        first, price = price, round(price * (1 + chance.gauss(0, 0.0007)), 2)
        high = max(first, price) + round(chance.random() * 15, 2)
        low = min(first, price) - round(chance.random() * 15, 2)
        volume = round(1 + chance.random() * 20, 4)
        lines.append(f"{BEGIN_MS + number * 60_000},{first:.2f},{high:.2f},{low:.2f},{price:.2f},{volume}")
    path.write_text("\n".join(lines) + "\n")


def write_trades(path: Path, count: int) -> None:
    """Trades, some milliseconds from one to the next."""
    chance, cents, time_ms = random.Random(6), 3_000_000, BEGIN_MS
    lines = ["timestamp,price,amount,side,id"]
    for number in range(count):
        time_ms += chance.randint(1, 600)
        cents += chance.choice((-20, -10, -10, 0, 0, 10, 10, 20))
        amount, side = round(chance.random() * 2 + 0.001, 3), chance.choice(("buy", "sell"))
        lines.append(f"{time_ms},{cents / 100:.2f},{amount},{side},{number + 1}")
    path.write_text("\n".join(lines) + "\n")
