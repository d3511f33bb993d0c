"""What a read says beside what was handed on: single cases; whole lives are in the property tests."""

from __future__ import annotations

from typing import Any

import pytest

from ccxt_driver.exchange.streams.changes import Change, Kind
from ccxt_driver.exchange.streams.differences import Fresh, KnownState, differences
from ccxt_driver.mappers.values import BadRow

NOON, LATER = "2026-01-01T12:00:00.000Z", "2026-01-01T12:00:01.000Z"
NOON_MS = 1_767_268_800_000


def order(**columns: Any) -> dict[str, Any]:
    row = {"id": 1, "account_id": 1, "symbol": "BTC/USDT", "side": "buy", "order_type": "limit"}
    row |= {"status": "SUBMITTED", "qty": "2", "price": "90", "filled_qty": "0", "avg_fill_price": None}
    return row | {"created_at": NOON, "updated_at": NOON, "exchange_order_id": "x1"} | columns


def deal(**columns: Any) -> dict[str, Any]:
    row = {"id": 7, "account_id": 1, "order_id": 1, "symbol": "BTC/USDT", "qty": "1", "executed_at": NOON}
    return row | columns


def position(**columns: Any) -> dict[str, Any]:
    row = {"id": 5, "account_id": 1, "symbol": "BTC/USDT", "side": "buy", "qty": "1", "avg_price": "90"}
    return row | {"state": "open", "opened_at": NOON, "updated_at": NOON} | columns


def balance(**columns: Any) -> dict[str, Any]:
    return {"account_id": 1, "currency": "USDT", "free": "90", "used": "10", "total": "100"} | columns


def knowing(*rows: dict[str, Any], kind: Kind = Kind.ORDER) -> KnownState:
    """Make a state to which rows were handed on."""
    known = KnownState(1)
    known.take(Change(kind, 1, 0, row.get("symbol"), None, None, row) for row in rows)
    return known


def told(known: KnownState, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """What is new about orders."""
    return [change.row for change in differences(known, Fresh(rows))]


# -- orders


@pytest.mark.parametrize(
    "columns",
    [
        {"updated_at": LATER, "qty": "2.000000000000000000", "filled_qty": "0E-18", "avg_fill_price": "0"},
        {"status": "PENDING_SUBMIT"},
        {"strategy_id": 0, "stop_loss": "0E-18", "position_id": 3, "command_id": 9},
        {"venue_order": {"id": "x1"}, "gateway_row": {}},
    ],
    ids=["how numbers are written", "both are open", "absent and zero", "where it was read"],
)
def test_what_nobody_sees_is_no_change(columns: dict[str, Any]) -> None:
    assert told(knowing(order()), order(**columns)) == []


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "CANCELED"},
        {"price": "91"},
        {"qty": "3"},
        {"filled_qty": "1", "status": "PARTIALLY_FILLED"},
        {"avg_fill_price": "89.5"},
        {"strategy_id": 2},
        {"stop_loss": "80"},
        {"post_only": True},
    ],
)
def test_what_somebody_sees_is_a_change(columns: dict[str, Any]) -> None:
    fresh = order(updated_at=LATER, **columns)
    assert told(knowing(order()), fresh) == [fresh]


def test_what_one_source_does_not_tell_stays_known() -> None:
    known = knowing(order(post_only=True, trigger_price="95", fee="0.1", fee_currency="USDT"))
    assert told(known, order()) == []
    [row] = told(known, order(status="CANCELED"))
    assert (row["post_only"], row["trigger_price"], row["fee"]) == (True, "95", "0.1")


def test_a_fill_that_is_told_after_the_end() -> None:
    known = knowing(order(status="CANCELED", filled_qty="0.5"))
    [row] = told(known, order(status="CANCELED", filled_qty="1"))
    assert row["filled_qty"] == "1"
    [row] = told(known, order(status="PARTIALLY_FILLED", filled_qty="1"))
    assert (row["status"], row["filled_qty"]) == ("CANCELED", "1"), "it stays ended"


def test_what_has_filled_stays_when_an_older_word_ends_the_order() -> None:
    known = knowing(order(status="PARTIALLY_FILLED", filled_qty="1", avg_fill_price="90"))
    [row] = told(known, order(status="CANCELED"))
    assert (row["status"], row["filled_qty"], row["avg_fill_price"]) == ("CANCELED", "1", "90")


