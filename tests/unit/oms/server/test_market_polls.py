from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ccxt_driver.contract.events import SubscribeMarket, UnsubscribeMarket
from ccxt_driver.oms.access import ANONYMOUS
from ccxt_driver.oms.market_news import MarketNews
from ccxt_driver.oms.server import market_polls
from ccxt_driver.oms.server.market_polls import MOST_POLLS, MarketPolls
from ccxt_driver.oms.server.outbox import SlowConsumer
from ccxt_driver.oms.server.price_hub import PriceHub
from ccxt_driver.oms.server.snapshots import Refused

from .conftest import ScriptedOms, ScriptedReply


class Frames:
    """An outbox whose frames a test can wait for."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.full = False
        self.free = asyncio.Event()
        self.free.set()
        self.waiting = asyncio.Event()

    async def room(self) -> None:
        self.waiting.set()
        await self.free.wait()

    def put(self, frame: str) -> None:
        if self.full:
            raise SlowConsumer
        self.queue.put_nowait(json.loads(frame))

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.queue.get(), 10)


class Venue:
    """Answers `fetch_*` with what the test says; an answer that is a text is a refusal's code."""

    def __init__(self, oms: ScriptedOms) -> None:
        self.answer: Any = 1
        self.asked: list[tuple[str, list[Any]]] = []
        self.turn = asyncio.Event()
        self.oms = oms
        oms.answers["ccxt_call"] = self.call

    def call(self, path: Any, query: Any, body: Any, principal: Any) -> ScriptedReply:
        self.asked.append((path["func"], body["args"]))
        self.turn.set()
        if isinstance(self.answer, str):
            return ScriptedReply(502, {"detail": {"code": self.answer, "message": "no", "details": {"x": 1}}})
        return ScriptedReply(200, {"ok": True, "result": self.answer})

    async def turns(self, count: int) -> None:
        for _ in range(count):
            self.turn.clear()
            await asyncio.wait_for(self.turn.wait(), 10)


@pytest.fixture
async def venue(oms: ScriptedOms) -> Venue:
    return Venue(oms)


@pytest.fixture
async def frames() -> Frames:
    return Frames()


@pytest.fixture
async def polls(
    oms: ScriptedOms, frames: Frames, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MarketPolls]:
    monkeypatch.setattr(market_polls, "SHORTEST_INTERVAL_MS", 1)
    monkeypatch.setattr(market_polls, "SHORTEST_PAUSE", 0.001)
    made = MarketPolls(oms, PriceHub(oms), frames, lambda: None)  # type: ignore[arg-type]
    yield made
    made.close()


def wanted(*channels: str, symbol: str = "BTC/USDT", interval: int = 1, **fields: Any) -> SubscribeMarket:
    return SubscribeMarket.model_validate(
        {"account_id": 1, "symbol": symbol, "channels": channels, "poll_interval_ms": interval, **fields}
    )


async def test_what_has_not_changed_is_not_pushed_again(polls: Any, venue: Venue, frames: Frames) -> None:
    polls.subscribe(wanted("ticker"), ANONYMOUS)
    assert (await frames.next())["payload"]["data"] == 1
    await venue.turns(5)
    assert frames.queue.empty()
    venue.answer = 2
    assert (await frames.next())["payload"]["data"] == 2


async def test_trouble_is_said_once_and_the_data_when_it_is_back(
    polls: Any, venue: Venue, frames: Frames
) -> None:
    polls.subscribe(wanted("ticker"), ANONYMOUS)
    await frames.next()
    venue.answer = "engine_unavailable"
    trouble = await frames.next()
    assert (trouble["id"], trouble["event"], trouble["ok"]) == (None, "error", False)
    assert trouble["payload"]["code"] == "engine_unavailable"
    assert trouble["payload"]["details"] == {
        "x": 1,
        "account_id": 1,
        "symbol": "BTC/USDT",
        "channel": "ticker",
    }
    await venue.turns(3)
    assert frames.queue.empty()
    venue.answer = 2
    assert (await frames.next())["payload"]["data"] == 2
    venue.answer = "engine_unavailable"
    assert (await frames.next())["event"] == "error"


