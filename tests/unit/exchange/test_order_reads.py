"""Reading orders and trades: the exact requests, and the same answers from rich and poor servers."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from ccxt_driver.contract.values import format_time, parse_time
from tests.helpers.gateway_stub import ALL_FEATURES, NO_FEATURES, Driver
from tests.helpers.oms_rows import CREATED_MS, deal_row, filled_row, order_row
from tests.helpers.row_tables import DAY, Tables, spaced

pytestmark = pytest.mark.oldest

SERVERS = pytest.mark.parametrize(
    "features",
    [ALL_FEATURES, NO_FEATURES, ("by_id",), ("query_filters",)],
    ids=["all", "none", "by_id", "filters"],
)
HOUR = 3_600_000


def ids(structures: list[dict[str, Any]]) -> list[int]:
    return [int(structure["id"]) for structure in structures]


def orders_over_days() -> list[dict[str, Any]]:
    """Make 1,203 filled orders, one an hour, every third of ETH, every fourth open or cancelled."""
    rows = spaced(filled_row, 1203, CREATED_MS - 1202 * HOUR, HOUR, "created_at", "updated_at", "closed_at")
    for row in rows:
        if row["id"] % 3 == 0:
            row["symbol"] = "ETH/USDT"
        if row["id"] % 4 == 0:
            row["status"] = "SUBMITTED" if row["id"] % 8 else "CANCELED"
    return rows


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the exchange's clock stand just after the newest row."""
    monkeypatch.setattr("ccxt.Exchange.milliseconds", lambda self: CREATED_MS + 5000)
    monkeypatch.setattr("ccxt.async_support.Exchange.milliseconds", lambda self: CREATED_MS + 5000)


@SERVERS
@pytest.mark.parametrize(
    "symbol, since, limit, until",
    [
        (None, None, None, None),
        (None, None, 7, None),
        (None, None, 600, None),
        ("ETH/USDT", None, 5, None),
        ("ETH/USDT", None, 300, None),
        (None, CREATED_MS - 900 * HOUR, 10, None),
        (None, CREATED_MS - 900 * HOUR, 650, None),
        ("ETH/USDT", CREATED_MS - 100 * HOUR, None, None),
        (None, 0, 3, None),
        (None, CREATED_MS - 100 * HOUR, None, CREATED_MS - 90 * HOUR),
        (None, CREATED_MS + 1, None, None),
    ],
    ids=str,
)
@pytest.mark.usefixtures("now")
def test_closed_orders_are_the_newest_or_the_oldest_from_since(
    make_driver: Any, features: Any, symbol: Any, since: Any, limit: Any, until: Any
) -> None:
    driver = make_driver(features=features).ready()
    rows = orders_over_days()
    Tables(driver.gateway, orders=rows)
    params = {} if until is None else {"until": until}
    orders = driver.call("fetch_closed_orders", symbol, since, limit, params)

    times = {row["id"]: parse_time(row["created_at"]) for row in rows}
    expected = [
        row["id"]
        for row in rows
        if row["status"] == "FILLED"
        and symbol in (None, row["symbol"])
        and times[row["id"]] >= (since or 0)
        and times[row["id"]] <= (until or times[row["id"]])
    ]
    if since is not None:
        assert ids(orders) == expected[:limit]
    elif limit is not None:
        assert ids(orders) == expected[-limit:]
    else:
        assert ids(orders) == expected[-len(orders) :]
        assert len(orders) >= 300  # at least what one page holds of them
    assert {order["status"] for order in orders} <= {"closed"}


@SERVERS
@pytest.mark.parametrize("since, limit", [(None, None), (None, 3), (CREATED_MS - 50 * HOUR, 3)], ids=str)
@pytest.mark.usefixtures("now")
def test_open_orders_hold_only_open_ones(make_driver: Any, features: Any, since: Any, limit: Any) -> None:
    driver = make_driver(features=features).ready()
    rows = orders_over_days()
    Tables(driver.gateway, orders=rows)
    orders = driver.call("fetch_open_orders", "ETH/USDT", since, limit)

    expected = [
        row["id"]
        for row in rows
        if row["status"] == "SUBMITTED"
        and row["symbol"] == "ETH/USDT"
        and parse_time(row["created_at"]) >= (since or 0)
    ]
    assert ids(orders) == (expected[:limit] if since else expected[-(limit or 0) :])
    assert driver.gateway.routes == ["GET /oms/orders/open"]


