from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from decimal import Decimal, localcontext

import pytest

from ccxt_driver.oms.market.listing import DEFAULT_MARKETS, UnknownSymbol
from ccxt_driver.oms.market.synthetic import SyntheticFeed

NOW = 1_795_000_000_000
DAY = 86_400_000
BY_SYMBOL = {market.symbol: market for market in DEFAULT_MARKETS}

KNOWN_QUOTES = [
    ("56802.39", "56805.24", "56805.24"),
    ("3101.98", "3102.14", "3102.14"),
    ("0.05459", "0.05460", "0.05460"),
    ("128.16", "128.17", "128.16"),
    ("0.4248", "0.4249", "0.4248"),
    ("131.56", "131.57", "131.56"),
    ("305.75", "305.77", "305.75"),
    ("56816.6", "56819.5", "56816.6"),
    ("3102.76", "3102.92", "3102.76"),
    ("128.18", "128.19", "128.18"),
]
KNOWN_DAY = ["56139.35", "57738.01", "56136.00", "56805.24", "7006.33522"]
KNOWN_TRADE = ["0.05460", "0.2722", "buy"]


@pytest.fixture(scope="module")
def feed() -> SyntheticFeed:
    return SyntheticFeed(DEFAULT_MARKETS, seed=0)


def test_prices_of_a_seed_never_change(feed: SyntheticFeed) -> None:
    # Recorded once. A difference breaks every recorded simulation: it must be meant.
    known = [tuple(map(str, feed.quote(symbol, NOW)[1:])) for symbol in BY_SYMBOL]
    assert known == KNOWN_QUOTES
    assert [str(value) for value in feed.candles("BTC/USDT", "1d", None, NOW, 1)[0][1:]] == KNOWN_DAY
    assert [str(value) for value in feed.trades("ETH/BTC", None, NOW, 1)[0][2:]] == KNOWN_TRADE


