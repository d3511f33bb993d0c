"""S: several strategies on one account: nobody sees or touches what is another's."""

from __future__ import annotations

from typing import Any

import ccxt

from tests.contract.cards.positions import position_of
from tests.helpers.contract_card import card
from tests.helpers.contract_desk import BY_STRATEGY, HEDGE, NETTING, OTHER, SPOT, SWAP, Desk


def pair(desk: Desk, account_id: int = NETTING) -> tuple[Any, Any]:
    """Two strategies' exchange objects on one account."""
    return desk.exchange(account_id, strategy_id=1), desk.exchange(account_id, strategy_id=2)


def ids(rows: list[dict[str, Any]]) -> list[str]:
    """Of a list, in its order."""
    return [row["id"] for row in rows]


@card
def s01_lists(desk: Desk) -> None:
    """Every list shows a strategy its own rows; without a strategy all are seen."""
    one, two = pair(desk)
    mine = [
        one.create_order(SPOT, "limit", "buy", 1, 90)["id"],
        one.create_order(SPOT, "market", "buy", 1)["id"],
    ]
    its = [
        two.create_order(SPOT, "limit", "buy", 2, 90)["id"],
        two.create_order(OTHER, "market", "buy", 2)["id"],
    ]
    for ex, own in ((one, mine), (two, its)):
        assert ids(ex.fetch_open_orders()) == own[:1]
        assert ids(ex.fetch_closed_orders()) == own[1:]
        assert ids(ex.fetch_orders()) == own
        assert [trade["order"] for trade in ex.fetch_my_trades()] == own[1:]
    assert ids(desk.ex.fetch_orders()) == mine + its
    assert ids(desk.ex.fetch_orders(None, None, None, {"strategy_id": 2})) == its
    assert ids(one.fetch_orders(None, None, None, {"strategy_id": 2})) == its
    assert desk.ex.fetch_orders(None, None, None, {"strategy_id": 0}) == []


@card
def s02_by_id(desk: Desk) -> None:
    """Another strategy's order is OrderNotFound, by id or client order id, alone or in a batch."""
    one, two = pair(desk)
    order = one.create_order(SPOT, "limit", "buy", 1, 90, {"clientOrderId": "ones"})
    own = two.create_order(SPOT, "limit", "buy", 1, 90)
    by_client = {"clientOrderId": "ones"}
    for call in (
        lambda: two.fetch_order(order["id"]),
        lambda: two.fetch_order("", SPOT, by_client),
        lambda: two.fetch_open_order(order["id"]),
        lambda: two.fetch_order_trades(order["id"]),
        lambda: two.fetch_orders_by_ids([own["id"], order["id"]]),
        lambda: two.cancel_order(order["id"]),
        lambda: two.cancel_order("", SPOT, by_client),
        lambda: two.cancel_orders([own["id"], order["id"]]),
        lambda: two.cancel_orders_with_client_order_ids(["ones"]),
        lambda: two.cancel_orders_for_symbols([{"id": order["id"], "symbol": SPOT}]),
        lambda: two.edit_order(order["id"], SPOT, "limit", "buy", 2, 80),
        lambda: two.edit_order_with_client_order_id("ones", SPOT, "limit", "buy", 2, 80),
    ):
        with desk.refused(ccxt.OrderNotFound):
            call()
    assert one.cancel_order(order["id"])["status"] == "canceled"


@card
def s03_cancel_all(desk: Desk) -> None:
    """cancelAllOrders of a strategy takes its orders only."""
    one, two = pair(desk)
    mine = one.create_order(SPOT, "limit", "buy", 1, 90)
    its = two.create_order(SPOT, "limit", "buy", 1, 90)
    assert ids(one.cancel_all_orders()) == [mine["id"]]
    assert ids(desk.ex.fetch_open_orders()) == [its["id"]]


@card
def s12_dead_mans_switch(desk: Desk) -> None:
    """The dead man's switch of a strategy takes its orders only."""
    one, two = pair(desk)
    its = two.create_order(SPOT, "limit", "buy", 1, 90)
    again = one.create_order(SPOT, "limit", "buy", 1, 90)
    one.cancel_all_orders_after(1000)
    desk.advance(1000)
    assert one.fetch_order(again["id"])["status"] == "canceled"
    assert two.fetch_order(its["id"])["status"] == "open"


def close_ones(desk: Desk, account_id: int) -> None:
    """Two strategies with a position each, of which the first one closes its own."""
    one, two = pair(desk, account_id)
    one.create_order(SWAP, "market", "buy", 1)
    two.create_order(SWAP, "market", "buy", 2)
    assert one.fetch_position(SWAP)["contracts"] == 1
    assert len(one.close_all_positions()) == 1
    assert one.fetch_positions() == []
    assert one.fetch_positions_history()[0]["info"]["strategy_id"] == 1
    with desk.unsent(ccxt.OperationRejected):
        one.close_position(SWAP)
    assert two.fetch_position(SWAP)["contracts"] == 2


@card
def s04_positions(desk: Desk) -> None:
    """Positions and closing of a strategy are its own in hedge mode."""
    close_ones(desk, HEDGE)


@card
def s13_netted_positions(desk: Desk) -> None:
    """Positions and closing of a strategy are its own in strategy netting."""
    close_ones(desk, BY_STRATEGY)


