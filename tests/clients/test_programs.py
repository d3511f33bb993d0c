"""Programs that know ccxt only run on the OMS, under its id and under that of another exchange."""

from __future__ import annotations

import logging
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
VENUE_KEY = "key-of-a-real-venue-0123456789"
VENUE_SECRET = "secret-of-a-real-venue-0123456789"
_WITHOUT_ORDERS = {"candles_from_a_thread"}


def test_there_are_ten_programs_and_they_know_ccxt_only() -> None:
    imported = {
        line.split()[1].split(".")[0]
        for program in PROGRAMS
        for line in program.read_text(encoding="utf-8").splitlines()
        if line.startswith(("import ", "from "))
    }

    assert len(PROGRAMS) == 10
    assert imported - sys.stdlib_module_names == {"ccxt"}
    assert not any("driver" in program.read_text(encoding="utf-8") for program in PROGRAMS)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("exchange_id", ["oms", "binance"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_program_runs_unchanged(
    program: Path,
    exchange_id: str,
    oms: EmbeddedOms,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    if exchange_id == "binance":  # what it was started with before, it is started with still
        for name, value in (("API_KEY", VENUE_KEY), ("SECRET", VENUE_SECRET), ("PASSWORD", VENUE_SECRET)):
            monkeypatch.setenv(f"EXCHANGE_{name}", value)
    monkeypatch.setattr(sys, "argv", [str(program), exchange_id])

    runpy.run_path(str(program), run_name="__main__")

    output = capsys.readouterr()
    assert output.out.strip()
    for secret in (VENUE_KEY, VENUE_SECRET):
        assert secret not in output.out + output.err + caplog.text
    orders = _orders(oms)
    assert bool(orders) is (program.stem not in _WITHOUT_ORDERS)
    assert {order["status"] for order in orders} <= {"closed", "canceled"}


@pytest.mark.usefixtures("registered")
def test_a_program_that_switches_the_sandbox_on_by_itself_runs_on_paper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "embedded:")
    monkeypatch.setenv("USE_SANDBOX", "1")
    program = next(each for each in PROGRAMS if each.stem == "camel_case")
    monkeypatch.setattr(sys, "argv", [str(program), "binance"])

    runpy.run_path(str(program), run_name="__main__")


def _orders(oms: EmbeddedOms) -> list[Any]:
    exchange: Any = OmsCcxtExchange({"options": {"oms": oms}})
    return list(exchange.fetch_orders())
