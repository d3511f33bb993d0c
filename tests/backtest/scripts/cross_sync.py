"""A moving-average cross that asks for candles and the balance once a minute."""

import json
import time

import ccxt

SYMBOL, FAST, SLOW, AMOUNT = "BTC/USDT", 5, 20, 0.05

exchange = ccxt.kraken({"apiKey": "my-key", "secret": "my-secret", "enableRateLimit": True})


def mean(values):
    return sum(values) / len(values)


def next_minute():
    return 60 - time.time() % 60


try:
    while True:
        closes = [candle[4] for candle in exchange.fetch_ohlcv(SYMBOL, "1m", limit=SLOW + 1)[:-1]]
        if len(closes) == SLOW:
            held = exchange.fetch_balance()["BTC"]["free"]
            if mean(closes[-FAST:]) > mean(closes) and held < AMOUNT:
                exchange.create_order(SYMBOL, "market", "buy", AMOUNT)
            elif mean(closes[-FAST:]) < mean(closes) and held >= AMOUNT:
                exchange.create_order(SYMBOL, "market", "sell", AMOUNT)
        time.sleep(next_minute())
except KeyboardInterrupt:
    print("stopped")
finally:
    print("balance", json.dumps(exchange.fetch_balance()["total"]))
