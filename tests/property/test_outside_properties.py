"""Random trading with and without the OMS: the books balance, and a reconcile tells of just what was done."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.maintenance import check
from ccxt_driver.oms.store import RowFilter
from tests.helpers.auditor import ACCOUNTS, SPOT, START, SWAP, Auditor, World
from tests.property.test_oms_books_balance import (
    accounts,
    perform,
    prices,
    quantities,
    row_ids,
    sides,
    symbols,
    weighted_steps,
)

placed = st.tuples(
    st.just("create_order"),
    accounts,
    st.tuples(symbols, st.sampled_from(["market", "limit", "limit"]), sides, quantities, prices),
)
past_the_oms = st.one_of(
    placed,
    placed,
    st.tuples(st.just("cancel_order"), accounts, row_ids),
    st.tuples(st.just("reconcile"), accounts, st.none()),
    st.tuples(st.just("reassign"), accounts, st.tuples(row_ids, st.sampled_from([0, 1, 2]))),
)
steps = st.lists(st.one_of(weighted_steps(), past_the_oms), min_size=15, max_size=40)


class Trading:
    """Performs steps, and remembers what was placed past the OMS and not taken in since."""

    def __init__(self, oms: EmbeddedOms) -> None:
        self.oms = oms
        self.world = World()
        self.unknown: dict[int, set[int]] = {1: set(), 2: set(), 3: set()}
        self.placed: set[int] = set()
        self.moved = False
        """Whether anything was reassigned or merged, so that positions have deals of several orders."""
        for symbol in (SPOT, SWAP):
            perform(oms, ("price", symbol, (100, 1, None)), self.world)
        perform(oms, ("set_leverage", 1, 100), self.world)

    def perform(self, step: Any) -> None:
        name, account, payload = step
        if name == "create_order":
            symbol, kind, side, amount, price = payload
            placed = self._venue(
                account, name, symbol, kind, side, amount, None if kind == "market" else price
            )
            if placed is not None:
                self.placed.add(int(placed["id"][1:]))
                self.unknown[account].add(int(placed["id"][1:]))
        elif name == "cancel_order" and not isinstance(payload, dict):
            live = [*self.oms._core.state.accounts[account].orders]
            if live:
                self._venue(account, name, f"P{live[payload % len(live)]}")
        elif name == "reconcile":
            assert self.oms.handle(name, {}, {}, {"account_id": account}).status == 200
            self.unknown[account].clear()
        elif name == "reassign":
            self._reassign(account, *payload)
        else:
            self.moved |= name == "merge_positions"
            perform(self.oms, step, self.world)

    def _venue(self, account: int, func: str, *args: Any) -> Any:
        path = {"account_id": str(account), "func": func}
        reply = self.oms.handle("ccxt_call", path, {}, {"args": list(args), "kwargs": {}})
        assert reply.status == 200 or reply.body["detail"]["code"] == "exchange_error", reply.body
        return reply.body["result"] if reply.status == 200 else None

    def _reassign(self, account: int, number: int, strategy_id: int) -> None:
        known = [order.id for order in self.oms._core.store.orders(RowFilter((account,)))[0]]
        if known:
            self.moved = True
            body = {"order_ids": [known[number % len(known)]], "strategy_id": strategy_id}
            assert self.oms.handle("reassign", {}, {}, body).status == 200

    # what must be true after every step

    def check(self) -> None:
        auditor = Auditor(self.oms, START, self.world)
        auditor.check()
        self._only_what_is_unknown_is_hidden(auditor)
        self._own_positions_are_netted(auditor)
        if not self.moved:
            self._what_is_apart_is_of_one_order(auditor)

    def _only_what_is_unknown_is_hidden(self, auditor: Auditor) -> None:
        store = self.oms._core.store
        told: Counter[int] = Counter()
        updated: set[int] = set()
        for number in self.unknown:
            for event in store.events(number, 0, 10_000) or ():
                if event.name == "deal_created":
                    told[event.payload["id"]] += 1
                elif event.name == "order_updated":
                    updated.add(event.payload["id"])
        known = store.orders(RowFilter((1, 2, 3)))[0]
        hidden = {order.id for order in auditor.orders} - {order.id for order in known}
        liquidations = {order.id for order in auditor.orders if order.reason == "liquidation"}
        unknown = set().union(*self.unknown.values())
        assert unknown <= hidden <= unknown | liquidations
        assert updated == {order.id for order in known}
        deals = {deal.id for deal in store.deals(RowFilter((1, 2, 3)))[0]}
        assert {deal.id for deal in auditor.deals if deal.order_id not in hidden} == deals
        assert told.keys() == deals
        assert max(told.values(), default=0) <= 1

    def _own_positions_are_netted(self, auditor: Auditor) -> None:
        for number, account in auditor.state.accounts.items():
            if number != 2:
                held = Counter(
                    (position.symbol, position.strategy_id if number == 3 else 0)
                    for position in account.positions.values()
                    if position.external is None
                )
                assert max(held.values(), default=0) <= 1

    def _what_is_apart_is_of_one_order(self, auditor: Auditor) -> None:
        external = {order.id for order in auditor.orders if order.reason == "external"}
        assert external == self.placed
        for position in auditor.positions:
            orders = {deal.order_id for deal in auditor.deals if deal.position_id == position.id}
            if position.external is None:
                assert not orders & external
            else:
                assert len(orders & external) == 1


def trade(oms: EmbeddedOms, sequence: list[Any]) -> None:
    with oms:
        trading = Trading(oms)
        for step in sequence:
            trading.perform(step)
            trading.check()
        for number in (1, 2, 3):
            trading.perform(("reconcile", number, None))
        trading.check()


@settings(max_examples=60)
@given(steps)
def test_a_reconcile_tells_of_what_was_done_past_the_oms(sequence: list[Any]) -> None:
    trade(EmbeddedOms(accounts=ACCOUNTS, clock="manual"), sequence)


@settings(max_examples=8)
@given(steps)
def test_a_file_keeps_it(sequence: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        trade(EmbeddedOms(accounts=ACCOUNTS, clock="manual", db=f"{folder}/oms.sqlite"), sequence)
        assert check(Path(folder) / "oms.sqlite") == []
