"""Asks for all there is at odd moments, trades, and prints what it sees."""

import json
import random
import time

import ccxt

BTC, SWAP, SOL, ETH = "BTC/USDT", "BTC/USDT:USDT", "SOL/USDT", "ETH/USDT"
chance = random.Random(17)
exchange = ccxt.binance()
exchange.load_markets()
PAUSES = [0.001, 0.999, 1, 17, 19.999, 20, 20.001, 40, 59.998, 59.999, 60, 60.001, 61, 300, 900]


def safely(call, *args, **named):
    try:
        return call(*args, **named)
    except ccxt.BaseError as error:
        return type(error).__name__


def look():
    now = exchange.milliseconds()
    day = 86_400_000
    for symbol in (BTC, SWAP, SOL, ETH):
        yield safely(exchange.fetch_ticker, symbol)
        yield safely(exchange.fetch_order_book, symbol)
        yield safely(exchange.fetch_trades, symbol, limit=5)
        yield safely(exchange.fetch_trades, symbol, now - 90_000, 500)
        yield safely(exchange.fetch_trades, symbol, now + 1, 50)
        yield safely(exchange.fetch_ohlcv, symbol, "1m", limit=chance.randint(1, 5))
        for timeframe in ("3m", "15m", "1h", "4h", "1d", "1w", "1M"):
            yield safely(exchange.fetch_ohlcv, symbol, timeframe, limit=3)
        yield safely(exchange.fetch_ohlcv, symbol, "1m", now - 200_000)
        yield safely(exchange.fetch_ohlcv, symbol, "5m", now - 600_000, 100, {"until": now + day})
        yield safely(exchange.fetch_ohlcv, symbol, "1m", now + 1)
        yield safely(exchange.fetch_ohlcv, symbol, "1m", now - 3 * day, 5)
    yield safely(exchange.fetch_tickers)
    yield safely(exchange.fetch_bids_asks)
    yield safely(exchange.fetch_last_prices)
    for name in ("fetch_mark_ohlcv", "fetch_index_ohlcv", "fetch_premium_index_ohlcv"):
        yield safely(getattr(exchange, name), SWAP, "1m", None, 3)
    yield safely(exchange.fetch_mark_price, SWAP)
    yield safely(exchange.fetch_funding_rate, SWAP)
    yield safely(exchange.fetch_funding_rate_history, SWAP)
    yield safely(exchange.fetch_funding_history, SWAP)
    yield safely(exchange.fetch_positions)
    yield safely(exchange.fetch_orders, BTC)
    yield safely(exchange.fetch_open_orders)
    yield safely(exchange.fetch_my_trades, BTC)
    yield safely(exchange.fetch_my_trades, SWAP)
    yield safely(exchange.fetch_balance)
    yield safely(exchange.fetch_ledger)


def act():
    symbol = chance.choice([BTC, SWAP, SOL, ETH])
    side = chance.choice(["buy", "sell"])
    amount = {BTC: 0.01, SWAP: 0.01, SOL: 1, ETH: 0.1}[symbol]
    last = exchange.fetch_ticker(symbol)["last"]
    near = exchange.price_to_precision(symbol, last * chance.uniform(0.998, 1.002))
    kind = chance.randrange(5)
    if kind == 0:
        return safely(exchange.create_order, symbol, "market", side, amount)
    if kind == 1:
        return safely(exchange.create_order, symbol, "limit", side, amount, float(near))
    if kind == 2:
        return safely(
            exchange.create_order, symbol, "market", side, amount, None, {"triggerPrice": float(near)}
        )
    if kind == 3:
        stops = {"stopLoss": {"triggerPrice": last * 0.999}, "takeProfit": {"triggerPrice": last * 1.001}}
        return safely(exchange.create_order, symbol, "market", "buy", amount, None, stops)
    return safely(exchange.cancel_all_orders, symbol)


def say(word):
    print(word, exchange.milliseconds(), json.dumps([*look()], sort_keys=True, default=str))


try:
    while True:
        for _ in range(chance.randrange(3)):
            print("act", exchange.milliseconds(), json.dumps(act(), sort_keys=True))
        say("look")
        to_the_minute, to_the_quarter = 60 - time.time() % 60, 900 - time.time() % 900
        time.sleep(min(to_the_quarter, chance.choice([*PAUSES, to_the_minute, to_the_minute])))
finally:
    say("end")
    time.sleep(3_600)
    say("end")
