"""Hundreds of histories of the embedded OMS on a machine that fails: nothing lost, doubled or half done.

A seed that fails is printed: `python -m tests.simulation --world oms --seed N` repeats it with its journal.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import (
    EmbeddedOms,
    core,
    execution,
    order_commands,
    position_commands,
    service,
)
from ccxt_driver.oms.sqlite_journal import Journal
from ccxt_driver.oms.state import State
from ccxt_driver.oms.store import Changes
from ccxt_driver.oms.transaction import Transaction

from .bookkeeper import Violation
from .faulty_file import Crash, Fault, FaultyFile
from .oms_scenario import Scenario, run

SEEDS = 500
CHUNK = 50
ENOUGH = 150
"""As many scenarios find every sabotage below."""

Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_what_is_acknowledged_is_kept_once_and_whole(first: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(first, first + CHUNK):
        counts.update(run(seed))
    told = ("done", "refused", "unavailable", "unknown", "duplicate", "groups", "kills", "restarts")
    assert min(counts[name] for name in told) > 10, counts


def test_a_seed_repeats_itself(tmp_path: Path) -> None:
    def journal(seed: int, folder: str) -> list[str]:
        place = tmp_path / f"{folder}-{seed}"
        place.mkdir()
        scenario = Scenario(seed, place)
        scenario.run()
        return scenario.journal

    for seed in range(10):
        assert journal(seed, "first") == journal(seed, "second")


# -- the file that fails ------------------------------------------------------------------------


def _file(tmp_path: Path) -> FaultyFile:
    return FaultyFile(tmp_path, random.Random(1), lambda text: None)


def _orders(oms: EmbeddedOms) -> int:
    return len(oms.handle("orders_history", {}, {"account_ids": 1, "since_ms": 0}, None).body["items"])


def _buy(oms: EmbeddedOms) -> int:
    payload = {"symbol": "BTC/USDT", "side": "buy", "order_type": "market", "qty": "0.01"}
    return oms.handle(
        "commands", {}, {}, {"account_id": 1, "command": "send_order", "payload": payload}
    ).status


@pytest.mark.parametrize(
    "fault, kept",
    [
        (Fault("kill", "commit", 0), 1),
        (Fault("kill", "commit", 0, after=True), 2),
        (Fault("power", "commit", 0, after=True), 1),
        (Fault("kill", "statement", 0), 1),
        (Fault("kill", "statement", 0, after=True), 2),
    ],
)
def test_a_kill_leaves_what_was_on_the_disk(tmp_path: Path, fault: Fault, kept: int) -> None:
    file = _file(tmp_path)
    oms = file.open(clock="manual")
    assert _buy(oms) == 200
    before = file.commits
    file.fault = fault
    with pytest.raises(Crash):
        _buy(oms)
    with pytest.raises(Crash):
        _buy(oms)
    assert file.commits - before == kept - 1
    file.bury()
    again = file.open(clock="manual")
    assert _orders(again) == kept
    assert _buy(again) == 200
    file.close()


@pytest.mark.parametrize("kind", ["fail", "full"])
def test_a_disk_that_refuses_can_be_used_again(tmp_path: Path, kind: str) -> None:
    file = _file(tmp_path)
    oms = file.open(clock="manual")
    file.fault = Fault(kind, "statement", 0, lasts=True)
    assert [_buy(oms), _buy(oms)] == [503, 503]
    file.fault = None
    assert _buy(oms) == 200
    assert _orders(oms) == 1
    assert file.fired > 1
    file.close()


# -- sabotage -----------------------------------------------------------------------------------


def _loses_a_commit(patch: Patch) -> None:
    """It says that it is written, and it is not."""
    sync = Journal._sync

    def forgetful(self: Journal) -> None:
        if self._depends or not self.shared:
            sync(self)
            return
        self._written += self._new
        self._new, self._new_texts = [], []

    patch.setattr(Journal, "_sync", forgetful)


def _answers_before_it_is_written(patch: Patch) -> None:
    """Each commit waits for the next one."""
    sync = Journal._sync

    def late(self: Journal) -> None:
        if self.shared or len(self._new) > 1:
            sync(self)

    patch.setattr(Journal, "_sync", late)


def _tells_within_a_group(patch: Patch) -> None:
    """Subscribers hear of a command before the group it is in is on the disk."""
    publish = EmbeddedOms._publish

    def at_once(self: EmbeddedOms, events: list[Any]) -> None:
        publish(self, events)
        self._telling = False
        self._tell()

    patch.setattr(EmbeddedOms, "_publish", at_once)


def _swallows_events(patch: Patch) -> None:
    """Of a commit's events the last one is told to nobody."""
    publish = EmbeddedOms._publish
    patch.setattr(EmbeddedOms, "_publish", lambda self, events: publish(self, events[:-1]))


