"""When an account is read: at hints, again while something is missing, in intervals, after failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import pytest
import pytest_asyncio

from ccxt_driver.errors import annotate
from ccxt_driver.exchange.streams.changes import Change, Kind
from ccxt_driver.exchange.streams.differences import Fresh, KnownState
from ccxt_driver.exchange.streams.rereading import RereadingSource
from tests.helpers.rereading import SETTINGS, Waits, until

INTERVAL, LONGEST = SETTINGS.poll_interval, SETTINGS.poll_interval_most


class StubExchange:
    """As much of an exchange object as a source needs beside its reader."""

    id = "oms"

    def _mapped(self, mapper: Any, *args: Any) -> Any:
        return mapper(*args)

    def milliseconds(self) -> int:
        return 0

    def _utc_offset_ms(self) -> int:
        return 0


class StubReader:
    """Answers what it is told to."""

    def __init__(self) -> None:
        self.fresh = Fresh()
        self.errors: list[BaseException] = []
        self.kinds: list[frozenset[Kind]] = []
        self.held: asyncio.Event | None = None
        """What a read waits for before it ends."""
        self.under_way = self.most_at_once = 0

    async def first(self, kinds: Any, known: KnownState) -> Fresh:
        """What there was before."""
        return await self.read(kinds, known)

    async def read(self, kinds: Any, known: KnownState) -> Fresh:
        """What there is now."""
        self.kinds.append(frozenset(kinds))
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await asyncio.sleep(0)
            fresh = self.fresh
            if self.held is not None:
                await self.held.wait()
            if self.errors:
                raise self.errors.pop(0)
            return fresh
        finally:
            self.under_way -= 1


class Case:
    """A source with a stub for everything around it."""

    def __init__(self, known: KnownState | None = None) -> None:
        self.waits, self.reader = Waits(), StubReader()
        self.published: list[Change] = []
        self.failures: list[Exception] = []
        self.outages: list[Exception] = []
        self.nudges = 0
        exchange: Any = StubExchange()
        self.source = RereadingSource(
            exchange,
            1,
            self.published.extend,
            self.failures.append,
            SETTINGS,
            known=known,
            nudge=self._nudge,
            outage=self.outages.append,
            wait=self.waits.wait,
            clock=self.waits.clock,
        )
        reader: Any = self.reader
        self.source._reader = reader

    def _nudge(self) -> None:
        self.nudges += 1

    @property
    def reads(self) -> int:
        """How many reads were begun since the source runs."""
        return self.source.reads

    async def reads_within(self, seconds: float) -> int:
        """How many reads begin in the time that passes."""
        before = self.reads
        await self.waits.pass_by(seconds)
        return self.reads - before


@pytest_asyncio.fixture
async def case() -> AsyncIterator[Case]:
    """Make a source that runs."""
    made = Case()
    await made.source.start()
    await made.waits.settle()
    yield made
    await made.source.aclose()


def order(order_id: int = 1, status: str = "SUBMITTED", **columns: Any) -> dict[str, Any]:
    row = {"id": order_id, "account_id": 1, "symbol": "BTC/USDT", "side": "buy", "order_type": "limit"}
    times = {"created_at": "2026-01-01T00:00:00.000Z", "updated_at": None}
    return row | times | {"status": status, "qty": "1", "price": "90", "filled_qty": "0"} | columns


def event(name: str, **payload: Any) -> dict[str, Any]:
    return {"id": None, "event": name, "payload": {"account_id": 1, **payload}}


# -- intervals


async def test_a_quiet_account_is_read_seldom(case: Case) -> None:
    await case.waits.pass_by(300)
    case.waits.asked.clear()
    assert await case.reads_within(10 * LONGEST) == 10
    assert set(case.waits.asked) == {LONGEST}


async def test_an_account_with_open_orders_is_read_often(case: Case) -> None:
    case.reader.fresh = Fresh([order()])
    await case.waits.pass_by(300)
    assert await case.reads_within(10 * INTERVAL) == 10


async def test_after_the_last_change_the_intervals_grow(case: Case) -> None:
    case.reader.fresh = Fresh([order()])
    await case.waits.pass_by(LONGEST)
    case.reader.fresh = Fresh([order(status="CANCELED")])
    await case.waits.pass_by(2 * INTERVAL)
    case.waits.asked.clear()
    await case.waits.pass_by(200)
    assert case.waits.asked == sorted(case.waits.asked)
    assert (case.waits.asked[0], case.waits.asked[-1]) == (INTERVAL, LONGEST)


async def test_a_slow_server_is_asked_for_half_of_the_time_at_most(case: Case) -> None:
    case.reader.fresh = Fresh([order()])
    await case.waits.pass_by(LONGEST + 0.1)
    case.reader.held = asyncio.Event()
    case.source.hint()
    await until(lambda: case.reader.under_way == 1)
    case.waits.now += 5
    case.reader.held.set()
    case.reader.held = None
    await case.waits.settle()
    assert case.waits.asked[-1] == 5


# -- hints


async def test_a_hint_is_followed_at_once(case: Case) -> None:
    await case.waits.pass_by(300)
    before = case.waits.now
    case.source.hint(event("deal_created", deal_id=7))
    case.reader.fresh = Fresh(
        (),
        [{"id": 7, "order_id": 1, "qty": "1", "executed_at": "2026-01-01T00:00:00Z", "symbol": "BTC/USDT"}],
    )
    await until(lambda: bool(case.published))
    assert case.waits.now == before


async def test_what_an_event_names_is_looked_for_until_it_is_seen(case: Case) -> None:
    await case.waits.pass_by(300)
    case.waits.asked.clear()
    case.source.hint(event("order_submitted", order_id=1))
    await case.waits.pass_by(0.12)
    assert case.waits.asked[:2] == [0.05, 0.1]
    case.reader.fresh = Fresh([order()])
    await case.waits.pass_by(0.1)
    assert [change.row["id"] for change in case.published] == [1]
    assert case.waits.asked[-1] == INTERVAL


async def test_what_is_never_seen_is_looked_for_a_few_times_only(case: Case) -> None:
    await case.waits.pass_by(300)
    case.waits.asked.clear()
    case.source.hint(event("order_canceled", order_id=1))
    await case.waits.pass_by(1.6)
    assert [each for each in case.waits.asked if each < INTERVAL] == [0.05, 0.1, 0.2, 0.4, 0.8]
    assert case.waits.asked[-1] == INTERVAL


async def test_an_event_of_what_was_read_before_costs_nothing(case: Case) -> None:
    case.reader.fresh = Fresh([order()])
    await case.waits.pass_by(LONGEST)
    for name in ("order_submitted", "order_changed"):
        case.source.hint(event(name, order_id=1))
        assert (await case.reads_within(0.1) == 0) == (name == "order_submitted"), name


@pytest.mark.parametrize(
    "frame",
    [event("order_changed", order_id=1), event("somewhat_new", order_id=1)],
    ids=["changed", "unknown"],
)
async def test_an_event_right_after_the_read_that_found_it_costs_nothing(
    case: Case, frame: dict[str, Any]
) -> None:
    await case.waits.pass_by(300)
    case.source.hint(event("order_submitted", order_id=1))
    case.reader.fresh = Fresh([order()])
    await case.waits.pass_by(0.5)
    before = case.reads
    case.source.hint(frame)
    for _ in range(100):
        await asyncio.sleep(0)
    assert case.reads == before


async def test_the_tick_of_our_own_reconcile_is_no_hint(case: Case) -> None:
    await case.waits.pass_by(300)
    before = case.reads
    case.source.hint(event("reconciliation_tick", trades_count=3))
    for _ in range(100):
        await asyncio.sleep(0)
    assert case.reads == before


async def test_hints_are_joined_and_one_read_is_made_at_a_time(case: Case) -> None:
    await case.waits.pass_by(300)
    case.reader.held = asyncio.Event()
    before = case.reads
    for each in range(50):
        case.source.hint(event("order_changed", order_id=each + 1))
    await until(lambda: case.reader.under_way == 1)
    for each in range(50):
        case.source.hint(event("order_changed", order_id=each + 1))
    case.reader.held.set()
    case.reader.held = None
    await case.waits.settle()
    assert case.reader.most_at_once == 1
    await case.waits.pass_by(0.05)
    assert case.reads - before == 2


async def test_a_storm_of_hints_is_no_busy_loop(case: Case) -> None:
    await case.waits.pass_by(300)
    before = case.reads
    for _ in range(200):
        case.source.hint(event("order_changed", order_id=1))
        await case.waits.pass_by(0.01)
    assert case.reads - before <= 2 / 0.05 + 1


async def test_a_command_of_ours_nudges_and_reads(case: Case) -> None:
    await case.waits.pass_by(300)
    before = case.waits.now
    for number in (1, 2):
        reads = case.reads
        case.source.hint()
        await case.waits.pass_by(0.1)
        assert (case.nudges, case.reads - reads) == (number, 1)
    assert case.waits.now - before < INTERVAL
    assert case.failures == []


async def test_events_of_orders_move_a_balance_too() -> None:
    case = Case()
    await case.source.start([Kind.BALANCE])
    await case.waits.pass_by(300)
    case.source.hint(event("order_submitted", order_id=1))
    before = case.waits.now
    await until(lambda: case.reads > 0 and case.reader.kinds[-1] == {Kind.BALANCE})
    assert case.waits.now == before
    await case.source.aclose()


# -- failures


async def test_a_read_that_failed_is_tried_again_with_growing_pauses(case: Case) -> None:
    await case.waits.pass_by(300)
    case.waits.asked.clear()
    case.reader.errors = [ccxt.NetworkError("down") for _ in range(6)]
    case.reader.fresh = Fresh([order()])
    case.source.hint()
    await until(lambda: case.source._failures == 1)
    case.source.hint()  # does not make it earlier
    await case.waits.pass_by(60)
    pauses = case.waits.asked[:5]
    for pause, longest in zip(pauses, (2, 4, 8, 8, 8), strict=True):
        assert longest / 2 <= pause <= longest
    assert [change.row["id"] for change in case.published] == [1]
    assert case.failures == []


async def test_a_server_that_says_when_to_come_again_is_heard(case: Case) -> None:
    await case.waits.pass_by(300)
    case.reader.errors = [annotate(ccxt.RateLimitExceeded("slowly"), retry_after=33.0)]
    case.source.hint()
    await until(lambda: case.source._failures == 1)
    assert await case.reads_within(32) == 0
    assert await case.reads_within(2) >= 1


async def test_an_outage_is_told_and_ends(case: Case) -> None:
    await case.waits.pass_by(300)
    case.reader.errors = [ccxt.ExchangeNotAvailable("down") for _ in range(7)]
    case.source.hint()
    await case.waits.pass_by(60)
    assert case.outages
    assert case.source._failures == 0


@pytest.mark.parametrize("kind", [ccxt.AuthenticationError, ccxt.PermissionDenied, ccxt.AccountSuspended])
async def test_a_key_that_may_not_read_ends_it_at_once(case: Case, kind: type[Exception]) -> None:
    await case.waits.pass_by(300)
    case.reader.errors = [kind("no")]
    rereading = asyncio.ensure_future(case.source.reread())
    await until(lambda: bool(case.failures))
    assert [type(each) for each in case.failures] == [kind]
    with pytest.raises(kind):
        await rereading
    with pytest.raises(ccxt.ExchangeClosedByUser):
        await case.source.reread()


async def test_a_refusal_that_stays_ends_it_in_the_end(case: Case) -> None:
    case.reader.errors = [ccxt.BadRequest("never") for _ in range(50)]
    await case.waits.settle()
    case.source.hint()
    for _ in range(1_000):
        case.waits.skip()
        await asyncio.sleep(0)
    assert [type(each) for each in case.failures] == [ccxt.BadRequest]
    assert len(case.reader.errors) == 50 - 6


async def test_a_fault_of_ours_ends_it_and_is_told(case: Case) -> None:
    case.reader.errors = [ZeroDivisionError("a fault")]
    case.source.hint()
    await until(lambda: bool(case.failures))
    [error] = case.failures
    assert isinstance(error, ccxt.ExchangeError)
    assert isinstance(error.__cause__, ZeroDivisionError)


async def test_a_first_read_that_fails_is_the_callers_and_may_be_made_again() -> None:
    case = Case()
    case.reader.errors = [ccxt.NetworkError("down")]
    with pytest.raises(ccxt.NetworkError):
        await case.source.start()
    await case.source.start()
    await case.waits.settle()
    assert case.failures == []
    await case.source.aclose()


# -- beginning and ending


async def test_a_start_that_was_cancelled_leaves_nothing_behind() -> None:
    case = Case()
    case.reader.held = asyncio.Event()
    case.reader.fresh = Fresh([order()])
    starting = asyncio.ensure_future(case.source.start())
    await until(lambda: case.reader.under_way == 1)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert case.source.known.open_orders == {}
    case.reader.held = None
    await case.source.start()
    assert [*case.source.known.open_orders] == [1]
    await case.source.aclose()


async def test_a_read_that_was_cancelled_tells_nothing_and_knows_nothing(case: Case) -> None:
    case.reader.held = asyncio.Event()
    case.reader.fresh = Fresh([order()])
    case.source.hint()
    await until(lambda: case.reader.under_way == 1)
    await case.source.aclose()
    assert (case.published, case.source.known.open_orders, case.failures) == ([], {}, [])


async def test_rereading_waits_for_a_read_that_begins_afterwards(case: Case) -> None:
    await case.waits.pass_by(300)
    case.reader.held = held = asyncio.Event()
    case.source.hint()
    await until(lambda: case.reader.under_way == 1)
    rereading = asyncio.ensure_future(case.source.reread())
    case.reader.held = None
    held.set()
    await case.waits.settle()
    assert not rereading.done(), "the read that was under way does not count"
    case.reader.fresh = Fresh([order()])
    await case.waits.pass_by(0.1)
    await rereading
    assert [change.row["id"] for change in case.published] == [1]


async def test_rereading_goes_on_through_failures(case: Case) -> None:
    await case.waits.pass_by(300)
    case.reader.errors = [ccxt.NetworkError("down") for _ in range(3)]
    rereading = asyncio.ensure_future(case.source.reread())
    await until(lambda: case.source._failures == 1)
    assert not rereading.done()
    await case.waits.pass_by(30)
    await rereading


async def test_the_end_releases_who_waits(case: Case) -> None:
    case.reader.held = asyncio.Event()
    rereading = asyncio.ensure_future(case.source.reread())
    await asyncio.sleep(0)
    await case.source.aclose()
    with pytest.raises(ccxt.ExchangeClosedByUser):
        await rereading
    await case.source.aclose()
    assert case.failures == []


async def test_what_another_source_has_left_is_gone_on_with() -> None:
    case = Case()
    case.reader.fresh = Fresh([order()])
    await case.source.start()
    await case.source.aclose()

    heir = Case(case.source.known)
    heir.reader.fresh = Fresh([order(), order(2)])
    await heir.source.start()
    assert heir.reader.kinds == []
    await until(lambda: bool(heir.published))
    assert [change.row["id"] for change in heir.published] == [2]
    await heir.source.aclose()


async def test_a_known_state_is_read_from_at_once() -> None:
    known = KnownState(1, since_ms=1_767_225_600_000)
    case = Case(known)
    case.reader.fresh = Fresh(
        [order(1, created_at="2025-12-31T00:00:00.000Z"), order(2, created_at="2026-01-01T00:00:01.000Z")]
    )
    await case.source.start()
    await until(lambda: bool(case.published))
    assert [change.row["id"] for change in case.published] == [2]
    assert sorted(known.open_orders) == [1, 2]
    await case.source.aclose()


async def test_what_is_ended_while_it_begins_does_not_run_on() -> None:
    case = Case()
    case.reader.held = asyncio.Event()
    begins = asyncio.create_task(case.source.start())
    await until(lambda: case.reader.under_way == 1)
    await case.source.aclose()
    case.reader.held.set()
    with pytest.raises(ccxt.ExchangeClosedByUser):
        await begins
    assert case.source._task is None
