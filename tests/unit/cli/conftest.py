"""An OMS whose time and prices stand still, and commands that are run on it as a person runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from ccxt_driver import embedded
from ccxt_driver.cli import confirmation, main
from ccxt_driver.oms import EmbeddedOms

START_MS = 1_750_000_000_000  # 2025-06-15 15:06:40 UTC


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedOms]:
    """What stands behind `embedded:`, which the environment chooses."""
    with EmbeddedOms(clock="manual", start_ms=START_MS) as oms:
        oms.set_price("BTC/USDT", bid="50000", ask="50001", last="50000.5")
        oms.set_price("ETH/USDT", bid="2500", ask="2501", last="2500")
        oms.set_price("BTC/USDT:USDT", bid="50000", ask="50001", last="50000")
        monkeypatch.setattr(embedded, "_make", lambda url, path: oms)
        monkeypatch.setenv("CCXT_OMS_BASE_URL", "embedded:")
        embedded.close_embedded()
        yield oms
        embedded.close_embedded()


@pytest.fixture
def run(paper: EmbeddedOms) -> Callable[..., Result]:
    """Run a command on that OMS; nobody can be asked."""

    def invoke(*args: object) -> Result:
        return CliRunner().invoke(main, [str(arg) for arg in args])

    return invoke


@pytest.fixture
def ask(paper: EmbeddedOms, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command where somebody answers: the first argument is what they type."""
    monkeypatch.setattr(confirmation, "has_terminal", lambda: True)

    def invoke(typed: str, *args: object) -> Result:
        return CliRunner().invoke(main, [str(arg) for arg in args], input=typed)

    return invoke
