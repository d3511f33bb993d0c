"""A replay is repeatable: the same files and the same commands give the same rows, byte for byte."""

from __future__ import annotations

import json
import random
from pathlib import Path

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.market.files import FileFeed

T = 1_700_006_400_000


def _write(folder: Path) -> None:
    chance = random.Random(4)
    for name, start in (("BTC_USDT", 30_000), ("BTC_USDT_USDT", 30_010), ("LTC_USDT", 70)):
        price, lines = float(start), ["timestamp,open,high,low,close,volume"]
        for minute in range(2_000):
            close = round(price * (1 + chance.gauss(0, 0.002)), 1)
            high, low = round(max(price, close) * 1.001, 1), round(min(price, close) * 0.999, 1)
            lines.append(f"{T + minute * 60_000},{price},{high},{low},{close},{chance.randint(0, 9)}")
            price = close
        (folder / f"{name}-1m.csv").write_text("\n".join(lines))


def _trade(folder: Path, step_ms: int) -> str:
    """Orders at whole hours, the clock moved in steps between them; all rows as text."""
    oms = EmbeddedOms(feed=FileFeed(folder))
    events: list[str] = []
    oms.subscribe(lambda news: events.extend(json.dumps(event.payload, sort_keys=True) for event in news))
    chance = random.Random(1)
    for _ in range(30):
        symbol = chance.choice(["BTC/USDT", "BTC/USDT:USDT", "LTC/USDT"])
        ticker = oms.handle(
            "ccxt_call", {"account_id": "1", "func": "fetch_ticker"}, {}, {"args": [symbol]}
        ).body["result"]
        price = round(ticker["last"] * chance.choice([0.995, 0.999, 1.001, 1.005]), 1)
        payload = {
            "symbol": symbol,
            "side": chance.choice(["buy", "sell"]),
            "order_type": "limit",
            "qty": "0.5" if symbol == "LTC/USDT" else "0.01",
            "price": str(price),
        }
        oms.handle("commands", {}, {}, {"account_id": 1, "command": "send_order", "payload": payload})
        for _ in range(3_600_000 // step_ms):
            oms.advance(step_ms)
    query = {"account_ids": "1", "since_ms": str(T), "page_size": "500", "sort": "asc"}
    rows = [
        oms.handle(name, {}, query, None).body for name in ("orders_history", "deals", "positions_history")
    ]
    return json.dumps([rows, events if step_ms == 3_600_000 else []])


def test_the_same_file_and_commands_give_the_same_bytes(tmp_path: Path) -> None:
    _write(tmp_path)

    once, again = (_trade(tmp_path, 3_600_000) for _ in range(2))

    assert once == again
    assert once.count("executed_at") > 10


def test_how_often_the_clock_is_moved_changes_nothing(tmp_path: Path) -> None:
    """A strategy that looks every minute and one that looks every hour live in the same market."""
    _write(tmp_path)

    hourly = json.loads(_trade(tmp_path, 3_600_000))[0]

    assert json.loads(_trade(tmp_path, 60_000))[0] == hourly
