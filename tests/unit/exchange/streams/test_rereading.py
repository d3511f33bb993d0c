"""Changes found by reading, on servers that tell of none: every fill once, every state that lasts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest
import pytest_asyncio

from ccxt_driver.exchange.streams.changes import Change, Kind
from ccxt_driver.exchange.streams.differences import KnownState
from ccxt_driver.mappers.order import STATUSES
from tests.helpers.contract_desk import HEDGE, OTHER, SPOT
from tests.helpers.rereading import SERVERS, Followed, Restricted, clean, followed_on, lagging, seen_of

EVERY_SERVER = pytest.mark.parametrize("server", SERVERS)


@pytest_asyncio.fixture
async def account(server: str) -> AsyncIterator[Followed]:
    """Follow an account of which nothing is known."""
    async with followed_on(server) as followed:
        await followed.source.start()
        yield followed


def brief(changes: list[Change]) -> list[tuple[str, str | None, str]]:
    """Kind, state and quantity, in order, without the balance."""
    made = []
    for change in changes:
        row = change.row
        if change.kind is not Kind.BALANCE:
            quantity = row.get("filled_qty") if change.kind is Kind.ORDER else row["qty"]
            made.append((change.kind.value, row.get("status") or row.get("state"), f"{Decimal(quantity):f}"))
    return [(kind, state, quantity.rstrip("0").rstrip(".") or "0") for kind, state, quantity in made]


# -- lives of orders


@EVERY_SERVER
async def test_an_order_that_fills_later(account: Followed) -> None:
    await account.trader.create_order(SPOT, "limit", "buy", 1, 90)
    assert brief(await account.news()) == [("order", "SUBMITTED", "0")]
    assert await account.news() == []

    account.gateway.set_price(SPOT, bid=89, ask="89.5", last=89)
    assert brief(await account.news()) == [
        ("trade", None, "1"),
        ("order", "FILLED", "1"),
        ("position", "open", "1"),
    ]
    assert await account.news() == []


@EVERY_SERVER
async def test_an_order_that_fills_in_parts(account: Followed) -> None:
    order = await account.trader.create_order(SPOT, "limit", "buy", 3, 90)
    await account.news()
    for done in (1, 2, 3):
        account.gateway.set_price(SPOT, bid=89, ask="89.5", last=89, size=1)
        found = brief(await account.news())
        status = "FILLED" if done == 3 else "PARTIALLY_FILLED"
        assert found[:2] == [("trade", None, "1"), ("order", status, str(done))]
    assert [row["order_id"] for row in account.told(Kind.TRADE)] == [int(order["id"])] * 3


async def test_fills_in_many_markets_of_a_venue_that_tells_trades_of_one_at_a_time() -> None:
    markets = [SPOT, OTHER, "SOL/USDT", "XRP/USDT", "LTC/USDT", "BNB/USDT"]
    async with Followed(lagging(symbol_required={"fetch_my_trades"})) as account:
        for symbol in markets:
            account.gateway.set_price(symbol, bid=100, ask=101)
        await account.source.start([Kind.TRADE])
        for symbol in markets:
            await account.trader.create_order(symbol, "limit", "buy", 1, 90)
        for symbol in markets:
            account.gateway.set_price(symbol, bid=89, ask=90)
        for _ in range(len(markets)):
            await account.news()
        assert sorted(row["symbol"] for row in account.told(Kind.TRADE)) == sorted(markets)


@EVERY_SERVER
async def test_an_edit_and_a_cancel(account: Followed) -> None:
    order = await account.trader.create_order(SPOT, "limit", "buy", 1, 90)
    await account.news()
    await account.trader.edit_order(order["id"], SPOT, "limit", "buy", 1, 91)
    [edited] = [change for change in await account.news() if change.kind is Kind.ORDER]
    assert Decimal(edited.row["price"]) == 91
    await account.trader.cancel_order(order["id"])
    assert brief(await account.news()) == [("order", "CANCELED", "0")]
    assert await account.news() == []


@EVERY_SERVER
async def test_what_was_made_and_ended_between_two_reads(account: Followed) -> None:
    order = await account.trader.create_order(SPOT, "limit", "buy", 1, 90)
    await account.trader.cancel_order(order["id"])
    await account.trader.create_order(SPOT, "market", "buy", 2)
    assert brief(await account.news()) == [
        ("trade", None, "2"),
        ("order", "CANCELED", "0"),
        ("order", "FILLED", "2"),
        ("position", "open", "2"),
    ]
    assert await account.news() == []


@EVERY_SERVER
async def test_a_position_that_opens_and_closes_while_one_reads(account: Followed) -> None:
    """Its deals came after the positions had been read: nobody looked for it any more."""
    reader: Any = account.source._reader
    read_open = reader._open_positions

    async def meanwhile(strategy_id: int | None) -> Any:
        rows = await read_open(strategy_id)
        reader._open_positions = read_open
        for side in ("buy", "sell"):
            await account.trader.create_order(OTHER, "market", side, 1)
        return rows

    await account.trader.create_order(SPOT, "market", "buy", 1)
    reader._open_positions = meanwhile
    for _ in range(3):
        await account.news()
    assert len(account.told(Kind.TRADE)) == 3
    theirs = [row for row in account.told(Kind.POSITION) if row["symbol"] == OTHER]
    listed = await account.reader.fetch_positions([OTHER], {"positions": "raw"})
    if listed:  # such a gateway nets nothing
        assert len(theirs) == len(listed) == 2
    else:
        assert [(row["state"], Decimal(row["qty"])) for row in theirs] == [("closed", 0)]
    assert await account.news() == []


@EVERY_SERVER
async def test_a_part_that_filled_before_the_cancel(account: Followed) -> None:
    order = await account.trader.create_order(SPOT, "limit", "buy", 3, 90)
    account.gateway.set_price(SPOT, bid=89, ask="89.5", last=89, size=1)
    await account.trader.cancel_order(order["id"])
    assert brief(await account.news())[:2] == [("trade", None, "1"), ("order", "CANCELED", "1")]
    assert await account.news() == []


@EVERY_SERVER
async def test_a_change_says_whose_it_is(account: Followed) -> None:
    await account.trader.create_order(SPOT, "limit", "buy", 1, 90, {"strategy_id": 2})
    placed, balance = await account.news()
    assert placed[:5] == (Kind.ORDER, 1, 2, SPOT, None)
    assert placed.ts_ms is not None
    assert abs(placed.ts_ms - account.gateway.now_ms()) < 1000
    assert balance[:4] == (Kind.BALANCE, 1, None, None)


# -- what there was before


@EVERY_SERVER
async def test_what_there_was_before_is_not_told(server: str) -> None:
    async with followed_on(server) as account:
        open_order = await account.trader.create_order(SPOT, "limit", "buy", 1, 90)
        await account.trader.create_order(SPOT, "market", "buy", 1)
        gone = await account.trader.create_order(SPOT, "limit", "buy", 1, 80)
        await account.trader.cancel_order(gone["id"])
        await account.source.start()
        assert await account.news() == []

        account.gateway.set_price(SPOT, bid=89, ask="89.5", last=89)
        found = await account.news()
        assert brief(found)[:2] == [("trade", None, "1"), ("order", "FILLED", "1")]
        assert found[1].row["id"] == int(open_order["id"])


@EVERY_SERVER
@pytest.mark.parametrize("moment", ["orders_open", "orders_history", "deals", "positions_open"])
async def test_an_order_that_is_placed_while_it_begins(
    server: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with followed_on(server) as account:
        ids: list[int] = []
        answered = account.gateway.handle

        def handle(endpoint: str, *args: Any, **kwargs: Any) -> Any:
            reply = answered(endpoint, *args, **kwargs)
            if endpoint == moment and not ids:
                payload = {"symbol": SPOT, "side": "buy", "order_type": "limit", "qty": "1", "price": "90"}
                command = {"account_id": 1, "command": "send_order", "payload": payload}
                ids.append(answered("commands", {}, {}, command).body["results"][0]["order_id"])
            return reply

        monkeypatch.setattr(account.gateway, "handle", handle)
        await account.source.start()
        await account.news()
        await account.trader.cancel_order(str(ids[0]))
        assert brief(await account.news()) == [("order", "CANCELED", "0")]


@EVERY_SERVER
async def test_a_kind_that_is_wanted_later_begins_then(server: str) -> None:
    async with followed_on(server) as account:
        await account.source.start([Kind.BALANCE])
        await account.trader.create_order(SPOT, "market", "buy", 1)
        assert {change.kind for change in await account.news()} == {Kind.BALANCE}
        await account.source.start([Kind.ORDER])
        assert await account.news() == []
        await account.trader.create_order(SPOT, "market", "buy", 1)
        kinds = [change.kind for change in await account.news()]
        assert kinds[:2] == [Kind.TRADE, Kind.ORDER]
        assert Kind.POSITION not in kinds


ORDER, TRADE, POSITION, BALANCE = ([kind] for kind in Kind)
REQUESTS = [
    ("lagging", ORDER, {"orders_open": 1, "ccxt_call": 1, "orders_history": 1, "reconcile": 1, "deals": 1}),
    ("lagging", TRADE, {"reconcile": 1, "deals": 1}),
    ("lagging", POSITION, {"reconcile": 1, "deals": 1, "positions_open": 1}),
    ("lagging", BALANCE, {"ccxt_core": 1}),
    ("plain", ORDER, {"orders_open": 1, "orders_history": 1, "deals": 1}),
    ("plain", TRADE, {"deals": 1}),
    ("filters", POSITION, {"deals": 1, "positions_open": 1}),
    ("filters", BALANCE, {"ccxt_core": 1}),
]
"""What one read of an account costs of which nothing has come, as the documentation says."""


@pytest.mark.parametrize("server, kinds, requests", REQUESTS)
async def test_what_a_quiet_read_costs(server: str, kinds: list[Kind], requests: dict[str, int]) -> None:
    async with followed_on(server) as account:
        await account.trader.create_order(SPOT, "limit", "buy", 1, 90)
        await account.source.start(kinds)
        await account.news()
        account.gateway.requests.clear()
        before = account.source.reads
        await account.news()
        reads = account.source.reads - before
        asked = Counter(endpoint for endpoint, _ in account.gateway.requests)
        assert asked == {endpoint: number * reads for endpoint, number in requests.items()}


# -- positions


@pytest.mark.parametrize("server", ["plain", "filters"])
async def test_a_position_that_closes(server: str) -> None:
    """On a gateway that lags nothing is netted."""
    async with followed_on(server) as account:
        await account.source.start()
        await account.trader.create_order(SPOT, "market", "buy", 2)
        await account.news()
        await account.trader.create_order(SPOT, "market", "sell", 2)
        assert brief(await account.news())[-1] == ("position", "closed", "0")
        await account.trader.create_order(SPOT, "market", "buy", 1)
        await account.trader.create_order(SPOT, "market", "sell", 1)
        found = await account.news()
        assert brief(found)[-1] == ("position", "closed", "0"), "opened and closed between two reads"
        assert await account.news() == []


class HedgeAccount(Followed):
    """The account of the gateway that keeps positions side by side."""

    account_id = HEDGE


async def test_a_position_of_a_hedge_account_that_closes_on_a_lagging_gateway() -> None:
    async with HedgeAccount(lagging()) as account:
        await account.source.start()
        await account.trader.create_order(SPOT, "market", "buy", 2)
        found = await account.news()
        assert brief(found)[-1] == ("position", "open", "2")
        position_id = account.told(Kind.POSITION)[-1]["id"]
        params = {"position_id": position_id, "reduceOnly": True}
        await account.trader.create_order(SPOT, "market", "sell", 2, None, params)
        found = await account.news()
        assert brief(found)[-1] == ("position", "closed", "0")
        assert account.told(Kind.POSITION)[-1]["id"] == position_id
        assert await account.news() == []


async def test_positions_that_were_merged_are_closed_though_no_page_shows_them() -> None:
    async with HedgeAccount(lagging()) as account:
        await account.source.start()
        for _ in range(2):
            await account.trader.create_order(SPOT, "market", "buy", 1)
        await account.news()
        source, target = sorted(account.source.known.positions)
        await account.trader.merge_positions(source, target)
        found = [change.row for change in await account.news() if change.kind is Kind.POSITION]
        assert {row["id"]: (row["state"], Decimal(row["qty"])) for row in found} == {
            source: ("closed", 0),
            target: ("open", 2),
        }
        assert await account.news() == []


# -- gateways that lag


async def test_orders_past_the_oms_are_told_when_it_learns_of_them() -> None:
    async with Followed(lagging()) as account:
        await account.source.start()
        account.gateway.venue_call(1, "create_order", SPOT, "market", "buy", 1)
        found = brief(await account.news())
        assert found[:2] == [("trade", None, "1"), ("order", "FILLED", "1")]
        assert await account.news() == []


@pytest.mark.parametrize("apart_ms", [4_000, 2_000])
async def test_more_trades_than_one_reconcile_reads(apart_ms: int) -> None:
    """Of more than 200 in ten minutes it learns when these are over, and not before."""
    async with Followed(lagging(reconcile_limit=200)) as account:
        await account.source.start()
        account.gateway.advance(700_000)
        for _ in range(450):
            account.gateway.venue_call(1, "create_order", SPOT, "market", "buy", 0.1)
            account.gateway.advance(apart_ms)
        await account.news()
        assert (len(account.told(Kind.TRADE)) == 450) == (apart_ms == 4_000)
        account.gateway.advance(600_000)
        await account.news()
        assert len({row["id"] for row in account.told(Kind.TRADE)}) == 450
        assert len(account.told(Kind.TRADE)) == len(account.told(Kind.ORDER)) == 450
        assert await account.news() == []


async def test_a_refused_order_is_rejected_and_told_once() -> None:
    async with Followed(lagging()) as account:
        await account.source.start()
        with pytest.raises(ccxt.InsufficientFunds):
            await account.reader.create_order(SPOT, "limit", "buy", 5_000, 100)
        assert brief(await account.news()) == [("order", "REJECTED", "0")]
        assert await account.news() == []


async def test_an_order_whose_answer_was_lost_is_told_by_its_truth() -> None:
    async with Followed(lagging()) as account:
        await account.source.start()
        account.gateway.lose_next_venue_answer()
        await account.trader.create_order(SPOT, "market", "buy", 1)  # the trader looks it up at the venue
        await account.news()
        account.gateway.advance(120_000)
        await account.news()
        assert len(account.told(Kind.TRADE)) == 1
        assert [state[0] for state in account.last_orders().values()] == ["closed"]


# -- keys that are limited to strategies


@pytest.mark.parametrize("server", ["lagging", "plain"])
async def test_a_key_that_is_limited_to_strategies(server: str) -> None:
    whole = lagging() if server == "lagging" else clean()
    options = {} if server == "lagging" else {"truth": "oms"}
    async with Followed(whole) as everything:
        own = Followed(Restricted(whole, [1, 2]), None if server == "lagging" else (), **options)
        try:
            await own.reader.load_markets()
            await own.source.start([Kind.ORDER, Kind.POSITION])
            trader = everything.trader
            resting = await trader.create_order(SPOT, "limit", "buy", 1, 90, {"strategy_id": 2})
            await trader.create_order(SPOT, "market", "buy", 1, None, {"strategy_id": 1})
            await trader.create_order(SPOT, "market", "buy", 3, None, {"strategy_id": 3})
            await own.news()
            whole.set_price(SPOT, bid=89, ask="89.5", last=89)
            await own.news()
            assert sorted(Decimal(row["qty"]) for row in own.told(Kind.TRADE)) == [1, 1]
            assert {row["strategy_id"] for row in own.told(Kind.ORDER)} == {1, 2}
            assert own.last_orders()[int(resting["id"])][0] == "closed"
        finally:
            await own.source.aclose()
            await own.reader.close()
            await own.trader.close()


async def test_the_configured_strategy_does_not_hide_the_others() -> None:
    async with Followed(lagging(), None, strategy_id=1) as account:
        await account.source.start()
        await account.trader.create_order(SPOT, "limit", "buy", 1, 90, {"strategy_id": 2})
        assert brief(await account.news()) == [("order", "SUBMITTED", "0")]


# -- a state that events have made


@pytest.mark.parametrize("server", ["plain", "filters"])
async def test_from_rows_that_are_known_on_everything_is_told(server: str) -> None:
    async with followed_on(server) as account:
        trader, gateway = account.trader, account.gateway
        await trader.create_order(OTHER, "market", "buy", 1)
        kept = await trader.create_order(SPOT, "limit", "buy", 1, 90)
        gone = await trader.create_order(SPOT, "limit", "buy", 1, 95)
        gateway.advance(1_000)
        body = gateway.handle("orders_open", {}, {"account_ids": 1}, None).body
        known = KnownState(1, since_ms=gateway.now_ms())
        known.take(Change(Kind.ORDER, 1, 0, SPOT, 7, 0, row) for row in body["items"])
        gateway.advance(1_000)
        await trader.cancel_order(gone["id"])
        await trader.create_order(SPOT, "market", "buy", 2)

        account.source.known = known
        await account.source.start()
        await account.news()
        assert [Decimal(row["qty"]) for row in account.told(Kind.TRADE)] == [2]
        states = {order_id: state[0] for order_id, state in account.last_orders().items()}
        assert states == {int(gone["id"]): "canceled", max(states): "closed"}
        assert int(kept["id"]) not in states
        [position] = account.told(Kind.POSITION)
        assert (position["symbol"], Decimal(position["qty"])) == (SPOT, 2)


# -- whatever happens


@EVERY_SERVER
@pytest.mark.parametrize("seed", range(3))
async def test_random_trading_is_told_whole(server: str, seed: int) -> None:
    """Fills, and where each order stands at the end, are those of the server, or of its venue."""
    rng = random.Random(seed)
    async with followed_on(server) as account:
        await account.source.start()
        orders: list[str] = []
        for _ in range(60):
            await step(rng, account, orders)
            if rng.random() < 0.4:
                await account.news()
        await assert_told_whole(account)


@EVERY_SERVER
@pytest.mark.parametrize("seed", range(3))
async def test_trading_between_the_requests_of_a_read_is_told_whole(
    server: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(1_000 + seed)
    async with followed_on(server) as account:
        answered = account.gateway.handle
        trades = True

        def handle(*args: Any, **kwargs: Any) -> Any:
            reply = answered(*args, **kwargs)
            if trades and rng.random() < 0.3:
                interfere(rng, account.gateway, answered)
            return reply

        await account.source.start()
        monkeypatch.setattr(account.gateway, "handle", handle)
        for _ in range(25):
            await account.news()
        trades = False
        await assert_told_whole(account)


def interfere(rng: random.Random, gateway: Any, handle: Any) -> None:
    """Let one thing happen while somebody reads."""
    what, bid = rng.choice(["limit", "market", "cancel", "price"]), rng.choice([84, 89, 94, 98, 100])
    if what == "price":
        gateway.set_price(SPOT, bid=bid, ask=bid + 1, last=bid, size=rng.choice([1, 2, None]))
        return
    order = {"symbol": SPOT, "side": "buy", "order_type": what, "qty": "2", "price": str(bid)}
    payload = {key: value for key, value in order.items() if key != "price" or what == "limit"}
    if what == "cancel":
        listed = handle("orders_open", {}, {"account_ids": 1, "cache": "false"}, None).body["items"]
        if not listed:
            return
        payload = {"order_id": rng.choice(listed)["id"]}
    command = "cancel_order" if what == "cancel" else "send_order"
    handle("commands", {}, {}, {"account_id": 1, "command": command, "payload": payload})


@pytest.mark.parametrize("server", ["plain", "filters"])
@pytest.mark.parametrize("seed", range(3))
async def test_what_goes_from_strategy_to_strategy_is_told_to_its_end(server: str, seed: int) -> None:
    rng = random.Random(seed)
    make, features, options = SERVERS[server]
    async with HedgeAccount(make(), features, **options) as account:
        await account.source.start()
        orders: list[str] = []
        for _ in range(60):
            await hand_over(rng, account, orders)
            if rng.random() < 0.7:
                await account.news()
        await account.news()
        for strategy in (None, 1, 2, 3):
            for kind in (Kind.ORDER, Kind.POSITION):
                assert left_open(account, kind, strategy) == await listed_open(account, kind, strategy)


async def hand_over(rng: random.Random, account: Followed, orders: list[str]) -> None:
    """Trade for a strategy, or give what one has to another."""
    trader, params = account.trader, {"strategy_id": rng.choice([1, 2, 3])}
    account.gateway.advance(1_000)
    if orders and rng.random() < 0.4:
        await trader.reassign([rng.choice(orders[-5:])], params["strategy_id"])
    elif rng.random() < 0.6:
        kind, price = rng.choice([("limit", rng.choice([85, 90, 95])), ("market", None)])
        orders.append((await trader.create_order(SPOT, kind, "buy", 1, price, params))["id"])
    elif rng.random() < 0.5:
        held = await trader.fetch_positions()
        if held:
            await trader.close_position(SPOT, None, {"position_id": rng.choice(held)["id"]})
    else:
        bid = rng.choice([84, 89, 94, 98, 100])
        account.gateway.set_price(SPOT, bid=bid, ask=bid + 1, last=bid)


def left_open(account: Followed, kind: Kind, strategy: int | None) -> dict[str, int]:
    """Whose is what is open, to one who was told of a strategy only; None: of all."""
    found: dict[str, int] = {}
    for change in account.published:
        if change.kind is not kind or (change.leaves if strategy is None else change.strategy_id != strategy):
            continue
        row = change.row
        found.pop(str(row["id"]), None)
        if row.get("state") == "open" or STATUSES.get(row.get("status", "")) == "open":
            found[str(row["id"])] = row["strategy_id"]
    return found


async def listed_open(account: Followed, kind: Kind, strategy: int | None) -> dict[str, int]:
    params: dict[str, Any] = {} if strategy is None else {"strategy_id": strategy}
    if kind is Kind.ORDER:
        rows = await account.trader.fetch_open_orders(None, None, None, params)
    else:
        rows = await account.trader.fetch_positions(None, params | {"positions": "raw"})
    return {row["id"]: row["info"]["strategy_id"] for row in rows}


async def assert_told_whole(account: Followed) -> None:
    """What was published is what there is."""
    await account.news()
    await account.news()
    true = {each["id"]: each for each in await account.trader.fetch_orders(None, 0, None)}
    told = {str(order_id): state for order_id, state in account.last_orders().items()}
    assert told.keys() == true.keys()
    for order_id, (status, filled, amount) in told.items():
        order = true[order_id]
        assert (status, float(filled), float(amount)) == (order["status"], order["filled"], order["amount"])
    assert len(told) > 5
    trades = await account.trader.fetch_my_trades(None, 0)
    fills = Counter(str(row["id"]) for row in account.told(Kind.TRADE))
    assert fills == Counter(trade["id"] for trade in trades)
    assert_no_step_back(account)
    positions = {str(each): Decimal(row["qty"]) for each, row in account.source.known.positions.items()}
    held = await account.trader.fetch_positions(None, {"positions": "raw"})
    assert positions == {each["id"]: Decimal(str(each["contracts"])) for each in held}


async def step(rng: random.Random, account: Followed, orders: list[str]) -> None:
    """Let one thing happen."""
    trader, what = (
        account.trader,
        rng.choice(["limit", "limit", "market", "price", "price", "cancel", "edit"]),
    )
    amount, price = rng.choice([1, 2, 3]), rng.choice([85, 90, 95, 99])
    if what == "limit":
        orders.append((await trader.create_order(SPOT, "limit", "buy", amount, price))["id"])
    elif what == "market":
        await trader.create_order(SPOT, "market", rng.choice(["buy", "sell"]), 1)
    elif what == "price":
        bid = rng.choice([84, 89, 94, 98, 100])
        account.gateway.set_price(SPOT, bid=bid, ask=bid + 1, last=bid, size=rng.choice([1, 2, None]))
    elif orders:
        order_id = rng.choice(orders)
        try:
            if what == "cancel":
                await trader.cancel_order(order_id)
            else:
                await trader.edit_order(order_id, SPOT, "limit", "buy", amount, price)
        except (ccxt.OrderNotFound, ccxt.InvalidOrder, ccxt.NotSupported):
            orders.remove(order_id)  # it has ended, or cannot be changed
    account.gateway.advance(rng.choice([0, 700, 5_000]))


def assert_no_step_back(account: Followed) -> None:
    """No order is open again after its end, none fills less than before, no state is told twice."""
    before: dict[int, tuple[Any, ...]] = {}
    for row in account.told(Kind.ORDER):
        state = (*seen_of(row), row.get("price"))
        known = before.get(row["id"])
        if known is not None:
            assert known != state
            assert known[1] <= state[1]
            assert known[0] == "open"
        before[row["id"]] = state


async def test_of_long_lists_the_end_is_read() -> None:
    """Whatever has come between two reads, and however the pages have moved."""
    async with followed_on("plain") as account:
        price = account.gateway.set_price
        for _ in range(390):
            await account.trader.create_order(SPOT, "market", "buy", 0.1)
        await account.source.start()
        resting = await account.trader.create_order(SPOT, "limit", "buy", 1, 90)
        for number in (5, 450, 1):
            known = len(account.published)  # a read may be made between two of the orders
            for _ in range(number):
                await account.trader.create_order(SPOT, "market", "buy", 0.1)
            await account.news()
            found = account.published[known:]
            assert sum(change.kind is Kind.TRADE for change in found) == number
            assert sum(change.row.get("status") == "FILLED" for change in found) == number
        account.gateway.requests.clear()
        before = account.source.reads
        assert await account.news() == []
        asked = Counter(endpoint for endpoint, _ in account.gateway.requests)
        assert asked["deals"] <= 2 * (account.source.reads - before)
        price(SPOT, bid=80, ask=81, last=80)
        found = await account.news()
        assert [change.row["id"] for change in found if change.kind is Kind.ORDER] == [int(resting["id"])]
