"""C: changing and cancelling orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.helpers.contract_card import card
from tests.helpers.contract_desk import HEDGE, NETTING, OTHER, SPOT, SWAP, Desk


def resting(desk: Desk, amount: float = 1, price: float = 90, **params: Any) -> dict[str, Any]:
    """A limit buy that rests."""
    order = desk.ex.create_order(SPOT, "limit", "buy", amount, price, params)
    assert order["status"] == "open"
    return dict(order)


def statuses(desk: Desk) -> list[str]:
    """Of every order of the account, by age."""
    return [order["status"] for order in desk.ex.fetch_orders()]


# -- editing


@card
def c01_edit_price(desk: Desk) -> None:
    """A new price alone: the id stays, the amount stays, the reservation follows."""
    order = resting(desk)
    edited = desk.ex.edit_order(order["id"], SPOT, "limit", "buy", None, 80)
    assert (edited["id"], edited["price"], edited["amount"], edited["status"]) == (order["id"], 80, 1, "open")
    assert edited["clientOrderId"] == order["clientOrderId"]
    assert desk.money("USDT")[1] == Decimal("80.08")
    assert desk.ex.fetch_open_orders() == [edited]


@card
def c02_edit_amount(desk: Desk) -> None:
    """A new amount alone, and both together; the amount is the total, filled included."""
    order = desk.ex.create_order(SPOT, "limit", "sell", 3, 105)
    desk.price(SPOT, 105, 106, size=1)
    edited = desk.ex.edit_order(order["id"], SPOT, "limit", "sell", 2)
    assert (edited["amount"], edited["filled"], edited["remaining"], edited["price"]) == (2, 1, 1, 105)
    assert [trade["amount"] for trade in edited["trades"]] == [1]
    assert desk.money("BTC") == (8, 1, 9)
    both = desk.ex.edit_order(order["id"], SPOT, "limit", "sell", "4", "110")
    assert (both["amount"], both["remaining"], both["price"]) == (4, 3, 110)
    assert desk.money("BTC") == (6, 3, 9)


@card
def c03_edit_into_the_market(desk: Desk) -> None:
    """An order that is edited across the market fills at the market's price."""
    order = resting(desk)
    edited = desk.ex.edit_order(order["id"], SPOT, "limit", "buy", None, 120)
    assert (edited["status"], edited["average"], edited["id"]) == ("closed", 101, order["id"])
    assert desk.money("USDT")[1] == 0


@card
def c04_edit_keeps_type_and_side(desk: Desk) -> None:
    """A change of type or side is refused unsent; an object that never saw the order knows it too."""
    order = resting(desk)
    for ex in (desk.ex, desk.exchange()):
        with desk.unsent(ccxt.InvalidOrder, "side"):
            ex.edit_order(order["id"], SPOT, "limit", "sell", 1, 90)
        with desk.unsent(ccxt.InvalidOrder, "type"):
            ex.edit_order(order["id"], SPOT, "market", "buy", 1)


@card
def c05_edit_nothing(desk: Desk) -> None:
    """An edit without a price or an amount, or with bad ones, is refused unsent."""
    order = resting(desk)
    table: list[tuple[type[ccxt.BaseError], str, tuple[Any, ...]]] = [
        (ccxt.ArgumentsRequired, "amount or a price", (order["id"], SPOT, "limit", "buy")),
        (ccxt.InvalidOrder, "price", (order["id"], SPOT, "limit", "buy", None, -1)),
        (ccxt.InvalidOrder, "amount", (order["id"], SPOT, "limit", "buy", 0)),
        (ccxt.BadSymbol, "NO/SUCH", (order["id"], "NO/SUCH", "limit", "buy", 1)),
        (ccxt.ArgumentsRequired, "id", ("", SPOT, "limit", "buy", 1)),
        (ccxt.OrderNotFound, "digits", ("P1", SPOT, "limit", "buy", 1)),
    ]
    for kind, says, arguments in table:
        with desk.unsent(kind, says):
            desk.ex.edit_order(*arguments)


