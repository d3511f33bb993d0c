"""Nothing is traded that the account cannot pay for, whatever way it comes to trade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ccxt_driver.contract.commands import Side
from ccxt_driver.oms import DEFAULT_MARKETS

SPOT = "BTC/USDT"
SWAP = "BTC/USDT:USDT"
POOR = [
    {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "100"}},
    {"account_id": 2, "position_mode": "hedge", "balances": {"USDT": "100000", "BTC": "100"}},
]


def free(desk: Any, currency: str = "USDT", account: int = 1) -> Decimal:
    """What is free, below zero too."""
    core = desk.oms._core
    return Decimal(core.free(core.state.accounts[account], currency, desk.oms.now_ms()))


def test_a_limit_that_sells_far_above_its_price_needs_the_margin_of_what_it_gets(
    make_desk: Callable[..., Any],
) -> None:
    desk = make_desk(accounts=POOR)
    error = desk.refuse("insufficient_funds", "send_order", **desk.order("sell", 100, "1", symbol=SWAP))
    # 100 at 100 by leverage 10, and the taker's fee.
    assert error["details"]["required"] == "1005"
    assert desk.positions() == []
    desk.send("sell", 9, "1", symbol=SWAP)
    assert free(desk) > 0


def test_part_of_it_above_its_price_and_the_rest_at_it(make_desk: Callable[..., Any]) -> None:
    desk = make_desk(accounts=POOR)
    desk.price(SWAP, "100", "101", last="100", size="4")
    order = desk.send("sell", 9, "50", symbol=SWAP)
    assert order["filled_qty"] == "4"
    used = desk.balance("USDT")[1]
    # 4 at 100 and 5 at 50 by leverage 10, and the fee on the rest.
    assert Decimal(65) < used < Decimal("65.2")
    assert free(desk) > 0


def test_a_change_that_crosses_needs_the_margin_of_what_it_gets(make_desk: Callable[..., Any]) -> None:
    desk = make_desk(accounts=POOR)
    order = desk.send("sell", 9, "105", symbol=SWAP)
    desk.refuse("insufficient_funds", "change_order", order_id=order["id"], new_qty="20", new_price="1")
    assert (desk.order_row(order["id"])["price"], desk.order_row(order["id"])["qty"]) == ("105", "9")
    assert desk.positions() == []


def test_a_refused_change_of_a_post_only_order_leaves_it_at_its_price(desk: Any) -> None:
    order = desk.send("buy", 1, "90", post_only=True)
    desk.send("buy", 1, "95", account=2)
    desk.refuse("exchange_error", "change_order", order_id=order["id"], new_price="101")
    book = desk.oms._core.state.symbols[SPOT].resting
    assert [(row.id, str(row.price)) for row in book.orders(Side.BUY)] == [(2, "95"), (1, "90")]


def test_a_stop_buys_back_no_more_than_can_be_paid_for(make_desk: Callable[..., Any]) -> None:
    desk = make_desk(accounts=[{**POOR[0], "balances": {"USDT": "1000", "BTC": "10"}}, POOR[1]])
    desk.send("sell", 10)
    [position] = desk.positions()
    desk.run("position_change", position_id=position["id"], oms_stop_loss="110")
    desk.send("sell", 50, "900", account=2)
    desk.price(SPOT, "109", "110", last="110", size="1")
    assert Decimal(0) <= free(desk) < Decimal("0.91")
    [position] = desk.positions()
    assert Decimal(position["qty"]) == 10 - 1 - Decimal(desk.deals()[-1]["qty"])
    assert position["state"] == "open"


def test_a_stop_is_not_held_up_by_an_order_of_its_own_account(desk: Any) -> None:
    desk.send("buy", 1, symbol=SWAP)
    [position] = desk.positions()
    desk.run("position_change", position_id=position["id"], oms_stop_loss="95")
    own = desk.send("buy", 1, "94", symbol=SWAP)
    desk.price(SWAP, "93", "96", last="95")
    assert desk.positions() == []
    assert desk.deals()[-1]["price"] == "93"
    assert desk.order_row(own["id"])["status"] == "SUBMITTED"


def test_a_trigger_that_fires_at_once_and_is_rejected_says_so(desk: Any) -> None:
    payload = desk.order("buy", 1, "105", stop_price="90", post_only=True, client_order_id="once")
    for _ in range(2):
        error = desk.refuse("exchange_error", "send_order", **payload)
        assert error["details"]["ccxt_error"] == "OrderImmediatelyFillable"


def test_an_order_holds_back_a_maker_fee_that_is_higher_than_the_takers(
    make_desk: Callable[..., Any],
) -> None:
    dear = [replace(market, maker=Decimal("0.01")) for market in DEFAULT_MARKETS]
    desk = make_desk(accounts=POOR, markets=dear)
    error = desk.refuse("insufficient_funds", "send_order", **desk.order("buy", 1, "99.9"))
    assert error["details"]["required"] == "100.899"
    desk.send("buy", "0.9", "99.9")
    desk.price(SPOT, "90", "91")
    assert [deal["maker"] for deal in desk.deals()] == [True]
    assert free(desk) == Decimal(100) - Decimal("0.9") * Decimal("99.9") * Decimal("1.01")
    order = desk.send("buy", 1, "90", symbol=SWAP, account=2)
    # 90 by leverage 10, and the maker's fee.
    assert desk.oms._core.state.orders[order["id"]].reserved == Decimal("9.9")
