"""Chance that comes from a seed, wherever it is drawn."""

from __future__ import annotations

import os
import random
import sys
from types import SimpleNamespace

import pytest

from ccxt_driver.backtest.running import seeded_chance


def _drawn(seed: int) -> list[object]:
    with seeded_chance(seed):
        own = random.Random()
        found = [own.random(), random.Random().random(), random.random(), os.urandom(4)]
        own.seed()
        random.seed()
        return [*found, own.random(), random.random()]


def test_generators_without_a_seed_have_it_from_that_of_the_run() -> None:
    state = random.getstate()
    try:
        first = _drawn(1)
        assert first == _drawn(1)
        assert not {*first} & {*_drawn(2)}
        assert len({*first}) == len(first)
    finally:
        random.setstate(state)


def test_seeds_of_the_script_are_what_they_are() -> None:
    expected = random.Random(5).random()
    state = random.getstate()
    try:
        with seeded_chance(1):
            random.seed(5)
            assert (random.random(), random.Random(5).random()) == (expected, expected)
            random.seed(a=5, version=2)
            assert random.random() == expected
    finally:
        random.setstate(state)


def test_afterwards_nothing_is_left_of_it() -> None:
    before = random.Random.seed, random.seed, os.urandom
    state = random.getstate()
    try:
        with seeded_chance(1):
            assert random.Random.seed is not before[0]
        assert (random.Random.seed, random.seed, os.urandom) == before
    finally:
        random.setstate(state)


def test_a_generator_of_numpy_that_was_made_before_the_run_is_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by pyarrow with numpy 1, where the data are Parquet."""
    seeds: list[int] = []
    monkeypatch.setitem(sys.modules, "numpy.random", SimpleNamespace(seed=seeds.append))
    state = random.getstate()
    try:
        with seeded_chance(-1):
            assert seeds == [2**32 - 1]
    finally:
        random.setstate(state)
