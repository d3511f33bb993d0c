"""Differences of reads, against lives of orders that are simply written down.

Orders are placed, changed, filled in parts, cancelled and rejected. Reads show some of their rows, as they
stood at any moment of the past. What is handed on must tell of every deal once, never take anything back, and
end with what is true once everything was read as it stands.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ccxt_driver.contract.values import format_time
from ccxt_driver.exchange.streams.changes import Change, Kind
from ccxt_driver.exchange.streams.differences import Fresh, KnownState, differences

START_MS = 1_795_000_000_000
OPEN = ("PENDING_SUBMIT", "SUBMITTED", "PARTIALLY_FILLED")
ORDER_SEEN = ("status", "filled_qty", "qty", "price", "avg_fill_price")


@dataclass
class World:
    """Rows of an account with everything that they were before.

    :param lags: whether a row does not say when it moved, as where the venue tells and not the gateway
    """

    lags: bool = False
    moment: int = 0
    orders: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    positions: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    deals: list[dict[str, Any]] = field(default_factory=list)

    def now(self) -> str:
        return format_time(START_MS + self.moment)

    def change(self, what: str, which: int) -> None:
        """Let something happen."""
        self.moment += 1
        if what == "place":
            self._place()
        open_ids = [each for each, versions in self.orders.items() if versions[-1]["status"] in OPEN]
        if what == "place" or not open_ids:
            return
        row = dict(self.orders[open_ids[which % len(open_ids)]][-1])
        {"edit": self._edit, "fill": self._fill, "cancel": self._end, "reject": self._end}[what](row, what)
        if not self.lags or what == "edit":
            row["updated_at"] = self.now()
        self.orders[row["id"]].append(row)

    def _place(self) -> None:
        order_id = len(self.orders) + 1
        row = {
            "id": order_id,
            "account_id": 1,
            "symbol": "BTC/USDT",
            "side": "buy",
            "order_type": "limit",
            "status": "SUBMITTED",
            "qty": "4",
            "price": "100",
            "filled_qty": "0",
            "avg_fill_price": None,
            "created_at": self.now(),
            "updated_at": self.now(),
            "strategy_id": 0,
        }
        self.orders[order_id] = [row]

    def _edit(self, row: dict[str, Any], what: str) -> None:
        row["price"] = str(Decimal(row["price"]) + 1)

    def _end(self, row: dict[str, Any], what: str) -> None:
        row.update(status="CANCELED", closed_at=self.now())

    def _fill(self, row: dict[str, Any], what: str) -> None:
        filled = Decimal(row["filled_qty"]) + 1
        row.update(filled_qty=str(filled), avg_fill_price="100")
        row["status"] = "FILLED" if filled == 4 else "PARTIALLY_FILLED"
        if filled == 4:
            row["closed_at"] = self.now()
        deal_id = 1000 + len(self.deals)
        self.deals.append(
            {
                "id": deal_id,
                "account_id": 1,
                "order_id": row["id"],
                "symbol": "BTC/USDT",
                "side": "buy",
                "qty": "1",
                "price": "100",
                "executed_at": self.now(),
                "strategy_id": 0,
            }
        )
        self._move_position()

    def _move_position(self) -> None:
        last = list(self.positions.values())[-1:]
        if not last or last[0][-1]["state"] == "closed":
            position_id = 500 + len(self.positions)
            row = {"id": position_id, "account_id": 1, "symbol": "BTC/USDT", "side": "buy", "qty": "1"}
            row |= {"avg_price": "100", "state": "open", "opened_at": self.now(), "updated_at": self.now()}
            self.positions[position_id] = [row]
            return
        row = dict(last[0][-1])
        whole = int(row["qty"]) + 1
        row.update(qty=str(whole) if whole < 3 else "0", state="open" if whole < 3 else "closed")
        row["updated_at"] = self.now()
        last[0].append(row)

    def read(self, staleness: int, left_out: int) -> Fresh:
        """Some rows as they stood some versions ago, the older ones first."""

        def stood(rows: list[dict[str, Any]]) -> dict[str, Any]:
            return rows[max(len(rows) - 1 - staleness, 0)]

        orders = [stood(versions) for each, versions in self.orders.items() if each % 5 != left_out]
        positions = [stood(versions) for versions in self.positions.values()]
        deals = self.deals[: max(len(self.deals) - staleness, 0)]
        return Fresh(orders, deals[::-1], positions)


def seen_of(row: Any) -> tuple[Any, ...]:
    open_or_ended = "open" if row["status"] in OPEN else row["status"]
    numbers = (Decimal(row.get(key) or 0) for key in ORDER_SEEN[1:])
    return open_or_ended, *numbers


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["place", "edit", "fill", "fill", "cancel"]), st.integers(0, 9)),
        st.tuples(st.just("read"), st.tuples(st.integers(0, 4), st.integers(0, 9))),
    ),
    max_size=60,
)


def play(steps: list[Any], lags: bool = False) -> tuple[World, list[list[Change]]]:
    """Let everything happen, read now and then, and everything as it stands at the end."""
    world, known, batches = World(lags), KnownState(1), []

    def read(fresh: Fresh) -> None:
        changes = differences(known, fresh)
        assert changes == differences(known, fresh), "asking changes nothing"
        known.take(changes)
        assert differences(known, fresh) == [], "what was taken is not new"
        batches.append(changes)

    for what, how in steps:
        if what == "read":
            read(world.read(*how))
        else:
            world.change(what, how)
    read(world.read(0, 9))
    return world, batches


@given(STEPS)
def test_every_deal_once_in_order(steps: list[Any]) -> None:
    world, batches = play(steps)
    told = Counter(change.row["id"] for batch in batches for change in batch if change.kind is Kind.TRADE)
    assert told == Counter(deal["id"] for deal in world.deals)
    for batch in batches:
        ids = [change.row["id"] for change in batch if change.kind is Kind.TRADE]
        assert ids == sorted(ids)


@given(STEPS, st.booleans())
def test_orders_end_as_they_are_and_never_go_back(steps: list[Any], lags: bool) -> None:
    world, batches = play(steps, lags)
    told: dict[int, list[Any]] = {}
    for change in (change for batch in batches for change in batch):
        if change.kind is Kind.ORDER:
            told.setdefault(change.row["id"], []).append(change.row)
    assert told.keys() == world.orders.keys()
    for order_id, rows in told.items():
        assert seen_of(rows[-1]) == seen_of(world.orders[order_id][-1])
        for before, after in itertools.pairwise(rows):
            assert seen_of(before) != seen_of(after)
            assert Decimal(before["filled_qty"]) <= Decimal(after["filled_qty"])
            assert Decimal(before["price"]) <= Decimal(after["price"])
            assert before["status"] in OPEN


@given(STEPS)
def test_positions_end_as_they_are(steps: list[Any]) -> None:
    world, batches = play(steps)
    last: dict[int, Any] = {}
    for change in (change for batch in batches for change in batch):
        if change.kind is Kind.POSITION:
            before = last.get(change.row["id"], {"state": "open", "updated_at": ""})
            assert before["state"] == "open"
            assert before["updated_at"] < change.row["updated_at"]
            last[change.row["id"]] = change.row
    assert last == {each: versions[-1] for each, versions in world.positions.items()}


@given(STEPS)
def test_a_batch_is_in_the_order_of_a_life(steps: list[Any]) -> None:
    _, batches = play(steps)
    for batch in batches:
        ranks = []
        for change in batch:
            unfilled = change.kind is Kind.ORDER and Decimal(change.row["filled_qty"]) == 0
            ranks.append({Kind.ORDER: 0 if unfilled else 2, Kind.TRADE: 1, Kind.POSITION: 3}[change.kind])
        without_cancelled = [rank for rank, change in zip(ranks, batch, strict=True) if _is_ranked(change)]
        assert without_cancelled == sorted(without_cancelled)


def _is_ranked(change: Change) -> bool:
    """An order that is known and has filled nothing may move after deals of others."""
    return change.kind is not Kind.ORDER or change.row["filled_qty"] != "0"
