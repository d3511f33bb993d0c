"""O: placing orders of every kind, and what is refused."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.helpers.contract_card import card
from tests.helpers.contract_desk import HEDGE, NETTING, OTHER, POOR, SPOT, SWAP, Desk


def brief(order: dict[str, Any]) -> tuple[Any, ...]:
    """What most cases look at."""
    return order["status"], order["amount"], order["filled"], order["average"]


# -- market and limit


@card
def o01_market_buy(desk: Desk) -> None:
    """A market buy comes back complete, fills at the ask, and money moves to the unit."""
    order = desk.ex.create_order(SPOT, "market", "buy", 0.5)
    assert brief(order) == ("closed", 0.5, 0.5, 101)
    assert (order["symbol"], order["type"], order["side"]) == (SPOT, "market", "buy")
    assert (order["price"], order["cost"], order["remaining"]) == (101, 50.5, 0)
    assert order["fee"] == {"currency": "USDT", "cost": 0.0505, "rate": 0.001}
    [trade] = order["trades"]
    assert (trade["order"], trade["price"], trade["amount"], trade["cost"]) == (order["id"], 101, 0.5, 50.5)
    assert trade["takerOrMaker"] == "taker"
    assert order["lastTradeTimestamp"] == trade["timestamp"] == desk.oms.now_ms()
    assert desk.money("BTC") == (Decimal("10.5"), 0, Decimal("10.5"))
    spent = Decimal(100000) - Decimal("50.5") - Decimal("0.0505")
    assert desk.money("USDT") == (spent, 0, spent)
    assert desk.ex.fetch_order(order["id"], SPOT)["trades"] == order["trades"]


@card
def o02_market_sell(desk: Desk) -> None:
    """A market sell fills at the bid; the fee is taken from what it brings."""
    order = desk.ex.create_order(SPOT, "market", "sell", 2)
    assert brief(order) == ("closed", 2, 2, 100)
    assert desk.money("BTC")[2] == 8
    assert desk.money("USDT")[2] == Decimal(100000) + 200 - Decimal("0.2")


@card
def o03_limit_rests_and_reserves(desk: Desk) -> None:
    """A limit order below the ask rests, is listed as open, and holds back its cost with the fee."""
    order = desk.ex.create_order(SPOT, "limit", "buy", 2, 90)
    assert brief(order) == ("open", 2, 0, None)
    assert (order["price"], order["cost"], order["remaining"], order["trades"]) == (90, 0, 2, [])
    assert (order["timeInForce"], order["fee"], order["lastTradeTimestamp"]) == ("GTC", None, None)
    assert [each["id"] for each in desk.ex.fetch_open_orders(SPOT)] == [order["id"]]
    held = Decimal("180.18")
    assert desk.money("USDT") == (Decimal(100000) - held, held, Decimal(100000))
    assert desk.ex.fetch_my_trades() == []


@card
def o04_limit_that_crosses(desk: Desk) -> None:
    """A limit order above the ask fills at the ask, not at its own price."""
    order = desk.ex.create_order(SPOT, "limit", "buy", 1, 150)
    assert brief(order) == ("closed", 1, 1, 101)
    assert (order["price"], order["cost"]) == (150, 101)
    assert desk.money("USDT")[1] == 0


@card
def o05_market_runs_out_of_book(desk: Desk) -> None:
    """A market order larger than the book fills in part and the rest is cancelled, not left open."""
    desk.price(SPOT, 100, 101, size=1)
    order = desk.ex.create_order(SPOT, "market", "buy", 3)
    assert brief(order) == ("canceled", 3, 1, 101)
    assert (order["remaining"], order["cost"], len(order["trades"])) == (2, 101, 1)
    assert desk.ex.fetch_open_orders() == []


@card
def o06_partial_fills_add_up(desk: Desk) -> None:
    """A resting order fills piece by piece; filled, cost, average and fee are the sums of its trades."""
    order = desk.ex.create_order(SPOT, "limit", "sell", 3, 105)
    desk.price(SPOT, 106, 107, size=1)
    desk.advance(1000)
    partly = desk.ex.fetch_order(order["id"])
    assert brief(partly) == ("open", 3, 1, 105)
    assert desk.money("BTC") == (7, 2, 9)
    desk.price(SPOT, 106, 107, size=5)
    done = desk.ex.fetch_order(order["id"])
    assert brief(done) == ("closed", 3, 3, 105)
    assert [trade["amount"] for trade in done["trades"]] == [1, 2]
    assert [trade["takerOrMaker"] for trade in done["trades"]] == ["maker", "maker"]
    assert done["cost"] == sum(trade["cost"] for trade in done["trades"]) == 315
    assert done["fee"] == {"currency": "USDT", "cost": 0.315, "rate": 0.001}
    assert done["lastTradeTimestamp"] == done["trades"][-1]["timestamp"] == done["timestamp"] + 1000
    assert desk.ex.fetch_order_trades(order["id"]) == done["trades"]


@card
def o07_large_order_walks_own_makers(desk: Desk) -> None:
    """Two accounts of one OMS trade with each other: the better price of the other one goes first."""
    maker = desk.exchange(HEDGE).create_order(SPOT, "limit", "sell", 1, 100.5)
    taker = desk.ex.create_order(SPOT, "market", "buy", 2)
    assert [trade["price"] for trade in taker["trades"]] == [100.5, 101]
    assert brief(taker) == ("closed", 2, 2, 100.75)
    assert brief(desk.exchange(HEDGE).fetch_order(maker["id"])) == ("closed", 1, 1, 100.5)


# -- options


@card
def o10_post_only_rests(desk: Desk) -> None:
    """A post-only order that rests says so, by params and by its helper."""
    order = desk.ex.create_order(SPOT, "limit", "buy", 1, 100, {"postOnly": True})
    assert (order["status"], order["postOnly"], order["timeInForce"]) == ("open", True, "PO")
    other = desk.ex.create_post_only_order(SPOT, "limit", "buy", 1, 99)
    assert (other["status"], other["postOnly"]) == ("open", True)
    third = desk.ex.create_order(SPOT, "limit", "buy", 1, 98, {"timeInForce": "PO"})
    assert third["postOnly"] is True


@card
def o11_post_only_never_takes(desk: Desk) -> None:
    """A post-only order that would trade at once is refused with the class that says so; nothing fills."""
    money = desk.money("USDT")
    with pytest.raises(ccxt.OrderImmediatelyFillable) as info:
        desk.ex.create_post_only_order(SPOT, "limit", "buy", 1, 101)
    assert info.value.outcome == "refused"
    assert desk.money("USDT") == money
    assert desk.ex.fetch_open_orders() == desk.ex.fetch_my_trades() == []
    assert [order["status"] for order in desk.ex.fetch_orders()] == ["rejected"]


@card
def o12_immediate_or_cancel(desk: Desk) -> None:
    """IOC takes what is there within its price and leaves nothing open."""
    desk.price(SPOT, 100, 101, size=1)
    order = desk.ex.create_order(SPOT, "limit", "buy", 3, 101, {"timeInForce": "IOC"})
    assert brief(order) == ("canceled", 3, 1, 101)
    assert order["timeInForce"] == "IOC"
    none = desk.ex.create_order(SPOT, "limit", "buy", 1, 90, {"timeInForce": "IOC"})
    assert brief(none) == ("canceled", 1, 0, None)
    assert desk.money("USDT")[1] == 0


@card
def o13_fill_or_kill(desk: Desk) -> None:
    """FOK fills whole or not at all."""
    desk.price(SPOT, 100, 101, size=1)
    none = desk.ex.create_order(SPOT, "limit", "buy", 3, 101, {"timeInForce": "FOK"})
    assert brief(none) == ("canceled", 3, 0, None)
    whole = desk.ex.create_order(SPOT, "limit", "buy", 1, 101, {"timeInForce": "FOK"})
    assert brief(whole) == ("closed", 1, 1, 101)
    assert whole["timeInForce"] == "FOK"


@card
def o14_reduce_only(desk: Desk) -> None:
    """A reduce-only order takes no more than there is to reduce, and never turns the position round."""
    desk.ex.create_order(SWAP, "market", "buy", 1)
    order = desk.ex.create_reduce_only_order(SWAP, "market", "sell", 5)
    assert (order["status"], order["filled"], order["reduceOnly"]) == ("closed", 1, True)
    assert desk.ex.fetch_positions() == []


@card
def o15_reduce_only_of_nothing(desk: Desk) -> None:
    """A reduce-only order without a position is refused as an invalid order; nothing opens."""
    with pytest.raises(ccxt.InvalidOrder) as info:
        desk.ex.create_order(SWAP, "market", "sell", 1, None, {"reduceOnly": True})
    assert (type(info.value), info.value.outcome) == (ccxt.InvalidOrder, "refused")
    assert desk.ex.fetch_positions() == desk.ex.fetch_my_trades() == []


# -- orders that wait


@card
def o20_trigger_order(desk: Desk) -> None:
    """A trigger order waits for its price, holds its funds, then trades; old and new name are one."""
    order = desk.ex.create_trigger_order(SPOT, "market", "buy", 1, None, 110)
    assert (order["status"], order["triggerPrice"], order["stopPrice"]) == ("open", 110, 110)
    assert desk.money("USDT")[1] == Decimal("110.11")
    old = desk.ex.create_order(SPOT, "market", "buy", 1, None, {"stopPrice": "110"})
    assert (old["triggerPrice"], old["status"]) == (110, "open")
    desk.price(SPOT, 108, 109)
    assert desk.ex.fetch_order(order["id"])["status"] == "open"
    desk.price(SPOT, 110, 111, last=110)
    done = desk.ex.fetch_order(order["id"])
    assert brief(done) == ("closed", 1, 1, 111)
    assert done["triggerPrice"] == 110


@card
def o21_stop_helpers(desk: Desk) -> None:
    """createStopOrder, createStopMarketOrder and createStopLimitOrder wait, then are what they say."""
    stop = desk.ex.create_stop_order(SPOT, "limit", "sell", 1, 94, 95)
    market = desk.ex.create_stop_market_order(SPOT, "sell", 1, 95)
    limit = desk.ex.create_stop_limit_order(SPOT, "sell", 1, 99, 95)
    assert {order["status"] for order in (stop, market, limit)} == {"open"}
    assert desk.money("BTC") == (7, 3, 10)
    desk.price(SPOT, 94, 95, last=95)
    after = [desk.ex.fetch_order(order["id"]) for order in (stop, market, limit)]
    assert [(order["type"], order["status"]) for order in after] == [
        ("limit", "closed"),
        ("market", "closed"),
        ("limit", "open"),
    ]


@card
def o21b_stop_that_the_price_is_beyond(desk: Desk) -> None:
    """An order of a type that says stop trades at once, where a plain trigger waits for the way back."""
    desk.ex.create_order(SWAP, "market", "buy", 2)
    late = desk.ex.create_order(SWAP, "STOP_MARKET", "sell", 1, None, {"stopPrice": 105, "reduceOnly": True})
    assert brief(late) == ("closed", 1, 1, 100)
    assert late["triggerPrice"] == 105
    in_time = desk.ex.create_order(SWAP, "stop_market", "sell", 1, None, {"stopPrice": 95})
    said = {"triggerPrice": 105, "trigger_direction": "ascending"}
    asked = desk.ex.create_order(SWAP, "stop_market", "sell", 1, None, said)
    assert {in_time["status"], asked["status"]} == {"open"}


@card
def o22_stop_loss_and_take_profit_orders(desk: Desk) -> None:
    """stopLossPrice fires below for a sell and takeProfitPrice above; a stop keeps its direction."""
    loss = desk.ex.create_stop_loss_order(SPOT, "market", "sell", 1, None, 95)
    gain = desk.ex.create_take_profit_order(SPOT, "market", "sell", 1, None, 120)
    assert (loss["stopLossPrice"], gain["takeProfitPrice"]) == (95, 120)
    assert (loss["status"], gain["status"]) == ("open", "open")
    desk.price(SPOT, 119, 121, last=120)
    assert desk.ex.fetch_order(gain["id"])["average"] == 119
    assert desk.ex.fetch_order(loss["id"])["status"] == "open"
    desk.price(SPOT, 94, 96, last=95)
    assert desk.ex.fetch_order(loss["id"])["average"] == 94


@card
def o23_stop_loss_of_a_buy_fires_above(desk: Desk) -> None:
    """The stop loss of a short is a buy that fires when the price rises, not when it falls."""
    desk.ex.create_order(SWAP, "market", "sell", 1)
    params = {"stopLossPrice": 110, "reduceOnly": True}
    order = desk.ex.create_order(SWAP, "market", "buy", 1, None, params)
    desk.price(SWAP, 80, 81)
    assert desk.ex.fetch_order(order["id"])["status"] == "open"
    desk.price(SWAP, 110, 111, last=110)
    assert brief(desk.ex.fetch_order(order["id"])) == ("closed", 1, 1, 111)
    assert desk.ex.fetch_positions() == []


@card
def o24_trailing_orders(desk: Desk) -> None:
    """A trailing stop follows the price up and fires at its distance, in units and in per cent."""
    units = desk.ex.create_trailing_amount_order(SPOT, "market", "sell", 1, None, 5)
    cent = desk.ex.create_trailing_percent_order(SPOT, "market", "sell", 1, None, 10)
    assert (units["status"], cent["status"]) == ("open", "open")
    desk.price(SPOT, 119, 121, last=120)
    desk.price(SPOT, 115, 117, last=116)
    assert desk.ex.fetch_order(units["id"])["status"] == "open"
    desk.price(SPOT, 114, 116, last=115)
    assert brief(desk.ex.fetch_order(units["id"])) == ("closed", 1, 1, 114)
    assert desk.ex.fetch_order(cent["id"])["status"] == "open"
    desk.price(SPOT, 107, 109, last=108)
    assert brief(desk.ex.fetch_order(cent["id"])) == ("closed", 1, 1, 107)


@card
def o25_attached_stops(desk: Desk) -> None:
    """Attached stops belong to the position and close it at the market when they are reached."""
    order = desk.ex.create_order_with_take_profit_and_stop_loss(SWAP, "market", "buy", 1, None, 120, 90, {})
    assert order["status"] == "closed"
    [position] = desk.ex.fetch_positions([SWAP])
    assert (position["stopLossPrice"], position["takeProfitPrice"]) == (90, 120)
    desk.price(SWAP, 89, 91, last=90)
    assert desk.ex.fetch_positions([SWAP]) == []
    assert [trade["price"] for trade in desk.ex.fetch_my_trades(SWAP)] == [101, 89]


@card
def o26_attached_stop_dicts(desk: Desk) -> None:
    """stopLoss and takeProfit dicts do the same; a key that cannot be honoured is refused unsent."""
    params: dict[str, Any] = {
        "stopLoss": {"triggerPrice": "90"},
        "takeProfit": {"stopPrice": 120, "type": "market"},
    }
    desk.ex.create_order(SWAP, "limit", "buy", 1, 101, params)
    assert params["stopLoss"] == {"triggerPrice": "90"}  # the caller's own stays as it was
    resting = desk.ex.create_order(SWAP, "limit", "buy", 1, 95, params)
    [listed] = desk.ex.fetch_open_orders(SWAP)
    for order in (resting, listed, desk.ex.fetch_order(resting["id"])):
        assert (order["stopLossPrice"], order["takeProfitPrice"]) == (90, 120)
        assert (order["triggerPrice"], order["stopPrice"], order["status"]) == (None, None, "open")
    desk.ex.cancel_order(resting["id"])
    [position] = desk.ex.fetch_positions([SWAP])
    assert (position["stopLossPrice"], position["takeProfitPrice"]) == (90, 120)
    with desk.unsent(ccxt.NotSupported, "price"):
        desk.ex.create_order(SWAP, "market", "buy", 1, None, {"stopLoss": {"triggerPrice": 90, "price": 89}})
    with desk.unsent(ccxt.InvalidOrder, "triggerPrice"):
        desk.ex.create_order(SWAP, "market", "buy", 1, None, {"stopLoss": {}})


@card
def o27_attached_stop_on_the_wrong_side(desk: Desk) -> None:
    """A stop loss above the price of a long is refused: it would fire at once."""
    with desk.refused(ccxt.InvalidOrder, "oms_stop_loss"):
        desk.ex.create_order(SWAP, "market", "buy", 1, None, {"stopLoss": {"triggerPrice": 150}})


# -- by cost, helpers, batches


@card
def o30_by_cost(desk: Desk) -> None:
    """Market orders by cost spend at most it, whole lots, in the three helpers and by params."""
    for order in (
        desk.ex.create_market_order_with_cost(SPOT, "buy", 1000),
        desk.ex.create_market_buy_order_with_cost(SPOT, 1000),
        desk.ex.create_order(SPOT, "market", "buy", None, None, {"cost": "1000"}),
    ):
        assert brief(order) == ("closed", 9.90099, 9.90099, 101)
        assert order["cost"] == 999.99999
    sold = desk.ex.create_market_sell_order_with_cost(SPOT, 500)
    assert brief(sold) == ("closed", 5, 5, 100)
    with desk.unsent(ccxt.InvalidOrder, "cost"):
        desk.ex.create_order(SPOT, "market", "buy", None, None, {"cost": -1})


@card
def o31_plain_helpers(desk: Desk) -> None:
    """ccxt's shorthand methods of create_order, all six."""
    orders = [
        desk.ex.create_limit_order(SPOT, "buy", 1, 90),
        desk.ex.create_limit_buy_order(SPOT, 1, 91),
        desk.ex.create_limit_sell_order(SPOT, 1, 120),
        desk.ex.create_market_order(SPOT, "buy", 1),
        desk.ex.create_market_buy_order(SPOT, 2),
        desk.ex.create_market_sell_order(SPOT, 3),
    ]
    assert [(order["type"], order["side"], order["amount"], order["status"]) for order in orders] == [
        ("limit", "buy", 1, "open"),
        ("limit", "buy", 1, "open"),
        ("limit", "sell", 1, "open"),
        ("market", "buy", 1, "closed"),
        ("market", "buy", 2, "closed"),
        ("market", "sell", 3, "closed"),
    ]


