"""A thread with a loop of its own keeps `exchange.ohlcvs`; the main thread reads it."""

import asyncio
import sys
import threading
import time

import ccxt.pro

SYMBOL, TIMEFRAME = "BTC/USDT", "1m"
exchange = getattr(ccxt.pro, sys.argv[1])()
stop = threading.Event()
failures = []


async def follow():
    try:
        while not stop.is_set():
            await asyncio.wait_for(exchange.watch_ohlcv(SYMBOL, TIMEFRAME), 20)
    except (ccxt.pro.BaseError, TimeoutError) as error:
        failures.append(error)
    finally:
        await exchange.close()


thread = threading.Thread(target=lambda: asyncio.run(follow()))
thread.start()
try:
    deadline = time.monotonic() + 20
    while not exchange.ohlcvs.get(SYMBOL, {}).get(TIMEFRAME) and time.monotonic() < deadline and not failures:
        time.sleep(0.01)
    candles = [list(candle) for candle in exchange.ohlcvs[SYMBOL][TIMEFRAME]]
finally:
    stop.set()
    thread.join(30)
assert not failures, failures
times = [candle[0] for candle in candles]
assert times
assert times == sorted(set(times))
exchange.ohlcvs.clear()
print(len(candles), candles[-1])
