"""A grid of limit orders, set up on the command line."""

import argparse
import json
import time

import ccxt

parser = argparse.ArgumentParser()
parser.add_argument("symbol")
parser.add_argument("--levels", type=int, default=3)
parser.add_argument("--step", type=float, default=0.002)
parser.add_argument("--exchange", default="binance")
args = parser.parse_args()

exchange = getattr(ccxt, args.exchange)({"enableRateLimit": True})
exchange.load_markets()


def place(side, price):
    price = exchange.price_to_precision(args.symbol, price)
    return exchange.create_limit_order(args.symbol, side, 0.02, float(price))


orders = {}
middle = exchange.fetch_ticker(args.symbol)["last"]
exchange.create_order(args.symbol, "market", "buy", 0.02 * args.levels)
for level in range(1, args.levels + 1):
    for side, price in (
        ("buy", middle * (1 - level * args.step)),
        ("sell", middle * (1 + level * args.step)),
    ):
        order = place(side, price)
        orders[order["id"]] = order

try:
    while True:
        time.sleep(30)
        is_open = {order["id"] for order in exchange.fetch_open_orders(args.symbol)}
        for order_id in [each for each in orders if each not in is_open]:
            done = exchange.fetch_order(order_id, args.symbol)
            del orders[order_id]
            if done["status"] == "closed":
                side, factor = ("sell", 1 + args.step) if done["side"] == "buy" else ("buy", 1 - args.step)
                order = place(side, done["price"] * factor)
                orders[order["id"]] = order
finally:
    for order_id in orders:
        exchange.cancel_order(order_id, args.symbol)
    print("fills", len(exchange.fetch_my_trades(args.symbol)))
    print("balance", json.dumps(exchange.fetch_balance()["total"]))
