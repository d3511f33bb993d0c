from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from ccxt_driver.contract.commands import Side
from ccxt_driver.contract.rows import OPEN_STATUSES, OrderStatus
from ccxt_driver.oms.entities import Order
from ccxt_driver.oms.matching.lifecycle import TRANSITIONS, LifecycleError, transition

EXISTING = {
    ("PENDING_SUBMIT", "SUBMITTED"),
    ("PENDING_SUBMIT", "REJECTED"),
    ("SUBMITTED", "PARTIALLY_FILLED"),
    ("SUBMITTED", "FILLED"),
    ("SUBMITTED", "CANCELED"),
    ("SUBMITTED", "REJECTED"),
    ("PARTIALLY_FILLED", "PARTIALLY_FILLED"),
    ("PARTIALLY_FILLED", "FILLED"),
    ("PARTIALLY_FILLED", "CANCELED"),
}


@pytest.mark.parametrize("before,after", [*itertools.product(OrderStatus, OrderStatus)])
def test_every_pair_of_statuses(before: OrderStatus, after: OrderStatus) -> None:
    order = Order(1, 1, "BTC/USDT", Side.BUY, "market", Decimal(1), 0, before)
    if (before.value, after.value) in EXISTING:
        transition(order, after)
        assert order.status is after
    else:
        with pytest.raises(LifecycleError, match="order 1 cannot go from"):
            transition(order, after)
        assert order.status is before


def test_the_table_knows_every_status_and_only_open_ones_go_on() -> None:
    assert set(TRANSITIONS) == set(OrderStatus)
    assert {status for status, following in TRANSITIONS.items() if following} == OPEN_STATUSES
