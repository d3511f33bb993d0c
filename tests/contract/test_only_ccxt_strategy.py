"""A strategy that knows nothing but ccxt's documentation runs here unchanged, and alike everywhere."""

from __future__ import annotations

import ast
import asyncio
import importlib
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.contract_desk import Desk, OmsOfTheCase, Way, desk_of
from tests.helpers.served import serve

STRATEGY = Path(__file__).parents[1] / "strategies" / "only_ccxt.py"
SYMBOL = "SOL/USDT"
BALANCES = {"USDT": "1000", "SOL": "5"}
STEP_MS = 120_000


def run(desk: Desk, **options: Any) -> dict[str, Any]:
    """Give the strategy an exchange object, as any program would, and time to pass between its steps."""
    trade = importlib.import_module("tests.strategies.only_ccxt").trade
    exchange = desk.way.kind(desk.config(**options))
    try:
        return dict(trade(exchange, SYMBOL, lambda: desk.advance(STEP_MS)))
    finally:
        exchange.close()


def desks(loop: asyncio.AbstractEventLoop, base_url: str | None, served: OmsOfTheCase | None = None) -> Any:
    """One account with little money, on the same market every time."""
    accounts = [{"account_id": 1, "position_mode": "netting", "balances": BALANCES}]
    return desk_of(Way(False, base_url, loop), served, accounts=accounts, seed=7)


def test_the_strategy_knows_only_ccxt() -> None:
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(STRATEGY.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
        )
    }
    assert imported == {"ccxt"}


@pytest.mark.oldest
@pytest.mark.sockets
def test_it_trades_in_process_and_over_http_alike(loop: asyncio.AbstractEventLoop) -> None:
    with desks(loop, None) as desk:
        report = run(desk)
        check(desk, report)
    oms = OmsOfTheCase()
    with serve(oms) as served, desks(loop, served.base_url, oms) as desk:  # type: ignore[arg-type]
        assert run(desk) == report


def check(desk: Desk, report: dict[str, Any]) -> None:
    """It has traded both ways, nothing of it is left, and the money is what its trades say."""
    trades = report["trades"]
    assert {side for _, side, *_ in trades} == {"buy", "sell"}
    assert len(trades) > 10
    assert [row[0] for row in trades] == sorted(row[0] for row in trades)
    assert {status for status, *_ in report["orders"]} >= {"closed", "canceled"}
    assert "open" not in {status for status, *_ in report["orders"]}
    quote = sum((1 if side == "sell" else -1) * price * amount for _, side, price, amount, _ in trades)
    fees = sum(fee for *_, fee in trades)
    assert report["change"]["USDT"] == pytest.approx(quote - fees, abs=1e-9)
    assert report["change"]["SOL"] == pytest.approx(0, abs=1e-9)
    assert desk.money("USDT")[1] == desk.money("SOL")[1] == 0


def test_two_of_them_on_one_account_do_not_see_each_other(loop: asyncio.AbstractEventLoop) -> None:
    """By a strategy id in the configuration alone: each report holds its own orders and trades."""
    with desks(loop, None) as desk:
        first, second = run(desk, strategy_id=1), run(desk, strategy_id=2)
        both = desk.exchange().fetch_orders(SYMBOL)
    assert first["trades"]
    assert second["trades"]
    assert len(both) == len(first["orders"]) + len(second["orders"])
    assert max(row[0] for row in first["trades"]) <= min(row[0] for row in second["trades"])
