"""A backtest: a live script, `backtest/cross.py`, runs over two days of candles without being changed.

Needs `pip install "ccxt-driver[backtest]"`. The report is a folder: open `report.html` in a browser.
"""

import csv
import random
from pathlib import Path

from ccxt_driver.backtest import backtest

SCRIPT = Path(__file__).parent / "backtest" / "cross.py"
START_MS = 1_704_067_200_000  # 2024-01-01
MINUTES = 2 * 24 * 60


def make_history(path: Path) -> None:
    """Candles of a price that wanders; `ccxt-driver data download` fetches those of a venue."""
    chance, price, trend = random.Random(6), 40_000.0, 0.0
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["timestamp", "open", "high", "low", "close", "volume"])
        for minute in range(MINUTES):
            trend = 0.95 * trend + chance.gauss(0, 1)
            close = round(price + trend + chance.gauss(0, 8), 2)
            high = round(max(price, close) + abs(chance.gauss(0, 4)), 2)
            low = round(min(price, close) - abs(chance.gauss(0, 4)), 2)
            rows.writerow(
                [START_MS + minute * 60_000, price, high, low, close, round(chance.uniform(1, 9), 3)]
            )
            price = close


def main() -> None:
    folder = Path("history")
    folder.mkdir(exist_ok=True)
    make_history(folder / "BTC_USDT-1m.csv")
    for fast, slow in ((10, 30), (60, 240)):
        result = backtest(
            SCRIPT, folder, maker="0", taker="0.0002", arguments=[str(fast), str(slow)], out=f"{fast}-{slow}"
        )
        trades = result.trades()
        print(f"averages of {fast} and {slow}: {len(trades)} trades, report {result.report}")
        print(f"  the last of them: {trades[-1]['time']} {trades[-1]['side']} at {trades[-1]['price']}")


if __name__ == "__main__":
    main()
