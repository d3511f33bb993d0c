"""All accounts of a socket in one subscription."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import ccxt
import pytest

from ccxt_driver.exchange.streams.event_feed import EventFeed

pytestmark = pytest.mark.oldest

Frame = dict[str, Any]


class Socket:
    """Answers subscriptions: as a server with the accounts 1 to 5."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.refuse: Callable[[list[int]], ccxt.BaseError | None] = lambda accounts: None
        self.allowed: list[int] | None = None
        self.go_on: asyncio.Event | None = None
        self.dropped: list[str] = []
        self.says_twice = False

    def add(self, listener: Any) -> None:
        self.listener = listener

    def drop(self, reason: str) -> None:
        self.dropped.append(reason)

    async def ask(
        self,
        namespace: str,
        action: str,
        payload: Mapping[str, Any],
        *,
        seconds: float,
        last: frozenset[str],
        each: Callable[[Frame], None],
    ) -> Frame:
        assert (namespace, action) == ("position", "subscribe")
        assert last == ({"snapshot_done"} if payload["with_snapshot"] else set())
        self.asked.append(payload)
        if self.go_on is not None:
            await self.go_on.wait()
        error = self.refuse(list(payload["account_ids"]))
        if error is not None:
            raise error
        accounts = payload["account_ids"] if self.allowed is None else self.allowed
        each({"event": "subscribed", "payload": {"account_ids": accounts}})
        if not payload["with_snapshot"]:
            return {"event": "subscribed"}
        for account_id in accounts:
            each({"event": "snapshot_open_orders", "payload": {"account_id": account_id}, "seq": 7})
        if self.says_twice:
            each({"event": "subscribed", "payload": {"account_ids": accounts}})
        done = {"event": "snapshot_done", "payload": {}}
        each(done)
        return done


class Subscriber:
    """Notes everything."""

    def __init__(self, account_id: int, after: int | None = None, wants_snapshot: bool = True) -> None:
        self.account_id = account_id
        self.wants_snapshot = wants_snapshot
        self.after = after
        self.heard: list[tuple[str, Any]] = []
        self.again = 0

    def resume_after(self) -> int | None:
        return self.after

    def on_subscribing(self, after_seq: int | None, history: Any) -> None:
        self.heard.append(("subscribing", after_seq))

    def on_snapshot(self, frame: Frame) -> None:
        self.heard.append(("snapshot", frame["payload"]["account_id"]))

    def on_subscribed(self) -> bool:
        self.heard.append(("subscribed", None))
        self.again -= 1
        return self.again >= 0

    def on_event(self, frame: Frame) -> None:
        self.heard.append(("event", frame["seq"]))

    def on_down(self, error: ccxt.NetworkError) -> None:
        self.heard.append(("down", error))

    def on_outage(self, error: ccxt.NetworkError) -> None:
        self.heard.append(("outage", error))

    def on_failed(self, error: ccxt.BaseError) -> None:
        self.heard.append(("failed", type(error)))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.heard]


class Stage:
    def __init__(self) -> None:
        self.socket = Socket()
        self.feed = EventFeed("oms", self.socket)  # type: ignore[arg-type]

    def follow(self, *accounts: int, **options: Any) -> list[Subscriber]:
        made = [Subscriber(account_id, **options) for account_id in accounts]
        for subscriber in made:
            self.feed.add(subscriber)
        return made


@pytest.fixture
def stage() -> Stage:
    return Stage()


def event(account_id: Any, seq: int = 8, **more: Any) -> Frame:
    return {"id": None, "namespace": "position", "seq": seq, "payload": {"account_id": account_id}} | more


async def test_all_accounts_are_asked_for_at_once_each_from_where_it_stands(stage: Stage) -> None:
    [first], [second] = stage.follow(1), stage.follow(2, after=5)
    await stage.feed.subscribe()
    [payload] = stage.socket.asked
    assert payload == {
        "account_ids": [1, 2],
        "namespaces": ["position"],
        "with_snapshot": True,
        "after_seq": {"2": 5},
    }
    assert first.heard == [("subscribing", None), ("snapshot", 1), ("subscribed", None)]
    assert second.heard == [("subscribing", 5), ("snapshot", 2), ("subscribed", None)]


async def test_what_nobody_wants_is_not_waited_for(stage: Stage) -> None:
    """Some servers send what is open as events: nothing would ever end the answer."""
    [reading] = stage.follow(1, wants_snapshot=False)
    await stage.feed.subscribe()
    assert stage.socket.asked[0]["with_snapshot"] is False
    assert reading.heard == [("subscribing", None), ("subscribed", None)]

    stage.follow(2)
    await stage.feed.subscribe()
    assert stage.socket.asked[1]["with_snapshot"] is True


async def test_without_a_cursor_none_is_sent(stage: Stage) -> None:
    """A server that knows none would refuse it."""
    stage.follow(1)
    await stage.feed.subscribe()
    assert "after_seq" not in stage.socket.asked[0]


async def test_nobody_to_subscribe_for(stage: Stage) -> None:
    [first] = stage.follow(1)
    stage.feed.remove(first)
    await stage.feed.subscribe()
    await stage.socket.listener.on_up()
    assert stage.socket.asked == []


async def test_events_come_to_their_account_only(stage: Stage) -> None:
    first, second = stage.follow(1, 2)
    await stage.feed.subscribe()
    told = stage.socket.listener
    told.on_frame(event(1))
    told.on_frame(event(2, 4))
    for nobodys in (
        event(3),
        event(None),
        event("1"),
        event(True),
        event(1, namespace="ccxt"),
        {"payload": []},
    ):
        told.on_frame(nobodys)
    assert first.heard[-1] == ("event", 8)
    assert second.heard[-1] == ("event", 4)
    assert len(first.heard) == len(second.heard) == 4


