"""`/ws`: one client and what it may ask for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from aiohttp import WSMsgType, web
from pydantic import BaseModel, ValidationError

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.endpoints import BY_NAME, MARKET_FUNCTIONS, Access, snake_case
from ccxt_driver.contract.events import (
    Action,
    Auth,
    CcxtCall,
    EventName,
    Namespace,
    Query,
    Subscribe,
    SubscribeMarket,
    UnsubscribeMarket,
)
from ccxt_driver.oms.access import ANONYMOUS
from ccxt_driver.oms.entities import Principal
from ccxt_driver.oms.json_text import loads_question
from ccxt_driver.oms.keys import digest
from ccxt_driver.oms.refusals import problems
from ccxt_driver.oms.service import CommandRequest

from . import frames
from .command_groups import CommandGroups
from .event_hub import CursorExpired, EventHub, Feed
from .limits import LARGEST_FRAME, RateLimiter
from .market_polls import MarketPolls
from .outbox import Outbox, SlowConsumer
from .price_hub import PriceHub
from .served import INVALID_KEY, MISSING_KEY, TOO_OFTEN, ServedOms
from .snapshots import Refused, Snapshot, ask, call_venue, refused, take
from .wire import Wire

LOG: Final = logging.getLogger("ccxt_driver.oms.server")

HEARTBEAT_SECONDS: Final = 20.0

_NAMESPACE: Final = {
    Action.AUTH: Namespace.SYSTEM,
    Action.PING: Namespace.SYSTEM,
    Action.SUBSCRIBE: Namespace.POSITION,
    Action.COMMAND: Namespace.POSITION,
    Action.QUERY: Namespace.POSITION,
    Action.CALL: Namespace.CCXT,
    Action.SUBSCRIBE_MARKET: Namespace.CCXT,
    Action.UNSUBSCRIBE_MARKET: Namespace.CCXT,
}
"""What the answer to an action says, whatever the question said."""

_Model = TypeVar("_Model", bound=BaseModel)


class Client:
    """One connection.

    :param oms: what it talks to
    :param groups: who runs its commands
    :param hub: where its events come from
    :param prices: says when market data may have changed
    :param outbox: where its frames go
    :param secret: the key it came with, if any; its digest is kept, to see when it is disabled
    :param wait: how many seconds someone has to wait before the next frame; None when nobody has to
    """

    def __init__(
        self,
        oms: ServedOms,
        groups: CommandGroups,
        hub: EventHub,
        prices: PriceHub,
        outbox: Outbox,
        secret: str | None,
        wait: Callable[[Principal], int] | None = None,
    ) -> None:
        self._oms = oms
        self._wait = wait
        self._groups = groups
        self._hub = hub
        self.outbox = outbox
        self._digest: str | None = None
        self._principal = ANONYMOUS
        self._feeds: list[Feed] = []
        self._polls = MarketPolls(oms, prices, outbox, self.close_slow)
        if secret is not None:
            self._sign_in(secret)

    def close(self) -> None:
        """Let go of everything that sends to it."""
        self._drop_feeds()
        self._polls.close()

    def close_slow(self) -> None:
        """Tell a client that does not read why it is cut off; it can resume after its last `seq`."""
        message = "the client reads more slowly than events come; connect again with after_seq"
        self.close()
        text = frames.error(None, Namespace.SYSTEM, "close", "slow_consumer", message)
        self.outbox.close(text, 1013, "slow consumer", discard=True)

    def check_key(self) -> None:
        """Close the connection when its key has been disabled or rotated since."""
        if self._digest is not None and self._oms.keys.principal(self._digest) is None:
            self.close()
            code = ErrorCode.INVALID_API_KEY
            text = frames.error(None, Namespace.SYSTEM, "close", code, INVALID_KEY)
            self.outbox.close(text, 1008, INVALID_KEY)

    async def answer(self, text: str) -> None:
        """Do what a frame asks, and answer it.

        :raises SlowConsumer: it does not read the answers
        """
        try:
            frame = loads_question(text)
        except ValueError:
            self.refuse("the frame is not JSON")
            return
        if not isinstance(frame, dict):
            self.refuse("the frame is not a JSON object")
            return
        await self._answer(frame)

    def refuse(self, message: str) -> None:
        """Answer a frame of which not even the id can be read."""
        self._error(None, "", "", refused(ErrorCode.VALIDATION_ERROR, message).detail)

    async def _answer(self, frame: dict[str, Any]) -> None:
        request_id, name = frame.get("id"), frame.get("action")
        try:
            action = Action(str(name))
        except ValueError:
            message = f"action: expected one of {', '.join(Action)}"
            refusal = refused(ErrorCode.VALIDATION_ERROR, message)
            self._error(request_id, str(frame.get("namespace", "")), str(name)[:64], refusal.detail)
            return
        namespace = _NAMESPACE[action]
        try:
            payload = frame.get("payload") or {}
            if not isinstance(payload, dict):
                raise refused(ErrorCode.VALIDATION_ERROR, "payload: expected an object")
            self._refuse_too_often(action)
            await _ACTIONS[action](self, request_id, payload)
        except Refused as said:
            self._error(request_id, namespace, action, said.detail)
        except ValidationError as error:
            self._error(request_id, namespace, action, _invalid(error).detail)
        except SlowConsumer:
            raise
        except Exception:
            LOG.exception("a frame of /ws (%s) could not be answered", action)
            refusal = refused(ErrorCode.INTERNAL_ERROR, "the server could not answer this frame")
            self._error(request_id, namespace, action, refusal.detail)

    def _refuse_too_often(self, action: Action) -> None:
        if self._wait is None or action is Action.PING:
            return
        seconds = self._wait(self._principal)
        if seconds:
            raise refused(ErrorCode.RATE_LIMITED, TOO_OFTEN, {"retry_after": seconds})

    def _error(self, request_id: Any, namespace: str, action: str, detail: dict[str, Any]) -> None:
        details = dict(detail.get("details") or {})
        self.outbox.answer(
            frames.error(request_id, namespace, action, detail["code"], detail["message"], details)
        )

    def _respond(
        self,
        request_id: Any,
        action: Action,
        event: EventName,
        payload: dict[str, Any],
        *,
        ok: bool = True,
        seq: int | None = None,
    ) -> None:
        self.outbox.answer(
            frames.response(request_id, _NAMESPACE[action], action, event, payload, ok=ok, seq=seq)
        )

    # who it is

    def _sign_in(self, secret: str) -> Principal:
        principal = self._oms.keys.authenticate(secret)
        if principal is None:
            raise refused(ErrorCode.INVALID_API_KEY, INVALID_KEY)
        if self._digest is not None and principal.key_id != self._principal.key_id:
            self.close()  # what the former key follows is not for this one
        self._principal, self._digest = principal, digest(secret)
        return principal

    def _require_key(self) -> None:
        if self._digest is None:
            message = f"{MISSING_KEY}, and no auth frame was sent"
            raise refused(ErrorCode.MISSING_API_KEY, message)
        if self._oms.keys.principal(self._digest) is None:
            raise refused(ErrorCode.INVALID_API_KEY, INVALID_KEY)  # `check_key` closes it soon

    async def _auth(self, request_id: Any, payload: dict[str, Any]) -> None:
        principal = self._sign_in(Auth.model_validate(payload).api_key)
        answer = {"api_key_id": principal.key_id}
        self._respond(request_id, Action.AUTH, EventName.AUTHENTICATED, answer)

    async def _ping(self, request_id: Any, payload: dict[str, Any]) -> None:
        self._respond(request_id, Action.PING, EventName.PONG, {})

    # events

    def _feed(self, account_id: int, cursor: int) -> Feed:
        return Feed(account_id, cursor, self._principal, self.outbox, self.close_slow)

    def _drop_feeds(self) -> None:
        for feed in self._feeds:
            self._hub.remove(feed)
        self._feeds = []

    async def _subscribe(self, request_id: Any, payload: dict[str, Any]) -> None:
        self._require_key()
        wanted = Subscribe.model_validate(payload)
        namespaces = wanted.namespaces or [Namespace.POSITION.value]
        unknown = set(namespaces) - set(Namespace)
        if unknown:
            message = f"namespaces: expected {', '.join(Namespace)}"
            raise refused(ErrorCode.VALIDATION_ERROR, message)
        accounts = list(dict.fromkeys(wanted.account_ids))
        self._require_accounts(accounts)
        self._drop_feeds()  # a new subscription takes the place of the former one
        answer = {"account_ids": accounts, "namespaces": namespaces, "history": self._oms.history}
        self._respond(request_id, Action.SUBSCRIBE, EventName.SUBSCRIBED, answer)
        if Namespace.POSITION not in namespaces:
            return
        await self._start_feeds(request_id, accounts, wanted)

    def _require_accounts(self, accounts: list[int]) -> None:
        rows = ask(self._oms, "accounts", {}, {}, None, self._principal)["items"]
        readable = {row["account_id"] for row in rows if row["can_read"]}
        for account_id in accounts:
            if account_id not in readable:
                message = f"account_ids: there is no account {account_id} that this key may read"
                raise refused(ErrorCode.ACCOUNT_NOT_FOUND, message, {"account_id": account_id})

    async def _start_feeds(self, request_id: Any, accounts: list[int], wanted: Subscribe) -> None:
        """Snapshots first, for all accounts; then what came after the cursors; then what is new."""
        summary = []
        for account_id in accounts:
            cursor = wanted.after_seq.get(account_id)
            if cursor is not None and self._can_resume(account_id, cursor):
                self._feeds.append(self._feed(account_id, cursor))
                continue
            if cursor is not None:
                self._tell_expired(request_id, account_id, cursor)
            if cursor is not None or wanted.with_snapshot:
                summary.append(self._snapshot(request_id, account_id))
            else:
                seq = self._oms.last_seq(account_id)
                self._feeds.append(self._feed(account_id, seq))
        if summary or wanted.with_snapshot:
            done = {"account_ids": [row["account_id"] for row in summary], "accounts": summary}
            self._respond(request_id, Action.SUBSCRIBE, EventName.SNAPSHOT_DONE, done)
        for feed in list(self._feeds):
            await self._start(request_id, feed)

    async def _start(self, request_id: Any, feed: Feed) -> None:
        try:
            await self._hub.start(feed)
        except CursorExpired:
            # It was kept when it was asked for; the client read so slowly that it is gone now.
            self._hub.remove(feed)
            self._feeds.remove(feed)
            self._tell_expired(request_id, feed.account_id, feed.sent)
            self._snapshot(request_id, feed.account_id)
            await self._hub.start(self._feeds[-1])

    def _can_resume(self, account_id: int, cursor: int) -> bool:
        return self._oms.events(account_id, cursor, 1) is not None

    def _tell_expired(self, request_id: Any, account_id: int, cursor: int) -> None:
        answer = {"account_id": account_id, "after_seq": cursor, "seq": self._oms.last_seq(account_id)}
        self._respond(request_id, Action.SUBSCRIBE, EventName.CURSOR_EXPIRED, answer)

    def _snapshot(self, request_id: Any, account_id: int) -> dict[str, Any]:
        """Send what is open, and follow the account from there."""
        shot: Snapshot = take(self._oms, account_id, self._principal)
        self._feeds.append(self._feed(account_id, shot.seq))
        for event, items in (
            (EventName.SNAPSHOT_OPEN_ORDERS, shot.orders),
            (EventName.SNAPSHOT_OPEN_POSITIONS, shot.positions),
        ):
            answer = {"account_id": account_id, "items": items, "seq": shot.seq}
            self._respond(request_id, Action.SUBSCRIBE, event, answer, seq=shot.seq)
        return {
            "account_id": account_id,
            "open_orders": len(shot.orders),
            "open_positions": len(shot.positions),
            "seq": shot.seq,
        }

    # commands and calls

    async def _command(self, request_id: Any, payload: dict[str, Any]) -> None:
        self._require_key()
        reply = await self._groups.run(CommandRequest({}, payload, self._principal))
        results = reply.body.get("results") or reply.body.get("detail", {}).get("results")
        if not results:
            raise Refused(reply.body["detail"])
        result = results[0]
        self._respond(request_id, Action.COMMAND, EventName.COMMAND_RESULT, result, ok=bool(result["ok"]))

    async def _query(self, request_id: Any, payload: dict[str, Any]) -> None:
        self._require_key()
        wanted = Query.model_validate(payload)
        endpoint = BY_NAME.get(wanted.endpoint)
        if endpoint is None or endpoint.method != "GET" or endpoint.access is not Access.KEY:
            raise refused(ErrorCode.VALIDATION_ERROR, "endpoint: expected the name of a query")
        given = wanted.parameters
        path = {name: str(given[name]) for name in endpoint.placeholders if name in given}
        missing = [name for name in endpoint.placeholders if name not in given]
        if missing:
            raise refused(ErrorCode.VALIDATION_ERROR, f"parameters.{missing[0]}: expected a value")
        query = {name: value for name, value in given.items() if name not in path}
        answer = ask(self._oms, endpoint.name, path, query, None, self._principal)
        self._respond(request_id, Action.QUERY, EventName.QUERY_RESULT, answer)

    def _require_key_for(self, function: str) -> None:
        if snake_case(function) not in MARKET_FUNCTIONS:
            self._require_key()

    async def _call(self, request_id: Any, payload: dict[str, Any]) -> None:
        call = CcxtCall.model_validate(payload)
        self._require_key_for(call.func)
        result = call_venue(self._oms, call.account_id, call.func, call.args, call.kwargs, self._principal)
        self._respond(request_id, Action.CALL, EventName.CCXT_RESULT, {"result": result})

    async def _subscribe_market(self, request_id: Any, payload: dict[str, Any]) -> None:
        wanted = SubscribeMarket.model_validate(payload)
        interval = self._polls.subscribe(wanted, self._principal)
        answer = {
            "account_id": wanted.account_id,
            "symbol": wanted.symbol,
            "channels": [channel.value for channel in dict.fromkeys(wanted.channels)],
            "poll_interval_ms": interval,
        }
        self._respond(request_id, Action.SUBSCRIBE_MARKET, EventName.SUBSCRIBED_MARKET, answer)

    async def _unsubscribe_market(self, request_id: Any, payload: dict[str, Any]) -> None:
        removed = self._polls.unsubscribe(UnsubscribeMarket.model_validate(payload))
        answer = {"removed": removed}
        self._respond(request_id, Action.UNSUBSCRIBE_MARKET, EventName.UNSUBSCRIBED_MARKET, answer)


_ACTIONS: Final[dict[Action, Callable[[Client, Any, dict[str, Any]], Awaitable[None]]]] = {
    Action.AUTH: Client._auth,
    Action.PING: Client._ping,
    Action.SUBSCRIBE: Client._subscribe,
    Action.COMMAND: Client._command,
    Action.QUERY: Client._query,
    Action.CALL: Client._call,
    Action.SUBSCRIBE_MARKET: Client._subscribe_market,
    Action.UNSUBSCRIBE_MARKET: Client._unsubscribe_market,
}


def _invalid(error: ValidationError) -> Refused:
    """A payload that the contract does not allow, without what was sent: it may be a key."""
    found = [{**problem, "loc": ["payload", *problem["loc"]]} for problem in problems(error)]
    first = found[0]
    message = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return refused(ErrorCode.VALIDATION_ERROR, message, {"errors": found})


class WebSocketEndpoint:
    """All connections of `/ws`.

    :param oms: what they talk to
    :param groups: who runs their commands
    :param limiter: holds how often they may ask, if they may not as often as they like
    :param largest_frame: bytes
    """

    def __init__(
        self,
        oms: ServedOms,
        groups: CommandGroups,
        limiter: RateLimiter | None = None,
        largest_frame: int = LARGEST_FRAME,
    ) -> None:
        self._oms = oms
        self._limiter = limiter
        self._largest_frame = largest_frame
        self._groups = groups
        self._clients: set[Client] = set()
        self._hub: EventHub | None = None
        self._prices: PriceHub | None = None

    @property
    def clients(self) -> int:
        """How many there are."""
        return len(self._clients)

    def start(self) -> None:
        """Listen to the OMS; from within the event loop."""
        self._hub = EventHub(self._oms)
        self._prices = PriceHub(self._oms)

    def check_keys(self) -> None:
        """Close the connections whose keys have been disabled or rotated."""
        for client in list(self._clients):
            client.check_key()

    def stop(self) -> None:
        """Say goodbye to all connections: the server is going away."""
        for client in list(self._clients):
            client.close()
            client.outbox.close(None, 1001, "the server is shutting down")

    def close(self) -> None:
        """Listen to the OMS no more."""
        if self._hub is not None:
            self._hub.close()
        if self._prices is not None:
            self._prices.close()

    async def handle(self, request: web.Request, secret: str | None) -> web.WebSocketResponse:
        """Serve one connection until it ends.

        :param secret: of a key that has been found good already, if any
        """
        assert self._hub is not None, "started with the application"
        assert self._prices is not None, "with the hub"
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_SECONDS, max_msg_size=self._largest_frame, compress=False, timeout=2.0
        )
        await socket.prepare(request)
        transport = request.transport
        if transport is None:  # gone during the handshake
            return socket
        outbox = Outbox(socket, Wire(transport, request.writer))
        wait = self._wait_of(request.remote)
        client = Client(self._oms, self._groups, self._hub, self._prices, outbox, secret, wait)
        self._clients.add(client)
        outbox.put(frames.HELLO)
        try:
            await _converse(outbox.run(), self._read(socket, client))
        finally:
            client.close()
            self._clients.discard(client)
        await outbox.goodbye()
        return socket

    def _wait_of(self, address: str | None) -> Callable[[Principal], int] | None:
        limiter = self._limiter
        return None if limiter is None else lambda principal: limiter.wait(principal, address)

    async def _read(self, socket: web.WebSocketResponse, client: Client) -> None:
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await client.outbox.room()
                    await client.answer(message.data)
                    client.outbox.flush()
                elif message.type is WSMsgType.BINARY:
                    await client.outbox.room()
                    client.refuse("expected a text frame")
        except SlowConsumer:
            client.close_slow()
        except ConnectionError:
            # The other side has gone, while its ping was answered: there is nobody left to tell.
            client.outbox.close(None, 1006, "connection lost", discard=True)
        finally:
            client.outbox.close(None, 1000, "")


async def _converse(sending: Coroutine[Any, Any, None], reading: Coroutine[Any, Any, None]) -> None:
    """Send and read until there is nothing more to send: whoever ends it, closes the outbox."""
    reader = asyncio.create_task(reading)
    try:
        await sending
    finally:
        reader.cancel()
        await asyncio.wait({reader})
    if not reader.cancelled():
        reader.result()
