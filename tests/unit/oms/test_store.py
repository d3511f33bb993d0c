"""What every store does, asked of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.contract.commands import Side, TimeInForce
from ccxt_driver.contract.rows import LedgerKind, OrderStatus, PositionMode, PositionState
from ccxt_driver.oms.entities import (
    Account,
    ApiKey,
    Claim,
    Deal,
    Event,
    External,
    LedgerEntry,
    Order,
    Permission,
    Position,
    Principal,
    Strategy,
)
from ccxt_driver.oms.sqlite_store import SqliteStore
from ccxt_driver.oms.store import Changes, MemoryStore, RowFilter, Store, StoreError

MakeStore = Callable[[int], Store]


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStore]:
    made: list[Store] = []

    def make(keep_events: int) -> Store:
        store: Store = (
            MemoryStore(keep_events)
            if request.param == "memory"
            else SqliteStore(tmp_path / f"{len(made)}.sqlite", keep_events)
        )
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store(1000)


def order(order_id: int, account_id: int = 1, time: int = 0, **fields: object) -> Order:
    made = Order(order_id, account_id, "BTC/USDT", Side.BUY, "limit", Decimal("0.10"), time or order_id)
    made.updated_at = made.created_at
    return replace(made, **fields)  # type: ignore[arg-type]


def deal(deal_id: int, order_id: int, position_id: int = 1, account_id: int = 1) -> Deal:
    return Deal(
        deal_id, account_id, order_id, position_id, "BTC/USDT", Side.BUY, Decimal(1), Decimal(2), deal_id, 0
    )


def orders(*rows: Order) -> Changes:
    claims = [
        Claim(row.account_id, row.client_order_id, row.id, row.id, "f", row.strategy_id)
        for row in rows
        if row.client_order_id is not None
    ]
    return Changes(orders={row.id: row for row in rows}, claims=claims)


def ids(found: tuple[list[Order], int]) -> list[int]:
    return [row.id for row in found[0]]


def test_every_field_of_every_entity_survives(store: Store) -> None:
    full_order = order(
        7,
        status=OrderStatus.PARTIALLY_FILLED,
        command_id=3,
        strategy_id=2,
        position_id=4,
        previous_position_id=5,
        reason="test",
        comment="é",
        client_order_id="c7",
        exchange_order_id="x7",
        price=Decimal("0E-18"),
        stop_loss=Decimal("1.10"),
        stop_gain=Decimal("1E+3"),
        filled_qty=Decimal("0.05"),
        filled_cost=Decimal("123456789012345678901234.000000000000000001"),
        edit_replace_state="s",
        edit_replace_at=8,
        edit_replace_orphan_order_id=9,
        edit_replace_origin_order_id=10,
        updated_at=11,
        closed_at=12,
        time_in_force=TimeInForce.GTD,
        post_only=True,
        reduce_only=True,
        trigger_price=Decimal(1),
        stop_price=Decimal(2),
        take_profit_price=Decimal(3),
        trailing_amount=Decimal(4),
        trailing_percent=Decimal(5),
        reject_reason="r",
        fee=Decimal("-0.1"),
        fee_currency="USDT",
        expire_at=13,
        display_qty=Decimal(6),
        trigger_above=False,
        trail_extreme=Decimal(7),
        triggered_at=14,
        reserved=Decimal(8),
        reserved_currency="USDT",
        closes_position=True,
        params={"a": [1, "x", None]},
    )
    full_deal = replace(
        deal(1, 7),
        previous_position_id=3,
        fee=Decimal("0.001"),
        fee_currency="BNB",
        pnl=Decimal(-5),
        strategy_id=2,
        reason="stop_loss",
        comment="c",
        reconciled=False,
        exchange_trade_id="t",
        maker=True,
    )
    position = Position(
        4, 1, "BTC/USDT", Side.SELL, 5, Decimal(1), Decimal(2), Decimal(3), 4, Decimal(5), Decimal(6)
    )
    position = replace(position, state=PositionState.CLOSE_REQUESTED, comment="p", updated_at=6, closed_at=7)
    entry = LedgerEntry(1, 1, "USDT", Decimal("-1.5"), Decimal(9), LedgerKind.FEE, 5, 7)
    account = Account(1, PositionMode.HEDGE, "main", "blocked", False, {"BTC/USDT:USDT": Decimal("2.5")})
    strategy = Strategy(2, "two", "client", "active", (1, 2), (2,))
    claim = Claim(1, "c7", 7, 3, "f", 2)
    event = Event(1, 1, 5, "order_updated", {"id": 7, "qty": "0.1"}, None)
    store.commit(
        Changes(
            {7: full_order},
            [full_deal],
            {4: position},
            [entry],
            {(1, "USDT"): Decimal("1.50")},
            {1: account},
            {2: strategy},
            [claim],
            [event],
            {"next_id": 8, "prices": {"BTC/USDT": ["1", "2"]}},
        )
    )
    assert store.orders_by_id([7]) == [full_order]
    assert str(store.orders_by_id([7])[0].price) == "0E-18"
    assert store.deals_by_id([1]) == [full_deal]
    assert store.positions_by_id([4]) == [position]
    assert store.ledger(RowFilter((1,))) == ([entry], 1)
    assert store.claim(1, "c7") == claim
    assert store.events(1, 0, 10) == [event]
    live = store.load()
    assert live.open_orders == [full_order]
    assert live.open_positions == [position]
    assert live.balances == {(1, "USDT"): Decimal("1.5")}
    assert live.accounts == {1: account}
    assert live.strategies == {2: strategy}
    assert live.settings == {"next_id": 8, "prices": {"BTC/USDT": ["1", "2"]}}
    assert live.last_seq == {1: 1}


def test_orders_that_were_to_close_a_position_are_found(store: Store) -> None:
    rows = [order(1, closes_position=True), order(2), order(3, reduce_only=True)]
    rows += [order(4, status=OrderStatus.FILLED, closes_position=True), order(5, 2, closes_position=True)]
    store.commit(orders(*rows))
    assert (store.closing_orders(1), store.closing_orders(2), store.closing_orders(3)) == ({1, 4}, {5}, set())


def test_a_row_that_exists_is_replaced(store: Store) -> None:
    store.commit(orders(order(1), order(2)))
    store.commit(orders(order(1, status=OrderStatus.FILLED, filled_qty=Decimal("0.1"), updated_at=9)))
    assert ids(store.orders(RowFilter((1,)))) == [1, 2]
    assert store.orders_by_id([1])[0].status is OrderStatus.FILLED
    assert [row.id for row in store.load().open_orders] == [2]


def test_lists_are_sorted_by_time_then_id(store: Store) -> None:
    store.commit(orders(order(3, time=10), order(1, time=20), order(2, 2, time=10), order(9, time=5)))
    store.commit(orders(order(5, time=10)))
    assert ids(store.orders(RowFilter((1, 2)))) == [9, 2, 3, 5, 1]
    assert ids(store.orders(RowFilter((1, 2), descending=True, limit=2))) == [1, 5]
    assert store.orders(RowFilter((1, 2), descending=True, limit=2))[1] == 5
    assert ids(store.orders(RowFilter((1,), offset=1, limit=2))) == [3, 5]
    assert ids(store.orders(RowFilter((1,), offset=9))) == []


def test_times_are_inclusive(store: Store) -> None:
    store.commit(orders(*(order(n, updated_at=100 + n) for n in range(1, 6))))
    assert ids(store.orders(RowFilter((1,), since_ms=2, until_ms=4))) == [2, 3, 4]
    assert ids(store.orders(RowFilter((1,), dated_since=104, dated_until=105))) == [4, 5]


def test_filters_of_orders(store: Store) -> None:
    store.commit(
        orders(
            order(1, strategy_id=0, client_order_id="a"),
            order(2, strategy_id=1, symbol="ETH/USDT", position_id=6),
            order(3, strategy_id=2, status=OrderStatus.CANCELED),
            order(4, 2, client_order_id="a"),
        )
    )
    every = RowFilter((1, 2))
    assert ids(store.orders(RowFilter(()))) == []
    assert ids(store.orders(replace(every, strategy_ids=frozenset()))) == []
    assert ids(store.orders(replace(every, strategy_ids=frozenset({1, 2})))) == [2, 3]
    assert ids(store.orders(replace(every, symbol="ETH/USDT"))) == [2]
    assert ids(store.orders(replace(every, position_id=6))) == [2]
    assert ids(store.orders(replace(every, client_order_id="a"))) == [1, 4]
    assert ids(store.orders(RowFilter((2,), client_order_id="a"))) == [4]
    assert ids(store.orders(replace(every, order_id=4, client_order_id="a"))) == [4]
    assert ids(store.orders(RowFilter((1,), order_id=4))) == []
    assert ids(store.orders(replace(every, statuses=frozenset({"CANCELED"})))) == [3]
    assert ids(store.orders(replace(every, statuses=frozenset({OrderStatus.CANCELED})))) == [3]


def test_an_order_leads_to_its_deals_and_positions(store: Store) -> None:
    changes = orders(order(1, client_order_id="a"), order(2))
    changes.deals = [deal(1, 1, 5), deal(2, 1, 6), deal(3, 2, 6), deal(4, 9, 7, account_id=2)]
    changes.positions = {
        n: Position(n, 2 if n == 7 else 1, "BTC/USDT", Side.BUY, n, updated_at=n) for n in (5, 6, 7)
    }
    store.commit(changes)
    every = RowFilter((1, 2))
    assert [row.id for row in store.deals(replace(every, client_order_id="a"))[0]] == [1, 2]
    assert [row.id for row in store.deals(replace(every, order_id=2))[0]] == [3]
    assert [row.id for row in store.deals(replace(every, position_id=6))[0]] == [2, 3]
    assert [row.id for row in store.deals(replace(every, position_id=6, client_order_id="a"))[0]] == [2]
    assert [row.id for row in store.positions(replace(every, client_order_id="a"))[0]] == [5, 6]
    assert [row.id for row in store.positions(RowFilter((1,), order_id=9))[0]] == []
    assert [row.id for row in store.positions(RowFilter((2,), order_id=9))[0]] == [7]


def test_the_ledger_is_filtered_by_currency_and_kind(store: Store) -> None:
    rows = [
        LedgerEntry(1, 1, "USDT", Decimal(1), Decimal(1), LedgerKind.DEAL, 1),
        LedgerEntry(2, 1, "BTC", Decimal(1), Decimal(1), LedgerKind.DEAL, 2),
        LedgerEntry(3, 1, "USDT", Decimal(1), Decimal(2), LedgerKind.FEE, 3),
    ]
    store.commit(Changes(ledger=rows))
    assert store.ledger(RowFilter((1,), currency="USDT")) == ([rows[0], rows[2]], 2)
    assert store.ledger(RowFilter((1,), currency="USDT", kind="fee")) == ([rows[2]], 1)
    assert store.ledger(RowFilter((1,), currency="XRP")) == ([], 0)
    assert store.ledger(RowFilter((1,), kind="gift")) == ([], 0)


def test_the_ledger_is_filtered_by_what_its_rows_belong_to(store: Store) -> None:
    one = Decimal(1)
    deals = [
        Deal(1, 1, 7, 4, "BTC/USDT", Side.BUY, one, one, 1, 1, strategy_id=1),
        Deal(2, 1, 8, 5, "ETH/USDT", Side.BUY, one, one, 1, 1, strategy_id=2, external=External.UNKNOWN),
    ]
    positions = [
        Position(1, 1, "SOL/USDT", Side.BUY, 1, one, strategy_id=3),
        Position(4, 1, "BTC/USDT", Side.BUY, 1, one, strategy_id=1),
    ]
    rows = [
        LedgerEntry(number, 1, "USDT", one, one, kind, number, reference)
        for number, kind, reference in (
            (1, LedgerKind.DEPOSIT, None),
            (2, LedgerKind.DEAL, 1),
            (3, LedgerKind.FEE, 1),
            (4, LedgerKind.FUNDING, 1),  # of the position, not of the deal
            (5, LedgerKind.FUNDING, 4),
            (6, LedgerKind.DEAL, 2),
            (7, LedgerKind.LIQUIDATION, 2),
        )
    ]
    changes = orders(order(7, client_order_id="seven"), order(8))
    changes.deals, changes.ledger = deals, rows
    changes.positions = {row.id: row for row in positions}
    store.commit(changes)

    def found(**wanted: object) -> list[int]:
        filtered, total = store.ledger(RowFilter((1,), **wanted))  # type: ignore[arg-type]
        assert total == len(filtered)
        return [row.id for row in filtered]

    assert found() == [1, 2, 3, 4, 5, 6, 7]
    assert found(symbol="BTC/USDT") == [2, 3, 5]
    assert found(symbol="SOL/USDT") == [4]
    assert found(strategy_ids=frozenset((2,))) == [6, 7]
    assert found(strategy_ids=frozenset()) == []
    assert found(position_id=4) == [2, 3, 5]
    assert found(order_id=7) == found(client_order_id="seven") == [2, 3]
    assert found(order_id=7, symbol="ETH/USDT") == []
    assert found(symbol="BTC/USDT", kind="funding", since_ms=5) == [5]
    assert found(symbol="BTC/USDT", dated_until=2) == [2]
    assert [
        row.id for row in store.ledger(RowFilter((1,), symbol="BTC/USDT", limit=1, descending=True))[0]
    ] == [5]
    assert store.ledger(RowFilter((2,), symbol="BTC/USDT")) == ([], 0)


def test_the_ledger_is_sorted_and_exact(store: Store) -> None:
    rows = {
        number: LedgerEntry(number, account, "USDT", Decimal(text), Decimal("0.10"), LedgerKind.FEE, at, ref)
        for number, account, at, text, ref in (
            (1, 1, 5, "-0.10", None),
            (2, 2, 5, "0E-18", 0),
            (3, 1, 4, "123456789012345678901234567890.000000000000000000000000000001", 7),
            (4, 1, 4, "-0", 2),
            (5, 2, 6, "1", 3),
        )
    }
    store.commit(Changes(ledger=[*rows.values()]))
    found, total = store.ledger(RowFilter((2, 1)))
    assert ([row.id for row in found], total) == ([3, 4, 1, 2, 5], 5)
    assert {row.id: str(row.amount) for row in found} == {
        number: str(row.amount) for number, row in rows.items()
    }
    assert found == [rows[number] for number in (3, 4, 1, 2, 5)]
    assert [row.id for row in store.ledger(RowFilter((1, 2), since_ms=5, dated_until=5))[0]] == [1, 2]
    assert [row.id for row in store.ledger(RowFilter((1,), until_ms=4, dated_since=4))[0]] == [3, 4]
    assert store.ledger_by_id([5, 3, 9, 1]) == [rows[5], rows[3], rows[1]]


@pytest.mark.parametrize(
    "offset, limit, expected",
    [(0, 2, [3, 2]), (0, None, [3, 2, 1]), (2, 2, [1]), (3, 2, []), (9, None, []), (1, 0, [])],
)
def test_pages_of_a_list_that_descends(
    store: Store, offset: int, limit: int | None, expected: list[int]
) -> None:
    entries = [
        LedgerEntry(number, 1, "USDT", Decimal(1), Decimal(1), LedgerKind.FEE, number) for number in (1, 2, 3)
    ]
    store.commit(Changes(orders={number: order(number) for number in (1, 2, 3)}, ledger=entries))
    wanted = RowFilter((1,), descending=True, offset=offset, limit=limit)
    assert [row.id for row in store.orders(wanted)[0]] == expected
    assert [row.id for row in store.ledger(wanted)[0]] == expected
    assert store.ledger(wanted)[1] == 3


def test_by_id_keeps_the_order_asked_and_skips_the_unknown(store: Store) -> None:
    store.commit(orders(*(order(n) for n in range(1, 5))))
    assert [row.id for row in store.orders_by_id([4, 99, 1])] == [4, 1]


def test_all_ids_of_an_account_are_listed_and_lead_to_the_rows(store: Store) -> None:
    entries = [
        LedgerEntry(
            number, 2 if number == 2 else 1, "USDT", Decimal(1), Decimal(1), LedgerKind.DEAL, 9 - number
        )
        for number in range(1, 5)
    ]
    store.commit(Changes(orders={3: order(3), 5: order(5, account_id=2)}, deals=[deal(8, 3)], ledger=entries))
    assert [[*store.ids(kind, 1)] for kind in ("orders", "deals", "positions", "ledger")] == [
        [3],
        [8],
        [],
        [1, 3, 4],
    ]
    assert store.ledger_by_id([4, 99, 1]) == [entries[3], entries[0]]
    assert [*store.ids("orders", 7)] == []


def test_a_client_order_id_is_claimed_once_and_a_refused_commit_writes_nothing(store: Store) -> None:
    store.commit(Changes(claims=[Claim(1, "a", 1, 1, "f", 0)]))
    store.commit(Changes(claims=[Claim(2, "a", 2, 2, "f", 0)]))
    with pytest.raises(StoreError):
        store.commit(
            Changes(
                orders={3: order(3)},
                claims=[Claim(1, "b", 3, 3, "g", 0), Claim(1, "a", 3, 3, "g", 0)],
                events=[Event(1, 1, 0, "order_updated", {}, 0)],
                settings={"x": 1},
            )
        )
    claimed = store.claim(1, "a")
    assert claimed is not None
    assert claimed.order_id == 1
    assert store.claim(1, "b") is None
    assert store.orders(RowFilter((1,))) == ([], 0)
    assert store.events(1, 0, 10) == []
    assert store.load().settings == {}
    store.commit(Changes(events=[Event(1, 1, 0, "order_updated", {}, 0)]))


def test_one_commit_cannot_claim_a_client_order_id_twice(store: Store) -> None:
    with pytest.raises(StoreError):
        store.commit(Changes(claims=[Claim(1, "a", 1, 1, "f", 0), Claim(1, "a", 2, 2, "f", 0)]))
    assert store.claim(1, "a") is None


def events(account_id: int, first: int, last: int) -> list[Event]:
    return [Event(account_id, seq, seq, "order_updated", {"n": seq}, 0) for seq in range(first, last + 1)]


def test_events_follow_each_other_by_account(store: Store) -> None:
    store.commit(Changes(events=[*events(1, 1, 3), *events(2, 1, 1)]))
    with pytest.raises(StoreError, match="event 6 of account 1 should be 4"):
        store.commit(Changes(events=events(1, 6, 6)))
    with pytest.raises(StoreError):
        store.commit(Changes(events=[*events(1, 4, 4), *events(1, 4, 4)]))
    store.commit(Changes(events=events(1, 4, 5)))
    assert store.events(1, 2, 2) == events(1, 3, 4)
    assert store.events(1, 5, 10) == []
    assert store.events(2, 0, 10) == events(2, 1, 1)
    assert store.load().last_seq == {1: 5, 2: 1}


def test_a_cursor_that_cannot_be_continued_is_told(make_store: MakeStore) -> None:
    store = make_store(300)
    for first in range(1, 1001, 10):
        store.commit(Changes(events=events(1, first, first + 9)))
    assert store.events(1, 699, 10) is None
    assert store.events(1, 700, 2) == events(1, 701, 702)
    assert store.events(1, 1000, 2) == []
    assert store.events(1, 1001, 2) is None, "a cursor ahead of the last event is of another history"
    assert store.events(2, 0, 2) == []
    assert store.events(2, 1, 2) is None
    assert store.load().last_seq == {1: 1000}


def key(digest: str, **fields: object) -> ApiKey:
    return replace(ApiKey(0, digest, "trader", Principal(), 5), **fields)  # type: ignore[arg-type]


def test_keys_get_ids_of_their_own_and_a_disabled_one_stays_so(store: Store) -> None:
    first = store.add_api_key(key("aa"))
    may = Permission(read=True, trade=False, close=True, risk=False)
    limited = Principal(accounts={3: may}, strategies=frozenset({1, 2}), on_all=Permission())
    second = store.add_api_key(key("bb", principal=limited, label="bot"))
    assert (first.id, second.id) == (1, 2)
    assert second.principal == replace(limited, key_id=2)
    assert store.api_keys() == [first, second]
    assert store.api_key_by_digest("bb") == second
    assert store.api_key_by_digest("cc") is None
    store.put_api_key(replace(first, digest="dd", disabled_at=9))
    store.put_api_key(replace(first, digest="dd"))
    assert store.api_key_by_digest("aa") is None
    assert store.api_key_by_digest("dd") == replace(first, digest="dd", disabled_at=9)
    with pytest.raises(StoreError):
        store.put_api_key(key("ee", id=77))


@pytest.mark.parametrize(
    "statuses", [None, frozenset({OrderStatus.FILLED}), frozenset({OrderStatus.REJECTED})]
)
def test_a_page_in_memory_is_found_without_a_look_at_all_rows(statuses: Any) -> None:
    class Rows(dict[int, Any]):
        reads = 0

        def __getitem__(self, row_id: int) -> Any:
            self.reads += 1
            return super().__getitem__(row_id)

    store = MemoryStore()
    for number in range(1, 301):
        row = Order(number, 1, "BTC/USDT", Side.BUY, "limit", Decimal(1), number, status=OrderStatus.FILLED)
        store.commit(Changes(orders={number: row}))
    store._orders.rows = rows = Rows(store._orders.rows)
    wanted = RowFilter((1,), symbol="BTC/USDT", since_ms=0, statuses=statuses, descending=True, limit=3)
    found, total = store.orders(wanted)
    newest = [] if statuses == {OrderStatus.REJECTED} else [300, 299, 298]
    assert ([row.id for row in found], total) == (newest, 300 if newest else 0)
    assert rows.reads == len(newest)
