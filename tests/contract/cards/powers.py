"""W: what an OMS can do beyond ccxt, and the guarded way to the venue behind it."""

from __future__ import annotations

import ccxt
import pytest

from tests.helpers.contract_card import card
from tests.helpers.contract_desk import SPOT, SWAP, Desk


@card
def w01_dry_run(desk: Desk) -> None:
    """can_execute_order says what an order would need and whether it would be taken, and changes nothing."""
    before = desk.state()
    yes = desk.ex.can_execute_order(SPOT, "limit", "buy", 2, 90)
    assert (yes["ok"], yes["reason"], yes["required"], yes["available"]) == (True, None, 180.18, 100000)
    no = desk.ex.can_execute_order(SPOT, "limit", "buy", 2000, 90)
    assert no["ok"] is False
    assert no["reason"].startswith("insufficient_funds")
    assert (no["required"], no["available"]) == (180180, 100000)
    stop = desk.ex.can_execute_order(SWAP, "market", "buy", 1, None, {"stopLoss": {"triggerPrice": 150}})
    assert stop["ok"] is False
    assert desk.state() == before
    with desk.unsent(ccxt.ArgumentsRequired, "price"):
        desk.ex.can_execute_order(SPOT, "limit", "buy", 1)


@card
def w01b_dry_run_of_what_the_market_does_not_take(desk: Desk) -> None:
    """What a market's limits refuse is answered as everything else that is refused; bad input is raised."""
    for amount, price, says in (
        (10**9, 90, "amount: 1000000000 of BTC/USDT is above its maximum"),
        ("0.000000001", 90, "amount: 0.000000001 of BTC/USDT must be greater than minimum amount precision"),
        (1, "0.000000001", "price: 0.000000001 of BTC/USDT must be greater than minimum price precision"),
        ("0.01", 90, "cost: 0.9 of BTC/USDT is below its minimum"),
    ):
        no = desk.ex.can_execute_order(SPOT, "limit", "buy", amount, price)
        assert (no["ok"], no["required"], no["available"]) == (False, None, None)
        assert no["reason"].startswith(f"validation_error: {says}")
        with desk.unsent(ccxt.InvalidOrder, says):
            desk.ex.create_order(SPOT, "limit", "buy", amount, price)
    for arguments in ((SPOT, "limit", "buy", -1, 90), (SPOT, "limit", "buy", 1, "cheap")):
        with desk.unsent(ccxt.InvalidOrder):
            desk.ex.can_execute_order(*arguments)
    with desk.unsent(ccxt.BadSymbol):
        desk.ex.can_execute_order("AA/BB", "limit", "buy", 1, 90)


@card
def w02_dry_run_agrees_with_the_run(desk: Desk) -> None:
    """What the dry run calls good is taken, and what it calls bad is refused."""
    desk.exchange(role="risk").set_allow_new_positions(False, "stop")
    orders = (
        (SPOT, "market", "buy", 1),
        (SWAP, "market", "sell", 1, None, {"reduceOnly": True}),
        (SPOT, "limit", "sell", 100, 120),
        (SPOT, "limit", "buy", 1, 101, {"postOnly": True}),
    )
    for arguments in orders:
        assert desk.ex.can_execute_order(*arguments)["ok"] is False
        with pytest.raises(ccxt.ExchangeError):
            desk.ex.create_order(*arguments)
    desk.exchange(role="risk").set_allow_new_positions(True, "go")
    assert desk.ex.can_execute_order(*orders[0])["ok"] is True
    assert desk.ex.create_order(*orders[0])["status"] == "closed"


@card
def w03_call_ccxt(desk: Desk) -> None:
    """Any read of the venue by its name in either spelling, with positional and named arguments."""
    assert desk.ex.call_ccxt("fetch_ticker", SPOT)["last"] == 100.5
    assert desk.ex.call_ccxt("fetchTicker", symbol=SPOT)["symbol"] == SPOT
    assert desk.ex.call_ccxt("fetch_ohlcv", SPOT, "1m", limit=1)[0][4] == 100.5
    with desk.refused(ccxt.NotSupported):
        desk.ex.call_ccxt("fetch_greeks", SPOT)
    with desk.refused(ccxt.BadSymbol):
        desk.ex.call_ccxt("fetch_ticker", "NO/SUCH")


