"""More orders than a list gives or a URL holds, and lists that grow while they are read."""

from __future__ import annotations

from typing import Any

import pytest

from ccxt_driver.contract.values import format_time
from tests.helpers.gateway_stub import ALL_FEATURES, NO_FEATURES, Driver, Sent
from tests.helpers.oms_rows import CREATED_MS, order_row
from tests.helpers.row_tables import Tables

pytestmark = pytest.mark.oldest

MANY = [order_row(id=number) for number in range(1, 5202)]


@pytest.mark.parametrize("features", [ALL_FEATURES, NO_FEATURES], ids=["rich", "poor"])
def test_more_open_orders_than_the_open_list_gives(make_driver: Any, features: tuple[str, ...]) -> None:
    driver = make_driver(features=features).ready()
    Tables(driver.gateway, orders=MANY)
    orders = driver.call("fetch_open_orders")

    assert [order["id"] for order in orders] == [str(row["id"]) for row in MANY]


def test_a_poor_server_cancels_all_of_them(make_driver: Any) -> None:
    """And they are read again by as many requests as there are pages, not orders."""
    driver = make_driver(features=NO_FEATURES).ready()
    Tables(driver.gateway, orders=MANY)
    driver.gateway.on_command()
    orders = driver.call("cancel_all_orders")

    assert driver.gateway.payload["order_ids"] == [row["id"] for row in MANY]
    assert len(orders) == len(MANY)
    assert len(driver.gateway.sent) < 30


def test_a_url_holds_only_so_many_ids(driver: Any) -> None:
    """Servers refuse a request line of more than some thousand characters."""
    rows = {str(row["id"]): row for row in MANY[:450]}

    def answer(sent: Any) -> Any:
        return {"items": [rows[each] for each in sent.path.rpartition("/")[2].split(",")]}

    numbers = list(rows)
    for first in range(0, 450, 200):
        driver.gateway.on(f"GET /oms/orders/{','.join(numbers[first : first + 200])}", answer)
    orders = driver.call("fetch_orders_by_ids", numbers)

    assert [order["id"] for order in orders] == numbers
    assert len(driver.gateway.sent) == 3
    assert max(len(sent.path) for sent in driver.gateway.sent) < 4500


def test_a_limit_counts_a_row_once_though_two_pages_have_it(driver: Any) -> None:
    """Orders that are placed between two pages move the older ones on."""
    rows = list(reversed(MANY[:1600]))  # newest first, as asked

    def answer(sent: Any) -> Any:
        page = int(sent.query["page"])
        moved = 10 * (page - 1)
        start = (page - 1) * 500 - moved
        return {"items": rows[start : start + 500], "total": 1600 + moved, "page": page, "page_size": 500}

    driver.gateway.on("GET /oms/orders/history", answer)
    orders = driver.call("fetch_orders", None, None, 1000)

    assert [order["id"] for order in orders] == [str(number) for number in range(601, 1601)]


def test_no_open_order_is_overlooked_while_others_end(driver: Driver) -> None:
    """An order that ends moves those behind it to the page before, which may have been read."""
    rows = [order_row(id=number, created_at=format_time(CREATED_MS + number)) for number in range(1, 5602)]
    tables = Tables(driver.gateway, orders=rows)
    history = tables.history(rows, "created_at", "updated_at")

    def answer(sent: Sent) -> Any:
        body = history(sent)
        for place in (-1, 0, 2600):  # a new one, an old one, one in between
            rows.pop(place)
        return body

    driver.gateway.on("GET /oms/orders/history", answer)
    found = {int(order["id"]) for order in driver.call("fetch_open_orders")}

    assert {row["id"] for row in rows} <= found
    assert len(driver.gateway.sent) < 16


@pytest.mark.parametrize("since", [CREATED_MS, None])
def test_no_row_is_overlooked_while_others_come_in(driver: Driver, since: int | None) -> None:
    """An order that fills stands among the filled ones by when it was made, and moves the last ones on."""
    late = [order_row(id=number, created_at=format_time(CREATED_MS + number)) for number in range(1, 41)]
    rows = [order_row(id=number, created_at=format_time(CREATED_MS + number)) for number in range(50, 1050)]
    history = Tables(driver.gateway).history(rows, "created_at", "updated_at")
    there = [str(row["id"]) for row in rows]

    def answer(sent: Sent) -> Any:
        body = history(sent)
        new = order_row(id=2000 + len(late), created_at=format_time(CREATED_MS + 2000))
        rows.append(late.pop() if since is not None else new)
        return body

    driver.gateway.on("GET /oms/orders/history", answer)
    orders = driver.call("fetch_orders", None, since, None, {"paginate": True})

    assert set(there) <= {order["id"] for order in orders}
