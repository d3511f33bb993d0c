"""Market orders to buy, of programs that were written for exchanges which take the cost."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest

import ccxt_driver
from ccxt_driver.exchange.order_requests import SPENDING
from ccxt_driver.oms import EmbeddedOms

SPOT, SWAP = "ETH/USDT", "ETH/USDT:USDT"
OPTION = "createMarketBuyOrderRequiresPrice"


@pytest.fixture
def oms(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedOms]:
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "embedded:")
    with EmbeddedOms(clock="manual") as made:
        for symbol in (SPOT, SWAP):
            made.set_price(symbol, bid=1999, ask=2000, last=2000)
        others = ["gate", "tokocrypto", "bigone", "binance", "bitrue", "cryptocom", "woo", "okx"]
        ccxt_driver.register(alias=others)
        try:
            yield made
        finally:
            ccxt_driver.unregister()


def bought(exchange_id: str, oms: EmbeddedOms, options: dict[str, Any], *order: Any) -> float:
    exchange = getattr(ccxt, exchange_id)({"options": {"oms": oms, "account_id": 1, **options}})
    made = exchange.create_order(*order)
    amount: float = exchange.fetch_order(made["id"])["amount"]
    [same] = exchange.create_orders([dict(zip(ORDER, order, strict=False))])
    assert same["amount"] == amount
    return amount


ORDER = ("symbol", "type", "side", "amount", "price", "params")
MARKET_BUY = (SPOT, "market", "buy")


@pytest.mark.parametrize("options", [{OPTION: False}, {"createOrder": {OPTION: False}}])
def test_what_to_spend_is_no_number_of_coins(oms: EmbeddedOms, options: dict[str, Any]) -> None:
    assert bought("gate", oms, options, *MARKET_BUY, 40) == 0.02
    assert bought("gate", oms, options, *MARKET_BUY, 40, 1000) == 0.02  # as there, whatever the price says


def test_params_win(oms: EmbeddedOms) -> None:
    assert bought("gate", oms, {}, *MARKET_BUY, 40, None, {OPTION: False}) == 0.02
    assert bought("gate", oms, {OPTION: False}, *MARKET_BUY, 0.5, None, {OPTION: True}) == 0.5
    assert bought("gate", oms, {OPTION: False}, *MARKET_BUY, None, None, {"cost": 60}) == 0.03
    assert bought("gate", oms, {OPTION: False}, *MARKET_BUY, 40, None, {"cost": None}) == 0.02


def test_all_else_counts_coins(oms: EmbeddedOms) -> None:
    said = {OPTION: False}
    assert bought("gate", oms, {}, *MARKET_BUY, 0.5) == 0.5
    assert bought("gate", oms, said, SPOT, "market", "sell", 0.5) == 0.5
    assert bought("gate", oms, said, SPOT, "limit", "buy", 0.5, 1500) == 0.5
    assert bought("gate", oms, said, SWAP, "market", "buy", 1) == 1
    for other in ("binance", "bitrue", "woo"):
        assert bought(other, oms, said, *MARKET_BUY, 0.5) == 0.5  # it means nothing there


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_option_that_amounts_are_money_is_not_passed_over(oms: EmbeddedOms, side: str) -> None:
    options = {"oms": oms, "account_id": 1, "tgtCcy": "quote_ccy"}
    exchange = ccxt.okx({"options": options})
    with pytest.raises(ccxt.NotSupported, match="tgtCcy"):
        exchange.create_order(SPOT, "market", side, 2)
    with pytest.raises(ccxt.NotSupported, match="tgtCcy"):
        exchange.create_orders([dict(zip(ORDER, (SPOT, "market", side, 2), strict=False))])
    assert exchange.fetch_my_trades(SPOT) == []
    # What says by itself what it counts, and what is counted in coins in any case.
    assert exchange.create_order(SPOT, "market", side, 0.5, None, {"tgtCcy": "base_ccy"})["filled"] == 0.5
    assert exchange.create_order(SPOT, "market", "buy", None, None, {"cost": 40})["filled"] == 0.02
    assert exchange.create_order(SPOT, "limit", "buy", 0.5, 1500)["amount"] == 0.5
    assert exchange.create_order(SWAP, "market", side, 1)["filled"] == 1
    assert bought("binance", oms, {"tgtCcy": "quote_ccy"}, *MARKET_BUY, 0.5) == 0.5  # it means nothing there


def test_one_exchange_takes_the_cost_of_several_orders_only(oms: EmbeddedOms) -> None:
    exchange = ccxt.cryptocom({"options": {"oms": oms, "account_id": 1, OPTION: False}})
    assert exchange.create_order(*MARKET_BUY, 0.5)["amount"] == 0.5
    orders = [(*MARKET_BUY, 40), (SPOT, "market", "sell", 0.5), (SPOT, "limit", "buy", 0.5, 1500)]
    orders += [(SWAP, "market", "buy", 1), (*MARKET_BUY, 1, None, {"cost": 60})]
    made = exchange.create_orders([dict(zip(ORDER, order, strict=False)) for order in orders])
    assert [order["amount"] for order in made] == [0.02, 0.5, 0.5, 1, 0.03]


@pytest.mark.parametrize("trigger", ["triggerPrice", "stopPrice", "stopLossPrice"])
def test_what_waits_for_a_price_counts_as_there(oms: EmbeddedOms, trigger: str) -> None:
    said, waiting = {OPTION: False}, (*MARKET_BUY, 0.5, None, {trigger: 2100})
    for id_ in ("gate", "tokocrypto"):
        assert bought(id_, oms, said, *waiting) == 0.5
    assert bought("bigone", oms, said, *MARKET_BUY, 42, None, {trigger: 2100}) == 0.02


def test_the_exchanges_are_those_of_ccxt() -> None:
    def reads_it(kind: type) -> bool:
        files = {Path(inspect.getfile(each)) for each in kind.__mro__ if each.__module__.startswith("ccxt.")}
        own = [file for file in files if file.parent.name not in ("abstract", "base")]
        return any(f"'{OPTION}'" in file.read_text(encoding="utf-8") for file in own)

    there = {name for name in ccxt.exchanges if reads_it(getattr(ccxt, name))}
    coins = {name for name in there if name.startswith(("bybit", "okx", "myokx"))}  # unless asked for costs
    # bitrue reads it for swaps, cryptocom for lists of orders, woo says what it is and reads it nowhere.
    coins |= {"bitrue", "cryptocom", "woo"}
    assert there - coins == SPENDING & {*ccxt.exchanges}


class Sent(Exception):
    """What ccxt would send."""


@pytest.mark.parametrize("trigger", [None, "triggerPrice", "stopLossPrice"])
@pytest.mark.parametrize("name", ["bitrue", "cryptocom", "gate", "tokocrypto", "woo"])
def test_ccxt_sends_coins_and_costs_as_said_here(name: str, trigger: str | None) -> None:
    exchange = getattr(ccxt, name)({"apiKey": "a", "secret": "b", "uid": "1", "options": {OPTION: False}})
    market = {"id": "x", "symbol": SPOT, "base": "ETH", "quote": "USDT", "baseId": "ETH", "quoteId": "USDT"}
    market |= {"spot": True, "type": "spot", "active": True, "precision": {"amount": 0.01, "price": 0.01}}
    market |= {"swap": False, "contract": False, "option": False, "margin": False, "lowercaseId": "x"}
    market |= {"limits": {}, "info": {"orderTypes": ["MARKET", "STOP_LOSS"], "type": 1}}
    exchange.set_markets([market])

    def request(path: str, api: Any, method: str, params: Any, *more: Any, **named: Any) -> Any:
        if method == "GET" and "order" not in path.lower():
            return {}
        raise Sent(str(params))

    exchange.request = request
    with pytest.raises(Sent) as info:
        exchange.create_order(*MARKET_BUY, 40, None, {} if trigger is None else {trigger: 2100})
    is_cost = "'quoteOrderQty': '40'" in str(info.value) or (
        name == "gate" and "'put'" not in str(info.value) and "'amount': '40'" in str(info.value)
    )
    waits = trigger == "triggerPrice" or (name == "gate" and trigger is not None)  # others pass that by
    assert is_cost == (name in SPENDING and not waits)
