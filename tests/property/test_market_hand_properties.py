from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from ccxt_driver.oms.market.listing import DEFAULT_MARKETS
from ccxt_driver.oms.market.market_data import MarketData
from ccxt_driver.oms.market.synthetic import SyntheticFeed

SYNTHETIC = SyntheticFeed(DEFAULT_MARKETS, seed=5)
SYMBOL = "LTC/USDT"
TICK = Decimal("0.01")
BEGIN = 1_700_000_000_000

some = settings(max_examples=60, deadline=None)
settings_of_price = st.lists(
    st.tuples(st.integers(0, 200_000), st.integers(2, 20_000), st.none() | st.integers(1, 10**6)),
    min_size=1,
    max_size=25,
)


def data_with(rows: list[tuple[int, int, int | None]]) -> tuple[MarketData, int]:
    data, now = MarketData(feed=SYNTHETIC), BEGIN
    for wait, ticks, size in rows:
        now += wait
        data.set_price(SYMBOL, now, last=ticks * TICK, size=None if size is None else size * Decimal("0.001"))
    return data, now


@some
@given(settings_of_price, st.integers(1, 40), st.integers(-300_000, 900_000))
def test_windows_of_candles_are_slices_of_one_history(
    rows: list[tuple[int, int, int | None]], limit: int, offset: int
) -> None:
    data, now = data_with(rows)
    since = BEGIN + offset
    history = data.candles(SYMBOL, "1m", BEGIN - 3_600_000, now, 10_000)
    newest = data.candles(SYMBOL, "1m", None, now, limit)
    assert newest == history[-limit:]
    expected = [candle for candle in history if candle.open_ms >= since][:limit]
    assert data.candles(SYMBOL, "1m", since, now, limit) == expected


@some
@given(settings_of_price, st.integers(1, 3_000), st.integers(-60_000, 300_000))
def test_candles_are_exactly_what_the_trades_make(
    rows: list[tuple[int, int, int | None]], limit: int, offset: int
) -> None:
    data, now = data_with(rows)
    trades = data.trades(SYMBOL, BEGIN - 3_600_000, now, 10**6)
    assert data.trades(SYMBOL, None, now, limit) == trades[-limit:]
    since = BEGIN + offset
    assert data.trades(SYMBOL, since, now, limit) == [row for row in trades if row.time_ms >= since][:limit]
    for candle in data.candles(SYMBOL, "5m", BEGIN - 1_800_000, now, 1_000):
        inside = [row for row in trades if 0 <= row.time_ms - candle.open_ms < 300_000]
        assert candle.volume == sum(row.qty for row in inside)
        if inside:
            prices = [row.price for row in inside]
            assert candle[1:5] == (prices[0], max(prices), min(prices), prices[-1])
        else:
            assert len(set(candle[1:5])) == 1


@some
@given(settings_of_price, st.integers(2, 20_000), st.integers(-5_000, 600_000))
def test_the_first_move_is_what_a_scan_of_the_settings_finds(
    rows: list[tuple[int, int, int | None]], ticks: int, offset: int
) -> None:
    data, now = data_with(rows)
    after, low, high = BEGIN + offset, ticks * TICK, (ticks + 100) * TICK
    began = BEGIN + rows[0][0]
    seconds = range(BEGIN - 5_000, began, 1_000)
    set_by_hand = data.dump()["hand"][SYMBOL]["prices"]
    quotes = [tuple(data.quote(SYMBOL, moment)) for moment in seconds]
    quotes += [
        (time_ms, Decimal(bid), Decimal(ask), Decimal(last)) for time_ms, bid, ask, last, _ in set_by_hand
    ]
    hits = [quote for quote in quotes if quote[0] > after and (quote[1] <= low or quote[2] >= high)]
    assert data.first_move(SYMBOL, after, now, low, high) == (hits[0] if hits else None)


@some
@given(settings_of_price)
def test_a_dump_restores_everything(rows: list[tuple[int, int, int | None]]) -> None:
    data, now = data_with(rows)
    again = MarketData(feed=SYNTHETIC)
    again.restore(json.loads(json.dumps(data.dump())))
    assert again.dump() == data.dump()
    assert again.quote(SYMBOL, now) == data.quote(SYMBOL, now)
    assert again.book(SYMBOL, now) == data.book(SYMBOL, now)
    assert again.ticker(SYMBOL, now) == data.ticker(SYMBOL, now)
