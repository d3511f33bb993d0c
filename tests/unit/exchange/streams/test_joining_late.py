"""A watcher that begins before where the stream is: live events do not make it skip what it is owed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import ccxt
import pytest

from ccxt_driver.exchange.streams.account_stream import AccountStream
from ccxt_driver.exchange.streams.account_watcher import AccountWatcher
from ccxt_driver.exchange.streams.changes import Change, Kind, change_of

ACCOUNT = 1


class SlowSource:
    """Goes back when it is allowed to, as a server that is far away; meanwhile live events come."""

    def __init__(self, stream: AccountStream, last: int) -> None:
        self.stream = stream
        self.cursor: int | None = last
        self.allowed = asyncio.Event()
        self.rewound: list[int] = []
        self.fails: ccxt.BaseError | None = None

    async def start(self) -> None:
        self.stream.begin(self.cursor)

    async def rewind(self, after_seq: int) -> None:
        self.rewound.append(after_seq)
        await self.allowed.wait()
        if self.fails is not None:
            raise self.fails
        self.cursor = after_seq

    def give(self, upto: int) -> None:
        assert self.cursor is not None
        for seq in range(self.cursor + 1, upto + 1):
            row = {"id": seq, "account_id": ACCOUNT, "symbol": "BTC/USDT", "strategy_id": 0, "status": "x"}
            change = change_of(ACCOUNT, "order_updated", seq, 0, row)
            self.stream.take(seq - 1, seq, change)
        self.cursor = max(self.cursor, upto)

    async def follow(self, kinds: Iterable[Kind]) -> None:
        """Everything comes anyway."""

    def hint(self) -> None:
        return

    async def close(self) -> None:
        return


async def begun_at(last: int) -> tuple[AccountStream, SlowSource]:
    stream = AccountStream("oms", ACCOUNT, lambda sink: None, lambda change: None)
    source = SlowSource(stream, last)
    stream.take_source(source)
    await source.start()
    return stream, source


def watcher_of(stream: AccountStream, name: str, after_seq: int | None) -> AccountWatcher:
    return stream.watcher(name, lambda resume: AccountWatcher(name, 1000, Kind.ORDER, None, None, after_seq))


async def taken(watcher: AccountWatcher) -> list[Any]:
    """What waits for it."""
    if not len(watcher):
        return []

    def seqs(changes: Any) -> Any:
        return [change.seq for change in changes], len(changes)

    found: list[Any] = await watcher.next(seqs)
    return found


async def test_events_that_come_before_it_has_caught_up_are_not_all_there_is() -> None:
    stream, source = await begun_at(10)
    live = watcher_of(stream, "live", 10)
    late = watcher_of(stream, "late", 4)
    catching_up = asyncio.create_task(stream.caught_up(late))
    await asyncio.sleep(0)
    source.give(12)
    assert (await taken(live), await taken(late)) == ([11, 12], [])

    source.allowed.set()
    await catching_up
    source.give(14)
    assert (await taken(live), await taken(late)) == ([13, 14], [*range(5, 15)])


async def test_a_call_that_is_cancelled_meanwhile_takes_nothing_from_the_next() -> None:
    stream, source = await begun_at(10)
    late = watcher_of(stream, "late", 4)
    for _ in range(3):
        call = asyncio.create_task(stream.caught_up(late))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait({call})
    source.give(12)

    source.allowed.set()
    await stream.caught_up(late)
    source.give(13)
    assert source.rewound == [4], "the first call has asked for all"
    assert await taken(late) == [*range(5, 14)]


async def test_a_failure_is_told_and_the_next_call_tries_again() -> None:
    stream, source = await begun_at(10)
    late = watcher_of(stream, "late", 4)
    source.allowed.set()
    source.fails = ccxt.NetworkError("oms gone")
    with pytest.raises(ccxt.NetworkError, match="gone"):
        await stream.caught_up(late)
    source.give(12)
    assert await taken(late) == []

    source.fails = None
    await stream.caught_up(late)
    source.give(12)
    assert await taken(late) == [*range(5, 13)]


async def test_who_is_where_the_stream_is_asks_for_nothing() -> None:
    stream, source = await begun_at(10)
    await stream.caught_up(watcher_of(stream, "now", 10))

    assert source.rewound == []


def change(seq: int) -> Change:
    row = {"id": seq, "account_id": ACCOUNT, "symbol": "BTC/USDT", "strategy_id": 0}
    return Change(Kind.ORDER, ACCOUNT, 0, "BTC/USDT", seq, 0, row)


async def test_who_was_too_slow_is_given_what_is_kept_and_comes_further_with_each_call() -> None:
    got: list[int] = []
    after = 0
    for _ in range(2):
        watcher = AccountWatcher("slow", 10, Kind.ORDER, None, None, after)
        for seq in range(after + 1, 26):
            watcher.take(change(seq))
        got += await taken(watcher)
        with pytest.raises(ccxt.ExchangeError, match="goes on after event") as raised:
            await watcher.next(lambda changes: (None, len(changes)))
        after = vars(raised.value)["after_seq"]
    assert (got, after) == ([*range(1, 21)], 20)
