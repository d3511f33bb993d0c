"""A: balance, reservations, margin, ledger, fees, accounts."""

from __future__ import annotations

import itertools
from decimal import Decimal

import ccxt

from tests.helpers.contract_card import card
from tests.helpers.contract_desk import BY_STRATEGY, HEDGE, NETTING, POOR, SPOT, SWAP, Desk


@card
def a01_balance(desk: Desk) -> None:
    """Every currency with free, used and total that add up, in both of ccxt's shapes."""
    desk.ex.create_order(SPOT, "limit", "buy", 1, 90)
    desk.ex.create_order(SPOT, "limit", "sell", 2, 120)
    balance = desk.ex.fetch_balance()
    assert balance["USDT"] == {"free": 99909.91, "used": 90.09, "total": 100000}
    assert balance["BTC"] == {"free": 8, "used": 2, "total": 10}
    for kind in ("free", "used", "total"):
        assert balance[kind] == {code: balance[code][kind] for code in ("USDT", "BTC", "ETH")}
    assert balance["timestamp"] == desk.oms.now_ms()


@card
def a02_reservations_follow_the_fills(desk: Desk) -> None:
    """What an order holds back shrinks with every fill and is gone at its end, to the unit."""
    order = desk.ex.create_order(SPOT, "limit", "buy", 3, 90)
    assert desk.money("USDT")[1] == Decimal("270.27")
    desk.price(SPOT, 89, 90, size=1)
    assert desk.money("USDT") == (Decimal("99729.73"), Decimal("180.18"), Decimal("99909.91"))
    desk.ex.cancel_order(order["id"])
    assert desk.money("USDT") == (Decimal("99909.91"), 0, Decimal("99909.91"))


@card
def a03_margin(desk: Desk) -> None:
    """A swap order holds margin and fee, a position margin; a loss lowers what is free, a profit does not."""
    desk.ex.set_leverage(10, SWAP)
    order = desk.ex.create_order(SWAP, "limit", "buy", 10, 90)
    assert desk.money("USDT")[1] == 90 + Decimal("0.45")
    desk.price(SWAP, 89, 90)
    assert desk.ex.fetch_order(order["id"])["fee"]["cost"] == 0.18
    total = 100000 - Decimal("0.18")
    desk.price(SWAP, 90, 91, last=90)
    assert desk.money("USDT") == (total - 90, 90, total)
    desk.price(SWAP, 80, 81, last=80)
    assert desk.money("USDT")[0] == total - 90 - 100
    desk.price(SWAP, 120, 121, last=120)
    assert desk.money("USDT")[0] == total - 90


@card
def a04_params_of_balance(desk: Desk) -> None:
    """ccxt's parameters of fetchBalance are taken; another account's balance is that account's."""
    assert desk.ex.fetch_balance({"type": "swap"})["USDT"]["total"] == 100000
    assert desk.ex.fetch_balance({"account_id": POOR})["USDT"]["total"] == 10
    with desk.refused(ccxt.AccountNotEnabled):
        desk.ex.fetch_balance({"account_id": 99})


@card
def a05_ledger(desk: Desk) -> None:
    """Every change of a balance in order: each entry starts where the last ended, up to the balance."""
    desk.ex.create_order(SPOT, "market", "buy", 1)
    desk.advance(1000)
    desk.ex.create_order(SWAP, "market", "buy", 1)
    desk.price(SWAP, 110, 111)
    desk.ex.create_order(SWAP, "market", "sell", 1, None, {"reduceOnly": True})
    entries = desk.ex.fetch_ledger("USDT", 0)
    assert [entry["type"] for entry in entries] == [
        "transaction",
        *("trade", "fee"),
        "fee",
        *("trade", "fee"),
    ]
    for before, after in itertools.pairwise(entries):
        assert after["before"] == before["after"]
    assert entries[-1]["after"] == float(desk.money("USDT")[2])
    assert (entries[1]["direction"], entries[1]["amount"], entries[4]["direction"]) == ("out", 101, "in")
    assert {entry["currency"] for entry in desk.ex.fetch_ledger()} == {"USDT", "BTC", "ETH"}
    assert desk.ex.fetch_ledger("USDT", None, 2) == entries[-2:]
    assert desk.ex.fetch_ledger("USDT", entries[3]["timestamp"], 1) == entries[3:4]
    assert desk.ex.fetch_ledger("USDT", 0, None, {"until": entries[0]["timestamp"]}) == entries[:3]


