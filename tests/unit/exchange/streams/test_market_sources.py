"""Where market data come from, and what becomes of them when that fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import ccxt
import pytest

from ccxt_driver.contract.features import Feature
from ccxt_driver.pro import OmsCcxtExchange
from tests.helpers.oms_rows import markets

from .conftest import OTHER, SPOT, Floor, soon, until

QUICK = {
    "market_interval": 0.01,
    "market_rate": 100_000,
    "backoff_first": 0.005,
    "backoff_most": 0.02,
    "outage": 0.15,
}


class Venue:
    """What the venue behind a gateway without pushes answers; an exception is raised."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, list[Any]]] = []

    def count(self, function: str) -> int:
        """How often a function was asked for."""
        return Counter(name for name, _ in self.asked)[function]


class OnVenue(OmsCcxtExchange):
    """An exchange object whose gateway has no `/ws` worth having."""

    venue: Venue
    offered: tuple[str, ...] = ()

    async def _features(self) -> frozenset[str]:
        return frozenset(self.offered)

    async def _venue(self, function: str, args: list[Any], params: Any, api: str = "market") -> Any:
        await asyncio.sleep(0)
        self.venue.asked.append((function, args))
        answer = self.venue.answers[function]
        answer = answer(*args) if callable(answer) else answer
        if isinstance(answer, BaseException):
            raise answer
        return answer


MakeDriver = Callable[..., OnVenue]


@pytest.fixture
async def make() -> AsyncIterator[MakeDriver]:
    made: list[OnVenue] = []

    def one(**streams: Any) -> OnVenue:
        settings: dict[str, Any] = {
            "account_id": 1,
            "base_url": "http://127.0.0.1:9",
            "streams": QUICK | streams,
        }
        settings["share_markets"] = False
        driver = OnVenue({"apiKey": "k", "timeout_on_exit": 0, "options": settings})
        driver.venue = Venue()
        listed = markets()
        driver.venue.answers |= {
            "fetch_markets": listed,
            "fetch_currencies": {},
            "describe": {"has": {"fetchBidsAsks": True}},
        }
        made.append(driver)
        return driver

    yield one
    for driver in made:
        await driver.close()


def ticker(symbol: str, last: float) -> dict[str, Any]:
    return {"symbol": symbol, "timestamp": 1, "last": last, "bid": last - 1, "ask": last + 1}


def trade(number: int, *, named: bool = True, moment: int | None = None) -> dict[str, Any]:
    return {
        "id": str(number) if named else None,
        "timestamp": 1_000 + number if moment is None else moment,
        "symbol": SPOT,
        "side": "buy",
        "price": float(number),
        "amount": 1.0,
    }


class Tape:
    """Public trades of a venue that gives at most so many at once."""

    def __init__(self, named: bool = True, page: int = 1000) -> None:
        self.rows: list[dict[str, Any]] = []
        self.named = named
        self.page = page

    def add(self, *numbers: int) -> None:
        """More of them have happened."""
        self.rows += [trade(number, named=self.named) for number in numbers]

    def __call__(self, symbol: str, since: int | None, limit: int | None) -> list[dict[str, Any]]:
        most = min(limit or self.page, self.page)
        if since is None:
            return [dict(row) for row in self.rows[-most:]]
        return [dict(row) for row in self.rows if row["timestamp"] >= since][:most]


def numbers(trades: list[dict[str, Any]]) -> list[int]:
    return [int(row["price"]) for row in trades]


async def following(driver: OnVenue, method: str = "watch_trades") -> asyncio.Task[Any]:
    """Let a watcher begin to wait."""
    call = asyncio.create_task(getattr(driver, method)(SPOT))
    await until(lambda: SPOT in driver.trades or call.done())
    return call


# -- reading at an interval ------------------------------------------------------------------------------


async def test_what_nobody_pushes_is_read_while_somebody_waits(make: MakeDriver) -> None:
    driver = make()
    venue = driver.venue
    venue.answers["fetch_ticker"] = ticker(SPOT, 5)
    assert (await soon(driver.watch_ticker(SPOT)))["last"] == 5
    call = asyncio.create_task(driver.watch_ticker(SPOT))
    await until(lambda: venue.count("fetch_ticker") > 3)
    assert not call.done()
    venue.answers["fetch_ticker"] = ticker(SPOT, 6)
    assert (await soon(call))["last"] == 6
    await asyncio.sleep(0.03)
    before = venue.count("fetch_ticker")
    await asyncio.sleep(0.1)
    assert venue.count("fetch_ticker") <= before + 1  # nobody waits
    venue.answers["fetch_ticker"] = ticker(SPOT, 7)
    assert (await soon(driver.watch_ticker(SPOT)))["last"] == 7  # old by then: read at once


