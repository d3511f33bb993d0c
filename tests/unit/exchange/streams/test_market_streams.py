"""Market data that have changed: of prices and books the newest, of trades and candles all; both ways."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt
import pytest

from .conftest import OTHER, SPOT, Floor, soon, until


def waiting(coroutine: Any) -> asyncio.Task[Any]:
    return asyncio.create_task(coroutine)


async def settled(task: asyncio.Task[Any]) -> None:
    """Let a call begin to wait; that it ends too early is seen by the case."""
    await asyncio.sleep(0.05)
    assert not task.done()


# -- tickers ---------------------------------------------------------------------------------------------


async def test_the_first_call_returns_what_is_there_and_the_next_what_has_changed(floor: Floor) -> None:
    ex = floor.exchange()
    first = await soon(ex.watch_ticker(SPOT))
    assert (first["symbol"], first["bid"], first["ask"]) == (SPOT, 100.0, 101.0)
    call = waiting(ex.watch_ticker(SPOT))
    await settled(call)
    floor.price(SPOT, 200, 201)
    assert (await soon(call))["bid"] == 200.0
    assert first["bid"] == 100.0
    assert ex.tickers[SPOT]["bid"] == 200.0


async def test_what_has_changed_between_two_calls_is_returned_at_once_the_newest_of_it(floor: Floor) -> None:
    ex = floor.exchange()
    await soon(ex.watch_ticker(SPOT))
    for bid in (200, 300, 400):
        floor.price(SPOT, bid, bid + 1)
    if floor.served is not None:
        await until(lambda: ex.tickers[SPOT]["bid"] == 400.0)
    assert (await soon(ex.watch_ticker(SPOT)))["bid"] == 400.0
    call = waiting(ex.watch_ticker(SPOT))
    await settled(call)
    call.cancel()


async def test_calls_at_the_same_time_get_the_same_and_each_its_own(floor: Floor) -> None:
    ex = floor.exchange()
    await soon(ex.watch_ticker(SPOT))
    calls = [waiting(ex.watch_ticker(SPOT)) for _ in range(3)]
    await settled(calls[0])
    floor.price(SPOT, 200, 201)
    one, two, three = await soon(asyncio.gather(*calls))
    assert one == two == three
    one["bid"] = 5
    assert two["bid"] == 200.0
    assert ex.tickers[SPOT]["bid"] == 200.0


async def test_who_is_cancelled_takes_nothing_from_the_others(floor: Floor) -> None:
    ex = floor.exchange()
    first = waiting(ex.watch_ticker(SPOT))
    await asyncio.sleep(0)
    first.cancel()
    await soon(ex.watch_ticker(SPOT))
    gone, stays = waiting(ex.watch_ticker(SPOT)), waiting(ex.watch_ticker(SPOT))
    await settled(stays)
    gone.cancel()
    floor.price(SPOT, 200, 201)
    assert (await soon(stays))["bid"] == 200.0
    assert gone.cancelled()


async def test_several_watchers_get_everything_each(floor: Floor) -> None:
    ex = floor.exchange()
    for name in (None, "two"):
        assert (await soon(ex.watch_ticker(SPOT, {"watcher": name})))["bid"] == 100.0
    floor.price(SPOT, 200, 201)
    for name in ("two", None):
        assert (await soon(ex.watch_ticker(SPOT, {"watcher": name})))["bid"] == 200.0


async def test_tickers_of_some_and_of_all(floor: Floor) -> None:
    ex = floor.exchange(streams={"market_interval": 0.02})
    assert (await soon(ex.watch_tickers([SPOT, OTHER]))).keys() == {SPOT, OTHER}
    everything = await soon(ex.watch_tickers())
    assert everything.keys() == set(floor.oms._core.market.markets)
    floor.price(OTHER, 20, "20.1")
    changed = await soon(ex.watch_tickers([SPOT, OTHER]))
    assert (list(changed), changed[OTHER]["bid"]) == ([OTHER], 20.0)
    assert OTHER in await soon(ex.watch_tickers())


async def test_best_prices(floor: Floor) -> None:
    ex = floor.exchange()
    best = (await soon(ex.watch_bids_asks([SPOT])))[SPOT]
    assert (best["bid"], best["ask"], best["last"], best["high"]) == (100.0, 101.0, None, None)
    call = waiting(ex.watch_bids_asks([SPOT]))
    await settled(call)
    floor.price(SPOT, 100, 101, last=101)  # the best prices are the same
    await settled(call)
    floor.price(SPOT, 99, 101)
    assert (await soon(call))[SPOT]["bid"] == 99.0
    assert ex.bidsasks[SPOT]["bid"] == 99.0


async def test_without_new_updates_everything_that_is_known_is_returned(floor: Floor) -> None:
    ex = floor.exchange(newUpdates=False)
    await soon(ex.watch_tickers([SPOT, OTHER]))
    call = waiting(ex.watch_tickers([SPOT, OTHER]))
    await settled(call)
    floor.price(OTHER, 20, "20.1")
    assert {symbol: each["bid"] for symbol, each in (await soon(call)).items()} == {SPOT: 100.0, OTHER: 20.0}


# -- order books -----------------------------------------------------------------------------------------


async def test_a_book_changes_by_prices_and_by_orders(floor: Floor) -> None:
    ex = floor.exchange()
    first = await soon(ex.watch_order_book(SPOT))
    assert (first["symbol"], [level[0] for level in first["bids"]]) == (SPOT, [100.0])
    call = waiting(ex.watch_order_book(SPOT))
    await settled(call)
    order = await ex.create_order(SPOT, "limit", "buy", 1, 90)
    second = await soon(call)
    assert second["bids"][1] == [90.0, 1.0]
    call = waiting(ex.watch_order_book(SPOT))
    await settled(call)
    await ex.cancel_order(order["id"], SPOT)
    assert [level[0] for level in (await soon(call))["bids"]] == [100.0]
    assert second["bids"][1] == [90.0, 1.0]
    assert first["bids"] == [[100.0, first["bids"][0][1]]]
    assert [list(level) for level in ex.orderbooks[SPOT]["bids"]] == first["bids"]


async def test_levels_are_limited_and_a_deeper_look_deepens_it(floor: Floor) -> None:
    ex = floor.exchange()
    await asyncio.gather(*(ex.create_order(SPOT, "limit", "buy", 1, price) for price in (90, 91, 92)))
    assert [level[0] for level in (await soon(ex.watch_order_book(SPOT, 2)))["bids"]] == [100.0, 92.0]
    deeper = await soon(ex.watch_order_book(SPOT, None, {"watcher": "deep"}))
    assert [level[0] for level in deeper["bids"]] == [100.0, 92.0, 91.0, 90.0]
    await asyncio.sleep(0.1)
    order = await ex.create_order(SPOT, "limit", "buy", 1, 89)
    while True:
        seen = await soon(ex.watch_order_book(SPOT, None, {"watcher": "deep"}))
        if any(level[0] == 89.0 for level in seen["bids"]):
            break
    assert order["id"]


@pytest.mark.parametrize("limits", [(None, 1), (1, None), (3, 1), (1, 3)])
@pytest.mark.parametrize("names", [(None, None), ("one", "other")])
async def test_calls_that_begin_together_get_their_own_number_of_levels(
    floor: Floor, limits: tuple[int | None, ...], names: tuple[str | None, ...]
) -> None:
    ex = floor.exchange()
    await asyncio.gather(*(ex.create_order(SPOT, "limit", "buy", 1, price) for price in (91, 92)))
    calls = [
        asyncio.create_task(ex.watch_order_book(SPOT, limit, {"watcher": name}))
        for limit, name in zip(limits, names, strict=True)
    ]
    books = [await soon(call) for call in calls]
    assert [len(book["bids"]) for book in books] == [limit or 3 for limit in limits]


async def test_of_several_books_each_comes_by_itself(floor: Floor) -> None:
    ex = floor.exchange()
    seen = [(await soon(ex.watch_order_book_for_symbols([SPOT, OTHER])))["symbol"] for _ in range(2)]
    assert sorted(seen) == [SPOT, OTHER]
    for bid in (200, 300):
        floor.price(SPOT, bid, bid + 1)
        floor.price(OTHER, bid, bid + 1)
    if floor.served is not None:
        await until(lambda: ex.orderbooks[OTHER]["bids"][0][0] == ex.orderbooks[SPOT]["bids"][0][0] == 300.0)
    books = [await soon(ex.watch_order_book_for_symbols([SPOT, OTHER])) for _ in range(2)]
    assert sorted(book["symbol"] for book in books) == [SPOT, OTHER]
    assert [book["bids"][0][0] for book in books] == [300.0, 300.0]


async def test_numbers_are_what_the_exchange_object_makes(floor: Floor) -> None:
    ex = floor.exchange(number=str)
    assert (await soon(ex.watch_order_book(SPOT)))["bids"][0][0] == "100"
    assert (await soon(ex.watch_ticker(SPOT)))["bid"] == "100"
    call = waiting(ex.watch_order_book(SPOT))
    await settled(call)
    floor.price(SPOT, 200, 201)
    assert (await soon(call))["bids"][0][0] == "200"
    assert (await soon(ex.watch_ticker(SPOT)))["bid"] == "200"


# -- trades ----------------------------------------------------------------------------------------------


def lasts(trades: list[dict[str, Any]]) -> list[float]:
    return [trade["price"] for trade in trades]


def trade_at(floor: Floor, *prices: int, symbol: str = SPOT) -> None:
    for price in prices:
        floor.price(symbol, price - 1, price + 1, last=price)


async def begun(ex: Any, floor: Floor, watch: Any) -> None:
    """Let a watcher of trades begin, and take the first."""
    call = waiting(watch())
    await until(lambda: SPOT in ex.trades)
    await settled(call)
    trade_at(floor, 50)
    assert lasts(await soon(call)) == [50.0]


async def test_every_trade_once_however_many_come_between_two_calls(floor: Floor) -> None:
    ex = floor.exchange()
    await begun(ex, floor, lambda: ex.watch_trades(SPOT))
    wanted = [float(price) for price in range(60, 500)]
    got: list[float] = []
    for start in range(60, 500, 110):  # more than a window holds
        trade_at(floor, *range(start, min(start + 110, 500)))
        got += lasts(await soon(ex.watch_trades(SPOT)))
    while len(got) < len(wanted):
        got += lasts(await soon(ex.watch_trades(SPOT)))
    assert got == wanted
    assert lasts(ex.trades[SPOT])[-440:] == wanted


async def test_a_limit_splits_and_discards_nothing(floor: Floor) -> None:
    ex = floor.exchange()
    await begun(ex, floor, lambda: ex.watch_trades(SPOT, None, 2))
    trade_at(floor, 61, 62, 63, 64, 65)
    got: list[list[float]] = []
    while sum(map(len, got)) < 5:
        got.append(lasts(await soon(ex.watch_trades(SPOT, None, 2))))
    assert [price for batch in got for price in batch] == [61.0, 62.0, 63.0, 64.0, 65.0]
    assert max(map(len, got)) <= 2


async def test_a_watcher_may_begin_in_the_past(floor: Floor) -> None:
    ex = floor.exchange()
    floor.oms.advance(60_000)
    since = floor.oms.now_ms()
    trade_at(floor, 61, 62)
    assert lasts(await soon(ex.watch_trades(SPOT, since))) == [61.0, 62.0]
    trade_at(floor, 63)
    assert lasts(await soon(ex.watch_trades(SPOT, since))) == [63.0]


async def test_one_that_begins_in_the_past_gives_others_nothing_twice(floor: Floor) -> None:
    ex = floor.exchange()
    await begun(ex, floor, lambda: ex.watch_trades(SPOT))
    since = floor.oms.now_ms()
    found = await soon(ex.watch_trades(SPOT, since, None, {"watcher": "late"}))
    assert lasts(found)[-1:] == [50.0]
    trade_at(floor, 63)
    for name in (None, "late"):
        assert lasts(await soon(ex.watch_trades(SPOT, None, None, {"watcher": name}))) == [63.0]


async def test_trades_of_several_markets(floor: Floor) -> None:
    ex = floor.exchange()
    call = waiting(ex.watch_trades_for_symbols([SPOT, OTHER]))
    await until(lambda: SPOT in ex.trades and OTHER in ex.trades)
    await settled(call)
    trade_at(floor, 61)
    trade_at(floor, 20, symbol=OTHER)
    got = await soon(call)
    while len(got) < 2:
        got += await soon(ex.watch_trades_for_symbols([SPOT, OTHER]))
    assert {(trade["symbol"], trade["price"]) for trade in got} == {(SPOT, 61.0), (OTHER, 20.0)}


async def test_without_new_updates_the_cached_trades_are_returned(floor: Floor) -> None:
    ex = floor.exchange(newUpdates=False)
    call = waiting(ex.watch_trades(SPOT, None, 3))
    await until(lambda: SPOT in ex.trades)
    await settled(call)
    trade_at(floor, 61)
    known = len(await soon(call))
    trade_at(floor, 62)
    assert lasts(await soon(ex.watch_trades(SPOT, None, 3)))[-2:] == [61.0, 62.0]
    assert known >= 2


# -- candles ---------------------------------------------------------------------------------------------


async def test_the_last_state_of_each_candle_is_handed_on(floor: Floor) -> None:
    ex = floor.exchange()
    [first] = await soon(ex.watch_ohlcv(SPOT))
    start = floor.oms.now_ms()
    assert first[0] == start
    trade_at(floor, 150)
    assert (await soon(ex.watch_ohlcv(SPOT)))[-1][2] == 150.0
    for number in range(1, 40):
        trade_at(floor, 200 + number)
        floor.oms.advance(60_000)
    seen: dict[int, list[Any]] = {}
    while len(seen) < 40:
        candles = await soon(ex.watch_ohlcv(SPOT))
        assert [candle[0] for candle in candles] == sorted({candle[0] for candle in candles})
        seen.update((candle[0], candle) for candle in candles)
    final = await ex.fetch_ohlcv(SPOT, "1m", start)
    assert [seen[moment] for moment in sorted(seen)] == final
    assert [list(candle) for candle in ex.ohlcvs[SPOT]["1m"]][-40:] == final


async def test_a_watcher_of_candles_may_begin_in_the_past(floor: Floor) -> None:
    ex = floor.exchange()
    since = floor.oms.now_ms() - 300_000
    candles = await soon(ex.watch_ohlcv(SPOT, "1m", since, 4))
    assert [candle[0] - since for candle in candles] == [0, 60_000, 120_000, 180_000]
    assert [candle[0] - since for candle in await soon(ex.watch_ohlcv(SPOT, "1m", since, 4))] == [
        240_000,
        300_000,
    ]


async def test_candles_of_several_markets_and_timeframes(floor: Floor) -> None:
    ex = floor.exchange()
    pairs = [[SPOT, "1m"], [SPOT, "5m"], [OTHER, "1m"]]
    found = await soon(ex.watch_ohlcv_for_symbols(pairs))
    assert {symbol: set(each) for symbol, each in found.items()} == {SPOT: {"1m", "5m"}, OTHER: {"1m"}}
    floor.oms.advance(60_000)
    trade_at(floor, 150)
    seen: dict[str, float] = {}
    while seen.keys() < {"1m", "5m"} or set(seen.values()) != {150.0}:
        found = await soon(ex.watch_ohlcv_for_symbols(pairs))
        seen.update((timeframe, candles[-1][4]) for timeframe, candles in found.get(SPOT, {}).items())
    start = floor.oms.now_ms() // 300_000 * 300_000
    assert [list(candle) for candle in ex.ohlcvs[SPOT]["5m"]][-1][0] == start


async def test_without_new_updates_the_cached_candles_are_returned(floor: Floor) -> None:
    ex = floor.exchange(newUpdates=False)
    candles = await soon(ex.watch_ohlcv(SPOT, "1m", None, 5))
    assert len(candles) == 5


# -- the rest --------------------------------------------------------------------------------------------


async def test_status(floor: Floor) -> None:
    ex = floor.exchange()
    assert (await soon(ex.watch_status()))["status"] == "ok"
    call = waiting(ex.watch_status())
    await settled(call)
    call.cancel()


async def test_unsubscribing_ends_those_who_wait(floor: Floor) -> None:
    ex = floor.exchange()
    await soon(ex.watch_ticker(SPOT))
    await soon(ex.watch_tickers([SPOT, OTHER]))
    await soon(ex.watch_ticker(OTHER))
    calls = [waiting(ex.watch_ticker(SPOT)), waiting(ex.watch_tickers([SPOT, OTHER]))]
    other = waiting(ex.watch_ticker(OTHER))
    await settled(other)
    assert await ex.un_watch_ticker(SPOT) is True
    for call in calls:
        with pytest.raises(ccxt.UnsubscribeError):
            await soon(call)
    assert SPOT not in ex.tickers
    await settled(other)
    floor.price(OTHER, 20, "20.1")
    assert (await soon(other))["bid"] == 20.0
    assert (await soon(ex.watch_ticker(SPOT)))["bid"] == 100.0


UNWATCHED = {
    "un_watch_tickers": ("watch_tickers", [[SPOT]]),
    "un_watch_bids_asks": ("watch_bids_asks", [[SPOT]]),
    "un_watch_order_book": ("watch_order_book", [SPOT]),
    "un_watch_order_book_for_symbols": ("watch_order_book_for_symbols", [[SPOT]]),
    "un_watch_ohlcv": ("watch_ohlcv", [SPOT]),
    "un_watch_ohlcv_for_symbols": ("watch_ohlcv_for_symbols", [[[SPOT, "1m"]]]),
}


@pytest.mark.parametrize("name", UNWATCHED)
async def test_each_method_has_its_end(floor: Floor, name: str) -> None:
    ex = floor.exchange()
    method, arguments = UNWATCHED[name]
    await soon(getattr(ex, method)(*arguments))
    call = waiting(getattr(ex, method)(*arguments))
    await settled(call)
    await getattr(ex, name)(*arguments)
    with pytest.raises(ccxt.UnsubscribeError):
        await soon(call)
    assert await soon(getattr(ex, method)(*arguments))


async def test_trades_have_their_end_too(floor: Floor) -> None:
    ex = floor.exchange()
    for method, end in (
        (lambda: ex.watch_trades(SPOT), lambda: ex.un_watch_trades(SPOT)),
        (lambda: ex.watch_trades_for_symbols([SPOT]), lambda: ex.un_watch_trades_for_symbols([SPOT])),
    ):
        await begun(ex, floor, method)
        call = waiting(method())
        await settled(call)
        await end()
        with pytest.raises(ccxt.UnsubscribeError):
            await soon(call)
        assert SPOT not in ex.trades


async def test_closing_ends_everything(floor: Floor) -> None:
    ex = floor.exchange()
    await soon(ex.watch_ticker(SPOT))
    await soon(ex.watch_order_book(SPOT))
    calls = [
        waiting(ex.watch_ticker(SPOT)),
        waiting(ex.watch_order_book(SPOT)),
        waiting(ex.watch_trades(SPOT)),
    ]
    await settled(calls[2])
    await ex.close()
    for call in calls:
        with pytest.raises(ccxt.ExchangeClosedByUser):
            await soon(call)
    assert floor.served is not None or floor.oms._price_subscribers == []


async def test_who_goes_on_watching_what_is_closed_does_not_hold_up_who_closes_it(floor: Floor) -> None:
    """It could not even be cancelled: the program hung."""
    ex = floor.exchange()
    await soon(ex.watch_ticker(SPOT))
    turns = []

    async def again_and_again(method: str, *args: Any) -> None:
        for _ in range(1000):
            try:
                await getattr(ex, method)(*args)
            except ccxt.ExchangeClosedByUser:
                turns.append(method)

    methods = ("watch_ticker", "watch_order_book", "watch_trades", "watch_ohlcv")
    calls = [waiting(again_and_again(method, SPOT)) for method in methods]
    calls += [waiting(again_and_again(method)) for method in ("watch_orders", "watch_status")]
    await asyncio.sleep(0.05)
    await ex.close()
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    assert all(call.cancelled() for call in calls)
    assert len(turns) < 1000


async def test_what_there_is_not_is_said(floor: Floor) -> None:
    ex = floor.exchange()
    with pytest.raises(ccxt.BadSymbol):
        await soon(ex.watch_ticker("NO/SUCH"))
    with pytest.raises(ccxt.BadRequest):
        await soon(ex.watch_ohlcv(SPOT, "7m"))
    for call in (
        ex.watch_trades_for_symbols([]),
        ex.watch_order_book_for_symbols(None),
        ex.watch_ohlcv_for_symbols([]),
        ex.watch_ohlcv_for_symbols([SPOT]),
    ):
        with pytest.raises(ccxt.ArgumentsRequired):
            await soon(call)


async def test_camel_case_works(floor: Floor) -> None:
    ex = floor.exchange()
    assert (await soon(ex.watchTicker(SPOT)))["bid"] == 100.0
    assert (await soon(ex.watchOrderBook(SPOT)))["bids"]
    assert ex.has["watchTicker"] is True
    assert ex.has["watchLiquidations"] is False


async def test_programs_may_clear_the_caches(floor: Floor) -> None:
    ex = floor.exchange()
    await soon(ex.watch_ohlcv(SPOT))
    await begun(ex, floor, lambda: ex.watch_trades(SPOT))
    ex.ohlcvs.clear()
    ex.trades.clear()
    ex.tickers = {}
    trade_at(floor, 61)
    assert lasts(await soon(ex.watch_trades(SPOT))) == [61.0]
    assert (await soon(ex.watch_ohlcv(SPOT)))[-1][4] == 61.0
    assert SPOT in ex.ohlcvs


# -- the end of what begins --------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["close", "un_watch_ticker"])
async def test_all_calls_that_begin_are_told_of_the_end(floor: Floor, end: str) -> None:
    ex = floor.exchange()
    await ex.load_markets()
    never, asked = asyncio.Event(), asyncio.Event()

    async def silent(*arguments: Any) -> Any:
        asked.set()
        await never.wait()

    ex._ticker = silent
    calls = [waiting(ex.watch_ticker(SPOT)) for _ in range(2)]
    await soon(asked.wait())
    hub = ex._stream_desk.parts["market"]
    if end == "close":
        await soon(ex.close())
        assert not hub._tasks
    else:
        await soon(ex.un_watch_ticker(SPOT))
    error = ccxt.ExchangeClosedByUser if end == "close" else ccxt.UnsubscribeError
    for call in calls:
        with pytest.raises(error):
            await soon(call)


@pytest.mark.parametrize(
    "method, arguments, named",
    [
        ("watch_trades", (SPOT, None, 0), "limit"),  # for ever none of what is new
        ("watch_trades", (SPOT, None, -1), "limit"),
        ("watch_trades", (SPOT, "yesterday"), "since"),
        ("watch_ohlcv", (SPOT, "1m", None, 0), "limit"),
        ("watch_order_book", (SPOT, -2), "limit"),
        ("watch_ticker", (SPOT, {"watcher": ["a"]}), "watcher"),
    ],
)
async def test_bad_arguments_are_named(
    floor: Floor, method: str, arguments: tuple[Any, ...], named: str
) -> None:
    ex = floor.exchange()
    with pytest.raises(ccxt.BadRequest, match=f"oms {named}: expected"):
        await soon(getattr(ex, method)(*arguments))
