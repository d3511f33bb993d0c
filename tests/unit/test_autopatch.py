"""What the variables of the hook mean."""

from __future__ import annotations

import ccxt
import pytest

import ccxt_driver
from ccxt_driver.autopatch import start, wish


@pytest.mark.parametrize(
    "variables, expected",
    [
        ({}, (True, "safe", ())),
        ({"CCXT_OMS_AUTOPATCH": "on"}, (True, "safe", ())),
        ({"CCXT_OMS_AUTOPATCH": ""}, (True, "safe", ())),
        ({"CCXT_OMS_AUTOPATCH": "OFF"}, (False, "safe", ())),
        ({"CCXT_OMS_AUTOPATCH": "0"}, (False, "safe", ())),
        ({"CCXT_OMS_OVERRIDE_EXCHANGES": "binance"}, (True, "override", ("binance",))),
        ({"CCXT_OMS_OVERRIDE_EXCHANGES": " Bybit, okx,bybit "}, (True, "override", ("bybit", "okx"))),
        ({"CCXT_OMS_OVERRIDE_EXCHANGES": "okx", "CCXT_OMS_AUTOPATCH_MODE": "safe"}, (True, "safe", ())),
        ({"CCXT_OMS_AUTOPATCH_MODE": "Safe"}, (True, "safe", ())),
    ],
    ids=str,
)
def test_what_is_asked_for(variables: dict[str, str], expected: object) -> None:
    wanted = wish(variables)

    assert wanted[:3] == expected
    assert wanted.problem is None


@pytest.mark.parametrize(
    "variables", [{"CCXT_OMS_AUTOPATCH_MODE": "override"}, {"CCXT_OMS_AUTOPATCH_MODE": "sometimes"}], ids=str
)
def test_what_contradicts_itself_is_a_problem(variables: dict[str, str]) -> None:
    assert "CCXT_OMS_AUTOPATCH_MODE" in (wish(variables).problem or "")


def test_a_program_that_has_imported_ccxt_before_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ccxt.binance
    monkeypatch.setenv("CCXT_OMS_OVERRIDE_EXCHANGES", "binance")
    try:
        start()
        assert ccxt.binance is not real
        monkeypatch.setenv("CCXT_OMS_OVERRIDE_EXCHANGES", "binanse")
        with pytest.raises(ImportError, match="binanse"):
            start()
    finally:
        ccxt_driver.unregister()
    assert ccxt.binance is real