def test_prices_do_not_depend_on_hash_randomisation() -> None:
    program = (
        "from ccxt_driver.oms.market.synthetic import SyntheticFeed as F\n"
        "from ccxt_driver.oms.market.listing import DEFAULT_MARKETS as M\n"
        f"f = F(M, 9); print(f.quote('ETH/BTC', {NOW}), f.book('BTC/USDT', {NOW}))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_another_seed_gives_other_prices() -> None:
    last = [SyntheticFeed(DEFAULT_MARKETS, seed).quote("BTC/USDT", NOW).last for seed in range(5)]
    assert len(set(last)) == 5


def test_prices_do_not_depend_on_the_callers_decimal_context() -> None:
    with localcontext() as context:
        context.prec = 3
        rough = SyntheticFeed(DEFAULT_MARKETS, 0).candles("BTC/USDT", "1d", None, NOW, 3)
    assert rough == SyntheticFeed(DEFAULT_MARKETS, 0).candles("BTC/USDT", "1d", None, NOW, 3)


@pytest.mark.parametrize("symbol", BY_SYMBOL)
def test_a_quote_is_of_the_last_whole_second_and_in_order(feed: SyntheticFeed, symbol: str) -> None:
    tick = BY_SYMBOL[symbol].tick_size
    for moment in range(NOW, NOW + 60_000, 1_000):
        quote = feed.quote(symbol, moment + 999)
        assert quote == feed.quote(symbol, moment)
        assert quote.time_ms == moment
        assert tick <= quote.bid <= quote.last <= quote.ask
        assert quote.bid < quote.ask
        assert all(price % tick == 0 for price in quote[1:])
        assert quote.ask - quote.bid <= quote.last / 20_000 + tick


@pytest.mark.parametrize("symbol", BY_SYMBOL)
def test_a_book_has_depth_and_begins_at_the_quote(feed: SyntheticFeed, symbol: str) -> None:
    market = BY_SYMBOL[symbol]
    quote, (bids, asks) = feed.quote(symbol, NOW), feed.book(symbol, NOW)
    assert (bids[0].price, asks[0].price) == (quote.bid, quote.ask)
    assert len(bids) >= 25
    assert len(asks) >= 25
    assert [level.price for level in bids] == sorted({level.price for level in bids}, reverse=True)
    assert [level.price for level in asks] == sorted({level.price for level in asks})
    for price, qty in bids + asks:
        assert price % market.tick_size == 0
        assert qty % market.lot_size == 0
        assert qty > 0
    # A large order walks it, a small one does not.
    assert quote.last * Decimal("0.002") < asks[-1].price - asks[0].price < quote.last * Decimal("0.03")
    assert market.daily_volume / 1_000 < sum(level.qty for level in asks) < market.daily_volume / 50


def test_a_book_is_new_every_second(feed: SyntheticFeed) -> None:
    versions = [feed.book_version("BTC/USDT", NOW + moment) for moment in (0, 999, 1_000)]
    assert versions[0] == versions[1] != versions[2]
    assert feed.book("BTC/USDT", NOW) != feed.book("BTC/USDT", NOW + 1_000)


def test_a_price_stays_sane_for_decades_and_moves_as_its_market_says(feed: SyntheticFeed) -> None:
    market = BY_SYMBOL["BTC/USDT"]
    days = feed.candles("BTC/USDT", "1d", 0, NOW, 30_000)
    assert len(days) == NOW // DAY + 1
    assert min(day.low for day in days) > market.reference_price / 4
    assert max(day.high for day in days) < market.reference_price * 4
    moves = sorted(abs(day.close / day.open - 1) for day in days)
    median = moves[len(moves) // 2]  # 0.67 deviations of a bell curve
    assert market.daily_volatility / 3 < median < market.daily_volatility
    volume = sum(day.volume for day in days[:-1]) / (len(days) - 1)
    assert abs(volume / market.daily_volume - 1) < Decimal("0.02")


def test_a_swap_follows_its_spot_market(feed: SyntheticFeed) -> None:
    for moment in range(NOW - 300 * DAY, NOW, 7 * DAY + 12_345_000):
        spot, swap = feed.quote("BTC/USDT", moment).last, feed.quote("BTC/USDT:USDT", moment).last
        assert abs(swap / spot - Decimal("1.0002")) < Decimal("0.00001")


def test_a_cross_follows_the_two_markets_it_is_made_of(feed: SyntheticFeed) -> None:
    differences = []
    for moment in range(NOW - 2_000 * DAY, NOW, DAY + 12_345_000):
        eth, btc = feed.quote("ETH/USDT", moment).last, feed.quote("BTC/USDT", moment).last
        differences.append(abs(feed.quote("ETH/BTC", moment).last * btc / eth - 1))
    differences.sort()
    assert differences[len(differences) // 2] < Decimal("0.0005")
    assert differences[-1] < Decimal("0.02")


def test_a_swap_or_cross_without_its_sources_walks_on_its_own() -> None:
    cross, swap = BY_SYMBOL["ETH/BTC"], BY_SYMBOL["BTC/USDT:USDT"]
    feed = SyntheticFeed([cross, swap], 0)
    for market in (cross, swap):
        last = feed.quote(market.symbol, NOW).last
        assert market.reference_price / 4 < last < market.reference_price * 4


def test_a_market_without_volume_still_trades_a_lot_each_second() -> None:
    quiet = replace(BY_SYMBOL["LTC/USDT"], daily_volume=Decimal(0))
    feed = SyntheticFeed([quiet], 0)
    assert {trade.qty for trade in feed.trades("LTC/USDT", None, NOW, 100)} == {quiet.lot_size}
    assert feed.candles("LTC/USDT", "1d", 0, NOW, 1)[0].volume == 86_400 * quiet.lot_size


def test_a_wild_cheap_market_keeps_its_bid_above_zero() -> None:
    wild = replace(BY_SYMBOL["XRP/USDT"], reference_price=Decimal("0.01"), daily_volatility=Decimal("0.99"))
    feed = SyntheticFeed([wild], 0)
    for candle in feed.candles("XRP/USDT", "1d", None, NOW, 2_000):
        assert candle.low > wild.tick_size
    for moment in range(NOW - 500 * DAY, NOW, DAY + 1_000):
        bids, _ = feed.book("XRP/USDT", moment)
        assert bids[-1].price >= wild.tick_size


def test_trades_from_a_beginning_are_the_oldest_and_otherwise_the_newest(feed: SyntheticFeed) -> None:
    newest = feed.trades("BTC/USDT", None, NOW, 3)
    assert [trade.time_ms for trade in newest] == [NOW - 2_000, NOW - 1_000, NOW]
    oldest = feed.trades("BTC/USDT", NOW - 10_001, NOW, 3)
    assert [trade.time_ms for trade in oldest] == [NOW - 10_000, NOW - 9_000, NOW - 8_000]
    assert len({trade.id for trade in newest + oldest}) == 6
    assert feed.trades("BTC/USDT", NOW + 1, NOW, 3) == []
    assert len(feed.trades("BTC/USDT", None, 5_000, 100)) == 6


def test_the_last_trade_is_at_the_quote(feed: SyntheticFeed) -> None:
    for moment in range(NOW, NOW + 30_000, 1_000):
        quote, trade = feed.quote("ETH/USDT", moment), feed.trades("ETH/USDT", None, moment, 1)[0]
        assert trade.price == quote.last == (quote.ask if trade.side == "buy" else quote.bid)


def test_a_month_without_a_move_is_skipped_by_its_extremes(
    feed: SyntheticFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    quote = feed.quote("BTC/USDT", NOW)

    def read_a_second(*_: object) -> None:
        raise AssertionError("a quiet month was read second by second")

    path = feed._instruments["BTC/USDT"].path
    monkeypatch.setattr(path, "leaf", read_a_second)
    later = NOW + 30 * DAY
    assert feed.first_move("BTC/USDT", NOW, later, quote.bid / 10, quote.ask * 10) is None
    assert feed.first_move("BTC/USDT", NOW, later, None, None) is None


def test_an_interval_excludes_its_beginning_and_includes_its_end(feed: SyntheticFeed) -> None:
    always = feed.quote("BTC/USDT", NOW).ask * 2
    found = feed.first_move("BTC/USDT", NOW, NOW + 5_000, always, None)
    assert found == feed.quote("BTC/USDT", NOW + 1_000)
    assert feed.first_move("BTC/USDT", NOW, NOW + 999, always, None) is None
    assert feed.first_move("BTC/USDT", NOW, NOW + 1_000, always, None) == found
    assert feed.first_move("BTC/USDT", NOW + 1_000, NOW + 1_000, always, None) is None


@pytest.mark.parametrize("symbol", BY_SYMBOL)
def test_a_price_between_two_ticks_is_reached_by_the_far_one_only(feed: SyntheticFeed, symbol: str) -> None:
    half = BY_SYMBOL[symbol].tick_size / 2
    for start in range(NOW, NOW + 20 * 600_000, 600_000):
        end = start + 600_000
        quotes = [feed.quote(symbol, moment) for moment in range(start + 1_000, end + 1, 1_000)]
        low, high = min(quote.bid for quote in quotes), max(quote.ask for quote in quotes)
        lowest = next(quote for quote in quotes if quote.bid == low)
        highest = next(quote for quote in quotes if quote.ask == high)
        assert feed.first_move(symbol, start, end, low, None) == lowest
        assert feed.first_move(symbol, start, end, low + half, None) == lowest
        assert feed.first_move(symbol, start, end, low - half, None) is None
        assert feed.first_move(symbol, start, end, None, high) == highest
        assert feed.first_move(symbol, start, end, None, high - half) == highest
        assert feed.first_move(symbol, start, end, None, high + half) is None


def test_an_unknown_symbol_is_named_by_every_question(feed: SyntheticFeed) -> None:
    for ask in (
        lambda: feed.quote("A/B", NOW),
        lambda: feed.book("A/B", NOW),
        lambda: feed.book_version("A/B", NOW),
        lambda: feed.first_move("A/B", NOW, NOW, None, None),
        lambda: feed.candles("A/B", "1m", None, NOW, 1),
        lambda: feed.trades("A/B", None, NOW, 1),
    ):
        with pytest.raises(UnknownSymbol, match="A/B"):
            ask()
