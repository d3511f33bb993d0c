"""Thousands of random programs over a bad line: no order is doubled, none is lost track of.

A seed that fails is printed: `python -m tests.simulation --seed N` repeats it with everything that happened.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.exchange import command_outcomes, server_truth
from ccxt_driver.exchange._async.settling import Settling as AsyncSettling
from ccxt_driver.exchange._async.true_deals import TrueDeals as AsyncTrueDeals
from ccxt_driver.exchange._async.truth import Truth as AsyncTruth
from ccxt_driver.exchange._sync.settling import Settling
from ccxt_driver.exchange._sync.true_deals import TrueDeals
from ccxt_driver.exchange._sync.truth import Truth
from ccxt_driver.exchange.placing import Placing
from ccxt_driver.exchange.server_truth import ServerTruth
from ccxt_driver.exchange.unknown_creates import Pending, UnknownCreates

from .bookkeeper import Violation
from .faulty_gateway import FaultyGateway, NoAnswer
from .scenario import Scenario, run
from .transports import COLOURS

SEEDS = 2_000
CHUNK = 100
ENOUGH = 600
"""As many scenarios find every sabotage below several times."""


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_order_is_doubled_and_none_is_lost(first: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(first, first + CHUNK):
        counts.update(run(seed))
    assert min(counts[told] for told in ("returned", "refused", "not_sent", "unknown", "interrupted")) > 20


def test_a_seed_repeats_itself(tmp_path: Path) -> None:
    def journal(seed: int, folder: str) -> list[str]:
        place = tmp_path / f"{folder}-{seed}"
        place.mkdir()
        scenario = Scenario(seed, lambda: place)
        scenario.run()
        return scenario.gateway.journal

    for seed in range(40):
        assert journal(seed, "first") == journal(seed, "second")


def test_both_classes_do_the_same() -> None:
    for seed in range(40):
        assert run(seed, "sync") == run(seed, "async")


def _sends_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport that retries by itself, as HTTP libraries do."""
    take = FaultyGateway.take

    def retrying(self: FaultyGateway, *args: Any) -> Any:
        try:
            return take(self, *args)
        except NoAnswer:
            return take(self, *args)

    monkeypatch.setattr(FaultyGateway, "take", retrying)


def _forgets_what_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnknownCreates, "take", lambda *_: None)


def _forgets_what_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    hold = UnknownCreates.hold

    def forgetful(self: UnknownCreates, pending: Pending, *times: int) -> None:
        if "interrupted" not in str(pending.error):
            hold(self, pending, *times)

    monkeypatch.setattr(UnknownCreates, "hold", forgetful)


def _tells_nothing_of_what_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Placing, "_interrupted", lambda *_: None)


def _does_not_hold_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for settling in (Settling, AsyncSettling):
        monkeypatch.setattr(settling, "_placed_batch", _without_holding(settling._placed_batch))


def _without_holding(placed_batch: Any) -> Any:
    def unheld(self: Any, pendings: list[Pending], order_of: Any) -> Any:
        for pending in pendings:
            pending.held_back = pending.call is not None
        return placed_batch(self, pendings, order_of)

    return unheld


def _closes_what_was_opened_since(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnknownCreates, "take_call", lambda *_: [])


def _closes_a_part_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    _closes_what_was_opened_since(monkeypatch)
    monkeypatch.setattr(UnknownCreates, "take_closing", lambda *_: None)


def _takes_lost_for_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_outcomes, "never_sent", lambda *_: True)


def _takes_absence_for_a_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    async def promises(self: Any) -> bool:
        return True

    monkeypatch.setattr(Settling, "_promises_to_dedupe", lambda self: True)
    monkeypatch.setattr(AsyncSettling, "_promises_to_dedupe", promises)


def _takes_a_command_for_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_outcomes.CommandOutcomes, "is_as_asked", lambda *_: True)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(
    "sabotage",
    [
        _sends_twice,
        _forgets_what_is_unknown,
        _forgets_what_was_interrupted,
        _tells_nothing_of_what_was_interrupted,
        _does_not_hold_batches,
        _closes_what_was_opened_since,
        _closes_a_part_twice,
        _takes_lost_for_never_sent,
        _takes_absence_for_a_promise,
        _takes_a_command_for_done,
    ],
)
def test_a_driver_with_a_fault_of_its_own_is_found_out(
    sabotage: Any, colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    with pytest.raises(Violation, match=r"^seed \d+: Violation"):  # and no error of its own
        _run_all(colour)


def _believes_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerTruth, "composes", lambda *_: False)


def _takes_what_is_under_way_for_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    for truth in (Truth, AsyncTruth):
        monkeypatch.setattr(truth, "_cannot_be_under_way", lambda *_: True)


def _takes_what_was_rejected_for_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for truth in (Truth, AsyncTruth):
        monkeypatch.setattr(truth, "_cannot_be_under_way", lambda *_: False)


def _takes_an_older_order_for_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes by a client order id alone, which was used before."""

    async def found(self: Any, account_id: int, rows: Any, found: Any) -> Any:
        return found

    monkeypatch.setattr(server_truth, "may_be", lambda *_: True)
    monkeypatch.setattr(Truth, "_owned", lambda self, account_id, rows, found: found)
    monkeypatch.setattr(AsyncTruth, "_owned", found)


def _never_reconciles(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        """Nobody learns of anything."""

    monkeypatch.setattr(TrueDeals, "_reconcile_now", lambda *_: None)
    monkeypatch.setattr(AsyncTrueDeals, "_reconcile_now", nothing)


def _takes_all_times_for_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerTruth, "learn_offset", lambda *_: None)


def _takes_vague_words_for_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_outcomes.CommandOutcomes, "is_vague", staticmethod(lambda *_: False))


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(
    "sabotage",
    [
        _believes_the_rows,
        _takes_what_is_under_way_for_rejected,
        _takes_what_was_rejected_for_under_way,
        _takes_an_older_order_for_the_new_one,
        _never_reconciles,
        _takes_all_times_for_utc,
        _takes_vague_words_for_a_refusal,
    ],
)
def test_a_driver_that_misreads_a_gateway_that_lags_is_found_out(
    sabotage: Any, colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    with pytest.raises(Violation, match=r"^seed \d+: Violation"):
        _run_all(colour, "lagging")


def _run_all(colour: str, gateway: str | None = None) -> None:
    for seed in range(ENOUGH):
        run(seed, colour, gateway)
