"""M: markets and market data of the venue."""

from __future__ import annotations

import itertools

import ccxt

from tests.helpers.contract_card import card
from tests.helpers.contract_desk import OTHER, SPOT, SWAP, Desk

FREE = "SOL/USDT"
"""A market whose price moves by itself."""
HOUR = 3_600_000


@card
def m01_markets(desk: Desk) -> None:
    """loadMarkets gives spot and swap markets and their currencies; a second call asks nobody."""
    markets = desk.ex.load_markets()
    assert {SPOT, OTHER, "ETH/BTC", SWAP, "ETH/USDT:USDT"} <= set(markets)
    assert (markets[SPOT]["type"], markets[SWAP]["type"], markets[SWAP]["linear"]) == ("spot", "swap", True)
    assert {"BTC", "ETH", "USDT"} <= set(desk.ex.currencies)
    before = len(desk.oms.requests)
    assert desk.ex.load_markets() is markets
    assert len(desk.oms.requests) == before
    desk.ex.load_markets(True)
    assert len(desk.oms.requests) > before
    assert [market["symbol"] for market in desk.ex.fetch_markets()] == list(markets)
    assert len(desk.ex.fetch_currencies()) > 5
    with desk.refused(ccxt.BadSymbol):
        desk.ex.market("NO/SUCH")


@card
def m02_tickers(desk: Desk) -> None:
    """A ticker shows the price that is set; several by symbols; all."""
    ticker = desk.ex.fetch_ticker(SPOT)
    assert (ticker["symbol"], ticker["bid"], ticker["ask"], ticker["last"]) == (SPOT, 100, 101, 100.5)
    some = desk.ex.fetch_tickers([SPOT, SWAP])
    assert some[SPOT] == ticker
    assert set(some) == {SPOT, SWAP}
    assert set(desk.ex.fetch_tickers()) == set(desk.ex.markets)
    for call in (lambda: desk.ex.fetch_ticker("NO/SUCH"), lambda: desk.ex.fetch_tickers(["NO/SUCH"])):
        with desk.refused(ccxt.BadSymbol):
            call()


@card
def m03_order_books(desk: Desk) -> None:
    """Books: bids descend, asks ascend, limit cuts, our own resting orders are in them."""
    book = desk.ex.fetch_order_book(FREE)
    assert len(book["bids"]) > 5
    assert book["bids"] == sorted(book["bids"], reverse=True)
    assert book["asks"] == sorted(book["asks"])
    assert book["bids"][0][0] < book["asks"][0][0]
    assert len(desk.ex.fetch_order_book(FREE, 3)["asks"]) == 3
    desk.price(SPOT, 100, 101, size=2)
    desk.ex.create_order(SPOT, "limit", "buy", 3, 100.5)
    mine = desk.ex.fetch_l2_order_book(SPOT)
    assert mine["bids"] == [[100.5, 3], [100, 2]]
    books = desk.ex.fetch_order_books([SPOT, SWAP], 1)
    assert books[SPOT]["bids"] == [[100.5, 3]]
    assert set(books) == {SPOT, SWAP}
    with desk.refused(ccxt.ArgumentsRequired):
        desk.ex.fetch_order_books([])


@card
def m04_trades(desk: Desk) -> None:
    """Public trades ascend; limit is the newest without since and the oldest from it."""
    desk.advance(HOUR)
    trades = desk.ex.fetch_trades(FREE, None, 50)
    times = [trade["timestamp"] for trade in trades]
    assert len(trades) == 50
    assert times == sorted(times)
    assert times[-1] <= desk.oms.now_ms()
    since = times[10]
    some = desk.ex.fetch_trades(FREE, since, 5)
    assert [trade["timestamp"] >= since for trade in some] == [True] * 5
    assert some[0]["timestamp"] == since
    assert {trade["side"] for trade in trades} == {"buy", "sell"}