@SERVERS
@pytest.mark.parametrize(
    "since, limit", [(None, 600), (None, 1), (CREATED_MS - 700 * HOUR, 600), (CREATED_MS, None)], ids=str
)
@pytest.mark.usefixtures("now")
def test_my_trades_are_the_newest_or_the_oldest_from_since(
    make_driver: Any, features: Any, since: Any, limit: Any
) -> None:
    driver = make_driver(features=features).ready()
    rows = spaced(deal_row, 1203, CREATED_MS - 1202 * HOUR, HOUR, "created_at", "executed_at")
    Tables(driver.gateway, deals=rows)
    trades = driver.call("fetch_my_trades", "BTC/USDT", since, limit)

    expected = [row["id"] for row in rows if parse_time(row["executed_at"]) >= (since or 0)]
    assert ids(trades) == (expected[:limit] if since else expected[-limit:])
    assert all(trade["order"] == "11" for trade in trades)


@SERVERS
@pytest.mark.usefixtures("now")
def test_rows_at_the_edge_of_a_day_are_never_lost(make_driver: Any, features: Any) -> None:
    """A gateway's days may be those of another time zone than ours."""
    driver = make_driver(features=features).ready()
    midnight = CREATED_MS - CREATED_MS % DAY
    moments = (midnight - 1, midnight, midnight + 1, midnight + DAY - 1)
    rows = [
        deal_row(id=number, created_at=format_time(moment), executed_at=format_time(moment))
        for number, moment in enumerate(moments, start=1)
    ]
    Tables(driver.gateway, deals=rows)

    assert ids(driver.call("fetch_my_trades", None, midnight - 1)) == [1, 2, 3, 4]
    assert ids(driver.call("fetch_my_trades", None, midnight)) == [2, 3, 4]
    assert ids(driver.call("fetch_my_trades", None, midnight - 1, None, {"until": midnight})) == [1, 2]


@pytest.mark.usefixtures("now")
def test_a_rich_server_is_asked_for_exactly_what_is_wanted(driver: Driver) -> None:
    Tables(driver.gateway, orders=orders_over_days())
    driver.call("fetch_closed_orders", "ETH/USDT", CREATED_MS - 3 * HOUR, 2, {"strategy_id": 0})

    (sent,) = driver.gateway.sent
    assert sent.query == {
        "account_ids": "1",
        "strategy_id": "0",
        "symbol": "ETH/USDT",
        "since_ms": str(CREATED_MS - 3 * HOUR),
        "status": "FILLED",
        "sort": "asc",
        "page": "1",
        "page_size": "2",
        "cache": "false",
    }


@pytest.mark.usefixtures("now")
def test_a_rich_server_is_asked_for_the_newest_first(driver: Driver) -> None:
    Tables(driver.gateway, orders=orders_over_days())
    driver.call("fetch_closed_orders", None, None, 2)

    (sent,) = driver.gateway.sent
    assert (sent.query["sort"], sent.query["page_size"], sent.query["since_ms"]) == ("desc", "2", "0")


@pytest.mark.usefixtures("now")
def test_a_poor_server_is_read_from_the_last_page_for_the_newest(make_driver: Any) -> None:
    driver = make_driver(features=NO_FEATURES).ready()
    Tables(driver.gateway, deals=spaced(deal_row, 1203, CREATED_MS - 1202 * HOUR, HOUR, "executed_at"))
    driver.call("fetch_my_trades", None, None, 5)

    assert [sent.query["page"] for sent in driver.gateway.sent] == ["1", "3"]
    assert set(driver.gateway.sent[0].query) == {
        "account_ids",
        "page",
        "page_size",
        "cache",
        "start_date",
        "end_date",
    }


@pytest.mark.usefixtures("now")
def test_a_poor_server_is_asked_for_a_day_more_on_either_side(make_driver: Any) -> None:
    driver = make_driver(features=NO_FEATURES).ready()
    Tables(driver.gateway)
    driver.call("fetch_my_trades", None, CREATED_MS)

    (sent,) = driver.gateway.sent
    assert sent.query["start_date"] == format_time(CREATED_MS - DAY)[:10]
    assert sent.query["end_date"] == format_time(CREATED_MS + DAY)[:10]


def test_a_full_open_list_is_read_from_the_history_instead(driver: Driver) -> None:
    """An open list gives at most 5,000 rows, and does not say that there are more."""
    rows = spaced(order_row, 5003, CREATED_MS - 5003, 1, "created_at", "updated_at")
    Tables(driver.gateway, orders=rows)
    orders = driver.call("fetch_open_orders", None, CREATED_MS - 5003)

    assert ids(orders) == list(range(1, 5004))


