"""Who follows the events of a strategy has what the lists say, through whatever hands its rows go."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pytest

from ccxt_driver.contract.rows import OPEN_STATUSES
from ccxt_driver.oms import Event

from .conftest import SPOT, SWAP, Desk

HEDGE = 2
ACCOUNTS = (1, HEDGE, 3)
STRATEGIES = (0, 1, 2, 3)
ORDERS, POSITIONS = "order_updated", "position_updated"
NAMES = ("qty", "strategy_id", "position_id", "filled_qty", "avg_price", "price")


class Replicas:
    """What is open, by strategy, as the events tell; None: of all, to whom nothing ends by changing hands."""

    def __init__(self) -> None:
        self.open: defaultdict[tuple[str, int | None], dict[int, Any]] = defaultdict(dict)

    def take(self, events: list[Event]) -> None:
        for event in events:
            if event.name not in (ORDERS, POSITIONS):
                continue
            row = event.payload
            is_open = row.get("status") in OPEN_STATUSES or row.get("state") in ("open", "close_requested")
            for strategy in (event.strategy_id, None):
                if strategy is None and "reassigned_to" in row:
                    continue
                rows = self.open[event.name, strategy]
                rows.pop(row["id"], None)
                if is_open:
                    rows[row["id"]] = row

    def are_as_listed(self, desk: Desk) -> None:
        accounts = {"account_ids": ",".join(map(str, ACCOUNTS)), "limit": 5000}
        for name, endpoint in ((ORDERS, "orders_open"), (POSITIONS, "positions_open")):
            listed = desk.oms.handle(endpoint, {}, accounts, None).body["items"]
            for strategy in (None, *STRATEGIES):
                expected = {row["id"]: seen(row) for row in listed if strategy in (None, row["strategy_id"])}
                told = {row["id"]: seen(row) for row in self.open[name, strategy].values()}
                assert told == expected, (name, strategy)
        self.orders_are_of_the_strategies_of_hedged_positions()

    def orders_are_of_the_strategies_of_hedged_positions(self) -> None:
        positions = self.open[POSITIONS, None]
        for row in self.open[ORDERS, None].values():
            named = positions.get(row["position_id"])
            if named is not None and named["account_id"] == HEDGE:
                assert named["strategy_id"] == row["strategy_id"]


def seen(row: dict[str, Any]) -> list[Any]:
    return [row.get(name) for name in NAMES]


class Trading:
    """Commands by chance; many of them are refused."""

    def __init__(self, seed: int) -> None:
        self.desk, self.replicas = Desk(), Replicas()
        self.desk.oms.subscribe(self.replicas.take)
        self.chance = random.Random(seed)
        self.ids: list[int] = []
        self.moved = 0

    def any_of(self, name: str, account: int | None = None) -> dict[str, Any] | None:
        rows = [r for r in self.replicas.open[name, None].values() if account in (None, r["account_id"])]
        return self.chance.choice(rows) if rows else None

    def step(self) -> None:
        account = self.chance.choice(ACCOUNTS)
        acts = (self.send, self.reassign, self.merge, self.cancel, self.close, self.outside, self.move)
        self.chance.choices(acts, (9, 3, 2, 1, 1, 1, 2))[0](account)

    def send(self, account: int) -> None:
        chance, symbol = self.chance, self.chance.choice((SPOT, SWAP))
        price = chance.choice((None, chance.randint(85, 115)))
        more: dict[str, Any] = {
            "strategy_id": chance.choice(STRATEGIES),
            "reduce_only": chance.random() < 0.1,
        }
        named = self.any_of(POSITIONS, account)
        if named is not None and chance.random() < 0.7:
            symbol = named["symbol"]
            more |= {"position_id": named["id"], "strategy_id": named["strategy_id"]}
        side, qty = chance.choice(("buy", "sell")), chance.randint(1, 4)
        reply = self.desk.post("send_order", account, **self.desk.order(side, qty, price, symbol, **more))
        if reply.status == 200:
            self.ids.append(reply.body["results"][0]["order_id"])

    def reassign(self, account: int) -> None:
        if not self.ids:
            return
        ids = self.chance.choices(self.ids[-12:], k=self.chance.choice((1, 1, 2, 3)))
        body: dict[str, Any] = {"order_ids": ids, "strategy_id": self.chance.choice(STRATEGIES)}
        target = self.any_of(POSITIONS)
        if target is not None and self.chance.random() < 0.4:
            body |= {"position_id": target["id"], "strategy_id": target["strategy_id"]}
        reply = self.desk.oms.handle("reassign", {}, {}, body)
        assert reply.status < 500
        self.moved += len(reply.body.get("order_ids", ()))

    def merge(self, account: int) -> None:
        source, target = self.any_of(POSITIONS, account), self.any_of(POSITIONS, account)
        if source is not None and target is not None:
            ids = {"source_position_id": source["id"], "target_position_id": target["id"]}
            self.desk.post("merge_positions", account, **ids)

    def cancel(self, account: int) -> None:
        order = self.any_of(ORDERS, account)
        if order is not None:
            self.desk.post("cancel_order", account, order_id=order["id"])

    def close(self, account: int) -> None:
        position = self.any_of(POSITIONS, account)
        if position is not None:
            self.desk.post("close_position", account, position_id=position["id"])

    def outside(self, account: int) -> None:
        where = {"account_id": str(account), "func": "create_order"}
        args = [SWAP, "market", self.chance.choice(("buy", "sell")), 1]
        self.desk.oms.handle("ccxt_call", where, {}, {"args": args, "kwargs": {}})
        reply = self.desk.oms.handle("reconcile", {}, {}, {"account_id": account, "scope": "short"})
        assert reply.status == 200

    def move(self, account: int) -> None:
        self.desk.oms.advance(1000)
        middle = self.chance.randint(95, 105)
        for symbol in (SPOT, SWAP):
            size = self.chance.choice((None, "1", "3"))
            self.desk.price(symbol, str(middle - 1), str(middle + 1), size=size)


@pytest.mark.parametrize("seed", range(6))
def test_the_events_of_a_strategy_tell_what_it_has(seed: int) -> None:
    trading = Trading(seed)
    for _ in range(250):
        trading.step()
        trading.replicas.are_as_listed(trading.desk)
    assert trading.moved > 10
    trading.desk.oms.close()
