"""Orders of a gateway whose rows never move: what a program gets is what the venue has."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from email.utils import formatdate
from typing import Any

import ccxt
import pytest

from ccxt_driver.oms import Reply
from tests.helpers.contract_desk import HEDGE, NETTING, OTHER, SPOT, SWAP
from tests.helpers.lagging_desk import LaggingDesk

pytestmark = pytest.mark.oldest

MakeDesk = Callable[..., LaggingDesk]
MINUTE_MS = 60_000


def rest(desk: LaggingDesk, amount: float = 3, **params: Any) -> Any:
    """A limit sale that waits above the market."""
    return desk.ex.create_order(SPOT, "limit", "sell", amount, 105, params)


def fill(desk: LaggingDesk, size: float) -> None:
    """Let the market take so much at 105."""
    desk.price(SPOT, 105, 106, size=size)
    desk.price(SPOT, 100, 101)


def row_of(desk: LaggingDesk, order_id: str) -> dict[str, Any]:
    (row,) = [row for row in desk.oms.rows()["orders"] if str(row["id"]) == order_id]
    return dict(row)


def every_way(desk: LaggingDesk, order_id: str) -> list[Any]:
    """The order as each of the reads gives it, by this object and by one that knows nothing yet."""
    found: list[Any] = []
    for ex in (desk.ex, desk.exchange()):
        found += [ex.fetch_order(order_id), *ex.fetch_orders_by_ids([order_id])]
        found += [order for order in ex.fetch_orders() if order["id"] == order_id]
    assert len(found) == 6
    return found


# -- what became of it at the venue


def test_filled_at_the_venue_and_submitted_in_the_row(desk: LaggingDesk) -> None:
    order = rest(desk)
    fill(desk, 3)

    assert row_of(desk, order["id"])["status"] == "SUBMITTED"
    for seen in every_way(desk, order["id"]):
        assert (seen["status"], seen["filled"], seen["remaining"]) == ("closed", 3, 0)
        assert (seen["average"], seen["cost"]) == (105, 315)
    assert [each["id"] for each in desk.ex.fetch_closed_orders()] == [order["id"]]
    assert desk.ex.fetch_open_orders() == []


def test_partially_filled_at_the_venue_and_submitted_in_the_row(desk: LaggingDesk) -> None:
    order = rest(desk)
    fill(desk, 1)

    for seen in (*every_way(desk, order["id"]), *desk.ex.fetch_open_orders()):
        assert (seen["status"], seen["filled"], seen["remaining"]) == ("open", 1, 2)
        assert (seen["average"], seen["cost"], seen["price"]) == (105, 105, 105)
    assert desk.ex.fetch_closed_orders() == []


def test_cancelled_by_the_venue(desk: LaggingDesk) -> None:
    order = rest(desk)
    desk.oms.venue_call(NETTING, "cancel_order", row_of(desk, order["id"])["exchange_order_id"], SPOT)

    for seen in every_way(desk, order["id"]):
        assert (seen["status"], seen["filled"], seen["remaining"]) == ("canceled", 0, 3)
    assert [each["id"] for each in desk.ex.fetch_canceled_orders()] == [order["id"]]
    assert desk.ex.fetch_open_orders() == []


@pytest.mark.parametrize("said", ["expired", "rejected", "canceled"])
def test_ended_at_the_venue_after_a_part(desk: LaggingDesk, said: str) -> None:
    order = rest(desk)
    fill(desk, 1)

    def changed(name: str, answer: Any) -> Any:
        if name == "fetch_open_orders":
            return []
        return {**answer, "status": said} if name == "fetch_order" else answer

    desk.oms.change_venue_answers(changed)
    for seen in every_way(desk, order["id"]):
        assert (seen["status"], seen["filled"]) == (said, 1)
    desk.advance(MINUTE_MS)
    assert desk.ex.fetch_open_orders() == []


def test_cancelled_by_the_gateway_after_it_filled_in_part(desk: LaggingDesk) -> None:
    order = rest(desk)
    fill(desk, 1)
    canceled = desk.ex.cancel_order(order["id"])

    row = row_of(desk, order["id"])
    assert (row["status"], Decimal(row["filled_qty"])) == ("CANCELED", 0)
    for seen in (canceled, *every_way(desk, order["id"])):
        assert (seen["status"], seen["filled"], seen["remaining"], seen["cost"]) == ("canceled", 1, 2, 105)
    assert [trade["amount"] for trade in canceled["trades"]] == [1]


def test_cancelling_what_has_filled_is_refused_and_the_order_is_closed(desk: LaggingDesk) -> None:
    order = rest(desk)
    fill(desk, 3)

    with pytest.raises(ccxt.InvalidOrder) as info:
        desk.ex.cancel_order(order["id"])
    assert info.value.outcome == "refused"
    assert desk.ex.fetch_order(order["id"])["status"] == "closed"


# -- several fills


@pytest.mark.parametrize("trades_in_order", [True, False])
def test_several_fills_add_up(make_desk: MakeDesk, trades_in_order: bool) -> None:
    desk = make_desk(trades_in_order=trades_in_order)
    order = rest(desk)
    times = []
    for size in (1, 2):
        desk.advance(7_300)
        times.append(desk.oms.now_ms())
        fill(desk, size)
    desk.advance(20_000)

    seen = desk.ex.fetch_order(order["id"])
    assert (seen["status"], seen["filled"], seen["average"], seen["cost"]) == ("closed", 3, 105, 315)
    assert seen["fee"] == {"currency": "USDT", "cost": 0.315, "rate": 0.001}
    assert [trade["timestamp"] for trade in seen["trades"]] == times
    assert seen["lastTradeTimestamp"] == times[-1]
    deals = desk.oms.rows()["deals"]
    assert [trade["id"] for trade in seen["trades"]] == [str(deal["id"]) for deal in deals]
    assert {trade["order"] for trade in seen["trades"]} == {order["id"]}
    assert [trade["takerOrMaker"] for trade in seen["trades"]] == ["maker", "maker"]


def test_fees_in_two_currencies_are_summed_apart(make_desk: MakeDesk) -> None:
    desk = make_desk(trades_in_order=False)

    def changed(name: str, answer: Any) -> Any:
        if name == "fetch_my_trades":
            for trade in answer:
                bnb, usdt = {"currency": "BNB", "cost": 0.2}, {"currency": "USDT", "cost": 0.3}
                trade["fee"] = bnb if trade["amount"] == 1 else usdt
        return answer

    desk.oms.change_venue_answers(changed)
    order = rest(desk)
    fill(desk, 1)
    fill(desk, 2)

    seen = desk.ex.fetch_order(order["id"])
    assert [(fee["currency"], fee["cost"]) for fee in seen["fees"]] == [("BNB", 0.2), ("USDT", 0.3)]
    assert seen["fee"] is None


def test_an_order_without_fills_costs_no_reconcile(desk: LaggingDesk) -> None:
    order = rest(desk)
    desk.ex.fetch_order(order["id"])

    assert "reconcile" not in [endpoint for endpoint, _ in desk.oms.requests]


# -- leftovers of refused commands


def refuse(desk: LaggingDesk, **params: Any) -> int:
    """An order that the venue refuses; the id of the row that it leaves behind."""
    with pytest.raises(ccxt.InsufficientFunds):
        desk.ex.create_order(SPOT, "limit", "buy", 5000, 100, params)
    row = desk.oms.rows()["orders"][-1]
    assert (row["status"], row["exchange_order_id"]) == ("PENDING_SUBMIT", None)
    return int(row["id"])


def test_a_leftover_whose_refusal_was_seen_is_rejected_at_once(desk: LaggingDesk) -> None:
    order_id = refuse(desk)

    assert desk.ex.fetch_order(order_id)["status"] == "rejected"
    assert [order["status"] for order in desk.ex.fetch_orders()] == ["rejected"]
    assert desk.ex.fetch_open_orders() == []


def test_somebody_elses_leftover_is_open_until_it_must_have_arrived(desk: LaggingDesk) -> None:
    order_id = refuse(desk)
    other = desk.exchange()

    assert [order["id"] for order in other.fetch_open_orders()] == [str(order_id)]
    desk.advance(59_000)
    assert other.fetch_order(order_id)["status"] == "open"
    desk.advance(3_000)
    assert other.fetch_order(order_id)["status"] == "rejected"
    assert other.fetch_open_orders() == []


def test_pending_timeout_says_when_a_leftover_is_dead(desk: LaggingDesk) -> None:
    order_id = refuse(desk)
    impatient, patient = desk.exchange(pending_timeout=5_000), desk.exchange(pending_timeout=600_000)
    desk.advance(7_000)

    assert impatient.fetch_order(order_id)["status"] == "rejected"
    desk.advance(300_000)
    assert patient.fetch_order(order_id)["status"] == "open"


def test_what_we_have_sent_is_as_old_as_our_own_clock_says(desk: LaggingDesk) -> None:
    """A clock that is minutes ahead of the gateway's must not make an order dead that is under way."""
    ex = desk.exchange(lookup_timeout=0)
    ex.milliseconds = lambda: desk.oms.now_ms() + 3 * MINUTE_MS
    ex.load_markets()
    desk.oms.venue_down = ccxt.RequestTimeout("binance POST https://api.venue.test request timed out")
    with pytest.raises(ccxt.RequestTimeout) as caught:
        ex.create_order(SPOT, "limit", "buy", 1, 90)
    desk.oms.venue_down = None
    name = {"clientOrderId": caught.value.client_order_id}

    assert ex.fetch_order("", SPOT, name)["status"] == "open"
    assert [order["status"] for order in ex.fetch_open_orders()] == ["open"]
    desk.advance(MINUTE_MS + 2_000)
    assert ex.fetch_order("", SPOT, name)["status"] == "rejected"