@card
def m05_candles(desk: Desk) -> None:
    """Candles ascend by their timeframe, respect since, limit and until; high and low hold open and close."""
    desk.ex.load_markets()
    assert set(desk.ex.timeframes) >= {"1m", "5m", "1h", "1d"}
    for timeframe in desk.ex.timeframes:
        candles = desk.ex.fetch_ohlcv(FREE, timeframe, None, 5)
        assert [candle[0] for candle in candles] == sorted({candle[0] for candle in candles})
        assert len(candles) == 5
        for _, first, high, low, last, volume in candles:
            assert low <= min(first, last) <= max(first, last) <= high
            assert volume >= 0
    hourly = desk.ex.fetch_ohlcv(FREE, "1h", None, 24)
    assert {after[0] - before[0] for before, after in itertools.pairwise(hourly)} == {HOUR}
    assert desk.ex.fetch_ohlcv(FREE, "1h", hourly[3][0], 4) == hourly[3:7]
    until = desk.ex.fetch_ohlcv(FREE, "1h", hourly[3][0], 100, {"until": hourly[6][0]})
    assert [candle[0] for candle in until] == [candle[0] for candle in hourly[3:7]]
    assert desk.ex.fetch_ohlcv(SPOT, "1m", None, 1)[0][4] == 100.5
    with desk.refused(ccxt.BadRequest, "timeframe"):
        desk.ex.fetch_ohlcv(FREE, "7m")


@card
def m06_status_and_time(desk: Desk) -> None:
    """The gateway's state and its clock."""
    assert desk.ex.fetch_status()["status"] == "ok"
    assert desk.ex.fetch_time() == desk.oms.now_ms()
    desk.advance(5000)
    assert desk.ex.fetch_time() == desk.oms.now_ms()


@card
def m07_of_the_venue(desk: Desk) -> None:
    """What this venue has beyond the plain: best prices, mark prices, funding rates."""
    assert desk.ex.fetch_bids_asks([SPOT])[SPOT]["bid"] == 100
    assert desk.ex.fetch_mark_price(SWAP)["markPrice"] == 100.5
    assert desk.ex.fetch_mark_prices([SWAP])[SWAP]["markPrice"] == 100.5
    rate = desk.ex.fetch_funding_rate(SWAP)
    assert (rate["symbol"], rate["fundingRate"], rate["markPrice"]) == (SWAP, 0.0001, 100.5)
    assert set(desk.ex.fetch_funding_rates()) == {
        symbol for symbol, market in desk.ex.markets.items() if market["swap"]
    }
    assert desk.ex.fetch_funding_rate_history(SWAP, None, 1)[0]["fundingRate"] == 0.0001
    candles = [candle[:5] for candle in desk.ex.fetch_ohlcv(SWAP, "1h", None, 3)]
    for marked in (
        desk.ex.fetch_mark_ohlcv(SWAP, "1h", None, 3),
        desk.ex.fetch_ohlcv(SWAP, "1h", None, 3, {"price": "mark"}),
    ):
        assert [candle[:5] for candle in marked] == candles
        assert [candle[5] for candle in marked] == [None] * 3
    spot = [candle[:5] for candle in desk.ex.fetch_ohlcv(SPOT, "1h", None, 3)]
    assert [candle[:5] for candle in desk.ex.fetch_index_ohlcv(SWAP, "1h", None, 3)] == spot
    with desk.refused(ccxt.BadSymbol):
        desk.ex.fetch_funding_rate(SPOT)


@card
def m08_the_same_prices_everywhere(desk: Desk) -> None:
    """Ticker, book, candle and fill agree on a market that moves by itself."""
    ticker, book = desk.ex.fetch_ticker(FREE), desk.ex.fetch_order_book(FREE)
    assert (ticker["bid"], ticker["ask"]) == (book["bids"][0][0], book["asks"][0][0])
    assert desk.ex.fetch_ohlcv(FREE, "1m", None, 1)[-1][4] == ticker["last"]
    assert desk.ex.create_order(FREE, "market", "buy", 0.1)["average"] == ticker["ask"]


@card
def m09_a_large_order_walks_the_book(desk: Desk) -> None:
    """A large order takes level after level of the book that was shown, and what it took is gone."""
    asks = desk.ex.fetch_order_book(FREE)["asks"]
    amount = asks[0][1] + asks[1][1]
    desk.ask("deposit", body={"currency": "USDT", "amount": "1000000000"}, account_id=1)
    order = desk.ex.create_order(FREE, "market", "buy", amount)
    assert [(trade["price"], trade["amount"]) for trade in order["trades"]] == [
        tuple(level) for level in asks[:2]
    ]
    assert desk.ex.fetch_order_book(FREE)["asks"][0] == asks[2]
