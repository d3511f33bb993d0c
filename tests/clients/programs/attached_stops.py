"""A swap position with a stop loss and a take profit attached to its first order."""

import os
import sys

import ccxt

exchange = getattr(ccxt, sys.argv[1])(
    {
        "apiKey": os.environ.get("EXCHANGE_API_KEY"),
        "secret": os.environ.get("EXCHANGE_SECRET"),
        "options": {"defaultType": "swap"},
    }
)
symbol = "ETH/USDT:USDT"
exchange.load_markets()
assert exchange.market(symbol)["swap"]
assert exchange.features["swap"]["linear"]["createOrder"]["attachedStopLossTakeProfit"]

price = exchange.fetch_ticker(symbol)["last"]
params = {
    "stopLoss": {"triggerPrice": exchange.price_to_precision(symbol, price * 0.8)},
    "takeProfit": {"triggerPrice": exchange.price_to_precision(symbol, price * 1.2)},
}
order = exchange.create_order(symbol, "market", "buy", 0.1, None, params)
assert order["status"] == "closed", order
position = exchange.fetch_positions([symbol])[0]
assert (position["side"], position["contracts"]) == ("long", 0.1), position
assert position["stopLossPrice"] < price < position["takeProfitPrice"], position

stop = exchange.create_order(
    symbol, "market", "sell", 0.1, None, {"stopLossPrice": price * 0.7, "reduceOnly": True}
)
assert exchange.fetch_order(stop["id"], symbol)["status"] == "open"
exchange.cancel_order(stop["id"], symbol)
exchange.create_order(symbol, "market", "sell", 0.1, None, {"reduceOnly": True})
assert [each for each in exchange.fetch_positions([symbol]) if each["contracts"]] == []
print(position["stopLossPrice"], position["takeProfitPrice"])
