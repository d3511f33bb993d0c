"""Paper trading on a live exchange: orders meet what it shows, and nothing that it has not shown."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.models import FrontOfQueue, Models
from ccxt_driver.venues import LiveFeed, following
from tests.helpers.fake_venue import SPOT, SWAP, Wire, book, row, trade, until, venue


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(following, "LONGEST_DELAY_S", 0.02)


@pytest.fixture
def wire() -> Wire:
    made = Wire()
    made.say("watch_order_book", book(100.0, 101.0))
    return made


@pytest.fixture
def open_feed() -> Iterator[Callable[..., LiveFeed]]:
    made: list[LiveFeed] = []

    def open_one(wire: Wire, *symbols: str, **options: Any) -> LiveFeed:
        made.append(LiveFeed(venue(wire), symbols or (SPOT,), **({"timeout_s": 10} | options)))
        return made[-1]

    yield open_one
    for feed in made:
        feed.close()


class Desk:
    """An OMS on a live feed."""

    def __init__(self, feed: LiveFeed, **options: Any) -> None:
        self.oms = EmbeddedOms(feed=feed, **options)
        self.exchange = OmsCcxtExchange({"options": {"oms": self.oms, "account_id": 1}})

    def status(self, order: dict[str, Any]) -> Any:
        return self.exchange.fetch_order(order["id"], order["symbol"])["status"]


@pytest.fixture
def desk(wire: Wire, open_feed: Any) -> Iterator[Desk]:
    made = Desk(open_feed(wire))
    yield made
    made.oms.close()


def halted(desk: Desk) -> Any:
    [found] = [r for r in desk.exchange.private_get_oms_sessions()["items"] if r["symbol"] == SPOT]
    return found["halted"]


# ------------------------------------------------------------------ the start


def test_many_markets_are_begun_together(wire: Wire) -> None:
    symbols = [f"C{number}/USDT" for number in range(30)]
    wire.markets = [row(symbol, id=symbol) for symbol in symbols]
    for symbol in symbols:
        wire.say("watch_order_book", book(100.0, 101.0), symbol=symbol)

    class Slow(venue(wire)):  # type: ignore[misc]
        async def fetch_ohlcv(self, symbol: str, timeframe: str = "1m", **more: Any) -> Any:
            await asyncio.sleep(0.1)
            return [[0, 90.0, 95.0, 85.0, 91.0, 1.0]]

    with LiveFeed(Slow, symbols, timeout_s=3) as feed:  # one after the other they take six seconds
        assert {market.symbol for market in feed.markets} == set(symbols)
        now = feed.start_ms + 60_000
        assert feed.candles(symbols[-1], "1h", 0, now, 1)[0].high == 95
        assert feed.quote(symbols[-1], now).bid == 100


# ------------------------------------------------------------------ trading


def test_an_order_fills_in_the_book_of_the_exchange(desk: Desk) -> None:
    order = desk.exchange.create_order(SPOT, "market", "buy", 3)
    assert (order["status"], order["average"]) == ("closed", pytest.approx((2 * 101 + 102) / 3))
    assert desk.exchange.fetch_order_book(SPOT)["asks"] == [[102.0, 4.0], [103.0, 5.0]]


def test_a_resting_order_fills_when_the_news_come(desk: Desk, wire: Wire) -> None:
    """By itself: nobody asks, and a subscriber hears of it."""
    order = desk.exchange.create_order(SPOT, "limit", "buy", 1, 99.0)
    heard: list[str] = []
    desk.oms.subscribe(lambda events: heard.extend(event.name for event in events))
    wire.say("watch_order_book", book(97.0, 98.0))
    until(lambda: "deal_created" in heard)
    assert desk.status(order) == "closed"
    assert desk.exchange.fetch_my_trades(SPOT)[0]["price"] == 99.0


def test_news_of_the_millisecond_that_was_just_asked_about_are_not_forgotten(
    wire: Wire, open_feed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They count from the next one on, and nobody may come by then."""
    desk = Desk(open_feed(wire, stale_ms=600_000))
    order = desk.exchange.create_order(SPOT, "limit", "buy", 1, 99.0)
    heard: list[str] = []
    desk.oms.subscribe(lambda events: heard.extend(event.name for event in events))
    wall = [time.time_ns() + 10**9]
    monkeypatch.setattr("ccxt_driver.oms.clock.time.time_ns", lambda: wall[0])
    desk.oms.tick()  # asks
    calls = len(wire.calls)
    wire.say("watch_order_book", book(97.0, 98.0))
    until(lambda: len(wire.calls) > calls)  # it has come, and the next is waited for
    wall[0] += 2_000_000
    until(lambda: "deal_created" in heard)
    assert desk.status(order) == "closed"
    desk.oms.close()


