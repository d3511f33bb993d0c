"""Thousands of random programs over a bad line: no order is doubled, none is lost track of.

A seed that fails is printed: `python -m tests.simulation --seed N` repeats it with everything that happened.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.exchange import command_outcomes
from ccxt_driver.exchange.unknown_creates import UnknownCreates

from . import faulty_gateway
from .bookkeeper import Violation
from .faulty_gateway import SimulatedExchange
from .scenario import Scenario, run

SEEDS = 2_000
CHUNK = 100
ENOUGH = 300
"""As many scenarios find every sabotage below several times."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("ccxt_driver")
    before = logger.level
    logger.setLevel(logging.CRITICAL)  # it tells of every fault
    yield
    logger.setLevel(before)


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_order_is_doubled_and_none_is_lost(first: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(first, first + CHUNK):
        counts.update(run(seed))
    assert min(counts[told] for told in ("returned", "refused", "not_sent", "unknown")) > 20


def test_a_seed_repeats_itself(tmp_path: Path) -> None:
    def journal(seed: int, folder: str) -> list[str]:
        place = tmp_path / f"{folder}-{seed}"
        place.mkdir()
        scenario = Scenario(seed, place)
        scenario.run()
        return scenario.gateway.journal

    for seed in range(40):
        assert journal(seed, "first") == journal(seed, "second")


def _run_all(seeds: int) -> None:
    for seed in range(seeds):
        run(seed)


def _sends_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport that retries by itself, as HTTP libraries do."""
    request = faulty_gateway._Pool.request

    def retrying(self: Any, *args: Any, **named: Any) -> Any:
        try:
            return request(self, *args, **named)
        except faulty_gateway.urllib3.exceptions.HTTPError:
            return request(self, *args, **named)

    monkeypatch.setattr(faulty_gateway._Pool, "request", retrying)


def _forgets_what_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnknownCreates, "take", lambda *_: None)


def _takes_lost_for_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_outcomes, "_never_sent", lambda *_: True)


def _takes_absence_for_a_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedExchange, "_promises_to_dedupe", lambda self: True)


def _takes_a_command_for_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedExchange, "is_as_asked", lambda *_: True)


@pytest.mark.parametrize(
    "sabotage",
    [
        _sends_twice,
        _forgets_what_is_unknown,
        _takes_lost_for_never_sent,
        _takes_absence_for_a_promise,
        _takes_a_command_for_done,
    ],
)
def test_a_driver_with_a_fault_of_its_own_is_found_out(
    sabotage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    with pytest.raises(Violation):
        _run_all(ENOUGH)
