"""The two tables of what may follow what: each step is reached by trading, and nothing else can happen."""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import ccxt_driver.oms
from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import OPEN_STATUSES, OrderStatus, PositionState
from ccxt_driver.oms.entities import Order, Position
from ccxt_driver.oms.matching import lifecycle
from ccxt_driver.oms.matching.lifecycle import (
    POSITION_TRANSITIONS,
    TRANSITIONS,
    LifecycleError,
    move_position,
    transition,
)

SPOT = "BTC/USDT"
Step = tuple[str, str]
Walk = Callable[[Any], None]

# ------------------------------------------------------------------ how each step is reached


def taken(desk: Any) -> None:
    desk.send("buy", "1", "90")


def refused_by_the_venue(desk: Any) -> None:
    desk.refuse("exchange_error", "send_order", **desk.order("buy", "1", "101", post_only=True))


def filled_in_part(desk: Any) -> int:
    row = desk.send("buy", "1", "95")
    desk.price(SPOT, "93", "94", size="0.25")
    return int(row["id"])


def filled_at_once(desk: Any) -> None:
    desk.send("buy", "1")


def cancelled(desk: Any) -> None:
    desk.run("cancel_order", order_id=desk.send("buy", "1", "90")["id"])


def not_paid_for_when_triggered(desk: Any) -> None:
    desk.send("buy", "900", trigger_price="110")
    desk.price(SPOT, "130", "131")


def filled_further(desk: Any) -> None:
    filled_in_part(desk)
    desk.price(SPOT, "92", "93", size="0.25")


def filled_to_the_end(desk: Any) -> None:
    filled_in_part(desk)
    desk.price(SPOT, "92", "93")


def cancelled_with_a_part(desk: Any) -> None:
    desk.run("cancel_order", order_id=filled_in_part(desk))


OF_ORDERS: dict[Step, Walk] = {
    ("PENDING_SUBMIT", "SUBMITTED"): taken,
    ("PENDING_SUBMIT", "REJECTED"): refused_by_the_venue,
    ("SUBMITTED", "PARTIALLY_FILLED"): filled_in_part,
    ("SUBMITTED", "FILLED"): filled_at_once,
    ("SUBMITTED", "CANCELED"): cancelled,
    ("SUBMITTED", "REJECTED"): not_paid_for_when_triggered,
    ("PARTIALLY_FILLED", "PARTIALLY_FILLED"): filled_further,
    ("PARTIALLY_FILLED", "FILLED"): filled_to_the_end,
    ("PARTIALLY_FILLED", "CANCELED"): cancelled_with_a_part,
}


def opened(desk: Any, account: int = 1) -> int:
    desk.send("buy", "1", account=account)
    return int(desk.positions(account)[-1]["id"])


def asked_to_close(desk: Any) -> int:
    position_id = opened(desk)
    row = desk.run("close_position", position_id=position_id, order_type="limit", price="200")["order"]
    return int(row["id"])


def sold_again(desk: Any) -> None:
    opened(desk)
    desk.send("sell", "1")


def merged(desk: Any) -> None:
    source, target = opened(desk, account=2), opened(desk, account=2)
    desk.run("merge_positions", account=2, source_position_id=source, target_position_id=target)


def not_closed_after_all(desk: Any) -> None:
    desk.run("cancel_order", order_id=asked_to_close(desk))


def closed_as_asked(desk: Any) -> None:
    asked_to_close(desk)
    desk.price(SPOT, "200", "201")


OF_POSITIONS: dict[Step, Walk] = {
    ("open", "close_requested"): asked_to_close,
    ("open", "closed"): sold_again,
    ("open", "merged"): merged,
    ("close_requested", "open"): not_closed_after_all,
    ("close_requested", "closed"): closed_as_asked,
}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """The steps that are taken from now on."""
    found: list[Step] = []

    def recorded(original: Callable[..., None], field: str) -> Callable[..., None]:
        def step(row: Any, after: Any) -> None:
            before = getattr(row, field)
            original(row, after)
            found.append((before.value, after.value))

        return step

    for name, field in (("transition", "status"), ("move_position", "state")):
        original = getattr(lifecycle, name)
        for module in [*sys.modules.values()]:
            if module.__name__.startswith("ccxt_driver.oms") and vars(module).get(name) is original:
                monkeypatch.setattr(module, name, recorded(original, field))
    return found


@pytest.mark.parametrize("step", [*OF_ORDERS, *OF_POSITIONS], ids="-".join)
def test_every_step_of_the_tables_is_reached_by_trading(desk: Any, steps: list[Step], step: Step) -> None:
    walk = OF_ORDERS.get(step) or OF_POSITIONS[step]
    walk(desk)
    assert step in steps