@card
def a06_fees(desk: Desk) -> None:
    """The rates of each market, and that they are the ones that are charged."""
    fees = desk.ex.fetch_trading_fees()
    assert set(fees) == set(desk.ex.markets)
    assert (fees[SPOT]["maker"], fees[SPOT]["taker"]) == (0.001, 0.001)
    fee = desk.ex.fetch_trading_fee(SWAP)
    assert (fee["symbol"], fee["maker"], fee["taker"]) == (SWAP, 0.0002, 0.0005)
    order = desk.ex.create_order(SWAP, "market", "buy", 1)
    assert order["fee"]["rate"] == fee["taker"]
    with desk.refused(ccxt.BadSymbol):
        desk.ex.fetch_trading_fee("NO/SUCH")


@card
def a07_accounts(desk: Desk) -> None:
    """The accounts that the key may see, with their mode."""
    accounts = desk.ex.fetch_accounts()
    assert [(account["id"], account["type"]) for account in accounts] == [
        (str(NETTING), "netting"),
        (str(HEDGE), "hedge"),
        (str(BY_STRATEGY), "strategy_netting"),
        (str(POOR), "netting"),
    ]
    assert accounts[0]["name"] == "netting"


@card
def a08_leverage_and_modes(desk: Desk) -> None:
    """Leverage is set and read; setting what is set changes nothing; what cannot be is refused by class."""
    assert desk.ex.fetch_leverage(SWAP)["longLeverage"] == 10
    desk.ex.set_leverage(20, SWAP)
    desk.ex.set_leverage(20, SWAP)
    assert desk.ex.fetch_leverage(SWAP)["shortLeverage"] == 20
    assert desk.ex.fetch_leverages()[SWAP] == desk.ex.fetch_leverage(SWAP)
    assert desk.ex.fetch_margin_modes([SWAP])[SWAP]["marginMode"] == "cross"
    tiers = desk.ex.fetch_leverage_tiers([SWAP])[SWAP]
    assert (tiers[0]["minNotional"], tiers[0]["maxLeverage"]) == (0, 125)
    assert all(after["minNotional"] == before["maxNotional"] for before, after in itertools.pairwise(tiers))
    assert desk.ex.fetch_market_leverage_tiers(SWAP) == tiers
    assert desk.ex.set_margin_mode("cross", SWAP)["marginMode"] == "cross"
    desk.ex.set_position_mode(False, SWAP)
    for kind, call in (
        (ccxt.BadRequest, lambda: desk.ex.set_leverage(500, SWAP)),
        (ccxt.BadSymbol, lambda: desk.ex.set_leverage(5, SPOT)),
        (ccxt.BadSymbol, lambda: desk.ex.set_margin_mode("isolated", SPOT)),
        (ccxt.NotSupported, lambda: desk.ex.set_position_mode(True, SWAP)),
    ):
        with desk.refused(kind):
            call()


@card
def a10_margin_modes(desk: Desk) -> None:
    """Isolated margin is chosen before there is a position; it alone is what can be lost."""
    ex = desk.ex
    assert ex.set_margin_mode("isolated", SWAP)["marginMode"] == "isolated"
    ex.set_margin_mode("isolated", SWAP)
    assert ex.fetch_margin_mode(SWAP)["marginMode"] == "isolated"
    ex.create_order(SWAP, "market", "buy", 50)
    [position] = ex.fetch_positions([SWAP])
    assert (position["marginMode"], position["isolated"], position["initialMargin"]) == (
        "isolated",
        True,
        505,
    )
    # 505 + 50 * (p - 101) = 0.004 * 50 * p
    assert position["liquidationPrice"] == 91.26506024
    assert position["maintenanceMargin"] == 0.004 * position["notional"]
    with desk.refused(ccxt.OperationRejected):
        ex.set_margin_mode("cross", SWAP)
    added = ex.add_margin(SWAP, 30)
    assert (added["type"], added["amount"], added["total"], added["code"]) == ("add", 30, 535, "USDT")
    assert ex.fetch_positions([SWAP])[0]["initialMargin"] == 535
    with desk.refused(ccxt.InsufficientFunds):
        ex.reduce_margin(SWAP, 31)
    desk.price(SWAP, 101, 102, last=101)
    assert ex.set_margin(SWAP, 515)["total"] == 515
    assert ex.reduce_margin(SWAP, 10)["total"] == 505
    before = desk.money("USDT")[2]
    desk.price(SWAP, 50, 51, last=50)  # far beyond
    assert ex.fetch_positions([SWAP]) == []
    assert before - desk.money("USDT")[2] == 505
    trade = ex.fetch_my_trades(SWAP)[-1]
    assert (trade["side"], trade["amount"], trade["price"]) == ("sell", 50, 50)
    assert trade["info"]["reason"] == "liquidation"
    assert [entry["type"] for entry in ex.fetch_ledger("USDT")][-3:] == ["trade", "fee", "liquidation"]


