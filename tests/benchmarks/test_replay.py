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
