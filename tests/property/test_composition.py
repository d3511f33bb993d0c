"""Whatever a gateway's rows and a venue's orders say, what is composed of them loses and doubles nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ccxt_driver.contract.rows import DealRow, OrderRow
from ccxt_driver.contract.values import format_decimal, parse_decimal
from ccxt_driver.exchange.server_truth import ServerTruth, matched, youngest_age
from ccxt_driver.mappers.composition import composed_deal, composed_order, finish_order, never_arrived
from ccxt_driver.mappers.order import order_from_row
from ccxt_driver.mappers.trade import trade_from_row
from ccxt_driver.mappers.values import in_usual_context
from tests.helpers.oms_rows import deal_row, order_row
from tests.helpers.row_strategies import rows

pytestmark = pytest.mark.oldest

PLAIN_CCXT = ccxt.Exchange()
ORDER_KEYS, TRADE_KEYS = set(PLAIN_CCXT.safe_order({})), set(PLAIN_CCXT.safe_trade({}))
QUARTER_MS = 900_000
NOW_MS = 1_795_140_332_123

AMOUNTS = st.decimals(0, 10**6, places=12, allow_nan=False)
NUMBERS = st.one_of(
    st.none(), st.floats(0, 1e9, allow_nan=False), st.integers(0, 10**9), AMOUNTS.map(format_decimal)
)
STATUSES = st.sampled_from(["open", "closed", "canceled", "expired", "rejected", "canceling", None])
TIMES = st.one_of(st.none(), st.integers(10**12, 4 * 10**12), st.sampled_from([0, -1, 10**18]))
TEXTS = st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["market", "limit", "GTC", "mine"]))
FEES = st.one_of(
    st.none(),
    st.fixed_dictionaries({}, optional={"cost": NUMBERS, "currency": st.sampled_from(["USDT", "BNB", None])}),
)
VENUE_ORDERS = st.fixed_dictionaries(
    {"id": st.text(min_size=1, max_size=8)},
    optional={
        "clientOrderId": TEXTS,
        "status": STATUSES,
        **dict.fromkeys(("amount", "filled", "remaining", "average", "price", "cost"), NUMBERS),
        **dict.fromkeys(("triggerPrice", "stopLossPrice", "takeProfitPrice"), NUMBERS),
        **dict.fromkeys(("timestamp", "lastTradeTimestamp", "lastUpdateTimestamp"), TIMES),
        **dict.fromkeys(("type", "timeInForce", "side", "symbol"), TEXTS),
        **dict.fromkeys(("postOnly", "reduceOnly"), st.sampled_from([None, True, False])),
        "fee": FEES,
        "fees": st.one_of(st.none(), st.lists(FEES, max_size=3)),
        "trades": st.one_of(st.none(), st.just([])),
    },
)
SOURCES = st.tuples(AMOUNTS, AMOUNTS, AMOUNTS, st.lists(AMOUNTS, max_size=4))


def compose(row: Any, venue_order: Any, deals: Any = ()) -> dict[str, Any]:
    composed: dict[str, Any] = in_usual_context(composed_order, row, venue_order, deals)
    return composed


@given(row=rows(OrderRow), venue_order=st.one_of(st.none(), VENUE_ORDERS))
@example(row=order_row(), venue_order={"id": "x", "status": "canceled", "lastTradeTimestamp": 10**18})
@example(row=order_row(), venue_order={"id": "x", "fee": {"cost": 5.551115123125783e-17, "currency": "BTC"}})
def test_any_row_and_any_order_of_a_venue_make_a_whole_order(row: Any, venue_order: Any) -> None:
    before = dict(row)
    composed = compose(row, venue_order)
    order = in_usual_context(order_from_row, composed, float)
    finish_order(order, composed["venue_order"] or {}, float)

    assert set(order) >= ORDER_KEYS
    assert order["status"] in ("open", "closed", "canceled", "expired", "rejected")
    for key in ("timestamp", "lastTradeTimestamp", "lastUpdateTimestamp"):
        assert order[key] is None or type(order[key]) is int
    for key in ("amount", "filled", "remaining"):
        assert type(order[key]) is float
    for key in ("price", "average", "cost", "triggerPrice", "stopLossPrice", "takeProfitPrice"):
        assert order[key] is None or type(order[key]) is float
    for fee in order["fees"]:
        assert set(fee) == {"currency", "cost", "rate"}
    assert row == before
    assert composed["gateway_row"] == row


@given(
    sources=SOURCES,
    row_status=st.sampled_from(["PENDING_SUBMIT", "SUBMITTED", "PARTIALLY_FILLED", "FILLED", "CANCELED"]),
    status=STATUSES,
)
def test_no_source_says_more_than_was_composed(sources: Any, row_status: str, status: Any) -> None:
    quantity, in_row, at_venue, deals = sources
    row = order_row(status=row_status, qty=format_decimal(quantity), filled_qty=format_decimal(in_row))
    venue_order = {"id": "x1", "status": status, "filled": format_decimal(at_venue)}
    composed = compose(row, venue_order, [deal_row(qty=format_decimal(deal)) for deal in deals])

    filled = parse_decimal(composed["filled_qty"])
    assert filled == max(in_row, at_venue, sum(deals, Decimal(0))), "exact, to the last digit"
    order = order_from_row(composed, lambda value: value)
    assert order["filled"] == filled
    assert order["remaining"] == max(quantity - filled, Decimal(0))


@given(sources=SOURCES, row_status=st.sampled_from(["SUBMITTED", "FILLED", "CANCELED"]), status=STATUSES)
def test_the_status_follows_the_venue(sources: Any, row_status: str, status: Any) -> None:
    quantity, _, at_venue, _ = sources
    row = order_row(status=row_status, qty=format_decimal(quantity), filled_qty="0")
    composed = compose(row, {"id": "x1", "status": status, "filled": format_decimal(at_venue)})

    whole = at_venue >= quantity
    if status == "rejected":
        assert composed["status"] == "REJECTED"
    elif status in ("canceled", "expired", "closed"):
        assert composed["status"] == ("FILLED" if whole or status == "closed" else "CANCELED")
    elif row_status == "CANCELED":
        assert composed["status"] == "CANCELED", "the venue took the cancel, and shows it later"
    elif status == "open" or row_status == "SUBMITTED":
        partly = "PARTIALLY_FILLED" if at_venue else "SUBMITTED"
        assert composed["status"] == ("FILLED" if whole and at_venue else partly)
    else:
        assert composed["status"] == row_status


@given(row=rows(OrderRow))
def test_what_never_arrived_is_rejected_and_else_as_it_was(row: Any) -> None:
    rejected = never_arrived(row)
    assert rejected["status"] == "REJECTED"
    assert rejected["reject_reason"]
    assert {**rejected, "status": row["status"], "reject_reason": row.get("reject_reason")} == {
        "reject_reason": None,
        **row,
    }


@given(
    row=rows(DealRow),
    trade=st.one_of(
        st.none(),
        st.fixed_dictionaries(
            {},
            optional={
                "timestamp": TIMES,
                "takerOrMaker": st.sampled_from(["taker", "maker", None, "both"]),
                "fee": FEES,
            },
        ),
    ),
)
@example(row=deal_row(), trade={"timestamp": 10**18})
@example(row=deal_row(), trade={"timestamp": -1})
def test_any_deal_and_any_trade_of_a_venue_make_a_whole_trade(row: Any, trade: Any) -> None:
    composed = in_usual_context(composed_deal, row, trade)
    made = in_usual_context(trade_from_row, composed, float)

    assert set(made) >= TRADE_KEYS
    assert type(made["timestamp"]) is int
    for column in ("id", "order_id", "qty", "price", "side", "symbol"):
        assert composed.get(column) == row.get(column)
    if trade is not None and isinstance(trade.get("timestamp"), int) and 0 < trade["timestamp"] < 10**14:
        assert made["timestamp"] == trade["timestamp"]


# -- which order of the venue belongs to which row

NAMES = st.sampled_from(["x1", "x2", "x3", "x4"])
CLIENT_IDS = st.sampled_from([None, "1", "2", "mine", "yours"])
SIDES = st.sampled_from(["buy", "sell"])
PLACED = st.one_of(st.none(), st.integers(NOW_MS - 5, NOW_MS + 5))
MATCHED_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(1, 9),
            "exchange_order_id": st.one_of(st.none(), NAMES),
            "client_order_id": CLIENT_IDS,
            "side": SIDES,
            "symbol": st.just("BTC/USDT"),
        }
    ),
    max_size=6,
    unique_by=lambda row: row["id"],
)
MATCHED_ORDERS = st.lists(
    st.fixed_dictionaries(
        {
            "id": NAMES,
            "clientOrderId": CLIENT_IDS,
            "side": SIDES,
            "symbol": st.just("BTC/USDT"),
            "timestamp": PLACED,
        }
    ),
    max_size=6,
)


@given(rows=MATCHED_ROWS, orders=MATCHED_ORDERS, since=st.integers(NOW_MS - 6, NOW_MS + 6))
def test_no_order_of_the_venue_is_given_to_two_rows(rows: Any, orders: Any, since: int) -> None:
    found = matched(rows, orders, {row["id"]: since for row in rows})

    names = [order["id"] for order in found.values()]
    assert len(names) == len(set(names))
    by_id = {row["id"]: row for row in rows}
    for row_id, order in found.items():
        row = by_id[row_id]
        if row["exchange_order_id"]:
            assert order["id"] == row["exchange_order_id"]
        else:
            assert order["clientOrderId"] == (row["client_order_id"] or str(row_id))
            assert order["side"] == row["side"]
            assert order["timestamp"] is None or order["timestamp"] >= since
    named = {row["exchange_order_id"] for row in rows} - {None}
    for row in rows:  # what has the venue's own id is never left without its order
        if row["exchange_order_id"] in {order["id"] for order in orders}:
            assert row["exchange_order_id"] in names
    assert all(order["id"] not in named or by_id[key]["exchange_order_id"] for key, order in found.items())


# -- zones


@given(
    quarters=st.integers(-56, 56),
    jitter_ms=st.integers(-9_999, 9_999),
    true_ms=st.integers(10**12, 2 * 10**12),
)
def test_a_zone_is_learned_to_the_quarter_of_an_hour(quarters: int, jitter_ms: int, true_ms: int) -> None:
    truth = ServerTruth()
    truth.learn_offset(true_ms + quarters * QUARTER_MS + jitter_ms, true_ms)
    assert truth.utc_offset_ms == quarters * QUARTER_MS


@given(difference=st.integers(-(10**9), 10**9))
def test_no_other_zone_is_ever_learned(difference: int) -> None:
    truth = ServerTruth()
    truth.learn_offset(NOW_MS + difference, NOW_MS)
    if truth.utc_offset_ms is not None:
        assert truth.utc_offset_ms % QUARTER_MS == 0
        assert abs(truth.utc_offset_ms) <= 14 * 3_600_000
        assert abs(truth.utc_offset_ms - difference) < 10_000


@given(age_ms=st.integers(0, 10**10), quarters=st.integers(-56, 56))
def test_nothing_is_taken_for_older_than_it_is(age_ms: int, quarters: int) -> None:
    """Whatever the zone that a time was written in."""
    assert youngest_age(age_ms - quarters * QUARTER_MS) <= age_ms