async def test_trades_are_read_when_nobody_waits_too(make: MakeDriver) -> None:
    driver = make()
    tape = driver.venue.answers["fetch_trades"] = Tape(page=5)
    tape.add(1, 2)
    call = await following(driver)
    for number in range(3, 30):
        tape.add(number)
        await asyncio.sleep(0.002)
    got = numbers(await soon(call))
    while len(got) < 27:
        got += numbers(await soon(driver.watch_trades(SPOT)))
    assert got == [*range(3, 30)]


@pytest.mark.parametrize("named", [True, False])
async def test_a_burst_larger_than_a_window_is_read_page_by_page(make: MakeDriver, named: bool) -> None:
    driver = make()
    tape = driver.venue.answers["fetch_trades"] = Tape(named, page=7)
    tape.add(1)
    call = await following(driver)
    tape.add(*range(2, 60))
    got = numbers(await soon(call))
    while len(got) < 58:
        got += numbers(await soon(driver.watch_trades(SPOT)))
    assert got == [*range(2, 60)]


async def test_a_venue_that_does_not_go_back_is_told_of(make: MakeDriver) -> None:
    """It gives the newest whatever it is asked for: nobody can tell what was between."""
    driver = make()
    tape = Tape(page=5)
    driver.venue.answers["fetch_trades"] = lambda symbol, since, limit: tape(symbol, None, limit)
    tape.add(1)
    call = await following(driver)
    tape.add(*range(2, 30))
    got = numbers(await soon(call))
    assert got == [25, 26, 27, 28, 29]
    with pytest.raises(ccxt.ExchangeError, match="hole") as info:
        await soon(driver.watch_trades(SPOT))
    assert vars(info.value)["code"] == "incomplete"
    tape.add(30)
    assert numbers(await soon(driver.watch_trades(SPOT))) == [30]


@pytest.mark.parametrize("named", [True, False])
async def test_more_at_one_moment_than_a_page_holds_is_told_of(make: MakeDriver, named: bool) -> None:
    driver = make()
    tape = driver.venue.answers["fetch_trades"] = Tape(named, page=5)
    tape.add(1, 2)
    call = await following(driver)
    tape.rows += [trade(number, named=named, moment=5_000) for number in range(3, 30)]
    got = numbers(await soon(call))
    while got[-1] != 29:
        got += numbers(await soon(driver.watch_trades(SPOT)))
    with pytest.raises(ccxt.ExchangeError, match="hole"):
        await soon(driver.watch_trades(SPOT))
    assert got == sorted(set(got))
    tape.rows.append(trade(30, named=named, moment=6_000))
    assert numbers(await soon(driver.watch_trades(SPOT))) == [30]


async def test_what_was_before_the_first_call_is_not_new(make: MakeDriver) -> None:
    driver = make()
    tape = Tape()
    tape.rows = [trade(number, moment=5_000) for number in range(1, 30)]
    driver.venue.answers["fetch_trades"] = lambda symbol, since, limit: tape(
        symbol, since, 5 if since is None else limit
    )
    call = await following(driver)
    tape.rows += [trade(number, moment=5_000) for number in range(30, 50)]
    got = numbers(await soon(call))
    while len(got) < 20:
        got += numbers(await soon(driver.watch_trades(SPOT)))
    assert got == [*range(30, 50)]


async def test_all_of_one_moment_is_read_where_a_page_holds_it(make: MakeDriver) -> None:
    driver = make()
    tape = driver.venue.answers["fetch_trades"] = Tape(named=False, page=40)
    tape.add(1)
    call = await following(driver)
    tape.add(2, 3)
    tape.rows += [trade(number, named=False, moment=5_000) for number in range(4, 40)]
    tape.rows[-1]["price"] = 39.0
    driver.venue.answers["fetch_trades"] = lambda symbol, since, limit: tape(
        symbol, since, 20 if since is None else limit
    )
    got = numbers(await soon(call))
    assert got == [*range(2, 40)]
    call = asyncio.create_task(driver.watch_trades(SPOT))
    await asyncio.sleep(0.05)
    assert not call.done()
    call.cancel()


