"""`/ws` over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.server import application, create_app, outbox
from ccxt_driver.oms.server.limits import LARGEST_FRAME
from ccxt_driver.oms.server.wire import Wire

pytestmark = pytest.mark.sockets

Client = TestClient[Any, Any]


class Socket:
    """A client that numbers its frames and waits at most some seconds for an answer."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.raw = socket
        self._count = 0

    async def send(self, action: str, payload: Any = None, **frame: Any) -> int:
        self._count += 1
        await self.raw.send_json({"id": self._count, "action": action, "payload": payload or {}, **frame})
        return self._count

    async def next(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self.raw.receive(), 10)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame: dict[str, Any] = json.loads(message.data)
        return frame

    async def ask(self, action: str, payload: Any = None, **frame: Any) -> dict[str, Any]:
        number = await self.send(action, payload, **frame)
        answer = await self.next()
        assert answer["id"] == number, answer
        return answer

    async def until(self, event: str) -> list[dict[str, Any]]:
        frames = [await self.next()]
        while frames[-1]["event"] != event:
            frames.append(await self.next())
        return frames

    async def closed(self) -> int | None:
        message = await asyncio.wait_for(self.raw.receive(), 10)
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)
        return self.raw.close_code


@pytest.fixture
async def oms() -> AsyncIterator[EmbeddedOms]:
    with EmbeddedOms(clock="manual") as made:
        made.set_price("BTC/USDT", bid=100, ask=101)
        yield made


@pytest.fixture
async def client(oms: EmbeddedOms) -> AsyncIterator[Client]:
    async with TestClient(TestServer(create_app(oms))) as made:
        yield made


@pytest.fixture
async def socket(oms: EmbeddedOms, client: Client) -> Socket:
    return await connect(client, oms.keys.create()[1])


async def connect(client: Client, secret: str | None) -> Socket:
    headers = {} if secret is None else {"x-api-key": secret}
    made = Socket(await client.ws_connect("/ws", headers=headers))
    assert (await made.next())["event"] == "connected"
    return made


async def follow(socket: Socket, account_id: int) -> None:
    """Be told of what happens from now on."""
    await socket.send("subscribe", {"account_ids": [account_id], "with_snapshot": False})
    assert (await socket.next())["event"] == "subscribed"


def order(**payload: Any) -> dict[str, Any]:
    fields = {
        "symbol": "BTC/USDT",
        "side": "buy",
        "order_type": "limit",
        "price": "50",
        "qty": "0.1",
        **payload,
    }
    return {"account_id": 1, "command": "send_order", "payload": fields}


def place(oms: EmbeddedOms, **payload: Any) -> dict[str, Any]:
    reply = oms.handle("commands", {}, {}, order(**payload))
    assert reply.status == 200, reply.body
    row: dict[str, Any] = reply.body["results"][0]["order"]
    return row


async def test_ping(socket: Socket) -> None:
    answer = await socket.ask("ping")
    assert (answer["ok"], answer["type"], answer["event"]) == (True, "ws_response", "pong")


async def test_a_wrong_key_does_not_get_in(client: Client) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await client.ws_connect("/ws", headers={"x-api-key": "wrong"})
    assert caught.value.status == 401


async def test_auth_by_a_frame(oms: EmbeddedOms, client: Client) -> None:
    socket = await connect(client, None)
    for action, payload in (("subscribe", {"account_ids": [1]}), ("command", order())):
        answer = await socket.ask(action, payload)
        assert (answer["ok"], answer["payload"]["code"]) == (False, "missing_api_key")
    answer = await socket.ask("auth", {"api_key": "wrong"})
    assert answer["payload"]["code"] == "invalid_api_key"
    made, secret = oms.keys.create()
    answer = await socket.ask("auth", {"api_key": secret})
    assert (answer["event"], answer["payload"]) == ("authenticated", {"api_key_id": made.id})
    assert (await socket.ask("command", order()))["event"] == "command_result"


async def test_market_data_needs_no_key_and_a_balance_does(client: Client) -> None:
    socket = await connect(client, None)
    answer = await socket.ask("call", {"account_id": 1, "func": "fetchTicker", "args": ["BTC/USDT"]})
    assert answer["payload"]["result"]["bid"] == 100.0
    answer = await socket.ask("call", {"account_id": 1, "func": "fetch_balance"})
    assert answer["payload"]["code"] == "missing_api_key"