@card
def s05_commands_on_positions(desk: Desk) -> None:
    """close_by, merge_positions, set_position_stops and a close by id do not reach another's position."""
    one, two = pair(desk, HEDGE)
    position_ids = [position_of(one.create_order(SWAP, "market", side, 1)) for side in ("buy", "sell", "buy")]
    for call in (
        lambda: two.close_by(position_ids[0], position_ids[1]),
        lambda: two.merge_positions(position_ids[0], position_ids[2]),
        lambda: two.set_position_stops(position_ids[0], comment="mine"),
        lambda: two.close_position(SWAP, None, {"position_id": position_ids[0]}),
    ):
        with desk.refused(ccxt.OperationRejected):
            call()
    with desk.refused(ccxt.InvalidOrder):
        two.create_order(SWAP, "market", "sell", 1, None, {"position_id": position_ids[0]})
    one.close_by(position_ids[0], position_ids[1])
    assert ids(one.fetch_positions()) == [position_ids[2]]


@card
def s14_stops_of_anothers_position(desk: Desk) -> None:
    """Stops of a position are set by its own strategy."""
    one, two = pair(desk, HEDGE)
    position_id = position_of(one.create_order(SWAP, "market", "buy", 1))
    with desk.refused(ccxt.OperationRejected):
        two.set_position_stops(position_id, 90)
    assert one.set_position_stops(position_id, 90)["stopLossPrice"] == 90


@card
def s06_money_is_shared(desk: Desk) -> None:
    """What one strategy holds back is not free for the other."""
    one, two = pair(desk)
    one.create_order(SPOT, "limit", "buy", 900, 100)
    assert two.fetch_balance()["USDT"]["used"] == 90090
    with desk.refused(ccxt.InsufficientFunds):
        two.create_order(SPOT, "limit", "buy", 900, 100)


@card
def s07_client_order_ids_are_the_accounts(desk: Desk) -> None:
    """A client order id names one order of the account, whichever strategy sends it."""
    one, two = pair(desk)
    one.create_order(SPOT, "limit", "buy", 1, 90, {"clientOrderId": "shared"})
    with desk.refused(ccxt.DuplicateOrderId):
        two.create_order(SPOT, "limit", "buy", 1, 90, {"clientOrderId": "shared"})
    other_account = desk.exchange(HEDGE)
    assert other_account.create_order(SPOT, "limit", "buy", 1, 90, {"clientOrderId": "shared"})["id"]


@card
def s08_reassign(desk: Desk) -> None:
    """Reassigned orders, with deals and positions, are the new strategy's and no longer the old one's."""
    one, two = pair(desk, HEDGE)
    order = one.create_order(SWAP, "market", "buy", 1)
    kept = one.create_order(SPOT, "limit", "buy", 1, 90)
    desk.exchange(HEDGE).reassign([order["id"]], 2)
    assert ids(one.fetch_orders()) == [kept["id"]]
    assert one.fetch_positions() == one.fetch_my_trades() == []
    assert two.fetch_order(order["id"])["trades"][0]["info"]["strategy_id"] == 2
    assert two.fetch_position(SWAP)["contracts"] == 1
    with desk.refused(ccxt.BadRequest, "77"):
        desk.exchange(HEDGE).reassign([order["id"]], 77)


@card
def s09_create_strategy(desk: Desk) -> None:
    """Strategies are listed and made; a new one trades at once."""
    assert [strategy["id"] for strategy in desk.ex.fetch_strategies()] == ["1", "2", "3"]
    made = desk.ex.create_strategy("grid", {"client_strategy_id": "g-1"})
    assert (made["name"], made["clientStrategyId"]) == ("grid", "g-1")
    assert [strategy["id"] for strategy in desk.ex.fetch_strategies()] == ["1", "2", "3", made["id"]]
    own = desk.exchange(strategy_id=made["id"])
    assert own.create_order(SPOT, "market", "buy", 1)["info"]["strategy_id"] == int(made["id"])
    with desk.refused(ccxt.BadRequest, "name"):
        desk.ex.create_strategy(" ")


@card
def s15_same_strategy_twice(desk: Desk) -> None:
    """A client's name of a strategy is given once."""
    desk.ex.create_strategy("grid", {"client_strategy_id": "g-1"})
    with desk.refused(ccxt.OperationRejected):
        desk.ex.create_strategy("again", {"client_strategy_id": "g-1"})


@card
def s10_block_of_one_strategy(desk: Desk) -> None:
    """Blocking one strategy's new positions leaves the other alone."""
    one, two = pair(desk, HEDGE)
    desk.exchange(HEDGE, role="risk").set_allow_new_positions(False, "drawdown", {"strategy_id": 1})
    with desk.refused(ccxt.OperationRejected, "strategy 1"):
        one.create_order(SWAP, "market", "buy", 1)
    assert two.create_order(SWAP, "market", "buy", 1)["status"] == "closed"


@card
def s16_block_of_no_strategy(desk: Desk) -> None:
    """A strategy that does not exist cannot be blocked."""
    with desk.refused(ccxt.BadRequest):
        desk.exchange(HEDGE, role="risk").set_allow_new_positions(False, "x", {"strategy_id": 77})


@card
def s11_batches(desk: Desk) -> None:
    """A batch carries each order's own strategy, else the configured one."""
    one, _ = pair(desk)
    order = {"symbol": SPOT, "type": "limit", "side": "buy", "amount": 1, "price": 90}
    made = one.create_orders([order, {**order, "params": {"strategy_id": 2}}], {"comment": "batch"})
    assert [each["info"]["strategy_id"] for each in made] == [1, 2]
    assert {each["info"]["comment"] for each in made} == {"batch"}