def _knows_no_order_yet(name: str, answer: Any) -> Any:
    if name == "fetch_order":
        raise ccxt.OrderNotFound("binance Order does not exist.")
    return [] if name in ("fetch_open_orders", "fetch_orders", "fetch_closed_orders") else answer


@pytest.mark.parametrize("batch", [False, True])
def test_nor_one_that_its_venue_does_not_show_yet(desk: LaggingDesk, batch: bool) -> None:
    ex = desk.exchange()
    ex.milliseconds = lambda: desk.oms.now_ms() + 3 * MINUTE_MS
    ex.load_markets()
    desk.oms.change_venue_answers(_knows_no_order_yet)
    asked = {"symbol": SPOT, "type": "limit", "side": "buy", "amount": 1, "price": 90}
    [order] = ex.create_orders([asked]) if batch else [ex.create_order(*asked.values())]
    assert ex.fetch_order(order["id"])["status"] == "open"
    assert [order["status"] for order in ex.fetch_orders()] == ["open"]
    desk.oms.change_venue_answers(None)
    assert [each["id"] for each in ex.fetch_open_orders()] == [order["id"]]


@pytest.mark.parametrize("params", [{"clientOrderId": "mine"}, {}], ids=["by client order id", "by OMS id"])
def test_after_a_lost_answer_the_venues_order_is_found(desk: LaggingDesk, params: dict[str, Any]) -> None:
    """The gateway never learned the venue's id: its row looks like that of a refused order."""
    desk.oms.lose_next_venue_answer()
    if params:
        placed = rest(desk, **params)
        order_id = placed["id"]
    else:  # of a client that sends no id: the gateway's own is the venue's client order id
        payload = {"symbol": SPOT, "side": "sell", "order_type": "limit", "qty": 3, "price": 105}
        body = {"account_id": NETTING, "command": "send_order", "payload": payload}
        assert desk.oms.handle("commands", {}, {}, body).status == 400
        order_id = str(desk.oms.rows()["orders"][-1]["id"])
    assert row_of(desk, order_id)["exchange_order_id"] is None

    for seen in (*every_way(desk, order_id), *desk.ex.fetch_open_orders()):
        assert (seen["id"], seen["status"], seen["filled"]) == (order_id, "open", 0)
    fill(desk, 3)
    desk.advance(2 * MINUTE_MS)
    for seen in every_way(desk, order_id):
        assert (seen["status"], seen["filled"]) == ("closed", 3)