def test_a_row_that_moves_between_pages_appears_once(make_driver: Any) -> None:
    driver = make_driver(features=("query_filters",)).ready()
    rows = spaced(deal_row, 3, CREATED_MS, HOUR, "executed_at")
    pages = {"1": [rows[2], rows[1]], "2": [rows[1], rows[0]]}
    driver.gateway.on("GET /oms/deals", lambda sent: {"items": pages[sent.query["page"]], "total": 1000})

    assert ids(driver.call("fetch_my_trades", None, None, 3)) == [1, 2, 3]


def test_rows_that_the_server_should_have_filtered_are_left_out(driver: Driver) -> None:
    others = [
        order_row(id=2, symbol="ETH/USDT"),
        order_row(id=3, status="FILLED"),
        order_row(id=4, strategy_id=9),
        order_row(id=5, created_at=format_time(CREATED_MS - 1)),
    ]
    driver.gateway.on("GET /oms/orders/open", {"items": [order_row(id=1), *others]})

    assert ids(driver.call("fetch_open_orders", "BTC/USDT", CREATED_MS, None, {"strategy_id": 0})) == [1]


@SERVERS
def test_a_strategy_sees_only_its_own(make_driver: Any, features: Any) -> None:
    driver = make_driver(features=features, options={"strategy_id": 7}).ready()
    Tables(driver.gateway, orders=[order_row(id=1), order_row(id=2, strategy_id=7)])

    assert ids(driver.call("fetch_open_orders")) == [2]
    assert ids(driver.call("fetch_open_orders", None, None, None, {"strategy_id": 0})) == [1]
    assert driver.call("fetch_order", "2")["id"] == "2"
    with pytest.raises(ccxt.OrderNotFound):
        driver.call("fetch_order", "1")


# -- one order


@SERVERS
@pytest.mark.usefixtures("now")
def test_one_order_comes_with_its_trades(make_driver: Any, features: Any) -> None:
    driver = make_driver(features=features).ready()
    deals = [deal_row(id=1, qty="0.5"), deal_row(id=2, qty="1.5"), deal_row(id=3, order_id=99)]
    Tables(driver.gateway, orders=[order_row(id=10), filled_row()], deals=deals)
    order = driver.call("fetch_order", "11")

    assert (order["id"], order["status"], order["filled"]) == ("11", "closed", 2.0)
    assert [trade["id"] for trade in order["trades"]] == ["1", "2"]


@SERVERS
@pytest.mark.usefixtures("now")
def test_an_order_that_is_not_there_is_not_found(make_driver: Any, features: Any) -> None:
    driver = make_driver(features=features).ready()
    Tables(driver.gateway, orders=[order_row(id=10), order_row(id=12, account_id=2)])
    driver.gateway.on("GET /oms/orders/11", {"items": []})
    for order_id in ("11", "12"):
        with pytest.raises(ccxt.OrderNotFound):
            driver.call("fetch_order", order_id)


def test_a_closed_order_far_back_is_found_on_a_poor_server(make_driver: Any) -> None:
    driver = make_driver(features=NO_FEATURES).ready()
    driver.exchange.milliseconds = lambda: CREATED_MS
    rows = spaced(filled_row, 1203, CREATED_MS - 1202 * HOUR, HOUR, "created_at", "updated_at")
    Tables(driver.gateway, orders=rows)

    assert driver.call("fetch_order", "2")["id"] == "2"
    assert driver.call("fetch_order", "1203")["id"] == "1203"


@pytest.mark.parametrize("order_id", [11, "11"])
def test_ids_may_be_numbers_or_texts(driver: Driver, order_id: Any) -> None:
    Tables(driver.gateway, orders=[order_row()])

    assert driver.call("fetch_order", order_id)["id"] == "11"


@pytest.mark.parametrize("order_id", ["venue-77", "-1", "0", "1.5", "\u0661\u0661", "9" * 30, "11 "])
def test_what_is_no_oms_id_names_no_order(driver: Driver, order_id: str) -> None:
    with pytest.raises(ccxt.OrderNotFound):
        driver.call("fetch_order", order_id)
    assert driver.gateway.routes == []


@pytest.mark.parametrize("order_id", [None, ""])
@pytest.mark.parametrize("name", ["fetch_order", "cancel_order"])
def test_an_id_is_required(driver: Driver, name: str, order_id: Any) -> None:
    with pytest.raises(ccxt.ArgumentsRequired):
        driver.call(name, order_id)
    assert driver.gateway.routes == []


