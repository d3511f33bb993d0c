"""Which event loop a server runs on."""

from __future__ import annotations

import asyncio
import builtins
from typing import Any

import pytest

from ccxt_driver.cli import serve


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
