from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal, localcontext

import ccxt
import pytest

from ccxt_driver.oms.market import hand
from ccxt_driver.oms.market.feed import Quote
from ccxt_driver.oms.market.hand import HandFeed
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS, UnknownSymbol
from ccxt_driver.oms.market.market_data import MarketData
from ccxt_driver.oms.market.synthetic import SyntheticFeed

NOW = 1_795_000_000_000
MINUTE, DAY = 60_000, 86_400_000
BEGAN = NOW // MINUTE * MINUTE + 30_500  # in the middle of a minute and of a second
SYMBOL = "BTC/USDT"


@pytest.fixture(scope="module")
def synthetic() -> SyntheticFeed:
    return SyntheticFeed(DEFAULT_MARKETS, seed=3)


@pytest.fixture
def data(synthetic: SyntheticFeed) -> MarketData:
    return MarketData(seed=3, feed=synthetic)


@pytest.fixture
def set_by_hand(data: MarketData) -> MarketData:
    data.set_price(SYMBOL, BEGAN, last=Decimal(200_000))
    data.set_price(SYMBOL, BEGAN + 2 * MINUTE, last=Decimal(10_000))
    return data


def test_a_symbol_follows_the_seeded_prices_by_default(synthetic: SyntheticFeed) -> None:
    data = MarketData(seed=3)
    assert data.quote(SYMBOL, NOW) == synthetic.quote(SYMBOL, NOW)
    assert data.book(SYMBOL, NOW) == synthetic.book(SYMBOL, NOW)
    assert data.book_version(SYMBOL, NOW) == synthetic.book_version(SYMBOL, NOW)
    assert data.candles(SYMBOL, "1h", None, NOW, 3) == synthetic.candles(SYMBOL, "1h", None, NOW, 3)
    assert data.trades(SYMBOL, None, NOW, 3) == synthetic.trades(SYMBOL, None, NOW, 3)
    assert data.mark_price(SYMBOL, NOW) == synthetic.quote(SYMBOL, NOW).last
    assert data.step_ms == 1_000


def test_once_set_a_symbol_stays_where_it_was_put_and_others_go_on(
    set_by_hand: MarketData, synthetic: SyntheticFeed
) -> None:
    assert set_by_hand.quote(SYMBOL, BEGAN - 1) == synthetic.quote(SYMBOL, BEGAN - 1)
    assert set_by_hand.quote(SYMBOL, BEGAN) == Quote(
        BEGAN, Decimal("199999.99"), Decimal("200000.01"), Decimal(200_000)
    )
    assert set_by_hand.mark_price(SYMBOL, BEGAN + 99 * DAY) == 10_000
    assert set_by_hand.book_version(SYMBOL, BEGAN) != set_by_hand.book_version(SYMBOL, BEGAN - 1)
    assert set_by_hand.quote("ETH/USDT", BEGAN) == synthetic.quote("ETH/USDT", BEGAN)


def test_the_candle_of_the_change_is_made_of_both_periods(
    set_by_hand: MarketData, synthetic: SyntheticFeed
) -> None:
    now = BEGAN + 3 * MINUTE
    candles = set_by_hand.candles(SYMBOL, "1m", None, now, 6)
    half = synthetic.candles(SYMBOL, "1m", None, BEGAN - 1, 3)
    assert candles[:2] == half[:2]
    change = candles[2]
    assert change == half[2]._replace(high=200_000, close=200_000, volume=half[2].volume + Decimal("0.00001"))
    assert [candle[1:5] for candle in candles[3:]] == [(200_000,) * 4, (10_000,) * 4, (10_000,) * 4]
    opens = [candle.open_ms for candle in candles]
    assert opens == list(range(opens[0], opens[0] + 6 * MINUTE, MINUTE))
    # Every window gives the same candles.
    for limit in range(7):
        assert set_by_hand.candles(SYMBOL, "1m", None, now, limit) == candles[6 - limit :]
        for start in range(6):
            asked = set_by_hand.candles(SYMBOL, "1m", opens[start] - 1, now, limit)
            assert asked == candles[start : start + limit]


def test_trades_of_both_periods_join(set_by_hand: MarketData, synthetic: SyntheticFeed) -> None:
    now = BEGAN + 3 * MINUTE
    trades = set_by_hand.trades(SYMBOL, None, now, 5)
    assert trades[:3] == synthetic.trades(SYMBOL, None, BEGAN - 1, 3)
    assert [(trade.time_ms, trade.price) for trade in trades[3:]] == [
        (BEGAN, 200_000),
        (BEGAN + 2 * MINUTE, 10_000),
    ]
    assert set_by_hand.trades(SYMBOL, trades[1].time_ms, now, 3) == trades[1:4]
    assert set_by_hand.trades(SYMBOL, None, now, 1) == trades[4:]
    assert set_by_hand.trades(SYMBOL, None, BEGAN - 1, 3) == trades[:3]


