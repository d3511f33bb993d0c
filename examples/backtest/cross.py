"""A live bot: buys when the fast average is above the slow one, sells when it is below.

It knows ccxt and nothing else. `06_backtest.py` runs it over history, as it is; so does
`ccxt-driver backtest cross.py --data FOLDER`. `ccxt-driver run --override binance cross.py` trades with it.
"""

import sys
import time

import ccxt

SYMBOL, AMOUNT = "BTC/USDT", 0.1
FAST, SLOW = (int(each) for each in sys.argv[1:3]) if len(sys.argv) > 2 else (10, 30)

exchange = ccxt.binance({"enableRateLimit": True})


def mean(values):
    return sum(values) / len(values)


def step():
    candles = exchange.fetch_ohlcv(SYMBOL, "1m", limit=SLOW + 1)
    closes = [candle[4] for candle in candles[:-1]]  # the last one has not closed
    if len(closes) < SLOW:
        return
    held = exchange.fetch_balance()["BTC"]["free"]
    if mean(closes[-FAST:]) > mean(closes) and held < AMOUNT:
        exchange.create_order(SYMBOL, "market", "buy", AMOUNT)
    elif mean(closes[-FAST:]) < mean(closes) and held >= AMOUNT:
        exchange.create_order(SYMBOL, "market", "sell", AMOUNT)


try:
    while True:
        try:
            step()
        except ccxt.NetworkError as error:
            print(f"again in a minute: {error}")
        time.sleep(60 - time.time() % 60)
except KeyboardInterrupt:
    print("stopped")
finally:
    exchange.cancel_all_orders(SYMBOL)
