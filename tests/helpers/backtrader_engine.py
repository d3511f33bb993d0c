"""Two strategies on backtrader, an engine that shares no line of code with ours.

The engine knows one price of a thing, not a bid and an ask. So it gets two of them: its buy orders meet the
first, the asks, and its sell orders the second, the bids.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of backslashes in its texts, when it is compiled for the first time
    import backtrader as bt

_EPOCH_DAY = 719_163
_DAY_MS = 86_400_000
_LEAST_PARTS = 1e-7


class Bar(NamedTuple):
    """One bar; `time_ms` is when it opens, or that of the trade which it stands for."""

    time_ms: int
    open: float
    high: float
    low: float
    close: float


class Fill(NamedTuple):
    """What one order has come to."""

    time_ms: int
    side: str
    price: float
    amount: float
    fee: float


class Outcome(NamedTuple):
    """Of a run."""

    fills: list[Fill]
    cash: float
    orders: int


def bars_of_prices(times_ms: Sequence[int], prices: Sequence[float]) -> list[Bar]:
    """One bar a price: it opens where the price was before, so that a limit between fills at the limit."""
    before = [prices[0], *prices[:-1]]
    return [
        Bar(time_ms, start, max(start, end), min(start, end), end)
        for time_ms, start, end in zip(times_ms, before, prices, strict=True)
    ]


class _Feed(bt.feed.DataBase):
    params = (("bars", ()),)

    def start(self) -> None:
        super().start()
        self._left: Iterator[Bar] = iter(self.p.bars)

    def _load(self) -> bool:
        bar = next(self._left, None)
        if bar is None:
            return False
        lines = self.lines
        lines.datetime[0] = _EPOCH_DAY + bar.time_ms / _DAY_MS
        lines.open[0], lines.high[0], lines.low[0], lines.close[0] = bar[1:]
        lines.volume[0] = lines.openinterest[0] = 0.0
        return True


class _Noted(bt.Strategy):
    """Notes what is filled."""

    def __init__(self) -> None:
        self.fills: list[Fill] = []
        self.sent = 0

    def notify_order(self, order: Any) -> None:
        if order.status != order.Completed:
            return
        done = order.executed
        time_ms = round((done.dt - _EPOCH_DAY) * _DAY_MS)
        side = "buy" if order.isbuy() else "sell"
        self.fills.append(Fill(time_ms, side, done.price, abs(done.size), done.comm))

    def ask(self, side: str, **named: Any) -> Any:
        self.sent += 1
        return self.buy(data=self.data0, **named) if side == "buy" else self.sell(data=self.data1, **named)


class _Cross(_Noted):
    """Long while the fast mean of closes is above the slow one; the engine's own indicators."""

    params = (("fast", 0), ("slow", 0), ("spent", 0.0), ("lot", 0.0))

    def __init__(self) -> None:
        super().__init__()
        self.means = [bt.ind.SMA(self.data0.close, period=count) for count in (self.p.fast, self.p.slow)]
        self.held = 0.0

    def next(self) -> None:
        fast, slow = (mean[0] for mean in self.means)
        if fast > slow and not self.held:
            # The driver rounds down to the lot by itself; this engine has no lots.
            lots = int(self.p.spent / self.data0.close[0] / self.p.lot + _LEAST_PARTS)
            self.held = round(lots * self.p.lot, 8)
            self.ask("buy", size=self.held, exectype=bt.Order.Market)
        elif fast <= slow and self.held:
            self.ask("sell", size=self.held, exectype=bt.Order.Market)
            self.held = 0.0


class _Maker(_Noted):
    """An order on either side of the last trade, both moved when the price has gone far enough."""

    params = (("trades", ()), ("far", 0), ("beside", 0), ("tick", 0.0), ("amount", 0.0))

    def __init__(self) -> None:
        super().__init__()
        self.placed: list[Any] = []
        self.middle: int | None = None

    def next(self) -> None:
        if len(self) == 1:
            return  # a stream has what is traded after it was asked for, not what was there
        ticks = self.p.trades[len(self) - 1]
        if self.middle is not None and abs(ticks - self.middle) < self.p.far:
            return
        self.middle = ticks
        for order in self.placed:
            self.cancel(order)
        prices = {"buy": ticks - self.p.beside, "sell": ticks + self.p.beside}
        self.placed = [
            self.ask(side, size=self.p.amount, price=round(price * self.p.tick, 8), exectype=bt.Order.Limit)
            for side, price in prices.items()
        ]


def run_cross(asks: Sequence[Bar], bids: Sequence[Bar], cash: float, fee: float, **settings: Any) -> Outcome:
    """A cross of moving averages by market orders.

    :param asks: candles of what buyers pay; decisions are taken on their closes
    :param fee: a fraction of what is paid
    :param settings: `fast`, `slow`, `spent` (quote currency for one purchase), `lot`
    """
    return _run(_Cross, asks, bids, bt.TimeFrame.Minutes, cash, fee, settings)


def run_maker(asks: Sequence[Bar], bids: Sequence[Bar], cash: float, fee: float, **settings: Any) -> Outcome:
    """A maker with limit orders, cancelled and placed anew.

    :param asks: a bar for every trade
    :param settings: `trades` (prices in ticks), `far`, `beside` (ticks), `tick`, `amount`
    """
    return _run(_Maker, asks, bids, bt.TimeFrame.Ticks, cash, fee, settings)


def _run(
    strategy: type[_Noted],
    asks: Sequence[Bar],
    bids: Sequence[Bar],
    timeframe: int,
    cash: float,
    fee: float,
    settings: dict[str, Any],
) -> Outcome:
    engine = bt.Cerebro(stdstats=False)
    for bars in (asks, bids):
        engine.adddata(_Feed(bars=bars, timeframe=timeframe))
    engine.addstrategy(strategy, **settings)
    engine.broker.setcash(cash)
    engine.broker.setcommission(commission=fee)
    engine.broker.set_checksubmit(False)
    [done] = engine.run()
    return Outcome(done.fills, engine.broker.getcash(), done.sent)
