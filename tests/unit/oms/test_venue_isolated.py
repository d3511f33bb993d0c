"""Margin of isolated positions added and taken by hand; each number is reckoned by hand.

Formula of the liquidation price: Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts".
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.entities import Permission, Principal

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
ACCOUNTS = [
    {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "1000"}},
    {"account_id": 2, "position_mode": "hedge", "balances": {"USDT": "1000"}},
    {"account_id": 3, "position_mode": "strategy_netting", "balances": {"USDT": "1000"}},
]


@pytest.fixture
def poor(make_desk: Callable[..., Any]) -> Any:
    desk = make_desk(accounts=ACCOUNTS)
    desk.price(SWAP, "100", "101", last="100")
    for account in (1, 2, 3):
        desk.venue("set_margin_mode", "isolated", SWAP, account=account)
    return desk


def refused(
    desk: Any, func: str, *args: Any, account: int = 1, principal: Principal | None = None
) -> tuple[str, str]:
    body = {"args": list(args), "kwargs": {}}
    path = {"account_id": str(account), "func": func}
    who = () if principal is None else (principal,)
    reply = desk.oms.handle("ccxt_call", path, {}, body, *who)
    assert reply.status >= 400, reply.body
    detail = reply.body["detail"]
    return detail["details"].get("ccxt_error", detail["code"]), detail["message"]


def test_what_is_added_stands_for_the_position_and_moves_its_liquidation(poor: Any) -> None:
    poor.send("buy", "50", symbol=SWAP)  # 5050 at leverage 10, and a fee of 2.525
    assert poor.balance("USDT")[0] == Decimal("492.475")

    done = poor.venue("add_margin", SWAP, 100)

    now = poor.oms.now_ms()
    assert {name: value for name, value in done.items() if name not in ("info", "datetime")} == {
        "symbol": SWAP,
        "type": "add",
        "marginMode": "isolated",
        "amount": 100.0,
        "total": 605.0,
        "code": "USDT",
        "status": "ok",
        "timestamp": now,
    }
    assert poor.balance("USDT") == (Decimal("392.475"), Decimal(605), Decimal("997.475"))
    [position] = poor.positions()
    assert done["info"] == position
    # 605 + 50 * (p - 101) = 0.004 * 50 * p
    assert (position["margin"], position["liquidation_price"]) == ("605", "89.25702811")
    poor.price(SWAP, "90", "90.2", last="90")  # where it had ended without
    assert len(poor.positions()) == 1
    poor.price(SWAP, "70", "71", last="70")
    assert poor.positions() == []
    assert poor.balance("USDT")[2] == Decimal("392.475")  # all that stood for it is lost, and no more


def test_what_is_to_spare_can_be_taken_back(poor: Any) -> None:
    poor.send("buy", "50", symbol=SWAP)
    assert refused(poor, "reduce_margin", SWAP, 1)[0] == "InsufficientFunds"
    poor.venue("add_margin", SWAP, "100")
    # 605 - 505 of initial margin - 50 that are lost at the mark price of 100
    kind, message = refused(poor, "reduce_margin", SWAP, "50.00000001")
    assert kind == "InsufficientFunds"
    assert "50.00000001 is more than the 50 to spare" in message
    assert poor.venue("reduce_margin", SWAP, 50)["total"] == 555
    poor.price(SWAP, "120", "121", last="120")  # a profit is not to spare
    assert refused(poor, "reduce_margin", SWAP, "50.00000001")[0] == "InsufficientFunds"
    done = poor.venue("reduce_margin", SWAP, 50)
    assert (done["type"], done["amount"], done["total"]) == ("reduce", 50, 505)
    assert poor.balance("USDT")[0] == Decimal("492.475")


def test_margin_is_set_to_an_amount(poor: Any) -> None:
    poor.send("buy", "50", symbol=SWAP)
    assert poor.venue("set_margin", SWAP, 700)["total"] == 700
    assert poor.balance("USDT")[0] == Decimal("297.475")
    before = poor.oms.last_seq(1)
    assert poor.venue("set_margin", SWAP, 700)["amount"] == 700
    assert poor.oms.last_seq(1) == before  # nothing has changed
    assert poor.venue("set_margin", SWAP, 600)["total"] == 600
    assert refused(poor, "set_margin", SWAP, 554)[0] == "InsufficientFunds"
    assert refused(poor, "set_margin", SWAP, 1093)[0] == "InsufficientFunds"
    assert poor.positions()[0]["margin"] == "600"


@pytest.mark.parametrize("func, before", [("add_margin", 101), ("set_margin", 0)])
@pytest.mark.parametrize("amount, exact", [(150.1 + 0.2, "150.29999999"), (451.3 / 3, "150.43333333")])
def test_an_amount_that_was_reckoned_in_floats_is_rounded_down(
    poor: Any, func: str, before: int, amount: float, exact: str
) -> None:
    """A tenth of what is free was refused for its digits, while the position came nearer to its end."""
    poor.send("buy", "10", symbol=SWAP)

    done = poor.venue(func, SWAP, amount)

    assert Decimal(str(done["amount"])) == Decimal(exact)
    assert Decimal(poor.positions()[0]["margin"]) == before + Decimal(exact)


def test_a_part_that_is_closed_gives_its_share_back(poor: Any) -> None:
    poor.send("buy", "50", symbol=SWAP)
    poor.venue("add_margin", SWAP, 100)
    poor.send("sell", "20", symbol=SWAP)
    assert poor.positions()[0]["margin"] == "363"
    poor.send("sell", "30", symbol=SWAP)
    assert poor.balance("USDT")[1] == 0
    poor.send("sell", "10", symbol=SWAP)  # the next one begins with none of it
    assert poor.positions()[0]["margin"] == "100"


def test_of_several_positions_one_is_named(poor: Any) -> None:
    long = poor.send("buy", "10", symbol=SWAP, account=2)["position_id"]
    short = poor.send("sell", "10", symbol=SWAP, account=2)["position_id"]
    kind, message = refused(poor, "add_margin", SWAP, 10, account=2)
    assert kind == "ArgumentsRequired"
    assert f"expected one of {long}, {short}" in message

    for params in ({"positionSide": "SHORT"}, {"side": "short"}, {"position_id": short}):
        poor.venue("add_margin", SWAP, 10, params, account=2)
    poor.venue("add_margin", SWAP, 5, {"positionId": str(long)}, account=2)

    margins = {row["id"]: row["margin"] for row in poor.positions(account=2)}
    assert margins == {long: "106", short: "130"}
    for params, kind in (
        ({"positionSide": "up"}, "BadRequest"),
        ({"position_id": 99}, "OperationRejected"),
        ({"position_id": long, "side": "short"}, "OperationRejected"),
        ({"positionSide": "BOTH"}, "ArgumentsRequired"),
    ):
        assert refused(poor, "add_margin", SWAP, 10, params, account=2)[0] == kind, params


def test_a_key_of_some_strategies_reaches_their_positions_only(poor: Any) -> None:
    poor.send("buy", "10", symbol=SWAP, account=3, strategy_id=1)
    limited = Principal(9, {3: Permission(True, True)}, frozenset({2}))
    assert refused(poor, "add_margin", SWAP, 10, account=3, principal=limited)[0] == "OperationRejected"
    poor.send("buy", "10", symbol=SWAP, account=3, strategy_id=2)
    body = {"args": [SWAP, 10], "kwargs": {}}
    reply = poor.oms.handle("ccxt_call", {"account_id": "3", "func": "addMargin"}, {}, body, limited)
    assert reply.body["result"]["info"]["strategy_id"] == 2


@pytest.mark.parametrize(
    "args,kind,word",
    [
        ((SWAP, 0), "BadRequest", "amount"),
        ((SWAP, -5), "BadRequest", "amount"),
        ((SWAP, "1e-9"), "BadRequest", "at least 0.00000001"),
        ((SWAP, "much"), "BadRequest", "amount"),
        ((SWAP,), "ArgumentsRequired", "amount"),
        ((SPOT, 5), "BadSymbol", "not a swap"),
        ((SWAP, "492.47500001"), "InsufficientFunds", "free"),
    ],
)
@pytest.mark.parametrize("func", ["add_margin", "reduce_margin", "set_margin"])
def test_what_makes_no_sense_is_refused(
    poor: Any, func: str, args: tuple[Any, ...], kind: str, word: str
) -> None:
    if kind == "InsufficientFunds" and func != "add_margin":
        word = "to spare"
    poor.send("buy", "50", symbol=SWAP)
    before = poor.balance("USDT")
    found, message = refused(poor, func, *args)
    assert (found, word in message) == (kind, True), message
    assert poor.balance("USDT") == before


def test_it_takes_an_open_isolated_position_and_an_account_that_may_trade(poor: Any) -> None:
    assert refused(poor, "add_margin", SWAP, 5)[0] == "OperationRejected"
    poor.venue("set_margin_mode", "cross", SWAP)
    poor.send("buy", "1", symbol=SWAP)
    kind, message = refused(poor, "add_margin", SWAP, 5)
    assert kind == "OperationRejected"
    assert "crossed" in message
    reader = Principal(9, {2: Permission(True, False)})
    assert refused(poor, "add_margin", SWAP, 5, account=2, principal=reader)[0] == "permission_denied"


def test_it_is_told_and_survives_a_restart(tmp_path: Path) -> None:
    def call(oms: EmbeddedOms, func: str, *args: Any) -> Any:
        reply = oms.handle("ccxt_call", {"account_id": "1", "func": func}, {}, {"args": [*args]})
        assert reply.status == 200, reply.body
        return reply.body["result"]

    path = tmp_path / "oms.sqlite"
    with EmbeddedOms(accounts=ACCOUNTS, db=path, clock="manual", start_ms=0) as oms:
        oms.set_price(SWAP, bid=100, ask=101, last=100)
        call(oms, "set_margin_mode", "isolated", SWAP)
        payload = {"symbol": SWAP, "side": "buy", "order_type": "market", "qty": "10"}
        body = {"account_id": 1, "command": "send_order", "payload": payload}
        assert oms.handle("commands", {}, {}, body).body["results"][0]["ok"]
        seq = oms.last_seq(1)
        call(oms, "add_margin", SWAP, 25)
        news = oms.events(1, seq, 10)
        assert news is not None
        assert [event.name for event in news] == ["position_updated", "balance_updated"]
        assert news[0].payload["margin"] == "126"
        assert news[1].payload["used"] == "126"
    with EmbeddedOms(db=path, clock="manual", start_ms=0) as oms:
        row = oms.handle("positions_open", {}, {"account_ids": 1}, None).body["items"][0]
        assert row["margin"] == "126"
        call(oms, "reduce_margin", SWAP, 10)  # 25 less the loss of 10 are to spare


def test_leverages_and_modes_of_all_swaps(poor: Any) -> None:
    modes = poor.venue("fetch_margin_modes")
    assert modes[SWAP] == {"info": {}, "symbol": SWAP, "marginMode": "isolated"}
    assert SPOT not in modes
    assert {mode["marginMode"] for symbol, mode in modes.items() if symbol != SWAP} == {"cross"}
    poor.venue("set_leverage", 20, SWAP)
    assert poor.venue("fetch_leverages", [SWAP]) == {SWAP: poor.venue("fetch_leverage", SWAP)}
    assert len(poor.venue("fetch_leverages")) == len(modes) > 1