def test_an_order_that_was_taken_for_rejected_lives_when_the_venue_shows_it() -> None:
    known = knowing(order(status="REJECTED"))
    assert told(known, order(updated_at=LATER)) == []
    assert [row["status"] for row in told(known, order(venue_order={"status": "open"}))] == ["SUBMITTED"]


def test_an_order_that_is_replaced_under_its_id_lives_on() -> None:
    known = knowing(order(status="CANCELED"))
    replaced = {"exchange_order_id": "x2", "edit_replace_at": LATER, "updated_at": LATER, "price": "91"}
    assert [row["price"] for row in told(known, order(**replaced))] == ["91"]
    assert told(known, order(**{**replaced, "exchange_order_id": "x1"})) == []
    assert told(known, order(**{**replaced, "edit_replace_at": None})) == []


def test_an_order_that_ended_before_we_looked_is_open_only_by_the_venues_word() -> None:
    known = KnownState(1)
    known.note_ended(1)
    assert told(known, order()) == []
    assert len(told(known, order(venue_order={"status": "open"}))) == 1


def test_two_rows_of_one_order_make_one_change() -> None:
    rows = order(status="PARTIALLY_FILLED", filled_qty="1"), order(status="FILLED", filled_qty="2")
    assert told(KnownState(1), *rows) == [rows[1]]
    assert told(KnownState(1), *rows[::-1]) == [rows[1]]


# -- the order of things


def test_a_batch_is_told_as_it_may_have_happened() -> None:
    fresh = Fresh(
        [
            order(id=2, status="FILLED", filled_qty="1"),
            order(id=3),
            order(status="CANCELED", updated_at=LATER),
        ],
        [deal(id=9), deal(id=8, executed_at=LATER), deal(id=7)],
        [position()],
        [balance()],
    )
    found = [
        (change.kind.value, change.row.get("id"), change.ts_ms)
        for change in differences(knowing(order()), fresh)
    ]
    assert found == [
        ("order", 3, NOON_MS),
        ("trade", 7, NOON_MS),
        ("trade", 9, NOON_MS),
        ("trade", 8, NOON_MS + 1000),
        ("order", 2, NOON_MS),
        ("order", 1, NOON_MS + 1000),
        ("position", 5, NOON_MS),
        ("balance", None, None),
    ]


def test_times_without_a_zone_are_of_the_gateways() -> None:
    [change] = differences(KnownState(1), Fresh([order(created_at="2026-01-01T14:00:00")]), 7_200_000)
    assert change.ts_ms == NOON_MS


def test_a_row_that_is_none_is_refused() -> None:
    with pytest.raises(BadRow, match="filled_qty"):
        differences(KnownState(1), Fresh([order(filled_qty="much")]))


# -- deals and orders together


def test_an_order_that_has_filled_more_than_its_deals_lacks_some() -> None:
    known = knowing(order())
    half = order(status="PARTIALLY_FILLED", filled_qty="1")
    assert known.lacking(Fresh([half])) == [half]
    assert known.lacking(Fresh([half], [deal()])) == []
    known.take(differences(known, Fresh([half], [deal()])))
    assert known.lacking(Fresh([half])) == []
    whole = order(status="FILLED", filled_qty="2")
    assert known.lacking(Fresh([whole], [deal()])) == [whole], "that deal was counted before"


def test_what_had_filled_before_we_looked_lacks_nothing() -> None:
    known = knowing(order(status="PARTIALLY_FILLED", filled_qty="1"))
    assert known.lacking(Fresh([order(status="PARTIALLY_FILLED", filled_qty="1")])) == []
    known.note_ended(4)
    assert known.lacking(Fresh([order(id=4, status="FILLED", filled_qty="2")])) == []


def test_an_order_that_was_read_before_its_deals_is_overtaken() -> None:
    known = knowing(order())
    assert known.overtaken(Fresh([order()], [deal()])) == [1]
    assert known.overtaken(Fresh([order(filled_qty="1")], [deal(), deal()])) == []
    assert known.overtaken(Fresh([], [deal(order_id=33)])) == [33], "nobody has heard of it"
    assert known.overtaken(Fresh([], [deal(order_id=None)])) == [], "a deal of no order"


