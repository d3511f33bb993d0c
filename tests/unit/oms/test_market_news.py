"""Who follows market data is told where to look again, and that costs those nothing who do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ccxt_driver.oms import EmbeddedOms, MarketNews

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
NOTHING: frozenset[str] = frozenset()


def following(oms: EmbeddedOms) -> tuple[list[MarketNews], Callable[[], None]]:
    told: list[MarketNews] = []
    return told, oms.subscribe_prices(told.append)


def test_a_price_that_is_set(desk: Any) -> None:
    told, _ = following(desk.oms)
    desk.price(SPOT, "200", "201")
    assert told == [MarketNews(prices=frozenset({SPOT}))]


def test_an_order_that_rests_and_goes_changes_its_book(desk: Any) -> None:
    told, _ = following(desk.oms)
    order = desk.send("buy", 1, 90)
    desk.run("cancel_order", order_id=order["id"])
    assert told == [MarketNews(books=frozenset({SPOT}))] * 2


def test_what_a_price_fills_is_told_before_it_and_after_it_is_done(desk: Any) -> None:
    desk.send("buy", 1, 90)
    seen: list[Any] = []

    def look(news: MarketNews) -> None:
        call = {"account_id": "1", "func": "fetch_order_book"}
        book = desk.oms.handle("ccxt_call", call, {}, {"args": [SPOT], "kwargs": {}}).body["result"]
        seen.append((news, book["bids"]))

    desk.oms.subscribe_prices(look)
    desk.price(SPOT, "88", "89", size="5")
    books, prices = MarketNews(books=frozenset({SPOT})), MarketNews(prices=frozenset({SPOT}))
    assert seen == [(books, [[88.0, 5.0]]), (prices, [[88.0, 5.0]])]


def test_time_that_passes_moves_all_prices(desk: Any) -> None:
    told, _ = following(desk.oms)
    desk.oms.advance(1)
    [news] = told
    assert {SPOT, SWAP} < news.prices


def test_a_tick_tells_when_the_feed_has_moved() -> None:
    with EmbeddedOms(clock="manual", start_ms=1_800_000_000_000) as oms:
        oms.tick()
        told, _ = following(oms)
        oms.tick()
        assert told == []
        oms._clock.advance(999)  # type: ignore[attr-defined]
        oms.tick()
        assert told == []
        oms._clock.advance(1)  # type: ignore[attr-defined]
        oms.tick()
        assert [SPOT in news.prices for news in told] == [True]


def test_money_moves_no_book(desk: Any) -> None:
    told, _ = following(desk.oms)
    body = {"currency": "USDT", "amount": "5"}
    assert desk.oms.handle("deposit", {"account_id": "1"}, {}, body).status == 200
    assert told == []


def test_who_has_left_hears_nothing(desk: Any) -> None:
    told, leave = following(desk.oms)
    others, _ = following(desk.oms)
    leave()
    leave()
    desk.price(SPOT, "200", "201")
    assert (told, len(others)) == ([], 1)


def test_one_that_fails_takes_nothing_from_the_others(desk: Any, caplog: Any) -> None:
    desk.oms.subscribe_prices(lambda news: 1 / 0)
    told, _ = following(desk.oms)
    desk.price(SPOT, "200", "201")
    assert len(told) == 1
    assert "a subscriber failed" in caplog.text


def test_a_price_that_is_refused_is_no_news(desk: Any) -> None:
    told, _ = following(desk.oms)
    for bid in ("300", "-1"):
        try:
            desk.price(SPOT, bid, "201")
        except ValueError:
            continue
        raise AssertionError("it was taken")
    assert told == []
