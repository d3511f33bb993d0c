"""Orders that only reduce: they never open anything, whatever way they come to trade."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

SWAP = "BTC/USDT:USDT"


def test_a_changed_order_that_crosses_reduces_no_more_than_there_is(desk: Any) -> None:
    desk.send("buy", 3, symbol=SWAP)
    order = desk.send("sell", 3, "120", symbol=SWAP, reduce_only=True)
    changed = desk.run("change_order", order_id=order["id"], new_qty="5", new_price="100")["order"]
    assert (changed["status"], changed["filled_qty"]) == ("CANCELED", "3")
    assert changed["reject_reason"] == "nothing_to_reduce"
    assert desk.positions() == []


def test_a_changed_order_with_nothing_left_to_reduce_trades_nothing(desk: Any) -> None:
    desk.send("buy", 1, symbol=SWAP)
    order = desk.send("sell", 1, "120", symbol=SWAP, reduce_only=True)
    desk.send("sell", 1, symbol=SWAP)
    changed = desk.run("change_order", order_id=order["id"], new_price="90")["order"]
    assert (changed["status"], changed["filled_qty"]) == ("SUBMITTED", "0")
    assert desk.positions() == []


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


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_an_order_that_has_nothing_to_reduce_is_not_looked_at_again_and_again(
    desk: Any, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    symbol = "ETH/USDT:USDT"
    price = desk.oms._core.quote(symbol, desk.oms.now_ms()).ask
    desk.send("buy", "0.1", symbol=symbol, account=mode)
    desk.send("sell", "0.1", price + 1, symbol=symbol, account=mode, reduce_only=True)
    desk.run("close_position", mode, position_id=1)
    assert len(desk.open_orders(mode)) == 1
    asked: list[str] = []
    find = desk.oms._core.market.first_move

    def first_move(name: str, *rest: Any) -> Any:
        asked.append(name)
        return find(name, *rest)

    monkeypatch.setattr(desk.oms._core.market, "first_move", first_move)
    desk.oms.advance(3_600_000)
    assert asked == [symbol]


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
