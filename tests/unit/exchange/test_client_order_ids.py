"""Client order ids: short enough for every venue, never twice, and the caller's when there is one."""

from __future__ import annotations

import re
from typing import Any

import ccxt
import pytest

from ccxt_driver.exchange.order_requests import new_client_order_id
from tests.helpers.gateway_stub import Driver
from tests.helpers.oms_rows import order_row

pytestmark = pytest.mark.oldest

LIMIT = ("BTC/USDT", "limit", "buy", 2, 100)


def sent_id(driver: Driver, params: dict[str, Any]) -> str:
    driver.gateway.sent.clear()
    driver.gateway.on_command(order=order_row())
    driver.call("create_order", *LIMIT, params)
    text = driver.gateway.payload["client_order_id"]
    assert isinstance(text, str)
    return text


def test_generated_ids_are_short_plain_and_unique() -> None:
    ids = [new_client_order_id() for _ in range(20_000)]

    assert all(re.fullmatch(r"[a-z][a-z0-9]{0,17}", each) for each in ids)
    assert len(set(ids)) == len(ids)


def test_generated_ids_use_all_of_their_room() -> None:
    """80 random bits in 18 places: each place takes every value about equally often."""
    ids = [new_client_order_id() for _ in range(20_000)]

    assert {len(each) for each in ids} == {18}
    for place in range(18):
        counts = [0] * 128
        for each in ids:
            counts[ord(each[place])] += 1
        used = [count for count in counts if count]
        assert len(used) == (26 if place == 0 else 36)
        assert max(used) < 2 * min(used)


def test_each_order_gets_an_id_of_its_own(driver: Driver) -> None:
    assert len({sent_id(driver, {}) for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "params, expected",
    [
        ({"clientOrderId": "mine"}, "mine"),
        ({"client_order_id": "mine"}, "mine"),
        ({"clientOrderId": None, "client_order_id": "mine"}, "mine"),
        ({"clientOrderId": 12345}, "12345"),
        ({"clientOrderId": "x" * 128}, "x" * 128),
    ],
    ids=str,
)
def test_the_callers_id_is_taken(driver: Driver, params: dict[str, Any], expected: str) -> None:
    assert sent_id(driver, params) == expected


@pytest.mark.parametrize(
    "name",
    [
        *("newClientOrderId", "orderLinkId", "client-order-id"),
        *("clOrdId", "clOrdID", "cl_ord_id", "clientOid", "client_oid"),
    ],
)
def test_the_callers_id_is_taken_by_the_name_that_a_venue_gives_it(driver: Driver, name: str) -> None:
    """Passed on, it would be the order's id at the venue, and its look-up would be by another."""
    assert sent_id(driver, {name: "mine"}) == "mine"
    assert name not in driver.gateway.payload.get("params", {})
    with pytest.raises(ccxt.BadRequest, match=name):
        sent_id(driver, {name: "mine", "clientOrderId": "another"})


@pytest.mark.parametrize("name", ["origClientOrderId", "orderLinkId", "clOrdId", "clientOid"])
def test_an_order_is_found_by_the_name_that_a_venue_gives_its_id(driver: Driver, name: str) -> None:
    driver.gateway.on("GET /oms/orders/history", {"items": [order_row(client_order_id="mine")], "total": 1})
    driver.gateway.on_command(order=order_row(status="CANCELED"))
    assert driver.call("cancel_order", "", None, {name: "mine"})["id"] == "11"


def test_a_factory_makes_the_ids_when_there_is_one(make_driver: Any) -> None:
    made = iter(["first", 2])
    driver = make_driver(options={"client_order_id_factory": lambda: next(made)}).ready()

    assert sent_id(driver, {}) == "first"
    assert sent_id(driver, {"clientOrderId": "mine"}) == "mine"
    assert sent_id(driver, {}) == "2"


@pytest.mark.parametrize("made", ["", "  ", "x" * 129, None], ids=str)
def test_what_a_factory_makes_is_checked_before_anything_is_sent(make_driver: Any, made: Any) -> None:
    driver = make_driver(options={"client_order_id_factory": lambda: made}).ready()
    with pytest.raises(ccxt.InvalidOrder, match="clientOrderId"):
        driver.call("create_order", *LIMIT)
    assert driver.gateway.routes == []
