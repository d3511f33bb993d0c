"""A signal handler that trades comes in the middle of a request of its own thread."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import ccxt
import pytest

import ccxt_driver.oms
from ccxt_driver import OmsCcxtExchange
from ccxt_driver.oms import EmbeddedOms

FOLDER = str(Path(ccxt_driver.oms.__file__).parent)
LIMIT = ("BTC/USDT", "limit", "buy", 0.01, 1000)


def interrupted(call: Callable[[], Any], handler: Callable[[], Any], line: int) -> tuple[Any, bool]:
    """Let a handler run before a line of the OMS, as Python runs those of signals.

    :returns: what the call gives, and whether it was interrupted
    """
    passed = 0
    before = sys.gettrace()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal passed
        if not frame.f_code.co_filename.startswith(FOLDER):
            return None
        if event == "line":
            passed += 1
            if passed == line:
                sys.settrace(before)
                handler()
                return None
        return trace

    sys.settrace(trace)
    try:
        return call(), passed >= line
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("name", [None, "oms.sqlite"], ids=["memory", "file"])
def test_it_is_refused_and_breaks_nothing(name: str | None, tmp_path: Path) -> None:
    """The file said from then on that the state cannot be read."""
    with EmbeddedOms(clock="manual", db=None if name is None else tmp_path / name) as oms:
        oms.set_price("BTC/USDT", last=50_000)
        exchange = OmsCcxtExchange({"options": {"oms": oms}})
        exchange.load_markets()
        answers: set[str] = set()

        def handler() -> None:
            try:
                exchange.cancel_all_orders()
                answers.add("done")
            except ccxt.ExchangeNotAvailable as error:
                said = str(error).partition("another request of this thread is in the middle")[1]
                answers.add(f"{vars(error)['outcome']}: {said}")

        line, goes_on = 1, True
        while goes_on:
            order, goes_on = interrupted(lambda: exchange.create_order(*LIMIT), handler, line)
            assert order["status"] == "open"
            assert exchange.fetch_balance()["USDT"]["used"] in (0, 10.01)
            exchange.cancel_all_orders()
            assert exchange.fetch_order(order["id"])["status"] == "canceled"
            line += 7
    assert answers == {"done", "refused: another request of this thread is in the middle"}


def test_a_subscriber_may_trade_as_before() -> None:
    with EmbeddedOms(clock="manual") as oms:
        oms.set_price("BTC/USDT", last=50_000)
        exchange = OmsCcxtExchange({"options": {"oms": oms}})
        placed: list[Any] = []
        oms.subscribe(lambda events: placed or placed.append(exchange.create_order(*LIMIT)))
        exchange.create_order(*LIMIT)
        assert len(placed) == 1
        assert len(exchange.fetch_open_orders()) == 2


def test_who_is_forked_in_the_middle_is_told_of_the_file(tmp_path: Path) -> None:
    with EmbeddedOms(clock="manual", db=tmp_path / "oms.sqlite") as oms:
        oms._working = True  # of another thread, which is not in the forked process
        oms.leave_to_the_parent()
        reply = oms.handle("orders_open", {}, {"account_ids": 1}, None)
        assert "forked" in reply.body["detail"]["message"]
        oms._closed = False