async def test_snapshot_then_live_events_with_whole_rows(oms: EmbeddedOms, socket: Socket) -> None:
    resting = place(oms)
    number = await socket.send("subscribe", {"account_ids": [1, 2], "with_snapshot": True})
    frames = await socket.until("snapshot_done")
    assert [frame["event"] for frame in frames] == [
        "subscribed",
        *["snapshot_open_orders", "snapshot_open_positions"] * 2,
        "snapshot_done",
    ]
    assert {frame["id"] for frame in frames} == {number}
    assert frames[0]["payload"]["account_ids"] == [1, 2]
    seq = oms.last_seq(1)
    assert frames[1]["seq"] == frames[1]["payload"]["seq"] == seq
    assert [row["id"] for row in frames[1]["payload"]["items"]] == [resting["id"]]
    assert frames[-1]["payload"]["accounts"][0] == {
        "account_id": 1,
        "open_orders": 1,
        "open_positions": 0,
        "seq": seq,
    }
    placed = place(oms, price="60")
    events = await socket.until("order_updated")
    assert events[-1]["payload"] == placed
    assert [(event["prev_seq"], event["seq"]) for event in events] == [
        (seq + n, seq + n + 1) for n in range(len(events))
    ]
    assert {event["id"] for event in events} == {None}
    assert all(event["payload"]["account_id"] == 1 and event["ts_ms"] for event in events)


async def test_an_event_is_readable_when_it_arrives(oms: EmbeddedOms, socket: Socket) -> None:
    await follow(socket, 1)
    number = await socket.send("command", order(order_type="market", price=None))
    frames = await socket.until("command_result")
    result = frames[-1]
    assert (result["id"], result["ok"], result["payload"]["order"]["status"]) == (number, True, "FILLED")
    deals = [frame["payload"] for frame in frames if frame["event"] == "deal_created"]
    found = oms.handle("deals_by_id", {"ids": str(deals[0]["id"])}, {}, None).body["items"]
    assert found == deals


async def test_resuming_gives_what_was_missed_once(oms: EmbeddedOms, client: Client, socket: Socket) -> None:
    place(oms)
    seen = oms.last_seq(1)
    place(oms)
    missed = oms.events(1, seen, 1000)
    assert missed
    await socket.send("subscribe", {"account_ids": [1], "after_seq": {"1": seen}})
    frames = await socket.until("snapshot_done")
    assert [frame["event"] for frame in frames] == ["subscribed", "snapshot_done"]
    again = [await socket.next() for _ in missed]
    assert [(frame["seq"], frame["event"], frame["payload"]) for frame in again] == [
        (event.seq, event.name, event.payload) for event in missed
    ]
    assert again[0]["prev_seq"] == seen
    place(oms)
    assert (await socket.next())["seq"] == missed[-1].seq + 1


@pytest.mark.parametrize("cursor", [10**9])
async def test_a_cursor_of_another_history_gets_a_snapshot(
    oms: EmbeddedOms, socket: Socket, cursor: int
) -> None:
    resting = place(oms)
    await socket.send("subscribe", {"account_ids": [1], "after_seq": {"1": cursor}, "with_snapshot": False})
    frames = await socket.until("snapshot_done")
    assert [frame["event"] for frame in frames[:3]] == [
        "subscribed",
        "cursor_expired",
        "snapshot_open_orders",
    ]
    assert frames[1]["payload"] == {"account_id": 1, "after_seq": cursor, "seq": oms.last_seq(1)}
    assert frames[2]["seq"] == oms.last_seq(1)
    assert frames[2]["payload"]["items"] == [resting]


async def test_a_key_of_some_strategies_gets_only_theirs(oms: EmbeddedOms, client: Client) -> None:
    socket = await connect(client, oms.keys.create(strategies=[2])[1])
    place(oms, strategy_id=1)
    mine = place(oms, strategy_id=2)
    await socket.send("subscribe", {"account_ids": [1]})
    frames = await socket.until("snapshot_done")
    assert frames[1]["payload"]["items"] == [mine]
    start = frames[1]["seq"]
    place(oms, strategy_id=1)
    placed = place(oms, strategy_id=2)
    events = []
    while not events or events[-1]["payload"].get("id") != placed["id"]:
        events.append(await socket.next())
    assert {event["payload"].get("strategy_id", 2) for event in events} == {2}
    assert [event["prev_seq"] for event in events] == [start, *(event["seq"] for event in events[:-1])]
    assert events[-1]["seq"] - start > len(events), "the events of strategy 1 are holes"