async def test_candles_that_ended_between_two_readings_are_read_too(make: MakeDriver) -> None:
    driver = make()
    minute = start = 60_000
    candles = [[start, 1, 1, 1, 1, 1]]

    def fetch(symbol: str, timeframe: str, since: int | None, limit: int | None) -> list[list[float]]:
        found = [each for each in candles if since is None or each[0] >= since]
        return [[*each] for each in (found[-(limit or 500) :] if since is None else found[: limit or 500])]

    driver.venue.answers["fetch_ohlcv"] = fetch
    assert len(await soon(driver.watch_ohlcv(SPOT))) == 1
    candles[0] = [start, 1, 9, 1, 9, 9]
    candles += [[start + number * minute, number, number, number, number, 1] for number in range(1, 50)]
    got: dict[int, Any] = {}
    while len(got) < 50:
        got.update((each[0], each) for each in await soon(driver.watch_ohlcv(SPOT)))
    assert [got[moment] for moment in sorted(got)] == candles


async def test_tickers_that_are_wanted_together_are_one_request(make: MakeDriver) -> None:
    driver = make()
    venue = driver.venue
    await driver.load_markets()
    spots = [market["symbol"] for market in markets() if market["type"] == "spot"]
    assert len(spots) > 1
    venue.answers["fetch_tickers"] = lambda symbols: {each: ticker(each, 5) for each in symbols}
    venue.answers["fetch_bids_asks"] = venue.answers["fetch_tickers"]
    assert (await soon(driver.watch_tickers(spots))).keys() == set(spots)
    assert (await soon(driver.watch_bids_asks(spots))).keys() == set(spots)
    venue.answers["fetch_tickers"] = lambda symbols: {each: ticker(each, 6) for each in symbols}
    assert await soon(driver.watch_tickers(spots))
    asked = [(function, frozenset(args[0])) for function, args in venue.asked if args]
    assert set(asked) == {("fetch_tickers", frozenset(spots)), ("fetch_bids_asks", frozenset(spots))}


async def test_a_ticker_that_is_missing_among_others_is_asked_for_alone(make: MakeDriver) -> None:
    driver = make()
    await driver.load_markets()
    one, two, *_ = [market["symbol"] for market in markets() if market["type"] == "spot"]
    driver.venue.answers["fetch_tickers"] = {one: ticker(one, 5)}
    driver.venue.answers["fetch_ticker"] = ticker(two, 6)
    found = await soon(driver.watch_tickers([one, two]))
    assert {symbol: each["last"] for symbol, each in found.items()} == {one: 5, two: 6}


async def test_no_more_is_read_in_a_second_than_is_allowed(make: MakeDriver) -> None:
    driver = make(market_rate=10, market_interval=0.001)
    driver.venue.answers["fetch_trades"] = Tape()
    call = asyncio.create_task(driver.watch_trades(SPOT))
    await asyncio.sleep(0.5)
    assert 10 <= driver.venue.count("fetch_trades") <= 16
    call.cancel()


async def test_a_call_that_joins_a_beginning_gets_the_levels_that_it_wants(make: MakeDriver) -> None:
    driver = make()
    answer = asyncio.Event()

    async def fetch(symbol: str, limit: int | None, params: Any) -> Any:
        if symbol == OTHER:
            await answer.wait()
        levels = [[100.0 - each, 1.0] for each in range(limit or 9)]
        return {"symbol": symbol, "bids": levels, "asks": [], "timestamp": 1, "nonce": None}

    driver.fetch_order_book = fetch
    few = asyncio.create_task(driver.watch_order_book_for_symbols([SPOT, OTHER], 2))
    await asyncio.sleep(0.02)  # one of them was read
    many = asyncio.create_task(driver.watch_order_book_for_symbols([SPOT, OTHER], 5))
    await asyncio.sleep(0.01)
    answer.set()
    assert [len((await soon(call))["bids"]) for call in (few, many)] == [2, 5]


async def test_programs_may_clear_the_caches_that_are_returned(make: MakeDriver) -> None:
    driver = make()
    driver.newUpdates = False
    venue = driver.venue
    venue.answers["fetch_ticker"] = ticker(SPOT, 5)
    venue.answers["fetch_ohlcv"] = [[60_000 * each, 1, 2, 1, 2, 1] for each in range(3)]
    await soon(driver.watch_ohlcv(SPOT, "1m"))
    await soon(driver.watch_ticker(SPOT))
    other = asyncio.create_task(driver.watch_ticker(SPOT, {"watcher": "other"}))
    await soon(other)
    other = asyncio.create_task(driver.watch_ticker(SPOT, {"watcher": "other"}))
    await asyncio.sleep(0.02)
    venue.answers["fetch_ticker"] = ticker(SPOT, 6)
    venue.answers["fetch_ohlcv"] = [*venue.answers["fetch_ohlcv"], [180_000, 2, 3, 2, 3, 1]]
    await soon(other)
    await until(lambda: len(driver.ohlcvs[SPOT]["1m"]) == 4)
    driver.tickers.clear()
    driver.ohlcvs.clear()
    assert (await soon(driver.watch_ticker(SPOT)))["last"] == 6
    assert await soon(driver.watch_ohlcv(SPOT, "1m")) == [[180_000, 2, 3, 2, 3, 1]]


