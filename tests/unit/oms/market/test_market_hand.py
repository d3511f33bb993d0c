from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ccxt_driver.oms.market import hand
from ccxt_driver.oms.market.feed import UNLIMITED, Level, Quote
from ccxt_driver.oms.market.hand import HandFeed
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS, UnknownSymbol

NOW = 1_795_000_020_000  # a whole minute
SYMBOL = "BTC/USDT"


@pytest.fixture
def feed() -> HandFeed:
    return HandFeed(DEFAULT_MARKETS)


def test_a_price_stands_from_the_moment_it_is_set(feed: HandFeed) -> None:
    feed.set(SYMBOL, NOW, Decimal(99), Decimal(101), Decimal(100))
    feed.set(SYMBOL, NOW + 5, Decimal(109), Decimal(111), Decimal(110))
    assert (
        feed.quote(SYMBOL, NOW)
        == feed.quote(SYMBOL, NOW + 4)
        == Quote(NOW, Decimal(99), Decimal(101), Decimal(100))
    )
    assert feed.quote(SYMBOL, NOW + 10**9) == Quote(NOW + 5, Decimal(109), Decimal(111), Decimal(110))


def test_the_book_is_one_level_either_side(feed: HandFeed) -> None:
    feed.set(SYMBOL, NOW, Decimal(99), Decimal(101), size=Decimal("0.5"))
    assert feed.book(SYMBOL, NOW) == (
        (Level(Decimal(99), Decimal("0.5")),),
        (Level(Decimal(101), Decimal("0.5")),),
    )
    feed.set(SYMBOL, NOW + 1, Decimal(99), Decimal(101))
    assert feed.book(SYMBOL, NOW + 1) == ((Level(Decimal(99), UNLIMITED),), (Level(Decimal(101), UNLIMITED),))


def test_every_setting_is_a_new_book_even_in_the_same_millisecond(feed: HandFeed) -> None:
    versions = []
    for _ in range(3):
        feed.set(SYMBOL, NOW, Decimal(99), Decimal(101))
        versions.append(feed.book_version(SYMBOL, NOW))
    assert len(set(versions)) == 3
    assert max(versions) < 0  # so never that of a synthetic book


@pytest.mark.parametrize(
    "given,expected",
    [
        ({"last": "100"}, ("99.99", "100.01", "100")),
        ({"bid": "99", "ask": "101"}, ("99", "101", "100")),
        ({"bid": "100", "ask": "100.01"}, ("100", "100.01", "100")),  # half a tick goes to the even
        ({"bid": "100.01", "ask": "100.02"}, ("100.01", "100.02", "100.02")),
        ({"bid": "100"}, ("100", "100.02", "100.01")),
        ({"ask": "100"}, ("99.98", "100", "99.99")),
        ({"bid": "100", "last": "105"}, ("100", "105.01", "105")),
        ({"bid": "100", "last": "100"}, ("100", "100.02", "100")),
        ({"ask": "100", "last": "95"}, ("94.99", "100", "95")),
        ({"ask": "100", "last": "100"}, ("99.98", "100", "100")),
    ],
)
def test_what_is_left_out_is_derived(
    feed: HandFeed, given: dict[str, str], expected: tuple[str, ...]
) -> None:
    price = feed.set(SYMBOL, NOW, **{name: Decimal(value) for name, value in given.items()})
    assert price[1:4] == tuple(map(Decimal, expected))