def test_a_leftover_is_not_taken_for_the_older_order_of_its_client_order_id(desk: LaggingDesk) -> None:
    older = rest(desk, clientOrderId="mine")
    desk.advance(10 * MINUTE_MS)
    order_id = refuse(desk, clientOrderId="mine")
    desk.advance(2 * MINUTE_MS)

    for ex in (desk.ex, desk.exchange()):
        assert [order["id"] for order in ex.fetch_open_orders()] == [older["id"]]
        assert ex.fetch_order(order_id)["status"] == "rejected"
        assert ex.fetch_order(older["id"])["status"] == "open"


def test_a_leftover_is_not_taken_for_the_next_order_of_its_client_order_id(desk: LaggingDesk) -> None:
    """A program that is refused and sends again under the same id has placed one order, not two."""
    order_id = refuse(desk, clientOrderId="mine")
    next_one = desk.ex.create_order(SPOT, "limit", "buy", 1, 90, {"clientOrderId": "mine"})

    for ex in (desk.ex, desk.exchange()):
        states = {order["id"]: (order["status"], order["amount"]) for order in ex.fetch_orders()}
        assert states[next_one["id"]] == ("open", 1)
        assert states[str(order_id)][1] == 5000
        assert next_one["id"] in [order["id"] for order in ex.fetch_open_orders()]
    desk.advance(2 * MINUTE_MS)
    for ex in (desk.ex, desk.exchange()):
        assert [order["id"] for order in ex.fetch_open_orders()] == [next_one["id"]]
        assert ex.fetch_order(order_id)["status"] == "rejected"


def test_a_row_that_was_under_way_is_no_leftover_once_the_venue_has_it(desk: LaggingDesk) -> None:
    """Taken for dead too early, it must not stay dead."""
    order = rest(desk)
    number = int(order["id"])
    named = row_of(desk, order["id"])["exchange_order_id"]
    kept = desk.oms._tables.orders[number]
    kept.exchange_order_id, kept.status, kept.client_order_id = None, "PENDING_SUBMIT", "otherwise"
    other = desk.exchange(pending_timeout=0)
    desk.advance(2_000)
    assert other.fetch_order(number)["status"] == "rejected"

    kept.exchange_order_id, kept.status = named, "SUBMITTED"
    assert other.fetch_order(number)["status"] == "open"
    assert [each["id"] for each in other.fetch_open_orders()] == [order["id"]]


