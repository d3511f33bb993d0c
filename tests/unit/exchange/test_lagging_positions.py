"""Positions of a gateway that opens one for every trade, and errors that have lost their class."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.helpers.contract_desk import BY_STRATEGY, HEDGE, NETTING, SPOT, SWAP
from tests.helpers.lagging_desk import LaggingDesk

pytestmark = pytest.mark.oldest

MakeDesk = Callable[..., LaggingDesk]


def brief(positions: list[Any]) -> list[tuple[Any, ...]]:
    return [(each["side"], each["contracts"], each["entryPrice"]) for each in positions]


def trade(ex: Any, side: str = "buy", amount: float = 1, **params: Any) -> Any:
    return ex.create_order(SWAP, "market", side, amount, None, params)


def commands(desk: LaggingDesk) -> list[Any]:
    """The commands that were sent, one list for each request."""
    return [body for endpoint, body in desk.oms.requests if endpoint == "commands"]


# -- a position a trade


def test_on_a_netting_account_they_are_netted(desk: LaggingDesk) -> None:
    trade(desk.ex)
    desk.price(SWAP, 110, 111)
    trade(desk.ex)
    trade(desk.ex, "sell", 0.5)

    assert brief(desk.ex.fetch_positions([SWAP])) == [("long", 1.5, 106)]
    raw = desk.ex.fetch_positions([SWAP], {"positions": "raw"})
    assert brief(raw) == [("long", 1, 101), ("long", 1, 111), ("short", 0.5, 110)]
    assert desk.ex.fetch_position(SWAP)["contracts"] == 1.5
    assert brief(desk.exchange(positions="raw").fetch_positions()) == brief(raw)
    trade(desk.ex, "sell", 1.5)
    assert desk.ex.fetch_positions() == []
    assert desk.ex.fetch_position(SWAP)["contracts"] == 0


def test_on_a_strategy_netting_account_they_are_netted_by_strategy(desk: LaggingDesk) -> None:
    one, two = desk.exchange(BY_STRATEGY, strategy_id=1), desk.exchange(BY_STRATEGY, strategy_id=2)
    trade(one, "buy", 2)
    trade(one)
    trade(two)

    assert brief(one.fetch_positions()) == [("long", 3, 101)]
    assert brief(two.fetch_positions()) == [("long", 1, 101)]
    both = desk.exchange(BY_STRATEGY).fetch_positions()
    assert [each["info"]["strategy_id"] for each in both] == [1, 2]
    assert desk.exchange(BY_STRATEGY).fetch_position(SWAP)["contracts"] == 4
    assert len(desk.exchange(BY_STRATEGY).fetch_positions(None, {"positions": "raw"})) == 3


def test_on_a_hedge_account_they_are_as_they_are(desk: LaggingDesk) -> None:
    ex = desk.exchange(HEDGE)
    first = trade(ex, "buy", 2)
    trade(ex)
    position_id = first["trades"][0]["info"]["position_id"]
    trade(ex, "sell", 1, position_id=position_id)

    assert brief(ex.fetch_positions()) == [("long", 1, 101), ("long", 1, 101)]
    assert brief(ex.fetch_positions(None, {"positions": "net"})) == [("long", 2, 101)]


def test_a_position_is_there_though_nobody_has_reconciled(desk: LaggingDesk) -> None:
    desk.oms.venue_call(NETTING, "create_order", SWAP, "market", "buy", 2)

    assert brief(desk.ex.fetch_positions()) == [("long", 2, 101)]


# -- closing


def test_closing_on_a_hedge_account_is_an_opposite_order(desk: LaggingDesk) -> None:
    ex = desk.exchange(HEDGE)
    opened = trade(ex, "buy", 2)
    position_id = opened["trades"][0]["info"]["position_id"]
    desk.oms.requests.clear()
    closing = ex.close_position(SWAP, None, {"comment": "out", "clientOrderId": "closing"})

    assert (closing["status"], closing["side"], closing["filled"]) == ("closed", "sell", 2)
    (command,) = commands(desk)
    assert command == {
        "account_id": HEDGE,
        "command": "send_order",
        "payload": {
            "symbol": SWAP,
            "side": "sell",
            "order_type": "market",
            "qty": "2",
            "reduce_only": True,
            "position_id": position_id,
            "strategy_id": 0,
            "client_order_id": "closing",
            "comment": "out",
        },
    }
    assert ex.fetch_positions() == []


def test_closing_a_part_by_a_limit_on_a_hedge_account(desk: LaggingDesk) -> None:
    ex = desk.exchange(HEDGE, strategy_id=2)
    trade(ex, "buy", 2)
    desk.oms.requests.clear()
    closing = ex.close_position(SWAP, "long", {"amount": 0.5, "type": "limit", "price": 120})

    payload = commands(desk)[0]["payload"]
    assert (closing["status"], closing["price"], closing["amount"]) == ("open", 120, 0.5)
    assert (payload["order_type"], payload["qty"], payload["price"]) == ("limit", "0.5", "120")
    assert (payload["reduce_only"], payload["strategy_id"]) == (True, 2)


def test_closing_all_on_a_hedge_account_is_one_request(desk: LaggingDesk) -> None:
    ex = desk.exchange(HEDGE)
    trade(ex, "buy", 2)
    trade(ex, "buy", 1)
    desk.oms.requests.clear()

    assert [order["filled"] for order in ex.close_all_positions()] == [2, 1]
    (sent,) = commands(desk)
    assert [(each["command"], each["payload"]["qty"]) for each in sent] == [
        ("send_order", "2"),
        ("send_order", "1"),
    ]
    assert ex.fetch_positions() == []


@pytest.mark.parametrize("own_ids", [False, True])
def test_two_calls_at_once_close_a_position_once(desk: LaggingDesk, own_ids: bool) -> None:
    """Where the gateway locks no position: two opposite orders would open one in the other direction."""
    ex = desk.exchange(HEDGE)
    trade(ex, "buy", 2)
    desk.oms.requests.clear()
    first, second = ({"clientOrderId": name} if own_ids else {} for name in ("one", "two"))
    if desk.way.asynchronous:
        closing = [ex.exchange.close_position(SWAP, None, params) for params in (first, second)]

        async def both() -> Any:
            return await asyncio.gather(*closing, return_exceptions=True)

        outcomes = desk.way.run(both())
    else:
        outcomes = []
        handle = desk.oms.handle

        def meanwhile(endpoint: str, *request: Any) -> Any:
            if endpoint == "commands":
                desk.oms.handle = handle
                with pytest.raises(ccxt.OperationRejected) as raised:
                    ex.close_position(SWAP, None, second)
                outcomes.append(raised.value)
            return handle(endpoint, *request)

        desk.oms.handle = meanwhile
        outcomes.insert(0, ex.close_position(SWAP, None, first))
    order, rejected = outcomes
    assert (order["filled"], rejected.outcome) == (2, "not_sent")
    assert "being closed by another call" in str(rejected)
    assert len(commands(desk)) == 1

    trade(ex, "buy", 1)
    assert ex.close_position(SWAP)["filled"] == 1


def test_closing_all_leaves_out_what_another_call_is_closing(desk: LaggingDesk) -> None:
    ex = desk.exchange(HEDGE)
    trade(ex, "buy", 2)
    trade(ex, "buy", 1)
    row = ex.fetch_positions()[0]["info"]
    command = {"account_id": HEDGE, "payload": {"position_id": row["id"]}}
    assert ex._unknown_creates.begin_closing(command, ex._unknown_creates.count())

    rejected, order = ex.close_all_positions()
    assert (type(rejected), order["filled"]) == (ccxt.OperationRejected, 1)
    ex._unknown_creates.end_closing(command)
    assert [order["filled"] for order in ex.close_all_positions()] == [2]


@pytest.mark.parametrize("account_id", [NETTING, BY_STRATEGY])
def test_closing_on_a_netting_account_is_not_supported(desk: LaggingDesk, account_id: int) -> None:
    """Nothing closes a position in such a gateway's books: the way out is told."""
    ex = desk.exchange(account_id)
    trade(ex, "buy", 2)

    for call in (
        lambda: ex.close_position(SWAP),
        lambda: ex.close_position(SWAP, None, {"amount": 1}),
        ex.close_all_positions,
    ):
        with pytest.raises(ccxt.NotSupported, match="opposite order with reduceOnly") as info:
            call()
        assert info.value.outcome == "refused"
    assert trade(ex, "sell", 2, reduceOnly=True)["filled"] == 2
    assert ex.fetch_position(SWAP)["contracts"] == 0