async def test_a_book_that_more_is_wanted_of_while_it_is_read_is_read_again(make: MakeDriver) -> None:
    driver = make()
    asked: asyncio.Queue[int | None] = asyncio.Queue()
    answer = asyncio.Event()

    async def fetch(symbol: str, limit: int | None, params: Any) -> Any:
        asked.put_nowait(limit)
        await answer.wait()
        levels = [[100.0 - each, 1.0] for each in range(limit or 9)]
        return {"symbol": symbol, "bids": levels, "asks": [], "timestamp": 1, "nonce": None}

    driver.fetch_order_book = fetch
    few = asyncio.create_task(driver.watch_order_book(SPOT, 2, {"watcher": "few"}))
    assert await soon(asked.get()) == 2
    many = asyncio.create_task(driver.watch_order_book(SPOT, 5, {"watcher": "many"}))
    await asyncio.sleep(0.01)
    answer.set()
    assert [len((await soon(call))["bids"]) for call in (few, many)] == [2, 5]


async def test_of_many_books_those_that_were_read_come_without_another_reading(make: MakeDriver) -> None:
    driver = make(market_rate=20, market_interval=0.05)
    venue, number = driver.venue, iter(range(1, 10_000))
    listed = next(market for market in markets() if market["symbol"] == SPOT)
    codes = [f"C{each}" for each in range(40)]
    symbols = [f"{code}/USDT" for code in codes]
    venue.answers["fetch_markets"] = [
        {**listed, "symbol": f"{code}/USDT", "id": code, "base": code, "baseId": code} for code in codes
    ]

    def book(symbol: str, limit: int | None) -> dict[str, Any]:
        return {"symbol": symbol, "bids": [[float(next(number)), 1.0]], "asks": [], "timestamp": 1}

    venue.answers["fetch_order_book"] = book
    first = await soon(driver.watch_order_book_for_symbols(symbols))
    loop = asyncio.get_running_loop()
    began = loop.time()
    seen = [(await soon(driver.watch_order_book_for_symbols(symbols)))["symbol"] for _ in symbols[1:]]
    assert {first["symbol"], *seen} == set(symbols)
    assert loop.time() - began < 1  # one reading each would take two seconds
    turns = Counter([(await soon(driver.watch_order_book_for_symbols(symbols)))["symbol"] for _ in range(60)])
    assert loop.time() - began < 5
    assert max(turns.values()) <= 3


async def test_books_of_several_that_nobody_asked_for_in_time_are_read_anew(make: MakeDriver) -> None:
    driver = make(market_rate=1000, market_interval=0.01)
    readings: Counter[str] = Counter()

    def book(symbol: str, limit: int | None) -> dict[str, Any]:
        readings[symbol] += 1
        return {"symbol": symbol, "bids": [[float(readings[symbol]), 1.0]], "asks": [], "timestamp": 1}

    driver.venue.answers["fetch_order_book"] = book
    first = await soon(driver.watch_order_book_for_symbols([SPOT, OTHER]))
    await asyncio.sleep(0.1)  # one waits to be taken all the time
    before = readings.copy()
    late = await soon(driver.watch_order_book_for_symbols([SPOT, OTHER]))
    assert late["symbol"] != first["symbol"]
    assert late["bids"][0][0] == before[late["symbol"]] + 1
    await until(lambda: readings[first["symbol"]] > before[first["symbol"]])


async def test_prices_of_many_markets_are_one_turn(make: MakeDriver) -> None:
    driver = make(market_rate=1, market_interval=1000)
    await driver.load_markets()
    spots = [market["symbol"] for market in markets() if market["type"] == "spot"]
    assert len(spots) > 1
    for function in ("fetch_tickers", "fetch_bids_asks"):
        driver.venue.answers[function] = lambda symbols: {each: ticker(each, 5) for each in symbols}
    async with asyncio.timeout(1.9):  # the second turn is a second after the first
        assert (await driver.watch_tickers(spots)).keys() == set(spots)
        assert (await driver.watch_bids_asks(spots)).keys() == set(spots)
    assert driver.venue.count("fetch_tickers") == driver.venue.count("fetch_bids_asks") == 1