@card
def c06_edit_what_cannot_be(desk: Desk) -> None:
    """Unknown, ended, too small, too dear: each refused by its class, and nothing changes."""
    done = desk.ex.create_order(SPOT, "market", "buy", 1)
    order = resting(desk)
    partly = desk.ex.create_order(SPOT, "limit", "sell", 3, 105)
    desk.price(SPOT, 105, 106, size=1)
    table: list[tuple[type[ccxt.BaseError], str, tuple[Any, ...]]] = [
        (ccxt.OrderNotFound, "999", ("999", SPOT, "limit", "buy", 1, 80)),
        (ccxt.InvalidOrder, "FILLED", (done["id"], SPOT, "market", "buy", 2)),
        (ccxt.InvalidOrder, "filled", (partly["id"], SPOT, "limit", "sell", 1)),
        (ccxt.InsufficientFunds, "USDT", (order["id"], SPOT, "limit", "buy", 5000, 90)),
    ]
    for kind, says, arguments in table:
        with desk.refused(kind, says):
            desk.ex.edit_order(*arguments)


@card
def c07_edit_by_client_order_id(desk: Desk) -> None:
    """editOrderWithClientOrderId, and the id with params: one order, one result."""
    order = resting(desk, clientOrderId="mine")
    edited = desk.ex.edit_order_with_client_order_id("mine", SPOT, "limit", "buy", 1, 89)
    assert (edited["id"], edited["price"]) == (order["id"], 89)
    again = desk.ex.edit_order("", SPOT, "limit", "buy", 1, 88, {"clientOrderId": "mine"})
    assert (again["id"], again["price"]) == (order["id"], 88)
    assert desk.ex.edit_limit_order(order["id"], SPOT, "buy", 1, 87)["price"] == 87
    assert desk.ex.edit_limit_buy_order(order["id"], SPOT, 1, 86)["price"] == 86


@card
def c08_edit_orders(desk: Desk) -> None:
    """Several edits in order; the first failure is raised and carries what was changed before it."""
    first, second = resting(desk), resting(desk, 2)
    edits = [
        {"id": first["id"], "symbol": SPOT, "type": "limit", "side": "buy", "amount": 1, "price": 80},
        {"id": second["id"], "symbol": SPOT, "type": "limit", "side": "buy", "amount": 3},
    ]
    assert [order["id"] for order in desk.ex.edit_orders(edits)] == [first["id"], second["id"]]
    assert [(order["price"], order["amount"]) for order in desk.ex.fetch_open_orders()] == [(80, 1), (90, 3)]
    with pytest.raises(ccxt.OrderNotFound) as info:
        desk.ex.edit_orders([{**edits[0], "price": 70}, {**edits[1], "id": "999"}])
    assert [order["price"] for order in info.value.results] == [70]


@card
def c09_edit_a_trigger_order(desk: Desk) -> None:
    """The limit price of an order that waits can be changed; it goes on waiting."""
    order = desk.ex.create_stop_limit_order(SPOT, "sell", 1, 94, 95)
    edited = desk.ex.edit_order(order["id"], SPOT, "limit", "sell", 2, 93)
    assert (edited["status"], edited["price"], edited["amount"], edited["triggerPrice"]) == (
        "open",
        93,
        2,
        95,
    )
    assert desk.money("BTC")[1] == 2


# -- cancelling


@card
def c20_cancel(desk: Desk) -> None:
    """A cancelled order comes back complete, frees its money at once, and is listed as canceled."""
    order = resting(desk)
    canceled = desk.ex.cancel_order(order["id"], SPOT)
    assert (canceled["id"], canceled["status"], canceled["filled"], canceled["remaining"]) == (
        order["id"],
        "canceled",
        0,
        1,
    )
    assert desk.money("USDT") == (100000, 0, 100000)
    assert desk.ex.fetch_open_orders() == []
    assert desk.ex.fetch_canceled_orders() == [canceled]


@card
def c21_cancel_twice(desk: Desk) -> None:
    """A second cancel, or that of a filled order, is InvalidOrder and names the state."""
    order = resting(desk)
    desk.ex.cancel_order(order["id"])
    with desk.refused(ccxt.InvalidOrder, "CANCELED"):
        desk.ex.cancel_order(order["id"])
    done = desk.ex.create_order(SPOT, "market", "buy", 1)
    with desk.refused(ccxt.InvalidOrder, "FILLED"):
        desk.ex.cancel_order(done["id"])


@card
def c22_cancel_nothing(desk: Desk) -> None:
    """Unknown ids, ids of nobody, and another account's order are OrderNotFound."""
    resting(desk)
    other = desk.exchange(HEDGE).create_order(SPOT, "limit", "buy", 1, 90)
    for order_id in ("999", 999, other["id"]):
        with desk.refused(ccxt.OrderNotFound):
            desk.ex.cancel_order(order_id)
    for order_id in ("abc", "-1", "1.5", str(2**64)):
        with desk.unsent(ccxt.OrderNotFound):
            desk.ex.cancel_order(order_id)
    for order_id in (None, ""):
        with desk.unsent(ccxt.ArgumentsRequired):
            desk.ex.cancel_order(order_id)


