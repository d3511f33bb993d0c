"""A bot with a timetable, that logs, and survives every error."""

import json
import logging
import sys
import time
from datetime import datetime, timedelta, timezone

import ccxt

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
logging.Formatter.converter = time.gmtime
log = logging.getLogger("bot")


class Bot:
    def __init__(self):
        self.exchange = ccxt.okx({"options": {"defaultType": "spot"}})
        self.jobs = []

    def every(self, minutes, job):
        self.jobs.append([datetime.now(timezone.utc), timedelta(minutes=minutes), job])

    def run_pending(self):
        for job in self.jobs:
            if datetime.now(timezone.utc) >= job[0]:
                job[0] += job[1]
                job[2]()

    def buy_the_dip(self):
        ticker = self.exchange.fetch_ticker("ETH/USDT")
        candles = self.exchange.fetch_ohlcv("ETH/USDT", "5m", limit=4)
        free = self.exchange.fetch_free_balance()["USDT"]
        if candles[-1][4] < candles[0][1]:
            # More than there is, sooner or later: then the exchange refuses, and the bot goes on.
            amount = self.exchange.amount_to_precision("ETH/USDT", 700 / ticker["last"])
            order = self.exchange.create_market_buy_order("ETH/USDT", float(amount))
            log.info("bought %s at %s, had %.2f", order["filled"], order["average"], free)

    def sell_half(self):
        held = self.exchange.fetch_balance()["free"]["ETH"]
        if held > 0.01:
            amount = float(self.exchange.amount_to_precision("ETH/USDT", held / 2))
            self.exchange.create_order("ETH/USDT", "market", "sell", amount)

    def broken(self):
        raise ZeroDivisionError("a bug that shows once in eight hours")


bot = Bot()
bot.every(17, bot.buy_the_dip)
bot.every(240, bot.sell_half)
bot.every(480, bot.broken)
try:
    while True:
        try:
            bot.run_pending()
        except ccxt.InsufficientFunds:
            log.info("not enough money")
        except Exception:
            log.exception("it goes on")
        time.sleep(1)
finally:
    bot.sell_half()
    print("balance", json.dumps(bot.exchange.fetch_total_balance()))