def test_close_by_and_merge_work(desk: LaggingDesk) -> None:
    ex = desk.exchange(HEDGE)
    ids = [each["trades"][-1]["info"]["position_id"] for each in (trade(ex), trade(ex, "sell"), trade(ex))]
    ex.close_by(ids[0], ids[1])
    assert [each["id"] for each in ex.fetch_positions()] == [str(ids[2])]
    last = trade(ex)["trades"][-1]["info"]["position_id"]
    assert ex.merge_positions(ids[2], last)["contracts"] == 2


def test_a_merged_position_does_not_hide_the_others(
    desk: LaggingDesk, caplog: pytest.LogCaptureFixture
) -> None:
    """Its gateway answers 500 to any page of history that holds one."""
    ex = desk.exchange(HEDGE)
    ids = [trade(ex)["trades"][-1]["info"]["position_id"] for _ in range(4)]
    ex.merge_positions(ids[1], ids[2])
    ex.close_position(SWAP, None, {"position_id": ids[0]})

    assert [each["id"] for each in ex.fetch_positions_history([SWAP])] == [str(ids[0])]
    assert "cannot show" in caplog.text


# -- errors: of every exception of the venue's only the text arrives


@pytest.mark.parametrize(
    "text, kind, outcome",
    [
        ("binance Account has insufficient balance", ccxt.InsufficientFunds, "refused"),
        ("binance Filter failure: LOT_SIZE", ccxt.InvalidOrder, "refused"),
        ("binance Order would immediately match and take.", ccxt.OrderImmediatelyFillable, "refused"),
        ("binance Duplicate order sent.", ccxt.DuplicateOrderId, "refused"),
        ("binance does not have market symbol X/Y", ccxt.BadSymbol, "refused"),
        ("binance Too many requests", ccxt.RateLimitExceeded, "refused"),
        ("binance POST /order request timed out (10000 ms)", ccxt.RequestTimeout, "unknown"),
        ("binance Connection reset by peer", ccxt.RequestTimeout, "unknown"),
        ("(1205, 'Lock wait timeout exceeded')", ccxt.RequestTimeout, "unknown"),
        ("binance what nobody has ever said", ccxt.ExchangeError, "unknown"),
    ],
)
def test_an_order_that_fails_by_the_text_of_its_error(
    desk: LaggingDesk, text: str, kind: type[ccxt.BaseError], outcome: str
) -> None:
    ex = desk.exchange(lookup_timeout=0)
    ex.load_markets()
    desk.oms.venue_down = ccxt.BaseError(text)

    with pytest.raises(ccxt.BaseError) as info:
        ex.create_order(SPOT, "limit", "buy", 1, 90)
    assert (type(info.value), info.value.outcome) == (kind, outcome)