async def test_each_channel_asks_for_what_was_wanted(polls: Any, venue: Venue) -> None:
    polls.subscribe(
        wanted("ticker", "orderbook", "trades", "ohlcv", depth=5, limit=7, timeframe="5m"), ANONYMOUS
    )
    assert venue.asked == [
        ("fetch_ticker", ["BTC/USDT"]),
        ("fetch_order_book", ["BTC/USDT", 5]),
        ("fetch_trades", ["BTC/USDT", None, 7]),
        ("fetch_ohlcv", ["BTC/USDT", "5m", None, 7]),
    ]


async def test_when_one_channel_cannot_be_read_none_is_followed(polls: Any, venue: Venue) -> None:
    venue.answer = "exchange_error"
    with pytest.raises(Refused):
        polls.subscribe(wanted("ticker", "trades"), ANONYMOUS)
    assert polls.unsubscribe(UnsubscribeMarket()) == 0


async def test_the_interval_has_bounds(polls: Any, venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert polls.subscribe(wanted("ticker"), ANONYMOUS) == 250
    assert polls.subscribe(wanted("ticker", interval=777), ANONYMOUS) == 777
    assert polls.subscribe(wanted("ticker", interval=10**9), ANONYMOUS) == 10_000


async def test_the_same_again_replaces_and_unsubscribing_matches(polls: Any, venue: Venue) -> None:
    polls.subscribe(wanted("ticker", "trades"), ANONYMOUS)
    polls.subscribe(wanted("ticker"), ANONYMOUS)
    polls.subscribe(wanted("ticker", symbol="ETH/USDT"), ANONYMOUS)
    assert polls.unsubscribe(UnsubscribeMarket(account_id=2)) == 0
    assert polls.unsubscribe(UnsubscribeMarket(symbol="ETH/USDT")) == 1
    assert polls.unsubscribe(UnsubscribeMarket(channels=["trades"])) == 1  # type: ignore[list-item]
    assert polls.unsubscribe(UnsubscribeMarket()) == 1


async def test_one_connection_cannot_follow_without_end(polls: Any, venue: Venue) -> None:
    for number in range(MOST_POLLS):
        polls.subscribe(wanted("ticker", symbol=f"C{number}/USDT", interval=10_000), ANONYMOUS)
    polls.subscribe(wanted("ticker", symbol="C0/USDT", interval=10_000), ANONYMOUS)
    with pytest.raises(Refused, match=str(MOST_POLLS)):
        polls.subscribe(wanted("ticker", symbol="ONE/MORE"), ANONYMOUS)


async def test_a_slow_consumer_is_told(oms: ScriptedOms, venue: Venue, frames: Frames) -> None:
    told = asyncio.Event()
    frames.full = True
    polls = MarketPolls(oms, PriceHub(oms), frames, told.set)  # type: ignore[arg-type]
    polls.subscribe(wanted("ticker"), ANONYMOUS)
    await asyncio.wait_for(told.wait(), 10)
    polls.close()
    assert oms.followers == []


SOON = 10_000
"""An interval at which nothing is read while a test runs."""


def moved(*prices: str, books: tuple[str, ...] = ()) -> MarketNews:
    return MarketNews(frozenset(prices), frozenset(books))


async def test_a_price_that_changes_is_pushed_without_waiting_for_the_interval(
    polls: Any, venue: Venue, frames: Frames
) -> None:
    polls.subscribe(wanted("ticker", interval=SOON), ANONYMOUS)
    await frames.next()
    venue.answer = 2
    venue.oms.move(moved("ETH/USDT"))
    venue.oms.move(moved("BTC/USDT"))
    assert (await frames.next())["payload"]["data"] == 2


async def test_of_an_order_only_the_book_is_read_again(polls: Any, venue: Venue, frames: Frames) -> None:
    polls.subscribe(wanted("ticker", "orderbook", interval=SOON), ANONYMOUS)
    await frames.next()
    await frames.next()
    venue.asked.clear()
    venue.answer = 2
    venue.oms.move(moved(books=("BTC/USDT",)))
    assert (await frames.next())["payload"]["channel"] == "orderbook"
    assert [name for name, _ in venue.asked] == ["fetch_order_book"]


async def test_many_changes_are_one_look(polls: Any, venue: Venue, frames: Frames) -> None:
    polls.subscribe(wanted("ticker", interval=SOON), ANONYMOUS)
    await frames.next()
    venue.asked.clear()
    for venue.answer in range(2, 100):
        venue.oms.move(moved("BTC/USDT"))
    assert (await frames.next())["payload"]["data"] == 99
    assert len(venue.asked) == 1


async def test_a_change_in_another_thread_wakes_too(polls: Any, venue: Venue, frames: Frames) -> None:
    polls.subscribe(wanted("ticker", interval=SOON), ANONYMOUS)
    await frames.next()
    venue.answer = 2
    await asyncio.to_thread(venue.oms.move, moved("BTC/USDT"))
    assert (await frames.next())["payload"]["data"] == 2


async def test_who_reads_slowly_gets_the_latest(polls: Any, venue: Venue, frames: Frames) -> None:
    polls.subscribe(wanted("ticker"), ANONYMOUS)
    await frames.next()
    frames.free.clear()
    frames.waiting.clear()
    await asyncio.wait_for(frames.waiting.wait(), 10)
    asked = len(venue.asked)
    for venue.answer in range(2, 100):
        venue.oms.move(moved("BTC/USDT"))
        await asyncio.sleep(0)
    assert len(venue.asked) == asked
    frames.free.set()
    assert (await frames.next())["payload"]["data"] == 99


async def test_who_follows_nothing_hears_nothing(polls: Any, venue: Venue, frames: Frames) -> None:
    polls.subscribe(wanted("ticker", "orderbook"), ANONYMOUS)
    await frames.next()
    assert len(venue.oms.followers) == 1
    polls.unsubscribe(UnsubscribeMarket())
    await asyncio.sleep(0)
    assert venue.oms.followers == []


async def test_when_it_was_read_alone_is_no_news(polls: Any, venue: Venue, frames: Frames) -> None:
    venue.answer = {"last": 1, "timestamp": 5, "datetime": "then"}
    polls.subscribe(wanted("ticker"), ANONYMOUS)
    await frames.next()
    venue.answer = {"last": 1, "timestamp": 6, "datetime": "later"}
    await venue.turns(3)
    assert frames.queue.empty()
    venue.answer = {"last": 2, "timestamp": 7, "datetime": "now"}
    assert (await frames.next())["payload"]["data"]["timestamp"] == 7


def book(bids: dict[float, float], asks: dict[float, float], timestamp: int = 1) -> dict[str, Any]:
    sides = {"bids": [*map(list, bids.items())], "asks": [*map(list, asks.items())]}
    return {"symbol": "BTC/USDT", **sides, "timestamp": timestamp, "nonce": None}


async def test_of_a_book_only_the_first_is_whole_where_that_is_wanted(
    polls: Any, venue: Venue, frames: Frames
) -> None:
    venue.answer = book({9: 1, 8: 2, 7: 3}, {10: 1, 11: 2, 12: 3})
    polls.subscribe(wanted("orderbook", book_updates=True), ANONYMOUS)
    first = (await frames.next())["payload"]
    assert (first["data"]["nonce"], first["data"]["bids"]) == (1, [[9.0, 1.0], [8.0, 2.0], [7.0, 3.0]])
    venue.answer = book({9: 1, 8: 2.5, 6: 1}, {10: 1, 11: 2, 12: 3}, 2)
    second = (await frames.next())["payload"]
    assert "data" not in second
    changes = {"bids": [[7.0, 0], [8.0, 2.5], [6.0, 1.0]], "asks": []}
    assert second["update"] == {**changes, "nonce": 2, "prev_nonce": 1, "timestamp": 2}


async def test_a_book_that_is_all_new_is_sent_whole(polls: Any, venue: Venue, frames: Frames) -> None:
    venue.answer = book({9: 1}, {10: 1})
    polls.subscribe(wanted("orderbook", book_updates=True), ANONYMOUS)
    await frames.next()
    venue.answer = book({19: 1}, {20: 1})
    payload = (await frames.next())["payload"]
    assert "update" not in payload
    assert payload["data"]["nonce"] == 2


async def test_books_have_no_number_where_none_is_wanted(polls: Any, venue: Venue, frames: Frames) -> None:
    venue.answer = book({9: 1}, {10: 1})
    polls.subscribe(wanted("orderbook"), ANONYMOUS)
    assert (await frames.next())["payload"]["data"]["nonce"] is None
    venue.answer = book({9: 2}, {10: 1})
    assert (await frames.next())["payload"]["data"]["bids"] == [[9.0, 2.0]]
