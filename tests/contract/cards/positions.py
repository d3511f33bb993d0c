"""P: positions in the three modes, and the commands on them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt

from tests.helpers.contract_card import card
from tests.helpers.contract_desk import BY_STRATEGY, HEDGE, NETTING, SPOT, SWAP, Desk


def brief(positions: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Side, contracts and entry price of each."""
    return [(each["side"], each["contracts"], each["entryPrice"]) for each in positions]


def position_of(order: dict[str, Any]) -> str:
    """The id of the position that an order has left: of its last fill, as not every server's orders tell."""
    return str(order["trades"][-1]["info"]["position_id"])


def buy(ex: Any, amount: object = 1, **params: Any) -> str:
    """Open or add to a long of the swap; the position's id."""
    order = ex.create_order(SWAP, "market", "buy", amount, None, params)
    return position_of(order)


def sell(ex: Any, amount: object = 1, **params: Any) -> str:
    """Open or add to a short of the swap; the position's id."""
    order = ex.create_order(SWAP, "market", "sell", amount, None, params)
    return position_of(order)


# -- modes


@card
def p01_netting(desk: Desk) -> None:
    """A netting account has one position per market: it adds, reduces, reverses, closes."""
    ex = desk.ex
    buy(ex, 1)
    desk.price(SWAP, 110, 111)
    buy(ex, 1)
    [position] = ex.fetch_positions([SWAP])
    assert position["hedged"] is False
    assert brief([position]) == [("long", 2, 106)]
    sell(ex, 0.5)
    assert brief(ex.fetch_positions([SWAP])) == [("long", 1.5, 106)]
    sell(ex, 2)
    assert brief(ex.fetch_positions([SWAP])) == [("short", 0.5, 110)]
    buy(ex, 0.5)
    assert ex.fetch_positions() == []


@card
def p02_hedge(desk: Desk) -> None:
    """In hedge mode each order opens a position of its own unless it names one; long and short coexist."""
    ex = desk.exchange(HEDGE)
    long, short, other = buy(ex), sell(ex), buy(ex, 3)
    positions = ex.fetch_positions([SWAP])
    assert [position["id"] for position in positions] == [long, short, other]
    assert {position["hedged"] for position in positions} == {True}
    assert brief(positions) == [("long", 1, 101), ("short", 1, 100), ("long", 3, 101)]
    assert buy(ex, 1, position_id=long) == long
    sell(ex, 1, position_id=other)
    assert brief(ex.fetch_positions()) == [("long", 2, 101), ("short", 1, 100), ("long", 2, 101)]


@card
def p03_strategy_netting(desk: Desk) -> None:
    """In strategy netting each strategy nets by itself, and sees one row per market."""
    one = desk.exchange(BY_STRATEGY, strategy_id=1)
    two = desk.exchange(BY_STRATEGY, strategy_id=2)
    buy(one, 2)
    sell(two, 3)
    sell(one, 0.5)
    assert brief(one.fetch_positions()) == [("long", 1.5, 101)]
    assert brief(two.fetch_positions()) == [("short", 3, 100)]
    assert len(desk.exchange(BY_STRATEGY).fetch_positions([SWAP])) == 2


@card
def p04_raw_and_net(desk: Desk) -> None:
    """The net view of several rows: as if traded in turn, under the oldest's id; raw shows all."""
    ex = desk.exchange(HEDGE)
    first = buy(ex, 3)
    sell(ex, 1)
    desk.price(SWAP, 120, 121)
    buy(ex, 2)
    [net] = ex.fetch_positions([SWAP], {"positions": "net"})
    assert (net["id"], net["side"], net["contracts"], net["entryPrice"]) == (first, "long", 4, 111)
    assert len(ex.fetch_positions([SWAP], {"positions": "raw"})) == 3
    assert [row["id"] for row in desk.exchange(HEDGE, positions="net").fetch_positions()] == [first]
    assert ex.fetch_position(SWAP)["contracts"] == 4
    sell(ex, 4)
    assert ex.fetch_positions([SWAP], {"positions": "net"}) == []
    with desk.refused(ccxt.BadRequest, "positions"):
        ex.fetch_positions([SWAP], {"positions": "both"})