@pytest.mark.parametrize(
    "code", ["dispatcher_timeout", "dispatcher_empty_response", "dispatcher_invalid_json"]
)
def test_a_dispatcher_that_answers_nothing_leaves_the_outcome_open_and_the_order_is_found(
    desk: LaggingDesk, code: str
) -> None:
    desk.oms.lose_next_answer = code
    order = desk.ex.create_order(SPOT, "market", "buy", 1)

    assert (order["status"], order["filled"]) == ("closed", 1)
    assert len(commands(desk)) == 1, "it is never sent twice"
    assert Decimal(str(desk.oms.venue_call(NETTING, "fetch_balance")["BTC"]["total"])) == 11


def test_a_dispatcher_that_is_down_is_an_outage(desk: LaggingDesk) -> None:
    desk.ex.load_markets()
    desk.oms.dispatcher_down = True

    for call in (desk.ex.fetch_open_orders, desk.ex.fetch_positions, desk.ex.fetch_balance):
        with pytest.raises(ccxt.ExchangeNotAvailable):
            call()


def test_refusals_of_the_gateway_itself(desk: LaggingDesk) -> None:
    order = desk.ex.create_order(SPOT, "limit", "buy", 1, 90)
    desk.ex.cancel_order(order["id"])
    for kind, call in (
        (ccxt.InvalidOrder, lambda: desk.ex.cancel_order(order["id"])),
        (ccxt.OrderNotFound, lambda: desk.ex.cancel_order("999999")),
        (ccxt.InvalidOrder, lambda: desk.ex.edit_order(order["id"], SPOT, "limit", "buy", 2)),
        (ccxt.BadRequest, lambda: trade(desk.ex, "buy", 1, strategy_id=77)),
        (ccxt.InvalidOrder, lambda: trade(desk.ex, "buy", 1, position_id=77)),
        (ccxt.AccountNotEnabled, lambda: trade(desk.ex, "buy", 1, account_id=99)),
    ):
        with pytest.raises(ccxt.BaseError) as info:
            call()
        assert type(info.value) is kind
        assert info.value.outcome == "refused"


# -- more trades than one reconcile reads


def test_positions_that_the_gateway_cannot_know_yet_are_warned_of_and_not_closed(
    make_desk: MakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    """It reads 200 trades from ten minutes back on, and the next time the same."""
    desk = make_desk()
    ex = desk.exchange(HEDGE)
    for _ in range(203):
        desk.oms.venue_call(HEDGE, "create_order", SWAP, "market", "buy", 0.1)
        desk.advance(10)
    first, *_ = ex.fetch_positions(None, {"positions": "raw"})
    assert "may lack trades" in caplog.text
    for close in (ex.close_all_positions, lambda: ex.close_position(SWAP)):
        with pytest.raises(ccxt.OperationRejected, match="not learned of all trades") as info:
            close()
        assert info.value.outcome == "not_sent"
    assert ex.close_position(SWAP, None, {"position_id": first["id"]})["filled"] == 0.1

    desk.advance(11 * 60_000)
    caplog.clear()
    assert len(ex.fetch_positions(None, {"positions": "raw"})) == 202
    assert "may lack trades" not in caplog.text