@card
def w04_the_guard(desk: Desk) -> None:
    """What trades past the OMS or moves money is refused unsent, however it is spelt."""
    desk.ex.load_markets()
    before = len(desk.oms.requests)
    for function in (
        *("create_order", "createOrder", "createMarketOrder", "cancel_order", "cancelAllOrders", "editOrder"),
        *("withdraw", "transfer", "borrowMargin", "privatePostOrder", "close_position", "sapiPostAccount"),
    ):
        with desk.unsent(ccxt.PermissionDenied, "options"):
            desk.ex.call_ccxt(function, SPOT)
        with desk.unsent(ccxt.PermissionDenied, "options"):
            desk.ex.ccxt_commands([{"func": "fetch_time"}, {"func": function}])
    for function in ("request", "__class__", "a b", "", None, 5, "fetch2"):
        with desk.unsent(ccxt.BadRequest, "func"):
            desk.ex.call_ccxt(function)
    call = {"account_id": 1, "func": "create_order", "args": [SPOT, "market", "buy", 1], "kwargs": {}}
    for pipeline in (desk.ex.request, desk.ex.fetch2):
        with desk.unsent(ccxt.PermissionDenied, "options"):
            pipeline("ccxt/{account_id}/{func}", "market", "POST", call)
    assert len(desk.oms.requests) == before
    assert desk.ex.fetch2("healthz")["status"] == "ok"


@card
def w05_the_guard_opened(desk: Desk) -> None:
    """With the option the call goes out, and the OMS knows nothing of the order before it is reconciled."""
    ex = desk.exchange(allow_venue_orders=True)
    placed = ex.call_ccxt("createOrder", SPOT, "limit", "buy", 1, 90)
    assert ex.fetch_balance()["USDT"]["used"] == 90.09
    assert ex.fetch_open_orders() == []
    with desk.refused(ccxt.OrderNotFound):
        ex.cancel_order(placed["id"][1:])
    ex.reconcile()
    [order] = ex.fetch_open_orders()
    assert (order["info"]["exchange_order_id"], order["info"]["reason"]) == (placed["id"], "external")
    assert ex.cancel_order(order["id"])["status"] == "canceled"
    with desk.refused(ccxt.InsufficientFunds):
        ex.call_ccxt("create_order", SPOT, "market", "buy", 5000)
    with desk.refused(ccxt.OrderNotFound):
        ex.call_ccxt("cancel_order", placed["id"])


@card
def w12_trades_past_the_oms(desk: Desk) -> None:
    """Trades past the OMS are apart once they are known: net views add them up, raw rows do not."""
    ex = desk.exchange(allow_venue_orders=True)
    ex.create_order(SWAP, "market", "buy", 3)
    trade = ex.call_ccxt("create_order", SWAP, "market", "sell", 1, None, {"clientOrderId": "theirs"})
    assert ex.fetch_position(SWAP)["contracts"] == 3
    assert len(ex.fetch_my_trades(SWAP)) == 1
    assert [row["order"] for row in ex.call_ccxt("fetch_my_trades", SWAP)][1] == trade["id"]
    ex.reconcile()
    own, theirs = ex.fetch_my_trades(SWAP)
    assert (own["side"], theirs["side"], theirs["info"]["reconciled"]) == ("buy", "sell", True)
    raw = ex.fetch_positions([SWAP], {"positions": "raw"})
    assert [(row["side"], row["contracts"]) for row in raw] == [("long", 3), ("short", 1)]
    net = ex.fetch_position(SWAP)
    assert (net["side"], net["contracts"]) == ("long", 2)
    assert net["info"]["member_ids"] == [int(row["id"]) for row in raw]
    order = ex.fetch_order(theirs["order"], SWAP)
    assert (order["clientOrderId"], order["status"]) == ("theirs", "closed")
    ex.reassign([order["id"]], 0)
    [position] = ex.fetch_positions([SWAP], {"positions": "raw"})
    assert (position["id"], position["contracts"]) == (raw[0]["id"], 2)


