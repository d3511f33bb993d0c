"""What an IDE tells a user of the blocking class. Checked by mypy, never run."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, assert_type

import ccxt
from ccxt.base.exchange import BaseExchange
from ccxt.base.types import Ticker

import ccxt_driver
from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms

assert_type(ccxt_driver.__version__, str)


def construct() -> OmsCcxtExchange:
    OmsCcxtExchange()
    OmsCcxtExchange({"apiKey": "...", "options": {"account_id": 1, "strategy_id": 1001}})
    oms = EmbeddedOms(accounts=[{"account_id": 1}], seed=0, clock="manual", start_ms=0)
    oms.set_price("BTC/USDT", bid=1, ask="2", last=Decimal("1.5"))
    return OmsCcxtExchange({"options": {"oms": oms}})


def is_an_exchange_of_ccxt(exchange: OmsCcxtExchange) -> ccxt.Exchange:
    kind: type[BaseExchange] = type(exchange)
    kind()
    return exchange


def trade(exchange: OmsCcxtExchange) -> None:
    assert_type(exchange.load_markets(), Any)
    assert_type(exchange.fetch_ticker("BTC/USDT"), Ticker)
    order = exchange.create_order("BTC/USDT", "limit", "buy", 0.1, 20_000, {"postOnly": True})
    exchange.create_order("BTC/USDT", "limit", "buy", Decimal("0.1"), "20000", params={"strategy_id": 1})
    exchange.edit_order(order["id"], "BTC/USDT", "limit", "buy", None, 21_000)
    exchange.cancel_order(order["id"])
    exchange.fetch_open_orders("BTC/USDT", since=None, limit=10, params={"until": 0})
    exchange.fetch_positions(["BTC/USDT:USDT"])
    exchange.fetch_ohlcv("BTC/USDT", "1h", limit=24)
    exchange.create_limit_buy_order("BTC/USDT", 0.1, 20_000)  # ccxt's own, on top of ours


def trade_in_camel_case(exchange: OmsCcxtExchange) -> None:
    order = exchange.createOrder("BTC/USDT", "market", "buy", 0.1)
    exchange.cancelOrder(order["id"])
    exchange.closeBy(1, 2)


def use_the_powers_of_the_oms(exchange: OmsCcxtExchange) -> None:
    exchange.close_position("BTC/USDT:USDT", "long", {"amount": 1})
    exchange.close_by(1, "2", amount=0.1)
    exchange.merge_positions(1, 2)
    exchange.set_position_stops(1, stop_loss=19_000, take_profit=None, comment="tighter")
    exchange.reassign([1, 2], 1001)
    exchange.can_execute_order("BTC/USDT", "limit", "buy", 0.1, 20_000)
    exchange.set_allow_new_positions(allow=False, comment="maintenance")
    exchange.call_ccxt("fetch_funding_rate", "BTC/USDT:USDT")
    assert_type(exchange.fetch_strategies(), list[dict[str, Any]])
    implicit: Callable[..., Any] = exchange.private_get_oms_orders_open
    implicit({"account_ids": 1})


def configure(exchange: OmsCcxtExchange) -> None:
    exchange.apiKey = "..."
    exchange.options["strategy_id"] = 1001
    exchange.verbose = True
    exchange.number = str
    exchange.set_sandbox_mode(True)
    has: dict[str, Any] = exchange.has
    name: str = exchange.id
    print(has, name, exchange.markets, exchange.timeframes)


def leave() -> None:
    with OmsCcxtExchange() as exchange:
        assert_type(exchange, OmsCcxtExchange)
    exchange.close()


class OwnExchange(OmsCcxtExchange):
    """A user's subclass."""

    def create_order(
        self,
        symbol: str,
        type: Any,
        side: Any,
        amount: Any,
        price: Any = None,
        params: dict[str, Any] = {},  # noqa: B006  # ccxt's signature
    ) -> Any:
        return super().create_order(symbol, type, side, amount, price, {**params, "comment": "mine"})
