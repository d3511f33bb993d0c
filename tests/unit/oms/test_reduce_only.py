"""Orders that only reduce: they never open anything, whatever way they come to trade."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms.models import FixedLatency, Models

SPOT = "BTC/USDT"
SWAP = "BTC/USDT:USDT"


def test_a_changed_order_that_crosses_reduces_no_more_than_there_is(desk: Any) -> None:
    desk.send("buy", 3, symbol=SWAP)
    order = desk.send("sell", 3, "120", symbol=SWAP, reduce_only=True)
    changed = desk.run("change_order", order_id=order["id"], new_qty="5", new_price="100")["order"]
    assert (changed["status"], changed["filled_qty"]) == ("CANCELED", "3")
    assert changed["reject_reason"] == "nothing_to_reduce"
    assert desk.positions() == []


def ended(desk: Any, order: dict[str, Any]) -> tuple[str, str | None]:
    """Status and reason of an order."""
    row = desk.order_row(order["id"])
    return row["status"], row["reject_reason"]


IDLE = ("CANCELED", "nothing_to_reduce")


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
@pytest.mark.parametrize("account", [1, 2, 3])
def test_the_end_of_a_position_ends_what_was_to_reduce_it(desk: Any, account: int, symbol: str) -> None:
    desk.send("buy", 2, symbol=symbol, account=account)
    kinds = ({"price": "120"}, {"price": "130"}, {"stop_price": "80"}, {"trailing_amount": "30"})
    waiting = [
        desk.send("sell", "0.5", symbol=symbol, account=account, reduce_only=True, **kind) for kind in kinds
    ]
    other = desk.send("sell", "1", "140", symbol=symbol, account=account)
    desk.run("close_position", account, position_id=1)
    assert [ended(desk, order) for order in waiting] == [IDLE] * 4
    assert ended(desk, other) == ("SUBMITTED", None)
    told = [event for event in desk.events if event.name == "order_canceled"]
    assert [event.payload["order_id"] for event in told] == [order["id"] for order in waiting]
    desk.run("cancel_order", account, order_id=other["id"])
    assert desk.balance("USDT", account)[1] == desk.balance("BTC", account)[1] == 0
    desk.price(symbol, "200", "201")
    desk.send("buy", 2, symbol=symbol, account=account)
    desk.price(symbol, "201", "202")
    assert [row["qty"] for row in desk.positions(account)] == ["2"]


def test_what_has_ended_with_its_position_is_cancelled_in_peace(desk: Any) -> None:
    """Programs close first and cancel the stop then: on most exchanges it waits until somebody does."""
    named = desk.send("buy", 2, symbol=SWAP, account=2)["position_id"]
    stops = [
        desk.send("sell", 1, symbol=SWAP, account=2, reduce_only=True, stop_price="80", **more)
        for more in ({}, {"position_id": named})
    ]
    desk.run("close_position", 2, position_id=named)
    for stop, reason in zip(stops, ("nothing_to_reduce", "position_closed"), strict=True):
        desk.events.clear()
        row = desk.run("cancel_order", 2, order_id=stop["id"])["order"]
        assert row == desk.order_row(stop["id"])
        assert (row["status"], row["reject_reason"]) == ("CANCELED", reason)
        assert desk.events == []
        desk.refuse("order_not_found", "cancel_order", 2, order_id=stop["id"], strategy_id=2)
    other = desk.send("buy", 1, "90", symbol=SWAP, account=2)["id"]
    for more, none in (([], []), ([other], []), ([other], [other])):
        ids = [stop["id"] for stop in stops]
        result = desk.run("cancel_order", 2, order_ids=[*ids, *more])
        told = {
            "canceled_order_ids": [each for each in more if each not in none] + ids,
            "skipped_order_ids": none,
        }
        assert result["result"] == told
        assert [row["id"] for row in result["orders"]] == told["canceled_order_ids"]


def test_who_has_cancelled_an_order_himself_is_told_so(desk: Any) -> None:
    desk.send("buy", 2, symbol=SWAP)
    stop = desk.send("sell", 1, symbol=SWAP, reduce_only=True, stop_price="80")
    desk.run("cancel_order", order_id=stop["id"])
    desk.refuse("invalid_order_state", "cancel_order", order_id=stop["id"])
    desk.run("close_position", position_id=1)
    desk.refuse("exchange_error", "send_order", **desk.order("sell", 1, symbol=SWAP, reduce_only=True))
    rejected = desk.events[-1].payload
    assert (rejected["status"], rejected["reject_reason"]) == ("REJECTED", "nothing_to_reduce")
    desk.refuse("invalid_order_state", "cancel_order", order_id=rejected["id"])


def test_one_that_fills_ends_the_next_at_the_same_step(desk: Any) -> None:
    desk.send("buy", 2, symbol=SWAP)
    first, second = (desk.send("sell", 2, price, symbol=SWAP, reduce_only=True) for price in ("110", "111"))
    desk.price(SWAP, "115", "116")
    assert (ended(desk, first), ended(desk, second)) == (("FILLED", None), IDLE)
    assert desk.deals()[-1]["price"] == "110"


def test_a_position_that_turns_ends_what_was_to_reduce_it(desk: Any) -> None:
    desk.send("buy", 1, symbol=SWAP)
    order = desk.send("sell", 1, "120", symbol=SWAP, reduce_only=True)
    desk.send("sell", 3, symbol=SWAP)
    assert [(row["side"], row["qty"]) for row in desk.positions()] == [("sell", "2")]
    assert ended(desk, order) == IDLE


def test_what_reduces_less_than_it_is_goes_on(desk: Any) -> None:
    desk.send("buy", 2, symbol=SWAP)
    order = desk.send("sell", 2, "120", symbol=SWAP, reduce_only=True)
    desk.send("sell", 1, symbol=SWAP)
    assert ended(desk, order) == ("SUBMITTED", None)


def test_a_stop_and_a_liquidation_end_what_was_to_reduce(desk: Any) -> None:
    desk.send("buy", 1, symbol=SWAP, oms_stop_loss="95")
    order = desk.send("sell", 1, "120", symbol=SWAP, reduce_only=True)
    desk.price(SWAP, "94", "95", last="94")
    assert (desk.positions(), ended(desk, order)) == ([], IDLE)
    desk.venue("set_margin_mode", "isolated", SWAP)
    desk.send("buy", 1, symbol=SWAP)
    order = desk.send("sell", 1, "120", symbol=SWAP, reduce_only=True)
    desk.price(SWAP, "80", "81", last="80")
    assert (desk.positions(), ended(desk, order)) == ([], ("CANCELED", "liquidation"))


def test_a_hedged_order_ends_with_the_last_position_that_it_could_reduce(desk: Any) -> None:
    for _ in range(2):
        desk.send("buy", 1, symbol=SWAP, account=2)
    desk.send("sell", 1, symbol=SWAP, account=2)
    unnamed = desk.send("sell", 1, "120", symbol=SWAP, account=2, reduce_only=True)
    named = desk.send("sell", 1, "120", symbol=SWAP, account=2, reduce_only=True, position_id=2)
    desk.run("close_by", 2, position_id_a=1, position_id_b=3)
    assert ended(desk, unnamed) == ended(desk, named) == ("SUBMITTED", None)
    desk.run("close_position", 2, position_id=2)
    assert (ended(desk, named), ended(desk, unnamed)) == (("CANCELED", "position_closed"), IDLE)


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
def test_what_was_to_close_a_hedged_position_by_name_opens_no_other(desk: Any, symbol: str) -> None:
    desk.send("buy", 2, symbol=symbol, account=2, oms_stop_loss="90")
    resting = desk.send("sell", 2, "120", symbol=symbol, account=2, position_id=1)
    waiting = desk.send("sell", 1, symbol=symbol, account=2, position_id=1, trigger_price="115")
    adding = desk.send("buy", 1, "70", symbol=symbol, account=2, position_id=1)
    apart = desk.send("sell", 1, "130", symbol=symbol, account=2)
    desk.price(symbol, "89", "90")
    closed = ("CANCELED", "position_closed")
    assert (ended(desk, resting), ended(desk, waiting)) == (closed, closed)
    assert ended(desk, adding) == ended(desk, apart) == ("SUBMITTED", None)
    desk.price(symbol, "125", "126")
    assert desk.positions(2) == []


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
def test_a_taker_gets_nothing_of_an_order_that_ends_with_the_position_before_it(
    desk: Any, symbol: str
) -> None:
    desk.send("buy", 2, symbol=symbol, account=2)
    first, second = (
        desk.send("sell", 2, price, symbol=symbol, account=2, position_id=1) for price in ("104", "105")
    )
    desk.price(symbol, "100", "110")
    assert desk.venue("fetch_order_book", symbol)["asks"][:2] == [[104.0, 2.0], [105.0, 2.0]]
    killed = desk.send("buy", 3, "105", symbol=symbol, time_in_force="FOK")
    assert ended(desk, killed) == ("CANCELED", "fill_or_kill")
    desk.send("buy", 3, symbol=symbol)
    assert [(deal["qty"], deal["price"]) for deal in desk.deals()] == [("2", "104"), ("1", "110")]
    assert ended(desk, first) == ("FILLED", None)
    assert ended(desk, second) == ("CANCELED", "position_closed")
    assert desk.positions(2) == []


@pytest.mark.parametrize("account", [1, 3])
def test_what_nets_is_for_no_position(desk: Any, account: int) -> None:
    desk.send("buy", 2, symbol=SWAP, account=account)
    order = desk.send("sell", 2, "120", symbol=SWAP, account=account, position_id=1)
    desk.price(SWAP, "121", "122", size="1")
    desk.run("close_position", account, position_id=1)
    assert ended(desk, order) == ("PARTIALLY_FILLED", None)


def test_each_strategy_has_its_own_to_reduce(desk: Any) -> None:
    for strategy in (1, 2):
        desk.send("buy", 1, symbol=SWAP, account=3, strategy_id=strategy)
    first, second = (
        desk.send("sell", 1, "120", symbol=SWAP, account=3, reduce_only=True, strategy_id=strategy)
        for strategy in (1, 2)
    )
    desk.send("sell", 1, symbol=SWAP, account=3, strategy_id=1)
    assert (ended(desk, first), ended(desk, second)) == (IDLE, ("SUBMITTED", None))


def test_a_merge_takes_what_another_strategy_was_to_reduce(desk: Any) -> None:
    for strategy in (1, 2):
        desk.send("buy", 1, symbol=SWAP, account=2, strategy_id=strategy)
    order = desk.send("sell", 1, "120", symbol=SWAP, account=2, reduce_only=True, strategy_id=1)
    desk.run("merge_positions", 2, source_position_id=1, target_position_id=2)
    assert ended(desk, order) == IDLE


def test_reassigning_leaves_nothing_to_reduce(desk: Any) -> None:
    bought = desk.send("buy", 1, symbol=SWAP, account=3, strategy_id=1)
    left = desk.send("sell", 1, "120", symbol=SWAP, account=3, reduce_only=True, strategy_id=1)
    moved = desk.send("sell", 1, "130", symbol=SWAP, account=3, reduce_only=True, strategy_id=1)
    desk.call("reassign", {"order_ids": [moved["id"], bought["id"]], "strategy_id": 2})
    assert (ended(desk, left), ended(desk, moved)) == (IDLE, ("SUBMITTED", None))


def test_one_that_is_on_its_way_ends_with_its_position(make_desk: Any) -> None:
    desk = make_desk(models=Models(latency=FixedLatency(50)))
    desk.send("buy", 1, symbol=SWAP)
    desk.oms.advance(50)
    desk.run("close_position", position_id=1)
    desk.oms.advance(10)
    order = desk.send("sell", 1, "120", symbol=SWAP, reduce_only=True)
    desk.oms.advance(40)
    assert (desk.positions(), ended(desk, order)) == ([], IDLE)
    desk.oms.advance(50)
    assert ended(desk, order) == IDLE


def test_a_file_of_an_earlier_version_has_none_left(tmp_path: Path, make_desk: Any) -> None:
    db = str(tmp_path / "oms.sqlite")
    desk = make_desk(db=db)
    desk.send("buy", 1, symbol=SWAP)
    order = desk.send("sell", 1, "120", symbol=SWAP, reduce_only=True)
    desk.send("buy", 1, "90", symbol=SWAP)
    desk.oms.close()
    with closing(sqlite3.connect(db)) as file, file:
        file.execute("UPDATE positions SET state = 'closed', qty = '0'")
    desk = make_desk(db=db)
    assert ended(desk, order) == IDLE
    assert len(desk.open_orders()) == 1


def two_longs_and_two_levels(desk: Any) -> None:
    """Two hedged positions of 1 each, and bids of 1 at 100 and 5 at 99."""
    desk.send("buy", 1, symbol=SWAP, account=2)
    desk.send("buy", 1, symbol=SWAP, account=2)
    desk.price(SWAP, "100", "101", size="1")
    desk.send("buy", 5, "99", symbol=SWAP)


def test_a_hedged_order_goes_on_to_the_next_position_at_the_next_level(desk: Any) -> None:
    two_longs_and_two_levels(desk)
    order = desk.send("sell", 2, symbol=SWAP, account=2, reduce_only=True)
    assert (order["status"], order["avg_fill_price"]) == ("FILLED", "99.5")
    assert desk.positions(2) == []
    assert [deal["position_id"] for deal in desk.deals(2)] == [1, 2, 1, 2]
    assert order["position_id"] == 2


def test_a_hedged_order_that_rests_goes_on_to_the_next_position(desk: Any) -> None:
    desk.send("buy", 1, symbol=SWAP, account=2)
    desk.send("buy", 1, symbol=SWAP, account=2)
    order = desk.send("sell", 2, "105", symbol=SWAP, account=2, reduce_only=True)
    desk.price(SWAP, "105", "106", size="1")
    assert desk.order_row(order["id"])["status"] == "PARTIALLY_FILLED"
    desk.price(SWAP, "105", "106", size="1")
    assert desk.order_row(order["id"])["status"] == "FILLED"
    assert desk.positions(2) == []


def test_a_stop_that_walks_the_book_does_not_bring_the_market_to_a_halt(desk: Any) -> None:
    desk.send("buy", 1, symbol=SWAP, account=2)
    desk.send("buy", 1, symbol=SWAP, account=2)
    stop = desk.send("sell", 2, symbol=SWAP, account=2, reduce_only=True, stop_price="95")
    desk.send("buy", 5, "90", symbol=SWAP)
    desk.price(SWAP, "95", "96", last="95", size="1")
    assert desk.order_row(stop["id"])["status"] == "FILLED"
    assert desk.positions(2) == []


def test_an_order_whose_trigger_was_rejected_leaves_the_position_to_the_next(desk: Any) -> None:
    desk.send("buy", 1, symbol=SWAP)
    first = desk.send("sell", 1, "99", symbol=SWAP, trigger_price="110", post_only=True)
    second = desk.send("sell", 1, "120", symbol=SWAP)
    held = desk.oms._core.state.orders[second["id"]]
    assert held.reserved > 0
    desk.price(SWAP, "110", "111", last="110")
    assert desk.order_row(first["id"])["status"] == "REJECTED"
    assert held.reserved == Decimal(0)


def test_a_hedged_order_that_opens_holds_its_margin_beside_one_that_reduces(desk: Any) -> None:
    desk.send("buy", 2, symbol=SWAP, account=2)
    desk.send("sell", 1, "120", symbol=SWAP, account=2, reduce_only=True)
    opens = desk.send("sell", 1, "130", symbol=SWAP, account=2)
    held = desk.oms._core.state.orders[opens["id"]]
    before = held.reserved
    desk.send("buy", 1, symbol=SWAP, account=2)  # after which all orders hold back anew
    # 130 by leverage 10, and the taker's fee.
    assert held.reserved == before == Decimal("13.065")


def test_makers_that_share_a_position_offer_it_once(desk: Any) -> None:
    desk.price(SWAP, "100", "122", size="10")
    desk.send("buy", 1, symbol=SWAP)
    for price in ("120", "121"):
        desk.send("sell", 1, price, symbol=SWAP, reduce_only=True)
    killed = desk.send("buy", 2, "121", symbol=SWAP, account=2, time_in_force="FOK")
    assert (killed["filled_qty"], killed["reject_reason"]) == ("0", "fill_or_kill")
    bought = desk.send("buy", 2, "125", symbol=SWAP, account=2)
    assert (bought["status"], bought["avg_fill_price"]) == ("FILLED", "121")  # at 120, and of the feed at 122


def test_makers_of_one_hedged_position_offer_it_once_though_one_does_not_name_it(desk: Any) -> None:
    desk.price(SWAP, "100", "122", size="10")
    desk.send("buy", 2, symbol=SWAP, account=2)
    desk.send("sell", 2, "120", symbol=SWAP, account=2, reduce_only=True, position_id=1)
    desk.send("sell", 2, "120", symbol=SWAP, account=2, reduce_only=True)
    killed = desk.send("buy", 4, "121", symbol=SWAP, time_in_force="FOK")
    assert (killed["filled_qty"], killed["reject_reason"]) == ("0", "fill_or_kill")
    bought = desk.send("buy", 4, symbol=SWAP)
    assert (bought["status"], bought["avg_fill_price"]) == ("FILLED", "121")  # 2 at 120, 2 of the feed at 122


def test_fill_or_kill_whose_position_has_shrunk_closes_all_of_it(desk: Any) -> None:
    desk.send("buy", 2, symbol=SWAP)
    stop = desk.send("sell", 2, "90", symbol=SWAP, reduce_only=True, time_in_force="FOK", stop_price="95")
    desk.send("sell", 1, symbol=SWAP)
    desk.price(SWAP, "94", "95")
    row = desk.order_row(stop["id"])
    assert (row["status"], row["qty"], row["filled_qty"]) == ("FILLED", "1", "1")
    assert desk.positions() == []