@card
def w11_two_guards(desk: Desk) -> None:
    """The option for orders does not let money be moved."""
    ex = desk.exchange(allow_venue_orders=True)
    with desk.unsent(ccxt.PermissionDenied, "allow_money_movement"):
        ex.call_ccxt("withdraw", "USDT", 1, "somewhere")


@card
def w06_several_calls(desk: Desk) -> None:
    """Several functions by one request, each with its own result or exception."""
    desk.ex.load_markets()
    before = len(desk.oms.requests)
    time, ticker, error = desk.ex.ccxt_commands(
        [
            {"func": "fetch_time"},
            {"func": "fetch_ticker", "args": [SPOT], "account_id": 2},
            {"func": "fetch_ticker", "kwargs": {"symbol": "NO/SUCH"}},
        ]
    )
    assert len(desk.oms.requests) == before + 1
    assert (time, ticker["last"]) == (desk.oms.now_ms(), 100.5)
    assert type(error) is ccxt.BadSymbol
    assert desk.ex.ccxt_commands([]) == []


@card
def w07_reconcile(desk: Desk) -> None:
    """reconcile is triggered and its status tells when."""
    assert desk.ex.fetch_reconcile_status()["status"] == "never"
    assert desk.ex.reconcile({"scope": "short"})["ok"] is True
    desk.advance(5000)
    status = desk.ex.fetch_reconcile_status()
    assert (status["status"], status["age_seconds"]) == ("fresh", 5)
    desk.advance(300_000)
    assert desk.ex.fetch_reconcile_status()["status"] == "stale"
    with desk.refused(ccxt.BadRequest, "scope"):
        desk.ex.reconcile({"scope": "all"})


@card
def w08_risk_switch(desk: Desk) -> None:
    """set_allow_new_positions wants a bool and a reason."""
    risk = desk.exchange(role="risk")
    with desk.unsent(ccxt.BadRequest, "allow"):
        risk.set_allow_new_positions("no", "why")
    with desk.unsent(ccxt.ArgumentsRequired, "comment"):
        risk.set_allow_new_positions(False, "")
    risk.set_allow_new_positions(False, "why")
    assert risk.fetch_accounts()[0]["info"]["allow_new_positions"] is False


@card
def w09_keys_may_not(desk: Desk) -> None:
    """Over HTTP a key does what its role says and no more; a wrong one is AuthenticationError."""
    if desk.way.base_url is None:
        return
    reader, risk = desk.exchange(role="readonly"), desk.exchange(role="risk")
    assert reader.fetch_balance()["USDT"]["total"] == 100000
    for call in (
        lambda: reader.create_order(SPOT, "market", "buy", 1),
        lambda: reader.cancel_all_orders(),
        lambda: reader.set_allow_new_positions(False, "why"),
        lambda: risk.create_order(SPOT, "market", "buy", 1),
        lambda: desk.ex.set_allow_new_positions(False, "why"),
    ):
        with desk.refused(ccxt.PermissionDenied):
            call()
    wrong = desk.exchange()
    wrong.apiKey = "oms_wrong"
    with desk.refused(ccxt.AuthenticationError):
        wrong.fetch_balance()
    wrong.apiKey = ""
    with desk.refused(ccxt.AuthenticationError):
        wrong.fetch_balance()
    assert wrong.fetch_ticker(SPOT)["last"] == 100.5


@card
def w10_two_accounts_by_params(desk: Desk) -> None:
    """params account_id sends one call to another account, on commands and reads alike."""
    order = desk.ex.create_order(SPOT, "limit", "buy", 1, 90, {"account_id": 2})
    assert order["info"]["account_id"] == 2
    assert desk.ex.fetch_open_orders() == []
    assert desk.ex.fetch_open_orders(None, None, None, {"account_id": 2}) == [order]
    assert desk.ex.cancel_order(order["id"], SPOT, {"account_id": 2})["status"] == "canceled"
