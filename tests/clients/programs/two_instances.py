"""Two accounts of one exchange, told apart by ids that the program gives them; markets are read once."""

import os
import sys

import ccxt

exchange_class = getattr(ccxt, sys.argv[1])
keys = {"apiKey": os.environ.get("EXCHANGE_API_KEY"), "secret": os.environ.get("EXCHANGE_SECRET")}
main = exchange_class({**keys, "id": "main-account"})
hedge = exchange_class({**keys})
hedge.id = "hedge-account"
by_id = {exchange.id: exchange for exchange in (main, hedge)}
assert sorted(by_id) == ["hedge-account", "main-account"]

main.load_markets()
hedge.markets, hedge.markets_by_id, hedge.symbols = main.markets, main.markets_by_id, main.symbols
hedge.load_markets()

orders = {
    name: exchange.create_order(
        "ETH/USDT", "limit", "buy", 0.1, exchange.fetch_ticker("ETH/USDT")["bid"] * 0.8
    )
    for name, exchange in by_id.items()
}
try:
    main.fetch_order("12345678", "ETH/USDT")
    said = "found"
except ccxt.OrderNotFound as error:
    said = str(error)
assert said.startswith("main-account"), said
for name, exchange in by_id.items():
    exchange.cancel_order(orders[name]["id"], "ETH/USDT")
    print(name, exchange.name)
