"""`/ws` of the gateway: one loop a socket, which fetches events only while its client is silent."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from aiohttp import WSMessage, WSMsgType, web
from pydantic import BaseModel, Field, ValidationError

from ccxt_driver.contract.events import Channel, SubscribeMarket
from ccxt_driver.oms import ANONYMOUS, Principal, Reply

from .gateway import LaggingGateway
from .payloads import Call

_KEY_IS_REMEMBERED: Final = 60
"""Seconds for which a key that was good is taken for good."""
_MOST_IN_A_SNAPSHOT: Final = 500
_SHORTEST_POLL_MS: Final = 250
_LONGEST_POLL_MS: Final = 10_000
_UNSUPPORTED: Final = "unsupported_action"
_Written = TypeVar("_Written")

_CHANNELS: Final[dict[Channel, Callable[[SubscribeMarket], tuple[str, list[Any]]]]] = {
    Channel.TICKER: lambda wanted: ("fetch_ticker", [wanted.symbol]),
    Channel.ORDERBOOK: lambda wanted: ("fetch_order_book", [wanted.symbol, wanted.depth or wanted.limit]),
    Channel.TRADES: lambda wanted: ("fetch_trades", [wanted.symbol, None, wanted.limit]),
    Channel.OHLCV: lambda wanted: ("fetch_ohlcv", [wanted.symbol, wanted.timeframe, None, wanted.limit]),
}


class _Frame(BaseModel):
    id: Any = None
    action: str
    namespace: str | None = None
    payload: dict[str, Any] = Field(default_factory=dict)


class _Auth(BaseModel):
    api_key: str


class _Subscribe(BaseModel):
    account_ids: list[int]
    namespaces: list[str] | None = None
    with_snapshot: bool = True


class _Unsubscribe(BaseModel):
    account_id: int | None = None
    symbol: str | None = None
    channels: list[Channel] = Field(default_factory=list)


class _Gone(Exception):
    """The socket ends: a frame says why, and then it is closed with 1011."""

    def __init__(self, action: str, code: str) -> None:
        super().__init__(code)
        self.action = action
        self.code = code


class _Said(Exception):
    """The answer to a frame is an error."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.payload = {"code": code, **more}


@dataclass
class _Poll:
    """Market data that a client follows."""

    wanted: SubscribeMarket
    channel: Channel
    interval: float
    due: float = 0.0
    last: Any = None


@dataclass
class _Socket:
    """One client."""

    ws: web.WebSocketResponse
    generation: int
    secret: str | None = None
    principal: Principal = ANONYMOUS
    checked_at: float = 0.0
    cursors: dict[int, int] = field(default_factory=dict)
    polls: list[_Poll] = field(default_factory=list)

    async def send(self, frame: dict[str, Any]) -> None:
        await self.ws.send_str(json.dumps(frame))

    async def answer(self, asked: _Frame, event: str, payload: Any, ok: bool = True) -> None:
        about = {"namespace": asked.namespace or "system", "action": asked.action, "event": event}
        await self.send({"id": asked.id, "ok": ok, "type": "ws_response", **about, "payload": payload})

    async def push(self, namespace: str, event: str, payload: Any, action: str = "event") -> None:
        """Send what nobody asked for: without a number and without a time."""
        about = {"namespace": namespace, "action": action, "event": event}
        await self.send({"id": None, "ok": True, "type": "ws_event", **about, "payload": payload})

    async def error(self, action: str, code: str, message: str | None = None) -> None:
        """Send an error that belongs to no frame, or to one that could not be read."""
        about = {"namespace": "system", "action": action, "event": "error"}
        payload = {"code": code, "message": message}
        await self.send({"id": None, "ok": False, "type": "ws_response", **about, "payload": payload})


