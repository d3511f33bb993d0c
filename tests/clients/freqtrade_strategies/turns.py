"""Strategies that trade at once, twice for each pair, and are flat at the end."""

from datetime import timedelta

from freqtrade.persistence import Trade
from freqtrade.strategy import IStrategy

HOLD = timedelta(seconds=8)


class Turns(IStrategy):
    INTERFACE_VERSION = 3
    turns = 2
    timeframe = "1m"
    startup_candle_count = 10
    minimal_roi = {"1000": -1}  # noqa: RUF012
    stoploss = -0.02
    order_types = {  # noqa: RUF012
        "entry": "limit",
        "exit": "limit",
        "stoploss": "limit",
        "stoploss_on_exchange": True,
    }

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        is_short = self.can_short and metadata["pair"].startswith("ETH")
        dataframe["enter_short" if is_short else "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe

    def confirm_trade_entry(self, pair, *_, **__):
        return len(Trade.get_trades_proxy(pair=pair)) < self.turns

    def custom_exit(self, pair, trade, current_time, *_, **__):
        return "held for long enough" if current_time - trade.date_last_filled_utc > HOLD else None


class Swaps(Turns):
    can_short = True
    order_types = {  # noqa: RUF012
        "entry": "market",
        "exit": "market",
        "stoploss": "market",
        "stoploss_on_exchange": True,
    }

    def leverage(self, *_, **__):
        return 3.0


class Stopped(Swaps):
    """Never leaves by itself: the stop on the exchange ends each trade."""

    turns = 1
    stoploss = -0.03  # of what was staked: a third of it in the price

    def custom_exit(self, pair, trade, current_time, *_, **__):
        return None


class Held(Turns):
    """Never leaves."""

    def custom_exit(self, pair, trade, current_time, *_, **__):
        return None
