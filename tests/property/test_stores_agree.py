"""Both stores give the same answers to the same changes and questions."""

from __future__ import annotations

import tempfile
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import LedgerKind, OrderStatus, PositionState
from ccxt_driver.oms.entities import Claim, Deal, Event, External, LedgerEntry, Order, Position
from ccxt_driver.oms.sqlite_store import SqliteStore
from ccxt_driver.oms.store import Changes, MemoryStore, RowFilter, RowKind, Store

KEEP_EVENTS = 5

accounts = st.integers(1, 2)
row_ids = st.integers(1, 12)
times = st.integers(0, 20)
small = st.integers(0, 3)
externals = st.sampled_from([None, None, *External])
symbols = st.sampled_from(["BTC/USDT", "ETH/USDT"])
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9)


def account_of(row_id: int) -> int:
    """Account and time of a row never change, so they follow from its id."""
    return 1 + row_id % 2


def time_of(row_id: int) -> int:
    return row_id * 7 % 10


@st.composite
def order_rows(draw: st.DrawFn) -> Order:
    row_id = draw(row_ids)
    return Order(
        row_id,
        account_of(row_id),
        draw(symbols),
        Side.BUY,
        "limit",
        draw(decimals),
        time_of(row_id),
        status=draw(st.sampled_from(OrderStatus)),
        strategy_id=draw(small),
        position_id=draw(row_ids),
        client_order_id=f"c{row_id}" if row_id % 3 else None,
        price=draw(st.none() | decimals),
        updated_at=draw(times),
        external=draw(externals),
    )


@st.composite
def deal_rows(draw: st.DrawFn) -> Deal:
    row_id = draw(row_ids)
    order_id = 1 + row_id * 5 % 12
    return Deal(
        row_id,
        account_of(row_id),
        order_id,
        draw(row_ids),
        draw(symbols),
        Side.SELL,
        draw(decimals),
        draw(decimals),
        time_of(row_id),
        draw(times),
        strategy_id=draw(small),
        external=draw(externals),
    )


@st.composite
def position_rows(draw: st.DrawFn) -> Position:
    row_id = draw(row_ids)
    return Position(
        row_id,
        account_of(row_id),
        draw(symbols),
        Side.BUY,
        time_of(row_id),
        draw(decimals),
        strategy_id=draw(small),
        state=draw(st.sampled_from(PositionState)),
        updated_at=draw(times),
        external=draw(externals),
    )


@st.composite
def ledger_rows(draw: st.DrawFn) -> LedgerEntry:
    row_id = draw(row_ids)
    kind = draw(st.sampled_from(LedgerKind))
    currency = draw(st.sampled_from(["USDT", "BTC"]))
    return LedgerEntry(
        row_id,
        account_of(row_id),
        currency,
        draw(decimals),
        draw(decimals),
        kind,
        time_of(row_id),
        draw(st.none() | row_ids),
    )


filters = st.builds(
    RowFilter,
    account_ids=st.lists(accounts, max_size=3).map(tuple),
    strategy_ids=st.none() | st.frozensets(small, max_size=2),
    symbol=st.none() | symbols,
    since_ms=st.none() | times,
    until_ms=st.none() | times,
    dated_since=st.none() | times,
    dated_until=st.none() | times,
    client_order_id=st.none() | row_ids.map("c{}".format),
    order_id=st.none() | row_ids,
    position_id=st.none() | row_ids,
    statuses=st.none() | st.frozensets(st.sampled_from([*OrderStatus, *PositionState]), max_size=4),
    currency=st.none() | st.sampled_from(["USDT", "BTC"]),
    kind=st.none() | st.sampled_from(LedgerKind),
    known=st.none() | st.booleans(),
    descending=st.booleans(),
    offset=small,
    limit=st.none() | small,
)

counted = st.builds(
    RowFilter,
    account_ids=st.lists(accounts, max_size=3).map(tuple),
    strategy_ids=st.none() | st.frozensets(small, max_size=2),
    symbol=st.none() | symbols,
    since_ms=st.none() | st.just(0) | times,
    statuses=st.none() | st.frozensets(st.sampled_from([*OrderStatus, *PositionState]), max_size=4),
    currency=st.none() | st.sampled_from(["USDT", "BTC"]),
    kind=st.none() | st.sampled_from(LedgerKind),
    descending=st.booleans(),
    offset=small,
    limit=st.none() | small,
)
"""Lists of which a file keeps the length."""