def test_the_older_order_of_a_refused_id_stays_what_it_is(desk: LaggingDesk) -> None:
    """An order whose answer somebody else lost, and a command of ours of the same id that was refused."""
    other = desk.exchange(lookup_timeout=0)
    desk.oms.lose_next_venue_answer()
    with pytest.raises(ccxt.RequestTimeout):
        other.create_order(SPOT, "limit", "sell", 3, 105, {"clientOrderId": "mine"})
    first = str(desk.oms.rows()["orders"][-1]["id"])
    desk.advance(3 * MINUTE_MS)
    refused = refuse(desk, clientOrderId="mine")

    assert desk.ex.fetch_order(refused)["status"] == "rejected"
    assert desk.ex.fetch_order(first)["status"] == "open"


def test_what_the_gateway_cannot_cancel_is_told_by_cancel_all(desk: LaggingDesk) -> None:
    """An order whose answer was lost has no id that the gateway could cancel."""
    lost = desk.exchange(lookup_timeout=0)
    desk.oms.lose_next_venue_answer()
    with pytest.raises(ccxt.RequestTimeout):
        lost.create_order(SPOT, "limit", "sell", 1, 120, {"clientOrderId": "mine"})
    first = str(desk.oms.rows()["orders"][-1]["id"])
    second = rest(desk)

    left = {order["id"]: order["status"] for order in desk.ex.cancel_all_orders()}
    assert left == {first: "open", second["id"]: "canceled"}


def as_gate_names(function: str, answer: Any) -> Any:
    """What the venue says, with a word before client order ids, as ccxt's class of gate puts it there."""
    if isinstance(answer, list):
        return [as_gate_names(function, each) for each in answer]
    name = answer.get("clientOrderId")
    return {**answer, "clientOrderId": f"t-{name}"} if name else answer


@pytest.mark.parametrize("params", [{"clientOrderId": "mine"}, {}], ids=["mine", "made up"])
def test_an_order_whose_answer_was_lost_is_found_where_the_venue_adds_to_its_name(
    make_desk: MakeDesk, params: dict[str, str]
) -> None:
    desk = make_desk(exchange_id="ccxtpro.gate")
    desk.oms.change_venue_answers(as_gate_names)
    desk.oms.lose_next_venue_answer()
    with pytest.raises(ccxt.RequestTimeout) as info:
        desk.exchange(lookup_timeout=0).create_order(SPOT, "limit", "sell", 3, 105, params)
    assert info.value.outcome == "unknown"
    order_id = str(desk.oms.rows()["orders"][-1]["id"])
    desk.advance(3 * MINUTE_MS)

    assert [each["id"] for each in desk.ex.fetch_open_orders()] == [order_id]
    fill(desk, 3)
    for seen in every_way(desk, order_id):
        assert (seen["status"], seen["filled"]) == ("closed", 3)


@pytest.mark.parametrize("by", ["cancel_all_orders", "cancel_orders"])
def test_cancelling_all_is_done_when_another_hand_was_faster(desk: LaggingDesk, by: str) -> None:
    """The gateway says that it cancelled no order; none is open, which was wanted."""
    placed = [rest(desk)["id"], rest(desk)["id"]]
    handle = desk.oms.handle

    def faster(endpoint: str, *request: Any) -> Any:
        if endpoint == "commands":
            desk.oms.handle = handle
            handle(endpoint, *request)
        return handle(endpoint, *request)

    desk.oms.handle = faster
    if by == "cancel_orders":  # by name: what the caller thinks of them is wrong
        with pytest.raises(ccxt.InvalidOrder):
            desk.ex.cancel_orders(placed)
        return
    cancelled = desk.ex.cancel_all_orders()
    assert [(order["id"], order["status"]) for order in cancelled] == [(each, "canceled") for each in placed]


@pytest.mark.parametrize("hours", [-5, 5.5])
def test_a_lost_answer_is_found_where_no_zone_is_known(make_desk: MakeDesk, hours: float) -> None:
    desk = make_desk(utc_offset_hours=hours)
    desk.oms.lose_next_answer = "dispatcher_timeout"

    assert rest(desk)["status"] == "open"
    assert len(desk.oms.rows()["orders"]) == 1


def ahead_of(desk: LaggingDesk, minutes: int) -> Any:
    """An exchange object by whose clock the gateway's answers are so many minutes old."""
    ex = desk.exchange()
    ex.load_markets()
    ex.milliseconds = lambda: desk.oms.now_ms() + minutes * MINUTE_MS
    ex.last_response_headers = {"Date": formatdate(desk.oms.now_ms() / 1000, usegmt=True)}
    return ex


@pytest.mark.parametrize("minutes", [2, 4])
def test_an_order_whose_answer_was_lost_is_found_by_a_clock_that_is_ahead(
    desk: LaggingDesk, minutes: int
) -> None:
    """By the id of its caller's: it looked older than its command, and stayed unknown for ever."""
    desk.oms.lose_next_answer = "dispatcher_timeout"
    order = ahead_of(desk, minutes).create_order(SPOT, "limit", "sell", 3, 105, {"clientOrderId": "mine"})
    assert (order["status"], order["clientOrderId"]) == ("open", "mine")