@pytest.mark.parametrize(
    "given,message",
    [
        ({}, "last: expected at least one"),
        ({"bid": "101", "ask": "100"}, "bid: expected above 0 and below the ask 100"),
        ({"bid": "100", "ask": "100"}, "bid: expected above 0 and below the ask 100"),
        ({"bid": "-1"}, "bid: expected a number above 0"),
        ({"ask": "NaN"}, "ask: expected a number above 0"),
        ({"last": "Infinity"}, "last: expected a number above 0"),
        ({"last": "1E+20"}, "last: expected less than"),
        ({"ask": "100.001"}, "ask: expected a multiple of the tick 0.01, got 100.001"),
        ({"last": "0.01"}, "bid: expected above 0"),
        ({"bid": "100", "ask": "101", "last": "102"}, "last: expected from 100 .bid. to 101 .ask., got 102"),
        ({"bid": "100", "last": "99"}, "last: expected from 100"),
        ({"last": "100", "size": "0"}, "size: expected a number above 0"),
        ({"last": "100", "size": "0.000001"}, "size: expected a multiple of the lot 0.00001"),
    ],
)
def test_nonsense_is_refused_by_name_and_changes_nothing(
    feed: HandFeed, given: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        feed.set(SYMBOL, NOW, **{name: Decimal(value) for name, value in given.items()})
    assert feed.began_ms(SYMBOL) is None


def test_time_does_not_run_backwards(feed: HandFeed) -> None:
    feed.set(SYMBOL, NOW, last=Decimal(100))
    with pytest.raises(ValueError, match=f"^at_ms: expected {NOW} or later"):
        feed.set(SYMBOL, NOW - 1, last=Decimal(100))


def test_what_was_never_set_has_no_price(feed: HandFeed) -> None:
    with pytest.raises(UnknownSymbol):
        feed.set("A/B", NOW, last=Decimal(100))
    with pytest.raises(UnknownSymbol):
        feed.quote("A/B", NOW)
    with pytest.raises(LookupError, match="no price of BTC/USDT was set"):
        feed.quote(SYMBOL, NOW)
    feed.set(SYMBOL, NOW, last=Decimal(100))
    with pytest.raises(LookupError, match="remembered"):
        feed.quote(SYMBOL, NOW - 1)


def test_candles_go_on_from_the_prints_and_are_flat_without(feed: HandFeed) -> None:
    for seconds, last in ((10, 100), (20, 120), (30, 90), (40, 110), (190, 130)):
        feed.set(SYMBOL, NOW + seconds * 1_000, last=Decimal(last))
    lot = Decimal("0.00001")
    candles = feed.candles(SYMBOL, "1m", None, NOW + 200_000, 10)
    assert candles == [
        (NOW, 100, 120, 90, 110, 4 * lot),
        (NOW + 60_000, 110, 110, 110, 110, 0),
        (NOW + 120_000, 110, 110, 110, 110, 0),
        (NOW + 180_000, 130, 130, 130, 130, lot),
    ]
    assert feed.candles(SYMBOL, "1m", NOW + 1, NOW + 200_000, 1) == candles[1:2]
    # Of a moment that is past, nothing later shows.
    assert feed.candles(SYMBOL, "1m", None, NOW + 29_999, 9) == [(NOW, 100, 120, 100, 120, 2 * lot)]
    assert feed.candles(SYMBOL, "1m", None, NOW + 9_999, 9) == []


def test_trades_are_the_prints(feed: HandFeed) -> None:
    feed.set(SYMBOL, NOW, Decimal(99), Decimal(101), Decimal(101))
    feed.set(SYMBOL, NOW + 1, Decimal(99), Decimal(101), Decimal(99))
    feed.set(SYMBOL, NOW + 2, Decimal(99), Decimal(101), Decimal(100))
    trades = feed.trades(SYMBOL, None, NOW + 2, 10)
    assert [(trade.time_ms - NOW, trade.price, trade.side) for trade in trades] == [
        (0, 101, "buy"),
        (1, 99, "sell"),
        (2, 100, "buy"),
    ]
    assert feed.trades(SYMBOL, None, NOW + 2, 1) == trades[2:]
    assert feed.trades(SYMBOL, NOW + 1, NOW + 2, 1) == trades[1:2]
    assert feed.trades(SYMBOL, None, NOW + 1, 10) == trades[:2]
    assert len({trade.id for trade in trades}) == 3


def test_the_first_move_is_found_among_the_settings(feed: HandFeed) -> None:
    for offset, last in enumerate((100, 105, 95, 110)):
        feed.set(SYMBOL, NOW + offset, last=Decimal(last))

    def first(after: int, until: int, low: Any, high: Any) -> int | None:
        found = feed.first_move(SYMBOL, NOW + after, NOW + until, low, high)
        return None if found is None else found.time_ms - NOW

    assert first(-1, 3, Decimal(96), None) == 2
    assert first(-1, 1, Decimal(96), None) is None
    assert first(2, 3, Decimal(96), None) is None
    assert first(0, 9, Decimal(1), Decimal(105)) == 1
    assert first(-1, 9, None, None) is None


def test_memory_is_bounded_and_what_is_forgotten_is_not_made_up(
    feed: HandFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand, "KEPT_PRICES", 10)
    for minute in range(11):
        assert feed.began_ms(SYMBOL) in (None, NOW)
        feed.set(SYMBOL, NOW + minute * 60_000, last=Decimal(100 + minute))
    assert feed.forgets(SYMBOL)
    later = NOW + 10 * 60_000
    assert feed.book_version(SYMBOL, later) == -11
    assert [trade.id for trade in feed.trades(SYMBOL, None, later, 99)] == [f"set-{n}" for n in range(6, 12)]
    assert feed.candles(SYMBOL, "1m", None, later, 99)[0].open_ms == NOW + 5 * 60_000
    with pytest.raises(LookupError, match="remembered"):
        feed.quote(SYMBOL, NOW)
