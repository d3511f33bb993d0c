"""Trades of a gateway that learns of them when it is asked to, and writes down when that was."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import ccxt
import pytest

from tests.helpers.contract_desk import NETTING, OTHER, SPOT, SWAP
from tests.helpers.lagging_desk import LaggingDesk

pytestmark = pytest.mark.oldest

MakeDesk = Callable[..., LaggingDesk]
SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1000, 60_000, 3_600_000, 86_400_000


def buy(desk: LaggingDesk, symbol: str = SPOT, amount: float = 1) -> int:
    """Trade at the venue without anybody asking about it; when it was."""
    desk.oms.venue_call(NETTING, "create_order", symbol, "market", "buy", amount)
    return int(desk.oms.now_ms())


def endpoints(desk: LaggingDesk) -> list[str]:
    """What was asked since the last time."""
    asked = [endpoint for endpoint, _ in desk.oms.requests]
    desk.oms.requests.clear()
    return asked


# -- times


@pytest.mark.parametrize("trades_in_order", [True, False])
def test_a_trade_has_the_time_of_the_venue(make_desk: MakeDesk, trades_in_order: bool) -> None:
    desk = make_desk(trades_in_order=trades_in_order)
    desk.advance(123)
    times = [buy(desk)]
    desk.advance(17_456)
    times.append(buy(desk))
    desk.advance(5 * MINUTE_MS)

    trades = desk.ex.fetch_my_trades()
    assert [trade["timestamp"] for trade in trades] == times
    assert {trade["takerOrMaker"] for trade in trades} == {"taker"}
    row = trades[0]["info"]
    assert row["gateway_row"]["executed_at"] != row["executed_at"]
    assert desk.exchange().fetch_my_trades() == trades


def test_without_raw_trades_the_venue_is_asked(desk: LaggingDesk) -> None:
    """A gateway of which only the contract is served has no list of them."""
    desk.advance(123)
    time = buy(desk)
    desk.advance(MINUTE_MS)
    desk.ex._missing_routes.add("trades_raw")

    assert [trade["timestamp"] for trade in desk.ex.fetch_my_trades()] == [time]


def test_since_and_until_are_of_the_true_times(desk: LaggingDesk) -> None:
    times = []
    for _ in range(4):
        times.append(buy(desk))
        desk.advance(10 * SECOND_MS + 250)
    desk.advance(HOUR_MS)
    fetch = desk.ex.fetch_my_trades

    def seen(*arguments: Any) -> list[int]:
        return [trade["timestamp"] for trade in fetch(*arguments)]

    assert seen(None, times[1]) == times[1:]
    assert seen(None, times[1] + 1) == times[2:]
    assert seen(None, times[0], 2) == times[:2]
    assert seen(None, None, 2) == times[2:]
    assert seen(None, times[1], None, {"until": times[2]}) == times[1:3]
    assert seen(None, None, None, {"until": times[2] - 1}) == times[:2]
    assert seen(None, None, 1, {"until": times[2] - 1}) == [times[1]]
    assert seen(None, times[3] + 1) == []


def test_until_reaches_behind_the_newest_page(desk: LaggingDesk) -> None:
    """Deals that were learned of after `until` may have been traded before it: all are looked at."""
    early = [buy(desk, amount=0.1) for _ in range(3)]
    desk.ex.fetch_my_trades()
    desk.advance(DAY_MS)
    for _ in range(4):
        for _ in range(130):
            buy(desk, amount=0.1)
        desk.ex.reconcile()
        desk.ex.reconcile()
        desk.advance(11 * MINUTE_MS)
    assert len(desk.oms.rows()["deals"]) == 523

    trades = desk.ex.fetch_my_trades(SPOT, None, 2, {"until": early[-1] + HOUR_MS})
    assert [trade["timestamp"] for trade in trades] == early[-2:]


def test_the_window_by_days_has_margins_on_both_sides(make_desk: MakeDesk) -> None:
    """Days of the database, of the time of insertion, in a zone that may be a day ahead or behind."""
    for offset in (14, -12):
        desk = make_desk(utc_offset_hours=offset)
        time = buy(desk)
        ex = desk.exchange()
        assert [trade["timestamp"] for trade in ex.fetch_my_trades(SPOT, time)] == [time]
        assert ex.fetch_my_trades(SPOT, time + 1) == []
        desk.oms.lists.clear()
        ex.fetch_my_trades(SPOT, time)
        (query,) = [query for name, query in desk.oms.lists if name == "deals"]
        assert query["start_date"] <= desk.oms._tables.date_text(time) <= query["end_date"]


# -- learning of trades


def test_deals_keep_the_ids_of_the_oms(desk: LaggingDesk) -> None:
    order = desk.ex.create_order(SPOT, "market", "buy", 1)

    (deal,) = desk.oms.rows()["deals"]
    (trade,) = desk.ex.fetch_my_trades()
    assert (trade["id"], trade["order"]) == (str(deal["id"]), order["id"])
    assert trade["info"]["exchange_trade_id"].startswith("t")


def test_fetch_my_trades_reconciles_first(desk: LaggingDesk) -> None:
    desk.ex.load_markets()
    buy(desk)
    endpoints(desk)

    assert len(desk.ex.fetch_my_trades(SPOT)) == 1
    assert endpoints(desk) == ["reconcile_account_status", "reconcile", "deals", "trades_raw"]
    assert len(desk.ex.fetch_my_trades(SPOT)) == 1
    assert endpoints(desk) == ["reconcile", "deals"]


def test_several_reconciles_until_nothing_is_new(make_desk: MakeDesk) -> None:
    """One reads 200 trades from where the last one ended."""
    desk = make_desk()
    desk.ex.reconcile()
    for _ in range(5):
        for _ in range(100):
            buy(desk, amount=0.1)
        desk.advance(11 * MINUTE_MS)

    assert len(desk.ex.fetch_my_trades(SPOT, 0)) == 500


def test_a_reconcile_that_brings_nothing_at_first(make_desk: MakeDesk) -> None:
    """The venue shows trades some moments after the order."""
    desk = make_desk(trades_in_order=False)
    hidden = iter((True, False))

    def changed(name: str, answer: Any) -> Any:
        return [] if name == "fetch_my_trades" and next(hidden, False) else answer

    desk.oms.change_venue_answers(changed)
    order = desk.ex.create_order(SPOT, "market", "buy", 1)

    assert (order["status"], order["filled"], len(order["trades"])) == ("closed", 1, 1)


def test_fills_that_the_gateway_never_learns_of_are_in_the_order_all_the_same(
    make_desk: MakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make_desk(trades_in_order=False)
    desk.oms.change_venue_answers(lambda name, answer: [] if name == "fetch_my_trades" else answer)
    with caplog.at_level(logging.WARNING):
        order = desk.ex.create_order(SPOT, "market", "buy", 1)

    assert (order["status"], order["filled"], order["average"], order["cost"]) == ("closed", 1, 101, 101)
    assert order["trades"] == []
    assert "lacks deals of order" in caplog.text


@pytest.mark.parametrize("age", [5 * MINUTE_MS, HOUR_MS, 20 * HOUR_MS, 5 * DAY_MS])
def test_fills_from_before_the_first_reconcile(make_desk: MakeDesk, age: int) -> None:
    """A gateway that has never reconciled looks ten minutes back, unless it is told to look farther."""
    desk = make_desk(utc_offset_hours=-5)
    order = desk.ex.create_order(SPOT, "limit", "sell", 1, 105)
    desk.price(SPOT, 105, 106)
    time = desk.oms.now_ms()
    desk.advance(age)

    for ex in (desk.ex, desk.exchange()):
        seen = ex.fetch_order(order["id"])
        assert [trade["timestamp"] for trade in seen["trades"]] == [time]


@pytest.mark.parametrize("age", [HOUR_MS, 20 * HOUR_MS, 5 * DAY_MS])
def test_trades_since_before_the_first_reconcile(make_desk: MakeDesk, age: int) -> None:
    desk = make_desk()
    time = buy(desk)
    desk.advance(age)

    assert [trade["timestamp"] for trade in desk.ex.fetch_my_trades(SPOT, time - 1)] == [time]
    endpoints(desk)
    desk.ex.fetch_my_trades(SPOT, time - 1)
    assert endpoints(desk).count("reconcile") == 1, "it is told once to look farther back"


def test_trades_of_a_venue_that_wants_a_symbol(make_desk: MakeDesk) -> None:
    desk = make_desk(symbol_required={"fetch_my_trades"})
    desk.ex.create_order(OTHER, "limit", "buy", 1, 9)
    buy(desk)
    buy(desk, OTHER)

    assert [trade["symbol"] for trade in desk.ex.fetch_my_trades(OTHER)] == [OTHER]
    assert {trade["symbol"] for trade in desk.ex.fetch_my_trades()} == {SPOT, OTHER}


def test_trades_of_many_markets_of_a_venue_that_wants_a_symbol(make_desk: MakeDesk) -> None:
    """A gateway asks such a venue for three markets at once."""
    desk = make_desk(symbol_required={"fetch_my_trades"})
    markets = [SPOT, OTHER, "SOL/USDT", "XRP/USDT", "LTC/USDT", "BNB/USDT", SWAP]
    for symbol in markets:
        desk.price(symbol, 100, 101)
        desk.ex.create_order(symbol, "limit", "buy", 1, 90)
    desk.advance(MINUTE_MS)
    for symbol in markets:
        desk.price(symbol, 89, 90)
    desk.advance(MINUTE_MS)

    assert {position["symbol"] for position in desk.exchange().fetch_positions()} == {*markets}
    assert {trade["symbol"] for trade in desk.ex.fetch_my_trades()} == {*markets}
    placed = desk.ex.create_orders(
        [{"symbol": symbol, "type": "market", "side": "buy", "amount": 1} for symbol in markets]
    )
    assert [len(order["trades"]) for order in placed] == [1] * len(markets)


def test_a_reconcile_that_fails_is_no_empty_list(desk: LaggingDesk) -> None:
    """The gateway says ok to everything: what it could not read would look like no trades."""
    desk.ex.load_markets()
    desk.oms.dispatcher_down = True

    with pytest.raises(ccxt.NetworkError):
        desk.ex.fetch_my_trades()
