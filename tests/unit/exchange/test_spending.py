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
        ccxt_driver.register(alias=["gate", "binance"])
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


def test_all_else_counts_coins(oms: EmbeddedOms) -> None:
    said = {OPTION: False}
    assert bought("gate", oms, {}, *MARKET_BUY, 0.5) == 0.5
    assert bought("gate", oms, said, SPOT, "market", "sell", 0.5) == 0.5
    assert bought("gate", oms, said, SPOT, "limit", "buy", 0.5, 1500) == 0.5
    assert bought("gate", oms, said, SWAP, "market", "buy", 1) == 1
    assert bought("binance", oms, said, *MARKET_BUY, 0.5) == 0.5  # it means nothing there


def test_the_exchanges_are_those_of_ccxt() -> None:
    def reads_it(kind: type) -> bool:
        files = {Path(inspect.getfile(each)) for each in kind.__mro__ if each.__module__.startswith("ccxt.")}
        own = [file for file in files if file.parent.name not in ("abstract", "base")]
        return any(f"'{OPTION}'" in file.read_text(encoding="utf-8") for file in own)

    there = {name for name in ccxt.exchanges if reads_it(getattr(ccxt, name))}
    coins = {name for name in there if name.startswith(("bybit", "okx", "myokx"))}  # unless asked for costs
    assert there - coins == SPENDING & {*ccxt.exchanges}
