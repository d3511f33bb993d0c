"""The strategies of `backtest_scripts` on other engines, each as its own documents show.

A peer is a function of the path of the data; it gives the CPU time at which its run began and ended, and how
many orders it sent. Data is brought into a peer's own form before its run begins.
"""

from __future__ import annotations

import asyncio
import csv
import logging
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import process_time
from typing import Any

from rules import AMOUNT, Cross, Quotes

Times = tuple[float, float, int]
FEE = 0.0005
CASH = 100_000
_EPOCH_DAY = 719_163
_DAY_MS = 86_400_000


def rows_of(data: str) -> list[list[str]]:
    with open(data, newline="") as file:  # noqa: PTH123  read as quickly as possible
        return [*csv.reader(file)][1:]


# -- a plain loop: what the machine does without any engine --------------------


def plain_cross(data: str) -> Times:
    rows = rows_of(data)
    cross, sent, cash, coins = Cross(), 0, float(CASH), 10.0
    began = process_time()
    for row in rows:
        side = cross.order(float(row[4]))
        if side is not None:
            signed = AMOUNT if side == "buy" else -AMOUNT
            coins, cash, sent = coins + signed, cash - signed * float(row[4]), sent + 1
    return began, process_time(), sent


def plain_maker(data: str) -> Times:
    rows = rows_of(data)
    quotes, placed, sent = Quotes(), None, 0
    began = process_time()
    for row in rows:
        prices = quotes.prices(float(row[1]))
        if prices is not None:
            placed, sent = prices, sent + 2
    return began, process_time(), sent if placed else 0


# -- backtrader --------------------


def _backtrader(data: str, *, is_maker: bool) -> Times:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import backtrader as bt

    columns = [*zip(*rows_of(data), strict=True)]
    times = [_EPOCH_DAY + int(value) / _DAY_MS for value in columns[0]]
    prices = [[*map(float, column)] for column in ([columns[1]] * 4 if is_maker else columns[1:5])]
    bars = [*zip(times, *prices, strict=True)]

    class Feed(bt.feed.DataBase):
        def start(self) -> None:
            super().start()
            self.left = iter(bars)

        def _load(self) -> bool:
            bar = next(self.left, None)
            if bar is None:
                return False
            lines = self.lines
            lines.datetime[0], lines.open[0], lines.high[0], lines.low[0], lines.close[0] = bar
            lines.volume[0] = lines.openinterest[0] = 0.0
            return True

    class CrossStrategy(bt.Strategy):
        def __init__(self) -> None:
            self.cross, self.sent = Cross(), 0

        def next(self) -> None:
            side = self.cross.order(self.data.close[0])
            if side is not None:
                self.sent += 1
                (self.buy if side == "buy" else self.sell)(size=AMOUNT)

    class MakerStrategy(bt.Strategy):
        def __init__(self) -> None:
            self.quotes, self.sent, self.placed = Quotes(), 0, []

        def next(self) -> None:
            prices = self.quotes.prices(self.data.close[0])
            if prices is None:
                return
            for order in self.placed:
                self.cancel(order)
            limit = bt.Order.Limit
            self.placed = [
                self.buy(size=AMOUNT, price=prices[0], exectype=limit),
                self.sell(size=AMOUNT, price=prices[1], exectype=limit),
            ]
            self.sent += 2

    engine = bt.Cerebro(stdstats=False)
    engine.adddata(Feed(timeframe=bt.TimeFrame.Ticks if is_maker else bt.TimeFrame.Minutes))
    engine.addstrategy(MakerStrategy if is_maker else CrossStrategy)
    engine.broker.setcash(CASH)
    engine.broker.setcommission(commission=FEE)
    began = process_time()
    [done] = engine.run()
    return began, process_time(), done.sent


def backtrader_cross(data: str) -> Times:
    return _backtrader(data, is_maker=False)


def backtrader_maker(data: str) -> Times:
    return _backtrader(data, is_maker=True)


# -- basana --------------------


def basana_cross(data: str) -> Times:
    import basana as bs
    from basana.backtesting import exchange as backtesting
    from basana.backtesting import fees, liquidity

    logging.disable(logging.CRITICAL)
    pair, minute = bs.Pair("BTC", "USDT"), timedelta(minutes=1)
    events = []
    for row in rows_of(data):
        opened = datetime.fromtimestamp(int(row[0]) / 1000, UTC)
        bar = bs.Bar(opened, pair, *map(Decimal, row[1:]), minute)  # type: ignore[misc]
        events.append(bs.BarEvent(opened + minute, bar))
    dispatcher = bs.backtesting_dispatcher()
    exchange = backtesting.Exchange(
        dispatcher,
        {"USDT": Decimal(CASH), "BTC": Decimal(10)},
        liquidity_strategy_factory=liquidity.InfiniteLiquidity,
        fee_strategy=fees.Percentage(Decimal("0.05")),
    )
    exchange.set_pair_info(pair, bs.PairInfo(8, 8))
    exchange.add_bar_source(bs.FifoQueueEventSource(events=events))
    cross, amount, sent = Cross(), Decimal(str(AMOUNT)), 0

    async def on_bar(event: Any) -> None:
        nonlocal sent
        side = cross.order(float(event.bar.close))
        if side is not None:
            operation = bs.OrderOperation.BUY if side == "buy" else bs.OrderOperation.SELL
            await exchange.create_market_order(operation, pair, amount)
            sent += 1

    exchange.subscribe_to_bar_events(pair, on_bar)
    began = process_time()
    asyncio.run(dispatcher.run())
    return began, process_time(), sent


