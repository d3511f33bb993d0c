"""Where changes come from: an OMS in this process, and a server that numbers its events."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import ccxt
import pytest

from ccxt_driver.exchange.streams import sources
from ccxt_driver.exchange.streams.changes import Change, Kind
from ccxt_driver.exchange.streams.sources import CursorSource, InProcessSource
from ccxt_driver.oms import EmbeddedOms
from tests.helpers.deadline import until

pytestmark = pytest.mark.oldest

ACCOUNTS = [{"account_id": number, "balances": {"USDT": "100000"}} for number in (1, 2)]


class Sink:
    """A stream that notes what it is told."""

    def __init__(self, after: int | None = None, account_id: int = 1) -> None:
        self.account_id = account_id
        self.after = after
        self.began: list[tuple[int | None, bool]] = []
        self.events: list[tuple[int, str | None]] = []
        self.told: list[Any] = []
        self.history: Any = None
        self.steps: list[tuple[int, int]] = []
        """Events, each with the one before it."""

    def begin(self, seq: int | None, *, is_last: bool = False) -> None:
        self.began.append((seq, is_last))

    def resume_after(self) -> int | None:
        return self.after

    def is_of_history(self, history: Any) -> bool:
        before, self.history = self.history, history
        return before in (None, history)

    def begin_anew(self, seq: int | None) -> None:
        self.told.append(("begin anew", seq))

    def take(self, before: int, seq: int, change: Change | None) -> None:
        self.steps.append((before, seq))
        self.events.append((seq, None if change is None else change.kind.value))

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset({Kind.ORDER})

    def repaired(self, seq: int, changes: Iterable[Change]) -> None:
        self.after = seq
        self.told.append(("repaired", seq, [change.row["id"] for change in changes]))

    def take_all(self, changes: Iterable[Change]) -> None:
        raise AssertionError("these changes have numbers")

    def expired(self, after_seq: int) -> None:
        self.after = None  # the watcher has ended
        self.told.append(("expired", after_seq))

    def outage(self, error: ccxt.NetworkError) -> None:
        self.told.append(("outage", error))

    def fail(self, error: ccxt.BaseError) -> None:
        self.told.append(("failed", error))

    @property
    def seqs(self) -> list[int]:
        return [seq for seq, _ in self.events]


# -- in process ---------------------------------------------------------------------------------------


@pytest.fixture
def oms() -> Iterator[EmbeddedOms]:
    with EmbeddedOms(accounts=ACCOUNTS, clock="manual") as made:
        made.set_price("BTC/USDT", bid=100, ask=101)
        yield made


def order(oms: EmbeddedOms, account_id: int = 1, **payload: Any) -> int:
    """Place a resting order; how many events that made."""
    before = oms.last_seq(account_id)
    order = {"symbol": "BTC/USDT", "side": "buy", "order_type": "limit", "price": "90", "qty": "0.1"}
    body = {"account_id": account_id, "command": "send_order", "payload": order | payload}
    reply = oms.handle("commands", {}, {}, body)
    assert reply.status == 200, reply.body
    return oms.last_seq(account_id) - before


def until_now(oms: EmbeddedOms, after: int = 0) -> list[int]:
    return list(range(after + 1, oms.last_seq(1) + 1))


async def test_commits_of_this_thread_are_told_at_once(oms: EmbeddedOms) -> None:
    order(oms)
    sink, first = Sink(), oms.last_seq(1)
    source = InProcessSource(oms, sink)
    await source.start()
    assert sink.began == [(first, True)]
    assert order(oms, order_type="market", price=None) > 3
    assert sink.seqs == until_now(oms, first)
    assert source.cursor == oms.last_seq(1)
    assert sink.steps == [(seq - 1, seq) for seq in sink.seqs]
    assert {"order", "trade", "position", "balance"} <= {str(kind) for _, kind in sink.events}
    order(oms, account_id=2)
    assert sink.seqs == until_now(oms, first)
    source.hint()
    await source.close()
    order(oms)
    assert sink.seqs[-1] < oms.last_seq(1)


async def test_what_came_after_a_cursor_is_given_first(
    oms: EmbeddedOms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_CHUNK", 2)  # several readings
    for _ in range(5):
        order(oms)
    sink = Sink(after=3)
    source = InProcessSource(oms, sink)
    await source.start()
    assert sink.seqs == until_now(oms, 3)
    order(oms)
    assert sink.seqs == until_now(oms, 3)
    await source.rewind(7)
    assert sink.seqs == until_now(oms, 3) + until_now(oms, 7)
    await source.close()


@pytest.mark.parametrize("after", [99, 1])
async def test_a_cursor_that_cannot_be_continued(oms: EmbeddedOms, after: int, monkeypatch: Any) -> None:
    if after == 1:  # too old
        monkeypatch.setattr(oms, "events", lambda *_: None)
    order(oms)
    sink = Sink(after=after)
    source = InProcessSource(oms, sink)
    await source.start()
    assert sink.told == [("expired", after)]
    assert sink.began == [(oms.last_seq(1), True)]
    await source.close()


async def test_commits_of_other_threads_come_in_order(oms: EmbeddedOms) -> None:
    """Also when one of this thread overtakes them on the way to the loop."""
    sink, first = Sink(), oms.last_seq(1)
    source = InProcessSource(oms, sink)
    await source.start()
    for _ in range(20):
        thread = threading.Thread(target=order, args=(oms,))
        thread.start()
        thread.join()  # the loop has had no turn: its news wait
        order(oms)
    assert sink.seqs == until_now(oms, first)
    order(oms, account_id=2)
    await asyncio.sleep(0)
    assert sink.seqs == until_now(oms, first)
    await source.close()


async def test_many_threads_at_once(oms: EmbeddedOms) -> None:
    sink, first = Sink(), oms.last_seq(1)
    source = InProcessSource(oms, sink)
    await source.start()

    def trade() -> None:
        for _ in range(10):
            order(oms)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(asyncio.to_thread(trade))
        for _ in range(10):
            order(oms)
            await asyncio.sleep(0)
    await until(lambda: sink.seqs[-1] == oms.last_seq(1))
    assert sink.seqs == until_now(oms, first)
    await source.close()


async def test_news_that_are_on_their_way_when_it_closes_are_not_told(oms: EmbeddedOms) -> None:
    sink = Sink()
    source = InProcessSource(oms, sink)
    await source.start()
    await asyncio.to_thread(order, oms)
    before = list(sink.seqs)
    thread = threading.Thread(target=order, args=(oms,))
    thread.start()
    thread.join()
    await source.close()
    await asyncio.sleep(0)
    assert sink.seqs == before


async def test_an_oms_that_is_closed_is_told(oms: EmbeddedOms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_TICK_SECONDS", 0.001)
    sink = Sink()
    source = InProcessSource(oms, sink)
    await source.start()
    oms.close()
    await until(lambda: sink.told)
    [(what, error)] = sink.told
    assert what == "failed"
    assert type(error) is ccxt.ExchangeNotAvailable
    await source.close()


async def test_an_oms_on_the_walls_clock_is_asked_to_look_at_its_market(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody else does: without it a stop would wait for the next request."""
    monkeypatch.setattr(sources, "_TICK_SECONDS", 0.001)
    with EmbeddedOms(accounts=ACCOUNTS) as oms:
        looked: list[int] = []
        monkeypatch.setattr(oms, "tick", lambda: looked.append(1))
        source = InProcessSource(oms, Sink())
        await source.start()
        await until(lambda: len(looked) > 2)
        await source.close()