@card
def o32_batch_with_one_refusal(desk: Desk) -> None:
    """A batch is one request; each order gets its own result or exception, in the order given."""
    before = desk.commands()
    orders = [
        {"symbol": SPOT, "type": "limit", "side": "buy", "amount": 1, "price": 90},
        {"symbol": SPOT, "type": "market", "side": "sell", "amount": 500},
        {"symbol": OTHER, "type": "market", "side": "buy", "amount": 2, "params": {"comment": "third"}},
    ]
    results = desk.ex.create_orders(orders)
    assert desk.commands() == before + 1
    assert brief(results[0]) == ("open", 1, 0, None)
    assert type(results[1]) is ccxt.InsufficientFunds
    assert brief(results[2]) == ("closed", 2, 2, 10.1)
    assert results[2]["info"]["comment"] == "third"
    placed = [order["id"] for order in desk.ex.fetch_orders() if order["status"] != "rejected"]
    assert placed == [results[0]["id"], results[2]["id"]]


@card
def o33_batch_all_refused(desk: Desk) -> None:
    """When all orders of a batch are refused the first exception is raised and carries every result."""
    order = {"symbol": SPOT, "type": "market", "side": "sell", "amount": 500}
    with desk.refused(ccxt.InsufficientFunds) as info:
        desk.ex.create_orders([order, order])
    assert [type(each) for each in info.value.results] == [ccxt.InsufficientFunds] * 2


