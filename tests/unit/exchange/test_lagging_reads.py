"""What reads of a gateway that lags ask, and how they cope with its lists and with its venue's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import ccxt
import pytest

from ccxt_driver.oms import Reply
from tests.helpers.contract_desk import NETTING, OTHER, SPOT, SWAP
from tests.helpers.lagging_desk import LaggingDesk

pytestmark = pytest.mark.oldest

MakeDesk = Callable[..., LaggingDesk]
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
EVERY_LIST = {"fetch_orders", "fetch_closed_orders", "fetch_canceled_orders"}


def rest(desk: LaggingDesk, symbol: str = SPOT, price: float = 90) -> Any:
    return desk.ex.create_order(symbol, "limit", "buy", 1, price)


def asked(desk: LaggingDesk) -> list[str]:
    """Endpoints, with the venue's functions, since the last time."""
    found: list[str] = []
    for endpoint, body in desk.oms.requests:
        calls = body if endpoint == "ccxt_commands" else [body] if endpoint == "ccxt_call" else []
        functions = "+".join(sorted({call.get("func") or "" for call in calls}))
        found.append(f"{endpoint} {functions}".strip() if endpoint == "ccxt_commands" else endpoint)
    desk.oms.requests.clear()
    return found


def ids(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def many(desk: LaggingDesk, count: int, **columns: Any) -> None:
    """Rows of orders that were placed and ended long ago, without the work of it."""
    for _ in range(count):
        own = {
            "symbol": SPOT,
            "side": "buy",
            "order_type": "limit",
            "qty": 1,
            "status": "CANCELED",
            **columns,
        }
        desk.oms._tables.add_order(account_id=NETTING, **own)


# -- as few requests as possible: what common calls ask once everything is known


@pytest.fixture
def known(desk: LaggingDesk) -> LaggingDesk:
    """A desk whose driver has placed an order before."""
    desk.ex.create_order(SPOT, "market", "buy", 1)
    desk.advance(5 * MINUTE_MS)
    desk.oms.requests.clear()
    return desk


def test_a_market_order_costs_its_command_its_row_its_venue_and_its_deals(known: LaggingDesk) -> None:
    known.ex.create_order(SPOT, "market", "buy", 1)

    assert asked(known) == ["commands", "orders_history", "ccxt_call", "reconcile", "deals"]


def test_a_batch_of_orders_costs_no_more_than_one(known: LaggingDesk) -> None:
    filled = {"symbol": SPOT, "type": "market", "side": "buy", "amount": 1}
    resting = {"symbol": OTHER, "type": "limit", "side": "buy", "amount": 1, "price": 9}
    refused = {"symbol": SPOT, "type": "market", "side": "sell", "amount": 500}
    results = known.ex.create_orders([filled, resting, refused, *[filled] * 10])

    assert asked(known) == [
        *("commands", "orders_history", "ccxt_commands fetch_order"),
        *("reconcile", "deals"),
    ]
    assert type(results.pop(2)) is ccxt.InsufficientFunds
    assert [order["status"] for order in results] == ["closed", "open", *["closed"] * 10]
    assert [len(order["trades"]) for order in results] == [1, 0, *[1] * 10]
    assert [order["average"] for order in results] == [101, None, *[101] * 10]
    assert [known.ex.fetch_order(order["id"]) for order in results] == results


def test_a_batch_that_cannot_be_read_at_once_is_read_one_by_one(known: LaggingDesk) -> None:
    handle = known.oms.handle

    def no_several_calls(endpoint: str, *arguments: Any, **named: Any) -> Any:
        if endpoint == "ccxt_commands":
            return Reply(502, {"detail": {"code": "dispatcher_error", "message": "request timed out"}})
        return handle(endpoint, *arguments, **named)

    known.oms.handle = no_several_calls
    order = {"symbol": SPOT, "type": "market", "side": "buy", "amount": 1}
    results = known.ex.create_orders([order, order])

    assert [(each["status"], len(each["trades"])) for each in results] == [("closed", 1)] * 2


def test_a_limit_order_that_rests_costs_its_command_its_row_and_its_venue(known: LaggingDesk) -> None:
    rest(known)

    assert asked(known) == ["commands", "orders_history", "ccxt_call"]


def test_fetch_order_of_an_open_order(known: LaggingDesk) -> None:
    order = rest(known)
    asked(known)
    known.ex.fetch_order(order["id"])

    assert asked(known) == ["orders_history", "ccxt_call"]


def test_fetch_order_of_a_filled_order(known: LaggingDesk) -> None:
    """What the venue said of an order that has ended is not asked again, nor are its deals missing."""
    order = known.ex.create_order(SPOT, "market", "buy", 1)
    asked(known)
    known.ex.fetch_order(order["id"])

    assert asked(known) == ["orders_history", "deals"]


def test_fetch_order_of_a_filled_order_whose_venue_gives_no_trades(make_desk: MakeDesk) -> None:
    desk = make_desk(trades_in_order=False)
    order = desk.ex.create_order(SPOT, "market", "buy", 1)
    asked(desk)
    desk.ex.fetch_order(order["id"])

    assert asked(desk) == ["orders_history", "deals"], "the times of its trades are kept"


def test_fetch_open_orders(known: LaggingDesk) -> None:
    """Two requests, however many orders are open or dead."""
    orders = [rest(known), rest(known, OTHER, 9)]
    for _ in range(3):
        known.ex.create_order(SPOT, "market", "buy", 1)
    known.advance(MINUTE_MS)
    asked(known)

    assert ids(known.ex.fetch_open_orders()) == ids(orders)
    assert asked(known) == ["orders_open", "ccxt_call"]
    known.ex.fetch_open_orders(SPOT)
    assert asked(known) == ["orders_open", "ccxt_call"]


def test_fetch_open_orders_of_an_object_that_knows_nothing(known: LaggingDesk) -> None:
    """Dead orders are looked for once in the lists that may tell of them, and not again."""
    order = rest(known)
    for _ in range(30):
        known.ex.create_order(SPOT, "market", "buy", 0.1)
    known.advance(MINUTE_MS)
    other = known.exchange()
    other.load_markets()
    asked(known)

    assert ids(other.fetch_open_orders()) == [order["id"]]
    lists = "fetch_canceled_orders+fetch_closed_orders+fetch_open_orders+fetch_orders"
    assert asked(known) == ["orders_open", "ccxt_call", f"ccxt_commands {lists}"]
    assert ids(other.fetch_open_orders()) == [order["id"]]
    assert asked(known) == ["orders_open", "ccxt_call"]


def test_fetch_closed_orders(known: LaggingDesk) -> None:
    known.ex.create_order(SPOT, "market", "buy", 1)
    asked(known)

    assert len(known.ex.fetch_closed_orders()) == 2
    assert asked(known) == ["orders_history"]
    assert len(known.exchange().fetch_closed_orders()) == 2
    assert asked(known)[-2:] == ["orders_history", "ccxt_commands fetch_order"]


def test_fetch_closed_orders_asks_for_many_orders_by_few_requests(known: LaggingDesk) -> None:
    for _ in range(60):
        known.ex.create_order(SPOT, "market", "buy", 0.1)
    other = known.exchange()
    other.load_markets()
    asked(known)

    assert len(other.fetch_closed_orders()) == 61
    assert len(asked(known)) <= 3


def test_fetch_my_trades(known: LaggingDesk) -> None:
    known.ex.fetch_my_trades()
    asked(known)
    known.ex.fetch_my_trades()

    assert asked(known) == ["reconcile", "deals"]


def test_fetch_positions(known: LaggingDesk) -> None:
    known.ex.fetch_positions()
    asked(known)
    known.ex.fetch_positions()

    assert asked(known) == ["reconcile", "deals", "positions_open"]


def test_cancelling(known: LaggingDesk) -> None:
    order = rest(known)
    asked(known)
    known.ex.cancel_order(order["id"])
    assert asked(known) == ["commands", "orders_history", "ccxt_call"]
    orders = [rest(known), rest(known)]
    asked(known)
    known.ex.cancel_all_orders()
    assert len(orders) == 2
    assert asked(known) == [
        "orders_open",
        "ccxt_call",
        "commands",
        "orders_history",
        "ccxt_commands fetch_order",
    ]


def test_no_list_is_read_from_the_cache(known: LaggingDesk) -> None:
    """Another program's reconcile, or the venue, may have moved what the gateway remembers."""
    order = rest(known)
    known.ex.create_order(SPOT, "market", "buy", 1)
    for call in (
        lambda: known.ex.fetch_order(order["id"]),
        lambda: known.ex.fetch_order("", SPOT, {"clientOrderId": order["clientOrderId"]}),
        known.ex.fetch_open_orders,
        known.ex.fetch_orders,
        known.ex.fetch_closed_orders,
        known.ex.fetch_my_trades,
        known.ex.fetch_positions,
        known.ex.fetch_positions_history,
        known.ex.cancel_all_orders,
    ):
        call()
    assert len(known.oms.lists) > 10
    assert {query["cache"] for _, query in known.oms.lists} == {"false"}


# -- by id


@pytest.mark.parametrize("count", [3, 600, 7_300])
def test_an_order_of_any_age_takes_few_pages(desk: LaggingDesk, count: int) -> None:
    """There is no reading by id: the pages ascend by id, so that it is found by halving."""
    first = desk.ex.create_order(SPOT, "market", "buy", 1)
    many(desk, count)
    newest = desk.ex.create_order(SPOT, "market", "buy", 1)
    pages = math.ceil((count + 2) / 500)
    for order_id in (first["id"], 101 + count // 2, newest["id"]):
        desk.oms.lists.clear()
        assert desk.ex.fetch_order(order_id)["id"] == str(order_id)
        read = [query for name, query in desk.oms.lists if name == "orders_history"]
        assert len(read) <= 2 * math.log2(pages) + 1
    assert len(read) == 1, "the newest is on the last page"


def test_an_unknown_order_is_not_found_by_few_pages(desk: LaggingDesk) -> None:
    many(desk, 5_000)
    desk.oms.lists.clear()

    with pytest.raises(ccxt.OrderNotFound):
        desk.ex.fetch_order("999999")
    assert len(desk.oms.lists) <= 2


# -- page caps


def test_an_open_list_that_is_full_of_dead_orders(desk: LaggingDesk) -> None:
    """It gives the oldest 5000, none of which ever leaves: the live ones come after them."""
    many(desk, 5_003, status="SUBMITTED", exchange_order_id="x999999")
    desk.advance(DAY_MS)
    order = rest(desk)
    desk.advance(MINUTE_MS)

    for ex in (desk.ex, desk.exchange()):
        assert ids(ex.fetch_open_orders(SPOT)) == [order["id"]]
        assert ids(ex.fetch_open_orders()) == [order["id"]]


def test_the_newest_come_from_the_last_page(desk: LaggingDesk) -> None:
    many(desk, 1_203)
    newest = desk.ex.create_order(SPOT, "market", "buy", 1)
    desk.oms.lists.clear()

    assert ids(desk.ex.fetch_orders(None, None, 1)) == [newest["id"]]
    assert [query["page"] for _, query in desk.oms.lists] == [1, 3]
    assert len(desk.ex.fetch_canceled_orders(None, None, 600)) == 600


# -- venues that lack something


@pytest.mark.parametrize("lists", [set(), {"fetch_orders"}, {"fetch_closed_orders"}], ids=str)
def test_a_venue_with_few_lists(make_desk: MakeDesk, lists: set[str]) -> None:
    desk = make_desk(venue_functions=lists)
    order = rest(desk)
    done = desk.ex.create_order(SPOT, "market", "buy", 1)
    desk.advance(2 * MINUTE_MS)
    for ex in (desk.ex, desk.exchange()):
        assert ids(ex.fetch_open_orders()) == [order["id"]]
        assert [each["status"] for each in ex.fetch_orders()] == ["open", "closed"]
        assert ex.fetch_order(done["id"])["filled"] == 1


def without_fetch_order(name: str, answer: Any) -> Any:
    if name == "fetch_order":
        raise ccxt.NotSupported("binance fetchOrder() is not supported yet")
    return answer


def test_a_venue_without_fetch_order(desk: LaggingDesk) -> None:
    desk.oms.change_venue_answers(without_fetch_order)
    order = rest(desk)
    done = desk.ex.create_order(SPOT, "market", "buy", 1)

    assert (done["status"], done["filled"], done["average"]) == ("closed", 1, 101)
    desk.advance(2 * MINUTE_MS)
    for ex in (desk.ex, desk.exchange()):
        assert ids(ex.fetch_open_orders()) == [order["id"]]
        assert [each["status"] for each in ex.fetch_orders()] == ["open", "closed"]


def test_a_venue_that_wants_a_symbol_for_open_orders(make_desk: MakeDesk) -> None:
    desk = make_desk(symbol_required={"fetch_open_orders"})
    orders = [rest(desk), rest(desk, OTHER, 9)]
    desk.ex.create_order(SWAP, "market", "buy", 1)
    desk.advance(MINUTE_MS)

    for ex in (desk.ex, desk.exchange()):
        assert ids(ex.fetch_open_orders()) == ids(orders)
        assert ids(ex.fetch_open_orders(OTHER)) == ids(orders[1:])
    asked(desk)
    desk.ex.fetch_open_orders()
    assert [each.split()[0] for each in asked(desk)] == ["orders_open", "ccxt_commands"]


def forgotten(name: str, answer: Any) -> Any:
    if name == "fetch_order":
        raise ccxt.OrderNotFound("binance Order does not exist.")
    return [] if name in EVERY_LIST | {"fetch_open_orders"} else answer


@pytest.mark.parametrize("filled, expected", [(0, ("canceled", 0)), (1, ("canceled", 1)), (3, ("closed", 3))])
def test_an_order_that_the_venue_has_forgotten(
    desk: LaggingDesk, filled: int, expected: tuple[str, float]
) -> None:
    """It has ended: what it was filled, its deals say."""
    order = desk.ex.create_order(SPOT, "limit", "sell", 3, 105)
    if filled:
        desk.price(SPOT, 105, 106, size=filled)
    desk.ex.reconcile()
    desk.oms.change_venue_answers(forgotten)
    desk.advance(30 * DAY_MS)

    for ex in (desk.ex, desk.exchange()):
        seen = ex.fetch_order(order["id"])
        assert (seen["status"], seen["filled"]) == expected
        [listed] = ex.fetch_orders()
        assert (listed["status"], listed["filled"]) == expected
        assert (listed["average"], listed["cost"]) == (105 if filled else None, 105 * filled)
        assert ex.fetch_open_orders() == []


def test_an_order_that_the_venue_does_not_know_yet_is_open(desk: LaggingDesk) -> None:
    desk.oms.change_venue_answers(forgotten)
    order = rest(desk)

    assert order["status"] == "open"
    assert ids(desk.ex.fetch_open_orders()) == [order["id"]]
    desk.oms.change_venue_answers(None)
    assert desk.ex.fetch_order(order["id"])["status"] == "open"


@pytest.mark.parametrize("text", ["binance request timed out", "Too many requests", "service unavailable"])
def test_a_venue_that_cannot_be_asked_is_a_failure_and_no_answer(desk: LaggingDesk, text: str) -> None:
    """Its silence must not look like an order that is open, or gone."""
    order = rest(desk)
    desk.price(SPOT, 80, 81)
    desk.oms.venue_down = ccxt.ExchangeError(text)

    for call in (
        lambda: desk.ex.fetch_order(order["id"]),
        desk.ex.fetch_open_orders,
        desk.ex.fetch_orders,
        lambda: desk.exchange().fetch_closed_orders(SPOT),
    ):
        with pytest.raises(ccxt.NetworkError):
            call()
    desk.oms.venue_down = None
    assert desk.ex.fetch_order(order["id"])["status"] == "closed"


@pytest.mark.parametrize("hours", [-5, 5.5])
def test_orders_since_of_other_programs_where_no_zone_is_known(make_desk: MakeDesk, hours: float) -> None:
    """Their rows are made when they are found: no time of the venue's shows the zone."""
    desk = make_desk(utc_offset_hours=hours)
    since = desk.oms.now_ms()
    desk.oms.venue_call(1, "create_order", SPOT, "market", "buy", 1)
    desk.advance(100_000)
    trades = desk.ex.fetch_my_trades(SPOT, since)
    orders = desk.ex.fetch_orders(SPOT, since)

    assert [trade["timestamp"] for trade in trades] == [since]
    assert [order["id"] for order in orders] == [trade["order"] for trade in trades]
    assert since <= orders[0]["timestamp"] <= since + 100_000


@pytest.mark.parametrize("answer", [{"ok": True}, {"ok": True, "result": None}])
def test_an_answer_of_the_venue_that_is_no_list(desk: LaggingDesk, answer: Any) -> None:
    (result,) = desk.ex.results_of_calls({"results": [answer]}, 1)
    if not isinstance(result, ccxt.BadResponse):
        with pytest.raises(ccxt.BadResponse):
            desk.ex.venue_list(result)


# -- what one odd answer must not do


STOPS = ("triggerPrice", "stopLossPrice", "takeProfitPrice")


def test_a_list_that_lacks_an_order_for_a_moment_hides_it_never(desk: LaggingDesk) -> None:
    order = rest(desk)
    desk.advance(MINUTE_MS)
    desk.oms.change_venue_answers(lambda name, answer: [] if name == "fetch_open_orders" else answer)
    assert ids(desk.ex.fetch_open_orders()) == [order["id"]]

    desk.oms.change_venue_answers(None)
    assert ids(desk.ex.fetch_open_orders()) == [order["id"]]
    assert [each["status"] for each in desk.ex.cancel_all_orders()] == ["canceled"]
    assert desk.oms.venue_call(NETTING, "fetch_open_orders") == []


def test_a_stop_order_that_is_in_no_list_is_found_by_its_id(desk: LaggingDesk) -> None:
    order = desk.ex.create_order(SPOT, "market", "sell", 1, None, {"takeProfitPrice": 120})

    def without_stops(name: str, answer: Any) -> Any:
        if name not in {"fetch_open_orders", *EVERY_LIST}:
            return answer
        return [each for each in answer if not any(each.get(key) for key in STOPS)]

    desk.oms.change_venue_answers(without_stops)
    desk.advance(MINUTE_MS)
    assert ids(desk.ex.fetch_open_orders()) == [order["id"]]
    assert ids(desk.ex.cancel_all_orders()) == [order["id"]]


def test_an_order_that_the_venue_answers_oddly_leaves_the_others_readable(
    make_desk: MakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make_desk(venue_functions=())
    odd, other = rest(desk), rest(desk)
    desk.advance(2 * MINUTE_MS)
    name = str(next(row for row in desk.oms.rows()["orders"])["exchange_order_id"])

    def answered(function: str, answer: Any) -> Any:
        if function == "fetch_order" and answer["id"] == name:
            raise ccxt.ExchangeError('htx {"err-code":"base-record-invalid","err-msg":"record invalid"}')
        return [each for each in answer if each["id"] != name] if isinstance(answer, list) else answer

    desk.oms.change_venue_answers(answered)
    for ex in (desk.ex, desk.exchange()):
        assert ids(ex.fetch_orders()) == ids(ex.fetch_open_orders()) == [odd["id"], other["id"]]
        assert ex.fetch_order(odd["id"])["status"] == "open", "nobody knows: it may still be"
    assert f"order {odd['id']} stays as its row says" in caplog.text


def test_a_market_that_the_venue_has_no_more_leaves_the_others_readable(desk: LaggingDesk) -> None:
    gone, order = rest(desk, OTHER, 9), rest(desk)
    desk.advance(2 * MINUTE_MS)
    call = desk.oms._venue.call

    def delisted(account_id: int, function: str, args: Any, kwargs: Any) -> Any:
        if OTHER in args:
            raise ccxt.BadSymbol(f"binance does not have market symbol {OTHER}")
        answer = call(account_id, function, args, kwargs)
        return [each for each in answer if each["symbol"] != OTHER] if "orders" in function else answer

    desk.oms._venue.call = delisted
    for ex in (desk.ex, desk.exchange()):
        assert ids(ex.fetch_orders()) == [gone["id"], order["id"]]
        assert order["id"] in ids(ex.fetch_open_orders())
    desk.ex.cancel_all_orders()
    assert desk.oms.venue_call(NETTING, "fetch_open_orders") == []


def test_a_venue_that_wants_to_hear_that_its_answer_is_worth_little(make_desk: MakeDesk) -> None:
    """ccxt's bybit: fetchOrder() knows the last 500 orders only."""
    desk = make_desk(venue_functions=(), exchange_id="ccxtpro.bybit")
    call = desk.oms._venue.call

    def acknowledged(account_id: int, function: str, args: Any, kwargs: Any) -> Any:
        if function == "fetch_order" and not (args[2:] and args[2].get("acknowledged")):
            raise ccxt.ArgumentsRequired(
                "bybit fetchOrder() can only access an order if it is in last 500 orders (of any status) for "
                'your account. Set params["acknowledged"] = True to hide this warning.'
            )
        return call(account_id, function, args[:2] if function == "fetch_order" else args, kwargs)

    desk.oms._venue.call = acknowledged
    order = desk.ex.create_order(SPOT, "market", "buy", 1)
    assert (order["status"], order["filled"]) == ("closed", 1)
    desk.oms.requests.clear()
    assert desk.ex.create_order(SPOT, "market", "buy", 1)["status"] == "closed"
    assert asked(desk).count("ccxt_call") == 1, "it is known"


def test_a_filled_order_whose_answer_was_lost_is_asked_for_by_the_id_that_a_list_told(
    make_desk: MakeDesk,
) -> None:
    desk = make_desk(venue_functions=())
    desk.oms.lose_next_venue_answer()
    order = desk.ex.create_order(SPOT, "limit", "sell", 1, 105)
    desk.price(SPOT, 106, 107, size=5)

    seen = desk.ex.fetch_order(order["id"])
    assert (seen["status"], seen["filled"], len(seen["trades"])) == ("closed", 1, 1)
    assert desk.ex.fetch_open_orders() == []
    assert ids(desk.ex.fetch_orders()) == [order["id"]]


# -- orders whose answer was lost, and that the venue's lists do not show at once


@pytest.fixture
def lost(make_desk: MakeDesk) -> LaggingDesk:
    """A desk with an order, 101, that the venue took and whose answer never arrived."""
    desk = make_desk()
    desk.oms.lose_next_venue_answer()
    with pytest.raises(ccxt.RequestTimeout):
        desk.exchange(lookup_timeout=0).create_order(SPOT, "limit", "sell", 0.5, 105)
    return desk


def test_no_order_is_taken_for_rejected_while_the_venue_lists_one_without_a_name(lost: LaggingDesk) -> None:
    def without_names(name: str, answer: Any) -> Any:
        return [{**each, "clientOrderId": None} for each in answer] if "orders" in name else answer

    lost.oms.change_venue_answers(without_names)
    lost.advance(DAY_MS)
    for ex in (lost.ex, lost.exchange()):
        assert [each["status"] for each in ex.fetch_orders()] == ["open"]
        assert ids(ex.fetch_open_orders()) == ["101"]

    lost.price(SPOT, 105, 106)  # it fills, and reconciling gives it a row of its own
    lost.ex.fetch_my_trades()
    assert [each["status"] for each in lost.ex.fetch_orders()] == ["rejected", "closed"]


def cut(desk: LaggingDesk, length: int) -> None:
    """Let the venue list its newest orders only."""
    for number in range(length):
        desk.ex.create_order(SPOT, "limit", "sell", 0.1, 110 + number)
    desk.oms.change_venue_answers(lambda name, answer: answer[-length:] if "orders" in name else answer)


def test_no_order_is_taken_for_rejected_that_a_cut_list_may_hide(lost: LaggingDesk) -> None:
    cut(lost, 20)
    lost.advance(2 * MINUTE_MS)

    for ex in (lost.ex, lost.exchange()):
        assert "101" in ids(ex.fetch_open_orders())
        assert ex.fetch_order("101")["status"] == "open"


def test_an_order_that_a_list_shows_after_all_is_rejected_no_more(lost: LaggingDesk) -> None:
    cut(lost, 10)
    lost.advance(2 * MINUTE_MS)
    assert "101" not in ids(lost.ex.fetch_open_orders()), "no list that short is known to be cut"

    lost.oms.change_venue_answers(None)
    assert "101" in ids(lost.ex.fetch_open_orders())
    lost.price(SPOT, 105, 106)
    seen = lost.ex.fetch_order("101")
    assert (seen["status"], seen["filled"]) == ("closed", 0.5)
    assert [trade["order"] for trade in lost.ex.fetch_my_trades()] == ["101"]


def test_an_order_that_the_venue_has_in_spite_of_a_refusal_is_open(desk: LaggingDesk) -> None:
    call = desk.oms._venue.call

    def refused_and_placed(*arguments: Any) -> Any:
        answer = call(*arguments)
        if arguments[1] == "create_order":
            raise ccxt.InvalidOrder("kraken EOrder:Invalid order")
        return answer

    desk.oms._venue.call = refused_and_placed
    with pytest.raises(ccxt.InvalidOrder):
        rest(desk)
    desk.oms._venue.call = call
    assert ids(desk.ex.fetch_open_orders()) == ["101"]
    assert desk.ex.fetch_order("101")["status"] == "open"


# -- answers that are not what they should be


ODD = {"fees": 0.1, "status": ["open"], "trades": 5, "filled": "n/a", "average": "abc", "symbol": []}


@pytest.mark.parametrize("odd", [{key: value} for key, value in ODD.items()], ids=str)
def test_a_placed_order_of_which_the_venue_says_something_odd(desk: LaggingDesk, odd: Any) -> None:
    """Whatever is wrong with the answer, the order is placed, and its caller gets it."""
    desk.oms.change_venue_answers(lambda name, answer: {**answer, **odd} if name == "fetch_order" else answer)
    order = desk.ex.create_order(SPOT, "market", "buy", 1)

    assert (order["id"], order["status"]) == ("101", "closed")
    assert ids(desk.ex.fetch_orders()) == ["101"]


@pytest.mark.parametrize("odd", [{"id": None}, {"id": {}}, {"symbol": {}}, {"client_order_id": []}], ids=str)
def test_a_row_that_is_none_is_a_bad_response(desk: LaggingDesk, odd: Any) -> None:
    rest(desk)
    handle = desk.oms.handle

    def spoilt(endpoint: str, *arguments: Any, **named: Any) -> Any:
        reply = handle(endpoint, *arguments, **named)
        if endpoint in ("orders_open", "orders_history"):
            items = [{**row, **odd} for row in reply.body["items"]]
            return Reply(200, {**reply.body, "items": items})
        return reply

    desk.oms.handle = spoilt
    for read in (desk.ex.fetch_open_orders, desk.ex.fetch_orders, lambda: desk.ex.fetch_order("101")):
        with pytest.raises(ccxt.BadResponse):
            read()


def test_a_list_that_says_it_is_endless_is_a_bad_response(desk: LaggingDesk) -> None:
    rest(desk)
    handle = desk.oms.handle

    def endless(endpoint: str, *arguments: Any, **named: Any) -> Any:
        reply = handle(endpoint, *arguments, **named)
        return Reply(200, {**reply.body, "total": 10**9}) if endpoint == "orders_history" else reply

    desk.oms.handle = endless
    asked(desk)
    for read in (desk.ex.fetch_orders, lambda: desk.ex.fetch_order(None, None, {"clientOrderId": "none"})):
        with pytest.raises(ccxt.BadResponse, match="empty pages"):
            read()
    assert len(asked(desk)) < 10


def test_a_row_without_a_quantity_whose_order_has_filled_is_a_bad_response(desk: LaggingDesk) -> None:
    rest(desk)
    desk.price(SPOT, 89, 90)
    handle = desk.oms.handle

    def spoilt(endpoint: str, *arguments: Any, **named: Any) -> Any:
        reply = handle(endpoint, *arguments, **named)
        if endpoint == "orders_open":
            return Reply(200, {**reply.body, "items": [{**row, "qty": None} for row in reply.body["items"]]})
        return reply

    desk.oms.handle = spoilt
    with pytest.raises(ccxt.BadResponse, match="qty"):
        desk.ex.fetch_open_orders()
