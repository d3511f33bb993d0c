"""A bot that polls: buys a little below the market, moves its order along, sells what it bought."""

import os
import sys
import time

import ccxt

exchange_id = sys.argv[1]
symbol = "BTC/USDT"

exchange = getattr(ccxt, exchange_id)(
    {
        "apiKey": os.environ.get("EXCHANGE_API_KEY"),
        "secret": os.environ.get("EXCHANGE_SECRET"),
        "enableRateLimit": True,
        "options": {"defaultType": "spot", "adjustForTimeDifference": True, "recvWindow": 10000},
    }
)
if exchange_id not in ccxt.exchanges:
    sys.exit(f"{exchange_id} is not supported")
exchange.load_markets()
amount = float(exchange.amount_to_precision(symbol, 0.01))

order = None
for _ in range(3):
    ticker = exchange.fetch_ticker(symbol)
    price = exchange.price_to_precision(symbol, ticker["bid"] * 0.98)
    try:
        if order is None:
            order = exchange.create_limit_buy_order(symbol, amount, float(price))
        elif order["price"] != float(price):
            order = exchange.edit_order(order["id"], symbol, "limit", "buy", amount, float(price))
    except ccxt.NetworkError as error:
        print("again later:", error)
    except ccxt.ExchangeError as error:
        sys.exit(f"refused: {error}")
    time.sleep(0.01)

assert [each["id"] for each in exchange.fetch_open_orders(symbol)] == [order["id"]]
canceled = exchange.cancel_order(order["id"], symbol)
assert canceled["status"] == "canceled", canceled

bought = exchange.create_market_buy_order(symbol, amount)
while bought["status"] != "closed":
    bought = exchange.fetch_order(bought["id"], symbol)
sold = exchange.create_order(symbol, "market", "sell", bought["filled"])
trades = exchange.fetch_my_trades(symbol, limit=10)
assert {bought["id"], sold["id"]} <= {trade["order"] for trade in trades}
print(bought["average"], sold["average"], exchange.fetch_balance()["USDT"]["free"])
