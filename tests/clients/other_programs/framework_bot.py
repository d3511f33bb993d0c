"""A bot of the investing-algorithm-framework: buys when it has none, and sells what it has."""

import json
import os
import sys

from investing_algorithm_framework import (
    RESOURCE_DIRECTORY,
    DataSource,
    DataType,
    TimeUnit,
    TradingStrategy,
    create_app,
)
from investing_algorithm_framework.infrastructure.data_providers.ccxt import CCXTTickerDataProvider

AMOUNT = 0.01


def source(data_type, **more):
    name = data_type.value.lower()
    return DataSource(identifier=name, market="OMS", symbol="BTC/USDT", data_type=data_type, **more)


class Turn(TradingStrategy):
    time_unit = TimeUnit.MINUTE
    interval = 1
    symbols = ["BTC"]  # noqa: RUF012
    data_sources = [  # noqa: RUF012
        source(DataType.TICKER),
        source(DataType.OHLCV, time_frame="1m", window_size=50, pandas=True),
    ]

    def run_strategy(self, context, data):
        last = float(data["ticker"]["last"])
        has_some = context.has_position("BTC") and float(context.get_position("BTC").amount) > 0
        side, price = ("SELL", last * 0.998) if has_some else ("BUY", last * 1.002)
        context.create_limit_order(target_symbol="BTC", order_side=side, amount=AMOUNT, price=price)


app = create_app(config={RESOURCE_DIRECTORY: sys.argv[1]})
app.add_market(
    market="oms",
    trading_symbol="USDT",
    api_key=os.environ["CCXT_OMS_API_KEY"],
    secret_key="none",
    initial_balance=1000,
)
app.add_data_provider(CCXTTickerDataProvider())
app.add_strategy(Turn)
app.run(number_of_iterations=1)
orders = [
    {"id": order.external_id, "side": order.order_side, "status": order.status, "filled": float(order.filled)}
    for order in app.context.get_orders()
]
print(json.dumps(orders))
