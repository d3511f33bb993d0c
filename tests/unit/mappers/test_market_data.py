"""What `/ccxt` answers: exact examples, and what a broken gateway sends instead."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest

from ccxt_driver.mappers import market_data
from ccxt_driver.mappers.values import BadRow, number_maker
from tests.helpers.oms_rows import CREATED, CREATED_MS, market

pytestmark = pytest.mark.oldest

TICKER = {
    "symbol": "BTC/USDT",
    "timestamp": CREATED_MS,
    "bid": "99.9",
    "ask": 100.1,
    "last": 100,
    "info": {"a": 1},
}


def test_a_ticker_has_every_key_of_ccxts() -> None:
    ticker = market_data.ticker(TICKER, float)

    assert set(ccxt.Exchange().safe_ticker({})) <= set(ticker)
    assert (ticker["bid"], ticker["ask"], ticker["last"], ticker["high"]) == (99.9, 100.1, 100.0, None)
    assert (ticker["timestamp"], ticker["datetime"], ticker["info"]) == (CREATED_MS, CREATED, {"a": 1})


@pytest.mark.parametrize("kind, expected", [(str, "100.1"), (Decimal, Decimal("100.1"))])
def test_numbers_take_the_type_of_the_exchange(kind: Any, expected: Any) -> None:
    assert market_data.ticker(TICKER, number_maker(kind))["ask"] == expected


def test_tickers_are_by_symbol() -> None:
    assert market_data.tickers({"BTC/USDT": TICKER}, float)["BTC/USDT"]["last"] == 100.0


def test_an_order_book() -> None:
    source = {
        "symbol": "BTC/USDT",
        "bids": [["99", "1"], [98, 2, 5]],
        "asks": [],
        "timestamp": CREATED_MS,
        "nonce": 7,
    }

    assert market_data.order_book(source, float) == {
        "symbol": "BTC/USDT",
        "bids": [[99.0, 1.0], [98.0, 2.0]],
        "asks": [],
        "timestamp": CREATED_MS,
        "datetime": CREATED,
        "nonce": 7,
    }


def test_candles_ascend() -> None:
    rows = [[60_000, 1, 2, 0.5, 1.5, "10"], [0, "1", 2, 0.5, 1, None, "extra"]]

    assert market_data.candles(rows, float) == [
        [0, 1.0, 2.0, 0.5, 1.0, None],
        [60_000, 1.0, 2.0, 0.5, 1.5, 10.0],
    ]


def test_public_trades_ascend_and_have_every_key() -> None:
    newer = {
        "id": "2",
        "symbol": "BTC/USDT",
        "timestamp": CREATED_MS,
        "price": 1,
        "amount": "2",
        "side": "buy",
    }
    trades = market_data.trades([newer, {**newer, "id": "1", "timestamp": CREATED_MS - 1}], float)

    assert [trade["id"] for trade in trades] == ["1", "2"]
    assert set(ccxt.Exchange().safe_trade({})) <= set(trades[0])
    assert (trades[1]["price"], trades[1]["amount"], trades[1]["datetime"]) == (1.0, 2.0, CREATED)


def test_markets_come_as_a_list_or_by_symbol() -> None:
    one = market("BTC/USDT")

    assert market_data.markets([one]) == [one]
    assert market_data.markets({"BTC/USDT": one}) == [one]


def test_a_balance_is_by_currency_and_by_kind() -> None:
    source = {
        "info": {"x": 1},
        "USDT": {"free": "90.5", "used": 9.5, "total": "100"},
        "BTC": {"free": "0", "used": None, "total": "0"},
        "free": {"USDT": 1},
        "timestamp": CREATED_MS,
        "datetime": CREATED,
    }
    balance = market_data.balance(source, float)

    assert balance["USDT"] == {"free": 90.5, "used": 9.5, "total": 100.0}
    assert balance["free"] == {"USDT": 90.5, "BTC": 0.0}
    assert balance["used"] == {"USDT": 9.5, "BTC": None}
    assert (balance["timestamp"], balance["datetime"], balance["info"]) == (CREATED_MS, CREATED, {"x": 1})


def test_a_balance_tells_what_is_owed_where_the_venue_does() -> None:
    source = {
        "USDT": {"free": "90", "used": "0", "total": "90", "debt": "25.5"},
        "BTC": {"free": "1", "used": "0", "total": "1", "debt": None},
        "debt": {"USDT": 25.5},
    }
    balance = market_data.balance(source, str)

    assert (balance["debt"], balance["USDT"]["debt"]) == ({"USDT": "25.5"}, "25.5")
    assert "debt" not in balance["BTC"]
    assert "debt" not in market_data.balance({"BTC": source["BTC"]}, str)


GARBAGE: list[Any] = [None, 7, "text", True]


@pytest.mark.parametrize("value", [*GARBAGE, []])
@pytest.mark.parametrize(
    "mapper", [market_data.ticker, market_data.tickers, market_data.order_book, market_data.balance]
)
def test_what_is_no_object_is_refused(mapper: Any, value: Any) -> None:
    with pytest.raises(BadRow):
        mapper(value, float)


@pytest.mark.parametrize("value", [*GARBAGE, {}])
@pytest.mark.parametrize("mapper", [market_data.candles, market_data.trades])
def test_what_is_no_list_is_refused(mapper: Any, value: Any) -> None:
    with pytest.raises(BadRow):
        mapper(value, float)


@pytest.mark.parametrize("value", [*GARBAGE, [1], [{}], {"a": 1}, [{"symbol": None}]])
def test_what_is_no_market_is_refused(value: Any) -> None:
    with pytest.raises(BadRow):
        market_data.markets(value)


@pytest.mark.parametrize(
    "change", [{"bid": "x"}, {"bid": []}, {"last": float("nan")}, {"timestamp": "now"}], ids=str
)
def test_a_ticker_with_a_bad_field_is_refused_by_its_name(change: dict[str, Any]) -> None:
    with pytest.raises(BadRow, match=f"^{next(iter(change))}: expected"):
        market_data.ticker({**TICKER, **change}, float)


@pytest.mark.parametrize(
    "levels", [None, "x", [1], [[1]], ["12"], [{"price": 1}], [[1, "x"]], [[None, 1]], [[1, None]]], ids=str
)
def test_an_order_book_with_bad_levels_is_refused(levels: Any) -> None:
    with pytest.raises(BadRow, match=r"^bids: expected"):
        market_data.order_book({"bids": levels, "asks": []}, float)


@pytest.mark.parametrize("timestamp", ["now", -1, 1.5, True, 10**18], ids=str)
def test_a_bad_time_is_refused_wherever_it_is(timestamp: Any) -> None:
    for mapper, value in (
        (market_data.order_book, {"bids": [], "asks": [], "timestamp": timestamp}),
        (market_data.trades, [{"timestamp": timestamp}]),
        (market_data.ticker, {"timestamp": timestamp}),
        (market_data.candles, [[timestamp, 1, 1, 1, 1, 1]]),
    ):
        with pytest.raises(BadRow):
            mapper(value, float)


@pytest.mark.parametrize("candle", [None, [], [1, 2, 3], ["0", 1, 1, 1, 1, 1], [0, "x", 1, 1, 1, 1]], ids=str)
def test_a_bad_candle_is_refused(candle: Any) -> None:
    with pytest.raises(BadRow):
        market_data.candles([candle], float)


def test_a_balance_with_a_bad_amount_names_it() -> None:
    with pytest.raises(BadRow, match=r"^USDT\.free: expected"):
        market_data.balance({"USDT": {"free": "x"}}, float)


def test_a_poor_market_has_the_keys_that_are_read_unasked() -> None:
    """ccxt itself ends in a KeyError without them, which kills programs that catch ccxt's classes."""
    poor = {"symbol": "BTC/USDT", "type": "swap", "precision": {"price": 0.1}, "limits": {"cost": None}}
    (market,) = market_data.markets([poor])

    assert (market["id"], market["spot"], market["swap"]) == ("BTC/USDT", False, True)
    assert market["precision"] == {"amount": None, "price": 0.1}
    assert market["limits"]["cost"] == market["limits"]["amount"] == {"min": None, "max": None}
    assert poor == {
        "symbol": "BTC/USDT",
        "type": "swap",
        "precision": {"price": 0.1},
        "limits": {"cost": None},
    }
    for value in (None, {}):
        (market,) = market_data.markets([{**poor, "precision": value, "limits": value, "spot": None}])
        assert market["precision"] == {"amount": None, "price": None}
        assert (market["limits"]["price"], market["spot"]) == ({"min": None, "max": None}, False)