async def test_an_account_that_the_key_may_not_read_is_refused_by_name(
    oms: EmbeddedOms, client: Client
) -> None:
    socket = await connect(client, oms.keys.create(account_ids=[2])[1])
    answer = await socket.ask("subscribe", {"account_ids": [2, 1]})
    assert answer["payload"]["code"] == "account_not_found"
    assert answer["payload"]["details"] == {"account_id": 1}


async def test_a_new_subscription_takes_the_place_of_the_former(oms: EmbeddedOms, socket: Socket) -> None:
    for account in (1, 2):
        await follow(socket, account)
    place(oms)
    oms.handle("commands", {}, {}, {**order(), "account_id": 2})
    assert (await socket.next())["payload"]["account_id"] == 2


async def test_a_refused_command_is_a_result_and_an_invalid_one_an_error(socket: Socket) -> None:
    answer = await socket.ask("command", order(qty="500"))
    assert (answer["event"], answer["ok"]) == ("command_result", False)
    assert answer["payload"]["error"]["code"] == "insufficient_funds"
    answer = await socket.ask("command", {"account_id": 1, "command": "dance", "payload": {}})
    assert (answer["event"], answer["ok"], answer["payload"]["code"]) == ("error", False, "validation_error")
    answer = await socket.ask("command", order(colour="red"))
    assert "colour" in answer["payload"]["message"]


async def test_frames_that_make_no_sense_are_answered_and_the_connection_stays(socket: Socket) -> None:
    for text, number in (
        ("{", None),
        ("[1]", None),
        ('{"id": 7}', 7),
        ('{"id": "x", "action": "dance"}', "x"),
        ('{"id": [1], "action": "subscribe"}', [1]),
        ('{"id": 8, "action": "subscribe", "payload": [1]}', 8),
        ('{"id": 9, "action": "subscribe_market", "payload": {"account_id": "1"}}', 9),
        ('{"id": 10, "action": "auth", "payload": {"api_key": 5}}', 10),
    ):
        await socket.raw.send_str(text)
        answer = await socket.next()
        assert (answer["id"], answer["event"], answer["ok"]) == (number, "error", False), text
        assert answer["payload"]["code"] in ("validation_error", "missing_api_key")
    await socket.raw.send_bytes(b"{}")
    assert (await socket.next())["payload"]["code"] == "validation_error"
    assert (await socket.ask("ping"))["event"] == "pong"


async def test_an_invalid_key_is_not_repeated_in_the_answer(socket: Socket) -> None:
    answer = await socket.ask("auth", {"api_key": "k" * 300})
    assert answer["payload"]["code"] == "validation_error"
    assert "kkk" not in json.dumps(answer)


async def test_what_cannot_be_written_again_is_refused_and_the_connection_stays(socket: Socket) -> None:
    deep = "[" * 300 + "]" * 300
    for text in (f'{{"id":{deep},"action":"ping"}}', f'{{"id":1,"action":"nothing","namespace":{deep}}}'):
        await socket.raw.send_str(text)
        answer = await socket.next()
        assert (answer["id"], answer["payload"]["code"]) == (None, "validation_error")
    call = {"account_id": 1, "func": "fetch_ohlcv", "args": ["BTC/USDT", {"1m": 1}]}
    assert (await socket.ask("call", call))["payload"]["code"] == "exchange_error"
    assert (await socket.ask("ping"))["event"] == "pong"


