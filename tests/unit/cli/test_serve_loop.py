"""Which event loop a server runs on, and what it does about garbage."""

from __future__ import annotations

import asyncio
import builtins
import gc
from collections.abc import Iterator
from typing import Any

import pytest

from ccxt_driver.cli import serve


@pytest.fixture
def usual_thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_the_quicker_loop_is_used_where_it_is_installed() -> None:
    uvloop = pytest.importorskip("uvloop")
    assert serve._runner() is uvloop.run


def test_without_it_the_usual_one_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *given: Any) -> Any:
        if name == "uvloop":
            raise ModuleNotFoundError(name)
        return real(name, *given)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert serve._runner() is asyncio.run


def test_a_server_looks_for_garbage_less_often(usual_thresholds: None) -> None:
    before = gc.get_threshold()
    serve._collect_seldom()
    assert gc.get_threshold()[0] > before[0]
    assert gc.get_freeze_count() > 0
