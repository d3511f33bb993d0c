"""An exchange of ccxt.pro that says what a test tells it to, and has no network."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.pro

SPOT = "BTC/USDT"
SWAP = "BTC/USDT:USDT"


def row(symbol: str, **more: Any) -> dict[str, Any]:
    """A market as ccxt has it."""
    base, _, rest = symbol.partition("/")
    quote, _, settle = rest.partition(":")
    return {
        "id": "BTCUSDT",
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "settle": settle or None,
        "baseId": base,
        "quoteId": quote,
        "type": "swap" if settle else "spot",
        "spot": not settle,
        "swap": bool(settle),
        "contract": bool(settle),
        "linear": True if settle else None,
        "inverse": False if settle else None,
        "contractSize": 0.01 if settle else None,
        "active": True,
        "maker": 0.001,
        "taker": 0.002,
        "precision": {"price": 0.1, "amount": 1 if settle else 1e-05},
        "limits": {"amount": {"min": 1 if settle else 0.0001, "max": 9000.0}, "cost": {"min": 5.0}},
    } | more


def book(bid: float, ask: float, size: float = 2.0) -> dict[str, Any]:
    """An order book of three levels."""
    return {
        "bids": [[bid, size], [bid - 1, 5.0], [bid - 2, 5.0]],
        "asks": [[ask, size], [ask + 1, 5.0], [ask + 2, 5.0]],
        "timestamp": None,
    }


_ids = iter(range(1, 1_000_000))


def trade(price: float, amount: float, side: str | None = "buy", **more: Any) -> dict[str, Any]:
    """A public trade."""
    return {"id": str(next(_ids)), "price": price, "amount": amount, "side": side, "timestamp": 5} | more


class Wire:
    """What a fake exchange will say, by method and symbol; an exception is raised."""

    def __init__(self) -> None:
        self.answers: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
        self.markets = [row(SPOT)]
        self.has: dict[str, bool] = {}
        self.calls: list[str] = []
        self.closed = 0
        self.load_error: Exception | None = None

    def say(self, method: str, *news: Any, symbol: str = SPOT) -> None:
        """Say something, once."""
        self.answers[method, symbol].extend(news)

    async def hear(self, method: str, symbol: str, *, wait: bool) -> Any:
        """What is said next; an asked one says the last again."""
        self.calls.append(method)
        said = self.answers[method, symbol]
        while wait and not said:  # noqa: ASYNC110  # another thread says it
            await asyncio.sleep(0.001)
        if not said:
            raise ccxt.NetworkError(f"{method} is not answered")
        answer = said.pop(0) if wait or len(said) > 1 else said[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def venue(wire: Wire) -> type[Any]:
    """A class of an exchange."""

    class FakeVenue(ccxt.pro.Exchange):  # type: ignore[misc]
        timeout_on_exit = 0  # there are no connections to wait for

        def describe(self) -> Any:
            has = {
                "fetchOHLCV": True,
                "fetchOrderBook": True,
                "fetchTrades": True,
                "watchOrderBook": True,
                "watchTrades": True,
            }
            return self.deep_extend(
                super().describe(),
                {
                    "id": "fake",
                    "has": has | wire.has,
                    "timeframes": {"1m": "1m", "1h": "1h"},
                    "rateLimit": 1,
                },
            )

        def sign(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("nothing may be sent")

        async def fetch_markets(self, params: Any = None) -> Any:
            if wire.load_error is not None:
                raise wire.load_error
            return [dict(market) for market in wire.markets]

        async def watch_order_book(self, symbol: str, *args: Any) -> Any:
            return await wire.hear("watch_order_book", symbol, wait=True)

        async def watch_trades(self, symbol: str, *args: Any) -> Any:
            return await wire.hear("watch_trades", symbol, wait=True)

        async def fetch_order_book(self, symbol: str, *args: Any) -> Any:
            return await wire.hear("fetch_order_book", symbol, wait=False)

        async def fetch_trades(self, symbol: str, *args: Any) -> Any:
            return await wire.hear("fetch_trades", symbol, wait=False)

        async def fetch_ohlcv(self, symbol: str, timeframe: str = "1m", **more: Any) -> Any:
            return await wire.hear(f"fetch_ohlcv {timeframe}", symbol, wait=False)

        async def close(self) -> None:
            wire.closed += 1
            await super().close()

    return FakeVenue


def until(condition: Callable[[], Any]) -> Any:
    """Wait for what another thread does."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.002)
    raise AssertionError("it has not happened within 10 seconds")
