"""Conversations over `/ws` that no client should have: each question is answered, or the door shut politely.

`FUZZ_EXAMPLES` says how many there are; with it each run has others.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.oms.server.limits import Limits
from tests.helpers.auditor import SPOT, SWAP
from tests.helpers.served import ServedOms
from tests.helpers.under_fuzz import attacked

pytestmark = pytest.mark.sockets

FRESH = "FUZZ_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
LARGEST_FRAME = 64 * 1024
NEVER = {ErrorCode.INTERNAL_ERROR, ErrorCode.ENGINE_UNAVAILABLE}

# ------------------------------------------------------------------ what is sent


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


NUMBERS = ["NaN", "-Infinity", "1e999", "-0", "1E-400", str(2**63), str(2**64), "9" * 60, "9" * 5000]
STRANGE = st.sampled_from(
    [
        *NUMBERS,
        *map(nested, (60, 70, 200, 300, 1000, 5000)),
        *('{"a":' * depth + "1" + "}" * depth for depth in (60, 300, 1000)),
        '"\\ud800"',
        '"\\u0000"',
        '"' + "x" * 2000 + '"',
        "[]",
        "{}",
        "null",
        "true",
        '""',
        '"1"',
        "[1,2]",
        '{"1":1}',
        "-1",
        "0",
        "1.5",
    ]
)
"""Values as JSON writes them, or does not."""

ids = st.integers(1, 20)
accounts = st.sampled_from([1, 2, 3, 9])
symbols = st.sampled_from([SPOT, SWAP, "NO/SUCH"])
prices = st.integers(80, 120).map(str)
channels = st.lists(
    st.sampled_from(["ticker", "orderbook", "trades", "ohlcv"]), min_size=1, max_size=3, unique=True
)


def envelope(name: str, **payload: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"account_id": accounts, "command": st.just(name), "payload": st.fixed_dictionaries(payload)}
    )


ORDER: dict[str, st.SearchStrategy[Any]] = {
    "symbol": symbols,
    "side": st.sampled_from(["buy", "sell"]),
    "order_type": st.sampled_from(["market", "limit"]),
    "qty": st.sampled_from(["0.5", "1", "7"]),
    "price": prices,
    "client_order_id": st.one_of(st.none(), st.sampled_from(["one", "two"])),
    "params": st.just({}),
}
commands = st.one_of(
    envelope("send_order", **ORDER),
    envelope("check_order", **ORDER),
    envelope("change_order", order_id=ids, new_price=prices),
    envelope("cancel_order", order_id=ids),
    envelope("cancel_order", order_ids_csv=st.just("1,2,3")),
    envelope("close_position", position_id=ids),
    envelope("close_by", position_id_a=ids, position_id_b=ids),
    envelope("merge_positions", source_position_id=ids, target_position_id=ids),
    envelope("position_change", position_id=ids, oms_stop_loss=prices),
    envelope("cancel_all_orders", symbol=symbols),
    envelope("cancel_all_after", timeout_ms=st.sampled_from([0, 60_000])),
)
market = {"account_id": accounts, "symbol": symbols, "channels": channels}
calls = st.tuples(
    accounts,
    st.sampled_from(["fetchTicker", "fetch_order", "fetch_ohlcv", "createOrder", "fetch_balance", "nothing"]),
    st.lists(st.one_of(symbols, ids, st.just("1m")), max_size=3),
).map(lambda call: {"account_id": call[0], "func": call[1], "args": call[2]})
subscriptions = st.fixed_dictionaries(
    {"account_ids": st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=3)},
    optional={
        "with_snapshot": st.booleans(),
        "after_seq": st.dictionaries(st.sampled_from(["1", "2", "3"]), st.integers(0, 200), max_size=2),
        "namespaces": st.sampled_from([["position"], ["ccxt"], ["nothing"]]),
    },
)


def question(action: str, payload: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"id": st.integers(), "action": st.just(action), "payload": payload})


questions = st.one_of(
    question("command", commands),
    question("call", calls),
    question("subscribe", subscriptions),
    question("subscribe_market", st.fixed_dictionaries(market)),
    question("unsubscribe_market", st.fixed_dictionaries({}, optional=market)),
    question("auth", st.sampled_from([{"api_key": "KEY"}, {"api_key": "wrong"}, {}])),
    question("ping", st.just({})),
    question("nothing", st.just({})),
)
"""Well-formed ones; `KEY` stands for a good key."""


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands that may be replaced."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*here, key)
        yield from paths(part, (*here, key))


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A well-formed question with something strange at one place, or more of it than expected."""
    frame = copy.deepcopy(draw(questions))  # parts of it are shared
    place = draw(st.sampled_from([*paths(frame)]))
    target = frame
    for key in place[:-1]:
        target = target[key]
    choice = draw(st.integers(0, 7))
    if choice == 0 and isinstance(target, dict):
        target["surplus"] = "MARK"
    elif choice == 1:
        frame["id"] = "MARK"
    else:
        target[place[-1]] = "MARK"
    return json.dumps(frame).replace('"MARK"', draw(STRANGE))


