"""Calls an endpoint by ccxt's implicit methods, in both spellings."""

import os
import sys

import ccxt

exchange = getattr(ccxt, sys.argv[1])(
    {"apiKey": os.environ.get("EXCHANGE_API_KEY"), "secret": os.environ.get("EXCHANGE_SECRET")}
)
status = exchange.public_get_healthz()
assert status == exchange.publicGetHealthz() or status["status"] == "ok", status

order = exchange.create_order(
    "BTC/USDT", "limit", "buy", 0.01, exchange.fetch_ticker("BTC/USDT")["bid"] * 0.9
)
raw = exchange.private_get_oms_orders_ids({"ids": order["id"]})
assert str(raw["items"][0]["id"]) == order["id"], raw
assert exchange.parse_order(raw["items"][0])["symbol"] == "BTC/USDT"
try:
    exchange.private_get_oms_oders_open({})
except AttributeError as error:
    print(error)
exchange.cancel_order(order["id"])
