"""Entries with a stop loss and a take profit attached, stop orders, and one that trails."""

import json
import time

import ccxt

exchange = ccxt.bybit()
SYMBOL = "BTC/USDT"
number = 0


def flat():
    return exchange.fetch_balance()["BTC"]["total"] < 0.001


try:
    while True:
        if flat():
            for order in exchange.fetch_open_orders(SYMBOL):
                exchange.cancel_order(order["id"], SYMBOL)
            price = exchange.fetch_ticker(SYMBOL)["ask"]
            number += 1
            if number % 3 == 0:
                exchange.create_market_buy_order(SYMBOL, 0.1)
                exchange.create_order(
                    SYMBOL, "market", "sell", 0.1, params={"trailingPercent": 0.1, "reduceOnly": True}
                )
            elif number % 3 == 1:
                exchange.create_order(
                    SYMBOL,
                    "market",
                    "buy",
                    0.1,
                    params={
                        "stopLoss": {"triggerPrice": round(price * 0.999, 2)},
                        "takeProfit": {"triggerPrice": round(price * 1.001, 2)},
                    },
                )
            else:
                exchange.create_limit_buy_order(SYMBOL, 0.1, price)  # at the ask: filled at once
                exchange.create_stop_loss_order(SYMBOL, "market", "sell", 0.1, None, price - 40)
        elif exchange.fetch_ticker(SYMBOL)["bid"] > price + 60:
            for order in exchange.fetch_open_orders(SYMBOL):
                exchange.cancel_order(order["id"], SYMBOL)
            exchange.create_market_sell_order(SYMBOL, 0.1)
        time.sleep(300)
except KeyboardInterrupt:
    pass
finally:
    print("trades", len(exchange.fetch_my_trades(SYMBOL)))
    print("balance", json.dumps(exchange.fetch_balance()["total"]))