@card
def p05_values(desk: Desk) -> None:
    """Mark price, notional, profit, leverage, margin and percentage of a short, to the unit."""
    desk.ex.set_leverage(5, SWAP)
    sell(desk.ex, 10)
    desk.price(SWAP, 90, 91, last=90)
    [position] = desk.ex.fetch_positions([SWAP])
    assert (position["markPrice"], position["notional"], position["unrealizedPnl"]) == (90, 900, 100)
    assert (position["leverage"], position["initialMargin"], position["marginMode"]) == (5, 200, "cross")
    assert (position["collateral"], position["percentage"], position["contractSize"]) == (300, 50, 1)
    # 99999.5 + 10 * (100 - p) = 0.004 * 10 * p
    assert (position["realizedPnl"], position["liquidationPrice"]) == (0, 10059.71115538)
    assert desk.ex.fetch_position(SWAP) == position
    assert desk.ex.fetch_positions_for_symbol(SWAP) == [position]


@card
def p06_no_position(desk: Desk) -> None:
    """A market without a position has no row in lists; fetchPosition gives an empty one with every key."""
    buy(desk.ex)
    empty = desk.ex.fetch_position(SPOT)
    assert (empty["symbol"], empty["contracts"], empty["side"], empty["id"]) == (SPOT, 0, None, None)
    assert set(empty) == set(desk.ex.fetch_position(SWAP))
    assert desk.ex.fetch_positions([SPOT]) == desk.ex.fetch_positions_for_symbol(SPOT) == []
    assert len(desk.ex.fetch_positions([SPOT, SWAP])) == 1
    with desk.refused(ccxt.BadSymbol):
        desk.ex.fetch_positions(["NO/SUCH"])


@card
def p07_spot_positions(desk: Desk) -> None:
    """Spot trades make positions too, and their profit is in the position, not twice in the balance."""
    desk.ex.create_order(SPOT, "market", "buy", 2)
    desk.price(SPOT, 110, 111)
    desk.ex.create_order(SPOT, "market", "sell", 2)
    assert desk.ex.fetch_positions() == []
    [closed] = desk.ex.fetch_positions_history([SPOT])
    assert (closed["realizedPnl"], closed["contracts"]) == (18, 0)
    assert desk.money("USDT")[2] == 100000 - 202 - Decimal("0.202") + 220 - Decimal("0.22")


@card
def p08_history(desk: Desk) -> None:
    """Closed positions: of a market, since, limit, by three doors; open ones are not among them."""
    start = desk.oms.now_ms()
    closed = []
    for symbol in (SWAP, SPOT, SWAP):
        order = desk.ex.create_order(symbol, "market", "buy", 1)
        desk.ex.close_position(symbol)
        closed.append(str(order["info"]["position_id"]))
        desk.advance(1000)
    buy(desk.ex)
    assert [row["id"] for row in desk.ex.fetch_positions_history()] == closed
    assert [row["id"] for row in desk.ex.fetch_position_history(SWAP)] == [closed[0], closed[2]]
    assert [row["id"] for row in desk.ex.fetch_positions([SPOT], {"history": True})] == [closed[1]]
    assert [row["id"] for row in desk.ex.fetch_positions_history(None, start + 1, 1)] == [closed[1]]
    assert [row["id"] for row in desk.ex.fetch_positions_history(None, None, 1)] == [closed[2]]
    [only] = desk.ex.fetch_positions_history([SWAP], start, None, {"until": start})
    assert (only["id"], only["realizedPnl"]) == (closed[0], -1)


@card
def p10_a_netted_position_keeps_its_id(desk: Desk) -> None:
    """What adds to a netting account's position or reduces it keeps its id; a reversal has a new one."""
    ex = desk.ex
    first = buy(ex, 1)
    assert buy(ex, 1) == first
    assert ex.fetch_positions([SWAP])[0]["id"] == first
    assert sell(ex, 0.5) == first
    assert sell(ex, 2) != first


@card
def p09_position_mode(desk: Desk) -> None:
    """fetchPositionMode says whether the account hedges."""
    modes = {NETTING: False, HEDGE: True, BY_STRATEGY: False}
    for account_id, hedged in modes.items():
        assert desk.exchange(account_id).fetch_position_mode(SWAP)["hedged"] is hedged


