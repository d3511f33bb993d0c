"""Hundreds of bad lines between watchers and an OMS: everything is handed out once, and in its order.

A seed that fails is printed: `python -m tests.simulation --world streams --seed N` repeats it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from ccxt_driver.exchange.streams.account_stream import AccountStream
from ccxt_driver.exchange.streams.account_streams import AccountStreams
from ccxt_driver.exchange.streams.account_watcher import AccountWatcher
from ccxt_driver.exchange.streams.changes import Change, Kind
from ccxt_driver.exchange.streams.sources import CursorSource
from ccxt_driver.exchange.streams.watching import Watcher
from tests.helpers.faulty_socket import ENDING
from tests.helpers.faulty_socket import Kind as FaultKind

from . import lagging_streams
from .bookkeeper import Violation
from .stream_scenario import run, scenario_of

SEEDS = 200
CHUNK = 25
LAGGING_SEEDS = 8
"""Each takes seconds: everything is read again and again."""
ENOUGH = 40
"""As many scenarios find every sabotage below."""

Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_everything_is_handed_out_once_and_in_order(first: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(first, first + CHUNK):
        told = run(seed)
        assert told["disconnects"], f"seed {seed}: the line was never cut"
        counts.update(told)
    told_of = ("events", "changes", "connections", "disconnects", "restarts", "revoked", "slow_consumer")
    assert min(counts[name] for name in told_of) > 1, counts


@pytest.mark.parametrize("first", range(0, LAGGING_SEEDS, 2))
def test_a_gateway_that_tells_little_is_read_to_the_end(first: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(first, first + 2):
        counts.update(lagging_streams.run(seed))
    assert min(counts[name] for name in ("orders", "trades", "changes", "disconnects")) > 5, counts


def test_every_fault_of_a_line_happens() -> None:
    fired: Counter[FaultKind] = Counter()
    for seed in range(CHUNK):
        with scenario_of(seed) as scenario:
            scenario.live()
            fired.update(scenario.line.fired)
    assert {*fired} == {*FaultKind}, fired
    assert sum(fired[kind] for kind in ENDING) >= CHUNK


def test_a_seed_repeats_itself() -> None:
    def story(seed: int) -> tuple[list[str], list[str]]:
        with scenario_of(seed) as scenario:
            scenario.live()
            return scenario.journal, scenario.line.journal

    for seed in range(10):
        assert story(seed) == story(seed)


# -- sabotage -----------------------------------------------------------------------------------


def _loses_an_event(patch: Patch) -> None:
    """One in nine changes is counted as given, and is not."""
    take, seen = AccountWatcher.take, Counter[str]()

    def forgetful(self: AccountWatcher, change: Change) -> None:
        seen[self.name] += 1
        if seen[self.name] % 9:
            take(self, change)

    patch.setattr(AccountWatcher, "take", forgetful)


def _delivers_twice(patch: Patch) -> None:
    take, seen = AccountWatcher.take, Counter[str]()

    def eager(self: AccountWatcher, change: Change) -> None:
        seen[self.name] += 1
        take(self, change)
        if not seen[self.name] % 9:
            take(self, change)

    patch.setattr(AccountWatcher, "take", eager)


def _delivers_again_what_it_resumes_with(patch: Patch) -> None:
    """After a reconnect everything from where it resumes is given to everybody."""
    resume = AccountStream.resume_after

    def generous(self: AccountStream) -> int | None:
        after = resume(self)
        for watcher in self._watchers.values():
            if watcher.seq is not None and after is not None and watcher.seq > 1:
                watcher.seq = min(watcher.seq, after) - 1
        return resume(self)

    patch.setattr(AccountStream, "resume_after", generous)


def _reorders(patch: Patch) -> None:
    """The newest comes first."""
    patch.setattr(Watcher, "offer", lambda self, item: (self._pending.appendleft(item), self._wake()))


def _folds_states(patch: Patch) -> None:
    """Of several states of one order only the last is given, as in ccxt's caches."""
    take = AccountWatcher.take

    def folding(self: AccountWatcher, change: Change) -> None:
        if change.kind is Kind.ORDER:
            for older in [each for each in self._pending if each.row["id"] == change.row["id"]]:
                self._pending.remove(older)
        take(self, change)

    patch.setattr(AccountWatcher, "take", folding)


def _forgets_where_it_was(patch: Patch) -> None:
    """After a reconnect it goes on with what is new."""
    patch.setattr(CursorSource, "resume_after", lambda self: None)


