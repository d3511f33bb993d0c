"""Copies of exchange objects stand on the same run."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Runner

_HEAD = """
import asyncio, copy, os, pickle, time
import ccxt, ccxt.async_support, ccxt.pro

def pickled(exchange):
    return pickle.loads(pickle.dumps(exchange))
"""


@pytest.mark.parametrize("way", ["copy.copy", "copy.deepcopy", "pickled"])
@pytest.mark.parametrize("used", ["pass", "one.fetch_ohlcv('BTC/USDT'); one.fetch_balance()"])
@pytest.mark.parametrize("options", ["", "{'options': {'own': [1]}}"])
def test_a_copy_trades_in_the_same_run(run: Runner, hour: Path, way: str, used: str, options: str) -> None:
    code = f"""
one = ccxt.binance({options})
{used}
two = {way}(one)
time.sleep(60)
bought = two.create_order("BTC/USDT", "market", "buy", 0.1)
print("same", int(one.fetch_balance() == two.fetch_balance()), one.fetch_balance()["BTC"]["free"])
print("order", int(one.fetch_order(bought["id"], "BTC/USDT") == two.fetch_order(bought["id"], "BTC/USDT")))
one.create_order("BTC/USDT", "market", "sell", 0.1)
print("own", two.options.get("own"))
"""
    ran = run(f"{_HEAD}{code}", hour)

    assert ran.code == 0, ran.output
    assert ran.output.splitlines()[:2] == ["same 1 0.1", "order 1"]
    assert ran.output.splitlines()[2] == ("own [1]" if options else "own None")
    assert [each["side"] for each in ran.result.trades()] == ["buy", "sell"]
    ids = [each["client_order_id"] for each in ran.result.orders()]
    assert len({*ids}) == 2
    assert all(each.startswith("b") for each in ids)


@pytest.mark.parametrize("way", ["copy.copy", "copy.deepcopy", "pickled"])
def test_a_copy_of_one_that_watches_watches_by_itself(run: Runner, hour: Path, way: str) -> None:
    code = f"""
async def main():
    one = ccxt.pro.binance()
    await one.watch_ohlcv("BTC/USDT", "1m")
    two = {way}(one)
    found = await asyncio.gather(one.watch_ohlcv("BTC/USDT", "1m"), two.watch_ohlcv("BTC/USDT", "1m"))
    print("opened", *[each[-1][0] // 60_000 % 60 for each in found])
    await one.close()
    print("then", (await two.watch_ohlcv("BTC/USDT", "1m"))[-1][0] // 60_000 % 60)
    await two.close()

asyncio.run(main())
"""
    ran = run(f"{_HEAD}{code}", hour)

    assert ran.code == 0, ran.output
    assert ran.output.splitlines() in (["opened 1 0", "then 1"], ["opened 1 1", "then 2"])
