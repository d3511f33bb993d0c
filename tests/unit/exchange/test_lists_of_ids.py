"""Several ids at once: a list, one id, or a text with commas, and never the characters of a text."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import Driver
from tests.helpers.oms_rows import order_row

pytestmark = pytest.mark.oldest

GIVEN = [
    (["12"], [12]),
    ("12", [12]),
    (12, [12]),
    ("12, 11", [12, 11]),
    (("11", 12), [11, 12]),
    ({"12": 0}.keys(), [12]),
]


@pytest.mark.parametrize("ids, expected", GIVEN, ids=str)
def test_what_is_cancelled_is_what_was_named(driver: Driver, ids: Any, expected: list[int]) -> None:
    rows = [order_row(id=number, status="CANCELED") for number in (1, 2, 11, 12)]
    driver.gateway.on_command()
    driver.gateway.on(f"GET /oms/orders/{','.join(map(str, expected))}", {"items": rows})
    orders = driver.call("cancel_orders", ids)

    assert driver.gateway.payload == {"order_ids": expected}
    assert [order["id"] for order in orders] == [str(number) for number in expected]


@pytest.mark.parametrize("ids, expected", GIVEN, ids=str)
def test_what_is_reassigned_is_what_was_named(driver: Driver, ids: Any, expected: list[int]) -> None:
    driver.gateway.on("POST /oms/reassign", {"ok": True, "order_ids": expected})
    driver.call("reassign", ids, 7)

    assert driver.gateway.sent[-1].body == {"order_ids": expected, "strategy_id": 7}


@pytest.mark.parametrize("method", ["cancel_orders", "reassign", "fetch_orders_by_ids"])
@pytest.mark.parametrize("ids", ["1,,2", "x", [None], ["1", ""], 1.5], ids=str)
def test_what_is_no_id_is_refused_before_anything_is_sent(driver: Driver, method: str, ids: Any) -> None:
    arguments = [ids, 7] if method == "reassign" else [ids]

    with pytest.raises((ccxt.ArgumentsRequired, ccxt.OrderNotFound)):
        driver.call(method, *arguments)
    assert driver.gateway.sent == []
