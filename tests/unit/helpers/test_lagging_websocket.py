"""The socket of the lagging gateway shows every defect that was measured; its seconds are virtual."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from tests.helpers.lagging import LaggingGateway, lagging_app
from tests.helpers.virtual_loop import run_virtually

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
NETTING, HEDGE = 1, 2
DAYS = {"start_date": "2000-01-01", "end_date": "2100-01-01"}


class Wire:
    """A client of the socket that knows nothing of the driver."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.ids = count(1)

    async def send(self, action: str, payload: Any = None, **more: Any) -> int:
        request_id = next(self.ids)
        await self.ws.send_json({"id": request_id, "action": action, "payload": payload or {}, **more})
        return request_id

    async def next(self) -> dict[str, Any]:
        message = await self.ws.receive(timeout=100)
        assert message.type is WSMsgType.TEXT, message
        frame: dict[str, Any] = message.json()
        return frame

    async def ask(self, action: str, payload: Any = None, **more: Any) -> dict[str, Any]:
        """The answer to a frame that is answered at once."""
        request_id = await self.send(action, payload, **more)
        frame = await self.next()
        assert frame["id"] == request_id
        return frame

    async def subscribe(self, *account_ids: int) -> None:
        answer = await self.ask("subscribe", {"account_ids": [*account_ids], "with_snapshot": False})
        assert answer["event"] == "subscribed"

    async def command(self, name: str, account_id: int = NETTING, **payload: Any) -> dict[str, Any]:
        body = {"account_id": account_id, "command": name, "payload": payload}
        answer = await self.ask("command", body, namespace="position")
        result: dict[str, Any] = answer["payload"]
        return result

    async def buy(self, account_id: int = NETTING, **payload: Any) -> int:
        order = {"symbol": SWAP, "side": "buy", "order_type": "limit", "price": "90", "qty": 1}
        result = await self.command("send_order", account_id, **{**order, **payload})
        assert result["ok"], result
        return int(result["order_id"])

    async def events(self, seconds: float = 3.0) -> list[dict[str, Any]]:
        """What is pushed within some time."""
        found = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found.append(await self.next())
        except TimeoutError:
            return found

    async def names(self, seconds: float = 3.0) -> list[str]:
        return [frame["event"] for frame in await self.events(seconds)]

    async def closed_with(self) -> int | None:
        message = await self.ws.receive(timeout=100)
        assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED), message
        return self.ws.close_code