def test_a_leftover_whose_refusal_was_seen_by_a_clock_that_is_ahead(desk: LaggingDesk) -> None:
    ex = ahead_of(desk, 2)
    with pytest.raises(ccxt.InsufficientFunds):
        ex.create_order(SPOT, "limit", "buy", 5000, 100, {"clientOrderId": "mine"})
    assert ex.fetch_open_orders() == []


@pytest.mark.parametrize(
    "behind, status", [(3, "open"), (2, "rejected"), (0, "rejected"), (None, "rejected")]
)
def test_what_others_have_sent_is_as_old_as_by_the_clock_of_the_gateway(
    desk: LaggingDesk, behind: int | None, status: str
) -> None:
    """Ours may be minutes ahead; taken for refused, an order on its way would be placed once more."""
    order_id = refuse(desk)
    desk.advance(10_000)
    other = desk.exchange()
    other.milliseconds = lambda: desk.oms.now_ms() + 3 * MINUTE_MS
    date = None if behind is None else formatdate(other.milliseconds() / 1000 - behind * 60, usegmt=True)
    other.last_response_headers = {"Date": date}

    assert other.fetch_order(order_id)["status"] == status


@pytest.mark.parametrize("hours", [-5, 5.5])
def test_the_age_of_a_leftover_where_no_zone_is_known(make_desk: MakeDesk, hours: float) -> None:
    desk = make_desk(utc_offset_hours=hours)
    order_id = refuse(desk)
    desk.advance(30_000)

    assert desk.exchange().fetch_order(order_id)["status"] == "open"
    desk.advance(32_000)
    assert desk.exchange().fetch_order(order_id)["status"] == "rejected"


def test_cancelled_and_the_venues_answer_was_lost(desk: LaggingDesk) -> None:
    """The gateway says that nothing was cancelled, as it does of an order that has filled."""
    order = rest(desk)
    desk.oms.lose_next_venue_answer()

    assert desk.ex.cancel_order(order["id"])["status"] == "canceled"


def test_several_cancelled_and_the_venues_answer_was_lost(desk: LaggingDesk) -> None:
    order = rest(desk)
    desk.oms.lose_next_venue_answer()

    with pytest.raises(ccxt.InvalidOrder) as info:  # none of them is open any more
        desk.ex.cancel_orders([order["id"]])
    assert info.value.outcome == "refused"
    assert desk.ex.fetch_order(order["id"])["status"] == "canceled"


@pytest.mark.parametrize("name", ["cancel_order", "cancel_orders"])
def test_not_cancelled_because_the_venue_is_down(desk: LaggingDesk, name: str) -> None:
    """That is no word of the order: a program that takes it for closed leaves it in the market."""
    order = rest(desk)
    desk.oms.venue_down = ccxt.NetworkError("binance GET https://api.venue.test Connection reset by peer")

    with pytest.raises(ccxt.RequestTimeout) as info:
        getattr(desk.ex, name)(order["id"])
    assert info.value.outcome == "unknown"
    desk.oms.venue_down = None
    assert desk.ex.cancel_order(order["id"])["status"] == "canceled"
    with pytest.raises(ccxt.InvalidOrder) as info:
        desk.ex.cancel_order(order["id"])
    assert info.value.outcome == "refused"


# -- changes


def test_an_edit_sends_price_and_quantity_always(desk: LaggingDesk) -> None:
    order = rest(desk)
    desk.ex.edit_order(order["id"], SPOT, "limit", "sell", None, 110)
    desk.ex.edit_order(order["id"], SPOT, "limit", "sell", 2)

    payloads = [body["payload"] for endpoint, body in desk.oms.requests if endpoint == "commands"][1:]
    sent = [(Decimal(each["new_price"]), Decimal(each["new_qty"])) for each in payloads]
    assert sent == [(110, 3), (110, 2)]
    seen = desk.ex.fetch_order(order["id"])
    assert (seen["price"], seen["amount"], seen["status"]) == (110, 2, "open")


def test_an_edit_of_a_row_that_has_lost_its_price(desk: LaggingDesk) -> None:
    order = rest(desk)
    change = {"order_id": int(order["id"]), "new_qty": 2}
    body = {"account_id": NETTING, "command": "change_order", "payload": change}
    reply = desk.oms.handle("commands", {}, {}, body)
    assert (reply.status, row_of(desk, order["id"])["price"]) == (200, None)

    assert desk.ex.fetch_order(order["id"])["price"] == 105
    edited = desk.ex.edit_order(order["id"], SPOT, "limit", "sell", 1)
    assert (edited["price"], edited["amount"]) == (105, 1)


def test_an_edit_by_a_new_order_of_the_venues(make_desk: MakeDesk) -> None:
    """A venue that cannot edit: the gateway cancels and creates, under its own id of before."""
    desk = make_desk(venue_functions={"fetch_orders", "fetch_closed_orders", "fetch_trading_fees"})
    order = rest(desk)
    first = row_of(desk, order["id"])["exchange_order_id"]
    edited = desk.ex.edit_order(order["id"], SPOT, "limit", "sell", None, 110)

    assert row_of(desk, order["id"])["exchange_order_id"] != first
    assert (edited["id"], edited["price"], edited["status"]) == (order["id"], 110, "open")
    assert [each["id"] for each in desk.ex.fetch_open_orders()] == [order["id"]]


