"""What a process of an OMS does about garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from ccxt_driver.oms.garbage import collect_seldom


@pytest.fixture
def usual_thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_it_is_looked_for_less_often(usual_thresholds: None) -> None:
    before = gc.get_threshold()
    collect_seldom()
    assert gc.get_threshold()[0] > before[0]
    assert gc.get_freeze_count() > 0
