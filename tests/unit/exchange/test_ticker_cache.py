"""`options.ticker_cache_ms`: a ticker of a moment ago is given again; who asks at once shares it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ccxt
import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.async_support import OmsCcxtExchange as AsyncOmsCcxtExchange
from ccxt_driver.exchange._twins_sync import Flights
from ccxt_driver.exchange.ticker_cache import TickerCache
from tests.helpers.gateway_stub import Driver, Gateway, config_of
from tests.helpers.loopback_server import LoopbackServer, serving
from tests.helpers.oms_rows import markets
from tests.helpers.virtual_time import VirtualTime

TICKER = "POST /ccxt/1/fetch_ticker"
BTC, ETH = "BTC/USDT", "ETH/USDT"


def ticker_of(sent: Any) -> Any:
    symbol = sent.body["args"][0]
    return {"ok": True, "result": {"symbol": symbol, "last": 100, "info": {"deep": [1]}}}


@pytest.fixture
def make(make_driver: Any) -> Any:
    def made(**options: Any) -> tuple[Driver, VirtualTime]:
        driver = make_driver(options={"ticker_cache_ms": 500, **options}).ready()
        driver.gateway.on(TICKER, ticker_of)
        return driver, VirtualTime(driver)

    return made


def test_it_is_off_unless_asked_for(make: Any) -> None:
    driver, _ = make(ticker_cache_ms=0)
    for _ in range(3):
        driver.call("fetch_ticker", BTC)

    assert driver.gateway.routes == [TICKER] * 3


def test_a_ticker_is_given_again_until_it_is_too_old(make: Any) -> None:
    driver, clock = make()
    first = driver.call("fetch_ticker", BTC)
    clock.pass_by(499)
    assert driver.call("fetch_ticker", BTC) == first
    assert driver.gateway.routes == [TICKER]
    clock.pass_by(1)
    driver.call("fetch_ticker", BTC)

    assert driver.gateway.routes == [TICKER] * 2


def test_its_age_counts_from_when_it_was_asked_for(make: Any) -> None:
    driver, clock = make()

    def slow(sent: Any) -> Any:
        clock.pass_by(400)
        return ticker_of(sent)

    driver.gateway.on(TICKER, slow)
    driver.call("fetch_ticker", BTC)
    clock.pass_by(100)
    driver.call("fetch_ticker", BTC)

    assert driver.gateway.routes == [TICKER] * 2


def test_a_clock_that_was_set_back_keeps_no_ticker(make: Any) -> None:
    driver, clock = make()
    driver.call("fetch_ticker", BTC)
    clock.pass_by(-3_600_000)
    driver.call("fetch_ticker", BTC)

    assert driver.gateway.routes == [TICKER] * 2


def test_what_was_asked_for_tells_tickers_apart(make: Any) -> None:
    driver, _ = make()
    driver.gateway.on("POST /ccxt/2/fetch_ticker", ticker_of)
    for arguments in ((BTC,), (ETH,), (BTC, {"own": 1}), (BTC, {"own": 2}), (BTC, {"account_id": 2})):
        for _ in range(2):
            assert driver.call("fetch_ticker", *arguments)["symbol"] == arguments[0]

    assert len(driver.gateway.routes) == 5


def test_nobody_sees_the_changes_of_another(make: Any) -> None:
    driver, _ = make()
    for _ in range(3):
        ticker = driver.call("fetch_ticker", BTC)
        assert ticker["last"] == 100
        assert ticker["info"] == {"deep": [1]}
        ticker["last"] = 7
        ticker["info"]["deep"].append(2)

    assert driver.gateway.routes == [TICKER]


def test_a_failure_is_not_kept(make: Any) -> None:
    driver, _ = make()
    driver.gateway.on(TICKER, (503, "no"))
    with pytest.raises(ccxt.ExchangeNotAvailable):
        driver.call("fetch_ticker", BTC)
    driver.gateway.on(TICKER, ticker_of)

    assert driver.call("fetch_ticker", BTC)["last"] == 100


def test_the_sandbox_has_tickers_of_its_own(make: Any) -> None:
    driver, _ = make(sandbox={"base_url": "http://sandbox.test", "account_id": 1, "apiKey": "sandbox-key"})
    driver.call("fetch_ticker", BTC)
    driver.exchange.set_sandbox_mode(True)
    driver.call("fetch_ticker", BTC)

    assert driver.gateway.routes.count(TICKER) == 2


def test_a_number_that_makes_no_sense_is_named(make_driver: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match="ticker_cache_ms"):
        make_driver(options={"ticker_cache_ms": "short"})


def test_it_is_bounded() -> None:
    cache = TickerCache()
    for number in range(5_000):
        cache.put(str(number), 0, {"last": number})

    assert len(cache._tickers) == 1_000
    assert cache.get("4999", 0, 1) == {"last": 4_999}
    assert cache.get("0", 0, 1) is None


# -- coroutines


class Held(AsyncOmsCcxtExchange):
    """Answers tickers when it is told to."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.asked = 0
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.set_markets(markets())

    async def fetch(self, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        return await self.answer


async def held() -> Held:
    return Held(config_of({"options": {"ticker_cache_ms": 500}}))


def answered(last: int) -> Any:
    return {"ok": True, "result": {"symbol": BTC, "last": last}}


async def several(exchange: Held, count: int) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.ensure_future(exchange.fetch_ticker(BTC)) for _ in range(count)]
    for _ in range(10):
        await asyncio.sleep(0)
    return tasks


