"""R: reading orders and trades."""

from __future__ import annotations

from typing import Any

import ccxt

from tests.helpers.contract_card import card
from tests.helpers.contract_desk import HEDGE, OTHER, SPOT, Desk


def ids(rows: list[dict[str, Any]]) -> list[str]:
    """Of a list, in its order."""
    return [row["id"] for row in rows]


def history(desk: Desk) -> dict[str, str]:
    """One order of each kind, a second apart: filled, canceled, in part, open, and another market's."""
    ex = desk.ex
    made = {"filled": ex.create_order(SPOT, "market", "buy", 1)["id"]}
    desk.advance(1000)
    made["canceled"] = ex.create_order(SPOT, "limit", "buy", 1, 90)["id"]
    ex.cancel_order(made["canceled"])
    desk.advance(1000)
    desk.price(SPOT, 100, 101, size=1)
    made["partly"] = ex.create_order(SPOT, "market", "buy", 3)["id"]
    desk.price(SPOT, 100, 101)
    desk.advance(1000)
    made["open"] = ex.create_order(SPOT, "limit", "buy", 1, 90)["id"]
    desk.advance(1000)
    made["other"] = ex.create_order(OTHER, "market", "sell", 1)["id"]
    return made


@card
def r01_by_id(desk: Desk) -> None:
    """One order by its id as text or number, by client order id, by both, and by ccxt's helpers."""
    made = desk.ex.create_order(SPOT, "market", "buy", 1, None, {"clientOrderId": "mine"})
    assert isinstance(made["id"], str)
    for order in (
        desk.ex.fetch_order(made["id"]),
        desk.ex.fetch_order(int(made["id"]), SPOT),
        desk.ex.fetch_order("", SPOT, {"clientOrderId": "mine"}),
        desk.ex.fetch_order(None, SPOT, {"clientOrderId": "mine"}),
        desk.ex.fetch_order(made["id"], SPOT, {"clientOrderId": "mine"}),
        desk.ex.fetch_order("mine", SPOT, {"clientOrderId": "mine"}),
        desk.ex.fetch_order_with_client_order_id("mine", SPOT),
    ):
        assert order == made
    assert desk.ex.fetch_order_status(made["id"], SPOT) == "closed"


@card
def r02_not_found(desk: Desk) -> None:
    """An order of nobody, of another account, or no id at all."""
    other = desk.exchange(HEDGE).create_order(SPOT, "market", "buy", 1)
    for order_id in ("999", other["id"], "abc"):
        with desk.refused(ccxt.OrderNotFound):
            desk.ex.fetch_order(order_id)
        with desk.refused(ccxt.OrderNotFound):
            desk.ex.fetch_order_trades(order_id)
    with desk.refused(ccxt.OrderNotFound, "nobody"):
        desk.ex.fetch_order("", None, {"clientOrderId": "nobody"})
    with desk.refused(ccxt.ArgumentsRequired):
        desk.ex.fetch_order("")


@card
def r03_lists_by_status(desk: Desk) -> None:
    """Each list holds its statuses and no other: closed means filled, a part of an order is canceled."""
    made = history(desk)
    ex = desk.ex
    assert ids(ex.fetch_open_orders()) == [made["open"]]
    assert ids(ex.fetch_closed_orders()) == [made["filled"], made["other"]]
    assert ids(ex.fetch_canceled_orders()) == [made["canceled"], made["partly"]]
    ended = [made["filled"], made["canceled"], made["partly"], made["other"]]
    assert ids(ex.fetch_canceled_and_closed_orders()) == ended
    assert ids(ex.fetch_orders()) == sorted(made.values(), key=int)
    assert ids(ex.fetch_closed_orders(OTHER)) == [made["other"]]
    assert ids(ex.fetch_open_orders(OTHER)) == []


@card
def r04_one_of_a_status(desk: Desk) -> None:
    """fetchOpenOrder and fetchClosedOrder know the state they ask for."""
    made = history(desk)
    assert desk.ex.fetch_open_order(made["open"])["status"] == "open"
    assert desk.ex.fetch_closed_order(made["filled"])["status"] == "closed"
    assert desk.ex.fetch_closed_order(made["canceled"])["status"] == "canceled"
    with desk.refused(ccxt.OrderNotFound):
        desk.ex.fetch_open_order(made["filled"])
    with desk.refused(ccxt.OrderNotFound):
        desk.ex.fetch_closed_order(made["open"])


@card
def r05_since_limit_until(desk: Desk) -> None:
    """limit is the newest without since and the oldest from since; since and until are inclusive."""
    start = desk.oms.now_ms()
    orders = []
    for _ in range(6):
        orders.append(desk.ex.create_order(SPOT, "limit", "buy", 1, 90)["id"])
        desk.advance(2000)
    for method in (desk.ex.fetch_open_orders, desk.ex.fetch_orders):
        assert ids(method()) == orders
        assert ids(method(None, None, 2)) == orders[4:]
        assert ids(method(SPOT, start + 2000, 2)) == orders[1:3]
        assert ids(method(None, start + 3000, 2)) == orders[2:4]
        assert ids(method(None, start + 4000, None, {"until": start + 8000})) == orders[2:5]
        assert ids(method(None, None, 2, {"until": start + 7000})) == orders[2:4]
        assert ids(method(None, start + 60_000)) == []
        assert ids(method(SPOT, 0, 1000)) == orders
        times = [order["timestamp"] for order in method()]
        assert times == sorted(times)


@card
def r13_edges_to_the_millisecond(desk: Desk) -> None:
    """A millisecond after an order is after it, and a millisecond before it is before it."""
    start = desk.oms.now_ms()
    order = desk.ex.create_order(SPOT, "limit", "buy", 1, 90)
    for method in (desk.ex.fetch_open_orders, desk.ex.fetch_orders):
        assert method(None, start) == method(None, None, None, {"until": start}) == [order]
        assert method(None, start + 1) == method(None, None, None, {"until": start - 1}) == []