@card
def o34_batch_with_bad_input(desk: Desk) -> None:
    """One order of a batch that is bad input: none is sent."""
    good = {"symbol": SPOT, "type": "market", "side": "buy", "amount": 1}
    with desk.unsent(ccxt.ArgumentsRequired, "price"):
        desk.ex.create_orders([good, {**good, "type": "limit"}])


# -- who and why


@card
def o40_client_order_ids(desk: Desk) -> None:
    """The caller's client order id comes back; without one a short one is made."""
    given = desk.ex.create_order(SPOT, "limit", "buy", 1, 90, {"clientOrderId": "mine-1"})
    assert given["clientOrderId"] == "mine-1"
    other = desk.ex.create_order(SPOT, "limit", "buy", 1, 90, {"client_order_id": "mine-2"})
    assert other["clientOrderId"] == "mine-2"
    made = desk.ex.create_order(SPOT, "limit", "buy", 1, 90)
    assert re.fullmatch("[a-z][a-z0-9]{11,17}", made["clientOrderId"])


@card
def o41_same_order_twice(desk: Desk) -> None:
    """The same client order id with the same order gives the first order again and places nothing."""
    arguments = (SPOT, "limit", "buy", 1, 90, {"clientOrderId": "once"})
    first = desk.ex.create_order(*arguments)
    again = desk.ex.create_order(*arguments)
    assert again["id"] == first["id"]
    assert len(desk.ex.fetch_orders()) == 1