# -- closing


@card
def p20_close_position(desk: Desk) -> None:
    """closePosition closes the whole at the market and gives the order; profit and fee reach the balance."""
    buy(desk.ex, 10)
    desk.price(SWAP, 110, 111)
    order = desk.ex.close_position(SWAP)
    assert (order["status"], order["side"], order["filled"], order["average"]) == ("closed", "sell", 10, 110)
    assert order["reduceOnly"] is True
    assert desk.ex.fetch_positions() == []
    fees = Decimal("0.505") + Decimal("0.55")
    assert desk.money("USDT") == (100000 + 90 - fees, 0, 100000 + 90 - fees)


@card
def p21_close_a_part(desk: Desk) -> None:
    """A part: by amount; with a comment, a reason and a client order id of the caller's."""
    buy(desk.ex, 10)
    params = {"amount": "4", "comment": "half", "reason": "signal", "clientOrderId": "closing"}
    order = desk.ex.close_position(SWAP, "long", params)
    assert (order["filled"], order["clientOrderId"]) == (4, "closing")
    assert (order["info"]["comment"], order["info"]["reason"]) == ("half", "signal")
    assert desk.ex.fetch_position(SWAP)["contracts"] == 6
    assert params == {"amount": "4", "comment": "half", "reason": "signal", "clientOrderId": "closing"}


@card
def p22_close_by_limit(desk: Desk) -> None:
    """A limit order that closes holds the position's lock: a second close is refused; a cancel frees it."""
    buy(desk.ex, 2)
    order = desk.ex.close_position(SWAP, None, {"type": "limit", "price": 120})
    assert (order["status"], order["price"]) == ("open", 120)
    with desk.refused(ccxt.OperationRejected, "clos") as info:
        desk.ex.close_position(SWAP)
    assert info.value.code == "position_close_in_progress"
    desk.ex.cancel_order(order["id"])
    assert desk.ex.close_position(SWAP)["status"] == "closed"


@card
def p23_close_one_side(desk: Desk) -> None:
    """In hedge mode one side is closed and the other stays."""
    ex = desk.exchange(HEDGE)
    long = buy(ex, 3)
    sell(ex, 1)
    ex.close_position(SWAP, "short")
    assert [row["id"] for row in ex.fetch_positions()] == [long]
    named = {"positionSide": "SHORT", "posSide": "short", "holdSide": "short", "positionIdx": 2}
    for name, word in named.items():
        sell(ex, 1)
        ex.close_position(SWAP, None, {name: word})
        assert [row["id"] for row in ex.fetch_positions()] == [long], name
    ex.close_all_positions({"positionSide": "SHORT"})
    assert [row["id"] for row in ex.fetch_positions()] == [long]
    ex.close_position(SWAP, None, {"positionSide": "BOTH"})
    assert ex.fetch_positions() == []


@card
def p28_close_one_of_several(desk: Desk) -> None:
    """In hedge mode: one position by its id, a part over several (oldest first), or all."""
    ex = desk.exchange(HEDGE)
    ids = [buy(ex, 1), buy(ex, 3), buy(ex, 4)]
    ex.close_position(SWAP, None, {"position_id": ids[2], "amount": 1})
    assert [row["contracts"] for row in ex.fetch_positions()] == [1, 3, 3]
    ex.close_position(SWAP, "buy", {"amount": 2})
    assert [(row["id"], row["contracts"]) for row in ex.fetch_positions()] == [(ids[1], 2), (ids[2], 3)]
    first = ex.close_position(SWAP)
    assert len(first["info"]["orders"]) == 2
    assert ex.fetch_positions() == []


@card
def p24_nothing_to_close(desk: Desk) -> None:
    """Nothing to close, an unknown position, a bad side: refused unsent."""
    with desk.unsent(ccxt.OperationRejected, SWAP):
        desk.ex.close_position(SWAP)
    buy(desk.ex)
    for kind, side, params in (
        (ccxt.OperationRejected, "short", {}),
        (ccxt.OperationRejected, None, {"position_id": 999}),
        (ccxt.BadRequest, "up", {}),
        (ccxt.BadRequest, "long", {"positionSide": "SHORT"}),
        (ccxt.BadRequest, None, {"positionSide": "UP"}),
        (ccxt.InvalidOrder, None, {"amount": -1}),
        (ccxt.ArgumentsRequired, None, {"type": "limit"}),
    ):
        with desk.unsent(kind):
            desk.ex.close_position(SWAP, side, params)
    with desk.unsent(ccxt.BadSymbol):
        desk.ex.close_position("NO/SUCH")