def test_a_stop_fires_by_a_trade_of_the_exchange(desk: Desk, wire: Wire) -> None:
    desk.exchange.create_order(SPOT, "market", "buy", 1)
    order = desk.exchange.create_order(SPOT, "market", "sell", 1, None, {"triggerPrice": 99.5})
    wire.say("watch_trades", [trade(100.5, 1, "sell")])  # the first after a connection may be old
    wire.say("watch_trades", [trade(99.0, 1, "sell")])
    until(lambda: desk.status(order) == "closed")
    assert desk.exchange.fetch_my_trades(SPOT)[-1]["price"] == 99.0


def test_trades_of_the_exchange_drive_the_queue(wire: Wire, open_feed: Any) -> None:
    desk = Desk(open_feed(wire), models=Models(queue=FrontOfQueue()))
    order = desk.exchange.create_order(SPOT, "limit", "buy", 1, 100.0)
    wire.say("watch_trades", [trade(100.5, 1)], [trade(100.0, 0.4, "sell")])
    until(lambda: desk.exchange.fetch_order(order["id"], SPOT)["filled"] == 0.4)
    wire.say("watch_trades", [trade(100.0, 9, "buy")], [trade(100.0, 9, "sell")])
    until(lambda: desk.status(order) == "closed")
    desk.oms.close()


def test_a_swap_is_traded_in_base_currency(wire: Wire, open_feed: Any) -> None:
    wire.markets = [row(SPOT), row(SWAP)]
    wire.say("watch_order_book", book(100.0, 101.0, 200.0), symbol=SWAP)
    desk = Desk(open_feed(wire, SPOT, SWAP))
    market = desk.exchange.load_markets()[SWAP]
    assert (market["contractSize"], market["precision"]["amount"], market["id"]) == (1.0, 0.01, SWAP)
    order = desk.exchange.create_order(SWAP, "market", "buy", 2)
    assert (order["filled"], order["cost"]) == (2.0, 202.0)
    desk.oms.close()


def test_what_is_shown_fits_together(wire: Wire, open_feed: Any) -> None:
    now = 1_767_225_600_000
    wire.say("fetch_ohlcv 1m", [[now, 90, 95, 85, 94, 3.0]])
    wire.say("fetch_ohlcv 1h", [[now, 90, 95, 85, 94, 3.0]])
    desk = Desk(open_feed(wire))
    wire.say("watch_trades", [trade(100.5, 1)], [trade(100.6, 2), trade(100.7, 0.5, "sell")])
    exchange = desk.exchange
    until(lambda: len(exchange.fetch_trades(SPOT)) == 2)
    ticker = exchange.fetch_ticker(SPOT)
    trades = exchange.fetch_trades(SPOT)
    candle = exchange.fetch_ohlcv(SPOT, "1d")[-1]
    shown = exchange.fetch_order_book(SPOT)
    assert (ticker["last"], trades[-1]["price"], candle[4]) == (100.7, 100.7, 100.7)
    assert (ticker["bid"], ticker["ask"]) == (shown["bids"][0][0], shown["asks"][0][0]) == (100.0, 101.0)
    assert sum(each["amount"] for each in trades) == 2.5
    assert exchange.fetch_ohlcv(SPOT, "1m", now, 1)[0][5] == 3.0
    desk.oms.close()


# ------------------------------------------------------------------ what goes wrong


