"""What orders on a swap hold back when others come and go: right, and without looking at all of them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import DEFAULT_MARKETS, reserving

from .conftest import Desk

SWAP = "BTC/USDT:USDT"


def counted(desk: Any, account: int = 1) -> dict[int, Decimal]:
    found = desk.oms._core.state.accounts[account].reducing_on.get(SWAP, {})
    return dict(found)


def reserved(desk: Any, order: dict[str, Any]) -> Decimal:
    value = desk.oms._core.state.orders[order["id"]].reserved
    assert isinstance(value, Decimal)
    return value


def test_orders_that_nothing_has_happened_to_are_not_looked_at(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(20):
        desk.send("buy", "0.1", str(50 + place), symbol=SWAP)
        desk.send("sell", "0.1", str(150 + place), symbol=SWAP)
    asked: list[int] = []
    requirement = reserving.requirement

    def seen(market: Any, account: Any, order: Any, *rest: Any) -> Any:
        asked.append(order.id)
        return requirement(market, account, order, *rest)

    monkeypatch.setattr(reserving, "requirement", seen)
    bought = desk.send("buy", "0.3", symbol=SWAP)
    assert asked == [2, 4, 6], "the first three sells now reduce, the others are as they were"
    asked.clear()
    desk.send("sell", "0.3", symbol=SWAP)
    assert asked == [2, 4, 6]
    assert bought["status"] == "FILLED"
    assert counted(desk) == {}


def test_an_order_that_reduces_a_part_holds_back_the_rest(desk: Any) -> None:
    desk.send("buy", 2, symbol=SWAP)
    first = desk.send("sell", "1.5", "120", symbol=SWAP)
    second = desk.send("sell", "1.5", "120", symbol=SWAP)
    assert counted(desk) == {first["id"]: Decimal("1.5"), second["id"]: Decimal("0.5")}
    assert [reserved(desk, each) for each in (first, second)] == [Decimal(0), Decimal("12.06")]
    desk.run("cancel_order", order_id=first["id"])
    assert counted(desk) == {second["id"]: Decimal("1.5")}
    assert reserved(desk, second) == 0


def test_an_order_that_ends_before_it_is_open_is_not_remembered(desk: Any) -> None:
    desk.price(SWAP, "100", "101", size="1")
    desk.send("buy", 1, symbol=SWAP)
    desk.send("buy", 3, "99", symbol=SWAP)
    desk.price(SWAP, "100", "101", size="0.4")
    ended = desk.send("sell", "0.9", "100", symbol=SWAP, time_in_force="IOC")
    assert (ended["status"], ended["filled_qty"]) == ("CANCELED", "0.4")
    assert counted(desk) == {}


def test_after_a_restart_reservations_are_made_anew(desk: Any) -> None:
    desk.send("buy", 2, symbol=SWAP)
    order = desk.send("sell", 3, "120", symbol=SWAP)
    before = reserved(desk, order)
    core = desk.oms._core
    core.rollback(core.begin(desk.oms.now_ms()))
    assert reserved(desk, order) == before
    assert counted(desk) == {order["id"]: 0}, "not known until something changes"
    desk.send("sell", 1, symbol=SWAP)
    assert counted(desk) == {order["id"]: 1}
    assert reserved(desk, order) == Decimal(24) + Decimal("0.12")


@pytest.mark.parametrize("account", [1, 2, 3])
@pytest.mark.parametrize("opened", [None, "buy", "sell"])
@pytest.mark.parametrize("more", [{}, {"post_only": True}, {"strategy_id": 1}])
def test_an_order_that_rests_holds_back_what_it_needs_by_itself(
    desk: Any, account: int, opened: str | None, more: dict[str, Any]
) -> None:
    """What was found when it was examined is not found again: it has to be the same."""
    if opened is not None:
        desk.send(opened, "1.7", symbol=SWAP, account=account)
    for symbol in (SWAP, "BTC/USDT"):
        for side, price in (("buy", "33.3"), ("sell", "333.3"), ("buy", "99.9"), ("sell", "101.1")):
            desk.send(side, "0.7", price, symbol=symbol, account=account, **more)
    core = desk.oms._core
    state, now = core.state.accounts[account], desk.oms.now_ms()
    before = {each.id: (each.reserved, each.reserved_currency) for each in state.orders.values()}
    reducing = {symbol: {**counted} for symbol, counted in state.reducing_on.items() if counted}
    with core.transaction(now) as tx:
        for order in state.orders.values():
            reserving.reserve(core.state, tx, state, order)

    assert len(before) == 8
    assert before == {each.id: (each.reserved, each.reserved_currency) for each in state.orders.values()}
    assert reducing == {symbol: {**counted} for symbol, counted in state.reducing_on.items() if counted}


def test_orders_of_a_file_hold_back_the_fees_that_it_is_opened_with(tmp_path: Path) -> None:
    def opened(fee: str) -> Desk:
        markets = [replace(market, maker=Decimal(fee), taker=Decimal(fee)) for market in DEFAULT_MARKETS]
        accounts = [{"account_id": 1, "balances": {"USDT": "242.4"}}]
        return Desk(accounts=accounts, clock="manual", db=tmp_path / "oms.sqlite", markets=markets)

    desk = opened("0.001")
    orders = [desk.send("buy", 1, price) for price in ("70", "80", "90")]
    desk.oms.close()

    desk = opened("0.01")
    [last] = desk.oms.handle("orders_by_id", {"ids": str(orders[2]["id"])}, {}, None).body["items"]
    assert last["status"] == "SUBMITTED", "as much as there is"
    assert [reserved(desk, order) for order in orders] == [Decimal("70.7"), Decimal("80.8"), Decimal("90.9")]
    desk.oms.close()

    desk = opened("0.02")
    [last] = desk.oms.handle("orders_by_id", {"ids": str(orders[2]["id"])}, {}, None).body["items"]
    assert (last["status"], last["reject_reason"]) == ("CANCELED", "insufficient_funds")
    assert [reserved(desk, order) for order in orders[:2]] == [Decimal("71.4"), Decimal("81.6")]
    desk.oms.set_price("BTC/USDT", bid=50, ask=51)
    assert desk.oms._core.state.accounts[1].totals["USDT"] == Decimal("89.4")
    desk.oms.close()
