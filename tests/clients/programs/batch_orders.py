"""A ladder of orders in one call, and all of them away in one call."""

import os
import sys

import ccxt

exchange = getattr(ccxt, sys.argv[1])(
    {"apiKey": os.environ.get("EXCHANGE_API_KEY"), "secret": os.environ.get("EXCHANGE_SECRET")}
)
symbol = "BTC/USDT"
exchange.load_markets()
bid = exchange.fetch_ticker(symbol)["bid"]
before = exchange.fetch_balance()["USDT"]

orders = exchange.create_orders(
    [
        {
            "symbol": symbol,
            "type": "limit",
            "side": "buy",
            "amount": 0.01,
            "price": exchange.price_to_precision(symbol, bid * (0.95 - step / 100)),
            "params": {"clientOrderId": f"ladder{exchange.uuid22()[:10]}{step}"},
        }
        for step in range(5)
    ]
)
assert len({order["id"] for order in orders}) == 5
reserved = before["free"] - exchange.fetch_balance()["USDT"]["free"]
assert reserved >= sum(order["price"] * order["amount"] for order in orders) * 0.999, reserved

first, *others = orders
exchange.cancel_orders([first["id"]], symbol)
by_name = exchange.fetch_order("", symbol, {"clientOrderId": first["clientOrderId"]})
assert (by_name["id"], by_name["status"]) == (first["id"], "canceled")
exchange.cancel_all_orders(symbol)
for order in others:
    assert exchange.fetch_order(order["id"], symbol)["status"] == "canceled"
assert abs(exchange.fetch_balance()["USDT"]["free"] - before["free"]) < 1e-6
print("canceled", len(orders))