@card
def p25_close_all(desk: Desk) -> None:
    """closeAllPositions closes each by an order of its own; with nothing open it does nothing."""
    assert desk.ex.close_all_positions() == []
    buy(desk.ex, 2)
    desk.ex.create_order(SPOT, "market", "buy", 1)
    orders = desk.ex.close_all_positions({"comment": "out"})
    assert {(order["symbol"], order["status"], order["info"]["comment"]) for order in orders} == {
        (SWAP, "closed", "out"),
        (SPOT, "closed", "out"),
    }
    assert desk.ex.fetch_positions() == []


@card
def p26_close_all_with_a_refusal(desk: Desk) -> None:
    """One position that cannot be closed does not keep the others open; its exception is in its place."""
    ex = desk.exchange(HEDGE)
    first, second = buy(ex, 1), buy(ex, 2)
    ex.close_position(SWAP, None, {"position_id": first, "type": "limit", "price": 150})
    refused, closed = ex.close_all_positions()
    assert type(refused) is ccxt.OperationRejected
    assert closed["status"] == "closed"
    assert [row["id"] for row in ex.fetch_positions()] == [first]
    assert str(closed["info"]["position_id"]) == second


@card
def p27_close_works_where_opening_is_blocked(desk: Desk) -> None:
    """Whatever blocks new positions never blocks closing one."""
    buy(desk.ex)
    desk.exchange(role="risk").set_allow_new_positions(False, "stop")
    assert desk.ex.close_position(SWAP)["status"] == "closed"


# -- the OMS's own commands


@card
def p30_close_by(desk: Desk) -> None:
    """Two opposite positions close each other without an order: two deals without a fee, the rest stays."""
    ex = desk.exchange(HEDGE)
    long, short = buy(ex, 3), sell(ex, 2)
    before = desk.money("USDT", HEDGE)[2]
    deals = ex.close_by(long, short)
    assert [(deal["side"], deal["amount"], deal["price"], deal["order"]) for deal in deals] == [
        ("sell", 2, 100, None),
        ("buy", 2, 100, None),
    ]
    assert brief(ex.fetch_positions()) == [("long", 1, 101)]
    assert desk.money("USDT", HEDGE)[2] == before - 2


@card
def p31_close_by_a_part(desk: Desk) -> None:
    """A part of both, and what cannot be: the same side, the same one, unknown ones, too much."""
    ex = desk.exchange(HEDGE)
    long, short, other = buy(ex, 3), sell(ex, 2), buy(ex, 1)
    ex.close_by(long, short, "0.5")
    assert [row["contracts"] for row in ex.fetch_positions()] == [2.5, 1.5, 1]
    for kind, arguments in (
        (ccxt.BadRequest, (long, other)),
        (ccxt.BadRequest, (long, long)),
        (ccxt.BadRequest, (long, short, 5)),
        (ccxt.OperationRejected, (long, 999)),
    ):
        with desk.refused(kind):
            ex.close_by(*arguments)
    for kind, arguments in (
        (ccxt.BadRequest, ("abc", short)),
        (ccxt.InvalidOrder, (long, short, -1)),
    ):
        with desk.unsent(kind):
            ex.close_by(*arguments)


@card
def p32_merge(desk: Desk) -> None:
    """Two positions of a side become one at the average price; the source's trades and orders go with it."""
    ex = desk.exchange(HEDGE)
    first = buy(ex, 1)
    desk.price(SWAP, 110, 111)
    second = buy(ex, 1)
    merged = ex.merge_positions(first, second)
    assert (merged["id"], merged["contracts"], merged["entryPrice"]) == (second, 2, 106)
    assert brief(ex.fetch_positions()) == [("long", 2, 106)]
    assert {trade["info"]["position_id"] for trade in ex.fetch_my_trades()} == {int(second)}


