"""A replay of recorded candles: what a bar costs, read for the first time and read before."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.market.files import FileFeed

START = 1_700_006_400_000
MINUTE = 60_000
BARS = 50_000


@pytest.mark.benchmark
def test_bars_a_second(tmp_path: Path) -> None:
    rows = [f"{START + bar * MINUTE},100,{101 + bar % 7},99,100,5\n" for bar in range(BARS)]
    (tmp_path / "BTC_USDT-1m.csv").write_text("timestamp,open,high,low,close,volume\n" + "".join(rows))
    feed = FileFeed(tmp_path)
    for label, waits in (
        ("no orders", False),
        ("a resting order, file read", True),
        ("file read before", True),
    ):
        oms = EmbeddedOms(feed=feed)
        if waits:
            order = {"symbol": "BTC/USDT", "side": "buy", "order_type": "limit", "qty": "1", "price": "50"}
            command = {"account_id": 1, "command": "send_order", "payload": order}
            assert oms.handle("commands", {}, {}, command).status == 200
        began = process_time()
        for _ in range(BARS - 1):
            oms.advance(MINUTE)
        print(f"{label}: {BARS / (process_time() - began):,.0f} bars a second")
        assert oms.now_ms() == START + (BARS - 1) * MINUTE


@pytest.mark.benchmark
def test_reading_rows(tmp_path: Path) -> None:
    bars = [f"{START + bar * MINUTE},100.25,{101 + bar % 7},99.5,100,5.125\n" for bar in range(BARS)]
    (tmp_path / "BTC_USDT-1m.csv").write_text("timestamp,open,high,low,close,volume\n" + "".join(bars))
    ticks = [f"{START + tick * 7},{100 + tick % 9}.25,0.125,buy,{tick}\n" for tick in range(BARS)]
    (tmp_path / "LTC_USDT-trades.csv").write_text("timestamp,price,amount,side,id\n" + "".join(ticks))
    feed = FileFeed(tmp_path)
    counts = (
        ("candles", (len(page.opens_ms) for page in feed.bars("BTC/USDT"))),
        ("trades", (len(page) for page in feed.ticks("LTC/USDT"))),
    )
    for label, sizes in counts:
        began = process_time()
        rows = sum(sizes)
        print(f"{label}: {(process_time() - began) / rows * 1e6:.2f} us a row")
        assert rows == BARS