@card
def c23_cancel_after_a_part(desk: Desk) -> None:
    """A partly filled order that is cancelled keeps its fills, fee and average."""
    order = desk.ex.create_order(SPOT, "limit", "sell", 3, 105)
    desk.price(SPOT, 105, 106, size=1)
    canceled = desk.ex.cancel_order(order["id"])
    assert (canceled["status"], canceled["filled"], canceled["remaining"]) == ("canceled", 1, 2)
    assert (canceled["average"], canceled["cost"], canceled["fee"]["cost"]) == (105, 105, 0.105)
    assert [trade["amount"] for trade in canceled["trades"]] == [1]
    assert desk.money("BTC") == (9, 0, 9)


@card
def c24_cancel_by_client_order_id(desk: Desk) -> None:
    """By client order id: alone, beside its own id, as the id itself, and several at once."""
    orders = [resting(desk, clientOrderId=f"mine-{number}") for number in range(5)]
    ids = [order["id"] for order in orders]
    assert desk.ex.cancel_order_with_client_order_id("mine-0", SPOT)["id"] == ids[0]
    assert desk.ex.cancel_order(ids[1], SPOT, {"clientOrderId": "mine-1"})["id"] == ids[1]
    assert desk.ex.cancel_order("mine-2", SPOT, {"clientOrderId": "mine-2"})["id"] == ids[2]
    canceled = desk.ex.cancel_orders_with_client_order_ids(["mine-4"], SPOT)
    canceled += desk.ex.cancel_orders_with_client_order_id(["mine-3"], SPOT)  # as `has` spells it
    assert [order["id"] for order in canceled] == [ids[4], ids[3]]
    assert statuses(desk) == ["canceled"] * 5


@card
def c25_ids_that_differ(desk: Desk) -> None:
    """An id and a client order id of different orders are refused, for every method that takes both."""
    first, _ = resting(desk, clientOrderId="mine-1"), resting(desk, clientOrderId="mine-2")
    both = {"clientOrderId": "mine-2"}
    for call in (
        lambda: desk.ex.cancel_order(first["id"], SPOT, both),
        lambda: desk.ex.fetch_order(first["id"], SPOT, both),
        lambda: desk.ex.edit_order(first["id"], SPOT, "limit", "buy", 1, 80, both),
    ):
        with desk.unsent(ccxt.BadRequest, "different orders"):
            call()
    with desk.unsent(ccxt.OrderNotFound, "nobody"):
        desk.ex.cancel_order("", SPOT, {"clientOrderId": "nobody"})


@card
def c26_cancel_several(desk: Desk) -> None:
    """Several by one command, in the order given; one unknown and none is cancelled."""
    first, second, third = (resting(desk) for _ in range(3))
    with desk.refused(ccxt.OrderNotFound, "999"):
        desk.ex.cancel_orders([first["id"], "999"])
    before = desk.commands()
    canceled = desk.ex.cancel_orders([third["id"], first["id"]])
    assert desk.commands() == before + 1
    assert [(order["id"], order["status"]) for order in canceled] == [
        (third["id"], "canceled"),
        (first["id"], "canceled"),
    ]
    assert statuses(desk) == ["canceled", "open", "canceled"]
    with desk.refused(ccxt.InvalidOrder):
        desk.ex.cancel_orders([first["id"], third["id"]])
    assert [order["status"] for order in desk.ex.cancel_orders([first["id"], second["id"]])] == [
        "canceled"
    ] * 2
    for nothing in ([], None):
        with desk.unsent(ccxt.ArgumentsRequired):
            desk.ex.cancel_orders(nothing)


@card
def c27_cancel_for_symbols(desk: Desk) -> None:
    """cancelOrdersForSymbols takes ids and client order ids of several markets."""
    first = resting(desk)
    other = desk.ex.create_order(OTHER, "limit", "buy", 1, 9, {"clientOrderId": "mine"})
    canceled = desk.ex.cancel_orders_for_symbols(
        [{"id": first["id"], "symbol": SPOT}, {"clientOrderId": "mine", "symbol": OTHER}]
    )
    assert [order["id"] for order in canceled] == [first["id"], other["id"]]
    assert statuses(desk) == ["canceled", "canceled"]


