"""What the driver learns of a server: whether its rows lag, and in which zone it writes times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt
import pytest

from tests.helpers.contract_desk import NETTING, SPOT, WatchedOms
from tests.helpers.lagging import LaggingGateway
from tests.helpers.lagging.tables import of_float
from tests.helpers.lagging_desk import LaggingDesk

pytestmark = pytest.mark.oldest

MakeDesk = Callable[..., LaggingDesk]
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


class TruthfulGateway(LaggingGateway):
    """One that brings its rows up to date by itself, and has none of the features that would say so."""

    def handle(self, endpoint: str, *arguments: Any, **named: Any) -> Any:
        reply = super().handle(endpoint, *arguments, **named)
        if endpoint == "commands":
            self.follow()
        return reply

    def follow(self) -> None:
        """Learn of everything that has happened at the venue."""
        for account in self._tables.accounts.values():
            self._administration._reconciler.run(account, "long", None, [])
        for order in self._tables.orders.values():
            if order.exchange_order_id is None:
                continue
            true = self.venue_call(order.account_id, "fetch_order", order.exchange_order_id, order.symbol)
            order.filled_qty = of_float(true["filled"])
            order.avg_fill_price = of_float(true["average"]) if true["average"] else None
            order.status = {"closed": "FILLED", "canceled": "CANCELED"}.get(true["status"], "SUBMITTED")


def truthful(desk: LaggingDesk) -> LaggingDesk:
    """The same desk on a gateway that does not lag."""
    desk.oms.close()
    desk.oms = TruthfulGateway()
    desk.price(SPOT, 100, 101)
    desk.ex.load_markets()
    desk.oms.requests.clear()
    return desk


def asked(desk: LaggingDesk) -> list[str]:
    """Endpoints since the last time."""
    found = [endpoint for endpoint, _ in desk.oms.requests]
    desk.oms.requests.clear()
    return found


def buy(desk: LaggingDesk, ex: Any = None, **params: Any) -> Any:
    return (ex or desk.ex).create_order(SPOT, "market", "buy", 1, None, params)


# -- whether rows lag


def test_a_truthful_server_without_features_is_compared_twice_and_then_believed(desk: LaggingDesk) -> None:
    truthful(desk)
    for _ in range(2):
        assert buy(desk)["filled"] == 1
        assert "ccxt_call" in asked(desk)

    assert buy(desk)["filled"] == 1
    assert asked(desk) == ["commands", "orders_history", "deals"]
    desk.ex.fetch_open_orders()
    desk.ex.fetch_closed_orders()
    desk.ex.fetch_my_trades()
    desk.ex.fetch_positions()
    assert asked(desk) == ["orders_open", "orders_history", "deals", "positions_open", "accounts"]


def test_a_truthful_server_is_found_out_by_reads_too(desk: LaggingDesk) -> None:
    """Its filled orders tell: two of them are compared."""
    truthful(desk)
    for _ in range(5):
        buy(desk)
    other = desk.exchange()
    other.load_markets()
    asked(desk)

    assert len(other.fetch_closed_orders()) == 5
    assert asked(desk) == ["orders_history", "ccxt_commands"]
    assert len(other.fetch_closed_orders()) == 5
    assert asked(desk) == ["orders_history"]


def test_a_server_that_lags_once_is_never_believed_again(desk: LaggingDesk) -> None:
    buy(desk)
    assert desk.ex._truth.lags is True
    for _ in range(5):
        desk.ex.fetch_closed_orders()
    order = desk.ex.create_order(SPOT, "limit", "sell", 1, 105)
    desk.price(SPOT, 105, 106)
    assert desk.ex.fetch_order(order["id"])["status"] == "closed"


def test_load_markets_learns_anew(desk: LaggingDesk) -> None:
    buy(desk)
    assert desk.ex._truth.lags is True
    desk.ex.load_markets(True)
    assert desk.ex._truth.lags is False
    assert buy(desk)["status"] == "closed"
    assert desk.ex._truth.lags is True


def test_on_a_server_with_features_not_one_request_more_than_of_its_rows_alone(desk: LaggingDesk) -> None:
    requests = []
    for truth in ("oms", "auto"):
        desk.oms.close()
        desk.oms = WatchedOms()  # type: ignore[assignment]  # it has what these calls need
        desk.oms.set_price(SPOT, bid=100, ask=101)
        ex = desk.exchange(truth=truth)
        order = ex.create_order(SPOT, "limit", "buy", 1, 90)
        ex.create_order(SPOT, "market", "buy", 1)
        ex.fetch_order(order["id"])
        ex.fetch_open_orders()
        ex.fetch_closed_orders()
        ex.fetch_my_trades()
        ex.fetch_positions()
        ex.edit_order(order["id"], SPOT, "limit", "buy", 2)
        ex.cancel_order(order["id"])
        ex.cancel_all_orders()
        requests.append([endpoint for endpoint, _ in desk.oms.requests])
    assert requests[0] == requests[1]


# -- options


def test_truth_oms_asks_nothing_of_the_venue(desk: LaggingDesk) -> None:
    ex = desk.exchange(truth="oms")
    ex.load_markets()
    asked(desk)

    order = buy(desk, ex)
    assert (order["status"], order["filled"]) == ("open", 0), "as the row says"
    assert [each["id"] for each in ex.fetch_open_orders()] == [order["id"]]
    assert ex.fetch_my_trades() == ex.fetch_positions() == []
    assert not {"ccxt_call", "ccxt_commands", "reconcile"} & {*asked(desk)}


def test_truth_venue_always_asks(desk: LaggingDesk) -> None:
    truthful(desk)
    ex = desk.exchange(truth="venue")
    for _ in range(4):
        asked(desk)
        assert buy(desk, ex)["filled"] == 1
        assert "ccxt_call" in asked(desk)


@pytest.mark.parametrize("truth", [None, "auto"])
def test_truth_is_auto_unless_said(desk: LaggingDesk, truth: Any) -> None:
    assert buy(desk, desk.exchange(truth=truth))["filled"] == 1


@pytest.mark.parametrize(
    "option, value",
    [
        *(("truth", value) for value in ("none", True, 1, "OMS", [])),
        *(("pending_timeout", value) for value in (-1, "60", True, float("nan"))),
        *(("gateway_utc_offset", value) for value in ("east", True, 15, -15, float("nan"), [])),
    ],
)
def test_options_that_make_no_sense_are_refused_before_a_command_is_sent(
    desk: LaggingDesk, option: str, value: Any
) -> None:
    ex = desk.exchange(**{option: value})
    ex.load_markets()
    asked(desk)

    with pytest.raises(ccxt.BadRequest, match=option) as info:
        buy(desk, ex)
    assert info.value.outcome == "not_sent"
    assert "commands" not in asked(desk)
    with pytest.raises(ccxt.BadRequest, match=option):
        ex.exchange.check_options()


# -- time zones


ZONES = [0, 5.75, -5, 14, -12]


@pytest.mark.parametrize("hours", ZONES)
def test_the_zone_is_learned_of_the_first_order(make_desk: MakeDesk, hours: float) -> None:
    desk = make_desk(utc_offset_hours=hours)
    now = desk.oms.now_ms()
    order = desk.ex.create_order(SPOT, "limit", "buy", 1, 90)

    assert order["timestamp"] == now
    assert desk.ex._truth.utc_offset_ms == hours * HOUR_MS
    desk.advance(HOUR_MS)
    for ex in (desk.ex, desk.exchange()):
        assert [each["timestamp"] for each in ex.fetch_open_orders()] == [now]
        assert [each["timestamp"] for each in ex.fetch_orders(SPOT, now - 1000)] == [now]
        assert ex.fetch_orders(SPOT, now + 2000) == []


@pytest.mark.parametrize("hours", ZONES)
def test_the_option_says_the_zone_from_the_start(make_desk: MakeDesk, hours: float) -> None:
    desk = make_desk(utc_offset_hours=hours)
    now = desk.oms.now_ms()
    ex = desk.exchange(gateway_utc_offset=hours, truth="oms")

    assert ex.create_order(SPOT, "limit", "buy", 1, 90)["timestamp"] == now
    assert len(ex.fetch_orders(SPOT, now)) == 1


def test_the_zone_is_learned_anew_when_clocks_are_changed(desk: LaggingDesk) -> None:
    desk.ex.create_order(SPOT, "limit", "buy", 1, 90)
    desk.advance(HOUR_MS)
    desk.oms._tables.utc_offset_hours = 1
    order = desk.ex.create_order(SPOT, "limit", "buy", 1, 90)

    assert desk.ex._truth.utc_offset_ms == HOUR_MS
    assert desk.ex.fetch_order(order["id"])["timestamp"] == desk.oms.now_ms()


def test_the_zone_is_not_learned_of_the_time_of_a_fill(desk: LaggingDesk) -> None:
    """Some venues give an order that time: an hour after it was placed it looks like a zone."""
    desk.ex.create_order(SPOT, "limit", "buy", 1, 80)
    order = desk.ex.create_order(SPOT, "limit", "sell", 3, 105)
    desk.advance(HOUR_MS)
    desk.price(SPOT, 105, 106, size=1)
    now = desk.oms.now_ms()
    desk.oms.change_venue_answers(
        lambda name, answer: {**answer, "timestamp": now} if name == "fetch_order" else answer
    )
    desk.ex.fetch_order(order["id"])

    assert desk.ex._truth.utc_offset_ms == 0


@pytest.mark.parametrize("hours", ZONES)
def test_an_order_whose_answer_was_lost_is_found_in_any_zone(make_desk: MakeDesk, hours: float) -> None:
    desk = make_desk(utc_offset_hours=hours)
    desk.oms.lose_next_answer = "dispatcher_timeout"

    order = buy(desk)
    assert (order["status"], order["filled"]) == ("closed", 1)
    assert len(desk.oms.rows()["orders"]) == 1


def under_way(desk: LaggingDesk) -> Any:
    """A row whose order is on its way to the venue."""
    own = {"symbol": SPOT, "side": "buy", "order_type": "limit", "qty": 1, "price": 90}
    return desk.oms._tables.add_order(account_id=NETTING, command_id=1, client_order_id="mine", **own)


@pytest.mark.parametrize("hours", ZONES)
def test_an_order_under_way_is_not_dead_in_any_zone_that_is_known(make_desk: MakeDesk, hours: float) -> None:
    desk = make_desk(utc_offset_hours=hours)
    first = desk.ex.create_order(SPOT, "limit", "buy", 1, 90)
    row = under_way(desk)

    assert [order["id"] for order in desk.ex.fetch_open_orders()] == [first["id"], str(row.id)]
    assert desk.ex.fetch_order(row.id)["status"] == "open"
    desk.advance(2 * MINUTE_MS)
    assert desk.ex.fetch_order(row.id)["status"] == "rejected"


@pytest.mark.parametrize("hours", ZONES)
def test_an_order_under_way_is_open_at_the_latest_when_the_venue_has_it(
    make_desk: MakeDesk, hours: float
) -> None:
    """A process that does not know the zone yet takes it for UTC, and the row for hours old perhaps."""
    desk = make_desk(utc_offset_hours=hours)
    row = under_way(desk)
    desk.ex.fetch_open_orders()
    placed = desk.oms.venue_call(
        NETTING, "create_order", SPOT, "limit", "buy", 1, 90, {"clientOrderId": "mine"}
    )
    row.exchange_order_id, row.status = placed["id"], "SUBMITTED"

    assert [order["id"] for order in desk.ex.fetch_open_orders()] == [str(row.id)]
    assert desk.ex.fetch_order(row.id)["status"] == "open"


@pytest.mark.parametrize("hours", ZONES)
def test_an_order_that_the_venue_does_not_list_yet_is_open_in_any_zone(
    make_desk: MakeDesk, hours: float
) -> None:
    desk = make_desk(utc_offset_hours=hours)
    order = desk.ex.create_order(SPOT, "limit", "buy", 1, 90)
    other = desk.exchange()
    desk.oms.change_venue_answers(lambda name, answer: [] if name == "fetch_open_orders" else answer)

    assert [each["id"] for each in other.fetch_open_orders()] == [order["id"]]
    desk.oms.change_venue_answers(None)
    desk.advance(MINUTE_MS)
    assert [each["id"] for each in other.fetch_open_orders()] == [order["id"]]


def test_whole_seconds_at_the_edges_of_a_window(desk: LaggingDesk) -> None:
    """What may be inside is kept: a row says in which second it was written, and not when in it."""
    start = desk.oms.now_ms()
    desk.advance(400)
    order = desk.ex.create_order(SPOT, "limit", "buy", 1, 90)
    desk.advance(10_000)

    for fetch in (desk.ex.fetch_orders, desk.ex.fetch_open_orders):
        for since in (start, start + 400, start + 999):
            assert [each["id"] for each in fetch(SPOT, since)] == [order["id"]]
        for since in (start + 1000, start + 5000):
            assert fetch(SPOT, since) == []
        for until in (start, start + 400, start + 5000):
            assert [each["id"] for each in fetch(SPOT, None, None, {"until": until})] == [order["id"]]
        assert fetch(SPOT, None, None, {"until": start - 1000}) == []