async def test_time_that_is_moved_by_hand_is_left_alone(
    oms: EmbeddedOms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_TICK_SECONDS", 0.001)
    monkeypatch.setattr(oms, "tick", lambda: pytest.fail("it was moved"))
    source = InProcessSource(oms, Sink())
    await source.start()
    await asyncio.sleep(0.02)
    await source.close()


def test_a_loop_that_is_gone_is_forgotten(oms: EmbeddedOms) -> None:
    sink = Sink()

    async def forget_to_close() -> None:
        source = InProcessSource(oms, sink)
        await source.start()
        order(oms)

    asyncio.run(forget_to_close())
    before = list(sink.seqs)
    assert len(oms._subscribers) == 1
    order(oms)
    assert sink.seqs == before
    assert oms._subscribers == []


# -- a server with a cursor ------------------------------------------------------------------------------


class Socket:
    """What a source needs of the socket."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.dropped: list[str] = []
        self.on_ping: Any = lambda: None

    async def ready(self) -> None:
        return None

    async def ask(self, namespace: str, action: str, payload: Any) -> dict[str, Any]:
        self.asked.append((namespace, action))
        self.on_ping()
        return {}

    def drop(self, reason: str) -> None:
        self.dropped.append(reason)


class Feed:
    """What a source needs of the feed."""

    def __init__(self) -> None:
        self.members: list[Any] = []
        self.subscribed = 0

    def add(self, source: Any) -> None:
        self.members.append(source)

    def remove(self, source: Any) -> None:
        self.members.remove(source)

    async def subscribe(self) -> None:
        self.subscribed += 1


class Cursor:
    """A cursor source and what is around it."""

    def __init__(self, after: int | None = None, handed_on: Any = None) -> None:
        self.sink = Sink(after)
        self.socket = Socket()
        self.feed = Feed()
        self.source = CursorSource(self.sink, self.socket, self.feed, handed_on)  # type: ignore[arg-type]

    def subscribed(
        self,
        after: int | None,
        snapshot: int | None = None,
        expired: bool = False,
        history: str | None = None,
    ) -> bool:
        """The frames of an answer to a subscription."""
        self.answered(after, snapshot, expired, history)
        return self.source.on_subscribed()

    def answered(
        self, after: int | None, snapshot: int | None, expired: bool, history: str | None = None
    ) -> None:
        """As `subscribed`, but for the end: what other accounts have open is still to come."""
        self.source.on_subscribing(after, history)
        if expired:
            self.source.on_snapshot({"event": "cursor_expired", "payload": {"account_id": 1}})
        if snapshot is not None:
            for name in ("snapshot_open_orders", "snapshot_open_positions"):
                self.source.on_snapshot({"event": name, "seq": snapshot, "payload": {"items": []}})

    def events(self, seqs: Sequence[int], before: int | None = None, **more: Any) -> None:
        for seq in seqs:
            frame = {
                "event": "order_updated",
                "seq": seq,
                "prev_seq": before,
                "ts_ms": 5,
                "payload": {"id": 1},
            }
            self.source.on_event(frame | more)
            before = seq


async def test_it_begins_where_the_snapshot_stands() -> None:
    cursor = Cursor()
    await cursor.source.start()
    assert (cursor.feed.members, cursor.feed.subscribed) == ([cursor.source], 1)
    assert cursor.subscribed(None, snapshot=7) is False
    assert cursor.sink.began == [(7, True)]
    cursor.events([8, 9], before=7)
    assert cursor.sink.events == [(8, "order"), (9, "order")]
    await cursor.source.close()
    assert cursor.feed.members == []


async def test_events_of_another_history_are_not_taken_for_the_next() -> None:
    cursor = Cursor()
    assert cursor.subscribed(None, snapshot=7, history="first") is False
    assert cursor.subscribed(7, history="first") is False
    assert cursor.subscribed(7, history="second") is True
    cursor.events([8], before=7)
    assert (cursor.sink.told, cursor.sink.events) == ([("begin anew", None)], [])
    assert cursor.subscribed(None, snapshot=9, history="second") is False
    cursor.events([10], before=9)
    assert cursor.sink.seqs == [10]
    assert cursor.subscribed(10, snapshot=2, expired=True, history="third") is True
    assert cursor.sink.told[-1] == ("begin anew", 2)  # who begins now misses nothing after that


async def test_events_without_a_row_move_it_on() -> None:
    cursor = Cursor()
    cursor.subscribed(None, snapshot=7)
    cursor.events([8], before=7, event="order_submitted")
    cursor.events([9], before=8, payload="what?")
    assert cursor.sink.events == [(8, None), (9, None)]


async def test_what_is_sent_twice_is_taken_once() -> None:
    cursor = Cursor()
    cursor.subscribed(7)
    cursor.events([8, 9], before=7)
    cursor.events([8, 9], before=7)
    cursor.events([10], before=9)
    assert cursor.sink.seqs == [8, 9, 10]
    assert cursor.socket.dropped == []


async def test_numbers_that_the_key_may_not_see_are_no_gap() -> None:
    cursor = Cursor()
    cursor.subscribed(7)
    cursor.events([9, 20, 21], before=7)
    assert cursor.sink.steps == [(7, 9), (9, 20), (20, 21)]
    assert cursor.source.cursor == 21


async def test_a_gap_gives_the_connection_up_and_what_follows_it_is_not_taken() -> None:
    cursor = Cursor()
    cursor.subscribed(7)
    cursor.events([8], before=7)
    cursor.events([10, 11], before=9)
    assert cursor.sink.seqs == [8]
    assert cursor.socket.dropped == ["events of account 1 after 8 are missing"]
    cursor.source.on_down(ccxt.NetworkError("dropped"))
    cursor.subscribed(8)
    cursor.events([9, 10, 11], before=8)
    assert cursor.sink.seqs == [8, 9, 10, 11]


@pytest.mark.parametrize("seq", [None, "8", 8.0, True])
async def test_an_event_without_a_number_is_none_of_the_contract(seq: Any) -> None:
    cursor = Cursor()
    cursor.subscribed(7)
    cursor.events([8], before=7, seq=seq)
    assert cursor.sink.seqs == []


async def test_events_of_a_former_subscription_are_not_taken_before_the_new_one_stands() -> None:
    cursor = Cursor()
    cursor.subscribed(None, snapshot=7)
    cursor.source.on_down(ccxt.NetworkError("lost"))
    cursor.events([8], before=7)
    assert cursor.sink.seqs == []
    cursor.source.on_outage(ccxt.NetworkError("for long"))
    cursor.source.on_failed(ccxt.AuthenticationError("no"))
    assert [what for what, _ in cursor.sink.told] == ["outage", "failed"]


async def test_a_cursor_that_has_expired_is_told_and_the_snapshot_is_the_beginning() -> None:
    cursor = Cursor(after=7)
    assert cursor.subscribed(7, snapshot=100, expired=True) is False
    assert cursor.sink.began == [(100, True)]
    assert cursor.sink.told == [("expired", 7)]
    cursor.events([101], before=100)
    assert cursor.sink.seqs == [101]


async def test_others_go_on_before_the_snapshot_when_the_oldest_cursor_has_expired() -> None:
    cursor = Cursor(after=7)
    cursor.sink.expired = lambda after_seq: setattr(cursor.sink, "after", 50)  # type: ignore[method-assign]
    assert cursor.subscribed(7, snapshot=100, expired=True) is True  # subscribe again
    assert cursor.subscribed(50) is False
    cursor.events([51], before=50)
    assert cursor.sink.seqs == [51]


async def test_a_resumed_subscription_says_nothing_of_the_last_event() -> None:
    cursor = Cursor(after=7)
    cursor.subscribed(7)
    assert cursor.sink.began == [(7, False)]


async def test_rewinding_subscribes_anew() -> None:
    cursor = Cursor()
    cursor.subscribed(None, snapshot=7)
    await cursor.source.rewind(3)
    assert cursor.feed.subscribed == 1
    assert cursor.socket.asked == []


@pytest.mark.parametrize("comes", [True, False])
async def test_a_cursor_of_the_future_has_expired_unless_its_event_is_on_its_way(comes: bool) -> None:
    cursor = Cursor()
    cursor.subscribed(None, snapshot=7)
    if comes:
        cursor.socket.on_ping = lambda: cursor.events([8], before=7)
    await cursor.source.rewind(8)
    assert cursor.socket.asked == [("system", "ping")]
    assert cursor.sink.told == ([] if comes else [("expired", 8)])


# -- events that a server does not keep ------------------------------------------------------------------


class Handed:
    """What was handed on, with a read that says what it is told to."""

    def __init__(self) -> None:
        self.seq: int | None = None
        self.reached_ms: int | None = None
        self.noted: list[tuple[int, bool]] = []
        self.began: list[int | None] = []
        self.read = asyncio.Event()
        self.error: Exception | None = None
        self.known: set[int] = set()
        self.forgotten = 0

    def note(self, seq: int, ts_ms: Any, change: Change | None) -> None:
        self.seq, self.reached_ms = seq, ts_ms
        self.noted.append((seq, change is not None))

    async def look(self, kinds: Iterable[Kind]) -> Any:
        assert [*kinds] == [Kind.ORDER]
        await self.read.wait()
        if self.error is not None:
            raise self.error
        return [Change(Kind.ORDER, 1, 0, None, None, 5, {"id": number}) for number in (21, 22)]

    def news(self, fresh: Any) -> Any:
        return fresh

    def tells_news(self, change: Change) -> bool:
        return change.row["id"] not in self.known

    def begin(self, seq: int | None) -> None:
        self.began.append(seq)

    def forget(self) -> None:
        self.forgotten += 1
        self.seq = None


async def cut_off() -> tuple[Cursor, Handed]:
    """After event 7 the connection was lost for so long that the server goes on after 100."""
    handed_on = Handed()
    cursor = Cursor(handed_on=handed_on)
    await cursor.source.start()
    cursor.subscribed(None, snapshot=6)
    cursor.events([7], before=6)
    cursor.sink.after = 7
    cursor.source.on_down(ccxt.NetworkError("lost"))
    assert cursor.subscribed(7, snapshot=100, expired=True) is False
    return cursor, handed_on


async def test_what_the_server_does_not_keep_is_read_before_its_events_are_handed_out() -> None:
    cursor, handed_on = await cut_off()
    handed_on.known = {1}
    cursor.events([101], before=100)
    cursor.events([102], before=101, payload={"id": 2})
    await asyncio.sleep(0)
    assert (cursor.sink.seqs, cursor.sink.told, cursor.source.cursor) == ([7], [], 7)
    handed_on.read.set()
    await until(lambda: cursor.sink.seqs == [7, 101, 102])
    assert cursor.socket.asked[-1][1] == "ping", (
        "what was committed before the read has come before its answer"
    )
    assert cursor.sink.told == [("repaired", 100, [21, 22])]
    assert cursor.sink.events[1:] == [(101, None), (102, "order")], "one of them was read already"
    assert handed_on.noted == [(7, True), (100, False), (101, False), (102, True)]
    cursor.events([103], before=102)
    assert cursor.sink.events[-1] == (103, "order")
    assert (cursor.source.cursor, cursor.sink.steps[-1]) == (103, (102, 103))
    await cursor.source.close()


async def test_a_read_that_fails_is_made_again_after_the_next_connection() -> None:
    cursor, handed_on = await cut_off()
    handed_on.error = ccxt.NetworkError("gone")
    handed_on.read.set()
    await until(lambda: bool(cursor.socket.dropped))
    assert [told[0] for told in cursor.sink.told] == ["outage"]
    cursor.source.on_down(ccxt.NetworkError("dropped"))
    handed_on.error = None
    cursor.subscribed(7, snapshot=110, expired=True)
    await until(lambda: cursor.sink.told[-1] == ("repaired", 110, [21, 22]))
    await cursor.source.close()


async def test_one_that_cannot_be_made_is_told_as_what_has_expired() -> None:
    cursor, handed_on = await cut_off()
    handed_on.error = ccxt.BadResponse("no row")
    cursor.events([101], before=100)
    handed_on.read.set()
    await until(lambda: cursor.sink.seqs == [7, 101])
    assert cursor.sink.told == [("expired", 7)]
    assert cursor.sink.began[-1] == (100, True)
    assert (handed_on.forgotten, handed_on.began) == (1, [6, 100])
    await cursor.source.close()


async def test_a_connection_that_is_lost_in_the_middle_of_it_begins_it_anew() -> None:
    cursor, handed_on = await cut_off()
    cursor.events([101], before=100)
    cursor.source.on_down(ccxt.NetworkError("lost again"))
    assert cursor.source.cursor == 7
    cursor.subscribed(7, snapshot=120, expired=True)
    handed_on.read.set()
    await until(lambda: bool(cursor.sink.told))
    assert (cursor.sink.told, cursor.sink.seqs) == ([("repaired", 120, [21, 22])], [7])
    await cursor.source.close()


@pytest.mark.parametrize("after, snapshot, seq", [(5, 100, 7), (7, 3, 7), (7, 100, None)])
async def test_what_cannot_be_read_is_told(after: int, snapshot: int, seq: int | None) -> None:
    """Who wants to go on before the last event, a history that was lost, and nothing that is known."""
    cursor, handed_on = await cut_off()
    cursor.source.on_down(ccxt.NetworkError("lost again"))
    handed_on.seq = seq
    cursor.subscribed(after, snapshot=snapshot, expired=True)
    assert cursor.sink.told == [("expired", after)]
    await cursor.source.close()


async def test_events_that_come_while_other_accounts_are_answered_wait_for_what_was_missed() -> None:
    """They made it look as if nothing could be read: the stream had gone on."""
    cursor, handed_on = await cut_off()
    cursor.source.on_down(ccxt.NetworkError("lost again"))
    cursor.answered(7, 110, expired=True)
    cursor.events([111, 112], before=110)
    assert (cursor.sink.seqs, cursor.source.cursor) == ([7], 7)
    assert cursor.source.on_subscribed() is False
    handed_on.read.set()
    await until(lambda: cursor.sink.seqs == [7, 111, 112])
    assert cursor.sink.told == [("repaired", 110, [21, 22])]
    assert cursor.sink.steps[1:] == [(110, 111), (111, 112)]
    cursor.events([113], before=112)
    assert cursor.sink.seqs == [7, 111, 112, 113]
    await cursor.source.close()


async def test_events_that_come_so_early_are_given_where_nothing_can_be_read() -> None:
    cursor, handed_on = await cut_off()
    cursor.source.on_down(ccxt.NetworkError("lost again"))
    handed_on.seq, handed_on.known = None, {1}  # what is known is of long ago
    cursor.answered(7, 110, expired=True)
    cursor.events([111], before=110)
    assert cursor.source.on_subscribed() is False
    assert (cursor.sink.told, cursor.sink.began[-1]) == ([("expired", 7)], (110, True))
    assert cursor.sink.events[1:] == [(111, "order")]
    assert handed_on.began[-1] == 110
    await cursor.source.close()


async def test_what_comes_before_it_subscribes_once_more_comes_after_that() -> None:
    """Otherwise it would look as if the others had got what was before it."""
    cursor, handed_on = await cut_off()
    cursor.source.on_down(ccxt.NetworkError("lost again"))
    cursor.sink.expired = lambda after_seq: setattr(cursor.sink, "after", 7)  # type: ignore[method-assign]
    cursor.answered(5, 110, expired=True)  # one goes on further back than all was handed on
    cursor.events([111], before=110)
    assert cursor.source.on_subscribed() is True
    cursor.events([112], before=111)
    assert (cursor.sink.seqs, handed_on.seq) == ([7], 7)
    assert cursor.subscribed(7, snapshot=112, expired=True) is False
    handed_on.read.set()
    await until(lambda: ("repaired", 112, [21, 22]) in cursor.sink.told)
    cursor.events([113], before=112)
    assert cursor.sink.seqs == [7, 113]
    await cursor.source.close()


async def test_a_connection_that_is_lost_while_it_answers_leaves_nothing_behind() -> None:
    cursor, _ = await cut_off()
    cursor.source.on_down(ccxt.NetworkError("lost again"))
    cursor.answered(7, 110, expired=True)
    cursor.events([111], before=110)
    cursor.source.on_down(ccxt.NetworkError("and again"))
    cursor.subscribed(7)
    cursor.events([8], before=7)
    assert cursor.sink.seqs == [7, 8]
    await cursor.source.close()
