"""A strategy to see freqtrade trade on the OMS within minutes. It is not meant to earn anything."""

from datetime import datetime, timedelta
from typing import Any

from freqtrade.persistence import Trade
from freqtrade.strategy import IStrategy
from pandas import DataFrame

HOLD = timedelta(seconds=30)


class ShortTurns(IStrategy):
    """Buys at every candle that closes above its mean, and sells half a minute later."""

    INTERFACE_VERSION = 3
    timeframe = "1m"
    startup_candle_count = 20
    minimal_roi = {"0": 0.01, "5": -1}  # noqa: RUF012  # as freqtrade's own examples have it
    stoploss = -0.02
    order_types = {  # noqa: RUF012
        "entry": "limit",
        "exit": "limit",
        "stoploss": "limit",
        "stoploss_on_exchange": True,
    }

    def populate_indicators(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        dataframe["mean"] = dataframe["close"].rolling(20).mean()
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        dataframe.loc[dataframe["close"] > dataframe["mean"], "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        return dataframe

    def custom_exit(
        self,
        pair: str,
        trade: Trade,
        current_time: datetime,
        current_rate: float,
        current_profit: float,
        **_: Any,
    ) -> str | None:
        return "held for long enough" if current_time - trade.date_last_filled_utc > HOLD else None


class ShortSwaps(ShortTurns):
    """The same with swaps, long and short, at threefold leverage."""

    can_short = True
    order_types = {  # noqa: RUF012
        "entry": "market",
        "exit": "market",
        "stoploss": "market",
        "stoploss_on_exchange": True,
    }

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        dataframe.loc[dataframe["close"] < dataframe["mean"], "enter_short"] = 1
        return super().populate_entry_trend(dataframe, metadata)

    def leverage(self, pair: str, *_: Any, **__: Any) -> float:
        return 3.0
