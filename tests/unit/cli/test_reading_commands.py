"""`balance`, `orders`, `positions` and `trades`: what they print, to the letter."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console

from ccxt_driver.cli import tables
from ccxt_driver.oms import EmbeddedOms

Run = Callable[..., Result]


@pytest.fixture
def traded(run: Run, paper: EmbeddedOms) -> Run:
    """An account with a past: a buy, an open order, and one that was cancelled."""
    for args in (
        ("buy", "BTC/USDT", "0.02", "--client-order-id", "first"),
        ("sell", "BTC/USDT", "0.01", "--price", "60000", "--client-order-id", "second"),
        ("buy", "BTC/USDT", "0.0010", "--price", "40000.5", "--client-order-id", "third"),
        ("buy", "BTC/USDT:USDT", "0.1", "--stop-loss", "45000", "--client-order-id", "fourth"),
        ("cancel", "3"),
    ):
        paper.advance(1000)
        done = run(*args, "--yes")
        assert done.exit_code == 0, done.output
    return run


def golden(name: str) -> str:
    return (Path(__file__).parent / "golden" / f"{name}.txt").read_text(encoding="utf-8")


def expect(result: Result, text: str) -> None:
    assert result.exit_code == 0, result.output
    assert result.stdout == text


def test_balance(run: Run) -> None:
    expect(run("balance"), golden("balance"))


def test_open_orders(traded: Run) -> None:
    expect(traded("orders"), golden("open-orders"))


def test_orders_of_the_past(traded: Run) -> None:
    expect(traded("orders", "--closed", "--symbol", "BTC/USDT"), golden("closed-orders"))
    newest = traded("orders", "--all", "--limit", 2, "--json")
    assert [order["id"] for order in json.loads(newest.stdout)] == ["3", "4"]
    oldest = traded("orders", "--all", "--limit", 2, "--since", "2025-06-15T15:06:42", "--json")
    assert [order["id"] for order in json.loads(oldest.stdout)] == ["2", "3"]


def test_one_order_with_its_trades(traded: Run) -> None:
    expect(traded("orders", "--id", "1"), golden("one-order"))
    assert traded("orders", "--client-order-id", "first").stdout == traded("orders", "--id", "1").stdout


def test_positions(traded: Run) -> None:
    expect(traded("positions"), golden("positions"))


def test_closed_positions(traded: Run) -> None:
    assert traded("close", "--all", "--yes").exit_code == 0
    expect(traded("positions", "--history"), golden("closed-positions"))
    expect(traded("positions"), "PAPER account 1 (paper netting): no open positions\n")


def test_trades(traded: Run) -> None:
    expect(traded("trades", "--symbol", "BTC/USDT"), golden("trades"))
    expect(traded("trades", "--since", 1_760_000_000_000), "PAPER account 1 (paper netting): no trades\n")


def test_a_strategy_is_named_and_sees_its_own(traded: Run) -> None:
    assert traded("buy", "ETH/USDT", "1", "--strategy", 2, "--yes").exit_code == 0
    shown = traded("trades", "--strategy", 2)
    assert shown.stdout.startswith("PAPER account 1 (paper netting), strategy 2\n")
    assert "ETH/USDT" in shown.stdout
    assert "BTC/USDT" not in shown.stdout


@pytest.mark.parametrize(
    "args", [("balance",), ("orders", "--all"), ("positions",), ("trades",), ("orders", "--id", "1")]
)
def test_json_is_one_document_of_structures_with_exact_numbers(traded: Run, args: tuple[str, ...]) -> None:
    shown = traded(*args, "--json")
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    row = found if args[0] == "balance" else found[0]
    assert "info" in row
    assert not [value for value in row.values() if isinstance(value, float)]
    if args[0] == "balance":
        assert found["total"]["USDT"] == "8996.47993"
    elif args[0] != "positions":
        assert row["amount"] == "0.02"


def test_what_does_not_go_together_is_told(run: Run) -> None:
    assert run("positions", "--limit", 3).exit_code == 2
    assert run("orders", "--since", "yesterday").exit_code == 2
    assert "90m or 7d" in run("orders", "--since", "yesterday").stderr
    both = run("orders", "--id", 1, "--client-order-id", "a")
    assert (both.exit_code, "not both" in both.stderr) == (2, True)
    assert run("orders", "--id", 1, "--limit", 3).exit_code == 2


def test_an_order_of_another_market_is_not_that_one(traded: Run) -> None:
    assert traded("orders", "--id", 1, "--symbol", "BTC/USDT").exit_code == 0
    assert traded("orders", "--id", 1, "--symbol", "ETH/USDT").exit_code == 1


@pytest.mark.parametrize("since, found", [("7d", 0), ("1750000000000", 1), ("2025-06-15", 1)])
def test_times(traded: Run, since: str, found: int) -> None:
    shown = traded("trades", "--since", since, "--symbol", "BTC/USDT", "--json")
    assert len(json.loads(shown.stdout)) == found


def test_what_an_oms_writes_cannot_steer_the_terminal(run: Run) -> None:
    placed = run("buy", "BTC/USDT", "0.01", "--yes", "--client-order-id", "a\x1b[31mb")
    assert placed.exit_code == 0, placed.output
    shown = run("orders", "--all")
    assert "a [31mb" in shown.stdout
    assert "\x1b" not in shown.output


def test_a_narrow_terminal_has_fewer_columns_and_no_broken_numbers() -> None:
    order = {
        "id": "1",
        "timestamp": 0,
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "limit",
        "info": {},
        "amount": "0.123456789012",
        "filled": "0",
        "price": "50000.123456789",
        "status": "open",
        "clientOrderId": "q0c6h2m7xk1u9d3e5a",
    }
    made, left_out = tables.table(tables.ORDERS, [order], 80)
    assert left_out == ["time (UTC)", "type", "client order id"]
    out = io.StringIO()
    Console(file=out, width=80).print(made)
    assert "0.123456789012" in out.getvalue()
    assert "50000.123456789" in out.getvalue()
    assert len(out.getvalue().splitlines()) == 2
    assert tables.table(tables.ORDERS, [order])[1] == []


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize(
    "command", [("balance", "--timeout"), ("watch", "--ticker", "--symbol", "BTC/USDT", "--seconds")]
)
def test_seconds_that_never_end_are_a_slip(run: Run, command: tuple[str, ...], value: str) -> None:
    result = run(*command, value)
    assert result.exit_code == 2
    assert f"{value}: expected a number such as 0.5" in result.stderr
