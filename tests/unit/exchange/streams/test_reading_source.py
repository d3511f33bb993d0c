"""`watch_*` where changes have to be read: on a gateway that lags, and where `/ws` is closed to us."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import ccxt
import pytest

from ccxt_driver.exchange.streams.changes import Kind
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.pro import OmsCcxtExchange
from tests.helpers.contract_desk import ACCOUNTS, SPOT
from tests.helpers.lagging import LaggingGateway
from tests.helpers.served import ServedOms, serve

pytestmark = pytest.mark.sockets

QUICK = {"poll_interval": 0.02, "poll_interval_most": 0.1, "outage": 0.2, "backoff_first": 0.01}


@asynccontextmanager
async def watching(served: ServedOms, ws: str | None = None, **config: Any) -> AsyncIterator[Any]:
    """Make an exchange object on a served gateway.

    :param ws: path of its WebSocket, where that is another
    """
    url = served.base_url
    urls = (
        {} if ws is None else {"api": dict.fromkeys(("public", "private", "market"), url) | {"ws": url + ws}}
    )
    exchange = OmsCcxtExchange(
        {
            "apiKey": served.api_key,
            "timeout_on_exit": 0,
            "urls": urls,
            "options": {"base_url": url, "account_id": 1, "streams": QUICK},
            **config,
        }
    )
    try:
        yield exchange
    finally:
        await exchange.close()


async def collected(watch: Any, number: int) -> list[Any]:
    """What a watch method hands out, until it is so many."""
    found: list[Any] = []
    async with asyncio.timeout(10):
        while len(found) < number:
            found += await watch()
    return found


def lagging() -> Any:
    gateway = LaggingGateway(accounts=ACCOUNTS, clock="wall")
    gateway.set_price(SPOT, bid=100, ask=101, last=100)
    return gateway


def clean() -> Any:
    oms = EmbeddedOms(accounts=ACCOUNTS)
    oms.set_price(SPOT, bid=100, ask=101, last=100)
    return oms


@pytest.mark.parametrize(
    "make, ws",
    [(lagging, None), (lagging, "/nowhere"), (clean, "/nowhere")],
    ids=["lags", "lags alone", "alone"],
)
async def test_every_method_hands_out_what_was_read(make: Any, ws: str | None) -> None:
    with serve(make()) as served:
        async with watching(served, ws) as exchange:
            watches = {
                "orders": asyncio.create_task(collected(lambda: exchange.watch_orders(SPOT), 2)),
                "trades": asyncio.create_task(collected(exchange.watch_my_trades, 1)),
                "positions": asyncio.create_task(collected(exchange.watch_positions, 1)),
                "balance": asyncio.create_task(exchange.watch_balance()),
            }
            await exchange.load_markets()
            await until_followed(exchange)
            order = await exchange.create_order(SPOT, "limit", "buy", 1, 90)
            async with asyncio.timeout(10):
                balance = await watches["balance"]
            await until(lambda: bool(exchange.orders))
            served.oms.set_price(SPOT, bid=89, ask="89.5", last=89)
            placed, filled = await watches["orders"]
            [trade], [position] = await watches["trades"], await watches["positions"]

    assert balance["USDT"]["used"] > 0
    assert [placed["id"], filled["id"], trade["order"]] == [order["id"]] * 3
    assert (placed["status"], placed["filled"]) == ("open", 0)
    assert (filled["status"], filled["filled"]) == ("closed", 1)
    assert [each["id"] for each in filled["trades"]] == [trade["id"]]
    assert (position["contracts"], position["side"]) == (1, "long")


async def until_followed(exchange: Any, *kinds: Kind) -> None:
    """Wait until the stream reads some kinds; all when none is named."""
    stream = exchange._desk().stream(1)
    await until(lambda: stream.known.kinds >= set(kinds or Kind))


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to be")


async def test_that_it_polls_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with serve(clean()) as served, caplog.at_level(logging.WARNING, "ccxt_driver"):
        async with watching(served, "/nowhere") as exchange:
            tasks = [asyncio.create_task(exchange.watch_orders(params={"watcher": each})) for each in "ab"]
            await until_followed(exchange, Kind.ORDER)
            await exchange.create_order(SPOT, "limit", "buy", 1, 90)
            await asyncio.gather(*tasks)
    assert len([each for each in caplog.messages if "found by reading" in each]) == 1


@pytest.mark.parametrize("make", [lagging, clean])
async def test_closed_at_the_moment_when_it_connects(
    make: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(make()) as served, caplog.at_level(logging.WARNING, "ccxt_driver"):
        async with watching(served) as exchange:
            connect, closings = exchange.make_client, []

            def closed_before(*given: Any) -> Any:
                closings.append(asyncio.create_task(exchange.close()))
                exchange.closed_by_user = True  # its first step
                return connect(*given)

            monkeypatch.setattr(exchange, "make_client", closed_before)
            with pytest.raises(ccxt.ExchangeClosedByUser):
                await exchange.watch_orders()
            await asyncio.gather(*closings)
    assert caplog.messages == []


async def test_a_key_that_is_disabled_raises_at_once_and_nothing_is_missed_when_it_works_again() -> None:
    with serve(lagging()) as served:
        key, secret = served.oms.keys.create()
        async with watching(served, apiKey=secret) as exchange, watching(served) as trader:
            waiting = asyncio.create_task(exchange.watch_orders())
            await until_followed(exchange, Kind.ORDER)
            async with asyncio.timeout(10):
                served.oms.keys.disable(key.id)
                with pytest.raises(ccxt.AuthenticationError):
                    await waiting
                placed = await trader.create_order(SPOT, "limit", "buy", 1, 90)
                exchange.apiKey = served.api_key
                [order] = await exchange.watch_orders()
    assert order["id"] == placed["id"]


async def test_there_are_no_numbers_to_go_on_from() -> None:
    with serve(lagging()) as served:
        async with watching(served) as exchange:
            with pytest.raises(ccxt.NotSupported, match="after_seq"):
                await exchange.watch_orders(params={"after_seq": 3})
            waiting = asyncio.create_task(exchange.watch_orders())
            await until_followed(exchange, Kind.ORDER)
            await exchange.create_order(SPOT, "limit", "buy", 1, 90)
            assert len(await waiting) == 1
