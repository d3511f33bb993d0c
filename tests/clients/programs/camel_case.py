"""Written after ccxt's manual in its JavaScript spelling."""

import os
import sys

import ccxt

exchange = getattr(ccxt, sys.argv[1])()
if os.environ.get("USE_SANDBOX"):
    exchange.setSandboxMode(True)
if os.environ.get("EXCHANGE_API_KEY"):
    exchange.apiKey = os.environ["EXCHANGE_API_KEY"]
exchange.checkRequiredCredentials()
exchange.loadMarkets()

ticker = exchange.fetchTicker("ETH/USDT")
book = exchange.fetchOrderBook("ETH/USDT", 5)
candles = exchange.fetchOHLCV("ETH/USDT", "1m", None, 10)
assert len(candles) <= 10
assert book["symbol"] == "ETH/USDT"

order = exchange.createLimitSellOrder(
    "ETH/USDT", 0.1, exchange.priceToPrecision("ETH/USDT", ticker["ask"] * 1.2)
)
assert exchange.fetchOrder(order["id"], "ETH/USDT")["status"] == "open"
assert any(each["id"] == order["id"] for each in exchange.fetchOpenOrders("ETH/USDT"))
exchange.cancelOrder(order["id"], "ETH/USDT")
assert exchange.fetchOrder(order["id"], "ETH/USDT")["status"] == "canceled"
print(exchange.id, exchange.fetchBalance()["ETH"], exchange.milliseconds() - exchange.fetchTime())
