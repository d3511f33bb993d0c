"""Margin by hand: maintenance margin of tiers, liquidation prices, and liquidations in every mode.

Formulas: Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts" and "Leverage and Margin of
USD-M Futures"; each number below is reckoned by hand from them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ccxt_driver.contract.commands import Side
from ccxt_driver.oms.entities import Position
from ccxt_driver.oms.ledger.margin import liquidation_price, maintenance_margin, most_notional
from ccxt_driver.oms.market.listing import DEFAULT_MARKETS, LeverageTier

SPOT = "BTC/USDT"
SWAP, OTHER = "BTC/USDT:USDT", "ETH/USDT:USDT"
TIERS = next(market.tiers for market in DEFAULT_MARKETS if market.symbol == SWAP)
POOR = [
    {"account_id": 1, "position_mode": "netting", "balances": {"USDT": "1000"}},
    {"account_id": 2, "position_mode": "hedge", "balances": {"USDT": "1000", "BTC": "10"}},
    {"account_id": 3, "position_mode": "strategy_netting", "balances": {"USDT": "1000"}},
]


@pytest.fixture
def poor(make_desk: Callable[..., Any]) -> Any:
    desk = make_desk(accounts=POOR)
    desk.price(OTHER, "10", "10.1", last="10")
    desk.price(SWAP, "100", "101", last="100")
    return desk


def position(side: str, qty: str, price: str) -> Position:
    cost = Decimal(qty) * Decimal(price)
    return Position(1, 1, SWAP, Side(side), 0, qty=Decimal(qty), entry_cost=cost, avg_price=Decimal(price))


def entries(desk: Any, kind: str, account: int = 1) -> list[Decimal]:
    rows = desk.get("ledger", account_ids=account, kind=kind)["items"]
    return [Decimal(row["amount"]) for row in rows]


# ------------------------------------------------------------------ formulas


@pytest.mark.parametrize(
    "notional,expected",
    [
        ("0", "0"),
        ("1000", "4"),  # 0.004
        ("300000", "1200"),
        ("300001", "1200.005"),  # no jump at the edge
        ("1000000", "5000"),  # 300000 * 0.004 + 500000 * 0.005 + 200000 * 0.0065
        ("2000000000", "230518000"),  # beyond the last tier: its own rate goes on
    ],
)
def test_maintenance_margin(notional: str, expected: str) -> None:
    assert maintenance_margin(Decimal(notional), TIERS) == Decimal(expected)


@pytest.mark.parametrize(
    "leverage,most",
    [("125", "300000"), ("101", "300000"), ("100", "800000"), ("1", "1000000000"), ("126", "0")],
)
def test_the_largest_position_of_a_leverage(leverage: str, most: str) -> None:
    assert most_notional(Decimal(leverage), TIERS) == Decimal(most)


@pytest.mark.parametrize(
    "balance,held,mark,expected",
    [
        # 505 + 50 (p - 101) = 0.2 p
        ("505", [("buy", "50", "101")], "100", "91.26506024"),
        # 500 + 50 (100 - p) = 0.2 p
        ("500", [("sell", "50", "100")], "100", "109.56175299"),
        # 100000 + 1000 (p - 1000) = 6.5 p - 1500: in the third tier at entry and there
        ("100000", [("buy", "1000", "1000")], "1000", "904.37846"),
        # 300000 + 1000 (p - 1000) = 5 p - 300: third tier at entry, second at the price
        ("300000", [("buy", "1000", "1000")], "1000", "703.21608040"),
        # 100000 + 1000 (1000 - p) = 6.5 p - 1500
        ("100000", [("sell", "1000", "1000")], "1000", "1094.38648783"),
        # long 3 and short 1: 100 + 3 (p - 100) - (p - 110) = 0.016 p
        ("100", [("buy", "3", "100"), ("sell", "1", "110")], "100", "45.36290323"),
        ("1000", [("buy", "1", "100")], "100", None),  # no price above zero loses so much
    ],
)
def test_liquidation_price(
    balance: str, held: list[tuple[str, str, str]], mark: str, expected: str | None
) -> None:
    positions = [position(*each) for each in held]
    found = liquidation_price(Decimal(balance), positions, Decimal(mark), TIERS, Decimal("0.1"))
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert abs(found - Decimal(expected)) <= Decimal("0.00001")
        # at this price the balance and the profit are the maintenance margin
        left = Decimal(balance) - sum(maintenance_margin(Decimal(qty) * found, TIERS) for _, qty, _ in held)
        for side, qty, price in held:
            left += (found - Decimal(price)) * Decimal(qty) * (1 if side == "buy" else -1)
        assert abs(left) < Decimal("0.001")


@pytest.mark.parametrize(
    "side, tick, expected",
    [
        # 1000 + 6e10 (p - 2e-8) = 0.004 * 6e10 p, and of a short one 1000 + 6e10 (2e-8 - p)
        ("buy", "1E-10", "3.347E-9"),
        ("sell", "1E-10", "3.6521E-8"),
        ("buy", "2.5E-11", "3.34672E-9"),
    ],
)
def test_the_liquidation_price_of_a_coin_worth_next_to_nothing(side: str, tick: str, expected: str) -> None:
    held = [position(side, "60000000000", "2E-8")]
    found = liquidation_price(Decimal(1000), held, Decimal("2E-8"), TIERS, Decimal(tick))
    assert found is not None
    assert f"{found.normalize():E}" == expected


# ------------------------------------------------------------------ fees, average price, reversal


@pytest.mark.parametrize(
    "trades,position_left,total",
    [
        # (2 * 101 + 104) / 3; fees are 0.0005 of each value
        ([("buy", 2, 101), ("buy", 1, 104)], ("buy", "3", "102", 1), "99999.847"),
        # what reduces leaves the average: + 9 - 0.0005 * 413
        ([("buy", 3, 101), ("sell", 1, 110)], ("buy", "2", "101", 1), "100008.7935"),
        # closes 2 with - 22, opens 3 of the other side: - 0.0005 * 652
        ([("buy", 2, 101), ("sell", 5, 90)], ("sell", "3", "90", 2), "99977.674"),
        # the average of 200 and 220 is over 4; + 10 - 0.0005 * 515
        ([("sell", 2, 100), ("sell", 2, 110), ("buy", 1, 95)], ("sell", "3", "105", 1), "100009.7425"),
        # + 20 - 0.0005 * 420
        ([("sell", 1, 100), ("buy", 4, 80)], ("buy", "3", "80", 2), "100019.79"),
        # a third has no end: the cost is kept, and the last trade takes what is left of it
        ([("buy", 1, 100), ("buy", 2, 101), ("sell", 3, 101)], None, "100000.6975"),
    ],
)
def test_trades_by_hand(
    desk: Any, trades: list[tuple[str, int, int]], position_left: tuple[Any, ...] | None, total: str
) -> None:
    for side, qty, price in trades:
        bid, ask = (price - 1, price) if side == "buy" else (price, price + 1)
        desk.price(SWAP, str(bid), str(ask))
        desk.send(side, str(qty), symbol=SWAP)
    found = [(row["side"], row["qty"], row["avg_price"], row["id"]) for row in desk.positions()]
    assert found == ([] if position_left is None else [position_left])
    assert desk.balance("USDT")[2] == Decimal(total)


# ------------------------------------------------------------------ liquidation, crossed


@pytest.mark.parametrize(
    "side,price,lives,ends,bid,ask,left",
    [
        # 997.475 + 50 (p - 101) = 0.2 p; closed at 81.2: 997.475 - 990 - 2.03
        ("buy", "81.37600402", "81.4", "81.3", "81.2", "81.4", "5.445"),
        # 997.5 + 50 (100 - p) = 0.2 p; closed at 119.6: 997.5 - 980 - 2.99
        ("sell", "119.47211155", "119.4", "119.5", "119.4", "119.6", "14.51"),
    ],
)
def test_crossed(
    poor: Any, side: str, price: str, lives: str, ends: str, bid: str, ask: str, left: str
) -> None:
    poor.send(side, "50", symbol=SWAP)
    [row] = poor.positions()
    assert row["liquidation_price"] == price
    tick = Decimal("0.1")
    poor.price(SWAP, str(Decimal(lives) - tick), str(Decimal(lives) + tick), last=lives)
    assert len(poor.positions()) == 1
    poor.events.clear()
    poor.price(SWAP, bid, ask, last=ends)
    assert poor.positions() == []
    deal = poor.deals()[-1]
    order = poor.order_row(deal["order_id"])
    assert (deal["reason"], deal["qty"], deal["price"]) == (
        "liquidation",
        "50",
        bid if side == "buy" else ask,
    )
    assert (order["reason"], order["status"], order["reduce_only"]) == ("liquidation", "FILLED", True)
    assert poor.balance("USDT") == (Decimal(left), 0, Decimal(left))
    assert entries(poor, "liquidation") == []
    names = [event.name for event in poor.events]
    assert names.count("deal_created") == 1
    assert {"order_submitted", "order_updated", "position_updated", "balance_updated"} <= {*names}


def test_what_is_lost_beyond_the_balance_the_venue_pays(poor: Any) -> None:
    poor.send("buy", "50", symbol=SWAP)
    poor.price(SWAP, "70", "71", last="70")
    # 997.475 - 50 * 31 - 1.75
    assert entries(poor, "liquidation") == [Decimal("554.275")]
    assert poor.balance("USDT") == (0, 0, 0)
    assert poor.get("ledger", account_ids=1)["items"][-1]["reference_id"] == poor.deals()[-1]["id"]


def test_orders_that_hold_money_go_first_and_may_be_enough(poor: Any) -> None:
    poor.send("buy", "50", symbol=SWAP)
    spot = poor.send("buy", "1", "90")  # holds 90.09
    poor.price(SPOT, "95", "96")
    poor.price(SWAP, "83.1", "83.2", last="83.1")  # 997.475 - 895 - 16.62 is above 0, and below 90.09
    assert poor.order_row(spot["id"])["reject_reason"] == "liquidation"
    assert len(poor.positions()) == 1
    assert entries(poor, "liquidation") == []


def test_an_order_that_would_close_goes_too(poor: Any) -> None:
    poor.send("buy", "50", symbol=SWAP)
    close = poor.run("close_position", position_id=1, order_type="limit", price="130")["order"]
    poor.price(SWAP, "81", "82", last="81")
    assert poor.positions() == []
    assert (poor.order_row(close["id"])["status"], poor.order_row(close["id"])["reject_reason"]) == (
        "CANCELED",
        "liquidation",
    )


def test_what_the_book_has_no_room_for_is_taken_over_at_the_mark_price(poor: Any) -> None:
    poor.send("buy", "50", symbol=SWAP)
    poor.price(SWAP, "81", "82", last="81.2", size="20")
    assert poor.positions() == []
    closing = [(deal["qty"], deal["price"]) for deal in poor.deals()[1:]]
    assert closing == [("20", "81"), ("30", "81.2")]


def test_the_largest_loss_is_closed_first_and_the_rest_may_live(poor: Any) -> None:
    poor.send("buy", "50", symbol=SWAP)
    poor.send("buy", "100", symbol=OTHER)
    poor.price(SWAP, "81.5", "81.6", last="81.5")
    # 996.97 - 975 - 10 < 0.004 * 4075 + 0.005 * 1000; without the first 19.9 - 10 covers 5
    assert [row["symbol"] for row in poor.positions()] == [OTHER]
    assert {deal["symbol"] for deal in poor.deals() if deal["reason"] == "liquidation"} == {SWAP}


def test_money_of_other_strategies_and_both_sides_stand_together_in_hedge_mode(poor: Any) -> None:
    poor.send("buy", "40", symbol=SWAP, account=2)
    poor.send("sell", "40", symbol=SWAP, account=2)
    for price in ("60", "200", "300"):
        poor.price(SWAP, price, str(int(price) + 1), last=price)
        assert len(poor.positions(account=2)) == 2
    # 1000 - fees - 40 is left beside 0.004 * 80 p
    [long, short] = poor.positions(account=2)
    assert long["liquidation_price"] == short["liquidation_price"]
    assert Decimal(long["liquidation_price"]) > 2900


def test_a_trade_that_loses_more_than_there_is(poor: Any) -> None:
    """Closed by its owner into a thin book: nothing stays below zero."""
    poor.send("buy", "50", symbol=SWAP)
    poor.price(SWAP, "60", "101", last="100")
    poor.send("sell", "50", symbol=SWAP)
    assert poor.positions() == []
    assert entries(poor, "liquidation") == [50 * Decimal(41) + Decimal("1.5") - Decimal("997.475")]
    assert poor.balance("USDT") == (0, 0, 0)


def test_what_orders_hold_is_not_spent_when_a_trade_has_lost_it(poor: Any) -> None:
    spot = poor.send("buy", "9", "90")  # holds 810.81
    poor.send("buy", "10", symbol=SWAP)
    poor.price(SWAP, "60", "101", last="100")
    poor.send("sell", "10", symbol=SWAP)  # loses 410 of 189.19 that are left beside it
    assert poor.order_row(spot["id"])["reject_reason"] == "liquidation"
    assert poor.balance("USDT")[0] == poor.balance("USDT")[2] > 580
    assert entries(poor, "liquidation") == []


# ------------------------------------------------------------------ liquidation, isolated


@pytest.mark.parametrize(
    "side,price,lives,ends,bid,ask",
    [
        ("buy", "91.26506024", "91.3", "91.2", "91.1", "91.3"),
        ("sell", "109.56175299", "109.5", "109.6", "109.5", "109.7"),
    ],
)
def test_isolated(poor: Any, side: str, price: str, lives: str, ends: str, bid: str, ask: str) -> None:
    poor.venue("set_margin_mode", "isolated", SWAP)
    poor.send(side, "50", symbol=SWAP)
    margin = Decimal(poor.positions()[0]["margin"])
    assert poor.positions()[0]["liquidation_price"] == price
    free = poor.balance("USDT")[0]
    tick = Decimal("0.1")
    poor.price(SWAP, str(Decimal(lives) - tick), str(Decimal(lives) + tick), last=lives)
    assert poor.balance("USDT")[0] == free  # its loss is its own
    poor.price(SWAP, bid, ask, last=ends)
    assert poor.positions() == []
    closed = Decimal(bid if side == "buy" else ask)
    loss = abs(closed - (101 if side == "buy" else 100)) * 50
    assert poor.balance("USDT")[0] == free + margin - loss - closed * 50 * Decimal("0.0005")
    assert entries(poor, "liquidation") == []


def test_an_isolated_position_loses_its_margin_and_no_more(poor: Any) -> None:
    poor.venue("set_margin_mode", "isolated", SWAP)
    poor.send("buy", "50", symbol=SWAP)
    poor.send("buy", "10", symbol=OTHER)
    total = poor.balance("USDT")[2]
    poor.price(SWAP, "70", "71", last="70")
    assert [row["symbol"] for row in poor.positions()] == [OTHER]
    assert total - poor.balance("USDT")[2] == 505
    assert entries(poor, "liquidation") == [50 * Decimal(31) + Decimal("1.75") - 505]


def test_the_margin_mode_is_chosen_before_there_is_anything(poor: Any) -> None:
    poor.send("buy", "1", "90", symbol=SWAP)
    body = {"args": ["isolated", SWAP], "kwargs": {}}
    reply = poor.oms.handle("ccxt_call", {"account_id": "1", "func": "set_margin_mode"}, {}, body)
    assert (reply.status, reply.body["detail"]["code"]) == (409, "conflict")
    poor.run("cancel_all_orders")
    poor.venue("set_margin_mode", "isolated", SWAP)
    poor.venue("set_margin_mode", "isolated", SWAP)
    assert poor.venue("fetch_leverage", SWAP)["marginMode"] == "isolated"
    poor.venue("set_margin_mode", "cross", SWAP)
    assert poor.venue("fetch_margin_mode", SWAP)["marginMode"] == "cross"
    assert poor.venue("set_margin_mode", "crossed")["marginMode"] == "cross"


@pytest.mark.parametrize("name", ["leverage", "lever"])
def test_a_leverage_is_set_with_the_margin_mode(poor: Any, name: str) -> None:
    """Programs for Bybit, MEXC and OKX set them together; the position had the leverage of before."""
    poor.venue("set_margin_mode", "isolated", SWAP, {name: "20"})
    assert poor.venue("fetch_leverage", SWAP)["longLeverage"] == 20
    poor.send("buy", "10", symbol=SWAP)
    [row] = poor.positions()
    assert (row["margin_mode"], row["leverage"], row["margin"]) == ("isolated", "20", "50.5")
    poor.venue("set_margin_mode", "isolated", SWAP, {name: 5})
    assert poor.positions()[0]["margin"] == "202"


def test_neither_is_set_when_one_is_refused(poor: Any) -> None:
    assert refused(poor, "set_margin_mode", "isolated", SWAP, {"leverage": 500})[1] == "BadRequest"
    assert poor.venue("fetch_leverage", SWAP)["marginMode"] == "cross"
    poor.send("buy", "1", "90", symbol=SWAP)
    assert refused(poor, "set_margin_mode", "isolated", SWAP, {"leverage": 5})[0] == "conflict"
    assert poor.venue("fetch_leverage", SWAP)["longLeverage"] == 10


# ------------------------------------------------------------------ leverage


def refused(desk: Any, func: str, *args: Any) -> tuple[str, Any]:
    body = {"args": list(args), "kwargs": {}}
    reply = desk.oms.handle("ccxt_call", {"account_id": "1", "func": func}, {}, body)
    assert reply.status >= 400
    return reply.body["detail"]["code"], reply.body["detail"]["details"].get("ccxt_error")


def test_leverage_is_refused_while_it_would_break_a_position(poor: Any) -> None:
    poor.send("buy", "50", symbol=SWAP)
    assert refused(poor, "set_leverage", 4, SWAP) == ("exchange_error", "InsufficientFunds")
    poor.venue("set_leverage", 125, SWAP)
    assert poor.positions()[0]["margin"] == "40.4"
    poor.venue("set_leverage", 10, SWAP)
    poor.run("close_position", position_id=1)
    poor.venue("set_margin_mode", "isolated", SWAP)
    poor.send("buy", "40", symbol=SWAP)
    # 40.4 - 40 - 16 at leverage 100
    assert refused(poor, "set_leverage", 100, SWAP) == ("exchange_error", "OperationRejected")
    assert poor.positions()[0]["margin"] == "404"


def test_a_position_is_at_most_as_large_as_its_leverage_allows(make_desk: Callable[..., Any]) -> None:
    desk = make_desk(accounts=[{"account_id": 1, "balances": {"USDT": "1000000"}}])
    desk.price(SWAP, "1000", "1001", last="1000")
    desk.venue("set_leverage", 125, SWAP)
    desk.send("buy", "100", "900", symbol=SWAP)
    desk.send("buy", "100", symbol=SWAP)
    error = desk.refuse("risk_blocked", "send_order", **desk.order("buy", "123", "900", SWAP))
    assert error["details"]["max_notional"] == "300000"
    desk.send("buy", "119", "900", symbol=SWAP)
    desk.refuse("risk_blocked", "change_order", order_id=1, new_qty="110")
    desk.send("sell", "100", symbol=SWAP)  # what reduces is never too large
    desk.run("cancel_all_orders")
    desk.venue("set_leverage", 100, SWAP)
    desk.send("buy", "700", symbol=SWAP)
    assert refused(desk, "set_leverage", 125, SWAP) == ("risk_blocked", None)


@pytest.mark.parametrize(
    "tiers,text",
    [
        ([("1", "10", "0.01", "5")], "begin"),
        ([("0", "10", "0.01", "5"), ("11", "20", "0.02", "4")], "begin"),
        ([("0", "10", "0.02", "5"), ("10", "20", "0.01", "4")], "maintenance_margin_rate"),
        ([("0", "10", "0.3", "5")], "max_leverage"),
        ([("0", "10", "0.01", "7")], "max_leverage"),
    ],
)
def test_tiers_that_make_no_sense(tiers: list[tuple[str, ...]], text: str) -> None:
    market = next(market for market in DEFAULT_MARKETS if market.symbol == SWAP)
    with pytest.raises(ValueError, match=text):
        dataclasses.replace(
            market,
            max_leverage=Decimal(5),
            tiers=tuple(LeverageTier(*map(Decimal, tier)) for tier in tiers),
        )