class LaggingSockets:
    """All sockets of a gateway.

    A client that sends anything that is understood gets no events in that turn, and neither does one that
    sends faster than a turn lasts. What happens while nobody listens is told to nobody.

    :param gateway: what they talk to
    :param second: how long a second of the gateway takes here, in seconds
    :param commit_seconds: of the gateway, how long after its events a command is readable, and answered
    """

    def __init__(self, gateway: LaggingGateway, second: float = 1.0, commit_seconds: float = 0.01) -> None:
        self._gateway = gateway
        self._second = second
        self._commit_seconds = commit_seconds
        self._writing: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._actions: dict[str, Callable[[_Socket, _Frame], Awaitable[None]]] = {
            "ping": self._ping,
            "auth": self._auth,
            "subscribe": self._subscribe,
            "command": self._command,
            "call": self._call,
            "subscribe_market": self._subscribe_market,
            "unsubscribe_market": self._unsubscribe_market,
        }
        self.open: set[web.WebSocketResponse] = set()
        """Connections at this moment."""
        self.accepted = 0
        """Connections so far."""

    # -- a connection

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection until it ends."""
        ws = web.WebSocketResponse(heartbeat=20 * self._second, timeout=2 * self._second)
        await ws.prepare(request)
        self.accepted += 1
        self.open.add(ws)
        socket = _Socket(ws, self._gateway.rings.generation)
        try:
            if await self._let_in(socket, request.headers.get("x-api-key")):
                await self._converse(socket)
        except _Gone as gone:
            await socket.error(gone.action, gone.code)
            await ws.close(code=1011)
        except ConnectionError:
            return ws  # nobody is left to tell
        finally:
            self.open.discard(ws)
        return ws

    async def _let_in(self, socket: _Socket, secret: str | None) -> bool:
        """Check the key of the header: with a wrong one the connection ends without a word."""
        if secret:
            if self._down:
                raise _Gone("auth_check", "dispatcher_unavailable")
            if not self._sign_in(socket, secret):
                await socket.ws.close(code=1008)
                return False
        about = {"type": "ws_event", "event": "connected"}
        await socket.send({"id": "server-hello", **about})
        return True

    def _sign_in(self, socket: _Socket, secret: str) -> bool:
        principal = self._gateway.keys.authenticate(secret)
        if principal is None:
            return False
        socket.secret, socket.principal, socket.checked_at = secret, principal, self._now
        return True

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def _down(self) -> bool:
        return self._gateway.dispatcher_down or self._gateway.closed

    async def _converse(self, socket: _Socket) -> None:
        while not socket.ws.closed:
            try:
                message = await socket.ws.receive(timeout=self._second)
            except TimeoutError:
                message = None
            if message is not None:
                if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                    return
                if await self._take(socket, message):
                    continue
            await self._pull(socket)
            await self._poll(socket)

    # -- frames

    async def _take(self, socket: _Socket, message: WSMessage) -> bool:
        """Answer a frame; whether it was handled, and nothing is fetched in this turn."""
        try:
            asked = _Frame.model_validate_json(message.data)
            action = self._actions.get(asked.action)
            if action is None:
                payload = {"code": _UNSUPPORTED, "message": asked.action}
                await socket.answer(asked, "error", payload, ok=False)
                return False
            if socket.secret is None and asked.action not in ("ping", "auth"):
                raise _Said("not_authenticated")
            await action(socket, asked)
        except ValidationError as error:
            await socket.error("", "internal_error", str(error))  # of which frame, nobody can say
        except _Said as said:
            await socket.answer(asked, "error", said.payload, ok=False)
        return True

    async def _ping(self, socket: _Socket, asked: _Frame) -> None:
        await socket.answer(asked, "pong", {})

    async def _auth(self, socket: _Socket, asked: _Frame) -> None:
        if self._down:
            raise _Said("dispatcher_unavailable")
        if not self._sign_in(socket, _Auth.model_validate(asked.payload).api_key):
            raise _Said("dispatcher_error", message="invalid_api_key")
        key_id = socket.principal.key_id
        await socket.answer(asked, "authenticated", {"user_id": 1, "api_key_id": key_id, "role": "trader"})

    async def _subscribe(self, socket: _Socket, asked: _Frame) -> None:
        """Follow some accounts from now on, and no other; those that the key may not read are left out."""
        wanted = _Subscribe.model_validate(asked.payload)
        self._refuse_down()
        denial = self._gateway._tables.denial
        ids = [each for each in wanted.account_ids if denial(socket.principal, each, "read") is None]
        if not ids or socket.principal.strategies is not None:
            raise _Said("permission_denied")
        namespaces = wanted.namespaces or ["position"]
        follows = "position" in namespaces
        socket.cursors = {each: self._gateway.rings.last(each) for each in ids} if follows else {}
        await socket.answer(asked, "subscribed", {"namespaces": namespaces, "account_ids": ids})
        if wanted.with_snapshot and follows:
            await self._snapshot(socket, ids)

    async def _snapshot(self, socket: _Socket, account_ids: list[int]) -> None:
        summary = []
        for account_id in account_ids:
            counts = {"account_id": account_id}
            for name in ("orders", "positions"):
                items = self._open_rows(socket, f"{name}_open", account_id)
                counts[f"open_{name}"] = len(items)
                shot = {"account_id": account_id, "items": items, "action": "snapshot"}
                await socket.push("position", f"snapshot_open_{name}", shot, "snapshot")
            summary.append(counts)
        done = {"account_ids": account_ids, "accounts": summary}
        await socket.push("position", "snapshot_done", done, "snapshot")

    def _open_rows(self, socket: _Socket, endpoint: str, account_id: int) -> list[dict[str, Any]]:
        """From the cache, and with a space in the times."""
        query = {"account_ids": str(account_id), "limit": str(_MOST_IN_A_SNAPSHOT)}
        reply = self._gateway.handle(endpoint, {}, query, None, socket.principal)
        if reply.status != 200:
            raise _Said(reply.body["detail"]["code"])
        return [
            {name: _spaced(value) if name.endswith("_at") else value for name, value in row.items()}
            for row in reply.body["items"]
        ]

    async def _command(self, socket: _Socket, asked: _Frame) -> None:
        """Carry out one command; meanwhile the socket does nothing else."""

        async def write() -> Reply:
            return self._gateway.handle("commands", {}, {}, asked.payload, socket.principal)

        reply = await self.writing(asked.payload, write)
        if reply.status == 422:
            raise ValidationError.from_exception_data("CommandRequest", [])
        results = reply.body.get("results") or reply.body["detail"].get("results")
        if results is None:
            raise _Said(reply.body["detail"]["code"])
        await socket.answer(asked, "command_result", results[0], ok=results[0]["ok"])

    async def _call(self, socket: _Socket, asked: _Frame) -> None:
        call = Call.model_validate(asked.payload)
        path = {"account_id": call.account_id, "func": call.func}
        body = {"args": call.args, "kwargs": call.kwargs}
        reply = self._gateway.handle("ccxt_call", path, {}, body, socket.principal)
        if reply.status != 200:
            detail = reply.body["detail"]
            raise _Said("ccxt_error", detail=detail.get("message") or detail["code"])
        await socket.answer(asked, "ccxt_result", {"result": reply.body["result"]})

    def _refuse_down(self) -> None:
        if self._down:
            raise _Said("dispatcher_unavailable")

    # -- events

    async def _pull(self, socket: _Socket) -> None:
        """Fetch what is new; at most 100 events of each account."""
        if not socket.cursors:
            return
        rings = self._gateway.rings
        if self._down:
            raise _Gone("ws_pull_events", "dispatcher_unavailable")
        if socket.generation != rings.generation:
            raise _Gone("ws_pull_events", "dispatcher_empty_response")
        self._check_key(socket)
        for account_id, cursor in socket.cursors.items():
            with self._gateway.lock:
                events = rings.after(account_id, cursor)
            for event in events:
                await socket.push("position", event.name, event.payload)
                socket.cursors[account_id] = event.number

    def _check_key(self, socket: _Socket) -> None:
        """A key that was disabled is good for a while more."""
        if self._now - socket.checked_at < _KEY_IS_REMEMBERED * self._second:
            return
        if not self._sign_in(socket, socket.secret or ""):
            raise _Gone("ws_pull_events", "dispatcher_error")

    # -- market data

    async def _subscribe_market(self, socket: _Socket, asked: _Frame) -> None:
        wanted = SubscribeMarket.model_validate(asked.payload)
        interval_ms = min(max(wanted.poll_interval_ms, _SHORTEST_POLL_MS), _LONGEST_POLL_MS)
        topics = {(wanted.account_id, wanted.symbol, channel) for channel in wanted.channels}
        socket.polls = [poll for poll in socket.polls if _topic(poll) not in topics]
        for channel in wanted.channels:
            socket.polls.append(_Poll(wanted, channel, interval_ms / 1000 * self._second))
        told = {"account_id": wanted.account_id, "symbol": wanted.symbol, "channels": [*wanted.channels]}
        await socket.answer(asked, "subscribed_market", {**told, "poll_interval_ms": interval_ms})

    async def _unsubscribe_market(self, socket: _Socket, asked: _Frame) -> None:
        wanted = _Unsubscribe.model_validate(asked.payload)
        left = [poll for poll in socket.polls if not _matches(poll, wanted)]
        removed = len(socket.polls) - len(left)
        socket.polls = left
        await socket.answer(asked, "unsubscribed_market", {"removed": removed})

    async def _poll(self, socket: _Socket) -> None:
        """Read what is due, and send what has changed. An error is told to nobody, for ever."""
        for poll in socket.polls:
            if self._now < poll.due:
                continue
            poll.due = self._now + poll.interval
            function, args = _CHANNELS[poll.channel](poll.wanted)
            path = {"account_id": poll.wanted.account_id, "func": function}
            reply = self._gateway.handle("ccxt_call", path, {}, {"args": args}, socket.principal)
            if reply.status != 200 or reply.body["result"] == poll.last:
                continue
            poll.last = data = reply.body["result"]
            about = {"account_id": poll.wanted.account_id, "symbol": poll.wanted.symbol}
            news = {**about, "channel": poll.channel, "data": data, "ts_ms": self._gateway.now_ms()}
            await socket.push("ccxt", f"{poll.channel}_updated", news)

    # -- writing

    async def writing(self, body: Any, write: Callable[[], Awaitable[_Written]]) -> _Written:
        """Carry out what changes rows: one after the other for each account, its events before its rows.

        :param body: names the account
        """
        account_id = body.get("account_id") if isinstance(body, dict) else None
        if not isinstance(account_id, int) or not self._commit_seconds:
            return await write()
        async with self._writing[account_id]:
            with self._gateway.uncommitted(account_id):
                written = await write()
                await asyncio.sleep(self._commit_seconds * self._second)
            return written


def _spaced(text: str | None) -> str | None:
    return None if text is None else text.replace("T", " ")


def _topic(poll: _Poll) -> tuple[int, str, Channel]:
    return poll.wanted.account_id, poll.wanted.symbol, poll.channel


def _matches(poll: _Poll, wanted: _Unsubscribe) -> bool:
    account_id, symbol, channel = _topic(poll)
    return (
        wanted.account_id in (None, account_id)
        and wanted.symbol in (None, symbol)
        and (not wanted.channels or channel in wanted.channels)
    )
