"""Markets of ccxt as the OMS lists them, exact or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest

from ccxt_driver.oms.market.feed import UNLIMITED
from ccxt_driver.venues.listing import contract_size, translated
from ccxt_driver.venues.reading import Reader, UnusableBook
from tests.helpers.fake_venue import SPOT, SWAP, book, row, trade

D = Decimal


def test_a_spot_market() -> None:
    market = translated(row(SPOT), ccxt.TICK_SIZE)
    assert (market.symbol, market.id, market.kind, market.settle) == (SPOT, "BTCUSDT", "spot", None)
    assert (market.tick_size, market.lot_size) == (D("0.1"), D("0.00001"))
    assert (market.min_qty, market.max_qty, market.min_cost) == (D("0.0001"), 9000, 5)
    assert (market.maker, market.taker, market.max_leverage) == (D("0.001"), D("0.002"), None)


def test_a_swap_is_in_base_currency_whatever_its_contracts_are() -> None:
    market = translated(row(SWAP, limits={"leverage": {"max": 50}, "amount": {"min": 2}}), ccxt.TICK_SIZE)
    assert (market.kind, market.settle, market.contract_size) == ("swap", "USDT", 1)
    assert (market.lot_size, market.min_qty, market.max_qty) == (D("0.01"), D("0.02"), UNLIMITED / 100)
    assert (market.max_leverage, market.min_cost) == (50, 0)
    assert contract_size(row(SWAP)) == D("0.01")


def test_precision_in_decimal_places() -> None:
    market = translated(row(SPOT, precision={"price": 2, "amount": 8}), ccxt.DECIMAL_PLACES)
    assert (market.tick_size, market.lot_size) == (D("0.01"), D("1E-8"))


@pytest.mark.parametrize(
    "more, mode, found",
    [
        ({"type": "future", "spot": False}, ccxt.TICK_SIZE, "expected a spot market or a swap, got 'future'"),
        ({"active": False}, ccxt.TICK_SIZE, "it is not active"),
        ({"precision": {"price": None, "amount": 1}}, ccxt.TICK_SIZE, "precision.price: the venue does not"),
        (
            {"precision": {"price": 0, "amount": 1}},
            ccxt.TICK_SIZE,
            "precision.price: expected a number above",
        ),
        ({"precision": {"price": 1.5, "amount": 1}}, ccxt.DECIMAL_PLACES, "expected whole decimal places"),
        ({}, ccxt.SIGNIFICANT_DIGITS, "precision.price: significant digits"),
        ({"taker": None}, ccxt.TICK_SIZE, "taker: the venue does not say"),
        ({"maker": float("nan")}, ccxt.TICK_SIZE, "maker: expected a number, got nan"),
    ],
)
def test_what_cannot_be_represented_is_refused_with_the_reason(more: Any, mode: int, found: str) -> None:
    with pytest.raises(ValueError, match=r"symbols: BTC/USDT: ") as caught:
        translated(row(SPOT, **more), mode)
    assert found in str(caught.value)


def test_an_inverse_swap_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a swap that is linear"):
        translated(row("BTC/USD:BTC", linear=False, inverse=True), ccxt.TICK_SIZE)


@pytest.fixture
def reader() -> Reader:
    return Reader(translated(row(SWAP), ccxt.TICK_SIZE), D("0.01"), 2)


def test_a_book_is_exact_in_base_currency_and_as_deep_as_wanted(reader: Reader) -> None:
    bids, asks = reader.book(book(100.1, 100.3, 7.0))
    assert [(str(price), str(qty.normalize())) for price, qty in bids] == [
        ("100.1", "0.07"),
        ("99.1", "0.05"),
    ]
    assert [str(price) for price, _ in asks] == ["100.3", "101.3"]


def test_prices_off_the_tick_are_rounded_away_from_the_other_side(reader: Reader) -> None:
    bids, asks = reader.book({"bids": [[100.19, 1], [100.11, 2]], "asks": [[100.21, 1], [0.0, 1]]})
    assert [(str(price), str(qty)) for price, qty in bids] == [("100.1", "0.03")]
    assert [str(price) for price, _ in asks] == ["100.3"]


@pytest.mark.parametrize(
    "sent, reason",
    [
        ({"bids": [], "asks": [[101, 1]]}, "empty_book"),
        ({"bids": [[100, 0]], "asks": [[101, 1]]}, "empty_book"),
        ({"bids": [[102, 1]], "asks": [[101, 1]]}, "crossed_book"),
        ({"bids": [[101, 1]], "asks": [[101, 1]]}, "crossed_book"),
        ({"bids": [[None, 1]], "asks": [[101, 1]]}, "unreadable_book"),
        ({"bids": [[100]], "asks": [[101, 1]]}, "unreadable_book"),
        ({}, "unreadable_book"),
        (None, "unreadable_book"),
    ],
)
def test_a_book_that_nobody_may_trade_on(reader: Reader, sent: Any, reason: str) -> None:
    with pytest.raises(UnusableBook, match=f"^{reason}$"):
        reader.book(sent)


def test_trades_without_a_side_took_the_side_the_price_moved_to(reader: Reader) -> None:
    rows = [trade(100, 1, None), trade(99, 1, None), trade(99, 1, None), trade(100, 1, "sell")]
    assert [found.side for found in reader.trades(rows)] == ["buy", "sell", "buy", "sell"]
    with pytest.raises(ValueError, match="above 0"):
        reader.trades([trade(100, 0)])


def test_candles_that_make_no_sense_are_left_out(reader: Reader) -> None:
    rows = [[0, 100, 110, 90, 105, 8], [1, 100, 90, 110, 105, 8], [2, 100, None, 90, 105, 8], [3, 1]]
    assert [found.open_ms for found in reader.candles(rows)] == [0]