@SERVERS
@pytest.mark.parametrize("order_id", ["", None, "my-order", "11"])
@pytest.mark.usefixtures("now")
def test_an_order_may_be_named_by_its_client_order_id(make_driver: Any, features: Any, order_id: Any) -> None:
    driver = make_driver(features=features).ready()
    Tables(driver.gateway, orders=[order_row(id=10, client_order_id="other"), order_row()])

    for key in ("clientOrderId", "client_order_id"):
        assert driver.call("fetch_order", order_id, None, {key: "my-order"})["id"] == "11"


@SERVERS
@pytest.mark.parametrize("order_id", ["10", "venue-77"])
@pytest.mark.usefixtures("now")
def test_id_and_client_order_id_must_name_one_order(make_driver: Any, features: Any, order_id: str) -> None:
    driver = make_driver(features=features).ready()
    Tables(driver.gateway, orders=[order_row(id=10, client_order_id="other"), order_row()])

    with pytest.raises(ccxt.BadRequest, match="different orders"):
        driver.call("fetch_order", order_id, None, {"clientOrderId": "my-order"})
    with pytest.raises(ccxt.OrderNotFound):
        driver.call("fetch_order", "", None, {"clientOrderId": "nobody's"})


def test_the_helpers_with_client_order_id_work(driver: Driver) -> None:
    Tables(driver.gateway, orders=[order_row()])

    assert driver.call("fetch_order_with_client_order_id", "my-order")["id"] == "11"


# -- arguments and answers that are no good


@pytest.mark.parametrize(
    "since, limit, params",
    [
        ("2026-11-20", None, {}),
        (-1, None, {}),
        (True, None, {}),
        (float("nan"), None, {}),
        (float("inf"), None, {}),
        (None, 0, {}),
        (None, -5, {}),
        (None, "10", {}),
        (None, float("inf"), {}),
        (None, None, {"until": "now"}),
        (None, None, {"strategy_id": "x"}),
        (None, None, {"account_id": -1}),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_before_anything_is_sent(
    driver: Driver, since: Any, limit: Any, params: dict[str, Any]
) -> None:
    for name in ("fetch_open_orders", "fetch_closed_orders", "fetch_my_trades"):
        with pytest.raises(ccxt.BadRequest):
            driver.call(name, None, since, limit, params)
        with pytest.raises(ccxt.BadSymbol):
            driver.call(name, "DOGE/USDT")
    assert driver.gateway.routes == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"items": null}',
        '{"items": {}}',
        '{"items": [1]}',
        '{"items": [null]}',
        "<html>",
    ],
)
def test_garbage_in_answer_to_a_read_is_a_bad_response(driver: Driver, body: str) -> None:
    for name, route in (
        ("fetch_open_orders", "GET /oms/orders/open"),
        ("fetch_closed_orders", "GET /oms/orders/history"),
        ("fetch_my_trades", "GET /oms/deals"),
        ("fetch_positions", "GET /oms/positions/open"),
    ):
        driver.gateway.on(route, (200, body))
        with pytest.raises(ccxt.BadResponse):
            driver.call(name)


@pytest.mark.parametrize("row", [{}, {"id": 1}, order_row(status="NEW"), order_row(qty="x")], ids=str)
def test_a_row_that_is_none_is_a_bad_response(driver: Driver, row: dict[str, Any]) -> None:
    driver.gateway.on("GET /oms/orders/11", {"items": [{**row, "id": 11, "account_id": 1}]})
    with pytest.raises(ccxt.BadResponse, match="not of the contract"):
        driver.call("fetch_order", "11")


def test_a_page_that_is_full_and_tells_no_total_is_not_taken_for_all(driver: Driver) -> None:
    """Silently incomplete trades would make a wrong profit."""
    rows = spaced(deal_row, 700, CREATED_MS, 1000, "executed_at")

    def answer(sent: Any) -> Any:
        page, size = int(sent.query["page"]), int(sent.query["page_size"])
        return {"items": rows[(page - 1) * size : page * size]}

    driver.gateway.on("GET /oms/deals", answer)
    with pytest.raises(ccxt.BadResponse, match="total"):
        driver.call("fetch_my_trades", None, CREATED_MS)
    rows = rows[:499]
    assert len(driver.call("fetch_my_trades", None, CREATED_MS)) == 499


def test_an_order_is_not_taken_for_missing_because_the_server_fails(make_driver: Any) -> None:
    driver = make_driver().ready()
    failing = (500, "Internal Server Error")
    driver.gateway.on(
        "GET /oms/orders/history",
        lambda sent: {"items": [], "total": 1} if int(sent.query["page"]) > 1 else failing,
    )
    with pytest.raises(ccxt.ExchangeNotAvailable):
        driver.call("fetch_order", None, None, {"clientOrderId": "mine"})