def _ignores_gaps(patch: Patch) -> None:
    """A frame that does not follow the one before is taken as if it did."""
    on_event = CursorSource.on_event

    def careless(self: CursorSource, frame: dict[str, Any]) -> None:
        seq = frame.get("seq")
        if type(seq) is int and self._sent is not None and seq > self._sent:
            self._sent = seq - 1
            for watcher in self._sink._watchers.values():  # type: ignore[attr-defined]
                if watcher.seq is not None and watcher.seq < seq:
                    watcher.seq = seq - 1
        on_event(self, {**frame, "prev_seq": None})

    patch.setattr(CursorSource, "on_event", careless)


def _lets_live_events_overtake(patch: Patch) -> None:
    """A watcher that begins earlier is given live events at once, and then what came before is old."""
    take = AccountStream.take

    def hasty(self: AccountStream, before: int, seq: int, change: Change | None) -> None:
        take(self, 0, seq, change)

    patch.setattr(AccountStream, "take", hasty)


def _loses_what_a_cancelled_call_had_taken(patch: Patch) -> None:
    following = Watcher.next

    async def slow(self: Any, *given: Any, **named: Any) -> Any:
        found = await following(self, *given, **named)
        await asyncio.sleep(0)
        return found

    patch.setattr(Watcher, "next", slow)


def _skips_what_is_too_much(patch: Patch) -> None:
    """The buffer is full: the oldest go, and nobody is told."""
    offer = Watcher.offer

    def silent(self: Watcher[Any], item: Any) -> None:
        if len(self._pending) >= self._most:
            self._pending.popleft()
        offer(self, item)

    patch.setattr(Watcher, "offer", silent)


def _changes_what_it_has_given(patch: Patch) -> None:
    """One object an order, brought up to date in place."""
    parse, known = AccountStreams._parse_order_change, dict[Any, Any]()

    def living(self: Any, change: Change) -> Any:
        order = known.setdefault((id(self), change.row["id"]), {})
        order.update(parse(self, change))
        return order

    patch.setattr(AccountStreams, "_parse_order_change", living)


def _tells_nobody_that_the_key_is_bad(patch: Patch) -> None:
    patch.setattr(CursorSource, "on_failed", lambda self, error: None)


def _shows_other_strategies(patch: Patch) -> None:
    take = AccountWatcher.take
    patch.setattr(AccountWatcher, "take", lambda self, change: take(self, change._replace(strategy_id=None)))


@pytest.mark.parametrize(
    "sabotage",
    [
        _loses_an_event,
        _delivers_twice,
        _delivers_again_what_it_resumes_with,
        _reorders,
        _folds_states,
        _forgets_where_it_was,
        _ignores_gaps,
        _lets_live_events_overtake,
        _loses_what_a_cancelled_call_had_taken,
        _skips_what_is_too_much,
        _changes_what_it_has_given,
        _tells_nobody_that_the_key_is_bad,
        _shows_other_strategies,
    ],
)
def test_a_driver_with_a_fault_of_its_own_is_found_out(
    sabotage: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    sabotage(monkeypatch)
    with pytest.raises(Violation, match=r"^seed \d+: Violation"):  # and no error of its own
        _run_all(run, ENOUGH)


def _run_all(one: Callable[[int], Counter[str]], seeds: int) -> None:
    for seed in range(seeds):
        one(seed)


# -- sabotage of what reads ---------------------------------------------------------------------


def _misses_a_read(patch: Patch) -> None:
    """One in five reads is counted as done, and its news are thrown away."""
    take_all, seen = AccountStream.take_all, Counter[int]()

    def forgetful(self: AccountStream, changes: Any) -> None:
        seen[self.account_id] += 1
        take_all(self, changes if seen[self.account_id] % 5 else ())

    patch.setattr(AccountStream, "take_all", forgetful)


def _tells_again_what_it_has_read(patch: Patch) -> None:
    take_all, last = AccountStream.take_all, list[Any]()

    def generous(self: AccountStream, changes: Any) -> None:
        now = [*changes]
        take_all(self, [*last, *now])
        last[:] = now

    patch.setattr(AccountStream, "take_all", generous)


@pytest.mark.parametrize("sabotage", [_misses_a_read, _tells_again_what_it_has_read])
def test_a_driver_that_reads_wrongly_is_found_out(
    sabotage: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    sabotage(monkeypatch)
    monkeypatch.setattr(lagging_streams, "PATIENCE", 20.0)
    with pytest.raises(Violation, match=r"^seed \d+: Violation"):  # and no error of its own
        _run_all(lagging_streams.run, LAGGING_SEEDS)