@card
def r06_my_trades(desk: Desk) -> None:
    """The account's trades: of a symbol, since, until, limit; ascending, each with its order's id."""
    start = desk.oms.now_ms()
    made = []
    for symbol in (SPOT, OTHER, SPOT, SPOT):
        made.append(desk.ex.create_order(symbol, "market", "buy", 1)["trades"][0])
        desk.advance(1000)
    assert desk.ex.fetch_my_trades() == made
    assert desk.ex.fetch_my_trades(SPOT) == [made[0], *made[2:]]
    assert desk.ex.fetch_my_trades(SPOT, None, 2) == made[2:]
    assert desk.ex.fetch_my_trades(SPOT, start, 2) == [made[0], made[2]]
    assert desk.ex.fetch_my_trades(None, start + 1000, None, {"until": start + 2000}) == made[1:3]
    assert desk.exchange(HEDGE).fetch_my_trades() == []


@card
def r07_order_trades(desk: Desk) -> None:
    """The trades of one order only, with since and limit; none for an order without fills."""
    first = desk.ex.create_order(SPOT, "limit", "sell", 3, 105)
    desk.ex.create_order(SPOT, "market", "buy", 1)
    for _ in range(3):
        desk.advance(1000)
        desk.price(SPOT, 105, 106, size=1)
    trades = desk.ex.fetch_order_trades(first["id"], SPOT)
    assert [(trade["order"], trade["amount"]) for trade in trades] == [(first["id"], 1)] * 3
    assert desk.ex.fetch_order_trades(first["id"], SPOT, None, 1) == trades[2:]
    assert desk.ex.fetch_order_trades(first["id"], SPOT, trades[1]["timestamp"]) == trades[1:]
    assert (
        desk.ex.fetch_order_trades("", SPOT, None, None, {"clientOrderId": first["clientOrderId"]}) == trades
    )
    waiting = desk.ex.create_order(SPOT, "limit", "buy", 1, 90)
    assert desk.ex.fetch_order_trades(waiting["id"]) == []


@card
def r08_more_than_a_page(desk: Desk) -> None:
    """Lists longer than the server's page of 500 are complete where since or limit asks for it."""
    start = desk.oms.now_ms()
    order = {"symbol": SPOT, "type": "market", "side": "buy", "amount": 0.1}
    made: list[str] = []
    for _ in range(4):
        made += ids(desk.ex.create_orders([order] * 130))
        desk.advance(660_000)
    assert ids(desk.ex.fetch_closed_orders(SPOT, start)) == made
    assert ids(desk.ex.fetch_closed_orders(SPOT, None, 510)) == made[-510:]
    assert ids(desk.ex.fetch_closed_orders(SPOT, start, 510)) == made[:510]
    assert ids(desk.ex.fetch_closed_orders(SPOT)) == made[-500:]
    trades = desk.ex.fetch_my_trades(SPOT, start)
    assert [trade["order"] for trade in trades] == made
    assert len(set(ids(trades))) == 520


@card
def r09_by_ids(desk: Desk) -> None:
    """fetchOrdersByIds takes a list or a text; the order of the ids is kept; one unknown is told."""
    first = desk.ex.create_order(SPOT, "market", "buy", 1)["id"]
    second = desk.ex.create_order(SPOT, "limit", "buy", 1, 90)["id"]
    assert ids(desk.ex.fetch_orders_by_ids([second, first])) == [second, first]
    assert ids(desk.ex.fetch_orders_by_ids(f"{first}, {second}")) == [first, second]
    assert desk.ex.fetch_orders_by_ids([]) == []
    with desk.refused(ccxt.OrderNotFound, "999"):
        desk.ex.fetch_orders_by_ids([first, "999"])


@card
def r10_bad_arguments(desk: Desk) -> None:
    """since, limit and until that make no sense, and unknown symbols, are refused before a request."""
    desk.ex.load_markets()
    for method in (
        desk.ex.fetch_orders,
        desk.ex.fetch_open_orders,
        desk.ex.fetch_closed_orders,
        desk.ex.fetch_my_trades,
    ):
        before = len(desk.oms.requests)
        for arguments in (
            (None, "yesterday"),
            (None, -1),
            (None, None, 0),
            (None, None, "10"),
            (None, None, None, {"until": "now"}),
            (None, True),
        ):
            with desk.refused(ccxt.BadRequest):
                method(*arguments)
        with desk.refused(ccxt.BadSymbol):
            method("NO/SUCH")
        assert len(desk.oms.requests) == before


@card
def r11_what_is_returned_is_a_copy(desk: Desk) -> None:
    """What a caller does to a structure it was given reaches nobody else."""
    made = desk.ex.create_order(SPOT, "limit", "buy", 1, 90)
    made["info"].clear()
    made["trades"].append("mine")
    [order] = desk.ex.fetch_open_orders()
    order["info"]["status"] = "FILLED"
    assert desk.ex.fetch_order(order["id"])["status"] == "open"
    assert desk.ex.fetch_order(order["id"])["info"]["qty"] == "1"


@card
def r12_camel_case(desk: Desk) -> None:
    """Every method has its camelCase twin, and it is the same method."""
    made = desk.ex.createOrder(SPOT, "limit", "buy", 1, 90)
    assert desk.ex.fetchOpenOrders(SPOT) == [made]
    assert desk.ex.fetchOrder(made["id"]) == made
    assert desk.ex.cancelOrder(made["id"])["status"] == "canceled"
    assert desk.ex.fetchOHLCV(SPOT, "1h", None, 2)
    assert desk.ex.fetchStrategies()