async def test_who_leaves_while_a_ping_is_answered_is_not_a_fault(
    client: Client, socket: Socket, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pong(self: web.WebSocketResponse, message: bytes = b"") -> None:
        raise ConnectionResetError("Cannot write to closing transport")

    monkeypatch.setattr(web.WebSocketResponse, "pong", pong)
    await socket.raw.ping()
    await socket.closed()
    assert "ERROR" not in caplog.text


async def test_a_frame_that_is_too_large_closes_the_connection(socket: Socket) -> None:
    await socket.raw.send_str("x" * (LARGEST_FRAME + 1))
    assert await socket.closed() == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_market_data_is_pushed_when_it_has_changed(oms: EmbeddedOms, socket: Socket) -> None:
    wanted = {
        "account_id": 1,
        "symbol": "BTC/USDT",
        "channels": ["ticker", "orderbook"],
        "poll_interval_ms": 1,
    }
    answer = await socket.ask("subscribe_market", wanted)
    assert answer["event"] == "subscribed_market"
    assert answer["payload"]["poll_interval_ms"] == 250
    first = {frame["event"]: frame for frame in (await socket.next(), await socket.next())}
    assert first.keys() == {"ticker_updated", "orderbook_updated"}
    payload = first["ticker_updated"]["payload"]
    assert (payload["account_id"], payload["symbol"], payload["channel"]) == (1, "BTC/USDT", "ticker")
    assert payload["data"]["bid"] == 100.0
    oms.set_price("BTC/USDT", bid=200, ask=201)
    second = {frame["event"]: frame for frame in (await socket.next(), await socket.next())}
    assert second["ticker_updated"]["payload"]["data"]["bid"] == 200.0
    assert second["orderbook_updated"]["payload"]["data"]["asks"][0][0] == 201.0
    answer = await socket.ask("unsubscribe_market", {"channels": ["ticker"]})
    assert answer["payload"] == {"removed": 1}
    assert (await socket.ask("unsubscribe_market"))["payload"] == {"removed": 1}


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python 3.11 has no eager tasks")
async def test_a_subscription_is_answered_before_its_data_where_tasks_are_eager(socket: Socket) -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory", None))
    try:
        wanted = {"account_id": 1, "symbol": "BTC/USDT", "channels": ["ticker"]}
        await socket.send("subscribe_market", wanted)
        frames = [await socket.next(), await socket.next()]
    finally:
        loop.set_task_factory(None)
    assert [frame["event"] for frame in frames] == ["subscribed_market", "ticker_updated"]


@pytest.mark.parametrize(
    "wanted, code",
    [
        ({"symbol": "NO/SUCH"}, "exchange_error"),
        ({"symbol": "BTC/USDT", "account_id": 99}, "account_not_found"),
        ({"symbol": "BTC/USDT", "channels": ["weather"]}, "validation_error"),
        ({"symbol": "BTC/USDT", "channels": ["ohlcv"], "timeframe": "7m"}, "exchange_error"),
    ],
)
async def test_market_data_that_cannot_be_had_is_an_error(
    socket: Socket, wanted: dict[str, Any], code: str
) -> None:
    answer = await socket.ask("subscribe_market", {"account_id": 1, "channels": ["ticker"], **wanted})
    assert (answer["event"], answer["payload"]["code"]) == ("error", code)


async def test_prices_and_orders_are_pushed_at_once(oms: EmbeddedOms, socket: Socket) -> None:
    wanted = {"account_id": 1, "symbol": "BTC/USDT", "poll_interval_ms": 10_000, "book_updates": True}
    await socket.ask("subscribe_market", {**wanted, "channels": ["orderbook"]})
    whole = (await socket.next())["payload"]["data"]
    assert (whole["nonce"], len(whole["bids"])) == (1, 1)
    number = await socket.send("command", order(price="90", qty="0.5"))
    answers = [await socket.next() for _ in range(2)]
    assert {answer["id"] for answer in answers} == {number, None}
    [update] = [answer["payload"]["update"] for answer in answers if answer["id"] is None]
    assert (update["bids"], update["asks"], update["prev_nonce"], update["nonce"]) == (
        [[90.0, 0.5]],
        [],
        1,
        2,
    )
    await asyncio.to_thread(oms.set_price, "BTC/USDT", bid=99, ask=101)
    update = (await socket.next())["payload"]["update"]
    assert {price: amount > 0 for price, amount in update["bids"]} == {99.0: True, 100.0: False}
    assert update["prev_nonce"] == 2


async def test_candles_and_trades(socket: Socket) -> None:
    wanted = {"account_id": 1, "symbol": "ETH/USDT", "channels": ["ohlcv", "trades"], "limit": 5}
    await socket.ask("subscribe_market", wanted)
    found = {frame["event"]: frame["payload"]["data"] for frame in (await socket.next(), await socket.next())}
    assert len(found["ohlcv_updated"]) == len(found["trades_updated"]) == 5


async def test_a_key_that_is_disabled_loses_its_connection(
    oms: EmbeddedOms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "KEY_CHECK_SECONDS", 0.01)
    made, secret = oms.keys.create()
    async with TestClient(TestServer(create_app(oms))) as client:
        socket = await connect(client, secret)
        await socket.ask("ping")
        oms.keys.disable(made.id)
        assert (await socket.next())["payload"]["code"] == "invalid_api_key"
        assert await socket.closed() == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_key_that_is_disabled_can_do_nothing_from_then_on(
    oms: EmbeddedOms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "KEY_CHECK_SECONDS", 60)
    made, secret = oms.keys.create()
    async with TestClient(TestServer(create_app(oms))) as client:
        socket = await connect(client, secret)
        oms.keys.disable(made.id)
        command = {"account_id": 1, "command": "cancel_all_orders", "payload": {}}
        for action, payload in (
            ("command", command),
            ("call", {"account_id": 1, "func": "fetch_balance"}),
            ("subscribe", {"account_ids": [1]}),
        ):
            assert (await socket.ask(action, payload))["payload"]["code"] == "invalid_api_key"


async def test_a_server_that_stops_says_goodbye(oms: EmbeddedOms) -> None:
    server = TestServer(create_app(oms))
    async with TestClient(server) as client:
        socket = await connect(client, oms.keys.create()[1])
        stopping = asyncio.create_task(server.close())
        assert await socket.closed() == aiohttp.WSCloseCode.GOING_AWAY
        await stopping
    assert oms._subscribers == []


async def test_a_client_that_does_not_read_is_told_and_cut_off(
    oms: EmbeddedOms, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames beyond what may wait, for longer than anybody waits: then the reason, then the end."""
    socket = await connect(client, oms.keys.create()[1])
    await follow(socket, 1)
    start = oms.last_seq(1)
    monkeypatch.setattr(outbox, "MOST_FRAMES", 3)
    monkeypatch.setattr(outbox, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(Wire, "is_full", True)
    stuck = iter([0.75])
    monkeypatch.setattr(Wire, "room", lambda wire: asyncio.sleep(next(stuck, 0)))
    place(oms)
    place(oms)
    frames = await socket.until("error")
    assert frames[-1]["payload"]["code"] == "slow_consumer"
    seqs = [frame["seq"] for frame in frames[:-1]]
    assert seqs == list(range(start + 1, start + 1 + len(seqs)))
    assert await socket.closed() == aiohttp.WSCloseCode.TRY_AGAIN_LATER
    # It resumes where it was.
    monkeypatch.undo()
    socket = await connect(client, oms.keys.create()[1])
    after = seqs[-1] if seqs else start
    await socket.send("subscribe", {"account_ids": [1], "after_seq": {"1": after}})
    await socket.until("snapshot_done")
    assert (await socket.next())["seq"] == after + 1


async def test_a_client_that_reads_gets_more_than_may_wait_at_once(
    oms: EmbeddedOms, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One commit of many events cut it off as too slow, and the answer to its own command was lost."""
    socket = await connect(client, oms.keys.create()[1])
    await follow(socket, 1)
    start = oms.last_seq(1)
    monkeypatch.setattr(outbox, "MOST_FRAMES", 3)
    for _ in range(5):
        place(oms)
    cancel = {"account_id": 1, "command": "cancel_all_orders", "payload": {}}
    await socket.send("command", cancel)
    got, answers = [], []
    while not answers or len(got) < oms.last_seq(1) - start:
        frame = await socket.next()
        (got if frame["id"] is None else answers).append(frame)
    assert [(frame["prev_seq"], frame["seq"]) for frame in got] == [
        (seq - 1, seq) for seq in range(start + 1, oms.last_seq(1) + 1)
    ]
    assert [(frame["event"], len(frame["payload"]["orders"])) for frame in answers] == [("command_result", 5)]