@card
def o41b_the_same_order_twice_says_so(desk: Desk) -> None:
    """The same order under its client order id is the first one: `info` says that nothing was placed."""
    arguments = (SPOT, "limit", "buy", 1, 90, {"clientOrderId": "once"})
    first, second = desk.ex.create_order(*arguments), desk.ex.create_order(*arguments)
    assert second["id"] == first["id"]
    assert ("duplicate" in first["info"], second["info"]["duplicate"]) == (False, True)
    assert "duplicate" not in desk.ex.fetch_order(first["id"])["info"]
    assert len(desk.ex.fetch_orders()) == 1


@card
def o42_duplicate_client_order_id(desk: Desk) -> None:
    """The same client order id with another order is a DuplicateOrderId, also after the first ended."""
    first = desk.ex.create_order(SPOT, "limit", "buy", 1, 90, {"clientOrderId": "once"})
    with desk.refused(ccxt.DuplicateOrderId):
        desk.ex.create_order(SPOT, "limit", "buy", 1, 91, {"clientOrderId": "once"})
    desk.ex.cancel_order(first["id"])
    with desk.refused(ccxt.DuplicateOrderId):
        desk.ex.create_order(SPOT, "limit", "buy", 2, 90, {"clientOrderId": "once"})


@card
def o43_comment_reason_and_venue_params(desk: Desk) -> None:
    """Comment and reason are kept; parameters that nobody knows are passed on and not refused."""
    params = {"comment": "why", "reason": "signal", "someVenueFlag": 1}
    order = desk.ex.create_order(SPOT, "market", "buy", 1, None, params)
    assert (order["info"]["comment"], order["info"]["reason"]) == ("why", "signal")
    assert params == {"comment": "why", "reason": "signal", "someVenueFlag": 1}
    [request] = [body for endpoint, body in desk.oms.requests if endpoint == "commands"]
    assert request["payload"]["params"] == {"someVenueFlag": 1}