# -- positions and balances


def test_a_position_moves_by_what_it_is_and_not_by_the_market() -> None:
    known = knowing(position(), kind=Kind.POSITION)
    market = {"mark_price": "99", "unrealized_pnl": "9", "margin": "4", "liquidation_price": "50"}
    quiet = Fresh((), (), [position(**market, state="close_requested")])
    assert differences(known, quiet) == []
    moved = position(qty="2", updated_at=LATER)
    assert [change.row for change in differences(known, Fresh((), (), [moved]))] == [moved]


def test_a_position_that_has_closed_stays_closed() -> None:
    known = knowing(position(), kind=Kind.POSITION)
    known.take(differences(known, Fresh((), (), [position(state="closed", qty="0")])))
    assert known.positions == {}
    assert differences(known, Fresh((), (), [position(updated_at=LATER)])) == []


def test_a_balance_moves_by_its_amounts() -> None:
    known = knowing(balance(), kind=Kind.BALANCE)
    assert differences(known, Fresh((), (), (), [balance(free="90.0")])) == []
    changed = balance(free="80", used="20")
    nothing = balance(currency="ETH", free="0", used="0", total="0")
    assert [change.row for change in differences(known, Fresh((), (), (), [changed, nothing]))] == [changed]


# -- what is remembered


def test_what_is_forgotten_is_not_new_again() -> None:
    known = KnownState(1, most=3)
    rows = [order(id=each, status="CANCELED") for each in range(1, 7)]
    known.take(differences(known, Fresh(rows, [deal(id=each) for each in range(1, 7)])))
    assert all(known.knows(Kind.ORDER, each) and known.knows(Kind.TRADE, each) for each in range(1, 7))
    assert not known.knows(Kind.ORDER, 7)
    assert len(known._ended) == len(known._deals) == 3
    assert len(known._dealt) <= 3


def test_deals_of_orders_that_nobody_follows_leave_nothing_behind() -> None:
    known = KnownState(1)
    known.take(differences(known, Fresh((), [deal(order_id=each, id=each) for each in range(1, 9)])))
    assert known._dealt == {}


# -- what moves to another strategy


@pytest.mark.parametrize(
    "kind, row, ended",
    [
        (Kind.ORDER, order(strategy_id=1), {"status": "CANCELED"}),
        (Kind.POSITION, position(strategy_id=1), {"state": "closed", "qty": "0"}),
    ],
    ids=["order", "position"],
)
def test_what_becomes_another_strategys_has_ended_to_its_own(
    kind: Kind, row: dict[str, Any], ended: dict[str, Any]
) -> None:
    known = knowing(row, kind=kind)
    now = row | {"strategy_id": 2, "updated_at": LATER}
    fresh = Fresh(orders=(now,)) if kind is Kind.ORDER else Fresh(positions=(now,))
    changes = differences(known, fresh)
    assert [(change.strategy_id, change.row, change.leaves) for change in changes] == [
        (1, row | ended | {"reassigned_to": 2}, True),
        (2, now, False),
    ]
    known.take(changes)
    assert not (known.has_ended(row["id"]) if kind is Kind.ORDER else known.is_closed(row["id"]))
    assert differences(known, fresh) == []
    assert [change.row for change in differences(known, _ended(kind, now))] == [now | ended]


@pytest.mark.parametrize("kind", [Kind.ORDER, Kind.POSITION])
def test_what_has_ended_since_it_became_another_strategys_has_ended_to_both(kind: Kind) -> None:
    row = order(strategy_id=1) if kind is Kind.ORDER else position(strategy_id=1)
    changes = differences(knowing(row, kind=kind), _ended(kind, row | {"strategy_id": 2}))
    assert [(change.strategy_id, change.leaves) for change in changes] == [(1, True), (2, False)]


def _ended(kind: Kind, row: dict[str, Any]) -> Fresh:
    if kind is Kind.ORDER:
        return Fresh(orders=(row | {"status": "CANCELED"},))
    return Fresh(positions=(row | {"state": "closed", "qty": "0"},))


def test_a_row_that_does_not_say_whose_it_is_takes_it_from_nobody() -> None:
    known = knowing(order(strategy_id=1))
    silent = order(updated_at=LATER, price="91")
    assert not any(change.leaves for change in differences(known, Fresh((silent,))))
