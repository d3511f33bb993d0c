"""Subscriptions to market data that a server puts off or refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt
import pytest

from ccxt_driver.contract.events import Channel
from ccxt_driver.errors import annotate
from ccxt_driver.exchange.stream_settings import StreamSettings
from ccxt_driver.exchange.streams.market_socket import MarketSocket

from .conftest import OTHER, SPOT, until


class Line:
    """Stands for the socket: refuses as long as there are refusals, then answers."""

    def __init__(self, *refusals: ccxt.BaseError) -> None:
        self.refusals = list(refusals)
        self.asked: list[tuple[str, str]] = []

    def add(self, listener: Any) -> None:
        pass

    def start(self) -> None:
        pass

    async def ready(self) -> None:
        pass

    async def ask(self, namespace: str, action: str, payload: Any, *, each: Any = None) -> Any:
        await asyncio.sleep(0)
        self.asked.append((str(action), payload["symbol"]))
        if self.refusals:
            raise self.refusals.pop(0)
        frame = {"event": "subscribed_market"}
        if each is not None:
            each(frame)
        return frame


class Watched:
    """Stands for a topic."""

    account_id, timeframe, channel, depth = 1, "", Channel.TICKER, None

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol


def too_often(seconds: float | None) -> ccxt.BaseError:
    return annotate(ccxt.RateLimitExceeded("too often"), retry_after=seconds)


@pytest.mark.parametrize("refusals", [1, 3])
async def test_a_server_that_is_asked_too_often_is_asked_again_before_anything_is_read(refusals: int) -> None:
    line, held = Line(*(too_often(0.02) for _ in range(refusals))), list[float]()
    settings = StreamSettings(backoff_first=0.01)
    socket: Any = MarketSocket(line, settings, (), held.append)  # type: ignore[arg-type]
    for symbol in (SPOT, OTHER):
        socket.follow(Watched(symbol))
    await until(lambda: len(socket._subscribed) == 2)
    assert len(line.asked) == 2 + refusals
    assert len(held) == refusals
    assert all(seconds >= 0.02 for seconds in held)
    await socket.close()


async def test_what_is_refused_for_good_is_not_asked_again() -> None:
    line, held = Line(too_often(None), ccxt.BadSymbol("no")), list[float]()
    socket: Any = MarketSocket(line, StreamSettings(), (), held.append)  # type: ignore[arg-type]
    for symbol in (SPOT, OTHER):
        socket.follow(Watched(symbol))
    await until(lambda: socket._worker.done())
    assert [symbol for _, symbol in line.asked] == [SPOT, OTHER]
    assert held == []
    assert not socket._subscribed
    await socket.close()


async def test_what_was_left_meanwhile_is_not_subscribed() -> None:
    line = Line(too_often(0.02))
    socket: Any = MarketSocket(line, StreamSettings(), (), lambda seconds: None)  # type: ignore[arg-type]
    topic = Watched(SPOT)
    socket.follow(topic)
    await until(lambda: line.asked)
    socket.leave(topic)
    await until(lambda: socket._worker.done())
    assert len(line.asked) == 1
    await socket.close()