async def test_each_connection_is_subscribed_on(stage: Stage) -> None:
    [first] = stage.follow(1)
    await stage.feed.subscribe()
    error = ccxt.NetworkError("lost")
    stage.socket.listener.on_down(error)
    stage.socket.listener.on_outage(error)
    first.after = 9
    await stage.socket.listener.on_up()
    assert stage.socket.asked[1]["after_seq"] == {"1": 9}
    assert first.names[3:] == ["down", "outage", "subscribing", "snapshot", "subscribed"]


async def test_subscriptions_follow_each_other(stage: Stage) -> None:
    """A connection and a new account come at the same time: the frames of both must not mix."""
    stage.follow(1)
    stage.socket.go_on = asyncio.Event()
    first = asyncio.ensure_future(stage.feed.subscribe())
    await asyncio.sleep(0)
    stage.follow(2)
    second = asyncio.ensure_future(stage.feed.subscribe())
    for _ in range(3):
        await asyncio.sleep(0)
    assert [payload["account_ids"] for payload in stage.socket.asked] == [[1]]
    stage.socket.go_on.set()
    await asyncio.gather(first, second)
    assert [payload["account_ids"] for payload in stage.socket.asked] == [[1], [1, 2]]


async def test_who_wants_to_go_on_elsewhere_is_subscribed_once_more(stage: Stage) -> None:
    first, second = stage.follow(1, 2)
    first.again = 1
    await stage.feed.subscribe()
    assert len(stage.socket.asked) == 2
    assert second.names.count("subscribed") == 2


def _unknown(account_id: int) -> Callable[[list[int]], ccxt.BaseError | None]:
    """A server that names the account that it refuses."""

    def refuse(accounts: list[int]) -> ccxt.BaseError | None:
        if account_id not in accounts:
            return None
        error = ccxt.BadRequest(f"there is no account {account_id} that this key may read")
        error.__dict__["details"] = {"code": "account_not_found", "details": {"account_id": account_id}}
        return error

    return refuse


@pytest.mark.parametrize("refused", [1, 2, 3])
async def test_an_account_that_is_refused_is_told_and_the_others_go_on(stage: Stage, refused: int) -> None:
    members = stage.follow(1, 2, 3)
    stage.socket.refuse = _unknown(refused)
    await stage.feed.subscribe()
    for member in members:
        expected = ["failed"] if member.account_id == refused else ["subscribing", "snapshot", "subscribed"]
        assert member.names == expected, member.account_id
    assert len(stage.socket.asked) == 2
    stage.socket.listener.on_frame(event(refused))
    assert ("event", 8) not in members[refused - 1].heard


async def test_when_nothing_is_allowed_all_are_told(stage: Stage) -> None:
    members = stage.follow(1, 2, 3)
    stage.socket.refuse = lambda accounts: ccxt.AuthenticationError("invalid key")
    await stage.feed.subscribe()
    assert [member.heard for member in members] == [[("failed", ccxt.AuthenticationError)]] * 3


async def test_a_server_that_leaves_accounts_out_has_refused_them(stage: Stage) -> None:
    first, second = stage.follow(1, 2)
    stage.socket.allowed = [1]
    await stage.feed.subscribe()
    assert second.heard == [("failed", ccxt.PermissionDenied)]
    assert first.names == ["subscribing", "snapshot", "subscribed"]


async def test_a_connection_that_is_lost_meanwhile_is_no_refusal(stage: Stage) -> None:
    [first] = stage.follow(1)
    stage.socket.refuse = lambda accounts: ccxt.RequestTimeout("lost")
    with pytest.raises(ccxt.RequestTimeout):
        await stage.feed.subscribe()
    assert first.heard == []
    assert len(stage.socket.dropped) == 1  # what the server has begun nobody knows
    stage.socket.refuse = lambda accounts: None
    await stage.socket.listener.on_up()
    assert first.names[-1] == "subscribed"


async def test_who_leaves_while_it_is_subscribed_hears_nothing_more(stage: Stage) -> None:
    [first] = stage.follow(1)
    stage.socket.go_on = asyncio.Event()
    going = asyncio.ensure_future(stage.feed.subscribe())
    await asyncio.sleep(0)
    stage.feed.remove(first)
    stage.socket.go_on.set()
    await going
    assert "subscribed" not in first.names
    stage.socket.listener.on_frame(event(1))
    assert "event" not in first.names


async def test_the_end_of_the_socket_is_told_to_all_and_they_are_forgotten(stage: Stage) -> None:
    members = stage.follow(1, 2)
    stage.socket.listener.on_failed(ccxt.AuthenticationError("disabled"))
    assert [member.heard for member in members] == [[("failed", ccxt.AuthenticationError)]] * 2
    await stage.socket.listener.on_up()
    assert stage.socket.asked == []


async def test_a_subscription_that_is_confirmed_twice_begins_once(stage: Stage) -> None:
    stage.socket.says_twice = True
    [subscriber] = stage.follow(1)
    await stage.feed.subscribe()

    assert subscriber.names == ["subscribing", "snapshot", "subscribed"]


async def test_one_that_ends_late_does_not_take_its_successor_along(stage: Stage) -> None:
    [old] = stage.follow(1)
    [new] = stage.follow(1)
    stage.feed.remove(old)
    await stage.feed.subscribe()
    stage.feed.on_frame(event(1))
    assert "event" in new.names
    assert "event" not in old.names
