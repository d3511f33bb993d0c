"""What the driver does when nobody can say what became of a command: it looks, and repeats what may be."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from ccxt_driver.contract.values import format_time
from tests.helpers.gateway_stub import ALL_FEATURES, Driver, Sent
from tests.helpers.oms_rows import deal_row, filled_row, order_row, position_row
from tests.helpers.virtual_time import with_clock

pytestmark = pytest.mark.oldest

SYMBOL = "BTC/USDT"
POST = "POST /oms/commands"
HISTORY = "GET /oms/orders/history"
NO_DEDUPE = tuple(name for name in ALL_FEATURES if name != "client_order_id_dedupe")
LOST = (504, {"detail": {"code": "dispatcher_timeout", "message": "no answer"}})


@pytest.fixture
def make(make_driver: Any) -> Any:
    def made(features: tuple[str, ...] = ALL_FEATURES, **options: Any) -> Driver:
        return with_clock(make_driver(features, options={"lookup_timeout": 2000, **options}).ready())

    return made


def page(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(rows), "total": len(rows), "page": 1, "page_size": 1}


def finds(driver: Driver, after: int, **columns: Any) -> None:
    """The history knows the order from a look on."""
    looks: list[Sent] = []

    def answer(sent: Sent) -> dict[str, Any]:
        looks.append(sent)
        name = sent.query["client_order_id"]
        return page(filled_row(id=11, client_order_id=name, **columns)) if len(looks) > after else page()

    driver.gateway.on(HISTORY, answer)
    driver.gateway.on("GET /oms/deals", page(deal_row(order_id=11)))


def posts(driver: Driver) -> int:
    return driver.gateway.routes.count(POST)


def test_an_order_whose_answer_was_lost_is_found_and_returned(make: Any) -> None:
    driver = make(NO_DEDUPE)
    driver.gateway.on(POST, LOST)
    finds(driver, after=2)

    order = driver.call("create_order", SYMBOL, "market", "buy", 1)
    assert (order["id"], order["status"], len(order["trades"])) == ("11", "closed", 1)
    assert posts(driver) == 1


@pytest.mark.parametrize("status", [418, 429])
@pytest.mark.parametrize("features", [ALL_FEATURES, NO_DEDUPE])
def test_a_server_that_wants_to_be_left_alone_is_not_asked_on(make: Any, features: Any, status: int) -> None:
    """Asking again and again is what makes a ban longer."""
    driver = make(features)
    driver.gateway.on(POST, LOST)
    driver.gateway.on(HISTORY, (status, "too often", {"Retry-After": "60"}))

    with pytest.raises(ccxt.RequestTimeout) as caught:
        driver.call("create_order", SYMBOL, "market", "buy", 1)
    assert caught.value.outcome == "unknown"
    assert (posts(driver), driver.gateway.routes.count(HISTORY)) == (1, 1)


def test_it_is_asked_when_it_wants_to_be(make: Any) -> None:
    driver = make(NO_DEDUPE, retries=0)
    driver.gateway.on(POST, LOST)
    looks: list[int] = []

    def answer(sent: Sent) -> Any:
        looks.append(driver.exchange.clock.now_ms)
        if len(looks) == 1:
            return 429, "too often", {"Retry-After": "1.5"}
        return page(filled_row(id=11, client_order_id=sent.query["client_order_id"]))

    driver.gateway.on(HISTORY, answer)
    driver.gateway.on("GET /oms/deals", page(deal_row(order_id=11)))

    assert driver.call("create_order", SYMBOL, "market", "buy", 1)["id"] == "11"
    assert looks[1] - looks[0] == 1500


def test_nor_is_a_cancellation_repeated_while_it_wants_to_be_left_alone(make: Any) -> None:
    driver = make()
    replies = [LOST, (429, "too often", {"Retry-After": "60"})]
    driver.gateway.on(POST, lambda sent: replies[min(posts(driver), 2) - 1])

    with pytest.raises(ccxt.RequestTimeout) as caught:
        driver.call("cancel_order", "11", SYMBOL)
    assert (caught.value.outcome, posts(driver)) == ("unknown", 2)


def test_absence_is_no_proof_and_nothing_is_sent_again(make: Any) -> None:
    driver = make(NO_DEDUPE)
    driver.gateway.on(POST, LOST)
    driver.gateway.on(HISTORY, page())

    with pytest.raises(ccxt.RequestTimeout) as caught:
        driver.call("create_order", SYMBOL, "market", "buy", 1)
    assert caught.value.outcome == "unknown"
    assert caught.value.client_order_id == driver.gateway.payload["client_order_id"]
    assert posts(driver) == 1


def test_a_server_that_dedupes_is_asked_again_under_the_same_id(make: Any) -> None:
    driver = make()
    result = {"index": 0, "ok": True, "command_id": 5, "order_id": 11, "duplicate": True}
    row, deal = filled_row(id=11), deal_row(order_id=11)
    answers = [LOST, LOST, {"results": [{**result, "order": row, "deals": [deal]}]}]
    driver.gateway.on(POST, lambda sent: answers.pop(0))
    driver.gateway.on(HISTORY, page())

    order = driver.call("create_order", SYMBOL, "market", "buy", 1)
    assert order["id"] == "11"
    assert "duplicate" not in order["info"]  # it may be of this very call
    sent = [each.body["payload"]["client_order_id"] for each in driver.gateway.sent if each.route == POST]
    assert len(sent) == 3
    assert len(set(sent)) == 1


def test_a_refusal_of_the_second_sending_says_nothing_of_the_first(make: Any) -> None:
    driver = make()
    refusal = (422, {"detail": {"code": "insufficient_funds", "message": "no"}})
    answers = [LOST]
    driver.gateway.on(POST, lambda sent: answers.pop(0) if answers else refusal)
    driver.gateway.on(HISTORY, page())

    with pytest.raises(ccxt.RequestTimeout) as caught:
        driver.call("create_order", SYMBOL, "market", "buy", 1)
    assert caught.value.outcome == "unknown"


def test_the_promise_is_read_again_before_an_order_is_sent_again(make: Any) -> None:
    driver = make()
    driver.gateway.on("GET /healthz", {"status": "ok", "features": list(NO_DEDUPE)})  # another server now
    driver.gateway.on(POST, LOST)
    driver.gateway.on(HISTORY, page())

    with pytest.raises(ccxt.RequestTimeout):
        driver.call("create_order", SYMBOL, "market", "buy", 1)
    assert posts(driver) == 1


def test_an_identical_create_waits_for_the_unknown_one(make: Any) -> None:
    driver = make(NO_DEDUPE)
    driver.gateway.on(POST, LOST)
    driver.gateway.on(HISTORY, page())
    order = (SYMBOL, "limit", "buy", 1, 100)
    with pytest.raises(ccxt.RequestTimeout):
        driver.call("create_order", *order)
    with pytest.raises(ccxt.RequestTimeout):
        driver.call("create_order", *order)
    assert posts(driver) == 1

    finds(driver, after=0)
    assert driver.call("create_order", *order)["id"] == "11"
    assert posts(driver) == 1

    driver.gateway.on_command(order=order_row(id=12))
    assert driver.call("create_order", *order)["id"] == "12"
    assert posts(driver) == 2


@pytest.mark.parametrize("how", ["another order", "an id of its own", "after the hold", "switched off"])
def test_what_is_not_held_back(make: Any, how: str) -> None:
    driver = make(NO_DEDUPE, **({"guard_unknown": False} if how == "switched off" else {}))
    driver.gateway.on(POST, LOST)
    driver.gateway.on(HISTORY, page())
    with pytest.raises(ccxt.RequestTimeout):
        driver.call("create_order", SYMBOL, "market", "buy", 1)

    driver.gateway.on_command(order=order_row(id=12))
    if how == "after the hold":
        driver.exchange.clock.now_ms += 61_000
    amount = 2 if how == "another order" else 1
    params = {"clientOrderId": "mine"} if how == "an id of its own" else {}
    assert driver.call("create_order", SYMBOL, "market", "buy", amount, None, params)["id"] == "12"


def test_the_same_order_with_the_same_id_of_the_callers_is_not_placed_twice(make: Any) -> None:
    """Such an id is given so that calling again is safe; not every server keeps it unique."""
    driver = make(NO_DEDUPE)
    driver.gateway.on(POST, LOST)
    driver.gateway.on(HISTORY, page())
    order = (SYMBOL, "market", "buy", 1, None)
    for _ in range(2):
        with pytest.raises(ccxt.RequestTimeout) as lost:
            driver.call("create_order", *order, {"clientOrderId": "mine"})
        assert lost.value.client_order_id == "mine"
    assert posts(driver) == 1

    driver.gateway.on_command(order=order_row(id=12))
    for other in ({"clientOrderId": "another"}, {}):
        assert driver.call("create_order", *order, other)["id"] == "12"
    assert posts(driver) == 3

    finds(driver, after=0)
    assert driver.call("create_order", *order, {"clientOrderId": "mine"})["id"] == "11"
    assert posts(driver) == 3


def test_an_older_order_of_the_callers_id_is_not_taken_for_the_new_one(make: Any) -> None:
    driver = make(NO_DEDUPE)
    driver.gateway.on(POST, LOST)
    finds(driver, after=0, created_at="2020-01-01T00:00:00.000Z")

    with pytest.raises(ccxt.RequestTimeout):
        driver.call("create_order", SYMBOL, "market", "buy", 1, None, {"clientOrderId": "every time"})


def test_clocks_need_not_agree_on_how_old_an_order_with_an_id_of_ours_is(make: Any) -> None:
    driver = make(NO_DEDUPE)
    driver.gateway.on(POST, LOST)
    behind = format_time(driver.exchange.clock.now_ms - 3 * 3_600_000)
    finds(driver, after=0, created_at=behind)

    assert driver.call("create_order", SYMBOL, "market", "buy", 1)["id"] == "11"
    assert driver.call("create_order", SYMBOL, "market", "buy", 1)["id"] == "11"
    assert posts(driver) == 2, "the first is settled, so that the second is an order of its own"


def test_ids_of_a_factory_are_no_more_unique_than_it_makes_them(make: Any) -> None:
    driver = make(NO_DEDUPE, client_order_id_factory=lambda: "every time")
    driver.gateway.on(POST, LOST)
    finds(driver, after=0, created_at="2020-01-01T00:00:00.000Z")

    with pytest.raises(ccxt.RequestTimeout):
        driver.call("create_order", SYMBOL, "market", "buy", 1)


def test_a_cancel_is_repeated_and_one_that_had_worked_is_a_success(make: Any) -> None:
    driver = make()
    answers = [LOST, (409, {"detail": {"code": "invalid_order_state", "message": "it is CANCELED"}})]
    driver.gateway.on(POST, lambda sent: answers.pop(0))
    driver.gateway.on("GET /oms/orders/11", {"items": [order_row(id=11, status="CANCELED")]})

    assert driver.call("cancel_order", "11")["status"] == "canceled"
    assert posts(driver) == 2


def test_a_cancel_that_came_too_late_says_so(make: Any) -> None:
    driver = make()
    answers = [LOST, (409, {"detail": {"code": "invalid_order_state", "message": "it is FILLED"}})]
    driver.gateway.on(POST, lambda sent: answers.pop(0))
    driver.gateway.on("GET /oms/orders/11", {"items": [filled_row(id=11)]})
    driver.gateway.on("GET /oms/deals", page(deal_row(order_id=11)))

    with pytest.raises(ccxt.InvalidOrder, match="FILLED"):
        driver.call("cancel_order", "11")


NOT_OPEN = (409, {"detail": {"code": "invalid_order_state", "message": "it is not open"}})
ORDER = "GET /oms/orders/11"


def test_a_cancel_whose_order_cannot_be_read_is_unknown(make: Any) -> None:
    driver = make()
    answers = [LOST, NOT_OPEN]
    driver.gateway.on(POST, lambda sent: answers.pop(0))
    driver.gateway.on(ORDER, (502, "<html>"))

    with pytest.raises(ccxt.RequestTimeout) as caught:
        driver.call("cancel_order", "11")
    assert caught.value.outcome == "unknown"


def edit_refused_the_second_time(make: Any, **afterwards: Any) -> Driver:
    """A limit order at 90 is to be changed to 100; the first answer is lost."""
    driver: Driver = make()
    columns = {"id": 11, "order_type": "limit", "side": "buy", "qty": "1"}
    rows = [order_row(**columns, price="90"), order_row(**{**columns, **afterwards})]
    driver.gateway.on(ORDER, lambda sent: {"items": [rows.pop(0)]})
    answers = [LOST, NOT_OPEN]
    driver.gateway.on(POST, lambda sent: answers.pop(0))
    return driver


def test_a_change_that_had_worked_is_a_success_though_the_order_has_closed_since(make: Any) -> None:
    driver = edit_refused_the_second_time(make, price="100.00", status="CANCELED")
    order = driver.call("edit_order", "11", SYMBOL, "limit", "buy", None, 100)
    assert (order["price"], order["status"]) == (100, "canceled")


def test_a_change_that_came_too_late_says_so(make: Any) -> None:
    driver = edit_refused_the_second_time(make, price="90", status="CANCELED")
    with pytest.raises(ccxt.InvalidOrder) as caught:
        driver.call("edit_order", "11", SYMBOL, "limit", "buy", None, 100)
    assert caught.value.outcome == "refused"


def test_a_change_of_an_open_order_may_still_be_on_its_way(make: Any) -> None:
    driver = edit_refused_the_second_time(make, price="90", status="SUBMITTED")
    with pytest.raises(ccxt.RequestTimeout) as caught:
        driver.call("edit_order", "11", SYMBOL, "limit", "buy", None, 100)
    assert caught.value.outcome == "unknown"


@pytest.mark.parametrize("name", ["fetch_open_orders", "fetch_orders"])
def test_orders_that_wait_for_a_price_are_listed_alone_after_an_outage(make: Any, name: str) -> None:
    """What the server offers was forgotten: a program that cancels what is listed cancelled all orders."""
    driver = make()
    driver.gateway.on(POST, LOST)
    driver.gateway.on(HISTORY, page())
    driver.gateway.on("GET /healthz", LOST)
    with pytest.raises(ccxt.RequestTimeout):
        driver.call("create_order", SYMBOL, "market", "buy", 1)

    driver.gateway.on("GET /healthz", {"status": "ok", "features": list(ALL_FEATURES)})
    for route in (HISTORY, "GET /oms/orders/open"):
        driver.gateway.on(route, page(order_row(id=11), order_row(id=12, trigger_price="90")))
    assert [order["id"] for order in driver.call(name, params={"trigger": True})] == ["12"]


def test_of_a_batch_only_what_is_unknown_is_looked_up(make: Any) -> None:
    driver = make(NO_DEDUPE)
    lost = {"code": "exchange_timeout", "message": "no answer"}
    results = [
        {"index": 0, "ok": True, "command_id": 1, "order_id": 12, "order": order_row(id=12)},
        {"index": 1, "ok": False, "error": lost},
        {"index": 2, "ok": False, "error": {"code": "insufficient_funds", "message": "no"}},
    ]
    driver.gateway.on(POST, (207, {"results": results}))
    finds(driver, after=0)

    orders = [{"symbol": SYMBOL, "type": "market", "side": "buy", "amount": 1}] * 3
    placed, found, refused = driver.call("create_orders", orders)
    assert (placed["id"], found["id"]) == ("12", "11")
    assert isinstance(refused, ccxt.InsufficientFunds)
    assert posts(driver) == 1


def test_a_refusal_of_a_batch_is_not_that_of_the_orders_it_says_were_placed(make: Any) -> None:
    driver = make(NO_DEDUPE)
    refused = {"code": "risk_blocked", "message": "no"}
    results = [
        {"index": 0, "ok": True, "command_id": 1, "order_id": 12, "order": order_row(id=12)},
        {"index": 1, "ok": False, "error": refused},
    ]
    driver.gateway.on(POST, (409, {"detail": {**refused, "results": results}}))

    orders = [{"symbol": SYMBOL, "type": "market", "side": "buy", "amount": 1}] * 2
    placed, other = driver.call("create_orders", orders)
    assert placed["id"] == "12"
    assert (type(other), other.outcome) == (ccxt.OperationRejected, "refused")


@pytest.mark.parametrize(
    "indices, ids",
    [([1, 0], ["13", "12"]), ([0, 0], ["12", "13"]), ([[], 0], ["12", "13"])],
    ids=["as they were done", "twice the same", "no number"],
)
def test_results_belong_to_the_commands_that_their_indices_name(
    make: Any, indices: list[Any], ids: list[str]
) -> None:
    driver = make()
    rows = [order_row(id=12), order_row(id=13)]
    results = [
        {"index": index, "ok": True, "command_id": 1, "order_id": row["id"], "order": row}
        for index, row in zip(indices, rows, strict=True)
    ]
    driver.gateway.on(POST, {"results": results})

    orders = [{"symbol": SYMBOL, "type": "market", "side": "buy", "amount": 1}] * 2
    assert [order["id"] for order in driver.call("create_orders", orders)] == ids


def test_of_several_closing_orders_what_is_unknown_is_looked_up(make: Any) -> None:
    driver = make(NO_DEDUPE)
    rows = [position_row(id=number, symbol=SYMBOL) for number in (1, 2)]
    driver.gateway.on("GET /oms/positions/open", page(*rows))
    results = [
        {"index": 0, "ok": True, "command_id": 1, "order_id": 12, "order": order_row(id=12)},
        {"index": 1, "ok": False, "error": {"code": "exchange_timeout", "message": "no answer"}},
    ]
    driver.gateway.on(POST, (207, {"results": results}))
    finds(driver, after=0)

    closing = driver.call("close_position", SYMBOL)
    assert [row["id"] for row in closing["info"]["orders"]] == [12, 11]
    assert posts(driver) == 1


def test_of_a_batch_that_failed_whole_the_exception_is_one_that_is_unknown(make: Any) -> None:
    driver = make(NO_DEDUPE)
    errors = [{"code": code, "message": "no"} for code in ("insufficient_funds", "exchange_timeout")]
    results = [{"index": index, "ok": False, "error": error} for index, error in enumerate(errors)]
    driver.gateway.on(POST, (422, {"detail": {**errors[0], "results": results}}))
    driver.gateway.on(HISTORY, page())

    orders = [{"symbol": SYMBOL, "type": "market", "side": "buy", "amount": 1}] * 2
    with pytest.raises(ccxt.RequestTimeout) as caught:
        driver.call("create_orders", orders)
    assert caught.value.outcome == "unknown"
    assert [each.outcome for each in caught.value.results] == ["refused", "unknown"]


@pytest.mark.parametrize("value", ["soon", -1, True])
def test_an_option_that_is_no_time_is_refused(make: Any, value: Any) -> None:
    driver = make(NO_DEDUPE, lookup_timeout=value)
    driver.gateway.on(POST, LOST)

    with pytest.raises(ccxt.BadRequest, match="lookup_timeout: expected milliseconds") as caught:
        driver.call("create_order", SYMBOL, "market", "buy", 1)
    assert caught.value.outcome == "not_sent"
    assert posts(driver) == 0


def test_an_order_that_the_venue_rejected_is_a_refusal(make: Any) -> None:
    driver = make(NO_DEDUPE)
    driver.gateway.on(POST, LOST)

    def answer(sent: Sent) -> dict[str, Any]:
        columns = {"status": "REJECTED", "reject_reason": "would_fill_immediately"}
        return page(order_row(id=11, client_order_id=sent.query["client_order_id"], **columns))

    driver.gateway.on(HISTORY, answer)
    with pytest.raises(ccxt.InvalidOrder, match="would_fill_immediately") as caught:
        driver.call("create_order", SYMBOL, "limit", "buy", 1, 100, {"postOnly": True})
    assert caught.value.outcome == "refused"
    assert caught.value.client_order_id == driver.gateway.payload["client_order_id"]


def test_an_order_is_found_long_after_it_was_sent(make: Any) -> None:
    driver = make(NO_DEDUPE, unknown_hold=600_000)
    driver.gateway.on(POST, LOST)
    driver.gateway.on(HISTORY, page())
    with pytest.raises(ccxt.RequestTimeout):
        driver.call("create_order", SYMBOL, "market", "buy", 1)

    driver.exchange.clock.now_ms += 300_000
    finds(driver, after=0)
    assert driver.call("create_order", SYMBOL, "market", "buy", 1)["id"] == "11"
