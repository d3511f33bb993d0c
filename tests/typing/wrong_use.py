"""What an IDE refuses: mypy reports an ignore that hides nothing, so each line here must be wrong."""

from __future__ import annotations

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.pro import OmsCcxtExchange as ProOmsCcxtExchange


def blocking(exchange: OmsCcxtExchange) -> None:
    OmsCcxtExchange("key")  # type: ignore[arg-type]
    exchange.create_order("BTC/USDT", "limit", "buy")  # type: ignore[call-arg]
    exchange.fetch_order()  # type: ignore[call-arg]
    exchange.fetch_ohlcv("BTC/USDT", 60)  # type: ignore[arg-type]
    exchange.cancel_order("1", "BTC/USDT", "reason")  # type: ignore[arg-type]
    exchange.fetch_my_trades(symbols=["BTC/USDT"])  # type: ignore[call-arg]
    exchange.close_by(1)  # type: ignore[call-arg]
    exchange.create_strategy(7)  # type: ignore[arg-type]


async def with_coroutines(exchange: AsyncOmsCcxtExchange) -> None:
    exchange.create_order("BTC/USDT", "market", "buy", 1)  # type: ignore[unused-coroutine]
    exchange.fetch_ticker("BTC/USDT")["bid"]  # type: ignore[index]
    await exchange.fetch_ticker()  # type: ignore[call-arg]


async def with_streams(exchange: ProOmsCcxtExchange) -> None:
    exchange.watch_orders()  # type: ignore[unused-coroutine]
    (await exchange.watch_orders()).keys()  # type: ignore[attr-defined]
    await exchange.watch_orders_for_symbols()  # type: ignore[call-arg]
    await exchange.watch_orders(symbols=["BTC/USDT"])  # type: ignore[call-arg]
    await exchange.watch_balance("USDT")  # type: ignore[arg-type]
    await exchange.create_order_ws("BTC/USDT", "limit", "buy")  # type: ignore[call-arg]


def embedded() -> None:
    EmbeddedOms(accounts=[1])  # type: ignore[list-item]
    EmbeddedOms(clock=1)  # type: ignore[arg-type]
    EmbeddedOms().set_price()  # type: ignore[call-arg]
