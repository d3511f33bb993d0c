"""Watchers under calls at the same time, limits and cancellations: each gives what was published, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ccxt_driver.exchange.streams.account_stream import AccountStream
from ccxt_driver.exchange.streams.account_watcher import AccountWatcher
from ccxt_driver.exchange.streams.changes import Change, Kind

WATCHERS = 3

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 4)),
        st.tuples(st.just("call"), st.integers(0, WATCHERS - 1), st.none() | st.integers(1, 3)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("rewind"), st.integers(0, WATCHERS - 1)),
        st.tuples(st.just("turn")),
    ),
    max_size=60,
)


class Published:
    """A source that can give everything once more."""

    def __init__(self, sink: AccountStream) -> None:
        self.sink = sink
        self.last = 0

    @property
    def cursor(self) -> int:
        return self.last

    async def start(self) -> None:
        self.sink.begin(self.last)

    async def follow(self, kinds: Iterable[Kind]) -> None:
        return None

    async def rewind(self, after_seq: int) -> None:
        for seq in range(after_seq + 1, self.last + 1):
            self.give(seq)

    def hint(self) -> None:
        raise AssertionError("nobody commands")

    async def close(self) -> None:
        return None

    def publish(self) -> None:
        self.last += 1
        self.give(self.last)

    def give(self, seq: int) -> None:
        # Every third event carries no row, or is of another kind.
        kind = Kind.ORDER if seq % 3 else Kind.TRADE
        row = {"id": seq, "status": "SUBMITTED", "order_id": 0}
        self.sink.take(seq - 1, seq, Change(kind, 1, 0, "BTC/USDT", seq, None, row) if seq % 7 else None)


def seqs_of(changes: Sequence[Change]) -> tuple[list[Any], int]:
    return [change.seq for change in changes], len(changes)


class Player:
    """Runs operations, and keeps what every call was given."""

    def __init__(self) -> None:
        self.stream = AccountStream("oms", 1, self._source, lambda change: None)
        self.calls: list[tuple[int, asyncio.Task[list[int]]]] = []

    async def _source(self, stream: AccountStream) -> Published:
        self.source = Published(stream)
        return self.source

    async def begin(self) -> None:
        await self.stream.started()
        self.watchers = [
            self.stream.watcher(
                number, lambda name=number: AccountWatcher(f"watcher {name}", 1000, Kind.ORDER, None, None, 0)
            )
            for number in range(WATCHERS)
        ]
        for watcher in self.watchers:
            await self.stream.caught_up(watcher)

    async def play(self, operation: Any) -> None:
        match operation:
            case ("publish", count):
                for _ in range(count):
                    self.source.publish()
            case ("call", number, limit):
                call = asyncio.ensure_future(self.watchers[number].next(seqs_of, limit))
                self.calls.append((number, call))
            case ("cancel", which):
                if which < len(self.calls):
                    self.calls[-1 - which][1].cancel()
            case ("rewind", number):
                await self.source.rewind(number)
            case _:
                await asyncio.sleep(0)

    async def given(self) -> dict[int, list[list[int]]]:
        """What came of all calls, by watcher, after everything else was fetched, too."""
        await asyncio.sleep(0)
        for number, watcher in enumerate(self.watchers):
            while len(watcher):
                call = asyncio.ensure_future(watcher.next(seqs_of, 2))
                self.calls.append((number, call))
                await call
        for _ in range(3):
            await asyncio.sleep(0)
        batches: dict[int, list[list[int]]] = {number: [] for number in range(WATCHERS)}
        for number, call in self.calls:
            if not call.done():
                call.cancel()
            elif not call.cancelled():
                batches[number].append(call.result())
        await asyncio.gather(*(call for _, call in self.calls), return_exceptions=True)
        return batches


@given(operations=OPERATIONS)
def test_every_watcher_gives_exactly_what_was_published(operations: list[Any]) -> None:
    async def run() -> None:
        player = Player()
        await player.begin()
        for operation in operations:
            await player.play(operation)
        batches = await player.given()
        expected = [seq for seq in range(1, player.source.last + 1) if seq % 3 and seq % 7]
        for number, found in batches.items():
            # Calls at the same time have the same batch; apart from that no two share anything.
            different = sorted({tuple(batch) for batch in found})
            assert [seq for batch in different for seq in batch] == expected, number
            assert all(different)

    asyncio.run(run())


@given(operations=OPERATIONS)
def test_one_task_that_reads_and_is_cancelled_at_any_time_gets_everything_in_order(
    operations: list[Any],
) -> None:
    async def run() -> None:
        player, got, reader = Player(), [], None
        await player.begin()
        watcher = player.watchers[0]

        async def read(limit: int | None) -> None:
            while True:
                got.extend(await watcher.next(seqs_of, limit))

        for operation in operations:
            if operation[0] == "call":
                if reader is not None:
                    reader.cancel()
                    await asyncio.wait({reader})
                reader = asyncio.ensure_future(read(operation[2]))
            elif operation[0] == "cancel":
                if reader is not None:
                    reader.cancel()
            else:
                await player.play(operation)
        if reader is not None:
            reader.cancel()
            await asyncio.wait({reader})
        while len(watcher):
            got.extend(await watcher.next(seqs_of))
        assert got == [seq for seq in range(1, player.source.last + 1) if seq % 3 and seq % 7]

    asyncio.run(run())