def test_the_first_move_is_looked_for_in_both_periods(
    set_by_hand: MarketData, synthetic: SyntheticFeed
) -> None:
    start, end = BEGAN - 10 * MINUTE, BEGAN + 10 * MINUTE
    assert set_by_hand.first_move(SYMBOL, start, end, None, Decimal(200_000)) == set_by_hand.quote(
        SYMBOL, BEGAN
    )
    assert set_by_hand.first_move(SYMBOL, start, BEGAN - 1, None, Decimal(200_000)) is None
    assert set_by_hand.first_move(SYMBOL, BEGAN - 1, end, None, Decimal(200_000)) is not None
    assert set_by_hand.first_move(SYMBOL, BEGAN, end, None, Decimal(200_000)) is None
    found = set_by_hand.first_move(SYMBOL, start, end, Decimal(15_000), None)
    assert found is not None
    assert found.time_ms == BEGAN + 2 * MINUTE
    at_once = set_by_hand.first_move(SYMBOL, start, end, Decimal(150_000), None)
    assert at_once == synthetic.first_move(SYMBOL, start, end, Decimal(150_000), None)


def test_a_forgotten_beginning_leaves_no_jump(data: MarketData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand, "KEPT_PRICES", 4)
    for minute in range(5):
        data.set_price(SYMBOL, BEGAN + minute * MINUTE, last=Decimal(100 + minute))
    now = BEGAN + 4 * MINUTE
    assert [candle.close for candle in data.candles(SYMBOL, "1m", None, now, 99)] == [102, 103, 104]
    assert [trade.price for trade in data.trades(SYMBOL, None, now, 99)] == [102, 103, 104]


@pytest.mark.parametrize("symbol", [market.symbol for market in DEFAULT_MARKETS])
def test_a_ticker_has_every_key_of_ccxt_and_agrees_with_the_candles(data: MarketData, symbol: str) -> None:
    ticker = data.ticker(symbol, NOW)
    expected = ccxt.Exchange().safe_ticker({"symbol": symbol, "timestamp": NOW, "datetime": "", "info": {}})
    assert ticker.keys() == expected.keys()
    assert (ticker["symbol"], ticker["timestamp"]) == (symbol, NOW)
    assert ticker["datetime"] == ccxt.Exchange.iso8601(NOW)
    assert ticker["info"] == {}
    minutes = data.candles(symbol, "1m", NOW - DAY, NOW, 1_440)
    assert ticker["open"] == float(minutes[0].open)
    assert ticker["high"] == float(max(candle.high for candle in minutes))
    assert ticker["low"] == float(min(candle.low for candle in minutes))
    assert ticker["close"] == ticker["last"] == float(minutes[-1].close)
    assert ticker["baseVolume"] == float(sum(candle.volume for candle in minutes))
    typical = sum((row.high + row.low + row.close) / 3 * row.volume for row in minutes)
    assert ticker["quoteVolume"] == pytest.approx(float(typical), rel=0.001)
    assert ticker["vwap"] == pytest.approx(ticker["quoteVolume"] / ticker["baseVolume"])
    assert ticker["change"] == pytest.approx(ticker["last"] - ticker["open"])
    assert ticker["percentage"] == pytest.approx(ticker["change"] / ticker["open"] * 100)
    assert ticker["average"] == pytest.approx((ticker["last"] + ticker["open"]) / 2)
    bids, asks = data.book(symbol, NOW)
    assert (ticker["bid"], ticker["bidVolume"]) == tuple(map(float, bids[0]))
    assert (ticker["ask"], ticker["askVolume"]) == tuple(map(float, asks[0]))
    assert ticker["previousClose"] is None


def test_only_a_swap_has_mark_and_index_prices(data: MarketData) -> None:
    spot, swap = data.ticker(SYMBOL, NOW), data.ticker("BTC/USDT:USDT", NOW)
    assert (spot["markPrice"], spot["indexPrice"]) == (None, None)
    assert (swap["markPrice"], swap["indexPrice"]) == (swap["last"], spot["last"])