# -- orders of others


def test_an_order_that_the_gateway_did_not_send(desk: LaggingDesk) -> None:
    """Reconciling writes it as a filled market order of the size of its first trade."""
    desk.oms.venue_call(NETTING, "create_order", SPOT, "limit", "sell", 3, 105)
    fill(desk, 1)
    desk.ex.reconcile()
    (row,) = desk.oms.rows()["orders"]
    assert (row["status"], row["order_type"], Decimal(row["qty"])) == ("FILLED", "market", 1)

    seen = desk.ex.fetch_order(row["id"])
    assert (seen["status"], seen["type"], seen["amount"], seen["filled"]) == ("open", "limit", 3, 1)
    fill(desk, 2)
    seen = desk.ex.fetch_order(row["id"])
    assert (seen["status"], seen["amount"], seen["filled"], len(seen["trades"])) == ("closed", 3, 3, 2)


# -- numbers


def test_zero_in_scientific_notation_is_zero(desk: LaggingDesk) -> None:
    order = desk.exchange(number=str).create_order(SPOT, "limit", "sell", "3", "105")

    assert row_of(desk, order["id"])["filled_qty"] == "0E-18"
    assert (order["filled"], order["remaining"], order["cost"], order["amount"]) == ("0", "3", "0", "3")


def test_accounts_do_not_mix(desk: LaggingDesk) -> None:
    mine, other = rest(desk), desk.exchange(HEDGE).create_order(OTHER, "limit", "sell", 1, 12)

    assert [order["id"] for order in desk.ex.fetch_open_orders()] == [mine["id"]]
    with pytest.raises(ccxt.OrderNotFound):
        desk.ex.fetch_order(other["id"])


REPLACES = {"venue_functions": {"fetch_orders", "fetch_closed_orders"}, "exchange_id": "ccxtpro.htx"}
"""A venue that cannot change an order: a new one takes its place, of the whole amount again."""


@pytest.mark.parametrize("options", [REPLACES, {"exchange_id": "ccxtpro.binance"}, {"exchange_id": "bitget"}])
@pytest.mark.parametrize("truth", ["auto", "venue"])
def test_no_order_that_filled_in_part_is_replaced_by_one_of_the_whole_amount(
    make_desk: MakeDesk, options: Any, truth: str
) -> None:
    """It would trade what has filled a second time; ccxt says `editOrder` of venues that replace, too."""
    desk = make_desk(**options)
    order = rest(desk)
    fill(desk, 1)
    desk.oms.requests.clear()
    ex = desk.exchange(truth=truth)

    with pytest.raises(ccxt.NotSupported, match="filled in part") as info:
        ex.edit_order(order["id"], SPOT, "limit", "sell", None, 110)
    assert info.value.outcome == "not_sent"
    assert "commands" not in [endpoint for endpoint, _ in desk.oms.requests]
    seen = desk.ex.fetch_order(order["id"])
    assert (seen["status"], seen["amount"], seen["filled"]) == ("open", 3, 1)


def test_an_order_that_has_filled_is_not_open_for_an_edit(make_desk: MakeDesk) -> None:
    desk = make_desk(**REPLACES)
    order = rest(desk)
    fill(desk, 3)
    desk.oms.requests.clear()

    with pytest.raises(ccxt.InvalidOrder, match=f"order {order['id']} is FILLED") as info:
        desk.ex.edit_order(order["id"], SPOT, "limit", "sell", None, 110)
    assert info.value.outcome == "not_sent"
    assert "commands" not in [endpoint for endpoint, _ in desk.oms.requests]


@pytest.mark.parametrize(
    "exchange_id, symbol", [("ccxtpro.okx", SPOT), ("bybit", SPOT), ("ccxtpro.binance", SWAP)]
)
def test_an_order_that_filled_in_part_is_changed_where_the_venue_can(
    make_desk: MakeDesk, exchange_id: str, symbol: str
) -> None:
    desk = make_desk(exchange_id=exchange_id)
    order = desk.ex.create_order(symbol, "limit", "sell", 3, 105)
    desk.price(symbol, 105, 106, size=1)
    edited = desk.ex.edit_order(order["id"], symbol, "limit", "sell", 2, 110)

    assert (edited["amount"], edited["filled"], edited["remaining"], edited["price"]) == (2, 1, 1, 110)


@pytest.mark.parametrize("truth", ["auto", "oms"])
@pytest.mark.parametrize("options", [{}, REPLACES], ids=["in place", "by a new order"])
def test_a_change_whose_answer_was_lost_is_not_sent_again(
    make_desk: MakeDesk, options: Any, truth: str
) -> None:
    """The second one would replace what the first has placed."""
    desk = make_desk(**options)
    order = rest(desk)
    desk.oms.requests.clear()
    desk.oms.lose_next_answer = "dispatcher_timeout"
    edited = desk.exchange(truth=truth).edit_order(order["id"], SPOT, "limit", "sell", None, 110)

    assert (edited["price"], edited["status"], edited["id"]) == (110, "open", order["id"])
    assert [endpoint for endpoint, _ in desk.oms.requests].count("commands") == 1


