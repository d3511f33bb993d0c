"""As in vectorbt's own guide: candles by its CCXTData, crossing means, a portfolio of them."""

import json

import vectorbt as vbt

data = vbt.CCXTData.download(
    ["BTC/USDT", "ETH/USDT"],
    exchange="oms",
    timeframe="1m",
    start="3 hours ago UTC",
    limit=50,
    show_progress=False,
)
close = data.get("Close")
fast, slow = vbt.MA.run(close, 5), vbt.MA.run(close, 20)
portfolio = vbt.Portfolio.from_signals(
    close, fast.ma_crossed_above(slow), fast.ma_crossed_below(slow), init_cash=1000, fees=0.001, freq="1m"
)
print(
    json.dumps(
        {
            "candles": [[int(time.timestamp() * 1000), price] for time, price in close["BTC/USDT"].items()],
            "missing": int(close.isna().sum().sum()),
            "trades": int(portfolio.trades.count().sum()),
        }
    )
)
