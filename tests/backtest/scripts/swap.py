"""Swaps with leverage, in a class that sleeps by waiting for an event which nobody sets."""

import json
import signal
import sys
from threading import Event

import ccxt


class Trader:
    SYMBOL = "BTC/USDT:USDT"

    def __init__(self):
        self.exchange = ccxt.binanceusdm({"apiKey": "k", "secret": "s"})
        self.exchange.set_leverage(5, self.SYMBOL)
        self.stopped = Event()

    def position(self):
        found = [each for each in self.exchange.fetch_positions([self.SYMBOL]) if each["contracts"]]
        return found[0] if found else None

    def step(self):
        candles = self.exchange.fetch_ohlcv(self.SYMBOL, "15m", limit=4)
        if len(candles) < 4:
            return
        up = candles[-2][4] > candles[-4][1]
        position = self.position()
        if position is None:
            self.exchange.create_order(self.SYMBOL, "market", "buy" if up else "sell", 0.5)
        elif up != (position["side"] == "long"):
            side = "sell" if position["side"] == "long" else "buy"
            params = {"reduceOnly": True}
            self.exchange.create_order(self.SYMBOL, "market", side, position["contracts"], None, params)

    def run(self):
        while not self.stopped.wait(15 * 60):
            self.step()

    def close(self):
        position = self.position()
        if position is not None:
            self.exchange.close_position(self.SYMBOL)
        print("funding", len(self.exchange.fetch_funding_history(self.SYMBOL)))
        print("balance", json.dumps(self.exchange.fetch_balance()["total"]))


trader = Trader()


def stop(number, frame):
    trader.stopped.set()


signal.signal(signal.SIGINT, stop)
signal.signal(signal.SIGTERM, stop)
trader.run()
trader.close()
sys.exit(0)