def test_a_change_that_was_never_carried_out_is_unknown_in_the_end(make_desk: MakeDesk) -> None:
    desk = make_desk()
    order = rest(desk)
    handle = desk.oms.handle

    def lose(endpoint: str, *arguments: Any, **named: Any) -> Any:
        if endpoint == "commands":
            return Reply(400, {"detail": {"code": "dispatcher_timeout"}})
        return handle(endpoint, *arguments, **named)

    desk.oms.handle = lose
    with pytest.raises(ccxt.RequestTimeout) as info:
        desk.ex.edit_order(order["id"], SPOT, "limit", "sell", None, 110)
    assert info.value.outcome == "unknown"


def forget_the_replacement(desk: LaggingDesk, told: bool) -> None:
    """From now on the gateway does not hear of the order that a change has placed.

    :param told: whether it was told at least that there is none: then it takes the order for cancelled
    """
    handle = desk.oms.handle

    def lose(endpoint: str, path: Any, query: Any, body: Any, *more: Any, **named: Any) -> Any:
        command = body if endpoint == "commands" else {}
        if not isinstance(command, dict) or command.get("command") != "change_order":
            return handle(endpoint, path, query, body, *more, **named)
        kept = desk.oms._tables.orders[command["payload"]["order_id"]]
        names = ("exchange_order_id", "qty", "price", "status", "edit_replace_state", "edit_replace_at")
        before = {name: getattr(kept, name) for name in names}
        handle(endpoint, path, query, body, *more, **named)
        for name, value in before.items():
            setattr(kept, name, value)
        text = "request timed out"
        if told:
            kept.status, kept.edit_replace_state = "CANCELED", "create_failed"
            text = "change_order_replace_create_failed"
        return Reply(400, {"detail": {"code": "internal_error", "message": text}})

    desk.oms.handle = lose


@pytest.mark.parametrize("told", [True, False])
def test_an_order_that_has_replaced_another_unseen_is_not_shown_as_cancelled(
    make_desk: MakeDesk, told: bool
) -> None:
    desk = make_desk(**REPLACES)
    order = rest(desk, clientOrderId="mine")
    forget_the_replacement(desk, told)
    edited = desk.ex.edit_order(order["id"], SPOT, "limit", "sell", 2, 110)

    assert (edited["status"], edited["price"], edited["amount"]) == ("open", 110, 2)
    assert [each["id"] for each in desk.ex.fetch_open_orders()] == [order["id"]]
    with pytest.raises(ccxt.RequestTimeout, match="may be open") as info:
        desk.ex.cancel_order(order["id"])
    assert info.value.outcome == "unknown"
    with pytest.raises(ccxt.RequestTimeout, match="may be open"):
        desk.ex.cancel_all_orders()
    desk.price(SPOT, 110, 111)
    seen = desk.ex.fetch_order(order["id"])
    assert (seen["status"], seen["filled"], seen["average"]) == ("closed", 2, 110)
    assert desk.ex.fetch_open_orders() == []


def test_another_object_finds_the_order_that_has_replaced_one_unseen(make_desk: MakeDesk) -> None:
    """A program that was started anew asks for its open orders first."""
    desk = make_desk(**REPLACES)
    order = rest(desk, clientOrderId="mine")
    forget_the_replacement(desk, told=False)
    desk.ex.edit_order(order["id"], SPOT, "limit", "sell", 2, 110)
    other = desk.exchange()

    [seen] = other.fetch_open_orders()  # the gateway may be about to hear of it
    assert (seen["id"], seen["amount"], seen["price"]) == (order["id"], 2, 110)
    for _ in range(2):  # another read may have taken it for cancelled first
        desk.advance(MINUTE_MS)
        [seen] = other.fetch_open_orders()
        assert (seen["id"], seen["amount"], seen["price"]) == (order["id"], 2, 110)
        other = desk.exchange()
        assert [each["status"] for each in other.fetch_orders()] == ["canceled"]
    assert [each["id"] for each in other.fetch_open_orders()] == [order["id"]]
    assert other.fetch_order(order["id"])["status"] == "open"