texts = st.one_of(
    questions.map(json.dumps),
    questions.map(json.dumps),
    mutated(),
    mutated(),
    STRANGE,
    st.text(max_size=20),
    questions.map(lambda frame: json.dumps(frame)[:-3]),
)
messages = st.one_of(
    texts.map(lambda text: (WSMsgType.TEXT, text.encode(errors="surrogatepass"))),
    texts.map(lambda text: (WSMsgType.TEXT, text.encode(errors="surrogatepass"))),
    st.binary(max_size=40).map(lambda data: (WSMsgType.BINARY, data)),
    st.just((WSMsgType.PING, b"hello")),
)
last_words = st.sampled_from(
    [
        None,
        None,
        (WSMsgType.TEXT, b'{"id":1,"action":"ping","x":"' + b"x" * LARGEST_FRAME + b'"}'),
        (WSMsgType.TEXT, b"\xff\xfe"),
        (3, b"an opcode that is none"),
        (WSMsgType.CLOSE, b"\x03"),
        (WSMsgType.CLOSE, (4000).to_bytes(2, "big") + b"bye"),
    ]
)
"""What ends a conversation, and with which codes."""

POLITE = {
    None: {1000},
    WSMsgType.TEXT: {1007, 1009},
    3: {1002},
    WSMsgType.CLOSE: {1000, 1002, 4000},
}
conversations = st.tuples(
    st.booleans(),
    st.lists(messages, min_size=1, max_size=12),
    last_words,
    st.sampled_from(["listen", "listen", "abort", "close"]),
)

# ------------------------------------------------------------------ and what is to come back


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOms]:
    limits = Limits(largest_frame=LARGEST_FRAME)
    with attacked(tmp_path_factory.mktemp("fuzz") / "oms.sqlite", limits) as made:
        yield made


@settings(
    max_examples=EXAMPLES,
    derandomize=not FRESH,
    database=None,
    deadline=None,
    suppress_health_check=[*HealthCheck],
)
@given(st.lists(conversations, min_size=1, max_size=3))
def test_every_question_is_answered_or_the_door_is_shut_with_a_code_that_says_why(
    served: ServedOms, talks: list[Any]
) -> None:
    async def all_at_once() -> None:
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for talk in talks:
                group.create_task(converse(session, served, *talk))

    served.run(all_at_once())


async def converse(
    session: aiohttp.ClientSession,
    served: ServedOms,
    with_key: bool,
    messages: list[tuple[WSMsgType, bytes]],
    last: tuple[Any, bytes] | None,
    end: str,
) -> None:
    async with connected(session, served, with_key) as socket:
        for number, (kind, data) in enumerate(messages):
            await socket.send_frame(data.replace(b'"KEY"', json.dumps(served.api_key).encode()), kind)
            await socket.send_str(json.dumps({"id": f"after {number}", "action": "ping"}))
        if end == "abort":
            assert socket._response.connection is not None
            socket._response.connection.transport.abort()  # type: ignore[union-attr]
            return
        if end == "close":
            await socket.close()
            return
        for number, (kind, data) in enumerate(messages):
            answers = await until(socket, f"after {number}")
            if kind is not WSMsgType.PING:
                assert answers, data[:300]
            check(answers, data)
        if last is not None:
            await socket.send_frame(last[1], last[0])
            await drained(socket)
        else:
            await socket.close()
        assert socket.close_code in POLITE[None if last is None else last[0]], (last, socket.close_code)


@asynccontextmanager
async def connected(
    session: aiohttp.ClientSession, served: ServedOms, with_key: bool
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    headers = {"x-api-key": served.api_key} if with_key else {}
    async with session.ws_connect(
        f"{served.base_url}/ws", headers=headers, max_msg_size=0, autoping=False
    ) as socket:
        assert (await socket.receive_json(timeout=5))["event"] == "connected"
        yield socket


async def until(socket: aiohttp.ClientWebSocketResponse, name: str) -> list[dict[str, Any]]:
    """The answers before the one to the ping of that name."""
    answers: list[dict[str, Any]] = []
    while True:
        message = await socket.receive(timeout=5)
        if message.type is WSMsgType.PONG:
            continue
        assert message.type is WSMsgType.TEXT, (message, socket.close_code)
        frame = json.loads(message.data, parse_constant=pytest.fail)
        if frame["id"] == name:
            assert frame["event"] == "pong"
            return answers
        if frame["type"] == "ws_response":
            answers.append(frame)


def check(answers: list[dict[str, Any]], asked: bytes) -> None:
    """They have the shape of the contract, the id of the question, and no code that says it is our fault."""
    for answer in answers:
        assert answer.keys() >= {"id", "ok", "type", "namespace", "action", "event", "payload"}
        if answer["event"] == "error":
            assert answer["ok"] is False
            assert ErrorCode(answer["payload"]["code"]) not in NEVER, (answer, asked[:300])
        elif answer["event"] == "command_result" and answer["payload"]["error"]:
            assert answer["payload"]["error"]["code"] not in NEVER, (answer, asked[:300])
    try:
        question = json.loads(asked)
    except (ValueError, RecursionError):
        return
    if isinstance(question, dict) and type(question.get("id")) is int and abs(question["id"]) < 2**63:
        readable = [answer for answer in answers if answer["id"] is not None]
        assert all(answer["id"] == question["id"] for answer in readable)


async def drained(socket: aiohttp.ClientWebSocketResponse) -> None:
    while (await socket.receive(timeout=5)).type not in (
        WSMsgType.CLOSE,
        WSMsgType.CLOSING,
        WSMsgType.CLOSED,
        WSMsgType.ERROR,
    ):
        pass
