"""What makes no sense is refused by its name, before anything has moved."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import inf, nan
from typing import Any

import pytest

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.clock import ManualClock

_SPOT, _SWAP = "BTC/USDT", "BTC/USDT:USDT"


@pytest.mark.parametrize("step", [60.0, 1.5, nan, inf, True, None, "60", Decimal(5), -1, 10**30])
def test_a_clock_goes_on_by_whole_milliseconds(step: Any) -> None:
    clock = ManualClock(5)
    with EmbeddedOms(clock="manual", start_ms=5) as oms:
        for advance in (oms.advance, clock.advance):
            with pytest.raises(ValueError, match="milliseconds: expected a whole number, 0 or more"):
                advance(step)
        assert (oms.now_ms(), clock.now_ms()) == (5, 5)
        oms.advance(1)
        assert oms.now_ms() == 6


@pytest.mark.parametrize("start", [1.0, True, None, -1, 10**30])
def test_a_clock_begins_at_a_time(start: Any) -> None:
    with pytest.raises(ValueError, match="start_ms: expected milliseconds"):
        ManualClock(start)


_CALLS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda oms: oms.next_move(60.0), "until_ms: expected"),
    (lambda oms: oms.next_move(None), "until_ms: expected"),
    (lambda oms: oms.set_price(None, last=1), "symbol: None is not listed"),
    (lambda oms: oms.set_price([_SPOT], last=1), "symbol: "),
    (lambda oms: oms.set_price(_SPOT, last=True), "last: expected"),
    (lambda oms: oms.set_price(_SPOT, last=nan), "last: expected"),
    (lambda oms: oms.set_session(None, "halted"), "symbol: None is not listed"),
    (lambda oms: oms.set_session({}, "halted"), "symbol: {} is not listed"),
    (lambda oms: oms.set_hours(None, None), "symbol: None is not listed"),
    (lambda oms: oms.set_funding_rate([_SWAP], 0.1), "symbol: "),
    (lambda oms: oms.set_funding_rate(_SWAP, True), "rate: expected"),
    (lambda oms: oms.kill_switch(1, "no"), "on: expected True or False"),
    (lambda oms: oms.kill_switch(1, None), "on: expected True or False"),
    (lambda oms: oms.kill_switch(True), "account_id: True does not exist"),
    (lambda oms: oms.kill_switch(1.0), "account_id: 1.0 does not exist"),
    (lambda oms: oms.kill_switch([1]), r"account_id: \[1\] does not exist"),
    (lambda oms: oms.kill_switch(1, strategy_id="1"), "strategy_id: '1' does not exist"),
    (lambda oms: oms.kill_switch(1, strategy_id=99), "strategy_id: 99 does not exist"),
    (lambda oms: oms.kill_switch(1, symbol=[_SPOT]), "symbol: "),
    (
        lambda oms: oms.set_limits(1, {"max_open_orders": 1}, strategy_id="1"),
        "strategy_id: '1' does not exist",
    ),
    (lambda oms: oms.set_limits(1, [1]), "limits: expected values by name"),
    (lambda oms: oms.set_limits(1, 0), "limits: expected values by name"),
    (lambda oms: oms.history_of(1.0), "account_id: 1.0 does not exist"),
    (lambda oms: oms.configure("x"), "limits: expected a list of mappings"),
    (lambda oms: oms.configure(5), "limits: expected a list of mappings"),
    (lambda oms: oms.configure([1]), r"limits\[0\]: expected values by name"),
    (lambda oms: oms.configure([], [1]), "sessions: expected mappings by symbol"),
    (lambda oms: oms.subscribe(5), "callback: expected something to call"),
    (lambda oms: oms.subscribe_prices(None), "callback: expected something to call"),
]


@pytest.mark.parametrize("call,said", _CALLS)
def test_methods_name_what_makes_no_sense(call: Callable[[EmbeddedOms], Any], said: str) -> None:
    with EmbeddedOms(clock="manual") as oms:
        commits = oms.commits
        with pytest.raises(ValueError, match=said):
            call(oms)
        assert oms.commits == commits
        assert oms.limits(1) == []
