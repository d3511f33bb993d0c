import time

import ccxt
from rules import AMOUNT, FAST, SLOW

exchange = ccxt.binance()
exchange.load_markets()
before = None
while True:
    closes = [candle[4] for candle in exchange.fetch_ohlcv("BTC/USDT", "1m", limit=SLOW + 1)[:-1]]
    coins = exchange.fetch_balance()["BTC"]["free"]
    if len(closes) == SLOW:
        side = "buy" if sum(closes[-FAST:]) / FAST > sum(closes) / SLOW else "sell"
        if side != before and (side == "buy" or (before is not None and coins >= AMOUNT)):
            exchange.create_order("BTC/USDT", "market", side, AMOUNT)
            before = side
    time.sleep(60)
