"""A watcher: every item to somebody once, whoever calls, is cancelled, or comes late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import ccxt
import pytest

from ccxt_driver.exchange.streams.watching import Watcher

pytestmark = pytest.mark.oldest


def all_of(items: Sequence[int]) -> tuple[list[int], int]:
    return list(items), len(items)


def watcher(most: int = 100) -> Watcher[int]:
    return Watcher("oms watch_orders", most)


def offer(watcher: Watcher[int], *items: int) -> None:
    for item in items:
        watcher.offer(item)


async def a_turn() -> None:
    """Let everything run that can."""
    for _ in range(3):
        await asyncio.sleep(0)


def calls(watcher: Watcher[int], count: int, **options: Any) -> list[asyncio.Task[list[int]]]:
    return [asyncio.ensure_future(watcher.next(all_of, **options)) for _ in range(count)]


async def waiting(watcher: Watcher[int], count: int, **options: Any) -> list[asyncio.Task[list[int]]]:
    """Calls that wait."""
    made = calls(watcher, count, **options)
    await a_turn()
    assert not any(call.done() for call in made)
    assert watcher.waits
    return made


async def test_what_is_undelivered_is_returned_at_once() -> None:
    watched = watcher()
    offer(watched, 1, 2, 3)
    assert await watched.next(all_of) == [1, 2, 3]
    [call] = await waiting(watched, 1)
    offer(watched, 4)
    assert await call == [4]
    assert len(watched) == 0


async def test_calls_at_the_same_time_get_the_same_and_the_next_call_what_came_since() -> None:
    watched = watcher()
    first, second = await waiting(watched, 2)
    [late] = calls(watched, 1)  # it runs before those that the news wake
    offer(watched, 1, 2)
    assert await asyncio.gather(first, second, late) == [[1, 2]] * 3
    offer(watched, 3)
    assert await watched.next(all_of) == [3]


async def test_calls_that_have_come_together_get_the_same_whatever_they_wait_for_before() -> None:
    watched = watcher()
    turn = watched.round()
    assert watched.round() is turn
    offer(watched, 1, 2)
    assert await watched.next(all_of, turn=turn) == [1, 2]
    assert await watched.next(all_of, turn=turn) == [1, 2]
    later = watched.round()
    assert later is not turn
    offer(watched, 3)
    assert await watched.next(all_of, turn=later) == [3]
    turn = watched.round()
    offer(watched, 4)
    assert await watched.next(all_of, turn=turn) == [4]
    watched.end(ccxt.UnsubscribeError("ended"))
    with pytest.raises(ccxt.UnsubscribeError):
        await watched.next(all_of, turn=turn)


async def test_each_gets_a_structure_of_its_own() -> None:
    watched = watcher()
    made = await waiting(watched, 2)
    offer(watched, 1)
    first, second = await asyncio.gather(*made)
    first.append(99)
    assert second == [1]


async def test_a_limit_splits_and_drops_nothing() -> None:
    watched = watcher()
    offer(watched, *range(7))
    batches = [await watched.next(all_of, 3) for _ in range(3)]
    assert batches == [[0, 1, 2], [3, 4, 5], [6]]


async def test_a_cancelled_call_takes_nothing() -> None:
    watched = watcher()
    [call] = await waiting(watched, 1)
    call.cancel()
    await a_turn()
    assert call.cancelled()
    assert not watched.waits
    offer(watched, 1)
    assert await watched.next(all_of) == [1]


@pytest.mark.parametrize("cancelled_first", [True, False])
async def test_a_call_that_is_cancelled_in_the_turn_of_the_news_takes_nothing(cancelled_first: bool) -> None:
    watched = watcher()
    [call] = await waiting(watched, 1)
    steps = [call.cancel, lambda: watched.offer(1)]
    for step in steps if cancelled_first else reversed(steps):
        step()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await watched.next(all_of) == [1]


async def test_one_that_is_cancelled_touches_no_other() -> None:
    watched = watcher()
    first, second, third = await waiting(watched, 3)
    second.cancel()
    offer(watched, 1)
    first.cancel()  # it was woken already
    assert await third == [1]
    assert first.cancelled()
    assert second.cancelled()
    offer(watched, 2)
    assert await watched.next(all_of) == [2]


async def test_a_call_with_a_deadline_in_a_loop_misses_nothing() -> None:
    watched, got = watcher(), []
    for number in range(50):
        asyncio.get_running_loop().call_soon(watched.offer, number)
        try:
            async with asyncio.timeout(0):
                got += await watched.next(all_of)
        except TimeoutError:
            continue
    await a_turn()
    got += await watched.next(all_of)
    assert got == list(range(50))


async def test_a_fast_task_takes_no_batch_from_one_that_has_not_run_yet() -> None:
    watched, fast, slow = watcher(), [], []

    async def read(into: list[list[int]]) -> None:
        while True:
            into.append(await watched.next(all_of))

    readers = [asyncio.ensure_future(read(into)) for into in (fast, slow)]
    await a_turn()
    offer(watched, 1)
    await a_turn()
    offer(watched, 2)
    offer(watched, 3)
    await a_turn()
    assert fast == slow == [[1], [2, 3]]
    for reader in readers:
        reader.cancel()
    await asyncio.wait(readers)


async def test_what_cannot_be_made_counts_as_not_delivered() -> None:
    watched = watcher()
    offer(watched, 1)

    def fail(_: Sequence[int]) -> tuple[list[int], int]:
        raise ccxt.BadResponse("no number")

    with pytest.raises(ccxt.BadResponse):
        await watched.next(fail)
    assert await watched.next(all_of) == [1]


async def test_who_makes_fewer_leaves_the_others_for_the_next_call() -> None:
    watched = watcher()
    offer(watched, 1, 2, 3)
    assert await watched.next(lambda items: ([items[0]], 1)) == [1]
    assert await watched.next(all_of) == [2, 3]


async def test_a_failure_is_raised_from_all_that_wait_and_from_no_later_call() -> None:
    watched = watcher()
    made = await waiting(watched, 2)
    cause = OSError("a cable")
    error = ccxt.NetworkError("down")
    error.__cause__ = cause
    watched.fail(error)
    raised = await asyncio.gather(*made, return_exceptions=True)
    assert [type(each) for each in raised] == [ccxt.NetworkError] * 2
    assert raised[0] is not raised[1]  # each gets frames of its own
    assert all(each.__cause__ is cause for each in raised)
    [call] = await waiting(watched, 1)
    offer(watched, 1)
    assert await call == [1]


async def test_a_failure_that_nobody_waits_for_is_raised_after_what_is_undelivered() -> None:
    watched = watcher()
    offer(watched, 1, 2)
    watched.fail(ccxt.NetworkError("down"))
    assert await watched.next(all_of, 1) == [1]
    assert await watched.next(all_of) == [2]
    with pytest.raises(ccxt.NetworkError):
        await watched.next(all_of)
    await waiting_and_cancelled(watched)


async def waiting_and_cancelled(watched: Watcher[int]) -> None:
    """It goes on after a failure."""
    [call] = await waiting(watched, 1)
    call.cancel()
    await a_turn()


async def test_news_and_a_failure_in_one_turn_both_come() -> None:
    watched = watcher()
    [call] = await waiting(watched, 1)
    offer(watched, 1)
    watched.fail(ccxt.NetworkError("down"))
    assert await call == [1]
    with pytest.raises(ccxt.NetworkError):
        await watched.next(all_of)


@pytest.mark.parametrize("cancelled_first", [True, False])
@pytest.mark.parametrize("end", [True, False])
async def test_a_failure_is_not_lost_with_a_call_that_is_cancelled_in_its_turn(
    cancelled_first: bool, end: bool
) -> None:
    watched = watcher()
    [call] = await waiting(watched, 1)
    steps = [call.cancel, lambda: watched.fail(ccxt.ExchangeError("cursor_expired"), end=end)]
    for step in steps if cancelled_first else reversed(steps):
        step()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not watched.over
    with pytest.raises(ccxt.ExchangeError, match="cursor_expired"):
        await watched.next(all_of)
    assert watched.over is end


async def test_the_failure_of_one_that_has_ended_is_said_before_a_new_one_takes_its_place() -> None:
    watched = watcher()
    watched.fail(ccxt.UnsubscribeError("no more"), end=True)
    watched.offer(1)
    watched.fail(ccxt.NetworkError("another"))  # it has ended already
    assert not watched.over
    with pytest.raises(ccxt.UnsubscribeError):
        await watched.next(all_of)
    assert watched.over
    assert len(watched) == 0


async def test_too_many_end_it_with_an_error_after_what_is_kept() -> None:
    watched = watcher(most=3)
    offer(watched, 1, 2, 3, 4, 5)
    assert await watched.next(all_of, 2) == [1, 2]
    assert await watched.next(all_of) == [3]
    with pytest.raises(
        ccxt.ExchangeError, match="oms watch_orders: more than 3 changes were not asked"
    ) as info:
        await watched.next(all_of)
    assert info.value.code == "slow_consumer"
    assert watched.over


async def test_too_many_in_one_turn_while_a_call_waits() -> None:
    watched = watcher(most=3)
    [call] = await waiting(watched, 1)
    offer(watched, 1, 2, 3, 4)
    assert await call == [1, 2, 3]
    with pytest.raises(ccxt.ExchangeError, match="not asked for in time"):
        await watched.next(all_of)


async def test_what_stands_for_everything_before_it_replaces_it() -> None:
    watched = watcher(most=1)
    for price in (1, 2, 3):
        watched.replace(price)
    assert await watched.next(all_of) == [3]


async def test_every_call_of_one_that_has_ended_is_told_why() -> None:
    watched = watcher()
    watched.fail(ccxt.ExchangeClosedByUser("oms closed"), end=True)
    for _ in range(2):  # calls of the same watcher that did not wait yet
        with pytest.raises(ccxt.ExchangeClosedByUser, match="closed"):
            await asyncio.wait_for(watched.next(all_of), 5)


@pytest.mark.parametrize("count", [1, 2])
async def test_who_is_ended_in_the_turn_of_the_news_is_told_of_the_end(count: int) -> None:
    """Given the news, it would call again, and begin what was just ended."""
    watched = watcher()
    waiting_calls = await waiting(watched, count)
    offer(watched, 1)
    watched.end(ccxt.ExchangeClosedByUser("oms closed"))
    for call in waiting_calls:
        with pytest.raises(ccxt.ExchangeClosedByUser, match="closed"):
            await asyncio.wait_for(call, 5)
    with pytest.raises(ccxt.ExchangeClosedByUser, match="closed"):
        await asyncio.wait_for(watched.next(all_of), 5)
