"""No event twice, none left out, whatever thread commits and however it overlaps with a replay."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from ccxt_driver.oms.entities import Principal
from ccxt_driver.oms.server.event_hub import CursorExpired, EventHub, Feed
from ccxt_driver.oms.server.outbox import SlowConsumer
from ccxt_driver.oms.store import StoreError

ALL = Principal(key_id=1)


class Frames:
    """An outbox that keeps what it is given; `most` frames have room, or one has to wait for it."""

    closing = False

    def __init__(self, most: int = 10**6) -> None:
        self.frames: list[dict[str, Any]] = []
        self.most = most
        self.rooms = 0
        self.on_room: Any = None

    def put(self, frame: str) -> None:
        if len(self.frames) >= self.most:
            raise SlowConsumer
        self.frames.append(json.loads(frame))

    async def room(self) -> None:
        self.rooms += 1
        if self.on_room is not None:
            self.on_room()
        if len(self.frames) >= self.most:
            await asyncio.sleep(0)
            raise SlowConsumer

    @property
    def seqs(self) -> list[int]:
        return [frame["seq"] for frame in self.frames]

    @property
    def chain(self) -> list[tuple[int, int]]:
        return [(frame["prev_seq"], frame["seq"]) for frame in self.frames]


def feed(frames: Frames, cursor: int, principal: Principal = ALL, slow: Any = None) -> Feed:
    return Feed(1, cursor, principal, frames, slow or pytest.fail)  # type: ignore[arg-type]


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_replay_then_live(oms: Any) -> None:
    oms.write(*[0] * 5)
    hub, frames = EventHub(oms), Frames()
    await hub.start(feed(frames, 2))
    oms.emit(0, 0)
    assert frames.chain == [(2, 3), (3, 4), (4, 5), (5, 6), (6, 7)]
    assert frames.frames[0] == {
        "id": None,
        "ok": True,
        "type": "ws_event",
        "namespace": "position",
        "action": "event",
        "event": "order_updated",
        "seq": 3,
        "prev_seq": 2,
        "ts_ms": 0,
        "payload": {"account_id": 1, "n": 3},
    }
    hub.close()
    oms.emit(0)
    assert frames.seqs[-1] == 7


async def test_a_long_replay_is_paced_and_events_of_meanwhile_come_once(oms: Any) -> None:
    oms.write(*[0] * 1200)
    hub, frames = EventHub(oms), Frames()
    frames.on_room = lambda: oms.emit(0)
    await hub.start(feed(frames, 0))
    assert frames.rooms == 3
    oms.emit(0)
    assert frames.seqs == list(range(1, 1205))


async def test_a_commit_that_is_told_late_is_neither_lost_nor_doubled(oms: Any) -> None:
    hub, frames = EventHub(oms), Frames()
    await hub.start(feed(frames, 0))
    late = oms.write(0, 0)
    oms.emit(0)
    oms.tell(late)
    oms.emit(0)
    assert frames.seqs == [1, 2, 3, 4]
    hub.close()


async def test_commits_of_another_thread_arrive(oms: Any) -> None:
    hub, frames = EventHub(oms), Frames()
    await hub.start(feed(frames, 0))
    thread = threading.Thread(target=lambda: [oms.emit(0) for _ in range(50)])
    thread.start()
    await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)
    assert frames.seqs == list(range(1, 51))
    hub.close()


async def test_a_key_of_some_strategies_sees_only_theirs_and_the_accounts_own(oms: Any) -> None:
    hub, frames = EventHub(oms), Frames()
    oms.write(1, 2, None)
    await hub.start(feed(frames, 0, Principal(key_id=2, strategies=frozenset({2}))))
    oms.emit(1, 2)
    assert frames.chain == [(0, 2), (2, 3), (3, 5)]
    hub.close()


async def test_a_cursor_that_is_not_kept_is_told(make_oms: Any) -> None:
    oms = make_oms(3)
    oms.write(*[0] * 10)
    hub = EventHub(oms)
    with pytest.raises(CursorExpired):
        await hub.start(feed(Frames(), 5))
    hub.close()


async def test_a_slow_consumer_is_told_once_and_the_others_go_on(oms: Any) -> None:
    hub, small, large = EventHub(oms), Frames(most=2), Frames()
    told: list[str] = []
    await hub.start(feed(small, 0, slow=lambda: told.append("slow")))
    await hub.start(feed(large, 0))
    oms.emit(0, 0, 0, 0)
    oms.emit(0)
    await settled()
    oms.emit(0)
    await settled()
    assert small.seqs == [1, 2]
    assert large.seqs == [1, 2, 3, 4, 5, 6]
    assert told == ["slow"]
    hub.close()


async def test_a_commit_of_more_events_than_have_room_makes_nobody_slow(oms: Any) -> None:
    """Its events are queued before any of them can be written, however quickly the client reads."""
    hub, frames = EventHub(oms), Frames(most=3)
    await hub.start(feed(frames, 0, Principal(key_id=2, strategies=frozenset({2}))))
    frames.on_room = lambda: setattr(frames, "most", frames.most + 2)
    oms.emit(2, 2, 1, 2, 2, 2, 2)
    oms.emit(2)
    assert frames.seqs == [1, 2, 4]
    await settled()
    oms.emit(1, 2)
    await settled()
    assert frames.chain == [(0, 1), (1, 2), (2, 4), (4, 5), (5, 6), (6, 7), (7, 8), (8, 10)]
    hub.close()


async def test_who_lags_behind_what_is_kept_is_told(make_oms: Any) -> None:
    hub, frames, told = EventHub(make_oms(3)), Frames(most=1), []
    await hub.start(feed(frames, 0, slow=lambda: told.append("slow")))
    frames.on_room = lambda: setattr(frames, "most", 100)
    hub._oms.emit(*[0] * 10)  # type: ignore[attr-defined]
    await settled()
    assert (frames.seqs, told) == ([1], ["slow"])
    hub.close()


async def test_who_lags_while_the_store_cannot_be_read_is_told(
    oms: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Left out in silence, it would miss every later event, too, on a connection that looks alive."""
    hub, frames, told = EventHub(oms), Frames(most=1), []
    await hub.start(feed(frames, 0, slow=lambda: told.append("slow")))
    frames.on_room = lambda: setattr(frames, "most", 100)

    def fail(*_: Any) -> None:
        raise StoreError("a disk that fails")

    with monkeypatch.context() as patch:
        patch.setattr(oms, "events", fail)
        oms.emit(0, 0)
        await settled()
    oms.emit(0)
    await settled()
    assert (frames.seqs, told) == ([1], ["slow"])
    assert "events of account 1 cannot be read" in caplog.text
    hub.close()