def test_while_the_stream_is_down_nobody_trades(desk: Desk, wire: Wire) -> None:
    order = desk.exchange.create_order(SPOT, "limit", "buy", 1, 99.0)
    wire.say("watch_order_book", ccxt.NetworkError("gone"))
    until(lambda: halted(desk) == "disconnected")
    with pytest.raises(ccxt.MarketClosed, match="BTC/USDT is halted: disconnected"):
        desk.exchange.create_order(SPOT, "market", "buy", 1)
    assert desk.exchange.fetch_ticker(SPOT)["last"] == 100.5  # what is held has a value all the same
    wire.say("watch_order_book", *[ccxt.NetworkError("still")] * 3, book(98.0, 98.5))
    until(lambda: desk.status(order) == "closed")
    assert halted(desk) is None
    assert desk.exchange.create_order(SPOT, "market", "buy", 1)["average"] == 98.5
    cancelled = desk.exchange.create_order(SPOT, "limit", "buy", 1, 90.0)
    wire.say("watch_order_book", ccxt.NetworkError("gone"))
    until(lambda: halted(desk) == "disconnected")
    desk.exchange.cancel_order(cancelled["id"], SPOT)
    assert desk.status(cancelled) == "canceled"


def test_a_wait_that_the_exchange_cancels_does_not_end_the_feed(desk: Desk, wire: Wire) -> None:
    wire.say("watch_order_book", asyncio.CancelledError(), book(98.0, 98.5))
    until(lambda: desk.exchange.fetch_ticker(SPOT)["bid"] == 98.0)
    assert halted(desk) is None


@pytest.mark.parametrize(
    "sent, reason",
    [
        ({"bids": [], "asks": []}, "empty_book"),
        (book(101.0, 100.0), "crossed_book"),
        ({"bids": "?", "asks": 3}, "unreadable_book"),
    ],
)
def test_a_book_that_makes_no_sense_halts_until_the_next(
    desk: Desk, wire: Wire, sent: Any, reason: str
) -> None:
    wire.say("watch_order_book", sent)
    until(lambda: halted(desk) == reason)
    with pytest.raises(ccxt.MarketClosed, match=reason):
        desk.exchange.create_order(SPOT, "market", "buy", 1)
    wire.say("watch_order_book", book(100.0, 101.0))
    until(lambda: halted(desk) is None)


def test_a_halt_is_not_lost_when_a_transaction_is_rolled_back(desk: Desk, wire: Wire) -> None:
    wire.say("watch_order_book", ccxt.NetworkError("gone"), *[ccxt.NetworkError("still")] * 500)
    until(lambda: halted(desk) == "disconnected")
    with desk.oms.lock:
        core = desk.oms._core
        core.rollback(core.begin(desk.oms.now_ms()))
        assert core.state.symbols[SPOT].is_open is False


def test_a_price_set_by_hand_ends_a_halt_and_fills_what_it_crosses(desk: Desk, wire: Wire) -> None:
    order = desk.exchange.create_order(SPOT, "limit", "buy", 1, 99.0)
    wire.say("watch_order_book", ccxt.NetworkError("gone"), *[ccxt.NetworkError("still")] * 500)
    until(lambda: halted(desk) == "disconnected")
    desk.oms.set_price(SPOT, bid=95, ask=96)
    assert halted(desk) is None
    assert desk.status(order) == "closed"


def test_a_quiet_market_is_asked_whether_it_still_holds(wire: Wire, open_feed: Any) -> None:
    wire.say("fetch_order_book", book(100.0, 101.0))
    desk = Desk(open_feed(wire, stale_ms=120, poll_ms=10))
    until(lambda: wire.calls.count("fetch_order_book") > 5)
    assert halted(desk) is None
    assert wire.calls.count("watch_order_book") == 2  # the same wait goes on
    desk.oms.close()


def test_a_silent_market_is_halted(wire: Wire, open_feed: Any) -> None:
    wire.has = {"fetchOrderBook": False}
    desk = Desk(open_feed(wire, stale_ms=30, poll_ms=10))
    until(lambda: halted(desk) == "stale_prices")
    with pytest.raises(ccxt.MarketClosed, match="stale_prices"):
        desk.exchange.create_order(SPOT, "limit", "buy", 1, 90.0)
    stamp = desk.exchange.fetch_order_book(SPOT)["timestamp"]
    assert stamp == desk.exchange.fetch_ticker(SPOT)["timestamp"] < desk.oms.now_ms()
    desk.oms.close()


