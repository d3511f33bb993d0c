"""Frames of `/ws` as text."""

from __future__ import annotations

from typing import Any, Final

from ccxt_driver.contract.events import EventName, Namespace
from ccxt_driver.oms.entities import Event
from ccxt_driver.oms.json_text import dumps


def response(
    request_id: Any,
    namespace: str,
    action: str,
    event: EventName,
    payload: dict[str, Any],
    *,
    ok: bool = True,
    seq: int | None = None,
) -> str:
    """The answer to a frame of the client.

    :param request_id: what that frame was called
    :param seq: the cursor that a snapshot stands for
    """
    frame = {
        "id": request_id,
        "ok": ok,
        "type": "ws_response",
        "namespace": namespace,
        "action": action,
        "event": event.value,
        "payload": payload,
    }
    if seq is not None:
        frame["seq"] = seq
    return dumps(frame).decode()


def error(
    request_id: Any,
    namespace: str,
    action: str,
    code: str,
    message: str,
    details: dict[str, Any] | None = None,
) -> str:
    """A refusal, or with an id of None the reason why the server closes the connection."""
    payload = {"code": str(code), "message": message, "details": details or {}}
    return response(request_id, namespace, action, EventName.ERROR, payload, ok=False)


HELLO: Final = dumps(
    {
        "id": "server-hello",
        "ok": True,
        "type": "ws_event",
        "namespace": Namespace.SYSTEM.value,
        "action": "connect",
        "event": EventName.CONNECTED.value,
        "payload": {},
    }
).decode()


def pushed_event(event: Event, prev_seq: int, payload: str) -> str:
    """An event of namespace `position`.

    :param prev_seq: the last `seq` that this subscription has sent for the account
    :param payload: the event's payload as JSON, written once for all clients
    """
    return (
        '{"id":null,"ok":true,"type":"ws_event","namespace":"position","action":"event",'
        f'"event":"{event.name}","seq":{event.seq},"prev_seq":{prev_seq},"ts_ms":{event.ts_ms},'
        f'"payload":{payload}}}'
    )


def market_update(account_id: int, symbol: str, channel: str, news: dict[str, Any], ts_ms: int) -> str:
    """New market data of a `subscribe_market`.

    :param news: `data`, or `update` of an order book; `timeframe` of candles
    """
    frame = {
        "id": None,
        "ok": True,
        "type": "ws_event",
        "namespace": Namespace.CCXT.value,
        "action": "event",
        "event": f"{channel}_updated",
        "payload": {"account_id": account_id, "symbol": symbol, "channel": channel, **news, "ts_ms": ts_ms},
    }
    return dumps(frame).decode()
