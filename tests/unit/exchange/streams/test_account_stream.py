"""The stream of an account: one source, many watchers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import ccxt
import pytest

from ccxt_driver.exchange.streams.account_stream import AccountStream
from ccxt_driver.exchange.streams.account_watcher import AccountWatcher
from ccxt_driver.exchange.streams.changes import Change, Kind, change_of
from tests.helpers.deadline import until

pytestmark = pytest.mark.oldest


class Source:
    """A log of events, and what it was asked to do."""

    def __init__(self, sink: AccountStream, log: list[Change | None], error: Exception | None) -> None:
        self.sink = sink
        self.log = log
        self.error = error
        self.done: list[Any] = []
        self.go_on: asyncio.Event | None = None
        self.on_rewinding: Any = None
        self.cursor: int | None = len(log)

    async def start(self) -> None:
        if self.go_on is not None:
            await self.go_on.wait()
        if self.error is not None:
            raise self.error
        after = self.sink.resume_after()
        self.done.append(("start", after))
        self.sink.begin(len(self.log), is_last=True)
        if after is not None:
            await self.rewind(after)

    async def rewind(self, after_seq: int) -> None:
        self.done.append(("rewind", after_seq))
        if self.on_rewinding is not None:
            self.on_rewinding()
        if after_seq > len(self.log):
            self.sink.expired(after_seq)
        for number, change in enumerate(self.log[after_seq:], after_seq + 1):
            self.sink.take(number - 1, number, change)
        self.cursor = len(self.log)

    async def follow(self, kinds: Iterable[Kind]) -> None:
        """Everything comes anyway."""

    def hint(self) -> None:
        self.done.append("hint")

    async def close(self) -> None:
        self.done.append("close")


class Stage:
    """A stream, its sources, and what it remembered."""

    def __init__(self) -> None:
        self.log: list[Change | None] = []
        self.sources: list[Source] = []
        self.remembered: list[int | None] = []
        self.error: Exception | None = None
        self.go_on: asyncio.Event | None = None
        self.stream = AccountStream("oms", 1, self._make, lambda change: self.remembered.append(change.seq))

    async def _make(self, stream: AccountStream) -> Source:
        source = Source(stream, self.log, self.error)
        source.go_on = self.go_on
        self.sources.append(source)
        return source

    @property
    def source(self) -> Source:
        return self.sources[-1]

    def event(self, name: str = "order_updated", **row: Any) -> None:
        """Commit an event, and give it to the stream where that has begun."""
        seq = len(self.log) + 1
        change = change_of(1, name, seq, None, {"id": seq, "symbol": "BTC/USDT", "strategy_id": 1, **row})
        self.log.append(change)
        if self.sources and self.stream.is_on:
            self.source.cursor = seq
            self.stream.take(seq - 1, seq, change)

    async def watcher(
        self,
        key: str = "a",
        kind: Kind = Kind.ORDER,
        after_seq: int | None = None,
        strategy: int | None = None,
    ) -> AccountWatcher:
        """As a call of `watch_orders` gets it."""
        if not self.stream.is_on:
            await self.stream.started()
        begin = self.stream.position if after_seq is None else after_seq
        made = self.stream.watcher(
            key, lambda resume: AccountWatcher(f"oms {key}", 100, kind, None, strategy, begin)
        )
        await self.stream.caught_up(made)
        return made


def seqs(changes: Sequence[Change]) -> tuple[list[Any], int]:
    return [change.seq for change in changes], len(changes)


async def taken(watcher: AccountWatcher) -> list[Any]:
    """What it would give now."""
    return await watcher.next(seqs) if len(watcher) else []


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_watcher_is_given_what_comes_after_its_beginning(stage: Stage) -> None:
    stage.event()
    watcher = await stage.watcher()
    assert stage.source.done == [("start", None)]
    stage.event()
    stage.event()
    assert await taken(watcher) == [2, 3]
    assert watcher.seq == 3
    assert await stage.watcher() is watcher


async def test_each_watcher_gets_everything_that_is_its_own(stage: Stage) -> None:
    orders, trades = await stage.watcher(), await stage.watcher("b", Kind.TRADE)
    of_strategy_2 = await stage.watcher("c", strategy=2)
    stage.event()
    stage.event("deal_created", order_id=9)
    stage.event(strategy_id=2)
    assert [await taken(each) for each in (orders, trades, of_strategy_2)] == [[1, 3], [2], [3]]
    assert stage.remembered == [1, 2, 3]


async def test_only_what_somebody_watches_is_remembered(stage: Stage) -> None:
    await stage.watcher("b", Kind.TRADE)
    stage.event()
    stage.event("deal_created", order_id=9)
    assert stage.remembered == [2]


async def test_a_watcher_from_the_past_is_given_it_and_the_others_not_again(stage: Stage) -> None:
    first = await stage.watcher()
    for _ in range(3):
        stage.event()
    late = await stage.watcher("b", after_seq=1)
    assert stage.source.done[-1] == ("rewind", 1)
    stage.event()
    assert await taken(late) == [2, 3, 4]
    assert await taken(first) == [1, 2, 3, 4]
    assert stage.remembered == [1, 2, 3, 4]


async def test_news_that_come_before_the_past_do_not_hide_it(stage: Stage) -> None:
    """A server takes a while to begin anew; until then it goes on with what it did."""
    first = await stage.watcher()
    for _ in range(3):
        stage.event()
    stage.source.on_rewinding = stage.event
    late = await stage.watcher("b", after_seq=1)
    assert await taken(late) == [2, 3, 4]
    assert await taken(first) == [1, 2, 3, 4]
    stage.event()
    assert await taken(late) == await taken(first) == [5]


async def test_a_rewinding_that_fails_is_made_up_for_by_the_next_subscription(stage: Stage) -> None:
    await stage.watcher()
    for _ in range(3):
        stage.event()

    def fail() -> None:
        raise ccxt.NetworkError("lost")

    stage.source.on_rewinding = fail
    with pytest.raises(ccxt.NetworkError):
        await stage.watcher("b", after_seq=1)
    stage.event()  # of the former subscription, still
    stage.source.on_rewinding = None
    assert stage.stream.resume_after() == 1
    await stage.source.rewind(1)
    assert await taken(await stage.watcher("b", after_seq=1)) == [2, 3, 4]


async def test_a_watcher_from_where_the_stream_is_needs_no_rewinding(stage: Stage) -> None:
    await stage.watcher()
    stage.event()
    late = await stage.watcher("b", after_seq=1)
    assert stage.source.done == [("start", None)]
    stage.event()
    assert await taken(late) == [2]


async def test_a_watcher_from_the_future_is_told_and_no_other(stage: Stage) -> None:
    stage.event()
    first = await stage.watcher()
    late = await stage.watcher("b", after_seq=7)
    with pytest.raises(ccxt.ExchangeError, match="oms b: cursor_expired: what came after event 7") as info:
        await late.next(seqs)
    assert info.value.code == "cursor_expired"
    assert late.over
    stage.event()
    assert await taken(first) == [2]
    again = await stage.watcher("b")
    assert again is not late
    stage.event()
    assert await taken(again) == [3]


async def test_watchers_whose_cursor_has_expired_are_told(stage: Stage) -> None:
    watcher = await stage.watcher()
    later = await stage.watcher("b")
    watcher.seq, later.seq = 3, 9
    stage.stream.begin(20)
    stage.stream.expired(3)
    with pytest.raises(ccxt.ExchangeError, match="cursor_expired"):
        await watcher.next(seqs)
    assert not later.ended
    assert stage.stream.resume_after() == 9


async def test_a_server_with_another_history_does_not_silence_the_stream(stage: Stage) -> None:
    """Its numbers are lower than those that came before: they are news all the same."""
    watcher = await stage.watcher()
    for _ in range(20):
        stage.event()
    assert await taken(watcher) == list(range(1, 21))
    stage.stream.fail(ccxt.ExchangeNotAvailable("closed"))
    del stage.log[3:]
    await stage.stream.started()
    with pytest.raises(ccxt.ExchangeError, match="cursor_expired"):
        await watcher.next(seqs)
    anew = await stage.watcher()
    assert anew is not watcher
    assert stage.stream.position == 3
    stage.event()
    assert await taken(anew) == [4]
    assert stage.remembered[-1] == 4


async def test_a_new_start_goes_on_where_the_slowest_watcher_is(stage: Stage) -> None:
    watcher = await stage.watcher()
    other = await stage.watcher("b")
    stage.event()
    stage.stream.fail(ccxt.NetworkError("down"))
    await until(lambda: "close" in stage.source.done)
    assert not stage.stream.is_on
    stage.event()  # nobody listens
    assert await stage.watcher() is watcher
    assert stage.source.done == [("start", 1), ("rewind", 1)]
    stage.event()
    for each in (watcher, other):
        assert await each.next(seqs) == [1, 2, 3]  # before it says that it was down
        with pytest.raises(ccxt.NetworkError):
            await each.next(seqs)


async def test_a_beginning_that_fails_is_tried_again_by_the_next_call(stage: Stage) -> None:
    stage.error = ccxt.AuthenticationError("no")
    for _ in range(2):
        with pytest.raises(ccxt.AuthenticationError):
            await stage.watcher()
        assert stage.source.done == ["close"]
    stage.error = None
    watcher = await stage.watcher()
    stage.event()
    assert await taken(watcher) == [1]
    assert len(stage.sources) == 3


async def test_calls_that_begin_at_the_same_time_have_one_source(stage: Stage) -> None:
    stage.go_on = asyncio.Event()
    made = [asyncio.ensure_future(stage.watcher(key)) for key in ("a", "a", "b")]
    await until(lambda: stage.sources)
    made[0].cancel()
    await asyncio.wait({made[0]})
    stage.go_on.set()
    first, second = await made[1], await made[2]
    assert len(stage.sources) == 1
    stage.event()
    assert await taken(first) == await taken(second) == [1]


async def test_an_outage_is_told_to_those_who_wait(stage: Stage) -> None:
    waits, idle = await stage.watcher(), await stage.watcher("b")
    call = asyncio.ensure_future(waits.next(seqs))
    await until(lambda: waits.waits)
    stage.stream.outage(ccxt.RequestTimeout("silence"))
    with pytest.raises(ccxt.ExchangeNotAvailable, match="it is still tried: silence"):
        await call
    stage.event()
    assert await taken(waits) == await taken(idle) == [1]


async def test_removing_the_last_watcher_ends_the_source(stage: Stage) -> None:
    first = await stage.watcher()
    await stage.watcher("b", Kind.TRADE)
    call = asyncio.ensure_future(first.next(seqs))
    await until(lambda: first.waits)
    await stage.stream.remove("a", ccxt.UnsubscribeError("a"))
    with pytest.raises(ccxt.UnsubscribeError):
        await call
    assert "close" not in stage.source.done
    await stage.stream.remove("b", ccxt.UnsubscribeError("b"))
    assert stage.source.done[-1] == "close"
    assert not stage.stream.is_on
    stage.event()
    again = await stage.watcher()
    stage.event()
    assert await taken(again) == [2]


async def test_a_beginning_is_not_ended_by_removing_what_is_not_watched(stage: Stage) -> None:
    stage.go_on = asyncio.Event()
    begins = asyncio.ensure_future(stage.watcher())
    await until(lambda: stage.sources)
    removing = asyncio.ensure_future(stage.stream.remove("b", ccxt.UnsubscribeError("b")))
    await asyncio.sleep(0)
    stage.go_on.set()
    watcher = await begins
    await removing
    stage.event()
    assert await taken(watcher) == [1]


async def test_the_end_is_told_to_all(stage: Stage) -> None:
    waits, idle = await stage.watcher(), await stage.watcher("b")
    call = asyncio.ensure_future(waits.next(seqs))
    await until(lambda: waits.waits)
    stage.stream.end(ccxt.ExchangeClosedByUser("closed"))
    await stage.stream.close()
    for each in (call, idle.next(seqs)):
        with pytest.raises(ccxt.ExchangeClosedByUser):
            await each
    assert stage.source.done[-1] == "close"


async def test_the_end_is_told_to_a_call_that_is_about_to_begin(stage: Stage) -> None:
    """Whose own task nobody has cancelled."""
    stage.go_on = asyncio.Event()
    begins = asyncio.ensure_future(stage.watcher())
    await until(lambda: stage.sources)
    stage.stream.end(ccxt.ExchangeClosedByUser("closed"))
    await stage.stream.close()
    with pytest.raises(ccxt.ExchangeClosedByUser):
        await begins
    assert stage.source.done == ["close"]
    with pytest.raises(ccxt.ExchangeClosedByUser):
        await stage.watcher()


async def test_a_hint_reaches_the_source(stage: Stage) -> None:
    stage.stream.hint()
    await stage.watcher()
    stage.stream.hint()
    assert stage.source.done == [("start", None), "hint"]


async def test_changes_without_numbers_come_to_all(stage: Stage) -> None:
    first, second = await stage.watcher(), await stage.watcher("b", Kind.TRADE)
    found = [
        change_of(1, name, None, None, {"id": 5, "symbol": "BTC/USDT", "order_id": 5})
        for name in ("order_updated", "deal_created")
    ]
    stage.stream.take_all([change for change in found if change is not None])
    assert (len(first), len(second)) == (1, 1)
    assert stage.remembered == [None, None]


# -- deals of orders ---------------------------------------------------------------------------------


def order(filled: str, status: str = "PARTIALLY_FILLED") -> dict[str, Any]:
    return {"id": 7, "status": status, "filled_qty": filled}


def deal(number: int, qty: str) -> dict[str, Any]:
    return {"id": number, "order_id": 7, "qty": qty}


async def deals_of(watcher: AccountWatcher) -> list[Any]:
    return await watcher.next(
        lambda changes: (
            [each.deals and [deal["id"] for deal in each.deals] for each in changes],
            len(changes),
        )
    )


async def test_an_order_comes_with_its_deals(stage: Stage) -> None:
    watcher = await stage.watcher()
    stage.event(**order("0", "SUBMITTED"))
    stage.event("deal_created", **deal(1, "0.5"))
    stage.event(**order("0.50"))
    stage.event("deal_created", **deal(2, "0.25"))
    stage.event("deal_created", **deal(3, "0.25"))
    stage.event(**order("0.75"))
    stage.event(**order("1", "FILLED"))
    assert await deals_of(watcher) == [None, [1], [1, 2], [1, 2, 3]]


async def test_given_once_more_it_has_the_deals_that_it_had(stage: Stage) -> None:
    await stage.watcher()
    stage.event("deal_created", **deal(1, "0.5"))
    stage.event(**order("0.5"))
    stage.event("deal_created", **deal(2, "0.5"))
    stage.event(**order("1", "FILLED"))
    late = await stage.watcher("b", after_seq=0)
    assert await deals_of(late) == [[1], [1, 2]]


async def test_an_order_some_of_whose_deals_were_before_the_stream_has_none(stage: Stage) -> None:
    """Rather than an incomplete list: the driver says then that it does not know them."""
    stage.event("deal_created", **deal(1, "0.5"))
    watcher = await stage.watcher()
    stage.event("deal_created", **deal(2, "0.25"))
    stage.event(**order("0.75"))
    assert await deals_of(watcher) == [None]


async def test_the_end_is_told_to_a_call_that_waits_for_the_past(stage: Stage) -> None:
    await stage.watcher("a")
    stage.event()
    never = asyncio.Event()

    async def rewind(after_seq: int) -> None:
        await never.wait()

    stage.source.rewind = rewind  # type: ignore[method-assign]
    late = asyncio.create_task(stage.watcher("late", after_seq=0))
    await until(lambda: stage.stream._rewinding is not None)
    stage.stream.end(ccxt.ExchangeClosedByUser("oms closed"))
    await stage.stream.close()
    with pytest.raises(ccxt.ExchangeClosedByUser, match="closed"):
        await asyncio.wait_for(late, 5)


async def test_nobody_watches_a_stream_that_is_over(stage: Stage) -> None:
    await stage.watcher("a")
    stage.stream.end(ccxt.ExchangeClosedByUser("oms closed"))
    with pytest.raises(ccxt.ExchangeClosedByUser, match="closed"):
        await stage.watcher("b")


async def test_who_begins_while_it_is_closed_begins_anew(stage: Stage) -> None:
    await stage.watcher("a")
    stage.event()
    never = asyncio.Event()

    async def rewind(after_seq: int) -> None:
        await never.wait()

    stage.source.rewind = rewind  # type: ignore[method-assign]
    late = asyncio.create_task(stage.watcher("late", after_seq=0))
    await until(lambda: stage.stream._rewinding is not None)
    late.cancel()
    await asyncio.wait({late})
    await stage.stream.remove("late", ccxt.UnsubscribeError("oms"))
    removing = asyncio.create_task(stage.stream.remove("a", ccxt.UnsubscribeError("oms")))
    await asyncio.sleep(0)
    assert not removing.done()
    again = await stage.watcher("again")
    await removing
    assert stage.stream.is_on
    assert [each.done[-1] for each in stage.sources] == ["close", ("start", None)]
    stage.event()
    assert len(again) == 1


async def test_who_was_too_slow_goes_on_where_it_stopped_whoever_calls_next(stage: Stage) -> None:
    def make(resume_after: int | None) -> AccountWatcher:
        return AccountWatcher("oms watch_orders", 3, Kind.ORDER, None, None, resume_after)

    await stage.watcher()
    watcher = stage.stream.watcher("slow", make)
    for _ in range(8):
        stage.event()
    assert await taken(watcher) == [1, 2, 3]
    with pytest.raises(ccxt.ExchangeError, match="goes on after event 3"):
        await watcher.next(seqs)
    stage.event()
    again = stage.stream.watcher("slow", make)
    await stage.stream.caught_up(again)
    assert again is not watcher
    assert await taken(again) == [4, 5, 6]


@pytest.mark.parametrize(
    "name, row",
    [
        ("order_updated", {"id": [1]}),
        ("order_updated", {"symbol": {"no": "symbol"}}),
        ("order_updated", {"filled_qty": "much"}),
        ("order_updated", {"filled_qty": float("nan")}),
        ("deal_created", {"order_id": [7]}),
        ("deal_created", {"order_id": 7, "qty": "much"}),
        ("deal_created", {"order_id": 7}),
    ],
)
async def test_what_is_no_row_does_not_end_the_stream(stage: Stage, name: str, row: dict[str, Any]) -> None:
    orders, deals = await stage.watcher(), await stage.watcher("deals", Kind.TRADE)
    stage.event("deal_created", order_id=1, qty="1")
    stage.event(name, **row)
    stage.event(id=7, filled_qty="1", status="FILLED")

    shown = [[1], [2, 3]] if name == "order_updated" else [[1, 2], [3]]
    assert [await taken(deals), await taken(orders)] == shown