@card
def a11_liquidation_of_the_account(desk: Desk) -> None:
    """With cross margin all the money stands for a position; what is lost beyond it the venue pays."""
    ex = desk.exchange(POOR)
    ex.create_order(SWAP, "market", "buy", 0.9)
    resting = ex.create_order(SWAP, "limit", "sell", 0.9, 150, {"reduceOnly": True})
    # 10 - 0.04545 + 0.9 * (p - 101) = 0.004 * 0.9 * p
    assert ex.fetch_position(SWAP)["liquidationPrice"] == 90.30059125
    desk.price(SWAP, 90.3, 90.5, last=90.4)
    assert ex.fetch_position(SWAP)["contracts"] == 0.9
    desk.price(SWAP, 89, 89.2, last=89)
    assert ex.fetch_positions() == []
    assert ex.fetch_order(resting["id"])["status"] == "canceled"
    order = ex.fetch_closed_orders(SWAP)[-1]
    assert (order["side"], order["filled"], order["average"]) == ("sell", 0.9, 89)
    assert order["info"]["reason"] == "liquidation"
    entry = ex.fetch_ledger("USDT")[-1]
    # 9.95455 - 0.9 * 12 - 0.9 * 89 * 0.0005
    assert (entry["type"], entry["direction"], entry["amount"]) == ("liquidation", "in", 0.8855)
    assert ex.fetch_balance()["USDT"] == {"free": 0, "used": 0, "total": 0}


@card
def a12_funding(desk: Desk) -> None:
    """Every eight hours long pays short; the rate is told, and what was paid."""
    ex = desk.ex
    assert ex.fetch_funding_rate(SWAP)["fundingRate"] == 0.0001
    ex.create_order(SWAP, "market", "buy", 10)
    start = desk.money("USDT")[2]
    first = ex.fetch_funding_rate(SWAP)["fundingTimestamp"]
    desk.advance(first - desk.oms.now_ms() - 1)
    assert desk.money("USDT")[2] == start
    desk.advance(1)
    paid = 10 * Decimal("100.5") * Decimal("0.0001")
    assert desk.money("USDT")[2] == start - paid
    assert ex.fetch_ledger("USDT")[-1]["type"] == "funding"
    desk.oms.set_funding_rate(SWAP, "-0.001")
    desk.advance(8 * 3_600_000)
    history = ex.fetch_funding_history(SWAP)
    assert [(row["symbol"], row["code"], row["amount"]) for row in history] == [
        (SWAP, "USDT", float(-paid)),
        (SWAP, "USDT", float(10 * paid)),
    ]
    assert history[0]["timestamp"] == first
    assert ex.fetch_funding_history(SWAP, first + 1) == history[1:]
    assert ex.fetch_funding_rate(SWAP)["fundingRate"] == -0.001


@card
def a09_the_same_money_in_every_read(desk: Desk) -> None:
    """After a day of trading: balance = deposits + profits - fees, from trades and positions alone."""
    ex = desk.ex
    for bid, side, amount in ((100, "buy", 3), (104, "sell", 1), (98, "sell", 4), (95, "buy", 2)):
        desk.price(SWAP, bid, bid + 1)
        ex.create_order(SWAP, "market", side, amount)
    exact = desk.exchange(number=Decimal)
    fees = sum(trade["fee"]["cost"] for trade in exact.fetch_my_trades())
    closed = sum(position["realizedPnl"] for position in exact.fetch_positions_history())
    still = sum(position["realizedPnl"] for position in exact.fetch_positions())
    assert exact.fetch_balance()["USDT"]["total"] == 100000 + closed + still - fees