async def test_coroutines_that_ask_at_once_share_a_request() -> None:
    exchange = await held()
    tasks = await several(exchange, 5)
    exchange.answer.set_result(answered(100))
    tickers = await asyncio.gather(*tasks)

    assert exchange.asked == 1
    assert [ticker["last"] for ticker in tickers] == [100] * 5
    assert len({id(ticker) for ticker in tickers} | {id(ticker["info"]) for ticker in tickers}) == 10


@pytest.mark.parametrize("who", [0, 2])
async def test_who_is_cancelled_leaves_the_others_waiting(who: int) -> None:
    exchange = await held()
    tasks = await several(exchange, 3)
    tasks[who].cancel()
    await asyncio.sleep(0)
    exchange.answer.set_result(answered(100))
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert exchange.asked == 1
    assert [isinstance(result, asyncio.CancelledError) for result in results].count(True) == 1
    assert [result["last"] for result in results if isinstance(result, dict)] == [100] * 2


async def test_a_failure_reaches_everyone_and_the_next_asks_again() -> None:
    exchange = await held()
    tasks = await several(exchange, 3)
    exchange.answer.set_exception(ccxt.AuthenticationError("no"))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [ccxt.AuthenticationError] * 3

    exchange.answer = asyncio.get_running_loop().create_future()
    exchange.answer.set_result(answered(7))
    assert (await exchange.fetch_ticker(BTC))["last"] == 7
    assert exchange.asked == 2


async def test_a_failure_that_nobody_waits_for_is_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    exchange = await held()
    tasks = await several(exchange, 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    exchange.answer.set_exception(ccxt.ExchangeError("no"))
    for _ in range(10):
        await asyncio.sleep(0)

    assert exchange._ticker_flights._tasks == {}
    assert "never retrieved" not in caplog.text


# -- threads


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with serving(Gateway()) as running:
        yield running


@pytest.mark.sockets
def test_threads_that_ask_at_once_share_a_request(server: LoopbackServer) -> None:
    made = OmsCcxtExchange(config_of({"options": {"base_url": server.url, "ticker_cache_ms": 60_000}}))
    made.load_markets()
    server.gateway.on(TICKER, ticker_of)
    start = threading.Barrier(8)

    def ask(_: int) -> Any:
        start.wait(timeout=10)
        return made.fetch_ticker(BTC)

    with ThreadPoolExecutor(8) as pool:
        tickers = list(pool.map(ask, range(8)))
    made.close()

    assert server.gateway.routes.count(TICKER) == 1
    assert [ticker["last"] for ticker in tickers] == [100] * 8


class Slow:
    """What two threads ask for: the first one to ask goes on when the second waits for it."""

    def __init__(self, first: Any, flights: Flights) -> None:
        self.first = first
        self.flights = flights
        self.asked = 0

    def __call__(self) -> Any:
        self.asked += 1
        if self.asked > 1:
            return "of the second"
        while not self.flights._answers["key"]._condition._waiters:  # type: ignore[attr-defined]
            time.sleep(0.001)
        if isinstance(self.first, BaseException):
            raise self.first
        return self.first


def outcome_of(flights: Flights, ask: Slow, is_second: bool) -> Any:
    if is_second:
        while not flights._answers:
            time.sleep(0.001)
    try:
        return flights.join("key", ask)
    except BaseException as error:  # noqa: BLE001  # an interrupt is one of the cases
        return type(error)


@pytest.mark.parametrize(
    "first, expected",
    [
        ("an answer", ["an answer", "an answer"]),
        (ccxt.NetworkError("no"), [ccxt.NetworkError, ccxt.NetworkError]),
        (KeyboardInterrupt(), [KeyboardInterrupt, "of the second"]),
    ],
    ids=["answer", "failure", "interrupt"],
)
def test_what_the_thread_that_asks_gets_the_others_get(first: Any, expected: list[Any]) -> None:
    flights = Flights()
    ask = Slow(first, flights)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(outcome_of, [flights] * 2, [ask] * 2, [False, True]))

    assert outcomes == expected
    assert flights._answers == {}


def test_a_forked_process_does_not_wait_for_threads_that_it_does_not_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flights, asked, over = Flights(), threading.Event(), threading.Event()

    def ask() -> str:
        asked.set()
        assert over.wait(10)
        return "of the parent"

    with ThreadPoolExecutor() as pool:
        of_parent = pool.submit(flights.join, "same", ask)
        assert asked.wait(10)
        own = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: own + 1)
        of_child = pool.submit(flights.join, "same", lambda: "of the child")
        assert of_child.result(10) == "of the child"
        over.set()
        assert of_parent.result(10) == "of the parent"