# -- backtesting.py --------------------


def backtesting_cross(data: str) -> Times:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import backtesting
        import pandas as pd
    backtesting.backtesting._tqdm = lambda each, **_: each
    columns = [[*map(float, column)] for column in zip(*rows_of(data), strict=True)]
    index = pd.to_datetime(columns[0], unit="ms")
    names = ("Open", "High", "Low", "Close", "Volume")
    frame = pd.DataFrame(dict(zip(names, columns[1:], strict=True)), index=index)
    sent = 0

    class CrossStrategy(backtesting.Strategy):
        def init(self) -> None:
            self.cross = Cross()

        def next(self) -> None:
            nonlocal sent
            side = self.cross.order(float(self.data.Close[-1]))
            if side is not None:
                sent += 1
                # It deals in whole units: one is a hundredth of its money.
                if side == "buy":
                    self.buy(size=1)
                else:
                    self.position.close()

    test = backtesting.Backtest(frame, CrossStrategy, cash=100 * CASH, commission=FEE)
    began = process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test.run()
    return began, process_time(), sent


# -- nautilus_trader --------------------


def _nautilus(data: str, *, is_maker: bool) -> Times:
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig, RiskEngineConfig
    from nautilus_trader.model.currencies import BTC, USDT
    from nautilus_trader.model.data import Bar, BarType, TradeTick
    from nautilus_trader.model.enums import AccountType, AggressorSide, OmsType, OrderSide
    from nautilus_trader.model.identifiers import TradeId, Venue
    from nautilus_trader.model.objects import Money
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    instrument = TestInstrumentProvider.btcusdt_binance()
    bar_type = BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
    price, qty = instrument.make_price, instrument.make_qty
    items: list[Any] = []
    for row in rows_of(data):
        at = int(row[0]) * 1_000_000
        if is_maker:
            taker = AggressorSide.BUYER if row[3] == "buy" else AggressorSide.SELLER
            made = (price(float(row[1])), qty(float(row[2])), taker, TradeId(row[4]), at, at)
            items.append(TradeTick(instrument.id, *made))
        else:
            at += 60 * 1_000_000_000
            values = map(float, row[1:])
            *prices, volume = values
            items.append(Bar(bar_type, *map(price, prices), qty(volume), at, at))
    amount = instrument.make_qty(AMOUNT)
    sides = {"buy": OrderSide.BUY, "sell": OrderSide.SELL}

    class CrossStrategy(Strategy):  # type: ignore[misc]
        def on_start(self) -> None:
            self.cross, self.sent = Cross(), 0
            self.subscribe_bars(bar_type)

        def on_bar(self, bar: Any) -> None:
            side = self.cross.order(float(bar.close))
            if side is not None:
                self.sent += 1
                self.submit_order(self.order_factory.market(instrument.id, sides[side], amount))

    class MakerStrategy(Strategy):  # type: ignore[misc]
        def on_start(self) -> None:
            self.quotes, self.sent, self.placed = Quotes(), 0, []
            self.subscribe_trade_ticks(instrument.id)

        def on_trade_tick(self, tick: Any) -> None:
            prices = self.quotes.prices(float(tick.price))
            if prices is None:
                return
            for order in self.placed:
                if order.is_open:
                    self.cancel_order(order)
            self.placed = [
                self.order_factory.limit(instrument.id, side, amount, instrument.make_price(price))
                for side, price in zip(sides.values(), prices, strict=True)
            ]
            for order in self.placed:
                self.submit_order(order)
            self.sent += 2

    quiet = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(
        BacktestEngineConfig(logging=quiet, run_analysis=False, risk_engine=RiskEngineConfig(bypass=True))
    )
    engine.add_venue(
        venue=Venue("BINANCE"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.CASH,
        base_currency=None,
        starting_balances=[Money(CASH, USDT), Money(10, BTC)],
        bar_execution=True,
        trade_execution=True,
    )
    engine.add_instrument(instrument)
    engine.add_data(items)
    strategy = MakerStrategy() if is_maker else CrossStrategy()
    engine.add_strategy(strategy)
    began = process_time()
    engine.run()
    return began, process_time(), strategy.sent


def nautilus_cross(data: str) -> Times:
    return _nautilus(data, is_maker=False)


def nautilus_maker(data: str) -> Times:
    return _nautilus(data, is_maker=True)


PEERS: dict[str, Callable[[str], Times]] = {
    "plain_cross": plain_cross,
    "plain_maker": plain_maker,
    "backtrader_cross": backtrader_cross,
    "backtrader_maker": backtrader_maker,
    "basana_cross": basana_cross,
    "backtesting_cross": backtesting_cross,
    "nautilus_cross": nautilus_cross,
    "nautilus_maker": nautilus_maker,
}