# -- numbers


@card
def o50_every_kind_of_number(desk: Desk) -> None:
    """Amount and price as float, int, str and Decimal: truncated and rounded as ccxt does, exact."""
    for amount, price in ((0.1, 90), ("0.1", "90"), (Decimal("0.1"), Decimal(90)), ("0.100009", 90.004)):
        order = desk.ex.create_order(SPOT, "limit", "buy", amount, price)
        assert (order["info"]["qty"], order["info"]["price"]) == ("0.1", "90")
    order = desk.ex.create_order(SPOT, "limit", "buy", 0.1 + 0.2, "89.996")
    assert (order["info"]["qty"], order["info"]["price"]) == ("0.3", "90")


@card
def o51_number_str(desk: Desk) -> None:
    """With number=str every number of an order is an exact string."""
    ex = desk.exchange(number=str)
    order = ex.create_order(SPOT, "market", "buy", "0.3")
    assert (order["amount"], order["filled"], order["average"], order["cost"]) == (
        "0.3",
        "0.3",
        "101",
        "30.3",
    )
    assert order["fee"] == {"currency": "USDT", "cost": "0.0303", "rate": "0.001"}
    assert order["trades"][0]["price"] == "101"
    assert ex.fetch_balance()["BTC"]["total"] == "10.3"
    assert ex.fetch_ticker(SPOT)["last"] == "100.5"
    [position] = ex.fetch_positions([SPOT])
    assert (position["contracts"], position["entryPrice"]) == ("0.3", "101")