async def test_tickers_that_a_venue_leaves_out_take_their_turns(make: MakeDriver) -> None:
    driver = make(market_rate=5, market_interval=1000)
    await driver.load_markets()
    spots = [market["symbol"] for market in markets() if market["type"] == "spot"]
    driver.venue.answers["fetch_tickers"] = {}
    driver.venue.answers["fetch_ticker"] = lambda symbol: ticker(symbol, 6)
    turns = []
    turn = driver._market_hub().turn

    async def counted() -> None:
        turns.append(len(driver.venue.asked))
        await turn()

    driver._market_hub().turn = counted  # type: ignore[method-assign]
    assert (await soon(driver.watch_tickers(spots))).keys() == set(spots)
    assert len(turns) == 1 + len(spots)
    assert driver.venue.count("fetch_ticker") == len(spots)


# -- what fails ------------------------------------------------------------------------------------------


async def test_the_first_reading_tells_the_caller_what_is_wrong(make: MakeDriver) -> None:
    driver = make()
    driver.venue.answers["fetch_ticker"] = ccxt.BadSymbol("no")
    with pytest.raises(ccxt.BadSymbol):
        await soon(driver.watch_ticker(SPOT))
    driver.venue.answers["fetch_ticker"] = ticker(SPOT, 5)
    assert (await soon(driver.watch_ticker(SPOT)))["last"] == 5


async def test_a_call_that_comes_during_an_outage_waits_as_one_that_was_there(make: MakeDriver) -> None:
    driver = make(outage=0.4)
    venue = driver.venue
    book = {"symbol": SPOT, "bids": [[1.0, 1.0]], "asks": [[2.0, 1.0]], "timestamp": 1}
    venue.answers |= {"fetch_ticker": ticker(SPOT, 5), "fetch_order_book": book}
    for method, function, news in (
        (driver.watch_ticker, "fetch_ticker", ticker(SPOT, 6)),
        (driver.watch_order_book, "fetch_order_book", book | {"bids": [[1.5, 1.0]]}),
    ):
        await soon(method(SPOT))
        venue.answers[function] = ccxt.ExchangeNotAvailable("down")
        await asyncio.sleep(0.02)  # what is known is old
        call = asyncio.create_task(method(SPOT))
        await asyncio.sleep(0.1)
        assert not call.done()
        venue.answers[function] = news
        await soon(call)
        venue.answers[function] = ccxt.ExchangeNotAvailable("down")
        await asyncio.sleep(0.02)
        began = asyncio.get_running_loop().time()
        for _ in range(2):
            with pytest.raises(ccxt.ExchangeNotAvailable):
                await soon(method(SPOT))
            assert asyncio.get_running_loop().time() - began >= 0.4


async def test_an_outage_is_waited_for_and_told_when_it_lasts(make: MakeDriver) -> None:
    driver = make(outage=1)
    venue = driver.venue
    venue.answers["fetch_ticker"] = ticker(SPOT, 5)
    await soon(driver.watch_ticker(SPOT))
    call = asyncio.create_task(driver.watch_ticker(SPOT))
    venue.answers["fetch_ticker"] = ccxt.ExchangeNotAvailable("down")
    await until(lambda: venue.count("fetch_ticker") > 3)
    assert not call.done()
    venue.answers["fetch_ticker"] = ticker(SPOT, 6)
    assert (await soon(call))["last"] == 6
    call = asyncio.create_task(driver.watch_ticker(SPOT))
    await until(lambda: venue.count("fetch_ticker") > 6)
    venue.answers["fetch_ticker"] = ccxt.ExchangeNotAvailable("down")
    before = venue.count("fetch_ticker")
    with pytest.raises(ccxt.ExchangeNotAvailable):
        await soon(call)
    assert venue.count("fetch_ticker") - before < 1 / 0.005


async def test_who_calls_again_and_again_in_an_outage_is_held_back(make: MakeDriver) -> None:
    driver = make()
    driver.venue.answers["fetch_ticker"] = ccxt.ExchangeNotAvailable("down")
    await driver.load_markets()
    loop = asyncio.get_running_loop()
    began, calls = loop.time(), 0
    driver.venue.answers["fetch_trades"] = Tape()
    call = await following(driver)
    driver.venue.answers["fetch_trades"] = ccxt.ExchangeNotAvailable("down")
    while loop.time() - began < 0.3:
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await soon(driver.watch_trades(SPOT))
        calls += 1
    assert calls <= 25
    assert driver.venue.count("fetch_trades") <= 40
    with pytest.raises(ccxt.ExchangeNotAvailable):
        await soon(call)