def test_trades_come_once_and_those_of_a_reconnection_fill_nothing(
    desk: Desk, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ccxt_driver.venues")
    first, second, third = trade(100.5, 1), trade(100.6, 1), trade(100.7, 1)
    order = desk.exchange.create_order(SPOT, "limit", "buy", 1, 100.0)
    wire.say("watch_trades", [first], [first, second], ccxt.NetworkError("gone"))
    wire.say("watch_trades", [second, trade(99.0, 50, "sell")], [third, second])
    shown = until(lambda: [r["amount"] for r in desk.exchange.fetch_trades(SPOT)][1:])
    assert shown == [1.0]
    assert [r["price"] for r in desk.exchange.fetch_trades(SPOT)] == [100.6, 100.7]
    assert desk.status(order) == "open"
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "trades of BTC/USDT: lost: NetworkError: gone",
        "trades of BTC/USDT: there again",
    ]


def test_a_venue_without_streams_is_asked_again_and_again(wire: Wire, open_feed: Any) -> None:
    wire.has = {"watchOrderBook": False, "watchTrades": False}
    wire.say("fetch_order_book", book(100.0, 101.0))
    same = trade(100.5, 1, id=None)
    wire.say("fetch_trades", [same])
    desk = Desk(open_feed(wire, poll_ms=1))
    until(lambda: wire.calls.count("fetch_trades") > 2)
    wire.say("fetch_trades", [same, trade(100.6, 2, id=None)])
    until(lambda: desk.exchange.fetch_trades(SPOT))
    until(lambda: wire.calls.count("fetch_trades") > 8)
    assert [r["price"] for r in desk.exchange.fetch_trades(SPOT)] == [100.6]
    wire.say("fetch_order_book", book(102.0, 103.0))
    until(lambda: desk.exchange.fetch_ticker(SPOT)["bid"] == 102.0)
    assert "watch_order_book" not in wire.calls
    desk.oms.close()


def test_trades_without_ids_are_told_apart_by_their_times(wire: Wire, open_feed: Any) -> None:
    wire.has = {"watchOrderBook": False, "watchTrades": False}
    wire.say("fetch_order_book", book(100.0, 101.0))
    rows = [trade(price, 1, id=None, timestamp=at) for at, price in enumerate([100.5, 100.6, 100.5])]
    wire.say("fetch_trades", rows[:1])
    desk = Desk(open_feed(wire, poll_ms=1))
    until(lambda: wire.calls.count("fetch_trades") > 2)
    wire.say("fetch_trades", rows[:2], rows)
    until(lambda: len(desk.exchange.fetch_trades(SPOT)) == 2)
    assert desk.exchange.fetch_ticker(SPOT)["last"] == 100.5
    desk.oms.close()


def test_a_venue_without_trades_has_the_middle_of_its_book(wire: Wire, open_feed: Any) -> None:
    wire.has = {"watchTrades": False, "fetchTrades": False, "fetchOHLCV": False}
    desk = Desk(open_feed(wire))
    wire.say("watch_order_book", book(102.0, 103.0))
    until(lambda: desk.exchange.fetch_ticker(SPOT)["last"] == 102.5)
    desk.oms.close()


def test_a_restart_charges_and_fills_nothing_of_the_time_between(
    wire: Wire, open_feed: Any, tmp_path: Path
) -> None:
    db = tmp_path / "oms.sqlite"
    past = {"position_mode": "netting", "account_id": 1, "balances": {"USDT": "10000"}}
    before = EmbeddedOms([past], clock="manual", start_ms=1_767_225_600_000, db=db)
    before.set_session(SPOT, "open")
    exchange = OmsCcxtExchange({"options": {"oms": before, "account_id": 1}})
    params = {"expire_at": "2026-01-01T00:00:05.000Z", "timeInForce": "GTD"}
    order = exchange.create_order(SPOT, "limit", "buy", 1, 50.0, params)
    before.close()
    desk = Desk(open_feed(wire), db=db)
    found = desk.exchange.fetch_order(order["id"], SPOT)
    assert found["status"] == "canceled"
    assert found["lastUpdateTimestamp"] >= desk.oms._core.market._live.start_ms  # type: ignore[union-attr]
    desk.oms.close()