@card
def c28_cancel_all(desk: Desk) -> None:
    """All, or those of a symbol; what was cancelled comes back; nothing to cancel is no error."""
    first = resting(desk)
    other = desk.ex.create_order(OTHER, "limit", "buy", 1, 9)
    stop = desk.ex.create_order(SPOT, "market", "sell", 1, None, {"triggerPrice": 80})
    elsewhere = desk.exchange(HEDGE).create_order(SPOT, "limit", "buy", 1, 90)
    of_symbol = desk.ex.cancel_all_orders(SPOT)
    assert {order["id"] for order in of_symbol} == {first["id"], stop["id"]}
    assert {order["status"] for order in of_symbol} == {"canceled"}
    assert [order["id"] for order in desk.ex.fetch_open_orders()] == [other["id"]]
    assert [order["id"] for order in desk.ex.cancel_all_orders()] == [other["id"]]
    assert desk.ex.cancel_all_orders() == []
    assert desk.exchange(HEDGE).fetch_open_orders()[0]["id"] == elsewhere["id"]
    with desk.unsent(ccxt.BadSymbol):
        desk.ex.cancel_all_orders("NO/SUCH")


@card
def c29_cancel_unified_order(desk: Desk) -> None:
    """ccxt's helper that takes the order itself."""
    order = resting(desk)
    assert desk.ex.cancel_unified_order(order)["status"] == "canceled"


@card
def c30_dead_mans_switch(desk: Desk) -> None:
    """cancelAllOrdersAfter: armed, armed again, disarmed; when it fires every open order is cancelled."""
    order = resting(desk)
    armed = desk.ex.cancel_all_orders_after(60_000)
    assert armed["cancelAt"] == desk.oms.now_ms() + 60_000
    desk.advance(59_000)
    assert desk.ex.cancel_all_orders_after(60_000)["cancelAt"] == desk.oms.now_ms() + 60_000
    desk.advance(59_000)
    assert desk.ex.fetch_order(order["id"])["status"] == "open"
    assert desk.ex.cancel_all_orders_after(0)["cancelAt"] is None
    desk.advance(120_000)
    assert desk.ex.fetch_order(order["id"])["status"] == "open"
    desk.ex.cancel_all_orders_after(60_000)
    desk.advance(60_000)
    assert desk.ex.fetch_order(order["id"])["status"] == "canceled"
    for timeout in (-1, "60", 1.5, True, None):
        with desk.unsent(ccxt.BadRequest, "timeout"):
            desk.ex.cancel_all_orders_after(timeout)


@card
def c31_cancel_a_waiting_order(desk: Desk) -> None:
    """Orders that wait for a trigger are cancelled as others are, and never fire."""
    order = desk.ex.create_stop_loss_order(SWAP, "market", "sell", 1, None, 95)
    assert desk.ex.cancel_order(order["id"])["status"] == "canceled"
    desk.price(SWAP, 80, 81)
    assert desk.ex.fetch_my_trades() == []
    assert desk.ask("orders_open", {"account_ids": NETTING})["items"] == []


@card
def c32_waiting_orders_alone(desk: Desk) -> None:
    """`trigger` and `stop`, by which venues keep stops apart, leave the resting orders alone."""
    first = resting(desk)
    stop = desk.ex.create_order(SPOT, "market", "sell", 1, None, {"triggerPrice": 80})
    trailing = desk.ex.create_trailing_amount_order(SPOT, "market", "sell", 1, None, 5)
    last = resting(desk)

    def listed(read: Any, *arguments: Any, **params: Any) -> list[str]:
        return [order["id"] for order in read(SPOT, *arguments, params=params)]

    for flag in ({"trigger": True}, {"stop": True}):
        assert listed(desk.ex.fetch_open_orders, **flag) == [stop["id"], trailing["id"]]
        assert listed(desk.ex.fetch_orders, None, 1, **flag) == [trailing["id"]]
        assert listed(desk.ex.fetch_orders, first["timestamp"], 1, **flag) == [stop["id"]]
    assert listed(desk.ex.fetch_open_orders, trailing=True) == [trailing["id"]]
    assert len(listed(desk.ex.fetch_open_orders, trigger=False)) == 4

    cancelled = desk.ex.cancel_all_orders(SPOT, {"trailing": True})
    assert [(order["id"], order["status"]) for order in cancelled] == [(trailing["id"], "canceled")]
    assert [order["id"] for order in desk.ex.cancel_all_orders(None, {"stop": True})] == [stop["id"]]
    assert desk.ex.cancel_all_orders(SPOT, {"trigger": True}) == []
    assert listed(desk.ex.fetch_open_orders) == [first["id"], last["id"]]