async def test_a_key_that_is_revoked_is_told_at_once(make: MakeDriver) -> None:
    driver = make(outage=100)
    driver.venue.answers["fetch_ticker"] = ticker(SPOT, 5)
    await soon(driver.watch_ticker(SPOT))
    calls = [asyncio.create_task(driver.watch_ticker(SPOT)) for _ in range(2)]
    await asyncio.sleep(0.02)
    driver.venue.answers["fetch_ticker"] = ccxt.AuthenticationError("revoked")
    for call in calls:
        with pytest.raises(ccxt.AuthenticationError):
            await soon(call)


async def test_trades_of_an_outage_are_not_lost(make: MakeDriver) -> None:
    driver = make(outage=100)
    tape = driver.venue.answers["fetch_trades"] = Tape(page=4)
    tape.add(1)
    call = await following(driver)
    driver.venue.answers["fetch_trades"] = ccxt.RequestTimeout("slow")
    tape.add(*range(2, 20))
    await until(lambda: driver.venue.count("fetch_trades") > 8)
    driver.venue.answers["fetch_trades"] = tape
    got = numbers(await soon(call))
    while len(got) < 18:
        got += numbers(await soon(driver.watch_trades(SPOT)))
    assert got == [*range(2, 20)]


async def test_one_that_does_not_ask_is_told_what_it_has_missed(make: MakeDriver) -> None:
    driver = make(buffer=10)
    tape = driver.venue.answers["fetch_trades"] = Tape()
    tape.add(1)
    call = await following(driver)
    tape.add(2)
    await soon(call)
    tape.add(*range(3, 40))
    await until(lambda: len(driver.trades[SPOT]) >= 39)
    assert numbers(await soon(driver.watch_trades(SPOT))) == list(range(3, 13))
    with pytest.raises(ccxt.ExchangeError, match="not asked for in time"):
        await soon(driver.watch_trades(SPOT))
    call = asyncio.create_task(driver.watch_trades(SPOT))
    await asyncio.sleep(0.05)
    tape.add(40)
    assert numbers(await soon(call)) == [40]


async def test_a_gateway_whose_socket_is_closed_to_us_is_read(make: MakeDriver) -> None:
    driver = make()
    driver.offered = (Feature.EVENT_ROWS.value, Feature.EVENT_CURSOR.value)
    driver.venue.answers["fetch_ticker"] = ticker(SPOT, 5)
    await soon(driver.watch_ticker(SPOT))
    call = asyncio.create_task(driver.watch_ticker(SPOT))
    await asyncio.sleep(0.05)
    driver.venue.answers["fetch_ticker"] = ticker(SPOT, 6)
    assert (await soon(call))["last"] == 6


async def test_ending_what_is_just_beginning(make: MakeDriver) -> None:
    driver = make()
    await driver.load_markets()
    asked, answer = asyncio.Event(), asyncio.Event()

    async def fetch(*args: Any, **kwargs: Any) -> Any:
        asked.set()
        await answer.wait()

    driver.fetch_order_book = driver.fetch_trades = fetch
    for method, end, error in (
        (driver.watch_order_book, driver.un_watch_order_book, ccxt.UnsubscribeError),
        (driver.watch_trades, driver.un_watch_trades, ccxt.UnsubscribeError),
        (driver.watch_order_book, lambda symbol: driver.close(), ccxt.ExchangeClosedByUser),
    ):
        asked.clear()
        call = asyncio.create_task(method(SPOT))
        await soon(asked.wait())
        await soon(end(SPOT))
        with pytest.raises(error):
            await soon(call)


async def test_markets_are_loaded_once_and_for_those_who_still_wait(make: MakeDriver) -> None:
    driver = make()
    asked, answer = asyncio.Event(), asyncio.Event()

    async def fetch(params: Any = None) -> Any:
        asked.set()
        await answer.wait()
        return markets()

    driver.fetch_markets = fetch
    driver.venue.answers["fetch_ticker"] = ticker(SPOT, 5)
    gone, stays = (asyncio.create_task(driver.watch_ticker(SPOT)) for _ in range(2))
    await soon(asked.wait())
    gone.cancel()
    await asyncio.sleep(0)
    answer.set()
    assert (await soon(stays))["last"] == 5
    assert gone.cancelled()