class Desk:
    """A gateway on a port."""

    def __init__(self, gateway: LaggingGateway, url: str, session: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.url = url
        self.session = session

    async def connect(self, secret: str | None = None) -> Wire:
        """A connection whose hello has been read."""
        headers = {"x-api-key": secret or self.gateway.keys.create()[1]}
        wire = Wire(await self.session.ws_connect(f"{self.url}/ws", headers=headers))
        assert (await wire.next())["id"] == "server-hello"
        return wire

    def rows(self, endpoint: str) -> list[dict[str, Any]]:
        query = {"account_ids": NETTING, "cache": "false", **DAYS}
        return list(self.gateway.handle(endpoint, {}, query, None).body["items"])


@asynccontextmanager
async def desk_of(**options: Any) -> AsyncIterator[Desk]:
    gateway = LaggingGateway(**options)
    for symbol in (SPOT, SWAP):
        gateway.set_price(symbol, bid=100, ask=101, last=100)
    runner = web.AppRunner(lagging_app(gateway), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield Desk(gateway, f"http://127.0.0.1:{runner.addresses[0][1]}", session)
    await runner.cleanup()
    gateway.close()


def on_a_desk(test: Callable[[Desk], Awaitable[None]]) -> Callable[[], None]:
    """Run a test of a desk in virtual time."""

    async def main() -> None:
        async with desk_of() as desk:
            await test(desk)

    def run() -> None:
        run_virtually(main())

    run.__name__ = test.__name__
    return run


# -- beside it


@on_a_desk
async def test_a_page_with_a_merged_position_is_a_text_and_no_json(desk: Desk) -> None:
    """So it is in this process, too; over HTTP it was an error of the contract's shape."""
    order = {"symbol": SPOT, "side": "buy", "order_type": "market", "qty": "1"}
    for _ in range(2):
        body = {"account_id": HEDGE, "command": "send_order", "payload": order}
        assert desk.gateway.handle("commands", {}, {}, body).status == 200
    desk.gateway.handle("reconcile", {}, {}, {"account_id": HEDGE})
    mine = {"account_ids": HEDGE, "cache": "false"}
    items = desk.gateway.handle("positions_open", {}, mine, None).body["items"]
    ids = {"source_position_id": items[0]["id"], "target_position_id": items[1]["id"], "stop_mode": "keep"}
    body = {"account_id": HEDGE, "command": "merge_positions", "payload": ids}
    assert desk.gateway.handle("commands", {}, {}, body).status == 200
    headers = {"x-api-key": desk.gateway.keys.create()[1]}
    for query, status in (({**mine, **DAYS}, 500), ({**mine, **DAYS, "page": 9}, 200)):
        params = {name: str(value) for name, value in query.items()}
        async with desk.session.get(
            f"{desk.url}/oms/positions/history", params=params, headers=headers
        ) as answer:
            assert answer.status == status
            assert (await answer.text() == "Internal Server Error") is (status == 500)


# -- coming in


@on_a_desk
async def test_a_wrong_key_in_the_header_is_let_in_and_shown_the_door_without_a_word(desk: Desk) -> None:
    wire = Wire(await desk.session.ws_connect(f"{desk.url}/ws", headers={"x-api-key": "wrong"}))

    assert await wire.closed_with() == 1008


@on_a_desk
async def test_without_a_key_only_ping_and_auth_are_answered(desk: Desk) -> None:
    wire = Wire(await desk.session.ws_connect(f"{desk.url}/ws"))
    assert (await wire.next())["event"] == "connected"

    assert (await wire.ask("ping"))["event"] == "pong"
    refused = await wire.ask("subscribe", {"account_ids": [NETTING]})
    assert (refused["ok"], refused["payload"]["code"]) == (False, "not_authenticated")
    wrong = await wire.ask("auth", {"api_key": "wrong"})
    assert wrong["payload"]["message"] == "invalid_api_key"
    right = await wire.ask("auth", {"api_key": desk.gateway.keys.create()[1]})
    assert right["event"] == "authenticated"
    await wire.subscribe(NETTING)


# -- subscribing


@on_a_desk
async def test_accounts_that_the_key_may_not_read_are_left_out(desk: Desk) -> None:
    wire = await desk.connect(desk.gateway.keys.create([HEDGE])[1])

    answer = await wire.ask("subscribe", {"account_ids": [NETTING, HEDGE], "with_snapshot": False})
    assert answer["payload"] == {"namespaces": ["position"], "account_ids": [HEDGE]}
    nothing = await wire.ask("subscribe", {"account_ids": [NETTING]})
    assert nothing["payload"]["code"] == "permission_denied"


@on_a_desk
async def test_a_key_of_some_strategies_is_refused(desk: Desk) -> None:
    wire = await desk.connect(desk.gateway.keys.create(strategies=[1])[1])

    answer = await wire.ask("subscribe", {"account_ids": [NETTING]})
    assert answer["payload"]["code"] == "permission_denied"


@on_a_desk
async def test_a_new_subscription_replaces_the_former(desk: Desk) -> None:
    wire = await desk.connect()
    await wire.subscribe(NETTING)
    await wire.subscribe(HEDGE)

    await wire.buy(NETTING)
    await wire.buy(HEDGE)
    assert [frame["payload"]["account_id"] for frame in await wire.events()] == [HEDGE]


@on_a_desk
async def test_a_snapshot_has_times_with_a_space_and_comes_from_the_cache(desk: Desk) -> None:
    wire = await desk.connect()
    await wire.buy()
    await wire.send("subscribe", {"account_ids": [NETTING]})

    names = [await wire.next() for _ in range(4)]
    assert [frame["event"] for frame in names] == [
        "subscribed",
        "snapshot_open_orders",
        "snapshot_open_positions",
        "snapshot_done",
    ]
    (row,) = names[1]["payload"]["items"]
    assert row["created_at"] == "2026-01-01 00:00:00"
    assert names[3]["payload"]["accounts"] == [{"account_id": NETTING, "open_orders": 1, "open_positions": 0}]

    desk.gateway._tables.add_order(  # past the commands: nothing tells the cache
        account_id=NETTING, symbol=SWAP, side="buy", order_type="limit", qty=row["qty"]
    )
    for waited, rows in ((0, 1), (5_000, 2)):
        desk.gateway.advance(waited)
        await wire.send("subscribe", {"account_ids": [NETTING]})
        await wire.next()
        assert len((await wire.next())["payload"]["items"]) == rows
        await wire.next()
        await wire.next()


# -- commands and calls


@on_a_desk
async def test_a_command_that_cannot_be_read_is_answered_without_its_id(desk: Desk) -> None:
    wire = await desk.connect()

    for payload in ({"account_id": NETTING, "command": "send_order", "payload": {"what": 1}}, {}):
        await wire.send("command", payload, namespace="position")
        frame = await wire.next()
        assert (frame["id"], frame["event"], frame["payload"]["code"]) == (None, "error", "internal_error")
    await wire.ws.send_str("no JSON")
    assert (await wire.next())["id"] is None


@on_a_desk
async def test_a_refused_command_says_so_in_its_result_and_has_no_event(desk: Desk) -> None:
    wire = await desk.connect()
    await wire.subscribe(NETTING)

    result = await wire.command("cancel_order", order_id=4711)
    assert (result["ok"], result["error"]["message"]) == (False, "order_not_found")
    rejected = await wire.command("send_order", symbol=SPOT, side="buy", order_type="market", qty="10000000")
    assert (rejected["ok"], rejected["order_id"]) == (False, None)
    assert await wire.names() == []


@on_a_desk
async def test_the_venue_is_called(desk: Desk) -> None:
    wire = await desk.connect()
    call = {"account_id": NETTING, "func": "fetch_ticker", "args": [SPOT]}

    assert (await wire.ask("call", call, namespace="ccxt"))["payload"]["result"]["bid"] == 100
    wrong = await wire.ask("call", {**call, "func": "describe"}, namespace="ccxt")
    assert wrong["payload"]["code"] == "ccxt_error"
    assert "await" in wrong["payload"]["detail"]


# -- events


@on_a_desk
async def test_events_have_ids_and_no_rows_no_number_and_no_time(desk: Desk) -> None:
    wire = await desk.connect()
    await wire.subscribe(NETTING)
    order_id = await wire.buy()
    await wire.command("change_order", order_id=order_id, new_price="91", new_qty="1")
    await wire.command("cancel_order", order_id=order_id)
    await wire.buy()
    await wire.command("cancel_all_orders")

    events = await wire.events()
    assert [(frame["event"], *sorted(frame["payload"])) for frame in events] == [
        ("order_submitted", "account_id", "command_id", "exchange_order_id", "order_id"),
        ("order_changed", "account_id", "command_id", "order_id"),
        ("order_canceled", "account_id", "command_id", "order_id"),
        ("order_submitted", "account_id", "command_id", "exchange_order_id", "order_id"),
        (
            *("orders_canceled_batch", "account_id", "canceled_order_ids", "command_id", "command_type"),
            "skipped_order_ids",
        ),
    ]
    assert {frame["id"] for frame in events} == {None}
    assert not {"seq", "prev_seq", "ts_ms"} & events[0].keys()


@on_a_desk
async def test_a_fill_is_told_by_nobody_before_somebody_reconciles(desk: Desk) -> None:
    wire = await desk.connect()
    await wire.subscribe(NETTING)
    await wire.buy()
    await wire.names()

    desk.gateway.set_price(SWAP, bid=89, ask=90)
    assert await wire.names(20) == []
    async with desk.session.post(
        f"{desk.url}/oms/reconcile",
        json={"account_id": NETTING},
        headers={"x-api-key": desk.gateway.keys.create()[1]},
    ) as response:
        assert response.status == 200
    created, tick = await wire.events()
    assert created["event"] == "deal_created"
    assert not {"qty", "price", "fee"} & created["payload"].keys()
    assert (tick["event"], tick["payload"]["trades_count"]) == ("reconciliation_tick", 1)


@on_a_desk
async def test_an_event_comes_up_to_a_second_late(desk: Desk) -> None:
    wire = await desk.connect()
    await wire.subscribe(NETTING)
    await asyncio.sleep(0.7)
    loop = asyncio.get_running_loop()
    sent = loop.time()
    await wire.buy()
    assert (await wire.next())["event"] == "order_submitted"

    assert 0.9 < loop.time() - sent <= 1.1


@on_a_desk
async def test_whoever_sends_something_known_every_second_gets_no_events(desk: Desk) -> None:
    wire = await desk.connect()
    await wire.subscribe(NETTING)
    await wire.buy()

    for _ in range(20):
        await asyncio.sleep(0.9)
        assert (await wire.ask("ping"))["event"] == "pong"
    assert await wire.names() == ["order_submitted"]


@on_a_desk
async def test_an_unknown_action_fetches_the_events_at_once(desk: Desk) -> None:
    wire = await desk.connect()
    await wire.subscribe(NETTING)
    await wire.buy()

    refused = await wire.ask("nudge")
    assert (refused["ok"], refused["payload"]["code"]) == (False, "unsupported_action")
    assert await wire.names(0.05) == ["order_submitted"]


@on_a_desk
async def test_what_an_event_tells_of_cannot_be_read_yet(desk: Desk) -> None:
    writer, reader = await desk.connect(), await desk.connect()
    await reader.subscribe(NETTING)
    gateway = desk.gateway

    with gateway.uncommitted(NETTING):
        order = {"symbol": SWAP, "side": "buy", "order_type": "market", "qty": 1}
        gateway.handle("commands", {}, {}, {"account_id": NETTING, "command": "send_order", "payload": order})
        await reader.send("nudge")
        assert [(await reader.next())["event"] for _ in range(2)] == ["error", "order_submitted"]
        assert desk.rows("orders_open") == []
    assert len(desk.rows("orders_open")) == 1

    await writer.buy()
    assert len(desk.rows("orders_open")) == 2, "who sent the command reads what it did"


@on_a_desk
async def test_what_happens_while_nobody_listens_is_told_to_nobody(desk: Desk) -> None:
    first, writer = await desk.connect(), await desk.connect()
    await first.subscribe(NETTING)
    await first.ws.close()
    await writer.buy()

    second = await desk.connect()
    await second.subscribe(NETTING)
    assert await second.names() == []


@on_a_desk
async def test_a_burst_comes_in_hundreds(desk: Desk) -> None:
    wire = await desk.connect()
    await wire.subscribe(NETTING)
    for number in range(150):
        desk.gateway.rings.publish(NETTING, "order_changed", order_id=number)

    assert len(await wire.events(1.5)) == 100
    assert len(await wire.events(1.5)) == 50


@on_a_desk
async def test_the_oldest_of_too_many_events_are_gone(desk: Desk) -> None:
    wire = await desk.connect()
    await wire.subscribe(NETTING)
    for number in range(5_010):
        desk.gateway.rings.publish(NETTING, "order_changed", order_id=number)

    events = await wire.events(60)
    assert [frame["payload"]["order_id"] for frame in events] == [*range(10, 5_010)]


# -- outages


@on_a_desk
async def test_a_restart_of_the_dispatcher_ends_the_sockets_and_forgets_the_events(desk: Desk) -> None:
    wire = await desk.connect()
    await wire.subscribe(NETTING)
    await wire.buy()
    desk.gateway.restart_dispatcher()

    frame = await wire.next()
    assert (frame["action"], frame["payload"]["code"]) == ("ws_pull_events", "dispatcher_empty_response")
    assert await wire.closed_with() == 1011
    again = await desk.connect()
    await again.subscribe(NETTING)
    assert await again.names() == []


@on_a_desk
async def test_without_its_dispatcher_it_lets_nobody_in(desk: Desk) -> None:
    wire = await desk.connect()
    await wire.subscribe(NETTING)
    desk.gateway.dispatcher_down = True

    frame = await wire.next()
    assert (frame["action"], frame["payload"]["code"]) == ("ws_pull_events", "dispatcher_unavailable")
    assert await wire.closed_with() == 1011
    headers = {"x-api-key": desk.gateway.keys.create()[1]}
    late = Wire(await desk.session.ws_connect(f"{desk.url}/ws", headers=headers))
    assert (await late.next())["action"] == "auth_check"
    assert await late.closed_with() == 1011


@on_a_desk
async def test_a_disabled_key_is_good_for_a_minute_more(desk: Desk) -> None:
    key, secret = desk.gateway.keys.create()
    wire = await desk.connect(secret)
    await wire.subscribe(NETTING)
    desk.gateway.keys.disable(key.id)
    desk.gateway.rings.publish(NETTING, "order_changed", order_id=1)

    loop = asyncio.get_running_loop()
    started = loop.time()
    assert await wire.names(50) == ["order_changed"]
    message = await wire.ws.receive(timeout=20)
    assert message.json()["action"] == "ws_pull_events"
    assert await wire.closed_with() == 1011
    assert 59 < loop.time() - started < 62


# -- market data


@on_a_desk
async def test_market_data_is_polled_and_sent_when_it_has_changed(desk: Desk) -> None:
    wire = await desk.connect()
    wanted = {"account_id": NETTING, "symbol": SPOT, "channels": ["ticker"], "poll_interval_ms": 1}
    answer = await wire.ask("subscribe_market", wanted, namespace="ccxt")
    assert (answer["event"], answer["payload"]["poll_interval_ms"]) == ("subscribed_market", 250)

    assert await wire.names(5) == ["ticker_updated"]
    desk.gateway.set_price(SPOT, bid=102, ask=103)
    (frame,) = await wire.events(5)
    assert frame["payload"]["data"]["bid"] == 102
    gone = await wire.ask("unsubscribe_market", {}, namespace="ccxt")
    assert gone["payload"] == {"removed": 1}
    desk.gateway.set_price(SPOT, bid=104, ask=105)
    assert await wire.names(5) == []


@on_a_desk
async def test_a_symbol_that_there_is_not_is_silent_for_ever(desk: Desk) -> None:
    wire = await desk.connect()
    wanted = {"account_id": NETTING, "symbol": "NO/SUCH", "channels": ["ticker", "orderbook"]}

    assert (await wire.ask("subscribe_market", wanted, namespace="ccxt"))["event"] == "subscribed_market"
    assert await wire.names(60) == []