@card
def o52_number_decimal(desk: Desk) -> None:
    """With number=Decimal they are decimals, and sums of them are exact."""
    ex = desk.exchange(number=Decimal)
    orders = [ex.create_order(SPOT, "market", "buy", Decimal("0.1")) for _ in range(3)]
    assert sum(order["cost"] for order in orders) == Decimal("30.3")
    assert {type(order["average"]) for order in orders} == {Decimal}
    assert sum(trade["fee"]["cost"] for trade in ex.fetch_my_trades()) == Decimal("0.0303")
    assert ex.fetch_ohlcv(SPOT, "1m", limit=1)[0][4] == Decimal("100.5")


# -- refusals


@card
def o60_insufficient_funds(desk: Desk) -> None:
    """More than the account has is InsufficientFunds and says how much is missing of what."""
    with desk.refused(ccxt.InsufficientFunds, "required .* USDT, available 100000 USDT") as info:
        desk.ex.create_order(SPOT, "limit", "buy", 1000, 101)
    assert info.value.outcome == "refused"
    assert info.value.details
    with desk.refused(ccxt.InsufficientFunds, "BTC"):
        desk.ex.create_order(SPOT, "market", "sell", 10.00001)


@card
def o61_money_is_not_spent_twice(desk: Desk) -> None:
    """What an open order holds back cannot be spent by another; its cancellation frees it at once."""
    ex = desk.exchange(POOR)
    first = ex.create_order(SPOT, "limit", "buy", 0.09, 100)
    with desk.refused(ccxt.InsufficientFunds):
        ex.create_order(SPOT, "limit", "buy", 0.09, 100)
    ex.cancel_order(first["id"])
    assert ex.create_order(SPOT, "limit", "buy", 0.09, 100)["status"] == "open"