async def test_a_loading_that_nobody_waits_for_is_given_up(make: MakeDriver) -> None:
    driver = make()
    driver.venue.answers["fetch_ticker"] = ticker(SPOT, 5)
    running = len(asyncio.all_tasks())
    for turns in range(6):
        call = asyncio.create_task(driver.watch_ticker(SPOT))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        late = asyncio.create_task(driver.load_markets())
        assert SPOT in await soon(late)
        driver.markets = driver.markets_loading = None
        await until(lambda: len(asyncio.all_tasks()) <= running)


async def test_a_venue_without_candles_has_no_stream_of_them(make: MakeDriver) -> None:
    driver = make()
    driver.venue.answers["describe"] = {"has": {"fetchOHLCV": False, "fetchTicker": True}}
    assert driver.has["watchOHLCV"] is True
    await driver.load_markets()
    known = ("watchOHLCV", "watchOHLCVForSymbols", "unWatchOHLCV", "watchTicker", "watchBidsAsks")
    assert [driver.has[key] for key in known] == [False, False, False, True, True]
    with pytest.raises(ccxt.NotSupported):
        await soon(driver.watch_ohlcv(SPOT))


# -- what the server pushes --------------------------------------------------------------------------------

pushed = pytest.mark.parametrize(
    "floor", [pytest.param("over HTTP", marks=pytest.mark.sockets)], indirect=True
)


def topic_of(ex: Any, kind: str) -> Any:
    [topic] = [
        each for each in ex._stream_desk.parts["market"]._topics.values() if type(each).__name__ == kind
    ]
    return topic


@pushed
async def test_after_a_lost_connection_nothing_is_missing(floor: Floor) -> None:
    ex = floor.exchange(streams={"market_interval": 0.05})
    call = asyncio.create_task(ex.watch_trades(SPOT))
    book = await soon(ex.watch_order_book(SPOT))
    assert book["bids"][0][0] == 100.0
    await until(lambda: ex.orderbooks[SPOT]["nonce"] == 1)
    got: list[float] = []
    for start in (200, 350, 500):
        await until(lambda: [each for each in ex.clients.values() if each.isConnected])
        [client] = ex.clients.values()
        await client.connection.close()
        for price in range(start, start + 150):
            floor.price(SPOT, price - 1, price + 1, last=price)
        got += [row["price"] for row in await soon(call)]
        call = asyncio.create_task(ex.watch_trades(SPOT))
    while len(got) < 450:
        got += [row["price"] for row in await soon(call)]
        call = asyncio.create_task(ex.watch_trades(SPOT))
    call.cancel()
    assert got == [float(price) for price in range(200, 650)]
    price = 648
    await until(lambda: ex.orderbooks[SPOT]["bids"][0][0] == float(price))
    await until(lambda: ex.orderbooks[SPOT]["nonce"] is not None)
    assert (await soon(ex.watch_order_book(SPOT)))["bids"][0][0] == float(price)


@pushed
async def test_a_book_with_a_hole_begins_anew(floor: Floor) -> None:
    ex = floor.exchange()
    await ex.create_order(SPOT, "limit", "buy", 1, 90)
    await soon(ex.watch_order_book(SPOT))
    topic = topic_of(ex, "BookTopic")
    await until(lambda: topic.is_pushed)
    ex.orderbooks[SPOT]["nonce"] = 77
    await ex.create_order(SPOT, "limit", "buy", 2, 91)
    await until(lambda: ex.orderbooks[SPOT]["nonce"] == 1 and topic.is_pushed)
    assert (await soon(ex.watch_order_book(SPOT)))["bids"][1:] == [[91.0, 2.0], [90.0, 1.0]]
    await ex.create_order(SPOT, "limit", "buy", 3, 92)
    await until(lambda: ex.orderbooks[SPOT]["nonce"] == 2)
    assert (await soon(ex.watch_order_book(SPOT)))["bids"][1] == [92.0, 3.0]