async def test_a_subscription_whose_events_cannot_be_read_ends_its_connection(
    oms: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was answered before they are read: an error after that answer says nothing to who resumes."""
    hub, told = EventHub(oms), []
    oms.write(0)

    def fail(*_: Any) -> None:
        raise StoreError("a disk that fails")

    with monkeypatch.context() as patch:
        patch.setattr(oms, "events", fail)
        await hub.start(feed(Frames(), 0, slow=lambda: told.append("slow")))
    assert told == ["slow"]
    hub.close()


async def test_events_that_cannot_be_read_again_are_told_and_the_other_feeds_go_on(
    oms: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, told = EventHub(oms), []
    behind, other = Frames(), Frames()
    await hub.start(feed(behind, 0, slow=lambda: told.append("behind")))
    oms.write(0)  # told late, after the next one
    await hub.start(feed(other, 1))

    def fail(*_: Any) -> None:
        raise StoreError("a disk that fails")

    monkeypatch.setattr(oms, "events", fail)
    oms.emit(0)
    oms.emit(0)
    assert (behind.seqs, other.seqs, told) == ([], [2, 3], ["behind"])
    hub.close()


async def test_a_feed_that_is_removed_while_it_lags_gets_nothing_more(oms: Any) -> None:
    hub, frames = EventHub(oms), Frames(most=1)
    one = feed(frames, 0)
    await hub.start(one)
    frames.on_room = lambda: setattr(frames, "most", 100)
    oms.emit(0, 0)
    hub.remove(one)
    await settled()
    assert frames.seqs == [1]
    hub.close()


async def test_nobody_catches_up_when_the_server_stops(oms: Any) -> None:
    hub, frames = EventHub(oms), Frames(most=1)
    await hub.start(feed(frames, 0))
    frames.on_room = lambda: setattr(frames, "most", 100)
    oms.emit(0, 0)
    hub.close()
    await settled()
    assert frames.seqs == [1]


async def test_a_feed_that_is_removed_gets_nothing_more(oms: Any) -> None:
    hub, frames = EventHub(oms), Frames()
    one = feed(frames, 0)
    await hub.start(one)
    hub.remove(one)
    oms.emit(0)
    assert frames.frames == []
    hub.close()


async def test_a_feed_of_a_connection_that_closes_is_not_started(oms: Any) -> None:
    hub, frames = EventHub(oms), Frames()
    frames.closing = True
    await hub.start(feed(frames, 0))
    oms.emit(0)
    assert frames.frames == []
    hub.close()