@pytest.mark.parametrize("now", [0, 1, 999, 59_999, 15 * MINUTE - 1, DAY - 1, DAY, DAY + 7 * MINUTE + 3])
def test_a_ticker_works_from_the_first_millisecond(data: MarketData, now: int) -> None:
    ticker = data.ticker(SYMBOL, now)
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert ticker["low"] <= ticker["vwap"] <= ticker["high"]


def test_a_ticker_a_day_after_the_only_setting_is_flat(data: MarketData) -> None:
    data.set_price(SYMBOL, NOW, last=Decimal(500))
    ticker = data.ticker(SYMBOL, NOW + 2 * DAY)
    assert (ticker["open"], ticker["high"], ticker["low"], ticker["last"]) == (500, 500, 500, 500)
    assert (ticker["baseVolume"], ticker["quoteVolume"], ticker["vwap"]) == (0, 0, None)
    assert (ticker["change"], ticker["percentage"]) == (0, 0)


def test_the_callers_decimal_context_does_not_matter(data: MarketData) -> None:
    expected = data.ticker(SYMBOL, NOW)
    with localcontext() as context:
        context.prec = 2
        assert data.ticker(SYMBOL, NOW) == expected
        data.set_price(SYMBOL, NOW, Decimal("12345.67"), Decimal("12345.69"))
    assert data.quote(SYMBOL, NOW).last == Decimal("12345.68")


def test_what_was_set_survives_a_restart(set_by_hand: MarketData, synthetic: SyntheticFeed) -> None:
    set_by_hand.set_price(
        "ETH/BTC", NOW + DAY, Decimal("0.05"), Decimal("0.06"), Decimal("0.05"), Decimal("1.5")
    )
    state = json.loads(json.dumps(set_by_hand.dump()))
    after = MarketData(seed=3, feed=synthetic)
    after.restore(state)
    assert after.dump() == set_by_hand.dump()
    now = NOW + 2 * DAY
    for symbol in (SYMBOL, "ETH/BTC", "ETH/USDT"):
        assert after.quote(symbol, now) == set_by_hand.quote(symbol, now)
        assert after.book(symbol, now) == set_by_hand.book(symbol, now)
        assert after.book_version(symbol, now) == set_by_hand.book_version(symbol, now)
        assert after.candles(symbol, "1h", None, now, 60) == set_by_hand.candles(symbol, "1h", None, now, 60)
        assert after.trades(symbol, None, now, 60) == set_by_hand.trades(symbol, None, now, 60)
    after.set_price(SYMBOL, now, last=Decimal(1))
    assert after.book_version(SYMBOL, now) == -3


def test_a_market_that_is_gone_is_named_when_its_price_is_restored(set_by_hand: MarketData) -> None:
    without = MarketData([market for market in DEFAULT_MARKETS if market.symbol != SYMBOL])
    with pytest.raises(UnknownSymbol, match=SYMBOL):
        without.restore(set_by_hand.dump())


def test_nothing_set_dumps_to_nothing() -> None:
    data = MarketData()
    assert data.dump() == {"hand": {}}
    data.restore({"hand": {}})
    assert data.dump() == {"hand": {}}


def test_markets_are_looked_up_by_symbol(data: MarketData) -> None:
    assert data.market(SYMBOL).symbol == SYMBOL
    assert list(data.markets) == [market.symbol for market in DEFAULT_MARKETS]
    assert data.currencies["BTC"].name == "Bitcoin"
    for ask in (data.market, lambda symbol: data.quote(symbol, NOW), lambda symbol: data.ticker(symbol, NOW)):
        with pytest.raises(UnknownSymbol):
            ask("A/B")
    with pytest.raises(UnknownSymbol):
        data.set_price("A/B", NOW, last=Decimal(1))


@pytest.mark.parametrize("field", ["symbol", "id"])
def test_a_market_listed_twice_is_refused(field: str) -> None:
    first, second = DEFAULT_MARKETS[:2]
    with pytest.raises(
        ValueError, match=f"^markets: expected each {field} once, got more than one {getattr(first, field)}$"
    ):
        MarketData([first, replace(second, **{field: getattr(first, field)})])


def test_another_feed_can_lie_beneath() -> None:
    recorded = HandFeed(DEFAULT_MARKETS)
    recorded.set(SYMBOL, NOW, last=Decimal(42))
    data = MarketData(feed=recorded)
    assert data.quote(SYMBOL, NOW).last == 42
    data.set_price(SYMBOL, NOW + 10, last=Decimal(43))
    assert [trade.price for trade in data.trades(SYMBOL, None, NOW + 10, 9)] == [42, 43]
    assert data.step_ms == 1