@pushed
async def test_frames_of_a_shallower_subscription_count_no_more(floor: Floor) -> None:
    ex = floor.exchange()
    for price in (90, 91, 92):
        await ex.create_order(SPOT, "limit", "buy", 1, price)
    await soon(ex.watch_order_book(SPOT, 1, {"watcher": "few"}))
    topic = topic_of(ex, "BookTopic")
    await until(lambda: topic.is_pushed)
    frames = ex._stream_desk.parts["market"]._socket
    fetch = ex.fetch_order_book

    async def fetched(*args: Any) -> Any:
        book = await fetch(*args)
        data = {"bids": [[100.5, 1.0]], "asks": [], "nonce": 7, "timestamp": 1}
        payload = {"account_id": 1, "symbol": SPOT, "channel": "orderbook", "data": data}
        frames.on_frame({"namespace": "ccxt", "event": "orderbook_updated", "payload": payload})
        return book

    ex.fetch_order_book = fetched
    ask = ex._stream_desk.socket().ask
    answers = asyncio.Event()

    async def late(*args: Any, **kwargs: Any) -> Any:
        await answers.wait()
        return await ask(*args, **kwargs)

    ex._stream_desk.socket().ask = late
    deep = await soon(ex.watch_order_book(SPOT, None, {"watcher": "many"}))
    assert [level[0] for level in deep["bids"]] == [100.0, 92.0, 91.0, 90.0]
    ex.fetch_order_book = fetch
    answers.set()
    await until(lambda: topic.is_pushed)
    call = asyncio.create_task(ex.watch_order_book(SPOT, None, {"watcher": "many"}))
    await asyncio.sleep(0.02)
    await ex.create_order(SPOT, "limit", "buy", 1, 89)
    assert [level[0] for level in (await soon(call))["bids"]][-1] == 89.0


@pushed
async def test_a_server_that_has_fallen_silent_is_read(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    ex = floor.exchange(streams={"market_check": 0.05})
    await soon(ex.watch_ticker(SPOT))
    topic = topic_of(ex, "TickerTopic")
    await until(lambda: topic.is_pushed)
    monkeypatch.setattr(topic, "push", lambda payload: None)
    call = asyncio.create_task(ex.watch_ticker(SPOT))
    await asyncio.sleep(0.02)
    floor.price(SPOT, 200, 201)
    assert (await soon(call))["bid"] == 200.0
    assert not topic.is_pushed
    monkeypatch.undo()
    await until(lambda: topic.is_pushed)  # it was asked once more


@pushed
async def test_what_cannot_be_read_of_a_frame_is_read_again(floor: Floor) -> None:
    ex = floor.exchange()
    await soon(ex.watch_ticker(SPOT))
    topic = topic_of(ex, "TickerTopic")
    await until(lambda: topic.is_pushed)
    socket = ex._stream_desk.parts["market"]._socket
    frame = {"namespace": "ccxt", "event": "ticker_updated", "payload": {"account_id": 1, "symbol": SPOT}}
    socket.on_frame(frame)
    assert not topic.is_pushed
    call = asyncio.create_task(ex.watch_ticker(SPOT))
    await asyncio.sleep(0.02)
    floor.price(SPOT, 200, 201)
    assert (await soon(call))["bid"] == 200.0


@pushed
async def test_trouble_that_the_server_tells_of_reaches_those_who_wait(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ex = floor.exchange()
    await soon(ex.watch_ticker(SPOT))
    topic = topic_of(ex, "TickerTopic")
    await until(lambda: topic.is_pushed)
    call = asyncio.create_task(ex.watch_ticker(SPOT))
    await asyncio.sleep(0.02)

    async def refuse() -> Any:
        raise ccxt.PermissionDenied("not any more")

    monkeypatch.setattr(topic, "_fetch", refuse)
    details = {"account_id": 1, "symbol": SPOT, "channel": "ticker"}
    frame = {"namespace": "ccxt", "event": "error", "payload": {"code": "exchange_error", "details": details}}
    ex._stream_desk.parts["market"]._socket.on_frame(frame)
    with pytest.raises(ccxt.PermissionDenied):
        await soon(call)


@pushed
async def test_what_nobody_watches_is_not_pushed(floor: Floor) -> None:
    ex = floor.exchange()
    for timeframe in ("1m", "5m"):
        await soon(ex.watch_ohlcv(SPOT, timeframe))
    await soon(ex.watch_order_book(SPOT))
    hub = ex._stream_desk.parts["market"]
    await until(lambda: all(topic.is_pushed for topic in hub._topics.values()))
    await ex.un_watch_ohlcv(SPOT, "1m")
    await until(lambda: not hub._socket._due and len(hub._socket._subscribed) == 2)
    call = asyncio.create_task(ex.watch_ohlcv(SPOT, "5m"))
    await asyncio.sleep(0.02)
    floor.price(SPOT, 150, 152)
    await soon(call)
    await ex.un_watch_ohlcv(SPOT, "5m")
    await ex.un_watch_order_book(SPOT)
    await until(lambda: not hub._socket._due and not hub._socket._subscribed)
    assert floor.served is not None
    await until(lambda: floor.oms._price_subscribers == [])