@card
def o62_risk_block_lets_reduce(desk: Desk) -> None:
    """Where new positions are blocked an order that opens is OperationRejected, one that reduces is not."""
    desk.ex.create_order(SWAP, "market", "buy", 1)
    risk = desk.exchange(role="risk")
    risk.set_allow_new_positions(False, "over the limit")
    with desk.refused(ccxt.OperationRejected, "may not open") as info:
        desk.ex.create_order(SWAP, "market", "buy", 1)
    assert info.value.code == "risk_blocked"
    assert not isinstance(info.value, ccxt.NetworkError)
    assert desk.ex.create_order(SWAP, "market", "sell", 1, None, {"reduceOnly": True})["filled"] == 1
    risk.set_allow_new_positions(True, "again")
    assert desk.ex.create_order(SWAP, "market", "buy", 1)["status"] == "closed"


@card
def o63_blocked_account(desk: Desk) -> None:
    """A blocked account is AccountSuspended; reads work."""
    desk.ask("risk_status", body={"status": "blocked", "comment": "test"}, account_id=NETTING)
    with desk.refused(ccxt.AccountSuspended):
        desk.ex.create_order(SPOT, "market", "buy", 1)
    assert desk.ex.fetch_open_orders() == []


@card
def o64_unknown_account(desk: Desk) -> None:
    """An account that does not exist is AccountNotEnabled; on a gateway none at all is refused unsent."""
    with desk.refused(ccxt.AccountNotEnabled):
        desk.ex.create_order(SPOT, "market", "buy", 1, None, {"account_id": 99})
    ex = desk.exchange(None)
    if desk.way.base_url is None:
        assert ex.create_order(SPOT, "market", "buy", 1)["info"]["account_id"] == NETTING
    else:
        with desk.unsent(ccxt.ArgumentsRequired, "account_id"):
            ex.create_order(SPOT, "market", "buy", 1)


