"""Streams of accounts: one suite, in this process and over the socket."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from ccxt_driver.contract.features import Feature
from ccxt_driver.oms.server import application
from ccxt_driver.pro import OmsCcxtExchange
from tests.helpers import strict_structures as strict
from tests.helpers.contract_desk import BY_STRATEGY, HEDGE, NETTING, OTHER, SPOT, SWAP, WatchedOms
from tests.helpers.deadline import deadline, until
from tests.helpers.served import serve
from tests.helpers.stream_desk import StreamDesk, collected, stream_desk, watchers
from tests.helpers.strict_structures import check_order, check_structure, check_trade, exact

__all__ = ["deadline"]

pytestmark = pytest.mark.oldest

BOTH = [pytest.param(False, id="in-process"), pytest.param(True, id="socket", marks=pytest.mark.sockets)]
SOCKET = [BOTH[1]]

QUICK = {"backoff_first": 0.01, "backoff_most": 0.02}
"""`options.streams` of one that comes back at once."""

WATCH: dict[str, Callable[[Any], Any]] = {
    "watch_orders": lambda ex: ex.watch_orders(SPOT),
    "watch_orders_for_symbols": lambda ex: ex.watch_orders_for_symbols([SPOT, OTHER]),
    "watch_my_trades": lambda ex: ex.watch_my_trades(SPOT),
    "watch_my_trades_for_symbols": lambda ex: ex.watch_my_trades_for_symbols([SPOT, OTHER]),
    "watch_positions": lambda ex: ex.watch_positions([SPOT]),
    "watch_position": lambda ex: ex.watch_position(SPOT),
    "watch_balance": lambda ex: ex.watch_balance(),
}
UNWATCH: dict[str, Callable[[Any], Any]] = {
    "watch_orders": lambda ex: ex.un_watch_orders(SPOT),
    "watch_orders_for_symbols": lambda ex: ex.un_watch_orders_for_symbols([OTHER, SPOT]),
    "watch_my_trades": lambda ex: ex.un_watch_my_trades(SPOT),
    "watch_my_trades_for_symbols": lambda ex: ex.un_watch_my_trades_for_symbols([SPOT, OTHER]),
    "watch_positions": lambda ex: ex.un_watch_positions([SPOT]),
    "watch_position": lambda ex: ex.un_watch_position(SPOT),
    "watch_balance": lambda ex: ex.un_watch_balance(),
}


@pytest.fixture(params=BOTH)
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[StreamDesk]:
    async with stream_desk(request.param) as made:
        yield made


@pytest.fixture(params=SOCKET)
async def served(request: pytest.FixtureRequest) -> AsyncIterator[StreamDesk]:
    async with stream_desk(True) as made:
        yield made


def trade_a_day(desk: StreamDesk) -> None:
    """Orders in every state, partial fills, a position that turns, one that closes; by somebody else."""
    desk.order("buy", 2, 90)
    cancelled = desk.order("buy", 1, 89)
    desk.oms.set_price(SPOT, bid=100, ask=101, size="0.7")
    desk.order("buy", "1.5", 101)
    desk.oms.set_price(SPOT, bid=100, ask=101)
    desk.order("sell", 3)
    desk.command("change_order", order_id=cancelled, new_price="88")
    desk.command("cancel_order", order_id=cancelled)
    desk.oms.set_price(SPOT, bid=80, ask=81)
    desk.order("buy", 1, symbol=OTHER)
    desk.order("sell", 1, symbol=OTHER)


# -- what comes ----------------------------------------------------------------------------------------


NAMES = {
    "watch_orders": "order_updated",
    "watch_my_trades": "deal_created",
    "watch_positions": "position_updated",
}


@pytest.mark.parametrize("method", NAMES)
async def test_every_committed_change_comes_once_in_the_order_of_the_oms(
    desk: StreamDesk, method: str
) -> None:
    ex = desk.exchange()
    [first] = await desk.waiting(getattr(ex, method)())
    before = desk.oms.last_seq(NETTING)
    trade_a_day(desk)
    committed = [event.payload for event in desk.events(NAMES[method], after=before)]
    got = await first
    got += await collected(getattr(ex, method), len(committed) - len(got))
    assert [row["info"] for row in got] == committed
    assert len(committed) > 3


async def test_every_state_of_an_order_is_an_order_of_its_own(desk: StreamDesk) -> None:
    ex = desk.exchange()
    [first] = await desk.waiting(ex.watch_orders())
    desk.oms.set_price(SPOT, bid=100, ask=101, size="0.7")
    number = desk.order("buy", "1.5", 101)
    desk.oms.set_price(SPOT, bid=100, ask=101, size="0.7")
    desk.oms.set_price(SPOT, bid=100, ask=101, size="0.7")
    got = await first
    while got[-1]["status"] == "open":
        got += await ex.watch_orders()
    assert {order["id"] for order in got} == {str(number)}
    assert [order["filled"] for order in got if order["filled"]] == [0.7, 1.4, 1.5]
    assert [len(order["trades"]) for order in got if order["filled"]] == [1, 2, 3]
    for order in got:
        check_order(order, float, with_trades=True)
    assert got[-1] == {**await ex.fetch_order(str(number)), "info": got[-1]["info"]}


@pytest.mark.parametrize("number", [float, str, Decimal])
async def test_streamed_structures_are_held_to_ccxts_manual(desk: StreamDesk, number: type) -> None:
    ex = desk.exchange(number=number)
    methods = [ex.watch_orders, ex.watch_my_trades, ex.watch_positions]
    waiting = await desk.waiting(*(method() for method in methods), ex.watch_balance())
    trade_a_day(desk)
    desk.order("buy", "0.1", symbol=SWAP)
    committed = {name: len(desk.events(name)) for name in NAMES.values()}
    rows = [await task for task in waiting[:3]]
    for got, method, name in zip(rows, methods, NAMES.values(), strict=True):
        got += await collected(method, committed[name] - len(got))
    orders, trades, positions = rows
    assert {order["status"] for order in orders} == {"open", "closed", "canceled"}
    for order in orders:
        check_order(order, number, with_trades=True)
    for trade in trades:
        check_trade(trade, number)
    for position in positions:
        expected = dict(strict.POSITION) if position["contracts"] else {"id": "id", "symbol": "symbol"}
        check_structure(position, expected, number, extra=None)
        assert position.keys() == strict.POSITION.keys()
    assert {position["side"] for position in positions} == {"long", "short"}
    assert any(not exact(position["contracts"]) for position in positions)
    balance = await waiting[3]
    check_structure(balance, strict.BALANCE, number, extra=None)
    for code in balance["total"]:
        check_structure(balance[code], strict.AMOUNTS, number)
        assert balance[code] == {key: balance[key][code] for key in balance[code]}


async def test_a_balance_is_whole_and_is_the_one_that_is_read(desk: StreamDesk) -> None:
    ex = desk.exchange()
    [waiting] = await desk.waiting(ex.watch_balance())
    before = desk.oms.last_seq(NETTING)
    desk.order("buy", 1)
    seen = await waiting
    while len(seen["info"]["changes"]) < len(desk.events("balance_updated", after=before)):
        seen = {**await ex.watch_balance(), "info": {"changes": [*seen["info"]["changes"], *([{}] * 99)]}}
    read = await ex.fetch_balance()
    for key in ("free", "used", "total", "USDT", "BTC", "ETH"):
        assert seen[key] == read[key]
    assert ex.balance["USDT"] == read["USDT"]


async def test_half_a_trade_is_never_shown() -> None:
    """Money that went is never missing without what was bought for it: both are of one commit."""
    async with stream_desk(False) as desk:
        ex = desk.exchange()
        [waiting] = await desk.waiting(ex.watch_balance())
        rows = []
        for _ in range(5):
            desk.order("buy", 1)
            rows.append(await waiting)
            waiting = asyncio.ensure_future(ex.watch_balance())
            await asyncio.sleep(0)
        waiting.cancel()
        for count, row in enumerate(rows, 1):
            assert exact(row["total"]["BTC"]) == 10 + count
            assert count * 101 <= 100_000 - exact(row["total"]["USDT"]) < count * 102


async def test_a_balance_is_the_newest_also_for_a_task_that_comes_late_to_it() -> None:
    """The first of two trades as soon as it is told, so that there is news before the other has run."""
    async with stream_desk(False) as desk:
        ex, told = desk.exchange(), []

        async def watch(trades: int) -> None:
            while True:
                balance = await ex.watch_balance()
                told.append(balance["USDT"]["total"])
                if trades:
                    trades -= 1
                    desk.order("buy", 1)

        tasks = await desk.waiting(watch(1), watch(0))
        desk.order("buy", 1)
        await until(lambda: len(told) == 3)
        read = await ex.fetch_balance()
        assert told[1:] == [read["USDT"]["total"]] * 2
        [waiting] = await desk.waiting(ex.watch_balance())
        desk.oms.handle("deposit", {"account_id": str(NETTING)}, {}, {"currency": "ETH", "amount": "1"})
        seen = await waiting
        assert (seen["USDT"], seen["ETH"]) == (read["USDT"], (await ex.fetch_balance())["ETH"])
        assert ex.balance["USDT"] == read["USDT"]
        for task in tasks:
            task.cancel()


async def test_a_snapshot_first_where_that_is_wanted(desk: StreamDesk) -> None:
    desk.order("buy", 1)
    ex = desk.exchange(
        watchPositions={"fetchPositionsSnapshot": True}, watchBalance={"fetchBalanceSnapshot": True}
    )
    [position] = await ex.watch_positions()
    assert (position["symbol"], position["contracts"]) == (SPOT, 1.0)
    assert (await ex.watch_balance())["BTC"]["total"] == 11.0
    waiting = await desk.waiting(ex.watch_positions(), ex.watch_balance())
    desk.order("buy", 1)
    assert (await waiting[0])[-1]["contracts"] == 2.0
    assert (await waiting[1])["BTC"]["total"] == 12.0


async def test_a_snapshot_is_not_lost_with_a_call_that_is_cancelled(desk: StreamDesk) -> None:
    desk.order("buy", 1)
    ex = desk.exchange(watchPositions={"fetchPositionsSnapshot": True})
    asked, read = asyncio.Event(), ex.fetch_positions

    async def silent(*arguments: Any) -> Any:
        asked.set()
        await asyncio.Event().wait()

    ex.fetch_positions = silent  # type: ignore[method-assign]
    call = asyncio.create_task(ex.watch_positions())
    await asked.wait()
    call.cancel()
    await asyncio.wait({call})
    ex.fetch_positions = read  # type: ignore[method-assign]
    [position] = await asyncio.wait_for(ex.watch_positions(), 5)
    assert position["contracts"] == 1.0


async def test_an_order_of_the_same_task_is_seen(desk: StreamDesk) -> None:
    """Whoever begins to watch and then commands, sees what it has commanded."""
    ex = desk.exchange()
    watching = asyncio.ensure_future(ex.watch_orders())
    await asyncio.sleep(0)
    order = await ex.create_order(SPOT, "limit", "buy", 1, 90)
    assert [seen["id"] for seen in await watching] == [order["id"]] * len(await watching)


# -- nothing is shared ---------------------------------------------------------------------------------


def spoil(value: Any) -> None:
    """Change everything in a structure."""
    if isinstance(value, dict):
        for key in list(value):
            spoil(value[key])
            value[key] = "spoiled"
        value["more"] = "spoiled"
    elif isinstance(value, list):
        for each in value:
            spoil(each)
        value.append("spoiled")


@pytest.mark.parametrize("method", WATCH)
async def test_what_is_given_is_the_callers_own(desk: StreamDesk, method: str) -> None:
    """Neither another call, nor the caches, nor the OMS itself see what becomes of it."""
    ex, other = desk.exchange(), desk.exchange()
    begin = desk.oms.last_seq(NETTING)
    watch = WATCH[method]
    first, second, third = await desk.waiting(watch(ex), watch(ex), watch(other))
    desk.order("buy", 1)
    spoiled, kept = await first, copy.deepcopy(await second)
    committed = copy.deepcopy([event.payload for event in desk.oms.events(NETTING, begin, 1000) or []])
    spoil(spoiled)
    assert await second == kept
    if method != "watch_balance":
        later = await getattr(other, method)(
            *([SPOT] if method in ("watch_orders", "watch_my_trades", "watch_position") else [[SPOT]]),
            params={"after_seq": begin, "watcher": "later"},
        )
        assert (later if method == "watch_position" else later[: len(kept)]) == kept
    assert [event.payload for event in desk.oms.events(NETTING, begin, 1000) or []] == committed
    assert "spoiled" not in repr([ex.orders, ex.myTrades, ex.positions, await ex.fetch_balance()])
    assert await third is not None


async def test_what_is_given_never_changes_afterwards(desk: StreamDesk) -> None:
    ex = desk.exchange()
    [waiting] = await desk.waiting(ex.watch_orders())
    desk.oms.set_price(SPOT, bid=100, ask=101, size="0.7")
    number = desk.order("buy", "1.5", 101)
    got = await waiting
    then = copy.deepcopy(got)
    desk.oms.set_price(SPOT, bid=100, ask=101)
    desk.command("cancel_all_orders")
    await ex.watch_orders()
    assert (await ex.fetch_order(str(number)))["status"] == "closed"
    assert got == then


# -- whose and which -----------------------------------------------------------------------------------


async def test_by_symbol(desk: StreamDesk) -> None:
    ex = desk.exchange()
    calls = await desk.waiting(
        ex.watch_orders(OTHER),
        ex.watch_orders_for_symbols([OTHER]),
        ex.watch_orders("ETHUSDT" if "ETHUSDT" in (ex.markets_by_id or {}) else OTHER),
        ex.watch_my_trades(OTHER),
        ex.watch_my_trades_for_symbols([OTHER]),
        ex.watch_positions([OTHER]),
        ex.watch_position(OTHER),
    )
    desk.order("buy", 1)
    desk.order("buy", 1, symbol=OTHER)
    for call in calls:
        got = await call
        assert {row["symbol"] for row in (got if isinstance(got, list) else [got])} == {OTHER}


async def test_bad_arguments_are_named(desk: StreamDesk) -> None:
    ex = desk.exchange()
    bad: list[tuple[Any, type[Exception], str]] = [
        (lambda: ex.watch_orders("BTC/NOPE"), ccxt.BadSymbol, "BTC/NOPE"),
        (lambda: ex.watch_orders_for_symbols(SPOT), ccxt.ArgumentsRequired, "symbols"),
        (lambda: ex.watch_positions([SPOT, "BTC/NOPE"]), ccxt.BadSymbol, "BTC/NOPE"),
        (lambda: ex.watch_orders(limit=0), ccxt.BadRequest, "limit"),
        (lambda: ex.watch_orders(limit="many"), ccxt.BadRequest, "limit"),
        (lambda: ex.watch_my_trades(since="yesterday"), ccxt.BadRequest, "since"),
        (lambda: ex.watch_orders(params={"after_seq": "first"}), ccxt.BadRequest, "after_seq"),
        (lambda: ex.watch_orders(params={"afterSeq": -1}), ccxt.BadRequest, "after_seq"),
        (lambda: ex.watch_orders(params={"after_seq": 1.5}), ccxt.BadRequest, "after_seq"),
        (lambda: ex.watch_orders(params={"strategy_id": "mine"}), ccxt.BadRequest, "strategy_id"),
        (lambda: ex.watch_orders(params={"account_id": "mine"}), ccxt.BadRequest, "account_id"),
        (lambda: ex.un_watch_orders(params={"accountId": "mine"}), ccxt.BadRequest, "account_id"),
        (lambda: ex.watch_ticker(SPOT, {"accountId": "mine"}), ccxt.BadRequest, "account_id"),
        (lambda: ex.watch_orders(params={"watcher": ["mine"]}), ccxt.BadRequest, "watcher"),
        (lambda: ex.un_watch_orders(params={"watcher": ["mine"]}), ccxt.BadRequest, "watcher"),
    ]
    for call, kind, says in bad:
        with pytest.raises(kind, match=says):
            await call()
    assert watchers(ex) == []


async def test_an_account_has_to_be_named(desk: StreamDesk) -> None:
    ex = desk.exchange()
    ex.options["account_id"] = None
    with pytest.raises(ccxt.ArgumentsRequired, match="account_id"):
        await ex.watch_orders()


async def test_several_accounts_on_one_object(desk: StreamDesk) -> None:
    ex = desk.exchange()
    first, second = await desk.waiting(ex.watch_orders(), ex.watch_orders(params={"account_id": HEDGE}))
    desk.order("buy", 1, 90, HEDGE)
    assert {order["info"]["account_id"] for order in await second} == {HEDGE}
    assert not first.done()
    desk.order("buy", 1, 90)
    assert {order["info"]["account_id"] for order in await first} == {NETTING}
    assert len(ex.clients or {}) == (0 if desk.served is None else 1)


async def test_an_account_that_is_not_there_is_refused_and_the_others_go_on(desk: StreamDesk) -> None:
    ex = desk.exchange()
    [first] = await desk.waiting(ex.watch_orders())
    if desk.served is not None:
        with pytest.raises(ccxt.ExchangeError, match="77"):
            await ex.watch_orders(params={"account_id": 77})
    desk.order("buy", 1, 90)
    assert await first


@pytest.mark.parametrize("by", ["options", "strategy_id", "strategyId"])
async def test_by_strategy(desk: StreamDesk, by: str) -> None:
    ex = desk.exchange(**({"strategy_id": 2} if by == "options" else {}))
    params = {} if by == "options" else {by: 2}
    calls = await desk.waiting(
        ex.watch_orders(params=params), ex.watch_my_trades(params=params), ex.watch_positions(params=params)
    )
    [everything] = await desk.waiting(desk.exchange().watch_orders())
    [money] = await desk.waiting(ex.watch_balance(params))
    desk.order("buy", 1, strategy_id=1, symbol=OTHER)
    assert (await money)["ETH"]["total"] == 101.0  # money is the account's
    desk.order("buy", 1, strategy_id=2)
    for call in calls:
        rows = await call
        assert {row["info"]["strategy_id"] for row in rows} == {2}
    assert 1 in {row["info"]["strategy_id"] for row in await everything}


async def test_a_strategy_is_told_what_another_one_gets(desk: StreamDesk) -> None:
    """Else it would go on selling what it has no more."""
    loser, getter, monitor = (desk.exchange(BY_STRATEGY, strategy_id=each) for each in (1, 2, None))
    resting = desk.order("buy", 1, 90, account_id=BY_STRATEGY, strategy_id=1)
    calls = await desk.waiting(loser.watch_positions(), monitor.watch_positions())
    traded = desk.order("buy", 1, account_id=BY_STRATEGY, strategy_id=1)
    for call in calls:
        assert [row["contracts"] for row in await call] == [1.0]
    calls = await desk.waiting(
        loser.watch_positions(), loser.watch_orders(), getter.watch_positions(), monitor.watch_positions()
    )
    remembered: list[tuple[str, Any]] = []
    remember = monitor.remember_change

    def noted(change: Any) -> None:
        remembered.append((change.kind, change.row.get("state") or change.row.get("status")))
        remember(change)

    monitor.remember_change = noted  # type: ignore[method-assign]
    await loser.reassign([str(traded), str(resting)], 2)
    [lost], orders, [got], [seen] = [await call for call in calls]
    assert (lost["contracts"], lost["info"]["strategy_id"], lost["info"]["reassigned_to"]) == (0.0, 1, 2)
    assert [(order["id"], order["status"]) for order in orders] == [(str(resting), "canceled")]
    assert got["id"] == seen["id"] == lost["id"]
    # To who watches everything nothing has ended, nor has it in the caches.
    assert remembered == [("position", "open")]
    assert [(each["contracts"], each["info"]["strategy_id"]) for each in (got, seen)] == [(1.0, 2), (1.0, 2)]
    assert await loser.fetch_positions() == []


async def test_who_reads_the_caches_is_told_what_another_strategy_gets(desk: StreamDesk) -> None:
    ex = desk.exchange(BY_STRATEGY, strategy_id=1)
    ex.newUpdates = False
    calls = await desk.waiting(ex.watch_orders(), ex.watch_positions())
    kept = desk.order("buy", 1, 80, account_id=BY_STRATEGY, strategy_id=1)
    lost = desk.order("buy", 1, 90, account_id=BY_STRATEGY, strategy_id=1)
    traded = desk.order("buy", 1, account_id=BY_STRATEGY, strategy_id=1)
    for call in calls:
        await call
    await until(lambda: len(ex.orders) == 3 and len(ex.positions) == 1)  # type: ignore[arg-type]
    while any(map(len, watchers(ex))):
        [watcher] = [each for each in watchers(ex) if len(each)]
        await (ex.watch_orders if watcher.kind == "order" else ex.watch_positions)()
    calls = await desk.waiting(ex.watch_orders(), ex.watch_positions())
    desk.oms.handle("reassign", {}, {}, {"order_ids": [lost, traded], "strategy_id": 2})
    orders, positions = [await asyncio.wait_for(call, 5) for call in calls]
    assert [(order["id"], order["status"]) for order in orders] == [
        (str(kept), "open"),
        (str(lost), "canceled"),
    ]
    assert [position["contracts"] for position in positions] == [0.0]


async def test_an_order_keeps_its_trades_when_another_strategy_gets_it(desk: StreamDesk) -> None:
    monitor = desk.exchange(BY_STRATEGY)
    desk.oms.set_price(SPOT, bid=100, ask=101, size="0.5")
    [waiting] = await desk.waiting(monitor.watch_orders())
    number = desk.order("buy", 1, 101, account_id=BY_STRATEGY, strategy_id=1)
    orders = await waiting
    desk.oms.handle("reassign", {}, {}, {"order_ids": [number], "strategy_id": 2})
    desk.oms.set_price(SPOT, bid=100, ask=101, size="0.5")
    while orders[-1]["status"] == "open":
        orders += await monitor.watch_orders()
    told = [(order["info"]["strategy_id"], order["filled"], len(order["trades"])) for order in orders]
    assert told[-2:] == [(2, 0.5, 1), (2, 1.0, 2)]


async def test_params_beat_options(desk: StreamDesk) -> None:
    ex = desk.exchange(strategy_id=1)
    first, second = await desk.waiting(ex.watch_orders(), ex.watch_orders(params={"strategy_id": 2}))
    desk.order("buy", 1, 90, strategy_id=2)
    assert {row["info"]["strategy_id"] for row in await second} == {2}
    assert not first.done()


# -- since, limit, newUpdates, watcher, after_seq ------------------------------------------------------


async def test_a_limit_splits_what_came(desk: StreamDesk) -> None:
    ex = desk.exchange()
    [first] = await desk.waiting(ex.watch_orders(limit=2))
    numbers = [str(desk.order("buy", 1, 90)) for _ in range(3)]
    states = [event.payload["id"] for event in desk.events("order_updated")]
    got = []
    batch = await first
    while True:
        assert 1 <= len(batch) <= 2
        got += batch
        if len(got) == len(states):
            break
        batch = await ex.watch_orders(limit=2)
    assert [int(order["id"]) for order in got] == states
    assert {order["id"] for order in got} == set(numbers)


async def test_since_leaves_out_what_is_older_and_waits_for_what_is_not(desk: StreamDesk) -> None:
    ex = desk.exchange()
    old = desk.order("buy", 1, 90)
    desk.oms.advance(60_000)
    [waiting] = await desk.waiting(ex.watch_orders(since=desk.oms.now_ms()))
    desk.command("cancel_order", order_id=old)
    await asyncio.sleep(0.02)
    assert not waiting.done()
    new = desk.order("buy", 1, 90)
    assert {order["id"] for order in await waiting} == {str(new)}


@pytest.mark.parametrize("new_updates", [True, False])
async def test_since_of_positions_is_when_they_changed(desk: StreamDesk, new_updates: bool) -> None:
    """One that was opened before and is closed after it was never told of, nor that it was liquidated."""
    ex = desk.exchange()
    ex.newUpdates = new_updates
    watch = ex.watch_positions
    [waiting] = await desk.waiting(watch())
    desk.order("buy", 2)
    await waiting
    desk.oms.advance(60_000)
    since = desk.oms.now_ms()
    [waiting] = await desk.waiting(watch(since=since))
    desk.order("sell", 2)
    [closed] = await waiting
    assert (closed["contracts"], closed["timestamp"] < since) == (0, True)
    desk.oms.advance(1)
    [waiting] = await desk.waiting(watch(since=since + 2))
    desk.order("buy", 1)
    await asyncio.sleep(0.02)
    assert not waiting.done()
    desk.oms.advance(1)
    desk.order("buy", 1)
    assert [(await waiting)[-1]["contracts"]] == [2]


async def test_without_new_updates_the_cache_is_returned_after_news(desk: StreamDesk) -> None:
    ex = desk.exchange()
    ex.newUpdates = False
    [waiting] = await desk.waiting(ex.watch_orders(SPOT))
    numbers = [desk.order("buy", 1, 90) for _ in range(3)]
    await waiting
    await until(lambda: len(ex.orders) == len(numbers))  # the others come by themselves
    if any(len(watcher) for watcher in watchers(ex)):
        await ex.watch_orders(SPOT)
    [waiting] = await desk.waiting(ex.watch_orders(SPOT))
    desk.command("cancel_order", order_id=numbers[0])
    orders = await waiting
    assert [int(order["id"]) for order in orders] == [*numbers[1:], numbers[0]]
    assert [order["status"] for order in orders] == ["open", "open", "canceled"]
    spoil(orders)
    assert "spoiled" not in repr(ex.orders)
    [waiting] = await desk.waiting(ex.watch_orders(SPOT, None, 1))
    desk.command("cancel_order", order_id=numbers[1])
    [order] = await waiting
    assert order["id"] == str(numbers[1])


async def test_watchers_of_different_names_each_get_everything(desk: StreamDesk) -> None:
    ex = desk.exchange()
    calls = await desk.waiting(
        ex.watch_orders(),
        ex.watch_orders(params={"watcher": "logger"}),
        ex.watch_orders(params={"watcher": 2}),
    )
    desk.order("buy", 1, 90)
    states = len(desk.events("order_updated"))
    for call, params in zip(calls, ({}, {"watcher": "logger"}, {"watcher": 2}), strict=True):
        got = await call
        got += await collected(lambda params=params: ex.watch_orders(params=params), states - len(got))
        assert len(got) == states
    assert len(watchers(ex)) == 3


async def test_the_order_of_symbols_makes_no_other_watcher(desk: StreamDesk) -> None:
    ex = desk.exchange()
    await desk.waiting(
        ex.watch_orders_for_symbols([SPOT, OTHER]), ex.watch_orders_for_symbols([OTHER, SPOT, SPOT])
    )
    assert len(watchers(ex)) == 1


async def test_another_object_goes_on_where_one_has_ended(desk: StreamDesk) -> None:
    ex = desk.exchange()
    [waiting] = await desk.waiting(ex.watch_orders())
    number = desk.order("buy", 1, 90)
    got = await waiting
    seq = desk.oms.last_seq(NETTING)
    while any(len(watcher) for watcher in watchers(ex)):
        got += await ex.watch_orders()
    await ex.close()
    desk.command("cancel_order", order_id=number)
    missed = [event.payload for event in desk.events("order_updated", after=seq)]
    again = desk.exchange()
    got = await collected(lambda: again.watch_orders(params={"after_seq": seq}), len(missed))
    assert [order["info"] for order in got] == missed
    assert got[-1]["status"] == "canceled"
    [waiting] = await desk.waiting(again.watch_orders(params={"after_seq": seq}))  # not once more
    desk.order("buy", 1, 90)
    assert await waiting


async def test_from_the_first_event_on(desk: StreamDesk) -> None:
    trade_a_day(desk)
    ex = desk.exchange()
    for method, name in NAMES.items():
        committed = [event.payload for event in desk.events(name)]
        watch = getattr(ex, method)
        got = await collected(lambda watch=watch: watch(params={"after_seq": 0}), len(committed))
        assert [row["info"] for row in got] == committed
    for order in await ex.watch_orders(params={"after_seq": 0, "watcher": "again"}):
        check_order(order, float, with_trades=True)


async def test_from_the_past_on_while_others_trade(desk: StreamDesk) -> None:
    ex = desk.exchange()
    [waiting] = await desk.waiting(ex.watch_orders())
    for _ in range(200):
        desk.order("buy", "0.1", 90)
    await waiting
    over = asyncio.Event()

    async def trade() -> None:
        while not over.is_set():
            desk.order("buy", "0.1", 90)
            await asyncio.sleep(0.001)

    trading = asyncio.ensure_future(trade())
    got: dict[int, list[Any]] = {}
    for name in range(5):
        params = {"after_seq": 3, "watcher": name}
        got[name] = await collected(lambda params=params: ex.watch_orders(params=params), 150)
    over.set()
    await trading
    committed = [event.payload for event in desk.events("order_updated", after=3)]
    for name, rows in got.items():
        watch = {"watcher": name}
        rows += await collected(lambda watch=watch: ex.watch_orders(params=watch), len(committed) - len(rows))
        assert [row["info"] for row in rows] == committed


async def test_after_an_event_that_is_yet_to_come(desk: StreamDesk) -> None:
    ex = desk.exchange()
    [other] = await desk.waiting(ex.watch_orders())
    with pytest.raises(ccxt.ExchangeError, match="cursor_expired") as info:
        await ex.watch_orders(params={"after_seq": 10_000, "watcher": "late"})
    assert info.value.code == "cursor_expired"
    desk.order("buy", 1, 90)
    assert await other


async def test_one_that_is_too_slow_is_told_and_goes_on_without_a_gap(desk: StreamDesk) -> None:
    ex = desk.exchange(streams={"buffer": 5})
    [waiting] = await desk.waiting(ex.watch_orders())
    before = desk.oms.last_seq(NETTING)
    desk.order("buy", 1, 90)
    got = await waiting
    for _ in range(20):
        desk.order("buy", 1, 90)
    committed = [event.payload for event in desk.events("order_updated", after=before)]
    await until(lambda: all(watcher.ended for watcher in watchers(ex)))
    told, params = 0, {}
    while len(got) < len(committed):
        try:
            got += await ex.watch_orders(params=params)
        except ccxt.ExchangeError as error:
            told, params = told + 1, {"after_seq": vars(error)["after_seq"]}
    assert [order["info"] for order in got] == committed
    assert told > 1


async def test_a_loop_that_gives_the_same_beginning_each_time_goes_on_when_it_was_too_slow(
    desk: StreamDesk,
) -> None:
    before = desk.oms.last_seq(NETTING)
    for _ in range(20):
        desk.order("buy", 1)
    committed = [event.payload["id"] for event in desk.events("deal_created", after=before)]
    ex, got, told = desk.exchange(streams={"buffer": 5}), [], []
    while len(got) < len(committed):
        try:
            got += [int(deal["id"]) for deal in await ex.watch_my_trades(params={"after_seq": before})]
        except ccxt.ExchangeError as error:
            told.append(vars(error)["code"])
    assert got == committed
    assert set(told) == {"slow_consumer"}


# -- caches --------------------------------------------------------------------------------------------


async def test_caches_are_where_users_of_ccxt_look(desk: StreamDesk) -> None:
    ex = desk.exchange(HEDGE)
    calls = await desk.waiting(ex.watch_orders(), ex.watch_my_trades(), ex.watch_positions())
    for _ in range(2):
        desk.order("buy", 1, None, HEDGE)
    await asyncio.gather(*calls)
    await until(lambda: len(ex.myTrades) == 2)
    await until(lambda: len(ex.positions) == 2)  # of one symbol and side, apart by their ids
    assert [order["status"] for order in ex.orders] == ["closed"] * 2
    assert len({position["id"] for position in ex.positions}) == 2
    assert ex.orders.hashmap[SPOT][ex.orders[0]["id"]]["filled"] == 1.0
    for order in ex.orders:
        check_order(order, float, with_trades=True)
    for trade in ex.myTrades:
        check_trade(trade, float)


async def test_caches_are_limited_by_the_options_of_ccxt(desk: StreamDesk) -> None:
    ex = desk.exchange(ordersLimit=2, tradesLimit=1)
    calls = await desk.waiting(ex.watch_orders(), ex.watch_my_trades())
    numbers = [desk.order("buy", "0.1") for _ in range(4)]
    await asyncio.gather(*calls)
    await until(lambda: [order["id"] for order in ex.orders] == [str(each) for each in numbers[-2:]])
    assert [trade["order"] for trade in ex.myTrades] == [str(numbers[-1])]


async def test_a_user_may_forget_a_cache(desk: StreamDesk) -> None:
    ex = desk.exchange()
    [waiting] = await desk.waiting(ex.watch_orders())
    desk.order("buy", 1, 90)
    await waiting
    ex.orders = None
    number = desk.order("buy", 1, 90)
    await until(lambda: ex.orders)
    assert {order["id"] for order in ex.orders} == {str(number)}


# -- the end -------------------------------------------------------------------------------------------


async def test_close_ends_all_calls_within_a_second(desk: StreamDesk) -> None:
    ex = desk.exchange()
    calls = await desk.waiting(*(watch(ex) for watch in WATCH.values()))
    loop = asyncio.get_running_loop()
    began = loop.time()
    closing = asyncio.ensure_future(ex.close())
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in ended] == [ccxt.ExchangeClosedByUser] * len(calls)
    await closing
    assert loop.time() - began < 1
    assert not ex.clients


async def test_close_ends_a_loop_also_in_the_turn_of_the_news() -> None:
    async with stream_desk(False) as desk:
        ex = desk.exchange()

        async def loop() -> None:
            while True:
                await ex.watch_orders()

        watching = asyncio.create_task(loop())
        await until(lambda: any(watcher.waits for watcher in watchers(ex)))
        desk.order("buy", 1)  # the call is awake now, and has not run
        await ex.close()
        with pytest.raises(ccxt.ExchangeClosedByUser):
            await asyncio.wait_for(watching, 5)


async def test_a_closed_object_is_not_watched_until_it_is_opened_again(desk: StreamDesk) -> None:
    ex = desk.exchange()
    await ex.load_markets()
    await ex.close()
    for call in (ex.watch_orders, ex.watch_balance, lambda: ex.watch_ticker(SPOT)):
        with pytest.raises(ccxt.ExchangeClosedByUser):
            await asyncio.wait_for(call(), 5)
    ex.open()
    [waiting] = await desk.waiting(ex.watch_orders())
    number = desk.order("buy", 1, 90)
    assert [order["id"] for order in await waiting] == [str(number)]


async def test_close_also_ends_a_call_that_cannot_connect() -> None:
    ex = OmsCcxtExchange(
        {"timeout_on_exit": 0, "options": {"base_url": "http://127.0.0.1:9", "account_id": 1, "retries": 0}}
    )
    ex._server_features = None
    ex.urls["api"] = "http://127.0.0.1:9"
    call = asyncio.ensure_future(ex.watch_orders())
    await asyncio.sleep(0.05)
    await ex.close()
    with pytest.raises((ccxt.ExchangeClosedByUser, ccxt.NetworkError)):
        await call


async def test_close_also_ends_a_call_that_waits_for_the_socket(served: StreamDesk) -> None:
    ex = served.exchange()
    await ex.load_markets()
    ex.urls["api"] = {"private": ex.urls["api"], "public": ex.urls["api"], "ws": "ws://127.0.0.1:9/ws"}
    calls = [asyncio.ensure_future(WATCH[name](ex)) for name in WATCH]
    await until(lambda: ex._stream_desk is not None and ex._stream_desk._sockets)
    await asyncio.sleep(0.02)
    await ex.close()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in ended] == [ccxt.ExchangeClosedByUser] * len(calls)


@pytest.mark.parametrize("method", WATCH)
async def test_unwatching_ends_its_watcher_and_no_other(desk: StreamDesk, method: str) -> None:
    ex = desk.exchange()
    others = [name for name in WATCH if name != method]
    [call, *rest] = await desk.waiting(WATCH[method](ex), *(WATCH[name](ex) for name in others))
    assert await UNWATCH[method](ex) is not None
    with pytest.raises(ccxt.UnsubscribeError):
        await call
    [again] = await desk.waiting(WATCH[method](ex))
    desk.order("buy", 1)
    for each in (again, *rest):
        assert await each


async def test_unwatching_all_of_them_ends_the_subscription(desk: StreamDesk) -> None:
    ex = desk.exchange()
    calls = await desk.waiting(*(watch(ex) for watch in WATCH.values()))
    for name in WATCH:
        await UNWATCH[name](ex)
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in ended] == [ccxt.UnsubscribeError] * len(calls)
    assert watchers(ex) == []
    desk.order("buy", 1)
    [again] = await desk.waiting(ex.watch_orders())
    number = desk.order("buy", 1, 90)
    assert {order["id"] for order in await again} == {str(number)}


async def test_unwatching_what_is_not_watched(desk: StreamDesk) -> None:
    ex = desk.exchange()
    [call] = await desk.waiting(ex.watch_orders())
    for name in WATCH:
        assert await UNWATCH[name](ex) is not None
    assert not call.done()


@pytest.mark.sockets
async def test_a_key_that_is_disabled_is_told_to_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "KEY_CHECK_SECONDS", 0.02)
    async with stream_desk(True) as served:
        await _disable_a_key(served)


async def _disable_a_key(served: StreamDesk) -> None:
    ex = served.exchange()
    calls = await served.waiting(*(watch(ex) for watch in WATCH.values()))
    idle = ex.watch_orders(params={"watcher": "idle"})
    [waits] = await served.waiting(idle)
    served.order("buy", 1, 90)
    await waits
    await asyncio.gather(*calls[:2])
    key = served.oms.keys.authenticate(ex.apiKey)
    assert key is not None
    served.oms.keys.disable(key.key_id)
    ended = await asyncio.gather(*calls[2:6], return_exceptions=True)
    assert [type(each) for each in ended] == [ccxt.AuthenticationError] * 4
    for params in ({}, {"watcher": "idle"}):
        with pytest.raises(ccxt.AuthenticationError):
            await _for_ever(lambda params=params: ex.watch_orders(params=params))


async def until_told(call: Callable[[], Any], told: list[Any], *wanted: dict[str, Any]) -> None:
    """Until something of each of these values was told.

    :param told: what was told before
    """
    left = [*wanted]
    while left := [each for each in left if not any(each.items() <= row.items() for row in told)]:
        told = await call()


async def _for_ever(call: Callable[[], Any]) -> None:
    """Until it raises: what is undelivered comes first."""
    while True:
        await call()


async def test_sandbox_mode_ends_what_watches_the_other_side(desk: StreamDesk) -> None:
    if desk.served is None:
        sandbox: dict[str, Any] = {"base_url": "embedded:the-other-side", "account_id": 1}
    else:
        sandbox = {"base_url": desk.served.base_url, "account_id": HEDGE, "apiKey": desk.served.api_key}
    ex = desk.exchange(sandbox=sandbox)
    calls = await desk.waiting(*(watch(ex) for watch in WATCH.values()))
    ex.set_sandbox_mode(True)
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in ended] == [ccxt.OperationRejected] * len(calls)
    if desk.served is not None:
        [call] = await desk.waiting(ex.watch_orders())
        desk.order("buy", 1, 90)
        desk.order("buy", 1, 90, HEDGE)
        assert {order["info"]["account_id"] for order in await call} == {HEDGE}
    ex.set_sandbox_mode(False)
    [call] = await desk.waiting(ex.watch_orders())
    desk.order("buy", 1, 90)
    assert {order["info"]["account_id"] for order in await call} == {NETTING}


# -- objects and loops ---------------------------------------------------------------------------------


async def test_a_loop_of_requests_lets_other_tasks_run(desk: StreamDesk) -> None:
    ex = desk.exchange()
    order = await ex.create_order(SPOT, "limit", "buy", 1, 90)

    async def until_it_is_filled() -> int:
        for count in range(100_000):
            if (await ex.fetch_order(order["id"], SPOT))["status"] == "closed":
                return count
        raise AssertionError("the price has not moved")

    async def move_the_price() -> None:
        desk.oms.set_price(SPOT, bid=80, ask=81)

    count, _ = await asyncio.gather(until_it_is_filled(), move_the_price())
    assert count < 100


def test_two_loops_one_after_the_other() -> None:
    ex = OmsCcxtExchange({"timeout_on_exit": 0, "options": {"base_url": "embedded:"}})

    async def trade() -> list[str]:
        watching = asyncio.ensure_future(ex.watch_orders())
        await asyncio.sleep(0)
        await ex.create_order(SPOT, "market", "buy", "0.01")
        return [order["id"] for order in await watching]

    first = asyncio.run(trade())
    second = asyncio.run(trade())
    assert len({*first, *second}) == 2
    asyncio.run(ex.close())


@pytest.mark.sockets
def test_two_loops_over_the_socket() -> None:
    seen = []

    async def trade() -> None:
        async with stream_desk(True) as desk:
            ex = desk.exchange()
            for _ in range(2):
                [watching] = await desk.waiting(ex.watch_orders())
                desk.order("buy", 1, 90)
                seen.append(await watching)
                await asyncio.wait_for(desk.exchange().close(), 1)

    for _ in range(2):
        asyncio.run(trade())
    assert all(seen)


@pytest.mark.parametrize("twin_of", [copy.copy, copy.deepcopy, lambda ex: pickle.loads(pickle.dumps(ex))])
async def test_a_copy_watches_by_itself(desk: StreamDesk, twin_of: Any) -> None:
    ex = desk.exchange()
    [waiting] = await desk.waiting(ex.watch_orders())
    desk.order("buy", 1)
    await waiting
    oms = ex.options.pop("oms", None)  # it cannot be pickled
    twin = desk.opened(twin_of(ex))
    for each in (ex, twin):
        if oms is not None:
            each.options["oms"] = oms
    twin.apiKey, twin.timeout_on_exit = ex.apiKey, 0
    assert [order["id"] for order in twin.orders] == [order["id"] for order in ex.orders]
    first, second = await desk.waiting(_drained(ex), _drained(twin))
    number = desk.order("buy", 1, 90)
    for call in (first, second):
        assert {order["id"] for order in await call} == {str(number)}
    await twin.close()
    [waiting] = await desk.waiting(ex.watch_orders(params={"watcher": "still"}))
    desk.order("buy", 1, 90)
    assert await waiting


async def _drained(ex: Any) -> Any:
    while any(len(watcher) for watcher in watchers(ex)):
        await ex.watch_orders()
    return await ex.watch_orders()


async def test_verbose_shows_frames_and_no_key(served: StreamDesk) -> None:
    ex = served.exchange()
    said: list[str] = []
    ex.verbose = True
    ex.log = lambda *parts: said.append(" ".join(map(str, parts)))
    ex.print = ex.log
    [waiting] = await served.waiting(ex.watch_orders())
    served.order("buy", 1, 90)
    await waiting
    text = "\n".join(said)
    assert "order_updated" in text
    assert '"subscribe"' in text
    assert ex.apiKey not in text
    assert '"auth"' in text


async def test_camel_case_names_are_the_same_methods(desk: StreamDesk) -> None:
    ex: Any = desk.exchange()
    [waiting] = await desk.waiting(ex.watchOrdersForSymbols([SPOT]))
    desk.order("buy", 1, 90)
    assert await waiting
    await ex.unWatchOrdersForSymbols([SPOT])
    assert ex.watchMyTrades.__func__ is OmsCcxtExchange.watch_my_trades
    assert ex.createOrderWs.__func__ is OmsCcxtExchange.create_order_ws
    assert ex.fetchOHLCVWs.__func__ is OmsCcxtExchange.fetch_ohlcv_ws


# -- the connection ------------------------------------------------------------------------------------


async def test_one_socket_for_everything(served: StreamDesk) -> None:
    ex = served.exchange()
    calls = await served.waiting(*(watch(ex) for watch in WATCH.values()))
    await ex.create_order_ws(SPOT, "market", "buy", 1)
    await asyncio.gather(*calls)
    assert len(ex.clients) == 1
    [url] = ex.clients
    assert served.served is not None
    assert url == served.served.base_url.replace("http", "ws") + "/ws"


def _cut(desk: StreamDesk) -> None:
    """Break all connections at the side of the server."""
    assert desk.served is not None
    server = desk.served.runner.server
    assert server is not None

    async def cut() -> None:
        for connection in server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    desk.served.run(cut())


async def test_each_object_has_a_connection_of_its_own(served: StreamDesk) -> None:
    one, other = served.exchange(), served.exchange()
    waiting, _ = await served.waiting(one.watch_orders(), other.watch_orders())
    [client] = one.clients.values()
    assert list(other.clients.values()) != [client]
    assert OmsCcxtExchange.clients == {}  # ccxt's own: that of every exchange
    await other.close()
    assert client.isConnected
    served.order("buy", 1)
    assert await waiting


async def test_a_connection_that_is_lost_is_resumed_without_loss_or_doubling(served: StreamDesk) -> None:
    ex = served.exchange(streams=QUICK)
    begin = served.oms.last_seq(NETTING)
    got: list[Any] = []

    async def read() -> None:
        while True:
            got.extend(await ex.watch_orders())

    await served.waiting(ex.watch_my_trades())
    reader = asyncio.ensure_future(read())
    await until(lambda: len(watchers(ex)) == 2)
    desk = ex._stream_desk
    assert desk is not None
    for number in range(10):
        served.order("buy", "0.1")
        [client] = ex.clients.values()
        if number % 2:
            _cut(served)
        else:
            client.end(ccxt.NetworkError("garbage"))
        served.order("buy", "0.1")
        await until(lambda client=client: client not in ex.clients.values() and desk.socket().is_up)
    committed = [event.payload for event in served.events("order_updated", after=begin)]
    await until(lambda: len(got) >= len(committed))
    reader.cancel()
    await asyncio.wait({reader})
    assert [order["info"] for order in got] == committed


@pytest.mark.sockets
async def test_a_server_that_is_started_anew_is_resumed_without_loss_or_doubling(tmp_path: Any) -> None:
    file = tmp_path / "oms.sqlite"

    def started() -> WatchedOms:
        oms = WatchedOms(db=file)
        oms.set_price(SPOT, bid=100, ask=101)
        return oms

    got: list[Any] = []
    with serve(started()) as served:
        port = int(served.base_url.rpartition(":")[2])
        desk = StreamDesk(served.oms, served)
        ex = desk.exchange(streams=QUICK)
        begin = desk.oms.last_seq(NETTING)
        [waiting] = await desk.waiting(ex.watch_orders())
        number = desk.order("buy", 1, 90)
        got += await waiting
    between = WatchedOms(db=file)
    StreamDesk(between, None).command("cancel_order", order_id=number)
    between.close()
    with serve(started(), port=port) as served:
        desk.oms = served.oms
        last = desk.order("buy", 1)
        while str(last) not in {order["id"] for order in got if order["status"] == "closed"}:
            got += await ex.watch_orders()
        committed = [event.payload for event in desk.events("order_updated", after=begin)]
        got += await collected(ex.watch_orders, len(committed) - len(got))
        assert [order["info"] for order in got] == committed
        await desk.close()


def forget_events(desk: StreamDesk, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    """Let the server keep the last few events only."""
    oms = desk.oms
    events = oms.events

    def newest(account_id: int, after_seq: int, limit: int) -> Any:
        if after_seq < oms.last_seq(account_id) - kept:
            return None
        return events(account_id, after_seq, limit)

    monkeypatch.setattr(oms, "events", newest)


@pytest.mark.parametrize("rounds", [1, 3])
async def test_what_the_server_keeps_no_events_of_is_read(
    served: StreamDesk, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    """Exactly what has changed, and then the events go on."""
    served.order("buy", 1, 80)  # nothing becomes of it
    served.oms.advance(1_000)
    ex = served.exchange(streams=QUICK)
    calls = (ex.watch_orders, ex.watch_my_trades, ex.watch_positions)
    waiting = await served.waiting(*(call() for call in calls))
    gone = served.order("buy", 1, 91)
    bought = served.order("buy", 1)
    begun = [await each for each in waiting]
    await until_told(ex.watch_orders, begun[0], {"id": str(bought), "status": "closed"})

    for number in range(1, rounds + 1):
        await until(lambda: ex._stream_desk.socket().is_up)
        ex._stream_desk.socket().drop("cut by the test")
        with monkeypatch.context() as patch:
            forget_events(served, patch, 2)
            served.command("cancel_order", order_id=gone)
            bought, cancelled = served.order("buy", 2), gone
            gone = served.order("buy", 3, 92)
            orders, trades, positions = [await call() for call in calls]
        states = sorted((int(order["id"]), order["status"]) for order in orders)
        assert states == sorted([(cancelled, "canceled"), (bought, "closed"), (gone, "open")])
        assert [trade["order"] for trade in trades] == [str(bought)]
        [filled] = [order for order in orders if order["status"] == "closed"]
        assert [trade["id"] for trade in filled["trades"]] == [trades[0]["id"]]
        assert [position["contracts"] for position in positions] == [1 + 2 * number]

    resting = served.order("sell", "0.5", 200)
    assert [order["id"] for order in await ex.watch_orders()] == [str(resting)]


async def test_what_came_while_nothing_was_known_cannot_be_read(
    served: StreamDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ex = served.exchange(streams=QUICK)
    served.order("buy", 1, 90)
    [waiting] = await served.waiting(ex.watch_orders())
    ex._stream_desk.socket().drop("cut by the test")
    forget_events(served, monkeypatch, 1)
    served.order("buy", 1)
    with pytest.raises(ccxt.ExchangeError, match="cursor_expired"):
        await waiting
    [waiting] = await served.waiting(ex.watch_orders())
    number = served.order("buy", 1, 90)
    assert [order["id"] for order in await waiting] == [str(number)]


@pytest.mark.sockets
async def test_a_server_that_has_forgotten_everything_says_so_and_is_watched_on() -> None:
    """One in memory that was started anew counts from the beginning."""

    def started() -> WatchedOms:
        oms = WatchedOms()
        oms.set_price(SPOT, bid=100, ask=101)
        return oms

    with serve(started()) as served:
        port = int(served.base_url.rpartition(":")[2])
        desk = StreamDesk(served.oms, served)
        ex = desk.exchange(streams=QUICK)
        [waiting] = await desk.waiting(ex.watch_orders())
        for _ in range(5):
            desk.order("buy", 1)
        await waiting
        rows = served.oms.keys._store.api_keys()  # the same key opens both
    oms = started()
    for row in rows:
        oms.keys._store.add_api_key(row)
    with serve(oms, port=port) as served:
        desk.oms = served.oms
        with pytest.raises(ccxt.ExchangeError, match="cursor_expired"):
            await _for_ever(ex.watch_orders)
        [waiting] = await desk.waiting(ex.watch_orders())
        number = desk.order("buy", 1, 90)
        assert {order["id"] for order in await waiting} == {str(number)}
        await desk.close()


async def test_a_key_of_one_strategy_is_told_what_another_one_gets_and_not_which(served: StreamDesk) -> None:
    _, secret = served.oms.keys.create(strategies=[1])
    config = served.config(BY_STRATEGY) | {"apiKey": secret}
    ex = served.opened(OmsCcxtExchange(config))
    [waiting] = await served.waiting(ex.watch_positions())
    traded = served.order("buy", 1, account_id=BY_STRATEGY, strategy_id=1)
    assert [row["contracts"] for row in await waiting] == [1.0]
    [waiting] = await served.waiting(ex.watch_positions())
    reply = served.oms.handle("reassign", {}, {}, {"order_ids": [traded], "strategy_id": 2})
    assert reply.status == 200
    [lost] = await waiting
    assert (lost["contracts"], lost["info"]["state"]) == (0.0, "closed")
    assert "reassigned_to" not in lost["info"]


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("is_polled", [False, True])
async def test_what_another_one_gets_is_told_where_it_is_read(
    served: StreamDesk, monkeypatch: pytest.MonkeyPatch, is_polled: bool, limited: bool
) -> None:
    config = served.config(BY_STRATEGY, strategy_id=1, streams={**QUICK, "poll_interval": 0.02})
    if limited:
        _, config["apiKey"] = served.oms.keys.create(strategies=[1])
    ex = served.opened(OmsCcxtExchange(config))
    if is_polled:
        monkeypatch.setattr(ex, "_features", await without_events(ex))
    calls = await served.waiting(ex.watch_orders(), ex.watch_positions())
    resting = served.order("buy", 1, 90, account_id=BY_STRATEGY, strategy_id=1)
    traded = served.order("buy", 1, account_id=BY_STRATEGY, strategy_id=1)
    begun = [await call for call in calls]
    both = {"id": str(resting)}, {"id": str(traded), "status": "closed"}
    await until_told(ex.watch_orders, begun[0], *both)
    calls = await served.waiting(ex.watch_orders(), ex.watch_positions())
    if not is_polled:
        ex._stream_desk.socket().drop("cut by the test")
        forget_events(served, monkeypatch, 1)
    served.oms.advance(1)
    served.oms.handle("reassign", {}, {}, {"order_ids": [resting, traded], "strategy_id": 2})
    orders, positions = [await asyncio.wait_for(call, 10) for call in calls]
    getter = None if limited else 2
    lost = [(order["id"], order["status"], order["info"].get("reassigned_to")) for order in orders]
    assert lost == [(str(resting), "canceled", getter)]
    assert [(each["contracts"], each["info"].get("reassigned_to")) for each in positions] == [(0.0, getter)]


async def test_what_another_one_got_is_followed_to_its_end_where_it_is_read(
    served: StreamDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ex = served.exchange(BY_STRATEGY, streams={**QUICK, "poll_interval": 0.02})
    monkeypatch.setattr(ex, "_features", await without_events(ex))
    [waiting] = await served.waiting(ex.watch_positions())
    traded = served.order("buy", 1, account_id=BY_STRATEGY, strategy_id=1)
    assert [row["info"]["strategy_id"] for row in await waiting] == [1]
    served.oms.advance(1)
    served.oms.handle("reassign", {}, {}, {"order_ids": [traded], "strategy_id": 2})
    assert [row["info"]["strategy_id"] for row in await asyncio.wait_for(ex.watch_positions(), 10)] == [2]
    served.oms.advance(1)
    served.order("sell", 1, account_id=BY_STRATEGY, strategy_id=2)
    assert [row["contracts"] for row in await asyncio.wait_for(ex.watch_positions(), 10)] == [0.0]


async def without_events(ex: Any) -> Any:
    """What tells the features of a server whose events say too little, so that everything is read."""
    features = await ex._features() - {Feature.EVENT_ROWS, Feature.EVENT_CURSOR}

    async def fewer() -> Any:
        return features

    return fewer


async def test_a_key_that_sees_some_strategies_only(served: StreamDesk) -> None:
    """Its events have holes; they are no loss."""
    _, secret = served.oms.keys.create(strategies=[2])
    assert served.served is not None
    ex = served.opened(
        OmsCcxtExchange(
            {
                "apiKey": secret,
                "timeout_on_exit": 0,
                "options": {"base_url": served.served.base_url, "account_id": NETTING, "strategy_id": 2},
            }
        )
    )
    [waiting] = await served.waiting(ex.watch_orders())
    served.order("buy", 1, 90, strategy_id=1)
    first = served.order("buy", 1, 90, strategy_id=2)
    served.order("buy", 1, 90, strategy_id=1)
    second = served.order("buy", 1, 90, strategy_id=2)
    got = await waiting
    while str(second) not in {order["id"] for order in got}:
        got += await ex.watch_orders()
    assert {order["id"] for order in got} == {str(first), str(second)}
    assert len(ex.clients) == 1
