"""A packed row is the entity that it was made of, and leaves Python's collector nothing to look at."""

from __future__ import annotations

import gc
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ccxt_driver.contract.commands import Side, TimeInForce
from ccxt_driver.contract.rows import OrderStatus, PositionState
from ccxt_driver.oms.entities import Deal, External, Order, Position
from ccxt_driver.oms.packing import DEALS, ORDERS, POSITIONS, Packing

ORDER = Order(7, 1, "BTC/USDT", Side.SELL, "limit", Decimal("0.1"), 1000, price=Decimal(5))
DEAL = Deal(3, 1, 7, 2, "BTC/USDT", Side.BUY, Decimal(1), Decimal(5), 1000, 1001)
POSITION = Position(2, 1, "BTC/USDT", Side.BUY, 1000, qty=Decimal(1))
ROWS: list[tuple[Packing[Any], Any]] = [
    (ORDERS, ORDER),
    (ORDERS, replace(ORDER, status=OrderStatus.CANCELED, reject_reason="expired", closed_at=1002)),
    (ORDERS, replace(ORDER, time_in_force=TimeInForce.FOK, params={"a": 1}, external=External.APART)),
    (ORDERS, replace(ORDER, reduce_only=True, trigger_above=False, triggered_at=0)),
    (DEALS, DEAL),
    (DEALS, replace(DEAL, external=External.UNKNOWN, reconciled=False, comment="")),
    (POSITIONS, POSITION),
    (POSITIONS, replace(POSITION, state=PositionState.MERGED, margin_added=Decimal(1), stop_loss=Decimal(4))),
]


@pytest.mark.parametrize("packing, row", ROWS)
def test_a_packed_row_comes_out_as_it_went_in(packing: Packing[Any], row: Any) -> None:
    again = packing.unpack(packing.pack(row))

    assert again == row
    assert again is not row
    assert [type(getattr(again, name)) for name in row.__slots__] == [
        type(getattr(row, name)) for name in row.__slots__
    ]


def test_what_is_packed_does_not_change_with_the_entity() -> None:
    order = replace(ORDER)
    packed = ORDERS.pack(order)
    order.filled_qty = Decimal("0.1")

    assert ORDERS.unpack(packed).filled_qty == 0


def test_orders_that_are_unpacked_share_no_parameters() -> None:
    packed = ORDERS.pack(ORDER)

    assert ORDERS.unpack(packed).params is not ORDERS.unpack(packed).params


@pytest.mark.skipif(gc.is_tracked(Decimal()), reason="Python 3.13 has the collector look at each Decimal")
@pytest.mark.parametrize("packing, row", [ROWS[0], ROWS[4], ROWS[6]])
def test_the_collector_lets_go_of_packed_rows(packing: Packing[Any], row: Any) -> None:
    packed = packing.pack(row)
    gc.collect()

    assert not gc.is_tracked(packed)