def test_an_order_that_a_change_is_replacing_is_open_meanwhile(desk: LaggingDesk) -> None:
    """Its venue has cancelled the old one, and the gateway has not answered yet."""
    if desk.way.asynchronous:
        pytest.skip("the gateway of this process answers while the loop waits")
    order = rest(desk, clientOrderId="mine")
    handle, seen = desk.oms.handle, []

    def look(endpoint: str, path: Any, query: Any, body: Any, *more: Any, **named: Any) -> Any:
        if endpoint == "commands" and body["command"] == "change_order":
            name = row_of(desk, order["id"])["exchange_order_id"]
            desk.oms.venue_call(NETTING, "cancel_order", name, SPOT)
            desk.oms.handle = handle
            seen.append(desk.ex.fetch_order(order["id"])["status"])
            return Reply(400, {"detail": {"code": "internal_error", "message": "Unknown order sent."}})
        return handle(endpoint, path, query, body, *more, **named)

    desk.oms.handle = look
    with pytest.raises(ccxt.OrderNotFound):
        desk.ex.edit_order(order["id"], SPOT, "limit", "sell", 2, 110)
    assert seen == ["open"]
    assert desk.ex.fetch_order(order["id"])["status"] == "canceled"


def test_an_order_of_the_same_client_order_id_is_none_that_has_replaced_another(desk: LaggingDesk) -> None:
    """Such gateways let an id be used again."""
    first = rest(desk, clientOrderId="mine")
    desk.oms.venue_call(NETTING, "cancel_order", row_of(desk, first["id"])["exchange_order_id"], SPOT)
    second = rest(desk, clientOrderId="mine")
    for ex in (desk.ex, desk.exchange()):
        desk.advance(MINUTE_MS)
        assert [each["id"] for each in ex.fetch_open_orders()] == [second["id"]]
        assert ex.fetch_order(first["id"])["status"] == "canceled"
        assert [each["id"] for each in ex.fetch_orders()] == [first["id"], second["id"]]


def test_an_order_whose_answer_was_lost_is_not_seen_twice_when_it_has_filled(
    desk: LaggingDesk, caplog: pytest.LogCaptureFixture
) -> None:
    """Reconciling does not know the venue's id: it writes the order down once more, as somebody else's."""
    desk.oms.lose_next_venue_answer()
    order = rest(desk, clientOrderId="mine")
    fill(desk, 3)
    desk.advance(2 * MINUTE_MS)
    desk.ex.reconcile()
    assert [row["reason"] for row in desk.oms.rows()["orders"]] == ["api", "external"]

    for ex in (desk.ex, desk.exchange()):
        seen = ex.fetch_order(order["id"])
        assert (seen["status"], seen["filled"], len(seen["trades"])) == ("closed", 3, 1)
        assert [each["id"] for each in ex.fetch_closed_orders()] == [order["id"]]
        assert [each["id"] for each in ex.fetch_orders()] == [order["id"]]
        assert [trade["order"] for trade in ex.fetch_my_trades()] == [order["id"]]
        assert seen["trades"] == ex.fetch_my_trades()
    assert "lacks deals" not in caplog.text


# -- fills of orders that were cancelled


def cancelled_after_a_part(desk: LaggingDesk) -> Any:
    order = rest(desk)
    fill(desk, 1)
    desk.oms.venue_call(NETTING, "cancel_order", row_of(desk, order["id"])["exchange_order_id"], SPOT)
    return order


def test_a_cancelled_order_of_which_the_venue_does_not_say_what_had_filled(desk: LaggingDesk) -> None:
    order = cancelled_after_a_part(desk)
    silent = dict.fromkeys(("filled", "remaining", "average", "cost"))
    desk.oms.change_venue_answers(
        lambda name, answer: {**answer, **silent} if name == "fetch_order" else answer
    )
    for seen in every_way(desk, order["id"]):
        assert (seen["status"], seen["filled"], seen["remaining"]) == ("canceled", 1, 2)
    assert len(desk.ex.fetch_order(order["id"])["trades"]) == 1


def nothing_filled(name: str, answer: Any) -> Any:
    none = {"filled": 0.0, "remaining": 3.0, "average": None, "cost": 0.0, "trades": []}
    return {**answer, **none, "lastUpdateTimestamp": None} if name == "fetch_order" else answer


def test_a_fill_that_the_venue_tells_after_the_order_was_cancelled(desk: LaggingDesk) -> None:
    order = cancelled_after_a_part(desk)
    desk.oms.change_venue_answers(nothing_filled)
    assert desk.ex.fetch_order(order["id"])["filled"] == 0

    desk.oms.change_venue_answers(None)
    seen = desk.ex.fetch_order(order["id"])
    assert (seen["status"], seen["filled"], len(seen["trades"])) == ("canceled", 1, 1)


def test_a_deal_raises_what_was_kept_of_a_cancelled_order(desk: LaggingDesk) -> None:
    order = cancelled_after_a_part(desk)
    desk.oms.change_venue_answers(nothing_filled)
    for _ in range(2):
        assert desk.ex.fetch_order(order["id"])["filled"] == 0
        desk.advance(2 * MINUTE_MS)
    desk.oms.requests.clear()
    assert desk.ex.fetch_order(order["id"])["filled"] == 0
    assert "ccxt_call" not in [endpoint for endpoint, _ in desk.oms.requests], "it is final"

    assert [trade["order"] for trade in desk.ex.fetch_my_trades()] == [order["id"]]
    seen = desk.ex.fetch_order(order["id"])
    assert (seen["status"], seen["filled"], len(seen["trades"])) == ("canceled", 1, 1)
