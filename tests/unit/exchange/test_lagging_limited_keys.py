"""Keys that are limited to strategies, on a gateway that shows them no list unless one is named."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import ccxt
import pytest

from ccxt_driver.oms import Principal
from tests.helpers.contract_desk import HEDGE, SPOT
from tests.helpers.lagging_desk import LaggingDesk

pytestmark = pytest.mark.oldest

LIMITED = Principal(key_id=7, strategies=frozenset({1, 2}))


@pytest.fixture
def limited(desk: LaggingDesk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Make exchange objects with such a key; there is an order of another strategy, with the id 1."""
    desk.exchange(HEDGE, strategy_id=3).create_order(SPOT, "limit", "buy", 1, 80)
    handle = desk.oms.handle

    def as_limited(endpoint: str, path: Any, query: Any, body: Any, *_: Any, **__: Any) -> Any:
        # A server knows nothing of who asks: its venue is an exchange object, too.
        return copy_context().run(handle, endpoint, path, query, body, LIMITED)

    monkeypatch.setattr(desk.oms, "handle", as_limited)
    return lambda **options: desk.exchange(HEDGE, **options)


def test_orders_are_placed_read_changed_and_cancelled(limited: Any) -> None:
    ex = limited(strategy_id=1)
    bought = ex.create_order(SPOT, "market", "buy", 1)
    assert (bought["status"], bought["filled"], len(bought["trades"])) == ("closed", 1, 1)
    rests = ex.create_order(SPOT, "limit", "buy", 1, 90)
    assert ex.fetch_order(rests["id"])["status"] == "open"
    assert ex.edit_order(rests["id"], SPOT, "limit", "buy", 2, 91)["amount"] == 2
    assert ex.cancel_order(rests["id"])["status"] == "canceled"
    placed = ex.create_orders([{"symbol": SPOT, "type": "market", "side": "buy", "amount": 1}] * 2)
    assert [order["status"] for order in placed] == ["closed"] * 2
    assert ex.fetch_order("", SPOT, {"clientOrderId": bought["clientOrderId"]})["id"] == bought["id"]


def test_trades_and_positions_are_read_and_closed(limited: Any) -> None:
    ex = limited(strategy_id=1)
    bought = ex.create_order(SPOT, "market", "buy", 1)
    assert [trade["order"] for trade in ex.fetch_my_trades(SPOT)] == [bought["id"]]
    assert [position["contracts"] for position in ex.fetch_positions()] == [1]
    assert ex.close_position(SPOT)["filled"] == 1
    assert ex.fetch_positions() == []
    assert [position["contracts"] for position in ex.fetch_positions_history()] == [0]


def test_a_strategy_may_be_named_with_each_call(limited: Any) -> None:
    ex = limited()
    placed = [ex.create_order(SPOT, "limit", "buy", 1, 90, {"strategy_id": each}) for each in (1, 2)]
    for each, order in zip((1, 2), placed, strict=True):
        assert ex.fetch_order(order["id"], SPOT, {"strategy_id": each})["id"] == order["id"]
        with pytest.raises(ccxt.OrderNotFound):
            ex.fetch_order(order["id"], SPOT, {"strategy_id": 3 - each})
        assert ex.cancel_order(order["id"], SPOT, {"strategy_id": each})["status"] == "canceled"
    with pytest.raises(ccxt.BadRequest, match="strategy_required"):
        ex.fetch_order(placed[0]["id"])


def test_each_call_is_for_the_strategy_that_it_names(limited: Any) -> None:
    """Also where it comes after one for the configured strategy, or reads the order before anything else."""
    ex, other = limited(strategy_id=1), {"strategy_id": 2}
    bought = ex.create_order(SPOT, "market", "buy", 1, None, other)
    assert (bought["status"], bought["filled"], len(bought["trades"])) == ("closed", 1, 1)
    rests = ex.create_order(SPOT, "limit", "buy", 1, 90, other)
    assert ex.fetch_orders() == []
    assert ex.edit_order(rests["id"], SPOT, "limit", "buy", 2, 91, other)["amount"] == 2
    assert ex.fetch_orders() == []
    assert ex.cancel_order(rests["id"], SPOT, other)["status"] == "canceled"
    assert ex.fetch_positions() == []
    assert ex.close_position(SPOT, None, other)["filled"] == 1


def test_orders_of_other_strategies_are_not_known(limited: Any) -> None:
    ex = limited(strategy_id=1)
    for call in (ex.fetch_order, ex.cancel_order):
        with pytest.raises(ccxt.OrderNotFound):
            call("1")


def test_the_refusal_is_met_once(limited: Any, desk: LaggingDesk) -> None:
    ex = limited(strategy_id=1)
    order = ex.create_order(SPOT, "limit", "buy", 1, 90)
    desk.oms.lists.clear()
    ex.fetch_order(order["id"])
    assert [query["strategy_id"] for _, query in desk.oms.lists] == [1]
