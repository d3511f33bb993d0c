"""Makes every exchange object bare, and gives it its keys afterwards."""

import os
import sys

import ccxt

exchange = getattr(ccxt, sys.argv[1])()
assert exchange.fetch_markets, "an object that was made without keys"
exchange.load_markets()
print(exchange.fetch_ticker("BTC/USDT")["last"])

for name, variable in (
    ("apiKey", "EXCHANGE_API_KEY"),
    ("secret", "EXCHANGE_SECRET"),
    ("password", "EXCHANGE_PASSWORD"),
):
    if os.environ.get(variable):
        setattr(exchange, name, os.environ[variable])
exchange.options["createMarketBuyOrderRequiresPrice"] = False
exchange.verbose = False

if exchange.check_required_credentials(error=False):
    order = exchange.create_order("BTC/USDT", "market", "buy", 0.001)
    print(order["id"], order["average"], order["fee"])
    exchange.create_order("BTC/USDT", "market", "sell", 0.001)
else:
    sys.exit("no credentials")