def _acknowledges_what_failed(patch: Patch) -> None:
    patch.setattr(service, "unwritten", lambda reply, *_: reply)


def _tries_again_what_it_refuses(patch: Patch) -> None:
    """A group that could not be written is written after all, once its clients were refused."""
    together = EmbeddedOms.run_together

    def persistent(self: EmbeddedOms, requests: Any) -> Any:
        replies = together(self, requests)
        if any(reply.status == 503 for reply in replies):
            for request in requests:
                self.handle("commands", {}, *request)
        return replies

    patch.setattr(EmbeddedOms, "run_together", persistent)


def _without_setting(name: str) -> Callable[[Patch], None]:
    """Something that goes into every transaction is not written down."""

    def sabotage(patch: Patch) -> None:
        finish = Transaction.finish

        def forgetful(self: Transaction) -> Changes:
            changes = finish(self)
            changes.settings.pop(name, None)
            return changes

        patch.setattr(Transaction, "finish", forgetful)

    return sabotage


def _forgets_client_order_ids(patch: Patch) -> None:
    for module in (order_commands, position_commands):
        patch.setattr(module, "repeated", lambda *_: None)


def _doubles_what_is_asked_again(patch: Patch) -> None:
    """Client order ids mean nothing at all."""
    _forgets_client_order_ids(patch)
    draft = order_commands.draft

    def unnamed(*given: Any) -> Any:
        order = draft(*given)
        order.client_order_id = None
        return order

    for module in (order_commands, position_commands):
        patch.setattr(module, "draft", unnamed)


def _keeps_what_was_not_written(patch: Patch) -> None:
    """Memory goes on with what the disk has refused."""
    patch.setattr(core.Core, "rollback", lambda self, tx: None)


def _leaves_half_of_a_part_in(patch: Patch) -> None:
    """What a group has read stays in its transaction also where it could not be written whole."""

    @contextmanager
    def part(self: Journal) -> Iterator[None]:
        self._begin()
        yield

    patch.setattr(Journal, "_part", part)


def _forgets_who_was_first(patch: Patch) -> None:
    """A restart gives orders the place in the line that they had lost."""
    patch.setattr(execution, "remember_ranks", lambda *_: None)
    patch.setattr("ccxt_driver.oms.placing.remember_ranks", lambda *_: None)


def _forgets_what_is_held_back(patch: Patch) -> None:
    load = State._load

    def careless(self: State, snapshot: Any) -> None:
        load(self, snapshot)
        for account in self.accounts.values():
            account.reserved.clear()

    patch.setattr(State, "_load", careless)


@pytest.mark.parametrize(
    "sabotage",
    [
        _loses_a_commit,
        _answers_before_it_is_written,
        _tells_within_a_group,
        _swallows_events,
        _acknowledges_what_failed,
        _tries_again_what_it_refuses,
        pytest.param(_without_setting("counters"), id="forgets_its_counters"),
        pytest.param(_without_setting("settled_at"), id="forgets_the_time"),
        pytest.param(_without_setting("deadlines"), id="forgets_dead_man_s_switches"),
        _forgets_client_order_ids,
        _doubles_what_is_asked_again,
        _keeps_what_was_not_written,
        _leaves_half_of_a_part_in,
        _forgets_who_was_first,
        _forgets_what_is_held_back,
    ],
)
def test_an_oms_with_a_fault_of_its_own_is_found_out(sabotage: Any, monkeypatch: Patch) -> None:
    sabotage(monkeypatch)
    # By a check of the simulation or of the auditor, and no error of its own.
    with pytest.raises(Violation, match=r"^seed \d+: (Violation|AssertionError): "):
        _run_all()


def _run_all() -> None:
    for seed in range(ENOUGH):
        run(seed)