def test_the_steps_that_are_walked_are_those_of_the_tables() -> None:
    for walks, table in ((OF_ORDERS, TRANSITIONS), (OF_POSITIONS, POSITION_TRANSITIONS)):
        assert set(walks) == {
            (before.value, after.value) for before, following in table.items() for after in following
        }


# ------------------------------------------------------------------ and nothing else


@pytest.mark.parametrize("before,after", [*itertools.product(OrderStatus, OrderStatus)])
def test_every_pair_of_statuses(before: OrderStatus, after: OrderStatus) -> None:
    order = Order(1, 1, SPOT, Side.BUY, "market", Decimal(1), 0, before)
    if (before.value, after.value) in OF_ORDERS:
        transition(order, after)
        assert order.status is after
    else:
        with pytest.raises(LifecycleError, match="order 1 cannot go from"):
            transition(order, after)
        assert order.status is before


@pytest.mark.parametrize("before,after", [*itertools.product(PositionState, PositionState)])
def test_every_pair_of_states(before: PositionState, after: PositionState) -> None:
    position = Position(1, 1, SPOT, Side.BUY, 0, state=before)
    if (before.value, after.value) in OF_POSITIONS:
        move_position(position, after)
        assert position.state is after
    else:
        with pytest.raises(LifecycleError, match="position 1 cannot go from"):
            move_position(position, after)
        assert position.state is before


def test_the_tables_know_every_status_and_only_open_ones_go_on() -> None:
    assert set(TRANSITIONS) == set(OrderStatus)
    assert {status for status, following in TRANSITIONS.items() if following} == OPEN_STATUSES
    assert set(POSITION_TRANSITIONS) == set(PositionState)
    for state, following in POSITION_TRANSITIONS.items():
        assert bool(following) == Position(1, 1, SPOT, Side.BUY, 0, state=state).is_open


@pytest.mark.parametrize(
    "step", [step for step in OF_ORDERS if not TRANSITIONS[OrderStatus(step[1])]], ids="-".join
)
def test_no_command_moves_an_order_that_has_ended(desk: Any, steps: list[Step], step: Step) -> None:
    OF_ORDERS[step](desk)
    row = desk.get("orders_history", account_ids=1, since_ms=0)["items"][-1]
    assert row["status"] == step[1]
    steps.clear()
    desk.refuse("invalid_order_state", "cancel_order", order_id=row["id"])
    desk.refuse("invalid_order_state", "change_order", order_id=row["id"], new_price="91")
    desk.run("cancel_all_orders")
    desk.price(SPOT, "50", "51")
    assert (desk.order_row(row["id"]), steps) == (row, [])


@pytest.mark.parametrize(
    "step", [step for step in OF_POSITIONS if not POSITION_TRANSITIONS[PositionState(step[1])]], ids="-".join
)
def test_no_command_moves_a_position_that_has_ended(desk: Any, steps: list[Step], step: Step) -> None:
    OF_POSITIONS[step](desk)
    [row] = desk.get("positions_history", account_ids="1,2", since_ms=0, status=step[1])["items"]
    account, position_id = row["account_id"], row["id"]
    other = opened(desk, account)
    steps.clear()
    desk.refuse("conflict", "close_position", account, position_id=position_id)
    desk.refuse("conflict", "position_change", account, position_id=position_id, comment="x")
    pair = {"source_position_id": position_id, "target_position_id": other}
    desk.refuse("conflict", "merge_positions", account, **pair)
    pair = {"position_id_a": position_id, "position_id_b": other}
    desk.refuse("conflict", "close_by", account, **pair)
    assert (desk.position_row(position_id), steps) == (row, [])


def _assigned(tree: ast.AST) -> list[tuple[str, str]]:
    """Attributes that a module sets, with what they are of."""
    targets = [
        target
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    return [
        (ast.unparse(each.value), each.attr)
        for target in targets
        for each in ast.walk(target)
        if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)
    ]


def test_nobody_else_sets_a_status_or_makes_a_row_that_has_one() -> None:
    """An account has a status too; `self` is never an order or a position."""
    folder = Path(ccxt_driver.oms.__file__).parent
    set_by: set[tuple[str, str, str]] = set()
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = path.relative_to(folder).as_posix()
        set_by |= {
            (name, owner, field)
            for owner, field in _assigned(tree)
            if field in ("status", "state") and owner != "self"
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Order", "Position", "replace"):
                assert not {keyword.arg for keyword in node.keywords} & {"status", "state"}, name
    assert set_by == {
        ("administration.py", "account.account", "status"),
        ("matching/lifecycle.py", "order", "status"),
        ("matching/lifecycle.py", "position", "state"),
    }