@st.composite
def histories(draw: st.DrawFn) -> list[Changes]:
    """Some commits, with their events numbered and their client order ids claimed."""
    made = []
    seqs = {1: 0, 2: 0}
    claimed: set[str] = set()
    for _ in range(draw(st.integers(0, 4))):
        changes = Changes(
            orders={row.id: row for row in draw(st.lists(order_rows(), max_size=6))},
            deals=draw(st.lists(deal_rows(), max_size=6, unique_by=lambda row: row.id)),
            positions={row.id: row for row in draw(st.lists(position_rows(), max_size=4))},
            ledger=draw(st.lists(ledger_rows(), max_size=4, unique_by=lambda row: row.id)),
            balances=draw(
                st.dictionaries(st.tuples(accounts, st.sampled_from(["USDT", "BTC"])), decimals, max_size=3)
            ),
            settings=draw(st.dictionaries(st.sampled_from(["a", "b"]), small | st.text(), max_size=2)),
        )
        for row in changes.orders.values():
            name = row.client_order_id
            if name is not None and name not in claimed:
                claimed.add(name)
                changes.claims.append(Claim(row.account_id, name, row.id, row.id, "f", row.strategy_id))
        for account_id in draw(st.lists(accounts, max_size=6)):
            seqs[account_id] += 1
            changes.events.append(Event(account_id, seqs[account_id], 0, "order_updated", {"n": 1}, None))
        made.append(changes)
    return made


def same_answers(one: Store, other: Store, questions: list[RowFilter]) -> None:
    for wanted in questions:
        assert one.orders(wanted) == other.orders(wanted)
        assert one.deals(wanted) == other.deals(wanted)
        assert one.positions(wanted) == other.positions(wanted)
        assert one.ledger(wanted) == other.ledger(wanted)
    every = list(range(13))
    assert one.orders_by_id(every) == other.orders_by_id(every)
    assert one.deals_by_id(every) == other.deals_by_id(every)
    assert one.positions_by_id(every) == other.positions_by_id(every)
    assert one.ledger_by_id(every) == other.ledger_by_id(every)
    for account_id in (1, 2):
        for kind in get_args(RowKind):
            assert one.ids(kind, account_id) == other.ids(kind, account_id)
        for seq in range(30):
            assert one.events(account_id, seq, 3) == other.events(account_id, seq, 3)
        for name in map("c{}".format, every):
            assert one.claim(account_id, name) == other.claim(account_id, name)
    assert one.load() == other.load()


@settings(max_examples=60)
@given(histories(), st.lists(filters | counted, min_size=1, max_size=12))
def test_memory_and_sqlite_give_the_same_answers(history: list[Changes], questions: list[RowFilter]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory = MemoryStore(KEEP_EVENTS)
        sqlite = SqliteStore(Path(folder) / "oms.sqlite", KEEP_EVENTS)
        try:
            for changes in history:
                memory.commit(deepcopy(changes))
                sqlite.commit(changes)
            same_answers(memory, sqlite, [RowFilter((1, 2)), *questions])
            sqlite.close()
            sqlite = SqliteStore(Path(folder) / "oms.sqlite", KEEP_EVENTS)
            same_answers(memory, sqlite, [replace(wanted, limit=None) for wanted in questions])
        finally:
            sqlite.close()


def test_a_wrong_answer_would_be_seen(tmp_path: Path) -> None:
    """The comparison itself: two stores of different content are told apart."""
    row = Order(1, 1, "BTC/USDT", Side.BUY, "limit", Decimal(1), 1)
    memory, sqlite = MemoryStore(), SqliteStore(tmp_path / "oms.sqlite")
    memory.commit(Changes(orders={1: row}))
    sqlite.commit(Changes(orders={1: replace(row, qty=Decimal(2))}))
    try:
        same_answers(memory, sqlite, [RowFilter((1,))])
    except AssertionError:
        told = True
    else:
        told = False
    sqlite.close()
    assert told