@card
def o65_bad_input_is_not_sent(desk: Desk) -> None:
    """Bad input is refused by class and field before a command is sent."""
    table: list[tuple[type[ccxt.BaseError], str, tuple[Any, ...]]] = [
        (ccxt.BadSymbol, "NO/SUCH", ("NO/SUCH", "market", "buy", 1)),
        (ccxt.ArgumentsRequired, "price", (SPOT, "limit", "buy", 1)),
        (ccxt.InvalidOrder, "side", (SPOT, "market", "long", 1)),
        (ccxt.InvalidOrder, "side", (SPOT, "market", None, 1)),
        (ccxt.InvalidOrder, "type", (SPOT, None, "buy", 1)),
        (ccxt.InvalidOrder, "amount", (SPOT, "market", "buy", -1)),
        (ccxt.InvalidOrder, "amount", (SPOT, "market", "buy", 0)),
        (ccxt.InvalidOrder, "amount", (SPOT, "market", "buy", None)),
        (ccxt.InvalidOrder, "amount", (SPOT, "market", "buy", "abc")),
        (ccxt.InvalidOrder, "amount", (SPOT, "market", "buy", float("nan"))),
        (ccxt.InvalidOrder, "amount", (SPOT, "market", "buy", float("inf"))),
        (ccxt.InvalidOrder, "amount", (SPOT, "market", "buy", True)),
        (ccxt.InvalidOrder, "amount", (SPOT, "market", "buy", "0.000001")),
        (ccxt.InvalidOrder, "maximum", (SPOT, "market", "buy", 10000)),
        (ccxt.InvalidOrder, "cost", (SPOT, "limit", "buy", 0.01, 100)),
        (ccxt.InvalidOrder, "price", (SPOT, "limit", "buy", 1, -5)),
        (ccxt.InvalidOrder, "price", (SPOT, "limit", "buy", 1, 0)),
        (ccxt.InvalidOrder, "timeInForce", (SPOT, "limit", "buy", 1, 90, {"timeInForce": "SOON"})),
        (ccxt.InvalidOrder, "postOnly", (SPOT, "market", "buy", 1, None, {"postOnly": True})),
        (ccxt.InvalidOrder, "postOnly", (SPOT, "limit", "buy", 1, 90, {"postOnly": "yes"})),
        (
            ccxt.InvalidOrder,
            "postOnly",
            (SPOT, "limit", "buy", 1, 90, {"postOnly": True, "timeInForce": "IOC"}),
        ),
        (ccxt.InvalidOrder, "reduceOnly", (SPOT, "market", "buy", 1, None, {"reduceOnly": 1})),
        (ccxt.InvalidOrder, "triggerPrice", (SPOT, "market", "buy", 1, None, {"triggerPrice": -1})),
        (ccxt.InvalidOrder, "stopLossPrice", (SPOT, "market", "buy", 1, None, {"stopLossPrice": 0})),
        (ccxt.InvalidOrder, "trailingPercent", (SPOT, "market", "buy", 1, None, {"trailingPercent": -1})),
        (ccxt.InvalidOrder, "clientOrderId", (SPOT, "market", "buy", 1, None, {"clientOrderId": "x" * 129})),
        (ccxt.InvalidOrder, "clientOrderId", (SPOT, "market", "buy", 1, None, {"clientOrderId": " "})),
        (ccxt.InvalidOrder, "comment", (SPOT, "market", "buy", 1, None, {"comment": "x" * 256})),
        (ccxt.InvalidOrder, "reason", (SPOT, "market", "buy", 1, None, {"reason": 5})),
        (ccxt.BadRequest, "strategy_id", (SPOT, "market", "buy", 1, None, {"strategy_id": "abc"})),
        (ccxt.BadRequest, "position_id", (SPOT, "market", "buy", 1, None, {"position_id": -1})),
    ]
    desk.ex.load_markets()
    for kind, says, arguments in table:
        with desk.unsent(kind, says):
            desk.ex.create_order(*arguments)


@card
def o66_what_the_oms_refuses(desk: Desk) -> None:
    """What only the OMS can know is refused by class too, and changes nothing."""
    table: list[tuple[type[ccxt.BaseError], str, tuple[Any, ...]]] = [
        (ccxt.InvalidOrder, "order_type", (SPOT, "iceberg", "buy", 1, 90)),
        (ccxt.InvalidOrder, "position_id", (SPOT, "market", "buy", 1, None, {"position_id": 77})),
        (ccxt.BadRequest, "strategy", (SPOT, "market", "buy", 1, None, {"strategy_id": 77})),
        (ccxt.InvalidOrder, "at least 5 USDT", (SPOT, "market", "buy", "0.00001")),
        (
            ccxt.InvalidOrder,
            "trigger",
            (SPOT, "market", "buy", 1, None, {"triggerPrice": 90, "trailingPercent": 5}),
        ),
        (ccxt.ArgumentsRequired, "expireAt", (SPOT, "limit", "buy", 1, 90, {"timeInForce": "GTD"})),
    ]
    for kind, says, arguments in table:
        with desk.refused(kind, says):
            desk.ex.create_order(*arguments)