def test_what_was_taken_before_a_restart_is_not_missing_from_the_book_of_after_it(
    wire: Wire, open_feed: Any, tmp_path: Path
) -> None:
    """Each of the two is the first book that its process has seen, and they are two all the same."""
    db = tmp_path / "oms.sqlite"
    feed = open_feed(wire)
    before = Desk(feed, db=db)
    before.exchange.create_order(SPOT, "market", "buy", 2)
    assert before.exchange.fetch_order_book(SPOT)["asks"] == [[102.0, 5.0], [103.0, 5.0]]
    before.oms.close()
    feed.close()

    wire.say("watch_order_book", book(100.0, 101.0))
    after = Desk(open_feed(wire), db=db)

    assert after.exchange.fetch_order_book(SPOT)["asks"] == [[101.0, 2.0], [102.0, 5.0], [103.0, 5.0]]
    assert after.exchange.create_order(SPOT, "market", "buy", 2)["average"] == 101.0
    after.oms.close()


# ------------------------------------------------------------------ the beginning and the end


@pytest.mark.parametrize("name", ["apiKey", "secret", "password", "privateKey", "walletAddress", "token"])
def test_it_takes_no_credentials(wire: Wire, name: str) -> None:
    with pytest.raises(ValueError, match=rf"config\.{name}: a live feed is public data only"):
        LiveFeed(venue(wire), [SPOT], config={name: "x"})

    class Secretive(venue(wire)):  # type: ignore[misc]
        def __init__(self, config: Any) -> None:
            super().__init__({**config, name: "x"})

    with pytest.raises(ValueError, match=rf"config\.{name}: "):
        LiveFeed(Secretive, [SPOT])
    assert wire.calls == []
    assert wire.closed == 1


@pytest.mark.parametrize(
    "exchange, symbols, options, found",
    [
        ("nobody", [SPOT], {}, "exchange: ccxt has no 'nobody'"),
        ("binance", SPOT, {}, "symbols: expected a list"),
        ("binance", [], {}, "symbols: expected at least one"),
        ("binance", [SPOT], {"depth": 0}, "depth: expected a whole number above 0"),
        ("binance", [SPOT], {"stale_ms": 10}, "poll_ms: expected less than stale_ms 10"),
    ],
)
def test_parameters_that_make_no_sense_are_named(
    exchange: str, symbols: Any, options: Any, found: str
) -> None:
    with pytest.raises(ValueError, match=found):
        LiveFeed(exchange, symbols, **options)


def test_a_market_that_is_not_there_or_cannot_be_represented_is_told(wire: Wire) -> None:
    wire.markets = [row(SPOT), row(SWAP, linear=False)]
    with pytest.raises(ValueError, match="symbols: fake has no 'ETH/USDT'"):
        LiveFeed(venue(wire), ["ETH/USDT"])
    with pytest.raises(ValueError, match="symbols: BTC/USDT:USDT: expected a swap that is linear"):
        LiveFeed(venue(wire), [SWAP])
    assert wire.closed == 2


def test_an_exchange_that_cannot_be_reached_is_told(wire: Wire) -> None:
    wire.load_error = ccxt.ExchangeNotAvailable("fake is away")
    with pytest.raises(ccxt.ExchangeNotAvailable, match="fake is away"):
        LiveFeed(venue(wire), [SPOT])
    wire.load_error = None
    wire.answers.clear()
    with pytest.raises(ccxt.RequestTimeout, match=r"no order book of BTC/USDT within 0\.05 seconds"):
        LiveFeed(venue(wire), [SPOT], timeout_s=0.05)
    assert wire.closed == 2


def test_only_the_wall_clock_goes_with_it(wire: Wire, open_feed: Any) -> None:
    feed = open_feed(wire)
    for options in ({"clock": "manual"}, {"start_ms": 5}, {"speed": 2}):
        with pytest.raises(ValueError, match="clock: expected wall"):
            EmbeddedOms(feed=feed, **options)


def test_the_end(wire: Wire, open_feed: Any) -> None:
    feed = open_feed(wire)
    with EmbeddedOms(feed=feed):
        assert len(feed._listeners) == 1
    assert feed._listeners == []
    feed.close()
    feed.close()
    assert wire.closed == 1
    assert not any(thread.is_alive() for thread in feed._threads)