@card
def p38_merged_in_history(desk: Desk) -> None:
    """A merged position is listed among the closed ones."""
    ex = desk.exchange(HEDGE)
    first, second = buy(ex, 1), buy(ex, 1)
    ex.merge_positions(first, second)
    [source] = ex.fetch_positions_history([SWAP])
    assert (source["id"], source["info"]["state"]) == (first, "merged")


@card
def p33_merge_stops(desk: Desk) -> None:
    """stop_mode: keep the target's, clear them, or set new ones."""
    ex = desk.exchange(HEDGE)
    ids = [buy(ex) for _ in range(4)]
    ex.set_position_stops(ids[3], 90, 120)
    assert ex.merge_positions(ids[0], ids[3])["stopLossPrice"] == 90
    stops = {"stop_mode": "set", "stop_loss": 80, "take_profit": "130"}
    merged = ex.merge_positions(ids[1], ids[3], stops)
    assert (merged["stopLossPrice"], merged["takeProfitPrice"]) == (80, 130)
    merged = ex.merge_positions(ids[2], ids[3], {"stop_mode": "clear"})
    assert (merged["stopLossPrice"], merged["takeProfitPrice"]) == (None, None)


@card
def p34_merge_what_cannot_be(desk: Desk) -> None:
    """Opposite sides, other markets, one with itself, unknown ones, unknown modes."""
    ex = desk.exchange(HEDGE)
    long, short = buy(ex), sell(ex)
    spot = position_of(ex.create_order(SPOT, "market", "buy", 1))
    for kind, arguments in (
        (ccxt.BadRequest, (long, short)),
        (ccxt.BadRequest, (long, spot)),
        (ccxt.BadRequest, (long, long)),
        (ccxt.OperationRejected, (long, 999)),
        (ccxt.BadRequest, (long, short, {"stop_mode": "drop"})),
    ):
        with desk.refused(kind):
            ex.merge_positions(*arguments)


@card
def p35_set_stops(desk: Desk) -> None:
    """Stops of a position are set one by one, kept when left out, removed by 0, and enforced."""
    position_id = buy(desk.ex)
    changed = desk.ex.set_position_stops(position_id, 90, "120", "guarded")
    assert (changed["stopLossPrice"], changed["takeProfitPrice"]) == (90, 120)
    assert changed["info"]["comment"] == "guarded"
    changed = desk.ex.set_position_stops(int(position_id), take_profit=0)
    assert (changed["stopLossPrice"], changed["takeProfitPrice"]) == (90, None)
    assert desk.ex.set_position_stops(position_id, comment="")["info"]["comment"] is None
    desk.price(SWAP, 89, 91, last=90)
    assert desk.ex.fetch_positions() == []
    [closing] = [order for order in desk.ex.fetch_orders() if order["side"] == "sell"]
    assert (closing["status"], closing["average"], closing["info"]["reason"]) == ("closed", 89, "stop_loss")


@card
def p36_stops_that_cannot_be(desk: Desk) -> None:
    """A stop on the wrong side, of no position or another account's, of a bad price, or nothing at all."""
    position_id = buy(desk.ex)
    other = buy(desk.exchange(HEDGE))
    for kind, arguments in (
        (ccxt.BadRequest, (position_id, 150)),
        (ccxt.OperationRejected, (999, 90)),
        (ccxt.OperationRejected, (other, 90)),
        (ccxt.InvalidOrder, (position_id, -1)),
        (ccxt.BadRequest, ("abc", 90)),
        (ccxt.BadRequest, (position_id,)),
    ):
        with desk.refused(kind):
            desk.ex.set_position_stops(*arguments)


@card
def p37_positions_of_nobody(desk: Desk) -> None:
    """Another account's position is not there, for every command on positions."""
    other = desk.exchange(HEDGE)
    ids = [buy(other), sell(other), buy(other)]
    for call in (
        lambda: desk.ex.close_by(ids[0], ids[1]),
        lambda: desk.ex.merge_positions(ids[0], ids[2]),
        lambda: desk.ex.set_position_stops(ids[0], comment="mine"),
        lambda: desk.ex.close_position(SWAP, None, {"position_id": ids[0]}),
    ):
        with desk.refused(ccxt.OperationRejected):
            call()
